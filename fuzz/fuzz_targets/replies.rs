//! The reply reader is its slow definition for every cut, and each reply can be passed on.
#![no_main]

mod cuts;
#[path = "../../crates/smtp/tests/oracle/mod.rs"]
mod oracle;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (cuts, input) = cuts::cuts(data);
    oracle::replies_are_the_definition(input, &cuts);
});
