//! What proving a mail costs where DNS answers from memory: SPF, two signatures and DMARC of a mail of 6 kB; and what one
//! costs that tries to make it dear.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gatepost_core::{Helo, Identify, Message, Path, Sender, Spf};
use gatepost_spf_dkim_dmarc::canon::Body;
use gatepost_spf_dkim_dmarc::dkim::Canonicalization;
use gatepost_spf_dkim_dmarc::dmarc::record::Record;
use gatepost_spf_dkim_dmarc::{Identifier, Settings};
use gatepost_testkit::{Fakes, Zone};

const KEYS: &str = include_str!("../../fixtures/dialogues/spf_dkim_dmarc/keys.zone");
const SIX: &[u8] = include_bytes!("../../fixtures/dialogues/spf_dkim_dmarc/six-kilobytes.eml");
const ZONE: &str = "b.example TXT \"v=spf1 ip4:198.51.100.0/24 include:spf.provider.example -all\"\n\
                    spf.provider.example TXT \"v=spf1 ip4:203.0.113.0/24 ip4:192.0.2.0/24 -all\"\n\
                    _dmarc.b.example TXT \"v=DMARC1; p=reject; rua=mailto:reports@b.example\"\n";

/// A key of 16384 bits as DNS has it.
fn giant() -> String {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".as_bytes();
    let modulus = [
        vec![0x02, 0x82, 0x08, 0x01, 0x00],
        vec![0xff; 2_048],
        vec![2, 3, 1, 0, 1],
    ]
    .concat();
    let length = u16::try_from(modulus.len()).expect("a short key").to_be_bytes();
    let der = [vec![0x30, 0x82], length.to_vec(), modulus].concat();
    let group = |three: &[u8]| {
        let bits = three.iter().fold(0_u32, |bits, &octet| bits << 8 | u32::from(octet)) << (8 * (3 - three.len()));
        (0..=three.len())
            .map(|n| char::from(alphabet[(bits >> (18 - 6 * n) & 63) as usize]))
            .collect::<String>()
    };
    let text: String = der.chunks(3).map(group).collect();
    let strings: Vec<String> = text
        .as_bytes()
        .chunks(200)
        .map(|part| format!("\"{}\"", String::from_utf8_lossy(part)))
        .collect();
    format!("\"v=DKIM1; k=rsa; p=\" {}", strings.join(" "))
}

struct House {
    runtime: tokio::runtime::Runtime,
    service: Identifier,
    sender: Sender,
}

impl House {
    fn new(zone: &str) -> House {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let fakes = Fakes::with_zone(Zone::parse(zone).expect("a zone"));
        let helo = Helo {
            name: "mail.b.example".into(),
            extended: true,
        };
        let from = Path::reverse("ann@b.example", false).expect("a path");
        House {
            service: Identifier::new(&fakes.services(), Settings::default()),
            sender: Sender::new("192.0.2.1".parse().expect("an address"), Some(helo), from),
            runtime,
        }
    }

    fn spf(&self) -> Spf {
        self.runtime.block_on(self.service.spf(&self.sender)).expect("no fault")
    }

    fn prove(&self, spf: &Spf, mail: &[u8]) -> gatepost_core::Identity {
        let message = Arc::new(Message::from_bytes(mail.to_vec()));
        let proven = self.service.identity(&self.sender, spf, &message);
        self.runtime.block_on(proven).expect("no fault")
    }
}

fn usual(criterion: &mut Criterion) {
    let house = House::new(&format!("{KEYS}{ZONE}"));
    let spf = house.spf();
    let proven = house.prove(&spf, SIX);
    assert!(proven.aligned && proven.proven.len() == 3, "{proven:?}");
    let mut group = criterion.benchmark_group("proofs");
    group.bench_function("spf", |bencher| bencher.iter(|| house.spf()));
    group.bench_function("two signatures and dmarc, 6 kB", |bencher| {
        bencher.iter(|| house.prove(black_box(&spf), black_box(SIX)))
    });
    group.finish();
}

/// Two thousand signatures with keys of 16384 bits.
fn dear(criterion: &mut Criterion) {
    let key = giant();
    let keys: String = (0..2_000)
        .map(|n| format!("s{n}._domainkey.b.example TXT {key}\n"))
        .take(5)
        .collect();
    let house = House::new(&format!("{keys}{ZONE}"));
    let b = "A".repeat(2_730);
    let sign = |n: usize| format!("DKIM-Signature: v=1; a=rsa-sha256; d=b.example; s=s{n}; h=from; bh=YQ==; b={b}\r\n");
    let many: String = (0..2_000).map(sign).collect();
    let mail = [many.as_bytes(), b"From: ann@b.example\r\n\r\n", &b"x".repeat(60_000)].concat();
    let spf = Spf::default();
    let proven = house.prove(&spf, &mail);
    assert!(
        proven.signatures.iter().all(|one| one.reason.contains("4096 bits")),
        "{proven:?}"
    );
    let mut group = criterion.benchmark_group("proofs");
    group.bench_function("two thousand signatures with giant keys", |bencher| {
        bencher.iter(|| house.prove(&spf, black_box(&mail)))
    });
    group.finish();
}

fn parts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("proofs");
    let record = b"v=DMARC1; p=reject; sp=quarantine; adkim=r; aspf=r; fo=1; rua=mailto:reports@b.example";
    group.bench_function("record of dmarc", |bencher| {
        bencher.iter(|| Record::parse(black_box(record)))
    });
    let body = gatepost_testkit::bench::mail(1 << 20, 1);
    group.throughput(Throughput::Bytes(body.len() as u64));
    for (name, form) in [
        ("simple", Canonicalization::Simple),
        ("relaxed", Canonicalization::Relaxed),
    ] {
        group.bench_function(format!("body of 1 MiB, {name}"), |bencher| {
            bencher.iter(|| {
                let mut hashed = Body::new(form, None);
                hashed.write(black_box(&body));
                hashed.finish()
            })
        });
    }
    group.finish();
}

criterion_group!(benches, usual, dear, parts);
criterion_main!(benches);
