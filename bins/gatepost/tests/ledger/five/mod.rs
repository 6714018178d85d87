//! The ledger over five mail servers of four customers: two with one server, two with a pair; the mail of two may wait.
//!
//! Servers refuse connections, die at every step, put off, refuse, are slow and lose their answers, and Gatepost is killed
//! with SIGKILL, while clients send until each recipient has heard yes or no. When all servers are well again and nothing
//! waits, [`audit`] compares what clients heard with what the servers and the archive have: nothing that was answered with
//! 250 is lost; what was answered with 4xx or 5xx is nowhere; and a recipient has an attempt's mail twice only where the
//! answer of a server behind its final dot was lost.

mod audit;
mod clients;
mod servers;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use self::audit::Evidence;
use self::clients::{Attempt, Letter};
use self::servers::Servers;
use crate::chance::Chance;
use crate::house::{Gatepost, Setup};

/// How many clients send at the same time.
const CLIENTS: usize = 12;
/// How long after all is well the last mail may come.
const RETURN: Duration = Duration::from_secs(60);

/// A customer: its domain, its servers by preference, and whether its mail may wait.
pub struct Customer {
    pub domain: &'static str,
    pub servers: &'static [usize],
    pub holds: bool,
}

/// All of them.
pub const CUSTOMERS: [Customer; 4] = [
    Customer {
        domain: "pair.example",
        servers: &[0, 1],
        holds: false,
    },
    Customer {
        domain: "solo.example",
        servers: &[2],
        holds: false,
    },
    Customer {
        domain: "held.example",
        servers: &[3],
        holds: true,
    },
    // Whose second server is the only one of another.
    Customer {
        domain: "both.example",
        servers: &[4, 3],
        holds: true,
    },
];

/// How much is done.
#[derive(Clone, Copy)]
pub struct Orders {
    pub letters: u32,
    pub kills: usize,
}

fn setup(servers: &Servers) -> Setup {
    let mut setup = Setup::new()
        .without("local_domains")
        .listener("mx", "inbound", &[("route", "'pair.example'")])
        .set("pipeline.inbound.tiers", "[]")
        .set("policy.keep_refused", "false")
        .set("capacity.memory_per_message", "'4 KiB'")
        .set("queue.retries", "['1s', '2s', '4s']")
        .set("log.level", "'info'");
    for Customer {
        domain,
        servers: own,
        holds,
    } in CUSTOMERS
    {
        let hosts: Vec<String> = own
            .iter()
            .zip([10, 20])
            .map(|(host, priority)| format!("{{ to = '{}', priority = {priority} }}", servers.address(*host)))
            .collect();
        let customer = format!("domain.'{domain}'");
        setup = setup
            .set(
                &format!("{customer}.server.upstream"),
                format!("[{}]", hosts.join(", ")),
            )
            .set(&format!("{customer}.server.tls"), "'none'")
            .set(&format!("{customer}.server.keep.idle"), "'2s'")
            .set(
                &format!("{customer}.recipients"),
                format!("['{}']", clients::NAMES.join("', '")),
            );
        if holds {
            setup = setup.set(&format!("{customer}.hold"), "'2d'");
        }
    }
    setup
}

/// Everything that clients and killer share.
pub struct Stage {
    pub seed: u64,
    pub sent: Mutex<Vec<Attempt>>,
    pub numbers: AtomicUsize,
    pub finished: AtomicUsize,
    pub over: AtomicBool,
}

/// Sends so many letters under faults and kills, and compares.
#[track_caller]
pub fn run(seed: u64, orders: Orders) {
    println!("seed {seed}");
    let servers = Servers::start();
    let mut gatepost = Gatepost::start(&setup(&servers));
    let mx = gatepost.address("mx");
    let stage = Stage {
        seed,
        sent: Mutex::default(),
        numbers: AtomicUsize::new(1),
        finished: AtomicUsize::new(0),
        over: AtomicBool::new(false),
    };
    let mut kills = Vec::new();
    let began = Instant::now();
    let letters = usize::try_from(orders.letters).expect("a number");
    thread::scope(|scope| {
        let ending = Ending(&stage);
        let all: Vec<Letter> = (1..=orders.letters).map(|number| Letter::new(seed, number)).collect();
        for who in 0..CLIENTS {
            let own: Vec<Letter> = all.iter().skip(who).step_by(CLIENTS).cloned().collect();
            let stage = &stage;
            scope.spawn(move || clients::send(stage, mx, who as u64, own));
        }
        let (weather, under) = (&servers, &stage);
        scope.spawn(move || weather.trouble(&mut Chance::new(seed, 1 << 42), under));
        let mut chance = Chance::new(seed, 1 << 43);
        for kill in 1..=orders.kills {
            let until = kill * letters / (orders.kills + 1);
            while stage.finished.load(Ordering::SeqCst) < until {
                assert!(
                    began.elapsed() < Duration::from_secs(540),
                    "{} of {letters} letters",
                    under.finished.load(Ordering::SeqCst)
                );
                thread::sleep(Duration::from_millis(2));
            }
            chance.pause(50);
            let from = Instant::now();
            gatepost.kill();
            kills.push((from, Instant::now()));
            gatepost.again();
        }
        while stage.finished.load(Ordering::SeqCst) < letters {
            assert!(
                began.elapsed() < Duration::from_secs(540),
                "{} of {letters} letters",
                under.finished.load(Ordering::SeqCst)
            );
            thread::sleep(Duration::from_millis(5));
        }
        drop(ending);
    });
    servers.well();
    let well = Instant::now();
    // Whatever a server put off is tried now, not in its own time.
    while gatepost.tells(&["queue"]).trim() != "no mail waits" {
        assert!(well.elapsed() < RETURN, "{}", gatepost.command(&["queue", "list"]).0);
        gatepost.command(&["queue", "flush", "--all"]);
        thread::sleep(Duration::from_millis(250));
    }
    println!(
        "{letters} letters in {:?}; nothing waits {:?} after all is well",
        began.elapsed(),
        well.elapsed()
    );
    let kept = crate::kept(&gatepost);
    gatepost.stop();
    let records = gatepost.records();
    let rows = records
        .iter()
        .filter_map(|record| record["recipients"].as_array())
        .flatten();
    let waited = rows.filter(|row| row["went"] == "queue").count();
    let copies = servers.copies();
    let sent = stage.sent.lock().expect("a lock");
    let report = audit::audit(&Evidence {
        sent: &sent,
        copies: &copies,
        kept: &kept,
        kills: &kills,
        cuts: servers.cuts(),
    });
    println!("{waited} recipients' mail waited\n{report}");
    assert!(waited > 0, "no mail waited");
    assert!(report.wrongs.is_empty(), "seed {seed}: {:#?}", report.wrongs);
    assert!(
        report.delivered > 0 && report.refused > 0 && report.undelivered > 0,
        "{report}"
    );
}

/// Ends clients and faults, should the run fail.
struct Ending<'a>(&'a Stage);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::SeqCst);
    }
}
