//! Reports of people: which mail they mean, what is learned of it, and what becomes of its sender.

use std::sync::Arc;

use async_trait::async_trait;
use gatepost_core::{Brought, Desk, Fault, KeptId, Label, Login, LoginBy, Mail, Message, Octets, Receipt, Request};
use gatepost_desk::rights::{NO_SUCH_MAIL, Staff};
use gatepost_desk::{FrontDesk, Reports, Terms, Users};
use gatepost_pipeline::Routes;
use gatepost_testkit::Book;

mod people;

use people::{MAIL, NUMBER, brought, house, house_with, lines, login, sealed, words};

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

    let house = people::house();
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
    let house = people::house();
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
        // Another's mail with the same body, and without a number of its own.
        (
            brought("From: Eva <eva@x.example>\r\nSubject: hi\r\n\r\nbuy\r\n", None),
            "buy Spam Person weight 50",
        ),
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
        let house = people::house();
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
    let house = people::house();
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
    house.delivered("00000abcd000002", "carl@d.example", MAIL).await;
    let delivered = brought("X: y\r\n\r\nz\r\n", sealed("00000abcd000002"));
    for mail in [Mail::Kept(id), copy(), brought(MAIL, sealed(NUMBER)), delivered] {
        for again in [false, true] {
            let told = house.report("carl@d.example", mail.clone(), Label::Spam).await;
            if again {
                assert!(matches!(&told, Receipt::Done(change) if !change.changed), "{told:?}");
            }
        }
    }
    assert_eq!(
        house.school.taught.all(),
        [
            "kept buy Spam Person",
            "a copy Spam Person weight 50",
            "delivered 00000abcd000002 Spam"
        ]
    );
    // The opposite is no repetition.
    let told = house.report("carl@d.example", copy(), Label::Ham).await;
    assert!(matches!(&told, Receipt::Done(change) if change.changed), "{told:?}");
    house
        .report("carl@d.example", brought(MAIL, sealed(NUMBER)), Label::Ham)
        .await;
    assert_eq!(
        house.school.taught.all()[3..],
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
    let ask = Request::Audit {
        before: None,
        limit: Some(3),
    };
    let Receipt::Audit(audit) = house.desk.submit(&login("root@d.example"), ask).await.unwrap() else {
        panic!("an audit")
    };
    // The first is this question.
    assert_eq!(audit[1].what, "add to the deny list of carl@d.example: a@b.example");
    assert_eq!((&*audit[1].by.name, &*audit[1].outcome), ("carl@d.example", "done"));
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

/// Explains by telling what it was asked about.
#[derive(Default)]
struct Explains(Book<String>);

#[async_trait]
impl gatepost_core::Explain for Explains {
    async fn explain(
        &self,
        message: &Arc<Message>,
        about: gatepost_core::About,
    ) -> Result<gatepost_core::Explanation, Fault> {
        let record = about
            .record
            .map_or(String::new(), |record| format!(" of {}", record.id));
        self.0.enter(format!("{}{record}", words(message)))?;
        Err(Fault::Unavailable("it is only written down"))
    }
    fn unvouched(&self) -> Vec<String> {
        Vec::new()
    }
}

#[tokio::test]
async fn a_mail_that_came_is_explained_with_its_record_and_another_only_to_whom_may_ask() {
    let explains = Arc::new(Explains::default());
    let ask = async |users: Users, to: &str, text: &str| {
        let mut house = house();
        house.delivered(NUMBER, to, MAIL).await;
        let mut means = house.means.clone();
        means.explain = explains.clone();
        let staff = Staff::new([], [], Routes::inbound([("d.example", "default")])).with_users(users);
        let terms = Terms {
            staff,
            requests_per_hour: 1_000,
            reports: Reports::default(),
            release_welcomes: false,
        };
        house.desk = FrontDesk::new(means, terms);
        let request = Request::Explain {
            mail: brought(text, sealed(NUMBER)),
            came: None,
            domain: None,
        };
        house.desk.submit(&login("carl@d.example"), request).await.unwrap()
    };
    let (nothing, asks) = (
        Users::default(),
        Users {
            explain: true,
            ..Users::default()
        },
    );
    let refused = Receipt::Refused(NO_SUCH_MAIL.into());
    ask(nothing, "carl@d.example", MAIL).await;
    assert_eq!(explains.0.take(), ["buy of 00000abcd000001"]);
    let changed = MAIL.replace("buy", "sell");
    assert_eq!(ask(nothing, "carl@d.example", &changed).await, refused);
    ask(asks, "carl@d.example", &changed).await;
    assert_eq!(explains.0.take(), ["sell"]);
    assert_eq!(ask(asks, "eva@e.example", MAIL).await, refused, "it is hers");
    assert!(explains.0.is_empty());
}
