//! Strangers' octets of any kind: no panic, bounded questions, one harmless line, and the same again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gatepost_core::{Dns, Fault, Lookup, Mx, Time, async_trait};
use gatepost_spf_dkim_dmarc::spf::{EXPLANATION_MAX, QUESTIONS_MAX, Question, REASON_MAX, Record, check};
use proptest::prelude::*;

/// DNS that answers any name with the same records, or with trouble.
#[derive(Debug, Default)]
struct Anything {
    texts: Vec<Vec<u8>>,
    names: Vec<String>,
    address: Option<IpAddr>,
    asked: AtomicUsize,
}

impl Anything {
    fn answer<T>(&self, records: Vec<T>) -> Result<Lookup<T>, Fault> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let ttl = Duration::from_secs(60);
        Ok(if records.is_empty() {
            Lookup::NoData { ttl }
        } else {
            Lookup::Found { records, ttl }
        })
    }
}

#[async_trait]
impl Dns for Anything {
    async fn a(&self, _: &str) -> Result<Lookup<Ipv4Addr>, Fault> {
        let v4 = |it| if let IpAddr::V4(it) = it { Some(it) } else { None };
        self.answer(self.address.and_then(v4).into_iter().collect())
    }
    async fn aaaa(&self, _: &str) -> Result<Lookup<Ipv6Addr>, Fault> {
        let v6 = |it| if let IpAddr::V6(it) = it { Some(it) } else { None };
        self.answer(self.address.and_then(v6).into_iter().collect())
    }
    async fn ptr(&self, _: IpAddr) -> Result<Lookup<Box<str>>, Fault> {
        self.answer(self.names.iter().map(|name| name.as_str().into()).collect())
    }
    async fn txt(&self, _: &str) -> Result<Lookup<Box<[u8]>>, Fault> {
        // In turn, so that records can lead to others.
        let turn = self.asked.load(Ordering::Relaxed);
        let text = self.texts.get(turn % self.texts.len().max(1));
        self.answer(text.map(|text| text.clone().into()).into_iter().collect())
    }
    async fn mx(&self, _: &str) -> Result<Lookup<Mx>, Fault> {
        let mx = |(n, name): (usize, &String)| Mx {
            preference: u16::try_from(n).unwrap_or(0),
            host: name.as_str().into(),
        };
        self.answer(self.names.iter().enumerate().map(mx).collect())
    }
    async fn ns(&self, _: &str) -> Result<Lookup<Box<str>>, Fault> {
        self.answer(Vec::new())
    }
}

fn term() -> impl Strategy<Value = String> {
    let domain = prop_oneof![
        "[a-z]{1,8}\\.example",
        "%\\{[a-zA-Z][0-9]{0,2}r?[-.+,/_=]{0,3}\\}",
        "[!-~]{0,20}",
        "%\\{[slodipvhcrt]\\}\\.(%\\{[SLODIPVH][1-9]?r?\\}|a\\.example|%_|%%)",
    ];
    let name = prop_oneof![
        Just("a:"),
        Just("mx:"),
        Just("ptr:"),
        Just("exists:"),
        Just("include:"),
        Just("redirect="),
        Just("exp="),
        Just("x="),
        Just("ip4:"),
        Just("ip6:"),
        Just("-all"),
        Just("a"),
        Just("mx"),
        Just("ptr"),
        Just("a/"),
        Just("mx//"),
    ];
    let qualifier = prop_oneof![Just(""), Just("-"), Just("?"), Just("~"), Just("+")];
    let prefix = prop_oneof![Just(String::new()), "//?[0-9]{1,3}"];
    (qualifier, name, domain, prefix).prop_map(|(q, n, d, p)| {
        if n.ends_with([':', '=']) {
            format!("{q}{n}{d}{p}")
        } else {
            format!("{q}{n}{p}")
        }
    })
}

/// Texts that are nearly records.
fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => prop::collection::vec(term(), 0..14).prop_map(|terms| format!("v=spf1 {}", terms.join(" ")).into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(|octets| [b"v=spf1 ".as_slice(), &octets].concat()),
        1 => prop::collection::vec(any::<u8>(), 0..100),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_published_the_check_ends_within_its_bounds(
        texts in prop::collection::vec(text(), 0..5),
        names in prop::collection::vec(prop_oneof!["[a-z]{1,5}\\.example\\.org", ".{0,30}"], 0..14),
        address in prop::option::of(any::<IpAddr>()),
        client in any::<IpAddr>(),
        helo in ".{0,40}",
        local in ".{0,40}",
        domain in prop_oneof![4 => Just("example.org".to_owned()), 1 => ".{0,40}"],
        same in any::<bool>(),
    ) {
        let dns = Anything { texts, names, address: if same { Some(client) } else { address }, asked: AtomicUsize::new(0) };
        let question = Question {
            client, helo: &helo, local: &local, domain: &domain, receiver: "mx.example.com", now: Time::from_secs(1),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let answer = runtime.block_on(check(&dns, &question));
        let asked = dns.asked.swap(0, Ordering::Relaxed);
        prop_assert!(asked <= QUESTIONS_MAX, "{asked} questions");
        let harmless = |text: &str| text.bytes().all(|b| matches!(b, b' '..=b'~'));
        prop_assert!(harmless(&answer.reason) && (1..=REASON_MAX).contains(&answer.reason.len()), "{answer:?}");
        if let Some(text) = &answer.explanation {
            prop_assert!(harmless(text) && text.len() <= EXPLANATION_MAX, "{answer:?}");
        }
        prop_assert_eq!(runtime.block_on(check(&dns, &question)), answer);
    }

    #[test]
    fn what_a_record_prints_is_the_same_record(text in text()) {
        if let Ok(record) = Record::parse(&text) {
            prop_assert_eq!(Record::parse(record.to_string().as_bytes()), Ok(record));
        }
    }
}
