//! The classifiers, each alone and all as a tier, on mail of ours: text and HTML of 2 to 200 kB.
//!
//! `tier` is what a mail costs that comes in: parsing, the document, features and scores of all members, and their fusion;
//! `reading` the part of it that all members share. `features` and `score` are those of one member, the document at hand.
//! `learn` is the step of learning from features at hand: score, fit, learning of all members; `load` and `save` are those of
//! models that have learned a thousand letters.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gatepost_core::kept::Label;
use gatepost_core::{Features, Learner, Message, Sample, Time, registry};
use gatepost_filters as _;
use gatepost_testkit::letters::Letters;
use gatepost_training::Trainer;
use gatepost_training::evaluate::trainer;

const SIZES: [(&str, usize); 5] = [
    ("2kB", 2_000),
    ("4kB", 4_000),
    ("20kB", 20_000),
    ("50kB", 50_000),
    ("200kB", 200_000),
];
/// Letters that are learned before anything is measured.
const TAUGHT: usize = 1_000;

fn text(size: usize) -> Vec<u8> {
    let mut letters = Letters::new(1);
    let mut body = String::new();
    while body.len() + 600 < size {
        body += &letters.words(0, body.len().is_multiple_of(3), 60);
        body += "\r\n\r\n";
    }
    letters.plain(false, "minutes of the meeting", &body)
}

fn html(size: usize) -> Vec<u8> {
    let mut letters = Letters::new(2);
    let mut body = String::from(
        "MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<html><head>\
         <style>p { color: #333; font-family: sans-serif }</style></head><body>\r\n",
    );
    for n in 0.. {
        if body.len() + 900 >= size {
            break;
        }
        body += &format!(
            "<table class=\"row\" style=\"width:100%\"><tr><td align=\"left\"><a href=\"https://shop.example/i?n={n}\">\
             <img src=\"https://pictures.example/{n}.png\" alt=\"{}\"></a></td><td><p style=\"margin:0\">{}</p></td></tr>\
             </table>\r\n",
            letters.words(0, true, 3),
            letters.words(0, n % 2 == 0, 40),
        );
    }
    letters.with_body(false, "news of the week", &(body + "</body></html>\r\n"))
}

fn mails() -> Vec<(String, Vec<u8>)> {
    let each = SIZES.iter().flat_map(|(name, size)| {
        let (text, html) = (text(*size), html(*size));
        [(format!("text/{name}"), text), (format!("html/{name}"), html)]
    });
    each.collect()
}

/// Members that have learned, and the features that they learned from with their labels.
fn taught() -> (Trainer, Vec<(Vec<Features>, Sample)>) {
    let registry = registry().expect("a registry without mistakes");
    let mut trainer = trainer(&registry, &[]).expect("members");
    let lessons: Vec<_> = (1u64..)
        .zip(Letters::new(3).take(TAUGHT))
        .map(|(n, letter)| {
            let label = if letter.spam { Label::Spam } else { Label::Ham };
            let features = trainer.features(&Message::from_bytes(letter.octets));
            (features, Sample::new(n, Time::from_millis(n), label, None))
        })
        .collect();
    for (features, sample) in &lessons {
        trainer.learn(features, sample);
    }
    (trainer, lessons)
}

fn tier(criterion: &mut Criterion) {
    let (trainer, _) = taught();
    let mut group = criterion.benchmark_group("tier");
    for (name, octets) in mails() {
        // From octets each time: nothing of the message before is kept.
        let judge = |octets: Vec<u8>| trainer.score(&trainer.features(&Message::from_bytes(octets)), None);
        assert!(judge(octets.clone()).fused.is_finite());
        group.throughput(Throughput::Bytes(octets.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(&name), |bencher| {
            bencher.iter(|| black_box(judge(octets.clone())));
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("reading");
    for (name, octets) in mails() {
        group.throughput(Throughput::Bytes(octets.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(&name), |bencher| {
            bencher.iter(|| gatepost_tokens::Document::of(&Message::from_bytes(black_box(octets.clone()))));
        });
    }
    group.finish();
}

fn members(criterion: &mut Criterion) {
    let (trainer, lessons) = taught();
    for (at, (name, learner)) in trainer.members().iter().enumerate() {
        let mut group = criterion.benchmark_group(*name);
        for (size, octets) in mails() {
            let message = Message::from_bytes(octets);
            let features = learner.features(&message);
            assert!(learner.score(&features, None).support > 0);
            group.bench_function(BenchmarkId::new("features", &size), |bencher| {
                bencher.iter(|| learner.features(black_box(&message)));
            });
            group.bench_function(BenchmarkId::new("score", &size), |bencher| {
                bencher.iter(|| learner.score(black_box(&features), None));
            });
        }
        let mut next = lessons.iter().cycle();
        group.throughput(Throughput::Elements(1));
        group.bench_function("learn", |bencher| {
            bencher.iter(|| {
                if let Some((features, sample)) = next.next() {
                    learner.learn(black_box(&features[at]), sample);
                }
            });
        });
        group.finish();
    }
}

fn learning(criterion: &mut Criterion) {
    let (mut trainer, lessons) = taught();
    let mut group = criterion.benchmark_group("all");
    let mut next = lessons.iter().cycle();
    group.throughput(Throughput::Elements(1));
    group.bench_function("learn", |bencher| {
        bencher.iter(|| {
            next.next()
                .map(|(features, sample)| trainer.learn(black_box(features), sample))
        });
    });
    group.finish();
}

fn files(criterion: &mut Criterion) {
    let (trainer, _) = taught();
    let registry = registry().expect("a registry without mistakes");
    let fresh = || -> Vec<(&'static str, Arc<dyn Learner>)> {
        gatepost_training::evaluate::members(&registry, &[]).expect("members")
    };
    let saved: Vec<Vec<u8>> = trainer.members().iter().map(|(_, learner)| learner.save()).collect();
    let load = || {
        for ((_, learner), saved) in fresh().iter().zip(&saved) {
            learner.load(saved).expect("what was saved is loaded");
        }
    };
    load();
    let mut group = criterion.benchmark_group("files");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(saved.iter().map(|saved| saved.len() as u64).sum()));
    group.bench_function("save", |bencher| {
        bencher.iter(|| {
            let each = trainer.members().iter().map(|(_, learner)| learner.save().len());
            each.sum::<usize>()
        });
    });
    group.bench_function("load", |bencher| bencher.iter(load));
    group.finish();
}

criterion_group!(benches, tier, members, learning, files);
criterion_main!(benches);
