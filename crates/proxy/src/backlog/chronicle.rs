//! What becomes of mail that waits, told: a line of the log and a metric for each event, and a note in the record of the
//! transaction, where whoever looks for the mail finds it.
//!
//! **Invariant:** nobody waits for a note: where too many are to be written, the newest are in the log only, and counted. A
//! record is written by the observers of its transaction, perhaps a moment after its mail left the queue; it is waited for a
//! little.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use gatepost_core::{Alarms, Kept, Query, Record};
use gatepost_queue::{Event, Follower, NOTICES, What};
use metrics::{counter, histogram};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_util::sync::CancellationToken;

use super::Tables;

/// The kind of alarm about mail that cannot be read.
const DAMAGED: &str = "queue_damaged";
/// The kind of alarm about mail that can end nowhere.
const ASIDE: &str = "queue_set_aside";
/// The most notes that wait to be written.
const WAITING: usize = 10_000;
/// The most notes about waiting that a record has; of a mail that was tried for days the last ones are in the log.
const NOTES: usize = 50;
/// The most recipients that a line names.
const NAMED: usize = 20;
/// Where a mail went that somebody deleted while it waited.
pub const DELETED: &str = "deleted";
/// Where a mail is that can end nowhere.
pub const SET_ASIDE: &str = "set_aside";
/// Where a mail went whose sender was told that it failed.
pub const RETURNED: &str = "returned";
/// How often a record is looked for that is not there yet, and how long between.
const LOOKS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);

/// Tells the log and the metrics, and hands on what belongs into records.
pub struct Teller {
    alarms: Arc<dyn Alarms>,
    tables: Arc<Tables>,
    notes: mpsc::Sender<Event>,
}

/// Writes into records what became of mail.
pub struct Chronicle {
    kept: Arc<dyn Kept>,
    notes: mpsc::Receiver<Event>,
}

/// A teller, and the chronicle that it hands notes to.
pub fn pair(kept: Arc<dyn Kept>, alarms: Arc<dyn Alarms>, tables: Arc<Tables>) -> (Teller, Chronicle) {
    let (notes, receiver) = mpsc::channel(WAITING);
    let teller = Teller { alarms, tables, notes };
    (teller, Chronicle { kept, notes: receiver })
}

/// Says in words what each metric is; once, at start.
pub fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!(
        "gatepost_queue_events_total",
        "What happened to mail that waits, by what: accepted, delivered, deferred, away, unsure, failed, expired, delayed, \
         notified, archived, given_up, deleted, damaged, set_aside"
    );
    describe_histogram!(
        "gatepost_queue_wait_seconds",
        "How long mail waited that was then delivered"
    );
    describe_gauge!("gatepost_queue_mails", "Mails that wait");
    describe_gauge!("gatepost_queue_bytes", "Octets of mail that waits");
    describe_gauge!("gatepost_queue_oldest_seconds", "How long the oldest mail has waited");
    describe_gauge!("gatepost_queue_damaged", "Mails that were set aside");
    describe_counter!(
        "gatepost_queue_notes_lost_total",
        "Events of mail that waits that are in the log and not in the record of their transaction"
    );
}

/// The first recipients, and how many there are beyond them.
fn named(recipients: &[String]) -> String {
    let mut out = String::new();
    for to in recipients.iter().take(NAMED) {
        let _ = write!(out, "{}<{to}>", if out.is_empty() { "" } else { " " });
    }
    if let Some(more) = recipients.len().checked_sub(NAMED).filter(|more| *more > 0) {
        let _ = write!(out, " and {more} more");
    }
    out
}

impl Follower for Teller {
    fn told(&self, event: &Event) {
        counter!("gatepost_queue_events_total", "what" => event.what.name()).increment(1);
        if event.what == What::Delivered {
            histogram!("gatepost_queue_wait_seconds").record(event.waited.as_secs_f64());
        }
        line(event);
        if event.what == What::Damaged {
            let why =
                "waiting mail cannot be read and was set aside: `gatepost queue list --damaged`; is the disk sound?";
            self.alarms.raise(DAMAGED, &self.tables.name(&event.domain), why);
        }
        if event.what == What::SetAside {
            let why = "mail that nobody took is too large for the archive and was set aside, whole: `gatepost queue list \
                       --damaged`; `queue flush ID` tries it once more, `queue delete ID` ends it";
            self.alarms.raise(ASIDE, &self.tables.name(&event.domain), why);
        }
        // What begins is in the record already, as the mail's way.
        if event.what == What::Accepted || event.transaction.is_empty() {
            return;
        }
        // Where no records are kept, nobody receives.
        if let Err(TrySendError::Full(_)) = self.notes.try_send(event.clone()) {
            counter!("gatepost_queue_notes_lost_total").increment(1);
        }
    }
}

/// The line of the log.
fn line(event: &Event) {
    let Event {
        what,
        id,
        transaction,
        domain,
        from,
        recipients,
        route,
        went,
        said,
        waited,
        size,
        ..
    } = event;
    let (what, to, waited) = (what.name(), named(recipients), waited.as_secs());
    let (route, went) = (
        route.as_deref().unwrap_or_default(),
        went.as_deref().unwrap_or_default(),
    );
    macro_rules! tell {
        ($level:ident, $words:literal) => {
            tracing::$level!(
                target: "queue", what, transaction, id, domain, from, to, route, went, said, waited, size, $words
            )
        };
    }
    match event.what {
        What::Accepted => tell!(debug, "mail waits"),
        What::Delivered => tell!(info, "waiting mail is delivered"),
        What::Deferred => tell!(info, "waiting mail is tried again: its mail server said so"),
        What::Away => tell!(info, "waiting mail is tried again: its mail server is away"),
        What::Unsure => tell!(
            warn,
            "waiting mail is tried again, and may be there twice: the mail server was lost when it had all of it"
        ),
        What::Failed => tell!(warn, "waiting mail was refused by its mail server"),
        What::Expired => tell!(warn, "waiting mail is given up"),
        What::Delayed => tell!(info, "a sender is told that mail waits"),
        What::Notified => tell!(info, "a sender is told that mail did not arrive"),
        What::Archived => tell!(warn, "mail that nobody took is in the archive"),
        What::GivenUp => tell!(warn, "a notice of our own could not be delivered"),
        What::Deleted => tell!(info, "waiting mail was deleted"),
        What::Damaged => tell!(error, "waiting mail cannot be read and was set aside"),
        What::SetAside => tell!(
            error,
            "mail that nobody took is too large for the archive and was set aside"
        ),
        _ => tell!(info, "something became of waiting mail"),
    }
}

/// What is written into the record.
fn note(event: &Event) -> String {
    let mut note = format!("queue: {} {}", event.what.name(), named(&event.recipients));
    if let Some(went) = &event.went {
        let _ = write!(note, " {went}");
    }
    let _ = write!(note, " after {} s", event.waited.as_secs());
    if !event.said.is_empty() {
        let _ = write!(note, ": {}", event.said);
    }
    note
}

/// Enters an event into a record. Whether that changes anything.
fn enter(record: &mut Record, event: &Event) -> bool {
    // A notice of ours tells of this transaction, and its way is not the mail's.
    let went = match event.what {
        _ if event.domain == NOTICES => None,
        What::Delivered | What::Archived => event.went.as_deref(),
        What::Deleted => Some(DELETED),
        What::Notified => Some(RETURNED),
        What::SetAside => Some(SET_ASIDE),
        _ => None,
    };
    for to in &event.recipients {
        if let Some(went) = went
            && let Some(row) = record.recipients.iter_mut().find(|row| row.to == *to)
        {
            row.went = Some(went.to_owned());
        }
    }
    let notes = record.notes.iter().filter(|note| note.starts_with("queue: ")).count();
    let note = note(event);
    // A server that is away for days says the same thing often enough.
    let is_new = record.notes.last().is_none_or(|last| *last != note);
    if is_new && (notes < NOTES || event.what.is_end()) {
        record.notes.push(note);
    }
    is_new || went.is_some()
}

impl Chronicle {
    /// Writes notes until nobody tells anything any more, or until `end` and then those that are told already.
    pub async fn keep(mut self, end: CancellationToken) {
        loop {
            let event = tokio::select! {
                biased;
                event = self.notes.recv() => event,
                () = end.cancelled(), if !self.notes.is_closed() => {
                    self.notes.close();
                    continue;
                }
            };
            let Some(event) = event else { return };
            if !self.write(&event).await {
                counter!("gatepost_queue_notes_lost_total").increment(1);
            }
        }
    }

    async fn write(&self, event: &Event) -> bool {
        let mut query = Query::default();
        query.transaction = Some(event.transaction.clone());
        query.limit = Some(1);
        for look in 0..LOOKS {
            if look > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let Ok(found) = self.kept.records(&query).await else {
                return false;
            };
            let Some(mut record) = found.into_iter().find(|record| record.id == event.transaction) else {
                // One that is older than a few looks will not come any more.
                if event.waited > PAUSE * LOOKS {
                    return false;
                }
                continue;
            };
            return !enter(&mut record, event) || self.kept.record(&record).await.is_ok();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use gatepost_core::{Direction, RecipientId, RecipientRecord};
    use gatepost_testkit::{Alarm, MemoryAlarms, MemoryKept};

    use super::*;

    fn event(what: What) -> Event {
        let mut event = Event::new(what, "0k5m2r9hq0000", "t1", "acme.example");
        event.recipients = vec!["ann@acme.example".into()];
        event.went = Some("mx.acme.example:25".into());
        event.said = "250 2.0.0 ok".into();
        event.waited = Duration::from_secs(7_200);
        event
    }

    fn record() -> Record {
        let client = "192.0.2.1".parse().expect("an address");
        let mut record = Record::new("t1".into(), 0, Direction::Inbound, "mx".into(), client, 1);
        let mut row = RecipientRecord::new(RecipientId(0), "ann@acme.example".into());
        row.went = Some("queue".into());
        record.recipients.push(row);
        record
    }

    #[tokio::test]
    async fn whoever_looks_for_a_mail_finds_what_became_of_it() {
        let kept = MemoryKept::new();
        kept.record(&record()).await.expect("kept");
        let (teller, chronicle) = pair(kept.clone(), MemoryAlarms::new(), tables(&[]));
        teller.told(&event(What::Unsure));
        teller.told(&event(What::Delivered));
        drop(teller);
        chronicle.keep(CancellationToken::new()).await;
        let found = kept.records(&Query::default()).await.expect("records");
        let record = found.first().expect("the last one written");
        assert_eq!(record.recipients[0].went.as_deref(), Some("mx.acme.example:25"));
        let last = record.notes.last().expect("a note");
        assert_eq!(
            last,
            "queue: delivered <ann@acme.example> mx.acme.example:25 after 7200 s: 250 2.0.0 ok"
        );
    }

    fn tables(names: &[&str]) -> Arc<Tables> {
        let domain: serde_json::Map<String, serde_json::Value> = names
            .iter()
            .map(|name| ((*name).to_owned(), serde_json::json!({})))
            .collect();
        let config = serde_json::from_value(serde_json::json!({ "domain": domain })).expect("a configuration");
        Arc::new(Tables::new(&config))
    }

    #[test]
    fn an_alarm_is_about_a_table_and_never_about_a_name_that_a_stranger_chose() {
        let alarms = MemoryAlarms::new();
        let tables = tables(&["own.example", ".acme.example"]);
        let (teller, _chronicle) = pair(MemoryKept::new(), alarms.clone(), tables);
        for what in [What::Damaged, What::SetAside] {
            for (lane, label) in [
                ("own.example", "own.example"),
                ("x1.acme.example", ".acme.example"),
                ("x2.x.acme.example", ".acme.example"),
                ("gone.example", "(others)"),
                (NOTICES, NOTICES),
            ] {
                let mut event = event(what);
                event.domain = lane.into();
                teller.told(&event);
                let told = alarms.book.take();
                assert!(
                    matches!(&told[..], [Alarm::Raised(_, about, _)] if &**about == label),
                    "{lane}: {told:?}"
                );
            }
        }
    }

    #[test]
    fn a_record_says_of_what_was_not_delivered_how_it_ended() {
        let went = |what, domain: &str| {
            let (mut record, mut event) = (record(), event(what));
            event.domain = domain.into();
            enter(&mut record, &event);
            record.recipients[0].went.clone().unwrap_or_default()
        };
        assert_eq!(went(What::Deleted, "acme.example"), DELETED);
        assert_eq!(went(What::Notified, "acme.example"), RETURNED);
        assert_eq!(went(What::SetAside, "acme.example"), SET_ASIDE);
        assert_eq!(went(What::Failed, "acme.example"), "queue", "it is not settled yet");
        // Who writes to themselves gets a notice of ours, and not the mail.
        assert_eq!(went(What::Delivered, NOTICES), "queue");
    }

    #[test]
    fn a_mail_that_is_tried_for_days_fills_no_record() {
        let mut record = record();
        for n in 0..1_000 {
            let mut away = event(What::Away);
            away.said = n.to_string();
            enter(&mut record, &away);
        }
        enter(&mut record, &event(What::Delivered));
        assert_eq!(record.notes.len(), NOTES + 1);
    }
}
