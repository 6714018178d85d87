//! Which of a mail's domains are asked for, where it has more than lists may be asked about.
//!
//! Three quarters are those that a reader follows first, in the order of [`Place`]; within the last place that finds room,
//! and for the quarter that is left, chance decides, so that a sender who knows the order gains nothing by hiding one link
//! behind twenty harmless ones. **Invariant:** the same mail gives the same choice: its chance is a keyed hash.

use std::collections::HashMap;

use gatepost_core::Seed;
use gatepost_core::message::Place;

/// What was chosen.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Picked<'a> {
    /// The chosen ones, each once, in the order of their places.
    pub domains: Vec<&'a str>,
    /// How many different ones there are in all.
    pub of: usize,
}

impl Picked<'_> {
    /// Whether some were left out.
    pub fn is_cut(&self) -> bool {
        self.domains.len() < self.of
    }
}

/// Chooses at most `most` of the domains. `mail` makes the choice another one for another mail.
pub fn pick<'a>(
    domains: impl IntoIterator<Item = (Place, &'a str)>,
    most: usize,
    seed: Seed,
    mail: &[u8],
) -> Picked<'a> {
    let mut best: HashMap<&str, (Place, usize)> = HashMap::new();
    for (n, (place, domain)) in domains.into_iter().enumerate() {
        let known = best.entry(domain).or_insert((place, n));
        *known = (*known).min((place, n));
    }
    let of = best.len();
    if of <= most {
        let mut all: Vec<_> = best.into_iter().map(|(domain, place)| (place, domain)).collect();
        all.sort_unstable();
        let domains = all.into_iter().map(|(_, domain)| domain).collect();
        return Picked { domains, of };
    }
    let mail = seed.hash(&[b"dnsbl.mail", mail]).to_le_bytes();
    let mut all: Vec<_> = best
        .into_iter()
        .map(|(domain, (place, _))| (place, seed.hash(&[b"dnsbl.pick", &mail, domain.as_bytes()]), domain))
        .collect();
    all.sort_unstable();
    let first = most - most / 4;
    let mut rest = all.split_off(first.min(all.len()));
    rest.sort_unstable_by_key(|(_, chance, domain)| (*chance, *domain));
    all.extend(rest.into_iter().take(most - first));
    all.sort_unstable();
    let domains = all.into_iter().map(|(_, _, domain)| domain).collect();
    Picked { domains, of }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    const SEED: Seed = Seed::new([7; 16]);

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("d{n}.example")).collect()
    }

    #[test]
    fn few_are_all_asked_for_in_the_order_of_their_places() {
        let domains = [
            (Place::Text, "b.example"),
            (Place::Anchor, "c.example"),
            (Place::Anchor, "a.example"),
            (Place::Hidden, "c.example"),
        ];
        let picked = pick(domains, 20, SEED, b"mail");
        assert_eq!(picked.domains, ["c.example", "a.example", "b.example"]);
        assert!(!picked.is_cut());
    }

    #[test]
    fn of_ten_thousand_twenty_are_asked_for_and_the_same_ones_again() {
        let names = names(10_000);
        let all = || names.iter().map(|name| (Place::Anchor, name.as_str()));
        let picked = pick(all(), 20, SEED, b"mail");
        assert_eq!((picked.domains.len(), picked.of, picked.is_cut()), (20, 10_000, true));
        assert_eq!(pick(all(), 20, SEED, b"mail"), picked, "a repeat is the same");
        assert_ne!(pick(all(), 20, SEED, b"another"), picked);
        assert_ne!(pick(all(), 20, Seed::new([8; 16]), b"mail"), picked);
    }

    #[test]
    fn what_is_clicked_comes_first_and_the_rest_has_a_chance() {
        let names = names(300);
        let place = |n: usize| if n < 100 { Place::Anchor } else { Place::Text };
        let mut chosen_from_text = HashSet::new();
        for mail in 0..200_u32 {
            let all = names.iter().enumerate().map(|(n, name)| (place(n), name.as_str()));
            let picked = pick(all, 20, SEED, &mail.to_le_bytes());
            let text = names
                .iter()
                .skip(100)
                .filter(|name| picked.domains.contains(&name.as_str()));
            let text: Vec<_> = text.collect();
            assert!(text.len() <= 5, "at least 15 are anchors");
            chosen_from_text.extend(text);
        }
        assert!(chosen_from_text.len() > 100, "{}", chosen_from_text.len());
    }

    proptest! {
        #[test]
        fn nothing_is_asked_for_twice_or_beyond_the_bound(
            picks in prop::collection::vec((0..3_u8, 0..40_u8), 0..200), most in 0..30_usize,
        ) {
            let names: Vec<_> = picks.iter().map(|(place, n)| (*place, format!("d{n}.example"))).collect();
            let place = |n| match n { 0 => Place::Anchor, 1 => Place::Text, _ => Place::Hidden };
            let all = || names.iter().map(|(at, name)| (place(*at), name.as_str()));
            let picked = pick(all(), most, SEED, b"mail");
            let unique: HashSet<_> = all().map(|(_, name)| name).collect();
            prop_assert_eq!(picked.of, unique.len());
            prop_assert_eq!(picked.domains.len(), unique.len().min(most));
            prop_assert_eq!(picked.domains.iter().collect::<HashSet<_>>().len(), picked.domains.len());
            prop_assert!(picked.domains.iter().all(|name| unique.contains(name)));
        }
    }
}
