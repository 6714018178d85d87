//! Doing a thing once: whoever claims it does it, others hear that it is being done, or was.
//!
//! A claim that its claimant did not outlive lapses after [`BEGUN_FOR`]: rather a mail twice than never.

use std::time::Duration;

use gatepost_core::{Fault, Store, Swap, Time};

/// How long something may take before another may try: longer than any mail server is waited for.
pub const BEGUN_FOR: Duration = Duration::from_hours(1);
/// How long it counts as done.
const DONE_FOR: Duration = Duration::from_hours(24);

const BEGUN: &[u8] = b"begun";
const PERHAPS: &[u8] = b"perhaps";
const DONE: &[u8] = b"done";

/// How a claim went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Claimed {
    /// It is ours to do.
    Ours,
    /// Somebody is at it.
    Begun,
    /// It was tried within the last day, and nobody knows whether it was done.
    Perhaps,
    /// It was done within the last day.
    Done,
}

/// Claims a thing; one that was done, or perhaps was, only where somebody wants it `again`.
pub async fn claim(store: &Store, key: &[u8], again: bool, now: Time) -> Result<Claimed, Fault> {
    if again && let Some(state) = store.get(key, now).await?.filter(|state| state != BEGUN) {
        // Whoever changed it meanwhile has it.
        store.swap(key, Some(&state), None, None, now).await?;
    }
    match store.swap(key, None, Some(BEGUN), Some(now + BEGUN_FOR), now).await? {
        Swap::Done => Ok(Claimed::Ours),
        Swap::Was(Some(state)) if state == DONE => Ok(Claimed::Done),
        Swap::Was(Some(state)) if state == PERHAPS => Ok(Claimed::Perhaps),
        Swap::Was(_) => Ok(Claimed::Begun),
    }
}

/// It is done.
pub async fn done(store: &Store, key: &[u8], now: Time) -> Result<(), Fault> {
    store.put(key, DONE, Some(now + DONE_FOR)).await
}

/// Nobody knows whether it is done.
pub async fn perhaps(store: &Store, key: &[u8], now: Time) -> Result<(), Fault> {
    store.put(key, PERHAPS, Some(now + DONE_FOR)).await
}

/// It was not done: whoever comes may try.
pub async fn give_back(store: &Store, key: &[u8], now: Time) -> Result<(), Fault> {
    store.swap(key, Some(BEGUN), None, None, now).await.map(|_| ())
}
