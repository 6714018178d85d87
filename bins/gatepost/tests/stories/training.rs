//! Collections taught by `gatepost train`: with a daemon and without one, interrupted and gone on with.

use std::process::{Child, Command, Stdio};

use crate::house::{Gatepost, Script, Setup, Upstream, eventually};

/// Enough that a run can be interrupted in its midst.
const MANY: usize = 1_500;

fn setup(upstream: &Upstream) -> Setup {
    Setup::before(upstream.address).set("pipeline.inbound.tiers", "[['bayes', 'ngram']]")
}

fn mbox(name: &str, mails: std::ops::Range<usize>) -> String {
    let one = |n: usize| {
        format!(
            "From a@b.example Thu Aug 22 13:17:22 2002\nFrom: {name}{n}@b.example\nSubject: {name} {n}\n\n\
             This is the {name} number {n}, unlike the {name}s {} and {}.\n\n",
            n * 7,
            n * n
        )
    };
    mails.map(one).collect()
}

/// What the closing table says of something.
fn told(table: &str, what: &str) -> u64 {
    let line = table
        .lines()
        .find_map(|line| line.strip_prefix(what)?.trim().parse().ok());
    line.unwrap_or_else(|| panic!("no line `{what}` with a number in:\n{table}"))
}

fn corpus(gatepost: &Gatepost) {
    for (folder, name) in [("spam", "offer"), ("notspam", "letter")] {
        let folder = gatepost.file("corpus").join(folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("box"), mbox(name, 0..20)).expect("a file");
    }
    std::fs::write(gatepost.file("corpus").join("spam/\u{1b}readme"), "no mail\n").expect("a file");
}

#[test]
fn a_collection_is_learned_once_by_whoever_has_the_store_and_taken_back_by_its_name() {
    let upstream = Upstream::start(Script::new());
    let mut gatepost = Gatepost::start(&setup(&upstream));
    corpus(&gatepost);
    let train = |gatepost: &Gatepost, more: &[&str]| {
        let (table, complaint, content) = gatepost.command(&[&["train", "corpus", "--by", "old box"], more].concat());
        assert!(content, "{table}{complaint}");
        assert!(complaint.contains("\\u001breadme: it is neither a mail"), "{complaint}");
        table
    };
    let dry = train(&gatepost, &["--dry-run"]);
    assert_eq!((told(&dry, "mails of ham"), told(&dry, "mails of spam")), (20, 20));
    assert_eq!(told(&dry, "skipped, no mail that can be read"), 1);
    let first = train(&gatepost, &[]);
    assert_eq!(
        (told(&first, "learned"), told(&first, "learned before")),
        (40, 0),
        "{first}"
    );
    assert!(first.contains("gatepost unlearn --by 'old box'"), "{first}");
    let second = train(&gatepost, &[]);
    assert_eq!(
        (told(&second, "learned"), told(&second, "learned before")),
        (0, 40),
        "{second}"
    );
    let audit = gatepost.tells(&["audit"]);
    assert!(
        audit.contains("learn 20 of spam and 20 of ham from a collection, by old box"),
        "{audit}"
    );
    assert!(
        gatepost
            .tells(&["unlearn", "--by", "old box", "--yes"])
            .contains("40 samples are forgotten")
    );

    gatepost.stop();
    let alone = train(&gatepost, &["--weight", "50"]);
    assert_eq!(
        (told(&alone, "learned"), told(&alone, "learned before")),
        (40, 0),
        "{alone}"
    );
    gatepost.again();
    let after = train(&gatepost, &[]);
    assert_eq!(
        told(&after, "learned before"),
        40,
        "the daemon knows what was learned without it: {after}"
    );
}

#[test]
fn a_path_that_does_not_say_what_it_is_is_refused_before_anything_is_opened() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&setup(&upstream));
    corpus(&gatepost);
    for (arguments, why) in [
        (&["train", "."][..], "is it --spam or --ham?"),
        (&["train", "nowhere", "--spam"], "no such file or folder"),
        (&["train", "corpus/spam", "--ham"], "what --spam would say"),
        (
            &["train", "corpus/spam", "--domain", "no domain"],
            "`no domain` is no domain",
        ),
        (&["train", "gatepost.toml", "--spam"], "no mail was found"),
    ] {
        let (table, complaint, content) = gatepost.command(arguments);
        assert!(!content && complaint.contains(why), "{arguments:?}: {table}{complaint}");
    }
}

/// A run in the background.
fn begin(gatepost: &Gatepost) -> Child {
    Command::new(env!("CARGO_BIN_EXE_gatepost"))
        .arg("--config")
        .arg(gatepost.file("gatepost.toml"))
        .args(["train", "many", "--spam"])
        .env_remove("GATEPOST_CONFIG")
        .current_dir(gatepost.file(""))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts")
}

#[test]
fn a_run_that_was_interrupted_or_killed_goes_on_where_it_was() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&setup(&upstream));
    std::fs::write(gatepost.file("many"), mbox("offer", 0..MANY)).expect("a file");
    let batches = || {
        gatepost
            .tells(&["audit"])
            .lines()
            .filter(|line| line.contains("from a collection"))
            .count()
    };

    let child = begin(&gatepost);
    eventually("a batch that is learned", || (batches() > 0).then_some(()));
    let asked = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    let output = child.wait_with_output().expect("a child");
    // It may have been at its end already: then nobody heard.
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    let interrupted = told(&table, "learned");
    let whole = interrupted == MANY as u64;
    assert!(
        asked.is_ok() && (whole || complaint.contains("interrupted; run the same again")),
        "{complaint}"
    );

    let before = batches();
    let mut child = begin(&gatepost);
    eventually("another batch", || (batches() > before).then_some(()));
    child.kill().expect("a child");
    child.wait().expect("a child");

    let (table, complaint, content) = gatepost.command(&["train", "many", "--spam"]);
    assert!(content, "{table}{complaint}");
    let (learned, known) = (told(&table, "learned"), told(&table, "learned before"));
    assert_eq!(learned + known, MANY as u64, "{table}");
    assert!(known >= interrupted, "{table}");
    let taken_back = gatepost.tells(&["unlearn", "--by", "train", "--yes"]);
    assert!(
        taken_back.contains(&format!("{MANY} samples are forgotten")),
        "each was learned once: {taken_back}"
    );
}

#[test]
fn a_folder_of_letters_and_then_one_of_offers_leave_the_letters_wanted() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&setup(&upstream));
    for (name, mails, class) in [("letter", 0..200, "--ham"), ("offer", 0..200, "--spam")] {
        std::fs::write(gatepost.file(name), mbox(name, mails)).expect("a file");
        let (table, complaint, content) = gatepost.command(&["train", name, class]);
        assert!(content && complaint.is_empty(), "{table}{complaint}");
        assert_eq!(told(&table, "learned"), 200, "{table}");
    }
    for (name, what) in [("letter", "it is wanted"), ("offer", "it is spam")] {
        let mail = mbox(name, 300..301);
        let mail = mail.split_once('\n').expect("a line that begins a mail").1;
        std::fs::write(gatepost.file("one.eml"), mail).expect("a file");
        let why = gatepost.tells(&["explain", "one.eml"]);
        assert!(why.contains(what), "{why}");
    }
}
