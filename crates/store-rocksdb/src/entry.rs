//! How a key's value lies on disk: when it goes, in eight octets, then the value.

use bytes::Bytes;
use gatepost_core::{Fault, Time};

const HEAD: usize = 8;
const NEVER: u64 = u64::MAX;

/// An entry with its expiry.
pub fn write(value: &[u8], until: Option<Time>) -> Vec<u8> {
    let mut entry = Vec::with_capacity(HEAD + value.len());
    entry.extend_from_slice(&until.map_or(NEVER, Time::millis).to_be_bytes());
    entry.extend_from_slice(value);
    entry
}

fn head(entry: &[u8]) -> Option<u64> {
    entry.first_chunk::<HEAD>().map(|head| u64::from_be_bytes(*head))
}

/// Whether its time has come. An entry that cannot be read stays, so that somebody may look at it.
pub fn is_over(entry: &[u8], now: Time) -> bool {
    head(entry).is_some_and(|until| until != NEVER && until <= now.millis())
}

/// When it goes.
pub fn until(entry: &[u8]) -> Result<Option<Time>, Fault> {
    let until = head(entry).ok_or_else(|| Fault::Broken("store: an entry without its head".into()))?;
    Ok((until != NEVER).then(|| Time::from_millis(until)))
}

/// The value; none if its time has come.
pub fn read(entry: Vec<u8>, now: Time) -> Result<Option<Bytes>, Fault> {
    until(&entry)?;
    Ok((!is_over(&entry, now)).then(|| Bytes::from(entry).slice(HEAD..)))
}

/// The value of a counter.
pub fn count(entry: &[u8]) -> Result<i64, Fault> {
    let value = entry.get(HEAD..).and_then(|value| <[u8; 8]>::try_from(value).ok());
    value
        .map(i64::from_be_bytes)
        .ok_or_else(|| Fault::Broken("store: a counter is asked for where a value is".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_there_until_its_time_has_come() {
        let at = Time::from_millis;
        let entry = write(b"x", Some(at(10)));
        assert_eq!(read(entry.clone(), at(9)).unwrap().as_deref(), Some(&b"x"[..]));
        assert_eq!(read(entry.clone(), at(10)).unwrap(), None);
        assert!(read(write(b"", None), Time::FAR).unwrap().is_some());
        assert!(read(vec![1, 2], at(0)).is_err() && !is_over(&[1, 2], Time::FAR));
        assert!(count(&entry).is_err());
    }
}
