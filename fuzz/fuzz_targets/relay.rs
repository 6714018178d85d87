//! No mail server, whatever it says, makes the relay machine panic, write a second line or report good news too early.
//!
//! The input: one octet of settings, eight of orders, then what the server says, one turn from the next by 0xFF.
#![no_main]

#[path = "../../crates/smtp/tests/lying_upstream/mod.rs"]
mod lying_upstream;

use gatepost_smtp::relay::{ClientMode, TlsMode};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((settings, rest)) = input.split_first() else {
        return;
    };
    let Some((acts, said)) = rest.split_at_checked(8) else {
        return;
    };
    let client = [ClientMode::None, ClientMode::XClient, ClientMode::XForward][usize::from(settings % 3)];
    let tls = [TlsMode::None, TlsMode::Opportunistic, TlsMode::Verified][usize::from(settings / 3 % 3)];
    let acts = acts.iter().map(|act| act % 9).collect::<Vec<_>>();
    let script = said.split(|byte| *byte == 0xFF).take(64).map(<[u8]>::to_vec).collect();
    lying_upstream::lies(script, &acts, client, tls, settings & 0x80 != 0);
});
