//! From counts to log-odds.
//!
//! The probability of a word in a class is what the longest known sequence says, smoothed with what the next shorter one
//! says, down to the word alone and to a word that nobody knows. A word's evidence is the logarithm of the two classes'
//! probabilities, bounded; the evidence of a mail is their sum over its words, divided by a power of their number, as words
//! of one mail depend on each other. **Evidence that few messages stand behind has a bound of its own, for all such words
//! together**, and what a longer sequence adds to a
//! shorter one is such evidence of its own: a single message, perhaps with a wrong label, never outweighs what many said.

use crate::states::ORDERS;

/// What a word that nobody knows has as probability.
pub const UNKNOWN: f32 = 1e-5;
/// How much the shorter sequence counts, in words met, by order.
pub const SHORTER: [f32; ORDERS] = [1_000.0, 4.0, 2.0];
/// How much it says that a word is new behind a known sequence.
pub const NOVELTY: f32 = 0.65;
/// The most evidence of a word.
pub const WORD_MAX: f32 = 5.0;
/// The power of the number of words by which evidence is divided.
const LENGTH: f32 = 0.7;
/// Evidence that so many messages stand behind is bounded as a group.
const GROUPS: usize = 7;
/// The bound of a group, for each message behind it.
const GROUP_MAX: f32 = 1.0;
/// Words of a domain's own at which they count half.
const OWN_HALF: f32 = 40.0;
/// How much the word in all mail counts for a domain, in words met.
const OWN_SHORTER: f32 = 200.0;
/// No score goes beyond.
pub const ODDS_MAX: f32 = 20.0;

/// What a sequence of one order was met with: in ham, in spam.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Met {
    /// The sequence, the word included.
    pub sequence: [f32; 2],
    /// Its state, with any word behind it.
    pub state: [f32; 2],
}

/// The evidence of a word.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Evidence {
    /// Natural log-odds.
    pub value: f32,
    /// Messages that stand behind the longest known sequence.
    pub support: f32,
    /// What each longer sequence adds to what the shorter ones say, and the messages that stand behind it.
    pub parts: [(f32, f32); ORDERS],
    /// How many words before it are part of the longest known sequence.
    pub order: usize,
}

/// The share of a word alone, in both classes smoothed alike: else a word that nobody knows would speak for the class of
/// which less was learned.
fn alone(met: &Met, shorter: f32, below: [f32; 2]) -> [f32; 2] {
    let least = met.state[0].min(met.state[1]);
    let share = shorter / (least + shorter);
    let class = |class: usize| {
        let state = met.state[class].max(met.sequence[class]).max(1.0);
        (1.0 - share) * met.sequence[class] / state + share * below[class]
    };
    [class(0), class(1)]
}

/// The probabilities of a word behind its states, and what its being new there adds as a ratio of spam to ham.
pub fn probabilities(orders: &[Met], mut each: impl FnMut(usize, [f32; 2])) -> ([f32; 2], f32) {
    let mut said = [UNKNOWN; 2];
    let mut novelty = 1.0;
    for (order, met) in orders.iter().enumerate().take(ORDERS) {
        let shorter = SHORTER[order];
        if order == 0 {
            said = alone(met, shorter, said);
        } else if met.sequence == [0.0, 0.0] {
            novelty *= (met.state[0] + shorter) / (met.state[1] + shorter);
        } else {
            let class = |class: usize| {
                let state = met.state[class].max(met.sequence[class]);
                (met.sequence[class] + shorter * said[class]) / (state + shorter)
            };
            said = [class(0), class(1)];
        }
        each(order, said);
    }
    (said, novelty)
}

/// The evidence of a word, given the counts by order, the shortest first, and those of the recipients' domain.
pub fn evidence(orders: &[Met], own: Option<&Met>) -> Evidence {
    let mut parts = [(0.0, 0.0); ORDERS];
    let (mut value, mut known) = (0.0, 0);
    let (_, novelty) = probabilities(orders, |order, said| {
        let support = orders[order].sequence[0] + orders[order].sequence[1];
        if support > 0.0 {
            let more = (said[1] / said[0]).ln().clamp(-WORD_MAX, WORD_MAX);
            parts[order] = (more - value, support);
            (value, known) = (more, order);
        }
    });
    let before = value;
    if novelty != 1.0 {
        value += NOVELTY * novelty.ln();
    }
    if let Some(own) = own {
        let count = own.sequence[0] + own.sequence[1];
        let below = probabilities(&orders[..1], |_, _| {}).0;
        let said = alone(own, OWN_SHORTER, below);
        let share = count / (count + OWN_HALF);
        value += share * ((said[1] / said[0]).ln() - value);
    }
    let value = value.clamp(-WORD_MAX, WORD_MAX);
    parts[known].0 += value - before;
    Evidence {
        value,
        support: parts[known].1,
        parts,
        order: known,
    }
}

/// The evidence of a mail, as it adds up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    /// The groups, what is bounded by none, and a place for what says nothing.
    groups: [f32; GROUPS + 2],
    words: u32,
}

impl Sum {
    /// One word more.
    pub fn add(&mut self, evidence: Evidence) {
        self.words += 1;
        for (value, support) in evidence.parts {
            // Which group it is cannot be foreseen, so there is no branch on it.
            let group = if value != 0.0 {
                group(support).min(GROUPS)
            } else {
                GROUPS + 1
            };
            self.groups[group] += value;
        }
    }

    fn scale(&self) -> f32 {
        (self.words as f32 + 1.0).powf(-LENGTH)
    }

    /// The evidence of all words.
    pub fn value(&self) -> f32 {
        let scale = self.scale();
        let bounded = self.groups[..GROUPS].iter().enumerate();
        let bounded: f32 = bounded.map(|(at, sum)| bound(at, sum * scale)).sum();
        bounded + self.groups[GROUPS] * scale
    }

    /// What is left of a word's evidence in the evidence of all.
    pub fn told(&self, evidence: Evidence) -> f32 {
        let scale = self.scale();
        let left = |(value, support)| {
            let at = group(support);
            match self.groups[..GROUPS].get(at).map(|sum| sum * scale) {
                Some(sum) if sum != 0.0 => value * scale * bound(at, sum) / sum,
                _ => value * scale,
            }
        };
        evidence.parts.into_iter().map(left).sum()
    }
}

fn group(support: f32) -> usize {
    // Whole messages, rounded; a message that was doubted counts with the few. Counts are in eighths and never below nought,
    // so this rounds as `round` does, which is a call.
    (support + 0.5) as usize
}

fn bound(group: usize, value: f32) -> f32 {
    let most = GROUP_MAX * group.max(1) as f32;
    most * (value / most).tanh()
}

/// How the evidence of a mail becomes its log-odds: a slope and an offset, learned with each sample.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Curve {
    /// What evidence is multiplied with.
    pub slope: f32,
    /// What is added.
    pub offset: f32,
}

impl Default for Curve {
    fn default() -> Curve {
        Curve {
            slope: 1.0,
            offset: 0.0,
        }
    }
}

/// How fast a curve learns.
const RATE: f32 = 0.02;
/// The slope stays between these: more evidence is always more.
const SLOPES: (f32, f32) = (0.05, 4.0);
/// The offset stays as near to nought.
const OFFSET_MAX: f32 = 3.0;

impl Curve {
    /// The log-odds of some evidence.
    pub fn odds(self, evidence: f32) -> f32 {
        self.slope * evidence + self.offset
    }

    /// The curve after a sample of some evidence and of a class, learned with some weight.
    #[must_use]
    pub fn learn(self, evidence: f32, spam: bool, weight: f32) -> Curve {
        let said = 1.0 / (1.0 + (-self.odds(evidence)).exp());
        let pull = RATE * weight * (f32::from(u8::from(spam)) - said);
        let slope = self.slope + pull * evidence / (1.0 + evidence * evidence);
        Curve {
            slope: slope.clamp(SLOPES.0, SLOPES.1),
            offset: (self.offset + pull).clamp(-OFFSET_MAX, OFFSET_MAX),
        }
    }

    /// Whether these are numbers that [`learn`](Curve::learn) can have made.
    pub fn is_sound(self) -> bool {
        (SLOPES.0..=SLOPES.1).contains(&self.slope) && self.offset.abs() <= OFFSET_MAX
    }
}

/// The share of labels that is taken to be wrong.
const WRONG: f32 = 0.3;
/// Messages of the class of which less was learned, at which the model believes itself half.
const BELIEF_HALF: f32 = 20.0;

/// How far a label is believed that has so much for it (or against it, below nought) after so many messages of the class of
/// which less was learned. A sample that counts double was looked at twice.
pub fn belief(odds_for: f32, learned: u32, weight: f32) -> f32 {
    let trust = learned as f32 / (learned as f32 + BELIEF_HALF);
    let wrong = WRONG / (weight * weight).max(1.0);
    1.0 / (1.0 + (-odds_for * trust).exp() * wrong / (1.0 - wrong))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(one: f32, other: f32) {
        assert!(
            (one - other).abs() <= 1e-4 * other.abs().max(1e-3),
            "{one} is not {other}"
        );
    }

    #[test]
    fn probabilities_are_as_worked_by_hand() {
        // Learned: ham "buy bread", ham "buy milk", spam "buy pills", each once, each begun by the state of its stream.
        // Words alone: "buy" 2 of 4 words in ham, 1 of 2 in spam; "pills" 0 of 4 and 1 of 2.
        // The class of which less was learned has 2 words, so the share of the unknown word is 1000 / 1002.
        let buy = Met {
            sequence: [2.0, 1.0],
            state: [4.0, 2.0],
        };
        let pills = Met {
            sequence: [0.0, 1.0],
            state: [4.0, 2.0],
        };
        let (said, novelty) = probabilities(&[buy], |_, _| {});
        // (2 / 1002) * 2 / 4 + (1000 / 1002) * 0.00001 = 0.000 998 004 + 0.000 009 98
        close(said[0], 0.001_007_984);
        close(said[1], 0.001_007_984);
        assert_eq!(novelty, 1.0);
        // "pills" behind "buy": "buy" was followed 2 times in ham and once in spam, by "pills" 0 times and once.
        // Alone: ham 0.000 009 98, spam (2 / 1002) / 2 + 0.000 009 98 = 0.001 007 984.
        // Ham: (0 + 4 * 0.000 009 98) / (2 + 4) = 0.000 006 653; spam: (1 + 4 * 0.001 007 984) / (1 + 4) = 0.200 806.
        let behind = Met {
            sequence: [0.0, 1.0],
            state: [2.0, 1.0],
        };
        let (said, _) = probabilities(&[pills, behind], |_, _| {});
        close(said[0], 0.000_006_653_4);
        close(said[1], 0.200_806_4);
        // ln(0.200 806 4 / 0.000 006 653 4) = 10.3, more than a word may say.
        let evidence = evidence(&[pills, behind], None);
        assert_eq!((evidence.value, evidence.support, evidence.order), (5.0, 1.0, 1));
    }

    #[test]
    fn a_word_that_nobody_knows_says_only_that_it_is_new() {
        // Behind a state that was followed 12 times in ham and never in spam, with 4 for the shorter sequence:
        // 0.65 * ln((12 + 4) / (0 + 4)) = 0.65 * 1.386 294.
        let alone = Met {
            sequence: [0.0, 0.0],
            state: [500.0, 30.0],
        };
        let behind = Met {
            sequence: [0.0, 0.0],
            state: [12.0, 0.0],
        };
        assert_eq!(evidence(&[alone], None).value, 0.0);
        close(evidence(&[alone, behind], None).value, 0.901_091);
    }

    #[test]
    fn what_one_message_said_never_outweighs_what_many_said() {
        let mut sum = Sum::default();
        let once = Evidence {
            value: -5.0,
            support: 1.0,
            parts: [(-5.0, 1.0), (0.0, 0.0), (0.0, 0.0)],
            order: 0,
        };
        (0..1_000).for_each(|_| sum.add(once));
        assert!(sum.value() >= -1.0);
        let often = Evidence {
            value: 2.0,
            support: 50.0,
            parts: [(2.0, 50.0), (0.0, 0.0), (0.0, 0.0)],
            order: 0,
        };
        (0..1_000).for_each(|_| sum.add(often));
        assert!(sum.value() > 5.0);
        let told: f32 = 1_000.0 * (sum.told(once) + sum.told(often));
        close(told, sum.value());
    }

    #[test]
    fn more_evidence_is_a_higher_score() {
        let met = |spam: f32| Met {
            sequence: [1.0, spam],
            state: [100.0, 100.0],
        };
        let said: Vec<f32> = (0..50).map(|spam| evidence(&[met(spam as f32)], None).value).collect();
        assert!(said.is_sorted_by(|one, other| one < other));
        let mut curve = Curve::default();
        (0..10_000).for_each(|time| curve = curve.learn(5.0, time % 2 == 0, 1.0));
        assert!(curve.is_sound() && curve.odds(2.0) > curve.odds(1.0));
    }

    #[test]
    fn a_label_against_all_that_was_learned_is_doubted_and_a_correction_less() {
        assert!(belief(-6.0, 1_000, 1.0) < 0.05);
        assert!(belief(-6.0, 1_000, 4.0) > 2.0 * belief(-6.0, 1_000, 1.0));
        // Of one that knows nothing seven labels in ten are believed, whatever it says; of those that were looked at twice, at
        // a weight of 2, 0.3 / 4 = 0.075 are wrong.
        close(belief(-6.0, 0, 1.0), 0.7);
        close(belief(-6.0, 0, 2.0), 0.925);
        assert!(belief(6.0, 1_000, 1.0) > 0.99);
    }

    #[test]
    fn a_domain_that_sees_a_word_otherwise_is_believed_the_more_it_saw() {
        let all = Met {
            sequence: [10.0, 200.0],
            state: [5_000.0, 5_000.0],
        };
        let own = |times: f32| Met {
            sequence: [times, 0.0],
            state: [50.0 * times, 500.0],
        };
        let said = [0.0, 5.0, 50.0, 500.0].map(|times| evidence(&[all], Some(&own(times))).value);
        close(said[0], evidence(&[all], None).value);
        assert!(said.is_sorted_by(|one, other| one > other), "{said:?}");
        assert!(said[3] < 0.0);
    }
}
