//! Mail that waits while a customer's mail server is away: an operator's verbs, the customer's ETRN, an upgrade, a damaged
//! file, and a domain that is served from mailboxes meanwhile.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::house::{Client, Dovecot, Gatepost, Reply, Script, Setup, Upstream, eventually, free_address, mail, say};

/// The customer.
const AWAY: &str = "away.example";
/// One of its people.
const BOB: &str = "bob@away.example";

/// A customer whose mail server comes and goes.
struct House {
    at: SocketAddr,
    upstream: Option<Upstream>,
    gatepost: Gatepost,
}

fn feed(at: SocketAddr, domain: &str) -> Setup {
    let customer = format!("domain.'{domain}'");
    Setup::new()
        .without("local_domains")
        .listener("mx", "inbound", &[("route", &format!("'{domain}'"))])
        .set(&format!("{customer}.hold"), "'2d'")
        .set(&format!("{customer}.server.upstream"), format!("'{at}'"))
        .set(&format!("{customer}.server.tls"), "'none'")
        .set(&format!("{customer}.server.keep.idle"), "'0s'")
}

impl House {
    /// Its server has taken a mail, so that Bob is known, and is gone.
    fn open(domain: &str, more: impl FnOnce(Setup) -> Setup) -> House {
        let at = free_address();
        let upstream = Upstream::at(at, Script::new());
        let mut house = House {
            at,
            upstream: Some(upstream),
            gatepost: Gatepost::start(&more(feed(at, domain))),
        };
        house.sends(&format!("bob@{domain}"), "before").begins("250 2.0.0");
        house.goes();
        house
    }

    fn goes(&mut self) {
        self.upstream = None;
        eventually("nobody at the port of the mail server", || {
            Client::try_connect(self.at).is_err().then_some(())
        });
    }

    fn comes(&mut self, script: Script) {
        self.upstream = Some(Upstream::at(self.at, script));
    }

    #[track_caller]
    fn sends(&self, to: &str, subject: &str) -> Reply {
        let mut client = self.gatepost.client();
        let reply = client.mail("ann@there.example", &[to], &mail(subject));
        client.quit();
        reply
    }

    /// A mail that must be taken to wait.
    #[track_caller]
    fn waits(&self, subject: &str) {
        self.sends(BOB, subject).begins("250 2.0.0");
    }

    /// The subjects that its server took since it came, in their order.
    fn took(&self) -> Vec<String> {
        let taken = self.upstream.as_ref().map(Upstream::taken).unwrap_or_default();
        taken
            .iter()
            .map(|mail| mail.field("Subject").expect("a subject"))
            .collect()
    }

    #[track_caller]
    fn takes(&self, subjects: &[&str]) {
        eventually(&format!("{subjects:?} at the mail server"), || {
            (self.took().len() >= subjects.len()).then_some(())
        });
        assert_eq!(self.took(), subjects);
    }

    /// What waits, as `gatepost queue list --json` has it.
    #[track_caller]
    fn list(&self, more: &[&str]) -> Vec<Value> {
        let (lines, complaint, content) = self.gatepost.command(&[&["queue", "list", "--json"], more].concat());
        assert!(content, "{complaint}");
        lines
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    #[track_caller]
    fn ids(&self) -> Vec<String> {
        let ids = self.list(&[]);
        ids.iter()
            .map(|mail| mail["id"].as_str().expect("an id").to_owned())
            .collect()
    }

    /// What the queue verb says.
    #[track_caller]
    fn queue(&self, words: &[&str]) -> String {
        self.gatepost.tells(&[&["queue"], words].concat())
    }

    #[track_caller]
    fn is_empty(&self) {
        eventually("an empty queue", || {
            (self.queue(&[]).trim() == "no mail waits").then_some(())
        });
    }
}

#[test]
fn an_operator_looks_at_mail_that_waits_and_steers_it() {
    let mut house = House::open(AWAY, |setup| setup);
    for subject in ["one", "two", "three"] {
        house.waits(subject);
    }
    // Of whom nothing is known is not taken; nor is a domain that does not exist here.
    let mut client = house.gatepost.client();
    client.ask("MAIL FROM:<ann@there.example>").is(250);
    assert!(matches!(client.ask("RCPT TO:<nobody@away.example>").code, 450 | 451));
    client.ask("RCPT TO:<bob@elsewhere.example>").is(550);
    client.quit();
    assert!(house.queue(&[]).starts_with("3 mails wait, "), "{}", house.queue(&[]));
    let rows = house.queue(&["list", "--domain", AWAY]);
    assert_eq!(rows.lines().count(), 3, "{rows}");
    for row in rows.lines() {
        assert!(
            row.contains(" old  ") && row.contains("from <ann@there.example>  to <bob@away.example>"),
            "{row}"
        );
    }
    let ids = house.ids();
    let known = house.queue(&["show", &ids[0]]);
    assert!(
        known.contains("domain   away.example") && !known.contains("Subject"),
        "{known}"
    );
    let read = house.queue(&["show", &ids[0], "--why", "a complaint"]);
    assert!(read.contains("Subject: one"), "{read}");
    let audit = house.gatepost.tells(&["audit"]);
    assert!(
        audit.contains(&format!("read the waiting mail {}, because: a complaint: read", ids[0])),
        "{audit}"
    );
    // Time is given, and nothing else changes.
    let until = |house: &House| house.list(&[])[1]["until"].as_u64().expect("a time");
    let before = until(&house);
    house.queue(&["extend", "1d", &ids[1]]);
    assert_eq!(until(&house), before + 86_400_000);
    house.queue(&["hold", &ids[1]]);
    assert!(house.queue(&["list"]).contains("  held  "));
    let (_, complaint, done) = house.gatepost.command(&["queue", "delete", &ids[2]]);
    assert!(!done && complaint.contains("--yes"), "{complaint}");
    house.queue(&["delete", &ids[2], "--yes"]);
    let (_, complaint, done) = house.gatepost.command(&["queue", "delete", &ids[2], "--yes"]);
    assert!(!done && complaint.contains("no such mail"), "{complaint}");
    house.comes(Script::new());
    house.queue(&["flush", AWAY]);
    house.takes(&["one"]);
    assert_eq!(house.ids(), [ids[1].clone()], "what is held stays");
    house.queue(&["hold", "--release", AWAY]);
    house.takes(&["one", "two"]);
    house.is_empty();
    house.gatepost.stop();
}

#[test]
fn what_is_given_up_lies_in_the_archive_and_can_be_delivered_from_there() {
    let mut house = House::open(AWAY, |setup| setup);
    house.waits("hopeless");
    house.waits("patient");
    let id = &house.ids()[0];
    // Nothing proves who sent it, so nobody is told.
    house.queue(&["bounce", id, "--yes"]);
    let kept = eventually("the mail in the archive", || {
        let (rows, _, _) = house.gatepost.command(&["kept", "list", "--reason", "undelivered"]);
        rows.contains("hopeless").then_some(rows)
    });
    assert_eq!(kept.lines().count(), 1, "{kept}");
    assert_eq!(house.ids().len(), 1);
    house.comes(Script::new());
    house.takes(&["patient"]);
    let kept = kept.split_whitespace().next().expect("an id");
    house.gatepost.tells(&["kept", "release", kept]);
    house.takes(&["patient", "hopeless"]);
}

#[test]
fn the_customer_has_its_mail_sent_now_by_etrn() {
    let mut house = House::open(AWAY, |setup| {
        setup.set(&format!("domain.'{AWAY}'.etrn_from"), "['127.0.0.0/8']")
    });
    house.waits("deferred");
    // It is back, and has no time for this mail: the next try is minutes away.
    house.comes(Script::new().times(1, "<dot>", say("451 4.3.0 Not now")));
    let waits = |house: &House| {
        house
            .list(&[])
            .first()
            .map(|mail| mail["said"].as_str().unwrap_or_default().to_owned())
    };
    eventually("what the mail server said", || {
        waits(&house).is_some_and(|said| said.contains("Not now")).then_some(())
    });
    assert!(house.took().is_empty());
    let mut client = house.gatepost.client();
    assert!(matches!(client.ask(&format!("ETRN {AWAY}")).code, 250..=253));
    house.takes(&["deferred"]);
    assert!(
        client.ask("ETRN example.org").code >= 450,
        "not a customer of that address"
    );
    client.quit();
    house.is_empty();
}

#[test]
fn mail_waits_through_an_upgrade_and_arrives_in_its_order() {
    let mut house = House::open(AWAY, |setup| setup);
    let subjects: Vec<String> = (0..20).map(|number| format!("n{number}")).collect();
    for subject in &subjects {
        house.waits(subject);
    }
    let ids = house.ids();
    house.gatepost.stop();
    // What a daemon that does not run has is looked at all the same.
    assert!(house.queue(&[]).starts_with("20 mails wait"));
    let (_, complaint, done) = house.gatepost.command(&["queue", "flush", "--all"]);
    assert!(!done && complaint.contains("no daemon runs"), "{complaint}");
    // What is deleted meanwhile is in the record of its mail.
    let number = house.list(&[])[19]["transaction"]
        .as_str()
        .expect("a number")
        .to_owned();
    house.queue(&["delete", &ids[19], "--yes"]);
    let told = house.gatepost.tells(&["log", "--id", &number]);
    assert!(told.contains("deleted"), "{told}");
    house.gatepost.again();
    assert_eq!(house.ids(), ids[..19]);
    house.comes(Script::new());
    house.takes(&subjects[..19].iter().map(String::as_str).collect::<Vec<_>>());
    house.is_empty();
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| match entry.path() {
            path if path.is_dir() => files(&path),
            path => vec![path],
        })
        .collect()
}

#[test]
fn a_damaged_file_is_set_aside_and_the_others_flow() {
    let mut house = House::open(AWAY, |setup| setup);
    for subject in ["one", "spoilt", "three"] {
        house.waits(subject);
    }
    house.gatepost.stop();
    let queue = house.gatepost.file("data/queue");
    let holding = |path: &PathBuf| fs::read(path).is_ok_and(|file| crate::house::holds(&file, b"Subject: spoilt"));
    let spoilt = files(&queue).into_iter().find(holding).expect("its file");
    let mut octets = fs::read(&spoilt).expect("a file");
    let middle = octets.len() - octets.len() / 4;
    octets[middle] ^= 1;
    fs::write(&spoilt, octets).expect("a file");
    house.gatepost.again();
    house.comes(Script::new());
    house.takes(&["one", "three"]);
    let damaged = eventually("a word of what is damaged", || {
        let (rows, _, _) = house.gatepost.command(&["queue", "list", "--damaged"]);
        (!rows.is_empty()).then_some(rows)
    });
    assert!(
        damaged.contains("set aside") && damaged.lines().count() == 1,
        "{damaged}"
    );
    assert!(house.queue(&[]).contains("1 set aside"), "{}", house.queue(&[]));
    assert!(house.gatepost.metric("gatepost_queue_damaged") >= 1.0);
    assert!(
        files(&queue.join("damaged")).iter().any(holding),
        "nothing is thrown away"
    );
    let damaged = damaged.split_whitespace().next().expect("an id");
    house.queue(&["delete", damaged, "--yes"]);
    house.is_empty();
}

#[test]
fn mail_that_waits_follows_a_domain_into_mailboxes_that_dovecot_serves_and_back() {
    let dovecot = Dovecot::start();
    let domain = "example.org";
    // Mailboxes here take everybody: what they say counts for nothing when the server is back, so there is a list.
    let listed = |setup: Setup| setup.set("domain.'example.org'.recipients", "['bob']");
    let mut house = House::open(domain, listed);
    for subject in ["one", "two"] {
        house.sends("bob@example.org", subject).begins("250 2.0.0");
    }
    assert!(house.queue(&[]).starts_with("2 mails wait"));
    // The customer's server will be away for long: its people read their mail here.
    let boxes = format!("'maildir:{}/{{user}}@{{domain}}/Maildir'", dovecot.homes().display());
    let temporary = listed(feed(house.at, domain))
        .set("domain.'example.org'.server.upstream", boxes)
        .without("domain.'example.org'.server.tls")
        .without("domain.'example.org'.server.keep.idle");
    assert!(house.gatepost.reload(&temporary));
    house.is_empty();
    house.sends("bob@example.org", "three").begins("250 2.0.0");
    // It runs as root here, and Dovecot's mailboxes are nobody's.
    let owned = Command::new("chown")
        .args(["-R", "nobody"])
        .arg(dovecot.homes())
        .status();
    assert!(owned.is_ok_and(|done| done.success()));
    for subject in ["one", "two", "three"] {
        dovecot.holds("bob", "INBOX", &[&format!("Subject: {subject}\r\n")]);
    }
    assert_eq!(dovecot.mails("bob", "INBOX").len(), 3);
    // Back to the server, which is still being repaired.
    assert!(house.gatepost.reload(&listed(feed(house.at, domain))));
    house.sends("bob@example.org", "four").begins("250 2.0.0");
    assert!(house.queue(&[]).starts_with("1 mail waits"));
    house.comes(Script::new());
    house.takes(&["four"]);
    house.is_empty();
    assert_eq!(dovecot.mails("bob", "INBOX").len(), 3);
}
