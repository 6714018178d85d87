//! The fields of a header section as signatures name them: of one name, the lowest first (RFC 6376 §5.4.2).

use std::collections::HashMap;

use gatepost_core::message::Headers;

/// Fields, found by their names.
pub struct Fields<'a> {
    /// Name and value, both as they are: spaces before the colon belong to the name, the line end to the value.
    fields: Vec<(&'a [u8], &'a [u8])>,
    /// Places by name in small letters, from top to bottom.
    named: HashMap<String, Vec<usize>>,
}

impl<'a> Fields<'a> {
    /// The fields of a header section, as many as [`Headers`] sees.
    pub fn of(headers: &'a Headers) -> Fields<'a> {
        let mut fields = Vec::with_capacity(headers.len());
        let mut named: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, header) in headers.iter().enumerate() {
            let name = String::from_utf8_lossy(header.name()).to_ascii_lowercase();
            named.entry(name).or_default().push(place);
            let raw = header.raw();
            let colon = raw.iter().position(|&b| b == b':').unwrap_or(raw.len());
            let (name, value) = raw.split_at_checked(colon).unwrap_or((raw, &[]));
            fields.push((name, value.get(1..).unwrap_or_default()));
        }
        Fields { fields, named }
    }

    /// The field at a place, name and value.
    pub fn at(&self, place: usize) -> Option<(&'a [u8], &'a [u8])> {
        self.fields.get(place).copied()
    }

    /// The fields that a list of names means, in its order; a name that is there more often than fields of it means
    /// nothing.
    pub fn signed(&self, names: &[String]) -> Vec<(&'a [u8], &'a [u8])> {
        let mut taken: HashMap<&str, usize> = HashMap::new();
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            let below = taken.entry(name).or_default();
            let places = self.named.get(name.as_str());
            if let Some(field) = places
                .and_then(|places| places.iter().rev().nth(*below))
                .and_then(|&place| self.at(place))
            {
                found.push(field);
            }
            *below += 1;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_core::Message;

    #[test]
    fn of_one_name_the_lowest_field_is_meant_first() {
        let message = Message::from_bytes(&b"A: 1\r\nB : 2\r\nA: 3\r\n x\r\n\r\n"[..]);
        let fields = Fields::of(message.headers());
        let names = ["a", "c", "a", "b", "a"].map(str::to_owned);
        let found: Vec<_> = fields.signed(&names);
        let want: [(&[u8], &[u8]); 3] = [(b"A", b" 3\r\n x\r\n"), (b"A", b" 1\r\n"), (b"B ", b" 2\r\n")];
        assert_eq!(found, want);
    }
}
