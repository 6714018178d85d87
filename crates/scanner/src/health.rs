//! What is remembered of each server, through every reload: whether it is out for a moment, and whatever its engine adds.
//!
//! Nothing but first-seen values with a time to go, and counters; a store that fails means that a server is asked more
//! often, and nothing else.

use std::fmt::Display;
use std::sync::Arc;

use gatepost_core::prelude::*;
use gatepost_core::{Alarms, Bytes, Seed, Store, Swap};

use crate::Voice;

/// For so long a server that was not there is not asked, the first time.
const OUT: Duration = Duration::from_secs(1);
/// For so long at most, however often it was not there.
const OUT_MAX: Duration = Duration::from_mins(1);
/// For so long it counts how often it was not there.
const COUNTED: Duration = Duration::from_hours(1);

/// One server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Server<P> {
    /// Where it is.
    pub place: P,
    /// The same in words.
    pub shown: String,
}

impl<P: Display> Server<P> {
    /// The server of a place.
    pub fn new(place: P) -> Server<P> {
        Server {
            shown: place.to_string(),
            place,
        }
    }
}

/// What is remembered, and who is told.
pub struct Health {
    voice: &'static Voice,
    store: Store,
    /// Who is told.
    pub alarms: Arc<dyn Alarms>,
    seed: Seed,
}

impl Health {
    /// Over the filter's own part of the store.
    pub fn new(voice: &'static Voice, services: &Services) -> Health {
        Health {
            voice,
            store: services.store.clone(),
            alarms: Arc::clone(&services.alarms),
            seed: services.seed,
        }
    }

    fn key<P>(&self, what: &str, server: &Server<P>) -> Vec<u8> {
        let label = format!("{}.server", self.voice.name);
        let hash = self.seed.hash(&[label.as_bytes(), server.shown.as_bytes()]);
        [what.as_bytes(), b"\0", &hash.to_le_bytes()].concat()
    }

    /// What was [noted](Health::note) of a server, while it holds.
    pub async fn noted<P: Sync>(&self, what: &str, server: &Server<P>, now: Time) -> Option<Bytes> {
        self.store.get(&self.key(what, server), now).await.ok().flatten()
    }

    /// Notes something of a server that holds for a while, unless something of this kind does already. Whether it was the
    /// first.
    pub async fn note<P: Sync>(&self, what: &str, server: &Server<P>, value: &[u8], hold: Duration, now: Time) -> bool {
        let key = self.key(what, server);
        let first = self.store.swap(&key, None, Some(value), Some(now + hold), now).await;
        matches!(first, Ok(Swap::Done))
    }

    /// Whether a server was not there a moment ago, so that it is not asked now.
    pub async fn is_out<P: Sync>(&self, server: &Server<P>, now: Time) -> bool {
        self.noted("out", server, now)
            .await
            .is_some_and(|mark| *mark == *b"out")
    }

    /// Notes that a server is not there. However many mails notice it at once, it counts once.
    pub async fn is_gone<P: Sync>(&self, server: &Server<P>, why: &str, now: Time) {
        let times = self.noted("times", server, now).await;
        let times = times.and_then(|octets| <[u8; 8]>::try_from(&*octets).ok());
        let times = times.map_or(0, i64::from_be_bytes).clamp(0, 16);
        let pause = OUT.saturating_mul(1 << times).min(OUT_MAX);
        if self.note("out", server, b"out", pause, now).await {
            let counter = self.key("times", server);
            let _ = self.store.add(&counter, 1, now + COUNTED, now).await;
        }
        let why = format!(
            "{}{} does not scan ({why}): what becomes of mail is filters.{}.on_fault's; it is asked again after {} s",
            self.voice.at,
            server.shown,
            self.voice.name,
            pause.as_secs()
        );
        self.alarms.raise(self.voice.gone, &server.shown, &why);
    }

    /// Notes that a server has scanned a mail.
    pub fn is_there<P>(&self, server: &Server<P>) {
        self.alarms.over(self.voice.gone, &server.shown);
    }
}
