//! Message bodies: reading after 354, writing after the upstream's 354.
//!
//! **Invariant:** a message ends at CR LF . CR LF and at nothing else; the CR LF of the DATA command counts as its first
//! half. What the reader gives and what the writer writes is canonical: every line ends in CR LF and no other CR, LF or
//! NUL occurs, so whatever stands behind us sees one message, however lax it is.
//! **Absent on purpose:** a limit of size. The caller counts what it is given.

use memchr::memchr3;

/// What is done with a line end that is not CR LF.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Treat {
    /// It becomes CR LF.
    Normalise,
    /// The message is refused at its end.
    Refuse,
}

/// How strict the body reader is (P-03). Whatever it says, only CR LF . CR LF ends a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Strictness {
    /// For a bare LF that is no near miss of the dot line.
    pub bare_lf: Treat,
    /// For bare CR, NUL, and dot lines of which an end is not CR LF. Normalised, a bare CR becomes CR LF, a NUL is dropped.
    pub rest: Treat,
}

impl Default for Strictness {
    /// A bare LF is normalised, since honest software still sends it; the rest is refused.
    fn default() -> Strictness {
        Strictness {
            bare_lf: Treat::Normalise,
            rest: Treat::Refuse,
        }
    }
}

/// What the reader saw that was not canonical.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Notes {
    /// An LF without CR.
    pub bare_lf: bool,
    /// A CR without LF.
    pub bare_cr: bool,
    /// A NUL.
    pub nul: bool,
    /// A line of one dot of which an end is not CR LF: LF . LF, CR LF . CR CR LF and their family.
    pub near_miss: bool,
    /// A text line over 998 octets (RFC 5321 §4.5.3.1.6); passed on unchanged.
    pub long_line: bool,
}

/// What one call of [`BodyReader::read`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// How many octets of the input were used; all of them unless the message ended.
    pub used: usize,
    /// CR LF . CR LF was seen. What follows in the input is the next command.
    pub ended: bool,
}

/// The longest text line that is not noted as long, its end not counted (RFC 5321 §4.5.3.1.6).
const LONG_LINE: usize = 998;

/// Where the reader stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    /// Behind a true CR LF: a dot here was stuffed, or begins the end.
    Start,
    /// Behind CR LF and a dot, which is dropped.
    Dot,
    /// Behind CR LF . CR, and the CR was not passed on yet.
    DotCr,
    /// Within a line, or behind a line end that is not CR LF: a dot here is text.
    Text,
    /// Behind a CR in a line, which was not passed on yet.
    Cr,
    /// Behind the end.
    End,
}

/// What a line consists of so far, NULs not counted and stuffed dots counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Holds {
    Nothing,
    OneDot,
    More,
}

/// Reads what follows 354: finds the end, undoes the dots, makes line ends canonical.
///
/// A dot is undone at the start of a line behind a true CR LF only. One behind a line end that was not CR LF stays: the
/// sender, who stuffs dots behind CR LF, did not stuff it.
#[derive(Debug)]
pub struct BodyReader {
    strictness: Strictness,
    notes: Notes,
    at: At,
    holds: Holds,
    /// The line began behind something else than CR LF, or a NUL was dropped from it.
    odd: bool,
    /// Octets of the line so far, as passed on.
    length: usize,
}

impl BodyReader {
    /// A reader at the start of a body: the CR LF of the DATA command counts as the first half of the end.
    pub fn new(strictness: Strictness) -> BodyReader {
        BodyReader {
            strictness,
            notes: Notes::default(),
            at: At::Start,
            holds: Holds::Nothing,
            odd: false,
            length: 0,
        }
    }

    /// Reads `input` and appends to `out` the content: without stuffed dots, every line ended by CR LF. At most
    /// `2 * input.len() + 4` octets are appended. After the end nothing is read any more.
    pub fn read(&mut self, input: &[u8], out: &mut Vec<u8>) -> Progress {
        let mut run = Run {
            input,
            from: 0,
            next: 0,
            out,
        };
        while let Some(byte) = run.peek() {
            match (self.at, byte) {
                (At::Start, b'.') => {
                    run.drop_one();
                    self.at = At::Dot;
                }
                (At::Dot, b'\r') => {
                    run.drop_one();
                    self.at = At::DotCr;
                }
                (At::DotCr, b'\n') => {
                    run.drop_one();
                    self.at = At::End;
                    break;
                }
                (At::Cr, b'\n') => {
                    run.drop_one();
                    run.line_end();
                    self.end_line(true);
                }
                (At::Start, _) => self.at = At::Text,
                (At::Dot, _) => {
                    self.holds = Holds::OneDot;
                    self.at = At::Text;
                }
                (At::DotCr, _) => {
                    self.holds = Holds::OneDot;
                    self.bare_cr(&mut run);
                }
                (At::Cr, _) => self.bare_cr(&mut run),
                (At::Text, _) => self.text(&mut run),
                (At::End, _) => break,
            }
        }
        run.flush();
        Progress {
            used: run.next,
            ended: self.at == At::End,
        }
    }

    /// What was not canonical so far.
    pub fn notes(&self) -> Notes {
        self.notes
    }

    /// Whether what was seen so far must be refused under the strictness given.
    pub fn refused(&self) -> bool {
        let Notes {
            bare_lf,
            bare_cr,
            nul,
            near_miss,
            ..
        } = self.notes;
        (bare_lf && self.strictness.bare_lf == Treat::Refuse)
            || ((bare_cr || nul || near_miss) && self.strictness.rest == Treat::Refuse)
    }

    /// Reads text up to and with the next CR, LF or NUL.
    fn text(&mut self, run: &mut Run<'_, '_>) {
        let text = run.pass_text();
        self.length = self.length.saturating_add(text.len());
        self.notes.long_line |= self.length > LONG_LINE;
        self.holds = match (self.holds, text) {
            (holds, b"") => holds,
            (Holds::Nothing, b".") => Holds::OneDot,
            _ => Holds::More,
        };
        match run.peek() {
            Some(b'\r') if run.pass_line_end() => self.end_line(true),
            Some(b'\r') => {
                run.drop_one();
                self.at = At::Cr;
            }
            Some(b'\n') => {
                self.notes.bare_lf = true;
                run.drop_one();
                run.line_end();
                self.end_line(false);
            }
            Some(_) => {
                self.notes.nul = true;
                self.odd = true;
                run.drop_one();
            }
            None => {}
        }
    }

    /// The CR that was held back is followed by something else than LF, which is not read here.
    fn bare_cr(&mut self, run: &mut Run<'_, '_>) {
        self.notes.bare_cr = true;
        run.line_end();
        self.end_line(false);
    }

    fn end_line(&mut self, by_cr_lf: bool) {
        if self.holds == Holds::OneDot && (self.odd || !by_cr_lf) {
            self.notes.near_miss = true;
        }
        self.at = if by_cr_lf { At::Start } else { At::Text };
        self.odd = !by_cr_lf;
        self.holds = Holds::Nothing;
        self.length = 0;
    }
}

/// Writes a message after the upstream's 354: the one encoder for everything, inserted headers included (P-02).
///
/// What it is given may be cut anywhere and hold anything.
#[derive(Debug)]
pub struct BodyWriter {
    /// Behind CR LF, or at the very start.
    at_start: bool,
    /// Behind a CR that was not passed on yet.
    cr: bool,
}

impl Default for BodyWriter {
    fn default() -> BodyWriter {
        BodyWriter::new()
    }
}

impl BodyWriter {
    /// A writer at the start of a body.
    pub fn new() -> BodyWriter {
        BodyWriter {
            at_start: true,
            cr: false,
        }
    }

    /// Appends `content` to `out` as the wire wants it: CR LF line ends, leading dots doubled, no bare CR or LF, no NUL.
    pub fn write(&mut self, content: &[u8], out: &mut Vec<u8>) {
        let mut run = Run {
            input: content,
            from: 0,
            next: 0,
            out,
        };
        while let Some(byte) = run.peek() {
            if self.cr {
                self.cr = false;
                self.at_start = true;
                if byte == b'\n' {
                    run.drop_one();
                }
                run.line_end();
                continue;
            }
            if byte == b'.' && self.at_start {
                run.flush();
                run.out.push(b'.');
            }
            if !run.pass_text().is_empty() {
                self.at_start = false;
            }
            match run.peek() {
                Some(b'\r') if run.pass_line_end() => self.at_start = true,
                Some(b'\r') => {
                    run.drop_one();
                    self.cr = true;
                }
                Some(b'\n') => {
                    run.drop_one();
                    run.line_end();
                    self.at_start = true;
                }
                Some(_) => run.drop_one(),
                None => {}
            }
        }
        run.flush();
    }

    /// Ends the last line if it needs it and appends the dot line.
    pub fn finish(self, out: &mut Vec<u8>) {
        if self.cr || !self.at_start {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
    }
}

/// An input being copied: what is passed unchanged is gathered and copied in one piece.
struct Run<'i, 'o> {
    input: &'i [u8],
    /// `input[from..next]` is to be passed on.
    from: usize,
    next: usize,
    out: &'o mut Vec<u8>,
}

impl<'i> Run<'i, '_> {
    fn peek(&self) -> Option<u8> {
        self.input.get(self.next).copied()
    }

    /// Copies what was passed so far.
    fn flush(&mut self) {
        self.out
            .extend_from_slice(self.input.get(self.from..self.next).unwrap_or_default());
        self.from = self.next;
    }

    /// Reads one octet that is not passed on.
    fn drop_one(&mut self) {
        self.flush();
        self.next += 1;
        self.from = self.next;
    }

    /// Writes a line end of our own.
    fn line_end(&mut self) {
        self.flush();
        self.out.extend_from_slice(b"\r\n");
    }

    /// Passes on all up to the next CR, LF or NUL.
    fn pass_text(&mut self) -> &'i [u8] {
        let rest = self.input.get(self.next..).unwrap_or_default();
        let text = rest
            .get(..memchr3(b'\r', b'\n', 0, rest).unwrap_or(rest.len()))
            .unwrap_or_default();
        self.next += text.len();
        text
    }

    /// Passes on a CR LF if it stands whole in the input.
    fn pass_line_end(&mut self) -> bool {
        let whole = self.input.get(self.next..self.next.saturating_add(2)) == Some(b"\r\n");
        if whole {
            self.next += 2;
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAX: Strictness = Strictness {
        bare_lf: Treat::Normalise,
        rest: Treat::Normalise,
    };
    const STRICT: Strictness = Strictness {
        bare_lf: Treat::Refuse,
        rest: Treat::Refuse,
    };

    fn read(input: &[u8], strictness: Strictness) -> (Vec<u8>, Progress, BodyReader) {
        let mut reader = BodyReader::new(strictness);
        let mut out = Vec::new();
        let progress = reader.read(input, &mut out);
        (out, progress, reader)
    }

    fn content(input: &[u8]) -> Vec<u8> {
        read(input, LAX).0
    }

    fn encoded(content: &[u8]) -> Vec<u8> {
        let mut writer = BodyWriter::new();
        let mut out = Vec::new();
        writer.write(content, &mut out);
        writer.finish(&mut out);
        out
    }

    #[test]
    fn only_cr_lf_dot_cr_lf_ends_a_message() {
        for near_miss in [
            &b"\n.\n"[..],
            b"\n.\r\n",
            b"\r\n.\n",
            b"\r.\r",
            b"\r.\r\n",
            b"\r\n.\r",
            b"\r\n.\r\r\n",
            b"\r\n\0.\r\n",
            b"\r\n.\0\r\n",
        ] {
            let message = [b"Subject: a\r\n\r\nb", near_miss, b"MAIL FROM:<c@d>\r\n.\r\nQUIT\r\n"].concat();
            let (out, progress, reader) = read(&message, Strictness::default());
            assert!(progress.ended, "{near_miss:?}");
            assert_eq!(&message[progress.used..], b"QUIT\r\n", "{near_miss:?}");
            assert!(reader.notes().near_miss && reader.refused(), "{near_miss:?}");
            assert!(!out.contains(&0), "{near_miss:?}");
            assert!(!read(&message, LAX).2.refused());
        }
    }

    #[test]
    fn an_immediate_dot_is_an_empty_message() {
        let (out, progress, reader) = read(b".\r\nQUIT\r\n", STRICT);
        assert_eq!((out, progress), (vec![], Progress { used: 3, ended: true }));
        assert!(!reader.refused());
    }

    #[test]
    fn nothing_is_read_behind_the_end() {
        let (mut out, _, mut reader) = read(b"a\r\n.\r\n", STRICT);
        assert_eq!(reader.read(b"b\r\n", &mut out), Progress { used: 0, ended: true });
        assert_eq!(out, b"a\r\n");
    }

    #[test]
    fn dots_are_undone_behind_a_true_cr_lf_only() {
        assert_eq!(
            content(b"..a\r\n...\r\n.b\r\nc.\r\n..\r\n"),
            b".a\r\n..\r\nb\r\nc.\r\n.\r\n"
        );
        assert_eq!(content(b"a\n.b\r\n"), b"a\r\n.b\r\n");
        assert_eq!(content(b"a\r.b\r\n"), b"a\r\n.b\r\n");
        assert_eq!(content(b"\0.b\r\n"), b".b\r\n");
    }

    #[test]
    fn line_ends_become_canonical() {
        assert_eq!(
            content(b"a\nb\rc\r\nd\r\r\ne\n\rf\r\n"),
            b"a\r\nb\r\nc\r\nd\r\n\r\ne\r\n\r\nf\r\n"
        );
        assert_eq!(content(b"a\0b\r\0\n"), b"ab\r\n\r\n");
    }

    #[test]
    fn a_bare_lf_is_normalised_and_noted_and_the_rest_refused() {
        let default = Strictness::default();
        let (_, _, reader) = read(b"a\nb\r\n", default);
        assert!(reader.notes().bare_lf && !reader.notes().near_miss && !reader.refused());
        assert!(read(b"a\nb\r\n", STRICT).2.refused());
        assert!(read(b"a\rb\r\n", default).2.refused());
        assert!(read(b"a\0b\r\n", default).2.refused());
        assert!(read(b"a\r\n.\nb", default).2.refused());
        assert!(!read(b"a\r\n..\nb", default).2.refused());
        assert!(!read(b"a\nb.\n.c\n", default).2.refused());
        assert_eq!(read(b"a\r\nb.\r\n", STRICT).2.notes(), Notes::default());
    }

    #[test]
    fn a_dot_line_that_is_not_over_is_no_near_miss_yet() {
        assert!(!read(b"a\n.", LAX).2.notes().near_miss);
        assert!(!read(b"a\n.\r", LAX).2.notes().near_miss);
        assert!(!read(b"a\n.b\n", LAX).2.notes().near_miss);
    }

    #[test]
    fn a_long_line_is_noted_and_passed_on_unchanged() {
        let line = [b"..".as_slice(), &[b'x'; 997], b"\r\n"].concat();
        let (out, _, reader) = read(&line, STRICT);
        assert_eq!((out.len(), reader.notes().long_line), (1000, false));
        let line = [b"..".as_slice(), &[b'x'; 998], b"\r\n"].concat();
        let (out, _, reader) = read(&line, STRICT);
        assert_eq!(
            (out.len(), reader.notes().long_line, reader.refused()),
            (1001, true, false)
        );
    }

    #[test]
    fn what_is_written_is_one_canonical_message() {
        for (content, wire) in [
            (&b""[..], &b".\r\n"[..]),
            (b"a", b"a\r\n.\r\n"),
            (b"a\r", b"a\r\n.\r\n"),
            (b"a\n", b"a\r\n.\r\n"),
            (b"a\r\n", b"a\r\n.\r\n"),
            (b".\r\n..\r\n", b"..\r\n...\r\n.\r\n"),
            (b"a\n.\nb", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\r.\rb", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\r\n\0.\r\n", b"a\r\n..\r\n.\r\n"),
            (b"a\r\0\nb", b"a\r\n\r\nb\r\n.\r\n"),
            (b"\0", b".\r\n"),
        ] {
            assert_eq!(encoded(content), wire, "{content:?}");
        }
    }
}
