//! Which recipients exist (G-13): the operator's lists, and what the mail server said of everybody else.
//!
//! **Where the answer comes from:** postmaster and abuse exist (RFC 5321 §4.5.1; the mail server decides what becomes of
//! them); a domain with a [`List`] is what its list says; for all others an answer that the mail server gave to RCPT is
//! believed for a while ([`Spans`]); else nothing is known, and the mail server is asked.
//!
//! **Invariants:** "no" is remembered only where the server's words can mean nothing else (5.1.1; 5.1.10 as Exchange has
//! it), for hours, and never from a 4xx, from an answer to MAIL or about another thing than the mailbox; no trouble of
//! ours, of the store or of the clock makes a recipient unknown; the store learns hashes, and no addresses.
//!
//! An answer is that of one mail server ([`Recipients::with_servers`]): what is asked over a route that leads to another
//! one, at another listener or since the configuration was changed, is not answered by it. What takes mail for everybody
//! ([`Recipients::not_believing`]) says nothing of who exists, and takes no server's answer away.
//!
//! **Cost:** nothing where a list decides, else one read from the store, beside which that of the mark runs which
//! [`forget`](Recipients::forget) sets for all. A write where the answer changed, or is half as old as it may become.
//! What a stranger can make the store hold is what he can make the mail server answer, for as long as the spans say: "no"
//! for hours, "yes" only where the mailbox exists or the server accepts everybody.

pub mod list;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatepost_core::smtp::reply::Class;
use gatepost_core::{Address, Enhanced, Fault, Reply, Seed, Store, Time};

pub use list::{BadEntry, List, Lists, names};

use crate::routes::is_role_name;
use crate::run::guarded;

/// The part of the store. No filter can have this name.
const PART: &str = "#recipients";
/// Where the mark lies; no other key is as short.
const MARK: &[u8] = b"mark";
/// How long the store may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether a recipient exists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    /// There is such a mailbox.
    Yes,
    /// There is none.
    No,
}

impl Known {
    /// What a mail server's answer to RCPT says of the mailbox; `None` where it may mean another thing: the sender, the
    /// client, a full or disabled mailbox, no reason at all.
    pub fn of(answer: &Reply) -> Option<Known> {
        match (answer.class(), answer.enhanced()) {
            (Class::Done, _) => Some(Known::Yes),
            (Class::Permanent, Some(Enhanced(5, 1, 1 | 10))) => Some(Known::No),
            _ => None,
        }
    }
}

/// How long answers of the mail server are believed; no time at all switches it off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spans {
    /// That there is such a mailbox.
    pub known: Duration,
    /// That there is none: as long as that, a mailbox that is new is still refused, unless it is forgotten.
    pub unknown: Duration,
}

impl Default for Spans {
    fn default() -> Spans {
        Spans {
            known: Duration::from_hours(7 * 24),
            unknown: Duration::from_hours(2),
        }
    }
}

impl Spans {
    fn of(&self, known: Known) -> Duration {
        match known {
            Known::Yes => self.known,
            Known::No => self.unknown,
        }
    }
}

/// How it came to be known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// It is postmaster or abuse.
    Role,
    /// By a list.
    List,
    /// By the mail server's answer, or there is none yet.
    Answer,
}

/// What is known of a recipient before the mail server is asked.
#[derive(Clone, Debug)]
pub struct Looked {
    /// Whether it exists.
    pub known: Option<Known>,
    /// How that is known.
    pub by: By,
    /// It is half as old as it may become.
    half_over: bool,
    /// The mark under which an answer is to be remembered; `None` where it is not to be.
    mark: Option<u64>,
}

impl Looked {
    fn surely(known: Known, by: By) -> Looked {
        Looked {
            known: Some(known),
            by,
            half_over: false,
            mark: None,
        }
    }

    /// Under which rule the recipient is refused without asking the mail server, if it is.
    pub fn refused_by(&self) -> Option<&'static str> {
        match (self.known, self.by) {
            (Some(Known::No), By::Answer) => Some("policy.known_unknown"),
            (Some(Known::No), _) => Some("policy.unknown_recipient"),
            _ => None,
        }
    }
}

/// An answer as the store holds it: version, kind, when it was given, the mark.
struct Answer {
    known: Known,
    at: Time,
    mark: u64,
}

impl Answer {
    const VERSION: u8 = 1;

    fn write(&self) -> [u8; 18] {
        let mut value = [0; 18];
        value[0] = Answer::VERSION;
        value[1] = match self.known {
            Known::Yes => b'y',
            Known::No => b'n',
        };
        value[2..10].copy_from_slice(&self.at.millis().to_be_bytes());
        value[10..].copy_from_slice(&self.mark.to_be_bytes());
        value
    }

    /// What is written in another way than ours is no answer.
    fn read(value: &[u8]) -> Option<Answer> {
        let (head, rest) = value.split_first_chunk::<2>()?;
        let (at, mark) = rest.split_first_chunk::<8>()?;
        let known = match *head {
            [Answer::VERSION, b'y'] => Known::Yes,
            [Answer::VERSION, b'n'] => Known::No,
            _ => return None,
        };
        Some(Answer {
            known,
            at: Time::from_millis(u64::from_be_bytes(*at)),
            mark: u64::from_be_bytes(mark.try_into().ok()?),
        })
    }

    /// How old it is, if it may be believed still. One of the future, after the clock went back, may not.
    fn age(&self, spans: &Spans, now: Time) -> Option<Duration> {
        Some(now.since(self.at)).filter(|age| self.at <= now && *age < spans.of(self.known))
    }
}

/// Which recipients exist: lists, and what the mail server said.
pub struct Recipients {
    store: Store,
    seed: Seed,
    spans: Spans,
    lists: Arc<Lists>,
    /// What tells the mail server of each route from every other.
    servers: BTreeMap<Box<str>, u64>,
    /// The routes that lead to what takes mail for everybody.
    unasked: BTreeSet<Box<str>>,
    /// The store failed, which was told.
    trouble: AtomicBool,
}

impl Recipients {
    /// What the mail server said, remembered in a store, believed for the usual [`Spans`]; no lists.
    pub fn new(store: &Store, seed: Seed) -> Recipients {
        Recipients {
            store: store.within(PART),
            seed,
            spans: Spans::default(),
            lists: Arc::default(),
            servers: BTreeMap::new(),
            unasked: BTreeSet::new(),
            trouble: AtomicBool::new(false),
        }
    }

    /// The same with answers believed for so long.
    #[must_use]
    pub fn believing(self, spans: Spans) -> Recipients {
        Recipients { spans, ..self }
    }

    /// The same with lists.
    #[must_use]
    pub fn with_lists(self, lists: Arc<Lists>) -> Recipients {
        Recipients { lists, ..self }
    }

    /// The same where each route leads, name and mail server, so that one server's answers are not taken for another's.
    /// Routes that are not named share their answers.
    #[must_use]
    pub fn with_servers<'a>(self, servers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Recipients {
        let seed = self.seed;
        let servers = servers.into_iter();
        let servers = servers.map(|(route, server)| (route.into(), seed.hash(&[b"server", server.as_bytes()])));
        Recipients {
            servers: servers.collect(),
            ..self
        }
    }

    /// The same where these routes lead to what takes mail for everybody: what is answered there is not remembered.
    #[must_use]
    pub fn not_believing<'a>(self, routes: impl IntoIterator<Item = &'a str>) -> Recipients {
        Recipients {
            unasked: routes.into_iter().map(Into::into).collect(),
            ..self
        }
    }

    /// Whether it remembers who exists. Where it does not, that somebody is not known means nothing.
    pub fn remembers(&self) -> bool {
        !self.spans.known.is_zero()
    }

    /// Whether a recipient of this route exists, as far as is known without asking the mail server, and what
    /// [`learn`](Recipients::learn) wants to know. A store in trouble knows nothing.
    pub async fn look_up(&self, to: &Address, route: &str, now: Time) -> Looked {
        if is_role_name(to.local()) {
            return Looked::surely(Known::Yes, By::Role);
        }
        if let Some(known) = self.lists.known(to) {
            return Looked::surely(known, By::List);
        }
        let mut looked = Looked {
            known: None,
            by: By::Answer,
            half_over: false,
            mark: None,
        };
        if (self.spans.known.is_zero() && self.spans.unknown.is_zero()) || self.unasked.contains(route) {
            return looked;
        }
        let key = self.key(to);
        let reads = futures_util::future::try_join(self.store.get(&key, now), self.store.get(MARK, now));
        let Some((answer, mark)) = self.heard(guarded(PATIENCE, reads).await) else {
            return looked;
        };
        let mark = self.mark_of(self.mark(mark.as_deref()), route);
        looked.mark = Some(mark);
        if let Some(answer) = answer.as_deref().and_then(Answer::read)
            && answer.mark == mark
            && let Some(age) = answer.age(&self.spans, now)
        {
            looked.known = Some(answer.known);
            looked.half_over = age >= self.spans.of(answer.known) / 2;
        }
        looked
    }

    /// Remembers what the mail server's answer to RCPT said, where that is news. A "yes" takes a "no" away, and is written
    /// again when it is half over.
    pub async fn learn(&self, to: &Address, said: Known, looked: &Looked, now: Time) {
        let Some(mark) = looked.mark else { return };
        if looked.known == Some(said) && !looked.half_over {
            return;
        }
        let span = self.spans.of(said);
        if span.is_zero() && looked.known.is_none() {
            return;
        }
        let answer = Answer {
            known: said,
            at: now,
            mark,
        };
        let write = async { self.store.put(&self.key(to), &answer.write(), Some(now + span)).await };
        self.heard(guarded(PATIENCE, write).await);
    }

    /// Forgets what the mail server said of a recipient, or of all: it is asked again about them.
    pub async fn forget(&self, to: Option<&Address>, now: Time) -> Result<(), Fault> {
        match to {
            // What goes now is not there (the laws of the store).
            Some(to) => self.store.put(&self.key(to), &[], Some(now)).await,
            None => {
                let before = self.mark(self.store.get(MARK, now).await?.as_deref());
                let parts: [&[u8]; 3] = [MARK, &now.millis().to_be_bytes(), &before.to_be_bytes()];
                self.store.put(MARK, &self.seed.hash(&parts).to_be_bytes(), None).await
            }
        }
    }

    /// Answers count only under the mark under which they were learned; 0 before the first one was set.
    fn mark(&self, value: Option<&[u8]>) -> u64 {
        let Some(value) = value else { return 0 };
        value
            .try_into()
            .map_or_else(|_| self.seed.hash(&[MARK, value]), u64::from_be_bytes)
    }

    /// The mark of one route's server.
    fn mark_of(&self, mark: u64, route: &str) -> u64 {
        self.servers.get(route).map_or(mark, |server| {
            self.seed
                .hash(&[b"mark of a server", &mark.to_be_bytes(), &server.to_be_bytes()])
        })
    }

    /// 16 octets that say nothing about the address to whoever has not the seed. Letter case does not count.
    fn key(&self, to: &Address) -> [u8; 16] {
        let address = to.key();
        let half = |name: &[u8]| self.seed.hash(&[name, address.as_bytes()]).to_be_bytes();
        let mut key = [0; 16];
        key[..8].copy_from_slice(&half(b"recipient"));
        key[8..].copy_from_slice(&half(b"recipient, the other half"));
        key
    }

    /// What the store said. The first of several faults is told.
    fn heard<T>(&self, said: Result<T, Fault>) -> Option<T> {
        match said {
            Ok(said) => {
                if self.trouble.load(Ordering::Relaxed) && self.trouble.swap(false, Ordering::Relaxed) {
                    tracing::info!("the store remembers recipients again");
                }
                Some(said)
            }
            Err(fault) => {
                if !self.trouble.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%fault, "the store does not tell which recipients exist: the mail server is asked about each");
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
