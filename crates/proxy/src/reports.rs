//! The clock of the daily block reports: it asks the filter, through the desk, when they are to be sent, and has them sent.
//!
//! **Invariant:** what was sent is remembered in the store and not here, so that a restart, a reload or another instance on
//! the same store sends nothing twice. **Absent on purpose:** any knowledge of who gets a report and when.

use std::sync::Arc;
use std::time::Duration;

use gatepost_core::{Change, Clock, Desk, Login, LoginBy, Receipt, Request, Time};
use tokio_util::sync::CancellationToken;

/// The filter that writes the reports.
pub const FILTER: &str = "command_mailbox";
/// How often it is looked whether the time has come, or another configuration.
const LOOK: Duration = Duration::from_mins(1);
/// How soon it is tried again where something could not be sent or told.
const AGAIN: Duration = Duration::from_mins(15);
/// How often within a day.
const TRIES: u32 = 8;
/// The most batches of a run: more people than there are.
const BATCHES: usize = 100_000;

/// The hands of the clock.
struct Hands<'a> {
    desk: &'a dyn Desk,
    login: Login,
    /// How often in a row something could not be sent.
    failed: u32,
}

impl<'a> Hands<'a> {
    fn new(desk: &'a dyn Desk) -> Hands<'a> {
        Hands {
            desk,
            login: Login::new("daily reports", LoginBy::Operator),
            failed: 0,
        }
    }

    async fn ask(&self, words: &[&str]) -> Result<Change, String> {
        let request = Request::Other {
            filter: FILTER.into(),
            words: words.iter().map(|word| (*word).into()).collect(),
        };
        match self.desk.submit(&self.login, request).await {
            Ok(Receipt::Done(change)) => Ok(change),
            Ok(Receipt::Refused(why) | Receipt::Failed(why)) => Err(why),
            Ok(_) => Err("another receipt than that of an act".into()),
            Err(fault) => Err(fault.to_string()),
        }
    }

    /// When reports are to be sent.
    async fn due(&self) -> Result<Time, String> {
        let change = self.ask(&["when"]).await?;
        let millis = change.lines.first().and_then(|line| line.parse().ok());
        millis.map(Time::from_millis).ok_or_else(|| "no time was told".into())
    }

    /// Sends all that is to be sent today; what could not be sent is told.
    async fn send(&self) -> Result<Vec<String>, String> {
        let (mut wrong, mut next) = (Vec::new(), None::<String>);
        for _ in 0..BATCHES {
            let change = match &next {
                None => self.ask(&["daily"]).await?,
                Some(after) => self.ask(&["daily", after]).await?,
            };
            wrong.extend(change.lines);
            wrong.truncate(10);
            next = change.next;
            if next.is_none() {
                break;
            }
        }
        Ok(wrong)
    }

    /// Does what is to be done now, and tells when to come again.
    async fn turn(&mut self, now: Time) -> Time {
        let due = match self.due().await {
            Ok(due) => due,
            Err(why) => {
                tracing::warn!(why, "it cannot be told when block reports are to be sent");
                return now + AGAIN;
            }
        };
        // Something was left at the last run: once more, though the day is noted as done.
        if due > now && self.failed == 0 {
            return due;
        }
        let told = match self.send().await {
            Ok(wrong) if wrong.is_empty() => None,
            Ok(wrong) => Some(wrong.join("; ")),
            Err(why) => Some(why),
        };
        match told {
            Some(why) if self.failed < TRIES => {
                self.failed += 1;
                tracing::warn!(why, "daily block reports could not be sent; they are tried again");
                return now + AGAIN;
            }
            Some(why) => tracing::error!(
                why,
                "daily block reports were not sent; the next ones reach back further"
            ),
            None => {}
        }
        self.failed = 0;
        self.due().await.unwrap_or(now + AGAIN).max(now + LOOK)
    }
}

/// Has the reports sent each day, until `end`. `filters` tells whether the filter is in service, and a mark of the
/// configuration: where that is another one, it is asked anew.
pub async fn keep(
    desk: Arc<dyn Desk>,
    clock: Arc<dyn Clock>,
    filters: impl Fn() -> (bool, usize) + Send,
    end: CancellationToken,
) {
    let mut hands = Hands::new(&*desk);
    let mut next: Option<(usize, Time)> = None;
    loop {
        let (in_service, mark) = filters();
        let now = clock.now();
        next = match next {
            _ if !in_service => None,
            Some((of, at)) if of == mark && at > now => next,
            _ => Some((mark, hands.turn(now).await)),
        };
        tokio::select! {
            () = end.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use gatepost_core::{Fault, async_trait};
    use gatepost_testkit::FakeClock;

    use super::*;

    /// A desk that tells times and batches as it was told, and notes what it was asked.
    #[derive(Default)]
    struct Told {
        asked: Mutex<Vec<String>>,
        due: Mutex<u64>,
        wrong: Mutex<Vec<String>>,
    }

    #[async_trait]
    impl Desk for Told {
        async fn submit(&self, by: &Login, request: Request) -> Result<Receipt, Fault> {
            assert_eq!(by.by, LoginBy::Operator);
            let Request::Other { words, .. } = request else {
                panic!("an act of the filter")
            };
            self.asked.lock().unwrap().push(words.join(" "));
            let mut change = Change::default();
            match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                ["when"] => change.lines.push(self.due.lock().unwrap().to_string()),
                ["daily"] => change.next = Some("b".into()),
                _ => {
                    change.lines = self.wrong.lock().unwrap().clone();
                    // As the filter: today is done, whatever was left.
                    *self.due.lock().unwrap() += 86_400_000;
                }
            }
            Ok(Receipt::Done(change))
        }
    }

    fn asked(desk: &Told) -> String {
        std::mem::take(&mut *desk.asked.lock().unwrap()).join(", ")
    }

    #[tokio::test]
    async fn it_waits_for_its_hour_and_sends_every_batch() {
        let (desk, now) = (Told::default(), FakeClock::START);
        *desk.due.lock().unwrap() = (now + Duration::from_hours(1)).millis();
        let mut hands = Hands::new(&desk);
        let due = hands.turn(now).await;
        assert_eq!((due, asked(&desk).as_str()), (now + Duration::from_hours(1), "when"));
        let next = hands.turn(due).await;
        assert_eq!(next, due + Duration::from_hours(24));
        assert_eq!(asked(&desk), "when, daily, daily b, when");
    }

    #[tokio::test]
    async fn what_could_not_be_sent_is_tried_again_and_not_for_ever() {
        let (desk, mut now) = (Told::default(), FakeClock::START);
        *desk.due.lock().unwrap() = now.millis();
        *desk.wrong.lock().unwrap() = vec!["not sent".into()];
        let mut hands = Hands::new(&desk);
        for _ in 0..TRIES {
            let next = hands.turn(now).await;
            assert_eq!(next, now + AGAIN);
            assert!(asked(&desk).contains("daily b"));
            now = next;
        }
        assert!(hands.turn(now).await > now + AGAIN, "the next day will do");
        desk.wrong.lock().unwrap().clear();
    }

    #[tokio::test(start_paused = true)]
    async fn it_asks_once_for_each_configuration_and_only_where_the_filter_is() {
        let (desk, clock) = (Arc::new(Told::default()), FakeClock::new());
        *desk.due.lock().unwrap() = (FakeClock::START + Duration::from_hours(9)).millis();
        let mark = Arc::new(Mutex::new((false, 1)));
        let end = CancellationToken::new();
        let filters = {
            let mark = Arc::clone(&mark);
            move || *mark.lock().unwrap()
        };
        let keeping = tokio::spawn(keep(Arc::<Told>::clone(&desk), clock.clone(), filters, end.clone()));
        let pass = async || {
            clock.pass(LOOK).await;
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        };
        pass().await;
        assert_eq!(asked(&desk), "");
        *mark.lock().unwrap() = (true, 2);
        pass().await;
        pass().await;
        assert_eq!(asked(&desk), "when");
        *mark.lock().unwrap() = (true, 3);
        pass().await;
        assert_eq!(asked(&desk), "when");
        end.cancel();
        keeping.await.unwrap();
    }
}
