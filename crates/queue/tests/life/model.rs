//! The queue against a model that is a list: mail comes, servers come and go, people order, time passes, routes change, and the
//! process dies at any step on the disk. In the end each recipient of each mail that was accepted has ended once.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use gatepost_core::{Enhanced, Queue, Reply, Waiting, WaitingOrder};
use gatepost_queue::Settings;
use gatepost_queue::spool::{Step, Steps};
use gatepost_testkit::Dies;
use proptest::prelude::*;

use crate::house::{House, WORLD, mail};

const LATER: Reply = Reply::fixed(450, Enhanced(4, 2, 0), "later");
const NEVER: Reply = Reply::fixed(550, Enhanced(5, 1, 1), "no such user");
const TO: [&str; 5] = [
    "ann@acme.example",
    "bea@acme.example",
    "cas@acme.example",
    "dan@other.example",
    "eve@other.example",
];
const DOMAINS: [&str; 2] = ["acme.example", "other.example"];
const ROUTES: [&str; 3] = ["acme", "other", "spare"];

#[derive(Clone, Debug)]
enum Event {
    /// Mail comes for these of [`TO`]; its sender is proven or not.
    Comes(u8, bool),
    /// At most so many steps of what is due.
    Steps(u8),
    /// A server goes away, or comes back.
    Away(u8, bool),
    /// A server answers the next dots so.
    Dots(u8, Vec<u8>),
    /// A server dies at this moment of each delivery, or does not.
    Dies(u8, Option<u8>),
    /// A server does not know one of [`TO`], or does.
    Knows(u8, u8, bool),
    Passes(u16),
    /// A domain is switched to this route.
    Switch(u8, u8),
    /// The process ends and begins again.
    Restart,
    /// The disk is gone after so many more steps; then the process begins again.
    Crash(u8),
    Hold(u8, bool),
    Flush,
    Delete(u8),
    Bounce(u8),
    Extend(u8),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (1..32u8, any::<bool>()).prop_map(|(to, proven)| Event::Comes(to, proven)),
        8 => (1..12u8).prop_map(Event::Steps),
        4 => (0..3u8, any::<bool>()).prop_map(|(server, away)| Event::Away(server, away)),
        2 => (0..3u8, prop::collection::vec(0..3u8, 1..4)).prop_map(|(server, dots)| Event::Dots(server, dots)),
        2 => (0..3u8, prop::option::of(0..4u8)).prop_map(|(server, dies)| Event::Dies(server, dies)),
        1 => (0..3u8, 0..5u8, any::<bool>()).prop_map(|(server, to, knows)| Event::Knows(server, to, knows)),
        4 => (0..3_000u16).prop_map(Event::Passes),
        1 => (0..2u8, 0..3u8).prop_map(|(domain, route)| Event::Switch(domain, route)),
        2 => Just(Event::Restart),
        4 => (0..40u8).prop_map(Event::Crash),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(which, held)| Event::Hold(which, held)),
        1 => Just(Event::Flush),
        1 => any::<u8>().prop_map(Event::Delete),
        1 => any::<u8>().prop_map(Event::Bounce),
        1 => any::<u8>().prop_map(Event::Extend),
    ]
}

/// A disk that is gone after so many steps.
#[derive(Clone, Default)]
struct Disk(Arc<AtomicI64>);

impl Disk {
    const WELL: i64 = i64::MAX / 2;

    fn fails_after(&self, steps: i64) {
        self.0.store(steps, Ordering::SeqCst);
    }

    fn is_gone(&self) -> bool {
        self.0.load(Ordering::SeqCst) < 0
    }

    fn steps(&self) -> Steps {
        let disk = self.clone();
        Arc::new(move |_: Step, _: &Path| match disk.0.fetch_sub(1, Ordering::SeqCst) {
            left if left > 0 => Ok(()),
            _ => Err(io::Error::other("the disk is gone")),
        })
    }
}

/// What is known of the mail that was brought.
#[derive(Default)]
struct Ledger {
    next: usize,
    /// Subject and recipient of what was accepted, whether anybody was told so or not.
    owed: BTreeSet<(String, String)>,
    /// Those of which nobody was told: they may be there.
    unacked: BTreeSet<(String, String)>,
    /// Those whose deletion was ordered while the disk was going: nobody was told whether they are.
    deleted: BTreeSet<(String, String)>,
    /// Those that a person held, or gave another time, at the end of which there is a last try: they come out of their order.
    touched: BTreeSet<String>,
    /// What may end twice: it was under way when its server or the disk was lost.
    doubtful: BTreeSet<(String, String)>,
}

type Ends = BTreeMap<(String, String), usize>;

/// What ended how often, by what servers have and by what was told.
async fn ends(house: &House) -> Ends {
    let mut ends = Ends::new();
    for route in ROUTES {
        for delivered in house.map.server(route).script.delivered() {
            let subject = crate::house::subject(&delivered);
            for to in &delivered.to {
                *ends.entry((subject.clone(), to.to_string())).or_default() += 1;
            }
        }
    }
    for event in house.heard.all() {
        use gatepost_queue::What::{Archived, Deleted, Notified};
        if matches!(event.what, Archived | Deleted | Notified) && event.domain != gatepost_queue::NOTICES {
            let subject = event.transaction.trim_start_matches("t-").to_owned();
            for to in event.recipients {
                *ends.entry((subject.clone(), to)).or_default() += 1;
            }
        }
    }
    ends
}

/// The domain's mails that never stepped aside arrived in the order in which they came.
fn in_order(house: &House, ledger: &Ledger) -> Result<(), TestCaseError> {
    use gatepost_queue::What::{Away, Deferred, Delivered, Unsure};
    let heard = house.heard.all();
    // A mail in which its server was lost thrice steps aside, too: it may be what kills it.
    let mut lost: BTreeMap<&str, usize> = BTreeMap::new();
    for event in &heard {
        let gone = event.what == Unsure || event.what == Away && event.said.contains(" 4.4.2 ");
        *lost.entry(event.transaction.trim_start_matches("t-")).or_default() += usize::from(gone);
    }
    let aside: BTreeSet<&str> = heard
        .iter()
        .filter(|event| event.what == Deferred)
        .map(|event| event.transaction.trim_start_matches("t-"))
        .chain(ledger.touched.iter().map(String::as_str))
        .chain(
            lost.into_iter()
                .filter(|(_, times)| *times >= 3)
                .map(|(subject, _)| subject),
        )
        .collect();
    for domain in DOMAINS {
        let mut seen = BTreeSet::new();
        let arrived: Vec<&str> = heard
            .iter()
            .filter(|event| event.what == Delivered && event.domain == domain)
            .map(|event| event.transaction.trim_start_matches("t-"))
            .filter(|subject| !aside.contains(subject) && seen.insert(*subject))
            .collect();
        prop_assert!(arrived.is_sorted(), "{}: {:?}", domain, arrived);
    }
    Ok(())
}

/// One of the mails that wait, and whom it is for.
async fn nth(house: &House, n: u8) -> Option<(Waiting, Vec<(String, String)>)> {
    let all = house.queue.list(&Waiting::default()).await.ok()?;
    let mails: Vec<_> = all
        .into_iter()
        .filter(|mail| mail.domain != gatepost_queue::NOTICES)
        .collect();
    let mail = mails.get(usize::from(n) % mails.len().max(1))?;
    let mut which = Waiting::default();
    which.id = Some(mail.id.to_string());
    let subject = mail.transaction.trim_start_matches("t-");
    let pairs = mail.recipients.iter().map(|to| (subject.to_owned(), to.clone()));
    Some((which, pairs.collect()))
}

async fn obey(house: &mut House, disk: &Disk, ledger: &mut Ledger, event: Event) {
    let server = |house: &House, n: u8| house.map.server(ROUTES[usize::from(n) % ROUTES.len()]);
    match event {
        Event::Comes(to, proven) => {
            let subject = format!("{:05}", ledger.next);
            ledger.next += 1;
            let to: Vec<&'static str> = TO
                .iter()
                .enumerate()
                .filter(|(n, _)| to & (1 << n) != 0)
                .map(|(_, to)| *to)
                .collect();
            let pairs = to.iter().map(|to| (subject.clone(), (*to).to_owned()));
            let pairs: Vec<_> = pairs.collect();
            let mail = mail(subject, &to);
            let mail = if proven { mail.proven() } else { mail };
            match house.try_accept(&mail).await {
                Ok(()) => ledger.owed.extend(pairs),
                Err(_) => ledger.unacked.extend(pairs),
            }
        }
        Event::Steps(most) => {
            house.queue.look().await;
            for _ in 0..most {
                if !house.queue.step().await || disk.is_gone() {
                    break;
                }
            }
        }
        Event::Away(n, away) => server(house, n).away(away),
        Event::Dots(n, dots) => {
            let dots = dots
                .into_iter()
                .map(|dot| [LATER, NEVER, Reply::plain(250, "ok")][usize::from(dot)].clone());
            server(house, n).script.next_dots(dots);
        }
        Event::Dies(n, dies) => {
            let dies = dies.map(|dies| [Dies::AtRcpt, Dies::BeforeDot, Dies::AtDot, Dies::AfterDot][usize::from(dies)]);
            server(house, n).script.dies(dies);
        }
        Event::Knows(n, to, knows) => {
            let reply = if knows { Reply::plain(250, "ok") } else { NEVER };
            server(house, n).script.rcpt(TO[usize::from(to)], reply);
        }
        Event::Passes(seconds) => house.clock.pass(Duration::from_secs(seconds.into())),
        Event::Switch(domain, route) => {
            house
                .map
                .route(DOMAINS[usize::from(domain)], ROUTES[usize::from(route)]);
            house.queue.publish(house.settings.clone(), house.map.clone()).await;
        }
        Event::Restart => {
            let _ = house.queue.close().await;
            // Where the disk goes just then, whoever sees that begins again.
            let _ = house.try_reopen(Some(disk.steps()));
        }
        Event::Crash(steps) => disk.fails_after(steps.into()),
        Event::Hold(n, held) => {
            if let Some((which, pairs)) = nth(house, n).await {
                let _ = house.queue.order(&which, WaitingOrder::Hold(held)).await;
                ledger.touched.extend(pairs.into_iter().map(|(subject, _)| subject));
            }
        }
        Event::Flush => drop(house.queue.order(&Waiting::default(), WaitingOrder::Flush).await),
        Event::Delete(n) | Event::Bounce(n) | Event::Extend(n) => {
            let order = match event {
                Event::Delete(_) => WaitingOrder::Delete,
                Event::Bounce(_) => WaitingOrder::Bounce,
                _ => WaitingOrder::Extend(Duration::from_hours(1)),
            };
            if let Some((which, pairs)) = nth(house, n).await {
                let is_deletion = order == WaitingOrder::Delete;
                if let WaitingOrder::Extend(_) = &order {
                    ledger.touched.extend(pairs.iter().map(|(subject, _)| subject.clone()));
                }
                let done = house.queue.order(&which, order).await;
                if is_deletion && done.is_err() {
                    ledger.deleted.extend(pairs);
                }
            }
        }
    }
}

async fn run(events: Vec<Event>) -> Result<(), TestCaseError> {
    let disk = Disk::default();
    disk.fails_after(Disk::WELL);
    let mut settings = Settings::default();
    settings.spool.reserve = 0;
    settings.spool.mails = 40;
    let mut house = House::with(settings, Some(disk.steps()));
    house.map.route("acme.example", "acme");
    house.map.route("other.example", "other");
    house.map.server("spare");
    house.map.server(WORLD);
    let mut ledger = Ledger::default();
    let mut dying = [false; 3];
    for event in events {
        if let Event::Dies(n, dies) = &event {
            let after_dot = [false, false, false, true];
            dying[usize::from(*n)] = dies.is_some_and(|dies| after_dot[usize::from(dies)]);
        }
        let before = ends(&house).await;
        obey(&mut house, &disk, &mut ledger, event).await;
        let depth = house.queue.depth_now();
        prop_assert!(depth.mails <= 40 + 40, "no more than may wait, and notices");
        if disk.is_gone() || dying.contains(&true) {
            // What ended just then at its server or in the archive, and perhaps not here, may end once more.
            let after = ends(&house).await;
            ledger.doubtful.extend(
                after
                    .into_iter()
                    .filter(|(pair, count)| before.get(pair) != Some(count))
                    .map(|(pair, _)| pair),
            );
        }
        if disk.is_gone() {
            let _ = house.queue.close().await;
            disk.fails_after(Disk::WELL);
            house.reopen(Some(disk.steps()));
        }
    }
    for route in ROUTES.iter().chain(&[WORLD]) {
        let server = house.map.server(route);
        server.away(false);
        server.script.dies(None);
        server.script.next_dots([]);
        TO.iter().for_each(|to| server.script.rcpt(to, Reply::plain(250, "ok")));
    }
    disk.fails_after(Disk::WELL);
    house.order(WaitingOrder::Hold(false)).await;
    for _ in 0..100 {
        house.clock.pass(Duration::from_mins(31));
        house.settle().await;
        if house.queue.depth_now().mails == 0 {
            break;
        }
    }
    in_order(&house, &ledger)?;
    let left = house.mails().await;
    prop_assert_eq!(left, []);
    let ends = ends(&house).await;
    for pair in &ledger.owed {
        let count = ends.get(pair).copied().unwrap_or(0);
        prop_assert!(
            count > 0 || ledger.deleted.contains(pair),
            "{:?} was accepted and never ended",
            pair
        );
        prop_assert!(
            count <= 1 || ledger.doubtful.contains(pair),
            "{:?} ended {} times",
            pair,
            count
        );
    }
    for pair in ends.keys() {
        let known = ledger.owed.contains(pair) || ledger.unacked.contains(pair);
        prop_assert!(known, "nobody brought {:?}", pair);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 8, ..ProptestConfig::default() })]

    #[test]
    fn each_recipient_of_each_accepted_mail_ends_once(events in prop::collection::vec(event(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(events))?;
    }
}
