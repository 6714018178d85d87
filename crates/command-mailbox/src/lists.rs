//! Senders whom somebody welcomes or refuses, by mail.

use std::sync::Arc;

use gatepost_core::desk::Change as Changed;
use gatepost_core::{Address, Author, Fault, List, Message, Reach, Receipt, Request, Site, Source};

use crate::addresses::{Act, Change};
use crate::entries::{self, Entry, For, Found};
use crate::errand::{Answer, Errand, Weight};
use crate::options::WhiteReach;
use crate::report::{self, Limits};
use crate::text;
use crate::told::Outcome;
use crate::words::shown::{address, harmless};

/// The most entries of a list that are shown in a letter.
pub const SHOWN_MAX: usize = 5_000;
/// Entries of one page of a list.
const PAGE: usize = 1_000;
/// Octets of a field with addresses that are read.
const FIELD_MAX: usize = 16_384;
/// The most characters of an entry that are told.
const TOLD_MAX: usize = 200;

/// One line of the answer.
struct Told {
    line: String,
    wrong: bool,
}

/// Reads the entries of a mail: what its writer wrote, and for the list of welcome senders its other recipients, too. In a
/// mail that was sent on as it is, a stranger wrote all of that.
fn read(message: &Message, change: Change, spent: &dyn Fn() -> bool) -> Found {
    let headers = message.headers();
    if report::is_sent_on(headers) {
        return Found::default();
    }
    let subject = headers
        .get("Subject")
        .map(|field| field.decoded(FIELD_MAX))
        .unwrap_or_default();
    let mut found = entries::find(&subject, &text::own(message, spent));
    if matches!(change, Change::White | Change::NotWhite) {
        for field in ["To", "Cc"].into_iter().flat_map(|name| headers.all(name)) {
            let mut others = Found::default();
            others.read_line(&field.decoded(FIELD_MAX));
            found.take_all(others.entries);
        }
    }
    found
}

/// The authors of the mails that a mail carries.
fn authors(message: &Message, limits: Limits, spent: &dyn Fn() -> bool) -> Vec<Entry> {
    let reported = report::read(message, limits, &mut || !spent());
    let head = |octets: &[u8]| octets.get(..gatepost_core::message::split(octets)).map(<[u8]>::to_vec);
    let author = |octets: &[u8]| Author::of(Message::from_bytes(head(octets)?).headers()).one();
    let found = reported
        .originals
        .iter()
        .filter_map(|original| author(&original.octets));
    found
        .map(|author| Entry {
            text: author.to_string(),
            reach: None,
        })
        .collect()
}

/// The domain of an entry that is one of ours.
fn is_ours(entry: &str, site: &Site) -> bool {
    let domain = entry
        .rsplit_once('@')
        .map(|(_, domain)| domain.strip_prefix("*.").unwrap_or(domain));
    domain
        .and_then(|domain| gatepost_core::Domain::parse(domain, true).ok())
        .is_some_and(|domain| site.is_local(&domain))
}

/// Does what a mail to one of the mailboxes of lists asks.
pub async fn change(errand: &Errand<'_>, change: Change) -> Result<Answer, Fault> {
    let (held, limits) = (Arc::clone(errand.message), errand.limits);
    // Whose that list is, no forwarded mail says.
    let is_red = matches!(change, Change::Red | Change::NotRed);
    let (found, carried) = errand
        .services
        .compute
        .run(move |budget| {
            let spent = || budget.is_spent();
            let found = read(&held, change, &spent);
            let carried = match found.entries.is_empty() && !is_red {
                true => authors(&held, limits, &spent),
                false => Vec::new(),
            };
            (found, carried)
        })
        .await?;
    let (mut told, mut entries) = (Vec::new(), Vec::new());
    for entry in found.entries.into_iter().chain(carried) {
        match wanted(errand, change, &entry) {
            Wanted::Yes => entries.push(entry),
            Wanted::Ours => told.push(Told {
                line: errand.say("ours", &[("entry", &address(&entry.text, TOLD_MAX))]),
                wrong: true,
            }),
            Wanted::Silent => {}
        }
    }
    let nothing = entries.is_empty() && told.is_empty() && found.unread.is_empty();
    match change {
        Change::PersBlack if nothing => return show(errand).await,
        // Whoever writes nothing means themselves.
        _ if is_red && nothing => entries.push(Entry {
            text: errand.person.home.to_string(),
            reach: None,
        }),
        _ => {}
    }
    for (reach, entries) in by_reach(errand, change, entries) {
        told.extend(submit(errand, change, reach, entries).await?);
    }
    let wrong = told.is_empty() || told.iter().any(|told| told.wrong) || !found.unread.is_empty() || found.cut;
    let lines: Vec<String> = told.into_iter().map(|told| told.line).collect();
    let left = found
        .unread
        .iter()
        .map(|word| format!("  {}", harmless(word, TOLD_MAX)));
    let left: Vec<String> = left.collect();
    let title = errand.say(&format!("title.{}", change.name()), &[]);
    let cut = if found.cut {
        entries::ENTRIES_MAX.to_string()
    } else {
        String::new()
    };
    let places = [
        ("title", title.as_str()),
        ("done", &lines.join("\n")),
        ("left", &left.join("\n")),
        ("cut", &cut),
    ];
    Ok(errand.letter("list", &places, if wrong { Weight::Wrong } else { Weight::Done }))
}

/// Whether an entry is meant.
enum Wanted {
    Yes,
    /// It is one of our own addresses, which no such list is about.
    Ours,
    /// It is the mailbox, or the writer.
    Silent,
}

fn wanted(errand: &Errand<'_>, change: Change, entry: &Entry) -> Wanted {
    let site = &errand.services.site;
    let address = Address::parse(&entry.text, true).ok();
    if address
        .as_ref()
        .is_some_and(|address| errand.addresses.act(address, site).is_some())
    {
        return Wanted::Silent;
    }
    let own = address.is_some_and(|address| address.key() == errand.person.home.key());
    match (change, is_ours(&entry.text, site)) {
        // The red list is one of our own people.
        (Change::Red | Change::NotRed, _) | (_, false) => Wanted::Yes,
        (_, true) if own => Wanted::Silent,
        (_, true) => Wanted::Ours,
    }
}

/// The entries by whose list it is, in order.
fn by_reach(errand: &Errand<'_>, change: Change, entries: Vec<Entry>) -> Vec<(Reach, Vec<String>)> {
    let home = errand.person.home.to_string();
    let of_domain = || Reach::Domain(errand.person.home.domain().to_string());
    let mut all: Vec<(Reach, Vec<String>)> = Vec::new();
    for entry in entries {
        let reach = match (entry.reach, change) {
            (Some(For::Everybody), _) => Reach::Site,
            (Some(For::Domain(domain)), _) => Reach::Domain(domain),
            (None, Change::White | Change::NotWhite) => match errand.config.white_reach {
                WhiteReach::Person => Reach::Person(home.clone()),
                WhiteReach::Domain => of_domain(),
                WhiteReach::Site => Reach::Site,
            },
            (None, Change::PersBlack | Change::NotPersBlack) => Reach::Person(home.clone()),
            (None, Change::Black | Change::NotBlack) => Reach::Site,
            (None, Change::Red | Change::NotRed) => match Address::parse(&entry.text, true) {
                Ok(address) => Reach::Person(address.to_string()),
                Err(_) => Reach::Domain(entry.text.rsplit('@').next().unwrap_or_default().into()),
            },
        };
        match all.iter_mut().find(|(known, _)| *known == reach) {
            Some((_, entries)) => entries.push(entry.text),
            None => all.push((reach, vec![entry.text])),
        }
    }
    all
}

fn request(change: Change, reach: Reach, entries: Vec<String>) -> Request {
    match change.list() {
        (list, true) => Request::Add { list, reach, entries },
        (list, false) => Request::Remove { list, reach, entries },
    }
}

/// What may be done instead where a login may not reach so far: an administrator of a domain means that domain; a user whose
/// word is to count for others, and must not, means their own list.
fn nearer(errand: &Errand<'_>, change: Change, reach: &Reach) -> Option<Reach> {
    let home = &errand.person.home;
    match (change, reach) {
        (Change::Black | Change::NotBlack, Reach::Site) => Some(Reach::Domain(home.domain().to_string())),
        (Change::White | Change::NotWhite, Reach::Site | Reach::Domain(_)) => Some(Reach::Person(home.to_string())),
        _ => None,
    }
}

async fn submit(errand: &Errand<'_>, change: Change, reach: Reach, entries: Vec<String>) -> Result<Vec<Told>, Fault> {
    let (nearer, is_own) = (nearer(errand, change, &reach), matches!(reach, Reach::Person(_)));
    let mut receipt = errand.submit(request(change, reach, entries.clone())).await?;
    if let (Receipt::Refused(_), Some(nearer)) = (&receipt, nearer) {
        receipt = match errand.submit(request(change, nearer, entries.clone())).await? {
            // What was asked for first is what is told.
            Receipt::Refused(_) => receipt,
            done => done,
        };
    }
    if change == Change::White && !is_own && matches!(receipt, Receipt::Done(_)) {
        // Whoever is welcome to all is refused by nobody who says so; on one's own lists that is one move.
        let reach = Reach::Person(errand.person.home.to_string());
        let entries = entries.clone();
        let list = List::Deny;
        errand.submit(Request::Remove { list, reach, entries }).await?;
    }
    let outcomes: Vec<Outcome> = match &receipt {
        Receipt::Done(done) => outcomes(done, entries.len()),
        Receipt::Refused(why) => vec![Outcome::Refused(why.clone()); entries.len()],
        _ => vec![Outcome::Refused(String::new()); entries.len()],
    };
    let tell = |(entry, outcome): (&String, Outcome)| tell(errand, change, entry, outcome);
    Ok(entries.iter().zip(outcomes).map(tell).collect())
}

fn outcomes(done: &Changed, count: usize) -> Vec<Outcome> {
    if done.lines.len() >= count {
        return done.lines.iter().take(count).map(|line| Outcome::of(line)).collect();
    }
    // All of them in one line: mostly that none was taken.
    let refused = done.lines.iter().map(|line| Outcome::of(line));
    let refused = refused.into_iter().find(|one| matches!(one, Outcome::Refused(_)));
    let all = if done.changed { Outcome::Done } else { Outcome::Same };
    vec![refused.unwrap_or(all); count]
}

fn tell(errand: &Errand<'_>, change: Change, entry: &str, outcome: Outcome) -> Told {
    let entry = address(entry, TOLD_MAX);
    let how = |kind: &str| errand.say(&format!("{kind}.{}", change.name()), &[("entry", &entry)]);
    match outcome {
        Outcome::Done => Told {
            line: how("done"),
            wrong: false,
        },
        Outcome::Same => Told {
            line: how("same"),
            wrong: false,
        },
        Outcome::Refused(why) => Told {
            line: errand.say("refused", &[("entry", &entry), ("why", &errand.why(&why))]),
            wrong: true,
        },
    }
}

/// The list of those whose mail to the writer is refused.
pub async fn show(errand: &Errand<'_>) -> Result<Answer, Fault> {
    let (mut entries, mut after, mut more) = (Vec::new(), None, 0_usize);
    // As many pages as there may be, and as many again with nothing in them.
    for _ in 0..2 * SHOWN_MAX.div_ceil(PAGE) {
        let page = errand
            .submit(Request::Show {
                list: List::Deny,
                reach: Some(Reach::Person(errand.person.home.to_string())),
                after: after.take(),
                limit: Some(PAGE),
            })
            .await?;
        let page = match page {
            Receipt::Done(page) => page,
            Receipt::Refused(why) => return Ok(failed(errand, &why)),
            _ => break,
        };
        for listed in page
            .listed
            .into_iter()
            .filter(|listed| listed.source != Source::Removed)
        {
            match entries.len() < SHOWN_MAX {
                true => entries.push(format!("  {}", address(&listed.entry, TOLD_MAX))),
                false => more = more.saturating_add(1),
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let more = match more {
        0 => String::new(),
        more => more.to_string(),
    };
    let places = [
        ("entries", entries.join("\n")),
        ("remove", errand.mailbox(Act::Entries(Change::NotPersBlack))),
        ("more", more),
    ];
    let places: Vec<(&str, &str)> = places.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Ok(errand.letter("entries", &places, Weight::Asked))
}

/// That something could not be had that somebody asked for.
pub fn failed(errand: &Errand<'_>, why: &str) -> Answer {
    errand.letter("failed", &[("why", &errand.why(why))], Weight::Asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_for_all_entries_is_the_word_on_each() {
        let refused = Changed::shown(vec!["refused: `x`: no such list".into()]);
        assert_eq!(outcomes(&refused, 2), vec![Outcome::Refused("no such list".into()); 2]);
        assert_eq!(outcomes(&Changed::done("done"), 2), [Outcome::Done, Outcome::Done]);
        assert_eq!(outcomes(&Changed::default(), 2), [Outcome::Same, Outcome::Same]);
    }
}
