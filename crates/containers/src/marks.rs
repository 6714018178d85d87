//! The marks of one item while it is read.

use std::collections::BTreeMap;

use crate::Mark;

/// Octets of a note that are kept.
const NOTE_MAX: usize = 200;

/// Marks, each once with the first note that came with it.
#[derive(Clone, Default, Debug)]
pub(crate) struct Marks(BTreeMap<Mark, Box<str>>);

impl Marks {
    /// Adds one, unless it is there already.
    pub(crate) fn add(&mut self, mark: Mark, note: &str) {
        self.0.entry(mark).or_insert_with(|| clean(note));
    }

    /// As an item holds them: sorted.
    pub(crate) fn into_list(self) -> Vec<(Mark, Box<str>)> {
        self.0.into_iter().collect()
    }
}

/// A note holds no control characters, since it may quote a name of a stranger.
fn clean(note: &str) -> Box<str> {
    let mut out = String::with_capacity(note.len().min(NOTE_MAX));
    for c in note.chars() {
        let c = if c.is_control() { '?' } else { c };
        if out.len() + c.len_utf8() > NOTE_MAX {
            break;
        }
        out.push(c);
    }
    out.into()
}
