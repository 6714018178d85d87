//! A clamd that does what a test says, and the filter beside it with services in memory.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatepost_clamav::Clamav;
use gatepost_core::message::Content;
use gatepost_core::{
    Bytes, Client, Context, Direction, Envelope, Fault, Filter, FilterKind, MailParams, Memo, Message, Opinion,
    Options, Path, Visit,
};
use gatepost_testkit::Fakes;
use gatepost_testkit::alarms::Alarm;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;

/// What it does with a mail.
#[derive(Clone, Copy, Debug)]
pub enum Does {
    /// Reads all of it, says this and closes.
    Says(&'static [u8]),
    /// The same, later.
    After(Duration, &'static [u8]),
    /// The same, octet by octet.
    Dribbles(&'static [u8]),
    /// Reads the command, says this and closes.
    AtOnce(&'static [u8]),
    /// Reads all of it; of what begins as a mail it says this, of what has the word `worm` in it that this is a worm, and of
    /// all else that it is clean.
    Looks(&'static [u8]),
    /// Never says anything, and answers small talk.
    Hangs,
    /// Never says anything to anybody.
    HangsDeaf,
}

struct Inner {
    does: Mutex<Does>,
    version: Mutex<String>,
    limit: AtomicU64,
    mails: AtomicUsize,
    talks: AtomicUsize,
    open: AtomicUsize,
    most: AtomicUsize,
    last: Mutex<Vec<u8>>,
}

/// The fake. It listens until it is dropped or leaves.
pub struct Fake {
    inner: Arc<Inner>,
    place: String,
    path: PathBuf,
    task: Mutex<JoinHandle<()>>,
    _folder: TempDir,
}

impl Fake {
    fn inner(does: Does) -> Arc<Inner> {
        Arc::new(Inner {
            does: Mutex::new(does),
            version: Mutex::new("ClamAV 1.4.6".into()),
            limit: AtomicU64::new(u64::MAX),
            mails: AtomicUsize::new(0),
            talks: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            last: Mutex::default(),
        })
    }

    pub fn start(does: Does) -> Fake {
        let folder = tempfile::Builder::new()
            .prefix("gatepost-clamd-")
            .tempdir()
            .expect("a folder");
        let (inner, path) = (Fake::inner(does), folder.path().join("clamd.ctl"));
        Fake {
            task: Mutex::new(listen(&path, &inner)),
            place: path.display().to_string(),
            inner,
            path,
            _folder: folder,
        }
    }

    pub async fn start_tcp(does: Does) -> Fake {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = Fake::inner(does);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let place = format!("tcp://{}", listener.local_addr().expect("an address"));
        let served = Arc::clone(&inner);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let inner = Arc::clone(&served);
                tokio::spawn(async move { serve(stream, inner).await });
            }
        });
        Fake {
            inner,
            place,
            path: PathBuf::new(),
            task: Mutex::new(task),
            _folder: folder,
        }
    }

    /// Nobody listens any more.
    pub fn leave(&self) {
        self.task.lock().expect("a lock").abort();
        std::fs::remove_file(&self.path).expect("a socket");
    }

    /// It listens again.
    pub fn come(&self) {
        *self.task.lock().expect("a lock") = listen(&self.path, &self.inner);
    }

    pub fn now(&self, does: Does) {
        *self.inner.does.lock().expect("a lock") = does;
    }

    pub fn version(&self, words: &str) {
        *self.inner.version.lock().expect("a lock") = words.into();
    }

    /// Its StreamMaxLength.
    pub fn limits(&self, octets: u64) {
        self.inner.limit.store(octets, Ordering::SeqCst);
    }

    /// How many mails were brought to it.
    pub fn mails(&self) -> usize {
        self.inner.mails.load(Ordering::SeqCst)
    }

    /// How often it was asked anything else.
    pub fn talks(&self) -> usize {
        self.inner.talks.load(Ordering::SeqCst)
    }

    pub fn most_at_once(&self) -> usize {
        self.inner.most.load(Ordering::SeqCst)
    }

    /// The last mail that it had to its end.
    pub fn last(&self) -> Vec<u8> {
        self.inner.last.lock().expect("a lock").clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.lock().expect("a lock").abort();
    }
}

fn listen(path: &std::path::Path, inner: &Arc<Inner>) -> JoinHandle<()> {
    let listener = UnixListener::bind(path).expect("a socket");
    let inner = Arc::clone(inner);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let inner = Arc::clone(&inner);
            tokio::spawn(async move { serve(stream, inner).await });
        }
    })
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, inner: Arc<Inner>) {
    // The other side may leave at any time: that is what many tests are about.
    let _ = converse(&mut stream, &inner).await;
}

async fn converse(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), inner: &Inner) -> io::Result<()> {
    let does = *inner.does.lock().expect("a lock");
    let mut command = Vec::new();
    while command.last() != Some(&0) {
        command.push(stream.read_u8().await?);
    }
    if matches!(does, Does::HangsDeaf) {
        return std::future::pending().await;
    }
    if command != b"zINSTREAM\0" {
        inner.talks.fetch_add(1, Ordering::SeqCst);
    }
    match &*command {
        b"zPING\0" => return stream.write_all(b"PONG\0").await,
        b"zVERSION\0" => {
            let version = inner.version.lock().expect("a lock").clone();
            return stream.write_all(format!("{version}\0").as_bytes()).await;
        }
        _ => {}
    }
    let length = stream.read_u32().await?;
    if u64::from(length) > inner.limit.load(Ordering::SeqCst) {
        return stream.write_all(b"INSTREAM size limit exceeded. ERROR\0").await;
    }
    let mut first = vec![0; length as usize];
    if stream.read_exact(&mut first).await.is_err() {
        inner.talks.fetch_add(1, Ordering::SeqCst);
        return Ok(());
    }
    inner.mails.fetch_add(1, Ordering::SeqCst);
    let open = inner.open.fetch_add(1, Ordering::SeqCst) + 1;
    inner.most.fetch_max(open, Ordering::SeqCst);
    let done = scan(stream, inner, does, first).await;
    inner.open.fetch_sub(1, Ordering::SeqCst);
    done
}

async fn scan(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    inner: &Inner,
    does: Does,
    mut mail: Vec<u8>,
) -> io::Result<()> {
    if let Does::AtOnce(answer) = does {
        return stream.write_all(answer).await;
    }
    loop {
        let length = stream.read_u32().await? as usize;
        if length == 0 {
            break;
        }
        let at = mail.len();
        mail.resize(at + length, 0);
        stream.read_exact(&mut mail[at..]).await?;
    }
    let is_worm = mail.windows(4).any(|word| word == b"worm");
    let is_mail = mail.starts_with(b"From: ");
    *inner.last.lock().expect("a lock") = mail;
    match does {
        Does::Looks(answer) => {
            let answer = match (is_mail, is_worm) {
                (true, _) => answer,
                (false, true) => b"stream: Worm FOUND\0",
                (false, false) => b"stream: OK\0",
            };
            stream.write_all(answer).await
        }
        Does::Says(answer) => stream.write_all(answer).await,
        Does::After(time, answer) => {
            tokio::time::sleep(time).await;
            stream.write_all(answer).await
        }
        Does::Dribbles(answer) => {
            for octet in answer {
                stream.write_all(&[*octet]).await?;
                tokio::task::yield_now().await;
            }
            Ok(())
        }
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
        let servers: Vec<_> = fakes.iter().map(|fake| fake.place.as_str()).collect();
        table.entry("servers").or_insert_with(|| servers.into());
        let config = Options::new(table).read().expect("options");
        Asked {
            filter: Clamav::build(config, &self.0.services()).expect("a filter"),
            fakes: self.0.clone(),
        }
    }

    pub fn forward(&self, time: Duration) {
        self.0.clock.forward(time);
    }

    fn told(&self) -> Vec<Alarm> {
        self.0.alarms.book.all()
    }

    pub fn raised(&self, kind: &str, about: &Fake) -> bool {
        let is = |alarm: &Alarm| matches!(alarm, Alarm::Raised(what, whom, _) if *what == kind && *whom == about.place);
        self.told().iter().any(is)
    }

    /// How often such an alarm was raised.
    pub fn told_of(&self, kind: &str) -> usize {
        let is = |alarm: &&Alarm| matches!(alarm, Alarm::Raised(what, ..) if *what == kind);
        self.told().iter().filter(is).count()
    }

    /// Whether that was the last word about it.
    pub fn over(&self, kind: &str, about: &Fake) -> bool {
        let all = self.told();
        let last = all.iter().rev().find(|alarm| match alarm {
            Alarm::Raised(what, whom, _) | Alarm::Over(what, whom) => *what == kind && *whom == about.place,
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
    filter: Clamav,
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
    /// A mail with files, one in each of these texts.
    pub async fn files(&self, files: &[&str]) -> Result<Opinion, Fault> {
        let part = |text: &&str| format!("--b\r\nContent-Type: application/x; name=a\r\n\r\n{text}\r\n");
        let parts: String = files.iter().map(part).collect();
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
