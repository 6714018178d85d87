//! Any octets make one document within its bounds, and what filters wrote into a header changes none of its tokens.
#![no_main]

use gatepost_message::Message;
use gatepost_tokens::document::{HEAD_MAX, TEXT_MAX, TOKENS_MAX};
use gatepost_tokens::{Document, Field};

fn told(document: &Document) -> Vec<(Field, &str)> {
    let tokens = document.tokens().iter();
    tokens.map(|token| (token.field, document.text_of(token))).collect()
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let document = Document::of(&Message::from_bytes(data.to_vec()));
    assert!(document.tokens().len() <= TOKENS_MAX);
    assert!(document.head().len() <= HEAD_MAX && document.text().len() <= TEXT_MAX);
    for (_, text) in told(&document) {
        assert!(text.len() <= 81 && !text.bytes().any(|octet| octet.is_ascii_uppercase()));
    }
    let again = Document::of(&Message::from_bytes(data.to_vec()));
    assert_eq!(told(&document), told(&again));
    assert!(document.head() == again.head() && document.text() == again.text());
    // A verdict above a header section is not seen, whatever stands in it. The size of the mail is told.
    if Message::from_bytes(data.to_vec()).headers().len() < 100 && data.first().is_some_and(u8::is_ascii_alphabetic) {
        let marked = [b"X-Spam-Status: Yes, score=9.9\r\n", data].concat();
        let marked = Document::of(&Message::from_bytes(marked));
        let sizeless = |document: &Document| -> Vec<(Field, String)> {
            let all = told(document).into_iter().filter(|(_, text)| !text.starts_with("size:"));
            all.map(|(field, text)| (field, text.to_owned())).collect()
        };
        if Message::from_bytes(data.to_vec()).headers().at(0).is_some_and(|first| data.starts_with(first.raw())) {
            assert_eq!(sizeless(&document), sizeless(&marked));
        }
    }
});
