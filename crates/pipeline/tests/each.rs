//! Mail whose sender asked for a word on each recipient (PRDR, P-31).

mod house;

use std::sync::atomic::Ordering;

use gatepost_core::smtp::relay::What;
use gatepost_core::smtp::session::Question;
use gatepost_core::{MailParams, Opinion, Phase, RecipientId, Reply, Scope, Standing, Wish};
use gatepost_pipeline::Slot;
use house::*;

/// Wishes something for the recipient of each number.
fn wishes(all: impl IntoIterator<Item = (u16, Wish)>) -> Slot {
    let wish = |said: Opinion, (n, wish)| said.wish_for(Scope::Only(RecipientId(n)), Standing::Any, wish);
    at("picky", Phase::Message, all.into_iter().fold(Opinion::none(), wish))
}

fn no() -> Wish {
    Wish::Reject(Reply::plain(550, "not she"))
}

fn later() -> Wish {
    Wish::Defer(Reply::plain(451, "not yet"))
}

const TWO: [&str; 2] = ["u@d.example", "v@d.example"];

#[tokio::test(start_paused = true)]
async fn who_is_refused_hears_it_and_the_other_gets_the_mail() {
    let (house, _) = house([wishes([(1, no())])]).archive();
    let mut session = house.session().await;
    let replies = session.each(&TWO).await;
    assert_eq!(codes(&replies), ["250", "550", "250"]);
    assert_eq!(replies[0], "250 2.0.0 queued as 1");
    assert!(replies[1].starts_with("550 5.0.0 not she (id "), "{}", replies[1]);
    assert!(
        replies[2].starts_with("250 2.0.0 Accepted for some recipients (id "),
        "{}",
        replies[2]
    );
    assert_eq!(session.server.heard().last().map(String::as_str), Some("DELIVER [0]"));
    let record = session.records().await.remove(0);
    let rows: Vec<_> = record
        .recipients
        .iter()
        .map(|to| (&*to.fate, to.went.as_deref(), &*to.reply))
        .collect();
    assert_eq!(
        rows,
        [
            ("deliver", Some("one"), &*replies[0]),
            ("refuse", Some("kept:refused v@d.example"), &*replies[1])
        ]
    );
    assert_eq!(record.reply, replies[2]);
}

#[tokio::test(start_paused = true)]
async fn who_is_deferred_comes_again_alone() {
    let mut session = house([wishes([(0, later())])])
        .policy(r#"{"defer_between": [-100, 100]}"#)
        .session()
        .await;
    let replies = session.each(&TWO).await;
    assert_eq!(codes(&replies), ["451", "250", "250"]);
    assert_eq!(session.server.heard().last().map(String::as_str), Some("DELIVER [1]"));
    // Without a word on each, all come again.
    assert_eq!(codes(&session.transaction(&TWO).await), ["250", "250", "451"]);
}

#[tokio::test(start_paused = true)]
async fn where_nobody_gets_it_the_last_word_is_a_refusal() {
    for (all, want) in [
        (vec![(0, no()), (1, no())], vec!["550", "550", "550"]),
        (vec![(0, no()), (1, later())], vec!["550", "451", "451"]),
    ] {
        let mut session = house([wishes(all)])
            .policy(r#"{"defer_between": [-100, 100]}"#)
            .session()
            .await;
        assert_eq!(codes(&session.each(&TWO).await), want);
        let heard = session.server.heard();
        assert_eq!(heard.last().map(String::as_str), Some("RSET"), "{heard:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_held_copy_is_accepted_and_stays_whatever_becomes_of_the_others() {
    for (dot, want) in [("250", "250"), ("552", "552"), ("451", "451")] {
        let (house, archive) = house([wishes([(1, Wish::Hold)])]).archive();
        let mut session = house.session().await;
        let code = dot.parse().expect("a code");
        session.server.on_deliver(Ok(Reply::plain(code, "said")));
        let replies = session.each(&TWO).await;
        assert_eq!(codes(&replies), [want, "250", "250"]);
        assert_eq!(*archive.0.lock().unwrap(), ["held v@d.example"]);
    }
    // Without an archive it comes again.
    let mut session = house([wishes([(1, Wish::Hold)])]).session().await;
    assert_eq!(codes(&session.each(&TWO).await), ["250", "451", "250"]);
}

#[tokio::test(start_paused = true)]
async fn different_marks_go_in_deliveries_of_their_own_without_a_queue_and_each_hears_its_fate() {
    let tag = gatepost_core::message::SubjectTag::new("[ONLY]").expect("a tag");
    let mark = Wish::Edit(gatepost_core::Edit::Subject(tag));
    let separate = r#"{"differing_marks": "separate"}"#;
    for (second, code) in [
        (Ok(Reply::plain(250, "two")), "250"),
        (Ok(Reply::plain(552, "full")), "552"),
        (Err(loss(What::Gone, true)), "451"),
    ] {
        let mut session = house([wishes([(1, mark.clone())])]).policy(separate).session().await;
        session.server.on_deliver(Ok(Reply::plain(250, "one")));
        session.server.on_deliver(second);
        assert_eq!(codes(&session.each(&TWO).await), ["250", code, "250"]);
        let heard = session.server.heard();
        assert_eq!(heard.iter().filter(|said| said.starts_with("DELIVER")).count(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn the_mail_servers_own_word_on_each_is_passed_on() {
    let mut session = house([]).session().await;
    session.server.0.lock().unwrap().refused = vec![(0, Reply::plain(550, "not he"))];
    let replies = session.each(&TWO).await;
    assert_eq!(codes(&replies), ["550", "250", "250"]);
    let record = session.records().await.remove(0);
    assert_eq!(
        record.recipients.iter().map(|to| &*to.fate).collect::<Vec<_>>(),
        ["refuse", "deliver"]
    );
}

#[tokio::test(start_paused = true)]
async fn what_waits_waits_for_all_whom_nothing_else_befell() {
    for (why, want) in [
        (None, "250"),
        (Some(gatepost_core::NotTaken::Full("full".into())), "452"),
    ] {
        let (house, queue) = house([wishes([(1, no())])]).listing(&["u", "v"]).holding();
        *queue.refuses.lock().unwrap() = why;
        let mut session = house.session().await;
        session.server.0.lock().unwrap().away = true;
        let replies = session.each(&TWO).await;
        let last = if want == "250" { "250" } else { "452" };
        assert_eq!(codes(&replies), [want, "550", last]);
        assert_eq!(queue.taken().len(), usize::from(want == "250"));
    }
    let (house, queue) = house([]).holding();
    let mut session = house.session().await;
    session.server.on_deliver(Err(loss(What::Gone, false)));
    assert_eq!(codes(&session.each(&TWO).await), ["250", "250", "250"]);
    assert_eq!(queue.taken(), ["u@d.example v@d.example"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_gone_gets_nothing_delivered_and_nothing_kept() {
    let (house, archive) = house([wishes([(1, Wish::Hold)])]).archive();
    let mut session = house.session().await;
    let params = MailParams {
        prdr: true,
        ..MailParams::default()
    };
    session.mail_with("a@b.example", params).await;
    for to in TWO {
        session.rcpt(to).await;
    }
    session.say(Question::Data).await;
    session.gone.store(true, Ordering::SeqCst);
    session.dot(MAIL).await;
    assert!(archive.0.lock().unwrap().is_empty() && session.server.mail().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_what_is_refused_is_kept_for_people_of_ours_and_for_nobody_else() {
    for (outbound, kept) in [(false, vec!["refused v@d.example"]), (true, vec![])] {
        let (house, archive) = house([wishes([(1, no())])]).archive();
        let house = if outbound { house.outbound() } else { house };
        let mut session = house.session().await;
        assert_eq!(codes(&session.each(&TWO).await), ["250", "550", "250"]);
        session.records().await;
        assert_eq!(*archive.0.lock().unwrap(), kept);
    }
}

#[tokio::test(start_paused = true)]
async fn without_an_archive_recipients_of_different_standing_may_share_a_mail() {
    let spam = || at("spam", Phase::Message, points(20));
    let lax = r#"{"high": {"action": "header"}}"#;
    let mut session = house([spam()]).domain("e.example", lax).session().await;
    assert_eq!(
        codes(&session.each(&["u@d.example", "u@e.example"]).await),
        ["550", "250", "250"]
    );
    let replies = session.transaction(&["u@d.example", "u@e.example"]).await;
    assert_eq!(
        codes(&replies),
        ["250", "451", "550"],
        "nothing could be said to one of them"
    );
}

#[tokio::test(start_paused = true)]
async fn one_recipient_hears_one_reply() {
    let mut session = house([]).session().await;
    assert_eq!(session.each(&["u@d.example"]).await, ["250 2.0.0 queued as 1"]);
}
