//! A sender as it stays the same from mail to mail.
//!
//! Tags of BATV and SRS come off, VERP is cut to its stem, `+tag` is cut, serial numbers become `#`. **Invariants:** pure,
//! total, and what comes out stays as it is where it goes in again. **Absent on purpose:** people. A name with a year in it
//! (`smith1985@`) is no serial number, or all of a big provider's people would be one sender.

use gatepost_core::{Address, Path, tagged};

/// A word is a serial number from so many characters on, if it looks like one.
const SERIAL: usize = 8;
/// So many digits in a row are one, too: counters, dates, customers.
const DIGITS: usize = 6;
/// Beside a serial number so short a hexadecimal word is a part of it: `0100018b3f2a4b5c-1a2b-4def-9abc`.
const HEX: usize = 4;
/// What words of a local part are cut at.
const CUTS: [char; 4] = ['-', '_', '.', '='];
/// How often a sender is folded, so that what comes out stays as it is. Each time but the last makes it shorter or takes a
/// number out of it, and a local part has 64 octets.
const FOLDS_MAX: usize = 64;

/// The sender in lower case without what was made for this one mail; empty for the null sender.
pub fn folded(from: &Path) -> String {
    let Some(address) = from.mailbox() else {
        return String::new();
    };
    let mut address = address.clone();
    for _ in 0..FOLDS_MAX {
        let next = fold(&address);
        match Address::parse(&next, true) {
            Ok(next) if next != address => address = next,
            _ => return next,
        }
    }
    address.key()
}

fn fold(address: &Address) -> String {
    let address = tagged::original(address);
    let address = tagged::stem(&address).unwrap_or(address);
    let local = address.local().to_lowercase();
    let local = match local.find('+') {
        None | Some(0) => local.as_str(),
        Some(plus) => local.get(..plus).unwrap_or(&local),
    };
    format!("{}@{}", numbers_out(local), address.domain().key())
}

/// Serial numbers as `#`.
fn numbers_out(local: &str) -> String {
    let words = || {
        local
            .split_inclusive(CUTS)
            .map(|word| (word.trim_end_matches(CUTS), word))
    };
    let any = words().any(|(bare, _)| is_serial(bare));
    let mut out = String::with_capacity(local.len());
    for (bare, word) in words() {
        let serial = is_serial(bare) || (any && bare.len() >= HEX && is_hex(bare));
        out.push_str(if serial { "#" } else { bare });
        out.push_str(word.get(bare.len()..).unwrap_or_default());
    }
    out
}

fn is_hex(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether a program counted this up or drew it by lot: nothing but digits, many of them in a row, or a long word that is
/// hexadecimal or goes from letters to digits more than once.
fn is_serial(word: &str) -> bool {
    // What was folded before still says that there was a number.
    if word == "#" {
        return true;
    }
    let (mut runs, mut longest, mut run, mut digits) = (0, 0, 0, 0);
    for b in word.bytes() {
        if b.is_ascii_digit() {
            runs += usize::from(run == 0);
            (run, digits) = (run + 1, digits + 1);
            longest = longest.max(run);
        } else {
            run = 0;
        }
    }
    if digits == 0 {
        return false;
    }
    digits == word.len() || longest >= DIGITS || (word.len() >= SERIAL && (runs > 1 || is_hex(word)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn from(text: &str) -> String {
        folded(&Path::reverse(text, true).unwrap_or_else(|bad| panic!("{text}: {bad:?}")))
    }

    #[test]
    fn a_sender_that_is_made_anew_for_each_mail_is_one_sender() {
        for (one, other) in [
            ("prvs=1234abcdef=ann@b.example", "prvs=5678fedcba=Ann@B.example"),
            ("prvs=1234abcdef=ann@b.example", "ann@b.example"),
            ("prvs=ann=1234abcdef@b.example", "ann@b.example"),
            (
                "SRS0=aaaa=b1=b.example=ann@fwd.example",
                "SRS0=cccc=d2=b.example=ann@other.example",
            ),
            (
                "SRS1=eeee=fwd.example==aaaa=b1=b.example=ann@second.example",
                "SRS0=cccc=d2=b.example=ann@fwd.example",
            ),
            ("SRS0=aaaa=b1=b.example=ann@fwd.example", "ann@b.example"),
            (
                "bounce-4711-carl=d.example@b.example",
                "bounce-4712-eva=e.example@b.example",
            ),
            (
                "list-bounce+carl=d.example@b.example",
                "list-bounce+eva=e.example@b.example",
            ),
            ("0100018b3f2a-1111@b.example", "0100018b77aa-2222@b.example"),
            (
                "0100017f1c2d3e4f-12345678-9abc-4def-abcd-456789abcdef-000000@ses.example",
                "0100018f5a6b7c8d-87654321-1b2c-dead-8fed-abcdef456789-000000@ses.example",
            ),
            ("m.a8f3kq9zt2@b.example", "m.z1k4pp7qr0@b.example"),
            ("news+17@b.example", "news+18@b.example"),
            ("m-20261125@b.example", "m-20261126@b.example"),
            ("c123456x@b.example", "c654321x@b.example"),
        ] {
            assert_eq!(from(one), from(other), "{one} and {other}");
        }
    }

    #[test]
    fn different_people_stay_different() {
        for (one, other) in [
            ("ann@b.example", "bob@b.example"),
            ("ann@b.example", "ann@c.example"),
            ("a1@b.example", "a2@b.example"),
            ("carl.smith1985@b.example", "carl.smith1986@b.example"),
            ("smith2024@b.example", "jones1999@b.example"),
            ("facade@b.example", "decade@b.example"),
            ("", "ann@b.example"),
        ] {
            assert_ne!(from(one), from(other), "{one} and {other}");
        }
        assert_eq!(from("+tag@b.example"), "+tag@b.example", "nothing would be left of it");
    }

    #[test]
    fn hostile_senders_are_folded_like_others() {
        for text in [
            "\"odd @ \\\"local\"@b.example",
            "\"\"@b.example",
            "prvs=@b.example",
            "SRS0=@b.example",
            "SRS0====@b.example",
            "SRS1=a=b=SRS0=c=d=e=f@b.example",
            "-=-_-@b.example",
            "\u{fc}\u{130}1234567\u{df}@b.example",
            "ann@[192.0.2.7]",
        ] {
            if let Ok(path) = Path::reverse(text, true) {
                let once = folded(&path);
                if let Ok(again) = Path::reverse(&once, true) {
                    assert_eq!(folded(&again), once, "{text}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn folding_is_total_and_stays_as_it_is(
            parts in prop::collection::vec(prop_oneof![
                "[a-z0-9+=._#-]{1,12}", "[0-9a-f]{4,12}",
                Just("prvs=1234abcdef=".to_owned()), Just("SRS0=aaaa=b1=b.example=".to_owned()),
                Just("SRS1=eeee=f.example==".to_owned()), Just("bounce-".to_owned()), Just("=d.example".to_owned()),
            ], 1..5),
            domain in "[a-z]{1,9}\\.example",
        ) {
            let local = parts.concat();
            if let Ok(path) = Path::reverse(&format!("{local}@{domain}"), true) {
                let once = folded(&path);
                prop_assert!(once.len() <= local.len() + domain.len() + 1);
                // `a.+tag` leaves `a.`, which is a key but no address.
                if let Ok(again) = Path::reverse(&once, true) {
                    prop_assert_eq!(folded(&again), once);
                }
            }
        }

        #[test]
        fn any_octets_that_are_a_path_are_folded(text in "\\PC{0,80}") {
            if let Ok(path) = Path::reverse(&text, true) {
                prop_assert!(folded(&path).len() <= 4 * text.len() + 8);
            }
        }
    }
}
