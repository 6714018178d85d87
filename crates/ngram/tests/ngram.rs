//! The laws of a filter, the laws of its model, and the example of the configuration.

use gatepost_core::kept::Label;
use gatepost_core::{Domain, Features, Learner, Message, Sample, Seed, Time};
use gatepost_ngram::{Config, Model, Ngram};
use gatepost_testkit::{config, laws};
use proptest::prelude::*;

#[test]
fn ngram_keeps_the_laws() {
    laws::filter::run::<Ngram>();
}

#[test]
fn the_example_shows_every_option_with_its_default() {
    let text = include_str!("../../../fixtures/config/ngram.toml");
    let read = config::example::<Ngram>(text);
    assert_eq!(format!("{read:?}"), format!("{:?}", Config::default()));
}

fn model() -> Model {
    Model::new(Seed::new([7; 16]))
}

fn mail(subject: &str, text: &str) -> Message {
    Message::from_bytes(format!("From: ann@a.example\r\nSubject: {subject}\r\n\r\n{text}\r\n").into_bytes())
}

/// One lesson: which of a few mails, its label, whose it was, its weight.
#[derive(Clone, Debug)]
struct Taught {
    mail: usize,
    spam: bool,
    domain: Option<&'static str>,
    weight: u32,
}

const MAILS: [(&str, &str); 6] = [
    ("Minutes", "Minutes of the meeting on Monday, please comment."),
    ("Re: Minutes", "I was not there. Who took the minutes?"),
    ("Cheap pills", "Order miracle pills today, no prescription."),
    ("You won", "Claim your prize today, no purchase needed!"),
    ("", ""),
    ("Lunch", "Lunch at noon? Who orders pills... I mean pizza."),
];

fn lessons() -> impl Strategy<Value = Vec<Taught>> {
    let domains = prop_oneof![Just(None), Just(Some("a.example")), Just(Some("b.example"))];
    let one = (0..MAILS.len(), any::<bool>(), domains, 0u32..900).prop_map(|(mail, spam, domain, weight)| Taught {
        mail,
        spam,
        domain,
        weight,
    });
    proptest::collection::vec(one, 0..60)
}

fn label(spam: bool) -> Label {
    if spam { Label::Spam } else { Label::Ham }
}

/// Teaches, with places in the log and times that begin where they are told.
fn teach(model: &Model, lessons: &[Taught], from: u64) {
    for (at, lesson) in (from..).zip(lessons) {
        let (subject, text) = MAILS[lesson.mail];
        let domain = lesson.domain.map(str::to_owned);
        let mut sample = Sample::new(at * 3, Time::from_millis(at * 1_000), label(lesson.spam), domain);
        sample.weight = lesson.weight;
        model.learn(&model.features(&mail(subject, text)), &sample);
    }
}

fn scores(model: &Model) -> Vec<u32> {
    let domain = Domain::parse("A.example", false).expect("a domain");
    let each = MAILS.iter().flat_map(|(subject, text)| {
        let features = model.features(&mail(subject, text));
        [model.score(&features, None), model.score(&features, Some(&domain))]
    });
    each.map(|odds| odds.value.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_same_lessons_give_the_same_bits_wherever_they_stand_in_the_log(lessons in lessons(), from in 0u64..1_000_000) {
        let (one, other) = (model(), model());
        teach(&one, &lessons, 0);
        teach(&other, &lessons, from);
        prop_assert_eq!(one.save(), other.save());
    }

    #[test]
    fn a_saved_model_comes_back_and_learns_on_as_if_nothing_had_happened(before in lessons(), behind in lessons()) {
        let one = model();
        teach(&one, &before, 0);
        // Of another installation: the key travels with the model.
        let other = Model::new(Seed::new([9; 16]));
        other.load(&one.save()).expect("what was saved");
        prop_assert_eq!(scores(&one), scores(&other));
        teach(&one, &behind, 500);
        teach(&other, &behind, 500);
        prop_assert_eq!(one.save(), other.save());
    }

    #[test]
    fn what_is_left_out_of_the_log_was_never_learned(lessons in lessons(), gone in 0usize..60) {
        let mut log = lessons;
        let (never, forgotten) = (model(), model());
        log.truncate(gone.max(1) + 20);
        let kept: Vec<Taught> = log.iter().enumerate().filter(|(at, _)| *at != gone).map(|(_, one)| one.clone()).collect();
        teach(&never, &kept, 0);
        // The same, with the gap that the forgotten one leaves.
        let (head, tail) = kept.split_at(gone.min(kept.len()));
        teach(&forgotten, head, 0);
        teach(&forgotten, tail, head.len() as u64 + 1);
        prop_assert_eq!(never.save(), forgotten.save());
    }

    #[test]
    fn the_same_mail_learned_again_is_never_less_of_what_it_was_learned_as(
        lessons in lessons(), which in 0..MAILS.len(), spam in any::<bool>(), weight in 1u32..900,
    ) {
        let model = model();
        teach(&model, &lessons, 0);
        let (subject, text) = MAILS[which];
        let features = model.features(&mail(subject, text));
        let before = model.score(&features, None).value;
        teach(&model, &[Taught { mail: which, spam, domain: None, weight }], 99);
        let after = model.score(&features, None).value;
        prop_assert!(if spam { after >= before } else { after <= before }, "{before} {after}");
    }

    #[test]
    fn scores_are_finite_and_bounded_whatever_the_features(
        hashes in proptest::collection::vec(any::<u64>(), 0..200), extractor in 0u32..4, small in any::<bool>(),
        spam in any::<bool>(), rounds in 1usize..50, weight in any::<u32>(),
    ) {
        let mut features = Features { extractor, hashes };
        if small {
            features.hashes.iter_mut().for_each(|hash| *hash %= 1 << 22);
            features.hashes.sort_unstable();
            features.hashes.dedup();
        }
        let model = model();
        for n in 0..rounds as u64 {
            let mut sample = Sample::new(n, Time::from_millis(0), label(spam), Some("a.example".into()));
            sample.weight = weight;
            model.learn(&features, &sample);
            let odds = model.score(&features, None);
            prop_assert!(odds.value.abs() <= 20.0, "{odds:?}");
        }
    }
}

#[test]
fn a_damaged_model_is_refused_and_leaves_the_model_as_it_was() {
    let whole = model();
    let lessons: Vec<Taught> = (0..8)
        .map(|n| Taught {
            mail: n % 6,
            spam: n % 2 == 0,
            domain: Some("a.example"),
            weight: 100,
        })
        .collect();
    teach(&whole, &lessons, 0);
    let saved = whole.save();
    let fresh = model();
    let empty = fresh.save();
    for at in (0..saved.len()).step_by(saved.len() / 97) {
        let mut damaged = saved.clone();
        damaged[at] ^= 0x40;
        assert!(fresh.load(&damaged).is_err(), "{at}");
        assert!(fresh.load(&saved[..at]).is_err(), "{at}");
    }
    assert!(fresh.load(b"").is_err());
    assert_eq!(fresh.save(), empty);
    fresh.load(&saved).expect("what was saved");
    assert!(
        fresh
            .load(&saved)
            .expect_err("one that learned")
            .0
            .contains("nothing yet")
    );
}

#[test]
fn features_of_another_extractor_are_neither_scored_nor_learned() {
    let model = model();
    let good = model.features(&mail("Cheap pills", "Order miracle pills today"));
    let sample = Sample::new(1, Time::from_millis(0), Label::Spam, None);
    model.learn(&good, &sample);
    let before = model.save();
    let other = Features {
        extractor: good.extractor + 1,
        ..good.clone()
    };
    let mut unsorted = good.clone();
    unsorted.hashes.reverse();
    let far = Features {
        hashes: vec![u64::MAX],
        ..good.clone()
    };
    for bad in [other, unsorted, far] {
        assert_eq!(model.score(&bad, None).support, 0);
        model.learn(&bad, &sample);
    }
    assert_eq!(model.save(), before);
    assert!(model.score(&good, None).support > 0);
}

#[test]
fn a_correction_moves_more_than_a_trap_and_nothing_moves_nothing() {
    let moved = |weight| {
        let model = model();
        teach(
            &model,
            &[Taught {
                mail: 2,
                spam: true,
                domain: None,
                weight,
            }],
            0,
        );
        model.score(&model.features(&mail(MAILS[2].0, MAILS[2].1)), None).value
    };
    assert_eq!(moved(0), 0.0);
    assert!(0.0 < moved(30) && moved(30) < moved(100) && moved(100) < moved(300));
}

#[test]
fn one_lesson_moves_a_mail_of_nothing_but_new_sequences_by_a_bounded_amount() {
    let (model, text): (Model, String) = (model(), (0..600).map(|n| format!("{} ", n * 7_919)).collect());
    let features = model.features(&mail("Numbers", &text));
    model.learn(&features, &Sample::new(1, Time::from_millis(1), Label::Ham, None));
    // At first one label in a hundred is doubted: 20 / (1 + 100 * 0.01) = 10 for the text, and the short head adds some 2.
    let said = model.score(&features, None).value;
    assert!((-0.7 * 13.0..-0.7 * 10.0).contains(&said), "{said}");
}

#[test]
fn a_domain_that_taught_both_classes_has_a_mind_of_its_own() {
    let model = model();
    // What most call spam, one domain wants.
    let lessons: Vec<Taught> = (0..400)
        .map(|n| match n % 4 {
            0 => Taught {
                mail: 2,
                spam: false,
                domain: Some("a.example"),
                weight: 100,
            },
            1 => Taught {
                mail: 3,
                spam: true,
                domain: Some("a.example"),
                weight: 100,
            },
            2 => Taught {
                mail: 2,
                spam: true,
                domain: Some("b.example"),
                weight: 100,
            },
            _ => Taught {
                mail: 0,
                spam: false,
                domain: Some("b.example"),
                weight: 100,
            },
        })
        .collect();
    teach(&model, &lessons, 0);
    let features = model.features(&mail(MAILS[2].0, MAILS[2].1));
    let to = |name| model.score(&features, Domain::parse(name, false).ok().as_ref()).value;
    assert!(
        to("a.example") + 1.0 < to("b.example"),
        "{} {}",
        to("a.example"),
        to("b.example")
    );
    assert_eq!(to("c.example"), model.score(&features, None).value);
}
