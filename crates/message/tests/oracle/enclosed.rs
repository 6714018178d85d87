//! What holds for what any octets enclose; the laws and the fuzz target share it.

use std::io::{self, Read};
use std::sync::Arc;

use gatepost_message::enclosed::{GIVEN_MAX, NAME_MAX, NAMES_MAX, Stretch, Survey};
use gatepost_message::{Content, Edit, Edits, Message, Replacement, split};

/// Octets of a part that are kept here.
const MOST: usize = 4_096;

/// A body that lies in no memory and gives few octets at once.
#[derive(Debug)]
pub struct Spooled(pub Vec<u8>);

impl Content for Spooled {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(at)
            .ok()
            .and_then(|at| self.0.get(at..))
            .unwrap_or_default();
        let n = rest.len().min(out.len()).min(1_000);
        out[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
}

/// A file as it was given: names, types, octets, and where it stands.
pub type File = (Vec<String>, Vec<String>, Vec<u8>, Stretch);

/// Everything that is given of a message.
pub fn files(message: &Message) -> (Vec<File>, Survey) {
    let mut files = Vec::new();
    let survey = message.enclosed(MOST, &|| false, &mut |file| {
        files.push((
            file.names.to_vec(),
            file.mimes.to_vec(),
            file.octets.to_vec(),
            file.stretch,
        ));
    });
    (files, survey)
}

/// The octets of a message.
fn octets(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    message.read().read_to_end(&mut out).unwrap();
    out
}

/// The files of any octets are within their bounds, the same wherever the body lies, and replacing one changes nothing
/// else.
pub fn enclosed_holds(bytes: &[u8]) {
    let message = Message::from_bytes(bytes.to_vec());
    let (all, survey) = files(&message);
    assert!(all.len() <= GIVEN_MAX);
    let body = message.body().whole().unwrap();
    for (names, mimes, octets, stretch) in &all {
        assert!(names.len() <= NAMES_MAX && names.iter().all(|name| name.len() <= NAME_MAX));
        assert!(!mimes.is_empty() && mimes.iter().all(|mime| mime.contains('/')));
        assert!(octets.len() <= MOST);
        let range = stretch.range();
        assert!(range.start <= range.end && range.end <= body.len() as u64);
    }
    let (head, rest) = bytes.split_at(split(bytes));
    let spooled = Message::new(head.to_vec().into(), Arc::new(Spooled(rest.to_vec())));
    assert!(files(&spooled) == (all.clone(), survey));

    let nothing = Edits::from(vec![Edit::Replace(Replacement::new([], "gone"))]).apply(&message);
    assert!(!nothing.touched());
    assert_eq!(octets(&nothing.to_message()), bytes);
    for stretch in all.iter().map(|(.., stretch)| *stretch).take(8) {
        let replacement = Replacement::new([stretch], "It is gone.\n--\u{fc}");
        let edited = Edits::from(vec![Edit::Replace(replacement)]).apply(&spooled);
        assert!(edited.touched());
        let new = octets(&edited.to_message());
        assert_eq!(new.len() as u64, edited.len());
        let (from, to) = (stretch.range().start as usize, stretch.range().end as usize);
        if edited.head() == message.head() {
            let (before, after) = (&body[..from], &body[to..]);
            let new = &new[edited.prefix().len() + edited.head().len()..];
            assert!(new.starts_with(before) && new[from..].ends_with(after));
        } else {
            // All of it was replaced.
            let (left, _) = files(&Message::from_bytes(new));
            assert!(left.iter().all(|(names, ..)| names.is_empty()));
        }
    }
}
