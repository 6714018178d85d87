//! The proxy: sockets, TLS, configuration and wiring.
//!
//! A binary is four lines: the filters that it links, and [`main`]. Everything that decides anything lies below, in
//! crates without a socket; here bytes are moved, time is told, and configuration becomes running parts.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![allow(clippy::disallowed_types, reason = "this is the crate with the sockets")]

mod admission;
mod alarm;
mod alarms;
mod backlog;
mod cli;
mod clock;
mod config;
mod control;
mod customers;
mod descriptors;
mod drive;
mod explainer;
mod hosts;
mod idle;
mod learned;
mod line;
mod listen;
mod lock;
mod log;
mod login;
mod maildir;
mod meter;
mod outfit;
mod post;
mod prompt;
mod proxy_header;
mod recorder;
mod rehearsal;
mod reports;
mod resolvers;
mod run;
mod school;
mod selftest;
mod server;
mod services;
mod spambox;
mod spool;
mod tarpit;
mod threads;
mod tls;
mod upkeep;
mod upstream;
mod ways;
mod wire;
mod wiring;

pub use cli::main;
