//! Questions under way: equal ones are asked once, and there is a bound to all of them.
//!
//! **Invariants:** a question has one deadline, all tries and TCP included; it goes on to its end when nobody waits for it
//! any more, and its answer is remembered, so that a sender who comes again finds it. Past the bound on questions a new
//! one is a fault at once, and past a share of it one about the same domain, so that a stranger whose name servers hang does
//! not take the places of all others. **Absent on purpose:** a share for each stranger: who has many domains has many.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use gatepost_core::{Clock, Fault};
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::sync::{Semaphore, oneshot};

use crate::answer::{Answer, Key, Kind};
use crate::hickory;
use crate::memory::Memory;
use crate::pulse::{self, Patient, Pulse};

/// One part of so many of all places is the share of a domain.
const SHARES: usize = 8;
/// The least share.
const SHARE_MIN: usize = 16;
const LATE: Fault = Fault::Unavailable("DNS: no answer in time");

type Outcome = Result<Arc<Answer>, Fault>;
type Asked = Shared<BoxFuture<'static, Outcome>>;

/// Questions under way, and how many each domain has.
#[derive(Default)]
struct Open {
    asked: HashMap<Key, Asked>,
    domains: HashMap<Key, usize>,
}

/// Whoever asks and remembers.
pub struct Questions {
    hickory: TokioResolver,
    clock: Arc<dyn Clock>,
    memory: Memory,
    deadline: Duration,
    under_way: Mutex<Open>,
    /// A place for each question that may be under way.
    places: Arc<Semaphore>,
    bound: usize,
    /// How many of them one domain may have.
    share: usize,
    pulse: Pulse,
}

/// A question under way, which leaves its place however it ends.
struct UnderWay {
    questions: Arc<Questions>,
    key: Key,
    domain: Key,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut open = self.questions.under_way();
        open.asked.remove(&self.key);
        if let Some(count) = open.domains.get_mut(&self.domain) {
            *count -= 1;
            if *count == 0 {
                open.domains.remove(&self.domain);
            }
        }
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
            share: (bound / SHARES).max(SHARE_MIN),
            pulse: Pulse::new(),
        }
    }

    fn under_way(&self) -> MutexGuard<'_, Open> {
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
            () = self.pulse.silence() => Err(Fault::DNS_SILENT),
        }
    }

    /// The question under way; begun, where it is not.
    fn asked(self: &Arc<Self>, kind: Kind, key: Key, name: impl FnOnce() -> Option<Name>) -> Result<Asked, Fault> {
        let mut under_way = self.under_way();
        if let Some(asked) = under_way.asked.get(&key) {
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
            return Err(Fault::DNS_SILENT);
        }
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| Fault::DNS_BUSY)?;
        let domain = key.domain();
        let of_domain = under_way.domains.entry(domain.clone()).or_default();
        if *of_domain >= self.share {
            return Err(Fault::DNS_BUSY);
        }
        *of_domain += 1;
        let here = UnderWay {
            questions: Arc::clone(self),
            key: key.clone(),
            domain,
        };
        let (tell, told) = oneshot::channel();
        let gone = |_| Err(Fault::Broken("DNS: the question was dropped".into()));
        let asked = told.map(move |told| told.unwrap_or_else(gone)).boxed().shared();
        under_way.asked.insert(key, asked.clone());
        // A runtime that shuts down drops at once what is spawned, and with it the place here.
        drop(under_way);
        tokio::spawn(async move {
            let outcome = here.questions.ask(kind, name).await.map(Arc::new);
            if let Ok(answer) = &outcome {
                here.questions.memory.keep(here.key.clone(), Arc::clone(answer));
            }
            drop((here, place));
            // Nobody may wait any more.
            let _ = tell.send(outcome);
        });
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
