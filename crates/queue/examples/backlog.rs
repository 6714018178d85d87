//! A backlog: so many mails are accepted, then a new process opens the queue and says how long that took and how much memory
//! it needs for it all. It fails above two seconds or 100 MiB.
//!
//!     cargo run --release -p gatepost-queue --example backlog -- FOLDER [MAILS]      default: 100,000
//!
//! The folder must be new; it is removed at the end.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "it measures, and says what it measured"
)]

use std::path::Path as FilePath;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gatepost_core::message::Edits;
use gatepost_core::null::NoKept;
use gatepost_core::queue::{Caller, Queued};
use gatepost_core::smtp::{MailParams, Path, RcptParams, Time};
use gatepost_core::{Client, Direction, Edited, Message, Queue, Seed, Upstream, Upstreams, Visit};
use gatepost_queue::{DomainTerms, MailQueue, Means, Nobody, Roads, Settings};
use gatepost_testkit::FakeClock;
use gatepost_testkit::bench::mail;

const DOMAINS: u64 = 100;
/// Those that bring mail at the same time.
const TOGETHER: u64 = 64;
const START_MAX: Duration = Duration::from_secs(2);
const MEMORY_MAX: u64 = 100 << 10;

/// No mail server is there.
struct Away;

impl Upstreams for Away {
    fn upstream(&self, _: &str) -> Option<Box<dyn Upstream>> {
        None
    }

    fn is_up(&self, _: &str) -> bool {
        false
    }
}

impl Roads for Away {
    fn route(&self, _: &Caller, _: &Path) -> Option<Arc<str>> {
        Some("default".into())
    }

    fn terms(&self, _: &str) -> DomainTerms {
        DomainTerms {
            hold: Some(Duration::from_hours(48)),
            ..DomainTerms::NONE
        }
    }

    fn upstreams(&self) -> &dyn Upstreams {
        self
    }

    fn notices(&self) -> Option<Arc<str>> {
        None
    }

    fn hostname(&self) -> &str {
        "mx.example"
    }
}

fn open(folder: &FilePath) -> (MailQueue, u64) {
    let means = Means {
        kept: Arc::new(NoKept),
        clock: FakeClock::new(),
        seed: Seed::new([1; 16]),
        follower: Arc::new(Nobody),
    };
    let (queue, found) = MailQueue::open(folder, Settings::default(), Arc::new(Away), means).expect("a queue");
    (queue, found.mails)
}

fn queued(n: u64, message: &Arc<Edited>) -> Queued {
    let visit = Visit::new(Direction::Inbound, "mx".into(), Client::new([192, 0, 2, 1].into(), 25));
    let to = Path::forward(&format!("p{n}@d{}.example", n % DOMAINS), false).expect("a path");
    Queued::new(
        format!("{n:015}"),
        Time::from_millis(FakeClock::START.millis() + n),
        "default".into(),
        Caller::of(&visit),
        Path::reverse("ann@b.example", false).expect("a path"),
        MailParams::default(),
        vec![(to, RcptParams::default())],
        Arc::clone(message),
    )
}

/// Seconds of the processor that this process has used.
fn processor() -> f64 {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}

async fn fill(folder: &FilePath, mails: u64) {
    let (queue, _) = open(folder);
    let message = Arc::new(Edits::new().apply(&Message::from_bytes(mail(4_000, 1))));
    let (began, used) = (Instant::now(), processor());
    let mut hands = tokio::task::JoinSet::new();
    for hand in 0..TOGETHER {
        let (queue, message) = (queue.clone(), Arc::clone(&message));
        hands.spawn(async move {
            for n in (hand..mails).step_by(TOGETHER as usize) {
                queue.accept(vec![queued(n, &message)]).await.expect("it is accepted");
            }
        });
    }
    hands.join_all().await;
    let took = began.elapsed().as_secs_f64();
    let used = processor() - used;
    println!(
        "{mails} mails of 4 kB, {TOGETHER} at once: {:.0} a second, {:.3} seconds of processor for 1,000",
        mails as f64 / took,
        used * 1_000.0 / mails as f64
    );
    queue.close().await.expect("closed");
}

/// Opens the queue in this process, which does nothing else.
fn start(folder: &FilePath) -> ExitCode {
    let began = Instant::now();
    let (queue, found) = open(folder);
    let took = began.elapsed();
    assert_eq!(queue.depth_now().mails, found);
    let status = std::fs::read_to_string("/proc/self/status").expect("what is known of this process");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak: u64 = peak
        .and_then(|kb| kb.split_ascii_whitespace().next()?.parse().ok())
        .expect("its memory");
    println!(
        "{found} mails found in {:.0} ms, {:.1} MiB of memory at the most",
        took.as_secs_f64() * 1_000.0,
        peak as f64 / 1_024.0
    );
    ExitCode::from(u8::from(took > START_MAX || peak > MEMORY_MAX))
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some(folder) = words.first().map(FilePath::new) else {
        println!("name a new folder");
        return ExitCode::FAILURE;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let _within = runtime.enter();
    if words.get(1).is_some_and(|word| word == "start") {
        return start(folder);
    }
    assert!(!folder.exists(), "the folder must be new");
    let mails = words
        .get(1)
        .map_or(100_000, |mails| mails.parse().expect("a number of mails"));
    runtime.block_on(fill(folder, mails));
    let mut fine = true;
    for _ in 0..3 {
        let me = std::env::current_exe().expect("this program");
        let child = Command::new(me).arg(folder).arg("start").status().expect("a process");
        fine &= child.success();
    }
    std::fs::remove_dir_all(folder).expect("removed");
    ExitCode::from(u8::from(!fine))
}
