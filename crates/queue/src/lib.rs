//! Mail that waits here until its mail server takes it.
//!
//! **Invariants:** mail that was accepted is on disk, its name included, before anybody is told; it is delivered in the order
//! of its arrival for each domain; after any crash at any moment it is there once, and what a mail server took is not sent to
//! it again, but for a mail whose answer was just being awaited. **Absent on purpose:** sockets (core's `Upstreams`), which
//! mail may wait (the transaction's affair), rights (the desk's).
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod spool;

pub use spool::Spool;
