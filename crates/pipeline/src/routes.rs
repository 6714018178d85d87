//! Who is ours, and which mail server is theirs (P-16).
//!
//! **Invariant:** inbound, a recipient whose domain is not in the table has no route, whatever any filter wishes, and
//! neither has one whose local part asks some servers to relay. There is no catch-all. A domain that is ours and cannot be
//! served now is never refused for good. A single address may have a route of its own; what is its domain's, rights and
//! rules, stays as it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatepost_core::{Address, Domain, Path, Reply};

use crate::by_domain::ByDomain;
use crate::recipients::names;
use crate::refusal;

/// The routes of one pipeline.
#[derive(Clone, Debug)]
pub struct Routes {
    /// Local domains and their routes; outbound only the names count. `.example.org` stands for all domains below that one.
    local: ByDomain<Local>,
    /// Where `<postmaster>` without a domain goes.
    postmaster: Option<Arc<str>>,
    /// Where everything goes, outbound.
    everything: Option<Arc<str>>,
}

/// Where mail for one of our domains goes.
#[derive(Clone, Debug)]
struct Local {
    route: Arc<str>,
    /// It is ours and has no way now, since what is said of it cannot be used: its mail is to come again.
    out: bool,
    /// Single addresses that go elsewhere, by their local parts in lower case.
    addresses: BTreeMap<Box<str>, Arc<str>>,
}

impl Local {
    fn new(route: &Arc<str>) -> Local {
        Local {
            route: Arc::clone(route),
            out: false,
            addresses: BTreeMap::new(),
        }
    }

    /// The route of a local part: that of any name of the mailbox ([`names`]), or that of the domain.
    fn of(&self, local: &str) -> &Arc<str> {
        if self.addresses.is_empty() {
            return &self.route;
        }
        let local = local.to_lowercase();
        let own = names(&local).find_map(|name| self.addresses.get(name));
        own.unwrap_or(&self.route)
    }
}

impl Routes {
    /// Inbound: only these domains, each with the name of its route; `.example.org` is all below that, at any depth, and
    /// not itself. `<postmaster>` goes to the first one's.
    pub fn inbound<'a>(domains: impl IntoIterator<Item = (&'a str, &'a str)>) -> Routes {
        let domains = domains.into_iter();
        let mut first = None;
        let local = domains.map(|(domain, route)| {
            let route: Arc<str> = route.into();
            first.get_or_insert_with(|| Arc::clone(&route));
            (domain, Local::new(&route))
        });
        let local = local.collect();
        Routes {
            local,
            postmaster: first,
            everything: None,
        }
    }

    /// The same where a single address of a domain that is there has a route of its own: its local part as it is written,
    /// in any letter case; `ann+tag` goes where `ann` does, and so does an address of BATV. Outbound it changes nothing.
    #[must_use]
    pub fn with_address(mut self, domain: &str, local: &str, route: &str) -> Routes {
        if let Some(there) = self.local.named_mut(domain) {
            there.addresses.insert(local.to_lowercase().into(), route.into());
        }
        self
    }

    /// The same where one more domain is ours, and has no way now: its mail is answered 451, wherever a wider name leads.
    /// One that is there stays as it is.
    #[must_use]
    pub fn out_of_service(mut self, domain: &str) -> Routes {
        if self.local.named(domain).is_none() {
            let out = Local {
                out: true,
                ..Local::new(&"".into())
            };
            self.local.insert(domain, out);
        }
        self
    }

    /// The same where `<postmaster>` without a domain goes elsewhere.
    #[must_use]
    pub fn with_postmaster(mut self, route: &str) -> Routes {
        self.postmaster = Some(route.into());
        self
    }

    /// Outbound: everything by one route. The domains are those of our own people.
    pub fn outbound<'a>(route: &str, domains: impl IntoIterator<Item = &'a str>) -> Routes {
        let route: Arc<str> = route.into();
        let local = domains.into_iter().map(|domain| (domain, Local::new(&route))).collect();
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
        let local = self.local.get(name).ok_or(refusal::NOT_LOCAL)?;
        // user%there@here, there!user@here, "user@there"@here: some servers behind us would pass them on.
        if mailbox.local().contains(['%', '!', '@']) {
            Err(refusal::RELAY_TRICK)
        } else if local.out {
            Err(refusal::NO_ROUTE)
        } else {
            Ok(local.of(mailbox.local()))
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
        let mut names = self.local.names();
        match (names.next(), names.next()) {
            (Some(name), None) if !name.starts_with('.') => Some(name),
            _ => None,
        }
    }

    /// Whether a domain is one of ours.
    pub fn is_local(&self, domain: &Domain) -> bool {
        matches!(domain, Domain::Name(name) if self.is_local_name(name))
    }

    /// The same of the name of a domain.
    pub fn is_local_name(&self, name: &str) -> bool {
        self.local.get(name).is_some()
    }

    /// The names of local domains that are this one, in lower case, or lie below it, in no order.
    pub fn at_or_below(&self, name: &str) -> impl Iterator<Item = &str> {
        self.local.names().filter(move |domain| {
            let above = domain.strip_suffix(name);
            above.is_some_and(|above| above.is_empty() || above.ends_with('.')) && !domain.starts_with('.')
        })
    }
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
        let mut found: Vec<_> = routes.at_or_below("example.org").collect();
        found.sort_unstable();
        assert_eq!(found, ["a.example.org", "b.a.example.org", "example.org"]);
        assert_eq!(routes.at_or_below("a.example.org").count(), 2);
        assert_eq!(routes.at_or_below("org.example").count(), 0);
    }

    #[test]
    fn a_single_address_may_have_a_route_of_its_own() {
        let routes = inbound()
            .with_address("example.ORG", "Boss", "office")
            .with_address("example.org", "boss+press", "press")
            .with_address("nowhere.example", "boss", "office");
        for (recipient, route) in [
            ("boss@example.org", "office"),
            ("BOSS@EXAMPLE.org", "office"),
            ("boss+any@example.org", "office"),
            ("boss+press@example.org", "press"),
            ("prvs=0123456789=boss@example.org", "office"),
            ("prvs=0123456789=bos@example.org", "default"),
            ("prvs=0123456789=boss+any@example.org", "office"),
            ("bos@example.org", "default"),
            ("+boss@example.org", "default"),
            ("boss@other.example", "second"),
        ] {
            assert_eq!(
                routes.route(&to(recipient)).map(|route| &**route),
                Ok(route),
                "{recipient}"
            );
        }
        for trick in ["boss%there.example@example.org", "boss@nowhere.example"] {
            assert!(routes.route(&to(trick)).is_err(), "{trick}");
        }
    }

    #[test]
    fn mail_for_a_domain_that_is_out_of_service_is_to_come_again() {
        let routes = Routes::inbound([("example.org", "default"), (".wide.example", "wide")])
            .out_of_service("Acme.example")
            .out_of_service("own.wide.example")
            .out_of_service("example.org");
        for (recipient, found) in [
            ("user@acme.EXAMPLE", Err("451 4.3.5 ")),
            ("user@own.wide.example", Err("451 4.3.5 ")),
            ("user%there.example@acme.example", Err("550 5.7.1 ")),
            ("user@sub.acme.example", Err("550 5.7.1 ")),
            ("user@other.wide.example", Ok("wide")),
            ("user@example.org", Ok("default")),
        ] {
            match (routes.route(&to(recipient)), found) {
                (Ok(route), Ok(expected)) => assert_eq!(&**route, expected, "{recipient}"),
                (Err(reply), Err(code)) => assert!(reply.to_string().starts_with(code), "{recipient}: {reply}"),
                (found, _) => panic!("{recipient}: {found:?}"),
            }
        }
        assert!(routes.is_local_name("acme.example"));
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
