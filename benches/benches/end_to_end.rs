//! A message all the way: session, reception, filters, relay, as the proxy drives them, with octets in memory for wires.
//!
//! What is not in it: sockets, TLS, the spool, the log. So the difference between this and a load over loopback is what
//! system calls and the runtime cost.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gatepost_benches::client::{Manner, Script};
use gatepost_benches::way::Ways;
use gatepost_benches::{MANY, SIZES};
use gatepost_core::smtp::relay::ClientMode;
use gatepost_core::smtp::session::{Input, Output, Question, Session, Settings};
use gatepost_core::{Client, Direction, End, Facts, Message, Time, Visit, registry};
use gatepost_filters as _;
use gatepost_pipeline::{Followers, Mode, Ours, Pipeline, Policy, Reception, Routes, Seen, Slot};
use gatepost_testkit::FakeClock;
use gatepost_testkit::bench::{Bench, filters, mail};

const NOW: Time = FakeClock::START;

/// What one listener's sessions share.
struct Listener {
    pipeline: Arc<Pipeline>,
    settings: Arc<Settings>,
    ways: Ways,
}

impl Listener {
    fn new(bench: &Bench, tiers: Vec<Vec<Slot>>, client: ClientMode) -> Listener {
        let routes = Routes::inbound([("d.example", "default")]);
        let followers = Followers::new(Vec::new(), Followers::BOUND);
        let (policy, ours) = (Policy::default(), Ours::new("mx.d.example"));
        let services = bench.services().clone();
        Listener {
            pipeline: Arc::new(Pipeline::new("bench", tiers, policy, routes, ours, services, followers)),
            settings: Arc::new(Settings::new("mx.d.example")),
            ways: Ways::new(client, NOW),
        }
    }

    /// Serves one client to its end, and everybody who follows.
    async fn serve(&self, script: &Script) {
        let mut client = script.begin();
        let visit = Visit::new(
            Direction::Inbound,
            "bench".into(),
            Client::new([192, 0, 2, 1].into(), 25_000),
        );
        let mut session = Session::new(Arc::clone(&self.settings), None, NOW);
        let mut reception = Reception::new(Arc::clone(&self.pipeline), visit, Arc::new(self.ways.clone()));
        let (mut body, mut owed) = (Vec::new(), false);
        loop {
            match session.poll(NOW) {
                Output::Write(octets) => {
                    black_box(octets);
                    if std::mem::take(&mut owed) {
                        reception.answered(NOW, true);
                    }
                }
                Output::Body(octets) => body.extend_from_slice(octets),
                Output::Ask(question) => {
                    owed |= matches!(question, Question::Message { .. } | Question::Spoilt { .. });
                    let message = matches!(question, Question::Message { .. });
                    let message = message.then(|| Arc::new(Message::from_bytes(std::mem::take(&mut body))));
                    let mut facts = Facts::default();
                    facts.unasked_pipelining = session.facts().unasked_pipelining;
                    facts.errors = session.facts().errors;
                    let gone = session.gone();
                    let answer = reception
                        .answer(
                            NOW,
                            question,
                            Seen {
                                facts,
                                message,
                                gone: &|| gone,
                            },
                        )
                        .await;
                    session.give(NOW, Input::Answer(answer));
                }
                Output::Wait { .. } => match client.read(session.room()) {
                    Some(octets) => session.give(NOW, Input::Bytes(octets)),
                    None => session.give(NOW, Input::Eof),
                },
                Output::StartTls => session.give(NOW, Input::Eof),
                Output::Close => break,
            }
        }
        reception.end(NOW, End::Reset).await;
        self.pipeline.followers().drained().await;
    }
}

/// Every linked filter in one tier, asked and not heeded, so that all mail is delivered whatever they say.
fn everybody(bench: &Bench) -> Vec<Vec<Slot>> {
    let registry = registry().expect("a registry without mistakes");
    let filters = filters(bench.services()).expect("a registry without mistakes");
    let slot = |(name, filter)| Slot {
        mode: Mode::Monitor,
        ..Slot::of(registry[name], filter)
    };
    vec![filters.into_iter().map(slot).collect()]
}

fn measure(criterion: &mut Criterion, name: &str, listener: &Listener, bench: &Bench) {
    let to = "carl@d.example";
    let mut group = criterion.benchmark_group(name);
    let mut session = |id: BenchmarkId, throughput: Throughput, script: &Script, messages: usize| {
        let before = listener.ways.taken();
        bench.wait(listener.serve(script));
        assert_eq!(listener.ways.taken() - before, messages, "what is measured works");
        group.throughput(throughput);
        group.bench_with_input(id, script, |bencher, script| {
            bencher.iter(|| bench.wait(listener.serve(black_box(script))));
        });
    };
    for (size_name, size) in SIZES {
        let script = Script::messages(Manner::Lockstep, 1, to, &mail(size, 1));
        session(
            BenchmarkId::new("one_message", size_name),
            Throughput::Bytes(size as u64),
            &script,
            1,
        );
    }
    for (manner_name, manner) in [("lockstep", Manner::Lockstep), ("pipelined", Manner::Pipelined)] {
        let script = Script::messages(manner, MANY, to, &mail(4_000, 1));
        session(
            BenchmarkId::new("fifty_messages", manner_name),
            Throughput::Elements(MANY as u64),
            &script,
            MANY,
        );
    }
    let script = Script::refused(Manner::Lockstep, "carl@elsewhere.example");
    session(
        BenchmarkId::from_parameter("refusal_at_rcpt"),
        Throughput::Elements(1),
        &script,
        0,
    );
    group.finish();
}

fn end_to_end(criterion: &mut Criterion) {
    let bench = Bench::new();
    for (name, tiers, client) in [
        ("end_to_end/no_filter", Vec::new(), ClientMode::None),
        ("end_to_end/no_filter_xclient", Vec::new(), ClientMode::XClient),
        ("end_to_end/all_linked", everybody(&bench), ClientMode::None),
    ] {
        measure(criterion, name, &Listener::new(&bench, tiers, client), &bench);
    }
}

criterion_group!(benches, end_to_end);
criterion_main!(benches);
