//! Which fields the DKIM signatures of a message claim to cover. Nothing is verified here.

use crate::header::Headers;

/// Signatures that are looked at, from the top (S-08).
pub const SIGNATURES_MAX: usize = 5;
/// Names of one signature that are looked at.
pub const NAMES_MAX: usize = 100;

/// The names in the `h=` tags of the DKIM-Signature fields (RFC 6376 §3.5), and how often one signature names each.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SignedNames {
    /// In small letters, sorted, each once; at most `SIGNATURES_MAX * NAMES_MAX`.
    names: Vec<(Vec<u8>, usize)>,
    cut: bool,
}

impl SignedNames {
    /// Reads the first [`SIGNATURES_MAX`] signatures and the first [`NAMES_MAX`] names of each.
    pub fn of(headers: &Headers) -> SignedNames {
        let mut out = SignedNames::default();
        for (n, signature) in headers.all("DKIM-Signature").enumerate() {
            if n == SIGNATURES_MAX {
                out.cut = true;
                break;
            }
            let value = signature.unfolded();
            let mut here: Vec<(Vec<u8>, usize)> = Vec::new();
            for (n, name) in signed(&value).enumerate() {
                if n == NAMES_MAX {
                    out.cut = true;
                    break;
                }
                match here.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, times)) => *times += 1,
                    None => here.push((name, 1)),
                }
            }
            for (name, times) in here {
                match out.names.binary_search_by(|(known, _)| known.cmp(&name)) {
                    Ok(at) => {
                        if let Some((_, most)) = out.names.get_mut(at) {
                            *most = times.max(*most);
                        }
                    }
                    Err(at) => out.names.insert(at, (name, times)),
                }
            }
        }
        out
    }

    /// Whether a signature covers the field of this name that has `below` others of the name below it. Signatures take
    /// fields of one name from the bottom up (RFC 6376 §5.4.2).
    pub fn covers(&self, name: &[u8], below: usize) -> bool {
        let name = name.to_ascii_lowercase();
        let found = self.names.binary_search_by(|(known, _)| known.cmp(&name));
        found
            .ok()
            .and_then(|at| self.names.get(at))
            .is_some_and(|(_, times)| below < *times)
    }

    /// Whether any signature names this field.
    pub fn contains(&self, name: &str) -> bool {
        self.covers(name.as_bytes(), 0)
    }

    /// The names in small letters, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.names.iter().map(|(name, _)| name.as_slice())
    }

    /// Whether there were more signatures or names than were looked at.
    pub fn cut(&self) -> bool {
        self.cut
    }
}

/// The names of the first `h=` tag in small letters.
fn signed(value: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let list = value.split(|&b| b == b';').find_map(|tag| {
        let eq = tag.iter().position(|&b| b == b'=')?;
        let (name, list) = tag.split_at_checked(eq)?;
        (name.trim_ascii() == b"h").then(|| list.get(1..).unwrap_or_default())
    });
    let names = list.unwrap_or_default().split(|&b| b == b':');
    names
        .map(|name| name.trim_ascii().to_ascii_lowercase())
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Message;

    fn names(mail: &str) -> SignedNames {
        SignedNames::of(Message::from_bytes(mail.as_bytes().to_vec()).headers())
    }

    fn list(signed: &SignedNames) -> Vec<String> {
        signed
            .iter()
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect()
    }

    #[test]
    fn the_names_of_all_signatures_are_joined() {
        let signed = names(
            "dkim-signature: v=1; a=rsa-sha256; bh=h=x; h=From : To:\r\n\t Subject:\r\n X-A;\r\n b=abc\r\n\
             DKIM-Signature:h=from:x-b:;b=\r\n\r\n",
        );
        assert_eq!(list(&signed), ["from", "subject", "to", "x-a", "x-b"]);
        assert!(signed.contains("X-A") && !signed.contains("X-C") && !signed.cut());
    }

    #[test]
    fn the_tag_is_a_small_h_and_only_the_first_counts() {
        assert_eq!(list(&names("DKIM-Signature: H=a; xh=b; h = c ; h=d\r\n\r\n")), ["c"]);
        assert_eq!(
            list(&names(
                "DKIM-Signature: h\r\nDKIM-Signature:\r\nDKIM-Signature: =;;h=\r\n\r\n"
            )),
            [""; 0]
        );
    }

    #[test]
    fn a_name_named_twice_covers_two_fields() {
        let signed = names("DKIM-Signature: h=x:x:y\r\nDKIM-Signature: h=x:y\r\n\r\n");
        assert!(signed.covers(b"X", 1) && !signed.covers(b"x", 2));
        assert!(signed.covers(b"y", 0) && !signed.covers(b"y", 1));
    }

    #[test]
    fn signatures_and_names_are_bounded() {
        let many: String = (0..=SIGNATURES_MAX)
            .map(|n| format!("DKIM-Signature: h=n{n}\r\n"))
            .collect();
        let signed = names(&many);
        assert!(signed.cut() && signed.contains("n4") && !signed.contains("n5"));
        let long: Vec<String> = (0..=NAMES_MAX).map(|n| format!("n{n}")).collect();
        let signed = names(&format!("DKIM-Signature: h={}\r\n", long.join(":")));
        assert!(signed.cut() && signed.contains("n99") && !signed.contains("n100"));
    }
}
