//! Why an opinion could not be formed.

use std::fmt;

/// A filter's or a service's own trouble; never the sender's fault, never a reason for a 5xx. What follows from it is
/// the operator's word (`on_fault`).
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// Something that is needed does not answer: a name server, a scanner, a disk. It may be back in a minute.
    Unavailable(&'static str),
    /// Something is wrong and will stay so until somebody mends it: a corrupt record, a bug.
    Broken(String),
    /// It was begun, and nobody knows whether it was done: the other side was lost at the wrong moment.
    Unsure(String),
}

impl Fault {
    /// DNS: the resolver answers nothing at all, whatever it is asked. That says nothing of whoever was asked about.
    pub const DNS_SILENT: Fault = Fault::Unavailable("DNS: the resolver is silent");
    /// DNS: too many questions wait for their answers already, so that this one was not asked.
    pub const DNS_BUSY: Fault = Fault::Unavailable("DNS: too many questions under way");
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Unavailable(what) => write!(f, "unavailable: {what}"),
            Fault::Broken(why) => write!(f, "broken: {why}"),
            Fault::Unsure(why) => write!(f, "unsure: {why}"),
        }
    }
}

impl std::error::Error for Fault {}
