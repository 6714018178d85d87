//! Reports that come each day: who wants them, and the run that sends them.
//!
//! | where | order | value |
//! |---|---|---|
//! | part `blocked.daily` | asker, whose, to whom | [`Standing`] as JSON |
//! | key `blocked.sent`, order | | the day of the last one |
//! | key `blocked.ran` | | the day of the last whole run |
//!
//! **Invariant:** the day of the last one is set by `swap` before a report is sent, so that neither a restart nor another
//! instance on the same store sends it twice, and set back where it could not be sent. A report reaches back to the day of
//! the one before it, if that is longer ago than usual: a day on which nothing could be sent leaves no gap.

use std::time::Duration;

use gatepost_core::serde::{Deserialize, Serialize};
use gatepost_core::{Address, Fault, Login, Store, Swap, Time};

use super::hour::Hour;
use super::wanted::{ToWhom, Wanted, Whose};

/// The partition of those who want reports.
const PART: &[u8] = b"blocked.daily";
/// Where the day of the last whole run lies.
const RAN: &[u8] = b"blocked.ran";
/// How long the day of the last report is remembered.
const REMEMBERED: Duration = Duration::from_hours(24 * (Wanted::DAYS_MAX as u64 + 1));
/// The most daily reports of one person who asks.
pub const STANDING_MAX: usize = 50;
/// The most daily reports that are read at a time.
pub const BATCH: usize = 50;

/// A report that is to come each day.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(crate = "gatepost_core::serde")]
pub struct Standing {
    /// In whose name it is asked for: what they may know is decided anew each day.
    pub by: Login,
    /// The one who asked.
    pub asker: String,
    /// Whose mail: an address, or `*@domain`.
    pub whose: String,
    /// To whom: an address, or `*` for everybody of the domain.
    pub to: String,
    /// Days that it looks back.
    pub days: u16,
    /// What is left out, where they said so.
    #[serde(default)]
    pub without: Option<String>,
    /// Their language.
    pub language: String,
}

/// A report that may be sent now and that nobody else sends.
#[derive(Debug)]
pub struct Claim {
    key: Vec<u8>,
    was: Option<Vec<u8>>,
    day: [u8; 8],
    /// Days since the last one; none where there was none that is remembered.
    pub days: Option<u16>,
}

impl Standing {
    /// Its place among all: one report of the same to the same for each who asks.
    pub fn place(&self) -> String {
        format!("{} {} {}", self.asker, self.whose, self.to)
    }

    fn order(&self) -> Vec<u8> {
        self.place().into_bytes()
    }

    /// Whose mail; none where the store holds what is no address.
    pub fn whose(&self) -> Option<Whose> {
        Whose::read(&self.whose)
    }

    /// To whom, as the asker wrote it.
    pub fn to(&self) -> Option<ToWhom> {
        match self.to.as_str() {
            "*" => Some(ToWhom::Each),
            to if to == self.asker => Some(ToWhom::Asker),
            to => Address::parse(to, true).ok().map(ToWhom::This),
        }
    }
}

/// Those who want a report each day.
#[derive(Clone)]
pub struct Daily {
    store: Store,
    hour: Hour,
}

/// All of one asker.
fn of(asker: &str) -> (Vec<u8>, Vec<u8>) {
    (format!("{asker} ").into_bytes(), format!("{asker}!").into_bytes())
}

impl Daily {
    /// In the part of the store that is the filter's; a day begins at an hour.
    pub fn new(store: Store, hour: Hour) -> Daily {
        Daily { store, hour }
    }

    /// Adds a report, or changes it. False where somebody has as many as there may be.
    pub async fn add(&self, standing: &Standing, now: Time) -> Result<bool, Fault> {
        let order = standing.order();
        let (from, to) = of(&standing.asker);
        let page = self.store.range(PART, &from..&to, false, STANDING_MAX).await?;
        let known = page.entries.iter().any(|(known, _)| **known == *order);
        if !known && page.entries.len() >= STANDING_MAX {
            return Ok(false);
        }
        let value = serde_json::to_vec(standing).map_err(|error| Fault::Broken(error.to_string()))?;
        // The first comes on the next day: today's is the answer to the one who asks.
        let (key, day) = (sent(&order), self.hour.day(now).to_be_bytes());
        self.store.put(&key, &day, Some(now + REMEMBERED)).await?;
        self.store.insert(PART, &order, &value).await?;
        Ok(true)
    }

    /// Removes a report; whether there was one.
    pub async fn remove(&self, standing: &Standing) -> Result<bool, Fault> {
        self.end(&standing.place()).await
    }

    /// The same by its [place](Standing::place).
    pub async fn end(&self, place: &str) -> Result<bool, Fault> {
        let (order, end) = (place.as_bytes(), [place.as_bytes(), b"\0"].concat());
        let there = !self.store.range(PART, order..&end, false, 1).await?.entries.is_empty();
        self.store.remove(PART, order).await?;
        Ok(there)
    }

    /// At most [`BATCH`] reports behind a cursor, and the cursor of those behind them.
    pub async fn page(&self, after: Option<&str>) -> Result<(Vec<Standing>, Option<String>), Fault> {
        let from = after.map_or_else(Vec::new, |after| [after.as_bytes(), b"\0"].concat());
        let page = self.store.range(PART, &from..b"", false, BATCH).await?;
        let last = page.entries.last().filter(|_| page.more);
        let next = last.map(|(order, _)| String::from_utf8_lossy(order).into_owned());
        let standing = page
            .entries
            .iter()
            .filter_map(|(_, value)| serde_json::from_slice(value).ok());
        Ok((standing.collect(), next))
    }

    /// Claims today's report; nothing where it was sent or is being sent.
    pub async fn claim(&self, standing: &Standing, now: Time) -> Result<Option<Claim>, Fault> {
        let (key, day) = (sent(&standing.order()), self.hour.day(now));
        let was = self.store.get(&key, now).await?;
        let last = was
            .as_deref()
            .and_then(|was| <[u8; 8]>::try_from(was).ok())
            .map(u64::from_be_bytes);
        // A clock that went back sends nothing.
        if last.is_some_and(|last| last >= day) {
            return Ok(None);
        }
        let claim = Claim {
            key,
            was: was.map(|was| was.to_vec()),
            day: day.to_be_bytes(),
            days: last.map(|last| u16::try_from(day - last).unwrap_or(u16::MAX).min(Wanted::DAYS_MAX)),
        };
        let until = Some(now + REMEMBERED);
        let swapped = self
            .store
            .swap(&claim.key, claim.was.as_deref(), Some(&claim.day), until, now)
            .await?;
        Ok((swapped == Swap::Done).then_some(claim))
    }

    /// Gives a claim back, because nothing was sent.
    pub async fn give_back(&self, claim: &Claim, now: Time) -> Result<(), Fault> {
        let until = Some(now + REMEMBERED);
        self.store
            .swap(&claim.key, Some(&claim.day), claim.was.as_deref(), until, now)
            .await
            .map(drop)
    }

    /// Notes that everybody of today was seen to.
    pub async fn ran(&self, now: Time) -> Result<(), Fault> {
        let day = self.hour.day(now).to_be_bytes();
        self.store.put(RAN, &day, Some(now + REMEMBERED)).await
    }

    /// When reports are to be sent next: now or earlier where today's run is still to come.
    pub async fn next(&self, now: Time) -> Result<Time, Fault> {
        let today = self.hour.day(now);
        let ran = self.store.get(RAN, now).await?;
        let ran = ran.as_deref() == Some(&today.to_be_bytes()[..]);
        Ok(self.hour.begin(today + u64::from(ran)))
    }
}

fn sent(order: &[u8]) -> Vec<u8> {
    [b"blocked.sent ".as_slice(), order].concat()
}

#[cfg(test)]
mod tests {
    use gatepost_core::LoginBy;
    use gatepost_testkit::{FakeClock, MemoryStore};

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn standing(asker: &str, whose: &str) -> Standing {
        Standing {
            by: Login::new(asker, LoginBy::Auth),
            asker: asker.into(),
            whose: whose.into(),
            to: asker.into(),
            days: 1,
            without: None,
            language: "en".into(),
        }
    }

    fn daily() -> Daily {
        Daily::new(MemoryStore::store(), Hour::default())
    }

    #[tokio::test]
    async fn a_report_comes_once_a_day_whoever_sends_it() {
        let (daily, carl) = (daily(), standing("carl@d.example", "carl@d.example"));
        let start = FakeClock::START;
        assert!(daily.add(&carl, start).await.unwrap());
        assert!(
            daily.claim(&carl, start).await.unwrap().is_none(),
            "today's is the answer itself"
        );
        let other = daily.clone();
        let claim = daily.claim(&carl, start + DAY).await.unwrap().expect("the next day");
        assert_eq!(claim.days, Some(1));
        assert!(other.claim(&carl, start + DAY).await.unwrap().is_none());
        daily.give_back(&claim, start + DAY).await.unwrap();
        let late = other
            .claim(&carl, start + DAY * 3)
            .await
            .unwrap()
            .expect("it was given back");
        assert_eq!(late.days, Some(3), "back to the last one");
        assert!(
            daily.claim(&carl, start).await.unwrap().is_none(),
            "a clock that went back sends nothing"
        );
    }

    #[tokio::test]
    async fn the_run_is_due_once_a_day_and_is_made_up_for() {
        let daily = daily();
        let six = Time::from_millis(FakeClock::START.millis() - 6 * 3_600_000);
        assert_eq!(daily.next(FakeClock::START).await.unwrap(), six, "not yet today");
        daily.ran(FakeClock::START).await.unwrap();
        assert_eq!(daily.next(FakeClock::START).await.unwrap(), six + DAY);
        assert_eq!(daily.next(six + DAY).await.unwrap(), six + DAY, "it is due");
    }

    #[tokio::test]
    async fn what_was_added_is_found_changed_and_removed_and_has_a_bound() {
        let (daily, start) = (daily(), FakeClock::START);
        for n in 0..STANDING_MAX {
            let row = standing("root@d.example", &format!("p{n}@d.example"));
            assert!(daily.add(&row, start).await.unwrap());
        }
        assert!(
            !daily
                .add(&standing("root@d.example", "more@d.example"), start)
                .await
                .unwrap()
        );
        let mut changed = standing("root@d.example", "p7@d.example");
        changed.days = 9;
        assert!(
            daily.add(&changed, start).await.unwrap(),
            "one that is there is changed"
        );
        assert!(
            daily
                .add(&standing("roo@d.example", "p7@d.example"), start)
                .await
                .unwrap(),
            "another's are not counted"
        );
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let (page, next) = daily.page(after.as_deref()).await.unwrap();
            all.extend(page);
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(all.len(), STANDING_MAX + 1);
        assert!(all.contains(&changed));
        assert!(daily.remove(&changed).await.unwrap() && !daily.remove(&changed).await.unwrap());
    }

    #[test]
    fn to_whom_it_goes_is_read_back() {
        let mut row = standing("carl@d.example", "*@d.example");
        assert_eq!(row.to(), Some(ToWhom::Asker));
        row.to = "*".into();
        assert_eq!(row.to(), Some(ToWhom::Each));
        row.to = "nobody".into();
        assert_eq!(
            (row.to(), row.whose().map(|whose| whose.key())),
            (None, Some("*@d.example".into()))
        );
    }
}
