//! Finished transactions as lessons: those that tell what they are by themselves, and those that are remembered so that a
//! report can refer to them.

use std::sync::{Arc, PoisonError};

use gatepost_core::{Direction, Ended, Fault, Ground, Label, Message, Observer, Record, async_trait};
use tokio::sync::oneshot;

use super::{TOGETHER, Teacher, UNREAD, head};
use crate::entry::{self, Head};
use crate::grounds::{self, Taught};
use crate::lessons::Ready;
use crate::writer::{Task, reference};

/// The most octets of mails whose features are made together.
const SMALL: u64 = 256 << 10;

/// A finished transaction that is to be learned from.
struct Pupil {
    id: String,
    message: Arc<Message>,
    /// What is learned, or the same without a label.
    lesson: Head,
    is_taught: bool,
    /// As what it is remembered, by which ids.
    remembered: Option<(Head, Vec<u64>)>,
}

impl Teacher {
    /// What there is to learn or to remember of a finished transaction.
    fn pupil(&self, record: &Record, message: &Arc<Message>) -> Option<Pupil> {
        let settings = self.set();
        let house = Arc::clone(&self.house.read().unwrap_or_else(PoisonError::into_inner));
        let taught = grounds::of(record, message.headers(), &settings, &house);
        let inbound = record.direction == Direction::Inbound;
        let remember = inbound && settings.recent_days > 0 && grounds::is_delivered(record);
        if taught.is_none() && !remember {
            return None;
        }
        let (domain, sources) = (grounds::domain(record), grounds::sources(record, self.seed));
        let at = record.began.saturating_add(record.took);
        let ids = grounds::ids(record);
        let kept = ids.iter().find(|id| **id != record.id);
        let kept = kept.map_or(0, |id| reference(self.seed, id));
        let nobody = Taught {
            label: Label::Ham,
            ground: Ground::Person,
            by: String::new(),
        };
        let unlabelled = head(nobody, at, domain.clone(), sources, kept);
        let is_taught = taught.is_some();
        let lesson = match taught {
            Some(taught) => head(taught, at, domain, sources, kept),
            None => unlabelled.clone(),
        };
        let ids = ids.iter().take(entry::IDS_MAX);
        let ids = ids.map(|id| reference(self.seed, id)).collect();
        Some(Pupil {
            id: record.id.clone(),
            message: Arc::clone(message),
            lesson,
            is_taught,
            remembered: remember.then_some((unlabelled, ids)),
        })
    }

    /// Gives the writer what was made of one.
    fn hand_over(&self, pupil: Pupil, ready: Result<Ready, Fault>) {
        let mut ready = match ready {
            Ok(ready) => ready,
            Err(UNREAD) => return tracing::debug!("{}: {UNREAD}", pupil.id),
            Err(_) => return self.miss(),
        };
        if let Some((unlabelled, ids)) = pupil.remembered {
            let body = match pupil.is_taught {
                true => ready.body.clone(),
                false => std::mem::take(&mut ready.body),
            };
            self.give(Task::Remember(Box::new((unlabelled, body)), ids));
        }
        if pupil.is_taught {
            // Whether it is admitted is told to nobody: nobody asked for it.
            let (answer, _) = oneshot::channel();
            self.give(Task::Learn(Box::new(ready), answer));
        }
    }
}

/// How many of the first are worth doing together: a large mail makes nobody wait.
fn together(pupils: &[Pupil]) -> usize {
    let mut octets = 0u64;
    let small = pupils.iter().take(TOGETHER).take_while(|pupil| {
        octets = octets.saturating_add(pupil.message.len());
        octets <= SMALL
    });
    small.count().max(1)
}

#[async_trait]
impl Observer for Teacher {
    async fn observe(&self, record: &Record, message: Option<&Arc<Message>>) {
        if let Some(pupil) = message.and_then(|message| self.pupil(record, message)) {
            let ready = self.ready(&pupil.message, pupil.lesson.clone()).await;
            self.hand_over(pupil, ready);
        }
    }

    /// Features of some are made together: waking a thread for each costs more than most of them do.
    async fn observe_all(&self, ended: &[Ended]) {
        let pupil = |one: &Ended| self.pupil(&one.record, one.message.as_ref()?);
        let mut pupils: Vec<Pupil> = ended.iter().filter_map(pupil).collect();
        while !pupils.is_empty() {
            let rest = pupils.split_off(together(&pupils));
            let of = |pupil: &Pupil| (Arc::clone(&pupil.message), pupil.lesson.clone());
            match self.ready_all(pupils.iter().map(of).collect()).await {
                Ok(made) => pupils
                    .into_iter()
                    .zip(made)
                    .for_each(|(pupil, ready)| self.hand_over(pupil, ready)),
                // One that breaks the thread shall not take the others with it.
                Err(_) => {
                    for pupil in pupils {
                        let ready = self.ready(&pupil.message, pupil.lesson.clone()).await;
                        self.hand_over(pupil, ready);
                    }
                }
            }
            pupils = rest;
        }
    }
}
