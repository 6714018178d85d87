//! What the tests stand on: a filter over fakes, and short words for acts and mail.

use std::net::IpAddr;
use std::sync::Arc;

use gatepost_core::desk::Request;
use gatepost_core::registry::Options;
use gatepost_core::{
    Acting, Change, Client, Clock, Context, Direction, End, Entry, Envelope, Fault, Filter, Level, List, Listed, Login,
    LoginBy, MailParams, Memo, Message, Opinion, Path, RcptParams, Reach, Recipient, RecipientId, RecipientRecord,
    Record, Visit,
};
use gatepost_testkit::Fakes;
use gatepost_whitelist::Whitelist;
use gatepost_whitelist::lists::{Limits, Lists};

pub struct Scene {
    pub fakes: Fakes,
    pub filter: Arc<dyn Filter>,
}

pub fn site() -> Reach {
    Reach::Site
}

pub fn domain(name: &str) -> Reach {
    Reach::Domain(name.into())
}

pub fn person(address: &str) -> Reach {
    Reach::Person(address.into())
}

pub fn strings(all: &[&str]) -> Vec<String> {
    all.iter().map(|text| (*text).to_owned()).collect()
}

pub const LIMITS: Limits = Limits {
    site: 1_000,
    domain: 1_000,
    person: 1_000,
    learned: 1_000,
};

impl Scene {
    pub fn new() -> Scene {
        Scene::with(&[])
    }

    pub fn with(options: &[(&str, i64)]) -> Scene {
        Scene::over(
            Fakes::new(),
            options
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).into()))
                .collect(),
        )
    }

    pub fn over(fakes: Fakes, options: serde_json::Map<String, serde_json::Value>) -> Scene {
        let filter = Entry::of::<Whitelist>().build(Options::new(options), &fakes.services());
        Scene {
            filter: filter.unwrap_or_else(|error| panic!("it builds: {error}")),
            fakes,
        }
    }

    pub fn lists(&self) -> Lists {
        Lists::new(self.fakes.services().store.within("whitelist"), LIMITS)
    }

    pub async fn try_act(&self, request: Request) -> Result<Change, Fault> {
        let login = Login::new("carl", LoginBy::Auth);
        let acting = Acting::new(&login, self.fakes.clock.now());
        let done = self.filter.handle(&acting, &request).await?;
        Ok(done.expect("lists are this filter's"))
    }

    pub async fn act(&self, request: Request) -> Change {
        self.try_act(request).await.expect("a store that works")
    }

    pub async fn add(&self, list: List, reach: Reach, entries: &[&str]) -> Change {
        let entries = strings(entries);
        self.act(Request::Add { list, reach, entries }).await
    }

    pub async fn remove(&self, list: List, reach: Reach, entries: &[&str]) -> Change {
        let entries = strings(entries);
        self.act(Request::Remove { list, reach, entries }).await
    }

    /// All entries of a list, by pages of this size.
    pub async fn shown(&self, list: List, reach: Option<Reach>, limit: usize) -> Vec<Listed> {
        let (mut all, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let change = self
                .act(Request::Show {
                    list,
                    reach: reach.clone(),
                    after: after.take(),
                    limit: Some(limit),
                })
                .await;
            assert!(
                change.listed.len() <= limit && !change.changed && change.lines.is_empty(),
                "{change:?}"
            );
            all.extend(change.listed);
            match change.next {
                Some(next) => after = Some(next),
                None => return all,
            }
            pages += 1;
            assert!(pages < 10_000, "there is an end to it");
        }
    }

    pub async fn names(&self, list: List, reach: Reach) -> Vec<String> {
        let shown = self.shown(list, Some(reach), 100).await;
        shown.into_iter().map(|listed| listed.entry).collect()
    }

    pub async fn rcpt(&self, from: &str, client: &str, to: &str) -> Result<Opinion, Fault> {
        let visit = visit(client);
        let memo = Memo::new(self.fakes.services().identify);
        let envelope = envelope(from, &[]);
        let cx = Context::new(self.fakes.clock.now(), &visit, &memo).with_envelope(&envelope);
        let path = Path::forward(to, true).expect("a path");
        self.filter
            .rcpt(&cx, &Recipient::new(RecipientId(0), path, RcptParams::default()))
            .await
    }

    pub async fn message(&self, from: &str, author: &str, to: &[&str]) -> Result<Opinion, Fault> {
        let visit = visit("192.0.2.1");
        let memo = Memo::new(self.fakes.services().identify);
        let envelope = envelope(from, to);
        let message = Arc::new(Message::from_bytes(
            format!("From: {author}\r\nSubject: x\r\n\r\nx\r\n").into_bytes(),
        ));
        let cx = Context::new(self.fakes.clock.now(), &visit, &memo)
            .with_envelope(&envelope)
            .with_message(&message);
        self.filter.message(&cx, &message).await
    }

    pub async fn observe(&self, record: &Record) {
        self.observe_with(record, None).await;
    }

    pub async fn observe_with(&self, record: &Record, head: Option<&str>) {
        let visit = visit("192.0.2.1");
        let memo = Memo::new(self.fakes.services().identify);
        let cx = Context::new(self.fakes.clock.now(), &visit, &memo);
        let message = head.map(|head| Arc::new(Message::from_bytes(format!("{head}\r\n\r\nx\r\n").into_bytes())));
        self.filter.observe(&cx, record, message.as_ref()).await;
    }

    pub async fn days(&self, days: u64) {
        self.fakes.clock.forward(std::time::Duration::from_secs(days * 86_400));
    }
}

fn visit(client: &str) -> Visit {
    let client: IpAddr = client.parse().expect("an address");
    Visit::new(Direction::Inbound, "test".into(), Client::new(client, 25_000))
}

fn envelope(from: &str, to: &[&str]) -> Envelope {
    let mut envelope = Envelope::new(Path::reverse(from, true).expect("a path"), MailParams::default());
    for (id, to) in to.iter().enumerate() {
        let path = Path::forward(to, true).expect("a path");
        let id = RecipientId(u16::try_from(id).expect("few"));
        envelope
            .recipients
            .push(Recipient::new(id, path, RcptParams::default()));
    }
    envelope
}

/// A delivered mail.
pub fn record(direction: Direction, from: &str, to: &[&str]) -> Record {
    let client = "192.0.2.1".parse().expect("an address");
    let mut record = Record::new("tr-1".into(), 0, direction, "test".into(), client, 25_000);
    record.from = Some(from.into());
    record.end = End::Answered;
    record.reply = "250 2.0.0 taken".into();
    if direction == Direction::Outbound {
        record.login = Some(Login::new("192.0.2.0/24", LoginBy::Network));
    }
    for (id, to) in to.iter().enumerate() {
        let id = RecipientId(u16::try_from(id).expect("few"));
        let mut row = RecipientRecord::new(id, (*to).into());
        row.level = Level::None;
        row.fate = "deliver".into();
        row.reply = record.reply.clone();
        record.recipients.push(row);
    }
    record
}
