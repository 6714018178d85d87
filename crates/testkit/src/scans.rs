//! A filter that has mail scanned, before services in memory, and mails of all kinds for it.

use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use gatepost_core::message::Content;
use gatepost_core::{
    Bytes, Client, Clock, Context, Direction, Envelope, Fault, FilterKind, MailParams, Memo, Message, Opinion, Options,
    Path, Visit,
};

use crate::alarms::Alarm;
use crate::fakes::Fakes;

/// Services in memory, and what an operator was told.
pub struct House<F> {
    fakes: Fakes,
    kind: PhantomData<fn() -> F>,
}

impl<F: FilterKind> House<F> {
    /// An empty one.
    #[expect(clippy::new_without_default, reason = "a house is built, not assumed")]
    pub fn new() -> House<F> {
        House {
            fakes: Fakes::new(),
            kind: PhantomData,
        }
    }

    /// The filter before these servers, with more options.
    pub fn filter<S: AsRef<str>>(&self, servers: &[S], more: &str) -> Asked<F> {
        let mut table: serde_json::Map<_, _> = serde_json::from_str(more).expect("a table");
        let servers: Vec<&str> = servers.iter().map(AsRef::as_ref).collect();
        table.entry("servers").or_insert_with(|| servers.into());
        let config = Options::new(table).read().expect("options");
        Asked {
            filter: F::build(config, &self.fakes.services()).expect("a filter"),
            fakes: self.fakes.clone(),
        }
    }

    /// Time passes.
    pub fn forward(&self, time: Duration) {
        self.fakes.clock.forward(time);
    }

    fn told(&self) -> Vec<Alarm> {
        self.fakes.alarms.book.all()
    }

    /// Whether such an alarm was raised.
    pub fn raised(&self, kind: &str, about: impl AsRef<str>) -> bool {
        let about = about.as_ref();
        let is = |alarm: &Alarm| matches!(alarm, Alarm::Raised(what, whom, _) if *what == kind && *whom == about);
        self.told().iter().any(is)
    }

    /// How often such an alarm was raised, about whomever.
    pub fn told_of(&self, kind: &str) -> usize {
        let is = |alarm: &&Alarm| matches!(alarm, Alarm::Raised(what, ..) if *what == kind);
        self.told().iter().filter(is).count()
    }

    /// Whether the last word about it was that it is over.
    pub fn over(&self, kind: &str, about: impl AsRef<str>) -> bool {
        let about = about.as_ref();
        let all = self.told();
        let last = all.iter().rev().find(|alarm| match alarm {
            Alarm::Raised(what, whom, _) | Alarm::Over(what, whom) => *what == kind && *whom == about,
        });
        matches!(last, Some(Alarm::Over(..)))
    }

    /// Forgets what was told so far.
    pub fn forget(&self) {
        self.fakes.alarms.book.take();
    }
}

/// A filter that is asked about mails.
pub struct Asked<F> {
    filter: F,
    fakes: Fakes,
}

/// A mail of so many octets of text.
pub fn mail(size: usize) -> Vec<u8> {
    let head = b"From: Ann <ann@b.example>\r\n\r\n";
    [&head[..], &vec![b'x'; size]].concat()
}

/// The tags of the findings, or the fault in words.
pub fn words(said: &Result<Opinion, Fault>) -> String {
    match said {
        Ok(opinion) if opinion.is_none() => "clean".into(),
        Ok(opinion) => opinion
            .findings()
            .iter()
            .map(|finding| finding.tag.to_string())
            .collect(),
        Err(fault) => fault.to_string(),
    }
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

impl<F: FilterKind> Asked<F> {
    /// A mail with files, one of each of these texts, with more fields before each.
    pub async fn files(&self, fields: &str, files: &[&str]) -> Result<Opinion, Fault> {
        let part = |text: &&str| format!("--b\r\nContent-Type: application/x; name=a\r\n{fields}\r\n{text}\r\n");
        let parts: String = files.iter().map(part).collect();
        let head = "From: Ann <ann@b.example>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n";
        self.ask(Message::from_bytes(format!("{head}{parts}--b--\r\n"))).await
    }

    /// A mail in memory.
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
        let cx = Context::new(self.fakes.clock.now(), &visit, &memo)
            .with_envelope(&envelope)
            .with_message(&message);
        self.filter.message(&cx, &message).await
    }
}
