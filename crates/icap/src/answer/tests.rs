use super::*;
use proptest::prelude::*;

/// What is sent in these tests.
const SENT: &[u8] = b"0123456789";

/// The answer to so many pieces, and whether the rest was asked for.
fn after(pieces: &[&[u8]], sent: bool) -> (Option<Answer>, bool) {
    let mut reader = Reader::new(SENT.len() as u64);
    if sent {
        reader.sent();
    }
    let (mut at, mut asked) = (0, false);
    for piece in pieces {
        reader.hear(piece);
        loop {
            match reader.step() {
                Step::More => break,
                Step::Continue => asked = true,
                Step::Body(body) => {
                    let same = SENT.get(at..at + body.len()) == Some(&*body);
                    at += body.len();
                    if !same {
                        reader.differs();
                    }
                }
                Step::Done(answer) => return (Some(answer), asked),
            }
        }
        assert!(reader.heard.len() <= HTTP_MAX + HEAD_MAX);
    }
    (None, asked)
}

fn said(octets: &[u8]) -> Option<Answer> {
    after(&[octets], true).0
}

fn found(name: &str) -> Answer {
    Answer::Found(name.into())
}

/// A `200` of a web answer with this head and body; c-icap writes it so.
fn modified(icap: &str, http: &str, body: &str) -> Vec<u8> {
    format!(
        "ICAP/1.0 200 OK\r\nISTag: \"x\"\r\n{icap}Encapsulated: res-hdr=0, res-body={}\r\n\r\n{http}{body}",
        http.len()
    )
    .into_bytes()
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: message/rfc822\r\nVia: ICAP/1.0 x\r\n\r\n";
const SAME: &str = "4\r\n0123\r\n6;x=y\r\n456789\r\n0\r\n\r\n";

/// Every answer that is known of a server, and some that are of nobody.
fn answers() -> Vec<(Vec<u8>, Answer)> {
    let nonsense = |words: &str| Answer::Unscanned(Why::Nonsense(words.into()));
    let status = |status, words: &str| Answer::Unscanned(Why::Status(status, words.into()));
    let plain = |text: &str| text.as_bytes().to_vec();
    vec![
        (
            plain("ICAP/1.0 204 Unmodified\r\nServer: C-ICAP/0.5.10\r\n\r\n"),
            Answer::Clean,
        ),
        (
            plain("ICAP/1.0 204 No Content\r\nEncapsulated: null-body=0\r\n\r\n"),
            Answer::Clean,
        ),
        (modified("", OK, SAME), Answer::Clean),
        (
            modified("", OK, "a\r\n0123456789\r\n0\r\nX-Note: y\r\n\r\n"),
            Answer::Clean,
        ),
        (
            modified("", OK, "a\r\n0123456789\r\n0\r\nX-Virus-ID: Late\r\n\r\n"),
            found("Late"),
        ),
        (
            modified("X-Infection-Found: Type=0; Resolution=2; Threat=Eicar;\r\n", OK, SAME),
            found("Eicar"),
        ),
        (
            modified("", "HTTP/1.1 200 OK\r\nX-Virus-ID: Within\r\n\r\n", SAME),
            found("Within"),
        ),
        (
            modified("", "HTTP/1.0 403 Forbidden\r\n\r\n", "3\r\nno!\r\n0\r\n\r\n"),
            found("Blocked.HTTP.403"),
        ),
        (modified("", OK, "3\r\nno!\r\n0\r\n\r\n"), found("Modified")),
        (modified("", OK, "9\r\n012345678\r\n0\r\n\r\n"), found("Modified")),
        (modified("", OK, "b\r\n0123456789a\r\n0\r\n\r\n"), found("Modified")),
        (modified("", OK, "0\r\n\r\n"), found("Modified")),
        (
            plain("ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, null-body=19\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
            found("Modified"),
        ),
        (
            plain(&format!("ICAP/1.0 200 OK\r\nEncapsulated: res-body=0\r\n\r\n{SAME}")),
            Answer::Clean,
        ),
        (
            plain(&format!(
                "ICAP/1.0 200 OK\r\nEncapsulated: req-hdr=0, req-body=19\r\n\r\nPOST / HTTP/1.1\r\n\r\n{SAME}"
            )),
            Answer::Clean,
        ),
        (plain("ICAP/1.0 204 x\r\nX-Virus-ID: Worm\r\n\r\n"), found("Worm")),
        (
            plain("ICAP/1.0 403 Forbidden\r\nX-Violations-Found: 1\r\n\ta\r\n\tWorm\r\n\r\n"),
            found("Worm"),
        ),
        (
            plain("ICAP/1.0 204 x\r\nX-Virus-ID:\r\n\r\n"),
            Answer::Unscanned(Why::Nameless),
        ),
        (
            plain("ICAP/1.0 204 x\r\n\r\nICAP/1.0 200 OK\r\n"),
            nonsense("ICAP/1.0 200 OK"),
        ),
        (
            plain("ICAP/1.0 404 Service not found\r\n\r\n"),
            status(404, "Service not found"),
        ),
        (plain("ICAP/1.0 503 \u{1}busy\r\n\r\n"), status(503, "?busy")),
        (plain("ICAP/1.0 206 Partial\r\n\r\n"), status(206, "Partial")),
        (plain("ICAP/1.0 413 Too much\r\n\r\n"), Answer::TooLarge),
        (plain("ICAP/1.0 200 OK\r\n\r\n"), nonsense("ICAP/1.0 200 OK")),
        (
            plain("ICAP/1.0 200 OK\r\nEncapsulated: res-body=99999999\r\n\r\n"),
            nonsense("ICAP/1.0 200 OK??Encapsulated: res-body=99999999"),
        ),
        (plain("ICAP/1.0 two\r\n\r\n"), nonsense("ICAP/1.0 two")),
        (
            plain("HTTP/1.1 400 Bad Request\r\n\r\n"),
            nonsense("HTTP/1.1 400 Bad Request"),
        ),
        (modified("", OK, "xyz\r\n"), nonsense("xyz")),
        (modified("", OK, "+4\r\n0123\r\n"), nonsense("+4")),
        (modified("", "HTTP/1.1\r\n\r\n", SAME), nonsense("HTTP/1.1")),
    ]
}

#[test]
fn every_answer_means_what_it_says_however_it_is_cut() {
    for (octets, meaning) in answers() {
        let shown = String::from_utf8_lossy(&octets);
        assert_eq!(said(&octets), Some(meaning.clone()), "{shown}");
        if matches!(meaning, Answer::Unscanned(Why::Nonsense(_))) {
            // It is known to be none as soon as enough of it is there, and what is shown of it is what is there.
            continue;
        }
        for cut in 0..octets.len() {
            let (one, two) = octets.split_at(cut);
            assert_eq!(after(&[one, two], true).0, Some(meaning.clone()), "{shown} at {cut}");
        }
        let each: Vec<_> = octets.chunks(1).collect();
        assert_eq!(after(&each, true).0, Some(meaning), "{shown}");
    }
}

#[test]
fn what_is_clean_before_all_was_sent_is_not() {
    for octets in [b"ICAP/1.0 204 x\r\n\r\n".to_vec(), modified("", OK, SAME)] {
        assert_eq!(after(&[&octets], false).0, Some(Answer::Early));
    }
    let early = after(&[b"ICAP/1.0 200 OK\r\nX-Virus-ID: Worm\r\n\r\n"], false);
    assert_eq!(early.0, Some(found("Worm")));
}

#[test]
fn a_preview_is_continued_before_the_answer() {
    let (answer, asked) = after(&[b"ICAP/1.0 100 Continue\r\n\r\n", b"ICAP/1.0 204 x\r\n\r\n"], true);
    assert_eq!((answer, asked), (Some(Answer::Clean), true));
}

#[test]
fn an_answer_without_end_is_given_up() {
    let endless = Some(Answer::Unscanned(Why::Endless));
    let field = [&b"ICAP/1.0 200 OK\r\n"[..], &b"A: b\r\n".repeat(4_000)].concat();
    assert_eq!(said(&field), endless);
    let size = modified("", OK, &"0".repeat(HEAD_MAX + 2));
    assert_eq!(said(&size), endless);
    let trailer = modified("", OK, &format!("a\r\n0123456789\r\n0\r\n{}", "A: b\r\n".repeat(4_000)));
    assert_eq!(said(&trailer), endless);
}

proptest! {
    #[test]
    fn nothing_but_the_two_answers_means_clean(
        octets in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            "(ICAP/1.0 (100|200|204|404) x\r\n|Encapsulated: (res-hdr=0, )?(res|null)-body=[0-9]{1,2}\r\n|\r\n|HTTP/1.1 (200|403) y\r\n|X-Virus-ID: z\r\n|a\r\n0123456789\r\n|0\r\n){0,9}"
                .prop_map(String::into_bytes),
        ],
        cut: prop::sample::Index,
        sent: bool,
    ) {
        let (one, two) = octets.split_at(cut.index(octets.len() + 1));
        let (answer, _) = after(&[one, two], sent);
        if answer == Some(Answer::Clean) {
            let text = String::from_utf8_lossy(&octets);
            prop_assert!(sent && (text.contains(" 204 ") || text.contains("0123456789")), "{text}");
        }
    }
}
