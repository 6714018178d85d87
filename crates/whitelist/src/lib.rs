//! Who is welcome and who is not: for the site, a domain, a person; learned from outbound mail.
//!
//! At RCPT a sender who is denied is refused, and one who is welcome is spared from greylisting unless SPF fails. At the
//! message an entry exempts from checks for spam only with proof of the author; a contact without proof gets a few
//! points of credit. Mail that our people send teaches their contacts, mail that contacts send renews them.
//!
//! **Invariant:** checks only read; what is remembered is changed by [`handle`](Filter::handle) and
//! [`observe`](Filter::observe). Mail of our own people, outbound or with a login, is never judged.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod acts;
pub mod change;
pub mod entry;
pub mod form;
pub mod hints;
pub mod learn;
pub mod lists;
mod mail;
pub mod opinion;
pub mod owner;
pub mod page;
mod rows;
pub mod sender;

use entry::Pattern;
use gatepost_core::desk::{Acting, Change, Request};
use gatepost_core::envelope::Direction;
use gatepost_core::prelude::*;
use gatepost_core::{Identity, SpfResult};
use lists::{Limits, Lists};
use opinion::{Proof, Standpoint, Weights};

/// For whom outbound mail teaches a contact.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", rename_all = "snake_case")]
#[schemars(crate = "gatepost_core::schemars")]
pub enum Learn {
    /// For everybody in the sender's domain.
    Domain,
    /// For the sender alone.
    Person,
    /// For nobody: nothing is learned.
    Off,
}

/// The options of the filter.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", default, deny_unknown_fields)]
#[schemars(crate = "gatepost_core::schemars")]
pub struct Config {
    /// For whom outbound mail teaches a contact: `domain` (everybody in the sender's domain), `person` (the sender alone)
    /// or `off`. Outbound mail is judged by the options that hold for all domains; a domain whose people shall teach
    /// nothing belongs on the red list: `gatepost whitelist add --red @d.example`.
    pub learn: Learn,
    /// After how many days a learned contact is forgotten that was neither written to nor heard from.
    pub learned_days: u32,
    /// Outbound mail to more recipients than this teaches nothing.
    pub recipients_max: u32,
    /// The most contacts that are learned for one domain; ten million are learned in all. Those beyond are not learned.
    pub learned_max: u32,
    /// The most entries and marks of one person, and the most contacts that are learned for one.
    pub person_entries_max: u32,
    /// The most entries and marks that are set for one domain.
    pub domain_entries_max: u32,
    /// The most entries and marks that are set for the site.
    pub site_entries_max: u32,
    /// Points, zero or below, for mail of a contact that does not prove to be theirs, unless SPF or DMARC fail. Whoever
    /// knows a contact of yours whose domain publishes neither can earn them by naming it.
    pub contact_points: Score,
    /// Points for mail whose From header is denied by some of its recipients, for those. Where all of them deny it, it is
    /// refused; refusing it for some would need a copy to be kept for each of them. Denied envelope senders are refused
    /// at RCPT, each for its own recipient.
    pub denied_author_points: Score,
    /// Whether a contact is exempt where nobody looks for proofs of identity. The price: anybody who writes a contact's
    /// address into From or MAIL passes all checks for spam, and whom your people write to is easily guessed. Without it
    /// a contact there is spared from greylisting and gets `contact_points`.
    pub trust_unproven: bool,
    /// Entries of the lists that count without a proof, for senders who have none: `scanner@legacy.example`,
    /// `@legacy.example`. Whoever writes such an address into From passes, unless SPF or DMARC say that it is forged.
    pub unproven: Vec<String>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            learn: Learn::Domain,
            learned_days: 365,
            recipients_max: 20,
            learned_max: 1_000_000,
            person_entries_max: 5_000,
            domain_entries_max: 100_000,
            site_entries_max: 1_000_000,
            contact_points: Score::points(-2),
            denied_author_points: Score::points(5),
            trust_unproven: false,
            unproven: Vec::new(),
        }
    }
}

/// The filter of lists.
pub struct Whitelist {
    lists: Lists,
    config: Config,
}

impl Whitelist {
    fn life(&self) -> Duration {
        Duration::from_secs(u64::from(self.config.learned_days) * 86_400)
    }
}

fn is_one_of_us(cx: &Context<'_>) -> bool {
    cx.direction() == Direction::Outbound || cx.login().is_some()
}

/// What SPF says; that it cannot be asked says nothing against the sender.
async fn spf(cx: &Context<'_>) -> SpfResult {
    cx.spf().await.map_or(SpfResult::TempError, |spf| spf.result)
}

#[async_trait]
impl Filter for Whitelist {
    async fn rcpt(&self, cx: &Context<'_>, to: &Recipient) -> Result<Opinion, Fault> {
        if is_one_of_us(cx) {
            return Ok(Opinion::none());
        }
        let sender = mail::envelope_sender(cx);
        let words = mail::words(&self.lists, to, sender.as_ref(), Some(cx.origin()), cx.now()).await?;
        let stand = Standpoint::of(&words);
        let spf = match stand.name {
            Some(_) => spf(cx).await,
            None => SpfResult::Unknown,
        };
        Ok(opinion::at_rcpt(&stand, to.id, spf))
    }

    async fn message(&self, cx: &Context<'_>, message: &Arc<Message>) -> Result<Opinion, Fault> {
        if is_one_of_us(cx) {
            return Ok(Opinion::none());
        }
        let author = mail::author(message);
        let rows = mail::rows(&self.lists, cx, author.as_ref()).await?;
        let author = author.as_ref().and_then(|who| who.name.addresses.first());
        let weights = Weights {
            contact: self.config.contact_points,
            denied_author: self.config.denied_author_points,
            trust_unproven: self.config.trust_unproven,
            unproven: &self.config.unproven,
        };
        let (mut proof, mut said) = (Proof::Unproven, SpfResult::Unknown);
        if rows.iter().any(|row| row.welcome().is_some()) {
            let identity = match cx.identity().await {
                Ok(identity) => identity,
                // Who is denied stays denied, whoever else cannot be proven now.
                Err(_) if rows.iter().any(|row| row.author.denied.is_some()) => Identity::unknown(),
                Err(fault) => return Err(fault),
            };
            said = spf(cx).await;
            proof = Proof::of(&identity, said, author.map(String::as_str));
        }
        Ok(opinion::at_message(&rows, proof, said, weights))
    }

    async fn handle(&self, by: &Acting<'_>, request: &Request) -> Result<Option<Change>, Fault> {
        acts::handle(&self.lists, self.life(), by, request).await
    }

    async fn observe(&self, cx: &Context<'_>, record: &Record, message: Option<&Arc<Message>>) {
        let headers = message.map(|message| message.headers());
        let taught = match record.direction {
            Direction::Outbound => mail::teach(&self.lists, &self.config, self.life(), record, headers, cx.now()).await,
            Direction::Inbound => mail::renew(&self.lists, self.life(), record, cx.now()).await,
        };
        if let Err(fault) = taught {
            tracing::warn!(id = record.id, %fault, "whitelist: a mail taught or renewed no contact");
        }
    }
}

impl FilterKind for Whitelist {
    const NAME: &'static str = "whitelist";
    const ABOUT: &'static str = "Who is welcome and who is not, for the site, a domain, a person; learns contacts";
    const PHASES: Phases = Phases::RCPT.and(Phases::MESSAGE);
    const MAY: Wishes = Wishes::EXEMPT.and(Wishes::SPARE).and(Wishes::DENY).and(Wishes::REJECT);
    type Config = Config;

    fn build(mut config: Config, services: &Services) -> Result<Whitelist, BuildError> {
        for (n, text) in config.unproven.iter_mut().enumerate() {
            match Pattern::parse(text) {
                Ok(pattern) => *text = pattern.to_string(),
                Err(bad) => return Err(BuildError::at(format!("unproven[{n}]"), bad.to_string())),
            }
        }
        if !(1..=36_500).contains(&config.learned_days) {
            return Err(BuildError::at("learned_days", "expected 1 to 36500 days"));
        }
        if config.recipients_max == 0 {
            return Err(BuildError::at(
                "recipients_max",
                "expected 1 or more; to learn nothing set learn = \"off\"",
            ));
        }
        if config.contact_points > Score::ZERO {
            return Err(BuildError::at(
                "contact_points",
                "expected zero or below: they speak for the mail",
            ));
        }
        if config.denied_author_points < Score::ZERO {
            return Err(BuildError::at(
                "denied_author_points",
                "expected zero or above: they speak against the mail",
            ));
        }
        let limits = Limits {
            site: config.site_entries_max.into(),
            domain: config.domain_entries_max.into(),
            person: config.person_entries_max.into(),
            learned: config.learned_max.into(),
        };
        Ok(Whitelist {
            lists: Lists::new(services.store.clone(), limits),
            config,
        })
    }
}

gatepost_core::inventory::submit! { Entry::of::<Whitelist>() }
