//! Who may have the mail that waits for a domain sent at once (ETRN, RFC 1985).
//!
//! **Invariant:** only who is named may: whoever asks for a domain that is not here, or from elsewhere, may not, and hears
//! the same.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::by_domain::ByDomain;

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
