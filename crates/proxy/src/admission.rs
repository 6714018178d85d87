//! Who may open a session: how many at once and how many a minute, in all, from an address and from its network.
//!
//! The bound on what is remembered: at most [`Admission::TRACKED`] addresses and networks with sessions or a recent
//! past; beyond it strangers are let in untracked, since forgetting is better than refusing mail.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use gatepost_core::Time;
use gatepost_core::network::masked;

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
    /// Recipients that do not exist, named by one client in a minute.
    pub unknown_per_minute: u32,
    /// Failed logins of one client, or with one user name, in an hour.
    pub failures_per_hour: u32,
}

/// What a client may do too often, and then is not let in until the period is over.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Offence {
    /// It named a recipient that does not exist: it may be harvesting addresses.
    UnknownRecipient,
    /// It failed to log in: it may be guessing passwords.
    FailedLogin,
}

impl Offence {
    /// In seconds.
    fn period(self) -> u64 {
        match self {
            Offence::UnknownRecipient => 60,
            Offence::FailedLogin => 3600,
        }
    }

    fn limit(self, limits: Limits) -> u32 {
        match self {
            Offence::UnknownRecipient => limits.unknown_per_minute,
            Offence::FailedLogin => limits.failures_per_hour,
        }
    }
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
    /// It offended too often.
    Offence(Offence),
}

impl Refused {
    /// Its name in metrics and log.
    pub fn name(self) -> &'static str {
        match self {
            Refused::Full => "full",
            Refused::Client => "client",
            Refused::Network => "network",
            Refused::Rate => "rate",
            Refused::Offence(Offence::UnknownRecipient) => "unknown_recipients",
            Refused::Offence(Offence::FailedLogin) => "failed_logins",
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

/// Who offended.
#[derive(PartialEq, Eq, Hash, Clone)]
enum Offender {
    Client(Key, Offence),
    User(Box<str>),
}

#[derive(Default)]
struct Book {
    open: usize,
    seen: HashMap<Key, Seen>,
    /// In which period, and how often.
    offences: HashMap<Offender, (u64, u32)>,
}

impl Book {
    fn offences(&self, offender: &Offender, period: u64) -> u32 {
        self.offences
            .get(offender)
            .filter(|(when, _)| *when == period)
            .map_or(0, |(_, count)| *count)
    }

    fn count(&mut self, offender: Offender, period: u64, now: Time) -> u32 {
        if self.offences.len() >= Admission::TRACKED && !self.offences.contains_key(&offender) {
            let passed = |period: u64, when: u64| when != now.secs() / period;
            self.offences.retain(|offender, (when, _)| match offender {
                Offender::Client(_, offence) => !passed(offence.period(), *when),
                Offender::User(_) => !passed(Offence::FailedLogin.period(), *when),
            });
            if self.offences.len() >= Admission::TRACKED {
                return 0;
            }
        }
        let entry = self.offences.entry(offender).or_default();
        if entry.0 != period {
            *entry = (period, 0);
        }
        entry.1 = entry.1.saturating_add(1);
        entry.1
    }
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
        for offence in [Offence::UnknownRecipient, Offence::FailedLogin] {
            let count = book.offences(&Offender::Client(keys[0], offence), now.secs() / offence.period());
            if over(count as usize, offence.limit(limits) as usize) {
                return Err(Refused::Offence(offence));
            }
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

    /// Counts an offence. `true` once it is too many: the session should end, and the next ones are refused until the
    /// period is over.
    pub fn offended(&self, address: IpAddr, offence: Offence, limits: Limits, now: Time) -> bool {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = book.count(
            Offender::Client(client(address), offence),
            now.secs() / offence.period(),
            now,
        );
        let limit = offence.limit(limits);
        limit > 0 && count >= limit
    }

    /// Counts a failed login by its user name. `true` each time the limit is reached anew: worth an alarm, and no more,
    /// for whoever may lock a name could lock out its owner.
    pub fn failed_as(&self, name: &str, limits: Limits, now: Time) -> bool {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = Offender::User(name.to_lowercase().into());
        let count = book.count(name, now.secs() / Offence::FailedLogin.period(), now);
        limits.failures_per_hour > 0 && count == limits.failures_per_hour
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
        unknown_per_minute: 3,
        failures_per_hour: 2,
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
    fn who_comes_through_a_translator_is_who_he_is() {
        let admission = Arc::new(Admission::default());
        let admit = |text: &str| admission.admit(ip(text), LIMITS, Time::from_secs(60));
        let _two = ["192.0.2.1", "64:ff9b::192.0.2.1"].map(|text| admit(text).ok().unwrap());
        assert_eq!(admit("64:ff9b::192.0.2.1").err(), Some(Refused::Client));
        assert!(admit("64:ff9b::198.51.100.1").is_ok() && admit("64:ff9b::203.0.113.1").is_ok());
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

    #[test]
    fn who_offends_too_often_is_not_let_in_until_the_period_is_over() {
        let admission = Arc::new(Admission::default());
        let at = Time::from_secs(7_200);
        let offend = |text: &str, offence, now| admission.offended(ip(text), offence, LIMITS, now);
        assert!(
            !offend("192.0.2.1", Offence::UnknownRecipient, at) && !offend("192.0.2.1", Offence::UnknownRecipient, at)
        );
        assert!(admission.admit(ip("192.0.2.1"), LIMITS, at).is_ok());
        assert!(offend("192.0.2.1", Offence::UnknownRecipient, at));
        let refused = admission.admit(ip("192.0.2.1"), LIMITS, at).err();
        assert_eq!(refused, Some(Refused::Offence(Offence::UnknownRecipient)));
        assert!(admission.admit(ip("192.0.2.2"), LIMITS, at).is_ok());
        assert!(admission.admit(ip("192.0.2.1"), LIMITS, Time::from_secs(7_260)).is_ok());
        assert!(!offend("2001:db8::1", Offence::FailedLogin, at));
        assert!(offend("2001:db8::2", Offence::FailedLogin, at), "one /64 is one client");
        assert!(
            admission
                .admit(ip("2001:db8::3"), LIMITS, Time::from_secs(10_799))
                .is_err()
        );
        assert!(
            admission
                .admit(ip("2001:db8::3"), LIMITS, Time::from_secs(10_800))
                .is_ok()
        );
    }

    #[test]
    fn failures_with_one_user_name_alarm_once_and_lock_nobody_out() {
        let admission = Admission::default();
        let fail = |name| admission.failed_as(name, LIMITS, Time::ZERO);
        assert_eq!(
            [fail("ann"), fail("Ann"), fail("ann"), fail("bob")],
            [false, true, false, false]
        );
    }
}
