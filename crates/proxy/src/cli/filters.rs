//! `gatepost filters`: what is linked, and who is asked when.

use std::fmt::Write;

use gatepost_core::Concern;

use crate::config::{Config, Domain, Loaded, Registry};

/// The most domains whose modes are told one by one.
const NAMED: usize = 5;

/// The registry, and the run order of each pipeline.
pub(super) fn table(loaded: &Loaded, registry: &Registry) -> String {
    let config = &loaded.config;
    let wide = registry
        .keys()
        .map(|name| name.len())
        .max()
        .unwrap_or(0)
        .max("filter".len());
    let mut out = format!(
        "{:wide$}  {:8}  {:7}  {:30}  about\n",
        "filter", "mode", "concern", "asked at"
    );
    for (name, entry) in registry {
        let asked = config
            .pipeline
            .values()
            .any(|pipeline| pipeline.tiers.iter().flatten().any(|filter| filter == name));
        let mode = if asked {
            word(&config.filter(name).mode)
        } else {
            "-".into()
        };
        let concern = match entry.concern {
            Concern::Spam => "spam",
            Concern::Danger => "danger",
        };
        let phases = entry
            .phases
            .iter()
            .map(|phase| phase.name())
            .collect::<Vec<_>>()
            .join(" ");
        let _ = writeln!(out, "{name:wide$}  {mode:8}  {concern:7}  {phases:30}  {}", entry.about);
    }
    for (name, pipeline) in &config.pipeline {
        let users: Vec<&str> = config
            .listen
            .iter()
            .filter(|listen| listen.pipeline() == name)
            .map(|listen| listen.name.as_str())
            .collect();
        let users = if users.is_empty() {
            "no listener".into()
        } else {
            users.join(", ")
        };
        let _ = writeln!(out, "\npipeline {name} ({users})");
        if pipeline.tiers.iter().all(Vec::is_empty) {
            let _ = writeln!(out, "  asks nobody");
        }
        for (n, tier) in pipeline.tiers.iter().enumerate() {
            let _ = writeln!(
                out,
                "  {}. {}",
                n + 1,
                tier.iter()
                    .map(|filter| asked(config, registry, filter))
                    .collect::<Vec<_>>()
                    .join(", ")
            );
        }
    }
    let _ = write!(out, "\nConfiguration: {}", loaded.origin());
    out
}

/// A filter, its mode, and the modes that it has for single domains.
fn asked(config: &Config, registry: &Registry, name: &str) -> String {
    let mut modes = word(&config.filter(name).mode);
    let entry = registry.get(name);
    let own = |domain: &Domain| entry.and_then(|entry| domain.mode(entry));
    let all: Vec<_> = config
        .domain
        .iter()
        .filter_map(|(domain, here)| Some((domain, own(here)?)))
        .collect();
    for (domain, mode) in all.iter().take(NAMED) {
        let _ = write!(modes, "; {domain}: {}", word(mode));
    }
    if all.len() > NAMED {
        let _ = write!(modes, "; another mode for {} domains more", all.len() - NAMED);
    }
    format!("{name} ({modes})")
}

fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    #[test]
    fn without_filters_the_order_is_told_all_the_same() {
        let file = "local_domains = [\"a.example\"]\nlisten = [{name = \"mx\", bind = \"127.0.0.1:25\", direction = \"inbound\"}]\n\
                    [route.default]\nupstream = \"maildir:m\"\n[pipeline.inbound]\ntiers = []\n[pipeline.outbound]\ntiers = []\n";
        let loaded = load(
            &Sources {
                file: Some(("a.toml".into(), file.into())),
                ..Sources::default()
            },
            &Registry::new(),
        );
        let text = table(&loaded.unwrap_or_else(|told| panic!("{told}")), &Registry::new());
        assert!(
            text.contains("pipeline inbound (mx)\n  asks nobody\n") && text.ends_with("Configuration: a.toml"),
            "{text}"
        );
    }
}
