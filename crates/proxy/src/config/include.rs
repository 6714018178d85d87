//! What is written beside the file: the included folder, one small file a customer, and the domains of the store.
//!
//! **Invariants:** they hold tables of `[domain]`, and files of the folder `[route]`, too, and nothing else; a table stands in
//! one place, and where it stands in two both are named. Where the file, or a file of the folder, has a domain that the store
//! has, too, the file counts, and a warning says so. **Bounds:** [`FILES`] files of [`OCTETS`] octets each.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::domain::DomainName;
use super::mistake::{Gravity, Mistake, Place};
use super::node::{Node, What};
use super::source;
use super::text::tree;

/// The most files of a folder.
const FILES: usize = 100_000;
/// The most octets of a file.
const OCTETS: u64 = 1 << 20;

/// Puts what is written beside the file into the tree.
pub(super) fn beside(root: &mut Node, file: Option<&Path>, stored: &[(String, String)], out: &mut Vec<Mistake>) {
    canonical(root, out);
    if let Some(node) = root.at(&["include"])
        && let What::Leaf(serde_json::Value::String(folder)) = &node.what
    {
        let above = file.and_then(Path::parent).unwrap_or(Path::new("."));
        match list(&above.join(folder)) {
            Ok(files) => {
                for path in files {
                    match whole(&path) {
                        Ok(tree) => take_in(root, tree, Layer::Folder, out),
                        Err(mistake) => out.push(mistake),
                    }
                }
            }
            Err(why) => out.push(node.mistake(format!("{}: {why}", above.join(folder).display()))),
        }
    }
    for (domain, text) in stored {
        match tree(&format!("{}{domain}", Place::STORE), text) {
            Ok(tree) => take_in(root, tree, Layer::Store, out),
            Err(mistake) => out.push(mistake),
        }
    }
}

/// Whose text is taken in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layer {
    Folder,
    Store,
}

impl Layer {
    /// The tables that it may have.
    fn tables(self) -> &'static [&'static str] {
        match self {
            Layer::Folder => &["domain", "route"],
            Layer::Store => &["domain"],
        }
    }
}

fn take_in(root: &mut Node, mut tree: Node, layer: Layer, out: &mut Vec<Mistake>) {
    canonical(&mut tree, out);
    let (place, key_place) = (tree.place.clone(), tree.key_place.clone());
    let What::Table(tables) = tree.what else { return };
    for (name, table) in tables {
        if !layer.tables().contains(&name.as_str()) {
            let tables: Vec<String> = layer.tables().iter().map(|name| format!("[{name}]")).collect();
            out.push(Mistake {
                place: table.key_place,
                key: table.key,
                gravity: Gravity::Error,
                message: format!(
                    "here are only tables of {}: it belongs in the main file",
                    tables.join(" and ")
                ),
            });
            continue;
        }
        let What::Table(inner) = table.what else {
            let found = Node {
                what: table.what,
                ..table
            };
            out.push(found.mistake(format!("expected tables such as [{name}.\"example.org\"]")));
            continue;
        };
        if root.within(&name).is_none() {
            let empty = Node {
                key: name.clone(),
                place: place.clone(),
                key_place: key_place.clone(),
                what: What::Table(BTreeMap::new()),
            };
            root.put(&name, empty);
        }
        let Some(Node {
            what: What::Table(there),
            ..
        }) = root.within(&name)
        else {
            // What it is instead has been told, or will be.
            continue;
        };
        for (key, node) in inner {
            let Some(first) = there.get(&key) else {
                there.insert(key, node);
                continue;
            };
            let (gravity, message) = match layer {
                Layer::Folder => (
                    Gravity::Error,
                    format!("[{}] is written at {} already", node.key, first.key_place),
                ),
                Layer::Store => (
                    Gravity::Warning,
                    format!(
                        "the store has it, too, and what is written at {} counts: take it out there, or say `gatepost \
                         domain remove {key}`",
                        first.key_place
                    ),
                ),
            };
            out.push(Mistake {
                place: node.key_place,
                key: node.key,
                gravity,
                message,
            });
        }
    }
}

/// Writes the names of domains as they are compared: in lower case, `*.example.org` as `.example.org`.
fn canonical(root: &mut Node, out: &mut Vec<Mistake>) {
    let Some(Node {
        what: What::Table(domains),
        ..
    }) = root.within("domain")
    else {
        return;
    };
    let mut as_written: Vec<(String, Node)> = std::mem::take(domains).into_iter().collect();
    // Of two that are the same the one that is written first counts.
    as_written.sort_by(|(_, one), (_, other)| one.key_place.cmp(&other.key_place));
    for (name, node) in as_written {
        match name.parse::<DomainName>() {
            Ok(canonical) => {
                if let Some(first) = domains.get(&*canonical) {
                    let message = format!(
                        "[{}] is the same domain: it is written at {} already",
                        node.key, first.key_place
                    );
                    out.push(Mistake {
                        place: node.key_place,
                        key: node.key,
                        gravity: Gravity::Error,
                        message,
                    });
                } else {
                    domains.insert(canonical.to_string(), node);
                }
            }
            Err(why) => out.push(Mistake {
                place: node.key_place,
                key: node.key,
                gravity: Gravity::Error,
                message: format!(
                    "expected {}, found {name:?}{}{why}",
                    DomainName::EXPECTED,
                    if why.is_empty() { "" } else { ": " }
                ),
            }),
        }
    }
}

/// The files of a folder that count, by name: what editors and packagers leave lying about is no configuration.
fn list(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let unreadable = |error: std::io::Error| format!("the folder cannot be read: {error}");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        if name.ends_with(".toml") && !name.starts_with(['.', '#']) {
            files.push(path);
        }
        if files.len() > FILES {
            return Err(format!("more than {FILES} files: is it the folder that is meant?"));
        }
    }
    files.sort();
    Ok(files)
}

fn whole(path: &Path) -> Result<Node, Mistake> {
    let name = path.display().to_string();
    let wrong = |message: String| Mistake {
        place: Place::at(&name.as_str().into(), "", 0),
        key: String::new(),
        gravity: Gravity::Error,
        message,
    };
    let unreadable = |error| wrong(format!("cannot be read: {error}"));
    // Opening what is no file may block, and reading it may never end.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(wrong("expected a file".into()));
    }
    let mut octets = Vec::new();
    let bounded = File::open(path).map_err(unreadable)?.take(OCTETS + 1);
    { bounded }.read_to_end(&mut octets).map_err(unreadable)?;
    if octets.len() as u64 > OCTETS {
        return Err(wrong(format!("expected at most {} MiB", OCTETS >> 20)));
    }
    tree(&name, &source::text(path, octets)?)
}
