//! What is remembered across restarts: who waits, who has waited, which recipients there are (G-02, G-13).

use std::thread;
use std::time::Duration;

use crate::house::{Gatepost, Script, Setup, Upstream, mail, say};

fn greylisting(upstream: &Upstream, delay: &str) -> Setup {
    Setup::before(upstream.address)
        .set("pipeline.inbound.tiers", "[['whitelist'], ['greylist']]")
        .set("filters.greylist.options.delay", format!("'{delay}'"))
        .set("filters.greylist.options.jitter", "'0s'")
        .set("filters.greylist.options.grace", "'0s'")
}

#[track_caller]
fn rcpt(gatepost: &Gatepost) -> u16 {
    let mut client = gatepost.client();
    client.ask("MAIL FROM:<ann@there.example>").is(250);
    let code = client.ask("RCPT TO:<bob@example.org>").code;
    client.quit();
    code
}

#[test]
fn a_stranger_waits_once_and_no_restart_makes_it_wait_again() {
    let upstream = Upstream::start(Script::new());
    let mut gatepost = Gatepost::start(&greylisting(&upstream, "2s"));
    assert_eq!(rcpt(&gatepost), 451);
    assert_eq!(rcpt(&gatepost), 451, "too early");
    gatepost.kill();
    gatepost.again();
    // Real time, since this is the real clock's story: the dialogues tell the rest with one that obeys.
    thread::sleep(Duration::from_secs(2));
    let mut client = gatepost.client();
    client
        .mail("ann@there.example", &["bob@example.org"], &mail("waited"))
        .is(250);
    client.quit();
    gatepost.logs(&["\"kind\":\"mail\"", "250 2.0.0"]);
    gatepost.stop();
    gatepost.again();
    assert_eq!(rcpt(&gatepost), 250, "known by now");
}

#[test]
fn a_contact_does_not_wait() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&greylisting(&upstream, "1h"));
    assert_eq!(rcpt(&gatepost), 451);
    gatepost.tells(&["whitelist", "add", "--domain", "example.org", "ann@there.example"]);
    assert_eq!(rcpt(&gatepost), 250);
}

#[test]
fn an_empty_store_makes_nobody_wait_at_first() {
    let upstream = Upstream::start(Script::new());
    let setup = greylisting(&upstream, "1h").set("filters.greylist.options.grace", "'30m'");
    let gatepost = Gatepost::start(&setup);
    assert_eq!(rcpt(&gatepost), 250);
}

#[test]
fn a_mail_servers_no_is_remembered_until_it_is_forgotten() {
    let upstream = Upstream::start(Script::new().on("RCPT", say("550 5.1.1 Who is that?")));
    let mut gatepost = Gatepost::start(&Setup::before(upstream.address));
    let ask = |gatepost: &Gatepost| {
        let mut client = gatepost.client();
        client.ask("MAIL FROM:<ann@there.example>").is(250);
        let reply = client.ask("RCPT TO:<nobody@example.org>");
        client.quit();
        reply
    };
    ask(&gatepost).begins("550 5.1.1");
    let sessions = upstream.visits().len();
    gatepost.stop();
    gatepost.again();
    ask(&gatepost).begins("550 5.1.1 No such recipient here");
    assert_eq!(
        upstream.visits().iter().filter(|visit| visit.has("RCPT")).count(),
        sessions,
        "nobody was asked"
    );
    upstream.now(Script::new());
    gatepost.tells(&["recipients", "forget", "nobody@example.org"]);
    ask(&gatepost).is(250);
}
