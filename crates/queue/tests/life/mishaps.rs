//! Disks that fail half-way, mail that a server cannot bear, ends and reloads in the middle of a delivery.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use gatepost_core::{Enhanced, Fault, Kept, Query, Queue, Reply, Waiting, WaitingOrder};
use gatepost_queue::spool::{Step, Steps};
use gatepost_queue::{Settings, What};
use gatepost_testkit::Dies;

use crate::house::{DAY, HOUR, House, WORLD, mail};

const LATER: Reply = Reply::fixed(450, Enhanced(4, 2, 0), "later");
const NEVER: Reply = Reply::fixed(550, Enhanced(5, 1, 1), "no such user");

/// A house on a disk that fails at some steps while a switch is on.
fn on_a_bad_disk(fails: impl Fn(Step, &str) -> bool + Send + Sync + 'static) -> (House, Arc<AtomicBool>) {
    let switch = Arc::<AtomicBool>::default();
    let is_on = Arc::clone(&switch);
    let steps: Steps = Arc::new(move |step, path| {
        let path = path.to_string_lossy();
        match is_on.load(Ordering::Relaxed) && fails(step, &path) {
            true => Err(std::io::Error::other("the disk, for a moment")),
            false => Ok(()),
        }
    });
    let house = House::with(Settings::default(), Some(steps));
    house.map.route("acme.example", "acme");
    house.map.server(WORLD);
    (house, switch)
}

#[tokio::test]
async fn what_a_server_took_goes_not_twice_where_that_cannot_be_written_down() {
    let (house, full) = on_a_bad_disk(|step, path| step == Step::Write && path.ends_with(".state"));
    let acme = house.map.server("acme");
    acme.script.rcpt("bea@acme.example", LATER);
    full.store(true, Ordering::Relaxed);
    house.accept(mail("1", &["ann@acme.example", "bea@acme.example"])).await;
    house.settle().await;
    house.pass(3 * HOUR).await;
    assert_eq!(acme.subjects(), ["1"], "ann has it once");
    acme.script.rcpt("bea@acme.example", Reply::plain(250, "ok"));
    house.pass(HOUR).await;
    let to: Vec<String> = acme
        .script
        .delivered()
        .iter()
        .flat_map(|delivered| delivered.to.iter().map(ToString::to_string).collect::<Vec<_>>())
        .collect();
    assert_eq!(to, ["ann@acme.example", "bea@acme.example"]);
    assert_eq!(house.heard.count(What::Delivered), 2, "and the log has both");
    assert_eq!(house.queue.depth_now().mails, 0);
}

#[tokio::test]
async fn nobody_is_told_twice_of_mail_that_is_given_up_and_cannot_be_removed() {
    let (house, bad) = on_a_bad_disk(|step, path| step == Step::Remove && path.contains("/queue/mail/"));
    house.map.server("acme").away(true);
    house.accept(mail("1", &["ann@acme.example"])).await;
    bad.store(true, Ordering::Relaxed);
    house.clock.pass(5 * DAY);
    house.settle().await;
    house.pass(3 * HOUR).await;
    assert_eq!((house.archived().await.len(), house.queue.depth_now().mails), (1, 1));
    bad.store(false, Ordering::Relaxed);
    house.pass(HOUR).await;
    assert_eq!((house.archived().await.len(), house.queue.depth_now().mails), (1, 0));
}

#[tokio::test]
async fn a_mail_whose_marks_changed_half_way_is_found_again() {
    let (house, bad) = on_a_bad_disk(|step, path| step == Step::SyncFolder && path.ends_with("acme.example"));
    let acme = house.map.server("acme");
    acme.away(true);
    for n in ["1", "2", "3"] {
        house.accept(mail(n, &["ann@acme.example"])).await;
    }
    house.settle().await;
    let of = |number: &str| {
        let mut which = Waiting::default();
        which.id = Some(number.into());
        which
    };
    bad.store(true, Ordering::Relaxed);
    // The files have other names then, but nobody knows whether a power cut leaves them.
    assert!(house.queue.order(&of("t-1"), WaitingOrder::Hold(true)).await.is_err());
    assert!(house.queue.order(&of("t-2"), WaitingOrder::Extend(DAY)).await.is_err());
    bad.store(false, Ordering::Relaxed);
    acme.away(false);
    house.settle().await;
    assert_eq!(acme.subjects(), ["2", "3"]);
    assert!(house.mails().await[0].held);
    assert_eq!(house.queue.order(&of("t-1"), WaitingOrder::Hold(false)).await, Ok(1));
    house.settle().await;
    assert_eq!(acme.subjects(), ["2", "3", "1"]);
    assert_eq!(house.queue.depth_now(), Default::default());
}

#[tokio::test]
async fn a_warning_that_cannot_be_written_down_loses_no_mail_and_is_given_once() {
    let (house, bad) = on_a_bad_disk(|step, path| step == Step::SyncFolder && path.ends_with("acme.example"));
    let acme = house.map.server("acme");
    acme.away(true);
    house.accept(mail("1", &["ann@acme.example"]).proven()).await;
    house.settle().await;
    bad.store(true, Ordering::Relaxed);
    house.pass(6 * HOUR).await;
    assert_eq!(house.queue.depth_now().mails, 1);
    bad.store(false, Ordering::Relaxed);
    acme.away(false);
    house.pass(HOUR).await;
    assert_eq!(acme.subjects(), ["1"]);
    assert!(house.map.server(WORLD).script.delivered().len() <= 1);
}

#[tokio::test]
async fn a_recipient_of_whom_nobody_can_be_told_holds_no_other_up() {
    let house = House::new();
    let acme = house.map.server("acme");
    acme.script.rcpt("ann@acme.example", NEVER);
    acme.script.rcpt("bea@acme.example", LATER);
    house.kept.withdrawn.fail(Some(Fault::Unavailable("the archive")));
    house.accept(mail("1", &["ann@acme.example", "bea@acme.example"])).await;
    house.settle().await;
    acme.script.rcpt("bea@acme.example", Reply::plain(250, "ok"));
    house.pass(HOUR).await;
    assert_eq!(acme.subjects(), ["1"]);
    assert_eq!(house.mails().await[0].recipients, ["ann@acme.example"]);
    house.kept.withdrawn.fail(None);
    house.pass(HOUR).await;
    let want = [("undelivered".to_owned(), vec!["ann@acme.example".to_owned()])];
    assert_eq!(house.archived().await, want);
    assert_eq!((house.queue.depth_now().mails, acme.subjects().len()), (0, 1));
}

#[tokio::test]
async fn a_sender_is_not_told_again_and_again_while_the_archive_cannot_have_the_rest() {
    use gatepost_core::smtp::command::{Notify, RcptParams};
    let house = House::new();
    let acme = house.map.server("acme");
    let never = RcptParams {
        notify: Some(Notify::default()),
        ..RcptParams::default()
    };
    let mut both = mail("1", &["ann@acme.example", "bea@acme.example"]).proven();
    both.to[1].1 = never;
    acme.script.rcpt("ann@acme.example", NEVER);
    acme.script.rcpt("bea@acme.example", NEVER);
    house.kept.withdrawn.fail(Some(Fault::Unavailable("the archive")));
    house.accept(both).await;
    house.settle().await;
    house.pass(3 * HOUR).await;
    house.kept.withdrawn.fail(None);
    house.pass(HOUR).await;
    assert_eq!(house.map.server(WORLD).script.delivered().len(), 1);
    assert_eq!(house.archived().await.len(), 1);
    assert_eq!(house.queue.depth_now().mails, 0);
}

#[tokio::test]
async fn mail_whose_time_was_over_while_we_were_away_ourselves_goes_to_a_server_that_is_there() {
    let mut house = House::new();
    let acme = house.map.server("acme");
    acme.away(true);
    for n in ["1", "2", "3"] {
        house.accept(mail(n, &["ann@acme.example"]).proven()).await;
    }
    house.settle().await;
    let mut which = Waiting::default();
    which.id = Some("t-2".into());
    let _ = house.queue.close().await;
    house.clock.pass(6 * DAY);
    acme.away(false);
    house.reopen(None);
    // Whoever gives one up means it.
    assert_eq!(house.queue.order(&which, WaitingOrder::Bounce).await, Ok(1));
    house.settle().await;
    assert_eq!(acme.subjects(), ["1", "3"]);
    assert_eq!(house.map.server(WORLD).script.delivered().len(), 1);
    assert_eq!(house.queue.depth_now().mails, 0);
}

#[tokio::test]
async fn a_mail_that_its_server_cannot_bear_holds_its_domain_not_up_for_ever() {
    let house = House::new();
    let acme = house.map.server("acme");
    house.accept(mail("1", &["ann@acme.example"])).await;
    acme.script.dies(Some(Dies::BeforeDot));
    house.settle().await;
    // Only this one mail kills it.
    for minutes in [1, 5] {
        house.pass(Duration::from_mins(minutes)).await;
    }
    acme.script.dies(None);
    house.accept(mail("2", &["ann@acme.example"])).await;
    house.pass(Duration::from_mins(2)).await;
    assert_eq!(acme.subjects(), ["2"], "it flows past the one that is doubted");
    house.pass(HOUR).await;
    assert_eq!(acme.subjects(), ["2", "1"]);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_cut_delivers_nothing_afterwards() {
    let house = House::new();
    let acme = house.map.server("acme");
    acme.script.slow(DAY);
    house.accept(mail("1", &["ann@acme.example"])).await;
    let queue = house.queue.clone();
    let running = tokio::spawn(async move { queue.run(std::future::pending()).await });
    while acme.script.counts().0 == 0 {
        tokio::task::yield_now().await;
    }
    running.abort();
    assert!(running.await.is_err());
    house.queue.close().await.expect("closed");
    tokio::time::sleep(2 * DAY).await;
    assert_eq!(acme.script.delivered().len(), 0, "it could not be removed any more");
}

#[tokio::test(start_paused = true)]
async fn a_connection_by_old_routes_serves_no_mail_after_a_reload() {
    let house = House::new();
    let acme = house.map.server("acme");
    for n in ["1", "2"] {
        house.accept(mail(n, &["ann@acme.example"])).await;
    }
    acme.script.slow(Duration::from_secs(1));
    let reload = async {
        while acme.script.counts().0 == 0 {
            tokio::task::yield_now().await;
        }
        house.queue.publish(house.settings.clone(), house.map.clone()).await;
    };
    let (did, ()) = tokio::join!(house.queue.step(), reload);
    assert!(did && house.queue.step().await);
    assert_eq!(acme.subjects(), ["1", "2"]);
    assert_eq!(acme.script.counts().0, 2, "a fresh one");
}

#[tokio::test]
async fn what_was_given_up_lies_in_the_archive_once_however_often_it_is_done_and_is_not_tried_again() {
    // Of a refusal the first word is written, of an expiry too; a crash comes before the mail is removed.
    for expires in [false, true] {
        let words = AtomicUsize::new(0);
        let (mut house, bad) = on_a_bad_disk(move |step, path| {
            let another = step == Step::Write && path.ends_with(".state") && words.fetch_add(1, Ordering::Relaxed) > 0;
            another || step == Step::Remove && path.contains("/mail/")
        });
        let acme = house.map.server("acme");
        let to = ["ann@acme.example", "carl@acme.example"];
        to.iter().for_each(|to| acme.script.rcpt(to, NEVER));
        acme.away(expires);
        bad.store(true, Ordering::Relaxed);
        house.accept(mail("1", &to)).await;
        if expires {
            house.pass(5 * DAY + HOUR).await;
        }
        house.settle().await;
        assert_eq!(house.archived().await.len(), 1);
        house.clock.pass(HOUR);
        house.restart().await;
        assert_eq!(house.mails().await.len(), 1, "expires: {expires}");
        // The server is back, and would take it now for one of them.
        acme.away(false);
        acme.script.rcpt(to[0], Reply::plain(250, "ok"));
        house.pass(HOUR).await;
        assert_eq!((house.archived().await.len(), house.queue.depth_now().mails), (1, 0));
        assert_eq!(house.heard.count(What::Archived), 2, "it was done again");
        assert_eq!(
            acme.subjects(),
            Vec::<String>::new(),
            "whoever was told that it failed does not get it"
        );
    }
}

#[tokio::test]
async fn each_giving_up_has_its_own_time_in_the_archive() {
    let house = House::new();
    let acme = house.map.server("acme");
    acme.script.rcpt("ann@acme.example", NEVER);
    acme.script.rcpt("carl@acme.example", LATER);
    house
        .accept(mail("1", &["ann@acme.example", "carl@acme.example"]))
        .await;
    house.settle().await;
    house.pass(5 * DAY + HOUR).await;
    let mut query = Query::default();
    let mut at = Vec::new();
    for to in ["ann@acme.example", "carl@acme.example"] {
        query.recipient = Some(to.into());
        at.extend(
            house
                .kept
                .list(&query)
                .await
                .expect("a list")
                .iter()
                .map(|mail| mail.at),
        );
    }
    assert_eq!(at.len(), 2);
    assert!(at[1] >= at[0] + 5 * 86_400_000, "{at:?}");
}

#[tokio::test]
async fn mail_that_was_given_up_by_hand_and_set_aside_is_tried_when_it_is_put_back() {
    let house = House::new();
    let acme = house.map.server("acme");
    acme.away(true);
    house.kept.at_most(10);
    house.accept(mail("1", &["ann@acme.example"])).await;
    house.order(WaitingOrder::Bounce).await;
    house.settle().await;
    assert_eq!(house.queue.depth_now().mails, 0);
    acme.away(false);
    let mut aside = Waiting::default();
    aside.damaged = true;
    assert_eq!(house.queue.order(&aside, WaitingOrder::Flush).await, Ok(1));
    house.settle().await;
    assert_eq!(acme.subjects(), ["1"]);
}

#[tokio::test]
async fn whose_time_is_over_while_the_archive_is_away_gets_it_when_the_server_is_back_first() {
    let house = House::new();
    let acme = house.map.server("acme");
    acme.away(true);
    house.accept(mail("1", &["ann@acme.example"])).await;
    house.kept.withdrawn.fail(Some(Fault::Unavailable("the archive")));
    house.pass(5 * DAY + HOUR).await;
    assert_eq!(house.queue.depth_now().mails, 1);
    acme.away(false);
    house.pass(HOUR).await;
    assert_eq!((acme.subjects().len(), house.queue.depth_now().mails), (1, 0));
}
