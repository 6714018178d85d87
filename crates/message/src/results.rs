//! Authentication-Results (RFC 8601) and Received-SPF (RFC 7208 §9.1): finding the forged ones, writing ours (P-51).
//!
//! Readers behind us believe what carries our authserv-id, so whatever came in with it is forged and must go before ours
//! is added. Fields of others are theirs and stay.

use std::borrow::Cow;

use crate::edit::Edit;
use crate::field::{self, Field, Name, ascii};
use crate::header::Headers;

static RESULTS: Name = Name::known("Authentication-Results");
static RECEIVED_SPF: Name = Name::known("Received-SPF");
/// Characters of a property value that are written.
const VALUE_MAX: usize = 320;

/// The places of all Authentication-Results fields that carry one of our authserv-ids, whatever comments, folds,
/// letter case, quotes or versions surround it.
pub fn forged(headers: &Headers, ours: &[&str]) -> Vec<usize> {
    let is_ours = |id: &[u8]| {
        let id = id.strip_suffix(b".").unwrap_or(id);
        ours.iter()
            .any(|our| id.eq_ignore_ascii_case(our.strip_suffix('.').unwrap_or(our).as_bytes()))
    };
    let fields = headers.all(RESULTS.as_str());
    let forged = fields.filter(|field| authserv_id(&field.unfolded()).is_some_and(|id| is_ours(&id)));
    forged.map(|field| field.index()).collect()
}

/// The edits that remove exactly the fields that [`forged`] finds.
pub fn strip(headers: &Headers, ours: &[&str]) -> Vec<Edit> {
    let fields = forged(headers, ours).into_iter().filter_map(|place| headers.at(place));
    fields.map(|field| Edit::remove_this(&field)).collect()
}

/// The authserv-id of an unfolded value (RFC 8601 §2.2): after spaces and comments, a token or a quoted string.
/// `None` if there is none, as in a field that begins with a result.
pub fn authserv_id(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut rest = value;
    loop {
        match rest {
            [b'(', ..] => rest = after_comment(rest)?,
            // Control characters count as spaces, since some readers skip them.
            [0..=b' ' | 0x7f, tail @ ..] => rest = tail,
            _ => break,
        }
    }
    if let Some(quoted) = rest.strip_prefix(b"\"") {
        let mut id = Vec::new();
        let mut octets = quoted.iter();
        while let Some(&octet) = octets.next() {
            match octet {
                b'"' => break,
                b'\\' => id.extend(octets.next()),
                _ => id.push(octet),
            }
        }
        let id = id.trim_ascii();
        return (!id.is_empty()).then(|| Cow::Owned(id.to_vec()));
    }
    let len = rest.iter().take_while(|&&b| is_token(b) || b >= 0x80).count();
    let (id, after) = rest.split_at_checked(len)?;
    // A method and its result where the id should be.
    let is_method = after.trim_ascii_start().starts_with(b"=");
    (!id.is_empty() && !is_method).then_some(Cow::Borrowed(id))
}

/// What follows a comment; comments nest to any depth without recursion.
fn after_comment(text: &[u8]) -> Option<&[u8]> {
    let (mut depth, mut escaped) = (0_usize, false);
    for (at, &octet) in text.iter().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return text.get(at + 1..);
        }
    }
    None
}

/// RFC 2045 §5.1.
fn is_token(octet: u8) -> bool {
    matches!(octet, b'!'..=b'~') && !b"()<>@,;:\\\"/[]?=".contains(&octet)
}

/// A property value as RFC 8601 wants it: a token as it is, anything else as a quoted string; what is not 0x20 to 0x7e
/// becomes `?`.
pub fn quoted(value: &str) -> String {
    let value = ascii(value, VALUE_MAX);
    if !value.is_empty() && value.bytes().all(is_token) {
        return value;
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Our Authentication-Results field, one result after the other.
#[derive(Clone, Debug)]
pub struct Results {
    clauses: Vec<String>,
    /// Octets of a field that are left.
    room: usize,
}

impl Results {
    /// A field without results yet; `ours` is our authserv-id.
    pub fn new(ours: &str) -> Results {
        let id = quoted(ours);
        Results {
            room: field::VALUE_MAX.saturating_sub(id.len() + 1),
            clauses: vec![id],
        }
    }

    /// Adds a result: method and result as registered, properties as `("smtp.mailfrom", value)`, `("reason", words)` the
    /// first of them where there is one. Values are quoted where that is needed, empty ones left out. A result that finds
    /// no more room in the field is left out whole: add those first that matter most.
    pub fn add(&mut self, method: &'static str, result: &'static str, properties: &[(&'static str, &str)]) {
        let mut clause = format!("{method}={result}");
        for (property, value) in properties.iter().filter(|(_, value)| !value.is_empty()) {
            clause.push_str(&format!(" {property}={}", value_of(value)));
        }
        let Some(room) = self.room.checked_sub(clause.len() + 1) else {
            return;
        };
        self.room = room;
        if let Some(last) = self.clauses.last_mut() {
            last.push(';');
        }
        self.clauses.push(clause);
    }

    /// The field, ready to be prepended.
    pub fn field(&self) -> Field {
        let none = (self.clauses.len() == 1).then_some("; none");
        let mut clauses: Vec<Cow<'_, str>> = self.clauses.iter().map(|c| Cow::Borrowed(c.as_str())).collect();
        if let (Some(none), Some(first)) = (none, clauses.first_mut()) {
            first.to_mut().push_str(none);
        }
        Field::clauses(&RESULTS, clauses.iter().map(AsRef::as_ref))
    }
}

/// A Received-SPF field: the result, why in a comment, and keys with their values, empty ones left out.
pub fn received_spf(result: &'static str, comment: &str, pairs: &[(&'static str, &str)]) -> Field {
    // Nothing in a comment opens, closes or escapes.
    let comment = ascii(comment, VALUE_MAX).replace(['(', ')', '\\', '"'], "'");
    // Folded apart from its comment, the result stands in the first line, where simple readers look for it.
    let mut clauses = vec![result.to_owned()];
    clauses.extend(
        Some(comment.trim())
            .filter(|comment| !comment.is_empty())
            .map(|comment| format!("({comment})")),
    );
    let pairs = pairs.iter().filter(|(_, value)| !value.is_empty());
    let pairs: Vec<_> = pairs.map(|(key, value)| format!("{key}={}", dotted(value))).collect();
    let last = pairs.len().saturating_sub(1);
    let ended = pairs.into_iter().enumerate();
    clauses.extend(ended.map(|(n, pair)| if n < last { pair + ";" } else { pair }));
    Field::clauses(&RECEIVED_SPF, clauses.iter().map(String::as_str))
}

/// A value as a dot-atom where it is one, else quoted.
fn dotted(value: &str) -> String {
    if is_half(value) {
        value.to_owned()
    } else {
        let value = ascii(value, VALUE_MAX).replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{value}\"")
    }
}

/// A value that may also be an address: `local@domain` stands unquoted if both halves can (RFC 8601 §2.2, `pvalue`).
fn value_of(value: &str) -> String {
    match value.split_once('@') {
        Some((local, domain)) if [local, domain].iter().all(|half| is_half(half)) => ascii(value, VALUE_MAX),
        _ => quoted(value),
    }
}

fn is_half(half: &str) -> bool {
    (1..VALUE_MAX / 2).contains(&half.len())
        && half
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_+".contains(&b)))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::{Edits, Message};

    fn stripped(mail: &str) -> String {
        let message = Message::from_bytes(mail.as_bytes().to_vec());
        let edits = Edits::from(strip(message.headers(), &["gate.example.org"]));
        let mut out = String::new();
        edits.apply(&message).read().read_to_string(&mut out).unwrap();
        out
    }

    #[test]
    fn a_field_under_our_id_goes_in_every_disguise() {
        for forged in [
            "Authentication-Results: gate.example.org; dmarc=pass",
            "authentication-results:gate.example.org;dmarc=pass",
            "Authentication-Results : GATE.Example.ORG; dmarc=pass",
            "Authentication-Results:\r\n\tgate.example.org\r\n ;\r\n dmarc=pass",
            "Authentication-Results: (a comment) gate.example.org; dmarc=pass",
            "Authentication-Results: (a (nested \\) one)) ( two)\r\n (three)gate.example.org (four); dmarc=pass",
            "Authentication-Results: \"gate.example.org\"; dmarc=pass",
            "Authentication-Results: \"gate\\.example.org\"; dmarc=pass",
            "Authentication-Results: gate.example.org 1; dmarc=pass",
            "Authentication-Results: gate.example.org/1; dmarc=pass",
            "Authentication-Results: gate.example.org(c)1; dmarc=pass",
            "Authentication-Results: gate.example.org.; dmarc=pass",
            "Authentication-Results: gate.example.org",
            "Authentication-Results: \x0b\0gate.example.org; dmarc=pass",
        ] {
            assert_eq!(
                stripped(&format!("A: b\r\n{forged}\r\nC: d\r\n\r\n")),
                "A: b\r\nC: d\r\n\r\n",
                "{forged}"
            );
        }
    }

    #[test]
    fn fields_of_others_stay() {
        for foreign in [
            "Authentication-Results: mx.other.example; dmarc=pass",
            "Authentication-Results: evil.gate.example.org; dmarc=pass",
            "Authentication-Results: gate.example.org.evil; dmarc=pass",
            "Authentication-Results: (gate.example.org) other.example; dmarc=pass",
            "Authentication-Results: spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=gate.example.org",
            "Authentication-Results: gate.example.org=pass",
            "Authentication-Results:",
            "Authentication-Results: (((( gate.example.org",
            "Authentication-Results: \"",
            "ARC-Authentication-Results: i=1; gate.example.org; dmarc=pass",
            "X-Authentication-Results: gate.example.org; dmarc=pass",
        ] {
            let mail = format!("A: b\r\n{foreign}\r\nC: d\r\n\r\n");
            assert_eq!(stripped(&mail), mail);
        }
    }

    #[test]
    fn of_many_only_ours_go_and_the_order_stays() {
        let mail = "Authentication-Results: a; x=y\r\nAuthentication-Results: gate.example.org; x=y\r\n\
            Authentication-Results: b; x=y\r\nAuthentication-Results: Gate.Example.org; x=y\r\n\r\n";
        assert_eq!(
            stripped(mail),
            "Authentication-Results: a; x=y\r\nAuthentication-Results: b; x=y\r\n\r\n"
        );
        let message = Message::from_bytes(mail.as_bytes().to_vec());
        assert_eq!(forged(message.headers(), &["B", "a."]), [0, 2]);
    }

    #[test]
    fn a_comment_of_any_depth_is_read_without_recursion() {
        let depth = 40_000;
        let value = format!("{}{}id", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(authserv_id(value.as_bytes()).as_deref(), Some(&b"id"[..]));
    }

    #[test]
    fn our_field_says_what_was_found() {
        let mut results = Results::new("gate.example.org");
        assert_eq!(
            results.field().as_bytes(),
            b"Authentication-Results: gate.example.org; none\r\n"
        );
        results.add("spf", "pass", &[("smtp.mailfrom", "a@b.example")]);
        results.add(
            "dmarc",
            "fail",
            &[("header.from", "b.example"), ("policy.x", "two words")],
        );
        assert_eq!(
            std::str::from_utf8(results.field().as_bytes()).unwrap(),
            "Authentication-Results: gate.example.org; spf=pass smtp.mailfrom=a@b.example;\r\n \
             dmarc=fail header.from=b.example policy.x=\"two words\"\r\n"
        );
    }

    #[test]
    fn a_result_that_finds_no_room_is_left_out_whole() {
        let mut results = Results::new("us");
        let long = "x".repeat(300);
        for _ in 0..20 {
            results.add("dkim", "fail", &[("reason", &long), ("header.d", "")]);
        }
        let text = String::from_utf8(results.field().as_bytes().to_vec()).unwrap();
        assert_eq!(text.matches("dkim=fail").count(), 6);
        assert!(text.trim_end().ends_with(&long) && !text.contains("header.d"));
    }

    #[test]
    fn received_spf_tells_why_and_of_whom() {
        let pairs = [
            ("client-ip", "2001:db8::1"),
            ("envelope-from", "a b@c.example"),
            ("helo", "mail.c.example"),
            ("identity", ""),
        ];
        let field = received_spf("softfail", "mx: c.example: (~all)\r\n", &pairs);
        assert_eq!(
            std::str::from_utf8(field.as_bytes()).unwrap(),
            "Received-SPF: softfail (mx: c.example: '~all'??) client-ip=\"2001:db8::1\";\r\n \
             envelope-from=\"a b@c.example\"; helo=mail.c.example\r\n"
        );
    }

    proptest::proptest! {
        #[test]
        fn whatever_it_is_made_of_it_is_one_field(
            texts in proptest::collection::vec("(?s).{0,60}|[\"\\\\;()=@ \r\n]{0,20}|x{300,400}", 0..12)
        ) {
            let mut results = Results::new(texts.first().map_or("us", String::as_str));
            for text in &texts {
                results.add("dkim", "pass", &[("reason", text), ("header.d", text), ("smtp.mailfrom", text)]);
            }
            let first = texts.first().map_or("", String::as_str);
            let spf = received_spf("pass", first, &[("helo", first), ("envelope-from", first)]);
            for field in [results.field(), spf] {
                let mail = [field.as_bytes(), b"\r\nbody\r\n"].concat();
                let message = Message::from_bytes(mail);
                proptest::prop_assert_eq!(message.headers().len(), 1);
                proptest::prop_assert_eq!(message.body().whole(), Some(&b"body\r\n"[..]));
                let text = field.as_bytes();
                proptest::prop_assert!(text.iter().all(|b| matches!(b, b' '..=b'~' | b'\r' | b'\n')));
                proptest::prop_assert!(text.split(|&b| b == b'\n').all(|line| line.len() <= 998));
                let quotes = text.iter().scan(false, |escaped, &b| {
                    let counts = b == b'"' && !*escaped;
                    *escaped = b == b'\\' && !*escaped;
                    Some(usize::from(counts))
                });
                proptest::prop_assert_eq!(quotes.sum::<usize>() % 2, 0, "every quote is closed");
            }
        }
    }

    #[test]
    fn no_value_creates_a_line_or_another_result() {
        for evil in [
            "x\r\ny",
            "\"x\r\ny\"@b",
            "x; dmarc=pass",
            "x (comment)",
            "a\\\"; dkim=pass",
            "\u{e4}@b",
            "a@b@c",
        ] {
            let mut results = Results::new("us");
            results.add("spf", "fail", &[("smtp.mailfrom", evil)]);
            let text = String::from_utf8(results.field().as_bytes().to_vec()).unwrap();
            let flat = text.trim_end().replace("\r\n", "");
            let value = flat
                .strip_prefix("Authentication-Results: us; spf=fail smtp.mailfrom=\"")
                .unwrap();
            let inner = value.strip_suffix('"').unwrap().replace("\\\\", "").replace("\\\"", "");
            assert!(
                !inner.contains('"') && inner.bytes().all(|b| matches!(b, b' '..=b'~')),
                "{text}"
            );
        }
    }
}
