//! What policy makes of all opinions, for one recipient at one moment: a pure function.
//!
//! **Precedence:** danger, divert, personal deny, exempt, enforced reject, score, defer, mark ([`Rank`]). What is not
//! spoken yet (`speak_from`, points before the dot) is judged again at the next moment, with all that was said by then.

use std::borrow::Borrow;
use std::sync::Arc;

use gatepost_core::message::Edit;
use gatepost_core::{
    Concern, Evidence, Fate, Finding, Fused, Level, LogOdds, Marks, Phase, RecipientId, Reply, Score, Standing, Tag,
    Terms, Verdict, Wish,
};

use crate::fusion::Fusion;
use crate::offer;
use crate::policy::{Action, Rules};
use crate::reasons;
use crate::refusal;
use crate::said::Said;
use crate::settle::takes_out;
use crate::slot::{Mode, OnFault};
use crate::stamp;

/// About whom is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Whom<'a> {
    /// The recipient; none before RCPT.
    pub id: Option<RecipientId>,
    /// Its domain in lower case.
    pub domain: Option<&'a str>,
    /// It is postmaster or abuse, whom spam checks do not concern (RFC 5321 §4.5.1).
    pub role: bool,
}

/// What decided, in the order of precedence.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rank {
    /// A wish about danger.
    Danger,
    /// A filter takes the recipient.
    Divert,
    /// A person's own refusal.
    Deny,
    /// Nothing about spam counts.
    Exempt,
    /// A wish about spam.
    Reject,
    /// The level's action.
    Score,
    /// A wish to wait.
    Defer,
    /// Nothing but marks.
    Mark,
}

/// A verdict and what else must be known of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Judgement {
    /// The verdict. Its replies are not worded yet ([`refusal::worded`]).
    pub verdict: Verdict,
    /// What decided it.
    pub rank: Rank,
    /// The sum of points.
    pub score: Score,
    /// What all classifiers together say, where any said something; their points are in the sum.
    pub fused: Option<Fused>,
    /// It was refused for its points, and nothing of them forbids a code ([`offer`]): neither what was found nor danger, which
    /// no code silences.
    pub may_return: bool,
    /// The session is closed after the refusal.
    pub close: bool,
    /// What would have become of the mail without `dry_run`, where that is something else. It may be kept from its reader all
    /// the same, for danger ([`Rules::dry_for_spam`]).
    pub would: Option<Fate>,
    /// Whether the recipient is in a dry run.
    pub is_dry: bool,
    /// Who takes the recipient, where the fate is `Divert`.
    pub taker: Option<Arc<str>>,
}

/// What `dry_run` overruled, and why it would have been.
#[derive(Clone, PartialEq, Debug)]
pub struct Overruled {
    /// What would have become of the mail.
    pub fate: Fate,
    /// Why.
    pub because: Vec<Tag>,
}

impl Overruled {
    /// What was overruled, and its reasons.
    pub fn new(fate: Fate, because: Vec<Tag>) -> Overruled {
        Overruled { fate, because }
    }
}

impl Judgement {
    /// What becomes of the mail, or would without `dry_run`.
    pub fn intended(&self) -> &Fate {
        self.would.as_ref().unwrap_or(&self.verdict.fate)
    }

    /// What `dry_run` overruled.
    pub fn overruled(&self) -> Option<Overruled> {
        let fate = self.would.clone()?;
        Some(Overruled::new(fate, self.verdict.because.clone()))
    }

    /// The judgement at the dot about one who would have been turned away before: that stands, in the record and on the mail,
    /// unless the mail is kept from him now.
    #[must_use]
    pub fn after(mut self, overruled: &Overruled) -> Judgement {
        if !is_let_through(&self.verdict.fate) {
            return self;
        }
        self.would = Some(overruled.fate.clone());
        self.verdict.because.clone_from(&overruled.because);
        let edits = &mut self.verdict.marks.edits;
        edits.retain(|edit| !stamp::is_would(edit));
        edits.extend(stamp::would(&overruled.fate, &overruled.because));
        self
    }
}

fn is_let_through(fate: &Fate) -> bool {
    matches!(fate, Fate::Deliver | Fate::Divert)
}

/// The most tags that a verdict gives as its reasons.
pub const BECAUSE_MAX: usize = 10;

/// What more can still change the fate of a recipient's mail: the rule by which a run is cut.
///
/// A filter that asks about danger is always run. A filter that asks about spam is run unless nothing that it may say
/// could change the fate: when the mail is refused for danger, or a filter took the recipient, or its person denied the
/// mail, only a taker's or an exempting word could (some wishes are for exempt mail only, or for other mail only); when
/// the mail is exempt, only a taker's or a person's word and an edit could; when it is refused by wish, only a taker's, a person's or
/// an exempting word could.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Openness {
    /// Anything.
    Open,
    /// It is exempt.
    Exempt,
    /// It is refused by wish.
    Refused,
    /// Only danger, a taker, and an exemption.
    Closed,
}

/// The wishes of one concern that are counted for one recipient: for each kind the first.
#[derive(Default)]
struct Wants<'a> {
    refuse: Option<(&'a Said, &'a Reply, bool)>,
    discard: Option<&'a Said>,
    hold: Option<&'a Said>,
    defer: Option<(&'a Said, &'a Reply)>,
    faulty: Option<&'a Said>,
}

/// All that counts for one recipient.
#[derive(Default)]
struct Heard<'a> {
    exempt: bool,
    exempted: Option<&'a Said>,
    spared: bool,
    danger: Wants<'a>,
    spam: Wants<'a>,
    divert: Option<&'a Said>,
    deny: Option<(&'a Said, &'a Reply)>,
    /// Each with whether a filter against danger wishes it.
    edits: Vec<(bool, Edit)>,
    points: Vec<(&'a Tag, Score)>,
    /// Those of them that are about danger.
    perils: Vec<Score>,
    odds: Vec<(&'a Said, &'a Tag, LogOdds)>,
}

fn stands(standing: Standing, exempt: bool) -> bool {
    match standing {
        Standing::Any => true,
        Standing::Exempt => exempt,
        Standing::NotExempt => !exempt,
    }
}

impl<'a> Heard<'a> {
    fn of<S: Borrow<Said>>(rules: &Rules, said: &'a [S], whom: Whom<'_>) -> Heard<'a> {
        let mut heard = Heard {
            exempt: whom.role && rules.role_accounts,
            ..Heard::default()
        };
        let said = || {
            said.iter()
                .map(Borrow::borrow)
                .filter(|said: &&Said| said.concerns(whom.id) && said.mode_for(whom.domain) >= Mode::Score)
        };
        for said in said().filter(|said| said.mode_for(whom.domain) == Mode::Enforce) {
            let mut wishes = said.opinion.wishes().iter();
            if wishes.any(|(scope, _, wish)| *wish == Wish::Exempt && Said::covers(*scope, whom.id)) {
                heard.exempt = true;
                heard.exempted.get_or_insert(said);
            }
        }
        for said in said() {
            heard.take(said, whom);
        }
        heard
    }

    fn take(&mut self, said: &'a Said, whom: Whom<'_>) {
        let danger = said.concern == Concern::Danger;
        let silenced = self.exempt && !danger;
        let exempt = self.exempt;
        let obeyed = said.mode_for(whom.domain) == Mode::Enforce;
        let covered = |finding: &&Finding| {
            Said::covers(finding.scope, whom.id) && stands(finding.standing, exempt) && !(finding.instead && obeyed)
        };
        for finding in said.opinion.findings().iter().filter(covered).filter(|_| !silenced) {
            match finding.evidence {
                Evidence::Points(points) => {
                    self.points.push((&finding.tag, points));
                    self.perils.extend(danger.then_some(points));
                }
                Evidence::LogOdds { value, support } => {
                    self.odds.push((said, &finding.tag, LogOdds { value, support }));
                }
                _ => {}
            }
        }
        let wants = if danger { &mut self.danger } else { &mut self.spam };
        if !silenced && said.is_about(whom.id) {
            match said.fault_for(whom.domain) {
                Some(OnFault::Mark) => self
                    .edits
                    .extend(stamp::unchecked(&said.filter).map(|edit| (danger, edit))),
                Some(OnFault::Defer) => drop(wants.faulty.get_or_insert(said)),
                Some(OnFault::Hold) => drop(wants.hold.get_or_insert(said)),
                Some(OnFault::Ignore) | None => {}
            }
        }
        if !obeyed {
            return;
        }
        for (scope, standing, wish) in said.opinion.wishes() {
            if !Said::covers(*scope, whom.id) || !stands(*standing, self.exempt) {
                continue;
            }
            match wish {
                Wish::Divert if said.is_about(whom.id) => drop(self.divert.get_or_insert(said)),
                Wish::Deny(reply) if said.is_about(whom.id) => drop(self.deny.get_or_insert((said, reply))),
                Wish::Edit(edit) => self.edits.push((danger, edit.clone())),
                Wish::Spare => self.spared = true,
                _ if silenced => {}
                Wish::Reject(reply) => drop(wants.refuse.get_or_insert((said, reply, false))),
                Wish::Close(reply) => drop(wants.refuse.get_or_insert((said, reply, true))),
                Wish::Defer(reply) => drop(wants.defer.get_or_insert((said, reply))),
                Wish::Hold => drop(wants.hold.get_or_insert(said)),
                Wish::Discard => drop(wants.discard.get_or_insert(said)),
                _ => {}
            }
        }
    }

    /// Whether the mail as it came is dangerous to have: a part was to be taken out of it, or what speaks of danger is
    /// alone enough to keep it away from its reader.
    fn is_perilous(&self, rules: &Rules) -> bool {
        let action = rules.grade(self.peril(rules)).action.max(self.by_operator(rules).1);
        self.edits.iter().any(|(_, edit)| takes_out(edit)) || action >= Action::Hold
    }

    /// The points that speak of danger.
    fn peril_points(&self) -> Score {
        self.perils.iter().copied().sum()
    }

    /// The level of what speaks of danger alone.
    fn peril(&self, rules: &Rules) -> Level {
        rules.level(self.peril_points())
    }

    /// What the operator has done with that, where a customer may have other levels.
    fn by_operator(&self, rules: &Rules) -> (Level, Action) {
        let operators = rules.by_operator(self.peril_points());
        operators.unwrap_or((Level::None, Action::None))
    }

    /// The classifiers' word, at the risk that holds for this recipient.
    fn fused(&self, rules: &Rules, fusion: &Fusion) -> Option<Fused> {
        if self.odds.is_empty() {
            return None;
        }
        let fusion = fusion.clone().with_risk(rules.ham_risk.share());
        let odds = fusion.fuse(self.odds.iter().map(|(said, _, odds)| (&*said.filter, *odds)));
        Some(Fused::new(
            odds,
            fusion.threshold(),
            fusion.points(odds, rules.classifiers),
        ))
    }

    /// Whether nothing that counted against the mail forbids a code, and nobody is guessing.
    fn may_return(&self, rules: &Rules) -> bool {
        let against = |tag: &Tag, points: Score| points > Score::ZERO && offer::forbids(&rules.no_code_for, tag);
        let mut points = self.points.iter();
        !points.any(|(tag, points)| against(tag, *points) || tag.as_str() == offer::GUESSING)
    }

    /// The findings that made the score, the weightiest first.
    fn reasons(&self) -> Vec<Tag> {
        let mut reasons: Vec<(&Tag, i64)> = self
            .points
            .iter()
            .map(|(tag, points)| (*tag, i64::from(points.as_hundredths())))
            .collect();
        reasons.extend(
            self.odds
                .iter()
                .map(|(_, tag, odds)| (*tag, (odds.value * 100.0) as i64)),
        );
        reasons.retain(|(_, weight)| *weight > 0);
        reasons.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
        reasons
            .into_iter()
            .map(|(tag, _)| tag.clone())
            .take(BECAUSE_MAX)
            .collect()
    }
}

/// A decision before it is put on paper.
struct Decision<'a> {
    rank: Rank,
    fate: Fate,
    by: Option<(&'a Said, &'static str)>,
    close: bool,
}

impl<'a> Decision<'a> {
    fn new(rank: Rank, fate: Fate, said: &'a Said, wish: &'static str) -> Decision<'a> {
        Decision {
            rank,
            fate,
            by: Some((said, wish)),
            close: false,
        }
    }
}

impl<'a> Wants<'a> {
    /// The strongest of them that can be spoken now: refuse, discard, hold.
    fn decide(&self, rank: Rank, speaks: bool, dot: bool) -> Option<Decision<'a>> {
        if let (Some((said, reply, close)), true) = (self.refuse, speaks) {
            let reply = if close && reply.is_transient() {
                reply.clone()
            } else {
                refusal::permanent(reply)
            };
            let fate = if reply.is_transient() {
                Fate::Defer(reply)
            } else {
                Fate::Refuse(reply)
            };
            return Some(Decision {
                close,
                ..Decision::new(rank, fate, said, if close { "close" } else { "reject" })
            });
        }
        match (self.discard, self.hold) {
            (Some(said), _) if dot => Some(Decision::new(rank, Fate::Discard, said, "discard")),
            (_, Some(said)) if dot => Some(Decision::new(rank, Fate::Hold, said, "hold")),
            _ => None,
        }
    }

    fn faulty(&self, rank: Rank) -> Option<Decision<'a>> {
        let said = self.faulty?;
        Some(Decision::new(rank, Fate::Defer(refusal::UNCHECKED), said, "fault"))
    }
}

/// What becomes of the mail for one recipient, by all that was said so far, at a phase.
pub fn judge<S: Borrow<Said>>(rules: &Rules, fusion: &Fusion, said: &[S], whom: Whom<'_>, at: Phase) -> Judgement {
    let heard = Heard::of(rules, said, whom);
    let fused = heard.fused(rules, fusion);
    let points = heard.points.iter().map(|(_, points)| *points);
    let score = points.chain(fused.map(|fused| fused.points)).sum();
    let level = rules.level(score);
    let mut decision = decide(rules, &heard, score, level, at);
    let overruled = rules.dry_run && !is_let_through(&decision.fate);
    let enforced = if overruled {
        enforced(rules, &heard, level, at)
    } else {
        None
    };
    let spared = overruled && enforced.is_none();
    let mut would = None;
    if let Some(enforced) = enforced {
        let whole = std::mem::replace(&mut decision, enforced).fate;
        would = (whole.name() != decision.fate.name()).then_some(whole);
    }
    // What is refused by the operator's levels is told as these have it.
    let (operators, least) = heard.by_operator(rules);
    let level = match decision.rank {
        Rank::Score if least > rules.grade(level).action => level.max(operators),
        _ => level,
    };
    let because = because(rules, &heard, &decision, whom, level);
    let Decision {
        rank, mut fate, close, ..
    } = decision;
    let by_points = rank == Rank::Score && matches!(fate, Fate::Refuse(_));
    if by_points {
        fate = Fate::Refuse(rules.refusal.refuse(reasons::for_the_sender(&because)));
    }

    let may_return = by_points && heard.may_return(rules);
    if spared {
        would = Some(std::mem::replace(&mut fate, Fate::Deliver));
    }
    let mut verdict = Verdict::new(level, fate);
    verdict.because = because;
    let undelivered = !is_let_through(&verdict.fate);
    verdict.danger = undelivered && (rank == Rank::Danger || heard.is_perilous(rules));
    verdict.days = rules.keep_days.0;
    let reason = |usual| if verdict.danger { Terms::DANGEROUS } else { usual };
    match &verdict.fate {
        Fate::Deliver => {
            // A dry run says what would be done, and delivers all that came, but for what is dangerous where it is not the
            // whole site's.
            let stays = |danger: bool, edit: &Edit| {
                !rules.dry_run || matches!(edit, Edit::Prepend(_)) || (danger && rules.dry_for_spam)
            };
            let edits = heard.edits.into_iter();
            let mut edits: Vec<Edit> = edits
                .filter_map(|(danger, edit)| stays(danger, &edit).then_some(edit))
                .collect();
            let would = would.as_ref().map(|fate| (fate, &*verdict.because));
            edits.extend(stamp::marks(rules, level, score, fused.as_ref(), would));
            verdict.marks = Marks { edits };
        }
        Fate::Hold => verdict.keep = Some(Terms::durable(reason("held")).for_days(verdict.days)),
        Fate::Discard => verdict.keep = Some(Terms::durable(reason("discarded")).for_days(verdict.days)),
        Fate::Refuse(_) if rules.keeps(level) && at == Phase::Message && rank != Rank::Deny => {
            verdict.keep = Some(Terms::copy(reason("refused")).for_days(verdict.days));
        }
        // Nobody wants it; but where others get the mail, this copy must go somewhere.
        Fate::Refuse(_) if rank == Rank::Deny && at == Phase::Message => {
            verdict.keep = Some(Terms::durable(reason("denied")).for_days(verdict.days));
        }
        _ => {}
    }
    let taker = heard
        .divert
        .filter(|_| verdict.fate == Fate::Divert)
        .map(|said| Arc::clone(&said.filter));
    Judgement {
        may_return: may_return && !spared && !verdict.danger,
        verdict,
        rank,
        score,
        fused,
        close: close && !spared,
        would,
        is_dry: rules.dry_run,
        taker,
    }
}

/// What the wishes about danger, and the faults of those who look for it, decide.
fn of_danger<'a>(heard: &Heard<'a>, speaks: bool, dot: bool) -> Option<Decision<'a>> {
    if let Some(decision) = heard.danger.decide(Rank::Danger, speaks, dot) {
        return Some(decision);
    }
    if let (Some((said, reply)), true) = (heard.danger.defer, speaks) {
        let fate = Fate::Defer(refusal::transient(reply));
        return Some(Decision::new(Rank::Danger, fate, said, "defer"));
    }
    heard.danger.faulty(Rank::Danger).filter(|_| speaks)
}

/// What the action of a level decides at the dot, if it keeps the mail from its reader; or what the operator's does with
/// the danger in it, if that is stricter.
fn of_level<'a>(rules: &Rules, heard: &Heard<'a>, level: Level) -> Option<Decision<'a>> {
    let fate = match rules.grade(level).action.max(heard.by_operator(rules).1) {
        // Worded once it is known why.
        Action::Reject => Fate::Refuse(refusal::UNWANTED),
        Action::Discard => Fate::Discard,
        Action::Hold => Fate::Hold,
        _ => return None,
    };
    Some(Decision {
        rank: Rank::Score,
        fate,
        by: None,
        close: false,
    })
}

/// What holds in spite of a dry run: nothing in that of the site; danger alone in that of a domain or a user.
/// What speaks for the sender speaks for him here, too, unless nothing does in force: to one who loves spam.
fn enforced<'a>(rules: &Rules, heard: &Heard<'a>, level: Level, at: Phase) -> Option<Decision<'a>> {
    if rules.is_dry_for_danger() {
        return None;
    }
    let (speaks, dot) = (at >= rules.speak_from.phase(), at == Phase::Message);
    let peril = heard.peril(rules);
    let peril = if rules.spam_lover { peril } else { peril.min(level) };
    of_danger(heard, speaks, dot).or_else(|| of_level(rules, heard, peril).filter(|_| dot))
}

fn decide<'a>(rules: &Rules, heard: &Heard<'a>, score: Score, level: Level, at: Phase) -> Decision<'a> {
    let (speaks, dot, named) = (at >= rules.speak_from.phase(), at == Phase::Message, at >= Phase::Rcpt);
    if let Some(decision) = of_danger(heard, speaks, dot) {
        return decision;
    }
    if let (Some(said), true) = (heard.divert, named) {
        return Decision::new(Rank::Divert, Fate::Divert, said, "divert");
    }
    if let (Some((said, reply)), true) = (heard.deny, named) {
        return Decision::new(Rank::Deny, Fate::Refuse(refusal::permanent(reply)), said, "deny");
    }
    // Whoever loves spam gets it, and of points only those about danger keep it away.
    let level = if rules.spam_lover { heard.peril(rules) } else { level };
    // Of exempt mail only the points and wishes about danger were heard, so what follows is about danger alone.
    if let Some(decision) = heard
        .spam
        .decide(Rank::Reject, speaks, dot)
        .filter(|_| !rules.spam_lover)
    {
        return decision;
    }
    if let Some(decision) = of_level(rules, heard, level).filter(|_| dot) {
        return decision;
    }
    let may_wait = speaks && !rules.spam_lover;
    if let (Some((said, reply)), true) = (heard.spam.defer, may_wait && !heard.spared)
        && rules.defer_between.contains(score)
    {
        return Decision::new(Rank::Defer, Fate::Defer(refusal::transient(reply)), said, "defer");
    }
    if let Some(decision) = heard.spam.faulty(Rank::Defer).filter(|_| may_wait) {
        return decision;
    }
    match heard.exempted {
        Some(said) => Decision::new(Rank::Exempt, Fate::Deliver, said, "exempt"),
        None if heard.exempt => Decision {
            rank: Rank::Exempt,
            fate: Fate::Deliver,
            by: None,
            close: false,
        },
        None => Decision {
            rank: Rank::Mark,
            fate: Fate::Deliver,
            by: None,
            close: false,
        },
    }
}

/// Why: the findings of the filter that decided, or its name and wish; the findings that made the score; the rule.
fn because(rules: &Rules, heard: &Heard<'_>, decision: &Decision<'_>, whom: Whom<'_>, level: Level) -> Vec<Tag> {
    let mut because = Vec::new();
    if let Some((said, wish)) = decision.by {
        let findings = said
            .opinion
            .findings()
            .iter()
            .filter(|finding| Said::covers(finding.scope, whom.id));
        because.extend(findings.map(|finding| finding.tag.clone()).take(BECAUSE_MAX));
        if because.is_empty() {
            because.push(Tag::owned(format!("{}.{wish}", said.filter)));
        }
        return because;
    }
    if decision.rank == Rank::Exempt {
        because.push(Tag::new("policy.role_account"));
    }
    if level > Level::None {
        because.extend(heard.reasons());
        because.truncate(BECAUSE_MAX - 2);
        because.push(Tag::owned(format!("policy.{level}")));
    }
    if rules.spam_lover && decision.rank == Rank::Mark && rules.grade(level).action >= Action::Hold {
        because.push(Tag::new("policy.spam_lover"));
    }
    because
}

/// What more can change the fate of a recipient's mail.
pub fn openness<S: Borrow<Said>>(rules: &Rules, said: &[S], whom: Whom<'_>) -> Openness {
    if rules.dry_run {
        return Openness::Open;
    }
    let heard = Heard::of(rules, said, whom);
    let unwanted = heard.spam.refuse.is_some() && !rules.spam_lover;
    if heard.danger.refuse.is_some() || heard.divert.is_some() || heard.deny.is_some() {
        Openness::Closed
    } else if heard.exempt {
        Openness::Exempt
    } else if unwanted {
        Openness::Refused
    } else {
        Openness::Open
    }
}

#[cfg(test)]
mod tests;
