//! A mail is refused for its content: its sender reads why, whom to write to and a code, comes again with the code, and is let
//! in once. Reference and reply are the same in the reply, the log and the record.

use crate::house::{Gatepost, Reply, Script, Setup, Upstream, eventually, holds};

/// A mail without a date, which is all that speaks against it.
fn undated(subject: &str, body: &str) -> Vec<u8> {
    format!(
        "From: Ann <ann@there.example>\r\nTo: bob@example.org\r\nSubject: {subject}\r\nMessage-ID: <1@there.example>\r\n\r\n{body}\r\n"
    )
    .into_bytes()
}

fn setup(upstream: &Upstream) -> Setup {
    Setup::before(upstream.address)
        .set("pipeline.inbound.tiers", "[['conduct', 'whitelist', 'resend']]")
        .set("filters.conduct.options.no_date_points", "20")
}

#[track_caller]
fn sends(gatepost: &Gatepost, content: &[u8]) -> Reply {
    let mut client = gatepost.client();
    let reply = client.mail("ann@there.example", &["bob@example.org"], content);
    client.quit();
    reply
}

/// What a text holds between two others.
#[track_caller]
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let found = text
        .split_once(before)
        .and_then(|(_, rest)| Some(rest.split_once(after)?.0));
    found.unwrap_or_else(|| panic!("something between `{before}` and `{after}` in: {text}"))
}

#[test]
fn whoever_is_refused_comes_again_with_the_code_and_is_welcome_from_then_on() {
    let upstream = Upstream::start(Script::new());
    let mut gatepost = Gatepost::start(&setup(&upstream).set("filters.resend.options.welcome", "true"));
    let told = sends(&gatepost, &undated("Offer", "Dear Bob"))
        .begins("554 5.7.1 Mail (")
        .text();
    for words in [
        "appears to be unsolicited - resend with the code ",
        " appended to subject and ask to have your email whitelisted",
        "It is not written as mail programs write",
        "postmaster@example.org",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(told.len() <= 510, "{told}");
    let id = between(&told, "Mail (", ")").to_owned();
    let code = between(&told, "the code ", " ").to_owned();
    let record = gatepost.record("the refused mail", |record| record["id"] == id.as_str());
    assert!(record.to_string().contains(&told), "{record}");

    // Whoever told it, a restart forgets no code.
    gatepost.stop();
    gatepost.again();
    let content = undated(&format!("Offer {code}"), "Dear Bob");
    sends(&gatepost, &content).is(250);
    let taken = upstream.taken();
    assert_eq!(taken.len(), 1);
    assert!(holds(&taken[0].content(), b"Subject: Offer\r\n"));
    gatepost.record("the mail that was let in", |record| {
        record.to_string().contains("resend.code") && record.to_string().contains("\"deliver\"")
    });

    let list = eventually("an entry of bob's", || {
        let list = gatepost.tells(&["whitelist", "list", "--person", "bob@example.org"]);
        list.contains("ann@there.example").then_some(list)
    });
    assert!(list.contains("resend"), "who put it there: {list}");

    let another = undated(&format!("Offer {code}"), "Something else");
    let again = sends(&gatepost, &another).begins("554 5.7.1").text();
    assert_ne!(between(&again, "the code ", " "), code, "a code of its own");
    assert_eq!(upstream.taken().len(), 1);
}

#[test]
fn what_a_filter_refuses_by_itself_has_a_reference_and_a_contact_and_no_code() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&setup(&upstream).set("policy.contact", "'https://{domain}/help'"));
    gatepost.tells(&["whitelist", "add", "--deny", "@there.example"]);
    let mut client = gatepost.client();
    client.ask("MAIL FROM:<ann@there.example>").is(250);
    let told = client.ask("RCPT TO:<bob@example.org>").is(550).text();
    client.quit();
    let id = between(&told, "(id ", ",");
    assert!(told.ends_with("contact https://example.org/help)"), "{told}");
    assert!(!told.contains("the code"), "{told}");
    gatepost.record("the refusal", |record| record["id"] == id);
}
