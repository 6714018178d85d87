//! What every filter must pass.
//!
//! It keeps to its declared phases and powers; its options have defaults and a manual; no mail, however broken, and no
//! failing service makes it panic; the same history gives the same opinions; and dropping and rebuilding it between any
//! two calls loses nothing.

use std::any::Any;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use gatepost_core::compute::{Job, Threads};
use gatepost_core::registry::Options;
use gatepost_core::schemars::SchemaGenerator;
use gatepost_core::{
    Acting, Backend, Client, Clock, Compute, Context, Direction, Dns, Entry, Envelope, Evidence, Facts, Fault, Filter,
    FilterKind, Helo, Identify, Identity, Login, LoginBy, Lookup, MailParams, Memo, Message, Mx, Opinion, Page, Path,
    Phase, RcptParams, Recipient, RecipientId, Record, Request, Reverse, Sender, Services, Spf, Store, Swap, Time,
    Visit,
};

use crate::fakes::Fakes;
use crate::mail;

/// One mail with all that goes with it.
struct Scene {
    name: String,
    visit: Visit,
    envelope: Envelope,
    facts: Facts,
    message: Arc<Message>,
}

fn path(text: &str) -> Path {
    Path::reverse(text, true).unwrap_or(Path::Null)
}

/// Ordinary and strange clients, senders and facts, each with a mail.
fn scenes() -> Vec<Scene> {
    let v4 = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let v6 = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
    let clients = [
        (v4, "mail.b.example", "ann@b.example"),
        (v6, "[IPv6:2001:db8::1]", ""),
        (v4, "nonsense..\u{fc}(", "\"odd @ \\\"local\"@b.example"),
        (v6, "[192.0.2.300]", "prvs=1234567890=ann@b.example"),
        (v4, "localhost", "ann@[192.0.2.7]"),
    ];
    let mails = mail::all();
    let count = mails.len();
    let scene = |n: usize, name: String, message: Arc<Message>| {
        let (address, helo, from) = clients[n % clients.len()];
        let direction = if n % 7 == 6 {
            Direction::Outbound
        } else {
            Direction::Inbound
        };
        let mut visit = Visit::new(direction, "law".into(), Client::new(address, 25_000));
        visit.helo = Some(Helo {
            name: helo.into(),
            extended: n.is_multiple_of(2),
        });
        if direction == Direction::Outbound {
            visit.login = Some(Login::new("carl", LoginBy::Auth));
        }
        let mut envelope = Envelope::new(path(from), MailParams::default());
        for (id, to) in ["carl@d.example", "POSTMASTER@D.example", "\u{fc}ber@d.example"]
            .iter()
            .enumerate()
        {
            envelope
                .recipients
                .push(Recipient::new(RecipientId(id as u16), path(to), RcptParams::default()));
        }
        envelope
            .recipients
            .push(Recipient::new(RecipientId(7), Path::Postmaster, RcptParams::default()));
        let mut facts = Facts::default();
        if n % 3 == 1 {
            (facts.early_talk, facts.unasked_pipelining, facts.bare_lf, facts.bare_cr) = (true, true, true, true);
            (facts.nul, facts.near_miss, facts.long_line, facts.errors, facts.junk) =
                (true, true, true, u32::MAX, u32::MAX);
        }
        Scene {
            name,
            visit,
            envelope,
            facts,
            message,
        }
    };
    let mut all: Vec<_> = mails
        .into_iter()
        .enumerate()
        .map(|(n, (name, message))| scene(n, name, message))
        .collect();
    // The ordinary mail from every kind of client, twice: what a filter remembers shows the second time.
    for n in 0..2 * clients.len() {
        all.push(scene(
            count + n,
            format!("ham again, {n}"),
            Arc::new(Message::from_bytes(mail::HAM)),
        ));
    }
    all
}

/// What one call came to.
type Said = Result<Opinion, Fault>;

/// Builds the filter as the registry does.
fn build<F: FilterKind>(services: &Services) -> Arc<dyn Filter> {
    match Entry::of::<F>().build(Options::default(), services) {
        Ok(filter) => filter,
        Err(error) => panic!("{}: its default options must build: {error}", F::NAME),
    }
}

/// Waits for a call and turns a panic into a broken law.
async fn calm<T>(what: &str, call: impl Future<Output = T>) -> T {
    // Virtual time: only a call that waits for what never comes is cut.
    match tokio::time::timeout(Duration::from_secs(3600), AssertUnwindSafe(call).catch_unwind()).await {
        Ok(Ok(done)) => done,
        Ok(Err(_)) => panic!("{what}: it must not panic"),
        Err(_) => panic!("{what}: it must come to an end"),
    }
}

/// Plays all scenes; `filter` gives the filter for each call.
async fn play<F: FilterKind>(services: &Services, mut filter: impl FnMut() -> Arc<dyn Filter>) -> Vec<(String, Said)> {
    let mut said = Vec::new();
    let mut now = services.clock.now();
    for scene in scenes() {
        let memo = Memo::new(services.identify.clone());
        let early = Context::new(now, &scene.visit, &memo).with_facts(scene.facts);
        let mut empty = scene.envelope.clone();
        empty.recipients.clear();
        let with_mail = Context::new(now, &scene.visit, &memo)
            .with_facts(scene.facts)
            .with_envelope(&empty);
        let whole = Context::new(now, &scene.visit, &memo)
            .with_facts(scene.facts)
            .with_envelope(&scene.envelope)
            .with_message(&scene.message);
        let helo = scene.visit.helo.clone().unwrap_or(Helo {
            name: "none".into(),
            extended: false,
        });
        for phase in Phase::ALL {
            let what = format!("{} at {phase}, mail `{}`", F::NAME, scene.name);
            let it = filter();
            let opinions = match phase {
                Phase::Connect => vec![calm(&what, it.connect(&early)).await],
                Phase::Helo => vec![calm(&what, it.helo(&early, &helo)).await],
                Phase::Mail => vec![calm(&what, it.mail(&with_mail, &scene.envelope.from)).await],
                Phase::Rcpt => {
                    let mut opinions = Vec::new();
                    for to in &scene.envelope.recipients {
                        opinions.push(calm(&what, filter().rcpt(&with_mail, to)).await);
                    }
                    opinions
                }
                Phase::Message => vec![calm(&what, it.message(&whole, &scene.message)).await],
            };
            for opinion in opinions {
                if let Ok(opinion) = &opinion {
                    keeps_its_word::<F>(&what, phase, opinion);
                }
                said.push((what.clone(), opinion));
            }
        }
        let record = Record::new(
            "law".into(),
            now.millis(),
            scene.visit.direction,
            "law".into(),
            scene.visit.client.address,
            25_000,
        );
        calm(F::NAME, filter().observe(&whole, &record, Some(&scene.message))).await;
        now = now + Duration::from_secs(60);
    }
    said
}

/// Declared phases and powers, tags of its own, numbers that are numbers.
fn keeps_its_word<F: FilterKind>(what: &str, phase: Phase, opinion: &Opinion) {
    assert!(
        F::PHASES.has(phase) || opinion.is_none(),
        "{what}: it speaks at a phase that PHASES does not declare"
    );
    for (_, _, wish) in opinion.wishes() {
        let names: Vec<_> = wish.kind().names().collect();
        assert!(
            F::MAY.has(wish.kind()),
            "{what}: it wishes {names:?}, which MAY does not declare"
        );
    }
    for finding in opinion.findings() {
        let own = finding
            .tag
            .as_str()
            .strip_prefix(F::NAME)
            .is_some_and(|rest| rest.starts_with('.') && rest.len() > 1);
        assert!(own, "{what}: its tag `{}` must be `{}.something`", finding.tag, F::NAME);
        if let Evidence::LogOdds { value, .. } = finding.evidence {
            assert!(value.is_finite(), "{what}: log-odds of `{}` are no number", finding.tag);
        }
    }
}

fn same(one: &[(String, Said)], other: &[(String, Said)], law: &str) {
    for ((what, one), (_, other)) in one.iter().zip(other) {
        assert_eq!(one, other, "{what}: {law}");
    }
    assert_eq!(one.len(), other.len());
}

/// Checks all laws of a filter.
///
/// # Panics
/// Where a law is broken, naming the moment and the mail.
pub fn run<F: FilterKind>() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime can be built");
    runtime.block_on(laws::<F>());
}

async fn laws<F: FilterKind>() {
    assert!(
        !F::NAME.is_empty() && F::NAME.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_')),
        "`{}`: a name is of [a-z0-9_]",
        F::NAME
    );
    assert!(
        !F::ABOUT.trim().is_empty() && !F::ABOUT.contains('\n'),
        "{}: ABOUT is one sentence",
        F::NAME
    );
    options_are_documented_and_closed::<F>();

    let fakes = Fakes::new();
    let services = fakes.services();
    let one = build::<F>(&services);
    let said = play::<F>(&services, || Arc::clone(&one)).await;

    let services = Fakes::new().services();
    let again = build::<F>(&services);
    same(
        &said,
        &play::<F>(&services, || Arc::clone(&again)).await,
        "the same history must give the same opinion",
    );

    let services = Fakes::new().services();
    let rebuilt = play::<F>(&services, || build::<F>(&services)).await;
    same(
        &said,
        &rebuilt,
        "a filter that is rebuilt between two calls must lose nothing",
    );

    for services in [
        Services::null(fakes.clock.clone(), Fakes::SEED),
        faulty(fakes.clock.clone()),
    ] {
        let filter = build::<F>(&services);
        play::<F>(&services, || Arc::clone(&filter)).await;
        acts::<F>(&services, &*filter).await;
    }
    acts::<F>(&Fakes::new().services(), &*one).await;
}

/// Acts of humans and diverted mail: any answer, no panic.
async fn acts<F: FilterKind>(services: &Services, filter: &dyn Filter) {
    let login = Login::new("carl@d.example", LoginBy::Auth);
    let by = Acting::new(&login, services.clock.now());
    for words in [vec![], vec![String::new()], vec!["\u{0}".repeat(10_000); 100]] {
        let request = Request::Other {
            filter: F::NAME.into(),
            words,
        };
        let _ = calm(&format!("{} asked to act", F::NAME), filter.handle(&by, &request)).await;
    }
    for scene in scenes() {
        let memo = Memo::new(services.identify.clone());
        let cx = Context::new(services.clock.now(), &scene.visit, &memo)
            .with_envelope(&scene.envelope)
            .with_message(&scene.message);
        let _ = calm(
            &format!("{} taking mail `{}`", F::NAME, scene.name),
            filter.take(&cx, &scene.message),
        )
        .await;
    }
}

fn options_are_documented_and_closed<F: FilterKind>() {
    let mut generator = SchemaGenerator::default();
    let schema = Entry::of::<F>().schema(&mut generator);
    let properties = schema
        .as_value()
        .get("properties")
        .and_then(|properties| properties.as_object());
    for (name, property) in properties.into_iter().flatten() {
        let about = property
            .get("description")
            .and_then(|about| about.as_str())
            .unwrap_or_default();
        assert!(
            !about.trim().is_empty(),
            "{}: the option `{name}` needs a doc comment, which becomes its manual",
            F::NAME
        );
    }
    let unknown = serde_json::Map::from_iter([("no_such_option".to_owned(), serde_json::Value::Bool(true))]);
    let refused = Options::new(unknown).read::<F::Config>().is_err();
    assert!(
        refused,
        "{}: an unknown option must be refused: #[serde(deny_unknown_fields)]",
        F::NAME
    );
}

/// Every service fails; some soon, some after a while.
struct Faulty;

fn gone<T>() -> Result<T, Fault> {
    Err(Fault::Unavailable("told to be"))
}

async fn late<T>() -> Result<T, Fault> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    Err(Fault::Broken("told to be".into()))
}

#[async_trait]
impl Dns for Faulty {
    async fn a(&self, _: &str) -> Result<Lookup<Ipv4Addr>, Fault> {
        late().await
    }
    async fn aaaa(&self, _: &str) -> Result<Lookup<Ipv6Addr>, Fault> {
        late().await
    }
    async fn ptr(&self, _: IpAddr) -> Result<Lookup<Box<str>>, Fault> {
        late().await
    }
    async fn txt(&self, _: &str) -> Result<Lookup<Box<[u8]>>, Fault> {
        late().await
    }
    async fn mx(&self, _: &str) -> Result<Lookup<Mx>, Fault> {
        late().await
    }
    async fn ns(&self, _: &str) -> Result<Lookup<Box<str>>, Fault> {
        late().await
    }
}

/// What it stores is nonsense, and nothing can be written.
#[async_trait]
impl Backend for Faulty {
    async fn get(&self, _: &[u8], _: Time) -> Result<Option<Bytes>, Fault> {
        Ok(Some(Bytes::from_static(b"\xff\0nonsense")))
    }
    async fn put(&self, _: &[u8], _: &[u8], _: Option<Time>) -> Result<(), Fault> {
        gone()
    }
    async fn swap(
        &self,
        _: &[u8],
        _: Option<&[u8]>,
        _: Option<&[u8]>,
        _: Option<Time>,
        _: Time,
    ) -> Result<Swap, Fault> {
        Ok(Swap::Was(Some(Bytes::from_static(b"\xff\0nonsense"))))
    }
    async fn add(&self, _: &[u8], _: i64, _: Time, _: Time) -> Result<i64, Fault> {
        Ok(i64::MIN)
    }
    async fn insert(&self, _: &[u8], _: &[u8], _: &[u8]) -> Result<(), Fault> {
        gone()
    }
    async fn remove(&self, _: &[u8], _: &[u8]) -> Result<(), Fault> {
        gone()
    }
    async fn range(&self, _: &[u8], _: Range<&[u8]>, _: bool, _: usize) -> Result<Page, Fault> {
        Ok(Page {
            entries: vec![(Bytes::new(), Bytes::from_static(b"\xff\0nonsense"))],
            more: true,
        })
    }
    async fn trim(&self, _: &[u8], _: &[u8]) -> Result<u64, Fault> {
        late().await
    }
}

#[async_trait]
impl Identify for Faulty {
    async fn reverse(&self, _: IpAddr) -> Result<Reverse, Fault> {
        gone()
    }
    async fn spf(&self, _: &Sender) -> Result<Spf, Fault> {
        late().await
    }
    async fn identity(&self, _: &Sender, _: &Spf, _: &Arc<Message>) -> Result<Identity, Fault> {
        gone()
    }
}

#[async_trait]
impl Threads for Faulty {
    async fn run(&self, _: Job) -> Result<Box<dyn Any + Send>, Fault> {
        gone()
    }
}

fn faulty(clock: Arc<dyn Clock>) -> Services {
    let mut services = Services::null(clock, Fakes::SEED);
    services.dns = Arc::new(Faulty);
    services.store = Store::new(Arc::new(Faulty));
    services.identify = Arc::new(Faulty);
    services.compute = Compute::new(Arc::new(Faulty));
    services
}
