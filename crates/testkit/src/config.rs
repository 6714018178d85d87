//! The example of a filter's configuration, `fixtures/config/<name>.toml`.

use gatepost_core::registry::Options;
use gatepost_core::schemars::SchemaGenerator;
use gatepost_core::{Entry, FilterKind};
use serde_json::{Map, Value};

fn value(item: &toml_edit::Value) -> Value {
    use toml_edit::Value as Toml;
    match item {
        Toml::String(text) => text.value().as_str().into(),
        Toml::Integer(number) => (*number.value()).into(),
        Toml::Float(number) => (*number.value()).into(),
        Toml::Boolean(truth) => (*truth.value()).into(),
        Toml::Datetime(time) => time.value().to_string().into(),
        Toml::Array(array) => array.iter().map(value).collect(),
        Toml::InlineTable(inline) => inline.iter().map(|(key, item)| (key.to_owned(), value(item))).collect(),
    }
}

fn table(from: &dyn toml_edit::TableLike) -> Map<String, Value> {
    let item = |item: &toml_edit::Item| match item {
        toml_edit::Item::Value(item) => Some(value(item)),
        toml_edit::Item::ArrayOfTables(tables) => Some(tables.iter().map(|each| Value::Object(table(each))).collect()),
        other => other.as_table_like().map(|inner| Value::Object(table(inner))),
    };
    from.iter()
        .filter_map(|(key, it)| Some((key.to_owned(), item(it)?)))
        .collect()
}

/// Reads `[filters.NAME.options]` of an example as the filter's options.
///
/// # Panics
/// Where the example is no TOML, is not what the filter reads, or leaves out one of its options: it is the manual.
pub fn example<F: FilterKind>(text: &str) -> F::Config {
    let document: toml_edit::DocumentMut = text
        .parse()
        .unwrap_or_else(|error| panic!("{}: the example is no TOML: {error}", F::NAME));
    let options = ["filters", F::NAME, "options"]
        .into_iter()
        .try_fold(document.as_item(), |item, key| item.get(key));
    let options = options
        .and_then(|item| item.as_table_like())
        .map(table)
        .unwrap_or_default();
    let schema = Entry::of::<F>().schema(&mut SchemaGenerator::default());
    for key in schema
        .as_value()
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|properties| properties.keys())
    {
        assert!(
            options.contains_key(key),
            "{}: the example does not show the option `{key}`",
            F::NAME
        );
    }
    Options::new(options)
        .read()
        .unwrap_or_else(|error| panic!("{}: the example has a mistake: {error}", F::NAME))
}
