use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use bytes::Bytes;
use gatepost_core::{Backend, Page, Swap, async_trait};
use proptest::prelude::*;

use super::*;

const SEED: Seed = Seed::new([7; 16]);
const START: Time = Time::from_secs(1_000_000);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

type Keys = BTreeMap<Vec<u8>, (Bytes, Option<Time>)>;

/// Keys with their expiry, what was asked of them, and whether they can be reached.
#[derive(Default)]
struct Disk {
    keys: Mutex<Keys>,
    reads: AtomicUsize,
    writes: AtomicUsize,
    broken: AtomicBool,
}

impl Disk {
    fn keys(&self) -> Result<std::sync::MutexGuard<'_, Keys>, Fault> {
        match self.broken.load(Ordering::Relaxed) {
            true => Err(Fault::Unavailable("the disk")),
            false => Ok(self.keys.lock().unwrap()),
        }
    }

    fn counts(&self) -> (usize, usize) {
        let take = |count: &AtomicUsize| count.swap(0, Ordering::Relaxed);
        (take(&self.reads), take(&self.writes))
    }
}

#[async_trait]
impl Backend for Disk {
    async fn get(&self, key: &[u8], now: Time) -> Result<Option<Bytes>, Fault> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let keys = self.keys()?;
        let living = keys.get(key).filter(|(_, until)| until.is_none_or(|until| until > now));
        Ok(living.map(|(value, _)| value.clone()))
    }
    async fn put(&self, key: &[u8], value: &[u8], until: Option<Time>) -> Result<(), Fault> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.keys()?.insert(key.into(), (Bytes::copy_from_slice(value), until));
        Ok(())
    }
    async fn swap(
        &self,
        _: &[u8],
        _: Option<&[u8]>,
        _: Option<&[u8]>,
        _: Option<Time>,
        _: Time,
    ) -> Result<Swap, Fault> {
        Err(Fault::Broken("not used here".into()))
    }
    async fn add(&self, _: &[u8], _: i64, _: Time, _: Time) -> Result<i64, Fault> {
        Err(Fault::Broken("not used here".into()))
    }
    async fn insert(&self, _: &[u8], _: &[u8], _: &[u8]) -> Result<(), Fault> {
        Err(Fault::Broken("not used here".into()))
    }
    async fn remove(&self, _: &[u8], _: &[u8]) -> Result<(), Fault> {
        Err(Fault::Broken("not used here".into()))
    }
    async fn range(&self, _: &[u8], _: Range<&[u8]>, _: bool, _: usize) -> Result<Page, Fault> {
        Err(Fault::Broken("not used here".into()))
    }
    async fn trim(&self, _: &[u8], _: &[u8]) -> Result<u64, Fault> {
        Err(Fault::Broken("not used here".into()))
    }
}

fn on(disk: &Arc<Disk>) -> Recipients {
    Recipients::new(&Store::new(Arc::<Disk>::clone(disk)), SEED)
}

fn fresh() -> (Arc<Disk>, Recipients) {
    let disk = Arc::new(Disk::default());
    let recipients = on(&disk);
    (disk, recipients)
}

fn to(text: &str) -> Address {
    Address::parse(text, true).unwrap_or_else(|bad| panic!("{text}: {bad:?}"))
}

async fn known_of(recipients: &Recipients, who: &Address, now: Time) -> Option<Known> {
    recipients.look_up(who, "default", now).await.known
}

/// As a transaction does it: looked up, asked, learned.
async fn says(recipients: &Recipients, who: &str, said: Known, now: Time) {
    let looked = recipients.look_up(&to(who), "default", now).await;
    recipients.learn(&to(who), said, &looked, now).await;
}

#[test]
fn only_words_about_the_mailbox_alone_mean_that_there_is_none() {
    let known = |text: &str| {
        let (code, rest) = text.split_once(' ').unwrap();
        let enhanced = rest.split_once(' ').and_then(|(code, _)| {
            let digits: Vec<u16> = code.split('.').map_while(|digit| digit.parse().ok()).collect();
            <[u16; 3]>::try_from(digits).ok()
        });
        let enhanced = enhanced.map(|[class, subject, detail]| Enhanced(class as u8, subject, detail));
        Known::of(&Reply::new(code.parse().unwrap(), enhanced, rest))
    };
    for no in [
        "550 5.1.1 no",
        "550 5.1.10 RESOLVER.ADR.RecipientNotFound",
        "554 5.1.1 no",
        "551 5.1.1 no",
    ] {
        assert_eq!(known(no), Some(Known::No), "{no}");
    }
    for yes in ["250 2.1.5 ok", "250 ok", "251 2.1.5 will forward"] {
        assert_eq!(known(yes), Some(Known::Yes), "{yes}");
    }
    for neither in [
        "550 no such user",
        "550 5.0.0 no",
        "550 5.1.0 address rejected",
        "550 5.1.2 bad system",
        "550 5.1.8 bad sender",
        "550 5.2.1 disabled",
        "552 5.2.2 full",
        "550 5.4.1 access denied",
        "550 5.7.1 not by you",
        "553 5.6.7 no SMTPUTF8",
        "450 4.1.1 unverified",
        "451 4.1.1 later",
        "452 4.2.2 full",
        "421 4.1.1 bye",
        "354 go on",
        "550 4.1.1 a class that does not fit",
    ] {
        assert_eq!(known(neither), None, "{neither}");
    }
}

#[tokio::test]
async fn a_no_is_believed_for_two_hours_and_a_yes_for_seven_days() {
    let (_, recipients) = fresh();
    let (yes, no) = (to("ann@d.example"), to("nobody@d.example"));
    assert_eq!(known_of(&recipients, &yes, START).await, None);
    says(&recipients, "ann@d.example", Known::Yes, START).await;
    says(&recipients, "nobody@d.example", Known::No, START).await;
    let moment = Duration::from_millis(1);
    for (who, known, span) in [(&yes, Known::Yes, DAY * 7), (&no, Known::No, HOUR * 2)] {
        assert_eq!(known_of(&recipients, who, START + (span - moment)).await, Some(known));
        assert_eq!(known_of(&recipients, who, START + span).await, None);
    }
    let looked = recipients.look_up(&no, "default", START).await;
    assert_eq!(looked.refused_by(), Some("policy.known_unknown"));
    assert_eq!(recipients.look_up(&yes, "default", START).await.refused_by(), None);
}

#[tokio::test]
async fn letter_case_does_not_count_and_a_tag_does() {
    let (_, recipients) = fresh();
    says(&recipients, "Nobody@D.example", Known::No, START).await;
    assert_eq!(
        known_of(&recipients, &to("nobody@d.EXAMPLE"), START).await,
        Some(Known::No)
    );
    assert_eq!(
        known_of(&recipients, &to("\"nobody\"@d.example"), START).await,
        Some(Known::No)
    );
    assert_eq!(known_of(&recipients, &to("nobody+x@d.example"), START).await, None);
    assert_eq!(known_of(&recipients, &to("nobody@e.example"), START).await, None);
}

#[tokio::test]
async fn it_is_written_when_it_is_news_or_half_over_and_read_once_beside_the_mark() {
    let (disk, recipients) = fresh();
    says(&recipients, "ann@d.example", Known::Yes, START).await;
    assert_eq!(disk.counts(), (2, 1));
    let half = DAY * 7 / 2;
    says(&recipients, "ann@d.example", Known::Yes, START + (half - HOUR)).await;
    assert_eq!(disk.counts(), (2, 0), "the same again");
    says(&recipients, "ann@d.example", Known::Yes, START + half).await;
    assert_eq!(disk.counts(), (2, 1), "half over");
    assert_eq!(
        known_of(&recipients, &to("ann@d.example"), START + DAY * 8).await,
        Some(Known::Yes)
    );
    disk.counts();
    says(&recipients, "ann@d.example", Known::No, START + DAY * 8).await;
    assert_eq!(disk.counts(), (2, 1), "another answer");
    assert_eq!(
        known_of(&recipients, &to("ann@d.example"), START + DAY * 8).await,
        Some(Known::No)
    );
}

#[tokio::test]
async fn a_yes_takes_a_no_away() {
    for spans in [
        Spans::default(),
        Spans {
            known: Duration::ZERO,
            ..Spans::default()
        },
    ] {
        let (_, recipients) = fresh();
        let recipients = recipients.believing(spans);
        says(&recipients, "new@d.example", Known::No, START).await;
        assert_eq!(
            known_of(&recipients, &to("new@d.example"), START).await,
            Some(Known::No)
        );
        says(&recipients, "new@d.example", Known::Yes, START).await;
        assert_ne!(
            known_of(&recipients, &to("new@d.example"), START).await,
            Some(Known::No),
            "{spans:?}"
        );
    }
}

#[tokio::test]
async fn what_is_forgotten_is_asked_again_at_once() {
    let (disk, recipients) = fresh();
    let everybody = ["ann@d.example", "bob@d.example", "nobody@d.example"];
    for who in everybody {
        says(&recipients, who, Known::No, START).await;
    }
    // The desk has a view of its own on the same store.
    let desk = on(&disk);
    desk.forget(Some(&to("ANN@d.example")), START).await.unwrap();
    assert_eq!(known_of(&recipients, &to(everybody[0]), START).await, None);
    assert_eq!(known_of(&recipients, &to(everybody[1]), START).await, Some(Known::No));
    let under_way = recipients.look_up(&to("late@d.example"), "default", START).await;
    desk.forget(None, START).await.unwrap();
    for who in everybody {
        assert_eq!(known_of(&recipients, &to(who), START).await, None);
    }
    recipients
        .learn(&to("late@d.example"), Known::No, &under_way, START)
        .await;
    assert_eq!(
        known_of(&recipients, &to("late@d.example"), START).await,
        None,
        "it was asked before"
    );
    says(&recipients, everybody[1], Known::No, START).await;
    assert_eq!(known_of(&recipients, &to(everybody[1]), START).await, Some(Known::No));
    desk.forget(None, START).await.unwrap();
    assert_eq!(
        known_of(&recipients, &to(everybody[1]), START).await,
        None,
        "the same moment, and no mark twice"
    );
}

#[tokio::test]
async fn roles_and_listed_domains_need_no_store() {
    let (disk, recipients) = fresh();
    disk.broken.store(true, Ordering::Relaxed);
    let mut lists = Lists::default();
    lists.insert("d.example", List::new(vec!["ann".into()]));
    let recipients = recipients.with_lists(Arc::new(lists));
    for (who, known, rule) in [
        ("Postmaster@e.example", Known::Yes, None),
        ("abuse@d.example", Known::Yes, None),
        ("ann+x@d.example", Known::Yes, None),
        ("eve@d.example", Known::No, Some("policy.unknown_recipient")),
    ] {
        let looked = recipients.look_up(&to(who), "default", START).await;
        assert_eq!((looked.known, looked.refused_by()), (Some(known), rule), "{who}");
        recipients.learn(&to(who), Known::No, &looked, START).await;
    }
    assert_eq!(disk.counts(), (0, 0));
}

#[tokio::test]
async fn a_store_in_trouble_knows_nobody_and_learns_nothing() {
    let (disk, recipients) = fresh();
    says(&recipients, "nobody@d.example", Known::No, START).await;
    disk.broken.store(true, Ordering::Relaxed);
    let looked = recipients.look_up(&to("nobody@d.example"), "default", START).await;
    assert_eq!((looked.known, looked.refused_by()), (None, None));
    assert!(recipients.trouble.load(Ordering::Relaxed));
    disk.counts();
    recipients
        .learn(&to("nobody@d.example"), Known::Yes, &looked, START)
        .await;
    assert_eq!(disk.counts(), (0, 0));
    assert!(recipients.forget(None, START).await.is_err(), "a human hears of it");
    disk.broken.store(false, Ordering::Relaxed);
    assert_eq!(
        known_of(&recipients, &to("nobody@d.example"), START).await,
        Some(Known::No)
    );
    assert!(!recipients.trouble.load(Ordering::Relaxed));
}

#[tokio::test]
async fn no_span_switches_it_off() {
    let (disk, recipients) = fresh();
    let off = Spans {
        known: Duration::ZERO,
        unknown: Duration::ZERO,
    };
    let recipients = recipients.believing(off);
    says(&recipients, "ann@d.example", Known::Yes, START).await;
    assert_eq!((disk.counts(), recipients.remembers()), ((0, 0), false));
    let only_yes = on(&disk).believing(Spans {
        unknown: Duration::ZERO,
        ..Spans::default()
    });
    says(&only_yes, "nobody@d.example", Known::No, START).await;
    assert_eq!(known_of(&only_yes, &to("nobody@d.example"), START).await, None);
}

#[tokio::test]
async fn a_shorter_span_holds_at_once_and_a_clock_that_goes_back_believes_nothing() {
    let (disk, recipients) = fresh();
    says(&recipients, "nobody@d.example", Known::No, START).await;
    let shorter = on(&disk).believing(Spans {
        unknown: Duration::from_secs(60),
        ..Spans::default()
    });
    assert_eq!(known_of(&shorter, &to("nobody@d.example"), START + HOUR).await, None);
    assert_eq!(
        known_of(&recipients, &to("nobody@d.example"), START + HOUR).await,
        Some(Known::No)
    );
    assert_eq!(
        known_of(&recipients, &to("nobody@d.example"), Time::from_secs(5)).await,
        None
    );
}

#[tokio::test]
async fn the_store_holds_no_address() {
    let (disk, recipients) = fresh();
    says(&recipients, "ann@d.example", Known::Yes, START).await;
    let keys = disk.keys.lock().unwrap();
    assert_eq!(keys.len(), 1);
    for (key, (value, _)) in keys.iter() {
        let all = [&key[..], &value[..]].concat();
        assert!(key.starts_with(b"#recipients\0") && key.len() == PART.len() + 1 + 16);
        assert!(!all.windows(3).any(|octets| octets == b"ann") && !all.windows(9).any(|octets| octets == b"d.example"));
    }
}

proptest! {
    #[test]
    fn whatever_lies_in_the_store_is_an_answer_of_ours_or_none(value in prop::collection::vec(any::<u8>(), 0..40), mark in prop::option::of(prop::collection::vec(any::<u8>(), 0..12))) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (_, recipients) = fresh();
            let who = to("ann@d.example");
            recipients.store.put(&recipients.key(&who), &value, None).await.unwrap();
            if let Some(mark) = &mark {
                recipients.store.put(MARK, mark, None).await.unwrap();
            }
            let looked = recipients.look_up(&who, "default", START).await;
            prop_assert!(looked.mark.is_some());
            if looked.known.is_some() {
                prop_assert!(value.len() == 18 && value[0] == Answer::VERSION);
            }
            // Whatever it was, it can be written over.
            recipients.learn(&who, Known::Yes, &looked, START).await;
            prop_assert_eq!(known_of(&recipients, &who, START).await, Some(Known::Yes));
            Ok(())
        })?;
    }

    #[test]
    fn an_answer_is_read_as_it_was_written(yes: bool, at: u64, mark: u64) {
        let known = if yes { Known::Yes } else { Known::No };
        let answer = Answer { known, at: Time::from_millis(at), mark };
        let read = Answer::read(&answer.write()).expect("it is ours");
        prop_assert_eq!((read.known, read.at, read.mark), (known, answer.at, mark));
    }

    /// Against a model that remembers all it was told: what is believed was said last, under the present mark, in time.
    #[test]
    fn what_is_known_was_said_last_and_in_time(steps in prop::collection::vec((0u8..5, 0u8..3, 0u64..400), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (disk, recipients) = fresh();
            let mut model: BTreeMap<u8, (Known, Time)> = BTreeMap::new();
            let mut now = START;
            for (what, who, minutes) in steps {
                now = now + Duration::from_secs(60 * minutes);
                let address = to(&format!("user{who}@d.example"));
                let spans = Spans::default();
                let living = |said: &(Known, Time)| now.since(said.1) < spans.of(said.0);
                model.retain(|_, said| living(said));
                prop_assert_eq!(known_of(&recipients, &address, now).await, model.get(&who).map(|said| said.0));
                match what {
                    0 | 1 => {
                        let said = if what == 0 { Known::Yes } else { Known::No };
                        let looked = recipients.look_up(&address, "default", now).await;
                        recipients.learn(&address, said, &looked, now).await;
                        let fresh = |old: &(Known, Time)| old.0 == said && now.since(old.1) < spans.of(said) / 2;
                        if !model.get(&who).is_some_and(fresh) {
                            model.insert(who, (said, now));
                        }
                    }
                    2 => {
                        on(&disk).forget(Some(&address), now).await.unwrap();
                        model.remove(&who);
                    }
                    3 if minutes > 300 => {
                        on(&disk).forget(None, now).await.unwrap();
                        model.clear();
                    }
                    _ => {}
                }
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn what_one_mail_server_said_is_not_taken_for_anothers_answer() {
    let disk = Arc::new(Disk::default());
    let leading = |servers: [(&'static str, &'static str); 2]| on(&disk).with_servers(servers);
    let recipients = leading([("a", "192.0.2.1:25"), ("b", "192.0.2.2:25")]);
    let who = to("carol@d.example");
    let looked = recipients.look_up(&who, "a", START).await;
    recipients.learn(&who, Known::No, &looked, START).await;
    assert_eq!(recipients.look_up(&who, "a", START).await.known, Some(Known::No));
    assert_eq!(recipients.look_up(&who, "b", START).await.known, None);
    // Under another name the same server is the same; and after a move nothing is known.
    let renamed = leading([("c", "192.0.2.1:25"), ("a", "192.0.2.3:25")]);
    assert_eq!(renamed.look_up(&who, "c", START).await.known, Some(Known::No));
    assert_eq!(renamed.look_up(&who, "a", START).await.known, None);
    on(&disk).forget(None, START).await.unwrap();
    assert_eq!(recipients.look_up(&who, "a", START).await.known, None);
}

#[tokio::test]
async fn what_takes_everybody_takes_no_mail_servers_answer_away() {
    let disk = Arc::new(Disk::default());
    let server = [("a", "192.0.2.1:25")];
    let (carol, dave) = (to("carol@d.example"), to("dave@d.example"));
    let recipients = on(&disk).with_servers(server);
    for (who, said) in [(&carol, Known::No), (&dave, Known::Yes)] {
        let looked = recipients.look_up(who, "a", START).await;
        recipients.learn(who, said, &looked, START).await;
    }
    // The domain is switched to a folder for a while, where all its mail is taken.
    let folder = on(&disk).with_servers([("a", "maildir:mail")]).not_believing(["a"]);
    for who in [&carol, &dave] {
        let looked = folder.look_up(who, "a", START).await;
        assert_eq!((looked.known, looked.refused_by()), (None, None));
        folder.learn(who, Known::Yes, &looked, START).await;
        assert_eq!(
            folder.look_up(who, "a", START).await.known,
            None,
            "a folder knows nobody"
        );
    }
    assert_eq!(recipients.look_up(&carol, "a", START).await.known, Some(Known::No));
    assert_eq!(recipients.look_up(&dave, "a", START).await.known, Some(Known::Yes));
}
