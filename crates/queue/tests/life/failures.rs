use std::sync::atomic::Ordering;
use std::time::Duration;

use gatepost_core::smtp::command::{Notify, RcptParams, Ret};
use gatepost_core::{Enhanced, Reply};
use gatepost_queue::What;

use crate::house::{DAY, HOUR, House, Mail, WORLD, mail};

const NEVER: Reply = Reply::fixed(550, Enhanced(5, 1, 1), "no such user");

fn to_ann(subject: &str) -> Mail {
    mail(subject, &["ann@acme.example"])
}

/// A house whose server at `acme` is away.
fn outage() -> House {
    let house = House::new();
    house.map.server("acme").away(true);
    house
}

/// What the world was told, as text.
fn notices(house: &House) -> Vec<String> {
    let delivered = house.map.server(WORLD).script.delivered();
    delivered
        .iter()
        .map(|delivered| {
            assert!(delivered.from.is_null(), "a notice has no sender");
            assert_eq!(delivered.to[0].to_string(), "bob@sender.example");
            String::from_utf8(delivered.bytes.clone()).expect("text")
        })
        .collect()
}

#[tokio::test]
async fn five_days_of_outage_a_proven_sender_is_warned_after_four_hours_and_told_at_the_end() {
    let mut house = outage();
    house.accept(to_ann("1").proven()).await;
    house.settle().await;
    house.pass(4 * HOUR - Duration::from_mins(1)).await;
    assert_eq!(notices(&house).len(), 0);
    house.pass(Duration::from_mins(1)).await;
    assert_eq!(notices(&house).len(), 1);
    house.restart().await;
    house.pass(4 * DAY).await;
    let told = notices(&house);
    assert_eq!(told.len(), 1, "once, whoever starts anew");
    assert!(
        told[0].contains("Action: delayed\r\n") && told[0].contains("Subject: 1\r\n"),
        "{}",
        told[0]
    );
    house.pass(DAY).await;
    let told = notices(&house);
    assert_eq!(told.len(), 2);
    assert!(told[1].contains("Action: failed\r\nStatus: 4.4.7\r\n"), "{}", told[1]);
    assert_eq!(house.queue.depth_now().mails, 0);
    assert!(house.archived().await.is_empty());
    assert_eq!(house.map.server("acme").script.counts().0, 0);
}

#[tokio::test]
async fn whoever_may_have_been_forged_is_a_machine_or_wants_silence_is_told_nothing_and_the_archive_has_it() {
    let never = RcptParams {
        notify: Some(Notify::default()),
        ..RcptParams::default()
    };
    let silent: [(&str, Mail); 5] = [
        ("not proven", to_ann("1")),
        (
            "the null sender",
            Mail {
                from: "",
                ..to_ann("1").proven()
            },
        ),
        (
            "a machine",
            Mail {
                head: "Auto-Submitted: auto-generated\r\n",
                ..to_ann("1").proven()
            },
        ),
        (
            "a list",
            Mail {
                head: "Precedence: bulk\r\n",
                ..to_ann("1").proven()
            },
        ),
        (
            "NOTIFY=NEVER",
            Mail {
                to: vec![("ann@acme.example", never)],
                ..to_ann("1").proven()
            },
        ),
    ];
    for (why, mail) in silent {
        let house = outage();
        house.accept(mail).await;
        house.clock.pass(5 * DAY);
        house.settle().await;
        assert_eq!(notices(&house).len(), 0, "{why}");
        let want = [("undelivered".to_owned(), vec!["ann@acme.example".to_owned()])];
        assert_eq!(house.archived().await, want, "{why}");
        assert_eq!(house.queue.depth_now().mails, 0, "{why}");
    }
}

#[tokio::test]
async fn without_a_route_to_the_world_nobody_is_told_and_the_archive_has_it() {
    let house = outage();
    house.map.no_notices.store(true, Ordering::Relaxed);
    house.queue.publish(house.settings.clone(), house.map.clone()).await;
    house.accept(to_ann("1").proven()).await;
    house.pass(5 * DAY).await;
    assert_eq!(notices(&house).len(), 0);
    assert_eq!(house.archived().await.len(), 1);
}

#[tokio::test]
async fn what_nobody_took_and_the_archive_may_never_hold_is_set_aside_whole_and_told() {
    let never = RcptParams {
        notify: Some(Notify::default()),
        ..RcptParams::default()
    };
    let mut house = outage();
    house.kept.at_most(10);
    let to = vec![
        ("ann@acme.example", never),
        ("carl@acme.example", RcptParams::default()),
    ];
    house
        .accept(Mail {
            to,
            ..to_ann("1").proven()
        })
        .await;
    house.clock.pass(5 * DAY);
    house.settle().await;
    // Who may be told is told of those of whom he wants to hear.
    let told = notices(&house).pop().expect("a notice");
    assert!(
        told.contains("rfc822; carl@acme.example") && !told.contains("rfc822; ann@acme.example"),
        "{told}"
    );
    let depth = house.queue.depth_now();
    assert_eq!((depth.mails, depth.damaged, house.archived().await.len()), (0, 1, 0));
    let aside = house.heard.all().into_iter().find(|event| event.what == What::SetAside);
    assert_eq!(aside.expect("an event").recipients, ["ann@acme.example"]);
    house.pass(HOUR).await;
    assert_eq!(house.heard.count(What::SetAside), 1);
    // It is there after a start, and goes to whom it did not reach when somebody has it tried once more.
    house.restart().await;
    house.map.server("acme").away(false);
    let mut which = gatepost_core::Waiting::default();
    which.damaged = true;
    let flushed = gatepost_core::Queue::order(&house.queue, &which, gatepost_core::WaitingOrder::Flush).await;
    assert_eq!(flushed, Ok(1));
    house.settle().await;
    let delivered = house.map.server("acme").script.delivered();
    assert_eq!(delivered.len(), 1);
    let to: Vec<String> = delivered[0].to.iter().map(ToString::to_string).collect();
    assert_eq!(to, ["ann@acme.example"]);
    let depth = house.queue.depth_now();
    assert_eq!((depth.mails, depth.damaged), (0, 0));
}

#[tokio::test]
async fn whom_a_server_refuses_holds_up_none_of_the_others_while_the_archive_may_not_hold_the_mail() {
    let house = House::new();
    house.kept.at_most(10);
    house.map.server("acme").script.rcpt("ann@acme.example", NEVER);
    house
        .accept(mail("1", &["ann@acme.example", "carl@acme.example"]))
        .await;
    house.settle().await;
    assert_eq!(house.map.server("acme").subjects(), ["1"]);
    assert_eq!(
        house.queue.depth_now().mails,
        1,
        "the operator has time to give the archive more room"
    );
    house.clock.pass(5 * DAY);
    house.settle().await;
    assert_eq!(house.map.server("acme").subjects(), ["1"], "once");
    let aside = house.heard.all().into_iter().find(|event| event.what == What::SetAside);
    assert_eq!(aside.expect("an event").recipients, ["ann@acme.example"]);
}

#[tokio::test]
async fn what_nobody_took_stays_in_the_queue_while_the_archive_cannot_have_it() {
    let house = outage();
    house.accept(to_ann("1")).await;
    house
        .kept
        .withdrawn
        .fail(Some(gatepost_core::Fault::Unavailable("the archive")));
    house.clock.pass(5 * DAY);
    house.settle().await;
    house.pass(HOUR).await;
    assert_eq!(house.queue.depth_now().mails, 1);
    house.kept.withdrawn.fail(None);
    house.pass(HOUR).await;
    assert_eq!((house.queue.depth_now().mails, house.archived().await.len()), (0, 1));
}

#[tokio::test]
async fn a_refusal_is_told_with_the_servers_own_words() {
    let house = House::new();
    house.map.server("acme").script.rcpt("ann@acme.example", NEVER);
    let mut mail = to_ann("1").proven();
    mail.params.ret = Some(Ret::Full);
    mail.params.envid = Some("e-1".into());
    house.accept(mail).await;
    house.settle().await;
    let told = notices(&house);
    assert!(
        told[0].contains("Status: 5.1.1\r\nRemote-MTA: dns; upstream.example\r\n"),
        "{}",
        told[0]
    );
    assert!(
        told[0].contains("Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n"),
        "{}",
        told[0]
    );
    assert!(told[0].contains("Original-Envelope-Id: e-1\r\n"), "{}", told[0]);
    assert!(
        told[0].contains("message/rfc822\r\n\r\nSubject: 1\r\n\r\nthe text\r\n"),
        "{}",
        told[0]
    );
    assert_eq!(house.heard.count(What::Notified), 1);
}

#[tokio::test]
async fn our_own_people_are_told_at_home_and_without_a_way_to_the_world() {
    let house = House::new();
    house.map.no_notices.store(true, Ordering::Relaxed);
    house.map.server("acme").script.rcpt("ann@acme.example", NEVER);
    let mail = Mail {
        from: "bob@home.example",
        ..to_ann("1").proven()
    };
    house.map.server("home");
    house.accept(mail).await;
    house.settle().await;
    let told = house.map.server("home").script.delivered();
    assert_eq!((told.len(), house.archived().await.len()), (1, 0));
    assert_eq!(told[0].to[0].to_string(), "bob@home.example");
}

#[tokio::test]
async fn a_notice_that_nobody_takes_is_given_up_and_nobody_told() {
    let house = House::new();
    house.map.server("acme").script.rcpt("ann@acme.example", NEVER);
    house.map.server(WORLD).script.rcpt("bob@sender.example", NEVER);
    house.accept(to_ann("1").proven()).await;
    house.settle().await;
    assert_eq!(house.queue.depth_now().mails, 0);
    assert!(house.archived().await.is_empty());
    assert_eq!(house.heard.count(What::GivenUp), 1);
}

#[tokio::test]
async fn a_notice_waits_for_the_way_to_the_world_and_is_given_up_in_the_end() {
    let house = House::new();
    house.map.server(WORLD).away(true);
    house.map.server("acme").script.rcpt("ann@acme.example", NEVER);
    house.accept(to_ann("1").proven()).await;
    house.pass(2 * DAY).await;
    assert_eq!(house.queue.depth_now().mails, 1, "the notice");
    house.pass(4 * DAY).await;
    assert_eq!(house.queue.depth_now().mails, 0);
    assert_eq!(house.heard.count(What::GivenUp), 1);
    assert_eq!(
        house.heard.count(What::Delayed),
        0,
        "nobody is told that a notice waits"
    );
}

#[tokio::test]
async fn a_domain_that_holds_two_days_gives_up_after_two() {
    let house = outage();
    let terms = gatepost_queue::DomainTerms {
        hold: Some(2 * DAY),
        ..gatepost_queue::DomainTerms::NONE
    };
    house.map.terms.lock().unwrap().insert("acme.example".into(), terms);
    house.accept(to_ann("1")).await;
    house.clock.pass(2 * DAY - HOUR);
    house.settle().await;
    assert_eq!(house.queue.depth_now().mails, 1);
    house.clock.pass(HOUR);
    house.settle().await;
    assert_eq!((house.queue.depth_now().mails, house.archived().await.len()), (0, 1));
}
