//! Who answers the session: reception and transaction, and the two pure functions that judge and settle.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gatepost_core::registry::Options;
use gatepost_core::smtp::body::Notes;
use gatepost_core::smtp::session::{Answer, Question};
use gatepost_core::{
    Client, Direction, Edit, End, Evidence, Facts, Filter, Finding, Helo, MailParams, Message, Opinion, Path, Phase,
    RcptParams, RecipientId, Score, Tag, Time, Verdict, Visit,
};
use gatepost_pipeline::judge::{Whom, judge};
use gatepost_pipeline::said::Said;
use gatepost_pipeline::settle::settle;
use gatepost_pipeline::slot::Audience;
use gatepost_pipeline::{Followers, Fusion, Ours, Pipeline, Policy, Reception, Routes, Rules, Seen, Slot};
use gatepost_testkit::bench::{Bench, mail};
use gatepost_testkit::{FakeClock, ScriptedUpstreams, told};

const NOW: Time = FakeClock::START;
/// The filters that have spoken when it is judged.
const FILTERS: [&str; 8] = [
    "conduct",
    "dnsbl",
    "spf_dkim_dmarc",
    "whitelist",
    "greylist",
    "bayes",
    "hmm",
    "ngram",
];
/// Recipients of one mail: as most have, as a list has, and the most that a session grants.
const RECIPIENTS: [usize; 3] = [1, 100, 1_000];

/// The slot of a filter of this name that says nothing.
fn slot(bench: &Bench, name: &str) -> Slot {
    let entry = told::entry("told").expect("the filter of the testkit");
    let filter: Arc<dyn Filter> = entry
        .build(Options::default(), bench.services())
        .expect("its default options");
    Slot {
        name: name.into(),
        ..Slot::of(entry, filter)
    }
}

fn pipeline(bench: &Bench, filters: &[&str]) -> Arc<Pipeline> {
    let tier: Vec<Slot> = filters.iter().map(|name| slot(bench, name)).collect();
    let routes = Routes::inbound([("d.example", "default")]);
    let followers = Followers::new(Vec::new(), Followers::BOUND);
    let (policy, ours) = (Policy::default(), Ours::new("mx.d.example"));
    Arc::new(Pipeline::new(
        "bench",
        vec![tier],
        policy,
        routes,
        ours,
        bench.services().clone(),
        followers,
    ))
}

/// The questions of a session with one message for `count` recipients.
fn questions(count: usize) -> Vec<Question> {
    let from = Path::reverse("ann@b.example", false).expect("a path");
    let to = |n| Path::forward(&format!("carl{n}@d.example"), false).expect("a path");
    let mut questions = vec![
        Question::Connect,
        Question::Helo(Helo {
            name: "mail.b.example".into(),
            extended: true,
        }),
        Question::Mail {
            from,
            params: MailParams::default(),
        },
    ];
    questions.extend((0..count).map(|n| Question::Rcpt {
        to: to(n),
        params: RcptParams::default(),
    }));
    questions.extend([
        Question::Data,
        Question::Message {
            size: 4_000,
            notes: Notes::default(),
        },
    ]);
    questions
}

/// Answers one session and tells the followers; the last answer.
async fn receive(
    pipeline: &Arc<Pipeline>,
    server: &ScriptedUpstreams,
    questions: Vec<Question>,
    mail: &[u8],
) -> Option<Answer> {
    let visit = Visit::new(
        Direction::Inbound,
        "bench".into(),
        Client::new([192, 0, 2, 1].into(), 25_000),
    );
    let mut reception = Reception::new(Arc::clone(pipeline), visit, Arc::new(server.clone()));
    let mut last = None;
    for question in questions {
        let message = matches!(question, Question::Message { .. });
        let message = message.then(|| Arc::new(Message::from_bytes(mail.to_vec())));
        let seen = Seen {
            facts: Facts::default(),
            message,
            gone: &|| false,
        };
        last = Some(reception.answer(NOW, question, seen).await);
    }
    reception.answered(NOW, true);
    reception.end(NOW, End::Reset).await;
    pipeline.followers().drained().await;
    last
}

fn receptions(criterion: &mut Criterion) {
    let (bench, mail) = (Bench::new(), mail(4_000, 1));
    let mut group = criterion.benchmark_group("reception");
    for (name, filters, recipients) in [
        ("no_filter", &FILTERS[..0], 1),
        ("eight_silent_filters", &FILTERS[..], 1),
        ("no_filter_100_recipients", &FILTERS[..0], 100),
    ] {
        let pipeline = pipeline(&bench, filters);
        let server = ScriptedUpstreams::new();
        bench.wait(receive(&pipeline, &server, questions(recipients), &mail));
        let delivered = server.delivered();
        assert_eq!(
            delivered.iter().map(|mail| mail.to.len()).collect::<Vec<_>>(),
            [recipients]
        );
        group.throughput(Throughput::Elements(recipients as u64));
        group.bench_function(name, |bencher| {
            // The server remembers what it took, so each message has its own.
            let setup = || (ScriptedUpstreams::new(), questions(recipients));
            let play = |(server, questions): (ScriptedUpstreams, _)| {
                let last = bench.wait(receive(&pipeline, &server, questions, black_box(&mail)));
                (server, last)
            };
            bencher.iter_batched(setup, play, BatchSize::SmallInput);
        });
    }
    group.finish();
}

/// What eight filters said about a mail that is slightly suspicious: five scored, three classified.
fn said(bench: &Bench) -> Vec<Said> {
    let opinion = |n: usize| {
        let evidence = match n {
            0..5 => Evidence::Points(Score::hundredths(70)),
            _ => Evidence::LogOdds {
                value: 0.5,
                support: 1_000,
            },
        };
        Opinion::none().with(Finding::new(Tag::new("bench.said"), evidence, "what exactly was seen"))
    };
    let said =
        |(n, name): (usize, &&str)| Said::new(&slot(bench, name), Phase::Message, Audience::Everyone, opinion(n), None);
    FILTERS.iter().enumerate().map(said).collect()
}

fn judge_all(rules: &Rules, fusion: &Fusion, said: &[Said], recipients: usize) -> Vec<Verdict> {
    let whom = |n| Whom {
        id: Some(RecipientId(n as u16)),
        domain: Some("d.example"),
        role: false,
    };
    (0..recipients)
        .map(|n| judge(rules, fusion, said, whom(n), Phase::Message).verdict)
        .collect()
}

fn judging(criterion: &mut Criterion) {
    let said = said(&Bench::new());
    let (rules, fusion) = (Rules::default(), Fusion::default());
    let mut group = criterion.benchmark_group("judge");
    for recipients in RECIPIENTS {
        group.throughput(Throughput::Elements(recipients as u64));
        for (name, said) in [("nobody_spoke", &said[..0]), ("eight_spoke", &said[..])] {
            group.bench_with_input(
                BenchmarkId::new(name, recipients),
                &recipients,
                |bencher, recipients| {
                    bencher.iter(|| judge_all(&rules, &fusion, black_box(said), *recipients));
                },
            );
        }
    }
    group.finish();

    let mut group = criterion.benchmark_group("settle");
    for recipients in RECIPIENTS {
        let equal = judge_all(&rules, &fusion, &said, recipients);
        assert!(
            equal.iter().all(|verdict| !verdict.marks.edits.is_empty()),
            "the mail is marked"
        );
        // The worst case: each recipient has marks of its own, and they are delivered apart.
        let mut apart = equal.clone();
        for (n, verdict) in apart.iter_mut().enumerate() {
            verdict
                .marks
                .edits
                .extend(Edit::prepend("X-Gatepost-Note", &n.to_string()));
        }
        group.throughput(Throughput::Elements(recipients as u64));
        group.bench_with_input(
            BenchmarkId::new("equal_marks", recipients),
            &equal,
            |bencher, verdicts| {
                bencher.iter(|| settle(black_box(verdicts), false));
            },
        );
        group.bench_with_input(
            BenchmarkId::new("marks_of_their_own", recipients),
            &apart,
            |bencher, verdicts| {
                bencher.iter(|| settle(black_box(verdicts), true));
            },
        );
    }
    group.finish();
}

criterion_group!(benches, receptions, judging);
criterion_main!(benches);
