//! What an examination shows, for the tests.
#![allow(dead_code, reason = "each test uses its part")]

use gatepost_containers::{Item, Limits, Mark, examine};

/// An item and the octets that came with it.
pub struct Seen {
    pub item: Item,
    pub octets: Option<Vec<u8>>,
}

impl Seen {
    /// Its path with bars between the names.
    pub fn path(&self) -> String {
        self.item.path.join("|")
    }

    pub fn has(&self, mark: Mark) -> bool {
        self.item.has(mark)
    }
}

/// All items of a file, in their order.
pub fn all(name: &str, octets: &[u8]) -> Vec<Seen> {
    within(name, octets, &Limits::default())
}

/// All items of a file within limits.
pub fn within(name: &str, octets: &[u8], limits: &Limits) -> Vec<Seen> {
    let mut seen = Vec::new();
    examine(name, None, octets, limits, &|| false, &mut |item, octets| {
        seen.push(Seen {
            item: item.clone(),
            octets: octets.map(<[u8]>::to_vec),
        });
    });
    seen
}

/// The item of the whole file, which comes last.
pub fn whole(seen: &[Seen]) -> &Seen {
    seen.last().expect("the file itself")
}

/// The items whose last name is this.
pub fn named<'s>(seen: &'s [Seen], name: &str) -> Vec<&'s Seen> {
    seen.iter()
        .filter(|one| one.item.path.last().is_some_and(|last| &**last == name))
        .collect()
}

/// Whether any item has a mark.
pub fn is_any(seen: &[Seen], mark: Mark) -> bool {
    seen.iter().any(|one| one.has(mark))
}

/// Everything that is marked, as text for a failure.
pub fn marks(seen: &[Seen]) -> Vec<String> {
    seen.iter()
        .map(|one| {
            format!(
                "{} {:?} {} {:?}",
                one.path(),
                one.item.kind,
                one.item.octets,
                one.item.marks
            )
        })
        .collect()
}

/// A fixture.
pub fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).expect("a fixture")
}
