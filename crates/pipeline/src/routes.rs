//! Who is ours, and which mail server is theirs (P-16).
//!
//! **Invariant:** inbound, a recipient whose domain is not in the table has no route, whatever any filter wishes, and
//! neither has one whose local part asks some servers to relay. There is no catch-all.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatepost_core::{Address, Domain, Path, Reply};

use crate::refusal;

/// The routes of one pipeline.
#[derive(Clone, Debug)]
pub struct Routes {
    /// Local domains, in lower case, and their routes; outbound only the names count. `.example.org` stands for all
    /// domains below that one.
    local: BTreeMap<Box<str>, Arc<str>>,
    /// Where `<postmaster>` without a domain goes.
    postmaster: Option<Arc<str>>,
    /// Where everything goes, outbound.
    everything: Option<Arc<str>>,
}

impl Routes {
    /// Inbound: only these domains, each with the name of its route; `.example.org` is all below that, at any depth, and
    /// not itself. `<postmaster>` goes to the first one's.
    pub fn inbound<'a>(domains: impl IntoIterator<Item = (&'a str, &'a str)>) -> Routes {
        let mut routes = Routes {
            local: BTreeMap::new(),
            postmaster: None,
            everything: None,
        };
        for (domain, route) in domains {
            let route: Arc<str> = route.into();
            routes.postmaster.get_or_insert_with(|| Arc::clone(&route));
            routes.local.insert(key(domain), route);
        }
        routes
    }

    /// Outbound: everything by one route. The domains are those of our own people.
    pub fn outbound<'a>(route: &str, domains: impl IntoIterator<Item = &'a str>) -> Routes {
        let route: Arc<str> = route.into();
        let local = domains
            .into_iter()
            .map(|domain| (key(domain), Arc::clone(&route)))
            .collect();
        Routes {
            local,
            postmaster: Some(Arc::clone(&route)),
            everything: Some(route),
        }
    }

    /// The route of a recipient, or the refusal.
    pub fn route(&self, to: &Path) -> Result<&Arc<str>, Reply> {
        let mailbox = match to {
            Path::Null => return Err(refusal::NOT_LOCAL),
            Path::Postmaster => return self.postmaster.as_ref().ok_or(refusal::NOT_LOCAL),
            Path::Mailbox(mailbox) => mailbox,
        };
        if let Some(route) = &self.everything {
            return Ok(route);
        }
        let Domain::Name(name) = mailbox.domain() else {
            return Err(refusal::NOT_LOCAL);
        };
        let route = self.local(name).ok_or(refusal::NOT_LOCAL)?;
        // user%there@here, there!user@here, "user@there"@here: some servers behind us would pass them on.
        if mailbox.local().contains(['%', '!', '@']) {
            Err(refusal::RELAY_TRICK)
        } else {
            Ok(route)
        }
    }

    /// Whether mail comes from the world: only for recipients that are ours.
    pub fn is_inbound(&self) -> bool {
        self.everything.is_none()
    }

    /// The route of AUTH: where everything goes.
    pub fn of_login(&self) -> Option<&Arc<str>> {
        self.everything.as_ref()
    }

    /// The local domain, where there is but one.
    pub fn only(&self) -> Option<&str> {
        let mut names = self.local.keys();
        match (names.next(), names.next()) {
            (Some(name), None) if !name.starts_with('.') => Some(name),
            _ => None,
        }
    }

    /// Whether a domain is one of ours.
    pub fn is_local(&self, domain: &Domain) -> bool {
        matches!(domain, Domain::Name(name) if self.local(name).is_some())
    }

    /// The same of the name of a domain.
    pub fn is_local_name(&self, name: &str) -> bool {
        self.local(name).is_some()
    }

    /// The names of local domains that are this one or lie below it.
    pub fn at_or_below(&self, name: &str) -> impl Iterator<Item = &str> {
        let is_in = move |domain: &&str| {
            let above = domain.strip_suffix(name);
            above.is_some_and(|above| above.is_empty() || above.ends_with('.')) && !domain.starts_with('.')
        };
        self.local.keys().map(|domain| &**domain).filter(is_in)
    }

    /// The route of a domain of ours: its own, or that of `.above`, which means all below `above`.
    fn local(&self, name: &str) -> Option<&Arc<str>> {
        let name = key(name);
        let above = name
            .match_indices('.')
            .filter(|(at, _)| *at > 0)
            .filter_map(|(at, _)| name.get(at..));
        std::iter::once(&*name)
            .chain(above)
            .find_map(|domain| self.local.get(domain))
    }
}

fn key(domain: &str) -> Box<str> {
    domain.to_ascii_lowercase().into()
}

/// Whether mail to it must not be lost to a spam check: postmaster and abuse (RFC 5321 §4.5.1, RFC 2142).
pub fn is_role(to: &Path) -> bool {
    let is = |address: &Address| is_role_name(address.local());
    matches!(to, Path::Postmaster) || to.mailbox().is_some_and(is)
}

/// Whether a local part is one of those.
pub fn is_role_name(local: &str) -> bool {
    ["postmaster", "abuse"]
        .iter()
        .any(|role| local.eq_ignore_ascii_case(role))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbound() -> Routes {
        Routes::inbound([("Example.ORG", "default"), ("other.example", "second")])
    }

    fn to(text: &str) -> Path {
        Path::forward(text, true).unwrap_or_else(|bad| panic!("{text}: {bad:?}"))
    }

    #[test]
    fn twelve_relay_tricks_are_refused() {
        for trick in [
            "user@there.example",
            "user%there.example@example.org",
            "user%there.example%third.example@example.org",
            "there.example!user@example.org",
            "a!there.example!user@example.org",
            "\"user@there.example\"@example.org",
            "\"user%there.example\"@example.org",
            "\"@there.example:user\"@example.org",
            "user@[192.0.2.1]",
            "user@[IPv6:2001:db8::1]",
            "@example.org:user@there.example",
            "@example.org,@other.example:user@there.example",
            "user@sub.example.org",
            "user@example.org.there.example",
            "user@examp1e.org",
        ] {
            let reply = inbound().route(&to(trick)).expect_err(trick);
            assert!(reply.to_string().starts_with("550 5.7.1 "), "{trick}: {reply}");
        }
        assert!(inbound().route(&Path::Null).is_err());
    }

    #[test]
    fn local_recipients_have_the_route_of_their_domain_in_any_letter_case() {
        let routes = inbound();
        for (recipient, route) in [
            ("user@example.org", "default"),
            ("user+tag@EXAMPLE.org", "default"),
            ("\"odd user\"@example.org", "default"),
            ("SRS0=ab=cd=there.example=user@example.org", "default"),
            ("user@other.example", "second"),
            ("postmaster", "default"),
        ] {
            assert_eq!(
                routes.route(&to(recipient)).map(|route| &**route),
                Ok(route),
                "{recipient}"
            );
        }
    }

    #[test]
    fn outbound_everything_has_one_route() {
        let routes = Routes::outbound("smarthost", ["example.org"]);
        for recipient in ["user@there.example", "a%b@c.example", "user@[192.0.2.1]", "postmaster"] {
            assert_eq!(
                routes.route(&to(recipient)).map(|route| &**route),
                Ok("smarthost"),
                "{recipient}"
            );
        }
        let local = |domain| routes.is_local(&Domain::parse(domain, false).expect("a domain"));
        assert!(local("EXAMPLE.org") && !local("there.example") && !local("[192.0.2.1]"));
    }

    #[test]
    fn a_domain_with_a_dot_before_it_stands_for_those_below_it() {
        let routes = Routes::inbound([
            (".example.org", "below"),
            ("own.example.org", "own"),
            (".deep.example.org", "deep"),
        ]);
        for (recipient, route) in [
            ("user@a.example.org", Some("below")),
            ("user@a.B.example.org", Some("below")),
            ("user@own.example.org", Some("own")),
            ("user@x.own.example.org", Some("below")),
            ("user@x.deep.example.org", Some("deep")),
            ("user@deep.example.org", Some("below")),
            ("user@example.org", None),
            ("user@notexample.org", None),
        ] {
            assert_eq!(
                routes.route(&to(recipient)).ok().map(|route| &**route),
                route,
                "{recipient}"
            );
        }
    }

    #[test]
    fn a_domain_and_those_below_it_are_found() {
        let names = [
            "example.org",
            "a.example.org",
            "b.a.example.org",
            "notexample.org",
            ".example.org",
        ];
        let routes = Routes::inbound(names.map(|name| (name, "default")));
        let found: Vec<_> = routes.at_or_below("example.org").collect();
        assert_eq!(found, ["a.example.org", "b.a.example.org", "example.org"]);
        assert_eq!(routes.at_or_below("a.example.org").count(), 2);
        assert_eq!(routes.at_or_below("org.example").count(), 0);
    }

    #[test]
    fn nothing_is_local_where_no_domain_is() {
        assert!(Routes::inbound([]).route(&Path::Postmaster).is_err());
    }

    #[test]
    fn postmaster_and_abuse_are_roles() {
        for (recipient, role) in [
            ("postmaster", true),
            ("PostMaster@example.org", true),
            ("abuse@example.org", true),
            ("abuser@example.org", false),
        ] {
            assert_eq!(is_role(&to(recipient)), role, "{recipient}");
        }
    }
}
