//! What the largest mail may cost, and that a repeat is the same.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gatepost_core::{
    Client, Context, Direction, Dns, Entry, Envelope, Fault, Filter, Lookup, MailParams, Memo, Message, Mx, Options,
    Path, RcptParams, Recipient, RecipientId, Visit, async_trait,
};
use gatepost_dnsbl::Dnsbl;
use gatepost_testkit::Fakes;
use serde_json::json;

fn filter(fakes: &Fakes, options: serde_json::Value) -> Arc<dyn Filter> {
    let options = options.as_object().cloned().expect("a table");
    let built = Entry::of::<Dnsbl>().build(Options::new(options), &fakes.services());
    built.expect("a filter")
}

/// DNS that has no room for a question as long as it is busy.
struct Busy {
    busy: AtomicBool,
    dns: Arc<dyn Dns>,
}

impl Busy {
    fn free(&self) -> Result<&dyn Dns, Fault> {
        match self.busy.load(Ordering::SeqCst) {
            true => Err(Fault::DNS_BUSY),
            false => Ok(&*self.dns),
        }
    }
}

#[async_trait]
impl Dns for Busy {
    async fn a(&self, name: &str) -> Result<Lookup<Ipv4Addr>, Fault> {
        self.free()?.a(name).await
    }
    async fn aaaa(&self, name: &str) -> Result<Lookup<Ipv6Addr>, Fault> {
        self.free()?.aaaa(name).await
    }
    async fn ptr(&self, address: IpAddr) -> Result<Lookup<Box<str>>, Fault> {
        self.free()?.ptr(address).await
    }
    async fn txt(&self, name: &str) -> Result<Lookup<Box<[u8]>>, Fault> {
        self.free()?.txt(name).await
    }
    async fn mx(&self, name: &str) -> Result<Lookup<Mx>, Fault> {
        self.free()?.mx(name).await
    }
    async fn ns(&self, name: &str) -> Result<Lookup<Box<str>>, Fault> {
        self.free()?.ns(name).await
    }
}

#[tokio::test(start_paused = true)]
async fn that_we_have_no_room_for_questions_is_not_a_lists_fault() {
    let fakes = Fakes::new();
    fakes
        .zone
        .add("test.dbl.example A 127.0.0.2\nd0.example.dbl.example A 127.0.0.2")
        .expect("a zone");
    let mut services = fakes.services();
    let dns = Arc::new(Busy {
        busy: AtomicBool::new(true),
        dns: Arc::clone(&services.dns),
    });
    services.dns = Arc::<Busy>::clone(&dns);
    let lists = json!({ "dbl": { "zone": "dbl.example", "kinds": ["domain"] } });
    let options = json!({ "shipped": false, "lists": lists })
        .as_object()
        .cloned()
        .expect("a table");
    let filter = Entry::of::<Dnsbl>()
        .build(Options::new(options), &services)
        .expect("a filter");
    let told_then = told(&*filter, &fakes, &mail(1)).await;
    let note = "dbl: DNS: too many questions under way";
    assert_eq!(told_then, [("dnsbl.unusable".into(), note.into())]);
    dns.busy.store(false, Ordering::SeqCst);
    assert_eq!(tags(&*filter, &fakes, &mail(1)).await, ["dnsbl.dbl"], "it is not out");
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
    told(filter, fakes, message)
        .await
        .into_iter()
        .map(|(tag, _)| tag)
        .collect()
}

/// The tags and notes of findings about a mail.
async fn told(filter: &dyn Filter, fakes: &Fakes, message: &Arc<Message>) -> Vec<(String, String)> {
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
    let each = |finding: &gatepost_core::Finding| (finding.tag.to_string(), finding.note.to_string());
    opinion.findings().iter().map(each).collect()
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
    let told = told(&*filter, &fakes, &mail(18)).await;
    let note = "18 of 18 domains were looked for; for 26 more questions there was no room";
    assert_eq!(told, [("dnsbl.too_many_links".into(), note.into())]);
    assert_eq!(fakes.zone.asked_below("lists.example"), 64);
}

#[tokio::test(start_paused = true)]
async fn few_links_are_asked_for_whole_and_tell_nothing() {
    let fakes = Fakes::new();
    let filter = filter(&fakes, unchecked(&["l1.lists.example", "l2.lists.example"]));
    assert_eq!(tags(&*filter, &fakes, &mail(20)).await, [""; 0]);
    assert_eq!(fakes.zone.asked_below("lists.example"), 40);
}

#[tokio::test(start_paused = true)]
async fn many_addresses_in_links_leave_domains_their_room_and_the_other_way_round() {
    let fakes = Fakes::new();
    let lists = json!({
        "l1": { "zone": "l1.lists.example", "kinds": ["domain", "link_address"], "check": "none" },
        "l2": { "zone": "l2.lists.example", "kinds": ["domain", "link_address"], "check": "none" },
        "l3": { "zone": "l3.lists.example", "kinds": ["domain", "link_address"], "check": "none" },
    });
    let filter = filter(&fakes, json!({ "shipped": false, "lists": lists }));
    let mut text = String::from("From: <ann@b.example>\r\nContent-Type: text/html\r\n\r\n<div style='display:none'>");
    for n in 0..40 {
        let _ = write!(text, "http://198.51.100.{n}/\r\n");
    }
    text.push_str("</div><a href='http://203.0.113.7/'>here</a>\r\n");
    for n in 0..20 {
        let _ = write!(text, "<a href='http://d{n}.example/'>x</a>\r\n");
    }
    let message = Arc::new(Message::from_bytes(text.into_bytes()));
    let told = told(&*filter, &fakes, &message).await;
    let (tag, note) = told.first().expect("a finding");
    assert_eq!(tag, "dnsbl.too_many_links");
    let room = "20 of 20 domains were looked for, and of more addresses 5";
    assert!(note.starts_with(room), "{note}");
    assert_eq!(
        fakes.zone.asked_for("7.113.0.203.l1.lists.example"),
        1,
        "a reader follows it"
    );
    let domains: usize = (0..20)
        .map(|n| fakes.zone.asked_below(&format!("d{n}.example.l1.lists.example")))
        .sum();
    assert!(domains >= 19, "{domains}");
}
