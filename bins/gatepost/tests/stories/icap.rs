//! A real c-icap behind the proxy: what it leaves as it is passes, and when it is dead or has no such service nothing passes
//! as clean.

use crate::house::{Cicap, Gatepost, Reply, Script, Setup, Upstream, eventually, holds, mail};

/// The mark of mail that was not scanned.
const MARK: &[u8] = b"X-Gatepost-Unchecked: icap\r\n";

fn before(upstream: &Upstream, service: &str) -> Setup {
    Setup::before(upstream.address)
        .set("pipeline.inbound.tiers", "[['icap']]")
        .set("filters.icap.options.servers", format!("['{service}']"))
}

#[track_caller]
fn sends(gatepost: &Gatepost, to: &str, content: &[u8]) -> Reply {
    let mut client = gatepost.client();
    let reply = client.mail("ann@there.example", &[to], content);
    client.quit();
    reply
}

/// A mail with a part in HTML, which is scanned by itself, and so many lines of text.
fn long(subject: &str, lines: usize) -> Vec<u8> {
    let text = "A line of words that nobody would mind.\r\n".repeat(lines);
    format!(
        "From: Ann <ann@there.example>\r\nTo: bob@example.org\r\nSubject: {subject}\r\nDate: Mon, 1 Jun 2026 10:00:00 +0000\r\n\
         Message-ID: <{subject}@there.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\n{text}\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>{text}</p>\r\n--b--\r\n"
    )
    .into_bytes()
}

#[test]
fn what_a_real_server_leaves_as_it_is_passes_and_a_dead_one_lets_nothing_pass() {
    let (upstream, mut cicap) = (Upstream::start(Script::new()), Cicap::start());
    let setup = before(&upstream, &cicap.service("echo"))
        .set("local_domains", "['example.org', 'mark.example']")
        .set("domain.'mark.example'.filters.icap.on_fault", "'mark'");
    let gatepost = Gatepost::start(&setup);
    // Below and above its preview of 1024 octets, and longer than what is kept in memory: all of it comes back and is compared.
    for content in [mail("small"), long("larger", 200), long("long", 30_000)] {
        sends(&gatepost, "bob@example.org", &content).is(250);
    }
    let taken = upstream.taken();
    assert_eq!(taken.len(), 3);
    assert!(taken.iter().all(|mail| !holds(&mail.wire, MARK)));

    cicap.kill();
    sends(&gatepost, "bob@example.org", &mail("dead")).is(451);
    sends(&gatepost, "bob@mark.example", &mail("dead")).is(250);
    gatepost.logs(&["icap_gone"]);
    let taken = upstream.taken();
    assert!(taken.len() == 4 && holds(&taken[3].wire, MARK));

    cicap.again();
    eventually("a mail that passes", || {
        (sends(&gatepost, "bob@example.org", &mail("again")).code == 250).then_some(())
    });
    assert!(!holds(&upstream.taken()[4].wire, MARK));
}

#[test]
fn a_service_that_a_real_server_does_not_have_scans_nothing() {
    let (upstream, cicap) = (Upstream::start(Script::new()), Cicap::start());
    let gatepost = Gatepost::start(&before(&upstream, &cicap.service("avscan")));
    sends(&gatepost, "bob@example.org", &mail("unscanned")).is(451);
    gatepost.logs(&["icap_service", "404"]);
    let record = gatepost.record("a fault", |record| {
        record.to_string().contains("it has no such service")
    });
    assert!(record.to_string().contains("icap.fault"), "{record}");
    assert!(upstream.complete().is_empty());
}
