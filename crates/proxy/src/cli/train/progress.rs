//! How far it is: a bar on a terminal, a line now and then elsewhere. On standard error.

use std::io::Write as _;
use std::time::Duration;

use gatepost_core::Time;
use indicatif::{ProgressBar, ProgressStyle};

/// How often a line is written where there is no terminal.
const LINES: Duration = Duration::from_secs(10);
/// How the bar looks.
const BAR: &str = "{bar:30} {percent:>3} %  {msg}  {eta} to go";

/// A bar, or lines.
pub struct Progress {
    bar: ProgressBar,
    began: Time,
    told: Time,
}

impl Progress {
    /// Begins at a time, with so many octets ahead.
    pub fn new(octets: u64, now: Time) -> Progress {
        let bar = ProgressBar::new(octets.max(1));
        // The template is ours and is sound; should it not be, the library's own look will do.
        if let Ok(style) = ProgressStyle::with_template(BAR) {
            bar.set_style(style);
        }
        Progress {
            bar,
            began: now,
            told: now,
        }
    }

    /// So much was read, and so many mails were in it.
    pub fn at(&mut self, read: u64, mails: u64, now: Time) {
        let words = format!("{mails} mails, {} a second", rate(mails, now.since(self.began)));
        self.bar.set_position(read);
        if self.bar.is_hidden() && now.since(self.told) >= LINES {
            self.told = now;
            let percent = (u128::from(read) * 100 / u128::from(self.bar.length().unwrap_or(1).max(1))).min(100);
            self.line(&format!("{percent} %, {words}"));
        }
        self.bar.set_message(words);
    }

    /// Tells something without harm to the bar. The line must be harmless.
    pub fn line(&self, line: &str) {
        self.bar.suspend(|| {
            let _ = writeln!(std::io::stderr().lock(), "{line}");
        });
    }

    /// Takes the bar away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// How many a second.
pub fn rate(count: u64, took: Duration) -> u64 {
    let millis = took.as_millis().max(1);
    u64::try_from(u128::from(count) * 1_000 / millis).unwrap_or(u64::MAX)
}
