//! What a reader gave out, for its tests.

use std::io::Read;

use crate::{File, Flow, Mark, Visit};

/// Takes all that a reader gives.
#[derive(Default, Debug, PartialEq)]
pub(crate) struct Heard {
    /// Names and octets of the files.
    pub(crate) files: Vec<(String, Vec<u8>)>,
    /// Marks with their notes, in the order in which they came.
    pub(crate) notes: Vec<(Mark, String)>,
}

impl Heard {
    /// The marks, sorted, each once.
    pub(crate) fn marks(&self) -> Vec<Mark> {
        let mut marks: Vec<Mark> = self.notes.iter().map(|(mark, _)| *mark).collect();
        marks.sort_unstable();
        marks.dedup();
        marks
    }

    /// The octets of the first file of this name.
    pub(crate) fn file(&self, name: &str) -> Option<&[u8]> {
        self.files
            .iter()
            .find(|(one, _)| one == name)
            .map(|(_, octets)| octets.as_slice())
    }
}

impl Visit for Heard {
    fn file(&mut self, file: &File, content: &mut dyn Read) -> Flow {
        let mut octets = Vec::new();
        if content.read_to_end(&mut octets).is_err() {
            self.mark(Mark::Damaged, &file.name);
        }
        self.files.push((file.name.clone(), octets));
        Flow::On
    }

    fn mark(&mut self, mark: Mark, note: &str) {
        self.notes.push((mark, note.to_owned()));
    }

    fn closed(&mut self, file: &File, mark: Mark) -> Flow {
        self.files.push((file.name.clone(), Vec::new()));
        self.mark(mark, &file.name);
        Flow::On
    }

    fn is_over(&mut self) -> bool {
        false
    }
}
