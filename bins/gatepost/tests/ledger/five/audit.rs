//! What clients heard against what servers and archive have.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use super::clients::Attempt;
use super::servers::Copy;

/// How long before a kill of Gatepost a server's answer may have been sent that was not yet written down there, provided that
/// nothing followed it on that connection.
const LOST: Duration = Duration::from_secs(2);

/// From when to when somebody was ended.
type Ended = (Instant, Instant);

/// Everything that was written down.
pub struct Evidence<'a> {
    pub sent: &'a [Attempt],
    pub copies: &'a [Copy],
    /// What the archive has: the attempt, and whose copy it is.
    pub kept: &'a [(u32, String)],
    /// Kills of Gatepost.
    pub kills: &'a [Ended],
    /// How often a server was cut off.
    pub cuts: usize,
}

/// What the ledgers say together.
#[derive(Debug, Default)]
pub struct Report {
    pub wrongs: Vec<String>,
    pub attempts: usize,
    pub delivered: usize,
    /// In the archive, since no server would have it.
    pub undelivered: usize,
    pub refused: usize,
    /// Copies whose answer was lost.
    pub unsure: usize,
    /// Of these, the ones whose recipient has the mail once more.
    pub twice: usize,
    /// Attempts that were taken, or perhaps, and heard nothing.
    pub unheard: usize,
    pub kills: usize,
    pub cuts: usize,
}

fn may_be_lost(copy: &Copy, evidence: &Evidence<'_>) -> bool {
    let near = |kill: &Ended| copy.at + LOST >= kill.0 && copy.at <= kill.1;
    copy.unheard || (!copy.followed && evidence.kills.iter().any(near))
}

/// Compares.
pub fn audit(evidence: &Evidence<'_>) -> Report {
    let mut report = Report {
        attempts: evidence.sent.len(),
        kills: evidence.kills.len(),
        cuts: evidence.cuts,
        ..Report::default()
    };
    // How often each was surely delivered, perhaps delivered, and kept.
    let mut copies: BTreeMap<(u32, &str), [usize; 3]> = BTreeMap::new();
    for copy in evidence.copies {
        let lost = usize::from(may_be_lost(copy, evidence));
        report.unsure += lost;
        copies.entry((copy.attempt, &*copy.to)).or_default()[lost] += 1;
    }
    for (attempt, to) in evidence.kept {
        copies.entry((*attempt, &**to)).or_default()[2] += 1;
    }
    let mut last: BTreeMap<(u32, &str), Option<u16>> = BTreeMap::new();
    for attempt in evidence.sent {
        for (to, _) in &attempt.to {
            let heard = attempt.heard(to);
            let [sure, unsure, kept] = copies.remove(&(attempt.number, &**to)).unwrap_or_default();
            let what = || {
                format!(
                    "letter {} attempt {} to {to} heard {heard:?}: {sure} times delivered, {unsure} perhaps, {kept} times \
                     in the archive",
                    attempt.letter, attempt.number
                )
            };
            if sure + kept > 1 {
                report.wrongs.push(format!("doubled: {}", what()));
            }
            report.twice += usize::from(sure + kept == 1) * unsure;
            match heard {
                Some(200..=299) if sure + unsure + kept == 0 => report.wrongs.push(format!("lost: {}", what())),
                Some(200..=299) if sure + unsure > 0 => report.delivered += 1,
                Some(200..=299) => report.undelivered += 1,
                Some(_) if sure + kept > 0 => report.wrongs.push(format!("after a refusal: {}", what())),
                Some(code) => report.refused += usize::from(code >= 500),
                None if attempt.dot => report.unheard += 1,
                None if sure + unsure + kept > 0 => report.wrongs.push(format!("without a dot: {}", what())),
                None => {}
            }
            let entry = last.entry((attempt.letter, to.as_str())).or_default();
            if let Some(200..=299 | 500..=599) = *entry {
                report.wrongs.push(format!("again after {entry:?}: {}", what()));
            }
            *entry = heard.or(*entry);
        }
    }
    for ((attempt, to), _) in copies {
        report.wrongs.push(format!("nobody named {to} in attempt {attempt}"));
    }
    for ((letter, to), heard) in last {
        if !matches!(heard, Some(200..=299 | 500..=599)) {
            report
                .wrongs
                .push(format!("letter {letter} to {to} is not settled: {heard:?}"));
        }
    }
    report
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in [
            ("attempts", self.attempts),
            ("recipients delivered", self.delivered),
            ("undelivered, in the archive", self.undelivered),
            ("refused", self.refused),
            ("taken, and the client heard nothing", self.unheard),
            ("copies whose answer may have been lost", self.unsure),
            ("of these, there once more", self.twice),
            ("kills of gatepost", self.kills),
            ("times a server was cut off", self.cuts),
            ("wrong", self.wrongs.len()),
        ] {
            writeln!(f, "{what:<44} {count:>7}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: &str = "bob@held.example";

    fn attempt(number: u32, answer: Option<u16>) -> Attempt {
        Attempt {
            number,
            letter: 1,
            to: vec![(BOB.into(), Some(250))],
            answer,
            dot: true,
        }
    }

    fn copy(attempt: u32, at: Instant, unheard: bool) -> Copy {
        Copy {
            attempt,
            to: BOB.into(),
            at,
            unheard,
            followed: false,
        }
    }

    fn wrongs(sent: &[Attempt], copies: &[Copy], kept: &[(u32, String)], kills: &[Ended]) -> String {
        let evidence = Evidence {
            sent,
            copies,
            kept,
            kills,
            cuts: 0,
        };
        audit(&evidence).wrongs.join("\n")
    }

    #[test]
    fn what_is_wrong_is_told() {
        let now = Instant::now();
        let (yes, no) = (attempt(1, Some(250)), attempt(1, Some(451)));
        let once = [copy(1, now, false)];
        let twice = [copy(1, now, false), copy(1, now, false)];
        let kept = [(1, BOB.to_owned())];
        for (sent, copies, kept, wrong) in [
            (&yes, &once[..], &[][..], ""),
            (&yes, &[], &kept, ""),
            (&yes, &[], &[], "lost: "),
            (&yes, &twice, &[], "doubled: "),
            (&yes, &once, &kept, "doubled: "),
            (&no, &once, &[], "after a refusal: "),
            (&no, &[], &kept, "after a refusal: "),
            (&no, &[], &[], "letter 1 to bob@held.example is not settled"),
        ] {
            let told = wrongs(std::slice::from_ref(sent), copies, kept, &[]);
            assert!(
                told.starts_with(wrong) && (told.is_empty() == wrong.is_empty()),
                "{wrong}: {told}"
            );
        }
        let stranger = [copy(7, now, false), copy(1, now, false)];
        assert!(wrongs(&[yes], &stranger, &[], &[]).contains("nobody named"));
    }

    #[test]
    fn only_a_lost_answer_excuses_a_second_copy() {
        let now = Instant::now();
        let yes = [attempt(1, Some(250))];
        let (sure, cut) = (copy(1, now, false), copy(1, now, true));
        assert_eq!(wrongs(&yes, &[sure.clone(), cut.clone()], &[], &[]), "");
        let killed = |after: u64| {
            let at = now + Duration::from_millis(after);
            [(at, at + Duration::from_millis(10))]
        };
        let later = copy(1, now + Duration::from_secs(9), false);
        assert_eq!(wrongs(&yes, &[sure.clone(), later.clone()], &[], &killed(100)), "");
        assert!(wrongs(&yes, &[sure.clone(), later.clone()], &[], &killed(4_000)).starts_with("doubled"));
        let heard = Copy { followed: true, ..sure };
        assert!(wrongs(&yes, &[heard, later], &[], &killed(100)).starts_with("doubled"));
        // The client came again, since nobody answered it; each of its attempts is a mail.
        let again = [attempt(1, None), attempt(2, Some(250))];
        assert_eq!(
            wrongs(&again, &[copy(1, now, false), copy(2, now, false)], &[], &[]),
            ""
        );
        let put_off = [attempt(1, Some(451)), attempt(2, Some(250))];
        assert_eq!(wrongs(&put_off, &[cut, copy(2, now, false)], &[], &[]), "");
    }
}
