//! Which filters are linked into this binary.
//!
//! Registration is by [`inventory`]: a filter crate submits an [`Entry`]. A crate that nothing refers to is not linked
//! and registers nothing, without a word; so the binary says `use acme_filter as _;`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use crate::filter::{Concern, Filter, FilterKind};
use crate::opinion::Wishes;
use crate::phase::Phases;
use crate::services::Services;

/// The options of one filter as configuration holds them, opaque to the contract.
#[derive(Clone, Debug, Default)]
pub struct Options(serde_json::Map<String, serde_json::Value>);

impl Options {
    /// Options from a table.
    pub fn new(table: serde_json::Map<String, serde_json::Value>) -> Options {
        Options(table)
    }

    /// Reads them as `T`. An absent table is an empty one.
    pub fn read<T: DeserializeOwned>(self) -> Result<T, BuildError> {
        serde_path_to_error::deserialize(serde_json::Value::Object(self.0)).map_err(|error| {
            let path = error.path().to_string();
            let key = if path == "." { String::new() } else { path };
            BuildError::at(key, error.inner().to_string())
        })
    }
}

/// Why a filter cannot be built: the operator's mistake, named by its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BuildError {
    /// The key within the filter's options, dotted; empty for the whole.
    pub key: String,
    /// What was expected and what to do.
    pub message: String,
}

impl BuildError {
    /// A mistake at a key.
    pub fn at(key: impl Into<String>, message: impl Into<String>) -> BuildError {
        BuildError {
            key: key.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => f.write_str(&self.message),
            key => write!(f, "{key}: {}", self.message),
        }
    }
}

impl std::error::Error for BuildError {}

type Build = fn(Options, &Services) -> Result<Arc<dyn Filter>, BuildError>;

/// One registered kind of filter.
pub struct Entry {
    /// [`FilterKind::NAME`].
    pub name: &'static str,
    /// [`FilterKind::ABOUT`].
    pub about: &'static str,
    /// [`FilterKind::PHASES`].
    pub phases: Phases,
    /// [`FilterKind::CONCERN`].
    pub concern: Concern,
    /// [`FilterKind::MAY`].
    pub may: Wishes,
    schema: fn(&mut SchemaGenerator) -> Schema,
    build: Build,
}

fn build<F: FilterKind>(options: Options, services: &Services) -> Result<Arc<dyn Filter>, BuildError> {
    Ok(Arc::new(F::build(options.read()?, &services.within(F::NAME))?))
}

impl Entry {
    /// The entry of a kind of filter, to be submitted: `inventory::submit! { Entry::of::<Greylist>() }`.
    pub const fn of<F: FilterKind>() -> Entry {
        Entry {
            name: F::NAME,
            about: F::ABOUT,
            phases: F::PHASES,
            concern: F::CONCERN,
            may: F::MAY,
            schema: <F::Config as JsonSchema>::json_schema,
            build: build::<F>,
        }
    }

    /// The JSON schema of its options.
    pub fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        (self.schema)(generator)
    }

    /// Builds the filter. It sees the services with the store narrowed to keys of its own.
    pub fn build(&self, options: Options, services: &Services) -> Result<Arc<dyn Filter>, BuildError> {
        (self.build)(options, services)
    }
}

inventory::collect!(Entry);

/// Why the registry cannot be used: a mistake in how this binary was put together.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum BadRegistry {
    /// Nothing is registered.
    Empty,
    /// Two filters have this name.
    Twice(&'static str),
    /// A name with other characters than `[a-z0-9_]`.
    Name(&'static str),
}

impl fmt::Display for BadRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadRegistry::Empty => {
                f.write_str("no filter is linked into this binary: its main.rs needs `use gatepost_filters as _;`")
            }
            BadRegistry::Twice(name) => write!(
                f,
                "two filters are called `{name}`: one of their crates must go or be renamed"
            ),
            BadRegistry::Name(name) => write!(f, "a filter is called `{name}`: only [a-z0-9_] may stand in a name"),
        }
    }
}

impl std::error::Error for BadRegistry {}

/// All linked filters by name. inventory has no order; this has.
pub fn registry() -> Result<BTreeMap<&'static str, &'static Entry>, BadRegistry> {
    let mut entries = BTreeMap::new();
    for entry in inventory::iter::<Entry> {
        if entry.name.is_empty()
            || !entry
                .name
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        {
            return Err(BadRegistry::Name(entry.name));
        }
        if entries.insert(entry.name, entry).is_some() {
            return Err(BadRegistry::Twice(entry.name));
        }
    }
    if entries.is_empty() {
        Err(BadRegistry::Empty)
    } else {
        Ok(entries)
    }
}
