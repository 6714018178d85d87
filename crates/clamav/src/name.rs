//! The names that clamd gives to what it finds.

/// What clamd calls a mail that passes one of its own bounds, where `AlertExceedsMax` is on: it says that it did not look
/// at all of it.
pub const LIMITS: &str = "Heuristics.Limits.Exceeded*";

/// The name alone, without hash and size, which clamd adds in brackets where `ExtendedDetectionInfo` is on.
pub fn bare(name: &str) -> &str {
    let before = name.split_once('(').map_or(name, |(before, _)| before);
    if before.is_empty() { name } else { before }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_scanner::name::{is_like, told};

    #[test]
    fn a_bound_of_clamd_that_is_passed_is_known_by_its_name() {
        for name in ["Heuristics.Limits.Exceeded.MaxFileSize", "Heuristics.Limits.Exceeded"] {
            assert!(is_like(name, LIMITS), "{name}");
        }
    }

    #[test]
    fn a_stranger_is_told_neither_hash_nor_size() {
        for (name, plain) in [
            ("Eicar(44d88612:68)", "Eicar"),
            ("(null", "_null"),
            ("Win.Test.EICAR_HDB-1", "Win.Test.EICAR_HDB-1"),
        ] {
            assert_eq!(told(bare(name)), plain);
        }
    }
}
