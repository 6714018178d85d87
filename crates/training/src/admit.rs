//! Which lessons become samples, and how much they count (L-02).
//!
//! **Invariants:** no lesson stands on what a classifier said: there is no such ground. Whatever is decided here is decided
//! once and written into the log with the sample, so that the models stay a function of the log: unlearning a sample does
//! not reopen what was decided of others. Chance is the mail's own hash.
//!
//! The rules, in order:
//! 1. The same mail told again as the same counts once. Told as the other by a person or a collection, what they said
//!    themselves and what was learned automatically is forgotten, and a person's word counts as a correction then; what
//!    somebody else said stays beside it, so that nobody erases another's word, and unlearning one leaves the other. No
//!    collection contradicts a person, and nothing automatic contradicts a person, a collection, or another automatic
//!    teacher. A mail whose sample has become part of the base is not known any more.
//! 2. A collection that an administrator hands over has no caps. Of each class, and in each day, a sender, a network, a
//!    campaign, and a person who teaches have at most a share, and in any case the floor.
//! 3. An automatic teacher has at most so many a day; and when it has taught `balance` times as many of one class as all
//!    have taught of the other among the last two thousand, it teaches that class only as often as keeps it there.

use std::collections::{BTreeMap, HashMap, VecDeque};

use gatepost_core::{Ground, Label};

use crate::entry::{Head, SKETCH};
use crate::settings::{DAY, Settings};
use crate::sketch;

/// How many of the last samples the balance of classes looks at.
const RECENT: usize = 2_000;
/// So many of the rarer class are reckoned with in any case: a site without any ham yet may learn some spam.
const RARER: usize = 50;
/// Days that are counted: so many before today and so many after it.
const DAYS: u64 = 3;

/// Why a lesson is not learned.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refused {
    /// Somebody who knows better said that it is the other.
    Contradicted,
    /// The sender taught enough of this class today.
    Sender,
    /// The network taught enough of this class today.
    Network,
    /// There was enough of this campaign today.
    Campaign,
    /// Who says so taught enough of this class today.
    Teacher,
    /// There is much more of this class than of the other.
    Balance,
}

impl Refused {
    /// In words.
    pub const fn why(self) -> &'static str {
        match self {
            Refused::Contradicted => "learning: somebody who knows better said that this mail is the other",
            Refused::Sender => "learning: this sender has taught its share of today",
            Refused::Network => "learning: this network has taught its share of today",
            Refused::Campaign => "learning: mail like this has taught its share of today",
            Refused::Teacher => "learning: this teacher has taught its share of today",
            Refused::Balance => "learning: there is much more of this class than of the other already",
        }
    }
}

/// What becomes of a lesson.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Admitted {
    /// It is learned. The samples whose place it takes, if any, are forgotten.
    New {
        /// The samples that go.
        instead_of: Vec<u64>,
    },
    /// It is in the log already, here.
    Known(u64),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Who {
    Sender(u64),
    Network(u64),
    Campaign(u32),
    Teacher(u64),
    Automatic(Ground),
}

#[derive(Default)]
struct Today {
    /// Ham and spam.
    classes: [u32; 2],
    counts: HashMap<(usize, Who), u32>,
    /// The campaigns, by each part of their sketches.
    parts: HashMap<(usize, u32), Vec<u32>>,
    sketches: Vec<[u32; SKETCH]>,
}

impl Today {
    /// The campaign that a mail belongs to; the number of the next where to none.
    fn campaign(&self, mail: &[u32; SKETCH]) -> u32 {
        let candidates = mail
            .iter()
            .enumerate()
            .filter_map(|(n, part)| self.parts.get(&(n, *part)));
        let known = candidates.flatten().find(|number| {
            let known = self.sketches.get(**number as usize);
            known.is_some_and(|known| sketch::alike(known, mail))
        });
        known.copied().unwrap_or(self.sketches.len() as u32)
    }

    fn join(&mut self, mail: &[u32; SKETCH]) -> u32 {
        let campaign = self.campaign(mail);
        if campaign as usize == self.sketches.len() {
            self.sketches.push(*mail);
            for (n, part) in mail.iter().enumerate() {
                self.parts.entry((n, *part)).or_default().push(campaign);
            }
        }
        campaign
    }
}

#[derive(Clone, Copy)]
struct Known {
    sequence: u64,
    label: Label,
    ground: Ground,
    /// Who said so, as a hash.
    by: u64,
    /// It is in the models.
    learned: bool,
}

impl Known {
    /// Whether the same person, or the same collection, said so as says this.
    fn is_by(&self, head: &Head) -> bool {
        self.by == teacher(head) && (self.ground == Ground::Corpus) == (head.ground == Ground::Corpus)
    }
}

/// What the samples so far say about the next.
#[derive(Default)]
pub struct Admission {
    /// What was said of each mail, by whom.
    known: HashMap<u64, Vec<Known>>,
    days: BTreeMap<u64, Today>,
    recent: VecDeque<usize>,
    totals: [usize; 2],
    /// The day that it is.
    today: u64,
}

/// Who teaches, as a hash.
fn teacher(head: &Head) -> u64 {
    xxhash_rust::xxh3::xxh3_64(head.by.as_bytes())
}

fn class(label: Label) -> usize {
    usize::from(label == Label::Spam)
}

fn is_automatic(ground: Ground) -> bool {
    !matches!(ground, Ground::Person | Ground::Correction | Ground::Corpus)
}

/// Who a sample comes from, and so has a share.
fn sources(head: &Head, campaign: u32) -> Vec<(Who, Refused)> {
    let mut all = vec![(Who::Campaign(campaign), Refused::Campaign)];
    if head.sources.sender != 0 {
        all.push((Who::Sender(head.sources.sender), Refused::Sender));
    }
    if head.sources.network != 0 {
        all.push((Who::Network(head.sources.network), Refused::Network));
    }
    let teacher = match is_automatic(head.ground) {
        true => Who::Automatic(head.ground),
        false => Who::Teacher(teacher(head)),
    };
    all.push((teacher, Refused::Teacher));
    all
}

impl Admission {
    /// Whether a lesson is learned; its ground is set, and its weight where it has none yet.
    pub fn admit(&self, head: &mut Head, settings: &Settings) -> Result<Admitted, Refused> {
        let known = self.known.get(&head.identity).map_or(&[][..], Vec::as_slice);
        let (same, other): (Vec<&Known>, Vec<&Known>) = known.iter().partition(|known| known.label == head.label);
        // Their own word to the contrary goes in any case.
        let corrects = other.iter().any(|known| known.is_by(head));
        if let Some(known) = same
            .iter()
            .find(|known| known.learned && (!corrects || known.is_by(head)))
        {
            return Ok(Admitted::Known(known.sequence));
        }
        let mut instead_of: Vec<u64> = same
            .iter()
            .filter(|known| !known.learned)
            .map(|known| known.sequence)
            .collect();
        if !other.is_empty() {
            let person = |known: &&Known| matches!(known.ground, Ground::Person | Ground::Correction);
            if is_automatic(head.ground) || (head.ground == Ground::Corpus && other.iter().any(person)) {
                return Err(Refused::Contradicted);
            }
            let gone = other
                .iter()
                .filter(|known| is_automatic(known.ground) || known.is_by(head));
            let gone: Vec<u64> = gone.map(|known| known.sequence).collect();
            if head.ground != Ground::Corpus {
                head.ground = match gone.is_empty() {
                    true => Ground::Person,
                    false => Ground::Correction,
                };
            }
            instead_of.extend(gone);
        }
        // Whoever teaches may have said how much it counts.
        if head.weight == 0 {
            head.weight = weight(head.ground, settings);
        }
        if head.ground != Ground::Corpus {
            self.within_shares(head, settings)?;
        }
        if is_automatic(head.ground) && !self.balanced(head, settings) {
            return Err(Refused::Balance);
        }
        Ok(Admitted::New { instead_of })
    }

    fn within_shares(&self, head: &Head, settings: &Settings) -> Result<(), Refused> {
        let class = class(head.label);
        let day = self.day(head);
        let Some(today) = self.days.get(&day) else {
            return Ok(());
        };
        let of = |day: &Today| day.classes.get(class).copied().unwrap_or_default();
        let yesterday = day.checked_sub(1).and_then(|day| self.days.get(&day)).map_or(0, of);
        let whole = of(today).max(yesterday);
        let (percent, floor) = match is_automatic(head.ground) {
            true => (settings.share_percent, settings.share_floor),
            false => (settings.person_share_percent, settings.person_share_floor),
        };
        let share = u64::from(whole) * u64::from(percent) / 100;
        let share = share.max(floor.into());
        for (who, refused) in sources(head, today.campaign(&head.sketch)) {
            let most = match who {
                Who::Automatic(ground) => per_day(ground, settings).into(),
                _ => share,
            };
            let had = today.counts.get(&(class, who)).copied().unwrap_or_default();
            if u64::from(had) >= most {
                return Err(refused);
            }
        }
        Ok(())
    }

    /// Whether an automatic sample keeps the classes in balance.
    fn balanced(&self, head: &Head, settings: &Settings) -> bool {
        let own = class(head.label);
        let count = |class: usize| self.totals.get(class).copied().unwrap_or_default();
        let most = settings.balance as usize * count(1 - own).max(RARER);
        // As often as keeps the larger class where it is: the more it has, the less of it.
        count(own) < most || head.identity % 1_000 < (most as u64 * 500) / count(own) as u64
    }

    /// Whether somebody said of this mail that it is the other.
    pub fn is_disputed(&self, head: &Head) -> bool {
        let known = self.known.get(&head.identity).map_or(&[][..], Vec::as_slice);
        known.iter().any(|known| known.label != head.label)
    }

    /// What time it is. Days far from now are not counted any more, so that no wrong date, and no clock that was wrong for
    /// a while, leaves the shares without meaning.
    pub fn at(&mut self, now: u64) {
        self.today = now / DAY;
        let today = self.today;
        self.days.retain(|day, _| day.abs_diff(today) < DAYS);
    }

    /// The day that a new sample belongs to; what is dated far in the future is of today.
    fn day(&self, head: &Head) -> u64 {
        let day = head.at / DAY;
        match day < self.today.saturating_add(DAYS) {
            true => day,
            false => self.today,
        }
    }

    /// Counts a new sample, which takes the place of some.
    pub fn learn(&mut self, head: &Head, instead_of: &[u64]) {
        if let Some(known) = self.known.get_mut(&head.identity) {
            known.retain(|known| !instead_of.contains(&known.sequence));
        }
        self.count(head, true, self.day(head));
    }

    /// Counts a sample that is in the log. `learned` says whether it is in the models.
    pub fn recall(&mut self, head: &Head, learned: bool) {
        self.count(head, learned, head.at / DAY);
    }

    fn count(&mut self, head: &Head, learned: bool, day: u64) {
        let class = class(head.label);
        self.known.entry(head.identity).or_default().push(Known {
            sequence: head.sequence,
            label: head.label,
            ground: head.ground,
            by: teacher(head),
            learned,
        });
        if day.abs_diff(self.today) < DAYS {
            let today = self.days.entry(day).or_default();
            if let Some(count) = today.classes.get_mut(class) {
                *count += 1;
            }
            let campaign = today.join(&head.sketch);
            // Nobody's share is spent by a collection that an administrator hands over.
            let counted = if head.ground == Ground::Corpus {
                Vec::new()
            } else {
                sources(head, campaign)
            };
            for (who, _) in counted {
                *today.counts.entry((class, who)).or_default() += 1;
            }
        }
        self.recent.push_back(class);
        let gone = if self.recent.len() > RECENT {
            self.recent.pop_front()
        } else {
            None
        };
        for (n, total) in self.totals.iter_mut().enumerate() {
            *total += usize::from(n == class);
            *total -= usize::from(gone == Some(n));
        }
    }
}

fn weight(ground: Ground, settings: &Settings) -> u32 {
    match ground {
        Ground::Correction => settings.correction_weight,
        Ground::Corpus => settings.corpus_weight,
        Ground::Trap => settings.trap.weight,
        Ground::Evidence => settings.evidence.weight,
        Ground::Outbound => settings.outbound.weight,
        Ground::Welcome => settings.welcome.weight,
        _ => settings.person_weight,
    }
}

fn per_day(ground: Ground, settings: &Settings) -> u32 {
    match ground {
        Ground::Trap => settings.trap.per_day,
        Ground::Evidence => settings.evidence.per_day,
        Ground::Outbound => settings.outbound.per_day,
        Ground::Welcome => settings.welcome.per_day,
        _ => u32::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Sources;

    /// A mail unlike any other.
    fn head(n: u64, label: Label, ground: Ground) -> Head {
        Head {
            sequence: 0,
            at: 10 * DAY,
            label,
            ground,
            by: "ann".into(),
            domain: None,
            weight: 0,
            identity: n.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            kept: 0,
            sources: Sources::default(),
            sketch: std::array::from_fn(|part| (n as u32) * 8 + part as u32),
        }
    }

    #[derive(Default)]
    struct Class {
        admission: Admission,
        settings: Settings,
        sequence: u64,
        /// The tenth day where none is told.
        now: Option<u64>,
    }

    impl Class {
        fn told(&mut self, mut head: Head) -> Result<(Admitted, Head), Refused> {
            self.admission.at(self.now.unwrap_or(10 * DAY));
            let admitted = self.admission.admit(&mut head, &self.settings)?;
            if let Admitted::New { instead_of } = &admitted {
                self.sequence += 1;
                head.sequence = self.sequence;
                self.admission.learn(&head, instead_of);
            }
            Ok((admitted, head))
        }

        fn learned(&mut self, heads: impl IntoIterator<Item = Head>) -> usize {
            heads.into_iter().filter(|head| self.told(head.clone()).is_ok()).count()
        }
    }

    #[test]
    fn the_same_mail_told_twice_counts_once() {
        let mut class = Class::default();
        assert_eq!(
            class.told(head(1, Label::Spam, Ground::Person)).map(|(what, _)| what),
            Ok(Admitted::New { instead_of: vec![] })
        );
        assert_eq!(
            class.told(head(1, Label::Spam, Ground::Trap)).map(|(what, _)| what),
            Ok(Admitted::Known(1))
        );
    }

    #[test]
    fn a_person_corrects_what_was_learned_and_that_counts_more() {
        let mut class = Class::default();
        class.told(head(1, Label::Spam, Ground::Evidence)).unwrap();
        let (what, corrected) = class.told(head(1, Label::Ham, Ground::Person)).unwrap();
        assert_eq!(what, Admitted::New { instead_of: vec![1] });
        assert_eq!((corrected.ground, corrected.weight), (Ground::Correction, 300));
    }

    #[test]
    fn who_contradicts_another_takes_the_place_of_nothing_but_their_own_word() {
        for first in [Ground::Person, Ground::Corpus] {
            let mut class = Class::default();
            class.told(head(1, Label::Spam, first)).unwrap();
            let by = |label, by: &str| Head {
                by: by.into(),
                ..head(1, label, Ground::Correction)
            };
            let (what, beside) = class.told(by(Label::Ham, "carl")).unwrap();
            assert_eq!(what, Admitted::New { instead_of: vec![] }, "{first:?}");
            assert_eq!((beside.ground, beside.weight), (Ground::Person, 100));
            // Each says it once, whatever the others said.
            let again = class.told(by(Label::Ham, "carl")).map(|(what, _)| what);
            assert_eq!(again, Ok(Admitted::Known(2)));
            let changed = class.told(by(Label::Spam, "carl")).map(|(what, _)| what);
            assert_eq!(changed, Ok(Admitted::New { instead_of: vec![2] }));
            let third = class.told(by(Label::Spam, "dora")).map(|(what, _)| what);
            assert_eq!(third, Ok(Admitted::Known(1)));
        }
    }

    #[test]
    fn a_sample_that_is_dated_in_the_future_leaves_every_share_as_it_is() {
        let from = |n: u64, at: u64| Head {
            at,
            sources: Sources { sender: 7, network: 0 },
            ..head(n, Label::Spam, Ground::Trap)
        };
        let mut class = Class::default();
        assert_eq!(class.learned([from(0, 10_000 * DAY)]), 1);
        assert_eq!(class.learned((1..100).map(|n| from(n, 10 * DAY))), 19);
        assert_eq!(
            class.learned((100..200).map(|n| from(n, 10_000 * DAY))),
            0,
            "it is of today"
        );
        // Nor does a clock that was wrong for a while.
        class.now = Some(10_000 * DAY);
        assert_eq!(class.learned([from(200, 10_000 * DAY)]), 1);
        class.now = Some(11 * DAY);
        assert_eq!(class.learned((300..400).map(|n| from(n, 11 * DAY))), 20);
        let mut again = Admission::default();
        again.at(11 * DAY);
        (0..50).for_each(|n| again.recall(&from(n, 10_000 * DAY), true));
        assert!(again.admit(&mut from(999, 11 * DAY), &class.settings).is_ok());
    }

    #[test]
    fn nothing_automatic_contradicts_anybody_and_a_collection_contradicts_no_person() {
        for (first, second) in [
            (Ground::Person, Ground::Trap),
            (Ground::Welcome, Ground::Evidence),
            (Ground::Correction, Ground::Corpus),
        ] {
            let mut class = Class::default();
            class.told(head(1, Label::Ham, first)).unwrap();
            let told = class.told(head(1, Label::Spam, second)).map(|(what, _)| what);
            assert_eq!(told, Err(Refused::Contradicted), "{first:?} {second:?}");
        }
    }

    #[test]
    fn a_small_site_learns_the_floor_of_each_source_and_a_large_one_a_share() {
        let from = |n: u64, sender: u64, ground| Head {
            sources: Sources { sender, network: 0 },
            ..head(n, Label::Spam, ground)
        };
        let mut class = Class::default();
        class.settings.balance = 1_000;
        assert_eq!(class.learned((0..100).map(|n| from(n, 7, Ground::Trap))), 20);
        assert_eq!(class.told(from(200, 7, Ground::Trap)).map(drop), Err(Refused::Sender));
        assert_eq!(class.learned((300..3_300).map(|n| from(n, n, Ground::Corpus))), 3_000);
        assert_eq!(
            class.learned((9_000..9_100).map(|n| from(n, 7, Ground::Trap))),
            10,
            "one in a hundred"
        );
        assert_eq!(
            class.learned((9_200..9_300).map(|n| from(n, 7, Ground::Person))),
            100,
            "people have more"
        );
        let tomorrow = Head {
            at: 12 * DAY,
            ..from(9_400, 7, Ground::Trap)
        };
        assert_eq!(class.learned([tomorrow]), 1);
    }

    #[test]
    fn a_campaign_a_network_and_a_teacher_have_shares_too() {
        let mut class = Class::default();
        let campaign = |n: u64| {
            let mut head = head(n, Label::Spam, Ground::Trap);
            head.sketch = [5; SKETCH];
            head.sketch[0] = n as u32;
            head
        };
        assert_eq!(class.learned((0..50).map(campaign)), 20);
        assert_eq!(class.told(campaign(99)).map(drop), Err(Refused::Campaign));
        let network = |n: u64| Head {
            sources: Sources { sender: n, network: 3 },
            ..head(n, Label::Ham, Ground::Welcome)
        };
        assert_eq!(class.learned((100..150).map(network)), 20);
        assert_eq!(class.told(network(151)).map(drop), Err(Refused::Network));
        assert_eq!(
            class.learned((1_000..1_500).map(|n| head(n, Label::Ham, Ground::Person))),
            200
        );
        assert_eq!(
            class.told(head(2_000, Label::Ham, Ground::Person)).map(drop),
            Err(Refused::Teacher)
        );
        let other = Head {
            by: "carl".into(),
            ..head(2_001, Label::Ham, Ground::Person)
        };
        assert_eq!(class.learned([other]), 1);
    }

    #[test]
    fn automatic_teachers_are_thinned_where_they_teach_one_class_only_and_people_are_not() {
        let mut class = Class::default();
        class.settings.trap.per_day = 100_000;
        let traps = class.learned((0..5_000).map(|n| head(n, Label::Spam, Ground::Trap)));
        assert!((150..1_500).contains(&traps), "{traps}");
        assert_eq!(
            class.learned((6_000..6_050).map(|n| head(n, Label::Spam, Ground::Person))),
            50
        );
        assert_eq!(
            class.learned((7_000..7_100).map(|n| head(n, Label::Ham, Ground::Welcome))),
            100,
            "the rarer class"
        );
    }
}
