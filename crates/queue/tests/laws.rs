//! The laws of a queue, on the one that is stored in files.

use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use gatepost_core::queue::Caller;
use gatepost_core::{Path, Upstream, Upstreams};
use gatepost_queue::spool::Quota;
use gatepost_queue::{DomainTerms, MailQueue, Means, Nobody, Roads, Settings};
use gatepost_testkit::laws::queue::Bench;
use gatepost_testkit::{Fakes, laws};

/// All mail servers are away, and all mail may wait.
struct Away;

impl Upstreams for Away {
    fn upstream(&self, _: &str) -> Option<Box<dyn Upstream>> {
        None
    }
    fn is_up(&self, _: &str) -> bool {
        false
    }
}

impl Roads for Away {
    fn route(&self, _: &Caller, _: &Path) -> Option<Arc<str>> {
        Some("away".into())
    }
    fn terms(&self, _: &str) -> DomainTerms {
        DomainTerms {
            hold: Some(Duration::from_hours(48)),
            quota: Quota::NONE,
        }
    }
    fn upstreams(&self) -> &dyn Upstreams {
        self
    }
    fn notices(&self) -> Option<Arc<str>> {
        None
    }
    fn hostname(&self) -> &str {
        "mx.example.org"
    }
}

fn open(folder: &FilePath) -> MailQueue {
    let fakes = Fakes::new();
    let means = Means {
        kept: fakes.kept,
        clock: fakes.clock,
        seed: Fakes::SEED,
        follower: Arc::new(Nobody),
    };
    let mut settings = Settings::default();
    settings.spool.reserve = 0;
    let (queue, _) = MailQueue::open(folder, settings, Arc::new(Away), means).expect("a queue");
    queue
}

#[test]
fn the_queue_in_files_keeps_the_laws() {
    let folder = tempfile::tempdir().expect("a folder");
    let number = std::cell::Cell::new(0);
    laws::queue::run(|| {
        number.set(number.get() + 1);
        let queue = open(&folder.path().join(number.get().to_string()));
        let steps = queue.clone();
        Bench {
            queue: Arc::new(queue),
            settle: Box::new(move || {
                let queue = steps.clone();
                Box::pin(async move { while queue.step().await {} })
            }),
        }
    });
}
