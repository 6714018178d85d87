//! What is ours, for filters that must know who only claims to be us: host names, addresses, local domains.

use std::collections::BTreeSet;
use std::net::IpAddr;

use gatepost_smtp::Domain;

/// What is ours. Names are kept in lower case.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Site {
    names: BTreeSet<Box<str>>,
    domains: BTreeSet<Box<str>>,
    addresses: BTreeSet<IpAddr>,
}

impl Site {
    /// A site of one host, which calls itself so.
    pub fn new(hostname: &str) -> Site {
        Site {
            names: BTreeSet::from([lower(hostname)]),
            ..Site::default()
        }
    }

    /// The same with local domains; `.example.org` stands for all below that one.
    #[must_use]
    pub fn with_domains<'a>(mut self, domains: impl IntoIterator<Item = &'a str>) -> Site {
        self.domains.extend(domains.into_iter().map(lower));
        self
    }

    /// The same with addresses of our own.
    #[must_use]
    pub fn with_addresses(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Site {
        self.addresses
            .extend(addresses.into_iter().map(|address| address.to_canonical()));
        self
    }

    /// Whether a host of ours calls itself so. No host within a local domain does because of that.
    pub fn is_our_name(&self, name: &str) -> bool {
        self.names.contains(&*lower(name))
    }

    /// Whether an address is one of ours.
    pub fn is_our_address(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address.to_canonical())
    }

    /// Whether mail to a domain is ours.
    pub fn is_local(&self, domain: &Domain) -> bool {
        let Domain::Name(name) = domain else { return false };
        let name = lower(name);
        let mut above = name.match_indices('.').filter(|(at, _)| *at > 0);
        self.domains.contains(&*name)
            || above.any(|(at, _)| name.get(at..).is_some_and(|above| self.domains.contains(above)))
    }

    /// Whether a name is that of a local domain itself, none below it.
    pub fn is_local_apex(&self, name: &str) -> bool {
        self.domains.contains(&*lower(name))
    }
}

fn lower(name: &str) -> Box<str> {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_is_ours_in_any_letter_case_and_nothing_else_is() {
        let site = Site::new("MX.example.org")
            .with_domains(["example.org", ".below.example"])
            .with_addresses(["::ffff:192.0.2.1".parse().unwrap()]);
        assert!(site.is_our_name("mx.EXAMPLE.org.") && !site.is_our_name("example.org"));
        assert!(site.is_our_address("192.0.2.1".parse().unwrap()));
        assert!(!site.is_our_address("192.0.2.2".parse().unwrap()));
        for (domain, local) in [
            ("Example.org", true),
            ("a.example.org", false),
            ("a.b.below.example", true),
            ("below.example", false),
            ("[192.0.2.1]", false),
        ] {
            let domain = Domain::parse(domain, false).unwrap();
            assert_eq!(site.is_local(&domain), local, "{domain}");
        }
        assert!(site.is_local_apex("EXAMPLE.org") && !site.is_local_apex("a.below.example"));
        assert!(!Site::default().is_our_name(""));
    }
}
