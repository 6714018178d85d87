//! What a client's manners show: pure functions of what the session saw.

use gatepost_core::Facts;

use crate::traits::Trait;

/// What is known before the message is there.
pub fn at_helo(facts: &Facts) -> Option<Trait> {
    facts.early_talk.then_some(Trait::EarlyTalk)
}

/// What is known when the message is there, and was not known at HELO. Errors count from `many` on.
pub fn at_message(facts: &Facts, many: u32) -> impl Iterator<Item = Trait> + use<> {
    [
        (facts.unasked_pipelining, Trait::UnaskedPipelining),
        (facts.bare_lf, Trait::BareLf),
        (facts.long_line, Trait::LongLine),
        (facts.near_miss || facts.nul || facts.bare_cr, Trait::NearMiss),
        (facts.errors >= many, Trait::Errors),
    ]
    .into_iter()
    .filter_map(|(seen, what)| seen.then_some(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fact_is_told_once() {
        let mut facts = Facts::default();
        facts.early_talk = true;
        facts.unasked_pipelining = true;
        facts.bare_lf = true;
        facts.near_miss = true;
        facts.nul = true;
        facts.errors = 5;
        assert_eq!(at_helo(&facts), Some(Trait::EarlyTalk));
        let all: Vec<_> = at_message(&facts, 5).collect();
        assert_eq!(
            all,
            [Trait::UnaskedPipelining, Trait::BareLf, Trait::NearMiss, Trait::Errors]
        );
        assert!(!at_message(&facts, 6).any(|what| what == Trait::Errors));
    }
}
