//! Services of an installation that does not have them: the proxy runs, and whoever asks is told so.

use std::any::Any;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gatepost_message::Message;
use gatepost_smtp::{Address, Time};

use crate::alarms::Alarms;
use crate::compute::{Budget, Job, Threads};
use crate::desk::{Desk, Receipt, Request};
use crate::dns::{Dns, Lookup, Mx};
use crate::domains::{DomainAct, Domains};
use crate::envelope::Login;
use crate::explain::{About, Explain, Explanation};
use crate::fault::Fault;
use crate::identity::{Identify, Identity, Reverse, Sender, Spf};
use crate::kept::{Keeping, Kept, KeptId, KeptMail, Label, Query};
use crate::learner::{Learning, Lesson, ModelSlot, Models, Rebuilt, Unlearn, Version};
use crate::post::{Letter, Post, Released};
use crate::record::Record;
use crate::store::{Backend, Page, Swap};

/// No DNS.
pub struct NoDns;
const DNS: Fault = Fault::Unavailable("no DNS service");

#[async_trait]
impl Dns for NoDns {
    async fn a(&self, _: &str) -> Result<Lookup<Ipv4Addr>, Fault> {
        Err(DNS)
    }
    async fn aaaa(&self, _: &str) -> Result<Lookup<Ipv6Addr>, Fault> {
        Err(DNS)
    }
    async fn ptr(&self, _: IpAddr) -> Result<Lookup<Box<str>>, Fault> {
        Err(DNS)
    }
    async fn txt(&self, _: &str) -> Result<Lookup<Box<[u8]>>, Fault> {
        Err(DNS)
    }
    async fn mx(&self, _: &str) -> Result<Lookup<Mx>, Fault> {
        Err(DNS)
    }
    async fn ns(&self, _: &str) -> Result<Lookup<Box<str>>, Fault> {
        Err(DNS)
    }
}

/// No customers' domains beside those of the files.
pub struct NoDomains;

#[async_trait]
impl Domains for NoDomains {
    async fn act(&self, _: &DomainAct, _: Option<&[String]>) -> Result<Receipt, Fault> {
        Err(Fault::Unavailable("no service for the domains of customers"))
    }
}

/// No store.
pub struct NoStore;
const STORE: Fault = Fault::Unavailable("no store");

#[async_trait]
impl Backend for NoStore {
    async fn get(&self, _: &[u8], _: Time) -> Result<Option<Bytes>, Fault> {
        Err(STORE)
    }
    async fn put(&self, _: &[u8], _: &[u8], _: Option<Time>) -> Result<(), Fault> {
        Err(STORE)
    }
    async fn swap(
        &self,
        _: &[u8],
        _: Option<&[u8]>,
        _: Option<&[u8]>,
        _: Option<Time>,
        _: Time,
    ) -> Result<Swap, Fault> {
        Err(STORE)
    }
    async fn add(&self, _: &[u8], _: i64, _: Time, _: Time) -> Result<i64, Fault> {
        Err(STORE)
    }
    async fn insert(&self, _: &[u8], _: &[u8], _: &[u8]) -> Result<(), Fault> {
        Err(STORE)
    }
    async fn remove(&self, _: &[u8], _: &[u8]) -> Result<(), Fault> {
        Err(STORE)
    }
    async fn range(&self, _: &[u8], _: Range<&[u8]>, _: bool, _: usize) -> Result<Page, Fault> {
        Err(STORE)
    }
    async fn trim(&self, _: &[u8], _: &[u8]) -> Result<u64, Fault> {
        Err(STORE)
    }
}

/// Nobody looks up names and identities: all are unknown.
pub struct NoIdentify;

#[async_trait]
impl Identify for NoIdentify {
    async fn reverse(&self, _: IpAddr) -> Result<Reverse, Fault> {
        Ok(Reverse::default())
    }
    async fn spf(&self, _: &Sender) -> Result<Spf, Fault> {
        Ok(Spf::default())
    }
    async fn identity(&self, _: &Sender, _: &Spf, _: &Arc<Message>) -> Result<Identity, Fault> {
        Ok(Identity::unknown())
    }
}

/// Nothing is kept: keeping fails, so that no mail is accepted on its strength. Records are let go.
pub struct NoKept;
const KEPT: Fault = Fault::Unavailable("no archive");

#[async_trait]
impl Kept for NoKept {
    fn keeps(&self) -> bool {
        false
    }
    async fn keep(&self, _: Keeping<'_>) -> Result<KeptId, Fault> {
        Err(KEPT)
    }
    async fn withdraw(&self, _: &KeptId) -> Result<(), Fault> {
        Err(KEPT)
    }
    async fn get(&self, _: &KeptId) -> Result<Option<(KeptMail, Arc<Message>)>, Fault> {
        Ok(None)
    }
    async fn label(&self, _: &KeptId, _: Label, _: &Login) -> Result<(), Fault> {
        Err(KEPT)
    }
    async fn list(&self, _: &Query) -> Result<Vec<KeptMail>, Fault> {
        Ok(Vec::new())
    }
    async fn delete(&self, _: &KeptId) -> Result<bool, Fault> {
        Ok(false)
    }
    async fn record(&self, _: &Record) -> Result<(), Fault> {
        Ok(())
    }
    async fn records(&self, _: &Query) -> Result<Vec<Record>, Fault> {
        Ok(Vec::new())
    }
}

/// Models live as long as the filter that made them.
pub struct NoModels;

impl Models for NoModels {
    fn slot(&self, _: &'static str, make: &dyn Fn() -> Arc<dyn ModelSlot>) -> Arc<dyn ModelSlot> {
        make()
    }
    fn all(&self) -> BTreeMap<&'static str, Arc<dyn ModelSlot>> {
        BTreeMap::new()
    }
}

/// Nothing is learned.
pub struct NoLearning;

#[async_trait]
impl Learning for NoLearning {
    async fn label(&self, _: Lesson) -> Result<u64, Fault> {
        Err(Fault::Unavailable("no training"))
    }
    async fn unlearn(&self, _: &Unlearn) -> Result<u64, Fault> {
        Err(Fault::Unavailable("no training"))
    }

    async fn versions(&self) -> Result<Vec<Version>, Fault> {
        Err(Fault::Unavailable("no training"))
    }

    async fn rollback(&self, _: Option<u64>) -> Result<Version, Fault> {
        Err(Fault::Unavailable("no training"))
    }

    async fn rebuild(&self) -> Result<Rebuilt, Fault> {
        Err(Fault::Unavailable("no training"))
    }
}

/// Nobody explains mail.
pub struct NoExplain;

#[async_trait]
impl Explain for NoExplain {
    async fn explain(&self, _: &Arc<Message>, _: About) -> Result<Explanation, Fault> {
        Err(Fault::Unavailable("nobody explains mail here"))
    }
    fn unvouched(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Nobody is at the desk.
pub struct NoDesk;

#[async_trait]
impl Desk for NoDesk {
    async fn submit(&self, _: &Login, _: Request) -> Result<Receipt, Fault> {
        Err(Fault::Unavailable("no desk"))
    }
}

/// No mail of our own leaves.
pub struct NoPost;

#[async_trait]
impl Post for NoPost {
    async fn send(&self, _: Letter) -> Result<(), Fault> {
        Err(Fault::Unavailable("no post"))
    }
    async fn release(&self, _: &KeptId, _: &Address, _: &Login) -> Result<Released, Fault> {
        Err(Fault::Unavailable("no post"))
    }
}

/// Nobody is told.
pub struct NoAlarms;

impl Alarms for NoAlarms {
    fn raise(&self, _: &'static str, _: &str, _: &str) {}
    fn over(&self, _: &'static str, _: &str) {}
}

/// No threads: a job runs where it is asked for. For tests and small tools.
pub struct NoThreads;

#[async_trait]
impl Threads for NoThreads {
    async fn run(&self, job: Job) -> Result<Box<dyn Any + Send>, Fault> {
        Ok(job(&Budget::new()))
    }
}
