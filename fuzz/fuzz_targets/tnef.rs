//! Any attributes of a winmail.dat are read twice the same; one that follows all others is given all the same, unless the
//! others are damaged.
#![no_main]

use gatepost_containers::{File, Flow, Kind, Mark, Visit, documents};

#[path = "../../crates/containers/tests/oracle/documents.rs"]
mod oracle;

const HEAD: &[u8] = b"\x78\x9f\x3e\x22\x01\0";
/// An attachment: where it is shown, its title, its content.
const LAST: &[u8] =
    b"\x02\x02\x90\x06\0\0\0\0\0\0\0\x02\x10\x80\x01\0\x06\0\0\0x.exe\0\0\0\x02\x0f\x80\x06\0\x02\0\0\0MZ\0\0";

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let heard = oracle::read(Kind::Tnef, &[HEAD, data].concat());
    if heard.marks().contains(&Mark::Damaged) || data.ends_with(&[0]) {
        return;
    }
    let more = oracle::read(Kind::Tnef, &[HEAD, data, LAST].concat());
    assert!(
        more.marks().contains(&Mark::Damaged)
            || more
                .files
                .iter()
                .any(|(name, octets)| name == "x.exe" && octets == b"MZ")
    );
});
