use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gatepost_core::{Enhanced, Queue, Reply, WaitingOrder};
use gatepost_queue::{DomainTerms, What};
use gatepost_testkit::Dies;

use crate::house::{DAY, HOUR, House, Map, mail};

const LATER: Reply = Reply::fixed(450, Enhanced(4, 2, 0), "later");
const NEVER: Reply = Reply::fixed(550, Enhanced(5, 1, 1), "no such user");

#[tokio::test]
async fn mail_waits_while_its_server_is_away_and_goes_in_its_order_when_it_is_back() {
    let house = House::new();
    let acme = house.map.server("acme");
    acme.away(true);
    for n in 0..30 {
        house.accept(mail(n.to_string(), &["ann@acme.example"])).await;
        house.settle().await;
    }
    house.pass(2 * HOUR).await;
    assert_eq!(
        acme.script.counts().0,
        0,
        "nobody knocks at a door that is known to be shut"
    );
    assert_eq!(house.queue.depth_now().mails, 30);
    acme.away(false);
    house.settle().await;
    let want: Vec<String> = (0..30).map(|n| n.to_string()).collect();
    assert_eq!(acme.subjects(), want);
    assert_eq!(acme.script.counts().0, 1, "one connection serves them all");
    assert_eq!(house.queue.depth_now(), Default::default());
    house.clock.pass(Duration::from_secs(5));
    house.settle().await;
    assert_eq!(acme.script.counts().2, 1, "and is closed when it rests");
}

#[tokio::test]
async fn one_domain_that_is_away_holds_no_other_up() {
    let house = House::new();
    house.map.server("acme").away(true);
    house
        .accept(mail("1", &["ann@acme.example", "bea@other.example"]))
        .await;
    house.accept(mail("2", &["bea@other.example"])).await;
    house.settle().await;
    assert_eq!(house.map.server("other").subjects(), ["1", "2"]);
    let waiting = house.mails().await;
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].recipients, ["ann@acme.example"]);
    assert!(waiting[0].said.contains("acme"), "{waiting:?}");
}

#[tokio::test]
async fn each_recipient_has_an_answer_of_its_own_and_no_copy_goes_twice() {
    let mut house = House::new();
    let acme = house.map.server("acme");
    acme.script.rcpt("later@acme.example", LATER);
    acme.script.rcpt("never@acme.example", NEVER);
    let to = ["ann@acme.example", "later@acme.example", "never@acme.example"];
    house.accept(mail("1", &to)).await;
    house.settle().await;
    let waiting = house.mails().await;
    assert_eq!(waiting[0].recipients, ["later@acme.example"]);
    assert_eq!(
        house.archived().await,
        [("undelivered".to_owned(), vec!["never@acme.example".to_owned()])]
    );
    house.restart().await;
    acme.script.rcpt("later@acme.example", Reply::plain(250, "ok"));
    house.settle().await;
    let taken: Vec<Vec<String>> = acme
        .script
        .delivered()
        .iter()
        .map(|delivered| delivered.to.iter().map(ToString::to_string).collect())
        .collect();
    assert_eq!(taken, [["ann@acme.example"], ["later@acme.example"]]);
    assert_eq!(house.queue.depth_now().mails, 0);
}

#[tokio::test]
async fn a_mail_that_its_server_defers_lets_the_others_by() {
    let house = House::new();
    let acme = house.map.server("acme");
    acme.script.next_dots([LATER]);
    for n in 0..3 {
        house.accept(mail(n.to_string(), &["ann@acme.example"])).await;
    }
    house.settle().await;
    assert_eq!(acme.subjects(), ["1", "2"]);
    house.pass(Duration::from_mins(1)).await;
    assert_eq!(acme.subjects(), ["1", "2", "0"]);
    assert_eq!(house.heard.count(What::Deferred), 1);
}

#[tokio::test]
async fn a_server_that_was_lost_after_the_dot_gets_the_mail_again_and_the_log_says_so() {
    let house = House::new();
    let acme = house.map.server("acme");
    acme.script.dies(Some(Dies::AfterDot));
    house.accept(mail("1", &["ann@acme.example"])).await;
    house.settle().await;
    acme.script.dies(None);
    house.pass(Duration::from_mins(1)).await;
    assert_eq!(acme.subjects(), ["1", "1"]);
    assert_eq!(
        (house.heard.count(What::Unsure), house.heard.count(What::Delivered)),
        (1, 1)
    );
}

#[tokio::test]
async fn a_server_that_dies_at_each_other_step_gets_the_mail_once() {
    for dies in [Dies::AtRcpt, Dies::BeforeDot, Dies::AtDot] {
        let house = House::new();
        let acme = house.map.server("acme");
        acme.script.dies(Some(dies));
        house.accept(mail("1", &["ann@acme.example"])).await;
        house.pass(Duration::from_mins(10)).await;
        acme.script.dies(None);
        house.pass(Duration::from_mins(30)).await;
        assert_eq!(acme.subjects(), ["1"], "{dies:?}");
    }
}

#[tokio::test]
async fn a_domain_that_is_switched_to_another_server_takes_its_waiting_mail_along() {
    let house = House::new();
    house.map.server("acme").away(true);
    for n in 0..3 {
        house.accept(mail(n.to_string(), &["ann@acme.example"])).await;
    }
    house.settle().await;
    house.map.route("acme.example", "stopgap");
    house.queue.publish(house.settings.clone(), house.map.clone()).await;
    house.settle().await;
    assert_eq!(house.map.server("stopgap").subjects(), ["0", "1", "2"]);
    assert_eq!(house.map.server("acme").script.counts().0, 0);
}

#[tokio::test]
async fn a_connection_of_before_a_switch_takes_no_mail_after_it() {
    let house = House::new();
    let (old, new) = (house.map.server("acme"), Arc::<Map>::default());
    new.route("acme.example", "acme");
    old.script.slow(Duration::from_millis(20));
    for n in 0..3 {
        house.accept(mail(n.to_string(), &["ann@acme.example"])).await;
    }
    house.queue.look().await;
    // The route keeps its name, and leads to another server while a mail is under way.
    let switch = async {
        while old.script.counts().0 == 0 {
            tokio::task::yield_now().await;
        }
        house.queue.publish(house.settings.clone(), new.clone()).await;
    };
    tokio::join!(house.queue.step(), switch);
    house.settle().await;
    assert_eq!(old.subjects(), ["0"]);
    assert_eq!(new.server("acme").subjects(), ["1", "2"]);
}

#[tokio::test]
async fn one_address_on_a_server_of_its_own_holds_its_domain_not_up_and_goes_when_that_one_is_back() {
    let house = House::new();
    house.map.route("boss@acme.example", "office");
    let (acme, office) = (house.map.server("acme"), house.map.server("office"));
    office.away(true);
    house
        .accept(mail("1", &["boss@acme.example", "ann@acme.example"]))
        .await;
    house.accept(mail("2", &["ann@acme.example"])).await;
    house.settle().await;
    assert_eq!(acme.subjects(), ["1", "2"]);
    office.away(false);
    house.settle().await;
    assert_eq!(office.subjects(), ["1"]);
    let to: Vec<_> = office.script.delivered()[0]
        .to
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(to, ["boss@acme.example"]);
}

#[tokio::test]
async fn mail_that_no_route_leads_to_any_more_waits_and_lets_others_by() {
    let house = House::new();
    house.accept(mail("1", &["ann@gone.example"])).await;
    house.accept(mail("2", &["ann@acme.example"])).await;
    house.settle().await;
    assert_eq!(house.map.server("acme").subjects(), ["2"]);
    assert!(house.mails().await[0].said.contains("no route"));
    house.map.route("gone.example", "acme");
    house.queue.publish(house.settings.clone(), house.map.clone()).await;
    house.settle().await;
    assert_eq!(house.map.server("acme").subjects(), ["2", "1"]);
}

#[tokio::test]
async fn a_server_that_wants_credentials_is_the_operators_affair_and_costs_no_mail() {
    let house = House::new();
    let acme = house.map.server("acme");
    acme.script
        .mail(Some(Reply::fixed(530, Enhanced(5, 7, 0), "authentication required")));
    house.accept(mail("1", &["ann@acme.example"])).await;
    house.pass(HOUR).await;
    assert_eq!((house.queue.depth_now().mails, house.archived().await.len()), (1, 0));
    acme.script.mail(None);
    house.pass(HOUR).await;
    assert_eq!(acme.subjects(), ["1"]);
}

#[tokio::test]
async fn a_refusal_of_the_sender_is_one_of_the_mail() {
    let house = House::new();
    house.map.server("acme").script.mail(Some(NEVER));
    house.accept(mail("1", &["ann@acme.example", "bea@acme.example"])).await;
    house.settle().await;
    assert_eq!(house.archived().await[0].1, ["ann@acme.example", "bea@acme.example"]);
    assert_eq!(house.queue.depth_now().mails, 0);
}

#[tokio::test]
async fn a_delivery_that_breaks_down_ends_neither_the_queue_nor_the_mail() {
    let house = House::new();
    house.accept(mail("1", &["ann@acme.example"])).await;
    house.map.panics.store(true, Ordering::Relaxed);
    house.settle().await;
    assert_eq!(house.queue.depth_now().mails, 1);
    house.map.panics.store(false, Ordering::Relaxed);
    house.pass(Duration::from_mins(1)).await;
    assert_eq!(house.map.server("acme").subjects(), ["1"]);
}

#[tokio::test]
async fn nothing_is_promised_of_a_corrupt_mail() {
    for order in [WaitingOrder::Extend(DAY), WaitingOrder::Bounce] {
        let house = with_a_corrupt_mail().await;
        assert_eq!(house.order(order).await, 2);
        let depth = house.queue.depth(None).await.unwrap();
        assert_eq!(depth.damaged, 1);
    }
}

/// Three mails wait, of which the second is corrupt.
async fn with_a_corrupt_mail() -> House {
    let house = House::new();
    house.map.server("acme").away(true);
    for n in 0..3 {
        house.accept(mail(n.to_string(), &["ann@acme.example"])).await;
    }
    let folder = house.folder.path().join("queue/mail/acme.example");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let mut octets = std::fs::read(&files[1]).unwrap();
    let middle = octets.len() - 25;
    octets[middle] ^= 1;
    std::fs::write(&files[1], octets).unwrap();
    house
}

#[tokio::test]
async fn a_corrupt_mail_is_set_aside_and_the_others_flow() {
    let mut house = with_a_corrupt_mail().await;
    house.restart().await;
    house.map.server("acme").away(false);
    house.settle().await;
    assert_eq!(house.map.server("acme").subjects(), ["0", "2"]);
    assert_eq!(house.heard.count(What::Damaged), 1);
    let depth = house.queue.depth(None).await.unwrap();
    assert_eq!((depth.mails, depth.damaged), (0, 1));
}

#[tokio::test]
async fn a_domain_has_no_more_room_than_it_was_given_and_has_it_again_when_mail_went() {
    let house = House::new();
    let mut terms = DomainTerms {
        hold: Some(2 * DAY),
        ..DomainTerms::NONE
    };
    terms.quota.mails = 2;
    house.map.terms.lock().unwrap().insert("acme.example".into(), terms);
    house.map.server("acme").away(true);
    for n in 0..2 {
        assert_eq!(house.queue.holds("acme.example"), gatepost_core::Holding::Yes);
        house.accept(mail(n.to_string(), &["ann@acme.example"])).await;
    }
    assert_eq!(house.queue.holds("acme.example"), gatepost_core::Holding::Full);
    let third = mail("2", &["bea@other.example", "ann@acme.example"]);
    let refused = house.try_accept(&third).await;
    assert!(matches!(refused, Err(gatepost_core::NotTaken::Full(_))), "{refused:?}");
    assert_eq!(house.queue.depth_now().mails, 2, "all of it or nothing");
    house.map.server("acme").away(false);
    house.settle().await;
    assert_eq!(house.queue.holds("acme.example"), gatepost_core::Holding::Yes);
    house.accept(third).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runner_delivers_as_mail_comes_and_ends_what_is_under_way() {
    let house = House::new();
    let (ask, asked) = tokio::sync::oneshot::channel::<()>();
    let queue = house.queue.clone();
    let running = tokio::spawn(async move {
        queue
            .run(async {
                let _ = asked.await;
            })
            .await;
    });
    for n in 0..50 {
        house.accept(mail(n.to_string(), &["ann@acme.example"])).await;
    }
    while house.queue.depth_now().mails > 0 {
        tokio::task::yield_now().await;
    }
    ask.send(()).unwrap();
    running.await.unwrap();
    assert_eq!(house.map.server("acme").script.delivered().len(), 50);
    let (opened, _, closed) = house.map.server("acme").script.counts();
    assert_eq!(opened, closed, "no connection is left open");
    house.accept(mail("late", &["ann@acme.example"])).await;
    assert_eq!(
        house.queue.depth_now().mails,
        1,
        "what comes after the end waits for the next start"
    );
}
