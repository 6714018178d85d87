//! The body reader is its slow definition, and what the body writer writes is one message to strict and lax servers.
#![no_main]

mod cuts;
#[path = "../../crates/smtp/tests/oracle/mod.rs"]
mod oracle;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (cuts, input) = cuts::cuts(data);
    oracle::body_reader_is_the_definition(input, &cuts);
    oracle::body_writer_makes_one_message(input, &cuts);
});
