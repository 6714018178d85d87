//! A message as a stream of features for classifiers.
//!
//! **Invariants:** a document is made of the octets of the message and of nothing else; the same octets give the same
//! document; what other filters, mailboxes and we ourselves wrote into the header is not in it; every list has a bound.
//! **Absent on purpose:** models, labels, and any knowledge of who sends the mail.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod clean;
pub mod document;
mod draft;
pub mod fields;
pub mod file;
mod form;
mod head;
pub mod key;
mod links;
mod ours;
pub mod words;

pub use document::{Document, Field, Token};
pub use file::File;
pub use key::Key;
