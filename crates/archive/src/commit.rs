//! Group commit: mails that are kept durably at the same time share the syncing of their folder.
//!
//! **Invariant:** whoever is answered has its file under its own name, and that name survives a power cut. Nobody waits
//! for a timer: who comes while nothing is synced is served at once, and who comes meanwhile is served together with all
//! others who came meanwhile.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use gatepost_core::KeptId;
use tokio::sync::oneshot;

use crate::place::Place;

/// The most mails that share one syncing.
const BATCH: usize = 256;

struct Waiting {
    id: KeptId,
    replace: bool,
    done: oneshot::Sender<io::Result<()>>,
}

#[derive(Default)]
struct State {
    waiting: Vec<Waiting>,
    running: bool,
}

/// Gives temporary files their own names, durably.
pub struct Committer {
    place: Arc<Place>,
    state: Mutex<State>,
}

/// Errors that several are told of.
fn again(error: &io::Error) -> io::Error {
    error
        .raw_os_error()
        .map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

/// Settles some mails and syncs their folders once: one answer for each, in order.
fn settle(place: &Place, mails: &[(KeptId, bool)]) -> Vec<io::Result<()>> {
    let mut folders: BTreeSet<PathBuf> = BTreeSet::new();
    let mut results: Vec<io::Result<()>> = Vec::with_capacity(mails.len());
    for (id, replace) in mails {
        let settled = place.settle(id, *replace);
        if settled.is_ok() {
            folders.insert(place.folder(id));
        }
        results.push(settled);
    }
    for folder in &folders {
        if let Err(error) = place.sync(folder) {
            for result in results.iter_mut().filter(|result| result.is_ok()) {
                *result = Err(again(&error));
            }
        }
    }
    results
}

impl Committer {
    /// For a folder.
    pub fn new(place: Arc<Place>) -> Committer {
        Committer {
            place,
            state: Mutex::default(),
        }
    }

    /// Gives `tmp/<id>` its own name; when this returns, it survives a power cut. On an error the file may be there, and
    /// the caller removes it.
    pub async fn settle(self: &Arc<Committer>, id: &KeptId, replace: bool) -> io::Result<()> {
        let (done, answer) = oneshot::channel();
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let id = id.clone();
            state.waiting.push(Waiting { id, replace, done });
            if !state.running {
                state.running = true;
                tokio::spawn(Arc::clone(self).run());
            }
        }
        answer
            .await
            .unwrap_or_else(|_| Err(io::Error::other("the archive's syncing has ended")))
    }

    /// The same for one mail alone. Blocks.
    pub fn settle_alone(place: &Place, id: &KeptId, replace: bool) -> io::Result<()> {
        let mut results = settle(place, &[(id.clone(), replace)]);
        results
            .pop()
            .unwrap_or_else(|| Err(io::Error::other("nothing was settled")))
    }

    fn next(&self) -> Vec<Waiting> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let count = state.waiting.len().min(BATCH);
        state.running = count > 0;
        state.waiting.drain(..count).collect()
    }

    async fn run(self: Arc<Committer>) {
        loop {
            let batch = self.next();
            if batch.is_empty() {
                return;
            }
            let (mails, who): (Vec<_>, Vec<_>) = batch
                .into_iter()
                .map(|waiting| ((waiting.id, waiting.replace), waiting.done))
                .unzip();
            let place = Arc::clone(&self.place);
            let results = tokio::task::spawn_blocking(move || settle(&place, &mails)).await;
            // Who gives up waiting takes its mail back itself; a task that failed drops `who`, which answers all.
            for (done, result) in who.into_iter().zip(results.unwrap_or_default()) {
                let _ = done.send(result);
            }
        }
    }
}
