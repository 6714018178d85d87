//! ETRN (RFC 1985): a customer's mail server that is back asks for the mail that waits for it, to be sent at once.
//!
//! **Invariant:** only who is named may: whoever asks for a domain that is not here, or from elsewhere, may not, and hears
//! the same; it makes us send nothing, and does not learn whether anything waits. `@domain` is that domain and all below it
//! that it may ask for, also such as no table names one by one. **Absent on purpose:** named queues (`#name`): mail waits
//! by domain.

use std::net::IpAddr;
use std::time::Duration;

use gatepost_core::smtp::Etrn;
use gatepost_core::{Enhanced, Fault, Queue, Reply, Waiting, WaitingOrder};
use ipnet::IpNet;

use crate::by_domain::ByDomain;
use crate::pipeline::Pipeline;
use crate::refusal;
use crate::run::guarded;

/// The most domains that one `@domain` means.
const DOMAINS_MAX: usize = 1_000;
/// How long the queue may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// By domain, the networks from which its mail may be asked for.
#[derive(Clone, Debug, Default)]
pub struct EtrnFrom(ByDomain<Vec<IpNet>>);

impl EtrnFrom {
    /// Lets nobody do it for any domain but these; `.example.org` is all below that one. Networks are in canonical form: a
    /// v4-mapped one is the IPv4 network.
    pub fn new<'a>(domains: impl IntoIterator<Item = (&'a str, Vec<IpNet>)>) -> EtrnFrom {
        let domains = domains.into_iter().filter(|(_, networks)| !networks.is_empty());
        EtrnFrom(domains.collect())
    }

    /// Whether anybody may for any domain, so that it is worth offering.
    pub fn is_offered(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether a client may have the mail for a domain sent.
    pub fn may(&self, domain: &str, client: IpAddr) -> bool {
        let client = client.to_canonical();
        let networks = self.0.get(domain);
        networks.is_some_and(|networks| networks.iter().any(|network| network.contains(&client)))
    }

    /// Whether a client may for all below a domain that is this one or lies below it.
    pub fn may_below(&self, domain: &str, client: IpAddr) -> bool {
        let client = client.to_canonical();
        let mut names = self
            .0
            .names()
            .filter(|name| name.starts_with('.') && is_at_or_below(&name[1..], domain));
        names.any(|name| {
            let networks = self.0.named(name);
            networks.is_some_and(|networks| networks.iter().any(|network| network.contains(&client)))
        })
    }

    /// Whether a client may for domains at or below one that no table names one by one.
    pub fn may_unnamed(&self, domain: &str, client: IpAddr) -> bool {
        // No domain is called so: only a table for all below one speaks of it.
        self.may_below(domain, client) || self.may(&format!("-.{domain}"), client)
    }
}

/// Whether a name is a domain or lies below it, both in lower case.
fn is_at_or_below(name: &str, domain: &str) -> bool {
    let above = name.strip_suffix(domain);
    above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

/// Answers ETRN.
pub async fn answer(pipeline: &Pipeline, client: IpAddr, whose: &Etrn) -> Reply {
    let may = |domain: &&str| pipeline.may_etrn(domain, client);
    let queue = pipeline.services().queue.as_ref();
    // Of a domain that is one of many below another it is seen only where mail waits that there is one. The list of those is
    // long, and nobody has it made who may not ask for any of them.
    let waits = match (whose, queue) {
        (Etrn::Below(name), Some(queue)) if pipeline.may_etrn_unnamed(&name.to_ascii_lowercase(), client) => {
            queue.domains()
        }
        _ => Vec::new(),
    };
    let (name, domains, below): (&str, Vec<&str>, bool) = match whose {
        Etrn::Queue(_) => return refusal::NO_QUEUE,
        Etrn::Domain(name) => (name, [&**name].into_iter().filter(may).collect(), false),
        Etrn::Below(name) => {
            let key = name.to_ascii_lowercase();
            let waits = waits
                .iter()
                .map(String::as_str)
                .filter(|lane| is_at_or_below(lane, &key));
            let known = pipeline.routes().at_or_below(&key);
            let mut all: Vec<&str> = known.chain(waits).filter(may).collect();
            all.sort_unstable();
            all.dedup();
            if all.len() > DOMAINS_MAX {
                let left = all.len() - DOMAINS_MAX;
                tracing::warn!(%client, domain = name, left, "a mail server asks for more domains than are begun at once");
                all.truncate(DOMAINS_MAX);
            }
            let below = pipeline.may_etrn(&key, client) || pipeline.may_etrn_below(&key, client);
            (name, all, below)
        }
    };
    if domains.is_empty() && !below {
        return refusal::NOT_YOUR_MAIL;
    }
    let Some(queue) = queue else {
        return refusal::NO_QUEUE;
    };
    match guarded(PATIENCE, start(&**queue, &domains)).await {
        Ok((0, _)) => told(251, format!("No mail waits for {name}")),
        Ok((_, 0)) => told(250, format!("Mail for {name} is on its way, or held")),
        Ok((_, count)) => {
            tracing::info!(%client, domain = name, count, "a mail server asks for the mail that waits for it");
            told(253, format!("{count} waiting mails for {name} are tried now"))
        }
        Err(fault) => {
            tracing::error!(%client, domain = name, %fault, "the queue could not be told that a mail server asks for its mail");
            refusal::QUEUE_AWAY
        }
    }
}

fn told(code: u16, text: String) -> Reply {
    Reply::new(code, Some(Enhanced(2, 0, 0)), text)
}

/// Tries the mail of domains: how much waits, and how much of it is tried now.
async fn start(queue: &dyn Queue, domains: &[&str]) -> Result<(u64, u64), Fault> {
    let (mut waits, mut tried) = (0, 0);
    for domain in domains {
        let depth = queue.depth(Some(domain)).await?;
        if depth.mails > 0 {
            waits += depth.mails;
            let mut which = Waiting::default();
            which.domain = Some((*domain).into());
            tried += queue.order(&which, WaitingOrder::Flush).await?;
        }
    }
    Ok((waits, tried))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_from_where_it_is_said_and_for_that_domain_only() {
        let nets = |text: &str| vec![text.parse::<IpNet>().expect("a network")];
        let from = EtrnFrom::new([
            ("Acme.example", nets("192.0.2.7/32")),
            (".acme.example", nets("2001:db8::/32")),
            ("nobody.example", Vec::new()),
        ]);
        for (domain, client, may) in [
            ("acme.EXAMPLE", "192.0.2.7", true),
            ("acme.example", "::ffff:192.0.2.7", true),
            ("acme.example", "192.0.2.8", false),
            ("acme.example", "2001:db8::1", false),
            ("a.acme.example", "2001:db8::1", true),
            ("a.acme.example", "192.0.2.7", false),
            ("nobody.example", "192.0.2.7", false),
            ("other.example", "192.0.2.7", false),
            ("", "192.0.2.7", false),
        ] {
            assert_eq!(
                from.may(domain, client.parse().expect("an address")),
                may,
                "{domain} {client}"
            );
        }
        for (domain, client, may) in [
            ("acme.example", "2001:db8::1", true),
            ("example", "2001:db8::1", true),
            ("acme.example", "192.0.2.7", false),
            ("a.acme.example", "2001:db8::1", false),
            ("cme.example", "2001:db8::1", false),
            ("other.example", "2001:db8::1", false),
        ] {
            let client = client.parse().expect("an address");
            assert_eq!(from.may_below(domain, client), may, "below {domain} {client}");
        }
        for (domain, client, may) in [
            ("acme.example", "2001:db8::1", true),
            ("example", "2001:db8::1", true),
            ("a.acme.example", "2001:db8::1", true),
            // Its table names it, and nothing below it.
            ("acme.example", "192.0.2.7", false),
            ("example", "192.0.2.7", false),
            ("other.example", "2001:db8::1", false),
            ("example", "198.51.100.1", false),
        ] {
            let client = client.parse().expect("an address");
            assert_eq!(from.may_unnamed(domain, client), may, "unnamed {domain} {client}");
        }
        assert!(from.is_offered() && !EtrnFrom::new([("a.example", Vec::new())]).is_offered());
    }
}
