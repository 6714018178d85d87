//! What counts as one client and as one network.

use std::net::IpAddr;

/// One client: an IPv4 address, an IPv6 /64.
pub fn client(address: IpAddr) -> IpAddr {
    masked(address, 32, 64)
}

/// One network: an IPv4 /24, an IPv6 /48.
pub fn network(address: IpAddr) -> IpAddr {
    masked(address, 24, 48)
}

/// Whether names in the world's DNS mean anything for an address.
pub fn is_public(address: IpAddr) -> bool {
    match plain(address) {
        IpAddr::V4(v4) => {
            // RFC 6598: what a provider shares among its customers.
            let [first, second, ..] = v4.octets();
            let shared = first == 100 && second & 0xc0 == 64;
            !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || shared)
        }
        IpAddr::V6(v6) => {
            !(v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local())
        }
    }
}

/// An address as what it stands for: `::ffff:192.0.2.1` and the `64:ff9b::192.0.2.1` of a translator (RFC 6052) are
/// 192.0.2.1, or all of the world that comes through one would be one client.
fn plain(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => match v6.segments() {
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] => IpAddr::V4((u32::from(high) << 16 | u32::from(low)).into()),
            _ => IpAddr::V6(v6),
        },
        v4 => v4,
    }
}

fn masked(address: IpAddr, v4: u32, v6: u32) -> IpAddr {
    match plain(address) {
        IpAddr::V4(ip) => IpAddr::V4((u32::from(ip) & u32::MAX.checked_shl(32 - v4).unwrap_or(0)).into()),
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) & u128::MAX.checked_shl(128 - v6).unwrap_or(0)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_and_networks_are_cut_where_they_end() {
        for (address, one, all) in [
            ("192.0.2.17", "192.0.2.17", "192.0.2.0"),
            ("::ffff:192.0.2.17", "192.0.2.17", "192.0.2.0"),
            ("64:ff9b::192.0.2.17", "192.0.2.17", "192.0.2.0"),
            ("64:ff9b:0:1::17", "64:ff9b:0:1::", "64:ff9b::"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::", "2001:db8:1::"),
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(client(address), one.parse::<IpAddr>().unwrap());
            assert_eq!(network(address), all.parse::<IpAddr>().unwrap());
        }
        let public = |text: &str| is_public(text.parse().unwrap());
        assert!(public("192.0.2.1") && public("2001:db8::1") && public("64:ff9b::192.0.2.1"));
        assert!(public("100.63.255.255") && public("100.128.0.0"));
        for text in ["100.64.0.0", "100.127.255.255", "64:ff9b::10.0.0.1"] {
            assert!(!public(text), "{text}");
        }
        for text in ["127.0.0.1", "10.1.2.3", "::1", "fe80::1", "fd00::1", "::ffff:10.0.0.1"] {
            assert!(!public(text), "{text}");
        }
    }
}
