//! The laws, the dialogues, the example of the configuration, and what no dialogue can tell.

use std::time::Duration;

use gatepost_core::{
    Client, Context, Direction, Domain, Entry, Envelope, Fault, Filter, Helo, MailParams, Memo, Options, Path,
    RcptParams, Recipient, RecipientId, Spf, SpfResult, Store, Time, Visit, null,
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

fn options() -> Options {
    let table = serde_json::json!({ "jitter": "0s", "grace": "0s" });
    Options::new(table.as_object().cloned().unwrap_or_default())
}

/// Whether the filter wishes that this client waits.
async fn waits(filter: &dyn Filter, fakes: &Fakes, client: &str, now: Time) -> Result<bool, Fault> {
    let services = fakes.services();
    let mut visit = Visit::new(
        Direction::Inbound,
        "mx".into(),
        Client::new(client.parse().expect("an address"), 1),
    );
    visit.helo = Some(Helo {
        name: "mail.b.example".into(),
        extended: true,
    });
    let memo = Memo::new(services.identify);
    let envelope = Envelope::new(
        Path::reverse("ann@b.example", true).expect("a path"),
        MailParams::default(),
    );
    let to = Recipient::new(
        RecipientId(0),
        Path::forward("carl@d.example", true).expect("a path"),
        RcptParams::default(),
    );
    let cx = Context::new(now, &visit, &memo).with_envelope(&envelope);
    Ok(!filter.rcpt(&cx, &to).await?.wishes().is_empty())
}

fn minutes(n: u64) -> Time {
    Time::from_secs(1_000_000 + 60 * n)
}

#[tokio::test]
async fn whoever_waited_before_spf_could_be_asked_need_not_wait_again() {
    let fakes = Fakes::new();
    let filter = Entry::of::<Greylist>()
        .build(options(), &fakes.services())
        .expect("a filter");
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
    let filter = Entry::of::<Greylist>()
        .build(options(), &fakes.services())
        .expect("a filter");
    assert_eq!(waits(&*filter, &fakes, "192.0.2.1", minutes(60)).await, Ok(true));
    assert_eq!(waits(&*filter, &fakes, "192.0.2.1", minutes(1)).await, Ok(false));
    assert_eq!(waits(&*filter, &fakes, "192.0.2.1", minutes(65)).await, Ok(false));
}

#[tokio::test]
async fn a_store_in_trouble_is_a_fault_and_never_a_wait() {
    let fakes = Fakes::new();
    let mut services = fakes.services();
    services.store = Store::new(Arc::new(null::NoStore));
    let filter = Entry::of::<Greylist>().build(options(), &services).expect("a filter");
    assert!(matches!(
        waits(&*filter, &fakes, "192.0.2.1", minutes(0)).await,
        Err(Fault::Unavailable(_))
    ));
}

#[tokio::test]
async fn the_jitter_is_the_same_at_each_try_and_within_its_bound() {
    let fakes = Fakes::new();
    let table = serde_json::json!({ "delay": "5m", "jitter": "10m", "grace": "0s" });
    let options = Options::new(table.as_object().cloned().unwrap_or_default());
    let filter = Entry::of::<Greylist>()
        .build(options, &fakes.services())
        .expect("a filter");
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
