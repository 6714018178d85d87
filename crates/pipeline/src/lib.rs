//! Tiers, modes, patience and faults; judge, settle and the transaction.
//!
//! A listener's sessions share one [`Pipeline`]; each session has a [`Reception`], which answers the questions of the
//! session machine. Filters testify ([`run`]), policy judges ([`judge`](judge::judge), [`settle`](settle::settle): pure
//! functions), the session speaks. **Absent on purpose:** sockets, clocks, configuration files, and what filters do: their names
//! are known where findings are put in plain words ([`reasons`]) and where a code is offered ([`offer`]), and nowhere else.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod auth;
pub mod by_domain;
pub mod current;
pub mod danger;
pub mod etrn;
pub mod followers;
pub mod fusion;
pub mod judge;
pub mod ledger;
pub mod names;
pub mod offer;
pub mod overlay;
pub mod pipeline;
pub mod policy;
pub mod reasons;
pub mod reception;
pub mod recipients;
pub mod refusal;
mod relays;
pub mod replay;
pub mod risk;
pub mod routes;
pub mod run;
pub mod said;
pub mod scene;
pub mod sender;
pub mod settle;
pub mod shadow;
pub mod slot;
pub mod spambox;
pub mod stamp;
pub mod template;
pub mod testimony;
pub mod transaction;
pub mod ways;

pub use by_domain::ByDomain;
pub use current::CurrentFusion;
pub use etrn::EtrnFrom;
pub use followers::Followers;
pub use fusion::Fusion;
pub use pipeline::Pipeline;
pub use policy::{Action, Layer, Policy, Rules};
pub use reception::{Reception, Seen};
pub use recipients::Recipients;
pub use replay::Replay;
pub use risk::Risk;
pub use routes::Routes;
pub use slot::{Exception, Exceptions, Mode, OnFault, Slot};
pub use stamp::Ours;
