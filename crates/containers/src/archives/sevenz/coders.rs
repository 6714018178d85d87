//! The steps by which a folder is unpacked.

use std::io::{self, Read};

use lzma_rust2::filter::bcj::BcjReader;
use lzma_rust2::filter::bcj2::Bcj2Reader;
use lzma_rust2::filter::delta::DeltaReader;
use lzma_rust2::{Lzma2Reader, LzmaReader};
use ruzstd::decoding::StreamingDecoder;

use super::super::bunzip::Bunzip;
use super::super::octets::{damage, le32, piece, size};
use super::super::single::WINDOW_MAX;
use super::HEAD;
use super::directory::{CODERS_MAX, Coder, Directory, Folder, Trouble};

type Stream<'a> = Box<dyn Read + 'a>;

/// What goes into a step.
enum Input<'a> {
    /// Octets of the archive.
    Packed(&'a [u8]),
    /// What another step makes.
    Made(Stream<'a>),
}

impl<'a> Input<'a> {
    fn stream(self) -> Stream<'a> {
        match self {
            Input::Packed(octets) => Box::new(octets),
            Input::Made(stream) => stream,
        }
    }
}

/// The content of a folder.
pub(super) fn open<'a>(octets: &'a [u8], directory: &Directory, folder: &Folder) -> Result<Stream<'a>, Trouble> {
    if folder.coders.iter().any(|coder| coder.id == [0x06, 0xf1, 0x07, 0x01]) {
        return Err(Trouble::Encrypted);
    }
    let stream = Steps {
        octets,
        directory,
        folder,
    }
    .output(folder.output(), 0)?;
    Ok(Box::new(Fused(Some(stream))))
}

/// A stream that is over once it failed: not every step bears to be asked again, and the next file of a folder asks.
struct Fused<'a>(Option<Stream<'a>>);

impl Read for Fused<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let stream = self.0.as_mut().ok_or_else(|| damage("the data before it is damaged"))?;
        let result = stream.read(into);
        if result.is_err() {
            self.0 = None;
        }
        result
    }
}

struct Steps<'a, 'd> {
    octets: &'a [u8],
    directory: &'d Directory,
    folder: &'d Folder,
}

impl<'a> Steps<'a, '_> {
    /// What comes out of an output; a chain longer than there are steps goes round.
    fn output(&self, number: u64, depth: usize) -> Result<Stream<'a>, Trouble> {
        if depth > CODERS_MAX {
            return Err(Trouble::Damaged("its steps go round"));
        }
        let (mut input, mut output) = (0, 0);
        for coder in &self.folder.coders {
            if number < output + coder.outputs {
                if coder.outputs != 1 {
                    return Err(Trouble::Unread);
                }
                let inputs = (input..input + coder.inputs)
                    .map(|input| self.input(input, depth + 1))
                    .collect::<Result<_, _>>()?;
                let size = self.folder.sizes.get(size(number)).copied().unwrap_or_default();
                return step(coder, inputs, size);
            }
            input += coder.inputs;
            output += coder.outputs;
        }
        Err(Trouble::Damaged("a step that is missing"))
    }

    fn input(&self, number: u64, depth: usize) -> Result<Input<'a>, Trouble> {
        if let Some((_, output)) = self.folder.bound.iter().find(|(input, _)| *input == number) {
            return self.output(*output, depth).map(Input::Made);
        }
        let missing = Trouble::Damaged("a packed stream that is missing");
        let place = self
            .folder
            .inputs
            .iter()
            .position(|input| *input == number)
            .ok_or(missing)?;
        let stream = self.folder.first + place;
        let len = self.directory.packed.get(stream).copied().ok_or(missing)?;
        let before: u64 = self
            .directory
            .packed
            .iter()
            .take(stream)
            .fold(0, |sum, len| sum.saturating_add(*len));
        let begin = (HEAD as u64)
            .saturating_add(self.directory.packed_at)
            .saturating_add(before);
        // Of what is cut short the begin is unpacked.
        let found = piece(self.octets, size(begin), size(len)).or_else(|| self.octets.get(size(begin)..));
        let found: &'a [u8] = found.ok_or(missing)?;
        Ok(Input::Packed(found))
    }
}

/// One step over its inputs, `size` being what it makes.
fn step<'a>(coder: &Coder, mut inputs: Vec<Input<'a>>, size: u64) -> Result<Stream<'a>, Trouble> {
    let wrong = Trouble::Damaged("a step without its settings");
    let properties = coder.properties.as_slice();
    if coder.id == [0x03, 0x03, 0x01, 0x1b] {
        let inputs: Vec<Stream<'a>> = inputs.into_iter().map(Input::stream).collect();
        return if inputs.len() == 4 {
            Ok(Box::new(Bcj2Reader::new(inputs, size)))
        } else {
            Err(wrong)
        };
    }
    let (Some(input), true) = (inputs.pop(), inputs.is_empty()) else {
        return Err(wrong);
    };
    if coder.id == [0x04, 0x02, 0x02] {
        // Our bzip2 reads octets in memory.
        return match input {
            Input::Packed(octets) => Ok(Box::new(Bunzip::new(octets))),
            Input::Made(_) => Err(Trouble::Unread),
        };
    }
    let input = input.stream();
    Ok(match coder.id.as_slice() {
        [0x00] => input,
        [0x21] => {
            let bits = *properties.first().ok_or(wrong)?;
            if bits > 40 {
                return Err(wrong);
            }
            // 2 or 3 shifted; the window grows with what is unpacked, no further than the largest that is followed.
            let window = (2 | u64::from(bits & 1)) << (bits / 2 + 11);
            let window = u32::try_from(window).unwrap_or(u32::MAX).clamp(4_096, WINDOW_MAX);
            Box::new(Lzma2Reader::new(input, window, None))
        }
        [0x03, 0x01, 0x01] => {
            let (first, window) = (*properties.first().ok_or(wrong)?, le32(properties, 1).ok_or(wrong)?);
            let window = window.clamp(4_096, WINDOW_MAX);
            Box::new(LzmaReader::new_with_props(input, size, first, window, None).map_err(|_| wrong)?)
        }
        [0x03] => Box::new(DeltaReader::new(
            input,
            usize::from(*properties.first().ok_or(wrong)?) + 1,
        )),
        [0x04] | [0x03, 0x03, 0x01, 0x03] => Box::new(BcjReader::new_x86(input, 0)),
        [0x05] | [0x03, 0x03, 0x02, 0x05] => Box::new(BcjReader::new_ppc(input, 0)),
        [0x06] | [0x03, 0x03, 0x04, 0x01] => Box::new(BcjReader::new_ia64(input, 0)),
        [0x07] | [0x03, 0x03, 0x05, 0x01] => Box::new(BcjReader::new_arm(input, 0)),
        [0x08] | [0x03, 0x03, 0x07, 0x01] => Box::new(BcjReader::new_arm_thumb(input, 0)),
        [0x09] | [0x03, 0x03, 0x08, 0x05] => Box::new(BcjReader::new_sparc(input, 0)),
        [0x0a] => Box::new(BcjReader::new_arm64(input, 0)),
        [0x04, 0x01, 0x08] => Box::new(flate2::read::DeflateDecoder::new(input)),
        [0x04, 0x01, 0x09] => Box::new(deflate64::Deflate64Decoder::new(input)),
        [0x04, 0xf7, 0x11, 0x01] => {
            Box::new(StreamingDecoder::new_with_max_window_size(input, u64::from(WINDOW_MAX)).map_err(|_| wrong)?)
        }
        _ => return Err(Trouble::Unread),
    })
}
