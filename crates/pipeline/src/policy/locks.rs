//! What may not be said further down: keys that the site's administrator locks against domains and users, or a domain
//! against its users (O-14).
//!
//! **Invariant:** what a layer says on a key that is locked above it changes nothing, and breaks nothing: whoever reads the
//! configuration tells it, with [`Layer::touching`].

use std::borrow::Cow;
use std::fmt;

use gatepost_core::Level;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error as _};

use super::Layer;

/// A key of the policy as it is written: `dry_run`, `high.action`, or `high` for all that is said of a level.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key {
    pub(super) level: Option<Level>,
    /// Empty for a level as a whole.
    pub(super) name: &'static str,
}

/// What can be said of a level.
pub(super) const OF_LEVEL: [&str; 5] = ["threshold", "action", "tag", "keep", "spambox"];

impl Key {
    /// Reads a key that a domain or a user may say something about.
    pub fn new(text: &str) -> Result<Key, String> {
        let (level, name) = match text.split_once('.') {
            Some((level, name)) => (level, Some(name)),
            None => (text, None),
        };
        let level = Level::ALL.into_iter().find(|known| known.name() == level);
        let known = |names: &[&'static str], name: &str| names.iter().copied().find(|known| *known == name);
        let key = match (level, name) {
            (Some(_), None) => Some(Key { level, name: "" }),
            (Some(_), Some(name)) => known(&OF_LEVEL, name).map(|name| Key { level, name }),
            (None, Some(_)) => None,
            (None, None) => known(Layer::KEYS, text).map(|name| Key { level: None, name }),
        };
        key.ok_or_else(|| match known(Layer::SITE_KEYS, text) {
            Some(_) => format!("`{text}` holds for the whole site anyway: nobody below can change it"),
            None => format!(
                "there is no key `{text}` to be locked: expected a level such as high, something of a level such as \
                 high.action, or one of {}",
                Layer::KEYS.join(", ")
            ),
        })
    }

    /// The steps of the path to it in a layer.
    pub fn path(self) -> impl Iterator<Item = &'static str> {
        let level = self.level.map(Level::name);
        level.into_iter().chain(Some(self.name).filter(|name| !name.is_empty()))
    }

    /// Whether this one locks the other.
    fn covers(self, other: Key) -> bool {
        self.level == other.level && (self.name == other.name || self.name.is_empty())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            Some(level) if self.name.is_empty() => write!(f, "{level}"),
            Some(level) => write!(f, "{level}.{}", self.name),
            None => f.write_str(self.name),
        }
    }
}

/// Keys that are locked against whoever stands further down. There are no more of them than keys.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Locks(Vec<Key>);

impl Locks {
    /// Whether nothing is locked.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys, in order.
    pub fn iter(&self) -> impl Iterator<Item = Key> {
        self.0.iter().copied()
    }

    /// Whether nothing may be said on a key.
    pub fn hold(&self, key: Key) -> bool {
        self.0.iter().any(|lock| lock.covers(key))
    }

    /// These and those.
    #[must_use]
    pub fn and(mut self, more: &Locks) -> Locks {
        self.0.extend(more.iter());
        self.0.sort_unstable();
        self.0.dedup();
        self
    }
}

impl FromIterator<Key> for Locks {
    fn from_iter<T: IntoIterator<Item = Key>>(keys: T) -> Locks {
        Locks::default().and(&Locks(keys.into_iter().collect()))
    }
}

impl Layer {
    /// What this layer says on keys that are locked above it, and that changes nothing.
    pub fn touching(&self, locks: &Locks) -> Vec<Key> {
        match locks.is_empty() {
            true => Vec::new(),
            false => self.keys().into_iter().filter(|key| locks.hold(*key)).collect(),
        }
    }

    /// This layer as it counts below these locks.
    pub(super) fn below(&self, locks: &Locks) -> Cow<'_, Layer> {
        let touching = self.touching(locks);
        if touching.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut layer = self.clone();
        for key in touching {
            layer.forget(key);
        }
        Cow::Owned(layer)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Key, D::Error> {
        let text = Cow::<'de, str>::deserialize(from)?;
        Key::new(&text).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Locks {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Locks, D::Error> {
        Vec::<Key>::deserialize(from).map(|keys| keys.into_iter().collect())
    }
}

impl JsonSchema for Locks {
    fn schema_name() -> Cow<'static, str> {
        "Locks".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": { "type": "string" }, "description": "Keys such as high, high.action, dry_run." })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_read_as_it_is_shown() {
        let parts = |level: Level| OF_LEVEL.into_iter().map(move |name| format!("{level}.{name}"));
        let levels = Level::ALL
            .into_iter()
            .flat_map(|level| parts(level).chain([level.to_string()]));
        let mut count = 0;
        for text in levels.chain(Layer::KEYS.iter().map(|key| (*key).to_owned())) {
            let key = Key::new(&text).unwrap_or_else(|why| panic!("{why}"));
            assert_eq!(
                (key.to_string(), key.path().collect::<Vec<_>>().join(".")),
                (text.clone(), text)
            );
            count += 1;
        }
        assert!(count > 4 * 6 + 10);
    }

    #[test]
    fn what_is_no_key_is_told_with_what_could_be_meant() {
        for (bad, word) in [
            ("hgih", "high.action"),
            ("high.colour", "there is no key"),
            ("dry_run.x", "there is no key"),
            ("hops", "holds for the whole site anyway"),
            ("locked", "there is no key"),
            ("", "there is no key"),
        ] {
            let why = Key::new(bad).expect_err(bad);
            assert!(why.contains(word), "{bad}: {why}");
        }
        assert!(serde_json::from_str::<Layer>(r#"{"locked": ["hgih"]}"#).is_err());
    }

    #[test]
    fn a_layer_tells_what_it_says_in_vain() {
        let layer: Layer = serde_json::from_str(
            r#"{"high": {"action": "hold", "tag": "[X]"}, "low": {"threshold": 1}, "dry_run": true, "keep_days": 3, "hops": 9}"#,
        )
        .expect("a layer");
        let locks = |keys: &[&str]| keys.iter().filter_map(|key| Key::new(key).ok()).collect::<Locks>();
        let vain = |keys: &[&str]| {
            layer
                .touching(&locks(keys))
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(vain(&[]), Vec::<String>::new());
        assert_eq!(vain(&["high"]), ["high.action", "high.tag"]);
        assert_eq!(vain(&["high.tag", "low.action", "dry_run"]), ["high.tag", "dry_run"]);
        assert_eq!(vain(&["keep_refused", "medium"]), Vec::<String>::new());
    }
}
