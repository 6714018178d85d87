//! Whatever the octets are, they are looked into within the limits, and no reader gives up. The first octet says whether the
//! others stand where a disc has its descriptors.
#![no_main]

#[path = "../../crates/containers/tests/oracle/mod.rs"]
mod oracle;

/// Octets of a disc before its descriptors (ECMA-119, 6.2.1).
const SYSTEM: usize = 32_768;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((how, octets)) = bytes.split_first() else {
        return;
    };
    if how & 1 == 0 {
        oracle::bounded("a.zip", octets);
    } else {
        oracle::bounded("a.iso", &[&[0; SYSTEM], octets].concat());
    }
});
