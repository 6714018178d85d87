//! The head of an answer: a status line and fields, of ICAP and of the HTTP within it.
//!
//! **Invariant:** total; a head has at most what its reader collects of it, and one of more than [`FIELDS_MAX`] fields is none.

/// The most fields of a head.
pub const FIELDS_MAX: usize = 100;

/// A head.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// The status, such as 204.
    pub status: u16,
    /// What is said beside it.
    pub reason: String,
    /// Names in small letters, and values. A folded value has its lines kept apart by LF.
    fields: Vec<(String, String)>,
}

impl Head {
    /// Reads a head of this protocol (`ICAP/`, `HTTP/`), with or without the empty line that ends it; none where it is none.
    pub fn read(octets: &[u8], protocol: &str) -> Option<Head> {
        let text = String::from_utf8_lossy(octets);
        let (line, rest) = text.split_once('\n')?;
        let mut words = line.trim_end().splitn(3, ' ');
        words.next()?.strip_prefix(protocol)?;
        let number = words.next().filter(|number| number.len() == 3)?;
        Some(Head {
            status: number.parse().ok().filter(|status| (100..600).contains(status))?,
            reason: words.next().unwrap_or_default().to_owned(),
            fields: fields(rest)?,
        })
    }

    /// Reads fields alone, as they stand behind a body.
    pub fn trailer(octets: &[u8]) -> Option<Head> {
        Some(Head {
            status: 200,
            reason: String::new(),
            fields: fields(&String::from_utf8_lossy(octets))?,
        })
    }

    /// The first field of this name, in small letters.
    pub fn field(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(known, _)| known == name);
        field.map(|(_, value)| value.as_str())
    }
}

/// None where there are more than are kept: one of the others may tell of a find.
fn fields(text: &str) -> Option<Vec<(String, String)>> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push('\n');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            if fields.len() >= FIELDS_MAX {
                return None;
            }
            fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_head_is_its_status_and_its_fields() {
        let octets =
            b"ICAP/1.0 200 OK then\r\nISTag: \"a:b\"\r\nX-Violations-Found: 1\r\n\ta.exe\r\n Eicar\r\nodd\r\n\r\n";
        let head = Head::read(octets, "ICAP/").expect("a head");
        assert_eq!((head.status, head.reason.as_str()), (200, "OK then"));
        assert_eq!(head.field("istag"), Some("\"a:b\""));
        assert_eq!(head.field("x-violations-found"), Some("1\na.exe\nEicar"));
        assert_eq!(head.field("odd"), None);
        for odd in [
            "",
            "ICAP/1.0\r\n",
            "HTTP/1.1 200 OK\r\n",
            "ICAP/1.0 2000 x\r\n",
            "ICAP/1.0 099 x\r\n",
        ] {
            assert_eq!(Head::read(odd.as_bytes(), "ICAP/"), None, "{odd:?}");
        }
    }

    #[test]
    fn a_head_of_too_many_fields_is_none() {
        let with = |count: usize| format!("ICAP/1.0 204 x\r\n{}\r\n", "A: b\r\n".repeat(count));
        assert!(Head::read(with(FIELDS_MAX).as_bytes(), "ICAP/").is_some());
        assert_eq!(Head::read(with(FIELDS_MAX + 1).as_bytes(), "ICAP/"), None);
        assert_eq!(Head::trailer("A: b\r\n".repeat(FIELDS_MAX + 1).as_bytes()), None);
    }

    proptest! {
        #[test]
        fn any_octets_are_a_head_or_none(octets: Vec<u8>, text in "ICAP/1.0 [0-9]{3} [ -~\r\n\t:]{0,80}") {
            let _ = Head::read(&octets, "ICAP/");
            if let Some(head) = Head::read(text.as_bytes(), "ICAP/") {
                prop_assert!((100..600).contains(&head.status));
                prop_assert!(head.fields.len() <= FIELDS_MAX);
            }
        }
    }
}
