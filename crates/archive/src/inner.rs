//! What an archive is made of, and how mail comes into it, changes and goes.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use gatepost_core::{Clock, Fault, KeptId, Label, Message, Seed, Store};
use tokio::sync::Semaphore;

use crate::busy::{Busy, Hold};
use crate::commit::Committer;
use crate::form::{self, Head};
use crate::id;
use crate::index::Index;
use crate::place::Place;
use crate::read::{self, ReadError};
use crate::records::Records;
use crate::settings::Settings;
use crate::sheet::Sheet;

/// Threads that work on files at the same time; others wait.
const FILES: usize = 16;
/// How many ids are tried for a mail. One is enough, unless chance is broken.
const ID_TRIES: usize = 4;

/// What an archive is made of.
pub struct Inner {
    pub place: Arc<Place>,
    pub index: Index,
    pub records: Records,
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub seed: Seed,
    pub busy: Arc<Busy>,
    pub mended: AtomicBool,
    pub closed: AtomicBool,
    /// What the last clean close left in the folder.
    pub token: Option<String>,
    /// Temporary files that were removed at the start.
    pub temporary: u64,
    pub settings: RwLock<Arc<Settings>>,
    pub commits: Arc<Committer>,
    pub files: Arc<Semaphore>,
    pub count: AtomicU64,
}

/// What the disk's trouble is to others. The log has the details.
pub fn disk(error: &io::Error, doing: &str) -> Fault {
    tracing::error!(%error, doing, "the archive's folder cannot be used as it must");
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            Fault::Unavailable("the archive's disk is full")
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Fault::Broken(format!(
            "the archive's folder cannot be written ({error}); it must belong to the user that gatepost runs as"
        )),
        _ => Fault::Unavailable("the archive's disk"),
    }
}

/// What a file that cannot be read is to others.
pub fn unread(error: &ReadError, id: &KeptId) -> Fault {
    match error {
        ReadError::Io(error) => disk(error, "reading a kept mail"),
        ReadError::Unreadable(why) => Fault::Broken(format!("the file of the kept mail {id} {why}; it is left alone")),
    }
}

impl Inner {
    pub fn new(
        place: Place,
        found: crate::place::Found,
        store: Store,
        clock: Arc<dyn Clock>,
        seed: Seed,
        settings: Settings,
    ) -> Inner {
        let place = Arc::new(place);
        Inner {
            index: Index::new(store.within("mails"), seed),
            records: Records::new(store.within("records"), seed),
            store,
            clock,
            seed,
            busy: Arc::default(),
            mended: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            token: found.token,
            temporary: found.temporary,
            settings: RwLock::new(Arc::new(settings)),
            commits: Arc::new(Committer::new(Arc::clone(&place))),
            place,
            files: Arc::new(Semaphore::new(FILES)),
            count: AtomicU64::new(0),
        }
    }

    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn now(&self) -> u64 {
        self.clock.now().millis()
    }

    pub fn open(&self) -> Result<(), Fault> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Fault::Unavailable("the archive is closed"));
        }
        Ok(())
    }

    /// Does work on files on a thread that may block; at most [`FILES`] at a time.
    pub async fn on_files<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Place) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let permit = Arc::clone(&self.files).acquire_owned().await;
        let permit = permit.map_err(|_| Fault::Unavailable("the archive is closed"))?;
        let place = Arc::clone(&self.place);
        let work = move || {
            let _permit = permit;
            work(&place)
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|error| Fault::Broken(format!("work on the archive's files failed: {error}")))
    }

    /// Keeps a mail whose head has no id yet.
    pub async fn put(&self, mut head: Head, message: Arc<Message>) -> Result<KeptId, Fault> {
        self.make_room(&head).await?;
        for _ in 0..ID_TRIES {
            let count = self.count.fetch_add(1, Ordering::Relaxed);
            let mail = &mut head.mail;
            mail.id = id::new(&self.seed, mail.at, self.now(), count, &mail.transaction);
            let id = mail.id.clone();
            let _hold = self.busy.hold(&id).await;
            self.open()?;
            if self.write(&id, &head, Arc::clone(&message), None).await? {
                return Ok(id);
            }
            tracing::error!(%id, "an id of a new kept mail was taken already; is the seed used by two installations?");
        }
        Err(Fault::Broken("the archive finds no id that is not taken".into()))
    }

    /// Keeps a mail whose id follows from its time and a key; one that is there already stays as it is.
    pub async fn put_once(&self, mut head: Head, message: Arc<Message>, key: &str) -> Result<KeptId, Fault> {
        let id = id::once(&self.seed, head.mail.at, key);
        head.mail.id = id.clone();
        let _hold = self.busy.hold(&id).await;
        self.open()?;
        let (known, durable) = (id.clone(), head.durable);
        let there = self.on_files(move |place| {
            if !place.is_there(&known) {
                // What an earlier try may have left would be taken for another's.
                place.drop_tmp(&known);
                return Ok(false);
            }
            // Who was killed may have named it and not synced that.
            match durable {
                true => place.sync(&place.folder(&known)).map(|()| true),
                false => Ok(true),
            }
        });
        let there = there.await?.map_err(|error| disk(&error, "syncing a kept mail"))?;
        if there {
            return Ok(id);
        }
        self.make_room(&head).await?;
        // A crash between index and name leaves entries of just this id.
        let was = self.index.sheet(&id).await?;
        match self.write(&id, &head, message, was.as_ref()).await? {
            true => Ok(id),
            false => Err(Fault::Broken(format!("the place of the kept mail {id} is taken"))),
        }
    }

    /// Writes a mail whose id is held, and of which the index may know `was`; false if the id is taken.
    async fn write(&self, id: &KeptId, head: &Head, message: Arc<Message>, was: Option<&Sheet>) -> Result<bool, Fault> {
        let before = form::json(head).and_then(form::before).map_err(Fault::Broken)?;
        let durable = head.durable;
        let written = {
            let id = id.clone();
            self.on_files(move |place| {
                if place.is_there(&id) {
                    return Err(ErrorKind::AlreadyExists.into());
                }
                place.write(&id, &before, &message, durable)
            })
            .await?
        };
        match written {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => return Err(disk(&error, "writing a kept mail")),
        }
        // The index comes before the name: a crash leaves entries without a file, which are found, and no file unseen.
        let sheet = self.index.sheet_of(head);
        let settled = match self.index.replace(id, was, sheet.clone()).await {
            Ok(()) => self.settle(id, false, durable).await,
            Err(fault) => Err(fault),
        };
        if let Err(fault) = settled {
            let undone = id.clone();
            let removed = self
                .on_files(move |place| {
                    place.drop_tmp(&undone);
                    place.unlink(&undone)
                })
                .await;
            if let Ok(Err(error)) | Err(error) = removed.map_err(|fault| io::Error::other(fault.to_string())) {
                tracing::error!(%id, %error, "a mail that could not be kept durably stays in the archive");
                return Err(fault);
            }
            // Best done now; else the entries lead nowhere and are dropped when somebody comes by. Without a sheet there are
            // none.
            let removed = match self.index.sheet(id).await {
                Ok(Some(_)) => self.index.remove(id, &sheet).await,
                Ok(None) => Ok(()),
                Err(fault) => Err(fault),
            };
            if let Err(fault) = removed {
                tracing::warn!(%id, %fault, "entries of a mail that was not kept stay in the index until it is mended");
            }
            return Err(fault);
        }
        Ok(true)
    }

    /// Gives a temporary file its own name.
    async fn settle(&self, id: &KeptId, replace: bool, durable: bool) -> Result<(), Fault> {
        let settled = if durable && self.settings().group_commit {
            self.commits.settle(id, replace).await
        } else {
            let id = id.clone();
            self.on_files(move |place| {
                if durable {
                    Committer::settle_alone(place, &id, replace)
                } else {
                    place.settle(&id, replace)
                }
            })
            .await?
        };
        settled.map_err(|error| disk(&error, "naming a kept mail"))
    }

    /// Writes a label into the file and the index.
    pub async fn label(&self, id: &KeptId, label: Label, by: &str) -> Result<(), Fault> {
        let missing = || Fault::Broken(format!("there is no kept mail {id}: nothing was labelled"));
        if !id::valid(&id.0) {
            return Err(missing());
        }
        let _hold = self.busy.hold(id).await;
        self.open()?;
        let opened = {
            let id = id.clone();
            self.on_files(move |place| read::open(place, &id)).await?
        };
        let opened = opened.map_err(|error| unread(&error, id))?.ok_or_else(missing)?;
        if opened.head.mail.until.is_some_and(|until| until <= self.now()) {
            return Err(missing());
        }
        let json = form::labelled(&opened.json, label, by).map_err(Fault::Broken)?;
        let before = form::before(json).map_err(Fault::Broken)?;
        let mut head = opened.head;
        head.mail.label = Some((label, by.to_owned()));
        let written = {
            let id = id.clone();
            self.on_files(move |place| place.rewrite(&id, &before, opened.file, opened.start))
                .await?
        };
        written.map_err(|error| disk(&error, "labelling a kept mail"))?;
        // Until the sheet is finished again, the index is known to be in doubt about this mail.
        let was = self.index.sheet(id).await?;
        let doubted = match &was {
            Some(was) => self.index.doubt(id, was).await,
            None => Ok(()),
        };
        let settled = match doubted {
            Ok(()) => self.settle(id, true, true).await,
            Err(fault) => Err(fault),
        };
        if settled.is_err() {
            let id = id.clone();
            self.on_files(move |place| place.drop_tmp(&id)).await?;
            return settled;
        }
        self.index.replace(id, was.as_ref(), self.index.sheet_of(&head)).await
    }

    /// Removes mails: files, rows and, where `erase` says so, the subjects in their records. With `durable` a power cut
    /// does not bring them back. Tells for each whether there was one.
    pub async fn remove(&self, mails: Vec<(KeptId, Hold)>, durable: bool, erase: bool) -> Result<Vec<bool>, Fault> {
        self.open()?;
        let mut sheets = Vec::with_capacity(mails.len());
        for (id, _) in &mails {
            sheets.push(match self.index.sheet(id).await? {
                Some(sheet) => Some(sheet),
                // Not in the index yet: the file tells.
                None => {
                    let id = id.clone();
                    let opened = self.on_files(move |place| read::open(place, &id)).await?;
                    let opened = opened.ok().flatten();
                    opened.map(|opened| self.index.sheet_of(&opened.head))
                }
            });
        }
        let ids: Vec<KeptId> = mails.iter().map(|(id, _)| id.clone()).collect();
        let unlinked = self
            .on_files(move |place| {
                let (mut there, mut folders) = (Vec::with_capacity(ids.len()), BTreeSet::new());
                for id in &ids {
                    let removed = place.unlink(id)?;
                    if removed && durable {
                        folders.insert(place.folder(id));
                    }
                    there.push(removed);
                }
                folders
                    .iter()
                    .try_for_each(|folder| gatepost_folder::sync_folder(folder))?;
                io::Result::Ok(there)
            })
            .await?;
        let there = unlinked.map_err(|error| disk(&error, "deleting kept mail"))?;
        for ((id, _), sheet) in mails.iter().zip(&sheets) {
            let Some(sheet) = sheet else { continue };
            // The subject first: should this fail, the sheet still leads here when it is tried again.
            if erase {
                self.records.scrub(&sheet.record).await?;
            }
            self.index.remove(id, sheet).await?;
            // The store answers at once where it has all in memory: others shall run between two mails.
            tokio::task::yield_now().await;
        }
        Ok(there)
    }

    /// Removes one mail.
    pub async fn delete(&self, id: &KeptId, erase: bool) -> Result<bool, Fault> {
        if !id::valid(&id.0) {
            return Ok(false);
        }
        let hold = self.busy.hold(id).await;
        let there = self.remove(vec![(id.clone(), hold)], true, erase).await?;
        Ok(there.contains(&true))
    }

    /// Waits for what is under way, and leaves the mark of a clean end.
    pub async fn close(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        self.busy.idle().await;
        if !self.mended.load(Ordering::Acquire) {
            return;
        }
        let parts: [&[u8]; 3] = [
            b"clean",
            &self.now().to_be_bytes(),
            &self.count.load(Ordering::Relaxed).to_be_bytes(),
        ];
        let token = format!("{:016x}", self.seed.hash(&parts));
        if let Err(fault) = self.store.put(CLEAN, token.as_bytes(), None).await {
            tracing::warn!(%fault, "the archive was not closed cleanly; its index will be gone through at the next start");
            return;
        }
        let put = self.on_files(move |place| place.put_token(&token)).await;
        if let Ok(Err(error)) | Err(error) = put.map_err(|fault| io::Error::other(fault.to_string())) {
            tracing::warn!(%error, "the archive was not closed cleanly; its index will be gone through at the next start");
        }
    }
}

/// Where the store has what a clean close left.
pub const CLEAN: &[u8] = b"clean";
