//! A collection of mail is read to its end, whatever its octets are, in mails that are within their bound; and what was
//! written as mbox or tar comes back octet for octet.
//!
//! The input: one octet for the kind, then the file, or mails with 0xff between them.
#![no_main]

use std::io::{Cursor, Read};

use gatepost_training::sources::Contents;
use gatepost_training::sources::mbox::{Cut, Splitter, with_crlf};
use gatepost_training::sources::tar::Tar;

/// The longest mail.
const MAX: usize = 1 << 16;
const FROM: &[u8] = b"From a@b.example Thu Aug 22 13:17:22 2002\n";

fn read(file: &[u8], whole: bool) {
    let Ok(contents) = Contents::of(Cursor::new(file.to_vec()), whole, MAX) else {
        return;
    };
    for (_, mail) in contents {
        if let Ok(mail) = mail {
            // Each LF may have become two octets.
            assert!(!mail.is_empty() && mail.len() <= 2 * MAX);
            assert_eq!(with_crlf(&mail), mail);
        }
    }
}

/// As mboxrd has it. A CR before the line end would be taken for a part of it.
fn mbox(mails: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for mail in mails {
        out.extend_from_slice(FROM);
        for line in mail.split_inclusive(|octet| *octet == b'\n') {
            let quotes = line.iter().take_while(|octet| **octet == b'>').count();
            if line[quotes..].starts_with(b"From ") {
                out.push(b'>');
            }
            out.extend_from_slice(line.strip_suffix(b"\r\n").unwrap_or(line));
            out.push(b'\n');
        }
        out.push(b'\n');
    }
    out
}

fn mail(octets: &[u8]) -> Vec<u8> {
    let mut octets: Vec<u8> = octets.iter().copied().filter(|octet| *octet != b'\r').collect();
    if octets.last().is_some_and(|last| *last != b'\n') {
        octets.push(b'\n');
    }
    with_crlf(&octets)
}

fn tar(files: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for file in files {
        let mut header = [0; 512];
        header[0] = b'n';
        header[124..135].copy_from_slice(format!("{:011o}", file.len()).as_bytes());
        header[148..156].fill(b' ');
        let sum: u64 = header.iter().copied().map(u64::from).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        out.extend_from_slice(&header);
        out.extend_from_slice(file);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((kind, octets)) = data.split_first() else {
        return;
    };
    let parts = || octets.split(|octet| *octet == 0xff);
    match kind % 4 {
        0 => read(octets, false),
        1 => read(octets, true),
        2 => {
            let mails: Vec<Vec<u8>> = parts().map(mail).collect();
            let (written, mut splitter) = (mbox(&mails), Splitter::new(MAX));
            let mut from = written.as_slice();
            for mail in mails {
                assert_eq!(splitter.next(&mut from).expect("memory"), Some(Cut::Mail(mail)));
            }
            assert_eq!(splitter.next(&mut from).expect("memory"), None);
        }
        _ => {
            let files: Vec<&[u8]> = parts().collect();
            let written = tar(&files);
            let mut tar = Tar::new(written.as_slice());
            for file in files {
                assert!(tar.next_entry().expect("memory").is_some());
                let mut back = Vec::new();
                tar.read_to_end(&mut back).expect("memory");
                assert_eq!(back, file);
            }
            assert_eq!(tar.next_entry().expect("memory"), None);
        }
    }
});
