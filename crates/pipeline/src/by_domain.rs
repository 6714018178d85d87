//! Values by domain, looked up for each mail.
//!
//! A name stands for that domain alone, a name with a dot before it for all below, at any depth, and the most specific one
//! counts. **Invariants:** letter case does not count; a look-up allocates nothing, and costs one probe and one for each
//! level that any name with a dot before it has, however many labels a stranger's domain has and however many domains
//! there are.

use std::collections::HashMap;
use std::fmt;

/// The most octets of a domain's name (RFC 5321 §4.5.3.1.2): a longer one is in no table.
const NAME_MAX: usize = 255;

/// Values by domain.
#[derive(Clone)]
pub struct ByDomain<T> {
    /// By name in lower case, those for all below with their dot.
    table: HashMap<Box<str>, T>,
    /// The most dots of a name with a dot before it.
    deepest: usize,
}

impl<T> Default for ByDomain<T> {
    fn default() -> ByDomain<T> {
        ByDomain {
            table: HashMap::new(),
            deepest: 0,
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for ByDomain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.table).finish()
    }
}

impl<T> ByDomain<T> {
    /// Gives a domain its value, `.example.org` all below that one. A name that is too long for a domain is left out.
    pub fn insert(&mut self, name: &str, value: T) -> Option<T> {
        if name.len() > NAME_MAX {
            return None;
        }
        if name.starts_with('.') {
            self.deepest = self.deepest.max(dots(name));
        }
        self.table.insert(name.to_ascii_lowercase().into(), value)
    }

    /// The value for a domain: its own, or that of all below one of those it is in.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.entry(name).map(|(_, value)| value)
    }

    /// The same, and the name under which it was found.
    pub fn entry(&self, name: &str) -> Option<(&str, &T)> {
        if self.table.is_empty() {
            return None;
        }
        let mut buffer = [0; NAME_MAX];
        let name = lower(name, &mut buffer)?;
        let found = |name: &str| {
            let (name, value) = self.table.get_key_value(name)?;
            Some((&**name, value))
        };
        if let Some(own) = found(name) {
            return Some(own);
        }
        if self.deepest == 0 {
            return None;
        }
        // From the right, the few last labels that any name has; of those the longest that is there.
        let above = name.rmatch_indices('.').filter(|(at, _)| *at > 0).take(self.deepest);
        let found = above.filter_map(|(at, _)| found(name.get(at..)?));
        found.last()
    }

    /// The value that was given to exactly this name.
    pub fn named(&self, name: &str) -> Option<&T> {
        self.table.get(lower(name, &mut [0; NAME_MAX])?)
    }

    /// The same, to change it.
    pub fn named_mut(&mut self, name: &str) -> Option<&mut T> {
        self.table.get_mut(lower(name, &mut [0; NAME_MAX])?)
    }

    /// The names, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.table.keys().map(|name| &**name)
    }

    /// The values, in no order.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.table.values()
    }

    /// The values, in no order, to change them.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.table.values_mut()
    }

    /// How many names have a value.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether no name has one.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

impl<T, N: AsRef<str>> FromIterator<(N, T)> for ByDomain<T> {
    fn from_iter<I: IntoIterator<Item = (N, T)>>(values: I) -> ByDomain<T> {
        let values = values.into_iter();
        let mut all = ByDomain {
            table: HashMap::with_capacity(values.size_hint().0),
            deepest: 0,
        };
        for (name, value) in values {
            all.insert(name.as_ref(), value);
        }
        all
    }
}

fn dots(name: &str) -> usize {
    name.bytes().filter(|octet| *octet == b'.').count()
}

/// A text in lower case (ASCII only, as names in tables are), in the buffer where it has to be written; nothing where it is
/// too long for that.
pub(crate) fn lower<'a>(text: &'a str, buffer: &'a mut [u8]) -> Option<&'a str> {
    let buffer = buffer.get_mut(..text.len())?;
    if !text.bytes().any(|octet| octet.is_ascii_uppercase()) {
        return Some(text);
    }
    buffer.copy_from_slice(text.as_bytes());
    buffer.make_ascii_lowercase();
    std::str::from_utf8(buffer).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_most_specific_name_counts() {
        let table: ByDomain<u8> = [
            ("Example.ORG", 1),
            (".example.org", 2),
            (".deep.example.org", 3),
            ("own.deep.example.org", 4),
            (".b\u{fc}cher.example", 5),
        ]
        .into_iter()
        .collect();
        for (name, value) in [
            ("example.org", Some(1)),
            ("EXAMPLE.org", Some(1)),
            ("a.example.org", Some(2)),
            ("a.b.Example.org", Some(2)),
            ("deep.example.org", Some(2)),
            ("x.deep.example.org", Some(3)),
            ("x.y.deep.example.org", Some(3)),
            ("own.deep.example.org", Some(4)),
            ("a.own.deep.example.org", Some(3)),
            ("a.b\u{fc}cher.example", Some(5)),
            (".example.org", Some(2)),
            ("notexample.org", None),
            ("org", None),
            ("", None),
            (".", None),
        ] {
            assert_eq!(table.get(name).copied(), value, "{name}");
        }
        assert_eq!(
            table.entry("x.deep.example.org").map(|(name, _)| name),
            Some(".deep.example.org")
        );
        assert_eq!(table.named("a.example.org"), None);
        assert_eq!(table.get(&"a.".repeat(10_000)), None);
    }

    /// What the table says, by asking each name in turn.
    fn slowly(names: &[String], wanted: &str) -> Option<String> {
        let wanted = wanted.to_ascii_lowercase();
        let fits = |name: &&String| {
            **name == wanted || (name.starts_with('.') && wanted.len() > name.len() && wanted.ends_with(*name))
        };
        names
            .iter()
            .filter(fits)
            .max_by_key(|name| name.len() + usize::from(**name == wanted) * 1_000)
            .cloned()
    }

    proptest! {
        #[test]
        fn a_look_up_finds_what_asking_each_name_finds(
            names in prop::collection::vec("\\.?[ab](\\.[ab]){0,3}", 0..12),
            wanted in "[abAB](\\.[abAB]){0,5}",
        ) {
            let table: ByDomain<()> = names.iter().map(|name| (name, ())).collect();
            let found = table.entry(&wanted).map(|(name, _)| name.to_owned());
            prop_assert_eq!(found, slowly(&names, &wanted));
        }
    }
}
