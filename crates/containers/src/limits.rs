//! How far a file is followed.

/// Bounds of one examination (S-08). Passing one is a [`Mark`](crate::Mark) of the item where it was passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Containers within containers; at most [`Limits::DEPTH_MAX`].
    pub depth: usize,
    /// Files in all containers together.
    pub files: usize,
    /// Octets unpacked, of all files together.
    pub octets: u64,
    /// Octets that are in memory at once, unpacked files that are looked into; of a larger one only its begin is seen.
    pub memory: usize,
    /// How many times larger the unpacked may be than the packed, once it is larger than a megabyte.
    pub ratio: u64,
    /// Whether [`Item::sha256`](crate::Item::sha256) is wanted: it takes a quarter of the time that unpacking takes.
    pub hashes: bool,
}

impl Limits {
    /// The deepest that can be asked for: readers call one another this deep.
    pub const DEPTH_MAX: usize = 16;
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            depth: 5,
            files: 1_000,
            octets: 100 * 1_024 * 1_024,
            memory: 64 * 1_024 * 1_024,
            ratio: 100,
            hashes: true,
        }
    }
}
