//! A mail through the filters of a configuration, as it would be now: nobody is told, nothing is changed.

use std::net::IpAddr;
use std::sync::Arc;

use gatepost_core::{Client, Direction, Facts, Helo, Login, LoginBy, Message, Path, Record, Services, Visit};
use gatepost_pipeline::{CurrentFusion, Followers, Pipeline, Replay, Routes, replay};

use crate::config::{Config, Listen, Registry};
use crate::wiring;

/// A mail and the session that it came in.
pub struct Rehearsal {
    /// The mail.
    pub message: Arc<Message>,
    /// The envelope sender.
    pub from: Path,
    /// The recipients.
    pub to: Vec<Path>,
    /// The client's address.
    pub ip: IpAddr,
    /// What the client calls itself.
    pub helo: String,
    /// As whom it authenticated.
    pub login: Option<String>,
}

/// The listener of a name; the first inbound one where none is named.
pub fn listener<'a>(config: &'a Config, name: Option<&str>) -> Result<&'a Listen, String> {
    let fits = |listen: &&Listen| name.map_or(listen.direction == Direction::Inbound, |name| listen.name == name);
    let wanted = || {
        name.map_or("there is no inbound listener".into(), |name| {
            format!("there is no listener `{name}`")
        })
    };
    let names = || {
        config
            .listen
            .iter()
            .map(|listen| listen.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    config
        .listen
        .iter()
        .find(fits)
        .ok_or_else(|| format!("{}; expected --listener with one of: {}", wanted(), names()))
}

/// Runs the filters of a listener over a mail. They see what `services` remember and write to memory only.
pub async fn rehearse(
    config: &Config,
    registry: &Registry,
    services: &Services,
    fusion: Arc<CurrentFusion>,
    listen: &Listen,
    mail: Rehearsal,
) -> Result<Record, String> {
    let services = wiring::services(config, &replay::services(services));
    let now = services.clock.now();
    let local: Vec<String> = config.local_domains.iter().map(ToString::to_string).collect();
    let routes = match listen.direction {
        Direction::Inbound => Routes::inbound(local.iter().map(|domain| (domain.as_str(), listen.route.as_str()))),
        Direction::Outbound => Routes::outbound(&listen.route, local.iter().map(String::as_str)),
    };
    let tiers = wiring::tiers(config, listen.pipeline(), registry, &services, &mut Default::default())?;
    let (policy, ours) = (wiring::policy(config), wiring::ours(config));
    let nobody = Followers::new(Vec::new(), 1);
    let known = wiring::recipients(config, &services);
    let pipeline = Pipeline::new(listen.pipeline(), tiers, policy, routes, ours, services, nobody)
        .with_recipients(known)
        .with_relays(wiring::nets(listen.trusted_relays.iter()))
        .with_fusion(fusion);

    let mut visit = Visit::new(listen.direction, listen.name.as_str().into(), Client::new(mail.ip, 0));
    visit.helo = Some(Helo {
        name: mail.helo.as_str().into(),
        extended: true,
    });
    let trusted = listen.trusted_networks.iter().find(|network| network.has(mail.ip));
    visit.login = match (&mail.login, trusted) {
        (Some(name), _) => Some(Login::new(name.as_str(), LoginBy::Auth)),
        (None, Some(network)) => Some(Login::new(network.to_string(), LoginBy::Network)),
        (None, None) => None,
    };
    let record = pipeline
        .replay(Replay {
            now,
            visit,
            from: mail.from,
            to: mail.to,
            message: mail.message,
            facts: Facts::default(),
        })
        .await;
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_that_is_not_there_is_answered_with_those_that_are() {
        let loaded = crate::config::load(&crate::config::Sources::default(), &Registry::new());
        let Err(told) = loaded else {
            panic!("conduct is not linked here")
        };
        assert!(told.to_string().contains("no filter `conduct` is linked"));
        assert_eq!(
            listener(&Config::default(), None).err().as_deref(),
            Some("there is no inbound listener; expected --listener with one of: ")
        );
    }
}
