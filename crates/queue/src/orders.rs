//! What people see of mail that waits, and what they order.
//!
//! **Invariants:** what an order changes is on disk before it is answered, and a mail that is under way is not touched. Mails are
//! read one after the other and none is held, so an answer takes memory for what it tells and no more.

use std::sync::Arc;
use std::time::Duration;

use gatepost_core::{Depth, Fault, Message, Path, Time, Waiting, WaitingId, WaitingMail, WaitingOrder};

use crate::deliver::{Stop, waiting};
use crate::inner::Inner;
use crate::schedule::{Item, Outcome, Seen, Turn};
use crate::spool::{Damaged, Entry, Head, Id, Marks, ReadError, Stored};
use crate::told::{What, Word};

/// So many mails are looked at together.
const PAGE: usize = 500;
/// The most that are told where nobody says how many.
const MOST: usize = 1_000;

/// One that was looked at.
struct Found {
    entry: Entry,
    seen: Seen,
    /// What its file tells, where that was asked for and it can be read.
    stored: Option<Stored>,
}

fn fault(error: impl std::fmt::Display) -> Fault {
    Fault::Broken(format!("the queue: {error}"))
}

fn same(wanted: &str, is: &str) -> bool {
    wanted.to_lowercase() == is.to_lowercase()
}

/// Whether only what is in their files tells which mails are meant.
fn needs_head(which: &Waiting) -> bool {
    let is_number = which.id.as_deref().is_some_and(|id| Id::parse(id).is_none());
    is_number || which.recipient.is_some() || which.sender.is_some()
}

fn fits(which: &Waiting, entry: &Entry, stored: Option<&Stored>) -> bool {
    let head = stored.map(|stored| &stored.head);
    let id = which.id.as_ref().is_none_or(|wanted| {
        *wanted == entry.id.to_string() || head.is_some_and(|head| same(wanted, &head.transaction))
    });
    let sender = which
        .sender
        .as_ref()
        .is_none_or(|wanted| head.is_some_and(|head| same(wanted, &head.from.to_string())));
    let recipient = which.recipient.as_ref().is_none_or(|wanted| {
        let is = |(head, n): (&Head, usize)| {
            head.recipients
                .get(n)
                .is_some_and(|(to, _)| same(wanted, &to.to_string()))
        };
        stored.is_some_and(|stored| waiting(&stored.head, &stored.progress).any(|n| is((&stored.head, n))))
    });
    let domain = which.domain.as_ref().is_none_or(|wanted| same(wanted, &entry.domain));
    id && domain && sender && recipient
}

fn entry(lane: &Arc<str>, id: Id, item: &Item) -> Entry {
    Entry {
        id,
        domain: Arc::clone(lane),
        at: item.at,
        size: item.size,
        marks: item.marks,
    }
}

impl Inner {
    /// The entry of a turn, as its file is named.
    pub fn entry_of(&self, turn: &Turn) -> Option<(Entry, Seen)> {
        let seen = self.schedule().seen(&turn.lane, turn.id)?;
        Some((entry(&turn.lane, turn.id, &seen.item), seen))
    }

    /// Mails in the order of their arrival that are meant, behind a place; `whole` reads their files.
    async fn find(&self, which: &Waiting, whole: bool, limit: usize) -> Result<Vec<Found>, Fault> {
        let lane = which.domain.as_deref().map(str::to_ascii_lowercase);
        let only = which.id.as_deref().and_then(Id::parse);
        let whole = whole || needs_head(which);
        let mut after = which
            .after
            .as_deref()
            .and_then(Id::parse)
            .map(|id| (id, LAST_LANE.to_owned()));
        let mut found = Vec::new();
        while found.len() < limit {
            let behind = after.as_ref().map(|(id, lane)| (*id, lane.as_str()));
            let page = match only {
                Some(only) => self.schedule().find(only).into_iter().collect(),
                None => self.schedule().page(lane.as_deref(), behind, PAGE),
            };
            let Some((last, id)) = page.last() else { break };
            after = Some((*id, last.to_string()));
            for (lane, id) in page {
                let Some(seen) = self.schedule().seen(&lane, id) else {
                    continue;
                };
                let entry = entry(&lane, id, &seen.item);
                let stored = match whole {
                    true => match self.spool.head(&entry).await {
                        Ok(stored) => Some(stored),
                        Err(ReadError::Gone) => continue,
                        Err(ReadError::Io(error)) => return Err(fault(error)),
                        Err(ReadError::Unreadable(_)) => None,
                    },
                    false => None,
                };
                if fits(which, &entry, stored.as_ref()) {
                    found.push(Found { entry, seen, stored });
                    if found.len() >= limit {
                        break;
                    }
                }
            }
            if only.is_some() {
                break;
            }
        }
        Ok(found)
    }

    fn mail(&self, found: &Found) -> WaitingMail {
        let Found { entry, seen, stored } = found;
        let mut mail = WaitingMail::new(
            entry.id.waiting(),
            &*entry.domain,
            entry.at.millis(),
            seen.item.until.millis(),
        );
        mail.next = seen.next.map(Time::millis);
        mail.tries = seen.tries;
        mail.said = seen.said.as_deref().unwrap_or_default().to_owned();
        mail.size = entry.size;
        mail.held = entry.marks.held;
        if let Some(Stored { head, progress }) = stored {
            mail.transaction.clone_from(&head.transaction);
            mail.from = head.from.to_string();
            let left = waiting(head, progress).filter_map(|n| head.recipients.get(n));
            let left: Vec<&Path> = left.map(|(to, _)| to).collect();
            mail.recipients = left.iter().map(ToString::to_string).collect();
            let road = self.published();
            let route = left.first().and_then(|to| match head.notice {
                true => road.notice_route(to),
                false => road.roads.route(&head.caller, to),
            });
            mail.route = route.map(|route| route.to_string());
        } else {
            mail.said = "it cannot be read".into();
        }
        mail
    }

    /// Mails that were set aside.
    async fn find_damaged(&self, which: &Waiting, limit: usize) -> Result<Vec<Damaged>, Fault> {
        let after = which.after.as_deref().and_then(Id::parse);
        let mut all = self.spool.damaged().await?;
        all.retain(|damaged| {
            after.is_none_or(|after| damaged.entry.id > after)
                && !needs_head(which)
                && fits(which, &damaged.entry, None)
        });
        all.truncate(limit);
        Ok(all)
    }

    fn damaged_mail(&self, damaged: &Damaged) -> WaitingMail {
        let Damaged { entry, why, path } = damaged;
        let (at, until) = (entry.at.millis(), Time::FAR.millis());
        let mut mail = WaitingMail::new(entry.id.waiting(), &*entry.domain, at, until);
        mail.size = entry.size;
        mail.damaged = true;
        mail.said = format!("{why}; it lies in {}", path.display());
        mail
    }

    pub async fn list(&self, which: &Waiting) -> Result<Vec<WaitingMail>, Fault> {
        let limit = which.limit.unwrap_or(MOST);
        if which.damaged {
            let damaged = self.find_damaged(which, limit).await?;
            return Ok(damaged.iter().map(|damaged| self.damaged_mail(damaged)).collect());
        }
        let found = self.find(which, true, limit).await?;
        Ok(found.iter().map(|found| self.mail(found)).collect())
    }

    pub async fn show(&self, id: &WaitingId) -> Result<Option<(WaitingMail, Arc<Message>)>, Fault> {
        let mut which = Waiting::default();
        which.id = Some(id.0.to_string());
        let Some(found) = self.find(&which, true, 1).await?.pop() else {
            return Ok(None);
        };
        match self.spool.read(&found.entry).await {
            Ok((_, message)) => Ok(Some((self.mail(&found), Arc::new(message)))),
            Err(ReadError::Gone) => Ok(None),
            Err(error) => Err(fault(format!("mail {id} {error}"))),
        }
    }

    pub async fn depth(&self, domain: Option<&str>) -> Result<Depth, Fault> {
        let domain = domain.map(str::to_ascii_lowercase);
        let domain = domain.as_deref();
        let totals = self.spool.totals(domain);
        let mut depth = Depth::default();
        depth.mails = totals.mails;
        depth.octets = totals.octets;
        depth.oldest = self.schedule().oldest(domain).map(Time::millis);
        depth.damaged = match domain {
            None => self.spool.damaged_count(),
            Some(domain) => {
                let all = self.spool.damaged().await?;
                all.iter().filter(|damaged| &*damaged.entry.domain == domain).count() as u64
            }
        };
        Ok(depth)
    }

    pub async fn order(self: &Arc<Inner>, which: &Waiting, order: WaitingOrder) -> Result<u64, Fault> {
        if which.damaged {
            // What is put back is entered, whoever goes away meanwhile.
            let (inner, which) = (Arc::clone(self), which.clone());
            let done = tokio::spawn(async move { inner.order_damaged(&which, order).await }).await;
            return done.map_err(|error| fault(format!("an order failed: {error}")))?;
        }
        let mut done = 0;
        if order == WaitingOrder::Flush && which.id.is_none() && !needs_head(which) {
            let lane = which.domain.as_deref().map(str::to_ascii_lowercase);
            let now = self.clock.now();
            let meant = self.schedule().flush(lane.as_deref(), now);
            self.bell.notify_one();
            return Ok(meant as u64);
        }
        let (mut which, most) = (which.clone(), which.limit.unwrap_or(usize::MAX));
        while done < most {
            let page = self.find(&which, false, PAGE.min(most - done)).await?;
            let Some(last) = page.last() else { break };
            which.after = Some(last.entry.id.to_string());
            let whole = page.len() == PAGE;
            for found in page {
                done += usize::from(self.obey(&found, &order).await?);
            }
            if !whole {
                break;
            }
        }
        self.bell.notify_one();
        Ok(done as u64)
    }

    /// Does what was ordered with one mail; whether it could be.
    async fn obey(self: &Arc<Inner>, found: &Found, order: &WaitingOrder) -> Result<bool, Fault> {
        let (lane, id, now) = (&found.entry.domain, found.entry.id, self.clock.now());
        if let WaitingOrder::Flush = order {
            return Ok(self.schedule().flush_one(lane, id, now));
        }
        let Some((turn, item)) = self.schedule().take(lane, id) else {
            return Ok(false);
        };
        // What is begun is ended, whoever goes away meanwhile: else the mail would be under way for ever.
        let (inner, order) = (Arc::clone(self), order.clone());
        let done = tokio::spawn(async move { inner.obey_taken(&turn, item, &order).await }).await;
        done.map_err(|error| fault(format!("an order failed: {error}")))?
    }

    async fn obey_taken(&self, turn: &Turn, item: Item, order: &WaitingOrder) -> Result<bool, Fault> {
        let (now, mut item, old) = (self.clock.now(), item, entry(&turn.lane, turn.id, &item));
        let mut outcome = Outcome::Stays { warned: false };
        // Of what cannot be read nobody is told, and more time does not help it: it is set aside here and now.
        if matches!(order, WaitingOrder::Extend(_) | WaitingOrder::Bounce)
            && let Err(stop @ Stop::Gone) = self.read(&old).await
        {
            self.schedule().finish(turn, self.stopped(stop), now);
            self.bell.notify_one();
            return Ok(false);
        }
        let marks = match order {
            // Whoever lets a mail go whose time was over while it was held wants it tried, and not given up.
            WaitingOrder::Hold(false) if item.until <= now => Some(Marks {
                until: Some(now + REPRIEVE),
                held: false,
                ..item.marks
            }),
            WaitingOrder::Hold(held) => Some(Marks {
                held: *held,
                ..item.marks
            }),
            WaitingOrder::Extend(by) => Some(Marks {
                until: Some(item.until.max(now) + (*by).min(EXTENSION_MAX)),
                ..item.marks
            }),
            WaitingOrder::Bounce => Some(Marks {
                until: Some(GIVEN_UP),
                held: false,
                ..item.marks
            }),
            _ => None,
        };
        let done = match marks {
            Some(marks) => self.spool.mark(&old, marks).await.map(|new| {
                item.marks = new.marks;
                item.until = new.marks.until.unwrap_or(item.until);
                true
            }),
            None if *order == WaitingOrder::Delete => {
                let head = self.spool.head(&old).await;
                self.let_go(&old).await.inspect(|_| {
                    outcome = Outcome::Gone { taken: false };
                    match &head {
                        Ok(Stored { head, progress }) => {
                            let left: Vec<usize> = waiting(head, progress).collect();
                            self.told_all(&old, head, What::Deleted, Word::of("somebody deleted it"), &left);
                        }
                        Err(_) => self.tell_of(&old, What::Deleted, "somebody deleted it"),
                    }
                })
            }
            None => Ok(false),
        };
        // What failed half-way may have left it under another name.
        if done.is_err()
            && let Ok(Some(found)) = self.spool.find(&old).await
        {
            item.marks = found.marks;
            item.until = found.marks.until.unwrap_or(item.until);
        }
        let mut schedule = self.schedule();
        schedule.set(turn, item);
        if *order == WaitingOrder::Bounce && done.is_ok() {
            schedule.say(turn, "somebody gave it up");
        }
        schedule.finish(turn, outcome, now);
        drop(schedule);
        self.bell.notify_one();
        done
    }

    /// Enters a mail that was put back, to be tried now; one whose time was over has a day.
    async fn try_anew(&self, mut entry: Entry) -> Result<(), Fault> {
        let now = self.clock.now();
        let hold = self.published().hold(&entry.domain);
        let over = entry.marks.until.unwrap_or(entry.at + hold) <= now;
        let mut marked = Ok(());
        if over {
            let marks = Marks {
                until: Some(now + REPRIEVE),
                ..entry.marks
            };
            match self.spool.mark(&entry, marks).await {
                Ok(anew) => entry = anew,
                Err(error) => marked = Err(error),
            }
        }
        self.enter(std::slice::from_ref(&entry));
        self.schedule().flush_one(&entry.domain, entry.id, now);
        self.bell.notify_one();
        marked
    }

    /// Of mail that was set aside: it can be deleted, or put back to be tried once more.
    async fn order_damaged(&self, which: &Waiting, order: WaitingOrder) -> Result<u64, Fault> {
        let limit = which.limit.unwrap_or(usize::MAX);
        let mut done = 0;
        for Damaged { entry, .. } in self.find_damaged(which, limit).await? {
            let there = match order {
                WaitingOrder::Delete => self.spool.remove_damaged(&entry).await?,
                WaitingOrder::Flush => {
                    let there = self.spool.put_back(&entry).await?;
                    if there {
                        self.try_anew(entry).await?;
                    }
                    there
                }
                _ => false,
            };
            done += u64::from(there);
        }
        Ok(done)
    }
}

/// Behind the name of every lane: a page goes on behind its last mail, whatever lane that is in.
const LAST_LANE: &str = "\u{10ffff}";

/// Until when a mail stays that somebody gave up: its time is over, whatever the clock says.
pub(crate) const GIVEN_UP: Time = Time::ZERO;
/// How long a mail has that is let go after its time.
const REPRIEVE: Duration = Duration::from_hours(24);
/// How long an extension may be at most: longer is hardly meant.
const EXTENSION_MAX: Duration = Duration::from_hours(24 * 365);
