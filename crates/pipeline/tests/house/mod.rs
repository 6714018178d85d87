//! A pipeline with puppets for filters, a scripted mail server, an archive and a queue in memory: all without a socket.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatepost_core::smtp::relay::{Loss, What, Whose};
use gatepost_core::smtp::session::{Answer, Question, Why};
use gatepost_core::{
    Clock, Concern, Consignment, Context, Delivery, Depth, Direction, End, Facts, Fault, Filter, Helo, Holding,
    Identify, Keeping, Kept, KeptId, KeptMail, Label, Login, MailParams, Message, NotTaken, Observer, Opinion, Path,
    Phase, Phases, Query, Queue, Queued, RcptParams, Recipient, Record, Reply, Seed, Services, Tag, Time, Upstream,
    Upstreams, Visit, Waiting, WaitingId, WaitingMail, WaitingOrder, Wish, Wishes, async_trait,
};
use gatepost_pipeline::recipients::{List, Lists, Recipients};
use gatepost_pipeline::{
    EtrnFrom, Exceptions, Followers, Layer, Mode, OnFault, Ours, Pipeline, Policy, Reception, Routes, Seen, Slot,
};

pub const MAIL: &str = "From: a@b.example\r\nSubject: hi\r\nMessage-ID: <1@b.example>\r\n\r\nbody\r\n";

/// Every power there is.
pub const ANY: Wishes = Wishes::EXEMPT
    .and(Wishes::SPARE)
    .and(Wishes::DELAY)
    .and(Wishes::DEFER)
    .and(Wishes::DENY)
    .and(Wishes::REJECT)
    .and(Wishes::CLOSE)
    .and(Wishes::HOLD)
    .and(Wishes::DISCARD)
    .and(Wishes::EDIT)
    .and(Wishes::DIVERT);

const ALL: Phases = Phases::CONNECT
    .and(Phases::HELO)
    .and(Phases::MAIL)
    .and(Phases::RCPT)
    .and(Phases::MESSAGE);

type Says = dyn Fn(Phase, &str) -> Result<Opinion, Fault> + Send + Sync;

/// A filter that says what a test wrote, given the phase and what it is asked about.
pub struct Puppet {
    says: Box<Says>,
    takes: Reply,
    log: Log,
}

pub type Log = Arc<Mutex<Vec<String>>>;

pub fn lines(log: &Log) -> Vec<String> {
    std::mem::take(&mut *log.lock().unwrap())
}

impl Puppet {
    fn ask(&self, phase: Phase, about: &str) -> Result<Opinion, Fault> {
        self.log.lock().unwrap().push(format!("{phase} {about}"));
        (self.says)(phase, about)
    }
}

#[async_trait]
impl Filter for Puppet {
    async fn connect(&self, cx: &Context<'_>) -> Result<Opinion, Fault> {
        self.ask(Phase::Connect, &cx.client().address.to_string())
    }
    async fn helo(&self, _: &Context<'_>, helo: &Helo) -> Result<Opinion, Fault> {
        self.ask(Phase::Helo, &helo.name)
    }
    async fn mail(&self, _: &Context<'_>, from: &Path) -> Result<Opinion, Fault> {
        self.ask(Phase::Mail, &from.to_string())
    }
    async fn rcpt(&self, cx: &Context<'_>, to: &Recipient) -> Result<Opinion, Fault> {
        assert!(
            cx.envelope()
                .is_some_and(|envelope| envelope.recipient(to.id).is_none()),
            "not among the granted yet"
        );
        self.ask(Phase::Rcpt, &to.path.to_string())
    }
    async fn message(&self, cx: &Context<'_>, _: &Arc<Message>) -> Result<Opinion, Fault> {
        let to: Vec<_> = cx
            .envelope()
            .unwrap()
            .recipients
            .iter()
            .map(|to| to.path.to_string())
            .collect();
        self.ask(Phase::Message, &to.join(" "))
    }
    async fn take(&self, _: &Context<'_>, _: &Arc<Message>) -> Result<Reply, Fault> {
        self.log.lock().unwrap().push("take".into());
        Ok(self.takes.clone())
    }
    async fn observe(&self, _: &Context<'_>, record: &Record, _: Option<&Arc<Message>>) {
        self.log.lock().unwrap().push(format!("observe {:?}", record.end));
    }
}

pub fn slot(name: &str, says: impl Fn(Phase, &str) -> Result<Opinion, Fault> + Send + Sync + 'static) -> Slot {
    let log = Log::default();
    logged(name, &log, says)
}

pub fn logged(
    name: &str,
    log: &Log,
    says: impl Fn(Phase, &str) -> Result<Opinion, Fault> + Send + Sync + 'static,
) -> Slot {
    let takes = Reply::plain(250, "your wish is done");
    taking(name, log, takes, says)
}

pub fn taking(
    name: &str,
    log: &Log,
    takes: Reply,
    says: impl Fn(Phase, &str) -> Result<Opinion, Fault> + Send + Sync + 'static,
) -> Slot {
    Slot {
        name: name.into(),
        mode: Mode::Enforce,
        on_fault: OnFault::Ignore,
        patience: Duration::from_secs(5),
        phases: ALL,
        concern: Concern::Spam,
        may: ANY,
        filter: Arc::new(Puppet {
            says: Box::new(says),
            takes,
            log: Arc::clone(log),
        }),
        domains: Arc::new(Exceptions::default()),
    }
}

/// Says one thing at one phase.
pub fn at(name: &str, phase: Phase, opinion: Opinion) -> Slot {
    slot(name, move |now, _| {
        Ok(if now == phase { opinion.clone() } else { Opinion::none() })
    })
}

pub fn points(points: i32) -> Opinion {
    Opinion::points(Tag::new("puppet.points"), gatepost_core::Score::points(points), "")
}

pub fn wish(wish: Wish) -> Opinion {
    Opinion::none().wish(wish)
}

pub fn reject() -> Opinion {
    wish(Wish::Reject(Reply::plain(550, "go away")))
}

pub fn defer() -> Opinion {
    wish(Wish::Defer(Reply::plain(451, "come again")))
}

/// What the mail server says, and what it heard.
#[derive(Default)]
pub struct Script {
    pub rcpt: BTreeMap<String, Result<Reply, Loss>>,
    pub deliveries: VecDeque<Result<Delivery, Loss>>,
    pub auth: VecDeque<Reply>,
    /// All mail servers are believed to be away.
    pub away: bool,
    /// Places that are refused when the next message is there.
    pub refused: Vec<(usize, Reply)>,
    /// So long it takes for a message.
    pub slow: Duration,
    pub heard: Vec<String>,
    pub mail: Vec<String>,
}

#[derive(Clone, Default)]
pub struct Server(pub Arc<Mutex<Script>>);

impl Server {
    pub fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().heard)
    }
    pub fn mail(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().mail)
    }
    pub fn on_rcpt(&self, to: &str, answer: Result<Reply, Loss>) {
        self.0.lock().unwrap().rcpt.insert(to.into(), answer);
    }
    pub fn on_deliver(&self, answer: Result<Reply, Loss>) {
        let answer = answer.map(|reply| Delivery {
            reply,
            refused: Vec::new(),
        });
        self.0.lock().unwrap().deliveries.push_back(answer);
    }
}

pub fn loss(what: What, after_dot: bool) -> Loss {
    Loss {
        whose: Whose::Upstream,
        after_dot,
        what,
    }
}

struct Way {
    route: String,
    server: Server,
}

#[async_trait]
impl Upstream for Way {
    async fn rcpt(&mut self, _: &Visit, _: &Path, _: &MailParams, to: &Path, _: &RcptParams) -> Result<Reply, Loss> {
        let mut script = self.server.0.lock().unwrap();
        script.heard.push(format!("RCPT {to}"));
        script
            .rcpt
            .get(&to.to_string())
            .cloned()
            .unwrap_or(Ok(Reply::plain(250, "ok")))
    }
    async fn deliver(&mut self, consignment: Consignment<'_>) -> Result<Delivery, Loss> {
        let slow = self.server.0.lock().unwrap().slow;
        tokio::time::sleep(slow).await;
        let mut script = self.server.0.lock().unwrap();
        if (consignment.gone)() {
            return Err(Loss {
                whose: Whose::Client,
                after_dot: false,
                what: What::Gone,
            });
        }
        script.heard.push(format!("DELIVER {:?}", consignment.to));
        let mut text = String::new();
        std::io::Read::read_to_string(&mut consignment.message.read(), &mut text).unwrap();
        script.mail.push(text);
        let done = Delivery {
            reply: Reply::plain(250, "queued as 1"),
            refused: std::mem::take(&mut script.refused),
        };
        script.deliveries.pop_front().unwrap_or(Ok(done))
    }
    async fn reset(&mut self) {
        self.server.0.lock().unwrap().heard.push("RSET".into());
    }
    async fn auth(&mut self, _: &Visit, mechanism: &str, _: Option<&str>) -> Result<Reply, Loss> {
        let mut script = self.server.0.lock().unwrap();
        script.heard.push(format!("AUTH {mechanism}"));
        Ok(script.auth.pop_front().expect("a scripted answer to AUTH"))
    }
    async fn auth_line(&mut self, line: &str) -> Result<Reply, Loss> {
        let mut script = self.server.0.lock().unwrap();
        script
            .heard
            .push(if line == "*" { "*".into() } else { "AUTH line".into() });
        Ok(script.auth.pop_front().unwrap_or(Reply::plain(501, "cancelled")))
    }
    async fn close(&mut self) {
        self.server.0.lock().unwrap().heard.push("CLOSE".into());
    }
    fn name(&self) -> &str {
        &self.route
    }
}

impl Upstreams for Server {
    fn upstream(&self, route: &str) -> Option<Box<dyn Upstream>> {
        self.0.lock().unwrap().heard.push(format!("OPEN {route}"));
        Some(Box::new(Way {
            route: route.into(),
            server: self.clone(),
        }))
    }
    fn is_up(&self, _: &str) -> bool {
        !self.0.lock().unwrap().away
    }
}

/// What is kept: reason and recipients.
#[derive(Default)]
pub struct Archive(pub Mutex<Vec<String>>, pub AtomicBool);

#[async_trait]
impl Kept for Archive {
    async fn keep(&self, keeping: Keeping<'_>) -> Result<KeptId, Fault> {
        let who: Vec<_> = keeping.recipients.iter().map(ToString::to_string).collect();
        if self.1.load(Ordering::SeqCst) {
            return Err(Fault::Unavailable("disk"));
        }
        let line = format!("{} {}", keeping.terms.reason, who.join(" "));
        self.0.lock().unwrap().push(line.clone());
        Ok(KeptId(line.into()))
    }
    async fn withdraw(&self, id: &KeptId) -> Result<(), Fault> {
        self.0.lock().unwrap().retain(|line| **line != *id.0);
        Ok(())
    }
    async fn get(&self, _: &KeptId) -> Result<Option<(KeptMail, Arc<Message>)>, Fault> {
        Ok(None)
    }
    async fn label(&self, _: &KeptId, _: Label, _: &Login) -> Result<(), Fault> {
        Ok(())
    }
    async fn list(&self, _: &Query) -> Result<Vec<KeptMail>, Fault> {
        Ok(Vec::new())
    }
    async fn delete(&self, _: &KeptId) -> Result<bool, Fault> {
        Ok(false)
    }
    async fn record(&self, _: &Record) -> Result<(), Fault> {
        Ok(())
    }
    async fn records(&self, _: &Query) -> Result<Vec<Record>, Fault> {
        Ok(Vec::new())
    }
}

/// A queue: for each accepted mail its recipients, and `proven` where that is so.
#[derive(Default)]
pub struct Spool {
    pub taken: Mutex<Vec<String>>,
    /// What is said of domains; of all others that nobody asked for it.
    pub holds: Mutex<BTreeMap<String, Holding>>,
    /// What is said to mails from now on.
    pub refuses: Mutex<Option<NotTaken>>,
    /// How much waits for each domain, and how much of that is not being delivered just now.
    pub waits: Mutex<BTreeMap<String, (u64, u64)>>,
    pub orders: Log,
    /// How often all domains were listed.
    pub listed: AtomicUsize,
}

impl Spool {
    pub fn hold(&self, domain: &str, holding: Holding) {
        self.holds.lock().unwrap().insert(domain.into(), holding);
    }
    pub fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.taken.lock().unwrap())
    }
}

#[async_trait]
impl Queue for Spool {
    fn holds(&self, domain: &str) -> Holding {
        let holds = self.holds.lock().unwrap();
        holds.get(domain).copied().unwrap_or(Holding::Never)
    }
    async fn accept(&self, mails: Vec<Queued>) -> Result<(), NotTaken> {
        if let Some(why) = &*self.refuses.lock().unwrap() {
            return Err(why.clone());
        }
        for mail in mails {
            assert!(!mail.params.prdr, "nobody waits for a word on each");
            let mut who: Vec<_> = mail.recipients.iter().map(|(to, _)| to.to_string()).collect();
            who.extend(mail.proven.then(|| "proven".into()));
            self.taken.lock().unwrap().push(who.join(" "));
        }
        Ok(())
    }
    fn domains(&self) -> Vec<String> {
        self.listed.fetch_add(1, Ordering::SeqCst);
        self.waits.lock().unwrap().keys().cloned().collect()
    }
    async fn depth(&self, domain: Option<&str>) -> Result<Depth, Fault> {
        let mut depth = Depth::default();
        let waits = self.waits.lock().unwrap();
        depth.mails = domain.and_then(|domain| waits.get(domain)).map_or(0, |(all, _)| *all);
        Ok(depth)
    }
    async fn list(&self, _: &Waiting) -> Result<Vec<WaitingMail>, Fault> {
        Ok(Vec::new())
    }
    async fn show(&self, _: &WaitingId) -> Result<Option<(WaitingMail, Arc<Message>)>, Fault> {
        Ok(None)
    }
    async fn order(&self, which: &Waiting, order: WaitingOrder) -> Result<u64, Fault> {
        let domain = which.domain.clone().expect("one domain");
        self.orders.lock().unwrap().push(format!("{order:?} {domain}"));
        Ok(self.waits.lock().unwrap().get(&domain).map_or(0, |(_, idle)| *idle))
    }
}

#[derive(Default)]
struct Book(Mutex<Vec<Record>>);

#[async_trait]
impl Observer for Book {
    async fn observe(&self, record: &Record, _: Option<&Arc<Message>>) {
        self.0.lock().unwrap().push(record.clone());
    }
}

/// What an operator was told to look at.
#[derive(Default)]
pub struct Bells(pub Mutex<Vec<String>>);

impl gatepost_core::Alarms for Bells {
    fn raise(&self, kind: &'static str, about: &str, why: &str) {
        self.0.lock().unwrap().push(format!("{kind} {about}: {why}"));
    }
    fn over(&self, _: &'static str, _: &str) {}
}

struct Still;
impl Clock for Still {
    fn now(&self) -> Time {
        Time::from_secs(1_000)
    }
}

/// What a session is held against.
pub struct House {
    pub tiers: Vec<Vec<Slot>>,
    pub policy: String,
    /// What is said of users of `d.example`, in JSON.
    pub users: Vec<(String, String)>,
    pub domains: Vec<(&'static str, &'static str)>,
    pub direction: Direction,
    pub archive: Option<Arc<Archive>>,
    pub queue: Option<Arc<Spool>>,
    pub lists: Option<Lists>,
    /// Of whom mail is proven to be, and how.
    pub identify: Option<Arc<dyn Identify>>,
    /// Whose mail which client may ask for.
    pub etrn: EtrnFrom,
    /// Who is told what an operator should look at.
    pub alarms: Option<Arc<dyn gatepost_core::Alarms>>,
}

pub fn house(filters: impl IntoIterator<Item = Slot>) -> House {
    House {
        tiers: filters.into_iter().map(|slot| vec![slot]).collect(),
        policy: "{}".into(),
        users: Vec::new(),
        domains: Vec::new(),
        direction: Direction::Inbound,
        archive: None,
        queue: None,
        lists: None,
        identify: None,
        etrn: EtrnFrom::default(),
        alarms: None,
    }
}

pub fn services(archive: Option<Arc<Archive>>, queue: Option<Arc<Spool>>) -> Services {
    let mut services = Services::null(Arc::new(Still), Seed::new([7; 16]));
    if let Some(archive) = archive {
        services.kept = archive;
    }
    services.queue = queue.map(|queue| queue as Arc<dyn Queue>);
    services
}

impl House {
    pub fn policy(mut self, policy: &'static str) -> House {
        self.policy = policy.into();
        self
    }
    pub fn domain(mut self, name: &'static str, policy: &'static str) -> House {
        self.domains.push((name, policy));
        self
    }
    pub fn user(mut self, name: &str, policy: &str) -> House {
        self.users.push((name.into(), policy.into()));
        self
    }
    pub fn archive(mut self) -> (House, Arc<Archive>) {
        let archive = Arc::new(Archive::default());
        self.archive = Some(Arc::clone(&archive));
        (self, archive)
    }
    /// Recipients are looked up: on a list of `d.example`, and in a store that does not answer.
    pub fn listing(mut self, entries: &[&str]) -> House {
        let mut lists = Lists::default();
        lists.insert(
            "d.example",
            List::new(entries.iter().map(|entry| (*entry).into()).collect()),
        );
        self.lists = Some(lists);
        self
    }
    /// There is a queue, which holds mail for `d.example`.
    pub fn holding(mut self) -> (House, Arc<Spool>) {
        let queue = Arc::new(Spool::default());
        queue.hold("d.example", Holding::Yes);
        self.queue = Some(Arc::clone(&queue));
        (self, queue)
    }
    pub fn outbound(mut self) -> House {
        self.direction = Direction::Outbound;
        self
    }

    pub fn pipeline(self, observers: Vec<Arc<dyn Observer>>) -> Pipeline {
        let layer = |json: &str| serde_json::from_str::<Layer>(json).expect(json);
        let general = layer(&self.policy);
        let own: Vec<(&str, Layer)> = self.domains.iter().map(|(name, json)| (*name, layer(json))).collect();
        let users: Vec<(String, Layer)> = self
            .users
            .iter()
            .map(|(name, json)| (name.clone(), layer(json)))
            .collect();
        let policy = Policy::new(&general, own.iter().map(|(name, layer)| (*name, layer)))
            .with_users("d.example", users.iter().map(|(name, layer)| (name.as_str(), layer)));
        let routes = match self.direction {
            Direction::Inbound => {
                Routes::inbound([("d.example", "one"), ("e.example", "one"), ("second.example", "two")])
            }
            Direction::Outbound => Routes::outbound("out", ["d.example"]),
        };
        let mut services = services(self.archive, self.queue);
        if let Some(identify) = self.identify {
            services.identify = identify;
        }
        if let Some(alarms) = self.alarms {
            services.alarms = alarms;
        }
        let followers = Followers::new(observers, 100);
        let recipients = self
            .lists
            .map(|lists| Arc::new(Recipients::new(&services.store, services.seed).with_lists(Arc::new(lists))));
        let ours = Ours::new("mx.d.example");
        let pipeline = Pipeline::new("test", self.tiers, policy, routes, ours, services, followers);
        let pipeline = match recipients {
            Some(recipients) => pipeline.with_recipients(recipients),
            None => pipeline,
        };
        pipeline.with_etrn(self.etrn)
    }

    /// A session that has said EHLO.
    pub async fn session(self) -> Session {
        let mut session = self.client().await;
        assert!(
            session
                .say(Question::Connect)
                .await
                .starts_with("220 mx.d.example ESMTP")
        );
        assert!(session.ehlo().await.starts_with("250"));
        session
    }

    /// A session in which nothing was said.
    pub async fn client(self) -> Session {
        let direction = self.direction;
        let book = Arc::new(Book::default());
        let pipeline = Arc::new(self.pipeline(vec![Arc::clone(&book) as Arc<dyn Observer>]));
        let client = gatepost_core::Client::new("192.0.2.7".parse().unwrap(), 4711);
        let server = Server::default();
        let visit = Visit::new(direction, "mx".into(), client);
        let reception = Reception::new(Arc::clone(&pipeline), visit, Arc::new(server.clone()));
        Session {
            reception,
            pipeline,
            server,
            book,
            now: Time::from_secs(1_000),
            gone: Arc::default(),
        }
    }
}

pub struct Session {
    pub reception: Reception,
    pub pipeline: Arc<Pipeline>,
    pub server: Server,
    book: Arc<Book>,
    pub now: Time,
    pub gone: Arc<AtomicBool>,
}

impl Session {
    pub async fn answer(&mut self, question: Question, message: Option<Arc<Message>>) -> Answer {
        let gone = Arc::clone(&self.gone);
        let gone = move || gone.load(Ordering::SeqCst);
        self.now = self.now + Duration::from_millis(10);
        self.reception
            .answer(
                self.now,
                question,
                Seen {
                    facts: Facts::default(),
                    message,
                    gone: &gone,
                },
            )
            .await
    }

    pub async fn say(&mut self, question: Question) -> String {
        match self.answer(question, None).await {
            Answer::Reply(reply) => reply.to_string(),
            Answer::Close(reply) => format!("{reply}, and the end"),
            other => format!("{other:?}"),
        }
    }

    pub async fn ehlo(&mut self) -> String {
        self.say(Question::Helo(Helo {
            name: "client.example".into(),
            extended: true,
        }))
        .await
    }

    pub async fn mail(&mut self, from: &str) -> String {
        self.mail_with(from, MailParams::default()).await
    }

    pub async fn mail_with(&mut self, from: &str, params: MailParams) -> String {
        let from = Path::reverse(from, false).unwrap();
        self.say(Question::Mail { from, params }).await
    }

    pub async fn rcpt(&mut self, to: &str) -> String {
        let to = Path::forward(to, false).unwrap();
        self.say(Question::Rcpt {
            to,
            params: RcptParams::default(),
        })
        .await
    }

    pub async fn rset(&mut self) -> String {
        self.say(Question::Reset(Why::Rset)).await
    }

    /// DATA and a message.
    pub async fn send(&mut self, mail: &str) -> String {
        let go_on = self.say(Question::Data).await;
        if !go_on.starts_with("354") {
            return go_on;
        }
        self.dot(mail).await
    }

    /// The end of a message, after 354.
    pub async fn dot(&mut self, mail: &str) -> String {
        let message = Arc::new(Message::from_bytes(mail.as_bytes().to_vec()));
        let question = Question::Message {
            size: message.len(),
            notes: Default::default(),
        };
        let answer = self.answer(question, Some(message)).await;
        self.reception.answered(self.now, !self.gone.load(Ordering::SeqCst));
        match answer {
            Answer::Reply(reply) => reply.to_string(),
            Answer::Close(reply) => format!("{reply}, and the end"),
            Answer::Each(each, last) => {
                let each: Vec<_> = each.iter().chain([&last]).map(ToString::to_string).collect();
                each.join("\n")
            }
            other => format!("{other:?}"),
        }
    }

    /// A transaction whose client wants a word on each recipient; those words and the last one.
    pub async fn each(&mut self, to: &[&str]) -> Vec<String> {
        let params = MailParams {
            prdr: true,
            ..MailParams::default()
        };
        assert!(self.mail_with("a@b.example", params).await.starts_with("250"));
        for to in to {
            let reply = self.rcpt(to).await;
            assert!(reply.starts_with("250"), "{to}: {reply}");
        }
        self.send(MAIL).await.lines().map(ToOwned::to_owned).collect()
    }

    /// A whole transaction; the replies to the recipients and to the message.
    pub async fn transaction(&mut self, to: &[&str]) -> Vec<String> {
        assert!(self.mail("a@b.example").await.starts_with("250"));
        let mut replies = Vec::new();
        for to in to {
            replies.push(self.rcpt(to).await);
        }
        if replies.iter().any(|reply| reply.starts_with("250")) {
            replies.push(self.send(MAIL).await);
        }
        replies
    }

    /// Ends the session; all records of it.
    pub async fn records(&mut self) -> Vec<Record> {
        self.reception.end(self.now, End::Lost).await;
        self.pipeline.followers().drained().await;
        std::mem::take(&mut *self.book.0.lock().unwrap())
    }
}

/// The first words of replies: their codes.
pub fn codes(replies: &[String]) -> Vec<&str> {
    replies.iter().map(|reply| reply.get(..3).unwrap_or(reply)).collect()
}
