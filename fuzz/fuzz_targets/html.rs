//! Any HTML is read within bounds and twice the same; and text alone, without markup, is seen as it is.
#![no_main]

#[path = "../../crates/message/tests/oracle/reading.rs"]
mod oracle;

const HEAD: &[u8] = b"Content-Type: text/html; charset=utf-8\r\n\r\n";

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    oracle::reading_holds(&[HEAD, data].concat());
    let plain: String = String::from_utf8_lossy(data)
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == '.')
        .collect();
    for (before, after, seen) in [("<p>", "</p>", true), ("<p style='display:none'>", "</p>", false)] {
        let reading = oracle::read(&[HEAD, before.as_bytes(), plain.as_bytes(), after.as_bytes()].concat());
        let (text, other) = if seen {
            (reading.text(), reading.hidden())
        } else {
            (reading.hidden(), reading.text())
        };
        assert_eq!((text.trim_matches('\n'), other.trim_matches('\n')), (&*plain, ""));
    }
});
