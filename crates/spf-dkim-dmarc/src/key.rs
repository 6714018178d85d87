//! Public keys (RFC 6376 §3.6.1), as DNS has them.

use gatepost_core::{Dns, Lookup};
use mail_auth::common::crypto::{Algorithm, VerifyingKey};
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;

use crate::tags::{self, Tags};

/// The fewest bits of an RSA key that prove anything (RFC 8301).
pub const BITS_MIN: usize = 1_024;
/// The most bits of an RSA key whose work is done.
pub const BITS_MAX: usize = 4_096;
/// The most octets of a record that are read.
const RECORD_MAX: usize = 16_384;

/// Why there is no key to verify with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoKey {
    /// DNS does not say.
    Trouble,
    /// DNS says that there is none, or it cannot be used.
    None(&'static str),
    /// An RSA key that is too short to prove anything.
    Short,
    /// An RSA key that is too long to be worth its work.
    Long,
}

/// A key.
pub struct Key {
    key: Box<dyn VerifyingKey + Send + Sync>,
    algorithm: Algorithm,
    /// `t=s`: the agent must be of the very domain.
    pub strict: bool,
}

impl Key {
    /// Reads a key's record.
    pub fn parse(record: &[u8]) -> Result<Key, NoKey> {
        let bad = |why| NoKey::None(why);
        if record.len() > RECORD_MAX {
            return Err(bad("its record is too long"));
        }
        let tags = Tags::parse(record).ok_or(bad("its record is malformed"))?;
        let version = tags.get("v");
        let is_first = tags.first().is_some_and(|(name, _)| name == b"v");
        if version.is_some_and(|version| version != b"DKIM1" || !is_first) {
            return Err(bad("its record is of an unknown version"));
        }
        let lists = |tag, word: &str| {
            let list = tags.text(tag);
            list.is_none_or(|list| list.split(':').any(|one| one.eq_ignore_ascii_case(word) || one == "*"))
        };
        if !lists("h", "sha256") {
            return Err(bad("the key is not for SHA-256"));
        }
        if !lists("s", "email") {
            return Err(bad("the key is not for mail"));
        }
        let algorithm = match tags
            .text("k")
            .unwrap_or_else(|| "rsa".into())
            .to_ascii_lowercase()
            .as_str()
        {
            "rsa" => Algorithm::RsaSha256,
            "ed25519" => Algorithm::Ed25519Sha256,
            _ => return Err(bad("an unknown kind of key")),
        };
        let octets = tags.get("p").ok_or(bad("no key in its record"))?;
        if octets.is_empty() {
            return Err(bad("the key is revoked"));
        }
        let octets = tags::base64(octets).ok_or(bad("its record is malformed"))?;
        let kind = match algorithm {
            Algorithm::Ed25519Sha256 => "ed25519",
            _ => "rsa",
        };
        // What mail-auth reads is written by us: its own reading of records is laxer than ours.
        use base64::Engine;
        let text = base64::engine::general_purpose::STANDARD.encode(octets);
        let DomainKey { p: key, .. } =
            DomainKey::parse(format!("k={kind}; p={text}").as_bytes()).map_err(|_| bad("the key cannot be read"))?;
        if algorithm == Algorithm::RsaSha256 {
            match key.public_key_bits() {
                0 => return Err(bad("the key cannot be read")),
                bits if bits < BITS_MIN => return Err(NoKey::Short),
                bits if bits > BITS_MAX => return Err(NoKey::Long),
                _ => {}
            }
        }
        let strict = tags
            .text("t")
            .is_some_and(|list| list.split(':').any(|flag| flag == "s"));
        Ok(Key { key, algorithm, strict })
    }

    /// Asks DNS for a key. Several records at one name are tried in no order; the first that is a key counts.
    pub async fn find(dns: &dyn Dns, name: &str) -> Result<Key, NoKey> {
        /// Records at one name that are read.
        const RECORDS_MAX: usize = 5;
        let records = match dns.txt(name).await {
            Ok(Lookup::Found { records, .. }) => records,
            Ok(_) => return Err(NoKey::None("no such key")),
            Err(_) => return Err(NoKey::Trouble),
        };
        let mut first = None;
        for record in records.iter().take(RECORDS_MAX) {
            match Key::parse(record) {
                Ok(key) => return Ok(key),
                Err(why) => drop(first.get_or_insert(why)),
            }
        }
        Err(first.unwrap_or(NoKey::None("no such key")))
    }

    /// Whether a signature over these fields is of this key.
    pub fn verifies<'f>(
        &self,
        fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
        form: mail_auth::dkim::Canonicalization,
        signature: &[u8],
        algorithm: Algorithm,
    ) -> Result<(), &'static str> {
        if algorithm != self.algorithm {
            return Err("the key is of another kind");
        }
        let mut octets = Vec::new();
        form.canonicalize_headers(fields, &mut octets);
        let verified = self.key.verify_bytes(&octets, signature, algorithm);
        verified.map_err(|_| "it is not a signature of this header section by this key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(record: &str) -> Option<NoKey> {
        Key::parse(record.as_bytes()).err()
    }

    const ED: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    #[test]
    fn a_key_says_what_it_is_for() {
        let key = Key::parse(format!("v=DKIM1; k=ed25519; t=y:s; p={ED}").as_bytes()).ok();
        assert!(key.is_some_and(|key| key.strict && key.algorithm == Algorithm::Ed25519Sha256));
        assert_eq!(why(&format!("h=sha1:sha256; s=*; k=ed25519; p={ED}")), None);
        for (record, reason) in [
            (
                format!("v=DKIM2; k=ed25519; p={ED}"),
                "its record is of an unknown version",
            ),
            (
                format!("k=ed25519; v=DKIM1; p={ED}"),
                "its record is of an unknown version",
            ),
            (format!("h=sha1; k=ed25519; p={ED}"), "the key is not for SHA-256"),
            (format!("s=tlsrpt; k=ed25519; p={ED}"), "the key is not for mail"),
            (format!("k=dsa; p={ED}"), "an unknown kind of key"),
            ("v=DKIM1; p=".into(), "the key is revoked"),
            ("v=DKIM1".into(), "no key in its record"),
            ("v=spf1 -all".into(), "its record is of an unknown version"),
            ("hello".into(), "its record is malformed"),
            ("p=!!!".into(), "its record is malformed"),
            ("p=aGVsbG8=".into(), "the key cannot be read"),
            (format!("p={}", "A".repeat(RECORD_MAX)), "its record is too long"),
        ] {
            assert_eq!(why(&record), Some(NoKey::None(reason)), "{record}");
        }
    }

    #[test]
    fn rsa_keys_are_neither_too_short_nor_too_long() {
        // SEQUENCE of two INTEGERs: a modulus of so many octets, and 65537.
        let rsa = |octets: u16| {
            let mut modulus = vec![0x02, 0x82];
            modulus.extend((octets + 1).to_be_bytes());
            modulus.push(0);
            modulus.extend(vec![0xff; octets.into()]);
            modulus.extend([2, 3, 1, 0, 1]);
            let mut der = vec![0x30, 0x82];
            der.extend((modulus.len() as u16).to_be_bytes());
            der.extend(modulus);
            use base64::Engine;
            why(&format!("p={}", base64::engine::general_purpose::STANDARD.encode(der)))
        };
        assert_eq!(
            [rsa(64), rsa(127), rsa(128), rsa(512), rsa(513), rsa(2_048)],
            [
                Some(NoKey::Short),
                Some(NoKey::Short),
                None,
                None,
                Some(NoKey::Long),
                Some(NoKey::Long)
            ]
        );
    }
}
