//! Laws of judge and settle, over any testimony.

use std::sync::Arc;

use gatepost_core::{
    Concern, Edit, Enhanced, Evidence, Fate, Filter, Finding, Level, Opinion, Phase, Phases, RecipientId, Reply, Scope,
    Score, Standing, Tag, Terms, Verdict, Wish, Wishes,
};
use gatepost_pipeline::judge::{Openness, Rank, Whom, judge, openness};
use gatepost_pipeline::policy::Rules;
use gatepost_pipeline::said::Said;
use gatepost_pipeline::settle::{Settlement, settle};
use gatepost_pipeline::slot::Audience;
use gatepost_pipeline::{Fusion, Mode, OnFault, Slot};
use proptest::prelude::*;

struct Mute;
impl Filter for Mute {}

const WHO: Whom<'static> = Whom {
    id: Some(RecipientId(0)),
    domain: Some("d.example"),
    role: false,
};

fn wishes() -> impl Strategy<Value = Wish> {
    prop::sample::select(vec![
        Wish::Exempt,
        Wish::Spare,
        Wish::Defer(Reply::fixed(451, Enhanced(4, 7, 1), "later")),
        Wish::Deny(Reply::fixed(550, Enhanced(5, 7, 1), "not me")),
        Wish::Reject(Reply::fixed(550, Enhanced(5, 7, 1), "no")),
        Wish::Close(Reply::fixed(554, Enhanced(5, 7, 1), "bye")),
        Wish::Hold,
        Wish::Discard,
        Wish::Divert,
        Wish::Edit(Edit::prepend("X-Mark", "1").expect("a name")),
    ])
}

fn scopes() -> impl Strategy<Value = Scope> {
    prop::sample::select(vec![
        Scope::Everyone,
        Scope::Only(RecipientId(0)),
        Scope::Only(RecipientId(1)),
    ])
}

fn standings() -> impl Strategy<Value = Standing> {
    prop::sample::select(vec![Standing::Any, Standing::Exempt, Standing::NotExempt])
}

fn opinions() -> impl Strategy<Value = Opinion> {
    let findings = prop::collection::vec((-2_000..2_000_i32, scopes()), 0..3);
    let wishes = prop::collection::vec((scopes(), standings(), wishes()), 0..3);
    (findings, wishes).prop_map(|(findings, wishes)| {
        let mut opinion = Opinion::none();
        for (points, scope) in findings {
            let mut finding = Finding::new(Tag::new("law.x"), Evidence::Points(Score::hundredths(points)), "");
            finding.scope = scope;
            opinion = opinion.with(finding);
        }
        wishes.into_iter().fold(opinion, |opinion, (scope, standing, wish)| {
            opinion.wish_for(scope, standing, wish)
        })
    })
}

fn said(concern: Concern, mode: Mode, on_fault: OnFault, opinion: Opinion, fault: bool) -> Said {
    let slot = Slot {
        name: "law".into(),
        mode,
        on_fault,
        patience: Slot::PATIENCE,
        phases: Phases::NONE,
        concern,
        may: Wishes::NONE,
        filter: Arc::new(Mute),
        domains: Arc::default(),
    };
    let (opinion, fault) = if fault {
        (Opinion::none(), Some("broken".into()))
    } else {
        (opinion, None)
    };
    Said::new(&slot, Phase::Message, Audience::Everyone, opinion, fault)
}

fn anything() -> impl Strategy<Value = Said> {
    let concerns = prop::sample::select(vec![Concern::Spam, Concern::Danger]);
    let modes = prop::sample::select(vec![Mode::Monitor, Mode::Score, Mode::Enforce]);
    let faults = prop::sample::select(vec![OnFault::Ignore, OnFault::Mark, OnFault::Defer, OnFault::Hold]);
    (concerns, modes, faults, opinions(), prop::bool::weighted(0.1))
        .prop_map(|(concern, mode, on_fault, opinion, fault)| said(concern, mode, on_fault, opinion, fault))
}

fn testimony() -> impl Strategy<Value = Vec<Said>> {
    prop::collection::vec(anything(), 0..6)
}

fn spam(opinion: Opinion) -> Said {
    said(Concern::Spam, Mode::Enforce, OnFault::Ignore, opinion, false)
}

fn at(said: &[Said], phase: Phase) -> gatepost_pipeline::judge::Judgement {
    judge(&Rules::default(), &Fusion::default(), said, WHO, phase)
}

fn phases() -> impl Strategy<Value = Phase> {
    prop::sample::select(Phase::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(20_000) })]

    #[test]
    fn more_points_of_spam_never_lower_the_level(mut said in testimony(), points in 0..3_000_i32) {
        let before = at(&said, Phase::Message).verdict.level;
        said.push(spam(Opinion::points(Tag::new("law.more"), Score::hundredths(points), "")));
        prop_assert!(at(&said, Phase::Message).verdict.level >= before);
    }

    #[test]
    fn an_exemption_never_changes_what_is_said_of_danger(said in testimony(), phase in phases()) {
        // A rule that is made for the one standing or the other does change with it: that is its point.
        let danger: Vec<Said> = said.into_iter().filter(|said| said.concern == Concern::Danger)
            .filter(|said| said.opinion.wishes().iter().all(|(_, standing, _)| *standing == Standing::Any)).collect();
        let before = at(&danger, phase);
        let mut exempted = danger;
        exempted.push(spam(Opinion::none().wish(Wish::Exempt)));
        let after = at(&exempted, phase);
        prop_assert_eq!(before.verdict.fate, after.verdict.fate);
        prop_assert_eq!(before.score, after.score);
    }

    #[test]
    fn what_is_only_monitored_changes_nothing(mut said in testimony(), opinion in opinions(), at_phase in phases()) {
        let before = at(&said, at_phase);
        said.insert(0, self::said(Concern::Danger, Mode::Monitor, OnFault::Hold, opinion, false));
        prop_assert_eq!(at(&said, at_phase), before);
    }

    #[test]
    fn a_filter_that_only_scores_has_no_wish(mut said in testimony(), wishes in prop::collection::vec(wishes(), 0..4)) {
        let before = at(&said, Phase::Message);
        let opinion = wishes.into_iter().fold(Opinion::none(), Opinion::wish);
        said.insert(0, self::said(Concern::Danger, Mode::Score, OnFault::Ignore, opinion, false));
        prop_assert_eq!(at(&said, Phase::Message), before);
    }

    #[test]
    fn refusals_are_5xx_and_delays_are_4xx(said in testimony(), phase in phases()) {
        match at(&said, phase).verdict.fate {
            Fate::Refuse(reply) => prop_assert!(reply.is_permanent()),
            Fate::Defer(reply) => prop_assert!(reply.is_transient()),
            _ => {}
        }
    }

    #[test]
    fn a_dry_run_delivers_or_diverts(said in testimony(), phase in phases()) {
        let rules = Rules { dry_run: true, ..Rules::default() };
        let fate = judge(&rules, &Fusion::default(), &said, WHO, phase).verdict.fate;
        prop_assert!(matches!(fate, Fate::Deliver | Fate::Divert));
    }

    /// In the dry run of a domain or a user what is about spam changes nothing, and what is about danger all that it does
    /// where nothing is dry.
    #[test]
    fn a_dry_run_of_a_domain_is_as_if_nobody_had_spoken_of_spam(said in testimony(), phase in phases()) {
        let dry = Rules { dry_run: true, dry_for_spam: true, ..Rules::default() };
        let fate = |rules: &Rules, said: &[Said]| judge(rules, &Fusion::default(), said, WHO, phase).verdict.fate;
        // An exemption is a word about spam that decides which rules about danger are meant.
        let without_spam = |said: &Said| {
            let mut said = said.clone();
            if said.concern == Concern::Spam {
                let exempts = said.opinion.wishes().iter().filter(|(_, _, wish)| *wish == Wish::Exempt).cloned();
                said.opinion = exempts.fold(Opinion::none(), |opinion, (scope, standing, wish)| opinion.wish_for(scope, standing, wish));
                said.fault = None;
            }
            said
        };
        let of_danger: Vec<Said> = said.iter().map(without_spam).collect();
        match fate(&dry, &said) {
            Fate::Deliver | Fate::Divert => {}
            kept => prop_assert_eq!(kept.name(), fate(&dry, &of_danger).name()),
        }
        let force = judge(&Rules::default(), &Fusion::default(), &said, WHO, phase);
        if force.rank == Rank::Danger {
            prop_assert_eq!(fate(&dry, &said), force.verdict.fate);
        }
    }

    /// The rule of the cut: whoever is not asked could not have changed the fate.
    #[test]
    fn what_is_left_out_could_not_have_changed_the_fate(said in testimony(), more in opinions()) {
        let rules = Rules::default();
        let open = openness(&rules, &said, WHO);
        const TAKES: Wishes = Wishes::DIVERT.and(Wishes::DENY);
        let may = match open {
            Openness::Open => return Ok(()),
            Openness::Exempt => TAKES.and(Wishes::EDIT),
            Openness::Refused => TAKES.and(Wishes::EXEMPT),
            Openness::Closed => Wishes::EXEMPT.and(Wishes::DIVERT),
        };
        if more.wishes().iter().any(|(_, _, wish)| may.meets(wish.kind())) {
            return Ok(());
        }
        let before = at(&said, Phase::Message).verdict.fate;
        let mut all = said;
        all.push(spam(more));
        prop_assert_eq!(at(&all, Phase::Message).verdict.fate, before);
    }

    #[test]
    fn nobodys_copy_is_bounced_or_dropped(fates in prop::collection::vec(verdicts(), 0..12), separate: bool) {
        let deferred = fates.iter().any(|verdict| matches!(verdict.fate, Fate::Defer(_)));
        let refused = fates.iter().all(|verdict| matches!(verdict.fate, Fate::Refuse(_)));
        match settle(&fates, separate) {
            Settlement::Defer(reply) => prop_assert!(reply.is_transient() && (deferred || fates.is_empty())),
            Settlement::Refuse { reply, .. } => prop_assert!(reply.is_permanent() && refused && !deferred),
            Settlement::Accept { held, taken, batches, .. } => {
                prop_assert!(!deferred && !refused);
                prop_assert!(held.iter().all(|copy| copy.terms.durable));
                prop_assert!(separate || batches.len() <= 1);
                let mut cared_for: Vec<usize> = held.iter().flat_map(|copy| copy.who.clone()).chain(taken)
                    .chain(batches.iter().flat_map(|batch| batch.who.clone())).collect();
                cared_for.sort_unstable();
                prop_assert_eq!(cared_for, (0..fates.len()).collect::<Vec<_>>(), "each exactly once");
                for batch in &batches {
                    for who in &batch.who {
                        prop_assert_eq!(&fates[*who].fate, &Fate::Deliver);
                        prop_assert!(!separate || fates[*who].marks == batch.marks);
                    }
                }
            }
        }
    }
}

fn verdicts() -> impl Strategy<Value = Verdict> {
    let fates = prop::sample::select(vec![
        Fate::Deliver,
        Fate::Deliver,
        Fate::Hold,
        Fate::Discard,
        Fate::Divert,
        Fate::Refuse(Reply::plain(550, "no")),
        Fate::Refuse(Reply::plain(554, "no")),
        Fate::Defer(Reply::plain(451, "later")),
    ]);
    let keeps = prop::sample::select(vec![None, Some(Terms::copy("refused")), Some(Terms::durable("held"))]);
    (fates, prop::sample::select(Level::ALL.to_vec()), 0..3_usize, keeps).prop_map(|(fate, level, marks, keep)| {
        let mut verdict = Verdict::new(level, fate);
        verdict.marks.edits = (0..marks)
            .filter_map(|n| Edit::prepend(format!("X-{n}"), "1").ok())
            .collect();
        verdict.keep = keep;
        verdict
    })
}
