//! A name server on loopback that answers from the text of a zone, over UDP and TCP, and has the troubles that it is told
//! to have.
//!
//! It counts what it is asked, by name and type. What does not fit into 512 octets is answered over TCP. Dropping it ends it.
#![allow(clippy::disallowed_types, reason = "a name server has sockets")]
#![allow(clippy::disallowed_methods, reason = "an answer that comes late needs a clock")]

mod late;
mod octets;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use late::Late;
use octets::{Code, Question};

use crate::zone::{BadZone, CNAMES_MAX, Data, Name, Zone, key};

/// How often a thread looks whether the server is over.
const LOOK: Duration = Duration::from_millis(20);
/// How long a connection may be idle.
const IDLE: Duration = Duration::from_secs(10);
/// What a UDP answer may hold.
const UDP_MAX: usize = 512;

/// What is wrong with an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// SERVFAIL.
    ServFail,
    /// REFUSED.
    Refused,
    /// There is none.
    Silent,
    /// It comes late.
    Late(Duration),
    /// Over UDP it says that it is truncated, and holds nothing.
    Truncated,
    /// It has another question's id.
    WrongId,
    /// It is no DNS.
    Garbage,
}

/// A name server. Dropping it ends it.
pub struct Nameserver {
    /// Where it listens, over UDP and TCP.
    pub address: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    zone: Zone,
    /// The last that names the question holds.
    troubles: Mutex<Vec<(String, Trouble)>>,
    asked: Mutex<BTreeMap<(String, String), usize>>,
    over_tcp: AtomicUsize,
    over: AtomicBool,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Nameserver {
    /// One at any port of loopback.
    pub fn start(zone: &str) -> Result<Nameserver, BadZone> {
        Nameserver::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), zone)
    }

    /// One at this address, where one may have been a moment ago.
    ///
    /// # Panics
    ///
    /// Where the address is not free.
    pub fn start_at(address: SocketAddr, zone: &str) -> Result<Nameserver, BadZone> {
        let zone = Zone::parse(zone)?;
        let (tcp, udp) = (0..100)
            .find_map(|_| {
                let tcp = TcpListener::bind(address).ok()?;
                let udp = UdpSocket::bind(tcp.local_addr().ok()?);
                if udp.is_err() {
                    thread::sleep(LOOK);
                }
                Some((tcp, udp.ok()?))
            })
            .expect("a free address of loopback");
        let address = tcp.local_addr().expect("an address");
        let inner = Arc::new(Inner {
            zone,
            troubles: Mutex::default(),
            asked: Mutex::default(),
            over_tcp: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        });
        udp.set_read_timeout(Some(LOOK)).expect("a time limit");
        tcp.set_nonblocking(true).expect("a listener that does not block");
        let (by_udp, by_tcp) = (Arc::clone(&inner), Arc::clone(&inner));
        thread::spawn(move || by_udp.serve_udp(&udp));
        thread::spawn(move || by_tcp.serve_tcp(&tcp));
        Ok(Nameserver { address, inner })
    }

    /// Adds records.
    pub fn add(&self, zone: &str) -> Result<(), BadZone> {
        self.inner.zone.add(zone)
    }

    /// From now on there is this trouble with a name, with all names below `*.name`, or with all: `*`.
    pub fn trouble(&self, names: &str, trouble: Trouble) {
        lock(&self.inner.troubles).push((key(names), trouble));
    }

    /// From now on there is no trouble.
    pub fn well(&self) {
        lock(&self.inner.troubles).clear();
    }

    /// How many questions there were in all.
    pub fn asked(&self) -> usize {
        lock(&self.inner.asked).values().sum()
    }

    /// How many questions there were for a name and a type: `A`, `TXT`.
    pub fn asked_for(&self, name: &str, kind: &str) -> usize {
        let asked = lock(&self.inner.asked);
        asked.get(&(key(name), kind.to_owned())).copied().unwrap_or(0)
    }

    /// How many of the questions came over TCP.
    pub fn asked_over_tcp(&self) -> usize {
        self.inner.over_tcp.load(Ordering::SeqCst)
    }
}

impl Drop for Nameserver {
    fn drop(&mut self) {
        self.inner.over.store(true, Ordering::SeqCst);
    }
}

/// One answer, and how long it is held back.
struct Reply {
    octets: Vec<u8>,
    after: Duration,
}

impl Inner {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    fn serve_udp(&self, socket: &UdpSocket) {
        let late = Late::over(socket);
        let mut octets = [0; 1_500];
        while !self.is_over() {
            let Ok((length, from)) = socket.recv_from(&mut octets) else {
                continue;
            };
            let asked = octets.get(..length).unwrap_or_default();
            match self.reply(asked, UDP_MAX) {
                Some(Reply { octets, after }) if after.is_zero() => {
                    // Whoever asked may be gone.
                    let _ = socket.send_to(&octets, from);
                }
                Some(Reply { octets, after }) => late.send(octets, from, after),
                None => {}
            }
        }
    }

    fn serve_tcp(self: &Arc<Self>, listener: &TcpListener) {
        while !self.is_over() {
            match listener.accept() {
                Ok((stream, _)) => {
                    let inner = Arc::clone(self);
                    // A client that leaves ends its connection.
                    thread::spawn(move || inner.converse(stream).ok());
                }
                Err(_) => thread::sleep(LOOK / 4),
            }
        }
    }

    fn converse(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(IDLE))?;
        while !self.is_over() {
            let mut length = [0; 2];
            stream.read_exact(&mut length)?;
            let mut question = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut question)?;
            self.over_tcp.fetch_add(1, Ordering::SeqCst);
            let Some(Reply { octets, after }) = self.reply(&question, usize::from(u16::MAX)) else {
                continue;
            };
            thread::sleep(after);
            let length = u16::try_from(octets.len()).unwrap_or(u16::MAX);
            stream.write_all(&[&length.to_be_bytes()[..], &octets].concat())?;
        }
        Ok(())
    }

    fn reply(&self, octets: &[u8], most: usize) -> Option<Reply> {
        let question = Question::read(octets)?;
        *lock(&self.asked)
            .entry((question.name.clone(), question.kind_name()))
            .or_default() += 1;
        let trouble = lock(&self.troubles)
            .iter()
            .rev()
            .find(|(names, _)| includes(names, &question.name))
            .map(|(_, trouble)| *trouble);
        let mut after = Duration::ZERO;
        let octets = match trouble {
            Some(Trouble::Silent) => return None,
            Some(Trouble::ServFail) => question.answer(Code::ServFail, &[]),
            Some(Trouble::Refused) => question.answer(Code::Refused, &[]),
            Some(Trouble::Garbage) => b"\xff\x00 this is no DNS \r\n".repeat(3),
            Some(Trouble::WrongId) => question.other().answer(Code::Well, &[]),
            Some(Trouble::Truncated) if most == UDP_MAX => question.truncated(),
            Some(Trouble::Late(by)) => {
                after = by;
                self.honest(&question)?
            }
            Some(Trouble::Truncated) | None => self.honest(&question)?,
        };
        let octets = if octets.len() > most {
            question.truncated()
        } else {
            octets
        };
        Some(Reply { octets, after })
    }

    /// The answer of the zone.
    fn honest(&self, question: &Question) -> Option<Vec<u8>> {
        let mut name = question.name.clone();
        let mut found: Vec<(String, Duration, Data)> = Vec::new();
        for _ in 0..=CNAMES_MAX {
            let records = match self.zone.named(&name) {
                Some(Name::ServFail) => return Some(question.answer(Code::ServFail, &[])),
                Some(Name::Timeout) => return None,
                Some(Name::Records(records)) => records,
                None if self.zone.has_below(&name) => Vec::new(),
                None => return Some(question.answer(Code::NoSuchName, &found)),
            };
            let alias = records.iter().find_map(|(ttl, data)| match data {
                Data::Cname(alias) => Some((*ttl, alias.clone())),
                _ => None,
            });
            let fits = records.into_iter().filter(|(_, data)| question.wants(data));
            let before = found.len();
            found.extend(fits.map(|(ttl, data)| (name.clone(), ttl, data)));
            let Some((ttl, alias)) = alias.filter(|_| found.len() == before) else {
                break;
            };
            found.push((name, ttl, Data::Cname(alias.clone())));
            name = alias;
        }
        Some(question.answer(Code::Well, &found))
    }
}

fn includes(names: &str, name: &str) -> bool {
    match names.strip_prefix('*') {
        Some("") => true,
        Some(below) => name.ends_with(below),
        None => name == names,
    }
}
