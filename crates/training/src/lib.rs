//! Teaching the classifiers: the order of learning, the sample log, versions of the models, forgetting, and evaluation.
//!
//! **Invariants:** the models and the fusion are a function of a base and of the sample log, bit for bit, and of nothing
//! else: no clock, no chance, no place in the log; labels never come from what a classifier said; a message is scored
//! before it is learned from. **Bit for bit** means on one machine with one build: exponentials and logarithms come from the
//! platform's own library of mathematics, and another one may differ in the last bit.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod admit;
mod course;
pub mod entry;
mod erasures;
pub mod evaluate;
pub mod fit;
mod grounds;
pub mod jig;
mod lessons;
mod log;
mod member;
mod octets;
mod recent;
mod rework;
pub mod segment;
pub mod settings;
mod sketch;
mod snapshot;
pub mod sources;
pub mod teacher;
pub mod trainer;
mod trial;
mod turns;
mod versions;
mod writer;

pub use fit::Fit;
pub use grounds::House;
pub use jig::Jig;
pub use settings::Settings;
pub use teacher::{Found, Means, OpenError, Teacher};
pub use trainer::{Scored, Trainer};
