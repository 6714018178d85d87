//! Whose address counts, and for whom mail is taken (P-16, O-09, O-10).

use crate::house::{Client, Gatepost, Postfix, Script, Setup, Upstream, mail, say};

/// A setup whose listener believes the PROXY headers of all of loopback.
fn behind_balancer(upstream: std::net::SocketAddr) -> Setup {
    Setup::before(upstream).at("mx", "proxy_protocol_from", "['127.0.0.1']")
}

/// A PROXY header of version 2 for TCP over IPv4.
fn version_2(address: [u8; 4], port: u16, more: &[u8]) -> Vec<u8> {
    let length = u16::try_from(12 + more.len()).expect("a length");
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11".to_vec();
    header.extend(length.to_be_bytes());
    header.extend(address);
    header.extend([192, 0, 2, 1]);
    header.extend(port.to_be_bytes());
    header.extend([0, 25]);
    header.extend(more);
    header
}

/// Sends one mail on a connection that begins with these octets.
fn one_mail(gatepost: &Gatepost, header: &[u8], subject: &str) -> u16 {
    let mut client = Client::connect(gatepost.address("mx"));
    client.send(header);
    client.reply().is(220);
    client.ask("EHLO client.there.example").is(250);
    let code = client
        .mail("ann@there.example", &["bob@example.org"], &mail(subject))
        .code;
    client.quit();
    code
}

#[test]
fn postfix_sees_the_client_itself_by_xclient() {
    let postfix = Postfix::start("");
    let gatepost = Gatepost::start(&behind_balancer(postfix.address).set("route.default.client_address", "'xclient'"));
    let code = one_mail(&gatepost, b"PROXY TCP4 203.0.113.5 192.0.2.1 40000 25\r\n", "v4");
    assert_eq!(code, 250);
    let code = one_mail(&gatepost, b"PROXY TCP6 2001:db8::5 2001:db8::1 40001 25\r\n", "v6");
    assert_eq!(code, 250);
    postfix.logs(&[": client=", "[203.0.113.5]"]);
    postfix.logs(&[": client=", "[2001:db8::5]"]);
    let delivered = postfix.settled();
    assert_eq!(delivered.len(), 2);
    let shown: Vec<_> = delivered
        .iter()
        .map(|mail| String::from_utf8_lossy(&mail.file).replace("\n\t", " "))
        .collect();
    let all = shown.join("\n");
    assert!(
        all.contains("Received: from client.there.example (unknown [203.0.113.5]) by backend.example.org"),
        "{all}"
    );
    assert!(
        all.contains("Received: from client.there.example (unknown [IPv6:2001:db8::5]) by backend.example.org"),
        "{all}"
    );
    // To Postfix it is no neighbour any longer, so its own defence holds, too.
    assert!(!postfix.log().contains(": client=unknown[127.0.0.1]"));
}

#[test]
fn postfix_logs_the_client_by_xforward() {
    let postfix = Postfix::start("");
    let gatepost = Gatepost::start(&behind_balancer(postfix.address).set("route.default.client_address", "'xforward'"));
    assert_eq!(
        one_mail(&gatepost, b"PROXY TCP4 203.0.113.6 192.0.2.1 40000 25\r\n", "forward"),
        250
    );
    assert_eq!(postfix.settled().len(), 1);
    postfix.logs(&["orig_client=", "[203.0.113.6]"]);
}

#[test]
fn a_server_that_does_not_offer_xclient_gets_mail_only_where_that_is_wanted() {
    let upstream = Upstream::start(Script::new());
    let setup = Setup::before(upstream.address).set("route.default.client_address", "'xclient'");
    let mut gatepost = Gatepost::start(&setup);
    let mut client = gatepost.client();
    client.ask("MAIL FROM:<ann@there.example>").is(250);
    client.ask("RCPT TO:<bob@example.org>").is(451);
    client.quit();
    assert!(gatepost.reload(&setup.set("route.default.if_not_offered", "'go_on'")));
    let mut client = gatepost.client();
    client
        .mail("ann@there.example", &["bob@example.org"], &mail("without"))
        .is(250);
    client.quit();
    assert_eq!(upstream.taken().len(), 1);
}

#[test]
fn xclient_is_one_command_of_clean_values() {
    let script = Script::new()
        .and("XCLIENT NAME ADDR PORT PROTO HELO LOGIN")
        .on("XCLIENT", say("220 upstream.example ESMTP"));
    let upstream = Upstream::start(script);
    let gatepost = Gatepost::start(&behind_balancer(upstream.address).set("route.default.client_address", "'xclient'"));
    for (subject, helo) in [
        ("one", "mail.there.example"),
        ("two", "a+b=c"),
        ("three", "[203.0.113.9]"),
    ] {
        let mut client = Client::connect(gatepost.address("mx"));
        client.send(b"PROXY TCP4 203.0.113.9 192.0.2.1 40000 25\r\n");
        client.reply().is(220);
        if client.ask(&format!("EHLO {helo}")).code == 250 {
            client
                .mail("ann@there.example", &["bob@example.org"], &mail(subject))
                .is(250);
        }
        client.quit();
    }
    upstream.quiet();
    for visit in upstream.visits() {
        let lines: Vec<_> = visit
            .commands
            .iter()
            .filter(|command| command.starts_with("XCLIENT "))
            .collect();
        assert!(!lines.is_empty(), "{visit:?}");
        assert_eq!(
            lines.iter().filter(|line| line.contains(" ADDR=203.0.113.9")).count(),
            1,
            "{lines:?}"
        );
        assert!(lines.iter().all(|line| line.len() <= 510), "{lines:?}");
        assert!(
            lines.iter().all(|line| !line.contains("a+b=c")),
            "+ and = must be in xtext: {lines:?}"
        );
    }
}

#[test]
fn a_trusted_load_balancer_is_believed() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&behind_balancer(upstream.address));
    let tlv = [0x04, 0, 3, 1, 2, 3];
    for (header, address) in [
        (b"PROXY TCP4 203.0.113.5 192.0.2.1 40000 25\r\n".to_vec(), "203.0.113.5"),
        (
            b"PROXY TCP6 2001:db8::7 2001:db8::1 40000 25\r\n".to_vec(),
            "2001:db8::7",
        ),
        (
            b"PROXY TCP6 ::ffff:203.0.113.8 2001:db8::1 40000 25\r\n".to_vec(),
            "203.0.113.8",
        ),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (version_2([203, 0, 113, 9], 40_000, b""), "203.0.113.9"),
        (version_2([203, 0, 113, 10], 40_000, &tlv), "203.0.113.10"),
        (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec(), "127.0.0.1"),
    ] {
        assert_eq!(one_mail(&gatepost, &header, "balanced"), 250, "{address}");
        upstream.quiet();
        let mails = upstream.taken();
        let received = mails.last().expect("a mail").field("Received").expect("a Received");
        let literal = if address.contains(':') {
            format!("[IPv6:{address}]")
        } else {
            format!("[{address}]")
        };
        assert!(received.contains(&literal), "{address}: {received}");
        gatepost.record(address, |record| record["client"] == address);
    }
}

#[test]
fn a_header_may_come_in_pieces_and_the_client_may_speak_right_behind_it() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&behind_balancer(upstream.address));
    let mut client = Client::connect(gatepost.address("mx"));
    for octet in version_2([203, 0, 113, 11], 1, b"") {
        client.send([octet]);
    }
    client.reply().is(220);
    client.ask("EHLO client.there.example").is(250);
    client
        .mail("ann@there.example", &["bob@example.org"], &mail("pieces"))
        .is(250);
    client.quit();
    gatepost.record("its address", |record| record["client"] == "203.0.113.11");
}

#[test]
fn a_load_balancer_without_a_valid_header_is_shown_the_door() {
    let upstream = Upstream::start(Script::new());
    let mut gatepost = Gatepost::start(&behind_balancer(upstream.address).at("mx", "timeouts.proxy_header", "'500ms'"));
    let mut huge = version_2([203, 0, 113, 5], 1, b"");
    huge[14..16].copy_from_slice(&[0xff, 0xff]);
    huge.resize(70_000, 1);
    for header in [
        b"EHLO client.there.example\r\nNOOP\r\n".to_vec(),
        b"PROXY TCP4 1.2.3.4\r\n".to_vec(),
        b"PROXY TCP4 999.0.0.1 192.0.2.1 40000 25\r\n".to_vec(),
        [&b"PROXY TCP4 "[..], &[b'1'; 2000], b"\r\n"].concat(),
        huge,
        b"PROXY TCP4 203.0".to_vec(),
        Vec::new(),
    ] {
        let mut client = Client::connect(gatepost.address("mx"));
        client.try_send(&header);
        let replies = client.until_the_end();
        assert!(
            replies.iter().all(|reply| reply.code != 220),
            "{replies:?} to {}",
            header[..header.len().min(60)].escape_ascii()
        );
    }
    gatepost.is_alive();
    assert_eq!(one_mail(&gatepost, b"PROXY UNKNOWN\r\n", "after"), 250);
}

#[test]
fn a_header_from_anybody_else_is_junk() {
    let upstream = Upstream::start(Script::new());
    let gatepost =
        Gatepost::start(&Setup::before(upstream.address).at("mx", "proxy_protocol_from", "['192.0.2.0/24']"));
    let mut client = Client::connect(gatepost.address("mx"));
    client.send(b"PROXY TCP4 203.0.113.5 192.0.2.1 40000 25\r\n");
    let replies = [client.try_reply(), client.try_reply()];
    if replies[1]
        .as_ref()
        .is_some_and(|reply| reply.code == 500 || reply.code == 502)
        && client.try_send("EHLO client.there.example\r\n")
        && client.try_reply().is_some()
    {
        client.mail("ann@there.example", &["bob@example.org"], &mail("junk"));
        gatepost.record("the true address", |record| record["client"] == "127.0.0.1");
    }
    client.vanish();
    assert!(!gatepost.log().contains("\"client\":\"203.0.113.5\""));
    let heard = upstream.quiet();
    assert!(
        heard
            .iter()
            .all(|session| !String::from_utf8_lossy(&session.heard).contains("203.0.113.5"))
    );
}

#[test]
fn the_server_is_told_by_a_header_of_its_own() {
    let upstream = Upstream::start(Script::new().proxied());
    let gatepost = Gatepost::start(&behind_balancer(upstream.address).set("route.default.client_address", "'proxy'"));
    assert_eq!(
        one_mail(&gatepost, &version_2([203, 0, 113, 77], 4711, b""), "proxied"),
        250
    );
    upstream.quiet();
    let header = upstream.visits().remove(0).header;
    assert!(header.starts_with(b"\r\n\r\n\0\r\nQUIT\n\x21\x11"), "{header:?}");
    assert_eq!(header[16..20], [203, 0, 113, 77]);
    assert_eq!(header[24..26], 4711_u16.to_be_bytes());
}

#[test]
fn twelve_relay_tricks_are_refused() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&Setup::before(upstream.address).set("limits.errors", "1000"));
    let mut client = gatepost.client();
    client.ask("MAIL FROM:<bob@example.org>").is(250);
    for trick in [
        "x@there.example",
        "@example.org:x@there.example",
        "@example.org,@there.example:x@there.example",
        "x%there.example@example.org",
        "\"x@there.example\"@example.org",
        "there.example!x@example.org",
        "\"x%there.example\"@example.org",
        "x@[192.0.2.1]",
        "x@[IPv6:2001:db8::1]",
        "x@[127.0.0.1]",
        "x@sub.example.org",
        "x@example.org.there.example",
        "x@there.example@example.org",
        "x@127.0.0.1",
        "\"there.example!x\"@example.org",
        "x",
        "x@",
        "x@there.example\0@example.org",
    ] {
        let reply = client.ask(&format!("RCPT TO:<{trick}>"));
        // What is no address at all may be refused for that.
        assert!(matches!(reply.code, 550 | 500 | 501 | 553), "{trick}: {reply}");
        if reply.code == 550 {
            assert!(reply.text().starts_with("550 5.7.1"), "{trick}: {reply}");
        }
    }
    client.ask("DATA").is(554);
    client.ask("RCPT TO:<postmaster>").is(250);
    client.ask("RCPT TO:<Postmaster@Example.ORG>").is(250);
    client.vanish();
    for session in upstream.quiet() {
        let asked = session.commands.iter().filter(|command| command.starts_with("RCPT"));
        assert!(
            asked
                .into_iter()
                .all(|rcpt| rcpt.to_ascii_lowercase().contains("postmaster")),
            "{session:?}"
        );
    }
}

#[test]
fn the_outbound_listener_is_for_our_own_people_only() {
    let upstream = Upstream::start(Script::new());
    let setup = Setup::before(upstream.address).listener(
        "submission",
        "outbound",
        &[
            ("trusted_networks", "['192.0.2.0/24']"),
            ("proxy_protocol_from", "['127.0.0.1']"),
        ],
    );
    let gatepost = Gatepost::start(&setup);
    for (address, code) in [("192.0.2.99", 250), ("203.0.113.5", 530), ("::ffff:192.0.2.98", 250)] {
        let family = if address.contains(':') { "TCP6" } else { "TCP4" };
        let mut client = Client::connect(gatepost.address("submission"));
        let own = if address.contains(':') {
            "2001:db8::1"
        } else {
            "192.0.2.1"
        };
        client.send(format!("PROXY {family} {address} {own} 40000 587\r\n"));
        client.reply().is(220);
        client.ask("EHLO pc.example.org").is(250);
        client.ask("MAIL FROM:<bob@example.org>").is(code);
        client.quit();
    }
}

#[test]
fn a_mail_without_a_sender_is_taken() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&Setup::before(upstream.address));
    let mut client = gatepost.client();
    client.mail("", &["bob@example.org"], &mail("bounce")).is(250);
    client.quit();
    assert!(upstream.taken()[0].from.starts_with("MAIL FROM:<>"));
}
