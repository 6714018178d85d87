//! A filter of viruses beside `clamav`: mail goes to an ICAP server (RFC 3507), behind which stands whatever engine there is.
//!
//! It asks about danger, so whitelisted senders and our own people's mail are scanned too. Only that a server leaves a mail as
//! it is, after it had all of it, is clean; one that is dead, late or says anything else is a fault, and `on_fault` (`defer`
//! unless the operator says otherwise) decides about the mail, for all or for one domain. What a server would put in the place
//! of a mail is not delivered: that it would is a find.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod answer;
pub mod door;
pub mod head;
pub mod health;
pub mod opinion;
pub mod options;
pub mod place;
pub mod request;
pub mod round;
pub mod words;

use gatepost_core::prelude::*;
use gatepost_scanner::Server;
pub use options::Config;
use round::Servers;

/// The filter of viruses by ICAP.
pub struct Icap {
    config: Config,
    servers: Servers,
}

#[async_trait]
impl Filter for Icap {
    async fn message(&self, cx: &Context<'_>, message: &Arc<Message>) -> Result<Opinion, Fault> {
        let speaker = opinion::speaker(&self.config);
        if self.servers.is_empty() {
            self.servers.warn();
            return Ok(speaker.unscanned("no ICAP server is configured".into()));
        }
        if message.len() > self.config.max_size {
            return Ok(speaker.too_long(message.len(), self.config.max_size));
        }
        let ends = |answer: &_| speaker.settles(answer);
        let scanned = self.servers.scan(message, cx.now(), ends).await?;
        Ok(speaker.of(&scanned.answers, &scanned.by))
    }
}

impl FilterKind for Icap {
    const NAME: &'static str = "icap";
    const ABOUT: &'static str = "Has an ICAP server scan each mail, whoever it is from";
    const PHASES: Phases = Phases::MESSAGE;
    const CONCERN: Concern = Concern::Danger;
    const MAY: Wishes = Wishes::REJECT
        .and(Wishes::HOLD)
        .and(Wishes::DISCARD)
        .and(Wishes::DEFER)
        .and(Wishes::EDIT);
    type Config = Config;

    fn build(config: Config, services: &Services) -> Result<Icap, BuildError> {
        let servers: Vec<_> = config.check()?.into_iter().map(Server::new).collect();
        let servers = Servers::new(servers, &config, services);
        // At the start, and not only when the first mail comes.
        servers.warn();
        Ok(Icap { config, servers })
    }
}

gatepost_core::inventory::submit! { Entry::of::<Icap>() }
