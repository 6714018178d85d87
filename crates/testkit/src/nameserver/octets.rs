//! Questions and answers as octets (RFC 1035 §4), as much of them as tests need: no compression, no EDNS.

use std::time::Duration;

use crate::zone::{Data, TTL};

/// The answer's code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Code {
    Well = 0,
    ServFail = 2,
    NoSuchName = 3,
    Refused = 5,
}

/// A question.
pub struct Question {
    id: [u8; 2],
    /// Whether recursion is desired, which is given back.
    desired: u8,
    /// The name as text in lower case, octets other than printable ones as `\DDD`.
    pub name: String,
    kind: u16,
    /// The question as it came.
    raw: Vec<u8>,
}

const KINDS: [(u16, &str); 8] = [
    (1, "A"),
    (2, "NS"),
    (5, "CNAME"),
    (6, "SOA"),
    (12, "PTR"),
    (15, "MX"),
    (16, "TXT"),
    (28, "AAAA"),
];

impl Question {
    /// The first question of a message.
    pub fn read(octets: &[u8]) -> Option<Question> {
        let (mut at, mut labels) = (12, Vec::new());
        loop {
            let length = usize::from(*octets.get(at)?);
            if length == 0 {
                break;
            }
            labels.push(text(octets.get(at + 1..at + 1 + length)?));
            at += 1 + length;
        }
        let kind = octets.get(at + 1..at + 3)?.try_into().ok()?;
        Some(Question {
            id: octets.get(..2)?.try_into().ok()?,
            desired: octets.get(2)? & 1,
            name: labels.join("."),
            kind: u16::from_be_bytes(kind),
            raw: octets.get(12..at + 5)?.to_vec(),
        })
    }

    /// The type's name.
    pub fn kind_name(&self) -> String {
        let known = KINDS.iter().find(|(kind, _)| *kind == self.kind);
        known.map_or_else(|| format!("TYPE{}", self.kind), |(_, name)| (*name).to_owned())
    }

    /// Whether a record is of the type that is asked for.
    pub fn wants(&self, data: &Data) -> bool {
        kind(data) == self.kind
    }

    /// The same question with another id.
    pub fn other(&self) -> Question {
        Question {
            id: self.id.map(|octet| !octet),
            raw: self.raw.clone(),
            name: self.name.clone(),
            ..*self
        }
    }

    fn head(&self, truncated: bool, code: Code, answers: usize, authorities: u16) -> Vec<u8> {
        let flags = 0x80 | (u8::from(truncated) << 1) | self.desired;
        let answers = u16::try_from(answers).unwrap_or(u16::MAX);
        let mut out = self.id.to_vec();
        out.extend([flags, 0x80 | code as u8, 0, 1]);
        out.extend(answers.to_be_bytes());
        out.extend(authorities.to_be_bytes());
        out.extend([0, 0]);
        out.extend(&self.raw);
        out
    }

    /// Says that the answer is truncated.
    pub fn truncated(&self) -> Vec<u8> {
        self.head(true, Code::Well, 0, 0)
    }

    /// An answer with these records. Where what is asked for is not among them, an SOA tells how long that holds.
    pub fn answer(&self, code: Code, records: &[(String, Duration, Data)]) -> Vec<u8> {
        let found = records.iter().any(|(_, _, data)| self.wants(data));
        let absent = !found && matches!(code, Code::Well | Code::NoSuchName);
        let mut out = self.head(false, code, records.len(), absent.into());
        for (name, ttl, data) in records {
            record(&mut out, name, kind(data), *ttl, &octets(data));
        }
        if absent {
            let zone = self.name.rsplit('.').next().unwrap_or_default();
            let mut soa = [name(""), name("")].concat();
            let seconds = u32::try_from(TTL.as_secs()).unwrap_or(u32::MAX);
            for number in [1, 3_600, 600, 86_400, seconds] {
                soa.extend(number.to_be_bytes());
            }
            record(&mut out, zone, 6, TTL, &soa);
        }
        out
    }
}

fn record(out: &mut Vec<u8>, owner: &str, kind: u16, ttl: Duration, data: &[u8]) {
    out.extend(name(owner));
    out.extend(kind.to_be_bytes());
    out.extend([0, 1]);
    out.extend(u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(data);
}

fn kind(data: &Data) -> u16 {
    match data {
        Data::A(_) => 1,
        Data::Ns(_) => 2,
        Data::Cname(_) => 5,
        Data::Ptr(_) => 12,
        Data::Mx(_) => 15,
        Data::Txt(_) => 16,
        Data::Aaaa(_) => 28,
    }
}

fn octets(data: &Data) -> Vec<u8> {
    match data {
        Data::A(address) => address.octets().into(),
        Data::Aaaa(address) => address.octets().into(),
        Data::Ptr(host) | Data::Ns(host) => name(host),
        Data::Cname(host) => name(host),
        Data::Mx(mx) => [&mx.preference.to_be_bytes()[..], &name(&mx.host)].concat(),
        Data::Txt(text) if text.is_empty() => vec![0],
        Data::Txt(text) => text
            .chunks(255)
            .flat_map(|part| [&[u8::try_from(part.len()).unwrap_or(255)][..], part].concat())
            .collect(),
    }
}

/// The text of a label.
fn text(label: &[u8]) -> String {
    label
        .iter()
        .map(|octet| match octet.to_ascii_lowercase() {
            b'.' => "\\.".to_owned(),
            b'\\' => "\\\\".to_owned(),
            octet @ b'!'..=b'~' => char::from(octet).to_string(),
            octet => format!("\\{octet:03}"),
        })
        .collect()
}

/// A name from its text.
fn name(text: &str) -> Vec<u8> {
    let (mut out, mut label) = (Vec::new(), Vec::new());
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        match octet {
            b'.' => push(&mut out, &mut label),
            b'\\' => match octets.next() {
                Some(first @ b'0'..=b'9') => {
                    let digits = [Some(first), octets.next(), octets.next()];
                    let number = digits.iter().flatten().fold(0_u16, |n, d| n * 10 + u16::from(d - b'0'));
                    label.push(number.to_be_bytes()[1]);
                }
                other => label.extend(other),
            },
            octet => label.push(octet),
        }
    }
    push(&mut out, &mut label);
    out.push(0);
    out
}

fn push(out: &mut Vec<u8>, label: &mut Vec<u8>) {
    if !label.is_empty() {
        out.push(u8::try_from(label.len().min(63)).unwrap_or(63));
        out.extend(label.iter().take(63));
        label.clear();
    }
}
