//! A rebuild, and the trial that it must pass: it may not call more confirmed ham spam than the models in use would.
//!
//! Both are asked about ham that neither has learned: of the last ham that people confirmed, also by a collection that they taught, a fifth, which the mails' own
//! hashes pick. The models in use have learned it long ago, so they stand trial as they would be without it. Everything
//! goes through the log in its order, beside the models in use.

use std::collections::HashSet;

use gatepost_core::{Fault, Ground, Label, Rebuilt};

use crate::course::Course;
use crate::entry::Line;
use crate::writer::Writer;

/// One in so many of the last confirmed ham is held out, so that a small site's ham is not all held out.
const ONE_IN: u64 = 5;

impl Writer {
    /// The ham that is held out, in order.
    fn held_out(&self) -> Vec<u64> {
        let confirmed = self.log.told().rev().filter(|entry| {
            entry.head.label == Label::Ham
                && matches!(entry.head.ground, Ground::Person | Ground::Correction | Ground::Corpus)
        });
        let most = self.settings.held_out as usize;
        let picked = confirmed.filter(|entry| entry.head.identity % ONE_IN == 0);
        let mut held_out: Vec<u64> = picked.take(most).map(|entry| entry.head.sequence).collect();
        held_out.sort_unstable();
        held_out
    }

    /// How many of some samples a course calls spam.
    fn false_alarms(&self, course: &Course, held_out: &[u64]) -> Result<u64, Fault> {
        let mut alarms = 0;
        let mut reader = self.log.reader();
        for entry in held_out.iter().filter_map(|sequence| self.log.entry(*sequence)) {
            let features = reader
                .features(entry)
                .map_err(|error| Fault::Broken(format!("the sample log cannot be read: {error}")))?;
            alarms += u64::from(course.score(&entry.head, features).spam);
        }
        Ok(alarms)
    }

    /// Makes the models anew from the base and all samples, also those that a rollback put aside.
    pub(crate) fn rebuild(&mut self) -> Result<Rebuilt, Fault> {
        self.make_exact("corrected")?;
        let held_out = self.held_out();
        // What repeats one that is held out is held out, too.
        let repeats = self
            .log
            .entries()
            .filter(|entry| entry.again.is_some_and(|of| held_out.binary_search(&of).is_ok()));
        let repeats: HashSet<u64> = repeats.map(|entry| entry.head.sequence).collect();
        let out = |sequence: u64| held_out.binary_search(&sequence).is_ok() || repeats.contains(&sequence);
        let end = self.log.last();
        let mut notes = Vec::new();
        // The new ones, from the beginning.
        let mut anew = self.nearest(Some(0), &mut notes)?.0;
        let first = held_out.first().copied().unwrap_or(u64::MAX);
        self.lead(&mut anew, first.saturating_sub(1).min(end), true, true, &|_| false)?;
        let (mut before, mut after) = (0, 0);
        if !held_out.is_empty() {
            let mut tried = anew
                .fork(&self.kinds)
                .map_err(|bad| Fault::Broken(format!("the rebuilt models cannot be tried: {bad}")))?;
            self.lead(&mut tried, end, true, true, &out)?;
            after = self.false_alarms(&tried, &held_out)?;
            drop(tried);
            let (mut old, _) = self.nearest(Some(first), &mut notes)?;
            self.lead(&mut old, end, false, true, &out)?;
            before = self.false_alarms(&old, &held_out)?;
        }
        notes.iter().for_each(|note| tracing::warn!("{note}"));
        let taken = after <= before;
        if taken {
            self.lead(&mut anew, u64::MAX, true, true, &|_| false)?;
            if !self.log.aside().is_empty() {
                let spans = Vec::new();
                let marked = self.log.append(vec![(Line::Aside { sequence: 0, spans }, Vec::new())]);
                marked.map_err(|error| Fault::Broken(format!("the sample log cannot be written: {error}")))?;
            }
            self.recount();
            self.use_from_now_on(anew)?;
            match self.is_exact() {
                true => drop(self.write_down("rebuilt", None)?),
                false => self.make_exact("rebuilt")?,
            }
        } else if self.young > 0 {
            self.write_down("learned", None)?;
        }
        let newest = self.versions.all().next().map(|header| header.version.clone());
        let version = match newest {
            Some(version) => version,
            None => self.write_down("learned", None)?,
        };
        Ok(Rebuilt {
            version,
            taken,
            held_out: held_out.len() as u64,
            before,
            after,
        })
    }
}
