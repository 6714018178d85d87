//! Block reports: which mail of somebody's was refused or kept back, why, and how they get it.

/// What somebody asks for, in the subject of their mail: `N [regex]`, `+N`, `-`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Days back from now.
    pub days: u16,
    /// What is left out, in place of the usual (viruses, denied senders): a pattern.
    pub without: Option<String>,
    /// From now on each day (`+`), or no longer (`-`).
    pub daily: Option<bool>,
}
