//! What is learned from, how much it counts, and how much is remembered: `[learning]` in the configuration.

use gatepost_core::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};

/// Milliseconds of a day.
pub const DAY: u64 = 86_400_000;
/// The heaviest weight that may be written, in hundredths.
pub const WEIGHT_MAX: u32 = 1_000;
/// The most samples that may be kept.
const SAMPLES_MAX: u32 = 1_000_000;
/// The most lessons that may wait.
const QUEUE_MAX: u32 = 100_000;
/// The most rules of evidence, and the most tags of one of them.
const RULES_MAX: usize = 32;

/// Learning: what teaches the classifiers, how much it counts, and how much of it is remembered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The most samples that can still be unlearned; older ones become part of the base.
    pub samples: u32,
    /// The most MiB of the sample log; what is older becomes part of the base.
    pub log_mib: u32,
    /// The most lessons that wait to be learned; more are refused, and whoever brought them is told.
    pub queue: u32,
    /// After how many samples the models are written down.
    pub snapshot_samples: u32,
    /// After how many minutes the models are written down, if they learned anything.
    pub snapshot_minutes: u32,
    /// For how many days the features of delivered mail are kept, so that a report can be learned without the mail; 0
    /// keeps none.
    pub recent_days: u32,
    /// The most MiB of them; the oldest go first.
    pub recent_mib: u32,
    /// The most confirmed ham that a rebuild is tried on before it is put into use.
    pub held_out: u32,
    /// How much the label of a person counts, in hundredths.
    pub person_weight: u32,
    /// How much it counts where the mail was learned as the other before, in hundredths.
    pub correction_weight: u32,
    /// How much a mail of a handed-over collection counts, in hundredths.
    pub corpus_weight: u32,
    /// The most of a class that one sender, one network, one campaign or one automatic teacher may teach in a day, in
    /// hundredths of that class.
    pub share_percent: u32,
    /// So many of a class they may teach in a day in any case: one in a hundred of little is nothing.
    pub share_floor: u32,
    /// The same for what people teach.
    pub person_share_percent: u32,
    /// The same for what people teach.
    pub person_share_floor: u32,
    /// How many times as many samples of one class as of the other are learned from automatic teachers.
    pub balance: u32,
    /// Mail that our own people sent and the mail server took is ham.
    pub outbound: Automatic,
    /// Mail whose sender is proven and on an allow list is ham.
    pub welcome: Welcome,
    /// Mail that came to a trap is spam.
    pub trap: Trap,
    /// Mail that was not delivered, on evidence that no classifier gave, is spam.
    pub evidence: Evidence,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            samples: 50_000,
            log_mib: 1_024,
            queue: 1_000,
            snapshot_samples: 1_000,
            snapshot_minutes: 60,
            recent_days: 7,
            recent_mib: 2_048,
            held_out: 500,
            person_weight: 100,
            correction_weight: 300,
            corpus_weight: 100,
            share_percent: 1,
            share_floor: 20,
            person_share_percent: 25,
            person_share_floor: 200,
            balance: 3,
            outbound: Automatic {
                learn: true,
                weight: 25,
                per_day: 500,
            },
            welcome: Welcome::default(),
            trap: Trap::default(),
            evidence: Evidence::default(),
        }
    }
}

/// A teacher that is no person.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Automatic {
    /// Whether it teaches.
    pub learn: bool,
    /// How much it counts, in hundredths.
    pub weight: u32,
    /// The most that is learned from it in a day.
    pub per_day: u32,
}

impl Default for Automatic {
    fn default() -> Automatic {
        Automatic {
            learn: true,
            weight: 25,
            per_day: 500,
        }
    }
}

/// Mail that is welcome.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Welcome {
    /// Whether it teaches.
    pub learn: bool,
    /// How much it counts, in hundredths.
    pub weight: u32,
    /// The most that is learned from it in a day.
    pub per_day: u32,
    /// The findings that say that a sender is proven and on an allow list.
    pub tags: Vec<String>,
}

impl Default for Welcome {
    fn default() -> Welcome {
        Welcome {
            learn: true,
            weight: 25,
            per_day: 500,
            tags: vec!["whitelist.proven".into()],
        }
    }
}

/// Mail to traps.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Trap {
    /// Whether it teaches.
    pub learn: bool,
    /// How much it counts, in hundredths.
    pub weight: u32,
    /// The most that is learned from it in a day.
    pub per_day: u32,
    /// The findings that say that a trap was named.
    pub tags: Vec<String>,
}

impl Default for Trap {
    fn default() -> Trap {
        Trap {
            learn: true,
            weight: 50,
            per_day: 1_000,
            tags: vec!["conduct.trap".into()],
        }
    }
}

/// Evidence that no classifier gave.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Evidence {
    /// Whether it teaches.
    pub learn: bool,
    /// How much it counts, in hundredths.
    pub weight: u32,
    /// The most that is learned from it in a day.
    pub per_day: u32,
    /// What is enough: any one of these.
    pub rules: Vec<Rule>,
}

impl Default for Evidence {
    fn default() -> Evidence {
        Evidence {
            learn: true,
            weight: 50,
            per_day: 1_000,
            rules: vec![Rule::default()],
        }
    }
}

/// Findings of which several together are evidence.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// The findings; each counts once, if it has points and counts. `dnsbl.*` is every finding of `dnsbl`. Those of
    /// classifiers never count.
    pub tags: Vec<String>,
    /// Findings that a `*` does not mean.
    pub except: Vec<String>,
    /// How many different ones are enough.
    pub at_least: u32,
}

impl Default for Rule {
    /// Three blocklists that agree.
    fn default() -> Rule {
        let tags = |names: &[&str]| names.iter().map(|name| format!("dnsbl.{name}")).collect();
        Rule {
            tags: tags(&["*"]),
            except: tags(&[
                "unusable",
                "too_many_links",
                "unread",
                "broken",
                "disguised_link",
                "other_shown",
                "shortener",
            ]),
            at_least: 3,
        }
    }
}

impl Settings {
    /// What is wrong with them, each with its key.
    pub fn faults(&self) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        let mut fault = |key: &str, why: String| faults.push((key.to_owned(), why));
        for (key, value) in [
            ("person_weight", self.person_weight),
            ("correction_weight", self.correction_weight),
            ("corpus_weight", self.corpus_weight),
            ("outbound.weight", self.outbound.weight),
            ("welcome.weight", self.welcome.weight),
            ("trap.weight", self.trap.weight),
            ("evidence.weight", self.evidence.weight),
        ] {
            if !(1..=WEIGHT_MAX).contains(&value) {
                fault(key, format!("expected 1 to {WEIGHT_MAX} hundredths, found {value}"));
            }
        }
        for (key, value) in [
            ("share_percent", self.share_percent),
            ("person_share_percent", self.person_share_percent),
        ] {
            if value > 100 {
                fault(key, format!("expected at most 100, found {value}"));
            }
        }
        let most = u32::MAX;
        for (key, value, most) in [
            ("samples", self.samples, SAMPLES_MAX),
            ("log_mib", self.log_mib, most),
            ("queue", self.queue, QUEUE_MAX),
            ("snapshot_samples", self.snapshot_samples, SAMPLES_MAX),
            ("snapshot_minutes", self.snapshot_minutes, most),
            ("recent_mib", self.recent_mib, most),
            ("balance", self.balance, most),
            ("held_out", self.held_out, SAMPLES_MAX),
        ] {
            if value == 0 {
                fault(key, "expected at least 1".into());
            } else if value > most {
                fault(key, format!("expected at most {most}, found {value}"));
            }
        }
        for (key, percent, floor) in [
            ("share_floor", self.share_percent, self.share_floor),
            ("person_share_floor", self.person_share_percent, self.person_share_floor),
        ] {
            // A share of nothing yet is nothing: without a floor nobody could ever begin.
            if floor == 0 {
                fault(
                    key,
                    format!("expected at least 1: {percent} in a hundred of none is none"),
                );
            }
        }
        let rules = &self.evidence.rules;
        if rules.len() > RULES_MAX || rules.iter().any(|rule| rule.tags.len() > RULES_MAX) {
            fault(
                "evidence.rules",
                format!("expected at most {RULES_MAX} rules of at most {RULES_MAX} tags"),
            );
        }
        if rules.iter().any(|rule| rule.at_least == 0) {
            fault("evidence.rules", "expected at_least to be 1 or more".into());
        }
        faults
    }

    /// The most octets of the sample log.
    pub fn log_bytes(&self) -> u64 {
        u64::from(self.log_mib) << 20
    }

    /// The most octets of what is kept of delivered mail.
    pub fn recent_bytes(&self) -> u64 {
        u64::from(self.recent_mib) << 20
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_settings_have_no_fault_and_nonsense_is_told_by_its_key() {
        assert_eq!(Settings::default().faults(), []);
        let mut settings = Settings {
            samples: 0,
            share_percent: 101,
            ..Settings::default()
        };
        settings.outbound.weight = 0;
        let keys: Vec<String> = settings.faults().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["outbound.weight", "share_percent", "samples"]);
    }

    #[test]
    fn what_would_take_all_memory_or_teach_nothing_is_told_by_its_key() {
        let settings = Settings {
            samples: 1_000_001,
            queue: 100_001,
            held_out: 0,
            share_floor: 0,
            person_share_floor: 0,
            ..Settings::default()
        };
        let keys: Vec<String> = settings.faults().into_iter().map(|(key, _)| key).collect();
        assert_eq!(
            keys,
            ["samples", "queue", "held_out", "share_floor", "person_share_floor"]
        );
    }

    #[test]
    fn a_table_with_one_line_is_enough_and_a_word_that_is_none_of_ours_is_refused() {
        let settings: Settings = serde_json::from_str(r#"{"welcome":{"weight":10}}"#).unwrap();
        assert_eq!(settings.welcome.weight, 10);
        assert_eq!(settings.welcome.tags, ["whitelist.proven"]);
        assert!(serde_json::from_str::<Settings>(r#"{"weigth":1}"#).is_err());
    }
}
