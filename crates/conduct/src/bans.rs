//! Who is turned away for a while. An entry goes by itself when its time has come; one that began later than it is, since
//! the clock was wrong, does not count.

use std::net::IpAddr;
use std::time::Duration;

use gatepost_core::{Fault, Store, Time};

/// Why somebody is turned away.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Offence {
    /// It wrote to a trap.
    Trap,
    /// It named many recipients that do not exist.
    Search,
}

impl Offence {
    const fn octet(self) -> u8 {
        match self {
            Offence::Trap => b't',
            Offence::Search => b's',
        }
    }

    /// What the log says.
    pub const fn note(self) -> &'static str {
        match self {
            Offence::Trap => "it wrote to a trap",
            Offence::Search => "it named many recipients that do not exist",
        }
    }
}

/// The bans of one installation.
#[derive(Clone)]
pub struct Bans {
    store: Store,
}

/// By how much clocks may differ.
const SLACK: Duration = Duration::from_mins(5);

fn key(client: IpAddr) -> Vec<u8> {
    format!("b{client}").into_bytes()
}

impl Bans {
    /// In the filter's part of the store.
    pub fn new(store: Store) -> Bans {
        Bans { store }
    }

    /// Why a client is turned away, if it is.
    pub async fn of(&self, client: IpAddr, now: Time) -> Result<Option<Offence>, Fault> {
        let value = self.store.get(&key(client), now).await?;
        Ok(value.and_then(|value| {
            let (letter, began) = value.split_first()?;
            let began = Time::from_millis(u64::from_be_bytes(began.try_into().ok()?));
            match letter {
                _ if began > now + SLACK => None,
                b't' => Some(Offence::Trap),
                b's' => Some(Offence::Search),
                _ => None,
            }
        }))
    }

    /// Turns a client away from now on.
    pub async fn ban(&self, client: IpAddr, why: Offence, long: Duration, now: Time) -> Result<(), Fault> {
        if long.is_zero() {
            return Ok(());
        }
        let mut value = vec![why.octet()];
        value.extend_from_slice(&now.millis().to_be_bytes());
        self.store.put(&key(client), &value, Some(now + long)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_testkit::MemoryStore;

    #[tokio::test]
    async fn a_ban_ends_by_itself() {
        let bans = Bans::new(MemoryStore::store());
        let (client, now) = ("192.0.2.1".parse().unwrap(), Time::from_secs(1_000));
        let hour = Duration::from_hours(1);
        bans.ban(client, Offence::Trap, hour, now).await.unwrap();
        assert_eq!(bans.of(client, now).await, Ok(Some(Offence::Trap)));
        assert_eq!(bans.of("192.0.2.2".parse().unwrap(), now).await, Ok(None));
        assert_eq!(bans.of(client, now + hour).await, Ok(None));
        bans.ban(client, Offence::Search, Duration::ZERO, now + hour)
            .await
            .unwrap();
        assert_eq!(bans.of(client, now + hour).await, Ok(None));
    }

    #[tokio::test]
    async fn a_ban_from_the_future_does_not_count() {
        let bans = Bans::new(MemoryStore::store());
        let (client, now) = ("192.0.2.1".parse().unwrap(), Time::from_secs(1_000_000));
        let hour = Duration::from_hours(1);
        bans.ban(client, Offence::Search, hour, now + hour).await.unwrap();
        assert_eq!(bans.of(client, now).await, Ok(None));
        assert_eq!(
            bans.of(client, now + hour.saturating_sub(SLACK)).await,
            Ok(Some(Offence::Search))
        );
    }

    #[tokio::test]
    async fn what_is_damaged_bans_nobody() {
        let store = MemoryStore::store();
        let (client, now) = ("192.0.2.1".parse().unwrap(), Time::from_secs(1_000));
        for value in [&b""[..], b"t", b"s\0\0", b"x\0\0\0\0\0\0\0\0", b"t\0\0\0\0\0\0\0\0\0"] {
            store.put(&key(client), value, None).await.unwrap();
            assert_eq!(Bans::new(store.clone()).of(client, now).await, Ok(None));
        }
    }
}
