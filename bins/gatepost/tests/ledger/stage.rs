//! The stage: the proxy, the mail server, and who is to be killed where.

use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::books::Books;
use crate::chance::Chance;
use crate::house::{Gatepost, Setup};
use crate::phase::{Kill, Phase, Victim};
use crate::plan::{HELD, OURS, REFUSED};
use crate::receiver::Receiver;

/// How long the killer waits for somebody, and whoever it waits for, for the kill.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is looked whether that is over.
const STEP: Duration = Duration::from_millis(5);

/// What the killer waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Wish {
    victim: Victim,
    phase: Phase,
    /// Somebody is there, or did it.
    met: bool,
}

/// A kill that is to come right behind a 250.
#[derive(Clone, Copy, Debug)]
pub struct Strike {
    victim: Victim,
    stopped: bool,
}

/// Everything that clients, mail server and killer share.
pub struct Stage {
    pub seed: u64,
    pub books: Books,
    pub receiver: Receiver,
    gatepost: Mutex<Option<Gatepost>>,
    /// Where it takes mail from the world.
    mx: OnceLock<SocketAddr>,
    pub kills: Mutex<Vec<Kill>>,
    /// How many mails may be begun so far, so that they last until the last kill.
    pub allowed: AtomicUsize,
    pub begun: AtomicUsize,
    pub finished: AtomicUsize,
    /// The clients say who they are by a PROXY header, each connection another.
    pub proxied: bool,
    /// Nobody begins another mail.
    closing: AtomicBool,
    wish: Mutex<Option<Wish>>,
    met: Condvar,
    /// Everybody gives up.
    over: AtomicBool,
    ends: Instant,
}

impl Stage {
    /// A proxy before a mail server, for so long at most.
    pub fn open(seed: u64, at_most: Duration, proxied: bool, start: impl FnOnce(Setup) -> Gatepost) -> Open {
        let stage = Open(Arc::new(Stage {
            seed,
            books: Books::default(),
            gatepost: Mutex::default(),
            mx: OnceLock::new(),
            receiver: Receiver::new(),
            kills: Mutex::default(),
            allowed: AtomicUsize::new(usize::MAX),
            begun: AtomicUsize::new(0),
            finished: AtomicUsize::new(0),
            proxied,
            closing: AtomicBool::new(false),
            wish: Mutex::default(),
            met: Condvar::new(),
            over: AtomicBool::new(false),
            ends: Instant::now() + at_most,
        }));
        stage.receiver.serve(&stage);
        let gatepost = start(proxy(Setup::before(stage.receiver.address)));
        stage.mx.get_or_init(|| gatepost.address("mx"));
        *stage.gatepost.lock().expect("a lock") = Some(gatepost);
        stage
    }

    /// The proxy; nobody else has it meanwhile.
    pub fn gatepost(&self) -> Proxy<'_> {
        Proxy(self.gatepost.lock().expect("a lock"))
    }

    /// Where the proxy takes mail from the world, or did.
    pub fn mx(&self) -> SocketAddr {
        *self.mx.get().expect("it was started")
    }

    /// Whether the time is over.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst) || Instant::now() > self.ends
    }

    /// Whether no other mail is begun.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Has the clients end what they began, and begin nothing more.
    pub fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    /// Ends it for all.
    pub fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// Somebody stands in this phase, and stays a moment; where the killer waits for it, until the kill.
    pub fn linger(&self, phase: Phase, chance: &mut Chance) {
        let mut wish = self.wish.lock().expect("a lock");
        let Some(wanted) = wish.as_mut().filter(|wish| wish.phase == phase) else {
            drop(wish);
            if chance.one_in(6) {
                chance.pause(8);
            }
            return;
        };
        wanted.met = true;
        self.met.notify_all();
        let patience = Instant::now() + PATIENCE;
        while wish.is_some_and(|wish| wish.phase == phase) && Instant::now() < patience {
            (wish, _) = self.met.wait_timeout(wish, STEP).expect("a lock");
        }
    }

    /// The mail server is about to say 250. Where that is the moment the killer waits for, whoever says it must
    /// [`strike`](Stage::strike) when it is said: nobody else is quick enough. The proxy, which answers within a few
    /// microseconds, is stopped before, two times of three.
    pub fn claim(&self, chance: &mut Chance) -> Option<Strike> {
        let victim = {
            let mut wish = self.wish.lock().expect("a lock");
            let wish = wish.as_mut();
            let wish = wish.filter(|wish| wish.phase == Phase::Granted && !wish.met)?;
            wish.met = true;
            wish.victim
        };
        let stopped = victim == Victim::Gatepost && !chance.one_in(3);
        if stopped {
            self.gatepost().signal("STOP");
        }
        Some(Strike { victim, stopped })
    }

    /// Does what was claimed.
    pub fn strike(&self, strike: Strike, chance: &mut Chance) {
        let moment = chance.micros(if strike.stopped { 2_000 } else { 60 });
        let began = Instant::now();
        while began.elapsed() < moment {
            std::hint::spin_loop();
        }
        self.kill(strike.victim);
        self.met.notify_all();
    }

    /// Waits until somebody stands in a phase and kills then, or after a while anyway.
    pub fn kill_in(&self, victim: Victim, phase: Phase, chance: &mut Chance) {
        let before = self.kills.lock().expect("a lock").len();
        let done = || self.kills.lock().expect("a lock").len() > before;
        let patience = Instant::now() + PATIENCE;
        let mut wish = self.wish.lock().expect("a lock");
        *wish = Some(Wish {
            victim,
            phase,
            met: false,
        });
        while wish.is_some_and(|wish| !wish.met) && Instant::now() < patience {
            (wish, _) = self.met.wait_timeout(wish, STEP).expect("a lock");
            // Who is to come there may be waiting for leave to begin.
            if self.begun.load(Ordering::SeqCst) > self.allowed.load(Ordering::SeqCst) {
                self.allowed.fetch_add(1, Ordering::SeqCst);
            }
        }
        // Whoever comes now is too late for this one.
        let met = wish.as_mut().is_some_and(|wish| std::mem::replace(&mut wish.met, true));
        drop(wish);
        if phase == Phase::Granted && met {
            while !done() {
                thread::sleep(Duration::from_millis(1));
            }
        } else {
            thread::sleep(chance.micros(6_000));
            self.kill(victim);
        }
        *self.wish.lock().expect("a lock") = None;
        self.met.notify_all();
    }

    /// Kills, as a power cut would.
    pub fn kill(&self, victim: Victim) {
        let mut gatepost = self.gatepost();
        let from = Instant::now();
        let to = match victim {
            Victim::Gatepost => {
                gatepost.kill();
                Instant::now()
            }
            Victim::Upstream => self.receiver.kill(),
        };
        let kill = Kill { victim, from, to };
        self.kills.lock().expect("a lock").push(kill);
    }

    /// Starts what was killed again.
    pub fn revive(self: &Arc<Stage>, victim: Victim) {
        match victim {
            Victim::Gatepost => self.gatepost().again(),
            Victim::Upstream => self.receiver.serve(self),
        }
    }
}

/// A stage of which whoever has it ends everything when it goes: the threads of the mail server have the stage, too.
pub struct Open(Arc<Stage>);

impl Deref for Open {
    type Target = Arc<Stage>;
    fn deref(&self) -> &Arc<Stage> {
        &self.0
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.end();
        self.gatepost.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.receiver.kill();
    }
}

/// The proxy while somebody has it.
pub struct Proxy<'a>(MutexGuard<'a, Option<Gatepost>>);

impl Deref for Proxy<'_> {
    type Target = Gatepost;
    fn deref(&self) -> &Gatepost {
        self.0.as_ref().expect("it was started")
    }
}

impl DerefMut for Proxy<'_> {
    fn deref_mut(&mut self) -> &mut Gatepost {
        self.0.as_mut().expect("it was started")
    }
}

/// A proxy that keeps and refuses some of the mail of whoever says a nonsensical HELO, and counts nothing else against
/// clients that come from nowhere.
fn proxy(mut setup: Setup) -> Setup {
    for points in [
        "sender_domain",
        "helo_unknown",
        "no_reverse",
        "no_message_id",
        "no_date",
    ] {
        setup = setup.set(&format!("filters.conduct.options.{points}_points"), "0");
    }
    setup
        .set("filters.conduct.options.reputation.most", "0")
        // As it is by default: connections that serve one client after another are killed, too.
        .set("route.default.keep.idle", "'2s'")
        .set("local_domains", format!("['{OURS}', '{HELD}', '{REFUSED}']"))
        .set("filters.conduct.options.helo_syntax_points", "8")
        .set("policy.medium.action", "'header'")
        // What is kept here is what was accepted: a copy of a refused mail would be taken for a mail that came after all.
        .set("policy.keep_refused", "false")
        .set(&format!("domain.'{HELD}'.policy.medium.action"), "'hold'")
        .set(&format!("domain.'{REFUSED}'.policy.medium.action"), "'reject'")
        .set("capacity.memory_per_message", "'64 KiB'")
        .set("log.level", "'info'")
}
