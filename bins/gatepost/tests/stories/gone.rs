//! A client that goes away: before the dot, at it, and after it (P-23).

use std::thread;
use std::time::Duration;

use crate::house::{Act, Gatepost, Script, Setup, Upstream, eventually, mail, stuffed};

fn stage(script: Script) -> (Upstream, Gatepost) {
    let upstream = Upstream::start(script);
    let gatepost = Gatepost::start(&Setup::before(upstream.address));
    (upstream, gatepost)
}

#[test]
fn gone_before_the_dot_nothing_is_sent() {
    let (upstream, gatepost) = stage(Script::new());
    for half_close in [false, true] {
        let mut client = gatepost.client();
        client.envelope("ann@there.example", &["bob@example.org"]);
        client.data();
        client.send(stuffed(&mail("before")));
        if half_close {
            client.finish();
            client.until_the_end();
        } else {
            client.vanish();
        }
    }
    eventually("two lines about it", || (gatepost.records().len() == 2).then_some(()));
    assert!(
        gatepost.records().iter().all(|record| record["end"] == "lost"),
        "{:?}",
        gatepost.records()
    );
    for session in upstream.quiet() {
        assert!(!session.has("DATA"), "{session:?}");
    }
}

#[test]
fn gone_at_the_dot_the_last_look_sees_it() {
    // The server thinks about DATA, and meanwhile the client leaves.
    let (upstream, gatepost) = stage(Script::new().on("DATA", Act::later(1500, "354 go")));
    let mut client = gatepost.client();
    client.envelope("ann@there.example", &["bob@example.org"]);
    client.data();
    client.send([&stuffed(&mail("at"))[..], b".\r\n"].concat());
    eventually("DATA at the server", || {
        upstream
            .sessions()
            .iter()
            .any(|session| session.has("DATA"))
            .then_some(())
    });
    client.vanish();
    upstream.quiet();
    assert!(
        upstream.complete().is_empty(),
        "it was ended for a client that will send it again"
    );
    gatepost.record("lost", |record| record["end"] == "lost");
}

#[test]
fn who_quits_behind_the_dot_and_closes_its_side_is_there_and_hears_the_reply() {
    // So does Exim, with its last message to a server, in plaintext and under TLS.
    let (upstream, gatepost) = stage(Script::new().on("<dot>", Act::later(300, "250 2.0.0 Taken")));
    for _ in 0..2 {
        let mut client = gatepost.client();
        client.envelope("ann@there.example", &["bob@example.org"]);
        client.data();
        client.send([&stuffed(&mail("last"))[..], b".\r\nQUIT\r\n"].concat());
        client.finish();
        client.reply().begins("250 2.0.0 Taken");
        client.reply().is(221);
    }
    upstream.quiet();
    assert_eq!(upstream.taken().len(), 2);
    let records = eventually("two lines", || Some(gatepost.records()).filter(|all| all.len() == 2));
    assert!(records.iter().all(|record| record["end"] == "answered"), "{records:?}");
}

#[test]
fn gone_after_the_dot_it_is_delivered_and_told_so() {
    let (upstream, gatepost) = stage(Script::new().on("<dot>", Act::later(1500, "250 2.0.0 Taken")));
    let mut client = gatepost.client();
    client.envelope("ann@there.example", &["bob@example.org"]);
    client.data();
    client.send([&stuffed(&mail("after"))[..], b".\r\n"].concat());
    eventually("the whole message at the server", || {
        (upstream.complete().len() == 1).then_some(())
    });
    client.vanish();
    upstream.quiet();
    assert_eq!(upstream.taken().len(), 1);
    gatepost.record("delivered_unacked", |record| record["end"] == "delivered_unacked");
}

#[test]
fn gone_in_every_state_the_proxy_does_not_mind() {
    let (upstream, gatepost) = stage(Script::new());
    let lines = [
        "MAIL FROM:<ann@there.example>",
        "RCPT TO:<bob@example.org>",
        "DATA",
        "half a li",
    ];
    for count in 0..=lines.len() {
        let mut client = gatepost.client();
        for line in &lines[..count] {
            client.send(line);
            if *line != "half a li" {
                client.send("\r\n");
                client.reply();
            }
        }
        client.vanish();
    }
    let silent = crate::house::Client::connect(gatepost.address("mx"));
    silent.vanish();
    upstream.quiet();
    assert!(upstream.complete().is_empty());
    eventually("the end of all sessions", || {
        (gatepost.metric("gatepost_sessions") == 0.0).then_some(())
    });
    let mut client = gatepost.client();
    client
        .mail("ann@there.example", &["bob@example.org"], &mail("later"))
        .is(250);
    client.quit();
}

#[test]
fn a_client_that_sends_its_next_mail_early_is_not_taken_for_gone() {
    let (upstream, gatepost) = stage(Script::new().on("<dot>", Act::later(200, "250 2.0.0 Taken")));
    let mut client = gatepost.client();
    client.envelope("ann@there.example", &["bob@example.org"]);
    client.data();
    let next = b".\r\nMAIL FROM:<ann@there.example>\r\nRCPT TO:<carl@example.org>\r\nDATA\r\n";
    client.send([&stuffed(&mail("one"))[..], next].concat());
    for code in [250, 250, 250, 354] {
        client.reply().is(code);
    }
    client.content(&mail("two")).is(250);
    thread::sleep(Duration::from_millis(1));
    client.quit();
    assert_eq!(upstream.taken().len(), 2);
}
