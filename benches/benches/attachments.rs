//! The filter of attachments on mails that carry files, its default options, from the message to the opinion.
//!
//! Beside each stands what cannot be spared: its part decoded from base64 and hashed by nobody (`decoded`), its archive
//! unpacked by the same library and nothing looked at (`unpacked`).

use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use gatepost_core::{Evidence, Message, Phase, Score};
use gatepost_filters as _;
use gatepost_testkit::bench::{Bench, filters};

/// Words in no order, the same each time: what packs about as well as text does.
fn text(octets: usize) -> Vec<u8> {
    const WORDS: [&str; 12] = [
        "minutes ", "of ", "the ", "meeting ", "a ", "draft ", "that ", "nobody ", "will ", "read\r\n", "invoice ",
        "sum ",
    ];
    let (mut out, mut state) = (Vec::with_capacity(octets + 16), 7_u64);
    while out.len() < octets {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let word = WORDS[(state >> 33) as usize % WORDS.len()];
        out.extend_from_slice(word.as_bytes());
        out.extend_from_slice((state >> 50).to_string().as_bytes());
    }
    out
}

/// A picture by its first octets, noise behind them.
fn picture(octets: usize, n: u64) -> Vec<u8> {
    let (mut out, mut state) = (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(), n + 1);
    while out.len() < octets {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        out.extend_from_slice(&state.to_be_bytes());
    }
    out
}

/// A ZIP of these files, deflated; and each as it lies there.
fn zip(files: &[(&str, &[u8])]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (mut out, mut directory, mut packed) = (Vec::new(), Vec::new(), Vec::new());
    for (name, octets) in files {
        let mut crc = Crc::new();
        crc.update(octets);
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(octets).expect("memory");
        let deflated = encoder.finish().expect("memory");
        let mut common = vec![20, 0, 0, 0, 8, 0, 0, 0, 0x21, 0];
        for number in [crc.sum(), deflated.len() as u32, octets.len() as u32] {
            common.extend_from_slice(&number.to_le_bytes());
        }
        common.extend_from_slice(&(name.len() as u16).to_le_bytes());
        common.extend_from_slice(&[0, 0]);
        let at = out.len() as u32;
        directory.extend_from_slice(b"PK\x01\x02\x14\0");
        directory.extend_from_slice(&common);
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&at.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"PK\x03\x04");
        out.extend_from_slice(&common);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&deflated);
        packed.push(deflated);
    }
    let (at, count) = (out.len() as u32, (files.len() as u16).to_le_bytes());
    out.extend_from_slice(&directory);
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    out.extend_from_slice(&[count, count].concat());
    out.extend_from_slice(&(directory.len() as u32).to_le_bytes());
    out.extend_from_slice(&at.to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    (out, packed)
}

fn mail(files: &[(&str, &str, &[u8])]) -> Arc<Message> {
    let mut out = String::from(
        "From: Ann <ann@b.example>\r\nSubject: files\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nThey are enclosed.\r\n",
    );
    for (name, mime, octets) in files {
        out.push_str(&format!(
            "--b\r\nContent-Type: {mime}\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n"
        ));
        for line in octets.chunks(57) {
            BASE64.encode_string(line, &mut out);
            out.push_str("\r\n");
        }
    }
    out.push_str("--b--\r\n");
    Arc::new(Message::from_bytes(out.into_bytes()))
}

fn look(criterion: &mut Criterion) {
    let bench = Bench::new();
    let linked = filters(bench.services()).expect("a registry without mistakes");
    let (_, filter) = linked
        .iter()
        .find(|(name, _)| *name == "attachments")
        .expect("it is linked");

    let megabyte = text(1_024 * 1_024);
    let (archive, packed) = zip(&[("minutes.txt", &megabyte)]);
    let types = br#"<Types><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>"#;
    let body = [b"<w:document>".as_slice(), &text(200_000), b"</w:document>"].concat();
    let (docx, _) = zip(&[
        ("[Content_Types].xml", types),
        ("_rels/.rels", b"<Relationships/>"),
        ("word/document.xml", &body),
        ("word/media/image1.png", &picture(100_000, 99)),
    ]);
    let pictures: Vec<_> = (0..10).map(|n| picture(50_000, n)).collect();
    let names: Vec<_> = (0..10).map(|n| format!("picture{n}.png")).collect();
    let album: Vec<_> = names
        .iter()
        .zip(&pictures)
        .map(|(name, octets)| (&**name, "image/png", &**octets))
        .collect();
    const WORD: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
    let mails = [
        ("text", mail(&[])),
        ("zip_1MB", mail(&[("minutes.zip", "application/zip", &archive)])),
        ("docx", mail(&[("minutes.docx", WORD, &docx)])),
        ("ten_pictures", mail(&album)),
    ];

    let mut group = criterion.benchmark_group("attachments");
    for (name, message) in &mails {
        let opinion = bench.ask(&**filter, Phase::Message, message).expect("it works");
        let counts = |evidence: Evidence| matches!(evidence, Evidence::Points(points) if points > Score::ZERO);
        assert!(
            !opinion.findings().iter().any(|finding| counts(finding.evidence)),
            "{name}: {opinion:?}"
        );
        group.throughput(Throughput::Bytes(message.len()));
        group.bench_function(*name, |bencher| {
            bencher.iter(|| bench.ask(&**filter, Phase::Message, black_box(message)));
        });
    }
    group.throughput(Throughput::Bytes(megabyte.len() as u64));
    group.bench_function("zip_1MB/unpacked", |bencher| {
        bencher.iter(|| {
            let mut out = Vec::new();
            for deflated in &packed {
                DeflateDecoder::new(black_box(&**deflated))
                    .read_to_end(&mut out)
                    .expect("it unpacks");
            }
            assert_eq!(out.len(), megabyte.len());
        });
    });
    let encoded = BASE64.encode(&archive);
    group.bench_function("zip_1MB/decoded", |bencher| {
        bencher.iter(|| BASE64.decode(black_box(&encoded)).expect("base64"))
    });
    group.finish();
}

criterion_group!(benches, look);
criterion_main!(benches);
