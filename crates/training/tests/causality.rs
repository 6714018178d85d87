//! Of a mail that is scored nothing is known but its octets, and of the future nothing at all.

mod post;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use gatepost_core::kept::Label;
use gatepost_core::{BadModel, Clue, Domain, Features, Learner, LogOdds, Message, Sample};
use gatepost_testkit::letters::Letters;
use gatepost_training::evaluate::index::Turn;
use gatepost_training::evaluate::run::Row;
use gatepost_training::evaluate::{Feedback, Plan, roc, scores};
use gatepost_training::{Fit, Jig, Trainer};
use post::{Corpus, report, trainer};

fn letters(n: usize) -> Corpus {
    Corpus::of(Letters::new(1).take(n))
}

fn delayed(n: usize) -> Plan {
    Plan {
        feedback: Feedback::After(n),
        ..Plan::default()
    }
}

/// What was said, without the name of the file and the truth.
fn said(rows: &[Row]) -> Vec<(Vec<u32>, u32, bool)> {
    rows.iter()
        .map(|row| {
            (
                row.odds.iter().map(|odds| odds.to_bits()).collect(),
                row.fused.to_bits(),
                row.spam,
            )
        })
        .collect()
}

#[test]
fn an_index_that_is_cut_gives_the_same_first_rows() {
    let whole = letters(240);
    let mut cut = whole.clone();
    cut.index.entries.truncate(100);
    let kinds = [
        Feedback::Immediate,
        Feedback::Batches(20),
        Feedback::After(15),
        Feedback::Partial(0.5),
    ];
    for feedback in kinds {
        let plan = Plan {
            feedback,
            noise: 0.1,
            ..Plan::default()
        };
        assert_eq!(whole.run(&plan).rows[..100], cut.run(&plan).rows, "{feedback:?}");
    }
}

#[test]
fn the_names_of_files_change_nothing() {
    let corpus = letters(120);
    let mut renamed = Corpus::default();
    for entry in &corpus.index.entries {
        // A name that tells a lie.
        let lie = if entry.label == Label::Spam { "ham" } else { "spam" };
        let file = format!("{lie}/{}-{lie}", entry.file);
        renamed.files.insert(file.clone(), corpus.files[&entry.file].clone());
        renamed
            .index
            .entries
            .push(gatepost_training::evaluate::index::Entry { file, ..entry.clone() });
    }
    let plan = Plan::default();
    assert_eq!(said(&corpus.run(&plan).rows), said(&renamed.run(&plan).rows));
}

#[test]
fn a_label_changes_nothing_before_it_is_told() {
    let corpus = letters(80);
    let before = said(&corpus.run(&Plan::default()).rows);
    for n in [0, 40, 79] {
        let mut other = corpus.clone();
        let label = &mut other.index.entries[n].label;
        *label = if *label == Label::Spam { Label::Ham } else { Label::Spam };
        assert_eq!(said(&other.run(&Plan::default()).rows)[..=n], before[..=n], "{n}");
    }
    // And afterwards it does: the test above is no empty one.
    let mut other = corpus.clone();
    other.index.entries[40].label = match other.index.entries[40].label {
        Label::Spam => Label::Ham,
        Label::Ham => Label::Spam,
    };
    assert_ne!(said(&other.run(&Plan::default()).rows)[41..], before[41..]);
}

#[test]
fn shuffled_labels_teach_nothing() {
    let plan = Plan {
        shuffled: true,
        ..Plan::default()
    };
    let run = letters(700).run(&plan);
    for column in report(&run, &plan).columns {
        let area = column.area.unwrap();
        assert!((42.0..58.0).contains(&area), "{}: {area}", column.name);
    }
    let true_area = post::fused_area(&letters(700).run(&Plan::default()));
    assert!(true_area < 25.0, "{true_area}");
}

#[test]
fn until_a_label_is_told_nothing_was_learned() {
    let run = letters(60).run(&delayed(20));
    assert_eq!(run.learned, 40);
    assert!(
        run.rows[..20]
            .iter()
            .all(|row| row.odds == run.rows[0].odds && !row.spam)
    );
    assert!(run.rows[21..].iter().any(|row| row.odds != run.rows[0].odds));
}

#[test]
fn an_index_that_says_when_labels_are_told_is_followed() {
    let corpus = letters(60);
    let mut told = corpus.clone();
    told.index.entries.clear();
    for (n, entry) in corpus.index.entries.iter().enumerate() {
        // Here each label comes before the next mail is scored, there after it: 14 mails later.
        let scored = gatepost_training::evaluate::index::Entry {
            turn: Turn::Score,
            ..entry.clone()
        };
        told.index.entries.push(scored);
        if n >= 14 {
            let mut learned = corpus.index.entries[n - 14].clone();
            learned.turn = Turn::Learn;
            told.index.entries.push(learned);
        }
    }
    let (there, here) = (told.run(&Plan::default()), corpus.run(&delayed(14)));
    assert_eq!(there.rows, here.rows);
    assert_eq!((there.learned, here.learned), (46, 46));
}

/// A learner that writes down what it is asked.
#[derive(Default)]
struct Spy {
    seen: Mutex<Vec<String>>,
}

impl Spy {
    fn note(&self, what: String) {
        self.seen.lock().unwrap().push(what);
    }
}

impl Learner for Spy {
    fn features(&self, message: &Message) -> Features {
        let mut octets = Vec::new();
        std::io::Read::read_to_end(&mut message.read(), &mut octets).unwrap();
        let hash = octets
            .iter()
            .fold(7u64, |hash, octet| hash.wrapping_mul(31) ^ u64::from(*octet));
        assert!(
            octets.windows(2).all(|two| two[1] != b'\n' || two[0] == b'\r'),
            "the line ends of the wire"
        );
        assert!(
            !octets
                .windows(14)
                .any(|some| some.eq_ignore_ascii_case(b"x-spam-status:")),
            "a verdict"
        );
        self.note(format!("features {hash:x}"));
        Features {
            extractor: 1,
            hashes: vec![hash],
        }
    }
    fn score(&self, features: &Features, domain: Option<&Domain>) -> LogOdds {
        assert_eq!(domain, None);
        self.note(format!("score {:x}", features.hashes[0]));
        LogOdds::default()
    }
    fn learn(&self, features: &Features, sample: &Sample) {
        self.note(format!("learn {:x} {:?}", features.hashes[0], sample.label));
    }
    fn explain(&self, _: &Message, _: Option<&Domain>) -> Vec<Clue> {
        Vec::new()
    }
    fn save(&self) -> Vec<u8> {
        Vec::new()
    }
    fn load(&self, _: &[u8]) -> Result<(), BadModel> {
        Ok(())
    }
}

#[test]
fn a_member_sees_octets_then_scores_and_only_then_is_told_the_label() {
    let mut corpus = Corpus::default();
    for (n, letter) in Letters::new(3).take(12).into_iter().enumerate() {
        let mail = String::from_utf8(letter.octets).unwrap().replace("\r\n", "\n");
        let label = if letter.spam { Label::Spam } else { Label::Ham };
        corpus.add(
            label,
            format!("From x {n}\nX-Spam-Status: {label:?}\nStatus: RO\n{mail}").into_bytes(),
        );
    }
    let spy = Arc::new(Spy::default());
    let member: Arc<dyn Learner> = Arc::<Spy>::clone(&spy);
    corpus.run_with(
        &mut Trainer::new(vec![("spy", member)], Fit::default()),
        &Plan::default(),
    );
    let seen = spy.seen.lock().unwrap();
    let mut order: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in seen.iter() {
        let mut words = line.split(' ');
        let (what, whose) = (words.next().unwrap(), words.next().unwrap());
        order.entry(whose.into()).or_default().push(what.into());
    }
    assert_eq!(order.len(), 12);
    for what in order.values() {
        assert_eq!(what[..2], ["features", "score"]);
        assert_eq!(what.iter().position(|what| what == "learn"), Some(what.len() - 1));
    }
}

#[test]
fn the_figures_follow_from_the_table_of_scores() {
    let run = letters(300).run(&Plan::default());
    let report = report(&run, &Plan::default());
    let table = scores::table(&run);
    let mut lines = table.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    assert_eq!(
        lines.next().unwrap(),
        ["file", "label", "bayes", "hmm", "ngram", "fused", "verdict"]
    );
    let rows: Vec<Vec<&str>> = lines.collect();
    assert_eq!(rows.len(), 300);
    for (at, column) in report.columns.iter().enumerate() {
        let points = rows.iter().map(|row| (row[2 + at].parse().unwrap(), row[1] == "spam"));
        let ranked = roc::Ranked::of(points);
        assert_eq!(ranked.area(), column.area);
        assert_eq!([0.001, 0.005, 0.01].map(|share| ranked.missed(share)), column.missed);
    }
    let errors = roc::Errors::of(rows.iter().map(|row| (row[6] == "spam", row[1] == "spam")));
    let fused = report.fused().unwrap().errors;
    assert_eq!(
        (errors.ham_called_spam, errors.spam_called_ham),
        (fused.ham_called_spam, fused.spam_called_ham)
    );
}

#[test]
fn the_jig_says_what_an_evaluation_says() {
    let corpus = letters(60);
    let run = corpus.run(&Plan::default());
    let make = || Ok(trainer());
    let read = |file: &str| {
        corpus
            .files
            .get(file)
            .cloned()
            .ok_or_else(|| format!("{file}: is not there"))
    };
    let mut jig = Jig::new(&make, &read);
    assert!(
        jig.answer("classify 00000.eml")
            .starts_with("error expected `initialize`")
    );
    // Twice: what was learned is forgotten by `initialize`.
    for _ in 0..2 {
        assert_eq!(jig.answer("initialize"), "ok");
        for (row, entry) in run.rows.iter().zip(&corpus.index.entries) {
            let class = if row.spam { "spam" } else { "ham" };
            let expected = format!("class={class} score={} tfile=", row.fused);
            assert_eq!(jig.answer(&format!("classify {}", entry.file)), expected);
            assert_eq!(jig.answer("classify nothing"), "error nothing: is not there");
            let judgement = if entry.label == Label::Spam { "spam" } else { "ham" };
            assert_eq!(
                jig.answer(&format!("train {judgement} {} {class} aux user", entry.file)),
                "ok"
            );
        }
    }
    assert_eq!(jig.answer("finalize"), "ok");
    assert!(jig.answer("train ham 00000.eml").starts_with("error "));
}

#[test]
fn a_file_that_cannot_be_read_is_left_out_and_told_of_and_the_run_goes_on() {
    let mut corpus = letters(60);
    for gone in ["00007.eml", "00021.eml"] {
        corpus.files.remove(gone);
    }
    for plan in [Plan::default(), delayed(5)] {
        let run = corpus.run(&plan);
        assert_eq!(run.rows.len(), 58);
        assert!(run.unread.keys().eq(["00007.eml", "00021.eml"]));
        assert!(run.rows.iter().all(|row| row.file != "00007.eml"));
        let report = report(&run, &plan);
        assert_eq!((report.ham + report.spam, report.unread), (58, 2));
    }
}

#[test]
fn what_a_member_would_say_alone_does_not_hang_on_the_others() {
    let corpus = letters(300);
    let all = corpus.run(&Plan::default());
    let registry = gatepost_core::registry().unwrap();
    for (at, name) in all.members.iter().enumerate() {
        let mut trainer = gatepost_training::evaluate::trainer(&registry, &[(*name).to_owned()]).unwrap();
        let one = corpus.run_with(&mut trainer, &Plan::default());
        let alone: Vec<bool> = all.rows.iter().map(|row| row.alone[at]).collect();
        let said: Vec<bool> = one.rows.iter().map(|row| row.spam).collect();
        assert_eq!(alone, said, "{name}");
    }
}

#[test]
fn as_many_labels_are_wrong_as_asked_and_they_are_told_wrong() {
    let corpus = letters(200);
    let plan = Plan {
        noise: 1.0,
        ..Plan::default()
    };
    let run = corpus.run(&plan);
    assert_eq!((run.learned, run.wrong), (200, 200));
    // Whoever is told the opposite each time says the opposite.
    let area = post::fused_area(&run);
    assert!(area > 60.0, "{area}");
}
