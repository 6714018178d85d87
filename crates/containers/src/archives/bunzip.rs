//! bzip2.
//!
//! A stream is blocks of at most 900,000 octets, each sorted by Burrows and Wheeler's transform, moved to front, run
//! length coded and written in Huffman codes; a run of four octets is followed by a count of more of them.

use std::io::{self, Read};

use super::octets::damage;

const BLOCK: u64 = 0x3141_5926_5359;
const END: u64 = 0x1772_4538_5090;
const STEP: usize = 100_000;
const CODE_BITS_MAX: usize = 20;
const GROUP: usize = 50;
/// Bits of a code that are looked up at once, and bits of an entry that hold a length.
const LOOK: usize = 10;
const LENGTH_BITS: usize = 5;
const SYMBOLS_MAX: usize = 258;

/// Bits, the first the highest of its octet.
struct Bits<'a> {
    octets: &'a [u8],
    at: usize,
    held: u64,
    count: u32,
}

impl Bits<'_> {
    fn fill(&mut self) {
        while self.count <= 56 {
            let Some(octet) = self.octets.get(self.at) else { return };
            self.held = self.held << 8 | u64::from(*octet);
            self.at += 1;
            self.count += 8;
        }
    }

    /// The next `n` bits, at most 48.
    fn take(&mut self, n: u32) -> io::Result<u64> {
        if self.count < n {
            self.fill();
            if self.count < n {
                return Err(damage("it is cut short"));
            }
        }
        self.count -= n;
        Ok(self.held >> self.count & ((1 << n) - 1))
    }

    fn bit(&mut self) -> io::Result<bool> {
        Ok(self.take(1)? == 1)
    }

    /// Skips to the next whole octet.
    fn align(&mut self) {
        self.count -= self.count % 8;
    }

    /// Octets that are not yet read, the begun one left out.
    fn left(&self) -> usize {
        self.octets.len() - self.at + self.count as usize / 8
    }
}

/// A Huffman code: short codes are looked up; for each length the first code, and where its symbols begin.
struct Code {
    /// For the next [`LOOK`] bits symbol and length, the length in the lower [`LENGTH_BITS`]; nothing for longer codes.
    look: Vec<u16>,
    limit: [u32; CODE_BITS_MAX + 2],
    offset: [u32; CODE_BITS_MAX + 2],
    symbols: Vec<u16>,
}

impl Code {
    fn new(lengths: &[u8]) -> Code {
        let mut code = Code {
            look: vec![0; 1 << LOOK],
            limit: [0; CODE_BITS_MAX + 2],
            offset: [0; CODE_BITS_MAX + 2],
            symbols: Vec::new(),
        };
        let (mut next, mut seen) = (0_u32, 0_u32);
        for bits in 1..=CODE_BITS_MAX {
            next <<= 1;
            let before = code.symbols.len();
            for (symbol, _) in lengths
                .iter()
                .enumerate()
                .filter(|(_, length)| usize::from(**length) == bits)
            {
                code.symbols.push(u16::try_from(symbol).unwrap_or(u16::MAX));
            }
            let new = code.symbols.get(before..).unwrap_or_default();
            if bits <= LOOK {
                let width = 1_usize << (LOOK - bits);
                for (number, symbol) in new.iter().enumerate() {
                    let from = (next as usize + number).saturating_mul(width);
                    let entry = symbol << LENGTH_BITS | u16::try_from(bits).unwrap_or_default();
                    code.look
                        .iter_mut()
                        .skip(from)
                        .take(width)
                        .for_each(|slot| *slot = entry);
                }
            }
            let count = u32::try_from(new.len()).unwrap_or(u32::MAX);
            if let (Some(limit), Some(offset)) = (code.limit.get_mut(bits), code.offset.get_mut(bits)) {
                *offset = seen.wrapping_sub(next);
                next = next.wrapping_add(count);
                *limit = next;
            }
            seen = seen.wrapping_add(count);
        }
        code
    }

    fn read(&self, bits: &mut Bits<'_>) -> io::Result<u16> {
        if bits.count < LOOK as u32 {
            bits.fill();
        }
        if let Some(above) = bits.count.checked_sub(LOOK as u32) {
            let next = (bits.held >> above) as usize & ((1 << LOOK) - 1);
            let entry = self.look.get(next).copied().unwrap_or_default();
            if entry != 0 {
                bits.count -= u32::from(entry & ((1 << LENGTH_BITS) - 1));
                return Ok(entry >> LENGTH_BITS);
            }
        }
        let mut value = 0_u32;
        for length in 1..=CODE_BITS_MAX {
            value = value << 1 | u32::from(bits.bit()?);
            if let (Some(limit), Some(offset)) = (self.limit.get(length), self.offset.get(length))
                && value < *limit
            {
                let at = value.wrapping_add(*offset) as usize;
                return self
                    .symbols
                    .get(at)
                    .copied()
                    .ok_or_else(|| damage("a code that is none"));
            }
        }
        Err(damage("a code that is none"))
    }
}

/// Where the reader is.
enum State {
    Begin,
    Block,
    Ended,
}

/// The content of a bzip2 file.
pub(super) struct Bunzip<'a> {
    bits: Bits<'a>,
    state: State,
    level: usize,
    streams: usize,
    /// Of the block: each octet, with the place of the next one above it.
    chain: Vec<u32>,
    place: u32,
    left: usize,
    last: u8,
    run: u32,
    repeat: u32,
    crc: u32,
    declared: u32,
    whole: u32,
    wrong: bool,
}

impl<'a> Bunzip<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Bunzip<'a> {
        Bunzip {
            bits: Bits {
                octets,
                at: 0,
                held: 0,
                count: 0,
            },
            state: State::Begin,
            level: 0,
            streams: 0,
            chain: Vec::new(),
            place: 0,
            left: 0,
            last: 0,
            run: 0,
            repeat: 0,
            crc: u32::MAX,
            declared: 0,
            whole: 0,
            wrong: false,
        }
    }

    /// Octets behind the last stream, once it is over.
    pub(super) fn left(&self) -> Option<usize> {
        matches!(self.state, State::Ended).then(|| self.bits.left())
    }

    /// Begins a stream, if there is one.
    fn begin(&mut self) -> io::Result<()> {
        let left = self.bits.left();
        let head = self
            .bits
            .octets
            .get(self.bits.octets.len() - left..)
            .unwrap_or_default();
        let level = match head {
            [b'B', b'Z', b'h', level @ b'1'..=b'9', ..] => usize::from(level - b'0'),
            _ if self.streams > 0 => {
                self.state = State::Ended;
                return Ok(());
            }
            _ => return Err(damage("no bzip2 header")),
        };
        self.bits.take(32)?;
        self.streams += 1;
        self.level = level;
        self.whole = 0;
        self.state = State::Block;
        Ok(())
    }

    /// Reads the head of the next block, or the end of the stream.
    fn block(&mut self) -> io::Result<()> {
        match self.bits.take(48)? {
            BLOCK => {}
            END => {
                if self.bits.take(32)? != u64::from(self.whole) {
                    return Err(damage("its checksum is wrong"));
                }
                self.bits.align();
                self.state = State::Begin;
                return Ok(());
            }
            _ => return Err(damage("no block where one should be")),
        }
        self.declared = u32::try_from(self.bits.take(32)?).unwrap_or_default();
        if self.bits.bit()? {
            return Err(damage("a block in the old randomised form"));
        }
        let origin = self.bits.take(24)? as usize;
        let most = self.level * STEP;
        let (symbols, ends) = self.used()?;
        let selectors = self.tables(ends)?;
        self.symbols(&symbols, ends, &selectors, most)?;
        let len = self.chain.len();
        if origin >= len {
            return Err(damage("a block that begins outside itself"));
        }
        // The inverse of the transform: for each octet of the sorted column its place in the last one.
        let mut starts = [0_u32; 256];
        for entry in &self.chain {
            if let Some(start) = starts.get_mut((entry & 255) as usize) {
                *start += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            let count = *start;
            *start = sum;
            sum += count;
        }
        for at in 0..len {
            let octet = self.chain.get(at).map_or(0, |entry| entry & 255);
            if let Some(start) = starts.get_mut(octet as usize) {
                if let Some(entry) = self.chain.get_mut(*start as usize) {
                    *entry |= u32::try_from(at).unwrap_or_default() << 8;
                }
                *start += 1;
            }
        }
        self.place = self.chain.get(origin).map_or(0, |entry| entry >> 8);
        self.left = len;
        (self.run, self.repeat, self.crc) = (0, 0, u32::MAX);
        Ok(())
    }

    /// The octets that a block uses, and the number of the symbol that ends it.
    fn used(&mut self) -> io::Result<(Vec<u8>, u16)> {
        let groups = self.bits.take(16)?;
        let mut symbols = Vec::with_capacity(256);
        for group in 0..16_u8 {
            if groups >> (15 - group) & 1 == 0 {
                continue;
            }
            let within = self.bits.take(16)?;
            symbols.extend(
                (0..16_u8)
                    .filter(|bit| within >> (15 - bit) & 1 == 1)
                    .map(|bit| group * 16 + bit),
            );
        }
        let ends = u16::try_from(symbols.len() + 1).unwrap_or(u16::MAX);
        if symbols.is_empty() {
            Err(damage("a block without octets"))
        } else {
            Ok((symbols, ends))
        }
    }

    /// The codes, and which of them each group of 50 symbols uses.
    fn tables(&mut self, ends: u16) -> io::Result<Vec<std::rc::Rc<Code>>> {
        let tables = self.bits.take(3)? as usize;
        let count = self.bits.take(15)? as usize;
        if !(2..=6).contains(&tables) || count == 0 {
            return Err(damage("a block without codes"));
        }
        let mut order: Vec<usize> = (0..tables).collect();
        let mut chosen = Vec::with_capacity(count);
        for _ in 0..count {
            let mut front = 0;
            while self.bits.bit()? {
                front += 1;
                if front >= tables {
                    return Err(damage("a code that is none"));
                }
            }
            let table = order.remove(front);
            order.insert(0, table);
            chosen.push(table);
        }
        let mut codes = Vec::with_capacity(tables);
        for _ in 0..tables {
            let mut lengths = [0_u8; SYMBOLS_MAX];
            let mut length = self.bits.take(5)?;
            for slot in lengths.iter_mut().take(usize::from(ends) + 1) {
                loop {
                    if !(1..=CODE_BITS_MAX as u64).contains(&length) {
                        return Err(damage("a code of a length that is none"));
                    }
                    if !self.bits.bit()? {
                        break;
                    }
                    length = if self.bits.bit()? { length - 1 } else { length + 1 };
                }
                *slot = u8::try_from(length).unwrap_or_default();
            }
            codes.push(std::rc::Rc::new(Code::new(
                lengths.get(..=usize::from(ends)).unwrap_or_default(),
            )));
        }
        Ok(chosen
            .into_iter()
            .filter_map(|table| codes.get(table).cloned())
            .collect())
    }

    /// The symbols of a block as octets, in `chain`.
    fn symbols(&mut self, used: &[u8], ends: u16, selectors: &[std::rc::Rc<Code>], most: usize) -> io::Result<()> {
        let mut front: Vec<u8> = used.to_vec();
        let (mut run, mut weight) = (0_usize, 1_usize);
        self.chain.clear();
        for code in selectors {
            for _ in 0..GROUP {
                let symbol = code.read(&mut self.bits)?;
                if symbol < 2 {
                    // A run of the octet in front, its length in digits 1 and 2, the least first.
                    run = run.saturating_add(weight.saturating_mul(usize::from(symbol) + 1));
                    weight = weight.saturating_mul(2);
                    if run > most {
                        return Err(damage("a block that is too long"));
                    }
                    continue;
                }
                if run > 0 {
                    let octet = front.first().copied().unwrap_or_default();
                    if self.chain.len() + run > most {
                        return Err(damage("a block that is too long"));
                    }
                    self.chain.extend(std::iter::repeat_n(u32::from(octet), run));
                    (run, weight) = (0, 1);
                }
                if symbol == ends {
                    return Ok(());
                }
                let at = usize::from(symbol) - 1;
                if at >= front.len() || self.chain.len() >= most {
                    return Err(damage("a code that is none"));
                }
                if let Some(moved) = front.get_mut(..=at) {
                    moved.rotate_right(1);
                }
                let octet = front.first().copied().unwrap_or_default();
                self.chain.push(u32::from(octet));
            }
        }
        Err(damage("a block without an end"))
    }

    /// The next octet of the block before its runs are spread.
    fn next(&mut self) -> Option<u8> {
        self.left = self.left.checked_sub(1)?;
        let entry = *self.chain.get(self.place as usize)?;
        self.place = entry >> 8;
        Some((entry & 255) as u8)
    }

    /// The next octet of the content; `None` at the end of the block.
    fn octet(&mut self) -> Option<u8> {
        if self.repeat > 0 {
            self.repeat -= 1;
            return Some(self.last);
        }
        let octet = self.next()?;
        if self.run == 4 {
            self.run = 0;
            if octet == 0 {
                return self.octet_after_count();
            }
            self.repeat = u32::from(octet) - 1;
            return Some(self.last);
        }
        self.run = if self.run > 0 && octet == self.last {
            self.run + 1
        } else {
            1
        };
        self.last = octet;
        Some(octet)
    }

    /// After a count of nothing an octet begins a new run.
    fn octet_after_count(&mut self) -> Option<u8> {
        let octet = self.next()?;
        (self.run, self.last) = (1, octet);
        Some(octet)
    }
}

impl Read for Bunzip<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.wrong {
            return Err(damage("the checksum of a block is wrong"));
        }
        let mut done = 0;
        while done < into.len() && !self.wrong {
            if self.left == 0 && self.repeat == 0 {
                // What there is goes out before anything can fail.
                if done > 0 {
                    break;
                }
                match self.state {
                    State::Ended => break,
                    State::Begin => self.begin()?,
                    State::Block => self.block()?,
                }
                continue;
            }
            while let Some(slot) = into.get_mut(done) {
                let Some(octet) = self.octet() else { break };
                *slot = octet;
                done += 1;
                self.crc = self.crc << 8
                    ^ CRC
                        .get((self.crc >> 24 ^ u32::from(octet)) as usize)
                        .copied()
                        .unwrap_or_default();
            }
            if self.left == 0 && self.repeat == 0 {
                self.wrong = !self.crc != self.declared;
                self.whole = self.whole.rotate_left(1) ^ self.declared;
            }
        }
        if done == 0 && self.wrong {
            Err(damage("the checksum of a block is wrong"))
        } else {
            Ok(done)
        }
    }
}

/// The CRC-32 of bzip2: the polynomial of Ethernet, the highest bit first.
const CRC: [u32; 256] = {
    let mut table = [0; 256];
    let mut number = 0;
    while number < 256 {
        let mut value = (number as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 0x8000_0000 != 0 {
                value << 1 ^ 0x04c1_1db7
            } else {
                value << 1
            };
            bit += 1;
        }
        table[number] = value;
        number += 1;
    }
    table
};
