//! Holds a configuration against its JSON schema: unknown keys, types, choices, ranges, what is missing.
//!
//! What is wrong is told and taken out, so that the rest can be read and checked further.

use serde_json::Value as Json;

use super::mistake::{Gravity, Mistake, nearest};
use super::node::{Node, What};

/// The most names that a mistake lists.
const LISTED: usize = 20;
/// What is said of a key that a table does not have.
pub(super) const UNKNOWN: &str = "unknown key";
/// The longest text that a mistake quotes, characters.
const QUOTED: usize = 60;

/// Tells what is wrong with `node` and returns the rest of it; `None` if nothing is left.
pub(super) fn walk(schema: &Json, node: Node, out: &mut Vec<Mistake>) -> Option<Node> {
    let Some(schema) = schema.as_object() else {
        return Some(node);
    };
    for keyword in ["oneOf", "anyOf"] {
        if let Some(branches) = schema.get(keyword).and_then(Json::as_array) {
            return choose(schema, branches, node, out);
        }
    }
    let mut node = node;
    for part in schema.get("allOf").and_then(Json::as_array).into_iter().flatten() {
        node = walk(part, node, out)?;
    }
    if !accepts(schema, &node.what) {
        out.push(node.mistake(format!("expected {}, found {}", expected(schema), found(&node.what))));
        return None;
    }
    if let Some(choices) = choices(schema) {
        return one_of(&choices, node, out);
    }
    match node.what {
        What::Leaf(Json::Number(ref number)) => {
            let value = number.as_f64().unwrap_or_default();
            let bound = |keyword: &str| schema.get(keyword).and_then(Json::as_f64);
            let (min, max) = (bound("minimum"), bound("maximum"));
            let outside = min.is_some_and(|min| value < min)
                || max.is_some_and(|max| value > max)
                || bound("exclusiveMinimum").is_some_and(|min| value <= min)
                || bound("exclusiveMaximum").is_some_and(|max| value >= max);
            if outside {
                out.push(node.mistake(format!("expected {}, found {number}", expected(schema))));
                return None;
            }
            Some(node)
        }
        What::Table(_) => table(schema, node, out),
        What::List(list) => {
            let least = schema.get("minItems").and_then(Json::as_u64).unwrap_or(0);
            let most = schema.get("maxItems").and_then(Json::as_u64).unwrap_or(u64::MAX);
            let count = list.len() as u64;
            let node = Node {
                what: What::List(Vec::new()),
                ..node
            };
            if count < least || count > most {
                let wanted = if count < least {
                    format!("at least {least}")
                } else {
                    format!("at most {most}")
                };
                out.push(node.mistake(format!("expected a list of {wanted}, found {count}")));
                return None;
            }
            let items = schema.get("items").unwrap_or(&Json::Bool(true));
            let list = list.into_iter().filter_map(|item| walk(items, item, out)).collect();
            Some(Node {
                what: What::List(list),
                ..node
            })
        }
        What::Leaf(_) => Some(node),
    }
}

fn table(schema: &serde_json::Map<String, Json>, node: Node, out: &mut Vec<Mistake>) -> Option<Node> {
    let none = serde_json::Map::new();
    let properties = schema.get("properties").and_then(Json::as_object).unwrap_or(&none);
    let others = schema.get("additionalProperties").unwrap_or(&Json::Bool(true));
    let missing = |name: &&str| !node.names().contains(name);
    let mut whole = true;
    for name in schema
        .get("required")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .filter(missing)
    {
        let wanted = properties
            .get(name)
            .and_then(Json::as_object)
            .map(expected)
            .unwrap_or_default();
        out.push(node.mistake(format!("`{name}` is missing: expected {wanted}")));
        whole = false;
    }
    let What::Table(table) = node.what else {
        return Some(node);
    };
    let table = table
        .into_iter()
        .filter_map(|(name, inner)| match (properties.get(&name), others) {
            (Some(schema), _) => Some((name, walk(schema, inner, out)?)),
            (None, Json::Bool(false)) if !schema.contains_key("patternProperties") => {
                let known: Vec<&str> = properties.keys().map(String::as_str).collect();
                let what = schema.get("x-unknown").and_then(Json::as_str).unwrap_or(UNKNOWN);
                let message = match nearest(&name, known.iter().copied()) {
                    Some(near) if schema.contains_key("x-unknown") => {
                        format!("{what}; did you mean `{near}`? There are {}", listing(&known))
                    }
                    Some(near) => format!("{what}; did you mean `{near}`?"),
                    None if known.is_empty() => format!("{what}; there is none"),
                    None => format!("{what}; there are {}", listing(&known)),
                };
                out.push(Mistake {
                    place: inner.key_place,
                    key: inner.key,
                    gravity: Gravity::Error,
                    message,
                });
                None
            }
            (None, others) => Some((name, walk(others, inner, out)?)),
        });
    let what = What::Table(table.collect());
    whole.then_some(Node { what, ..node })
}

/// Names, for a mistake.
pub(super) fn listing(names: &[&str]) -> String {
    let mut list = names
        .iter()
        .take(LISTED)
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > LISTED {
        list += ", ...";
    }
    list
}

/// One branch of several: the one whose type fits; where several fit, the one with the fewest mistakes.
fn choose(
    schema: &serde_json::Map<String, Json>,
    branches: &[Json],
    node: Node,
    out: &mut Vec<Mistake>,
) -> Option<Node> {
    if let Some(choices) = branches
        .iter()
        .map(|branch| branch.as_object().and_then(choices))
        .collect::<Option<Vec<_>>>()
    {
        return one_of(&choices.concat(), node, out);
    }
    let fitting = branches
        .iter()
        .filter(|branch| branch.as_object().is_none_or(|branch| accepts(branch, &node.what)));
    let tried = fitting.map(|branch| {
        let mut mistakes = Vec::new();
        let rest = walk(branch, node.clone(), &mut mistakes);
        (mistakes, rest)
    });
    match tried.min_by_key(|(mistakes, _)| mistakes.len()) {
        Some((mistakes, rest)) => {
            out.extend(mistakes);
            rest
        }
        None => {
            out.push(node.mistake(format!("expected {}, found {}", expected(schema), found(&node.what))));
            None
        }
    }
}

fn one_of(choices: &[Json], node: Node, out: &mut Vec<Mistake>) -> Option<Node> {
    if let What::Leaf(leaf) = &node.what
        && choices.contains(leaf)
    {
        return Some(node);
    }
    let near = match &node.what {
        What::Leaf(Json::String(text)) => nearest(text, choices.iter().filter_map(Json::as_str)),
        _ => None,
    };
    let near = near.map_or(String::new(), |near| format!("; did you mean \"{near}\"?"));
    out.push(node.mistake(format!(
        "expected {}, found {}{near}",
        alternatives(choices),
        found(&node.what)
    )));
    None
}

/// The values that a schema of nothing but choices allows.
pub(super) fn choices(schema: &serde_json::Map<String, Json>) -> Option<Vec<Json>> {
    match (schema.get("const"), schema.get("enum"), schema.get("oneOf")) {
        (Some(only), _, _) => Some(vec![only.clone()]),
        (None, Some(all), _) => all.as_array().cloned(),
        (None, None, Some(branches)) => branches
            .as_array()?
            .iter()
            .map(|branch| choices(branch.as_object()?))
            .collect::<Option<Vec<_>>>()
            .map(|all| all.concat()),
        (None, None, None) => None,
    }
}

fn alternatives(choices: &[Json]) -> String {
    let words: Vec<String> = choices
        .iter()
        .filter(|choice| !choice.is_null())
        .map(Json::to_string)
        .collect();
    match words.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} or {last}", before.join(", ")),
        _ => words.concat(),
    }
}

fn types(schema: &serde_json::Map<String, Json>) -> Vec<&str> {
    match schema.get("type") {
        Some(Json::String(one)) => vec![one],
        Some(Json::Array(several)) => several.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}

fn accepts(schema: &serde_json::Map<String, Json>, what: &What) -> bool {
    let types = types(schema);
    types.is_empty()
        || types.iter().any(|name| match what {
            What::Table(_) => *name == "object",
            What::List(_) => *name == "array",
            What::Leaf(Json::String(_)) => *name == "string",
            What::Leaf(Json::Bool(_)) => *name == "boolean",
            What::Leaf(Json::Number(number)) => *name == "number" || (*name == "integer" && !number.is_f64()),
            What::Leaf(_) => true,
        })
}

/// What a schema expects, in words.
pub(super) fn expected(schema: &serde_json::Map<String, Json>) -> String {
    if let Some(words) = schema.get("x-expected").and_then(Json::as_str) {
        return words.into();
    }
    if let Some(choices) = choices(schema) {
        return alternatives(&choices);
    }
    if let Some(branches) = schema.get("anyOf").or(schema.get("oneOf")).and_then(Json::as_array) {
        let words: Vec<String> = branches
            .iter()
            .filter_map(Json::as_object)
            .filter(|branch| types(branch) != ["null"])
            .map(expected)
            .collect();
        return words.join(", or ");
    }
    let bound = |keyword: &str| {
        schema
            .get(keyword)
            .map(Json::to_string)
            .map(|bound| bound.trim_end_matches(".0").to_owned())
    };
    let number = |words: &str| match (bound("minimum"), bound("maximum")) {
        (Some(min), Some(max)) => format!("{words} from {min} to {max}"),
        (Some(min), None) => format!("{words}, {min} or more"),
        (None, Some(max)) => format!("{words}, {max} or less"),
        (None, None) => words.into(),
    };
    let of = |name: &str| match name {
        "string" => "a text in quotes".into(),
        "integer" => number("a whole number"),
        "number" => number("a number"),
        "boolean" => "true or false".into(),
        "array" => match schema.get("items").and_then(Json::as_object) {
            Some(items) => format!("a list in [ ], each {}", expected(items)),
            None => "a list in [ ]".into(),
        },
        "object" => "a table".into(),
        other => other.into(),
    };
    let words: Vec<String> = types(schema)
        .into_iter()
        .filter(|name| *name != "null")
        .map(of)
        .collect();
    if words.is_empty() {
        "a value".into()
    } else {
        words.join(" or ")
    }
}

fn found(what: &What) -> String {
    match what {
        What::Table(_) => "a table".into(),
        What::List(_) => "a list".into(),
        What::Leaf(Json::Number(number)) => format!("the number {number}"),
        What::Leaf(Json::String(text)) => match text.char_indices().nth(QUOTED) {
            Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
            None => format!("{text:?}"),
        },
        What::Leaf(leaf) => leaf.to_string(),
    }
}
