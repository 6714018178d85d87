//! DATA, content and the dot.

use super::*;

#[test]
fn the_last_content_and_the_dot_leave_in_one_write() {
    let mut talk = Talk::in_body();
    talk.relay.body(b"Subject: x\r\n\r\n.dot\nend");
    assert_eq!(talk.relay.buffered(), "Subject: x\r\n\r\n..dot\r\nend".len());
    talk.relay.end();
    talk.until_wait(&["> Subject: x |  | ..dot | end | ."]);
    assert_eq!(talk.relay.buffered(), 0);
    talk.server("250 2.0.0 queued\r\n", &["replied 250 2.0.0 queued"]);
    assert!(talk.relay.is_open() && !talk.relay.in_transaction() && talk.relay.granted() == 0);
    talk.envelope("a@b.example", "c@d.example", &["> MAIL FROM:<a@b.example>"]);
}

#[test]
fn content_that_was_written_is_not_written_again() {
    let mut talk = Talk::in_body();
    talk.relay.body(b"one\r\n");
    assert!(matches!(talk.relay.poll(talk.now), Output::Write(b"one\r\n")));
    assert_eq!(talk.relay.buffered(), 0);
    talk.relay.body(b"two\r\n");
    talk.until_wait(&["> two"]);
    talk.relay.end();
    talk.until_wait(&["> ."]);
}

#[test]
fn the_reply_to_the_dot_is_the_outcome() {
    for (reply, closes) in [
        ("250 2.0.0 ok", false),
        ("552 5.2.2 full", false),
        ("451 4.3.0 later", false),
        ("421 4.3.2 bye", true),
    ] {
        let mut talk = Talk::in_body();
        talk.relay.end();
        talk.until_wait(&["> ."]);
        let said = format!("replied {reply}");
        let expected = [said.as_str(), "close"];
        talk.server(&format!("{reply}\r\n"), if closes { &expected } else { &expected[..1] });
        assert_eq!(talk.relay.is_open(), !closes);
    }
}

#[test]
fn data_is_answered_by_354_or_refused() {
    let mut talk = Talk::granted(LOCKSTEP);
    talk.order(Order::Data, &["> DATA"]);
    talk.server("554 5.5.1 no\r\n", &["replied 554 5.5.1 no"]);
    assert!(talk.relay.is_open() && talk.relay.in_transaction());
    for bad in ["250 ok\r\n", "334 x\r\n", "355 x\r\n"] {
        let mut talk = Talk::granted(LOCKSTEP);
        talk.order(Order::Data, &["> DATA"]);
        talk.server(bad, &["lost Upstream Malformed", "close"]);
    }
}

#[test]
fn a_reply_that_comes_before_the_dot_is_never_good_news() {
    for good in ["250 queued\r\n", "354 more\r\n", "nonsense\r\n"] {
        Talk::in_body().server(good, &["lost Upstream Malformed", "close"]);
    }
    for bad in ["421 timeout", "552 too big", "451 later"] {
        Talk::in_body().server(&format!("{bad}\r\n"), &[&format!("replied {bad}"), "close"]);
    }
    // In the same read as the 354.
    let mut talk = Talk::granted(LOCKSTEP);
    talk.order(Order::Data, &["> DATA"]);
    talk.server(
        "354 go\r\n250 queued\r\n",
        &["replied 354 go", "lost Upstream Malformed", "close"],
    );
    // Half of it before the end, which then is not written.
    let mut talk = Talk::in_body();
    talk.relay.body(b"text");
    talk.server("250 que", &["> text"]);
    talk.relay.end();
    talk.until_wait(&["lost Upstream Malformed", "close"]);
    // All of it while the end is not handed out.
    let mut talk = Talk::in_body();
    talk.relay.end();
    talk.server("250 queued\r\n", &["lost Upstream Malformed after the dot", "close"]);
}

#[test]
fn a_loss_knows_whether_the_dot_was_sent() {
    let mut talk = Talk::in_body();
    talk.relay.body(b"text");
    talk.give(Input::Eof, &["lost Upstream Gone", "close"]);
    for (reply, what) in [
        ("25", "Gone"),
        ("2x0 ok\r\n", "Malformed"),
        ("354 go\r\n", "Malformed"),
        ("250-a\r\n251 b\r\n", "Malformed"),
    ] {
        let mut talk = Talk::in_body();
        talk.relay.end();
        talk.until_wait(&["> ."]);
        talk.relay.give(talk.now, Input::Bytes(reply.as_bytes()));
        talk.relay.give(talk.now, Input::Eof);
        talk.until_wait(&[&format!("lost Upstream {what} after the dot"), "close"]);
    }
}

#[test]
fn an_aborted_message_gets_no_dot() {
    let mut talk = Talk::in_body();
    talk.relay.body(b"text");
    talk.relay.abort();
    talk.until_wait(&["close"]);
    assert!(!talk.relay.is_open());
    talk.relay.end();
    talk.until_wait(&["lost Upstream Gone", "close"]);
}
