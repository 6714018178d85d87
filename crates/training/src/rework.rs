//! What goes through the log again: beginning, forgetting, going back, folding into the base.

use std::collections::HashMap;
use std::io;

use gatepost_core::{Fault, Unlearn, Version};

use crate::course::{Course, EMPTY, Kind, link};
use crate::entry::{Line, MARK_MAX};
use crate::log::{SPANS_MAX, within};
use crate::sketch;
use crate::versions::{Folded, Header, Loaded};
use crate::writer::Writer;

/// Samples that are learned between two looks at what waits.
const SLICE: usize = 128;
/// The most teachers whose samples in the base are counted.
const TEACHERS_MAX: usize = 10_000;

fn unreadable(error: &io::Error) -> Fault {
    Fault::Broken(format!("the sample log cannot be read: {error}"))
}

/// The members as a version names them.
pub(crate) fn named(kinds: &[Kind]) -> Vec<(String, u32)> {
    kinds
        .iter()
        .map(|kind| (kind.name.to_owned(), kind.extractor))
        .collect()
}

impl Writer {
    /// The nearest models to begin from: the newest version whose samples are the first ones of the log as it is now and
    /// lie before `before`; else the base; else nothing. Tells its number. Where there is a base that cannot be loaded, there
    /// is nothing to begin from.
    pub(crate) fn nearest(&self, before: Option<u64>, notes: &mut Vec<String>) -> Result<(Course, Option<u64>), Fault> {
        let base = self.versions.base();
        let mut chain = base.map_or(EMPTY, |base| base.chain);
        let mut chains = vec![(base.map_or(0, |base| base.version.through), chain)];
        for entry in self.log.entries() {
            if !within(self.log.aside(), entry.head.sequence) {
                chain = link(chain, entry.check);
                chains.push((entry.head.sequence, chain));
            }
        }
        let members = named(&self.kinds);
        let fits = |header: &&Header| {
            let through = header.version.through;
            let at = chains.partition_point(|(sequence, _)| *sequence <= through);
            let chain = at.checked_sub(1).and_then(|at| chains.get(at)).map(|(_, chain)| *chain);
            chain == Some(header.chain) && header.members == members && before.is_none_or(|before| through < before)
        };
        let mut fitting: Vec<&Header> = self.versions.all().filter(fits).collect();
        fitting.sort_by_key(|header| std::cmp::Reverse((header.version.through, header.version.number)));
        for header in fitting {
            let number = header.version.number;
            match self
                .versions
                .load(Some(number))
                .and_then(|loaded| Course::of(&self.kinds, &loaded))
            {
                Ok(course) => return Ok((course, Some(number))),
                Err(why) => notes.push(format!("{why}; the version before it is used")),
            }
        }
        if base.is_none() {
            return Ok((Course::fresh(&self.kinds), None));
        }
        let loaded = self.versions.load(None);
        let course = loaded.and_then(|loaded| Course::of(&self.kinds, &loaded));
        let course = course.map_err(|why| {
            Fault::Broken(format!(
                "the base of the models cannot be loaded, so they stay as they are until gatepost is started again: {why}"
            ))
        });
        Ok((course?, None))
    }

    /// Leads models through the log to its end, or to what lies behind `through`. `all` takes what is put aside, too;
    /// `skip` leaves out.
    pub(crate) fn lead(
        &mut self,
        course: &mut Course,
        through: u64,
        all: bool,
        serving: bool,
        skip: &dyn Fn(u64) -> bool,
    ) -> Result<u64, Fault> {
        let mut reader = self.log.reader();
        let mut learned = 0;
        loop {
            for _ in 0..SLICE {
                let next = self.log.after(course.through, all);
                let Some(entry) = next.filter(|entry| entry.head.sequence <= through) else {
                    return Ok(learned);
                };
                let sequence = entry.head.sequence;
                if skip(sequence) {
                    course.through = sequence;
                    continue;
                }
                match reader.features(entry) {
                    Ok(features) => {
                        let by = entry.head.by.clone();
                        if !course.try_learn(&entry.head, entry.check, entry.again.is_some(), features) {
                            return Err(self.forget_failing(sequence, &by));
                        }
                        learned += 1;
                    }
                    Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                        tracing::error!(sequence, "a sample in the log is damaged and is left out from now on");
                        self.mark(vec![sequence])?;
                        course.through = sequence;
                    }
                    Err(error) => return Err(unreadable(&error)),
                }
            }
            if serving {
                self.serve();
            }
        }
    }

    /// Forgets a sample at which a classifier panicked, so that it never does again, and says so.
    fn forget_failing(&mut self, sequence: u64, by: &str) -> Fault {
        let fault = Fault::Broken(format!(
            "a classifier failed as it learned sample {sequence}, which {by} taught: it is a bug, please report it; the sample is forgotten"
        ));
        self.complain(&fault);
        match self.mark(vec![sequence]) {
            Ok(()) => {
                self.failing += 1;
                fault
            }
            Err(fault) => fault,
        }
    }

    /// Models led through the log to its end, with the version that they began from and how many samples they learned
    /// again; samples at which a classifier panics are forgotten on the way.
    fn follow(&mut self, serving: bool, notes: &mut Vec<String>) -> Result<(Course, Option<u64>, u64), Fault> {
        loop {
            let failing = self.failing;
            let (mut course, version) = self.nearest(None, notes)?;
            match self.lead(&mut course, u64::MAX, false, serving, &|_| false) {
                Ok(replayed) => return Ok((course, version, replayed)),
                Err(fault) if self.failing > failing => notes.push(fault.to_string()),
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Puts the models into use that follow from the base and the log; tells the version that they began from, and how
    /// many samples were learned again.
    pub(crate) fn begin(&mut self, notes: &mut Vec<String>) -> Result<(Option<u64>, u64), Fault> {
        let (course, version, replayed) = self.follow(false, notes)?;
        self.use_from_now_on(course)?;
        self.young = u32::try_from(replayed).unwrap_or(u32::MAX);
        Ok((version, replayed))
    }

    /// Puts models into use, all or none of them: each is tried before the first takes the place of the one in use.
    pub(crate) fn use_from_now_on(&mut self, course: Course) -> Result<(), Fault> {
        let saved = course.save();
        let refused = |kind: &Kind, bad| Fault::Broken(format!("{}: {bad}", kind.name));
        for (kind, saved) in self.kinds.iter().zip(&saved) {
            kind.slot.fresh().load(saved).map_err(|bad| refused(kind, bad))?;
        }
        for (kind, saved) in self.kinds.iter().zip(&saved) {
            kind.slot.publish(saved).map_err(|bad| refused(kind, bad))?;
        }
        self.live = course.in_use(&self.kinds);
        self.announce();
        Ok(())
    }

    /// Sees to it that the models in use are those that follow from the base and the log.
    pub(crate) fn make_exact(&mut self, why: &str) -> Result<(), Fault> {
        if self.is_exact() {
            return self.erase();
        }
        self.settle_versions();
        while !self.is_exact() {
            let mut notes = Vec::new();
            let (course, ..) = self.follow(true, &mut notes)?;
            notes.iter().for_each(|note| tracing::warn!("{note}"));
            self.use_from_now_on(course)?;
        }
        self.write_down(why, None)?;
        self.erase()
    }

    fn erase(&mut self) -> Result<(), Fault> {
        loop {
            match self.log.erase() {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => {
                    return Err(Fault::Broken(format!(
                        "forgotten samples cannot be erased yet: {error}"
                    )));
                }
            }
        }
    }

    /// Marks samples as forgotten, durably, and drops the versions that hold them.
    fn mark(&mut self, which: Vec<u64>) -> Result<(), Fault> {
        let mark = |which: &[u64]| {
            (
                Line::Forgotten {
                    sequence: 0,
                    which: which.to_vec(),
                },
                Vec::new(),
            )
        };
        let appended = self.log.append(which.chunks(MARK_MAX).map(mark).collect());
        appended.map_err(|error| Fault::Broken(format!("the sample log cannot be written: {error}")))?;
        self.recount();
        let dropped = self.drop_tainted();
        dropped.map_err(|error| Fault::Broken(format!("a version that holds forgotten samples stays: {error}")))
    }

    /// Marks what was learned from kept mails as forgotten, durably, and forgets what is remembered of them; tells how many
    /// samples of each there were.
    pub(crate) fn forget_kept(&mut self, which: &[u64]) -> Result<HashMap<u64, u64>, Fault> {
        if which.is_empty() {
            return Ok(HashMap::new());
        }
        for kept in which {
            let forgotten = self.recent.forget(*kept);
            forgotten.map_err(|error| Fault::Broken(format!("what is remembered of it stays: {error}")))?;
        }
        let mut counts: HashMap<u64, u64> = which.iter().map(|kept| (*kept, 0)).collect();
        let mut gone = Vec::new();
        for entry in self.log.left().filter(|entry| entry.head.kept != 0) {
            if let Some(count) = counts.get_mut(&entry.head.kept) {
                *count += 1;
                gone.push(entry.head.sequence);
            }
        }
        if !gone.is_empty() {
            self.mark(gone)?;
        }
        let done = self.erasures.done(which);
        done.map_err(|error| Fault::Broken(format!("erasures that are done stay noted: {error}")))?;
        Ok(counts)
    }

    /// How many samples would be forgotten.
    pub(crate) fn concerned(&mut self, what: &Unlearn) -> Result<u64, Fault> {
        Ok(self.meant(what)?.0.len() as u64)
    }

    /// The samples that are meant, and how many of those that are part of the base.
    fn meant(&mut self, what: &Unlearn) -> Result<(Vec<u64>, u64), Fault> {
        Ok({
            let base = self.versions.base();
            let folded = base.and_then(|base| base.folded.as_ref());
            let pick = |wanted: &dyn Fn(&crate::entry::Head) -> bool| -> Vec<u64> {
                let all = self.log.left().filter(|entry| wanted(&entry.head));
                all.map(|entry| entry.head.sequence).collect()
            };
            match what {
                Unlearn::Sample(one) => {
                    let through = base.map_or(0, |base| base.version.through);
                    let in_base = (1..=through).contains(one);
                    (pick(&|head| head.sequence == *one), u64::from(in_base))
                }
                Unlearn::By(who) => {
                    let teachers = folded.iter().flat_map(|folded| &folded.teachers);
                    let theirs = teachers.filter(|(by, _)| crate::grounds::is_called(by, who));
                    let folded = theirs.map(|(_, count)| *count).sum();
                    (pick(&|head| crate::grounds::is_called(&head.by, who)), folded)
                }
                Unlearn::Since(when) => {
                    let newer = folded.is_some_and(|folded| folded.newest >= *when);
                    (pick(&|head| head.at >= *when), u64::from(newer))
                }
                Unlearn::Kept(id) => {
                    let kept = self.kept(id);
                    // The number of a transaction leads to the same mail as it does for a report by reference.
                    let found = self.recent.find(kept).ok().flatten();
                    let same = found.map(|(head, features)| (head.kept, sketch::identity(self.seed, &features)));
                    let of = |head: &crate::entry::Head| {
                        head.kept == kept
                            || same.is_some_and(|(copy, identity)| {
                                (copy != 0 && head.kept == copy) || head.identity == identity
                            })
                    };
                    (pick(&of), 0)
                }
                _ => {
                    return Err(Fault::Broken(
                        "learning: this kind of forgetting is not known here".into(),
                    ));
                }
            }
        })
    }

    /// Forgets. What is part of the base stays, and whoever asks is told.
    pub(crate) fn unlearn(&mut self, what: &Unlearn) -> Result<u64, Fault> {
        let (mut which, folded) = self.meant(what)?;
        if let Unlearn::Kept(id) = what {
            let forgotten = self.recent.forget(self.kept(id));
            forgotten.map_err(|error| Fault::Broken(format!("what is remembered of it stays: {error}")))?;
        }
        which.sort_unstable();
        let count = which.len() as u64;
        if count > 0 {
            self.mark(which)?;
            self.make_exact("unlearned")?;
        }
        if folded > 0 {
            let which = match what {
                Unlearn::Since(_) => "others that are as young".into(),
                _ => format!("{folded} more"),
            };
            return Err(Fault::Broken(format!(
                "{count} samples were forgotten; {which} became part of the base when the log was full and can no longer be unlearned"
            )));
        }
        Ok(count)
    }

    /// Goes back to a version and stays there.
    pub(crate) fn rollback(&mut self, to: Option<u64>) -> Result<Version, Fault> {
        self.make_exact("corrected")?;
        if self.young > 0 && to.is_none() {
            self.write_down("learned", None)?;
        }
        // Whatever a version goes back to is that version once more.
        let origin = |header: &Header| header.of.unwrap_or(header.version.number);
        let from = self.versions.all().next().map_or(0, origin);
        let target = match to {
            Some(0) => self.versions.base(),
            Some(number) => self.versions.all().find(|header| header.version.number == number),
            None => {
                let earlier = self.versions.all().filter(|header| origin(header) < from);
                earlier.max_by_key(|header| origin(header))
            }
        };
        let target = target.ok_or_else(|| match to {
            Some(number) => Fault::Broken(format!(
                "version {number} is not kept; `gatepost model list` names those that are"
            )),
            None => Fault::Broken("there is no version before the one in use".into()),
        })?;
        let header = target.clone();
        let file = Some(header.version.number).filter(|number| *number > 0);
        let loaded = self.versions.load(file).map_err(Fault::Broken)?;
        let course = Course::of(&self.kinds, &loaded).map_err(Fault::Broken)?;
        if header.members != named(&self.kinds) {
            return Err(Fault::Broken(
                "the version was made by other classifiers than there are now".into(),
            ));
        }
        let mut spans = header.aside.clone();
        match spans.last_mut() {
            Some((_, through)) if *through == header.version.through => *through = self.log.last(),
            _ => spans.push((header.version.through, self.log.last())),
        }
        if spans.len() > SPANS_MAX {
            return Err(Fault::Broken(
                "there were too many rollbacks: rebuild the models first".into(),
            ));
        }
        let base = self.versions.base().map_or(EMPTY, |base| base.chain);
        let held = self.log.entries().filter(|entry| !within(&spans, entry.head.sequence));
        if held.fold(base, |chain, entry| link(chain, entry.check)) != header.chain {
            return Err(Fault::Broken(format!(
                "version {} holds samples that are no longer in the log",
                header.version.number
            )));
        }
        let marked = self.log.append(vec![(Line::Aside { sequence: 0, spans }, Vec::new())]);
        marked.map_err(|error| Fault::Broken(format!("the sample log cannot be written: {error}")))?;
        self.recount();
        self.use_from_now_on(course)?;
        self.write_down(
            &format!("rolled back to version {}", origin(&header)),
            Some(origin(&header)),
        )
    }

    /// Makes the oldest samples part of the base where there are too many.
    pub(crate) fn fold(&mut self) -> Result<(), Fault> {
        let (samples, bytes) = (self.settings.samples as usize, self.settings.log_bytes());
        let Some(through) = self.log.surplus(samples, bytes) else {
            return Ok(());
        };
        self.settle_versions();
        let mut notes = Vec::new();
        let (mut course, _) = self.nearest(Some(through.saturating_add(1)), &mut notes)?;
        notes.iter().for_each(|note| tracing::warn!("{note}"));
        self.lead(&mut course, through, false, false, &|_| false)?;
        let mut version = self.versions.base().map_or_else(
            || Version {
                number: 0,
                at: 0,
                through: 0,
                ham: 0,
                spam: 0,
                why: "base".into(),
            },
            |base| base.version.clone(),
        );
        let folded = self.versions.base().and_then(|base| base.folded.clone());
        let folded = self.folded(folded.unwrap_or_default(), through);
        for entry in self.log.told().take_while(|entry| entry.head.sequence <= through) {
            if within(self.log.aside(), entry.head.sequence) {
                continue;
            }
            match entry.head.label {
                gatepost_core::Label::Ham => version.ham += 1,
                gatepost_core::Label::Spam => version.spam += 1,
            }
        }
        (version.through, version.at) = (through, self.clock.now().millis());
        let header = Header {
            version,
            of: None,
            chain: course.chain,
            aside: self.log.aside().to_vec(),
            members: named(&self.kinds),
            folded: Some(folded),
        };
        self.rebase(header, &course.save(), &course.trainer.fit().save())
    }

    /// Who taught the base, with the samples up to `through`.
    fn folded(&self, mut folded: Folded, through: u64) -> Folded {
        for entry in self.log.told().take_while(|entry| entry.head.sequence <= through) {
            if within(self.log.aside(), entry.head.sequence) {
                continue;
            }
            folded.newest = folded.newest.max(entry.head.at);
            if folded.teachers.len() < TEACHERS_MAX || folded.teachers.contains_key(&*entry.head.by) {
                *folded.teachers.entry(entry.head.by.to_string()).or_default() += 1;
            }
        }
        folded
    }

    /// Where there is a base that cannot be read, the newest version that holds what it held takes its place: nothing that
    /// was learned is lost with it. Says so.
    pub(crate) fn settle_base(&mut self) -> Result<Option<String>, Fault> {
        // What is read whole and yet is no model of ours will not become one. A file that cannot be read just now may be.
        if self.versions.base().is_some()
            && let Ok(loaded) = self.versions.load(None)
            && let Err(why) = Course::of(&self.kinds, &loaded)
        {
            self.versions
                .condemn_base(format!("the base of the models cannot be used: {why}"));
        }
        let Some((why, known)) = self.versions.bad_base().cloned() else {
            return Ok(None);
        };
        let moved = |error: io::Error| Fault::Broken(format!("{why}; it cannot be put aside: {error}"));
        // What was put aside later must not come back with a version that has it.
        let upto = |spans: &[(u64, u64)], through: u64| -> Vec<(u64, u64)> {
            let begun = spans.iter().filter(|(after, _)| *after < through);
            begun.map(|(after, end)| (*after, through.min(*end))).collect()
        };
        let usable = self.versions.all().filter(|header| {
            let through = header.version.through;
            upto(&header.aside, through) == upto(self.log.aside(), through)
        });
        let mut loaded = usable.filter_map(|header| {
            let loaded = self.versions.load(Some(header.version.number)).ok()?;
            Course::of(&self.kinds, &loaded).is_ok().then_some(loaded)
        });
        let found = loaded.next();
        drop(loaded);
        let Some(Loaded {
            mut header,
            models,
            fit,
        }) = found
        else {
            self.versions.put_bad_aside(false).map_err(moved)?;
            return Ok(Some(format!(
                "{why}; no version that can take its place is left, so the models know only what is in the sample log: put back a backup of it if there is one; the damaged file is base.models.bad"
            )));
        };
        let (number, through) = (header.version.number, header.version.through);
        let before = known.and_then(|known| known.folded).unwrap_or(Folded {
            newest: header.version.at,
            ..Folded::default()
        });
        header.folded = Some(self.folded(before, through));
        header.aside = self.log.aside().to_vec();
        (header.version.number, header.version.why, header.of) = (0, "base".into(), None);
        self.versions.put_bad_aside(true).map_err(moved)?;
        self.rebase(header, &models, &fit)?;
        Ok(Some(format!(
            "{why}; version {number} of the models is the base from now on, and what it learned can no longer be unlearned; the damaged file is base.models.bad"
        )))
    }

    fn rebase(&mut self, header: Header, models: &[Vec<u8>], fit: &[u8]) -> Result<(), Fault> {
        let through = header.version.through;
        let done = self.versions.put_base(header, models, fit).and_then(|()| {
            self.log.drop_through(through)?;
            self.versions.remove(|header| header.version.through < through)
        });
        self.recount();
        done.map_err(|error| Fault::Broken(format!("old samples cannot be made part of the base: {error}")))
    }

    /// Where most of the log is lost, or whole files of it, what the newest version knows of it is not thrown away: it
    /// becomes the base. Says so. `gaps` are the samples that are missing, first and last of each.
    pub(crate) fn adopt(&mut self, lost: bool, gaps: &[(u64, u64)]) -> Result<Option<String>, Fault> {
        let members = named(&self.kinds);
        let (ham, spam) = self.counts();
        let left = ham + spam;
        let missing = self.log.len() == 0 || lost;
        let knows = |header: &Header| header.version.ham + header.version.spam;
        let most = |header: &Header| missing && left * 2 < knows(header);
        // It has samples of a gap where it has more than the log up to the same place.
        let some = |header: &Header| {
            let through = header.version.through;
            gaps.iter().any(|(first, _)| *first <= through) && self.counted(through) < knows(header)
        };
        let usable = |header: &&Header| header.members == members && header.aside == self.log.aside();
        let newest = self.versions.all().next().filter(usable).filter(|header| most(header));
        let fuller = self.versions.all().filter(usable).filter(|header| some(header));
        let found = newest.into_iter().chain(fuller);
        let mut loaded = found.filter_map(|header| {
            let loaded = self.versions.load(Some(header.version.number)).ok()?;
            // One of another form is no base.
            Course::of(&self.kinds, &loaded).is_ok().then_some(loaded)
        });
        let Some(Loaded {
            mut header,
            models,
            fit,
        }) = loaded.next()
        else {
            return Ok(None);
        };
        drop(loaded);
        let number = header.version.number;
        let what = match most(&header) {
            true => "most of the sample log is lost",
            false => "a part of the sample log is lost",
        };
        header.folded = Some(Folded {
            newest: header.version.at,
            ..Folded::default()
        });
        (header.version.number, header.version.why) = (0, "base".into());
        self.rebase(header, &models, &fit)?;
        Ok(Some(format!(
            "{what}: version {number} of the models, which knows it, is the base from now on, and what it learned can no longer be unlearned"
        )))
    }
}
