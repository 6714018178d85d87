//! The commands of TREC's jig, one a line, with one answer each.
//!
//! `initialize`, `classify FILE`, `train ham|spam FILE`, `finalize`. A file is one word; what follows it (TREC's jig gives
//! the class, the auxiliary file and the user) is not looked at. `classify` answers `class=spam|ham score=NUMBER tfile=`:
//! the score is the fused log-odds, as in the table of scores of an evaluation; there is no auxiliary file. A command that
//! cannot be obeyed is answered with `error` and why, and the next is read.

use crate::evaluate::wire::{Without, wire};
use crate::trainer::Trainer;
use gatepost_core::kept::Label;
use gatepost_core::{Message, Sample, Time};

/// The jig.
pub struct Jig<'a> {
    make: &'a dyn Fn() -> Result<Trainer, String>,
    read: &'a dyn Fn(&str) -> Result<Vec<u8>, String>,
    trainer: Option<Trainer>,
    learned: u64,
}

impl<'a> Jig<'a> {
    /// A jig that makes an untaught trainer by `make` and reads files by `read`.
    pub fn new(
        make: &'a dyn Fn() -> Result<Trainer, String>,
        read: &'a dyn Fn(&str) -> Result<Vec<u8>, String>,
    ) -> Jig<'a> {
        Jig {
            make,
            read,
            trainer: None,
            learned: 0,
        }
    }

    /// The answer to a line.
    pub fn answer(&mut self, line: &str) -> String {
        self.obey(line).unwrap_or_else(|why| {
            let why: String = why.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            format!("error {why}")
        })
    }

    fn obey(&mut self, line: &str) -> Result<String, String> {
        let mut words = line.split_ascii_whitespace();
        match words.next().unwrap_or_default() {
            "initialize" => {
                self.trainer = Some((self.make)()?);
                self.learned = 0;
                Ok("ok".into())
            }
            "classify" => {
                let message = self.message(words.next())?;
                let trainer = self.trainer.as_ref().ok_or(FIRST)?;
                let said = trainer.score(&trainer.features(&message), None);
                let class = if said.spam { "spam" } else { "ham" };
                Ok(format!("class={class} score={} tfile=", said.fused))
            }
            "train" => {
                let label = match words.next() {
                    Some("ham") => Label::Ham,
                    Some("spam") => Label::Spam,
                    _ => return Err("expected `train ham FILE` or `train spam FILE`".into()),
                };
                let message = self.message(words.next())?;
                let trainer = self.trainer.as_mut().ok_or(FIRST)?;
                self.learned += 1;
                let sample = Sample::new(self.learned, Time::from_millis(self.learned), label, None);
                trainer.learn(&trainer.features(&message), &sample);
                Ok("ok".into())
            }
            "finalize" => {
                self.trainer = None;
                Ok("ok".into())
            }
            other => Err(format!(
                "there is no command `{}`; expected initialize, classify FILE, train ham|spam FILE or finalize",
                other.chars().take(40).collect::<String>()
            )),
        }
    }

    fn message(&self, file: Option<&str>) -> Result<Message, String> {
        let file = file.ok_or("expected a file")?;
        Ok(Message::from_bytes(wire(&(self.read)(file)?, Without::default())))
    }
}

const FIRST: &str = "expected `initialize` first";
