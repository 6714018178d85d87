//! What an operator can be woken by: faults of what Gatepost stands on, counted and told.
//!
//! A fault of DNS, of the store or of the archive seldom shows in an answer, since nobody's mail is refused for it: filters
//! go without, mail is deferred. So each is counted here, where it comes from, whoever asked and whatever is made of it,
//! and the log has a line about it, at most one a minute for each service.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use gatepost_core::{
    Backend, Clock, Dns, Fault, Keeping, Kept, KeptId, KeptMail, Label, Login, Lookup, Message, Mx, Page, Query,
    Record, Swap, Time, Write, async_trait,
};
use metrics::counter;

/// How long the log says nothing more of the same service.
const SILENCE: Duration = Duration::from_secs(60);

/// Counts a fault of a service.
pub fn count(service: &'static str, why: &'static str) {
    counter!("gatepost_faults_total", "service" => service, "why" => why).increment(1);
}

/// A service whose faults are counted and told.
pub struct Watched<S: ?Sized> {
    service: &'static str,
    clock: Arc<dyn Clock>,
    /// When the log told of it last, in milliseconds.
    told: AtomicU64,
    inner: Arc<S>,
}

impl<S: ?Sized> Watched<S> {
    /// Watches a service of this name.
    pub fn new(service: &'static str, clock: &Arc<dyn Clock>, inner: Arc<S>) -> Watched<S> {
        Watched {
            service,
            clock: Arc::clone(clock),
            told: AtomicU64::new(0),
            inner,
        }
    }

    fn hear<T>(&self, answer: Result<T, Fault>) -> Result<T, Fault> {
        if let Err(fault) = &answer {
            self.note(fault);
        }
        answer
    }

    fn note(&self, fault: &Fault) {
        let service = self.service;
        let why = match fault {
            Fault::Unavailable(what) => what,
            Fault::Unsure(_) => "unsure",
            _ => "broken",
        };
        count(service, why);
        let (now, told) = (self.clock.now().millis(), self.told.load(Ordering::Relaxed));
        let silent = u64::try_from(SILENCE.as_millis()).unwrap_or(u64::MAX);
        // A clock that went back keeps nobody silent.
        if (told > now || now - told >= silent)
            && self
                .told
                .compare_exchange(told, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            tracing::error!(service, %fault, "a service that mail is checked or stored with has a fault");
        }
    }
}

#[async_trait]
impl<S: Dns + ?Sized> Dns for Watched<S> {
    async fn a(&self, name: &str) -> Result<Lookup<Ipv4Addr>, Fault> {
        self.hear(self.inner.a(name).await)
    }
    async fn aaaa(&self, name: &str) -> Result<Lookup<Ipv6Addr>, Fault> {
        self.hear(self.inner.aaaa(name).await)
    }
    async fn ptr(&self, address: IpAddr) -> Result<Lookup<Box<str>>, Fault> {
        self.hear(self.inner.ptr(address).await)
    }
    async fn txt(&self, name: &str) -> Result<Lookup<Box<[u8]>>, Fault> {
        self.hear(self.inner.txt(name).await)
    }
    async fn mx(&self, name: &str) -> Result<Lookup<Mx>, Fault> {
        self.hear(self.inner.mx(name).await)
    }
    async fn ns(&self, name: &str) -> Result<Lookup<Box<str>>, Fault> {
        self.hear(self.inner.ns(name).await)
    }
}

#[async_trait]
impl<S: Backend + ?Sized> Backend for Watched<S> {
    async fn get(&self, key: &[u8], now: Time) -> Result<Option<Bytes>, Fault> {
        self.hear(self.inner.get(key, now).await)
    }
    async fn put(&self, key: &[u8], value: &[u8], until: Option<Time>) -> Result<(), Fault> {
        self.hear(self.inner.put(key, value, until).await)
    }
    async fn swap(
        &self,
        key: &[u8],
        was: Option<&[u8]>,
        new: Option<&[u8]>,
        until: Option<Time>,
        now: Time,
    ) -> Result<Swap, Fault> {
        self.hear(self.inner.swap(key, was, new, until, now).await)
    }
    async fn add(&self, key: &[u8], by: i64, until: Time, now: Time) -> Result<i64, Fault> {
        self.hear(self.inner.add(key, by, until, now).await)
    }
    async fn insert(&self, part: &[u8], order: &[u8], value: &[u8]) -> Result<(), Fault> {
        self.hear(self.inner.insert(part, order, value).await)
    }
    async fn remove(&self, part: &[u8], order: &[u8]) -> Result<(), Fault> {
        self.hear(self.inner.remove(part, order).await)
    }
    async fn range(&self, part: &[u8], range: Range<&[u8]>, newest: bool, limit: usize) -> Result<Page, Fault> {
        self.hear(self.inner.range(part, range, newest, limit).await)
    }
    async fn trim(&self, part: &[u8], before: &[u8]) -> Result<u64, Fault> {
        self.hear(self.inner.trim(part, before).await)
    }
    async fn write(&self, writes: Vec<Write>) -> Result<(), Fault> {
        self.hear(self.inner.write(writes).await)
    }
}

#[async_trait]
impl<S: Kept + ?Sized> Kept for Watched<S> {
    fn keeps(&self) -> bool {
        self.inner.keeps()
    }
    fn could_keep(&self, octets: u64) -> bool {
        self.inner.could_keep(octets)
    }
    async fn keep(&self, keeping: Keeping<'_>) -> Result<KeptId, Fault> {
        self.hear(self.inner.keep(keeping).await)
    }
    async fn withdraw(&self, id: &KeptId) -> Result<(), Fault> {
        self.hear(self.inner.withdraw(id).await)
    }
    async fn get(&self, id: &KeptId) -> Result<Option<(KeptMail, Arc<Message>)>, Fault> {
        self.hear(self.inner.get(id).await)
    }
    async fn label(&self, id: &KeptId, label: Label, by: &Login) -> Result<(), Fault> {
        self.hear(self.inner.label(id, label, by).await)
    }
    async fn list(&self, query: &Query) -> Result<Vec<KeptMail>, Fault> {
        self.hear(self.inner.list(query).await)
    }
    async fn delete(&self, id: &KeptId) -> Result<bool, Fault> {
        self.hear(self.inner.delete(id).await)
    }
    async fn record(&self, record: &Record) -> Result<(), Fault> {
        self.hear(self.inner.record(record).await)
    }
    async fn record_all(&self, records: &[&Record]) -> Result<(), Fault> {
        self.hear(self.inner.record_all(records).await)
    }
    async fn records(&self, query: &Query) -> Result<Vec<Record>, Fault> {
        self.hear(self.inner.records(query).await)
    }
}
