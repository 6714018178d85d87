//! The RFC 7208 test suite, kept outside this tree (`make suites SUITES=DIR`): each case against a name server on loopback
//! that serves the zone of its scenario.
#![allow(clippy::disallowed_types, reason = "a name server has a socket")]
#![allow(clippy::disallowed_methods, reason = "where the suite is, the environment says")]
#![allow(clippy::disallowed_macros, reason = "how many cases passed is told")]

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::thread;
use std::time::Duration;

use gatepost_core::Time;
use gatepost_dns::{Resolver, Settings};
use gatepost_spf_dkim_dmarc::spf::{Answer, Question, check, identity, word};
use gatepost_testkit::FakeClock;
use yaml_rust2::{Yaml, YamlLoader};

/// How many cases the suite has.
const CASES: usize = 203;

#[test]
#[ignore = "the suite is not in this tree: make suites SUITES=DIR"]
fn every_case_of_the_rfc_7208_suite_passes() {
    let folder = std::env::var("GATEPOST_SUITES").expect("GATEPOST_SUITES names the folder of the suites");
    let file = Path::new(&folder).join("spf-rfc7208/rfc7208-tests.yml");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (mut passed, mut wrong) = (0, Vec::new());
    for scenario in YamlLoader::load_from_str(&text).expect("YAML") {
        let server = serve(Zone::of(&scenario["zonedata"]));
        // One for each scenario: what the last one's server said is not remembered.
        let settings = Settings {
            servers: vec![server],
            timeout: Duration::from_millis(500),
            attempts: 1,
            ..Settings::default()
        };
        let dns = runtime
            .block_on(async { Resolver::new(&settings, FakeClock::new()) })
            .expect("a resolver");
        for (name, case) in scenario["tests"].as_hash().expect("tests") {
            let (helo, from) = (string(&case["helo"]), string(&case["mailfrom"]));
            let (local, domain) = identity(from, helo);
            let client: IpAddr = string(&case["host"]).parse().expect("an address");
            let question = Question {
                client,
                helo,
                local,
                domain,
                receiver: "mx.example.com",
                now: Time::from_secs(1_800_000_000),
            };
            let answer = runtime.block_on(check(&dns, &question));
            match judge(case, &answer) {
                Ok(()) => passed += 1,
                Err(why) => wrong.push(format!("{}: {why}; {answer:?}", string(name))),
            }
        }
    }
    println!("SPF, RFC 7208 suite: {passed} of {} cases pass", passed + wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(passed, CASES, "the suite has other cases than it had");
}

fn judge(case: &Yaml, answer: &Answer) -> Result<(), String> {
    let word = word(answer.result);
    let wanted: Vec<&str> = list(&case["result"]).iter().map(string).collect();
    if !wanted.contains(&word) {
        return Err(format!("{word} where {wanted:?} is wanted"));
    }
    let explanation = answer.explanation.as_deref();
    match case["explanation"].as_str() {
        None => Ok(()),
        // The receiver's own words, where the domain has none.
        Some("DEFAULT") if explanation.is_none() => Ok(()),
        Some(wanted) if explanation == Some(wanted) => Ok(()),
        Some(wanted) => Err(format!("explained as {explanation:?} where {wanted:?} is wanted")),
    }
}

fn string(yaml: &Yaml) -> &str {
    yaml.as_str().unwrap_or_else(|| panic!("no text: {yaml:?}"))
}

/// A list, or the one thing that stands in place of one.
fn list(yaml: &Yaml) -> &[Yaml] {
    yaml.as_vec().map_or(std::slice::from_ref(yaml), Vec::as_slice)
}

/// The octets of a text: a character up to U+00FF stands for the octet of its number.
fn octets(text: &str) -> Vec<u8> {
    let latin: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    latin.unwrap_or_else(|| text.as_bytes().to_vec())
}

/// A name in the form of the wire.
fn wire(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        let label = octets(label);
        out.push(u8::try_from(label.len()).expect("a label"));
        out.extend(label);
    }
    out.push(0);
    out
}

const A: u16 = 1;
const CNAME: u16 = 5;
const PTR: u16 = 12;
const MX: u16 = 15;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const SPF: u16 = 99;
const NXDOMAIN: u8 = 3;

#[derive(Default, Debug)]
struct Name {
    records: Vec<(u16, Vec<u8>)>,
    aliases: Vec<String>,
    /// What is not recorded is not answered.
    silent: bool,
    rcode: u8,
}

#[derive(Debug)]
struct Zone(BTreeMap<String, Name>);

impl Zone {
    fn of(zonedata: &Yaml) -> Zone {
        let key = |name: &str| name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let names = zonedata.as_hash().expect("zonedata");
        Zone(
            names
                .iter()
                .map(|(name, entries)| (key(string(name)), Name::of(entries)))
                .collect(),
        )
    }

    /// The answer to a question; none where nobody answers.
    fn answer(&self, question: &[u8]) -> Option<Vec<u8>> {
        let (mut name, mut at) = (String::new(), 12);
        loop {
            let length = usize::from(*question.get(at)?);
            let label = question.get(at + 1..at + 1 + length)?;
            at += 1 + length;
            if length == 0 {
                break;
            }
            if !name.is_empty() {
                name.push('.');
            }
            name.extend(label.iter().map(|octet| char::from(octet.to_ascii_lowercase())));
        }
        let &[high, low, _, _] = question.get(at..at + 4)? else {
            return None;
        };
        let kind = u16::from_be_bytes([high, low]);
        let (mut rcode, mut count, mut records) = (0, 0_u16, Vec::new());
        let mut put = |owner: &str, kind: u16, data: &[u8]| {
            records.extend(wire(owner));
            records.extend(kind.to_be_bytes());
            records.extend([0, 1, 0, 0, 0, 60]);
            records.extend(u16::try_from(data.len()).expect("data").to_be_bytes());
            records.extend(data);
            count += 1;
        };
        // An alias of itself is followed as often as a patient server does.
        for _ in 0..12 {
            let Some(found) = self.0.get(&name) else {
                let below = format!(".{name}");
                if !self.0.keys().any(|known| known.ends_with(&below)) {
                    rcode = NXDOMAIN;
                }
                break;
            };
            let mut hits = found.records.iter().filter(|(it, _)| *it == kind).peekable();
            if hits.peek().is_some() {
                hits.for_each(|(_, data)| put(&name, kind, data));
                break;
            }
            let Some(alias) = found.aliases.first() else {
                if found.silent {
                    return None;
                }
                rcode = found.rcode;
                break;
            };
            put(&name, CNAME, &wire(alias));
            name = alias.strip_suffix('.').unwrap_or(alias).to_ascii_lowercase();
        }
        let mut out = question.get(..2)?.to_vec();
        out.extend([0x85, 0x80 | rcode, 0, 1]);
        out.extend(count.to_be_bytes());
        out.extend([0, 0, 0, 0]);
        out.extend(question.get(12..at + 4)?);
        out.extend(records);
        Some(out)
    }
}

impl Name {
    fn of(entries: &Yaml) -> Name {
        let mut name = Name::default();
        let (mut spf, mut has_text) = (Vec::new(), false);
        for entry in list(entries) {
            let Some(fields) = entry.as_hash() else {
                assert_eq!(string(entry), "TIMEOUT");
                name.silent = true;
                continue;
            };
            for (kind, value) in fields {
                let kind = string(kind);
                has_text |= kind == "TXT";
                if value.as_str() == Some("NONE") {
                    continue;
                }
                match kind {
                    "TXT" => name.records.push((TXT, text(value))),
                    "SPF" => {
                        name.records.push((SPF, text(value)));
                        spf.push((TXT, text(value)));
                    }
                    "A" => {
                        let address: std::net::Ipv4Addr = string(value).parse().expect("an address");
                        name.records.push((A, address.octets().to_vec()));
                    }
                    "AAAA" => {
                        let address: std::net::Ipv6Addr = string(value).parse().expect("an address");
                        name.records.push((AAAA, address.octets().to_vec()));
                    }
                    "PTR" => name.records.push((PTR, wire(string(value)))),
                    "MX" => {
                        let preference = u16::try_from(value[0].as_i64().expect("a number")).expect("a preference");
                        let data = [preference.to_be_bytes().to_vec(), wire(string(&value[1]))].concat();
                        name.records.push((MX, data));
                    }
                    "CNAME" => name.aliases.push(string(value).into()),
                    "RCODE" => name.rcode = u8::try_from(value.as_i64().expect("a number")).expect("a code"),
                    other => panic!("a record of the type {other}"),
                }
            }
        }
        // What is published under the type SPF stands for TXT where the name has none of its own.
        if !has_text {
            name.records.append(&mut spf);
        }
        name
    }
}

/// The strings of a TXT record.
fn text(value: &Yaml) -> Vec<u8> {
    let mut out = Vec::new();
    for part in list(value) {
        let part = octets(string(part));
        for piece in part.chunks(255) {
            out.push(u8::try_from(piece.len()).expect("a string"));
            out.extend(piece);
        }
    }
    // A record has at least one string.
    if out.is_empty() { vec![0] } else { out }
}

/// Serves a zone on loopback until the process ends.
fn serve(zone: Zone) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let address = socket.local_addr().expect("an address");
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            if let Some(answer) = zone.answer(&buffer[..length]) {
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    address
}
