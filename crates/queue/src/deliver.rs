//! One mail on its way to the mail servers of its recipients.
//!
//! **Invariants:** what a server said is on disk before the next step: a recipient whose copy a server took is never named to
//! it again, but where the process or the machine stopped between the two, or where the server was lost while it had the last
//! word. What a server refuses for good is told to whoever may be told, or lies in the archive, before it leaves the queue.
//! Each recipient goes by the route that it has at this moment, those of one route together. **Absent on purpose:** when
//! (the schedule's), and what a notice says.

use std::sync::Arc;

use gatepost_core::message::Edits;
use gatepost_core::smtp::relay::{Loss, What as Trouble, Whose};
use gatepost_core::{Consignment, Enhanced, Message, Reply, Upstream, Visit};

use crate::giveup::over;
use crate::inner::Inner;
use crate::notice::Unreached;
use crate::schedule::{NO_ROUTE, Outcome};
use crate::spool::{Entry, Head, Progress, ReadError, Stored, Unreadable};
use crate::terms::Published;
use crate::told::{What, Word};
use crate::ways::Open;

/// What became of one recipient at its mail server.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Fate {
    /// The server has the copy.
    Taken(Reply),
    /// It never will.
    Refused(Reply),
    /// Not now.
    Later(Reply),
}

/// What became of the recipients of one route.
struct Round {
    /// By their places among the recipients of the mail. Those that are missing were not answered for.
    fates: Vec<(usize, Fate)>,
    /// Why the server is away, where it is.
    away: Option<Away>,
    /// The server, `host:port`.
    server: String,
    /// Nothing odd was seen: the way may serve another mail.
    clean: bool,
}

struct Away {
    said: String,
    /// It may have the mail.
    unsure: bool,
    /// It is there, and has no connection to spare.
    busy: bool,
    /// It was lost when it had recipients, perhaps by the message.
    within: bool,
}

/// A mail that is worked on.
pub(crate) struct Job<'a> {
    /// The configuration in service as the work began.
    pub road: Arc<Published>,
    pub entry: &'a Entry,
    pub head: Head,
    pub message: Arc<Message>,
}

/// The recipients of one mail that go by one route.
struct Group {
    route: Option<Arc<str>>,
    who: Vec<usize>,
}

/// What cannot go on here and now.
pub(crate) enum Stop {
    /// It is not there any more, or not ours to touch.
    Gone,
    /// It comes again.
    Later(String),
}

pub(crate) fn place(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The recipients that still wait.
pub(crate) fn waiting<'a>(head: &'a Head, progress: &'a Progress) -> impl Iterator<Item = usize> + 'a {
    (0..head.recipients.len()).filter(|n| !progress.done.contains(&place(*n)))
}

/// A server that asks for credentials or TLS wants something of the operator, and not of the mail.
fn is_ours_to_mend(reply: &Reply) -> bool {
    matches!(reply.code(), 421 | 530 | 534 | 535 | 538)
}

impl Inner {
    /// Delivers a mail as far as its servers let us.
    pub async fn deliver(self: &Arc<Inner>, entry: &Entry, forced: bool) -> Outcome {
        let road = self.published();
        let (stored, message) = match self.read(entry).await {
            Ok(read) => read,
            Err(stop) => return self.stopped(stop),
        };
        let Stored { head, mut progress } = stored;
        let job = Job {
            road,
            entry,
            head,
            message: Arc::new(message),
        };
        let (road, head) = (&job.road, &job.head);
        let mut outcome = None;
        // Those whom nobody can be told of yet hold up none of the others.
        let mut stuck = self.settle_failed(&job, &mut progress).await.err();
        let main = self.main_route(road, head);
        for group in groups(road, head, &progress) {
            let Some(route) = group.route else {
                outcome = Some(stranded("no route leads to the recipient's domain any more".into()));
                continue;
            };
            let is_main = main.as_ref().is_none_or(|main| *main == route);
            let upstreams = road.roads.upstreams();
            if !forced && !upstreams.is_up(&route) {
                let said = format!("no mail server of route `{route}` answers");
                let said = upstreams
                    .wrong(&route)
                    .map_or(said.clone(), |why| format!("{said}: {why}"));
                outcome = Some(away(route, is_main, How::Down, said));
                continue;
            }
            let way = match self.resting.take(&route, road) {
                Some(open) => open,
                None => match upstreams.upstream(&route) {
                    Some(way) => Open::fresh(way, road, self.clock.now()),
                    None => {
                        outcome = Some(stranded(format!("there is no route `{route}`")));
                        continue;
                    }
                },
            };
            let round = self.round(&job, way, &route, &group.who).await;
            let done = self.book(&job, &mut progress, &route, &round).await;
            if let Err(said) = done {
                stuck = Some(said);
                continue;
            }
            if let Some(Away { said, busy, within, .. }) = round.away {
                let how = match (busy, road.roads.upstreams().is_up(&route)) {
                    (true, _) => How::Busy,
                    (false, false) => How::Down,
                    (false, true) if within => How::Within,
                    (false, true) => How::Lost,
                };
                outcome = Some(away(route, is_main, how, said));
            } else if let Some(reply) = round.fates.iter().find_map(|(_, fate)| match fate {
                Fate::Later(reply) => Some(reply.to_string()),
                _ => None,
            }) {
                outcome = Some(deferred(Some(route), reply));
            }
        }
        if waiting(head, &progress).next().is_none() {
            return match self.let_go(entry).await {
                Ok(_) => Outcome::Gone { taken: true },
                // It comes again to be let go, and nobody gets it twice, if only that can be written.
                Err(error) => {
                    let written = self.write_progress(entry, &progress).await;
                    let more = written.err().map_or(String::new(), |why| format!("; {why}"));
                    deferred(None, format!("it is done and cannot be removed: {error}{more}"))
                }
            };
        }
        let stuck = stuck.map(|said| deferred(None, said));
        let outcome = outcome.or(stuck);
        outcome.unwrap_or_else(|| deferred(None, "its mail server answered for nobody".into()))
    }

    /// Reads a mail; one that cannot be read is set aside.
    pub async fn read(&self, entry: &Entry) -> Result<(Stored, Message), Stop> {
        let why = match self.spool.read(entry).await {
            Ok((mut stored, message)) => {
                if let Some(progress) = self.remembered(entry.id) {
                    stored.progress = progress;
                }
                return Ok((stored, message));
            }
            Err(ReadError::Gone) => return Err(self.missed(entry).await),
            Err(ReadError::Io(error)) => return Err(Stop::Later(format!("it cannot be read just now: {error}"))),
            Err(ReadError::Unreadable(Unreadable::Newer(form))) => {
                return Err(Stop::Later(format!(
                    "a newer gatepost wrote it (form {form}), and only that one can deliver it"
                )));
            }
            Err(ReadError::Unreadable(why)) => why.to_string(),
        };
        match self.spool.set_aside(entry, &why).await {
            Ok(_) => {
                self.tell_of(entry, What::Damaged, &why);
                Err(Stop::Gone)
            }
            Err(error) => Err(Stop::Later(format!("it {why}, and cannot be set aside: {error}"))),
        }
    }

    /// A mail is not where its file should be: it has another name, where a change of its marks failed half-way, or somebody
    /// took it away.
    async fn missed(&self, entry: &Entry) -> Stop {
        match self.spool.find(entry).await {
            Ok(Some(found)) => {
                self.schedule().rename(&entry.domain, entry.id, found.marks);
                Stop::Later("a change of its marks was cut short".into())
            }
            Ok(None) => {
                self.spool.forget(entry);
                tracing::error!(id = %entry.id, domain = &*entry.domain, "the file of a waiting mail is gone, and not by us");
                Stop::Gone
            }
            Err(error) => Stop::Later(format!("it is not found just now: {error}")),
        }
    }

    pub fn stopped(&self, stop: Stop) -> Outcome {
        match stop {
            Stop::Gone => Outcome::Gone { taken: false },
            Stop::Later(said) => deferred(None, said),
        }
    }

    /// The route of the lane: where a mail for the domain goes whose recipient has none of its own.
    fn main_route(&self, road: &Published, head: &Head) -> Option<Arc<str>> {
        if head.notice {
            return road.roads.notices();
        }
        let nobody = format!("postmaster@{}", head.domain);
        let nobody = gatepost_core::Path::forward(&nobody, true).ok()?;
        road.roads.route(&head.caller, &nobody)
    }

    /// One transaction with a mail server.
    async fn round(&self, job: &Job<'_>, mut open: Open, route: &Arc<str>, who: &[usize]) -> Round {
        let visit = job.head.caller.visit();
        let round = converse(&mut *open.way, &visit, &job.head, &job.message, who).await;
        if round.clean {
            let most = job.road.settings.connections;
            let is_current = || Arc::ptr_eq(&job.road, &self.published());
            self.resting.rest(route, open, self.clock.now(), most, is_current).await;
        } else {
            open.way.close().await;
        }
        round
    }

    /// Writes down what a server said, and sees to what follows from it.
    async fn book(
        &self,
        job: &Job<'_>,
        progress: &mut Progress,
        route: &Arc<str>,
        round: &Round,
    ) -> Result<(), String> {
        let (entry, head) = (job.entry, &job.head);
        let (mut taken, mut later, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for (n, fate) in &round.fates {
            match fate {
                Fate::Taken(reply) => taken.push((*n, reply)),
                Fate::Later(reply) => later.push((*n, reply)),
                Fate::Refused(reply) => refused.push((*n, reply)),
            }
        }
        for (n, _) in &taken {
            progress.done.insert(place(*n));
        }
        for (n, reply) in &refused {
            let said = format!("{} said: {reply}", round.server);
            progress.failed.insert(place(*n), said);
        }
        if !refused.is_empty() {
            self.begin_to_give_up(progress);
        }
        let left = waiting(head, progress).count();
        let written = match !taken.is_empty() && left > 0 || !refused.is_empty() {
            true => self.write_progress(entry, progress).await,
            false => Ok(()),
        };
        let word = Word {
            route: Some(route),
            went: Some(&round.server),
            said: "",
        };
        self.told(entry, head, What::Delivered, word, &taken);
        self.told(entry, head, What::Deferred, word, &later);
        self.told(entry, head, What::Failed, word, &refused);
        if let Some(away) = &round.away {
            let what = if away.unsure { What::Unsure } else { What::Away };
            let answered = |n: &usize| round.fates.iter().any(|(other, _)| other == n);
            let open: Vec<usize> = waiting(head, progress).filter(|n| !answered(n)).collect();
            let said = &away.said;
            self.told_all(entry, head, what, Word { said, ..word }, &open);
        }
        // Told in any case; what follows from a refusal is done once that is on disk.
        written?;
        self.settle_failed(job, progress).await
    }

    /// Tells whoever is to be told of those whom a server refused, and takes them off the list.
    async fn settle_failed(&self, job: &Job<'_>, progress: &mut Progress) -> Result<(), String> {
        let (entry, head) = (job.entry, &job.head);
        let failed: Vec<(u32, String)> = progress
            .failed
            .iter()
            .filter(|(n, _)| !progress.done.contains(n))
            .map(|(n, said)| (*n, said.clone()))
            .collect();
        if failed.is_empty() {
            return Ok(());
        }
        let known = |n: &u32| head.recipients.get(usize::try_from(*n).ok()?);
        let (failed, unreached): (Vec<(u32, String)>, Vec<Unreached>) = failed
            .into_iter()
            .filter_map(|(n, said)| {
                let (to, params) = known(&n)?;
                let refused = refusal(to, params.orcpt.clone(), &said);
                Some(((n, said), refused))
            })
            .unzip();
        let before = progress.given_up;
        self.begin_to_give_up(progress);
        if progress.given_up != before {
            self.write_progress(entry, progress).await?;
        }
        let left = self.give_up(job, &unreached, progress).await;
        let left = left.map_err(|stuck| stuck.said)?;
        let settled = failed.iter().enumerate().filter(|(at, _)| !left.contains(at));
        progress.done.extend(settled.map(|(_, (n, _))| *n));
        progress.given_up = None;
        if waiting(head, progress).next().is_some() {
            self.write_progress(entry, progress).await?;
        }
        match left.is_empty() {
            true => Ok(()),
            false => {
                Err("nobody took it, and the archive may not hold so much: it waits for its time to be over".into())
            }
        }
    }
}

/// What stands before the last word about a recipient for whom the time was over.
pub(crate) const OVER: &str = "over; ";

/// What is kept of a refusal, as `server said: reply`, or of a time that was over, read again.
pub(crate) fn refusal(to: &gatepost_core::Path, orcpt: Option<Box<str>>, said: &str) -> Unreached {
    if let Some(said) = said.strip_prefix(OVER) {
        return over(to, orcpt, said);
    }
    let (server, said) = match said.split_once(" said: ") {
        Some((server, said)) => (Some(server.to_owned()), said),
        None => (None, said),
    };
    let code = said.split(' ').nth(1).and_then(Enhanced::parse);
    Unreached {
        to: to.clone(),
        orcpt,
        status: code.filter(|code| code.0 == 5).unwrap_or(Enhanced(5, 0, 0)),
        said: said.to_owned(),
        server,
    }
}

fn deferred(route: Option<Arc<str>>, said: String) -> Outcome {
    Outcome::Deferred {
        route,
        awaits: None,
        said: said.into(),
    }
}

/// Nothing leads to a recipient, as routes are now.
fn stranded(said: String) -> Outcome {
    Outcome::Deferred {
        route: None,
        awaits: Some(NO_ROUTE.into()),
        said: said.into(),
    }
}

/// How a server is away.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// It is known to be down, and tells when it is back.
    Down,
    /// It has no connection to spare.
    Busy,
    /// It was lost within the message.
    Within,
    /// It was lost, or wants none of it, and is believed to be there.
    Lost,
}

/// A server is away. Where it is not the one of the whole lane, only this mail waits for it.
fn away(route: Arc<str>, is_main: bool, how: How, said: String) -> Outcome {
    let (said, down) = (said.into(), how == How::Down);
    match is_main {
        true => Outcome::Away {
            route,
            down,
            busy: how == How::Busy,
            within: how == How::Within,
            said,
        },
        false => Outcome::Deferred {
            route: None,
            awaits: down.then_some(route),
            said,
        },
    }
}

/// The recipients that wait, by their routes as they are now.
fn groups(road: &Published, head: &Head, progress: &Progress) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for n in waiting(head, progress).filter(|n| !progress.failed.contains_key(&place(*n))) {
        let Some((to, _)) = head.recipients.get(n) else {
            continue;
        };
        let route = match head.notice {
            true => road.notice_route(to),
            false => road.roads.route(&head.caller, to),
        };
        match groups.iter_mut().find(|group| group.route == route) {
            Some(group) => group.who.push(n),
            None => groups.push(Group { route, who: vec![n] }),
        }
    }
    groups
}

/// Names the recipients, and sends the message to those whom the server accepts.
async fn converse(way: &mut dyn Upstream, visit: &Visit, head: &Head, message: &Arc<Message>, who: &[usize]) -> Round {
    let mut round = Round {
        fates: Vec::new(),
        away: None,
        server: way.name().to_owned(),
        clean: true,
    };
    let mut params = head.params.clone();
    // One answer for all is wanted: what a server says of each it said at RCPT.
    params.prdr = false;
    let mut accepted = Vec::new();
    for &n in who {
        let Some((to, rcpt)) = head.recipients.get(n) else {
            continue;
        };
        let reply = match way.rcpt(visit, &head.from, &params, to, rcpt).await {
            Ok(reply) => reply,
            Err(loss) => {
                round.lost(loss, way, who);
                return round;
            }
        };
        if reply.is_done() {
            accepted.push(n);
            continue;
        }
        round.server = way.name().to_owned();
        if is_ours_to_mend(&reply) {
            round.clean = false;
            round.away = Some(Away {
                said: reply.to_string(),
                unsure: false,
                busy: false,
                within: false,
            });
            way.reset().await;
            return round;
        }
        let fate = Fate::of(reply);
        if accepted.is_empty() && !way.answered_rcpt() {
            // It refused the sender, and so the mail for everybody.
            round.fates.clear();
            round.fates.extend(who.iter().map(|n| (*n, fate.clone())));
            way.reset().await;
            return round;
        }
        round.fates.push((n, fate));
    }
    round.server = way.name().to_owned();
    if accepted.is_empty() {
        way.reset().await;
        return round;
    }
    let places: Vec<usize> = (0..accepted.len()).collect();
    let consignment = Consignment {
        from: &head.from,
        params: &params,
        to: &places,
        message: Edits::new().apply(message),
        // Whoever sent it went long ago, and was told that it is ours.
        gone: &|| false,
    };
    match way.deliver(consignment).await {
        Ok(delivery) => {
            round.clean = delivery.reply.is_done();
            if delivery.reply.code() == 421 {
                round.away = Some(Away {
                    said: delivery.reply.to_string(),
                    unsure: false,
                    busy: false,
                    within: true,
                });
                return round;
            }
            for (at, n) in accepted.into_iter().enumerate() {
                let own = delivery.refused.iter().find(|(place, _)| *place == at);
                let reply = own.map_or(&delivery.reply, |(_, reply)| reply);
                round.fates.push((n, Fate::of(reply.clone())));
            }
        }
        Err(loss) => {
            round.lost(loss, way, &accepted);
            if let Some(away) = &mut round.away {
                away.within = true;
            }
        }
    }
    round
}

impl Round {
    /// The connection is of no more use.
    fn lost(&mut self, loss: Loss, way: &dyn Upstream, open: &[usize]) {
        self.clean = false;
        self.server = way.name().to_owned();
        let reply = loss.reply();
        let said = loss.said().unwrap_or(&reply).to_string();
        if loss.whose == Whose::Client && loss.said().is_some() {
            // Told who brought the mail, the server wants none of it.
            let fate = Fate::of(reply);
            let known: Vec<usize> = self.fates.iter().map(|(n, _)| *n).collect();
            let open = open.iter().filter(|n| !known.contains(n));
            self.fates.extend(open.map(|n| (*n, fate.clone())));
            return;
        }
        self.away = Some(Away {
            said,
            unsure: loss.after_dot,
            busy: loss.what == Trouble::Busy,
            within: false,
        });
    }
}

impl Fate {
    /// What a reply means for a recipient.
    fn of(reply: Reply) -> Fate {
        match reply {
            reply if reply.is_done() => Fate::Taken(reply),
            reply if reply.is_permanent() => Fate::Refused(reply),
            reply => Fate::Later(reply),
        }
    }
}
