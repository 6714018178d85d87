//! Where a session stands when somebody is killed.
//!
//! It is found out afterwards, from what each side noted with its time: that is evidence, whereas a look at twenty
//! sessions in the moment of a kill would be out of date before it was over.

use std::time::Instant;

use crate::books::{Event, Events, Marks, Session};

/// Where a client's session stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Phase {
    Greeting,
    Introduced,
    Envelope,
    Content,
    Judging,
    Taking,
    Granted,
    Answered,
}

impl Phase {
    pub const ALL: [Phase; 8] = [
        Phase::Greeting,
        Phase::Introduced,
        Phase::Envelope,
        Phase::Content,
        Phase::Judging,
        Phase::Taking,
        Phase::Granted,
        Phase::Answered,
    ];

    /// In words.
    pub fn shown(self) -> &'static str {
        match self {
            Phase::Greeting => "connected, EHLO not answered",
            Phase::Introduced => "EHLO answered, no mail begun",
            Phase::Envelope => "MAIL up to 354 (the upstream opens, RCPT)",
            Phase::Content => "content is being read",
            Phase::Judging => "behind the client's dot, before ours",
            Phase::Taking => "between our dot and the upstream's answer",
            Phase::Granted => "between the upstream's 250 and ours",
            Phase::Answered => "answered, before the next mail",
        }
    }
}

/// Who is killed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Victim {
    Gatepost,
    Upstream,
}

/// One kill: begun after `from`, done before `to`.
#[derive(Clone, Copy, Debug)]
pub struct Kill {
    pub victim: Victim,
    pub from: Instant,
    pub to: Instant,
}

impl Kill {
    /// Whether a grant of that time came before the kill. Of the proxy it is not known when between the two ends of the
    /// kill it died, so only what was granted before the first counts; the mail server's grants and its death exclude
    /// each other.
    pub fn found(&self, granted: Instant) -> bool {
        match self.victim {
            Victim::Gatepost => granted <= self.from,
            Victim::Upstream => granted <= self.to,
        }
    }
}

/// Where a session stood at a kill; nothing where it was not there.
pub fn at(kill: &Kill, session: &Session, marks: &Marks) -> Option<Phase> {
    let (opened, closed) = (session.opened, session.closed?);
    if opened > kill.to || closed < kill.from {
        return None;
    }
    match kill.victim {
        // Whoever was there was cut off.
        Victim::Gatepost if !session.broken => None,
        // What was heard was said before, whenever it was read; what was sent later reached nobody.
        Victim::Gatepost => Some(stand(&session.events, marks, kill, true)),
        Victim::Upstream => Some(stand(&session.events, marks, kill, false)),
    }
}

fn stand(events: &Events, marks: &Marks, kill: &Kill, heard_later: bool) -> Phase {
    let mut phase = Phase::Greeting;
    let seen = |event: &Event, time: Instant| time <= kill.to || (heard_later && event.is_heard());
    for (_, event) in events.iter().filter(|(time, event)| seen(event, *time)) {
        phase = match event {
            Event::Opened | Event::Greeted => Phase::Greeting,
            Event::Introduced => Phase::Introduced,
            Event::Named(_) => Phase::Envelope,
            Event::GoOn(_) => Phase::Content,
            Event::Answered(_) => Phase::Answered,
            Event::Dot(attempt) => match marks.get(attempt) {
                Some(mark) if mark.granted.first().is_some_and(|grant| kill.found(grant.at)) => Phase::Granted,
                Some(mark) if mark.dot.is_some_and(|dot| heard_later || dot <= kill.to) => Phase::Taking,
                _ => Phase::Judging,
            },
        };
    }
    phase
}
