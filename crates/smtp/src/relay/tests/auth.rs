//! AUTH.

use super::*;

#[test]
fn an_authentication_is_relayed_line_by_line() {
    let mut talk = Talk::ready(LOCKSTEP);
    talk.order(
        Order::Auth {
            mechanism: "LOGIN",
            initial: None,
        },
        &["> AUTH LOGIN"],
    );
    talk.server("334 VXNlcm5hbWU6\r\n", &["challenge VXNlcm5hbWU6"]);
    talk.order(Order::AuthLine("dXNlcg=="), &["> dXNlcg=="]);
    talk.server("334 \r\n", &["challenge "]);
    talk.order(Order::AuthLine(""), &["> "]);
    talk.server("235 2.7.0 ok\r\n", &["replied 235 2.7.0 ok"]);
    talk.order(
        Order::Auth {
            mechanism: "PLAIN",
            initial: Some(""),
        },
        &["> AUTH PLAIN ="],
    );
    talk.server("535 5.7.8 no\r\n", &["replied 535 5.7.8 no"]);
    talk.order(
        Order::Auth {
            mechanism: "PLAIN",
            initial: Some("AGEAYg=="),
        },
        &["> AUTH PLAIN AGEAYg=="],
    );
    talk.server("334 \r\n", &["challenge "]);
    talk.order(Order::AuthCancel, &["> *"]);
    talk.server("501 cancelled\r\n", &["replied 501 cancelled"]);
}

#[test]
fn only_235_says_that_somebody_authenticated() {
    for reply in ["250 ok\r\n", "354 ok\r\n"] {
        let mut talk = Talk::ready(LOCKSTEP);
        talk.order(
            Order::Auth {
                mechanism: "PLAIN",
                initial: Some("AA=="),
            },
            &["> AUTH PLAIN AA=="],
        );
        talk.server(reply, &["lost Upstream Malformed", "close"]);
    }
}

#[test]
fn what_is_no_base64_never_reaches_the_server() {
    let long = "A".repeat(MAX_AUTH_LINE);
    for bad in ["a b", "AA==\r\nMAIL FROM:<>", "*", "\u{e9}", &long] {
        let mut talk = Talk::ready(LOCKSTEP);
        talk.order(
            Order::Auth {
                mechanism: "PLAIN",
                initial: Some(bad),
            },
            &["lost Client BadText", "close"],
        );
        let mut talk = Talk::ready(LOCKSTEP);
        talk.order(
            Order::Auth {
                mechanism: "LOGIN",
                initial: None,
            },
            &["> AUTH LOGIN"],
        );
        talk.server("334 \r\n", &["challenge "]);
        talk.order(Order::AuthLine(bad), &["lost Client BadText", "close"]);
    }
    for bad in ["", "PLAIN X", "PLAIN\r\n", "ABCDEFGHIJKLMNOPQRSTU"] {
        Talk::ready(LOCKSTEP).order(
            Order::Auth {
                mechanism: bad,
                initial: None,
            },
            &["lost Client BadText", "close"],
        );
    }
}

#[test]
fn credentials_are_not_printed_and_not_kept_once_written() {
    let mut talk = Talk::ready(LOCKSTEP);
    let order = Order::Auth {
        mechanism: "PLAIN",
        initial: Some("c2VjcmV0"),
    };
    assert_eq!(format!("{order:?} {:?}", Order::AuthLine("c2VjcmV0")), "Auth AuthLine");
    talk.relay.order(order);
    assert!(!format!("{:?}", talk.relay).contains("c2Vj"));
    talk.until_wait(&["> AUTH PLAIN c2VjcmV0"]);
    assert_eq!(talk.relay.out, b"");
}
