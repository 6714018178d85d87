//! Group commit: what must be durable at the same time shares the syncing of the disk.
//!
//! **Invariant:** whoever is answered has its files under their own names, and these and their content survive a power cut.
//! Nobody waits for a timer: who comes while nothing is synced is served at once, and who comes meanwhile is served together
//! with all others who came meanwhile. One batch writes all its files, has the disk begin with all of them, syncs them,
//! several at once, and then each folder once, likewise: file systems have syncs of one time share their journal and the disk's flush.
//! One thread does batch after batch while there are any, and answers from there: each hand-over to another thread costs more
//! processor time than what is handed over.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::Inner;
use super::name::Entry;
use super::place::Place;
use super::taking::{Stage, Taking};

/// The most calls that share one syncing.
const BATCH: usize = 256;
/// The most files that are open in a batch.
const FILES: usize = 256;

/// The most threads that sync what is in a batch.
const HANDS: usize = 8;
/// Files or folders for which a thread is worth its making.
const EACH: usize = 4;
/// How long removals gather before they are synced.
const PAUSE: Duration = Duration::from_millis(50);

/// What is to be done durably.
pub enum Work {
    /// Mails come.
    Take(Taking),
    /// A mail gets other marks, and so another name.
    Mark(Entry, Entry),
    /// Some recipients of a mail are done, as these octets tell.
    Settle(Entry, Vec<u8>),
    /// What was removed stays away.
    Flush,
}

/// What is given back: the mails that came.
pub type Done = io::Result<Option<Taking>>;

struct Waiting {
    work: Work,
    done: oneshot::Sender<Done>,
}

#[derive(Default)]
struct State {
    waiting: Vec<Waiting>,
    /// Domains of which mail was removed since their folder was synced.
    removed: BTreeSet<Arc<str>>,
    running: bool,
    sweeping: bool,
    closed: bool,
}

/// Work that waits to be done durably.
#[derive(Default)]
pub struct Committer(Mutex<State>);

/// Errors that several are told of.
fn again(error: &io::Error) -> io::Error {
    error
        .raw_os_error()
        .map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

/// A batch while it is worked on.
struct Batch<'a> {
    place: &'a Place,
    /// Octets of the disk that may be written.
    room: u64,
    /// Files to sync, by the place of their work.
    files: Vec<(usize, File, PathBuf)>,
    folders: BTreeSet<Arc<str>>,
}

impl Batch<'_> {
    /// Writes the mails of a call and gives them their names.
    fn take(&mut self, at: usize, taking: &mut Taking) -> io::Result<()> {
        for parcel in &mut taking.parcels {
            if parcel.stage == Stage::Nowhere {
                let whole = parcel.entry.size.saturating_add(parcel.before.len() as u64);
                self.room = self.room.checked_sub(whole).ok_or(ErrorKind::StorageFull)?;
                parcel.stage = Stage::Begun;
                let file = self.place.write(&parcel.entry, &parcel.before, &parcel.message)?;
                self.files.push((at, file, self.place.written(&parcel.entry)));
            }
            parcel.stage = Stage::Begun;
        }
        for parcel in &taking.parcels {
            self.folders.insert(Arc::clone(&parcel.entry.domain));
            self.place.name(&parcel.entry)?;
        }
        Ok(())
    }

    /// Does what comes before the syncing.
    fn begin(&mut self, at: usize, work: &mut Work) -> io::Result<()> {
        match work {
            Work::Take(taking) => self.take(at, taking),
            Work::Mark(from, to) => {
                self.folders.insert(Arc::clone(&to.domain));
                self.place.rename(&self.place.file(from)?, &self.place.file(to)?)
            }
            Work::Settle(entry, octets) => {
                let file = self.place.write_state(entry, octets)?;
                self.files.push((at, file, self.place.tmp().join(entry.state())));
                Ok(())
            }
            Work::Flush => Ok(()),
        }
    }

    /// Syncs the content of all files so far.
    fn sync_files(&mut self, results: &mut [io::Result<()>]) {
        let mut files = std::mem::take(&mut self.files);
        files.retain(|(at, ..)| results.get(*at).is_some_and(Result::is_ok));
        if files.len() > 1 {
            files.iter().for_each(|(_, file, _)| self.place.begin(file));
        }
        for (n, error) in at_once(&files, |(_, file, path)| self.place.sync_file(file, path)) {
            let work = files.get(n).and_then(|(at, ..)| results.get_mut(*at));
            if let Some(result) = work.filter(|result| result.is_ok()) {
                *result = Err(error);
            }
        }
    }

    /// Names what must not have its name before its content is synced.
    fn name(&mut self, work: &Work) -> io::Result<()> {
        if let Work::Settle(entry, _) = work {
            self.folders.insert(Arc::clone(&entry.domain));
            self.place.name_state(entry)?;
        }
        Ok(())
    }

    /// Undoes what failed, before the folders are synced.
    fn mend(work: &mut Work) {
        match work {
            Work::Take(taking) => taking.undo(),
            // The next start removes what was written of it, or the next try.
            Work::Settle(..) | Work::Mark(..) | Work::Flush => {}
        }
    }
}

/// Does the same with all of them, several at once where there are many: file systems have syncs of one time share what the
/// disk must do for each. Tells what failed, by its place.
fn at_once<T: Sync>(all: &[T], sync: impl Fn(&T) -> io::Result<()> + Sync) -> Vec<(usize, io::Error)> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut failed = Vec::new();
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let Some(one) = all.get(n) else { return failed };
            if let Err(error) = sync(one) {
                failed.push((n, error));
            }
        }
    };
    std::thread::scope(|scope| {
        let others = (all.len() / EACH).min(HANDS).saturating_sub(1);
        // Where the system gives us no thread, fewer do it.
        let spawn = |_| std::thread::Builder::new().spawn_scoped(scope, work).ok();
        let others: Vec<_> = (0..others).filter_map(spawn).collect();
        let mut failed = work();
        for other in others {
            let more = other.join();
            failed.extend(more.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        failed
    })
}

/// Does several things and syncs once: one answer for each, in order.
fn settle(inner: &Inner, works: &mut [Work], removed: BTreeSet<Arc<str>>) -> Vec<io::Result<()>> {
    let place = &*inner.place;
    let mut batch = Batch {
        place,
        room: inner.look_at_disk(),
        files: Vec::new(),
        folders: removed,
    };
    let mut results: Vec<io::Result<()>> = Vec::with_capacity(works.len());
    for (at, work) in works.iter_mut().enumerate() {
        let begun = batch.begin(at, work);
        results.push(begun);
        if batch.files.len() >= FILES {
            batch.sync_files(&mut results);
        }
    }
    batch.sync_files(&mut results);
    for (work, result) in works.iter_mut().zip(&mut results) {
        if result.is_ok() {
            *result = batch.name(work);
        }
        if result.is_err() {
            Batch::mend(work);
        }
    }
    let folders: Vec<Arc<str>> = std::mem::take(&mut batch.folders).into_iter().collect();
    for (n, error) in at_once(&folders, |domain| place.sync(domain)) {
        let Some(domain) = folders.get(n) else { continue };
        // Where nothing has a name yet, nothing is to be synced.
        let missing = error.kind() == ErrorKind::NotFound;
        if !missing {
            tracing::error!(%error, domain = &**domain, "the folder of a domain in the queue cannot be synced");
        }
        for (work, result) in works.iter_mut().zip(&mut results) {
            let concerned = match work {
                Work::Take(taking) => taking.parcels.iter().any(|parcel| parcel.entry.domain == *domain),
                Work::Mark(entry, _) | Work::Settle(entry, _) => entry.domain == *domain,
                Work::Flush => !missing,
            };
            if concerned && result.is_ok() {
                *result = Err(again(&error));
                Batch::mend(work);
            }
        }
    }
    results
}

/// The same for one thing alone. Blocks.
fn settle_alone(inner: &Inner, work: Work) -> Done {
    let mut works = [work];
    let result = settle(inner, &mut works, BTreeSet::new()).pop();
    let [work] = works;
    result
        .unwrap_or_else(|| Err(ErrorKind::Other.into()))
        .map(|()| taken(work))
}

fn taken(work: Work) -> Option<Taking> {
    match work {
        Work::Take(taking) => Some(taking),
        _ => None,
    }
}

impl Committer {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers that mail of a domain was removed; whether somebody must come to sync that.
    pub fn removed(&self, domain: &Arc<str>) -> bool {
        let mut state = self.state();
        state.removed.insert(Arc::clone(domain));
        !std::mem::replace(&mut state.sweeping, true)
    }

    /// Whether nothing was removed that is not synced; then nobody will come to sync it.
    pub fn is_swept(&self) -> bool {
        let mut state = self.state();
        state.sweeping = !state.removed.is_empty();
        !state.sweeping
    }

    fn next(&self) -> (Vec<Waiting>, BTreeSet<Arc<str>>) {
        let mut state = self.state();
        let count = state.waiting.len().min(BATCH);
        state.running = count > 0;
        if count == 0 {
            return Default::default();
        }
        let batch = state.waiting.drain(..count).collect();
        (batch, std::mem::take(&mut state.removed))
    }
}

/// Does something durably, together with whoever else comes.
pub async fn commit(inner: &Arc<Inner>, work: Work) -> Done {
    share(inner, work, false).await
}

/// Refuses whatever comes from now on, and returns when all that came before is durable.
pub async fn close(inner: &Arc<Inner>) -> Done {
    share(inner, Work::Flush, true).await
}

async fn share(inner: &Arc<Inner>, work: Work, close: bool) -> Done {
    let ended = || io::Error::other("the queue's syncing has ended");
    if !inner.settings().group_commit {
        let inner = Arc::clone(inner);
        let done = tokio::task::spawn_blocking(move || settle_alone(&inner, work)).await;
        return done.unwrap_or_else(|_| Err(ended()));
    }
    let (done, answer) = oneshot::channel();
    {
        let mut state = inner.commits.state();
        if state.closed {
            return Err(io::Error::other("the queue is closed"));
        }
        state.closed = close;
        state.waiting.push(Waiting { work, done });
        if !std::mem::replace(&mut state.running, true) {
            Turns(Arc::clone(inner)).begin(&Handle::current());
        }
    }
    answer.await.unwrap_or_else(|_| Err(ended()))
}

/// Syncs what was removed, in groups, until there is nothing left: a power cut then repeats few deliveries.
pub async fn sweep(inner: Weak<Inner>) {
    loop {
        tokio::time::sleep(PAUSE).await;
        let Some(inner) = inner.upgrade() else { return };
        if inner.commits.is_swept() {
            return;
        }
        if let Err(error) = commit(&inner, Work::Flush).await {
            tracing::error!(%error, "a power cut now would bring mail back that was removed from the queue");
        }
    }
}

/// Whoever does the work of all.
struct Turns(Arc<Inner>);

impl Turns {
    fn begin(self, runtime: &Handle) {
        runtime.spawn_blocking(move || while self.next() {});
    }

    /// Does one batch; whether there was one.
    fn next(&self) -> bool {
        let (batch, removed) = self.0.commits.next();
        if batch.is_empty() {
            return false;
        }
        // Who does not wait any more for mail to be taken has told somebody that it is not. What became of mail that is here
        // is written down, whoever waits for that.
        let is_wanted = |waiting: &Waiting| !matches!(waiting.work, Work::Take(_)) || !waiting.done.is_closed();
        let batch = batch.into_iter().filter(is_wanted);
        let (mut works, who): (Vec<_>, Vec<_>) = batch.map(|waiting| (waiting.work, waiting.done)).unzip();
        let results = settle(&self.0, &mut works, removed);
        // Here is where what failed may be dropped, which blocks, and what nobody waits for any more.
        for ((work, result), done) in works.into_iter().zip(results).zip(who) {
            let _ = done.send(result.map(|()| taken(work)));
        }
        true
    }
}

impl Drop for Turns {
    /// After a panic whoever waits is not forgotten; those of the batch were answered by dropping their ends.
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Ok(runtime) = Handle::try_current()
        {
            Turns(Arc::clone(&self.0)).begin(&runtime);
        }
    }
}
