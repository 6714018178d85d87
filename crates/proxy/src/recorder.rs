//! Keeping the records of transactions, and the housekeeping of what is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatepost_archive::{Archive, Mended, Swept};
use gatepost_core::{Kept, Message, Observer, Record, async_trait};
use metrics::counter;
use tokio_util::sync::CancellationToken;

/// How often old mail and records are looked for.
const SWEEP: Duration = Duration::from_mins(10);
/// How soon again where there was more than one sweep takes.
const SOON: Duration = Duration::from_millis(200);

/// Gives each record to the archive.
pub struct Recorder {
    kept: Arc<dyn Kept>,
    /// Told already, so that a broken disk does not fill the log, too.
    failing: AtomicBool,
}

impl Recorder {
    /// A recorder into this archive.
    pub fn new(kept: Arc<dyn Kept>) -> Recorder {
        Recorder {
            kept,
            failing: AtomicBool::new(false),
        }
    }
}

#[async_trait]
impl Observer for Recorder {
    async fn observe(&self, record: &Record, _: Option<&Arc<Message>>) {
        match self.kept.record(record).await {
            Ok(()) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("records are kept again");
                }
            }
            Err(fault) => {
                counter!("gatepost_records_lost_total").increment(1);
                if !self.failing.swap(true, Ordering::Relaxed) {
                    tracing::error!(%fault, "records of mail cannot be kept; they are in the log only");
                }
            }
        }
    }
}

/// Mends the archive where it was not closed well.
async fn mend(archive: &Archive) {
    match archive.mend().await {
        Ok(mended) => {
            // Of an empty archive there is nothing to tell, and none was ever closed.
            if mended.clean || mended.files + mended.dropped + mended.temporary == 0 {
                return;
            }
            let Mended {
                files,
                added,
                dropped,
                temporary,
                torn,
                ref unreadable,
                ..
            } = mended;
            tracing::info!(
                files,
                added,
                dropped,
                temporary,
                torn,
                "kept mail was not closed well and is looked through"
            );
            for what in unreadable {
                tracing::error!(what, "a file of kept mail cannot be read; it is left alone");
            }
        }
        Err(fault) => {
            tracing::error!(%fault, "kept mail could not be looked through: `gatepost store check` tells more");
        }
    }
}

/// Mends the archive where it was not closed well, then lets old mail and records go, now and then, until `end`.
pub async fn keep_house(archive: Arc<Archive>, end: CancellationToken) {
    if archive.needs_mending() {
        mend(&archive).await;
    }
    loop {
        let wait = match archive.sweep().await {
            Ok(Swept {
                expired,
                copies,
                held,
                records,
                more,
                ..
            }) => {
                if expired + copies + held + records > 0 {
                    tracing::info!(expired, copies, held, records, "old mail and records were let go");
                }
                if more { SOON } else { SWEEP }
            }
            Err(fault) => {
                tracing::error!(%fault, "old mail and records could not be let go");
                SWEEP
            }
        };
        tokio::select! {
            () = end.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}
