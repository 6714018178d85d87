//! Who a mail is proven to be from: SPF, DKIM, ARC, DMARC.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod spf;
