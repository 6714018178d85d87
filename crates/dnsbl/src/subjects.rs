//! What of a mail lists are asked about: domains and addresses, out of its envelope, its head and its links.
//!
//! **Absent on purpose:** following a link. Nothing is fetched from where a stranger points.

use std::collections::BTreeMap;
use std::net::IpAddr;

use gatepost_core::message::{Headers, Host, Link, Place, Trick};
use gatepost_core::{Address, Domain, Envelope};

use crate::name;

/// The most From fields, and the most domains of them, that are looked at. Mail with more has been marked as such by others.
const AUTHORS_MAX: usize = 3;

/// The registrable domain of an address, if it has a name.
pub fn of_address(address: &Address) -> Option<String> {
    match address.domain() {
        Domain::Name(domain) => name::host(domain).map(|host| name::registrable(&host).to_owned()),
        Domain::V4(_) | Domain::V6(_) => None,
    }
}

/// The registrable domains behind each `@` of the From fields: a display name that looks like an address is meant to be
/// read as one.
pub fn authors(headers: &Headers) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for field in headers.all("From").take(AUTHORS_MAX) {
        let value = field.unfolded();
        let text = String::from_utf8_lossy(&value);
        for after in text.split('@').skip(1) {
            let end = after.find(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '-' | '_')));
            let host = after.get(..end.unwrap_or(after.len())).and_then(name::host);
            let domain = host.map(|host| name::registrable(&host).to_owned());
            if let Some(domain) = domain.filter(|domain| !all.contains(domain)) {
                all.push(domain);
            }
            if all.len() >= AUTHORS_MAX {
                return all;
            }
        }
    }
    all
}

/// The registrable domains of the recipients.
pub fn recipients(envelope: &Envelope) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for domain in envelope
        .recipients
        .iter()
        .filter_map(|to| of_address(to.path.mailbox()?))
    {
        if !all.contains(&domain) {
            all.push(domain);
        }
    }
    all
}

/// What is asked of links.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Linked<'a> {
    /// Domains, each with every place where it stood.
    pub domains: Vec<(Place, &'a str)>,
    /// Addresses, each once, those that a reader follows first to begin with; no more than are asked about.
    pub addresses: Vec<IpAddr>,
    /// Whether there were more addresses.
    pub more_addresses: bool,
    /// The first link in disguise, and how.
    pub disguised: Option<(&'a str, Trick)>,
    /// The first link that shows another domain.
    pub other_shown: Option<&'a str>,
    /// The first shortener.
    pub shortener: Option<&'a str>,
}

/// Looks at links. `ignored` says which hosts nobody asks about.
pub fn linked<'a>(
    links: impl IntoIterator<Item = &'a Link>,
    ignored: impl Fn(&str) -> bool,
    is_shortener: impl Fn(&str) -> bool,
) -> Linked<'a> {
    let mut linked = Linked::default();
    let mut addresses: BTreeMap<IpAddr, (Place, usize)> = BTreeMap::new();
    for (n, link) in links.into_iter().enumerate() {
        for trick in &link.tricks {
            match trick {
                Trick::OtherShown => drop(linked.other_shown.get_or_insert(&link.url)),
                trick => drop(linked.disguised.get_or_insert((&link.url, *trick))),
            }
        }
        match &link.host {
            Host::Name(host) => {
                if is_shortener(host) {
                    linked.shortener.get_or_insert(host);
                }
                let domain = link.domain.as_deref().unwrap_or(host);
                if !ignored(host) && domain.contains('.') {
                    linked.domains.push((link.place, domain));
                }
            }
            Host::V4(v4) => seen(&mut addresses, IpAddr::V4(*v4), (link.place, n)),
            Host::V6(v6) => seen(&mut addresses, IpAddr::V6(*v6), (link.place, n)),
        }
    }
    let mut all: Vec<_> = addresses.into_iter().map(|(address, at)| (at, address)).collect();
    all.sort_unstable();
    linked.more_addresses = all.len() > ADDRESSES_MAX;
    linked.addresses = all
        .into_iter()
        .take(ADDRESSES_MAX)
        .map(|(_, address)| address)
        .collect();
    linked
}

/// Notes where an address stands first. There are no more of them than links, which have a bound.
fn seen(addresses: &mut BTreeMap<IpAddr, (Place, usize)>, address: IpAddr, at: (Place, usize)) {
    if gatepost_core::network::is_public(address) {
        let known = addresses.entry(address).or_insert(at);
        *known = (*known).min(at);
    }
}

/// The most addresses of links that are asked about. Honest mail has hardly one.
pub const ADDRESSES_MAX: usize = 5;

#[cfg(test)]
mod tests {
    use gatepost_core::Message;

    use super::*;

    fn authors_of(head: &str) -> Vec<String> {
        let message = Message::from_bytes(format!("{head}\r\n\r\n").into_bytes());
        authors(message.headers())
    }

    #[test]
    fn authors_are_whatever_reads_as_an_address() {
        assert_eq!(authors_of("From: Ann <ann@mail.B.example>"), ["b.example"]);
        assert_eq!(
            authors_of("From: \"service@bank.example\" <x@evil.example>"),
            ["bank.example", "evil.example"]
        );
        assert_eq!(
            authors_of("From: a@b.example\r\nFrom: c@e.example"),
            ["b.example", "e.example"]
        );
        assert_eq!(authors_of("From: ann@[192.0.2.1]"), [""; 0]);
        let many: String = (0..100).map(|n| format!("a@d{n}.example, ")).collect();
        assert_eq!(authors_of(&format!("From: {many}")).len(), AUTHORS_MAX);
    }
}
