//! The trail of a mail ends: at any octets without a panic, and at the stranger whom our own relay names, whatever that one
//! called itself and wrote below.
#![no_main]

use gatepost_message::trail::{Trail, follow};
use gatepost_message::{Message, Protocol, Received};

fn trail(octets: Vec<u8>) -> Trail {
    let believed = |address: std::net::IpAddr| address == std::net::IpAddr::from([192, 0, 2, 1]);
    follow(Message::from_bytes(octets).headers(), [192, 0, 2, 1].into(), believed)
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    trail([b"Received: ".as_slice(), bytes].concat());
    let said = String::from_utf8_lossy(bytes.get(..300).unwrap_or(bytes));
    let field = Received {
        helo: &said,
        client_ip: [203, 0, 113, 9].into(),
        reverse: Some(&said),
        by: "mx.example.org",
        with: Protocol::Esmtp,
        id: "x1",
        for_: None,
        at_millis: 0,
        tls: Some((&said, &said)),
    }
    .field();
    let end = trail([field.as_bytes(), b"Received: ", bytes].concat());
    let honest = matches!(end, Trail::Stranger { address, .. } if address == std::net::IpAddr::from([203, 0, 113, 9]));
    assert!(honest, "{end:?}");
});
