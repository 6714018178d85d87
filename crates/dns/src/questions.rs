//! Questions under way: equal ones are asked once, and there is a bound to all of them.
//!
//! **Invariants:** a question has one deadline, all tries and TCP included; it goes on to its end when nobody waits for it
//! any more, and its answer is remembered, so that a sender who comes again finds it. Past the bound on questions a new
//! one is a fault at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use gatepost_core::{Clock, Fault};
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::sync::Semaphore;

use crate::answer::{Answer, Key, Kind};
use crate::hickory;
use crate::memory::Memory;
use crate::pulse::{self, Patient, Pulse};

const SILENT: Fault = Fault::Unavailable("DNS: the resolver is silent");
const TOO_MANY: Fault = Fault::Unavailable("DNS: too many questions under way");
const LATE: Fault = Fault::Unavailable("DNS: no answer in time");

type Outcome = Result<Arc<Answer>, Fault>;

/// Whoever asks and remembers.
pub struct Questions {
    hickory: TokioResolver,
    clock: Arc<dyn Clock>,
    memory: Memory,
    deadline: Duration,
    under_way: Mutex<HashMap<Key, Shared<BoxFuture<'static, Outcome>>>>,
    /// A place for each question that may be under way.
    places: Arc<Semaphore>,
    bound: usize,
    pulse: Pulse,
}

/// A question under way, which leaves its place however it ends.
struct UnderWay {
    questions: Arc<Questions>,
    key: Key,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.questions.under_way().remove(&self.key);
    }
}

impl Questions {
    pub fn new(
        hickory: TokioResolver,
        clock: Arc<dyn Clock>,
        memory: Memory,
        deadline: Duration,
        bound: usize,
    ) -> Questions {
        let bound = bound.clamp(1, Semaphore::MAX_PERMITS);
        Questions {
            hickory,
            clock,
            memory,
            deadline,
            under_way: Mutex::default(),
            places: Arc::new(Semaphore::new(bound)),
            bound,
            pulse: Pulse::new(),
        }
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<Key, Shared<BoxFuture<'static, Outcome>>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// The answer, remembered or asked for. `name` is only made where it must be asked.
    pub async fn answer(self: &Arc<Self>, kind: Kind, key: Key, name: impl FnOnce() -> Option<Name>) -> Outcome {
        if let Some(answer) = self.memory.recall(&key, self.clock.now()) {
            return Ok(answer);
        }
        let asked = self.asked(kind, key, name)?;
        tokio::select! {
            biased;
            outcome = asked => outcome,
            () = self.pulse.silence() => Err(SILENT),
        }
    }

    /// The question under way; begun, where it is not.
    fn asked(
        self: &Arc<Self>,
        kind: Kind,
        key: Key,
        name: impl FnOnce() -> Option<Name>,
    ) -> Result<Shared<BoxFuture<'static, Outcome>>, Fault> {
        let mut under_way = self.under_way();
        if let Some(asked) = under_way.get(&key) {
            return Ok(asked.clone());
        }
        // One that has just ended was remembered before it left.
        if let Some(answer) = self.memory.recall(&key, self.clock.now()) {
            return Ok(async { Ok(answer) }.boxed().shared());
        }
        let Some(name) = name() else {
            // A text that is no name of DNS does not exist there.
            let answer = hickory::no_such_name(self.clock.now());
            return Ok(async { Ok(Arc::new(answer)) }.boxed().shared());
        };
        if self.pulse.is_silent() {
            return Err(SILENT);
        }
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| TOO_MANY)?;
        let here = UnderWay {
            questions: Arc::clone(self),
            key: key.clone(),
        };
        let asking = tokio::spawn(async move {
            let outcome = here.questions.ask(kind, name).await.map(Arc::new);
            if let Ok(answer) = &outcome {
                here.questions.memory.keep(here.key.clone(), Arc::clone(answer));
            }
            drop((here, place));
            outcome
        });
        let asked = asking
            .map(|ended| ended.unwrap_or_else(|error| Err(Fault::Broken(format!("DNS: {error}")))))
            .boxed()
            .shared();
        under_way.insert(key, asked.clone());
        drop(under_way);
        pulse::watch(self);
        Ok(asked)
    }

    async fn ask(&self, kind: Kind, name: Name) -> Result<Answer, Fault> {
        let asking = self.hickory.lookup(name, kind.record_type());
        let found = tokio::time::timeout(self.deadline, asking).await.map_err(|_| LATE)?;
        if hickory::is_alive(&found) {
            self.pulse.beat();
        }
        hickory::read(kind, found, self.clock.now())
    }
}

impl Patient for Questions {
    fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    fn deadline(&self) -> Duration {
        self.deadline
    }

    fn waits(&self) -> bool {
        self.places.available_permits() < self.bound
    }

    fn probe(self: Arc<Self>) {
        tokio::spawn(async move {
            let asking = self.hickory.lookup(Name::root(), RecordType::NS);
            if let Ok(found) = tokio::time::timeout(self.deadline, asking).await
                && hickory::is_alive(&found)
            {
                self.pulse.beat();
            }
        });
    }
}
