//! How one mail server is, as far as those know who spoke with it: clients' mail (passive), and probes (active).
//!
//! Pure: time and chance are passed in. **Invariants:** who is down comes up by the first answer, a probe's or a client's,
//! and by nothing else; a probe is never further away than it was because more clients failed. What a server said to
//! somebody whom it knows by name (XCLIENT, PROXY) is no word on its health: it brings the next probe forward, no more.

use std::time::Duration;

use gatepost_core::Time;
use gatepost_core::smtp::relay::{Loss, What, Whose};

/// How long after a probe that failed the next one is due; and how soon after one another may be due at all.
pub const RETRY: Duration = Duration::from_secs(10);
/// The first pause after a client's mail failed; each that follows, with no mail served between them, is twice as long.
const FIRST: Duration = Duration::from_secs(5);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(60);
/// The pause after our login was refused: a server that is asked more often may lock the account.
const LOCKED_OUT: Duration = Duration::from_secs(300);
/// A failure that took longer is one that a client must not be made to wait for again.
pub const QUICK: Duration = Duration::from_secs(1);

/// What is wrong with a server that is down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// It says no at once, or nobody listens there: to ask it again costs nothing.
    Quick,
    /// Whoever asks it waits.
    Slow,
    /// It does not take our login.
    Login,
    /// It is ourselves.
    Loop,
}

impl Trouble {
    /// What a loss says of the server.
    pub fn of(loss: &Loss, took: Duration) -> Trouble {
        match loss.what {
            What::Loop => Trouble::Loop,
            _ if took >= QUICK => Trouble::Slow,
            _ => Trouble::Quick,
        }
    }
}

/// Whether a server is asked to take mail.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Takes {
    /// Yes.
    Yes,
    /// It is down, but to ask it costs nothing: where nobody else is there it is asked.
    IfNobodyElse,
    /// Whoever asks waits in vain.
    No,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum State {
    Unknown,
    Up,
    Down(Trouble, Loss),
}

/// How a server is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Health {
    state: State,
    /// Since when it is so.
    since: Time,
    /// When a probe is due.
    due: Time,
    /// When the last one was answered, or was not.
    asked: Option<Time>,
    /// How often it went down by clients' mail since it last served one.
    strikes: u32,
}

impl Health {
    /// Of a server that nobody asked yet.
    pub fn new(now: Time) -> Health {
        Health {
            state: State::Unknown,
            since: now,
            due: now,
            asked: None,
            strikes: 0,
        }
    }

    /// A probe was answered; the answer is `valid` for so long. Whether it was not up before.
    pub fn answered(&mut self, now: Time, valid: Duration, chance: u64) -> bool {
        let news = self.comes_up(now);
        self.asked = Some(now);
        self.due = now + about(valid.max(RETRY), chance);
        news
    }

    /// A probe failed. Whether it was not down before.
    pub fn unanswered(&mut self, now: Time, trouble: Trouble, loss: Loss, chance: u64) -> bool {
        let news = self.goes_down(now, trouble, loss);
        self.asked = Some(now);
        self.due = now + about(RETRY, chance);
        news
    }

    /// It served a client's mail, or said no to it in order. Whether it was not up before.
    pub fn served(&mut self, now: Time) -> bool {
        self.strikes = 0;
        self.comes_up(now)
    }

    fn comes_up(&mut self, now: Time) -> bool {
        let news = !self.is_up();
        if news {
            self.since = now;
        }
        self.state = State::Up;
        news
    }

    fn goes_down(&mut self, now: Time, trouble: Trouble, loss: Loss) -> bool {
        let news = !self.is_down();
        if news {
            self.since = now;
        }
        self.state = State::Down(trouble, loss);
        news
    }

    /// It failed a client's mail. Whether it was not down before.
    pub fn failed(&mut self, now: Time, trouble: Trouble, loss: Loss, chance: u64) -> bool {
        let news = self.goes_down(now, trouble, loss);
        let pause = match trouble {
            Trouble::Login => LOCKED_OUT,
            _ => FIRST.saturating_mul(1 << self.strikes.min(10)).min(LONGEST),
        };
        if news {
            self.strikes = self.strikes.saturating_add(1);
            self.due = now + about(pause, chance);
        } else if trouble == Trouble::Login {
            self.due = self.due.max(now + pause);
        }
        news
    }

    /// It failed a client of whom it was told who that is: somebody should ask it without one.
    pub fn doubted(&mut self, now: Time) {
        if !self.is_down() {
            let soon = self.asked.map_or(now, |asked| now.max(asked + RETRY));
            self.due = self.due.min(soon);
        }
    }

    /// The same, to be asked now.
    pub fn rechecked(&self, now: Time) -> Health {
        Health {
            due: now,
            ..self.clone()
        }
    }

    /// Whether it is asked to take mail.
    pub fn takes(&self) -> Takes {
        match self.state {
            State::Unknown | State::Up => Takes::Yes,
            State::Down(Trouble::Quick, _) => Takes::IfNobodyElse,
            State::Down(..) => Takes::No,
        }
    }

    /// Whether it answered the last time.
    pub fn is_up(&self) -> bool {
        self.state == State::Up
    }

    fn is_down(&self) -> bool {
        matches!(self.state, State::Down(..))
    }

    /// For how long it has been as it is.
    pub fn lasts(&self, now: Time) -> Duration {
        now.since(self.since)
    }

    /// Whether it was asked at all.
    pub fn is_known(&self) -> bool {
        self.state != State::Unknown
    }

    /// What is wrong with it, where it is down.
    pub fn wrong(&self) -> Option<(Trouble, &Loss)> {
        match &self.state {
            State::Down(trouble, loss) => Some((*trouble, loss)),
            State::Unknown | State::Up => None,
        }
    }

    /// How it was lost, where it is down.
    pub fn loss(&self) -> Option<&Loss> {
        self.wrong().map(|(_, loss)| loss)
    }

    /// Whether a probe is due.
    pub fn is_due(&self, now: Time) -> bool {
        self.due <= now
    }

    /// Whether the last probe is longer ago than that, or failed, or there was none.
    pub fn is_stale(&self, now: Time, age: Duration) -> bool {
        !self.is_up() || self.asked.is_none_or(|asked| now.since(asked) >= age)
    }

    /// Whether its failures take time, so that probes of it must not keep those of others waiting.
    pub fn is_slow(&self) -> bool {
        matches!(self.state, State::Down(Trouble::Slow, _))
    }
}

/// That long, give or take a tenth: those who went down together do not come to be asked together for ever.
fn about(time: Duration, chance: u64) -> Duration {
    let share = 90 + u32::try_from(chance % 21).unwrap_or_default();
    time.saturating_mul(share) / 100
}

/// What a client hears where nobody is asked: of several losses one that is a server's fault, for mail may wait for that.
pub fn graver(one: Option<Loss>, other: Option<Loss>) -> Option<Loss> {
    match (one, other) {
        (Some(one), Some(other)) if one.whose != Whose::Upstream => Some(other),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(secs: u64) -> Time {
        Time::from_secs(secs)
    }

    fn gone() -> Loss {
        Loss::new(Whose::Upstream, What::Gone)
    }

    const VALID: Duration = Duration::from_secs(600);
    /// Exactly that long.
    const EVEN: u64 = 10;

    #[test]
    fn a_server_that_nobody_asked_takes_mail_and_is_not_called_up() {
        let health = Health::new(at(5));
        assert_eq!((health.takes(), health.is_up()), (Takes::Yes, false));
        assert!(health.is_due(at(5)));
    }

    #[test]
    fn one_answer_brings_it_up_at_once() {
        let mut health = Health::new(at(0));
        assert!(health.failed(at(0), Trouble::Slow, gone(), EVEN));
        assert_eq!(health.takes(), Takes::No);
        assert!(health.answered(at(1), VALID, EVEN));
        assert_eq!((health.takes(), health.is_up()), (Takes::Yes, true));
        assert!(!health.is_due(at(600)) && health.is_due(at(601)));
    }

    #[test]
    fn the_pause_grows_while_probes_are_answered_and_mail_is_not_served() {
        let mut health = Health::new(at(0));
        let mut now = at(0);
        for pause in [5, 10, 20, 40, 60, 60] {
            assert!(health.failed(now, Trouble::Quick, gone(), EVEN));
            let due = now + Duration::from_secs(pause);
            assert!(
                !health.is_due(Time::from_millis(due.millis() - 1)) && health.is_due(due),
                "{pause}"
            );
            now = due;
            health.answered(now, VALID, EVEN);
        }
        health.served(now);
        health.failed(now, Trouble::Quick, gone(), EVEN);
        assert!(health.is_due(now + FIRST));
    }

    #[test]
    fn a_refused_login_is_not_tried_again_for_five_minutes() {
        let mut health = Health::new(at(0));
        health.failed(at(0), Trouble::Login, gone(), EVEN);
        assert_eq!(health.takes(), Takes::No);
        assert!(!health.is_due(at(299)) && health.is_due(at(300)));
    }

    #[test]
    fn a_server_that_fails_known_clients_is_asked_soon_and_stays_up() {
        let mut health = Health::new(at(0));
        health.answered(at(0), VALID, EVEN);
        health.doubted(at(3));
        assert!(health.is_up() && !health.is_due(at(9)) && health.is_due(at(10)));
        health.answered(at(10), VALID, EVEN);
        health.doubted(at(100));
        assert!(health.is_due(at(100)));
    }

    #[test]
    fn what_takes_long_is_slow_and_what_is_ourselves_a_loop() {
        let of = |what, millis| Trouble::of(&Loss::new(Whose::Upstream, what), Duration::from_millis(millis));
        assert_eq!(of(What::Unreachable, 20), Trouble::Quick);
        assert_eq!(of(What::Unreachable, 10_000), Trouble::Slow);
        assert_eq!(of(What::Silent, 1_000), Trouble::Slow);
        assert_eq!(of(What::Loop, 5_000), Trouble::Loop);
    }

    #[test]
    fn a_servers_fault_is_told_rather_than_ours() {
        let ours = Loss::new(Whose::Us, What::Loop);
        for (one, other) in [(Some(ours.clone()), Some(gone())), (Some(gone()), Some(ours.clone()))] {
            assert_eq!(graver(one, other), Some(gone()));
        }
        assert_eq!(graver(None, Some(ours.clone())), Some(ours));
    }

    #[derive(Clone, Debug)]
    enum Event {
        Answered,
        Unanswered(bool),
        Served,
        Failed(bool),
        Doubted,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(Event::Answered),
            any::<bool>().prop_map(Event::Unanswered),
            Just(Event::Served),
            any::<bool>().prop_map(Event::Failed),
            Just(Event::Doubted),
        ]
    }

    proptest! {
        #[test]
        fn the_last_word_decides_and_a_probe_is_never_far(
            events in prop::collection::vec((0_u64..30, event(), any::<u64>()), 1..60)
        ) {
            let mut health = Health::new(at(0));
            let mut now = at(0);
            for (wait, event, chance) in events {
                now = now + Duration::from_secs(wait);
                let before = health.clone();
                let trouble = |slow| if slow { Trouble::Slow } else { Trouble::Quick };
                let news = match event {
                    Event::Answered => health.answered(now, VALID, chance),
                    Event::Unanswered(slow) => health.unanswered(now, trouble(slow), gone(), chance),
                    Event::Served => health.served(now),
                    Event::Failed(slow) => {
                        let news = health.failed(now, trouble(slow), gone(), chance);
                        // However many clients fail, the probe comes when it was due.
                        prop_assert!(news || health.due == before.due);
                        news
                    }
                    Event::Doubted => {
                        health.doubted(now);
                        prop_assert!(health.due <= before.due);
                        false
                    }
                };
                let same = std::mem::discriminant(&before.state) == std::mem::discriminant(&health.state);
                prop_assert_eq!(health.since, if same { before.since } else { now });
                match event {
                    Event::Answered | Event::Served => prop_assert!(health.is_up()),
                    Event::Unanswered(slow) | Event::Failed(slow) => {
                        let takes = if slow { Takes::No } else { Takes::IfNobodyElse };
                        prop_assert_eq!(health.takes(), takes);
                    }
                    Event::Doubted => prop_assert_eq!(&health.state, &before.state),
                }
                prop_assert_eq!(news, !matches!(event, Event::Doubted)
                    && !same);
                // Up: a tenth over what its answer is valid for. Down: about a minute.
                let far = if health.is_down() { LONGEST } else { VALID };
                prop_assert!(health.due <= now + far + far / 10 || health.due == before.due);
            }
        }
    }
}
