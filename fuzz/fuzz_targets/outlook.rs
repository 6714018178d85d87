//! Any compound file is read twice the same as a mail of Outlook and as a document, its sectors in any order.
#![no_main]

use gatepost_containers::{File, Flow, Kind, Mark, Visit, documents};

#[path = "../../crates/containers/tests/oracle/documents.rs"]
mod oracle;

const HEAD: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let octets = [HEAD, data.strip_prefix(HEAD).unwrap_or(data)].concat();
    assert!(Kind::of(&octets, "").is_compound());
    oracle::read(Kind::Msg, &octets);
    oracle::read(Kind::Doc, &octets);
});
