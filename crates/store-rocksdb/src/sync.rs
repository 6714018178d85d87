//! What was written comes to the disk itself: soon, by a thread of its own, and when the store is closed.
//!
//! A call returns as soon as the operating system has what it wrote. Nobody waits for the disk, which may take long; but
//! the system alone would take half a minute and more, all of which a power cut would take.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::db::Inner;

#[derive(Default)]
struct End {
    come: Mutex<bool>,
    told: Condvar,
}

/// The thread that sees to it. It ends, after a last time, when this is dropped.
pub struct Syncing {
    end: Arc<End>,
    thread: Option<JoinHandle<()>>,
}

impl Syncing {
    /// Begins; what was written is on the disk after `every` and the time that the disk takes.
    pub fn begin(inner: &Arc<Inner>, every: Duration) -> io::Result<Syncing> {
        let end = Arc::new(End::default());
        let (inner, ending) = (Arc::clone(inner), Arc::clone(&end));
        let thread = std::thread::Builder::new().name("store-sync".into()).spawn(move || {
            loop {
                let come = ending.come.lock().unwrap_or_else(PoisonError::into_inner);
                let waited = ending.told.wait_timeout_while(come, every, |come| !*come);
                let come = *waited.unwrap_or_else(PoisonError::into_inner).0;
                inner.sync();
                if come {
                    return;
                }
            }
        })?;
        Ok(Syncing {
            end,
            thread: Some(thread),
        })
    }
}

impl Drop for Syncing {
    fn drop(&mut self) {
        *self.end.come.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.end.told.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
