use std::time::Duration;

use gatepost_core::{Queue, Waiting, WaitingOrder};
use gatepost_queue::What;

use crate::house::{DAY, HOUR, House, mail};

async fn outage() -> House {
    let house = House::new();
    house.map.server("acme").away(true);
    for n in 0..3 {
        house.accept(mail(n.to_string(), &["ann@acme.example"])).await;
    }
    house.settle().await;
    house
}

fn of_transaction(number: &str) -> Waiting {
    let mut which = Waiting::default();
    which.id = Some(number.into());
    which
}

#[tokio::test]
async fn what_is_held_stays_over_a_restart_and_beyond_its_time_and_goes_when_it_is_let_go() {
    let mut house = outage().await;
    let first = of_transaction("t-0");
    assert_eq!(house.queue.order(&first, WaitingOrder::Hold(true)).await, Ok(1));
    house.restart().await;
    house.map.server("acme").away(false);
    house.settle().await;
    assert_eq!(house.map.server("acme").subjects(), ["1", "2"]);
    house.clock.pass(9 * DAY);
    house.settle().await;
    assert!(house.mails().await[0].held && house.mails().await[0].next.is_none());
    assert_eq!(house.queue.order(&first, WaitingOrder::Hold(false)).await, Ok(1));
    house.settle().await;
    assert_eq!(house.map.server("acme").subjects(), ["1", "2", "0"]);
}

#[tokio::test]
async fn more_time_is_more_time_over_a_restart() {
    let mut house = outage().await;
    let before = house.mails().await[0].until;
    assert_eq!(house.order(WaitingOrder::Extend(2 * DAY)).await, 3);
    house.restart().await;
    let day = u64::try_from(DAY.as_millis()).unwrap();
    assert_eq!(house.mails().await[0].until, before + 2 * day);
    house.pass(6 * DAY).await;
    assert_eq!(house.queue.depth_now().mails, 3);
    house.pass(DAY).await;
    assert_eq!(house.queue.depth_now().mails, 0);
}

#[tokio::test]
async fn what_is_deleted_is_gone_and_nobody_is_told() {
    let mut house = outage().await;
    assert_eq!(
        house.queue.order(&of_transaction("t-1"), WaitingOrder::Delete).await,
        Ok(1)
    );
    house.restart().await;
    house.map.server("acme").away(false);
    house.settle().await;
    assert_eq!(house.map.server("acme").subjects(), ["0", "2"]);
    assert!(house.archived().await.is_empty());
    assert_eq!(house.heard.count(What::Deleted), 1);
}

#[tokio::test]
async fn what_is_given_up_by_hand_is_told_as_what_is_given_up_by_time() {
    let house = outage().await;
    assert_eq!(house.order(WaitingOrder::Bounce).await, 3);
    house.settle().await;
    assert_eq!((house.queue.depth_now().mails, house.archived().await.len()), (0, 3));
}

#[tokio::test]
async fn a_wish_to_try_now_is_obeyed_though_the_server_seems_away() {
    let house = outage().await;
    let acme = house.map.server("acme");
    acme.script.down(false);
    house.settle().await;
    assert_eq!(acme.subjects().len(), 0, "it is not believed to be there");
    let mut which = Waiting::default();
    which.domain = Some("ACME.example".into());
    assert_eq!(house.queue.order(&which, WaitingOrder::Flush).await, Ok(3));
    house.settle().await;
    assert_eq!(acme.subjects()[0], "0");
}

#[tokio::test]
async fn what_is_held_is_not_among_those_that_are_tried_now() {
    let house = outage().await;
    let first = house.mails().await.remove(0);
    let (mut one, mut all) = (Waiting::default(), Waiting::default());
    one.id = Some(first.id.to_string());
    all.domain = Some("acme.example".into());
    assert_eq!(house.queue.order(&one, WaitingOrder::Hold(true)).await, Ok(1));
    assert_eq!(house.queue.order(&all, WaitingOrder::Flush).await, Ok(2));
    assert_eq!(house.queue.order(&Waiting::default(), WaitingOrder::Flush).await, Ok(2));
}

#[tokio::test]
async fn a_list_tells_what_is_known_and_when_it_is_tried_next() {
    let house = outage().await;
    let mails = house.mails().await;
    assert_eq!(mails.len(), 3);
    let first = &mails[0];
    assert_eq!(
        (first.transaction.as_str(), first.domain.as_str()),
        ("t-0", "acme.example")
    );
    assert_eq!((first.from.as_str(), first.recipients.len()), ("bob@sender.example", 1));
    assert_eq!(first.route.as_deref(), Some("acme"));
    assert!(first.said.contains("acme") && first.tries == 1, "{first:?}");
    let next = first.next.expect("a time");
    assert_eq!(
        next - first.at,
        u64::try_from(Duration::from_mins(1).as_millis()).unwrap()
    );
    let shown = house.queue.show(&first.id).await.unwrap().expect("it");
    assert_eq!(shown.1.headers().get("Subject").unwrap().unfolded().trim_ascii(), b"0");
    house.clock.pass(HOUR);
    let depth = house.queue.depth(Some("acme.example")).await.unwrap();
    assert_eq!((depth.mails, depth.oldest), (3, Some(first.at)));
}
