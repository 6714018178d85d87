//! Any octets have a kind, and each reader of documents gives the same of them each time, bounded by their number; parts of
//! packages too.
#![no_main]

use gatepost_containers::{File, Flow, Kind, Mark, Visit, documents};

#[path = "../../crates/containers/tests/oracle/documents.rs"]
mod oracle;

libfuzzer_sys::fuzz_target!(|data: &[u8]| oracle::holds(data));
