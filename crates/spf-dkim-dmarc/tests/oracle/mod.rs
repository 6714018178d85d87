//! What holds for SPF whatever strangers publish and say; the fuzz target is held to the same.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gatepost_core::{Dns, Fault, Lookup, Mx, Time, async_trait};
use gatepost_spf_dkim_dmarc::spf::{EXPLANATION_MAX, QUESTIONS_MAX, Question, REASON_MAX, Record, check};

/// DNS that answers any name: with its texts in turn, with all its names, with its one address.
#[derive(Debug)]
pub struct Anything {
    texts: Vec<Vec<u8>>,
    names: Vec<String>,
    address: Option<IpAddr>,
    asked: AtomicUsize,
}

impl Anything {
    /// DNS with nothing else in it.
    pub fn new(texts: Vec<Vec<u8>>, names: Vec<String>, address: Option<IpAddr>) -> Anything {
        Anything {
            texts,
            names,
            address,
            asked: AtomicUsize::new(0),
        }
    }

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

/// What a client says of itself.
#[derive(Debug)]
pub struct Said {
    /// Where it is.
    pub client: IpAddr,
    /// Its name for itself.
    pub helo: String,
    /// The sender's local part.
    pub local: String,
    /// The sender's domain.
    pub domain: String,
}

/// A check ends within its bounds, says why in one harmless line, and says the same again.
pub fn check_holds(dns: &Anything, said: &Said) {
    let question = Question {
        client: said.client,
        helo: &said.helo,
        local: &said.local,
        domain: &said.domain,
        receiver: "mx.example.com",
        now: Time::from_secs(1),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let answer = runtime.block_on(check(dns, &question));
    let asked = dns.asked.swap(0, Ordering::Relaxed);
    assert!(asked <= QUESTIONS_MAX, "{asked} questions");
    let harmless = |text: &str| text.bytes().all(|b| matches!(b, b' '..=b'~'));
    assert!(
        harmless(&answer.reason) && (1..=REASON_MAX).contains(&answer.reason.len()),
        "{answer:?}"
    );
    if let Some(text) = &answer.explanation {
        assert!(harmless(text) && text.len() <= EXPLANATION_MAX, "{answer:?}");
    }
    assert_eq!(runtime.block_on(check(dns, &question)), answer);
    dns.asked.store(0, Ordering::Relaxed);
}

/// What a record prints is the same record.
pub fn record_holds(text: &[u8]) {
    if let Ok(record) = Record::parse(text) {
        assert_eq!(Record::parse(record.to_string().as_bytes()), Ok(record));
    }
}
