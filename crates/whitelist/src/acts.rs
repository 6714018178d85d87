//! What people do to the lists, and what they are told: one line for each entry, in the words of an audit.
//!
//! **Invariant:** an entry that is refused does not keep the others from being done, and is told. A request is bounded
//! ([`ENTRIES_MAX`]); what is quoted of it is short and holds no control character.

use std::time::Duration;

use gatepost_core::desk::Request;
use gatepost_core::{Acting, Change, Fault, List, Listed, Reach, Source, Time};

use crate::change::{MARK, Outcome};
use crate::entry::Pattern;
use crate::form::{BY_MAX, Shelf, Slot, cut};
use crate::lists::Lists;
use crate::owner::Owner;
use crate::page::{self, Place};

/// The most entries of one request.
pub const ENTRIES_MAX: usize = 10_000;
/// The most octets that are quoted of what somebody wrote.
const QUOTED_MAX: usize = 100;

/// What somebody wrote, as it may be shown.
fn quoted(text: &str) -> String {
    let short = cut(text, QUOTED_MAX);
    let dots = if short.len() < text.len() { ".." } else { "" };
    format!("`{}{dots}`", short.escape_debug().to_string().replace("\\\"", "\""))
}

fn name(list: List) -> &'static str {
    match list {
        List::Allow => "allow list",
        List::Deny => "deny list",
        _ => "red list",
    }
}

fn refused(why: impl Into<String>) -> Change {
    Change::shown(vec![format!("refused: {}", why.into())])
}

/// What is done with entries of one list.
struct Act<'a> {
    lists: &'a Lists,
    list: List,
    shelf: Shelf,
    owner: Owner,
    by: &'a str,
    now: Time,
}

/// Does what a request asks, where it is about lists.
pub async fn handle(
    lists: &Lists,
    life: Duration,
    acting: &Acting<'_>,
    request: &Request,
) -> Result<Option<Change>, Fault> {
    let by = cut(&acting.login.name, BY_MAX);
    let change = match request {
        Request::Add { list, reach, entries } => match act(lists, *list, reach, by, acting.at, entries.len()) {
            Ok(act) => act.add(entries).await?,
            Err(change) => change,
        },
        Request::Remove { list, reach, entries } => match act(lists, *list, reach, by, acting.at, entries.len()) {
            Ok(act) => act.remove(entries).await?,
            Err(change) => change,
        },
        Request::Show {
            list,
            reach,
            after,
            limit,
        } => show(lists, *list, reach.as_ref(), after.as_deref(), *limit, acting.at).await?,
        Request::Import { entries } => import(lists, life, entries, acting.at).await?,
        _ => return Ok(None),
    };
    Ok(Some(change))
}

fn act<'a>(
    lists: &'a Lists,
    list: List,
    reach: &Reach,
    by: &'a str,
    now: Time,
    entries: usize,
) -> Result<Act<'a>, Change> {
    let Some(shelf) = Shelf::of(list) else {
        return Err(refused("this version does not know that list"));
    };
    if entries > ENTRIES_MAX {
        return Err(refused(format!(
            "{entries} entries at once, and at most {ENTRIES_MAX} are taken; nothing was done, send them in parts"
        )));
    }
    match Owner::of(reach) {
        Ok(owner) => Ok(Act {
            lists,
            list,
            shelf,
            owner,
            by,
            now,
        }),
        Err(bad) => Err(refused(format!("{}: {bad}", quoted(reach_text(reach))))),
    }
}

fn reach_text(reach: &Reach) -> &str {
    match reach {
        Reach::Site => "",
        Reach::Domain(text) | Reach::Person(text) => text,
    }
}

/// The pattern of an entry of a list; in words where it may not be there.
fn pattern(list: List, text: &str) -> Result<Pattern, String> {
    match Pattern::parse(text) {
        Ok(Pattern::Network(_)) if list == List::Red => Err(format!(
            "refused: {}: the red list holds people and domains of ours, no networks",
            quoted(text)
        )),
        Ok(pattern) => Ok(pattern),
        Err(bad) => Err(format!("refused: {}: {bad}", quoted(text))),
    }
}

impl Act<'_> {
    async fn add(&self, entries: &[String]) -> Result<Change, Fault> {
        let new = Slot {
            list: self.list,
            source: Source::Added,
            since: self.now,
            until: None,
            by: self.by.into(),
        };
        let mut change = Change::default();
        for text in entries {
            let pattern = match pattern(self.list, text) {
                Ok(pattern) => pattern,
                Err(line) => {
                    change.lines.push(line);
                    continue;
                }
            };
            let decide = |was: Option<&Slot>| match was {
                Some(slot) if slot.list == self.list && slot.source == Source::Added => None,
                _ => Some(new.clone()),
            };
            let outcome = self
                .lists
                .put(&self.owner, &pattern, self.shelf, self.now, decide)
                .await?;
            change.changed |= matches!(outcome, Outcome::Changed(_));
            change.lines.push(self.added(&pattern, outcome));
        }
        Ok(change)
    }

    fn added(&self, pattern: &Pattern, outcome: Outcome) -> String {
        let place = format!("the {} of {}", name(self.list), self.owner);
        match outcome {
            Outcome::Changed(None) => format!("added to {place}: {pattern}"),
            Outcome::Changed(Some(was)) if !was.holds() => {
                format!("added to {place}: {pattern} (it had been removed)")
            }
            Outcome::Changed(Some(was)) if was.list != self.list => {
                format!("moved from the {} to {place}: {pattern}", name(was.list))
            }
            Outcome::Changed(Some(_)) => format!("stays on {place} from now on: {pattern} (it was learned)"),
            Outcome::Unchanged(_) => format!("already on {place}: {pattern}"),
            Outcome::Full(most) => {
                format!("refused: {pattern}: {place} has {most} entries, the most; remove some first")
            }
        }
    }

    async fn remove(&self, entries: &[String]) -> Result<Change, Fault> {
        let mut change = Change::default();
        for text in entries {
            let line = match pattern(self.list, text) {
                Ok(pattern) => {
                    let outcome = self
                        .lists
                        .remove(&self.owner, &pattern, self.list, self.by, self.now)
                        .await?;
                    change.changed |= matches!(outcome, Outcome::Changed(_));
                    self.removed(&pattern, outcome)
                }
                Err(line) => line,
            };
            change.lines.push(line);
        }
        Ok(change)
    }

    fn removed(&self, pattern: &Pattern, outcome: Outcome) -> String {
        let place = format!("the {} of {}", name(self.list), self.owner);
        match outcome {
            Outcome::Changed(None) => {
                format!("was not on {place}: {pattern} (marked, so that mail does not teach it)")
            }
            Outcome::Changed(Some(_)) => format!("removed from {place}: {pattern}"),
            Outcome::Unchanged(Some(was)) if was.list != self.list => {
                format!("not on {place} but on the {}: {pattern}", name(was.list))
            }
            Outcome::Unchanged(Some(_)) => format!("already removed from {place}: {pattern}"),
            Outcome::Unchanged(None) => format!("was not on {place}: {pattern}"),
            Outcome::Full(most) => format!(
                "refused: {pattern}: it is not on {place}, which has {most} entries and marks, the most, so no mark is left"
            ),
        }
    }
}

async fn show(
    lists: &Lists,
    list: List,
    reach: Option<&Reach>,
    after: Option<&str>,
    limit: Option<usize>,
    now: Time,
) -> Result<Change, Fault> {
    if Shelf::of(list).is_none() {
        return Ok(refused("this version does not know that list"));
    }
    let owner = match reach.map(Owner::of).transpose() {
        Ok(owner) => owner,
        Err(bad) => {
            let text = reach.map(reach_text).unwrap_or_default();
            return Ok(refused(format!("{}: {bad}", quoted(text))));
        }
    };
    let after = match after.map(|text| (text, Place::parse(text))) {
        None => None,
        Some((_, Some(place))) => Some(place),
        Some((text, None)) => {
            return Ok(refused(format!(
                "{}: expected what the page before said of the next one; begin without it",
                quoted(text)
            )));
        }
    };
    let limit = limit.unwrap_or(page::USUAL);
    let (entries, next) = lists.show(list, owner.as_ref(), after, limit, now).await?;
    Ok(Change::page(entries, next.map(|place| place.to_string())))
}

/// How the entries of an import went.
#[derive(Default)]
struct Tally {
    done: usize,
    same: usize,
    over: usize,
    kept: usize,
}

async fn import(lists: &Lists, life: Duration, entries: &[Listed], now: Time) -> Result<Change, Fault> {
    if entries.len() > ENTRIES_MAX {
        return Ok(refused(format!(
            "{} entries at once, and at most {ENTRIES_MAX} are taken; nothing was done, send them in parts",
            entries.len()
        )));
    }
    let mut tally = Tally::default();
    let mut lines = Vec::new();
    for entry in entries {
        if let Err(line) = import_one(lists, life, entry, now, &mut tally).await? {
            lines.push(line);
        }
    }
    let refusals = lines.len();
    for (count, words) in [
        (tally.done, "imported"),
        (tally.same, "were there already"),
        (tally.over, "were over and left out"),
        (tally.kept, "were left out, since people had decided otherwise here"),
        (refusals, "were refused, as told above"),
    ] {
        if count > 0 {
            lines.push(format!("{count} {words}"));
        }
    }
    let mut change = Change::shown(lines);
    change.changed = tally.done > 0;
    Ok(change)
}

/// Imports one entry; in words where it is refused.
async fn import_one(
    lists: &Lists,
    life: Duration,
    entry: &Listed,
    now: Time,
    tally: &mut Tally,
) -> Result<Result<(), String>, Fault> {
    let refuse = |why: String| Ok(Err(format!("refused: {}: {why}", quoted(&entry.entry))));
    let Some(shelf) = Shelf::of(entry.list) else {
        return refuse("this version does not know its list".into());
    };
    let owner = match Owner::of(&entry.reach) {
        Ok(owner) => owner,
        Err(bad) => return refuse(format!("for {}: {bad}", quoted(reach_text(&entry.reach)))),
    };
    let pattern = match pattern(entry.list, &entry.entry) {
        Ok(pattern) => pattern,
        Err(line) => return Ok(Err(line)),
    };
    let until = match entry.source {
        Source::Added => entry.until.map(Time::from_millis),
        // What goes by itself still goes where nobody says when.
        Source::Learned | Source::Removed if entry.list != List::Allow || !matches!(pattern, Pattern::Address(_)) => {
            return refuse("only addresses of the allow list are learned, and marked as removed".into());
        }
        Source::Learned => Some(entry.until.map_or(now + life, Time::from_millis)),
        Source::Removed => Some(entry.until.map_or(now + MARK, Time::from_millis)),
        _ => return refuse("this version does not know how it came there".into()),
    };
    if until.is_some_and(|until| until <= now) {
        tally.over += 1;
        return Ok(Ok(()));
    }
    let new = Slot {
        list: entry.list,
        source: entry.source,
        since: Time::from_millis(entry.since),
        until,
        by: cut(&entry.by, BY_MAX).into(),
    };
    let decide = |was: Option<&Slot>| match was {
        Some(slot) if *slot == new => None,
        // What mail taught elsewhere does not overrule what people did here.
        Some(slot) if new.source == Source::Learned && slot.source != Source::Learned => None,
        _ => Some(new.clone()),
    };
    match lists.put(&owner, &pattern, shelf, now, decide).await? {
        Outcome::Changed(_) => tally.done += 1,
        Outcome::Unchanged(Some(slot)) if slot != new => tally.kept += 1,
        Outcome::Unchanged(_) => tally.same += 1,
        Outcome::Full(most) => return refuse(format!("the lists of {owner} have {most} entries, the most")),
    }
    Ok(Ok(()))
}
