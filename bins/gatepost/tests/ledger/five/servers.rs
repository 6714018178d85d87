//! Five mail servers and what befalls them.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Stage;
use super::clients::NEVER;
use crate::chance::Chance;
use crate::house::upstream::{Memory, field};
use crate::house::{Act, Script, Upstream, free_address, say};

/// Where a server may fail.
const POINTS: [&str; 7] = ["<connect>", "EHLO", "MAIL", "RCPT", "DATA", "<body>", "<dot>"];

/// A copy that a server took.
#[derive(Clone, Debug)]
pub struct Copy {
    pub attempt: u32,
    pub to: String,
    pub at: Instant,
    /// Its answer could not be sent as a whole.
    pub unheard: bool,
    /// Another command came behind the answer.
    pub followed: bool,
}

/// One server: where it is, and what is there now.
struct Host {
    address: SocketAddr,
    upstream: Mutex<Option<Upstream>>,
    /// What each server that stood there remembers.
    memories: Mutex<Vec<Memory>>,
    /// How often it was cut off from all who were connected.
    cuts: AtomicUsize,
}

/// All five.
pub struct Servers(Vec<Host>);

/// A server that is well: it refuses one whom nobody knows.
fn well() -> Script {
    Script::new().on(&format!("RCPT TO:<{NEVER}@"), say("550 5.1.1 Nobody of that name"))
}

/// One with a fault, so many times.
fn ill(chance: &mut Chance) -> Script {
    let point = POINTS[usize::try_from(chance.below(7)).expect("an index")];
    let kind = chance.below(6);
    let act = match (kind, point) {
        // What it says where content is read would be no reply to anything.
        (_, "<body>") | (0, _) => Act::Close,
        // Of the answer to the final dot nobody hears the end.
        (1, "<dot>") => Act::Last(b"250 2.0.0 Tak".to_vec()),
        (1 | 2, _) => Act::Last(b"421 4.3.2 Shutting down\r\n".to_vec()),
        (3, _) => say("451 4.3.0 Not now"),
        (4, "MAIL" | "RCPT" | "DATA" | "<dot>") => say("554 5.7.1 Not this"),
        (_, "<connect>") => Act::later(chance.below(400), "220 upstream.example ESMTP"),
        (_, "<dot>") => Act::later(chance.below(400), "250 2.0.0 Taken"),
        (_, "RCPT") => Act::later(chance.below(400), "250 2.1.5 Recipient ok"),
        _ => Act::Close,
    };
    let times = 1 + usize::try_from(chance.below(4)).expect("a number");
    // Whom nobody knows is refused before, however ill it is.
    well().times(times, point, act)
}

impl Host {
    fn start(&self, script: Script) {
        let upstream = Upstream::at(self.address, script);
        self.memories.lock().expect("a lock").push(upstream.memory());
        *self.upstream.lock().expect("a lock") = Some(upstream);
    }

    fn cut(&self) {
        if self.upstream.lock().expect("a lock").take().is_some() {
            self.cuts.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn is(&self, script: Script) {
        let there = self.upstream.lock().expect("a lock");
        if let Some(upstream) = &*there {
            return upstream.now(script);
        }
        drop(there);
        self.start(script);
    }
}

impl Servers {
    /// All well.
    pub fn start() -> Servers {
        let host = || Host {
            address: free_address(),
            upstream: Mutex::default(),
            memories: Mutex::default(),
            cuts: AtomicUsize::new(0),
        };
        let servers = Servers((0..5).map(|_| host()).collect());
        servers.well();
        servers
    }

    /// Where one is.
    pub fn address(&self, host: usize) -> SocketAddr {
        self.0[host].address
    }

    /// All are there, and well.
    pub fn well(&self) {
        self.0.iter().for_each(|host| host.is(well()));
    }

    /// What chance might leave out: nobody is there for customers whose mail may wait until so many letters have ended, and
    /// who comes back refuses what waited, until twice as many have.
    fn away_and_back(&self, hosts: &[usize], letters: usize, stage: &Stage) {
        let until = |letters: usize, least: Duration| {
            let began = Instant::now();
            while !stage.over.load(Ordering::SeqCst)
                && (began.elapsed() < least || stage.finished.load(Ordering::SeqCst) < letters)
            {
                thread::sleep(Duration::from_millis(5));
            }
        };
        hosts.iter().for_each(|host| self.0[*host].cut());
        until(letters, Duration::from_secs(1));
        let refuses = || well().times(usize::MAX, "<dot>", say("554 5.7.1 Not this"));
        hosts.iter().for_each(|host| self.0[*host].is(refuses()));
        until(2 * letters, Duration::from_secs(3));
        hosts.iter().for_each(|host| self.0[*host].is(well()));
    }

    /// Brings faults over them until it is over.
    pub fn trouble(&self, chance: &mut Chance, stage: &Stage) {
        self.away_and_back(&[3, 4], 60, stage);
        let mut away = [Instant::now(); 5];
        while !stage.over.load(Ordering::SeqCst) {
            let at = usize::try_from(chance.below(5)).expect("an index");
            let (host, now) = (&self.0[at], Instant::now());
            match chance.below(10) {
                _ if away[at] > now => {}
                0..3 => host.is(well()),
                3..8 => host.is(ill(chance)),
                _ => {
                    host.cut();
                    away[at] = now + chance.micros(2_000_000);
                }
            }
            chance.pause(60);
        }
    }

    /// What all of them took.
    pub fn copies(&self) -> Vec<Copy> {
        let mut copies = Vec::new();
        for host in &self.0 {
            // Who is connected is let go, and nothing more is noted.
            host.cut();
            thread::sleep(Duration::from_millis(100));
            for memory in host.memories.lock().expect("a lock").iter() {
                let sessions = memory.lock().expect("a lock");
                for mail in sessions
                    .values()
                    .flat_map(|session| &session.mails)
                    .filter(|mail| mail.taken)
                {
                    let attempt = field(&mail.content(), "X-Attempt").and_then(|number| number.parse().ok());
                    copies.extend(mail.to.iter().map(|to| Copy {
                        attempt: attempt.expect("our mail"),
                        to: recipient(to),
                        at: mail.at.expect("it ended"),
                        unheard: mail.unheard,
                        followed: mail.followed,
                    }));
                }
            }
        }
        copies
    }

    /// How often one was cut off.
    pub fn cuts(&self) -> usize {
        self.0.iter().map(|host| host.cuts.load(Ordering::SeqCst)).sum()
    }
}

/// The address of a line of RCPT.
fn recipient(line: &str) -> String {
    let address = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    address.expect("an address").0.to_owned()
}
