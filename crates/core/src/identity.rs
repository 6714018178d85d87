//! Names and identities: asked lazily, answered once.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use gatepost_message::Message;
use gatepost_smtp::{Address, Domain, Helo, Path};
use serde::{Deserialize, Serialize};

use crate::fault::Fault;

/// What the reverse name of an address says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Reverse {
    /// The name that PTR gives, validated (letters, digits, hyphens, dots, underscores; at most 255); none where there is
    /// none or it is no name.
    pub name: Option<Box<str>>,
    /// The name's own addresses include the one that was asked about.
    pub confirmed: bool,
}

impl Reverse {
    /// A reverse name.
    pub fn new(name: Option<Box<str>>, confirmed: bool) -> Reverse {
        Reverse { name, confirmed }
    }
}

/// The results of SPF (RFC 7208 §2.6), and one more: nobody looked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpfResult {
    /// Nobody looked: no service for it.
    #[default]
    Unknown,
    /// No record.
    None,
    /// `?`.
    Neutral,
    /// `+`.
    Pass,
    /// `-`.
    Fail,
    /// `~`.
    #[serde(alias = "soft_fail")]
    SoftFail,
    /// DNS trouble.
    #[serde(alias = "temp_error")]
    TempError,
    /// The record cannot be understood.
    #[serde(alias = "perm_error")]
    PermError,
}

impl SpfResult {
    /// The result as records and header fields spell it (RFC 8601 §2.7.2); `unknown` where nobody looked.
    pub const fn name(self) -> &'static str {
        match self {
            SpfResult::Unknown => "unknown",
            SpfResult::None => "none",
            SpfResult::Neutral => "neutral",
            SpfResult::Pass => "pass",
            SpfResult::Fail => "fail",
            SpfResult::SoftFail => "softfail",
            SpfResult::TempError => "temperror",
            SpfResult::PermError => "permerror",
        }
    }
}

/// Which name of a client SPF was asked about (RFC 7208 §2.3, §2.4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpfScope {
    /// The domain of MAIL FROM.
    #[default]
    Mfrom,
    /// What the client calls itself: for the null sender.
    Helo,
}

/// What SPF says about a client and a sender.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Spf {
    /// The result.
    pub result: SpfResult,
    /// The domain that was checked (MAIL FROM's, or HELO's for the null sender).
    pub domain: Option<Domain>,
    /// The domain whose record authorised the address, behind `include` and `redirect`; only on a pass.
    pub authorised_by: Option<Domain>,
    /// Which of the two it is.
    pub scope: SpfScope,
    /// Why, in a few words: the mechanism that matched, or what was wrong.
    pub reason: Box<str>,
    /// The domain owner's own words about a fail.
    pub explanation: Option<Box<str>>,
}

impl Spf {
    /// A result about a domain.
    pub fn new(result: SpfResult, domain: Option<Domain>, authorised_by: Option<Domain>) -> Spf {
        Spf {
            result,
            domain,
            authorised_by,
            ..Spf::default()
        }
    }

    /// The same for one of the two names.
    #[must_use]
    pub fn of(mut self, scope: SpfScope) -> Spf {
        self.scope = scope;
        self
    }

    /// The same with its reason and the domain owner's words.
    #[must_use]
    pub fn because(mut self, reason: impl Into<Box<str>>, explanation: Option<Box<str>>) -> Spf {
        self.reason = reason.into();
        self.explanation = explanation;
        self
    }
}

/// The results of a DKIM signature (RFC 8601 §2.7.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DkimResult {
    /// There is no signature.
    #[default]
    None,
    /// It verifies.
    Pass,
    /// It does not: the mail was changed, or it is no signature of that key.
    Fail,
    /// It may verify, and is not good enough for us.
    Policy,
    /// It cannot be understood.
    Neutral,
    /// DNS trouble, or no time.
    TempError,
    /// There is no such key, or it is of no use.
    PermError,
}

impl DkimResult {
    /// The result as records and header fields spell it.
    pub const fn name(self) -> &'static str {
        match self {
            DkimResult::None => "none",
            DkimResult::Pass => "pass",
            DkimResult::Fail => "fail",
            DkimResult::Policy => "policy",
            DkimResult::Neutral => "neutral",
            DkimResult::TempError => "temperror",
            DkimResult::PermError => "permerror",
        }
    }
}

/// One DKIM signature and what became of it. Its texts are a stranger's, cut short: readers escape them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Signature {
    /// The domain that signed (`d=`), in small letters; empty where none can be read.
    pub domain: Box<str>,
    /// The name of its key (`s=`).
    pub selector: Box<str>,
    /// How it was made (`a=`).
    pub algorithm: Box<str>,
    /// The result.
    pub result: DkimResult,
    /// Why, in a few words.
    pub reason: Box<str>,
    /// It passes, and its domain is aligned with the author's.
    pub aligned: bool,
    /// The first characters of the signature itself, by which two of one domain are told apart (RFC 6008).
    pub mark: Box<str>,
}

/// The results of a chain of ARC (RFC 8617).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArcResult {
    /// Nobody looked: the last sealer is none of those that the operator trusts.
    #[default]
    Unknown,
    /// There is no chain.
    None,
    /// All of it holds.
    Pass,
    /// It does not.
    Fail,
    /// DNS trouble, or no time.
    TempError,
}

impl ArcResult {
    /// The result as records and header fields spell it.
    pub const fn name(self) -> &'static str {
        match self {
            ArcResult::Unknown => "unknown",
            ArcResult::None => "none",
            ArcResult::Pass => "pass",
            ArcResult::Fail => "fail",
            ArcResult::TempError => "temperror",
        }
    }
}

/// A chain of ARC.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Chain {
    /// The result.
    pub result: ArcResult,
    /// Why, in a few words.
    pub reason: Box<str>,
    /// How many hands it went through.
    pub sets: u8,
    /// The domain of the last sealer.
    pub sealer: Box<str>,
    /// A sealer whom the operator trusts vouches that DMARC passed where it took the mail.
    pub vouches: bool,
}

/// What the owner of a domain wants done with mail that fails DMARC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DmarcPolicy {
    /// Nothing.
    #[default]
    None,
    /// It is to be treated as suspicious.
    Quarantine,
    /// It is to be refused.
    Reject,
}

impl DmarcPolicy {
    /// The policy as records spell it.
    pub const fn name(self) -> &'static str {
        match self {
            DmarcPolicy::None => "none",
            DmarcPolicy::Quarantine => "quarantine",
            DmarcPolicy::Reject => "reject",
        }
    }
}

/// How alike two domains must be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alignment {
    /// Of one organisation.
    #[default]
    Relaxed,
    /// The same.
    Strict,
}

/// What a domain publishes about itself (RFC 9989), as far as an aggregate report tells it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Published {
    /// The domain whose record it is: the author's, its organisation's, or a public suffix above.
    pub domain: Box<str>,
    /// `p=`.
    pub p: DmarcPolicy,
    /// `sp=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sp: Option<DmarcPolicy>,
    /// `np=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub np: Option<DmarcPolicy>,
    /// `adkim=`.
    pub adkim: Alignment,
    /// `aspf=`.
    pub aspf: Alignment,
    /// `t=y`: policies apply one level lower.
    pub testing: bool,
}

/// The results of DMARC (RFC 9989), and one more: nobody looked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DmarcResult {
    /// Nobody looked, or the message is not there yet.
    #[default]
    Unknown,
    /// No policy is published.
    None,
    /// An aligned identity passed.
    Pass,
    /// None did.
    Fail,
    /// DNS trouble.
    #[serde(alias = "temp_error")]
    TempError,
    /// The record cannot be understood.
    #[serde(alias = "perm_error")]
    PermError,
}

impl DmarcResult {
    /// The result as records and header fields spell it; `unknown` where nobody looked.
    pub const fn name(self) -> &'static str {
        match self {
            DmarcResult::Unknown => "unknown",
            DmarcResult::None => "none",
            DmarcResult::Pass => "pass",
            DmarcResult::Fail => "fail",
            DmarcResult::TempError => "temperror",
            DmarcResult::PermError => "permerror",
        }
    }
}

/// What proves a domain to be behind a message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Proof {
    /// The envelope sender's domain authorised the client.
    Spf,
    /// A signature verifies.
    Dkim,
    /// A trusted forwarder vouches (RFC 8617).
    Arc,
}

/// Whom SPF, DKIM and DMARC prove a mail to be from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Identity {
    /// The one address of the From header; none when there are several or none.
    pub author: Option<Address>,
    /// Each proven domain and what proves it, aligned with the author or not.
    pub proven: Vec<(Domain, Proof)>,
    /// SPF or a signature proves a domain that is aligned with the author's. A forwarder's word does not suffice.
    pub aligned: bool,
    /// What DMARC says.
    pub dmarc: DmarcResult,
    /// Why, in a few words.
    pub reason: Box<str>,
    /// DNS was in trouble where a proof of the author may lie: that nothing proves it says nothing. Trouble with domains
    /// that are not aligned is none.
    pub unsure: bool,
    /// The policy that applies to mail of this author that fails: `sp`, `np` and `t` are taken into account. None where
    /// none is published.
    pub policy: Option<DmarcPolicy>,
    /// What is published, and where.
    pub published: Option<Published>,
    /// The From fields name several authors, or something that readers read differently: nothing is proven.
    pub ambiguous: bool,
    /// SPF passes, and its domain is aligned with the author's.
    pub spf_aligned: bool,
    /// The signatures that were looked at.
    pub signatures: Vec<Signature>,
    /// How many more there are.
    pub signatures_left: u32,
    /// The chain of ARC.
    pub chain: Chain,
}

impl Identity {
    /// Nothing is known: no message yet, or nobody who looks.
    pub fn unknown() -> Identity {
        Identity::default()
    }

    /// The author, if proven by an aligned pass.
    pub fn proven_author(&self) -> Option<&Address> {
        self.author.as_ref().filter(|_| self.aligned)
    }
}

/// What is known of a sender when SPF is asked about it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Sender {
    /// The address to judge.
    pub origin: IpAddr,
    /// Who it says it is.
    pub helo: Option<Helo>,
    /// The reverse path.
    pub from: Path,
    /// The origin is known. Behind a trusted relay whose header does not tell, it is not, and SPF can say nothing.
    pub known: bool,
}

impl Sender {
    /// A sender.
    pub fn new(origin: IpAddr, helo: Option<Helo>, from: Path) -> Sender {
        Sender {
            origin,
            helo,
            from,
            known: true,
        }
    }

    /// The same where the address is a trusted relay's, and the origin is not known.
    #[must_use]
    pub fn unknown(mut self) -> Sender {
        self.known = false;
        self
    }
}

/// The service that answers [`Context::reverse`](crate::Context::reverse), [`spf`](crate::Context::spf) and
/// [`identity`](crate::Context::identity). Each is asked at most once for a transaction.
#[async_trait]
pub trait Identify: Send + Sync {
    /// The reverse name of an address.
    async fn reverse(&self, origin: IpAddr) -> Result<Reverse, Fault>;
    /// What SPF says.
    async fn spf(&self, sender: &Sender) -> Result<Spf, Fault>;
    /// Whom the message is proven to be from; `spf` is what SPF says of the sender, a fault of it being `temperror`.
    async fn identity(&self, sender: &Sender, spf: &Spf, message: &Arc<Message>) -> Result<Identity, Fault>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_spelt_as_the_rfcs_do_and_read_as_they_once_were_written() {
        for result in [
            SpfResult::SoftFail,
            SpfResult::TempError,
            SpfResult::PermError,
            SpfResult::None,
        ] {
            assert_eq!(serde_json::to_value(result).ok(), Some(result.name().into()));
        }
        for result in [DmarcResult::TempError, DmarcResult::PermError, DmarcResult::Unknown] {
            assert_eq!(serde_json::to_value(result).ok(), Some(result.name().into()));
        }
        assert_eq!(
            serde_json::to_value(DkimResult::TempError).ok(),
            Some("temperror".into())
        );
        assert_eq!(
            serde_json::to_value(ArcResult::TempError).ok(),
            Some("temperror".into())
        );
        let old =
            serde_json::from_str::<(SpfResult, SpfResult, DmarcResult)>(r#"["soft_fail","temp_error","perm_error"]"#);
        assert_eq!(
            old.ok(),
            Some((SpfResult::SoftFail, SpfResult::TempError, DmarcResult::PermError))
        );
    }
}
