//! A file, and all that is in it.

use crate::{Item, Kind, Limits};

/// Looks into a file as deep as the limits allow: the file itself first, then what is in it, in the order in which it lies
/// there. `octets` is the whole file. `look` gets each item as soon as it is known, with its octets where they are all in
/// memory; `spent` is asked now and then whether the time is over.
pub fn examine(
    name: &str,
    declared: Option<&str>,
    octets: &[u8],
    limits: &Limits,
    spent: &dyn Fn() -> bool,
    look: &mut dyn FnMut(&Item, Option<&[u8]>),
) {
    let _ = (limits, spent);
    let item = Item {
        path: vec![name.into()],
        kind: if octets.is_empty() { Kind::Empty } else { Kind::Unknown },
        declared: declared.map(Into::into),
        octets: octets.len() as u64,
        sha256: None,
        marks: Vec::new(),
    };
    look(&item, Some(octets));
}
