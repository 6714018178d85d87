//! Reads the PROXY header that a trusted load balancer must send first.

use std::io;

use gatepost_smtp::proxy_header::Reading;
pub use gatepost_smtp::proxy_header::{Header, write};

use crate::wire::Wire;

/// So much of what has come is looked at in one go; longer headers take another look.
const SIGHT: usize = 512;

/// Reads the header and not an octet more: what follows is the client's own, and may be a TLS handshake. What has come is
/// looked at before it is taken, since the end of a line shows only there.
pub async fn read(wire: &mut Wire) -> io::Result<Header> {
    let (mut octets, mut sight) = (Vec::new(), [0; SIGHT]);
    loop {
        let seen = wire.look(&mut sight).await?;
        let with = [&octets[..], &sight[..seen]].concat();
        let own = match Header::read(&with) {
            _ if seen == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            Reading::Bad => return Err(io::Error::new(io::ErrorKind::InvalidData, "no PROXY header")),
            // A header so far to its last octet.
            Reading::More(_) => seen,
            Reading::Done { used, .. } => used - octets.len(),
        };
        wire.read(own, |read| octets.extend_from_slice(read)).await?;
        if let Reading::Done { header, .. } = Header::read(&octets) {
            return Ok(header);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn what_stands_behind_a_header_is_left_to_the_client_however_it_comes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let line = b"PROXY TCP4 203.0.113.5 192.0.2.1 40000 25\r\n";
        let client = Header::Client("203.0.113.5:40000".parse().unwrap());
        let all = [&line[..], b"EHLO c.example\r\n"].concat();
        for cut in [0, 1, 13, line.len() - 1, line.len(), line.len() + 4] {
            let (before, after) = all.split_at(cut);
            let mut far = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            far.write_all(before).await.unwrap();
            let mut wire = Wire::accepted(listener.accept().await.unwrap().0);
            let reading = async { (read(&mut wire).await.unwrap(), wire) };
            let writing = async {
                tokio::task::yield_now().await;
                far.write_all(after).await.unwrap();
            };
            let ((header, mut wire), ()) = tokio::join!(reading, writing);
            assert_eq!(header, client, "{cut}");
            let mut rest = Vec::new();
            while rest.len() < 16 {
                wire.read(64, |read| rest.extend_from_slice(read)).await.unwrap();
            }
            assert_eq!(rest, b"EHLO c.example\r\n", "{cut}");
        }
    }

    #[tokio::test]
    async fn a_header_without_its_end_is_an_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut far = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        far.write_all(b"PROXY TCP4 203.0.113.5 ").await.unwrap();
        drop(far);
        let mut wire = Wire::accepted(listener.accept().await.unwrap().0);
        let error = read(&mut wire).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
