//! Tag lists (RFC 6376 §3.2): `v=1; a=rsa-sha256; d=b.example`, as DKIM, ARC and DMARC write them.
//!
//! **Bounds:** a list has at most [`TAGS_MAX`] tags; one with more is malformed as a whole. Nothing is copied.

/// The most tags of one list.
pub const TAGS_MAX: usize = 64;

/// A part between semicolons that is no tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoTag;

/// One tag: its name and its value, both without the spaces around them. Empty parts are skipped.
pub fn parts(list: &[u8]) -> impl Iterator<Item = Result<(&[u8], &[u8]), NoTag>> {
    let parts = list.split(|&b| b == b';').map(<[u8]>::trim_ascii);
    parts.filter(|part| !part.is_empty()).map(|part| {
        let at = part.iter().position(|&b| b == b'=').ok_or(NoTag)?;
        let (name, value) = part.split_at_checked(at).ok_or(NoTag)?;
        let name = name.trim_ascii();
        let good = name.first().is_some_and(u8::is_ascii_alphabetic)
            && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
        if good {
            Ok((name, value.get(1..).unwrap_or_default().trim_ascii()))
        } else {
            Err(NoTag)
        }
    })
}

/// A whole list, which has no part that is no tag, and no name twice.
#[derive(Clone, Debug)]
pub struct Tags<'a>(Vec<(&'a [u8], &'a [u8])>);

impl<'a> Tags<'a> {
    /// Reads a list; `None` if it is malformed anywhere (RFC 6376 §3.2).
    pub fn parse(list: &'a [u8]) -> Option<Tags<'a>> {
        let mut tags: Vec<(&[u8], &[u8])> = Vec::new();
        for part in parts(list) {
            let (name, value) = part.ok()?;
            if tags.len() >= TAGS_MAX || tags.iter().any(|(known, _)| *known == name) {
                return None;
            }
            tags.push((name, value));
        }
        Some(Tags(tags))
    }

    /// The value of a tag. Names are told apart by letter case.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        let found = self.0.iter().find(|(known, _)| *known == name.as_bytes());
        found.map(|(_, value)| *value)
    }

    /// The value as ASCII text without any spaces in it; `None` where there is no such tag or it is no such text.
    pub fn text(&self, name: &str) -> Option<String> {
        let value = self.get(name)?;
        let solid = value.iter().filter(|b| !b.is_ascii_whitespace());
        solid.map(|&b| b.is_ascii_graphic().then_some(char::from(b))).collect()
    }

    /// The name and value of the first tag.
    pub fn first(&self) -> Option<(&'a [u8], &'a [u8])> {
        self.0.first().copied()
    }
}

/// Base64 with spaces in it, its padding and last bits as careless programs write them.
pub fn base64(value: &[u8]) -> Option<Vec<u8>> {
    use base64::Engine;
    use base64::alphabet::STANDARD;
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
    const LAX: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let solid: Vec<u8> = value.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    LAX.decode(solid).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_with_its_folds_and_spaces() {
        let tags = Tags::parse(b" v=1; a = rsa-sha256 ;\r\n\td=b.exa\r\n mple;; z=a=b;").expect("a list");
        assert_eq!(tags.text("a").as_deref(), Some("rsa-sha256"));
        assert_eq!(tags.text("d").as_deref(), Some("b.example"));
        assert_eq!(tags.get("z"), Some(&b"a=b"[..]));
        assert_eq!((tags.get("V"), tags.first()), (None, Some((&b"v"[..], &b"1"[..]))));
    }

    #[test]
    fn a_list_with_a_name_twice_or_a_part_that_is_no_tag_is_none() {
        let many: String = (0..=TAGS_MAX).map(|n| format!("t{n}=;")).collect();
        for list in ["d=a; d=b", "d", "=a", "1=a", "d e=a", &many] {
            assert!(Tags::parse(list.as_bytes()).is_none(), "{list}");
        }
        assert!(Tags::parse(b"").is_some());
    }

    #[test]
    fn base64_is_read_as_it_is_written_in_practice() {
        assert_eq!(base64(b"aGVs\r\n bG8=").as_deref(), Some(&b"hello"[..]));
        assert_eq!(base64(b"aGVsbG8").as_deref(), Some(&b"hello"[..]));
        assert_eq!(base64(b"aGVs*bG8="), None);
    }
}
