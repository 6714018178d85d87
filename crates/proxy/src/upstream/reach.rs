//! How a way comes to a connection: one that waits, or a new one to the first host that serves us.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gatepost_core::Visit;
use gatepost_core::smtp::relay::{Client, Loss, What, Whose};
use metrics::counter;

use crate::clock::ticks;
use crate::hosts::health::graver;
use crate::hosts::seats::Seat;
use crate::line::Line;

use super::{LONGEST, Way};

/// How long a connection is waited for where every host has as many as it may.
const FULL: Duration = Duration::from_secs(2);

/// For whom a connection is, as the server is told.
pub(super) struct Whom {
    client: Client,
    /// Where the client connected to us.
    destination: Option<SocketAddr>,
}

impl Whom {
    pub(super) fn of(visit: &Visit) -> Whom {
        Whom {
            client: Client {
                ip: visit.client.address,
                port: visit.client.port,
                name: visit.reverse.clone(),
                helo: visit.helo.clone(),
                tls: visit.client.tls.is_some(),
                login: visit.login.as_ref().map(|login| login.name.clone()),
            },
            destination: visit.client.local,
        }
    }
}

impl Way {
    /// A connection to the first host that serves us, those in `but` passed over; who does not is added to them. If
    /// `fresh`, one that has served nobody else.
    pub(super) async fn reach(&mut self, whom: &Whom, fresh: bool, but: &mut Vec<usize>) -> Result<&mut Line, Loss> {
        self.drop_line();
        if self.logged_in {
            // On another connection the mail server would take the client for a stranger, or for ourselves.
            return Err(Loss::new(Whose::Upstream, What::Gone));
        }
        let mut full = Vec::new();
        let mut lost = None;
        while let Some(at) = self.hosts.next(&[&but[..], &full[..]].concat()) {
            if lost.is_some() && ticks().since(self.since) >= LONGEST {
                break;
            }
            if let Some(line) = (!fresh).then(|| self.resting(at, &whom.client)).flatten() {
                return self.hold(at, line);
            }
            let Some(server) = self.hosts.server(at) else { break };
            // One that only rests must not stand in the way of a new one.
            let seat = server.seats.free().or_else(|_| {
                drop(server.idle.take());
                server.seats.free()
            });
            let Ok(seat) = seat else {
                full.push(at);
                continue;
            };
            match self.open(at, whom, seat).await {
                Ok(line) => return self.hold(at, line),
                Err(loss) if loss.whose == Whose::Client => return Err(loss),
                Err(loss) => {
                    but.push(at);
                    lost = graver(lost, Some(loss));
                }
            }
        }
        let Some((at, server)) = full.first().and_then(|at| Some((*at, self.hosts.server(*at)?))) else {
            return Err(lost.unwrap_or_else(|| self.hosts.loss()));
        };
        let server = Arc::clone(server);
        match server.seats.wait(FULL).await {
            Ok(seat) => {
                let opened = self.open(at, whom, seat).await;
                self.hold(at, opened?)
            }
            Err(_) => {
                counter!("gatepost_upstream_full_total", "route" => server.route.to_string()).increment(1);
                Err(Loss::new(Whose::Us, What::Busy))
            }
        }
    }

    async fn open(&self, at: usize, whom: &Whom, seat: Seat) -> Result<Box<Line>, Loss> {
        let opened = self.hosts.open(at, whom.client.clone(), whom.destination, seat);
        opened.await.map(Box::new)
    }

    /// One that has served others and may serve this client.
    fn resting(&self, at: usize, client: &Client) -> Option<Box<Line>> {
        let server = self.hosts.server(at)?;
        std::iter::from_fn(|| server.idle.take()).find_map(|mut line| line.relay.reuse(client.clone()).then_some(line))
    }

    fn hold(&mut self, at: usize, line: Box<Line>) -> Result<&mut Line, Loss> {
        self.at = at;
        self.missing = line.relay.missing();
        if let (Some(missing), Some(server)) = (self.missing, self.hosts.server(at)) {
            counter!("gatepost_upstream_missing_total", "route" => server.route.to_string()).increment(1);
            tracing::error!(
                route = &*server.route,
                upstream = server.address,
                missing,
                "the mail server does not offer what `client_address` asks for"
            );
        }
        Ok(&mut **self.line.insert(line))
    }
}
