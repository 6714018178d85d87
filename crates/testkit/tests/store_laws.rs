//! The laws of a store, on the memory store.

use gatepost_testkit::{MemoryStore, laws};

#[test]
fn the_memory_store_keeps_the_laws() {
    laws::store::run(MemoryStore::new);
}
