//! The way to that mail server, for a reception.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gatepost_core::smtp::relay::{Client, ClientMode, Loss, Order, Outcome, RelaySettings, What, Whose};
use gatepost_core::{
    Consignment, Delivery, MailParams, Path, RcptParams, Reply, Time, Upstream, Upstreams, Visit, async_trait,
};

use crate::server::{GONE, Line, Server, settings};

const NO_AUTH: Reply = Reply::plain(502, "Not implemented");

/// Ways to a mail server that grants everything.
#[derive(Clone)]
pub struct Ways {
    settings: Arc<RelaySettings>,
    now: Time,
    taken: Arc<AtomicUsize>,
}

impl Ways {
    /// Ways at a time that never passes.
    pub fn new(client: ClientMode, now: Time) -> Ways {
        Ways {
            settings: settings(client),
            now,
            taken: Arc::default(),
        }
    }

    /// How many messages the mail server took over connections that are closed by now.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Upstreams for Ways {
    fn upstream(&self, _: &str) -> Option<Box<dyn Upstream>> {
        Some(Box::new(Way {
            ways: self.clone(),
            line: None,
            accepted: 0,
        }))
    }
}

struct Way {
    ways: Ways,
    line: Option<Box<Line>>,
    /// How many recipients the server accepted in the open transaction.
    accepted: usize,
}

impl Way {
    fn line(&mut self, visit: &Visit) -> Result<&mut Line, Loss> {
        if self.line.is_none() {
            let client = Client {
                ip: visit.client.address,
                port: visit.client.port,
                name: visit.reverse.clone(),
                helo: visit.helo.clone(),
                tls: visit.client.tls.is_some(),
                login: visit.login.as_ref().map(|login| login.name.clone()),
            };
            let line = Line::open(&self.ways.settings, client, Server::new(true), self.ways.now)?;
            self.line = Some(Box::new(line));
        }
        self.line.as_deref_mut().ok_or(GONE)
    }
}

fn lost(outcome: Outcome) -> Loss {
    match outcome {
        Outcome::Lost(loss) => loss,
        _ => Loss::new(Whose::Us, What::OutOfPlace),
    }
}

#[async_trait]
impl Upstream for Way {
    async fn rcpt(
        &mut self,
        visit: &Visit,
        from: &Path,
        params: &MailParams,
        to: &Path,
        rcpt: &RcptParams,
    ) -> Result<Reply, Loss> {
        let line = self.line(visit)?;
        let order = if line.in_transaction() {
            Order::Rcpt { to, params: rcpt }
        } else {
            Order::Envelope { from, params, to, rcpt }
        };
        match line.order(order) {
            Outcome::Recipient(reply) => {
                self.accepted += usize::from(reply.is_done());
                Ok(reply)
            }
            other => Err(lost(other)),
        }
    }

    async fn deliver(&mut self, consignment: Consignment<'_>) -> Result<Delivery, Loss> {
        // In the benches a message has one batch: nobody is named again.
        let everybody = consignment.to.len() == std::mem::take(&mut self.accepted);
        let Some(line) = self.line.as_deref_mut().filter(|_| everybody) else {
            return Err(Loss::new(Whose::Us, What::OutOfPlace));
        };
        if !matches!(line.order(Order::Data), Outcome::Replied(reply) if reply.code() == 354) {
            return Err(GONE);
        }
        match line.send(consignment.message.read(), consignment.message.len(), consignment.gone) {
            Outcome::Replied(reply) => Ok(Delivery {
                reply,
                refused: Vec::new(),
            }),
            other => Err(lost(other)),
        }
    }

    async fn reset(&mut self) {
        self.accepted = 0;
        if let Some(line) = self.line.as_deref_mut() {
            line.order(Order::Reset);
        }
    }

    async fn auth(&mut self, _: &Visit, _: &str, _: Option<&str>) -> Result<Reply, Loss> {
        Ok(NO_AUTH)
    }

    async fn auth_line(&mut self, _: &str) -> Result<Reply, Loss> {
        Ok(NO_AUTH)
    }

    async fn close(&mut self) {
        if let Some(line) = self.line.take() {
            self.ways.taken.fetch_add(line.close(), Ordering::Relaxed);
        }
    }

    fn name(&self) -> &str {
        "mx.d.example:25"
    }
}
