//! Models that outlive the filters that use them: the proxy's own, for they are in memory there, too.

pub use gatepost_core::Shelves as MemoryModels;
