//! A mail server that does as a test says.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gatepost_core::smtp::relay::{Loss, What, Whose};
use gatepost_core::{Consignment, Delivery, Enhanced, MailParams, Path, RcptParams, Reply, Upstream, Upstreams, Visit};

/// A message that the mail server has taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivered {
    /// The route.
    pub route: Box<str>,
    /// The envelope sender.
    pub from: Path,
    /// Its parameters.
    pub params: MailParams,
    /// The recipients, in the order in which they were named.
    pub to: Vec<Path>,
    /// The message as it came over the wire, dots undone.
    pub bytes: Vec<u8>,
}

/// When the mail server dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dies {
    /// At RCPT.
    AtRcpt,
    /// While the message is sent: it has nothing.
    BeforeDot,
    /// At the dot, without the message: nobody can tell.
    AtDot,
    /// After the dot, with the message: nobody can tell.
    AfterDot,
}

#[derive(Default)]
struct Orders {
    rcpt: BTreeMap<String, Reply>,
    each: BTreeMap<String, Reply>,
    mail: Option<Reply>,
    dot: Vec<Reply>,
    dot_always: Option<Reply>,
    auth: Option<Reply>,
    dies: Option<Dies>,
    down: bool,
    /// Routes that are believed to be away, and are.
    away: BTreeSet<Box<str>>,
    slow: Duration,
    missing: Option<String>,
}

#[derive(Default)]
struct State {
    orders: Orders,
    delivered: Vec<Delivered>,
    opened: usize,
    resets: usize,
    closed: usize,
}

/// Ways to a mail server that accepts everything until it is told otherwise, and remembers each message it took.
#[derive(Clone, Default)]
pub struct ScriptedUpstreams(Arc<Mutex<State>>);

const OK: Reply = Reply::fixed(250, Enhanced(2, 0, 0), "Ok");
const TAKEN: Reply = Reply::fixed(250, Enhanced(2, 0, 0), "Taken by the mail server");

impl ScriptedUpstreams {
    /// A mail server that accepts everything.
    pub fn new() -> ScriptedUpstreams {
        ScriptedUpstreams::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers RCPT for an address with this.
    pub fn rcpt(&self, address: &str, reply: Reply) {
        self.state().orders.rcpt.insert(address.to_ascii_lowercase(), reply);
    }

    /// Answers MAIL with this.
    pub fn mail(&self, reply: Option<Reply>) {
        self.state().orders.mail = reply;
    }

    /// Answers the dot with this; a message is taken only with a 2xx.
    pub fn dot(&self, reply: Option<Reply>) {
        self.state().orders.dot_always = reply;
    }

    /// Answers the next dots with these, one each, before [`dot`](ScriptedUpstreams::dot) holds again.
    pub fn next_dots(&self, replies: impl IntoIterator<Item = Reply>) {
        self.state().orders.dot.extend(replies);
    }

    /// Answers AUTH with this; 235 where nothing is said.
    pub fn auth(&self, reply: Option<Reply>) {
        self.state().orders.auth = reply;
    }

    /// Dies each time it comes so far.
    pub fn dies(&self, when: Option<Dies>) {
        self.state().orders.dies = when;
    }

    /// Cannot be reached, or can again.
    pub fn down(&self, down: bool) {
        self.state().orders.down = down;
    }

    /// The mail servers of a route are away, and believed to be; or all are there again.
    pub fn away(&self, route: Option<&str>) {
        let mut state = self.state();
        match route {
            Some(route) => drop(state.orders.away.insert(route.into())),
            None => state.orders.away.clear(),
        }
    }

    /// Refuses those addresses, of the recipients of the next messages whose sender wants a word on each (PRDR).
    pub fn each(&self, address: &str, reply: Reply) {
        self.state().orders.each.insert(address.to_ascii_lowercase(), reply);
    }

    /// Takes so long for its reply to the dot.
    pub fn slow(&self, slow: Duration) {
        self.state().orders.slow = slow;
    }

    /// Lacks what configuration asks for.
    pub fn missing(&self, what: Option<&str>) {
        self.state().orders.missing = what.map(Into::into);
    }

    /// Every message that it has taken.
    pub fn delivered(&self) -> Vec<Delivered> {
        self.state().delivered.clone()
    }

    /// How many connections were opened, transactions reset there, and ways closed.
    pub fn counts(&self) -> (usize, usize, usize) {
        let state = self.state();
        (state.opened, state.resets, state.closed)
    }
}

impl Upstreams for ScriptedUpstreams {
    fn upstream(&self, route: &str) -> Option<Box<dyn Upstream>> {
        let missing = self.state().orders.missing.clone();
        Some(Box::new(Way {
            server: self.clone(),
            route: route.into(),
            open: false,
            mail: None,
            sent: false,
            missing,
        }))
    }

    fn is_up(&self, route: &str) -> bool {
        !self.state().orders.away.contains(route)
    }
}

/// One client's way.
struct Way {
    server: ScriptedUpstreams,
    route: Box<str>,
    open: bool,
    /// The transaction there: sender and accepted recipients.
    mail: Option<(Path, MailParams, Vec<Path>)>,
    /// Its message was sent. Another batch may follow, or the next transaction's first recipient.
    sent: bool,
    missing: Option<String>,
}

impl Way {
    fn lost(&mut self, what: What, after_dot: bool) -> Loss {
        self.open = false;
        self.mail = None;
        let mut loss = Loss::new(Whose::Upstream, what);
        loss.after_dot = after_dot;
        loss
    }

    fn connect(&mut self) -> Result<(), Loss> {
        let down = {
            let orders = &self.server.state().orders;
            orders.down || orders.away.contains(&self.route)
        };
        if down {
            return Err(self.lost(What::Unreachable, false));
        }
        if !std::mem::replace(&mut self.open, true) {
            self.server.state().opened += 1;
        }
        Ok(())
    }
}

#[async_trait]
impl Upstream for Way {
    async fn rcpt(
        &mut self,
        _: &Visit,
        from: &Path,
        params: &MailParams,
        to: &Path,
        _: &RcptParams,
    ) -> Result<Reply, Loss> {
        self.connect()?;
        let server = self.server.clone();
        let state = server.state();
        if state.orders.dies == Some(Dies::AtRcpt) {
            return Err(self.lost(What::Gone, false));
        }
        if std::mem::take(&mut self.sent) {
            self.mail = None;
        }
        if let Some(reply) = state.orders.mail.as_ref().filter(|_| self.mail.is_none()) {
            return Ok(reply.clone());
        }
        let (_, _, accepted) = self
            .mail
            .get_or_insert_with(|| (from.clone(), params.clone(), Vec::new()));
        let reply = state
            .orders
            .rcpt
            .get(&to.to_string().to_ascii_lowercase())
            .cloned()
            .unwrap_or(OK);
        if reply.is_done() {
            accepted.push(to.clone());
        }
        Ok(reply)
    }

    fn answered_rcpt(&self) -> bool {
        self.mail.is_some()
    }

    async fn deliver(&mut self, consignment: Consignment<'_>) -> Result<Delivery, Loss> {
        self.connect()?;
        let Some((from, params, accepted)) = self.mail.take() else {
            return Err(Loss::new(Whose::Us, What::OutOfPlace));
        };
        let mut bytes = Vec::new();
        if consignment.message.read().read_to_end(&mut bytes).is_err() {
            return Err(Loss::new(Whose::Us, What::OutOfPlace));
        }
        let to: Option<Vec<Path>> = consignment
            .to
            .iter()
            .map(|&place| accepted.get(place).cloned())
            .collect();
        let Some(to) = to.filter(|to| !to.is_empty() && from == *consignment.from) else {
            return Err(Loss::new(Whose::Us, What::OutOfPlace));
        };
        let dies = self.server.state().orders.dies;
        if dies == Some(Dies::BeforeDot) {
            return Err(self.lost(What::Gone, false));
        }
        if (consignment.gone)() {
            self.open = false;
            return Err(Loss::new(Whose::Client, What::Gone));
        }
        let slow = self.server.state().orders.slow;
        if !slow.is_zero() {
            tokio::time::sleep(slow).await;
        }
        if dies == Some(Dies::AtDot) {
            return Err(self.lost(What::Gone, true));
        }
        let refused: Vec<(usize, Reply)>;
        let reply = {
            let mut state = self.server.state();
            let next = if state.orders.dot.is_empty() {
                None
            } else {
                Some(state.orders.dot.remove(0))
            };
            let reply = next.or_else(|| state.orders.dot_always.clone()).unwrap_or(TAKEN);
            let asked = params.prdr && to.len() > 1;
            let own = |to: &Path| state.orders.each.get(&to.to_string().to_ascii_lowercase());
            let own = |to: &Path| own(to).filter(|_| asked).cloned();
            let places = consignment.to.iter().zip(&to);
            refused = places.filter_map(|(place, to)| Some((*place, own(to)?))).collect();
            let to: Vec<Path> = to.into_iter().filter(|to| own(to).is_none()).collect();
            if reply.is_done() && !to.is_empty() {
                state.delivered.push(Delivered {
                    route: self.route.clone(),
                    from: from.clone(),
                    params: params.clone(),
                    to,
                    bytes,
                });
            }
            reply
        };
        if dies == Some(Dies::AfterDot) {
            return Err(self.lost(What::Gone, true));
        }
        self.mail = Some((from, params, accepted));
        self.sent = true;
        Ok(Delivery { reply, refused })
    }

    async fn reset(&mut self) {
        if self.mail.take().is_some() && !std::mem::take(&mut self.sent) {
            self.server.state().resets += 1;
        }
    }

    async fn auth(&mut self, _: &Visit, _: &str, _: Option<&str>) -> Result<Reply, Loss> {
        self.connect()?;
        let told = self.server.state().orders.auth.clone();
        Ok(told.unwrap_or(const { Reply::fixed(235, Enhanced(2, 7, 0), "Authentication successful") }))
    }

    async fn auth_line(&mut self, line: &str) -> Result<Reply, Loss> {
        if line == "*" {
            return Ok(const { Reply::fixed(501, Enhanced(5, 7, 0), "Authentication cancelled") });
        }
        self.connect()?;
        Ok(const { Reply::fixed(235, Enhanced(2, 7, 0), "Authentication successful") })
    }

    async fn close(&mut self) {
        if std::mem::replace(&mut self.open, false) {
            self.server.state().closed += 1;
        }
        self.mail = None;
    }

    fn name(&self) -> &str {
        "upstream.example:25"
    }

    fn missing(&self) -> Option<&str> {
        self.missing.as_deref()
    }
}
