//! The archive: kept mail in files of their own, an index of it in the store, and the records of all mail.
//!
//! **Invariants:** a durable [`keep`](Kept::keep) returns when the mail survives a power cut, and gives it back octet for
//! octet or says that it is damaged, never as something else. Files are the truth and the index is a cache, in which no
//! text of the mail stands. What is deleted is gone: the file, every entry, the subject in its record. What has become too
//! old is not there on any read, whether or not it was swept yet.
//!
//! The proxy opens it, has [`Archive::mend`] run beside its own start, and calls [`Archive::sweep`] now and then.
//! **Absent on purpose:** rights (the desk's), release (the post's), and mail that waits for delivery (the queue's).
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod backup;
mod busy;
mod check;
mod commit;
mod facet;
mod find;
mod form;
mod id;
mod index;
mod inner;
mod mend;
mod place;
mod read;
mod records;
mod retention;
mod search;
mod settings;
mod sheet;
mod subject;
mod totals;

use std::future::Future;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use gatepost_core::{
    Clock, Fault, Keeping, Kept, KeptId, KeptMail, Label, Login, Message, Query, Record, Seed, Store, Time,
};
use tokio::sync::oneshot;

use crate::form::Head;
use crate::inner::Inner;
use crate::place::Place;

pub use crate::check::Checked;
pub use crate::mend::Mended;
pub use crate::retention::Swept;
pub use crate::settings::Settings;
pub use gatepost_folder::OpenError;

/// Kept mail and records.
pub struct Archive {
    inner: Arc<Inner>,
}

impl Archive {
    /// Opens the archive in a folder, and makes it when it is not there. One process at a time.
    pub fn open(
        folder: &Path,
        store: Store,
        clock: Arc<dyn Clock>,
        seed: Seed,
        settings: Settings,
    ) -> Result<Archive, OpenError> {
        let (place, found) = Place::open(folder)?;
        Ok(Archive {
            inner: Arc::new(Inner::new(place, found, store, clock, seed, settings)),
        })
    }

    /// Whether [`mend`](Archive::mend) has still to run; until it has, lists may lack mail. It is quick after a clean
    /// close, and only it can tell, because the store has a word in it.
    pub fn needs_mending(&self) -> bool {
        !self.inner.mended.load(Ordering::Acquire)
    }

    /// Whether the folder says that the last close was clean.
    pub fn was_closed(&self) -> bool {
        self.inner.token.is_some()
    }

    /// Makes the index agree with the files, unless the last close was clean. Mail may come and go meanwhile.
    pub async fn mend(&self) -> Result<Mended, Fault> {
        self.inner.mend().await
    }

    /// Removes what has become too old or too much, in bounded steps.
    pub async fn sweep(&self) -> Result<Swept, Fault> {
        self.detached(|inner| async move { inner.sweep().await }).await
    }

    /// Other settings, from now on.
    pub fn settings(&self, new: Settings) {
        *self.inner.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
    }

    /// Reads every file and follows every entry; changes nothing.
    pub async fn check(&self) -> Result<Checked, Fault> {
        self.inner.check().await
    }

    /// Backs up all kept mail into a new or empty folder. Lines for the operator.
    pub async fn backup(&self, to: &Path) -> Result<Vec<String>, Fault> {
        self.inner.backup(to).await
    }

    /// Waits for what is under way and marks the end as clean. From then on nothing changes here any more.
    pub async fn close(&self) {
        self.inner.close().await;
    }

    /// Does something to its end, even if nobody waits for it any more: half a deletion is none.
    async fn detached<T, W>(&self, work: impl FnOnce(Arc<Inner>) -> W) -> Result<T, Fault>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let done = tokio::spawn(work(Arc::clone(&self.inner))).await;
        done.unwrap_or_else(|error| Err(Fault::Broken(format!("the archive's work failed: {error}"))))
    }
}

/// A mail that is kept and whose keeper has not been told yet. If nobody takes it, it is deleted.
struct Handed {
    id: Option<KeptId>,
    inner: Arc<Inner>,
}

impl Handed {
    fn take(mut self) -> KeptId {
        self.id.take().unwrap_or_else(|| KeptId("".into()))
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        let (Some(id), Ok(runtime)) = (self.id.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let inner = Arc::clone(&self.inner);
        runtime.spawn(async move {
            if let Err(fault) = inner.delete(&id, false).await {
                tracing::error!(%id, %fault, "a mail stays in the archive although keeping it took too long");
            }
        });
    }
}

#[async_trait]
impl Kept for Archive {
    fn could_keep(&self, octets: u64) -> bool {
        self.inner.could_hold(octets)
    }

    async fn keep(&self, keeping: Keeping<'_>) -> Result<KeptId, Fault> {
        let subject = keeping.message.headers().get("Subject");
        let subject = subject.map_or_else(String::new, |subject| subject::decode(&subject.unfolded()));
        let (terms, at) = (keeping.terms, keeping.at.millis());
        let until = self.inner.settings().until(at, terms.days, terms.durable);
        let head = Head {
            mail: KeptMail::new(KeptId("".into()), &keeping, until.map(Time::from_millis), subject),
            durable: terms.durable,
        };
        let (inner, message) = (Arc::clone(&self.inner), Arc::clone(keeping.message));
        let once = keeping.once;
        let (done, answer) = oneshot::channel();
        tokio::spawn(async move {
            let kept = match once {
                Some(key) => inner.put_once(head, message, &key).await,
                None => inner.put(head, message).await,
            };
            // Whoever does not take it has told somebody that nothing was kept: then nothing is.
            let _ = done.send(kept.map(|id| Handed { id: Some(id), inner }));
        });
        let handed = answer
            .await
            .unwrap_or_else(|_| Err(Fault::Broken("keeping a mail failed; the log has more".into())))?;
        Ok(handed.take())
    }

    async fn withdraw(&self, id: &KeptId) -> Result<(), Fault> {
        let id = id.clone();
        self.detached(|inner| async move { inner.delete(&id, false).await.map(drop) })
            .await
    }

    async fn get(&self, id: &KeptId) -> Result<Option<(KeptMail, Arc<Message>)>, Fault> {
        let found = self.inner.get(id).await?;
        Ok(found.map(|(mail, message)| (mail, Arc::new(message))))
    }

    async fn label(&self, id: &KeptId, label: Label, by: &Login) -> Result<(), Fault> {
        let (id, by) = (id.clone(), by.name.clone());
        self.detached(move |inner| async move { inner.label(&id, label, &by).await })
            .await
    }

    async fn list(&self, query: &Query) -> Result<Vec<KeptMail>, Fault> {
        self.inner.list(query).await
    }

    async fn delete(&self, id: &KeptId) -> Result<bool, Fault> {
        let id = id.clone();
        self.detached(|inner| async move { inner.delete(&id, true).await })
            .await
    }

    async fn record(&self, record: &Record) -> Result<(), Fault> {
        self.inner.open()?;
        self.inner.records.put(record).await
    }

    async fn record_all(&self, records: &[&Record]) -> Result<(), Fault> {
        self.inner.open()?;
        self.inner.records.add(records).await
    }

    async fn records(&self, query: &Query) -> Result<Vec<Record>, Fault> {
        let horizon = self.inner.settings().records_since(self.inner.now());
        self.inner.records.list(query, horizon).await
    }
}
