//! What each reply means to the order that it answers.

use std::mem;

use crate::body::BodyWriter;
use crate::offer::Offer;
use crate::reply::{Class, Reply};

use super::{Envelope, FallBack, Mail, Outcome, Relay, State, What, Whose};

impl Relay {
    /// Takes one reply to what was asked.
    pub(super) fn answer(&mut self, reply: Reply, offer: Option<Offer>) {
        let class = reply.class();
        let ends = reply.code() == 421;
        match mem::replace(&mut self.state, State::Idle) {
            state @ (State::Greeting | State::Ehlo | State::Helo | State::StartTls | State::XClient) => {
                self.opening(state, reply, offer);
            }
            State::Envelope(envelope) => self.group(envelope, reply),
            State::Auth if reply.code() == 334 => {
                self.state = State::Challenged;
                self.outcome = Some(Outcome::Challenge(reply.text().into()));
            }
            State::Auth if class == Class::Done && reply.code() != 235 => self.lose(Whose::Upstream, What::Malformed),
            State::Data if reply.code() == 354 => {
                self.state = State::Body(BodyWriter::new());
                self.outcome = Some(Outcome::Replied(reply));
            }
            State::Data if class == Class::Done => self.lose(Whose::Upstream, What::Malformed),
            // An early answer to a message that is not ended yet can only be a refusal, and is the last word.
            State::Body(_) if matches!(class, Class::Done | Class::GoOn) => self.lose(Whose::Upstream, What::Malformed),
            State::Dot if reply.code() == 353 && self.prdr => {
                self.sent = self.granted + 1;
                self.state = State::Each(Vec::with_capacity(self.granted));
            }
            State::Each(each) if class == Class::GoOn => {
                self.state = State::Each(each);
                self.lose(Whose::Upstream, What::Malformed);
            }
            State::Each(each) if ends && each.len() < self.granted => {
                // Without the last word nobody knows what became of the others.
                self.state = State::Each(each);
                self.lose(Whose::Upstream, What::Gone);
            }
            State::Each(mut each) if each.len() < self.granted => {
                each.push(reply);
                self.state = State::Each(each);
            }
            State::Each(each) => {
                self.in_transaction = false;
                self.granted = 0;
                self.done(Outcome::Each(each, reply));
                if ends {
                    self.close();
                }
            }
            State::Dot if class == Class::GoOn => {
                self.state = State::Dot;
                self.lose(Whose::Upstream, What::Malformed);
            }
            _ if class == Class::GoOn => self.lose(Whose::Upstream, What::Malformed),
            State::Rcpt => {
                self.granted += usize::from(class == Class::Done);
                self.done(Outcome::Recipient(reply));
                if ends {
                    self.close();
                }
            }
            state => {
                if matches!(state, State::Reset | State::Dot) {
                    self.in_transaction = false;
                    self.granted = 0;
                }
                let unfit = matches!(state, State::Reset) && class != Class::Done;
                self.done(Outcome::Replied(reply));
                if ends || unfit || matches!(state, State::Body(_) | State::Quit) {
                    self.close();
                }
            }
        }
    }

    /// Takes one reply to a group of commands.
    pub(super) fn group(&mut self, mut envelope: Envelope, reply: Reply) {
        let class = reply.class();
        if reply.code() == 421 {
            let outcome = match envelope.replies {
                // Those that were accepted before are lost with it.
                Some(replies) => Outcome::Recipients(vec![reply; replies.len() + envelope.left]),
                None => Outcome::Recipient(reply),
            };
            self.done(outcome);
            return self.close();
        }
        if class == Class::GoOn {
            return self.lose(Whose::Upstream, What::Malformed);
        }
        if envelope.reset {
            if class != Class::Done {
                return self.lose(Whose::Upstream, What::Refused(reply));
            }
            envelope.reset = false;
            self.used = false;
            self.in_transaction = false;
            self.granted = 0;
        } else if envelope.forward > 0 {
            envelope.forward -= 1;
            if class != Class::Done {
                self.missing = Some("XFORWARD");
                if self.settings.fall_back == FallBack::Refuse {
                    return self.lose(Whose::Upstream, What::Refused(reply));
                }
            }
        } else {
            match &envelope.mail {
                Mail::Asked if class == Class::Done => {
                    self.in_transaction = true;
                    envelope.mail = Mail::Taken;
                }
                Mail::Asked => {
                    // Recipients that were not named yet need not be.
                    let unnamed = self.forget_later();
                    envelope.left = envelope.left.saturating_sub(unnamed);
                    if let Some(replies) = &mut envelope.replies {
                        replies.resize(unnamed, reply.clone());
                    }
                    envelope.mail = Mail::Refused(reply);
                }
                Mail::Taken => {
                    envelope.left = envelope.left.saturating_sub(1);
                    self.granted += usize::from(class == Class::Done);
                    match &mut envelope.replies {
                        Some(replies) => replies.push(reply),
                        None => return self.done(Outcome::Recipient(reply)),
                    }
                }
                // A recipient without a sender cannot be accepted.
                Mail::Refused(_) if class == Class::Done => return self.lose(Whose::Upstream, What::Malformed),
                Mail::Refused(refusal) => {
                    envelope.left = envelope.left.saturating_sub(1);
                    if let Some(replies) = &mut envelope.replies {
                        replies.push(refusal.clone());
                    }
                }
            }
        }
        match envelope {
            Envelope {
                left: 0,
                mail: Mail::Refused(refusal),
                replies: None,
                ..
            } => self.done(Outcome::Recipient(refusal)),
            Envelope {
                left: 0,
                replies: Some(replies),
                ..
            } => self.done(Outcome::Recipients(replies)),
            _ => self.state = State::Envelope(envelope),
        }
    }
}
