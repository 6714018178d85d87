//! A desk for people who report mail: a teacher, lists, and mail that came, all of which write down what is done.

use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use gatepost_core::{
    Acting, Brought, Change, Clock, Desk, Fault, Filter, Ground, Keeping, Kept, KeptId, Label, Learning, Lesson, Login,
    LoginBy, Mail, Message, Path, Rebuilt, Receipt, RecipientId, RecipientRecord, Record, Reference, Request, Store,
    Taught, Terms as KeptTerms, Time, Unlearn, Upkeep, Version, null,
};
use gatepost_desk::rights::Staff;
use gatepost_desk::{FrontDesk, Means, Reports, Terms};
use gatepost_pipeline::Routes;
use gatepost_testkit::{Book, Fakes};

/// A teacher that writes down what it is taught, knows it again, and remembers delivered mail until it is told to forget.
#[derive(Default)]
pub struct School {
    pub taught: Book<String>,
    pub known: Mutex<Vec<(String, Label)>>,
    pub forgot: Mutex<bool>,
}

pub fn words(message: &Message) -> String {
    String::from_utf8_lossy(message.body().whole().unwrap_or_default())
        .trim()
        .to_owned()
}

#[async_trait]
impl Learning for School {
    async fn label(&self, _: Lesson) -> Result<u64, Fault> {
        Err(Fault::Broken("lessons come together".into()))
    }
    async fn label_all(&self, lessons: Vec<Lesson>) -> Result<Vec<Taught>, Fault> {
        let mut all = Vec::new();
        for lesson in lessons {
            let it = (words(&lesson.message), lesson.label);
            let mut known = self.known.lock().unwrap();
            if known.contains(&it) {
                all.push(Taught::Known(1));
                continue;
            }
            let kept = if lesson.kept.is_some() { "kept " } else { "" };
            let weight = lesson
                .weight
                .map_or(String::new(), |weight| format!(" weight {weight}"));
            self.taught
                .enter(format!("{kept}{} {:?} {:?}{weight}", it.0, lesson.label, lesson.ground))?;
            known.retain(|(words, _)| *words != it.0);
            known.push(it);
            all.push(Taught::Learned(known.len() as u64));
        }
        Ok(all)
    }
    async fn label_by_reference(&self, id: &str, label: Label, _: Ground, _: &str, _: Time) -> Result<Taught, Fault> {
        if *self.forgot.lock().unwrap() {
            return Err(Fault::Unavailable("nothing is remembered of it"));
        }
        let it = format!("delivered {id} {label:?}");
        if self.taught.all().contains(&it) {
            return Ok(Taught::Known(7));
        }
        self.taught.enter(it)?;
        Ok(Taught::Learned(7))
    }
    async fn erase(&self, _: &KeptId) -> Result<u64, Fault> {
        Ok(0)
    }
    async fn unlearn(&self, _: &Unlearn) -> Result<u64, Fault> {
        Ok(0)
    }
    async fn versions(&self) -> Result<Vec<Version>, Fault> {
        Ok(Vec::new())
    }
    async fn rollback(&self, _: Option<u64>) -> Result<Version, Fault> {
        Err(Fault::Broken("no version".into()))
    }
    async fn rebuild(&self) -> Result<Rebuilt, Fault> {
        Err(Fault::Broken("no version".into()))
    }
}

pub struct NoUpkeep;

#[async_trait]
impl Upkeep for NoUpkeep {
    async fn check(&self) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }
    async fn compact(&self) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }
    async fn backup(&self, _: &FilePath) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }
}

/// Lists that write down what is done to them.
#[derive(Default)]
pub struct Lists(pub Book<String>);

#[async_trait]
impl Filter for Lists {
    async fn handle(&self, _: &Acting<'_>, request: &Request) -> Result<Option<Change>, Fault> {
        let line = match request {
            Request::Add { list, reach, entries } => format!("add {list:?} {reach:?} {}", entries.join(" ")),
            Request::Remove { list, reach, entries } => format!("remove {list:?} {reach:?} {}", entries.join(" ")),
            _ => return Ok(None),
        };
        let again = self.0.all().contains(&line);
        self.0.enter(line.clone())?;
        Ok(Some(match again {
            true => Change::shown(vec![line]),
            false => Change::done(line),
        }))
    }
}

pub struct House {
    pub fakes: Fakes,
    pub desk: FrontDesk,
    pub means: Means,
    pub school: Arc<School>,
    pub lists: Arc<Lists>,
}

pub const NUMBER: &str = "00000abcd000001";
pub const MAIL: &str =
    "From: Win <win@pills.example>\r\nSubject: Cheap  pills\r\nMessage-ID: <p1@pills.example>\r\n\r\nbuy\r\n";

pub fn login(name: &str) -> Login {
    Login::new(name, LoginBy::Auth)
}

pub fn house_with(reports: Reports) -> House {
    let fakes = Fakes::new();
    let store = Store::new(fakes.store.clone());
    let (school, lists) = (Arc::new(School::default()), Arc::new(Lists::default()));
    let means = Means {
        store: store.within("desk"),
        filters: store.within("filter"),
        kept: fakes.kept.clone(),
        queue: None,
        post: fakes.post.clone(),
        learning: school.clone(),
        explain: Arc::new(null::NoExplain),
        upkeep: Arc::new(NoUpkeep),
        clock: fakes.clock.clone(),
        seed: Fakes::SEED,
    };
    let terms = Terms {
        staff: Staff::new(
            ["root@d.example"],
            [],
            Routes::inbound([("d.example", "default"), ("e.example", "default")]),
        ),
        requests_per_hour: 1_000,
        reports,
        release_welcomes: false,
    };
    let desk = FrontDesk::new(means.clone(), terms.clone());
    let handlers: BTreeMap<String, Arc<dyn Filter>> = [("lists".to_owned(), lists.clone() as Arc<dyn Filter>)].into();
    desk.publish(handlers, terms);
    House {
        fakes,
        desk,
        means,
        school,
        lists,
    }
}

pub fn house() -> House {
    house_with(Reports::default())
}

impl House {
    pub async fn report(&self, by: &str, mail: Mail, label: Label) -> Receipt {
        let request = Request::Report {
            mail,
            label,
            domain: None,
        };
        self.desk.submit(&login(by), request).await.unwrap()
    }

    /// Mail that was delivered, and of which there is a record.
    pub async fn delivered(&self, id: &str, to: &str, mail: &'static str) {
        let message = Message::from_bytes(mail.as_bytes());
        let now = self.fakes.clock.now().millis();
        let direction = gatepost_core::Direction::Inbound;
        let mut record = Record::new(id.into(), now, direction, "mx".into(), "192.0.2.1".parse().unwrap(), 1);
        record.from = Some("bounce-17@pills.example".into());
        record.message_id = Some("<p1@pills.example>".into());
        record.author = Some("Win <win@pills.example>".into());
        record.subject = Some("Cheap pills".into());
        record.hash = Record::hash_of(&message);
        record.recipients.push(RecipientRecord::new(RecipientId(0), to.into()));
        self.fakes.kept.record(&record).await.unwrap();
    }

    pub async fn kept(&self, id: &str, to: &str, from: &str) -> KeptId {
        let message = Arc::new(Message::from_bytes(MAIL.as_bytes()));
        let to = Path::forward(to, true).unwrap();
        let from = Path::reverse(from, true).unwrap();
        let terms = KeptTerms::durable("held");
        let keeping = Keeping::new(id, self.fakes.clock.now(), &from, vec![&to], &message, &terms);
        self.fakes.kept.keep(keeping).await.unwrap()
    }
}

pub fn brought(text: &str, reference: Option<String>) -> Mail {
    let mut brought = Brought::new(text.as_bytes().to_vec(), true);
    brought.reference = reference;
    brought.message_id = text.contains("p1@pills").then(|| "<p1@pills.example>".into());
    Mail::Brought(brought)
}

pub fn sealed(id: &str) -> Option<String> {
    Some(Reference::write(&Fakes::SEED, id))
}

pub fn lines(receipt: &Receipt) -> String {
    match receipt {
        Receipt::Done(change) => change.lines.join("\n"),
        other => panic!("{other:?}"),
    }
}
