//! DNS for Gatepost, by hickory-resolver, which hides here.
//!
//! **Invariants:** NXDOMAIN and NODATA are answers, everything else that is no record is a [`Fault`]: nobody concludes
//! from a time-out or SERVFAIL that a name is not there. Equal questions under way are asked once; answers are remembered
//! for their TTL, within an hour and within a bound of memory; a question has one deadline for everything that it takes,
//! and a resolver that answers nothing at all costs a session that deadline once. Names that a stranger chose are bounded
//! before they are asked for, and come back as text in which no octet of theirs can do harm.
//!
//! **Absent on purpose:** remembering faults. A resolver does that itself (RFC 9520), and ours is next door.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod answer;
mod hickory;
mod memory;
mod name;
mod pulse;
mod questions;
mod settings;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use gatepost_core::{Clock, Dns, Fault, Lookup, Mx, async_trait};
use hickory_resolver::proto::rr::Name;

use answer::{Datum, Key, Kind};
use memory::Memory;
use questions::Questions;

pub use settings::{BadSettings, Settings};

/// DNS over the network.
pub struct Resolver {
    questions: Arc<Questions>,
}

impl Resolver {
    /// A resolver. Nothing is asked yet.
    pub fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Resolver, BadSettings> {
        let (hickory, memory) = (hickory::resolver(settings)?, Memory::new(settings.memory));
        let questions = Questions::new(hickory, clock, memory, settings.deadline, settings.under_way);
        Ok(Resolver {
            questions: Arc::new(questions),
        })
    }

    async fn ask<T>(&self, kind: Kind, name: &str, pick: impl Fn(&Datum) -> Option<T>) -> Result<Lookup<T>, Fault> {
        let key = Key::name(kind, name);
        let answer = self.questions.answer(kind, key, || name::absolute(name)).await?;
        Ok(answer.tell(self.questions.clock().now(), pick))
    }
}

macro_rules! pick {
    ($variant:ident) => {
        |datum| match datum {
            Datum::$variant(it) => Some(it.clone()),
            _ => None,
        }
    };
}

#[async_trait]
impl Dns for Resolver {
    async fn a(&self, name: &str) -> Result<Lookup<Ipv4Addr>, Fault> {
        self.ask(Kind::A, name, pick!(A)).await
    }

    async fn aaaa(&self, name: &str) -> Result<Lookup<Ipv6Addr>, Fault> {
        self.ask(Kind::Aaaa, name, pick!(Aaaa)).await
    }

    async fn ptr(&self, address: IpAddr) -> Result<Lookup<Box<str>>, Fault> {
        let address = address.to_canonical();
        let key = Key::address(address);
        let answer = self
            .questions
            .answer(Kind::Ptr, key, || Some(Name::from(address)))
            .await?;
        Ok(answer.tell(self.questions.clock().now(), pick!(Name)))
    }

    async fn txt(&self, name: &str) -> Result<Lookup<Box<[u8]>>, Fault> {
        self.ask(Kind::Txt, name, pick!(Txt)).await
    }

    async fn mx(&self, name: &str) -> Result<Lookup<Mx>, Fault> {
        self.ask(Kind::Mx, name, pick!(Mx)).await
    }

    async fn ns(&self, name: &str) -> Result<Lookup<Box<str>>, Fault> {
        self.ask(Kind::Ns, name, pick!(Name)).await
    }
}
