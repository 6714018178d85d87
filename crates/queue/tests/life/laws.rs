use std::sync::Arc;

use gatepost_testkit::laws::queue::{self, Bench};

use crate::house::House;

#[test]
fn the_queue_passes_the_laws_of_all_queues() {
    queue::run(|| {
        let house = House::new();
        for domain in ["d.example", "e.example", "xn--bcher-kva.example"] {
            house.map.route(domain, domain);
            house.map.server(domain).away(true);
        }
        let queue = Arc::new(house.queue.clone());
        let house = Arc::new(house);
        Bench {
            queue,
            settle: Box::new(move || {
                let runtime = tokio::runtime::Handle::current();
                tokio::task::block_in_place(|| runtime.block_on(house.settle()));
            }),
        }
    });
}
