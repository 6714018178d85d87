//! Stories: the binary itself on sockets, in front of a real Postfix and of a fake mail server.
//!
//! What a client was told and what the mail server took are two ledgers, compared after each story: nothing that was
//! accepted is lost, nothing that was refused is delivered, nothing is delivered twice.
#![allow(
    clippy::disallowed_types,
    reason = "both sides of the proxy are played here, on real sockets"
)]
#![allow(clippy::disallowed_macros, reason = "a failed story shows the last lines of the log")]
#![allow(
    clippy::disallowed_methods,
    reason = "whoever plays with real sockets must know when to give up"
)]

mod addresses;
mod attachments;
mod auth;
mod away;
mod clamav;
mod desk;
mod dns;
mod domains;
mod failover;
mod faults;
mod floods;
mod gone;
mod house;
mod icap;
mod keeping;
mod kept;
mod keywords;
mod learning;
mod logins;
mod mailboxes;
mod memory;
mod one_day;
mod operation;
mod passing;
mod people;
mod prdr;
mod queueing;
mod relaying;
mod resend;
mod shadow;
mod smuggling;
mod tls;
mod training;
mod waiting;
