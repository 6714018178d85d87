//! Whether the resolver is there at all.
//!
//! **Invariant:** from its last sign of life on, a resolver that answers nothing costs nobody more than the deadline of
//! one question, however many questions a session has: then it is *silent*, whoever waits is told so at once, and so is
//! whoever asks, until it answers again. That one name is not answered proves nothing: a zone's servers may be away. So
//! the resolver is asked for the servers of the root meanwhile, which each resolver answers at once, be it with a refusal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

/// How often a silent resolver is tried again, at most.
const AGAIN: Duration = Duration::from_secs(1);

/// The signs of life of a resolver.
pub struct Pulse {
    beats: AtomicU64,
    /// A vigil is kept.
    kept: AtomicBool,
    silent: watch::Sender<bool>,
}

/// What a vigil needs of whoever it watches. It ends where that is gone.
pub trait Patient: Send + Sync + 'static {
    /// Its pulse.
    fn pulse(&self) -> &Pulse;
    /// How long a question may take.
    fn deadline(&self) -> Duration;
    /// Whether an answer is waited for.
    fn waits(&self) -> bool;
    /// Asks something that is always answered; the answer is a beat.
    fn probe(self: Arc<Self>);
}

impl Pulse {
    pub fn new() -> Pulse {
        Pulse {
            beats: AtomicU64::new(0),
            kept: AtomicBool::new(false),
            silent: watch::Sender::new(false),
        }
    }

    /// It answered.
    pub fn beat(&self) {
        self.beats.fetch_add(1, Ordering::SeqCst);
    }

    pub fn is_silent(&self) -> bool {
        *self.silent.borrow()
    }

    /// Ends when it is silent.
    pub async fn silence(&self) {
        // The sender is here, so it is not closed.
        let _ = self.silent.subscribe().wait_for(|silent| *silent).await;
    }

    fn beats(&self) -> u64 {
        self.beats.load(Ordering::SeqCst)
    }
}

/// Keeps a vigil as long as anything is waited for, if none is kept yet.
pub fn watch<P: Patient>(patient: &Arc<P>) {
    if patient.pulse().kept.swap(true, Ordering::SeqCst) {
        return;
    }
    let (patient, quarter) = (Arc::downgrade(patient), patient.deadline() / 4);
    tokio::spawn(async move {
        let (mut beats, mut quiet) = (None, 0);
        loop {
            let Some(here) = patient.upgrade() else { return };
            let pulse = here.pulse();
            let heard = beats.replace(pulse.beats()) != Some(pulse.beats());
            let pause = if heard {
                if pulse.silent.send_replace(false) {
                    tracing::info!("the DNS resolver answers again");
                }
                quiet = 0;
                if !here.waits() {
                    pulse.kept.store(false, Ordering::SeqCst);
                    // A question that came in between saw that a vigil was kept.
                    if !here.waits() || pulse.kept.swap(true, Ordering::SeqCst) {
                        return;
                    }
                }
                quarter
            } else {
                quiet += 1;
                if quiet == 3 {
                    pulse.silent.send_replace(true);
                    tracing::error!("the DNS resolver answers nothing: checks go without DNS until it does");
                }
                Arc::clone(&here).probe();
                if quiet < 3 { quarter } else { quarter.min(AGAIN) }
            };
            drop(here);
            tokio::time::sleep(pause).await;
        }
    });
}
