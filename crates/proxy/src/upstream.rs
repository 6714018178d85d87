//! A client's way to the mail server: who is named to it, what it is given, and what becomes of a connection that is lost.
//!
//! **Invariant:** the dot is written only after the last look, in one write with the end of the message; a connection
//! of which anything is doubtful is dropped, never reused.

use std::io::Read;
use std::sync::Arc;

use gatepost_core::smtp::Class;
use gatepost_core::smtp::relay::{Client, ClientMode, Loss, Order, Outcome, What, Whose};
use gatepost_core::{
    Consignment, Delivery, Enhanced, MailParams, Path, RcptParams, Reply, Upstream, Visit, async_trait,
};
use metrics::counter;

use crate::line::Line;
use crate::server::Server;

/// So many octets of content are encoded before they are written.
const BLOCK: usize = 64 * 1024;

/// A way to one mail server. Nothing is connected before the first recipient.
pub struct Way {
    server: Arc<Server>,
    line: Option<Box<Line>>,
    /// Whom the server accepted in the open transaction, in order.
    accepted: Vec<(Path, RcptParams)>,
    missing: Option<&'static str>,
    /// The client logged in, on the connection that is open or was.
    logged_in: bool,
}

impl Way {
    /// A way to a server.
    pub fn new(server: Arc<Server>) -> Way {
        Way {
            server,
            line: None,
            accepted: Vec::new(),
            missing: None,
            logged_in: false,
        }
    }

    /// The line to the server; if there is none yet, and `fresh`, one that has served nobody else.
    async fn line(&mut self, visit: &Visit, fresh: bool) -> Result<&mut Line, Loss> {
        if self.line.as_ref().is_none_or(|line| !line.relay.is_open()) {
            self.drop_line();
            if self.logged_in {
                // On another connection the mail server would take the client for a stranger, or for ourselves.
                return Err(Loss::new(Whose::Upstream, What::Gone));
            }
            let client = Client {
                ip: visit.client.address,
                port: visit.client.port,
                name: visit.reverse.clone(),
                helo: visit.helo.clone(),
                tls: visit.client.tls.is_some(),
                login: visit.login.as_ref().map(|login| login.name.clone()),
            };
            let line = match (!fresh).then(|| self.resting(&client)).flatten() {
                Some(line) => line,
                None => Box::new(self.server.open(client, visit.client.local).await?),
            };
            self.missing = line.relay.missing();
            if let Some(missing) = self.missing {
                counter!("gatepost_upstream_missing_total", "route" => self.server.route.clone()).increment(1);
                tracing::error!(
                    route = self.server.route,
                    upstream = self.server.address,
                    missing,
                    "the mail server does not offer what `client_address` asks for"
                );
            }
            self.line = Some(line);
        }
        self.line.as_deref_mut().ok_or(Loss::new(Whose::Us, What::OutOfPlace))
    }

    /// One that has served others and may serve this client.
    fn resting(&self, client: &Client) -> Option<Box<Line>> {
        std::iter::from_fn(|| self.server.idle.take())
            .find_map(|mut line| line.relay.reuse(client.clone()).then_some(line))
    }

    fn drop_line(&mut self) {
        self.line = None;
        self.accepted.clear();
    }

    fn lost(&mut self, outcome: Outcome) -> Loss {
        self.drop_line();
        match outcome {
            Outcome::Lost(loss) => {
                if loss.whose == Whose::Upstream {
                    self.server.failed();
                }
                loss
            }
            _ => Loss::new(Whose::Us, What::OutOfPlace),
        }
    }

    async fn transmit(&mut self, consignment: &Consignment<'_>) -> Result<Delivery, Outcome> {
        let Some(line) = self.line.as_deref_mut() else {
            return Err(Outcome::Lost(Loss::new(Whose::Upstream, What::Gone)));
        };
        let mut refused = Vec::new();
        // A part of the recipients, or a second batch of the same mail: they are named again (P-32).
        if consignment.to.len() != self.accepted.len() || !line.relay.in_transaction() {
            let some: Vec<_> = consignment
                .to
                .iter()
                .map_while(|at| self.accepted.get(*at).cloned())
                .collect();
            // Whoever is to get the mail must be known here; a list that disagrees decides nothing.
            if some.is_empty() || some.len() != consignment.to.len() {
                return Err(Outcome::Lost(Loss::new(Whose::Us, What::OutOfPlace)));
            }
            let replay = Order::Replay {
                from: consignment.from,
                params: consignment.params,
                to: &some,
            };
            match line.order(replay).await {
                Outcome::Recipients(replies) => {
                    let named = consignment.to.iter().copied().zip(replies);
                    refused.extend(named.filter(|(_, reply)| reply.class() != Class::Done));
                    // All refused: that is the answer. Some: nobody gets it now, and the client, coming again, hears
                    // the truth about each at RCPT.
                    if let Some((_, reply)) = refused.first() {
                        let all = refused.len() == some.len();
                        let reply = if all { reply.clone() } else { CHANGED_ITS_MIND };
                        return Ok(Delivery {
                            reply,
                            refused: Vec::new(),
                        });
                    }
                }
                other => return Err(other),
            }
        }
        match line.order(Order::Data).await {
            Outcome::Replied(reply) if reply.class() == Class::GoOn => {}
            Outcome::Replied(reply) => return Ok(Delivery { reply, refused }),
            other => return Err(other),
        }
        let gone = || Outcome::Lost(Loss::new(Whose::Client, What::Gone));
        let mut content = consignment.message.read();
        let mut block = vec![0; BLOCK.min(usize::try_from(consignment.message.len()).unwrap_or(BLOCK).max(1))];
        loop {
            match content.read(&mut block) {
                Ok(0) => break,
                Ok(count) => line.relay.body(&block[..count]),
                Err(error) => {
                    tracing::error!(%error, "the spooled message cannot be read again");
                    line.relay.abort();
                    return Err(Outcome::Lost(Loss::new(Whose::Us, What::Gone)));
                }
            }
            if line.relay.buffered() >= BLOCK {
                if (consignment.gone)() {
                    line.relay.abort();
                    return Err(gone());
                }
                match line.flush().await {
                    Ok(()) => {}
                    Err(Outcome::Replied(reply)) if reply.is_permanent() || reply.is_transient() => {
                        line.relay.abort();
                        return Ok(Delivery { reply, refused });
                    }
                    Err(outcome) => {
                        line.relay.abort();
                        return Err(outcome);
                    }
                }
            }
        }
        // The last look: nobody may be delivered to twice because a client gave up while the filters worked.
        if (consignment.gone)() {
            line.relay.abort();
            return Err(gone());
        }
        line.relay.end();
        match line.run().await {
            Outcome::Replied(reply) => {
                line.content &= reply.is_done();
                Ok(Delivery { reply, refused })
            }
            Outcome::Each(each, last) => {
                let delivery = told_apart(consignment.to, each, last);
                line.content &= delivery.reply.is_done() && delivery.refused.is_empty();
                Ok(delivery)
            }
            other => Err(other),
        }
    }

    async fn authenticate(&mut self, outcome: Outcome) -> Result<Reply, Loss> {
        match outcome {
            Outcome::Challenge(text) => Ok(Reply::new(334, None, text)),
            Outcome::Replied(reply) => {
                self.logged_in |= reply.code() == 235;
                Ok(reply)
            }
            other => Err(self.lost(other)),
        }
    }
}

/// What a server said of each recipient of a message, and then of the message.
fn told_apart(to: &[usize], each: Vec<Reply>, last: Reply) -> Delivery {
    let said = to.iter().copied().zip(each);
    let refused: Vec<(usize, Reply)> = said.filter(|(_, reply)| !reply.is_done()).collect();
    let reply = match refused.len() == to.len() && last.is_done() {
        // Whatever it says of the message, nobody has it.
        true => {
            let later = refused.iter().find(|(_, reply)| reply.is_transient());
            later.or(refused.first()).map_or(last, |(_, reply)| reply.clone())
        }
        false => last,
    };
    Delivery { reply, refused }
}

const CHANGED_ITS_MIND: Reply = Reply::fixed(
    451,
    Enhanced(4, 3, 0),
    "The mail server no longer takes some recipient, try again later",
);
const NO_SECRETS: Reply = Reply::fixed(
    454,
    Enhanced(4, 7, 0),
    "No secure way to the mail server, try again later",
);

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
        let kept = self.line.is_some();
        let opened = self.line(visit, false).await?.relay.in_transaction();
        let reused = self.line.as_deref().is_some_and(|line| line.relay.is_used());
        if !opened {
            self.accepted.clear();
        }
        let order = if opened {
            Order::Rcpt { to, params: rcpt }
        } else {
            Order::Envelope { from, params, to, rcpt }
        };
        let mut outcome = match self.line.as_deref_mut() {
            Some(line) => line.order(order).await,
            None => Outcome::Lost(Loss::new(Whose::Upstream, What::Gone)),
        };
        let ended = match &outcome {
            Outcome::Lost(loss) => loss.what == What::Gone || reused && loss.what != What::Silent,
            Outcome::Recipient(reply) => reply.code() == 421,
            _ => false,
        };
        if (kept || reused) && !opened && ended {
            // It ended while it was idle: nothing of this transaction is lost with it.
            self.drop_line();
            outcome = self.line(visit, true).await?.order(order).await;
        }
        match outcome {
            // With the connection go the recipients that were accepted on it: the transaction is lost, not this one only.
            Outcome::Recipient(reply) if reply.code() == 421 && opened => {
                Err(self.lost(Outcome::Lost(Loss::new(Whose::Upstream, What::Gone))))
            }
            Outcome::Recipient(reply) => {
                if reply.class() == Class::Done {
                    self.accepted.push((to.clone(), rcpt.clone()));
                }
                Ok(reply)
            }
            other => Err(self.lost(other)),
        }
    }

    fn answered_rcpt(&self) -> bool {
        // The server is in a transaction only once it has accepted MAIL.
        self.line.as_deref().is_some_and(|line| line.relay.in_transaction())
    }

    async fn deliver(&mut self, consignment: Consignment<'_>) -> Result<Delivery, Loss> {
        match self.transmit(&consignment).await {
            // The list of recipients stays: the next batch names some of them by their places in it. The server's own
            // transaction ends here, though, or the next mail would be added to it.
            Ok(delivery) => {
                if let Some(line) = self.line.as_deref_mut() {
                    let open = line.relay.is_open() && line.relay.in_transaction();
                    if open && !matches!(line.order(Order::Reset).await, Outcome::Replied(reply) if reply.is_done()) {
                        self.line = None;
                    }
                }
                Ok(delivery)
            }
            Err(outcome) => Err(self.lost(outcome)),
        }
    }

    async fn reset(&mut self) {
        self.accepted.clear();
        let Some(line) = self.line.as_deref_mut() else { return };
        if line.relay.in_transaction()
            && !matches!(line.order(Order::Reset).await, Outcome::Replied(reply) if reply.is_done())
        {
            self.drop_line();
        }
    }

    async fn auth(&mut self, visit: &Visit, mechanism: &str, initial: Option<&str>) -> Result<Reply, Loss> {
        if self.line.as_deref().is_some_and(|line| line.relay.is_used()) {
            self.drop_line();
        }
        let line = self.line(visit, true).await?;
        if line.fallen_back {
            return Ok(NO_SECRETS);
        }
        let outcome = line.order(Order::Auth { mechanism, initial }).await;
        self.authenticate(outcome).await
    }

    async fn auth_line(&mut self, line: &str) -> Result<Reply, Loss> {
        let order = if line == "*" {
            Order::AuthCancel
        } else {
            Order::AuthLine(line)
        };
        let outcome = match self.line.as_deref_mut() {
            Some(line) => line.order(order).await,
            None => Outcome::Lost(Loss::new(Whose::Upstream, What::Gone)),
        };
        self.authenticate(outcome).await
    }

    async fn close(&mut self) {
        if let Some(line) = self.line.take()
            && line.relay.is_open()
            && let Err(line) = self.server.idle.rest(line)
        {
            line.farewell().await;
        }
    }

    fn name(&self) -> &str {
        &self.server.address
    }

    fn wants_name(&self) -> bool {
        self.line.is_none() && self.server.settings.client != ClientMode::None
    }

    fn missing(&self) -> Option<&str> {
        self.missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_of_each_goes_with_the_place_of_each() {
        for (codes, last, reply, refused) in [
            (&[250, 250][..], 250, 250, &[][..]),
            (&[250, 550], 250, 250, &[4]),
            (&[450, 250], 250, 250, &[2]),
            (&[250, 550], 451, 451, &[4]),
            (&[550, 550], 550, 550, &[2, 4]),
            (&[550, 451], 250, 451, &[2, 4]),
        ] {
            let each = codes.iter().map(|code| Reply::plain(*code, "word")).collect();
            let delivery = told_apart(&[2, 4], each, Reply::plain(last, "last"));
            assert_eq!(delivery.reply.code(), reply, "{codes:?} {last}");
            let places: Vec<usize> = delivery.refused.iter().map(|(place, _)| *place).collect();
            assert_eq!(places, refused, "{codes:?} {last}");
        }
    }
}
