//! From the sources to a [`Config`], or to all mistakes: layers, schema, inheritance, domains, reading, meaning, filters.

use std::collections::HashSet;
use std::sync::Arc;

use gatepost_core::{Clock, Options, Seed, Services, Time};
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use super::mistake::{Gravity, Mistake, Mistakes};
use super::node::{Node, What};
use super::source::Sources;
use super::walk::walk;
use super::{Config, Loaded, Registry, Table, check, domain, machine_name, schema};

/// The most mistakes that are told; a file with more is no configuration.
const MOST: usize = 1000;

/// Reads and checks the configuration; what cannot be used is told whole.
pub fn load(sources: &Sources, registry: &Registry) -> Result<Loaded, Mistakes> {
    let mut mistakes = Vec::new();
    let layers = sources.layers(&mut mistakes);
    let mut root = layers.map_err(|mistake| Mistakes(vec![mistake]))?;
    forget_unlinked(&mut root, registry);
    let config = walk(&schema(registry), root.clone(), &mut mistakes).and_then(|mut rest| {
        inherit(&mut rest);
        domain::fold(&mut rest, &root, &mut mistakes);
        let mut config: Config = read(&mut rest, &mut mistakes)?;
        for (name, domain) in &mut config.domain {
            domain.written = rest.at(&["domain", name]).map(|node| node.key_place.clone());
            let main = sources.file.as_ref().map(|(path, _)| path.display().to_string());
            domain.beside = domain
                .written
                .as_ref()
                .is_some_and(|place| place.is_beside(main.as_deref()));
        }
        config.lists = check::check(&config, &rest, &root, registry, &mut mistakes);
        build(&mut rest, registry, &mut mistakes);
        Some(config)
    });
    let mut seen = HashSet::new();
    mistakes.retain(|mistake| seen.insert(mistake.clone()));
    mistakes.sort();
    let (errors, warnings): (Vec<_>, Vec<_>) = mistakes
        .into_iter()
        .partition(|mistake| mistake.gravity == Gravity::Error);
    match config {
        Some(mut config) if errors.is_empty() => {
            config.hostname = config.hostname.or_else(machine_name);
            Ok(Loaded {
                config,
                file: sources.file.as_ref().map(|(path, _)| path.clone()),
                warnings,
                sources: sources.clone(),
            })
        }
        _ => Err(Mistakes(errors)),
    }
}

/// Takes out what the embedded defaults say of filters that this binary does not have: nobody of the site wrote it.
fn forget_unlinked(root: &mut Node, registry: &Registry) {
    if let Some(What::Table(filters)) = root.within("filters").map(|node| &mut node.what) {
        filters.retain(|name, node| registry.contains_key(name.as_str()) || !node.key_place.is_embedded());
    }
}

/// Fills in the tables that inherit.
fn inherit(root: &mut Node) {
    let general = |root: &Node, name: &str| root.at(&[name]).cloned();
    let (limits, timeouts, filters) = (
        general(root, "limits"),
        general(root, "timeouts"),
        general(root, "filters"),
    );
    let What::Table(tables) = &mut root.what else { return };
    if let Some(Node {
        what: What::List(listeners),
        ..
    }) = tables.get_mut("listen")
    {
        for listener in listeners {
            for (name, general) in [("limits", &limits), ("timeouts", &timeouts)] {
                match (general, listener.within(name)) {
                    (Some(general), Some(own)) => general.under(own),
                    (Some(general), None) => listener.put(name, general.clone()),
                    (None, _) => {}
                }
            }
        }
    }
    if let Some(Node {
        what: What::Table(domains),
        ..
    }) = tables.get_mut("domain")
    {
        for exceptions in domains.values_mut().filter_map(|domain| domain.within("filters")) {
            let What::Table(exceptions) = &mut exceptions.what else {
                continue;
            };
            for (name, exception) in exceptions {
                let general = filters.as_ref().and_then(|filters| filters.at(&[name, "options"]));
                if let (Some(own), Some(general)) = (exception.within("options"), general) {
                    general.under(own);
                }
            }
        }
    }
}

/// Reads a value. What cannot be read is told and taken out, until the rest can.
fn read<T: DeserializeOwned>(node: &mut Node, out: &mut Vec<Mistake>) -> Option<T> {
    for _ in 0..MOST {
        let error = match serde_path_to_error::deserialize(node.json()) {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        let step = |segment: &Segment| match segment {
            Segment::Seq { index } => Some(index.to_string()),
            Segment::Map { key } => Some(key.clone()),
            Segment::Enum { .. } | Segment::Unknown => None,
        };
        let path: Vec<String> = error.path().iter().map_while(step).collect();
        let message = error.inner().to_string();
        match node.take(&path) {
            // Something required may be missing only because it was wrong, and that has been told.
            Some(wrong) if out.iter().any(|told| told.inside(&wrong.key)) => {}
            Some(wrong) => out.push(wrong.mistake(message)),
            None => {
                out.push(node.mistake(message));
                return None;
            }
        }
    }
    None
}

/// A clock that stands: filters are built here to see whether they can be.
struct Still;

impl Clock for Still {
    fn now(&self) -> Time {
        Time::ZERO
    }
}

/// Builds each filter from its options, for all and for each domain, and tells what it will not have.
fn build(root: &mut Node, registry: &Registry, out: &mut Vec<Mistake>) {
    let services = Services::null(Arc::new(Still), Seed::new([0; 16]));
    let domains = root.at(&["domain"]).map(Node::names).unwrap_or_default().into_iter();
    let own = |domain: &&str| root.at(&["domain", domain, "filters"]).is_some();
    let domains: Vec<String> = domains.filter(own).map(str::to_owned).collect();
    let places = std::iter::once(vec!["filters"]).chain(domains.iter().map(|domain| vec!["domain", domain, "filters"]));
    for place in places {
        for (name, entry) in registry {
            let path = [&place[..], &[name]].concat();
            if root.at(&path).is_none() {
                continue;
            }
            let mut rest = root.near(&[&path[..], &["options"]].concat()).clone();
            for _ in 0..MOST {
                let table: Table = match rest.json() {
                    serde_json::Value::Object(table) if rest.key.ends_with("options") => table,
                    _ => Table::new(),
                };
                let Err(error) = entry.build(Options::new(table), &services) else {
                    break;
                };
                let key: Vec<String> = error
                    .key
                    .split(['.', '[', ']'])
                    .filter(|step| !step.is_empty())
                    .map(str::to_owned)
                    .collect();
                match rest.take(&key) {
                    Some(wrong) => out.push(wrong.mistake(error.message)),
                    None => {
                        out.push(rest.mistake(error.to_string()));
                        break;
                    }
                }
            }
        }
    }
}
