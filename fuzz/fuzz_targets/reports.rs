//! Any octets as a report, with any limits and any patience: what is found is within the limits, is a mail with the line
//! ends of one, and is the same the next time.
//!
//! The input: how many mails and how many hundreds of octets are read, how often the time is asked for, then the report.
#![no_main]

use gatepost_command_mailbox::report::{Limits, NAME_MAX, UNREADABLE_MAX, read};
use gatepost_core::{Mail, Message};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [originals, hundreds, patience, octets @ ..] = input else {
        return;
    };
    let limits = Limits {
        originals: usize::from(*originals),
        octets: usize::from(*hundreds) * 1_000,
    };
    let message = Message::from_bytes(octets.to_vec());
    let looked = || {
        let mut asked = 0_u8;
        read(&message, limits, &mut || {
            asked = asked.saturating_add(1);
            asked <= *patience || *patience == 255
        })
    };
    let found = looked();
    assert!(found.originals.len() <= limits.originals && found.unreadable.len() <= UNREADABLE_MAX);
    let all: usize = found.originals.iter().map(|one| one.octets.len()).sum();
    assert!(all <= limits.octets);
    for one in &found.originals {
        assert!(one.octets.ends_with(b"\n") && one.name.chars().count() <= NAME_MAX);
        assert!(!one.name.chars().any(char::is_control));
        assert!(matches!(one.mail(), Mail::Brought(_)));
    }
    for line in &found.unreadable {
        assert!(!line.chars().any(char::is_control));
    }
    assert_eq!(found, looked());
});
