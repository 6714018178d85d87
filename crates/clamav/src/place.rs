//! Where a clamd listens, as the operator writes it.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The longest path of a Unix socket in octets (Linux: `sun_path` with its NUL).
const PATH_MAX: usize = 107;

/// Where a clamd listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// At a Unix socket.
    Unix(PathBuf),
    /// At a TCP port: whoever reaches it can have files read and clamd stopped, for it asks nobody who they are.
    Tcp(SocketAddr),
}

impl Place {
    /// Reads `/run/clamav/clamd.ctl`, `unix:/run/clamav/clamd.ctl` or `tcp://127.0.0.1:3310`; else what was expected.
    pub fn parse(text: &str) -> Result<Place, &'static str> {
        if let Some(address) = text.strip_prefix("tcp://") {
            let address = address
                .parse()
                .map_err(|_| "an address and a port, such as \"tcp://127.0.0.1:3310\"")?;
            return Ok(Place::Tcp(address));
        }
        let path = Path::new(text.strip_prefix("unix:").unwrap_or(text));
        let fits = path.is_absolute() && text.len() <= PATH_MAX && !text.contains('\0');
        match fits {
            true => Ok(Place::Unix(path.into())),
            false => {
                Err("the absolute path of a socket, such as \"/run/clamav/clamd.ctl\", or \"tcp://127.0.0.1:3310\"")
            }
        }
    }

    /// Whether others than this machine can listen to, or answer, what is said there.
    pub fn is_open(&self) -> bool {
        matches!(self, Place::Tcp(address) if !address.ip().to_canonical().is_loopback())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Unix(path) => write!(f, "{}", path.display()),
            Place::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_path_or_an_address_and_nothing_else() {
        for (text, shown, open) in [
            ("/run/clamav/clamd.ctl", "/run/clamav/clamd.ctl", false),
            ("unix:/run/clamd", "/run/clamd", false),
            ("tcp://127.0.0.1:3310", "tcp://127.0.0.1:3310", false),
            ("tcp://[::ffff:127.0.0.1]:3310", "tcp://[::ffff:127.0.0.1]:3310", false),
            ("tcp://192.0.2.1:3310", "tcp://192.0.2.1:3310", true),
        ] {
            let place = Place::parse(text).expect(text);
            assert_eq!((place.to_string().as_str(), place.is_open()), (shown, open));
        }
        let long = format!("/{}", "x".repeat(PATH_MAX));
        for text in [
            "",
            "clamd.ctl",
            "127.0.0.1:3310",
            "tcp://clamd.example:3310",
            "tcp://127.0.0.1",
            "/a\0b",
            &long,
        ] {
            assert!(Place::parse(text).is_err(), "{text:?}");
        }
    }
}
