//! What the filter `clamav` adds to a scan: a clamd that reads the mail and answers at once, on a Unix socket.
//!
//! `scan` is the filter, from the message to the opinion. `socket` is the least that a scan can be: the same octets written
//! to the same server, and its answer read. Their difference is ours; the budget is 0.2 ms.
#![allow(clippy::disallowed_types, reason = "the other side of the socket is played here")]

use std::hint::black_box;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gatepost_clamav::Clamav;
use gatepost_core::{Entry, Filter, Options, Phase};
use gatepost_testkit::bench::{Bench, corpus};

fn serve(stream: UnixStream) -> io::Result<()> {
    let mut from = BufReader::with_capacity(128 * 1024, &stream);
    let mut command = Vec::new();
    while command.last() != Some(&0) {
        let mut one = [0];
        from.read_exact(&mut one)?;
        command.push(one[0]);
    }
    if command != b"zINSTREAM\0" {
        return (&stream).write_all(b"ClamAV 1.4.6\0");
    }
    loop {
        let mut header = [0; 4];
        from.read_exact(&mut header)?;
        match u64::from(u32::from_be_bytes(header)) {
            0 => return (&stream).write_all(b"stream: OK\0"),
            // It may announce more than it sends: that is how a filter asks for clamd's limit.
            length => drop(io::copy(&mut from.by_ref().take(length), &mut io::sink())?),
        }
    }
}

fn clamd(path: &Path) {
    let listener = UnixListener::bind(path).expect("a socket");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Who leaves early is no trouble of the others.
            let _ = serve(stream);
        }
    });
}

fn framed(octets: &[u8]) -> Vec<u8> {
    let mut out = b"zINSTREAM\0".to_vec();
    for chunk in octets.chunks(64 * 1024) {
        out.extend_from_slice(&(chunk.len() as u32).to_be_bytes());
        out.extend_from_slice(chunk);
    }
    out.extend_from_slice(&[0; 4]);
    out
}

fn scan(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("clamd.ctl");
    clamd(&path);
    let bench = Bench::new();
    let options = serde_json::json!({ "servers": [path] });
    let options = Options::new(options.as_object().cloned().expect("a table"));
    let filter: Arc<dyn Filter> = Entry::of::<Clamav>()
        .build(options, bench.services())
        .expect("a filter");
    let mut group = criterion.benchmark_group("clamav");
    for (size, message) in &corpus() {
        group.throughput(Throughput::Bytes(message.len()));
        group.bench_with_input(BenchmarkId::new("scan", size), message, |bencher, message| {
            bencher.iter(|| {
                let opinion = bench.ask(&*filter, Phase::Message, black_box(message));
                assert!(opinion.is_ok_and(|opinion| opinion.is_none()));
            });
        });
        let mut octets = Vec::new();
        message.read().read_to_end(&mut octets).expect("memory");
        let framed = framed(&octets);
        group.bench_with_input(BenchmarkId::new("socket", size), &framed, |bencher, framed| {
            bencher.iter(|| {
                let mut stream = UnixStream::connect(&path).expect("a clamd");
                stream.write_all(black_box(framed)).expect("a clamd that reads");
                let mut answer = [0; 64];
                assert!(stream.read(&mut answer).expect("an answer") > 0);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, scan);
criterion_main!(benches);
