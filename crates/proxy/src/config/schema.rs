//! The JSON schema of the whole file, the options of the linked filters included, and the manual made from it.

use std::fmt::Write;

use gatepost_core::schemars::generate::SchemaSettings;
use serde_json::{Map, Value as Json, json};

use super::walk::{choices, expected, listing};
use super::{Config, DEFAULTS, PREFIX, Registry};

/// What is said of a filter that is not there.
pub(super) const NO_FILTER: &str =
    "no filter of this name is linked into this binary (its main.rs needs `use the_crate as _;`)";

/// The JSON schema (2020-12) of the whole file.
pub fn schema(registry: &Registry) -> Json {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator();
    let mut root = generator.root_schema_for::<Config>().to_value();
    let names: Vec<&str> = registry.keys().copied().collect();
    for pointer in [
        "/properties/filters",
        "/properties/domain/additionalProperties/properties/filters",
    ] {
        let Some(Json::Object(filters)) = root.pointer_mut(pointer) else {
            continue;
        };
        let general = filters.remove("additionalProperties").unwrap_or(Json::Bool(true));
        let known: Map<String, Json> = registry
            .values()
            .map(|entry| {
                let mut one = general.clone();
                let mut options = entry.schema(&mut generator).to_value();
                if let Some(options) = options.as_object_mut() {
                    options.insert("description".into(), "The filter's own options.".into());
                    options.remove("title");
                }
                if let Some(place) = one.pointer_mut("/properties/options") {
                    *place = options;
                }
                if let Some(one) = one.as_object_mut() {
                    one.insert(
                        "description".into(),
                        format!("{}.", entry.about.trim_end_matches('.')).into(),
                    );
                }
                (entry.name.to_owned(), one)
            })
            .collect();
        filters.insert("properties".into(), known.into());
        filters.insert("additionalProperties".into(), false.into());
        filters.insert("x-unknown".into(), NO_FILTER.into());
    }
    if let Some(tiers) = root.pointer_mut("/properties/pipeline/additionalProperties/properties/tiers") {
        tiers["x-expected"] = json!(format!(
            "a list of lists of filters, such as [[\"a\", \"b\"], [\"c\"]], out of {}",
            listing(&names)
        ));
    }
    root
}

/// The manual of the configuration, in Markdown.
pub fn reference(registry: &Registry) -> String {
    let mut out = String::from("# Configuration reference\n\n");
    let _ = write!(
        out,
        "Written by `gatepost config reference`, which knows the filters of its own binary. `gatepost check` reports all mistakes of a file at once; \
         `gatepost config schema` prints the JSON schema for editors.\n\n\
         The file is TOML. It is named by `--config`, or by the variable `GATEPOST_CONFIG`, or it is `gatepost.toml` in the current folder, or \
         `/etc/gatepost/gatepost.toml`. Variables override it: `{PREFIX}FILTERS__CONDUCT__MODE=score` is `mode = \"score\"` in `[filters.conduct]`; \
         two underscores stand between the parts, and lists are written `[\"a\", \"b\"]`.\n\n\
         Without a file these defaults hold:\n\n```toml\n{DEFAULTS}```\n"
    );
    section(&mut out, &[], &schema(registry));
    out.replace("\n\n\n", "\n\n")
}

/// Tables whose keys are explained elsewhere.
const TOLD: [(&str, &str); 6] = [
    ("[listen.limits]", "[limits]"),
    ("[listen.timeouts]", "[timeouts]"),
    ("[domain.NAME.server]", "[route.NAME]"),
    ("[domain.NAME.policy]", "[policy]"),
    ("[domain.NAME.users.NAME]", "[policy]"),
    ("[domain.NAME.filters]", "[filters]"),
];

/// One table: its description, its values, and then each table in it.
fn section(out: &mut String, path: &[String], table: &Json) {
    let header = header(path);
    let title = if path.is_empty() {
        "Above all tables".into()
    } else {
        format!("`{header}`")
    };
    let _ = write!(out, "\n{} {title}\n\n", "#".repeat((path.len() + 1).clamp(2, 4)));
    if !path.is_empty()
        && let Some(about) = description(table)
    {
        let _ = writeln!(out, "{about}\n");
    }
    if let Some((_, general)) = TOLD.iter().find(|(own, _)| *own == header) {
        let _ = writeln!(
            out,
            "The keys are those of `{general}`; what is not said here is as it is there."
        );
        return;
    }
    let none = Map::new();
    let properties = table.get("properties").and_then(Json::as_object).unwrap_or(&none);
    let required = table.get("required").and_then(Json::as_array);
    let required: Vec<&str> = required.into_iter().flatten().filter_map(Json::as_str).collect();
    let mut tables = Vec::new();
    for (name, schema) in properties {
        match inner(schema) {
            Some((step, inner)) => {
                let mut described = inner.clone();
                if let (Some(about), Some(described)) = (schema.get("description"), described.as_object_mut()) {
                    described.insert("description".into(), about.clone());
                }
                tables.push((format!("{name}{step}"), described));
            }
            None => value(out, name, schema, required.contains(&name.as_str())),
        }
    }
    if let Some(more) = table.get("additionalProperties").filter(|more| more.is_object()) {
        tables.push(("NAME".into(), more.clone()));
    }
    for (name, inner) in tables {
        section(out, &[path, &[name]].concat(), &inner);
    }
}

/// The table that a value is, or that it is a list of, and what to write behind its name for that.
fn inner(schema: &Json) -> Option<(&'static str, &Json)> {
    let is_table = |schema: &Json| {
        schema.get("properties").is_some() || schema.get("additionalProperties").is_some_and(Json::is_object)
    };
    if is_table(schema) {
        return Some(("", schema));
    }
    schema
        .get("items")
        .filter(|items| is_table(items))
        .map(|items| ("[]", items))
}

fn header(path: &[String]) -> String {
    let list = path.last().is_some_and(|last| last.ends_with("[]"));
    let name = path
        .iter()
        .map(|step| step.trim_end_matches("[]"))
        .collect::<Vec<_>>()
        .join(".");
    if list {
        format!("[[{name}]]")
    } else {
        format!("[{name}]")
    }
}

fn description(schema: &Json) -> Option<String> {
    Some(
        schema
            .get("description")?
            .as_str()?
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" "),
    )
}

fn value(out: &mut String, name: &str, schema: &Json, required: bool) {
    let Some(object) = schema.as_object() else { return };
    let default = match schema.get("default") {
        _ if required => "; required".into(),
        None | Some(Json::Null) => String::new(),
        Some(Json::Array(list)) if list.is_empty() => "; default: none".into(),
        Some(Json::Object(table)) if table.is_empty() => String::new(),
        Some(default) => format!("; default `{default}`"),
    };
    let _ = writeln!(
        out,
        "- **`{name}`** ({}{default}). {}",
        expected(object),
        description(schema).unwrap_or_default()
    );
    for branch in schema
        .get("oneOf")
        .or(schema.get("anyOf"))
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
    {
        let options = branch
            .get("oneOf")
            .and_then(Json::as_array)
            .map_or(std::slice::from_ref(branch), Vec::as_slice);
        for option in options {
            if let (Some([only]), Some(about)) = (option.as_object().and_then(choices).as_deref(), description(option))
            {
                let _ = writeln!(out, "  - `{only}`: {about}");
            }
        }
        // A value that may be a table, or a list with tables: their keys are told where it is.
        for (name, schema) in keys(branch, 4) {
            if let Some(object) = schema.as_object() {
                let about = description(schema).unwrap_or_default();
                let _ = writeln!(out, "  - **`{name}`** ({}). {about}", expected(object));
            }
        }
    }
}

/// The keys of the tables among the choices of a value, so deep at most.
fn keys(schema: &Json, deep: u8) -> Vec<(&String, &Json)> {
    let own = schema.get("properties").and_then(Json::as_object);
    let mut all: Vec<_> = own.into_iter().flatten().collect();
    let choices = ["oneOf", "anyOf"].iter().filter_map(|of| schema.get(of)?.as_array());
    if deep > 0 {
        let within = choices.flatten().chain(schema.get("items"));
        all.extend(within.flat_map(|choice| keys(choice, deep - 1)));
    }
    all
}
