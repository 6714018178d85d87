//! A mail server that does what a script says, and remembers every octet.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustls::ServerConfig;

use super::wire::Wire;
use super::{PATIENCE, eventually, unstuffed};

/// What it does at one point.
#[derive(Clone, Debug)]
pub enum Act {
    /// Sends these octets.
    Say(Vec<u8>),
    /// Sends these octets and closes.
    Last(Vec<u8>),
    /// Closes.
    Close,
    /// Says nothing until the other side ends.
    Silence,
    /// Waits, and then does it.
    After(Duration, Box<Act>),
}

/// Sends this line.
pub fn say(line: &str) -> Act {
    Act::Say(format!("{line}\r\n").into_bytes())
}

impl Act {
    /// Sends this line, later.
    pub fn later(millis: u64, line: &str) -> Act {
        Act::After(Duration::from_millis(millis), Box::new(say(line)))
    }
}

/// How it behaves. Points are the beginnings of command lines, and `<connect>`, `<body>` (a line of content has come)
/// and `<dot>`; the first rule that fits holds, and where none does all is granted.
#[derive(Clone, Default)]
pub struct Script {
    keywords: Vec<String>,
    rules: Vec<Rule>,
    tls: Option<Arc<ServerConfig>>,
    proxied: bool,
}

#[derive(Clone)]
struct Rule {
    at: String,
    times: Arc<AtomicUsize>,
    act: Act,
}

impl Script {
    /// A server that grants everything and offers what most do.
    pub fn new() -> Script {
        Script::default().offering(&[
            "PIPELINING",
            "SIZE 50000000",
            "8BITMIME",
            "SMTPUTF8",
            "DSN",
            "ENHANCEDSTATUSCODES",
        ])
    }

    /// Offers these, and nothing else.
    pub fn offering(mut self, keywords: &[&str]) -> Script {
        self.keywords = keywords.iter().map(ToString::to_string).collect();
        self
    }

    /// Offers this too.
    pub fn and(mut self, keyword: &str) -> Script {
        self.keywords.push(keyword.into());
        self
    }

    /// Does this at a point, each time.
    pub fn on(self, at: &str, act: Act) -> Script {
        self.times(usize::MAX, at, act)
    }

    /// Does this at a point, the first so many times.
    pub fn times(mut self, times: usize, at: &str, act: Act) -> Script {
        self.rules.push(Rule {
            at: at.into(),
            times: Arc::new(AtomicUsize::new(times)),
            act,
        });
        self
    }

    /// Offers STARTTLS and can do it.
    pub fn secured(mut self, tls: Arc<ServerConfig>) -> Script {
        self.tls = Some(tls);
        self.and("STARTTLS")
    }

    /// Wants a PROXY header of version 2 first.
    pub fn proxied(mut self) -> Script {
        self.proxied = true;
        self
    }

    fn act(&self, point: &str) -> Act {
        let fits = |rule: &&Rule| {
            point
                .get(..rule.at.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(&rule.at))
                && rule
                    .times
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                    .is_ok()
        };
        match self.rules.iter().find(fits) {
            Some(rule) => rule.act.clone(),
            None => self.granted(point),
        }
    }

    fn granted(&self, point: &str) -> Act {
        let verb = point.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "<CONNECT>" | "XCLIENT" => say("220 upstream.example ESMTP"),
            "<BODY>" => Act::Say(Vec::new()),
            "EHLO" => {
                let lines: Vec<_> = [&["upstream.example".into()], &*self.keywords].concat();
                let (last, others) = lines.split_last().expect("a name");
                let others: String = others.iter().map(|line| format!("250-{line}\r\n")).collect();
                say(&format!("{others}250 {last}"))
            }
            "MAIL" => say("250 2.1.0 Sender ok"),
            "RCPT" => say("250 2.1.5 Recipient ok"),
            "DATA" => say("354 Go on"),
            "<DOT>" => say("250 2.0.0 Taken"),
            "STARTTLS" if self.tls.is_some() => say("220 2.0.0 Ready"),
            "HELO" | "RSET" | "NOOP" | "XFORWARD" => say("250 2.0.0 Ok"),
            "QUIT" => Act::Last(b"221 2.0.0 Bye\r\n".to_vec()),
            _ => say("500 5.5.2 What?"),
        }
    }
}

/// A message that came, complete or not.
#[derive(Clone, Debug, Default)]
pub struct Mail {
    /// The line of MAIL behind the verb, and so with the recipients.
    pub from: String,
    pub to: Vec<String>,
    /// As it came over the wire, without its end.
    pub wire: Vec<u8>,
    /// Whether its end came.
    pub complete: bool,
    /// Whether it was answered with 250.
    pub taken: bool,
    /// When its end had come and the answer was about to be sent.
    pub at: Option<Instant>,
    /// The answer could not be sent as a whole: nobody heard it.
    pub unheard: bool,
    /// Another command came behind the answer, so somebody did.
    pub followed: bool,
    /// Whether it came under TLS.
    pub secure: bool,
}

impl Mail {
    /// What the message says, its stuffed dots taken out.
    pub fn content(&self) -> Vec<u8> {
        unstuffed(&self.wire)
    }

    /// The header field of this name, unfolded.
    pub fn field(&self, name: &str) -> Option<String> {
        field(&self.content(), name)
    }
}

/// The first header field of this name, unfolded.
pub fn field(content: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(content).replace("\r\n", "\n");
    let head = text.split("\n\n").next()?.replace("\n\t", " ").replace("\n ", " ");
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// One connection.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// Every octet that came, those under TLS decrypted.
    pub heard: Vec<u8>,
    /// Command lines without their end.
    pub commands: Vec<String>,
    pub mails: Vec<Mail>,
    /// The PROXY header.
    pub header: Vec<u8>,
    pub ended: bool,
}

impl Session {
    /// Whether it was more than a question for what is offered.
    pub fn is_about_mail(&self) -> bool {
        self.commands
            .iter()
            .any(|command| command.starts_with("MAIL") || command.starts_with("AUTH"))
    }

    pub fn has(&self, beginning: &str) -> bool {
        self.commands.iter().any(|command| command.starts_with(beginning))
    }
}

/// What a server remembers of its connections, by their number.
#[allow(dead_code, reason = "the ledger has servers that come and go")]
pub type Memory = Arc<Mutex<BTreeMap<usize, Session>>>;

/// A running server. Dropping it closes everything.
pub struct Upstream {
    pub address: SocketAddr,
    script: Arc<Mutex<Script>>,
    sessions: Arc<Mutex<BTreeMap<usize, Session>>>,
    sockets: Arc<Mutex<BTreeMap<usize, TcpStream>>>,
    stop: Arc<AtomicBool>,
}

impl Upstream {
    pub fn start(script: Script) -> Upstream {
        Upstream::at("127.0.0.1:0".parse().expect("an address"), script)
    }

    /// At an address where another one was.
    pub fn at(address: SocketAddr, script: Script) -> Upstream {
        let listener = TcpListener::bind(address).expect("a port of loopback");
        let upstream = Upstream {
            address: listener.local_addr().expect("an address"),
            script: Arc::new(Mutex::new(script)),
            sessions: Arc::default(),
            sockets: Arc::default(),
            stop: Arc::default(),
        };
        let (script, sessions) = (Arc::clone(&upstream.script), Arc::clone(&upstream.sessions));
        let (sockets, stop) = (Arc::clone(&upstream.sockets), Arc::clone(&upstream.stop));
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let second = stream.try_clone().expect("a second handle");
                sockets.lock().expect("a lock").insert(number, second);
                let (sessions, sockets) = (Arc::clone(&sessions), Arc::clone(&sockets));
                sessions.lock().expect("a lock").insert(number, Session::default());
                let script = script.lock().expect("a lock").clone();
                thread::spawn(move || {
                    let mut serving = Serving {
                        wire: Wire::new(stream, PATIENCE),
                        script,
                        number,
                        sessions,
                        secure: false,
                    };
                    // A connection that breaks is what many stories are about.
                    let _ = serving.run();
                    serving.wire.close();
                    serving.note(|session| session.ended = true);
                    // A story may have more connections than a process may have files.
                    sockets.lock().expect("a lock").remove(&number);
                });
            }
        });
        upstream
    }

    /// From the next connection on it behaves like this.
    pub fn now(&self, script: Script) {
        *self.script.lock().expect("a lock") = script;
    }

    /// What it remembers, to be read when it is gone.
    #[allow(dead_code, reason = "the ledger has servers that come and go")]
    pub fn memory(&self) -> Memory {
        Arc::clone(&self.sessions)
    }

    /// All connections in order.
    pub fn sessions(&self) -> Vec<Session> {
        self.sessions.lock().expect("a lock").values().cloned().collect()
    }

    /// The connections that were about mail.
    pub fn visits(&self) -> Vec<Session> {
        self.sessions().into_iter().filter(Session::is_about_mail).collect()
    }

    /// What was delivered: complete, and answered with 250, whoever heard that.
    pub fn taken(&self) -> Vec<Mail> {
        self.sessions()
            .into_iter()
            .flat_map(|session| session.mails)
            .filter(|mail| mail.taken)
            .collect()
    }

    /// Messages whose end came, whatever the answer was.
    pub fn complete(&self) -> Vec<Mail> {
        self.sessions()
            .into_iter()
            .flat_map(|session| session.mails)
            .filter(|mail| mail.complete)
            .collect()
    }

    /// Waits until nobody is connected, so that what was recorded is all there will be.
    #[track_caller]
    pub fn quiet(&self) -> Vec<Session> {
        eventually("the end of the connections to the mail server", || {
            let sessions = self.sessions();
            sessions.iter().all(|session| session.ended).then_some(sessions)
        })
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for socket in self.sockets.lock().expect("a lock").values() {
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
        // The listener sees that it is to stop, and closes.
        let _ = TcpStream::connect(self.address);
    }
}

struct Serving {
    wire: Wire,
    script: Script,
    number: usize,
    sessions: Arc<Mutex<BTreeMap<usize, Session>>>,
    secure: bool,
}

impl Serving {
    fn note(&self, note: impl FnOnce(&mut Session)) {
        note(self.sessions.lock().expect("a lock").entry(self.number).or_default());
    }

    fn line(&mut self) -> io::Result<Vec<u8>> {
        let line = self.wire.line()?;
        if line.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.note(|session| session.heard.extend_from_slice(&line));
        Ok(line)
    }

    /// Does it, and says with which code it answered.
    fn act(&mut self, act: Act) -> io::Result<Option<u16>> {
        match act {
            Act::Say(octets) => {
                self.wire.write(&octets)?;
                Ok(code(&octets))
            }
            Act::Last(octets) => {
                self.wire.write(&octets)?;
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            Act::Close => Err(io::ErrorKind::ConnectionAborted.into()),
            Act::Silence => {
                while self.wire.fill()? {}
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Act::After(time, act) => {
                thread::sleep(time);
                self.act(*act)
            }
        }
    }

    fn run(&mut self) -> io::Result<()> {
        if self.script.proxied {
            let mut header = self.wire.take(16)?;
            let more = header
                .get(14..16)
                .map_or(0, |length| usize::from(u16::from_be_bytes([length[0], length[1]])));
            header.extend(self.wire.take(more)?);
            self.note(|session| session.header = header);
        }
        self.act(self.script.act("<connect>"))?;
        // How many recipients of the open transaction are granted.
        let mut open: Option<u32> = None;
        loop {
            let line = self.line()?;
            let command = String::from_utf8_lossy(line.strip_suffix(b"\r\n").unwrap_or(&line)).into_owned();
            self.note(|session| {
                session.commands.push(command.clone());
                if let Some(mail) = session.mails.last_mut().filter(|mail| mail.complete) {
                    mail.followed = true;
                }
            });
            let verb = command.get(..4).unwrap_or_default().to_ascii_uppercase();
            let out_of_place = match verb.as_str() {
                "RCPT" => open.is_none(),
                "DATA" => open.is_none_or(|granted| granted == 0),
                _ => false,
            };
            let act = if out_of_place {
                say("503 5.5.1 Not now")
            } else {
                self.script.act(&command)
            };
            let code = self.act(act)?;
            match (verb.as_str(), code) {
                ("MAIL", Some(250)) => {
                    let mail = Mail {
                        from: command,
                        secure: self.secure,
                        ..Mail::default()
                    };
                    self.note(|session| session.mails.push(mail));
                    open = Some(0);
                }
                ("RCPT", Some(250)) => {
                    self.note(|session| session.mails.last_mut().expect("MAIL before RCPT").to.push(command));
                    open = open.map(|granted| granted + 1);
                }
                ("DATA", Some(354)) => {
                    self.content()?;
                    open = None;
                }
                ("RSET" | "EHLO" | "HELO", Some(250)) => open = None,
                ("STAR", Some(220)) => {
                    if let Some(tls) = self.script.tls.clone() {
                        self.wire.accept(tls)?;
                        self.secure = true;
                    }
                }
                _ => {}
            }
        }
    }

    /// The content, by the strictest reading: it ends at CR LF . CR LF and nowhere else.
    fn content(&mut self) -> io::Result<()> {
        let mut after_crlf = true;
        let mut acted = false;
        loop {
            let line = self.line()?;
            if after_crlf && line == b".\r\n" {
                break;
            }
            after_crlf = line.ends_with(b"\r\n");
            self.note(|session| {
                session
                    .mails
                    .last_mut()
                    .expect("MAIL before DATA")
                    .wire
                    .extend_from_slice(&line)
            });
            if !std::mem::replace(&mut acted, true) {
                self.act(self.script.act("<body>"))?;
            }
        }
        self.note(|session| {
            let mail = session.mails.last_mut().expect("MAIL before DATA");
            (mail.complete, mail.at) = (true, Some(Instant::now()));
        });
        let act = self.script.act("<dot>");
        // Taken is what it means to answer, whether or not anybody hears it.
        if promised(&act) == Some(250) {
            self.note(|session| session.mails.last_mut().expect("MAIL before DATA").taken = true);
        }
        let acted = self.act(act);
        if acted.is_err() {
            self.note(|session| session.mails.last_mut().expect("MAIL before DATA").unheard = true);
        }
        acted.map(|_| ())
    }
}

fn promised(act: &Act) -> Option<u16> {
    match act {
        Act::Say(octets) | Act::Last(octets) => code(octets),
        Act::After(_, act) => promised(act),
        Act::Close | Act::Silence => None,
    }
}

fn code(octets: &[u8]) -> Option<u16> {
    str::from_utf8(octets.get(..3)?).ok()?.parse().ok()
}

/// How many messages the laxest of servers would see in what a client sent: one for which CR, LF and CR LF all end a
/// line, which drops NUL, and for which a dot alone on a line is the end.
pub fn messages_seen_laxly(heard: &[u8]) -> usize {
    let text: Vec<u8> = heard.iter().copied().filter(|byte| *byte != 0).collect();
    let text = String::from_utf8_lossy(&text).replace("\r\n", "\n").replace('\r', "\n");
    let (mut within, mut count) = (false, 0);
    for line in text.split('\n') {
        if within && line == "." {
            (within, count) = (false, count + 1);
        } else if !within && line.eq_ignore_ascii_case("DATA") {
            within = true;
        }
    }
    count
}
