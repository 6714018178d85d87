//! In which order collections are learned, so that spam and ham take turns.
//!
//! Who hands over a folder of ham and then one of spam has models that learned the ham while all was ham, when there was
//! nothing to tell it from, and then only spam: such models call most mail spam. What was learned so goes to the end of the
//! log again, each class at the pace of its size.
//!
//! **Invariant:** pure; the order within a class stays; what takes turns already stays where it is, so that asking again
//! moves nothing.

use gatepost_core::Label;

/// How far back from the end is looked, and the least that is put in turns where there is more.
const LOOK: usize = 500;
/// So many more of one class than its share, at the end, are too many in any case.
const EXCESS_MAX: f64 = 150.0;
/// So few are never too many.
const EXCESS_MIN: f64 = 10.0;
/// And so large a part of all that there is of the class.
const EXCESS_PART: f64 = 0.25;
/// What is put in turns begins where each class has so much of its share, or at the first of all. What is left of an excess
/// then is less than what is too many: `(1 - ENOUGH) * LOOK < EXCESS_MAX`, and `1 - ENOUGH < EXCESS_PART`.
const ENOUGH: f64 = 0.8;

/// The samples that go behind all others, in their new order; empty where spam and ham take turns already, or where there is
/// only one of them. `samples` are those of collections, in their order.
pub fn turns(samples: &[(u64, Label)]) -> Vec<u64> {
    let count = |part: &[(u64, Label)], label| part.iter().filter(|(_, one)| *one == label).count() as f64;
    let Some(many) = [Label::Ham, Label::Spam]
        .into_iter()
        .find(|label| excess(samples, *label, count(samples, *label)))
    else {
        return Vec::new();
    };
    let all = count(samples, many);
    let share = (samples.len() as f64 - all) / all;
    let (mut of_many, mut of_other) = (0.0, 0.0);
    let mut first = samples.len();
    while let Some((_, label)) = first.checked_sub(1).and_then(|before| samples.get(before)) {
        first -= 1;
        match *label == many {
            true => of_many += 1.0,
            false => of_other += 1.0,
        }
        let due = of_many * share;
        if samples.len() - first >= LOOK && of_other >= due * ENOUGH && due >= of_other * ENOUGH {
            break;
        }
    }
    merged(samples.get(first..).unwrap_or_default())
}

/// Whether there is much more of a class at the end than its share.
fn excess(samples: &[(u64, Label)], label: Label, all: f64) -> bool {
    let others = samples.len() as f64 - all;
    if all == 0.0 || others == 0.0 {
        return false;
    }
    let most = (all * EXCESS_PART).clamp(EXCESS_MIN, EXCESS_MAX);
    let mut over = 0.0_f64;
    samples.iter().rev().take(LOOK).any(|(_, one)| {
        over += match *one == label {
            true => 1.0,
            false => -all / others,
        };
        over >= most
    })
}

/// Both classes, each at the pace of its size.
fn merged(samples: &[(u64, Label)]) -> Vec<u64> {
    let of = |label| {
        samples
            .iter()
            .filter(move |(_, one)| *one == label)
            .map(|(sequence, _)| *sequence)
    };
    let (ham, spam): (Vec<u64>, Vec<u64>) = (of(Label::Ham).collect(), of(Label::Spam).collect());
    let (mut h, mut s) = (0, 0);
    let mut order = Vec::with_capacity(samples.len());
    while h < ham.len() || s < spam.len() {
        // Ham is behind where (h + 1) / ham < (s + 1) / spam.
        let of_ham = s >= spam.len() || (h < ham.len() && (h + 1) * spam.len() <= (s + 1) * ham.len());
        let (from, at) = if of_ham { (&ham, &mut h) } else { (&spam, &mut s) };
        order.extend(from.get(*at));
        *at += 1;
    }
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn samples(classes: &str) -> Vec<(u64, Label)> {
        let label = |class| if class == 's' { Label::Spam } else { Label::Ham };
        (1..).zip(classes.chars().map(label)).collect()
    }

    fn classes(samples: &[(u64, Label)], order: &[u64]) -> String {
        let class = |sequence: &u64| match samples[*sequence as usize - 1].1 {
            Label::Spam => 's',
            Label::Ham => 'h',
        };
        order.iter().map(class).collect()
    }

    #[test]
    fn a_class_that_came_after_the_other_takes_turns_with_it() {
        let apart = samples(&("h".repeat(40) + &"s".repeat(20)));
        assert_eq!(classes(&apart, &turns(&apart)), "hhs".repeat(20));
        let apart = samples(&("s".repeat(20) + &"h".repeat(20)));
        assert_eq!(classes(&apart, &turns(&apart)), "hs".repeat(20));
    }

    #[test]
    fn only_as_much_as_is_needed_of_a_long_log_moves() {
        let long = samples(&("hhs".repeat(10_000) + &"s".repeat(500)));
        let order = turns(&long);
        assert!((1_500..6_000).contains(&order.len()), "{}", order.len());
        assert_eq!(order.iter().copied().max(), Some(30_500));
    }

    #[test]
    fn what_takes_turns_or_is_of_one_class_stays() {
        for classes in [
            "",
            "h",
            "sh",
            "ssssss",
            &"hhs".repeat(1_000),
            &"hhhhhssss".repeat(100),
            "hhhhhhhhhs",
            &"h".repeat(1_000),
        ] {
            assert_eq!(turns(&samples(classes)), Vec::<u64>::new(), "{classes}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_overtaken_and_asking_again_moves_nothing(
            runs in prop::collection::vec((any::<bool>(), 1_usize..1_500), 0..8),
        ) {
            let labels = runs.iter().flat_map(|(spam, len)| {
                std::iter::repeat_n(if *spam { Label::Spam } else { Label::Ham }, *len)
            });
            let before: Vec<(u64, Label)> = (1..).zip(labels).collect();
            let order = turns(&before);
            let label = |sequence: u64| before[sequence as usize - 1].1;
            for class in [Label::Ham, Label::Spam] {
                prop_assert!(order.iter().filter(|one| label(**one) == class).is_sorted());
            }
            let stay = before.len() - order.len();
            let mut moved = order.clone();
            moved.sort_unstable();
            prop_assert_eq!(moved, (stay as u64 + 1..=before.len() as u64).collect::<Vec<_>>());
            let all = before[..stay].iter().copied().chain(order.iter().map(|one| (*one, label(*one))));
            let after: Vec<(u64, Label)> = (1..).zip(all.map(|(_, label)| label)).collect();
            prop_assert_eq!(turns(&after), Vec::<u64>::new());
        }
    }
}
