//! The standing of a client or a network: the points of its earlier mail, which fade with time; good mail lowers them.
//!
//! An entry lies in one of [`SLOTS`] places, chosen by a keyed hash, and says by another part of the hash whose it is. Who
//! finds a place taken by a stronger standing than its own is not remembered; so the number of entries has a bound, and
//! no stranger can aim at anybody's place.
//!
//! **Invariants:** a standing is between [`FLOOR`] and [`CEILING`]; by itself it only comes nearer to zero, and once its
//! time has come it is gone. Everything is in whole hundredths of a point.

use std::net::IpAddr;
use std::time::Duration;

use gatepost_core::{Fault, Record, Score, Seed, Store, Swap, Time};

/// The best standing, in hundredths of a point.
pub const FLOOR: i64 = -2_000;
/// The worst.
pub const CEILING: i64 = 20_000;
/// How many entries there are of each kind at most.
pub const SLOTS: u64 = 1 << 18;
/// Below this a standing is as good as none.
const NOTHING: i64 = 5;
/// After so many half-lives nothing is left of the worst.
const LIVES: u32 = 12;
/// The form of an entry that this crate writes.
const VERSION: u8 = 1;
/// By how much clocks may differ. What was remembered later than that, since the clock was wrong, is nothing.
const SLACK: Duration = Duration::from_mins(5);
/// How often a change is tried again that met another.
const TRIES: usize = 4;

/// Whose standing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Whose {
    /// A client's.
    Client,
    /// A network's.
    Network,
}

/// What is left of a standing after a time.
pub fn decayed(points: i64, passed: Duration, half_life: Duration) -> i64 {
    let half = half_life.as_millis().max(1);
    let lives = passed.as_millis() / half;
    let Ok(lives) = u32::try_from(lives) else { return 0 };
    if lives >= 32 {
        return 0;
    }
    let points = points.clamp(FLOOR, CEILING);
    let whole = points / (1 << lives);
    // Within a half-life it falls in a straight line.
    let rest = i64::try_from(passed.as_millis() % half * 1_000 / half).unwrap_or(1_000);
    whole - whole * rest / 2_000
}

/// A standing after something that was worth `worth`.
pub fn changed(points: i64, worth: i64) -> i64 {
    points.saturating_add(worth).clamp(FLOOR, CEILING)
}

/// The points that the next mail gets for the standings of its client and its network.
pub fn charge(client: i64, network: i64, weight: Score, least: Score, most: Score) -> Score {
    let weight = i64::from(weight.as_hundredths());
    // The neighbours' good mail speaks for nobody.
    let points = (client + network.max(0) / 4) * weight / 100;
    let (least, most) = (
        i64::from(least.as_hundredths()).min(0),
        i64::from(most.as_hundredths()).max(0),
    );
    Score::hundredths(i32::try_from(points.clamp(least, most)).unwrap_or(0))
}

/// Findings of this filter that rest on earlier mail: what they weigh must not be remembered again.
pub const REMEMBERED: [&str; 2] = ["conduct.reputation", "conduct.banned"];
/// The most that one mail is worth.
const MAIL: i64 = 2_000;
/// What a good mail is worth.
const GOOD: i64 = -100;

/// What a mail was worth, in hundredths of a point: its score where that spoke for spam, a point of credit where nothing
/// did and it was delivered, nothing in between. Where somebody decided that nothing counts against the mail, to
/// postmaster, say, there is no credit for it: anybody could earn a good name there.
pub fn worth(record: &Record) -> i64 {
    use gatepost_core::{Evidence, Level};
    let own: i64 = record
        .findings
        .iter()
        .filter(|finding| finding.counts && REMEMBERED.contains(&finding.tag.as_str()))
        .map(|finding| match finding.evidence {
            Evidence::Points(points) => i64::from(points.as_hundredths()),
            _ => 0,
        })
        .sum();
    let judged = record.recipients.iter().filter(|_| record.size > 0);
    let worst = judged.max_by_key(|row| row.score);
    // Of mail that is delivered as any other there is no reason to tell.
    let earned = |row: &gatepost_core::RecipientRecord| row.fate == "deliver" && row.because.is_empty();
    match worst {
        Some(row) if row.level >= Level::Medium => (i64::from(row.score.as_hundredths()) - own).clamp(0, MAIL),
        Some(row)
            if row.level == Level::None && record.reply.starts_with('2') && record.recipients.iter().any(earned) =>
        {
            GOOD
        }
        _ => 0,
    }
}

/// The standings of one installation.
#[derive(Clone)]
pub struct Standings {
    store: Store,
    seed: Seed,
    half_life: Duration,
}

/// An entry, and whether it is of the one who asks.
struct Entry {
    own: bool,
    points: i64,
}

impl Standings {
    /// In the filter's part of the store. Without a half-life nothing is remembered.
    pub fn new(store: Store, seed: Seed, half_life: Duration) -> Standings {
        Standings { store, seed, half_life }
    }

    /// Where the entry of somebody lies, and the mark that it is theirs.
    fn place(&self, whose: Whose, address: IpAddr) -> ([u8; 5], [u8; 4]) {
        let kind = match whose {
            Whose::Client => b'c',
            Whose::Network => b'n',
        };
        let hash = self
            .seed
            .hash(&[b"conduct standing", &[kind], address.to_string().as_bytes()]);
        let [.., a, b, c] = (hash % SLOTS).to_be_bytes();
        let mark = ((hash >> 32) as u32).to_be_bytes();
        ([b'p', kind, a, b, c], mark)
    }

    fn read(&self, value: &[u8], mark: [u8; 4], now: Time) -> Option<Entry> {
        let (&version, rest) = value.split_first()?;
        if version != VERSION || rest.len() != 16 {
            return None;
        }
        let points = i32::from_be_bytes(rest.get(4..8)?.try_into().ok()?);
        let at = Time::from_millis(u64::from_be_bytes(rest.get(8..16)?.try_into().ok()?));
        if at > now + SLACK {
            return None;
        }
        Some(Entry {
            own: rest.get(..4)? == mark,
            points: decayed(points.into(), now.since(at), self.half_life),
        })
    }

    /// The standing of somebody; none where nothing is remembered. What cannot be read is nothing.
    pub async fn of(&self, whose: Whose, address: IpAddr, now: Time) -> Result<Option<i64>, Fault> {
        if self.half_life.is_zero() {
            return Ok(None);
        }
        let (key, mark) = self.place(whose, address);
        let value = self.store.get(&key, now).await?;
        let entry = value.and_then(|value| self.read(&value, mark, now));
        Ok(entry.filter(|entry| entry.own).map(|entry| entry.points))
    }

    /// Remembers something of somebody.
    pub async fn remember(&self, whose: Whose, address: IpAddr, worth: i64, now: Time) -> Result<(), Fault> {
        if self.half_life.is_zero() || worth == 0 {
            return Ok(());
        }
        let (key, mark) = self.place(whose, address);
        let mut was = self.store.get(&key, now).await?;
        for _ in 0..TRIES {
            let entry = was.as_deref().and_then(|value| self.read(value, mark, now));
            let points = match entry {
                Some(entry) if entry.own => changed(entry.points, worth),
                Some(other) if other.points.abs() >= changed(0, worth).abs().max(NOTHING) => return Ok(()),
                _ => changed(0, worth),
            };
            let mut value = vec![VERSION];
            value.extend_from_slice(&mark);
            value.extend_from_slice(&i32::try_from(points).unwrap_or(0).to_be_bytes());
            value.extend_from_slice(&now.millis().to_be_bytes());
            let until = Some(now + self.half_life * LIVES);
            match self.store.swap(&key, was.as_deref(), Some(&value), until, now).await? {
                Swap::Done => return Ok(()),
                Swap::Was(other) => was = other,
            }
        }
        // Others remember things of the same client at this moment: theirs will do.
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_testkit::{Fakes, MemoryStore};
    use proptest::prelude::*;

    const DAY: Duration = Duration::from_hours(24);
    const NOW: Time = Time::from_secs(1_000_000);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_standing_fades_and_is_gone_when_its_time_has_come() {
        let store = MemoryStore::store();
        let standings = || Standings::new(store.clone(), Fakes::SEED, DAY);
        let client = ip("192.0.2.1");
        standings().remember(Whose::Client, client, 10_00, NOW).await.unwrap();
        for (days, points) in [
            (0, Some(10_00)),
            (1, Some(5_00)),
            (2, Some(2_50)),
            (11, Some(0)),
            (12, None),
        ] {
            assert_eq!(
                standings().of(Whose::Client, client, NOW + DAY * days).await,
                Ok(points),
                "{days}"
            );
        }
        assert_eq!(standings().of(Whose::Network, client, NOW).await, Ok(None));
        assert_eq!(standings().of(Whose::Client, ip("192.0.2.2"), NOW).await, Ok(None));
    }

    #[tokio::test]
    async fn good_mail_lowers_it_down_to_the_floor() {
        let standings = Standings::new(MemoryStore::store(), Fakes::SEED, DAY);
        let client = ip("192.0.2.1");
        standings.remember(Whose::Client, client, 3_00, NOW).await.unwrap();
        for _ in 0..40 {
            standings.remember(Whose::Client, client, GOOD, NOW).await.unwrap();
        }
        assert_eq!(standings.of(Whose::Client, client, NOW).await, Ok(Some(FLOOR)));
    }

    #[tokio::test]
    async fn what_was_remembered_in_the_future_is_nothing() {
        let standings = Standings::new(MemoryStore::store(), Fakes::SEED, DAY);
        let client = ip("192.0.2.1");
        standings
            .remember(Whose::Client, client, 9_00, NOW + DAY)
            .await
            .unwrap();
        assert_eq!(standings.of(Whose::Client, client, NOW).await, Ok(None));
        let soon = NOW + DAY.saturating_sub(SLACK);
        assert_eq!(standings.of(Whose::Client, client, soon).await, Ok(Some(9_00)));
        standings.remember(Whose::Client, client, 1_00, NOW).await.unwrap();
        assert_eq!(standings.of(Whose::Client, client, NOW).await, Ok(Some(1_00)));
    }

    #[test]
    fn only_mail_that_was_looked_at_earns_credit() {
        use gatepost_core::{Direction, RecipientId, RecipientRecord, Tag};
        let worth = |rows: &[(&str, &[&'static str])]| {
            let mut record = Record::new("id".into(), 0, Direction::Inbound, "mx".into(), ip("192.0.2.1"), 25);
            (record.size, record.reply) = (100, "250 2.0.0 ok".into());
            for (n, (fate, because)) in rows.iter().enumerate() {
                let mut row = RecipientRecord::new(RecipientId(n as u16), "carl@d.example".into());
                row.fate = (*fate).into();
                row.because = because.iter().copied().map(Tag::new).collect();
                record.recipients.push(row);
            }
            worth(&record)
        };
        assert_eq!(worth(&[("deliver", &[])]), GOOD);
        assert_eq!(worth(&[("deliver", &["policy.role_account"])]), 0);
        assert_eq!(worth(&[("deliver", &["whitelist.contact"])]), 0);
        assert_eq!(worth(&[("hold", &["other.hold"])]), 0);
        assert_eq!(worth(&[("deliver", &["policy.role_account"]), ("deliver", &[])]), GOOD);
    }

    #[tokio::test]
    async fn without_a_half_life_nothing_is_remembered() {
        let standings = Standings::new(MemoryStore::store(), Fakes::SEED, Duration::ZERO);
        standings
            .remember(Whose::Client, ip("192.0.2.1"), 9_00, NOW)
            .await
            .unwrap();
        assert_eq!(standings.of(Whose::Client, ip("192.0.2.1"), NOW).await, Ok(None));
    }

    #[tokio::test]
    async fn the_stronger_of_two_has_the_place_and_what_is_damaged_is_nothing() {
        let store = MemoryStore::store();
        let standings = Standings::new(store.clone(), Fakes::SEED, DAY);
        let client = ip("192.0.2.1");
        let (key, mark) = standings.place(Whose::Client, client);
        let mut other = vec![VERSION];
        other.extend_from_slice(&[!mark[0], mark[1], mark[2], mark[3]]);
        other.extend_from_slice(&500_i32.to_be_bytes());
        other.extend_from_slice(&NOW.millis().to_be_bytes());
        store.put(&key, &other, None).await.unwrap();
        standings.remember(Whose::Client, client, 4_00, NOW).await.unwrap();
        assert_eq!(standings.of(Whose::Client, client, NOW).await, Ok(None));
        standings.remember(Whose::Client, client, 6_00, NOW).await.unwrap();
        assert_eq!(standings.of(Whose::Client, client, NOW).await, Ok(Some(6_00)));
        store.put(&key, b"damaged", None).await.unwrap();
        assert_eq!(standings.of(Whose::Client, client, NOW).await, Ok(None));
        standings.remember(Whose::Client, client, 1_00, NOW).await.unwrap();
        assert_eq!(standings.of(Whose::Client, client, NOW).await, Ok(Some(1_00)));
    }

    #[test]
    fn the_next_mail_is_charged_a_part_within_bounds() {
        let charge = |client, network| {
            charge(
                client,
                network,
                Score::hundredths(10),
                Score::points(-1),
                Score::points(3),
            )
        };
        assert_eq!(charge(10_00, 0), Score::points(1));
        assert_eq!(charge(0, 40_00), Score::points(1));
        assert_eq!(charge(CEILING, CEILING), Score::points(3));
        assert_eq!(charge(-5_00, 0), Score::hundredths(-50));
        assert_eq!(charge(FLOOR, FLOOR), Score::points(-1));
        assert_eq!(charge(0, FLOOR), Score::ZERO);
    }

    proptest! {
        #[test]
        fn it_only_comes_nearer_to_zero(
            points in FLOOR..=CEILING, sooner in 0..100_000_000_u64, more in 0..100_000_000_u64, half in 1..10_000_000_u64,
        ) {
            let half = Duration::from_millis(half);
            let one = decayed(points, Duration::from_millis(sooner), half);
            let other = decayed(points, Duration::from_millis(sooner + more), half);
            prop_assert!(one.abs() <= points.abs() && other.abs() <= one.abs());
            prop_assert!(one == 0 || one.signum() == points.signum());
        }

        #[test]
        fn it_never_leaves_its_bounds(worths in prop::collection::vec(any::<i64>(), 0..50), millis: u64) {
            let mut points = 0;
            for worth in worths {
                points = changed(decayed(points, Duration::from_millis(millis), DAY), worth);
                prop_assert!((FLOOR..=CEILING).contains(&points));
            }
        }

        #[test]
        fn a_restart_between_any_two_mails_loses_nothing(
            steps in prop::collection::vec((-2_00..20_00_i64, 0..200_000_u64), 1..30),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let (store, client) = (MemoryStore::store(), ip("192.0.2.1"));
                let other = Standings::new(MemoryStore::store(), Fakes::SEED, DAY);
                let mut now = NOW;
                for (worth, secs) in steps {
                    now = now + Duration::from_secs(secs);
                    let anew = Standings::new(store.clone(), Fakes::SEED, DAY);
                    anew.remember(Whose::Client, client, worth, now).await.unwrap();
                    other.remember(Whose::Client, client, worth, now).await.unwrap();
                    let standing = anew.of(Whose::Client, client, now).await.unwrap();
                    prop_assert_eq!(standing, other.of(Whose::Client, client, now).await.unwrap());
                }
                Ok(())
            })?;
        }
    }
}
