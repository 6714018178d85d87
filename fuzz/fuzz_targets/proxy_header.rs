//! The PROXY reader is its slow definition however the header comes and whatever follows it, and takes nothing of the
//! client's; what we write is read as itself.
#![no_main]

#[path = "../../crates/smtp/tests/oracle/mod.rs"]
mod oracle;

libfuzzer_sys::fuzz_target!(|input: &[u8]| oracle::proxy_header_is_the_definition(input));
