//! A client's way to the mail servers of a route: who is named to them, what they are given, and what becomes of a
//! connection that is lost.
//!
//! **Invariants:** another host is tried only before the dot (P-42): after it the client hears 451 and comes again. A host
//! that takes over hears the recipients that the one before accepted; if it does not accept them all, the client hears 451
//! and nobody gets the mail. Who logged in as a client stays with the host that believed it. A connection of which anything
//! is doubtful is dropped, never reused.

mod reach;
mod transmit;

use std::sync::Arc;
use std::time::Duration;

use gatepost_core::smtp::relay::{ClientMode, Loss, Order, Outcome, What, Whose};
use gatepost_core::smtp::{Class, Offer};
use gatepost_core::{
    Consignment, Delivery, Enhanced, MailParams, Path, RcptParams, Reply, Time, Upstream, Visit, async_trait,
};
use metrics::counter;

use crate::clock::ticks;
use crate::hosts::Hosts;
use crate::line::Line;
use crate::server::Server;
use reach::Whom;
use transmit::{Named, transmit};

/// A way to the hosts of one route. Nothing is connected before the first recipient.
pub struct Way {
    hosts: Arc<Hosts>,
    /// The host that is spoken to, or was last.
    at: usize,
    line: Option<Box<Line>>,
    /// For whom connections were opened last.
    whom: Option<Arc<Whom>>,
    /// Whom the server accepted in the open transaction, in order.
    accepted: Vec<(Path, RcptParams)>,
    missing: Option<&'static str>,
    /// The client logged in, on the connection that is open or was.
    logged_in: bool,
    /// Since when the client waits.
    since: Time,
}

/// How long hosts are tried one after another, at most; the client waits so long, and has five minutes.
const LONGEST: Duration = Duration::from_secs(120);

/// A mail as MAIL and RCPT tell it.
#[derive(Clone, Copy)]
struct Said<'a> {
    from: &'a Path,
    params: &'a MailParams,
    to: &'a Path,
    rcpt: &'a RcptParams,
}

impl Way {
    /// A way to one of these.
    pub fn new(hosts: Arc<Hosts>) -> Way {
        Way {
            hosts,
            at: 0,
            line: None,
            whom: None,
            accepted: Vec::new(),
            missing: None,
            logged_in: false,
            since: Time::ZERO,
        }
    }

    fn server(&self) -> Option<&Arc<Server>> {
        self.hosts.server(self.at)
    }

    fn drop_line(&mut self) {
        self.line = None;
    }

    /// The transaction and its connection are lost.
    fn lost(&mut self, outcome: Outcome) -> Loss {
        self.drop_line();
        self.accepted.clear();
        match outcome {
            Outcome::Lost(loss) => {
                self.count(&loss);
                loss
            }
            _ => Loss::new(Whose::Us, What::OutOfPlace),
        }
    }

    /// Counts it. A server that is lost within a mail may be lost by that mail: a probe finds out.
    fn count(&self, loss: &Loss) {
        if let Some(server) = self.server().filter(|_| loss.whose == Whose::Upstream) {
            server.failed();
            self.hosts.doubted(self.at);
        }
    }

    /// Counts that another host is asked, and tells why.
    fn moves_on(&self, step: &'static str, loss: &Loss) {
        self.count(loss);
        let Some(server) = self.server() else { return };
        tracing::warn!(
            route = &*server.route,
            upstream = server.address,
            step,
            why = %loss.reply(),
            said = loss.said().map(ToString::to_string),
            "the mail server left before it had the mail: another one is tried"
        );
        counter!("gatepost_upstream_failovers_total", "route" => server.route.to_string(), "step" => step).increment(1);
    }

    /// Whether another host may be asked to take over.
    fn may_move(&self, loss: &Loss) -> bool {
        let others = self.hosts.all().len() > 1;
        let late = ticks().since(self.since) >= LONGEST;
        others && !late && !self.logged_in && loss.whose == Whose::Upstream && !loss.after_dot
    }

    /// The first recipient of a transaction.
    async fn begin(&mut self, whom: Arc<Whom>, said: Said<'_>, mut but: Vec<usize>) -> Result<Reply, Loss> {
        self.whom = Some(Arc::clone(&whom));
        self.accepted.clear();
        let mut fresh = false;
        let mut lost: Option<Loss> = None;
        // What a server that knows the client said to that one, in words.
        let mut word = None;
        loop {
            let kept = self.line.as_deref().is_some_and(|line| line.relay.is_open());
            if !kept && let Err(loss) = self.reach(&whom, fresh, &mut but).await {
                return match (word, lost) {
                    _ if loss.whose == Whose::Client => Err(loss),
                    (Some(word), _) => Ok(word),
                    (None, Some(lost)) if loss.whose == Whose::Upstream => Err(lost),
                    _ => Err(loss),
                };
            }
            let lacking = self.lacking(&said);
            let Some(line) = self.line.as_deref_mut() else {
                return Err(Loss::new(Whose::Us, What::OutOfPlace));
            };
            if let Some(reply) = lacking {
                return Ok(reply);
            }
            let reused = line.relay.is_used();
            let introduced = line.relay.introduced() || self.hosts.server(self.at).is_some_and(|it| it.proxy_header);
            let Said { from, params, to, rcpt } = said;
            let began = ticks();
            let outcome = line.order(Order::Envelope { from, params, to, rcpt }).await;
            let took = ticks().since(began);
            let ended = match &outcome {
                Outcome::Lost(loss) => loss.what == What::Gone || reused && loss.what != What::Silent,
                Outcome::Recipient(reply) => reply.code() == 421,
                _ => false,
            };
            if (kept || reused) && ended && !fresh {
                // It ended while it was idle: nothing of this transaction is lost with it.
                self.drop_line();
                fresh = true;
                continue;
            }
            let loss = match outcome {
                Outcome::Recipient(reply) if reply.code() != 421 => {
                    self.hosts.served(self.at);
                    return Ok(self.noted(&said, reply));
                }
                Outcome::Recipient(reply) => {
                    if introduced {
                        word = Some(reply.clone());
                    }
                    Loss::new(Whose::Upstream, What::Refused(reply))
                }
                Outcome::Lost(loss) => loss,
                other => return Err(self.lost(other)),
            };
            // Silence, and the end of the connection, may be the work of this very mail.
            if matches!(loss.what, What::Refused(_)) {
                self.hosts.left(self.at, &loss, took, introduced);
            }
            if !self.may_move(&loss) {
                let loss = self.lost(Outcome::Lost(loss));
                return word.ok_or(loss);
            }
            self.moves_on("mail", &loss);
            but.push(self.at);
            self.drop_line();
            fresh = true;
            lost.get_or_insert(loss);
        }
    }

    /// One more recipient of the transaction that is open.
    async fn go_on(&mut self, said: Said<'_>) -> Result<Reply, Loss> {
        let Said { to, rcpt, .. } = said;
        let outcome = match self.line.as_deref_mut() {
            Some(line) => line.order(Order::Rcpt { to, params: rcpt }).await,
            None => Outcome::Lost(Loss::new(Whose::Upstream, What::Gone)),
        };
        let loss = match outcome {
            Outcome::Recipient(reply) if reply.code() != 421 => return Ok(self.noted(&said, reply)),
            // With the connection go the recipients that were accepted on it: the transaction is lost, not this one only.
            Outcome::Recipient(_) => Loss::new(Whose::Upstream, What::Gone),
            Outcome::Lost(loss) => loss,
            other => return Err(self.lost(other)),
        };
        let Some(whom) = self.whom.clone().filter(|_| self.may_move(&loss)) else {
            return Err(self.lost(Outcome::Lost(loss)));
        };
        self.moves_on("rcpt", &loss);
        let mut but = vec![self.at];
        self.drop_line();
        if self.accepted.is_empty() {
            return self.begin(whom, said, but).await;
        }
        let accepted = std::mem::take(&mut self.accepted);
        loop {
            let Ok(line) = self.reach(&whom, true, &mut but).await else {
                return Err(loss);
            };
            let Said { from, params, to, rcpt } = said;
            let again = Order::Replay {
                from,
                params,
                to: &accepted,
            };
            let outcome = match line.order(again).await {
                Outcome::Recipients(replies) if replies.iter().all(|reply| reply.class() == Class::Done) => {
                    line.order(Order::Rcpt { to, params: rcpt }).await
                }
                Outcome::Recipients(replies) if replies.iter().any(|reply| reply.code() == 421) => {
                    Outcome::Lost(Loss::new(Whose::Upstream, What::Gone))
                }
                // It says otherwise of those of whom the client heard yes.
                Outcome::Recipients(_) => return Err(self.lost(Outcome::Lost(loss))),
                other => other,
            };
            match outcome {
                Outcome::Recipient(reply) if reply.code() != 421 => {
                    self.accepted = accepted;
                    return Ok(self.noted(&said, reply));
                }
                Outcome::Lost(loss) if loss.whose != Whose::Upstream => return Err(self.lost(Outcome::Lost(loss))),
                _ => {
                    but.push(self.at);
                    self.drop_line();
                }
            }
        }
    }

    /// Remembers who was accepted.
    fn noted(&mut self, said: &Said<'_>, reply: Reply) -> Reply {
        if reply.class() == Class::Done {
            self.accepted.push((said.to.clone(), said.rcpt.clone()));
        }
        reply
    }

    /// What is said in place of a server that cannot take the mail, and that the client could not know of, since others
    /// can: not what it may offer again after its next restart, so both what it says and what it said must lack it.
    fn lacking(&self, said: &Said<'_>) -> Option<Reply> {
        let (server, line) = (self.server()?, self.line.as_deref()?);
        let known = self.hosts.offered(self.at)?;
        if !server.among_others {
            return None;
        }
        lacks(&known, said)?;
        lacks(line.relay.offer(), said)
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

/// Why a server that offers this cannot take a mail.
fn lacks(offer: &Offer, said: &Said<'_>) -> Option<Reply> {
    let utf8 = |path: &Path| path.mailbox().is_some_and(|mailbox| mailbox.needs_utf8());
    if !offer.smtputf8 && (said.params.smtputf8 || utf8(said.from) || utf8(said.to)) {
        return Some(NO_UTF8);
    }
    let limit = offer.size.filter(|limit| *limit != 0)?;
    let size = said.params.size?;
    (size > limit).then_some(TOO_LARGE)
}

const NO_SECRETS: Reply = Reply::fixed(
    454,
    Enhanced(4, 7, 0),
    "No secure way to the mail server, try again later",
);
const NO_UTF8: Reply = Reply::fixed(
    550,
    Enhanced(5, 6, 7),
    "The mail server of this recipient reads no UTF-8 addresses",
);
const TOO_LARGE: Reply = Reply::fixed(
    552,
    Enhanced(5, 3, 4),
    "The mail server of this recipient takes no message of that size",
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
        self.since = ticks();
        let opened = |line: &Line| line.relay.is_open() && line.relay.in_transaction();
        let said = Said { from, params, to, rcpt };
        match self.line.as_deref().is_some_and(opened) {
            true => self.go_on(said).await,
            false => self.begin(Arc::new(Whom::of(visit)), said, Vec::new()).await,
        }
    }

    fn answered_rcpt(&self) -> bool {
        // The server is in a transaction only once it has accepted MAIL.
        self.line.as_deref().is_some_and(|line| line.relay.in_transaction())
    }

    async fn deliver(&mut self, consignment: Consignment<'_>) -> Result<Delivery, Loss> {
        self.since = ticks();
        if self.accepted.is_empty() {
            // An earlier batch lost the transaction: no other host can be told whom the server accepted in it.
            return Err(Loss::new(Whose::Upstream, What::Gone));
        }
        let mut but = Vec::new();
        let mut first = None;
        loop {
            let named = Named {
                accepted: &self.accepted,
                elsewhere: first.is_some(),
            };
            let sent = match self.line.as_deref_mut() {
                Some(line) => transmit(line, named, &consignment).await,
                None => Err(Outcome::Lost(Loss::new(Whose::Upstream, What::Gone))),
            };
            match sent {
                // The list of recipients stays: the next batch names some of them by their places in it. The server's own
                // transaction ends here, though, or the next mail would be added to it.
                Ok(delivery) => {
                    if let Some(line) = self.line.as_deref_mut() {
                        let open = line.relay.is_open() && line.relay.in_transaction();
                        if open && !matches!(line.order(Order::Reset).await, Outcome::Replied(reply) if reply.is_done())
                        {
                            self.line = None;
                        }
                    }
                    return Ok(delivery);
                }
                Err(Outcome::Lost(loss)) if self.may_move(&loss) && !(consignment.gone)() => {
                    self.moves_on("data", &loss);
                    but.push(self.at);
                    first.get_or_insert(loss);
                }
                Err(outcome) => return Err(self.lost(outcome)),
            }
            let Some(whom) = self.whom.clone() else {
                return Err(Loss::new(Whose::Us, What::OutOfPlace));
            };
            if self.reach(&whom, true, &mut but).await.is_err() {
                self.accepted.clear();
                return Err(first.unwrap_or(Loss::new(Whose::Upstream, What::Gone)));
            }
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
        self.since = ticks();
        let whom = Arc::clone(self.whom.insert(Arc::new(Whom::of(visit))));
        let fit = |line: &Line| line.relay.is_open() && !line.relay.is_used();
        if !self.line.as_deref().is_some_and(fit) {
            self.accepted.clear();
            self.reach(&whom, true, &mut Vec::new()).await?;
        }
        let outcome = match self.line.as_deref_mut() {
            Some(line) if line.fallen_back => return Ok(NO_SECRETS),
            Some(line) => line.order(Order::Auth { mechanism, initial }).await,
            None => Outcome::Lost(Loss::new(Whose::Upstream, What::Gone)),
        };
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
        let Some(line) = self.line.take().filter(|line| line.relay.is_open()) else {
            return;
        };
        let rested = match self.server() {
            // Who waits for a place must not wait for one that only rests.
            Some(server) if !server.seats.are_wanted() => server.idle.rest(line),
            _ => Err(line),
        };
        if let Err(line) = rested {
            line.farewell().await;
        }
    }

    fn name(&self) -> &str {
        self.server().map_or("", |server| &server.address)
    }

    fn wants_name(&self) -> bool {
        self.line.is_none()
            && self
                .server()
                .is_some_and(|server| server.settings.client != ClientMode::None)
    }

    fn missing(&self) -> Option<&str> {
        self.missing
    }

    fn introduces(&self) -> bool {
        self.server().is_some_and(|server| server.introduces())
    }
}
