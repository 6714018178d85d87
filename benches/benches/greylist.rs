//! A greylist's decision among a million distinct keys, on the real store with its log on: the budget is 20 µs.
//!
//! `rocksdb` is the embedded store on disk, `memory` a map: the floor under what the filter itself costs. A decision is a
//! whole `rcpt` of the filter: keys hashed, sender folded, store asked.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use gatepost_core::{
    Backend, Client, Clock, Context, Direction, Entry, Envelope, Filter, Helo, MailParams, Memo, Options, Path,
    RcptParams, Recipient, RecipientId, Services, Store, Time, Visit, null,
};
use gatepost_greylist::Greylist;
use gatepost_store_rocksdb::{RocksDb, Settings};
use gatepost_testkit::{Fakes, MemoryStore};
use tokio::runtime::Runtime;

const KEYS: u32 = 1_000_000;
const NOW: Time = Time::from_secs(2_000_000);

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

impl House {
    /// Whether the sender with this number waits at a moment.
    async fn waits(&self, number: u32, now: Time) -> bool {
        let client = IpAddr::V4(Ipv4Addr::from(0x0b00_0000 + (number << 4)));
        let mut visit = Visit::new(Direction::Inbound, "mx".into(), Client::new(client, 1));
        visit.helo = Some(Helo {
            name: "mail.b.example".into(),
            extended: true,
        });
        let memo = Memo::new(Arc::clone(&self.services.identify));
        let from = Path::reverse(&format!("s{number}x@b.example"), false).expect("a path");
        let envelope = Envelope::new(from, MailParams::default());
        let to = Path::forward("carl@d.example", false).expect("a path");
        let to = Recipient::new(RecipientId(0), to, RcptParams::default());
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

fn decide(criterion: &mut Criterion) {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime")
    };
    let folder = tempfile::tempdir_in(FilePath::new(env!("CARGO_TARGET_TMPDIR"))).expect("a folder on disk");
    let rocks = RocksDb::open(folder.path(), Settings::default(), Arc::new(Still)).expect("a store");
    let houses = [
        ("rocksdb", house(Arc::new(rocks), runtime())),
        ("memory", house(MemoryStore::new(), runtime())),
    ];
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
        let mut next = KEYS;
        group.bench_function(format!("{name}/a_stranger"), |bencher| {
            bencher.iter(|| {
                next += 1;
                assert!(house.runtime.block_on(house.waits(black_box(next), NOW)));
            });
        });
        let mut number = 0_u32;
        let mut another = move || {
            // Through all of them, and never the neighbour of the last.
            number = (number + 7_919) % KEYS;
            number
        };
        group.bench_function(format!("{name}/too_early"), |bencher| {
            bencher.iter(|| assert!(house.runtime.block_on(house.waits(black_box(another()), NOW))));
        });
        let later = NOW + Duration::from_hours(1);
        group.bench_function(format!("{name}/has_waited"), |bencher| {
            bencher.iter(|| assert!(!house.runtime.block_on(house.waits(black_box(another()), later))));
        });
    }
    group.finish();
}

criterion_group!(benches, decide);
criterion_main!(benches);
