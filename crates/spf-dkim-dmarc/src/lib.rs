//! The filter of proofs: whom a mail is from by SPF, DKIM, ARC and DMARC, and what it weighs that it is not.
//!
//! The proofs themselves are [`Identifier`]'s, a service that others ask, too; the filter only weighs them. Clients that
//! logged in and outbound mail are not its business. A domain's own wish to have mail refused never refuses it here.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod arc;
pub mod canon;
pub mod claim;
pub mod dkim;
pub mod dmarc;
pub mod fields;
pub mod identify;
pub mod key;
pub mod names;
pub mod reverse;
pub mod spf;
pub mod tags;
pub mod weigh;

use gatepost_core::Site;
use gatepost_core::envelope::Direction;
use gatepost_core::prelude::*;
pub use identify::{Identifier, Settings};
use weigh::Hints;

/// What happens to mail from outside that claims to be from a domain of ours and does not prove it. `reject` counts in
/// mode `enforce` only.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", rename_all = "snake_case")]
#[schemars(crate = "gatepost_core::schemars")]
pub enum OwnDomains {
    /// Nothing.
    Off,
    /// Points.
    Score,
    /// It is refused.
    Reject,
}

/// The options of the filter.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", default, deny_unknown_fields)]
#[schemars(crate = "gatepost_core::schemars")]
pub struct Config {
    /// Whether mail that fails SPF is refused at MAIL. Forwarded mail fails, too, and such mail is never looked at further.
    pub reject_spf_fail: bool,
    /// Points where the sender's domain does not let the client send (`-all`). Taken back if the author's domain signed.
    pub spf_fail_points: Score,
    /// Points where it hardly does (`~all`).
    pub spf_softfail_points: Score,
    /// Points where its record cannot be understood.
    pub spf_permerror_points: Score,
    /// Points where it has no record.
    pub spf_none_points: Score,
    /// Points where a signature does not hold and no other does. Mailing lists and forwarders break signatures.
    pub dkim_fail_points: Score,
    /// Points for more than five signatures. Five are looked at.
    pub many_signatures_points: Score,
    /// Points for several authors, or a From field that readers read differently.
    pub ambiguous_author_points: Score,
    /// Points for mail that fails DMARC where the author's domain wants it quarantined.
    pub dmarc_quarantine_points: Score,
    /// Points where it wants it refused. It is not refused for that alone.
    pub dmarc_reject_points: Score,
    /// Points for either where a mailing list signed it, List-Id and signature being of one domain.
    pub dmarc_list_points: Score,
    /// Points, zero or below, for mail that proves to be from its author's domain. Spammers have domains, too.
    pub aligned_points: Score,
    /// Lists and forwarders that are known here: where one of these domains, or one below, is proven, mail that fails DMARC
    /// gets no points for it.
    pub forwarders: Vec<String>,
    /// Domains, with all below them, whose mail must be proven: unproven it is refused in mode `enforce`, unless one of
    /// `forwarders` or a trusted sealer explains it. Of several authors each counts.
    pub strict: Vec<String>,
    /// What happens to mail from outside that claims to be from a local domain, or a recipient's own, and does not prove
    /// it: `off`, `score` or `reject`. Only `forwarders` and trusted sealers excuse it. Services that send in your name without signing as you do so.
    pub own_domains: OwnDomains,
    /// Points for such mail.
    pub own_domain_points: Score,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            reject_spf_fail: false,
            spf_fail_points: Score::points(2),
            spf_softfail_points: Score::points(1),
            spf_permerror_points: Score::hundredths(50),
            spf_none_points: Score::ZERO,
            dkim_fail_points: Score::ZERO,
            many_signatures_points: Score::ZERO,
            ambiguous_author_points: Score::points(3),
            dmarc_quarantine_points: Score::points(3),
            dmarc_reject_points: Score::points(3),
            dmarc_list_points: Score::points(1),
            aligned_points: Score::ZERO,
            forwarders: Vec::new(),
            strict: Vec::new(),
            own_domains: OwnDomains::Off,
            own_domain_points: Score::points(3),
        }
    }
}

/// The filter of proofs.
pub struct SpfDkimDmarc {
    config: Config,
    site: Arc<Site>,
}

fn is_one_of_us(cx: &Context<'_>) -> bool {
    cx.direction() == Direction::Outbound || cx.login().is_some()
}

/// Whether a domain, as DNS spells it, is ours: a recipient's or a local one.
fn is_own(cx: &Context<'_>, site: &Site, name: &str) -> bool {
    let recipients = cx.envelope().into_iter().flat_map(|envelope| &envelope.recipients);
    let mut domains = recipients.into_iter().filter_map(|recipient| recipient.domain());
    domains.any(|own| names::of(own).as_deref() == Some(name))
        || Domain::parse(name, false).is_ok_and(|domain| site.is_local(&domain))
}

#[async_trait]
impl Filter for SpfDkimDmarc {
    async fn mail(&self, cx: &Context<'_>, _: &Path) -> Result<Opinion, Fault> {
        if is_one_of_us(cx) {
            return Ok(Opinion::none());
        }
        Ok(weigh::at_mail(&self.config, &cx.spf().await?))
    }

    async fn message(&self, cx: &Context<'_>, message: &Arc<Message>) -> Result<Opinion, Fault> {
        if is_one_of_us(cx) {
            return Ok(Opinion::none());
        }
        let (spf, identity) = (cx.spf().await?, cx.identity().await?);
        let own = |name: &str| is_own(cx, &self.site, name);
        let hints = Hints::of(&self.config, &identity, message.headers(), &own);
        Ok(weigh::at_message(&self.config, &spf, &identity, hints))
    }
}

impl FilterKind for SpfDkimDmarc {
    const NAME: &'static str = "spf_dkim_dmarc";
    const ABOUT: &'static str = "Points for mail that does not prove to be from whom it says: SPF, DKIM, ARC, DMARC";
    const PHASES: Phases = Phases::MAIL.and(Phases::MESSAGE);
    const MAY: Wishes = Wishes::REJECT;
    type Config = Config;

    fn build(mut config: Config, services: &Services) -> Result<SpfDkimDmarc, BuildError> {
        for (key, list) in [("forwarders", &mut config.forwarders), ("strict", &mut config.strict)] {
            for entry in list {
                let plain = names::plain(entry).ok_or_else(|| {
                    BuildError::at(key, format!("expected domains such as \"b.example\", found {entry:?}"))
                })?;
                *entry = plain;
            }
        }
        Ok(SpfDkimDmarc {
            config,
            site: Arc::clone(&services.site),
        })
    }
}

gatepost_core::inventory::submit! { Entry::of::<SpfDkimDmarc>() }
