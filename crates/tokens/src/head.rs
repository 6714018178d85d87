//! The fields of the header section, each cut in its own way: addresses into name and domain, hosts into their domains,
//! numbers and identifiers into their form, for their digits never come again.

use std::borrow::Cow;

use gatepost_message::Header;
use gatepost_message::reading::registrable;

use crate::document::Field;
use crate::draft::Draft;
use crate::fields::Fields;
use crate::{clean, words};

/// Octets of the value of a field that are looked at.
pub const VALUE_MAX: usize = 1_000;
/// Words of a field that are taken.
pub const WORDS_MAX: usize = 40;
/// Received fields that are taken, from the top.
pub const RECEIVED_MAX: usize = 8;
/// Tokens of one field.
pub const FIELD_TOKENS_MAX: usize = 60;
/// Tokens of a field that was chosen first, where there is a flood of fields.
const FIRST_TOKENS: usize = 30;
/// Tokens of all others together then, and of each.
const OTHER_TOKENS: (usize, usize) = (240, 12);

/// Takes the fields of a header section.
pub(crate) fn tokens(fields: &Fields<'_>, draft: &mut Draft) {
    let mut known = Known::default();
    let mut others = OTHER_TOKENS.0;
    for (field, first) in &fields.list {
        let room = match (fields.flooded, first) {
            (false, _) => FIELD_TOKENS_MAX,
            (true, Some(_)) => FIRST_TOKENS,
            (true, None) => OTHER_TOKENS.1.min(others),
        };
        let taken = draft.within(room, |draft| known.take(field, draft));
        if first.is_none() {
            others = others.saturating_sub(taken);
        }
    }
    if !known.from.is_empty() && !known.to.is_empty() && same(&known.from, &known.to) {
        draft.push(Field::Form, "to", "as-from");
    }
}

/// What is known of a header section so far.
#[derive(Default)]
struct Known {
    received: usize,
    from: String,
    to: String,
    name: String,
    before: String,
}

impl Known {
    fn take(&mut self, field: &Header<'_>, draft: &mut Draft) {
        let Known {
            received,
            from,
            to,
            name,
            before,
        } = self;
        name.clear();
        name.extend(
            field
                .name()
                .iter()
                .take(words::WORD_MAX)
                .map(|octet| char::from(octet.to_ascii_lowercase())),
        );
        if name != before {
            draft.push(Field::Name, "", name);
        }
        let value = field.unfolded();
        let value = value.get(..VALUE_MAX).unwrap_or(&value);
        let value = match std::str::from_utf8(value) {
            Ok(value) => Cow::Borrowed(value),
            Err(_) => String::from_utf8_lossy(value),
        };
        let value = value.trim();
        match name.as_str() {
            "subject" => {}
            "received" => {
                *received += 1;
                if *received <= RECEIVED_MAX {
                    self::received(value, draft);
                }
            }
            "from" | "to" | "cc" | "sender" | "reply-to" | "errors-to" | "resent-from" => {
                let value = decoded(field, value);
                let domain = addresses(name, &value, draft);
                match name.as_str() {
                    "from" => *from = domain,
                    "to" => *to = domain,
                    "reply-to" | "sender" if !from.is_empty() && !domain.is_empty() => {
                        let like = if same(from, &domain) { "as-from" } else { "not-as-from" };
                        draft.push(Field::Form, name, like);
                    }
                    _ => {}
                }
            }
            "message-id" => {
                let domain = identifier(name, value, draft);
                if !from.is_empty() {
                    let like = if same(from, domain) { "as-from" } else { "not-as-from" };
                    draft.push(Field::Form, name, like);
                }
            }
            "in-reply-to" | "references" | "content-id" | "resent-message-id" => {
                identifier(name, value, draft);
            }
            "date" | "resent-date" => date(name, value, draft),
            "dkim-signature" | "domainkey-signature" => signature(name, value, draft),
            _ => plain(name, value, draft),
        }
        std::mem::swap(before, name);
    }
}

/// A value with its encoded words decoded.
fn decoded<'v>(field: &Header<'_>, value: &'v str) -> Cow<'v, str> {
    if !value.contains("=?") {
        return match clean::seen(value, VALUE_MAX).0 {
            Cow::Owned(seen) => Cow::Owned(seen),
            Cow::Borrowed(_) => Cow::Borrowed(value),
        };
    }
    Cow::Owned(clean::seen(&field.decoded(2 * VALUE_MAX), VALUE_MAX).0.into_owned())
}

fn same(one: &str, other: &str) -> bool {
    let domain = |name| registrable(name).unwrap_or(name);
    domain(one).eq_ignore_ascii_case(domain(other))
}

/// A token of a field: From has tokens of its own, others their name before them.
fn put(name: &str, text: &str, draft: &mut Draft) {
    match name {
        "from" => draft.push(Field::From, "", text),
        _ => draft.push(Field::Header, name, text),
    }
}

/// Takes the names and addresses of a field, and gives the domain of the first address.
fn addresses(name: &str, value: &str, draft: &mut Draft) -> String {
    let mut first = String::new();
    let mut count = 0usize;
    for word in value.split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '(' | ')' | ',' | ';')) {
        let Some((local, domain)) = word.rsplit_once('@').filter(|(local, _)| !local.is_empty()) else {
            words::each(word, |word| put(name, word, draft));
            continue;
        };
        count += 1;
        if count > WORDS_MAX {
            break;
        }
        if first.is_empty() {
            first.push_str(domain);
        }
        put(name, word, draft);
        let mut folded = [0; words::WORD_MAX];
        draft.push(Field::Header, &[name, "-local"].concat(), fold(local, &mut folded));
        host(name, domain, draft);
    }
    if count != 1 {
        draft.push(Field::Form, name, form_count(count));
    }
    first
}

fn form_count(count: usize) -> &'static str {
    crate::form::bucket(count)
}

/// Takes the name of a host: as it is, and the domains it lies in; an address also by its networks.
pub(crate) fn host(name: &str, host: &str, draft: &mut Draft) {
    let host = host.trim_matches(['.', '[', ']']);
    put(name, host, draft);
    if host
        .split('.')
        .all(|part| !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_digit()))
    {
        for (at, _) in host.match_indices('.').skip(1) {
            put(name, &host[..at], draft);
        }
        return;
    }
    if let Some(domain) = registrable(host).filter(|domain| domain.len() < host.len()) {
        put(name, domain, draft);
    }
    if let Some((_, last)) = host.rsplit_once('.') {
        draft.push(Field::Header, &[name, "-tld"].concat(), last);
    }
}

/// Whether a word is a name of a host or an address: it has dots, and no more than hosts have.
fn is_host(word: &str) -> bool {
    word.len() > 3
        && word.contains('.')
        && word
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
}

/// Takes what a Received field says: who, by whom, with what, and the form of the identifier.
fn received(value: &str, draft: &mut Draft) {
    let mut part = "received";
    let mut count = 0;
    let (path, _) = value.rsplit_once(';').unwrap_or((value, ""));
    for word in
        path.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '[' | ']' | '<' | '>' | '=' | '/' | '@'))
    {
        if word.is_empty() {
            continue;
        }
        count += 1;
        if count > WORDS_MAX {
            break;
        }
        match word {
            "from" => part = "received-from",
            "by" => part = "received-by",
            "with" => part = "received-with",
            "id" => part = "received-id",
            "for" => part = "received-for",
            word if is_host(word) && part != "received-with" => host(part, word, draft),
            word => {
                let mut folded = [0; words::WORD_MAX];
                draft.push(Field::Header, part, fold(word, &mut folded));
            }
        }
    }
    if part == "received" {
        draft.push(Field::Form, "received", "odd");
    }
}

/// Takes an identifier such as Message-ID: the form of its left part, and its host, which it gives.
fn identifier<'v>(name: &str, value: &'v str, draft: &mut Draft) -> &'v str {
    let first = value.split_ascii_whitespace().next().unwrap_or_default();
    let id = first.trim_matches(['<', '>']);
    let (left, right) = id.rsplit_once('@').unwrap_or((id, ""));
    let mut shape = [0; words::WORD_MAX];
    draft.push(Field::Header, name, self::shape(left, &mut shape));
    draft.push(Field::Form, name, crate::form::bucket(left.len()));
    if right.is_empty() {
        draft.push(Field::Form, name, "no-host");
    } else {
        host(name, right, draft);
    }
    if first.len() != value.len() {
        let count = value.split_ascii_whitespace().count();
        draft.push(Field::Form, name, crate::form::bucket(count));
    }
    right
}

/// Takes a date: its form, and its zone. What day it is says nothing.
fn date(name: &str, value: &str, draft: &mut Draft) {
    let mut shape = [0; words::WORD_MAX];
    draft.push(Field::Header, name, self::shape(value, &mut shape));
    for word in value.split_ascii_whitespace().skip(3) {
        if word.starts_with(['+', '-', '(']) || word.bytes().all(|octet| octet.is_ascii_alphabetic()) {
            draft.push(Field::Header, name, word);
        }
    }
}

/// Takes a signature: who signs, by what, and which fields; not what it comes to.
fn signature(name: &str, value: &str, draft: &mut Draft) {
    for tag in value.split(';').take(WORDS_MAX) {
        let Some((key, text)) = tag.split_once('=') else {
            continue;
        };
        match key.trim() {
            "d" => host(name, text.trim(), draft),
            "a" | "c" | "s" | "q" | "v" => draft.push(Field::Header, name, tag.trim()),
            _ => {}
        }
    }
}

/// Takes the words of any other field.
fn plain(name: &str, value: &str, draft: &mut Draft) {
    let mut count = 0;
    words::each_while(value, |word| {
        count += 1;
        if count > WORDS_MAX {
            return false;
        }
        let mut folded = [0; words::WORD_MAX];
        if word.is_ascii() {
            draft.push(Field::Header, name, fold(word, &mut folded));
        } else {
            draft.push(Field::Header, name, word);
        }
        true
    });
    if count > WORDS_MAX {
        draft.push(Field::Form, name, "long");
    }
}

/// A word with its digits folded where it is a number or an identifier that hardly comes again: eight characters or more
/// with three digits among them, or four digits and nothing else.
fn fold<'f>(word: &'f str, folded: &'f mut [u8; words::WORD_MAX]) -> &'f str {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    if digits >= 3 && word.len() >= 8 || digits >= 4 && digits == word.len() {
        shape(word, folded)
    } else {
        word
    }
}

/// The form of a text: each run of digits, of letters, of anything not ASCII as one character, other characters as they
/// are.
fn shape<'s>(text: &str, shape: &'s mut [u8; words::WORD_MAX]) -> &'s str {
    let mut len = 0;
    for octet in text.bytes() {
        let class = match octet {
            b'0'..=b'9' => b'9',
            b'a'..=b'z' => b'a',
            b'A'..=b'Z' => b'z',
            0x80.. => b'~',
            other => other,
        };
        if len > 0 && shape[len - 1] == class {
            continue;
        }
        if len == shape.len() {
            break;
        }
        shape[len] = class;
        len += 1;
    }
    std::str::from_utf8(&shape[..len]).unwrap_or_default()
}
