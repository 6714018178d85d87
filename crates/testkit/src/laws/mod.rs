//! Laws: what every filter, every store and every archive must pass, whoever wrote it.

pub mod filter;
pub mod kept;
pub mod store;
