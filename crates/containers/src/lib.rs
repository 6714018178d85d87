//! Files that hold other files, and what in them acts by itself: archives, disk images, documents, mails of Outlook.
//!
//! **Invariant:** any octets are read in bounded memory, time and depth. What cannot be looked into, or lies behind a
//! bound, is a [`Mark`], never a silent pass. The same octets give the same [`Item`]s in the same order.
//!
//! **Absent on purpose:** MIME (that is `gatepost-message`), policy (`gatepost-attachments`), files, clocks, running
//! anything. Time is a question that the caller answers.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod archives;
pub mod documents;
mod examine;
mod item;
mod kind;
mod limits;
mod mark;
mod marks;
mod names;
mod visit;

pub use examine::examine;
pub use item::Item;
pub use kind::{Claim, Class, Kind, claimed, declared};
pub use limits::Limits;
pub use mark::Mark;
pub use visit::{File, Flow, Role, Visit};
