//! What is known of a mail that waits, as it stands in its file.
//!
//! **Invariant:** envelope and parameters stand there as the lines of SMTP that they came in, and are read by the parser
//! that reads a client's. What would not read back as it was is refused before anything is written.

use std::sync::OnceLock;

use gatepost_core::queue::{Caller, Queued};
use gatepost_core::smtp::command::{Command, mail_line, rcpt_line};
use gatepost_core::smtp::{MailParams, Offer, Path, RcptParams, Time};
use serde::{Deserialize, Serialize};

/// What is known of a mail that waits for one domain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// The domain in whose order it waits, in lower case.
    pub domain: String,
    /// The transaction it came in.
    pub transaction: String,
    /// When.
    pub at: Time,
    /// The route by which it would have gone.
    pub route: String,
    /// Who brought it.
    pub caller: Caller,
    /// The envelope sender.
    pub from: Path,
    /// Its parameters.
    pub params: MailParams,
    /// The recipients; their places are what [`Progress`](super::Progress) counts.
    pub recipients: Vec<(Path, RcptParams)>,
    /// SPF or DKIM prove that it is from the domain of the envelope sender.
    pub proven: bool,
    /// It is a notice of our own: nobody is told when it fails.
    pub notice: bool,
}

impl Head {
    /// Of mail for some of its recipients, those of one domain.
    pub fn of(queued: &Queued, domain: &str, recipients: Vec<(Path, RcptParams)>) -> Head {
        Head {
            domain: domain.into(),
            transaction: queued.transaction.clone(),
            at: queued.at,
            route: queued.route.clone(),
            caller: queued.caller.clone(),
            from: queued.from.clone(),
            params: queued.params.clone(),
            recipients,
            proven: queued.proven,
            notice: false,
        }
    }
}

/// A head as it is written.
#[derive(Serialize, Deserialize)]
pub(super) struct Written {
    pub id: String,
    pub size: u64,
    domain: String,
    transaction: String,
    at: u64,
    route: String,
    caller: Caller,
    mail: String,
    rcpt: Vec<String>,
    #[serde(default)]
    proven: bool,
    #[serde(default)]
    notice: bool,
}

/// An offer of everything, so that nothing of an envelope is left out.
fn everything() -> &'static Offer {
    static EVERYTHING: OnceLock<Offer> = OnceLock::new();
    EVERYTHING.get_or_init(|| Offer::parse(["SIZE", "8BITMIME", "SMTPUTF8", "DSN", "AUTH PLAIN", "PRDR"]))
}

fn line(write: impl FnOnce(&mut Vec<u8>)) -> Result<(String, Command), String> {
    let mut line = Vec::new();
    write(&mut line);
    let line = String::from_utf8(line).map_err(|_| "an address is no text")?;
    let line = line.strip_suffix("\r\n").unwrap_or(&line).to_owned();
    let command = Command::parse(line.as_bytes(), everything())
        .map_err(|_| "an address or parameter of it is none that SMTP has")?;
    Ok((line, command))
}

impl Written {
    /// What is written of a head; what would not read back is refused.
    pub fn of(head: &Head, id: String, size: u64) -> Result<Written, String> {
        let changed = || "an address or parameter of it cannot be written as it is".to_owned();
        let (mail, command) = line(|out| mail_line(&head.from, &head.params, everything(), out))?;
        if command != Command::Mail(head.from.clone(), head.params.clone()) {
            return Err(changed());
        }
        let mut rcpt = Vec::with_capacity(head.recipients.len());
        for (to, params) in &head.recipients {
            let (line, command) = line(|out| rcpt_line(to, params, everything(), out))?;
            if command != Command::Rcpt(to.clone(), params.clone()) {
                return Err(changed());
            }
            rcpt.push(line);
        }
        Ok(Written {
            id,
            size,
            domain: head.domain.clone(),
            transaction: head.transaction.clone(),
            at: head.at.millis(),
            route: head.route.clone(),
            caller: head.caller.clone(),
            mail,
            rcpt,
            proven: head.proven,
            notice: head.notice,
        })
    }

    /// The head that was written, if it is one.
    pub fn head(self) -> Option<Head> {
        let Ok(Command::Mail(from, params)) = Command::parse(self.mail.as_bytes(), everything()) else {
            return None;
        };
        let mut recipients = Vec::with_capacity(self.rcpt.len());
        for line in &self.rcpt {
            let Ok(Command::Rcpt(to, params)) = Command::parse(line.as_bytes(), everything()) else {
                return None;
            };
            recipients.push((to, params));
        }
        Some(Head {
            domain: self.domain,
            transaction: self.transaction,
            at: Time::from_millis(self.at),
            route: self.route,
            caller: self.caller,
            from,
            params,
            recipients,
            proven: self.proven,
            notice: self.notice,
        })
    }
}
