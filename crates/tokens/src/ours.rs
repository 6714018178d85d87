//! What was written onto a mail after it was judged: by Gatepost, and by the servers behind it. None of it was there when
//! the mail came, so that nothing may be learned from it.
//!
//! **Invariants:** the fields of a mail as it came and of the same mail as it lies in a mailbox behind Gatepost are the
//! same; no stranger hides by a forged trace of ours what a reader of the mail is shown.

use gatepost_message::{Header, Headers, NamePattern};

/// Octets of a Subject in which tags are looked for.
const TAGS_MAX: usize = 200;
/// Octets of one tag.
const TAG_MAX: usize = 64;
/// Octets of a tag of ours that is not known as one, and what stands at both its ends.
const OUR_TAG_MAX: usize = 32;
const MARKS: [char; 12] = ['*', '[', ']', '(', ')', '{', '}', '<', '>', '#', '=', '!'];
/// Fields that readers are shown. No server behind us writes one above our trace; where one stands there, the trace is
/// forged.
const SHOWN: [&str; 9] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "Content-Type",
];

/// What of a header section is ours.
#[derive(Clone, Default, Debug)]
pub(crate) struct Ours {
    /// How many fields on top are no part of the mail as it came.
    pub(crate) fields: usize,
    /// The tag that we put before the Subject.
    tag: String,
}

impl Ours {
    /// Finds our trace: an X-Gatepost-Id below a Received with the same id, and what stands above and right below them. The
    /// seal behind the id is not asked for: whoever forges a trace hides nothing by it.
    pub(crate) fn of(headers: &Headers) -> Ours {
        Ours::find(headers).unwrap_or_default()
    }

    fn find(headers: &Headers) -> Option<Ours> {
        let id = headers.get("X-Gatepost-Id")?;
        let mut at = id.index();
        let received = loop {
            at = at.checked_sub(1)?;
            let field = headers.at(at)?;
            if field.is("Received") {
                break field;
            }
            if crate::fields::may(field.name()) {
                return None;
            }
        };
        let shown = |field: &Header<'_>| SHOWN.iter().any(|name| field.is(name));
        let unfolded = id.unfolded();
        // The id, and behind a dot its seal, which mail of before there were seals has not.
        let number = unfolded.split(|octet| *octet == b'.').next().unwrap_or_default();
        if !has_id(&received.unfolded(), number) || headers.iter().take(at).any(|field| shown(&field)) {
            return None;
        }
        let mut fields = id.index() + 1;
        let mut original = None;
        while let Some(field) = headers.at(fields) {
            if original.is_none() && field.is("X-Original-Subject") {
                original = Some(field);
            } else if !NamePattern::OURS.means(field.name()) {
                break;
            }
            fields += 1;
        }
        let mut tag = String::new();
        if let Some(original) = original {
            let subject = headers.iter().skip(fields).find(|field| field.is("Subject"));
            let subject = subject.map(|field| field.decoded(TAGS_MAX)).unwrap_or_default();
            let before = subject.strip_suffix(&original.decoded(TAGS_MAX)).unwrap_or_default();
            // In a forged trace words could be hidden as a tag: few at the most.
            let marked = |tag: &str| tag.starts_with(MARKS) && tag.ends_with(MARKS) && tag.is_ascii();
            tag.extend(Some(before.trim()).filter(|tag| tag.len() <= OUR_TAG_MAX && marked(tag)));
        } else if let Some(subject) = headers.at(fields).filter(|field| field.is("Subject")) {
            // A mail without a Subject got one that is nothing but the tag.
            let value = subject.unfolded();
            if !value.is_empty() && tags(&value) == value.len() {
                fields += 1;
            }
        }
        Some(Ours { fields, tag })
    }

    /// How many octets at the beginning of a Subject are tags: ours, and those by which other filters tell what they think.
    pub(crate) fn tags(&self, value: &[u8]) -> usize {
        let begin = value.len() - value.trim_ascii_start().len();
        let mut end = 0;
        if !self.tag.is_empty() && value[begin..].starts_with(self.tag.as_bytes()) {
            end = begin + self.tag.len();
        }
        end + tags(&value[end..])
    }

    /// A Subject without its tags.
    pub(crate) fn untagged<'s>(&self, subject: &'s str) -> &'s str {
        // Tags are ASCII, so they end between characters.
        match self.tags(subject.as_bytes()) {
            0 => subject,
            tags => subject.get(tags..).unwrap_or_default().trim_start(),
        }
    }

    /// A field as it came: of a Subject its beginning and the rest without tags.
    pub(crate) fn raw<'h>(&self, field: &Header<'h>) -> [&'h [u8]; 2] {
        let raw = field.raw();
        if field.is("Subject") {
            let colon = raw
                .iter()
                .position(|octet| *octet == b':')
                .map_or(raw.len(), |at| at + 1);
            let tags = self.tags(field.value());
            return [&raw[..colon], raw.get(colon + tags..).unwrap_or_default()];
        }
        [raw, b""]
    }
}

/// Whether a Received field has this id.
fn has_id(received: &[u8], id: &[u8]) -> bool {
    let path = received.rsplit(|octet| *octet == b';').nth(1).unwrap_or(received);
    let mut words = path.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    !id.is_empty() && words.any(|word| word == b"id") && words.next() == Some(id)
}

/// How many octets at the beginning of a Subject are tags of filters, such as `[SPAM]` and `*****SPAM*****`.
fn tags(value: &[u8]) -> usize {
    let value = value.get(..TAGS_MAX).unwrap_or(value);
    let mut end = 0;
    loop {
        let rest = &value[end..];
        let begin = rest.len() - rest.trim_ascii_start().len();
        match tag(&rest[begin..]) {
            0 => return end,
            len => end += begin + len,
        }
    }
}

/// How long the tag is that stands here: marks, words of which one names what is not wanted, and marks again.
fn tag(text: &[u8]) -> usize {
    const TELLING: [&[u8]; 6] = [b"spam", b"junk", b"bulk", b"virus", b"phishing", b"phish"];
    const BESIDE: [&[u8]; 17] = [
        b"mail",
        b"email",
        b"suspected",
        b"suspect",
        b"possible",
        b"possibly",
        b"probable",
        b"probably",
        b"likely",
        b"potential",
        b"detected",
        b"marked",
        b"warning",
        b"low",
        b"med",
        b"medium",
        b"high",
    ];
    let text = text.get(..TAG_MAX).unwrap_or(text);
    let count = |from: usize, may: &dyn Fn(u8) -> bool| text[from..].iter().take_while(|octet| may(**octet)).count();
    let open = count(0, &|octet| b"*[({<#=_ ".contains(&octet));
    let inner = count(open, &|octet| {
        octet.is_ascii_alphanumeric() || b" ?!-.:,/_%".contains(&octet)
    });
    let close = count(open + inner, &|octet| b"*])}>#=".contains(&octet));
    if close == 0 || !text[..open].iter().any(|octet| b"*[({<#=".contains(octet)) {
        return 0;
    }
    let is = |word: &[u8], list: &[&[u8]]| list.iter().any(|other| word.eq_ignore_ascii_case(other));
    let mut telling = false;
    for word in text[open..open + inner].split(|octet| !octet.is_ascii_alphabetic()) {
        if is(word, &TELLING) {
            telling = true;
        } else if !word.is_empty() && !is(word, &BESIDE) {
            return 0;
        }
    }
    if telling { open + inner + close } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_filters_come_off_and_words_of_people_stay() {
        let rest = |subject: &'static str| Ours::default().untagged(subject);
        for tagged in [
            "[SPAM?] hello",
            "[SPAM] hello",
            "[SPAM: low] hello",
            "[SPAM: med] hello",
            "[SPAM: high] hello",
            "*****SPAM***** hello",
            "***SPAM*** hello",
            "*** SPAM *** hello",
            "[Spam-Mail] hello",
            "{Spam?} hello",
            "**Junk** hello",
            "[SPAM 7.3/5.0] hello",
            "[SPAM:####] hello",
            "[Suspected Spam]hello",
            "[SPAM] ***SPAM*** hello",
        ] {
            assert_eq!(rest(tagged), "hello", "{tagged}");
        }
        for plain in [
            "hello",
            "spam is bad",
            "[SPAM hello",
            "[spam-list] hello",
            "[list] hello",
            "Re: [SPAM] hello",
            "*** hello ***",
            "[]",
            "",
            "[ILUG] [SPAM] hello",
        ] {
            assert_eq!(rest(plain), plain);
        }
    }
}
