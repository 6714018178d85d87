//! Archives of RAR, by their version.
//!
//! Stored members are given with their content. Nobody but the maker of RAR may write its packer, and unpackers of the
//! forms are long: of packed members the names are given, and [`Mark::Unread`](crate::Mark::Unread).

use super::behind::RAR;
use super::{rar4, rar5};
use crate::{Mark, Visit};

/// Whether a head is one, and the header of the archive behind it is whole.
pub(super) fn is_head(octets: &[u8]) -> bool {
    match octets.strip_prefix(RAR) {
        Some([0, rest @ ..]) => rar4::is_begin(rest),
        Some([1, 0, rest @ ..]) => rar5::is_begin(rest),
        _ => false,
    }
}

/// Gives the members of an archive.
pub(super) fn read(octets: &[u8], visit: &mut dyn Visit) {
    match octets.strip_prefix(RAR) {
        Some([0, ..]) => rar4::read(octets, 7, visit),
        Some([1, 0, ..]) => rar5::read(octets, 8, visit),
        _ => visit.mark(Mark::Unread, "a version of RAR that we do not know"),
    }
}
