//! The names of finds: where servers write them.
//!
//! There is no standard: `X-Infection-Found`, `X-Virus-ID` and `X-Violations-Found` are of an expired draft
//! (draft-stecher-icap-subid), which all engines follow, each in its own way. **Invariant:** total; what is kept of a name is
//! printable ASCII of at most [`NAME_MAX`] octets.

use gatepost_scanner::name::NAME_MAX;

use crate::head::Head;

/// The most octets of what a server says that are shown to the operator.
const WORDS_MAX: usize = 120;

/// What a head says of a find.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Find {
    /// It has this name; never empty.
    Named(String),
    /// There is one, and no name.
    Nameless,
}

/// The find that a head tells of, if it does.
pub fn find(head: &Head) -> Option<Find> {
    let named = |name: &str| match shown(name.trim(), NAME_MAX) {
        name if name.is_empty() => Find::Nameless,
        name => Find::Named(name),
    };
    if let Some(value) = head.field("x-infection-found") {
        // `Type=0; Resolution=2; Threat=Eicar;`
        let threat = value.split(';').find_map(|piece| {
            let (key, name) = piece.split_once('=')?;
            key.trim().eq_ignore_ascii_case("threat").then_some(name)
        });
        return Some(named(threat.unwrap_or(value)));
    }
    if let Some(name) = head.field("x-virus-id").or_else(|| head.field("x-virus-name")) {
        return Some(named(name));
    }
    let value = head.field("x-violations-found")?;
    // How many, then for each the file, the threat, and two numbers, each on a line of its own.
    let mut lines = value.lines();
    match lines.next().unwrap_or_default().trim() {
        "0" => None,
        _ => Some(named(lines.nth(1).unwrap_or_default())),
    }
}

/// What a stranger wrote as printable ASCII: what is not becomes `?`; so many octets at most.
pub fn shown(text: &str, most: usize) -> String {
    let plain = |c: char| match c {
        ' '..='~' => c,
        _ => '?',
    };
    text.chars().take(most).map(plain).collect()
}

/// What a server says, for the operator.
pub fn words(text: &str) -> String {
    shown(text.trim(), WORDS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_scanner::name::told;
    use proptest::prelude::*;

    fn of(fields: &str) -> Option<Find> {
        find(&Head::trailer(fields.as_bytes()).expect("fields"))
    }

    #[test]
    fn a_find_has_the_name_that_each_engine_gives_it() {
        let named = |name: &str| Some(Find::Named(name.into()));
        for (fields, found) in [
            (
                "X-Infection-Found: Type=0; Resolution=2; Threat=Eicar-Test;\r\n",
                named("Eicar-Test"),
            ),
            ("x-infection-found: threat = EICAR\r\n", named("EICAR")),
            ("X-Infection-Found: yes\r\n", named("yes")),
            ("X-Infection-Found: Type=0; Threat=;\r\n", Some(Find::Nameless)),
            ("X-Virus-ID: Win.Test.EICAR_HDB-1\r\n", named("Win.Test.EICAR_HDB-1")),
            ("X-Virus-ID: \u{ff}odd\tname\r\n", named("?odd?name")),
            ("X-Virus-ID:\r\n", Some(Find::Nameless)),
            ("X-Virus-Name: Eicar\r\n", named("Eicar")),
            (
                "X-Violations-Found: 1\r\n\ta.exe\r\n\tEICAR Test String\r\n\t11101\r\n\t2\r\n",
                named("EICAR Test String"),
            ),
            ("X-Violations-Found: 1\r\n", Some(Find::Nameless)),
            ("X-Violations-Found: 0\r\n", None),
            ("X-Virus-Scanned: yes\r\nISTag: \"x\"\r\n", None),
        ] {
            assert_eq!(of(fields), found, "{fields:?}");
        }
    }

    proptest! {
        #[test]
        fn any_name_is_kept_and_told_in_plain_letters(value: String) {
            if let Some(head) = Head::trailer(format!("X-Virus-ID: {value}\r\n").as_bytes())
                && let Some(Find::Named(name)) = find(&head)
            {
                prop_assert!(!name.is_empty() && name.len() <= NAME_MAX && name.bytes().all(|b| (b' '..=b'~').contains(&b)));
                prop_assert!(told(&name).bytes().all(|b| b.is_ascii_alphanumeric() || b".-_/".contains(&b)));
            }
        }
    }
}
