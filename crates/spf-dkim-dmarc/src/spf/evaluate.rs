//! Reads records and asks DNS until there is a result (RFC 7208 sections 4 to 6).
//!
//! **Invariant:** at most [`QUESTIONS_MAX`] questions for one check, whatever records say: 10 terms that ask, 10 names for
//! each `mx`, the names of the client looked up once for all. A record that is included is a frame on a stack that the
//! number of terms bounds; nothing calls itself. Trouble with DNS is a `temperror`, and a limit that is passed a
//! `permerror`: neither is ever a pass or a fail.

use std::borrow::Cow;
use std::net::IpAddr;

use gatepost_core::{Dns, Domain, Fault, Lookup, SpfResult};

use super::macros::{self, Place};
use super::record::{Directive, DomainSpec, Mechanism, Prefixes, Record, Selected, select};
use super::{Answer, POSTMASTER, Question, name};

/// The most terms that ask DNS (RFC 7208 section 4.6.4).
const TERMS_MAX: u8 = 10;
/// The most terms that ask in vain: what they name has no record of the type, or does not exist.
const VOIDS_MAX: u8 = 2;
/// The most mail servers of one domain, and the most names of a client.
const NAMES_MAX: usize = 10;
/// The most questions that one check asks: the first record; for each term its own and ten more; the client's names; the
/// explanation.
pub const QUESTIONS_MAX: usize = 1 + 10 * 11 + 11 + 1;
/// The most octets that a domain may expand to. Names have 253; what is longer loses labels on the left.
const EXPANSION_MAX: usize = 2_048;
/// The most characters of an explanation.
pub const EXPLANATION_MAX: usize = 400;
/// The most characters of a reason.
pub const REASON_MAX: usize = 250;

/// What ends a check before its record does.
struct End(SpfResult, String);

/// A record that is being read.
struct Frame {
    domain: Box<str>,
    record: Record,
    next: usize,
}

impl Frame {
    fn new(domain: Box<str>, record: Record) -> Frame {
        Frame {
            domain,
            record,
            next: 0,
        }
    }

    /// The directive that was read last.
    fn last(&self) -> Option<&Directive> {
        self.record.directives.get(self.next.checked_sub(1)?)
    }
}

struct Check<'a> {
    dns: &'a dyn Dns,
    question: &'a Question<'a>,
    client: IpAddr,
    local: &'a str,
    origin: &'a str,
    terms: u8,
    voids: u8,
    /// The client's names that lead back to it, once they were asked for.
    names: Option<Vec<Box<str>>>,
}

/// Answers a question.
pub async fn evaluate(dns: &dyn Dns, question: &Question<'_>) -> Answer {
    let Some(origin) = name::of_sender(question.domain) else {
        let why = format!("'{}' is no domain that can have a record", question.domain);
        return answer(SpfResult::None, why);
    };
    let mut check = Check {
        dns,
        question,
        client: question.client.to_canonical(),
        local: match question.local {
            "" => POSTMASTER,
            local => local,
        },
        origin: &origin,
        terms: 0,
        voids: 0,
        names: None,
    };
    check.run().await.unwrap_or_else(|End(result, why)| answer(result, why))
}

fn answer(result: SpfResult, reason: String) -> Answer {
    Answer {
        result,
        authorised_by: None,
        reason: shown(&reason),
        explanation: None,
    }
}

/// A reason as it may stand in a line of the log.
fn shown(text: &str) -> String {
    let harmless = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
    text.chars().take(REASON_MAX).map(harmless).collect()
}

fn permerror<T>(why: impl Into<String>) -> Result<T, End> {
    Err(End(SpfResult::PermError, why.into()))
}

impl Check<'_> {
    async fn run(&mut self) -> Result<Answer, End> {
        let origin: Box<str> = self.origin.into();
        let Some(record) = self.record(&origin).await? else {
            return Ok(answer(SpfResult::None, format!("{origin} has no record")));
        };
        let mut frames = vec![Frame::new(origin, record)];
        while let Some(frame) = frames.last_mut() {
            let (result, reason) = match frame.record.directives.get(frame.next) {
                Some(directive) => {
                    frame.next += 1;
                    if let Mechanism::Include(spec) = &directive.mechanism {
                        let included = self.other(spec, &frame.domain, "included").await?;
                        frames.push(included);
                        continue;
                    }
                    if !self.matches(&directive.mechanism, &frame.domain).await? {
                        continue;
                    }
                    let reason = format!("{directive} in the record of {} matches", frame.domain);
                    (directive.qualifier.result(), reason)
                }
                None => match &frame.record.redirect {
                    Some(spec) => {
                        *frame = self.other(spec, &frame.domain, "redirected to").await?;
                        continue;
                    }
                    None => {
                        let reason = format!("nothing in the record of {} matches", frame.domain);
                        (SpfResult::Neutral, reason)
                    }
                },
            };
            if let Some((result, authority)) = settle(&mut frames, result) {
                let mut answer = answer(result, reason);
                match result {
                    SpfResult::Pass => answer.authorised_by = Domain::parse(&authority.domain, false).ok(),
                    SpfResult::Fail => answer.explanation = self.explanation(&authority).await,
                    _ => {}
                }
                return Ok(answer);
            }
        }
        // Not reached: the lowest frame always settles.
        permerror("the record ends nowhere")
    }

    /// The record of a domain.
    async fn record(&self, domain: &str) -> Result<Option<Record>, End> {
        let texts = self.dns.txt(domain).await;
        let texts = texts.map_err(|fault| trouble("TXT", domain, &fault))?;
        match select(texts.records()) {
            Selected::None => Ok(None),
            Selected::Several => permerror(format!("{domain} has several records")),
            Selected::One(text) => match Record::parse(text) {
                Ok(record) => Ok(Some(record)),
                Err(bad) => permerror(format!("in the record of {domain}: {bad}")),
            },
        }
    }

    /// The record that another one leads to; there has to be one.
    async fn other(&mut self, spec: &DomainSpec, domain: &str, how: &str) -> Result<Frame, End> {
        self.term()?;
        let Some(target) = self.target(Some(spec), domain).await? else {
            return permerror(format!("{} is {how} and no name", spec.text()));
        };
        match self.record(&target).await? {
            Some(record) => Ok(Frame::new(target.into(), record)),
            None => permerror(format!("{target} is {how} and has no record")),
        }
    }

    /// Counts a term that asks DNS.
    fn term(&mut self) -> Result<(), End> {
        if self.terms == TERMS_MAX {
            return permerror("more than 10 terms ask DNS");
        }
        self.terms += 1;
        Ok(())
    }

    /// Counts a term that asked in vain.
    fn void(&mut self) -> Result<(), End> {
        if self.voids == VOIDS_MAX {
            return permerror("more than 2 terms ask DNS in vain");
        }
        self.voids += 1;
        Ok(())
    }

    async fn matches(&mut self, mechanism: &Mechanism, domain: &str) -> Result<bool, End> {
        let prefixes = |length| Prefixes { v4: length, v6: length };
        match (mechanism, self.client) {
            (Mechanism::All, _) => Ok(true),
            (Mechanism::Ip4(net, length), IpAddr::V4(client)) => Ok(prefixes(*length).match_v4(*net, client)),
            (Mechanism::Ip6(net, length), IpAddr::V6(client)) => Ok(prefixes(*length).match_v6(*net, client)),
            (Mechanism::Ip4(..) | Mechanism::Ip6(..), _) => Ok(false),
            (Mechanism::A(spec, prefixes), _) => {
                self.term()?;
                let Some(target) = self.target(spec.as_ref(), domain).await? else {
                    return Ok(false);
                };
                match self.has_client(&target, *prefixes).await? {
                    Some(here) => Ok(here),
                    None => self.void().map(|()| false),
                }
            }
            (Mechanism::Mx(spec, prefixes), _) => {
                self.term()?;
                let Some(target) = self.target(spec.as_ref(), domain).await? else {
                    return Ok(false);
                };
                self.mx(&target, *prefixes).await
            }
            (Mechanism::Ptr(spec), _) => {
                self.term()?;
                let target = self.target(spec.as_ref(), domain).await?;
                if self.names.is_none() && !self.find_names().await {
                    self.void()?;
                }
                let names = self.names.as_deref().unwrap_or_default();
                Ok(target.is_some_and(|target| names.iter().any(|it| name::is_within(it, &target))))
            }
            (Mechanism::Exists(spec), _) => {
                self.term()?;
                let Some(target) = self.target(Some(spec), domain).await? else {
                    return Ok(false);
                };
                let found = self.dns.a(&target).await;
                match found.map_err(|fault| trouble("A", &target, &fault))? {
                    Lookup::Found { .. } => Ok(true),
                    _ => self.void().map(|()| false),
                }
            }
            // It is a frame of its own.
            (Mechanism::Include(_), _) => Ok(false),
        }
    }

    async fn mx(&mut self, domain: &str, prefixes: Prefixes) -> Result<bool, End> {
        let found = self.dns.mx(domain).await;
        let mut hosts = found.map_err(|fault| trouble("MX", domain, &fault))?.into_records();
        if hosts.len() > NAMES_MAX {
            return permerror(format!("{domain} has more than {NAMES_MAX} mail servers"));
        }
        // DNS gives them in any order; the same question has the same answer.
        hosts.sort();
        let mut void = true;
        for host in hosts.iter().filter(|host| name::is_name(&host.host)) {
            match self.has_client(&host.host, prefixes).await? {
                Some(true) => return Ok(true),
                Some(false) => void = false,
                None => {}
            }
        }
        if void {
            self.void()?;
        }
        Ok(false)
    }

    /// Whether the client is among the addresses of a name; none where it has no address of the client's kind.
    async fn has_client(&self, name: &str, prefixes: Prefixes) -> Result<Option<bool>, End> {
        let found = match self.client {
            IpAddr::V4(client) => self.dns.a(name).await.map(|found| {
                let same = |it: &_| prefixes.match_v4(*it, client);
                (!found.records().is_empty()).then(|| found.records().iter().any(same))
            }),
            IpAddr::V6(client) => self.dns.aaaa(name).await.map(|found| {
                let same = |it: &_| prefixes.match_v6(*it, client);
                (!found.records().is_empty()).then(|| found.records().iter().any(same))
            }),
        };
        found.map_err(|fault| trouble("address", name, &fault))
    }

    /// Looks for the client's names that lead back to it. Trouble on the way is no result: such a name is none. Says
    /// whether there was anything to follow.
    async fn find_names(&mut self) -> bool {
        let mut names = Vec::new();
        let found = self.dns.ptr(self.client).await;
        let void = matches!(found, Ok(Lookup::NoData { .. } | Lookup::NxDomain { .. }));
        let found = found.map(Lookup::into_records).unwrap_or_default();
        for it in found.into_iter().take(NAMES_MAX) {
            if name::is_name(&it) && matches!(self.has_client(&it, Prefixes::WHOLE).await, Ok(Some(true))) {
                names.push(it);
            }
        }
        self.names = Some(names);
        !void
    }

    /// The name that a term asks for; none where it expands to what is no name of DNS.
    async fn target<'t>(&mut self, spec: Option<&'t DomainSpec>, domain: &'t str) -> Result<Option<Cow<'t, str>>, End> {
        let Some(spec) = spec else {
            return Ok(Some(Cow::Borrowed(domain)));
        };
        if let Some(plain) = spec.plain() {
            return Ok(name::of_expansion(plain).map(Cow::Borrowed));
        }
        let (text, whole) = self.expand(spec.text(), domain, EXPANSION_MAX).await;
        if !whole {
            return permerror(format!("a domain in the record of {domain} expands past all bounds"));
        }
        Ok(name::of_expansion(&text).map(|name| Cow::Owned(name.to_owned())))
    }

    async fn expand(&mut self, text: &str, domain: &str, most: usize) -> (String, bool) {
        if self.names.is_none() && macros::asks_for_names(text) {
            self.find_names().await;
        }
        let facts = macros::Facts {
            local: self.local,
            origin: self.origin,
            domain,
            client: self.client,
            name: self.best_name(domain),
            helo: self.question.helo,
            receiver: self.question.receiver,
            now: self.question.now,
        };
        macros::expand(text, &facts, most)
    }

    /// The client's name: the domain itself, else one below it, else any (RFC 7208 section 7.3).
    fn best_name(&self, domain: &str) -> &str {
        let names = self.names.as_deref().unwrap_or_default();
        let itself = names.iter().find(|it| it.eq_ignore_ascii_case(domain));
        let below = || names.iter().find(|it| name::is_within(it, domain));
        itself.or_else(below).or(names.first()).map_or("unknown", |name| name)
    }

    /// The domain owner's explanation. Whatever is wrong with it, the result is a fail all the same.
    async fn explanation(&mut self, frame: &Frame) -> Option<String> {
        let spec = frame.record.explanation.as_ref()?;
        let target = self.target(Some(spec), &frame.domain).await.ok()??;
        let found = self.dns.txt(&target).await.ok()?;
        let [text] = found.records() else {
            return None;
        };
        let text = str::from_utf8(text).ok()?;
        macros::check(text, Place::Explanation).ok()?;
        let (text, _) = self.expand(text, &frame.domain, EXPLANATION_MAX).await;
        (!text.is_empty() && text.bytes().all(|b| matches!(b, b' '..=b'~'))).then_some(text)
    }
}

/// Gives the result of the highest frame to those below. Where it is the result of the whole there is nothing left, and it
/// is returned: with a pass the frame that gave it, else the lowest one, whose explanation counts.
fn settle(frames: &mut Vec<Frame>, mut result: SpfResult) -> Option<(SpfResult, Frame)> {
    let mut authority = frames.pop()?;
    while let Some(below) = frames.last() {
        // Any other result of what is included means that the mechanism does not match.
        if result != SpfResult::Pass {
            return None;
        }
        result = below.last().map_or(SpfResult::PermError, |it| it.qualifier.result());
        if result == SpfResult::Pass {
            frames.pop();
        } else {
            authority = frames.pop()?;
        }
    }
    Some((result, authority))
}

fn trouble(what: &str, name: &str, fault: &Fault) -> End {
    End(SpfResult::TempError, format!("{what} of {name}: {fault}"))
}
