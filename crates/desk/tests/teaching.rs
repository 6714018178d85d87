//! The desk and whoever teaches: what becomes of a report, of forgetting, and of the versions of the models.

use std::path::Path as FilePath;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use gatepost_core::desk::Mail;
use gatepost_core::{
    Clock, Desk, Fault, Ground, Keeping, Kept, KeptId, Label, Learning, Lesson, Login, LoginBy, Message, Octets, Path,
    Rebuilt, Receipt, RecipientId, RecipientRecord, Record, Request, Store, Taught, Terms as KeptTerms, Time, Unlearn,
    Upkeep, Version, null,
};
use gatepost_desk::rights::{NO_SUCH_MAIL, Staff};
use gatepost_desk::{FrontDesk, Means, Reports, Terms};
use gatepost_pipeline::Routes;
use gatepost_testkit::{Book, Fakes};

/// A teacher that writes down what it is asked to do, knows what it learned, and holds out so many mails for a rebuild.
#[derive(Default)]
struct School(Book<String>, Mutex<Vec<(Vec<u8>, Label)>>, AtomicU64);

fn version(number: u64, why: &str) -> Version {
    Version {
        number,
        at: 0,
        through: 9,
        ham: 7,
        spam: 2,
        why: why.into(),
    }
}

#[async_trait]
impl Learning for School {
    async fn label(&self, lesson: Lesson) -> Result<u64, Fault> {
        let Lesson {
            label,
            ground,
            by,
            domain,
            kept,
            ..
        } = lesson;
        let kept = if kept.is_some() { "kept" } else { "bytes" };
        self.0.enter(format!("{kept} {label:?} {ground:?} {by} {domain:?}"))?;
        Ok(self.0.len() as u64)
    }
    async fn label_all(&self, lessons: Vec<Lesson>) -> Result<Vec<Taught>, Fault> {
        let mut all = Vec::new();
        for lesson in lessons {
            let octets = |message: &Message| {
                let mut octets = Vec::new();
                std::io::Read::read_to_end(&mut message.read(), &mut octets).unwrap();
                octets
            };
            let it = (octets(&lesson.message), lesson.label);
            let known = self.1.lock().unwrap().contains(&it);
            all.push(if known {
                Taught::Known(1)
            } else {
                let sequence = self.label(lesson).await?;
                let mut seen = self.1.lock().unwrap();
                seen.retain(|(octets, _)| *octets != it.0);
                seen.push(it);
                Taught::Learned(sequence)
            });
        }
        Ok(all)
    }
    async fn label_by_reference(&self, id: &str, label: Label, _: Ground, by: &str, _: Time) -> Result<Taught, Fault> {
        self.0.enter(format!("reference {id} {label:?} {by}"))?;
        Ok(Taught::Learned(self.0.len() as u64))
    }
    async fn erase(&self, _: &KeptId) -> Result<u64, Fault> {
        self.0.enter("erase".into())?;
        Ok(1)
    }
    async fn concerned(&self, _: &Unlearn) -> Result<u64, Fault> {
        Ok(2)
    }
    async fn unlearn(&self, what: &Unlearn) -> Result<u64, Fault> {
        self.0.enter(format!("unlearn {what:?}"))?;
        self.1.lock().unwrap().clear();
        Ok(2)
    }
    async fn versions(&self) -> Result<Vec<Version>, Fault> {
        Ok(vec![version(2, "learned"), version(1, "learned")])
    }
    async fn rollback(&self, to: Option<u64>) -> Result<Version, Fault> {
        self.0.enter(format!("rollback {to:?}"))?;
        match to {
            Some(99) => Err(Fault::Broken("version 99 is not kept".into())),
            _ => Ok(version(3, "rolled back to version 1")),
        }
    }
    async fn rebuild(&self) -> Result<Rebuilt, Fault> {
        Ok(Rebuilt {
            version: version(2, "learned"),
            taken: false,
            held_out: self.2.load(Ordering::Relaxed),
            before: 0,
            after: 3,
        })
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

struct House {
    fakes: Fakes,
    desk: FrontDesk,
    school: Arc<School>,
}

fn house() -> House {
    let fakes = Fakes::new();
    let store = Store::new(fakes.store.clone());
    let school = Arc::new(School::default());
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
    let local = Routes::inbound([("d.example", "default"), ("e.example", "default")]);
    let terms = Terms {
        staff: Staff::new(["root@d.example"], [], local),
        requests_per_hour: 1_000,
        reports: Reports::default(),
        release_welcomes: false,
    };
    let desk = FrontDesk::new(means, terms);
    House { fakes, desk, school }
}

fn login(name: &str) -> Login {
    Login::new(name, LoginBy::Auth)
}

fn operator() -> Login {
    Login::new("operator", LoginBy::Operator)
}

fn report(mail: Mail, label: Label) -> Request {
    Request::Report {
        mail,
        label,
        domain: None,
    }
}

impl House {
    async fn ask(&self, by: &Login, request: Request) -> Receipt {
        self.desk.submit(by, request).await.unwrap()
    }

    async fn keep(&self, to: &[&str]) -> KeptId {
        let message = Arc::new(Message::from_bytes(&b"Subject: held\r\n\r\nsecret\r\n"[..]));
        let path = |text: &str| Path::forward(text, true).unwrap();
        let paths: Vec<Path> = to.iter().map(|to| path(to)).collect();
        let (from, terms, now) = (path("x@y.example"), KeptTerms::durable("held"), self.fakes.clock.now());
        let keeping = Keeping::new("t1", now, &from, paths.iter().collect(), &message, &terms);
        self.fakes.kept.keep(keeping).await.unwrap()
    }
}

#[tokio::test]
async fn a_report_is_a_lesson_and_the_opposite_one_corrects_it() {
    let house = house();
    let id = house.keep(&["carl@d.example"]).await;
    let (carl, root) = (login("carl@d.example"), login("root@d.example"));
    let it = || Mail::Kept(id.clone());
    let first = house.ask(&carl, report(it(), Label::Spam)).await;
    assert!(
        matches!(&first, Receipt::Done(change) if change.lines.iter().any(|line| line == "it is learned, as sample 1")),
        "{first:?}"
    );
    house.ask(&carl, report(it(), Label::Spam)).await;
    house.ask(&root, report(it(), Label::Ham)).await;
    house
        .ask(
            &root,
            report(Mail::Bytes(Octets(b"A: b\r\n\r\n".to_vec())), Label::Spam),
        )
        .await;
    assert_eq!(
        house.school.0.all(),
        [
            "kept Spam Person carl@d.example Some(\"d.example\")",
            "kept Ham Correction root@d.example Some(\"d.example\")",
            "bytes Spam Person root@d.example Some(\"d.example\")",
        ],
        "the same word twice teaches once"
    );
}

#[tokio::test]
async fn the_operator_is_told_how_a_report_is_taken_back() {
    let house = house();
    let it = |text: &str| Mail::Bytes(Octets(text.as_bytes().to_vec()));
    let back = |receipt: Receipt| match receipt {
        Receipt::Done(change) => change
            .lines
            .iter()
            .any(|line| line == "taken back by: gatepost unlearn 1"),
        other => panic!("{other:?}"),
    };
    assert!(back(
        house.ask(&operator(), report(it("A: b\r\n\r\n"), Label::Spam)).await
    ));
    let carl = login("carl@d.example");
    assert!(!back(house.ask(&carl, report(it("A: c\r\n\r\n"), Label::Spam)).await));
}

#[tokio::test]
async fn delivered_mail_is_reported_by_the_number_of_its_transaction_and_only_by_whom_it_came_to() {
    let house = house();
    let client = "192.0.2.1".parse().unwrap();
    let direction = gatepost_core::Direction::Inbound;
    let mut record = Record::new("00000abcd000001".into(), 0, direction, "mx".into(), client, 1);
    record
        .recipients
        .push(RecipientRecord::new(RecipientId(0), "carl@d.example".into()));
    house.fakes.kept.record(&record).await.unwrap();
    let it = || Mail::Kept(KeptId("00000abcd000001".into()));
    let eva = house.ask(&login("eva@e.example"), report(it(), Label::Spam)).await;
    assert_eq!(eva, Receipt::Refused(NO_SUCH_MAIL.into()));
    assert!(house.school.0.is_empty());
    let carl = house.ask(&login("carl@d.example"), report(it(), Label::Spam)).await;
    assert!(matches!(carl, Receipt::Done(_)), "{carl:?}");
    assert_eq!(house.school.0.all(), ["reference 00000abcd000001 Spam carl@d.example"]);
    let mut elsewhere = report(it(), Label::Spam);
    if let Request::Report { domain, .. } = &mut elsewhere {
        *domain = Some("e.example".into());
    }
    let told = house.ask(&login("root@d.example"), elsewhere).await;
    assert!(
        matches!(&told, Receipt::Refused(why) if why.contains("name no other")),
        "{told:?}"
    );
}

#[tokio::test]
async fn what_is_no_mail_or_for_a_domain_that_is_none_of_ours_is_not_learned() {
    let house = house();
    let picture = Mail::Bytes(Octets(b"\xff\xd8\xff\xe0\0\x10JFIF\0".to_vec()));
    let told = house.ask(&operator(), report(picture, Label::Spam)).await;
    assert!(
        matches!(&told, Receipt::Refused(why) if why.contains("no mail")),
        "{told:?}"
    );
    let mail = || Mail::Bytes(Octets(b"Subject: hi\r\n\r\n".to_vec()));
    let of = |domain: &str| Request::Report {
        mail: mail(),
        label: Label::Spam,
        domain: Some(domain.into()),
    };
    for domain in ["elsewhere.example", "d.example.evil.example"] {
        let told = house.ask(&operator(), of(domain)).await;
        assert!(
            matches!(&told, Receipt::Refused(why) if why.contains(domain)),
            "{told:?}"
        );
    }
    let train = Request::Train {
        mails: vec![gatepost_core::Labelled::new(
            b"Subject: hi\r\n\r\n".to_vec(),
            Label::Ham,
        )],
        by: "train".into(),
        domain: Some("elsewhere.example".into()),
    };
    assert!(matches!(house.ask(&operator(), train).await, Receipt::Refused(_)));
    assert!(house.school.0.is_empty());
    assert!(matches!(
        house.ask(&operator(), of("D.Example")).await,
        Receipt::Done(_)
    ));
}

#[tokio::test]
async fn what_was_labelled_and_not_learned_is_learned_when_it_is_told_again() {
    let house = house();
    let id = house.keep(&["carl@d.example"]).await;
    let carl = login("Carl@D.example");
    let lines = |receipt: Receipt| match receipt {
        Receipt::Done(change) => change.lines.join("\n"),
        other => panic!("{other:?}"),
    };
    let again = async || lines(house.ask(&carl, report(Mail::Kept(id.clone()), Label::Spam)).await);
    let full = Fault::Unavailable("too many lessons wait already");
    house.school.0.fail(Some(full));
    let told = again().await;
    assert!(
        told.contains("it is called spam") && told.contains("too many"),
        "{told}"
    );
    assert!(
        again().await.contains("too many"),
        "it is labelled, and still not learned"
    );
    house.school.0.fail(None);
    assert!(again().await.contains("it is learned, as sample"));
    assert_eq!(again().await, "it was called spam already");
    house
        .ask(&operator(), Request::Unlearn(Unlearn::By("carl@d.example".into())))
        .await;
    assert!(again().await.contains("it is learned, as sample"), "it was forgotten");
    let taught = house.school.0.all();
    let first = "kept Spam Person carl@d.example Some(\"d.example\")";
    assert!(taught.iter().any(|line| line == first), "{taught:?}");
}

#[tokio::test]
async fn mail_that_is_deleted_is_unlearned_first() {
    let house = house();
    let id = house.keep(&["carl@d.example"]).await;
    let gone = house.ask(&operator(), Request::Delete { id: id.clone() }).await;
    assert!(
        matches!(&gone, Receipt::Done(change) if change.lines.iter().any(|line| line.contains("forgotten"))),
        "{gone:?}"
    );
    let id = house.keep(&["carl@d.example"]).await;
    house
        .school
        .0
        .fail(Some(Fault::Broken("the log cannot be written".into())));
    let kept = house.ask(&operator(), Request::Delete { id: id.clone() }).await;
    assert!(matches!(kept, Receipt::Failed(_)), "{kept:?}");
    assert!(
        house.fakes.kept.get(&id).await.unwrap().is_some(),
        "it can be deleted again, with what it taught"
    );
}

#[tokio::test]
async fn mail_is_deleted_though_learning_is_busy_and_it_is_told_that_it_forgets_later() {
    let house = house();
    let id = house.keep(&["carl@d.example"]).await;
    house
        .school
        .0
        .fail(Some(Fault::Unavailable("learning: it is done later")));
    let gone = house.ask(&operator(), Request::Delete { id: id.clone() }).await;
    assert!(
        matches!(&gone, Receipt::Done(change) if change.lines.iter().any(|line| line.contains("done later"))),
        "{gone:?}"
    );
    assert!(house.fakes.kept.get(&id).await.unwrap().is_none());
}

#[tokio::test]
async fn models_are_the_operators_affair() {
    let house = house();
    let unlearn = Request::Unlearn(Unlearn::By("eva".into()));
    for request in [
        &unlearn,
        &Request::Models,
        &Request::Rollback { to: Some(1) },
        &Request::Rebuild,
    ] {
        let refused = house.ask(&login("root@d.example"), request.clone()).await;
        assert!(matches!(refused, Receipt::Refused(_)), "{request:?}");
    }
    assert!(house.school.0.is_empty());
    let said = |receipt: Receipt| match receipt {
        Receipt::Done(change) => (change.changed, change.lines.join("\n")),
        other => panic!("{other:?}"),
    };
    let count = Request::CountSamples(Unlearn::By("eva".into()));
    assert_eq!(house.ask(&operator(), count).await, Receipt::Counted(2));
    assert!(house.school.0.is_empty(), "nothing is forgotten by that");
    let (changed, lines) = said(house.ask(&operator(), unlearn).await);
    assert!(changed && lines.contains("2 samples are forgotten"), "{lines}");
    let (changed, lines) = said(house.ask(&operator(), Request::Rollback { to: Some(1) }).await);
    assert!(
        changed && lines.contains("rolled back to version 1: that is version 3 from now on"),
        "{lines}"
    );
    let gone = house.ask(&operator(), Request::Rollback { to: Some(99) }).await;
    assert_eq!(gone, Receipt::Failed("version 99 is not kept".into()));
    let (changed, lines) = said(house.ask(&operator(), Request::Rebuild).await);
    assert!(
        !changed && lines.contains("version 2 stays") && lines.contains("not tried: no confirmed wanted mail"),
        "{lines}"
    );
    house.school.2.store(500, Ordering::Relaxed);
    let (_, lines) = said(house.ask(&operator(), Request::Rebuild).await);
    assert!(lines.contains("of 500 wanted mails"), "{lines}");
    let listed = house.ask(&operator(), Request::Models).await;
    assert!(matches!(listed, Receipt::Models(versions, _) if versions.len() == 2));
    assert_eq!(
        house.school.0.all(),
        ["unlearn By(\"eva\")", "rollback Some(1)", "rollback Some(99)"]
    );
}
