//! What a mail encloses, by every plausible reading of it (S-10).
//!
//! **Invariant:** any octets give their files, within bounds of number, size, depth and work, and [`Survey::excess`] tells
//! which were passed. Where readers of mail differ (of two boundaries, two encodings, broken base64) each of their
//! readings is given, so that what any of them shows was looked at. One mail is walked as its most usual reader does; only
//! where that walk meets a doubt is it walked again, by a reader who settles it the other way.
//!
//! That readers differ is common, and mostly harmless. [`Ambiguity`] tells only of what can hide a file: one that another
//! reader does not see, sees with other octets, or under a name of another kind.
//!
//! **Absent on purpose:** what is within a file (archives, documents), what a file is, and whether it may pass.

mod given;
mod inline;
mod octets;
mod outside;
mod part;
mod reader;
mod said;
mod walk;

use super::parts::BODY_MAX;
use super::{Anomalies, Excess};
use crate::Message;
use given::Given;
use reader::{Doubts, Reader};
use walk::Walk;

/// Names of one file that are given.
pub const NAMES_MAX: usize = 16;
/// Octets of one name; of a longer one its beginning and its end are given.
pub const NAME_MAX: usize = 255;
/// Files that are given of one mail, all readings counted.
pub const GIVEN_MAX: usize = 10_000;
/// Octets that are walked of mails within the mail that came encoded, all readings counted.
const WITHIN_MAX: u64 = 3 * BODY_MAX;

/// Where a file was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Origin {
    /// A part of the mail, or the mail itself.
    Part,
    /// Within the text of a part, in uuencode, yEnc or BinHex.
    Inline,
    /// Before the first or after the last part of a multipart, where only some readers look.
    Outside,
}

/// A stretch of the mail that an edit can replace: a part with its header, or the mail's whole content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Stretch {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) kind: Stands,
}

/// How a stretch stands in the mail.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) enum Stands {
    /// The mail has no parts, this is its body.
    Mail,
    /// Begins with the header of a part.
    Part,
    /// Text outside the parts, without a header.
    Outside,
}

impl Stretch {
    /// The octets of the mail's body that it covers.
    pub fn range(&self) -> std::ops::Range<u64> {
        self.from..self.to
    }
}

/// One file that a mail encloses, as one reader of mail would see it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Enclosed<'a> {
    /// The number of the part in the order of the mail; readings of one part have the same.
    pub part: usize,
    /// How many parts and messages are around it.
    pub depth: usize,
    /// Every name that any reader would give it, the most usual first: at most [`NAMES_MAX`], each of at most
    /// [`NAME_MAX`] octets and with whatever characters the sender wrote.
    pub names: &'a [String],
    /// Every media type that is declared, in lower case, the first field's first; `text/plain` where none is.
    pub mimes: &'a [String],
    /// Whether readers show it in its place as text or HTML, as it has no name and is no attachment.
    pub shown: bool,
    /// Whether it is a mail within the mail, whose parts are given too. Where it stands unencoded its octets are not
    /// given, and it comes after its parts.
    pub message: bool,
    /// The decoded octets.
    pub octets: &'a [u8],
    /// False where it is longer than was kept, and these are its first octets.
    pub whole: bool,
    /// Where it was found.
    pub origin: Origin,
    /// What of the mail an edit has to replace to take it out; for what lies in a mail that came encoded, all of that.
    pub stretch: Stretch,
}

/// In what readers of a mail see different files.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Ambiguity {
    /// A file with names of different kinds, as their ends tell.
    pub names: bool,
    /// Two fields with different media types.
    pub types: bool,
    /// Two transfer encodings, or one that nobody knows, with different octets.
    pub transfers: bool,
    /// Base64 goes on behind foreign octets or padding, where some readers stop.
    pub base64: bool,
    /// Boundaries or media types, of which each gives other files; or none, and parts all the same.
    pub boundaries: bool,
    /// Lines that some take for a boundary give other files.
    pub delimiters: bool,
    /// Headers that end elsewhere for some (a line that is no field, a line of spaces, a lone CR, NUL), with other files.
    pub heads: bool,
    /// A multipart that is itself encoded has other files when it is decoded.
    pub multipart: bool,
    /// A file before or after the parts.
    pub outside: bool,
}

impl Ambiguity {
    /// What is ambiguous, each in one word.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [
            (self.names, "names"),
            (self.types, "types"),
            (self.transfers, "transfers"),
            (self.base64, "base64"),
            (self.boundaries, "boundaries"),
            (self.delimiters, "delimiters"),
            (self.heads, "heads"),
            (self.multipart, "multipart"),
            (self.outside, "outside"),
        ]
        .into_iter()
        .filter_map(|(there, name)| there.then_some(name))
    }

    /// Whether anything is.
    pub fn any(self) -> bool {
        self != Ambiguity::default()
    }
}

/// What was found about the mail as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Survey {
    /// Which bounds are passed: behind them nothing was looked at.
    pub excess: Excess,
    /// What is broken; common in honest mail too.
    pub anomalies: Anomalies,
    /// In what readers see different files.
    pub ambiguity: Ambiguity,
    /// A piece of a mail that is only whole with others (message/partial, RFC 2046 section 5.2.2).
    pub partial: bool,
    /// A part that is to be fetched from elsewhere (message/external-body, RFC 2046 section 5.2.3).
    pub external: bool,
}

impl Message {
    /// Gives `take` every file of the mail in every plausible reading; of equal readings of a part the first.
    ///
    /// So many octets of one part, still encoded, are kept as `most` says; of a longer one the first ones are given. In
    /// memory are at most twice that, and as much again for mails within the mail that came encoded. `spent` is asked now
    /// and then whether the time is over, and [`Excess::time`] tells that it was.
    ///
    /// Takes the time of decoding the mail, so a filter calls it through `Services::compute`.
    pub fn enclosed(&self, most: usize, spent: &dyn Fn() -> bool, take: &mut dyn FnMut(&Enclosed<'_>)) -> Survey {
        let mut survey = Survey::default();
        let head = self.excess();
        survey.excess.head = head.any();
        let mut given = Given::new(take);
        let mut met = Doubts::default();
        let mut walk = |reader: Reader, given: &mut Given<'_>, survey: &mut Survey| {
            let mut walk = Walk::new(reader, met, most, spent, given, survey);
            walk.mail(self);
            met = walk.doubts;
            met
        };
        let mut doubts = walk(Reader::USUAL, &mut given, &mut survey);
        if !doubts.any() {
            return survey;
        }
        // What the usual reader sees is known before what others see beside it.
        given.remember();
        walk(Reader::USUAL, &mut given, &mut survey);
        given.differ();
        for reader in Reader::ALL {
            if survey.excess.time {
                break;
            }
            if reader.settles(doubts) {
                doubts = walk(reader, &mut given, &mut survey);
            }
        }
        survey
    }
}
