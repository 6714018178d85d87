//! The head of a mail: found, parsed, and edited.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gatepost_core::Bytes;
use gatepost_core::message::{Edit, Edits, Headers, Message, Protocol, Received, SubjectTag, split};
use gatepost_testkit::bench::mail;

/// A parser as one writes it in an afternoon: text, lines, names and values of their own, folds undone at once.
fn owned_fields(head: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(head);
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines().take_while(|line| !line.is_empty()) {
        match (line.starts_with([' ', '\t']), fields.last_mut(), line.split_once(':')) {
            (true, Some((_, value)), _) => {
                value.push(' ');
                value.push_str(line.trim());
            }
            (_, _, Some((name, value))) => fields.push((name.to_ascii_lowercase(), value.trim().into())),
            _ => {}
        }
    }
    fields
}

/// A mail that has been around: five hops, signatures, a list's fields, and marks of somebody's spam filter.
fn travelled() -> Vec<u8> {
    let mut head = String::new();
    for hop in 0..5 {
        head.push_str(&format!(
            "Received: from h{hop}.b.example (h{hop}.b.example [192.0.2.{hop}])\r\n\tby h{}.b.example (Postfix) with ESMTPS id \
             4XyZ{hop}\r\n\tfor <list@b.example>; Mon, 05 Jan 2026 12:00:0{hop} +0000 (UTC)\r\n",
            hop + 1
        ));
    }
    let octets = "dGhlIHNpZ25hdHVyZSBvZiBub2JvZHkgaW4gcGFydGljdWxhciBhbmQgb2Yg\r\n\t ".repeat(5);
    for domain in ["b.example", "list.example"] {
        head.push_str(&format!(
            "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s=2026;\r\n\th=from:to:subject:date:message-id; \
             bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n\tb={octets}=\r\n"
        ));
    }
    head.push_str(
        "X-Spam-Flag: NO\r\nX-Spam-Score: -1.2\r\nX-Spam-Status: No, score=-1.2 required=5.0\r\n\ttests=BAYES_00,SPF_PASS\r\n\
         List-Id: A list <list.b.example>\r\nList-Unsubscribe: <mailto:list-leave@b.example>\r\nPrecedence: list\r\n\
         Authentication-Results: mx.b.example; spf=pass smtp.mailfrom=b.example; dkim=pass header.d=b.example\r\n",
    );
    [head.into_bytes(), mail(4_000, 1)].concat()
}

/// As many lines as are ever looked at, each a field.
fn crowded() -> Vec<u8> {
    let mut head: String = (0..1_000).map(|n| format!("X-Field-{n}: value {n}\r\n")).collect();
    head.push_str("\r\ntext\r\n");
    head.into_bytes()
}

fn corpus() -> [(&'static str, Message); 3] {
    [
        ("usual", mail(4_000, 1)),
        ("travelled", travelled()),
        ("crowded", crowded()),
    ]
    .map(|(name, octets)| (name, Message::from_bytes(octets)))
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("head");
    for (name, message) in corpus() {
        let head = Bytes::copy_from_slice(message.head());
        assert_eq!(
            Headers::parse(head.clone()).len(),
            owned_fields(&head).len(),
            "both see the same fields"
        );
        group.throughput(Throughput::Bytes(head.len() as u64));
        group.bench_with_input(BenchmarkId::new("split", name), &head, |bencher, head| {
            bencher.iter(|| split(black_box(head)));
        });
        group.bench_with_input(BenchmarkId::new("parse", name), &head, |bencher, head| {
            bencher.iter(|| Headers::parse(black_box(head).clone()));
        });
        group.bench_with_input(BenchmarkId::new("owned_fields", name), &head, |bencher, head| {
            bencher.iter(|| owned_fields(black_box(head)));
        });
    }
    group.finish();
}

fn received() -> Received<'static> {
    Received {
        helo: "mail.b.example",
        client_ip: [192, 0, 2, 1].into(),
        reverse: Some("mail.b.example"),
        by: "mx.d.example",
        with: Protocol::of(true, true, false, false),
        id: "4xyz12345abcdef",
        for_: Some("carl@d.example"),
        at_millis: 1_767_614_400_000,
        tls: Some(("TLSv1.3", "TLS_AES_128_GCM_SHA256")),
    }
}

fn edit(criterion: &mut Criterion) {
    let legal = "a legal name";
    let prepended = vec![
        Edit::Prepend(received().field()),
        Edit::prepend("X-Gatepost-Id", "4xyz12345abcdef.0123456789abc").expect(legal),
        Edit::prepend("X-Gatepost-Level", "low").expect(legal),
        Edit::prepend("X-Gatepost-Score", "3.50").expect(legal),
    ];
    let mut removed = prepended.clone();
    for name in ["X-Spam-Flag", "X-Spam-Score", "X-Spam-Status", "Authentication-Results"] {
        removed.push(Edit::remove(name).expect(legal));
    }
    let mut tagged = removed.clone();
    tagged.push(Edit::Subject(SubjectTag::new("[SPAM?]").expect("a legal tag")));

    let mut group = criterion.benchmark_group("edits");
    group.bench_function("received_field", |bencher| {
        bencher.iter(|| black_box(received()).field())
    });
    for (what, edits) in [("prepend", prepended), ("remove", removed), ("tag", tagged)] {
        let edits = Edits::from(edits);
        for (name, message) in corpus() {
            // Others have asked for the fields before.
            assert!(!message.headers().is_empty());
            group.throughput(Throughput::Bytes(message.head().len() as u64));
            group.bench_with_input(BenchmarkId::new(what, name), &message, |bencher, message| {
                bencher.iter(|| edits.apply(black_box(message)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, parse, edit);
criterion_main!(benches);
