//! DMARC (RFC 9989): whether what SPF and DKIM prove is the author's, and what its domain wants where nothing is.
//!
//! **Invariants:** a pass comes from an aligned pass and from nothing else; trouble of DNS is never a fail; no policy is
//! applied whose record could not be read. **Absent on purpose:** what follows from it, which is the filter's and the
//! operator's word; reports.

pub mod record;
pub mod tree;

use gatepost_core::{Alignment, DmarcPolicy, DmarcResult, Published};

use record::{Record, Suffix};
use tree::{Tree, Trouble};

/// What SPF or a signature has proven.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// The domain stands behind the mail.
    Proven,
    /// DNS was in trouble: it may.
    Unsure,
}

/// A domain that SPF or a signature names, and how it stands. Those that failed are not named.
#[derive(Clone, Copy, Debug)]
pub struct Witness<'a> {
    /// The domain.
    pub domain: &'a str,
    /// How it stands.
    pub standing: Standing,
}

/// What DMARC says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Answer {
    /// The result.
    pub result: DmarcResult,
    /// Why, in a few words.
    pub reason: String,
    /// The policy that applies to this author.
    pub policy: Option<DmarcPolicy>,
    /// What is published.
    pub published: Option<Published>,
    /// DNS was in trouble over the author's policy, or over what is or may be aligned.
    pub unsure: bool,
    /// SPF's domain is proven and aligned.
    pub spf_aligned: bool,
    /// For each signature, whether its domain is proven and aligned.
    pub dkim_aligned: Vec<bool>,
}

/// The record that holds for an author, and the policy in it.
struct Policy {
    domain: String,
    record: Record,
    applies: Option<DmarcPolicy>,
}

/// Finds the policy for an author (RFC 9989 §4.10.1).
async fn discover(tree: &Tree<'_>, author: &str) -> Result<Option<Policy>, Trouble> {
    if let Some(record) = tree.record(author).await? {
        return Ok(Some(Policy {
            domain: author.into(),
            applies: record.for_domain(),
            record,
        }));
    }
    let found = tree.walk(author).await?;
    let organisation = tree::organisation(author, &found);
    let at = |name: &str| found.iter().find(|(at, _)| *at == name);
    let suffix = || found.iter().find(|(_, record)| record.psd == Suffix::Yes);
    let Some((domain, record)) = at(organisation).or_else(suffix) else {
        return Ok(None);
    };
    let exists = if record.asks_whether_below_exists() {
        tree.exists(author).await?
    } else {
        true
    };
    Ok(Some(Policy {
        domain: (*domain).into(),
        applies: record.for_below(exists),
        record: record.clone(),
    }))
}

/// Looks up what depends on the author alone, so that it is known when the witnesses are: the policy, and the
/// organisation where one of these domains may be of it.
pub async fn prepare(tree: &Tree<'_>, author: &str, domains: &[&str]) {
    let _ = discover(tree, author).await;
    if domains
        .iter()
        .any(|domain| *domain != author && top(domain) == top(author))
    {
        let _ = tree.organisation(author).await;
    }
}

fn top(name: &str) -> Option<&str> {
    name.rsplit('.').next()
}

/// Whether a domain is aligned with the author's.
async fn aligned(tree: &Tree<'_>, author: &str, domain: &str, how: Alignment) -> Result<bool, Trouble> {
    if domain == author {
        return Ok(true);
    }
    if how == Alignment::Strict || top(domain) != top(author) {
        return Ok(false);
    }
    let organisation = tree.organisation(author).await?;
    // Whatever is of the same organisation is that domain or below it.
    if !crate::names::is_within(domain, organisation) {
        return Ok(false);
    }
    Ok(tree.organisation(domain).await? == organisation)
}

/// Judges a mail by its author and what is proven. `spf` is the domain that SPF stands for; `dkim` has an entry for each
/// signature, none for those that prove nothing.
pub async fn judge(tree: &Tree<'_>, author: &str, spf: Option<Witness<'_>>, dkim: &[Option<Witness<'_>>]) -> Answer {
    let mut answer = Answer {
        dkim_aligned: vec![false; dkim.len()],
        ..Answer::default()
    };
    let policy = match discover(tree, author).await {
        Ok(policy) => policy,
        Err(Trouble) => {
            (answer.result, answer.reason) = (DmarcResult::TempError, "its policy cannot be looked up".into());
            answer.unsure = true;
            // The very same domain is aligned, whatever the policy says.
            let same = |witness: &Witness<'_>| witness.standing == Standing::Proven && witness.domain == author;
            answer.spf_aligned = spf.as_ref().is_some_and(same);
            answer.dkim_aligned = dkim.iter().map(|witness| witness.as_ref().is_some_and(same)).collect();
            return answer;
        }
    };
    let (adkim, aspf) = policy
        .as_ref()
        .map_or_else(Default::default, |policy| (policy.record.adkim, policy.record.aspf));
    if let Some(witness) = spf {
        match (aligned(tree, author, witness.domain, aspf).await, witness.standing) {
            (Ok(true), Standing::Proven) => answer.spf_aligned = true,
            (Ok(true), Standing::Unsure) | (Err(Trouble), _) => answer.unsure = true,
            (Ok(false), _) => {}
        }
    }
    for (witness, is_aligned) in dkim.iter().zip(answer.dkim_aligned.iter_mut()) {
        let Some(witness) = witness else { continue };
        match (aligned(tree, author, witness.domain, adkim).await, witness.standing) {
            (Ok(true), Standing::Proven) => *is_aligned = true,
            (Ok(true), Standing::Unsure) | (Err(Trouble), _) => answer.unsure = true,
            (Ok(false), _) => {}
        }
    }
    let Some(policy) = policy.filter(|policy| policy.applies.is_some()) else {
        (answer.result, answer.reason) = (DmarcResult::None, "no policy is published".into());
        return answer;
    };
    answer.policy = policy.applies;
    answer.published = Some(published(&policy));
    (answer.result, answer.reason) = match (answer.spf_aligned, answer.dkim_aligned.contains(&true)) {
        (true, true) => (DmarcResult::Pass, "SPF and DKIM are aligned".into()),
        (true, false) => (DmarcResult::Pass, "SPF is aligned".into()),
        (false, true) => (DmarcResult::Pass, "DKIM is aligned".into()),
        (false, false) if answer.unsure => (DmarcResult::TempError, "DNS is in trouble".into()),
        (false, false) => {
            let proven = |witness: &&Witness<'_>| witness.standing == Standing::Proven;
            let other = spf.iter().chain(dkim.iter().flatten()).any(|witness| proven(&witness));
            let why = if other {
                "what is proven is of others"
            } else {
                "nothing is proven"
            };
            (DmarcResult::Fail, why.into())
        }
    };
    answer
}

fn published(policy: &Policy) -> Published {
    let Record {
        p,
        sp,
        np,
        adkim,
        aspf,
        testing,
        ..
    } = policy.record;
    let mut published = Published::default();
    published.domain = policy.domain.as_str().into();
    published.p = p.unwrap_or_default();
    (published.sp, published.np) = (sp, np);
    (published.adkim, published.aspf, published.testing) = (adkim, aspf, testing);
    published
}
