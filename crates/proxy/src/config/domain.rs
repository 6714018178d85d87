//! A domain as its table is named, and what a customer's domain has that others do not.
//!
//! A domain with a route or a mail server of its own is a *feed*: naming either makes it ours. [`fold`] turns that into what
//! all else knows, the lists of `local_domains` and of the routes, with the places where it was written. **Invariants:** a
//! domain is named by one route; a mail server that is written with its domain is the route of the domain's name; what
//! looks for danger is asked about a feed's mail whatever its own text says.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use gatepost_core::{Concern, Entry};
use gatepost_pipeline::slot::Mode;
use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

use super::mistake::{Gravity, Mistake, Place, nearest};
use super::node::{Node, What, dotted};
use super::values::LocalDomain;
use super::walk::listing;
use super::{Config, Domain};

/// What is asked about the mail of domains that want nothing looked at for spam: what it is that greylists, what their
/// people's commands go to, and who is welcome, which greylisting heeds.
const ALWAYS: [&str; 2] = ["command_mailbox", "whitelist"];
/// The filter that lets strangers wait.
const GREYLIST: &str = "greylist";

/// The name of a domain's table: `example.org` is that domain alone, `.example.org` all below it, at any depth. In lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DomainName(Box<str>);

impl DomainName {
    /// What is expected where a name is wrong.
    pub const EXPECTED: &str = "a domain such as \"example.org\", or \".example.org\" for all below it";

    /// Whether it stands for all domains below one.
    pub fn is_below(&self) -> bool {
        self.starts_with('.')
    }

    /// A domain that it stands for: itself, or one below.
    pub fn example(&self) -> String {
        if self.is_below() {
            format!("any{self}")
        } else {
            self.to_string()
        }
    }
}

impl Deref for DomainName {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for DomainName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for DomainName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DomainName {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<DomainName, &'static str> {
        let domain: LocalDomain = text.strip_suffix('.').unwrap_or(text).parse()?;
        Ok(DomainName(domain.to_string().into()))
    }
}

impl Serialize for DomainName {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DomainName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<DomainName, D::Error> {
        let text = String::deserialize(from)?;
        let wrong = |_| serde::de::Error::custom(format!("expected {}, found {text:?}", DomainName::EXPECTED));
        text.parse().map_err(wrong)
    }
}

impl JsonSchema for DomainName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DomainName".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "x-expected": DomainName::EXPECTED })
    }
}

/// What is said of a table for a domain that is not ours.
pub const NOT_OURS: &str = "not in local_domains: no mail for it comes in";

impl Config {
    /// What is written for a domain: in its own table, or in that of all below one of those that it is in.
    pub fn own(&self, domain: &str) -> Option<(&DomainName, &Domain)> {
        let name = domain.to_ascii_lowercase();
        let above = name.match_indices('.').filter(|(at, _)| *at > 0);
        let above = above.filter_map(|(at, _)| name.get(at..));
        let mut names = std::iter::once(name.as_str()).chain(above);
        names.find_map(|name| self.domain.get_key_value(name))
    }
}

impl Domain {
    /// Whether it has a route or a mail server of its own.
    pub fn is_feed(&self) -> bool {
        self.route.is_some()
    }

    /// Whether its mail is looked at for spam.
    pub fn wants_spam_checked(&self) -> bool {
        self.spam.unwrap_or(!self.is_feed())
    }

    /// The mode of a filter for its mail; as for all where nothing is said.
    pub fn mode(&self, entry: &Entry) -> Option<Mode> {
        let own = self.filters.get(entry.name).and_then(|own| own.mode);
        own.or_else(|| match entry.name {
            GREYLIST => self.greylist.map(|on| if on { Mode::Enforce } else { Mode::Off }),
            name => {
                let spared = entry.concern == Concern::Spam && !ALWAYS.contains(&name) && !self.wants_spam_checked();
                spared.then_some(Mode::Off)
            }
        })
    }

    /// From where its waiting mail may be asked for: the networks that it names, else the addresses of its own mail server.
    pub fn etrn_from(&self, name: &str, config: &Config) -> Vec<IpNet> {
        if let Some(networks) = &self.etrn_from {
            return networks.iter().map(|network| **network).collect();
        }
        // A route that others take, too, is not the customer's machine alone.
        let own = self.route.as_deref().filter(|route| *route == name);
        let route = own.and_then(|route| config.route.get(route));
        route
            .into_iter()
            .flat_map(super::route::addresses)
            .map(IpNet::from)
            .collect()
    }
}

/// Makes what is written in the tables of domains part of `local_domains` and of the routes. `root` is what was written,
/// mistakes included.
pub(super) fn fold(tree: &mut Node, root: &Node, out: &mut Vec<Mistake>) {
    let mut owners = owners(tree);
    let mut local = local(tree);
    let feeds = feeds(tree, root, out);
    for feed in &feeds {
        if !local.contains(&feed.name) {
            local.insert(feed.name.clone());
            push(
                tree,
                &["local_domains"],
                leaf(&feed.name, &feed.key, &feed.place),
                &feed.place,
            );
        }
    }
    let (own, named): (Vec<Feed>, Vec<Feed>) = feeds.into_iter().partition(|feed| feed.server.is_some());
    for mut feed in own {
        let Some(server) = feed.server.take() else { continue };
        if let Some(there) = tree.at(&["route", &feed.name]) {
            let message = format!(
                "a route is called so, at {}, and the mail server of {} would be, too: take one of them out, or give that \
                 route another name",
                there.key_place, feed.name
            );
            feed.tell(out, message);
            continue;
        }
        if let Some(domains) = server.at(&["domains"]) {
            out.push(domains.mistake("this is the mail server of one domain: leave it out"));
        }
        put_route(tree, &feed.name, server);
        feed.join(tree, &mut owners, out);
    }
    let routes: HashSet<String> = tree
        .at(&["route"])
        .map(Node::names)
        .unwrap_or_default()
        .into_iter()
        .map(str::to_owned)
        .collect();
    for feed in named {
        if routes.contains(&feed.route) {
            feed.join(tree, &mut owners, out);
        } else if !feed.route.is_empty() && root.at(&["route", &feed.route]).is_none() {
            let names: Vec<&str> = routes.iter().map(String::as_str).collect();
            let near = nearest(&feed.route, names.iter().copied());
            let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            feed.tell(
                out,
                format!(
                    "there is no [{}]{near}; there are {}",
                    dotted("route", &feed.route),
                    sorted(names)
                ),
            );
        }
    }
}

fn sorted(mut names: Vec<&str>) -> String {
    names.sort_unstable();
    listing(&names)
}

/// A domain that has a route.
struct Feed {
    name: String,
    route: String,
    /// Its mail server, where that is written with it.
    server: Option<Node>,
    /// What says so, and where.
    key: String,
    place: Place,
}

impl Feed {
    fn tell(&self, out: &mut Vec<Mistake>, message: String) {
        out.push(Mistake {
            place: self.place.clone(),
            key: self.key.clone(),
            gravity: Gravity::Error,
            message,
        });
    }

    /// Names the domain among those of its route, and the route in the domain.
    fn join(&self, tree: &mut Node, owners: &mut HashMap<String, (String, Place)>, out: &mut Vec<Mistake>) {
        match owners.get(&self.name) {
            Some((other, place)) if *other != self.route => {
                let message = format!("its mail takes the route `{other}` already, by what is written at {place}");
                return self.tell(out, message);
            }
            Some(_) => {}
            None => {
                let name = leaf(&self.name, &self.key, &self.place);
                push(tree, &["route", &self.route, "domains"], name, &self.place);
                owners.insert(self.name.clone(), (self.route.clone(), self.place.clone()));
            }
        }
        if let Some(domain) = tree.within("domain").and_then(|domains| domains.within(&self.name)) {
            domain.put("route", leaf(&self.route, &self.key, &self.place));
        }
    }
}

/// The domains that have a route, each with its mail server taken out of its table.
fn feeds(tree: &mut Node, root: &Node, out: &mut Vec<Mistake>) -> Vec<Feed> {
    let Some(Node {
        what: What::Table(domains),
        ..
    }) = tree.within("domain")
    else {
        return Vec::new();
    };
    let mut feeds = Vec::new();
    for (name, domain) in domains {
        let What::Table(keys) = &mut domain.what else { continue };
        let server = keys.remove("server");
        let route = keys.get("route").and_then(|route| match &route.what {
            What::Leaf(Json::String(name)) => Some((name.clone(), route)),
            _ => None,
        });
        let feed = match (server, route) {
            (Some(server), Some((_, route))) => {
                out.push(route.mistake(
                    "the domain has a mail server of its own: leave out one of route and server (`--unset route` does)",
                ));
                Feed {
                    name: name.clone(),
                    route: name.clone(),
                    key: server.key.clone(),
                    place: server.key_place.clone(),
                    server: Some(server),
                }
            }
            (Some(server), None) => Feed {
                name: name.clone(),
                route: name.clone(),
                key: server.key.clone(),
                place: server.key_place.clone(),
                server: Some(server),
            },
            (None, Some((named, route))) => Feed {
                name: name.clone(),
                route: named,
                server: None,
                key: route.key.clone(),
                place: route.place.clone(),
            },
            // What is wrong with it has been told; that the domain is ours has been said all the same.
            (None, None) => match ["server", "route"]
                .iter()
                .find_map(|key| root.at(&["domain", name, key]))
            {
                Some(wrong) => Feed {
                    name: name.clone(),
                    route: String::new(),
                    server: None,
                    key: wrong.key.clone(),
                    place: wrong.key_place.clone(),
                },
                None => continue,
            },
        };
        feeds.push(feed);
    }
    feeds
}

/// The domains that routes name, each with the route's name and the place.
fn owners(tree: &Node) -> HashMap<String, (String, Place)> {
    let mut owners = HashMap::new();
    let Some(What::Table(routes)) = tree.at(&["route"]).map(|node| &node.what) else {
        return owners;
    };
    for (name, route) in routes {
        for (domain, place) in named(route.at(&["domains"])) {
            owners.insert(domain, (name.clone(), place));
        }
    }
    owners
}

fn local(tree: &Node) -> HashSet<String> {
    named(tree.at(&["local_domains"]))
        .into_iter()
        .map(|(domain, _)| domain)
        .collect()
}

/// The domains of a list, as they are compared, and where each is written.
fn named(list: Option<&Node>) -> Vec<(String, Place)> {
    let Some(What::List(list)) = list.map(|node| &node.what) else {
        return Vec::new();
    };
    let domain = |node: &Node| match &node.what {
        What::Leaf(Json::String(text)) => Some((text.parse::<LocalDomain>().ok()?.to_string(), node.place.clone())),
        _ => None,
    };
    list.iter().filter_map(domain).collect()
}

fn leaf(text: &str, key: &str, place: &Place) -> Node {
    Node {
        key: key.to_owned(),
        place: place.clone(),
        key_place: place.clone(),
        what: What::Leaf(text.into()),
    }
}

fn put_route(tree: &mut Node, name: &str, server: Node) {
    if tree.within("route").is_none() {
        let empty = Node {
            what: What::Table(std::collections::BTreeMap::new()),
            ..leaf("", "route", &server.key_place)
        };
        tree.put("route", empty);
    }
    if let Some(routes) = tree.within("route") {
        routes.put(name, server);
    }
}

/// Puts a value at the end of the list at a path whose tables are there; what is no list has been told.
fn push(tree: &mut Node, path: &[&str], value: Node, place: &Place) {
    let Some((last, above)) = path.split_last() else { return };
    let Some(table) = above.iter().try_fold(tree, |node, step| node.within(step)) else {
        return;
    };
    if table.within(last).is_none() {
        let list = Node {
            what: What::List(Vec::new()),
            ..leaf("", last, place)
        };
        table.put(last, list);
    }
    if let Some(Node {
        what: What::List(list), ..
    }) = table.within(last)
    {
        list.push(value);
    }
}
