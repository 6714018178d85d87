//! The driver: one loop that obeys a session and asks the reception for answers.
//!
//! **Invariant:** the machine decides what is read and written, the reception decides what is answered; here is only
//! I/O and time. Between two commands of a client this holds the session, the reception and two timers, and no buffer.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatepost_core::smtp::session::{self, Answer, Input, Output, Question, Session, Settings};
use gatepost_core::{Clock, Direction, End, Enhanced, Facts, Message, Reply, Time, Via};
use gatepost_pipeline::recipients::Known;
use gatepost_pipeline::{Reception, Seen};
use metrics::counter;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::admission::{self, Admission, Offence};
use crate::clock::ticks;
use crate::listen::is_busy;
use crate::spool::{Room, Spool};
use crate::tarpit::{Place, Tarpit};
use crate::wire::{Shared, Wire};

/// A write that a client does not take within this time is its end.
const WRITE: Duration = Duration::from_secs(60);
/// How long the farewell may take.
const FAREWELL: Duration = Duration::from_secs(5);

const NO_ROOM: Reply = Reply::fixed(
    452,
    Enhanced(4, 3, 1),
    "No room for mail at the moment, try again later",
);
const NOT_SPOOLED: Reply = Reply::fixed(451, Enhanced(4, 3, 0), "Local storage trouble, try again later");

const FULL: Reply = Reply::fixed(421, Enhanced(4, 7, 0), "Too many connections, try again later");

const TOO_OFTEN: Reply = Reply::fixed(421, Enhanced(4, 7, 0), "Too many failures, try again later");

/// What a session is driven with.
pub struct Driving {
    /// The wall clock, for the reception; the machine has a time of its own.
    pub clock: Arc<dyn Clock>,
    /// What the session is told while most sessions are taken.
    pub busy: Arc<Settings>,
    /// For STARTTLS.
    pub tls: Option<TlsAcceptor>,
    /// Who may come again.
    pub admission: Arc<Admission>,
    /// How often a client may offend.
    pub limits: admission::Limits,
    /// Who waits for a reply.
    pub tarpit: Arc<Tarpit>,
    /// How many may.
    pub tarpitted: usize,
    /// Where messages lie.
    pub room: Arc<Room>,
    /// Cancelled when the proxy stops or the listener goes.
    pub drain: CancellationToken,
}

/// What the driver was woken by.
enum Woken {
    Read(io::Result<()>),
    Late,
    Draining,
}

struct Driver {
    wire: Wire,
    session: Session,
    reception: Reception,
    driving: Driving,
    spool: Option<Box<Spool>>,
    notes: Facts,
    draining: bool,
    /// A message was answered and the answer is not written yet.
    owed: bool,
    /// Where it has waited, until it is gone: there was no place for it among the sessions.
    leaving: Option<Place>,
}

/// Drives one session to its end. What it is made of is in one place on the heap: a future that held it would hold it once
/// for each function that it is handed through.
pub fn drive(
    wire: Wire,
    settings: Arc<Settings>,
    reception: Reception,
    driving: Driving,
) -> impl Future<Output = ()> + Send {
    let mut session = Session::new(settings, wire.agreed(), ticks());
    if reception.visit().login.is_some() {
        session.trust();
    }
    let mut driver = Box::new(Driver {
        wire,
        session,
        reception,
        driving,
        spool: None,
        notes: Facts::default(),
        draining: false,
        owed: false,
        leaving: None,
    });
    async move {
        driver.run().await;
        // Whoever does not read our last words has no claim on them.
        let _ = tokio::time::timeout(FAREWELL, Box::pin(driver.wire.close())).await;
    }
}

impl Driver {
    async fn run(&mut self) {
        loop {
            let now = ticks();
            match self.session.poll(now) {
                Output::Write(octets) => {
                    let written = tokio::time::timeout(WRITE, self.wire.write(octets)).await;
                    let written = matches!(written, Ok(Ok(())));
                    if std::mem::take(&mut self.owed) {
                        // To a client that has left, the kernel still takes a write.
                        let heard = written && !self.session.gone();
                        self.reception.answered(self.driving.clock.now(), heard);
                    }
                    if !written {
                        self.session.give(ticks(), Input::Eof);
                    }
                }
                Output::Body(octets) => {
                    let spool = self
                        .spool
                        .get_or_insert_with(|| Box::new(Spool::new(Arc::clone(&self.driving.room))));
                    if !spool.keep(octets) {
                        Box::pin(spool.push(octets)).await;
                    }
                }
                Output::Ask(question) => {
                    // Its state is large and ends here: a session that waits for its client does not hold room for it.
                    let is_message = matches!(question, Question::Message { .. } | Question::Spoilt { .. });
                    let mut answer = Box::pin(self.answer(question)).await;
                    let delay = self.reception.delay();
                    if !delay.is_zero()
                        && let Some(place) = Box::pin(self.dawdle(delay)).await
                    {
                        let full = !self.is_placed(place);
                        // What became of a message must be heard.
                        if full && !is_message && matches!(answer, Answer::Reply(_) | Answer::Challenge(_)) {
                            let listener = self.reception.visit().listener.to_string();
                            counter!("gatepost_sessions_refused_total", "listener" => listener, "limit" => "full")
                                .increment(1);
                            answer = Answer::Close(FULL);
                        }
                    }
                    self.session.give(ticks(), Input::Answer(answer));
                }
                Output::Wait { until, read } => self.wait(now, until, read).await,
                Output::StartTls => Box::pin(self.secure()).await,
                Output::Close => break,
            }
        }
        if std::mem::take(&mut self.owed) {
            self.reception.answered(self.driving.clock.now(), false);
        }
        let how = match self.session.facts().end {
            Some(session::End::Quit) => End::Reset,
            Some(session::End::Gone) => End::Lost,
            Some(session::End::Refused) => End::Refused,
            _ => End::Closed,
        };
        Box::pin(self.reception.end(self.driving.clock.now(), how)).await;
    }

    /// Waits for the client, the deadline, or the end of the proxy.
    async fn wait(&mut self, now: Time, until: Time, read: bool) {
        let woken = {
            let Driver {
                wire,
                session,
                driving,
                draining,
                ..
            } = self;
            let room = session.room();
            tokio::select! {
                biased;
                read = wire.read(room, |octets| give(session, ticks(), octets)), if read => Woken::Read(read),
                () = driving.drain.cancelled(), if !*draining => Woken::Draining,
                () = tokio::time::sleep(until.since(now).min(Duration::from_secs(86_400))) => Woken::Late,
            }
        };
        match woken {
            Woken::Read(Ok(())) => {}
            Woken::Read(Err(_)) => self.session.give(ticks(), Input::Eof),
            Woken::Late => self.session.give(ticks().max(until), Input::Tick),
            Woken::Draining => {
                self.draining = true;
                self.session.give(ticks(), Input::Drain);
            }
        }
    }

    /// Whether there is a place among the sessions for one that has waited; where few are left, its patience is less.
    fn is_placed(&mut self, place: Place) -> bool {
        let Driving { admission, limits, .. } = &self.driving;
        let left = place.leave(|| admission.open(), limits.sessions);
        if left.as_ref().map_or(true, |taken| is_busy(*taken, limits.sessions)) {
            self.session.settle(Arc::clone(&self.driving.busy));
        }
        let placed = left.is_ok();
        self.leaving = left.err().flatten();
        placed
    }

    /// Holds back an answer. The client may speak, which the session remembers; if it leaves, or the proxy stops, or
    /// another needs the place, nothing is waited for any longer. The place of one that goes on.
    async fn dawdle(&mut self, delay: Duration) -> Option<Place> {
        let Driver {
            wire,
            session,
            driving,
            draining,
            ..
        } = self;
        let place = driving.tarpit.enter(driving.tarpitted)?;
        let until = tokio::time::sleep(delay);
        tokio::pin!(until);
        while !session.gone() && !*draining {
            let room = session.room();
            tokio::select! {
                biased;
                read = wire.read(room, |octets| give(session, ticks(), octets)), if room > 0 => {
                    if read.is_err() {
                        session.give(ticks(), Input::Eof);
                    }
                }
                () = driving.drain.cancelled() => {
                    *draining = true;
                    session.give(ticks(), Input::Drain);
                }
                () = place.released() => return Some(place),
                () = &mut until => return Some(place),
            }
        }
        None
    }

    async fn secure(&mut self) {
        let Some(acceptor) = &self.driving.tls else {
            return self.session.give(ticks(), Input::Eof);
        };
        let patience = HANDSHAKE;
        let input = match tokio::time::timeout(patience, self.wire.accept(acceptor)).await {
            Ok(Ok(())) => self.wire.agreed(),
            Ok(Err(error)) => {
                tracing::debug!(client = %self.reception.visit().client.address, %error, "TLS handshake failed");
                None
            }
            Err(_) => None,
        };
        let now = ticks();
        match input {
            Some(tls) => {
                self.reception.secured(Arc::new(tls.clone()));
                self.session.give(now, Input::Secured(tls));
            }
            None => self.session.give(now, Input::Eof),
        }
    }

    /// What only the session could see, as filters read it.
    fn facts(&self) -> Facts {
        let seen = self.session.facts();
        let mut facts = self.notes;
        facts.early_talk = seen.early_talk;
        facts.unasked_pipelining = seen.unasked_pipelining;
        facts.errors = seen.errors;
        facts.junk = seen.junk;
        facts
    }

    async fn answer(&mut self, mut question: Question) -> Answer {
        let mut message = None;
        match &mut question {
            Question::Mail { params, .. } if !self.driving.room.has(params.size.unwrap_or(0)) => {
                tracing::error!("the spool is full: mail is deferred");
                return Answer::Reply(NO_ROOM);
            }
            Question::Spoilt { notes, .. } => {
                self.spool = None;
                self.note(*notes);
            }
            Question::Message { size, notes } => {
                let (size, notes) = (*size, *notes);
                self.note(notes);
                let spool = self
                    .spool
                    .take()
                    .unwrap_or_else(|| Box::new(Spool::new(Arc::clone(&self.driving.room))));
                match spool.finish().await {
                    Ok(spooled) => message = Some(Arc::new(spooled)),
                    Err(error) => {
                        tracing::error!(%error, "a message could not be stored: it is deferred");
                        let full = matches!(error.kind(), io::ErrorKind::QuotaExceeded | io::ErrorKind::StorageFull);
                        let reply = if full { NO_ROOM } else { NOT_SPOOLED };
                        question = Question::Spoilt {
                            reply: reply.clone(),
                            size,
                            notes,
                        };
                        self.ask(question, None).await;
                        self.owed = true;
                        return Answer::Reply(reply);
                    }
                }
            }
            Question::Connect | Question::Reset(_) | Question::Data => {
                self.spool = None;
                self.notes = Facts::default();
            }
            _ => {}
        }
        let ends = matches!(question, Question::Message { .. } | Question::Spoilt { .. });
        let named = matches!(question, Question::Rcpt { .. });
        let login = matches!(question, Question::Auth { .. } | Question::AuthLine(_));
        let answer = self.ask(question, message).await;
        self.owed |= ends;
        match &answer {
            // Whatever else a server says may mean another thing: the sender, the client, a full mailbox.
            Answer::Reply(reply) if named && Known::of(reply) == Some(Known::No) => {
                self.offended(Offence::UnknownRecipient)
            }
            Answer::Reply(reply) if login && reply.is_permanent() => self.offended(Offence::FailedLogin),
            _ => None,
        }
        .unwrap_or(answer)
    }

    /// Counts what a stranger does wrong. What ends the session, if it was too often.
    fn offended(&mut self, offence: Offence) -> Option<Answer> {
        let (now, limits) = (self.driving.clock.now(), self.driving.limits);
        let failed_as = self.reception.failed_login();
        let visit = self.reception.visit();
        // A relay names the recipients that others named.
        let not_its_own = visit.login.is_some() || visit.direction == Direction::Outbound || visit.via != Via::Nobody;
        if offence == Offence::UnknownRecipient && not_its_own {
            return None;
        }
        let client = visit.client.address;
        if offence == Offence::FailedLogin {
            counter!("gatepost_auth_failures_total", "listener" => visit.listener.to_string()).increment(1);
        }
        if let Some(name) = failed_as
            && self.driving.admission.failed_as(&name, limits, now)
        {
            counter!("gatepost_auth_alarms_total", "listener" => visit.listener.to_string()).increment(1);
            tracing::error!(user = &*name, %client, "many failed logins with this user name within the hour");
        }
        self.driving.admission.offended(client, offence, limits, now).then(|| {
            tracing::warn!(%client, ?offence, "too often: the session ends, and no other begins for a while");
            Answer::Close(TOO_OFTEN)
        })
    }

    fn note(&mut self, notes: gatepost_core::smtp::body::Notes) {
        self.notes.bare_lf = notes.bare_lf;
        self.notes.bare_cr = notes.bare_cr;
        self.notes.nul = notes.nul;
        self.notes.near_miss = notes.near_miss;
        self.notes.long_line = notes.long_line;
    }

    /// Asks the reception, and listens to the client meanwhile: for what it says too early, and for its end.
    async fn ask(&mut self, question: Question, message: Option<Arc<Message>>) -> Answer {
        let facts = self.facts();
        let Driver {
            wire,
            session,
            reception,
            driving,
            draining,
            ..
        } = self;
        let (shared, hung_up) = (wire.shared(), AtomicBool::new(session.gone()));
        // Who has said goodbye closes its side, and waits for what becomes of the message all the same.
        let quits = AtomicBool::new(session.quits());
        let gone = || hung_up.load(Ordering::Relaxed) || (!quits.load(Ordering::Relaxed) && is_closed(&shared));
        let answer = reception.answer(
            driving.clock.now(),
            question,
            Seen {
                facts,
                message,
                gone: &gone,
            },
        );
        tokio::pin!(answer);
        loop {
            let room = session.room();
            // First the client, so that its end is known at the last look.
            let woken = tokio::select! {
                biased;
                read = wire.read(room, |octets| give(session, ticks(), octets)),
                    if room > 0 && !session.gone() => Woken::Read(read),
                answer = &mut answer => return answer,
                () = driving.drain.cancelled(), if !*draining => Woken::Draining,
            };
            match woken {
                Woken::Read(read) => {
                    if read.is_err() {
                        session.give(ticks(), Input::Eof);
                    }
                    hung_up.store(session.gone(), Ordering::Relaxed);
                    quits.store(session.quits(), Ordering::Relaxed);
                }
                Woken::Draining | Woken::Late => {
                    *draining = true;
                    session.give(ticks(), Input::Drain);
                }
            }
        }
    }
}

/// How long a client may take for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(60);

fn is_closed(shared: &Shared) -> bool {
    shared.is_closed()
}

fn give(session: &mut Session, now: Time, octets: &[u8]) {
    session.give(
        now,
        if octets.is_empty() {
            Input::Eof
        } else {
            Input::Bytes(octets)
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<F>(_: impl FnOnce(Wire, Arc<Settings>, Reception, Driving) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_session_that_waits_for_its_client_is_small() {
        let parts = [
            ("wire", size_of::<Wire>()),
            ("session", size_of::<Session>()),
            ("reception", size_of::<Reception>()),
            ("driving", size_of::<Driving>()),
        ];
        assert!(
            size(drive) + size_of::<Driver>() <= 1_536,
            "{} and {} octets {parts:?}",
            size(drive),
            size_of::<Driver>()
        );
    }
}
