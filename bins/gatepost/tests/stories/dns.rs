//! A resolver in trouble costs nobody mail (D-04): a session is held up by the deadline of one question at most, everybody
//! is answered as without DNS, and what strangers write into DNS reaches no header and no line of the log.

use std::time::Duration;

use gatepost_testkit::{Nameserver, Trouble};

use serde_json::Value;

use crate::house::{Client, Gatepost, Reply, Script, Setup, Upstream, mail, say, timed};

const DEADLINE: Duration = Duration::from_millis(1_500);
/// What a session takes on a machine that has other things to do.
const SLACK: Duration = Duration::from_millis(1_500);

const ZONE: &str = r"
    203.0.113.9         PTR   client.there.example
    client.there.example A    203.0.113.9
    there.example       MX    10 mail.there.example
";

struct Stage {
    resolver: Nameserver,
    upstream: Upstream,
    gatepost: Gatepost,
}

/// A proxy behind a load balancer whose filters ask for reverse names, and so does its mail server.
fn before(upstream: &Upstream, resolver: &Nameserver) -> Setup {
    Setup::before(upstream.address)
        .at("mx", "proxy_protocol_from", "['127.0.0.0/8']")
        .set(
            "pipeline.inbound.tiers",
            "[['conduct', 'dnsbl', 'whitelist'], ['greylist']]",
        )
        .set("filters.dnsbl.mode", "'enforce'")
        .set(
            "filters.dnsbl.options",
            "{ shipped = false, lists = { l = { zone = 'l.example', refuse = true } } }",
        )
        .set("route.default.client_address", "'xclient'")
        .set("dns.servers", format!("['{}']", resolver.address))
        .set("dns.timeout", "'1s'")
        .set("dns.deadline", format!("'{}ms'", DEADLINE.as_millis()))
}

fn stage() -> Stage {
    let resolver = Nameserver::start(ZONE).expect("a zone");
    let upstream = Upstream::start(
        Script::new()
            .and("XCLIENT NAME ADDR PORT PROTO HELO LOGIN")
            .on("XCLIENT", say("220 upstream.example ESMTP")),
    );
    let gatepost = Gatepost::start(&before(&upstream, &resolver));
    Stage {
        resolver,
        upstream,
        gatepost,
    }
}

impl Stage {
    /// A whole session with one mail, which must be taken; how long it took.
    #[track_caller]
    fn deliver(&self, subject: &str) -> Duration {
        let before = self.upstream.taken().len();
        let ((), took) = timed(|| {
            let reply = from(&self.gatepost, "203.0.113.9", subject);
            reply.is(250);
        });
        assert_eq!(self.upstream.taken().len(), before + 1, "{subject}: it is delivered");
        self.gatepost.record(subject, |record| {
            record["message_id"] == format!("<{subject}@there.example>") && record["recipients"][0]["fate"] == "deliver"
        });
        took
    }

    fn received(&self) -> String {
        let taken = self.upstream.taken();
        let content = taken.last().expect("a mail").content();
        String::from_utf8_lossy(&content).into_owned()
    }
}

#[test]
fn a_black_holed_resolver_delays_a_session_by_at_most_the_deadline_and_refuses_nobody() {
    let stage = stage();
    stage.resolver.trouble("*", Trouble::Silent);
    let took = stage.deliver("first");
    assert!(stage.resolver.asked() > 0, "DNS was asked");
    assert!(took < DEADLINE + SLACK, "{took:?}");
    stage.gatepost.logs(&["the DNS resolver answers nothing"]);
    assert!(stage.gatepost.metric("gatepost_faults_total") > 0.0);
    // Now that it is known to be silent, nobody waits for it.
    let took = stage.deliver("second");
    assert!(took < DEADLINE, "{took:?}");
    stage.resolver.well();
    stage.gatepost.logs(&["the DNS resolver answers again"]);
    stage.deliver("third");
    assert!(
        stage.received().contains("client.there.example"),
        "{}",
        stage.received()
    );
}

#[test]
fn a_resolver_that_fails_refuses_us_or_babbles_costs_nobody_mail() {
    let stage = stage();
    for (n, trouble) in [Trouble::ServFail, Trouble::Refused, Trouble::Garbage, Trouble::WrongId]
        .into_iter()
        .enumerate()
    {
        stage.resolver.well();
        stage.resolver.trouble("*", trouble);
        let took = stage.deliver(&format!("trouble-{n}"));
        assert!(took < DEADLINE + SLACK, "{trouble:?}: {took:?}");
    }
    assert!(stage.gatepost.metric("gatepost_faults_total") > 0.0);
}

#[test]
fn line_ends_in_a_reverse_name_reach_neither_header_nor_log() {
    let stage = stage();
    let odd = r"x\013\010X-Evil:\032yes\013\010.there.example";
    let zone = format!("203.0.113.9 PTR {odd}\n{odd} A 203.0.113.9");
    let resolver = Nameserver::start(&zone).expect("a zone");
    let stage = Stage {
        gatepost: Gatepost::start(&before(&stage.upstream, &resolver)),
        resolver,
        ..stage
    };
    stage.deliver("odd");
    assert!(stage.resolver.asked() > 0, "DNS was asked");
    assert!(
        !stage.received().to_ascii_lowercase().contains("evil"),
        "{}",
        stage.received()
    );
    for session in stage.upstream.sessions() {
        assert!(
            !format!("{session:?}").to_ascii_lowercase().contains("evil"),
            "{session:?}"
        );
    }
    // Below the level of a story's log the resolver's own steps are told; none of them breaks a line.
    let log = stage.gatepost.log().to_ascii_lowercase();
    assert!(
        !log.lines().any(|line| line.trim_start().starts_with("x-evil")),
        "{log}"
    );
    let record = stage.gatepost.record("odd", |record| record["size"].as_u64() > Some(0));
    assert!(!record.to_string().to_ascii_lowercase().contains("evil"), "{record}");
}

#[test]
fn a_truncated_answer_is_read_over_tcp() {
    let stage = stage();
    stage.resolver.trouble("*", Trouble::Truncated);
    stage.deliver("long");
    assert!(stage.resolver.asked_over_tcp() > 0);
    assert!(
        stage.received().contains("client.there.example"),
        "{}",
        stage.received()
    );
}

#[test]
fn through_a_trusted_relay_the_origin_is_recorded_and_reaches_the_log() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&Setup::before(upstream.address).at("mx", "trusted_relays", "['127.0.0.1']"));
    let field =
        "Received: from mail.there.example (mail.there.example [203.0.113.9]) by mx2.example.org with ESMTP; x\r\n";
    let mut client = gatepost.client();
    client
        .mail(
            "ann@there.example",
            &["bob@example.org"],
            &[field.as_bytes(), &mail("relayed")].concat(),
        )
        .is(250);
    let record = gatepost.record("relayed", |record| record["size"].as_u64() > Some(0));
    assert_eq!(
        (&record["client"], &record["origin"]),
        (&"127.0.0.1".into(), &"203.0.113.9".into())
    );
    assert_eq!(record["origin_helo"], "mail.there.example");
}

/// A proxy behind a load balancer, which asks these lists of addresses, each of which refuses whom it lists.
fn asks(upstream: &Upstream, resolver: &Nameserver, zones: &[String]) -> Gatepost {
    let lists = zones
        .iter()
        .enumerate()
        .map(|(n, zone)| format!("l{n} = {{ zone = '{zone}', refuse = true }}"));
    let lists = lists.collect::<Vec<_>>().join(", ");
    let setup = Setup::before(upstream.address)
        .at("mx", "proxy_protocol_from", "['127.0.0.0/8']")
        .set("pipeline.inbound.tiers", "[['dnsbl']]")
        .set("filters.dnsbl.mode", "'enforce'")
        .set(
            "filters.dnsbl.options",
            format!("{{ shipped = false, lists = {{ {lists} }} }}"),
        )
        .set("dns.servers", format!("['{}']", resolver.address))
        .set("dns.timeout", "'1s'");
    Gatepost::start(&setup)
}

/// A mail from a client at this address.
fn from(gatepost: &Gatepost, address: &str, subject: &str) -> Reply {
    let mut client = Client::connect(gatepost.address("mx"));
    client.send(format!("PROXY TCP4 {address} 192.0.2.1 40000 25\r\n"));
    client.reply().is(220);
    client.ask("EHLO mail.there.example").is(250);
    let to = ["bob@example.org"];
    if let Some(refused) = ["MAIL FROM:<ann@there.example>".into(), format!("RCPT TO:<{}>", to[0])]
        .iter()
        .map(|line| client.ask(line))
        .find(|reply| reply.code != 250)
    {
        return refused;
    }
    client.data();
    client.content(&mail(subject))
}

/// The record of the last mail with this subject.
fn record(gatepost: &Gatepost, subject: &str) -> Value {
    gatepost.record(subject, |record| {
        record["message_id"] == format!("<{subject}@there.example>")
    })
}

#[test]
fn a_list_that_does_not_serve_us_or_lists_everybody_refuses_nobody_and_one_that_is_well_does() {
    let upstream = Upstream::start(Script::new());
    let zone = "*.refuses.example A 127.255.255.254\n*.wild.example A 127.0.0.2\n2.0.0.127.well.example A 127.0.0.2\n\
                9.113.0.203.well.example A 127.0.0.2\n";
    let resolver = Nameserver::start(zone).expect("a zone");
    let zones = ["refuses.example", "wild.example", "dead.example"].map(str::to_owned);
    resolver.trouble("*.dead.example", Trouble::ServFail);
    let gatepost = asks(&upstream, &resolver, &zones);
    for (n, address) in ["203.0.113.9", "203.0.113.10", "203.0.113.9"].into_iter().enumerate() {
        let subject = format!("listed-{n}");
        assert_eq!(from(&gatepost, address, &subject).code, 250, "{address}");
        assert_eq!(record(&gatepost, &subject)["recipients"][0]["score"], 0.0);
    }
    let asked = |zone: &str| resolver.asked_for(&format!("2.0.0.127.{zone}"), "A");
    assert!(zones.iter().all(|zone| asked(zone) > 0), "each list is seen to");
    let gatepost = asks(&upstream, &resolver, &["well.example".to_owned()]);
    assert_eq!(from(&gatepost, "203.0.113.9", "bad").code / 100, 5);
    assert_eq!(from(&gatepost, "203.0.113.10", "good").code, 250);
}

#[test]
fn twenty_lists_that_are_not_remembered_cost_one_answer() {
    const TAKES: Duration = Duration::from_millis(5);
    let upstream = Upstream::start(Script::new());
    let zones: Vec<String> = (0..20).map(|n| format!("l{n}.example")).collect();
    let zone: String = zones
        .iter()
        .map(|zone| format!("2.0.0.127.{zone} A 127.0.0.2\n"))
        .collect();
    let resolver = Nameserver::start(&zone).expect("a zone");
    resolver.trouble("*", Trouble::Late(TAKES));
    let gatepost = asks(&upstream, &resolver, &zones);
    let session = |address: &str| {
        let (reply, took) = timed(|| from(&gatepost, address, "cold"));
        reply.is(250);
        took
    };
    let median = |mut all: Vec<Duration>| {
        all.sort();
        all[all.len() / 2]
    };
    // The lists are seen to once.
    session("203.0.113.1");
    let asked = resolver.asked();
    let cold = median((10..35).map(|n| session(&format!("203.0.113.{n}"))).collect());
    let each = (resolver.asked() - asked) / 25;
    let warm = median((10..35).map(|n| session(&format!("203.0.113.{n}"))).collect());
    println!("twenty cold lists: {cold:?}, warm: {warm:?}, {each} questions a session");
    assert!((20..=25).contains(&each), "{each} questions");
    // One after another they would take 100 ms.
    assert!(cold.saturating_sub(warm) < 10 * TAKES, "cold {cold:?}, warm {warm:?}");
}
