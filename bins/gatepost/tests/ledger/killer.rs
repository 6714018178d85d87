//! The killer: it kills the proxy or the mail server at random moments, and starts them again.
//!
//! Left to chance alone a kill seldom falls into the short phases. So it waits, most times, until some session stands
//! in a certain phase, where whoever is there stays until the kill; when that comes is left to chance again, and the other
//! sessions stand wherever they do.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use crate::chance::Chance;
use crate::phase::{Phase, Victim};
use crate::stage::Stage;

/// How often it kills.
#[derive(Clone, Copy, Debug)]
pub struct Orders {
    /// How often each victim is killed in each phase.
    pub steered: usize,
    /// How often anybody is killed anywhere.
    pub anywhere: usize,
    /// How many mails there are in all.
    pub mails: usize,
}

/// At most so many more mails may be begun than are due, so that the clients do not wait for the killer, and at most a
/// twentieth of all: there must be some left for the last kill.
const AHEAD: usize = 60;

/// Kills as ordered, spread over the mails.
pub fn kill(stage: &Arc<Stage>, orders: Orders) {
    let mut chance = Chance::new(stage.seed, 1 << 40);
    let mut due: Vec<(Victim, Option<Phase>)> = Vec::new();
    for victim in [Victim::Gatepost, Victim::Upstream] {
        for phase in Phase::ALL {
            // Whoever is killed there must be quicker than the proxy's answer, and sometimes is not.
            let tries = if phase == Phase::Granted { 3 } else { 1 };
            due.extend([(victim, Some(phase))].repeat(orders.steered * tries));
        }
        due.extend([(victim, None)].repeat(orders.anywhere / 2));
    }
    chance.shuffle(&mut due);
    let ahead = AHEAD.min(orders.mails / 20);
    let share = |n: usize| n * orders.mails * 9 / 10 / due.len();
    for (n, (victim, phase)) in due.iter().enumerate() {
        stage.allowed.store(share(n + 1) + ahead, Ordering::SeqCst);
        let patience = Instant::now() + Duration::from_secs(3);
        while stage.finished.load(Ordering::SeqCst) < share(n) && Instant::now() < patience {
            thread::sleep(Duration::from_millis(1));
        }
        if stage.is_over() {
            break;
        }
        chance.pause(60);
        match phase {
            Some(phase) => stage.kill_in(*victim, *phase, &mut chance),
            None => stage.kill(*victim),
        }
        let other = match victim {
            Victim::Gatepost => Victim::Upstream,
            Victim::Upstream => Victim::Gatepost,
        };
        let both = chance.one_in(8);
        if both {
            chance.pause(50);
            stage.kill(other);
        }
        chance.pause(100);
        let mut dead = if both { vec![*victim, other] } else { vec![*victim] };
        chance.shuffle(&mut dead);
        for victim in dead {
            stage.revive(victim);
        }
    }
    stage.allowed.store(usize::MAX, Ordering::SeqCst);
}
