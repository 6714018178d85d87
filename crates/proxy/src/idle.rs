//! Connections to one mail server that have served a client and wait for the next.
//!
//! Only those on which the server said yes to everything wait here, and only where it is not told who the client is
//! ([`Line::may_rest`]); the next transaction begins with RSET, and a connection that does not take that is dropped and
//! another one opened. **Invariants:** at most [`Keep::connections`] wait, none longer than [`Keep::idle`], so a mail server
//! is left few and soon; one that said something unasked, 421 above all, or hung up, serves nobody again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatepost_core::Time;

use crate::clock::ticks;
use crate::line::Line;

/// A connection that is older begins no other session. As Postfix has it (`smtp_connection_reuse_time_limit`).
const AGE: Duration = Duration::from_secs(300);

/// How long one goodbye may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// How connections are kept for other clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keep {
    /// How long one may wait. Zero: none is kept.
    pub idle: Duration,
    /// How many may wait at once.
    pub connections: usize,
    /// How many client sessions one serves in all.
    pub sessions: u32,
}

/// The connections that wait.
pub struct Idle {
    keep: Keep,
    resting: Mutex<Resting>,
}

#[derive(Default)]
struct Resting {
    /// With the times since when they wait; the last one has waited least.
    lines: Vec<(Time, Box<Line>)>,
    /// There is a task that ends those that wait too long.
    tended: bool,
    /// No more are taken in.
    closed: bool,
}

impl Idle {
    /// None yet.
    pub fn new(keep: Keep) -> Idle {
        Idle {
            keep,
            resting: Mutex::default(),
        }
    }

    fn resting(&self) -> MutexGuard<'_, Resting> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one that has waited least, if there is one that may serve.
    pub fn take(&self) -> Option<Box<Line>> {
        if self.keep.idle.is_zero() {
            return None;
        }
        loop {
            let (since, line) = self.resting().lines.pop()?;
            let now = ticks();
            if now.since(since) < self.keep.idle && now.since(line.opened) < AGE && line.is_quiet() {
                return Some(line);
            }
        }
    }

    /// Lets one wait. Gives it back where it may not.
    pub fn rest(self: &Arc<Self>, mut line: Box<Line>) -> Result<(), Box<Line>> {
        let now = ticks();
        line.served += 1;
        let tired = line.served >= self.keep.sessions || now.since(line.opened) >= AGE;
        if self.keep.idle.is_zero() || tired || !line.may_rest() {
            return Err(line);
        }
        let mut resting = self.resting();
        if resting.closed || resting.lines.len() >= self.keep.connections {
            return Err(line);
        }
        resting.lines.push((now, line));
        if !std::mem::replace(&mut resting.tended, true) {
            tokio::spawn(Arc::clone(self).tend());
        }
        Ok(())
    }

    /// Says goodbye to those that have waited too long, until none waits.
    async fn tend(self: Arc<Self>) {
        loop {
            let until = match self.resting() {
                mut resting if resting.lines.is_empty() => {
                    resting.tended = false;
                    return;
                }
                resting => resting.lines.first().map(|(since, _)| *since + self.keep.idle),
            };
            let now = ticks();
            if let Some(wait) = until.map(|until| until.since(now)).filter(|wait| !wait.is_zero()) {
                tokio::time::sleep(wait).await;
                continue;
            }
            let over: Vec<_> = {
                let mut resting = self.resting();
                let fresh = |(since, _): &(Time, Box<Line>)| now.since(*since) < self.keep.idle;
                let count = resting.lines.iter().take_while(|line| !fresh(line)).count();
                resting.lines.drain(..count).collect()
            };
            for (_, line) in over {
                let _ = tokio::time::timeout(FAREWELL, line.farewell()).await;
            }
        }
    }

    /// Says goodbye to all, and takes in no more.
    pub async fn close(&self) {
        let lines = {
            let mut resting = self.resting();
            resting.closed = true;
            std::mem::take(&mut resting.lines)
        };
        for (_, line) in lines {
            let _ = tokio::time::timeout(FAREWELL, line.farewell()).await;
        }
    }
}
