//! The desk itself: rights, limits, audit, then whoever does it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use gatepost_core::{
    Acting, Change, Clock, Desk, DomainAct, Domains, Explain, Fault, Filter, Kept, KeptId, KeptMail, Learning, Login,
    Message, Octets, Post, Query, Queue, Receipt, Request, Seed, Store, Time, Upkeep, null::NoDomains,
};
use gatepost_pipeline::recipients;
use gatepost_pipeline::run::guarded;

use crate::audit::Audit;
use crate::collection;
use crate::limit;
use crate::listing::Reports;
use crate::release::Wanted;
use crate::rights::{NO_SUCH_MAIL, Staff, Who, address};
use crate::teach::Told;
use crate::words;

/// How long learning is waited for where a mail is deleted in any case.
const ERASE_PATIENCE: Duration = Duration::from_secs(20);
/// How long one act may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a delivery may take: longer than all that a mail server is waited for.
const RELEASE_PATIENCE: Duration = Duration::from_mins(50);
/// How long one that touches all that is stored may take.
const LONG_PATIENCE: Duration = Duration::from_hours(6);
/// The most mails or records that are told at once.
pub(crate) const FOUND_MAX: usize = 1_000;
/// How many where nobody said.
pub(crate) const FOUND: usize = 50;
/// The largest mail that is told over the desk.
const READ_MAX: u64 = 64 << 20;

/// The filters that handle requests, by name: one instance of each, the one with the general options.
pub type Handlers = BTreeMap<String, Arc<dyn Filter>>;

/// What the operator wrote about the desk.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Who is trusted with what.
    pub staff: Staff,
    /// The most requests of one login within an hour; the operator at the machine is not counted.
    pub requests_per_hour: u32,
    /// What reports do.
    pub reports: Reports,
    /// Whoever has a mail released welcomes its sender.
    pub release_welcomes: bool,
}

/// With what the desk works.
#[derive(Clone)]
pub struct Means {
    /// Its own part of the store: audit, limits, claims.
    pub store: Store,
    /// The filters' part, in which the pipeline remembers recipients.
    pub filters: Store,
    /// Kept mail and records.
    pub kept: Arc<dyn Kept>,
    /// Mail that waits, where there is a queue.
    pub queue: Option<Arc<dyn Queue>>,
    /// Delivering what is released.
    pub post: Arc<dyn Post>,
    /// Teaching.
    pub learning: Arc<dyn Learning>,
    /// Explaining.
    pub explain: Arc<dyn Explain>,
    /// All that is stored, as a whole.
    pub upkeep: Arc<dyn Upkeep>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The installation's secret number.
    pub seed: Seed,
}

/// The desk over this installation's services.
pub struct FrontDesk {
    pub(crate) means: Means,
    audit: Audit,
    terms: ArcSwap<Terms>,
    handlers: ArcSwap<Handlers>,
    domains: Arc<dyn Domains>,
}

impl FrontDesk {
    /// A desk behind which no filter stands yet.
    pub fn new(means: Means, terms: Terms) -> FrontDesk {
        FrontDesk {
            audit: Audit::new(means.store.clone()),
            means,
            terms: ArcSwap::from_pointee(terms),
            handlers: ArcSwap::default(),
            domains: Arc::new(NoDomains),
        }
    }

    /// The same with somebody who keeps the domains of customers.
    #[must_use]
    pub fn with_domains(self, domains: Arc<dyn Domains>) -> FrontDesk {
        FrontDesk { domains, ..self }
    }

    /// Puts the filters of a configuration, and what it says about the desk, in place of the former ones.
    pub fn publish(&self, handlers: Handlers, terms: Terms) {
        self.handlers.store(Arc::new(handlers));
        self.terms.store(Arc::new(terms));
    }

    /// What reports do, as it is written now.
    pub(crate) fn reports(&self) -> Reports {
        self.terms.load().reports
    }

    /// What the operator wrote.
    pub(crate) fn terms(&self) -> Arc<Terms> {
        self.terms.load_full()
    }

    /// Writes into the audit what was done without a desk: putting a backup back, for which there must be no store.
    pub async fn note(&self, by: &Login, what: String) -> Result<(), Fault> {
        let open = self.audit.begin(self.means.clock.now(), by, what).await?;
        self.audit.end(open, "done".into()).await
    }

    /// An act within another, with its own lines in the audit.
    pub(crate) async fn written_down(
        &self,
        by: &Login,
        request: &Request,
        now: Time,
        act: impl Future<Output = Result<Option<Receipt>, Fault>>,
    ) -> Result<Option<Receipt>, Fault> {
        let open = self.audit.begin(now, by, words::of(request)).await?;
        let receipt = act.await;
        let outcome = match &receipt {
            Ok(Some(receipt)) => words::outcome(receipt),
            Ok(None) => words::outcome(&nobody(request)),
            Err(fault) => words::outcome(&Receipt::Failed(fault.to_string())),
        };
        self.audit.end(open, outcome).await?;
        receipt
    }

    async fn admit(&self, who: &Who<'_>, by: &Login, request: &Request, now: Time, most: u32) -> Result<(), Receipt> {
        who.may(request).map_err(|why| Receipt::Refused(why.into()))?;
        if who.is_operator() {
            return Ok(());
        }
        match limit::is_over(&self.means.store, &self.means.seed, by, now, most).await {
            Ok(false) => Ok(()),
            Ok(true) => Err(Receipt::Refused(format!(
                "you asked more than {most} times within an hour; come again later"
            ))),
            Err(fault) => Err(Receipt::Failed(fault.to_string())),
        }
    }

    async fn act(&self, who: &Who<'_>, by: &Login, request: &Request, now: Time) -> Result<Receipt, Fault> {
        let named = match request {
            Request::Report { domain, .. } | Request::Train { domain, .. } | Request::Explain { domain, .. } => domain,
            _ => &None,
        };
        if let Some(why) = named.as_deref().and_then(|named| who.is_not_ours(named)) {
            return Ok(Receipt::Refused(why));
        }
        Ok(match request {
            Request::Report { mail, label, domain } => {
                let told = Told {
                    mail,
                    label: *label,
                    domain: domain.as_deref(),
                };
                self.report(who, by, told, request, now).await?
            }
            Request::Train { mails, by, domain } => {
                collection::train(&*self.means.learning, mails, by, domain.as_deref(), now).await?
            }
            Request::Release {
                id,
                recipient,
                again,
                welcome,
            } => {
                let wanted = Wanted {
                    id,
                    to: recipient.as_deref(),
                    again: *again,
                    welcome: *welcome,
                };
                self.release(who, by, wanted, now).await?
            }
            Request::Delete { id } => self.delete(who, id).await?,
            Request::Find { query } => self.find(who, query).await?,
            Request::Read { id, why } => self.read(who, id, why.as_deref()).await?,
            Request::Records { query } => self.records(who, query).await?,
            Request::Audit { before, limit } => Receipt::Audit(self.audit.lines(*before, *limit).await?),
            Request::ForgetRecipients { recipient } => self.forget(recipient.as_deref(), now).await?,
            Request::CheckStore => Receipt::Done(Change::shown(self.means.upkeep.check().await?)),
            Request::CompactStore => done(self.means.upkeep.compact().await?),
            Request::Backup { to } => done(self.means.upkeep.backup(Path::new(to)).await?),
            Request::Unlearn(what) => self.unlearn(what).await?,
            Request::CountSamples(what) => Receipt::Counted(self.means.learning.concerned(what).await?),
            Request::Models => self.models().await?,
            Request::Rollback { to } => self.rollback(*to).await?,
            Request::Rebuild => self.rebuild().await?,
            Request::Explain { mail, came, domain } => {
                self.explain(who, mail, came.as_ref(), domain.as_deref(), now).await?
            }
            Request::Domain(act) => self.domain(who, act).await?,
            Request::CountWaiting { domain } => self.count_waiting(who, domain.as_deref()).await?,
            Request::Waiting { which } => self.waiting(who, which).await?,
            Request::ShowWaiting { id, why } => self.show_waiting(who, id, why.as_deref()).await?,
            Request::OrderWaiting { which, order } => self.order_waiting(who, which, order).await?,
            // Lists, and what only a filter knows.
            _ => self.offer(by, request, now).await?.unwrap_or_else(|| nobody(request)),
        })
    }

    /// Asks the filters, all of them: what several did is told together. Nothing where none is concerned.
    pub(crate) async fn offer(&self, by: &Login, request: &Request, now: Time) -> Result<Option<Receipt>, Fault> {
        let acting = Acting::new(by, now);
        let handlers = self.handlers.load_full();
        let wanted = |name: &str| !matches!(request, Request::Other { filter, .. } if filter != name);
        let mut all: Option<Change> = None;
        for (_, filter) in handlers.iter().filter(|(name, _)| wanted(name)) {
            let Some(change) = filter.handle(&acting, request).await? else {
                continue;
            };
            let whole = all.get_or_insert_default();
            whole.changed |= change.changed;
            whole.lines.extend(change.lines);
            whole.listed.extend(change.listed);
            whole.next = whole.next.take().or(change.next);
        }
        Ok(all.map(Receipt::Done))
    }

    /// A kept mail as far as it is theirs.
    pub(crate) async fn theirs(&self, who: &Who<'_>, id: &KeptId) -> Result<Option<(KeptMail, Arc<Message>)>, Fault> {
        let found = self.means.kept.get(id).await?;
        Ok(found.and_then(|(mail, message)| Some((who.view(&mail).map(|_| mail)?, message))))
    }

    async fn delete(&self, who: &Who<'_>, id: &KeptId) -> Result<Receipt, Fault> {
        let Some((mail, _)) = self.theirs(who, id).await? else {
            return Ok(no_such_mail());
        };
        if !who.owns(&mail) {
            return Ok(Receipt::Refused(
                "it is kept for others, too; only an administrator may delete it".into(),
            ));
        }
        // First, so that a mail that is gone has left nothing in the models; but learning that is busy or down keeps no mail.
        let forgotten = guarded(ERASE_PATIENCE, self.means.learning.erase(id)).await;
        // It could not even be noted down: the mail can be deleted again, with what it taught.
        if let Err(fault @ (Fault::Broken(_) | Fault::Unsure(_))) = forgotten {
            return Err(fault);
        }
        if !self.means.kept.delete(id).await? {
            return Ok(no_such_mail());
        }
        let mut lines = vec![format!("deleted {id}; a backup made before may still hold it")];
        match forgotten {
            Ok(0) => {}
            Ok(_) => lines.push("what was learned from it is forgotten".into()),
            Err(Fault::Unavailable(why)) => lines.push(format!(
                "what was learned from it is not forgotten yet ({why}); to be sure, say `gatepost unlearn {id}` later"
            )),
            Err(fault) => lines.push(fault.to_string()),
        }
        Ok(done(lines))
    }

    async fn find(&self, who: &Who<'_>, query: &Query) -> Result<Receipt, Fault> {
        let query = match narrow(who, query) {
            Ok(query) => query,
            Err(why) => return Ok(Receipt::Refused(why.into())),
        };
        let found = self.means.kept.list(&query).await?;
        Ok(Receipt::Found(found.iter().filter_map(|mail| who.view(mail)).collect()))
    }

    async fn records(&self, who: &Who<'_>, query: &Query) -> Result<Receipt, Fault> {
        let query = match narrow(who, query) {
            Ok(query) => query,
            Err(why) => return Ok(Receipt::Refused(why.into())),
        };
        let found = self.means.kept.records(&query).await?;
        Ok(Receipt::Records(
            found.into_iter().filter_map(|record| who.view_record(record)).collect(),
        ))
    }

    async fn read(&self, who: &Who<'_>, id: &KeptId, why: Option<&str>) -> Result<Receipt, Fault> {
        let Some((mail, message)) = self.theirs(who, id).await? else {
            return Ok(no_such_mail());
        };
        if !who.received(&mail) && why.is_none_or(|why| why.trim().is_empty()) {
            return Ok(Receipt::Refused("it came to somebody else: say why you read it".into()));
        }
        let octets = match octets(&message)? {
            Ok(octets) => octets,
            Err(why) => return Ok(Receipt::Refused(why)),
        };
        Ok(match who.view(&mail) {
            Some(view) => Receipt::Mail(view, octets),
            None => no_such_mail(),
        })
    }

    async fn domain(&self, who: &Who<'_>, act: &DomainAct) -> Result<Receipt, Fault> {
        let own = who.only_these();
        Ok(
            match (self.domains.act(act, own.as_deref()).await?, act, &self.means.queue) {
                (Receipt::Domains(rows), ..) => {
                    Receipt::Domains(rows.into_iter().filter(|row| who.runs(&row.domain)).collect())
                }
                (Receipt::Done(mut change), DomainAct::Remove { domain }, Some(queue)) => {
                    let domain = domain.to_lowercase();
                    // It is done; that the queue cannot be asked changes nothing.
                    let waits = queue.depth(Some(&domain)).await.map_or(0, |depth| depth.mails);
                    if waits > 0 {
                        change.lines.push(format!(
                        "{waits} mails wait for it, and have no way now: `gatepost queue list --domain {domain}` shows them, and \
                         a domain that is added again takes them along"
                    ));
                    }
                    Receipt::Done(change)
                }
                (other, ..) => other,
            },
        )
    }

    async fn forget(&self, recipient: Option<&str>, now: Time) -> Result<Receipt, Fault> {
        let known = recipients::Recipients::new(&self.means.filters, self.means.seed);
        let address = match recipient.map(|text| (text, address(text))) {
            None => None,
            Some((_, Some(address))) => Some(address),
            Some((text, None)) => return Ok(Receipt::Refused(format!("`{text}` is no address"))),
        };
        known.forget(address.as_ref(), now).await?;
        Ok(done(vec![match recipient {
            None => "the mail server is asked again about every recipient".into(),
            Some(recipient) => format!("the mail server is asked again about {recipient}"),
        }]))
    }
}

fn narrow(who: &Who<'_>, query: &Query) -> Result<Query, &'static str> {
    let mut query = who.narrowed(query)?;
    query.limit = Some(query.limit.unwrap_or(FOUND).min(FOUND_MAX));
    Ok(query)
}

/// A mail as it is told over the desk, or why it is not.
pub(crate) fn octets(message: &Message) -> Result<Result<Octets, String>, Fault> {
    if message.len() > READ_MAX {
        let size = message.len();
        return Ok(Err(format!("it has {size} octets, and at most {READ_MAX} are shown")));
    }
    let mut octets = Vec::with_capacity(usize::try_from(message.len()).unwrap_or(0));
    std::io::Read::read_to_end(&mut message.read(), &mut octets)
        .map_err(|_| Fault::Unavailable("the file of the mail"))?;
    Ok(Ok(Octets(octets)))
}

pub(crate) fn done(lines: Vec<String>) -> Receipt {
    let mut change = Change::shown(lines);
    change.changed = true;
    Receipt::Done(change)
}

pub(crate) fn no_such_mail() -> Receipt {
    Receipt::Refused(NO_SUCH_MAIL.into())
}

fn nobody(request: &Request) -> Receipt {
    Receipt::Refused(match request {
        Request::Add { .. } | Request::Remove { .. } | Request::Show { .. } | Request::Import { .. } => {
            "no filter here keeps lists: name `whitelist` in a tier of a [pipeline]".into()
        }
        Request::Other { filter, .. } => format!("no filter `{filter}` here does that"),
        _ => "nobody here does that".into(),
    })
}

/// What must not be cut short by the patience of ordinary acts.
fn patience(request: &Request) -> Duration {
    match request {
        // A mail server may take its time, and what was cut short could have been done all the same.
        Request::Release { .. } => RELEASE_PATIENCE,
        Request::CheckStore
        | Request::CompactStore
        | Request::Backup { .. }
        | Request::Unlearn(_)
        | Request::CountSamples(_)
        | Request::Rollback { .. }
        | Request::Rebuild
        | Request::OrderWaiting { .. } => LONG_PATIENCE,
        _ => PATIENCE,
    }
}

#[async_trait]
impl Desk for FrontDesk {
    async fn submit(&self, by: &Login, request: Request) -> Result<Receipt, Fault> {
        let now = self.means.clock.now();
        let terms = self.terms();
        let who = terms.staff.who(by);
        let open = self.audit.begin(now, by, words::of(&request)).await;
        if let (Err(fault), true) = (&open, words::changes(&request)) {
            return Ok(Receipt::Failed(format!(
                "nothing was done, since the audit cannot be written: {fault}"
            )));
        }
        let receipt = match self.admit(&who, by, &request, now, terms.requests_per_hour).await {
            Err(refused) => refused,
            Ok(()) => guarded(patience(&request), self.act(&who, by, &request, now))
                .await
                .unwrap_or_else(|fault| Receipt::Failed(fault.to_string())),
        };
        let outcome = words::outcome(&receipt);
        let written = match open {
            Ok(open) => self.audit.end(open, outcome).await,
            Err(fault) => Err(fault),
        };
        if let Err(fault) = written {
            tracing::error!(by = &*by.name, what = words::of(&request), outcome = words::outcome(&receipt), %fault,
                "the audit could not be written");
        }
        Ok(receipt)
    }
}
