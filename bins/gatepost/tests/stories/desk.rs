//! The desk at the command line: through the control socket of the daemon that runs, and on the store itself when none
//! runs.

use std::os::unix::fs::PermissionsExt;

use crate::house::{Gatepost, Script, Setup, Upstream, eventually, mail};

fn setup(upstream: &Upstream) -> Setup {
    Setup::before(upstream.address)
        .set("pipeline.inbound.tiers", "[['conduct', 'whitelist']]")
        .set("pipeline.outbound.tiers", "[['whitelist']]")
        .submission()
}

fn with<'a>(verb: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [&["whitelist"], verb, more].concat()
}

/// The same verbs, whoever is there to obey them.
fn walk(gatepost: &Gatepost, who: &str) {
    let person = ["--person", "bob@example.org"];
    let added = gatepost.tells(&with(
        &["add", "--deny"],
        &[&person[..], &["spammer@there.example", "@bad.example"]].concat(),
    ));
    assert_eq!(added.lines().count(), 2, "{who}: {added}");
    let listed = gatepost.tells(&with(&["list", "--deny"], &person));
    assert!(
        listed.contains("spammer@there.example") && listed.contains("@bad.example"),
        "{who}: {listed}"
    );
    let (out, complaint, content) = gatepost.command(&with(&["add"], &["no address at all"]));
    assert!(content || !complaint.is_empty(), "{who}: {out}{complaint}");
    assert!(
        format!("{out}{complaint}").contains("no address at all"),
        "{who}: {out}{complaint}"
    );

    let exported = gatepost.tells(&["whitelist", "export"]);
    assert_eq!(exported.lines().count(), 2, "{who}: {exported}");
    std::fs::write(gatepost.file("lists.json"), &exported).expect("a file");
    gatepost.tells(&with(
        &["remove", "--deny"],
        &[&person[..], &["spammer@there.example", "@bad.example"]].concat(),
    ));
    let listed = gatepost.tells(&with(&["list", "--deny"], &person));
    assert!(!listed.contains("  added "), "{who}: {listed}");
    gatepost.tells(&["whitelist", "import", "lists.json"]);
    assert_eq!(gatepost.tells(&["whitelist", "export"]), exported, "{who}");
    // Leave nothing behind for the next walk.
    gatepost.tells(&with(
        &["remove", "--deny"],
        &[&person[..], &["spammer@there.example", "@bad.example"]].concat(),
    ));

    let (out, complaint, content) = gatepost.command(&["kept", "list"]);
    assert_eq!(
        (out.as_str(), complaint.as_str(), content),
        ("", "nothing found\n", true),
        "{who}"
    );
    let (_, complaint, content) = gatepost.command(&["kept", "delete", "../../etc/passwd"]);
    assert!(
        !content && complaint.contains("there is no such mail"),
        "{who}: {complaint}"
    );
    assert!(
        gatepost
            .tells(&["recipients", "forget", "--all"])
            .contains("asked again"),
        "{who}"
    );
    gatepost.tells(&["store", "check"]);
    gatepost.tells(&["store", "compact"]);
    let folder = format!("backup-{who}");
    assert!(gatepost.tells(&["store", "backup", &folder]).contains(&folder), "{who}");
    let (_, complaint, content) = gatepost.command(&["store", "backup", &folder]);
    assert!(!content && complaint.contains("is there already"), "{who}: {complaint}");
    let audit = gatepost.tells(&["audit", "--limit", "1000"]);
    for words in [
        "add to the deny list of bob@example.org",
        "export",
        "back up to",
        "forget the mail server",
    ] {
        // Showing and exporting are both `show`.
        let words = if words == "export" { "show the" } else { words };
        assert!(audit.contains(words), "{who}: {words} in {audit}");
    }
}

#[test]
fn every_verb_works_with_a_daemon_and_without_one() {
    let upstream = Upstream::start(Script::new());
    let mut gatepost = Gatepost::start(&setup(&upstream));
    let socket = gatepost.file("data").join("control.sock");
    let mode = std::fs::metadata(&socket).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    walk(&gatepost, "daemon");
    let (_, complaint, content) = gatepost.command(&["store", "restore", "backup-daemon"]);
    assert!(
        !content && complaint.contains("another process has this store open"),
        "{complaint}"
    );
    gatepost.stop();
    assert!(!socket.exists(), "the socket goes with the daemon");
    walk(&gatepost, "nobody");
    gatepost.again();
    assert!(gatepost.tells(&["audit", "--limit", "1000"]).contains("backup-daemon"));
}

#[test]
fn a_socket_that_a_killed_daemon_left_is_no_daemon() {
    let upstream = Upstream::start(Script::new());
    let mut gatepost = Gatepost::start(&setup(&upstream));
    gatepost.kill();
    assert!(gatepost.file("data").join("control.sock").exists());
    gatepost.tells(&["whitelist", "add", "a@there.example"]);
    gatepost.again();
    assert!(gatepost.tells(&["whitelist", "list"]).contains("a@there.example"));
}

#[test]
fn a_personal_refusal_holds_at_once_and_for_that_person_only() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&setup(&upstream));
    gatepost.tells(&[
        "whitelist",
        "add",
        "--deny",
        "--person",
        "bob@example.org",
        "ann@there.example",
    ]);
    let mut client = gatepost.client();
    client.ask("MAIL FROM:<ann@there.example>").is(250);
    let reply = client.ask("RCPT TO:<bob@example.org>");
    assert!(
        reply.code == 550 && reply.text().to_lowercase().contains("mailbox unavailable"),
        "{reply}"
    );
    client.ask("RCPT TO:<carl@example.org>").is(250);
    client.data();
    client.content(&mail("to carl")).is(250);
    client.quit();
    assert_eq!(upstream.taken()[0].to, ["RCPT TO:<carl@example.org>"]);
}

#[test]
fn whom_our_people_write_to_is_learned_and_survives() {
    let upstream = Upstream::start(Script::new());
    let mut gatepost = Gatepost::start(&setup(&upstream));
    let mut client = crate::house::Client::introduced(gatepost.address("submission"));
    client
        .mail("bob@example.org", &["friend@there.example"], &mail("hello"))
        .is(250);
    client.quit();
    let listed = || gatepost.tells(&["whitelist", "list", "--domain", "example.org"]);
    eventually("the contact", || {
        listed().contains("friend@there.example").then_some(())
    });
    assert!(listed().contains("learned"), "{}", listed());
    gatepost.kill();
    gatepost.again();
    assert!(gatepost.tells(&["whitelist", "list"]).contains("friend@there.example"));
    gatepost.tells(&["whitelist", "remove", "--domain", "example.org", "friend@there.example"]);
    let mut client = crate::house::Client::introduced(gatepost.address("submission"));
    client
        .mail(
            "bob@example.org",
            &["friend@there.example", "other@there.example"],
            &mail("again"),
        )
        .is(250);
    client.quit();
    eventually("the other contact", || {
        gatepost
            .tells(&["whitelist", "list"])
            .contains("other@there.example")
            .then_some(())
    });
    let listed = gatepost.tells(&["whitelist", "list"]);
    let friend = listed
        .lines()
        .find(|line| line.contains("friend@there.example"))
        .expect("the mark");
    assert!(friend.contains("removed"), "{listed}");
}

#[test]
fn a_backup_brings_everything_back() {
    let upstream = Upstream::start(Script::new());
    let setup = setup(&upstream)
        .set("filters.conduct.options.helo_syntax_points", "8")
        .set("policy.medium.action", "'hold'");
    let mut gatepost = Gatepost::start(&setup);
    let hold = |gatepost: &Gatepost, subject: &str| {
        let mut client = crate::house::Client::greeted(gatepost.address("mx"));
        client.ask("EHLO not_a..name").is(250);
        client
            .mail("ann@there.example", &["bob@example.org"], &mail(subject))
            .is(250);
        client.quit();
    };
    hold(&gatepost, "before");
    gatepost.tells(&["whitelist", "add", "a@there.example"]);
    gatepost.tells(&["store", "backup", "kept-safe"]);
    hold(&gatepost, "after");
    gatepost.tells(&["whitelist", "add", "b@there.example"]);
    gatepost.stop();
    let told = gatepost.tells(&["store", "restore", "kept-safe"]);
    assert!(told.contains("restored"), "{told}");
    gatepost.again();
    let lists = gatepost.tells(&["whitelist", "list"]);
    assert!(
        lists.contains("a@there.example") && !lists.contains("b@there.example"),
        "{lists}"
    );
    let kept = gatepost.tells(&["kept", "list"]);
    assert!(kept.contains("before") && !kept.contains("after"), "{kept}");
    assert!(gatepost.tells(&["audit"]).contains("put back the backup"));
    // What was there stands aside and is not deleted.
    let aside = std::fs::read_dir(gatepost.file("data"))
        .expect("a folder")
        .filter(|entry| {
            entry
                .as_ref()
                .is_ok_and(|entry| entry.file_name().to_string_lossy().contains("before-restore"))
        });
    assert_eq!(aside.count(), 4, "store, kept mail, what was learned and what waited");
}
