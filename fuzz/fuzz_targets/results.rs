//! What strangers call themselves, in our own fields: whatever it is, Authentication-Results and Received-SPF are one field
//! each, of printable lines that are short enough, with every quote closed; and the fields that pass for ours are found
//! again.
#![no_main]

use gatepost_message::{Field, Message, Results, results};

fn is_one_field(field: &Field, name: &str) {
    let octets = field.as_bytes();
    assert!(octets.iter().all(|b| matches!(b, b' '..=b'~' | b'\r' | b'\n')));
    assert!(octets.split(|&b| b == b'\n').all(|line| line.len() <= 998));
    let mail = [octets, b"Subject: x\r\n\r\nbody\r\n"].concat();
    let message = Message::from_bytes(mail);
    assert_eq!(message.headers().len(), 2);
    assert!(message.headers().at(0).is_some_and(|header| header.is(name)));
    let (mut quoted, mut escaped) = (false, false);
    for &octet in octets {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
    }
    assert!(!quoted, "an open quote");
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let texts: Vec<String> = data
        .split(|&b| b == 0xff)
        .take(24)
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .collect();
    let text = |n: usize| texts.get(n).map_or("", String::as_str);
    let mut told = Results::new("mx.example.org");
    for n in 0..texts.len() / 3 {
        let (a, b, c) = (text(3 * n), text(3 * n + 1), text(3 * n + 2));
        told.add("dkim", "fail", &[("reason", a), ("header.d", b), ("smtp.mailfrom", c)]);
    }
    let field = told.field();
    is_one_field(&field, "Authentication-Results");
    let mail = Message::from_bytes([field.as_bytes(), b"\r\n"].concat());
    assert_eq!(results::forged(mail.headers(), &["mx.example.org"]), [0]);
    // Nobody's text is a result of ours.
    let flat = String::from_utf8_lossy(field.as_bytes()).replace("\r\n", "");
    let (mut outside, mut quoted, mut escaped) = (String::new(), false, false);
    for c in flat.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if !quoted => outside.push(c),
            _ => {}
        }
    }
    assert!(
        outside
            .split(';')
            .skip(1)
            .all(|one| one == " none" || one.trim_start().starts_with("dkim=fail"))
    );
    let pairs = [("client-ip", text(1)), ("envelope-from", text(2)), ("helo", text(3))];
    is_one_field(&results::received_spf("fail", text(0), &pairs), "Received-SPF");
});
