//! Parts of a mail replaced by a note: the one edit of a body.
//!
//! **Invariant:** what is not replaced stays octet for octet; a mail of which nothing is replaced is not touched. The
//! note stands as a part of its own in the place of what it replaces, and can neither end a part nor begin one. Nothing
//! of the mail is copied: the new body tells where its octets lie in the old one.
//!
//! Where the mail itself is what is replaced, as it has no parts, its fields `Content-*` go with it and those of the note
//! come.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::content::Content;
use crate::edit::Edit;
use crate::message::Message;
use crate::reading::enclosed::{Stands, Stretch};

/// Octets of a note; what follows is cut off.
pub const NOTE_MAX: usize = 4_096;
/// Stretches of one replacement; of more the whole content of the mail is replaced.
pub const STRETCHES_MAX: usize = 1_000;
/// Octets of a line of a note as it is written (RFC 2045 section 6.7).
const LINE_MAX: usize = 76;

/// Stretches of a mail and the note that stands in the place of each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replacement {
    stretches: Vec<Stretch>,
    note: Box<str>,
}

impl Replacement {
    /// Replaces these stretches, as [`Message::enclosed`] gave them for the same message, by any text; its lines end with
    /// LF or CR LF.
    pub fn new(stretches: impl IntoIterator<Item = Stretch>, note: &str) -> Replacement {
        let mut stretches: Vec<Stretch> = stretches.into_iter().take(STRETCHES_MAX + 1).collect();
        if stretches.len() > STRETCHES_MAX {
            stretches = vec![Stretch {
                from: 0,
                to: u64::MAX,
                kind: Stands::Mail,
            }];
        }
        Replacement {
            stretches,
            note: note
                .get(..note.floor_char_boundary(NOTE_MAX))
                .unwrap_or_default()
                .into(),
        }
    }
}

/// What becomes of a message by its replacements.
pub(crate) struct Replaced {
    pub(crate) body: Arc<dyn Content>,
    /// The fields that describe the body now, where it is new as a whole.
    pub(crate) fields: Option<Vec<u8>>,
}

/// Carries out the replacements in a list; `None` where there is none.
pub(crate) fn replaced(edits: &[Edit], message: &Message) -> Option<Replaced> {
    let len = message.body().len();
    let mut all: Vec<(Stretch, usize, &str)> = Vec::new();
    let replacements = edits.iter().filter_map(|edit| match edit {
        Edit::Replace(replacement) => Some(replacement),
        _ => None,
    });
    for (order, replacement) in replacements.enumerate() {
        for stretch in &replacement.stretches {
            let (from, to) = (stretch.from.min(len), stretch.to.min(len));
            if stretch.kind == Stands::Mail {
                let mut fields = Vec::new();
                if message.headers().get("MIME-Version").is_none() {
                    fields.extend_from_slice(b"MIME-Version: 1.0\r\n");
                }
                let text = Text::of(&replacement.note);
                fields.extend_from_slice(&text.fields());
                return Some(Replaced {
                    body: Arc::new(Bytes::from(text.octets)),
                    fields: Some(fields),
                });
            }
            if from <= to {
                let kind = stretch.kind;
                all.push((Stretch { from, to, kind }, order, &replacement.note));
            }
        }
    }
    if all.is_empty() {
        return None;
    }
    // The longest first of those that begin together, so that what it covers joins it.
    all.sort_by_key(|(stretch, order, _)| (stretch.from, std::cmp::Reverse(stretch.to), *order));
    let mut joined: Vec<(Stretch, usize, &str)> = Vec::new();
    for (stretch, order, note) in all {
        match joined.last_mut() {
            Some((last, first, words)) if stretch.from < last.to || stretch == *last => {
                last.to = last.to.max(stretch.to);
                if order < *first {
                    (*first, *words) = (order, note);
                }
            }
            _ => joined.push((stretch, order, note)),
        }
    }
    let mut spliced = Spliced {
        original: message.body().clone(),
        pieces: Vec::new(),
        len: 0,
    };
    let mut at = 0;
    for (stretch, _, note) in joined {
        spliced.push(Piece::Original(at), stretch.from - at);
        let written = match stretch.kind {
            Stands::Outside => outside(note),
            _ => {
                let text = Text::of(note);
                [text.fields().as_slice(), b"\r\n", &text.octets].concat()
            }
        };
        let len = written.len() as u64;
        spliced.push(Piece::New(written.into()), len);
        at = stretch.to;
    }
    spliced.push(Piece::Original(at), len - at);
    Some(Replaced {
        body: Arc::new(spliced),
        fields: None,
    })
}

/// A note as the content of a part.
struct Text {
    octets: Vec<u8>,
    encoded: bool,
}

impl Text {
    fn of(note: &str) -> Text {
        // What could be taken for a boundary or an mbox line is written so that it cannot.
        let is_plain = |line: &str| {
            line.len() <= LINE_MAX
                && line.bytes().all(|b| matches!(b, b' '..=b'~' | b'\t'))
                && !line.starts_with("--")
                && !line.starts_with("From ")
                && !line.ends_with([' ', '\t'])
        };
        let encoded = !note.lines().all(is_plain);
        let mut octets = Vec::with_capacity(note.len() + 2);
        for line in note.lines() {
            if encoded {
                quote(line, &mut octets);
            } else {
                octets.extend_from_slice(line.as_bytes());
            }
            octets.extend_from_slice(b"\r\n");
        }
        if octets.is_empty() {
            octets.extend_from_slice(b"\r\n");
        }
        Text { octets, encoded }
    }

    fn fields(&self) -> Vec<u8> {
        let transfer = if self.encoded { "quoted-printable" } else { "7bit" };
        format!(
            "Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: inline\r\n\
             Content-Transfer-Encoding: {transfer}\r\n"
        )
        .into_bytes()
    }
}

/// Writes a line in quoted-printable (RFC 2045 section 6.7).
fn quote(line: &str, out: &mut Vec<u8>) {
    let (mut width, last) = (0, line.len().saturating_sub(1));
    for (at, octet) in line.bytes().enumerate() {
        let blank = matches!(octet, b' ' | b'\t');
        let plain = (matches!(octet, b'!'..=b'~') && octet != b'=') || (blank && at < last);
        if width + if plain { 1 } else { 3 } >= LINE_MAX {
            out.extend_from_slice(b"=\r\n");
            width = 0;
        }
        if plain && !(width == 0 && matches!(octet, b'-' | b'F' | b'.')) {
            out.push(octet);
            width += 1;
        } else {
            out.extend_from_slice(format!("={octet:02X}").as_bytes());
            width += 3;
        }
    }
}

/// A note where no header can say what it is.
fn outside(note: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for line in note.lines() {
        if line.starts_with('-') {
            out.push(b' ');
        }
        out.extend(
            line.chars()
                .map(|c| if matches!(c, ' '..='~') { c as u8 } else { b'?' }),
        );
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[derive(Debug)]
enum Piece {
    /// From here on in the original.
    Original(u64),
    New(Bytes),
}

/// A body with pieces of its own.
#[derive(Debug)]
struct Spliced {
    original: Arc<dyn Content>,
    /// Each with where it begins; none is empty.
    pieces: Vec<(u64, Piece)>,
    len: u64,
}

impl Spliced {
    fn push(&mut self, piece: Piece, len: u64) {
        if len > 0 {
            self.pieces.push((self.len, piece));
            self.len = self.len.saturating_add(len);
        }
    }

    /// Reads within one piece.
    fn read_piece(&self, at: u64, out: &mut [u8]) -> io::Result<usize> {
        let index = self.pieces.partition_point(|(begins, _)| *begins <= at);
        let Some((begins, piece)) = index.checked_sub(1).and_then(|index| self.pieces.get(index)) else {
            return Ok(0);
        };
        let ends = self.pieces.get(index).map_or(self.len, |(next, _)| *next);
        let left = usize::try_from(ends.saturating_sub(at)).unwrap_or(usize::MAX);
        let room = left.min(out.len());
        let out = out.get_mut(..room).unwrap_or_default();
        let within = at.saturating_sub(*begins);
        match piece {
            Piece::Original(from) => self.original.read_at(from.saturating_add(within), out),
            Piece::New(bytes) => bytes.read_at(within, out),
        }
    }
}

impl Content for Spliced {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.read_piece(at.saturating_add(done as u64), rest)? {
                0 => break,
                n => done += n,
            }
        }
        Ok(done)
    }
}
