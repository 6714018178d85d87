//! What each classifier adds to the word of all, and what the others would say without it.
//!
//! **Invariant:** the same arithmetic as in [`judge`](crate::judge::judge), over the same fusion.

use gatepost_core::{Fused, LogOdds, Witness};

use crate::fusion::Fusion;
use crate::policy::Rules;

/// Whether a classifier's word is heard at all: as in the pipeline, one that has learned nothing says nothing.
fn heard(witness: &Witness) -> bool {
    witness.counts && witness.odds.support > 0
}

/// Weighs the witnesses under the rules of a domain: each one's share, the word of the others without it, and the word of
/// all. None where nobody is heard.
pub fn weigh(rules: &Rules, fusion: &Fusion, witnesses: &mut [Witness]) -> Option<Fused> {
    let fusion = fusion.clone().with_risk(rules.ham_risk.share());
    let votes: Vec<(usize, String, LogOdds)> = witnesses
        .iter()
        .enumerate()
        .filter(|(_, witness)| heard(witness))
        .map(|(at, witness)| (at, witness.filter.clone(), witness.odds))
        .collect();
    let fused = |without: Option<usize>| {
        let mut votes = votes.iter().filter(|(at, ..)| Some(*at) != without).peekable();
        votes.peek()?;
        let odds = fusion.fuse(votes.map(|(_, filter, odds)| (filter.as_str(), *odds)));
        Some(Fused::new(
            odds,
            fusion.threshold(),
            fusion.points(odds, rules.classifiers),
        ))
    };
    for (at, filter, odds) in &votes {
        let Some(witness) = witnesses.get_mut(*at) else {
            continue;
        };
        let among = votes.iter().map(|(_, filter, odds)| (filter.as_str(), *odds));
        witness.share = fusion.share(filter, *odds, among);
        witness.without = fused(Some(*at));
    }
    fused(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn witness(filter: &str, value: f32, support: u32) -> Witness {
        Witness::new(filter, LogOdds { value, support })
    }

    #[test]
    fn each_share_is_told_and_what_would_be_without_it() {
        let (rules, fusion) = (Rules::default(), Fusion::default());
        let mut all = [
            witness("bayes", 9.0, 4_000),
            witness("hmm", -3.0, 4_000),
            witness("ngram", 2.0, 0),
        ];
        all[1].counts = false;
        let fused = weigh(&rules, &fusion, &mut all).expect("one is heard");
        assert_eq!(
            fused.odds,
            fusion.fuse([("bayes", all[0].odds)]),
            "one monitors, one knows nothing"
        );
        assert!(fused.points > gatepost_core::Score::ZERO);
        assert_eq!(all[0].share, fused.odds);
        assert_eq!(all[0].without, None, "then nobody says anything");
        assert_eq!((all[1].share, all[2].share), (0.0, 0.0));
        all[1].counts = true;
        let both = weigh(&rules, &fusion, &mut all).expect("two are heard");
        assert!(both.odds < fused.odds);
        assert_eq!(all[1].without, Some(fused));
    }

    #[test]
    fn nobody_who_speaks_is_no_word() {
        let (rules, fusion) = (Rules::default(), Fusion::default());
        assert_eq!(weigh(&rules, &fusion, &mut []), None);
        assert_eq!(weigh(&rules, &fusion, &mut [witness("bayes", 9.0, 0)]), None);
    }
}
