//! What holds of any octets, for the tests and the fuzzer.

use gatepost_containers::{Item, Limits, examine};

/// Small, so that they are reached.
const LIMITS: Limits = Limits {
    depth: 3,
    files: 50,
    octets: 4 * 1_024 * 1_024,
    memory: 2 * 1_024 * 1_024,
    ratio: 1_000,
    hashes: true,
};

/// No reader gives up, nothing passes a limit by more than a step, and the file itself comes last.
pub fn bounded(name: &str, octets: &[u8]) {
    let mut items: Vec<Item> = Vec::new();
    examine(name, None, octets, &LIMITS, &|| false, &mut |item, content| {
        assert!(content.is_none_or(|content| content.len() as u64 == item.octets));
        items.push(item.clone());
    });
    let whole = items.pop().expect("the file itself");
    assert_eq!((whole.path.len(), whole.octets), (1, octets.len() as u64));
    assert!(items.len() <= LIMITS.files);
    assert!(items.iter().map(|item| item.octets).sum::<u64>() <= LIMITS.octets + 65_536);
    for item in items.iter().chain([&whole]) {
        assert!(item.path.len() <= LIMITS.depth + 1);
        assert!(item.path.iter().all(|name| name.len() <= 512));
        assert!(item.marks.is_sorted_by(|(one, _), (next, _)| one < next));
        assert!(
            item.marks
                .iter()
                .all(|(_, note)| note.len() <= 200 && &**note != "its reader gave up"),
            "{item:?}"
        );
    }
}
