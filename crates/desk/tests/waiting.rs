//! Mail that waits, at the desk: whose it is, how much is told, what is remembered of it.

use std::sync::Arc;
use std::time::Duration;

use gatepost_core::{
    Desk, Login, LoginBy, Queue, Receipt, Request, Store, Waiting, WaitingId, WaitingMail, WaitingOrder, null,
};
use gatepost_desk::rights::{NO_SUCH_MAIL, Staff};
use gatepost_desk::{FrontDesk, Means, Reports, Terms};
use gatepost_pipeline::Routes;
use gatepost_testkit::queue::queued;
use gatepost_testkit::{Fakes, MemoryQueue};

struct Nothing;

#[async_trait::async_trait]
impl gatepost_core::Upkeep for Nothing {
    async fn check(&self) -> Result<Vec<String>, gatepost_core::Fault> {
        Ok(Vec::new())
    }
    async fn compact(&self) -> Result<Vec<String>, gatepost_core::Fault> {
        Ok(Vec::new())
    }
    async fn backup(&self, _: &std::path::Path) -> Result<Vec<String>, gatepost_core::Fault> {
        Ok(Vec::new())
    }
}

struct House {
    queue: Arc<MemoryQueue>,
    desk: FrontDesk,
}

/// Root administrates all, Eva e.example; mail waits for both domains.
async fn house() -> House {
    let queue = MemoryQueue::new();
    for (number, to) in [
        (1, &["c@d.example", "x@e.example"][..]),
        (2, &["c@d.example"]),
        (3, &["y@e.example"]),
    ] {
        queue
            .accept(vec![queued(number, "a@b.example", to)])
            .await
            .expect("room");
    }
    House {
        desk: desk(Some(queue.clone())),
        queue,
    }
}

fn desk(queue: Option<Arc<dyn Queue>>) -> FrontDesk {
    let fakes = Fakes::new();
    let store = Store::new(fakes.store.clone());
    let means = Means {
        store: store.within("desk"),
        filters: store.within("filter"),
        kept: fakes.kept.clone(),
        queue,
        post: fakes.post.clone(),
        learning: Arc::new(null::NoLearning),
        explain: Arc::new(null::NoExplain),
        upkeep: Arc::new(Nothing),
        clock: fakes.clock.clone(),
        seed: Fakes::SEED,
    };
    let local = Routes::inbound([("d.example", "default"), ("e.example", "default")]);
    let terms = Terms {
        staff: Staff::new(["root@d.example"], [("e.example", vec!["eva@e.example"])], local),
        requests_per_hour: 1_000,
        reports: Reports::default(),
        release_welcomes: false,
    };
    FrontDesk::new(means, terms)
}

fn login(name: &str) -> Login {
    match name {
        "operator" => Login::new(name, LoginBy::Operator),
        name => Login::new(name, LoginBy::Auth),
    }
}

fn by(narrow: impl FnOnce(&mut Waiting)) -> Waiting {
    let mut which = Waiting::default();
    narrow(&mut which);
    which
}

fn one(id: &str) -> Waiting {
    by(|which| which.id = Some(id.into()))
}

impl House {
    async fn ask(&self, who: &str, request: Request) -> Receipt {
        self.desk.submit(&login(who), request).await.expect("a receipt")
    }

    async fn list(&self, who: &str, which: Waiting) -> Result<Vec<WaitingMail>, String> {
        match self.ask(who, Request::Waiting { which }).await {
            Receipt::Waiting(mails, None) => Ok(mails),
            Receipt::Refused(why) => Err(why),
            other => panic!("{other:?}"),
        }
    }

    async fn ids(&self, who: &str, which: Waiting) -> Vec<String> {
        let found = self.list(who, which).await.expect("a list");
        found.iter().map(|mail| mail.id.to_string()).collect()
    }

    async fn show(&self, who: &str, id: &str, why: Option<&str>) -> Receipt {
        let id = WaitingId(id.into());
        let why = why.map(Into::into);
        self.ask(who, Request::ShowWaiting { id, why }).await
    }

    async fn order(&self, who: &str, which: Waiting, order: WaitingOrder) -> Result<(bool, String), String> {
        match self.ask(who, Request::OrderWaiting { which, order }).await {
            Receipt::Done(change) => Ok((change.changed, change.lines.join("; "))),
            Receipt::Refused(why) => Err(why),
            other => panic!("{other:?}"),
        }
    }

    async fn depth(&self, who: &str, domain: Option<&str>) -> Result<u64, String> {
        let domain = domain.map(Into::into);
        match self.ask(who, Request::CountWaiting { domain }).await {
            Receipt::Depth(depth) => Ok(depth.mails),
            Receipt::Refused(why) => Err(why),
            other => panic!("{other:?}"),
        }
    }

    /// The audit, the oldest first.
    async fn audit(&self) -> Vec<(String, String)> {
        let (before, limit) = (None, None);
        match self.ask("operator", Request::Audit { before, limit }).await {
            Receipt::Audit(lines) => {
                let lines = lines.into_iter().rev();
                lines.map(|line| (line.what, line.outcome)).collect()
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn administrators_see_what_they_look_after_and_nobody_else_any() {
    let house = house().await;
    for admin in ["operator", "root@d.example"] {
        assert_eq!(
            house.ids(admin, Waiting::default()).await,
            ["000001", "000002", "000003", "000004"]
        );
        assert_eq!(house.depth(admin, None).await, Ok(4));
    }
    // Whoever looks after one domain need not name it, and cannot look past it.
    for which in [Waiting::default(), by(|which| which.domain = Some("E.EXAMPLE".into()))] {
        assert_eq!(house.ids("eva@e.example", which).await, ["000002", "000004"]);
    }
    assert_eq!(
        house.ids("eva@e.example", one("t1")).await,
        ["000002"],
        "her part of the transaction"
    );
    assert!(house.ids("eva@e.example", one("000001")).await.is_empty());
    assert_eq!(house.depth("eva@e.example", None).await, Ok(2));
    assert!(house.depth("eva@e.example", Some("d.example")).await.is_err());
    for which in [
        Waiting::default(),
        by(|which| which.recipient = Some("c@d.example".into())),
        one("000001"),
    ] {
        assert!(
            house.list("c@d.example", which).await.is_err(),
            "mail that waits is not its recipient's yet"
        );
    }
    assert!(house.depth("c@d.example", Some("d.example")).await.is_err());
}

#[tokio::test]
async fn a_page_says_where_the_next_begins() {
    let house = house().await;
    let page = async |after: Option<&str>, limit| {
        let which = by(|which| (which.after, which.limit) = (after.map(Into::into), Some(limit)));
        match house.ask("operator", Request::Waiting { which }).await {
            Receipt::Waiting(mails, next) => (mails.len(), next),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(page(None, 3).await, (3, Some("000003".into())));
    assert_eq!(page(Some("000003"), 3).await, (1, None));
    assert_eq!(
        page(None, 0).await,
        (1, Some("000001".into())),
        "whoever asks for none gets on, too"
    );
}

#[tokio::test]
async fn what_a_mail_says_is_told_only_to_whoever_says_why() {
    let house = house().await;
    let told = |receipt: Receipt| match receipt {
        Receipt::WaitingMail(mail, octets) => Ok((mail.id.to_string(), octets.is_some())),
        Receipt::Refused(why) => Err(why),
        other => panic!("{other:?}"),
    };
    for why in [None, Some(""), Some("  ")] {
        assert_eq!(
            told(house.show("operator", "000002", why).await),
            Ok(("000002".into(), false))
        );
    }
    assert_eq!(
        told(house.show("eva@e.example", "000002", Some("a complaint")).await),
        Ok(("000002".into(), true))
    );
    let Receipt::WaitingMail(_, Some(octets)) = house.show("operator", "t2", Some("a test")).await else {
        panic!("the only mail of a transaction is named by its number, too");
    };
    assert!(octets.0.starts_with(b"Subject: number 2\r\n"));
    for (who, id) in [
        ("eva@e.example", "000001"),
        ("operator", "none"),
        ("eva@e.example", "none"),
    ] {
        assert_eq!(
            told(house.show(who, id, Some("curious")).await),
            Err(NO_SUCH_MAIL.into()),
            "{who} {id}"
        );
    }
    assert!(told(house.show("c@d.example", "000001", Some("it is mine")).await).is_err());
    let several = told(house.show("operator", "t1", Some("a test")).await).expect_err("two");
    assert!(several.contains("several mails"), "{several}");
    let audit = house.audit().await;
    assert!(audit.contains(&("look at the waiting mail 000002".into(), "found 1".into())));
    assert!(audit.contains(&(
        "read the waiting mail 000002, because: a complaint".into(),
        "read".into()
    )));
}

#[tokio::test]
async fn what_is_held_is_named_where_it_is_not_tried() {
    let house = house().await;
    house
        .order("operator", one("000001"), WaitingOrder::Hold(true))
        .await
        .expect("held");
    let why = "not tried, since held by hand (`gatepost queue hold --release`): 000001";
    let said = house.order("operator", one("000001"), WaitingOrder::Flush).await;
    assert_eq!(said, Err(why.into()));
    let all = house.order("operator", Waiting::default(), WaitingOrder::Flush).await;
    let (_, all) = all.expect("done");
    assert!(all.starts_with("tried now: 3 mails") && all.ends_with(why), "{all}");
}

#[tokio::test]
async fn an_order_reaches_what_is_theirs_and_is_in_the_audit() {
    let house = house().await;
    let eva = "eva@e.example";
    let said = house.order(eva, Waiting::default(), WaitingOrder::Flush).await;
    let (changed, said) = said.expect("done");
    assert!(
        changed && said.starts_with("tried now: 2 mails, ") && said.ends_with("the rest wait as before"),
        "{said}"
    );
    let (asked, _) = house.queue.orders.last().expect("an order");
    assert_eq!(
        asked.domain.as_deref(),
        Some("e.example"),
        "narrowed before the queue hears of it"
    );
    let no_mail = house
        .order(eva, one("000001"), WaitingOrder::Delete)
        .await
        .expect_err("not hers");
    assert!(no_mail.contains("not yours"), "{no_mail}");
    assert!(
        house
            .order("c@d.example", one("000001"), WaitingOrder::Delete)
            .await
            .is_err()
    );
    assert_eq!(house.ids("operator", Waiting::default()).await.len(), 4);
    let elsewhere = by(|which| which.domain = Some("f.example".into()));
    assert_eq!(
        house.order("operator", elsewhere, WaitingOrder::Bounce).await,
        Ok((false, "no such mail waits".into()))
    );
    // A page is for lists: an order is for all.
    let paged = by(|which| (which.after, which.limit) = (Some("000002".into()), Some(1)));
    let held = house.order("operator", paged, WaitingOrder::Hold(true)).await;
    assert_eq!(held, Ok((true, "held until somebody releases them: 4 mails".into())));
    for (span, may) in [(0, false), (48, true), (30 * 24, true), (30 * 24 + 1, false)] {
        let order = WaitingOrder::Extend(Duration::from_hours(span));
        assert_eq!(
            house.order("operator", one("000003"), order).await.is_ok(),
            may,
            "{span}"
        );
    }
    assert!(
        house
            .order("operator", one("000003"), WaitingOrder::Delete)
            .await
            .is_ok()
    );
    assert_eq!(
        house.ids("operator", Waiting::default()).await,
        ["000001", "000002", "000004"]
    );
    let audit = house.audit().await;
    let line = |what: &str, outcome: &str| audit.contains(&(what.into(), outcome.into()));
    assert!(line("try mail that waits now: all", "done"), "{audit:?}");
    assert!(line("give mail that waits 2 d more: 000003", "done"), "{audit:?}");
    assert!(line("give up mail that waits: in f.example", "unchanged"), "{audit:?}");
    assert!(line("delete mail that waits: 000003", "done"), "{audit:?}");
}

#[tokio::test]
async fn where_there_is_no_queue_nothing_waits() {
    let desk = desk(None);
    for request in [
        Request::CountWaiting { domain: None },
        Request::Waiting {
            which: Waiting::default(),
        },
        Request::OrderWaiting {
            which: Waiting::default(),
            order: WaitingOrder::Flush,
        },
    ] {
        let receipt = desk.submit(&login("operator"), request).await.expect("a receipt");
        assert!(matches!(receipt, Receipt::Refused(why) if why.contains("no queue")));
    }
}
