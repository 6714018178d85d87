//! Releasing: what is dangerous stays, and whoever wants it welcomes the sender.

use std::sync::Arc;

use gatepost_core::{
    Acting, Address, Change, Clock, Desk, Fault, Filter, Keeping, Kept, KeptId, List, Login, LoginBy, Message, Path,
    Reach, Receipt, Request, Store, Terms as KeptTerms, async_trait, null,
};
use gatepost_desk::rights::Staff;
use gatepost_desk::{FrontDesk, Handlers, Means, Reports, Terms};
use gatepost_pipeline::Routes;
use gatepost_testkit::{Book, Fakes};

/// A filter that keeps lists, and writes down what it is asked to do.
#[derive(Default)]
struct Lists(Book<(String, Request)>);

#[async_trait]
impl Filter for Lists {
    async fn handle(&self, by: &Acting<'_>, request: &Request) -> Result<Option<Change>, Fault> {
        if !matches!(request, Request::Add { .. }) {
            return Ok(None);
        }
        self.0.enter((by.login.name.to_string(), request.clone()))?;
        Ok(Some(Change::done("added")))
    }
}

struct NoUpkeep;

#[async_trait]
impl gatepost_core::Upkeep for NoUpkeep {
    async fn check(&self) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }
    async fn compact(&self) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }
    async fn backup(&self, _: &std::path::Path) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }
}

struct House {
    fakes: Fakes,
    desk: FrontDesk,
    lists: Arc<Lists>,
}

fn house(release_welcomes: bool) -> House {
    let fakes = Fakes::new();
    let store = Store::new(fakes.store.clone());
    let means = Means {
        store: store.within("desk"),
        filters: store.within("filter"),
        kept: fakes.kept.clone(),
        queue: None,
        post: fakes.post.clone(),
        learning: Arc::new(null::NoLearning),
        explain: Arc::new(null::NoExplain),
        upkeep: Arc::new(NoUpkeep),
        clock: fakes.clock.clone(),
        seed: Fakes::SEED,
    };
    let terms = Terms {
        staff: Staff::new(["root@d.example"], [], Routes::inbound([("d.example", "default")])),
        requests_per_hour: 1_000,
        reports: Reports::default(),
        release_welcomes,
    };
    let lists = Arc::new(Lists::default());
    let desk = FrontDesk::new(means, terms.clone());
    desk.publish(
        Handlers::from([("lists".into(), lists.clone() as Arc<dyn Filter>)]),
        terms,
    );
    House { fakes, desk, lists }
}

impl House {
    async fn keep(&self, from: &Path) -> KeptId {
        let message = Arc::new(Message::from_bytes(&b"Subject: held\r\n\r\n"[..]));
        let to = Path::forward("carl@d.example", true).expect("a path");
        let terms = KeptTerms::copy("refused");
        let keeping = Keeping::new("t1", self.fakes.clock.now(), from, vec![&to], &message, &terms);
        self.fakes.kept.keep(keeping).await.expect("kept")
    }

    /// Asks for a mail, and what was said.
    async fn ask(&self, by: &str, id: &KeptId, welcome: bool) -> Result<Vec<String>, String> {
        let request = Request::Release {
            id: id.clone(),
            recipient: Some("carl@d.example".into()),
            again: false,
            welcome,
        };
        match self.desk.submit(&Login::new(by, LoginBy::Auth), request).await {
            Ok(Receipt::Done(change)) => Ok(change.lines),
            Ok(Receipt::Refused(why)) => Err(why),
            other => panic!("{other:?}"),
        }
    }
}

fn sender() -> Path {
    Path::reverse("x@y.example", true).expect("a path")
}

fn welcomed(by: &str) -> (String, Request) {
    let add = Request::Add {
        list: List::Allow,
        reach: Reach::Person("carl@d.example".into()),
        entries: vec!["x@y.example".into()],
    };
    (by.into(), add)
}

#[tokio::test]
async fn the_sender_is_welcomed_where_that_is_asked_for_or_the_rule() {
    for (rule, asked) in [(false, false), (false, true), (true, false), (true, true)] {
        let house = house(rule);
        let id = house.keep(&sender()).await;
        let lines = house.ask("carl@d.example", &id, asked).await.expect("delivered");
        let entered = house.lists.0.take();
        if rule || asked {
            assert_eq!(lines, ["delivered to carl@d.example", "added"]);
            assert_eq!(entered, [welcomed("carl@d.example")]);
        } else {
            assert_eq!((lines.len(), entered.len()), (1, 0));
        }
    }
}

#[tokio::test]
async fn a_welcome_is_in_the_audit_and_can_be_asked_for_later() {
    let house = house(false);
    let id = house.keep(&sender()).await;
    house.ask("carl@d.example", &id, false).await.expect("delivered");
    let lines = house.ask("carl@d.example", &id, true).await.expect("welcomed");
    assert!(
        lines[0].contains("within the last day") && lines[1] == "added",
        "{lines:?}"
    );
    assert_eq!(house.fakes.post.released.len(), 1);
    let audit = Request::Audit {
        before: None,
        limit: None,
    };
    let audit = house
        .desk
        .submit(&Login::new("root@d.example", LoginBy::Auth), audit)
        .await;
    let Ok(Receipt::Audit(lines)) = audit else {
        panic!("{audit:?}")
    };
    let said: Vec<String> = lines
        .iter()
        .map(|line| format!("{}: {}", line.what, line.outcome))
        .collect();
    assert!(
        said.iter().any(|line| line.ends_with("and welcome its sender: done")),
        "{said:?}"
    );
    assert!(
        said.iter()
            .any(|line| line == "add to the allow list of carl@d.example: x@y.example: done"),
        "{said:?}"
    );
}

#[tokio::test]
async fn nobody_is_welcomed_who_is_not_there_or_whose_mail_stays() {
    let house = house(true);
    let bounce = house.keep(&Path::Null).await;
    let lines = house.ask("carl@d.example", &bounce, true).await.expect("delivered");
    assert_eq!(lines[1], "it has no sender that could be welcomed");
    let id = house.keep(&sender()).await;
    *house.fakes.post.dangerous.lock().expect("a lock") = Some("it is not delivered: a virus".into());
    assert_eq!(
        house.ask("carl@d.example", &id, true).await,
        Err("it is not delivered: a virus".into())
    );
    assert!(house.lists.0.is_empty());
    // Once it is known to be harmless it is delivered: nothing was claimed for it.
    *house.fakes.post.dangerous.lock().expect("a lock") = None;
    assert!(house.ask("carl@d.example", &id, false).await.is_ok());
    let carl = Address::parse("carl@d.example", true).expect("an address");
    assert_eq!(house.fakes.post.released.take(), [(bounce, carl.clone()), (id, carl)]);
}
