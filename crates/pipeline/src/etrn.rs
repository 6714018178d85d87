//! ETRN (RFC 1985): a customer's mail server that is back asks for the mail that waits for it, to be sent at once.
//!
//! **Invariant:** only who is named may: whoever asks for a domain that is not here, or from elsewhere, may not, and hears
//! the same; it makes us send nothing, and does not learn whether anything waits. **Absent on purpose:** named queues
//! (`#name`): mail waits by domain.

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
}

/// Answers ETRN.
pub async fn answer(pipeline: &Pipeline, client: IpAddr, whose: &Etrn) -> Reply {
    let may = |domain: &&str| pipeline.may_etrn(domain, client);
    let (name, domains): (&str, Vec<&str>) = match whose {
        Etrn::Queue(_) => return refusal::NO_QUEUE,
        Etrn::Domain(name) => (name, [&**name].into_iter().filter(may).collect()),
        Etrn::Below(name) => {
            let mut all: Vec<&str> = pipeline.routes().at_or_below(name).filter(may).collect();
            all.sort_unstable();
            all.truncate(DOMAINS_MAX);
            (name, all)
        }
    };
    if domains.is_empty() {
        return refusal::NOT_YOUR_MAIL;
    }
    let Some(queue) = &pipeline.services().queue else {
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
        assert!(from.is_offered() && !EtrnFrom::new([("a.example", Vec::new())]).is_offered());
    }
}
