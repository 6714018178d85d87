//! Hundreds of customers: domains that come, change and go while mail flows, in the included folder and in the store.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use tempfile::TempDir;

use crate::house::{Act, Client, Gatepost, Script, Setup, Upstream, eventually, mail, stuffed};

/// How many customers there are.
const CUSTOMERS: usize = 1_000;
/// How many mail servers they have together.
const SERVERS: usize = 5;
/// How many changes are made while mail flows.
const CHANGES: usize = 100;
/// How many clients send at the same time.
const CLIENTS: usize = 4;

/// A proxy in front of nobody but customers, whose files lie in this folder.
fn provider(folder: &Path) -> Setup {
    Setup::new()
        .set("local_domains", "[]")
        .set("include", format!("'{}'", folder.display()))
        .set("route.default.upstream", "'127.0.0.1:9'")
        .listener("mx", "inbound", &[])
        // Thousands of lines of each session tell nothing here.
        .set("log.level", "'info'")
}

fn customer(domain: &str, server: SocketAddr) -> String {
    format!("[domain.'{domain}'.server]\nupstream = '{server}'\ntls = 'none'\n")
}

fn write(folder: &Path, domain: &str, server: SocketAddr) {
    fs::write(folder.join(format!("{domain}.toml")), customer(domain, server)).expect("a file");
}

fn servers() -> Vec<Upstream> {
    let slow = || Script::new().on("<dot>", Act::later(2, "250 2.0.0 Taken"));
    (0..SERVERS).map(|_| Upstream::start(slow())).collect()
}

fn to(client: &mut Client, domain: &str, subject: &str) -> u16 {
    client
        .mail("ann@there.example", &[&format!("bob@{domain}")], &mail(subject))
        .code
}

#[test]
fn a_customer_is_added_shown_changed_and_removed_while_gatepost_runs() {
    let (folder, servers) = (TempDir::new().expect("a folder"), servers());
    write(folder.path(), "filed.example", servers[0].address);
    let mut gatepost = Gatepost::start(&provider(folder.path()));
    let mut before = gatepost.client();
    assert_eq!(before.ask("MAIL FROM:<ann@there.example>").code, 250);
    before.ask("RCPT TO:<bob@acme.example>").begins("550 5.7.1");
    let one = servers[1].address.to_string();
    let added = gatepost.tells(&["domain", "add", "acme.example", "--upstream", &one, "--tls", "none"]);
    assert_eq!(added, "acme.example is in the store and in service\n");
    // The session that was there before goes by the rules with which it began.
    before.ask("RCPT TO:<bob@acme.example>").begins("550 5.7.1");
    before.quit();
    assert_eq!(to(&mut gatepost.client(), "acme.example", "first"), 250);
    let subjects = |server: &Upstream| {
        let taken = server.taken();
        taken
            .iter()
            .filter_map(|mail| mail.field("Subject"))
            .collect::<Vec<_>>()
    };
    assert_eq!(subjects(&servers[1]), ["first"]);
    let two = servers[2].address.to_string();
    gatepost.tells(&[
        "domain",
        "set",
        "acme.example",
        "--upstream",
        &two,
        "--set",
        "policy.high.action=hold",
    ]);
    assert_eq!(to(&mut gatepost.client(), "acme.example", "second"), 250);
    assert_eq!(subjects(&servers[2]), ["second"]);

    let listed = gatepost.tells(&["domain", "list"]);
    for (domain, place) in [
        ("acme.example", "store: acme.example"),
        ("filed.example", "filed.example.toml:1:9"),
    ] {
        let line = listed.lines().find(|line| line.starts_with(domain));
        assert!(line.is_some_and(|line| line.contains(place)), "{listed}");
    }
    let shown = gatepost.tells(&["domain", "show", "acme.example"]);
    for text in [
        "written  in the store",
        "action = \"hold\"",
        "acme.example. IN MX 10 mx.example.org.",
        "-RemoteIPRanges \"127.0.0.1\"",
        "check_client_access,inline:{127.0.0.1=OK},reject",
    ] {
        assert!(shown.contains(text), "{text}:\n{shown}");
    }
    // What is wrong is told whole, with its place, and changes nothing.
    let (_, complaint, content) = gatepost.command(&[
        "domain",
        "set",
        "acme.example",
        "--set",
        "server.tsl=none",
        "--hold",
        "soon",
    ]);
    assert!(
        !content
            && complaint.contains("server.tsl: unknown key; did you mean `tls`?")
            && complaint.contains("hold: expected a"),
        "{complaint}"
    );
    let (_, complaint, content) = gatepost.command(&["domain", "remove", "filed.example"]);
    assert!(
        !content && complaint.contains("filed.example.toml:1:9, not in the store"),
        "{complaint}"
    );

    // It stays through SIGHUP, and through the end of the process, however that comes.
    gatepost.signal("HUP");
    gatepost.logs(&["the configuration is reloaded"]);
    assert_eq!(to(&mut gatepost.client(), "acme.example", "third"), 250);
    gatepost.kill();
    gatepost.again();
    assert_eq!(to(&mut gatepost.client(), "acme.example", "fourth"), 250);
    assert_eq!(subjects(&servers[2]), ["second", "third", "fourth"]);

    gatepost.tells(&["domain", "remove", "acme.example"]);
    let mut after = gatepost.client();
    after.ask("MAIL FROM:<ann@there.example>").is(250);
    after.ask("RCPT TO:<bob@acme.example>").begins("550 5.7.1");
    after.ask("RCPT TO:<bob@filed.example>").is(250);
    after.ask("RSET").is(250);
    after.quit();
    let audit = gatepost.tells(&["audit"]);
    for words in [
        "add the domain acme.example: server.upstream = ",
        "remove the domain acme.example: done",
    ] {
        assert!(audit.contains(words), "{audit}");
    }
    // Without a daemon the command line does the same.
    gatepost.stop();
    gatepost.tells(&["domain", "add", "later.example", "--upstream", &one, "--tls", "none"]);
    gatepost.again();
    assert_eq!(to(&mut gatepost.client(), "later.example", "later"), 250);
}

#[test]
fn the_dead_one_of_a_customers_two_mail_servers_is_named() {
    let (folder, servers) = (TempDir::new().expect("a folder"), servers());
    let gatepost = Gatepost::start(&provider(folder.path()));
    let (living, dead) = (servers[1].address.to_string(), "127.0.0.1:1");
    let add = ["domain", "add", "b.example", "--tls", "none", "--upstream"];
    gatepost.tells(&[&add[..], &[dead, "--upstream", &living]].concat());
    assert_eq!(to(&mut gatepost.client(), "b.example", "first"), 250);
    let listed = eventually("the dead one", || {
        let listed = gatepost.tells(&["domain", "list", "--down"]);
        listed.contains("DOWN for").then_some(listed)
    });
    let lines: Vec<&str> = listed.lines().collect();
    assert!(
        lines[0].starts_with("b.example") && lines[0].contains("  part  "),
        "{listed}"
    );
    assert!(
        lines[1].contains("127.0.0.1:1  DOWN for") && lines[1].ends_with(": it cannot be reached"),
        "{listed}"
    );
    let shown = gatepost.tells(&["domain", "show", "b.example"]);
    assert!(
        shown.contains("host     127.0.0.1:1  DOWN for") && shown.contains(&format!("host     {living}  up for")),
        "{shown}"
    );
}

#[test]
fn a_customer_in_the_store_that_has_become_wrong_is_left_out_loudly_and_all_others_serve() {
    let (folder, servers) = (TempDir::new().expect("a folder"), servers());
    let office = format!(
        "[route.office]\nupstream = '{}'\ntls = 'none'\n[domain.'o.example']\nroute = 'office'\n",
        servers[0].address
    );
    fs::write(folder.path().join("office.toml"), office).expect("a file");
    let mut gatepost = Gatepost::start(&provider(folder.path()));
    let one = servers[1].address.to_string();
    gatepost.tells(&["domain", "add", "good.example", "--upstream", &one, "--tls", "none"]);
    gatepost.tells(&["domain", "add", "b.example", "--route", "office"]);
    fs::remove_file(folder.path().join("office.toml")).expect("a file");
    gatepost.signal("HUP");
    gatepost.logs(&["an alarm", "b.example", "there is no [route.office]"]);
    assert_eq!(to(&mut gatepost.client(), "good.example", "good"), 250);
    let listed = gatepost.tells(&["domain", "list", "--down"]);
    assert!(
        listed.contains("b.example") && listed.contains("NOT IN SERVICE"),
        "{listed}"
    );
    assert!((gatepost.metric("gatepost_domains_left_out") - 1.0).abs() < 0.1);
    // Its mail is sent back to nobody for that.
    let mut client = gatepost.client();
    client.ask("MAIL FROM:<ann@there.example>").is(250);
    client.ask("RCPT TO:<bob@b.example>").begins("451 4.3.5");
    client.quit();
    // So it is after a start, and when it is mended it serves again.
    gatepost.stop();
    gatepost.again();
    assert_eq!(to(&mut gatepost.client(), "good.example", "good"), 250);
    gatepost.tells(&[
        "domain",
        "set",
        "b.example",
        "--unset",
        "route",
        "--upstream",
        &one,
        "--tls",
        "none",
    ]);
    assert_eq!(to(&mut gatepost.client(), "b.example", "mended"), 250);
    assert!(gatepost.metric("gatepost_domains_left_out") < 0.1);
}

#[test]
fn a_customers_mail_is_greylisted_and_looked_at_for_danger_and_not_for_spam() {
    let (folder, servers) = (TempDir::new().expect("a folder"), servers());
    write(folder.path(), "acme.example", servers[0].address);
    fs::write(
        folder.path().join("b.toml"),
        customer("b.example", servers[1].address) + "[domain.'b.example']\ngreylist = false\nspam = true\n",
    )
    .expect("a file");
    let setup = provider(folder.path())
        .set("pipeline.inbound.tiers", "[['conduct'], ['greylist'], ['attachments']]")
        .set("filters.conduct.mode", "'enforce'")
        .set("filters.greylist.options.grace", "'0s'");
    let gatepost = Gatepost::start(&setup);
    let mut client = gatepost.client();
    client.ask("MAIL FROM:<ann@there.example>").is(250);
    client.ask("RCPT TO:<bob@acme.example>").begins("451");
    client.ask("RCPT TO:<bob@b.example>").is(250);
    client.ask("RSET").is(250);
    let spam = b"Subject: no From at all\r\n\r\nHello.\r\n";
    let found = |domain: &str| {
        let record = gatepost.record(domain, |record| {
            record["recipients"][0]["to"]
                .as_str()
                .is_some_and(|to| to.contains(domain))
                && record["size"].as_u64() > Some(0)
        });
        record["findings"].to_string()
    };
    assert_eq!(client.mail("ann@there.example", &["bob@b.example"], spam).code, 250);
    assert!(found("b.example").contains("conduct."), "spam = true");

    // Danger is refused there as everywhere.
    fs::write(
        folder.path().join("acme.example.toml"),
        customer("acme.example", servers[0].address) + "[domain.'acme.example']\ngreylist = false\n",
    )
    .expect("a file");
    gatepost.signal("HUP");
    gatepost.logs(&["the configuration is reloaded"]);
    let mut client = gatepost.client();
    assert_eq!(client.mail("ann@there.example", &["bob@acme.example"], spam).code, 250);
    assert!(!found("acme.example").contains("conduct."), "not looked at for spam");
    let danger = b"From: a@b.example\r\nDate: Fri, 27 Nov 2026 08:00:00 +0000\r\nMessage-ID: <1@b.example>\r\nMIME-Version: 1.0\r\n\
        Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"run.exe\"\r\n\r\nMZ nothing\r\n";
    client
        .mail("ann@there.example", &["bob@acme.example"], danger)
        .begins("550 5.7.1");

    // Its own text cannot do without that.
    fs::write(
        folder.path().join("acme.example.toml"),
        customer("acme.example", servers[0].address)
            + "[domain.'acme.example'.filters.attachments]\nmode = 'off'\non_fault = 'ignore'\n\
               [domain.'acme.example'.filters.attachments.options.findings.blocked]\naction = 'ignore'\n",
    )
    .expect("a file");
    gatepost.signal("HUP");
    gatepost.logs(&[
        "the old one stays in service",
        "acme.example.toml:5:8",
        "acme.example.toml:6:12",
        "acme.example.toml:8:10",
        "how mail is looked at for danger is the main file's word",
    ]);
}

/// What a client was granted: subjects, and to which domain.
type Ledger = Vec<(String, String)>;

/// Sends mail after mail to customers, in sessions of three. Gives what was granted, and how many sessions broke.
fn sends(address: SocketAddr, who: usize, stop: &AtomicBool, granted: &AtomicUsize) -> (Ledger, usize) {
    let (mut ledger, mut broken, mut number) = (Ledger::new(), 0, 0);
    while !stop.load(Ordering::SeqCst) {
        let mut client = Client::introduced(address);
        for _ in 0..3 {
            number += 1;
            let domain = format!("d{}.example", (number * 37 + who * 251) % CUSTOMERS);
            let subject = format!("c{who}n{number}");
            let mut ask = |line: &str| {
                client
                    .try_send(format!("{line}\r\n"))
                    .then(|| client.try_reply())
                    .flatten()
            };
            let content = String::from_utf8_lossy(&stuffed(&mail(&subject))).into_owned();
            let lines = [
                ("MAIL FROM:<ann@there.example>".to_owned(), 250),
                (format!("RCPT TO:<bob@{domain}>"), 250),
                ("DATA".to_owned(), 354),
                (format!("{content}."), 250),
            ];
            let fine = lines
                .iter()
                .all(|(line, code)| ask(line).is_some_and(|reply| reply.code == *code));
            if !fine {
                broken += 1;
                break;
            }
            granted.fetch_add(1, Ordering::SeqCst);
            ledger.push((subject, domain));
        }
    }
    (ledger, broken)
}

#[test]
fn a_hundred_changes_among_a_thousand_customers_drop_no_session_and_misdirect_no_mail() {
    let (folder, servers) = (TempDir::new().expect("a folder"), servers());
    for n in 0..CUSTOMERS {
        write(folder.path(), &format!("d{n}.example"), servers[n % SERVERS].address);
    }
    let mut gatepost = Gatepost::start(&provider(folder.path()));
    let address = gatepost.address("mx");
    let (stop, granted) = (AtomicBool::new(false), AtomicUsize::new(0));
    // Where mail for a domain that comes and goes was taken.
    let mut visitors: Ledger = Vec::new();
    let ledgers: Vec<(Ledger, usize)> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|who| {
                let (stop, granted) = (&stop, &granted);
                scope.spawn(move || sends(address, who, stop, granted))
            })
            .collect();
        for change in 0..CHANGES {
            let seen = granted.load(Ordering::SeqCst);
            let (domain, server) = (
                format!("v{}.example", change / 4),
                servers[change % SERVERS].address.to_string(),
            );
            let subject = format!("v{change}");
            match change % 4 {
                0 => {
                    gatepost.tells(&["domain", "add", &domain, "--upstream", &server, "--tls", "none"]);
                    assert_eq!(to(&mut gatepost.client(), &domain, &subject), 250);
                    visitors.push((subject, server));
                }
                1 => {
                    gatepost.tells(&["domain", "set", &domain, "--upstream", &server]);
                    assert_eq!(to(&mut gatepost.client(), &domain, &subject), 250);
                    visitors.push((subject, server));
                }
                2 => {
                    // A file of the folder changes, which says nothing new.
                    let n = (change * 7) % CUSTOMERS;
                    let text = customer(&format!("d{n}.example"), servers[n % SERVERS].address) + "# again\n";
                    let file = folder.path().join(format!("d{n}.example.toml"));
                    fs::write(folder.path().join("new"), text).expect("a file");
                    fs::rename(folder.path().join("new"), file).expect("a file");
                    assert!(gatepost.reload_text(&fs::read_to_string(gatepost.file("gatepost.toml")).expect("a file")));
                }
                _ => {
                    gatepost.tells(&["domain", "remove", &domain]);
                    let mut client = gatepost.client();
                    client.ask("MAIL FROM:<ann@there.example>").is(250);
                    client.ask(&format!("RCPT TO:<bob@{domain}>")).begins("550 5.7.1");
                }
            }
            eventually("mail after a change", || {
                (granted.load(Ordering::SeqCst) > seen).then_some(())
            });
        }
        stop.store(true, Ordering::SeqCst);
        clients
            .into_iter()
            .map(|client| client.join().expect("a client"))
            .collect()
    });
    let broken: usize = ledgers.iter().map(|(_, broken)| broken).sum();
    assert_eq!(broken, 0, "sessions that broke");
    // Each mail was taken once, and by the right server.
    let mut taken: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for server in &servers {
        server.quiet();
        for mail in server.taken() {
            let subject = mail.field("Subject").expect("a subject");
            taken.entry(subject).or_default().push(server.address.to_string());
        }
    }
    let number = |domain: &str| {
        domain
            .trim_matches(|c: char| !c.is_ascii_digit())
            .parse::<usize>()
            .expect("a number")
    };
    let granted = ledgers.into_iter().flat_map(|(ledger, _)| ledger);
    let granted = granted.map(|(subject, domain)| (subject, servers[number(&domain) % SERVERS].address.to_string()));
    let granted: Ledger = granted.chain(visitors).collect();
    assert!(granted.len() > CHANGES, "{}", granted.len());
    for (subject, server) in &granted {
        assert_eq!(
            taken.remove(subject).as_deref(),
            Some(&[server.clone()][..]),
            "{subject}"
        );
    }
    assert!(taken.is_empty(), "{taken:?}");
}
