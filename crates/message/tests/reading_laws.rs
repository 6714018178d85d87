//! What holds for the reading of any octets.

#[path = "oracle/reading.rs"]
mod oracle;

use std::cell::Cell;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use gatepost_message::reading::Reading;
use gatepost_message::{Content, Message, split};
use proptest::prelude::*;

const CASES: u32 = 2_000;

/// Pieces that mails, HTML and links are made of, put together in any order.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => prop::sample::select(vec![
            "\r\n", "\r\n", "\r\n\r\n", "\n", " ", "=", "%", "&", "#", ";", "@", "@@", ".", "..", "/", "//", "\\", ":", "://",
            "[", "]", "(", ")", "<", ">", "\"", "'", "?", "?u=", "--", "--b", "--b--", "\0", "\u{e4}", "\u{3002}", "\u{200b}",
            "\u{ad}", "\u{430}", "\u{4f60}", "\u{ff45}", "%2e", "%25", "&#46;", "&amp;", "=?", "?=", "=?utf-8?q?", "?b?",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        6 => prop::sample::select(vec![
            "http:", "http://", "https:\\\\", "hxxp://", "HTTP%3A%2F%2F", "www.", "evil", "example.com", "xn--", "xn--e1a",
            "[.]", "(dot)", "0x", "0300", "192.0.2.1", "3221225985", "[2001:db8::1]", ":80", "javascript:", "mailto:", "data:",
            "\r\n\r\nhttp://a.example.org/\r\n", "co.uk", "user@", "//b.example.net/?u=http%253A%252F%252Fc.example.org",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        6 => prop::sample::select(vec![
            "<a href=\"", "\">", "<a href=", "</a>", "<p>", "</p>", "<p style='", "display:none", "color:", "#fff", "font-size:0",
            "<img src=", "srcset='", "<base href=http://d.example.org/>", "<style>", "</style>", "{", "}", "@media", ".x", "<b>",
            "<noscript>", "</noscript>", "<script>", "</script>", "<title>", "<!--", "-->", "<table><tr><td>", "</table>", "<form action=",
            "<svg>", "<math>", "</svg>", "<!--[if mso]>", "<![endif]-->", "<meta charset=iso-2022-jp>", "@import \"//", "/amp/s/",
            "<meta http-equiv=refresh content='0;url=", "class=x", "url(", "&nGt;", "<textarea>",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        3 => prop::sample::select(vec![
            "Content-Type: text/html\r\n", "Content-Type: multipart/mixed; boundary=b\r\n", "Content-Type: message/rfc822\r\n",
            "Content-Type: text/plain; charset=\"", "utf-16", "iso-2022-jp", "koi8-r", "Content-Transfer-Encoding: base64\r\n",
            "Content-Transfer-Encoding: quoted-printable\r\n", "Subject: ", "Content-Disposition: attachment; filename*0*=",
            "Content-Type: multipart/mixed; boundary=a; boundary=\"b\"\r\n", "; boundary*=us-ascii''a", "utf-7", "+ADw-a", "\x1b$B",
            "Content-Transfer-Encoding: x-uuencode\r\n", "\r\nbegin 644 x\r\n", "#0V%T\r\n", "\r\nend\r\n", "\r\n--a\r\n", "\u{feff}",
            "Content-Type: text/calendar\r\n", "; name*1=", "; format=flowed", "\r\n--b\r\n", "\r\n--b--\r\n", "aHR0cDovL2EuZXhhbXBsZS5vcmcv",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// A mail: any pieces, or pieces as the body of HTML or text.
fn mail() -> impl Strategy<Value = Vec<u8>> {
    let head = prop::sample::select(vec![
        "",
        "\r\n",
        "Content-Type: text/html\r\n\r\n",
        "Content-Type: text/html\r\n\r\n<a href=\"",
        "Content-Type: text/html; charset=utf-8\r\n\r\n<a href=\"http://",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n",
        "Content-Type: message/rfc822\r\n\r\n",
        "Content-Type: text/html; charset=utf-16\r\n\r\n",
        "Content-Type: text/html; charset=iso-2022-jp\r\n\r\n",
        "Content-Type: text/plain; charset=utf-7\r\n\r\n",
        "Content-Type: multipart/mixed; boundary=a; boundary=b\r\n\r\n",
        "Subject: ",
    ]);
    (head, pieces()).prop_map(|(head, body)| [head.as_bytes(), &body].concat())
}

fn read(octets: &[u8], spent: &dyn Fn() -> bool) -> Reading {
    Message::from_bytes(octets.to_vec()).reading(spent).clone()
}

/// A body of which a file gives a few octets at a time.
#[derive(Debug)]
struct File(Bytes, usize);

impl Content for File {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<usize> {
        let most = out.len().min(self.1);
        self.0.read_at(at, out.get_mut(..most).unwrap_or_default())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn any_octets_are_read_within_bounds_twice_the_same_and_links_lead_where_they_say(octets in mail()) {
        oracle::reading_holds(&octets);
    }

    #[test]
    fn a_body_in_a_file_reads_as_one_in_memory(octets in mail(), most in 1_usize..200) {
        let (head, body) = octets.split_at(split(&octets));
        let file = File(Bytes::copy_from_slice(body), most);
        let filed = Message::new(Bytes::copy_from_slice(head), Arc::new(file));
        let (memory, filed) = (read(&octets, &|| false), filed.reading(&|| false));
        prop_assert_eq!((memory.text(), memory.hidden(), memory.parts()), (filed.text(), filed.hidden(), filed.parts()));
        prop_assert_eq!(memory.excess(), filed.excess());
    }

    #[test]
    fn what_is_read_until_the_time_is_over_is_how_the_whole_begins(octets in mail(), times in 1_usize..60, asked in 0_usize..6) {
        let octets = octets.repeat(times);
        let left = Cell::new(asked);
        let spent = || match left.get() {
            0 => true,
            n => { left.set(n - 1); false }
        };
        let (whole, cut) = (read(&octets, &|| false), read(&octets, &spent));
        prop_assert!(whole.text().starts_with(cut.text()) && whole.hidden().starts_with(cut.hidden()));
        prop_assert!(cut.excess().time || cut.text() == whole.text());
        prop_assert!(!whole.excess().time);
    }
}
