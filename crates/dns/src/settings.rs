//! How DNS is asked.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// How DNS is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The resolvers; those of `/etc/resolv.conf` where none is given. A validating one on the same host is best.
    pub servers: Vec<SocketAddr>,
    /// How long one try may take.
    pub timeout: Duration,
    /// How many tries a question has.
    pub attempts: usize,
    /// How long a question may take in all.
    pub deadline: Duration,
    /// How many questions may be under way at once.
    pub under_way: usize,
    /// How many octets of answers are remembered.
    pub memory: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            servers: Vec::new(),
            timeout: Duration::from_secs(2),
            attempts: 2,
            deadline: Duration::from_secs(5),
            under_way: 1_024,
            memory: 32 << 20,
        }
    }
}

/// Why no resolver can be set up, and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadSettings(String);

impl BadSettings {
    pub(crate) fn new(why: &impl fmt::Display) -> BadSettings {
        BadSettings(why.to_string())
    }
}

impl fmt::Display for BadSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no DNS resolver: {}; name some under `[dns] servers`", self.0)
    }
}

impl std::error::Error for BadSettings {}
