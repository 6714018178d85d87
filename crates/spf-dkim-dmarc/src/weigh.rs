//! From what is proven to what the filter says of a mail: pure functions, one table.
//!
//! **Rules :** a domain's own policy never refuses a mail by itself: `quarantine` and `reject` are points that
//! lift it by about a level, fewer where a mailing list or a forwarder explains why nothing is proven. Only the operator's
//! own word refuses: `reject_spf_fail`, `strict`, and `own_domains = "reject"`. DNS in trouble weighs nothing. **The
//! operator's own word is not a stranger's to switch off:** only trouble with what may be the author's counts there, and
//! only what the operator knows excuses; a list that a stranger says it is does not.

use gatepost_core::message::Headers;
use gatepost_core::prelude::*;
use gatepost_core::{DkimResult, DmarcPolicy, DmarcResult, Identity, Spf, SpfResult};

use crate::names::{self, is_within};
use crate::{Config, OwnDomains};

/// What a mail says of itself that explains a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Excuse {
    /// A forwarder or list that the operator names is proven.
    Known,
    /// A trusted sealer vouches that DMARC passed where it took the mail.
    Vouched,
    /// A mailing list signed it.
    List,
}

/// What excuses a mail that fails.
pub fn excuse(config: &Config, identity: &Identity, headers: &Headers) -> Option<Excuse> {
    let proven: Vec<String> = identity
        .proven
        .iter()
        .filter_map(|(domain, _)| names::of(domain))
        .collect();
    if proven.iter().any(|domain| is_one_of(&config.forwarders, domain)) {
        return Some(Excuse::Known);
    }
    if identity.chain.vouches {
        return Some(Excuse::Vouched);
    }
    let list = headers
        .get("List-Id")
        .and_then(|field| list_domain(&field.unfolded()))?;
    let signed = identity.signatures.iter().filter(|one| one.result == DkimResult::Pass);
    let of_list = |domain: &str| is_within(&list, domain) || is_within(domain, &list);
    signed
        .into_iter()
        .any(|one| !one.aligned && of_list(&one.domain))
        .then_some(Excuse::List)
}

/// The domain of a List-Id (RFC 2919): what stands in its angle brackets, without the name of the list.
fn list_domain(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    let inner = text.rsplit_once('<')?.1.split_once('>')?.0;
    let (_, domain) = inner.trim().split_once('.')?;
    names::plain(domain).filter(|domain| domain.contains('.'))
}

/// Whether a domain is one of these or below one of them.
fn is_one_of(list: &[String], domain: &str) -> bool {
    list.iter().any(|entry| is_within(domain, entry))
}

const SPF_FAIL: Tag = Tag::new("spf_dkim_dmarc.spf_fail");
const SPF_REPLY: Reply = Reply::fixed(
    550,
    Enhanced(5, 7, 23),
    "SPF: the sender's domain does not let this client send its mail",
);
const STRICT: Reply = Reply::fixed(
    550,
    Enhanced(5, 7, 1),
    "This mail does not prove to be from its author's domain",
);
const SPOOFED: Reply = Reply::fixed(
    550,
    Enhanced(5, 7, 1),
    "This mail claims to be from us and does not prove it",
);

fn finding(tag: Tag, points: Score, note: impl Into<String>) -> Finding {
    Finding::new(tag, Evidence::Points(points), note)
}

fn of_spf(spf: &Spf) -> String {
    let domain = spf.domain.as_ref().map(ToString::to_string).unwrap_or_default();
    match &*spf.reason {
        "" => domain,
        reason => format!("{domain}: {reason}"),
    }
}

/// What is said at MAIL.
pub fn at_mail(config: &Config, spf: &Spf) -> Opinion {
    let (tag, points) = match spf.result {
        SpfResult::Fail => (SPF_FAIL, config.spf_fail_points),
        SpfResult::SoftFail => (Tag::new("spf_dkim_dmarc.spf_softfail"), config.spf_softfail_points),
        SpfResult::PermError => (Tag::new("spf_dkim_dmarc.spf_permerror"), config.spf_permerror_points),
        SpfResult::TempError => (Tag::new("spf_dkim_dmarc.spf_temperror"), Score::ZERO),
        SpfResult::None if config.spf_none_points != Score::ZERO => {
            (Tag::new("spf_dkim_dmarc.spf_none"), config.spf_none_points)
        }
        _ => return Opinion::none(),
    };
    let opinion = Opinion::none().with(finding(tag, points, of_spf(spf)));
    match spf.result {
        SpfResult::Fail if config.reject_spf_fail => opinion.wish(Wish::Reject(SPF_REPLY)),
        _ => opinion,
    }
}

/// The points that [`at_mail`] gave.
fn given(config: &Config, spf: &Spf) -> Score {
    match spf.result {
        SpfResult::Fail => config.spf_fail_points,
        SpfResult::SoftFail => config.spf_softfail_points,
        SpfResult::PermError => config.spf_permerror_points,
        SpfResult::None => config.spf_none_points,
        _ => Score::ZERO,
    }
}

/// What is known of a mail beside its identity.
#[derive(Clone, Default, Debug)]
pub struct Hints {
    /// What explains that nothing is proven.
    pub excuse: Option<Excuse>,
    /// The domain in which the author claims to be one of us.
    pub own: Option<String>,
    /// The author claims to be of a domain that must be proven.
    pub is_strict: bool,
}

impl Hints {
    /// Looks at each domain that a reader may take for the author's: where the author is ambiguous all count.
    pub fn of(config: &Config, identity: &Identity, headers: &Headers, is_own: &dyn Fn(&str) -> bool) -> Hints {
        let authors: Vec<String> = match &identity.author {
            Some(author) => names::of(author.domain()).into_iter().collect(),
            None => {
                let domains = gatepost_core::Author::domains(headers);
                domains.iter().filter_map(|domain| names::plain(domain)).collect()
            }
        };
        Hints {
            excuse: excuse(config, identity, headers),
            is_strict: authors.iter().any(|author| is_one_of(&config.strict, author)),
            own: authors.into_iter().find(|author| is_own(author)),
        }
    }
}

/// What is said when the message is there.
pub fn at_message(config: &Config, spf: &Spf, identity: &Identity, hints: Hints) -> Opinion {
    let mut opinion = Opinion::none();
    let mut say = |tag: &'static str, points: Score, note: String| {
        opinion = std::mem::take(&mut opinion).with(finding(Tag::new(tag), points, note));
    };
    let passed = |result| identity.signatures.iter().any(|one| one.result == result);
    let by_signature = identity.signatures.iter().any(|one| one.aligned);
    let points = given(config, spf);
    if by_signature && points > Score::ZERO {
        say(
            "spf_dkim_dmarc.spf_forgiven",
            -points,
            "the author's domain signed it: it was forwarded".into(),
        );
    }
    if passed(DkimResult::Fail) && !passed(DkimResult::Pass) {
        let failed = identity.signatures.iter().find(|one| one.result == DkimResult::Fail);
        let note = failed
            .map(|one| format!("{}: {}", one.domain, one.reason))
            .unwrap_or_default();
        say("spf_dkim_dmarc.dkim_fail", config.dkim_fail_points, note);
    }
    if identity.signatures_left > 0 {
        let note = format!("{} signatures were not looked at", identity.signatures_left);
        say("spf_dkim_dmarc.many_signatures", config.many_signatures_points, note);
    }
    if identity.ambiguous {
        say(
            "spf_dkim_dmarc.author_ambiguous",
            config.ambiguous_author_points,
            identity.reason.to_string(),
        );
    } else if identity.dmarc == DmarcResult::Fail {
        let (tag, points) = dmarc_fail(config, identity.policy.unwrap_or_default(), hints.excuse);
        let domain = identity.author.as_ref().map(|author| author.domain().to_string());
        say(
            tag,
            points,
            format!("{}: {}", domain.unwrap_or_default(), identity.reason),
        );
    } else if identity.dmarc == DmarcResult::TempError {
        say(
            "spf_dkim_dmarc.dmarc_temperror",
            Score::ZERO,
            identity.reason.to_string(),
        );
    }
    if identity.aligned && config.aligned_points != Score::ZERO {
        say(
            "spf_dkim_dmarc.aligned",
            config.aligned_points,
            identity.reason.to_string(),
        );
    }
    let known = matches!(hints.excuse, Some(Excuse::Known | Excuse::Vouched));
    let unproven = is_unproven(identity) && !known;
    let own = hints.own.filter(|_| unproven && config.own_domains != OwnDomains::Off);
    let (spoofed, strict) = (own.is_some(), unproven && hints.is_strict);
    if let Some(own) = own {
        let note = format!("from outside, in the name of {own}");
        say("spf_dkim_dmarc.own_domain", config.own_domain_points, note);
    }
    if strict {
        say(
            "spf_dkim_dmarc.strict",
            Score::ZERO,
            "the author's domain must be proven here".into(),
        );
    }
    match () {
        () if spoofed && config.own_domains == OwnDomains::Reject => opinion.wish(Wish::Reject(SPOOFED)),
        () if strict => opinion.wish(Wish::Reject(STRICT)),
        () => opinion,
    }
}

/// Whether nothing proves the author, and no trouble of DNS with what may be the author's is why.
fn is_unproven(identity: &Identity) -> bool {
    !identity.aligned && !identity.unsure && identity.dmarc != DmarcResult::Unknown
}

fn dmarc_fail(config: &Config, policy: DmarcPolicy, excuse: Option<Excuse>) -> (&'static str, Score) {
    let (tag, points) = match policy {
        DmarcPolicy::None => return ("spf_dkim_dmarc.dmarc_fail", Score::ZERO),
        DmarcPolicy::Quarantine => ("spf_dkim_dmarc.dmarc_quarantine", config.dmarc_quarantine_points),
        DmarcPolicy::Reject => ("spf_dkim_dmarc.dmarc_reject", config.dmarc_reject_points),
    };
    match excuse {
        None => (tag, points),
        Some(Excuse::Known) => ("spf_dkim_dmarc.dmarc_forwarded", Score::ZERO),
        Some(Excuse::Vouched) => ("spf_dkim_dmarc.dmarc_vouched", Score::ZERO),
        Some(Excuse::List) => ("spf_dkim_dmarc.dmarc_list", config.dmarc_list_points.min(points)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_core::{Address, Domain, Signature};

    fn spf(result: SpfResult) -> Spf {
        Spf::new(result, Domain::parse("b.example", false).ok(), None).because("-all", None)
    }

    fn identity(dmarc: DmarcResult, policy: DmarcPolicy) -> Identity {
        let mut identity = Identity::unknown();
        identity.author = Address::parse("ann@b.example", false).ok();
        (identity.dmarc, identity.policy) = (dmarc, Some(policy));
        identity.aligned = dmarc == DmarcResult::Pass;
        identity
    }

    fn signature(result: DkimResult, domain: &str, aligned: bool) -> Signature {
        let mut signature = Signature::default();
        (signature.result, signature.domain, signature.aligned) = (result, domain.into(), aligned);
        signature
    }

    fn told(opinion: &Opinion) -> String {
        let findings = opinion.findings().iter().map(|finding| match finding.evidence {
            Evidence::Points(points) => {
                let tag = finding.tag.as_str().trim_start_matches("spf_dkim_dmarc.");
                format!("{tag} {points}")
            }
            _ => unreachable!("this filter is no classifier"),
        });
        let wishes = opinion.wishes().iter().map(|(.., wish)| match wish {
            Wish::Reject(reply) => format!("reject {}", reply.to_string().trim_end()),
            other => format!("{other:?}"),
        });
        findings.chain(wishes).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn the_table_of_spf() {
        let config = Config::default();
        for (result, want) in [
            (SpfResult::Pass, ""),
            (SpfResult::None, ""),
            (SpfResult::Neutral, ""),
            (SpfResult::Unknown, ""),
            (SpfResult::Fail, "spf_fail 2"),
            (SpfResult::SoftFail, "spf_softfail 1"),
            (SpfResult::PermError, "spf_permerror 0.5"),
            (SpfResult::TempError, "spf_temperror 0"),
        ] {
            assert_eq!(told(&at_mail(&config, &spf(result))), want, "{result:?}");
        }
        let reject = Config {
            reject_spf_fail: true,
            ..Config::default()
        };
        let refused = told(&at_mail(&reject, &spf(SpfResult::Fail)));
        assert!(refused.contains("reject 550 5.7.23 SPF"), "{refused}");
        assert_eq!(told(&at_mail(&reject, &spf(SpfResult::TempError))), "spf_temperror 0");
    }

    #[test]
    fn the_table_of_dmarc() {
        use DmarcPolicy::{None as Nothing, Quarantine, Reject};
        let say = |dmarc, policy, excuse| {
            let hints = Hints {
                excuse,
                ..Hints::default()
            };
            told(&at_message(
                &Config::default(),
                &spf(SpfResult::None),
                &identity(dmarc, policy),
                hints,
            ))
        };
        for (policy, excuse, want) in [
            (Nothing, None, "dmarc_fail 0"),
            (Quarantine, None, "dmarc_quarantine 3"),
            (Reject, None, "dmarc_reject 3"),
            (Nothing, Some(Excuse::List), "dmarc_fail 0"),
            (Reject, Some(Excuse::List), "dmarc_list 1"),
            (Reject, Some(Excuse::Vouched), "dmarc_vouched 0"),
            (Quarantine, Some(Excuse::Known), "dmarc_forwarded 0"),
        ] {
            assert_eq!(say(DmarcResult::Fail, policy, excuse), want, "{policy:?} {excuse:?}");
        }
        assert_eq!(say(DmarcResult::TempError, Reject, None), "dmarc_temperror 0");
        for quiet in [DmarcResult::Pass, DmarcResult::None, DmarcResult::Unknown] {
            assert_eq!(say(quiet, Reject, None), "");
        }
    }

    #[test]
    fn a_signature_of_the_author_takes_back_what_spf_said_of_a_forwarder() {
        let mut passed = identity(DmarcResult::Pass, DmarcPolicy::Reject);
        passed.signatures = vec![signature(DkimResult::Pass, "b.example", true)];
        let say = |result| told(&at_message(&Config::default(), &spf(result), &passed, Hints::default()));
        assert_eq!(say(SpfResult::Fail), "spf_forgiven -2");
        assert_eq!(say(SpfResult::Pass), "");
    }

    #[test]
    fn only_the_operators_own_word_refuses() {
        let config = Config {
            strict: vec!["example".into()],
            own_domains: OwnDomains::Reject,
            ..Config::default()
        };
        let hinted = |excuse| Hints {
            own: Some("b.example".into()),
            is_strict: true,
            excuse,
        };
        let say =
            |spf: &Spf, identity: &Identity, hints: &Hints| told(&at_message(&config, spf, identity, hints.clone()));
        let failed = identity(DmarcResult::Fail, DmarcPolicy::None);
        let none = spf(SpfResult::None);
        let strict = Hints {
            own: None,
            ..hinted(None)
        };
        assert!(say(&none, &failed, &strict).contains("strict 0, reject 550 5.7.1"));
        let refused = "own_domain 3, strict 0, reject 550 5.7.1 This mail claims";
        assert!(say(&none, &failed, &hinted(None)).contains(refused));
        let mut unsure = failed.clone();
        unsure.unsure = true;
        for (identity, hints) in [
            (&unsure, hinted(None)),
            (&identity(DmarcResult::Pass, DmarcPolicy::Reject), hinted(None)),
            (&Identity::unknown(), hinted(None)),
            (&failed, hinted(Some(Excuse::Vouched))),
            (&failed, hinted(Some(Excuse::Known))),
            (&failed, Hints::default()),
        ] {
            assert!(
                !say(&none, identity, &hints).contains("reject 5"),
                "{identity:?} {hints:?}"
            );
        }
    }

    #[test]
    fn no_stranger_switches_the_operators_own_word_off() {
        let config = Config {
            own_domains: OwnDomains::Reject,
            ..Config::default()
        };
        let hints = |excuse| Hints {
            own: Some("b.example".into()),
            excuse,
            ..Hints::default()
        };
        let failed = identity(DmarcResult::Fail, DmarcPolicy::Reject);
        let mut signed = failed.clone();
        signed.signatures = vec![signature(DkimResult::TempError, "dead.evil.test", false)];
        for (spf, identity, excuse) in [
            (spf(SpfResult::TempError), &failed, None),
            (spf(SpfResult::None), &signed, None),
            (spf(SpfResult::None), &failed, Some(Excuse::List)),
        ] {
            let said = told(&at_message(&config, &spf, identity, hints(excuse)));
            assert!(said.contains("own_domain 3, reject 550"), "{spf:?} {excuse:?}: {said}");
        }
    }

    #[test]
    fn each_author_of_an_ambiguous_mail_is_looked_at() {
        let config = Config {
            strict: vec!["bank.example".into()],
            ..Config::default()
        };
        let mut ambiguous = identity(DmarcResult::Fail, DmarcPolicy::None);
        (ambiguous.author, ambiguous.ambiguous) = (None, true);
        let of = |from: &str| {
            let mail = Message::from_bytes(format!("From: {from}\r\n\r\n").into_bytes());
            let hints = Hints::of(&config, &ambiguous, mail.headers(), &|name| {
                name == "xn--mnchen-3ya.example"
            });
            (hints.own.is_some(), hints.is_strict)
        };
        assert_eq!(of("x@evil.test, boss@M\u{fc}nchen.example"), (true, false));
        assert_eq!(of("x@evil.test\r\nFrom: boss@www.bank.example"), (false, true));
        assert_eq!(of("x@evil.test, y@evil.test"), (false, false));
    }

    #[test]
    fn a_list_excuses_only_what_it_signed_itself() {
        let config = Config {
            forwarders: vec!["known.example".into()],
            ..Config::default()
        };
        let mail = |list: &str| Message::from_bytes(format!("List-Id: Talk <talk.{list}>\r\n\r\n").into_bytes());
        let of = |list: &str, domain: &str, result| {
            let mut identity = identity(DmarcResult::Fail, DmarcPolicy::Reject);
            identity.signatures = vec![signature(result, domain, false)];
            if result == DkimResult::Pass {
                let domain = Domain::parse(domain, false).expect("a domain");
                identity.proven = vec![(domain, gatepost_core::Proof::Dkim)];
            }
            excuse(&config, &identity, mail(list).headers())
        };
        assert_eq!(of("lists.l.example", "l.example", DkimResult::Pass), Some(Excuse::List));
        assert_eq!(of("l.example", "l.example", DkimResult::Fail), None);
        assert_eq!(of("l.example", "other.example", DkimResult::Pass), None);
        assert_eq!(of("example", "l.example", DkimResult::Pass), None);
        assert_eq!(
            of("l.example", "out.known.example", DkimResult::Pass),
            Some(Excuse::Known)
        );
        assert_eq!(of("l.example", "known.example", DkimResult::Fail), None);
    }
}
