//! Kept mail: accepted on the strength of the archive, found by the command line, delivered by a person (P-25, P-30).

use serde_json::Value;

use crate::house::{Gatepost, Script, Setup, Upstream, mail};

/// A proxy that keeps for `hold.example` what it delivers for `example.org`: mail of whoever says a nonsensical HELO.
fn setup(upstream: &Upstream) -> Setup {
    Setup::before(upstream.address)
        .set("local_domains", "['example.org', 'hold.example', 'no.example']")
        .set("filters.conduct.options.helo_syntax_points", "8")
        .set("policy.medium.action", "'header'")
        .set("domain.'hold.example'.policy.medium.action", "'hold'")
        .set("domain.'no.example'.policy.medium.action", "'reject'")
}

/// Sends a mail with a HELO that is worth eight points.
#[track_caller]
fn odd_mail(gatepost: &Gatepost, to: &[&str], subject: &str) -> crate::house::Reply {
    let mut client = crate::house::Client::greeted(gatepost.address("mx"));
    client.ask("EHLO not_a..name").is(250);
    let reply = client.mail("ann@there.example", to, &mail(subject));
    client.quit();
    reply
}

fn list(gatepost: &Gatepost, more: &[&str]) -> Vec<Value> {
    let verb: Vec<&str> = ["kept", "list", "--json"].iter().chain(more).copied().collect();
    let (lines, complaint, content) = gatepost.command(&verb);
    assert!(
        content && lines.is_empty() == (complaint == "nothing found\n"),
        "{lines}{complaint}"
    );
    lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn id(of: &Value) -> String {
    of["id"].as_str().expect("an id").to_owned()
}

#[test]
fn the_one_who_may_not_have_it_gets_it_from_the_archive() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&setup(&upstream));
    odd_mail(&gatepost, &["bob@example.org", "carl@hold.example"], "both").is(250);
    assert_eq!(upstream.taken().len(), 1);
    let taken = &upstream.taken()[0];
    assert_eq!(taken.to, ["RCPT TO:<bob@example.org>"], "the other one's copy is kept");

    let kept = list(&gatepost, &[]);
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(kept[0]["recipients"], serde_json::json!(["carl@hold.example"]));
    assert_eq!(
        (&kept[0]["reason"], &kept[0]["subject"]),
        (&"held".into(), &"both".into())
    );
    for (more, found) in [
        (vec!["--to", "Carl@HOLD.example"], 1),
        (vec!["--to", "bob@example.org"], 0),
        (vec!["--domain", "hold.example", "--from", "ann@there.example"], 1),
        (vec!["--reason", "refused"], 0),
        (vec!["--since", "1h"], 1),
        (vec!["--before", "1h"], 0),
    ] {
        assert_eq!(list(&gatepost, &more).len(), found, "{more:?}");
    }

    // The number that the client read leads to it, too, and to the record.
    let number = kept[0]["transaction"].as_str().expect("a number");
    assert!(gatepost.tells(&["records", "--id", number]).contains("bob@example.org"));
    let id = id(&kept[0]);
    for either in [id.as_str(), number] {
        let shown = gatepost.tells(&["kept", "show", either, "--why", "a story"]);
        assert_eq!(shown.as_bytes(), mail("both"), "as it came");
    }
    let (_, complaint, content) = gatepost.command(&["kept", "release", &id, "--to", "bob@example.org"]);
    assert!(
        !content && complaint.contains("was not sent to bob@example.org"),
        "{complaint}"
    );
    assert_eq!(
        gatepost.tells(&["kept", "release", &id]),
        "delivered to carl@hold.example\n"
    );
    assert!(
        gatepost
            .tells(&["kept", "release", &id])
            .contains("within the last day")
    );
    let all = upstream.taken();
    assert_eq!(all.len(), 2, "one delivery, however often it is asked for");
    assert!(all[1].from.contains("<ann@there.example>"), "{}", all[1].from);
    assert_eq!(all[1].to, ["RCPT TO:<carl@hold.example> NOTIFY=NEVER"]);
    assert!(all[1].content().ends_with(&mail("both")));
    let audit = gatepost.tells(&["audit"]);
    assert_eq!(
        audit
            .lines()
            .filter(|line| line.contains("deliver the kept mail") && line.ends_with(": done"))
            .count(),
        1,
        "{audit}"
    );

    assert!(
        gatepost
            .tells(&["kept", "label", &id, "spam"])
            .contains("it is called spam")
    );
    assert_eq!(list(&gatepost, &["--label", "spam"])[0]["label"][0], "spam");
    assert!(gatepost.tells(&["kept", "delete", &id]).contains("deleted"));
    assert_eq!(list(&gatepost, &[]), Vec::<Value>::new());
    let found = std::process::Command::new("grep")
        .args(["-rlaF", "carl@hold.example"])
        .arg(gatepost.file("data").join("kept"))
        .output()
        .expect("grep");
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "the files are gone");
}

#[test]
fn what_was_granted_on_the_archives_strength_outlives_a_kill() {
    let upstream = Upstream::start(Script::new());
    let mut gatepost = Gatepost::start(&setup(&upstream));
    for round in 0..3 {
        for n in 0..5 {
            odd_mail(&gatepost, &["carl@hold.example"], &format!("r{round}n{n}")).is(250);
        }
        gatepost.kill();
        gatepost.again();
        let mut subjects: Vec<String> = list(&gatepost, &["--to", "carl@hold.example"])
            .iter()
            .map(|kept| kept["subject"].as_str().expect("a subject").to_owned())
            .collect();
        subjects.sort();
        let all: Vec<String> = (0..=round)
            .flat_map(|round| (0..5).map(move |n| format!("r{round}n{n}")))
            .collect();
        assert_eq!(subjects, all);
    }
    assert!(upstream.taken().is_empty(), "and none was delivered");
    assert!(gatepost.tells(&["store", "check"]).contains("15"));
}

#[test]
fn a_refused_mail_is_kept_and_delivered_only_when_somebody_asks() {
    let upstream = Upstream::start(Script::new());
    let mut gatepost = Gatepost::start(&setup(&upstream));
    odd_mail(&gatepost, &["dora@no.example"], "refused").begins("550 5.7.1");
    let kept = crate::house::eventually("the copy", || {
        Some(list(&gatepost, &["--reason", "refused"])).filter(|kept| kept.len() == 1)
    });
    gatepost.stop();
    gatepost.again();
    assert!(upstream.taken().is_empty(), "nothing of it is delivered by itself");
    gatepost.tells(&["kept", "release", &id(&kept[0])]);
    assert_eq!(upstream.taken().len(), 1);
}

#[test]
fn mail_that_cannot_be_kept_is_not_granted() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&setup(&upstream));
    let folder = gatepost.file("data").join("kept");
    // Where the archive's folder was, there is a file now.
    std::fs::rename(&folder, gatepost.file("aside")).expect("a folder");
    std::fs::write(&folder, "").expect("a file");
    odd_mail(&gatepost, &["bob@example.org", "carl@hold.example"], "nowhere").is(451);
    assert!(upstream.taken().is_empty(), "nobody's copy went out");
    std::fs::remove_file(&folder).expect("a file");
    std::fs::rename(gatepost.file("aside"), &folder).expect("a folder");
    odd_mail(&gatepost, &["bob@example.org", "carl@hold.example"], "again").is(250);
    assert_eq!((upstream.taken().len(), list(&gatepost, &[]).len()), (1, 1));
}
