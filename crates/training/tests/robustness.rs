//! Wrong labels, stuffed spam and disguised words do not lead the classifiers astray.

mod post;

use std::sync::OnceLock;

use gatepost_core::kept::Label;
use gatepost_core::{Message, Sample, Time};
use gatepost_testkit::letters::{Letters, base64};
use gatepost_training::Trainer;
use gatepost_training::evaluate::Plan;
use post::{Corpus, fused_area, trainer};

#[test]
fn a_tenth_of_the_labels_wrong_costs_at_most_a_factor_of_three() {
    let corpus = Corpus::of(Letters::new(1).take(1_500));
    let clean = fused_area(&corpus.run(&Plan::default()));
    let noisy = fused_area(&corpus.run(&Plan {
        noise: 0.1,
        ..Plan::default()
    }));
    // Where hardly anything is wrong a factor says nothing.
    assert!(clean > 0.02, "these letters are too easy: {clean}");
    assert!(noisy <= 3.0 * clean, "{clean} {noisy}");
}

fn learn(trainer: &mut Trainer, octets: &[u8], label: Label, place: u64) {
    let message = Message::from_bytes(octets.to_vec());
    let sample = Sample::new(place, Time::from_millis(place), label, None);
    trainer.learn(&trainer.features(&message), &sample);
}

fn label(spam: bool) -> Label {
    if spam { Label::Spam } else { Label::Ham }
}

#[test]
fn a_dictionary_attack_of_one_in_a_hundred_does_not_make_ham_spam() {
    let mut letters = Letters::new(5);
    let (taught, held_out) = (letters.take(1_200), letters.take(2_000));
    let mut clean = trainer();
    let mut attacked = trainer();
    for (n, letter) in (0u64..).zip(&taught) {
        for trainer in [&mut clean, &mut attacked] {
            learn(trainer, &letter.octets, label(letter.spam), n);
        }
        // Of each hundred mails one is spam that holds all words of ham, of every language.
        if n % 100 == 99 {
            let everything: String = (0..5)
                .map(|language| Letters::ham_vocabulary(language) + "\r\n")
                .collect();
            let stuffed = letters.plain(true, "minutes", &format!("casino {everything}"));
            learn(&mut attacked, &stuffed, Label::Spam, 10_000 + n);
        }
    }
    let ham: Vec<Message> = held_out
        .into_iter()
        .filter(|letter| !letter.spam)
        .map(|letter| Message::from_bytes(letter.octets))
        .collect();
    let wrong = |trainer: &Trainer| {
        let called = ham
            .iter()
            .filter(|ham| trainer.score(&trainer.features(ham), None).spam);
        called.count() as f64 / ham.len() as f64
    };
    let (before, after) = (wrong(&clean), wrong(&attacked));
    assert!(after - before < 0.001, "{before} {after}");
}

/// Members that have learned a thousand letters.
fn taught() -> &'static Trainer {
    static TAUGHT: OnceLock<Trainer> = OnceLock::new();
    TAUGHT.get_or_init(|| {
        let mut trainer = trainer();
        for (n, letter) in (0u64..).zip(Letters::new(9).take(1_000)) {
            learn(&mut trainer, &letter.octets, label(letter.spam), n);
        }
        trainer
    })
}

/// The fused log-odds of a mail.
fn score(octets: Vec<u8>) -> f32 {
    let trainer = taught();
    trainer
        .score(&trainer.features(&Message::from_bytes(octets)), None)
        .fused
}

/// What spam says, in English.
const SPAM: &str = "exclusive casino offer winner cheap pills and luxury watches click for a jackpot bonus today \
                    guarantee of profit limited discount credit loan";

/// A mail of the same letter each time: only what follows its header differs.
fn mail(kind: &str, body: &str) -> Vec<u8> {
    let rest = format!(
        "MIME-Version: 1.0\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{body}\r\n"
    );
    Letters::new(77).with_body(true, "today", &rest)
}

fn text(body: &str) -> f32 {
    score(mail("text/plain", body))
}

fn html(body: &str) -> f32 {
    score(mail("text/html", &format!("<html><body>{body}</body></html>")))
}

/// Every word with something in its midst.
fn split(by: &str) -> String {
    let words = SPAM.split_whitespace().map(|word| {
        let (first, rest) = word.split_at(word.len() / 2);
        format!("{first}{by}{rest}")
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A disguise may cost a tenth of what is said of the plain words; whoever disguises is not better off by more.
fn assert_seen_through(what: &str, plain: f32, disguised: f32) {
    assert!(plain > 3.0, "{what}: the plain words are not spam enough: {plain}");
    assert!(
        disguised > plain * 0.9,
        "{what}: {plain} in plain words, {disguised} in disguise"
    );
}

#[test]
fn words_split_by_characters_that_nobody_sees_are_seen_whole() {
    let plain = text(SPAM);
    for unseen in ['\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{ad}', '\u{feff}'] {
        assert_seen_through(&format!("{unseen:?}"), plain, text(&split(&unseen.to_string())));
    }
}

#[test]
fn letters_of_other_scripts_that_look_alike_are_read_as_they_look() {
    let greek_and_cyrillic = SPAM
        .replace('a', "\u{430}")
        .replace('e', "\u{435}")
        .replace('o', "\u{3bf}");
    let (plain, disguised) = (text(SPAM), text(&greek_and_cyrillic));
    // `bayes` and `hmm` read words of mixed scripts as they look; `ngram` reads octets, and says less of new ones.
    assert!(
        disguised > plain / 3.0,
        "{plain} in plain words, {disguised} in disguise"
    );
    let full_width: String = SPAM
        .chars()
        .map(|c| {
            if c.is_ascii_lowercase() {
                char::from_u32(c as u32 + 0xfee0).unwrap()
            } else {
                c
            }
        })
        .collect();
    assert_seen_through("full width", text(SPAM), text(&full_width));
}

#[test]
fn html_is_scored_as_it_is_shown() {
    let plain = html(&format!("<p>{SPAM}</p>"));
    let filler = Letters::ham_vocabulary(0);
    for (what, body) in [
        ("comments in words", format!("<p>{}</p>", split("<!-- garden -->"))),
        ("tags in words", format!("<p>{}</p>", split("<b></b>"))),
        (
            "entities",
            format!("<p>{}</p>", SPAM.replace('a', "&#97;").replace('o', "&#x6f;")),
        ),
        (
            "no display",
            format!("<p>{SPAM}</p><div style=\"display:none\">{filler}</div>"),
        ),
        (
            "size nought",
            format!("<p>{SPAM}</p><span style=\"font-size:0\">{filler}</span>"),
        ),
        (
            "white on white",
            format!("<p>{SPAM}</p><font color=\"#ffffff\">{filler}</font>"),
        ),
        (
            "hidden in words",
            format!("<p>{}</p>", split("<span style=\"display:none\">garden</span>")),
        ),
    ] {
        assert_seen_through(what, plain, html(&body));
    }
}

#[test]
fn base64_with_foreign_octets_is_read_as_mail_programs_do() {
    let coded = |body: String| {
        let rest = format!(
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{body}"
        );
        score(Letters::new(77).with_body(true, "today", &rest))
    };
    let plain = base64(SPAM.as_bytes());
    let foreign: String = plain
        .chars()
        .enumerate()
        .flat_map(|(n, c)| if n % 7 == 3 { vec!['!', c] } else { vec![c] })
        .collect();
    let spaced = plain.replace("\r\n", " \r\n\t");
    let expected = coded(plain);
    assert_seen_through("foreign octets", expected, coded(foreign));
    assert_seen_through("white space", expected, coded(spaced));
}

#[test]
fn hidden_filler_does_not_help_a_picture() {
    let picture = "<img src=\"http://pictures.example/a.png\">";
    let filler = Letters::ham_vocabulary(0);
    let bare = html(picture);
    for hidden in [
        format!("<div style=\"display:none\">{filler}</div>"),
        format!("<p style=\"font-size:0px\">{filler}</p>"),
        format!("<span style=\"color:#ffffff\">{filler}</span>"),
    ] {
        let stuffed = html(&format!("{picture}{hidden}"));
        assert!(stuffed > bare - 0.5, "{bare} alone, {stuffed} with {hidden}");
    }
}
