//! The words and the contract of Gatepost.
//!
//! A filter crate depends on this crate and on nothing else of Gatepost. To write one: implement [`Filter`] (the moments
//! you care about) and [`FilterKind`] (name, powers, options), and submit an [`Entry`]. [`FilterKind`] shows a whole
//! filter; `gatepost-testkit` holds the laws that every filter must pass.
//!
//! **Filters testify, policy judges, the session speaks.** A filter returns an [`Opinion`]: [`Finding`]s with
//! [`Evidence`], and perhaps a [`Wish`]. It never writes to the wire, never decides, and never learns what another said.
//! **Absent on purpose:** a runtime, a clock, a socket, a file, and any knowledge of who implements the services.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod alarms;
pub mod author;
pub mod classifier;
pub mod clock;
pub mod compute;
pub mod context;
pub mod desk;
pub mod dns;
pub mod domains;
pub mod envelope;
pub mod explain;
pub mod fault;
pub mod filter;
pub mod human;
pub mod identity;
pub mod kept;
pub mod learner;
pub mod network;
pub mod null;
pub mod observer;
pub mod opinion;
pub mod phase;
pub mod post;
pub mod queue;
pub mod record;
pub mod registry;
pub mod score;
pub mod seal;
pub mod services;
pub mod shelves;
pub mod site;
pub mod store;
pub mod tagged;
pub mod upstream;
pub mod verdict;
pub mod written;

pub use alarms::Alarms;
pub use author::Author;
pub use clock::{Clock, Seed};
pub use compute::{Budget, Compute};
pub use context::{Context, Memo, Via, Visit};
pub use desk::{
    Acting, Audited, Brought, Change, Desk, Labelled, List, Listed, Mail, Octets, Reach, Receipt, Request, Source,
    Upkeep,
};
pub use dns::{Dns, Lookup, Mx};
pub use domains::{DomainAct, DomainRow, Domains, HostRow, Setting};
pub use envelope::{Client, Direction, Envelope, Facts, Login, LoginBy, Recipient, RecipientId};
pub use explain::{About, Came, Explain, Explanation, Witness};
pub use fault::Fault;
pub use filter::{Concern, Filter, FilterKind};
pub use identity::{
    Alignment, ArcResult, Chain, DkimResult, DmarcPolicy, DmarcResult, Identify, Identity, Proof, Published, Reverse,
    Sender, Signature, Spf, SpfResult, SpfScope,
};
pub use kept::{Keeping, Kept, KeptId, KeptMail, Label, Query};
pub use learner::{
    BadModel, Clue, Features, Ground, Learner, Learning, Lesson, LogOdds, ModelSlot, Models, Rebuilt, Sample, Taught,
    Unlearn, Version,
};
pub use observer::{Ended, Observer};
pub use opinion::{Evidence, Finding, Opinion, Scope, Standing, Tag, Wish, Wishes};
pub use phase::{Phase, Phases};
pub use post::{Letter, Post, Released};
pub use queue::{Caller, Depth, Holding, NotTaken, Queue, Queued, Waiting, WaitingId, WaitingMail, WaitingOrder};
pub use record::{AuthRecord, CallRecord, End, FindingRecord, Fused, RecipientRecord, Record, SpfRecord};
pub use registry::{BadRegistry, BuildError, Entry, Options, registry};
pub use score::Score;
pub use seal::{Code, Reference};
pub use services::Services;
pub use shelves::Shelves;
pub use site::Site;
pub use store::{Backend, Page, Store, Swap, Write};
pub use upstream::{Consignment, Delivery, Upstream, Upstreams};
pub use verdict::{Fate, Level, Marks, Terms, Verdict};

// What the contract's signatures and derives name, so that a filter crate needs no other dependency.
pub use async_trait::async_trait;
pub use bytes::Bytes;
pub use gatepost_message::{self as message, Edit, Edited, Message};
pub use gatepost_smtp::{self as smtp, Address, Domain, Enhanced, Helo, MailParams, Path, RcptParams, Reply, Time};
pub use {inventory, schemars, serde};

/// What most filters need: `use gatepost_core::prelude::*;`.
pub mod prelude {
    pub use crate::{
        Address, BuildError, Concern, Context, Domain, Enhanced, Entry, Evidence, Fault, Filter, FilterKind, Finding,
        Helo, Message, Opinion, Path, Phases, Recipient, RecipientId, Record, Reply, Scope, Score, Services, Standing,
        Tag, Time, Wish, Wishes, async_trait,
    };
    pub use schemars::JsonSchema;
    pub use serde::{Deserialize, Serialize};
    pub use std::sync::Arc;
    pub use std::time::Duration;
}

/// The filter in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;
