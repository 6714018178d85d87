//! Any octets in a file of samples are frames that are written as they were read, or they are none; whole frames behind
//! them are found.
#![no_main]

use gatepost_training::entry::{read, read_features, write, write_features};
use gatepost_training::segment;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let contents = segment::read(data);
    let mut last = 0;
    for placed in &contents.lines {
        assert!(placed.at >= last);
        last = placed.at + placed.len;
        let octets = &data[placed.at..last];
        let framed = read(octets).expect("what was found is there");
        let mut again = Vec::new();
        assert_eq!(write(&mut again, &framed.line, framed.body), framed.check);
        assert_eq!(again, octets);
    }
    assert!(contents.end <= data.len() && contents.end >= last);
    let mut whole = data.to_vec();
    let line = gatepost_training::entry::Line::Forgotten {
        sequence: 7,
        which: vec![1, 2],
    };
    write(&mut whole, &line, &[]);
    // Damage before it may be taken for the beginning of a frame that has it as its body, but then that frame is whole.
    let found = segment::read(&whole);
    assert!(found.lines.iter().any(|placed| placed.at + placed.len == whole.len()));
    if let Some(features) = read_features(data) {
        assert_eq!(read_features(&write_features(&features)), Some(features));
    }
});
