//! `submitted`, `receipt` and `letter`: what filters handed in at the fake desk, what it says, and the letters that they sent.

use gatepost_core::{Change, Fault, Receipt};

use super::script::{bad, word};
use super::talk::{Talk, Trouble, differs, same};

fn is(rest: &str, expected: &str, got: &str) -> Result<(), Trouble> {
    match expected.trim() == got {
        true => Ok(()),
        false => differs(rest, got),
    }
}

fn holds(rest: &str, what: &str, how: &str, text: &str) -> Result<(), Trouble> {
    match (what, text.contains(how.trim())) {
        ("has", true) | ("lacks", false) => Ok(()),
        ("has" | "lacks", _) => differs(rest, text),
        _ => Ok(bad("`has` or `lacks`")?),
    }
}

impl Talk {
    /// What the desk says to all that follows.
    pub(super) fn receipt(&mut self, rest: &str) -> Result<(), Trouble> {
        let (what, how) = word(rest.trim());
        let receipt = match what {
            "refused" => Receipt::Refused(how.trim().into()),
            "failed" => Receipt::Failed(how.trim().into()),
            "done" => {
                let mut change = Change::shown(how.split('|').map(|line| line.trim().into()).collect());
                change.changed = true;
                Receipt::Done(change)
            }
            "unchanged" => Receipt::Done(Change::shown(vec![how.trim().into()])),
            _ => return Ok(bad("`receipt refused|failed|done|unchanged WORDS`")?),
        };
        self.house.fakes.desk.answer(receipt);
        Ok(())
    }

    /// What was submitted: how many requests, or the last one.
    pub(super) fn submitted(&self, rest: &str) -> Result<(), Trouble> {
        let book = &self.house.fakes.desk.book;
        let (what, how) = word(rest.trim());
        if what.parse::<usize>().is_ok() {
            return same("submitted", what, book.len());
        }
        let Some((by, request)) = book.last() else {
            return differs(rest, "nothing was submitted");
        };
        match what {
            "any" => {
                let json = |(_, request): &_| serde_json::to_string(request).unwrap_or_default();
                let all: Vec<String> = book.all().iter().map(json).collect();
                match all.iter().any(|one| one.contains(how.trim())) {
                    true => Ok(()),
                    false => differs(rest, all.join("\n")),
                }
            }
            "by" => is(rest, how, &format!("{} {:?}", by.name, by.by).to_lowercase()),
            _ => holds(rest, what, how, &serde_json::to_string(&request).unwrap_or_default()),
        }
    }

    /// What letters were sent: how many, or the last one; or whether those that follow can be.
    pub(super) fn letter(&self, rest: &str) -> Result<(), Trouble> {
        let book = &self.house.fakes.post.letters;
        let (what, how) = word(rest.trim());
        if what.parse::<usize>().is_ok() {
            return same("letters", what, book.len());
        }
        if matches!(what, "fails" | "leaves") {
            book.fail((what == "fails").then_some(Fault::Unavailable("the mail server")));
            return Ok(());
        }
        let Some(letter) = book.last() else {
            return differs(rest, "no letter was sent");
        };
        match what {
            "to" => is(rest, how, &letter.to.to_string()),
            "from" => is(rest, how, &letter.from),
            "subject" => is(rest, how, &letter.subject),
            "language" => is(rest, how, letter.language.as_deref().unwrap_or_default()),
            "answers" => is(rest, how, letter.in_reply_to.as_deref().unwrap_or_default()),
            _ => holds(rest, what, how, &letter.text),
        }
    }
}
