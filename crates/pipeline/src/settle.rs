//! Many recipients, one reply (P-30), or one for each (P-31): pure functions from the verdicts to what is kept, delivered and
//! answered.
//!
//! **Invariant:** every recipient's copy is delivered, kept or taken, or the sender hears 4xx or 5xx about it: about the whole
//! mail, or where it asked for that, about this recipient. Nobody's copy is dropped, and none is bounced.

use gatepost_core::message::Edit;
use gatepost_core::{Fate, Marks, Reply, Terms, Verdict};

use crate::refusal;
use crate::stamp::is_of_filter;

/// What is done with a mail, its recipients named by their places among the verdicts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Settlement {
    /// 4xx for all; nothing is delivered, nothing kept.
    Defer(Reply),
    /// 5xx for all. Copies may be kept afterwards, for those who ask.
    Refuse {
        /// The first recipient's refusal.
        reply: Reply,
        /// What is kept of it.
        copies: Vec<Copy>,
    },
    /// It is accepted, in this order.
    Accept {
        /// What must be kept, durably, before anything is delivered.
        held: Vec<Copy>,
        /// Who is handed to the filter that asked for them.
        taken: Vec<usize>,
        /// What is delivered, in order.
        batches: Vec<Batch>,
        /// What is kept beside, after the answer.
        copies: Vec<Copy>,
    },
}

/// A copy to be kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Copy {
    /// Whose.
    pub who: Vec<usize>,
    /// On what terms.
    pub terms: Terms,
}

/// One delivery.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    /// Who gets it.
    pub who: Vec<usize>,
    /// What is written on it.
    pub marks: Marks,
}

fn add(copies: &mut Vec<Copy>, who: usize, terms: Terms) {
    match copies.iter_mut().find(|copy| copy.terms == terms) {
        Some(copy) => copy.who.push(who),
        None => copies.push(Copy { who: vec![who], terms }),
    }
}

/// Settles a mail. With `separate`, recipients with different marks get deliveries of their own, which needs a queue for
/// those that fail after the first; without, there is one delivery, and the weaker marks win; but what is taken out of the
/// mail for one of them is taken out for all, and what filters say on it for one of them is on it for all.
///
/// In a mail that some recipients get, a refusal cannot be said: that recipient's copy is kept.
pub fn settle(verdicts: &[Verdict], separate: bool) -> Settlement {
    if verdicts.is_empty() {
        return Settlement::Defer(refusal::LOCAL);
    }
    let deferred = verdicts.iter().find_map(|verdict| match &verdict.fate {
        Fate::Defer(reply) => Some(reply.clone()),
        _ => None,
    });
    if let Some(reply) = deferred {
        return Settlement::Defer(reply);
    }
    let refused = verdicts.iter().map(|verdict| match &verdict.fate {
        Fate::Refuse(reply) => Some(reply.clone()),
        _ => None,
    });
    if let Some(reply) = refused
        .collect::<Option<Vec<_>>>()
        .and_then(|replies| replies.into_iter().next())
    {
        let copies = copies_of_refused(verdicts.iter().enumerate());
        return Settlement::Refuse { reply, copies };
    }
    accept(verdicts.iter().enumerate(), separate)
}

/// What is done with a mail whose sender hears about each recipient.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Apart {
    /// For each recipient the 4xx or 5xx that is said about it; none where that depends on what becomes of its copy.
    pub said: Vec<Option<Reply>>,
    /// What is kept of refused copies, after the answer.
    pub copies: Vec<Copy>,
    /// What is done for the others, always [`Settlement::Accept`]; none where there are none.
    pub rest: Option<Settlement>,
}

/// Settles a mail about whose recipients the sender hears one by one: nobody's fate is another's, and no copy is kept because
/// it cannot be refused. With `separate`, recipients with different marks get deliveries of their own.
pub fn settle_apart(verdicts: &[Verdict], separate: bool) -> Apart {
    let said: Vec<Option<Reply>> = verdicts
        .iter()
        .map(|verdict| match &verdict.fate {
            Fate::Defer(reply) | Fate::Refuse(reply) => Some(reply.clone()),
            _ => None,
        })
        .collect();
    let those = |fits: fn(&Fate) -> bool| {
        verdicts
            .iter()
            .enumerate()
            .filter(move |(_, verdict)| fits(&verdict.fate))
    };
    let rest = |fate: &Fate| !matches!(fate, Fate::Defer(_) | Fate::Refuse(_));
    Apart {
        copies: copies_of_refused(those(|fate| matches!(fate, Fate::Refuse(_)))),
        rest: said.iter().any(Option::is_none).then(|| accept(those(rest), separate)),
        said,
    }
}

/// What is kept of copies that are refused.
fn copies_of_refused<'v>(verdicts: impl Iterator<Item = (usize, &'v Verdict)>) -> Vec<Copy> {
    let mut copies = Vec::new();
    for (who, verdict) in verdicts {
        if let Some(terms) = verdict.keep.clone().filter(|terms| !terms.durable) {
            add(&mut copies, who, terms);
        }
    }
    copies
}

/// Those get it, each in its way; a refusal is not said.
fn accept<'v>(verdicts: impl Iterator<Item = (usize, &'v Verdict)>, separate: bool) -> Settlement {
    let (mut held, mut taken, mut copies) = (Vec::new(), Vec::new(), Vec::new());
    let mut goes: Vec<(usize, &Verdict)> = Vec::new();
    for (who, verdict) in verdicts {
        let reason = |usual| if verdict.danger { Terms::DANGEROUS } else { usual };
        let keep = |usual| {
            verdict
                .keep
                .clone()
                .filter(|terms| terms.durable)
                .unwrap_or(Terms::durable(reason(usual)).for_days(verdict.days))
        };
        match &verdict.fate {
            Fate::Deliver => {
                goes.push((who, verdict));
                if let Some(terms) = verdict.keep.clone() {
                    add(&mut copies, who, terms);
                }
            }
            Fate::Divert => taken.push(who),
            Fate::Refuse(_) => add(&mut held, who, keep("refused")),
            Fate::Discard => add(&mut held, who, keep("discarded")),
            _ => add(&mut held, who, keep("held")),
        }
    }
    Settlement::Accept {
        held,
        taken,
        batches: batches(&goes, separate),
        copies,
    }
}

/// What recipients of one mail share of it, given what each alone would get: any deferral defers it for all, a refusal is
/// said where all are refused, and elsewhere that copy is held. The same as [`settle`] does, and in the words of records.
pub fn shared(fates: &[&Fate]) -> Vec<&'static str> {
    let any = |name: &str| fates.iter().any(|fate| fate.name() == name);
    let all_refused = fates.iter().all(|fate| matches!(fate, Fate::Refuse(_)));
    let share = |fate: &&Fate| match fate.name() {
        _ if any("defer") => "defer",
        "refuse" if !all_refused => "hold",
        own => own,
    };
    fates.iter().map(share).collect()
}

fn batches(goes: &[(usize, &Verdict)], separate: bool) -> Vec<Batch> {
    if separate {
        let mut batches: Vec<Batch> = Vec::new();
        for (who, verdict) in goes {
            match batches.iter_mut().find(|batch| batch.marks == verdict.marks) {
                Some(batch) => batch.who.push(*who),
                None => batches.push(Batch {
                    who: vec![*who],
                    marks: verdict.marks.clone(),
                }),
            }
        }
        return batches;
    }
    // What is dangerous for one is in the same mail for all, and the marks that say what was taken out, or that somebody
    // did not look at it, go with it.
    let weakest = goes.iter().map(|(_, verdict)| verdict).min_by_key(|verdict| {
        (
            !verdict.marks.edits.iter().any(takes_out),
            verdict.level,
            verdict.marks.edits.len(),
        )
    });
    let Some(weakest) = weakest else {
        return Vec::new();
    };
    let mut marks = weakest.marks.clone();
    // Nobody's subject is tagged who would get it as it came.
    let is_tag = |edit: &Edit| matches!(edit, Edit::Subject(_));
    if !goes.iter().all(|(_, verdict)| verdict.marks.edits.iter().any(is_tag)) {
        marks.edits.retain(|edit| !is_tag(edit));
    }
    for edit in goes
        .iter()
        .flat_map(|(_, verdict)| verdict.marks.edits.iter())
        .filter(|edit| takes_out(edit) || is_of_filter(edit))
    {
        if !marks.edits.contains(edit) {
            marks.edits.push(edit.clone());
        }
    }
    let who = goes.iter().map(|(who, _)| *who).collect();
    vec![Batch { who, marks }]
}

/// Whether an edit takes a part out of the mail, and does not only say something about it.
pub(crate) fn takes_out(edit: &Edit) -> bool {
    matches!(edit, Edit::Replace(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_core::Level;
    use gatepost_core::message::{Replacement, SubjectTag};

    fn verdict(fate: Fate) -> Verdict {
        Verdict::new(Level::None, fate)
    }

    fn of(word: char) -> Verdict {
        match word {
            'D' => verdict(Fate::Deliver),
            'H' => verdict(Fate::Hold),
            '4' => verdict(Fate::Defer(Reply::plain(451, "later"))),
            '5' => verdict(Fate::Refuse(Reply::plain(550, "no"))),
            'X' => verdict(Fate::Discard),
            _ => verdict(Fate::Divert),
        }
    }

    /// The settlement in short: the reply, or who is held (`h`), taken (`t`) and delivered (`d`).
    fn short(settlement: &Settlement) -> String {
        match settlement {
            Settlement::Defer(reply) => reply.code().to_string(),
            Settlement::Refuse { reply, .. } => reply.code().to_string(),
            Settlement::Accept {
                held, taken, batches, ..
            } => {
                let held = held.iter().map(|copy| format!("h{:?}:{}", copy.who, copy.terms.reason));
                let taken = (!taken.is_empty()).then(|| format!("t{taken:?}"));
                let went = batches.iter().map(|batch| format!("d{:?}", batch.who));
                held.chain(taken).chain(went).collect::<Vec<_>>().join(" ")
            }
        }
    }

    #[test]
    fn every_mixture_of_fates_has_its_settlement() {
        for (fates, want) in [
            ("D", "d[0]"),
            ("DD", "d[0, 1]"),
            ("H", "h[0]:held"),
            ("X", "h[0]:discarded"),
            ("V", "t[0]"),
            ("5", "550"),
            ("4", "451"),
            ("55", "550"),
            ("D4", "451"),
            ("45", "451"),
            ("H4", "451"),
            ("V4", "451"),
            ("D5", "h[1]:refused d[0]"),
            ("5D", "h[0]:refused d[1]"),
            ("DH", "h[1]:held d[0]"),
            ("DX", "h[1]:discarded d[0]"),
            ("H5", "h[0]:held h[1]:refused"),
            ("HHX", "h[0, 1]:held h[2]:discarded"),
            ("DHXD5", "h[1]:held h[2]:discarded h[4]:refused d[0, 3]"),
        ] {
            let verdicts: Vec<Verdict> = fates.chars().map(of).collect();
            assert_eq!(short(&settle(&verdicts, false)), want, "{fates}");
        }
    }

    #[test]
    fn what_recipients_share_is_what_a_settlement_does() {
        for fates in [
            "D", "DD", "4", "D4", "5", "55", "45", "D5", "H5", "DHX5V", "V4", "X", "H",
        ] {
            let verdicts: Vec<Verdict> = fates.chars().map(of).collect();
            let shared = shared(&verdicts.iter().map(|verdict| &verdict.fate).collect::<Vec<_>>());
            let mut want = vec![""; verdicts.len()];
            match settle(&verdicts, false) {
                Settlement::Defer(_) => want.fill("defer"),
                Settlement::Refuse { .. } => want.fill("refuse"),
                Settlement::Accept {
                    held, taken, batches, ..
                } => {
                    for copy in &held {
                        let fate = if &*copy.terms.reason == "discarded" {
                            "discard"
                        } else {
                            "hold"
                        };
                        copy.who.iter().for_each(|n| want[*n] = fate);
                    }
                    taken.iter().for_each(|n| want[*n] = "divert");
                    batches
                        .iter()
                        .flat_map(|batch| &batch.who)
                        .for_each(|n| want[*n] = "deliver");
                }
            }
            assert_eq!(shared, want, "{fates}");
        }
    }

    fn marked(level: Level, marks: usize) -> Verdict {
        let mut verdict = Verdict::new(level, Fate::Deliver);
        let names = ["X-Gatepost-Level", "X-Gatepost-Score", "X-Gatepost-Classifiers"];
        let edits = names.into_iter().map(|name| Edit::prepend(name, "1").expect("a field"));
        verdict.marks.edits = edits.take(marks).collect();
        verdict
    }

    #[test]
    fn the_weaker_marks_win_where_there_is_one_delivery() {
        let verdicts = [
            marked(Level::Medium, 3),
            marked(Level::Low, 2),
            marked(Level::Medium, 3),
        ];
        let Settlement::Accept { batches, .. } = settle(&verdicts, false) else {
            panic!("accepted")
        };
        assert_eq!(
            batches,
            [Batch {
                who: vec![0, 1, 2],
                marks: verdicts[1].marks.clone()
            }]
        );
    }

    #[test]
    fn a_subject_is_tagged_where_all_who_get_it_would_have_it_so() {
        let tag = |text| Edit::Subject(SubjectTag::new(text).expect("a tag"));
        let tagged = |level, text| {
            let mut verdict = marked(level, 1);
            verdict.marks.edits.push(tag(text));
            verdict
        };
        for (verdicts, want) in [
            (vec![tagged(Level::Low, "[low]"), marked(Level::High, 3)], None),
            (
                vec![tagged(Level::Low, "[low]"), tagged(Level::High, "[high]")],
                Some("[low]"),
            ),
            (vec![marked(Level::High, 3), tagged(Level::Medium, "[med]")], None),
        ] {
            let Settlement::Accept { batches, .. } = settle(&verdicts, false) else {
                panic!("accepted")
            };
            let edits = &batches[0].marks.edits;
            let tags: Vec<&Edit> = edits.iter().filter(|edit| matches!(edit, Edit::Subject(_))).collect();
            assert_eq!(tags, want.map(tag).iter().collect::<Vec<_>>(), "{verdicts:?}");
        }
    }

    #[test]
    fn what_is_taken_out_for_one_is_taken_out_for_all_where_there_is_one_delivery() {
        let without = |note: &str| {
            let mut verdict = marked(Level::Medium, 2);
            verdict.marks.edits.push(Edit::Replace(Replacement::new([], note)));
            verdict
        };
        let verdicts = [marked(Level::Low, 0), without("one"), without("two"), without("one")];
        let Settlement::Accept { batches, .. } = settle(&verdicts, false) else {
            panic!("accepted")
        };
        let mut marks = verdicts[1].marks.clone();
        marks.edits.push(Edit::Replace(Replacement::new([], "two")));
        let who = vec![0, 1, 2, 3];
        assert_eq!(batches, [Batch { who, marks }]);
        assert_eq!(short(&settle(&verdicts, true)), "d[0] d[1, 3] d[2]");
    }

    #[test]
    fn that_a_filter_did_not_look_is_on_the_mail_of_all_where_there_is_one_delivery() {
        let mark = || Edit::prepend("X-Gatepost-Unchecked", "clamav").expect("a field");
        let mut unchecked = marked(Level::Medium, 3);
        unchecked.marks.edits.push(mark());
        let verdicts = [marked(Level::Low, 2), unchecked];
        let Settlement::Accept { batches, .. } = settle(&verdicts, false) else {
            panic!("accepted")
        };
        let mut marks = verdicts[0].marks.clone();
        marks.edits.push(mark());
        assert_eq!(batches, [Batch { who: vec![0, 1], marks }]);
    }

    #[test]
    fn different_marks_are_delivered_separately_where_that_is_safe() {
        let verdicts = [
            marked(Level::Medium, 3),
            marked(Level::Low, 2),
            marked(Level::Medium, 3),
        ];
        assert_eq!(short(&settle(&verdicts, true)), "d[0, 2] d[1]");
    }

    #[test]
    fn copies_of_refused_mail_are_kept_beside() {
        let mut refused = of('5');
        refused.keep = Some(Terms::copy("refused"));
        let Settlement::Refuse { copies, .. } = settle(&[refused.clone(), of('5')], false) else {
            panic!("refused")
        };
        assert_eq!(
            copies,
            [Copy {
                who: vec![0],
                terms: Terms::copy("refused")
            }]
        );
        let Settlement::Accept { held, .. } = settle(&[refused, of('D')], false) else {
            panic!("accepted")
        };
        assert_eq!(
            held,
            [Copy {
                who: vec![0],
                terms: Terms::durable("refused")
            }]
        );
    }

    #[test]
    fn what_a_person_denied_is_kept_only_where_others_get_it_and_says_so() {
        let mut denied = of('5');
        denied.keep = Some(Terms::durable("denied"));
        let Settlement::Refuse { copies, .. } = settle(&[denied.clone(), denied.clone()], false) else {
            panic!("refused")
        };
        assert_eq!(copies, []);
        let Settlement::Accept { held, .. } = settle(&[denied, of('D')], false) else {
            panic!("accepted")
        };
        assert_eq!(
            held,
            [Copy {
                who: vec![0],
                terms: Terms::durable("denied")
            }]
        );
    }

    #[test]
    fn copies_that_stay_for_different_times_are_different_copies() {
        let keeping = |word, days| {
            let mut verdict = of(word);
            verdict.days = Some(days);
            verdict.keep = Some(Terms::copy("refused").for_days(verdict.days));
            verdict
        };
        let who = |copies: &[Copy]| {
            copies
                .iter()
                .map(|copy| (copy.who.clone(), copy.terms.days))
                .collect::<Vec<_>>()
        };
        let want = [(vec![0, 2], Some(7)), (vec![1], Some(14))];
        let Settlement::Refuse { copies, .. } = settle(&[keeping('5', 7), keeping('5', 14), keeping('5', 7)], false)
        else {
            panic!("refused")
        };
        assert_eq!(who(&copies), want);
        let mixed = [keeping('5', 7), keeping('H', 14), keeping('5', 7), of('D')];
        let Settlement::Accept { held, .. } = settle(&mixed, false) else {
            panic!("accepted")
        };
        assert_eq!(who(&held), want);
        assert!(held.iter().all(|copy| copy.terms.durable));
    }

    #[test]
    fn told_apart_every_recipient_has_its_own_fate() {
        for (fates, said, rest) in [
            ("DD", "- -", "d[0, 1]"),
            ("D5", "- 550", "d[0]"),
            ("5D", "550 -", "d[1]"),
            ("D4", "- 451", "d[0]"),
            ("45", "451 550", ""),
            ("55", "550 550", ""),
            ("H5", "- 550", "h[0]:held"),
            ("4DHX5D", "451 - - - 550 -", "h[2]:held h[3]:discarded d[1, 5]"),
        ] {
            let verdicts: Vec<Verdict> = fates.chars().map(of).collect();
            let apart = settle_apart(&verdicts, false);
            let code = |said: &Option<Reply>| said.as_ref().map_or("-".into(), |reply| reply.code().to_string());
            assert_eq!(
                apart.said.iter().map(code).collect::<Vec<_>>().join(" "),
                said,
                "{fates}"
            );
            assert_eq!(apart.rest.as_ref().map(short).unwrap_or_default(), rest, "{fates}");
        }
        let none = settle_apart(&[], false);
        assert_eq!((none.said.len(), none.rest), (0, None));
    }

    #[test]
    fn told_apart_a_refused_copy_is_kept_beside_for_whoever_asks_for_it_and_a_denied_one_is_not() {
        let (mut refused, mut denied) = (of('5'), of('5'));
        refused.keep = Some(Terms::copy("refused"));
        denied.keep = Some(Terms::durable("denied"));
        let apart = settle_apart(&[denied, refused, of('D')], false);
        let terms = Terms::copy("refused");
        assert_eq!(apart.copies, [Copy { who: vec![1], terms }]);
        assert_eq!(apart.rest.as_ref().map(short).unwrap_or_default(), "d[2]");
    }

    #[test]
    fn a_mail_for_nobody_is_not_accepted() {
        assert_eq!(settle(&[], false), Settlement::Defer(refusal::LOCAL));
    }
}
