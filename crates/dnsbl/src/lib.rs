//! DNS lists: of addresses, of domains in mail, of name servers; good ones and bad ones.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
