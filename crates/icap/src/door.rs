//! The sockets: a server is connected to, sent what a request says, and heard.
//!
//! What it says is heard while the mail is being sent, so a find in its first octets ends the exchange there; and what comes
//! back is held against the mail as it comes. **Absent on purpose:** deadlines, which are the caller's, who drops what takes
//! too long.
#![allow(
    clippy::disallowed_types,
    reason = "this filter is one of those that speak to another program"
)]

use std::io::{self, IoSlice};

use gatepost_core::{Compute, Fault};
use gatepost_scanner::Stream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::answer::{Answer, HEAD_MAX, Reader, Step};
use crate::head::Head;
use crate::place::Place;
use crate::request::{CHUNK, CHUNK_END, END, IEOF, Method, Sort, chunk_head, head, options};

/// Octets that are read at once.
const ROOM: usize = 16 * 1024;

/// Why there is no answer at all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Loss {
    /// Nobody listens there.
    Nobody(String),
    /// The mail itself could not be read, which is no server's fault.
    Ours(Fault),
}

/// What is asked of a service: how, and with so many octets of preview.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asked {
    /// How it is asked.
    pub method: Method,
    /// How many octets of a longer stream are sent before it says that it wants more; none where all is sent at once.
    pub preview: Option<usize>,
}

/// A connection that is made and not used yet.
pub struct Door(TcpStream);

impl Door {
    /// Connects.
    pub async fn open(place: &Place) -> Result<Door, Loss> {
        let stream = TcpStream::connect(place.address)
            .await
            .map_err(|error| Loss::Nobody(error.to_string()))?;
        let _ = stream.set_nodelay(true);
        Ok(Door(stream))
    }

    /// Has a stream scanned.
    pub async fn scan(self, place: &Place, asked: Asked, what: &Stream, compute: &Compute) -> Result<Answer, Loss> {
        exchange(self.0, place, asked, what, compute).await
    }

    /// Asks a service what it can do; nothing where what it says is no answer.
    pub async fn options(mut self, place: &Place) -> Option<Head> {
        self.0.write_all(options(place).as_bytes()).await.ok()?;
        let (mut heard, mut room) = (Vec::new(), [0; 1_024]);
        while heard.len() < HEAD_MAX && !heard.windows(4).any(|end| end == b"\r\n\r\n") {
            match self.0.read(&mut room).await {
                Ok(0) | Err(_) => return None,
                Ok(n) => heard.extend(room.iter().take(n)),
            }
        }
        Head::read(&heard, "ICAP/")
    }
}

/// Why a stream was not sent to its end.
enum Unsent {
    /// The server takes no more: it may have said why.
    Closed,
    /// The mail could not be read.
    Ours(Fault),
}

impl From<io::Error> for Unsent {
    fn from(_: io::Error) -> Unsent {
        Unsent::Closed
    }
}

async fn exchange(
    wire: impl AsyncRead + AsyncWrite,
    place: &Place,
    asked: Asked,
    what: &Stream,
    compute: &Compute,
) -> Result<Answer, Loss> {
    let (mut from, mut to) = split(wire);
    let wanted = Notify::new();
    let sending = send(&mut to, place, asked, what, compute, &wanted);
    tokio::pin!(sending);
    let mut reader = Reader::new(what.len());
    let (mut sends, mut room, mut back) = (true, vec![0; ROOM], 0_u64);
    loop {
        let n = tokio::select! {
            // That all was sent is known before the answer to it is read.
            biased;
            done = &mut sending, if sends => {
                sends = false;
                match done {
                    Ok(()) => reader.sent(),
                    Err(Unsent::Closed) => {}
                    Err(Unsent::Ours(fault)) => return Err(Loss::Ours(fault)),
                }
                continue;
            }
            read = from.read(&mut room) => match read {
                Ok(0) | Err(_) => return Ok(reader.ended()),
                Ok(n) => n,
            }
        };
        reader.hear(room.get(..n).unwrap_or_default());
        loop {
            match reader.step() {
                Step::More => break,
                Step::Continue => wanted.notify_one(),
                Step::Body(octets) => {
                    let at = back;
                    back = back.saturating_add(octets.len() as u64);
                    if !holds(what, at, octets, compute).await? {
                        reader.differs();
                    }
                }
                Step::Done(answer) => return Ok(answer),
            }
        }
    }
}

/// Whether these are the stream's octets from `at` on.
async fn holds(what: &Stream, at: u64, octets: Vec<u8>, compute: &Compute) -> Result<bool, Loss> {
    if let Some(same) = what.holds(at, &octets) {
        return Ok(same);
    }
    let held = what.clone();
    let read = compute.run(move |_| Ok(held.octets(at, octets.len())? == octets));
    let same: io::Result<bool> = read.await.map_err(Loss::Ours)?;
    same.map_err(|error| Loss::Ours(Fault::Broken(error.to_string())))
}

/// Sends the request, the stream and its end; behind a preview only what the server says that it wants.
async fn send(
    to: &mut (impl AsyncWrite + Unpin),
    place: &Place,
    asked: Asked,
    what: &Stream,
    compute: &Compute,
    wanted: &Notify,
) -> Result<(), Unsent> {
    let head = head(place, asked.method, Sort::of(what), what.len(), asked.preview);
    to.write_all(head.as_bytes()).await?;
    let mut at = 0;
    if let Some(preview) = asked.preview {
        let preview = preview as u64;
        body(to, what, 0, preview, compute).await?;
        if what.len() <= preview {
            to.write_all(IEOF).await?;
            to.flush().await?;
            return Ok(());
        }
        to.write_all(END).await?;
        to.flush().await?;
        wanted.notified().await;
        at = preview;
    }
    body(to, what, at, u64::MAX, compute).await?;
    to.write_all(END).await?;
    to.flush().await?;
    Ok(())
}

/// Sends octets of the stream from one place to another in chunks: straight from where they lie, where that is in memory.
async fn body(
    to: &mut (impl AsyncWrite + Unpin),
    what: &Stream,
    from: u64,
    end: u64,
    compute: &Compute,
) -> Result<(), Unsent> {
    let end = end.min(what.len());
    if let Some(pieces) = what.in_memory() {
        let mut begin = 0_u64;
        for piece in pieces {
            // Where the stretch begins and ends within this piece.
            let cut = |place: u64| {
                usize::try_from(place.saturating_sub(begin))
                    .unwrap_or(usize::MAX)
                    .min(piece.len())
            };
            chunks(to, piece.get(cut(from)..cut(end)).unwrap_or_default()).await?;
            begin = begin.saturating_add(piece.len() as u64);
        }
        return Ok(());
    }
    let mut at = from;
    while at < end {
        let held = what.clone();
        let read = compute.run(move |_| held.window(at)).await.map_err(Unsent::Ours)?;
        let window = read.map_err(|error| Unsent::Ours(Fault::Broken(error.to_string())))?;
        let left = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
        let window = window.get(..left).unwrap_or(&window);
        at = at.saturating_add(window.len() as u64);
        chunks(to, window).await?;
    }
    Ok(())
}

async fn chunks(to: &mut (impl AsyncWrite + Unpin), octets: &[u8]) -> Result<(), Unsent> {
    for chunk in octets.chunks(CHUNK) {
        let head = chunk_head(chunk.len());
        all(
            to,
            &mut [
                IoSlice::new(head.as_bytes()),
                IoSlice::new(chunk),
                IoSlice::new(CHUNK_END),
            ],
        )
        .await?;
    }
    Ok(())
}

/// Writes all of some slices, as many at once as the socket takes.
async fn all(to: &mut (impl AsyncWrite + Unpin), mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    while !slices.is_empty() {
        match to.write_vectored(slices).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n => IoSlice::advance_slices(&mut slices, n),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::answer::Why;
    use gatepost_core::null::NoThreads;
    use gatepost_core::{Bytes, Message};

    fn mail(length: usize) -> Stream {
        let mail = [&b"Subject: hi\r\n\r\n"[..], &vec![b'x'; length]].concat();
        Stream::Mail(Arc::new(Message::from_bytes(mail)))
    }

    const ALL: Asked = Asked {
        method: Method::Respmod,
        preview: None,
    };

    /// What a server with these answers says, and what it was sent; it gives each answer once it has heard its mark.
    async fn scan(what: &Stream, asked: Asked, says: &[(&[u8], Vec<u8>)]) -> (Result<Answer, Loss>, Vec<u8>) {
        let (ours, mut theirs) = tokio::io::duplex(4_096);
        let server = async move {
            let (mut heard, mut room) = (Vec::new(), [0; 1_000]);
            for (mark, answer) in says {
                let begin = heard.len();
                while !heard[begin..].ends_with(mark) {
                    match theirs.read(&mut room).await.expect("a pipe") {
                        0 => return heard,
                        n => heard.extend_from_slice(&room[..n]),
                    }
                }
                let _ = theirs.write_all(answer).await;
            }
            heard
        };
        let place = Place::parse("icap://127.0.0.1/x").expect("a place");
        let compute = Compute::new(Arc::new(NoThreads));
        tokio::join!(exchange(ours, &place, asked, what, &compute), server)
    }

    /// The octets within the chunks behind the heads, and how often they ended.
    fn unframed(heard: &[u8]) -> (Vec<u8>, usize) {
        let heads = heard.windows(4).enumerate().filter(|(_, end)| *end == b"\r\n\r\n");
        let mut rest = &heard[heads.map(|(at, _)| at + 4).nth(2).expect("three heads")..];
        let (mut octets, mut ends) = (Vec::new(), 0);
        while !rest.is_empty() {
            let end = rest.windows(2).position(|end| end == b"\r\n").expect("a line");
            let line = std::str::from_utf8(&rest[..end]).expect("a length");
            let length = usize::from_str_radix(line.trim_end_matches("; ieof"), 16).expect("a length");
            octets.extend_from_slice(&rest[end + 2..end + 2 + length]);
            ends += usize::from(length == 0);
            assert_eq!(&rest[end + 2 + length..end + 4 + length], b"\r\n");
            rest = &rest[end + 4 + length..];
        }
        (octets, ends)
    }

    fn whole(what: &Stream) -> Vec<u8> {
        what.in_memory().expect("memory").concat()
    }

    const CLEAN: &[u8] = b"ICAP/1.0 204 x\r\n\r\n";

    #[tokio::test]
    async fn the_mail_arrives_as_it_is_and_the_answer_comes_back() {
        for length in [0, 1, CHUNK - 15, CHUNK, 3 * CHUNK + 7] {
            let what = mail(length);
            let (answer, heard) = scan(&what, ALL, &[(END, CLEAN.to_vec())]).await;
            assert_eq!(answer, Ok(Answer::Clean), "{length}");
            assert_eq!(unframed(&heard), (whole(&what), 1));
        }
    }

    #[tokio::test]
    async fn a_preview_goes_first_and_the_rest_where_it_is_wanted() {
        let asked = Asked {
            preview: Some(10),
            ..ALL
        };
        let more = b"ICAP/1.0 100 Continue\r\n\r\n".to_vec();
        let what = mail(2 * CHUNK);
        let (answer, heard) = scan(&what, asked, &[(END, more), (END, CLEAN.to_vec())]).await;
        assert_eq!((answer, unframed(&heard)), (Ok(Answer::Clean), (whole(&what), 2)));
        // Whoever wants no more has not looked at it.
        let (answer, heard) = scan(&what, asked, &[(END, CLEAN.to_vec())]).await;
        assert_eq!((answer, unframed(&heard).0.len()), (Ok(Answer::Early), 10));
        let small = Stream::Part(Bytes::from_static(b"0123456789"));
        let (answer, heard) = scan(&small, asked, &[(IEOF, CLEAN.to_vec())]).await;
        assert_eq!(
            (answer, unframed(&heard).0),
            (Ok(Answer::Clean), b"0123456789".to_vec())
        );
    }

    #[tokio::test]
    async fn what_comes_back_unchanged_is_clean_and_nothing_else_is() {
        let what = mail(CHUNK);
        let echo = |octets: &[u8]| {
            let head = format!(
                "ICAP/1.0 200 OK\r\nEncapsulated: res-body=0\r\n\r\n{:x}\r\n",
                octets.len()
            );
            [head.as_bytes(), octets, b"\r\n0\r\n\r\n"].concat()
        };
        let same = whole(&what);
        let (answer, _) = scan(&what, ALL, &[(END, echo(&same))]).await;
        assert_eq!(answer, Ok(Answer::Clean));
        let mut other = same;
        if let Some(last) = other.last_mut() {
            *last ^= 1;
        }
        let (answer, _) = scan(&what, ALL, &[(END, echo(&other))]).await;
        assert_eq!(answer, Ok(Answer::Found("Modified".into())));
    }

    #[tokio::test]
    async fn a_find_in_the_first_octets_ends_the_exchange() {
        let found = b"ICAP/1.0 200 OK\r\nX-Virus-ID: Worm\r\n\r\n".to_vec();
        let (answer, heard) = scan(&mail(3 * CHUNK), ALL, &[(b"", found)]).await;
        assert_eq!(answer, Ok(Answer::Found("Worm".into())));
        assert!(heard.len() < CHUNK);
    }

    #[tokio::test]
    async fn what_was_said_before_an_early_close_is_heard() {
        let what = mail(3 * CHUNK);
        for (said, answer) in [
            (&b"ICAP/1.0 413 Too much\r\n\r\n"[..], Answer::TooLarge),
            (b"ICAP/1.0 204 x\r\n\r\n", Answer::Early),
            (b"ICAP/1.0 204 x\r\n", Answer::Unscanned(Why::Closed)),
            (b"", Answer::Unscanned(Why::Closed)),
        ] {
            assert_eq!(
                scan(&what, ALL, &[(b"", said.to_vec())]).await.0,
                Ok(answer),
                "{said:?}"
            );
        }
    }
}
