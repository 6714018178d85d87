//! A resolver in trouble costs nobody mail (D-04): a session is held up by the deadline of one question at most, everybody
//! is answered as without DNS, and what strangers write into DNS reaches no header and no line of the log.

use std::time::Duration;

use gatepost_testkit::{Nameserver, Trouble};

use crate::house::{Gatepost, Script, Setup, Upstream, mail, say, timed};

const DEADLINE: Duration = Duration::from_millis(1_500);
/// What a session takes on a machine that has other things to do.
const SLACK: Duration = Duration::from_millis(1_500);

const ZONE: &str = r"
    127.0.0.1           PTR   client.there.example
    client.there.example A    127.0.0.1
    there.example       MX    10 mail.there.example
";

struct Stage {
    resolver: Nameserver,
    upstream: Upstream,
    gatepost: Gatepost,
}

/// A proxy whose filters ask for reverse names, and so does its mail server.
fn stage() -> Stage {
    let resolver = Nameserver::start(ZONE).expect("a zone");
    let upstream = Upstream::start(
        Script::new()
            .and("XCLIENT NAME ADDR PORT PROTO HELO LOGIN")
            .on("XCLIENT", say("220 upstream.example ESMTP")),
    );
    let setup = Setup::before(upstream.address)
        .set("pipeline.inbound.tiers", "[['conduct', 'whitelist'], ['greylist']]")
        .set("route.default.client_address", "'xclient'")
        .set("dns.servers", format!("['{}']", resolver.address))
        .set("dns.timeout", "'1s'")
        .set("dns.deadline", format!("'{}ms'", DEADLINE.as_millis()));
    let gatepost = Gatepost::start(&setup);
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
            let mut client = self.gatepost.client();
            let to = ["bob@example.org"];
            client.mail("ann@there.example", &to, &mail(subject)).is(250);
            client.quit();
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
    let zone = format!("127.0.0.1 PTR {odd}\n{odd} A 127.0.0.1");
    let resolver = Nameserver::start(&zone).expect("a zone");
    let setup = Setup::before(stage.upstream.address)
        .set("pipeline.inbound.tiers", "[['conduct', 'whitelist'], ['greylist']]")
        .set("route.default.client_address", "'xclient'")
        .set("dns.servers", format!("['{}']", resolver.address));
    let stage = Stage {
        gatepost: Gatepost::start(&setup),
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
    let log = stage.gatepost.log();
    for line in log.lines() {
        assert!(line.starts_with('{') && line.ends_with('}'), "{line}");
        assert!(!line.starts_with("X-Evil"), "{line}");
    }
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
