//! Where an ICAP service is: `icap://127.0.0.1:1344/avscan`.

use std::fmt;
use std::net::SocketAddr;

/// The port of ICAP (RFC 3507 section 4.2).
const PORT: u16 = 1344;
/// The longest path of a service in octets.
const PATH_MAX: usize = 200;

/// A service of an ICAP server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Where the server listens.
    pub address: SocketAddr,
    path: String,
}

impl Place {
    /// Reads `icap://127.0.0.1:1344/avscan`, of which the port may be missing; else what was expected.
    pub fn parse(text: &str) -> Result<Place, &'static str> {
        const EXPECTED: &str = "an address and a service, such as \"icap://127.0.0.1:1344/avscan\"";
        let (host, path) = text
            .strip_prefix("icap://")
            .and_then(|rest| rest.split_once('/'))
            .ok_or(EXPECTED)?;
        let ip = host.strip_prefix('[').and_then(|ip| ip.strip_suffix(']'));
        let alone = ip.unwrap_or(host).parse().map(|ip| SocketAddr::new(ip, PORT));
        let address = alone.or_else(|_| host.parse()).map_err(|_| EXPECTED)?;
        // It is a word of a request line.
        let fits = !path.is_empty() && path.len() <= PATH_MAX && path.bytes().all(|octet| octet.is_ascii_graphic());
        match fits {
            true => Ok(Place {
                address,
                path: path.to_owned(),
            }),
            false => Err(EXPECTED),
        }
    }

    /// Whether others than this machine can listen to, or answer, what is said there.
    pub fn is_open(&self) -> bool {
        !self.address.ip().to_canonical().is_loopback()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "icap://{}/{}", self.address, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_address_and_a_service_and_nothing_else() {
        for (text, shown, open) in [
            ("icap://127.0.0.1/avscan", "icap://127.0.0.1:1344/avscan", false),
            (
                "icap://127.0.0.1:1345/av/s?allow=on",
                "icap://127.0.0.1:1345/av/s?allow=on",
                false,
            ),
            ("icap://[::1]/x", "icap://[::1]:1344/x", false),
            ("icap://[2001:db8::1]:99/x", "icap://[2001:db8::1]:99/x", true),
            ("icap://192.0.2.1/x", "icap://192.0.2.1:1344/x", true),
        ] {
            let place = Place::parse(text).expect(text);
            assert_eq!((place.to_string().as_str(), place.is_open()), (shown, open));
        }
        let long = format!("icap://127.0.0.1/{}", "x".repeat(PATH_MAX + 1));
        for text in [
            "",
            "127.0.0.1:1344",
            "icap://127.0.0.1",
            "icap://127.0.0.1/",
            "icap://scanner.example/x",
            "icap://127.0.0.1/a b",
            "icap://127.0.0.1/a\r\nX: y",
            "icaps://127.0.0.1/x",
            &long,
        ] {
            assert!(Place::parse(text).is_err(), "{text:?}");
        }
    }
}
