//! `gatepost kept`, `gatepost records` and `gatepost audit`: what was kept, and what happened.

use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use gatepost_core::desk::Mail;
use gatepost_core::{Audited, KeptId, KeptMail, Label, Query, Receipt, Request};

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
    /// Kept for this reason (held, discarded, refused, undelivered); of records: of this fate.
    #[arg(long)]
    reason: Option<String>,
    /// Not before: 2026-11-25, 2026-11-25T10:00:00Z, or 2h ago as 2h.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<u64>,
    /// Before.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    before: Option<u64>,
    /// Older than the one with this id: the next page.
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// At most so many, up to 1000.
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

impl Which {
    fn query(&self, label: Option<Called>) -> Query {
        let mut query = Query::default();
        query.recipient.clone_from(&self.to);
        query.domain.clone_from(&self.domain);
        query.sender.clone_from(&self.from);
        query.reason.clone_from(&self.reason);
        (query.since, query.before) = (self.since, self.before);
        query.after.clone_from(&self.after);
        query.limit = Some(self.limit);
        query.label = label.map(Into::into);
        query
    }
}

fn id(text: &str) -> KeptId {
    KeptId(text.trim().into())
}

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
                    Ok(ExitCode::SUCCESS)
                }
                other => Ok(tell(&other)),
            }
        }
        Kept::Show { id: text, why } => {
            let (id, why) = (id(text), Some(why.clone()));
            match office.submit(Request::Read { id, why }).await? {
                Receipt::Mail(_, octets) => Ok(print(&octets.0)),
                other => Ok(tell(&other)),
            }
        }
        Kept::Label { id: text, label } => {
            let (mail, label) = (Mail::Kept(id(text)), (*label).into());
            Ok(tell(&office.submit(Request::Report { mail, label }).await?))
        }
        Kept::Release { id: text, to } => {
            let (id, recipient) = (id(text), to.clone());
            Ok(tell(&office.submit(Request::Release { id, recipient }).await?))
        }
        Kept::Delete { ids } => {
            let mut code = ExitCode::SUCCESS;
            for text in ids {
                let told = tell(&office.submit(Request::Delete { id: id(text) }).await?);
                if told != ExitCode::SUCCESS {
                    code = told;
                }
            }
            Ok(code)
        }
    }
}

fn object<T: serde::Serialize>(value: &T) -> String {
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
        "{id}  {at}  {reason}  {size} octets  from <{}>  to <{to}>{more}{label}  {subject}",
        mail.from
    ))
}

/// The mail as it came; on a terminal without what would move its cursor.
fn print(octets: &[u8]) -> ExitCode {
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

/// Lists records.
pub async fn records(office: &mut Office, which: &Which, json: bool) -> Result<ExitCode, String> {
    let query = which.query(None);
    match office.submit(Request::Records { query }).await? {
        Receipt::Records(found) => {
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
