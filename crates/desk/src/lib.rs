//! The one door for human acts: who may do what, how often, what is remembered of it, and who does it.
//!
//! **Invariants:** nothing is done that [`rights`] does not allow; what is done is in the audit before it is begun, and its
//! outcome after it; a mail is delivered to a recipient from here once a day, however often somebody asks; a person sees
//! of kept mail and records only what concerns them. **Absent on purpose:** sockets, command lines, mail parsing (they
//! only submit), and any list or file of its own: filters, archive and store do what is asked.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod audit;
mod brought;
mod claim;
mod collection;
mod desk;
mod limit;
mod listing;
mod release;
pub mod rights;
mod teach;
pub mod users;
mod waiting;
mod words;

pub use desk::{FrontDesk, Handlers, Means, Terms};
pub use listing::Reports;
pub use users::{Users, Welcome};
