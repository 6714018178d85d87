//! Whether a list is well (RFC 5782 §5): what must be listed is, and what must not is not.
//!
//! A list that is gone answers nobody, or, once its domain is sold, for everything; one that does not serve a resolver may
//! answer it with what looks like a listing. So each list is asked about two entries of its own, and one that fails is out
//! until it is well again. **Absent on purpose:** how often. What is known is kept by whoever asks.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use gatepost_core::{Dns, Fault};

use crate::answer::{Answer, Code, Unusable, refusal};
use crate::list::List;
use crate::name;
use crate::options::{Check, Kind};

/// Which entries of a list are meant; each part is well or not for itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Part {
    /// IPv4 addresses.
    V4,
    /// IPv6 addresses.
    V6,
    /// Domains.
    Domains,
}

impl Part {
    /// The part that an address belongs to.
    pub fn of(address: IpAddr) -> Part {
        match address.to_canonical() {
            IpAddr::V4(_) => Part::V4,
            IpAddr::V6(_) => Part::V6,
        }
    }

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Part::V4 => "IPv4",
            Part::V6 => "IPv6",
            Part::Domains => "domains",
        }
    }
}

/// The parts that a list has.
pub fn parts(list: &List) -> Vec<Part> {
    let has = |kinds: &[Kind]| list.kinds.iter().any(|kind| kinds.contains(kind));
    let addresses = has(&[Kind::Address, Kind::NameServer]);
    let mut parts = Vec::new();
    if addresses {
        parts.push(Part::V4);
    }
    if list.ipv6.is_some() && has(&[Kind::Address]) {
        parts.push(Part::V6);
    }
    if has(&[Kind::Domain]) || !addresses {
        parts.push(Part::Domains);
    }
    parts
}

/// How a list is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Health {
    /// Well.
    Well,
    /// It does not serve this resolver, and says so by this code.
    Refuses(Ipv4Addr),
    /// What must not be listed is listed, or it answers what no list answers.
    Everything,
    /// What must be listed is not.
    Empty,
    /// Nobody answers.
    Silent,
}

impl Health {
    /// The kinds of alarm, all of which are over when a list is well.
    pub const ALARMS: [&'static str; 4] = [
        "dns_list_refuses",
        "dns_list_answers_everything",
        "dns_list_empty",
        "dns_list_silent",
    ];

    /// Which alarm it is worth.
    pub fn alarm(self) -> Option<&'static str> {
        let [refuses, everything, empty, silent] = Health::ALARMS;
        match self {
            Health::Well => None,
            Health::Refuses(_) => Some(refuses),
            Health::Everything => Some(everything),
            Health::Empty => Some(empty),
            Health::Silent => Some(silent),
        }
    }

    /// What an unusable answer to an ordinary question says of the list.
    pub fn after(why: Unusable) -> Option<Health> {
        match why {
            Unusable::Refused(code) => Some(Health::Refuses(code)),
            Unusable::Foreign(_) => Some(Health::Everything),
            Unusable::Undocumented(_) | Unusable::Fault(_) | Unusable::Ours(_) | Unusable::Late => None,
        }
    }

    /// As it is stored.
    pub fn write(self) -> [u8; 5] {
        let (kind, [a, b, c, d]) = match self {
            Health::Well => (0, [0; 4]),
            Health::Refuses(code) => (1, code.octets()),
            Health::Everything => (2, [0; 4]),
            Health::Empty => (3, [0; 4]),
            Health::Silent => (4, [0; 4]),
        };
        [kind, a, b, c, d]
    }

    /// What was stored; `None` where it is nonsense.
    pub fn read(stored: &[u8]) -> Option<Health> {
        let [kind, a, b, c, d] = *<&[u8; 5]>::try_from(stored).ok()?;
        match kind {
            0 => Some(Health::Well),
            1 => Some(Health::Refuses(Ipv4Addr::new(a, b, c, d))),
            2 => Some(Health::Everything),
            3 => Some(Health::Empty),
            4 => Some(Health::Silent),
            _ => None,
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Health::Well => f.write_str("ok"),
            Health::Refuses(code) => write!(f, "refuses this resolver: {code} {}", refusal(*code)),
            Health::Everything => f.write_str("answers for everything"),
            Health::Empty => f.write_str("lists nothing"),
            Health::Silent => f.write_str("no answer"),
        }
    }
}

/// One question of a check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Probe {
    /// What is asked.
    pub name: String,
    /// Whether it must be listed.
    pub listed: bool,
}

/// The questions that tell whether a part of a list is well; none where it is believed to be.
pub fn probes(list: &List, part: Part) -> Vec<Probe> {
    let probe = |listed: bool| {
        let own = if listed { &list.test_entry } else { &list.clean_entry };
        let name = match (part, own) {
            (Part::Domains, Some(own)) => list.of_domain(own),
            (Part::Domains, None) => list.of_domain(if listed { "test" } else { "invalid" }),
            (_, Some(own)) => own
                .parse()
                .ok()
                .filter(|own| Part::of(*own) == part)
                .and_then(|own| list.of_address(own)),
            (..) => None,
        };
        let usual = [127, 0, 0, if listed { 2 } else { 1 }];
        let name = match (name, part) {
            (Some(name), _) => name,
            (None, Part::V6) => name::of_mapped(usual, list.ipv6?, list.zone.asked()),
            (None, Part::V4) => list.of_address(Ipv4Addr::from(usual).into())?,
            (None, Part::Domains) => return None,
        };
        Some(Probe { name, listed })
    };
    let (test, clean) = match list.check {
        Check::Both => (true, true),
        Check::Test => (true, false),
        Check::Clean => (false, true),
        Check::None => (false, false),
    };
    let wanted = [test.then_some(true), clean.then_some(false)];
    wanted.into_iter().flatten().filter_map(probe).collect()
}

/// A question that no list has and nobody has asked before, whose absence no resolver remembers: `token` is another one
/// each time. A list that answers for everything answers it too, from the first minute on.
pub fn fresh(list: &List, part: Part, token: u64) -> Option<String> {
    match part {
        Part::Domains => list.of_domain(&format!("{token:016x}.invalid")),
        // No address, so nobody's.
        Part::V4 | Part::V6 => list.of_domain(&format!("{token:016x}")),
    }
}

/// The answer of DNS to one question.
pub async fn ask(dns: &dyn Dns, name: &str) -> Result<Vec<Ipv4Addr>, Unusable> {
    match dns.a(name).await {
        Ok(found) => Ok(found.into_records()),
        Err(Fault::Unavailable(what)) if is_ours(what) => Err(Unusable::Ours(what)),
        Err(Fault::Unavailable(what)) => Err(Unusable::Fault(what)),
        Err(_) => Err(Unusable::Fault("DNS: no usable answer")),
    }
}

/// Whether a fault says nothing of the list that was to be asked.
fn is_ours(what: &'static str) -> bool {
    [Fault::DNS_SILENT, Fault::DNS_BUSY].contains(&Fault::Unavailable(what))
}

/// What the answers to the probes come to; each is the records that came, or that none came.
pub fn judge<'a>(
    code: &Code,
    answers: impl IntoIterator<Item = (&'a Probe, Result<Vec<Ipv4Addr>, Unusable>)>,
) -> Health {
    let mut health = Health::Well;
    for (probe, answer) in answers {
        let here = match answer.as_deref().map(|records| code.read(records)) {
            Err(Unusable::Refused(code)) => Health::Refuses(*code),
            Err(_) => Health::Silent,
            Ok(Answer::Unusable(why)) => match (Health::after(why), probe.listed) {
                (Some(health), _) => health,
                // A test entry may have an answer of its own.
                (None, true) => Health::Well,
                (None, false) => Health::Everything,
            },
            Ok(Answer::Listed(_)) if !probe.listed => Health::Everything,
            Ok(Answer::Clear) if probe.listed => Health::Empty,
            Ok(Answer::Listed(_) | Answer::Clear) => Health::Well,
        };
        if rank(here) > rank(health) {
            health = here;
        }
    }
    health
}

/// The more telling answer of two counts.
fn rank(health: Health) -> u8 {
    match health {
        Health::Well => 0,
        Health::Empty => 1,
        Health::Silent => 2,
        Health::Everything => 3,
        Health::Refuses(_) => 4,
    }
}

#[cfg(test)]
mod tests {
    use gatepost_core::Options;

    use super::*;
    use crate::list;

    fn list(json: &str) -> List {
        let table = format!(r#"{{"shipped": false, "lists": {{"l": {json}}}}}"#);
        let config = Options::new(serde_json::from_str(&table).expect("a table"))
            .read()
            .expect("options");
        list::all(&config).expect("a list").remove(0)
    }

    fn asked(list: &List, part: Part) -> Vec<(String, bool)> {
        probes(list, part)
            .into_iter()
            .map(|probe| (probe.name, probe.listed))
            .collect()
    }

    #[test]
    fn each_part_has_its_own_entries() {
        let plain = list(r#"{"zone": "l.example", "ipv6": "whole"}"#);
        assert_eq!(parts(&plain), [Part::V4, Part::V6]);
        assert_eq!(
            asked(&plain, Part::V4),
            [
                ("2.0.0.127.l.example".into(), true),
                ("1.0.0.127.l.example".into(), false)
            ]
        );
        let six = |first| format!("{first}.0.0.0.0.0.f.7.f.f.f.f{}.l.example", ".0".repeat(20));
        assert_eq!(asked(&plain, Part::V6), [(six(2), true), (six(1), false)]);
        let domains = list(r#"{"zone": "l.example", "kinds": ["domain", "link_address"]}"#);
        assert_eq!(parts(&domains), [Part::Domains]);
        assert_eq!(
            asked(&domains, Part::Domains),
            [("test.l.example".into(), true), ("invalid.l.example".into(), false)]
        );
    }

    #[test]
    fn a_list_may_be_checked_in_its_own_way() {
        let own = list(r#"{"zone": "l.example", "kinds": ["domain"], "test_entry": "t.example", "check": "test"}"#);
        assert_eq!(asked(&own, Part::Domains), [("t.example.l.example".into(), true)]);
        let clean = list(r#"{"zone": "l.example", "check": "clean", "clean_entry": "192.0.2.9"}"#);
        assert_eq!(asked(&clean, Part::V4), [("9.2.0.192.l.example".into(), false)]);
        assert_eq!(asked(&list(r#"{"zone": "l.example", "check": "none"}"#), Part::V4), []);
    }

    #[test]
    fn a_list_is_well_only_if_both_entries_are_as_they_must() {
        let list = list(r#"{"zone": "l.example", "answers": [{"answer": "127.0.0.4"}], "refusals": ["127.0.0.255"]}"#);
        let probes = probes(&list, Part::V4);
        let ip = |last| Ipv4Addr::new(127, 0, 0, last);
        let refused = Ipv4Addr::new(127, 255, 255, 254);
        let silent = || Err(Unusable::Late);
        for (test, clean, expected) in [
            (Ok(vec![ip(4)]), Ok(vec![]), Health::Well),
            (Ok(vec![ip(2)]), Ok(vec![]), Health::Well),
            (Ok(vec![]), Ok(vec![]), Health::Empty),
            (Ok(vec![ip(4)]), Ok(vec![ip(4)]), Health::Everything),
            (Ok(vec![ip(4)]), Ok(vec![ip(2)]), Health::Everything),
            (Ok(vec![Ipv4Addr::new(192, 0, 2, 1)]), silent(), Health::Everything),
            (Ok(vec![refused]), Ok(vec![refused]), Health::Refuses(refused)),
            (Ok(vec![ip(255)]), Ok(vec![]), Health::Refuses(ip(255))),
            (Ok(vec![ip(4)]), silent(), Health::Silent),
            (silent(), Ok(vec![]), Health::Silent),
        ] {
            let answers = probes.iter().zip([test.clone(), clean.clone()]);
            assert_eq!(judge(&list.code, answers), expected, "{test:?} {clean:?}");
        }
        assert_eq!(judge(&list.code, []), Health::Well, "who is not checked is believed");
    }

    #[test]
    fn what_is_stored_reads_back_and_nonsense_is_nothing() {
        let refuses = Health::Refuses(Ipv4Addr::new(127, 255, 255, 254));
        for health in [Health::Well, refuses, Health::Everything, Health::Empty, Health::Silent] {
            assert_eq!(Health::read(&health.write()), Some(health));
        }
        for nonsense in [&b""[..], b"\xff\0nonsense", b"\x09\0\0\0\0"] {
            assert_eq!(Health::read(nonsense), None);
        }
    }
}
