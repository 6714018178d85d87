//! The laws of a queue, on the one in memory.

use gatepost_testkit::laws::queue::Bench;
use gatepost_testkit::{MemoryQueue, laws};

#[test]
fn the_queue_in_memory_keeps_the_laws() {
    laws::queue::run(|| Bench {
        queue: MemoryQueue::new(),
        settle: Box::new(|| Box::pin(async {})),
    });
}
