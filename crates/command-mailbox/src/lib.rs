//! Command mailboxes: people steer Gatepost with nothing but their mail client.
//!
//! **Invariants:** only a login opens them, and to everybody else they do not exist; what a mail says is never a command,
//! only the mailbox that it was sent to is; all is done by the desk, in the name of the one who wrote.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod blocked;
pub mod report;
pub mod words;
