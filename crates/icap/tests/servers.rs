//! Servers that fail in every way, on real sockets: the filter against an ICAP server that does what a test says.
//!
//! Where time matters the fake lives in the test's own runtime, whose clock runs on only when both sides have nothing to do:
//! a deadline costs no time, and nothing here waits for the wall.
#![allow(clippy::disallowed_types, reason = "the other side of the socket is played here")]

mod fake;

use std::sync::Arc;
use std::time::Duration;

use fake::{CLEAN, Does, Fake};
use gatepost_icap::Icap;
use gatepost_testkit::scans::{mail, words};

type House = gatepost_testkit::scans::House<Icap>;

/// How its files are encoded.
const BASE64: &str = "Content-Transfer-Encoding: base64\r\n";
const FOUND: &[u8] = b"ICAP/1.0 200 OK\r\nX-Infection-Found: Type=0; Resolution=2; Threat=Worm;\r\n\
                       Encapsulated: res-hdr=0, res-body=26\r\n\r\nHTTP/1.1 403 Forbidden\r\n\r\n4\r\nout!\r\n0\r\n\r\n";
const BLOCKED: &[u8] = b"ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=26\r\n\r\nHTTP/1.1 403 Forbidden\r\n\r\n4\r\nout!\r\n0\r\n\r\n";

#[tokio::test]
async fn every_answer_comes_to_what_it_means() {
    for (does, expected) in [
        (Does::Says(CLEAN), "clean"),
        (Does::Dribbles(CLEAN), "clean"),
        (Does::Echoes(None), "clean"),
        (Does::Echoes(Some(b'!')), "icap.found"),
        (Does::Says(FOUND), "icap.found"),
        (Does::Dribbles(FOUND), "icap.found"),
        (Does::AtOnce(FOUND), "icap.found"),
        (Does::Says(BLOCKED), "icap.found"),
        (
            Does::Says(b"ICAP/1.0 200 OK\r\nX-Virus-ID: Heuristics.Phishing\r\n\r\n"),
            "icap.heuristic",
        ),
        (Does::AtOnce(b"ICAP/1.0 413 Too large\r\n\r\n"), "icap.too_large"),
        (Does::AtOnce(CLEAN), "it let the mail go before it had all of it"),
        (
            Does::Says(b"ICAP/1.0 204 x\r\nX-Virus-ID:\r\n\r\n"),
            "it found something without a name",
        ),
        (
            Does::AtOnce(b"ICAP/1.0 404 Service not found\r\n\r\n"),
            "it has no such service: 404",
        ),
        (Does::Says(b"ICAP/1.0 500 Oh\r\n\r\n"), "it said 500 Oh"),
        (
            Does::Says(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            "it said what no ICAP server says: HTTP/1.1 400",
        ),
        (Does::Says(&[b'x'; 5_000]), "it said what no ICAP server says"),
        (Does::Says(b""), "the ICAP server closed the connection"),
        (
            Does::Says(b"ICAP/1.0 204 x\r\n"),
            "the ICAP server closed the connection",
        ),
        (
            Does::Says(b"ICAP/1.0 200 OK\r\nEncapsulated: res-body=0\r\n\r\n5\r\nFrom:"),
            "the ICAP server closed",
        ),
        (Does::AtOnce(b""), "the ICAP server closed the connection"),
    ] {
        // What the system takes in is sent before anybody can say that it is not.
        let sizes = if expected.contains("before it had") {
            &[20_000_000][..]
        } else {
            &[10, 300_000]
        };
        for size in sizes {
            let (house, fake) = (House::new(), Fake::start(does).await);
            let said = house.filter(&[&fake], "{}").message(*size).await;
            let said = words(&said);
            assert!(said.contains(expected), "{does:?}, {size} octets: {said}");
        }
    }
}

#[tokio::test]
async fn the_mail_arrives_as_it_came_by_either_method_and_nothing_else_of_it() {
    for (options, word) in [
        (fake::OPTIONS, "RESPMOD "),
        ("ICAP/1.0 200 OK\r\nMethods: REQMOD\r\nPreview: 30\r\n\r\n", "REQMOD "),
        (
            "ICAP/1.0 200 OK\r\nMethods: RESPMOD\r\nPreview: 1024\r\n\r\n",
            "RESPMOD ",
        ),
        ("ICAP/1.0 405 Method not allowed\r\n\r\n", "RESPMOD "),
    ] {
        let (house, fake) = (House::new(), Fake::start(Does::Says(CLEAN)).await);
        fake.options(options);
        let filter = house.filter(&[&fake], "{}");
        for size in [0, 30, 1_000, 600_000] {
            assert_eq!(words(&filter.message(size).await), "clean");
            let (head, octets) = fake.last();
            assert!(head.starts_with(word) && octets == mail(size), "{size}: {head}");
            assert!(!head.contains("ann@"), "{head}");
        }
        assert_eq!(fake.talks(), 1, "it is not asked at every mail what it can do");
    }
}

#[tokio::test]
async fn a_server_that_trusts_a_preview_is_sent_the_whole() {
    let (house, fake) = (House::new(), Fake::start(Does::Trusts).await);
    fake.options("ICAP/1.0 200 OK\r\nMethods: RESPMOD\r\nPreview: 1024\r\nAllow: 204\r\n\r\n");
    let filter = house.filter(&[&fake], "{}");
    assert_eq!(words(&filter.message(5_000).await), "clean");
    let (head, octets) = fake.last();
    assert!(!head.contains("Preview") && octets == mail(5_000), "{head}");
    assert_eq!(fake.mails(), 2, "its word on the preview was not enough");
    assert_eq!(words(&filter.message(5_000).await), "clean");
    assert_eq!(fake.mails(), 3, "and is not asked for again");
}

#[tokio::test]
async fn files_are_scanned_decoded_unless_the_engine_takes_mail_apart() {
    let (house, fake) = (House::new(), Fake::start(Does::Looks).await);
    // `a text` and `a worm` in base64.
    let (text, worm) = ("YSB0ZXh0", "YSB3b3Jt");
    let filter = house.filter(&[&fake], "{}");
    assert_eq!(words(&filter.files(BASE64, &[text, worm]).await), "icap.found");
    assert_eq!(words(&filter.files(BASE64, &[text]).await), "clean");
    assert_eq!(words(&filter.files(BASE64, &[text; 65]).await), "icap.too_large");
    let alone = house.filter(&[&fake], r#"{"files": false}"#);
    let before = fake.mails();
    assert_eq!(words(&alone.files(BASE64, &[text, worm]).await), "clean");
    assert_eq!(fake.mails(), before + 1);
}

#[tokio::test]
async fn a_mail_in_a_file_is_scanned_as_it_came_and_compared_with_what_comes_back() {
    let (house, fake) = (House::new(), Fake::start(Does::Echoes(None)).await);
    let filter = house.filter(&[&fake], "{}");
    for size in [0, 1_000, 600_000] {
        assert_eq!(words(&filter.spooled(size).await), "clean");
        assert_eq!(fake.last().1, mail(size), "{size}");
    }
    fake.now(Does::Echoes(Some(b'!')));
    assert_eq!(words(&filter.spooled(600_000).await), "icap.found");
    fake.now(Does::Says(CLEAN));
    let cut = words(&filter.cut(5_000).await);
    assert!(cut.contains("the spooled mail is shorter"), "{cut}");
    assert_eq!(
        words(&filter.message(10).await),
        "clean",
        "that was no fault of the server"
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_left_out_for_longer_and_longer() {
    let house = House::new();
    let (gone, well) = (
        Fake::start(Does::Says(CLEAN)).await,
        Fake::start(Does::Says(CLEAN)).await,
    );
    let filter = house.filter(&[&gone, &well], "{}");
    gone.leave().await;
    for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
        assert_eq!(words(&filter.message(10).await), "clean");
        assert!(house.raised("icap_gone", &gone), "seen to be gone");
        house.forget();
        house.forward(Duration::from_secs(pause - 1));
        // Whoever is built anew knows of it, too.
        let rebuilt = house.filter(&[&gone, &well], "{}");
        assert_eq!(words(&rebuilt.message(10).await), "clean");
        assert!(!house.raised("icap_gone", &gone), "not asked within {pause} s");
        house.forward(Duration::from_secs(1));
    }
    gone.come().await;
    let before = gone.mails();
    assert_eq!(words(&filter.message(10).await), "clean");
    assert_eq!(gone.mails(), before + 1);
    assert!(house.over("icap_gone", &gone));
}

#[tokio::test]
async fn where_all_are_gone_it_is_a_fault_at_once() {
    let house = House::new();
    let (one, two) = (Fake::start(Does::Hangs).await, Fake::start(Does::Hangs).await);
    one.leave().await;
    two.leave().await;
    let filter = house.filter(&[&one, &two], "{}");
    for _ in 0..3 {
        assert_eq!(words(&filter.message(10).await), "unavailable: no ICAP server answers");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_only_works_long_on_one_mail_is_there_for_others() {
    let house = House::new();
    let (busy, dead) = (Fake::start(Does::Hangs).await, Fake::start(Does::HangsDeaf).await);
    let filter = house.filter(&[&busy], "{}");
    let late = words(&filter.message(10).await);
    assert!(late.contains("in time"), "{late}");
    assert!(!house.raised("icap_gone", &busy));
    busy.now(Does::Says(CLEAN));
    assert_eq!(words(&filter.message(10).await), "clean");
    let filter = house.filter(&[&dead], "{}");
    filter.message(10).await.expect_err("late");
    assert!(house.raised("icap_gone", &dead));
}

#[tokio::test(start_paused = true)]
async fn the_next_one_has_time_left_and_a_third_is_not_risked() {
    let house = House::new();
    let (one, two) = (Fake::start(Does::Hangs).await, Fake::start(Does::Says(FOUND)).await);
    let filter = house.filter(&[&one, &two], "{}");
    assert_eq!(words(&filter.message(10).await), "icap.found");
    let (three, four) = (Fake::start(Does::Says(b"")).await, Fake::start(Does::Says(CLEAN)).await);
    let filter = house.filter(&[&one, &three, &four], "{}");
    let said = words(&filter.message(10).await);
    assert!(said.contains("closed the connection"), "{said}");
    assert_eq!(four.mails(), 0, "two were lost with this mail");
}

#[tokio::test]
async fn an_error_or_a_small_limit_of_one_is_not_the_last_word() {
    let house = House::new();
    let small = Fake::start(Does::AtOnce(b"ICAP/1.0 413 Too large\r\n\r\n")).await;
    let ill = Fake::start(Does::Says(b"ICAP/1.0 503 Busy\r\n\r\n")).await;
    let well = Fake::start(Does::Says(CLEAN)).await;
    assert_eq!(
        words(&house.filter(&[&small, &ill, &well], "{}").message(10).await),
        "clean"
    );
    assert_eq!(
        words(&house.filter(&[&small, &ill], "{}").message(10).await),
        "icap.too_large"
    );
    assert!(!house.raised("icap_gone", &ill), "an error may be the mail's doing");
}

#[tokio::test]
async fn servers_are_asked_in_turn_where_the_operator_says_so() {
    let house = House::new();
    let (one, two) = (
        Fake::start(Does::Says(CLEAN)).await,
        Fake::start(Does::Says(CLEAN)).await,
    );
    for (more, counts) in [("{}", [4, 0]), (r#"{"order": "round_robin"}"#, [6, 2])] {
        let filter = house.filter(&[&one, &two], more);
        for _ in 0..4 {
            assert_eq!(words(&filter.message(10).await), "clean");
        }
        assert_eq!([one.mails(), two.mails()], counts);
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_scans_run_than_may_and_who_waits_too_long_is_told() {
    let house = House::new();
    let fake = Fake::start(Does::Hangs).await;
    let filter = Arc::new(house.filter(&[&fake], r#"{"scans": 2, "deadline": "10s"}"#));
    let all: Vec<_> = (0..4)
        .map(|_| {
            let filter = Arc::clone(&filter);
            tokio::spawn(async move { words(&filter.message(10).await) })
        })
        .collect();
    let mut said = Vec::new();
    for one in all {
        said.push(one.await.expect("no panic"));
    }
    let count = |words: &str| said.iter().filter(|said| said.contains(words)).count();
    assert_eq!((count("in time"), count("too many scans")), (2, 2), "{said:?}");
    assert!(fake.most_at_once() <= 2, "{}", fake.most_at_once());
}

#[tokio::test]
async fn a_service_that_is_not_there_is_told_by_an_alarm_and_a_find_by_its_server() {
    let house = House::new();
    let fake = Fake::start(Does::Says(FOUND)).await;
    fake.options("ICAP/1.0 404 Service not found\r\n\r\n");
    let opinion = house.filter(&[&fake], "{}").message(10).await.expect("an opinion");
    assert!(house.raised("icap_service", &fake));
    assert_eq!(opinion.findings()[0].note, format!("Worm ({})", fake.as_ref()));
    house.filter::<&Fake>(&[], "{}");
    assert!(house.raised("icap_not_configured", "icap"));
}
