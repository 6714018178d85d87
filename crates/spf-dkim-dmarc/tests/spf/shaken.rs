//! Strangers' octets of any kind.

use std::net::IpAddr;

use proptest::prelude::*;

use crate::oracle::{Anything, Said, check_holds, record_holds};

fn term() -> impl Strategy<Value = String> {
    let domain = prop_oneof![
        "[a-z]{1,8}\\.example",
        "%\\{[a-zA-Z][0-9]{0,2}r?[-.+,/_=]{0,3}\\}",
        "[!-~]{0,20}",
        "%\\{[slodipvhcrt]\\}\\.(%\\{[SLODIPVH][1-9]?r?\\}|a\\.example|%_|%%)",
    ];
    let name = prop_oneof![
        Just("a:"),
        Just("mx:"),
        Just("ptr:"),
        Just("exists:"),
        Just("include:"),
        Just("redirect="),
        Just("exp="),
        Just("x="),
        Just("ip4:"),
        Just("ip6:"),
        Just("-all"),
        Just("a"),
        Just("mx"),
        Just("ptr"),
        Just("a/"),
        Just("mx//"),
    ];
    let qualifier = prop_oneof![Just(""), Just("-"), Just("?"), Just("~"), Just("+")];
    let prefix = prop_oneof![Just(String::new()), "//?[0-9]{1,3}"];
    (qualifier, name, domain, prefix).prop_map(|(q, n, d, p)| {
        if n.ends_with([':', '=']) {
            format!("{q}{n}{d}{p}")
        } else {
            format!("{q}{n}{p}")
        }
    })
}

/// Texts that are nearly records.
fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => prop::collection::vec(term(), 0..14).prop_map(|terms| format!("v=spf1 {}", terms.join(" ")).into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(|octets| [b"v=spf1 ".as_slice(), &octets].concat()),
        1 => prop::collection::vec(any::<u8>(), 0..100),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_published_the_check_ends_within_its_bounds(
        texts in prop::collection::vec(text(), 0..5),
        names in prop::collection::vec(prop_oneof!["[a-z]{1,5}\\.example\\.org", ".{0,30}"], 0..14),
        address in prop::option::of(any::<IpAddr>()),
        client in any::<IpAddr>(),
        helo in ".{0,40}",
        local in ".{0,40}",
        domain in prop_oneof![4 => Just("example.org".to_owned()), 1 => ".{0,40}"],
        same in any::<bool>(),
    ) {
        let dns = Anything::new(texts, names, if same { Some(client) } else { address });
        check_holds(&dns, &Said { client, helo, local, domain });
    }

    #[test]
    fn what_a_record_prints_is_the_same_record(text in text()) {
        record_holds(&text);
    }
}
