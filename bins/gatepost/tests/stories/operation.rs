//! Start, reload, drain, health and log (O-04, O-05, O-07, O-08).

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::house::{Act, Client, Gatepost, Postfix, Script, Setup, Upstream, eventually, free_address, mail, stuffed};

/// How many clients send at the same time.
const CLIENTS: usize = 6;

/// Sends mail after mail until told to stop or no longer served. A mail that was not granted is not tried again. Gives
/// what was granted, and what was begun and not answered.
fn sends(address: SocketAddr, who: usize, stop: &AtomicBool, granted: &AtomicUsize) -> (Vec<String>, usize) {
    let (mut ledger, mut broken) = (Vec::new(), 0);
    let mut number = 0;
    while !stop.load(Ordering::SeqCst) {
        let Ok(mut client) = Client::try_connect(address) else {
            break;
        };
        if client.try_greeting().is_none_or(|reply| reply.code != 220) {
            break;
        }
        let mut ask = |line: &str| {
            client
                .try_send(format!("{line}\r\n"))
                .then(|| client.try_reply())
                .flatten()
                .map(|reply| reply.code)
        };
        if ask("EHLO client.there.example") != Some(250) {
            continue;
        }
        for _ in 0..3 {
            number += 1;
            let subject = format!("c{who}n{number}");
            if ask("MAIL FROM:<ann@there.example>") != Some(250)
                || ask("RCPT TO:<bob@example.org>") != Some(250)
                || ask("DATA") != Some(354)
            {
                break;
            }
            let content = String::from_utf8_lossy(&stuffed(&mail(&subject))).into_owned();
            match ask(&format!("{content}.")) {
                Some(250) => {
                    ledger.push(subject);
                    granted.fetch_add(1, Ordering::SeqCst);
                }
                Some(_) => break,
                None => {
                    broken += 1;
                    break;
                }
            }
        }
    }
    (ledger, broken)
}

/// Runs clients while `act` does its worst. Gives all that was granted, and how many messages were never answered.
fn under_load(address: SocketAddr, act: impl FnOnce(&AtomicUsize)) -> (Vec<String>, usize) {
    let (stop, granted) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|who| {
                scope.spawn({
                    let (stop, granted) = (&stop, &granted);
                    move || sends(address, who, stop, granted)
                })
            })
            .collect();
        act(&granted);
        stop.store(true, Ordering::SeqCst);
        let ledgers = clients.into_iter().map(|client| client.join().expect("a client"));
        ledgers.fold((Vec::new(), 0), |(mut all, sum), (one, broken)| {
            all.extend(one);
            (all, sum + broken)
        })
    })
}

/// Both ledgers say the same: each granted mail was taken once, and no other.
#[track_caller]
fn balances(mut granted: Vec<String>, mut taken: Vec<String>) {
    granted.sort();
    taken.sort();
    assert!(!granted.is_empty(), "no mail flowed");
    let mut counts: BTreeMap<&str, (i32, i32)> = BTreeMap::new();
    granted.iter().for_each(|one| counts.entry(one).or_default().0 += 1);
    taken.iter().for_each(|one| counts.entry(one).or_default().1 += 1);
    let odd: Vec<_> = counts.iter().filter(|(_, count)| **count != (1, 1)).collect();
    assert!(odd.is_empty(), "(granted, taken): {odd:?}");
}

fn subjects(upstream: &Upstream) -> Vec<String> {
    upstream.quiet();
    upstream
        .taken()
        .iter()
        .filter_map(|mail| mail.field("Subject"))
        .collect()
}

#[test]
fn a_drain_under_load_loses_nothing_and_doubles_nothing() {
    let upstream = Upstream::start(Script::new().on("<dot>", Act::later(20, "250 2.0.0 Taken")));
    for round in 0..2 {
        let before = upstream.taken().len();
        let mut gatepost = Gatepost::start(&Setup::before(upstream.address));
        let (granted, broken) = under_load(gatepost.address("mx"), |granted| {
            eventually("some mail", || {
                (granted.load(Ordering::SeqCst) > 20 * (round + 1)).then_some(())
            });
            gatepost.signal("TERM");
            let status = gatepost.ends_within(Duration::from_secs(15));
            assert!(status.success(), "{status}");
        });
        assert_eq!(broken, 0, "messages whose end was sent and never answered");
        let taken = subjects(&upstream).split_off(before);
        balances(granted, taken);
    }
}

#[test]
fn postfix_has_every_mail_once_after_a_drain_under_load() {
    let postfix = Postfix::start("");
    let mut gatepost = Gatepost::start(&Setup::before(postfix.address));
    let (granted, broken) = under_load(gatepost.address("mx"), |granted| {
        eventually("some mail", || (granted.load(Ordering::SeqCst) > 15).then_some(()));
        gatepost.signal("TERM");
        gatepost.ends_within(Duration::from_secs(15));
    });
    assert_eq!(broken, 0);
    let subject = |file: &[u8]| {
        let text = String::from_utf8_lossy(file).into_owned();
        text.lines()
            .find_map(|line| line.strip_prefix("Subject: ").map(str::to_owned))
            .expect("a Subject")
    };
    balances(
        granted,
        postfix.settled().iter().map(|mail| subject(&mail.file)).collect(),
    );
}

#[test]
fn twenty_reloads_under_load_drop_no_session() {
    let upstream = Upstream::start(Script::new().on("<dot>", Act::later(5, "250 2.0.0 Taken")));
    let setup = Setup::before(upstream.address);
    let mut gatepost = Gatepost::start(&setup);
    let (granted, broken) = under_load(gatepost.address("mx"), |granted| {
        for round in 0..20 {
            let seen = granted.load(Ordering::SeqCst);
            assert!(gatepost.reload(&setup.clone().set("limits.junk", format!("{}", 100 + round))));
            eventually("mail after a reload", || {
                (granted.load(Ordering::SeqCst) > seen).then_some(())
            });
        }
    });
    assert_eq!(broken, 0);
    let taken = subjects(&upstream);
    balances(granted, taken);
    assert!(gatepost.metric("gatepost_reloads_total") >= 20.0);
}

#[test]
fn a_broken_file_keeps_the_old_configuration() {
    let upstream = Upstream::start(Script::new());
    let setup = Setup::before(upstream.address);
    let mut gatepost = Gatepost::start(&setup);
    let mut old = gatepost.client();
    for text in [
        "",
        "this is no TOML",
        "local_domains = 5\n",
        "[[listen]]\nname = 'mx'\n",
    ] {
        assert!(!gatepost.reload_text(text), "{text:?}");
    }
    assert!(!gatepost.reload(&setup.clone().set("limits.junk", "-1")));
    assert!(!gatepost.reload(&setup.clone().set("filters.no_such.mode", "'score'")));
    let mut new = gatepost.client();
    old.mail("ann@there.example", &["bob@example.org"], &mail("old"))
        .is(250);
    new.mail("ann@there.example", &["bob@example.org"], &mail("new"))
        .is(250);
    assert!(gatepost.reload(&setup.set("local_domains", "['example.org', 'added.example']")));
    // Running sessions keep the rules they began with.
    new.ask("MAIL FROM:<ann@there.example>").is(250);
    new.ask("RCPT TO:<x@added.example>").is(550);
    let mut newer = gatepost.client();
    newer
        .mail("ann@there.example", &["x@added.example"], &mail("added"))
        .is(250);
    assert_eq!(upstream.taken().len(), 3);
}

#[test]
fn a_reload_opens_and_closes_listeners() {
    let upstream = Upstream::start(Script::new());
    let setup = Setup::before(upstream.address);
    let both = setup.clone().listener("second", "inbound", &[]);
    let mut gatepost = Gatepost::start(&setup);
    assert!(gatepost.reload(&both));
    let mut client = Client::introduced(gatepost.address("second"));
    assert!(gatepost.reload(&setup));
    let address = gatepost.address("second");
    eventually("a closed listener", || {
        Client::try_connect(address).is_err().then_some(())
    });
    client
        .mail("ann@there.example", &["bob@example.org"], &mail("left"))
        .is(250);
    client.quit();
    gatepost.client().quit();
}

#[test]
fn a_listener_may_widen_to_all_addresses_and_back_on_its_own_port() {
    let upstream = Upstream::start(Script::new());
    let setup = Setup::before(upstream.address);
    let mut gatepost = Gatepost::start(&setup);
    let (ip, port) = (gatepost.address("mx").ip().to_string(), gatepost.address("mx").port());
    for bind in ["0.0.0.0", &ip] {
        assert!(gatepost.reload(&setup.clone().at("mx", "bind", format!("'{bind}:{port}'"))));
        gatepost
            .client()
            .mail("ann@there.example", &["bob@example.org"], &mail("moved"))
            .is(250);
    }
    assert_eq!(upstream.taken().len(), 2);
}

#[test]
fn an_idle_session_hears_421_and_a_running_mail_is_finished() {
    let upstream = Upstream::start(Script::new().on("<dot>", Act::later(600, "250 2.0.0 Taken")));
    let mut gatepost = Gatepost::start(&Setup::before(upstream.address));
    let mut idle = gatepost.client();
    let (mut waiting, mut within) = (gatepost.client(), gatepost.client());
    for client in [&mut waiting, &mut within] {
        client.envelope("ann@there.example", &["bob@example.org"]);
        client.data();
    }
    waiting.send([&stuffed(&mail("waiting"))[..], b".\r\n"].concat());
    within.send("Subject: within\r\n\r\n");
    eventually("a message at the server", || {
        (upstream.complete().len() == 1).then_some(())
    });
    gatepost.signal("TERM");
    idle.reply().begins("421 4.3.2");
    idle.ends();
    within.send("the rest\r\n.\r\n");
    waiting.reply().is(250);
    within.reply().is(250);
    waiting.reply().begins("421 4.3.2");
    within.reply().begins("421 4.3.2");
    assert!(gatepost.ends_within(Duration::from_secs(10)).success());
    assert_eq!(upstream.taken().len(), 2);
    assert!(Client::try_connect(gatepost.address("mx")).is_err());
    assert_eq!(gatepost.records().len(), 2, "what was finished last is in the log, too");
}

#[test]
fn a_drain_ends_in_time_whoever_lingers() {
    let upstream = Upstream::start(Script::new());
    let mut gatepost = Gatepost::start(&Setup::before(upstream.address).set("drain", "'1s'"));
    let mut client = gatepost.client();
    client.envelope("ann@there.example", &["bob@example.org"]);
    client.data();
    client.send("Subject: never\r\n");
    gatepost.signal("TERM");
    assert!(gatepost.ends_within(Duration::from_secs(8)).success());
    assert!(upstream.quiet().iter().all(|session| !session.has("DATA")));
}

#[test]
fn health_and_metrics_tell_how_it_is() {
    let upstream = Upstream::start(Script::new());
    let setup = Setup::before(upstream.address);
    let mut gatepost = Gatepost::start(&setup);
    assert_eq!(gatepost.get("/live").expect("an answer").0, 200);
    assert_eq!(gatepost.get("/ready").expect("an answer").0, 200);
    let mut client = gatepost.client();
    client
        .mail("ann@there.example", &["bob@example.org"], &mail("counted"))
        .is(250);
    let (status, metrics) = gatepost.get("/metrics").expect("an answer");
    assert_eq!(status, 200);
    assert!(gatepost.metric("gatepost_sessions_total") >= 1.0, "{metrics}");
    assert_eq!(gatepost.metric("gatepost_sessions"), 1.0, "{metrics}");
    client.quit();
    eventually("the end of the session", || {
        (gatepost.metric("gatepost_sessions") == 0.0).then_some(())
    });
    drop(upstream);
    // A reload asks the mail servers anew.
    assert!(gatepost.reload(&setup));
    let (_, why) = eventually("not ready", || {
        gatepost.get("/ready").filter(|(status, _)| *status == 503)
    });
    assert!(why.contains("default"), "{why}");
    assert_eq!(gatepost.get("/live").expect("an answer").0, 200);
}

#[test]
fn a_load_balancers_look_is_not_an_attack() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&Setup::before(upstream.address));
    for _ in 0..50 {
        Client::connect(gatepost.address("mx")).vanish();
        let mut client = Client::greeted(gatepost.address("mx"));
        client.ask("QUIT").is(221);
    }
    assert!(gatepost.records().is_empty(), "{:?}", gatepost.records());
    gatepost
        .client()
        .mail("ann@there.example", &["bob@example.org"], &mail("then"))
        .is(250);
}

#[test]
fn each_mail_has_one_valid_line_whatever_strangers_write() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(
        &Setup::before(upstream.address)
            .set("policy.log_subject", "true")
            .set("limits.errors", "100"),
    );
    let mut expected = 0;
    for helo in [
        "plain.example",
        "a\"b\\c",
        "{\"kind\":\"mail\"}",
        "<script>alert(1)</script>",
        "a\x1b[31m",
        "a\u{202e}b",
        "x\u{7f}",
        "$(id)",
        "a\tb",
        &"h".repeat(900),
    ] {
        let mut client = Client::greeted(gatepost.address("mx"));
        if client.ask(&format!("EHLO {helo}")).code == 250 {
            let content =
                b"Subject: \x1b]0;owned\x07 \"}\r\n {\"kind\":\"mail\"}\r\nMessage-ID: <\"\\\x1b[2J>\r\n\r\nbody\r\n";
            client
                .mail("\"<b>\\\"\"@there.example", &["bob@example.org"], content)
                .is(250);
            expected += 1;
        }
        client.ask("QUIT");
    }
    let mut refused = gatepost.client();
    refused.ask("MAIL FROM:<ann@there.example>").is(250);
    refused.ask("RCPT TO:<x@there.example>").is(550);
    refused.ask("RSET").is(250);
    expected += 1;
    eventually("a line for each mail", || {
        (gatepost.records().len() >= expected).then_some(())
    });
    assert_eq!(gatepost.records().len(), expected);
    let log = gatepost.log();
    for line in log.lines().filter(|line| line.starts_with('{')) {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(value.is_object());
    }
    assert!(
        log.bytes().all(|byte| byte == b'\n' || byte >= b' ' && byte != 0x7f),
        "control characters in the log"
    );
    assert!(!log.contains('\u{202e}'));
    for record in gatepost.records() {
        for key in [
            "id",
            "client",
            "helo",
            "from",
            "recipients",
            "size",
            "reply",
            "took",
            "end",
            "version",
        ] {
            assert!(record.get(key).is_some(), "no `{key}` in {record}");
        }
    }
    assert_eq!(upstream.taken().len(), expected - 1);
}

#[test]
fn a_newcomer_without_a_configuration_sees_mail_arrive() {
    for _ in 0..3 {
        let (mx, admin) = (free_address(), free_address());
        // The defaults, on other ports than theirs.
        let listeners = format!("[{{name=mx, bind=\"{mx}\", direction=inbound}}]");
        let environment = [
            ("GATEPOST_LISTEN", listeners),
            ("GATEPOST_ADMIN__BIND", format!("\"{admin}\"")),
        ];
        let mut gatepost = Gatepost::begin_without_configuration(&environment, mx, admin);
        let log = eventually("a start or an end", || {
            let log = gatepost.log();
            (log.contains("gatepost takes mail") || gatepost.has_ended()).then_some(log)
        });
        if log.contains("another program listens there") {
            continue;
        }
        assert!(log.contains("gatepost takes mail"), "{log}");
        let mut client = gatepost.client();
        client
            .mail("ann@there.example", &["bob@example.org"], &mail("first"))
            .is(250);
        client.ask("MAIL FROM:<ann@there.example>").is(250);
        client.ask("RCPT TO:<x@elsewhere.example>").begins("550 5.7.1");
        client.quit();
        let folder = gatepost.file("gatepost-data/maildir/new");
        let files: Vec<_> = fs::read_dir(folder).expect("a Maildir").flatten().collect();
        assert_eq!(files.len(), 1);
        assert!(
            fs::read_to_string(files[0].path())
                .expect("a file")
                .contains("\nSubject: first\n")
        );
        gatepost.stop();
        return;
    }
    panic!("no free ports");
}

#[test]
fn a_wrong_configuration_does_not_start_and_says_all_mistakes() {
    let setup = Setup::before(free_address())
        .set("limits.junk", "0")
        .set("limits.message_size", "'many'")
        .set("route.default.tls", "'perhaps'")
        .set("colour", "'red'")
        .at("mx", "auth", "true");
    let mut gatepost = Gatepost::begin(&setup);
    let status = gatepost.ends_within(Duration::from_secs(10));
    assert_eq!(status.code(), Some(2));
    for key in [
        "limits.junk",
        "limits.message_size",
        "route.default.tls",
        "colour",
        "auth",
    ] {
        gatepost.logs(&["gatepost.toml:", key]);
    }
}

#[test]
fn a_killed_proxy_loses_nothing_that_it_granted() {
    let upstream = Upstream::start(Script::new().on("<dot>", Act::later(10, "250 2.0.0 Taken")));
    let mut gatepost = Gatepost::start(&Setup::before(upstream.address));
    let (granted, _) = under_load(gatepost.address("mx"), |granted| {
        eventually("some mail", || (granted.load(Ordering::SeqCst) > 20).then_some(()));
        gatepost.signal("KILL");
        gatepost.ends_within(Duration::from_secs(5));
    });
    let taken = subjects(&upstream);
    for subject in &granted {
        assert_eq!(taken.iter().filter(|one| *one == subject).count(), 1, "{subject}");
    }
    // Those that were under way may have been taken, and not answered: they come again, once each.
    assert!(taken.len() <= granted.len() + CLIENTS);
}

#[test]
fn systemd_gives_the_socket_and_is_told_how_it_is() {
    let upstream = Upstream::start(Script::new());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let told = UnixDatagram::bind(&path).expect("a socket");
    told.set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a time limit");
    let listen = || -> String {
        let mut octets = [0; 4096];
        let length = told.recv(&mut octets).expect("a word to systemd");
        String::from_utf8_lossy(&octets[..length]).into_owned()
    };
    let mx = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
    // Who connects before it runs waits, and is served.
    let mut early = Client::connect(mx.local_addr().expect("an address"));
    let setup = Setup::before(upstream.address);
    let mut gatepost = Gatepost::begin_activated(&setup, mx, &path);
    assert!(listen().contains("READY=1"), "{}", gatepost.log());
    early.reply().is(220);
    early.ask("EHLO client.there.example").is(250);
    early
        .mail("ann@there.example", &["bob@example.org"], &mail("early"))
        .is(250);
    early.quit();
    assert!(gatepost.reload(&setup));
    assert!(listen().contains("RELOADING=1"));
    assert!(listen().contains("READY=1"));
    gatepost.signal("TERM");
    assert!(listen().contains("STOPPING=1"));
    assert!(gatepost.ends_within(Duration::from_secs(10)).success());
}

#[test]
fn postfix_is_told_by_the_selftest_to_be_in_danger_or_not() {
    let (safe, fooled) = (
        "smtpd_forbid_bare_newline = normalize\nsmtpd_forbid_bare_newline_exclusions =",
        "smtpd_forbid_bare_newline = normalize\nsmtpd_forbid_bare_newline_exclusions = $mynetworks",
    );
    thread::scope(|scope| {
        for (settings, danger) in [(safe, false), (fooled, true)] {
            scope.spawn(move || {
                let postfix = Postfix::start(settings);
                let setup = Setup::before(postfix.address).set("route.default.client_address", "'xclient'");
                let (said, content) = Gatepost::asked(&["selftest", "--to", "bob@example.org"], &setup);
                assert_eq!(
                    said.contains("whoever reaches it directly can smuggle mail"),
                    danger,
                    "{said}"
                );
                assert_eq!(content, !danger, "{said}");
                assert!(said.contains("offers XCLIENT to us"), "{said}");
                assert!(said.contains("refuses recipients that do not exist"), "{said}");
                assert!(said.contains("smtpd_forbid_bare_newline_exclusions ="), "{said}");
                assert!(danger || postfix.settled().is_empty(), "a probe was delivered");
            });
        }
    });
}
