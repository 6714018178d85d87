//! `gatepost kept`, `gatepost records` and `gatepost audit`: what was kept, and what happened.

use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use gatepost_core::desk::Mail;
use gatepost_core::{Address, Audited, KeptId, KeptMail, Label, Query, Receipt, RecipientRecord, Request};

use super::office::{Office, say, tell};
use super::when::{moment, shown};
use crate::log::{self, harmless};

/// What is done with kept mail.
#[derive(Subcommand, Debug)]
pub enum Kept {
    /// Lists kept mail, the newest first.
    List {
        #[command(flatten)]
        which: Which,
        /// Only what is called so.
        #[arg(long)]
        label: Option<Called>,
        /// Prints an object of JSON a line.
        #[arg(long)]
        json: bool,
    },
    /// Prints a kept mail as it came. Reading the mail of others is noted, with the reason.
    Show {
        /// The mail.
        id: String,
        /// Why you read it.
        #[arg(long, value_name = "REASON")]
        why: String,
    },
    /// Says what a kept mail is.
    Label {
        /// The mail.
        id: String,
        /// What it is.
        label: Called,
    },
    /// Delivers a kept mail to a recipient of its own.
    Release {
        /// The mail.
        id: String,
        /// The recipient, where it has several.
        #[arg(long, value_name = "ADDRESS")]
        to: Option<String>,
        /// Even if it was delivered within the last day, or perhaps was.
        #[arg(long)]
        again: bool,
        /// And put its sender on the recipient's list of welcome ones.
        #[arg(long)]
        welcome: bool,
    },
    /// Deletes kept mail: the file and all that is known of it.
    Delete {
        /// The mails.
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

/// What a mail is called.
#[derive(Clone, Copy, ValueEnum, Debug)]
pub enum Called {
    /// Unwanted.
    Spam,
    /// Wanted.
    Ham,
}

impl From<Called> for Label {
    fn from(called: Called) -> Label {
        match called {
            Called::Spam => Label::Spam,
            Called::Ham => Label::Ham,
        }
    }
}

/// Which mail or records.
#[derive(Args, Debug)]
pub struct Which {
    /// To this recipient.
    #[arg(long, value_name = "ADDRESS")]
    to: Option<String>,
    /// To recipients in this domain.
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// From this envelope sender.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// Kept for this reason: held, discarded, refused, denied, dangerous, undelivered. Of records, a recipient's fate: deliver,
    /// hold, defer, refuse, discard, divert.
    #[arg(long)]
    reason: Option<String>,
    /// Not before: 2026-11-25, 2026-11-25T10:00:00Z, or 2h ago as 2h.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<u64>,
    /// Before.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    before: Option<u64>,
    /// Of the transaction with this number: what a client reads in our reply.
    #[arg(long, value_name = "NUMBER")]
    id: Option<String>,
    /// Older than the one with this id: the next page.
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

impl Which {
    /// The most that are wanted.
    pub(super) fn limit(&self) -> usize {
        self.limit.into()
    }

    /// Whether a recipient of a record is among those that were asked for.
    pub(super) fn concerns(&self, row: &RecipientRecord) -> bool {
        let is = |wanted: &String| address(wanted).is_none_or(|wanted| address(&row.to) == Some(wanted));
        let is_in = |domain: &String| {
            let of = address(&row.to);
            of.is_none_or(|of| {
                of.rsplit_once('@')
                    .is_some_and(|(_, of)| of.eq_ignore_ascii_case(domain))
            })
        };
        self.to.as_ref().is_none_or(is)
            && self.domain.as_ref().is_none_or(is_in)
            && self.reason.as_ref().is_none_or(|fate| *fate == row.fate)
    }

    pub(super) fn query(&self, label: Option<Called>) -> Query {
        let mut query = Query::default();
        query.recipient.clone_from(&self.to);
        query.domain.clone_from(&self.domain);
        query.sender.clone_from(&self.from);
        query.reason.clone_from(&self.reason);
        (query.since, query.before) = (self.since, self.before);
        query.transaction.clone_from(&self.id);
        query.after.clone_from(&self.after);
        query.limit = Some(self.limit.into());
        query.label = label.map(Into::into);
        query
    }
}

/// The kept mail that is meant: by its own id, or by the number of its transaction, of which only one may be kept.
pub(super) async fn id(office: &mut Office, text: &str) -> Result<KeptId, String> {
    let text = text.trim();
    if text.len() != NUMBER {
        return Ok(KeptId(text.into()));
    }
    let mut query = Query::default();
    query.transaction = Some(text.into());
    match office.submit(Request::Find { query }).await? {
        Receipt::Found(found) => match found.as_slice() {
            [only] => Ok(only.id.clone()),
            [] => Ok(KeptId(text.into())),
            several => {
                let ids: Vec<String> = several.iter().map(row).collect();
                Err(format!(
                    "several copies of it are kept; name one by its own id:\n{}",
                    ids.join("\n")
                ))
            }
        },
        _ => Ok(KeptId(text.into())),
    }
}

/// An address as addresses are compared.
fn address(text: &str) -> Option<String> {
    Address::parse(text, true).ok().map(|address| address.key())
}

/// The characters of a transaction's number.
const NUMBER: usize = 15;

/// Does it.
pub async fn run(office: &mut Office, what: &Kept) -> Result<ExitCode, String> {
    match what {
        Kept::List { which, label, json } => {
            let query = which.query(*label);
            match office.submit(Request::Find { query }).await? {
                Receipt::Found(found) => {
                    for mail in &found {
                        say(&if *json { object(mail) } else { row(mail) });
                    }
                    nothing(found.is_empty());
                    Ok(ExitCode::SUCCESS)
                }
                other => Ok(tell(&other)),
            }
        }
        Kept::Show { id: text, why } => {
            let (id, why) = (id(office, text).await?, Some(why.clone()));
            match office.submit(Request::Read { id, why }).await? {
                Receipt::Mail(_, octets) => Ok(print(&octets.0)),
                other => Ok(tell(&other)),
            }
        }
        Kept::Label { id: text, label } => {
            let request = Request::Report {
                mail: Mail::Kept(id(office, text).await?),
                label: (*label).into(),
                domain: None,
            };
            Ok(tell(&office.submit(request).await?))
        }
        Kept::Release {
            id: text,
            to,
            again,
            welcome,
        } => {
            let request = Request::Release {
                id: id(office, text).await?,
                recipient: to.clone(),
                again: *again,
                welcome: *welcome,
            };
            Ok(tell(&office.submit(request).await?))
        }
        Kept::Delete { ids } => {
            let mut code = ExitCode::SUCCESS;
            for text in ids {
                let id = id(office, text).await?;
                let told = tell(&office.submit(Request::Delete { id }).await?);
                if told != ExitCode::SUCCESS {
                    code = told;
                }
            }
            Ok(code)
        }
    }
}

pub(super) fn object<T: serde::Serialize>(value: &T) -> String {
    harmless(&serde_json::to_string(value).unwrap_or_default())
}

fn row(mail: &KeptMail) -> String {
    let more = match mail.recipients.len() {
        0 | 1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    let to = mail.recipients.first().map_or("", String::as_str);
    let label = match &mail.label {
        Some((Label::Spam, by)) => format!("  spam, says {by}"),
        Some((Label::Ham, by)) => format!("  wanted, says {by}"),
        None => String::new(),
    };
    let subject: String = mail.subject.chars().take(80).collect();
    let (id, at, reason, size) = (&mail.id, shown(mail.at), &mail.reason, mail.size);
    harmless(&format!(
        "{id}  {at}  {reason}  {size} octets  from <{}>  to <{to}>{more}{label}  subject \"{subject}\"  number {}",
        mail.from, mail.transaction
    ))
}

/// The mail as it came; on a terminal without what would move its cursor.
pub(super) fn print(octets: &[u8]) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let written = if out.is_terminal() {
        let text = String::from_utf8_lossy(octets);
        text.lines().try_for_each(|line| writeln!(out, "{}", harmless(line)))
    } else {
        out.write_all(octets)
    };
    match written.and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Says on standard error that there was nothing, so that an empty answer is seen to be one.
pub(super) fn nothing(is_empty: bool) {
    if is_empty {
        remark("nothing found");
    }
}

/// A line beside what was asked for, on standard error.
pub(super) fn remark(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Lists records.
pub async fn records(office: &mut Office, which: &Which, json: bool) -> Result<ExitCode, String> {
    let query = which.query(None);
    match office.submit(Request::Records { query }).await? {
        Receipt::Records(found) => {
            nothing(found.is_empty());
            for record in &found {
                say(&if json {
                    log::json_line(record)
                } else {
                    format!("{} {}", shown(record.began), log::text_line(record))
                });
            }
            Ok(ExitCode::SUCCESS)
        }
        other => Ok(tell(&other)),
    }
}

/// Lists what was done at the desk.
pub async fn audit(office: &mut Office, before: Option<u64>, limit: usize, json: bool) -> Result<ExitCode, String> {
    let request = Request::Audit {
        before,
        limit: Some(limit),
    };
    match office.submit(request).await? {
        Receipt::Audit(lines) => {
            let row = |line: &Audited| {
                harmless(&format!(
                    "{}  {}  {}: {}",
                    shown(line.at),
                    line.by.name,
                    line.what,
                    line.outcome
                ))
            };
            for line in &lines {
                say(&if json { object(line) } else { row(line) });
            }
            Ok(ExitCode::SUCCESS)
        }
        other => Ok(tell(&other)),
    }
}
