//! One reader's walk over a mail: its parts in one pass over its lines, as [`parts`](crate::reading::parts) finds those
//! of the usual reader, but with the octets of each.
//!
//! **Invariant:** nothing recurses: open multiparts are a stack of at most [`DEPTH_MAX`], mails that came encoded wait in
//! a list of bounded size, and one part is in memory at a time.

use std::ops::ControlFlow;

use bytes::Bytes;

use crate::Message;
use crate::content::Content;
use crate::header::{HEAD_MAX, Headers, Line};
use crate::reading::decode::Transfer;
use crate::reading::lines::each_line;
use crate::reading::parts::{BODY_MAX, BOUNDARIES_MAX, DEPTH_MAX, PARTS_MAX, delimits};

use super::given::Given;
use super::part::{Holds, Kept, Part, Seen, Start, Within, stands};
use super::reader::{Doubts, Ends, Reader};
use super::said::Said;
use super::{Stretch, Survey, WITHIN_MAX};

pub(super) struct Open {
    boundaries: Vec<Vec<u8>>,
    pub(super) depth: usize,
    digest: bool,
}

enum At {
    Outside(Kept),
    Head {
        head: Vec<u8>,
        depth: usize,
        digest: bool,
        from: u64,
        /// Within a line that is passed over.
        over: bool,
    },
    Body(Part, Holds, Kept),
}

pub(super) struct Walk<'w, 't> {
    pub(super) reader: Reader,
    pub(super) most: usize,
    spent: &'w dyn Fn() -> bool,
    pub(super) given: &'w mut Given<'t>,
    pub(super) survey: &'w mut Survey,
    pub(super) doubts: Doubts,
    /// What is in doubt by the walks before.
    pub(super) settled: Doubts,
    /// Parts that were counted, of at most [`PARTS_MAX`].
    count: usize,
    full: bool,
    pub(super) number: usize,
    pub(super) open: Vec<Open>,
    /// Messages that stand unencoded, each with the number of multiparts around it.
    pub(super) messages: Vec<(Part, usize)>,
    at: At,
    /// Whether it is the mail's own header that is read.
    in_head: bool,
    /// Octets walked, and of them those before the mail's body.
    pub(super) pos: u64,
    pub(super) before: u64,
    /// The stretch of what is walked, where it is not the mail itself.
    pub(super) around: Option<Stretch>,
    pub(super) seen: Seen,
    pub(super) within: Vec<Within>,
    pub(super) room: usize,
    work: u64,
}

impl<'w, 't> Walk<'w, 't> {
    pub(super) fn new(
        reader: Reader,
        settled: Doubts,
        most: usize,
        spent: &'w dyn Fn() -> bool,
        given: &'w mut Given<'t>,
        survey: &'w mut Survey,
    ) -> Walk<'w, 't> {
        Walk {
            reader,
            most,
            spent,
            given,
            survey,
            doubts: settled,
            settled,
            count: 1,
            full: false,
            number: 0,
            open: Vec::new(),
            messages: Vec::new(),
            at: At::Outside(Kept::default()),
            in_head: false,
            pos: 0,
            before: 0,
            around: None,
            seen: Seen::Surely,
            within: Vec::new(),
            room: most,
            work: WITHIN_MAX,
        }
    }

    pub(super) fn mail(&mut self, message: &Message) {
        let head = message.head();
        if self.reader.ends != Ends::Early && !self.reader.bare && !self.reader.root {
            self.doubts.root |= message.unseparated();
            self.doubts.early |= head.split(|b| *b == b'\n').any(is_spaces);
            self.doubts.bare |= head.split(|b| *b == b'\n').any(is_bare);
            self.begin(message.headers(), 0, false, 0);
        } else {
            self.at = head_at(0, 0, false);
            self.in_head = true;
            self.before = head.len() as u64;
            self.lines(&Bytes::copy_from_slice(head));
        }
        self.lines(&**message.body());
        self.conclude();
        while let Some(next) = self.within.pop() {
            self.room += next.octets.len();
            if self.is_over() {
                return;
            }
            let len = next.octets.len() as u64;
            if len > self.work {
                self.survey.excess.octets = true;
                continue;
            }
            self.work -= len;
            if next.depth > DEPTH_MAX {
                self.survey.excess.depth = true;
                continue;
            }
            (self.pos, self.before, self.full) = (0, 0, false);
            (self.around, self.seen) = (Some(next.stretch), next.seen);
            match next.start {
                Start::Message if self.has_part() => self.at = head_at(0, next.depth, false),
                Start::Message => return,
                Start::Parts(boundaries) => self.open.push(Open {
                    boundaries,
                    depth: next.depth.saturating_sub(1),
                    digest: false,
                }),
            }
            self.lines(&Bytes::from(next.octets));
            self.conclude();
        }
    }

    /// Whether the time is over.
    pub(super) fn is_over(&mut self) -> bool {
        self.survey.excess.time = self.survey.excess.time || (self.spent)();
        self.survey.excess.time
    }

    /// Counts a part; false where there are too many.
    fn has_part(&mut self) -> bool {
        self.count += 1;
        self.full |= self.count > PARTS_MAX;
        self.survey.excess.parts |= self.full;
        !self.full
    }

    pub(super) fn next_number(&mut self) -> usize {
        self.number += 1;
        self.number - 1
    }

    fn lines(&mut self, content: &dyn Content) {
        let mut at = 0_u32;
        let read = each_line(content, BODY_MAX, &mut |line, fresh| {
            at = at.wrapping_add(1);
            if self.full || (at.is_multiple_of(512) && self.is_over()) {
                return ControlFlow::Break(());
            }
            self.line(line, fresh);
            ControlFlow::Continue(())
        });
        self.survey.excess.unread |= read.is_err();
        self.survey.excess.octets |= content.len() > BODY_MAX;
    }

    /// Takes a line, or the next piece of a long one where it is not `fresh`.
    fn line(&mut self, line: &[u8], mut fresh: bool) {
        let mut rest = line;
        if self.reader.bare {
            while let Some(len) = lone(rest) {
                let (piece, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
                self.piece(piece, fresh);
                (rest, fresh) = (after, true);
            }
        } else {
            self.doubts.bare |= match self.at {
                At::Head { .. } => is_bare(line),
                _ => !self.open.is_empty() && delimits_bare(line),
            };
        }
        self.piece(rest, fresh);
    }

    fn piece(&mut self, line: &[u8], fresh: bool) {
        if fresh
            && line.starts_with(b"--")
            && let Some((at, closing)) = self.delimiter(line.trim_ascii_end())
        {
            self.boundary(at, closing);
            self.pos += line.len() as u64;
            let pos = self.pos;
            match &mut self.at {
                At::Outside(kept) => kept.from = pos,
                At::Head { from, .. } => *from = pos,
                At::Body(..) => {}
            }
            return;
        }
        match &mut self.at {
            At::Outside(kept) => kept.take(line, self.most),
            At::Body(_, _, kept) => kept.take(line, self.most),
            At::Head { .. } => self.head_line(line, fresh),
        }
        self.pos += line.len() as u64;
    }

    /// Which multipart a line delimits, and whether it is the last one.
    fn delimiter(&mut self, line: &[u8]) -> Option<(usize, bool)> {
        let open = || self.open.iter().enumerate().rev();
        let exact = open().find_map(|(at, open)| Some((at, delimits(line, &open.boundaries)?)));
        if exact.is_some() {
            return exact;
        }
        let written = line.get(2..)?;
        let loose = open().find_map(|(at, open)| {
            let rest = open
                .boundaries
                .iter()
                .find_map(|one| written.strip_prefix(one.as_slice()))?;
            Some((at, rest.starts_with(b"--")))
        });
        self.doubts.loose |= loose.is_some();
        loose.filter(|_| self.reader.loose)
    }

    fn head_line(&mut self, line: &[u8], fresh: bool) {
        let At::Head { head, over, .. } = &mut self.at else {
            return;
        };
        let clean: Vec<u8>;
        let written = if self.reader.bare {
            let ends = line.ends_with(b"\r");
            clean = line
                .iter()
                .copied()
                .filter(|b| *b != 0)
                .chain(ends.then_some(b'\n'))
                .collect();
            clean.as_slice()
        } else {
            line
        };
        let kind = if fresh {
            *over = false;
            Line::of(written, head.is_empty(), !head.is_empty())
        } else {
            Line::Fold
        };
        match kind {
            Line::Fold if *over => {}
            Line::Text if self.reader.ends == Ends::Late || (self.reader.root && self.in_head) => *over = true,
            Line::Text => {
                self.doubts.late |= !self.in_head;
                self.head();
                // It may be a boundary of the multipart that begins, or the first line of the mail within. This ends:
                // what has no header is text.
                self.piece(line, true);
                // The line is counted by whoever gave it.
                self.pos = self.pos.saturating_sub(line.len() as u64);
            }
            Line::Fold if !(fresh && is_spaces(written) && self.reader.ends == Ends::Early) => {
                self.doubts.early |= fresh && is_spaces(written);
                keep(head, written, self.survey);
            }
            Line::Blank | Line::Fold => {
                // What follows begins behind this line.
                self.pos += line.len() as u64;
                self.head();
                self.pos -= line.len() as u64;
            }
            Line::Field { .. } | Line::Mbox => keep(head, written, self.survey),
        }
    }

    /// A boundary ends what was open within its multipart.
    fn boundary(&mut self, at: usize, closing: bool) {
        self.end_part(true);
        self.survey.anomalies.unclosed |= self.open.len() > at + 1;
        self.close(if closing { at } else { at + 1 });
        self.end_messages(at);
        if closing {
            return;
        }
        let (depth, digest) = self.open.last().map_or((0, false), |open| (open.depth, open.digest));
        if self.has_part() {
            self.at = head_at(self.pos, depth + 1, digest);
        }
    }

    fn close(&mut self, left: usize) {
        self.open.truncate(left);
    }

    /// The messages that stand within this multipart are over.
    fn end_messages(&mut self, at: usize) {
        while self.messages.last().is_some_and(|(_, around)| *around > at) {
            if let Some((part, _)) = self.messages.pop() {
                let stretch = self.stretch(part.from, stands(part.depth));
                self.give(&part, &[], true, true, stretch);
            }
        }
    }

    /// What is walked is over.
    fn conclude(&mut self) {
        self.end_part(false);
        self.survey.anomalies.unclosed |= !self.open.is_empty() && self.seen == Seen::Surely;
        self.close(0);
        while !self.messages.is_empty() {
            if let Some((_, around)) = self.messages.last_mut() {
                *around = 1;
            }
            self.end_messages(0);
        }
        self.at = At::Outside(Kept::default());
    }

    /// Ends a header and, where it is one, the part whose header it was.
    fn end_part(&mut self, by_boundary: bool) {
        // A message within the mail may be a header alone, and its header that of a message.
        while matches!(self.at, At::Head { .. }) && !self.full {
            self.head();
        }
        match std::mem::replace(&mut self.at, At::Outside(Kept::default())) {
            At::Outside(kept) => self.outside(kept),
            At::Body(part, holds, mut kept) => {
                if by_boundary && kept.is_whole() {
                    // The line end before a boundary belongs to it (RFC 2046 section 5.1.1).
                    let end = kept
                        .raw
                        .strip_suffix(b"\n")
                        .map_or(kept.raw.len(), |raw| raw.strip_suffix(b"\r").unwrap_or(raw).len());
                    kept.raw.truncate(end);
                    kept.len = end as u64;
                }
                self.part(part, holds, kept);
            }
            At::Head { .. } => {}
        }
    }

    fn head(&mut self) {
        let at = std::mem::replace(&mut self.at, At::Outside(Kept::default()));
        if let At::Head {
            head,
            depth,
            digest,
            from,
            ..
        } = at
        {
            self.in_head = false;
            let headers = Headers::parse(Bytes::from(head));
            self.survey.excess.head |= headers.excess().any();
            self.begin(&headers, depth, digest, from);
        }
    }

    /// A header is read: what follows?
    fn begin(&mut self, headers: &Headers, depth: usize, digest: bool, from: u64) {
        let Survey {
            excess,
            anomalies,
            ambiguity,
            ..
        } = self.survey;
        let said = Said::of(headers, digest, excess, anomalies, ambiguity);
        let choices = said.choices();
        self.doubts.pick |= choices.len() > 1;
        self.doubts.more |= choices.len() > 2;
        excess.parameters |= choices.len() > BOUNDARIES_MAX;
        let picked = self.reader.pick.of(choices);
        let is = |mime: &str| said.types.iter().any(|one| one.mime == mime);
        self.survey.partial |= is("message/partial");
        self.survey.external |= is("message/external-body");

        let mut holds = Holds::File;
        let mut multiparts = picked.iter().filter(|one| one.is_multipart()).peekable();
        let encoded = said.transfers.iter().any(|transfer| *transfer != Transfer::Plain);
        if multiparts.peek().is_some() {
            let digest = multiparts.clone().any(|one| one.mime == "multipart/digest");
            let mut boundaries: Vec<Vec<u8>> = Vec::new();
            for one in multiparts.flat_map(|one| &one.boundaries) {
                if !boundaries.contains(one) {
                    boundaries.push(one.clone());
                }
            }
            boundaries.truncate(BOUNDARIES_MAX);
            self.doubts.decodes |= encoded;
            if boundaries.is_empty() {
                self.survey.anomalies.no_boundary = true;
                holds = Holds::Guess;
            } else if depth >= DEPTH_MAX || self.open.len() >= DEPTH_MAX {
                self.survey.excess.depth = true;
            } else if self.reader.decodes && encoded {
                holds = Holds::Parts(boundaries);
            } else {
                self.open.push(Open {
                    boundaries,
                    depth,
                    digest,
                });
                self.at = At::Outside(Kept {
                    from: self.pos,
                    ..Kept::default()
                });
                return;
            }
        } else if picked.iter().any(|one| one.is_message()) {
            if depth >= DEPTH_MAX {
                self.survey.excess.depth = true;
            } else {
                holds = Holds::Message;
            }
        }
        let number = self.next_number();
        let part = Part {
            mimes: said.mimes(),
            number,
            depth,
            from,
            said,
        };
        if matches!(holds, Holds::Message) && !encoded && !part.said.guesses {
            self.messages.push((part, self.open.len()));
            if self.has_part() {
                self.at = head_at(self.pos, depth + 1, false);
            }
            return;
        }
        self.at = At::Body(part, holds, Kept::default());
    }
}

/// Keeps a line of a header.
fn keep(head: &mut Vec<u8>, line: &[u8], survey: &mut Survey) {
    let room = HEAD_MAX.saturating_sub(head.len());
    let kept = line.get(..room).unwrap_or(line);
    head.extend_from_slice(kept);
    survey.excess.head |= kept.len() < line.len();
}

fn head_at(from: u64, depth: usize, digest: bool) -> At {
    At::Head {
        head: Vec::new(),
        depth,
        digest,
        from,
        over: false,
    }
}

/// Whether a line has spaces and nothing else.
fn is_spaces(line: &[u8]) -> bool {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    !text.is_empty() && text.iter().all(|b| matches!(b, b' ' | b'\t'))
}

/// The octets of a line up to a CR that stands alone; `None` where there is none.
fn lone(line: &[u8]) -> Option<usize> {
    let mut ends = memchr::memchr_iter(b'\r', line);
    ends.find_map(|at| (line.get(at + 1).is_some_and(|b| *b != b'\n')).then_some(at + 1))
}

/// Whether a CR that stands alone may begin a line that delimits.
fn delimits_bare(line: &[u8]) -> bool {
    memchr::memchr_iter(b'\r', line).any(|at| line.get(at + 1..).is_some_and(|rest| rest.starts_with(b"--")))
}

/// Whether readers differ in where a line of a header ends.
fn is_bare(line: &[u8]) -> bool {
    lone(line).is_some() || memchr::memchr(0, line).is_some()
}
