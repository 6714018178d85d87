//! Asking the desk for what did not reach somebody, in the name of the one who wants to know.

use gatepost_core::{Desk, Fault, KeptMail, Login, Query, Receipt, Record, Request, Seed};

use super::row::{self, FATES, Row};
use super::wanted::Whose;

/// Mails or records of one kind that are looked at together: as many as the desk tells at once.
const PAGE: usize = 1_000;
/// The most such pages of a kind.
pub const PAGES: usize = 5;

/// What was found.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Found {
    /// The rows, the newest first.
    pub rows: Vec<Row>,
    /// There are more than are looked at.
    pub cut: bool,
}

/// Why nothing was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// It may not be told, in the desk's words.
    Refused(String),
    /// It cannot be told now.
    Fault(Fault),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Trouble {
        Trouble::Fault(fault)
    }
}

fn query(whose: &Whose, since: u64) -> Query {
    let mut query = Query::default();
    match whose {
        Whose::Person(person) => query.recipient = Some(person.to_string()),
        Whose::Domain(domain) => query.domain = Some(domain.to_string()),
    }
    (query.since, query.limit) = (Some(since), Some(PAGE));
    query
}

fn unexpected(receipt: Receipt) -> Trouble {
    match receipt {
        Receipt::Refused(why) => Trouble::Refused(why),
        Receipt::Failed(why) => {
            // The words are the desk's own and for the log; whoever asked comes again.
            Trouble::Fault(Fault::Broken(why))
        }
        _ => Trouble::Fault(Fault::Broken(
            "the desk gave another receipt than that of a list".into(),
        )),
    }
}

async fn kept(desk: &dyn Desk, by: &Login, mut query: Query, pages: usize) -> Result<(Vec<KeptMail>, bool), Trouble> {
    let mut all = Vec::new();
    for _ in 0..pages {
        let request = Request::Find { query: query.clone() };
        let page = match desk.submit(by, request).await? {
            Receipt::Found(page) => page,
            other => return Err(unexpected(other)),
        };
        query.after = page.last().map(|mail| mail.id.to_string());
        // The desk hides dangerous mail from whom it is not for, so that a page may be shorter than it was read. What is
        // missed where most of a thousand are dangerous is in the records all the same.
        let more = page.len() >= PAGE / 2;
        all.extend(page);
        if !more {
            return Ok((all, false));
        }
    }
    Ok((all, true))
}

async fn records(desk: &dyn Desk, by: &Login, mut query: Query, pages: usize) -> Result<(Vec<Record>, bool), Trouble> {
    let mut all = Vec::new();
    for _ in 0..pages {
        let request = Request::Records { query: query.clone() };
        let page = match desk.submit(by, request).await? {
            Receipt::Records(page) => page,
            other => return Err(unexpected(other)),
        };
        query.after = page.last().map(|record| record.id.clone());
        let more = page.len() >= PAGE;
        all.extend(page);
        if !more {
            return Ok((all, false));
        }
    }
    Ok((all, true))
}

/// What did not reach somebody since a moment, in milliseconds since the epoch: all of it, or so many pages of each kind.
pub async fn found(
    desk: &dyn Desk,
    seed: &Seed,
    by: &Login,
    whose: &Whose,
    since: u64,
    pages: usize,
) -> Result<Found, Trouble> {
    let query = query(whose, since);
    let (mails, mut cut) = kept(desk, by, query.clone(), pages).await?;
    let mut all = Vec::new();
    for fate in FATES {
        let mut query = query.clone();
        query.reason = Some(fate.into());
        let (some, more) = records(desk, by, query, pages).await?;
        all.extend(some);
        cut |= more;
    }
    // Who was refused may have come again with the code: of the newest that was delivered, that is seen.
    let came_in = match all.is_empty() {
        true => row::CameIn::new(),
        false => {
            let mut query = query;
            query.reason = Some("deliver".into());
            let (delivered, _) = records(desk, by, query, 1).await?;
            row::came_in(&delivered)
        }
    };
    Ok(Found {
        rows: row::rows(whose, &all, &mails, &came_in, seed),
        cut,
    })
}

/// Whether somebody may know of another's mail, and so have letters sent to them.
pub async fn may_know(desk: &dyn Desk, by: &Login, whose: &Whose) -> Result<(), Trouble> {
    let mut query = query(whose, 0);
    query.limit = Some(1);
    match desk.submit(by, Request::Find { query }).await? {
        Receipt::Found(_) => Ok(()),
        other => Err(unexpected(other)),
    }
}
