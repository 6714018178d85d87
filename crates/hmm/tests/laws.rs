//! What holds for the model, whatever it learned.

use std::collections::BTreeMap;

use gatepost_core::kept::Label;
use gatepost_core::{Domain, Features, Learner, Message, Sample, Seed, Time};
use gatepost_hmm::{Hmm, Model};
use gatepost_testkit::laws;
use proptest::prelude::*;

const WORDS: [&str; 12] = [
    "buy",
    "cheap",
    "pills",
    "meeting",
    "tomorrow",
    "the",
    "report",
    "is",
    "attached",
    "now",
    "free",
    "лекция",
];

#[test]
fn hmm_keeps_the_laws_of_filters() {
    laws::filter::run::<Hmm>();
}

fn model() -> Model {
    Model::new(Seed::new([7; 16]))
}

fn mail(subject: &str, text: &str) -> Message {
    let head = "From: a@b.example\r\nContent-Type: text/plain; charset=utf-8\r\n";
    Message::from_bytes(format!("{head}Subject: {subject}\r\n\r\n{text}\r\n").into_bytes())
}

fn sample(sequence: u64, label: Label) -> Sample {
    Sample::new(sequence, Time::from_millis(sequence), label, None)
}

fn teach(model: &Model, message: &Message, label: Label) {
    model.learn(&model.features(message), &sample(1, label));
}

fn odds(model: &Model, message: &Message) -> f32 {
    model.score(&model.features(message), None).value
}

/// A mail of words that a number chooses.
fn chosen(number: u64, words: &[String], count: usize) -> String {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let word = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        words[(state >> 33) as usize % words.len()].clone()
    };
    (0..count).map(word).collect::<Vec<_>>().join(" ")
}

fn vocabulary(name: &str, size: usize) -> Vec<String> {
    (0..size).map(|number| format!("{name}{number}")).collect()
}

/// A model that learned mail of two kinds, with words of their own and words that both have.
fn taught(messages: u64) -> (Model, impl Fn(Label, u64) -> Message) {
    let common = vocabulary("word", 300);
    let ham = [common.clone(), vocabulary("work", 200)].concat();
    let spam = [common, vocabulary("offer", 200)].concat();
    let make = move |label, number: u64| match label {
        Label::Spam => mail("hello", &chosen(number * 2, &spam, 80)),
        _ => mail("hello", &chosen(number * 2 + 1, &ham, 80)),
    };
    let model = model();
    for number in 0..messages {
        teach(&model, &make(Label::Spam, number), Label::Spam);
        teach(&model, &make(Label::Ham, number), Label::Ham);
    }
    (model, make)
}

#[test]
fn an_empty_model_says_nothing_and_a_taught_one_tells_the_kinds_apart() {
    let empty = model();
    let said = empty.score(&empty.features(&mail("hello", "buy cheap pills")), None);
    assert_eq!((said.value, said.support), (0.0, 0));
    let (model, make) = taught(100);
    for number in 1_000..1_050 {
        assert!(odds(&model, &make(Label::Spam, number)) > 1.0);
        assert!(odds(&model, &make(Label::Ham, number)) < -1.0);
    }
}

#[test]
fn the_order_of_words_tells_apart_what_the_words_do_not() {
    let model = model();
    let (ham, spam) = (
        mail("hello", "alpha beta gamma delta"),
        mail("hello", "delta gamma beta alpha"),
    );
    for _ in 0..20 {
        teach(&model, &ham, Label::Ham);
        teach(&model, &spam, Label::Spam);
    }
    assert!(odds(&model, &ham) < -0.5, "{}", odds(&model, &ham));
    assert!(odds(&model, &spam) > 0.5, "{}", odds(&model, &spam));
}

#[test]
fn the_clues_are_sequences_of_words_each_way_the_weightiest_first() {
    let model = model();
    for number in 0..20 {
        teach(
            &model,
            &mail("offer", &format!("{number} buy cheap pills")),
            Label::Spam,
        );
        teach(
            &model,
            &mail("report", &format!("{number} meeting of the board")),
            Label::Ham,
        );
    }
    let clues = model.explain(&mail("x", "buy cheap pills before meeting of the board"), None);
    let clue = |what: &str| {
        clues
            .iter()
            .find(|clue| clue.what == what)
            .map_or(0.0, |clue| clue.value)
    };
    assert!(clue("text: buy cheap pills") > 0.0, "{clues:?}");
    assert!(clue("text: meeting of the") < 0.0, "{clues:?}");
    assert!(clues.iter().all(|clue| clue.support > 0 && clue.support <= 40));
    assert!(clues.is_sorted_by(|one, other| one.value.abs() >= other.value.abs()));
}

#[test]
fn features_of_another_extractor_are_neither_scored_nor_learned() {
    let (model, make) = taught(20);
    let mut features = model.features(&make(Label::Spam, 0));
    let before = model.save();
    features.extractor += 1;
    assert_eq!(model.score(&features, None).support, 0);
    model.learn(&features, &sample(1, Label::Ham));
    assert!(model.save() == before);
}

#[test]
fn a_model_is_loaded_with_its_key_into_a_fresh_one_only() {
    let (model, make) = taught(20);
    let saved = model.save();
    let other = Model::new(Seed::new([8; 16]));
    other.load(&saved).unwrap();
    assert!(other.save() == saved);
    assert_eq!(odds(&other, &make(Label::Spam, 3)), odds(&model, &make(Label::Spam, 3)));
    assert!(model.load(&saved).unwrap_err().0.contains("before it has learned"));
}

#[test]
fn a_file_that_was_cut_or_changed_is_refused_and_the_model_stays_empty() {
    let saved = model().save();
    let fresh = model();
    for end in [0, 7, 40, 60, saved.len() / 2, saved.len() - 1] {
        assert!(fresh.load(&saved[..end]).is_err(), "{end}");
    }
    for at in [0, 9, 14, 30, 70, saved.len() / 2, saved.len() - 1] {
        let mut other = saved.clone();
        other[at] ^= 1;
        assert!(fresh.load(&other).is_err(), "{at}");
    }
    assert!(fresh.save() == saved);
}

#[test]
fn a_domain_learns_for_itself_what_others_see_otherwise() {
    let (model, make) = taught(60);
    let pharmacy = Domain::parse("pharmacy.example", false).unwrap();
    let news = mail("news", &chosen(5, &vocabulary("offer", 30), 60));
    for number in 0..60 {
        let ham = mail("news", &chosen(number + 10, &vocabulary("offer", 30), 60));
        let mut lesson = sample(1, Label::Ham);
        lesson.domain = Some(pharmacy.key());
        model.learn(&model.features(&ham), &lesson);
        // To everybody else the same is spam.
        let spam = mail("news", &chosen(number + 900, &vocabulary("offer", 30), 60));
        teach(&model, &spam, Label::Spam);
        teach(&model, &make(Label::Ham, number + 500), Label::Ham);
    }
    let features = model.features(&news);
    let own = model.score(&features, Some(&pharmacy)).value;
    let all = model.score(&features, None).value;
    assert!(
        own < all && own < before,
        "{own} for the domain, {all} for all, {before} before"
    );
}

#[test]
fn a_correction_counts_more_than_the_mistake() {
    let (model, make) = taught(100);
    let message = make(Label::Spam, 5_000);
    let features = model.features(&message);
    let before = odds(&model, &message);
    let mut light = sample(1, Label::Ham);
    light.weight = 25;
    model.learn(&features, &light);
    let once = odds(&model, &message);
    let mut correction = sample(2, Label::Ham);
    correction.weight = 400;
    model.learn(&features, &correction);
    let corrected = odds(&model, &message);
    assert!(before - once < (once - corrected) / 2.0, "{before} {once} {corrected}");
}

#[test]
fn one_lesson_with_a_wrong_label_does_not_turn_a_campaign_round() {
    let (model, make) = taught(100);
    let campaign = make(Label::Spam, 7_000);
    let before = odds(&model, &campaign);
    teach(&model, &campaign, Label::Ham);
    assert!(
        before > 1.0 && odds(&model, &campaign) > 0.0,
        "{before} {}",
        odds(&model, &campaign)
    );
}

#[test]
fn spam_that_is_full_of_words_of_ham_moves_ham_little() {
    let held_out = |model: &Model, make: &dyn Fn(Label, u64) -> Message| -> Vec<f32> {
        (9_000..9_200)
            .map(|number| odds(model, &make(Label::Ham, number)))
            .collect()
    };
    let (model, make) = taught(300);
    let before = held_out(&model, &make);
    // One in a hundred of all mail is a part of a dictionary, sent as spam.
    let dictionary = [vocabulary("work", 200), vocabulary("word", 300)].concat();
    for number in 0..6 {
        teach(&model, &mail("hello", &chosen(number, &dictionary, 800)), Label::Spam);
    }
    let after = held_out(&model, &make);
    let wrong = |said: &[f32]| said.iter().filter(|odds| **odds > 0.0).count();
    assert_eq!((wrong(&before), wrong(&after)), (0, 0));
    let moved = before.iter().zip(&after).map(|(one, other)| other - one).sum::<f32>() / before.len() as f32;
    assert!(moved < 1.0, "{moved}");
}

fn texts() -> impl Strategy<Value = Vec<(String, bool, u32)>> {
    let text = prop::collection::vec(prop::sample::select(&WORDS[..]), 0..12).prop_map(|words| words.join(" "));
    let weight = prop::sample::select(vec![1, 25, 100, 400, 100_000]);
    prop::collection::vec((text, any::<bool>(), weight), 1..12)
}

fn lesson(number: usize, spam: bool, weight: u32) -> Sample {
    let mut sample = sample(number as u64, if spam { Label::Spam } else { Label::Ham });
    sample.weight = weight;
    sample
}

fn learn_all(model: &Model, log: &BTreeMap<usize, (String, bool, u32)>) {
    for (number, (text, spam, weight)) in log {
        model.learn(&model.features(&mail("s", text)), &lesson(*number, *spam, *weight));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_log_with_a_gap_gives_the_bits_of_a_log_that_never_had_the_sample(log in texts(), gone in any::<prop::sample::Index>()) {
        let mut gapped: BTreeMap<usize, _> = log.iter().cloned().enumerate().collect();
        gapped.remove(&gone.index(log.len()));
        let never: BTreeMap<usize, _> = gapped.values().cloned().enumerate().collect();
        let (one, other) = (model(), model());
        learn_all(&one, &gapped);
        learn_all(&other, &never);
        prop_assert!(one.save() == other.save());
    }

    #[test]
    fn a_model_saved_halfway_learns_on_to_the_same_bits(log in texts(), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(log.len());
        let all: BTreeMap<usize, _> = log.into_iter().enumerate().collect();
        let whole = model();
        learn_all(&whole, &all);
        let (first, second) = (model(), model());
        learn_all(&first, &all.range(..cut).map(|(at, lesson)| (*at, lesson.clone())).collect());
        second.load(&first.save()).ok();
        if cut == 0 {
            prop_assert!(second.save() == model().save());
        }
        learn_all(&second, &all.range(cut..).map(|(at, lesson)| (*at, lesson.clone())).collect());
        prop_assert!(second.save() == whole.save());
    }

    #[test]
    fn scores_are_finite_and_bounded(log in texts(), hashes in prop::collection::vec(any::<u64>(), 0..300)) {
        let model = model();
        learn_all(&model, &log.iter().cloned().enumerate().collect());
        let odd = Features { extractor: model.features(&mail("s", "")).extractor, hashes };
        model.learn(&odd, &lesson(0, true, u32::MAX));
        let said = log.iter().map(|(text, ..)| odds(&model, &mail("s", text))).chain([model.score(&odd, None).value]);
        for value in said {
            prop_assert!(value.is_finite() && value.abs() <= 20.0);
        }
    }
}
