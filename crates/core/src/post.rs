//! Mail of our own: replies, reports, notices. Always with the null sender, only to people of ours: never backscatter.

use async_trait::async_trait;
use gatepost_smtp::Address;

use crate::envelope::Login;
use crate::fault::Fault;
use crate::kept::KeptId;

/// A letter of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Letter {
    /// To whom; an address of ours.
    pub to: Address,
    /// Its author's local part, at the domain of the recipient: a command mailbox, so that an answer finds one.
    pub from: Box<str>,
    /// Its subject, in plain words.
    pub subject: String,
    /// Its text.
    pub text: String,
    /// The same as HTML, where it helps.
    pub html: Option<String>,
    /// The Message-ID of the mail that it answers, with its angle brackets.
    pub in_reply_to: Option<String>,
    /// The language of its text, as in `de`.
    pub language: Option<Box<str>>,
}

impl Letter {
    /// A letter of plain text.
    pub fn new(to: Address, subject: impl Into<String>, text: impl Into<String>) -> Letter {
        Letter {
            to,
            from: "gatepost".into(),
            subject: subject.into(),
            text: text.into(),
            html: None,
            in_reply_to: None,
            language: None,
        }
    }
}

/// What became of a kept mail that was to be delivered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Released {
    /// The mail server has it.
    Delivered,
    /// It was looked at once more, and is not delivered because of what was found, in words for the one who asked.
    Dangerous(String),
}

/// Sends mail of our own through an upstream route.
#[async_trait]
pub trait Post: Send + Sync {
    /// Sends a letter.
    async fn send(&self, letter: Letter) -> Result<(), Fault>;
    /// Delivers a kept mail to one of its recipients, with its original envelope, after a look for what is dangerous in it
    /// by what is known now. The mail says who released it.
    async fn release(&self, id: &KeptId, recipient: &Address, by: &Login) -> Result<Released, Fault>;
    /// Delivers a marked copy of a kept mail to an address of ours that gathers such mail, under an envelope of our own with
    /// the null sender. `meant_for` is the recipient whose copy it is.
    async fn copy(&self, id: &KeptId, meant_for: &Address, to: &Address) -> Result<(), Fault> {
        let _ = (id, meant_for, to);
        Err(Fault::Unavailable("no copies are sent by this post"))
    }
}
