//! In which order the hosts of a route are tried. Pure: chance is passed in.
//!
//! **Laws:** whoever takes mail is named once; a lower priority comes first; one that is down is named only where nobody
//! else is up, and one that keeps its clients waiting never. Among equals each comes first as often as its weight says.

use super::health::Takes;

/// What matters of a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Lower comes first.
    pub priority: u16,
    /// Its share among equals; at least 1.
    pub weight: u16,
    /// Whether it is asked at all.
    pub takes: Takes,
}

/// The places of the hosts that are tried, the first first. `chance` is drawn at most once for each.
pub fn order(hosts: &[Standing], mut chance: impl FnMut() -> u64) -> Vec<usize> {
    let best = hosts.iter().map(|host| host.takes).min().unwrap_or(Takes::No);
    if best == Takes::No {
        return Vec::new();
    }
    let mut left: Vec<(usize, Standing)> = hosts
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, host)| host.takes == best)
        .collect();
    let mut order = Vec::with_capacity(left.len());
    while let Some(first) = left.iter().map(|(_, host)| host.priority).min() {
        let equals = || left.iter().filter(|(_, host)| host.priority == first);
        let share = |host: &Standing| u64::from(host.weight.max(1));
        let all: u64 = equals().map(|(_, host)| share(host)).sum();
        let mut drawn = if equals().nth(1).is_some() { chance() % all } else { 0 };
        let chosen = equals().find(|(_, host)| match drawn.checked_sub(share(host)) {
            Some(rest) => {
                drawn = rest;
                false
            }
            None => true,
        });
        let Some(at) = chosen.map(|(at, _)| *at) else { break };
        order.push(at);
        left.retain(|(place, _)| *place != at);
    }
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hosts::dice::mixed;

    fn host(priority: u16, weight: u16, takes: Takes) -> Standing {
        Standing {
            priority,
            weight,
            takes,
        }
    }

    #[test]
    fn the_lower_priority_comes_first_and_who_is_down_is_passed_over() {
        use Takes::{IfNobodyElse, No, Yes};
        let tried = |hosts: &[(u16, Takes)]| {
            let hosts: Vec<_> = hosts
                .iter()
                .map(|(priority, takes)| host(*priority, 1, *takes))
                .collect();
            order(&hosts, || 0)
        };
        assert_eq!(tried(&[(20, Yes), (10, Yes), (30, Yes)]), [1, 0, 2]);
        assert_eq!(tried(&[(20, Yes), (10, IfNobodyElse), (30, Yes)]), [0, 2]);
        assert_eq!(tried(&[(20, IfNobodyElse), (10, No), (5, IfNobodyElse)]), [2, 0]);
        assert_eq!(tried(&[(20, No), (10, No)]), [0; 0]);
        assert_eq!(tried(&[]), [0; 0]);
    }

    #[test]
    fn among_equals_each_gets_the_share_of_its_weight() {
        let hosts = [
            host(10, 1, Takes::Yes),
            host(10, 3, Takes::Yes),
            host(10, 6, Takes::Yes),
        ];
        let mut seed = 7;
        let mut firsts = [0_u32; 3];
        for _ in 0..10_000 {
            let order = order(&hosts, || {
                seed += 1;
                mixed(seed)
            });
            firsts[order[0]] += 1;
        }
        for (found, expected) in firsts.into_iter().zip([1_000, 3_000, 6_000]) {
            assert!(found.abs_diff(expected) < 200, "{firsts:?}");
        }
    }

    fn standing() -> impl Strategy<Value = Standing> {
        let takes = prop_oneof![Just(Takes::Yes), Just(Takes::IfNobodyElse), Just(Takes::No)];
        (0_u16..4, 0_u16..5, takes).prop_map(|(priority, weight, takes)| host(priority, weight, takes))
    }

    proptest! {
        #[test]
        fn each_that_may_be_tried_is_named_once_by_rising_priority(
            hosts in prop::collection::vec(standing(), 0..16), seed in any::<u64>()
        ) {
            let mut seed = seed;
            let order = order(&hosts, || { seed = seed.wrapping_add(1); mixed(seed) });
            let best = hosts.iter().map(|host| host.takes).min();
            let mut expected: Vec<usize> = (0..hosts.len())
                .filter(|at| Some(hosts[*at].takes) == best && best != Some(Takes::No))
                .collect();
            prop_assert!(order.is_sorted_by_key(|at| hosts[*at].priority));
            let mut named = order;
            named.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(named, expected);
        }
    }
}
