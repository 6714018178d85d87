//! Who a mail is proven to be from: SPF, DKIM, ARC, DMARC.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod arc;
pub mod author;
pub mod canon;
pub mod claim;
pub mod dkim;
pub mod dmarc;
pub mod fields;
pub mod identify;
pub mod key;
pub mod names;
pub mod reverse;
pub mod spf;
pub mod tags;

pub use identify::{Identifier, Settings};
