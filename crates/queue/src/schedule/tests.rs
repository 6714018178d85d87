use proptest::prelude::*;

use super::*;
use crate::spool::Ids;

const MINUTE: Duration = Duration::from_mins(1);
const START: Time = Time::from_secs(1_767_614_400);

fn at(minutes: u64) -> Time {
    START + MINUTE * u32::try_from(minutes).expect("few")
}

/// An id that tells when its mail came.
fn id_at(time: Time, n: u64) -> Id {
    (0..n).fold(Ids::above(Id::FIRST).next(time), |id, _| id.next())
}

fn id(n: u64) -> Id {
    id_at(START, n)
}

fn item() -> Item {
    Item {
        at: START,
        size: 1,
        marks: Marks::default(),
        until: at(5 * 24 * 60),
    }
}

fn schedule() -> Schedule {
    Schedule::new(Pace::default())
}

fn up(_: &str) -> bool {
    true
}

fn down(_: &str) -> bool {
    false
}

fn away(down: bool) -> Outcome {
    Outcome::Away {
        route: "r".into(),
        down,
        busy: false,
        within: false,
        said: "away".into(),
    }
}

fn later() -> Outcome {
    Outcome::Deferred {
        route: Some("r".into()),
        awaits: None,
        said: "450 later".into(),
    }
}

const TAKEN: Outcome = Outcome::Gone { taken: true };

#[test]
fn mails_of_a_domain_go_one_by_one_in_their_order_and_domains_take_turns() {
    let mut schedule = schedule();
    for n in [3, 1, 2] {
        schedule.add("a", id(n), item());
        schedule.add("b", id(10 + n), item());
    }
    let mut order = Vec::new();
    while let (Some(one), Some(other)) = (schedule.next(START, &up), schedule.next(START, &up)) {
        assert_eq!(schedule.next(START, &up), None, "each lane has one under way");
        for turn in [one, other] {
            schedule.finish(&turn, TAKEN, START);
            order.push(turn.id);
        }
    }
    let of = |lane: u64| {
        order
            .iter()
            .copied()
            .filter(|other| (*other > id(9)) == (lane > 9))
            .collect::<Vec<_>>()
    };
    assert_eq!(of(0), [id(1), id(2), id(3)]);
    assert_eq!(of(10), [id(11), id(12), id(13)]);
    assert_eq!(schedule.len_of(None), 0);
}

#[test]
fn a_domain_to_which_mail_comes_and_comes_keeps_its_turn() {
    let mut schedule = schedule();
    schedule.add("a", id(1), item());
    schedule.add("b", id(11), item());
    schedule.add("a", id(2), item());
    let turns: Vec<_> = std::iter::from_fn(|| schedule.next(START, &up))
        .map(|turn| turn.id)
        .collect();
    assert_eq!(turns, [id(1), id(11)]);
}

#[test]
fn a_server_that_is_away_is_tried_after_1_5_15_and_then_every_30_minutes() {
    let mut schedule = schedule();
    schedule.add("a", id(1), item());
    schedule.add("a", id(2), item());
    let mut tried = Vec::new();
    for minute in 0..120 {
        while let Some(turn) = schedule.next(at(minute), &up) {
            assert_eq!(turn.id, id(1), "the first waits, and the second behind it");
            tried.push(minute);
            schedule.finish(&turn, away(false), at(minute));
        }
    }
    assert_eq!(tried, [0, 1, 6, 21, 51, 81, 111]);
    assert_eq!(schedule.seen("a", id(2)).expect("it").next, Some(at(141)));
}

#[test]
fn a_server_that_is_known_to_be_down_is_not_tried_and_is_tried_the_moment_it_is_back() {
    let mut schedule = schedule();
    schedule.add("a", id(1), item());
    let turn = schedule.next(START, &down).expect("nobody knows the lane's route yet");
    schedule.finish(&turn, away(true), START);
    for minute in 0..90 {
        schedule.look(at(minute), &down);
        assert_eq!(schedule.next(at(minute), &down), None, "minute {minute}");
    }
    schedule.look(at(90), &up);
    assert!(schedule.next(at(90), &up).is_some());
}

#[test]
fn a_server_that_seems_up_but_takes_nothing_is_not_tried_without_end() {
    let mut schedule = schedule();
    schedule.add("a", id(1), item());
    let turn = schedule.next(START, &up).expect("a turn");
    schedule.finish(&turn, away(false), START);
    for second in 0..59 {
        let now = START + Duration::from_secs(second);
        schedule.look(now, &up);
        assert_eq!(schedule.next(now, &up), None);
    }
}

#[test]
fn a_server_without_a_connection_to_spare_is_tried_again_in_seconds_and_has_not_failed() {
    let mut schedule = schedule();
    schedule.add("a", id(1), item());
    let turn = schedule.next(START, &up).expect("a turn");
    let busy = Outcome::Away {
        route: "r".into(),
        down: false,
        busy: true,
        within: false,
        said: "busy".into(),
    };
    schedule.finish(&turn, busy, START);
    assert_eq!(schedule.next(START, &up), None);
    let turn = schedule.next(START + BUSY, &up).expect("a turn");
    schedule.finish(&turn, away(false), START + BUSY);
    assert!(
        schedule.next(START + BUSY + MINUTE, &up).is_some(),
        "that was the first failure"
    );
}

#[test]
fn one_mail_sees_whether_a_server_is_back_however_many_may_go_at_once() {
    let mut schedule = Schedule::new(Pace {
        at_once: 5,
        ..Pace::default()
    });
    (1..10).for_each(|n| schedule.add("a", id(n), item()));
    let turns: Vec<Turn> = std::iter::from_fn(|| schedule.next(START, &up)).collect();
    assert_eq!(turns.len(), 5);
    turns.iter().for_each(|turn| schedule.finish(turn, away(false), START));
    let probe = schedule
        .next(at(1), &up)
        .expect("five failures at once are one: a minute later it is tried");
    assert_eq!(schedule.next(at(1), &up), None);
    schedule.finish(&probe, TAKEN, at(1));
    assert_eq!(std::iter::from_fn(|| schedule.next(at(1), &up)).count(), 5);
}

#[test]
fn a_mail_that_its_server_defers_steps_aside_and_comes_again_in_its_own_time() {
    let mut schedule = schedule();
    (1..4).for_each(|n| schedule.add("a", id(n), item()));
    let mut next = |now, outcome: Outcome| {
        let turn = schedule.next(now, &up)?;
        schedule.finish(&turn, outcome, now);
        Some(turn.id)
    };
    assert_eq!(next(START, later()), Some(id(1)));
    assert_eq!(next(START, TAKEN), Some(id(2)));
    assert_eq!(next(at(1), later()), Some(id(1)), "it is the older one");
    assert_eq!(next(at(1), TAKEN), Some(id(3)));
    assert_eq!(next(at(5), TAKEN), None);
    assert_eq!(next(at(6), TAKEN), Some(id(1)));
}

#[test]
fn a_server_that_defers_everything_is_left_alone_for_a_while() {
    let mut schedule = schedule();
    (1..100).for_each(|n| schedule.add("a", id(n), item()));
    let mut tried = 0;
    while let Some(turn) = schedule.next(START, &up) {
        schedule.finish(&turn, later(), START);
        tried += 1;
    }
    assert_eq!(tried, IN_A_ROW);
}

#[test]
fn a_mail_for_another_server_than_its_lanes_waits_for_that_one_alone() {
    let mut schedule = schedule();
    schedule.add("a", id(1), item());
    schedule.add("a", id(2), item());
    let turn = schedule.next(START, &up).expect("a turn");
    let outcome = Outcome::Deferred {
        route: None,
        awaits: Some("other".into()),
        said: "away".into(),
    };
    schedule.finish(&turn, outcome, START);
    let second = schedule.next(START, &up).expect("the lane goes on");
    schedule.finish(&second, TAKEN, START);
    let now = START + Duration::from_secs(10);
    schedule.look(now, &|route| route != "other");
    assert_eq!(schedule.next(now, &up), None);
    schedule.look(now, &up);
    assert_eq!(schedule.next(now, &up).map(|turn| turn.id), Some(id(1)));
}

#[test]
fn a_person_has_mail_tried_at_once_whether_its_server_seems_there_or_not() {
    let mut schedule = schedule();
    schedule.add("a", id(1), item());
    let turn = schedule.next(START, &down).expect("a turn");
    assert_eq!(turn.due, Due::Deliver { forced: false });
    schedule.finish(&turn, away(true), START);
    schedule.flush(None, START);
    let turn = schedule.next(START, &down).expect("a turn");
    assert_eq!(turn.due, Due::Deliver { forced: true });
    assert!(!schedule.flush_one("a", id(1), START), "it is under way");
    schedule.finish(&turn, away(true), START);
    assert_eq!(schedule.next(START, &down), None, "a wish counts once");
}

#[test]
fn a_try_that_somebody_wants_makes_nobody_wait_longer() {
    let second = |n: u64| START + Duration::from_secs(n);
    let mut schedule = schedule();
    (1..4).for_each(|n| schedule.add("a", id(n), item()));
    let turn = schedule.next(START, &up).expect("a turn");
    schedule.finish(&turn, away(true), START);
    for n in 1..10 {
        // By hand, and since the server seems to be back.
        schedule.flush(Some("a"), second(n));
        let turn = schedule.next(second(n), &down).expect("a try");
        schedule.finish(&turn, away(true), second(n));
        schedule.look(second(n), &up);
        let turn = schedule.next(second(n), &up).expect("a try");
        schedule.finish(&turn, away(true), second(n));
        let next = |n| schedule.seen("a", id(n)).expect("it").next;
        assert_eq!([next(1), next(2), next(3)], [Some(at(1)); 3]);
    }
    let turn = schedule.next(at(1), &up).expect("its time");
    schedule.finish(&turn, away(false), at(1));
    assert_eq!(schedule.seen("a", id(1)).expect("it").next, Some(at(6)));
}

#[test]
fn a_mail_that_its_server_defers_again_and_again_on_demand_comes_soon() {
    let mut schedule = schedule();
    schedule.add("a", id(1), item());
    for n in 0..50 {
        let now = START + Duration::from_secs(n);
        schedule.flush(Some("a"), now);
        let turn = schedule.next(now, &up).expect("a try");
        schedule.finish(&turn, later(), now);
        let seen = schedule.seen("a", id(1)).expect("it");
        assert_eq!((seen.next, u64::from(seen.tries)), (Some(now + MINUTE), n + 1));
    }
}

#[test]
fn a_person_holds_a_mail_and_lets_it_go() {
    let mut schedule = schedule();
    let mut held = item();
    held.marks.held = true;
    schedule.add("a", id(1), held);
    schedule.add("a", id(2), item());
    let turn = schedule.next(START, &up).expect("the other one goes on");
    assert_eq!(turn.id, id(2));
    assert!(schedule.take("a", id(2)).is_none(), "it is under way");
    schedule.finish(&turn, TAKEN, START);
    assert_eq!(schedule.next(at(6 * 24 * 60), &up), None, "nor is it given up");
    assert_eq!(schedule.seen("a", id(1)).expect("it").next, None);
    let (turn, item) = schedule.take("a", id(1)).expect("it is free");
    schedule.set(
        &turn,
        Item {
            marks: Marks::default(),
            ..item
        },
    );
    schedule.finish(&turn, Outcome::Stays { warned: false }, START);
    assert_eq!(schedule.next(START, &up).map(|turn| turn.id), Some(id(1)));
}

#[test]
fn a_sender_is_warned_once_and_a_mail_given_up_when_its_time_is_over_though_its_server_is_away() {
    let mut schedule = Schedule::new(Pace {
        warn_after: Some(MINUTE * 240),
        ..Pace::default()
    });
    schedule.add("a", id(1), item());
    let turn = schedule.next(START, &down).expect("a turn");
    schedule.finish(&turn, away(true), START);
    let mut seen = Vec::new();
    for minute in 0..6 * 24 * 60 {
        while let Some(turn) = schedule.next(at(minute), &down) {
            seen.push((minute, turn.due));
            let outcome = match turn.due {
                Due::Warn => Outcome::Stays { warned: true },
                _ => Outcome::Gone { taken: false },
            };
            schedule.finish(&turn, outcome, at(minute));
        }
    }
    assert_eq!(seen, [(240, Due::Warn), (5 * 24 * 60, Due::Expire)]);
}

#[test]
fn whoever_has_a_time_of_its_own_is_given_up_then_and_the_others_in_the_order_they_came() {
    let mut schedule = schedule();
    let ids: Vec<Id> = (0..5).map(|n| id_at(at(n), 0)).collect();
    for (n, id) in ids.iter().enumerate() {
        let mut came = Item {
            at: id.time(),
            until: id.time() + MINUTE * 10,
            ..item()
        };
        if n == 3 {
            (came.marks.until, came.until) = (Some(at(5)), at(5));
        }
        schedule.add("a", *id, came);
    }
    // The first is tried, and comes back behind what was looked through.
    let turn = schedule.next(START, &up).expect("a turn");
    schedule.finish(&turn, away(false), START);
    let mut over = Vec::new();
    for minute in 0..20 {
        while let Some(turn) = schedule.next(at(minute), &down) {
            if turn.due == Due::Expire {
                over.push((minute, turn.id));
            }
            let outcome = match turn.due {
                Due::Expire => Outcome::Gone { taken: false },
                _ => away(true),
            };
            schedule.finish(&turn, outcome, at(minute));
        }
    }
    let wanted = [(5, 3), (10, 0), (11, 1), (12, 2), (14, 4)];
    assert_eq!(over, wanted.map(|(minute, n)| (minute, ids[n])));
    assert_eq!(schedule.len_of(None), 0);
}

#[test]
fn what_cannot_be_given_up_is_tried_again_and_not_without_a_pause() {
    let mut schedule = schedule();
    schedule.add("a", id(1), item());
    let over = at(5 * 24 * 60);
    let turn = schedule.next(over, &up).expect("a turn");
    assert_eq!(turn.due, Due::Expire);
    schedule.finish(
        &turn,
        Outcome::Deferred {
            route: None,
            awaits: None,
            said: "no archive".into(),
        },
        over,
    );
    assert_eq!(schedule.next(over, &up), None);
    let turn = schedule.next(over + MINUTE, &up).expect("a turn");
    assert_eq!(turn.due, Due::Expire);
}

#[test]
fn a_clock_that_goes_back_has_nobody_wait_longer_than_anybody_may() {
    let mut schedule = schedule();
    schedule.add("a", id(1), item());
    schedule.add("b", id(2), item());
    let first = schedule.next(at(10_000), &up).expect("a turn");
    let second = schedule.next(at(10_000), &up).expect("a turn");
    schedule.finish(&first, away(false), at(10_000));
    schedule.finish(&second, later(), at(10_000));
    schedule.look(at(0), &up);
    assert_eq!(schedule.next(at(29), &up), None);
    assert!(schedule.next(at(30), &up).is_some() && schedule.next(at(30), &up).is_some());
}

#[test]
fn new_terms_of_a_domain_hold_for_what_waits_unless_a_person_gave_it_a_time_of_its_own() {
    let mut schedule = schedule();
    schedule.add("a", id(1), item());
    let mut own = item();
    (own.marks.until, own.until) = (Some(at(9_000)), at(9_000));
    schedule.add("a", id(2), own);
    schedule.set_hold(&|_| MINUTE * 10);
    let until = |schedule: &Schedule, n| schedule.seen("a", id(n)).expect("it").item.until;
    assert_eq!((until(&schedule, 1), until(&schedule, 2)), (at(10), at(9_000)));
    assert_eq!(
        schedule.next(at(10), &up).map(|turn| (turn.id, turn.due)),
        Some((id(1), Due::Expire))
    );
}

#[test]
fn pages_follow_one_another_in_the_order_of_arrival_over_all_domains() {
    let mut schedule = schedule();
    (0..100).for_each(|n| schedule.add(["a", "b", "c"][n % 3], id(n as u64), item()));
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = schedule.page(None, after.map(|id| (id, "~")), 7);
        let Some((_, last)) = page.last() else { break };
        after = Some(*last);
        all.extend(page.into_iter().map(|(_, id)| id));
    }
    assert_eq!(all, (0..100).map(id).collect::<Vec<_>>());
    assert_eq!(
        schedule.page(Some("b"), None, 2),
        [("b".into(), id(1)), ("b".into(), id(4))]
    );
}

/// What may happen to a schedule.
#[derive(Clone, Debug)]
enum Happens {
    Comes(u8),
    Next,
    Ends(u8, u8),
    Passes(u16),
    Flush,
    Hold(u8, bool),
    Look(bool),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => (0..4u8).prop_map(Happens::Comes),
        6 => Just(Happens::Next),
        6 => (any::<u8>(), 0..6u8).prop_map(|(which, how)| Happens::Ends(which, how)),
        3 => (0..3_000u16).prop_map(Happens::Passes),
        1 => Just(Happens::Flush),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(which, held)| Happens::Hold(which, held)),
        2 => any::<bool>().prop_map(Happens::Look),
    ]
}

proptest! {
    /// Whatever happens: a lane has no more under way than it may, nobody gets the same mail twice at once, and in the end,
    /// when servers take everything, each mail that nobody holds goes.
    #[test]
    fn each_mail_ends_once_and_no_lane_stands_still(at_once in 1..3usize, events in prop::collection::vec(happens(), 1..200)) {
        let mut schedule = Schedule::new(Pace { at_once, warn_after: Some(MINUTE * 240), ..Pace::default() });
        let (mut now, mut count, mut is_up) = (START, 0u64, true);
        let mut under_way: Vec<Turn> = Vec::new();
        let mut here = BTreeSet::new();
        let outcome = |how: u8, turn: &Turn| match (turn.due, how) {
            (Due::Expire, _) => Outcome::Gone { taken: false },
            (Due::Warn, _) => Outcome::Stays { warned: true },
            (_, 0) => away(false),
            (_, 1) => away(true),
            (_, 2) => later(),
            _ => TAKEN,
        };
        for event in events {
            let up = |_: &str| is_up;
            match event {
                Happens::Comes(lane) => {
                    count += 1;
                    let lane = format!("l{lane}");
                    let item = Item { at: now, until: now + MINUTE * 7_200, ..item() };
                    // Of some the id tells another time than they came at.
                    let id = id_at(if count % 3 == 0 { START } else { now }, count);
                    schedule.add(&lane, id, item);
                    here.insert(id);
                }
                Happens::Next => {
                    if let Some(turn) = schedule.next(now, &up) {
                        prop_assert!(under_way.iter().all(|other| other.id != turn.id));
                        prop_assert!(under_way.iter().filter(|other| other.lane == turn.lane).count() < at_once);
                        under_way.push(turn);
                    }
                }
                Happens::Ends(which, how) => {
                    if !under_way.is_empty() {
                        let turn = under_way.swap_remove(usize::from(which) % under_way.len());
                        let outcome = outcome(how, &turn);
                        if matches!(outcome, Outcome::Gone { .. }) {
                            here.remove(&turn.id);
                        }
                        schedule.finish(&turn, outcome, now);
                    }
                }
                Happens::Passes(seconds) => now = now + Duration::from_secs(seconds.into()),
                Happens::Flush => _ = schedule.flush(None, now),
                Happens::Hold(which, held) => {
                    let page = schedule.page(None, None, 1_000);
                    if let Some((lane, id)) = page.get(usize::from(which) % page.len().max(1))
                        && let Some((turn, mut item)) = schedule.take(lane, *id)
                    {
                        item.marks.held = held;
                        schedule.set(&turn, item);
                        schedule.finish(&turn, Outcome::Stays { warned: false }, now);
                    }
                }
                Happens::Look(to) => {
                    is_up = to;
                    schedule.look(now, &|_: &str| to);
                }
            }
            prop_assert_eq!(schedule.len_of(None), here.len());
        }
        for turn in under_way.drain(..) {
            schedule.finish(&turn, outcome(0, &turn), now);
        }
        let held: Vec<Id> = here.iter().copied().filter(|id| {
            let lane = schedule.find(*id).expect("it is there").0;
            schedule.seen(&lane, *id).expect("it").item.marks.held
        }).collect();
        for _ in 0..200 {
            now = now + MINUTE;
            schedule.look(now, &|_: &str| true);
            while let Some(turn) = schedule.next(now, &|_: &str| true) {
                let outcome = outcome(9, &turn);
                schedule.finish(&turn, outcome, now);
            }
        }
        let left: Vec<Id> = schedule.page(None, None, 1_000).into_iter().map(|(_, id)| id).collect();
        prop_assert_eq!(left, held);
    }
}
