//! The TOML text of a customer's domain, made and changed key by key.
//!
//! **Invariants:** a text has one table, `[domain."its name"]`, and what is in it; what is not named stays as it was written.
//! It is the text of a file in the included folder, so that a domain moves from the store into a file by copying. Whether it
//! says anything sensible is told by whoever loads it. **Bound:** [`OCTETS`].

use gatepost_core::{DomainAct, Setting};
use toml_edit::{DocumentMut, Item, Key, Table, TableLike, Value};

use crate::config::{DomainName, Registry, unknown_key};

/// The most octets of a text.
const OCTETS: usize = 64 << 10;
/// The most steps of a key.
const STEPS: usize = 16;

/// The text of a domain with these settings: a new one, or the one that it had, changed.
pub fn edited(domain: &DomainName, before: Option<&str>, settings: &[Setting]) -> Result<String, String> {
    if settings.len() > DomainAct::SETTINGS_MAX {
        return Err(format!(
            "{} keys at once, and at most {} are taken",
            settings.len(),
            DomainAct::SETTINGS_MAX
        ));
    }
    let damaged = |error: toml_edit::TomlError| format!("what the store has of it is no TOML: {}", error.message());
    let mut document: DocumentMut = before.unwrap_or_default().parse().map_err(damaged)?;
    let mut domains = Table::new();
    domains.set_implicit(true);
    let domains = document.entry("domain").or_insert(Item::Table(domains));
    let domains = domains
        .as_table_like_mut()
        .ok_or("what the store has of it is no table")?;
    // Tables of new names stand where they are made, empty or not, so that the domain is there.
    let table = domains.entry(domain).or_insert(Item::Table(Table::new()));
    let table = table
        .as_table_like_mut()
        .ok_or("what the store has of it is no table")?;
    for setting in settings {
        set(table, setting)?;
    }
    let text = document.to_string();
    match text.len() {
        0..=OCTETS => Ok(text.trim_start().to_owned()),
        long => Err(format!(
            "it has {long} octets, and at most {OCTETS} are kept: name files instead of long lists"
        )),
    }
}

/// Refuses to take out a key that no domain has: it is misspelt, and what was meant would stay.
pub fn known(registry: &Registry, act: &DomainAct) -> Result<(), String> {
    let DomainAct::Set { domain, settings } = act else {
        return Ok(());
    };
    let Ok(domain) = domain.parse::<DomainName>() else {
        return Ok(());
    };
    for gone in settings.iter().filter(|setting| setting.value.is_none()) {
        let text = edited(&domain, None, &[Setting::new(gone.key.as_str(), "0")])?;
        if let Some(why) = unknown_key(registry, &domain, &text) {
            return Err(why);
        }
    }
    Ok(())
}

fn set(table: &mut dyn TableLike, setting: &Setting) -> Result<(), String> {
    let name = &setting.key;
    let wrong =
        |_| format!("`{name}` is no key: expected one as TOML writes it below the domain's table, such as server.tls");
    let keys = Key::parse(name).map_err(wrong)?;
    if keys.len() > STEPS {
        return Err(format!(
            "`{name}` has {} steps, and no key has more than {STEPS}",
            keys.len()
        ));
    }
    let Some((last, above)) = keys.split_last() else {
        return Err("expected a key, found nothing".into());
    };
    let mut table = table;
    for step in above {
        if table.get(step).is_none() {
            let Some(_) = &setting.value else { return Ok(()) };
            let mut new = Table::new();
            new.set_implicit(true);
            table.insert(step, Item::Table(new));
        }
        let inner = table.get_mut(step).and_then(Item::as_table_like_mut);
        table = inner.ok_or_else(|| format!("`{name}`: `{}` is no table", step.get()))?;
    }
    match &setting.value {
        Some(text) => {
            let value = text.trim().parse::<Value>().unwrap_or_else(|_| text.as_str().into());
            match (table.get_mut(last), value) {
                // A table is what it is wherever it stands; one that was a table of its own must not stand twice.
                (Some(Item::Value(there)), mut value) => {
                    *value.decor_mut() = there.decor().clone();
                    *there = value;
                }
                (_, value) => {
                    table.insert(last, Item::Value(value));
                }
            }
        }
        None => {
            table.remove(last);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DomainName {
        text.parse().expect("a domain")
    }

    fn edit(before: Option<&str>, settings: &[(&str, Option<&str>)]) -> Result<String, String> {
        let settings: Vec<Setting> = settings
            .iter()
            .map(|(key, value)| match value {
                Some(value) => Setting::new(*key, *value),
                None => Setting::without(*key),
            })
            .collect();
        edited(&name("acme.example"), before, &settings)
    }

    #[test]
    fn a_new_domain_is_written_as_a_file_of_the_folder_would_have_it() {
        let text = edit(
            None,
            &[
                ("hold", Some("2d")),
                ("spam", Some("true")),
                ("server.upstream", Some("[\"a.example:25\", \"b.example:25\"]")),
                ("server.tls", Some("verified")),
                ("server.timeouts.connect", Some("5s")),
                ("users.\"ann.b\".policy.dry_run", Some("true")),
            ],
        );
        assert_eq!(
            text.as_deref(),
            Ok("[domain.\"acme.example\"]\nhold = \"2d\"\nspam = true\n\n\
                [domain.\"acme.example\".server]\nupstream = [\"a.example:25\", \"b.example:25\"]\ntls = \"verified\"\n\n\
                [domain.\"acme.example\".server.timeouts]\nconnect = \"5s\"\n\n\
                [domain.\"acme.example\".users.\"ann.b\".policy]\ndry_run = true\n")
        );
        assert_eq!(edit(None, &[]).as_deref(), Ok("[domain.\"acme.example\"]\n"));
    }

    #[test]
    fn a_change_touches_what_it_names_and_nothing_else() {
        let before = "# The good customer.\n[domain.\"acme.example\"]\nhold = \"2d\" # until spring\n\
                      server = { upstream = \"a:25\", tls = \"none\" }\n[domain.\"acme.example\".policy]\ndry_run = true\n";
        let text = edit(
            Some(before),
            &[
                ("hold", Some("3d")),
                ("server.tls", Some("verified")),
                ("policy.high.action", Some("hold")),
                ("policy.dry_run", None),
                ("no.such.key", None),
            ],
        );
        assert_eq!(
            text.as_deref(),
            Ok(
                "# The good customer.\n[domain.\"acme.example\"]\nhold = \"3d\" # until spring\n\
                server = { upstream = \"a:25\", tls = \"verified\" }\n[domain.\"acme.example\".policy]\n\n\
                [domain.\"acme.example\".policy.high]\naction = \"hold\"\n"
            )
        );
        let text = edit(Some(before), &[("server", None), ("route", Some("office"))]).expect("a text");
        assert!(
            !text.contains("upstream") && text.contains("route = \"office\""),
            "{text}"
        );
    }

    #[test]
    fn no_key_and_no_value_leads_out_of_the_domains_table() {
        for (key, value) in [
            ("a = 1\n[limits]\njunk", "5"),
            ("", "5"),
            ("a..b", "5"),
            ("hold.deeper", "5"),
            (&["a"; 20].join("."), "5"),
            ("long", &"x".repeat(OCTETS)),
        ] {
            let before = "[domain.\"acme.example\"]\nhold = \"2d\"\n";
            assert!(edit(Some(before), &[(key, Some(value))]).is_err(), "{key}");
        }
        for value in ["5\n[limits]\njunk = 5", "\"open", "# nothing"] {
            let text = edit(None, &[("hold", Some(value))]).expect("a text");
            let document: DocumentMut = text.parse().expect("TOML");
            assert_eq!(document.as_table().len(), 1, "{text}");
            assert_eq!(document["domain"]["acme.example"]["hold"].as_str(), Some(value));
        }
    }
}
