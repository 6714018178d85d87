//! Viewing a message changes no octet, the head ends where the slow rule says, and edits do what they say and no more.
#![no_main]

#[path = "../../crates/message/tests/oracle/mod.rs"]
mod oracle;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oracle::message_holds(bytes));
