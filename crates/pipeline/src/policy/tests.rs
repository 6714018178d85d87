use gatepost_core::Address;

use super::*;

fn layer(json: &str) -> Layer {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

#[test]
fn a_domain_inherits_what_it_does_not_say() {
    let general = layer(r#"{"dry_run": true, "low": {"threshold": 2}, "high": {"threshold": 20, "action": "hold"}}"#);
    let own = layer(r#"{"high": {"action": "reject"}, "speak_from": "message"}"#);
    let policy = Policy::new(&general, [("Own.Example", &own)]);
    let rules = policy.rules(Some("own.example"), None);
    assert!(rules.dry_run);
    assert_eq!(rules.speak_from, SpeakFrom::Message);
    let high = rules.grade(Level::High);
    assert_eq!((high.threshold, high.action), (Score::points(20), Action::Reject));
    assert_eq!(rules.grade(Level::Low).threshold, Score::points(2));
    assert_eq!(rules.grade(Level::Medium), Rules::default().grade(Level::Medium));
    for other in [Some("other.example"), None] {
        assert_eq!(policy.rules(other, None).grade(Level::High).action, Action::Hold);
        assert_eq!(policy.rules(other, None).speak_from, SpeakFrom::Rcpt);
    }
}

#[test]
fn only_the_site_can_be_dry_about_danger() {
    for (site, domain, user, dry, for_danger) in [
        ("true", "{}", "{}", true, true),
        ("true", r#"{"dry_run": true}"#, "{}", true, true),
        ("true", r#"{"dry_run": false}"#, "{}", false, false),
        ("true", r#"{"dry_run": false}"#, r#"{"dry_run": true}"#, true, false),
        ("true", "{}", r#"{"keep_days": 3}"#, true, true),
        ("false", r#"{"dry_run": true}"#, "{}", true, false),
        ("false", r#"{"dry_run": true}"#, r#"{"keep_days": 3}"#, true, false),
        ("false", "{}", r#"{"dry_run": true}"#, true, false),
        ("false", "{}", "{}", false, false),
    ] {
        let (site, domain, user) = (layer(&format!(r#"{{"dry_run": {site}}}"#)), layer(domain), layer(user));
        let policy = Policy::new(&site, [("d.example", &domain)]).with_users("d.example", [("ann", &user)]);
        let rules = policy.rules(Some("d.example"), Some("ann"));
        assert_eq!(
            (rules.dry_run, rules.is_dry_for_danger()),
            (dry, for_danger),
            "{site:?} {domain:?} {user:?}"
        );
    }
}

#[test]
fn what_is_kept_and_where_copies_go_differs_by_level_and_domain() {
    let general = layer(r#"{"spambox": "spam@{domain}", "medium": {"keep": false}, "keep_days": 7}"#);
    let own = layer(r#"{"spambox": "", "high": {"spambox": "{user}+spam@{domain}"}, "keep_refused": false}"#);
    let policy = Policy::new(&general, [("own.example", &own)]);
    let rules = |domain| policy.rules(domain, None).clone();
    let kept = |domain| Level::ALL.map(|level| rules(domain).keeps(level));
    assert_eq!(kept(None), [true, true, false, true]);
    assert_eq!(kept(Some("own.example")), [false; 4]);
    assert_eq!(rules(Some("own.example")).keep_days, Days(Some(7)));
    let copies = |domain, held| {
        Level::ALL.map(|level| {
            let to = rules(domain)
                .spambox(level, held)?
                .address(&Address::parse("bob@d.example", true).ok()?)?;
            Some(to.local().to_owned())
        })
    };
    let spam = Some("spam".to_owned());
    assert_eq!(copies(None, false), [spam.clone(), spam.clone(), spam.clone(), spam]);
    assert_eq!(copies(None, true), [None, None, None, None]);
    for held in [false, true] {
        let own = copies(Some("own.example"), held);
        assert_eq!(own, [None, None, None, Some("bob+spam".to_owned())]);
    }
}

#[test]
fn an_empty_layer_changes_nothing_and_the_last_layer_wins() {
    assert_eq!(Rules::fold([&layer("{}")]), Rules::default());
    let (first, second) = (layer(r#"{"hops": 30, "own_hops": 1}"#), layer(r#"{"hops": 40}"#));
    let rules = Rules::fold([&first, &second]);
    assert_eq!((rules.hops, rules.own_hops), (40, 1));
}

#[test]
fn each_threshold_begins_its_level() {
    let rules = Rules::default();
    let levels = [-5, 0, 299, 300, 599, 600, 999, 1000, 5000].map(|n| rules.level(Score::hundredths(n)));
    use Level::{High, Low, Medium, None};
    assert_eq!(levels, [None, None, None, Low, Low, Medium, Medium, High, High]);
}

#[test]
fn what_cannot_be_read_is_a_mistake() {
    for bad in [
        r#"{"dry_rum": true}"#,
        r#"{"low": {"score": 1}}"#,
        r#"{"high": {"action": "bounce"}}"#,
        r#"{"high": {"tag": " [SPAM]"}}"#,
        r#"{"defer_between": [5, 1]}"#,
        r#"{"deadline": "soon"}"#,
        r#"{"strip_headers": ["X Spam"]}"#,
        r#"{"refusal": "{who}"}"#,
        r#"{"refusal_with_code": "250 {code}"}"#,
        r#"{"no_code_for": ["dnsbl"]}"#,
        r#"{"contact": "{id}"}"#,
        r#"{"spambox": "{who}@{domain}"}"#,
        r#"{"high": {"spambox": "spam"}}"#,
        r#"{"keep_days": 0}"#,
    ] {
        assert!(serde_json::from_str::<Layer>(bad).is_err(), "{bad}");
    }
    let good = layer(r#"{"defer_between": [1, 5], "deadline": "30s", "strip_headers": ["X-Spam-*"]}"#);
    assert_eq!(good.deadline, Some(Span(Duration::from_secs(30))));
}

#[test]
fn what_cannot_be_meant_is_named() {
    let keys = |json| {
        Rules::fold([&layer(json)])
            .mistakes()
            .into_iter()
            .map(|(key, _)| key)
            .collect::<Vec<_>>()
    };
    assert_eq!(keys("{}"), Vec::<&str>::new());
    assert_eq!(
        keys(r#"{"low": {"threshold": 7}, "high": {"threshold": 2}}"#),
        ["medium", "high"]
    );
    assert_eq!(keys(r#"{"deadline": "10m"}"#), ["deadline"]);
    assert_eq!(keys(r#"{"refusal": "no {code}"}"#), ["refusal"]);
    assert_eq!(keys(r#"{"refusal_with_code": "no {code}"}"#), Vec::<&str>::new());
    assert_eq!(
        keys(r#"{"spambox": "spam@{domain}", "keep_refused": false}"#),
        ["spambox"]
    );
    assert_eq!(
        keys(r#"{"spambox": "spam@{domain}", "keep_refused": false, "high": {"keep": true}}"#),
        Vec::<&str>::new()
    );
    assert_eq!(
        keys(r#"{"high": {"spambox": "spam@{domain}", "keep": false}}"#),
        ["high"]
    );
    assert_eq!(
        keys(r#"{"high": {"spambox": "spam@{domain}", "keep": false, "action": "hold"}}"#),
        Vec::<&str>::new()
    );
    assert_eq!(keys(r#"{"deadline": "10s"}"#), ["soft_deadline"]);
    assert_eq!(layer(r#"{"hops": 3, "dry_run": true}"#).of_the_site(), ["hops"]);
}

#[test]
fn scores_between_two_are_in_and_the_upper_one_is_out() {
    let between = Between::try_from([Score::points(1), Score::points(5)]).expect("in order");
    let inside = [0, 100, 499, 500].map(|n| between.contains(Score::hundredths(n)));
    assert_eq!(inside, [false, true, true, false]);
    assert!(Between::ALL.contains(Score::MAX) && Between::ALL.contains(Score::hundredths(i32::MIN)));
}

#[test]
fn every_field_is_documented_in_the_schema() {
    let schema = serde_json::to_value(schemars::schema_for!(Layer)).expect("a schema");
    let fields = schema["properties"].as_object().expect("an object");
    assert!(fields.len() > 15);
    for (name, field) in fields {
        assert!(field["description"].is_string(), "{name}");
    }
}
