//! Evaluation: how well the classifiers do on a corpus, by the protocol of TREC's spam tracks (Cormack, Lynam 2005).
//!
//! A mail is scored, then learned, in the order of the index, by the [`Trainer`](crate::Trainer) that learns in the running
//! proxy. **Invariants:** members and fusion see of a mail its octets and nothing else before it is scored; the same corpus
//! and the same seed give the same figures; an index that is cut gives the same first rows. **Absent on purpose:** files,
//! clocks and a terminal, which the command line brings.

pub mod chance;
pub mod feedback;
pub mod index;
pub mod members;
pub mod report;
pub mod roc;
pub mod run;
pub mod scores;
pub mod wire;

pub use feedback::Feedback;
pub use index::Index;
pub use members::{members, trainer};
pub use report::Report;
pub use run::{Plan, Run, Surroundings, run};
pub use wire::Without;
