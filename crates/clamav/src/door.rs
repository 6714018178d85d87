//! The sockets: a clamd is connected to, sent what a session says, and heard.
//!
//! What it says is heard while the mail is being sent, so a find in its first octets ends the session there; and where it
//! closes early, what it said before is read all the same. **Absent on purpose:** deadlines, which are the caller's, who
//! drops what takes too long.
#![allow(
    clippy::disallowed_types,
    reason = "this filter is the one that speaks to another program"
)]

use std::io::{self, IoSlice};

use gatepost_core::{Compute, Fault};
use gatepost_scanner::Stream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::{TcpStream, UnixStream};

use crate::place::Place;
use crate::session::{ANSWER_MAX, Answer, END, INSTREAM, Session, announced, chunks};

/// Why there is no answer at all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Loss {
    /// Nobody listens there.
    Nobody(String),
    /// Somebody does, and has too many connections to take in already.
    Busy,
    /// The mail itself could not be read, which is no clamd's fault.
    Ours(Fault),
}

/// What both kinds of socket can do.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

async fn connect(place: &Place) -> Result<Box<dyn Wire>, Loss> {
    let connected: io::Result<Box<dyn Wire>> = match place {
        Place::Unix(path) => UnixStream::connect(path)
            .await
            .map(|stream| Box::new(stream) as Box<dyn Wire>),
        Place::Tcp(address) => TcpStream::connect(address).await.map(|stream| {
            let _ = stream.set_nodelay(true);
            Box::new(stream) as Box<dyn Wire>
        }),
    };
    connected.map_err(|error| match error.kind() {
        // Linux: the queue of connections that clamd has not taken in yet is full.
        io::ErrorKind::WouldBlock => Loss::Busy,
        _ => Loss::Nobody(error.to_string()),
    })
}

/// A connection that is made and not used yet.
pub struct Door(Box<dyn Wire>);

impl Door {
    /// Connects.
    pub async fn open(place: &Place) -> Result<Door, Loss> {
        connect(place).await.map(Door)
    }

    /// Has a stream scanned.
    pub async fn scan(self, what: &Stream, compute: &Compute) -> Result<Answer, Loss> {
        exchange(self.0, what, compute).await
    }

    /// Gives a command that has one answer, and returns that with its end; nothing where the connection ends before.
    pub async fn ask(mut self, command: &[u8]) -> Vec<u8> {
        match self.0.write_all(command).await {
            Ok(()) => line(&mut self.0).await,
            Err(_) => Vec::new(),
        }
    }

    /// Whether clamd would take a stream of so many octets: announces a first chunk of that length and ends there.
    /// clamd looks at its StreamMaxLength before it waits for the octets, so that none need be sent. Whoever says anything
    /// but that it is too much is believed to take it.
    pub async fn takes(mut self, length: u64) -> bool {
        let announced = [INSTREAM, &announced(length)].concat();
        if self.0.write_all(&announced).await.is_err() || self.0.shutdown().await.is_err() {
            return true;
        }
        let said = line(&mut self.0).await;
        Session::new().hear(&said) != Some(Answer::TooLarge)
    }
}

/// What comes up to the first end of a line, or of the connection.
async fn line(from: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut said = Vec::new();
    let mut room = [0; 256];
    while said.len() < ANSWER_MAX && !said.iter().any(|octet| matches!(octet, 0 | b'\n')) {
        match from.read(&mut room).await {
            Ok(0) | Err(_) => break,
            Ok(n) => said.extend(room.iter().take(n)),
        }
    }
    said
}

/// Why a stream was not sent to its end.
enum Unsent {
    /// clamd takes no more: it may have said why.
    Closed,
    /// The mail could not be read.
    Ours(Fault),
}

impl From<io::Error> for Unsent {
    fn from(_: io::Error) -> Unsent {
        Unsent::Closed
    }
}

async fn exchange(wire: impl AsyncRead + AsyncWrite, what: &Stream, compute: &Compute) -> Result<Answer, Loss> {
    let (mut from, mut to) = split(wire);
    let mut session = Session::new();
    let sending = send(&mut to, what, compute);
    tokio::pin!(sending);
    let (mut sends, mut room) = (true, [0; ANSWER_MAX]);
    loop {
        tokio::select! {
            // That all was sent is known before the answer to it is read.
            biased;
            done = &mut sending, if sends => {
                sends = false;
                match done {
                    Ok(()) => session.sent(),
                    Err(Unsent::Closed) => {}
                    Err(Unsent::Ours(fault)) => return Err(Loss::Ours(fault)),
                }
            }
            read = from.read(&mut room) => match read {
                Ok(0) | Err(_) => return Ok(session.ended()),
                Ok(n) => {
                    if let Some(answer) = session.hear(room.get(..n).unwrap_or_default()) {
                        return Ok(answer);
                    }
                }
            }
        }
    }
}

/// Sends the command, the stream and its end, straight from where the octets lie. An ordinary mail is one write.
async fn send(to: &mut (impl AsyncWrite + Unpin), what: &Stream, compute: &Compute) -> Result<(), Unsent> {
    if let Some([head, body]) = what.in_memory() {
        let framed: Vec<_> = chunks(head).chain(chunks(body)).collect();
        put(to, INSTREAM, &framed, &END).await?;
    } else {
        put(to, INSTREAM, &[], &[]).await?;
        let mut at = 0;
        while at < what.len() {
            let held = what.clone();
            let read = compute.run(move |_| held.window(at)).await.map_err(Unsent::Ours)?;
            let window = read.map_err(|error| Unsent::Ours(Fault::Broken(error.to_string())))?;
            at = at.saturating_add(window.len() as u64);
            let framed: Vec<_> = chunks(&window).collect();
            put(to, &[], &framed, &[]).await?;
        }
        put(to, &[], &[], &END).await?;
    }
    to.flush().await?;
    Ok(())
}

/// Writes chunks with what goes before and behind them, as many slices at once as the socket takes.
async fn put(
    to: &mut (impl AsyncWrite + Unpin),
    before: &[u8],
    framed: &[([u8; 4], &[u8])],
    behind: &[u8],
) -> Result<(), Unsent> {
    let chunks = framed.iter().flat_map(|(header, chunk)| [&header[..], chunk]);
    let all = std::iter::once(before).chain(chunks).chain([behind]);
    let mut slices: Vec<_> = all.filter(|slice| !slice.is_empty()).map(IoSlice::new).collect();
    let mut slices = slices.as_mut_slice();
    while !slices.is_empty() {
        match to.write_vectored(slices).await? {
            0 => return Err(Unsent::Closed),
            n => IoSlice::advance_slices(&mut slices, n),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::session::{CHUNK, Why};
    use gatepost_core::null::NoThreads;
    use gatepost_core::{Bytes, Message};

    fn compute() -> Compute {
        Compute::new(Arc::new(NoThreads))
    }

    fn mail(length: usize) -> Stream {
        let mail = [&b"Subject: hi\r\n\r\n"[..], &vec![b'x'; length]].concat();
        Stream::Mail(Arc::new(Message::from_bytes(mail)))
    }

    /// What a clamd with this answer says, and the stream that it was sent, of which it reads so much at most.
    async fn scan(what: &Stream, answer: &[u8], reads: usize) -> (Result<Answer, Loss>, Vec<u8>) {
        let (ours, mut theirs) = tokio::io::duplex(4_096);
        let server = async move {
            let (mut heard, mut room) = (Vec::new(), [0; 1_000]);
            while heard.len() < reads && !heard.ends_with(&END) {
                match theirs.read(&mut room).await.expect("a pipe") {
                    0 => break,
                    n => heard.extend_from_slice(&room[..n]),
                }
            }
            let _ = theirs.write_all(answer).await;
            heard
        };
        let compute = compute();
        tokio::join!(exchange(ours, what, &compute), server)
    }

    /// The octets within the chunks.
    fn unframed(heard: &[u8]) -> Vec<u8> {
        let mut rest = heard.strip_prefix(INSTREAM).expect("the command");
        let mut octets = Vec::new();
        loop {
            let (header, after) = rest.split_first_chunk::<4>().expect("a length");
            let length = u32::from_be_bytes(*header) as usize;
            if length == 0 {
                assert!(after.is_empty(), "nothing follows the end");
                return octets;
            }
            octets.extend_from_slice(&after[..length]);
            rest = &after[length..];
        }
    }

    #[tokio::test]
    async fn the_mail_arrives_as_it_is_and_the_answer_comes_back() {
        for length in [0, 1, CHUNK - 15, CHUNK, 3 * CHUNK + 7] {
            let what = mail(length);
            let (answer, heard) = scan(&what, b"stream: OK\0", usize::MAX).await;
            assert_eq!(answer, Ok(Answer::Clean), "{length}");
            assert_eq!(unframed(&heard).len() as u64, what.len());
        }
    }

    #[tokio::test]
    async fn a_find_in_the_first_octets_ends_the_session() {
        let (answer, heard) = scan(&mail(3 * CHUNK), b"stream: Worm FOUND\0", 100).await;
        assert_eq!(answer, Ok(Answer::Found("Worm".into())));
        assert!(heard.len() < CHUNK);
    }

    #[tokio::test]
    async fn what_was_said_before_an_early_close_is_heard() {
        let what = mail(3 * CHUNK);
        let too_large = b"INSTREAM size limit exceeded. ERROR\0";
        assert_eq!(scan(&what, too_large, 100).await.0, Ok(Answer::TooLarge));
        for (said, reads) in [
            (&b""[..], 0),
            (b"", 100),
            (b"stream: O", 100),
            (b"stream: OK", usize::MAX),
        ] {
            let (answer, _) = scan(&what, said, reads).await;
            assert_eq!(answer, Ok(Answer::Unscanned(Why::Closed)), "{said:?}");
        }
        let (early, _) = scan(&what, b"stream: OK\0", 100).await;
        assert_eq!(early, Ok(Answer::Unscanned(Why::Early)));
    }

    #[tokio::test]
    async fn a_part_is_a_stream_of_its_own() {
        let what = Stream::Part(Bytes::from_static(b"octets"));
        let (answer, heard) = scan(&what, b"stream: OK\n", usize::MAX).await;
        assert_eq!((answer, unframed(&heard)), (Ok(Answer::Clean), b"octets".to_vec()));
    }

    #[tokio::test]
    async fn where_nobody_listens_nobody_is_found() {
        let place = Place::parse("/nonexistent/clamd.ctl").expect("a place");
        assert!(matches!(Door::open(&place).await, Err(Loss::Nobody(_))));
    }
}
