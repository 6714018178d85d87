//! Links as strangers write them, each with what it leads to: a line is `host domain place tricks`, `-` for no domain.

use gatepost_message::{Link, Message};

fn shown(link: &Link) -> String {
    let tricks: Vec<_> = link.tricks.iter().map(|trick| trick.as_str()).collect();
    let domain = link.domain.as_deref().unwrap_or("-");
    format!("{} {domain} {} {}", link.host, link.place.as_str(), tricks.join(","))
        .trim_end()
        .to_owned()
}

fn links(mail: &str) -> Vec<String> {
    let message = Message::from_bytes(mail.as_bytes().to_vec());
    message.reading(&|| false).links().iter().map(shown).collect()
}

fn text(body: &str) -> Vec<String> {
    links(&format!("Content-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n"))
}

fn html(body: &str) -> Vec<String> {
    links(&format!("Content-Type: text/html; charset=utf-8\r\n\r\n{body}\r\n"))
}

fn anchor(href: &str) -> Vec<String> {
    html(&format!("<a href=\"{href}\">here</a>"))
}

/// Goes through a table and tells every line that is not so.
#[track_caller]
fn hold(read: fn(&str) -> Vec<String>, table: &[(&str, &[&str])]) {
    let wrong: Vec<_> = table
        .iter()
        .map(|(given, wanted)| (given, wanted, read(given)))
        .filter(|(_, wanted, got)| got != *wanted)
        .map(|(given, wanted, got)| format!("{given}\n  wanted {wanted:?}\n  got    {got:?}"))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} cases:\n{}",
        wrong.len(),
        table.len(),
        wrong.join("\n")
    );
}

const EVIL: &str = "evil.example.com example.com text";

#[test]
fn links_stand_in_plain_text() {
    hold(
        text,
        &[
            ("see http://evil.example.com/a today", &[EVIL]),
            ("see https://evil.example.com.", &[EVIL]),
            ("(http://evil.example.com/a), or", &[EVIL]),
            ("<http://evil.example.com/a>", &[EVIL]),
            ("\"http://evil.example.com\"", &[EVIL]),
            ("HTTP://EVIL.Example.COM/A", &[EVIL]),
            ("ftp://evil.example.com/a", &[EVIL]),
            ("seehttp://evil.example.com/a", &[EVIL]),
            ("http://evil.example.com:8080/a", &[EVIL]),
            ("http://evil.example.com?a=b", &[EVIL]),
            ("http://evil.example.com#a", &[EVIL]),
            ("http://192.0.2.1/a", &["192.0.2.1 - text"]),
            ("http://[2001:db8::1]/a", &["[2001:db8::1] - text"]),
            ("http://[2001:db8::1]:8080/a", &["[2001:db8::1] - text"]),
            ("http://intranet/a", &["intranet - text"]),
            (
                "http://a.example.org/ http://b.example.net/",
                &["a.example.org example.org text", "b.example.net example.net text"],
            ),
            (
                "http://a.example.org/\r\nhttp://a.example.org/",
                &["a.example.org example.org text"],
            ),
            ("http://evil.example.co.uk/", &["evil.example.co.uk example.co.uk text"]),
            ("http://co.uk/", &["co.uk - text"]),
            (
                "http://evil.example.com)@good.example.org",
                &[
                    "good.example.org example.org text userinfo",
                    "evil.example.com example.com text",
                ],
            ),
            (
                "http://evil_host.example.com/",
                &["evil_host.example.com example.com text"],
            ),
        ],
    );
}

#[test]
fn links_need_no_scheme_where_they_are_meant() {
    hold(
        text,
        &[
            ("see evil.example.com today", &[EVIL]),
            (
                "see www.evil.example.com/a.",
                &["www.evil.example.com example.com text"],
            ),
            ("visit Evil.Example.Com", &[EVIL]),
            ("evil.example.com:8080", &[EVIL]),
            ("//evil.example.com/a", &[EVIL]),
            ("example.de", &["example.de example.de text"]),
            ("a.example.com.np", &["a.example.com.np example.com.np text"]),
            ("x.de/y", &["x.de x.de text"]),
            ("192.0.2.1", &["192.0.2.1 - text"]),
            ("Visit Evil.Shop", &["evil.shop evil.shop text"]),
            ("casino.cc", &["casino.cc casino.cc text"]),
            ("evil.web.app", &["evil.web.app evil.web.app text"]),
            ("请访问evil.example.com谢谢", &[EVIL]),
            (
                "b\u{fc}cher.example.com",
                &["xn--bcher-kva.example.com example.com text"],
            ),
            // What is none.
            ("it is over.So we went", &[]),
            ("We are done.Today is nice", &[]),
            ("e.g. this, i.e. that", &[]),
            ("README.md and run.sh and main.rs", &[]),
            ("invoice.pdf, photo.jpg", &[]),
            ("write to bob@evil.example.com", &[]),
            ("bob.evil.example.com@example.org", &[]),
            ("version 1.2 or 10.5", &[]),
            ("home/evil.example.com/x", &[]),
            ("and so on...", &[]),
            ("a.b.c.d", &[]),
        ],
    );
}

#[test]
fn what_is_not_followed_is_no_link() {
    hold(
        anchor,
        &[
            ("javascript:location='http://evil.example.com/'", &[]),
            ("JAVA\nSCRIPT:x", &[]),
            ("data:text/html,http://evil.example.com/", &[]),
            ("mailto:bob@evil.example.com", &[]),
            ("tel:+4912345", &[]),
            ("cid:part1@example.org", &[]),
            ("#top", &[]),
            ("", &[]),
            ("page.html", &[]),
            ("/a/b", &[]),
            ("http://", &[]),
            ("http://.../", &[]),
            ("http://evil example.com/", &[]),
            ("http://256.256.256.256/", &[]),
            ("http://[::g]/", &[]),
            ("file:///C:/evil.example.com", &[]),
            ("file:evil.example.com", &[]),
        ],
    );
}

#[test]
fn hosts_are_read_as_browsers_read_them() {
    let evil = |trick: &str| {
        format!("evil.example.com example.com anchor {trick}")
            .trim_end()
            .to_owned()
    };
    let address = |trick: &str| format!("192.0.2.1 - anchor {trick}").trim_end().to_owned();
    let long = format!("http://{}@evil.example.com/", "bank.example.org-".repeat(3_000));
    let cases: Vec<(&str, String)> = vec![
        ("http://evil.example.com/", evil("")),
        ("  http://evil.example.com/ ", evil("")),
        ("ht\ntp://evil.exa\r\nmple.com/", evil("")),
        ("http://bank.example.org@evil.example.com/", evil("userinfo")),
        ("http://bank.example.org:pass@x@evil.example.com/", evil("userinfo")),
        ("http://bank.example.org%2f@evil.example.com/", evil("userinfo")),
        (&long, evil("userinfo")),
        ("http:\\\\evil.example.com\\a", evil("slashes")),
        ("http:/\\evil.example.com/", evil("slashes")),
        ("http:/evil.example.com/", evil("slashes")),
        ("http:evil.example.com/", evil("slashes")),
        ("http://///evil.example.com/", evil("slashes")),
        ("//evil.example.com/", evil("")),
        ("\\\\evil.example.com/", evil("slashes")),
        ("http://evil.example.com\\@bank.example.org/", evil("")),
        ("http://%65vil.example%2ecom/", evil("encoded-host")),
        ("http://%2565vil.example.com/", evil("encoded-host")),
        ("http://&#101;vil.example&#46;com/", evil("encoded-host")),
        ("&#104;ttp://evil.example.com/", evil("encoded-host")),
        ("http://evil.example.com/?a=1&#38;b=2", evil("")),
        ("http://3221225985/", address("odd-address")),
        ("http://0xC0000201/", address("odd-address")),
        ("http://0300.0.02.01/", address("odd-address")),
        ("http://0xc0.0.0x2.1/", address("odd-address")),
        ("http://192.0.513/", address("odd-address")),
        ("http://192.513/", address("odd-address")),
        ("http://192.0.2.1./", address("")),
        ("http://%31%39%32.0.2.1/", address("encoded-host")),
        ("http://[2001:DB8:0::1]/", "[2001:db8::1] - anchor".into()),
        ("http://evil.example.com./", evil("")),
        ("http://evil.example.com.../", evil("")),
        ("http://.evil..example.com/", evil("")),
        ("http://evil\u{3002}example\u{ff0e}com/", evil("wide-letters")),
        ("http://evil\u{ff61}example.com/", evil("wide-letters")),
        ("http://\u{ff45}vil.example.com/", evil("wide-letters")),
        ("http://\u{24d4}vil.example.com/", evil("wide-letters")),
        ("http://ev\u{200b}il.exam\u{ad}ple.com/", evil("invisible")),
        ("http://evil\u{2060}.example\u{feff}.com/", evil("invisible")),
        ("\u{200b}http://evil.example.com/", evil("")),
        (
            "http://b\u{fc}cher.example.com/",
            "xn--bcher-kva.example.com example.com anchor".into(),
        ),
        (
            "http://xn--bcher-kva.example.com/",
            "xn--bcher-kva.example.com example.com anchor".into(),
        ),
        (
            "http://ex\u{430}mple.com/",
            "xn--exmple-4nf.com xn--exmple-4nf.com anchor mixed-scripts".into(),
        ),
        (
            "http://xn--exmple-4nf.com/",
            "xn--exmple-4nf.com xn--exmple-4nf.com anchor mixed-scripts".into(),
        ),
        (
            "http://\u{43f}\u{440}\u{438}\u{43c}\u{435}\u{440}.com/",
            "xn--e1afmkfd.com xn--e1afmkfd.com anchor".into(),
        ),
        ("hxxp://evil.example.com/", evil("defanged")),
        ("http://evil.example.com:80/", evil("")),
        ("http://evil.example.com:/", evil("")),
        (
            "www.evil.example.com/x",
            "www.evil.example.com example.com anchor".into(),
        ),
        ("evil.example.com:8080/x", evil("")),
        ("file://evil.example.com/share", evil("")),
        ("file:////evil.example.com/share", evil("slashes")),
        ("File:\\\\evil.example.com\\share", evil("slashes")),
        (
            "http://bank.example.org@[2001:db8::1]:80/",
            "[2001:db8::1] - anchor userinfo".into(),
        ),
    ];
    let wrong: Vec<_> = cases
        .iter()
        .map(|(href, wanted)| (href, wanted, anchor(href)))
        .filter(|(_, wanted, got)| got.as_slice() != [wanted.as_str()])
        .map(|(href, wanted, got)| format!("{:.80}\n  wanted {wanted:?}\n  got    {got:?}", href.escape_default()))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} cases:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[test]
fn disguises_in_text_are_seen_through() {
    let evil = |trick: &str| format!("{EVIL} {trick}");
    let cases = [
        ("hxxp://evil.example.com/a", evil("defanged")),
        ("hXXps://evil[.]example[.]com/a", evil("defanged")),
        ("h**p://evil.example.com/a", evil("defanged")),
        ("evil[.]example.com", evil("defanged")),
        ("evil(.)example{.}com", evil("defanged")),
        ("evil [dot] example (dot) com", evil("defanged")),
        ("evil[DOT]example[dot]com", evil("defanged")),
        ("http[:]//evil.example.com/", evil("defanged")),
        ("http[://]evil.example.com/", evil("defanged")),
        ("http:\\\\evil.example.com\\a", evil("slashes")),
        ("http:/evil.example.com/a", evil("slashes")),
        ("http:///evil.example.com/a", evil("slashes")),
        ("http://bank.example.org@evil.example.com/a", evil("userinfo")),
        ("http://ev\u{200b}il.example.com/a", evil("invisible")),
        ("e\u{ad}vil.example.com", evil("invisible")),
        ("http://evil\u{3002}example\u{3002}com/", evil("wide-letters")),
        ("http://evil%2eexample%2ecom/", evil("encoded-host")),
        ("http://evil&#46;example.com/", evil("encoded-host")),
        ("http://0xC0000201/", "192.0.2.1 - text odd-address".into()),
        ("http://3221225985/a", "192.0.2.1 - text odd-address".into()),
    ];
    let wrong: Vec<_> = cases
        .iter()
        .map(|(body, wanted)| (body, wanted, text(body)))
        .filter(|(_, wanted, got)| got.as_slice() != [wanted.as_str()])
        .map(|(body, wanted, got)| format!("{}\n  wanted {wanted:?}\n  got    {got:?}", body.escape_default()))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} cases:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[test]
fn what_a_mail_loads_and_where_it_sends_is_found() {
    hold(
        html,
        &[
            (
                "<area href='http://evil.example.com/'>",
                &["evil.example.com example.com anchor"],
            ),
            (
                "<form action='http://evil.example.com/'>",
                &["evil.example.com example.com form"],
            ),
            (
                "<button formaction='http://evil.example.com/'>",
                &["evil.example.com example.com form"],
            ),
            (
                "<meta http-equiv=Refresh content=\"5; URL='http://evil.example.com/'\">",
                &["evil.example.com example.com refresh"],
            ),
            (
                "<meta http-equiv=refresh content='0,http://evil.example.com/'>",
                &["evil.example.com example.com refresh"],
            ),
            (
                "<img src=http://evil.example.com/>",
                &["evil.example.com example.com loaded"],
            ),
            (
                "<img srcset='http://a.example.org/ 1x, http://b.example.net/ 2x'>",
                &["a.example.org example.org loaded", "b.example.net example.net loaded"],
            ),
            (
                "<td background='http://evil.example.com/'>",
                &["evil.example.com example.com loaded"],
            ),
            (
                "<video poster='http://evil.example.com/'>",
                &["evil.example.com example.com loaded"],
            ),
            (
                "<iframe src='http://evil.example.com/'></iframe>",
                &["evil.example.com example.com loaded"],
            ),
            (
                "<link href='http://evil.example.com/'>",
                &["evil.example.com example.com loaded"],
            ),
            (
                "<p style=\"background:url( 'http://evil.example.com/' )\">",
                &["evil.example.com example.com loaded"],
            ),
            (
                "<style>p{background:URL(http://evil.example.com/)}</style>",
                &["evil.example.com example.com loaded"],
            ),
            (
                "<base href='http://evil.example.com/'><a href='a/b'>x</a>",
                &[
                    "evil.example.com example.com anchor",
                    "evil.example.com example.com loaded",
                ],
            ),
            (
                "<!-- http://evil.example.com/ -->",
                &["evil.example.com example.com hidden"],
            ),
            (
                "<p hidden>http://evil.example.com/</p>",
                &["evil.example.com example.com hidden"],
            ),
            (
                "<p style='display:none'><a href='http://evil.example.com/'>x</a></p>",
                &["evil.example.com example.com hidden"],
            ),
            (
                "<noscript><a href='http://evil.example.com/'>x</a></noscript>",
                &["evil.example.com example.com anchor"],
            ),
            (
                "<svg><style><p><a href=\"http://evil.example.com/\">pay</a>",
                &["evil.example.com example.com anchor"],
            ),
            (
                "<math><title><a href='http&#58;//evil.example.com/'>pay</a></title></math>",
                &["evil.example.com example.com anchor"],
            ),
            (
                "<svg><textarea><a href='http&#58;//evil.example.com/'>pay</a></textarea></svg>",
                &["evil.example.com example.com anchor"],
            ),
            (
                "<style>@import \"http://evil.example.com/\"; p.link{}</style>",
                &["evil.example.com example.com loaded"],
            ),
            (
                "<style>@IMPORT '//evil.example.com/'</style>",
                &["evil.example.com example.com loaded"],
            ),
            (
                "<script>e.target=window.name;location='http://evil.example.com/'</script>",
                &["evil.example.com example.com hidden"],
            ),
            (
                "<!--[if mso]><a href=\"http&#58;//evil&#46;example.com/\">x</a><![endif]-->",
                &["evil.example.com example.com anchor"],
            ),
            ("<p>ev<b>il.exam</b>ple.com</p>", &["evil.example.com example.com text"]),
            (
                "<a href='http://evil.example.com/'>www.bank.example.org</a>",
                &[
                    "evil.example.com example.com anchor other-shown",
                    "www.bank.example.org example.org text",
                ],
            ),
            (
                "<a href='http://evil.example.com/a'>evil.example.com</a>",
                &[
                    "evil.example.com example.com anchor",
                    "evil.example.com example.com text",
                ],
            ),
            (
                "<a href='http://192.0.2.1/'>http://www.bank.example.org/login</a>",
                &[
                    "192.0.2.1 - anchor other-shown",
                    "www.bank.example.org example.org text",
                ],
            ),
            (
                "<v:roundrect href='http://evil.example.com/'>",
                &["evil.example.com example.com anchor"],
            ),
            (
                "<a href='ms-word:ofe|u|http://evil.example.com/x'>x</a>",
                &["evil.example.com example.com nested"],
            ),
        ],
    );
}

#[test]
fn links_within_links_are_found() {
    let parent = "r.example.org example.org anchor";
    let evil = "evil.example.com example.com nested";
    hold(
        anchor,
        &[
            ("http://r.example.org/?u=http://evil.example.com/a", &[parent, evil]),
            (
                "http://r.example.org/?u=http%3A%2F%2Fevil.example.com%2Fa",
                &[parent, evil],
            ),
            (
                "http://r.example.org/?u=http%253A%252F%252Fevil.example.com",
                &[parent, evil],
            ),
            ("http://r.example.org/http://evil.example.com/a", &[parent, evil]),
            ("http://r.example.org/?u=//evil.example.com/a&b=c", &[parent, evil]),
            ("http://r.example.org/?u=%2F%2Fevil.example.com", &[parent, evil]),
            ("http://r.example.org/amp/s/evil.example.com/a", &[parent, evil]),
            ("http://r.example.org/amp/evil.example.com", &[parent, evil]),
            ("http://r.example.org/amp/news/today.html", &[parent]),
            (
                "http://r.example.org/#https:/evil.example.com/a",
                &[parent, &format!("{evil} slashes")],
            ),
            (
                "http://r.example.org/?a=b&u=https://evil.example.com&c=d",
                &[parent, evil],
            ),
            (
                "http://r.example.org/?u=http://x@evil.example.com/",
                &[parent, &format!("{evil} userinfo")],
            ),
            (
                "http://r.example.org/?u=http://s.example.net/?u=http://evil.example.com/",
                &[parent, "s.example.net example.net nested", evil],
            ),
        ],
    );
}

#[test]
fn links_stand_in_the_subject_and_in_mails_within_the_mail() {
    hold(
        links,
        &[
            (
                "Subject: see http://evil.example.com/a\r\n\r\n",
                &["evil.example.com example.com field"],
            ),
            (
                "Subject: =?utf-8?q?see_evil.exam?=\r\n =?utf-8?q?ple.com?=\r\n\r\n",
                &["evil.example.com example.com field"],
            ),
            (
                "Subject: =?utf-8?b?ZXZpbC5leGFtcGxlLmNvbQ==?=\r\n\r\n",
                &["evil.example.com example.com field"],
            ),
            (
                "Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nhttp://evil.example.com/\r\n",
                &[EVIL],
            ),
            (
                "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n\
                 U3ViamVjdDogeAoKaHR0cDovL2V2aWwuZXhhbXBsZS5jb20vCg==\r\n",
                &[EVIL],
            ),
        ],
    );
}

#[test]
fn transfer_encodings_do_not_hide_links() {
    let head = |transfer: &str| format!("Content-Type: text/plain\r\nContent-Transfer-Encoding: {transfer}\r\n\r\n");
    for (transfer, body) in [
        ("quoted-printable", "http://evil.exa=\r\nmple.com/\r\n"),
        ("quoted-printable", "http://evil.exa= \r\nmple.com/\r\n"),
        ("Quoted-Printable (x)", "http=3A//evil=2eexample.com/=ZZ\r\n"),
        ("base64", "aHR0cDovL2V2aWwuZXhhbXBsZS5jb20v\r\n"),
        ("BASE64", "aHR0cDov*L2V2aWw\u{e4}uZXhhb\r\nXBsZS5jb20v\r\n"),
        ("base64", "aHR0cDovL2V2aWwuZXhhbXBsZS5jb20"),
        ("base64", "aA==dHRwOi8vZXZpbC5leGFtcGxlLmNvbS8=\r\n"),
        ("8bit", "http://evil.example.com/\r\n"),
        ("x-unknown", "http://evil.example.com/\r\n"),
    ] {
        assert_eq!(
            links(&format!("{}{body}", head(transfer))),
            [EVIL],
            "{transfer}: {body}"
        );
    }
    for kind in ["text/calendar", "text/vcard"] {
        let folded = format!("Content-Type: {kind}\r\n\r\nURL:http://evil.exam\r\n ple.com/\r\nX:y\r\n");
        assert_eq!(links(&folded), [EVIL], "{kind}");
    }
    let amp = "Content-Type: text/x-amp-html\r\n\r\n<a href='http:&#47;/evil.example.com/'>x</a>";
    assert_eq!(links(amp), ["evil.example.com example.com anchor encoded-host"]);
    let flowed = "Content-Type: text/plain; format=flowed; delsp=yes\r\n\r\nhttp://evil. \r\nexample.com/\r\n";
    assert_eq!(links(flowed), [EVIL]);
}

#[test]
fn those_that_are_clicked_come_first_and_the_same_comes_once() {
    let mail = "<img src='http://c.example.net/'><p>http://b.example.org/ <p hidden>http://d.example.net/</p>\
                <a href='http://a.example.com/'>x</a><a href='http://b.example.org/'>x</a>";
    assert_eq!(
        html(mail),
        [
            "a.example.com example.com anchor",
            "b.example.org example.org anchor",
            "c.example.net example.net loaded",
            "d.example.net example.net hidden",
        ]
    );
}

#[test]
fn a_link_is_told_decoded_and_in_one_line() {
    let url = |href: &str| {
        let mail = format!("Content-Type: text/html\r\n\r\n<a href=\"{href}\">x</a>");
        let message = Message::from_bytes(mail.into_bytes());
        message
            .reading(&|| false)
            .links()
            .iter()
            .next()
            .map(|link| link.url.to_string())
    };
    for (href, wanted) in [
        (
            "HTTP://user@EVIL.example.com:080/%61%2f b\\c?d\\e",
            "http://evil.example.com/a%2f%20b/c?d\\e",
        ),
        ("https://evil.example.com", "https://evil.example.com/"),
        ("https://evil.example.com:8443?a", "https://evil.example.com:8443/?a"),
        (
            "http://evil.example.com/&#x202e;moc&#0;",
            "http://evil.example.com/moc\u{fffd}",
        ),
    ] {
        assert_eq!(url(href).as_deref(), Some(wanted));
    }
    let long = url(&format!("http://evil.example.com/{}", "\u{e4}".repeat(5_000))).unwrap();
    assert_eq!(long.len(), gatepost_message::reading::URL_MAX);
}
