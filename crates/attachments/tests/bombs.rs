//! Mails made to wear us out: each is a finding and is not refused for it, each ends without a clock, and in bounded memory.
//!
//! The bound: while a mail is looked at, the process grows by at most twice [`Limits`]`.memory` and the mail itself. It is
//! the kernel's word, the peak of what is resident (`VmHWM`), which is set back before each.
#![cfg(target_os = "linux")]

#[path = "packed/mod.rs"]
mod packed;

use std::io::{Read, Write};
use std::sync::Mutex;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use gatepost_attachments::Config;
use gatepost_attachments::look::look;
use gatepost_attachments::rule::{Action, Rule, Side};
use gatepost_containers::Limits;
use gatepost_core::Message;
use packed::encoded::base64;
use packed::written::{Member, deflated, overlapping, stored, tape, zip};

/// Tests of one process look at one mail at a time, or the peak is not theirs.
static ALONE: Mutex<()> = Mutex::new(());

const MEGABYTE: u64 = 1 << 20;

/// Peak of what was resident since it was set back, in octets.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    let number = line.split_whitespace().nth(1).expect("a number");
    number.parse::<u64>().expect("kilobytes") * 1_024
}

fn mail(name: &str, octets: &[u8]) -> Vec<u8> {
    format!(
        "From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream; name=\"{name}\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}",
        base64(octets)
    )
    .into_bytes()
}

/// What is found in a mail, which is never refused; how many files were seen.
fn found(mail: Vec<u8>) -> (Vec<Rule>, usize) {
    let config = Config::default();
    let (policy, how) = (config.policy().expect("a policy"), config.how().expect("bounds"));
    let Limits { memory, .. } = how.limits;
    let (message, size) = (Message::from_bytes(mail.clone()), mail.len() as u64);
    drop(mail);
    std::fs::write("/proc/self/clear_refs", "5").expect("the peak is set back");
    let before = peak();
    let contents = look(&message, &how, &|| false);
    let grown = peak().saturating_sub(before);
    assert!(
        grown <= 2 * memory as u64 + size,
        "grown by {grown} octets for a mail of {size}"
    );
    let hits = policy.judge(&contents, Side::External, &[]);
    assert!(hits.iter().all(|hit| hit.action < Action::Hold), "{hits:?}");
    let mut rules: Vec<Rule> = hits.iter().map(|hit| hit.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    (rules, contents.files.len())
}

/// That a bound was passed.
fn is_told(mail: Vec<u8>) -> bool {
    let (rules, _) = found(mail);
    rules.contains(&Rule::Bomb) || rules.contains(&Rule::Bounds)
}

/// So many zeros as a member of a zip; they are never all in memory.
fn zeros(name: &str, octets: u64) -> Member {
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::best());
    std::io::copy(&mut std::io::repeat(0).take(octets), &mut packer).expect("to memory");
    Member {
        data: packer.finish().expect("to memory"),
        method: 8,
        unpacked: octets as u32,
        ..stored(name, b"")
    }
}

#[test]
fn a_thousand_times_larger_than_packed() {
    let _alone = ALONE.lock();
    assert!(is_told(mail("a.zip", &zip(&[zeros("zeros.dat", 90 * MEGABYTE)]))));
}

#[test]
fn more_zeros_than_are_unpacked() {
    let _alone = ALONE.lock();
    assert!(is_told(mail("a.zip", &zip(&[zeros("zeros.dat", 300 * MEGABYTE)]))));
}

#[test]
fn zeros_packed_twice() {
    let _alone = ALONE.lock();
    let pack = |mut octets: Box<dyn Read>| {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        std::io::copy(&mut octets, &mut packer).expect("to memory");
        packer.finish().expect("to memory")
    };
    let once = pack(Box::new(std::io::repeat(0).take(300 * MEGABYTE)));
    let twice = pack(Box::new(std::io::Cursor::new(once)));
    assert!(twice.len() < 8_192);
    assert!(is_told(mail("a.gz", &twice)));
}

#[test]
fn ten_thousand_members() {
    let _alone = ALONE.lock();
    let member = |number: usize| deflated(&format!("{number}.txt"), b"a text");
    let members: Vec<_> = (0..10_000).map(member).collect();
    let (rules, files) = found(mail("a.zip", &zip(&members)));
    assert!(rules.contains(&Rule::Bounds), "{rules:?}");
    assert!(files <= 1_001, "{files}");
    let mut tar: Vec<u8> = (0..10_000)
        .flat_map(|number| tape(&format!("{number}.txt"), b'0', b"a text"))
        .collect();
    tar.resize(tar.len() + 1_024, 0);
    assert!(is_told(mail("a.tar", &tar)));
}

#[test]
fn a_thousand_zips_one_in_another() {
    let _alone = ALONE.lock();
    let mut octets = b"at last".to_vec();
    for _ in 0..1_000 {
        octets = zip(&[stored("a.zip", &octets)]);
    }
    assert!(is_told(mail("a.zip", &octets)));
}

#[test]
fn a_thousand_multiparts_and_mails_one_in_another() {
    let _alone = ALONE.lock();
    let mut text = "Content-Type: text/plain\r\n\r\nat last\r\n".to_owned();
    for number in 0..1_000 {
        text = format!(
            "Content-Type: multipart/mixed; boundary=b{number}e\r\n\r\n--b{number}e\r\n{text}\r\n--b{number}e--\r\n"
        );
    }
    assert!(is_told(text.into_bytes()));
    let mut text = "Subject: last\r\n\r\nat last\r\n".to_owned();
    for _ in 0..1_000 {
        text = format!("Content-Type: message/rfc822\r\n\r\n{text}");
    }
    assert!(is_told(text.into_bytes()));
}

#[test]
fn ten_thousand_parts() {
    let _alone = ALONE.lock();
    let part = "--b\r\nContent-Type: application/octet-stream; name=a.dat\r\n\r\na\r\n";
    let mail = format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n",
        part.repeat(10_000)
    );
    assert!(is_told(mail.into_bytes()));
}

#[test]
fn sixteen_zips_in_each_of_sixteen_five_times_over() {
    let _alone = ALONE.lock();
    let mut octets = zip(&[zeros("zeros.dat", 900 * 1_024)]);
    for _ in 0..4 {
        let names: Vec<String> = (0..16).map(|number| format!("lib {number}.zip")).collect();
        let members: Vec<_> = names.iter().map(|name| deflated(name, &octets)).collect();
        octets = zip(&members);
    }
    assert!(is_told(mail("42.zip", &octets)));
}

#[test]
fn members_that_lie_over_one_another() {
    let _alone = ALONE.lock();
    let octets = overlapping("zeros", &zeros("zeros0", 20 * MEGABYTE), 5_000);
    let (rules, _) = found(mail("a.zip", &octets));
    assert!(
        rules.contains(&Rule::Bomb) || rules.contains(&Rule::Bounds),
        "{rules:?}"
    );
}

#[test]
fn a_part_that_is_longer_than_is_looked_at() {
    let _alone = ALONE.lock();
    let mut octets = Vec::new();
    octets.write_all(&vec![b'a'; 30 << 20]).expect("to memory");
    assert!(is_told(mail("a.dat", &octets)));
}
