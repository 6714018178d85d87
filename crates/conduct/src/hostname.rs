//! Whether a reverse name is one that providers give to the lines of customers.
//!
//! Own heuristics, no list of providers: the address written into the name, or words for such lines. A word for a server,
//! or `static`, speaks for somebody who has a line to run servers on. At most 255 octets are looked at.

use std::net::IpAddr;

/// Words that say enough by themselves.
const STRONG: [&str; 16] = [
    "adsl",
    "cpe",
    "dhcp",
    "dial",
    "dialin",
    "dialup",
    "dyn",
    "dynamic",
    "dynip",
    "ppp",
    "pppoe",
    "residential",
    "vdsl",
    "wifi",
    "wlan",
    "xdsl",
];
/// Words that say something beside a part of the address.
const WEAK: [&str; 22] = [
    "broadband",
    "cable",
    "client",
    "clients",
    "cust",
    "customer",
    "customers",
    "dip",
    "dsl",
    "fiber",
    "ftth",
    "gprs",
    "home",
    "host",
    "hsd",
    "ip",
    "lte",
    "mobile",
    "nat",
    "pool",
    "pools",
    "user",
];
/// Words that somebody gives to a server.
const SERVER: [&str; 14] = [
    "mail", "mailgw", "mta", "mx", "mxout", "out", "outbound", "relay", "server", "smtp", "srv", "static", "vps", "www",
];

/// Whether the name of a client at `address` is that of a customer's line.
pub fn is_generic(name: &str, address: IpAddr) -> bool {
    let name = name.get(..255).unwrap_or(name).to_ascii_lowercase();
    // What stands before the provider's own domain; its two last labels are never the line's.
    let mut labels: Vec<&str> = name.split('.').collect();
    labels.truncate(labels.len().saturating_sub(2));
    let pieces: Vec<&str> = labels.iter().flat_map(|label| label.split(['-', '_'])).collect();
    let words: Vec<&str> = pieces.iter().map(|piece| letters(piece)).collect();
    let some = |known: &[&str]| words.iter().any(|word| known.contains(word));
    if some(&SERVER) {
        return false;
    }
    let parts = parts(&pieces, &labels, address);
    parts >= 4 || some(&STRONG) || (parts >= 2 && some(&WEAK))
}

/// A piece without the digits around it.
fn letters(piece: &str) -> &str {
    piece.trim_matches(|c: char| c.is_ascii_digit())
}

/// How many parts of the address are written in the name.
fn parts(pieces: &[&str], labels: &[&str], address: IpAddr) -> usize {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let octets = v4.octets();
            let joined = [
                octets.map(|octet| format!("{octet:03}")).concat(),
                octets.map(|octet| format!("{octet:02x}")).concat(),
            ];
            if labels
                .iter()
                .any(|label| joined.iter().any(|joined| label.contains(joined)))
            {
                return 4;
            }
            found(pieces, &octets.map(|octet| octet.to_string()))
        }
        IpAddr::V6(v6) => {
            let groups = v6.segments();
            let joined = groups.map(|group| format!("{group:04x}")).concat();
            if labels.iter().any(|label| label.contains(&joined)) {
                return 8;
            }
            let groups: Vec<String> = groups
                .iter()
                .filter(|group| **group != 0)
                .map(|group| format!("{group:x}"))
                .collect();
            found(pieces, &groups)
        }
    }
}

/// How many of the numbers are pieces of the name, each piece counted for one.
fn found(pieces: &[&str], numbers: &[String]) -> usize {
    let mut left: Vec<&str> = pieces
        .iter()
        .map(|piece| piece.trim_start_matches(|c: char| c.is_ascii_alphabetic() && !c.is_ascii_hexdigit()))
        .map(|piece| {
            if piece.len() > 1 {
                piece.trim_start_matches('0')
            } else {
                piece
            }
        })
        .collect();
    numbers
        .iter()
        .filter(|number| {
            let place = left.iter().position(|piece| *piece == number.as_str());
            if let Some(place) = place {
                left.swap_remove(place);
            }
            place.is_some()
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn generic(name: &str) -> bool {
        is_generic(name, "192.0.2.17".parse().unwrap())
    }

    #[test]
    fn a_customers_line_is_known_by_its_address_or_its_words() {
        for name in [
            "192-0-2-17.provider.example",
            "17.2.0.192.provider.example",
            "ip-192-0-2-17.eu.provider.example",
            "p192000002017.provider.example",
            "c0000211.provider.example",
            "host17-2.pool.provider.example",
            "dyn-17.provider.example",
            "17.dynamic.provider.example",
            "adsl12.city.provider.example",
            "2-17.cable.provider.example",
        ] {
            assert!(generic(name), "{name}");
        }
        let v6 = "2001:db8:1234:5678::9abc".parse().unwrap();
        assert!(is_generic("2001-db8-1234-5678--9abc.provider.example", v6));
        assert!(is_generic("20010db8123456780000000000009abc.ip6.provider.example", v6));
        assert!(!is_generic("a.b.provider.example", v6));
    }

    #[test]
    fn a_server_is_none() {
        for name in [
            "mail.b.example",
            "mx1.b.example",
            "static-192-0-2-17.provider.example",
            "mail-17-2.pool.provider.example",
            "smtp17.dynamic.example",
            "o17.b.example",
            "dyn.example",
            "pool.example.org",
            "a.b.c.d.example",
            "server17.b.example",
            "localhost",
            "",
        ] {
            assert!(!generic(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_name_is_too_odd(name in ".{0,400}", v4 in any::<u32>(), v6 in any::<u128>()) {
            is_generic(&name, IpAddr::V4(v4.into()));
            is_generic(&name, IpAddr::V6(v6.into()));
        }

        #[test]
        fn the_whole_address_in_a_name_is_always_seen(v4 in any::<u32>()) {
            let [a, b, c, d] = v4.to_be_bytes();
            let name = format!("{a}-{b}-{c}-{d}.provider.example");
            prop_assert!(is_generic(&name, IpAddr::V4(v4.into())));
        }
    }
}
