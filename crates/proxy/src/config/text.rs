//! A TOML text as a tree of values, each with its place.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;
use toml_edit::{Document, Item, TableLike};

use super::mistake::{Gravity, Mistake, Place};
use super::node::{Node, What, dotted};

/// Reads a text that is called so. A syntax error is the only mistake.
pub(super) fn tree(name: &str, text: &str) -> Result<Node, Mistake> {
    let lines = Lines::of(name, text);
    let document = Document::parse(text).map_err(|error| Mistake {
        place: lines.place(error.span().map_or(0, |span| span.start)),
        key: String::new(),
        gravity: Gravity::Error,
        message: format!("this is no TOML: {}", error.message().trim().replace('\n', "; ")),
    })?;
    let start = lines.place(0);
    Ok(lines.table(document.as_table(), String::new(), start.clone(), start))
}

/// Where the lines of a text begin, so that a place in it is found without reading what stands before.
struct Lines<'a> {
    name: Arc<str>,
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(name: &str, text: &'a str) -> Lines<'a> {
        let behind = text.match_indices('\n').map(|(at, _)| at + 1);
        Lines {
            name: name.into(),
            text,
            starts: std::iter::once(0).chain(behind).collect(),
        }
    }

    fn place(&self, offset: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= offset).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or_default();
        let before = self.text.get(start..offset).unwrap_or_default();
        Place::Text {
            name: Arc::clone(&self.name),
            line: line + 1,
            column: before.chars().count() + 1,
        }
    }

    fn table(&self, table: &dyn TableLike, key: String, place: Place, key_place: Place) -> Node {
        let inner = table.iter().filter_map(|(name, item)| {
            let at = table.key(name).and_then(toml_edit::Key::span);
            let at = at.map_or_else(|| key_place.clone(), |span| self.place(span.start));
            Some((name.to_owned(), self.item(item, dotted(&key, name), at)?))
        });
        let what = What::Table(inner.collect::<BTreeMap<_, _>>());
        Node {
            key,
            place,
            key_place,
            what,
        }
    }

    fn item(&self, item: &Item, key: String, key_place: Place) -> Option<Node> {
        let place = match item.span() {
            // A header's span begins at its bracket; what one looks for is the name in it.
            Some(span) if item.is_value() => self.place(span.start),
            _ => key_place.clone(),
        };
        let list = |list: Vec<Node>, key: &str| Node {
            key: key.to_owned(),
            place: place.clone(),
            key_place: key_place.clone(),
            what: What::List(list),
        };
        let leaf = |leaf: Json, key: &str| Node {
            key: key.to_owned(),
            place: place.clone(),
            key_place: key_place.clone(),
            what: What::Leaf(leaf),
        };
        Some(match item {
            Item::None => return None,
            Item::Table(table) => self.table(table, key, place, key_place),
            Item::Value(toml_edit::Value::InlineTable(table)) => self.table(table, key, place, key_place),
            Item::ArrayOfTables(tables) => {
                let tables = tables.iter().enumerate().map(|(n, table)| {
                    let at = table
                        .span()
                        .map_or_else(|| place.clone(), |span| self.place(span.start));
                    self.table(table, format!("{key}[{n}]"), at.clone(), at)
                });
                list(tables.collect(), &key)
            }
            Item::Value(toml_edit::Value::Array(array)) => {
                let values = array.iter().enumerate().filter_map(|(n, value)| {
                    self.item(&Item::Value(value.clone()), format!("{key}[{n}]"), place.clone())
                });
                list(values.collect(), &key)
            }
            Item::Value(toml_edit::Value::String(text)) => leaf(text.value().as_str().into(), &key),
            Item::Value(toml_edit::Value::Integer(number)) => leaf((*number.value()).into(), &key),
            // What JSON cannot say (nan, inf) is told as what it is.
            Item::Value(toml_edit::Value::Float(number)) => leaf(
                serde_json::Number::from_f64(*number.value()).map_or_else(|| "not a number".into(), Json::Number),
                &key,
            ),
            Item::Value(toml_edit::Value::Boolean(yes)) => leaf((*yes.value()).into(), &key),
            Item::Value(toml_edit::Value::Datetime(date)) => leaf(date.value().to_string().into(), &key),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_that_of_counting_all_that_stands_before() {
        let text = "a = 1\n\u{fc} = 2\r\n\n[t.\"x.y\"]\nlist = [1,\n  2]\n";
        let (name, lines) = ("a.toml".into(), Lines::of("a.toml", text));
        for (offset, _) in text.char_indices().chain([(text.len(), ' ')]) {
            assert_eq!(lines.place(offset), Place::at(&name, text, offset), "{offset}");
        }
    }

    #[test]
    fn each_value_has_its_key_and_its_place() {
        let text = "[[listen]]\nname = 'a'\n[domain.\"x.y\"]\nn = 5\nlist = [1, 2]\nin = { line = true }\n[domain.\"x.y\".server]\nf = 1.5\n";
        let tree = tree("a.toml", text).expect("TOML");
        for (path, key, place) in [
            (&["listen", "0", "name"][..], "listen[0].name", "a.toml:2:8"),
            (&["domain", "x.y"], "domain.\"x.y\"", "a.toml:3:9"),
            (&["domain", "x.y", "list", "1"], "domain.\"x.y\".list[1]", "a.toml:5:12"),
            (
                &["domain", "x.y", "in", "line"],
                "domain.\"x.y\".in.line",
                "a.toml:6:15",
            ),
            (
                &["domain", "x.y", "server", "f"],
                "domain.\"x.y\".server.f",
                "a.toml:8:5",
            ),
        ] {
            let node = tree.at(path).expect(key);
            assert_eq!((node.key.as_str(), node.place.to_string().as_str()), (key, place));
        }
    }
}
