//! A command is what its line says, and what is written of it upstream is one line with the same values.
#![no_main]

#[path = "../../crates/smtp/tests/oracle/mod.rs"]
mod oracle;

libfuzzer_sys::fuzz_target!(|line: &[u8]| oracle::command_comes_back(line));
