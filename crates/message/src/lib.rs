//! A mail as octets, lazily parsed views of its header section and of what it encloses, and the editor.
//!
//! **Invariant:** viewing changes no octet, and editing changes only what was asked. A [`Message`] is its octets; the
//! [`Headers`] are places in them. An [`Edited`] message shares the head and the body that nobody touched, so a DKIM
//! signature that held before a field was prepended holds after it (P-53). Where a part is replaced none holds.
//!
//! Everything here is total and bounded: any octets make a message, none makes a panic, and what lies behind a bound
//! is left alone and reported ([`Excess`]).
//!
//! **Absent on purpose:** a runtime, a clock, a file, SMTP, and policy. Time is an argument, a spool file is somebody's
//! [`Content`], and which fields must go is somebody else's word: [`results`], [`own`] and [`received`] only find them.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod beyond;
mod content;
mod date;
pub mod dkim_names;
mod edit;
mod edited;
mod field;
mod header;
mod message;
pub mod own;
pub mod reading;
pub mod received;
mod replace;
pub mod results;
mod subject;
pub mod trail;
mod word;

pub use content::Content;
pub use date::date;
pub use dkim_names::SignedNames;
pub use edit::{Edit, Edits, Which};
pub use edited::Edited;
pub use field::{BadName, Field, NAME_MAX, Name, VALUE_MAX};
pub use header::{Excess, FIELD_MAX, HEAD_MAX, Header, Headers, LINES_MAX, split};
pub use message::{Message, Reader};
pub use own::{BadPattern, NamePattern, Stripped};
pub use reading::enclosed;
pub use reading::{Host, Link, Links, Place, Reading, Trick};
pub use received::{Protocol, Received};
pub use replace::{NOTE_MAX, Replacement, STRETCHES_MAX};
pub use results::Results;
pub use subject::{BadTag, SubjectTag, TAG_MAX};
pub use word::{BadWord, SubjectWord, WORD_MAX};
