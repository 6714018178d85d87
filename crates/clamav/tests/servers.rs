//! Servers that fail in every way, on real sockets: the filter against a clamd that does what a test says.
//!
//! The fake lives in the test's own runtime, whose clock runs on only when both sides have nothing to do: a deadline costs
//! no time, and nothing here waits for the wall.
#![allow(clippy::disallowed_types, reason = "the other side of the socket is played here")]

mod fake;

use std::sync::Arc;
use std::time::Duration;

use fake::{Does, Fake};
use gatepost_clamav::Clamav;
use gatepost_testkit::scans::{mail, words};

type House = gatepost_testkit::scans::House<Clamav>;

#[tokio::test(start_paused = true)]
async fn every_answer_comes_to_what_it_means() {
    for (does, expected) in [
        (Does::Says(b"stream: OK\0"), "clean"),
        (Does::Says(b"stream: Worm FOUND\0"), "clamav.found"),
        (Does::Says(b"stream: Worm FOUND\n"), "clamav.found"),
        (Does::AtOnce(b"stream: Worm FOUND\0"), "clamav.found"),
        (Does::Says(b"stream: Heuristics.Phishing FOUND\0"), "clamav.heuristic"),
        (
            Does::Says(b"stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND\0"),
            "clamav.too_large",
        ),
        (
            Does::AtOnce(b"INSTREAM size limit exceeded. ERROR\0"),
            "clamav.too_large",
        ),
        (Does::Dribbles(b"stream: OK\0"), "clean"),
        (Does::Dribbles(b"stream: Worm FOUND\0"), "clamav.found"),
        (
            Does::Says(b"stream: (null) FOUND\0"),
            "it found something without a name",
        ),
        (Does::AtOnce(b"stream: OK\0"), "it said OK before it had the whole mail"),
        (
            Does::Says(b"stream: Can't create file ERROR\0"),
            "it said: stream: Can't create file ERROR",
        ),
        (Does::AtOnce(b"COMMAND READ TIMED OUT\0"), "it waited too long for us"),
        (Does::AtOnce(b"UNKNOWN COMMAND\0"), "it does not know INSTREAM"),
        (
            Does::Says(b"HTTP/1.1 400 Bad Request\r\n"),
            "it said what no clamd says: HTTP/1.1 400",
        ),
        (Does::Says(&[b'x'; 5_000]), "its answer does not end"),
        (Does::Says(b""), "clamd closed the connection"),
        (Does::Says(b"stream: OK"), "clamd closed the connection"),
        (Does::AtOnce(b""), "clamd closed the connection"),
        (Does::AtOnce(b"stream: Wor"), "clamd closed the connection"),
        (Does::Hangs, "clamd did not answer in time"),
        (Does::HangsDeaf, "clamd did not answer in time"),
    ] {
        // A mail of one write is there before anybody can say that it is not.
        let sizes = if expected.contains("before it had") {
            &[300_000][..]
        } else {
            &[10, 300_000]
        };
        for size in sizes {
            let (house, fake) = (House::new(), Fake::start(does));
            let said = house.filter(&[&fake], "{}").message(*size).await;
            let said = words(&said);
            assert!(said.contains(expected), "{does:?}, {size} octets: {said}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_find_that_only_weighs_ends_no_scan() {
    let said = async |answer: &'static [u8], files: &[&str]| {
        let (house, fake) = (House::new(), Fake::start(Does::Looks(answer)));
        words(&house.filter(&[&fake], "{}").files("", files).await)
    };
    let (weak, beyond) = (
        b"stream: PUA.Tool FOUND\0",
        b"stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND\0",
    );
    assert_eq!(said(weak, &["a tool", "a worm"]).await, "clamav.found");
    assert_eq!(said(weak, &["a tool", "a text"]).await, "clamav.heuristic");
    assert_eq!(said(beyond, &["a bomb", "a worm"]).await, "clamav.found");
    assert_eq!(said(beyond, &["a bomb"]).await, "clamav.too_large");
    let too_large = b"INSTREAM size limit exceeded. ERROR\0";
    assert_eq!(said(too_large, &["a worm"]).await, "clamav.found");
    // More than are scanned by themselves: that is told, too.
    assert_eq!(said(weak, &["a tool"; 70]).await, "clamav.too_largeclamav.heuristic");
    assert_eq!(
        said(b"stream: OK\0", &["a worm"; 70]).await,
        "clean",
        "its word on the whole is enough"
    );
}

#[tokio::test(start_paused = true)]
async fn a_mail_in_a_file_is_scanned_as_it_came() {
    let (house, fake) = (House::new(), Fake::start(Does::Says(b"stream: OK\0")));
    let filter = house.filter(&[&fake], "{}");
    for size in [0, 1_000, 600_000] {
        assert_eq!(words(&filter.spooled(size).await), "clean");
        assert_eq!(fake.last(), mail(size), "{size}");
    }
    let cut = words(&filter.cut(5_000).await);
    assert!(cut.contains("the spooled mail is shorter"), "{cut}");
    assert_eq!(
        words(&filter.message(10).await),
        "clean",
        "that was no fault of the server"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_not_there_is_left_out_for_longer_and_longer() {
    let house = House::new();
    let (gone, well) = (
        Fake::start(Does::Says(b"stream: OK\0")),
        Fake::start(Does::Says(b"stream: OK\0")),
    );
    let filter = house.filter(&[&gone, &well], "{}");
    gone.leave();
    for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
        assert_eq!(words(&filter.message(10).await), "clean");
        assert!(house.raised("clamd_gone", &gone), "seen to be gone");
        house.forget();
        house.forward(Duration::from_secs(pause - 1));
        // Whoever is built anew knows of it, too.
        let rebuilt = house.filter(&[&gone, &well], "{}");
        assert_eq!(words(&rebuilt.message(10).await), "clean");
        assert!(!house.raised("clamd_gone", &gone), "not asked within {pause} s");
        house.forward(Duration::from_secs(1));
    }
    gone.come();
    let before = gone.mails();
    assert_eq!(words(&filter.message(10).await), "clean");
    assert_eq!(gone.mails(), before + 1);
    assert!(house.over("clamd_gone", &gone));
}

#[tokio::test(start_paused = true)]
async fn where_all_are_gone_it_is_a_fault_at_once() {
    let house = House::new();
    let (one, two) = (Fake::start(Does::Hangs), Fake::start(Does::Hangs));
    one.leave();
    two.leave();
    let filter = house.filter(&[&one, &two], "{}");
    for _ in 0..3 {
        assert_eq!(words(&filter.message(10).await), "unavailable: no clamd answers");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_only_works_long_on_one_mail_is_there_for_others() {
    let house = House::new();
    let (busy, dead) = (Fake::start(Does::Hangs), Fake::start(Does::HangsDeaf));
    let filter = house.filter(&[&busy], "{}");
    filter.message(10).await.expect_err("late");
    assert!(!house.raised("clamd_gone", &busy));
    busy.now(Does::Says(b"stream: OK\0"));
    assert_eq!(words(&filter.message(10).await), "clean");
    let filter = house.filter(&[&dead], "{}");
    filter.message(10).await.expect_err("late");
    assert!(house.raised("clamd_gone", &dead));
}

#[tokio::test(start_paused = true)]
async fn the_next_one_has_time_left_and_a_third_is_not_risked() {
    let house = House::new();
    let (one, two) = (
        Fake::start(Does::Hangs),
        Fake::start(Does::Says(b"stream: Worm FOUND\0")),
    );
    let filter = house.filter(&[&one, &two], "{}");
    assert_eq!(words(&filter.message(10).await), "clamav.found");
    let (three, four) = (Fake::start(Does::Says(b"")), Fake::start(Does::Says(b"stream: OK\0")));
    let filter = house.filter(&[&one, &three, &four], "{}");
    let said = words(&filter.message(10).await);
    assert!(said.contains("closed the connection"), "{said}");
    assert_eq!(four.mails(), 0, "two were lost with this mail");
}

#[tokio::test(start_paused = true)]
async fn an_error_or_a_small_limit_of_one_is_not_the_last_word() {
    let house = House::new();
    let small = Fake::start(Does::AtOnce(b"INSTREAM size limit exceeded. ERROR\0"));
    let ill = Fake::start(Does::Says(b"stream: Can't open file ERROR\0"));
    let well = Fake::start(Does::Says(b"stream: OK\0"));
    assert_eq!(
        words(&house.filter(&[&small, &ill, &well], "{}").message(10).await),
        "clean"
    );
    assert_eq!(
        words(&house.filter(&[&small, &ill], "{}").message(10).await),
        "clamav.too_large"
    );
    assert!(!house.raised("clamd_gone", &ill), "an error may be the mail's doing");
}

#[tokio::test(start_paused = true)]
async fn servers_are_asked_in_turn_where_the_operator_says_so() {
    let house = House::new();
    let fakes: Vec<_> = (0..3).map(|_| Fake::start(Does::Says(b"stream: OK\0"))).collect();
    let all: Vec<_> = fakes.iter().collect();
    let counts = || fakes.iter().map(Fake::mails).collect::<Vec<_>>();
    let filter = house.filter(&all, "{}");
    for _ in 0..6 {
        assert_eq!(words(&filter.message(10).await), "clean");
    }
    assert_eq!(counts(), [6, 0, 0]);
    let filter = house.filter(&all, r#"{"order": "round_robin"}"#);
    for _ in 0..6 {
        assert_eq!(words(&filter.message(10).await), "clean");
    }
    assert_eq!(counts(), [8, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn no_more_scans_run_than_may_and_who_waits_too_long_is_told() {
    let house = House::new();
    let fake = Fake::start(Does::After(Duration::from_secs(4), b"stream: OK\0"));
    let filter = Arc::new(house.filter(&[&fake], r#"{"scans": 2, "deadline": "10s"}"#));
    let all: Vec<_> = (0..8)
        .map(|_| {
            let filter = Arc::clone(&filter);
            tokio::spawn(async move { words(&filter.message(10).await) })
        })
        .collect();
    let mut said = Vec::new();
    for one in all {
        said.push(one.await.expect("no panic"));
    }
    said.sort();
    let count = |words: &str| said.iter().filter(|said| said.contains(words)).count();
    // Two at a time, four seconds each: the third pair begins at eight and is late, the fourth never begins.
    assert_eq!(
        (count("clean"), count("in time"), count("too many scans")),
        (4, 2, 2),
        "{said:?}"
    );
    assert!(fake.most_at_once() <= 2, "{}", fake.most_at_once());
}

#[tokio::test(start_paused = true)]
async fn a_small_stream_limit_and_an_old_database_are_told() {
    let house = House::new();
    let fake = Fake::start(Does::Says(b"stream: OK\0"));
    let filter = house.filter(&[&fake], r#"{"max_size": 2000000}"#);
    fake.limits(1_999_999);
    fake.version("ClamAV 1.4.6/27800/Thu Jan  1 00:00:00 1970");
    assert_eq!(words(&filter.message(10).await), "clean");
    assert!(house.raised("clamd_stream_limit", &fake) && house.raised("clamd_database_old", &fake));
    let asked = fake.talks();
    for _ in 0..5 {
        assert_eq!(words(&filter.message(10).await), "clean");
    }
    assert_eq!(fake.talks(), asked, "not at every mail");
    fake.limits(2_000_000);
    fake.version("ClamAV 1.4.6/27801/Thu Jan  1 00:00:00 2099");
    house.forward(Duration::from_mins(61));
    assert_eq!(words(&filter.message(10).await), "clean");
    assert!(house.over("clamd_stream_limit", &fake) && house.over("clamd_database_old", &fake));
}

#[tokio::test(start_paused = true)]
async fn a_find_names_the_engine_that_found_it() {
    let house = House::new();
    let fake = Fake::start(Does::Says(b"stream: Worm FOUND\0"));
    fake.version("ClamAV 1.4.6/27800/Thu Nov 26 08:30:00 2026");
    let opinion = house.filter(&[&fake], "{}").message(10).await.expect("an opinion");
    let note = &opinion.findings()[0].note;
    assert!(
        note.starts_with("Worm (") && note.contains("ClamAV 1.4.6/27800"),
        "{note}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_clamd_on_a_port_is_asked_as_well() {
    let (house, fake) = (House::new(), Fake::start_tcp(Does::Says(b"stream: Worm FOUND\0")).await);
    let said = house.filter(&[&fake], r#"{"tcp": true}"#).message(300_000).await;
    assert_eq!(words(&said), "clamav.found");
}

#[tokio::test(start_paused = true)]
async fn what_is_doubtful_in_the_configuration_is_told_at_the_start() {
    let house = House::new();
    house.filter::<&Fake>(&[], "{}");
    assert_eq!(house.told_of("clamd_not_configured"), 1);
    house.filter::<&Fake>(
        &[],
        r#"{"servers": ["tcp://192.0.2.1:3310", "tcp://127.0.0.1:3310"], "tcp": true}"#,
    );
    assert_eq!(house.told_of("clamd_over_a_net"), 1, "loopback is no net");
}
