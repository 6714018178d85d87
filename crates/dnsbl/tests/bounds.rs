//! What the largest mail may cost, and that a repeat is the same.

use std::fmt::Write as _;
use std::sync::Arc;

use gatepost_core::{
    Client, Context, Direction, Entry, Envelope, Filter, MailParams, Memo, Message, Options, Path, RcptParams,
    Recipient, RecipientId, Visit,
};
use gatepost_dnsbl::Dnsbl;
use gatepost_testkit::Fakes;
use serde_json::json;

fn filter(fakes: &Fakes, options: serde_json::Value) -> Arc<dyn Filter> {
    let options = options.as_object().cloned().expect("a table");
    let built = Entry::of::<Dnsbl>().build(Options::new(options), &fakes.services());
    built.expect("a filter")
}

/// A mail with links to this many domains, and a list of lists of domains that have nobody.
fn mail(domains: usize) -> Arc<Message> {
    let mut text = String::from("From: <ann@b.example>\r\nContent-Type: text/plain\r\n\r\n");
    for n in 0..domains {
        let _ = write!(text, "http://d{n}.example/\r\n");
    }
    Arc::new(Message::from_bytes(text.into_bytes()))
}

async fn tags(filter: &dyn Filter, fakes: &Fakes, message: &Arc<Message>) -> Vec<String> {
    let path = |text| Path::reverse(text, true).expect("a path");
    let visit = Visit::new(
        Direction::Inbound,
        "mx".into(),
        Client::new("192.0.2.1".parse().expect("an address"), 1),
    );
    let memo = Memo::new(fakes.services().identify);
    let mut envelope = Envelope::new(path("ann@b.example"), MailParams::default());
    let to = Recipient::new(RecipientId(0), path("carl@d.example"), RcptParams::default());
    envelope.recipients.push(to);
    let cx = Context::new(fakes.services().clock.now(), &visit, &memo)
        .with_envelope(&envelope)
        .with_message(message);
    let opinion = filter.message(&cx, message).await.expect("an opinion");
    let tags = opinion.findings().iter().map(|finding| finding.tag.to_string());
    tags.collect()
}

fn unchecked(zones: &[&str]) -> serde_json::Value {
    let list = |zone: &&str| {
        let name = zone.split('.').next().expect("a name").to_owned();
        (name, json!({ "zone": zone, "kinds": ["domain"], "check": "none" }))
    };
    let lists: serde_json::Map<_, _> = zones.iter().map(list).collect();
    json!({ "shipped": false, "lists": lists })
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_links_cost_twenty_questions_and_a_finding_and_the_same_ones_again() {
    let fakes = Fakes::new();
    let filter = filter(&fakes, unchecked(&["dbl.lists.example"]));
    let message = mail(10_000);
    let told = tags(&*filter, &fakes, &message).await;
    assert_eq!(told, ["dnsbl.too_many_links", "dnsbl.unread"]);
    assert_eq!(fakes.zone.asked(), 20);
    tags(&*filter, &fakes, &mail(10_000)).await;
    assert_eq!(fakes.zone.asked(), 40);
    let twice = (0..10_000)
        .filter(|n| fakes.zone.asked_for(&format!("d{n}.example.dbl.lists.example")) == 2)
        .count();
    assert_eq!(twice, 20);
}

#[tokio::test(start_paused = true)]
async fn no_mail_costs_more_questions_than_there_may_be_however_many_lists_there_are() {
    let fakes = Fakes::new();
    let zones = [
        "l1.lists.example",
        "l2.lists.example",
        "l3.lists.example",
        "l4.lists.example",
        "l5.lists.example",
    ];
    let filter = filter(&fakes, unchecked(&zones));
    let told = tags(&*filter, &fakes, &mail(18)).await;
    assert_eq!(told, ["dnsbl.too_many_links"]);
    assert_eq!(fakes.zone.asked_below("lists.example"), 64);
}

#[tokio::test(start_paused = true)]
async fn few_links_are_asked_for_whole_and_tell_nothing() {
    let fakes = Fakes::new();
    let filter = filter(&fakes, unchecked(&["l1.lists.example", "l2.lists.example"]));
    assert_eq!(tags(&*filter, &fakes, &mail(20)).await, [""; 0]);
    assert_eq!(fakes.zone.asked_below("lists.example"), 40);
}
