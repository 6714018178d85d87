//! Ids of mail that waits: when it came, and a count, in thirteen characters.
//!
//! **Invariant:** the order of ids is the order of arrival, of their text too, and it stays so when the clock goes back: a
//! new id is always above all that there were. What comes from outside is checked by [`Id::parse`] before it comes near a
//! path.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use gatepost_core::{Time, WaitingId};

/// Characters of an id.
const LEN: usize = 13;
/// Bits that count the mails of one millisecond; those above are the milliseconds, enough until the year 2527.
const COUNT: u32 = 20;
/// Base 32 without letters that look alike, in the order of ASCII.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The id of a mail that waits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Id(u64);

impl Id {
    /// Below all others.
    pub const FIRST: Id = Id(0);

    /// Reads an id; nothing else is one.
    pub fn parse(text: &str) -> Option<Id> {
        if text.len() != LEN {
            return None;
        }
        let mut number = 0u64;
        for octet in text.bytes() {
            let digit = DIGITS.iter().position(|digit| *digit == octet)? as u64;
            // Thirteen digits hold one bit more than a number does.
            number = number.checked_mul(32)?.checked_add(digit)?;
        }
        Some(Id(number))
    }

    /// When its mail came, as far as the clock was right.
    pub fn time(self) -> Time {
        Time::from_millis(self.0 >> COUNT)
    }

    /// By how many milliseconds its mail came before its time, where it did: those that come at once do not get their ids in
    /// the order of their times.
    pub fn lag(self, at: Time) -> Option<u32> {
        let lag = self.time().millis().checked_sub(at.millis())?;
        u32::try_from(lag).ok()
    }

    /// When its mail came, if that was so many milliseconds before its time.
    pub fn at(self, lag: u32) -> Time {
        Time::from_millis(self.time().millis().saturating_sub(lag.into()))
    }

    /// The one behind it.
    pub fn next(self) -> Id {
        Id(self.0.saturating_add(1))
    }

    /// As others know it.
    pub fn waiting(self) -> WaitingId {
        WaitingId(self.to_string().into())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in (0..LEN).rev() {
            let digit = (self.0 >> (5 * place)) & 31;
            let digit = DIGITS.get(digit as usize).copied().unwrap_or(b'0');
            fmt::Write::write_char(f, char::from(digit))?;
        }
        Ok(())
    }
}

/// Gives ids.
#[derive(Debug)]
pub struct Ids(AtomicU64);

impl Ids {
    /// Those above this one.
    pub fn above(last: Id) -> Ids {
        Ids(AtomicU64::new(last.0))
    }

    /// The next one, for mail that came at `at`.
    pub fn next(&self, at: Time) -> Id {
        let now = at.millis().min(u64::MAX >> COUNT) << COUNT;
        let above = |last: u64| last.saturating_add(1).max(now);
        let last = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |last| Some(above(last)));
        Id(above(last.unwrap_or_else(|last| last)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_clock_that_goes_back_turns_no_order_around() {
        let ids = Ids::above(Id::FIRST);
        let came: Vec<Id> = [5, 5, 9, 3, 3, 10].map(|at| ids.next(Time::from_secs(at))).into();
        assert!(came.is_sorted_by(|one, next| one < next), "{came:?}");
        assert_eq!(came.last().map(|id| id.time()), Some(Time::from_secs(10)));
        let later = Ids::above(came[5]).next(Time::ZERO);
        assert!(later > came[5], "nor does a new start");
    }

    #[test]
    fn what_is_no_id_is_refused() {
        let id = Id(7).to_string();
        for hostile in [
            "",
            "..",
            "../../../../x",
            &id.to_uppercase().replace('0', "O"),
            &format!("{id}0"),
            "zzzzzzzzzzzzz",
        ] {
            assert_eq!(Id::parse(hostile), None, "{hostile:?}");
        }
    }

    proptest! {
        #[test]
        fn an_id_reads_back_and_sorts_as_its_text(a: u64, b: u64) {
            prop_assert_eq!(Id::parse(&Id(a).to_string()), Some(Id(a)));
            prop_assert_eq!(Id(a).cmp(&Id(b)), Id(a).to_string().cmp(&Id(b).to_string()));
        }
    }
}
