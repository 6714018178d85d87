//! Whole sessions against a scripted mail server.

mod house;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gatepost_core::smtp::relay::What;
use gatepost_core::smtp::session::{Answer, Question, Tls, Why};
use gatepost_core::{
    Concern, Delivery, End, Fault, LoginBy, NotTaken, Opinion, Phase, RecipientId, Record, Reply, Scope, Standing, Wish,
};
use gatepost_pipeline::{Exception, Exceptions, Mode, OnFault, Slot};
use house::*;

#[tokio::test(start_paused = true)]
async fn mail_passes_where_nobody_objects() {
    let mut session = house([]).session().await;
    assert!(
        session.server.heard().is_empty(),
        "no way is opened before the first recipient"
    );
    let replies = session.transaction(&["u@d.example", "v@e.example"]).await;
    assert_eq!(replies, ["250 2.0.0 ok", "250 2.0.0 ok", "250 2.0.0 queued as 1"]);
    assert_eq!(
        session.server.heard(),
        ["OPEN one", "RCPT u@d.example", "RCPT v@e.example", "DELIVER [0, 1]"]
    );
    let mail = session.server.mail();
    assert!(
        mail[0].starts_with("Received: from client.example ([192.0.2.7])"),
        "{}",
        mail[0]
    );
    assert!(mail[0].ends_with(MAIL));
    session.transaction(&["u@d.example"]).await;
    assert_eq!(
        session.server.heard(),
        ["RCPT u@d.example", "DELIVER [0]"],
        "the way serves the whole session"
    );
    let records = session.records().await;
    assert_eq!(session.server.heard(), ["CLOSE"]);
    assert_eq!(records.len(), 2);
    assert_ne!(records[0].id, records[1].id);
    assert!(mail[0].contains(&format!("id {}", records[0].id)));
}

#[tokio::test(start_paused = true)]
async fn a_record_tells_the_whole_story() {
    let mut session = house([at("puppet", Phase::Message, points(1))])
        .policy(r#"{"log_subject": true}"#)
        .session()
        .await;
    session.transaction(&["u@d.example"]).await;
    let record = session.records().await.remove(0);
    assert_eq!(
        (record.from.as_deref(), record.helo.as_deref()),
        (Some("a@b.example"), Some("client.example"))
    );
    assert_eq!(
        (record.message_id.as_deref(), record.subject.as_deref()),
        (Some("<1@b.example>"), Some("hi"))
    );
    assert_eq!(record.hash.as_ref().map(String::len), Some(32));
    assert_eq!(
        (record.end, record.reply.as_str()),
        (End::Answered, "250 2.0.0 queued as 1")
    );
    assert_eq!(
        record.calls.len(),
        5,
        "connect and HELO are told by the first transaction"
    );
    assert_eq!(
        (record.findings[0].filter.as_str(), record.findings[0].counts),
        ("puppet", true)
    );
    let to = &record.recipients[0];
    assert_eq!(
        (to.fate.as_str(), to.went.as_deref(), to.score.as_hundredths()),
        ("deliver", Some("one"), 100)
    );
    assert_eq!(record.size, MAIL.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn the_mail_servers_word_on_a_recipient_is_relayed() {
    let mut session = house([]).session().await;
    let replies = [
        ("a", Ok(Reply::plain(550, "unknown"))),
        ("b", Ok(Reply::plain(451, "later"))),
        ("c", Ok(Reply::plain(421, "bye"))),
        ("d", Ok(Reply::plain(354, "what"))),
        ("e", Err(loss(What::Unreachable, false))),
        ("f", Err(loss(What::Malformed, false))),
    ];
    for (name, reply) in replies {
        session.server.on_rcpt(&format!("{name}@d.example"), reply);
    }
    let to = ["a", "b", "c", "d", "e", "f", "ok"].map(|name| format!("{name}@d.example"));
    let replies = session.transaction(&to.each_ref().map(String::as_str)).await;
    let starts: Vec<_> = replies
        .iter()
        .map(|reply| reply.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        starts,
        [
            "550 5.0.0",
            "451 4.0.0",
            "451 4.0.0",
            "451 4.3.0",
            "451 4.4.1",
            "451 4.3.0",
            "250 2.0.0",
            "250 2.0.0"
        ]
    );
    assert_eq!(session.server.heard().last().map(String::as_str), Some("DELIVER [0]"));
    let fates: Vec<_> = session
        .records()
        .await
        .remove(0)
        .recipients
        .into_iter()
        .map(|to| to.fate)
        .collect();
    assert_eq!(
        fates,
        ["refuse", "defer", "defer", "defer", "defer", "defer", "deliver"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_relay_is_refused_before_anybody_is_asked() {
    let log = Log::default();
    let exempt = logged("exempt", &log, |_, _| Ok(wish(Wish::Exempt)));
    let mut session = house([exempt]).session().await;
    session.mail("a@b.example").await;
    lines(&log);
    for to in [
        "u@there.example",
        "u%there.example@d.example",
        "\"u@there.example\"@d.example",
        "u@[192.0.2.1]",
    ] {
        let reply = session.rcpt(to).await;
        assert!(
            reply.starts_with("550 5.7.1 Relaying denied") && reply.contains("(id "),
            "{to}: {reply}"
        );
    }
    assert!(lines(&log).is_empty() && session.server.heard().is_empty());
}

#[tokio::test(start_paused = true)]
async fn two_recipients_have_different_fates_at_rcpt() {
    let picky = slot("picky", |phase, to| {
        Ok(if phase == Phase::Rcpt && to.starts_with("bad@") {
            Opinion::none().wish_for(
                Scope::Only(RecipientId(0)),
                Standing::Any,
                Wish::Reject(Reply::plain(550, "not she")),
            )
        } else {
            Opinion::none()
        })
    });
    let mut session = house([picky]).session().await;
    let replies = session.transaction(&["bad@d.example", "good@d.example"]).await;
    assert_eq!(codes(&replies), ["550", "250", "250"]);
    assert!(replies[0].starts_with("550 5.0.0 not she (id "), "{}", replies[0]);
    assert_eq!(
        session.server.heard(),
        ["OPEN one", "RCPT good@d.example", "DELIVER [0]"]
    );
}

#[tokio::test(start_paused = true)]
async fn hold_without_an_archive_is_451_and_with_one_is_250_and_kept() {
    let mut session = house([at("holds", Phase::Message, wish(Wish::Hold))]).session().await;
    let replies = session.transaction(&["u@d.example"]).await;
    assert!(replies[1].starts_with("451 4.3.0"), "{}", replies[1]);
    assert_eq!(session.server.heard(), ["OPEN one", "RCPT u@d.example", "RSET"]);
    assert_eq!(session.records().await[0].recipients[0].fate, "defer");

    for (wish_is, reason) in [(Wish::Hold, "held"), (Wish::Discard, "discarded")] {
        let (house, archive) = house([at("holds", Phase::Message, wish(wish_is))]).archive();
        let mut session = house.session().await;
        let replies = session.transaction(&["u@d.example"]).await;
        assert!(replies[1].starts_with("250 2.0.0 Accepted (id "), "{}", replies[1]);
        assert_eq!(session.server.heard(), ["OPEN one", "RCPT u@d.example", "RSET"]);
        assert_eq!(*archive.0.lock().unwrap(), [format!("{reason} u@d.example")]);
        let to = session.records().await.remove(0).recipients.remove(0);
        assert_eq!(to.went, Some(format!("kept:{reason} u@d.example")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_loss_at_the_dot_is_451_whenever_it_happens() {
    for (after_dot, what) in [(false, What::Gone), (true, What::Silent), (true, What::Malformed)] {
        let mut session = house([]).session().await;
        session.server.on_deliver(Err(loss(what, after_dot)));
        let replies = session.transaction(&["u@d.example"]).await;
        assert_eq!(codes(&replies), ["250", "451"]);
        let record = session.records().await.remove(0);
        assert_eq!(record.recipients[0].fate, "defer");
        assert_eq!(
            record.notes.len(),
            usize::from(after_dot),
            "a copy may be there already"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_mail_servers_word_at_the_dot_is_relayed() {
    for (said, heard) in [
        (552, "552 5.0.0"),
        (452, "452 4.0.0"),
        (421, "451 4.0.0"),
        (354, "451 4.3.0"),
    ] {
        let mut session = house([]).session().await;
        session.server.on_deliver(Ok(Reply::plain(said, "no room")));
        let replies = session.transaction(&["u@d.example"]).await;
        assert!(replies[1].starts_with(heard), "{said}: {}", replies[1]);
    }
}

#[tokio::test(start_paused = true)]
async fn to_a_client_that_is_gone_nothing_is_delivered() {
    let (house, archive) = house([]).archive();
    let mut session = house.session().await;
    session.mail("a@b.example").await;
    session.rcpt("u@d.example").await;
    session.say(Question::Data).await;
    session.gone.store(true, Ordering::SeqCst);
    session.dot(MAIL).await;
    assert_eq!(session.server.heard(), ["OPEN one", "RCPT u@d.example", "RSET"]);
    assert!(archive.0.lock().unwrap().is_empty());
    assert_eq!(session.records().await[0].end, End::Lost);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_gone_after_delivery_is_told_in_the_record() {
    let mut session = house([]).session().await;
    session.mail("a@b.example").await;
    session.rcpt("u@d.example").await;
    session.say(Question::Data).await;
    let message = Arc::new(gatepost_core::Message::from_bytes(MAIL.as_bytes()));
    let question = Question::Message {
        size: 1,
        notes: Default::default(),
    };
    session.answer(question, Some(message)).await;
    session.reception.answered(session.now, false);
    assert_eq!(session.records().await[0].end, End::DeliveredUnacked);
}

#[tokio::test(start_paused = true)]
async fn what_was_said_in_one_transaction_is_forgotten_in_the_next() {
    let turns = AtomicU32::new(0);
    let whitelist = slot("whitelist", move |phase, _| {
        let exempt = phase == Phase::Mail && turns.fetch_add(1, Ordering::SeqCst) == 0;
        Ok(if exempt { wish(Wish::Exempt) } else { Opinion::none() })
    });
    let spam = at("spam", Phase::Message, points(20));
    let mut session = house([whitelist, spam]).session().await;
    assert_eq!(
        codes(&session.transaction(&["u@d.example"]).await),
        ["250", "250"],
        "exempt"
    );
    session.mail("a@b.example").await;
    session.rcpt("u@d.example").await;
    assert!(session.rset().await.starts_with("250"));
    assert_eq!(
        codes(&session.transaction(&["u@d.example"]).await),
        ["250", "550"],
        "not exempt any longer"
    );
    let records = session.records().await;
    assert_eq!(
        records.iter().map(|record| record.end).collect::<Vec<_>>(),
        [End::Answered, End::Reset, End::Answered]
    );
    assert_eq!(records[1].recipients[0].fate, "none");
}

#[tokio::test(start_paused = true)]
async fn what_was_said_at_connect_holds_and_what_was_said_at_helo_holds_until_the_next_helo() {
    let polite = slot("polite", |phase, about| {
        Ok(match phase {
            Phase::Connect => points(4),
            Phase::Helo if about == "client.example" => points(7),
            _ => Opinion::none(),
        })
    });
    let mut session = house([polite]).session().await;
    for _ in 0..2 {
        assert_eq!(codes(&session.transaction(&["u@d.example"]).await), ["250", "550"]);
    }
    session.mail("a@b.example").await;
    session.say(Question::Reset(Why::Helo)).await;
    session
        .say(Question::Helo(gatepost_core::Helo {
            name: "other.example".into(),
            extended: true,
        }))
        .await;
    assert_eq!(codes(&session.transaction(&["u@d.example"]).await), ["250", "250"]);
    let scores: Vec<_> = session
        .records()
        .await
        .iter()
        .filter_map(|r| r.recipients.first())
        .map(|to| to.score.as_hundredths())
        .collect();
    assert_eq!(scores, [1_100, 1_100, 400]);
}

#[tokio::test(start_paused = true)]
async fn a_greylist_defers_only_doubtful_mail() {
    for (score, replies) in [(0, vec!["250", "250"]), (4, vec!["451"]), (12, vec!["250", "550"])] {
        let (doubt, grey) = (
            at("doubt", Phase::Mail, points(score)),
            at("grey", Phase::Rcpt, defer()),
        );
        let mut session = house([doubt, grey])
            .policy(r#"{"defer_between": [2, 8]}"#)
            .session()
            .await;
        assert_eq!(codes(&session.transaction(&["u@d.example"]).await), replies, "{score}");
    }
    // What becomes doubtful at the dot is deferred there, for all.
    let (grey, doubt) = (at("grey", Phase::Rcpt, defer()), at("doubt", Phase::Message, points(4)));
    let mut session = house([grey, doubt])
        .policy(r#"{"defer_between": [2, 8]}"#)
        .session()
        .await;
    assert_eq!(
        codes(&session.transaction(&["u@d.example", "v@d.example"]).await),
        ["250", "250", "451"]
    );
    assert!(session.server.mail().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_delivers_and_tells_what_it_would_have_done() {
    let mut session = house([at("spam", Phase::Connect, reject())])
        .policy(r#"{"dry_run": true}"#)
        .session()
        .await;
    assert_eq!(codes(&session.transaction(&["u@d.example"]).await), ["250", "250"]);
    assert!(session.server.mail()[0].contains("X-Gatepost-Would: refuse; reason="));
    let to = session.records().await.remove(0).recipients.remove(0);
    assert_eq!((to.fate.as_str(), to.would.as_deref()), ("deliver", Some("refuse")));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_may_be_of_one_domain_only() {
    let spam = || at("spam", Phase::Message, points(20));
    let mut session = house([spam()])
        .domain("d.example", r#"{"dry_run": true}"#)
        .session()
        .await;
    assert_eq!(codes(&session.transaction(&["u@d.example"]).await), ["250", "250"]);
    assert_eq!(codes(&session.transaction(&["u@e.example"]).await), ["250", "550"]);
}

#[tokio::test(start_paused = true)]
async fn refusals_are_spoken_from_the_moment_the_operator_chose() {
    let spam = || at("spam", Phase::Connect, reject());
    let mut session = house([spam()]).policy(r#"{"speak_from": "connect"}"#).client().await;
    assert!(
        session
            .say(Question::Connect)
            .await
            .starts_with("550 5.0.0 go away (id ")
    );
    let records = session.records().await;
    assert_eq!((records[0].end, records[0].from.as_deref()), (End::Refused, None));

    let mut session = house([spam()]).policy(r#"{"speak_from": "rcpt"}"#).session().await;
    for _ in 0..2 {
        assert_eq!(
            codes(&session.transaction(&["u@d.example"]).await),
            ["550"],
            "for every transaction"
        );
    }
    assert!(session.server.heard().is_empty());

    let mut session = house([spam()]).policy(r#"{"speak_from": "message"}"#).session().await;
    assert_eq!(codes(&session.transaction(&["u@d.example"]).await), ["250", "550"]);
    assert!(session.server.mail().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_helo_or_mail_leaves_what_held_before() {
    let rude = slot("rude", |phase, about| {
        let bad = matches!(
            (phase, about),
            (Phase::Helo, "bad.example") | (Phase::Mail, "bad@b.example")
        );
        Ok(if bad { reject() } else { Opinion::none() })
    });
    let mut session = house([rude]).policy(r#"{"speak_from": "connect"}"#).session().await;
    let bad = gatepost_core::Helo {
        name: "bad.example".into(),
        extended: true,
    };
    assert!(session.say(Question::Helo(bad)).await.starts_with("550"));
    assert_eq!(
        session.reception.visit().helo.as_ref().map(|helo| &*helo.name),
        Some("client.example")
    );
    assert!(session.mail("bad@b.example").await.starts_with("550"));
    assert_eq!(codes(&session.transaction(&["u@d.example"]).await), ["250", "250"]);
}

#[tokio::test(start_paused = true)]
async fn a_diverted_recipient_never_reaches_the_mail_server() {
    let log = Log::default();
    let takes = |reply| {
        taking("box", &log, reply, |phase, to| {
            Ok(if phase == Phase::Rcpt && to.starts_with("report@") {
                wish(Wish::Divert)
            } else {
                Opinion::none()
            })
        })
    };
    let mut session = house([takes(Reply::plain(250, "reported"))]).session().await;
    let replies = session.transaction(&["report@d.example", "u@d.example"]).await;
    assert_eq!(replies[0], "250 2.1.5 Recipient ok");
    assert!(replies[1].starts_with("451 4.7.1"), "{}", replies[1]);
    assert_eq!(replies[2], "250 2.0.0 reported");
    assert!(session.server.heard().is_empty());
    let record = session.records().await.remove(0);
    assert_eq!(record.recipients[0].went.as_deref(), Some("box"));
    assert_eq!(lines(&log).iter().filter(|line| *line == "take").count(), 1);

    // The other way round the mail server's recipients go first, and the taker's come again.
    let mut session = house([takes(Reply::plain(554, "no such command"))]).session().await;
    let replies = session.transaction(&["u@d.example", "report@d.example"]).await;
    assert_eq!(codes(&replies), ["250", "451", "250"]);
    let replies = session.transaction(&["report@d.example"]).await;
    assert_eq!(replies[1], "554 5.0.0 no such command");
}

#[tokio::test(start_paused = true)]
async fn danger_is_obeyed_even_for_exempt_mail() {
    let spares = at("friend", Phase::Rcpt, wish(Wish::Exempt));
    let virus = Slot {
        concern: Concern::Danger,
        ..at("virus", Phase::Message, reject())
    };
    let mut session = house([spares, virus]).session().await;
    assert_eq!(codes(&session.transaction(&["u@d.example"]).await), ["250", "550"]);
}

/// Danger comes before divert: whoever is dangerous at RCPT is not taken. What was taken then reaches nobody, and no filter is
/// asked about it.
#[tokio::test(start_paused = true)]
async fn a_mail_that_a_filter_takes_may_hold_what_is_dangerous() {
    for (phase, want) in [(Phase::Rcpt, vec!["550"]), (Phase::Message, vec!["250", "250"])] {
        let log = Log::default();
        let takes = taking("box", &log, Reply::plain(250, "reported"), |phase, _| {
            Ok(if phase == Phase::Rcpt {
                wish(Wish::Divert)
            } else {
                Opinion::none()
            })
        });
        let virus = Slot {
            concern: Concern::Danger,
            ..at("virus", phase, reject())
        };
        let mut session = house([takes, virus]).session().await;
        assert_eq!(
            codes(&session.transaction(&["report@d.example"]).await),
            want,
            "{phase}"
        );
        assert!(session.server.heard().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_filter_may_be_off_for_one_domain() {
    let off = Exception {
        mode: Some(Mode::Off),
        ..Exception::default()
    };
    let domains = Arc::new(Exceptions::from_iter([("d.example", off)]));
    let spam = Slot {
        domains,
        ..slot("spam", |phase, _| {
            Ok(if phase < Phase::Rcpt { reject() } else { points(20) })
        })
    };
    let mut session = house([spam]).session().await;
    let replies = session.transaction(&["u@e.example", "u@d.example"]).await;
    assert_eq!(codes(&replies), ["550", "250", "250"]);
}

#[tokio::test(start_paused = true)]
async fn an_instance_of_its_own_speaks_for_its_domain_alone() {
    let own = Exception {
        filter: Some(at("own", Phase::Message, points(20)).filter),
        ..Exception::default()
    };
    let domains = Arc::new(Exceptions::from_iter([("d.example", own)]));
    let (house, archive) = house([Slot {
        domains,
        ..at("general", Phase::Message, points(1))
    }])
    .archive();
    let mut session = house.session().await;
    let replies = session.transaction(&["u@e.example", "u@d.example"]).await;
    assert_eq!(codes(&replies), ["250", "250", "250"]);
    assert_eq!(session.server.heard().last().map(String::as_str), Some("DELIVER [0]"));
    assert_eq!(*archive.0.lock().unwrap(), ["refused u@d.example"]);
}

#[tokio::test(start_paused = true)]
async fn recipients_of_another_mail_server_come_again() {
    let mut session = house([]).session().await;
    let replies = session
        .transaction(&["u@d.example", "u@second.example", "v@d.example"])
        .await;
    assert_eq!(codes(&replies), ["250", "451", "250", "250"]);
    assert!(replies[1].starts_with("451 4.3.2"), "{}", replies[1]);
    session.server.heard();
    assert_eq!(codes(&session.transaction(&["u@second.example"]).await), ["250", "250"]);
    assert_eq!(
        session.server.heard(),
        ["OPEN two", "CLOSE", "RCPT u@second.example", "DELIVER [0]"]
    );
}

#[tokio::test(start_paused = true)]
async fn recipients_of_another_policy_come_again_where_that_is_asked() {
    let strict = || house([]).domain("d.example", r#"{"strict_split": true}"#);
    let replies = strict()
        .session()
        .await
        .transaction(&["u@d.example", "u@e.example", "v@d.example"])
        .await;
    assert_eq!(codes(&replies), ["250", "451", "250", "250"]);
    assert!(replies[1].starts_with("451 4.7.1"), "{}", replies[1]);
    let replies = house([])
        .session()
        .await
        .transaction(&["u@d.example", "u@e.example"])
        .await;
    assert_eq!(codes(&replies), ["250", "250", "250"]);
}

#[tokio::test(start_paused = true)]
async fn refused_and_delivered_at_the_dot_is_kept_and_delivered_to_those_it_concerns() {
    let spam = || {
        slot("spam", |phase, _| {
            let bad = gatepost_core::Finding::new(
                gatepost_core::Tag::new("spam.bad"),
                gatepost_core::Evidence::Points(gatepost_core::Score::points(20)),
                "",
            );
            Ok(if phase == Phase::Message {
                Opinion::none().with(bad.only(RecipientId(0)))
            } else {
                Opinion::none()
            })
        })
    };
    let (with, archive) = house([spam()]).archive();
    let mut session = with.session().await;
    assert_eq!(
        codes(&session.transaction(&["bad@d.example", "good@d.example"]).await),
        ["250", "250", "250"]
    );
    assert_eq!(session.server.heard()[3..], ["DELIVER [1]"]);
    assert_eq!(*archive.0.lock().unwrap(), ["refused bad@d.example"]);
    let fates: Vec<_> = session
        .records()
        .await
        .remove(0)
        .recipients
        .into_iter()
        .map(|to| to.fate)
        .collect();
    assert_eq!(fates, ["hold", "deliver"]);

    // Where the delivery fails, what was kept is taken back, and the mail server's word is the answer.
    archive.0.lock().unwrap().clear();
    let mut session = House {
        archive: Some(Arc::clone(&archive)),
        ..house([spam()])
    }
    .session()
    .await;
    session.server.on_deliver(Ok(Reply::plain(452, "no room")));
    assert_eq!(
        codes(&session.transaction(&["bad@d.example", "good@d.example"]).await),
        ["250", "250", "452"]
    );
    assert!(archive.0.lock().unwrap().is_empty());

    // Without an archive nothing can be kept, so nothing is delivered.
    let mut session = house([spam()]).session().await;
    assert_eq!(
        codes(&session.transaction(&["bad@d.example", "good@d.example"]).await),
        ["250", "250", "451"]
    );
    assert!(session.server.mail().is_empty());
}

fn marked_for_one() -> Slot {
    slot("marks", |phase, _| {
        let tag = gatepost_core::message::SubjectTag::new("[ONLY]").unwrap();
        let edit = gatepost_core::Edit::Subject(tag);
        let wish = Opinion::none().wish_for(Scope::Only(RecipientId(0)), Standing::Any, Wish::Edit(edit));
        Ok(if phase == Phase::Message { wish } else { Opinion::none() })
    })
}

#[tokio::test(start_paused = true)]
async fn the_weaker_mark_wins_unless_a_queue_makes_two_deliveries_safe() {
    let separate = r#"{"differing_marks": "separate"}"#;
    let mut session = house([marked_for_one()]).policy(separate).session().await;
    session.transaction(&["u@d.example", "v@d.example"]).await;
    let mail = session.server.mail();
    assert!(mail.len() == 1 && !mail[0].contains("[ONLY]"), "{mail:?}");

    for (second, queued) in [
        (Reply::plain(250, "ok"), vec![]),
        (Reply::plain(451, "later"), vec!["v@d.example"]),
        // There is no archive that could have it.
        (Reply::plain(552, "full"), vec!["v@d.example"]),
    ] {
        let queue = Arc::new(Spool::default());
        let mut with = house([marked_for_one()]).policy(separate);
        with.queue = Some(Arc::clone(&queue));
        let mut session = with.session().await;
        session.server.on_deliver(Ok(Reply::plain(250, "first")));
        session.server.on_deliver(Ok(second));
        assert_eq!(
            session.transaction(&["u@d.example", "v@d.example"]).await[2],
            "250 2.0.0 first"
        );
        let mail = session.server.mail();
        assert!(mail.len() == 2 && mail[0].contains("[ONLY]") && !mail[1].contains("[ONLY]"));
        assert_eq!(*queue.taken.lock().unwrap(), queued);
    }
}

/// Each of so many recipients would get another subject.
fn marked_apart(recipients: u16) -> Slot {
    let marks = (0..recipients).fold(Opinion::none(), |said, n| {
        let tag = gatepost_core::message::SubjectTag::new(&format!("[{n}]")).unwrap();
        let wish = Wish::Edit(gatepost_core::Edit::Subject(tag));
        said.wish_for(Scope::Only(RecipientId(n)), Standing::Any, wish)
    });
    at("marks", Phase::Message, marks)
}

#[tokio::test(start_paused = true)]
async fn a_client_does_not_wait_until_everybody_has_a_mail_of_its_own() {
    let separate = r#"{"differing_marks": "separate"}"#;
    let four = ["t@d.example", "u@d.example", "v@d.example", "w@d.example"];
    let queue = Arc::new(Spool::default());
    let mut with = house([marked_apart(4)]).policy(separate);
    with.queue = Some(Arc::clone(&queue));
    let mut session = with.session().await;
    session.server.0.lock().unwrap().slow = Duration::from_secs(20);
    let codes_are = session.transaction(&four).await;
    assert_eq!(codes(&codes_are), ["250"; 5]);
    assert_eq!(session.server.mail().len(), 3);
    assert_eq!(queue.taken(), ["w@d.example"], "the queue sees to the rest");

    // Where each is told, whoever got nothing comes again.
    let mut session = house([marked_apart(4)]).policy(separate).session().await;
    session.server.0.lock().unwrap().slow = Duration::from_secs(20);
    assert_eq!(codes(&session.each(&four).await), ["250", "250", "250", "451", "250"]);
    assert_eq!(session.server.mail().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_refused_at_connect_by_a_filter_that_some_domain_does_not_want() {
    let at_connect = |mode| {
        let off = Exception {
            mode: Some(mode),
            ..Default::default()
        };
        Slot {
            domains: Arc::new(Exceptions::from_iter([("d.example", off)])),
            ..at("list", Phase::Connect, reject())
        }
    };
    let connect = r#"{"speak_from": "connect"}"#;
    let mut session = house([at_connect(Mode::Off)]).policy(connect).session().await;
    assert_eq!(codes(&session.transaction(&["u@d.example"]).await), ["250", "250"]);
    assert_eq!(codes(&session.transaction(&["u@e.example"]).await), ["550"]);
    let mut session = house([at_connect(Mode::Enforce)]).policy(connect).client().await;
    assert!(session.say(Question::Connect).await.starts_with("550"));
}

#[tokio::test(start_paused = true)]
async fn whom_the_mail_server_takes_back_is_not_lost() {
    let (house, archive) = house([]).archive();
    let mut session = house.session().await;
    let refused = vec![(1, Reply::plain(550, "not any longer"))];
    let delivery = Delivery {
        reply: Reply::plain(250, "ok"),
        refused,
    };
    session.server.0.lock().unwrap().deliveries.push_back(Ok(delivery));
    assert_eq!(
        codes(&session.transaction(&["u@d.example", "v@d.example"]).await),
        ["250", "250", "250"]
    );
    assert_eq!(*archive.0.lock().unwrap(), ["undelivered v@d.example"]);
    assert_eq!(session.records().await[0].recipients[1].fate, "hold");
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_can_be_saved_nowhere_is_the_senders_still() {
    let separate = r#"{"differing_marks": "separate"}"#;
    let two = ["u@d.example", "v@d.example"];
    let fates = |record: &Record| record.recipients.iter().map(|to| to.fate.clone()).collect::<Vec<_>>();
    let queue = Arc::new(Spool::default());
    *queue.refuses.lock().unwrap() = Some(NotTaken::Fault(Fault::Unavailable("disk")));
    let archive = Arc::new(Archive::default());
    archive.1.store(true, Ordering::SeqCst);
    let mut with = house([marked_apart(2)]).policy(separate);
    with.queue = Some(Arc::clone(&queue));
    with.archive = Some(Arc::clone(&archive));
    let alarms = Arc::new(Bells::default());
    with.alarms = Some(alarms.clone());
    let mut session = with.session().await;
    let ok = || Delivery {
        reply: Reply::plain(250, "ok"),
        refused: Vec::new(),
    };
    let deliveries = [Ok(ok()), Err(loss(What::Gone, false)), Ok(ok()), Ok(ok())];
    session.server.0.lock().unwrap().deliveries.extend(deliveries);
    let replies = session.transaction(&two).await;
    assert_eq!(codes(&replies), ["250", "250", "451"]);
    let record = session.records().await.remove(0);
    assert_eq!(fates(&record), ["deliver", "defer"]);
    assert_eq!(record.recipients[1].went, None);
    assert!(
        record
            .notes
            .iter()
            .any(|note| note.contains("1 of 2 copies could be saved nowhere")),
        "{:?}",
        record.notes
    );
    let raised = std::mem::take(&mut *alarms.0.lock().unwrap());
    assert!(
        matches!(&raised[..], [alarm] if alarm.starts_with("unsaved one: ")),
        "{raised:?}"
    );
    // It comes again, and all have it.
    assert_eq!(codes(&session.transaction(&two).await), ["250", "250", "250"]);
    assert!(alarms.0.lock().unwrap().is_empty());
    assert_eq!(fates(&session.records().await[0]), ["deliver", "deliver"]);
}

#[tokio::test(start_paused = true)]
async fn a_mail_server_lost_among_recipients_ends_the_transaction_without_a_message() {
    let mut session = house([]).session().await;
    session.server.on_rcpt("b@d.example", Err(loss(What::Gone, false)));
    let replies = session
        .transaction(&["a@d.example", "b@d.example", "c@d.example"])
        .await;
    assert_eq!(codes(&replies), ["250", "451", "451", "451"], "{replies:?}");
    assert!(session.server.mail().is_empty());
    assert_eq!(
        codes(&session.transaction(&["a@d.example"]).await),
        ["250", "250"],
        "and the next one is a new one"
    );
}

#[tokio::test(start_paused = true)]
async fn a_fault_is_never_5xx() {
    for (on_fault, want) in [
        (OnFault::Ignore, "250"),
        (OnFault::Mark, "250"),
        (OnFault::Defer, "451"),
        (OnFault::Hold, "451"),
    ] {
        for concern in [Concern::Spam, Concern::Danger] {
            let faulty = slot("faulty", |phase, _| match phase {
                Phase::Message => Err(Fault::Unavailable("the scanner")),
                _ => Ok(Opinion::none()),
            });
            let mut session = house([Slot {
                on_fault,
                concern,
                ..faulty
            }])
            .session()
            .await;
            let replies = session.transaction(&["u@d.example"]).await;
            assert_eq!(codes(&replies), ["250", want], "{on_fault:?}");
            let marked = session
                .server
                .mail()
                .first()
                .is_some_and(|mail| mail.contains("X-Gatepost-Unchecked: faulty"));
            assert_eq!(marked, on_fault == OnFault::Mark);
            let record = session.records().await.remove(0);
            let faults: Vec<_> = record.calls.iter().filter_map(|call| call.fault.as_deref()).collect();
            assert_eq!(faults, ["unavailable: the scanner"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn close_says_its_reply_and_ends_the_session() {
    let rude = at("rude", Phase::Rcpt, wish(Wish::Close(Reply::plain(554, "enough"))));
    let mut session = house([rude]).session().await;
    session.mail("a@b.example").await;
    let answer = session.rcpt("u@d.example").await;
    assert!(
        answer.starts_with("554 5.0.0 enough") && answer.ends_with(", and the end"),
        "{answer}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_delay_is_told_once_and_no_session_waits_longer_than_half_a_minute() {
    let tarpit = at("tarpit", Phase::Rcpt, wish(Wish::Delay(Duration::from_secs(20))));
    let mut session = house([tarpit]).session().await;
    session.mail("a@b.example").await;
    for secs in [20, 10, 0] {
        session.rcpt("u@d.example").await;
        assert_eq!(session.reception.delay().as_secs(), secs);
        assert_eq!(session.reception.delay(), Duration::ZERO, "it is told once");
    }
}

#[tokio::test(start_paused = true)]
async fn mail_that_goes_round_in_a_loop_is_refused() {
    for (received, count, want) in [
        ("Received: from x by y.example; date\r\n", 100, "250"),
        ("Received: from x by y.example; date\r\n", 101, "554"),
        ("Received: from x by MX.d.example; date\r\n", 3, "250"),
        ("Received: from x by MX.d.example; date\r\n", 4, "554"),
    ] {
        let mut session = house([]).session().await;
        session.mail("a@b.example").await;
        session.rcpt("u@d.example").await;
        let reply = session.send(&format!("{}{MAIL}", received.repeat(count))).await;
        assert!(reply.starts_with(want), "{count}: {reply}");
        assert!(want == "250" || reply.starts_with("554 5.4.6"), "{reply}");
    }
}

#[tokio::test(start_paused = true)]
async fn postmaster_hears_what_others_are_spared() {
    let spam = at("spam", Phase::Connect, reject());
    let mut session = house([spam]).session().await;
    let replies = session
        .transaction(&["u@d.example", "postmaster", "abuse@d.example"])
        .await;
    assert_eq!(codes(&replies), ["550", "250", "250", "250"]);
}

#[tokio::test(start_paused = true)]
async fn a_login_counts_from_235_on_and_its_password_is_nowhere() {
    let mut session = house([]).outbound().session().await;
    let plain = |initial: &str| Question::Auth {
        mechanism: "PLAIN".into(),
        initial: Some(initial.into()),
    };
    session.server.0.lock().unwrap().auth.push_back(Reply::plain(535, "no"));
    assert!(session.say(plain("AHVzZXIAc2VjcmV0")).await.starts_with("535"));
    assert_eq!(session.reception.visit().login, None);

    session.server.0.lock().unwrap().auth.extend([
        Reply::plain(334, "VXNlcm5hbWU6"),
        Reply::plain(334, "UGFzc3dvcmQ6"),
        Reply::plain(235, "welcome"),
    ]);
    let login = Question::Auth {
        mechanism: "LOGIN".into(),
        initial: None,
    };
    assert_eq!(
        session.answer(login, None).await,
        Answer::Challenge("VXNlcm5hbWU6".into())
    );
    let more = session.answer(Question::AuthLine("dXNlcg==".into()), None).await;
    assert_eq!(more, Answer::Challenge("UGFzc3dvcmQ6".into()));
    assert!(
        session
            .say(Question::AuthLine("c2VjcmV0".into()))
            .await
            .starts_with("235 2.0.0")
    );
    let known = session.reception.visit().login.clone().expect("a login");
    assert_eq!((&*known.name, known.by), ("user", LoginBy::Auth));
    session.transaction(&["u@there.example"]).await;
    let records = session.records().await;
    assert_eq!(records[0].login.as_ref().map(|login| &*login.name), Some("user"));
    assert!(!format!("{records:?}").contains("secret"));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_235_is_no_login() {
    let mut session = house([]).outbound().session().await;
    session
        .server
        .0
        .lock()
        .unwrap()
        .auth
        .push_back(Reply::plain(250, "sure"));
    let plain = Question::Auth {
        mechanism: "PLAIN".into(),
        initial: Some("AHVzZXIAc2VjcmV0".into()),
    };
    assert!(session.say(plain.clone()).await.starts_with("451"));
    assert_eq!(session.reception.visit().login, None);
    let mut inbound = house([]).session().await;
    assert!(inbound.say(plain).await.starts_with("454 4.7.0"));
}

#[tokio::test(start_paused = true)]
async fn tls_forgets_helo_login_and_the_way_but_not_the_connection() {
    let mut session = house([at("c", Phase::Connect, points(4)), at("h", Phase::Helo, points(4))])
        .outbound()
        .session()
        .await;
    session
        .server
        .0
        .lock()
        .unwrap()
        .auth
        .push_back(Reply::plain(235, "welcome"));
    let plain = Question::Auth {
        mechanism: "PLAIN".into(),
        initial: Some("AHVzZXIAc2VjcmV0".into()),
    };
    session.say(plain).await;
    let tls = Tls {
        version: "TLSv1.3".into(),
        cipher: "TLS_AES_128_GCM_SHA256".into(),
        server_name: None,
    };
    session.reception.secured(Arc::new(tls));
    let visit = session.reception.visit();
    assert!(visit.login.is_none() && visit.helo.is_none() && visit.client.tls.is_some());
    session.transaction(&["u@there.example"]).await;
    let record = session.records().await.remove(0);
    assert_eq!(
        record.recipients[0].score.as_hundredths(),
        400,
        "connect counts, HELO does not"
    );
    assert_eq!(record.tls.as_deref(), Some("TLSv1.3 TLS_AES_128_GCM_SHA256"));
}

#[tokio::test(start_paused = true)]
async fn outbound_mail_is_sent_from_ones_own_address_only() {
    let strict = || house([]).outbound().policy(r#"{"sender_must_match": "local_domain"}"#);
    let mut session = strict().session().await;
    assert!(session.mail("a@b.example").await.starts_with("553 5.7.1"));
    assert!(session.mail("").await.starts_with("250"), "bounces have no sender");
    session.rset().await;
    assert!(session.mail("a@d.example").await.starts_with("250"));
    session.rcpt("u@there.example").await;
    assert!(
        session.send(MAIL).await.starts_with("550 5.7.1 The From header"),
        "the author is a@b.example"
    );
    session.mail("a@d.example").await;
    session.rcpt("u@there.example").await;
    assert!(
        session
            .send("From: A <a@d.example>\r\n\r\nhi\r\n")
            .await
            .starts_with("250")
    );
}

#[tokio::test(start_paused = true)]
async fn a_spoilt_message_is_over_and_told() {
    let mut session = house([]).session().await;
    session.mail("a@b.example").await;
    session.rcpt("u@d.example").await;
    session.say(Question::Data).await;
    let reply = Reply::plain(550, "a bare CR");
    session
        .say(Question::Spoilt {
            reply,
            size: 9,
            notes: Default::default(),
        })
        .await;
    session.reception.answered(session.now, true);
    assert_eq!(session.server.heard().last().map(String::as_str), Some("RSET"));
    let record = session.records().await.remove(0);
    assert_eq!(
        (record.size, record.reply.as_str(), record.end),
        (9, "550 a bare CR", End::Answered)
    );
    assert_eq!(record.recipients[0].fate, "refuse");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ends_within_a_transaction_leaves_nothing_open() {
    let mut session = house([]).session().await;
    session.mail("a@b.example").await;
    session.rcpt("u@d.example").await;
    let records = session.records().await;
    assert_eq!((records.len(), records[0].end), (1, End::Lost));
    assert_eq!(
        session.server.heard(),
        ["OPEN one", "RCPT u@d.example", "RSET", "CLOSE"]
    );
}

#[tokio::test(start_paused = true)]
async fn refused_mail_is_kept_after_the_answer() {
    let (with, archive) = house([at("spam", Phase::Message, points(20))]).archive();
    let mut session = with.session().await;
    let replies = session.transaction(&["u@d.example"]).await;
    assert!(
        replies[1].starts_with("550 5.7.1 Mail (") && replies[1].contains(") appears to be unsolicited"),
        "{}",
        replies[1]
    );
    let records = session.records().await;
    assert_eq!(*archive.0.lock().unwrap(), ["refused u@d.example"]);
    let went = records[0].recipients[0].went.as_deref().unwrap_or_default();
    assert!(
        went.starts_with("kept:"),
        "whoever deletes the copy finds what was learned of it: {went}"
    );
    // Never after a 4xx.
    let (with, archive) = house([at("grey", Phase::Message, defer())]).archive();
    let mut session = with.session().await;
    assert_eq!(codes(&session.transaction(&["u@d.example"]).await), ["250", "451"]);
    session.records().await;
    assert!(archive.0.lock().unwrap().is_empty());
    // Nor what our own people were not let send: whoever could ask for it is none of ours.
    let (with, archive) = house([at("spam", Phase::Message, points(20))]).outbound().archive();
    let mut session = with.session().await;
    assert_eq!(codes(&session.transaction(&["u@d.example"]).await), ["250", "550"]);
    session.records().await;
    assert!(archive.0.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn more_recipients_than_a_transaction_holds_are_told_to_come_in_another() {
    let mut session = house([]).session().await;
    session.mail("a@b.example").await;
    for n in 0..2_000 {
        assert!(session.rcpt(&format!("u{n}@d.example")).await.starts_with("250"));
    }
    assert!(session.rcpt("last@d.example").await.starts_with("452 4.5.3"));
    let record = session.records().await.remove(0);
    assert_eq!((record.recipients.len(), record.recipients_dropped), (1_000, 1_001));
}

#[tokio::test(start_paused = true)]
async fn filters_are_told_of_the_end_and_a_panic_there_hurts_nobody() {
    struct Bad;
    #[gatepost_core::async_trait]
    impl gatepost_core::Filter for Bad {
        async fn observe(&self, _: &gatepost_core::Context<'_>, _: &Record, _: Option<&Arc<gatepost_core::Message>>) {
            panic!("a filter with a bug")
        }
    }
    let log = Log::default();
    let bad = Slot {
        filter: Arc::new(Bad),
        ..slot("bad", |_, _| Ok(Opinion::none()))
    };
    let mut session = house([bad, logged("good", &log, |_, _| Ok(Opinion::none()))])
        .session()
        .await;
    session.transaction(&["u@d.example"]).await;
    assert_eq!(session.records().await.len(), 1);
    assert_eq!(lines(&log).last().map(String::as_str), Some("observe Answered"));
}

#[tokio::test(start_paused = true)]
async fn a_replay_tells_every_recipients_fate_and_changes_nothing() {
    let log = Log::default();
    let spam = logged("spam", &log, |phase, about| {
        Ok(match phase {
            Phase::Connect => points(2),
            Phase::Rcpt if about.starts_with("held@") => {
                Opinion::none().wish_for(Scope::Only(RecipientId(1)), Standing::Any, Wish::Hold)
            }
            _ => Opinion::none(),
        })
    });
    let mut with = house([spam, at("late", Phase::Message, points(1))]);
    let kept = Arc::new(Archive::default());
    let real = services(Some(Arc::clone(&kept)), None);
    with.archive = None;
    let pipeline = with.pipeline(Vec::new());
    let pipeline = gatepost_pipeline::Pipeline::new(
        "replay",
        pipeline.tiers().to_vec(),
        pipeline.policy().clone(),
        pipeline.routes().clone(),
        pipeline.ours().clone(),
        gatepost_pipeline::replay::services(&real),
        pipeline.followers().clone(),
    );
    let client = gatepost_core::Client::new("192.0.2.7".parse().unwrap(), 25);
    let to = ["u@d.example", "held@d.example", "u@there.example"];
    let record = pipeline
        .replay(gatepost_pipeline::Replay {
            now: gatepost_core::Time::from_secs(5),
            visit: gatepost_core::Visit::new(gatepost_core::Direction::Inbound, "replay".into(), client),
            from: gatepost_core::Path::reverse("a@b.example", false).unwrap(),
            to: to.map(|to| gatepost_core::Path::forward(to, false).unwrap()).to_vec(),
            message: Arc::new(gatepost_core::Message::from_bytes(MAIL.as_bytes())),
            facts: gatepost_core::Facts::default(),
        })
        .await;
    let fates: Vec<_> = record
        .recipients
        .iter()
        .map(|to| (to.fate.as_str(), to.score.as_hundredths()))
        .collect();
    assert_eq!(fates, [("deliver", 300), ("hold", 300), ("refuse", 0)]);
    assert_eq!(record.findings.len(), 2);
    assert!(!lines(&log).iter().any(|line| line.starts_with("observe")));
    assert!(kept.0.lock().unwrap().is_empty(), "a replay keeps nothing");
}

#[tokio::test]
async fn an_alarm_of_a_loop_is_raised_by_mail_that_left_here_and_not_by_our_name() {
    use gatepost_core::{Reference, Seed};
    let alarms = Arc::new(Bells::default());
    let mut house = house([]);
    house.alarms = Some(alarms.clone());
    let mut session = house.session().await;
    let id = "06f3k9a1zq4c7wd";
    let ours = Reference::write(&Seed::new([7; 16]), id);
    let others = Reference::write(&Seed::new([8; 16]), id);
    let of_another_mail = Reference::write(&Seed::new([7; 16]), "06f3k9a1zq4c7wx");
    for (number, rings) in [
        ("x1", false),
        (&*others, false),
        (&*of_another_mail, false),
        (&*ours, true),
    ] {
        session.mail("ann@b.example").await;
        session.rcpt("carl@d.example").await;
        let line =
            format!("Received: from a.example by mx.d.example with ESMTP id {id}; Mon, 05 Jan 2026 12:00:00 +0000\r\n");
        let mail = format!("{}X-Gatepost-Id: {number}\r\n\r\nHello.\r\n", line.repeat(4));
        assert!(session.send(&mail).await.starts_with("554 5.4.6"), "{number}");
        let raised = std::mem::take(&mut *alarms.0.lock().unwrap());
        assert_eq!(raised.len(), usize::from(rings), "{number}: {raised:?}");
        for alarm in &raised {
            assert!(
                alarm.starts_with("mail_loop one: ") && alarm.ends_with("sends mail for the domain d.example"),
                "{alarm}"
            );
        }
    }
}
