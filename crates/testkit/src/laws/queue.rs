//! What every queue must pass, while no mail server takes anything from it.
//!
//! What was accepted is there, each recipient once, in the order of its arrival, octet for octet; it is found by everything
//! that can be named, page by page; an order does what it says to what it names and to nothing else; and what is deleted or
//! given up is gone.

use std::collections::BTreeSet;
use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use gatepost_core::message::Edits;
use gatepost_core::{Message, Queue, Queued, Waiting, WaitingId, WaitingMail, WaitingOrder};

use crate::clock::FakeClock;
use crate::queue::{queued, with};

/// A queue to which a law is applied.
pub struct Bench<Q: ?Sized> {
    /// The queue, empty; its clock shows [`FakeClock::START`], and no mail server of any route is up.
    pub queue: Arc<Q>,
    /// Lets it do what it does by itself, until there is nothing to do.
    pub settle: Box<Settle>,
}

/// Comes to an end when there is nothing to do.
pub type Settle = dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

/// Checks all laws of a queue. `fresh` makes one for each of them, within a tokio runtime of several threads. It must hold
/// mail for `d.example`, `e.example` and `xn--bcher-kva.example`.
///
/// # Panics
/// Where a law is broken.
pub fn run<Q: Queue + 'static>(fresh: impl Fn() -> Bench<Q>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime can be built");
    let fresh = || {
        let _within = runtime.enter();
        fresh()
    };
    runtime.block_on(what_is_accepted_waits_octet_for_octet(&*fresh().queue));
    runtime.block_on(a_mail_waits_once_for_each_domain(&*fresh().queue));
    runtime.block_on(mail_is_found_by_each_key(&*fresh().queue));
    runtime.block_on(lists_come_page_by_page_the_oldest_first(&*fresh().queue));
    runtime.block_on(the_depth_is_that_of_the_list(&*fresh().queue));
    runtime.block_on(an_order_does_what_it_says_to_what_it_names(&*fresh().queue));
    let bench = fresh();
    runtime.block_on(what_is_deleted_or_given_up_is_gone(&*bench.queue, &*bench.settle));
    runtime.block_on(what_is_no_id_finds_nothing(&*fresh().queue));
    runtime.block_on(mails_accepted_together_are_all_there(fresh().queue));
}

fn all() -> Waiting {
    Waiting::default()
}

fn by(narrow: impl FnOnce(&mut Waiting)) -> Waiting {
    let mut which = all();
    narrow(&mut which);
    which
}

async fn accept(queue: &dyn Queue, mails: Vec<Queued>) {
    queue.accept(mails).await.expect("there is room");
}

async fn list(queue: &dyn Queue, which: &Waiting) -> Vec<WaitingMail> {
    queue.list(which).await.expect("a list")
}

/// Of which transaction and domain each listed mail is.
async fn names(queue: &dyn Queue, which: &Waiting) -> Vec<String> {
    let found = list(queue, which).await;
    let mut names: Vec<String> = found
        .iter()
        .map(|mail| format!("{} {}", mail.transaction, mail.domain))
        .collect();
    names.sort();
    names
}

async fn octets(queue: &dyn Queue, id: &WaitingId) -> Vec<u8> {
    let (_, message) = queue.show(id).await.expect("an answer").expect("the mail");
    let mut octets = Vec::new();
    message.read().read_to_end(&mut octets).expect("its octets");
    octets
}

async fn order(queue: &dyn Queue, which: &Waiting, order: WaitingOrder) -> u64 {
    queue.order(which, order).await.expect("done")
}

async fn what_is_accepted_waits_octet_for_octet(queue: &dyn Queue) {
    let large: Vec<u8> = b"Subject: large\r\n\r\n"
        .iter()
        .copied()
        .chain((0..300_000_u32).flat_map(|n| [(n % 251) as u8 | 0x20, b'x', b'\r', b'\n']))
        .collect();
    for (number, octets) in [&b""[..], b"\r\n", b"no header\r\n", b"A: b\r\n\r\n.\r\n..\r\n", &large]
        .iter()
        .enumerate()
    {
        accept(
            queue,
            vec![with(number as u64, "a@b.example", &["c@d.example"], octets)],
        )
        .await;
    }
    let found = list(queue, &all()).await;
    assert_eq!(found.len(), 5, "each waits");
    let sent: [&[u8]; 5] = [b"", b"\r\n", b"no header\r\n", b"A: b\r\n\r\n.\r\n..\r\n", &large];
    for (mail, sent) in found.iter().zip(sent) {
        let mut wire = Vec::new();
        let as_sent = Edits::new().apply(&Message::from_bytes(sent.to_vec()));
        as_sent.read().read_to_end(&mut wire).expect("octets");
        assert!(octets(queue, &mail.id).await == wire, "octet for octet: {mail:?}");
        assert_eq!(mail.size, wire.len() as u64, "{mail:?}");
    }
}

async fn a_mail_waits_once_for_each_domain(queue: &dyn Queue) {
    let to = ["c@d.example", "x@e.example", "\"o d\"@D.example"];
    accept(
        queue,
        vec![
            queued(1, "a@b.example", &to),
            queued(1, "a@b.example", &["z@e.example"]),
        ],
    )
    .await;
    accept(queue, vec![queued(2, "", &["c@d.example"])]).await;
    let mut found = list(queue, &all()).await;
    assert!(found.is_sorted_by_key(|mail| mail.at), "the oldest first");
    let ids: BTreeSet<_> = found.iter().map(|mail| mail.id.clone()).collect();
    assert_eq!((found.len(), ids.len()), (4, 4), "each has an id of its own: {found:?}");
    found.sort_by_key(|mail| {
        (
            mail.transaction.clone(),
            mail.domain.clone(),
            mail.recipients.len(),
            mail.recipients.clone(),
        )
    });
    let seen: Vec<_> = found
        .iter()
        .map(|mail| {
            (
                &*mail.transaction,
                &*mail.domain,
                &*mail.from,
                mail.recipients.join(" "),
            )
        })
        .collect();
    let expected = [
        (
            "t1",
            "d.example",
            "a@b.example",
            "c@d.example \"o d\"@D.example".to_owned(),
        ),
        ("t1", "e.example", "a@b.example", "x@e.example".into()),
        ("t1", "e.example", "a@b.example", "z@e.example".into()),
        ("t2", "d.example", "", "c@d.example".into()),
    ];
    assert_eq!(seen, expected);
    for mail in &found {
        let came = Duration::from_secs(if mail.transaction == "t1" { 1 } else { 2 });
        assert_eq!(mail.at, (FakeClock::START + came).millis(), "{mail:?}");
        assert!(
            mail.until > mail.at && !mail.held && !mail.damaged && mail.next.is_some(),
            "{mail:?}"
        );
    }
}

/// Mails of two domains from two senders.
async fn some(queue: &dyn Queue) {
    for (number, from, to) in [
        (1, "a@b.example", &["c@d.example", "c@e.example"][..]),
        (2, "", &["f@d.example"]),
        (3, "A@B.example", &["x@xn--bcher-kva.example", "y@e.example"]),
    ] {
        accept(queue, vec![queued(number, from, to)]).await;
    }
}

async fn mail_is_found_by_each_key(queue: &dyn Queue) {
    some(queue).await;
    let is = async |which: Waiting, expected: &[&str]| {
        assert_eq!(names(queue, &which).await, expected, "{which:?}");
    };
    let everything = [
        "t1 d.example",
        "t1 e.example",
        "t2 d.example",
        "t3 e.example",
        "t3 xn--bcher-kva.example",
    ];
    is(all(), &everything).await;
    is(
        by(|which| which.domain = Some("D.Example".into())),
        &["t1 d.example", "t2 d.example"],
    )
    .await;
    is(
        by(|which| which.domain = Some("XN--Bcher-kva.Example".into())),
        &["t3 xn--bcher-kva.example"],
    )
    .await;
    is(
        by(|which| which.recipient = Some("C@d.EXAMPLE".into())),
        &["t1 d.example"],
    )
    .await;
    is(
        by(|which| which.id = Some("t1".into())),
        &["t1 d.example", "t1 e.example"],
    )
    .await;
    is(by(|which| which.damaged = true), &[]).await;
    is(by(|which| which.domain = Some("elsewhere.example".into())), &[]).await;
    let sender = |from: &str| by(|which| which.sender = Some(from.into()));
    is(
        sender("a@b.example"),
        &[
            "t1 d.example",
            "t1 e.example",
            "t3 e.example",
            "t3 xn--bcher-kva.example",
        ],
    )
    .await;
    is(sender(""), &["t2 d.example"]).await;
    let both = by(|which| {
        (which.id, which.domain) = (Some("t1".into()), Some("e.example".into()));
    });
    is(both, &["t1 e.example"]).await;
    let one = list(queue, &all()).await.remove(0);
    let own = by(|which| which.id = Some(one.id.to_string()));
    assert_eq!(list(queue, &own).await, [one]);
}

async fn lists_come_page_by_page_the_oldest_first(queue: &dyn Queue) {
    for number in 1..=7 {
        accept(
            queue,
            vec![queued(number, "a@b.example", &["c@d.example", "c@e.example"])],
        )
        .await;
    }
    for limit in [1, 3, 14, 50] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let which = by(|which| (which.after, which.limit) = (after.clone(), Some(limit)));
            let page = list(queue, &which).await;
            assert!(page.len() <= limit, "{limit}");
            let Some(last) = page.last() else { break };
            after = Some(last.id.to_string());
            seen.extend(page);
            assert!(seen.len() <= 14, "a page comes again: {limit}");
        }
        assert_eq!(seen.len(), 14, "{limit}");
        assert!(seen.is_sorted_by_key(|mail| mail.at), "the oldest first: {limit}");
    }
}

async fn the_depth_is_that_of_the_list(queue: &dyn Queue) {
    assert_eq!(queue.depth(None).await.expect("a depth").mails, 0);
    some(queue).await;
    for domain in [None, Some("d.example"), Some("e.example"), Some("elsewhere.example")] {
        let found = list(queue, &by(|which| which.domain = domain.map(Into::into))).await;
        let depth = queue.depth(domain).await.expect("a depth");
        assert_eq!(depth.mails, found.len() as u64, "{domain:?}");
        assert_eq!(depth.oldest, found.first().map(|mail| mail.at), "{domain:?}");
        // With or without the head by which it is stored.
        assert!(depth.octets >= found.iter().map(|mail| mail.size).sum(), "{domain:?}");
        assert_eq!(depth.damaged, 0);
    }
}

async fn an_order_does_what_it_says_to_what_it_names(queue: &dyn Queue) {
    some(queue).await;
    let before = list(queue, &all()).await;
    let of_d = by(|which| which.domain = Some("d.example".into()));
    assert_eq!(order(queue, &of_d, WaitingOrder::Hold(true)).await, 2);
    for mail in list(queue, &all()).await {
        assert_eq!(
            (mail.held, mail.next.is_none()),
            (mail.domain == "d.example", mail.domain == "d.example"),
            "{mail:?}"
        );
    }
    assert_eq!(order(queue, &all(), WaitingOrder::Hold(false)).await, 5);
    assert!(
        list(queue, &all())
            .await
            .iter()
            .all(|mail| !mail.held && mail.next.is_some())
    );
    let day = Duration::from_hours(24);
    let one = by(|which| which.recipient = Some("f@d.example".into()));
    assert_eq!(order(queue, &one, WaitingOrder::Extend(day)).await, 1);
    for (mail, was) in list(queue, &all()).await.iter().zip(&before) {
        let more = u64::from(mail.transaction == "t2") * day.as_millis() as u64;
        assert_eq!(mail.until, was.until + more, "{mail:?}");
    }
    assert_eq!(order(queue, &all(), WaitingOrder::Flush).await, 5);
    let nobody = by(|which| which.domain = Some("elsewhere.example".into()));
    for what in [WaitingOrder::Flush, WaitingOrder::Delete, WaitingOrder::Bounce] {
        assert_eq!(order(queue, &nobody, what).await, 0);
    }
    assert_eq!(list(queue, &all()).await.len(), 5, "nothing is lost by it");
}

async fn what_is_deleted_or_given_up_is_gone(queue: &dyn Queue, settle: &Settle) {
    some(queue).await;
    let first = list(queue, &all()).await.remove(0);
    let own = by(|which| which.id = Some(first.id.to_string()));
    assert_eq!(order(queue, &own, WaitingOrder::Delete).await, 1);
    assert_eq!(order(queue, &own, WaitingOrder::Delete).await, 0, "once");
    assert!(queue.show(&first.id).await.expect("an answer").is_none());
    assert!(list(queue, &own).await.is_empty());
    assert_eq!(list(queue, &all()).await.len(), 4);
    let of_e = by(|which| which.domain = Some("e.example".into()));
    let waited = list(queue, &of_e).await.len() as u64;
    assert_eq!(order(queue, &of_e, WaitingOrder::Bounce).await, waited);
    settle().await;
    assert!(list(queue, &of_e).await.is_empty(), "given up");
    assert_eq!(
        queue.depth(None).await.expect("a depth").mails,
        list(queue, &all()).await.len() as u64
    );
}

async fn what_is_no_id_finds_nothing(queue: &dyn Queue) {
    some(queue).await;
    for id in [
        "",
        "0",
        "../../etc/passwd",
        "t\0",
        "x".repeat(10_000).as_str(),
        "d.example/000001",
        "\u{fc}",
    ] {
        assert!(
            queue.show(&WaitingId(id.into())).await.expect("an answer").is_none(),
            "{id:?}"
        );
        let which = by(|which| which.id = Some(id.into()));
        assert!(list(queue, &which).await.is_empty(), "{id:?}");
        assert_eq!(order(queue, &which, WaitingOrder::Delete).await, 0, "{id:?}");
    }
    for domain in ["", "..", "no domain", "\u{0}"] {
        let which = by(|which| which.domain = Some(domain.into()));
        assert!(list(queue, &which).await.is_empty(), "{domain:?}");
        assert_eq!(order(queue, &which, WaitingOrder::Delete).await, 0, "{domain:?}");
    }
    assert_eq!(list(queue, &all()).await.len(), 5);
}

async fn mails_accepted_together_are_all_there<Q: Queue + ?Sized + 'static>(queue: Arc<Q>) {
    let mut together = tokio::task::JoinSet::new();
    for number in 0..40 {
        let queue = Arc::clone(&queue);
        together.spawn(async move {
            let mail = queued(number, "a@b.example", &["c@d.example", "c@e.example"]);
            queue.accept(vec![mail]).await.expect("there is room");
        });
    }
    while let Some(done) = together.join_next().await {
        done.expect("accepted");
    }
    let found = queue.list(&all()).await.expect("a list");
    let ids: BTreeSet<_> = found.iter().map(|mail| mail.id.clone()).collect();
    let mails: BTreeSet<_> = found
        .iter()
        .map(|mail| (mail.transaction.clone(), mail.domain.clone()))
        .collect();
    assert_eq!((found.len(), ids.len(), mails.len()), (80, 80, 80));
}
