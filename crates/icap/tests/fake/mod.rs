//! An ICAP server that does what a test says.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

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
    /// Where its service is.
    place: String,
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
        let address = listener.local_addr().expect("an address");
        Fake {
            address,
            place: format!("icap://{address}/avscan"),
            task: Mutex::new(listen(listener, &inner)),
            inner,
        }
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
