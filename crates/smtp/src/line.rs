//! Command lines out of a stream of bytes, within a bound.
//!
//! **Invariant:** the lines and faults that come out depend on the bytes given, never on how they were cut, and an
//! unfinished line is held only up to the limit. Every LF ends a line, so that two readers of one stream never differ
//! on how many lines there are; whether that line is one to obey is what the fault says.
//! **Absent on purpose:** what a line means.

use memchr::memchr;

/// What ended a line or spoilt it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LineFault {
    /// Longer than the limit. The rest up to the next line end is skipped, not parsed as another command.
    TooLong,
    /// A CR that no LF follows, within the line.
    BareCr,
    /// It ends in LF without CR and that is not tolerated here.
    BareLf,
    /// It holds a NUL or another control character (HT is one, too).
    Control,
}

/// Bytes of a peer that were not read as lines yet.
#[derive(Debug, Default)]
pub struct Lines {
    buffer: Vec<u8>,
    /// Where the unread bytes begin.
    start: usize,
    /// Up to where they hold no LF.
    scanned: usize,
    /// The line at `start` was too long; what came of it is gone already.
    skipping: bool,
}

impl Lines {
    /// No bytes, no allocation.
    pub const fn new() -> Lines {
        Lines {
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
            skipping: false,
        }
    }

    /// Takes bytes as they came. Give no more while [`next`](Lines::next) has lines left that nobody wants yet: what
    /// is given is held.
    pub fn give(&mut self, bytes: &[u8]) {
        let mut bytes = bytes;
        if self.is_empty() {
            self.clear_read();
            if self.skipping {
                // Of a line that is too long only its end is of interest.
                let Some(end) = memchr(b'\n', bytes) else {
                    return;
                };
                bytes = bytes.get(end..).unwrap_or_default();
            }
        } else if self.start >= self.buffer.len() - self.start {
            // Moving less than what is freed keeps the cost per byte constant.
            self.buffer.drain(..self.start);
            self.scanned = self.scanned.saturating_sub(self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole line without its end, or what is wrong with it; `None` until its end has come.
    ///
    /// `limit` is the most octets of a line, its end not counted. A line that ends in LF alone is a line where
    /// `lf_tolerated` says so, and [`LineFault::BareLf`] elsewhere. A faulty line has been consumed to its end.
    #[allow(clippy::should_implement_trait)] // it lends from itself and has arguments
    pub fn next(&mut self, limit: usize, lf_tolerated: bool) -> Option<Result<&[u8], LineFault>> {
        let from = self.scanned.max(self.start);
        let Some(found) = memchr(b'\n', self.buffer.get(from..)?) else {
            // One more than the limit may still be the CR of a line that just fits.
            if self.skipping || self.pending() > limit.saturating_add(1) {
                self.skipping = true;
                self.clear_read();
            }
            self.scanned = self.buffer.len();
            return None;
        };
        let line = self.buffer.get(self.start..from + found).unwrap_or_default();
        self.start = from + found + 1;
        self.scanned = self.start;
        let skipped = std::mem::take(&mut self.skipping);
        let (text, bare_lf) = match line.strip_suffix(b"\r") {
            Some(text) => (text, false),
            None => (line, true),
        };
        Some(if skipped || text.len() > limit {
            Err(LineFault::TooLong)
        } else if let Some(bad) = text.iter().find(|b| b.is_ascii_control()) {
            Err(if *bad == b'\r' {
                LineFault::BareCr
            } else {
                LineFault::Control
            })
        } else if bare_lf && !lf_tolerated {
            Err(LineFault::BareLf)
        } else {
            Ok(text)
        })
    }

    /// How many bytes are held that no line took.
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Whether no bytes are held.
    pub fn is_empty(&self) -> bool {
        self.pending() == 0
    }

    /// Takes out all unread bytes, which are no lines: a body.
    pub fn take(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.buffer);
        bytes.drain(..self.start);
        self.clear();
        bytes
    }

    /// The unread bytes, for a reader that may use only some of them; tell [`consume`](Lines::consume) how many.
    pub fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Drops the first `count` unread bytes, or all if there are fewer.
    pub fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.buffer.len());
        self.scanned = self.scanned.max(self.start);
    }

    /// Forgets everything, an unfinished line included: after STARTTLS nothing said before counts.
    pub fn clear(&mut self) {
        self.clear_read();
        self.skipping = false;
    }

    /// Frees the memory if no bytes are held.
    pub fn release(&mut self) {
        if self.is_empty() {
            self.clear_read();
            self.buffer = Vec::new();
        }
    }

    fn clear_read(&mut self) {
        self.buffer.clear();
        self.start = 0;
        self.scanned = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &[u8], limit: usize, lf: bool) -> Vec<Result<Vec<u8>, LineFault>> {
        let mut lines = Lines::new();
        lines.give(input);
        let mut all = Vec::new();
        while let Some(line) = lines.next(limit, lf) {
            all.push(line.map(<[u8]>::to_vec));
        }
        all
    }

    #[test]
    fn a_line_ends_in_cr_lf() {
        assert_eq!(
            lines(b"NOOP\r\nQUIT\r\nRS", 10, false),
            [Ok(b"NOOP".to_vec()), Ok(b"QUIT".to_vec())]
        );
    }

    #[test]
    fn lf_alone_is_a_line_end_only_where_it_is_tolerated() {
        assert_eq!(lines(b"NOOP\n", 10, true), [Ok(b"NOOP".to_vec())]);
        assert_eq!(
            lines(b"NOOP\nQUIT\r\n", 10, false),
            [Err(LineFault::BareLf), Ok(b"QUIT".to_vec())]
        );
    }

    #[test]
    fn a_bare_cr_a_nul_and_a_tab_spoil_the_whole_line() {
        assert_eq!(lines(b"RCPT TO:<a\rQUIT\r\n", 99, true), [Err(LineFault::BareCr)]);
        assert_eq!(lines(b"QUIT\r\r\n", 99, true), [Err(LineFault::BareCr)]);
        assert_eq!(lines(b"MAIL\0\r\n", 99, true), [Err(LineFault::Control)]);
        assert_eq!(lines(b"MAIL\tFROM\r\n", 99, true), [Err(LineFault::Control)]);
        assert_eq!(lines(b"\x7f\r\n", 99, true), [Err(LineFault::Control)]);
    }

    #[test]
    fn a_line_too_long_is_one_fault_and_its_tail_no_command() {
        assert_eq!(lines(b"0123456789\r\n", 10, false), [Ok(b"0123456789".to_vec())]);
        let mut input = vec![b'x'; 10_000];
        input.extend_from_slice(b" RCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\n");
        assert_eq!(
            lines(&input, 2048, false),
            [Err(LineFault::TooLong), Ok(b"RCPT TO:<c@d>".to_vec())]
        );
    }

    #[test]
    fn an_endless_line_is_not_held() {
        let mut lines = Lines::new();
        for _ in 0..1000 {
            lines.give(&[b'x'; 1000]);
            assert_eq!(lines.next(2048, false), None);
            assert!(lines.pending() <= 2049);
            assert!(lines.buffer.capacity() <= 8192);
        }
        lines.give(b"\r\n");
        assert_eq!(lines.next(2048, false), Some(Err(LineFault::TooLong)));
        assert_eq!(lines.next(2048, false), None);
    }

    #[test]
    fn a_parked_reader_holds_no_memory() {
        let mut lines = Lines::new();
        lines.give(b"NOOP\r\n");
        assert!(lines.next(99, false).is_some());
        lines.release();
        assert_eq!(lines.buffer.capacity(), 0);
        lines.give(b"QUI");
        lines.release();
        assert_eq!(lines.pending(), 3);
    }

    #[test]
    fn what_is_no_line_can_be_taken_out() {
        let mut lines = Lines::new();
        lines.give(b"DATA\r\nSubject: x\r\n");
        assert!(lines.next(99, false).is_some());
        assert_eq!(lines.unread(), b"Subject: x\r\n");
        lines.consume(3);
        assert_eq!(lines.take(), b"ject: x\r\n");
        assert!(lines.is_empty());
    }
}
