//! The filter of viruses: the whole mail goes to clamd, and what clamd says goes into the opinion.
//!
//! It asks about danger, so whitelisted senders and our own people's mail are scanned too. Only `stream: OK` is clean; a
//! clamd that is dead, late or says anything else is a fault, and `on_fault` (`defer` unless the operator says otherwise)
//! decides about the mail, for all or for one domain. Without any clamd in the options mail is marked, and an alarm says so.
//!
//! **Another engine** is another filter in a crate of its own, as `gatepost-icap` is, which knows nothing of this one. What
//! they have in common is in `gatepost-scanner`; each has a pure session or reader, and a driver that alone opens sockets. Two
//! engines in one tier are asked at the same time; either's word is enough, since danger is obeyed whoever says it, and each
//! has its own `on_fault`.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod door;
pub mod health;
pub mod name;
pub mod opinion;
pub mod options;
pub mod place;
pub mod round;
pub mod session;
pub mod version;

use gatepost_core::prelude::*;
use gatepost_scanner::Server;
pub use options::Config;
use round::Clamds;

/// The filter of viruses.
pub struct Clamav {
    config: Config,
    clamds: Clamds,
}

#[async_trait]
impl Filter for Clamav {
    async fn message(&self, cx: &Context<'_>, message: &Arc<Message>) -> Result<Opinion, Fault> {
        let speaker = opinion::speaker(&self.config);
        if self.clamds.is_empty() {
            self.clamds.warn();
            return Ok(speaker.unscanned("no clamd is configured".into()));
        }
        if message.len() > self.config.max_size {
            return Ok(speaker.too_long(message.len(), self.config.max_size));
        }
        let ends = |answer: &_| speaker.settles(answer);
        let scanned = self.clamds.scan(message, cx.now(), ends).await?;
        Ok(speaker.of(&scanned.answers, &scanned.by))
    }
}

impl FilterKind for Clamav {
    const NAME: &'static str = "clamav";
    const ABOUT: &'static str = "Has clamd scan each mail, whoever it is from";
    const PHASES: Phases = Phases::MESSAGE;
    const CONCERN: Concern = Concern::Danger;
    const MAY: Wishes = Wishes::REJECT
        .and(Wishes::HOLD)
        .and(Wishes::DISCARD)
        .and(Wishes::DEFER)
        .and(Wishes::EDIT);
    type Config = Config;

    fn build(config: Config, services: &Services) -> Result<Clamav, BuildError> {
        let servers: Vec<_> = config.check()?.into_iter().map(Server::new).collect();
        let clamds = Clamds::new(servers, &config, services);
        // At the start, and not only when the first mail comes.
        clamds.warn();
        Ok(Clamav { config, clamds })
    }
}

gatepost_core::inventory::submit! { Entry::of::<Clamav>() }
