//! The mail server: it takes mail, writes it down before it says 250, and dies when it is told to.
//!
//! It lives in the test's own process. To the proxy its death is what that of a process is: all connections end at once,
//! some within a reply, and nobody listens any more. But here, and only here, writing down and saying 250 are one step
//! that no kill can divide. Of a process that was killed between the two nobody could tell whether the 250 was sent,
//! and so nobody could hold against the proxy what it made of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::books::Grant;
use crate::chance::Chance;
use crate::house::upstream::field;
use crate::house::wire::Wire;
use crate::house::{PATIENCE, eventually, free_address, unstuffed};
use crate::phase::Phase;
use crate::plan::{Mail, Point, Word, word};
use crate::stage::Stage;

const KEYWORDS: &str =
    "250-upstream.example\r\n250-PIPELINING\r\n250-SIZE 50000000\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES";

/// From a start to a kill.
#[derive(Default)]
struct Life {
    /// Read by whoever says something, written by the kill.
    over: RwLock<bool>,
    /// The connections by number, and whether each owes a reply.
    lines: Mutex<BTreeMap<usize, (TcpStream, Arc<AtomicBool>)>>,
}

/// How a mail server may be ill.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Illness {
    #[default]
    None,
    /// It takes connections and says nothing.
    Mute,
    /// It says what is no reply.
    Babble,
}

/// The mail server.
pub struct Receiver {
    pub address: SocketAddr,
    life: Mutex<Arc<Life>>,
    listening: Mutex<Option<JoinHandle<()>>>,
    /// Mails that were put off once.
    put_off: Mutex<BTreeSet<(Point, u32)>>,
    illness: Mutex<Illness>,
    /// How many connections are served.
    serving: AtomicUsize,
}

impl Receiver {
    /// One that does not run yet.
    pub fn new() -> Receiver {
        Receiver {
            address: free_address(),
            life: Mutex::default(),
            listening: Mutex::default(),
            put_off: Mutex::default(),
            illness: Mutex::default(),
            serving: AtomicUsize::new(0),
        }
    }

    /// Begins to serve.
    pub fn serve(&self, stage: &Arc<Stage>) {
        let listener = eventually("the mail server's address", || TcpListener::bind(self.address).ok());
        let life = Arc::new(Life::default());
        *self.life.lock().expect("a lock") = Arc::clone(&life);
        let stage = Arc::clone(stage);
        let listening = thread::spawn(move || {
            for (number, line) in listener.incoming().enumerate() {
                let over = life.over.read().expect("a lock");
                if *over {
                    return;
                }
                let Ok(line) = line else { continue };
                let owes = Arc::new(AtomicBool::new(true));
                let other = line.try_clone().expect("a second handle");
                life.lines
                    .lock()
                    .expect("a lock")
                    .insert(number, (other, Arc::clone(&owes)));
                let serving = Serving {
                    wire: Wire::new(line, PATIENCE),
                    life: Arc::clone(&life),
                    number,
                    chance: Chance::new(stage.seed, 1_000_000 + number as u64),
                    stage: Arc::clone(&stage),
                    owes,
                };
                stage.receiver.serving.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || serving.run());
            }
        });
        *self.listening.lock().expect("a lock") = Some(listening);
    }

    /// Is gone, with all its connections; some of them end within a reply. The moment is known to the 250: those before it
    /// were said, and none is said later.
    pub fn kill(&self) -> Instant {
        let Some(listening) = self.listening.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return Instant::now();
        };
        let life = Arc::clone(&self.life.lock().unwrap_or_else(PoisonError::into_inner));
        let mut over = life.over.write().unwrap_or_else(PoisonError::into_inner);
        *over = true;
        let moment = Instant::now();
        let lines = std::mem::take(&mut *life.lines.lock().unwrap_or_else(PoisonError::into_inner));
        for (number, (mut line, owes)) in lines {
            if number % 3 == 0 && owes.load(Ordering::SeqCst) {
                let _ = line.write_all(b"250 2.0.0 Ta");
            }
            let _ = line.shutdown(Shutdown::Both);
        }
        drop(over);
        // It sees that it is over, and closes.
        let _ = TcpStream::connect(self.address);
        let _ = listening.join();
        moment
    }

    /// Whether nobody is connected, so that what is written down is all there will be.
    pub fn is_quiet(&self) -> bool {
        self.serving.load(Ordering::SeqCst) == 0
    }

    /// Is ill, or well, from the next reply on.
    pub fn is(&self, illness: Illness) {
        *self.illness.lock().expect("a lock") = illness;
    }

    fn illness(&self) -> Illness {
        *self.illness.lock().expect("a lock")
    }

    /// What it says to a recipient of a mail at this point, if it is not yes.
    fn refuses(&self, address: &str, point: Point) -> Option<&'static str> {
        match word(address) {
            (Word::Never(at), _) if at == point => Some("550 5.7.1 Not for you"),
            (Word::Later(at), mail) if at == point => {
                let first = self.put_off.lock().expect("a lock").insert((point, mail));
                first.then_some("451 4.2.0 Not now")
            }
            _ => None,
        }
    }
}

/// One connection.
struct Serving {
    number: usize,
    stage: Arc<Stage>,
    life: Arc<Life>,
    wire: Wire,
    owes: Arc<AtomicBool>,
    chance: Chance,
}

fn gone() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

impl Serving {
    fn run(mut self) {
        // A connection that breaks is what this is about.
        let _ = self.serve();
        self.wire.close();
        self.life.lines.lock().expect("a lock").remove(&self.number);
        self.stage.receiver.serving.fetch_sub(1, Ordering::SeqCst);
    }

    /// Says a line, if it lives; `first` is done with it in one step.
    fn say(&mut self, line: &str, first: impl FnOnce(&Stage)) -> io::Result<()> {
        let life = Arc::clone(&self.life);
        let over = life.over.read().expect("a lock");
        if *over {
            return Err(gone());
        }
        let line = match self.stage.receiver.illness() {
            Illness::None => {
                first(&self.stage);
                line
            }
            Illness::Mute => {
                drop(over);
                while self.wire.fill()? {}
                return Err(gone());
            }
            Illness::Babble => "\u{7}2!0 perhaps",
        };
        self.owes.store(false, Ordering::SeqCst);
        self.wire.write(format!("{line}\r\n").as_bytes())
    }

    fn answer(&mut self, line: &str) -> io::Result<()> {
        self.say(line, |_| {})
    }

    fn line(&mut self) -> io::Result<Vec<u8>> {
        let line = self.wire.line()?;
        self.owes.store(true, Ordering::SeqCst);
        if line.is_empty() { Err(gone()) } else { Ok(line) }
    }

    fn linger(&mut self, phase: Phase) {
        self.stage.linger(phase, &mut self.chance);
    }

    fn serve(&mut self) -> io::Result<()> {
        self.linger(Phase::Envelope);
        self.answer("220 upstream.example ESMTP")?;
        let mut granted: Vec<String> = Vec::new();
        loop {
            let line = self.line()?;
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            match line.get(..4).unwrap_or_default() {
                "EHLO" => self.answer(KEYWORDS)?,
                "MAIL" => {
                    granted.clear();
                    self.answer("250 2.1.0 Sender ok")?;
                }
                "RCPT" => {
                    self.linger(Phase::Envelope);
                    let address = line.split(['<', '>']).nth(1).unwrap_or_default();
                    let refusal = self.stage.receiver.refuses(address, Point::Rcpt);
                    self.answer(refusal.unwrap_or("250 2.1.5 Recipient ok"))?;
                    if refusal.is_none() {
                        granted.push(address.to_owned());
                    }
                }
                "DATA" => {
                    let to = std::mem::take(&mut granted);
                    self.data(&to)?;
                }
                "RSET" | "NOOP" => {
                    granted.clear();
                    self.answer("250 2.0.0 Ok")?;
                }
                "QUIT" => return self.answer("221 2.0.0 Bye"),
                _ => self.answer("500 5.5.2 What?")?,
            }
        }
    }

    fn refusal(&self, to: &[String], point: Point) -> Option<&'static str> {
        to.iter()
            .find_map(|address| self.stage.receiver.refuses(address, point))
    }

    fn data(&mut self, to: &[String]) -> io::Result<()> {
        self.linger(Phase::Judging);
        if to.is_empty() {
            return self.answer("503 5.5.1 Not now");
        }
        if let Some(refusal) = self.refusal(to, Point::Data) {
            return self.answer(refusal);
        }
        self.answer("354 Go on")?;
        let mut content = Vec::new();
        // By the strictest reading: the end is CR LF . CR LF and nothing else.
        let mut after_crlf = true;
        loop {
            let line = self.line()?;
            if after_crlf && line == b".\r\n" {
                break;
            }
            after_crlf = line.ends_with(b"\r\n");
            content.extend_from_slice(&line);
        }
        let content = unstuffed(&content);
        let number = |name: &str| field(&content, name)?.parse::<u32>().ok();
        let (attempt, mail) = (number("X-Attempt").unwrap_or(0), number("X-Mail").unwrap_or(0));
        self.stage.books.mark(attempt, |mark| mark.dot = Some(Instant::now()));
        self.linger(Phase::Taking);
        if let Some(refusal) = self.refusal(to, Point::Dot) {
            return self.answer(refusal);
        }
        let whole = content.ends_with(&Mail::new(self.stage.seed, mail).content(attempt));
        let strike = self.stage.claim(&mut self.chance);
        let said = self.say("250 2.0.0 Taken", |stage| {
            let grant = Grant {
                at: Instant::now(),
                to: to.to_vec(),
                whole,
            };
            stage.books.mark(attempt, |mark| mark.granted.push(grant));
        });
        if let Some(strike) = strike {
            self.stage.strike(strike, &mut self.chance);
        }
        said
    }
}
