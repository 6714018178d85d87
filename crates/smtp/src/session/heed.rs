//! Answers: what the machine says and becomes when the driver has spoken.

use super::content::Content;
use super::{Answer, End, Greeting, Open, Session, State, Step, Transaction, says};
use crate::reply::{Class, Reply};

impl Session {
    /// Heeds the answer to the question that is open.
    pub(super) fn heed(&mut self, answer: Answer) -> Option<Step> {
        let State::Open(open) = std::mem::replace(&mut self.state, State::Command) else {
            return None;
        };
        if matches!(answer, Answer::Abort) {
            self.end(End::Aborted);
            return None;
        }
        let must_wait = matches!(open, Open::Data | Open::Auth | Open::AuthCancelled(_));
        if must_wait && (!self.lines.is_empty() || self.flooded) {
            self.too_early();
            return None;
        }
        if let Answer::Close(reply) = answer {
            let reply = if reply.is_done() { says::LOCAL } else { legal(reply) };
            self.transaction = None;
            self.say(&reply);
            self.end(End::Refused);
            return None;
        }
        match open {
            Open::Connect => self.greet(said(answer)),
            Open::Helo(greeting) => self.greet_back(greeting, said(answer)),
            Open::Auth => self.authenticate(answer),
            Open::AuthCancelled(reply) => {
                self.count_error();
                self.say(&reply);
            }
            Open::Mail(begun) => {
                if self.decide(said(answer)) {
                    self.transaction = Some(begun);
                }
            }
            Open::Rcpt => {
                if self.decide(said(answer))
                    && let Some(transaction) = &mut self.transaction
                {
                    transaction.granted = transaction.granted.saturating_add(1);
                }
            }
            Open::Data => self.open_content(answer),
            Open::Message => {
                self.finish(answer);
                self.tell();
            }
            Open::Spoilt(reply) => {
                self.transaction = None;
                self.say(&reply);
                self.tell();
            }
            Open::Etrn => {
                self.decide(said(answer));
            }
            Open::Rset => {
                self.transaction = None;
                self.say(&says::OK);
            }
            Open::ResetByHelo(helo) => {
                self.transaction = None;
                return Some(self.ask_helo(helo));
            }
        }
        None
    }

    /// What became of a message is said before anything else is done: a client that has to wait for it may give up, and
    /// send the message again.
    fn tell(&mut self) {
        if matches!(self.state, State::Command) {
            self.go(State::Told);
        }
    }

    fn greet(&mut self, reply: Reply) {
        if self.draining {
            self.say_plain(&says::DRAINED);
            return self.end(End::Drained);
        }
        if !reply.is_done() {
            self.say_plain(&reply);
            return self.end(End::Refused);
        }
        self.say_plain(&Reply::new(220, None, reply.text()));
        self.go(State::Greet);
    }

    fn greet_back(&mut self, greeting: Greeting, reply: Reply) {
        if !reply.is_done() {
            self.say_plain(&reply);
            return self.count(&reply);
        }
        self.greeting = greeting;
        if greeting == Greeting::Ehlo {
            if self.out.is_empty() {
                self.out_since = self.now;
            }
            let settings = &self.settings;
            settings
                .offer
                .write_ehlo(&settings.hostname, self.tls.is_some(), &mut self.out);
        } else {
            self.say_plain(&Reply::new(250, None, self.settings.hostname.as_ref()));
        }
    }

    fn authenticate(&mut self, answer: Answer) {
        if let Answer::Challenge(challenge) = &answer
            && challenge.len() <= self.settings.limits.auth_line
            && challenge.bytes().all(|b| matches!(b, b' '..=b'~'))
        {
            self.out.extend_from_slice(b"334 ");
            self.out.extend_from_slice(challenge.as_bytes());
            self.out.extend_from_slice(b"\r\n");
            return self.go(State::AuthLine);
        }
        let reply = said(answer);
        self.say(&reply);
        if reply.is_done() {
            self.authenticated = true;
        } else {
            self.facts.auth_failures = self.facts.auth_failures.saturating_add(1);
            self.close_if_421(&reply);
        }
    }

    fn open_content(&mut self, answer: Answer) {
        if let Answer::Reply(reply) = &answer
            && reply.code() == 354
        {
            self.say(reply);
            return self.go(State::Content(Box::new(Content::new(&self.settings))));
        }
        self.transaction = None;
        let reply = said(answer);
        let reply = if reply.is_done() { says::LOCAL } else { reply };
        self.say(&reply);
        self.count(&reply);
    }

    fn finish(&mut self, answer: Answer) {
        let Some(Transaction { prdr, granted, .. }) = self.transaction.take() else {
            return;
        };
        let last = match answer {
            Answer::Each(each, last) => {
                if prdr && granted > 1 && each.len() as u64 == u64::from(granted) {
                    self.say(&says::EACH);
                    for reply in each {
                        let line = reply.text().split('\n').next().unwrap_or_default().to_owned();
                        self.say(&legal(Reply::new(reply.code(), reply.enhanced(), line)));
                    }
                }
                legal(last)
            }
            other => said(other),
        };
        self.say(&last);
        if last.is_done() {
            self.facts.accepted = self.facts.accepted.saturating_add(1);
            self.facts.junk = 0;
        }
        self.close_if_421(&last);
    }

    /// Says the reply, and whether it grants what was asked.
    fn decide(&mut self, reply: Reply) -> bool {
        self.say(&reply);
        self.count(&reply);
        reply.is_done()
    }

    /// Counts a 5xx as an error; a 421 is the last word.
    fn count(&mut self, reply: &Reply) {
        if reply.is_permanent() {
            self.count_error();
        }
        self.close_if_421(reply);
    }

    fn count_error(&mut self) {
        self.facts.errors = self.facts.errors.saturating_add(1);
    }

    fn close_if_421(&mut self, reply: &Reply) {
        if reply.code() == 421 {
            self.end(End::Refused);
        }
    }
}

/// The reply of an answer that must be one.
fn said(answer: Answer) -> Reply {
    match answer {
        Answer::Reply(reply) => legal(reply),
        _ => says::LOCAL,
    }
}

/// A 3xx leads nowhere but behind DATA.
fn legal(reply: Reply) -> Reply {
    if reply.class() == Class::GoOn {
        says::LOCAL
    } else {
        reply.coded()
    }
}
