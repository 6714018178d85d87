//! The reader of ICAP answers ends for every input and cut, and what it calls clean it calls so however it is cut, and never
//! before all was sent.
#![no_main]

mod cuts;

use gatepost_icap::answer::{Answer, Reader, Step};

/// What was sent.
const SENT: &[u8] = b"0123456789";

fn answer(lengths: &[usize], input: &[u8], sent: bool) -> Option<Answer> {
    let mut reader = Reader::new(SENT.len() as u64);
    if sent {
        reader.sent();
    }
    let (mut back, mut rest, mut steps) = (0, input, 0);
    for length in lengths.iter().copied().chain([usize::MAX]) {
        let (piece, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        reader.hear(piece);
        loop {
            // Each takes an octet at least, or ends the piece.
            steps += 1;
            assert!(steps <= input.len() + 10, "it goes on");
            match reader.step() {
                Step::More => break,
                Step::Continue => {}
                Step::Body(octets) => {
                    if SENT.get(back..back + octets.len()) != Some(&*octets) {
                        reader.differs();
                    }
                    back += octets.len();
                }
                Step::Done(answer) => return Some(answer),
            }
        }
    }
    None
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (lengths, input) = cuts::cuts(data);
    let whole = answer(&[], input, true);
    if let Some(Answer::Found(name)) = &whole {
        assert!(!name.is_empty() && name.bytes().all(|octet| (b' '..=b'~').contains(&octet)));
    }
    if whole == Some(Answer::Clean) {
        assert_eq!(answer(&lengths, input, true), whole);
        assert_eq!(answer(&lengths, input, false), Some(Answer::Early));
    }
});
