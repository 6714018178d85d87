//! Reads the PROXY header that a trusted load balancer must send first.

use std::io;

use gatepost_smtp::proxy_header::Reading;
pub use gatepost_smtp::proxy_header::{Header, write};

use crate::wire::Wire;

/// Reads the header and not an octet more: what follows is the client's own, and may be a TLS handshake.
pub async fn read(wire: &mut Wire) -> io::Result<Header> {
    let mut octets = Vec::new();
    loop {
        let wanted = match Header::read(&octets) {
            Reading::Done { header, .. } => return Ok(header),
            Reading::More(wanted) => wanted,
            Reading::Bad => return Err(io::Error::new(io::ErrorKind::InvalidData, "no PROXY header")),
        };
        let more = wire
            .read(wanted, |read| {
                octets.extend_from_slice(read);
                !read.is_empty()
            })
            .await?;
        if !more {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
