//! How much waits for each domain, in rows for a monitoring system.
//!
//! **Bound:** the [`MOST`] deepest, each by the name of its table, and one row for all others: what a stranger writes to
//! domains below a customer's makes no row.

use std::collections::HashMap;
use std::sync::Arc;

use gatepost_queue::spool::Totals;

use crate::config::Config;

/// The most domains that have a row of their own.
const MOST: usize = 20;
/// The row of all others. No domain can be called so.
pub(super) const OTHERS: &str = "(others)";

/// The rows.
pub fn depth_rows(config: &Config, lanes: Vec<(Arc<str>, Totals)>) -> String {
    let mut tables: HashMap<&str, Totals> = HashMap::new();
    for (lane, totals) in &lanes {
        // Mail of a domain that is gone waits on; its name came from a stranger.
        let table = config.own(lane).map_or(OTHERS, |(name, _)| name);
        add(tables.entry(table).or_default(), totals);
    }
    let mut others = tables.remove(OTHERS).unwrap_or_default();
    let mut rows: Vec<(&str, Totals)> = tables.into_iter().collect();
    rows.sort_unstable_by_key(|(name, totals)| (std::cmp::Reverse(totals.mails), *name));
    for (_, totals) in rows.drain(MOST.min(rows.len())..) {
        add(&mut others, &totals);
    }
    if others.mails > 0 {
        rows.push((OTHERS, others));
    }
    let values = |of: fn(&Totals) -> u64| -> Vec<(String, u64)> {
        let values = rows.iter().map(|(name, totals)| ((*name).to_owned(), of(totals)));
        values.collect()
    };
    let mails = values(|totals| totals.mails);
    let octets = values(|totals| totals.octets);
    let about = "by table, the deepest of them, and all others in one row";
    gatepost_admin::rows(
        "gatepost_queue_domain_mails",
        &format!("Mails that wait, {about}"),
        "domain",
        &mails,
    ) + &gatepost_admin::rows(
        "gatepost_queue_domain_bytes",
        &format!("Octets of mail that waits, {about}"),
        "domain",
        &octets,
    )
}

fn add(sum: &mut Totals, more: &Totals) {
    sum.mails = sum.mails.saturating_add(more.mails);
    sum.octets = sum.octets.saturating_add(more.octets);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(domains: impl Iterator<Item = String>) -> Config {
        let domain: serde_json::Map<String, serde_json::Value> =
            domains.map(|name| (name, serde_json::json!({}))).collect();
        serde_json::from_value(serde_json::json!({ "domain": domain })).expect("a configuration")
    }

    fn lane(name: &str, mails: u64) -> (Arc<str>, Totals) {
        let octets = mails * 10;
        (name.into(), Totals { mails, octets })
    }

    #[test]
    fn the_deepest_have_rows_of_their_own_and_all_others_one() {
        let names = (0..30).map(|n| format!("d{n:02}.example"));
        let config = config(names.clone());
        let lanes = (1..).zip(names).map(|(mails, name)| lane(&name, mails)).collect();
        let text = depth_rows(&config, lanes);
        let of = |name: &str| {
            let row = format!("gatepost_queue_domain_mails{{domain=\"{name}\"}} ");
            text.lines()
                .find_map(|line| line.strip_prefix(&row)?.parse::<u64>().ok())
        };
        assert_eq!(
            (of("d29.example"), of("d10.example"), of("d09.example")),
            (Some(30), Some(11), None)
        );
        assert_eq!(of(OTHERS), Some(55));
        assert!(
            text.contains("gatepost_queue_domain_bytes{domain=\"d29.example\"} 300\n"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 2 * (2 + MOST + 1));
    }

    #[test]
    fn names_that_strangers_chose_make_no_rows() {
        let config = config([".acme.example".to_owned(), "own.example".to_owned()].into_iter());
        let lanes = vec![
            lane("a.acme.example", 2),
            lane("b.acme.example", 3),
            lane("own.example", 1),
            lane("gone.example", 4),
        ];
        let text = depth_rows(&config, lanes);
        let mails: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("gatepost_queue_domain_mails"))
            .collect();
        assert_eq!(
            mails,
            [
                "gatepost_queue_domain_mails{domain=\".acme.example\"} 5",
                "gatepost_queue_domain_mails{domain=\"own.example\"} 1",
                "gatepost_queue_domain_mails{domain=\"(others)\"} 4",
            ]
        );
        assert_eq!(depth_rows(&config, Vec::new()), "");
    }
}
