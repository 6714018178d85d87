use gatepost_core::smtp::relay::{Loss, What, Whose};
use serde_json::{Value, json};

use super::*;

fn config(routes: Value) -> Config {
    serde_json::from_value(json!({
        "hostname": "mx.example.org", "local_domains": ["example.org"],
        "listen": [{"name": "mx", "bind": "127.0.0.1:25", "direction": "inbound"}],
        "route": routes,
    }))
    .expect("a configuration")
}

/// So many routes to servers that are not there.
fn thousand(changed: Option<usize>) -> Config {
    let route = |n: usize| {
        let greeting = if changed == Some(n) { "59s" } else { "60s" };
        let hosts = [format!("192.0.2.1:{}", 10_000 + n), format!("192.0.2.2:{}", 10_000 + n)];
        let route =
            json!({"upstream": hosts, "domains": [format!("d{n}.example")], "timeouts": {"greeting": greeting}});
        (format!("r{n}"), route)
    };
    config((0..1_000).map(route).collect())
}

fn reached(ways: &Ways, route: &str, at: usize, keywords: &[&str]) {
    let hosts = ways.routes[route].hosts().expect("servers");
    hosts.learn(at, Offer::parse(keywords.iter().copied()));
}

#[test]
fn a_reload_of_a_thousand_routes_takes_over_what_it_does_not_change() {
    let before = Ways::new(&thousand(None), None).expect("ways");
    reached(&before, "r7", 0, &["SIZE 7"]);
    let after = Ways::new(&thousand(Some(7)), Some(&before)).expect("ways");
    for (name, leading) in &after.routes {
        assert_eq!(Arc::ptr_eq(leading, &before.routes[name]), name != "r7", "{name}");
    }
    // What the changed one offers is likely the same; how it is must be asked.
    let hosts = after.routes["r7"].hosts().expect("servers");
    assert_eq!(hosts.offer().and_then(|offer| offer.size), Some(7));
    assert!(hosts.is_up() && hosts.claim(|health| health.is_due(ticks())).len() == 2);
}

#[test]
fn a_server_that_nobody_has_asked_yet_is_neither_up_nor_away() {
    let ways = Ways::new(&thousand(None), None).expect("ways");
    assert!(!ways.is_up("r1") && !ways.is_away("r1") && !ways.is_away("nowhere"));
    let hosts = ways.routes["r1"].hosts().expect("servers");
    let loss = Loss::new(Whose::Upstream, What::Unreachable);
    hosts.left(0, &loss, Duration::ZERO, false);
    assert!(!ways.is_away("r1"), "the other may be there");
    hosts.left(1, &loss, Duration::ZERO, false);
    assert!(ways.is_away("r1"));
    reached(&ways, "r1", 1, &[]);
    assert!(ways.is_up("r1") && !ways.is_away("r1"));
}

#[test]
fn a_thousand_routes_with_tls_share_one_connector() {
    let config = thousand(None);
    let mut outfitter = Outfitter::new(&config);
    for (name, route) in &config.route {
        let made = outfitter.hosts(&Arc::from(name.as_str()), route, None, |_| Known::nothing(ticks()));
        assert!(made.expect("hosts").iter().all(|host| host.server.tls.is_some()));
    }
    assert_eq!(outfitter.connectors(), 1);
}

#[test]
fn nobody_is_asked_twice_at_once() {
    let ways = Ways::new(&thousand(None), None).expect("ways");
    let first = ways.asking(|_| true);
    assert_eq!(first.len(), 2_000);
    assert!(ways.asking(|_| true).is_empty());
    // A question that was never put is no answer.
    drop(first);
    assert_eq!(ways.asking(|_| true).len(), 2_000);
}

#[test]
fn a_server_whose_turn_to_be_asked_has_not_come_is_neither_up_nor_amiss() {
    let ways = Ways::new(&thousand(None), None).expect("ways");
    ways.routes["r1"].hosts().expect("servers").served(0);
    let first = ways.asking(|_| true);
    let row = ways.told("r1").remove(0);
    assert_eq!((row.up, row.is_amiss()), (None, false));
    assert!(row.told().ends_with("  not asked yet"), "{}", row.told());
    drop(first);
    assert_eq!(ways.told("r1")[0].up, Some(true));
}

/// A server that takes connections and says nothing.
#[tokio::test(start_paused = true)]
async fn a_server_that_has_gone_silent_is_not_told_as_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address").to_string();
    let ways = Ways::new(&config(json!({"one": {"upstream": address, "tls": "none"}})), None).expect("ways");
    let hosts = ways.routes["one"].hosts().expect("servers");
    hosts.served(0);
    assert_eq!(ways.told("one")[0].up, Some(true));
    ways.ask_now(&BTreeSet::from(["one"])).await;
    let row = ways.told("one").remove(0);
    assert_eq!((row.up, row.why.as_deref()), (None, Some(HostRow::NO_ANSWER)));
    assert!(row.is_amiss() && hosts.is_up(), "mail goes there until it fails");
    // So it is for whoever asks while that question is under way.
    ways.ask_now(&BTreeSet::from(["one"])).await;
    assert!(ways.told("one")[0].is_amiss());
}

#[test]
fn one_route_offers_what_its_server_does_and_several_what_any_does() {
    let own = Offer {
        size: Some(1_000_000),
        eight_bit_mime: true,
        smtputf8: true,
        dsn: true,
        ..Offer::default()
    };
    let ways = Ways::new(
        &config(json!({"one": {"upstream": "192.0.2.1:25"}, "two": {"upstream": ["192.0.2.2:25", "192.0.2.3:25"]}})),
        None,
    )
    .expect("ways");
    assert_eq!(ways.offer(&own, ["one"]), own.intersect(&Offer::default()));
    assert_eq!(ways.offer(&own, ["one", "two"]), own.intersect(&Offer::default()));
    reached(&ways, "one", 0, &["SIZE 1000", "8BITMIME"]);
    assert_eq!(ways.offer(&own, ["one", "one"]).size, Some(1000));
    // The other one was never reached, and takes nothing away.
    assert_eq!(ways.offer(&own, ["one", "two"]).size, Some(1000));
    reached(&ways, "two", 0, &["SIZE 3000", "8BITMIME", "SMTPUTF8", "DSN"]);
    let both = ways.offer(&own, ["one", "two"]);
    assert_eq!((both.size, both.smtputf8, both.dsn), (Some(3000), true, true));
    // Either of two hosts may have to take the mail.
    reached(&ways, "two", 1, &["SIZE 2000", "8BITMIME"]);
    let both = ways.offer(&own, ["one", "two"]);
    assert_eq!((both.size, both.smtputf8, both.dsn), (Some(2000), false, false));
}

#[test]
fn a_route_is_up_once_one_of_its_servers_answered() {
    let ways = Ways::new(
        &config(json!({"one": {"upstream": ["192.0.2.1:25", "192.0.2.2:25"]}, "two": {"upstream": "192.0.2.3:25"}})),
        None,
    )
    .expect("ways");
    assert_eq!(ways.down(), ["one", "two"]);
    assert!(!ways.is_up("one") && !ways.is_up("nowhere") && !ways.leads_somewhere());
    reached(&ways, "one", 1, &[]);
    assert_eq!(ways.down(), ["two"]);
    assert!(ways.is_up("one") && ways.leads_somewhere());
}

#[test]
fn a_customers_maildir_that_cannot_be_made_keeps_nobody_else_from_starting() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("file"), "").expect("a file");
    let bad = format!("maildir:{}/file/mail", folder.path().display());
    let ways = |routes: Value, before: Option<&Ways>| Ways::new(&config(routes), before).expect("ways");
    let started = ways(json!({"acme.example": {"upstream": bad}}), None);
    assert_eq!(started.prepare(None, |name| name == "acme.example"), Ok(()));
    assert!(
        started.prepare(None, |_| false).is_err(),
        "of the site's own it is told"
    );
    // A reload does not ask again for what it does not change, and takes in nothing new that is wrong.
    let with = ways(
        json!({"acme.example": {"upstream": bad}, "b": {"upstream": "192.0.2.1:25"}}),
        Some(&started),
    );
    assert_eq!(with.prepare(Some(&started), |_| true), Ok(()));
    let with = ways(
        json!({"acme.example": {"upstream": bad}, "b.example": {"upstream": bad}}),
        Some(&started),
    );
    assert!(with.prepare(Some(&started), |_| true).is_err());
}
