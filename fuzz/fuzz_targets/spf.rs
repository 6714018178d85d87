//! Whatever is published and said, a check of SPF ends within its bounds and says why in one harmless line; and what a
//! record prints is the same record.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[path = "../../crates/spf-dkim-dmarc/tests/oracle/mod.rs"]
mod oracle;

use oracle::{Anything, Said, check_holds, record_holds};

// One octet says who is who; what follows is cut at 0xff: HELO, local part, domain, the names of the client and of mail
// servers with a space between, then the texts that are published.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((how, rest)) = data.split_first() else {
        return;
    };
    let pieces: Vec<&[u8]> = rest.split(|octet| *octet == 0xff).collect();
    let text = |n: usize| String::from_utf8_lossy(pieces.get(n).copied().unwrap_or_default()).into_owned();
    let texts: Vec<Vec<u8>> = pieces.iter().skip(4).map(|piece| piece.to_vec()).collect();
    texts.iter().for_each(|text| record_holds(text));
    let address = |bit: u8| match how >> bit & 3 {
        0 => IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        1 => IpAddr::V4(Ipv4Addr::new(203, 0, 113, 5)),
        2 => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
        _ => IpAddr::V6(Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped()),
    };
    let names = text(3)
        .split(' ')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    let found = (how & 16 == 0).then(|| address(2));
    let domain = if how & 32 == 0 {
        "example.org".to_owned()
    } else {
        text(2)
    };
    let said = Said {
        client: address(0),
        helo: text(0),
        local: text(1),
        domain,
    };
    check_holds(&Anything::new(texts, names, found), &said);
});
