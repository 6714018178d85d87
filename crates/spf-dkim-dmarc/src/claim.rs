//! What a signature's field says of itself (RFC 6376 §3.5, RFC 8617 §4.1): read strictly, believed not at all.

use mail_auth::common::crypto::Algorithm;
use mail_auth::dkim::Canonicalization;

use crate::names;
use crate::tags::{self, Tags};

/// The most names of one `h=` list.
pub const NAMES_MAX: usize = 100;
/// The most octets of a signature that are decoded: an RSA key of 4096 bits makes 512.
pub const SIGNATURE_MAX: usize = 2_048;

/// Which kind of field it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// DKIM-Signature.
    Dkim,
    /// ARC-Message-Signature.
    ArcMessage,
    /// ARC-Seal.
    ArcSeal,
}

/// How a signature was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Made {
    /// By an algorithm that counts.
    By(Algorithm),
    /// With SHA-1, which proves nothing any more (RFC 8301).
    Sha1,
}

/// What a signature says of itself.
#[derive(Clone, Debug)]
pub struct Claim {
    /// `i=` of ARC: which hand.
    pub instance: u8,
    /// `a=`.
    pub made: Made,
    /// `b=`.
    pub signature: Vec<u8>,
    /// `bh=`; empty in a seal.
    pub body_hash: Vec<u8>,
    /// `c=`, of the header section.
    pub header: Canonicalization,
    /// `c=`, of the body.
    pub body: Canonicalization,
    /// `d=`.
    pub domain: String,
    /// `s=`.
    pub selector: String,
    /// `h=`, in small letters.
    pub names: Vec<String>,
    /// The domain of `i=` of DKIM, where there is one.
    pub agent: Option<String>,
    /// `l=`.
    pub length: Option<u64>,
    /// `t=`.
    pub from: Option<u64>,
    /// `x=`.
    pub until: Option<u64>,
    /// `cv=` of a seal.
    pub chain: Option<String>,
}

/// What is told of a signature, whether or not it can be read.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Face {
    /// `d=`, where it is a name.
    pub domain: String,
    /// `s=`.
    pub selector: String,
    /// `a=`.
    pub algorithm: String,
    /// The first eight characters of `b=`.
    pub mark: String,
}

/// The most characters of a stranger's text that [`Face`] keeps.
const FACE_MAX: usize = 100;

impl Face {
    /// The face of a field, found without reading all of it.
    pub fn of(value: &[u8]) -> Face {
        let mut face = Face::default();
        for (name, value) in tags::parts(value).take(tags::TAGS_MAX).flatten() {
            let text = |most: usize| -> String {
                let solid = value.iter().filter(|b| b.is_ascii_graphic());
                solid.take(most).map(|&b| char::from(b)).collect()
            };
            match name {
                b"d" if face.domain.is_empty() => {
                    face.domain = names::plain(&text(names::NAME_MAX + 1)).unwrap_or_default()
                }
                b"s" if face.selector.is_empty() => face.selector = text(FACE_MAX),
                b"a" if face.algorithm.is_empty() => face.algorithm = text(20).to_ascii_lowercase(),
                b"b" if face.mark.is_empty() => face.mark = text(8),
                _ => {}
            }
        }
        face
    }
}

fn number(tags: &Tags<'_>, name: &str, wrong: &'static str) -> Result<Option<u64>, &'static str> {
    match tags.text(name) {
        None if tags.get(name).is_some() => Err(wrong),
        None => Ok(None),
        Some(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
            // Longer than u64 is later than ever, and longer than any body.
            Ok(Some(text.parse().unwrap_or(u64::MAX)))
        }
        Some(_) => Err(wrong),
    }
}

fn form(text: &str) -> Result<Canonicalization, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "simple" => Ok(Canonicalization::Simple),
        "relaxed" => Ok(Canonicalization::Relaxed),
        _ => Err("an unknown canonicalisation"),
    }
}

impl Claim {
    /// Reads a field's value; the error says in a few words what is wrong with it.
    pub fn parse(kind: Kind, value: &[u8]) -> Result<Claim, &'static str> {
        let tags = Tags::parse(value).ok_or("a malformed list of tags")?;
        if kind == Kind::Dkim && tags.text("v").as_deref() != Some("1") {
            return Err("an unknown version");
        }
        let made = match tags.text("a").map(|text| text.to_ascii_lowercase()).as_deref() {
            Some("rsa-sha256") => Made::By(Algorithm::RsaSha256),
            Some("ed25519-sha256") => Made::By(Algorithm::Ed25519Sha256),
            Some("rsa-sha1") => Made::Sha1,
            Some(_) => return Err("an unknown algorithm"),
            None => return Err("no algorithm"),
        };
        let octets = |name, none| {
            match tags.get(name) {
                Some(value) if value.len() <= 2 * SIGNATURE_MAX => {
                    tags::base64(value).filter(|octets| !octets.is_empty())
                }
                _ => None,
            }
            .ok_or(none)
        };
        let (header, body) = match tags.text("c") {
            Some(text) => {
                let (header, body) = text.split_once('/').unwrap_or((&text, "simple"));
                (form(header)?, form(body)?)
            }
            None if tags.get("c").is_some() => return Err("an unknown canonicalisation"),
            None => (Canonicalization::Simple, Canonicalization::Simple),
        };
        let name = |tag, none| tags.text(tag).and_then(|text| names::plain(&text)).ok_or(none);
        let domain = name("d", "no domain")?;
        let selector = name("s", "no selector")?;
        let mut claim = Claim {
            instance: 0,
            made,
            signature: octets("b", "no signature")?,
            body_hash: Vec::new(),
            header,
            body,
            domain,
            selector,
            names: Vec::new(),
            agent: None,
            length: number(&tags, "l", "a length that is no number")?,
            from: number(&tags, "t", "a time that is no number")?,
            until: number(&tags, "x", "an expiry that is no number")?,
            chain: None,
        };
        if claim.key_name().len() > names::NAME_MAX {
            return Err("a key name that is too long");
        }
        if kind != Kind::Dkim {
            claim.instance = match tags.text("i").and_then(|text| text.parse().ok()) {
                Some(instance @ 1..=50) => instance,
                _ => return Err("no instance number"),
            };
        }
        if kind == Kind::ArcSeal {
            if tags.get("h").is_some() {
                return Err("a seal with a list of fields");
            }
            claim.header = Canonicalization::Relaxed;
            claim.chain = tags.text("cv").map(|text| text.to_ascii_lowercase());
            return Ok(claim);
        }
        claim.body_hash = octets("bh", "no body hash")?;
        claim.names = signed(tags.get("h").unwrap_or_default())?;
        if !claim.names.iter().any(|name| name == "from") {
            return Err("From is not signed");
        }
        if let (Some(from), Some(until)) = (claim.from, claim.until)
            && until <= from
        {
            return Err("an expiry before its beginning");
        }
        if kind == Kind::Dkim {
            claim.methods(&tags)?;
        }
        Ok(claim)
    }

    /// What only DKIM has: `q=` and `i=`.
    fn methods(&mut self, tags: &Tags<'_>) -> Result<(), &'static str> {
        let by_dns = |text: String| text.to_ascii_lowercase().split(':').any(|way| way == "dns/txt");
        if tags.get("q").is_some() && !tags.text("q").is_some_and(by_dns) {
            return Err("a key that is not in DNS");
        }
        if tags.get("i").is_some() {
            let agent = tags.text("i").and_then(|text| names::plain(text.rsplit_once('@')?.1));
            let agent = agent.ok_or("an agent that is no address")?;
            if !names::is_within(&agent, &self.domain) {
                return Err("an agent of another domain");
            }
            self.agent = Some(agent);
        }
        Ok(())
    }

    /// Where its key lies.
    pub fn key_name(&self) -> String {
        format!("{}._domainkey.{}", self.selector, self.domain)
    }
}

fn signed(list: &[u8]) -> Result<Vec<String>, &'static str> {
    let mut names = Vec::new();
    for name in list.split(|&b| b == b':').map(<[u8]>::trim_ascii) {
        if names.len() >= NAMES_MAX {
            return Err("more than 100 signed fields");
        }
        match std::str::from_utf8(name) {
            Ok(name) if name.bytes().all(|b| b.is_ascii_graphic()) && !name.is_empty() => {
                names.push(name.to_ascii_lowercase())
            }
            _ if name.is_empty() => {}
            _ => return Err("a signed field that is no name"),
        }
    }
    if names.is_empty() {
        return Err("no signed fields");
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "v=1; a=rsa-sha256; c=relaxed; d=B.example; s=k1; h=From : To; bh=aGVsbG8=; b=aGVs\r\n bG8=";

    fn read(value: &str) -> Result<Claim, &'static str> {
        Claim::parse(Kind::Dkim, value.as_bytes())
    }

    #[test]
    fn a_signature_tells_how_it_was_made() {
        let claim = read(GOOD).expect("a signature");
        assert_eq!(claim.key_name(), "k1._domainkey.b.example");
        assert_eq!(claim.names, ["from", "to"]);
        assert_eq!(
            (claim.header, claim.body),
            (Canonicalization::Relaxed, Canonicalization::Simple)
        );
        assert_eq!((claim.length, claim.until), (None, None));
        assert_eq!(
            (claim.made, &*claim.signature),
            (Made::By(Algorithm::RsaSha256), &b"hello"[..])
        );
    }

    #[test]
    fn what_is_wrong_with_a_signature_is_said() {
        let with = |from: &str, to: &str| read(&GOOD.replace(from, to)).err();
        let names = "x:".repeat(NAMES_MAX);
        for (from, to, why) in [
            ("v=1", "v=2", "an unknown version"),
            ("rsa-sha256", "rsa-md5", "an unknown algorithm"),
            ("relaxed", "nofws", "an unknown canonicalisation"),
            ("d=B.example", "d=", "no domain"),
            ("d=B.example", "d=b.example; d=c.example", "a malformed list of tags"),
            ("s=k1", "s=k 1..", "no selector"),
            ("h=From : To", "h=To", "From is not signed"),
            ("h=From : To", &format!("h={names}From"), "more than 100 signed fields"),
            ("bh=aGVsbG8=", "bh=", "no body hash"),
            ("v=1", "v=1; t=5; x=5", "an expiry before its beginning"),
            ("v=1", "v=1; x=soon", "an expiry that is no number"),
            ("v=1", "v=1; l=-1", "a length that is no number"),
            ("v=1", "v=1; q=http", "a key that is not in DNS"),
            ("v=1", "v=1; i=@c.example", "an agent of another domain"),
            ("v=1", "v=1; i=@xb.example", "an agent of another domain"),
        ] {
            assert_eq!(with(from, to), Some(why), "{to}");
        }
        assert_eq!(with("v=1", "v=1; i=ann@x.b.example; x=9; q=dns/txt"), None);
        let label = "x".repeat(60);
        assert_eq!(
            with("s=k1", &format!("s={label}.{label}.{label}.{label}")),
            Some("a key name that is too long")
        );
    }

    #[test]
    fn a_face_is_found_on_whatever_cannot_be_read() {
        let face = Face::of(b"a=RSA-sha1; junk; d=B.Example.; b=abcdefghijk; d=c.example; s=\xff1\r\n 2");
        assert_eq!(
            face,
            Face {
                domain: "b.example".into(),
                selector: "12".into(),
                algorithm: "rsa-sha1".into(),
                mark: "abcdefgh".into()
            }
        );
    }
}
