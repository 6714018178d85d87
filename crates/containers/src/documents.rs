//! Documents and mails: what is embedded in them, and what in them acts by itself.

pub(crate) mod compound;
