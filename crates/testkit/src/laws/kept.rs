//! What every archive must pass.
//!
//! What is kept comes back octet for octet, whatever it is; it is found by everything that a query can name, the newest
//! first, page by page; a label says who said so; what is withdrawn or deleted is gone from everywhere; and ids that are
//! none find nothing.

mod records;

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use gatepost_core::{Keeping, Kept, KeptId, KeptMail, Label, Login, LoginBy, Message, Path, Query, Terms, Time};
use tokio::task::JoinSet;

use crate::clock::FakeClock;

/// Mails that are kept at the same time.
const TOGETHER: u64 = 40;

/// Checks all laws of an archive. `fresh` makes an empty one for each of them, within a tokio runtime of several threads;
/// its clock, if it has one, shows [`FakeClock::START`].
///
/// # Panics
/// Where a law is broken.
pub fn run<K: Kept + 'static>(fresh: impl Fn() -> Arc<K>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime can be built");
    let fresh = || -> Arc<dyn Kept> {
        let _within = runtime.enter();
        fresh()
    };
    runtime.block_on(what_is_kept_comes_back_octet_for_octet(&*fresh()));
    runtime.block_on(what_is_known_of_a_mail_is_told(&*fresh()));
    runtime.block_on(mail_is_found_by_each_key_and_by_several(&*fresh()));
    runtime.block_on(letter_case_makes_no_difference(&*fresh()));
    runtime.block_on(lists_come_page_by_page_the_newest_first(&*fresh()));
    runtime.block_on(a_label_says_what_and_who(&*fresh()));
    runtime.block_on(what_is_deleted_is_gone_from_everywhere(&*fresh()));
    runtime.block_on(what_is_no_id_finds_nothing(&*fresh()));
    runtime.block_on(mails_kept_together_are_all_there(fresh()));
    runtime.block_on(records::are_found_as_mail_is(&*fresh()));
}

fn at(second: u64) -> Time {
    FakeClock::START + Duration::from_secs(second)
}

fn to(text: &str) -> Path {
    Path::forward(text, true).expect("a forward path")
}

fn from(text: &str) -> Path {
    if text.is_empty() {
        return Path::Null;
    }
    Path::reverse(text, true).expect("a reverse path")
}

/// A mail that the laws keep.
struct Sample<'a> {
    second: u64,
    from: &'a str,
    to: &'a [&'a str],
    terms: Terms,
    octets: Vec<u8>,
}

impl Sample<'_> {
    fn new<'a>(second: u64, from: &'a str, to: &'a [&'a str]) -> Sample<'a> {
        Sample {
            second,
            from,
            to,
            terms: Terms::durable("held"),
            octets: format!("Subject: number {second}\r\n\r\nhello\r\n").into_bytes(),
        }
    }

    fn for_reason(mut self, reason: &str) -> Self {
        self.terms = Terms::copy(reason);
        self
    }

    fn of(mut self, octets: impl Into<Vec<u8>>) -> Self {
        self.octets = octets.into();
        self
    }

    async fn keep(self, kept: &dyn Kept) -> KeptId {
        let (from, recipients): (Path, Vec<Path>) = (from(self.from), self.to.iter().map(|text| to(text)).collect());
        let message = Arc::new(Message::from_bytes(self.octets));
        let transaction = format!("t{}", self.second);
        let recipients = recipients.iter().collect();
        kept.keep(Keeping::new(
            &transaction,
            at(self.second),
            &from,
            recipients,
            &message,
            &self.terms,
        ))
        .await
        .expect("a mail is kept")
    }
}

fn query(change: impl FnOnce(&mut Query)) -> Query {
    let mut query = Query::default();
    change(&mut query);
    query
}

async fn ids(kept: &dyn Kept, wanted: &Query) -> Vec<KeptId> {
    let found = kept.list(wanted).await.expect("a list");
    found.into_iter().map(|mail| mail.id).collect()
}

async fn octets(kept: &dyn Kept, id: &KeptId) -> Vec<u8> {
    let (mail, message) = kept.get(id).await.expect("an answer").expect("the mail is there");
    let mut octets = Vec::new();
    message.read().read_to_end(&mut octets).expect("its octets are there");
    assert_eq!(mail.size, octets.len() as u64, "its size is told rightly");
    octets
}

async fn what_is_kept_comes_back_octet_for_octet(kept: &dyn Kept) {
    let every: Vec<u8> = (0..=255).collect();
    let mut large = b"Subject: large\r\n\r\n".to_vec();
    large.extend((0..3_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8));
    let long_head = [
        b"X-Long: ".to_vec(),
        vec![b'a'; 2_000_000],
        b"\r\n\r\nbody\r\n".to_vec(),
    ]
    .concat();
    let samples: [Vec<u8>; 9] = [
        Vec::new(),
        b"\r\n".to_vec(),
        b"Subject: no body".to_vec(),
        b"no field at all\r\n".to_vec(),
        b"A: b\nbare\rends\n\n\0\0\r\n.\r\n..\r\n".to_vec(),
        every,
        b"{\"mail\":{}}\n\nFrom x\r\n\r\n".to_vec(),
        large,
        long_head,
    ];
    let mut all = Vec::new();
    for (n, sample) in samples.iter().enumerate() {
        let id = Sample::new(n as u64, "a@b.example", &["c@d.example"]);
        all.push(id.of(sample.clone()).keep(kept).await);
    }
    for (id, sample) in all.iter().zip(&samples) {
        assert!(
            octets(kept, id).await == *sample,
            "a mail of {} octets changed",
            sample.len()
        );
    }
    let (_, message) = kept.get(&all[7]).await.unwrap().unwrap();
    assert_eq!(message.headers().len(), 1, "a large mail has its head");
    let short = &mut [0; 10];
    assert_eq!(
        message.body().read_at(2_999_996, short).unwrap(),
        4,
        "and its body ends where it ends"
    );
    assert!(kept.delete(&all[7]).await.unwrap());
    let mut rest = Vec::new();
    message.read().read_to_end(&mut rest).expect("who has a mail keeps it");
    assert!(rest == samples[7], "deleting a mail changes nothing for who reads it");
}

async fn what_is_known_of_a_mail_is_told(kept: &dyn Kept) {
    let mut terms = Terms::durable("held");
    terms.days = Some(3);
    let sample = Sample {
        terms,
        ..Sample::new(7, "A.b@C.example", &["c@d.example", "\"odd one\"@d.example"])
    };
    let id = sample
        .of(b"Subject: folded\r\n subject\r\n\r\nx".to_vec())
        .keep(kept)
        .await;
    let (mail, _) = kept.get(&id).await.unwrap().unwrap();
    let listed = kept.list(&Query::default()).await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&mail), "a list tells the same");
    let KeptMail {
        transaction,
        reason,
        from,
        recipients,
        subject,
        label,
        ..
    } = mail;
    assert_eq!((&*transaction, &*reason, &*from), ("t7", "held", "A.b@C.example"));
    assert_eq!(recipients, ["c@d.example", "\"odd one\"@d.example"]);
    assert_eq!((mail.at, mail.size), (at(7).millis(), 30));
    assert_eq!(mail.until, Some(at(7).millis() + 3 * 86_400_000));
    assert_eq!((&*subject, label), ("folded subject", None));
}

async fn mail_is_found_by_each_key_and_by_several(kept: &dyn Kept) {
    let one = Sample::new(1, "ann@a.example", &["carl@d.example"]).keep(kept).await;
    let two = Sample::new(2, "bob@b.example", &["carl@d.example", "dora@e.example"])
        .for_reason("refused")
        .keep(kept)
        .await;
    let three = Sample::new(3, "ann@a.example", &["dora@e.example"]).keep(kept).await;
    let null = Sample::new(4, "", &["postmaster"]).keep(kept).await;
    let text = |text: &str| Some(text.to_owned());
    let cases: [(&str, Query, Vec<&KeptId>); 17] = [
        ("all", Query::default(), vec![&null, &three, &two, &one]),
        (
            "recipient",
            query(|q| q.recipient = text("carl@d.example")),
            vec![&two, &one],
        ),
        ("domain", query(|q| q.domain = text("e.example")), vec![&three, &two]),
        ("no part of a domain", query(|q| q.domain = text("example")), vec![]),
        (
            "sender",
            query(|q| q.sender = text("ann@a.example")),
            vec![&three, &one],
        ),
        ("the null sender", query(|q| q.sender = text("")), vec![&null]),
        ("postmaster", query(|q| q.recipient = text("postmaster")), vec![&null]),
        ("reason", query(|q| q.reason = text("refused")), vec![&two]),
        (
            "since is within",
            query(|q| q.since = Some(at(3).millis())),
            vec![&null, &three],
        ),
        ("before is not", query(|q| q.before = Some(at(2).millis())), vec![&one]),
        (
            "time",
            query(|q| (q.since, q.before) = (Some(at(2).millis()), Some(at(4).millis()))),
            vec![&three, &two],
        ),
        (
            "no time at all",
            query(|q| (q.since, q.before) = (Some(at(4).millis()), Some(at(2).millis()))),
            vec![],
        ),
        (
            "recipient and sender",
            query(|q| (q.recipient, q.sender) = (text("dora@e.example"), text("ann@a.example"))),
            vec![&three],
        ),
        (
            "domain and reason",
            query(|q| (q.domain, q.reason) = (text("d.example"), text("held"))),
            vec![&one],
        ),
        (
            "domain, sender and time",
            query(|q| (q.domain, q.sender, q.since) = (text("e.example"), text("bob@b.example"), Some(0))),
            vec![&two],
        ),
        (
            "each is there, both are not",
            query(|q| (q.recipient, q.sender) = (text("carl@d.example"), text(""))),
            vec![],
        ),
        (
            "any time",
            query(|q| (q.since, q.before) = (Some(0), Some(u64::MAX))),
            vec![&null, &three, &two, &one],
        ),
    ];
    for (name, query, expected) in cases {
        assert_eq!(ids(kept, &query).await.iter().collect::<Vec<_>>(), expected, "{name}");
    }
}

async fn letter_case_makes_no_difference(kept: &dyn Kept) {
    let one = Sample::new(1, "Änne@Bücher.example", &["Carl@D.Example", "\"a b\"@d.example"])
        .keep(kept)
        .await;
    for wanted in [
        query(|q| q.recipient = Some("cARL@d.eXAMPLE".into())),
        query(|q| q.recipient = Some("\"A b\"@D.example".into())),
        query(|q| q.domain = Some("D.EXAMPLE".into())),
        query(|q| q.sender = Some("änne@bücher.EXAMPLE".into())),
        query(|q| q.sender = Some("ÄNNE@BÜCHER.example".into())),
        query(|q| q.reason = Some("Held".into())),
    ] {
        assert_eq!(ids(kept, &wanted).await, std::slice::from_ref(&one), "{wanted:?}");
    }
    for wanted in ["carl@d.example ", "<carl@d.example>", "arl@d.example", "\0", "%", "*"] {
        assert_eq!(
            ids(kept, &query(|q| q.recipient = Some(wanted.into()))).await,
            [],
            "{wanted:?}"
        );
    }
    let endless = "x".repeat(100_000);
    assert_eq!(ids(kept, &query(|q| q.sender = Some(endless))).await, []);
}

async fn lists_come_page_by_page_the_newest_first(kept: &dyn Kept) {
    let mut expected = Vec::new();
    for second in 0..25 {
        let domain = if second % 5 == 0 {
            "x@other.example"
        } else {
            "c@d.example"
        };
        let id = Sample::new(second, "a@b.example", &[domain]).keep(kept).await;
        if second % 5 != 0 {
            expected.insert(0, id);
        }
    }
    let (mut found, mut after, mut gone) = (Vec::new(), None, false);
    loop {
        let page = query(|q| (q.domain, q.limit, q.after) = (Some("d.example".into()), Some(6), after.take()));
        let page = ids(kept, &page).await;
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 6);
        after = Some(last.0.to_string());
        found.extend(page);
        if !gone {
            gone = kept.delete(&found[5]).await.unwrap();
        }
    }
    assert_eq!(found, expected, "each mail once, even where the last of a page is gone");
    assert_eq!(ids(kept, &query(|q| q.limit = Some(0))).await, []);
    let odd = query(|q| q.after = Some("../../no id".into()));
    assert_eq!(ids(kept, &odd).await, [], "behind what is no mail comes nothing");
    let both = query(|q| (q.after, q.since) = (Some(expected[0].0.to_string()), Some(at(24).millis())));
    assert_eq!(ids(kept, &both).await, [], "a page keeps the query");
}

async fn a_label_says_what_and_who(kept: &dyn Kept) {
    let (carl, dora) = (
        Login::new("carl", LoginBy::Auth),
        Login::new("Döra \"\n", LoginBy::Auth),
    );
    let one = Sample::new(1, "a@b.example", &["c@d.example"]).keep(kept).await;
    let two = Sample::new(2, "a@b.example", &["c@d.example"])
        .for_reason("refused")
        .keep(kept)
        .await;
    let before = octets(kept, &one).await;
    let labelled = |label| query(|q| (q.label, q.recipient) = (Some(label), Some("c@d.example".into())));
    kept.label(&one, Label::Spam, &carl).await.unwrap();
    assert_eq!(ids(kept, &labelled(Label::Spam)).await, std::slice::from_ref(&one));
    assert_eq!(
        kept.get(&one).await.unwrap().unwrap().0.label,
        Some((Label::Spam, "carl".into()))
    );
    kept.label(&one, Label::Ham, &dora).await.unwrap();
    kept.label(&two, Label::Ham, &carl).await.unwrap();
    assert_eq!(ids(kept, &labelled(Label::Spam)).await, [], "the last word holds");
    assert_eq!(ids(kept, &labelled(Label::Ham)).await, [two.clone(), one.clone()]);
    let listed = kept.list(&labelled(Label::Ham)).await.unwrap();
    assert_eq!(listed[1].label, Some((Label::Ham, dora.name.to_string())));
    assert_eq!(octets(kept, &one).await, before, "a label changes no octet of the mail");
    assert!(kept.delete(&two).await.unwrap());
    assert!(
        kept.label(&two, Label::Ham, &carl).await.is_err(),
        "what is gone cannot be labelled"
    );
    assert_eq!(
        ids(kept, &labelled(Label::Ham)).await,
        [one],
        "and does not come back by it"
    );
}

async fn what_is_deleted_is_gone_from_everywhere(kept: &dyn Kept) {
    let one = Sample::new(1, "a@b.example", &["c@d.example"]).keep(kept).await;
    let two = Sample::new(2, "a@b.example", &["c@d.example"]).keep(kept).await;
    let three = Sample::new(3, "a@b.example", &["c@d.example"]).keep(kept).await;
    kept.withdraw(&two).await.unwrap();
    kept.withdraw(&two).await.expect("what is gone is withdrawn already");
    assert!(kept.delete(&one).await.unwrap(), "there was one");
    assert!(!kept.delete(&one).await.unwrap(), "and now there is none");
    for gone in [&one, &two] {
        assert!(kept.get(gone).await.unwrap().is_none());
    }
    for wanted in [
        Query::default(),
        query(|q| q.recipient = Some("c@d.example".into())),
        query(|q| q.domain = Some("d.example".into())),
        query(|q| q.sender = Some("a@b.example".into())),
        query(|q| q.reason = Some("held".into())),
    ] {
        assert_eq!(ids(kept, &wanted).await, std::slice::from_ref(&three), "{wanted:?}");
    }
}

async fn what_is_no_id_finds_nothing(kept: &dyn Kept) {
    let real = Sample::new(1, "a@b.example", &["c@d.example"]).keep(kept).await;
    let beside = format!("{real}/../{real}");
    let long = "0".repeat(100_000);
    let login = Login::new("carl", LoginBy::Auth);
    let hostile = [
        "",
        ".",
        "..",
        "/",
        "../../etc/passwd",
        "/etc/passwd",
        "tmp",
        "lock",
        "0\0",
        "\u{202e}",
        "000000000000000000000000000000",
        &beside,
        &long,
    ];
    for id in hostile {
        let id = KeptId(id.into());
        assert_eq!(kept.get(&id).await.map(|found| found.is_some()), Ok(false), "{id:?}");
        assert_eq!(kept.delete(&id).await, Ok(false), "{id:?}");
        assert_eq!(kept.withdraw(&id).await, Ok(()), "{id:?}");
        assert!(kept.label(&id, Label::Spam, &login).await.is_err(), "{id:?}");
    }
    assert!(kept.get(&real).await.unwrap().is_some());
    assert_eq!(ids(kept, &Query::default()).await, [real]);
}

async fn mails_kept_together_are_all_there(kept: Arc<dyn Kept>) {
    let mut tasks = JoinSet::new();
    for n in 0..TOGETHER {
        let kept = Arc::clone(&kept);
        tasks.spawn(async move {
            let sample = Sample::new(n % 4, "a@b.example", &["c@d.example"]);
            let sample = if n % 3 == 0 {
                sample.for_reason("refused")
            } else {
                sample
            };
            (sample.of(n.to_string().into_bytes()).keep(&*kept).await, n)
        });
    }
    let mut all = BTreeSet::new();
    for (id, n) in tasks.join_all().await {
        assert_eq!(octets(&*kept, &id).await, n.to_string().into_bytes());
        all.insert(id);
    }
    assert_eq!(all.len() as u64, TOGETHER, "each has an id of its own");
    let listed: BTreeSet<KeptId> = ids(&*kept, &query(|q| q.domain = Some("d.example".into())))
        .await
        .into_iter()
        .collect();
    assert_eq!(listed, all);
    let mut tasks = JoinSet::new();
    for id in all {
        for _ in 0..2 {
            let (kept, id) = (Arc::clone(&kept), id.clone());
            tasks.spawn(async move { kept.delete(&id).await.expect("an answer") });
        }
    }
    let gone = tasks.join_all().await.into_iter().filter(|gone| *gone).count() as u64;
    assert_eq!(gone, TOGETHER, "of two that delete a mail one is told that it did");
    assert_eq!(ids(&*kept, &Query::default()).await, []);
}
