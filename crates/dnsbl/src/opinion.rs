//! What lists have, as findings and perhaps a refusal.
//!
//! **Invariant:** a list counts once in a round, by the heaviest that it says of anything: thirty links to one listed
//! domain, or an address with two codes, are no more than one. **Absent on purpose:** a sum over lists; that is policy's.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use gatepost_core::prelude::*;

use crate::answer::Meaning;
use crate::options::Config;
use crate::round::{Hit, Shown};

/// Its name where lists are of no use.
const UNUSABLE: Tag = Tag::new("dnsbl.unusable");

/// What somebody reads whom a list refuses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    text: Box<str>,
    contact: Box<str>,
}

impl Refusal {
    /// The longest text, places not filled in.
    pub const MAX: usize = 300;
    const PLACES: [&str; 5] = ["{what}", "{list}", "{reason}", "{see}", "{contact}"];

    /// The words of a configuration.
    pub fn new(config: &Config) -> Result<Refusal, BuildError> {
        let printable = |text: &str| text.len() <= Refusal::MAX && text.bytes().all(|b| matches!(b, b' '..=b'~'));
        let places = |text: &str| {
            Refusal::PLACES
                .iter()
                .fold(text.to_owned(), |text, place| text.replace(place, ""))
        };
        for (key, text, bare) in [
            ("refusal", &config.refusal, places(&config.refusal)),
            ("contact", &config.contact, config.contact.clone()),
        ] {
            if !printable(text) || bare.contains(['{', '}']) {
                let why = format!(
                    "expected one line of at most {} printable ASCII characters, with braces only around what, list, reason, see or contact",
                    Refusal::MAX
                );
                return Err(BuildError::at(key, why));
            }
        }
        Ok(Refusal {
            text: config.refusal.as_str().into(),
            contact: config.contact.as_str().into(),
        })
    }

    fn say(&self, hit: &Hit<'_>, heaviest: &Meaning) -> Reply {
        // One pass over the operator's words: what a list or a stranger says is not filled in again.
        let (mut out, mut rest) = (String::new(), &*self.text);
        while let Some(at) = rest.find('{') {
            let (before, tail) = rest.split_at(at);
            out.push_str(before);
            let place = Refusal::PLACES.iter().find(|place| tail.starts_with(**place));
            let filled = match place.copied() {
                Some("{what}") => &hit.subject,
                Some("{list}") => hit.list.zone.shown(),
                Some("{reason}") => hit.text.as_deref().unwrap_or(&heaviest.about),
                Some("{see}") => &hit.list.see,
                Some("{contact}") => &self.contact,
                _ => "",
            };
            out.push_str(filled);
            rest = tail.get(place.map_or(1, |place| place.len())..).unwrap_or_default();
        }
        out.push_str(rest);
        Reply::new(550, Some(Enhanced(5, 7, 1)), out)
    }
}

/// The heaviest that a list says of something.
struct Weighed<'s, 'a> {
    hit: &'s Hit<'a>,
    meaning: &'a Meaning,
    code: Ipv4Addr,
}

impl Weighed<'_, '_> {
    fn weight(&self) -> u32 {
        weight(self.meaning)
    }
}

fn weight(meaning: &Meaning) -> u32 {
    meaning.points.as_hundredths().unsigned_abs()
}

fn weighed<'s, 'a>(hit: &'s Hit<'a>) -> Option<Weighed<'s, 'a>> {
    // Of equals the first.
    let heaviest = hit.meanings.iter().rev().max_by_key(|(meaning, _)| weight(meaning));
    heaviest.map(|&(meaning, code)| Weighed { hit, meaning, code })
}

/// The opinion about what a round has shown.
pub fn of(shown: &Shown<'_>, refusal: &Refusal) -> Opinion {
    let mut by_list: BTreeMap<&str, Vec<Weighed<'_, '_>>> = BTreeMap::new();
    for weighed in shown.hits.iter().filter_map(weighed) {
        by_list.entry(&weighed.hit.list.name).or_default().push(weighed);
    }
    let mut opinion = Opinion::none();
    let mut refused = None;
    for (name, mut all) in by_list {
        all.sort_by_key(|weighed| std::cmp::Reverse(weighed.weight()));
        let Some(first) = all.first() else { continue };
        let note: Vec<_> = all
            .iter()
            .map(|one| format!("{}: {} ({})", one.hit.subject, one.meaning.about, one.code))
            .collect();
        let tag = Tag::owned(format!("dnsbl.{name}"));
        let points = first.meaning.points;
        opinion = opinion.with(Finding::new(tag, Evidence::Points(points), note.join("; ")));
        if first.hit.list.refuse && first.hit.proven && points > Score::ZERO && refused.is_none() {
            refused = Some(refusal.say(first.hit, first.meaning));
        }
    }
    if !shown.unusable.is_empty() {
        let note: Vec<_> = shown
            .unusable
            .iter()
            .map(|(name, why)| format!("{name}: {why}"))
            .collect();
        opinion = opinion.with(Finding::new(UNUSABLE, Evidence::Points(Score::ZERO), note.join("; ")));
    }
    match refused {
        Some(reply) => opinion.wish(Wish::Reject(reply)),
        None => opinion,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Answer;
    use crate::list;

    /// The opinion of the shipped lists about these answers, as a text a line.
    fn golden(refuse: bool, answers: &[(&str, &str, &[&str])]) -> (Vec<String>, Vec<String>) {
        let mut lists = list::all(&Config::default()).expect("the shipped lists");
        lists.iter_mut().for_each(|list| list.refuse = refuse);
        let mut shown = Shown::default();
        for (name, subject, codes) in answers {
            let list = lists.iter().find(|list| &*list.name == *name).expect(name);
            let codes: Vec<Ipv4Addr> = codes.iter().map(|code| code.parse().expect(code)).collect();
            match list.code.read(&codes) {
                Answer::Listed(meanings) => shown.hits.push(Hit {
                    list,
                    subject: (*subject).into(),
                    meanings,
                    text: None,
                    proven: true,
                }),
                Answer::Unusable(why) => drop(shown.unusable.insert(&list.name, why.to_string())),
                Answer::Clear => {}
            }
        }
        let refusal = Refusal::new(&Config::default()).expect("words");
        let opinion = of(&shown, &refusal);
        let findings = opinion.findings().iter().map(|finding| {
            let Evidence::Points(points) = finding.evidence else {
                panic!("points")
            };
            format!("{} {points} {}", finding.tag, finding.note)
        });
        let wishes = opinion.wishes().iter().map(|(_, _, wish)| match wish {
            Wish::Reject(reply) => reply.to_string(),
            other => panic!("{other:?}"),
        });
        (findings.collect(), wishes.collect())
    }

    #[test]
    fn what_lists_say_weighs_what_the_table_says() {
        let ip = "192.0.2.1";
        for (answers, expected) in [
            (
                vec![("spamhaus_zen", ip, &["127.0.0.2"][..])],
                vec!["dnsbl.spamhaus_zen 4 192.0.2.1: SBL, source of spam (127.0.0.2)"],
            ),
            (
                vec![("spamhaus_zen", ip, &["127.0.0.2", "127.0.0.4", "127.0.0.11"][..])],
                vec!["dnsbl.spamhaus_zen 4.5 192.0.2.1: XBL, hijacked machine (127.0.0.4)"],
            ),
            (
                vec![("spamcop", ip, &["127.0.0.2"][..]), ("dnswl", ip, &["127.0.5.2"][..])],
                vec![
                    "dnsbl.dnswl -3 192.0.2.1: medium trust (127.0.5.2)",
                    "dnsbl.spamcop 3 192.0.2.1: reported as a source of spam (127.0.0.2)",
                ],
            ),
            (
                vec![
                    ("spamhaus_dbl", "a.example", &["127.0.1.103"][..]),
                    ("spamhaus_dbl", "b.example", &["127.0.1.5"][..]),
                ],
                vec!["dnsbl.spamhaus_dbl 6 b.example: malware (127.0.1.5); a.example: abused redirector (127.0.1.103)"],
            ),
            (
                vec![
                    ("surbl", "b.example", &["127.0.0.80"][..]),
                    ("uribl", "b.example", &["127.0.0.4"][..]),
                ],
                vec![
                    "dnsbl.surbl 5.5 b.example: malware (127.0.0.80)",
                    "dnsbl.uribl 0.5 b.example: grey (127.0.0.4)",
                ],
            ),
            (
                vec![
                    ("spamhaus_zen", ip, &["127.255.255.254"][..]),
                    ("psbl", ip, &["127.0.0.9"][..]),
                ],
                vec![
                    "dnsbl.unusable 0 psbl: answers 127.0.0.9, which it does not document; spamhaus_zen: refuses this resolver: 127.255.255.254 open resolver",
                ],
            ),
            (
                vec![("dnswl", ip, &["127.0.0.255"][..])],
                vec!["dnsbl.unusable 0 dnswl: refuses this resolver: 127.0.0.255 no service"],
            ),
            (vec![("psbl", ip, &[][..])], vec![]),
        ] {
            let (findings, wishes) = golden(false, &answers);
            assert_eq!(findings, expected, "{answers:?}");
            assert_eq!(wishes, [""; 0]);
        }
    }

    #[test]
    fn a_list_that_refuses_says_who_is_on_which_list_and_where_to_turn() {
        let ip = "192.0.2.1";
        let (_, wishes) = golden(
            true,
            &[("spamhaus_zen", ip, &["127.0.0.4"]), ("psbl", ip, &["127.0.0.2"])],
        );
        assert_eq!(
            wishes,
            [
                "550 5.7.1 Service denied: 192.0.2.1 is listed by psbl.surriel.com (sent to a spam trap); see https://psbl.org/, or ask the postmaster of your recipient's domain"
            ]
        );
        let (_, wishes) = golden(
            true,
            &[("dnswl", ip, &["127.0.5.3"]), ("spamcop", ip, &["127.255.255.255"])],
        );
        assert_eq!(wishes, [""; 0], "neither who is good nor who is not answered");
    }

    #[test]
    fn words_with_other_places_are_told() {
        for (key, refusal, contact) in [
            ("refusal", "{who} is listed", "me"),
            ("refusal", "two\r\nlines", "me"),
            ("refusal", "{what", "me"),
            ("contact", "{what}", "{see}"),
        ] {
            let config = Config {
                refusal: refusal.into(),
                contact: contact.into(),
                ..Config::default()
            };
            assert_eq!(Refusal::new(&config).expect_err(refusal).key, key);
        }
    }
}
