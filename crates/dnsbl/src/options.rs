//! The options, and how they are written.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use gatepost_core::prelude::*;
use gatepost_core::schemars::{Schema, SchemaGenerator, json_schema};
use gatepost_core::serde::Deserializer;
use gatepost_core::serde::de::Error as _;
use gatepost_core::written::Network;

/// A time span, written `2s` or `250ms`; at most [`Span::MAX`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span(pub Duration);

impl Span {
    /// The longest: who waits longer for lists keeps clients waiting.
    pub const MAX: Duration = Duration::from_mins(1);
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Span, D::Error> {
        let text = Cow::<'de, str>::deserialize(from)?;
        match humantime::parse_duration(&text) {
            Ok(span) if !span.is_zero() && span <= Span::MAX => Ok(Span(span)),
            _ => Err(D::Error::custom(format!(
                "expected a time span of at most a minute, such as \"2s\", found {text:?}"
            ))),
        }
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "DnsblSpan".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A time span, 2s or 250ms." })
    }
}

/// The key that a list gave its user. It is shown nowhere.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", transparent)]
#[schemars(crate = "gatepost_core::schemars", transparent)]
pub struct Key(pub Box<str>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// What a list has entries for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", rename_all = "snake_case")]
#[schemars(crate = "gatepost_core::schemars")]
pub enum Kind {
    /// Addresses: the client is looked for.
    Address,
    /// Domains: those in the mail are looked for, as `of` says.
    Domain,
    /// Addresses of web servers, asked for backwards: links that name an address are looked for.
    LinkAddress,
    /// Addresses: those of the name servers of the links' domains are looked for.
    NameServer,
}

/// Whose domains a list is asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", rename_all = "snake_case")]
#[schemars(crate = "gatepost_core::schemars")]
pub enum Of {
    /// The name that the client gave at HELO.
    Helo,
    /// The client's reverse name, where it leads back to it.
    Reverse,
    /// The envelope sender's.
    Sender,
    /// Those in the From header.
    Author,
    /// Those of links.
    Link,
}

/// Whether a list has IPv6 addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", rename_all = "snake_case")]
#[schemars(crate = "gatepost_core::schemars")]
pub enum Ipv6 {
    /// No: it is not asked about them.
    No,
    /// Yes, each by its 32 nibbles.
    Whole,
    /// Yes, by the 16 nibbles of their /64.
    Network,
}

/// By which entries a list is seen to be well (RFC 5782 §5): that of `test_entry` must be listed, that of `clean_entry`
/// must not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", rename_all = "snake_case")]
#[schemars(crate = "gatepost_core::schemars")]
pub enum Check {
    /// By both.
    Both,
    /// By the test entry alone, for a list that has the other one on purpose.
    Test,
    /// By the clean entry alone, for a list without a test entry.
    Clean,
    /// By none: it is believed to be well.
    None,
}

/// One documented answer of a list.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", deny_unknown_fields)]
#[schemars(crate = "gatepost_core::schemars")]
pub struct AnswerOptions {
    /// Which answers: `127.0.0.2`, a range `127.0.0.4-7`, any octet `127.0.*.3`, a bit `&64`.
    pub answer: String,
    /// What they weigh; without this the points of the list.
    #[serde(default)]
    pub points: Option<Score>,
    /// What they say, in a word or two.
    #[serde(default)]
    pub about: String,
    /// Whether they count only about a client that connects to us itself, and not about one behind a relay: lists of
    /// networks that should send no mail directly.
    #[serde(default)]
    pub connecting_only: bool,
}

/// One list. Of a shipped one only what is different need be said.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", default, deny_unknown_fields)]
#[schemars(crate = "gatepost_core::schemars")]
pub struct ListOptions {
    /// Whether it is asked; true where nothing is said.
    pub enabled: Option<bool>,
    /// Where it lies in DNS: `bl.example.org`. `{key}` in it stands for the key, which must not stand there itself.
    pub zone: Option<String>,
    /// What it is called in replies, notes and tables; the zone without its key where nothing is said.
    pub shown: Option<String>,
    /// What it has entries for; `["address"]` where nothing is said.
    pub kinds: Option<Vec<Kind>>,
    /// Whose domains it is asked for; those of links where nothing is said.
    pub of: Option<Vec<Of>>,
    /// What a listing weighs where its answer does not say otherwise; below zero for lists of the good. 1 where nothing is
    /// said.
    pub points: Option<Score>,
    /// Its documented answers; others make nothing of a mail. Any answer is a listing where nothing is said.
    pub answers: Option<Vec<AnswerOptions>>,
    /// What it answers to a resolver that it does not serve, beside 127.0.0.1 and 127.255.255.0/24, which say so of all.
    pub refusals: Option<Vec<String>>,
    /// Whether it has IPv6 addresses; it has none where nothing is said.
    pub ipv6: Option<Ipv6>,
    /// The key that it gave you. It appears in no log, record or reply.
    pub key: Option<Key>,
    /// A file with the key and nothing else, in place of `key`.
    pub key_file: Option<PathBuf>,
    /// Whether a listing that weighs more than zero refuses the mail at once, in mode `enforce`. It counts by its points
    /// where nothing is said. Unless `check` is `none`, the list is asked first for a name that cannot be listed: one that
    /// answers for everything refuses nobody, from its first minute on.
    pub refuse: Option<bool>,
    /// Whether the list's own text is asked for and told to a client that is refused.
    pub txt: Option<bool>,
    /// How it is seen to be well.
    pub check: Option<Check>,
    /// The address or domain that is always listed; 127.0.0.2 or `test` where nothing is said.
    pub test_entry: Option<String>,
    /// The address or domain that is never listed; 127.0.0.1 or `invalid` where nothing is said.
    pub clean_entry: Option<String>,
    /// Where somebody who is listed turns to.
    pub see: Option<String>,
    /// Who may use it, as you noted it.
    pub terms: Option<String>,
}

/// The options of the filter.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", default, deny_unknown_fields)]
#[schemars(crate = "gatepost_core::schemars")]
pub struct Config {
    /// The lists, by names of [a-z0-9_], which become the names of findings: `dnsbl.NAME`.
    pub lists: BTreeMap<String, ListOptions>,
    /// Whether the shipped lists are there as well; `lists` changes them or turns single ones off.
    pub shipped: bool,
    /// How long a session waits for lists in all; when that is over, a quarter of it at each further step, for lists that
    /// were not late. Who has not answered by then makes nothing of the mail.
    pub deadline: Span,
    /// So many questions are asked about one mail at most, besides the checks whether a list is well.
    pub questions: u16,
    /// So many different domains of a mail's links are looked for at most.
    pub domains: u16,
    /// The name servers of so many of them are looked for at most.
    pub name_server_domains: u16,
    /// Domains that are not looked for, nor what lies below: of the largest senders, which no list will ever have. Those of
    /// the recipients never are.
    pub ignore_domains: Vec<String>,
    /// Clients in these networks are not looked for; nor are private ones and those who logged in.
    pub ignore_networks: Vec<Network>,
    /// Whether the links of our own people's mail to the world are looked for.
    pub outbound_links: bool,
    /// Whom a refused sender may write to; `{contact}` in `refusal`.
    pub contact: String,
    /// What a client reads that a list with `refuse` has: printable ASCII, with `{what}`, `{list}`, `{reason}`, `{see}` and
    /// `{contact}`.
    pub refusal: String,
    /// Points for a mail with links to more domains than are looked for.
    pub too_many_links_points: Score,
    /// Points for a mail parts of which were not read, since it passes a bound.
    pub unread_points: Score,
    /// Points for a mail that is broken where mail programs read different things: base64 with foreign octets, an unknown
    /// transfer encoding, a multipart without its end, and the like. Honest programs write such mail, too: text with octets of
    /// no charset, say.
    pub broken_points: Score,
    /// Points for a mail with a link in disguise: `http://bank.example@192.0.2.1/`, an address as a number, and the like.
    pub disguised_link_points: Score,
    /// Points for a link whose text names another domain than the one it leads to. Newsletters that count clicks do it too.
    pub other_shown_points: Score,
    /// Points for a link that hides where it leads behind a shortener.
    pub shortener_points: Score,
    /// The domains of shorteners.
    pub shorteners: Vec<String>,
}

impl Default for Config {
    fn default() -> Config {
        let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Config {
            lists: BTreeMap::new(),
            shipped: true,
            deadline: Span(Duration::from_secs(2)),
            questions: 64,
            domains: 20,
            name_server_domains: 3,
            ignore_domains: all(&[
                "apple.com",
                "facebook.com",
                "gmail.com",
                "google.com",
                "googleapis.com",
                "gstatic.com",
                "icloud.com",
                "instagram.com",
                "linkedin.com",
                "live.com",
                "microsoft.com",
                "office.com",
                "outlook.com",
                "schema.org",
                "twitter.com",
                "w3.org",
                "wikipedia.org",
                "x.com",
                "yahoo.com",
                "youtube.com",
            ]),
            ignore_networks: Vec::new(),
            outbound_links: false,
            contact: "the postmaster of your recipient's domain".into(),
            refusal: "Service denied: {what} is listed by {list} ({reason}); see {see}, or ask {contact}".into(),
            too_many_links_points: Score::points(1),
            unread_points: Score::points(1),
            broken_points: Score::ZERO,
            disguised_link_points: Score::points(2),
            other_shown_points: Score::ZERO,
            shortener_points: Score::hundredths(50),
            shorteners: all(&[
                "bit.ly",
                "buff.ly",
                "cutt.ly",
                "goo.gl",
                "is.gd",
                "ow.ly",
                "rb.gy",
                "rebrand.ly",
                "shorturl.at",
                "t.co",
                "t.ly",
                "tiny.cc",
                "tinyurl.com",
                "v.gd",
            ]),
        }
    }
}
