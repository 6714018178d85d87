//! Answers that still hold.
//!
//! **Invariants:** what is remembered never takes more than its bound, whatever strangers make us ask; an answer is given
//! until its time is over, and not after. Time is passed in.
//!
//! **How.** Two generations in each shard: what is asked for stays in the young one; when that is full it becomes the old
//! one, and what nobody asked for since the last time goes at once. So a flood of names that are asked once drives out
//! other such names first, and forgetting costs nothing.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};

use gatepost_core::Time;

use crate::answer::{Answer, Key};

const SHARDS: usize = 16;
/// What the maps take beside a key and its answer.
const BESIDE: usize = 80;

type Generation = HashMap<Key, Arc<Answer>>;

#[derive(Default)]
struct Shard {
    young: Generation,
    old: Generation,
    /// Octets in the young generation.
    weight: usize,
}

/// Answers that still hold.
pub struct Memory {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    /// Octets of one generation of one shard.
    share: usize,
}

impl Memory {
    /// One of at most so many octets.
    pub fn new(octets: usize) -> Memory {
        Memory {
            shards: Default::default(),
            hasher: RandomState::new(),
            share: octets / SHARDS / 2,
        }
    }

    fn shard(&self, key: &Key) -> &Mutex<Shard> {
        let hash = self.hasher.hash_one(key);
        let [first, rest @ ..] = &self.shards;
        let n = usize::try_from(hash % SHARDS as u64).unwrap_or_default();
        n.checked_sub(1).and_then(|n| rest.get(n)).unwrap_or(first)
    }

    /// The answer to a question, if it still holds.
    pub fn recall(&self, key: &Key, now: Time) -> Option<Arc<Answer>> {
        let mut shard = self.shard(key).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = shard.young.get(key) {
            return (answer.until > now).then(|| Arc::clone(answer));
        }
        let (key, answer) = shard.old.remove_entry(key)?;
        if answer.until <= now {
            return None;
        }
        shard.keep(key, Arc::clone(&answer), self.share);
        Some(answer)
    }

    /// Remembers an answer.
    pub fn keep(&self, key: Key, answer: Arc<Answer>) {
        let mut shard = self.shard(&key).lock().unwrap_or_else(PoisonError::into_inner);
        shard.old.remove(&key);
        shard.keep(key, answer, self.share);
    }
}

impl Shard {
    fn keep(&mut self, key: Key, answer: Arc<Answer>, share: usize) {
        let weight = |key: &Key, answer: &Answer| BESIDE + key.len() + answer.octets();
        let octets = weight(&key, &answer);
        if octets > share {
            return;
        }
        let before = self.young.get(&key).map_or(0, |answer| weight(&key, answer));
        self.weight = self.weight.saturating_sub(before);
        if self.weight + octets > share {
            self.young.remove(&key);
            self.old = std::mem::take(&mut self.young);
            self.weight = 0;
        }
        self.weight += octets;
        self.young.insert(key, answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::{Datum, Kind};
    use gatepost_core::Lookup;
    use std::time::Duration;

    fn key(n: usize) -> Key {
        Key::name(Kind::Txt, &format!("{n}.example"))
    }

    fn answer(octets: usize, until: u64) -> Arc<Answer> {
        Arc::new(Answer {
            lookup: Lookup::Found {
                records: vec![Datum::Txt(vec![b'x'; octets].into())],
                ttl: Duration::ZERO,
            },
            until: Time::from_millis(until),
        })
    }

    fn held(memory: &Memory) -> usize {
        let shards = memory.shards.iter().map(|shard| shard.lock().unwrap());
        shards
            .map(|shard| {
                let each = shard.young.iter().chain(&shard.old);
                each.map(|(key, answer)| BESIDE + key.len() + answer.octets())
                    .sum::<usize>()
            })
            .sum()
    }

    #[test]
    fn an_answer_is_given_until_its_time_is_over() {
        let memory = Memory::new(1 << 20);
        memory.keep(key(1), answer(10, 1_000));
        assert!(memory.recall(&key(1), Time::from_millis(999)).is_some());
        assert!(memory.recall(&key(1), Time::from_millis(1_000)).is_none());
        memory.keep(key(1), answer(10, 2_000));
        assert!(memory.recall(&key(1), Time::from_millis(1_000)).is_some());
        assert!(memory.recall(&key(2), Time::ZERO).is_none());
    }

    #[test]
    fn the_bound_is_kept_and_what_is_asked_for_stays() {
        let bound = 1 << 20;
        let memory = Memory::new(bound);
        memory.keep(key(0), answer(100, 1));
        for n in 1..20_000 {
            memory.keep(key(n), answer(n % 300, 1));
            assert!(n % 10 > 0 || memory.recall(&key(0), Time::ZERO).is_some(), "{n}");
        }
        assert!(held(&memory) <= bound, "{}", held(&memory));
        assert!(held(&memory) > bound / 4, "{}", held(&memory));
        memory.keep(key(1), answer(bound, 1));
        assert!(held(&memory) <= bound, "an answer that is too large is not kept");
    }
}
