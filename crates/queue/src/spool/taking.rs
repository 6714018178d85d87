//! Mails on their way into the spool, all or none.
//!
//! **Invariant:** until [`Taking::keep`] is called, dropping this at any moment, by whoever, leaves nothing of its mails
//! behind: no file, no name, no claim on room.

use std::sync::Arc;

use gatepost_core::Edited;
use tokio::runtime::Handle;

use super::Inner;
use super::name::Entry;

/// How far a mail has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Stage {
    /// Nothing of it is on the disk.
    Nowhere,
    /// It lies where mails are written, synced: it is a large one.
    Written,
    /// It may lie anywhere, in part.
    Begun,
}

/// One mail.
pub struct Parcel {
    pub entry: Entry,
    /// What stands before the message in its file.
    pub before: Vec<u8>,
    pub message: Arc<Edited>,
    pub stage: Stage,
}

/// The mails of one call.
pub struct Taking {
    inner: Arc<Inner>,
    runtime: Handle,
    pub parcels: Vec<Parcel>,
}

impl Taking {
    /// Of mails for which room is claimed.
    pub fn new(inner: Arc<Inner>, parcels: Vec<Parcel>) -> Taking {
        Taking {
            inner,
            runtime: Handle::current(),
            parcels,
        }
    }

    /// They stay.
    pub fn keep(mut self) -> Vec<Entry> {
        std::mem::take(&mut self.parcels)
            .into_iter()
            .map(|parcel| parcel.entry)
            .collect()
    }

    /// Removes what there is of them; it blocks. An error leaves their names to the next start, and the sender, who was told
    /// nothing, will bring them again.
    pub fn undo(&mut self) {
        for parcel in self.parcels.iter_mut().filter(|parcel| parcel.stage != Stage::Nowhere) {
            let place = &self.inner.place;
            let written = place.remove(&place.written(&parcel.entry));
            let named = place.file(&parcel.entry).and_then(|file| place.remove(&file));
            if let Err(error) = written.and(named) {
                let entry = &parcel.entry;
                tracing::error!(id = %entry.id, domain = &*entry.domain, %error, "a mail that nobody was told of stays in the queue's folder");
            }
            parcel.stage = Stage::Nowhere;
        }
    }

    fn give_back(&self) {
        for Parcel { entry, .. } in &self.parcels {
            self.inner.ledger.give_back(&entry.domain, entry.size);
        }
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        if self.parcels.is_empty() {
            return;
        }
        if self.parcels.iter().all(|parcel| parcel.stage == Stage::Nowhere) {
            return self.give_back();
        }
        // Whoever drops it may be where nobody may block.
        let mut rest = Undoing(Taking {
            inner: Arc::clone(&self.inner),
            runtime: self.runtime.clone(),
            parcels: std::mem::take(&mut self.parcels),
        });
        self.runtime.spawn_blocking(move || rest.run());
    }
}

/// A taking that is undone. If the runtime ends before that, so does the process.
struct Undoing(Taking);

impl Undoing {
    fn run(&mut self) {
        self.0.undo();
        self.0.give_back();
        for parcel in std::mem::take(&mut self.0.parcels) {
            self.0.inner.touched(&parcel.entry.domain);
        }
    }
}

impl Drop for Undoing {
    fn drop(&mut self) {
        // The runtime is gone: no further try.
        self.0.parcels.clear();
    }
}
