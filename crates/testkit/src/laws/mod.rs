//! Laws: what every filter, every store, every archive and every queue must pass, whoever wrote it.

pub mod filter;
pub mod kept;
pub mod queue;
pub mod store;
