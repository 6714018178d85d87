//! Mail of our own: replies, reports, notices. Always with the null sender, only to people of ours: never backscatter.

use async_trait::async_trait;
use gatepost_smtp::Address;

use crate::fault::Fault;
use crate::kept::KeptId;

/// A letter of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Letter {
    /// To whom; an address of ours.
    pub to: Address,
    /// Its subject, in plain words.
    pub subject: String,
    /// Its text.
    pub text: String,
    /// The same as HTML, where it helps.
    pub html: Option<String>,
}

impl Letter {
    /// A letter of plain text.
    pub fn new(to: Address, subject: impl Into<String>, text: impl Into<String>) -> Letter {
        Letter {
            to,
            subject: subject.into(),
            text: text.into(),
            html: None,
        }
    }
}

/// Sends mail of our own through an upstream route.
#[async_trait]
pub trait Post: Send + Sync {
    /// Sends a letter.
    async fn send(&self, letter: Letter) -> Result<(), Fault>;
    /// Delivers a kept mail to one of its recipients, with its original envelope.
    async fn release(&self, id: &KeptId, recipient: &Address) -> Result<(), Fault>;
}
