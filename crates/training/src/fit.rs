//! The fit of the fusion: which member is worth how much, and how far spam lies from ham.

use gatepost_core::LogOdds;
use gatepost_core::kept::Label;
use gatepost_pipeline::Fusion;

/// What was learned of the members' words, before each mail was learned.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Fit {
    /// Ham and spam that was seen.
    seen: [u64; 2],
}

impl Fit {
    /// Learns from what the members said of a mail that turned out to be `label`. In the order of learning.
    pub fn learn(&mut self, _votes: &[(&'static str, LogOdds)], label: Label, _weight: u32) {
        self.seen[usize::from(label == Label::Spam)] += 1;
    }

    /// The fusion that follows.
    pub fn fusion(&self) -> Fusion {
        Fusion::default()
    }

    /// Ham and spam that it stands on.
    pub fn seen(&self) -> (u64, u64) {
        (self.seen[0], self.seen[1])
    }

    /// As octets.
    pub fn save(&self) -> Vec<u8> {
        self.seen.iter().flat_map(|n| n.to_le_bytes()).collect()
    }

    /// What was saved.
    pub fn load(saved: &[u8]) -> Option<Fit> {
        let (ham, rest) = saved.split_first_chunk::<8>()?;
        let spam = rest.first_chunk::<8>()?;
        Some(Fit {
            seen: [u64::from_le_bytes(*ham), u64::from_le_bytes(*spam)],
        })
    }
}
