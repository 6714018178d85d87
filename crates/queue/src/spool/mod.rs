//! Waiting mail on the disk: a file for each mail, and nothing beside that must agree with them.
//!
//! **Invariants:** what [`Spool::accept`] returned for is durable, name and content; what it did not return for is not there.
//! What is changed by [`Spool::mark`] and [`Spool::settle`] is durable when they return. What [`Spool::remove`] removed stays
//! away if the process is killed, and within a moment if the power fails. Nothing that is not ours is touched, nothing that
//! cannot be read is deleted. **Absent on purpose:** when and where mail goes. Whoever holds an [`Entry`] sees to it that
//! nobody else works on the same mail.

mod backup;
mod commit;
mod damaged;
mod form;
mod head;
mod id;
mod name;
mod place;
mod read;
mod settings;
mod start;
mod taking;
mod totals;

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use gatepost_core::{Edited, Fault, Message, NotTaken};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use commit::{Committer, Work, commit, sweep};
pub(crate) use id::Ids;
use place::Place;
use taking::{Parcel, Stage, Taking};
use totals::Ledger;

pub use damaged::Damaged;
pub use form::{Progress, Unreadable};
pub use gatepost_folder::OpenError;
pub use head::Head;
pub use id::Id;
pub use name::{Entry, Mail, Marks};
pub use read::{ReadError, Stored};
pub use settings::{Quota, Settings, Step, Steps};
pub use start::{Found, Line};
pub use totals::Totals;

/// Threads that work on files at the same time; others wait.
const FILES: usize = 16;
/// Octets from which a mail is written and synced before it joins the others, so that these need not wait for it.
const LARGE: u64 = 256 << 10;

/// A mail that shall wait.
#[derive(Clone, Debug)]
pub struct New {
    /// What is known of it.
    pub head: Head,
    /// The message with its marks.
    pub message: Arc<Edited>,
    /// How much of its domain may wait.
    pub quota: Quota,
}

/// What a spool is made of.
pub(crate) struct Inner {
    place: Arc<Place>,
    ids: Ids,
    ledger: Ledger,
    settings: RwLock<Arc<Settings>>,
    commits: Committer,
    files: Arc<Semaphore>,
    /// Octets of the disk that were free for mail at the last look.
    room: AtomicU64,
    /// Whether somebody looks again.
    looking: AtomicBool,
    damaged: AtomicU64,
    closed: AtomicBool,
}

/// Waiting mail on the disk.
#[derive(Clone)]
pub struct Spool(Arc<Inner>);

/// What the disk's trouble is to others. The log has the details.
fn disk(error: &io::Error, doing: &str) -> Fault {
    tracing::error!(%error, doing, "the queue's folder cannot be used as it must");
    match error.kind() {
        kind if is_full(kind) => Fault::Unavailable("the queue's disk is full"),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Fault::Broken(format!(
            "the queue's folder cannot be written ({error}); it must belong to the user that gatepost runs as"
        )),
        ErrorKind::InvalidFilename => Fault::Broken("a domain is longer than the name of a folder may be".into()),
        ErrorKind::NotFound => Fault::Broken("the mail is not in the queue's folder any more".into()),
        _ => Fault::Unavailable("the queue's disk"),
    }
}

fn is_full(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}

fn not_taken(error: &io::Error) -> NotTaken {
    if is_full(error.kind()) {
        tracing::warn!(%error, "mail is not taken into the queue: its disk is full");
        NotTaken::Full("the queue's disk is full".into())
    } else {
        NotTaken::Fault(disk(error, "taking mail into the queue"))
    }
}

impl Inner {
    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Octets of the disk that are free for mail. Where the disk does not tell, writing will.
    fn look_at_disk(&self) -> u64 {
        let free = self.place.free().unwrap_or(u64::MAX);
        let room = free.saturating_sub(self.settings().reserve);
        self.room.store(room, Ordering::Relaxed);
        room
    }

    /// Mail of a domain was removed: that is synced soon.
    fn touched(self: &Arc<Inner>, domain: &Arc<str>) {
        if self.commits.removed(domain)
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(sweep(Arc::downgrade(self)));
        }
    }
}

impl Spool {
    /// Opens the folder, or makes it, ends what a crash left half done, and tells what waits. Blocks.
    pub fn open(folder: &Path, settings: Settings) -> Result<(Spool, Found), OpenError> {
        Spool::open_with(folder, settings, None)
    }

    /// The same; `steps` is called before each step on the disk. For tests.
    pub fn open_with(folder: &Path, settings: Settings, steps: Option<Steps>) -> Result<(Spool, Found), OpenError> {
        let place = Place::open(folder, steps)?;
        let (found, last) = start::start(&place).map_err(OpenError::of(place::WHAT, folder))?;
        let ledger = Ledger::default();
        for Line { domain, mails } in &found.lines {
            mails.iter().for_each(|mail| ledger.add(domain, mail.size));
        }
        let inner = Inner {
            place: Arc::new(place),
            ids: Ids::above(last),
            ledger,
            settings: RwLock::new(Arc::new(settings)),
            commits: Committer::default(),
            files: Arc::new(Semaphore::new(FILES)),
            room: AtomicU64::new(0),
            looking: AtomicBool::new(false),
            damaged: AtomicU64::new(found.damaged),
            closed: AtomicBool::new(false),
        };
        inner.look_at_disk();
        Ok((Spool(Arc::new(inner)), found))
    }

    /// From now on so much may wait. What waits already stays.
    pub fn set(&self, settings: Settings) {
        *self.0.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    fn is_open(&self) -> Result<(), Fault> {
        if self.0.closed.load(Ordering::Acquire) {
            return Err(Fault::Unavailable("the queue is closed"));
        }
        Ok(())
    }

    /// Does work on files on a thread that may block; at most [`FILES`] at a time.
    async fn on_files<T: Send + 'static>(&self, work: impl FnOnce(&Inner) -> T + Send + 'static) -> Result<T, Fault> {
        self.is_open()?;
        let permit = Arc::clone(&self.0.files).acquire_owned().await;
        let permit = permit.map_err(|_| Fault::Unavailable("the queue is closed"))?;
        let inner = Arc::clone(&self.0);
        let work = move || {
            let _permit = permit;
            work(&inner)
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|error| Fault::Broken(format!("work on the queue's files failed: {error}")))
    }

    /// Takes mails durably: all of them or none. Whoever drops this before it is done has told somebody that nothing was
    /// taken: then nothing stays. A process that is killed meanwhile may leave some of them, of which nobody was told.
    pub async fn accept(&self, mails: Vec<New>) -> Result<Vec<Entry>, NotTaken> {
        self.is_open().map_err(NotTaken::Fault)?;
        let mut taking = Taking::new(Arc::clone(&self.0), Vec::with_capacity(mails.len()));
        let settings = self.0.settings();
        for New { head, message, quota } in mails {
            let entry = Entry {
                id: self.0.ids.next(head.at),
                domain: head.domain.as_str().into(),
                at: head.at,
                size: message.len(),
                marks: Marks::default(),
            };
            let before = form::before(&head, &entry).map_err(|why| NotTaken::Fault(Fault::Broken(why)))?;
            let claimed = self.0.ledger.claim(&entry.domain, entry.size, &quota, &settings);
            claimed.map_err(NotTaken::Full)?;
            taking.parcels.push(Parcel {
                entry,
                before,
                message,
                stage: Stage::Nowhere,
            });
        }
        if taking.parcels.iter().any(|parcel| parcel.entry.size >= LARGE) {
            taking = self.write_large(taking).await?;
        }
        match commit(&self.0, Work::Take(taking)).await {
            Ok(Some(taking)) => Ok(taking.keep()),
            Ok(None) => Err(NotTaken::Fault(Fault::Broken("the queue lost what it took".into()))),
            Err(error) => Err(not_taken(&error)),
        }
    }

    /// Writes and syncs the large ones of some mails.
    async fn write_large(&self, mut taking: Taking) -> Result<Taking, NotTaken> {
        let written = self.on_files(move |inner| {
            let place = &inner.place;
            for parcel in taking.parcels.iter_mut().filter(|parcel| parcel.entry.size >= LARGE) {
                if parcel.entry.size > inner.look_at_disk() {
                    return Err(ErrorKind::StorageFull.into());
                }
                parcel.stage = Stage::Begun;
                let file = place.write(&parcel.entry, &parcel.before, &parcel.message)?;
                place.sync_file(&file, &place.written(&parcel.entry))?;
                parcel.stage = Stage::Written;
            }
            Ok(taking)
        });
        let written = written.await.map_err(NotTaken::Fault)?;
        written.map_err(|error: io::Error| not_taken(&error))
    }

    /// A mail with its octets; they are verified.
    pub async fn read(&self, entry: &Entry) -> Result<(Stored, Message), ReadError> {
        let entry = entry.clone();
        let read = self.on_files(move |inner| read::load(&inner.place, &entry)).await;
        read.unwrap_or_else(|fault| Err(ReadError::Io(io::Error::other(fault.to_string()))))
    }

    /// What is known of a mail; whether its message is as it came is not looked at.
    pub async fn head(&self, entry: &Entry) -> Result<Stored, ReadError> {
        let entry = entry.clone();
        let read = self.on_files(move |inner| read::head(&inner.place, &entry)).await;
        read.unwrap_or_else(|fault| Err(ReadError::Io(io::Error::other(fault.to_string()))))
    }

    /// Gives a mail other marks, durably, and returns what it is from then on.
    pub async fn mark(&self, entry: &Entry, marks: Marks) -> Result<Entry, Fault> {
        if marks == entry.marks {
            return Ok(entry.clone());
        }
        self.is_open()?;
        let to = Entry { marks, ..entry.clone() };
        let marked = commit(&self.0, Work::Mark(entry.clone(), to.clone())).await;
        marked.map_err(|error| disk(&error, "marking a waiting mail"))?;
        Ok(to)
    }

    /// Writes down which recipients of a mail are done, durably.
    pub async fn settle(&self, entry: &Entry, progress: &Progress) -> Result<(), Fault> {
        self.is_open()?;
        let octets = form::progress(progress).map_err(Fault::Broken)?;
        let settled = commit(&self.0, Work::Settle(entry.clone(), octets)).await;
        settled.map_err(|error| disk(&error, "noting what became of a waiting mail"))?;
        Ok(())
    }

    /// Removes a mail, and says whether there was one. A killed process does not bring it back; that a power cut does not
    /// either is seen to within a moment, for all that are removed meanwhile.
    pub async fn remove(&self, entry: &Entry) -> Result<bool, Fault> {
        let own = entry.clone();
        let removed = self.on_files(move |inner| inner.place.unlink(&own)).await?;
        let there = removed.map_err(|error| disk(&error, "removing a waiting mail"))?;
        if there {
            self.0.ledger.give_back(&entry.domain, entry.size);
            self.0.touched(&entry.domain);
        }
        Ok(there)
    }

    /// A mail by its id, under whatever marks it lies; none where there is none any more.
    pub async fn find(&self, entry: &Entry) -> Result<Option<Entry>, Fault> {
        let own = entry.clone();
        let found = self.on_files(move |inner| {
            let folder = inner.place.folder(&own.domain)?;
            match start::list(&folder) {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
                Ok(listed) => {
                    let found = listed.mails.into_iter().find(|mail| mail.id == own.id);
                    Ok(found.map(|mail| mail.of(&own.domain)))
                }
            }
        });
        found.await?.map_err(|error| disk(&error, "looking for a waiting mail"))
    }

    /// Gives the room of a mail back that somebody else took away.
    pub fn forget(&self, entry: &Entry) {
        self.0.ledger.give_back(&entry.domain, entry.size);
    }

    /// Returns when no power cut brings back what was removed before.
    pub async fn flush(&self) -> Result<(), Fault> {
        let flushed = commit(&self.0, Work::Flush).await;
        flushed.map_err(|error| disk(&error, "syncing the queue's folders"))?;
        Ok(())
    }

    /// Sets a mail aside, with a note why; whether there was one.
    pub async fn set_aside(&self, entry: &Entry, why: &str) -> Result<bool, Fault> {
        let (own, note) = (entry.clone(), why.to_owned());
        let aside = self.on_files(move |inner| damaged::set_aside(&inner.place, &own, &note));
        let there = aside
            .await?
            .map_err(|error| disk(&error, "setting a waiting mail aside"))?;
        if there {
            tracing::error!(id = %entry.id, domain = &*entry.domain, why, "a waiting mail was set aside");
            self.0.ledger.give_back(&entry.domain, entry.size);
            self.0.damaged.fetch_add(1, Ordering::Relaxed);
        }
        Ok(there)
    }

    /// The mails that were set aside, the oldest first.
    pub async fn damaged(&self) -> Result<Vec<Damaged>, Fault> {
        let damaged = self.on_files(|inner| damaged::damaged(&inner.place)).await?;
        damaged.map_err(|error| disk(&error, "listing mail that was set aside"))
    }

    /// How many mails were set aside.
    pub fn damaged_count(&self) -> u64 {
        self.0.damaged.load(Ordering::Relaxed)
    }

    fn less_damaged(&self) {
        let less = |count: u64| Some(count.saturating_sub(1));
        let _ = self.0.damaged.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Removes a mail that was set aside; whether there was one.
    pub async fn remove_damaged(&self, entry: &Entry) -> Result<bool, Fault> {
        let own = entry.clone();
        let removed = self.on_files(move |inner| damaged::remove(&inner.place, &own)).await?;
        let there = removed.map_err(|error| disk(&error, "removing mail that was set aside"))?;
        if there {
            self.less_damaged();
        }
        Ok(there)
    }

    /// Puts a mail that was set aside back among those that wait, for whoever has mended it; whether there was one.
    pub async fn put_back(&self, entry: &Entry) -> Result<bool, Fault> {
        let own = entry.clone();
        let back = self
            .on_files(move |inner| damaged::put_back(&inner.place, &own))
            .await?;
        let there = back.map_err(|error| disk(&error, "putting back mail that was set aside"))?;
        if there {
            self.0.ledger.add(&entry.domain, entry.size);
            self.less_damaged();
        }
        Ok(there)
    }

    /// How much waits, for a domain or in all.
    pub fn totals(&self, domain: Option<&str>) -> Totals {
        self.0.ledger.totals(domain)
    }

    /// The domains for which mail waits, and how much.
    pub fn domains(&self) -> Vec<(Arc<str>, Totals)> {
        self.0.ledger.domains()
    }

    /// Whether there is room for mail of a domain. Blocks for nothing: what the disk has free is what it had at the last
    /// look.
    pub fn has_room(&self, domain: &str, quota: &Quota) -> bool {
        let inner = &self.0;
        if !inner.ledger.fits(domain, quota, &inner.settings()) {
            return false;
        }
        let room = inner.room.load(Ordering::Relaxed) > 0;
        if !room
            && let Ok(runtime) = Handle::try_current()
            && !inner.looking.swap(true, Ordering::AcqRel)
        {
            let inner = Arc::clone(inner);
            runtime.spawn_blocking(move || {
                inner.look_at_disk();
                inner.looking.store(false, Ordering::Release);
            });
        }
        room
    }

    /// Copies all mail, that which was set aside too, into a new or empty folder, and says in lines what was done. Mail of a
    /// backup that is put back is delivered again, also where it has been delivered since.
    pub async fn backup(&self, to: &Path) -> Result<Vec<String>, Fault> {
        let target = to.to_path_buf();
        let done = self
            .on_files(move |inner| backup::backup(&inner.place, &target))
            .await?;
        done.map_err(|error| Fault::Broken(format!("no backup of the queue into {}: {error}", to.display())))
    }

    /// Ends what is under way and lets another process have the folder; nothing can be done here any more.
    pub async fn close(&self) -> Result<(), Fault> {
        if self.0.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        // Whoever works on files now is waited for.
        let _all = self.0.files.acquire_many(FILES as u32).await;
        let flushed = commit::close(&self.0).await;
        self.0.place.unlock();
        flushed.map_err(|error| disk(&error, "closing the queue"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
