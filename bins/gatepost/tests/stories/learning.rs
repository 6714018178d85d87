//! The classifiers at work: taught at the command line, killed, and as wise as before; taught otherwise, and made to forget.
//!
//! Mail of our own words. The thresholds are low, since a dozen lessons make nobody sure of one in a thousand.

use serde_json::Value;

use crate::house::{Gatepost, Reply, Script, Setup, Upstream};

const SPAM: [(&str, &str); 8] = [
    (
        "claim your prize money",
        "Claim your prize money, winner. Cheap pills and free money, act now.",
    ),
    (
        "free money for you",
        "Free money for you, winner. Claim the prize, buy cheap pills, act now.",
    ),
    (
        "cheap pills",
        "Cheap pills, a limited offer. Winner, claim your free prize money now.",
    ),
    (
        "act now, winner",
        "Act now, winner: free prize money and cheap pills, a limited offer.",
    ),
    (
        "limited offer",
        "Limited offer of cheap pills. Claim free prize money, winner, act now.",
    ),
    (
        "your prize",
        "Your prize money is free, winner. Act now and claim cheap pills.",
    ),
    (
        "pills",
        "Pills, cheap and free of prescription. A limited offer, winner, claim it.",
    ),
    (
        "money",
        "Money for every winner. Claim it now with cheap pills, a limited offer.",
    ),
];
const HAM: [(&str, &str); 8] = [
    (
        "the meeting",
        "Bob, the minutes of the meeting are attached. See you on Tuesday at the office.",
    ),
    (
        "minutes",
        "Please read the minutes of the office meeting before Tuesday, Bob.",
    ),
    (
        "agenda",
        "The agenda for the meeting on Tuesday: minutes, budget, holidays.",
    ),
    (
        "budget",
        "Bob, the budget for the office is in the minutes. We speak of it on Tuesday.",
    ),
    (
        "holidays",
        "Who has holidays in June? Write it into the minutes before the meeting.",
    ),
    (
        "office key",
        "The key of the office is with Dora. Bob, bring the minutes to the meeting.",
    ),
    (
        "Tuesday",
        "On Tuesday the office is closed until ten, Bob. The meeting is at eleven.",
    ),
    (
        "June",
        "In June the meeting moves to Wednesday. Dora writes the minutes, Bob.",
    ),
];
const WORSE: (&str, &str) = (
    "winner, act now",
    "Winner, claim your free prize money. Cheap pills, a limited offer, act now.",
);

fn mail(from: &str, (subject, text): (&str, &str)) -> Vec<u8> {
    format!(
        "From: <{from}>\r\nTo: bob@example.org\r\nSubject: {subject}\r\nMessage-ID: <{}@there.example>\r\n\
         Date: Mon, 1 Jun 2026 10:00:00 +0000\r\n\r\n{text}\r\n",
        subject.replace(' ', ".")
    )
    .into_bytes()
}

fn setup(upstream: &Upstream) -> Setup {
    Setup::before(upstream.address)
        .set("pipeline.inbound.tiers", "[['conduct'], ['bayes', 'hmm', 'ngram']]")
        .set("filters.conduct.mode", "'monitor'")
        .set("policy.ham_risk", "'1 in 10'")
        .set("policy.low.threshold", "2")
        .set("policy.medium.threshold", "2")
        .set("policy.high.threshold", "2")
}

fn write(gatepost: &Gatepost, kind: &str, from: &str, mails: &[(&str, &str)]) -> Vec<String> {
    let write = |(n, it): (usize, &(&str, &str))| {
        let name = format!("{kind}-{n}.eml");
        std::fs::write(gatepost.file(&name), mail(from, *it)).expect("a file");
        name
    };
    mails.iter().enumerate().map(write).collect()
}

/// Teaches all of it, in turn.
fn teach(gatepost: &Gatepost) {
    let (spam, ham) = (
        write(gatepost, "spam", "win@b.example", &SPAM),
        write(gatepost, "ham", "dora@c.example", &HAM),
    );
    for (spam, ham) in spam.iter().zip(&ham) {
        for (verb, file) in [("spam", spam), ("ham", ham)] {
            let told = gatepost.tells(&[verb, file]);
            assert!(told.contains("it is learned, as sample"), "{told}");
        }
    }
}

fn send(gatepost: &Gatepost) -> Reply {
    let mut client = gatepost.client();
    let reply = client.mail("win@b.example", &["bob@example.org"], &mail("win@b.example", WORSE));
    client.quit();
    reply
}

/// What the classifiers say of the worse mail, as the running daemon explains it.
fn explained(gatepost: &Gatepost) -> Value {
    std::fs::write(gatepost.file("worse.eml"), mail("win@b.example", WORSE)).expect("a file");
    serde_json::from_str(&gatepost.tells(&["explain", "worse.eml", "--json"])).expect("JSON")
}

#[test]
fn what_is_taught_is_known_after_a_kill_and_forgotten_when_told() {
    let upstream = Upstream::start(Script::new());
    let mut gatepost = Gatepost::start(&setup(&upstream));
    gatepost.logs(&["the classifiers know too little yet", "1 in 10"]);
    send(&gatepost).is(250);
    let first = gatepost.record("the first mail", |record| record["size"].as_u64() > Some(0));
    assert!(first["recipients"][0].get("fused").is_none(), "{first}");

    teach(&gatepost);
    let before = explained(&gatepost);
    send(&gatepost).begins("550");
    let refused = gatepost.record("the one that is refused", |record| {
        record["recipients"][0]["fate"] == "refuse"
    });
    assert_eq!(refused["recipients"][0]["fused"], before["fused"], "{refused}");
    let tags: Vec<_> = refused["findings"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["tag"].clone())
        .collect();
    for tag in ["bayes.odds", "hmm.odds", "ngram.odds"] {
        assert!(tags.contains(&tag.into()), "{tags:?}");
    }

    gatepost.kill();
    gatepost.again();
    assert_eq!(explained(&gatepost)["fused"], before["fused"], "bit for bit");
    send(&gatepost).begins("550");

    // The same without a daemon, and told in words.
    gatepost.stop();
    let told = gatepost.tells(&["explain", "worse.eml"]);
    for words in [
        "The classifiers are",
        "that it is spam",
        "What would change it:",
        "\nbayes: +",
        "for spam:",
        "prize",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let (out, complaint, content) = gatepost.command(&["unlearn", "--by", "nobody at all"]);
    assert!(
        content && out.contains("nothing was learned from that"),
        "{out}{complaint}"
    );
    gatepost.again();

    let told = gatepost.tells(&["unlearn", "--since", "1h", "--dry-run"]);
    assert_eq!(told.trim(), "16 samples would be forgotten");
    let (out, complaint, content) = gatepost.command(&["unlearn", "--since", "1h"]);
    assert!(!content && complaint.contains("say --yes"), "{out}{complaint}");
    let told = gatepost.tells(&["unlearn", "--since", "1h", "--yes"]);
    assert!(told.contains("16 samples are forgotten"), "{told}");
    assert_eq!(explained(&gatepost)["fused"], Value::Null);
    send(&gatepost).is(250);
}

#[test]
fn a_refused_mail_that_is_wanted_is_explained_and_corrected() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&setup(&upstream));
    teach(&gatepost);
    send(&gatepost).begins("550");
    let kept = gatepost.tells(&["kept", "list", "--json"]);
    let kept: Value = serde_json::from_str(kept.lines().next().expect("a line")).expect("JSON");
    let id = kept["id"].as_str().expect("an id");
    let told = gatepost.tells(&["explain", id]);
    for words in [
        "When it came:",
        "bayes.odds",
        "refuse, level high",
        "for bob@example.org all filters together gave",
        "for mail to example.org",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(gatepost.tells(&["spam", id]).contains("it is called spam"));
    let corrected = gatepost.tells(&["ham", id]);
    assert!(
        corrected.contains("it is called wanted mail") && corrected.contains("learned"),
        "{corrected}"
    );
    let after = explained(&gatepost);
    let odds = |of: &Value| of["fused"]["odds"].as_f64().expect("log-odds");
    assert!(odds(&after) < 2.0, "{after}");
    let audit = gatepost.tells(&["audit"]);
    for words in ["call the kept mail", "explain the kept mail", "call a mail of"] {
        assert!(audit.contains(words), "{words}: {audit}");
    }
}

#[test]
fn the_models_go_back_and_are_made_anew() {
    let upstream = Upstream::start(Script::new());
    let mut gatepost = Gatepost::start(&setup(&upstream));
    let (out, complaint, content) = gatepost.command(&["model", "list"]);
    assert!(
        content && complaint.contains("confirmed wanted mails could vouch"),
        "{out}{complaint}"
    );
    teach(&gatepost);
    // What was learned is written down at the end of the process.
    gatepost.stop();
    gatepost.again();
    let wise = explained(&gatepost);
    let versions = |gatepost: &Gatepost| -> Vec<Value> {
        let (out, _, content) = gatepost.command(&["model", "list", "--json"]);
        assert!(content, "{out}");
        out.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    };
    let listed = versions(&gatepost);
    assert_eq!(
        (&listed[0]["ham"], &listed[0]["spam"]),
        (&8.into(), &8.into()),
        "{listed:?}"
    );
    assert_eq!(
        gatepost.tells(&["spam", "worse.eml"]).lines().count(),
        2,
        "that it is learned, and how it is taken back"
    );
    assert_ne!(explained(&gatepost)["fused"], wise["fused"]);
    let number = listed[0]["number"].to_string();
    gatepost.tells(&["model", "rollback", &number]);
    assert_eq!(
        explained(&gatepost)["fused"],
        wise["fused"],
        "as if it had not been taught"
    );
    let (out, complaint, content) = gatepost.command(&["model", "rollback", "4711"]);
    assert!(!content && !complaint.is_empty(), "{out}");
    let rebuilt = gatepost.tells(&["model", "rebuild"]);
    // Of eight mails a fifth is held out, by a hash with a key of the house: in one house of six none.
    let tried = [
        "wanted mails that it had not learned",
        "not tried: no confirmed wanted mail",
    ];
    assert!(tried.iter().any(|words| rebuilt.contains(words)), "{rebuilt}");
    assert!(gatepost.metric("gatepost_ham_confirmed") > 0.0);
    assert!(gatepost.metric("gatepost_ham_risk_unvouched") > 0.0);
}

#[test]
fn a_reload_keeps_what_is_learned_and_brings_a_new_risk() {
    let upstream = Upstream::start(Script::new());
    let mut gatepost = Gatepost::start(&setup(&upstream));
    teach(&gatepost);
    let before = explained(&gatepost);
    let fewer = setup(&upstream)
        .set("policy.ham_risk", "0.001")
        .set("pipeline.inbound.tiers", "[['bayes', 'hmm']]");
    assert!(gatepost.reload(&fewer));
    let after = explained(&gatepost);
    assert_eq!(after["risk"], "1 in 1000");
    assert!(after["fused"]["threshold"].as_f64() > before["fused"]["threshold"].as_f64());
    assert_eq!(after["witnesses"].as_array().map(Vec::len), Some(2));
    assert_eq!(after["witnesses"][0]["odds"], before["witnesses"][0]["odds"]);
    assert!(!gatepost.reload(&setup(&upstream).set("policy.ham_risk", "'1 in 2'")));
    gatepost.logs(&["policy.ham_risk", "1 in 10 to 1 in 1000000"]);
}
