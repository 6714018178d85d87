use proptest::prelude::*;

use super::*;

fn texts(found: &Found) -> Vec<&str> {
    found.entries.iter().map(|entry| entry.text.as_str()).collect()
}

#[test]
fn entries_are_read_as_people_write_them() {
    for (line, want) in [
        ("ann@b.example", "ann@b.example"),
        ("  Ann@B.example  ", "Ann@B.example"),
        ("Ann <ann@b.example>", "ann@b.example"),
        (
            "\"Ann, B. (x@y.example)\" <ann@b.example>, bob@c.example",
            "ann@b.example bob@c.example",
        ),
        ("support@bank.example <ann@b.example>", "ann@b.example"),
        ("ann@b.example <mailto:ann@b.example>", "ann@b.example"),
        ("ann@b.example, Bob <bob@c.example>", "ann@b.example bob@c.example"),
        ("mailto:ann@b.example?subject=x", "ann@b.example"),
        ("MAILTO:ann@b.example", "ann@b.example"),
        ("Ann [mailto:ann@b.example]", "ann@b.example"),
        (
            "please add (ann@b.example); bob@c.example.",
            "ann@b.example bob@c.example",
        ),
        (
            "- ann@b.example\tbob@c.example|eve@e.example",
            "ann@b.example bob@c.example eve@e.example",
        ),
        ("@b.example", "@b.example"),
        ("*@b.example", "*@b.example"),
        ("_ALL_@b.example", "_ALL_@b.example"),
        ("@*.b.example", "@*.b.example"),
        ("'ann@b.example'", "ann@b.example"),
        ("\u{201e}ann@b.example\u{201c}", "ann@b.example"),
        ("ann@[192.0.2.1]", "ann@[192.0.2.1]"),
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("2001:db8::1", "2001:db8::1"),
        ("ann@b.example ANN@b.example", "ann@b.example"),
        ("\u{fc}ber@m\u{fc}nchen.example", "\u{fc}ber@m\u{fc}nchen.example"),
        ("meet @ noon", ""),
        ("1.2.3.4 was here", ""),
        ("<ann@b.example", "ann@b.example"),
        ("ann@b.example, <bob@c.example>", "ann@b.example bob@c.example"),
        ("> \"x <ann@b.example", "ann@b.example"),
        (
            "\"a\" <b> \"x ann@b.example, <bob@c.example>",
            "ann@b.example bob@c.example",
        ),
        ("Hello,", ""),
    ] {
        let mut found = Found::default();
        found.read_line(line);
        assert_eq!(texts(&found).join(" "), want, "{line:?}");
    }
}

#[test]
fn an_administrator_says_for_whom() {
    for (line, want) in [
        ("ann@b.example,*", Some(For::Everybody)),
        ("@b.example,@d.example", Some(For::Domain("d.example".into()))),
        ("ann@b.example, *", None),
    ] {
        let mut found = Found::default();
        found.read_line(line);
        assert_eq!(
            found.entries.first().and_then(|entry| entry.reach.clone()),
            want,
            "{line}"
        );
    }
    let mut found = Found::default();
    found.read_line("ann@b.example,bob@c.example");
    assert_eq!(
        texts(&found),
        ["ann@b.example", "bob@c.example"],
        "a list, as many write one"
    );
}

#[test]
fn what_is_meant_and_cannot_be_read_is_told() {
    let mut found = Found::default();
    for line in ["ann@", "a*b@c.example", "b.example", "Thanks.", "Regards"] {
        found.read_line(line);
    }
    assert_eq!(found.entries, []);
    assert_eq!(found.unread, ["ann@", "a*b@c.example", "b.example"]);
}

#[test]
fn subject_and_text_count_and_quotations_do_not() {
    let text = "bob@c.example\n\n> eve@e.example\n-- \nCarl, carl@d.example\n";
    assert_eq!(texts(&find("ann@b.example", text)), ["ann@b.example", "bob@c.example"]);
    // Whoever forwards a mail has not written its subject.
    for subject in [
        "Fwd: invoice of eve@e.example",
        "WG: eve@e.example",
        "Re: eve@e.example",
    ] {
        assert_eq!(texts(&find(subject, text)), ["bob@c.example"], "{subject}");
    }
}

#[test]
fn a_thousand_are_taken_and_that_there_are_more_is_told() {
    let text: String = (0..=ENTRIES_MAX).map(|n| format!("a{n}@b.example\n")).collect();
    let found = find("", &text);
    assert!(found.cut && found.entries.len() == ENTRIES_MAX);
    let found = find("", &"x@\u{fc}\n".repeat(TEXT_MAX));
    assert!(!found.cut && found.unread.len() <= UNREAD_MAX);
}

proptest! {
    #[test]
    fn any_text_gives_entries_that_are_read_again(text in "([a-c@.*_,;<>\"'\\[\\] ()>:-]|mailto:|\\PC|\n){0,200}") {
        let found = find("", &text);
        prop_assert!(found.entries.len() <= ENTRIES_MAX && found.unread.len() <= UNREAD_MAX);
        for entry in &found.entries {
            prop_assert!(!entry.text.chars().any(char::is_control) && entry.text.len() <= 400);
            prop_assert!(entry.text.contains('@') || is_network(&entry.text), "{}", entry.text);
            let again = find(&entry.text, "");
            prop_assert_eq!(texts(&again), [entry.text.as_str()]);
        }
    }

    #[test]
    fn one_on_each_line_is_as_many_on_one(names in proptest::collection::vec("[a-z]{1,8}@[a-z]{1,8}\\.example", 1..20)) {
        let lines = find("", &names.join("\n"));
        for gap in [" ", ", ", ";", " | "] {
            let line = find("", &format!("x {}", names.join(gap)));
            prop_assert_eq!(texts(&line), texts(&lines));
        }
    }

    #[test]
    fn a_text_that_is_quoted_whole_says_nothing(text in "([a-c@. ]|\n){0,100}") {
        let quoted: String = text.lines().map(|line| format!("> {line}\n")).collect();
        prop_assert_eq!(find("", &quoted), Found::default());
    }
}
