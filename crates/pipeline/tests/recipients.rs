//! Recipients that are looked up before anything else is asked about them.

mod house;

use gatepost_core::smtp::relay::What;
use gatepost_core::{Opinion, Phase, Reply, Wish};
use house::*;

fn asked_at_rcpt(log: &Log) -> Vec<String> {
    lines(log)
        .into_iter()
        .filter(|line| line.starts_with("rcpt "))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn no_filter_and_no_mail_server_is_asked_about_who_is_not_on_the_list() {
    let log = Log::default();
    let mut session = house([logged("f", &log, |_, _| Ok(Opinion::none()))])
        .listing(&["u"])
        .session()
        .await;
    let replies = session.transaction(&["nobody@d.example", "u@d.example"]).await;
    assert!(
        replies[0].starts_with("550 5.1.1 No such recipient here (id "),
        "{replies:?}"
    );
    assert_eq!(codes(&replies), ["550", "250", "250"]);
    assert_eq!(session.server.heard(), ["OPEN one", "RCPT u@d.example", "DELIVER [0]"]);
    assert_eq!(asked_at_rcpt(&log), ["rcpt u@d.example"]);
    let record = session.records().await.remove(0);
    let unknown = &record.recipients[0];
    assert_eq!(
        (unknown.fate.as_str(), unknown.reply.as_str()),
        ("refuse", replies[0].as_str())
    );
    assert_eq!(
        unknown.because.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["policy.unknown_recipient"]
    );
    assert_eq!(unknown.went, None);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_recipient_is_550_also_behind_one_of_another_mail_server() {
    let mut session = house([]).listing(&["u"]).session().await;
    let replies = session
        .transaction(&["u@second.example", "nobody@d.example", "u@d.example"])
        .await;
    assert_eq!(codes(&replies), ["250", "550", "451", "250"], "{replies:?}");
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_already_hears_that_and_who_is_exempt_after_all_hears_the_truth() {
    let exempts = |exempt: bool| {
        slot("white", move |phase, _| {
            Ok(match phase {
                Phase::Rcpt if exempt => wish(Wish::Exempt),
                _ => Opinion::none(),
            })
        })
    };
    for (exempt, code) in [(false, "550 5.0.0 blocked"), (true, "550 5.1.1")] {
        let blocked = at(
            "black",
            Phase::Connect,
            wish(Wish::Reject(Reply::plain(550, "blocked"))),
        );
        let mut session = house([blocked, exempts(exempt)]).listing(&["u"]).session().await;
        session.mail("a@b.example").await;
        let reply = session.rcpt("nobody@d.example").await;
        assert!(reply.starts_with(code), "{exempt}: {reply}");
        assert!(session.server.heard().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_refuses_nobody() {
    let mut session = house([]).listing(&["u"]).session().await;
    let unknown = Reply::fixed(550, gatepost_core::Enhanced(5, 1, 1), "no");
    session.server.on_rcpt("x@e.example", Ok(unknown));
    for _ in 0..2 {
        let replies = session.transaction(&["x@e.example", "u@e.example"]).await;
        assert_eq!(codes(&replies), ["550", "250", "250"]);
        let heard = session.server.heard();
        assert!(heard.contains(&"RCPT x@e.example".to_owned()), "{heard:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_mail_server_that_is_away_is_450_and_only_for_whom_nobody_knows() {
    for (who, what, code) in [
        ("u@d.example", What::Unreachable, "451 4.4.1"),
        ("u@e.example", What::Unreachable, "450 4.4.1"),
        ("u@e.example", What::Silent, "451 4.4.2"),
        ("u@e.example", What::Refused(Reply::plain(554, "no")), "451 4.3.2"),
        ("abuse@e.example", What::Unreachable, "451 4.4.1"),
        ("postmaster", What::Unreachable, "451 4.4.1"),
    ] {
        let mut session = house([]).listing(&["u"]).session().await;
        session.server.on_rcpt(who, Err(loss(what, false)));
        session.mail("a@b.example").await;
        let reply = session.rcpt(who).await;
        assert!(reply.starts_with(code), "{who}: {reply}");
    }
}
