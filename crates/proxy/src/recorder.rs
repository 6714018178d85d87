//! Keeping the records of transactions, and the housekeeping of what is kept.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatepost_archive::{Archive, Mended, Swept};
use gatepost_core::{Ended, Kept, Message, Observer, Record, async_trait};
use metrics::counter;
use tokio_util::sync::CancellationToken;

/// How often old mail and records are looked for.
const SWEEP: Duration = Duration::from_mins(10);
/// How soon again where there was more than one sweep takes.
const SOON: Duration = Duration::from_millis(200);

/// So many records are written together at most.
const AT_ONCE: usize = 64;
/// And no more than this and one more record's recipients.
const RECIPIENTS_AT_ONCE: usize = 256;

/// The most recipients of a record that is kept; the log has them all.
const RECIPIENTS_MAX: usize = 200;
/// The most where no message came: a stranger may name thousands, and it costs nothing but RSET.
const NAMED_MAX: usize = 20;

/// A record as it is kept, so that nobody fills the disk with names.
fn bounded(record: &Record) -> Cow<'_, Record> {
    let most = if record.size == 0 { NAMED_MAX } else { RECIPIENTS_MAX };
    let Some(more) = record.recipients.len().checked_sub(most).filter(|more| *more > 0) else {
        return Cow::Borrowed(record);
    };
    let mut record = record.clone();
    record.recipients.truncate(most);
    record.findings.truncate(most);
    record.calls.clear();
    let more = u32::try_from(more).unwrap_or(u32::MAX);
    record.recipients_dropped = record.recipients_dropped.saturating_add(more);
    Cow::Owned(record)
}

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
        self.note(&[record]).await;
    }

    async fn observe_all(&self, ended: &[Ended]) {
        let records: Vec<&Record> = ended.iter().map(|one| &one.record).collect();
        for some in records.chunk_by(together()) {
            self.note(some).await;
        }
    }
}

/// Puts records together until they are many, or have many recipients: what is written at once must not take long.
fn together() -> impl FnMut(&&Record, &&Record) -> bool {
    let (mut records, mut recipients) = (1, 0);
    move |last, _| {
        records += 1;
        recipients += last.recipients.len();
        let fits = records <= AT_ONCE && recipients <= RECIPIENTS_AT_ONCE;
        if !fits {
            (records, recipients) = (1, 0);
        }
        fits
    }
}

impl Recorder {
    async fn note(&self, records: &[&Record]) {
        let bounded: Vec<Cow<'_, Record>> = records.iter().map(|record| bounded(record)).collect();
        let bounded: Vec<&Record> = bounded.iter().map(|record| &**record).collect();
        let mut lost = 0;
        let mut done = self.kept.record_all(&bounded).await;
        if done.is_err() && bounded.len() > 1 {
            // One that cannot be written shall not cost the others.
            done = Ok(());
            for record in &bounded {
                if let Err(fault) = self.kept.record(record).await {
                    lost += 1;
                    done = Err(fault);
                }
            }
        } else if done.is_err() {
            lost = 1;
        }
        match done {
            Ok(()) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("records are kept again");
                }
            }
            Err(fault) => {
                counter!("gatepost_records_lost_total").increment(lost);
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

#[cfg(test)]
mod tests {
    use gatepost_core::{Direction, RecipientId, RecipientRecord};

    use super::*;

    #[test]
    fn a_record_of_many_recipients_is_kept_short() {
        let client = "192.0.2.1".parse().expect("an address");
        let mut record = Record::new("id".into(), 0, Direction::Inbound, "mx".into(), client, 1);
        let row = |n| RecipientRecord::new(RecipientId(n), format!("{n}@d.example"));
        record.recipients = (0..1_000).map(row).collect();
        let kept = bounded(&record);
        assert_eq!((kept.recipients.len(), kept.recipients_dropped), (20, 980));
        record.size = 1;
        assert_eq!(bounded(&record).recipients.len(), 200);
        record.recipients.truncate(200);
        assert!(matches!(bounded(&record), Cow::Borrowed(_)));
    }

    fn naming(recipients: u16) -> Record {
        let client = "192.0.2.1".parse().expect("an address");
        let mut record = Record::new("id".into(), 0, Direction::Inbound, "mx".into(), client, 1);
        for n in 0..recipients {
            record
                .recipients
                .push(RecipientRecord::new(RecipientId(n), format!("r{n}@d.example")));
        }
        record
    }

    fn sizes(recipients: &[u16]) -> Vec<usize> {
        let records: Vec<Record> = recipients.iter().map(|count| naming(*count)).collect();
        let records: Vec<&Record> = records.iter().collect();
        records.chunk_by(together()).map(<[_]>::len).collect()
    }

    #[test]
    fn what_is_written_at_once_is_bounded_by_records_and_by_recipients() {
        assert_eq!(sizes(&[1; 130]), [64, 64, 2]);
        assert_eq!(sizes(&[200; 5]), [2, 2, 1]);
        assert_eq!(sizes(&[]), Vec::<usize>::new());
    }
}
