//! The machine towards the mail server, from the greeting to QUIT, with a server in memory that answers at once.
//!
//! What the server costs is within, and it is little: it looks for the ends of lines and of messages only.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gatepost_benches::server::{Line, Server, settings};
use gatepost_benches::{MANY, SIZES};
use gatepost_core::smtp::relay::{Client, ClientMode, Order, Outcome, RelaySettings};
use gatepost_core::{Helo, MailParams, Path, RcptParams, Time};
use gatepost_testkit::FakeClock;
use gatepost_testkit::bench::mail;

const NOW: Time = FakeClock::START;

struct Envelope {
    from: Path,
    params: MailParams,
    to: Path,
    rcpt: RcptParams,
}

fn envelope() -> Envelope {
    Envelope {
        from: Path::reverse("ann@b.example", false).expect("a path"),
        params: MailParams {
            size: Some(4_000),
            ..MailParams::default()
        },
        to: Path::forward("carl@d.example", false).expect("a path"),
        rcpt: RcptParams::default(),
    }
}

fn client() -> Client {
    Client {
        ip: [192, 0, 2, 1].into(),
        port: 25_000,
        name: Some("mail.b.example".into()),
        helo: Some(Helo {
            name: "mail.b.example".into(),
            extended: true,
        }),
        tls: false,
        login: None,
    }
}

/// Sends `count` messages over one connection to a server that `grants` recipients or not; how many it took.
fn play(settings: &Arc<RelaySettings>, envelope: &Envelope, count: usize, content: &[u8], grants: bool) -> usize {
    let Envelope { from, params, to, rcpt } = envelope;
    let mut line = Line::open(settings, client(), Server::new(grants), NOW).expect("a server that greets");
    for _ in 0..count {
        let granted = line.order(Order::Envelope { from, params, to, rcpt });
        if matches!(granted, Outcome::Recipient(reply) if reply.is_done()) {
            line.order(Order::Data);
            black_box(line.send(content, content.len() as u64, || false));
        } else {
            black_box(line.order(Order::Reset));
        }
    }
    line.close()
}

fn relays(criterion: &mut Criterion) {
    let (plain, introduced, envelope) = (settings(ClientMode::None), settings(ClientMode::XClient), envelope());
    let mut group = criterion.benchmark_group("relay");
    for (name, size) in SIZES {
        let content = mail(size, 1);
        assert_eq!(play(&plain, &envelope, 1, &content, true), 1);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_with_input(BenchmarkId::new("one_message", name), &content, |bencher, content| {
            bencher.iter(|| play(&plain, &envelope, 1, black_box(content), true));
        });
    }
    let content = mail(4_000, 1);
    assert_eq!(play(&introduced, &envelope, 1, &content, true), 1);
    group.bench_with_input(
        BenchmarkId::new("one_message_with_xclient", "4kB"),
        &content,
        |bencher, content| {
            bencher.iter(|| play(&introduced, &envelope, 1, black_box(content), true));
        },
    );
    assert_eq!(play(&plain, &envelope, MANY, &content, true), MANY);
    group.throughput(Throughput::Elements(MANY as u64));
    group.bench_with_input(
        BenchmarkId::new("fifty_messages", "4kB"),
        &content,
        |bencher, content| {
            bencher.iter(|| play(&plain, &envelope, MANY, black_box(content), true));
        },
    );
    assert_eq!(play(&plain, &envelope, 1, &content, false), 0);
    group.throughput(Throughput::Elements(1));
    group.bench_function("refusal_at_rcpt", |bencher| {
        bencher.iter(|| play(&plain, black_box(&envelope), 1, &[], false));
    });
    group.finish();
}

criterion_group!(benches, relays);
criterion_main!(benches);
