//! What becomes of the octets of a part once they are there, and of those outside the parts.

use crate::reading::decode::Transfer;
use crate::reading::{Anomalies, base64};

use super::given::{Became, hash};
use super::octets::{Way, is_binary, ways};
use super::said::{Said, bounded};
use super::walk::Walk;
use super::{Enclosed, Origin, Stands, Stretch, inline, outside};

/// What is kept of a stretch of octets.
#[derive(Default)]
pub(super) struct Kept {
    /// Where it begins in what is walked.
    pub(super) from: u64,
    pub(super) raw: Vec<u8>,
    pub(super) len: u64,
}

impl Kept {
    pub(super) fn take(&mut self, line: &[u8], most: usize) {
        self.len = self.len.saturating_add(line.len() as u64);
        let room = most.saturating_sub(self.raw.len());
        self.raw.extend_from_slice(line.get(..room).unwrap_or(line));
    }

    pub(super) fn is_whole(&self) -> bool {
        self.raw.len() as u64 == self.len
    }
}

/// What is to be done with the octets of a part when they are there.
pub(super) enum Holds {
    File,
    Message,
    /// A multipart that is encoded.
    Parts(Vec<Vec<u8>>),
    /// A multipart that names no boundary.
    Guess,
}

/// A part, or a message that stands unencoded.
pub(super) struct Part {
    pub(super) said: Said,
    pub(super) mimes: Vec<String>,
    pub(super) number: usize,
    pub(super) depth: usize,
    pub(super) from: u64,
}

/// How sure it is that readers see parts in what is walked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    Surely,
    /// No boundary is named.
    Guessed,
    /// It stands outside of the parts.
    Outside,
}

pub(super) enum Start {
    Message,
    Parts(Vec<Vec<u8>>),
}

/// Octets that are to be walked by themselves.
pub(super) struct Within {
    pub(super) octets: Vec<u8>,
    pub(super) depth: usize,
    pub(super) start: Start,
    pub(super) stretch: Stretch,
    pub(super) seen: Seen,
}

impl Walk<'_, '_> {
    /// The octets of a part are there.
    pub(super) fn part(&mut self, part: Part, holds: Holds, kept: Kept) {
        let stretch = self.stretch(part.from, stands(part.depth));
        let whole = kept.is_whole();
        let raw = kept.raw;
        let ways = ways(&part.said, &raw);
        // The octets of a multipart are no base64 where it is not encoded in truth.
        self.survey.ambiguity.base64 |= ways.breaks && !matches!(holds, Holds::Parts(_));
        let declared = part.said.transfers.len() > 1 || part.said.guesses;
        let mut known = Vec::new();
        for (n, way) in ways.all.iter().enumerate() {
            if n > 0 && self.is_over() {
                return;
            }
            let octets = way.decode(&raw, &mut self.survey.anomalies);
            if ways.all.len() > 1 {
                let hash = hash(&octets);
                if known.contains(&hash) {
                    continue;
                }
                known.push(hash);
            }
            self.survey.ambiguity.transfers |= n > 0 && declared && matches!(way, Way::Said(_));
            let is_message = matches!(holds, Holds::Message);
            self.give(&part, &octets, whole, is_message, stretch);
            self.inline(&part, &octets, whole, stretch);
            if *way == Way::Said(Transfer::Uuencode) {
                // The first line has a name of its own.
                self.inline(&part, &raw, whole, stretch);
            }
            let (start, depth, seen) = match &holds {
                Holds::File => continue,
                Holds::Message => (Start::Message, part.depth + 1, self.seen),
                Holds::Parts(boundaries) => (Start::Parts(boundaries.clone()), part.depth + 1, self.seen),
                Holds::Guess => {
                    let found = outside::boundaries(&octets);
                    self.survey.excess.parameters |= found.len() > outside::GUESSES_MAX;
                    if found.is_empty() {
                        continue;
                    }
                    let seen = if self.seen == Seen::Surely {
                        Seen::Guessed
                    } else {
                        self.seen
                    };
                    (Start::Parts(found), part.depth + 1, seen)
                }
            };
            self.later(octets.into_owned(), depth, start, stretch, seen);
        }
    }

    /// Files in the text of a part.
    fn inline(&mut self, part: &Part, octets: &[u8], whole: bool, stretch: Stretch) {
        let origin = match self.seen {
            Seen::Outside => Origin::Outside,
            _ => Origin::Inline,
        };
        let most = self.most;
        let (uuencode, yenc) = inline::files(octets, most, &mut |name, octets, all| {
            self.pass(&Enclosed {
                part: part.number,
                depth: part.depth,
                names: &[bounded(&name)],
                mimes: &["application/octet-stream".to_owned()],
                shown: false,
                message: false,
                octets: &octets,
                whole: whole && all,
                origin,
                stretch,
            });
        });
        self.survey.anomalies.uuencode |= uuencode;
        self.survey.anomalies.yenc |= yenc;
    }

    /// Octets outside the parts, where most readers see nothing.
    pub(super) fn outside(&mut self, kept: Kept) {
        if self.seen != Seen::Surely || kept.raw.trim_ascii().is_empty() {
            return;
        }
        let stretch = self.stretch(kept.from, Stands::Outside);
        let whole = kept.is_whole();
        let said = Said::nothing();
        let part = Part {
            mimes: said.mimes(),
            number: self.next_number(),
            depth: self.open.last().map_or(0, |open| open.depth),
            from: kept.from,
            said,
        };
        self.seen = Seen::Outside;
        self.give(&part, &kept.raw, whole, false, stretch);
        self.inline(&part, &kept.raw, whole, stretch);
        let boundaries = outside::boundaries(&kept.raw);
        self.survey.excess.parameters |= boundaries.len() > outside::GUESSES_MAX;
        let depth = part.depth + 1;
        if !boundaries.is_empty() {
            self.later(kept.raw, depth, Start::Parts(boundaries), stretch, Seen::Outside);
        } else if let Some(at) = outside::head(&kept.raw) {
            let octets = kept.raw.get(at..).unwrap_or_default().to_vec();
            self.later(octets, depth, Start::Message, stretch, Seen::Outside);
        } else if let Some(block) = outside::block(&kept.raw) {
            let octets = base64::base64(block, &mut Anomalies::default());
            self.give(&part, &octets, whole, false, stretch);
        }
        self.seen = Seen::Surely;
    }

    /// Keeps octets that are to be walked when this walk is over.
    fn later(&mut self, mut octets: Vec<u8>, depth: usize, start: Start, stretch: Stretch, seen: Seen) {
        if octets.len() > self.room {
            self.survey.excess.octets = true;
            octets.truncate(self.room);
        }
        self.room -= octets.len();
        self.within.push(Within {
            octets,
            depth,
            start,
            stretch,
            seen,
        });
    }

    /// The stretch of the mail that ends here.
    pub(super) fn stretch(&self, from: u64, kind: Stands) -> Stretch {
        // What some find in the mail's own header goes only with all of its content.
        let kind = if from < self.before { Stands::Mail } else { kind };
        self.around.unwrap_or(Stretch {
            from: from.saturating_sub(self.before),
            to: self.pos.saturating_sub(self.before),
            kind,
        })
    }

    pub(super) fn give(&mut self, part: &Part, octets: &[u8], whole: bool, message: bool, stretch: Stretch) {
        let said = &part.said;
        let is_shown = |mime: &String| matches!(mime.as_str(), "text/plain" | "text/html" | "application/xhtml+xml");
        let outside = self.seen == Seen::Outside;
        self.pass(&Enclosed {
            part: part.number,
            depth: part.depth,
            names: &said.names,
            mimes: &part.mimes,
            shown: !outside && said.names.is_empty() && !said.attachment && part.mimes.iter().all(is_shown),
            message,
            octets,
            whole,
            origin: if outside { Origin::Outside } else { Origin::Part },
            stretch,
        });
    }

    fn pass(&mut self, file: &Enclosed<'_>) {
        let became = self.given.give(file);
        self.survey.excess.parts |= became == Became::TooMany;
        // Text that is decoded twice may be anything.
        if matches!(became, Became::Known | Became::Again)
            || !(is_file(file) || (!self.reader.decodes && is_binary(file.octets)))
        {
            return;
        }
        match self.seen {
            Seen::Surely => {}
            Seen::Guessed => self.survey.ambiguity.boundaries = true,
            Seen::Outside => self.survey.ambiguity.outside = true,
        }
        if became == Became::News {
            self.reader.tell(self.settled, &mut self.survey.ambiguity);
        }
    }
}

/// Whether it says that it is more than text, which readers show in their own ways.
fn is_file(file: &Enclosed<'_>) -> bool {
    let is_text = |mime: &String| {
        ["text/", "multipart/", "message/"]
            .iter()
            .any(|kind| mime.starts_with(kind))
    };
    !file.names.is_empty() || !file.mimes.iter().all(is_text)
}

pub(super) fn stands(depth: usize) -> Stands {
    if depth == 0 { Stands::Mail } else { Stands::Part }
}
