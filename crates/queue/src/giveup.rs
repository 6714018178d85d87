//! Mail that nobody took, or that waits long: who is told.
//!
//! **Invariants:** a notice goes to nobody but a sender of whom SPF or DKIM prove that the mail is theirs, and who is neither
//! the null sender nor a machine nor asked for silence (RFC 5321 section 6.2, RFC 3464, RFC 3834): no forged address ever hears
//! of it. Whatever cannot be told lies in the archive, durably, before it leaves the queue; there an administrator of the
//! recipient's domain finds it, once, however often Gatepost is killed meanwhile. A notice may come twice then. What is larger
//! than the archive may ever hold is set aside when its time is over, whole, with an alarm: nothing ends without anybody's
//! knowledge.

use std::sync::Arc;
use std::time::Duration;

use gatepost_core::message::Edits;
use gatepost_core::smtp::command::Ret;
use gatepost_core::{
    Address, Caller, Direction, Enhanced, Keeping, MailParams, Message, Path, RcptParams, Terms, Time,
};

use crate::deliver::{Job, OVER, Stop, place, refusal, waiting};
use crate::inner::Inner;
use crate::notice::{Kind, Notice, Unreached, is_automatic};
use crate::schedule::Outcome;
use crate::spool::{Entry, Head, Progress, Stored};
use crate::terms::Published;
use crate::told::{What, Word};

/// In whose order our own notices wait: no mail from outside does, since nobody has a domain of this name (RFC 2606).
pub const NOTICES: &str = "notices.invalid";
/// The reason under which the archive has what nobody took.
pub const UNDELIVERED: &str = "undelivered";
/// Why a mail is set aside.
const TOO_LARGE: &str =
    "was taken by nobody, its sender may not be told, and the archive may not hold so much (`[archive]`)";
/// For how long whoever gives a mail up again looks for the copy of the first time.
const SAME: Duration = Duration::from_hours(24);
/// The time is over (RFC 3463).
const TIME_IS_OVER: Enhanced = Enhanced(4, 4, 7);

/// Why a mail cannot be given up now.
pub struct Stuck {
    pub said: String,
    /// Some of it is done: for nobody may that be undone by another try at their server.
    pub begun: bool,
}

impl Inner {
    /// Sees that somebody learns of recipients whom a mail did not reach, for good. After an error nothing is settled. What it
    /// returns are the places of those for whom nothing can be done: the archive could never hold the mail.
    pub async fn give_up(
        &self,
        job: &Job<'_>,
        unreached: &[Unreached],
        progress: &Progress,
    ) -> Result<Vec<usize>, Stuck> {
        let (entry, head, message) = (job.entry, &job.head, &job.message);
        if head.notice {
            let to = unreached.iter().map(|one| &one.to);
            self.note(entry, head, What::GivenUp, Word::default(), to);
            return Ok(Vec::new());
        }
        let sender = to_be_told(&job.road, head, message);
        let told = |one: &(usize, &Unreached)| sender.is_some() && wants(head, &one.1.to, |notify| notify.failure);
        let (told, kept): (Vec<_>, Vec<_>) = unreached.iter().enumerate().partition(told);
        let all = |these: &[(usize, &Unreached)]| these.iter().map(|(n, _)| *n).collect::<Vec<usize>>();
        let of = |these: &[(usize, &Unreached)]| these.iter().map(|(_, one)| (*one).clone()).collect::<Vec<_>>();
        let mut left = Vec::new();
        // First what may fail again and again: a notice that is in the queue would be written anew each time.
        let at = progress.given_up.map_or_else(|| self.clock.now(), Time::from_millis);
        let could_keep = self.kept.could_keep(message.len());
        let stuck = |begun: bool| move |said: String| Stuck { said, begun };
        match could_keep {
            true => self.archive(job, &of(&kept), at).await.map_err(stuck(false))?,
            false => left = all(&kept),
        }
        let begun = could_keep && !kept.is_empty();
        if let Some(sender) = sender.filter(|_| !told.is_empty()) {
            let about: Vec<Unreached> = of(&told);
            let sent = self.send_notice(job, sender, Kind::Failed, &about).await;
            match sent {
                Ok(()) => {
                    let to = told.iter().map(|(_, one)| &one.to);
                    self.note(entry, head, What::Notified, Word::default(), to);
                }
                // The archive is no other way: so it comes again.
                Err(said) if !could_keep => return Err(Stuck { said, begun }),
                Err(why) => {
                    tracing::warn!(id = %entry.id, why, "a sender cannot be told: the mail goes to the archive");
                    self.archive(job, &about, at).await.map_err(stuck(begun))?;
                }
            }
        }
        Ok(left)
    }

    /// Says since when a mail is being given up; not that of a try that ended long ago, by which its copy would be old.
    pub fn begin_to_give_up(&self, progress: &mut Progress) {
        let now = self.clock.now();
        let since = progress.given_up.map(Time::from_millis);
        if since.is_none_or(|since| since > now || now.since(since) > SAME) {
            progress.given_up = Some(now.millis());
        }
    }

    /// Sets a mail aside that can end nowhere else.
    async fn end_aside(&self, job: &Job<'_>, progress: &Progress, left: &[&Path]) -> Outcome {
        let (entry, head) = (job.entry, &job.head);
        // Whoever has it put back must tell nobody twice.
        if let Err(said) = self.write_progress(entry, progress).await {
            return self.stopped(Stop::Later(said));
        }
        match self.spool.set_aside(entry, TOO_LARGE).await {
            Ok(_) => {
                let to = left.iter().copied();
                self.note(entry, head, What::SetAside, Word::of(TOO_LARGE), to);
                Outcome::Gone { taken: false }
            }
            Err(error) => self.stopped(Stop::Later(format!("it {TOO_LARGE}, and cannot be set aside: {error}"))),
        }
    }

    /// Puts a mail for these recipients into the archive, durably, as one that was given up at that time.
    async fn archive(&self, job: &Job<'_>, kept: &[Unreached], at: Time) -> Result<(), String> {
        if kept.is_empty() {
            return Ok(());
        }
        let (entry, head, message) = (job.entry, &job.head, &job.message);
        let terms = Terms::durable(UNDELIVERED);
        let recipients: Vec<&Path> = kept.iter().map(|one| &one.to).collect();
        let mut key = entry.id.to_string();
        for to in &recipients {
            key.push_str(&format!(" {to}"));
        }
        let keeping = Keeping::new(&head.transaction, at, &head.from, recipients, message, &terms);
        let keeping = keeping.at_listener(&head.caller.listener).once(key);
        let id = self.kept.keep(keeping).await;
        let id = id.map_err(|fault| format!("nobody took it, and the archive cannot either: {fault}"))?;
        let went = format!("kept:{id}");
        let said = kept.first().map_or("", |one| one.said.as_str());
        let word = Word {
            went: Some(&went),
            ..Word::of(said)
        };
        self.note(entry, head, What::Archived, word, kept.iter().map(|one| &one.to));
        Ok(())
    }

    /// The time of a mail is over.
    pub async fn expire(&self, entry: &Entry, said: Option<&str>) -> Outcome {
        let (stored, message) = match self.read(entry).await {
            Ok(read) => read,
            Err(stop) => return self.stopped(stop),
        };
        let Stored { head, mut progress } = stored;
        let job = Job {
            road: self.published(),
            entry,
            head,
            message: Arc::new(message),
        };
        let head = &job.head;
        let said = said.unwrap_or("its time was over");
        let open: Vec<u32> = waiting(head, &progress).map(place).collect();
        // From here on none of them is tried again, not even after a crash: whoever was told that it failed has not to hear
        // that it came.
        let before = progress.clone();
        for n in &open {
            progress.failed.entry(*n).or_insert_with(|| format!("{OVER}{said}"));
        }
        let unreached: Vec<Unreached> = open
            .iter()
            .filter_map(|n| Some((head.recipients.get(usize::try_from(*n).ok()?)?, progress.failed.get(n)?)))
            .map(|((to, params), said)| refusal(to, params.orcpt.clone(), said))
            .collect();
        if !unreached.is_empty() {
            let to = unreached.iter().map(|one| &one.to);
            self.note(entry, head, What::Expired, Word::of(said), to);
            self.begin_to_give_up(&mut progress);
            // Where that cannot be written, the mail is given up all the same: a disk that is full shall not keep it.
            if let Err(why) = self.write_progress(entry, &progress).await {
                tracing::warn!(id = %entry.id, why, "should gatepost be killed now, mail is archived twice");
            }
            let left = match self.give_up(&job, &unreached, &progress).await {
                Ok(left) => left,
                Err(stuck) => {
                    // Nobody was told: whose server comes back while the archive is away gets it after all.
                    if !stuck.begun
                        && before != progress
                        && let Err(why) = self.write_progress(entry, &before).await
                    {
                        tracing::warn!(id = %entry.id, why, "should gatepost be killed now, mail is given up that could be tried");
                    }
                    return self.stopped(Stop::Later(stuck.said));
                }
            };
            if !left.is_empty() {
                let done = open.iter().enumerate().filter(|(n, _)| !left.contains(n));
                progress.done.extend(done.map(|(_, place)| *place));
                // Whoever has it put back has it tried once more.
                progress.failed.retain(|_, said| !said.starts_with(OVER));
                progress.given_up = None;
                let left: Vec<&Path> = left
                    .iter()
                    .filter_map(|n| unreached.get(*n))
                    .map(|one| &one.to)
                    .collect();
                return self.end_aside(&job, &progress, &left).await;
            }
        }
        let Err(error) = self.let_go(entry).await else {
            return Outcome::Gone { taken: false };
        };
        // It comes again to be let go, and nobody is told twice.
        progress.done.extend((0..head.recipients.len()).map(place));
        let written = self.write_progress(entry, &progress).await;
        let more = written.err().map_or(String::new(), |why| format!("; {why}"));
        self.stopped(Stop::Later(format!(
            "it is given up and cannot be removed: {error}{more}"
        )))
    }

    /// Tells the sender, if that may be, that the mail still waits. Once: that is written down before.
    pub async fn warn(&self, entry: &mut Entry, said: Option<&str>, until: Time) -> Outcome {
        let mut marks = entry.marks;
        marks.warned = true;
        match self.spool.mark(entry, marks).await {
            Ok(marked) => *entry = marked,
            Err(error) => tracing::warn!(id = %entry.id, %error, "a mail cannot be marked as warned about"),
        }
        let (stored, message) = match self.read(entry).await {
            Ok(read) => read,
            Err(stop) => return self.stopped(stop),
        };
        let Stored { head, progress } = stored;
        let job = Job {
            road: self.published(),
            entry,
            head,
            message: Arc::new(message),
        };
        let head = &job.head;
        let Some(sender) = to_be_told(&job.road, head, &job.message) else {
            return Outcome::Stays { warned: true };
        };
        let about: Vec<Unreached> = waiting(head, &progress)
            .filter_map(|n| head.recipients.get(n))
            .filter(|(to, _)| wants(head, to, |notify| notify.delay))
            .map(|(to, params)| Unreached {
                to: to.clone(),
                orcpt: params.orcpt.clone(),
                status: Enhanced(4, 4, 1),
                said: abroad("its mail server cannot be reached", said.unwrap_or_default()),
                server: None,
            })
            .collect();
        if !about.is_empty() {
            match self.send_notice(&job, sender, Kind::Delayed(until), &about).await {
                Ok(()) => {
                    let to = about.iter().map(|one| &one.to);
                    self.note(entry, head, What::Delayed, Word::default(), to);
                }
                Err(why) => tracing::warn!(id = %entry.id, why, "a sender cannot be told that mail waits"),
            }
        }
        Outcome::Stays { warned: true }
    }

    /// Puts a notice into the queue.
    async fn send_notice(
        &self,
        job: &Job<'_>,
        sender: &Address,
        kind: Kind,
        unreached: &[Unreached],
    ) -> Result<(), String> {
        let (road, about, original) = (&*job.road, &job.head, &*job.message);
        let to = Path::Mailbox(sender.clone());
        let route = road.notice_route(&to).ok_or("there is no route for notices")?;
        let now = self.clock.now();
        let notice = Notice {
            kind,
            to: sender,
            envid: about.params.envid.as_deref(),
            whole: kind == Kind::Failed && about.params.ret == Some(Ret::Full),
            arrived: about.at,
            now,
            transaction: &about.transaction,
            hostname: road.roads.hostname(),
            number: self.number(),
            about: unreached,
            original,
        };
        let message = Edits::new().apply(&notice.compose());
        let params = MailParams {
            smtputf8: sender.needs_utf8(),
            ..MailParams::default()
        };
        let mut caller = Caller::of(&gatepost_core::Visit::new(
            Direction::Outbound,
            "".into(),
            gatepost_core::Client::new(std::net::Ipv4Addr::LOCALHOST.into(), 0),
        ));
        caller.helo = Some(road.roads.hostname().to_owned());
        let head = Head {
            domain: NOTICES.to_owned(),
            // Whoever looks for the transaction finds what was told of it, too.
            transaction: about.transaction.clone(),
            at: now,
            route: route.to_string(),
            caller,
            from: Path::Null,
            params,
            recipients: vec![(to, RcptParams::default())],
            proven: false,
            notice: true,
        };
        self.take_in(vec![(head, Arc::new(message))])
            .await
            .map_err(|why| why.to_string())
    }
}

/// A recipient for whom the time was over.
pub(crate) fn over(to: &Path, orcpt: Option<Box<str>>, said: &str) -> Unreached {
    Unreached {
        to: to.clone(),
        orcpt,
        status: TIME_IS_OVER,
        said: abroad("the time is over that it could wait for its mail server", said),
        server: None,
    }
}

/// The sender, where it may be told what became of a mail, and can be.
fn to_be_told<'a>(road: &Published, head: &'a Head, message: &Message) -> Option<&'a Address> {
    let sender = head.from.mailbox()?;
    let may = head.proven && !head.notice && road.notice_route(&head.from).is_some() && !is_automatic(message);
    may.then_some(sender)
}

/// Whether the sender wants to hear such a thing of a recipient (NOTIFY, RFC 3461); without a word, it does.
fn wants(head: &Head, to: &Path, word: impl Fn(&gatepost_core::smtp::command::Notify) -> bool) -> bool {
    let params = head.recipients.iter().find(|(other, _)| other == to);
    params.is_none_or(|(_, params)| params.notify.as_ref().is_none_or(word))
}

/// What a sender reads: what its recipient's server said goes on, what we say among ourselves does not.
fn abroad(plainly: &str, said: &str) -> String {
    match said.starts_with(|c: char| c.is_ascii_digit()) {
        true => format!("{plainly}; the server's last word was: {said}"),
        false => plainly.to_owned(),
    }
}

/// How long a mail has waited.
pub(crate) fn waited(entry: &Entry, now: Time) -> Duration {
    now.since(entry.at)
}
