//! Where configuration comes from, and its layers: embedded defaults, one TOML file, `GATEPOST_` variables.
//!
//! figment puts the layers on one another; each value keeps the place where it was written.
#![allow(clippy::disallowed_methods, reason = "this is where the environment is read")]

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use figment::value::{Dict, Map, Num, Value};
use figment::{Error, Figment, Metadata, Profile, Provider};
use serde_json::Value as Json;
use toml_edit::{Document, Item, TableLike};

use super::mistake::{Gravity, Mistake, Place};

/// The configuration of a Gatepost that has none.
pub const DEFAULTS: &str = include_str!("default.toml");
/// What the defaults say about the trial on loopback only: a file of one's own takes none of it.
const TRIAL_ONLY: [&str; 3] = ["local_domains", "listen", "route"];
/// Filters whose defaults are for the trial only, too.
const TRIAL_FILTERS: [&str; 1] = ["greylist"];
/// How the variables begin that override the file.
pub const PREFIX: &str = "GATEPOST_";
/// Variables with that beginning that are no configuration.
const NOT_OURS: [&str; 2] = ["GATEPOST_CONFIG", "GATEPOST_CACHE"];
/// Where the file is looked for, in this order, if nobody names one.
pub const PLACES: [&str; 2] = ["gatepost.toml", "/etc/gatepost/gatepost.toml"];

/// What there is to read.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file's name and text; without it the embedded defaults hold.
    pub file: Option<(PathBuf, String)>,
    /// The environment: names and values.
    pub variables: Vec<(String, String)>,
}

impl Sources {
    /// Finds the file, named by `given`, by `GATEPOST_CONFIG`, or in [`PLACES`], and reads it and the environment.
    pub fn find(given: Option<&Path>) -> Result<Sources, Mistake> {
        let environment = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        let environment: Vec<_> = environment.filter(|(name, _)| name.starts_with(PREFIX)).collect();
        let named = |wanted: &str| {
            environment
                .iter()
                .find(|(name, value)| name == wanted && !value.is_empty())
                .map(|(_, value)| PathBuf::from(value))
        };
        let path = given
            .map(Path::to_owned)
            .or_else(|| named("GATEPOST_CONFIG"))
            .or_else(|| PLACES.map(PathBuf::from).into_iter().find(|path| path.exists()));
        let mut variables = Vec::new();
        for (name, value) in environment
            .into_iter()
            .filter(|(name, _)| !NOT_OURS.contains(&name.as_str()))
        {
            let wrong = |_| Mistake {
                place: Place::Variable(name.clone()),
                key: String::new(),
                gravity: Gravity::Error,
                message: "expected UTF-8".into(),
            };
            variables.push((name.clone(), value.into_string().map_err(wrong)?));
        }
        let file = path.map(|path| match std::fs::read(&path) {
            Ok(octets) => Ok((path, octets)),
            Err(error) => {
                let place = Place::at(&path.display().to_string().into(), "", 0);
                Err(Mistake {
                    place,
                    key: String::new(),
                    gravity: Gravity::Error,
                    message: format!("cannot be read: {error}"),
                })
            }
        });
        Sources::of(file.transpose()?, variables)
    }

    /// A file's name and octets, and variables.
    pub fn of(file: Option<(PathBuf, Vec<u8>)>, variables: Vec<(String, String)>) -> Result<Sources, Mistake> {
        let file = file.map(|(path, octets)| Ok((text(&path, octets)?, path)));
        let file = file.transpose()?.map(|(text, path)| (path, text));
        Ok(Sources { file, variables })
    }

    /// Puts the layers on one another. A syntax error is the only mistake that can be told then.
    pub(super) fn layers(&self) -> Result<Node, Mistake> {
        let mut defaults = Written::read(Place::EMBEDDED, DEFAULTS)?;
        let mut figment = Figment::new();
        let mut file = None;
        if let Some((path, text)) = &self.file {
            let written = Written::read(&path.display().to_string(), text)?;
            defaults.values.retain(|key, _| !TRIAL_ONLY.contains(&key.as_str()));
            if let Some(Value::Dict(_, filters)) = defaults.values.get_mut("filters") {
                filters.retain(|name, _| !TRIAL_FILTERS.contains(&name.as_str()));
            }
            figment = figment.merge(&defaults).merge(&written);
            file = Some(written);
        } else {
            figment = figment.merge(&defaults);
        }
        let variables = Variables::read(&self.variables);
        let figment = figment.merge(&variables);
        let values = figment
            .data()
            .ok()
            .and_then(|mut data| data.remove(&Profile::Default))
            .unwrap_or_default();
        let whole = Place::at(&file.as_ref().unwrap_or(&defaults).name, "", 0);
        let layers = Layers {
            figment: &figment,
            texts: [file.as_ref(), Some(&defaults)],
            variables: &variables,
        };
        let root = Spot {
            place: whole.clone(),
            key_place: whole,
        };
        Ok(layers.node(Value::from(values), &[], String::new(), &root))
    }
}

/// The text of a file.
fn text(path: &Path, octets: Vec<u8>) -> Result<String, Mistake> {
    String::from_utf8(octets).map_err(|error| {
        let valid = error.as_bytes().get(..error.utf8_error().valid_up_to());
        let valid = String::from_utf8_lossy(valid.unwrap_or_default()).into_owned();
        Mistake {
            place: Place::at(&path.display().to_string().into(), &valid, valid.len()),
            key: String::new(),
            gravity: Gravity::Error,
            message: "expected UTF-8".into(),
        }
    })
}

/// A text that was parsed: its values, and where each stands.
struct Written {
    name: Arc<str>,
    values: Dict,
    spots: HashMap<Vec<String>, Spot>,
}

#[derive(Clone)]
struct Spot {
    place: Place,
    key_place: Place,
}

impl Written {
    fn read(name: &str, text: &str) -> Result<Written, Mistake> {
        let name: Arc<str> = name.into();
        let document = Document::parse(text).map_err(|error| {
            let place = Place::at(&name, text, error.span().map_or(0, |span| span.start));
            Mistake {
                place,
                key: String::new(),
                gravity: Gravity::Error,
                message: format!("this is no TOML: {}", error.message().trim().replace('\n', "; ")),
            }
        })?;
        let mut written = Written {
            name,
            values: Dict::new(),
            spots: HashMap::new(),
        };
        let start = Place::at(&written.name, text, 0);
        let spot = Spot {
            place: start.clone(),
            key_place: start,
        };
        written.values = written.table(text, document.as_table(), &mut Vec::new(), &spot);
        Ok(written)
    }

    fn table(&mut self, text: &str, table: &dyn TableLike, path: &mut Vec<String>, parent: &Spot) -> Dict {
        let mut dict = Dict::new();
        for (name, item) in table.iter() {
            let key_place = match table.key(name).and_then(toml_edit::Key::span) {
                Some(span) => Place::at(&self.name, text, span.start),
                None => parent.key_place.clone(),
            };
            path.push(name.to_owned());
            let value = self.item(text, item, path, key_place);
            path.pop();
            if let Some(value) = value {
                dict.insert(name.to_owned(), value);
            }
        }
        dict
    }

    fn item(&mut self, text: &str, item: &Item, path: &mut Vec<String>, key_place: Place) -> Option<Value> {
        let place = match item.span() {
            // A header's span begins at its bracket; what one looks for is the name in it.
            Some(span) if item.is_value() => Place::at(&self.name, text, span.start),
            _ => key_place.clone(),
        };
        let spot = Spot { place, key_place };
        self.spots.insert(path.clone(), spot.clone());
        Some(match item {
            Item::None => return None,
            Item::Table(table) => self.table(text, table, path, &spot).into(),
            Item::ArrayOfTables(tables) => {
                let mut list = Vec::new();
                for (n, table) in tables.iter().enumerate() {
                    let place = table
                        .span()
                        .map_or(spot.place.clone(), |span| Place::at(&self.name, text, span.start));
                    let spot = Spot {
                        place: place.clone(),
                        key_place: place,
                    };
                    path.push(n.to_string());
                    self.spots.insert(path.clone(), spot.clone());
                    list.push(Value::from(self.table(text, table, path, &spot)));
                    path.pop();
                }
                list.into()
            }
            Item::Value(toml_edit::Value::Array(array)) => {
                let mut list = Vec::new();
                for (n, value) in array.iter().enumerate() {
                    path.push(n.to_string());
                    list.extend(self.item(text, &Item::Value(value.clone()), path, spot.place.clone()));
                    path.pop();
                }
                list.into()
            }
            Item::Value(toml_edit::Value::InlineTable(table)) => self.table(text, table, path, &spot).into(),
            Item::Value(toml_edit::Value::String(text)) => text.value().as_str().into(),
            Item::Value(toml_edit::Value::Integer(number)) => (*number.value()).into(),
            Item::Value(toml_edit::Value::Float(number)) => (*number.value()).into(),
            Item::Value(toml_edit::Value::Boolean(yes)) => (*yes.value()).into(),
            Item::Value(toml_edit::Value::Datetime(date)) => date.value().to_string().into(),
        })
    }
}

impl Provider for Written {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.to_string())
    }
    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// The variables that override the file: `GATEPOST_FILTERS__CONDUCT__MODE=score` is `filters.conduct.mode`.
struct Variables {
    values: Dict,
    names: BTreeMap<Vec<String>, String>,
}

impl Variables {
    fn read(variables: &[(String, String)]) -> Variables {
        let mut read = Variables {
            values: Dict::new(),
            names: BTreeMap::new(),
        };
        for (name, value) in variables {
            let Some(key) = name.strip_prefix(PREFIX).filter(|_| !NOT_OURS.contains(&name.as_str())) else {
                continue;
            };
            let path: Vec<String> = key.split("__").map(str::to_ascii_lowercase).collect();
            // figment's own reader of variables: true, 5, [a, b], {a=b}, and everything else is text.
            let value: Value = match value.parse() {
                Ok(value) => value,
                Err(never) => match never {},
            };
            put(&mut read.values, &path, value);
            read.names.insert(path, name.clone());
        }
        read
    }

    fn name(&self, path: &[String]) -> Option<&String> {
        (0..=path.len()).rev().find_map(|n| self.names.get(path.get(..n)?))
    }
}

fn put(dict: &mut Dict, path: &[String], value: Value) {
    match path {
        [] => {}
        [last] => {
            dict.insert(last.clone(), value);
        }
        [first, rest @ ..] => {
            let inner = dict.entry(first.clone()).or_insert_with(|| Dict::new().into());
            if let Value::Dict(_, inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

impl Provider for Variables {
    fn metadata(&self) -> Metadata {
        Metadata::named("environment")
    }
    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// The layers, to look up where a value of their sum was written.
struct Layers<'a> {
    figment: &'a Figment,
    texts: [Option<&'a Written>; 2],
    variables: &'a Variables,
}

impl Layers<'_> {
    fn spot(&self, value: &Value, path: &[String]) -> Option<Spot> {
        let texts = || self.texts.iter().flatten();
        let variable = || {
            self.variables
                .name(path)
                .map(|name| Place::Variable(name.clone()))
                .map(|place| Spot {
                    place: place.clone(),
                    key_place: place,
                })
        };
        let layer = self
            .figment
            .get_metadata(value.tag())
            .map(|metadata| metadata.name.as_ref());
        match texts()
            .find(|text| layer == Some(&text.name))
            .and_then(|text| text.spots.get(path))
        {
            Some(spot) => Some(spot.clone()),
            None if layer == Some("environment") => {
                variable().or_else(|| texts().find_map(|text| text.spots.get(path)).cloned())
            }
            None => texts().find_map(|text| text.spots.get(path)).cloned().or_else(variable),
        }
    }

    fn node(&self, value: Value, path: &[String], key: String, parent: &Spot) -> Node {
        let spot = self.spot(&value, path).unwrap_or_else(|| parent.clone());
        let child = |step: String, key: String, value: Value| {
            let mut path = path.to_vec();
            path.push(step);
            self.node(value, &path, key, &spot)
        };
        let what = match value {
            Value::Dict(_, dict) => What::Table(
                dict.into_iter()
                    .map(|(name, value)| (name.clone(), child(name.clone(), dotted(&key, &name), value)))
                    .collect(),
            ),
            Value::Array(_, list) => What::List(
                list.into_iter()
                    .enumerate()
                    .map(|(n, value)| child(n.to_string(), format!("{key}[{n}]"), value))
                    .collect(),
            ),
            Value::String(_, text) => What::Leaf(text.into()),
            Value::Char(_, c) => What::Leaf(c.to_string().into()),
            Value::Bool(_, yes) => What::Leaf(yes.into()),
            Value::Num(_, number) => What::Leaf(json(number)),
            Value::Empty(..) => What::Leaf("".into()),
        };
        Node {
            key,
            place: spot.place,
            key_place: spot.key_place,
            what,
        }
    }
}

/// A number as JSON; what JSON cannot say (nan, inf) as text.
fn json(number: Num) -> Json {
    let whole = match number {
        Num::F32(_) | Num::F64(_) => None,
        Num::U8(_) | Num::U16(_) | Num::U32(_) | Num::U64(_) | Num::U128(_) | Num::USize(_) => {
            number.to_u128().and_then(|n| u64::try_from(n).ok()).map(Json::from)
        }
        Num::I8(n) => Some(n.into()),
        Num::I16(n) => Some(n.into()),
        Num::I32(n) => Some(n.into()),
        Num::I64(n) => Some(n.into()),
        Num::I128(n) => i64::try_from(n).ok().map(Json::from),
        Num::ISize(n) => Some(n.into()),
    };
    let float = || number.to_f64().and_then(serde_json::Number::from_f64).map(Json::Number);
    whole.or_else(float).unwrap_or_else(|| "not a number".into())
}

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
