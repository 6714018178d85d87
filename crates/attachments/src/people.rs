//! Rules for single people and domains: what they may and may not get and send, whatever the levels say.
//!
//! **Invariant:** for one person the rules of the narrowest key that says something about a file decide: an address before
//! a pattern, a pattern that leaves less open before one that leaves more. Within one rule what blocks comes first, then what alone is allowed, then
//! what is allowed.

use std::collections::BTreeMap;

use gatepost_core::prelude::*;
use gatepost_core::{schemars, serde};

use crate::glob::Glob;
use crate::pattern::{Pattern, Patterns, Subject};

/// Lists of files, in the words of the levels: `exe`, `name:setup*`, `kind:pe`, `class:video`, `zip:js`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(crate = "serde", default, deny_unknown_fields)]
#[schemars(crate = "schemars")]
pub struct PersonOptions {
    /// Blocked both ways.
    pub block: Vec<String>,
    /// Blocked when it comes in.
    pub block_in: Vec<String>,
    /// Blocked when it goes out.
    pub block_out: Vec<String>,
    /// Nothing but this is let through, either way.
    pub only: Vec<String>,
    /// Nothing but this is let in.
    pub only_in: Vec<String>,
    /// Nothing but this is let out.
    pub only_out: Vec<String>,
    /// Let through both ways, whatever the level.
    pub allow: Vec<String>,
    /// Let in, whatever the level.
    pub allow_in: Vec<String>,
    /// Let out, whatever the level.
    pub allow_out: Vec<String>,
}

/// The lists of one person for one direction.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Lists {
    block: Patterns,
    only: Patterns,
    allow: Patterns,
}

/// What a person's lists say about a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word<'a> {
    /// It is blocked by this pattern of this key.
    Blocked(&'a str, &'a Pattern),
    /// It is none of those that alone are let through for this key.
    NotAmong(&'a str),
    /// It is let through.
    Allowed,
}

/// The rules of one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Person {
    key: Box<str>,
    of: Glob,
    inbound: Lists,
    outbound: Lists,
}

impl Person {
    /// What its lists say about a file; `agrees` as for [`Levels::blocks`](crate::levels::Levels::blocks).
    fn says(&self, inbound: bool, subject: &Subject<'_>, agrees: bool) -> Option<Word<'_>> {
        let lists = if inbound { &self.inbound } else { &self.outbound };
        if let Some(pattern) = lists.block.meeting(subject) {
            return Some(Word::Blocked(&self.key, pattern));
        }
        if lists.only.cover(subject, agrees) || lists.allow.cover(subject, agrees) {
            return Some(Word::Allowed);
        }
        (!lists.only.is_empty()).then_some(Word::NotAmong(&self.key))
    }
}

/// The rules of all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct People(Vec<Person>);

impl People {
    /// The most keys.
    pub const MAX: usize = 10_000;

    /// Reads the rules; keys are addresses or patterns of them, `ann@d.example`, `*@d.example`.
    pub fn new(said: &BTreeMap<String, PersonOptions>) -> Result<People, BuildError> {
        if said.len() > People::MAX {
            let most = People::MAX;
            return Err(BuildError::at(
                "people",
                format!("expected rules of at most {most} people"),
            ));
        }
        let mut people = Vec::with_capacity(said.len());
        for (key, options) in said {
            let at = |list: &str| format!("people.\"{key}\"{list}");
            let of = Glob::new(key).filter(|_| key.matches('@').count() == 1 && !key.contains(char::is_whitespace));
            let of = of.ok_or_else(|| {
                let why =
                    format!("expected an address or a pattern of addresses such as \"*@d.example\", found {key:?}");
                BuildError::at(at(""), why)
            })?;
            let read = |list: &str, parts: [&[String]; 2]| {
                Patterns::read(&parts.concat()).map_err(|(n, why)| BuildError::at(at(&format!(".{list}[{n}]")), why))
            };
            people.push(Person {
                key: key.to_lowercase().into(),
                of,
                inbound: Lists {
                    block: read("block", [&options.block, &options.block_in])?,
                    only: read("only", [&options.only, &options.only_in])?,
                    allow: read("allow", [&options.allow, &options.allow_in])?,
                },
                outbound: Lists {
                    block: read("block", [&options.block, &options.block_out])?,
                    only: read("only", [&options.only, &options.only_out])?,
                    allow: read("allow", [&options.allow, &options.allow_out])?,
                },
            });
        }
        // An address before patterns, and of those the one that leaves less open.
        let open = |key: &str| key.matches(['*', '?']).count();
        let said = |key: &str| std::cmp::Reverse(key.chars().count().saturating_sub(open(key)));
        people.sort_by_key(|person| (open(&person.key) > 0, said(&person.key), person.key.clone()));
        Ok(People(people))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rules that concern an address, the narrowest first, by their numbers: equal for those who fare alike. `ann+tag` is
    /// `ann`, too, or a tag would be a way round her rules.
    pub fn of(&self, address: &str) -> Vec<usize> {
        let address = address.to_lowercase();
        let untagged = address.rsplit_once('@').and_then(|(local, domain)| {
            let (ann, _) = local.split_once('+').filter(|(ann, _)| !ann.is_empty())?;
            Some(format!("{ann}@{domain}"))
        });
        let is = |person: &Person, address: &Option<String>| address.as_ref().is_some_and(|one| person.of.matches(one));
        let concerned = self
            .0
            .iter()
            .enumerate()
            .filter(|(_, person)| person.of.matches(&address) || is(person, &untagged));
        concerned.map(|(n, _)| n).collect()
    }

    /// What these rules say about a file, the narrowest that says something.
    pub fn say(&self, rules: &[usize], inbound: bool, subject: &Subject<'_>, agrees: bool) -> Option<Word<'_>> {
        rules
            .iter()
            .filter_map(|n| self.0.get(*n))
            .find_map(|person| person.says(inbound, subject, agrees))
    }
}
