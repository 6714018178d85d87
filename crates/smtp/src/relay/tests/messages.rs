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

/// Two recipients were accepted of a server that offers PRDR, the message has been sent, and the server has said 353.
fn asked_for_each(replies: &str) -> Talk {
    let mut talk = Talk::ready("250-mx.example\r\n250-PIPELINING\r\n250 PRDR\r\n");
    let params = MailParams {
        prdr: true,
        ..MailParams::default()
    };
    let (from, rcpt) = (path("a@b.example"), RcptParams::default());
    let order = Order::Envelope {
        from: &from,
        params: &params,
        to: &path("c@d.example"),
        rcpt: &rcpt,
    };
    talk.order(order, &["> MAIL FROM:<a@b.example> PRDR | RCPT TO:<c@d.example>"]);
    talk.server("250 ok\r\n250 ok\r\n", &["recipient 250 ok"]);
    let to = path("e@d.example");
    talk.order(Order::Rcpt { to: &to, params: &rcpt }, &["> RCPT TO:<e@d.example>"]);
    talk.server("250 ok\r\n", &["recipient 250 ok"]);
    talk.order(Order::Data, &["> DATA"]);
    talk.server("354 go\r\n", &["replied 354 go"]);
    talk.relay.end();
    talk.until_wait(&["> ."]);
    talk.server(replies, &[]);
    talk
}

#[test]
fn under_prdr_each_recipient_has_a_reply_and_there_is_a_last_word() {
    let mut talk = asked_for_each("353 one by one\r\n250 yes\r\n55");
    talk.server("0 no\r\n", &[]);
    talk.server("250 for some\r\n", &["each 250 550 and 250 for some"]);
    assert!(talk.relay.is_open() && !talk.relay.in_transaction());
    let mut talk = asked_for_each("353-one\r\n353 by one\r\n");
    talk.server("451 a\r\n550 b\r\n421 bye\r\n", &["each 451 550 and 421 bye", "close"]);
}

#[test]
fn under_prdr_a_server_may_answer_for_all_at_once() {
    for reply in ["250 yes", "451 later", "550 no"] {
        asked_for_each("").server(&format!("{reply}\r\n"), &[&format!("replied {reply}")]);
    }
}

#[test]
fn replies_to_each_that_break_off_leave_all_in_doubt() {
    let lost = |what| [format!("lost Upstream {what} after the dot"), "close".into()];
    for (reply, what) in [
        ("250 yes\r\n354 what\r\n", "Malformed"),
        ("250 yes\r\n421 bye\r\n", "Gone"),
        ("353 again\r\n", "Malformed"),
    ] {
        let lost = lost(what);
        asked_for_each("353 one by one\r\n").server(reply, &lost.each_ref().map(String::as_str));
    }
    for reply in ["", "250 yes\r\n", "250 yes\r\n250 yes\r\n25"] {
        let mut talk = asked_for_each("353 one by one\r\n");
        talk.server(reply, &[]);
        let lost = lost("Gone");
        talk.give(Input::Eof, &lost.each_ref().map(String::as_str));
    }
    // Nobody asked for it here.
    let mut talk = Talk::in_body();
    talk.relay.end();
    talk.until_wait(&["> ."]);
    talk.server(
        "353 one by one\r\n",
        &["lost Upstream Malformed after the dot", "close"],
    );
}

#[test]
fn all_replies_to_each_have_one_deadline() {
    let mut talk = asked_for_each("353 one by one\r\n");
    let dot = Timeouts::default().dot;
    talk.now = talk.now + dot / 2;
    talk.server("250 yes\r\n", &[]);
    talk.now = talk.now + dot / 2;
    talk.give(Input::Tick, &["lost Upstream Silent after the dot", "close"]);
}
