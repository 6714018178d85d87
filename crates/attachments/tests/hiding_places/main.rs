//! A dangerous file in each place of a mail where one can be hidden: a container, an encoding, and a way in which the mail
//! around it is written. All of them are put together by ours.
//!
//! A program is refused in each of them, under its own name and under a harmless one, and so is a file whose name alone is
//! dangerous. With a harmless file in them nothing is refused, and nothing is said but where readers do see two things.

#[path = "../packed/mod.rs"]
mod packed;

mod mails;
mod parts;
mod taken_out;

use std::collections::BTreeMap;

use gatepost_attachments::Config;
use gatepost_attachments::look::{How, look};
use gatepost_attachments::policy::Policy;
use gatepost_attachments::rule::{Action, Rule, Side};
use gatepost_core::Message;
use mails::{FRAMES, Frame};
use packed::{CONTAINERS, Container, Packed};
use parts::{ENCODINGS, Encoding};

/// What says that not all was seen, or that it is seen in two ways.
const DOUBTS: &[Rule] = &[
    Rule::Mismatch,
    Rule::DisguisedName,
    Rule::Smuggling,
    Rule::Polyglot,
    Rule::Ambiguous,
    Rule::Mime,
    Rule::Partial,
    Rule::ExternalBody,
    Rule::Encrypted,
    Rule::Damaged,
    Rule::Unread,
    Rule::Bounds,
    Rule::Bomb,
    Rule::Path,
];

/// A place, and what was made of a file in it.
struct Place {
    container: &'static Container,
    encoding: &'static Encoding,
    frame: &'static Frame,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} / {} / {}",
            self.container.what, self.encoding.what, self.frame.what
        )
    }
}

impl Place {
    fn mail(&self, name: &str, content: &[u8]) -> Vec<u8> {
        let file: Packed = (self.container.pack)(name, content);
        (self.frame.frame)((self.encoding.encode)(&file), &file)
    }

    fn is_doubtful(&self) -> bool {
        self.container.doubtful || self.encoding.doubtful || self.frame.doubtful
    }
}

/// Every container in each encoding and in each mail, and every encoding in each mail.
fn places() -> impl Iterator<Item = Place> {
    let all = CONTAINERS.iter().enumerate().flat_map(|(c, container)| {
        ENCODINGS.iter().enumerate().flat_map(move |(e, encoding)| {
            FRAMES.iter().enumerate().map(move |(f, frame)| {
                let place = Place {
                    container,
                    encoding,
                    frame,
                };
                // The first two containers are none and a zip; the first encoding and the first mail are the usual ones.
                (c < 2 || e == 0 || f == 0, place)
            })
        })
    });
    // A mail that is not encoded is opened by no reader as if it were.
    let is_read = |place: &Place| {
        !place.container.what.starts_with("eml in e") && place.container.what != "eml"
            || !place.encoding.what.starts_with("base64 that is called")
    };
    all.filter_map(|(taken, place)| taken.then_some(place)).filter(is_read)
}

/// The filter as it is shipped.
struct Filter {
    policy: Policy,
    how: How,
}

impl Filter {
    fn new() -> Filter {
        let config = Config::default();
        Filter {
            policy: config.policy().expect("the defaults"),
            how: config.how().expect("the defaults"),
        }
    }

    /// What is found in a mail from outside: rule, action, and why.
    fn findings(&self, mail: &[u8]) -> Vec<(Rule, Action, String)> {
        let contents = look(&Message::from_bytes(mail.to_vec()), &self.how, &|| false);
        let hits = self.policy.judge(&contents, Side::External, &[]);
        let path = |file: &gatepost_attachments::look::File| file.path.join(" > ");
        hits.iter()
            .map(|hit| {
                let file = hit.file.map_or_else(|| "the mail".to_owned(), path);
                (hit.rule, hit.action, format!("{file}: {}", hit.why))
            })
            .collect()
    }
}

fn is_refused(findings: &[(Rule, Action, String)]) -> bool {
    findings.iter().any(|(_, action, _)| *action == Action::Reject)
}

fn doubts(findings: &[(Rule, Action, String)]) -> Vec<&(Rule, Action, String)> {
    findings.iter().filter(|(rule, _, _)| DOUBTS.contains(rule)).collect()
}

/// A table of places, shortened.
fn table(list: &[String]) -> String {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for line in list {
        for part in line.split(": ").next().unwrap_or_default().split(" / ") {
            *kinds.entry(part).or_default() += 1;
        }
    }
    let mut kinds: Vec<_> = kinds.into_iter().map(|(kind, count)| (count, kind)).collect();
    kinds.sort_unstable_by(|one, other| other.cmp(one));
    let shown: Vec<&str> = list.iter().take(100).map(String::as_str).collect();
    format!("{} places\n{kinds:?}\n{}", list.len(), shown.join("\n"))
}

/// The places in which a file is not refused, and whether there is at least a doubt.
fn missed(name: &str, content: &[u8], only: fn(&Place) -> bool) -> (usize, Vec<String>, Vec<String>) {
    let (filter, mut count, mut flagged, mut unseen) = (Filter::new(), 0, Vec::new(), Vec::new());
    for place in places().filter(only) {
        count += 1;
        let findings = filter.findings(&place.mail(name, content));
        if is_refused(&findings) {
            continue;
        }
        match doubts(&findings).is_empty() {
            true => unseen.push(format!("{place}: {findings:?}")),
            false => flagged.push(format!("{place}: {findings:?}")),
        }
    }
    (count, flagged, unseen)
}

#[test]
fn a_program_is_refused_in_each_place() {
    let (count, flagged, unseen) = missed("invoice.exe", &packed::program(), |_| true);
    assert!(count > 2_000, "{count}");
    assert!(
        unseen.is_empty() && flagged.is_empty(),
        "unseen: {}\nonly in doubt: {}",
        table(&unseen),
        table(&flagged)
    );
}

#[test]
fn a_program_with_a_harmless_name_is_refused_in_each_place() {
    let (_, flagged, unseen) = missed("invoice.dat", &packed::program(), |_| true);
    assert!(
        unseen.is_empty() && flagged.is_empty(),
        "unseen: {}\nonly in doubt: {}",
        table(&unseen),
        table(&flagged)
    );
}

#[test]
fn the_test_file_is_refused_by_its_name_in_each_place_that_has_one() {
    let (_, flagged, unseen) = missed("eicar.com", &packed::eicar(), |place| {
        place.container.names && (place.container.what != "nothing" || place.frame.what != "no name")
    });
    assert!(
        unseen.is_empty() && flagged.is_empty(),
        "unseen: {}\nonly in doubt: {}",
        table(&unseen),
        table(&flagged)
    );
}

#[test]
fn a_harmless_file_is_refused_nowhere_and_no_plain_place_is_in_doubt() {
    let filter = Filter::new();
    let (mut refused, mut doubted) = (Vec::new(), Vec::new());
    for place in places() {
        let content = b"Dear Sir,\r\nplease find the papers behind this letter.\r\nYours, B.\r\n";
        let findings = filter.findings(&place.mail("letter.txt", content));
        if is_refused(&findings) && !place.container.refused {
            refused.push(format!("{place}: {findings:?}"));
        }
        let doubts = doubts(&findings);
        if !doubts.is_empty() && !place.is_doubtful() {
            doubted.push(format!("{place}: {doubts:?}"));
        }
    }
    assert!(
        refused.is_empty() && doubted.is_empty(),
        "refused: {}\nin doubt: {}",
        table(&refused),
        table(&doubted)
    );
}
