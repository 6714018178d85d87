//! Links: where they lead, where they stood, and how they were disguised.

use std::collections::HashMap;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::url::{self, Target};

/// Links of a mail that are kept (S-08), each of another URL.
pub const LINKS_MAX: usize = 1_000;

/// Where a link leads.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Host {
    /// A name in A-labels and lower case, without trailing dot.
    Name(Box<str>),
    /// An IPv4 address, however it was written.
    V4(Ipv4Addr),
    /// An IPv6 address.
    V6(Ipv6Addr),
}

impl fmt::Display for Host {
    /// As it stands in a URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::V4(address) => address.fmt(f),
            Host::V6(address) => write!(f, "[{address}]"),
        }
    }
}

/// Where in the mail a link stood. The first are those that a reader follows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Place {
    /// `href` of an anchor or area.
    Anchor,
    /// Where a form is sent.
    Form,
    /// A refresh that takes the reader elsewhere.
    Refresh,
    /// In visible text.
    Text,
    /// In a header field, such as Subject.
    Field,
    /// Within another link, as in a redirector's query.
    Nested,
    /// `src`, `srcset`, `background`, CSS `url()`: what is loaded.
    Loaded,
    /// In what a reader does not see.
    Hidden,
}

impl Place {
    /// The place in one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Place::Anchor => "anchor",
            Place::Form => "form",
            Place::Refresh => "refresh",
            Place::Text => "text",
            Place::Field => "field",
            Place::Nested => "nested",
            Place::Loaded => "loaded",
            Place::Hidden => "hidden",
        }
    }
}

/// How a link was disguised. Each is something that honest mail hardly does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Trick {
    /// `http://bank.example@evil.example/`.
    UserInfo,
    /// An address as an integer, in octal or in hexadecimal.
    OddAddress,
    /// Backslashes for slashes, or too many or too few slashes.
    Slashes,
    /// The host is percent-encoded or full of character references.
    EncodedHost,
    /// Characters of no width, soft hyphens or direction marks within it.
    Invisible,
    /// `hxxp://`, `example[.]com`, `example (dot) com`.
    Defanged,
    /// The text of the anchor names another registrable domain than the one it leads to.
    OtherShown,
    /// A host that mixes scripts.
    MixedScripts,
    /// Wide letters, ringed letters or ideographic dots for plain ones.
    WideLetters,
}

impl Trick {
    /// The trick in one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Trick::UserInfo => "userinfo",
            Trick::OddAddress => "odd-address",
            Trick::Slashes => "slashes",
            Trick::EncodedHost => "encoded-host",
            Trick::Invisible => "invisible",
            Trick::Defanged => "defanged",
            Trick::OtherShown => "other-shown",
            Trick::MixedScripts => "mixed-scripts",
            Trick::WideLetters => "wide-letters",
        }
    }
}

/// One link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// The whole link without the part before an `@`, decoded, at most [`URL_MAX`](super::URL_MAX) octets.
    pub url: Box<str>,
    /// Where it leads.
    pub host: Host,
    /// The registrable domain of the host by the public suffix list; none for addresses and for names that are a public
    /// suffix themselves.
    pub domain: Option<Box<str>>,
    /// Where it stood.
    pub place: Place,
    /// How it was disguised.
    pub tricks: Vec<Trick>,
}

/// The links of a mail, in the order of [`Place`] and then as they came; each of the same URL once.
#[derive(Clone, Debug, Default)]
pub struct Links {
    pub(super) all: Vec<Link>,
    pub(super) more: bool,
}

impl Links {
    /// The links.
    pub fn iter(&self) -> std::slice::Iter<'_, Link> {
        self.all.iter()
    }

    /// Whether there were more than are kept.
    pub fn is_cut(&self) -> bool {
        self.more
    }
}

/// How many places there are.
const PLACES: usize = 8;

/// Collects links within [`LINKS_MAX`]. Where there are more, one that a reader rather follows takes the place of the
/// last that is followed less.
#[derive(Debug, Default)]
pub(super) struct Gather {
    all: Vec<(usize, Link)>,
    known: HashMap<Box<str>, usize>,
    /// How many there are of each place.
    places: [usize; PLACES],
    came: usize,
    more: bool,
    cut: bool,
}

impl Gather {
    /// Takes a link and those within it.
    pub(super) fn take(&mut self, target: Target, place: Place) {
        let (within, more) = url::nested(&target.rest);
        self.cut |= target.cut || more;
        self.add(target, place);
        for nested in within {
            self.cut |= nested.cut;
            self.add(nested, place.max(Place::Nested));
        }
    }

    /// Takes the links within something that is none itself.
    pub(super) fn within(&mut self, text: &str, place: Place) {
        let (within, more) = url::nested(url::head(text, url::REST_MAX));
        self.cut |= more || text.len() > url::REST_MAX;
        for nested in within {
            self.add(nested, place.max(Place::Nested));
        }
    }

    fn add(&mut self, target: Target, place: Place) {
        self.came += 1;
        let link = Link {
            url: target.url,
            host: target.host,
            domain: target.domain,
            place,
            tricks: target.tricks,
        };
        if let Some((came, same)) = self.known.get(&link.url).and_then(|&at| self.all.get_mut(at)) {
            for trick in link.tricks {
                if !same.tricks.contains(&trick) {
                    same.tricks.push(trick);
                    same.tricks.sort_unstable();
                }
            }
            if place < same.place {
                count(&mut self.places, same.place, |n| n - 1);
                count(&mut self.places, place, |n| n + 1);
                (same.place, *came) = (place, self.came);
            }
            return;
        }
        let slot = if self.all.len() < LINKS_MAX {
            self.all.len()
        } else {
            self.more = true;
            if self
                .places
                .get(place as usize + 1..)
                .is_none_or(|worse| worse.iter().all(|n| *n == 0))
            {
                return;
            }
            let last = self
                .all
                .iter()
                .enumerate()
                .max_by_key(|(_, (came, link))| (link.place, *came));
            match last {
                Some((slot, (_, worst))) if place < worst.place => {
                    self.known.remove(&worst.url);
                    count(&mut self.places, worst.place, |n| n - 1);
                    slot
                }
                _ => return,
            }
        };
        count(&mut self.places, place, |n| n + 1);
        self.known.insert(link.url.clone(), slot);
        match self.all.get_mut(slot) {
            Some(kept) => *kept = (self.came, link),
            None => self.all.push((self.came, link)),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether links were left out.
    pub(super) fn has_more(&self) -> bool {
        self.more
    }

    /// Whether a link was longer, or had more links within it, than is looked at.
    pub(super) fn has_cut(&self) -> bool {
        self.cut
    }

    /// All of them in their order.
    pub(super) fn finish(mut self) -> Links {
        self.all.sort_unstable_by_key(|(came, link)| (link.place, *came));
        Links {
            all: self.all.into_iter().map(|(_, link)| link).collect(),
            more: self.more,
        }
    }
}

fn count(places: &mut [usize; PLACES], place: Place, change: fn(usize) -> usize) {
    if let Some(n) = places.get_mut(place as usize) {
        *n = change(*n);
    }
}
