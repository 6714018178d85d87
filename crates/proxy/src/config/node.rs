//! What was written, as a tree: each value keeps its key and its place, so that every later mistake can name both.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::mistake::{Gravity, Mistake, Place};

/// The key of `name` within the table `key`, quoted where TOML wants it.
pub(super) fn dotted(key: &str, name: &str) -> String {
    let bare = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let name = if bare { name.into() } else { format!("{name:?}") };
    if key.is_empty() { name } else { format!("{key}.{name}") }
}

/// A value of all layers together, with the place where it was written.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Its key, dotted, as it was written: `listen[0].bind`.
    pub key: String,
    pub place: Place,
    pub key_place: Place,
    pub what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Table(BTreeMap<String, Node>),
    List(Vec<Node>),
    Leaf(Json),
}

impl Node {
    pub fn json(&self) -> Json {
        match &self.what {
            What::Table(table) => table
                .iter()
                .map(|(name, node)| (name.clone(), node.json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            What::List(list) => list.iter().map(Node::json).collect::<Vec<_>>().into(),
            What::Leaf(leaf) => leaf.clone(),
        }
    }

    /// The value at a path of names and numbers.
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, step| match &node.what {
            What::Table(table) => table.get(*step),
            What::List(list) => list.get(step.parse::<usize>().ok()?),
            What::Leaf(_) => None,
        })
    }

    /// The value at a path, or the nearest there is above it.
    pub fn near(&self, path: &[&str]) -> &Node {
        (0..=path.len())
            .rev()
            .find_map(|n| self.at(path.get(..n)?))
            .unwrap_or(self)
    }

    /// The names in a table; nothing in anything else.
    pub fn names(&self) -> Vec<&str> {
        match &self.what {
            What::Table(table) => table.keys().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Takes the value at a path out, or the nearest above it; `None` for the whole.
    pub fn take(&mut self, path: &[String]) -> Option<Node> {
        let (first, rest) = path.split_first()?;
        match &mut self.what {
            What::Table(table) => match table.get_mut(first) {
                Some(node) => node.take(rest).or_else(|| table.remove(first)),
                None => None,
            },
            What::List(list) => {
                let n = first.parse::<usize>().ok()?;
                let inner = list.get_mut(n)?.take(rest);
                inner.or_else(|| Some(list.remove(n)))
            }
            What::Leaf(_) => None,
        }
    }

    /// Lays this table under another one: what `over` does not say is taken from here.
    pub fn under(&self, over: &mut Node) {
        if let (What::Table(under), What::Table(table)) = (&self.what, &mut over.what) {
            for (name, node) in under {
                match table.get_mut(name) {
                    Some(inner) => node.under(inner),
                    None => {
                        table.insert(name.clone(), node.clone());
                    }
                }
            }
        }
    }

    /// The value of a name, if it is there.
    pub fn within(&mut self, name: &str) -> Option<&mut Node> {
        match &mut self.what {
            What::Table(table) => table.get_mut(name),
            _ => None,
        }
    }

    /// Gives a table a value.
    pub fn put(&mut self, name: &str, value: Node) {
        if let What::Table(table) = &mut self.what {
            table.insert(name.to_owned(), value);
        }
    }

    pub fn mistake(&self, message: impl Into<String>) -> Mistake {
        Mistake {
            place: self.place.clone(),
            key: self.key.clone(),
            gravity: Gravity::Error,
            message: message.into(),
        }
    }
}
