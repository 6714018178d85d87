//! SMTP without I/O.
//!
//! Everything that Gatepost reads from or writes to an SMTP peer goes through this crate: lines, commands, replies,
//! message bodies, and the two machines, [`session`] towards the client and [`relay`] towards the mail server.
//! **Absent on purpose:** a runtime, a clock, a socket, a file, and policy. Time is an argument; what to answer is
//! somebody else's word.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod address;
pub mod body;
pub mod command;
pub mod line;
pub mod offer;
pub mod proxy_header;
pub mod relay;
pub mod reply;
pub mod session;
pub mod time;

pub use address::{Address, Domain, Path};
pub use command::{BodyType, Command, Etrn, Helo, MailParams, Notify, RcptParams, Ret};
pub use offer::Offer;
pub use reply::{Class, Enhanced, Reply};
pub use time::Time;
