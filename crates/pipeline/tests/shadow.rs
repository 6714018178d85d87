//! The dry run (O-02): a stream of mixed mails, once under a policy in force and once in its shadow. What is counted is the
//! same, and what is delivered is what passes through without any filter, but for fields of our own.

mod house;

use std::sync::Arc;
use std::time::Duration;

use gatepost_core::message::Edit;
use gatepost_core::{
    Concern, Level, MailParams, Opinion, Phase, RecipientId, Record, Reply, Scope, Score, Standing, Tag, Wish,
};
use gatepost_pipeline::Slot;
use gatepost_pipeline::shadow::{Report, Tally};
use house::*;
use proptest::prelude::*;

const PEOPLE: [&str; 6] = ["ann", "bob", "lover", "keeper", "binner", "tagger"];

/// Users under policies of their own; in the shadow all else is the same.
fn users() -> Vec<(String, String)> {
    [
        ("lover", r#"{"spam_lover": true}"#),
        ("keeper", r#"{"medium": {"action": "hold"}}"#),
        ("binner", r#"{"high": {"action": "discard"}}"#),
        ("tagger", r#"{"low": {"action": "subject"}}"#),
    ]
    .map(|(name, layer)| (name.into(), layer.into()))
    .into()
}

/// One thing that a filter says.
#[derive(Clone, Debug)]
struct Word {
    concern: Concern,
    phase: Phase,
    opinion: Opinion,
    delay: bool,
}

fn wishes() -> impl Strategy<Value = Wish> {
    prop::sample::select(vec![
        Wish::Exempt,
        Wish::Spare,
        Wish::Defer(Reply::plain(451, "come again")),
        Wish::Deny(Reply::plain(550, "not me")),
        Wish::Reject(Reply::plain(550, "go away")),
        Wish::Close(Reply::plain(554, "and do not come back")),
        Wish::Hold,
        Wish::Discard,
        Wish::Edit(Edit::prepend("X-Gatepost-Found", "something").expect("a name")),
        Wish::Edit(Edit::remove("Message-ID").expect("a name")),
    ])
}

fn words() -> impl Strategy<Value = Word> {
    let points = (-3..14_i32).prop_map(|points| Opinion::points(Tag::new("shadow.points"), Score::points(points), ""));
    let scopes = prop::sample::select(vec![
        Scope::Everyone,
        Scope::Only(RecipientId(0)),
        Scope::Only(RecipientId(1)),
    ]);
    let wish = (scopes, wishes()).prop_map(|(scope, wish)| Opinion::none().wish_for(scope, Standing::Any, wish));
    let concerns = prop::sample::select(vec![Concern::Spam, Concern::Spam, Concern::Spam, Concern::Danger]);
    let phases = prop::sample::select(vec![
        Phase::Connect,
        Phase::Helo,
        Phase::Mail,
        Phase::Rcpt,
        Phase::Message,
        Phase::Message,
    ]);
    let opinion = prop_oneof![3 => points, 2 => wish];
    (concerns, phases, opinion, any::<bool>()).prop_map(|(concern, phase, opinion, delay)| Word {
        concern,
        phase,
        opinion,
        delay,
    })
}

#[derive(Clone, Debug)]
struct Mail {
    words: Vec<Word>,
    to: Vec<&'static str>,
    /// Whether the sender wants a word on each recipient.
    prdr: bool,
}

fn mails() -> impl Strategy<Value = Mail> {
    let to = prop::sample::subsequence(PEOPLE.to_vec(), 1..4);
    (prop::collection::vec(words(), 0..4), to, any::<bool>()).prop_map(|(words, to, prdr)| Mail { words, to, prdr })
}

fn filters(words: &[Word]) -> Vec<Slot> {
    let slots = words.iter().enumerate().map(|(n, word)| {
        let mut opinion = word.opinion.clone();
        if word.delay {
            opinion = opinion.wish(Wish::Delay(Duration::from_secs(3)));
        }
        Slot {
            concern: word.concern,
            ..at(&format!("filter{n}"), word.phase, opinion)
        }
    });
    slots.collect()
}

/// What one transaction left behind.
struct Left {
    replies: Vec<String>,
    mail: Vec<String>,
    records: Vec<Record>,
    kept: Vec<String>,
    waited: Duration,
}

async fn play(filters: Vec<Slot>, policy: &str, to: &[&str], prdr: bool) -> Left {
    let (mut house, archive) = house(filters).archive();
    house.policy = policy.into();
    house.users = users();
    let mut session = house.session().await;
    let mut waited = session.reception.delay();
    let params = MailParams {
        prdr,
        ..MailParams::default()
    };
    assert!(
        session.mail_with("a@b.example", params).await.starts_with("250"),
        "before RCPT nobody is refused"
    );
    let mut replies = Vec::new();
    for to in to {
        replies.push(session.rcpt(&format!("{to}@d.example")).await);
        waited += session.reception.delay();
    }
    if replies.iter().any(|reply| reply.starts_with("250")) {
        let said = session.send(MAIL).await;
        replies.extend(said.lines().map(ToOwned::to_owned));
    }
    let records = session.records().await;
    let (mail, kept) = (session.server.mail(), archive.0.lock().unwrap().clone());
    Left {
        replies,
        mail,
        records,
        kept,
        waited,
    }
}

/// A delivered mail without what we wrote on it.
fn without_ours(mail: &str) -> String {
    let mut ours = false;
    let mut head = true;
    let lines = mail.split_inclusive("\r\n").filter(|line| {
        head &= *line != "\r\n";
        if head && !line.starts_with([' ', '\t']) {
            ours = ["X-Gatepost-", "Received:", "Authentication-Results:", "Received-SPF:"]
                .iter()
                .any(|name| line.starts_with(name));
        }
        !(head && ours)
    });
    lines.collect()
}

fn count(records: &[Record]) -> Report {
    let mut tally = Tally::default();
    records.iter().for_each(|record| tally.add(record, |_| true));
    tally.report()
}

const SHADOW: &str = r#"{"dry_run": true}"#;

async fn both(mail: &Mail) -> (Left, Left) {
    let force = play(filters(&mail.words), "{}", &mail.to, mail.prdr).await;
    let shadow = play(filters(&mail.words), SHADOW, &mail.to, mail.prdr).await;
    (force, shadow)
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    runtime.expect("a runtime").block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_000) })]

    #[test]
    fn in_the_shadow_mail_passes_through_and_the_counts_are_those_of_the_policy_in_force(mail in mails()) {
        let (force, shadow) = block_on(both(&mail));
        let through = block_on(play(Vec::new(), "{}", &mail.to, mail.prdr));
        // Nothing is enforced: each recipient is granted, the mail taken, nobody waits and nothing is kept.
        prop_assert!(shadow.replies.iter().all(|reply| reply.starts_with("250")), "{:?}", shadow.replies);
        prop_assert_eq!(shadow.waited, Duration::ZERO);
        prop_assert!(shadow.kept.is_empty(), "{:?}", shadow.kept);
        // One delivery, but for those whose fields of ours differ where the sender hears about each.
        prop_assert!(shadow.mail.len() == 1 || (mail.prdr && !shadow.mail.is_empty()), "{:?}", shadow.mail);
        for delivered in &shadow.mail {
            prop_assert_eq!(without_ours(delivered), without_ours(&through.mail[0]));
            prop_assert_eq!(without_ours(delivered), MAIL);
        }
        // And the record says what would have been.
        let (was, would) = (count(&force.records), count(&shadow.records));
        prop_assert_eq!(&was.fates, &would.fates, "{:#?}\n{:#?}", force.records, shadow.records);
        prop_assert_eq!(&was.reasons, &would.reasons, "{:#?}\n{:#?}", force.records, shadow.records);
        prop_assert_eq!(was.overruled, 0);
        if force.replies.iter().take(mail.to.len()).all(|reply| reply.starts_with("250")) {
            prop_assert_eq!(&was.levels, &would.levels, "all was found in both");
        }
    }
}

/// The same over a stream of a thousand mails, counted together.
#[test]
fn a_thousand_mixed_mails_count_the_same_in_shadow_and_in_force() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let (mut force, mut shadow) = (Tally::default(), Tally::default());
    for _ in 0..1_000 {
        let mail = mails().new_tree(&mut runner).expect("a mail").current();
        let (one, other) = block_on(both(&mail));
        one.records.iter().for_each(|record| force.add(record, |_| true));
        other.records.iter().for_each(|record| shadow.add(record, |_| true));
    }
    let (force, shadow) = (force.report(), shadow.report());
    assert_eq!(force.fates, shadow.fates);
    assert_eq!(force.reasons, shadow.reasons);
    assert_eq!(force.senders, shadow.senders);
    assert_eq!(
        (force.mails, force.recipients, force.overruled),
        (shadow.mails, shadow.recipients, 0)
    );
    // The stream has some of each.
    for fate in ["deliver", "defer", "hold", "refuse", "discard"] {
        assert!(force.fates[fate] > 10, "{fate}: {:?}", force.fates);
    }
    assert!(shadow.overruled > 300, "{}", shadow.overruled);
}

#[tokio::test(start_paused = true)]
async fn one_domain_in_the_shadow_is_spared_what_the_others_get() {
    let banned = || {
        at(
            "ban",
            Phase::Connect,
            wish(Wish::Close(Reply::plain(554, "banned"))).wish(Wish::Delay(Duration::from_secs(5))),
        )
    };
    let mut session = house([banned()])
        .policy(r#"{"speak_from": "connect"}"#)
        .domain("d.example", SHADOW)
        .session()
        .await;
    assert_eq!(
        session.reception.delay(),
        Duration::ZERO,
        "nobody knows yet whose mail it is"
    );
    assert_eq!(codes(&session.transaction(&["u@d.example"]).await), ["250", "250"]);
    assert_eq!(session.reception.delay(), Duration::ZERO);
    assert_eq!(codes(&session.transaction(&["u@e.example"]).await), ["554"]);
    assert_eq!(
        session.reception.delay(),
        Duration::from_secs(5),
        "put off, and then due"
    );
    let records = session.records().await;
    assert_eq!(records[0].recipients[0].would.as_deref(), Some("refuse"));
    assert_eq!(
        (
            records[1].recipients[0].fate.as_str(),
            records[1].recipients[0].would.as_deref()
        ),
        ("refuse", None)
    );
    // Without anybody in the shadow it is said at once.
    let mut session = house([banned()]).policy(r#"{"speak_from": "connect"}"#).client().await;
    assert!(
        session
            .say(gatepost_core::smtp::session::Question::Connect)
            .await
            .starts_with("554")
    );
}

#[tokio::test(start_paused = true)]
async fn who_would_have_been_turned_away_stays_so_whatever_is_found_later() {
    let filters = || vec![at("grey", Phase::Rcpt, defer()), at("spam", Phase::Message, points(20))];
    let shadow = play(filters(), SHADOW, &["ann"], false).await;
    let row = &shadow.records[0].recipients[0];
    assert_eq!(
        (row.fate.as_str(), row.would.as_deref(), row.level),
        ("deliver", Some("defer"), Level::High)
    );
    assert!(
        shadow.mail[0].contains("X-Gatepost-Would: defer; reason="),
        "{}",
        shadow.mail[0]
    );
    assert_eq!(shadow.mail[0].matches("X-Gatepost-Would").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_tried_out_counts_whom_it_would_have_refused() {
    let mut session = house([]).policy(SHADOW).listing(&["ann"]).session().await;
    let replies = session.transaction(&["ann@d.example", "bob@d.example"]).await;
    assert_eq!(codes(&replies), ["250", "250", "250"]);
    let records = session.records().await;
    let would: Vec<_> = records[0].recipients.iter().map(|row| row.would.as_deref()).collect();
    assert_eq!(would, [None, Some("refuse")]);
    assert_eq!(records[0].recipients[1].because, [Tag::new("policy.unknown_recipient")]);
    let _ = Arc::clone(&session.pipeline);
}
