//! What holds for what any octets enclose.

#[path = "oracle/enclosed.rs"]
mod oracle;

use gatepost_message::{Message, enclosed};
use proptest::prelude::*;

/// Pieces that mails with parts are made of, put together in any order.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop::sample::select(vec![
            "\r\n", "\r\n", "\r\n\r\n", "\n", "\r", " ", " \r\n", "\r\n \r\n", "=", "!", ";", "(", ")", "\"", "--", "--b", "--b--",
            "\r\n--a\r\n", "\r\n--b\r\n", "\r\n--b\r\n", "\r\n--b--\r\n", "\r--b\r", "\r\n--bc\r\n", "\0", "\u{e4}", "no field\r\n",
        ]),
        6 => prop::sample::select(vec![
            "Content-Type: multipart/mixed; boundary=b\r\n", "Content-Type: multipart/mixed; boundary=a; boundary=\"b\"\r\n",
            "Content-Type: multipart/mixed\r\n", "Content-Type: multipart/digest; boundary*0=b\r\n", "Content-Type: text/plain\r\n",
            "Content-Type: message/rfc822\r\n", "Content-Type: message/partial\r\n", "Content-Type: application/x; name=a.exe\r\n",
            "Content-Disposition: attachment; filename=\"=?utf-8?q?b?=\"; filename*=''c\r\n", "Content-Disposition: attachment\r\n",
            "Content-Transfer-Encoding: base64\r\n", "Content-Transfer-Encoding: quoted-printable\r\n", "; boundary*=''a",
            "Content-Transfer-Encoding: x-uuencode\r\n", "Content-Transfer-Encoding: x\r\n", "Content-Transfer-Encoding: 7bit\r\n",
        ]),
        4 => prop::sample::select(vec![
            "TVqQAAMAAAAEAAAA", "LS1iDQoNCng=", "Q29udGVudC1UeXBlOiBtdWx0aXBhcnQvbWl4ZWQ7IGJvdW5kYXJ5PWIK", "=0D=0A", "=2D-b",
            "\r\nbegin 644 x\r\n", "#0V%T\r\n", "\r\nend\r\n", "\r\nbegin-base64 644 y\r\n", "\r\n=ybegin line=1 name=z\r\n", "=yend",
            "(This file must be converted with BinHex 4.0)\r\n:", "$f*TEQKPH#jdH", "!90", ":\r\n",
        ]),
    ]
    .prop_map(|text| text.as_bytes().to_vec());
    prop::collection::vec(
        prop_oneof![16 => piece, 1 => prop::collection::vec(any::<u8>(), 0..8)],
        0..40,
    )
    .prop_map(|pieces| pieces.concat())
}

fn mail() -> impl Strategy<Value = Vec<u8>> {
    let head = prop::sample::select(vec![
        "",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n",
        "Content-Type: multipart/mixed; boundary=a; boundary=b\r\n\r\n--a\r\n",
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\n",
    ]);
    (head, pieces()).prop_map(|(head, pieces)| [head.as_bytes(), &pieces].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_mail_is_looked_at_within_bounds_and_replacing_a_part_changes_nothing_else(mail in mail()) {
        oracle::enclosed_holds(&mail);
    }

    #[test]
    fn any_octets_are_looked_at(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        oracle::enclosed_holds(&bytes);
    }

    #[test]
    fn what_the_usual_reader_sees_is_never_lost_by_an_ambiguity(mail in mail()) {
        let parts = Message::from_bytes(mail.clone()).reading(&|| false).parts().len();
        let mut given = 0;
        let survey: enclosed::Survey = Message::from_bytes(mail).enclosed(4_096, &|| false, &mut |_| given += 1);
        prop_assert!(given >= parts.min(900) || survey.excess.any(), "{given} of {parts}");
    }
}
