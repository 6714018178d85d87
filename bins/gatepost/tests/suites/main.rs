//! Test suites of others, which lie outside this tree: `make suites SUITES=DIR` runs them, `make test` does not.
//!
//! A suite is a folder of `GATEPOST_SUITES`, with a module here. One that is not there is a failure: what is named must
//! have been run.
#![allow(
    clippy::disallowed_types,
    reason = "both sides of the proxy are played here, on real sockets"
)]
#![allow(
    clippy::disallowed_macros,
    reason = "a suite ends with figures, for whoever reads them"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "the folder comes from the environment, and what takes too long is a failure"
)]

#[path = "../stories/house/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the stories use more of their house")]
mod house;
mod mime;
mod public_suffix_list;
mod spf_rfc7208;

use std::path::PathBuf;

/// The folder of a suite.
#[track_caller]
fn suite(name: &str) -> PathBuf {
    let all = std::env::var("GATEPOST_SUITES").expect("GATEPOST_SUITES names the folder of the suites");
    let folder = PathBuf::from(all).join(name);
    assert!(folder.is_dir(), "{} is not there", folder.display());
    folder
}
