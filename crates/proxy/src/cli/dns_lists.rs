//! `gatepost lists`: how each DNS list answers the resolver of this machine.

use std::fmt::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures_util::future::join_all;
use gatepost_core::{Dns, Score};
use gatepost_dnsbl::health::{self, Health, Part};
use gatepost_dnsbl::list::{self, List, Off};
use serde::Serialize;

use super::resolver::server;
use super::{complain, say};
use crate::clock::{SystemClock, ticks};
use crate::config::{Config, Nameserver};
use crate::log::harmless;
use crate::{resolvers, services};

/// What is asked, and how.
#[derive(Args, Debug)]
pub struct Ask {
    /// The DNS server to ask, port 53 where none is given; else those of the configuration, or of this machine.
    #[arg(long, value_name = "HOST:PORT", value_parser = server)]
    dns: Option<SocketAddr>,
    /// Prints one array of JSON.
    #[arg(long)]
    json: bool,
}

/// One part of a list, and how it is.
#[derive(Serialize, Debug)]
struct Row {
    list: String,
    zone: String,
    part: &'static str,
    kinds: Vec<String>,
    least_points: Score,
    most_points: Score,
    refuses_mail: bool,
    state: String,
    usable: bool,
    /// How long its slower answer took; none where it was not asked.
    millis: Option<u64>,
    terms: String,
}

/// Asks all lists and tells how they are.
pub(super) fn run(config: &Config, ask: &Ask) -> Result<ExitCode, String> {
    let filter = config.filter("dnsbl");
    let options = filter.options().read::<gatepost_dnsbl::Config>();
    let lists = options.and_then(|options| list::all(&options));
    let lists = lists.map_err(|error| format!("filters.dnsbl.options: {error}"))?;
    let mut asked = config.clone();
    if let Some(server) = ask.dns {
        asked.dns.servers = vec![Nameserver(server)];
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("the runtime cannot be started: {error}"))?;
    let rows = runtime.block_on(async {
        let dns = services::resolver(&asked, Arc::new(SystemClock::new()))?;
        Ok::<_, String>(rows(&dns, &lists).await)
    })?;
    if ask.json {
        say(&harmless(
            &serde_json::to_string(&rows).map_err(|error| error.to_string())?,
        ));
    } else {
        say(&table(config, &rows));
        for address in resolvers::public(&resolvers::asked(&asked)) {
            complain(&resolvers::advice(address));
        }
    }
    // Those that nobody is going to ask are no trouble.
    let well = rows.iter().all(|row| row.usable || row.millis.is_none());
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every part of every list, all asked at the same time.
async fn rows(dns: &dyn Dns, lists: &[List]) -> Vec<Row> {
    let parts = lists
        .iter()
        .flat_map(|list| health::parts(list).into_iter().map(move |part| (list, part)));
    let mut rows = join_all(parts.map(|(list, part)| row(dns, list, part))).await;
    rows.sort_by(|one, other| (&one.list, one.part).cmp(&(&other.list, other.part)));
    rows
}

async fn row(dns: &dyn Dns, list: &List, part: Part) -> Row {
    let points = list.code.meanings.iter().map(|meaning| meaning.points);
    let (state, usable, millis) = match list.off {
        Some(Off::Disabled) => ("disabled".to_owned(), false, None),
        Some(Off::NeedsKey) => ("disabled: needs a key".to_owned(), false, None),
        None => {
            let began = ticks();
            let mut answers = Vec::new();
            let probes = health::probes(list, part);
            for probe in &probes {
                answers.push(health::ask(dns, &probe.name).await);
            }
            let health = health::judge(&list.code, probes.iter().zip(answers));
            let took: Duration = ticks().since(began);
            let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            (health.to_string(), health == Health::Well, Some(millis))
        }
    };
    Row {
        list: list.name.to_string(),
        zone: list.zone.shown().to_owned(),
        part: part.name(),
        kinds: list
            .kinds
            .iter()
            .map(|kind| format!("{kind:?}").to_lowercase())
            .collect(),
        least_points: points.clone().min().unwrap_or(Score::ZERO),
        most_points: points.max().unwrap_or(Score::ZERO),
        refuses_mail: list.refuse,
        state,
        usable,
        millis,
        terms: list.terms.to_string(),
    }
}

fn table(config: &Config, rows: &[Row]) -> String {
    let weight = |row: &Row| {
        let refuses = if row.refuses_mail { ", refuses" } else { "" };
        if row.least_points == row.most_points {
            format!("{}{refuses}", row.most_points)
        } else {
            format!("{} to {}{refuses}", row.least_points, row.most_points)
        }
    };
    let millis = |row: &Row| row.millis.map_or("-".to_owned(), |millis| format!("{millis} ms"));
    let cells: Vec<[String; 6]> = [["list", "of", "points", "state", "took", "terms"].map(str::to_owned)]
        .into_iter()
        .chain(rows.iter().map(|row| {
            let of = row.part.to_owned();
            [
                row.list.clone(),
                of,
                weight(row),
                row.state.clone(),
                millis(row),
                row.terms.clone(),
            ]
        }))
        .collect();
    let wide = |column: usize| {
        cells
            .iter()
            .map(|row| row.get(column).map_or(0, |cell| cell.chars().count()))
            .max()
    };
    let widths: Vec<usize> = (0..6).map(|column| wide(column).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in &cells {
        let line: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, wide)| format!("{cell:wide$}"))
            .collect();
        let _ = writeln!(out, "{}", harmless(line.join("  ").trim_end()));
    }
    let mode = serde_json::to_value(config.filter("dnsbl").mode).unwrap_or_default();
    let asked = config.pipeline.iter().filter(|(_, pipeline)| {
        let mut filters = pipeline.tiers.iter().flatten();
        filters.any(|filter| filter == "dnsbl")
    });
    let pipelines: Vec<_> = asked.map(|(name, _)| name.as_str()).collect();
    let _ = match pipelines.is_empty() {
        true => writeln!(out, "\ndnsbl is in no tier of a pipeline: nobody asks these lists."),
        false => writeln!(
            out,
            "\ndnsbl is in mode {} in pipeline {}.",
            mode.as_str().unwrap_or_default(),
            pipelines.join(", ")
        ),
    };
    out
}

#[cfg(test)]
mod tests {
    use gatepost_core::Options;
    use gatepost_testkit::Zone;

    use super::*;

    fn told(zone: &str, json: &str) -> Vec<Row> {
        let options = Options::new(serde_json::from_str(json).expect("a table"));
        let lists = list::all(&options.read().expect("options")).expect("lists");
        let zone = Zone::parse(zone).expect("a zone");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(rows(&zone, &lists))
    }

    #[test]
    fn each_list_is_told_as_it_is_and_no_key_is() {
        let zone = "2.0.0.127.well.example A 127.0.0.2\n*.deaf.example A 127.255.255.254\n*.sold.example A 192.0.2.1\n\
                    SERVFAIL *.dead.example\n*.k3y5ecret.dq.example A 127.255.255.255\n";
        let json = r#"{"shipped": false, "lists": {
            "well": {"zone": "well.example"}, "deaf": {"zone": "deaf.example"}, "sold": {"zone": "sold.example"},
            "dead": {"zone": "dead.example"}, "gone": {"zone": "gone.example", "kinds": ["domain"]},
            "off": {"zone": "off.example", "enabled": false}, "keyless": {"zone": "{key}.dq.example"},
            "keyed": {"zone": "{key}.dq.example", "key": "K3Y5ecret"}}}"#;
        let rows = told(zone, json);
        let states: Vec<_> = rows.iter().map(|row| (row.list.as_str(), row.state.as_str())).collect();
        assert_eq!(
            states,
            [
                ("dead", "no answer"),
                ("deaf", "refuses this resolver: 127.255.255.254 open resolver"),
                ("gone", "lists nothing"),
                ("keyed", "refuses this resolver: 127.255.255.255 too many queries"),
                ("keyless", "disabled: needs a key"),
                ("off", "disabled"),
                ("sold", "answers for everything"),
                ("well", "ok"),
            ]
        );
        let text = table(&Config::default(), &rows) + &serde_json::to_string(&rows).expect("JSON");
        assert!(!text.to_lowercase().contains("k3y5ecret"), "{text}");
        assert_eq!(rows.iter().filter(|row| row.usable).count(), 1);
    }
}
