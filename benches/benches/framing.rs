//! Lines, commands, replies and bodies in and out of bytes, each beside a rival as one writes it in an afternoon.
//!
//! The rivals do less: they check nothing and hold without bound. What ours costs more, that is the price of it.

use std::hint::black_box;
use std::io::BufRead;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gatepost_benches::SIZES;
use gatepost_core::smtp::body::{BodyReader, BodyWriter, Strictness};
use gatepost_core::smtp::line::Lines;
use gatepost_core::smtp::reply::ReplyReader;
use gatepost_core::smtp::{Command, Offer};
use gatepost_testkit::bench::mail;

/// So much is read at once, as by the session.
const BLOCK: usize = 16 * 1024;
/// The command lines or replies of one measurement are repeated so often.
const TIMES: usize = 100;
const COMMANDS: &str = "EHLO mail.b.example\r\nMAIL FROM:<ann@b.example> SIZE=4000 BODY=8BITMIME\r\n\
    RCPT TO:<carl@d.example> NOTIFY=FAILURE,DELAY\r\nRCPT TO:<\"odd user\"@sub.d.example>\r\nDATA\r\nRSET\r\nNOOP\r\nQUIT\r\n";
const REPLIES: &str = "220 mx.d.example ESMTP\r\n250-mx.d.example\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n\
    250 ENHANCEDSTATUSCODES\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n\
    250 2.0.0 Ok: queued as 4XyZ1234\r\n550-5.7.1 Message refused\r\n550 5.7.1 See https://d.example/why\r\n221 2.0.0 Bye\r\n";

/// The reader of bodies that stands in many programs: lines by `read_until`, an end wherever a line is one dot. Since it
/// ends at LF . LF too, mail can be smuggled past it.
fn linewise_read(mut wire: &[u8], out: &mut Vec<u8>) {
    let mut line = Vec::new();
    while let Ok(1..) = wire.read_until(b'\n', &mut line) {
        while matches!(line.last(), Some(b'\r' | b'\n')) {
            line.pop();
        }
        if line == b"." {
            return;
        }
        out.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        out.extend_from_slice(b"\r\n");
        line.clear();
    }
}

/// The writer of bodies that looks at each octet and the one before.
fn bytewise_write(content: &[u8], out: &mut Vec<u8>) {
    let mut before = b'\n';
    for octet in content {
        if *octet == b'.' && before == b'\n' {
            out.push(b'.');
        }
        if *octet == b'\n' && before != b'\r' {
            out.push(b'\r');
        }
        out.push(*octet);
        before = *octet;
    }
    out.extend_from_slice(b".\r\n");
}

/// The parser that splits at spaces and angle brackets and believes what it finds.
fn splitting_commands(wire: &str) -> Vec<(String, Option<String>)> {
    let command = |line: &str| {
        let verb = line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        let address = line
            .split_once('<')
            .and_then(|(_, rest)| rest.split_once('>'))
            .map(|(address, _)| address.into());
        (verb, address)
    };
    wire.lines().map(command).collect()
}

/// The reader of replies that keeps lines until one has a space behind its code.
fn splitting_replies(wire: &str) -> Vec<(u16, Vec<String>)> {
    let (mut replies, mut text) = (Vec::new(), Vec::new());
    for line in wire.lines() {
        text.push(line.get(4..).unwrap_or_default().to_owned());
        if line.as_bytes().get(3) != Some(&b'-') {
            let code = line.get(..3).and_then(|code| code.parse().ok()).unwrap_or_default();
            replies.push((code, std::mem::take(&mut text)));
        }
    }
    replies
}

/// A mail in which each tenth line or so begins with a dot.
fn dotted(size: usize) -> Vec<u8> {
    let mut mail = mail(size, 1);
    let starts: Vec<usize> = mail
        .windows(2)
        .enumerate()
        .filter(|(_, two)| *two == b"\r\n")
        .map(|(at, _)| at + 2)
        .collect();
    for start in starts.into_iter().skip(12).step_by(10) {
        if let Some(octet) = mail.get_mut(start).filter(|octet| octet.is_ascii_alphabetic()) {
            *octet = b'.';
        }
    }
    mail
}

fn read(wire: &[u8], out: &mut Vec<u8>) {
    let mut reader = BodyReader::new(Strictness::default());
    for block in wire.chunks(BLOCK) {
        if reader.read(block, out).ended {
            break;
        }
    }
}

fn write(content: &[u8], out: &mut Vec<u8>) {
    let mut writer = BodyWriter::new();
    writer.write(content, out);
    writer.finish(out);
}

fn bodies(criterion: &mut Criterion) {
    let (mut wire, mut out) = (Vec::new(), Vec::new());
    let mut group = criterion.benchmark_group("body_read");
    for (name, size) in SIZES {
        let content = dotted(size);
        wire.clear();
        write(&content, &mut wire);
        for reader in [read, linewise_read] {
            out.clear();
            reader(&wire, &mut out);
            assert_eq!(out, content, "both read the same");
        }
        group.throughput(Throughput::Bytes(wire.len() as u64));
        for (who, reader) in [("ours", read as fn(&[u8], &mut Vec<u8>)), ("linewise", linewise_read)] {
            group.bench_with_input(BenchmarkId::new(who, name), &wire, |bencher, wire| {
                bencher.iter(|| {
                    out.clear();
                    reader(black_box(wire), &mut out);
                    out.len()
                });
            });
        }
    }
    // The most line ends that a message can have.
    let newlines = vec![b'\n'; 1_000_000];
    group.throughput(Throughput::Bytes(newlines.len() as u64));
    group.bench_function("ours/1MB_of_LF", |bencher| {
        bencher.iter(|| {
            out.clear();
            read(black_box(&newlines), &mut out);
            out.len()
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("body_write");
    for (name, size) in SIZES {
        let content = dotted(size);
        for (who, writer) in [("ours", write as fn(&[u8], &mut Vec<u8>)), ("bytewise", bytewise_write)] {
            out.clear();
            writer(&content, &mut out);
            wire.clear();
            write(&content, &mut wire);
            assert_eq!(out, wire, "both write the same");
            group.throughput(Throughput::Bytes(content.len() as u64));
            group.bench_with_input(BenchmarkId::new(who, name), &content, |bencher, content| {
                bencher.iter(|| {
                    out.clear();
                    writer(black_box(content), &mut out);
                    out.len()
                });
            });
        }
    }
    group.finish();
}

/// Reads all commands out of pieces of `cut` octets; how many were legal.
fn parse(wire: &[u8], cut: usize, offer: &Offer) -> usize {
    let (mut lines, mut legal) = (Lines::new(), 0);
    for piece in wire.chunks(cut) {
        lines.give(piece);
        while let Some(line) = lines.next(2048, true) {
            legal += usize::from(line.is_ok_and(|line| black_box(Command::parse(line, offer)).is_ok()));
        }
    }
    legal
}

fn commands(criterion: &mut Criterion) {
    let wire = COMMANDS.repeat(TIMES);
    let offer = Offer {
        size: Some(0),
        eight_bit_mime: true,
        dsn: true,
        ..Offer::default()
    };
    assert_eq!(parse(wire.as_bytes(), 1, &offer), COMMANDS.lines().count() * TIMES);
    let mut group = criterion.benchmark_group("commands");
    group.throughput(Throughput::Bytes(wire.len() as u64));
    for (name, cut) in [("ours/in_blocks", 1400), ("ours/in_octets", 1)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| parse(black_box(wire.as_bytes()), cut, &offer))
        });
    }
    group.bench_function("splitting", |bencher| {
        bencher.iter(|| splitting_commands(black_box(&wire)))
    });
    group.finish();
}

/// Reads all replies out of pieces of `cut` octets; how many were legal.
fn hear(wire: &[u8], cut: usize) -> usize {
    let (mut reader, mut legal) = (ReplyReader::new(), 0);
    for piece in wire.chunks(cut) {
        reader.give(piece);
        while let Some(reply) = reader.next() {
            legal += usize::from(black_box(reply).is_ok());
        }
    }
    legal
}

fn replies(criterion: &mut Criterion) {
    let wire = REPLIES.repeat(TIMES);
    assert_eq!(hear(wire.as_bytes(), 1), splitting_replies(&wire).len());
    let mut group = criterion.benchmark_group("replies");
    group.throughput(Throughput::Bytes(wire.len() as u64));
    for (name, cut) in [("ours/in_blocks", 1400), ("ours/in_octets", 1)] {
        group.bench_function(name, |bencher| bencher.iter(|| hear(black_box(wire.as_bytes()), cut)));
    }
    group.bench_function("splitting", |bencher| {
        bencher.iter(|| splitting_replies(black_box(&wire)))
    });
    group.finish();
}

criterion_group!(benches, bodies, commands, replies);
criterion_main!(benches);
