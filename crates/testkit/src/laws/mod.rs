//! Laws: what every filter and every store must pass, whoever wrote it.

pub mod filter;
pub mod store;
