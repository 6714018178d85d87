//! What a report does to the lists of the one who reports: whose spam it was is not let in again, whose wanted mail it was
//! is welcome.
//!
//! **Invariant:** only the reporter's own list is touched, with one address, which is neither ours nor the null sender. What
//! the lists say, or that they fail, undoes nothing that was learned.

use gatepost_core::schemars::JsonSchema;
use gatepost_core::serde::{Deserialize, Serialize};
use gatepost_core::{Address, Author, Change, Label, List, Login, Message, Reach, Receipt, Request, Time};

use crate::brought::Known;
use crate::desk::FrontDesk;
use crate::rights::{Who, address};

/// What a report of a person does beside teaching the classifiers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", default, deny_unknown_fields)]
#[schemars(crate = "gatepost_core::schemars")]
pub struct Reports {
    /// Put the sender of reported spam on the reporter's own deny list. Without this it is only taken off their allow list.
    pub deny_sender: bool,
    /// Put the sender of mail that is reported as wanted on the reporter's own allow list. Without this it is only taken
    /// off their deny list.
    pub welcome_sender: bool,
    /// How much a mail counts of which only the copy is there that the reporter sends along, in hundredths of one that we
    /// have ourselves: such a copy may lack fields, or be changed.
    pub brought_weight: u32,
}

impl Default for Reports {
    fn default() -> Reports {
        Reports {
            deny_sender: true,
            welcome_sender: true,
            brought_weight: 50,
        }
    }
}

/// Who sent a mail: by its envelope where we have seen that, else who it says it is from.
fn sender(known: &Known, message: Option<&Message>) -> Option<Address> {
    let envelope = match known {
        Known::Kept(mail, _) => Some(mail.from.as_str()),
        Known::Delivered(record) => record.from.as_deref(),
        _ => None,
    };
    match envelope {
        Some(envelope) => address(envelope),
        None => Author::of(message?.headers()).one(),
    }
}

impl FrontDesk {
    /// Does to the reporter's lists what a report asks for; nothing where there is nothing to do.
    pub(crate) async fn list(
        &self,
        who: &Who<'_>,
        by: &Login,
        label: Label,
        known: &Known,
        message: Option<&Message>,
        now: Time,
    ) -> Change {
        // The operator is no person who gets mail.
        if who.is_operator() {
            return Change::default();
        }
        let to: Vec<&str> = match known {
            Known::Kept(mail, _) => mail.recipients.iter().map(String::as_str).collect(),
            Known::Delivered(record) => record.recipients.iter().map(|row| &*row.to).collect(),
            _ => Vec::new(),
        };
        let own = to.into_iter().filter_map(address).find(|to| who.is(to));
        let Some(reporter) = own.or_else(|| who.address()) else {
            return Change::default();
        };
        let Some(sender) = sender(known, message).filter(|sender| !who.is_ours(sender)) else {
            return Change::default();
        };
        let (reach, entries) = (Reach::Person(reporter.to_string()), vec![sender.to_string()]);
        let reports = self.reports();
        // Whoever is put on one list is taken off the other by that.
        let request = match (label, reports.deny_sender, reports.welcome_sender) {
            (Label::Spam, true, _) => Request::Add {
                list: List::Deny,
                reach,
                entries,
            },
            (Label::Spam, false, _) => Request::Remove {
                list: List::Allow,
                reach,
                entries,
            },
            (Label::Ham, _, true) => Request::Add {
                list: List::Allow,
                reach,
                entries,
            },
            (Label::Ham, _, false) => Request::Remove {
                list: List::Deny,
                reach,
                entries,
            },
        };
        match self
            .written_down(by, &request, now, self.offer(by, &request, now))
            .await
        {
            Ok(Some(Receipt::Done(change))) => change,
            Ok(_) => Change::default(),
            Err(fault) => Change::shown(vec![format!("the lists could not be changed: {fault}")]),
        }
    }
}
