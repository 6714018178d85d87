//! Mail for a mail server that is away, where its domain asked that it wait (P-41).

mod house;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use gatepost_core::smtp::relay::What;
use gatepost_core::smtp::session::Question;
use gatepost_core::{
    Domain, End, Fault, Holding, Identify, Identity, Message, NotTaken, Phase, Proof, RecipientId, Reply, Reverse,
    Scope, Sender, Spf, SpfResult, Standing, Wish, async_trait,
};
use house::*;

/// A house whose queue holds mail for `d.example`, where `u` and `v` are known to exist.
fn waiting(filters: impl IntoIterator<Item = gatepost_pipeline::Slot>) -> (House, Arc<Spool>) {
    house(filters).listing(&["u", "v"]).holding()
}

fn away(server: &Server, to: &[&str]) {
    for to in to {
        server.on_rcpt(to, Err(loss(What::Unreachable, false)));
    }
}

#[tokio::test(start_paused = true)]
async fn mail_for_who_is_known_waits_while_the_mail_server_is_away() {
    let (house, queue) = waiting([]);
    let mut session = house.session().await;
    away(&session.server, &["u@d.example"]);
    let replies = session.transaction(&["u@d.example", "v@d.example"]).await;
    let record = session.records().await.remove(0);
    let queued = format!("250 2.0.0 Ok: queued as {}", record.id);
    assert_eq!(replies, ["250 2.1.5 Recipient ok", "250 2.1.5 Recipient ok", &queued]);
    assert_eq!(queue.taken(), ["u@d.example v@d.example"]);
    assert_eq!(
        session.server.heard(),
        ["OPEN one", "RCPT u@d.example", "RSET", "CLOSE"],
        "it is asked about nobody more"
    );
    assert_eq!((record.end, &record.reply), (End::Answered, &queued));
    for to in &record.recipients {
        assert_eq!((to.fate.as_str(), to.went.as_deref()), ("deliver", Some("queue")));
        assert_eq!(to.reply, queued);
    }
}

#[tokio::test(start_paused = true)]
async fn a_mail_server_that_is_believed_to_be_away_is_not_asked() {
    let (house, queue) = waiting([]);
    let mut session = house.session().await;
    session.server.0.lock().unwrap().away = true;
    assert_eq!(
        codes(&session.transaction(&["u@d.example", "u@e.example"]).await),
        ["250", "450", "250"]
    );
    assert_eq!(session.server.heard(), ["OPEN one"]);
    assert_eq!(queue.taken(), ["u@d.example"]);
    // Where nobody asked for it, or the recipient is not known, it is asked as ever: it may be back.
    assert_eq!(codes(&session.transaction(&["u@e.example"]).await), ["250", "250"]);
    assert!(queue.taken().is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_is_not_known_comes_again_and_postmaster_always_is() {
    let (house, queue) = waiting([]);
    queue.hold("e.example", Holding::Yes);
    // Where refused copies cannot be kept, a role account's mail comes alone.
    let (house, _) = house.archive();
    let mut session = house.session().await;
    let all = ["u@d.example", "w@d.example", "u@e.example", "postmaster@e.example"];
    away(&session.server, &all);
    let replies = session.transaction(&all).await;
    assert_eq!(codes(&replies), ["250", "550", "450", "250", "250"]);
    assert_eq!(queue.taken(), ["u@d.example postmaster@e.example"]);
    let replies = session.transaction(&["u@e.example"]).await;
    assert!(replies[0].starts_with("450 4.4.1"), "{}", replies[0]);
}

#[tokio::test(start_paused = true)]
async fn without_room_or_where_nobody_asked_for_it_mail_does_not_wait() {
    for (holding, code) in [(Holding::Full, "452 4.3.1"), (Holding::Never, "451 4.4.1")] {
        let (house, queue) = waiting([]);
        queue.hold("d.example", holding);
        let mut session = house.session().await;
        away(&session.server, &["u@d.example"]);
        let replies = session.transaction(&["u@d.example"]).await;
        assert!(replies[0].starts_with(code), "{}", replies[0]);
        assert_eq!(replies.len(), 1);
        let record = session.records().await.remove(0);
        let row = &record.recipients[0];
        assert_eq!((row.fate.as_str(), row.because[0].as_str()), ("defer", "upstream.away"));
    }
}

#[tokio::test(start_paused = true)]
async fn those_whom_the_server_accepted_before_it_was_lost_are_known_by_that() {
    // `x` is on no list that was read, and the server said yes.
    for (other, codes_are, queued) in [
        ("v@d.example", ["250", "250", "250"], vec!["x@e.example v@d.example"]),
        ("u@e.example", ["250", "451", "250"], vec!["x@e.example"]),
    ] {
        let (house, queue) = waiting([]);
        queue.hold("e.example", Holding::Yes);
        let mut session = house.session().await;
        session.server.on_rcpt(other, Err(loss(What::Gone, false)));
        assert_eq!(codes(&session.transaction(&["x@e.example", other]).await), codes_are);
        assert_eq!(queue.taken(), queued);
    }
    // Where one of them may not wait, none does.
    let (house, queue) = waiting([]);
    let mut session = house.session().await;
    session.server.on_rcpt("v@d.example", Err(loss(What::Gone, false)));
    let replies = session
        .transaction(&["x@e.example", "v@d.example", "u@d.example"])
        .await;
    assert_eq!(codes(&replies), ["250", "451", "451", "451"]);
    assert!(queue.taken().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_server_lost_before_the_dot_has_nothing_and_one_lost_after_it_may_have_it() {
    for (answer, code, queued) in [
        (Err(loss(What::Gone, false)), "250 2.0.0 Ok: queued as", 1),
        (Err(loss(What::Silent, true)), "451 4.4.2", 0),
        (Ok(Reply::plain(451, "not now")), "451 4.0.0 not now", 0),
        (Ok(Reply::plain(552, "too large")), "552 5.0.0 too large", 0),
    ] {
        let (house, queue) = waiting([]);
        let mut session = house.session().await;
        session.server.on_deliver(answer);
        let replies = session.transaction(&["u@d.example"]).await;
        assert!(replies[1].starts_with(code), "{}", replies[1]);
        assert_eq!(queue.taken().len(), queued);
    }
    let (house, queue) = waiting([]);
    let mut session = house.session().await;
    queue.hold("d.example", Holding::Full);
    session.server.on_deliver(Err(loss(What::Gone, false)));
    assert!(session.transaction(&["u@d.example"]).await[1].starts_with("452 4.3.1"));
}

#[tokio::test(start_paused = true)]
async fn what_the_server_says_while_it_is_there_is_the_answer() {
    for (code, said) in [("451", Reply::plain(451, "later")), ("550", Reply::plain(550, "no"))] {
        let (house, queue) = waiting([]);
        let mut session = house.session().await;
        session.server.on_rcpt("u@d.example", Ok(said));
        assert_eq!(codes(&session.transaction(&["u@d.example"]).await), [code]);
        assert!(queue.taken().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn filters_judge_mail_that_waits_as_any_other() {
    let (house, queue) = waiting([at("spam", Phase::Message, points(20))]);
    let mut session = house.session().await;
    away(&session.server, &["u@d.example"]);
    assert_eq!(codes(&session.transaction(&["u@d.example"]).await), ["250", "550"]);
    let (house, _) = waiting([at("grey", Phase::Rcpt, defer())]);
    let mut session = house.policy(r#"{"defer_between": [0, 8]}"#).session().await;
    away(&session.server, &["u@d.example"]);
    assert_eq!(codes(&session.transaction(&["u@d.example"]).await), ["451"]);
    assert!(queue.taken().is_empty());
}

fn holds_the_second() -> gatepost_pipeline::Slot {
    let opinion = gatepost_core::Opinion::none();
    at(
        "picky",
        Phase::Message,
        opinion.wish_for(Scope::Only(RecipientId(1)), Standing::Any, Wish::Hold),
    )
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_takes_nothing_leaves_nothing_behind() {
    for (why, code) in [
        (None, "250"),
        (Some(NotTaken::Full("the disk is full".into())), "452 4.3.1"),
        (Some(NotTaken::Fault(Fault::Unavailable("disk"))), "451 4.3.0"),
    ] {
        let (house, queue) = waiting([holds_the_second()]);
        let (house, archive) = house.archive();
        let taken = why.is_none();
        *queue.refuses.lock().unwrap() = why;
        let mut session = house.session().await;
        away(&session.server, &["u@d.example"]);
        let replies = session.transaction(&["u@d.example", "v@d.example"]).await;
        assert!(replies[2].starts_with(code), "{}", replies[2]);
        assert_eq!(queue.taken().len(), usize::from(taken));
        assert_eq!(archive.0.lock().unwrap().len(), usize::from(taken));
        let record = session.records().await.remove(0);
        let fates = if taken { ["deliver", "hold"] } else { ["defer", "defer"] };
        assert_eq!(record.recipients.iter().map(|to| &*to.fate).collect::<Vec<_>>(), fates);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_waits_for_a_client_that_is_gone() {
    let (house, queue) = waiting([]);
    let mut session = house.session().await;
    away(&session.server, &["u@d.example"]);
    session.mail("a@b.example").await;
    session.rcpt("u@d.example").await;
    session.say(Question::Data).await;
    session.gone.store(true, Ordering::SeqCst);
    session.dot(MAIL).await;
    assert!(queue.taken().is_empty());
    assert_eq!(session.records().await[0].end, End::Lost);
}

#[tokio::test(start_paused = true)]
async fn different_marks_wait_as_mails_of_their_own() {
    let tag = gatepost_core::message::SubjectTag::new("[ONLY]").expect("a tag");
    let mark = Wish::Edit(gatepost_core::Edit::Subject(tag));
    let opinion = gatepost_core::Opinion::none();
    let marks = opinion.wish_for(Scope::Only(RecipientId(1)), Standing::Any, mark);
    let picky = at("picky", Phase::Message, marks);
    let (house, queue) = waiting([picky]);
    let mut session = house.policy(r#"{"differing_marks": "separate"}"#).session().await;
    away(&session.server, &["u@d.example"]);
    let replies = session.transaction(&["u@d.example", "v@d.example"]).await;
    assert_eq!(codes(&replies), ["250", "250", "250"]);
    assert_eq!(queue.taken(), ["u@d.example", "v@d.example"]);
}

#[tokio::test(start_paused = true)]
async fn recipients_of_another_mail_server_do_not_wait_with_the_first() {
    let (house, queue) = waiting([]);
    queue.hold("second.example", Holding::Yes);
    let mut session = house.session().await;
    away(&session.server, &["u@d.example"]);
    let replies = session.transaction(&["u@d.example", "postmaster@second.example"]).await;
    assert_eq!(codes(&replies), ["250", "451", "250"]);
    assert!(replies[1].starts_with("451 4.3.2"), "{}", replies[1]);
    assert_eq!(queue.taken(), ["u@d.example"]);
}

/// What is proven of every mail.
struct Proven(SpfResult, Vec<(&'static str, Proof)>);

fn domain(name: &str) -> Domain {
    Domain::parse(name, false).expect("a domain")
}

#[async_trait]
impl Identify for Proven {
    async fn reverse(&self, _: IpAddr) -> Result<Reverse, Fault> {
        Ok(Reverse::default())
    }
    async fn spf(&self, sender: &Sender) -> Result<Spf, Fault> {
        let of = sender.from.mailbox().map(|from| from.domain().clone());
        Ok(Spf::new(self.0, of, None))
    }
    async fn identity(&self, _: &Sender, _: &Spf, _: &Arc<Message>) -> Result<Identity, Fault> {
        let mut identity = Identity::unknown();
        identity.proven = self.1.iter().map(|(name, proof)| (domain(name), *proof)).collect();
        Ok(identity)
    }
}

#[tokio::test(start_paused = true)]
async fn the_sender_is_proven_by_spf_or_by_a_signature_of_its_organisation() {
    for (spf, by, from, want) in [
        (SpfResult::Pass, vec![], "a@b.example", true),
        (SpfResult::Pass, vec![], "", false),
        (SpfResult::SoftFail, vec![], "a@b.example", false),
        (SpfResult::None, vec![("b.example", Proof::Dkim)], "a@b.example", true),
        (
            SpfResult::None,
            vec![("x.b.example", Proof::Dkim)],
            "a@news.b.example",
            true,
        ),
        (SpfResult::None, vec![("c.example", Proof::Dkim)], "a@b.example", false),
        (SpfResult::None, vec![("b.example", Proof::Arc)], "a@b.example", false),
    ] {
        let (mut house, queue) = waiting([]);
        house.identify = Some(Arc::new(Proven(spf, by.clone())));
        let mut session = house.session().await;
        away(&session.server, &["u@d.example"]);
        session.mail(from).await;
        session.rcpt("u@d.example").await;
        assert!(session.send(MAIL).await.starts_with("250"));
        let proven = queue.taken() == ["u@d.example proven"];
        assert_eq!(proven, want, "{spf:?} {by:?} {from}");
    }
}
