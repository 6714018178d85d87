//! One mail and all servers: which is asked, for how long, and who is asked next when it fails.
//!
//! **Invariants:** so many scans at once as there may be, and who waits for one waits within the mail's own deadline; a
//! server that is not there is left out for a moment; a mail that two scanners did not survive is given to no third. A find
//! that only weighs ends nothing: what else there is in the mail is scanned all the same.
//! **Absent on purpose:** an opinion.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gatepost_core::prelude::*;
use gatepost_core::{Budget, Compute, Services};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use crate::door::{Door, Loss};
use crate::health::{Health, Server};
use crate::options::{Config, Order};
use crate::session::{Answer, PING, PONG, VERSION, Why};
use crate::version::Version;
use crate::what::{Files, SMALL, Stream, files, is_ambiguous};

/// How long a clamd may take to accept a connection: it does nothing but that.
const CONNECT: Duration = Duration::from_secs(2);
/// How long it may take to say that it is there, or which version it is.
const SMALL_TALK: Duration = Duration::from_millis(500);
/// A mail with which so many servers were lost is given to no other.
const LOST_MAX: usize = 2;

/// What a clamd said of a whole mail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scanned {
    /// Its answers to each stream that was not clean, each once: never [`Answer::Unscanned`].
    pub answers: Vec<Answer>,
    /// Which clamd it was, and what it says of itself where that is known.
    pub by: String,
}

/// All servers, and how they are asked.
pub struct Round {
    servers: Vec<Server>,
    order: Order,
    deadline: Duration,
    max_size: u64,
    database_days: u16,
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

const LATE: Fault = Fault::Unavailable("clamd did not answer in time");
const FULL: Fault = Fault::Unavailable("clamd: too many scans under way");
const ABSENT: Fault = Fault::Unavailable("no clamd answers");
const CLOSED: Fault = Fault::Unavailable("clamd closed the connection without an answer");

impl Round {
    /// The servers of these options.
    pub fn new(servers: Vec<Server>, config: &Config, services: &Services) -> Round {
        Round {
            servers,
            order: config.order,
            deadline: config.deadline.0,
            max_size: config.max_size,
            database_days: config.database_days,
            scans: Semaphore::new(usize::from(config.scans)),
            next: AtomicUsize::new(0),
            health: Health::new(services),
            compute: services.compute.clone(),
        }
    }

    /// Says what is doubtful about the servers as they are configured: that there is none, or one over a net.
    pub fn warn(&self) {
        if self.is_empty() {
            self.health.nobody();
        }
        for server in &self.servers {
            self.health.is_open(server);
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
        let whole = Stream::Mail(Arc::clone(message));
        let mut lost = 0;
        let (answer, server, ambiguous) = {
            let mut scan = pin!(self.ask(&whole, until, now, &mut lost));
            let mut walk = pin!(timeout_at(until, self.is_ambiguous(message)));
            let mut ambiguous = None;
            // The mail is on its way before it is looked at here, and an answer that settles all waits for nothing.
            let (answer, server) = loop {
                tokio::select! {
                    biased;
                    answered = &mut scan => break answered?,
                    known = &mut walk, if ambiguous.is_none() => ambiguous = Some(known),
                }
            };
            let ambiguous = match ambiguous {
                _ if ends(&answer) => false,
                Some(known) => known.map_err(|_| LATE)??,
                None => walk.await.map_err(|_| LATE)??,
            };
            (answer, server, ambiguous)
        };
        let mut answers = Vec::new();
        let mut files = Files::none();
        // Where clamd's reading is the only one, and it says that all is well, it has had all files.
        if !ends(&answer) && (ambiguous || answer != Answer::Clean) {
            files = timeout_at(until, self.files(message)).await.map_err(|_| LATE)??;
        }
        if answer != Answer::Clean {
            answers.push(answer);
        }
        for file in &files.all {
            let answer = match self.ask(file, until, now, &mut lost).await {
                Ok((answer, _)) => answer,
                // That not all was scanned is known already, and is what is told.
                Err(_) if answers.contains(&Answer::TooLarge) => break,
                Err(fault) => return Err(fault),
            };
            let settled = ends(&answer);
            if answer != Answer::Clean && !answers.contains(&answer) {
                answers.push(answer);
            }
            if settled {
                files.cut = false;
                break;
            }
        }
        if files.cut && !answers.contains(&Answer::TooLarge) {
            answers.push(Answer::TooLarge);
        }
        let by = match self.about(server, now).await {
            Some(version) => format!("{}, {version}", server.shown),
            None => server.shown.clone(),
        };
        Ok(Scanned { answers, by })
    }

    /// Whether there are files in a mail that clamd may not see as others do.
    async fn is_ambiguous(&self, message: &Arc<Message>) -> Result<bool, Fault> {
        self.walk(message, |message, most, spent| is_ambiguous(message, most, spent))
            .await
    }

    /// The files of a mail.
    async fn files(&self, message: &Arc<Message>) -> Result<Files, Fault> {
        self.walk(message, files).await
    }

    /// Walks over a mail: where the session is if that takes no time.
    async fn walk<T: Send + 'static>(
        &self,
        message: &Arc<Message>,
        with: impl FnOnce(&Arc<Message>, u64, &dyn Fn() -> bool) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let most = self.max_size;
        if message.len() <= SMALL {
            return Ok(with(message, most, &|| false));
        }
        let message = Arc::clone(message);
        let work = move |budget: &Budget| with(&message, most, &|| budget.is_spent());
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
        let opened = timeout(share.min(CONNECT), Door::open(&server.place)).await;
        let door = match opened {
            Ok(Ok(door)) => door,
            Ok(Err(Loss::Busy)) => return Ok(Tried::Failed(FULL)),
            Ok(Err(Loss::Ours(fault))) => return Err(fault),
            Ok(Err(Loss::Nobody(why))) => {
                self.health.is_gone(server, &why, now).await;
                return Ok(Tried::Failed(ABSENT));
            }
            Err(_) => {
                self.health.is_gone(server, "it accepts no connection", now).await;
                return Ok(Tried::Failed(ABSENT));
            }
        };
        let fault = match timeout_at(until, door.scan(stream, &self.compute)).await {
            Ok(Ok(Answer::Unscanned(Why::Closed))) => CLOSED,
            // An error may be this mail's doing: nobody else's mail waits because of it.
            Ok(Ok(Answer::Unscanned(why))) => {
                return Ok(Tried::Failed(Fault::Broken(format!(
                    "clamd at {}: {why}",
                    server.shown
                ))));
            }
            Ok(Ok(answer)) => return Ok(Tried::Answered(answer)),
            Ok(Err(Loss::Ours(fault))) => return Err(fault),
            Ok(Err(Loss::Busy | Loss::Nobody(_))) => CLOSED,
            Err(_) => LATE,
        };
        // A scanner that is busy with a hard mail is there for others; one that hangs or is dead is not.
        let pong = self.small_talk(server, PING).await;
        if !pong.is_some_and(|pong| pong.starts_with(PONG)) {
            self.health.is_gone(server, &fault.to_string(), now).await;
        }
        Ok(Tried::Lost(fault))
    }

    /// The answer to a command, where it comes at once.
    async fn small_talk(&self, server: &Server, command: &[u8]) -> Option<Vec<u8>> {
        let talk = async { Some(Door::open(&server.place).await.ok()?.ask(command).await) };
        timeout(SMALL_TALK, talk).await.ok()?
    }

    /// What a server says of itself. Asked once a minute, and with it now and then whether it takes the largest mail.
    async fn about(&self, server: &Server, now: Time) -> Option<String> {
        if let Some(known) = self.health.version(server, now).await {
            return Some(known);
        }
        let said = self.small_talk(server, VERSION).await?;
        let version = Version::read(&said);
        self.health.says(server, &version, self.database_days, now).await;
        if self.health.is_to_be_probed(server, self.max_size, now).await {
            let takes = async {
                let door = Door::open(&server.place).await.ok()?;
                Some(door.takes(self.max_size).await)
            };
            if let Ok(Some(takes)) = timeout(SMALL_TALK, takes).await {
                self.health.takes(server, self.max_size, takes);
            }
        }
        Some(version.words)
    }
}
