//! One mail and all servers: which is asked, for how long, and who is asked next when it fails.
//!
//! **Invariants:** so many scans at once as there may be, and who waits for one waits within the mail's own deadline; a
//! server that is not there is left out for a moment; a mail that two servers did not survive is given to no third. A find
//! that only weighs ends nothing: what else there is in the mail is scanned all the same. Who calls a mail clean by its
//! preview has not scanned it, and is sent the whole.
//! **Absent on purpose:** an opinion.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gatepost_core::prelude::*;
use gatepost_core::{Budget, Compute, Services};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use crate::answer::{Answer, Why};
use crate::door::{Asked, Door, Loss};
use crate::health::{Health, Server};
use crate::options::{Config, Order};
use crate::what::{Files, SMALL, Stream, files};

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// How long it may take to say what it can do.
const SMALL_TALK: Duration = Duration::from_secs(1);
/// A mail with which so many servers were lost is given to no other.
const LOST_MAX: usize = 2;

/// What servers said of a whole mail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scanned {
    /// Their answers to each stream that was not clean, each once: never [`Answer::Unscanned`].
    pub answers: Vec<Answer>,
    /// Whose answer the last one was.
    pub by: String,
}

/// All servers, and how they are asked.
pub struct Round {
    servers: Vec<Server>,
    order: Order,
    deadline: Duration,
    max_size: u64,
    files: bool,
    scans: Semaphore,
    next: AtomicUsize,
    health: Health,
    compute: Compute,
}

/// A moment of the clock by which deadlines sleep.
#[expect(clippy::disallowed_methods, reason = "a wait is measured, no time of day is taken")]
fn instant() -> Instant {
    Instant::now()
}

/// How one server fared with one stream.
enum Tried {
    Answered(Answer),
    /// It gave no answer, and this is what to say of it.
    Failed(Fault),
    /// It was lost with the mail in its hands.
    Lost(Fault),
}

const LATE: Fault = Fault::Unavailable("the ICAP server did not answer in time");
const FULL: Fault = Fault::Unavailable("ICAP: too many scans under way");
const ABSENT: Fault = Fault::Unavailable("no ICAP server answers");
const CLOSED: Fault = Fault::Unavailable("the ICAP server closed the connection without an answer");

impl Round {
    /// The servers of these options.
    pub fn new(servers: Vec<Server>, config: &Config, services: &Services) -> Round {
        Round {
            servers,
            order: config.order,
            deadline: config.deadline.0,
            max_size: config.max_size,
            files: config.files,
            scans: Semaphore::new(usize::from(config.scans)),
            next: AtomicUsize::new(0),
            health: Health::new(services),
            compute: services.compute.clone(),
        }
    }

    /// Says what is doubtful about the servers as they are configured: that there is none.
    pub fn warn(&self) {
        if self.is_empty() {
            self.health.nobody();
        }
    }

    /// Whether there is any.
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// Has a whole mail scanned. After an answer of which `ends` says so, nothing more of it is.
    pub async fn scan(
        &self,
        message: &Arc<Message>,
        now: Time,
        ends: impl Fn(&Answer) -> bool + Send,
    ) -> Result<Scanned, Fault> {
        let until = instant() + self.deadline;
        let _scan = match timeout_at(until, self.scans.acquire()).await {
            Ok(Ok(scan)) => scan,
            Ok(Err(_)) | Err(_) => return Err(FULL),
        };
        let files = match self.files {
            true => timeout_at(until, self.files(message)).await.map_err(|_| LATE)??,
            false => Files::none(),
        };
        let (mut answers, mut by, mut lost) = (Vec::new(), String::new(), 0);
        let whole = Stream::Mail(Arc::clone(message));
        for stream in std::iter::once(&whole).chain(&files.all) {
            let (answer, server) = match self.ask(stream, until, now, &mut lost).await {
                Ok(answered) => answered,
                // That not all was scanned is known already, and is what is told.
                Err(_) if answers.contains(&Answer::TooLarge) => break,
                Err(fault) => return Err(fault),
            };
            by.clone_from(&server.shown);
            if answer != Answer::Clean && !answers.contains(&answer) {
                let settled = ends(&answer);
                answers.push(answer);
                if settled {
                    return Ok(Scanned { answers, by });
                }
            }
        }
        if files.cut && !answers.contains(&Answer::TooLarge) {
            answers.push(Answer::TooLarge);
        }
        Ok(Scanned { answers, by })
    }

    /// The files of a mail.
    async fn files(&self, message: &Arc<Message>) -> Result<Files, Fault> {
        let most = self.max_size;
        if message.len() <= SMALL {
            return Ok(files(message, most, &|| false));
        }
        let message = Arc::clone(message);
        let work = move |budget: &Budget| files(&message, most, &|| budget.is_spent());
        self.compute.run(work).await
    }

    /// The servers in the order in which they are asked about this mail.
    fn order(&self) -> impl Iterator<Item = &Server> {
        let first = match self.order {
            Order::Given => 0,
            Order::RoundRobin => self.next.fetch_add(1, Ordering::Relaxed) % self.servers.len().max(1),
        };
        let (before, after) = self.servers.split_at(first);
        after.iter().chain(before)
    }

    /// Has one stream scanned; `lost` counts the servers that were lost with this mail.
    async fn ask(
        &self,
        stream: &Stream,
        until: Instant,
        now: Time,
        lost: &mut usize,
    ) -> Result<(Answer, &Server), Fault> {
        let mut there = Vec::new();
        for server in self.order() {
            if !self.health.is_out(server, now).await {
                there.push(server);
            }
        }
        let (mut fault, mut small) = (ABSENT, None);
        let mut left = there.len();
        for server in there {
            left = left.saturating_sub(1);
            let rest = until.saturating_duration_since(instant());
            let share = if left > 0 { rest / 2 } else { rest };
            match self.try_one(server, stream, share, now).await? {
                // Another one may take more.
                Tried::Answered(Answer::TooLarge) => drop(small.get_or_insert(server)),
                Tried::Answered(answer) => {
                    self.health.is_there(server);
                    return Ok((answer, server));
                }
                Tried::Failed(why) => fault = why,
                Tried::Lost(why) => {
                    fault = why;
                    *lost = lost.saturating_add(1);
                    if *lost >= LOST_MAX {
                        break;
                    }
                }
            }
        }
        small.map(|server| (Answer::TooLarge, server)).ok_or(fault)
    }

    /// Asks one server within `share`. A fault is our own.
    async fn try_one(&self, server: &Server, stream: &Stream, share: Duration, now: Time) -> Result<Tried, Fault> {
        let until = instant() + share;
        let asked = match self.health.asked(server, now).await {
            Some(asked) => asked,
            None => match timeout(share.min(CONNECT), self.learn(server, now)).await {
                Ok(Ok(asked)) => asked,
                Ok(Err(why)) => return Ok(self.absent(server, &why, now).await),
                Err(_) => return Ok(self.absent(server, "it accepts no connection", now).await),
            },
        };
        let scanned = match self.scan_by(server, stream, asked, until, now).await {
            Ok(Ok(Answer::Early)) if asked.preview.is_some() => {
                self.health.wants_no_preview(server, now).await;
                let whole = Asked { preview: None, ..asked };
                self.scan_by(server, stream, whole, until, now).await
            }
            other => other,
        };
        let broken = |why: String| Ok(Tried::Failed(Fault::Broken(format!("{}: {why}", server.shown))));
        let fault = match scanned {
            Err(tried) => return Ok(tried),
            Ok(Ok(Answer::Unscanned(Why::Closed))) => CLOSED,
            // An error may be this mail's doing: nobody else's mail waits because of it.
            Ok(Ok(Answer::Unscanned(why))) => return broken(why.to_string()),
            Ok(Ok(Answer::Early)) => return broken("it let the mail go before it had all of it".into()),
            Ok(Ok(answer)) => return Ok(Tried::Answered(answer)),
            Ok(Err(Loss::Ours(fault))) => return Err(fault),
            Ok(Err(Loss::Nobody(_))) => LATE,
        };
        // A server that is busy with a hard mail is there for others; one that hangs or is dead is not.
        let options = async { Door::open(&server.place).await.ok()?.options(&server.place).await };
        if !matches!(timeout(SMALL_TALK, options).await, Ok(Some(_))) {
            self.health.is_gone(server, &fault.to_string(), now).await;
        }
        Ok(Tried::Lost(fault))
    }

    /// One exchange, which ends at `until`; else why there was none.
    async fn scan_by(
        &self,
        server: &Server,
        stream: &Stream,
        asked: Asked,
        until: Instant,
        now: Time,
    ) -> Result<Result<Answer, Loss>, Tried> {
        let left = until.saturating_duration_since(instant());
        let door = match timeout(left.min(CONNECT), Door::open(&server.place)).await {
            Ok(Ok(door)) => door,
            Ok(Err(Loss::Ours(fault))) => return Ok(Err(Loss::Ours(fault))),
            Ok(Err(Loss::Nobody(why))) => return Err(self.absent(server, &why, now).await),
            Err(_) => return Err(self.absent(server, "it accepts no connection", now).await),
        };
        let scan = door.scan(&server.place, asked, stream, &self.compute);
        let late = Loss::Nobody(String::new());
        Ok(timeout_at(until, scan).await.unwrap_or(Err(late)))
    }

    /// Asks a server how it wants to be asked. One that does not say is asked plainly; one that is not there is an error.
    async fn learn(&self, server: &Server, now: Time) -> Result<Asked, String> {
        let door = match Door::open(&server.place).await {
            Ok(door) => door,
            Err(Loss::Nobody(why)) => return Err(why),
            Err(Loss::Ours(fault)) => return Err(fault.to_string()),
        };
        let options = timeout(SMALL_TALK, door.options(&server.place)).await.ok().flatten();
        Ok(self.health.says(server, options.as_ref(), now).await)
    }

    async fn absent(&self, server: &Server, why: &str, now: Time) -> Tried {
        self.health.is_gone(server, why, now).await;
        Tried::Failed(ABSENT)
    }
}
