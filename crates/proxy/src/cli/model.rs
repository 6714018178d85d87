//! `gatepost model`: the versions of the classifiers' models.

use std::process::ExitCode;

use clap::Subcommand;
use gatepost_core::{Receipt, Request, Version};

use super::office::{Office, say, tell};
use super::when::shown;
use crate::log::harmless;

/// What is done with the models.
#[derive(Subcommand, Debug)]
pub enum Model {
    /// Lists the versions that are kept, the newest first; the first one is in use.
    List {
        /// Prints an object of JSON a line.
        #[arg(long)]
        json: bool,
    },
    /// Goes back to an earlier version, and stays there: what was learned later is in the models again only after a rebuild.
    Rollback {
        /// Its number; the one before the one in use without this.
        version: Option<u64>,
    },
    /// Makes the models anew from all that was learned, beside those in use, and puts them into use if they take no more
    /// wanted mail for spam.
    Rebuild,
}

/// Does it.
pub async fn run(office: &mut Office, what: &Model) -> Result<ExitCode, String> {
    let request = match what {
        Model::List { .. } => Request::Models,
        Model::Rollback { version } => Request::Rollback { to: *version },
        Model::Rebuild => Request::Rebuild,
    };
    let receipt = office.submit(request).await?;
    let (Receipt::Models(versions, notes), Model::List { json }) = (&receipt, what) else {
        return Ok(tell(&receipt));
    };
    for (n, version) in versions.iter().enumerate() {
        say(&match json {
            true => serde_json::to_string(version).map_err(|error| error.to_string())?,
            false => row(version, n == 0),
        });
    }
    if versions.is_empty() {
        super::complain("no version is written yet: what was learned is in the sample log and in use");
    }
    for note in notes {
        super::complain(&harmless(&format!("note: {note}")));
    }
    Ok(ExitCode::SUCCESS)
}

fn row(version: &Version, in_use: bool) -> String {
    let Version {
        number,
        at,
        through,
        ham,
        spam,
        why,
    } = version;
    let used = if in_use { "  in use" } else { "" };
    harmless(&format!(
        "{number}  {}  {ham} wanted, {spam} spam, up to sample {through}  {why}{used}",
        shown(*at)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_line() {
        let version = Version {
            number: 7,
            at: 0,
            through: 12,
            ham: 8,
            spam: 4,
            why: "learned\u{1b}".into(),
        };
        assert_eq!(
            row(&version, true),
            "7  1970-01-01T00:00:00Z  8 wanted, 4 spam, up to sample 12  learned\\u001b  in use"
        );
    }
}
