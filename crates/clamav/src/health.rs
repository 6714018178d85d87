//! What is remembered of each clamd, through every reload: whether it is out for a moment, what it said of itself.
//!
//! Nothing but first-seen values with a time to go, and counters; a store that fails means that a clamd is asked more
//! often, and nothing else.

use std::sync::Arc;

use gatepost_core::prelude::*;
use gatepost_core::{Alarms, Seed, Store, Swap};

use crate::place::Place;
use crate::session::shown;
use crate::version::{self, Version};

/// For so long a clamd that was not there is not asked, the first time.
const OUT: Duration = Duration::from_secs(1);
/// For so long at most, however often it was not there.
const OUT_MAX: Duration = Duration::from_mins(1);
/// For so long it counts how often it was not there.
const COUNTED: Duration = Duration::from_hours(1);
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

/// One clamd.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Server {
    /// Where it listens.
    pub place: Place,
    /// The same in words.
    pub shown: String,
}

impl Server {
    /// The clamd at a place.
    pub fn new(place: Place) -> Server {
        Server {
            shown: place.to_string(),
            place,
        }
    }
}

/// What is remembered, and who is told.
pub struct Health {
    store: Store,
    alarms: Arc<dyn Alarms>,
    seed: Seed,
}

impl Health {
    /// Over the filter's own part of the store.
    pub fn new(services: &Services) -> Health {
        Health {
            store: services.store.clone(),
            alarms: Arc::clone(&services.alarms),
            seed: services.seed,
        }
    }

    fn key(&self, what: &[u8], server: &Server) -> Vec<u8> {
        let hash = self.seed.hash(&[b"clamav.server", server.shown.as_bytes()]);
        [what, &hash.to_le_bytes()].concat()
    }

    /// Whether a clamd was not there a moment ago, so that it is not asked now.
    pub async fn is_out(&self, server: &Server, now: Time) -> bool {
        matches!(self.store.get(&self.key(b"out\0", server), now).await, Ok(Some(mark)) if *mark == *b"out")
    }

    /// Notes that a clamd is not there. However many mails notice it at once, it counts once.
    pub async fn is_gone(&self, server: &Server, why: &str, now: Time) {
        let counter = self.key(b"times\0", server);
        let times = self.store.get(&counter, now).await.ok().flatten();
        let times = times.and_then(|octets| <[u8; 8]>::try_from(&*octets).ok());
        let times = times.map_or(0, i64::from_be_bytes).clamp(0, 16);
        let pause = OUT.saturating_mul(1 << times).min(OUT_MAX);
        let out = self.key(b"out\0", server);
        let first = self.store.swap(&out, None, Some(b"out"), Some(now + pause), now).await;
        if matches!(first, Ok(Swap::Done)) {
            let _ = self.store.add(&counter, 1, now + COUNTED, now).await;
        }
        let why = format!(
            "clamd at {} does not scan ({why}): what becomes of mail is filters.clamav.on_fault's; it is asked again after {} s",
            server.shown,
            pause.as_secs()
        );
        self.alarms.raise(GONE, &server.shown, &why);
    }

    /// Notes that a clamd has scanned a mail.
    pub fn is_there(&self, server: &Server) {
        self.alarms.over(GONE, &server.shown);
    }

    /// What a clamd said of itself within the last minute.
    pub async fn version(&self, server: &Server, now: Time) -> Option<String> {
        let stored = self.store.get(&self.key(b"version\0", server), now).await.ok()??;
        Some(shown(&stored, version::MAX))
    }

    /// Notes what it says of itself now, and looks at the age of its database; 0 days: however old.
    pub async fn says(&self, server: &Server, version: &Version, days_max: u16, now: Time) {
        let key = self.key(b"version\0", server);
        let until = Some(now + ASKED);
        let _ = self
            .store
            .swap(&key, None, Some(version.words.as_bytes()), until, now)
            .await;
        match version.days(now) {
            Some(days) if days_max > 0 && days > u64::from(days_max) => {
                let why = format!(
                    "the database of clamd at {} is {days} days old ({}): see whether freshclam runs",
                    server.shown, version.words
                );
                self.alarms.raise(OLD, &server.shown, &why);
            }
            Some(_) => self.alarms.over(OLD, &server.shown),
            None => {}
        }
    }

    /// Whether it is time to ask a clamd if it takes so many octets; for whoever is told so first.
    pub async fn is_to_be_probed(&self, server: &Server, octets: u64, now: Time) -> bool {
        let key = [&self.key(b"size\0", server)[..], &octets.to_be_bytes()].concat();
        let first = self
            .store
            .swap(&key, None, Some(b"asked"), Some(now + PROBED), now)
            .await;
        matches!(first, Ok(Swap::Done))
    }

    /// Notes whether it does.
    pub fn takes(&self, server: &Server, octets: u64, takes: bool) {
        match takes {
            true => self.alarms.over(SMALL, &server.shown),
            false => {
                let why = format!(
                    "the StreamMaxLength of clamd at {} is below {octets} octets, filters.clamav.options.max_size: larger mail is \
                     not scanned; raise it in clamd.conf (and MaxFileSize and MaxScanSize with it)",
                    server.shown
                );
                self.alarms.raise(SMALL, &server.shown, &why);
            }
        }
    }

    /// Says that a clamd is asked over a net, where that is so.
    pub fn is_open(&self, server: &Server) {
        if server.place.is_open() {
            let why = format!(
                "clamd at {} is asked over a net: mail is readable there, and whoever stands between may call it clean",
                server.shown
            );
            self.alarms.raise(OPEN, &server.shown, &why);
        }
    }

    /// Says that there is no clamd at all.
    pub fn nobody(&self) {
        let why = "filters.clamav.options.servers names no clamd: no mail is scanned; name its socket, or take `clamav` out of \
                   the tiers";
        self.alarms.raise(NONE, "clamav", why);
    }
}
