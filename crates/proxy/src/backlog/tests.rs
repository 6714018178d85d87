use gatepost_core::null::NoIdentify;
use gatepost_core::{Direction, Identify, Services};
use gatepost_desk::Handlers;
use gatepost_testkit::Fakes;

use super::*;
use crate::config::{Config, Registry};
use crate::post::Sentry;
use crate::ways::Ways;
use crate::wiring;

fn outward(config: serde_json::Value) -> Outward {
    let config: Arc<Config> = Arc::new(serde_json::from_value(config).expect("a configuration"));
    let fakes = Fakes::new();
    let ways = Arc::new(Ways::new(&config, None).expect("ways"));
    let mut services = Services::null(fakes.clock.clone(), Fakes::SEED);
    services.identify = Arc::new(NoIdentify) as Arc<dyn Identify>;
    let sentry = Sentry::new(&config, &Registry::new(), &Handlers::new(), &services);
    Outward::new(&config, Arc::new(wiring::outlet(&config, &ways, sentry)))
}

fn caller(listener: &str, direction: Direction) -> Caller {
    let client = gatepost_core::Client::new("192.0.2.1".parse().expect("an address"), 1);
    Caller::of(&gatepost_core::Visit::new(direction, listener.into(), client))
}

fn route(outward: &Outward, caller: &Caller, to: &str) -> Option<String> {
    let to = Path::forward(to, true).expect("an address");
    outward.route(caller, &to).map(|route| route.to_string())
}

fn house() -> Outward {
    outward(serde_json::json!({
        "hostname": "mx.example.org", "local_domains": ["example.org", "acme.example"],
        "listen": [
            {"name": "mx", "bind": "127.0.0.1:25", "direction": "inbound"},
            {"name": "out", "bind": "127.0.0.1:587", "direction": "outbound", "route": "world"},
        ],
        "route": {
            "default": {"upstream": "127.0.0.1:26"},
            "acme": {"upstream": "127.0.0.1:27", "domains": ["acme.example"]},
            "world": {"upstream": "127.0.0.1:28"},
        },
        "domain": {"acme.example": {"hold": "2d", "queue_size": "1 MiB"}},
        "queue": {"notices": "world", "domain_size": "5 MiB"},
    }))
}

#[test]
fn waiting_mail_goes_as_it_would_go_if_it_came_now() {
    let house = house();
    let mx = caller("mx", Direction::Inbound);
    assert_eq!(route(&house, &mx, "ann@example.org").as_deref(), Some("default"));
    assert_eq!(route(&house, &mx, "ann@ACME.example").as_deref(), Some("acme"));
    assert_eq!(
        route(&house, &mx, "ann@elsewhere.example"),
        None,
        "nobody relays for the world"
    );
    let out = caller("out", Direction::Outbound);
    assert_eq!(route(&house, &out, "ann@elsewhere.example").as_deref(), Some("world"));
    let gone = caller("gone", Direction::Outbound);
    assert_eq!(route(&house, &gone, "ann@elsewhere.example").as_deref(), Some("world"));
    let gone = caller("gone", Direction::Inbound);
    assert_eq!(route(&house, &gone, "ann@elsewhere.example"), None);
}

#[test]
fn a_domain_has_the_terms_that_are_written_for_it() {
    let house = house();
    let acme = house.terms("acme.example");
    assert_eq!(acme.hold, Some(std::time::Duration::from_hours(48)));
    assert_eq!(acme.quota.octets, 1 << 20);
    let other = house.terms("example.org");
    assert_eq!((other.hold, other.quota.octets), (None, 5 << 20));
    assert_eq!(house.notices().as_deref(), Some("world"));
    let home = |to: &str| house.home(&Path::forward(to, true).expect("an address"));
    assert_eq!(
        home("ann@acme.example").as_deref(),
        Some("acme"),
        "our own people are told at home"
    );
    assert_eq!(home("ann@elsewhere.example"), None);
}
