//! The stage of the stories: the binary, a real Postfix, Exim and Dovecot, a fake mail server and a client that says what it is
//! told.
//!
//! Everything is on loopback, on ports that were free a moment ago, in folders of its own, and ends with its owner, even
//! when a test panics. No wait is without a bound.

pub mod cicap;
pub mod clamd;
pub mod client;
pub mod dovecot;
pub mod exim;
pub mod gatepost;
pub mod passwords;
pub mod postfix;
pub mod setup;
pub mod tls;
pub mod upstream;
pub mod wire;

pub use cicap::Cicap;
pub use clamd::Clamd;
pub use client::{Client, Reply};
pub use dovecot::Dovecot;
pub use exim::Exim;
pub use gatepost::Gatepost;
pub use postfix::Postfix;
pub use setup::Setup;
pub use upstream::{Act, Script, Upstream, say};

use std::net::{SocketAddr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take that should be a matter of milliseconds, on a machine that has other things to do.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Tries until there is something.
#[track_caller]
pub fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "in vain for {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// An address of loopback on which nobody listens. The host is this process's own, so that tests that run at the same
/// time cannot take each other's ports, nor one that was just given up; the port is none of those that the system gives
/// to outgoing connections.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let [_, high, middle, low] = process::id().to_be_bytes();
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(step < 20_000, "no free port");
        // Where one listens on all hosts, it must not be in the way of others.
        let port = 10_000 + (process::id().wrapping_mul(61).wrapping_add(step)) % 20_000;
        let address = SocketAddr::from(([127, 64 | high, middle, low], u16::try_from(port).expect("a port")));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// A mail with this subject and a body that has what servers like to spoil: dots, tabs, spaces at line ends, 8 bit.
pub fn mail(subject: &str) -> Vec<u8> {
    format!(
        "From: Ann <ann@there.example>\r\nTo: bob@example.org\r\nSubject: {subject}\r\nMessage-ID: <{subject}@there.example>\r\n\
         Date: Mon, 1 Jun 2026 10:00:00 +0000\r\n\r\n.\r\n..\r\n.a\r\n\tone\ttab \r\nGr\u{fc}\u{df}e\r\n\r\n\r\n"
    )
    .into_bytes()
}

/// Whether `part` is in `whole`.
pub fn holds(whole: &[u8], part: &[u8]) -> bool {
    whole.windows(part.len()).any(|window| window == part)
}

/// Content as it goes over the wire: dots at line starts doubled. The end is not there yet.
pub fn stuffed(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 16);
    let mut line_start = true;
    for (at, byte) in content.iter().enumerate() {
        if line_start && *byte == b'.' {
            out.push(b'.');
        }
        out.push(*byte);
        line_start = *byte == b'\n' && at > 0 && content[at - 1] == b'\r';
    }
    out
}

/// The reverse of [`stuffed`].
pub fn unstuffed(wire: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(wire.len());
    for line in wire.split_inclusive(|byte| *byte == b'\n') {
        out.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
    }
    out
}

/// The number of milliseconds that something took.
pub fn timed<T>(act: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    (act(), began.elapsed())
}
