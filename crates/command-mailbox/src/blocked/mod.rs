//! Block reports: which mail of somebody's was refused or kept back, why, and how they get it.
//!
//! The subject of a mail to this mailbox says how many days and what to leave out ([`wanted`]); the desk tells, in the name of
//! the one who asks, what did not reach them ([`gather`], [`row`]); a letter tells it on ([`letter`]); and where they wish so,
//! each day again ([`daily`]).
//!
//! **Invariants:** only what the desk tells the asker is in a letter, and a letter goes to a local address that is theirs or
//! whose mail they may know of. A report changes nothing; its links open a mail that somebody has to send.
//!
//! **Absent on purpose:** releasing (the mailbox that the links name), and the clock that has the daily reports sent (the
//! proxy's): it asks here by [`handle`].

pub mod daily;
pub mod gather;
pub mod hour;
pub mod letter;
pub mod link;
pub mod row;
pub mod run;
pub mod wanted;
pub mod why;
pub mod without;

use std::collections::BTreeMap;

use gatepost_core::{Address, Budget, Fault, Letter, Login, Services, Time};

use crate::told;
use crate::words::Words;
use crate::words::shown::harmless;
use daily::{Daily, Standing};
use gather::{Found, Trouble};
use letter::{Pen, Report};
use row::Row;
use wanted::{Line, Lines, ToWhom};
use without::Without;

pub use hour::Hour;
pub use run::handle;
pub use wanted::{Wanted, Whose};

/// The most people of a domain who get a report of their own by one request.
pub const PEOPLE_MAX: usize = 100;
/// The most characters of a stranger's text in our words.
const TOLD_MAX: usize = 100;

/// With what reports are made.
#[derive(Clone, Copy)]
pub struct House<'a> {
    /// The filter's services.
    pub services: &'a Services,
    /// The words of letters.
    pub words: &'a Words,
    /// When daily reports are sent, and in which zone times are told.
    pub hour: Hour,
    /// The local part of the mailbox that asks for reports: the letters are from it.
    pub mailbox: &'a str,
    /// The local part of the mailbox that releases; no links where there is none.
    pub release: Option<&'a str>,
}

/// A mail to the mailbox.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// In whose name it acts.
    pub by: &'a Login,
    /// Its envelope sender, an address of theirs.
    pub from: &'a Address,
    /// Its subject, decoded.
    pub subject: &'a str,
    /// Its text.
    pub text: &'a str,
    /// The language of the answer.
    pub language: &'a str,
    /// Now.
    pub now: Time,
}

/// Does what a mail asks, and tells which letters are to be sent: to the one who asks, and, where an administrator asks for
/// others, to them. What may not be done is told in a letter, and what cannot be done now is a fault.
pub async fn take(house: House<'_>, asked: &Asked<'_>) -> Result<Vec<Letter>, Fault> {
    let wanted = Wanted::parse(asked.subject);
    let mut lines = Lines::read(asked.text);
    let office = Office {
        house,
        asked,
        wanted: &wanted,
    };
    let mut wrong: Vec<String> = lines
        .unclear
        .iter()
        .map(|line| office.say("blocked.line", &[("line", &harmless(line, TOLD_MAX))]))
        .collect();
    if lines.asked.is_empty() && wrong.is_empty() {
        lines.asked.push(Line {
            whose: Whose::Person(asked.from.clone()),
            to: ToWhom::Asker,
            days: None,
            without: None,
        });
    }
    let mut letters = Vec::new();
    for line in lines.asked {
        match office.answer(office.standing(&line)).await {
            Ok(some) => letters.extend(some),
            Err(Trouble::Fault(fault)) => return Err(fault),
            Err(Trouble::Refused(why)) => wrong.push(why),
        }
    }
    if !wrong.is_empty() {
        let places = [("person", asked.from.to_string()), ("why", wrong.join("\n  "))];
        let places = places.each_ref().map(|(name, value)| (*name, value.as_str()));
        let pen = house.pen(asked.language);
        letters.insert(
            0,
            pen.letter(asked.from, house.words.letter(asked.language, "failed", &places)),
        );
    }
    Ok(letters)
}

impl<'a> House<'a> {
    fn pen<'b>(&self, language: &'b str) -> Pen<'b>
    where
        'a: 'b,
    {
        Pen {
            words: self.words,
            language,
            hour: self.hour,
            mailbox: self.mailbox,
            release: self.release,
        }
    }

    fn daily(&self) -> Daily {
        Daily::new(self.services.store.clone(), self.hour)
    }

    /// Who gets a report, where it is one; in words where it may not go there.
    async fn recipient(&self, standing: &Standing, whose: &Whose, to: ToWhom) -> Result<Option<Address>, Trouble> {
        let say = |name: &str, of: &str| {
            let of = harmless(of, TOLD_MAX);
            Trouble::Refused(self.words.phrase(&standing.language, name, &[("whose", &of)]))
        };
        let broken = || Trouble::Fault(Fault::Broken("the asker of a block report is no address".into()));
        let asker = Address::parse(&standing.asker, true).map_err(|_| broken())?;
        let to = match to {
            ToWhom::Asker => asker.clone(),
            ToWhom::This(to) => to,
            ToWhom::Each => return Ok(None),
        };
        if !self.services.site.is_local(to.domain()) {
            return Err(say("blocked.not-local", &to.to_string()));
        }
        // Nobody has letters sent to whom they like.
        let known = to.key() == asker.key() || matches!(whose, Whose::Person(person) if person.key() == to.key());
        if !known {
            gather::may_know(&*self.services.desk, &standing.by, &Whose::Person(to.clone()))
                .await
                .map_err(|trouble| self.refused(standing, &to.to_string(), trouble))?;
        }
        Ok(Some(to))
    }

    fn refused(&self, standing: &Standing, of: &str, trouble: Trouble) -> Trouble {
        match trouble {
            Trouble::Refused(why) => {
                let why = told::why(self.words, &standing.language, &why);
                let places = [("whose", harmless(of, TOLD_MAX)), ("why", why)];
                let places = places.each_ref().map(|(name, value)| (*name, value.as_str()));
                Trouble::Refused(self.words.phrase(&standing.language, "blocked.refused", &places))
            }
            fault @ Trouble::Fault(_) => fault,
        }
    }

    /// The letters of a report; none for those of whom nothing was blocked, unless `even_empty`.
    async fn letters(&self, standing: &Standing, since: Time, how: How<'_>) -> Result<Vec<Letter>, Trouble> {
        let gone = || Trouble::Fault(Fault::Broken("a daily block report names no address".into()));
        let (whose, to) = (standing.whose().ok_or_else(gone)?, standing.to().ok_or_else(gone)?);
        let pen = self.pen(&standing.language);
        let without = Without::read(standing.without.as_deref()).map_err(|why| {
            let why = harmless(&why, TOLD_MAX);
            Trouble::Refused(
                self.words
                    .phrase(&standing.language, "blocked.pattern", &[("why", &why)]),
            )
        })?;
        let recipient = self.recipient(standing, &whose, to).await?;
        let by_pattern = matches!(without, Without::Fitting(_));
        let reasons = why::Why::ALL.map(|why| (why, pen.why(why)));
        // The newest page is a whole report for almost everybody; more is read where too little of it is told.
        let mut pages = 1;
        let (mut rows, cut, left_out) = loop {
            let (desk, seed) = (&*self.services.desk, &self.services.seed);
            let found = gather::found(desk, seed, &standing.by, &whose, since.millis(), pages);
            let Found { rows, cut } = found
                .await
                .map_err(|trouble| self.refused(standing, &whose.key(), trouble))?;
            // Mail to nobody was not left out by anybody's wish.
            let all = rows.iter().filter(|row| row.why != why::Why::Nobody).count();
            let (without, reasons) = (without.clone(), reasons.clone());
            // Thousands of rows may be held against a pattern that is slow.
            let leaving = move |budget: &Budget| without::left(rows, &without, &reasons, &|| budget.is_spent());
            let rows = self.services.compute.run(leaving).await?;
            if !cut || rows.len() >= letter::ROWS_MAX || pages == gather::PAGES {
                let left_out = all.saturating_sub(rows.len());
                break (rows, cut, left_out);
            }
            pages = gather::PAGES;
        };
        if recipient.as_ref().is_none_or(|to| to.key() != standing.asker) {
            // What an administrator may have is not for everybody whom they write to: only what came to those themselves.
            let theirs = |row: &Row| {
                let to = recipient.as_ref().map(Address::key);
                to.is_none() || row.recipient().map(|own| own.key()) == to
            };
            rows.iter_mut()
                .filter(|row| row.dangerous || !theirs(row))
                .for_each(|row| row.kept = None);
        }
        let report = |to: &Address, whose: &Whose, rows: &[Row], left_out: usize| {
            pen.report(&Report {
                whose,
                to,
                since: since.millis(),
                rows,
                cut,
                left_out,
                by_pattern,
                daily: how.daily,
                note: how.note,
            })
        };
        let Some(to) = recipient else {
            return Ok(each(rows)
                .into_iter()
                .filter(|(to, _)| self.services.site.is_local(to.domain()))
                .take(PEOPLE_MAX)
                .map(|(to, rows)| report(&to, &Whose::Person(to.clone()), &rows, 0))
                .collect());
        };
        if rows.is_empty() && !how.even_empty {
            return Ok(Vec::new());
        }
        Ok(vec![report(&to, &whose, &rows, left_out)])
    }
}

/// How a report is told.
#[derive(Clone, Copy)]
struct How<'a> {
    even_empty: bool,
    daily: bool,
    note: &'a str,
}

/// The rows of each person, in the order of their addresses. Whose mail the server itself does not take is left alone: they
/// may not be there.
fn each(rows: Vec<Row>) -> Vec<(Address, Vec<Row>)> {
    let mut people: BTreeMap<String, (Address, Vec<Row>)> = BTreeMap::new();
    for row in rows {
        let Some(to) = row.recipient() else { continue };
        people.entry(to.key()).or_insert_with(|| (to, Vec::new())).1.push(row);
    }
    let there = |rows: &[Row]| rows.iter().any(|row| row.why != why::Why::Server);
    people.into_values().filter(|(_, rows)| there(rows)).collect()
}

/// One mail that asks.
struct Office<'a> {
    house: House<'a>,
    asked: &'a Asked<'a>,
    wanted: &'a Wanted,
}

impl Office<'_> {
    fn say(&self, name: &str, places: &[(&str, &str)]) -> String {
        self.house.words.phrase(self.asked.language, name, places)
    }

    /// What a line asks for, with what the subject says where the line does not.
    fn standing(&self, line: &Line) -> Standing {
        let asker = self.asked.from.key();
        Standing {
            by: self.asked.by.clone(),
            whose: line.whose.key(),
            to: match &line.to {
                ToWhom::Asker => asker.clone(),
                ToWhom::This(to) => to.key(),
                ToWhom::Each => "*".into(),
            },
            asker,
            days: line.days.unwrap_or(self.wanted.days),
            without: line.without.clone().or_else(|| self.wanted.without.clone()),
            language: self.asked.language.into(),
        }
    }

    async fn answer(&self, standing: Standing) -> Result<Vec<Letter>, Trouble> {
        let daily = self.house.daily();
        if self.wanted.daily == Some(false) {
            let had = daily.remove(&standing).await?;
            let whose = harmless(&standing.whose, TOLD_MAX);
            let places = [
                ("whose", whose.as_str()),
                ("had", if had { whose.as_str() } else { "" }),
            ];
            let words = self.house.words.letter(self.asked.language, "blocked-end", &places);
            return Ok(vec![self.house.pen(self.asked.language).letter(self.asked.from, words)]);
        }
        let subscribes = self.wanted.daily == Some(true);
        let note = match subscribes {
            true => self.say("blocked.daily", &[("whose", &harmless(&standing.whose, TOLD_MAX))]),
            false => String::new(),
        };
        let how = How {
            even_empty: true,
            daily: subscribes,
            note: &note,
        };
        // Before it is noted down, so that nobody subscribes to what they may not know.
        let back = u64::from(standing.days).saturating_mul(hour::DAY);
        let since = Time::from_millis(self.asked.now.millis().saturating_sub(back));
        let letters = self.house.letters(&standing, since, how).await?;
        if subscribes && !daily.add(&standing, self.asked.now).await? {
            let most = daily::STANDING_MAX.to_string();
            return Err(Trouble::Refused(self.say("blocked.too-many", &[("most", &most)])));
        }
        Ok(letters)
    }
}

#[cfg(test)]
mod tests;
