//! The reverse name of an address, forward-confirmed.

use std::net::IpAddr;

use gatepost_core::{Dns, Fault, Reverse};

use crate::names::is_name;

/// The most PTR records that are followed (RFC 7208 §5.5 has the same bound).
const PTR_MAX: usize = 10;

async fn leads_back(dns: &dyn Dns, name: &str, origin: IpAddr) -> Result<bool, Fault> {
    Ok(match origin {
        IpAddr::V4(ip) => dns.a(name).await?.records().contains(&ip),
        IpAddr::V6(ip) => dns.aaaa(name).await?.records().contains(&ip),
    })
}

/// The first reverse name that leads back to the address; where none does, the first that is a name. A name that could not
/// be asked for may lead back: where none is known to, that is a fault, and held against nobody.
pub async fn name(dns: &dyn Dns, origin: IpAddr) -> Result<Reverse, Fault> {
    let names = dns.ptr(origin).await?.into_records();
    let (mut first, mut trouble) = (None, None);
    for name in names.into_iter().filter(|name| is_name(name)).take(PTR_MAX) {
        match leads_back(dns, &name, origin).await {
            Ok(true) => return Ok(Reverse::new(Some(name), true)),
            Ok(false) => {}
            Err(fault) => trouble = Some(fault),
        }
        first.get_or_insert(name);
    }
    trouble.map_or(Ok(Reverse::new(first, false)), Err)
}
