//! One trouble after another, under load: DNS, the store, the mail server, the disks.
//!
//! Whatever happens, nothing is lost or doubled, no session is dropped, nobody hears 5xx for it, and an operator can be
//! woken by it: a counter moves, and the log has a line. When it is over, mail flows by itself.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use gatepost_testkit::nameserver::{self, Nameserver};

use crate::audit::Report;
use crate::chance::Chance;
use crate::disks::{self, Disk};
use crate::house::upstream::field;
use crate::house::{Gatepost, Setup, eventually, free_address};
use crate::phase::Victim;
use crate::plan::{HELD, Mail};
use crate::receiver::Illness;
use crate::sender;
use crate::stage::{Open, Stage};

/// How many clients send at the same time.
const CLIENTS: u64 = 8;
/// So many mails at most; the clients never run out of them.
const MAILS: u32 = 100_000;

/// A trouble.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Trouble {
    DnsFails,
    DnsIsSilent,
    DnsIsDead,
    StoreIsFull,
    UpstreamIsDead,
    UpstreamIsMute,
    UpstreamBabbles,
    SpoolIsFull,
}

const TROUBLES: [Trouble; 8] = [
    Trouble::DnsFails,
    Trouble::DnsIsSilent,
    Trouble::DnsIsDead,
    Trouble::StoreIsFull,
    Trouble::UpstreamIsDead,
    Trouble::UpstreamIsMute,
    Trouble::UpstreamBabbles,
    Trouble::SpoolIsFull,
];

/// How a line of the log about DNS is known.
const DNS: &[&str] = &[
    "a service that mail is checked or stored with has a fault",
    "\"service\":\"dns\"",
];

impl Trouble {
    /// The counters that move, and words of a line of the log.
    fn alarms(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Trouble::DnsFails | Trouble::DnsIsSilent | Trouble::DnsIsDead => {
                (&["gatepost_faults_total{service=\"dns\""], DNS)
            }
            Trouble::StoreIsFull => (
                &[
                    "gatepost_faults_total{service=\"store\"",
                    "gatepost_faults_total{service=\"archive\"",
                    "gatepost_filter_faults_total{filter=\"greylist\"",
                    "gatepost_records_lost_total",
                ],
                &["the store's disk takes no writes"],
            ),
            Trouble::UpstreamIsDead => (
                &["gatepost_upstream_faults_total"],
                &["the mail server cannot be reached"],
            ),
            Trouble::UpstreamIsMute | Trouble::UpstreamBabbles => (
                &["gatepost_upstream_faults_total"],
                &["the mail server does not serve us"],
            ),
            Trouble::SpoolIsFull => (
                &["gatepost_faults_total{service=\"spool\""],
                &["a message could not be stored: it is deferred"],
            ),
        }
    }
}

/// The world around the proxy.
struct World<'a> {
    stage: &'a Open,
    resolver: Option<Nameserver>,
}

impl World<'_> {
    fn begin(&mut self, trouble: Trouble) {
        let resolver = self.resolver.as_ref().expect("a resolver");
        match trouble {
            Trouble::DnsFails => resolver.trouble("*", nameserver::Trouble::ServFail),
            Trouble::DnsIsSilent => resolver.trouble("*", nameserver::Trouble::Silent),
            Trouble::DnsIsDead => {
                let address = resolver.address;
                self.resolver = None;
                // Its socket is closed when nobody has it any more.
                eventually("the resolver's end", || std::net::UdpSocket::bind(address).ok());
            }
            Trouble::StoreIsFull => disks::fill(&self.stage.gatepost(), Disk::Data),
            Trouble::SpoolIsFull => {
                disks::fill(&self.stage.gatepost(), Disk::Spool);
                // The messages that were under way go, and with them what they took.
                thread::sleep(Duration::from_millis(500));
                disks::fill(&self.stage.gatepost(), Disk::Spool);
            }
            Trouble::UpstreamIsDead => self.stage.kill(Victim::Upstream),
            Trouble::UpstreamIsMute => self.stage.receiver.is(Illness::Mute),
            Trouble::UpstreamBabbles => self.stage.receiver.is(Illness::Babble),
        }
    }

    fn end(&mut self, trouble: Trouble, resolver_at: std::net::SocketAddr) {
        match trouble {
            Trouble::DnsFails | Trouble::DnsIsSilent => {
                self.resolver.as_ref().expect("a resolver").well();
            }
            Trouble::DnsIsDead => self.resolver = Some(resolver(resolver_at)),
            Trouble::StoreIsFull => disks::empty(&self.stage.gatepost(), Disk::Data),
            Trouble::SpoolIsFull => disks::empty(&self.stage.gatepost(), Disk::Spool),
            Trouble::UpstreamIsDead => self.stage.revive(Victim::Upstream),
            Trouble::UpstreamIsMute | Trouble::UpstreamBabbles => self.stage.receiver.is(Illness::None),
        }
    }
}

/// The sum of the series of the metrics that begin so.
fn metric(gatepost: &Gatepost, beginning: &str) -> f64 {
    let (_, body) = gatepost.get("/metrics").expect("metrics");
    let values = body.lines().filter(|line| line.starts_with(beginning));
    values
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// Waits until so many attempts have come to their end, by whatever answer.
fn attempts(stage: &Stage, more: usize) {
    let count = || stage.books.sent.lock().expect("a lock").len();
    let before = count();
    eventually("attempts", || (count() >= before + more).then_some(()));
}

/// A resolver that knows no name.
fn resolver(at: std::net::SocketAddr) -> Nameserver {
    Nameserver::start_at(at, "").expect("an empty zone")
}

/// Waits until so many mails have come to their end.
fn mails(stage: &Stage, more: usize) {
    let count = || stage.finished.load(Ordering::SeqCst);
    let before = count();
    eventually("mail that flows", || (count() >= before + more).then_some(()));
}

/// A proxy on small disks, whose filters ask DNS and the store, with little patience.
fn proxy(setup: Setup, resolver: &Nameserver) -> Setup {
    let mut setup = setup
        .set("pipeline.inbound.tiers", "[['conduct'], ['greylist']]")
        .set("dns.servers", format!("['{}']", resolver.address))
        .set("dns.timeout", "'100ms'")
        .set("capacity.memory_per_message", "'1 KiB'")
        .at("mx", "proxy_protocol_from", "['127.0.0.0/8']");
    for step in ["connect", "greeting", "command", "data", "block", "dot"] {
        setup = setup.set(&format!("route.default.timeouts.{step}"), "'500ms'");
    }
    setup
}

/// What the archive has, read from its files.
fn kept(gatepost: &Gatepost) -> Vec<(u32, String)> {
    let number = |file: &[u8], name: &str| -> u32 {
        // The file begins with what is known of the mail.
        let at = file
            .windows(11)
            .position(|octets| octets == b"X-Attempt: ")
            .expect("our mail");
        field(&file[at..], name)
            .and_then(|value| value.parse().ok())
            .expect("a number")
    };
    let files = disks::kept(gatepost);
    let copies = files.iter().map(|file| {
        (
            number(file, "X-Attempt"),
            format!("carl.{}@{HELD}", number(file, "X-Mail")),
        )
    });
    copies.collect()
}

/// Brings each trouble so often over the proxy, for so many attempts each time.
#[track_caller]
pub fn run(seed: u64, rounds: usize, each: usize) -> Option<Report> {
    if !disks::may_mount() {
        println!("skipped: this user may not mount (unshare -rm)");
        return None;
    }
    let resolver = resolver(free_address());
    let at = resolver.address;
    let stage = Stage::open(seed, Duration::from_secs(500), true, |setup| {
        Gatepost::start_by(&proxy(setup, &resolver), disks::command)
    });
    let mut world = World {
        stage: &stage,
        resolver: Some(resolver),
    };
    thread::scope(|scope| {
        for who in 0..CLIENTS {
            let stage: &Stage = &stage;
            let own = (1..=MAILS).filter(move |number| u64::from(*number) % CLIENTS == who);
            let mails = own
                .take(MAILS as usize / CLIENTS as usize)
                .map(|number| Mail::new(seed, number));
            scope.spawn(move || sender::send(stage, who, mails.collect()));
        }
        let over = Ending(&stage);
        mails(&stage, each);
        let mut chance = Chance::new(seed, 1 << 41);
        for round in 0..rounds {
            let mut troubles = TROUBLES;
            if round > 0 {
                chance.shuffle(&mut troubles);
            }
            for trouble in troubles {
                suffer(&mut world, trouble, at, each);
            }
        }
        stage.close();
        std::mem::forget(over);
    });
    let kept = kept(&stage.gatepost());
    let begun: BTreeSet<u32> = {
        let sent = stage.books.sent.lock().expect("a lock");
        sent.iter().map(|attempt| attempt.mail).collect()
    };
    let mails: Vec<Mail> = begun.into_iter().map(|number| Mail::new(seed, number)).collect();
    Some(crate::compare(&stage, &mails, &kept))
}

/// Ends the clients, should the run fail.
struct Ending<'a>(&'a Stage);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// One trouble, from its beginning until mail flows again.
fn suffer(world: &mut World<'_>, trouble: Trouble, resolver_at: std::net::SocketAddr, each: usize) {
    let stage = world.stage;
    let (metrics, words) = trouble.alarms();
    let look = || -> Vec<f64> { metrics.iter().map(|name| metric(&stage.gatepost(), name)).collect() };
    let (before, known) = (look(), stage.gatepost().log().len());
    world.begin(trouble);
    // With a mail server that says nothing each takes its time.
    attempts(stage, each.min(100));
    let after = eventually(&format!("{metrics:?} to move under {trouble:?}"), || {
        let after = look();
        after
            .iter()
            .zip(&before)
            .all(|(after, before)| after > before)
            .then_some(after)
    });
    let told = |gatepost: &Gatepost| {
        let log = gatepost.log();
        // Of DNS it tells once a minute.
        let new = if words == DNS { &log } else { &log[known..] };
        new.lines().any(|line| words.iter().all(|word| line.contains(word)))
    };
    eventually(&format!("{words:?} in the log under {trouble:?}"), || {
        told(&stage.gatepost()).then_some(())
    });
    world.end(trouble, resolver_at);
    mails(stage, each);
    eventually(&format!("no more of {metrics:?} after {trouble:?}"), || {
        let before = look();
        attempts(stage, 20);
        (look() == before).then_some(())
    });
    let moved: Vec<String> = metrics
        .iter()
        .zip(after.iter().zip(&before))
        .map(|(name, (after, before))| format!("{name} +{}", after - before))
        .collect();
    println!("{trouble:?}: {}; log: {}", moved.join(", "), words.join(" "));
}
