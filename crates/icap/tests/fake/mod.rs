//! An ICAP server that does what a test says, and the filter beside it with services in memory.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatepost_core::message::Content;
use gatepost_core::{
    Bytes, Client, Context, Direction, Envelope, Fault, Filter, FilterKind, MailParams, Memo, Message, Opinion,
    Options, Path, Visit,
};
use gatepost_icap::Icap;
use gatepost_testkit::Fakes;
use gatepost_testkit::alarms::Alarm;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What c-icap says of its service `echo`.
pub const OPTIONS: &str = "ICAP/1.0 200 OK\r\nMethods: RESPMOD, REQMOD\r\nOptions-TTL: 3600\r\nAllow: 204\r\n\r\n";
pub const CLEAN: &[u8] = b"ICAP/1.0 204 Unmodified\r\n\r\n";

/// What it does with a mail.
#[derive(Clone, Copy, Debug)]
pub enum Does {
    /// Reads all of it, says this and closes.
    Says(&'static [u8]),
    /// The same, octet by octet.
    Dribbles(&'static [u8]),
    /// Reads the head, says this and closes.
    AtOnce(&'static [u8]),
    /// Reads all of it and sends it back as it is, or with this octet in the place of its last one.
    Echoes(Option<u8>),
    /// Says of what has the word `worm` in it that this is a worm, and of all else that it is clean.
    Looks,
    /// Says of any preview that it is clean.
    Trusts,
    /// Never says anything, and answers small talk.
    Hangs,
    /// Never says anything to anybody.
    HangsDeaf,
}

struct Inner {
    does: Mutex<Does>,
    options: Mutex<String>,
    mails: AtomicUsize,
    talks: AtomicUsize,
    open: AtomicUsize,
    most: AtomicUsize,
    last: Mutex<(String, Vec<u8>)>,
}

/// The fake. It listens until it is dropped or leaves.
pub struct Fake {
    inner: Arc<Inner>,
    address: SocketAddr,
    task: Mutex<JoinHandle<()>>,
}

impl Fake {
    pub async fn start(does: Does) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let inner = Arc::new(Inner {
            does: Mutex::new(does),
            options: Mutex::new(OPTIONS.into()),
            mails: AtomicUsize::new(0),
            talks: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            last: Mutex::default(),
        });
        Fake {
            address: listener.local_addr().expect("an address"),
            task: Mutex::new(listen(listener, &inner)),
            inner,
        }
    }

    /// Where its service is.
    pub fn place(&self) -> String {
        format!("icap://{}/avscan", self.address)
    }

    /// Nobody listens any more.
    pub async fn leave(&self) {
        let task = {
            let mut task = self.task.lock().expect("a lock");
            std::mem::replace(&mut *task, tokio::spawn(async {}))
        };
        task.abort();
        let _ = task.await;
    }

    /// It listens again.
    pub async fn come(&self) {
        let listener = TcpListener::bind(self.address).await.expect("its port");
        *self.task.lock().expect("a lock") = listen(listener, &self.inner);
    }

    pub fn now(&self, does: Does) {
        *self.inner.does.lock().expect("a lock") = does;
    }

    /// What it says of itself.
    pub fn options(&self, words: &str) {
        *self.inner.options.lock().expect("a lock") = words.into();
    }

    /// How many streams were brought to it.
    pub fn mails(&self) -> usize {
        self.inner.mails.load(Ordering::SeqCst)
    }

    /// How often it was asked what it can do.
    pub fn talks(&self) -> usize {
        self.inner.talks.load(Ordering::SeqCst)
    }

    pub fn most_at_once(&self) -> usize {
        self.inner.most.load(Ordering::SeqCst)
    }

    /// The last stream that it had to its end, and the head before it.
    pub fn last(&self) -> (String, Vec<u8>) {
        self.inner.last.lock().expect("a lock").clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.lock().expect("a lock").abort();
    }
}

fn listen(listener: TcpListener, inner: &Arc<Inner>) -> JoinHandle<()> {
    let inner = Arc::clone(inner);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let inner = Arc::clone(&inner);
            // The other side may leave at any time: that is what many tests are about.
            tokio::spawn(async move {
                let mut stream = BufStream::new(stream);
                let _ = converse(&mut stream, &inner).await;
                let _ = stream.flush().await;
            });
        }
    })
}

type Wire = BufStream<TcpStream>;

async fn line(from: &mut Wire) -> io::Result<String> {
    let mut line = String::new();
    match from.read_line(&mut line).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line),
    }
}

/// Up to the empty line.
async fn head(from: &mut Wire) -> io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push_str(&line(from).await?);
    }
    Ok(head)
}

/// Adds chunks up to the end of them; whether that was said to be all.
async fn body(from: &mut Wire, octets: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        let size = line(from).await?;
        let (digits, more) = size.trim_end().split_once(';').unwrap_or((size.trim_end(), ""));
        let length = usize::from_str_radix(digits, 16).expect("a length");
        let at = octets.len();
        octets.resize(at + length, 0);
        from.read_exact(&mut octets[at..]).await?;
        assert_eq!(line(from).await?, "\r\n");
        if length == 0 {
            return Ok(more.trim() == "ieof");
        }
    }
}

async fn converse(stream: &mut Wire, inner: &Inner) -> io::Result<()> {
    let does = *inner.does.lock().expect("a lock");
    let icap = head(stream).await?;
    if matches!(does, Does::HangsDeaf) {
        return std::future::pending().await;
    }
    if icap.starts_with("OPTIONS ") {
        inner.talks.fetch_add(1, Ordering::SeqCst);
        let options = inner.options.lock().expect("a lock").clone();
        return stream.write_all(options.as_bytes()).await;
    }
    inner.mails.fetch_add(1, Ordering::SeqCst);
    let open = inner.open.fetch_add(1, Ordering::SeqCst) + 1;
    inner.most.fetch_max(open, Ordering::SeqCst);
    let done = scan(stream, inner, does, icap).await;
    inner.open.fetch_sub(1, Ordering::SeqCst);
    done
}

async fn scan(stream: &mut Wire, inner: &Inner, does: Does, icap: String) -> io::Result<()> {
    // The heads within, as many as there are.
    for _ in 0..icap.matches("-hdr=").count() {
        head(stream).await?;
    }
    if let Does::AtOnce(answer) = does {
        return stream.write_all(answer).await;
    }
    let mut octets = Vec::new();
    let all = body(stream, &mut octets).await?;
    if icap.contains("Preview:") && !all {
        if matches!(does, Does::Trusts) {
            return stream.write_all(CLEAN).await;
        }
        stream.write_all(b"ICAP/1.0 100 Continue\r\n\r\n").await?;
        stream.flush().await?;
        body(stream, &mut octets).await?;
    }
    *inner.last.lock().expect("a lock") = (icap, octets.clone());
    match does {
        Does::Says(answer) => stream.write_all(answer).await,
        Does::Dribbles(answer) => {
            for octet in answer {
                stream.write_all(&[*octet]).await?;
                stream.flush().await?;
                tokio::task::yield_now().await;
            }
            Ok(())
        }
        Does::Echoes(last) => {
            if let (Some(octet), Some(place)) = (last, octets.last_mut()) {
                *place = octet;
            }
            let http = "HTTP/1.1 200 OK\r\nVia: ICAP/1.0 here\r\n\r\n";
            let icap = format!(
                "ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body={}\r\n\r\n{http}{:x}\r\n",
                http.len(),
                octets.len()
            );
            stream.write_all(icap.as_bytes()).await?;
            stream.write_all(&octets).await?;
            stream.write_all(b"\r\n0\r\n\r\n").await
        }
        Does::Looks if octets.windows(4).any(|word| word == b"worm") => {
            let found = b"ICAP/1.0 200 OK\r\nX-Infection-Found: Type=0; Resolution=2; Threat=Worm;\r\n\r\n";
            stream.write_all(found).await
        }
        Does::Looks | Does::Trusts => stream.write_all(CLEAN).await,
        Does::AtOnce(_) | Does::Hangs | Does::HangsDeaf => std::future::pending().await,
    }
}

/// Services in memory, and what an operator was told.
pub struct House(Fakes);

impl House {
    pub fn new() -> House {
        House(Fakes::new())
    }

    /// The filter before these servers, with more options.
    pub fn filter(&self, fakes: &[&Fake], more: &str) -> Asked {
        let mut table: serde_json::Map<_, _> = serde_json::from_str(more).expect("a table");
        let servers: Vec<_> = fakes.iter().map(|fake| fake.place()).collect();
        table.entry("servers").or_insert_with(|| servers.into());
        let config = Options::new(table).read().expect("options");
        Asked {
            filter: Icap::build(config, &self.0.services()).expect("a filter"),
            fakes: self.0.clone(),
        }
    }

    pub fn forward(&self, time: Duration) {
        self.0.clock.forward(time);
    }

    pub fn raised(&self, kind: &str, about: &str) -> bool {
        let is = |alarm: &Alarm| matches!(alarm, Alarm::Raised(what, whom, _) if *what == kind && *whom == about);
        self.0.alarms.book.all().iter().any(is)
    }

    /// Whether that was the last word about it.
    pub fn over(&self, kind: &str, about: &str) -> bool {
        let all = self.0.alarms.book.all();
        let last = all.iter().rev().find(|alarm| match alarm {
            Alarm::Raised(what, whom, _) | Alarm::Over(what, whom) => *what == kind && *whom == about,
        });
        matches!(last, Some(Alarm::Over(..)))
    }

    /// Forgets what was told so far.
    pub fn forget(&self) {
        self.0.alarms.book.take();
    }
}

/// A filter that is asked about mails.
pub struct Asked {
    filter: Icap,
    fakes: Fakes,
}

/// A mail of so many octets of text.
pub fn mail(size: usize) -> Vec<u8> {
    let head = b"From: Ann <ann@b.example>\r\n\r\n";
    [&head[..], &vec![b'x'; size]].concat()
}

/// A body that lies elsewhere, of this length or so it says.
#[derive(Debug)]
struct Spooled(Bytes, u64);

impl Content for Spooled {
    fn len(&self) -> u64 {
        self.1
    }
    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(at, out)
    }
}

impl Asked {
    /// A mail with files in base64, one of each of these texts.
    pub async fn files(&self, encoded: &[&str]) -> Result<Opinion, Fault> {
        let part = |text: &&str| {
            format!("--b\r\nContent-Type: application/x; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\n{text}\r\n")
        };
        let parts: String = encoded.iter().map(part).collect();
        let head = "From: Ann <ann@b.example>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n";
        self.ask(Message::from_bytes(format!("{head}{parts}--b--\r\n"))).await
    }

    pub async fn message(&self, size: usize) -> Result<Opinion, Fault> {
        self.ask(Message::from_bytes(mail(size))).await
    }

    /// One that does not lie in memory.
    pub async fn spooled(&self, size: usize) -> Result<Opinion, Fault> {
        self.elsewhere(size, size).await
    }

    /// One whose file was cut.
    pub async fn cut(&self, size: usize) -> Result<Opinion, Fault> {
        self.elsewhere(size - 1, size).await
    }

    async fn elsewhere(&self, size: usize, says: usize) -> Result<Opinion, Fault> {
        let whole = mail(size);
        let (head, body) = whole.split_at(whole.len() - size);
        let body = Spooled(Bytes::copy_from_slice(body), says as u64);
        self.ask(Message::new(Bytes::copy_from_slice(head), Arc::new(body)))
            .await
    }

    async fn ask(&self, message: Message) -> Result<Opinion, Fault> {
        let message = Arc::new(message);
        let client = Client::new("192.0.2.1".parse().expect("an address"), 25_000);
        let visit = Visit::new(Direction::Inbound, "mx".into(), client);
        let memo = Memo::new(self.fakes.names.clone());
        let envelope = Envelope::new(Path::Null, MailParams::default());
        let now = gatepost_core::Clock::now(&*self.fakes.clock);
        let cx = Context::new(now, &visit, &memo)
            .with_envelope(&envelope)
            .with_message(&message);
        self.filter.message(&cx, &message).await
    }
}
