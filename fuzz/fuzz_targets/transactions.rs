//! Whatever a client says and a mail server answers, with all filters between them: what is answered 2xx was delivered,
//! kept or queued and what is not was neither delivered nor queued, recipient by recipient where that was asked; who gets a mail was granted it, and gets it once, whole, with our
//! trace and no forged one; the client hears whole replies; each record reads as itself; and the same again comes out the
//! same.
//!
//! The input, one piece from the next by 0xFF: three octets of settings; then what the client says, or, behind an octet
//! 0x01, an order.
#![no_main]

// The filters that are asked.
use gatepost_filters as _;

#[path = "../../crates/smtp/tests/oracle/mod.rs"]
mod oracle;
#[path = "../../crates/smtp/tests/session_run/mod.rs"]
mod session_run;

use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use gatepost_core::message::results;
use gatepost_core::registry::Options;
use gatepost_core::smtp::body::{Notes, Treat};
use gatepost_core::smtp::session::{Answer, Input, Output, Question, Session, Settings};
use gatepost_core::{
    Client, Clock, Direction, Enhanced, Facts, Holding, Kept, Login, LoginBy, Message, Observer, Path, Query, Queued,
    Record, Reply, Time, Upstreams, Visit, async_trait, null,
};
use gatepost_pipeline::recipients::{List, Lists, Recipients};
use gatepost_pipeline::{EtrnFrom, Followers, Layer, Ours, Pipeline, Policy, Reception, Routes, Seen, Slot};
use gatepost_testkit::{Book, Delivered, Dies, Fakes, MemoryQueue, ScriptedUpstreams};
use serde_json::json;

const HOSTNAME: &str = "mx.d.example";
const ACTIONS: [&str; 6] = ["none", "header", "subject", "hold", "reject", "discard"];

/// All records.
#[derive(Default)]
struct Records(Book<Record>);

#[async_trait]
impl Observer for Records {
    async fn observe(&self, record: &Record, _: Option<&Arc<Message>>) {
        // It fails only when it is told to.
        let _ = self.0.enter(record.clone());
    }
}

/// The house of one run.
struct House {
    fakes: Fakes,
    upstream: ScriptedUpstreams,
    queue: Arc<MemoryQueue>,
    records: Arc<Records>,
    pipeline: Arc<Pipeline>,
    settings: Arc<Settings>,
    direction: Direction,
    /// Whether the mail server dies behind the dot: nobody can tell then whether it has a mail.
    untold: Cell<bool>,
}

impl House {
    fn new(said: &[u8]) -> House {
        let octet = |n: usize| said.get(n).copied().unwrap_or(0);
        let flag = |bit: u8| octet(0) >> bit & 1 == 1;
        let action = |n: u32| ACTIONS[usize::from(octet(1)) / 6_usize.pow(n) % 6];
        let direction = if flag(0) {
            Direction::Outbound
        } else {
            Direction::Inbound
        };
        let fakes = Fakes::new();
        fakes
            .zone
            .add("mail.b.example A 192.0.2.1\n1.2.0.192.in-addr.arpa PTR mail.b.example\n")
            .expect("a zone");
        let (queue, records) = (MemoryQueue::new(), Arc::new(Records::default()));
        let mut services = fakes.services();
        if flag(1) {
            services.kept = Arc::new(null::NoKept);
        }
        if flag(2) {
            services.queue = Some(queue.clone());
            if octet(2) % 2 == 1 {
                queue.hold("d.example", Holding::Yes);
                queue.hold("f.example", Holding::Full);
            }
        }
        let policy: Layer = serde_json::from_value(json!({
            "keep_refused": flag(3), "strict_split": flag(4), "dry_run": flag(7), "log_subject": true,
            "low": { "threshold": 1, "action": action(0) },
            "medium": { "threshold": 2, "action": action(1), "tag": "[SPAM]" },
            "high": { "threshold": 3, "action": action(2) },
            "speak_from": (["connect", "rcpt", "message"][usize::from(octet(2)) % 3]),
        }))
        .expect("a policy");
        let other: Layer = serde_json::from_value(json!({ "low": { "action": action(2) } })).expect("a policy");
        let mut tiers: BTreeMap<u8, Vec<Slot>> = BTreeMap::new();
        for (name, entry) in gatepost_core::registry().expect("the filters are linked") {
            let filter = entry
                .build(Options::default(), &services)
                .expect("a filter of no options");
            if *name != *"greylist" || flag(6) {
                tiers
                    .entry(u8::from(*name == *"greylist"))
                    .or_default()
                    .push(Slot::of(entry, filter));
            }
        }
        let routes = match direction {
            Direction::Inbound => Routes::inbound([
                ("d.example", "default"),
                ("e.example", "other"),
                ("f.example", "default"),
            ]),
            Direction::Outbound => Routes::outbound("default", ["d.example"]),
        };
        let followers = Followers::new(vec![records.clone() as Arc<dyn Observer>], Followers::BOUND);
        let known = Recipients::new(&services.store, services.seed);
        let mut lists = Lists::default();
        if flag(5) {
            let entries = ["ann", "carl", "c"].map(|text| List::entry("d.example", text).expect("an entry"));
            lists.insert("d.example", List::new(entries.to_vec()));
        }
        let policy = Policy::new(&policy, [("f.example", &other)]);
        let tiers = tiers.into_values().collect();
        let pipeline = Pipeline::new("fuzz", tiers, policy, routes, Ours::new(HOSTNAME), services, followers)
            .with_recipients(Arc::new(known.with_lists(Arc::new(lists))))
            .with_etrn(EtrnFrom::new([(
                "d.example",
                vec!["192.0.2.1/32".parse().expect("a network")],
            )]));
        let mut settings = Settings::new(HOSTNAME);
        settings.offer = session_run::generous().offer;
        settings.limits.message = 20_000;
        settings.limits.recipients = 6;
        settings.limits.mails = 8;
        if octet(2) >= 128 {
            settings.strictness.rest = Treat::Normalise;
        } else if octet(2) >= 64 {
            settings.strictness.bare_lf = Treat::Refuse;
        }
        House {
            fakes,
            upstream: ScriptedUpstreams::new(),
            queue,
            records,
            pipeline: Arc::new(pipeline),
            settings: Arc::new(settings),
            direction,
            untold: Cell::new(false),
        }
    }

    fn now(&self) -> Time {
        self.fakes.clock.now()
    }

    async fn kept(&self) -> usize {
        self.fakes.kept.list(&Query::default()).await.expect("it lists").len()
    }

    /// What somebody else orders.
    fn order(&self, order: &[u8]) {
        let reply = |n: u8| match n % 6 {
            0 => None,
            1 => Some(const { Reply::fixed(451, Enhanced(4, 3, 0), "later") }),
            2 => Some(const { Reply::fixed(552, Enhanced(5, 2, 2), "full") }),
            3 => Some(const { Reply::fixed(421, Enhanced(4, 3, 2), "stopping") }),
            4 => Some(const { Reply::fixed(550, Enhanced(5, 1, 1), "nobody") }),
            _ => Some(const { Reply::fixed(354, Enhanced(3, 0, 0), "odd") }),
        };
        let server = &self.upstream;
        match *order {
            [0, minutes] => self.fakes.clock.forward(Duration::from_secs(60 * u64::from(minutes))),
            [1, n] => server.dot(reply(n)),
            [2, n] => server.mail(reply(n)),
            [3, n] => server.rcpt(
                "c@d.example",
                reply(n).unwrap_or(const { Reply::fixed(250, Enhanced(2, 1, 5), "ok") }),
            ),
            [4, n] => {
                let all = [
                    None,
                    Some(Dies::AtRcpt),
                    Some(Dies::BeforeDot),
                    Some(Dies::AtDot),
                    Some(Dies::AfterDot),
                ];
                server.dies(all[usize::from(n % 5)]);
                self.untold.set(n % 5 == 4);
            }
            [5, n] => server.down(n & 1 == 1),
            [7, n] => server.away((n & 1 == 1).then_some("default")),
            [8, n] => server.each(
                "c@d.example",
                reply(n)
                    .filter(|reply| reply.is_transient() || reply.is_permanent())
                    .unwrap_or(const { Reply::fixed(550, Enhanced(5, 7, 1), "not he") }),
            ),
            [9, n] => self.queue.fill(n & 1 == 1),
            [6, ref dots @ ..] => server.next_dots(dots.iter().take(4).filter_map(|n| reply(*n))),
            _ => {}
        }
    }
}

/// A client's session.
struct Call {
    session: Session,
    reception: Reception,
    said: Vec<u8>,
    content: Vec<u8>,
    from: Path,
    granted: Vec<Path>,
    /// A message was answered and the answer not yet written.
    owed: bool,
    over: bool,
}

impl Call {
    fn new(house: &House) -> Call {
        let mut visit = Visit::new(
            house.direction,
            "fuzz".into(),
            Client::new([192, 0, 2, 1].into(), 25_000),
        );
        let mut session = Session::new(Arc::clone(&house.settings), None, house.now());
        if house.direction == Direction::Outbound {
            visit.login = Some(Login::new("ann", LoginBy::Network));
            session.trust();
        }
        let upstreams = Arc::new(house.upstream.clone()) as Arc<dyn Upstreams>;
        Call {
            session,
            reception: Reception::new(Arc::clone(&house.pipeline), visit, upstreams),
            said: Vec::new(),
            content: Vec::new(),
            from: Path::Null,
            granted: Vec::new(),
            owed: false,
            over: false,
        }
    }

    async fn say(&mut self, house: &House, mut bytes: &[u8]) {
        self.go_on(house).await;
        while !bytes.is_empty() && !self.over {
            let (now, later) = bytes.split_at(self.session.room().min(bytes.len()));
            assert!(!now.is_empty(), "no room and no question");
            self.session.give(house.now(), Input::Bytes(now));
            self.go_on(house).await;
            bytes = later;
        }
    }

    /// Obeys the session until it waits for its client.
    async fn go_on(&mut self, house: &House) {
        loop {
            let now = house.now();
            let began = tokio::time::Instant::now();
            match self.session.poll(now) {
                Output::Write(bytes) => {
                    self.said.extend_from_slice(bytes);
                    if std::mem::take(&mut self.owed) {
                        self.reception.answered(now, true);
                    }
                }
                Output::Body(bytes) => self.content.extend_from_slice(bytes),
                Output::Ask(question) => {
                    let answer = self.answer(house, question).await;
                    self.session.give(house.now(), Input::Answer(answer));
                }
                Output::Wait { .. } => break,
                Output::StartTls => {
                    self.reception.secured(Arc::new(session_run::tls()));
                    self.session.give(now, Input::Secured(session_run::tls()));
                }
                Output::Close => {
                    self.over = true;
                    break;
                }
            }
            // What the client had to wait for has passed for everybody.
            house.fakes.clock.forward(began.elapsed());
        }
    }

    async fn answer(&mut self, house: &House, question: Question) -> Answer {
        let ends = matches!(question, Question::Message { .. } | Question::Spoilt { .. });
        let mut notes = Notes::default();
        let mut content = None;
        if let Question::Message { notes: seen, .. } | Question::Spoilt { notes: seen, .. } = &question {
            notes = *seen;
            content = Some(std::mem::take(&mut self.content));
        }
        let content = content.filter(|_| matches!(question, Question::Message { .. }));
        let before = (
            house.upstream.delivered().len(),
            house.kept().await,
            house.queue.book.len(),
        );
        let seen = Seen {
            facts: facts(&self.session, notes),
            message: content.clone().map(|content| Arc::new(Message::from_bytes(content))),
            gone: &|| false,
        };
        let asked = question.clone();
        let answer = self.reception.answer(house.now(), question, seen).await;
        let done = matches!(&answer, Answer::Reply(reply) if reply.is_done());
        let delivered = &house.upstream.delivered()[before.0..];
        match (asked, content) {
            (Question::Mail { from, .. }, _) if done => (self.from, self.granted) = (from, Vec::new()),
            (Question::Rcpt { to, .. }, _) if done => self.granted.push(to),
            (Question::Message { .. }, Some(content)) => {
                let told = told(&answer, self.granted.len());
                let done = told.contains(&true);
                self.only_to_those(
                    &told,
                    delivered,
                    &house.queue.book.all()[before.2..],
                    house.untold.get(),
                );
                let kept = house.kept().await;
                let taken = !delivered.is_empty() || kept > before.1 || house.queue.book.len() > before.2;
                assert!(taken || !done, "2xx for a mail that nobody has");
                assert!(
                    done || delivered.is_empty() || house.untold.get(),
                    "delivered, and the client will come again"
                );
                delivered
                    .iter()
                    .for_each(|delivered| self.is_the_mail(delivered, &content));
                self.once_each(delivered);
            }
            _ => assert!(delivered.is_empty(), "a delivery without a message"),
        }
        self.owed = ends;
        answer
    }

    /// What was delivered is what came, for those to whom it was granted.
    fn is_the_mail(&self, delivered: &Delivered, content: &[u8]) {
        assert_eq!(delivered.from, self.from);
        assert!(!delivered.to.is_empty() && delivered.to.iter().all(|to| self.granted.contains(to)));
        let came = Message::from_bytes(content.to_vec());
        let went = Message::from_bytes(delivered.bytes.clone());
        assert!(oracle::is_canonical(&delivered.bytes));
        let body = |message: &Message| message.body().whole().expect("it is in memory").to_vec();
        assert_eq!(body(&went), body(&came), "the body was touched");
        if came.excess().any() || went.excess().any() {
            return;
        }
        let received = |message: &Message| message.headers().all("Received").count();
        assert_eq!(received(&went), received(&came) + 1);
        assert_eq!(
            results::forged(went.headers(), &[HOSTNAME]),
            [0_usize; 0],
            "a forged result is left"
        );
        let ids = went.headers().all("X-Gatepost-Id").count();
        // Our own people's word about us is left alone, and so is what a signature names.
        let may_stay = self.reception.visit().login.is_some() || came.headers().get("DKIM-Signature").is_some();
        assert!(ids == 1 || (ids > 1 && may_stay), "{ids} ids");
        let mut whole = Vec::new();
        went.read().read_to_end(&mut whole).expect("it is in memory");
        assert_eq!(whole, delivered.bytes);
    }

    /// Nobody has the mail about whom the client heard no 2xx: it comes again for him.
    fn only_to_those(&self, told: &[bool], delivered: &[Delivered], queued: &[Queued], untold: bool) {
        let heard = |to: &Path| self.granted.iter().zip(told).any(|(other, told)| other == to && *told);
        let queued = queued.iter().flat_map(|mail| mail.recipients.iter().map(|(to, _)| to));
        let delivered = delivered.iter().flat_map(|mail| &mail.to).filter(|_| !untold);
        for to in delivered.chain(queued) {
            assert!(heard(to), "{to} has it, and the client will come again");
        }
    }

    fn once_each(&self, delivered: &[Delivered]) {
        let count = |to: &Path| {
            delivered
                .iter()
                .flat_map(|one| &one.to)
                .filter(|other| *other == to)
                .count()
        };
        for to in &self.granted {
            let named = self.granted.iter().filter(|other| *other == to).count();
            assert!(count(to) <= named, "{to} gets it more than once");
        }
    }
}

/// Whether the client heard 2xx about each of so many recipients.
fn told(answer: &Answer, granted: usize) -> Vec<bool> {
    match answer {
        Answer::Each(each, last) => {
            let told: Vec<bool> = each.iter().map(Reply::is_done).collect();
            assert!(told.len() == granted && granted > 1, "a word on each");
            assert_eq!(told.contains(&true), last.is_done(), "a last word that fits");
            told
        }
        Answer::Reply(reply) => vec![reply.is_done(); granted],
        _ => vec![false; granted],
    }
}

fn facts(session: &Session, notes: Notes) -> Facts {
    let seen = session.facts();
    let mut facts = Facts::default();
    facts.early_talk = seen.early_talk;
    facts.unasked_pipelining = seen.unasked_pipelining;
    facts.bare_lf = notes.bare_lf;
    facts.bare_cr = notes.bare_cr;
    facts.nul = notes.nul;
    facts.near_miss = notes.near_miss;
    facts.long_line = notes.long_line;
    facts.errors = seen.errors;
    facts.junk = seen.junk;
    facts
}

/// All that came of it.
async fn play(data: &[u8]) -> (String, Vec<Delivered>) {
    let mut pieces = data.split(|octet| *octet == 0xFF).take(64);
    let house = House::new(pieces.next().unwrap_or_default());
    let mut said = String::new();
    let mut call = Call::new(&house);
    for piece in pieces {
        match piece {
            [1, 7] => {
                said += &hang_up(&house, call).await;
                call = Call::new(&house);
            }
            [1, 8] => call.session.give(house.now(), Input::Drain),
            [1, order @ ..] => house.order(order),
            bytes => call.say(&house, bytes).await,
        }
    }
    said += &hang_up(&house, call).await;
    house.pipeline.followers().drained().await;
    let records = house.records.0.all();
    let ids: HashSet<&str> = records.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(ids.len(), records.len(), "two records of an id");
    for record in &records {
        let json = serde_json::to_vec(record).expect("a record is JSON");
        assert_eq!(serde_json::from_slice::<Record>(&json).ok().as_ref(), Some(record));
    }
    (said, house.upstream.delivered())
}

async fn hang_up(house: &House, mut call: Call) -> String {
    call.session.give(house.now(), Input::Eof);
    call.go_on(house).await;
    assert!(call.over, "a session without a client");
    call.reception.end(house.now(), gatepost_core::End::Lost).await;
    session_run::codes(&call.said);
    String::from_utf8_lossy(&call.said).into_owned()
}

fn run(data: &[u8]) -> (String, Vec<Delivered>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.expect("a runtime").block_on(play(data))
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    assert_eq!(run(data), run(data), "the same again comes out otherwise");
});
