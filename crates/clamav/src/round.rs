//! One mail and all clamds: what of it is sent, and how one is asked.
//!
//! **Invariant:** a find that only weighs ends nothing: what else there is in the mail is scanned all the same.
//! **Absent on purpose:** an opinion.

use std::pin::pin;
use std::sync::Arc;

use gatepost_core::prelude::*;
use gatepost_scanner::round::{CONNECT, Scanned, instant};
use gatepost_scanner::stream::{Files, files, is_ambiguous};
use gatepost_scanner::{Answer, Engine, Round, Server, Stream, Tried};
use tokio::time::{timeout, timeout_at};

use crate::door::{Door, Loss};
use crate::health::Notes;
use crate::opinion::VOICE;
use crate::options::Config;
use crate::place::Place;
use crate::session::{self, PING, PONG, VERSION, Why};
use crate::version::Version;

/// How long a clamd may take to say that it is there, or which version it is.
const SMALL_TALK: Duration = Duration::from_millis(500);

/// All clamds, and how they are asked.
pub struct Clamds {
    round: Round<Place>,
    max_size: u64,
    database_days: u16,
}

impl Clamds {
    /// The clamds of these options.
    pub fn new(servers: Vec<Server<Place>>, config: &Config, services: &Services) -> Clamds {
        Clamds {
            round: Round::new(&VOICE, servers, config.bounds(), services),
            max_size: config.max_size,
            database_days: config.database_days,
        }
    }

    fn notes(&self) -> Notes<'_> {
        Notes(&self.round.health)
    }

    /// Says what is doubtful about the servers as they are configured: that there is none, or one over a net.
    pub fn warn(&self) {
        if self.is_empty() {
            self.notes().nobody();
        }
        for server in self.round.servers() {
            self.notes().is_open(server);
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.round.servers().is_empty()
    }

    /// Has a whole mail scanned. After an answer of which `ends` says so, nothing more of it is.
    pub async fn scan(
        &self,
        message: &Arc<Message>,
        now: Time,
        ends: impl Fn(&Answer) -> bool + Send,
    ) -> Result<Scanned, Fault> {
        let (_permit, until) = self.round.begin().await?;
        let whole = Stream::Mail(Arc::clone(message));
        let mut lost = 0;
        let (answer, server, ambiguous) = {
            let mut scan = pin!(self.round.ask(self, &whole, until, now, &mut lost));
            let mut walk = pin!(self.round.walk(message, until, |message, most, spent| {
                is_ambiguous(message, most, spent)
            }));
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
                Some(known) => known?,
                None => walk.await?,
            };
            (answer, server, ambiguous)
        };
        let mut answers = Vec::new();
        let mut found = Files::none();
        // Where clamd's reading is the only one, and it says that all is well, it has had all files.
        if !ends(&answer) && (ambiguous || answer != Answer::Clean) {
            let every = |message: &_, most, spent: &dyn Fn() -> bool| files(message, most, spent, |_| true);
            found = self.round.walk(message, until, every).await?;
        }
        if answer != Answer::Clean {
            answers.push(answer);
        }
        for file in &found.all {
            let answer = match self.round.ask(self, file, until, now, &mut lost).await {
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
                found.cut = false;
                break;
            }
        }
        if found.cut && !answers.contains(&Answer::TooLarge) {
            answers.push(Answer::TooLarge);
        }
        let by = match self.about(server, now).await {
            Some(version) => format!("{}, {version}", server.shown),
            None => server.shown.clone(),
        };
        Ok(Scanned { answers, by })
    }

    /// The answer to a command, where it comes at once.
    async fn small_talk(&self, server: &Server<Place>, command: &[u8]) -> Option<Vec<u8>> {
        let talk = async { Some(Door::open(&server.place).await.ok()?.ask(command).await) };
        timeout(SMALL_TALK, talk).await.ok()?
    }

    /// What a server says of itself. Asked once a minute, and with it now and then whether it takes the largest mail.
    async fn about(&self, server: &Server<Place>, now: Time) -> Option<String> {
        let notes = self.notes();
        if let Some(known) = notes.version(server, now).await {
            return Some(known);
        }
        let said = self.small_talk(server, VERSION).await?;
        let version = Version::read(&said);
        notes.says(server, &version, self.database_days, now).await;
        if notes.is_to_be_probed(server, self.max_size, now).await {
            let takes = async {
                let door = Door::open(&server.place).await.ok()?;
                Some(door.takes(self.max_size).await)
            };
            if let Ok(Some(takes)) = timeout(SMALL_TALK, takes).await {
                notes.takes(server, self.max_size, takes);
            }
        }
        Some(version.words)
    }
}

impl Engine for Clamds {
    type Place = Place;

    async fn ask(&self, server: &Server<Place>, stream: &Stream, share: Duration, now: Time) -> Result<Tried, Fault> {
        let until = instant() + share;
        let opened = timeout(share.min(CONNECT), Door::open(&server.place)).await;
        let door = match opened {
            Ok(Ok(door)) => door,
            Ok(Err(Loss::Busy)) => return Ok(Tried::Failed(VOICE.full.clone())),
            Ok(Err(Loss::Ours(fault))) => return Err(fault),
            Ok(Err(Loss::Nobody(why))) => return Ok(self.round.absent(server, &why, now).await),
            Err(_) => return Ok(self.round.absent(server, "it accepts no connection", now).await),
        };
        let fault = match timeout_at(until, door.scan(stream, &self.round.compute)).await {
            Ok(Ok(session::Answer::Unscanned(Why::Closed))) => VOICE.closed.clone(),
            // An error may be this mail's doing: nobody else's mail waits because of it.
            Ok(Ok(session::Answer::Unscanned(why))) => {
                return Ok(Tried::Failed(Fault::Broken(format!(
                    "clamd at {}: {why}",
                    server.shown
                ))));
            }
            Ok(Ok(session::Answer::Clean)) => return Ok(Tried::Answered(Answer::Clean)),
            Ok(Ok(session::Answer::Found(name))) => return Ok(Tried::Answered(Answer::Found(name))),
            Ok(Ok(session::Answer::TooLarge)) => return Ok(Tried::Answered(Answer::TooLarge)),
            Ok(Err(Loss::Ours(fault))) => return Err(fault),
            Ok(Err(Loss::Busy | Loss::Nobody(_))) => VOICE.closed.clone(),
            Err(_) => VOICE.late.clone(),
        };
        // A scanner that is busy with a hard mail is there for others; one that hangs or is dead is not.
        let pong = self.small_talk(server, PING).await;
        if !pong.is_some_and(|pong| pong.starts_with(PONG)) {
            self.round.health.is_gone(server, &fault.to_string(), now).await;
        }
        Ok(Tried::Lost(fault))
    }
}
