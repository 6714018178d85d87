//! `gatepost reports`: the daily block reports of command mailboxes.

use std::process::ExitCode;

use clap::Subcommand;
use gatepost_core::{Change, Receipt, Request};

use super::kept::nothing;
use super::office::{Office, say, tell};
use crate::log::harmless;
use crate::reports::FILTER;

/// What is done with daily block reports.
#[derive(Subcommand, Debug)]
pub enum Reports {
    /// Lists them: who asked, whose mail it is about, to whom it goes; days; in whose name.
    List,
    /// Sends those of today that were not sent yet. Nobody gets one twice.
    Run,
    /// Ends one, named as the list names it.
    End {
        /// Who asked.
        asker: String,
        /// Whose mail it is about: an address, or *@DOMAIN.
        whose: String,
        /// To whom it goes: an address, or * for everybody of the domain.
        to: String,
    },
}

fn request(words: &[&str]) -> Request {
    Request::Other {
        filter: FILTER.into(),
        words: words.iter().map(|word| (*word).to_owned()).collect(),
    }
}

/// Does it through a desk.
pub async fn run(office: &mut Office, what: &Reports) -> Result<ExitCode, String> {
    match what {
        Reports::End { asker, whose, to } => {
            let place = format!("{asker} {whose} {to}").to_lowercase();
            Ok(tell(&office.submit(request(&["end", &place])).await?))
        }
        Reports::List => {
            let mut found = false;
            let code = all(office, "list", |change| {
                found |= !change.lines.is_empty();
                change.lines.iter().for_each(|line| say(&harmless(line)));
                true
            })
            .await?;
            nothing(!found && code == ExitCode::SUCCESS);
            Ok(code)
        }
        Reports::Run => {
            all(office, "daily", |change| {
                change.lines.iter().for_each(|line| say(&harmless(line)));
                // Its lines are what could not be sent.
                change.lines.is_empty()
            })
            .await
        }
    }
}

/// Asks for page after page, and tells whether all were well.
async fn all(office: &mut Office, verb: &str, mut page: impl FnMut(&Change) -> bool) -> Result<ExitCode, String> {
    let (mut well, mut after) = (true, None::<String>);
    loop {
        let asked = match &after {
            None => request(&[verb]),
            Some(after) => request(&[verb, after]),
        };
        let change = match office.submit(asked).await? {
            Receipt::Done(change) => change,
            other => return Ok(tell(&other)),
        };
        well &= page(&change);
        after = change.next;
        if after.is_none() {
            return Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
    }
}
