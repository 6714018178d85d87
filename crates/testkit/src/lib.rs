//! What tests of Gatepost stand on: fakes, laws and the dialogue runner.
//!
//! A third party's filter tests itself with [`laws::filter::run`] and a dialogue script or two ([`dialogue`]); a third
//! party's store with [`laws::store::run`]. Nothing here opens a socket but
//! [`nameserver`], for tests with sockets, and no clock moves unless it is told to.
//!
//! **Absent on purpose:** chance. What a test sees today it sees tomorrow.
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "a test's output is for whoever runs it, DIALOGUE picks scripts, and tokio's paused clock is the fake one"
)]
#![warn(missing_docs)]

pub mod alarms;
pub mod bench;
pub mod book;
pub mod clock;
pub mod config;
pub mod desk;
pub mod dialogue;
pub mod fakes;
pub mod kept;
pub mod laws;
pub mod letters;
pub mod mail;
pub mod memory;
pub mod models;
pub mod names;
pub mod nameserver;
pub mod post;
pub mod queue;
pub mod scans;
pub mod told;
pub mod upstream;
pub mod zone;

pub use alarms::{Alarm, MemoryAlarms};
pub use book::Book;
pub use clock::FakeClock;
pub use desk::MemoryDesk;
pub use fakes::Fakes;
pub use kept::MemoryKept;
pub use memory::MemoryStore;
pub use models::MemoryModels;
pub use names::ZoneNames;
pub use nameserver::{Nameserver, Trouble};
pub use post::MemoryPost;
pub use queue::MemoryQueue;
pub use upstream::{Delivered, Dies, ScriptedUpstreams};
pub use zone::Zone;
