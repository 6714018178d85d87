//! The laws, the dialogues, the example of the configuration, and what no dialogue can tell.

use std::time::Duration;

use gatepost_core::{
    Client, Context, Direction, Domain, Entry, Envelope, Fault, Filter, Helo, Level, MailParams, Memo, Options, Path,
    RcptParams, Recipient, RecipientId, RecipientRecord, Record, Spf, SpfResult, Store, Time, Visit, null,
};
use gatepost_greylist::{Config, Greylist};
use gatepost_testkit::{Fakes, config, dialogue, laws};
use std::sync::Arc;

#[test]
fn greylist_keeps_the_laws() {
    laws::filter::run::<Greylist>();
}

#[test]
fn the_dialogues_go_as_written() {
    dialogue::run_all(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fixtures/dialogues/greylist"
    ));
}

#[test]
fn the_example_shows_every_option_with_its_default() {
    let text = include_str!("../../../fixtures/config/greylist.toml");
    let read = config::example::<Greylist>(text);
    assert_eq!(format!("{read:?}"), format!("{:?}", Config::default()));
}

/// A client whose mail of ann's to carl is looked at.
struct Scene {
    visit: Visit,
    memo: Memo,
    envelope: Envelope,
    to: Recipient,
}

impl Scene {
    fn of(fakes: &Fakes, direction: Direction, client: &str) -> Scene {
        let client = Client::new(client.parse().expect("an address"), 1);
        let mut visit = Visit::new(direction, "mx".into(), client);
        visit.helo = Some(Helo {
            name: "mail.b.example".into(),
            extended: true,
        });
        let path = |text| Path::reverse(text, true).expect("a path");
        let params = RcptParams::default();
        Scene {
            visit,
            memo: Memo::new(fakes.services().identify),
            envelope: Envelope::new(path("ann@b.example"), MailParams::default()),
            to: Recipient::new(RecipientId(0), path("carl@d.example"), params),
        }
    }

    async fn waits(&self, filter: &dyn Filter, now: Time) -> Result<bool, Fault> {
        let cx = Context::new(now, &self.visit, &self.memo).with_envelope(&self.envelope);
        Ok(!filter.rcpt(&cx, &self.to).await?.wishes().is_empty())
    }

    /// The filter is told what became of the mail.
    async fn ends(&mut self, filter: &dyn Filter, now: Time, reply: &str, fate: &str, level: Level) {
        self.envelope.recipients = vec![self.to.clone()];
        let client = self.visit.client.address;
        let mut record = Record::new("1".into(), now.millis(), self.visit.direction, "mx".into(), client, 1);
        let mut row = RecipientRecord::new(self.to.id, "carl@d.example".into());
        (row.fate, row.level) = (fate.into(), level);
        (record.recipients, record.reply, record.size) = (vec![row], reply.into(), 100);
        let cx = Context::new(now, &self.visit, &self.memo).with_envelope(&self.envelope);
        filter.observe(&cx, &record, None).await;
    }
}

/// Whether the filter wishes that this client waits.
async fn waits(filter: &dyn Filter, fakes: &Fakes, client: &str, now: Time) -> Result<bool, Fault> {
    Scene::of(fakes, Direction::Inbound, client).waits(filter, now).await
}

fn options(json: serde_json::Value) -> Options {
    Options::new(json.as_object().cloned().expect("a table"))
}

fn with(fakes: &Fakes, json: serde_json::Value) -> Arc<dyn Filter> {
    let built = Entry::of::<Greylist>().build(options(json), &fakes.services());
    built.expect("a filter")
}

fn minutes(n: u64) -> Time {
    Time::from_secs(1_000_000 + 60 * n)
}

#[tokio::test]
async fn whoever_waited_before_spf_could_be_asked_need_not_wait_again() {
    let fakes = Fakes::new();
    let filter = with(&fakes, serde_json::json!({ "jitter": "0s", "grace": "0s" }));
    assert_eq!(waits(&*filter, &fakes, "192.0.2.1", minutes(0)).await, Ok(true));
    let domain = Domain::parse("b.example", true).ok();
    fakes.names.tell_spf(Spf::new(SpfResult::Pass, domain.clone(), domain));
    assert_eq!(
        waits(&*filter, &fakes, "192.0.2.2", minutes(4)).await,
        Ok(true),
        "too early"
    );
    assert_eq!(waits(&*filter, &fakes, "192.0.2.2", minutes(5)).await, Ok(false));
    // Its mail was deferred for another reason: it passes again.
    assert_eq!(waits(&*filter, &fakes, "192.0.2.3", minutes(6)).await, Ok(false));
    assert_eq!(
        waits(&*filter, &fakes, "198.51.100.1", minutes(6)).await,
        Ok(true),
        "as the domain it was seen at minute 4"
    );
    assert_eq!(waits(&*filter, &fakes, "198.51.100.1", minutes(9)).await, Ok(false));
}

#[tokio::test]
async fn a_clock_that_goes_back_makes_nobody_wait_longer() {
    let fakes = Fakes::new();
    let filter = with(&fakes, serde_json::json!({ "jitter": "0s", "grace": "0s" }));
    assert_eq!(waits(&*filter, &fakes, "192.0.2.1", minutes(60)).await, Ok(true));
    assert_eq!(waits(&*filter, &fakes, "192.0.2.1", minutes(1)).await, Ok(false));
    assert_eq!(waits(&*filter, &fakes, "192.0.2.1", minutes(65)).await, Ok(false));
}

#[tokio::test]
async fn a_store_in_trouble_is_a_fault_and_never_a_wait() {
    let fakes = Fakes::new();
    let mut services = fakes.services();
    services.store = Store::new(Arc::new(null::NoStore));
    let filter = Entry::of::<Greylist>()
        .build(options(serde_json::json!({})), &services)
        .expect("a filter");
    assert!(matches!(
        waits(&*filter, &fakes, "192.0.2.1", minutes(0)).await,
        Err(Fault::Unavailable(_))
    ));
}

#[tokio::test]
async fn the_jitter_is_the_same_at_each_try_and_within_its_bound() {
    let fakes = Fakes::new();
    let filter = with(
        &fakes,
        serde_json::json!({ "delay": "5m", "jitter": "10m", "grace": "0s" }),
    );
    let mut waited = Vec::new();
    for second in 0..1_000 {
        let now = minutes(0) + Duration::from_secs(second);
        waited.push(waits(&*filter, &fakes, "192.0.2.1", now).await.expect("an opinion"));
    }
    let limit = waited.iter().position(|waits| !waits).expect("an end");
    assert!((300..=900).contains(&limit), "{limit}");
    assert!(
        waited[limit..].iter().all(|waits| !waits),
        "and no tries made it longer"
    );
}

#[tokio::test]
async fn a_second_node_whose_clock_is_slow_lets_no_stranger_pass() {
    let fakes = Fakes::new();
    let filter = with(&fakes, serde_json::json!({ "jitter": "0s", "grace": "0s" }));
    assert_eq!(waits(&*filter, &fakes, "192.0.2.1", minutes(60)).await, Ok(true));
    let slow = Time::from_millis(minutes(60).millis() - 2_000);
    assert_eq!(waits(&*filter, &fakes, "192.0.2.1", slow).await, Ok(true));
    assert_eq!(waits(&*filter, &fakes, "192.0.2.1", minutes(65)).await, Ok(false));
}

#[tokio::test]
async fn a_grace_that_began_under_a_wrong_clock_is_no_grace_for_ever() {
    let fakes = Fakes::new();
    let filter = with(&fakes, serde_json::json!({ "jitter": "0s", "grace": "30m" }));
    let wrong = minutes(10 * 365 * 24 * 60);
    assert_eq!(
        waits(&*filter, &fakes, "192.0.2.1", wrong).await,
        Ok(false),
        "the grace"
    );
    assert_eq!(waits(&*filter, &fakes, "198.51.100.1", minutes(0)).await, Ok(true));
    // Set back by a second it is the same grace.
    let fakes = Fakes::new();
    let filter = with(&fakes, serde_json::json!({ "jitter": "0s", "grace": "30m" }));
    assert_eq!(waits(&*filter, &fakes, "192.0.2.1", minutes(10)).await, Ok(false));
    let back = Time::from_millis(minutes(10).millis() - 1_000);
    assert_eq!(waits(&*filter, &fakes, "198.51.100.1", back).await, Ok(false));
    assert_eq!(waits(&*filter, &fakes, "203.0.113.1", minutes(40)).await, Ok(true));
}

#[tokio::test]
async fn what_a_newer_gatepost_wrote_is_a_fault_that_says_so() {
    let fakes = Fakes::new();
    let filter = with(&fakes, serde_json::json!({ "jitter": "0s" }));
    let store = fakes.services().within("greylist").store;
    store.put(b"began", &[2, 0, 0], None).await.expect("a store");
    let said = waits(&*filter, &fakes, "192.0.2.1", minutes(0)).await;
    assert!(
        matches!(&said, Err(Fault::Broken(why)) if why.contains("newer gatepost")),
        "{said:?}"
    );
}

#[tokio::test]
async fn only_mail_that_was_taken_and_was_no_spam_earns_the_pass() {
    for (reply, fate, level, earns) in [
        ("250 2.0.0 Ok", "deliver", Level::None, true),
        ("250 2.0.0 Ok", "deliver", Level::Low, true),
        ("250 2.0.0 Ok", "deliver", Level::Medium, false),
        ("250 2.0.0 Ok", "deliver", Level::High, false),
        ("250 2.0.0 Ok", "hold", Level::None, false),
        ("250 2.0.0 Ok", "divert", Level::None, false),
        ("451 4.3.0 Later", "deliver", Level::None, false),
        ("", "deliver", Level::None, false),
        ("550 5.7.1 No", "refuse", Level::None, false),
    ] {
        let fakes = Fakes::new();
        let filter = with(&fakes, serde_json::json!({ "jitter": "0s", "grace": "0s" }));
        let mut scene = Scene::of(&fakes, Direction::Inbound, "192.0.2.1");
        scene.ends(&*filter, minutes(0), reply, fate, level).await;
        let what = format!("{reply} {fate} {level}");
        assert_eq!(scene.waits(&*filter, minutes(1)).await, Ok(!earns), "{what}");
    }
}

#[tokio::test]
async fn only_spam_takes_the_pass_away() {
    for (fate, level, loses) in [
        ("refuse", Level::High, true),
        ("hold", Level::High, true),
        ("discard", Level::High, true),
        ("deliver", Level::High, true),
        ("defer", Level::High, false),
        ("none", Level::High, false),
        ("refuse", Level::Medium, false),
        ("refuse", Level::None, false),
    ] {
        let fakes = Fakes::new();
        let filter = with(&fakes, serde_json::json!({ "jitter": "0s", "grace": "0s" }));
        let mut scene = Scene::of(&fakes, Direction::Inbound, "192.0.2.1");
        scene.ends(&*filter, minutes(0), "250 Ok", "deliver", Level::None).await;
        scene.ends(&*filter, minutes(1), "550 No", fate, level).await;
        assert_eq!(scene.waits(&*filter, minutes(2)).await, Ok(loses), "{fate} {level}");
    }
}

#[tokio::test]
async fn outbound_mail_neither_waits_nor_is_learned_from() {
    let fakes = Fakes::new();
    let filter = with(&fakes, serde_json::json!({ "jitter": "0s", "grace": "0s" }));
    let mut out = Scene::of(&fakes, Direction::Outbound, "192.0.2.1");
    assert_eq!(out.waits(&*filter, minutes(0)).await, Ok(false));
    out.ends(&*filter, minutes(0), "250 Ok", "deliver", Level::None).await;
    assert_eq!(waits(&*filter, &fakes, "192.0.2.1", minutes(10)).await, Ok(true));
}
