//! What becomes of mail that waits, on a real folder and by a clock that moves when told.
#![allow(clippy::unwrap_used, reason = "tests")]

mod deliver;
mod failures;
mod house;
mod laws;
mod mishaps;
mod model;
mod orders;
