//! The line reader is its slow definition for every cut.
#![no_main]

mod cuts;
#[path = "../../crates/smtp/tests/oracle/mod.rs"]
mod oracle;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (cuts, rest) = cuts::cuts(data);
    if let Some((limit, input)) = rest.split_first() {
        oracle::lines_are_the_definition(input, &cuts, usize::from(limit >> 1), limit & 1 == 1);
    }
});
