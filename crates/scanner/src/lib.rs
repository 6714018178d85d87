//! What filters have in common that have mail scanned by an engine outside: `clamav` and `icap`. Not a filter.
//!
//! A [`Round`] asks one [`Server`] after another, each with its share of the time; an engine says in [`Engine`] how one is
//! asked. [`stream`] is what of a mail is sent, [`opinion`] what the answers come to, and [`Voice`] the words that an engine has
//! for all that. **Invariant:** only [`Answer::Clean`] is clean; what nobody looked at is a fault or a finding. **Absent on
//! purpose:** sockets and protocols, which are each engine's own.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod health;
pub mod name;
pub mod opinion;
pub mod options;
pub mod round;
pub mod stream;

pub use health::{Health, Server};
pub use opinion::{Speaker, Terms};
pub use round::{Engine, Round, Tried};
pub use stream::Stream;

use gatepost_core::{Fault, Tag};

/// What an engine says of octets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It looked at all of them and found nothing.
    Clean,
    /// It found something of this name: printable ASCII, at most [`name::NAME_MAX`] octets. Never empty.
    Found(String),
    /// They are more than it takes.
    TooLarge,
    /// It did not look at all of them, and why.
    Unscanned(String),
}

/// The words of an engine.
pub struct Voice {
    /// The name of its filter.
    pub name: &'static str,
    /// What is said before the place of a server.
    pub at: &'static str,
    /// The alarm that a server is not there.
    pub gone: &'static str,
    /// Something was found.
    pub found: Tag,
    /// Something was found that only weighs.
    pub heuristic: Tag,
    /// Nobody is there to scan.
    pub unscanned: Tag,
    /// Not all was scanned.
    pub too_large: Tag,
    /// What is said where a server did not take all.
    pub cut: &'static str,
    /// The part of a find's name that is one.
    pub bare: fn(&str) -> &str,
    /// The pattern of finds that say that not all was looked at.
    pub limits: Option<&'static str>,
    /// No answer came in time.
    pub late: Fault,
    /// Too many are asked already.
    pub full: Fault,
    /// Nobody answers.
    pub absent: Fault,
    /// The connection ended without an answer.
    pub closed: Fault,
}
