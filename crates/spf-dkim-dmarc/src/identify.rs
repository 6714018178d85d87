//! The service that tells whom a mail is from: reverse name, SPF, and identity by DKIM, ARC and DMARC.
//!
//! **Bounds:** each answer waits for DNS at most as long as [`Settings::deadline`]; what is not known by then is
//! `temperror`. Keys have four fifths of that, and what the author's domain publishes is asked for beside them: a silent
//! name server of a stranger takes no time from it. A mail costs at most five keys of DKIM; the keys of a chain of ARC are asked for only where its last
//! sealer is trusted. The body is read in pieces, so that its size costs time and no memory; mail above [`INLINE`] octets
//! is hashed on the threads for work, and what is not hashed when those give up is `temperror`, too.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use gatepost_core::{
    ArcResult, Chain, Clock, Compute, DkimResult, DmarcResult, Dns, Domain, Fault, Identify, Identity, Message, Path,
    Proof, Reverse, Sender, Services, Signature, Spf, SpfResult, SpfScope, Time, async_trait,
};
use tokio::time::{Instant, timeout, timeout_at};

use crate::arc::{self, Found, Sets};
use crate::dkim::{self, Bodies, Outcome, Plan, Unread};
use crate::dmarc::tree::Tree;
use crate::dmarc::{self, Standing, Witness};
use crate::fields::Fields;
use crate::key::{Key, NoKey};
use crate::{names, reverse, spf};
use gatepost_core::Author;

/// Octets of a message that are hashed where they are asked for: less than a millisecond's work.
pub const INLINE: u64 = 64 * 1024;

/// Which part of the deadline keys leave to what is asked for once it is known whose they are.
const AFTER_KEYS: u32 = 5;

/// What the operator says about it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our own name.
    pub hostname: String,
    /// How long one answer may wait for DNS.
    pub deadline: Duration,
    /// The domains of sealers whose word counts.
    pub arc_sealers: Vec<String>,
    /// Whether every chain of ARC is verified, or only those that such a sealer has sealed last.
    pub every_chain: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            hostname: "localhost".into(),
            deadline: Duration::from_secs(5),
            arc_sealers: Vec::new(),
            every_chain: false,
        }
    }
}

/// Tells whom a mail is from.
pub struct Identifier {
    dns: Arc<dyn Dns>,
    clock: Arc<dyn Clock>,
    compute: Compute,
    settings: Settings,
}

type Keys = HashMap<String, Result<Key, NoKey>>;

/// What verifying needs, all in one hand, so that it may go to another thread.
struct Work {
    message: Arc<Message>,
    plan: Plan,
    chain: Option<Box<Sets>>,
    keys: Keys,
    now: u64,
}

/// What verifying came to.
struct Verified {
    outcomes: Vec<Outcome>,
    chain: Option<(ArcResult, &'static str)>,
}

impl Work {
    fn key(&self, name: &str) -> Result<&Key, NoKey> {
        match self.keys.get(name) {
            Some(Ok(key)) => Ok(key),
            Some(Err(why)) => Err(*why),
            None => Err(NoKey::Trouble),
        }
    }

    fn verify(&self, spent: &dyn Fn() -> bool) -> Verified {
        let claims = self
            .plan
            .candidates
            .iter()
            .filter_map(|candidate| candidate.claim.as_ref().ok());
        let wanted = claims.filter(|claim| self.key(&claim.key_name()).is_ok());
        let of_chain = self.chain.as_ref().map(|sets| &sets.message);
        let forms = wanted.chain(of_chain).map(|claim| (claim.body, claim.length));
        let bodies = Bodies::hash(&self.message, forms, spent);
        let fields = Fields::of(self.message.headers());
        let outcomes = self.plan.candidates.iter().map(|candidate| {
            let claim = match &candidate.claim {
                Ok(claim) => claim,
                Err(outcome) => return *outcome,
            };
            match (self.key(&claim.key_name()), &bodies) {
                (Err(why), _) => dkim::without_key(why),
                (_, Err(Unread)) => (DkimResult::TempError, "the body could not be read in time"),
                (Ok(key), Ok(bodies)) => dkim::verify(&fields, bodies, candidate.place, claim, key, self.now),
            }
        });
        Verified {
            outcomes: outcomes.collect(),
            chain: self.chain.as_ref().map(|sets| match &bodies {
                Ok(bodies) => self.chain_holds(sets, &fields, bodies),
                Err(Unread) => (ArcResult::TempError, "the body could not be read in time"),
            }),
        }
    }

    fn chain_holds(&self, sets: &Sets, fields: &Fields<'_>, bodies: &Bodies) -> (ArcResult, &'static str) {
        let keys: Vec<_> = sets.key_names().map(|name| self.key(&name)).collect();
        if keys.iter().any(|key| matches!(key, Err(NoKey::Trouble))) {
            return (ArcResult::TempError, "a key cannot be looked up");
        }
        let keys: Vec<_> = keys.into_iter().map(Result::ok).collect();
        match sets.verify(fields, bodies, &keys) {
            Ok(()) => (ArcResult::Pass, ""),
            Err(why) => (ArcResult::Fail, why),
        }
    }
}

impl Identifier {
    /// Over services; of the settings only those sealers count that are names.
    pub fn new(services: &Services, mut settings: Settings) -> Identifier {
        settings.arc_sealers = settings
            .arc_sealers
            .iter()
            .filter_map(|name| names::plain(name))
            .collect();
        Identifier {
            dns: Arc::clone(&services.dns),
            clock: Arc::clone(&services.clock),
            compute: services.compute.clone(),
            settings,
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the runtime keeps the deadline, by its own clock"
    )]
    fn until(&self) -> Instant {
        Instant::now() + self.settings.deadline
    }

    fn trusts(&self, sealer: &str) -> bool {
        self.settings.arc_sealers.iter().any(|trusted| trusted == sealer)
    }

    /// The keys of these names, all asked for at once.
    async fn keys(&self, wanted: Vec<String>, until: Instant) -> Keys {
        let asked = wanted.into_iter().map(|name| async move {
            let key = timeout_at(until, Key::find(&*self.dns, &name)).await;
            let key = key.unwrap_or(Err(NoKey::Trouble));
            (name, key)
        });
        join_all(asked).await.into_iter().collect()
    }

    /// Verifies here or on a thread for work.
    async fn verify(&self, work: Arc<Work>) -> Verified {
        if work.message.len() <= INLINE || (work.plan.candidates.is_empty() && work.chain.is_none()) {
            return work.verify(&|| false);
        }
        let job = Arc::clone(&work);
        let done = self.compute.run(move |budget| job.verify(&|| budget.is_spent()));
        match timeout(self.settings.deadline, done).await {
            Ok(Ok(verified)) => verified,
            _ => work.verify(&|| true),
        }
    }
}

/// The question that SPF is asked about a sender; none where it says no name.
fn question<'a>(sender: &'a Sender, ours: &'a str, now: Time) -> Result<(spf::Question<'a>, String, SpfScope), Spf> {
    let helo = sender.helo.as_ref().map_or("", |helo| &helo.name);
    let (local, domain, scope) = match &sender.from {
        Path::Mailbox(address) => (address.local(), names::of(address.domain()), SpfScope::Mfrom),
        _ => ("postmaster", names::plain(helo), SpfScope::Helo),
    };
    let Some(name) = domain else {
        let of = match scope {
            SpfScope::Mfrom => "the sender's domain is no name",
            SpfScope::Helo => "there is no sender, and HELO is no name",
        };
        return Err(Spf::new(SpfResult::None, None, None).of(scope).because(of, None));
    };
    let question = spf::Question {
        client: sender.origin,
        helo,
        local,
        domain: "",
        receiver: ours,
        now,
    };
    Ok((question, name, scope))
}

#[async_trait]
impl Identify for Identifier {
    async fn reverse(&self, origin: IpAddr) -> Result<Reverse, Fault> {
        match timeout(self.settings.deadline, reverse::name(&*self.dns, origin)).await {
            Ok(reverse) => reverse,
            Err(_) => Err(Fault::Unavailable("DNS: no answer in time")),
        }
    }

    async fn spf(&self, sender: &Sender) -> Result<Spf, Fault> {
        let (question, name, scope) = match question(sender, &self.settings.hostname, self.clock.now()) {
            Ok(question) => question,
            Err(none) => return Ok(none),
        };
        let question = spf::Question {
            domain: &name,
            ..question
        };
        let domain = Domain::parse(&name, false).ok();
        Ok(
            match timeout(self.settings.deadline, spf::check(&*self.dns, &question)).await {
                Ok(answer) => Spf::new(answer.result, domain, answer.authorised_by)
                    .of(scope)
                    .because(answer.reason, answer.explanation.map(Into::into)),
                Err(_) => Spf::new(SpfResult::TempError, domain, None)
                    .of(scope)
                    .because("DNS did not answer in time", None),
            },
        )
    }

    async fn identity(&self, sender: &Sender, spf: &Spf, message: &Arc<Message>) -> Result<Identity, Fault> {
        let until = self.until();
        let headers = message.headers();
        let author = Author::of(headers);
        let author_name = match &author {
            Author::One(address) => names::of(address.domain()),
            _ => None,
        };
        let plan = Plan::of(headers, author_name.as_deref());
        let (sets, mut chain) = match arc::find(headers) {
            Found::Nothing => (None, arc::told(0, ArcResult::None, "")),
            Found::Broken(sets, why) => (None, arc::told(sets, ArcResult::Fail, why)),
            Found::Sets(sets) => {
                let told = sets.told(ArcResult::Unknown, "its last sealer is not trusted");
                let verified = self.settings.every_chain || self.trusts(sets.sealer());
                (Some(sets).filter(|_| verified), told)
            }
        };

        let claims = plan
            .candidates
            .iter()
            .filter_map(|candidate| candidate.claim.as_ref().ok());
        let mut wanted: Vec<String> = claims.map(|claim| claim.key_name()).collect();
        wanted.extend(sets.iter().flat_map(|sets| sets.key_names()));
        wanted.sort_unstable();
        wanted.dedup();
        let tree = Tree::new(&*self.dns, until);
        let spf_name = spf.domain.as_ref().and_then(names::of);
        let claims = plan
            .candidates
            .iter()
            .filter_map(|candidate| candidate.claim.as_ref().ok());
        let mut domains: Vec<&str> = claims.map(|claim| &*claim.domain).collect();
        domains.extend(spf_name.as_deref());
        // What the author's domain publishes is asked for at the same time, so that no key can take its time away.
        let early = async {
            if let Some(author) = &author_name {
                dmarc::prepare(&tree, author, &domains).await;
            }
        };
        let keys_until = until - self.settings.deadline / AFTER_KEYS;
        let (keys, ()) = futures_util::future::join(self.keys(wanted, keys_until), early).await;

        let work = Arc::new(Work {
            message: Arc::clone(message),
            plan,
            chain: sets,
            keys,
            now: self.clock.now().secs(),
        });
        let verified = self.verify(Arc::clone(&work)).await;
        let candidates = work.plan.candidates.iter().zip(&verified.outcomes);
        let signatures: Vec<Signature> = candidates.map(|(one, outcome)| dkim::told(one, *outcome)).collect();
        if let (Some(sets), Some((result, why))) = (&work.chain, verified.chain) {
            chain = sets.told(result, why);
            let trusted = |sealer: &str| self.trusts(sealer);
            let author = author_name.as_deref().unwrap_or_default();
            chain.vouches = result == ArcResult::Pass && sets.vouch(headers, &trusted, author);
        }

        let mut identity = Identity::unknown();
        identity.signatures_left = work.plan.left;
        proven(&mut identity, spf, &signatures);
        identity.signatures = signatures;
        match (&author, author_name) {
            (Author::One(address), Some(name)) => {
                identity.author = Some(address.clone());
                judge(&mut identity, &tree, &name, (sender, spf)).await;
                vouched(&mut identity, &chain, address.domain());
            }
            (Author::One(address), None) => {
                identity.author = Some(address.clone());
                (identity.dmarc, identity.reason) = (DmarcResult::None, "the author's domain is no name".into());
            }
            (Author::Nobody, _) => {
                (identity.dmarc, identity.reason) = (DmarcResult::None, "there is no From field".into())
            }
            (Author::Ambiguous(why), _) => {
                (identity.dmarc, identity.reason) = (DmarcResult::Fail, (*why).into());
                identity.ambiguous = true;
            }
        }
        identity.chain = chain;
        Ok(identity)
    }
}

/// Writes down each domain that is proven, aligned or not.
fn proven(identity: &mut Identity, spf: &Spf, signatures: &[Signature]) {
    if let (SpfResult::Pass, Some(domain)) = (spf.result, &spf.domain) {
        identity.proven.push((domain.clone(), Proof::Spf));
    }
    for signature in signatures
        .iter()
        .filter(|signature| signature.result == DkimResult::Pass)
    {
        if let Ok(domain) = Domain::parse(&signature.domain, false)
            && !identity.proven.contains(&(domain.clone(), Proof::Dkim))
        {
            identity.proven.push((domain, Proof::Dkim));
        }
    }
}

/// A trusted sealer's word.
fn vouched(identity: &mut Identity, chain: &Chain, author: &Domain) {
    if chain.vouches {
        identity.proven.push((author.clone(), Proof::Arc));
    }
}

/// Asks DMARC, and writes down what it says. Where nobody could ask SPF, the sender's domain may have passed, and that of
/// a bounce, whose HELO nobody knows, may be the author's.
async fn judge(identity: &mut Identity, tree: &Tree<'_>, author: &str, (sender, spf): (&Sender, &Spf)) {
    let (standing, name) = match spf.result {
        SpfResult::Pass => (Standing::Proven, spf.domain.as_ref().and_then(names::of)),
        SpfResult::TempError => (Standing::Unsure, spf.domain.as_ref().and_then(names::of)),
        SpfResult::Unknown => match &sender.from {
            Path::Mailbox(from) => (Standing::Unsure, names::of(from.domain())),
            _ => (Standing::Unsure, Some(author.to_owned())),
        },
        _ => (Standing::Unsure, None),
    };
    let spf = name.as_deref().map(|domain| Witness { domain, standing });
    let dkim: Vec<Option<Witness<'_>>> = identity
        .signatures
        .iter()
        .map(|signature| {
            let standing = match signature.result {
                DkimResult::Pass => Standing::Proven,
                DkimResult::TempError => Standing::Unsure,
                _ => return None,
            };
            Some(Witness {
                domain: &signature.domain,
                standing,
            })
        })
        .collect();
    let answer = dmarc::judge(tree, author, spf, &dkim).await;
    for (signature, aligned) in identity.signatures.iter_mut().zip(&answer.dkim_aligned) {
        signature.aligned = *aligned;
    }
    identity.spf_aligned = answer.spf_aligned;
    identity.aligned = answer.spf_aligned || answer.dkim_aligned.contains(&true);
    identity.unsure = answer.unsure;
    identity.dmarc = answer.result;
    identity.reason = answer.reason.into();
    identity.policy = answer.policy;
    identity.published = answer.published;
}
