//! The LZW of compress (`.Z`).
//!
//! Codes of 9 to at most 16 bits, the least bit first; a change of their width skips to the next group of eight codes.

use std::io::{self, Read};

use super::octets::damage;

const CLEAR: u16 = 256;
const BITS_MIN: u32 = 9;
const BITS_MAX: u32 = 16;

/// The content of a compress file.
pub(super) struct Unlzw<'a> {
    octets: &'a [u8],
    /// Next bit of `octets`, behind the head of three octets.
    bit: usize,
    /// Where the group of codes of this width begins.
    group: usize,
    width: u32,
    width_max: u32,
    block: bool,
    /// For each code from 256 on, the code before its last octet, and that octet.
    prefix: Vec<u16>,
    suffix: Vec<u8>,
    last: Option<u16>,
    first: u8,
    /// What is unpacked and not yet given, its end first.
    pending: Vec<u8>,
    wrong: bool,
}

impl<'a> Unlzw<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Unlzw<'a> {
        let flags = octets.get(2).copied().unwrap_or_default();
        let width_max = u32::from(flags & 31);
        Unlzw {
            octets: octets.get(3..).unwrap_or_default(),
            bit: 0,
            group: 0,
            width: BITS_MIN,
            width_max,
            block: flags & 128 != 0,
            prefix: Vec::new(),
            suffix: Vec::new(),
            last: None,
            first: 0,
            pending: Vec::new(),
            wrong: !(BITS_MIN..=BITS_MAX).contains(&width_max),
        }
    }

    /// The number of the next code to be defined.
    fn free(&self) -> usize {
        257 - usize::from(!self.block) + self.prefix.len()
    }

    /// Sets a width; codes are padded to a group of eight.
    fn set_width(&mut self, width: u32) {
        let group = self.width as usize * 8;
        let used = self.bit - self.group;
        self.bit = self.group + used.div_ceil(group) * group;
        self.group = self.bit;
        self.width = width;
    }

    fn code(&mut self) -> Option<u16> {
        if self.width < self.width_max && self.free() + usize::from(self.last.is_some()) > (1 << self.width) {
            self.set_width(self.width + 1);
        }
        let (at, shift) = (self.bit / 8, self.bit % 8);
        let end = self.bit.checked_add(self.width as usize)?;
        if end > self.octets.len() * 8 {
            return None;
        }
        let mut value = 0_u32;
        for (number, octet) in self.octets.get(at..)?.iter().take(3).enumerate() {
            value |= u32::from(*octet) << (8 * number);
        }
        self.bit = end;
        u16::try_from((value >> shift) & ((1 << self.width) - 1)).ok()
    }

    /// Unpacks the next code to `pending`; `false` at the end.
    fn step(&mut self) -> io::Result<bool> {
        let Some(code) = self.code() else { return Ok(false) };
        if code == CLEAR && self.block {
            self.prefix.clear();
            self.suffix.clear();
            self.last = None;
            self.set_width(BITS_MIN);
            return Ok(true);
        }
        let base = self.free() - self.prefix.len();
        let known = base + self.prefix.len();
        let mut at = code;
        if usize::from(code) >= known {
            // The code that is about to be defined: what came last, and its first octet again.
            let Some(last) = self.last.filter(|_| usize::from(code) == known) else {
                return Err(damage("a code before it is defined"));
            };
            self.pending.push(self.first);
            at = last;
        }
        while usize::from(at) >= base {
            let number = usize::from(at) - base;
            let (Some(prefix), Some(suffix)) = (self.prefix.get(number), self.suffix.get(number)) else {
                return Err(damage("a code before it is defined"));
            };
            self.pending.push(*suffix);
            at = *prefix;
        }
        self.first = u8::try_from(at).map_err(|_| damage("a code before it is defined"))?;
        self.pending.push(self.first);
        if let Some(last) = self.last
            && known < 1 << self.width_max
        {
            self.prefix.push(last);
            self.suffix.push(self.first);
        }
        self.last = Some(code);
        Ok(true)
    }
}

impl Read for Unlzw<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.wrong {
            return Err(damage("codes of a width that is none"));
        }
        let mut done = 0;
        for slot in into.iter_mut() {
            while self.pending.is_empty() {
                if !self.step()? {
                    return Ok(done);
                }
            }
            *slot = self.pending.pop().unwrap_or_default();
            done += 1;
        }
        Ok(done)
    }
}
