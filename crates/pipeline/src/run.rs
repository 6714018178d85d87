//! One phase over the tiers: tiers in order, the filters of a tier at the same time, in one task.
//!
//! **Invariants:** no filter can panic through, take longer than its patience or than the deadline, or voice a wish that
//! it may not; each failure becomes what the operator wrote (`on_fault`), never a 5xx. A filter is left out only when
//! nothing that it may say could change any recipient's fate ([`Openness`]), or past the soft deadline, which is counted.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use gatepost_core::{
    CallRecord, Concern, Context, Fault, Filter, Helo, Message, Opinion, Path, Phase, Recipient, Wish, Wishes,
};
use tokio::time::Instant;

use crate::judge::Openness;
use crate::said::Said;
use crate::slot::{Audience, Mode, Slot};

/// What filters are asked at a moment.
#[derive(Clone, Copy)]
pub enum Asked<'a> {
    /// [`Filter::connect`].
    Connect,
    /// [`Filter::helo`].
    Helo(&'a Helo),
    /// [`Filter::mail`].
    Mail(&'a Path),
    /// [`Filter::rcpt`].
    Rcpt(&'a Recipient),
    /// [`Filter::message`].
    Message(&'a Arc<Message>),
}

impl Asked<'_> {
    /// The phase that it is asked at.
    pub const fn phase(self) -> Phase {
        match self {
            Asked::Connect => Phase::Connect,
            Asked::Helo(_) => Phase::Helo,
            Asked::Mail(_) => Phase::Mail,
            Asked::Rcpt(_) => Phase::Rcpt,
            Asked::Message(_) => Phase::Message,
        }
    }

    async fn ask(self, filter: &dyn Filter, cx: &Context<'_>) -> Result<Opinion, Fault> {
        match self {
            Asked::Connect => filter.connect(cx).await,
            Asked::Helo(helo) => filter.helo(cx, helo).await,
            Asked::Mail(from) => filter.mail(cx, from).await,
            Asked::Rcpt(to) => filter.rcpt(cx, to).await,
            Asked::Message(message) => filter.message(cx, message).await,
        }
    }
}

/// A moment by a clock that only runs forward: for measuring and for deadlines, never for dates.
#[expect(
    clippy::disallowed_methods,
    reason = "durations of calls are measured, no time of day is taken"
)]
pub fn ticks() -> Instant {
    Instant::now()
}

/// Until when a phase may last.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// From then on no further spam filter is begun.
    pub soft: Instant,
    /// From then on whoever has not answered has failed.
    pub hard: Instant,
}

impl Deadline {
    /// A deadline from now on.
    pub fn after(soft: Duration, hard: Duration) -> Deadline {
        let now = ticks();
        Deadline {
            soft: now + soft,
            hard: now + hard,
        }
    }
}

/// What a run brought besides what was said.
#[derive(Default)]
pub struct Run {
    /// Each call of a filter.
    pub calls: Vec<CallRecord>,
    /// What there is to say in words: wishes dropped, filters left out.
    pub notes: Vec<String>,
    /// How long the client shall wait for its reply.
    pub delay: Duration,
    /// How many filters were left out because the soft deadline had passed.
    pub skipped: u32,
}

/// What is the same for all calls of a run.
pub struct Runner<'a> {
    /// The tiers.
    pub tiers: &'a [Vec<Slot>],
    /// What a filter may look at.
    pub cx: &'a Context<'a>,
    /// What it is asked.
    pub asked: Asked<'a>,
    /// The domains of the recipients concerned, in lower case; empty before RCPT.
    pub domains: &'a [Option<&'a str>],
    /// Until when.
    pub deadline: Option<Deadline>,
    /// Wishes that are not heard, whoever voices them.
    pub deaf: fn(&Wish) -> bool,
}

struct Call {
    said: Option<Said>,
    record: CallRecord,
    notes: Vec<String>,
    delay: Duration,
}

impl Runner<'_> {
    /// Runs the phase and adds what was said to `said`. `open` tells before each tier what could still change the fate of
    /// the recipients concerned, by all that was said so far: one entry for each that is not decided alike.
    pub async fn run(&self, said: &mut Vec<Arc<Said>>, open: impl Fn(&[Arc<Said>]) -> Vec<Openness>) -> Run {
        let mut run = Run::default();
        let phase = self.asked.phase();
        let mut first = true;
        for tier in self
            .tiers
            .iter()
            .filter(|tier| tier.iter().any(|slot| slot.phases.has(phase)))
        {
            // What was said at earlier moments can close a run before it begins, except where nothing was said at all.
            let open = if first && said.is_empty() {
                vec![Openness::Open]
            } else {
                open(said)
            };
            first = false;
            let late = self.deadline.is_some_and(|deadline| ticks() >= deadline.soft);
            let mut calls = Vec::new();
            for slot in tier {
                let instances = slot.instances(phase, self.domains);
                if instances.is_empty() || !open.iter().any(|open| matters(slot, *open)) {
                    continue;
                }
                if late && slot.concern == Concern::Spam {
                    run.skipped += 1;
                    run.notes.push(format!(
                        "{} was not asked at {phase}: the soft deadline had passed",
                        slot.name
                    ));
                    continue;
                }
                calls.extend(
                    instances
                        .into_iter()
                        .map(|(filter, audience)| self.call(slot, filter, audience)),
                );
            }
            for call in join_all(calls).await {
                run.delay = run.delay.max(call.delay);
                run.calls.push(call.record);
                run.notes.extend(call.notes);
                said.extend(call.said.map(Arc::new));
            }
        }
        run
    }

    async fn call(&self, slot: &Slot, filter: &Arc<dyn Filter>, audience: Audience) -> Call {
        let phase = self.asked.phase();
        let began = ticks();
        let left = self
            .deadline
            .map(|deadline| deadline.hard.saturating_duration_since(began));
        let patience = left.map_or(slot.patience, |left| left.min(slot.patience));
        let guarded = AssertUnwindSafe(self.asked.ask(&**filter, self.cx)).catch_unwind();
        let outcome = match tokio::time::timeout(patience, guarded).await {
            Ok(Ok(Ok(opinion))) => Ok(opinion),
            Ok(Ok(Err(fault))) => Err(fault.to_string()),
            Ok(Err(_)) => Err("panic".to_owned()),
            Err(_) if patience < slot.patience => Err("deadline".to_owned()),
            Err(_) => Err("patience".to_owned()),
        };
        let micros = u64::try_from(ticks().saturating_duration_since(began).as_micros()).unwrap_or(u64::MAX);
        let mut notes = Vec::new();
        let (opinion, fault) = match outcome {
            Ok(opinion) => {
                let opinion = within_powers(slot, phase, opinion, &mut notes);
                (self.heard(slot, opinion, &mut notes), None)
            }
            Err(why) => (Opinion::none(), Some(why)),
        };
        if let Some(why) = &fault {
            tracing::warn!(filter = &*slot.name, phase = phase.name(), why, "a filter failed");
        }
        let record = CallRecord::new(&slot.name, phase, micros, fault.clone());
        let delay = delay(slot, self.domains, &opinion);
        let said = (!opinion.is_none() || fault.is_some()).then(|| {
            let mut said = Said::new(slot, phase, audience, opinion, fault.map(Into::into));
            if let Asked::Rcpt(to) = self.asked {
                said.about = Some(to.id);
            }
            said
        });
        Call {
            said,
            record,
            notes,
            delay,
        }
    }
}

impl Runner<'_> {
    /// The opinion without the wishes that are not heard at this moment, and a note of them.
    fn heard(&self, slot: &Slot, opinion: Opinion, notes: &mut Vec<String>) -> Opinion {
        let Some((_, _, wish)) = opinion.wishes().iter().find(|(_, _, wish)| (self.deaf)(wish)) else {
            return opinion;
        };
        let names = wish.kind().names().collect::<Vec<_>>().join(", ");
        let (name, phase) = (&slot.name, self.asked.phase());
        notes.push(format!(
            "{name} wished {names} at {phase}, which does not count behind a trusted relay"
        ));
        without(&opinion, self.deaf)
    }
}

/// An opinion without some of its wishes.
fn without(opinion: &Opinion, dropped: impl Fn(&Wish) -> bool) -> Opinion {
    let kept = opinion.findings().iter().cloned().fold(Opinion::none(), Opinion::with);
    let wishes = opinion.wishes().iter().filter(|(_, _, wish)| !dropped(wish)).cloned();
    wishes.fold(kept, |kept, (scope, standing, wish)| {
        kept.wish_for(scope, standing, wish)
    })
}

/// Runs a tier of filters that only listen, or take: with a bound on time and on panics.
pub async fn guarded<T>(patience: Duration, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    match tokio::time::timeout(patience, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(Fault::Broken("panic".into())),
        Err(_) => Err(Fault::Unavailable("patience")),
    }
}

/// Whether what a filter may say could still change a fate.
fn matters(slot: &Slot, open: Openness) -> bool {
    const TAKES: Wishes = Wishes::DIVERT.and(Wishes::DENY);
    slot.concern == Concern::Danger
        || match open {
            Openness::Open => true,
            Openness::Exempt => slot.may.meets(TAKES.and(Wishes::EDIT)),
            Openness::Refused => slot.may.meets(TAKES.and(Wishes::EXEMPT)),
            Openness::Closed => slot.may.meets(Wishes::EXEMPT.and(Wishes::DIVERT)),
        }
}

/// How long a filter wishes the client to wait; nothing where its wishes do not count.
fn delay(slot: &Slot, domains: &[Option<&str>], opinion: &Opinion) -> Duration {
    let domain = domains.first().copied().flatten();
    if slot.mode_for(domain) != Mode::Enforce {
        return Duration::ZERO;
    }
    let delays = opinion.wishes().iter().filter_map(|(_, _, wish)| match wish {
        Wish::Delay(delay) => Some(*delay),
        _ => None,
    });
    delays.max().unwrap_or(Duration::ZERO)
}

/// The opinion without the wishes that the filter may not voice, and a note of them.
fn within_powers(slot: &Slot, phase: Phase, opinion: Opinion, notes: &mut Vec<String>) -> Opinion {
    if opinion.findings().len() >= Opinion::FINDINGS_MAX || opinion.wishes().len() >= Opinion::WISHES_MAX {
        notes.push(format!(
            "{} said so much at {phase} that some of it may be lost",
            slot.name
        ));
    }
    if slot.mode < Mode::Enforce && !opinion.wishes().is_empty() {
        let names: Vec<&str> = opinion
            .wishes()
            .iter()
            .flat_map(|(_, _, wish)| wish.kind().names())
            .take(10)
            .collect();
        notes.push(format!(
            "{} wished {} at {phase}, which does not count in its mode",
            slot.name,
            names.join(" ")
        ));
    }
    let forbidden = |wish: &Wish| !slot.may.has(wish.kind());
    let Some((_, _, wish)) = opinion.wishes().iter().find(|(_, _, wish)| forbidden(wish)) else {
        return opinion;
    };
    let names = wish.kind().names().collect::<Vec<_>>().join(", ");
    notes.push(format!("{} wished {names} at {phase}, which it may not", slot.name));
    without(&opinion, forbidden)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slot::OnFault;
    use gatepost_core::null::NoIdentify;
    use gatepost_core::{Client, Direction, Memo, Phases, Reply, Score, Tag, Time, Visit, async_trait};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// What a test filter does when it is asked at connect.
    enum Does {
        Says(Opinion),
        Faults,
        Panics,
        Hangs,
        Takes(Duration, Arc<Mutex<Vec<&'static str>>>, &'static str),
        Meets(Arc<AtomicUsize>),
    }

    #[async_trait]
    impl Filter for Does {
        async fn connect(&self, _: &Context<'_>) -> Result<Opinion, Fault> {
            match self {
                Does::Says(opinion) => return Ok(opinion.clone()),
                Does::Faults => return Err(Fault::Unavailable("nobody is there")),
                Does::Panics => panic!("a filter with a bug"),
                Does::Hangs => std::future::pending::<()>().await,
                Does::Takes(time, log, name) => {
                    tokio::time::sleep(*time).await;
                    log.lock().unwrap().push(name);
                }
                Does::Meets(others) => {
                    others.fetch_add(1, Ordering::SeqCst);
                    while others.load(Ordering::SeqCst) < 2 {
                        tokio::task::yield_now().await;
                    }
                }
            }
            Ok(Opinion::none())
        }
    }

    fn slot(name: &str, does: Does) -> Slot {
        Slot {
            name: name.into(),
            mode: Mode::Enforce,
            on_fault: OnFault::Defer,
            patience: Duration::from_secs(2),
            phases: Phases::CONNECT,
            concern: Concern::Spam,
            may: Wishes::REJECT.and(Wishes::DELAY),
            filter: Arc::new(does),
            domains: Arc::default(),
        }
    }

    async fn run_until(tiers: &[Vec<Slot>], deadline: Option<Deadline>, open: Openness) -> (Vec<Arc<Said>>, Run) {
        let client = Client::new("192.0.2.1".parse().expect("an address"), 1);
        let visit = Visit::new(Direction::Inbound, "mx".into(), client);
        let memo = Memo::new(Arc::new(NoIdentify));
        let cx = Context::new(Time::ZERO, &visit, &memo);
        let mut said = Vec::new();
        let runner = Runner {
            tiers,
            cx: &cx,
            asked: Asked::Connect,
            domains: &[],
            deadline,
            deaf: |_| false,
        };
        let run = runner.run(&mut said, |_| vec![open]).await;
        (said, run)
    }

    async fn run(tiers: &[Vec<Slot>]) -> (Vec<Arc<Said>>, Run) {
        run_until(tiers, None, Openness::Open).await
    }

    fn finding() -> Opinion {
        Opinion::points(Tag::new("t.x"), Score::points(1), "")
    }

    #[tokio::test(start_paused = true)]
    async fn faults_panics_and_silence_are_the_filters_own_trouble() {
        let tier = vec![
            slot("faulty", Does::Faults),
            slot("panicking", Does::Panics),
            slot("hanging", Does::Hangs),
            slot("well", Does::Says(finding())),
        ];
        let (said, run) = run(&[tier]).await;
        let faults: Vec<_> = said.iter().map(|said| (&*said.filter, said.fault.as_deref())).collect();
        assert_eq!(
            faults,
            [
                ("faulty", Some("unavailable: nobody is there")),
                ("panicking", Some("panic")),
                ("hanging", Some("patience")),
                ("well", None)
            ]
        );
        assert_eq!(run.calls.len(), 4);
        assert_eq!(
            run.calls[2].micros / 1_000_000,
            2,
            "it was given its patience and no more"
        );
        assert_eq!(said[1].fault_for(None), Some(OnFault::Defer));
    }

    #[tokio::test(start_paused = true)]
    async fn the_filters_of_a_tier_run_at_the_same_time_and_tiers_in_order() {
        let both = Arc::new(AtomicUsize::new(0));
        let tier = vec![slot("a", Does::Meets(Arc::clone(&both))), slot("b", Does::Meets(both))];
        let (said, run) = run(&[tier]).await;
        assert!(
            said.is_empty() && run.calls.iter().all(|call| call.fault.is_none()),
            "neither waited in vain"
        );

        let log = Arc::new(Mutex::new(Vec::new()));
        let takes = |name, secs| slot(name, Does::Takes(Duration::from_secs(secs), Arc::clone(&log), name));
        self::run(&[vec![takes("slow", 1), takes("quick", 0)], vec![takes("later", 0)]]).await;
        assert_eq!(*log.lock().unwrap(), ["quick", "slow", "later"]);
    }

    #[tokio::test(start_paused = true)]
    async fn wishes_beyond_its_powers_are_dropped_and_told() {
        let opinion = finding().wish(Wish::Exempt).wish(Wish::Reject(Reply::plain(550, "no")));
        let (said, run) = run(&[vec![slot("bold", Does::Says(opinion))]]).await;
        let wishes: Vec<_> = said[0]
            .opinion
            .wishes()
            .iter()
            .map(|(_, _, wish)| wish.kind())
            .collect();
        assert_eq!(wishes, [Wishes::REJECT]);
        assert_eq!(said[0].opinion.findings().len(), 1);
        assert_eq!(run.notes, ["bold wished exempt at connect, which it may not"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_could_change_nothing_is_not_asked() {
        let quiet = |name, may, concern| Slot {
            may,
            concern,
            ..slot(name, Does::Says(finding()))
        };
        let tier = vec![
            quiet("points", Wishes::NONE, Concern::Spam),
            quiet("exempts", Wishes::EXEMPT, Concern::Spam),
            quiet("takes", Wishes::DIVERT, Concern::Spam),
            quiet("denies", Wishes::DENY, Concern::Spam),
            quiet("danger", Wishes::NONE, Concern::Danger),
        ];
        let first = || vec![slot("first", Does::Says(finding()))];
        for (open, asked) in [
            (
                Openness::Open,
                vec!["first", "points", "exempts", "takes", "denies", "danger"],
            ),
            (Openness::Refused, vec!["first", "exempts", "takes", "denies", "danger"]),
            (Openness::Exempt, vec!["first", "takes", "denies", "danger"]),
            (Openness::Closed, vec!["first", "exempts", "takes", "danger"]),
        ] {
            let (said, _) = run_until(&[first(), tier.clone()], None, open).await;
            let names: Vec<_> = said.iter().map(|said| &*said.filter).collect();
            assert_eq!(names, asked, "{open:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn past_the_soft_deadline_only_danger_is_asked_and_past_the_hard_one_it_has_failed() {
        let hang = |name| Slot {
            patience: Duration::from_secs(30),
            ..slot(name, Does::Hangs)
        };
        let danger = |name| Slot {
            concern: Concern::Danger,
            ..hang(name)
        };
        let deadline = Deadline::after(Duration::from_secs(20), Duration::from_secs(45));
        let tiers = [
            vec![hang("first")],
            vec![hang("spam")],
            vec![danger("virus")],
            vec![danger("late")],
        ];
        let began = ticks();
        let (said, run) = run_until(&tiers, Some(deadline), Openness::Open).await;
        assert_eq!((ticks() - began).as_secs(), 45);
        let faults: Vec<_> = said
            .iter()
            .map(|said| (&*said.filter, said.fault.as_deref().unwrap_or("")))
            .collect();
        assert_eq!(
            faults,
            [("first", "patience"), ("virus", "deadline"), ("late", "deadline")]
        );
        assert_eq!(run.skipped, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_delay_is_wished_and_a_monitored_one_is_not() {
        let delays = |secs| Opinion::none().wish(Wish::Delay(Duration::from_secs(secs)));
        let monitored = Slot {
            mode: Mode::Monitor,
            ..slot("m", Does::Says(delays(9)))
        };
        let (_, run) = run(&[vec![
            slot("a", Does::Says(delays(1))),
            slot("b", Does::Says(delays(3))),
            monitored,
        ]])
        .await;
        assert_eq!(run.delay, Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn without_filters_for_the_phase_nothing_happens() {
        let other = Slot {
            phases: Phases::MESSAGE,
            ..slot("other", Does::Panics)
        };
        let off = Slot {
            mode: Mode::Off,
            ..slot("off", Does::Panics)
        };
        let (said, run) = run(&[vec![other], vec![off]]).await;
        assert!(said.is_empty() && run.calls.is_empty() && run.notes.is_empty());
    }
}
