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

use super::include;
use super::mistake::{Gravity, Mistake, Place};
use super::node::{Node, What, dotted};
use super::text::tree;

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
    /// The domains of the store: names, and the TOML text of their tables.
    pub stored: Vec<(String, String)>,
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
        Ok(Sources {
            file,
            variables,
            stored: Vec::new(),
        })
    }

    /// Puts the layers on one another, and the files of the included folder and the domains of the store beside what they
    /// say. After a syntax error in the file nothing else can be told.
    pub(super) fn layers(&self, out: &mut Vec<Mistake>) -> Result<Node, Mistake> {
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
        let mut root = layers.node(Value::from(values), &[], String::new(), &root);
        let file = self.file.as_ref().map(|(path, _)| path.as_path());
        include::beside(&mut root, file, &self.stored, out);
        Ok(root)
    }
}

/// The text of a file.
pub(super) fn text(path: &Path, octets: Vec<u8>) -> Result<String, Mistake> {
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
        let mut written = Written {
            name: name.into(),
            values: Dict::new(),
            spots: HashMap::new(),
        };
        if let Value::Dict(_, values) = written.value(&tree(name, text)?, &mut Vec::new()) {
            written.values = values;
        }
        Ok(written)
    }

    fn value(&mut self, node: &Node, path: &mut Vec<String>) -> Value {
        let spot = Spot {
            place: node.place.clone(),
            key_place: node.key_place.clone(),
        };
        self.spots.insert(path.clone(), spot);
        let mut inner = |step: String, node: &Node| {
            path.push(step);
            let value = self.value(node, path);
            path.pop();
            value
        };
        match &node.what {
            What::Table(table) => {
                let values = table
                    .iter()
                    .map(|(name, node)| (name.clone(), inner(name.clone(), node)));
                values.collect::<Dict>().into()
            }
            What::List(list) => {
                let values = list.iter().enumerate().map(|(n, node)| inner(n.to_string(), node));
                values.collect::<Vec<Value>>().into()
            }
            What::Leaf(Json::Bool(yes)) => (*yes).into(),
            What::Leaf(Json::Number(number)) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => whole.into(),
                (None, float) => float.unwrap_or_default().into(),
            },
            What::Leaf(Json::String(text)) => text.as_str().into(),
            What::Leaf(_) => "".into(),
        }
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
