//! The look for danger before a kept mail leaves: as it would be looked at if it came now.

use std::sync::Arc;

use gatepost_core::{Client, Concern, Direction, Envelope, Fault, Helo, KeptMail, Message, Record, Services, Visit};
use gatepost_desk::Handlers;
use gatepost_pipeline::danger::{Found, Look};
use gatepost_pipeline::replay;

use crate::config::{Config, Registry};
use crate::wiring;

/// By what it is looked at: a configuration and the filters in service.
pub struct Sentry {
    config: Arc<Config>,
    registry: Registry,
    filters: Handlers,
    services: Services,
}

impl Sentry {
    /// A sentry with these filters. Those that only some domains have are built when they are needed, over services that
    /// change nothing.
    pub fn new(config: &Arc<Config>, registry: &Registry, filters: &Handlers, services: &Services) -> Sentry {
        let about_danger = |name: &str| registry.get(name).is_some_and(|entry| entry.concern == Concern::Danger);
        let mut quiet = wiring::services(config, &replay::services(services));
        quiet.identify = crate::services::identify(config, &quiet);
        Sentry {
            config: Arc::clone(config),
            registry: registry.clone(),
            filters: filters
                .iter()
                .filter(|(name, _)| about_danger(name))
                .map(|(name, filter)| (name.clone(), Arc::clone(filter)))
                .collect(),
            services: quiet,
        }
    }

    /// Looks at a kept mail for one recipient. `record` tells how it came, where that is still known.
    pub async fn look(
        &self,
        mail: &KeptMail,
        record: Option<&Record>,
        message: &Arc<Message>,
        envelope: &Envelope,
    ) -> Result<Found, Fault> {
        let listeners = || self.config.listen.iter();
        let listen = listeners()
            .find(|listen| listen.name == mail.listener)
            .or_else(|| listeners().find(|listen| listen.direction == Direction::Inbound))
            .ok_or(Fault::Unavailable("a listener, whose filters would look at it"))?;
        let tiers = wiring::tiers_of(
            &self.config,
            listen.pipeline(),
            &self.registry,
            &self.services,
            &mut self.filters.clone(),
            |entry| entry.concern == Concern::Danger,
        )
        .map_err(Fault::Broken)?;
        let policy = wiring::policy(&self.config);
        let to = envelope.recipients.first().and_then(|to| to.path.mailbox());
        let visit = visit(listen.direction, &listen.name, record);
        let look = Look {
            tiers: &tiers,
            rules: to.map_or_else(|| policy.rules(None, None), |to| policy.of(to)),
            identify: &self.services.identify,
            now: self.services.clock.now(),
            visit: &visit,
            envelope,
            message,
        };
        look.look().await
    }
}

/// The session in which it came, as far as the record tells; else one of nobody known.
fn visit(direction: Direction, listener: &str, record: Option<&Record>) -> Visit {
    let Some(record) = record else {
        return Visit::new(
            direction,
            listener.into(),
            Client::new(std::net::Ipv4Addr::LOCALHOST.into(), 0),
        );
    };
    let helo = |name: &String| Helo {
        name: name.as_str().into(),
        extended: true,
    };
    let mut visit = Visit::new(direction, listener.into(), Client::new(record.client, record.port));
    visit.helo = record.helo.as_ref().map(helo);
    visit.login.clone_from(&record.login);
    if let Some(origin) = record.origin {
        visit.relayed();
        visit.traced(origin, record.origin_helo.as_ref().map(helo));
    }
    visit
}
