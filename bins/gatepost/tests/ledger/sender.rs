//! The clients: each sends its mails until every recipient of each has heard yes or no.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use crate::books::{Attempt, Event, Session};
use crate::chance::Chance;
use crate::house::{Client, Reply, stuffed};
use crate::phase::Phase;
use crate::plan::Mail;
use crate::stage::Stage;

/// How a client speaks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Manner {
    /// A command, an answer.
    Lockstep,
    /// The whole envelope at once.
    Pipelined,
    /// The next envelope right behind the end of a message, too.
    RunOn,
}

/// The connection ended.
struct Gone;

/// Sends its mails, and gives up only when the time is over.
pub fn send(stage: &Stage, who: u64, mails: Vec<Mail>) {
    let mut chance = Chance::new(stage.seed, who);
    let mut waiting = VecDeque::from(mails);
    loop {
        if stage.is_closing() {
            waiting.retain(|mail| mail.begun);
        }
        let Some(first) = waiting.front() else { return };
        while stage.begun.load(Ordering::SeqCst) > stage.allowed.load(Ordering::SeqCst) && !stage.is_over() {
            thread::sleep(Duration::from_millis(3));
        }
        if stage.is_over() {
            return;
        }
        let (odd, most) = (first.odd, 1 + usize::try_from(chance.below(5)).expect("a number"));
        let mut batch = Vec::new();
        while batch.len() < most
            && let Some(at) = waiting.iter().position(|mail| mail.odd == odd)
        {
            batch.extend(waiting.remove(at));
        }
        stage.begun.fetch_add(batch.len(), Ordering::SeqCst);
        let before = batch.len();
        converse(stage, &mut batch, odd, &mut chance);
        batch.retain(|mail| !mail.pending.is_empty());
        stage.finished.fetch_add(before - batch.len(), Ordering::SeqCst);
        // Whoever must come again does not count twice.
        stage.begun.fetch_sub(batch.len(), Ordering::SeqCst);
        if !batch.is_empty() {
            chance.pause(30);
        }
        waiting.extend(batch);
    }
}

/// One connection.
fn converse(stage: &Stage, batch: &mut [Mail], odd: bool, chance: &mut Chance) {
    let manner = match chance.below(3) {
        0 => Manner::Lockstep,
        1 => Manner::Pipelined,
        _ => Manner::RunOn,
    };
    let address = stage.mx();
    let opened = Instant::now();
    let Ok(mut client) = Client::try_connect(address) else {
        return;
    };
    if stage.proxied {
        let [a, b, c] = [chance.below(256), chance.below(256), chance.below(256)];
        client.try_send(format!("PROXY TCP4 10.{a}.{b}.{c} 192.0.2.1 40000 25\r\n"));
    }
    batch.iter_mut().for_each(|mail| mail.begun = true);
    let mut talk = Talk {
        stage,
        client,
        manner,
        chance,
        session: Session {
            opened,
            closed: None,
            broken: false,
            events: vec![(opened, Event::Opened)],
        },
    };
    let mut attempts = Vec::new();
    let broken = talk.all(batch, odd, &mut attempts).is_err();
    let Talk { mut session, .. } = talk;
    let closed = Instant::now();
    (session.closed, session.broken) = (Some(closed), broken);
    if let Some(last) = attempts.last_mut().filter(|_| broken) {
        let Attempt { answer, to, .. } = last;
        let answered = answer.is_some() || to.iter().all(|(_, code)| code.is_some_and(|code| code != 250));
        last.broken = (!answered).then_some(closed);
    }
    stage.books.sessions.lock().expect("a lock").push(session);
    stage.books.sent.lock().expect("a lock").extend(attempts);
}

struct Talk<'a> {
    stage: &'a Stage,
    client: Client,
    manner: Manner,
    chance: &'a mut Chance,
    session: Session,
}

impl Talk<'_> {
    fn note(&mut self, event: Event) {
        self.session.events.push((Instant::now(), event));
    }

    fn linger(&mut self, phase: Phase) {
        self.stage.linger(phase, self.chance);
    }

    fn hear(&mut self) -> Result<Reply, Gone> {
        self.client.try_reply().ok_or(Gone)
    }

    fn say(&mut self, octets: impl AsRef<[u8]>) -> Result<(), Gone> {
        // What could not be written was perhaps answered before: the end comes when it is read.
        self.client.try_send(octets);
        Ok(())
    }

    /// Sends what it can of these mails, until the connection ends or somebody wants no more.
    fn all(&mut self, batch: &mut [Mail], odd: bool, attempts: &mut Vec<Attempt>) -> Result<(), Gone> {
        if self.client.try_greeting().ok_or(Gone)?.code != 220 {
            return Ok(());
        }
        self.note(Event::Greeted);
        self.linger(Phase::Greeting);
        let name = if odd { "not_a..name" } else { "client.there.example" };
        self.say(format!("EHLO {name}\r\n"))?;
        let offer = self.hear()?;
        if offer.code != 250 {
            return Ok(());
        }
        self.note(Event::Introduced);
        if !offer.lines.iter().any(|line| line == "PIPELINING") {
            self.manner = Manner::Lockstep;
        }
        self.linger(Phase::Introduced);
        let mut named = false;
        for at in 0..batch.len() {
            if !std::mem::take(&mut named) {
                attempts.push(self.attempt(&batch[at]));
                let attempt = attempts.last_mut().expect("an attempt");
                self.name(attempt)?;
            }
            let number = attempts.last().expect("an attempt").number;
            let opened = self.opened(attempts.last_mut().expect("an attempt"))?;
            if opened {
                self.note(Event::GoOn(number));
                let next = batch.get(at + 1).filter(|_| self.manner == Manner::RunOn).cloned();
                let next = next.map(|mail| self.attempt(&mail));
                self.content(&batch[at], number, next.as_ref())?;
                let answered = self.hear();
                // What was written behind the end is an attempt, too, whoever got it.
                named = next.is_some();
                let attempt = attempts.len() - 1;
                attempts.extend(next);
                match answered {
                    Ok(reply) => attempts[attempt].answer = Some(reply.code),
                    Err(gone) => {
                        attempts[attempt].broken = Some(Instant::now());
                        return Err(gone);
                    }
                }
                self.note(Event::Answered(number));
                settle(&mut batch[at], &attempts[attempt]);
                if named {
                    let next = attempts.last().expect("an attempt").number;
                    self.note(Event::Named(next));
                } else {
                    self.linger(Phase::Answered);
                }
            } else {
                self.note(Event::Answered(number));
                settle(&mut batch[at], attempts.last().expect("an attempt"));
                self.say("RSET\r\n")?;
                self.hear()?;
            }
        }
        self.linger(Phase::Answered);
        self.say("QUIT\r\n")?;
        self.hear()?;
        Ok(())
    }

    fn attempt(&mut self, mail: &Mail) -> Attempt {
        Attempt {
            number: self.stage.books.attempt(),
            mail: mail.number,
            to: mail.pending.iter().map(|to| (to.clone(), None)).collect(),
            answer: None,
            broken: None,
        }
    }

    /// Says the envelope, as far as its manner goes.
    fn name(&mut self, attempt: &Attempt) -> Result<(), Gone> {
        self.note(Event::Named(attempt.number));
        match self.manner {
            Manner::Lockstep => self.say("MAIL FROM:<ann@there.example>\r\n"),
            _ => self.say(envelope(attempt)),
        }
    }

    /// Hears the answers to the envelope. Whether content may follow.
    fn opened(&mut self, attempt: &mut Attempt) -> Result<bool, Gone> {
        let lockstep = self.manner == Manner::Lockstep;
        let mail = self.hear()?.code;
        for at in 0..attempt.to.len() {
            if lockstep {
                self.say(format!("RCPT TO:<{}>\r\n", attempt.to[at].0))?;
            }
            let rcpt = self.hear()?.code;
            attempt.to[at].1 = Some(if mail == 250 { rcpt } else { mail });
        }
        let granted = attempt.to.iter().any(|(_, code)| *code == Some(250));
        if lockstep && !granted {
            return Ok(false);
        }
        if lockstep {
            self.say("DATA\r\n")?;
        }
        let data = self.hear()?.code;
        assert!(granted || data >= 400, "354 without a recipient");
        if data != 354 && granted {
            attempt.answer = Some(data);
        }
        Ok(data == 354)
    }

    /// Says the content and its end, and behind that the next envelope.
    fn content(&mut self, mail: &Mail, attempt: u32, next: Option<&Attempt>) -> Result<(), Gone> {
        let mut wire = stuffed(&mail.content(attempt));
        let half = usize::try_from(self.chance.below(wire.len() as u64)).expect("a length");
        self.say(&wire[..half])?;
        self.linger(Phase::Content);
        wire.drain(..half);
        wire.extend_from_slice(b".\r\n");
        if let Some(next) = next {
            wire.extend_from_slice(envelope(next).as_bytes());
        }
        self.note(Event::Dot(attempt));
        self.say(wire)
    }
}

fn envelope(attempt: &Attempt) -> String {
    let to: String = attempt.to.iter().map(|(to, _)| format!("RCPT TO:<{to}>\r\n")).collect();
    format!("MAIL FROM:<ann@there.example>\r\n{to}DATA\r\n")
}

/// Whoever heard yes or no waits no longer.
fn settle(mail: &mut Mail, attempt: &Attempt) {
    mail.pending
        .retain(|to| !matches!(attempt.heard(to), Some(200..=299 | 500..=599)));
}
