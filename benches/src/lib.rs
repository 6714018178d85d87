//! What the benches share: a client's side of a session, and a mail server behind the relay machine.
//!
//! **Invariant:** nothing here opens a socket, asks a clock or waits, and it does as little as it can, because what it
//! costs is measured along with Gatepost. **Absent on purpose:** anything that a check of behaviour would need; that is
//! `gatepost-testkit`.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod client;
pub mod server;
pub mod way;

/// Message sizes of the benches that move whole messages, in octets, with their names.
pub const SIZES: [(&str, usize); 3] = [("4kB", 4_000), ("50kB", 50_000), ("1MB", 1_000_000)];
/// The messages of one session in the benches of long sessions.
pub const MANY: usize = 50;
