//! Who is offered a code with which a refused mail may come once more.
//!
//! **Invariant:** only mail that its points refuse, at its end; never what is dangerous, what a person or a filter of its own
//! will refuses, nor mail whose points come, in part, from a sender that is forged or listed. The filter that honours codes
//! must be there and enforced for the recipient, or the offer would be a lie.

use std::borrow::Cow;

use gatepost_core::{Code, Seed, Tag, Time};

/// The filter that honours codes.
pub const HONOURED_BY: &str = "resend";
/// The finding of that filter about a sender who tries codes: of more of them one would be right in the end.
pub const GUESSING: &str = "resend.guessing";

/// How long the code of a day is the code of the day.
const DAY_MILLIS: u64 = 86_400_000;

/// The codes of one refusal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Codes {
    /// That of the mail.
    pub mail: Code,
    /// That of the day, for the whole site.
    pub day: Code,
}

impl Codes {
    /// The codes for the mail of a transaction, at a time.
    pub fn new(seed: &Seed, id: &str, now: Time) -> Codes {
        Codes {
            mail: Code::of_mail(seed, id),
            day: Code::of_day(seed, now.millis() / DAY_MILLIS),
        }
    }
}

/// The names of findings, as one pattern: `clamav.found`, `dnsbl.*` for all that begin so, and either with a `!` before it
/// for those that are meant after all.
#[derive(Clone, PartialEq, Eq, Debug, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct TagPattern {
    text: Box<str>,
}

impl TagPattern {
    /// The most characters of a pattern.
    pub const MAX: usize = 100;

    /// Whether it takes findings out again.
    fn takes_out(&self) -> bool {
        self.text.starts_with('!')
    }

    fn fits(&self, tag: &Tag) -> bool {
        let name = self.text.trim_start_matches('!');
        match name.strip_suffix('*') {
            Some(begin) => tag.as_str().starts_with(begin),
            None => tag.as_str() == name,
        }
    }
}

impl TryFrom<String> for TagPattern {
    type Error = String;
    fn try_from(text: String) -> Result<TagPattern, String> {
        let name = text.strip_prefix('!').unwrap_or(&text);
        let name = name.strip_suffix('*').unwrap_or(name);
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
        if text.len() <= TagPattern::MAX && name.contains('.') && name.bytes().all(legal) {
            Ok(TagPattern { text: text.into() })
        } else {
            Err("the name of a finding, such as clamav.found, dnsbl.* or !dnsbl.shortener".into())
        }
    }
}

impl From<TagPattern> for String {
    fn from(pattern: TagPattern) -> String {
        pattern.text.into()
    }
}

impl schemars::JsonSchema for TagPattern {
    fn schema_name() -> Cow<'static, str> {
        "TagPattern".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "maxLength": TagPattern::MAX,
            "description": "The name of a finding, such as clamav.found, dnsbl.* or !dnsbl.shortener."
        })
    }
}

/// Findings for which no code is offered, where nothing else is configured: a forged sender, a listed one, danger. What is
/// said of links and not of who sends them does not count.
pub fn no_code_for() -> Vec<TagPattern> {
    [
        "clamav.*",
        "icap.*",
        "attachments.known_bad",
        "spf_dkim_dmarc.spf_fail",
        "spf_dkim_dmarc.dmarc_reject",
        "spf_dkim_dmarc.dmarc_quarantine",
        "spf_dkim_dmarc.author_ambiguous",
        "spf_dkim_dmarc.own_domain",
        "conduct.forged_*",
        "conduct.several_authors",
        "conduct.trap",
        "whitelist.denied*",
        "dnsbl.*",
        "!dnsbl.disguised_link",
        "!dnsbl.other_shown",
        "!dnsbl.shortener",
        "!dnsbl.too_many_links",
        "!dnsbl.unread",
        "!dnsbl.broken",
    ]
    .iter()
    .filter_map(|text| TagPattern::try_from((*text).to_owned()).ok())
    .collect()
}

/// Whether a finding forbids a code: the last pattern that fits it decides.
pub fn forbids(patterns: &[TagPattern], tag: &Tag) -> bool {
    let last = patterns.iter().rev().find(|pattern| pattern.fits(tag));
    last.is_some_and(|pattern| !pattern.takes_out())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forged_and_listed_senders_and_danger_are_offered_no_code() {
        let patterns = no_code_for();
        assert_eq!(patterns.len(), 19, "one of them is no pattern");
        for (tag, forbidden) in [
            ("bayes.odds", false),
            ("conduct.no_date", false),
            ("dnsbl.shortener", false),
            ("attachments.macro", false),
            ("spf_dkim_dmarc.spf_softfail", false),
            ("spf_dkim_dmarc.dmarc_list", false),
            ("dnsbl.zen", true),
            ("conduct.forged_author", true),
            ("spf_dkim_dmarc.dmarc_reject", true),
            ("whitelist.denied_author", true),
            ("clamav.heuristic", true),
        ] {
            assert_eq!(forbids(&patterns, &Tag::new(tag)), forbidden, "{tag}");
        }
    }

    #[test]
    fn a_pattern_is_the_name_of_a_finding_or_how_names_begin() {
        for good in ["dnsbl.*", "!dnsbl.my-list", "conduct.forged_*"] {
            assert!(TagPattern::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in [
            "",
            "*",
            "dnsbl",
            "Dnsbl.x",
            "dnsbl.*x",
            "!!a.b",
            "a.b ",
            &format!("a.{}", "b".repeat(100)),
        ] {
            assert!(TagPattern::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_code_of_the_day_changes_at_midnight_and_that_of_a_mail_never() {
        let seed = Seed::new([1; 16]);
        let at = |millis| Codes::new(&seed, "4XyZ-01", Time::from_millis(millis));
        assert_eq!(at(0), at(DAY_MILLIS - 1));
        assert_ne!(at(0).day, at(DAY_MILLIS).day);
        assert_eq!(at(0).mail, at(DAY_MILLIS).mail);
    }
}
