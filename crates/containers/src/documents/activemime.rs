//! Macros beside an Office document that is saved as a web page: a compound file, packed by zlib behind a short header.

use std::io::Read;

use flate2::read::ZlibDecoder;
use memchr::memmem;

use super::field::rest;
use super::{budget, give};
use crate::{Mark, Visit};

/// Octets from the front in which the packed begins.
const WITHIN: usize = 256;
/// Places that are tried.
const TRIES_MAX: usize = 8;

/// Gives the compound file.
pub(crate) fn read(octets: &[u8], visit: &mut dyn Visit) {
    visit.mark(Mark::Macro, "ActiveMime");
    let front = octets.get(..octets.len().min(WITHIN)).unwrap_or_default();
    let most = budget(octets.len());
    for at in memmem::find_iter(front, b"\x78").take(TRIES_MAX) {
        let mut found = Vec::new();
        let whole = ZlibDecoder::new(rest(octets, at))
            .take(most as u64)
            .read_to_end(&mut found)
            .is_ok();
        if found.starts_with(b"\xd0\xcf\x11\xe0") {
            if !whole || found.len() >= most {
                visit.mark(Mark::Damaged, "cut");
            }
            let _ = give(visit, "editdata", None, &found);
            return;
        }
    }
    visit.mark(Mark::Unread, "ActiveMime");
}
