//! Slides in the binary form (MS-PPT): objects and macros are compound files within, packed by zlib.

use std::io::Read;

use flate2::read::ZlibDecoder;

use super::field::{rest, size_at, slice, u16_at};
use super::{budget, give};
use crate::{Flow, Mark, Visit};

/// Walks the records; those that hold others are stepped into, which needs no stack, since they lie one after another.
pub(crate) fn read(stream: &[u8], visit: &mut dyn Visit) -> Flow {
    let (mut at, mut left) = (0usize, budget(stream.len()));
    // Each record takes at least eight octets.
    for turn in 0..=stream.len() / 8 {
        let (Some(head), Some(id), Some(size)) = (
            u16_at(stream, at),
            u16_at(stream, at.saturating_add(2)),
            size_at(stream, at.saturating_add(4)),
        ) else {
            break;
        };
        let body = at.saturating_add(8);
        if head & 0x0f == 0x0f {
            at = body;
            continue;
        }
        let Some(data) = slice(stream, body, size) else {
            visit.mark(Mark::Damaged, "slides cut");
            break;
        };
        // ExOleObjStg, for which 1 in the upper bits means packed, behind its length.
        if id == 0x1011 {
            let mut unpacked = Vec::new();
            let octets = if head >> 4 == 1 {
                let done = ZlibDecoder::new(rest(data, 4))
                    .take(left as u64)
                    .read_to_end(&mut unpacked);
                if done.is_err() || unpacked.len() >= left || Some(unpacked.len()) != size_at(data, 0) {
                    visit.mark(Mark::Damaged, "object");
                }
                left = left.saturating_sub(unpacked.len());
                &unpacked
            } else {
                data
            };
            if give(visit, "object", None, octets) == Flow::Stop {
                return Flow::Stop;
            }
        }
        at = body.saturating_add(size);
        if turn % 1_024 == 1_023 && visit.is_over() {
            return Flow::Stop;
        }
    }
    Flow::On
}
