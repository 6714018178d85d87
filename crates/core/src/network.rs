//! Addresses as filters count them: what one stands for, which network it is of, whether the world knows it.

use std::net::IpAddr;

/// An address as what it stands for: `::ffff:192.0.2.1` and the `64:ff9b::192.0.2.1` of a translator (RFC 6052) are
/// 192.0.2.1, or all of the world that comes through one would be one client.
pub fn plain(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => match v6.segments() {
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] => IpAddr::V4((u32::from(high) << 16 | u32::from(low)).into()),
            _ => IpAddr::V6(v6),
        },
        v4 => v4,
    }
}

/// The network of an address, by its first address: so many bits of an IPv4 address or of an IPv6 address; more bits than
/// there are mean all.
pub fn masked(address: IpAddr, v4: u8, v6: u8) -> IpAddr {
    match plain(address) {
        IpAddr::V4(ip) => {
            let rest = 32_u32.saturating_sub(v4.into());
            IpAddr::V4((u32::from(ip) & u32::MAX.checked_shl(rest).unwrap_or(0)).into())
        }
        IpAddr::V6(ip) => {
            let rest = 128_u32.saturating_sub(v6.into());
            IpAddr::V6((u128::from(ip) & u128::MAX.checked_shl(rest).unwrap_or(0)).into())
        }
    }
}

/// Whether an address means the same host to all the world: not one of a private network, of the host itself, of a link, of
/// what a provider shares among its customers (RFC 6598), of a group, or of no use.
pub fn is_public(address: IpAddr) -> bool {
    match plain(address) {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let shared = first == 100 && second & 0xc0 == 64;
            let local = v4.is_private() || v4.is_loopback() || v4.is_link_local();
            !(local || shared || v4.is_multicast() || first == 0 || first >= 240)
        }
        IpAddr::V6(v6) => {
            let local = v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local();
            !(local || v6.is_unspecified() || v6.is_multicast())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_cut_where_they_end() {
        for (address, one, all, none) in [
            ("192.0.2.17", "192.0.2.17", "192.0.2.0", "0.0.0.0"),
            ("::ffff:192.0.2.17", "192.0.2.17", "192.0.2.0", "0.0.0.0"),
            ("64:ff9b::192.0.2.17", "192.0.2.17", "192.0.2.0", "0.0.0.0"),
            ("64:ff9b:0:1::17", "64:ff9b:0:1::", "64:ff9b::", "::"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::", "2001:db8:1::", "::"),
        ] {
            let address: IpAddr = address.parse().expect(address);
            let cut = |v4, v6| masked(address, v4, v6).to_string();
            assert_eq!([cut(32, 64), cut(24, 48), cut(0, 0)], [one, all, none]);
            assert_eq!(masked(address, u8::MAX, u8::MAX), plain(address));
        }
    }

    #[test]
    fn what_is_not_the_worlds_is_not_public() {
        for text in [
            "192.0.2.1",
            "2001:db8::1",
            "64:ff9b::192.0.2.1",
            "100.63.255.255",
            "100.128.0.0",
        ] {
            assert!(is_public(text.parse().expect(text)), "{text}");
        }
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.0.1",
            "169.254.1.1",
            "100.64.0.0",
            "100.127.255.255",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
        ] {
            assert!(!is_public(text.parse().expect(text)), "{text}");
        }
    }
}
