//! A greylist's decision among a million distinct keys, on the real store with its log on: the budget is 20 µs.
//!
//! `rocksdb` is the embedded store on disk, `memory` a map: the floor under what the filter itself costs. A decision is a
//! whole `rcpt` of the filter: keys hashed, sender folded, store asked; the envelope that it looks at is made anew each
//! time, too. Each stranger comes from a network of its own under a name of its own, and that all keys differ is counted.
//!
//! `p50` is the median of single decisions, as the budget is meant; `mean` is criterion's usual figure, in which the few
//! that wait for the disk weigh most. Of both the store's cache decides: it is as large as the product's default, while
//! senders are drawn from all of the million alike, which is worse than any mail.

use std::collections::HashSet;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use criterion::measurement::{Measurement, WallTime};
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use gatepost_core::{
    Backend, Client, Clock, Context, Direction, Entry, Envelope, Filter, Helo, MailParams, Memo, Options, Path,
    RcptParams, Recipient, RecipientId, Services, Store, Time, Visit, null,
};
use gatepost_greylist::triplet::{self, Keys, Origin};
use gatepost_greylist::{Greylist, sender};
use gatepost_store_rocksdb::{RocksDb, Settings};
use gatepost_testkit::{Fakes, MemoryStore};
use tokio::runtime::Runtime;

const KEYS: u32 = 1_000_000;
const NOW: Time = Time::from_secs(2_000_000);
/// What `capacity.store_cache` of the configuration is where nothing is said.
const CACHE: usize = 32 << 20;

struct Still;

impl Clock for Still {
    fn now(&self) -> Time {
        NOW
    }
}

struct House {
    runtime: Runtime,
    services: Services,
    filter: Arc<dyn Filter>,
}

fn house(backend: Arc<dyn Backend>, runtime: Runtime) -> House {
    let mut services = Services::null(Arc::new(Still), Fakes::SEED);
    services.store = Store::new(backend);
    services.identify = Arc::new(null::NoIdentify);
    let options = serde_json::json!({ "grace": "0s", "pools": [] });
    let options = Options::new(options.as_object().cloned().expect("a table"));
    let filter = Entry::of::<Greylist>().build(options, &services).expect("a filter");
    House {
        runtime,
        services,
        filter,
    }
}

/// Where the sender with this number comes from: a /24 of its own.
fn client(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0x0b00_0000_u32.wrapping_add(number << 8)))
}

/// Its name, in letters: a number would be folded away.
fn from(number: u32) -> Path {
    let letters: String = (0..6)
        .map(|n| char::from(b'a' + (number / 26_u32.pow(n) % 26) as u8))
        .collect();
    Path::reverse(&format!("{letters}@b.example"), false).expect("a path")
}

fn to() -> Path {
    Path::forward("carl@d.example", false).expect("a path")
}

/// How many keys so many senders have in the store.
fn distinct(senders: u32) -> usize {
    let keys = Keys::new(Fakes::SEED);
    let recipient = triplet::recipient(&to());
    let key = |number| {
        let network = Origin::network(client(number), 24, 64);
        keys.triplet(&network, &sender::folded(&from(number)), &recipient)
    };
    (0..senders).map(key).collect::<HashSet<_>>().len()
}

impl House {
    /// Whether the sender with this number waits at a moment.
    async fn waits(&self, number: u32, now: Time) -> bool {
        let mut visit = Visit::new(Direction::Inbound, "mx".into(), Client::new(client(number), 1));
        visit.helo = Some(Helo {
            name: "mail.b.example".into(),
            extended: true,
        });
        let memo = Memo::new(Arc::clone(&self.services.identify));
        let envelope = Envelope::new(from(number), MailParams::default());
        let to = Recipient::new(RecipientId(0), to(), RcptParams::default());
        let cx = Context::new(now, &visit, &memo).with_envelope(&envelope);
        !self
            .filter
            .rcpt(&cx, &to)
            .await
            .expect("an opinion")
            .wishes()
            .is_empty()
    }
}

/// The median time of so many, as if each had taken that long.
fn median(times: u64, once: &mut dyn FnMut()) -> Duration {
    let one = |_| {
        let began = WallTime.start();
        once();
        WallTime.end(began)
    };
    let mut took: Vec<Duration> = (0..times).map(one).collect();
    let middle = took.len() / 2;
    let (_, median, _) = took.select_nth_unstable(middle);
    *median * u32::try_from(times).expect("a few millions at most")
}

fn measure(group: &mut BenchmarkGroup<'_, WallTime>, what: &str, mut once: impl FnMut()) {
    group.bench_function(format!("{what}/p50"), |bencher| {
        bencher.iter_custom(|times| median(times, &mut once));
    });
    group.bench_function(format!("{what}/mean"), |bencher| bencher.iter(&mut once));
}

fn decide(criterion: &mut Criterion) {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime")
    };
    let folder = tempfile::tempdir_in(FilePath::new(env!("CARGO_TARGET_TMPDIR"))).expect("a folder on disk");
    let settings = Settings {
        cache: CACHE,
        ..Settings::default()
    };
    let rocks = RocksDb::open(folder.path(), settings, Arc::new(Still)).expect("a store");
    let houses = [
        ("rocksdb", house(Arc::new(rocks), runtime())),
        ("memory", house(MemoryStore::new(), runtime())),
    ];
    assert_eq!(distinct(KEYS), KEYS as usize, "every stranger has a key of its own");
    let mut group = criterion.benchmark_group("greylist");
    group.sample_size(50).measurement_time(Duration::from_secs(4));
    for (name, house) in &houses {
        // A million strangers, each seen once; the filter itself remembers them.
        let first = house.runtime.block_on(async {
            let mut waiting = 0;
            for number in 0..KEYS {
                waiting += u32::from(house.waits(number, NOW).await);
            }
            waiting
        });
        assert_eq!(first, KEYS, "every stranger waits");
        let waits = |number, now| house.runtime.block_on(house.waits(black_box(number), now));
        let mut number = 0_u32;
        let mut another = || {
            // Through all of them, and never the neighbour of the last.
            number = (number + 7_919) % KEYS;
            number
        };
        measure(&mut group, &format!("{name}/too_early"), || {
            assert!(waits(another(), NOW));
        });
        let later = NOW + Duration::from_hours(1);
        measure(&mut group, &format!("{name}/has_waited"), || {
            assert!(!waits(another(), later));
        });
        // Last, for it makes the million more.
        let mut next = KEYS;
        measure(&mut group, &format!("{name}/a_stranger"), || {
            next += 1;
            assert!(waits(next, NOW));
        });
    }
    group.finish();
}

criterion_group!(benches, decide);
criterion_main!(benches);
