//! What may be ordered when, and how long it may take.

use super::*;

#[test]
fn what_is_out_of_place_is_our_fault_and_never_written() {
    let lost = ["lost Us OutOfPlace", "close"];
    Talk::ready(LOCKSTEP).order(Order::Data, &lost);
    Talk::ready(LOCKSTEP).order(Order::AuthLine("AA=="), &lost);
    Talk::ready(LOCKSTEP).order(Order::AuthCancel, &lost);
    Talk::ready(LOCKSTEP).rcpt("c@d.example", &lost);
    Talk::ready(LOCKSTEP).replay(0, &lost);
    Talk::ready(LOCKSTEP).envelope("a@b.example", "", &lost);
    Talk::granted(LOCKSTEP).envelope("a@b.example", "c@d.example", &lost);
    Talk::granted(LOCKSTEP).order(
        Order::Auth {
            mechanism: "PLAIN",
            initial: None,
        },
        &lost,
    );
    Talk::in_body().order(Order::Noop, &lost);
    let mut talk = Talk::ready(LOCKSTEP);
    talk.order(Order::Noop, &["> NOOP"]);
    talk.order(Order::Noop, &lost);
    let mut talk = Talk::ready(LOCKSTEP);
    talk.relay.body(b"text");
    talk.until_wait(&lost);
    let mut talk = Talk::ready(LOCKSTEP);
    talk.relay.end();
    talk.until_wait(&lost);
    let mut talk = Talk::new(settings());
    talk.order(Order::Noop, &lost);
}

#[test]
fn noop_and_quit_are_answered_and_quit_closes() {
    let mut talk = Talk::ready(LOCKSTEP);
    talk.order(Order::Noop, &["> NOOP"]);
    talk.server("250 ok\r\n", &["replied 250 ok"]);
    talk.order(Order::Quit, &["> QUIT"]);
    talk.server("221 bye\r\n", &["replied 221 bye", "close"]);
    assert!(!talk.relay.is_open());
}

#[test]
fn a_421_answers_whatever_was_ordered_and_closes() {
    let bye = "421 4.3.2 bye\r\n";
    let mut talk = Talk::ready(LOCKSTEP);
    talk.order(Order::Noop, &["> NOOP"]);
    talk.server(bye, &["replied 421 4.3.2 bye", "close"]);
    let mut talk = Talk::ready(PIPELINING);
    talk.envelope(
        "a@b.example",
        "c@d.example",
        &["> MAIL FROM:<a@b.example> | RCPT TO:<c@d.example>"],
    );
    talk.server(bye, &["recipient 421 4.3.2 bye", "close"]);
    let mut talk = Talk::granted(LOCKSTEP);
    talk.rcpt("c@d.example", &["> RCPT TO:<c@d.example>"]);
    talk.server(bye, &["recipient 421 4.3.2 bye", "close"]);
    let mut talk = Talk::granted(LOCKSTEP);
    talk.order(Order::Data, &["> DATA"]);
    talk.server(bye, &["replied 421 4.3.2 bye", "close"]);
    let mut talk = Talk::ready(LOCKSTEP);
    talk.order(
        Order::Auth {
            mechanism: "LOGIN",
            initial: None,
        },
        &["> AUTH LOGIN"],
    );
    talk.server(bye, &["replied 421 4.3.2 bye", "close"]);
    // Those who were accepted before are not served either.
    let mut talk = Talk::granted(PIPELINING);
    talk.replay(3, &["> RSET | MAIL FROM:<a@b.example> | RCPT TO:<r0@d.example> | RCPT TO:<r1@d.example> | RCPT TO:<r2@d.example>"]);
    talk.server(
        "250 ok\r\n250 ok\r\n250 ok\r\n421 4.3.2 bye\r\n",
        &["recipients 421 421 421", "close"],
    );
    assert!(!talk.relay.is_open() && talk.relay.granted() == 0);
}

#[test]
fn a_3xx_where_none_belongs_is_malformed() {
    let lost = ["lost Upstream Malformed", "close"];
    let mut talk = Talk::ready(LOCKSTEP);
    talk.order(Order::Noop, &["> NOOP"]);
    talk.server("354 go\r\n", &lost);
    let mut talk = Talk::ready(LOCKSTEP);
    talk.envelope("a@b.example", "c@d.example", &["> MAIL FROM:<a@b.example>"]);
    talk.server("354 go\r\n", &lost);
    let mut talk = Talk::granted(LOCKSTEP);
    talk.rcpt("c@d.example", &["> RCPT TO:<c@d.example>"]);
    talk.server("334 go\r\n", &lost);
}

#[test]
fn each_step_has_its_deadline() {
    let mut talk = Talk::new(settings());
    assert_eq!(talk.patience(), Some(60));
    talk.server(GREETING, &[EHLO]);
    assert_eq!(talk.patience(), Some(60));
    talk.server(LOCKSTEP, &["ready"]);
    assert_eq!(talk.patience(), None);
    let mut talk = Talk::granted(LOCKSTEP);
    talk.order(Order::Data, &["> DATA"]);
    assert_eq!(talk.patience(), Some(120));
    talk.server("354 go\r\n", &["replied 354 go"]);
    assert_eq!(talk.patience(), None);
    talk.relay.end();
    talk.until_wait(&["> ."]);
    assert_eq!(talk.patience(), Some(300));
    talk.now = talk.now + Duration::from_secs(299);
    talk.give(Input::Tick, &[]);
    // Half a reply buys no time.
    talk.server("25", &[]);
    talk.now = talk.now + Duration::from_secs(1);
    talk.give(Input::Tick, &["lost Upstream Silent after the dot", "close"]);
}

#[test]
fn a_write_that_does_not_end_is_a_loss() {
    let mut talk = Talk::in_body();
    talk.relay.body(b"text");
    assert!(matches!(talk.relay.poll(talk.now), Output::Write(_)));
    talk.now = talk.now + Duration::from_secs(180);
    talk.give(Input::Tick, &["lost Upstream Silent", "close"]);
}

#[test]
fn our_own_slowness_in_a_message_is_no_fault_of_the_upstream() {
    let mut talk = Talk::in_body();
    talk.relay.body(b"text");
    talk.until_wait(&["> text"]);
    talk.now = talk.now + Duration::from_secs(3600);
    talk.give(Input::Tick, &[]);
    assert!(talk.relay.is_open());
}

#[test]
fn a_parked_relay_is_small_and_holds_no_buffer() {
    assert!(size_of::<Relay>() <= 512, "{}", size_of::<Relay>());
    let mut talk = Talk::in_body();
    talk.relay.body(&[b'x'; 100_000]);
    talk.relay.end();
    while matches!(talk.relay.poll(talk.now), Output::Write(_)) {}
    talk.server("250 ok\r\n", &["replied 250 ok"]);
    assert!(talk.relay.out.capacity() <= KEPT && talk.relay.later.capacity() <= KEPT);
}
