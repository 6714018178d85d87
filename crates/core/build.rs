//! Nothing to build: a build script is what cargo asks of a crate with a `links` key,
//! and that key makes cargo refuse two versions of the registry in one binary.
fn main() {}
