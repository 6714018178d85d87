//! The standard set of filters, linked: a list and nothing more.
//!
//! A crate that nothing refers to is not linked and registers nothing, without a word. So each filter stands here, and
//! one that stands only in `Cargo.toml` does not compile.
#![forbid(unsafe_code)]
// As a test it is given what only tests/ needs.
#![cfg_attr(not(test), deny(unused_crate_dependencies))]

use gatepost_attachments as _;
use gatepost_bayes as _;
use gatepost_clamav as _;
use gatepost_command_mailbox as _;
use gatepost_conduct as _;
use gatepost_dnsbl as _;
use gatepost_greylist as _;
use gatepost_hmm as _;
use gatepost_icap as _;
use gatepost_ngram as _;
use gatepost_resend as _;
use gatepost_spf_dkim_dmarc as _;
use gatepost_whitelist as _;
