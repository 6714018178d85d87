//! The two ledgers against each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::books::{Attempt, Marks, Session};
use crate::phase::{self, Kill, Phase, Victim};
use crate::plan::{Fate, Mail, fate};

/// Everything that was written down.
pub struct Evidence<'a> {
    pub mails: &'a [Mail],
    pub sent: &'a [Attempt],
    pub sessions: &'a [Session],
    pub marks: &'a Marks,
    /// What the archive has: the attempt, and whose copy it is.
    pub kept: &'a [(u32, String)],
    pub kills: &'a [Kill],
}

/// What the ledgers say together.
#[derive(Debug, Default)]
pub struct Report {
    pub lost: Vec<String>,
    /// Delivered or kept although the client heard 4xx or 5xx.
    pub after_refusal: Vec<String>,
    /// Delivered or kept twice although the client had heard an answer, or the connection did not die.
    pub doubled: Vec<String>,
    /// 5xx where none was meant.
    pub blamed: Vec<String>,
    /// A session that ended although nobody killed the proxy.
    pub dropped: Vec<String>,
    /// Not every octet arrived.
    pub torn: Vec<String>,
    /// Nobody knows what became of it.
    pub unsettled: Vec<String>,
    /// Duplicates behind a connection that died between the mail server's 250 and ours.
    pub excused: usize,
    /// The same where the mail server said its 250 to a proxy that was dead already.
    pub excused_late: usize,
    /// Copies in the archive of attempts that were not answered, and came again.
    pub excused_kept: usize,
    pub attempts: usize,
    pub sessions: usize,
    pub delivered: usize,
    pub kept: usize,
    pub refused: usize,
    /// Recipients of attempts that heard 4xx, and 5xx.
    pub heard: [usize; 2],
    /// Kills with at least one session in the phase, and such sessions, by victim.
    pub phases: BTreeMap<Phase, [(usize, usize); 2]>,
    pub kills: [usize; 2],
}

/// Compares.
pub fn audit(evidence: &Evidence<'_>) -> Report {
    let mut report = Report {
        attempts: evidence.sent.len(),
        sessions: evidence.sessions.len(),
        ..Report::default()
    };
    count_kills(evidence, &mut report);
    // What each attempt led to: whose copies were taken, and how often.
    let mut copies: BTreeMap<(u32, &str), usize> = BTreeMap::new();
    for (attempt, mark) in evidence.marks {
        for grant in &mark.granted {
            if !grant.whole {
                report.torn.push(format!("attempt {attempt}"));
            }
            for to in &grant.to {
                *copies.entry((*attempt, to)).or_default() += 1;
            }
        }
    }
    for (attempt, to) in evidence.kept {
        *copies.entry((*attempt, to)).or_default() += 1;
    }
    let mut tries: BTreeMap<u32, Vec<&Attempt>> = BTreeMap::new();
    for attempt in evidence.sent {
        tries.entry(attempt.mail).or_default().push(attempt);
    }
    let attempts: BTreeMap<u32, &Attempt> = evidence.sent.iter().map(|attempt| (attempt.number, attempt)).collect();
    for ((attempt, to), times) in &copies {
        let named = attempts
            .get(attempt)
            .is_some_and(|one| one.to.iter().any(|(one, _)| one == to));
        if !named {
            report.doubled.push(format!("attempt {attempt} never named {to}"));
        }
        if *times > 1 {
            report
                .doubled
                .push(format!("attempt {attempt}: {to} has it {times} times"));
        }
    }
    // How often each recipient of each mail was served, and by which attempts.
    let mut served: BTreeMap<(u32, &str), Vec<&Attempt>> = BTreeMap::new();
    for attempt in evidence.sent {
        for (to, _) in &attempt.to {
            let heard = attempt.heard(to);
            let has = copies.contains_key(&(attempt.number, to.as_str()));
            let what = || format!("mail {} attempt {}: {to} heard {heard:?}", attempt.mail, attempt.number);
            match heard {
                Some(200..=299) if !has => report.lost.push(what()),
                Some(200..=299) => {}
                Some(code) => {
                    report.heard[usize::from(code >= 500)] += 1;
                    if has {
                        report.after_refusal.push(what());
                    }
                    if code >= 500 && fate(to) != Fate::Refused {
                        report.blamed.push(what());
                    }
                }
                None if attempt.broken.is_none() => report.unsettled.push(what()),
                None => {}
            }
            if has {
                served.entry((attempt.mail, to)).or_default().push(attempt);
            }
        }
    }
    for (what, by) in &served {
        // The last may have been heard; each before it must have died unheard, or it would not have come again.
        let (last, before) = by.split_last().expect("one at least");
        let unheard = before.iter().filter(|attempt| attempt.broken.is_some());
        if unheard.clone().count() < before.len() {
            report.doubled.push(format!(
                "{what:?} by {:?}",
                by.iter().map(|one| one.number).collect::<Vec<_>>()
            ));
        }
        // An attempt that died unheard and was not the last: the excuse.
        let again = tries[&what.0].iter().filter(|one| one.number > last.number);
        let again = again.filter(|one| one.to.iter().any(|(to, _)| to == what.1)).count();
        if again > 0 && last.broken.is_none() {
            report
                .doubled
                .push(format!("{what:?} came again after attempt {}", last.number));
        }
        for attempt in unheard {
            excuse(evidence, attempt, what.1, &mut report);
        }
    }
    for mail in evidence.mails {
        for to in &mail.pending {
            let tries = tries.get(&mail.number).map_or(&[][..], Vec::as_slice);
            let served = served.contains_key(&(mail.number, to.as_str()));
            settle(mail.number, to, tries, served, &mut report);
        }
    }
    report
}

/// Why an attempt that was granted was not answered.
fn excuse(evidence: &Evidence<'_>, attempt: &Attempt, to: &str, report: &mut Report) {
    if fate(to) == Fate::Kept {
        report.excused_kept += 1;
        return;
    }
    let broken = attempt.broken.expect("it was not answered");
    let killed = evidence
        .kills
        .iter()
        .rfind(|kill| kill.victim == Victim::Gatepost && kill.from <= broken);
    let grant = evidence
        .marks
        .get(&attempt.number)
        .and_then(|mark| mark.granted.first());
    match (killed, grant) {
        (Some(kill), Some(grant)) if kill.found(grant.at) => report.excused += 1,
        (Some(_), Some(_)) => report.excused_late += 1,
        _ => report
            .doubled
            .push(format!("attempt {}: nobody was killed", attempt.number)),
    }
}

/// Whether a recipient's copy has met the fate that was meant, after these tries.
fn settle(mail: u32, to: &str, tries: &[&Attempt], served: bool, report: &mut Report) {
    let mut heard = tries.iter().rev().filter_map(|attempt| attempt.heard(to));
    let last = heard.find(|code| !(400..500).contains(code));
    match (last, fate(to)) {
        (Some(200..=299), Fate::Delivered) => report.delivered += 1,
        (Some(200..=299), Fate::Kept) => report.kept += 1,
        (Some(500..=599), Fate::Refused) if !served => report.refused += 1,
        (last, meant) => report
            .unsettled
            .push(format!("mail {mail} to {to}: {last:?}, where {meant:?} was meant")),
    }
}

fn count_kills(evidence: &Evidence<'_>, report: &mut Report) {
    let mut killed: BTreeSet<usize> = BTreeSet::new();
    for kill in evidence.kills {
        let victim = usize::from(kill.victim == Victim::Upstream);
        report.kills[victim] += 1;
        let mut here: BTreeMap<Phase, usize> = BTreeMap::new();
        for (n, session) in evidence.sessions.iter().enumerate() {
            // The proxy dies but once in a session.
            if kill.victim == Victim::Gatepost && killed.contains(&n) {
                continue;
            }
            if let Some(phase) = phase::at(kill, session, evidence.marks) {
                *here.entry(phase).or_default() += 1;
                if kill.victim == Victim::Gatepost {
                    killed.insert(n);
                }
            }
        }
        for (phase, sessions) in here {
            let counts = &mut report.phases.entry(phase).or_default()[victim];
            *counts = (counts.0 + 1, counts.1 + sessions);
        }
    }
    for (n, session) in evidence.sessions.iter().enumerate() {
        if session.broken && !killed.contains(&n) {
            report.dropped.push(format!(
                "{:?}",
                session.events.iter().map(|(_, event)| event).collect::<Vec<_>>()
            ));
        }
    }
}

impl Report {
    /// How many kills of a victim fell into a phase.
    pub fn fell(&self, victim: Victim, phase: Phase) -> usize {
        let counts = self.phases.get(&phase).copied().unwrap_or_default();
        counts[usize::from(victim == Victim::Upstream)].0
    }

    /// What must not be, in words.
    pub fn wrongs(&self) -> Vec<String> {
        let all = [
            ("lost", &self.lost),
            ("delivered or kept after a 4xx or 5xx", &self.after_refusal),
            ("doubled without excuse", &self.doubled),
            ("5xx for a fault of ours", &self.blamed),
            ("sessions dropped without a kill", &self.dropped),
            ("torn", &self.torn),
            ("not settled", &self.unsettled),
        ];
        let wrong = all.iter().filter(|(_, what)| !what.is_empty());
        wrong
            .map(|(name, what)| format!("{name}: {} ({})", what.len(), what[..what.len().min(5)].join("; ")))
            .collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} sessions, {} attempts; recipients: {} delivered, {} kept, {} refused; heard on the way: {} times 4xx, {} times 5xx",
            self.sessions, self.attempts, self.delivered, self.kept, self.refused, self.heard[0], self.heard[1]
        )?;
        writeln!(
            f,
            "kills: {} of gatepost, {} of the upstream",
            self.kills[0], self.kills[1]
        )?;
        writeln!(
            f,
            "{:<44} {:>18} {:>18}",
            "phase: kills that met a session there", "gatepost", "upstream"
        )?;
        writeln!(
            f,
            "{:<44} {:>9}{:>9} {:>9}{:>9}",
            "", "kills", "sessions", "kills", "sessions"
        )?;
        for phase in Phase::ALL {
            let [gatepost, upstream] = self.phases.get(&phase).copied().unwrap_or_default();
            writeln!(
                f,
                "{:<44} {:>9}{:>9} {:>9}{:>9}",
                phase.shown(),
                gatepost.0,
                gatepost.1,
                upstream.0,
                upstream.1
            )?;
        }
        for (what, count) in [
            ("lost", self.lost.len()),
            ("delivered or kept after a 4xx or 5xx", self.after_refusal.len()),
            ("doubled without excuse", self.doubled.len()),
            ("5xx for a fault of ours", self.blamed.len()),
            ("sessions dropped without a kill", self.dropped.len()),
            ("torn", self.torn.len()),
            ("not settled", self.unsettled.len()),
            ("excused: died between the upstream's 250 and ours", self.excused),
            ("excused: the upstream's 250 met a dead gatepost", self.excused_late),
            ("excused: kept, and died before our 250", self.excused_kept),
        ] {
            writeln!(f, "{what:<54} {count:>6}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::books::{Event, Grant, Mark};

    /// A mail for bob that was sent in one attempt, answered with 250, and is at the mail server.
    struct Scene {
        start: Instant,
        mail: Mail,
        sent: Vec<Attempt>,
        sessions: Vec<Session>,
        marks: Marks,
        kept: Vec<(u32, String)>,
        kills: Vec<Kill>,
    }

    const BOB: &str = "bob.1@example.org";

    impl Scene {
        fn new() -> Scene {
            let mut mail = Mail::new(1, 1);
            mail.pending = vec![BOB.into()];
            let mut scene = Scene {
                start: Instant::now(),
                mail,
                sent: Vec::new(),
                sessions: Vec::new(),
                marks: Marks::new(),
                kept: Vec::new(),
                kills: Vec::new(),
            };
            scene.attempt(2, Some(250));
            scene.grant(2, 5);
            scene
        }

        fn at(&self, millis: u64) -> Instant {
            self.start + Duration::from_millis(millis)
        }

        fn attempt(&mut self, number: u32, answer: Option<u16>) {
            let broken = answer.is_none().then(|| self.at(20));
            let attempt = Attempt {
                number,
                mail: 1,
                to: vec![(BOB.into(), Some(250))],
                answer,
                broken,
            };
            self.sent.push(attempt);
            self.sent.sort_by_key(|attempt| attempt.number);
        }

        fn grant(&mut self, attempt: u32, millis: u64) {
            let (at, to) = (self.at(millis), vec![BOB.into()]);
            let mark: &mut Mark = self.marks.entry(attempt).or_default();
            mark.dot = Some(at);
            mark.granted.push(Grant { at, to, whole: true });
        }

        /// The first attempt, granted and not answered.
        fn died(&mut self, kill: bool) {
            self.attempt(1, None);
            self.grant(1, 5);
            let (opened, dot, from, closed) = (self.at(0), self.at(1), self.at(10), self.at(20));
            self.sessions.push(Session {
                opened,
                closed: Some(closed),
                broken: true,
                events: vec![(opened, Event::Opened), (dot, Event::Dot(1))],
            });
            if kill {
                let (victim, to) = (Victim::Gatepost, self.at(12));
                self.kills.push(Kill { victim, from, to });
            }
        }

        fn audit(&self) -> Report {
            audit(&Evidence {
                mails: std::slice::from_ref(&self.mail),
                sent: &self.sent,
                sessions: &self.sessions,
                marks: &self.marks,
                kept: &self.kept,
                kills: &self.kills,
            })
        }

        #[track_caller]
        fn is_wrong(&self, what: &str) {
            let wrongs = self.audit().wrongs();
            assert!(wrongs.iter().any(|wrong| wrong.starts_with(what)), "{what}: {wrongs:?}");
        }
    }

    #[test]
    fn a_mail_that_was_sent_once_is_in_order() {
        let report = Scene::new().audit();
        assert!(report.wrongs().is_empty(), "{report}");
        assert_eq!(report.delivered, 1);
    }

    #[test]
    fn what_was_granted_to_the_client_and_is_nowhere_is_lost() {
        let mut scene = Scene::new();
        scene.marks.clear();
        scene.is_wrong("lost");
    }

    #[test]
    fn what_was_put_off_or_refused_and_is_somewhere_is_told() {
        for code in [451, 550] {
            let mut scene = Scene::new();
            scene.sent[0].answer = Some(code);
            scene.is_wrong("delivered or kept after");
            scene.marks.clear();
            scene.kept.push((2, BOB.into()));
            scene.is_wrong("delivered or kept after");
        }
    }

    #[test]
    fn a_refusal_that_was_not_meant_is_told() {
        let mut scene = Scene::new();
        scene.sent[0].to[0].1 = Some(550);
        scene.marks.clear();
        scene.is_wrong("5xx for a fault of ours");
    }

    #[test]
    fn a_duplicate_has_an_excuse_only_by_a_kill() {
        let mut scene = Scene::new();
        scene.died(true);
        let report = scene.audit();
        assert!(report.wrongs().is_empty(), "{report}");
        assert_eq!((report.excused, report.fell(Victim::Gatepost, Phase::Granted)), (1, 1));
        let mut scene = Scene::new();
        scene.died(false);
        scene.is_wrong("doubled without excuse");
        scene.is_wrong("sessions dropped without a kill");
    }

    #[test]
    fn a_duplicate_of_what_was_answered_is_told() {
        let mut scene = Scene::new();
        scene.attempt(3, Some(250));
        scene.grant(3, 7);
        scene.is_wrong("doubled without excuse");
        let mut scene = Scene::new();
        scene.grant(2, 6);
        scene.is_wrong("doubled without excuse");
        let mut scene = Scene::new();
        scene.marks.get_mut(&2).expect("a mark").granted[0]
            .to
            .push("eve.1@example.org".into());
        scene.is_wrong("doubled without excuse");
    }

    #[test]
    fn a_copy_that_is_not_whole_and_a_mail_without_an_end_are_told() {
        let mut scene = Scene::new();
        scene.marks.get_mut(&2).expect("a mark").granted[0].whole = false;
        scene.is_wrong("torn");
        let mut scene = Scene::new();
        scene.sent.clear();
        scene.marks.clear();
        scene.is_wrong("not settled");
    }
}
