//! One connection to a mail server: a socket that obeys [`smtp::relay`](gatepost_core::smtp::relay).

use std::sync::Arc;
use std::time::Duration;

use gatepost_core::Time;
use gatepost_core::smtp::Class;
use gatepost_core::smtp::relay::{ClientMode, Input, Loss, Order, Outcome, Output, Relay, What, Whose};

use crate::clock::ticks;
use crate::hosts::seats::Seat;
use crate::server::Server;
use crate::wire::Wire;

/// How long a server that takes no more of a message may take to say why.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// One connection.
pub struct Line {
    server: Arc<Server>,
    /// What is said on it.
    pub relay: Relay,
    /// Its socket.
    pub wire: Wire,
    /// Its TLS is broken, so it is spoken to without: no place for passwords.
    pub fallen_back: bool,
    /// The server has refused nothing yet on it.
    pub content: bool,
    /// Since when.
    pub opened: Time,
    /// How many clients' sessions it has served.
    pub served: u32,
    /// Its place among the connections that the server may have from us.
    pub seat: Seat,
}

impl Line {
    /// A connection that was just made.
    pub fn new(server: Arc<Server>, relay: Relay, wire: Wire) -> Line {
        Line {
            server,
            relay,
            wire,
            fallen_back: false,
            content: true,
            opened: ticks(),
            served: 0,
            seat: None,
        }
    }

    /// Obeys the machine until what was ordered is done.
    pub async fn run(&mut self) -> Outcome {
        loop {
            let now = ticks();
            match self.relay.poll(now) {
                Output::Write(octets) => {
                    let block = self.server.settings.timeouts.block;
                    match tokio::time::timeout(block, self.wire.write(octets)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) => self.relay.give(now, Input::Eof),
                        Err(_) => self.relay.give(ticks(), Input::Tick),
                    }
                }
                Output::StartTls => {
                    let done = match &self.server.tls {
                        Some((connector, name)) => {
                            let handshake = self.wire.connect(connector, name.clone());
                            match tokio::time::timeout(self.server.settings.timeouts.command, handshake).await {
                                Ok(Ok(())) => Ok(()),
                                Ok(Err(error)) => Err(error.to_string()),
                                Err(_) => Err("no end within the time limit".into()),
                            }
                        }
                        None => Err("not set up".into()),
                    };
                    if let Err(why) = &done {
                        tracing::warn!(
                            upstream = self.server.address,
                            why,
                            "the TLS handshake with the mail server failed"
                        );
                    }
                    self.relay
                        .give(ticks(), if done.is_ok() { Input::Secured } else { Input::Eof });
                }
                Output::Wait { until, read } => {
                    let relay = &mut self.relay;
                    let patience = tokio::time::sleep(until.since(now).min(Duration::from_secs(86_400)));
                    tokio::select! {
                        biased;
                        read = self.wire.read(usize::MAX, |octets| match octets {
                            [] => relay.give(ticks(), Input::Eof),
                            octets => relay.give(ticks(), Input::Bytes(octets)),
                        }), if read => {
                            if read.is_err() {
                                self.relay.give(ticks(), Input::Eof);
                            }
                        }
                        () = patience => self.relay.give(ticks().max(until), Input::Tick),
                    }
                }
                Output::Done(outcome) => return outcome,
                Output::Close => return Outcome::Lost(Loss::new(Whose::Upstream, What::Gone)),
            }
        }
    }

    /// Writes what is buffered of the body. Otherwise how it ended: a server that takes no more may have said why.
    pub async fn flush(&mut self) -> Result<(), Outcome> {
        let block = self.server.settings.timeouts.block;
        let written = match self.relay.poll(ticks()) {
            Output::Write(octets) => matches!(tokio::time::timeout(block, self.wire.write(octets)).await, Ok(Ok(()))),
            Output::Wait { .. } => true,
            Output::Done(outcome) => return Err(outcome),
            Output::StartTls | Output::Close => false,
        };
        if written {
            return Ok(());
        }
        let relay = &mut self.relay;
        let last_words = self
            .wire
            .read(usize::MAX, |octets| relay.give(ticks(), Input::Bytes(octets)));
        if matches!(tokio::time::timeout(LAST_WORDS, last_words).await, Ok(Ok(())))
            && let Output::Done(outcome) = self.relay.poll(ticks())
        {
            return Err(outcome);
        }
        Err(Outcome::Lost(Loss::new(Whose::Upstream, What::Gone)))
    }

    pub async fn order(&mut self, order: Order<'_>) -> Outcome {
        self.relay.order(order);
        let outcome = self.run().await;
        self.content &= match &outcome {
            Outcome::Replied(reply) | Outcome::Recipient(reply) => {
                matches!(reply.class(), Class::Done | Class::GoOn)
            }
            Outcome::Recipients(replies) => replies.iter().all(|reply| reply.class() == Class::Done),
            Outcome::Ready => true,
            Outcome::Each(each, last) => last.is_done() && each.iter().all(|reply| reply.is_done()),
            Outcome::Challenge(_) | Outcome::Lost(_) => false,
        };
        outcome
    }

    /// Whether it may serve another client. A server counts errors by connection, slows down, and hangs up on the one who
    /// makes too many: who comes next shall not pay for it.
    pub fn may_rest(&self) -> bool {
        self.content
            && !self.fallen_back
            && !self.server.proxy_header
            && self.server.settings.client != ClientMode::XClient
            && self.relay.may_be_reused()
            && self.is_quiet()
    }

    /// Whether the server has said nothing and is still there, as far as the kernel knows.
    pub fn is_quiet(&self) -> bool {
        self.wire.shared().is_quiet()
    }

    /// Ends it. A goodbye is a courtesy: it is written, and its answer is not waited for.
    pub async fn farewell(mut self: Box<Self>) {
        self.relay.order(Order::Quit);
        let _ = self.flush().await;
        self.wire.close().await;
    }
}
