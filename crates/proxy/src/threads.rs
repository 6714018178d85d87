//! The threads behind [`Compute`](gatepost_core::Compute): as many as there are cores, and a bounded line before them.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use gatepost_core::compute::{Budget, Job, Threads};
use gatepost_core::{Fault, async_trait};
use tokio::sync::Semaphore;

/// How many jobs may wait for a thread, for each thread.
const LINE: usize = 64;

/// Jobs on tokio's blocking threads, so many at once as there are cores.
pub struct Cores {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

impl Cores {
    /// So many threads; one for each processor if none is said.
    pub fn new(threads: usize) -> Cores {
        let cores = match threads {
            0 => std::thread::available_parallelism().map_or(2, usize::from),
            threads => threads,
        };
        Cores {
            running: Arc::new(Semaphore::new(cores)),
            admitted: Arc::new(Semaphore::new(cores * (LINE + 1))),
        }
    }
}

/// Spends the budget when the one who waits gives up.
struct GiveUp(Budget);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.spend();
    }
}

#[async_trait]
impl Threads for Cores {
    async fn run(&self, job: Job) -> Result<Box<dyn Any + Send>, Fault> {
        let busy = Fault::Unavailable("all threads for work are busy");
        let admitted = Arc::clone(&self.admitted)
            .try_acquire_owned()
            .map_err(|_| busy.clone())?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| busy)?;
        let budget = Budget::new();
        let waiting = GiveUp(budget.clone());
        let done = tokio::task::spawn_blocking(move || {
            let result = catch_unwind(AssertUnwindSafe(|| job(&budget)));
            drop((admitted, running));
            result
        });
        let result = done.await.map_err(|error| Fault::Broken(error.to_string()))?;
        drop(waiting);
        result.map_err(|panic| {
            let why = panic
                .downcast_ref::<&str>()
                .copied()
                .or(panic.downcast_ref::<String>().map(String::as_str));
            Fault::Broken(format!("panic: {}", why.unwrap_or("of no words")))
        })
    }
}

#[cfg(test)]
mod tests {
    use gatepost_core::Compute;

    use super::*;

    #[tokio::test]
    async fn a_panic_in_a_job_is_a_fault_and_the_threads_go_on() {
        let compute = Compute::new(Arc::new(Cores::new(1)));
        let fault = compute
            .run(|_| if true { panic!("of this test") } else { 1 })
            .await
            .unwrap_err();
        assert_eq!(fault, Fault::Broken("panic: of this test".into()));
        assert_eq!(compute.run(|_| 2).await, Ok(2));
    }
}
