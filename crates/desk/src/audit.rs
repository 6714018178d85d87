//! What was done at the desk, by whom and how it went: a line in the log, and one in the store for a year.
//!
//! The line is in the store before the act begins, with the outcome `begun`, and is written over with what came of it:
//! an act that the process did not outlive is seen.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gatepost_core::{Audited, Fault, Login, Store, Time};

/// The partition.
const PART: &[u8] = b"audit";
/// How long a line is kept.
const KEPT: Duration = Duration::from_hours(365 * 24);
/// Old lines are looked for each time so many were written.
const SWEEP: u64 = 256;
/// The most lines that are told at once.
const LINES_MAX: usize = 1_000;
/// The outcome of what has not ended.
pub const BEGUN: &str = "begun";

pub struct Audit {
    store: Store,
    written: AtomicU64,
}

/// A line that waits for its outcome.
pub struct Open {
    order: [u8; 16],
    line: Audited,
}

impl Audit {
    pub fn new(store: Store) -> Audit {
        Audit {
            store,
            written: AtomicU64::new(0),
        }
    }

    /// Writes that an act begins.
    pub async fn begin(&self, at: Time, by: &Login, what: String) -> Result<Open, Fault> {
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let mut order = [0; 16];
        order[..8].copy_from_slice(&at.millis().to_be_bytes());
        order[8..].copy_from_slice(&number.to_be_bytes());
        let open = Open {
            order,
            line: Audited::new(at, by.clone(), what, BEGUN.into()),
        };
        self.write(&open).await?;
        if number % SWEEP == SWEEP - 1 {
            let before = at.millis().saturating_sub(KEPT.as_millis() as u64);
            self.store.trim(PART, &before.to_be_bytes()).await?;
        }
        Ok(open)
    }

    /// Writes how it ended, here and in the log.
    pub async fn end(&self, mut open: Open, outcome: String) -> Result<(), Fault> {
        open.line.outcome = outcome;
        say(&open.line);
        self.write(&open).await
    }

    async fn write(&self, open: &Open) -> Result<(), Fault> {
        let line = serde_json::to_vec(&open.line).map_err(|error| Fault::Broken(format!("audit: {error}")))?;
        self.store.insert(PART, &open.order, &line).await
    }

    /// Lines, the newest first. One that cannot be read is told as such.
    pub async fn lines(&self, before: Option<u64>, limit: Option<usize>) -> Result<Vec<Audited>, Fault> {
        let before = before.map(u64::to_be_bytes);
        let end = before.as_ref().map_or(&[][..], |before| before);
        let limit = limit.unwrap_or(50).min(LINES_MAX);
        let page = self.store.range(PART, &[]..end, true, limit).await?;
        let unreadable = |order: &[u8]| {
            let at = order.first_chunk().map_or(0, |at| u64::from_be_bytes(*at));
            let nobody = Login::new("?", gatepost_core::LoginBy::Operator);
            Audited::new(
                Time::from_millis(at),
                nobody,
                "a line that cannot be read".into(),
                "?".into(),
            )
        };
        let read = |(order, line): &(_, gatepost_core::Bytes)| {
            serde_json::from_slice(line).unwrap_or_else(|_| unreadable(order as &gatepost_core::Bytes))
        };
        Ok(page.entries.iter().map(read).collect())
    }
}

/// The audit line of the log.
pub fn say(line: &Audited) {
    let (by, kind) = (&*line.by.name, format!("{:?}", line.by.by).to_lowercase());
    tracing::info!(target: "audit", by, login = kind, what = line.what, outcome = line.outcome, "at the desk");
}
