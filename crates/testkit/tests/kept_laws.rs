//! The laws of an archive, on the one in memory.

use gatepost_testkit::{MemoryKept, laws};

#[test]
fn the_archive_in_memory_keeps_the_laws() {
    laws::kept::run(MemoryKept::new);
}
