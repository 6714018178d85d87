//! What an address is written as parses to the same address.
#![no_main]

#[path = "../../crates/smtp/tests/oracle/mod.rs"]
mod oracle;

libfuzzer_sys::fuzz_target!(|text: &str| oracle::address_comes_back(text));
