//! What is said of each clamd, and what it said of itself.

use gatepost_core::prelude::*;
use gatepost_scanner::{Health, Server};

use crate::place::Place;
use crate::session::shown;
use crate::version::{self, Version};

/// So often it is asked for its version.
const ASKED: Duration = Duration::from_mins(1);
/// So often it is asked whether it takes the largest mail.
const PROBED: Duration = Duration::from_hours(1);

/// A clamd is not there, or does not answer.
pub const GONE: &str = "clamd_gone";
/// Its StreamMaxLength is below what it is meant to take.
pub const SMALL: &str = "clamd_stream_limit";
/// Its database is old.
pub const OLD: &str = "clamd_database_old";
/// It is asked over a net.
pub const OPEN: &str = "clamd_over_a_net";
/// There is none.
pub const NONE: &str = "clamd_not_configured";

/// What is remembered of clamds, and who is told.
pub struct Notes<'a>(pub &'a Health);

impl Notes<'_> {
    /// What a clamd said of itself within the last minute.
    pub async fn version(&self, server: &Server<Place>, now: Time) -> Option<String> {
        let stored = self.0.noted("version", server, now).await?;
        Some(shown(&stored, version::MAX))
    }

    /// Notes what it says of itself now, and looks at the age of its database; 0 days: however old.
    pub async fn says(&self, server: &Server<Place>, version: &Version, days_max: u16, now: Time) {
        self.0
            .note("version", server, version.words.as_bytes(), ASKED, now)
            .await;
        match version.days(now) {
            Some(days) if days_max > 0 && days > u64::from(days_max) => {
                let why = format!(
                    "the database of clamd at {} is {days} days old ({}): see whether freshclam runs",
                    server.shown, version.words
                );
                self.0.alarms.raise(OLD, &server.shown, &why);
            }
            Some(_) => self.0.alarms.over(OLD, &server.shown),
            None => {}
        }
    }

    /// Whether it is time to ask a clamd if it takes so many octets; for whoever is told so first.
    pub async fn is_to_be_probed(&self, server: &Server<Place>, octets: u64, now: Time) -> bool {
        let what = format!("size.{octets}");
        self.0.note(&what, server, b"asked", PROBED, now).await
    }

    /// Notes whether it does.
    pub fn takes(&self, server: &Server<Place>, octets: u64, takes: bool) {
        match takes {
            true => self.0.alarms.over(SMALL, &server.shown),
            false => {
                let why = format!(
                    "the StreamMaxLength of clamd at {} is below {octets} octets, filters.clamav.options.max_size: larger mail is \
                     not scanned; raise it in clamd.conf (and MaxFileSize and MaxScanSize with it)",
                    server.shown
                );
                self.0.alarms.raise(SMALL, &server.shown, &why);
            }
        }
    }

    /// Says that a clamd is asked over a net, where that is so.
    pub fn is_open(&self, server: &Server<Place>) {
        if server.place.is_open() {
            let why = format!(
                "clamd at {} is asked over a net: mail is readable there, and whoever stands between may call it clean",
                server.shown
            );
            self.0.alarms.raise(OPEN, &server.shown, &why);
        }
    }

    /// Says that there is no clamd at all.
    pub fn nobody(&self) {
        let why = "filters.clamav.options.servers names no clamd: no mail is scanned; name its socket, or take `clamav` out of \
                   the tiers";
        self.0.alarms.raise(NONE, "clamav", why);
    }
}
