//! What the session machine answers, rule by rule.

mod session_run;

use std::time::Duration;

use gatepost_smtp::body::Treat;
use gatepost_smtp::session::{Answer, End, Input, Output, Question, Session, Settings, Why};
use gatepost_smtp::{Offer, Reply};
use session_run::{Run, generous, run_cut, tls, transcript};

const MESSAGE: &str = "Subject: x\r\n\r\nHello\r\n.\r\n";

fn plain() -> Run {
    Run::greeted(generous(), None)
}

fn with(change: impl FnOnce(&mut Settings)) -> Run {
    let mut settings = generous();
    change(&mut settings);
    Run::greeted(settings, None)
}

/// A session with one recipient granted.
fn in_transaction(change: impl FnOnce(&mut Settings)) -> Run {
    let mut run = with(change);
    assert_eq!(
        run.codes("EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n"),
        [250; 3]
    );
    run
}

fn in_content(change: impl FnOnce(&mut Settings)) -> Run {
    let mut run = in_transaction(change);
    assert_eq!(run.codes("DATA\r\n"), [354]);
    run
}

/// A session under TLS, after EHLO.
fn secure() -> Run {
    let mut run = Run::greeted(generous(), Some(tls()));
    assert_eq!(run.codes("EHLO c.example\r\n"), [250]);
    run
}

fn reply(code: u16) -> Answer {
    Answer::Reply(Reply::new(code, None, "so it is"))
}

#[test]
fn a_message_goes_through() {
    let mut run = plain();
    assert_eq!(run.said, b"220 mx.example ESMTP\r\n");
    assert_eq!(run.codes("EHLO c.example\r\n"), [250]);
    assert_eq!(run.say("MAIL FROM:<a@b.example> SIZE=20\r\n"), "250 2.0.0 yes\r\n");
    assert_eq!(run.say("RCPT TO:<c@d.example>\r\n"), "250 2.0.0 yes\r\n");
    assert_eq!(run.say("DATA\r\n"), "354 go on\r\n");
    assert_eq!(run.say(MESSAGE), "250 2.0.0 yes\r\n");
    assert_eq!(run.say("QUIT\r\n"), "221 2.0.0 Goodbye\r\n");
    assert!(run.closed);
    assert_eq!(run.contents, [b"Subject: x\r\n\r\nHello\r\n"]);
    assert_eq!(run.end(), Some(End::Quit));
    assert_eq!(run.session.facts().accepted, 1);
}

#[test]
fn the_answer_to_each_command_in_each_state() {
    let table: &[(&str, &str)] = &[
        // before HELO
        ("MAIL FROM:<a@b.example>", "503 5.5.1"),
        ("RCPT TO:<a@b.example>", "503 5.5.1"),
        ("DATA", "503 5.5.1"),
        ("STARTTLS", "503 5.5.1"),
        ("AUTH PLAIN Z29vZA==", "538 5.7.11"),
        ("NOOP", "250 2.0.0"),
        ("RSET", "250 2.0.0"),
        ("VRFY root", "252 2.1.5"),
        ("EXPN all", "502 5.5.1"),
        ("HELP", "214 2.0.0"),
        ("HELO no.example", "550 no"),
        ("MAIL FROM:<a@b.example>", "503 5.5.1"),
        // after HELO: no extensions
        ("HELO c.example", "250 mx.example"),
        ("STARTTLS", "503 5.5.1"),
        ("MAIL FROM:<a@b.example> SIZE=1", "555 5.5.4"),
        ("MAIL FROM:<a@b.example> BODY=8BITMIME", "555 5.5.4"),
        // after EHLO
        ("EHLO c.example", "250-mx.example"),
        ("EHLO no.example", "550 no"),
        ("BDAT 1 LAST", "502 5.5.1"),
        ("XCLIENT ADDR=1.2.3.4", "502 5.5.1"),
        ("MAIL FROM:<a@b.example> HOLDFOR=3600", "555 5.5.4"),
        ("MAIL FROM:<a@b.example> SIZE=100001", "552 5.3.4"),
        ("MAIL FROM:<\u{e4}@b.example>", "553 5.6.7"),
        ("MAIL FROM:<no@b.example>", "550 5.0.0"),
        ("RCPT TO:<a@b.example>", "503 5.5.1"),
        ("MAIL FROM:<a@b.example> SIZE=100000", "250 2.0.0"),
    ];
    // Nobody would be answered 20 refusals.
    let mut run = with(|s| s.limits.errors = 100);
    for (command, expected) in table {
        let said = run.say(format!("{command}\r\n"));
        assert!(said.starts_with(expected), "{command}: {said}");
    }
}

#[test]
fn the_answer_to_each_command_in_a_transaction() {
    let table: &[(&str, &str)] = &[
        ("MAIL FROM:<a@b.example>", "503 5.5.1"),
        ("STARTTLS", "503 5.5.1"),
        ("DATA", "554 5.5.1"),
        ("RCPT TO:<no@b.example>", "550 5.0.0"),
        ("RCPT TO:<later@b.example>", "451 4.0.0"),
        ("RCPT TO:<\u{e4}@b.example>", "553 5.6.7"),
        ("DATA", "554 5.5.1"),
        ("NOOP", "250 2.0.0"),
        ("HELP", "214 2.0.0"),
        ("VRFY root", "252 2.1.5"),
        ("RCPT TO:<a@b.example>", "250 2.0.0"),
        ("DATA", "354 go on"),
    ];
    let mut run = plain();
    run.say("EHLO c.example\r\nMAIL FROM:<a@b.example>\r\n");
    for (command, expected) in table {
        let said = run.say(format!("{command}\r\n"));
        assert!(said.starts_with(expected), "{command}: {said}");
    }
}

#[test]
fn nothing_of_a_transaction_outlives_it() {
    for end in ["RSET\r\n", "EHLO again.example\r\n", "HELO again.example\r\n"] {
        let mut run = in_transaction(|_| ());
        assert_eq!(run.codes(end), [250]);
        assert!(run.asked.iter().any(|q| matches!(q, Question::Reset(_))), "{end}");
        assert_eq!(run.codes("RCPT TO:<c@d.example>\r\n"), [503]);
        assert_eq!(run.codes("DATA\r\n"), [503]);
    }
    for (text, code) in [("fine", 250), ("refuse me", 554), ("defer me", 451)] {
        let mut run = in_content(|_| ());
        assert_eq!(run.codes(format!("{text}\r\n.\r\n")), [code]);
        assert_eq!(run.codes("RCPT TO:<c@d.example>\r\n"), [503]);
        assert_eq!(run.codes("DATA\r\n"), [503]);
        assert_eq!(run.codes("MAIL FROM:<a@b.example>\r\n"), [250]);
    }
    let mut run = plain();
    run.say("EHLO c.example\r\nMAIL FROM:<mute@b.example>\r\nRCPT TO:<c@d.example>\r\n");
    assert_eq!(run.codes("DATA\r\n"), [451]);
    assert_eq!(run.codes("RCPT TO:<c@d.example>\r\n"), [503]);
}

#[test]
fn a_refused_ehlo_leaves_what_held_before() {
    let mut run = plain();
    assert_eq!(
        run.codes("EHLO c.example\r\nEHLO no.example\r\nMAIL FROM:<a@b.example> SIZE=1\r\n"),
        [250, 550, 250]
    );
    assert_eq!(
        run.codes("EHLO \r\nRCPT TO:<c@d.example>\r\n"),
        [501, 250],
        "bad syntax resets nothing"
    );
    assert!(!run.asked.contains(&Question::Reset(Why::Helo)));
}

#[test]
fn starttls_resets_everything() {
    let mut run = plain();
    run.say("EHLO c.example\r\n");
    assert_eq!(run.say("STARTTLS\r\n"), "220 2.0.0 Ready to start TLS\r\n");
    assert_eq!(run.session.tls(), Some(&tls()));
    assert_eq!(run.codes("MAIL FROM:<a@b.example>\r\n"), [503], "HELO is forgotten");
    let offered = run.say("EHLO c.example\r\n");
    assert!(
        !offered.contains("STARTTLS") && offered.contains("AUTH PLAIN LOGIN"),
        "{offered}"
    );
    assert_eq!(run.codes("STARTTLS\r\n"), [503]);
    assert_eq!(run.codes("MAIL FROM:<a@b.example>\r\n"), [250]);
}

#[test]
fn starttls_that_is_not_offered_is_not_implemented() {
    let mut run = with(|s| s.offer.starttls = false);
    run.say("EHLO c.example\r\n");
    assert_eq!(run.codes("STARTTLS\r\n"), [502]);
}

#[test]
fn nothing_crosses_starttls() {
    let mut run = plain();
    run.say("EHLO c.example\r\n");
    assert_eq!(run.codes("STARTTLS\r\nRSET\r\nMAIL FROM:<x@y.example>\r\n"), [554]);
    assert!(run.closed && run.session.facts().early_data);
    assert_eq!(run.end(), Some(End::EarlyData));
    assert!(run.asked.iter().all(|q| !matches!(q, Question::Mail { .. })));
}

#[test]
fn plain_text_instead_of_a_handshake_closes_in_silence() {
    let mut settings = generous();
    settings.offer.pipelining = false;
    let mut run = Run::greeted(settings, None);
    run.say("EHLO c.example\r\n");
    run.session.give(run.now, Input::Bytes(b"STARTTLS\r\n"));
    assert!(matches!(run.session.poll(run.now), Output::Write(w) if w.starts_with(b"220")));
    assert_eq!(run.session.poll(run.now), Output::StartTls);
    assert!(matches!(run.session.poll(run.now), Output::Wait { read: false, .. }));
    run.session.give(run.now, Input::Bytes(b"MAIL FROM:<x@y.example>\r\n"));
    assert_eq!(run.session.poll(run.now), Output::Close);
    run.session.give(run.now, Input::Secured(tls()));
    assert_eq!(run.session.poll(run.now), Output::Close);
}

#[test]
fn a_handshake_has_a_deadline() {
    let mut run = plain();
    run.say("EHLO c.example\r\n");
    run.session.give(run.now, Input::Bytes(b"STARTTLS\r\n"));
    while !matches!(run.session.poll(run.now), Output::Wait { .. }) {}
    let said = run.said.len();
    run.later(Duration::from_secs(60));
    assert!(run.closed);
    assert_eq!(run.said.len(), said, "no plain text once TLS was promised");
    assert_eq!(run.end(), Some(End::Timeout));
}

#[test]
fn early_talk_is_a_fact() {
    let mut run = Run::new(generous(), None);
    run.pump();
    assert_eq!(run.open, Some(Question::Connect));
    run.feed(b"EHLO c.example\r\n");
    assert!(run.session.facts().early_talk);
    run.settle();
    assert_eq!(session_run::codes(&run.said), [220, 250]);
    assert!(!plain().session.facts().early_talk);
}

#[test]
fn a_refused_connection_hears_why_and_is_closed() {
    for code in [554, 421, 451] {
        let mut run = Run::new(generous(), None);
        run.pump();
        run.answer_with(reply(code));
        run.settle();
        assert_eq!(session_run::codes(&run.said), [code]);
        assert!(run.closed);
    }
}

#[test]
fn pipelining_that_was_not_offered_is_a_fact_and_obeyed() {
    let mut run = with(|s| s.offer.pipelining = false);
    run.say("EHLO c.example\r\n");
    assert!(!run.session.facts().unasked_pipelining);
    assert_eq!(
        run.codes("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n"),
        [250; 2]
    );
    assert!(run.session.facts().unasked_pipelining);

    let mut run = plain();
    assert_eq!(run.codes("EHLO c.example\r\nMAIL FROM:<a@b.example>\r\n"), [250; 2]);
    assert!(run.session.facts().unasked_pipelining, "behind EHLO nobody may");

    let mut run = plain();
    run.say("EHLO c.example\r\n");
    run.say("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n");
    assert!(!run.session.facts().unasked_pipelining);
}

#[test]
fn what_comes_behind_data_before_354_closes() {
    // In one piece with DATA.
    let mut run = in_transaction(|_| ());
    assert_eq!(
        run.codes("DATA\r\nSubject: x\r\n.\r\nMAIL FROM:<evil@x.example>\r\n"),
        [554]
    );
    assert!(run.closed && run.session.facts().early_data);
    assert!(!run.asked.contains(&Question::Data));
    // While the question is open, whatever the answer is.
    for code in [354, 451, 554] {
        let mut run = in_transaction(|_| ());
        run.feed(b"DATA\r\n");
        assert_eq!(run.open, Some(Question::Data));
        run.feed(b"S");
        let from = run.said.len();
        run.answer_with(reply(code));
        run.pump();
        assert_eq!(session_run::codes(&run.said[from..]), [554]);
        assert!(run.closed && run.session.facts().early_data);
    }
    // Behind the answer, before 354 was written.
    let mut run = in_transaction(|_| ());
    run.feed(b"DATA\r\n");
    run.answer_with(reply(354));
    run.session.give(run.now, Input::Bytes(b"Subject"));
    run.pump();
    assert!(run.closed && run.said.ends_with(b"go on\r\n") && run.session.facts().early_data);
    // A DATA that is refused for its syntax or its place is no better.
    for line in [
        "DATA now\r\nQUIT\r\n",
        "STARTTLS x\r\nQUIT\r\n",
        "AUTH PLAIN\r\nQUIT\r\n",
        "BDAT 9\r\nQUIT\r\n",
    ] {
        let mut run = plain();
        run.say("EHLO c.example\r\n");
        assert_eq!(run.codes(line), [554], "{line}");
        assert!(run.closed);
    }
}

#[test]
fn auth_wants_tls_ehlo_and_an_offered_mechanism() {
    let mut run = plain();
    run.say("EHLO c.example\r\n");
    assert_eq!(run.say("AUTH PLAIN Z29vZA==\r\n").get(..10), Some("538 5.7.11"));
    let mut run = with(|s| s.offer.auth.clear());
    run.say("EHLO c.example\r\n");
    assert_eq!(run.codes("AUTH PLAIN Z29vZA==\r\n"), [502]);
    let mut run = Run::greeted(generous(), Some(tls()));
    assert_eq!(run.codes("AUTH PLAIN Z29vZA==\r\n"), [503]);
    run.say("EHLO c.example\r\n");
    assert_eq!(run.codes("AUTH GSSAPI Z29vZA==\r\n"), [504]);
    assert_eq!(run.codes("MAIL FROM:<a@b.example>\r\n"), [250]);
    assert_eq!(run.codes("AUTH PLAIN Z29vZA==\r\n"), [503], "not in a transaction");
    assert_eq!(run.codes("RSET\r\n"), [250]);
    assert_eq!(run.codes("AUTH PLAIN Z29vZA==\r\n"), [235]);
    assert!(run.session.is_authenticated());
    assert_eq!(run.codes("AUTH PLAIN Z29vZA==\r\n"), [503], "once is enough");
}

#[test]
fn an_auth_exchange_is_relayed_line_by_line() {
    let mut run = secure();
    assert_eq!(run.say("AUTH LOGIN\r\n"), "334 \r\n");
    assert_eq!(run.say("bW9yZQ==\r\n"), "334 VXNlcg==\r\n");
    assert_eq!(run.codes("Z29vZA==\r\n"), [235]);
    assert!(run.session.is_authenticated());
    assert_eq!(run.codes("EHLO c.example\r\n"), [250]);
    assert!(run.session.is_authenticated(), "EHLO does not take it back");
    let long = "A".repeat(12_288);
    let mut run = secure();
    run.say("AUTH LOGIN\r\n");
    assert_eq!(run.codes(format!("{long}\r\n")), [535]);
    assert!(run.asked.contains(&Question::AuthLine(long.into())));
}

#[test]
fn an_auth_exchange_can_be_cancelled_and_broken() {
    for (line, expected) in [
        ("*".into(), "501 5.7.0"),
        ("not base64!".into(), "501 5.5.2"),
        ("A".repeat(12_289), "500 5.5.6"),
        ("A\0".into(), "501 5.5.2"),
    ] {
        let mut run = secure();
        run.say("AUTH LOGIN\r\n");
        let said = run.say(format!("{line}\r\n"));
        assert!(said.starts_with(expected), "{said}");
        assert_eq!(run.asked.last(), Some(&Question::AuthCancelled));
        assert!(!run.session.is_authenticated());
        assert_eq!(run.codes("NOOP\r\n"), [250], "back at commands");
    }
}

#[test]
fn commands_behind_auth_are_not_obeyed() {
    let mut run = secure();
    assert_eq!(
        run.codes("AUTH PLAIN Z29vZA==\r\nMAIL FROM:<evil@x.example>\r\n"),
        [554]
    );
    assert!(run.closed && !run.session.is_authenticated());
    let mut run = secure();
    run.say("AUTH LOGIN\r\n");
    assert_eq!(run.codes("Z29vZA==\r\nMAIL FROM:<evil@x.example>\r\n"), [554]);
    assert!(run.closed && !run.session.is_authenticated());
    assert!(
        !run.asked.iter().any(|q| matches!(q, Question::AuthLine(_))),
        "nor are the credentials used"
    );
}

#[test]
fn three_failed_authentications_are_enough() {
    let mut run = secure();
    for _ in 0..3 {
        assert_eq!(run.codes("AUTH PLAIN YmFk\r\n"), [535]);
    }
    assert_eq!(run.say("AUTH PLAIN Z29vZA==\r\n").get(..9), Some("421 4.7.0"));
    assert!(run.closed);
    assert_eq!(run.end(), Some(End::TooMany));
}

#[test]
fn no_credentials_in_debug_output() {
    let mut run = secure();
    run.say("AUTH PLAIN c2VjcmV0\r\n");
    run.say("AUTH LOGIN\r\n");
    run.say("c2VjcmV0\r\n");
    let shown = format!("{:?} {:?}", run.asked, run.session);
    assert!(shown.contains("AuthLine") && !shown.contains("c2VjcmV0"), "{shown}");
    assert!(!format!("{:?}", Answer::Challenge("c2VjcmV0".into())).contains("c2VjcmV0"));
}

#[test]
fn mail_may_require_tls_or_authentication() {
    let mut run = with(|s| s.require_tls = true);
    run.say("EHLO c.example\r\n");
    assert_eq!(run.say("MAIL FROM:<a@b.example>\r\n").get(..9), Some("530 5.7.0"));
    let mut settings = generous();
    settings.require_auth = true;
    let mut run = Run::greeted(settings.clone(), Some(tls()));
    run.say("EHLO c.example\r\n");
    assert_eq!(run.say("MAIL FROM:<a@b.example>\r\n").get(..9), Some("530 5.7.0"));
    assert_eq!(run.codes("AUTH PLAIN YmFk\r\nMAIL"), [554]);
    let mut run = Run::greeted(settings.clone(), Some(tls()));
    run.say("EHLO c.example\r\n");
    assert_eq!(run.codes("AUTH PLAIN YmFk\r\n"), [535]);
    assert_eq!(run.codes("MAIL FROM:<a@b.example>\r\n"), [530]);
    assert_eq!(run.codes("AUTH PLAIN Z29vZA==\r\n"), [235]);
    assert_eq!(run.codes("MAIL FROM:<a@b.example>\r\n"), [250]);
    let mut run = Run::greeted(settings, None);
    run.session.trust();
    run.say("EHLO c.example\r\n");
    assert_eq!(run.codes("MAIL FROM:<a@b.example>\r\n"), [250]);
}

#[test]
fn replies_to_a_pipelined_group_go_out_in_one_write() {
    let mut run = plain();
    run.say("EHLO c.example\r\n");
    let writes = run.writes;
    let said = run.codes("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<no@d.example>\r\nDATA\r\n");
    assert_eq!(said, [250, 250, 550, 354]);
    assert_eq!(run.writes, writes + 1);
}

#[test]
fn replies_do_not_wait_long_for_a_slow_answer() {
    let mut run = plain();
    run.say("EHLO c.example\r\n");
    run.feed(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<e@d.example>\r\n");
    run.answer();
    run.pump();
    let said = run.said.len();
    run.now = run.now + Duration::from_secs(1);
    run.answer();
    run.pump();
    assert!(matches!(run.open, Some(Question::Rcpt { .. })));
    assert_eq!(session_run::codes(&run.said[said..]), [250, 250]);
}

#[test]
fn a_reply_of_421_is_the_last_word() {
    for (lines, codes) in [
        ("EHLO lost.example\r\nNOOP\r\n", vec![421]),
        (
            "EHLO c.example\r\nMAIL FROM:<lost@b.example>\r\nNOOP\r\n",
            vec![250, 421],
        ),
        (
            "EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<lost@b.example>\r\nNOOP\r\n",
            vec![250, 250, 421],
        ),
    ] {
        let mut run = plain();
        assert_eq!(run.codes(lines), codes);
        assert!(run.closed);
        assert_eq!(run.end(), Some(End::Refused));
    }
    let mut run = in_content(|_| ());
    assert_eq!(run.codes("lose me\r\n.\r\nNOOP\r\n"), [421]);
    assert!(run.closed);
}

#[test]
fn an_aborted_session_says_nothing_more() {
    let mut run = in_transaction(|_| ());
    let said = run.said.len();
    run.feed(b"RCPT TO:<e@d.example>\r\n");
    run.answer_with(Answer::Abort);
    run.pump();
    assert!(run.closed);
    assert_eq!(run.said.len(), said);
    assert_eq!(run.end(), Some(End::Aborted));
}

#[test]
fn an_answer_that_does_not_fit_grants_nothing() {
    let mut run = plain();
    run.feed(b"EHLO c.example\r\n");
    run.answer_with(Answer::Challenge("x".into()));
    run.pump();
    assert!(run.said.ends_with(b"\r\n451 Local error, try again later\r\n"));
    assert_eq!(run.codes("MAIL FROM:<a@b.example>\r\n"), [503]);
    for answer in [reply(250), Answer::Challenge("x".into()), reply(334)] {
        let mut run = in_transaction(|_| ());
        run.feed(b"DATA\r\n");
        run.answer_with(answer);
        run.pump();
        assert!(run.said.ends_with(b"451 4.3.0 Local error, try again later\r\n"));
        assert_eq!(run.codes("RCPT TO:<e@d.example>\r\n"), [503]);
    }
    let mut run = in_transaction(|_| ());
    run.feed(b"RCPT TO:<e@d.example>\r\n");
    run.answer_with(reply(354));
    run.pump();
    assert!(run.said.ends_with(b"451 4.3.0 Local error, try again later\r\n"));
}

#[test]
fn twenty_errors_are_enough() {
    let mut run = plain();
    run.say("EHLO c.example\r\n");
    for _ in 0..20 {
        assert_eq!(run.codes("WHAT\r\n"), [500]);
    }
    assert_eq!(run.say("NOOP\r\n").get(..9), Some("421 4.7.0"));
    assert!(run.closed);
}

#[test]
fn refused_recipients_are_errors_and_deferred_ones_are_not() {
    let mut run = in_transaction(|_| ());
    for _ in 0..30 {
        assert_eq!(run.codes("RCPT TO:<later@d.example>\r\n"), [451]);
    }
    for _ in 0..20 {
        assert_eq!(run.codes("RCPT TO:<no@d.example>\r\n"), [550]);
    }
    assert_eq!(run.codes("RCPT TO:<c@d.example>\r\n"), [421]);
}

#[test]
fn a_hundred_junk_commands_are_enough_and_a_message_starts_anew() {
    for junk in [
        "NOOP",
        "RSET",
        "EHLO c.example",
        "HELO c.example",
        "VRFY x",
        "HELP",
        "EXPN x",
    ] {
        let mut run = plain();
        for _ in 0..100 {
            assert_eq!(run.codes(format!("{junk}\r\n")).len(), 1);
            assert!(!run.closed);
        }
        assert_eq!(run.say(format!("{junk}\r\n")).get(..9), Some("421 4.7.0"), "{junk}");
        assert!(run.closed);
    }
    let mut run = in_content(|_| ());
    run.say(MESSAGE);
    for _ in 0..100 {
        assert_eq!(run.codes("NOOP\r\n"), [250]);
    }
    let mut run = plain();
    assert_eq!(run.codes("NOOP\r\n".repeat(1_000_000)).len(), 101, "a million NOOPs");
}

#[test]
fn a_hundred_transactions_are_enough() {
    let mut run = with(|s| s.limits.junk = 1000);
    run.say("EHLO c.example\r\n");
    for _ in 0..100 {
        assert_eq!(run.codes("MAIL FROM:<a@b.example>\r\nRSET\r\n"), [250, 250]);
    }
    assert_eq!(run.codes("MAIL FROM:<a@b.example>\r\n"), [421]);
}

#[test]
fn recipients_past_the_limit_are_deferred_and_a_flood_closes() {
    let mut run = in_transaction(|_| ());
    let said = run.codes("RCPT TO:<c@d.example>\r\n".repeat(100_000));
    assert!(said[..999].iter().all(|code| *code == 250));
    assert!(said[999..2019].iter().all(|code| *code == 452));
    assert_eq!(said[2019..], [421]);
    let mut run = in_transaction(|_| ());
    assert_eq!(run.codes("RCPT TO:<c@d.example>\r\n".repeat(1500)).len(), 1500);
    assert_eq!(run.codes("DATA\r\n"), [354], "those who were granted get their mail");
}

#[test]
fn a_foreign_protocol_is_shown_the_door() {
    let mut run = plain();
    let said = run.codes("GET / HTTP/1.1\r\nHost: mx.example\r\n\r\n");
    assert!(matches!(said[..], [421 | 521]));
    assert!(run.closed && run.session.facts().foreign);
}

#[test]
fn bad_lines_are_refused_as_one_command_each() {
    let mut run = plain();
    let long = format!("MAIL FROM:<{}RCPT TO:<c@d.example>\r\n", "x".repeat(10_000));
    assert_eq!(run.codes(long), [500]);
    assert_eq!(run.codes("NOOP\0\r\n"), [500]);
    assert_eq!(run.codes("NO\rOP\r\n"), [500]);
    assert_eq!(run.codes("NOOP\n"), [250]);
    assert!(run.session.facts().bad_line);
    let mut run = with(|s| s.lf_tolerated = false);
    assert_eq!(run.codes("NOOP\nNOOP\r\n"), [500, 250]);
}

#[test]
fn what_follows_the_dot_is_the_next_command() {
    let mut run = in_content(|_| ());
    assert_eq!(
        run.codes(format!("{MESSAGE}MAIL FROM:<a@b.example>\r\nRSET\r\nQUIT\r\n")),
        [250, 250, 250, 221]
    );
}

#[test]
fn a_lone_dot_is_a_message_without_content() {
    let mut run = in_content(|_| ());
    assert_eq!(run.codes(".\r\n"), [250]);
    assert_eq!(run.contents, [b""]);
}

#[test]
fn no_other_sequence_ends_a_message() {
    let hidden = "MAIL FROM:<evil@x.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nevil\r\n.\r\n";
    for sequence in [
        "\n.\n",
        "\n.\r\n",
        "\r\n.\n",
        "\r.\r",
        "\r.\r\n",
        "\r\n.\r",
        "\r\n.\r\r\n",
        "\r\n\0.\r\n",
        "\r\n.\0\r\n",
    ] {
        let mut run = in_content(|_| ());
        let said = run.codes(format!("x{sequence}{hidden}"));
        assert_eq!(said.len(), 1, "{sequence:?}");
        let mails = run.asked.iter().filter(|q| matches!(q, Question::Mail { .. })).count();
        assert_eq!(mails, 1, "{sequence:?}");
    }
}

#[test]
fn a_message_that_is_not_canonical_is_refused_at_its_end() {
    for (text, why) in [
        ("a\rb", "a CR without LF"),
        ("a\0b", "a NUL"),
        ("a\n.\r\nb", "a dot line"),
    ] {
        let mut run = in_content(|_| ());
        let said = run.say(format!("{text}\r\n.\r\n"));
        assert!(said.starts_with("550 5.6.0") && said.contains(why), "{said}");
        assert!(matches!(run.asked.last(), Some(Question::Spoilt { .. })));
        assert_eq!(run.codes("MAIL FROM:<a@b.example>\r\n"), [250]);
    }
    let mut run = in_content(|_| ());
    assert_eq!(run.codes("a\nb\r\n.\r\n"), [250]);
    assert_eq!(run.contents, [b"a\r\nb\r\n"]);
    let mut run = in_content(|s| s.strictness.bare_lf = Treat::Refuse);
    assert!(run.say("a\nb\r\n.\r\n").contains("an LF without CR"));
}

#[test]
fn a_message_that_is_too_large_is_read_to_its_end_and_refused() {
    let mut run = in_content(|_| ());
    let line = format!("{}\r\n", "x".repeat(998));
    for _ in 0..150 {
        assert_eq!(run.say(&line), "");
    }
    assert_eq!(run.say(".\r\n").get(..9), Some("552 5.3.4"));
    assert!(matches!(run.asked.last(), Some(Question::Spoilt { size: 150_000, .. })));
    assert!(run.contents[0].len() <= 100_000);
    assert_eq!(run.codes("MAIL FROM:<a@b.example>\r\n"), [250]);
}

#[test]
fn a_message_of_exactly_the_limit_is_accepted() {
    let line = format!("{}\r\n", "x".repeat(998));
    let mut run = in_content(|_| ());
    assert_eq!(run.codes(line.repeat(100) + ".\r\n"), [250]);
    let mut run = in_content(|_| ());
    assert_eq!(run.codes(line.repeat(100) + "\r\n.\r\n"), [552]);
}

#[test]
fn an_endless_message_is_given_up() {
    for endless in [b'x', b'\0'] {
        let mut run = in_content(|s| s.limits.excess = 50_000);
        let mut given = 0;
        while !run.closed {
            run.say([endless; 1000]);
            given += 1000;
            assert!(given <= 300_000);
        }
        assert!(
            run.said
                .ends_with(b"421 4.3.4 The message is far too large, closing the connection\r\n")
        );
        assert_eq!(run.end(), Some(End::TooLarge));
        assert!(given > 150_000);
    }
}

#[test]
fn the_end_of_the_connection_within_a_message_is_the_end_of_the_message() {
    let mut run = in_content(|_| ());
    run.say("Subject: x\r\n\r\nHello\r\n.\r");
    let said = run.said.len();
    run.eof();
    assert!(run.closed && run.session.gone());
    assert!(!run.asked.iter().any(|q| matches!(q, Question::Message { .. })));
    assert_eq!(run.said.len(), said);
    assert_eq!(run.end(), Some(End::Gone));
}

#[test]
fn who_is_gone_is_not_obeyed() {
    let mut run = plain();
    run.feed(b"EHLO c.example\r\nMAIL FROM:<a@b.example>\r\n");
    run.session.give(run.now, Input::Eof);
    run.pump();
    assert!(run.session.gone() && !run.closed, "the question is still open");
    run.answer();
    run.settle();
    assert!(run.closed);
    assert_eq!(run.asked.len(), 2, "Connect and Helo");
}

#[test]
fn the_last_look_sees_who_left_after_the_dot() {
    let mut run = in_content(|_| ());
    run.feed(MESSAGE.as_bytes());
    assert!(matches!(run.open, Some(Question::Message { .. })) && !run.session.gone());
    run.session.give(run.now, Input::Eof);
    run.pump();
    assert!(run.session.gone());
    run.answer();
    run.settle();
    assert!(run.closed);
}

#[test]
fn who_says_quit_behind_the_dot_and_closes_its_side_waits_for_the_reply() {
    for quit in ["QUIT\r\n", "quit \r\n"] {
        let mut run = in_content(|_| ());
        run.feed(format!("{MESSAGE}{quit}").as_bytes());
        run.session.give(run.now, Input::Eof);
        run.pump();
        assert!(!run.session.gone() && !run.session.wants_bytes());
        let said = run.said.len();
        run.answer();
        run.settle();
        assert_eq!(session_run::codes(&run.said[said..]), [250, 221]);
        assert!(run.closed && run.end() == Some(End::Quit));
    }
    for other in ["QUIT\r\nQUIT\r\n", "NOOP\r\n", "QUIT", "QUIT\n", "QUIT now\r\n"] {
        let mut run = in_content(|_| ());
        run.feed(format!("{MESSAGE}{other}").as_bytes());
        run.session.give(run.now, Input::Eof);
        run.pump();
        assert!(run.session.gone(), "{other:?}");
        run.answer();
        run.settle();
        assert!(run.closed && run.end() == Some(End::Gone), "{other:?}");
    }
}

#[test]
fn a_command_has_five_minutes_however_it_drips() {
    let mut run = plain();
    for byte in "EHLO c.example".bytes().cycle().take(29) {
        run.later(Duration::from_secs(10));
        run.say([byte]);
        assert!(!run.closed);
    }
    run.later(Duration::from_secs(10));
    assert!(run.closed);
    assert!(run.said.ends_with(b"421 4.4.2 Timeout, closing the connection\r\n"));
    let mut run = plain();
    for _ in 0..20 {
        run.later(Duration::from_secs(299));
        run.session.give(run.now, Input::Bytes(b""));
        assert_eq!(run.codes("NOOP\r\n").len(), usize::from(!run.closed));
    }
    assert_eq!(run.end(), Some(End::Timeout), "a session has an hour");
    assert_eq!(run.session.facts().junk, 12);
}

#[test]
fn a_message_must_not_pause_and_not_crawl() {
    let mut run = in_content(|_| ());
    run.later(Duration::from_secs(59));
    assert!(!run.closed);
    run.later(Duration::from_secs(1));
    assert!(run.said.ends_with(b"421 4.4.2 Timeout, closing the connection\r\n"));

    let mut run = in_content(|s| s.patience.rate = 0);
    run.later(Duration::from_secs(179));
    assert!(!run.closed);
    run.say("x\r\n");
    run.later(Duration::from_secs(179));
    assert!(!run.closed);
    run.later(Duration::from_secs(1));
    assert!(run.closed);

    // One octet in ten seconds lives as long as the grace, a thousand octets in two seconds for ever.
    let mut run = in_content(|_| ());
    let mut seconds = 0;
    while !run.closed {
        run.later(Duration::from_secs(10));
        run.say("x");
        seconds += 10;
    }
    assert_eq!(seconds, 60);
    let mut run = in_content(|_| ());
    for _ in 0..90 {
        run.later(Duration::from_secs(2));
        run.say([b'x'; 1000]);
    }
    assert!(!run.closed);
}

#[test]
fn our_own_slowness_is_not_held_against_the_client() {
    let mut run = in_transaction(|s| s.patience.session = None);
    run.feed(b"RCPT TO:<e@d.example>\r\n");
    run.now = run.now + Duration::from_secs(10_000);
    run.session.give(run.now, Input::Tick);
    run.pump();
    assert!(!run.closed);
    run.answer();
    run.settle();
    assert_eq!(run.codes("DATA\r\n"), [354]);
}

#[test]
fn a_draining_server_lets_the_transaction_finish() {
    let mut run = plain();
    run.drain();
    assert!(
        run.said
            .ends_with(b"\r\n421 4.3.2 The server is stopping, come again soon\r\n")
    );
    assert!(run.closed);

    let mut run = in_content(|_| ());
    run.drain();
    assert!(!run.closed);
    assert_eq!(run.codes(MESSAGE), [250, 421]);
    assert!(run.closed);
    assert_eq!(run.end(), Some(End::Drained));

    let mut run = Run::new(generous(), None);
    run.pump();
    run.session.give(run.now, Input::Drain);
    run.settle();
    assert_eq!(session_run::codes(&run.said), [421], "no greeting any more");
}

#[test]
fn more_bytes_than_there_is_room_for_close_the_session() {
    let mut run = plain();
    run.feed(b"EHLO c.example\r\n");
    let room = run.session.room();
    assert_eq!(room, 64 * 1024);
    run.session.give(run.now, Input::Bytes(&vec![b'x'; room]));
    run.pump();
    assert!(!run.session.wants_bytes() && !run.closed);
    run.session.give(run.now, Input::Bytes(b"NOOP\r\n"));
    assert_eq!(run.session.held(), 0);
    run.pump();
    assert!(!run.closed, "the question is still open");
    run.answer();
    run.settle();
    assert!(
        run.said
            .ends_with(b"421 4.3.0 Too much input, closing the connection\r\n")
    );
    assert_eq!(run.end(), Some(End::Flooded));
}

#[test]
fn stray_answers_and_handshakes_are_ignored() {
    let mut run = plain();
    run.say("EHLO c.example\r\n");
    run.session.give(run.now, Input::Answer(reply(421)));
    run.session.give(run.now, Input::Secured(tls()));
    run.settle();
    assert_eq!(run.session.tls(), None);
    assert_eq!(
        run.codes("MAIL FROM:<a@b.example>\r\n"),
        [250],
        "still greeted, still open"
    );
}

#[test]
fn each_recipient_hears_its_own_reply_under_prdr() {
    let each = || {
        Answer::Each(
            vec![Reply::new(250, None, "yes"), Reply::new(550, None, "no")],
            Reply::new(250, None, "done"),
        )
    };
    for (params, codes) in [(" PRDR", vec![353, 250, 550, 250]), ("", vec![250])] {
        let mut run = with(|s| s.offer.prdr = true);
        run.say(format!(
            "EHLO c.example\r\nMAIL FROM:<a@b.example>{params}\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<e@d.example>\r\n"
        ));
        run.say("DATA\r\n");
        run.feed(MESSAGE.as_bytes());
        let said = run.said.len();
        run.answer_with(each());
        run.settle();
        assert_eq!(session_run::codes(&run.said[said..]), codes);
    }
}

#[test]
fn a_parked_session_is_small_and_holds_nothing() {
    assert!(size_of::<Session>() <= 512, "{}", size_of::<Session>());
    let mut run = plain();
    assert!(run.session.is_parked());
    run.say("EHLO c.example\r\n");
    assert!(run.session.is_parked());
    run.feed(b"NOOP");
    assert!(!run.session.is_parked());
    run.say("\r\n");
    assert!(run.session.is_parked());
    run.feed(b"MAIL FROM:<a@b.example>\r\n");
    assert!(!run.session.is_parked());
    run.settle();
    assert!(run.session.is_parked());
}

#[test]
fn replies_have_no_enhanced_codes_where_none_are_offered() {
    let mut run = with(|s| {
        s.offer = Offer {
            size: Some(1),
            ..Offer::default()
        }
    });
    assert_eq!(run.say("EHLO c.example\r\n"), "250-mx.example\r\n250 SIZE 1\r\n");
    assert_eq!(run.say("NOOP\r\n"), "250 Ok\r\n");
}

#[test]
fn pieces_of_one_octet_make_the_same_session() {
    let segments: Vec<Vec<u8>> = [
        "EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n",
        MESSAGE,
        "QUIT\r\n",
    ]
    .map(|s| s.as_bytes().to_vec())
    .into();
    let whole = run_cut(generous(), &segments, None);
    assert!(whole.closed);
    for late in [false, true] {
        let cut = session_run::Cut { sizes: [1; 4], late };
        assert_eq!(
            transcript(&run_cut(generous(), &segments, Some(cut))),
            transcript(&whole)
        );
    }
}
