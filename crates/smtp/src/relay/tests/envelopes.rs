//! MAIL, RCPT and RSET.

use super::*;

#[test]
fn an_envelope_leaves_in_one_write_where_pipelining_is_offered() {
    let mut talk = Talk::ready(PIPELINING);
    talk.envelope(
        "a@b.example",
        "c@d.example",
        &["> MAIL FROM:<a@b.example> | RCPT TO:<c@d.example>"],
    );
    talk.server("250 mail\r\n", &[]);
    assert!(talk.relay.in_transaction());
    talk.server("250 2.1.5 rcpt\r\n", &["recipient 250 2.1.5 rcpt"]);
    assert_eq!(talk.relay.granted(), 1);
    talk.rcpt("e@d.example", &["> RCPT TO:<e@d.example>"]);
    talk.server("550 5.1.1 who\r\n", &["recipient 550 5.1.1 who"]);
    assert_eq!(talk.relay.granted(), 1);
}

#[test]
fn an_envelope_goes_command_by_command_where_it_is_not() {
    let mut talk = Talk::ready(LOCKSTEP);
    talk.envelope("", "c@d.example", &["> MAIL FROM:<>"]);
    talk.server("250 mail\r\n", &["> RCPT TO:<c@d.example>"]);
    talk.server("451 4.2.0 later\r\n", &["recipient 451 4.2.0 later"]);
    assert!(talk.relay.in_transaction() && talk.relay.granted() == 0);
}

#[test]
fn a_refused_mail_answers_the_first_recipient() {
    for refusal in ["550 5.7.1 no", "451 4.3.0 later"] {
        let said = format!("recipient {refusal}");
        let mut talk = Talk::ready(LOCKSTEP);
        talk.envelope("a@b.example", "c@d.example", &["> MAIL FROM:<a@b.example>"]);
        talk.server(&format!("{refusal}\r\n"), &[&said]);
        assert!(!talk.relay.in_transaction() && talk.relay.is_open());
        let mut talk = Talk::ready(PIPELINING);
        talk.envelope(
            "a@b.example",
            "c@d.example",
            &["> MAIL FROM:<a@b.example> | RCPT TO:<c@d.example>"],
        );
        talk.server(&format!("{refusal}\r\n"), &[]);
        talk.server("503 5.5.1 no mail\r\n", &[&said]);
        assert!(!talk.relay.in_transaction() && talk.relay.is_open());
        talk.envelope(
            "x@b.example",
            "c@d.example",
            &["> MAIL FROM:<x@b.example> | RCPT TO:<c@d.example>"],
        );
    }
}

#[test]
fn a_recipient_without_a_sender_cannot_be_accepted() {
    let mut talk = Talk::ready(PIPELINING);
    talk.envelope(
        "a@b.example",
        "c@d.example",
        &["> MAIL FROM:<a@b.example> | RCPT TO:<c@d.example>"],
    );
    talk.server("550 no\r\n250 yes\r\n", &["lost Upstream Malformed", "close"]);
}

#[test]
fn a_replay_resets_and_names_a_subset() {
    let mut talk = Talk::granted(PIPELINING);
    talk.replay(3, &["> RSET | MAIL FROM:<a@b.example> | RCPT TO:<r0@d.example> | RCPT TO:<r1@d.example> | RCPT TO:<r2@d.example>"]);
    talk.server("250 rset\r\n", &[]);
    assert!(!talk.relay.in_transaction() && talk.relay.granted() == 0);
    talk.server("250 mail\r\n250 r0\r\n451 r1\r\n", &[]);
    talk.server("250 r2\r\n", &["recipients 250 451 250"]);
    assert_eq!(talk.relay.granted(), 2);

    let mut talk = Talk::granted(LOCKSTEP);
    talk.replay(2, &["> RSET"]);
    talk.server("250 rset\r\n", &["> MAIL FROM:<a@b.example>"]);
    talk.server("250 mail\r\n", &["> RCPT TO:<r0@d.example>"]);
    talk.server("550 r0\r\n", &["> RCPT TO:<r1@d.example>"]);
    talk.server("250 r1\r\n", &["recipients 550 250"]);
}

#[test]
fn a_replay_whose_mail_is_refused_answers_every_recipient() {
    let mut talk = Talk::granted(PIPELINING);
    talk.relay.order(Order::Reset);
    talk.until_wait(&["> RSET"]);
    talk.server("250 ok\r\n", &["replied 250 ok"]);
    talk.replay(
        2,
        &["> RSET | MAIL FROM:<a@b.example> | RCPT TO:<r0@d.example> | RCPT TO:<r1@d.example>"],
    );
    talk.server("250 rset\r\n451 mail\r\n503 r0\r\n503 r1\r\n", &["recipients 451 451"]);
    let mut talk = Talk::granted(LOCKSTEP);
    talk.replay(2, &["> RSET"]);
    talk.server("250 rset\r\n", &["> MAIL FROM:<a@b.example>"]);
    talk.server("552 mail\r\n", &["recipients 552 552"]);
}

#[test]
fn a_long_replay_goes_in_batches() {
    let mut talk = Talk::ready(PIPELINING);
    let to: Vec<_> = (0..100)
        .map(|n| (path(&format!("r{n}@d.example")), RcptParams::default()))
        .collect();
    let mut writes = Vec::new();
    talk.relay.order(Order::Replay {
        from: &Path::Null,
        params: &MailParams::default(),
        to: &to,
    });
    loop {
        match talk.relay.poll(talk.now) {
            Output::Write(bytes) => writes.push(bytes.iter().filter(|b| **b == b'\n').count()),
            Output::Wait { .. } => {
                let replies = "250 ok\r\n".repeat(*writes.last().expect("a write"));
                talk.relay.give(talk.now, Input::Bytes(replies.as_bytes()));
            }
            Output::Done(outcome) => {
                assert!(matches!(&outcome, Outcome::Recipients(replies) if replies.len() == 100));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(writes, [MAX_PIPELINED, 102 - MAX_PIPELINED]);
    // Nothing of it is left for what comes next.
    talk.order(Order::Reset, &["> RSET"]);
    talk.server("250 ok\r\n", &["replied 250 ok"]);
    talk.envelope(
        "a@b.example",
        "c@d.example",
        &["> MAIL FROM:<a@b.example> | RCPT TO:<c@d.example>"],
    );
}

#[test]
fn a_refused_rset_retires_the_connection() {
    let mut talk = Talk::granted(LOCKSTEP);
    talk.order(Order::Reset, &["> RSET"]);
    talk.server("500 what\r\n", &["replied 500 what", "close"]);
    let mut talk = Talk::granted(LOCKSTEP);
    talk.replay(1, &["> RSET"]);
    talk.server("500 what\r\n", &["lost Upstream Refused 500 what", "close"]);
}

#[test]
fn utf8_is_not_told_to_a_server_that_cannot_read_it() {
    let params = MailParams {
        smtputf8: true,
        ..MailParams::default()
    };
    let order = |from: &Path, to: &Path, expected: &[&str], offer: &str| {
        let mut talk = Talk::ready(offer);
        talk.order(
            Order::Envelope {
                from,
                params: &params,
                to,
                rcpt: &RcptParams::default(),
            },
            expected,
        );
        assert!(talk.relay.is_open());
    };
    let refused = &[format!("recipient {NO_UTF8}")];
    let refused: Vec<&str> = refused.iter().map(String::as_str).collect();
    order(&path("\u{e9}@b.example"), &path("c@d.example"), &refused, LOCKSTEP);
    order(&path("a@b.example"), &path("c@d.example"), &refused, LOCKSTEP);
    order(
        &path("\u{e9}@b.example"),
        &path("c@d.example"),
        &["> MAIL FROM:<\u{e9}@b.example> SMTPUTF8"],
        "250-mx.example\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
    );
    let mut talk = Talk::granted(LOCKSTEP);
    talk.rcpt("\u{e9}@d.example", &refused);
    assert!(talk.relay.in_transaction());
}
