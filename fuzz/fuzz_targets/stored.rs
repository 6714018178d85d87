//! Any octets in the store are ours and are written as they were read, or they are nothing of ours.
//!
//! The input: one octet for the kind, then the value.
#![no_main]

use gatepost_core::Record;
use gatepost_whitelist::form::{Kept, Row, cut, network_at, network_order};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((kind, octets)) = data.split_first() else {
        return;
    };
    match kind % 4 {
        0 => {
            if let Some(kept) = Kept::decode(octets) {
                let written = kept.encode();
                assert_eq!(Kept::decode(&written), Some(bounded(kept)));
            }
        }
        1 => {
            if let Some(row) = Row::decode(octets) {
                assert_eq!(row.encode(), octets);
            }
        }
        2 => {
            if let Some(network) = network_at(octets) {
                assert_eq!(network_order(network), octets);
            }
        }
        _ => {
            if let Ok(record) = serde_json::from_slice::<Record>(octets) {
                let written = serde_json::to_vec(&record).expect("what was read can be written");
                let again: Record = serde_json::from_slice(&written).expect("what was written can be read");
                assert_eq!(again, record);
            }
        }
    }
});

/// As much of it as is written.
fn bounded(mut kept: Kept) -> Kept {
    if let Some(slot) = &mut kept.slot {
        slot.by = cut(&slot.by, gatepost_whitelist::form::BY_MAX).to_owned();
    }
    kept
}
