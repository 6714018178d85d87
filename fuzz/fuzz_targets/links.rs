//! Any octets as text, as the target of an anchor, as a Subject and as a whole mail are read within bounds, twice the
//! same, and each link that is found leads to the same host when it is read again.
#![no_main]

#[path = "../../crates/message/tests/oracle/reading.rs"]
mod oracle;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((how, data)) = data.split_first() else {
        return;
    };
    let (before, after): (&[u8], &[u8]) = match how % 4 {
        0 => (b"Content-Type: text/plain; charset=utf-8\r\n\r\n", b""),
        1 => (b"Content-Type: text/html; charset=utf-8\r\n\r\n<a href=\"", b"\">x</a>"),
        2 => (b"Subject: ", b"\r\n\r\n"),
        _ => (b"", b""),
    };
    oracle::reading_holds(&[before, data, after].concat());
});
