//! A collection in batches, read ahead in a thread of its own: while one batch is learned, the next is read.

use std::thread::{self, JoinHandle};

use gatepost_core::Labelled;
use gatepost_training::sources::{Bad, Item, Mix};
use tokio::sync::mpsc::{self, Receiver};

/// The most mails of a batch.
const MAILS: usize = 256;
/// The octets after which a batch is full.
const OCTETS: usize = 4 << 20;
/// Batches that wait.
const AHEAD: usize = 2;
/// The most bad files after which a batch is told of.
const BAD: usize = 256;

/// Mails that are learned together.
#[derive(Default)]
pub struct Batch {
    /// The mails.
    pub mails: Vec<Labelled>,
    /// What was read beside them and is no mail.
    pub bad: Vec<Bad>,
    /// Mails that were left out since they were corrected.
    pub corrected: u64,
    /// The octets of the collection that were read when it was full.
    pub read: u64,
    pub(super) octets: usize,
}

impl Batch {
    fn take(&mut self, item: Item, weights: [Option<u32>; 2]) {
        match item {
            Item::Mail(found) => {
                self.octets += found.octets.len();
                let mut mail = Labelled::new(found.octets, found.label);
                mail.weight = weights[usize::from(found.correction)];
                self.mails.push(mail);
            }
            Item::Bad(bad) => self.bad.push(bad),
            Item::Corrected => self.corrected += 1,
        }
    }

    fn is_full(&self) -> bool {
        self.mails.len() >= MAILS || self.octets >= OCTETS || self.bad.len() >= BAD
    }
}

/// The batches of a collection.
pub struct Batches {
    batches: Receiver<Batch>,
    thread: JoinHandle<()>,
}

impl Batches {
    /// Begins to read. `weights` are those of a mail and of a correction.
    pub fn of(mix: impl FnOnce() -> Mix + Send + 'static, weights: [Option<u32>; 2]) -> Result<Batches, String> {
        let (to, batches) = mpsc::channel(AHEAD);
        let read = move || {
            let mut mix = mix();
            let mut batch = Batch::default();
            while let Some(item) = mix.next() {
                batch.take(item, weights);
                if batch.is_full() {
                    batch.read = mix.read();
                    // Nobody is there any more after an interruption.
                    if to.blocking_send(std::mem::take(&mut batch)).is_err() {
                        return;
                    }
                }
            }
            batch.read = mix.read();
            let _ = to.blocking_send(batch);
        };
        let thread = thread::Builder::new().name("train".into()).spawn(read);
        let thread = thread.map_err(|error| format!("no thread can be started: {error}"))?;
        Ok(Batches { batches, thread })
    }

    /// The next batch; nothing at the end.
    pub async fn next(&mut self) -> Option<Batch> {
        self.batches.recv().await
    }

    /// Whether it was read to its end.
    pub fn end(self) -> Result<(), String> {
        drop(self.batches);
        let ended = self.thread.join();
        ended.map_err(|_| "reading ended with a bug of ours; please report it".into())
    }
}
