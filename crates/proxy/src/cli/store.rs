//! `gatepost store`: all that is stored, checked, compacted, copied and put back.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use gatepost_core::Request;

use super::office::{Office, own, say, tell};
use crate::config::{Config, Registry};
use crate::upkeep;

/// What is done with all that is stored.
#[derive(Subcommand, Debug)]
pub enum Store {
    /// Reads all of it, store and kept mail, and tells what is damaged.
    Check,
    /// Gives room back to the disk.
    Compact,
    /// Copies all of it, as it is at this moment, into a new folder; the daemon goes on meanwhile.
    Backup {
        /// The folder; it must not be there yet.
        folder: PathBuf,
    },
    /// Puts a backup in the place of what is stored, which is moved aside. The daemon must not run.
    Restore {
        /// The folder of a backup.
        folder: PathBuf,
    },
}

/// Does it through a desk.
pub async fn run(office: &mut Office, what: &Store) -> Result<ExitCode, String> {
    let request = match what {
        Store::Check => Request::CheckStore,
        Store::Compact => Request::CompactStore,
        Store::Backup { folder } => Request::Backup { to: absolute(folder)? },
        Store::Restore { .. } => return Err("a store is not restored at a desk".into()),
    };
    Ok(tell(&office.submit(request).await?))
}

/// The daemon has a folder of its own to stand in.
fn absolute(folder: &Path) -> Result<String, String> {
    let whole = std::path::absolute(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let text = whole.to_str().map(str::to_owned);
    text.ok_or_else(|| format!("{}: this name is no text in UTF-8", folder.display()))
}

/// Restores a backup; no desk, for there is no store yet that it could stand on.
pub fn restore(config: &Config, registry: &Registry, folder: &Path) -> Result<ExitCode, String> {
    own(&config.data_dir)?;
    for line in upkeep::restore(&config.data_dir, folder)? {
        say(&line);
    }
    // The audit that is back does not know how it came back.
    Office::note(config, registry, format!("put back the backup {}", folder.display()))?;
    say("restored; kept mail is looked through at the next start");
    Ok(ExitCode::SUCCESS)
}
