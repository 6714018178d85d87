//! Work that takes the processor for more than a millisecond.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use crate::fault::Fault;

/// Whether the work should still go on. Long loops ask it now and then.
#[derive(Clone, Default)]
pub struct Budget(Arc<AtomicBool>);

impl Budget {
    /// A budget that nobody has spent.
    pub fn new() -> Budget {
        Budget::default()
    }

    /// Whether the time is over: return what there is.
    pub fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Says that the time is over.
    pub fn spend(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A piece of work, its result boxed.
pub type Job = Box<dyn FnOnce(&Budget) -> Box<dyn Any + Send> + Send>;

/// A bounded set of threads.
#[async_trait]
pub trait Threads: Send + Sync {
    /// Runs a job. A panic in it is a [`Fault::Broken`]; too many jobs waiting is a [`Fault::Unavailable`].
    async fn run(&self, job: Job) -> Result<Box<dyn Any + Send>, Fault>;
}

/// The threads as filters hold them.
#[derive(Clone)]
pub struct Compute(Arc<dyn Threads>);

impl Compute {
    /// Over a set of threads.
    pub fn new(threads: Arc<dyn Threads>) -> Compute {
        Compute(threads)
    }

    /// Runs `work` on one of the threads and returns what it returns. When the caller gives up, the budget is spent.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce(&Budget) -> T + Send + 'static) -> Result<T, Fault> {
        let result = self.0.run(Box::new(move |budget| Box::new(work(budget)))).await?;
        result
            .downcast::<T>()
            .map(|result| *result)
            .map_err(|_| Fault::Broken("a thread gave back the result of another job".into()))
    }
}
