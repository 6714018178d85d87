//! The content of a message, between our 354 and its end.

use std::time::Duration;

use super::says;
use super::settings::{Patience, Settings};
use crate::body::{BodyReader, Notes, Treat};
use crate::reply::Reply;

/// The most octets that are read at once, so that what is given out at once has a bound.
const BLOCK: usize = 16 * 1024;

/// A message that is being read.
pub struct Content {
    reader: BodyReader,
    /// What was read and not given out yet; at most `2 * BLOCK + 4` octets.
    pub out: Vec<u8>,
    /// Octets of content so far, given out or not.
    pub size: u64,
    received: u64,
    too_large: bool,
    ended: bool,
    /// How long the machine has waited for octets in all.
    waited: Duration,
}

impl Content {
    pub fn new(settings: &Settings) -> Content {
        Content {
            reader: BodyReader::new(settings.strictness),
            out: Vec::new(),
            size: 0,
            received: 0,
            too_large: false,
            ended: false,
            waited: Duration::ZERO,
        }
    }

    /// Reads a block of `input` and says how many octets of it were used.
    pub fn read(&mut self, input: &[u8], settings: &Settings) -> usize {
        let left = usize::try_from(most_received(settings).saturating_sub(self.received)).unwrap_or(BLOCK);
        let block = input.get(..left.min(BLOCK)).unwrap_or(input);
        let before = self.out.len();
        let progress = self.reader.read(block, &mut self.out);
        self.ended = progress.ended;
        self.received = self.received.saturating_add(progress.used as u64);
        self.size = self.size.saturating_add(self.out.len().saturating_sub(before) as u64);
        self.too_large |= self.size > settings.max_message();
        if self.too_large || self.reader.refused() {
            self.out.clear();
        }
        progress.used
    }

    /// Whether CR LF . CR LF was read.
    pub fn ended(&self) -> bool {
        self.ended
    }

    pub fn notes(&self) -> Notes {
        self.reader.notes()
    }

    /// Whether so much came without an end that it is not sought any longer.
    pub fn endless(&self, settings: &Settings) -> bool {
        !self.ended && self.received >= most_received(settings)
    }

    /// The refusal, if what was read is nothing to pass on.
    pub fn spoilt(&self, settings: &Settings) -> Option<Reply> {
        let notes = self.notes();
        if self.too_large {
            Some(says::TOO_LARGE)
        } else if !self.reader.refused() {
            None
        } else if settings.strictness.rest == Treat::Normalise {
            Some(says::BARE_LF)
        } else if notes.near_miss {
            Some(says::NEAR_MISS)
        } else if notes.nul {
            Some(says::NUL)
        } else if notes.bare_cr {
            Some(says::BARE_CR)
        } else {
            Some(says::BARE_LF)
        }
    }

    /// The machine has waited this long and got octets.
    pub fn waited(&mut self, time: Duration) {
        self.waited = self.waited.saturating_add(time);
    }

    /// How long the machine may wait from now on for the next octets.
    pub fn may_wait(&self, patience: &Patience) -> Duration {
        let Some(earned) = self.received.checked_div(patience.rate) else {
            return patience.block;
        };
        let in_all = patience.grace.saturating_add(Duration::from_secs(earned));
        in_all.saturating_sub(self.waited).min(patience.block)
    }
}

/// The most octets among which the end of a message is sought. Stuffed dots make what is received more than the
/// content, by a third at most.
fn most_received(settings: &Settings) -> u64 {
    let most = settings.max_message();
    most.saturating_add(most / 3)
        .saturating_add(settings.limits.excess)
        .saturating_add(3)
}
