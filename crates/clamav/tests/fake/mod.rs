//! A clamd that does what a test says.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

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

impl AsRef<str> for Fake {
    fn as_ref(&self) -> &str {
        &self.place
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
