//! Lessons, from the queue into the log and the models in use.
//!
//! **Invariant:** a batch is written and synced as one; nobody is answered before, and whoever is answered that it is
//! learned finds it in the models.

use std::collections::HashSet;

use gatepost_core::{Fault, Ground, Label, Seed};

use crate::admit::Admitted;
use crate::course::link;
use crate::entry::{self, Head, Line, Named};
use crate::log::{Entry, Reader};
use crate::settings::DAY;
use crate::sketch;
use crate::turns::AT_ONCE;
use crate::writer::{ALARM, Answer, Fate, Task, Writer};

/// A lesson with all that follows from it alone. It is made on the thread that makes the features: the writer has enough to
/// do.
pub struct Ready {
    /// What is known of it; by what the same mail and nearly the same mail are known again is in it.
    pub head: Head,
    /// Its features.
    pub features: Named,
    /// The same as they stand in the log.
    pub body: Vec<u8>,
}

impl Ready {
    /// A lesson of these features.
    pub fn new(mut head: Head, features: Named, seed: Seed) -> Ready {
        head.identity = sketch::identity(seed, &features);
        head.sketch = sketch::sketch(&features);
        let body = entry::write_features(&features);
        Ready { head, features, body }
    }
}

/// Lessons that share one sync of the disk.
const BATCH: usize = 512;
/// So many octets of features, at most, are learned once more among them.
const REPEATED_MAX: usize = 32 << 20;
/// What cannot be written, for whoever brought a lesson.
fn unwritable(error: &std::io::Error) -> Fault {
    tracing::error!(%error, "the sample log cannot be written");
    Fault::Unavailable("learning: the sample log cannot be written")
}

impl Writer {
    /// Learns what can be learned at once, beginning with `first`, and puts the rest by.
    pub(crate) fn take_batch(&mut self, first: Option<Task>) {
        let (mut lessons, mut erased) = (Vec::new(), Vec::new());
        let mut next = first;
        while let Some(task) = next {
            match task {
                Task::Learn(lesson, answer) => lessons.push((*lesson, answer)),
                Task::Refer(id, told, answer) => match self.remembered(id, &told) {
                    Ok(lesson) => lessons.push((lesson, answer)),
                    Err(fault) => drop(answer.send(Err(fault))),
                },
                Task::Remember(mail, ids) => self.remember(*mail, ids),
                Task::Erase(kept, answer) => erased.push((kept, answer)),
                Task::Versions(answer) => drop(answer.send(Ok(self.list()))),
                other => {
                    self.waiting.push_back(other);
                    break;
                }
            }
            next = if lessons.len() + erased.len() < BATCH {
                self.tasks.try_recv().ok()
            } else {
                None
            };
        }
        self.teach(lessons);
        self.erase_kept(erased);
    }

    /// Forgets what was learned from kept mails, all of them at once; the models follow when nothing waits.
    fn erase_kept(&mut self, asked: Vec<(u64, Answer<u64>)>) {
        let mut which = self.erasures.abandoned();
        which.extend(asked.iter().map(|(kept, _)| *kept));
        if which.is_empty() {
            return;
        }
        let done = self.forget_kept(&which);
        if let Err(fault) = &done {
            self.complain(fault);
            which.iter().for_each(|kept| self.erasures.abandon(*kept));
        }
        for (kept, answer) in asked {
            let count = done
                .as_ref()
                .map(|counts| counts.get(&kept).copied().unwrap_or_default());
            let _ = answer.send(count.map_err(Clone::clone));
        }
    }

    /// Admits lessons, writes them down together, and learns them.
    fn teach(&mut self, lessons: Vec<(Ready, Answer<Fate>)>) {
        self.admission.at(self.clock.now().millis());
        let mut lines = Vec::with_capacity(lessons.len());
        let mut learned = Vec::with_capacity(lessons.len());
        let mut reader = self.log.reader();
        let (mut gone, mut repeated) = (HashSet::new(), 0);
        let (mut corrected, mut answers) = (false, Vec::with_capacity(lessons.len()));
        for (lesson, answer) in lessons {
            let Ready {
                mut head,
                features,
                body,
            } = lesson;
            match self.admission.admit(&mut head, &self.settings) {
                // It may be one of this batch, which is not yet written.
                Ok(Admitted::Known(sequence)) => answers.push((answer, Fate::Known(sequence))),
                Err(refused) => drop(answer.send(Ok(Fate::Refused(refused)))),
                Ok(Admitted::New { instead_of }) => {
                    if !instead_of.is_empty() {
                        corrected = true;
                        let which = instead_of.clone();
                        gone.extend(&which);
                        lines.push((Line::Forgotten { sequence: 0, which }, Vec::new()));
                    }
                    head.sequence = self.log.last() + 1 + lines.len() as u64;
                    self.admission.learn(&head, &instead_of);
                    lines.push((Line::Sample(head.clone()), body));
                    answers.push((answer, Fate::Learned(head.sequence)));
                    let (label, collected, beside) = (head.label, head.ground == Ground::Corpus, head.sequence);
                    learned.push((head, features));
                    if !collected {
                        continue;
                    }
                    self.turns.told(label);
                    for _ in 0..AT_ONCE {
                        if repeated > REPEATED_MAX {
                            break;
                        }
                        let Some((mut head, of, features)) = self.once_more(label, &mut reader, &gone) else {
                            break;
                        };
                        head.sequence = self.log.last() + 1 + lines.len() as u64;
                        let body = entry::write_features(&features);
                        repeated += body.len();
                        lines.push((Line::Again(head.clone(), of, beside), body));
                        learned.push((head, features));
                    }
                }
            }
        }
        let written = match lines.is_empty() {
            true => Ok(Vec::new()),
            false => self.log.append(lines),
        };
        if let Err(error) = written {
            let fault = unwritable(&error);
            self.complain(&fault);
            self.recount();
            for (answer, _) in answers {
                let _ = answer.send(Err(fault.clone()));
            }
            return;
        }
        if !learned.is_empty() {
            self.young = self
                .young
                .saturating_add(u32::try_from(learned.len()).unwrap_or(u32::MAX));
            self.alarms.over(ALARM, "log");
            for (head, features) in learned {
                // One that was corrected in this very batch is not there any more.
                let logged = self.log.entry(head.sequence);
                if let Some((check, again)) = logged.map(|entry| (entry.check, entry.again.is_some())) {
                    self.wanted = link(self.wanted, check);
                    if !self.live.try_learn(&head, check, again, features) {
                        // The models are made anew from the log; what fails there once more is forgotten.
                        let sequence = head.sequence;
                        tracing::error!(sequence, "a classifier failed as it learned a sample");
                    }
                }
            }
            self.announce();
        }
        if corrected {
            self.count_turns();
            self.wanted = self.target();
            if let Err(error) = self.drop_tainted() {
                self.complain(&unwritable(&error));
            }
        }
        for (answer, fate) in answers {
            let _ = answer.send(Ok(fate));
        }
    }

    /// The sample that is learned once more behind one of a class, so that spam and ham of collections take turns. Nothing
    /// that is disputed or about to go.
    fn once_more(&mut self, behind: Label, reader: &mut Reader, gone: &HashSet<u64>) -> Option<(Head, u64, Named)> {
        let label = self.turns.rare_beside(behind)?;
        let may = |entry: &Entry| !gone.contains(&entry.head.sequence) && !self.admission.is_disputed(&entry.head);
        let entry = self.log.next_in_turn(label, self.turns.last(label), may)?;
        // One that cannot be read is told of when it has to be.
        let features = reader.features(entry).ok()?;
        let (head, of) = (entry.head.clone(), entry.head.sequence);
        self.turns.again(label, of);
        Some((head, of, features))
    }

    /// The lesson that a report by reference is.
    fn remembered(&self, id: u64, told: &Head) -> Result<Ready, Fault> {
        let oldest = told.at.saturating_sub(u64::from(self.settings.recent_days) * DAY);
        let found = self
            .recent
            .find(id)
            .ok()
            .flatten()
            .filter(|(head, _)| head.at >= oldest);
        let (mut head, features) = found.ok_or(Fault::Unavailable("learning: nothing is remembered of this mail"))?;
        (head.at, head.label, head.ground) = (told.at, told.label, told.ground);
        head.by.clone_from(&told.by);
        if head.kept == 0 {
            // No copy of it is kept: it is unlearned by the number by which it was taught.
            head.kept = id;
        }
        Ok(Ready::new(head, features, self.seed))
    }

    fn remember(&mut self, (head, body): (Head, Vec<u8>), ids: Vec<u64>) {
        let now = self.clock.now().millis();
        let days = self.settings.recent_days;
        let done =
            self.recent
                .add(head, ids, &body)
                .and_then(|()| match self.recent.bytes() > self.settings.recent_bytes() {
                    true => self.recent.sweep(now, days, self.settings.recent_bytes()),
                    false => Ok(()),
                });
        if let Err(error) = done {
            tracing::warn!(%error, "the features of a delivered mail are not remembered");
        }
    }
}
