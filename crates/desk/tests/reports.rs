//! Reports of people: which mail they mean, what is learned of it, and what becomes of its sender.

use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use gatepost_core::{
    Acting, Brought, Change, Clock, Desk, Fault, Filter, Ground, Keeping, Kept, KeptId, Label, Learning, Lesson, Login,
    LoginBy, Mail, Message, Octets, Path, Rebuilt, Receipt, RecipientId, RecipientRecord, Record, Reference, Request,
    Store, Taught, Terms as KeptTerms, Time, Unlearn, Upkeep, Version, null,
};
use gatepost_desk::rights::{NO_SUCH_MAIL, Staff};
use gatepost_desk::{FrontDesk, Means, Reports, Terms};
use gatepost_pipeline::Routes;
use gatepost_testkit::{Book, Fakes};

/// A teacher that writes down what it is taught, knows it again, and remembers delivered mail until it is told to forget.
#[derive(Default)]
struct School {
    taught: Book<String>,
    known: Mutex<Vec<(String, Label)>>,
    forgot: Mutex<bool>,
}

fn words(message: &Message) -> String {
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
    async fn label_by_reference(&self, id: &str, label: Label, _: Ground, _: &str, _: Time) -> Result<u64, Fault> {
        if *self.forgot.lock().unwrap() {
            return Err(Fault::Unavailable("nothing is remembered of it"));
        }
        self.taught.enter(format!("delivered {id} {label:?}"))?;
        Ok(7)
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

struct NoUpkeep;

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
struct Lists(Book<String>);

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

struct House {
    fakes: Fakes,
    desk: FrontDesk,
    school: Arc<School>,
    lists: Arc<Lists>,
}

const NUMBER: &str = "00000abcd000001";
const MAIL: &str =
    "From: Win <win@pills.example>\r\nSubject: Cheap  pills\r\nMessage-ID: <p1@pills.example>\r\n\r\nbuy\r\n";

fn login(name: &str) -> Login {
    Login::new(name, LoginBy::Auth)
}

fn house_with(reports: Reports) -> House {
    let fakes = Fakes::new();
    let store = Store::new(fakes.store.clone());
    let (school, lists) = (Arc::new(School::default()), Arc::new(Lists::default()));
    let means = Means {
        store: store.within("desk"),
        filters: store.within("filter"),
        kept: fakes.kept.clone(),
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
    let desk = FrontDesk::new(means, terms.clone());
    let handlers: BTreeMap<String, Arc<dyn Filter>> = [("lists".to_owned(), lists.clone() as Arc<dyn Filter>)].into();
    desk.publish(handlers, terms);
    House {
        fakes,
        desk,
        school,
        lists,
    }
}

fn house() -> House {
    house_with(Reports::default())
}

impl House {
    async fn report(&self, by: &str, mail: Mail, label: Label) -> Receipt {
        let request = Request::Report {
            mail,
            label,
            domain: None,
        };
        self.desk.submit(&login(by), request).await.unwrap()
    }

    /// Mail that was delivered, and of which there is a record.
    async fn delivered(&self, id: &str, to: &str, mail: &'static str) {
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

    async fn kept(&self, id: &str, to: &str, from: &str) -> KeptId {
        let message = Arc::new(Message::from_bytes(MAIL.as_bytes()));
        let to = Path::forward(to, true).unwrap();
        let from = Path::reverse(from, true).unwrap();
        let terms = KeptTerms::durable("held");
        let keeping = Keeping::new(id, self.fakes.clock.now(), &from, vec![&to], &message, &terms);
        self.fakes.kept.keep(keeping).await.unwrap()
    }
}

fn brought(text: &str, reference: Option<String>) -> Mail {
    let mut brought = Brought::new(text.as_bytes().to_vec(), true);
    brought.reference = reference;
    brought.message_id = text.contains("p1@pills").then(|| "<p1@pills.example>".into());
    Mail::Brought(brought)
}

fn sealed(id: &str) -> Option<String> {
    Some(Reference::write(&Fakes::SEED, id))
}

fn lines(receipt: &Receipt) -> String {
    match receipt {
        Receipt::Done(change) => change.lines.join("\n"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_changed_mail_with_our_number_is_the_mail_that_we_have() {
    let house = house();
    house.kept(NUMBER, "carl@d.example", "x@y.example").await;
    let changed = brought(
        "From: Win <win@pills.example>\r\n\r\nwords put into it\r\n",
        sealed(NUMBER),
    );
    let told = house.report("carl@d.example", changed, Label::Spam).await;
    assert!(lines(&told).contains("it is called spam"), "{told:?}");
    assert_eq!(house.school.taught.all(), ["kept buy Spam Person"]);

    let house = self::house();
    house.delivered(NUMBER, "carl@d.example", MAIL).await;
    let changed = brought(
        "From: Win <win@pills.example>\r\n\r\nwords put into it\r\n",
        sealed(NUMBER),
    );
    house.report("carl@d.example", changed, Label::Spam).await;
    assert_eq!(house.school.taught.all(), ["delivered 00000abcd000001 Spam"]);
}

#[tokio::test]
async fn the_number_of_anothers_mail_is_refused_and_what_was_brought_is_not_learned() {
    for keep in [true, false] {
        let house = house();
        match keep {
            true => drop(house.kept(NUMBER, "eva@e.example", "x@y.example").await),
            false => house.delivered(NUMBER, "eva@e.example", MAIL).await,
        }
        for mail in [brought(MAIL, sealed(NUMBER)), Mail::Kept(KeptId(NUMBER.into()))] {
            let told = house.report("carl@d.example", mail, Label::Spam).await;
            assert_eq!(told, Receipt::Refused(NO_SUCH_MAIL.into()));
        }
        assert!(house.school.taught.is_empty() && house.lists.0.is_empty());
    }
}

#[tokio::test]
async fn a_number_without_our_seal_counts_for_nothing_and_the_copy_for_less() {
    let house = house();
    house.delivered(NUMBER, "eva@e.example", MAIL).await;
    let forged = Some(format!("{NUMBER}.0000000000000"));
    house.report("carl@d.example", brought(MAIL, forged), Label::Spam).await;
    assert_eq!(house.school.taught.all(), ["buy Spam Person weight 50"]);
    // Nor does one that we have forgotten.
    let house = self::house();
    house
        .report("carl@d.example", brought(MAIL, sealed("gone")), Label::Spam)
        .await;
    assert_eq!(house.school.taught.all(), ["buy Spam Person weight 50"]);
}

#[tokio::test]
async fn a_kept_mail_is_found_by_the_number_of_its_transaction() {
    let house = house();
    house.kept(NUMBER, "carl@d.example", "x@y.example").await;
    house
        .report("carl@d.example", Mail::Kept(KeptId(NUMBER.into())), Label::Ham)
        .await;
    assert_eq!(house.school.taught.all(), ["kept buy Ham Person"]);
}

#[tokio::test]
async fn mail_that_lost_its_number_is_found_among_the_persons_own() {
    let forward = |author: &str, subject: &str, message_id: Option<&str>| {
        let text = format!("From: {author}\r\nSubject: {subject}\r\n\r\nforwarded\r\n");
        let mut brought = Brought::new(text.into_bytes(), false);
        brought.message_id = message_id.map(Into::into);
        Mail::Brought(brought)
    };
    let (win, found, copied) = (
        "Win <win@pills.example>",
        "delivered 00000abcd000001 Spam",
        "forwarded Spam Person weight 50",
    );
    for (mail, taught) in [
        // Octet for octet the same.
        (brought(MAIL, None), found),
        (
            brought(&MAIL.replace("buy", "sell"), None),
            "sell Spam Person weight 50",
        ),
        // By what it answers or forwards, as long as the author is the same.
        (forward(win, "other words", Some("p1@pills.example")), found),
        (forward("Eva <eva@e.example>", "x", Some("<p1@pills.example>")), copied),
        (forward(win, "cheap pills", Some("<p2@pills.example>")), copied),
        // By author and subject.
        (forward(win, "cheap pills", None), found),
        (forward(win, "dear pills", None), copied),
        (forward("Win", "cheap pills", None), copied),
    ] {
        let house = house();
        house.delivered(NUMBER, "carl@d.example", MAIL).await;
        house.delivered("other", "eva@e.example", MAIL).await;
        house.report("carl@d.example", mail.clone(), Label::Spam).await;
        assert_eq!(house.school.taught.all(), [taught], "{mail:?}");
        // It came to somebody else.
        let house = self::house();
        house.delivered(NUMBER, "eva@e.example", MAIL).await;
        house.report("carl@d.example", mail, Label::Spam).await;
        assert!(house.school.taught.all()[0].ends_with("weight 50"));
    }
    // Two that differ fit: neither is meant.
    let house = house();
    house.delivered(NUMBER, "carl@d.example", MAIL).await;
    house
        .delivered("other", "carl@d.example", "A: b\r\n\r\nother\r\n")
        .await;
    house
        .report("carl@d.example", forward(win, "cheap pills", None), Label::Spam)
        .await;
    assert_eq!(house.school.taught.all(), [copied]);
    // So is none of long ago.
    let house = self::house();
    house.delivered(NUMBER, "carl@d.example", MAIL).await;
    house.fakes.clock.forward(std::time::Duration::from_hours(24 * 15));
    house.report("carl@d.example", brought(MAIL, None), Label::Spam).await;
    assert_eq!(house.school.taught.all(), ["buy Spam Person weight 50"]);
}

#[tokio::test]
async fn where_the_features_are_gone_the_very_mail_counts_in_full_and_a_changed_one_for_less() {
    let house = house();
    *house.school.forgot.lock().unwrap() = true;
    house.delivered(NUMBER, "carl@d.example", MAIL).await;
    house
        .report("carl@d.example", brought(MAIL, sealed(NUMBER)), Label::Spam)
        .await;
    let changed = brought(
        "From: Win <win@pills.example>\r\n\r\nwords put into it\r\n",
        sealed(NUMBER),
    );
    house.report("carl@d.example", changed, Label::Spam).await;
    assert_eq!(
        house.school.taught.all(),
        ["buy Spam Person", "words put into it Spam Person weight 50"]
    );
}

#[tokio::test]
async fn a_report_that_is_sent_again_teaches_nothing() {
    let house = house();
    let id = house.kept(NUMBER, "carl@d.example", "x@y.example").await;
    let copy = || brought("From: a@b.example\r\n\r\na copy\r\n", None);
    for mail in [Mail::Kept(id), copy(), brought(MAIL, sealed(NUMBER))] {
        for again in [false, true] {
            let told = house.report("carl@d.example", mail.clone(), Label::Spam).await;
            if again {
                assert!(matches!(&told, Receipt::Done(change) if !change.changed), "{told:?}");
            }
        }
    }
    assert_eq!(
        house.school.taught.all(),
        ["kept buy Spam Person", "a copy Spam Person weight 50"]
    );
    // The opposite is no repetition.
    let told = house.report("carl@d.example", copy(), Label::Ham).await;
    assert!(matches!(&told, Receipt::Done(change) if change.changed), "{told:?}");
    house
        .report("carl@d.example", brought(MAIL, sealed(NUMBER)), Label::Ham)
        .await;
    assert_eq!(
        house.school.taught.all()[2..],
        ["a copy Ham Person weight 50", "kept buy Ham Correction"]
    );
}

#[tokio::test]
async fn the_sender_of_spam_is_denied_and_that_of_wanted_mail_is_welcome() {
    let house = house();
    house.delivered(NUMBER, "Carl@d.example", MAIL).await;
    let spam = house
        .report("carl@d.example", brought(MAIL, sealed(NUMBER)), Label::Spam)
        .await;
    assert!(lines(&spam).contains("add Deny"), "{spam:?}");
    house
        .report("carl@d.example", brought(MAIL, sealed(NUMBER)), Label::Ham)
        .await;
    house
        .report(
            "carl@d.example",
            brought("From: a@b.example\r\n\r\nx\r\n", None),
            Label::Spam,
        )
        .await;
    assert_eq!(
        house.lists.0.all(),
        [
            "add Deny Person(\"Carl@d.example\") bounce-17@pills.example",
            "add Allow Person(\"Carl@d.example\") bounce-17@pills.example",
            "add Deny Person(\"carl@d.example\") a@b.example",
        ]
    );
    let gentle = house_with(Reports {
        deny_sender: false,
        welcome_sender: false,
        ..Reports::default()
    });
    for label in [Label::Spam, Label::Ham] {
        let mail = brought("From: a@b.example\r\n\r\nx\r\n", None);
        gentle.report("carl@d.example", mail, label).await;
    }
    assert_eq!(
        gentle.lists.0.all(),
        [
            "remove Allow Person(\"carl@d.example\") a@b.example",
            "remove Deny Person(\"carl@d.example\") a@b.example",
        ]
    );
}

#[tokio::test]
async fn nobody_of_ours_and_not_the_null_sender_comes_onto_a_list_and_the_operator_has_none() {
    let house = house();
    for from in ["eva@e.example", ""] {
        let id = house.kept(NUMBER, "carl@d.example", from).await;
        house.report("carl@d.example", Mail::Kept(id), Label::Spam).await;
    }
    for text in [
        "From: eva@e.example\r\n\r\n1\r\n",
        "Subject: nobody\r\n\r\n2\r\n",
        "From: a@b.example, c@b.example\r\n\r\n3\r\n",
    ] {
        house.report("carl@d.example", brought(text, None), Label::Spam).await;
    }
    let request = Request::Report {
        mail: Mail::Bytes(Octets(MAIL.as_bytes().to_vec())),
        label: Label::Spam,
        domain: None,
    };
    let operator = Login::new("operator", LoginBy::Operator);
    house.desk.submit(&operator, request).await.unwrap();
    assert!(house.lists.0.is_empty(), "{:?}", house.lists.0.all());
}

#[tokio::test]
async fn lists_that_fail_undo_nothing_that_was_learned_and_the_other_way_round() {
    let house = house();
    house.lists.0.fail(Some(Fault::Unavailable("store")));
    let told = house.report("carl@d.example", brought(MAIL, None), Label::Spam).await;
    assert!(
        lines(&told).contains("it is learned") && lines(&told).contains("lists could not be changed"),
        "{told:?}"
    );
    house.lists.0.fail(None);
    house.school.taught.fail(Some(Fault::Unavailable("busy")));
    let told = house.report("carl@d.example", brought(MAIL, None), Label::Ham).await;
    assert!(
        lines(&told).contains("it is not learned from: busy") && lines(&told).contains("add Allow"),
        "{told:?}"
    );
}
