//! Who may open a session: how many at once and how many a minute, in all, from an address and from its network.
//!
//! The bound on what is remembered: at most [`Admission::TRACKED`] addresses and networks with sessions or a recent
//! past; beyond it strangers are let in untracked, since forgetting is better than refusing mail.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use gatepost_core::Time;

/// The limits of P-46 and G-12. Zero is "none".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Sessions in all.
    pub sessions: usize,
    /// Sessions of one IPv4 address or one IPv6 /64.
    pub sessions_per_client: usize,
    /// Sessions of one IPv4 /24 or one IPv6 /48.
    pub sessions_per_network: usize,
    /// New sessions of one client in a minute.
    pub new_per_minute: u32,
}

/// Why a session was not admitted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refused {
    /// Too many sessions in all.
    Full,
    /// Too many of this client.
    Client,
    /// Too many of its network.
    Network,
    /// Too many new ones of this client in a minute.
    Rate,
}

impl Refused {
    /// Its name in metrics and log.
    pub fn name(self) -> &'static str {
        match self {
            Refused::Full => "full",
            Refused::Client => "client",
            Refused::Network => "network",
            Refused::Rate => "rate",
        }
    }
}

#[derive(PartialEq, Eq, Hash, Clone, Copy)]
enum Key {
    Client(IpAddr),
    Network(IpAddr),
}

#[derive(Default)]
struct Seen {
    open: usize,
    minute: u64,
    new: u32,
}

#[derive(Default)]
struct Book {
    open: usize,
    seen: HashMap<Key, Seen>,
}

/// Counts sessions. Shared by all listeners, across reloads.
#[derive(Default)]
pub struct Admission(Mutex<Book>);

/// A session that was admitted; dropping it ends it.
pub struct Admitted {
    admission: Arc<Admission>,
    keys: Option<[Key; 2]>,
}

/// What counts as one client: an IPv4 address, an IPv6 /64.
fn client(address: IpAddr) -> Key {
    Key::Client(masked(address, 32, 64))
}

fn network(address: IpAddr) -> Key {
    Key::Network(masked(address, 24, 48))
}

fn masked(address: IpAddr, v4: u32, v6: u32) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4((u32::from(ip) & u32::MAX.checked_shl(32 - v4).unwrap_or(0)).into()),
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) & u128::MAX.checked_shl(128 - v6).unwrap_or(0)).into()),
    }
}

impl Admission {
    /// How many clients and networks are remembered at most.
    pub const TRACKED: usize = 200_000;

    /// Admits a session, or says why not.
    pub fn admit(self: &Arc<Self>, address: IpAddr, limits: Limits, now: Time) -> Result<Admitted, Refused> {
        let over = |count: usize, limit: usize| limit > 0 && count >= limit;
        let keys = [client(address), network(address)];
        let minute = now.secs() / 60;
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if over(book.open, limits.sessions) {
            return Err(Refused::Full);
        }
        if book.seen.len() >= Admission::TRACKED {
            book.seen.retain(|_, seen| seen.open > 0 || seen.minute == minute);
        }
        let tracked = book.seen.len() + 2 <= Admission::TRACKED || keys.iter().all(|key| book.seen.contains_key(key));
        if !tracked {
            book.open += 1;
            return Ok(Admitted {
                admission: Arc::clone(self),
                keys: None,
            });
        }
        let open = |key: &Key| book.seen.get(key).map_or(0, |seen| seen.open);
        if over(open(&keys[0]), limits.sessions_per_client) {
            return Err(Refused::Client);
        }
        if over(open(&keys[1]), limits.sessions_per_network) {
            return Err(Refused::Network);
        }
        let one = book.seen.entry(keys[0]).or_default();
        if one.minute != minute {
            (one.minute, one.new) = (minute, 0);
        }
        if over(one.new as usize, limits.new_per_minute as usize) {
            return Err(Refused::Rate);
        }
        one.new += 1;
        one.open += 1;
        book.seen.entry(keys[1]).or_default().open += 1;
        book.open += 1;
        Ok(Admitted {
            admission: Arc::clone(self),
            keys: Some(keys),
        })
    }

    /// Sessions that are open.
    pub fn open(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).open
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut book = self.admission.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.open -= 1;
        for key in self.keys.iter().flatten() {
            if let Some(seen) = book.seen.get_mut(key) {
                seen.open -= 1;
                // A client stays for its minute, a network has nothing else to be remembered for.
                if seen.open == 0 && matches!(key, Key::Network(_)) {
                    book.seen.remove(key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        sessions: 6,
        sessions_per_client: 2,
        sessions_per_network: 4,
        new_per_minute: 5,
    };

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_limit_refuses_its_own_and_lets_others_in() {
        let admission = Arc::new(Admission::default());
        let admit = |text: &str| admission.admit(ip(text), LIMITS, Time::from_secs(60));
        let _one = [
            admit("192.0.2.1").ok().unwrap(),
            admit("::ffff:192.0.2.1").ok().unwrap(),
        ];
        assert_eq!(admit("192.0.2.1").err(), Some(Refused::Client));
        let _two = [admit("192.0.2.2").ok().unwrap(), admit("192.0.2.3").ok().unwrap()];
        assert_eq!(admit("192.0.2.4").err(), Some(Refused::Network));
        let _three = [
            admit("2001:db8::1").ok().unwrap(),
            admit("2001:db8::ffff").ok().unwrap(),
        ];
        assert_eq!(admit("2001:db8::3").err(), Some(Refused::Full));
        drop(_one);
        assert_eq!(admit("2001:db8::3").err(), Some(Refused::Client));
        assert!(admit("2001:db8:0:1::3").is_ok());
        assert_eq!(admission.open(), 4);
    }

    #[test]
    fn new_sessions_are_counted_by_the_minute() {
        let admission = Arc::new(Admission::default());
        let admit = |second| admission.admit(ip("192.0.2.1"), LIMITS, Time::from_secs(second));
        for _ in 0..5 {
            drop(admit(60).ok().unwrap());
        }
        assert_eq!(admit(119).err(), Some(Refused::Rate));
        assert!(admit(120).is_ok());
    }
}
