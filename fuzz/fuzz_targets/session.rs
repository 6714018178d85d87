//! No deed of a client or a driver breaks the laws of the session machine, and cutting a client's octets changes
//! nothing.
#![no_main]

#[path = "../../crates/smtp/tests/session_run/mod.rs"]
mod session_run;

use session_run::{Cut, Deed, chaos, cuts_change_nothing, tight};

/// Pieces are what octets FF separate. Of `C....` the octets behind C say how the pieces after it are cut; any other
/// input is a list of deeds.
fn session(data: &[u8]) {
    let mut pieces = data.split(|byte| *byte == 0xff).take(64);
    if let Some(b"C") = data.get(..1) {
        let how = pieces.next().unwrap_or_default();
        let size = |n: usize| usize::from(how.get(n).copied().unwrap_or(1) % 64) + 1;
        let late = how.get(5).is_some_and(|byte| byte % 2 == 1);
        let segments: Vec<Vec<u8>> = pieces.map(<[u8]>::to_vec).collect();
        cuts_change_nothing(
            &tight(),
            &segments,
            Cut {
                sizes: [size(1), size(2), size(3), size(4)],
                late,
            },
        );
    } else {
        let secure = data.first() == Some(&b'T');
        let deeds: Vec<Deed> = pieces.map(deed).collect();
        chaos(tight(), secure, &deeds);
    }
}

fn deed(piece: &[u8]) -> Deed {
    let number = |bytes: &[u8]| bytes.iter().take(2).fold(0, |n, b| n * 256 + u16::from(*b));
    match piece {
        [] | [b'A'] => Deed::Answer,
        [b'B', kind] => Deed::AnswerBy(*kind),
        [b'L', seconds @ ..] if seconds.len() <= 2 => Deed::Later(number(seconds)),
        [b'F', count @ ..] if count.len() <= 2 => Deed::Flood(usize::from(number(count))),
        [b'D'] => Deed::Drain,
        [b'E'] => Deed::Eof,
        said => Deed::Say(said.to_vec()),
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| session(data));
