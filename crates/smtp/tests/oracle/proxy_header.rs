//! The PROXY protocol, slowly.

use gatepost_smtp::proxy_header::{self, Header, Reading};

/// The definition of a PROXY header, for octets of which nothing more will come.
fn proxy_header(input: &[u8]) -> Option<(Header, usize)> {
    let client = |ip: std::net::IpAddr, port| Header::Client(std::net::SocketAddr::new(ip.to_canonical(), port));
    if let Some(rest) = input.strip_prefix(b"\r\n\r\n\0\r\nQUIT\n") {
        let length = usize::from(rest.get(2).copied()?) * 256 + usize::from(rest.get(3).copied()?);
        let block = rest.get(4..4 + length).filter(|block| block.len() <= 2048 - 16)?;
        let port = |at: usize| Some(u16::from(*block.get(at)?) << 8 | u16::from(*block.get(at + 1)?));
        let header = match rest[..2] {
            [0x20, _] | [0x21, 0x00] => Header::Local,
            [0x21, 0x11 | 0x12] => {
                let text: Vec<String> = block.get(..12)?[..4].iter().map(u8::to_string).collect();
                client(text.join(".").parse().ok()?, port(8)?)
            }
            [0x21, 0x21 | 0x22] => {
                let pairs = block.get(..36)?[..16].chunks(2);
                let text: Vec<String> = pairs.map(|pair| format!("{:02x}{:02x}", pair[0], pair[1])).collect();
                client(text.join(":").parse().ok()?, port(32)?)
            }
            _ => return None,
        };
        return Some((header, 16 + length));
    }
    let line = input
        .split_inclusive(|b| *b == b'\n')
        .next()
        .filter(|line| line.len() <= 107)?;
    let text = line.strip_suffix(b"\r\n")?;
    let words: Vec<&[u8]> = text.split(|b| *b == b' ').collect();
    let number = |word: &[u8]| {
        let number: u16 = std::str::from_utf8(word).ok()?.parse().ok()?;
        (number.to_string().as_bytes() == word).then_some(number)
    };
    let ip = |word: &[u8], v4: bool| {
        let ip: std::net::IpAddr = std::str::from_utf8(word).ok()?.parse().ok()?;
        (ip.is_ipv4() == v4).then_some(ip)
    };
    let header = match words[..] {
        [b"PROXY", b"UNKNOWN", ..] => Header::Local,
        [b"PROXY", family @ (b"TCP4" | b"TCP6"), from, to, from_port, to_port] => {
            let v4 = family == b"TCP4";
            ip(to, v4).zip(number(to_port))?;
            client(ip(from, v4)?, number(from_port)?)
        }
        _ => return None,
    };
    Some((header, line.len()))
}

/// The reader is the definition: for every beginning of the input, so that neither cuts nor what follows change anything;
/// who takes what it wants takes nothing behind the header; and the header that we write of it says the same.
pub fn proxy_header_is_the_definition(input: &[u8]) {
    let told = proxy_header(input);
    let whole = Header::read(input);
    match whole {
        Reading::Done { header, used } => assert_eq!(Some((header, used)), told),
        Reading::More(_) | Reading::Bad => assert_eq!(told, None, "{whole:?}"),
    }
    let mut bad = false;
    for length in 0..=input.len().min(Header::MAX + 1) {
        let reading = Header::read(&input[..length]);
        match reading {
            Reading::More(wanted) => {
                assert!(!bad && (1..=Header::MAX).contains(&wanted) && length + wanted <= Header::MAX);
                assert!(
                    told.is_none_or(|(_, used)| length + wanted <= used),
                    "more than the header is wanted"
                );
            }
            Reading::Bad => bad = true,
            Reading::Done { used, .. } => assert_eq!((reading, used <= length), (whole, true)),
        }
    }
    assert_eq!(bad, whole == Reading::Bad);
    if let Some((Header::Client(client), _)) = told {
        for destination in [None, Some(client)] {
            let header = proxy_header::write(client, destination);
            let used = header.len();
            assert_eq!(
                Header::read(&header),
                Reading::Done {
                    header: Header::Client(client),
                    used
                }
            );
            assert_eq!(proxy_header(&header), Some((Header::Client(client), used)));
        }
    }
}
