//! Why a mail is judged as it is: all that `gatepost explain` tells.
//!
//! **Absent on purpose:** sentences. Whoever shows an explanation words it.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use gatepost_message::Message;
use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::learner::{Clue, LogOdds};
use crate::record::{Fused, Record};
use crate::score::Score;

/// How a mail came, as far as somebody knows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Came {
    /// The envelope sender; empty for the null sender.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
    /// The client's address.
    pub ip: IpAddr,
    /// What the client called itself.
    pub helo: String,
    /// As whom it authenticated.
    #[serde(default)]
    pub login: Option<String>,
}

/// What is to be explained beside the mail itself.
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
pub struct About {
    /// How it came: then all filters are asked again, as they would be now.
    pub came: Option<Came>,
    /// What was recorded when it came.
    pub record: Option<Record>,
    /// Whose mail it is: the domain of a recipient.
    pub domain: Option<String>,
    /// The listener that it came to; the first inbound one without this.
    pub listener: Option<String>,
}

/// What one classifier says, and why.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Witness {
    /// The filter.
    pub filter: String,
    /// Whether its word counts: not so in mode `monitor`.
    pub counts: bool,
    /// What it says, with how much stands behind it.
    pub odds: LogOdds,
    /// What that adds to the fused log-odds, weighed and for its support.
    pub share: f32,
    /// What the others would say without it.
    pub without: Option<Fused>,
    /// What it saw, the weightiest first, each way.
    pub clues: Vec<Clue>,
}

impl Witness {
    /// A classifier and its word.
    pub fn new(filter: impl Into<String>, odds: LogOdds) -> Witness {
        Witness {
            filter: filter.into(),
            counts: true,
            odds,
            share: 0.0,
            without: None,
            clues: Vec::new(),
        }
    }
}

/// Why a mail is judged as it is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Explanation {
    /// Whose mail it was taken for.
    pub domain: Option<String>,
    /// What the classifiers say of it now.
    pub witnesses: Vec<Witness>,
    /// And all of them as one; none where nobody says anything.
    pub fused: Option<Fused>,
    /// The risk that the operator chose, in words.
    pub risk: String,
    /// Whether enough wanted mail is confirmed for it.
    pub vouched: bool,
    /// The points from which on mail is refused, discarded or held; none where it never is.
    pub stopped_from: Option<Score>,
    /// Each finding of all filters: as recorded when it came, or as it would be now.
    pub record: Option<Record>,
    /// The record is of when it came.
    pub recorded: bool,
}

impl Explanation {
    /// One without anything in it, at a risk.
    pub fn new(risk: impl Into<String>) -> Explanation {
        Explanation {
            domain: None,
            witnesses: Vec::new(),
            fused: None,
            risk: risk.into(),
            vouched: false,
            stopped_from: None,
            record: None,
            recorded: false,
        }
    }
}

/// Explains mail. Changes nothing and tells nobody.
#[async_trait]
pub trait Explain: Send + Sync {
    /// Why a mail is judged as it is.
    async fn explain(&self, message: &Arc<Message>, about: About) -> Result<Explanation, Fault>;
    /// The risks in the configuration for which too little wanted mail is confirmed yet, in words.
    fn unvouched(&self) -> Vec<String>;
}
