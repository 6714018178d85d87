//! Links: where they lead, where they stood, and how they were disguised.

use std::net::{Ipv4Addr, Ipv6Addr};

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
    /// In text that a reader does not see.
    Hidden,
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
}

/// One link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// The whole link, decoded, of bounded length.
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
