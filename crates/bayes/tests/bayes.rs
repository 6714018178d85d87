//! The laws, and what the model does in the large.

use gatepost_bayes::table::ENTRIES;
use gatepost_bayes::{Bayes, Model, model, pairs};
use gatepost_core::kept::Label;
use gatepost_core::{Domain, Features, Learner, LogOdds, Message, Sample, Seed, Time};
use gatepost_testkit::laws;
use proptest::prelude::*;

#[test]
fn bayes_keeps_the_laws() {
    laws::filter::run::<Bayes>();
}

const SEED: Seed = Seed::new([7; 16]);

fn model() -> Model {
    Model::new(SEED)
}

fn mail(subject: &str, body: &str) -> Message {
    Message::from_bytes(format!("From: ann@a.example\r\nSubject: {subject}\r\n\r\n{body}\r\n"))
}

fn sample(sequence: u64, label: Label) -> Sample {
    Sample::new(sequence, Time::from_millis(sequence * 1_000), label, None)
}

fn teach(model: &Model, message: &Message, label: Label) {
    model.learn(&model.features(message), &sample(1, label));
}

fn says(model: &Model, message: &Message) -> f32 {
    model.score(&model.features(message), None).value
}

fn domain(name: &str) -> Domain {
    Domain::parse(name, false).expect("a domain")
}

#[test]
fn a_model_that_learned_nothing_says_nothing() {
    let model = model();
    let said = model.score(&model.features(&mail("hi", "words")), None);
    assert_eq!(said, LogOdds::default());
}

#[test]
fn what_was_learned_tells_spam_from_ham() {
    let model = model();
    for n in 0..20 {
        teach(
            &model,
            &mail("cheap pills", &format!("buy cheap pills today, offer no {n}")),
            Label::Spam,
        );
        teach(
            &model,
            &mail("minutes", &format!("the minutes of our meeting number {n}")),
            Label::Ham,
        );
    }
    let spam = says(&model, &mail("cheap pills", "and you buy cheap pills today again"));
    let ham = says(&model, &mail("minutes", "and here are the minutes of meeting"));
    assert!(spam > 0.5 && ham < -0.5, "{spam} {ham}");
    assert_eq!(model.score(&model.features(&mail("x", "y")), None).support, 40);
}

#[test]
fn what_is_certain_already_is_counted_but_changes_nothing() {
    let model = model();
    let pills = mail("cheap pills", "buy cheap pills");
    let teach = |message: &Message, label| {
        let mut heavy = sample(1, label);
        heavy.weight = 500;
        model.learn(&model.features(message), &heavy);
    };
    // Log-odds of ln 99 ask for one in a hundred.
    let taught = (0..2_000).find(|_| {
        teach(&mail("minutes", "of our meeting"), Label::Ham);
        teach(&pills, Label::Spam);
        says(&model, &pills) > 4.6
    });
    assert!(taught.is_some(), "{}", says(&model, &pills));
    let before = says(&model, &pills);
    teach(&pills, Label::Spam);
    assert_eq!(says(&model, &pills), before);
}

#[test]
fn a_correction_counts_more() {
    let (light, heavy) = (model(), model());
    let message = mail("an offer", "for your eyes");
    let features = light.features(&message);
    light.learn(&features, &sample(1, Label::Spam));
    let mut correction = sample(1, Label::Spam);
    correction.weight = 300;
    heavy.learn(&features, &correction);
    assert!(says(&heavy, &message) > says(&light, &message));
}

#[test]
fn a_domain_may_differ_from_all_others() {
    let model = model();
    let message = mail("invoice", "please find the invoice attached");
    let features = model.features(&message);
    let (shop, other) = (domain("shop.example"), domain("other.example"));
    let minutes = model.features(&mail("minutes", "of our meeting as agreed"));
    let pills = model.features(&mail("cheap pills", "buy them today"));
    for n in 0..60 {
        for (domain, label, features) in [
            ("shop.example", Label::Ham, &features),
            ("shop.example", Label::Spam, &pills),
            ("other.example", Label::Spam, &features),
            ("other.example", Label::Ham, &minutes),
        ] {
            let at = Time::from_millis(n);
            model.learn(features, &Sample::new(n, at, label, Some(domain.into())));
        }
    }
    let (shop, other) = (
        model.score(&features, Some(&shop)),
        model.score(&features, Some(&other)),
    );
    assert!(shop.value < -0.5 && other.value > 0.5, "{shop:?} {other:?}");
}

#[test]
fn a_domain_that_taught_one_class_only_is_judged_like_all_others() {
    let model = model();
    for n in 0..200 {
        let message = mail("an offer", &format!("for your eyes, number {n}"));
        let spam = Sample::new(n, Time::from_millis(n), Label::Spam, Some("shop.example".into()));
        model.learn(&model.features(&message), &spam);
        teach(&model, &mail("minutes", &format!("of meeting {n}")), Label::Ham);
    }
    let features = model.features(&mail("an offer", "for the meeting"));
    assert_eq!(
        model.score(&features, Some(&domain("shop.example"))),
        model.score(&features, None)
    );
}

#[test]
fn a_mail_that_was_not_read_to_its_end_has_no_features_and_no_clues() {
    let model = model();
    teach(&model, &mail("cheap", "pills"), Label::Spam);
    teach(&model, &mail("minutes", "of meeting"), Label::Ham);
    let before = model.save();
    let body = "<b>pills</b>".repeat(500);
    let cut = Message::from_bytes(format!("Subject: cheap\r\nContent-Type: text/html\r\n\r\n{body}\r\n"));
    cut.reading(&|| true);
    let features = model.features(&cut);
    assert!(features.are_none() && features.hashes.is_empty(), "{features:?}");
    assert_eq!(model.score(&features, None), LogOdds::default());
    assert_eq!(model.explain(&cut, None), []);
    model.learn(&features, &sample(3, Label::Spam));
    assert!(before == model.save());
}

#[test]
fn features_of_another_extractor_are_neither_scored_nor_learned() {
    let model = model();
    let message = mail("cheap pills", "buy");
    teach(&model, &message, Label::Spam);
    let before = model.save();
    let mut strange = model.features(&message);
    strange.extractor += 1;
    assert_eq!(model.score(&strange, None), LogOdds::default());
    model.learn(&strange, &sample(2, Label::Ham));
    assert!(before == model.save());
}

#[test]
fn the_reasons_name_words_and_pairs_with_their_field() {
    let model = model();
    for _ in 0..5 {
        teach(&model, &mail("cheap pills", "order them now"), Label::Spam);
        teach(&model, &mail("minutes", "as agreed"), Label::Ham);
    }
    let clues = model.explain(&mail("cheap pills", "as agreed"), None);
    let value = |what: &str| clues.iter().find(|clue| clue.what == what).map(|clue| clue.value);
    assert!(value("subject: cheap").is_some_and(|value| value > 0.0), "{clues:?}");
    assert!(
        value("subject: cheap pills").is_some_and(|value| value > 0.0),
        "{clues:?}"
    );
    assert!(value("text: as agreed").is_some_and(|value| value < 0.0), "{clues:?}");
    assert!(clues.is_sorted_by(|one, other| one.value.abs() >= other.value.abs()));
    assert!(clues.iter().all(|clue| clue.support > 0));
}

#[test]
fn a_saved_model_is_loaded_bit_for_bit_with_its_key() {
    let one = model();
    for n in 0..30 {
        teach(&one, &mail("cheap", &format!("pills {n} and more")), Label::Spam);
        teach(&one, &mail("minutes", &format!("of meeting {n}")), Label::Ham);
    }
    let saved = one.save();
    // Another installation's key gives way to the one in the file.
    let other = Model::new(Seed::new([9; 16]));
    other.load(&saved).unwrap();
    assert!(saved == other.save());
    let message = mail("cheap", "minutes of pills");
    assert_eq!(one.features(&message), other.features(&message));
    assert_eq!(says(&one, &message).to_bits(), says(&other, &message).to_bits());
    teach(&one, &message, Label::Ham);
    teach(&other, &message, Label::Ham);
    assert!(one.save() == other.save());
}

#[test]
fn a_file_that_is_no_model_is_refused_in_words_and_changes_nothing() {
    let model = model();
    teach(&model, &mail("cheap", "pills"), Label::Spam);
    let saved = model.save();
    let mut cut = saved.clone();
    cut.truncate(saved.len() / 2);
    let mut changed = saved.clone();
    changed[saved.len() / 3] ^= 4;
    let file = |sections: Vec<&[u8]>| {
        let version = u32::from_le_bytes(saved[14..18].try_into().unwrap());
        let key = gatepost_tokens::Key::new([1; 16]);
        gatepost_tokens::File {
            name: "bayes",
            version,
            key,
            sections,
        }
        .write()
    };
    let state = [[0; 4], [0; 4], 0.01f32.to_le_bytes()].concat();
    let fresh = Model::new(SEED);
    let before = fresh.save();
    for bad in [
        Vec::new(),
        b"no model".to_vec(),
        cut,
        changed,
        file(vec![]),
        file(vec![&[0; 12], &[0; 16], &[0; 16]]),
        file(vec![&[0xff; 12], &[0; 4_096 * 8], &vec![0; ENTRIES * 4]]),
        file(vec![
            &[&state[..], &[0]].concat(),
            &[0; 4_096 * 8],
            &vec![0; ENTRIES * 4],
        ]),
        file(vec![&state, &[0; 4_096 * 8 + 1], &vec![0; ENTRIES * 4]]),
        file(vec![&state, &[0; 4_096 * 8], &[5, 0, 0, 0].repeat(ENTRIES)]),
    ] {
        let refusal = fresh.load(&bad).unwrap_err();
        assert!(refusal.0.contains("model"), "{refusal}");
        assert!(before == fresh.save());
    }
    let sound = file(vec![&state, &[0; 4_096 * 8], &vec![0; ENTRIES * 4]]);
    assert!(model.load(&sound).unwrap_err().0.contains("learned nothing"));
    assert!(saved == model.save());
    assert_eq!(fresh.load(&sound), Ok(()));
}

#[test]
fn one_mail_full_of_words_changes_what_is_known_by_a_bounded_amount() {
    let model = model();
    let known = mail("minutes", "as we agreed in our meeting");
    for _ in 0..40 {
        teach(&model, &known, Label::Ham);
        teach(&model, &mail("cheap", "pills today"), Label::Spam);
    }
    let before = says(&model, &known);
    let dictionary: String = (0..50_000).map(|n| format!("word{n} ")).collect();
    let flood = mail("minutes", &format!("as we agreed in our meeting {dictionary}"));
    assert!(model.features(&flood).hashes.len() <= Features::MAX);
    teach(&model, &flood, Label::Spam);
    let after = says(&model, &known);
    assert!(after < -1.0 && after - before < 3.0, "{before} {after}");
}

#[test]
fn pairs_stay_within_their_field_and_reach() {
    let key = gatepost_tokens::Key::new([3; 16]);
    let document = gatepost_tokens::Document::of(&Message::from_bytes(&b"\r\none two three four\r\n"[..]));
    let text: Vec<_> = document
        .tokens()
        .iter()
        .filter(|token| token.field == gatepost_tokens::Field::Text)
        .collect();
    let words: Vec<u64> = text.iter().map(|token| pairs::word(&key, &document, token)).collect();
    let features = pairs::features(&key, &document).hashes;
    let has = |one: usize, other: usize| features.contains(&pairs::pair(&key, words[one], words[other], other - one));
    assert!(has(0, 1) && has(0, 2) && !has(0, 3) && has(1, 3) && has(2, 3));
    assert!(
        words
            .iter()
            .all(|word| features.contains(word) && pairs::is_word(*word))
    );
    let mut once = features.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), features.len());
}

/// Features of a small world, so that they meet again.
fn some() -> impl Strategy<Value = (Vec<u64>, bool, u32)> {
    let feature = (0u64..200).prop_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) & !7);
    (prop::collection::vec(feature, 1..40), any::<bool>(), 1u32..600)
}

fn learn(model: &Model, sequence: u64, (hashes, spam, weight): &(Vec<u64>, bool, u32)) {
    let features = Features {
        extractor: pairs::EXTRACTOR,
        hashes: hashes.clone(),
    };
    let label = if *spam { Label::Spam } else { Label::Ham };
    let domain = (hashes.len() % 2 == 0).then(|| "d.example".to_owned());
    let mut sample = Sample::new(sequence, Time::from_millis(sequence * 77), label, domain);
    sample.weight = *weight;
    model.learn(&features, &sample);
}

proptest! {
    // A model is 16 MB, so a case is slow.
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn a_log_with_gaps_gives_the_bits_of_one_that_never_had_them(log in prop::collection::vec((some(), any::<bool>()), 0..40)) {
        let (gapped, never) = (model(), model());
        let mut next = 0;
        for (sequence, (lesson, stays)) in (1u64..).zip(&log) {
            if *stays {
                learn(&gapped, sequence, lesson);
                next += 1;
                learn(&never, next, lesson);
            }
        }
        prop_assert!(gapped.save() == never.save());
    }

    #[test]
    fn scores_are_finite_whatever_was_learned(log in prop::collection::vec(some(), 0..60), (asked, ..) in some()) {
        let model = model();
        for (sequence, lesson) in (1u64..).zip(&log) {
            learn(&model, sequence, lesson);
        }
        let features = Features { extractor: pairs::EXTRACTOR, hashes: asked };
        for domain in [None, Some(domain("d.example"))] {
            let said = model.score(&features, domain.as_ref());
            prop_assert!(said.value.is_finite() && said.value.abs() <= model::ODDS_MAX);
            prop_assert_eq!(said.support as usize, log.len());
        }
    }

    #[test]
    fn a_lesson_never_moves_its_own_mail_away_from_its_label(log in prop::collection::vec(some(), 0..40), last in some()) {
        let model = model();
        for (sequence, lesson) in (1u64..).zip(&log) {
            learn(&model, sequence, lesson);
        }
        let features = Features { extractor: pairs::EXTRACTOR, hashes: last.0.clone() };
        let before = model.score(&features, None).value;
        let (mut hashes, spam, weight) = last;
        hashes.dedup();
        learn(&model, 99, &(hashes, spam, weight));
        let moved = model.score(&features, None).value - before;
        // Weights have steps of 1/1024.
        let slack = features.hashes.len() as f32 / 1_024.0;
        prop_assert!(if spam { moved >= -slack } else { moved <= slack }, "{moved}");
    }
}
