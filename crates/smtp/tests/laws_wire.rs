//! The laws of lines, commands, addresses, replies and bodies, on inputs made of what is dangerous in them.

mod oracle;

use gatepost_smtp::address::{Address, Path};
use gatepost_smtp::command::{BodyType, Command, MailParams, Notify, RcptParams, Ret, mail_line, rcpt_line, xtext};
use gatepost_smtp::offer::Offer;
use gatepost_smtp::reply::{Enhanced, Reply};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Pieces of danger, put together at random.
fn made_of(pieces: &'static [&'static [u8]], most: usize) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        9 => select(pieces).prop_map(<[u8]>::to_vec),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    vec(piece, 0..most).prop_map(|pieces| pieces.concat())
}

fn text_of(pieces: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        9 => select(pieces).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    vec(piece, 0..most).prop_map(|pieces| pieces.concat())
}

const BODIES: &[&[u8]] = &[
    b"\r\n",
    b"\r",
    b"\n",
    b".",
    b"\0",
    b"a",
    b"..",
    b"\r\n.",
    b".\r\n",
    b"\r\n.\r",
    b"\r\n.\r\n",
    X997.as_bytes(),
    b"\xe4",
];

const PROXY_HEADERS: &[&[u8]] = &[
    b"PROXY ",
    b"TCP4",
    b"TCP6",
    b"UNKNOWN",
    b" ",
    b"192.0.2.1",
    b"::ffff:192.0.2.1",
    b"2001:db8::1",
    b"25",
    b"+25",
    b"\r",
    b"\n",
    b"\r\n",
    b"PROXY TCP4 192.0.2.1 198.51.100.1 4000 25\r\n",
    b"\r\n\r\n\0\r\nQUIT\n",
    b"\x20\0\0\0",
    b"\x21\x11\0\x0c",
    b"\x21\x21\0\x24",
    b"\0\0\0\0\0\0\0\0\0\0\xff\xff",
];

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    vec(1_usize..7, 0..5)
}

/// As long as a line may be behind a stuffed dot.
const X997: &str = match std::str::from_utf8(&[b'x'; 997]) {
    Ok(text) => text,
    Err(_) => panic!("ASCII"),
};

const EHLO: &[&str] = &[
    "SIZE",
    "SIZE 5",
    "PIPELINING",
    "8BITMIME",
    "SMTPUTF8",
    "DSN",
    "AUTH PLAIN X-\u{1}",
    "AUTH=LOGIN NTLM",
    "ENHANCEDSTATUSCODES",
    "STARTTLS",
    "PRDR",
    "XCLIENT ADDR",
    "CHUNKING",
    "\r\n250 X",
];

const REPLIES: &[&[u8]] = &[
    b"250 Ok\r\n",
    b"250-x\r\n",
    b"250-2.1.0 x\r\n",
    b"250 2.1.0 y\r\n",
    b"250\r\n",
    b"550 5.1.1 no\r\n",
    b"451-a\r\n",
    b"451 b\n",
    b"354 go\r\n",
    b"299 x\r\n",
    b"250-AUTH A B\r\n",
    b"250-size 7\r\n",
    b"250",
    b" ",
    b"-",
    b"5.7.1",
    b"\x1b",
    b"\0",
    b"\r",
    b"\n",
    b"\r\n",
    b"\xff",
    b"abc",
    &[b'x'; 2046],
];

const COMMANDS: &[&str] = &[
    "MAIL FROM:",
    "RCPT TO:",
    "mail from: ",
    "EHLO ",
    "HELO ",
    "AUTH ",
    "DATA",
    "NOOP",
    "QUIT",
    "STARTTLS",
    "GET / HTTP/1.1",
    "<",
    ">",
    "<>",
    "<a@b>",
    "<postmaster>",
    "a@b.example",
    "@a:",
    "@a,@b:",
    "\"",
    "\\",
    "@",
    ":",
    " ",
    "=",
    "ä",
    "\r",
    "\n",
    "\0",
    " SIZE=",
    " BODY=8BITMIME",
    " BODY=BINARYMIME",
    " SMTPUTF8",
    " RET=FULL",
    " ENVID=",
    " AUTH=",
    " PRDR",
    " NOTIFY=",
    "NEVER",
    "SUCCESS",
    ",",
    "DELAY",
    " ORCPT=rfc822;",
    " ORCPT=utf-8;",
    "+2B",
    "+0D",
    "1",
    "99999999999999999999",
];

const ADDRESSES: &[&str] = &[
    "a",
    "b.c",
    "@",
    "\"",
    "\\",
    ".",
    " ",
    "<",
    ">",
    ",",
    ":",
    "-",
    "_",
    "[",
    "]",
    "[192.0.2.1]",
    "[IPv6:",
    "2001:db8::1",
    "::ffff:1.2.3.4]",
    "example",
    "ä",
    "bücher",
    "\u{200b}",
    "\u{202e}",
    "\u{3002}",
    "\u{a0}",
    "\r",
    "\n",
    "\0",
    "\t",
    "\u{85}",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

/// Something like a command: a verb, a path, parameters.
fn command_line() -> impl Strategy<Value = String> {
    let verb = select(&["MAIL FROM:", "RCPT TO:", "mail from: ", "Rcpt to:", "EHLO ", "DATA "][..]);
    let path = prop_oneof![
        4 => select(PATHS).prop_map(str::to_owned),
        1 => text_of(ADDRESSES, 5).prop_map(|text| format!("<{text}>")),
    ];
    let parameter = prop_oneof![
        9 => select(PARAMETERS).prop_map(str::to_owned),
        1 => text_of(COMMANDS, 3),
    ];
    (verb, path, vec(parameter, 0..4))
        .prop_map(|(verb, path, parameters)| format!("{verb}{path} {}", parameters.join(" ")))
}

const PATHS: &[&str] = &[
    "<>",
    "<a@b>",
    "<postmaster>",
    "a@b",
    "<@x:a@b>",
    r#"<"a>\" b"@c>"#,
    "<ä@bücher>",
    "<a@b",
];

const PARAMETERS: &[&str] = &[
    "SIZE=1",
    "size=00",
    "SIZE=",
    "BODY=7BIT",
    "BODY=8BITMIME",
    "BODY=BINARYMIME",
    "SMTPUTF8",
    "RET=FULL",
    "RET=HDRS",
    "ENVID=a+2Bb",
    "ENVID=a+0D",
    "AUTH=<>",
    "AUTH=a=b",
    "PRDR",
    "NOTIFY=NEVER",
    "NOTIFY=SUCCESS,DELAY",
    "NOTIFY=DELAY,DELAY",
    "ORCPT=rfc822;a@b",
    "ORCPT=utf-8;ä@b",
    "ORCPT=a",
    "HOLDFOR=1",
    "",
];

/// A local part of anything that may stand in one.
fn local() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9.+=_-]{1,30}", "[ -~]{0,20}", "[ -~äöß€]{1,12}"]
}

fn domain() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9]([a-z0-9_-]{0,10}[a-z0-9])?(\\.[a-z0-9]{1,8}){0,4}",
        "(bücher|例え)(\\.[a-z]{2,5}){1,2}",
        any::<std::net::Ipv4Addr>().prop_map(|ip| format!("[{ip}]")),
        any::<std::net::Ipv6Addr>().prop_map(|ip| format!("[IPv6:{ip}]")),
    ]
}

fn quoted(local: &str) -> String {
    format!("\"{}\"", local.replace('\\', "\\\\").replace('"', "\\\""))
}

fn address() -> impl Strategy<Value = Address> {
    (local(), domain()).prop_map(|(local, domain)| {
        Address::parse(&format!("{}@{domain}", quoted(&local)), true).expect("made by the grammar")
    })
}

fn mail_params() -> impl Strategy<Value = MailParams> {
    (
        option::of(any::<u64>()),
        option::of(select(&[BodyType::SevenBit, BodyType::EightBitMime][..])),
        option::of(select(&[Ret::Full, Ret::Headers][..])),
        option::of("[ -~]{1,30}".prop_map(|text| xtext(&text).into_boxed_str())),
        option::of("[ -~]{1,60}".prop_map(|text| xtext(&text).into_boxed_str())),
        any::<bool>(),
    )
        .prop_map(|(size, body, ret, envid, auth, prdr)| MailParams {
            size,
            body,
            smtputf8: true,
            ret,
            envid,
            auth,
            prdr,
        })
}

fn rcpt_params() -> impl Strategy<Value = RcptParams> {
    let notify = any::<[bool; 3]>().prop_map(|[success, failure, delay]| Notify {
        success,
        failure,
        delay,
    });
    let orcpt = "[ -~]{1,60}".prop_map(|text| format!("rfc822;{}", xtext(&text)).into_boxed_str());
    (option::of(notify), option::of(orcpt)).prop_map(|(notify, orcpt)| RcptParams { notify, orcpt })
}

fn parsed(line: &[u8]) -> Command {
    let line = line.strip_suffix(b"\r\n").expect("a whole line");
    assert!(!line.iter().any(u8::is_ascii_control), "more than one line");
    Command::parse(line, &oracle::full_offer()).expect("what we write can be read")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(20_000) })]

    #[test]
    fn the_body_reader_is_the_slow_definition_for_every_input_and_cut(input in made_of(BODIES, 14), cuts in cuts()) {
        oracle::body_reader_is_the_definition(&input, &cuts);
    }

    #[test]
    fn any_content_is_one_message_to_strict_and_lax_servers(content in made_of(BODIES, 14), cuts in cuts()) {
        oracle::body_writer_makes_one_message(&content, &cuts);
    }

    #[test]
    fn canonical_content_comes_back_as_it_was(
        lines in vec(made_of(&[b".", b"a", b" ", b"\xe4"], 5), 0..6), cuts in cuts(),
    ) {
        let mut content = Vec::new();
        for line in lines {
            content.extend(line.into_iter().filter(|b| !matches!(b, b'\r' | b'\n' | 0)));
            content.extend_from_slice(b"\r\n");
        }
        prop_assert!(oracle::is_canonical(&content));
        oracle::body_writer_makes_one_message(&content, &cuts);
    }

    #[test]
    fn lines_are_the_slow_definition_for_every_input_and_cut(
        input in made_of(&[b"\r\n", b"\r", b"\n", b"\0", b"\t", b"NOOP", b"a", b"NOOP\r\n", b"\xc3\xa4"], 20),
        cuts in cuts(),
        limit in 0_usize..16,
        lf in any::<bool>(),
    ) {
        oracle::lines_are_the_definition(&input, &cuts, limit, lf);
    }

    #[test]
    fn replies_are_the_slow_definition_for_every_input_and_cut(
        input in made_of(REPLIES, 12),
        cuts in cuts(),
    ) {
        oracle::replies_are_the_definition(&input, &cuts);
    }

    #[test]
    fn a_reply_made_from_anything_is_one_legal_reply(
        code in prop_oneof![200_u16..600, any::<u16>()],
        enhanced in option::of((0_u8..7, 0_u16..1100, 0_u16..1100).prop_map(|(a, b, c)| Enhanced(a, b, c))),
        text in text_of(&["\r\n", "\n", "\r", "\0", "\u{1b}", "250 ", "5.7.1 ", "ä", "a", " ", X997], 30),
    ) {
        oracle::reply_can_be_passed_on(&Reply::new(code, enhanced, text));
    }

    #[test]
    fn a_proxy_header_is_the_slow_definition_however_it_comes(input in made_of(PROXY_HEADERS, 12)) {
        oracle::proxy_header_is_the_definition(&input);
    }

    #[test]
    fn an_address_is_written_as_what_parses_to_it(text in text_of(ADDRESSES, 8)) {
        oracle::address_comes_back(&text);
    }

    #[test]
    fn every_address_of_the_grammar_is_read(local in local(), domain in domain()) {
        let text = format!("{}@{domain}", quoted(&local));
        let address = Address::parse(&text, true).expect("made by the grammar");
        prop_assert_eq!(address.local(), local);
        oracle::address_comes_back(&text);
        oracle::address_comes_back(&address.to_string());
    }

    #[test]
    fn a_command_is_what_its_line_says_and_comes_back(line in prop_oneof![text_of(COMMANDS, 9), command_line()]) {
        oracle::command_comes_back(line.as_bytes());
    }

    #[test]
    fn a_command_of_any_bytes_is_judged(start in select(COMMANDS), line in vec(any::<u8>(), 0..40)) {
        oracle::command_comes_back(&[start.as_bytes(), &line].concat());
    }

    #[test]
    fn what_is_written_upstream_parses_to_the_same_values(
        address in address(), mail in mail_params(), rcpt in rcpt_params(),
    ) {
        let (path, offer) = (Path::Mailbox(address), oracle::full_offer());
        let mut out = Vec::new();
        mail_line(&path, &mail, &offer, &mut out);
        prop_assert_eq!(parsed(&out), Command::Mail(path.clone(), mail.clone()));
        out.clear();
        rcpt_line(&path, &rcpt, &offer, &mut out);
        prop_assert_eq!(parsed(&out), Command::Rcpt(path.clone(), rcpt));
        out.clear();
        mail_line(&path, &mail, &Offer::default(), &mut out);
        let bare = format!("MAIL FROM:<{path}>\r\n");
        prop_assert_eq!(String::from_utf8(out), Ok(bare));
    }

    #[test]
    fn an_offer_is_written_as_one_legal_reply_that_reads_back(
        words in vec(select(EHLO), 0..14),
        tls in any::<bool>(),
    ) {
        let everything = Offer::parse(["SIZE 9", "PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "STARTTLS", "PRDR", "ETRN"]);
        let offer = everything.intersect(&Offer::parse(words));
        let mut wire = Vec::new();
        offer.write_ehlo("mx.example", tls, &mut wire);
        prop_assert!(oracle::is_one_legal_reply(&wire));
        let mut reader = gatepost_smtp::reply::ReplyReader::new();
        reader.give(&wire);
        let (_, read) = reader.next_offer().expect("whole").expect("legal");
        let shown = Offer { starttls: !tls, auth: if tls { offer.auth.clone() } else { vec![] }, ..offer };
        prop_assert_eq!(read, shown);
    }
}
