//! The table of one domain as TOML, wherever it is written: as all layers together have it, without what a file says beside.

use serde_json::Value as Json;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value};

use super::{DomainName, Sources};

/// The table of a domain; none where nothing is written of it.
pub fn table_of(sources: &Sources, domain: &DomainName) -> Option<String> {
    let root = sources.layers(&mut Vec::new()).ok()?;
    let mut domains = Table::new();
    domains.set_implicit(true);
    domains.insert(domain, item(root.at(&["domain", domain])?.json()));
    let mut document = DocumentMut::new();
    document.insert("domain", Item::Table(domains));
    Some(document.to_string())
}

fn item(json: Json) -> Item {
    match json {
        Json::Object(table) => {
            let mut new = Table::new();
            for (key, value) in table {
                new.insert(&key, item(value));
            }
            Item::Table(new)
        }
        other => Item::Value(value(other)),
    }
}

fn value(json: Json) -> Value {
    match json {
        Json::Null => "".into(),
        Json::Bool(yes) => yes.into(),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64().unwrap_or_default().into(),
        },
        Json::String(text) => text.into(),
        Json::Array(list) => list.into_iter().map(value).collect::<Array>().into(),
        Json::Object(table) => {
            let pairs = table.into_iter().map(|(key, inner)| (key, value(inner)));
            pairs.collect::<InlineTable>().into()
        }
    }
}
