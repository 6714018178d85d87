//! What counts as one client and as one network.

use std::net::IpAddr;

use gatepost_core::network::masked;

/// One client: an IPv4 address, an IPv6 /64.
pub fn client(address: IpAddr) -> IpAddr {
    masked(address, 32, 64)
}

/// One network: an IPv4 /24, an IPv6 /48.
pub fn network(address: IpAddr) -> IpAddr {
    masked(address, 24, 48)
}
