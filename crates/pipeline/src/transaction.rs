//! One mail, from MAIL to its end: envelope, opinions, verdicts, record, and what is done in their name.
//!
//! **Invariants:** a recipient has a route before anything else is asked about it; 250 to a message is said only after
//! the mail server, a filter that took it, or the queue or the archive (durably) has it; after a 4xx or 5xx nothing of it is delivered
//! by any path, but for a mail of which some recipients have their copies when it turns out that those of the others can be
//! saved nowhere: it comes again (451), since twice is better than never; nothing is delivered to a client that is gone; no fault of ours is a 5xx.

mod accept;
mod each;
mod hold;
mod shadow;
mod verify;

use std::sync::Arc;
use std::time::Duration;

use accept::{Acceptance, Gone};
use gatepost_core::message::{Headers, Message, received};
use gatepost_core::{
    Direction, End, Envelope, Fate, Level, MailParams, Path, Phase, RcptParams, Recipient, RecipientId,
    RecipientRecord, Record, Reference, Reply, Score, Tag, Terms, Verdict, Via,
};
use hold::Word;

use crate::followers::Finished;
use crate::judge::{Judgement, Openness, Overruled, Rank, Whom, judge, openness};
use crate::ledger;
use crate::offer::Codes;
use crate::policy::{DifferingMarks, Policy, Rules, SenderMatch};
use crate::reasons;
use crate::recipients::Looked;
use crate::refusal::{self, Places, relayed};
use crate::routes;
use crate::run::{Asked, Deadline, Run, ticks};
use crate::said::Said;
use crate::scene::{Dawdle, Scene};
use crate::sender;
use crate::settle::{Copy, Settlement, settle};
use crate::ways::Ways;

/// The reason of a refusal of mail that goes round in a loop.
const LOOP: &str = "policy.loop";

/// The most recipients that a transaction may name, granted or not; so all lists of it have a bound.
pub const RECIPIENTS_MAX: u16 = 2_000;

/// What the client hears, and whether that is the last thing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spoken {
    /// The reply.
    pub reply: Reply,
    /// The session is closed after it.
    pub close: bool,
    /// What is said before it about each granted recipient, where the client asked for that; else nothing.
    pub each: Vec<Reply>,
}

impl Spoken {
    /// One reply.
    pub fn new(reply: Reply, close: bool) -> Spoken {
        Spoken {
            reply,
            close,
            each: Vec::new(),
        }
    }
}

impl From<Reply> for Spoken {
    fn from(reply: Reply) -> Spoken {
        Spoken::new(reply, false)
    }
}

/// Which recipients may share a transaction: set by the first one that is granted.
enum Class {
    /// Those of one filter.
    Taken(Arc<str>),
    /// Those of one route, and where `strict_split` is set, or there is neither an archive nor a word on each recipient, of one
    /// policy and standing.
    Route {
        route: Arc<str>,
        rules: Arc<Rules>,
        exempt: bool,
        strict: bool,
    },
}

impl Class {
    fn admits(&self, other: &Class) -> bool {
        match (self, other) {
            (Class::Taken(one), Class::Taken(other)) => one == other,
            (
                Class::Route {
                    route: a,
                    rules: first,
                    exempt: e,
                    strict,
                },
                Class::Route {
                    route: b,
                    rules,
                    exempt,
                    ..
                },
            ) => {
                let strict = *strict || rules.strict_split;
                // Where nothing at all is enforced both fare alike, whatever they say.
                let alike = (first.is_dry_for_danger() && rules.is_dry_for_danger())
                    || ((Arc::ptr_eq(first, rules) || first == rules) && e == exempt);
                a == b && (!strict || alike)
            }
            _ => false,
        }
    }
}

/// How many of the numbers in a mail are looked at for ours.
const SEALS_MAX: usize = 8;

/// Whether a mail bears a number that we sealed, and a Received field of ours with it: our name alone anybody can write.
fn has_left_here(scene: &Scene<'_>, headers: &Headers) -> bool {
    let (seed, us) = (&scene.pipeline.services().seed, &scene.pipeline.ours().hostname);
    let numbers = headers.all("X-Gatepost-Id").take(SEALS_MAX);
    let mut sealed = numbers.filter_map(|field| {
        let unfolded = field.unfolded();
        match Reference::read(seed, std::str::from_utf8(&unfolded).ok()?)? {
            Reference::Ours(id) => Some(id),
            Reference::Unsealed(_) => None,
        }
    });
    sealed.any(|id| received::names_us_with(headers, us, &id))
}

/// A granted recipient, beside its entry in the envelope.
pub(crate) struct Guest {
    id: RecipientId,
    pub(crate) domain: Option<Box<str>>,
    /// Its local part, in lower case.
    user: Option<Box<str>>,
    role: bool,
    /// Its place among those whom the mail server accepted; none if a filter takes it, or its mail waits.
    place: Option<usize>,
    /// Its row in the record, if that had room.
    row: Option<usize>,
    /// In a dry run: it would have been turned away at RCPT.
    turned_away: Option<Box<Overruled>>,
}

impl Guest {
    pub(crate) fn whom(&self) -> Whom<'_> {
        Whom {
            id: Some(self.id),
            domain: self.domain.as_deref(),
            role: self.role,
        }
    }

    /// The rules for its mail.
    pub(crate) fn rules<'p>(&self, policy: &'p Policy) -> &'p Arc<Rules> {
        policy.rules(self.domain.as_deref(), self.user.as_deref())
    }
}

/// One mail, from MAIL to its end.
pub struct Transaction {
    pub(crate) record: Record,
    pub(crate) envelope: Envelope,
    pub(crate) guests: Vec<Guest>,
    pub(crate) said: Vec<Arc<Said>>,
    class: Option<Class>,
    /// How many recipients were named.
    named: u16,
    /// How many of them the mail server accepted.
    accepted: usize,
    /// The mail server was told of the transaction.
    touched: bool,
    /// The mail server was lost after it had accepted recipients.
    lost: bool,
    /// The mail server is away, and the mail waits for it: it is asked about nobody more.
    waits: bool,
    upstream_took: Duration,
    message: Option<Arc<Message>>,
    copies: Vec<(Terms, Vec<Path>)>,
    /// The mail server or the queue has it.
    delivered: bool,
    /// Those whose copies could be saved nowhere, after others had theirs.
    unsaved: Vec<usize>,
    /// What was said about each recipient, where the client asked for that.
    each: Vec<Reply>,
}

impl Transaction {
    /// A transaction that begins with what was said before it.
    pub fn new(
        scene: &Scene<'_>,
        id: String,
        from: Path,
        params: MailParams,
        said: Vec<Arc<Said>>,
        early: Run,
    ) -> Transaction {
        let mut record = ledger::begin(id, scene.now, scene.visit);
        record.from = Some(from.to_string());
        ledger::add_run(&mut record, early);
        Transaction {
            record,
            envelope: Envelope::new(from, params),
            guests: Vec::new(),
            said,
            class: None,
            named: 0,
            accepted: 0,
            touched: false,
            lost: false,
            waits: false,
            upstream_took: Duration::ZERO,
            message: None,
            copies: Vec::new(),
            delivered: false,
            unsaved: Vec::new(),
            each: Vec::new(),
        }
    }

    /// Answers MAIL. `Err` is a refusal: there is no transaction.
    pub async fn mail(&mut self, scene: &Scene<'_>, dawdle: &mut Dawdle) -> Result<Reply, Spoken> {
        let rules = scene.pipeline.policy().rules(None, None);
        if let (Some(sender), Direction::Outbound) = (self.envelope.from.mailbox(), scene.visit.direction)
            && !sender::may_send(
                rules.sender_must_match,
                scene.visit.login.as_ref(),
                scene.pipeline.routes(),
                sender,
            )
        {
            return Err(self.worded(scene, None, refusal::NOT_YOUR_ADDRESS).into());
        }
        let asked = Asked::Mail(&self.envelope.from);
        let open = |said: &[Arc<Said>]| scene.open_early(said, Phase::Mail);
        let run = scene
            .run(asked, Some(&self.envelope), &[], None, &mut self.said, open)
            .await;
        let judgement = scene.judge_early(&self.said, Phase::Mail);
        if judgement.rank != Rank::Exempt {
            dawdle.wish_early(scene.pipeline.policy(), run.delay);
        }
        ledger::add_run(&mut self.record, run);
        match judgement.verdict.fate {
            Fate::Defer(reply) | Fate::Refuse(reply) => {
                Err(Spoken::new(self.worded(scene, None, reply), judgement.close))
            }
            _ => Ok(refusal::SENDER_OK),
        }
    }

    /// Answers RCPT.
    pub async fn rcpt(
        &mut self,
        scene: &Scene<'_>,
        ways: &mut Ways,
        dawdle: &mut Dawdle,
        to: Path,
        params: RcptParams,
    ) -> Spoken {
        if self.named >= RECIPIENTS_MAX {
            self.record.recipients_dropped = self.record.recipients_dropped.saturating_add(1);
            return refusal::TOO_MANY_RECIPIENTS.into();
        }
        let recipient = Recipient::new(RecipientId(self.named), to, params);
        self.named += 1;
        let row = self.enlist(&recipient);
        let spoken = self.consider(scene, ways, dawdle, recipient, row).await;
        self.write(row, |row| row.reply = spoken.reply.to_string());
        spoken
    }

    fn enlist(&mut self, recipient: &Recipient) -> Option<usize> {
        let rows = &mut self.record.recipients;
        if rows.len() >= Record::RECIPIENTS_MAX {
            self.record.recipients_dropped = self.record.recipients_dropped.saturating_add(1);
            return None;
        }
        rows.push(RecipientRecord::new(recipient.id, recipient.path.to_string()));
        Some(rows.len() - 1)
    }

    fn write(&mut self, row: Option<usize>, write: impl FnOnce(&mut RecipientRecord)) {
        if let Some(row) = row.and_then(|row| self.record.recipients.get_mut(row)) {
            write(row);
        }
    }

    /// Refuses a recipient by a rule of ours.
    fn turn_away(
        &mut self,
        scene: &Scene<'_>,
        domain: Option<&str>,
        row: Option<usize>,
        rule: &'static str,
        reply: Reply,
    ) -> Spoken {
        let fate = if reply.is_permanent() { "refuse" } else { "defer" };
        self.write(row, |row| {
            row.fate = fate.into();
            row.because = vec![Tag::new(rule)];
        });
        self.worded(scene, domain, reply).into()
    }

    /// A reply of ours with the id, and a refusal with the contact for mail to a domain.
    fn worded(&self, scene: &Scene<'_>, domain: Option<&str>, reply: Reply) -> Reply {
        scene.worded(&self.record.id, domain, reply)
    }

    async fn consider(
        &mut self,
        scene: &Scene<'_>,
        ways: &mut Ways,
        dawdle: &mut Dawdle,
        recipient: Recipient,
        row: Option<usize>,
    ) -> Spoken {
        let route = match scene.pipeline.routes().route(&recipient.path) {
            Ok(route) => Arc::clone(route),
            Err(reply) if reply.is_transient() => return self.turn_away(scene, None, row, "policy.no_route", reply),
            Err(reply) => return self.turn_away(scene, None, row, "policy.relay", reply),
        };
        let domain: Option<Box<str>> = recipient.domain().map(|domain| domain.key().into());
        let role = recipient
            .domain()
            .is_none_or(|domain| scene.pipeline.routes().is_local(domain))
            && routes::is_role(&recipient.path);
        let guest = Guest {
            id: recipient.id,
            domain,
            user: recipient.path.mailbox().map(|to| to.local().to_lowercase().into()),
            role,
            place: None,
            row,
            turned_away: None,
        };
        let rules = guest.rules(scene.pipeline.policy());
        let looked = self.look_up(scene, &recipient, &route).await;
        let unknown = looked.as_ref().and_then(Looked::refused_by);
        let noted = unknown.filter(|rule| self.only_notes(rules, &recipient, rule));
        let unknown = unknown.filter(|_| noted.is_none());
        let noted = noted.filter(|_| !self.is_refused(scene, rules, guest.whom()));
        if let Some(rule) = unknown
            && !self.is_refused(scene, rules, guest.whom())
        {
            return self.turn_away(scene, guest.domain.as_deref(), row, rule, refusal::UNKNOWN);
        }
        if matches!(&self.class, Some(Class::Route { route: first, .. }) if *first != route) {
            return self.turn_away(scene, None, row, "policy.other_route", refusal::OTHER_ROUTE);
        }
        let open = |said: &[Arc<Said>]| vec![openness(rules, said, guest.whom())];
        let domains = [guest.domain.as_deref()];
        let asked = Asked::Rcpt(&recipient);
        let run = scene
            .run(asked, Some(&self.envelope), &domains, None, &mut self.said, open)
            .await;
        let delay = run.delay;
        ledger::add_run(&mut self.record, run);

        let judgement = judge(rules, &scene.pipeline.fusion(), &self.said, guest.whom(), Phase::Rcpt);
        if judgement.rank != Rank::Exempt {
            dawdle.wish_under(rules, delay);
        }
        self.put_down(row, &judgement);
        let turned_away = match (noted, judgement.overruled()) {
            (Some(rule), _) => Some(Overruled::new(Fate::Refuse(refusal::UNKNOWN), vec![Tag::new(rule)])),
            (None, overruled) => overruled,
        };
        self.tell_overruled(row, turned_away.as_ref());
        if let (Some(rule), false) = (unknown, matches!(judgement.verdict.fate, Fate::Refuse(_))) {
            return self.turn_away(scene, guest.domain.as_deref(), row, rule, refusal::UNKNOWN);
        }
        let guest = Guest {
            turned_away: turned_away.map(Box::new),
            ..guest
        };
        let class = match (judgement.verdict.fate, judgement.taker) {
            (Fate::Defer(reply) | Fate::Refuse(reply), _) => {
                return Spoken::new(self.worded(scene, guest.domain.as_deref(), reply), judgement.close);
            }
            (Fate::Divert, Some(taker)) => Class::Taken(taker),
            _ => Class::Route {
                route: Arc::clone(&route),
                rules: Arc::clone(rules),
                exempt: judgement.rank == Rank::Exempt || guest.role,
                // Without an archive a refusal must be said, to all or to each.
                strict: rules.strict_split || !(scene.pipeline.services().kept.keeps() || self.envelope.params.prdr),
            },
        };
        self.write(row, |row| row.fate = "none".into());
        if self.class.as_ref().is_some_and(|first| !first.admits(&class)) {
            return self.turn_away(scene, None, row, "policy.other_class", refusal::OTHER_CLASS);
        }
        if let Class::Taken(_) = class {
            self.grant(recipient, guest, class);
            return refusal::RECIPIENT_OK.into();
        }
        let word = self
            .ask_upstream(scene, ways, &route, &recipient, &guest, looked.as_ref())
            .await;
        match word {
            Word::Waits => {
                self.grant(recipient, guest, class);
                refusal::RECIPIENT_OK.into()
            }
            Word::Said(reply) if reply.is_done() => {
                let place = Some(self.accepted);
                self.accepted += 1;
                self.grant(recipient, Guest { place, ..guest }, class);
                reply.into()
            }
            Word::Said(reply) => self.decline(row, "upstream.rcpt", reply),
            Word::Ours(reply) => self.decline(row, "upstream.away", reply),
        }
    }

    /// A recipient whom the mail server does not take, or of whom it says nothing.
    fn decline(&mut self, row: Option<usize>, why: &'static str, reply: Reply) -> Spoken {
        let fate = if reply.is_permanent() { "refuse" } else { "defer" };
        self.write(row, |row| {
            row.fate = fate.into();
            row.because = vec![Tag::new(why)];
        });
        reply.into()
    }

    fn grant(&mut self, recipient: Recipient, guest: Guest, class: Class) {
        self.envelope.recipients.push(recipient);
        self.guests.push(guest);
        self.class.get_or_insert(class);
    }

    /// The mail server's word on a recipient.
    async fn ask_upstream(
        &mut self,
        scene: &Scene<'_>,
        ways: &mut Ways,
        route: &Arc<str>,
        recipient: &Recipient,
        guest: &Guest,
        looked: Option<&Looked>,
    ) -> Word {
        if self.lost {
            return Word::Ours(refusal::UPSTREAM_LOST);
        }
        if self.need_not_ask(scene, ways, route, guest, looked) {
            return self.unasked(scene, guest, looked);
        }
        let Some(upstream) = ways.to(route).await else {
            return Word::Ours(refusal::NO_ROUTE);
        };
        let named = match upstream.wants_name() {
            true => scene.named().await,
            false => None,
        };
        let began = ticks();
        let Envelope { from, params, .. } = &self.envelope;
        let answer = upstream
            .rcpt(
                named.as_ref().unwrap_or(scene.visit),
                from,
                params,
                &recipient.path,
                &recipient.params,
            )
            .await;
        self.upstream_took += ticks().saturating_duration_since(began);
        let to_rcpt = upstream.answered_rcpt();
        let name = upstream.name().to_owned();
        let missing = upstream.missing().filter(|_| !self.touched).map(ToOwned::to_owned);
        self.record.notes.extend(missing);
        self.touched = true;
        self.write(guest.row, |row| row.went = Some(name));
        match answer {
            Ok(reply) => {
                self.learn(scene, recipient, looked, &reply, to_rcpt).await;
                Word::Said(relayed(reply))
            }
            Err(loss) => self.unanswered(scene, guest, looked, &loss),
        }
    }

    /// Writes a judgement into the record.
    fn put_down(&mut self, row: Option<usize>, judgement: &Judgement) {
        self.write(row, |row| {
            row.level = judgement.verdict.level;
            row.score = judgement.score;
            row.fused = judgement.fused;
            row.fate = judgement.verdict.fate.name().into();
            row.would = judgement.would.as_ref().map(|fate| fate.name().into());
            row.because = judgement.verdict.because.clone();
        });
    }

    /// Answers DATA: 354, or 4xx where nothing could come of the message.
    pub fn data(&self) -> Reply {
        const GO_ON: Reply = Reply::plain(354, "End data with <CR><LF>.<CR><LF>");
        match (self.guests.is_empty(), self.lost) {
            (true, _) => refusal::LOCAL,
            (_, true) => refusal::UPSTREAM_LOST,
            _ => GO_ON,
        }
    }

    /// Answers the end of the message.
    pub async fn message(
        &mut self,
        scene: &Scene<'_>,
        ways: &mut Ways,
        message: &Arc<Message>,
        gone: Gone<'_>,
    ) -> Spoken {
        let site = Arc::clone(scene.pipeline.policy().rules(None, None));
        let deadline = Deadline::after(site.soft_deadline.0, site.deadline.0);
        ledger::add_message(&mut self.record, message, site.log_subject);
        self.message = Some(Arc::clone(message));
        // What a filter takes is delivered to nobody: nothing in it can do harm, go round in a loop, or be unwanted. A report
        // of a virus is one, and a mail that somebody sent on as it is names another author.
        let taken = matches!(self.class, Some(Class::Taken(_)));
        let judgements = match self.objection(scene, &site, message).filter(|_| !taken) {
            Some(objection) => {
                if objection.verdict.because.iter().any(|tag| tag.as_str() == LOOP) {
                    self.tell_loop(scene, message);
                }
                vec![objection; self.guests.len()]
            }
            None if taken => self.judge_guests(scene),
            None => {
                if scene.visit.via == Via::Traced {
                    self.ask_late(scene, deadline).await;
                }
                self.judge_all(scene, deadline, message).await
            }
        };
        for (n, judgement) in judgements.iter().enumerate() {
            self.put_down(self.row(n), judgement);
        }
        self.foretell(&judgements);
        if gone() {
            self.withhold(ways, "defer").await;
            return refusal::CLIENT_GONE.into();
        }
        if self.hears_each() && !taken {
            return self.answer_each(scene, ways, message, gone, &judgements).await;
        }
        let verdicts: Vec<Verdict> = judgements.iter().map(|judgement| judgement.verdict.clone()).collect();
        let close = judgements.iter().any(|judgement| judgement.close);
        match settle(&verdicts, self.may_separate(scene)) {
            Settlement::Defer(reply) => {
                self.withhold(ways, "defer").await;
                Spoken::new(self.worded(scene, None, reply), close)
            }
            Settlement::Refuse { reply, copies } => {
                self.withhold(ways, "refuse").await;
                // Copies are for recipients of ours, who may ask for them.
                if scene.visit.direction == Direction::Inbound {
                    self.copies = self.addressed(copies);
                }
                let all: Vec<usize> = (0..self.guests.len()).collect();
                Spoken::new(self.refused(scene, &judgements, &all, reply), close)
            }
            Settlement::Accept {
                held,
                taken,
                batches,
                copies,
            } => {
                let takers = taken
                    .iter()
                    .map(|n| (*n, judgements.get(*n).and_then(|j| j.taker.clone())))
                    .collect();
                let delivery = Acceptance {
                    held,
                    taken: takers,
                    batches,
                };
                let reply = self.accept(scene, ways, message, gone, deadline, delivery).await;
                if reply.is_done() {
                    self.copies = self.addressed(copies);
                }
                reply.into()
            }
        }
    }

    fn row(&self, guest: usize) -> Option<usize> {
        self.guests.get(guest)?.row
    }

    /// The refusal of a mail for some recipients: the first one's, and with a code where it may come once more to all of
    /// them. A bounce comes to nobody who could send it again.
    fn refused(&self, scene: &Scene<'_>, judgements: &[Judgement], who: &[usize], reply: Reply) -> Reply {
        let guest = |n: &usize| self.guests.get(*n);
        let domain = who.first().and_then(guest).and_then(|guest| guest.domain.as_deref());
        let honoured = |guest: &Guest| scene.pipeline.honours_codes(guest.domain.as_deref());
        let may_return = !self.envelope.from.is_null()
            && who.iter().all(|n| guest(n).is_some_and(honoured))
            && who
                .iter()
                .all(|n| judgements.get(*n).is_some_and(|judgement| judgement.may_return));
        let first = who.first().and_then(|n| judgements.get(*n));
        let Some(first) = first.filter(|_| may_return) else {
            return self.worded(scene, domain, reply);
        };
        let user = who.first().and_then(guest).and_then(|guest| guest.user.as_deref());
        let template = &scene.pipeline.policy().rules(domain, user).refusal_with_code;
        let codes = Codes::new(&scene.pipeline.services().seed, &self.record.id, scene.now);
        let places = Places {
            id: &self.record.id,
            contact: &scene.contact(domain),
            codes: Some(&codes),
        };
        refusal::worded(template.refuse(reasons::for_the_sender(&first.verdict.because)), places)
    }

    /// Whether recipients with different marks may get deliveries of their own: where what fails after the first one goes to
    /// the queue, or is told to the sender.
    fn may_separate(&self, scene: &Scene<'_>) -> bool {
        let policy = scene.pipeline.policy();
        (self.hears_each() || scene.pipeline.services().queue.is_some())
            && self
                .guests
                .iter()
                .all(|guest| guest.rules(policy).differing_marks == DifferingMarks::Separate)
    }

    /// What no filter needs to be asked about: loops (P-44), authors that are not the sender's (P-15).
    fn objection(&self, scene: &Scene<'_>, site: &Rules, message: &Message) -> Option<Judgement> {
        let headers = message.headers();
        let most = |hops: u32| usize::try_from(hops).unwrap_or(usize::MAX);
        let loops = received::received_count(headers) > most(site.hops)
            || received::names_us(headers, &scene.pipeline.ours().hostname) > most(site.own_hops);
        let forged = || {
            let may = |author: &gatepost_core::Address| {
                let login = scene.visit.login.as_ref();
                sender::may_send(site.sender_must_match, login, scene.pipeline.routes(), author)
            };
            site.sender_must_match != SenderMatch::Off
                && scene.visit.direction == Direction::Outbound
                && !sender::authors(headers).is_some_and(|authors| authors.iter().all(may))
        };
        let (reply, rule) = match () {
            () if loops => (refusal::LOOP, LOOP),
            () if forged() => (refusal::NOT_YOUR_AUTHOR, "policy.author"),
            () => return None,
        };
        let mut verdict = Verdict::new(Level::None, Fate::Refuse(reply));
        verdict.because = vec![Tag::new(rule)];
        Some(Judgement {
            verdict,
            rank: Rank::Danger,
            score: Score::ZERO,
            fused: None,
            may_return: false,
            close: false,
            would: None,
            is_dry: false,
            taker: None,
        })
    }

    /// Notes who brings a mail that goes round in a loop, and raises an alarm where we are a part of that: where the mail
    /// shows that it left here, since anybody can write our name.
    fn tell_loop(&mut self, scene: &Scene<'_>, message: &Message) {
        let passed = received::names_us(message.headers(), &scene.pipeline.ours().hostname);
        let client = &scene.visit.client.address;
        let helo = scene.visit.helo.as_ref().map_or("", |helo| helo.name.as_ref());
        let hop = format!("{client} ({helo}) brought it");
        if self.record.notes.len() < ledger::NOTES_MAX {
            let note = format!("a loop: it passed this server {passed} times, and {hop}");
            self.record.notes.push(note);
        }
        let left_here = passed > 0 && has_left_here(scene, message.headers());
        if let (Some(Class::Route { route, .. }), true) = (&self.class, left_here) {
            let domain = self.guests.first().and_then(|guest| guest.domain.as_deref());
            let domain = domain.map_or_else(String::new, |domain| format!(" {domain}"));
            let why = format!(
                "mail for this route goes round in a loop: one passed this server {passed} times, and {hop} back; look where that \
                 server sends mail for the domain{domain}"
            );
            scene.pipeline.services().alarms.raise("mail_loop", route, &why);
        }
    }

    async fn judge_all(&mut self, scene: &Scene<'_>, deadline: Deadline, message: &Arc<Message>) -> Vec<Judgement> {
        let Transaction {
            envelope,
            guests,
            said,
            record,
            ..
        } = self;
        let policy = scene.pipeline.policy();
        let open = |said: &[Arc<Said>]| {
            let mut found: Vec<Openness> = Vec::new();
            for guest in guests.iter() {
                let open = openness(guest.rules(policy), said, guest.whom());
                if open == Openness::Open {
                    return vec![open];
                }
                if !found.contains(&open) {
                    found.push(open);
                }
            }
            found
        };
        let mut domains: Vec<Option<&str>> = guests.iter().map(|guest| guest.domain.as_deref()).collect();
        domains.sort_unstable();
        domains.dedup();
        let run = scene
            .run(
                Asked::Message(message),
                Some(envelope),
                &domains,
                Some(deadline),
                said,
                open,
            )
            .await;
        ledger::add_run(record, run);
        self.judge_guests(scene)
    }

    /// What becomes of the message for each recipient, by all that was said.
    fn judge_guests(&self, scene: &Scene<'_>) -> Vec<Judgement> {
        let (policy, fusion) = (scene.pipeline.policy(), scene.pipeline.fusion());
        let judged = |guest: &Guest| {
            let judgement = judge(guest.rules(policy), &fusion, &self.said, guest.whom(), Phase::Message);
            match &guest.turned_away {
                Some(overruled) => judgement.after(overruled),
                None => judgement,
            }
        };
        self.guests.iter().map(judged).collect()
    }

    /// Nothing of the mail is delivered: the mail server forgets it, and all recipients share the fate.
    async fn withhold(&mut self, ways: &mut Ways, fate: &str) {
        for n in 0..self.guests.len() {
            self.write(self.row(n), |row| {
                row.fate = fate.into();
                row.went = None;
            });
        }
        if self.touched {
            ways.reset().await;
        }
    }

    fn addressed(&self, copies: Vec<Copy>) -> Vec<(Terms, Vec<Path>)> {
        let paths = |who: &[usize]| self.paths(who).into_iter().cloned().collect();
        copies.into_iter().map(|copy| (copy.terms, paths(&copy.who))).collect()
    }

    fn paths(&self, who: &[usize]) -> Vec<&Path> {
        who.iter()
            .filter_map(|n| self.envelope.recipients.get(*n))
            .map(|recipient| &recipient.path)
            .collect()
    }

    /// The message was refused by the session itself.
    pub async fn spoilt(&mut self, ways: &mut Ways, size: u64, reply: &Reply) {
        self.record.size = size;
        self.withhold(ways, if reply.is_permanent() { "refuse" } else { "defer" })
            .await;
    }

    /// The end. `reply` is the last one that the client heard of it.
    pub async fn end(self, scene: &Scene<'_>, ways: &mut Ways, end: End, reply: Option<&Reply>) -> Box<Finished> {
        if self.touched && self.message.is_none() {
            ways.reset().await;
        }
        let Transaction {
            mut record,
            envelope,
            guests,
            said,
            upstream_took,
            message,
            copies,
            delivered,
            each,
            ..
        } = self;
        if message.is_some() || reply.is_some() {
            let text = reply.map(ToString::to_string).unwrap_or_default();
            for (n, guest) in guests.iter().enumerate() {
                if let Some(row) = guest.row.and_then(|row| record.recipients.get_mut(row)) {
                    row.reply = each.get(n).map_or_else(|| text.clone(), ToString::to_string);
                }
            }
            record.reply = text;
        } else if let Some(last) = record.recipients.last() {
            record.reply = last.reply.clone();
        }
        record.end = end;
        record.facts = scene.facts;
        record.upstream_took = u64::try_from(upstream_took.as_millis()).unwrap_or(u64::MAX);
        record.notes.truncate(ledger::NOTES_MAX);
        ledger::close(
            &mut record,
            scene.now,
            scene.visit,
            scene.names.known(),
            Some(&envelope),
            &said,
        );
        Box::new(Finished {
            pipeline: Arc::clone(scene.pipeline),
            record,
            visit: scene.visit.clone(),
            names: Arc::clone(scene.names),
            envelope: Some(envelope),
            facts: scene.facts,
            message,
            copies,
            at: scene.now,
            delivered,
        })
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.record.id
    }
}
