//! How members of a zip archive are packed (APPNOTE 4.4.5).

use std::io::{BufRead, Read};

use super::super::bunzip::Bunzip;
use super::super::octets::Paced;
use super::super::single::{LZMA_MEMORY, WINDOW_MAX};
use super::member::Counted;

/// Whether data of this method tells by itself where it ends, to the octet.
pub(super) fn ends_itself(method: u16) -> bool {
    matches!(method, 8 | 9)
}

/// What unpacks data of a method; `None` if we cannot.
pub(super) fn open<'a>(
    method: u16,
    flags: u16,
    mut data: Counted<'a, 'a>,
    size: Option<u64>,
) -> Option<Box<dyn Read + 'a>> {
    Some(match method {
        0 => Box::new(data),
        8 => Box::new(flate2::bufread::DeflateDecoder::new(Paced::new(data))),
        9 => Box::new(deflate64::Deflate64Decoder::with_buffer(Paced::new(data))),
        12 => Box::new(Bunzip::new(data.rest)),
        14 => {
            // Version of the packer, length of the properties, properties (APPNOTE 5.8).
            let head = data.rest.get(4..9)?;
            let (properties, window) = head.split_first()?;
            let window = u32::from_le_bytes(window.try_into().ok()?);
            data.consume(9);
            // Flag 1 says that a mark ends the data instead of its size.
            let size = size.filter(|_| flags & 2 == 0).unwrap_or(u64::MAX);
            let window = window.clamp(4_096, WINDOW_MAX);
            Box::new(lzma_rust2::LzmaReader::new_with_props(data, size, *properties, window, None).ok()?)
        }
        20 | 93 => {
            Box::new(ruzstd::decoding::StreamingDecoder::new_with_max_window_size(data, u64::from(WINDOW_MAX)).ok()?)
        }
        95 => Box::new(lzma_rust2::XzReader::new_mem_limit(data, true, LZMA_MEMORY)),
        _ => return None,
    })
}
