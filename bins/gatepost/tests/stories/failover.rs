//! Several mail servers behind one route: who takes over, when nobody may, and how long a client waits (P-42 to P-44).

use std::fs;
use std::time::Duration;

use crate::house::{Act, Client, Gatepost, Script, Setup, Upstream, eventually, mail, say, timed};

/// A route to the first, and where that is away to the second.
fn before(first: &Upstream, second: &Upstream) -> Setup {
    Setup::before(first.address).set(
        "route.default.upstream",
        format!("['{}', {{ to = '{}', priority = 20 }}]", first.address, second.address),
    )
}

fn last(line: &str) -> Act {
    Act::Last(format!("{line}\r\n").into_bytes())
}

fn stage(script: Script) -> (Upstream, Upstream, Gatepost) {
    let (first, second) = (Upstream::start(Script::new()), Upstream::start(Script::new()));
    let gatepost = Gatepost::start(&before(&first, &second));
    first.now(script);
    (first, second, gatepost)
}

const TWO: [&str; 2] = ["bob@example.org", "carl@example.org"];

#[test]
fn a_server_that_leaves_before_the_dot_is_replaced_and_the_client_unaware() {
    for (point, act) in [
        ("<connect>", Act::Close),
        ("<connect>", last("421 4.3.2 Stopping")),
        ("<connect>", last("554 5.3.2 Not you")),
        ("EHLO", last("421 4.3.2 Stopping")),
        ("MAIL", last("421 4.3.2 Stopping")),
        ("RCPT TO:<bob@", Act::Close),
        ("RCPT TO:<carl@", Act::Close),
        ("RCPT TO:<carl@", last("421 4.3.2 Stopping")),
        ("DATA", Act::Close),
        ("DATA", last("421 4.3.2 Stopping")),
        ("<body>", Act::Close),
    ] {
        let (first, second, gatepost) = stage(Script::new().on(point, act.clone()));
        // More than the sockets hold: or the dot is on its way before anybody sees that the server has left.
        let lines = if point == "<body>" { 600_000 } else { 20_000 };
        let content = [&mail("over")[..], &b"A line that fills blocks.\r\n".repeat(lines)].concat();
        let mut client = gatepost.client();
        client.mail("ann@there.example", &TWO, &content).begins("250 2.0.0");
        client.quit();
        assert!(first.complete().is_empty(), "{point} {act:?}");
        let taken = second.taken();
        assert_eq!(taken.len(), 1, "{point} {act:?}");
        let named: Vec<_> = TWO.iter().map(|to| format!("RCPT TO:<{to}>")).collect();
        assert_eq!(taken[0].to, named, "{point} {act:?}");
        assert!(taken[0].content().ends_with(&content), "{point} {act:?}");
        let went = gatepost.record("where it went", |record| record["end"] == "answered");
        assert!(went.to_string().contains(&second.address.to_string()), "{went}");
    }
}

#[test]
fn after_the_dot_the_second_server_is_not_tried() {
    for (act, hears) in [
        (Act::Close, "451 4.4.2"),
        (last("25"), "451"),
        (last("421 4.3.2 Stopping"), "4"),
        (say("451 4.3.0 Later"), "451 4.3.0"),
    ] {
        let (first, second, gatepost) = stage(Script::new().on("<dot>", act.clone()));
        let mut client = gatepost.client();
        client.mail("ann@there.example", &TWO, &mail("dot")).begins(hears);
        client.quit();
        assert_eq!(first.complete().len(), 1, "{act:?}");
        assert!(second.quiet().iter().all(|session| !session.is_about_mail()), "{act:?}");
    }
}

#[test]
fn a_server_that_says_no_is_not_away() {
    for (point, said) in [
        ("MAIL", "451 4.3.2 Not now"),
        ("MAIL", "550 5.7.1 No"),
        ("RCPT", "450 4.2.1 Locked"),
        ("RCPT", "550 5.1.1 Nobody"),
    ] {
        let (_first, second, gatepost) = stage(Script::new().on(point, say(said)));
        let mut client = gatepost.client();
        client.ask("MAIL FROM:<ann@there.example>").is(250);
        client.ask("RCPT TO:<bob@example.org>").begins(&said[..9]);
        client.quit();
        assert!(second.quiet().iter().all(|session| !session.is_about_mail()), "{said}");
    }
}

#[test]
fn who_takes_over_and_thinks_otherwise_of_a_recipient_gets_nothing() {
    let (first, second, gatepost) = stage(Script::new().on("DATA", Act::Close));
    second.now(Script::new().on("RCPT TO:<carl@", say("550 5.1.1 Nobody")));
    let mut client = gatepost.client();
    client.mail("ann@there.example", &TWO, &mail("otherwise")).begins("451");
    client.quit();
    assert!(second.complete().is_empty());
    // The same between two recipients: the one of whom the client heard yes is not dropped in silence.
    first.now(Script::new().on("RCPT TO:<dora@", Act::Close));
    let mut client = gatepost.client();
    client.ask("MAIL FROM:<ann@there.example>").is(250);
    client.ask("RCPT TO:<carl@example.org>").is(250);
    client.ask("RCPT TO:<dora@example.org>").is(451);
    client.ask("DATA").is(451);
    client.quit();
    assert!(first.complete().is_empty() && second.complete().is_empty());
}

#[test]
fn a_client_that_is_gone_is_handed_to_no_second_server() {
    let slow = Act::After(Duration::from_millis(800), Box::new(Act::Close));
    let (first, second, gatepost) = stage(Script::new().on("DATA", slow));
    let mut client = gatepost.client();
    client.envelope("ann@there.example", &TWO);
    client.data();
    client.send([&mail("gone")[..], b".\r\n"].concat());
    eventually("DATA at the server", || {
        first.sessions().iter().any(|session| session.has("DATA")).then_some(())
    });
    client.vanish();
    gatepost.record("lost", |record| record["end"] == "lost");
    assert!(second.quiet().iter().all(|session| !session.is_about_mail()));
}

#[test]
fn where_all_are_away_the_next_client_is_told_at_once_and_a_server_that_is_back_is_used() {
    let silent = || Script::new().on("<connect>", Act::Silence);
    let (first, second) = (Upstream::start(Script::new()), Upstream::start(Script::new()));
    let gatepost = Gatepost::start(&before(&first, &second).set("route.default.timeouts.greeting", "'1500ms'"));
    first.now(silent());
    second.now(silent());
    let ask = || {
        let mut client = gatepost.client();
        client.ask("MAIL FROM:<ann@there.example>").is(250);
        let (reply, took) = timed(|| client.ask("RCPT TO:<bob@example.org>"));
        client.quit();
        (reply, took)
    };
    let (reply, took) = ask();
    assert!(
        reply.code / 10 == 45 && took >= Duration::from_millis(2_900),
        "{reply} {took:?}"
    );
    assert_eq!(gatepost.metric("gatepost_upstream_up"), 0.0);
    for _ in 0..20 {
        let (reply, took) = ask();
        assert!(
            reply.code / 10 == 45 && took < Duration::from_secs(1),
            "{reply} {took:?}"
        );
    }
    second.now(Script::new());
    eventually("an answer of the second", || {
        (gatepost.metric("gatepost_upstream_host_up") == 1.0).then_some(())
    });
    let (reply, _) = ask();
    reply.is(250);
    gatepost.logs(&["the mail server answers", &second.address.to_string()]);
    assert!(second.quiet().iter().any(|session| session.has("RCPT")));
}

#[test]
fn equals_share_the_mail() {
    let (first, second) = (Upstream::start(Script::new()), Upstream::start(Script::new()));
    let setup = Setup::before(first.address).set(
        "route.default.upstream",
        format!("['{}', '{}']", first.address, second.address),
    );
    let gatepost = Gatepost::start(&setup);
    for n in 0..30 {
        let mut client = gatepost.client();
        client
            .mail("ann@there.example", &["bob@example.org"], &mail(&format!("n{n}")))
            .is(250);
        client.quit();
    }
    let counts = (first.taken().len(), second.taken().len());
    assert!(counts.0 > 0 && counts.1 > 0 && counts.0 + counts.1 == 30, "{counts:?}");
}

#[test]
fn a_host_that_is_full_is_passed_over_and_where_all_are_the_client_comes_again() {
    let (first, second) = (Upstream::start(Script::new()), Upstream::start(Script::new()));
    let gatepost = Gatepost::start(&before(&first, &second).set("route.default.connections", "1"));
    let begin = || {
        let mut client = gatepost.client();
        client.ask("MAIL FROM:<ann@there.example>").is(250);
        let reply = client.ask("RCPT TO:<bob@example.org>");
        (client, reply)
    };
    let (one, reply) = begin();
    reply.is(250);
    let (two, reply) = begin();
    reply.is(250);
    assert_eq!((first.visits().len(), second.visits().len()), (1, 1));
    let (three, reply) = begin();
    assert!(reply.code / 10 == 45, "{reply}");
    // A full server is no server that is away.
    assert_eq!(gatepost.metric("gatepost_upstream_host_up"), 2.0);
    one.quit();
    three.quit();
    let (four, reply) = begin();
    reply.is(250);
    assert_eq!((first.visits().len(), second.visits().len()), (2, 1));
    two.quit();
    four.quit();
}

#[test]
fn a_connection_that_only_rests_keeps_nobody_from_taking_over() {
    let (first, second) = (Upstream::start(Script::new()), Upstream::start(Script::new()));
    let setup = before(&first, &second)
        .set("route.default.connections", "1")
        .set("route.default.keep.idle", "'60s'");
    let gatepost = Gatepost::start(&setup);
    first.now(Script::new().on("DATA", Act::Close));
    let mut one = gatepost.client();
    one.envelope("ann@there.example", &TWO);
    // The first is full, so this one's connection to the second rests there, and has its only place.
    let mut two = gatepost.client();
    two.mail("ann@there.example", &TWO, &mail("rests")).is(250);
    two.quit();
    one.data();
    one.content(&mail("over")).is(250);
    one.quit();
    assert_eq!(second.taken().len(), 2);
}

#[test]
fn a_client_whom_the_server_knows_and_does_not_want_takes_no_server_from_others() {
    let refusing = Script::new()
        .and("XCLIENT NAME ADDR PORT PROTO HELO")
        .on("MAIL FROM:<bad@", last("421 4.7.0 Too many connections from you"));
    let upstream = Upstream::start(refusing);
    let setup = Setup::before(upstream.address).set("route.default.client_address", "'xclient'");
    let gatepost = Gatepost::start(&setup);
    let mut client = gatepost.client();
    client.ask("MAIL FROM:<bad@there.example>").is(250);
    let reply = client.ask("RCPT TO:<bob@example.org>");
    assert!(reply.text().contains("Too many connections from you"), "{reply}");
    client.vanish();
    assert_eq!(gatepost.metric("gatepost_upstream_host_up"), 1.0);
    let mut client = gatepost.client();
    client
        .mail("good@there.example", &["bob@example.org"], &mail("good"))
        .is(250);
    client.quit();
}

#[test]
fn a_server_that_is_ourselves_is_a_loop_and_no_outage() {
    let ourselves = || Script::new().on("<connect>", say("220 mx.example.org ESMTP Gatepost"));
    let (first, second) = (Upstream::start(ourselves()), Upstream::start(Script::new()));
    let gatepost = Gatepost::start(&before(&first, &second));
    gatepost.logs(&["this Gatepost itself", &first.address.to_string()]);
    let mut client = gatepost.client();
    client
        .mail("ann@there.example", &["bob@example.org"], &mail("past"))
        .is(250);
    client.quit();
    assert_eq!(second.taken().len(), 1);
    assert!(gatepost.metric("gatepost_alarms_total") >= 1.0);
    let alone = Gatepost::start(&Setup::before(first.address));
    let mut client = alone.client();
    client.ask("MAIL FROM:<ann@there.example>").is(250);
    let reply = client.ask("RCPT TO:<bob@example.org>");
    assert!(reply.text().contains("4.4.6"), "{reply}");
    client.quit();
    assert!(first.quiet().iter().all(|session| !session.is_about_mail()));
}

#[test]
fn only_addresses_of_the_wanted_kind_are_connected_to() {
    let upstream = Upstream::start(Script::new());
    for (family, reached) in [("ipv4", true), ("any", true), ("ipv6", false)] {
        let setup = Setup::before(upstream.address)
            .set(
                "route.default.upstream",
                format!("'localhost:{}'", upstream.address.port()),
            )
            .set("route.default.address_family", format!("'{family}'"));
        let gatepost = Gatepost::start(&setup);
        let mut client = gatepost.client();
        client.ask("MAIL FROM:<ann@there.example>").is(250);
        let reply = client.ask("RCPT TO:<bob@example.org>");
        assert_eq!(reply.code == 250, reached, "{family}: {reply}");
        client.quit();
    }
}

#[test]
fn one_customers_dead_server_does_not_make_us_unready() {
    let (living, dead) = (Upstream::start(Script::new()), Upstream::start(Script::new()));
    let setup = Setup::before(living.address)
        .set("local_domains", "['example.org', 'dead.example']")
        .set("route.dead.upstream", format!("'{}'", dead.address))
        .set("route.dead.tls", "'none'")
        .set("route.dead.domains", "['dead.example']");
    let mut gatepost = Gatepost::start(&setup);
    drop(dead);
    assert!(gatepost.reload(&setup));
    eventually("a route that is down", || {
        (gatepost.metric("gatepost_routes_down") == 1.0).then_some(())
    });
    assert_eq!(gatepost.get("/ready").expect("an answer").0, 200);
    drop(living);
    assert!(gatepost.reload(&setup));
    let (_, why) = eventually("not ready", || {
        gatepost.get("/ready").filter(|(status, _)| *status == 503)
    });
    assert!(why.contains("`dead`") && why.contains("`default`"), "{why}");
}

#[test]
fn a_reload_that_changes_nothing_of_a_route_keeps_its_connections() {
    let (kept, other) = (Upstream::start(Script::new()), Upstream::start(Script::new()));
    let setup = Setup::before(kept.address)
        .set("route.default.keep.idle", "'60s'")
        .set("local_domains", "['example.org', 'other.example']")
        .set("route.other.upstream", format!("'{}'", other.address))
        .set("route.other.tls", "'none'")
        .set("route.other.keep.idle", "'60s'")
        .set("route.other.domains", "['other.example']");
    let mut gatepost = Gatepost::start(&setup);
    let both = |gatepost: &Gatepost| {
        for to in ["bob@example.org", "bob@other.example"] {
            let mut client = Client::introduced(gatepost.address("mx"));
            client.mail("ann@there.example", &[to], &mail("kept")).is(250);
            client.quit();
        }
    };
    both(&gatepost);
    assert!(gatepost.reload(&setup.clone().set("route.other.timeouts.greeting", "'59s'")));
    eventually("the end of the other's connection", || {
        other.visits().iter().all(|session| session.ended).then_some(())
    });
    both(&gatepost);
    assert_eq!((kept.visits().len(), other.visits().len()), (1, 2));
}

#[test]
fn a_maildir_for_each_mailbox_has_one_file_for_each() {
    let folder = tempfile::tempdir().expect("a folder");
    let pattern = format!("'maildir:{}/{{domain}}/{{user}}'", folder.path().display());
    let setup = Setup::new()
        .set("route.default.upstream", pattern)
        .listener("mx", "inbound", &[]);
    let gatepost = Gatepost::start(&setup);
    let mut client = gatepost.client();
    let to = ["Ann+shop@example.org", "ann@example.org", "\"../x\"@example.org"];
    client.mail("ann@there.example", &to, &mail("each")).begins("250 2.0.0");
    client.quit();
    let mails = |user: &str| {
        let files = fs::read_dir(folder.path().join("example.org").join(user).join("new")).expect("a Maildir");
        files
            .map(|file| fs::read_to_string(file.expect("a file").path()).unwrap_or_default())
            .collect::<Vec<_>>()
    };
    // Both of Ann's addresses are one mailbox.
    let [ann, hostile] = [mails("ann"), mails("%2E.%2Fx")];
    assert_eq!((ann.len(), hostile.len()), (1, 1));
    assert!(!folder.path().join("x").exists());
}
