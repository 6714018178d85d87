//! What this filter asks of a mail, in one place: the files that it encloses, and an edit that takes some of them out.

use gatepost_core::Message;
use gatepost_core::message::enclosed::Stretch;
use gatepost_core::message::{Edit, Replacement};

pub use gatepost_core::message::enclosed::Enclosed;

/// Where a file stands in a mail, for an edit.
pub type Place = Stretch;

/// What was found out about a mail as a whole.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Survey {
    /// In which ways readers see different files in it.
    pub ambiguous: Vec<&'static str>,
    /// Which bounds it passes, so that not all of it was looked at.
    pub excess: Vec<&'static str>,
    /// It is a fragment of a mail.
    pub partial: bool,
    /// A part of it lies elsewhere.
    pub external: bool,
}

impl Survey {
    /// Both, of two mails that are one.
    pub fn join(&mut self, other: Survey) {
        for (known, more) in [(&mut self.ambiguous, other.ambiguous), (&mut self.excess, other.excess)] {
            for word in more {
                if !known.contains(&word) {
                    known.push(word);
                }
            }
        }
        self.partial |= other.partial;
        self.external |= other.external;
    }
}

/// Gives every reading of every file that a mail encloses, one after the other. Of a part so many raw octets are kept.
pub fn walk(message: &Message, most: usize, spent: &dyn Fn() -> bool, take: &mut dyn FnMut(&Enclosed<'_>)) -> Survey {
    let survey = message.enclosed(most, spent, take);
    Survey {
        ambiguous: survey.ambiguity.names().collect(),
        excess: survey.excess.names().collect(),
        partial: survey.partial,
        external: survey.external,
    }
}

/// The edit that puts a note in the place of files.
pub fn replaced(mut places: Vec<Place>, note: &str) -> Edit {
    places.dedup();
    Edit::Replace(Replacement::new(places, note))
}
