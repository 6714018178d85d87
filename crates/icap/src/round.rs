//! One mail and all servers: what of it is sent, and how one is asked.
//!
//! The whole mail as it came, and each of its files, decoded, in each of its readings: engines are made for the web, and many
//! take no mail apart. **Invariants:** a find that only weighs ends nothing: what else there is in the mail is scanned all the
//! same. Who calls a mail clean by its preview has not scanned it, and is sent the whole.
//! **Absent on purpose:** an opinion.

use std::sync::Arc;

use gatepost_core::message::enclosed::Enclosed;
use gatepost_core::prelude::*;
use gatepost_scanner::round::{CONNECT, Scanned, instant};
use gatepost_scanner::stream::{Files, files};
use gatepost_scanner::{Answer, Engine, Round, Server, Stream, Tried};
use tokio::time::{Instant, timeout, timeout_at};

use crate::answer::{self, Why};
use crate::door::{Asked, Door, Loss};
use crate::health::Notes;
use crate::opinion::VOICE;
use crate::options::Config;
use crate::place::Place;

/// How long a server may take to say what it can do.
const SMALL_TALK: Duration = Duration::from_secs(1);

/// All servers, and how they are asked.
pub struct Servers {
    round: Round<Place>,
    files: bool,
}

/// What readers show as plain text is no file, and stands in the mail itself.
fn is_file(file: &Enclosed<'_>) -> bool {
    !(file.shown && file.mimes.iter().all(|mime| mime == "text/plain"))
}

impl Servers {
    /// The servers of these options.
    pub fn new(servers: Vec<Server<Place>>, config: &Config, services: &Services) -> Servers {
        Servers {
            round: Round::new(&VOICE, servers, config.bounds(), services),
            files: config.files,
        }
    }

    fn notes(&self) -> Notes<'_> {
        Notes(&self.round.health)
    }

    /// Says what is doubtful about the servers as they are configured: that there is none.
    pub fn warn(&self) {
        if self.is_empty() {
            self.notes().nobody();
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
        let every = |message: &_, most, spent: &dyn Fn() -> bool| files(message, most, spent, is_file);
        let files = match self.files {
            true => self.round.walk(message, until, every).await?,
            false => Files::none(),
        };
        let (mut answers, mut by, mut lost) = (Vec::new(), String::new(), 0);
        let whole = Stream::Mail(Arc::clone(message));
        for stream in std::iter::once(&whole).chain(&files.all) {
            let (answer, server) = match self.round.ask(self, stream, until, now, &mut lost).await {
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

    /// One exchange, which ends at `until`; else why there was none.
    async fn scan_by(
        &self,
        server: &Server<Place>,
        stream: &Stream,
        asked: Asked,
        until: Instant,
        now: Time,
    ) -> Result<Result<answer::Answer, Loss>, Tried> {
        let left = until.saturating_duration_since(instant());
        let door = match timeout(left.min(CONNECT), Door::open(&server.place)).await {
            Ok(Ok(door)) => door,
            Ok(Err(Loss::Ours(fault))) => return Ok(Err(Loss::Ours(fault))),
            Ok(Err(Loss::Nobody(why))) => return Err(self.round.absent(server, &why, now).await),
            Err(_) => return Err(self.round.absent(server, "it accepts no connection", now).await),
        };
        let scan = door.scan(&server.place, asked, stream, &self.round.compute);
        let late = Loss::Nobody(String::new());
        Ok(timeout_at(until, scan).await.unwrap_or(Err(late)))
    }

    /// Asks a server how it wants to be asked. One that does not say is asked plainly; one that is not there is an error.
    async fn learn(&self, server: &Server<Place>, now: Time) -> Result<Asked, String> {
        let door = match Door::open(&server.place).await {
            Ok(door) => door,
            Err(Loss::Nobody(why)) => return Err(why),
            Err(Loss::Ours(fault)) => return Err(fault.to_string()),
        };
        let options = timeout(SMALL_TALK, door.options(&server.place)).await.ok().flatten();
        Ok(self.notes().says(server, options.as_ref(), now).await)
    }
}

impl Engine for Servers {
    type Place = Place;

    async fn ask(&self, server: &Server<Place>, stream: &Stream, share: Duration, now: Time) -> Result<Tried, Fault> {
        let until = instant() + share;
        let asked = match self.notes().asked(server, now).await {
            Some(asked) => asked,
            None => match timeout(share.min(CONNECT), self.learn(server, now)).await {
                Ok(Ok(asked)) => asked,
                Ok(Err(why)) => return Ok(self.round.absent(server, &why, now).await),
                Err(_) => return Ok(self.round.absent(server, "it accepts no connection", now).await),
            },
        };
        let scanned = match self.scan_by(server, stream, asked, until, now).await {
            Ok(Ok(answer::Answer::Early)) if asked.preview.is_some() => {
                self.notes().wants_no_preview(server, now).await;
                let whole = Asked { preview: None, ..asked };
                self.scan_by(server, stream, whole, until, now).await
            }
            other => other,
        };
        let broken = |why: String| Ok(Tried::Failed(Fault::Broken(format!("{}: {why}", server.shown))));
        let fault = match scanned {
            Err(tried) => return Ok(tried),
            Ok(Ok(answer::Answer::Unscanned(Why::Closed))) => VOICE.closed.clone(),
            // An error may be this mail's doing: nobody else's mail waits because of it.
            Ok(Ok(answer::Answer::Unscanned(why))) => return broken(why.to_string()),
            Ok(Ok(answer::Answer::Early)) => return broken("it let the mail go before it had all of it".into()),
            Ok(Ok(answer::Answer::Clean)) => return Ok(Tried::Answered(Answer::Clean)),
            Ok(Ok(answer::Answer::Found(name))) => return Ok(Tried::Answered(Answer::Found(name))),
            Ok(Ok(answer::Answer::TooLarge)) => return Ok(Tried::Answered(Answer::TooLarge)),
            Ok(Err(Loss::Ours(fault))) => return Err(fault),
            Ok(Err(Loss::Nobody(_))) => VOICE.late.clone(),
        };
        // A server that is busy with a hard mail is there for others; one that hangs or is dead is not.
        let options = async { Door::open(&server.place).await.ok()?.options(&server.place).await };
        if !matches!(timeout(SMALL_TALK, options).await, Ok(Some(_))) {
            self.round.health.is_gone(server, &fault.to_string(), now).await;
        }
        Ok(Tried::Lost(fault))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_stream_and_plain_text_is_none() {
        let files_of = |text: &str| {
            let message = Arc::new(Message::from_bytes(text.replace('\n', "\r\n")));
            let files = files(&message, 1_000, &|| false, is_file);
            (files.all.iter().map(Stream::len).collect::<Vec<_>>(), files.cut)
        };
        let text = "Content-Type: application/x; name=a\nContent-Transfer-Encoding: base64\n\nQUJDREVGR0hJSg==\n";
        assert_eq!(files_of(text), (vec![10], false));
        assert_eq!(files_of("Subject: hi\n\nwords\n"), (vec![], false));
        assert_eq!(files_of("Content-Type: text/html\n\n<p>\n").0.len(), 1);
    }
}
