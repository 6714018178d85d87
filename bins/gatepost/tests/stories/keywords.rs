//! What EHLO offers, letter by letter (P-10).

use crate::house::tls::Authority;
use crate::house::{Client, Gatepost, Reply, Script, Setup, Upstream};

const GOLDEN: &str = include_str!("keywords.golden");

/// Every keyword there is, as a server may offer it.
const EVERYTHING: [&str; 29] = [
    "PIPELINING",
    "SIZE 10000000",
    "8BITMIME",
    "SMTPUTF8",
    "DSN",
    "ENHANCEDSTATUSCODES",
    "STARTTLS",
    "AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256 SCRAM-SHA-256-PLUS XOAUTH2 EXTERNAL GSSAPI NTLM",
    "AUTH=PLAIN LOGIN",
    "CHUNKING",
    "BINARYMIME",
    "XCLIENT NAME ADDR PORT PROTO HELO LOGIN",
    "XFORWARD NAME ADDR PROTO HELO SOURCE",
    "ETRN",
    "VRFY",
    "EXPN",
    "HELP",
    "LIMITS RCPTMAX=10 MAILMAX=5",
    "REQUIRETLS",
    "FUTURERELEASE 86400 2026-12-31T00:00:00Z",
    "DELIVERBY 600",
    "MT-PRIORITY MIXER",
    "BURL imap",
    "NO-SOLICITING",
    "X-EXPS GSSAPI NTLM",
    "X-ANONYMOUSTLS",
    "XEXCH50",
    "XRDST",
    "XFOO",
];

fn show(title: &str, reply: &Reply) -> String {
    let lines: Vec<_> = reply.lines.iter().map(|line| format!("{line}\n")).collect();
    format!("# {title}\n{}", lines.concat())
}

#[test]
fn ehlo_offers_what_both_sides_can_do_and_nothing_else() {
    let upstream = Upstream::start(Script::new().offering(&EVERYTHING));
    let authority = Authority::new();
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = authority.issue("mx.example.org").write(folder.path());
    let setup = Setup::before(upstream.address)
        .set("tls.certificate", format!("'{}'", certificate.display()))
        .set("tls.key", format!("'{}'", key.display()))
        .at("mx", "tls", "'starttls'")
        .listener("submission", "outbound", &[("tls", "'starttls'"), ("auth", "true")]);
    let gatepost = Gatepost::start(&setup);
    let mut found = String::new();
    for (listener, called) in [("mx", "inbound"), ("submission", "outbound")] {
        let mut client = Client::greeted(gatepost.address(listener));
        found += &show(
            &format!("{called}, HELO"),
            &client.ask("HELO client.there.example").is(250),
        );
        found += &show(
            &format!("{called}, plain"),
            &client.ask("EHLO client.there.example").is(250),
        );
        client.starttls(authority.client(), "mx.example.org");
        found += &show(
            &format!("{called}, TLS"),
            &client.ask("EHLO client.there.example").is(250),
        );
        client.quit();
    }
    assert_eq!(found, GOLDEN, "what was found:\n{found}");
}

#[test]
fn what_the_server_does_not_offer_is_not_offered() {
    let upstream = Upstream::start(Script::new().offering(&["SIZE 100000"]));
    let gatepost = Gatepost::start(&Setup::before(upstream.address));
    let mut client = Client::greeted(gatepost.address("mx"));
    let offer = client.ask("EHLO client.there.example");
    assert_eq!(
        offer.lines[1..],
        ["PIPELINING", "SIZE 100000", "ENHANCEDSTATUSCODES", "PRDR"]
    );
    for (parameter, code) in [
        ("BODY=8BITMIME", 555),
        ("SMTPUTF8", 555),
        ("RET=HDRS", 555),
        ("SIZE=100001", 552),
    ] {
        client.ask(&format!("MAIL FROM:<a@b.example> {parameter}")).is(code);
    }
    client.quit();
}

#[test]
fn parameters_and_verbs_of_hidden_extensions_are_refused() {
    let upstream = Upstream::start(Script::new().offering(&EVERYTHING));
    let gatepost = Gatepost::start(&Setup::before(upstream.address).set("limits.errors", "100"));
    let mut client = gatepost.client();
    for parameter in [
        "HOLDFOR=3600",
        "BODY=BINARYMIME",
        "MT-PRIORITY=3",
        "BY=120;R",
        "REQUIRETLS",
        "XFOO=1",
        "AUTH=<>",
        "SOLICIT=x",
    ] {
        client
            .ask(&format!("MAIL FROM:<a@b.example> {parameter}"))
            .begins("555 5.5.4");
    }
    for verb in [
        "BDAT 5 LAST",
        "XCLIENT ADDR=203.0.113.1",
        "XFORWARD ADDR=203.0.113.1",
        "ETRN x",
        "EXPN x",
        "TURN",
        "XEXCH50 1 2",
        "BURL x",
        "FOO",
    ] {
        let code = client.ask(verb).code;
        assert!(matches!(code, 500 | 502 | 503), "{verb}: {code}");
    }
    client.ask("VRFY bob").is(252);
    client.ask("MAIL FROM:<a@b.example> SIZE=10000001").begins("552 5.3.4");
    client.quit();
    let heard = upstream.quiet();
    assert!(heard.iter().all(|session| !session.is_about_mail()), "{heard:?}");
}

#[test]
fn of_several_routes_the_richest_offer_is_made_and_the_poor_ones_are_spared() {
    let small = Upstream::start(Script::new().offering(&["SIZE 10000000", "8BITMIME"]));
    let large = Upstream::start(Script::new().offering(&["SIZE 50000000", "8BITMIME", "SMTPUTF8", "DSN"]));
    let setup = Setup::before(large.address)
        .set("local_domains", "['example.org', 'other.example']")
        .set("limits.message_size", "'100 MB'")
        .set("route.second.upstream", format!("'{}'", small.address))
        .set("route.second.tls", "'none'")
        .set("route.second.domains", "['other.example']");
    let gatepost = Gatepost::start(&setup);
    let mut client = Client::greeted(gatepost.address("mx"));
    let offer = client.ask("EHLO client.there.example");
    assert_eq!(
        offer.lines[1..],
        [
            "PIPELINING",
            "SIZE 50000000",
            "8BITMIME",
            "SMTPUTF8",
            "DSN",
            "ENHANCEDSTATUSCODES",
            "PRDR"
        ]
    );
    // What the recipient's own server cannot do is left out, or refused to that recipient alone.
    for (parameters, poor, rich) in [
        ("SIZE=20000000", "552 5.3.4", "250"),
        ("SMTPUTF8", "550 5.6.7", "250"),
        ("RET=HDRS SIZE=9000000 BODY=8BITMIME", "250", "250"),
    ] {
        for (to, hears) in [("eve@other.example", poor), ("bob@example.org", rich)] {
            client.ask(&format!("MAIL FROM:<a@b.example> {parameters}")).is(250);
            client.ask(&format!("RCPT TO:<{to}>")).begins(hears);
            client.ask("RSET").is(250);
        }
    }
    client.quit();
    let sessions = small.quiet();
    let mut heard = sessions.iter().flat_map(|session| &session.commands);
    assert!(!heard.any(|command| command.contains("RET=") || command.contains("SMTPUTF8")));
}
