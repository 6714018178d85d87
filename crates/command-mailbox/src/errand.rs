//! One mail to a mailbox, with all that it takes to do what it asks.

use std::sync::Arc;

use gatepost_core::{Fault, Message, Receipt, Request, Services};

use crate::addresses::{Act, Addresses};
use crate::options::Config;
use crate::person::Person;
use crate::report::Limits;
use crate::words::Words;
use crate::words::template::Places;

/// What there is to answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Weight {
    /// It was done.
    Done,
    /// Something was not done, or not understood.
    Wrong,
    /// Somebody asked for it.
    Asked,
}

/// What somebody is answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The same as HTML, where it helps.
    pub html: Option<String>,
    /// What is in it.
    pub weight: Weight,
}

/// One mail to a mailbox.
pub struct Errand<'a> {
    /// Who wrote it.
    pub person: &'a Person,
    /// The mail.
    pub message: &'a Arc<Message>,
    /// Their language.
    pub language: &'a str,
    /// The words of letters.
    pub words: &'a Words,
    /// The names of the mailboxes.
    pub addresses: &'a Addresses,
    /// What an operator sets.
    pub config: &'a Config,
    /// How much of a report is read.
    pub limits: Limits,
    /// The services.
    pub services: &'a Services,
}

impl Errand<'_> {
    /// A sentence in their language.
    pub fn say(&self, phrase: &str, places: &Places<'_>) -> String {
        self.words.phrase(self.language, phrase, places)
    }

    /// A letter in their language. `{person}` is known to each.
    pub fn letter(&self, name: &str, places: &Places<'_>, weight: Weight) -> Answer {
        let home = self.person.home.to_string();
        let all = [places, &[("person", home.as_str())]].concat();
        let (subject, text) = self.words.letter(self.language, name, &all);
        Answer {
            subject,
            text,
            html: None,
            weight,
        }
    }

    /// Why the desk refused, in their language.
    pub fn why(&self, desk: &str) -> String {
        crate::told::why(self.words, self.language, desk)
    }

    /// The address of a mailbox at their domain; empty where it has no name.
    pub fn mailbox(&self, act: Act) -> String {
        let name = self.addresses.name(act);
        name.map_or_else(String::new, |name| format!("{name}@{}", self.person.home.domain()))
    }

    /// Submits a request in their name. What cannot be done now is a fault: the mail comes again.
    pub async fn submit(&self, request: Request) -> Result<Receipt, Fault> {
        match self.services.desk.submit(&self.person.login, request).await? {
            // It would fare no better if it came again.
            Receipt::Failed(why) if why.starts_with("it is not learned from") => Ok(Receipt::Refused(why)),
            Receipt::Failed(why) => Err(Fault::Broken(format!("the desk: {why}"))),
            receipt => Ok(receipt),
        }
    }
}
