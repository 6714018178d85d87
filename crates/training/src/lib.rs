//! Teaching the classifiers: the order of learning, the sample log, versions of the models, forgetting, and evaluation.
//!
//! **Invariants:** the models and the fusion are a function of a base and of the sample log, bit for bit, and of nothing
//! else: no clock, no chance, no place in the log; labels never come from what a classifier said; a message is scored
//! before it is learned from.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod evaluate;
pub mod fit;
pub mod jig;
pub mod trainer;

pub use fit::Fit;
pub use jig::Jig;
pub use trainer::{Scored, Trainer};
