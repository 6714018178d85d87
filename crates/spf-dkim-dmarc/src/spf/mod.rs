//! SPF (RFC 7208): may this client send for this domain?
//!
//! **Invariant:** the same question and the same answers of DNS give the same answer. **Absent on purpose:** time, caches,
//! and the choice of the identity: who calls says which domain is checked, and for how long it waits.

mod evaluate;
mod macros;
mod name;
mod parse;
mod record;

use std::net::IpAddr;

use gatepost_core::{Dns, Domain, SpfResult, Time};

pub use evaluate::{EXPLANATION_MAX, QUESTIONS_MAX, REASON_MAX};
pub use parse::{BadRecord, RECORD_MAX};
pub use record::{Directive, DomainSpec, Mechanism, Prefixes, Qualifier, Record, Selected, select};

/// What is asked: one check of one identity.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The client's address; an IPv4 address mapped into IPv6 counts as IPv4.
    pub client: IpAddr,
    /// What the client calls itself, as it said it (`%{h}`).
    pub helo: &'a str,
    /// The local part of the sender, `postmaster` where it has none (RFC 7208 section 4.3).
    pub local: &'a str,
    /// The domain that is checked: MAIL FROM's, or HELO's.
    pub domain: &'a str,
    /// Our own name (`%{r}` in explanations).
    pub receiver: &'a str,
    /// The time of the check (`%{t}` in explanations).
    pub now: Time,
}

/// What SPF says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The result.
    pub result: SpfResult,
    /// The domain whose record authorised the client, behind `include` and `redirect`; only on a pass.
    pub authorised_by: Option<Domain>,
    /// Why, in a few words, for log and command line: the mechanism that matched, or what was wrong. ASCII, no line end.
    pub reason: String,
    /// The domain owner's own explanation of a fail (`exp=`), printable ASCII.
    pub explanation: Option<String>,
}

/// Checks one identity (`check_host()` of RFC 7208 section 4).
///
/// Bounded: 10 terms that ask DNS, 2 void lookups, 10 names for each `mx` and `ptr`. It takes no time of its own: who
/// calls it gives it a deadline, and a check that was given up is a `temperror`.
pub async fn check(dns: &dyn Dns, question: &Question<'_>) -> Answer {
    evaluate::evaluate(dns, question).await
}

/// The local part and the domain that are checked for a sender as it was written, with or without angle brackets: those of
/// the address, or for the null sender the postmaster of HELO's name (RFC 7208 section 2.4).
pub fn identity<'a>(from: &'a str, helo: &'a str) -> (&'a str, &'a str) {
    let from = from
        .strip_prefix('<')
        .and_then(|it| it.strip_suffix('>'))
        .unwrap_or(from);
    match from.rsplit_once('@') {
        Some(("", domain)) => (POSTMASTER, domain),
        Some((local, domain)) => (local, domain),
        None if from.is_empty() => (POSTMASTER, helo),
        // An address without a domain has none that could be checked.
        None => (from, ""),
    }
}

/// A result as RFC 7208 section 2.6 calls it.
pub fn word(result: SpfResult) -> &'static str {
    match result {
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

/// Whom a sender without local part stands for.
const POSTMASTER: &str = "postmaster";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_null_sender_stands_for_the_postmaster_of_the_client() {
        for (from, local, domain) in [
            ("ann@a.example", "ann", "a.example"),
            ("<a@b@c.example>", "a@b", "c.example"),
            ("@a.example", "postmaster", "a.example"),
            ("", "postmaster", "mail.example"),
            ("<>", "postmaster", "mail.example"),
            ("ann", "ann", ""),
        ] {
            assert_eq!(identity(from, "mail.example"), (local, domain), "{from}");
        }
    }
}
