//! What a client calls itself: what is wrong with it by itself (RFC 5321 §4.1.1.1: a name, or its own address as a
//! literal), whether it is ours, and what DNS says of it.

use std::net::IpAddr;

use gatepost_core::{Dns, Domain, Lookup, Site};

use crate::traits::Trait;

/// The name without the dot at its end, which is a fault of taste.
fn bare(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// What is wrong with it by itself. `ours` tells whether an address is.
pub fn alone(name: &str, origin: IpAddr, ours: impl Fn(IpAddr) -> bool) -> Option<Trait> {
    let name = bare(name);
    let literal = |address: IpAddr| match address.to_canonical() {
        own if own == origin.to_canonical() => None,
        address if ours(address) => Some(Trait::HeloOurs),
        _ => Some(Trait::HeloNotItsOwn),
    };
    // An address without brackets parses as a name.
    if let Ok(address) = name.parse::<IpAddr>() {
        let ours = ours(address) && address.to_canonical() != origin.to_canonical();
        return Some(if ours { Trait::HeloOurs } else { Trait::HeloSyntax });
    }
    match Domain::parse(name, true) {
        Ok(Domain::V4(address)) => literal(address.into()),
        Ok(Domain::V6(address)) => literal(address.into()),
        Ok(Domain::Name(name)) if !name.contains('.') => Some(Trait::HeloUnqualified),
        Ok(Domain::Name(_)) => None,
        _ => Some(Trait::HeloSyntax),
    }
}

/// The name to ask DNS about; none where [`alone`] has something to say, except that the name is ours.
pub fn asked(name: &str) -> Option<&str> {
    let name = bare(name);
    let is_name = name.contains('.') && name.parse::<IpAddr>().is_err();
    (is_name && matches!(Domain::parse(name, true), Ok(Domain::Name(_)))).then_some(name)
}

/// Whether a name is that of our host or of a local domain itself.
pub fn is_ours(name: &str, site: &Site) -> bool {
    site.is_our_name(name) || site.is_local_apex(name)
}

/// What DNS says of a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It has the client's address.
    Own,
    /// It has others.
    Others,
    /// It is there, and has no address of this kind, which says nothing.
    Nothing,
    /// It is ours, and has no address at all.
    Bare,
    /// It is not there.
    Missing,
}

/// Asks DNS about a name; nothing where that has trouble. Only addresses of the client's kind are asked for, and of a local
/// domain that has none the others: a host of that name may call from an address that DNS does not tell.
pub async fn ask(dns: &dyn Dns, name: &str, origin: IpAddr, site: &Site) -> Option<Answer> {
    fn heard<T: PartialEq>(lookup: &Lookup<T>, origin: &T) -> Answer {
        match lookup {
            Lookup::Found { records, .. } if records.contains(origin) => Answer::Own,
            Lookup::Found { .. } => Answer::Others,
            Lookup::NoData { .. } => Answer::Nothing,
            Lookup::NxDomain { .. } => Answer::Missing,
        }
    }
    let origin = origin.to_canonical();
    let answer = match &origin {
        IpAddr::V4(origin) => heard(&dns.a(name).await.ok()?, origin),
        IpAddr::V6(origin) => heard(&dns.aaaa(name).await.ok()?, origin),
    };
    if answer != Answer::Nothing || !is_ours(name, site) {
        return Some(answer);
    }
    let has_others = match origin {
        IpAddr::V4(_) => matches!(dns.aaaa(name).await.ok()?, Lookup::Found { .. }),
        IpAddr::V6(_) => matches!(dns.a(name).await.ok()?, Lookup::Found { .. }),
    };
    Some(if has_others { Answer::Nothing } else { Answer::Bare })
}

/// What an answer says against a client. `confirmed` is its forward-confirmed reverse name: a client is what that says.
pub fn by_dns(name: &str, answer: Answer, confirmed: Option<&str>, site: &Site) -> Option<Trait> {
    if answer == Answer::Own || confirmed.is_some_and(|confirmed| confirmed.eq_ignore_ascii_case(name)) {
        return None;
    }
    // The name of this host is nobody else's, whatever its address.
    if site.is_our_name(name) || (is_ours(name, site) && answer != Answer::Nothing) {
        return Some(Trait::HeloOurs);
    }
    match answer {
        Answer::Missing => Some(Trait::HeloUnknown),
        Answer::Others => Some(Trait::HeloElsewhere),
        Answer::Own | Answer::Nothing | Answer::Bare => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_testkit::Zone;

    const OURS: &str = "198.51.100.25";

    fn helo(name: &str) -> Option<Trait> {
        let ours: IpAddr = OURS.parse().unwrap();
        alone(name, "192.0.2.1".parse().unwrap(), |address| address == ours)
    }

    #[test]
    fn a_name_and_ones_own_address_are_good_manners() {
        for name in [
            "mail.b.example",
            "mail.b.example.",
            "under_score.example",
            "[192.0.2.1]",
            "[IPv6:::ffff:192.0.2.1]",
        ] {
            assert_eq!(helo(name), None, "{name}");
        }
        let origin = "2001:db8::1".parse().unwrap();
        assert_eq!(alone("[IPv6:2001:DB8::1]", origin, |_| false), None);
    }

    #[test]
    fn nonsense_and_a_bare_address_are_not() {
        for name in [
            "192.0.2.1",
            "2001:db8::1",
            "[192.0.2.300]",
            "[192.0.2.1",
            "a..b",
            "-a.example",
            ".",
            "<a>",
            "a,b",
        ] {
            assert_eq!(helo(name), Some(Trait::HeloSyntax), "{name}");
            assert_eq!(asked(name), None, "{name}");
        }
        assert_eq!(helo("localhost"), Some(Trait::HeloUnqualified));
        assert_eq!(helo("WIN-7KQ3"), Some(Trait::HeloUnqualified));
    }

    #[test]
    fn somebody_elses_address_is_not_and_ours_is_worse() {
        assert_eq!(helo("[192.0.2.2]"), Some(Trait::HeloNotItsOwn));
        assert_eq!(helo("[127.0.0.1]"), Some(Trait::HeloNotItsOwn));
        assert_eq!(helo("[IPv6:2001:db8::1]"), Some(Trait::HeloNotItsOwn));
        assert_eq!(helo("[198.51.100.25]"), Some(Trait::HeloOurs));
        assert_eq!(helo(OURS), Some(Trait::HeloOurs));
        let ourselves = alone("[198.51.100.25]", OURS.parse().unwrap(), |_| true);
        assert_eq!(ourselves, None);
    }

    #[tokio::test]
    async fn dns_says_whose_name_it_is_and_trouble_says_nothing() {
        let zone = Zone::parse(
            "own.example A 192.0.2.1\nother.example A 192.0.2.9\nsix.example AAAA 2001:db8::1\n\
             branch.d.example A 192.0.2.1\nSERVFAIL broken.example\nd.example MX 10 mx.d.example\n\
             mx.d.example A 198.51.100.25",
        )
        .unwrap();
        let site = Site::new("mx.d.example").with_domains(["d.example"]);
        for (name, what) in [
            ("own.example", None),
            ("other.example", Some(Trait::HeloElsewhere)),
            ("six.example", None),
            ("none.example", Some(Trait::HeloUnknown)),
            ("broken.example", None),
            ("d.example", Some(Trait::HeloOurs)),
            ("MX.d.example", Some(Trait::HeloOurs)),
            ("branch.d.example", None),
        ] {
            let name = asked(name).unwrap();
            let answer = ask(&zone, name, "192.0.2.1".parse().unwrap(), &site).await;
            let seen = answer.and_then(|answer| by_dns(name, answer, None, &site));
            assert_eq!(seen, what, "{name}");
        }
        let zone = Zone::parse("d.example A 198.51.100.7\nMX.d.example A 198.51.100.25\ne.example MX 10 mx.d.example")
            .unwrap();
        let site = Site::new("mx.d.example").with_domains(["d.example", "e.example"]);
        for (name, what) in [
            ("d.example", None),
            ("mx.d.example", Some(Trait::HeloOurs)),
            ("e.example", Some(Trait::HeloOurs)),
        ] {
            let answer = ask(&zone, name, "2001:db8::1".parse().unwrap(), &site).await;
            let seen = answer.and_then(|answer| by_dns(name, answer, None, &site));
            assert_eq!(seen, what, "{name} over IPv6");
        }
        assert_eq!(
            by_dns("Other.example", Answer::Others, Some("other.example"), &site),
            None
        );
    }
}
