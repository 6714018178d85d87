//! The queue's files on the disk below `target`: what it costs to say 250 to mail whose server is away, and to start with
//! much of it.
//!
//! What is durable costs what the disk's syncing costs; compare it on one machine only. `accept/16_alone` beside
//! `accept/16_group` is what sharing the syncing saves. `deliver` is what the files cost a delivery: a mail read, verified and
//! removed. `start` finds 100,000 mails of 100 domains. Postfix's own queue beside the whole proxy: `tools/queue-race.sh`.

use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use gatepost_core::message::{Edited, Edits};
use gatepost_core::queue::Caller;
use gatepost_core::smtp::{MailParams, RcptParams};
use gatepost_core::{Client, Direction, Message, Path, Time, Visit};
use gatepost_queue::spool::{Entry, Head, New, Quota, Settings, Spool};
use gatepost_testkit::FakeClock;
use gatepost_testkit::bench::mail;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

const MAILS: u64 = 100_000;
const DOMAINS: u64 = 100;

struct House {
    spool: Spool,
    runtime: Runtime,
    message: Arc<Edited>,
    count: u64,
    // Last, so that it goes last.
    folder: tempfile::TempDir,
}

fn settings() -> Settings {
    Settings {
        octets: u64::MAX,
        mails: u64::MAX,
        ..Settings::default()
    }
}

fn open(folder: &FilePath, settings: Settings) -> (Spool, u64) {
    let (spool, found) = Spool::open(&folder.join("queue"), settings).expect("a spool");
    (spool, found.mails)
}

impl House {
    fn new(settings: Settings, octets: usize) -> House {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let (spool, _) = open(folder.path(), settings);
        let message = Message::from_bytes(mail(octets, 1));
        House {
            spool,
            runtime: tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .expect("a runtime"),
            message: Arc::new(Edits::new().apply(&message)),
            count: 0,
            folder,
        }
    }

    fn mail(&mut self) -> New {
        self.count += 1;
        let n = self.count;
        let domain = format!("d{}.example", n % DOMAINS);
        let visit = Visit::new(Direction::Inbound, "mx".into(), Client::new([192, 0, 2, 1].into(), 25));
        let to = Path::forward(&format!("p{n}@{domain}"), false).expect("a path");
        let head = Head {
            domain,
            transaction: format!("{n:015}"),
            at: Time::from_millis(FakeClock::START.millis() + n),
            route: "default".into(),
            caller: Caller::of(&visit),
            from: Path::reverse("ann@b.example", false).expect("a path"),
            params: MailParams::default(),
            recipients: vec![(to, RcptParams::default())],
            proven: false,
            notice: false,
        };
        New {
            head,
            message: Arc::clone(&self.message),
            quota: Quota::NONE,
        }
    }

    /// So many at once, each for itself.
    fn accept(&mut self, together: u64) -> Vec<Entry> {
        let mails: Vec<New> = (0..together).map(|_| self.mail()).collect();
        self.runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for mail in mails {
                let spool = self.spool.clone();
                tasks.spawn(async move { spool.accept(vec![mail]).await.expect("it is accepted") });
            }
            tasks.join_all().await.into_iter().flatten().collect()
        })
    }
}

fn accepts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("accept");
    group.sample_size(30).measurement_time(Duration::from_secs(8));
    for (name, together, group_commit, octets) in [
        ("1", 1, true, 4_000),
        ("16_group", 16, true, 4_000),
        ("16_alone", 16, false, 4_000),
        ("64_group", 64, true, 4_000),
        ("64_alone", 64, false, 4_000),
        ("16_group_50kB", 16, true, 50_000),
    ] {
        let settings = Settings {
            group_commit,
            ..settings()
        };
        let mut house = House::new(settings, octets);
        group.throughput(Throughput::Elements(together));
        group.bench_function(name, |bencher| {
            bencher.iter(|| assert_eq!(house.accept(together).len() as u64, together));
        });
    }
    group.finish();
}

fn deliveries(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("deliver");
    group.throughput(Throughput::Elements(1));
    for (name, octets) in [("4kB", 4_000), ("50kB", 50_000)] {
        let mut house = House::new(settings(), octets);
        let spool = house.spool.clone();
        let mut waiting = Vec::new();
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || {
                    if waiting.is_empty() {
                        waiting = house.accept(256);
                    }
                    let entry = waiting.pop().expect("a mail that waits");
                    (entry, house.runtime.handle().clone())
                },
                |(entry, runtime)| {
                    runtime.block_on(async {
                        spool.read(&entry).await.expect("it is read");
                        assert!(spool.remove(&entry).await.expect("it is removed"));
                    });
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn starts(criterion: &mut Criterion) {
    let mut house = House::new(settings(), 1_000);
    for _ in 0..MAILS / 1_000 {
        house.accept(1_000);
    }
    house.runtime.block_on(house.spool.close()).expect("closed");
    let mut group = criterion.benchmark_group("start");
    group.sample_size(10);
    group.bench_function("100000", |bencher| {
        bencher.iter(|| {
            let (_spool, found) = open(house.folder.path(), settings());
            assert_eq!(found, MAILS);
        });
    });
    group.finish();
}

criterion_group!(benches, accepts, deliveries, starts);
criterion_main!(benches);
