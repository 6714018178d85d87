//! The filter of strangers: who writes to somebody for the first time waits some minutes, which spam seldom does.
//!
//! It wishes `Defer` and nothing else; who is spared, and that only doubtful mail waits (`defer_between`), is policy. A
//! client waits as the domain whose SPF record authorised it, as the pool below which its confirmed name lies, or as its
//! network; SPF chooses the key and exempts nobody. The null sender does not wait: bounces and callbacks come once.
//!
//! Calls of the store at RCPT: one for who passed before from the same network, four for a stranger whose network decides,
//! at most seven where SPF names a domain. What is learned is written when a mail was delivered or refused, and nothing of it is an address.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod embargo;
pub mod memory;
pub mod options;
pub mod sender;
pub mod triplet;

use embargo::{Decision, Embargo, SKEW, about};
use gatepost_core::envelope::Direction;
use gatepost_core::prelude::*;
use gatepost_core::{Level, SpfResult, Via};
use memory::Memory;
pub use options::Config;
use triplet::{Keys, Origin};

/// The filter of strangers.
pub struct Greylist {
    config: Config,
    embargo: Embargo,
    keys: Keys,
    memory: Memory,
}

const WAITING: Tag = Tag::new("greylist.waiting");
const GRACE: Tag = Tag::new("greylist.grace");

fn later(left: Duration) -> Reply {
    let text = format!("Greylisted: we do not know you yet, try again in {}", about(left));
    Reply::new(451, Some(Enhanced(4, 7, 1)), text)
}

impl Greylist {
    /// Whether nobody of this kind ever waits.
    fn exempt(&self, cx: &Context<'_>, from: &Path) -> bool {
        cx.direction() == Direction::Outbound
            || cx.login().is_some()
            // A relay comes again whoever the origin is: that proves nothing.
            || cx.via() != Via::Nobody
            || from.is_null()
            || self
                .config
                .exempt_networks
                .iter()
                .any(|net| net.0.contains(&cx.origin()))
    }

    fn network(&self, cx: &Context<'_>) -> Origin {
        Origin::network(cx.origin(), self.config.ipv4_prefix, self.config.ipv6_prefix)
    }

    /// The domain that is proven to send by this client. DNS trouble proves nothing, and is nobody's fault here.
    async fn domain(&self, cx: &Context<'_>) -> Option<Origin> {
        if let Ok(spf) = cx.spf().await
            && spf.result == SpfResult::Pass
            && let Some(domain) = &spf.authorised_by
        {
            return Some(Origin::domain(domain));
        }
        if self.config.pools.is_empty() {
            return None;
        }
        let reverse = cx.reverse().await.ok().filter(|reverse| reverse.confirmed)?;
        let name = reverse.name?.to_ascii_lowercase();
        let below = |pool: &&String| {
            let rest = name.strip_suffix(pool.to_ascii_lowercase().as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        self.config
            .pools
            .iter()
            .find(below)
            .map(|pool| Origin::Domain(pool.to_ascii_lowercase()))
    }

    /// What to say to a triplet; nothing where it may pass.
    async fn left(&self, cx: &Context<'_>, sender: &str, recipient: &str) -> Result<Option<(Origin, Duration)>, Fault> {
        let (now, memory) = (cx.now(), &self.memory);
        let network = self.network(cx);
        let by_network = self.keys.triplet(&network, sender, recipient);
        // Who passed from here before needs no DNS.
        if memory.has_passed(&by_network, now).await? || memory.is_known(&self.keys.origin(&network), now).await? {
            return Ok(None);
        }
        let Some(domain) = self.domain(cx).await else {
            return Ok(self.wait(&by_network, None, now).await?.map(|left| (network, left)));
        };
        let by_domain = self.keys.triplet(&domain, sender, recipient);
        if memory.has_passed(&by_domain, now).await? || memory.is_known(&self.keys.origin(&domain), now).await? {
            return Ok(None);
        }
        Ok(self
            .wait(&by_domain, Some(&by_network), now)
            .await?
            .map(|left| (domain, left)))
    }

    /// How long a triplet has still to wait. `other` is the key under which it waited where its domain was not known, in
    /// DNS trouble, say.
    async fn wait(
        &self,
        triplet: &[u8; triplet::KEY],
        other: Option<&[u8; triplet::KEY]>,
        now: Time,
    ) -> Result<Option<Duration>, Fault> {
        let lot = self.keys.jitter(triplet);
        let left = |first| match self.embargo.decide(first, now, lot) {
            Decision::Pass => None,
            Decision::Wait(left) => Some(left),
        };
        let first = self.memory.first_seen(triplet, self.config.window.0, now).await?;
        match (left(first), other) {
            (Some(own), Some(other)) => Ok(match self.memory.was_seen(other, now).await? {
                Some(earlier) if earlier < first => left(earlier),
                _ => Some(own),
            }),
            (left, _) => Ok(left),
        }
    }

    /// Whether a triplet was first seen so long ago that it has waited, under either of its keys.
    async fn has_waited(
        &self,
        triplet: &[u8; triplet::KEY],
        other: Option<&[u8; triplet::KEY]>,
        now: Time,
    ) -> Result<bool, Fault> {
        let lot = self.keys.jitter(triplet);
        for key in [Some(triplet), other].into_iter().flatten() {
            let first = self.memory.was_seen(key, now).await?;
            if first.is_some_and(|first| self.embargo.decide(first, now, lot) == Decision::Pass) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether greylisting has only just begun here. Of an empty store everybody is a stranger: the first one begins the
    /// grace. A beginning in the future was written by a wrong clock: that grace is over, or it would last until then.
    async fn in_grace(&self, now: Time) -> Result<bool, Fault> {
        let began = self.memory.began(now).await?;
        Ok(began <= now + SKEW && now.since(began) < self.config.grace.0)
    }

    /// Learns from what became of a mail.
    async fn learn(&self, cx: &Context<'_>, record: &Record) -> Result<(), Fault> {
        let Some(envelope) = cx.envelope().filter(|_| record.size > 0) else {
            return Ok(());
        };
        if self.exempt(cx, &envelope.from) {
            return Ok(());
        }
        let taken = record.reply.starts_with('2');
        let rows = record
            .recipients
            .iter()
            .filter_map(|row| Some((row, envelope.recipient(row.id)?)));
        let (sender, mut origins) = (sender::folded(&envelope.from), None);
        for (row, to) in rows {
            let passed = taken && row.fate == "deliver" && row.level <= Level::Low;
            // Spam is spam where policy only marks it, too.
            let spam = row.level == Level::High && !matches!(&*row.fate, "defer" | "none");
            if !passed && !spam {
                continue;
            }
            if origins.is_none() {
                let network = self.network(cx);
                origins = Some((self.domain(cx).await, network));
            }
            let Some((domain, network)) = &origins else { continue };
            let recipient = triplet::recipient(&to.path);
            let key = |origin| self.keys.triplet(origin, &sender, &recipient);
            let (lifetime, enough, now) = (self.config.lifetime.0, self.config.auto_pass, cx.now());
            if passed {
                let origin = domain.as_ref().unwrap_or(network);
                let (triplet, other) = (key(origin), domain.as_ref().map(|_| key(network)));
                let new = self.memory.passed(&triplet, lifetime, now).await?;
                if enough > 0 {
                    // Who was spared, or wrote during the grace, proved no patience.
                    let counts = new && self.has_waited(&triplet, other.as_ref(), now).await?;
                    let origin = self.keys.origin(origin);
                    self.memory.credit(&origin, counts, enough, lifetime, now).await?;
                }
                continue;
            }
            for origin in domain.iter().chain([network]) {
                let (triplet, origin) = (key(origin), self.keys.origin(origin));
                self.memory.fell_from_grace(&triplet, &origin, now).await?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Filter for Greylist {
    async fn rcpt(&self, cx: &Context<'_>, to: &Recipient) -> Result<Opinion, Fault> {
        let Some(envelope) = cx.envelope() else {
            return Ok(Opinion::none());
        };
        if self.exempt(cx, &envelope.from) {
            return Ok(Opinion::none());
        }
        let sender = sender::folded(&envelope.from);
        let Some((origin, left)) = self.left(cx, &sender, &triplet::recipient(&to.path)).await? else {
            return Ok(Opinion::none());
        };
        let note = format!("{sender} from {} has still to wait for {}", origin.shown(), about(left));
        let finding = |tag| Finding::new(tag, Evidence::Points(Score::ZERO), note).only(to.id);
        if self.in_grace(cx.now()).await? {
            return Ok(Opinion::none().with(finding(GRACE)));
        }
        let defer = Wish::Defer(later(left));
        Ok(Opinion::none()
            .with(finding(WAITING))
            .wish_for(Scope::Only(to.id), Standing::NotExempt, defer))
    }

    async fn observe(&self, cx: &Context<'_>, record: &Record, _: Option<&Arc<Message>>) {
        if let Err(fault) = self.learn(cx, record).await {
            tracing::warn!(id = record.id, %fault, "the greylist could not take note of a mail: its sender may wait again");
        }
    }
}

impl FilterKind for Greylist {
    const NAME: &'static str = "greylist";
    const ABOUT: &'static str = "Makes strangers come again after some minutes, the first time they write to somebody";
    const PHASES: Phases = Phases::RCPT;
    const MAY: Wishes = Wishes::DEFER;
    type Config = Config;

    fn build(config: Config, services: &Services) -> Result<Greylist, BuildError> {
        config.check()?;
        Ok(Greylist {
            embargo: Embargo {
                delay: config.delay.0,
                jitter: config.jitter.0,
            },
            keys: Keys::new(services.seed),
            memory: Memory::new(services.store.clone()),
            config,
        })
    }
}

gatepost_core::inventory::submit! { Entry::of::<Greylist>() }
