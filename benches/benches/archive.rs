//! The archive on the disk below `target`, its index in RocksDB with the write-ahead log on, as the proxy has them.
//!
//! What is durable costs what the disk's syncing costs; compare it on one machine only. `keep/16_group` beside
//! `keep/16_alone` is what sharing the syncing of the folder saves. `list` has 100,000 mails before it: two domains,
//! 2,000 recipients, 5,000 senders, of which one has sent a tenth. `.._nothing` asks for two things that each stand in mails
//! and together in none; the worst of them walks through all 16,667 entries of a reason.

use std::hint::black_box;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gatepost_archive::{Archive, Settings};
use gatepost_core::{
    Backend, Clock, Direction, Keeping, Kept, KeptId, Label, Login, LoginBy, Message, Path, Query, RecipientId,
    RecipientRecord, Record, Seed, Store, Terms, Time,
};
use gatepost_store_rocksdb::RocksDb;
use gatepost_testkit::FakeClock;
use gatepost_testkit::bench::mail;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

const MAILS: u64 = 100_000;
const TOGETHER: u64 = 16;

struct House {
    archive: Arc<Archive>,
    runtime: Runtime,
    // Last, so that it goes last.
    folder: tempfile::TempDir,
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

fn store(folder: &FilePath) -> Arc<dyn Backend> {
    let settings = gatepost_store_rocksdb::Settings::default();
    Arc::new(RocksDb::open(&folder.join("store"), settings, FakeClock::new()).expect("a store"))
}

fn open(folder: &FilePath, backend: Arc<dyn Backend>, settings: Settings) -> Arc<Archive> {
    let store = Store::new(backend).within("archive");
    let clock = FakeClock::new() as Arc<dyn Clock>;
    Arc::new(Archive::open(&folder.join("kept"), store, clock, Seed::new([1; 16]), settings).expect("an archive"))
}

fn unbounded() -> Settings {
    Settings {
        per_domain: 0,
        ..Settings::default()
    }
}

impl House {
    fn new(settings: Settings) -> House {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let runtime = runtime();
        let archive = {
            let _within = runtime.enter();
            open(folder.path(), store(folder.path()), settings)
        };
        runtime.block_on(async {
            archive.mend().await.expect("a new archive");
            archive.sweep().await.expect("nothing to sweep");
        });
        House {
            archive,
            runtime,
            folder,
        }
    }
}

async fn keep(archive: &Archive, n: u64, from: &str, to: &str, terms: &Terms, message: &Arc<Message>) -> KeptId {
    let from = Path::reverse(from, false).expect("a path");
    let to = Path::forward(to, false).expect("a path");
    let at = Time::from_millis(FakeClock::START.millis() + n);
    let keeping = Keeping::new("t0123456789abcd", at, &from, vec![&to], message, terms);
    archive.keep(keeping).await.expect("it is kept")
}

fn keeps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("keep");
    group.sample_size(30).measurement_time(Duration::from_secs(8));
    let message = Arc::new(Message::from_bytes(mail(4_000, 1)));
    for (name, terms) in [("durable", Terms::durable("held")), ("relaxed", Terms::copy("refused"))] {
        let house = House::new(unbounded());
        let mut n = 0;
        group.throughput(Throughput::Elements(1));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                n += 1;
                let keep = keep(&house.archive, n, "ann@b.example", "carl@d.example", &terms, &message);
                house.runtime.block_on(keep)
            });
        });
    }
    for (name, group_commit) in [("16_group", true), ("16_alone", false)] {
        let house = House::new(Settings {
            group_commit,
            ..unbounded()
        });
        let mut n = 0;
        group.throughput(Throughput::Elements(TOGETHER));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                house.runtime.block_on(async {
                    let mut tasks = JoinSet::new();
                    for _ in 0..TOGETHER {
                        n += 1;
                        let (n, archive, message) = (n, Arc::clone(&house.archive), Arc::clone(&message));
                        tasks.spawn(async move {
                            let terms = Terms::durable("held");
                            keep(&archive, n, "ann@b.example", "carl@d.example", &terms, &message).await
                        });
                    }
                    tasks.join_all().await
                })
            });
        });
    }
    group.finish();
}

fn query(change: impl FnOnce(&mut Query)) -> Query {
    let mut query = Query::default();
    change(&mut query);
    query
}

async fn fill(archive: &Arc<Archive>) -> Vec<KeptId> {
    let mut tasks = JoinSet::new();
    for hand in 0..TOGETHER {
        let archive = Arc::clone(archive);
        tasks.spawn(async move {
            let message = Arc::new(Message::from_bytes(mail(1_000, hand)));
            let mut some = Vec::new();
            for n in (hand..MAILS).step_by(TOGETHER as usize) {
                let sender = if n % 10 == 0 { 0 } else { n % 5_000 };
                let domain = if n % 2 == 0 { "d.example" } else { "e.example" };
                let terms = Terms::copy(if n % 6 == 3 { "held" } else { "refused" });
                let from = format!("s{sender}@x{}.example", sender % 100);
                let to = format!("p{}@{domain}", n % 2_000);
                // A mail in eight seconds: nine days.
                some.push(keep(&archive, n * 8_000, &from, &to, &terms, &message).await);
            }
            some
        });
    }
    tasks.join_all().await.into_iter().flatten().collect()
}

fn lists(criterion: &mut Criterion) {
    let house = House::new(unbounded());
    let all = house.runtime.block_on(fill(&house.archive));
    assert_eq!(all.len() as u64, MAILS);
    let by = Login::new("ann", LoginBy::Auth);
    for id in all.iter().step_by(1_000) {
        house
            .runtime
            .block_on(house.archive.label(id, Label::Spam, &by))
            .expect("labelled");
    }
    let text = |text: &str| Some(text.to_owned());
    let day = FakeClock::START.millis() + 4 * 86_400_000;
    let cases: [(&str, Query, usize); 12] = [
        ("newest", Query::default(), 50),
        ("recipient", query(|q| q.recipient = text("p4@d.example")), 50),
        ("domain", query(|q| q.domain = text("d.example")), 50),
        ("sender", query(|q| q.sender = text("s7@x7.example")), 20),
        ("sender_of_many", query(|q| q.sender = text("s0@x0.example")), 50),
        ("reason", query(|q| q.reason = text("held")), 50),
        ("label", query(|q| q.label = Some(Label::Spam)), 50),
        (
            "a_day",
            query(|q| (q.since, q.before) = (Some(day), Some(day + 86_400_000))),
            50,
        ),
        (
            "domain_in_an_hour",
            query(|q| (q.domain, q.since, q.before) = (text("d.example"), Some(day), Some(day + 3_600_000))),
            50,
        ),
        (
            "domain_sender_reason",
            query(|q| (q.domain, q.sender, q.reason) = (text("e.example"), text("s7@x7.example"), text("held"))),
            6,
        ),
        (
            "recipient_and_sender_nothing",
            query(|q| (q.recipient, q.sender) = (text("p3@e.example"), text("s0@x0.example"))),
            0,
        ),
        (
            "domain_and_reason_nothing",
            query(|q| (q.domain, q.reason) = (text("d.example"), text("held"))),
            0,
        ),
    ];
    let mut group = criterion.benchmark_group("list_of_100000");
    group.sample_size(20);
    for (name, query, expected) in cases {
        let found = house.runtime.block_on(house.archive.list(&query)).expect("a list");
        assert!(
            found.len() >= expected.min(1) && found.len() <= 50,
            "{name}: {}",
            found.len()
        );
        assert!(expected != 50 || found.len() == 50, "{name}: {}", found.len());
        group.bench_function(name, |bencher| {
            bencher.iter(|| house.runtime.block_on(house.archive.list(black_box(&query))));
        });
    }
    let many = query(|q| (q.reason, q.sender, q.domain) = (text("refused"), text("s0@x0.example"), text("d.example")));
    let found = house.runtime.block_on(house.archive.list(&many)).expect("a list");
    assert_eq!(found.len(), 50);
    group.bench_function("three_conditions_of_many", |bencher| {
        bencher.iter(|| house.runtime.block_on(house.archive.list(black_box(&many))));
    });
    let mut n = 0;
    group.bench_function("get", |bencher| {
        bencher.iter(|| {
            n = (n + 7_919) % all.len();
            house.runtime.block_on(house.archive.get(&all[n]))
        });
    });
    group.finish();
    drop(house.folder);
}

fn records(criterion: &mut Criterion) {
    let house = House::new(unbounded());
    let mut group = criterion.benchmark_group("record");
    let mut n = 0u64;
    for people in [1u16, 20] {
        let mut record = Record::new(
            "0123456789abcde".into(),
            FakeClock::START.millis(),
            Direction::Inbound,
            "mx".into(),
            [192, 0, 2, 1].into(),
            25,
        );
        record.from = Some("ann@b.example".into());
        record.subject = Some("a subject of the usual length".into());
        for n in 0..people {
            let mut row = RecipientRecord::new(RecipientId(n), format!("p{n}@d.example"));
            row.fate = "deliver".into();
            row.reply = "250 2.0.0 Ok: queued as 0123456789".into();
            record.recipients.push(row);
        }
        group.bench_function(format!("{people}_recipients"), |bencher| {
            bencher.iter(|| {
                n += 1;
                record.id = format!("{n:015}");
                record.began = FakeClock::START.millis() + n;
                house.runtime.block_on(house.archive.record(black_box(&record)))
            });
        });
    }
    for n in 0..60u64 {
        let (id, began) = (format!("list{n}"), FakeClock::START.millis() + n);
        let mut record = Record::new(id, began, Direction::Inbound, "mx".into(), [192, 0, 2, 1].into(), 25);
        let mut row = RecipientRecord::new(RecipientId(0), "p0@d.example".into());
        row.fate = "deliver".into();
        record.recipients.push(row);
        house
            .runtime
            .block_on(house.archive.record(&record))
            .expect("it is stored");
    }
    let wanted = query(|q| q.recipient = Some("p0@d.example".into()));
    let found = house.runtime.block_on(house.archive.records(&wanted)).expect("records");
    assert_eq!(found.len(), 50);
    group.bench_function("list_of_50", |bencher| {
        bencher.iter(|| house.runtime.block_on(house.archive.records(black_box(&wanted))));
    });
    group.finish();
}

criterion_group!(benches, keeps, lists, records);
criterion_main!(benches);
