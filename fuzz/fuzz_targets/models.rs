//! Any octets are a model file that is read and written back as it was, or they are refused in words; what was read scores
//! with finite numbers.
//!
//! The input: one octet for the classifier, one for how the rest is meant: as a whole file, or as changes to a sound one
//! (one octet for the section, four for the place, one for what stands there then) under a checksum that is right.
#![no_main]

use std::sync::{Arc, Mutex};

use gatepost_core::{Learner, Message, Seed};
use gatepost_tokens::File;

const NAMES: [&str; 3] = ["bayes", "hmm", "ngram"];

/// Models that have learned nothing. A refused file leaves them so, and making one costs more than many refusals.
static FRESH: Mutex<[Option<Arc<dyn Learner>>; 3]> = Mutex::new([const { None }; 3]);

fn make(kind: usize) -> Arc<dyn Learner> {
    let seed = Seed::new([7; 16]);
    match kind {
        0 => Arc::new(gatepost_bayes::Model::new(seed)),
        1 => Arc::new(gatepost_hmm::Model::new(seed)),
        _ => Arc::new(gatepost_ngram::Model::new(seed)),
    }
}

/// A sound file with changes.
fn changed(fresh: &dyn Learner, kind: usize, changes: &[u8]) -> Vec<u8> {
    let saved = fresh.save();
    let at = b"GPMODEL1".len() + 1 + NAMES[kind].len();
    let version = u32::from_le_bytes(saved[at..at + 4].try_into().expect("four octets"));
    let file = File::read(&saved, NAMES[kind], version).expect("what was saved");
    let mut sections: Vec<Vec<u8>> = file.sections.iter().map(|section| section.to_vec()).collect();
    for change in changes.chunks_exact(6) {
        let place = u32::from_le_bytes([change[1], change[2], change[3], change[4]]) as usize;
        let count = sections.len();
        let section = &mut sections[usize::from(change[0]) % count];
        match section.len() {
            0 => section.push(change[5]),
            length if place == length => section.push(change[5]),
            length => section[place % length] = change[5],
        }
    }
    let sections = sections.iter().map(Vec::as_slice).collect();
    File { sections, ..file }.write()
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [kind, meant, rest @ ..] = data else {
        return;
    };
    let kind = usize::from(*kind) % NAMES.len();
    let mut fresh = FRESH.lock().expect("one thread");
    let model = fresh[kind].take().unwrap_or_else(|| make(kind));
    let file = match meant % 2 {
        0 => rest.to_vec(),
        _ => changed(&*model, kind, rest),
    };
    if let Err(refused) = model.load(&file) {
        assert!(!refused.0.is_empty());
        fresh[kind] = Some(model);
        return;
    }
    let again = make(kind);
    let saved = model.save();
    again.load(&saved).expect("what was saved");
    assert!(again.save() == saved, "a model that was read is written as it was");
    let message = Message::from_bytes(b"Subject: pills\r\n\r\nOrder pills today.\r\n".to_vec());
    let odds = model.score(&model.features(&message), None);
    assert!(odds.value.is_finite(), "{odds:?}");
});
