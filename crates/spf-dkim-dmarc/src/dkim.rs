//! DKIM (RFC 6376): which signatures are looked at, and whether they hold.
//!
//! **Bounds (A-03):** of all signatures at most [`SIGNATURES_MAX`] are read, and before any is: those whose domain is
//! related to the author's, then from top to bottom. The rest is counted and nothing else. So a mail costs at most five
//! questions to DNS and five verifications, whatever it brings.
//!
//! **What is no pass:** a body that goes on beyond `l=`, SHA-1, an RSA key under 1024 or over 4096 bits, From unsigned.

use gatepost_core::message::{Headers, Message};
use gatepost_core::{DkimResult, Signature};
use mail_auth::common::crypto::Algorithm;
pub use mail_auth::dkim::Canonicalization;

use crate::canon::{Body, without_signature};
use crate::claim::{Claim, Face, Kind, Made};
use crate::fields::Fields;
use crate::key::{Key, NoKey};
use crate::names::is_within;

/// The most signatures that are looked at.
pub const SIGNATURES_MAX: usize = 5;
/// Octets of a body that are hashed between two looks at the time.
const PIECE: usize = 64 * 1024;

/// A result and its reason.
pub type Outcome = (DkimResult, &'static str);

/// A signature that is looked at.
pub struct Candidate {
    /// The place of its field.
    pub place: usize,
    /// What is told of it.
    pub face: Face,
    /// What it says of itself, or why it need not be looked at further.
    pub claim: Result<Claim, Outcome>,
}

/// The signatures of a mail.
#[derive(Default)]
pub struct Plan {
    /// Those that are looked at.
    pub candidates: Vec<Candidate>,
    /// How many more there are.
    pub left: u32,
}

/// How much a domain has to do with the author's: less is more. No public suffix is known here; the order decides only
/// which of too many signatures are looked at.
fn distance(domain: &str, author: Option<&str>) -> u8 {
    let Some(author) = author else { return 3 };
    let last_two = |name: &str| {
        let mut labels = name.rsplitn(3, '.');
        (labels.next().map(str::to_owned), labels.next().map(str::to_owned))
    };
    match () {
        () if domain == author => 0,
        () if !domain.is_empty() && (is_within(domain, author) || is_within(author, domain)) => 1,
        () if last_two(domain) == last_two(author) => 2,
        () => 3,
    }
}

impl Plan {
    /// Chooses the signatures of a mail by this author.
    pub fn of(headers: &Headers, author: Option<&str>) -> Plan {
        let mut all: Vec<(usize, Face)> = headers
            .iter()
            .filter(|header| header.is("DKIM-Signature"))
            .map(|header| (header.index(), Face::of(header.value())))
            .collect();
        all.sort_by_key(|(place, face)| (distance(&face.domain, author), *place));
        let left = all.len().saturating_sub(SIGNATURES_MAX);
        all.truncate(SIGNATURES_MAX);
        let candidates = all.into_iter().filter_map(|(place, face)| {
            let claim = match Claim::parse(Kind::Dkim, headers.at(place)?.value()) {
                Ok(claim) if claim.made == Made::Sha1 => Err((DkimResult::Fail, "made with SHA-1")),
                Ok(claim) => Ok(claim),
                Err(why @ "From is not signed") => Err((DkimResult::PermError, why)),
                Err(why) => Err((DkimResult::Neutral, why)),
            };
            Some(Candidate { place, face, claim })
        });
        Plan {
            candidates: candidates.collect(),
            left: u32::try_from(left).unwrap_or(u32::MAX),
        }
    }
}

/// What a key that is not there makes of a signature.
pub fn without_key(why: NoKey) -> Outcome {
    match why {
        NoKey::Trouble => (DkimResult::TempError, "its key cannot be looked up"),
        NoKey::None(why) => (DkimResult::PermError, why),
        NoKey::Short => (DkimResult::Fail, "its key has fewer than 1024 bits"),
        NoKey::Long => (DkimResult::Policy, "its key has more than 4096 bits"),
    }
}

/// How a body is covered: its canonical form, and how many octets of that (`l=`).
pub type Form = (Canonicalization, Option<u64>);
/// A hash, and how many octets the canonical form has in all.
type Hashed = (Vec<u8>, u64);

/// The body of a mail in the forms that its signatures cover.
#[derive(Default)]
pub struct Bodies(Vec<(Form, Hashed)>);

/// The body could not be read, or the time was over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unread;

impl Bodies {
    /// Hashes a body in these forms, in one pass. `spent` is asked now and then whether the time is over.
    pub fn hash(
        message: &Message,
        forms: impl Iterator<Item = Form>,
        spent: &dyn Fn() -> bool,
    ) -> Result<Bodies, Unread> {
        let mut bodies: Vec<(Form, Body)> = Vec::new();
        for form in forms {
            if !bodies.iter().any(|(known, _)| *known == form) {
                bodies.push((form, Body::new(form.0, form.1)));
            }
        }
        let content = message.body();
        match content.whole() {
            Some(whole) => {
                for piece in whole.chunks(PIECE) {
                    if spent() {
                        return Err(Unread);
                    }
                    bodies.iter_mut().for_each(|(_, body)| body.write(piece));
                }
            }
            None => {
                let (mut at, mut piece) = (0, vec![0; PIECE]);
                while at < content.len() && !bodies.is_empty() {
                    let n = content.read_at(at, &mut piece).map_err(|_| Unread)?;
                    let read = piece.get(..n).filter(|read| !read.is_empty()).ok_or(Unread)?;
                    if spent() {
                        return Err(Unread);
                    }
                    bodies.iter_mut().for_each(|(_, body)| body.write(read));
                    at += n as u64;
                }
            }
        }
        let done = bodies.into_iter().map(|(form, body)| (form, body.finish()));
        Ok(Bodies(done.collect()))
    }

    fn find(&self, form: Canonicalization, length: Option<u64>) -> Option<&Hashed> {
        let found = self.0.iter().find(|(known, _)| *known == (form, length));
        found.map(|(_, hashed)| hashed)
    }

    /// Whether the body is the one that was signed: how much of it was not, or why it is not.
    pub fn covered(&self, claim: &Claim) -> Result<u64, &'static str> {
        let (hash, len) = self.find(claim.body, claim.length).ok_or("the body was not read")?;
        if claim.length.is_some_and(|signed| signed > *len) {
            return Err("the body is shorter than what was signed");
        }
        if *hash != claim.body_hash {
            return Err("the body was changed");
        }
        Ok(claim.length.map_or(0, |signed| len.saturating_sub(signed)))
    }
}

/// Whether a signature's own field and those that it names are of this key.
pub fn header_holds(fields: &Fields<'_>, place: usize, claim: &Claim, key: &Key) -> Result<(), &'static str> {
    let (name, value) = fields.at(place).ok_or("its field is not there")?;
    let value = value.strip_suffix(b"\n").unwrap_or(value);
    let bare = without_signature(value.strip_suffix(b"\r").unwrap_or(value));
    let mut signed = fields.signed(&claim.names);
    signed.push((name, &bare));
    if claim.header == Canonicalization::Relaxed && signed.iter().any(|(_, value)| has_odd_space(value)) {
        return Err("a signed field has white space that is none (RFC 6376)");
    }
    key.verifies(signed.into_iter(), claim.header, &claim.signature, algorithm(claim)?)
}

/// Whether a value has what some read as white space, and so leave out, and others do not: FF, VT, or CR without LF.
pub fn has_odd_space(value: &[u8]) -> bool {
    let next = value.iter().skip(1).map(Some).chain([None]);
    value.iter().zip(next).any(|(octet, next)| match octet {
        0x0b | 0x0c => true,
        b'\r' => next != Some(&b'\n'),
        _ => false,
    })
}

/// The algorithm of a claim that was not made with SHA-1.
pub fn algorithm(claim: &Claim) -> Result<Algorithm, &'static str> {
    match claim.made {
        Made::By(algorithm) => Ok(algorithm),
        Made::Sha1 => Err("made with SHA-1"),
    }
}

/// Verifies one signature; `now` in seconds since the epoch.
pub fn verify(fields: &Fields<'_>, bodies: &Bodies, place: usize, claim: &Claim, key: &Key, now: u64) -> Outcome {
    if claim.until.is_some_and(|until| until < now) {
        return (DkimResult::Fail, "it has expired");
    }
    if key.strict && claim.agent.as_ref().is_some_and(|agent| *agent != claim.domain) {
        return (DkimResult::Fail, "its agent is not of the key's own domain");
    }
    let beyond = match bodies.covered(claim) {
        Ok(beyond) => beyond,
        Err(why) => return (DkimResult::Fail, why),
    };
    match header_holds(fields, place, claim, key) {
        Err(why) => (DkimResult::Fail, why),
        Ok(()) if beyond > 0 => (DkimResult::Policy, "the body goes on beyond what was signed"),
        Ok(()) => (DkimResult::Pass, ""),
    }
}

/// What is told of a candidate.
pub fn told(candidate: &Candidate, outcome: Outcome) -> Signature {
    let mut told = Signature::default();
    let Face {
        domain,
        selector,
        algorithm,
        mark,
    } = &candidate.face;
    told.domain = domain.as_str().into();
    told.selector = selector.as_str().into();
    told.algorithm = algorithm.as_str().into();
    told.mark = mark.as_str().into();
    (told.result, told.reason) = (outcome.0, outcome.1.into());
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_spaces_tabs_and_folds_are_white_space() {
        for value in ["a b\tc\r\n d\r\n", "", "\r\n", "a\n"] {
            assert!(!has_odd_space(value.as_bytes()), "{value:?}");
        }
        for value in ["a\x0cb", "a\x0bb", "a\rb\r\n", "a\r", "a\r\r\n"] {
            assert!(has_odd_space(value.as_bytes()), "{value:?}");
        }
    }

    fn chosen(mail: &str, author: Option<&str>) -> (Vec<String>, u32) {
        let message = Message::from_bytes(mail.as_bytes().to_vec());
        let plan = Plan::of(message.headers(), author);
        let domains = plan.candidates.iter().map(|candidate| candidate.face.domain.clone());
        (domains.collect(), plan.left)
    }

    #[test]
    fn of_many_signatures_the_authors_come_first_and_the_rest_is_counted() {
        let mail: String = [
            "x.example",
            "y.test",
            "mail.b.example",
            "other.example",
            "b.example",
            "z.test",
            "w.test",
        ]
        .iter()
        .map(|domain| format!("DKIM-Signature: v=1; d={domain}\r\n"))
        .collect();
        let want = ["b.example", "mail.b.example", "x.example", "y.test", "other.example"];
        assert_eq!(chosen(&mail, Some("b.example")), (want.map(str::to_owned).to_vec(), 2));
        let (top, _) = chosen(&mail, None);
        assert_eq!(
            top,
            ["x.example", "y.test", "mail.b.example", "other.example", "b.example"]
        );
    }

    #[test]
    fn relatives_are_told_by_labels() {
        let distances = ["b.example", "a.b.example", "example", "c.example", "b.test", ""]
            .map(|domain| distance(domain, Some("b.example")));
        assert_eq!(distances, [0, 1, 1, 3, 3, 3]);
        assert_eq!(distance("m.b.example", Some("n.b.example")), 2);
    }

    #[test]
    fn a_body_is_hashed_once_a_form_and_the_budget_is_asked() {
        let message = Message::from_bytes(&b"A: b\r\n\r\nhello \r\n"[..]);
        let forms = [
            (Canonicalization::Simple, None),
            (Canonicalization::Relaxed, None),
            (Canonicalization::Simple, None),
        ];
        let bodies = Bodies::hash(&message, forms.into_iter(), &|| false).expect("a body");
        assert_eq!(bodies.0.len(), 2);
        assert_eq!(
            bodies.find(Canonicalization::Relaxed, None).map(|(_, len)| *len),
            Some(7)
        );
        assert!(Bodies::hash(&message, forms.into_iter(), &|| true).is_err());
    }
}
