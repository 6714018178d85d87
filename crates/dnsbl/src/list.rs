//! A list as it is used: its options, the shipped ones beneath them, checked and parsed.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::Path;

use gatepost_core::{BuildError, Domain, Score};

use crate::answer::{Code, Meaning, Pattern};
use crate::name::{self, Nibbles};
use crate::options::{AnswerOptions, Check, Config, Ipv6, Kind, ListOptions, Of};
use crate::shipped;

/// What stands for the key in a zone.
const KEY: &str = "{key}";
/// Below these no list is asked without a key, so that a zone without its place holds one in the open.
const KEYED: [&str; 2] = ["dq.spamhaus.net", "mail.abusix.zone"];
/// The longest key, and the most octets that are read of its file.
const KEY_MAX: usize = 60;
/// The most lists.
pub const LISTS_MAX: usize = 64;
/// Names that findings of other kinds have.
pub const TAKEN: [&str; 7] = [
    "broken",
    "disguised_link",
    "other_shown",
    "shortener",
    "too_many_links",
    "unread",
    "unusable",
];

/// Where a list lies in DNS. Its key is in what is asked and in nothing else.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone {
    asked: Box<str>,
    shown: Box<str>,
    key: Option<Box<str>>,
}

impl Zone {
    /// For questions only.
    pub fn asked(&self) -> &str {
        &self.asked
    }

    /// For people.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// A text of the list's own without the key.
    pub fn masked(&self, text: &str) -> String {
        match &self.key {
            Some(key) => without(text, key),
            None => text.to_owned(),
        }
    }
}

/// `text` with `..` for each `key` in it, whatever its case.
fn without(text: &str, key: &str) -> String {
    let (mut rest, mut out) = (text, String::new());
    let (lower, key) = (text.to_ascii_lowercase(), key.to_ascii_lowercase());
    let mut at = 0;
    while let Some(found) = lower.get(at..).and_then(|tail| tail.find(&key)) {
        out.push_str(rest.get(..found).unwrap_or_default());
        out.push_str("..");
        rest = rest.get(found + key.len()..).unwrap_or_default();
        at += found + key.len();
    }
    out + rest
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Zone").field(&self.shown).finish()
    }
}

/// Why a list is not asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Off {
    /// The operator turned it off.
    Disabled,
    /// Its zone has a key, and there is none.
    NeedsKey,
}

/// One list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct List {
    /// Its name, the last part of its findings' tags.
    pub name: Box<str>,
    /// Why it is not asked, where it is not.
    pub off: Option<Off>,
    /// Where it lies.
    pub zone: Zone,
    /// What it has entries for.
    pub kinds: Vec<Kind>,
    /// Whose domains it is asked for.
    pub of: Vec<Of>,
    /// What its answers mean.
    pub code: Code,
    /// Whether it is asked about IPv6 addresses, and with how many nibbles.
    pub ipv6: Option<Nibbles>,
    /// Whether a listing refuses.
    pub refuse: bool,
    /// Whether its text is told to whom is refused.
    pub txt: bool,
    /// How it is seen to be well.
    pub check: Check,
    /// The entry that is always there, where it is not the usual one.
    pub test_entry: Option<Box<str>>,
    /// The entry that is never there, where it is not the usual one.
    pub clean_entry: Option<Box<str>>,
    /// Where somebody who is listed turns to.
    pub see: Box<str>,
    /// Who may use it.
    pub terms: Box<str>,
}

impl List {
    /// Whether it is asked, and has entries of a kind.
    pub fn has(&self, kind: Kind) -> bool {
        self.off.is_none() && self.kinds.contains(&kind)
    }

    /// Whether it is asked for somebody's domains.
    pub fn wants(&self, of: Of) -> bool {
        self.has(Kind::Domain) && self.of.contains(&of)
    }

    /// The question about an address; `None` where it has none of this kind.
    pub fn of_address(&self, address: IpAddr) -> Option<String> {
        let nibbles = match address.to_canonical() {
            IpAddr::V4(_) => Nibbles::Whole,
            IpAddr::V6(_) => self.ipv6?,
        };
        Some(name::of_address(address, nibbles, self.zone.asked()))
    }

    /// The question about a domain.
    pub fn of_domain(&self, domain: &str) -> Option<String> {
        name::of_domain(domain, self.zone.asked())
    }
}

/// All lists of a configuration, those that are off included, by name.
pub fn all(config: &Config) -> Result<Vec<List>, BuildError> {
    let mut options: BTreeMap<String, ListOptions> = if config.shipped {
        shipped::lists()
    } else {
        BTreeMap::new()
    };
    for (name, said) in &config.lists {
        let known = options.entry(name.clone()).or_default();
        *known = merged(std::mem::take(known), said.clone());
    }
    if options.len() > LISTS_MAX {
        return Err(BuildError::at(
            "lists",
            format!("expected at most {LISTS_MAX} lists, found {}", options.len()),
        ));
    }
    options.into_iter().map(|(name, said)| list(&name, said)).collect()
}

/// What is said over what is shipped.
fn merged(under: ListOptions, over: ListOptions) -> ListOptions {
    let own_key = over.key.is_some() || over.key_file.is_some();
    ListOptions {
        enabled: over.enabled.or(under.enabled),
        zone: over.zone.or(under.zone),
        shown: over.shown.or(under.shown),
        kinds: over.kinds.or(under.kinds),
        of: over.of.or(under.of),
        points: over.points.or(under.points),
        answers: over.answers.or(under.answers),
        refusals: over.refusals.or(under.refusals),
        ipv6: over.ipv6.or(under.ipv6),
        key: if own_key { over.key } else { under.key },
        key_file: if own_key { over.key_file } else { under.key_file },
        refuse: over.refuse.or(under.refuse),
        txt: over.txt.or(under.txt),
        check: over.check.or(under.check),
        test_entry: over.test_entry.or(under.test_entry),
        clean_entry: over.clean_entry.or(under.clean_entry),
        see: over.see.or(under.see),
        terms: over.terms.or(under.terms),
    }
}

fn list(name: &str, said: ListOptions) -> Result<List, BuildError> {
    let wrong = |key: &str, why: String| BuildError::at(format!("lists.{name}.{key}"), why);
    let sound = |c: u8| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'_');
    if name.is_empty() || name.len() > 32 || !name.bytes().all(sound) || TAKEN.contains(&name) {
        let why = format!(
            "expected a name of at most 32 letters of [a-z0-9_], and none of {}",
            TAKEN.join(", ")
        );
        return Err(BuildError::at(format!("lists.{name}"), why));
    }
    let key = key(&said).map_err(|(at, why)| wrong(at, why))?;
    let zone = said.zone.unwrap_or_default();
    let needs_key = zone.contains(KEY);
    if key.is_some() && !needs_key {
        return Err(wrong(
            "zone",
            format!("there is a key, and no place for it: expected {KEY} in the zone"),
        ));
    }
    let off = match (said.enabled.unwrap_or(true), needs_key && key.is_none()) {
        (false, _) => Some(Off::Disabled),
        (true, true) => Some(Off::NeedsKey),
        (true, false) => None,
    };
    let zone = zone_of(&zone, said.shown, key).map_err(|(at, why)| wrong(at, why))?;
    let points = said.points.unwrap_or(Score::points(1));
    let code = code(said.answers, said.refusals, points).map_err(|(at, why)| wrong(&at, why))?;
    let kinds = said.kinds.unwrap_or_else(|| vec![Kind::Address]);
    if kinds.is_empty() {
        return Err(wrong("kinds", "expected what it has entries for, found nothing".into()));
    }
    for (at, entry) in [("test_entry", &said.test_entry), ("clean_entry", &said.clean_entry)] {
        let Some(entry) = entry else { continue };
        let domains = kinds.contains(&Kind::Domain);
        let is_entry = match entry.parse::<IpAddr>() {
            Ok(_) => !domains,
            Err(_) => domains && name::of_domain(entry, zone.asked()).is_some(),
        };
        if !is_entry {
            let wanted = if domains { "a domain" } else { "an address" };
            return Err(wrong(at, format!("expected {wanted}, found {entry:?}")));
        }
    }
    for (at, text) in [("see", &said.see), ("terms", &said.terms)] {
        let printable = text.iter().all(|text| text.bytes().all(|b| matches!(b, b' '..=b'~')));
        if !printable || text.as_ref().is_some_and(|text| text.len() > 200) {
            return Err(wrong(at, "expected at most 200 printable ASCII characters".into()));
        }
    }
    Ok(List {
        name: name.into(),
        off,
        kinds,
        of: said.of.unwrap_or_else(|| vec![Of::Link]),
        code,
        ipv6: match said.ipv6.unwrap_or(Ipv6::No) {
            Ipv6::No => None,
            Ipv6::Whole => Some(Nibbles::Whole),
            Ipv6::Network => Some(Nibbles::Network),
        },
        refuse: said.refuse.unwrap_or(false),
        txt: said.txt.unwrap_or(false),
        check: said.check.unwrap_or(Check::Both),
        test_entry: said.test_entry.map(Into::into),
        clean_entry: said.clean_entry.map(Into::into),
        see: said.see.unwrap_or_else(|| zone.shown().to_owned()).into(),
        terms: said.terms.unwrap_or_default().into(),
        zone,
    })
}

fn key(said: &ListOptions) -> Result<Option<Box<str>>, (&'static str, String)> {
    let (at, text) = match (&said.key, &said.key_file) {
        (Some(_), Some(_)) => return Err(("key_file", "there is `key` as well: expected one of the two".into())),
        (Some(key), None) => ("key", key.0.to_string()),
        (None, Some(file)) => {
            let text = file_text(file).map_err(|error| ("key_file", format!("{}: {error}", file.display())))?;
            ("key_file", text)
        }
        (None, None) => return Ok(None),
    };
    let key = text.trim();
    // The key itself is not told: whoever reads this may not be whoever may know it.
    let sound = !key.is_empty() && key.len() <= KEY_MAX && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    match sound {
        true => Ok(Some(key.into())),
        false => Err((at, format!("expected a key of at most {KEY_MAX} letters and digits"))),
    }
}

fn file_text(file: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    // One octet more than a key with its line end shows that it is none.
    let most = KEY_MAX as u64 + 3;
    std::fs::File::open(file)?.take(most).read_to_string(&mut text)?;
    Ok(text)
}

fn zone_of(zone: &str, shown: Option<String>, key: Option<Box<str>>) -> Result<Zone, (&'static str, String)> {
    let bare = zone.replace("{key}.", "");
    let is_zone = |text: &str| text.contains('.') && Domain::parse(text, false).is_ok();
    let bare = bare.trim_end_matches('.').to_ascii_lowercase();
    let below = KEYED.iter().find(|parent| name::is_within(&bare, parent));
    if let (Some(parent), false) = (below, zone.contains(KEY)) {
        // What was found is not told: it may be a key.
        let why = format!(
            "below {parent} a zone has its key: expected {KEY} in its place, and the key in `key_file`, where no log shows it"
        );
        return Err(("zone", why));
    }
    if !is_zone(&bare) {
        let why = format!("expected a zone such as \"bl.example.org\" or \"{{key}}.bl.example.org\", found {zone:?}");
        return Err(("zone", why));
    }
    let shown = shown.unwrap_or_else(|| bare.clone());
    if !is_zone(&shown) {
        return Err((
            "shown",
            format!("expected a name such as \"bl.example.org\", found {shown:?}"),
        ));
    }
    // Without its key it is not asked.
    let asked = match &key {
        Some(key) => zone.trim_end_matches('.').replace(KEY, key).to_ascii_lowercase(),
        None => bare,
    };
    Ok(Zone {
        asked: asked.into(),
        shown: shown.into(),
        key,
    })
}

fn code(
    answers: Option<Vec<AnswerOptions>>,
    refusals: Option<Vec<String>>,
    points: Score,
) -> Result<Code, (String, String)> {
    let any = Meaning {
        pattern: Pattern::ANY,
        points,
        about: "listed".into(),
        connecting_only: false,
    };
    let meaning = |(n, said): (usize, AnswerOptions)| -> Result<Meaning, (String, String)> {
        let at = format!("answers[{n}].answer");
        let pattern = said
            .answer
            .parse()
            .map_err(|bad| (at, format!("{bad}, found {:?}", said.answer)))?;
        let about: String = said.about.chars().filter(|c| matches!(c, ' '..='~')).take(80).collect();
        Ok(Meaning {
            pattern,
            points: said.points.unwrap_or(points),
            about: if about.is_empty() {
                "listed".into()
            } else {
                about.into()
            },
            connecting_only: said.connecting_only,
        })
    };
    let refusal = |(n, text): (usize, String)| -> Result<Pattern, (String, String)> {
        let at = format!("refusals[{n}]");
        text.parse().map_err(|bad| (at, format!("{bad}, found {text:?}")))
    };
    let meanings: Vec<_> = answers
        .unwrap_or_default()
        .into_iter()
        .enumerate()
        .map(meaning)
        .collect::<Result<_, _>>()?;
    Ok(Code {
        meanings: if meanings.is_empty() { vec![any] } else { meanings },
        refusals: refusals
            .unwrap_or_default()
            .into_iter()
            .enumerate()
            .map(refusal)
            .collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use gatepost_core::Options;

    use super::*;

    fn read(json: &str) -> Result<Vec<List>, BuildError> {
        let table = serde_json::from_str(json).expect("a table");
        Options::new(table).read::<Config>().and_then(|config| all(&config))
    }

    fn one(json: &str) -> Result<List, BuildError> {
        let lists = read(&format!(r#"{{"shipped": false, "lists": {{"l": {json}}}}}"#))?;
        Ok(lists.into_iter().next().expect("a list"))
    }

    #[test]
    fn what_cannot_be_meant_is_told_by_its_key() {
        for (json, key) in [
            (r#"{}"#, "lists.l.zone"),
            (r#"{"zone": "example"}"#, "lists.l.zone"),
            (r#"{"zone": "a..example"}"#, "lists.l.zone"),
            (r#"{"zone": "bl.example", "key": "abc"}"#, "lists.l.zone"),
            (r#"{"zone": "{key}.bl.example", "key": "a.b"}"#, "lists.l.key"),
            (
                r#"{"zone": "{key}.bl.example", "key": "a", "key_file": "b"}"#,
                "lists.l.key_file",
            ),
            (
                r#"{"zone": "{key}.bl.example", "key_file": "/nonexistent/key"}"#,
                "lists.l.key_file",
            ),
            (r#"{"zone": "bl.example", "kinds": []}"#, "lists.l.kinds"),
            (r#"{"zone": "bl.example", "kinds": ["name"]}"#, "lists.l.kinds[0]"),
            (
                r#"{"zone": "bl.example", "answers": [{"answer": "1.2.3.4"}]}"#,
                "lists.l.answers[0].answer",
            ),
            (r#"{"zone": "bl.example", "refusals": ["127"]}"#, "lists.l.refusals[0]"),
            (r#"{"zone": "bl.example", "test_entry": "test"}"#, "lists.l.test_entry"),
            (r#"{"zone": "bl.example", "see": "\r\n"}"#, "lists.l.see"),
            (r#"{"zone": "bl.example", "colour": 1}"#, "lists.l.colour"),
        ] {
            assert_eq!(one(json).expect_err(json).key, key, "{json}");
        }
        for name in ["Zen", "", "unusable", "a.b"] {
            let json = format!(r#"{{"lists": {{"{name}": {{"zone": "bl.example"}}}}}}"#);
            assert!(read(&json).is_err(), "{name}");
        }
    }

    #[test]
    fn a_key_is_in_the_question_and_nowhere_else() {
        let list =
            one(r#"{"zone": "{key}.zen.dq.example", "key": "SECRET5", "shown": "zen.example"}"#).expect("a list");
        assert_eq!(
            list.of_address("192.0.2.1".parse().unwrap()).as_deref(),
            Some("1.2.0.192.secret5.zen.dq.example")
        );
        assert_eq!((list.off, list.zone.shown()), (None, "zen.example"));
        let shown = format!("{list:?} {:?}", list.zone);
        assert!(!shown.to_lowercase().contains("secret5"), "{shown}");
        assert_eq!(
            list.zone.masked("see http://x.example/Secret5/secret5?"),
            "see http://x.example/../..?"
        );
        let keyless = one(r#"{"zone": "{key}.zen.dq.example"}"#).expect("a list");
        assert_eq!(
            (keyless.off, keyless.zone.shown()),
            (Some(Off::NeedsKey), "zen.dq.example")
        );
        for open in [
            "secret5.zen.dq.spamhaus.net",
            "SECRET5.dbl.DQ.spamhaus.net.",
            "secret5.combined.mail.abusix.zone",
        ] {
            let told = one(&format!(r#"{{"zone": "{open}"}}"#)).expect_err(open);
            assert_eq!(told.key, "lists.l.zone");
            assert!(!told.to_string().to_lowercase().contains("secret5"), "{told}");
        }
        let wrong = one(r#"{"zone": "{key}.zen.dq.example", "key": "SECRET 5"}"#).expect_err("no key");
        assert!(!wrong.to_string().contains("SECRET"), "{wrong}");
        let config: Config = Options::new(serde_json::from_str(r#"{"lists": {"l": {"key": "SECRET5"}}}"#).unwrap())
            .read()
            .expect("options");
        assert!(!format!("{config:?}").contains("SECRET5"));
    }

    #[test]
    fn a_key_may_lie_in_a_file() {
        let file = std::env::temp_dir().join(format!("gatepost-dnsbl-key-{}", std::process::id()));
        std::fs::write(&file, "abc123\n").expect("a file");
        let json = format!(
            r#"{{"zone": "{{key}}.zen.dq.example", "key_file": {:?}}}"#,
            file.display().to_string()
        );
        let read = one(&json);
        let _ = std::fs::remove_file(&file);
        assert_eq!(read.expect("a list").zone.asked(), "abc123.zen.dq.example");
    }

    #[test]
    fn what_is_said_of_a_shipped_list_changes_it() {
        let shipped = read("{}").expect("the shipped lists");
        let zen = |lists: &[List]| {
            lists
                .iter()
                .find(|list| &*list.name == "spamhaus_zen")
                .cloned()
                .expect("zen")
        };
        let changed = read(r#"{"lists": {"spamhaus_zen": {"refuse": true}, "psbl": {"enabled": false}}}"#).unwrap();
        let mut expected = zen(&shipped);
        expected.refuse = true;
        assert_eq!(zen(&changed), expected);
        let psbl = changed.iter().find(|list| &*list.name == "psbl").expect("psbl");
        assert_eq!(psbl.off, Some(Off::Disabled));
        assert_eq!(changed.len(), shipped.len());
    }
}
