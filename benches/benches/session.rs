//! The machine towards the client, from the greeting to QUIT, with a driver that grants everything at once.
//!
//! There is no I/O, no filter and no mail server: this is what reading and answering a client costs at least.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gatepost_benches::client::{Manner, Script};
use gatepost_benches::{MANY, SIZES};
use gatepost_core::smtp::session::{Answer, Facts, Input, Output, Question, Session, Settings};
use gatepost_core::{Enhanced, Reply, Time};
use gatepost_testkit::FakeClock;
use gatepost_testkit::bench::mail;

const NOW: Time = FakeClock::START;
const GREETING: Reply = Reply::plain(220, "mx.example ESMTP");
const OK: Reply = Reply::fixed(250, Enhanced(2, 0, 0), "Ok");
const GO_ON: Reply = Reply::plain(354, "End data with <CR><LF>.<CR><LF>");
const NO: Reply = Reply::fixed(550, Enhanced(5, 7, 1), "We do not relay");

/// Plays one session to its end. With `grants` all is granted, without it no recipient.
fn play(settings: &Arc<Settings>, script: &Script, grants: bool) -> Facts {
    let mut session = Session::new(Arc::clone(settings), None, NOW);
    let mut client = script.begin();
    loop {
        match session.poll(NOW) {
            Output::Write(octets) | Output::Body(octets) => drop(black_box(octets)),
            Output::Ask(question) => {
                let reply = match question {
                    Question::Connect => GREETING,
                    Question::Rcpt { .. } if !grants => NO,
                    Question::Data => GO_ON,
                    _ => OK,
                };
                session.give(NOW, Input::Answer(Answer::Reply(reply)));
            }
            Output::Wait { .. } => match client.read(session.room()) {
                Some(octets) => session.give(NOW, Input::Bytes(octets)),
                None => session.give(NOW, Input::Eof),
            },
            Output::StartTls => session.give(NOW, Input::Eof),
            Output::Close => return *session.facts(),
        }
    }
}

fn sessions(criterion: &mut Criterion) {
    let settings = Arc::new(Settings::new("mx.example"));
    let mut group = criterion.benchmark_group("session");
    for (name, size) in SIZES {
        let script = Script::messages(Manner::Pipelined, 1, "carl@d.example", &mail(size, 1));
        assert_eq!(play(&settings, &script, true).accepted, 1);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_with_input(BenchmarkId::new("one_message", name), &script, |bencher, script| {
            bencher.iter(|| play(&settings, black_box(script), true));
        });
    }
    for (name, manner) in [("lockstep", Manner::Lockstep), ("pipelined", Manner::Pipelined)] {
        let script = Script::messages(manner, MANY, "carl@d.example", &mail(4_000, 1));
        assert_eq!(play(&settings, &script, true).accepted as usize, MANY);
        group.throughput(Throughput::Elements(MANY as u64));
        group.bench_with_input(BenchmarkId::new("fifty_messages", name), &script, |bencher, script| {
            bencher.iter(|| play(&settings, black_box(script), true));
        });
        let script = Script::refused(manner, "carl@d.example");
        assert_eq!(play(&settings, &script, false).errors, 1);
        group.throughput(Throughput::Elements(1));
        group.bench_with_input(BenchmarkId::new("refusal_at_rcpt", name), &script, |bencher, script| {
            bencher.iter(|| play(&settings, black_box(script), false));
        });
    }
    group.finish();
}

criterion_group!(benches, sessions);
criterion_main!(benches);
