//! The desk over services in memory: what people may do, what is remembered of it, and what is done once only.

use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gatepost_core::desk::Mail;
use gatepost_core::{
    Acting, Audited, Change, Desk, Direction, Fault, Filter, Keeping, Kept, KeptId, Label, List, Login, LoginBy,
    Message, Octets, Path, Query, Reach, Receipt, RecipientId, RecipientRecord, Record, Request, Store,
    Terms as KeptTerms, Upkeep, null,
};
use gatepost_desk::rights::{NO_SUCH_MAIL, Staff};
use gatepost_desk::{FrontDesk, Handlers, Means, Reports, Terms};
use gatepost_pipeline::Routes;
use gatepost_testkit::{Book, Fakes};

/// A filter that writes down what it is asked to do.
#[derive(Default)]
struct Lists(Book<(String, Request)>);

#[async_trait]
impl Filter for Lists {
    async fn handle(&self, by: &Acting<'_>, request: &Request) -> Result<Option<Change>, Fault> {
        if !matches!(request, Request::Add { .. } | Request::Show { .. }) {
            return Ok(None);
        }
        self.0.enter((by.login.name.to_string(), request.clone()))?;
        Ok(Some(Change::done("noted")))
    }
}

struct Panics;

#[async_trait]
impl Filter for Panics {
    async fn handle(&self, _: &Acting<'_>, _: &Request) -> Result<Option<Change>, Fault> {
        panic!("of this test")
    }
}

/// An upkeep that tells what it was asked for.
struct Whole;

#[async_trait]
impl Upkeep for Whole {
    async fn check(&self) -> Result<Vec<String>, Fault> {
        Err(Fault::Broken("entry 7 is damaged".into()))
    }
    async fn compact(&self) -> Result<Vec<String>, Fault> {
        Ok(vec!["compacted".into()])
    }
    async fn backup(&self, to: &FilePath) -> Result<Vec<String>, Fault> {
        Ok(vec![format!("copied to {}", to.display())])
    }
}

struct House {
    fakes: Fakes,
    desk: FrontDesk,
    lists: Arc<Lists>,
}

fn terms(requests_per_hour: u32) -> Terms {
    let local = Routes::inbound([("d.example", "default"), ("e.example", "default")]);
    Terms {
        staff: Staff::new(["root@d.example"], [("e.example", vec!["eva@e.example"])], local),
        requests_per_hour,
        reports: Reports::default(),
        release_welcomes: false,
    }
}

fn house() -> House {
    let fakes = Fakes::new();
    let store = Store::new(fakes.store.clone());
    let means = Means {
        store: store.within("desk"),
        filters: store.within("filter"),
        kept: fakes.kept.clone(),
        queue: None,
        post: fakes.post.clone(),
        learning: Arc::new(null::NoLearning),
        explain: Arc::new(null::NoExplain),
        upkeep: Arc::new(Whole),
        clock: fakes.clock.clone(),
        seed: Fakes::SEED,
    };
    let lists = Arc::new(Lists::default());
    let desk = FrontDesk::new(means, terms(1_000));
    desk.publish(
        Handlers::from([("lists".into(), lists.clone() as Arc<dyn Filter>)]),
        terms(1_000),
    );
    House { fakes, desk, lists }
}

fn login(name: &str) -> Login {
    Login::new(name, LoginBy::Auth)
}

fn operator() -> Login {
    Login::new("operator", LoginBy::Operator)
}

fn path(text: &str) -> Path {
    Path::forward(text, true).unwrap()
}

impl House {
    async fn ask(&self, by: &Login, request: Request) -> Receipt {
        self.desk.submit(by, request).await.unwrap()
    }

    async fn keep(&self, to: &[&str]) -> KeptId {
        let message = Arc::new(Message::from_bytes(&b"Subject: held\r\n\r\nsecret\r\n"[..]));
        let paths: Vec<Path> = to.iter().map(|to| path(to)).collect();
        let (from, terms) = (path("x@y.example"), KeptTerms::durable("held"));
        let keeping = Keeping::new(
            "t1",
            self.fakes.clock_now(),
            &from,
            paths.iter().collect(),
            &message,
            &terms,
        );
        self.fakes.kept.keep(keeping).await.unwrap()
    }

    async fn audit(&self) -> Vec<Audited> {
        match self
            .ask(
                &operator(),
                Request::Audit {
                    before: None,
                    limit: None,
                },
            )
            .await
        {
            Receipt::Audit(lines) => lines,
            other => panic!("{other:?}"),
        }
    }
}

trait Now {
    fn clock_now(&self) -> gatepost_core::Time;
}

impl Now for Fakes {
    fn clock_now(&self) -> gatepost_core::Time {
        gatepost_core::Clock::now(&*self.clock)
    }
}

fn add(reach: Reach) -> Request {
    Request::Add {
        list: List::Allow,
        reach,
        entries: vec!["a@b.example".into()],
    }
}

fn own() -> Reach {
    Reach::Person("carl@d.example".into())
}

fn release(id: &KeptId, recipient: Option<&str>) -> Request {
    Request::Release {
        id: id.clone(),
        recipient: recipient.map(Into::into),
        again: false,
        welcome: false,
    }
}

fn is_refused(receipt: &Receipt, words: &str) -> bool {
    matches!(receipt, Receipt::Refused(why) if why.contains(words))
}

fn said(receipt: &Receipt) -> (bool, String) {
    match receipt {
        Receipt::Done(change) => (change.changed, change.lines.join("; ")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_may_be_done_reaches_the_filters_and_the_audit() {
    let house = house();
    let carl = login("carl@d.example");
    assert_eq!(said(&house.ask(&carl, add(own())).await), (true, "noted".into()));
    assert_eq!(house.lists.0.all(), [("carl@d.example".into(), add(own()))]);
    assert!(is_refused(
        &house.ask(&carl, add(Reach::Site)).await,
        "only administrators"
    ));
    assert_eq!(house.lists.0.len(), 1, "what is refused reaches nobody");
    let lines: Vec<_> = house
        .audit()
        .await
        .into_iter()
        .map(|line| (line.by.name.to_string(), line.what, line.outcome))
        .collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(lines[0].2, "begun", "the audit sees itself being read");
    assert_eq!(lines[1].2, "refused: only administrators may do that");
    let expected = "add to the allow list of carl@d.example: a@b.example";
    assert_eq!(lines[2], ("carl@d.example".into(), expected.into(), "done".into()));
}

#[tokio::test]
async fn a_request_that_no_filter_knows_is_refused_with_what_to_do() {
    let house = house();
    house.desk.publish(Handlers::new(), terms(1_000));
    assert!(is_refused(
        &house.ask(&operator(), add(Reach::Site)).await,
        "name `whitelist` in a tier"
    ));
    let other = Request::Other {
        filter: "acme".into(),
        words: vec!["go".into()],
    };
    assert!(is_refused(&house.ask(&operator(), other).await, "no filter `acme`"));
}

#[tokio::test]
async fn a_filter_that_panics_costs_one_request() {
    let house = house();
    house.desk.publish(
        Handlers::from([("bad".into(), Arc::new(Panics) as Arc<dyn Filter>)]),
        terms(1_000),
    );
    assert!(matches!(house.ask(&operator(), add(Reach::Site)).await, Receipt::Failed(why) if why.contains("panic")));
    assert_eq!(house.audit().await[1].outcome, "failed: broken: panic");
}

#[tokio::test]
async fn whoever_asks_too_often_waits_and_the_operator_does_not() {
    let house = house();
    let handlers = || Handlers::from([("lists".into(), house.lists.clone() as Arc<dyn Filter>)]);
    house.desk.publish(handlers(), terms(3));
    for _ in 0..3 {
        assert!(said(&house.ask(&login("carl@d.example"), add(own())).await).0);
    }
    assert!(is_refused(
        &house.ask(&login("CARL@d.example"), add(own())).await,
        "more than 3 times"
    ));
    assert!(
        said(
            &house
                .ask(&login("eva@e.example"), add(Reach::Domain("e.example".into())))
                .await
        )
        .0
    );
    for _ in 0..10 {
        assert!(said(&house.ask(&operator(), add(Reach::Site)).await).0);
    }
    house.fakes.clock.forward(Duration::from_secs(2 * 3_600));
    assert!(said(&house.ask(&login("carl@d.example"), add(own())).await).0);
}

#[tokio::test]
async fn a_mail_is_released_once_to_a_recipient_of_its_own() {
    let house = house();
    let id = house.keep(&["carl@d.example", "eva@e.example"]).await;
    let carl = login("carl@d.example");
    assert!(is_refused(
        &house.ask(&carl, release(&id, Some("eva@e.example"))).await,
        "not sent to eva"
    ));
    assert!(is_refused(
        &house.ask(&operator(), release(&id, Some("anna@d.example"))).await,
        "not sent to anna"
    ));
    assert!(is_refused(
        &house.ask(&operator(), release(&id, None)).await,
        "name one of them: carl@d.example, eva@e.example"
    ));
    assert_eq!(
        said(&house.ask(&carl, release(&id, None)).await),
        (true, "delivered to carl@d.example".into())
    );
    let again = said(&house.ask(&operator(), release(&id, Some("Carl@D.EXAMPLE"))).await);
    assert!(!again.0 && again.1.contains("was delivered"), "{again:?}");
    assert_eq!(house.fakes.post.released.len(), 1);
    assert!(said(&house.ask(&operator(), release(&id, Some("eva@e.example"))).await).0);
    assert_eq!(house.fakes.post.released.len(), 2);
}

#[tokio::test]
async fn that_a_mail_was_released_is_in_its_record() {
    let house = house();
    let id = house.keep(&["carl@d.example", "eva@e.example"]).await;
    let client = [192, 0, 2, 1].into();
    let mut record = Record::new("t1".into(), 5, Direction::Inbound, "mx".into(), client, 25);
    for (n, to) in ["Carl@d.example", "eva@e.example"].into_iter().enumerate() {
        let number = RecipientId(u16::try_from(n).unwrap());
        record.recipients.push(RecipientRecord::new(number, to.into()));
    }
    house.fakes.kept.record(&record).await.unwrap();
    assert!(said(&house.ask(&login("carl@d.example"), release(&id, None)).await).0);
    let mut query = Query::default();
    query.transaction = Some("t1".into());
    let found = house.fakes.kept.records(&query).await.unwrap();
    let released: Vec<bool> = found[0].recipients.iter().map(|row| row.released.is_some()).collect();
    assert_eq!(released, [true, false]);
}

#[tokio::test]
async fn a_mail_that_was_perhaps_delivered_goes_again_only_where_somebody_says_so() {
    let house = house();
    let id = house.keep(&["carl@d.example"]).await;
    let again = Request::Release {
        id: id.clone(),
        recipient: None,
        again: true,
        welcome: false,
    };
    let lost = Fault::Unsure("lost after the dot".into());
    house.fakes.post.released.fail(Some(lost));
    assert!(matches!(
        house.ask(&operator(), release(&id, None)).await,
        Receipt::Failed(_)
    ));
    house.fakes.post.released.fail(None);
    assert!(is_refused(
        &house.ask(&operator(), release(&id, None)).await,
        "may have it"
    ));
    assert!(house.fakes.post.released.is_empty());
    assert!(said(&house.ask(&operator(), again.clone()).await).0);
    assert!(!said(&house.ask(&operator(), release(&id, None)).await).0);
    assert!(
        said(&house.ask(&operator(), again).await).0,
        "and once more, who wants it"
    );
    assert_eq!(house.fakes.post.released.len(), 2);
}

#[tokio::test]
async fn a_release_that_fails_may_be_tried_again() {
    let house = house();
    let id = house.keep(&["carl@d.example"]).await;
    house
        .fakes
        .post
        .released
        .fail(Some(Fault::Unavailable("the mail server")));
    assert!(matches!(
        house.ask(&operator(), release(&id, None)).await,
        Receipt::Failed(_)
    ));
    house.fakes.post.released.fail(None);
    assert!(said(&house.ask(&operator(), release(&id, None)).await).0);
    assert_eq!(house.fakes.post.released.len(), 1);
}

#[tokio::test]
async fn a_mail_of_others_is_answered_like_one_that_is_not_there() {
    let house = house();
    let id = house.keep(&["eva@e.example"]).await;
    let carl = login("carl@d.example");
    let nowhere = KeptId("../../etc/passwd".into());
    for it in [&id, &nowhere] {
        for request in [
            release(it, None),
            Request::Delete { id: it.clone() },
            Request::Read {
                id: it.clone(),
                why: Some("curious".into()),
            },
            Request::Report {
                mail: Mail::Kept(it.clone()),
                label: Label::Ham,
                domain: None,
            },
        ] {
            assert_eq!(
                house.ask(&carl, request.clone()).await,
                Receipt::Refused(NO_SUCH_MAIL.into()),
                "{request:?}"
            );
        }
    }
    assert!(house.fakes.kept.get(&id).await.unwrap().is_some());
    let find = Request::Find {
        query: Query::default(),
    };
    assert_eq!(house.ask(&carl, find.clone()).await, Receipt::Found(Vec::new()));
    let Receipt::Found(found) = house.ask(&operator(), find).await else {
        panic!()
    };
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn whoever_reads_the_mail_of_another_says_why() {
    let house = house();
    let id = house.keep(&["carl@d.example", "eva@e.example"]).await;
    let read = |why: Option<&str>| Request::Read {
        id: id.clone(),
        why: why.map(Into::into),
    };
    assert!(is_refused(&house.ask(&operator(), read(None)).await, "say why"));
    assert!(is_refused(&house.ask(&operator(), read(Some(" "))).await, "say why"));
    let Receipt::Mail(_, octets) = house.ask(&operator(), read(Some("a complaint"))).await else {
        panic!()
    };
    assert_eq!(octets, Octets(b"Subject: held\r\n\r\nsecret\r\n".to_vec()));
    let Receipt::Mail(mail, _) = house.ask(&login("carl@d.example"), read(None)).await else {
        panic!()
    };
    assert_eq!(mail.recipients.len(), 1, "the others are not theirs to see");
    let what: Vec<_> = house.audit().await.into_iter().map(|line| line.what).collect();
    assert!(
        what.iter().any(|what| what.ends_with("because: a complaint")),
        "{what:?}"
    );
}

#[tokio::test]
async fn a_mail_kept_for_several_is_deleted_by_whom_all_of_it_concerns() {
    let house = house();
    let id = house.keep(&["carl@d.example", "eva@e.example"]).await;
    let delete = || Request::Delete { id: id.clone() };
    assert!(is_refused(
        &house.ask(&login("carl@d.example"), delete()).await,
        "for others, too"
    ));
    assert!(said(&house.ask(&login("root@d.example"), delete()).await).0);
    assert_eq!(
        house.ask(&operator(), delete()).await,
        Receipt::Refused(NO_SUCH_MAIL.into())
    );
}

#[tokio::test]
async fn a_label_is_kept_and_given_twice_changes_nothing() {
    let house = house();
    // Those here call everything new.
    house.desk.publish(Handlers::new(), terms(1_000));
    let id = house.keep(&["carl@d.example"]).await;
    let report = |label| Request::Report {
        mail: Mail::Kept(id.clone()),
        label,
        domain: None,
    };
    let carl = login("carl@d.example");
    assert!(said(&house.ask(&carl, report(Label::Spam)).await).0);
    assert!(!said(&house.ask(&carl, report(Label::Spam)).await).0);
    assert!(
        said(&house.ask(&carl, report(Label::Ham)).await).0,
        "a correction is something new"
    );
    let (mail, _) = house.fakes.kept.get(&id).await.unwrap().unwrap();
    assert_eq!(mail.label, Some((Label::Ham, "carl@d.example".into())));
}

#[tokio::test]
async fn upkeep_is_the_operators_and_damage_is_told() {
    let house = house();
    assert!(is_refused(
        &house.ask(&login("root@d.example"), Request::CompactStore).await,
        "only the operator"
    ));
    assert_eq!(
        said(&house.ask(&operator(), Request::Backup { to: "/b".into() }).await).1,
        "copied to /b"
    );
    assert!(
        matches!(house.ask(&operator(), Request::CheckStore).await, Receipt::Failed(why) if why.contains("entry 7"))
    );
}

#[tokio::test]
async fn without_an_audit_nothing_is_changed() {
    let fakes = Fakes::new();
    let broken = Store::new(Arc::new(null::NoStore));
    let means = Means {
        store: broken.clone(),
        filters: broken,
        kept: fakes.kept.clone(),
        queue: None,
        post: fakes.post.clone(),
        learning: Arc::new(null::NoLearning),
        explain: Arc::new(null::NoExplain),
        upkeep: Arc::new(Whole),
        clock: fakes.clock.clone(),
        seed: Fakes::SEED,
    };
    let lists = Arc::new(Lists::default());
    let desk = FrontDesk::new(means, terms(1_000));
    desk.publish(
        Handlers::from([("lists".into(), lists.clone() as Arc<dyn Filter>)]),
        terms(1_000),
    );
    let receipt = desk.submit(&operator(), add(Reach::Site)).await.unwrap();
    assert!(matches!(receipt, Receipt::Failed(why) if why.contains("nothing was done")));
    assert!(lists.0.is_empty());
    let show = Request::Show {
        list: List::Allow,
        reach: None,
        after: None,
        limit: None,
    };
    assert!(
        said(&desk.submit(&operator(), show).await.unwrap()).0,
        "looking is no change"
    );
}
