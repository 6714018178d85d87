use super::*;
use crate::fusion::Ham;
use crate::policy::{Between, SpeakFrom};
use crate::slot::{Audience, Exception, Exceptions, Slot};
use crate::spambox::Days;
use gatepost_core::message::Replacement;
use gatepost_core::{Enhanced, Filter, Opinion, Phases, Scope, Wishes};

struct Mute;
impl Filter for Mute {}

fn slot(name: &str, concern: Concern, mode: Mode) -> Slot {
    Slot {
        name: name.into(),
        mode,
        on_fault: OnFault::Ignore,
        patience: Slot::PATIENCE,
        phases: Phases::NONE,
        concern,
        may: Wishes::NONE,
        filter: Arc::new(Mute),
        domains: Arc::default(),
    }
}

fn said_as(slot: &Slot, opinion: Opinion) -> Said {
    Said::new(slot, Phase::Message, Audience::Everyone, opinion, None)
}

fn spam(opinion: Opinion) -> Said {
    said_as(&slot("spam", Concern::Spam, Mode::Enforce), opinion)
}

fn danger(opinion: Opinion) -> Said {
    said_as(&slot("virus", Concern::Danger, Mode::Enforce), opinion)
}

fn wish(wish: Wish) -> Opinion {
    Opinion::none().wish(wish)
}

fn points(points: i32) -> Opinion {
    Opinion::points(Tag::new("test.points"), Score::points(points), "")
}

fn reject() -> Wish {
    Wish::Reject(Reply::fixed(550, Enhanced(5, 7, 1), "no"))
}

fn defer() -> Wish {
    Wish::Defer(Reply::fixed(451, Enhanced(4, 7, 1), "later"))
}

const WHO: Whom<'static> = Whom {
    id: Some(RecipientId(0)),
    domain: Some("d.example"),
    role: false,
};

fn at(rules: &Rules, said: &[Said], at: Phase) -> Judgement {
    judge(rules, &Fusion::default(), said, WHO, at)
}

fn dot(said: &[Said]) -> (Rank, &'static str) {
    let judgement = at(&Rules::default(), said, Phase::Message);
    (judgement.rank, judgement.verdict.fate.name())
}

/// What each rank says, the highest first. Two at once: the higher one decides, except where the table says so.
#[test]
fn precedence_is_danger_divert_deny_exempt_reject_score_defer_mark() {
    let deny = Wish::Deny(Reply::fixed(550, Enhanced(5, 7, 1), "not to me"));
    let ladder = [
        (danger(wish(reject())), Rank::Danger, "refuse"),
        (spam(wish(Wish::Divert)), Rank::Divert, "divert"),
        (spam(wish(deny)), Rank::Deny, "refuse"),
        (spam(wish(Wish::Exempt)), Rank::Exempt, "deliver"),
        (spam(wish(reject())), Rank::Reject, "refuse"),
        (spam(points(10)), Rank::Score, "refuse"),
        (spam(wish(defer())), Rank::Defer, "defer"),
        (spam(points(3)), Rank::Mark, "deliver"),
    ];
    for (n, (higher, rank, fate)) in ladder.iter().enumerate() {
        assert_eq!(dot(std::slice::from_ref(higher)), (*rank, *fate));
        for (lower, ..) in &ladder[n + 1..] {
            let both = [lower.clone(), higher.clone()];
            assert_eq!(dot(&both), (*rank, *fate), "{rank:?}");
            let turned = [higher.clone(), lower.clone()];
            assert_eq!(dot(&turned), (*rank, *fate), "{rank:?}");
        }
    }
}

#[test]
fn within_a_rank_refusing_is_stronger_than_discarding_than_holding() {
    for make in [danger, spam] {
        let (hold, discard, refuse) = (make(wish(Wish::Hold)), make(wish(Wish::Discard)), make(wish(reject())));
        assert_eq!(dot(&[hold.clone(), discard.clone()]).1, "discard");
        assert_eq!(dot(&[hold.clone(), discard, refuse]).1, "refuse");
        assert_eq!(dot(&[make(wish(defer())), hold]).1, "hold");
    }
}

#[test]
fn modes_decide_what_counts() {
    let opinion = || points(10).wish(Wish::Hold);
    let fate = |mode, opinion| dot(&[said_as(&slot("x", Concern::Spam, mode), opinion)]);
    assert_eq!(fate(Mode::Monitor, opinion()), (Rank::Mark, "deliver"));
    assert_eq!(fate(Mode::Off, opinion()), (Rank::Mark, "deliver"));
    assert_eq!(fate(Mode::Score, opinion()), (Rank::Score, "refuse"));
    assert_eq!(fate(Mode::Score, wish(Wish::Hold)), (Rank::Mark, "deliver"));
    assert_eq!(fate(Mode::Enforce, opinion()), (Rank::Reject, "hold"));
}

#[test]
fn a_mode_differs_by_domain() {
    let mut slot = slot("x", Concern::Spam, Mode::Enforce);
    let off = Exception {
        mode: Some(Mode::Off),
        ..Exception::default()
    };
    slot.domains = Arc::new(Exceptions::from_iter([("off.example", off)]));
    let said = [said_as(&slot, wish(reject()))];
    let fate = |domain| {
        let whom = Whom { domain, ..WHO };
        judge(&Rules::default(), &Fusion::default(), &said, whom, Phase::Message)
            .verdict
            .fate
            .name()
    };
    assert_eq!(
        (fate(Some("on.example")), fate(Some("off.example"))),
        ("refuse", "deliver")
    );
}

#[test]
fn exempt_silences_spam_and_never_danger() {
    let exempt = spam(wish(Wish::Exempt));
    let virus = danger(Opinion::points(Tag::new("virus.found"), Score::points(12), ""));
    assert_eq!(dot(&[exempt.clone(), virus]), (Rank::Score, "refuse"));
    let judged = at(&Rules::default(), &[exempt.clone(), spam(points(50))], Phase::Message);
    assert_eq!((judged.score, judged.verdict.level), (Score::ZERO, Level::None));
    for silenced in [reject(), defer(), Wish::Hold, Wish::Discard] {
        assert_eq!(dot(&[exempt.clone(), spam(wish(silenced))]), (Rank::Exempt, "deliver"));
    }
}

#[test]
fn standing_is_resolved_where_all_opinions_meet() {
    let rule = |standing| danger(Opinion::none().wish_for(Scope::Everyone, standing, reject()));
    let exempt = || spam(wish(Wish::Exempt));
    assert_eq!(dot(&[rule(Standing::NotExempt)]).1, "refuse");
    assert_eq!(dot(&[rule(Standing::NotExempt), exempt()]).1, "deliver");
    assert_eq!(dot(&[rule(Standing::Exempt)]).1, "deliver");
    assert_eq!(dot(&[rule(Standing::Exempt), exempt()]).1, "refuse");
}

#[test]
fn a_finding_for_a_standing_counts_for_mail_of_that_standing_only() {
    let rule = |standing| {
        let finding = Finding::new(Tag::new("test.points"), Evidence::Points(Score::points(3)), "");
        danger(Opinion::none().with(finding.counting_for(standing)))
    };
    let exempt = || spam(wish(Wish::Exempt));
    let score = |said: &[Said]| at(&Rules::default(), said, Phase::Message).score;
    for (standing, usual, exempted) in [
        (Standing::Any, 3, 3),
        (Standing::NotExempt, 3, 0),
        (Standing::Exempt, 0, 3),
    ] {
        assert_eq!(score(&[rule(standing)]), Score::points(usual), "{standing:?}");
        assert_eq!(
            score(&[rule(standing), exempt()]),
            Score::points(exempted),
            "{standing:?}"
        );
    }
}

#[test]
fn a_dry_run_takes_nothing_out() {
    let replace = || Edit::Replace(Replacement::new([], "gone"));
    let edits = |dry_run| {
        let rules = Rules {
            dry_run,
            ..Rules::default()
        };
        at(&rules, &[danger(wish(Wish::Edit(replace())))], Phase::Message)
            .verdict
            .marks
            .edits
    };
    assert!(edits(false).contains(&replace()));
    assert!(!edits(true).contains(&replace()));
}

#[test]
fn a_word_about_another_recipient_is_none_about_this_one() {
    let other = |wish| spam(Opinion::none().wish_for(Scope::Only(RecipientId(1)), Standing::Any, wish));
    for wish in [reject(), Wish::Exempt, Wish::Divert, defer()] {
        assert_eq!(dot(&[other(wish)]), (Rank::Mark, "deliver"));
    }
    let mut divert = spam(wish(Wish::Divert));
    divert.about = Some(RecipientId(1));
    assert_eq!(dot(&[divert]).1, "deliver", "said at RCPT about another recipient");
}

#[test]
fn what_can_count_for_a_recipient_is_looked_at_and_nothing_else() {
    let (here, there) = (RecipientId(0), RecipientId(1));
    let of = |about: Option<RecipientId>, opinion: Opinion| {
        let mut said = spam(opinion);
        said.about = about;
        (said.concerns(Some(here)), said.concerns(None))
    };
    let only = |who| Opinion::none().wish_for(Scope::Only(who), Standing::Any, defer());
    assert_eq!(of(Some(there), only(there)), (false, false));
    assert_eq!(
        of(Some(there), Opinion::none()),
        (false, false),
        "a fault about another one"
    );
    assert_eq!(of(Some(there), only(here)), (true, false));
    assert_eq!(of(Some(there), points(1)), (true, true), "it is said of all");
    assert_eq!(of(Some(here), only(there)), (true, false));
    assert_eq!(of(None, only(there)), (true, true));
}

#[test]
fn spare_cancels_a_defer_and_nothing_else() {
    let spare = || spam(wish(Wish::Spare));
    assert_eq!(dot(&[spam(wish(defer())), spare()]), (Rank::Mark, "deliver"));
    assert_eq!(dot(&[spam(wish(reject())), spare()]).1, "refuse");
    assert_eq!(dot(&[danger(wish(defer())), spare()]).1, "defer");
}

#[test]
fn a_defer_counts_only_for_doubtful_mail() {
    let between = Between {
        from: Score::points(1),
        below: Score::points(5),
    };
    let rules = Rules {
        defer_between: between,
        ..Rules::default()
    };
    for (score, fate) in [(0, "deliver"), (1, "defer"), (4, "defer"), (5, "deliver")] {
        for phase in [Phase::Rcpt, Phase::Message] {
            let said = [spam(points(score).wish(defer()))];
            assert_eq!(at(&rules, &said, phase).verdict.fate.name(), fate, "{score} at {phase}");
        }
    }
}

#[test]
fn refusals_are_held_back_until_the_moment_from_which_we_speak() {
    for (speak_from, phases) in [
        (SpeakFrom::Connect, ["refuse"; 5]),
        (SpeakFrom::Rcpt, ["deliver", "deliver", "deliver", "refuse", "refuse"]),
        (
            SpeakFrom::Message,
            ["deliver", "deliver", "deliver", "deliver", "refuse"],
        ),
    ] {
        let rules = Rules {
            speak_from,
            ..Rules::default()
        };
        for (phase, fate) in Phase::ALL.into_iter().zip(phases) {
            for said in [spam(wish(reject())), danger(wish(reject()))] {
                assert_eq!(
                    at(&rules, &[said], phase).verdict.fate.name(),
                    fate,
                    "{speak_from:?} {phase}"
                );
            }
        }
    }
    for (phase, fate) in Phase::ALL
        .into_iter()
        .zip(["deliver", "deliver", "deliver", "deliver", "refuse"])
    {
        assert_eq!(
            at(&Rules::default(), &[spam(points(20))], phase).verdict.fate.name(),
            fate,
            "points at {phase}"
        );
    }
}

#[test]
fn divert_and_deny_are_heard_at_rcpt_whenever_we_speak() {
    let rules = Rules {
        speak_from: SpeakFrom::Message,
        ..Rules::default()
    };
    let deny = Wish::Deny(Reply::plain(550, "not to me"));
    assert_eq!(
        at(&rules, &[spam(wish(deny))], Phase::Rcpt).verdict.fate.name(),
        "refuse"
    );
    let diverted = at(&rules, &[spam(wish(Wish::Divert))], Phase::Rcpt);
    assert_eq!(diverted.taker.as_deref(), Some("spam"));
    assert_eq!(
        at(&rules, &[spam(wish(Wish::Divert))], Phase::Mail).verdict.fate.name(),
        "deliver"
    );
}

#[test]
fn a_dry_run_says_what_it_would_do_and_delivers() {
    let rules = Rules {
        dry_run: true,
        ..Rules::default()
    };
    let close = Wish::Close(Reply::plain(554, "bye"));
    for (said, would) in [
        (danger(wish(reject())), "refuse"),
        (spam(wish(close)), "refuse"),
        (spam(points(30)), "refuse"),
        (spam(wish(Wish::Hold)), "hold"),
        (spam(wish(defer())), "defer"),
    ] {
        let judgement = at(&rules, &[said], Phase::Message);
        assert_eq!(judgement.verdict.fate, Fate::Deliver);
        assert_eq!(judgement.would.as_ref().map(Fate::name), Some(would));
        assert!(!judgement.close && judgement.verdict.keep.is_none());
        assert!(
            judgement
                .verdict
                .marks
                .edits
                .iter()
                .any(|e| stamp::name_of(e) == Some("X-Gatepost-Would"))
        );
    }
    assert_eq!(
        at(&rules, &[spam(wish(Wish::Divert))], Phase::Rcpt).verdict.fate,
        Fate::Divert
    );
}

#[test]
fn a_dry_run_of_a_domain_is_about_spam_and_obeys_danger() {
    let rules = Rules {
        dry_run: true,
        dry_for_spam: true,
        ..Rules::default()
    };
    let replace = || Wish::Edit(Edit::Replace(Replacement::new([], "gone")));
    for (said, fate, would) in [
        (vec![danger(wish(reject()))], "refuse", None),
        (vec![danger(wish(Wish::Hold)), spam(points(30))], "hold", None),
        (vec![danger(wish(defer())), spam(wish(reject()))], "defer", None),
        (vec![danger(points(10))], "refuse", None),
        (vec![danger(points(10)), spam(wish(Wish::Hold))], "refuse", Some("hold")),
        (
            vec![danger(points(10)), spam(points(-5)), spam(wish(reject()))],
            "deliver",
            Some("refuse"),
        ),
        (vec![danger(points(9)), spam(points(9))], "deliver", Some("refuse")),
        (vec![spam(wish(reject()))], "deliver", Some("refuse")),
        (vec![spam(wish(defer()))], "deliver", Some("defer")),
        (
            vec![danger(wish(replace())), spam(points(30))],
            "deliver",
            Some("refuse"),
        ),
    ] {
        let judgement = at(&rules, &said, Phase::Message);
        let would_be = judgement.would.as_ref().map(Fate::name);
        assert_eq!((judgement.verdict.fate.name(), would_be), (fate, would), "{said:?}");
        assert_eq!(judgement.verdict.danger, fate != "deliver", "{said:?}");
        assert!(!judgement.may_return, "{said:?}");
        let edits = &judgement.verdict.marks.edits;
        let takes_out = said
            .iter()
            .any(|said| said.opinion.wishes().iter().any(|(_, _, wish)| *wish == replace()));
        assert_eq!(edits.iter().any(takes_out_a_part), takes_out, "{said:?}");
    }
    let scanner = Slot {
        on_fault: OnFault::Defer,
        ..slot("virus", Concern::Danger, Mode::Enforce)
    };
    let away = Some("away".into());
    let faulty = Said::new(&scanner, Phase::Message, Audience::Everyone, Opinion::none(), away);
    assert_eq!(at(&rules, &[faulty], Phase::Message).verdict.fate.name(), "defer");
    let close = at(
        &rules,
        &[danger(wish(Wish::Close(Reply::plain(554, "bye"))))],
        Phase::Rcpt,
    );
    assert!(close.close && matches!(close.verdict.fate, Fate::Refuse(_)));
}

#[test]
fn a_customers_levels_let_no_danger_through_that_the_operators_refuse() {
    let site = Rules::default();
    let customers = |json: &str| {
        let layer = serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"));
        site.clone().for_customer(&layer)
    };
    let high = r#"{"high": {"action": "header"}}"#;
    let out_of_reach = r#"{"low": {"threshold": 998}, "medium": {"threshold": 999}, "high": {"threshold": 1000}}"#;
    let strict = r#"{"low": {"threshold": 1}, "medium": {"threshold": 2}, "high": {"threshold": 2}}"#;
    for (json, said, fate) in [
        (high, vec![danger(points(20))], "refuse"),
        (out_of_reach, vec![danger(points(20))], "refuse"),
        // Nor do points for the sender that its own filters give.
        ("{}", vec![danger(points(10)), spam(points(-500))], "refuse"),
        (r#"{"high": {"action": "hold"}}"#, vec![danger(points(20))], "refuse"),
        (
            r#"{"spam_lover": true, "high": {"action": "header"}}"#,
            vec![danger(points(20))],
            "refuse",
        ),
        (
            r#"{"dry_run": true, "high": {"action": "header"}}"#,
            vec![danger(points(20))],
            "refuse",
        ),
        (
            r#"{"spam_lover": true, "dry_run": true}"#,
            vec![danger(points(10)), spam(points(-5))],
            "refuse",
        ),
        // It may be stricter itself.
        (strict, vec![danger(points(2))], "refuse"),
        // What is about spam is its own affair.
        (high, vec![spam(points(20))], "deliver"),
        (high, vec![danger(points(9)), spam(points(20))], "deliver"),
    ] {
        let rules = customers(json);
        let judgement = at(&rules, &said, Phase::Message);
        assert_eq!(judgement.verdict.fate.name(), fate, "{json} {said:?}");
        assert_eq!(judgement.verdict.danger, fate == "refuse", "{json} {said:?}");
        if fate == "refuse" {
            assert!(!judgement.may_return && !judgement.verdict.because.is_empty(), "{json}");
            assert!(judgement.verdict.because.contains(&Tag::new("policy.high")), "{json}");
        }
        // Nor does the layer of one of its people.
        let ann = rules.for_customer(&serde_json::from_str(high).expect("a layer"));
        let fate = at(&ann, &[danger(points(20))], Phase::Message).verdict.fate;
        assert_eq!(fate.name(), "refuse", "{json}");
    }
    // The operator's own table says otherwise.
    let operators = site.clone().for_some(&serde_json::from_str(high).expect("a layer"));
    assert_eq!(
        at(&operators, &[danger(points(20))], Phase::Message)
            .verdict
            .fate
            .name(),
        "deliver"
    );
}

#[test]
fn nothing_speaks_for_the_sender_of_danger_to_one_who_loves_spam_in_a_dry_run_either() {
    let lover = |dry_run| Rules {
        spam_lover: true,
        dry_run,
        dry_for_spam: dry_run,
        ..Rules::default()
    };
    for dry_run in [false, true] {
        let judgement = at(&lover(dry_run), &[danger(points(10)), spam(points(-5))], Phase::Message);
        assert_eq!(judgement.verdict.fate.name(), "refuse", "dry_run = {dry_run}");
    }
}

fn takes_out_a_part(edit: &Edit) -> bool {
    matches!(edit, Edit::Replace(_))
}

#[test]
fn what_danger_refuses_at_the_dot_is_told_whatever_was_overruled_before() {
    let rules = Rules {
        dry_run: true,
        dry_for_spam: true,
        ..Rules::default()
    };
    let overruled = at(&rules, &[spam(wish(defer()))], Phase::Rcpt)
        .overruled()
        .expect("overruled");
    let virus = at(&rules, &[danger(wish(reject()))], Phase::Message);
    assert_eq!(virus.clone().after(&overruled), virus);
    let clean = at(&rules, &[], Phase::Message).after(&overruled);
    assert_eq!(clean.would.as_ref().map(Fate::name), Some("defer"));
}

#[test]
fn close_is_a_refusal_that_closes() {
    let close = |code| spam(wish(Wish::Close(Reply::new(code, None, "bye"))));
    let judgement = at(&Rules::default(), &[close(554)], Phase::Rcpt);
    assert!(judgement.close && judgement.verdict.fate.name() == "refuse");
    let judgement = at(&Rules::default(), &[close(421)], Phase::Rcpt);
    assert!(judgement.close && judgement.verdict.fate == Fate::Defer(Reply::plain(421, "bye")));
    assert!(!at(&Rules::default(), &[spam(wish(reject()))], Phase::Rcpt).close);
}

#[test]
fn a_fault_is_what_the_operator_wrote() {
    let faulty = |concern, mode, on_fault| {
        let slot = Slot {
            on_fault,
            ..slot("x", concern, mode)
        };
        Said::new(
            &slot,
            Phase::Message,
            Audience::Everyone,
            Opinion::none(),
            Some("broken".into()),
        )
    };
    for (on_fault, fate) in [
        (OnFault::Ignore, "deliver"),
        (OnFault::Mark, "deliver"),
        (OnFault::Defer, "defer"),
        (OnFault::Hold, "hold"),
    ] {
        for concern in [Concern::Spam, Concern::Danger] {
            assert_eq!(dot(&[faulty(concern, Mode::Enforce, on_fault)]).1, fate, "{on_fault:?}");
            assert_eq!(dot(&[faulty(concern, Mode::Score, on_fault)]).1, fate, "{on_fault:?}");
            assert_eq!(
                dot(&[faulty(concern, Mode::Monitor, on_fault)]).1,
                "deliver",
                "{on_fault:?}"
            );
        }
    }
    let marked = at(
        &Rules::default(),
        &[faulty(Concern::Spam, Mode::Enforce, OnFault::Mark)],
        Phase::Message,
    );
    assert_eq!(
        stamp::name_of(&marked.verdict.marks.edits[0]),
        Some("X-Gatepost-Unchecked")
    );
    let exempt = spam(wish(Wish::Exempt));
    assert_eq!(
        dot(&[faulty(Concern::Spam, Mode::Enforce, OnFault::Defer), exempt.clone()]).1,
        "deliver"
    );
    assert_eq!(
        dot(&[faulty(Concern::Danger, Mode::Enforce, OnFault::Defer), exempt]).1,
        "defer"
    );
}

/// A fusion that knows much ham, all of it far from spam.
fn experienced() -> Fusion {
    Fusion::default().knowing(Ham {
        count: 1e9,
        level: -3.0,
        excess: 1.0,
    })
}

#[test]
fn classifiers_become_points_once_and_together() {
    let vote = |value| {
        let evidence = Evidence::LogOdds { value, support: 1_000 };
        spam(Opinion::none().with(Finding::new(Tag::new("bayes.spam"), evidence, "")))
    };
    let rules = Rules::default();
    let score = |said: &[Said]| judge(&rules, &experienced(), said, WHO, Phase::Message).score;
    assert!(score(&[vote(20.0)]) > Score::points(5));
    assert!(score(&[vote(20.0), vote(20.0), vote(20.0)]) <= rules.classifiers);
    assert!(score(&[vote(-20.0)]) < Score::points(-3));
}

#[test]
fn at_the_chosen_risk_the_classifiers_alone_make_the_highest_level() {
    let level = |risk: &str, beyond: f32| {
        let rules = Rules {
            ham_risk: risk.parse().expect("a risk"),
            ..Rules::default()
        };
        let fusion = experienced();
        let threshold = fusion.clone().with_risk(rules.ham_risk.share()).threshold();
        let evidence = Evidence::LogOdds {
            value: threshold + beyond,
            support: u32::MAX,
        };
        let said = spam(Opinion::none().with(Finding::new(Tag::new("test.odds"), evidence, "")));
        judge(&rules, &fusion, &[said], WHO, Phase::Message)
    };
    for risk in ["1 in 10", "1 in 1000", "1 in 100000"] {
        let reached = level(risk, 0.01);
        assert_eq!(reached.verdict.level, Level::High, "{risk}");
        let fused = reached.fused.expect("the classifiers said something");
        assert_eq!(fused.points, reached.score, "{risk}: their points are the whole sum");
        assert!(level(risk, -1.5).verdict.level < Level::High, "{risk}");
    }
    let thresholds = ["1 in 10", "1 in 1000"].map(|risk| level(risk, 0.0).fused.map(|fused| fused.threshold));
    assert!(thresholds[0] < thresholds[1], "less risk asks for more: {thresholds:?}");
}

#[test]
fn without_a_classifier_that_speaks_there_is_no_word_of_them() {
    assert_eq!(at(&Rules::default(), &[spam(points(2))], Phase::Message).fused, None);
    let evidence = Evidence::LogOdds {
        value: 9.0,
        support: 1_000,
    };
    let monitored = said_as(
        &slot("bayes", Concern::Spam, Mode::Monitor),
        Opinion::none().with(Finding::new(Tag::new("bayes.odds"), evidence, "")),
    );
    let judged = at(&Rules::default(), &[monitored], Phase::Message);
    assert_eq!((judged.fused, judged.score), (None, Score::ZERO));
}

#[test]
fn the_reasons_are_the_findings_that_decided() {
    let because = |said: &[Said]| {
        let verdict = at(&Rules::default(), said, Phase::Message).verdict;
        verdict
            .because
            .iter()
            .map(|tag| tag.as_str().to_owned())
            .collect::<Vec<_>>()
    };
    let big = Opinion::points(Tag::new("x.big"), Score::points(9), "");
    assert_eq!(
        because(&[spam(points(2)), spam(big)]),
        ["x.big", "test.points", "policy.high"]
    );
    assert_eq!(because(&[danger(wish(reject()))]), ["virus.reject"]);
    assert_eq!(because(&[danger(points(1).wish(reject()))]), ["test.points"]);
    assert_eq!(because(&[spam(points(1))]), Vec::<String>::new());
}

#[test]
fn postmaster_passes_the_spam_checks_and_not_the_others() {
    let role = Whom { role: true, ..WHO };
    let fate = |rules: &Rules, said: Said| {
        judge(rules, &Fusion::default(), &[said], role, Phase::Rcpt)
            .verdict
            .fate
            .name()
    };
    assert_eq!(fate(&Rules::default(), spam(wish(reject()))), "deliver");
    assert_eq!(fate(&Rules::default(), danger(wish(reject()))), "refuse");
    let strict = Rules {
        role_accounts: false,
        ..Rules::default()
    };
    assert_eq!(fate(&strict, spam(wish(reject()))), "refuse");
}

#[test]
fn what_is_refused_for_its_content_is_kept_unless_its_level_says_otherwise() {
    let rules = Rules::default();
    let keep = |said, phase| at(&rules, &[said], phase).verdict.keep;
    assert_eq!(keep(spam(points(20)), Phase::Message), Some(Terms::copy("refused")));
    assert_eq!(keep(spam(wish(reject())), Phase::Rcpt), None);
    assert_eq!(keep(spam(wish(defer())), Phase::Message), None);
    assert_eq!(
        keep(
            spam(wish(Wish::Deny(Reply::fixed(550, Enhanced(5, 7, 1), "no")))),
            Phase::Message
        ),
        Some(Terms::durable("denied")),
        "only where others get the mail"
    );
    let mut others = Rules::default();
    others.levels[3].keep = Some(false);
    assert_eq!(at(&others, &[spam(points(20))], Phase::Message).verdict.keep, None);
    let others = Rules {
        keep_days: Days(Some(7)),
        ..Rules::default()
    };
    let kept = at(&others, &[spam(points(20))], Phase::Message).verdict.keep;
    assert_eq!(kept, Some(Terms::copy("refused").for_days(Some(7))));
    assert_eq!(
        keep(spam(wish(Wish::Discard)), Phase::Message),
        Some(Terms::durable("discarded"))
    );
}

#[test]
fn what_is_kept_because_of_danger_says_so_whatever_became_of_it() {
    let rules = Rules::default();
    let verdict = |said| at(&rules, &[said], Phase::Message).verdict;
    for (said, terms) in [
        (danger(wish(Wish::Hold)), Terms::durable(Terms::DANGEROUS)),
        (danger(wish(Wish::Discard)), Terms::durable(Terms::DANGEROUS)),
        (danger(wish(reject())), Terms::copy(Terms::DANGEROUS)),
        (danger(points(10)), Terms::copy(Terms::DANGEROUS)),
        (spam(wish(Wish::Hold)), Terms::durable("held")),
        (spam(points(10)), Terms::copy("refused")),
    ] {
        let verdict = verdict(said);
        assert_eq!(verdict.danger, terms.reason.as_ref() == Terms::DANGEROUS);
        assert_eq!(verdict.keep, Some(terms));
    }
}

#[test]
fn mail_with_a_part_that_was_to_be_taken_out_is_not_kept_as_if_it_were_only_spam() {
    let out = || danger(wish(Wish::Edit(Edit::Replace(Replacement::new([], "gone")))));
    let reason = |said: &[Said]| {
        let verdict = at(&Rules::default(), said, Phase::Message).verdict;
        verdict.keep.map(|terms| terms.reason)
    };
    assert_eq!(reason(&[spam(wish(Wish::Hold))]).as_deref(), Some("held"));
    for kept in [Wish::Hold, Wish::Discard] {
        assert_eq!(reason(&[spam(wish(kept)), out()]).as_deref(), Some(Terms::DANGEROUS));
    }
    // Where it is delivered, it is delivered without.
    let verdict = at(&Rules::default(), &[out()], Phase::Message).verdict;
    assert!(!verdict.danger && verdict.keep.is_none());
}

#[test]
fn what_a_wish_takes_care_of_weighs_only_where_the_wish_does_not_count() {
    let finding = Finding::new(Tag::new("virus.gone"), Evidence::Points(Score::points(10)), "");
    let opinion = Opinion::none().with(finding.instead_of_wishes());
    let fate = |mode| dot(&[said_as(&slot("virus", Concern::Danger, mode), opinion.clone())]);
    assert_eq!(fate(Mode::Enforce), (Rank::Mark, "deliver"));
    assert_eq!(fate(Mode::Score), (Rank::Score, "refuse"));
    assert_eq!(fate(Mode::Monitor), (Rank::Mark, "deliver"));
}

#[test]
fn openness_follows_the_ranks() {
    let open = |said: &[Said]| openness(&Rules::default(), said, WHO);
    assert_eq!(open(&[spam(points(50))]), Openness::Open);
    assert_eq!(open(&[spam(wish(Wish::Hold))]), Openness::Open);
    assert_eq!(open(&[spam(wish(reject()))]), Openness::Refused);
    assert_eq!(
        open(&[spam(wish(reject())), spam(wish(Wish::Exempt))]),
        Openness::Exempt
    );
    assert_eq!(
        open(&[danger(wish(reject())), spam(wish(Wish::Exempt))]),
        Openness::Closed
    );
    assert_eq!(open(&[spam(wish(Wish::Divert))]), Openness::Closed);
    let dry = Rules {
        dry_run: true,
        ..Rules::default()
    };
    assert_eq!(openness(&dry, &[danger(wish(reject()))], WHO), Openness::Open);
}

#[test]
fn only_mail_that_points_refuse_and_nothing_forbids_may_return_with_a_code() {
    let rules = Rules::default();
    let tagged = |tag, points| spam(Opinion::points(Tag::new(tag), Score::points(points), ""));
    let may = |said: &[Said]| at(&rules, said, Phase::Message).may_return;
    assert!(may(&[spam(points(10))]));
    assert!(may(&[spam(points(10)), tagged("dnsbl.shortener", 1)]));
    assert!(may(&[
        spam(points(20)),
        tagged("dnsbl.good", -3),
        tagged("dnsbl.zen", 0)
    ]));
    for said in [
        vec![spam(points(9))],
        vec![spam(wish(reject()))],
        vec![danger(wish(reject())), spam(points(20))],
        vec![
            spam(points(20)),
            spam(wish(Wish::Deny(Reply::fixed(550, Enhanced(5, 7, 1), "no")))),
        ],
        vec![spam(points(20)), tagged("dnsbl.zen", 1)],
        vec![spam(points(20)), tagged("conduct.forged_sender", 1)],
        // With the code it would be refused once more: the points of danger count for exempt mail, too.
        vec![danger(points(10))],
        vec![
            spam(points(20)),
            danger(wish(Wish::Edit(Edit::Replace(Replacement::new([], "gone"))))),
        ],
    ] {
        assert!(!may(&said), "{said:?}");
    }
    let early = at(&rules, &[spam(points(20))], Phase::Rcpt);
    assert!(!early.may_return);
    let dry = Rules {
        dry_run: true,
        ..Rules::default()
    };
    assert!(!at(&dry, &[spam(points(20))], Phase::Message).may_return);
    let none = Rules {
        no_code_for: Vec::new(),
        ..Rules::default()
    };
    assert!(at(&none, &[spam(points(20)), tagged("dnsbl.zen", 1)], Phase::Message).may_return);
}

#[test]
fn a_refusal_by_points_says_why_in_plain_words() {
    let said = [
        spam(Opinion::points(Tag::new("conduct.no_date"), Score::points(4), "")),
        spam(Opinion::points(Tag::new("bayes.odds"), Score::points(7), "")),
    ];
    let Fate::Refuse(reply) = at(&Rules::default(), &said, Phase::Message).verdict.fate else {
        panic!("refused")
    };
    assert!(reply.text().contains("Its content looks like spam"), "{reply}");
}
