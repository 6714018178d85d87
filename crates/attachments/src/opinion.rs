//! What was found, as findings and wishes for those whom it concerns.
//!
//! **Invariant:** a rule counts once in a mail, whatever number of files it finds. What concerns all recipients alike is said
//! once; wishes are never dropped in favour of findings.

use std::collections::BTreeMap;

use gatepost_core::message::Edit;
use gatepost_core::prelude::*;

use crate::enclosed::replaced;
use crate::look::Contents;
use crate::policy::{Hit, Policy};
use crate::rule::{Action, Rule, Side};
use crate::words::{NAME_MAX, STRIPPED, Words, path, told};

/// Files of one finding that its note tells of.
const TOLD: usize = 5;
/// Hits of one rule that are put into words, of which equal ones are told once.
const LOOKED: usize = 50;
/// The most findings that one recipient has alone. Those for whom there is no room for so many in an opinion get their
/// wishes only.
const OWN: usize = 6;
/// The field in which a mail says what became of its files.
const FIELD: &str = "X-Gatepost-Attachments";
/// Octets of that field.
const FIELD_MAX: usize = 500;

/// Those who fare alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Audience {
    /// The recipients; not looked at where there is one audience only.
    pub who: Vec<RecipientId>,
    /// The rules of people that concern them.
    pub people: Vec<usize>,
}

/// Groups recipients by the rules that concern them.
pub fn audiences(recipients: impl IntoIterator<Item = (RecipientId, Vec<usize>)>) -> Vec<Audience> {
    let mut groups: BTreeMap<Vec<usize>, Vec<RecipientId>> = BTreeMap::new();
    for (who, people) in recipients {
        groups.entry(people).or_default().push(who);
    }
    let audience = |(people, who)| Audience { who, people };
    groups.into_iter().map(audience).collect()
}

/// One finding to come.
#[derive(Clone, PartialEq, Debug)]
struct Found {
    rule: Rule,
    points: Score,
    standing: Standing,
    /// All that it is about is taken out where wishes count, and weighs only where they do not.
    gone: bool,
    note: String,
}

impl Found {
    fn finding(&self) -> Finding {
        told_as(self.rule, self.points, self.standing, self.gone, self.note.as_str())
    }
}

fn told_as(rule: Rule, points: Score, standing: Standing, gone: bool, note: impl Into<String>) -> Finding {
    let finding = Finding::new(Tag::new(rule.tag()), Evidence::Points(points), note).counting_for(standing);
    if gone { finding.instead_of_wishes() } else { finding }
}

/// What is said to one audience.
#[derive(Clone, PartialEq, Debug, Default)]
struct Saying {
    findings: Vec<Found>,
    wishes: Vec<(Standing, Wish)>,
}

/// The opinion about a mail.
pub fn of(policy: &Policy, words: &Words, contents: &Contents, outbound: bool, audiences: &[Audience]) -> Opinion {
    let said: Vec<_> = audiences
        .iter()
        .map(|audience| (audience, saying(policy, words, contents, outbound, &audience.people)))
        .collect();
    let Some((_, first)) = said.first() else {
        return Opinion::none();
    };
    let mut opinion = Opinion::none();
    let is_shared = |found: &Found| said.iter().all(|(_, saying)| saying.findings.contains(found));
    for found in first.findings.iter().filter(|found| is_shared(found)) {
        opinion = opinion.with(found.finding());
    }
    let apart: usize = said
        .iter()
        .map(|(audience, saying)| audience.who.len().saturating_mul(saying.wishes.len()))
        .sum();
    if said.iter().all(|(_, saying)| saying.wishes == first.wishes) {
        for (standing, wish) in &first.wishes {
            opinion = opinion.wish_for(Scope::Everyone, *standing, wish.clone());
        }
    } else if apart > Opinion::WISHES_MAX {
        // Some would get no word of their own, and with it the file: what is wished for anybody holds for all.
        let mut all: Vec<&(Standing, Wish)> = Vec::new();
        for wish in said.iter().flat_map(|(_, saying)| &saying.wishes) {
            if !all.contains(&wish) {
                all.push(wish);
            }
        }
        for (standing, wish) in all {
            opinion = opinion.wish_for(Scope::Everyone, *standing, wish.clone());
        }
    } else {
        for (audience, saying) in &said {
            for who in &audience.who {
                for (standing, wish) in &saying.wishes {
                    opinion = opinion.wish_for(Scope::Only(*who), *standing, wish.clone());
                }
            }
        }
    }
    let own = said
        .iter()
        .flat_map(|(audience, saying)| audience.who.iter().map(move |who| (*who, saying)));
    for (who, saying) in own {
        if opinion.findings().len() + OWN > Opinion::FINDINGS_MAX {
            break;
        }
        let standings = [Standing::Any, Standing::NotExempt, Standing::Exempt];
        for (standing, gone) in standings.into_iter().flat_map(|one| [(one, false), (one, true)]) {
            let rest = saying
                .findings
                .iter()
                .filter(|found| found.standing == standing && found.gone == gone && !is_shared(found));
            let rest: Vec<_> = rest.collect();
            let Some(gravest) = rest.first() else { continue };
            // One finding for each of them, under the name of the gravest.
            let points = rest.iter().map(|found| found.points).sum();
            let notes: Vec<_> = rest
                .iter()
                .map(|found| format!("{}: {}", found.rule, found.note))
                .collect();
            let finding = told_as(gravest.rule, points, standing, gone, notes.join("; "));
            opinion = opinion.with(finding.only(who));
        }
    }
    opinion
}

fn saying(policy: &Policy, words: &Words, contents: &Contents, outbound: bool, people: &[usize]) -> Saying {
    let judged = |side| policy.judge(contents, side, people);
    if outbound {
        let hits = judged(Side::Outbound);
        return Saying {
            findings: findings(policy, &hits),
            wishes: wishes(words, &hits)
                .into_iter()
                .map(|wish| (Standing::Any, wish))
                .collect(),
        };
    }
    let (external, exempt) = (judged(Side::External), judged(Side::Exempt));
    let (one, other) = (wishes(words, &external), wishes(words, &exempt));
    let standing = |wishes: Vec<Wish>, standing: Standing| wishes.into_iter().map(move |wish| (standing, wish));
    Saying {
        findings: both(findings(policy, &external), findings(policy, &exempt)),
        wishes: match one == other {
            true => standing(one, Standing::Any).collect(),
            false => standing(one, Standing::NotExempt)
                .chain(standing(other, Standing::Exempt))
                .collect(),
        },
    }
}

/// What is found in external mail and in exempt mail: what is alike once, and the rest for whom it holds.
fn both(external: Vec<Found>, exempt: Vec<Found>) -> Vec<Found> {
    let alike = |one: &Found, other: &Found| (one.rule, one.points, one.gone) == (other.rule, other.points, other.gone);
    let only = |found: &Found, others: &[Found], standing: Standing| Found {
        standing: match others.iter().any(|other| alike(found, other)) {
            true => Standing::Any,
            false => standing,
        },
        ..found.clone()
    };
    let mut all: Vec<_> = external
        .iter()
        .map(|found| only(found, &exempt, Standing::NotExempt))
        .collect();
    let rest = exempt.iter().map(|found| only(found, &external, Standing::Exempt));
    all.extend(rest.filter(|found| found.standing == Standing::Exempt));
    all.sort_by_key(|found| found.rule);
    all
}

/// One finding a rule, in the order of the rules. What is taken out of the mail weighs nothing any more; in mode `score`, where
/// nothing is taken out, it does.
fn findings(policy: &Policy, hits: &[Hit<'_>]) -> Vec<Found> {
    let strongest = hits.iter().map(|hit| hit.action).max();
    let takes_out = |action: Action| matches!(action, Action::Strip | Action::Replace);
    let gone: Vec<_> = hits
        .iter()
        .filter(|hit| strongest.is_some_and(takes_out) && takes_out(hit.action))
        .filter_map(|hit| hit.file?.place)
        .collect();
    let is_gone = |hit: &Hit<'_>| {
        hit.file
            .and_then(|file| file.place)
            .is_some_and(|place| gone.contains(&place))
    };
    let mut by_rule: BTreeMap<Rule, Vec<&Hit<'_>>> = BTreeMap::new();
    for hit in hits {
        by_rule.entry(hit.rule).or_default().push(hit);
    }
    let found = |(rule, hits): (Rule, Vec<&Hit<'_>>)| {
        let mut notes: Vec<String> = Vec::new();
        for hit in hits.iter().take(LOOKED) {
            let note = told(hit);
            if notes.len() < TOLD && !notes.contains(&note) {
                notes.push(note);
            }
        }
        if hits.len() > TOLD {
            notes.push(format!("{} in all", hits.len()));
        }
        Found {
            rule,
            points: policy.rules.of(rule).points,
            standing: Standing::Any,
            gone: hits.iter().all(|hit| is_gone(hit)),
            note: notes.join("; "),
        }
    };
    by_rule.into_iter().map(found).collect()
}

/// The strongest that the hits want, once.
fn wishes(words: &Words, hits: &[Hit<'_>]) -> Vec<Wish> {
    let wanting = |action: Action| hits.iter().filter(move |hit| hit.action == action);
    if let Some(first) = wanting(Action::Reject).min_by_key(|hit| hit.rule) {
        return vec![Wish::Reject(words.refuse(first))];
    }
    if wanting(Action::Hold).next().is_some() {
        return vec![Wish::Hold];
    }
    let mut wishes = Vec::new();
    let gone: Vec<_> = wanting(Action::Replace)
        .chain(wanting(Action::Strip))
        .filter(|hit| hit.file.is_some_and(|file| file.place.is_some()))
        .collect();
    if !gone.is_empty() {
        let places = gone.iter().filter_map(|hit| hit.file?.place).collect();
        // Whoever wants a note gets one for all.
        let telling: Vec<_> = gone
            .iter()
            .copied()
            .filter(|hit| hit.action == Action::Replace)
            .collect();
        let note = match telling.is_empty() {
            true => STRIPPED.to_owned(),
            false => words.note(&telling),
        };
        wishes.push(Wish::Edit(replaced(places, &note)));
        let why = "taken out; signatures of the mail (DKIM, S/MIME, PGP) need not hold any more";
        wishes.extend(field(why, &gone));
    }
    // What is about the mail as a whole cannot be taken out of it.
    let marked: Vec<_> = hits
        .iter()
        .filter(|hit| hit.action == Action::Mark || (hit.action > Action::Mark && hit.file.is_none()))
        .collect();
    if !marked.is_empty() {
        wishes.extend(field("found or not seen", &marked));
    }
    wishes
}

fn field(what: &str, hits: &[&Hit<'_>]) -> Option<Wish> {
    let mut text = what.to_owned();
    let mut seen: Vec<String> = Vec::new();
    for hit in hits.iter().take(TOLD) {
        let name = hit
            .file
            .map_or_else(|| "the mail".to_owned(), |file| path(file, NAME_MAX));
        let one = format!("; {name} ({})", hit.rule);
        if !seen.contains(&one) && text.len() + one.len() <= FIELD_MAX {
            text.push_str(&one);
            seen.push(one);
        }
    }
    Edit::prepend(FIELD, &text).ok().map(Wish::Edit)
}
