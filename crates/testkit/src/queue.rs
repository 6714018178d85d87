//! A queue in memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gatepost_core::message::Edits;
use gatepost_core::{
    Address, Caller, Client, Depth, Direction, Domain, Fault, Holding, MailParams, Message, NotTaken, Path, Queue,
    Queued, RcptParams, Visit, Waiting, WaitingId, WaitingMail, WaitingOrder,
};

use crate::book::Book;
use crate::clock::FakeClock;

/// How long mail waits where nobody extends it.
const HOLD: Duration = Duration::from_hours(5 * 24);

/// A mail for a queue: of the transaction `t{number}`, which came so many seconds after a fake clock starts.
///
/// # Panics
/// Where an address is none.
pub fn queued(number: u64, from: &str, to: &[&str]) -> Queued {
    let text = format!("Subject: number {number}\r\n\r\n.\r\nGr\u{fc}\u{df}e \0\t \r\n");
    with(number, from, to, text.as_bytes())
}

/// The same with these octets.
///
/// # Panics
/// Where an address is none.
pub fn with(number: u64, from: &str, to: &[&str], octets: &[u8]) -> Queued {
    let client = Client::new([192, 0, 2, 1].into(), 4_711);
    let visit = Visit::new(Direction::Inbound, "mx".into(), client);
    let from = match from {
        "" => Path::Null,
        from => Path::reverse(from, true).expect("a reverse path"),
    };
    let to = to.iter().map(|to| {
        let to = Path::forward(to, true).expect("a forward path");
        (to, RcptParams::default())
    });
    Queued::new(
        format!("t{number}"),
        FakeClock::START + Duration::from_secs(number),
        "away".into(),
        Caller::of(&visit),
        from,
        MailParams::default(),
        to.collect(),
        Arc::new(Edits::new().apply(&Message::from_bytes(octets.to_vec()))),
    )
}

/// What became of a mail that was accepted.
#[derive(Clone, Copy, Default)]
struct Fate {
    gone: bool,
    held: bool,
    more: Duration,
}

/// A queue that accepts everything, until it is told otherwise, and delivers nothing. Each recipient domain of what was accepted is a mail that waits;
/// ids are numbers in order, so that tests can name them.
#[derive(Default)]
pub struct MemoryQueue {
    /// What was accepted.
    pub book: Book<Queued>,
    /// What was ordered.
    pub orders: Book<(Waiting, WaitingOrder)>,
    fates: Mutex<BTreeMap<WaitingId, Fate>>,
    holds: Mutex<BTreeMap<String, Holding>>,
    full: AtomicBool,
}

impl MemoryQueue {
    /// An empty queue.
    pub fn new() -> Arc<MemoryQueue> {
        Arc::default()
    }

    /// Says from now on that mail for a domain (in lower case) may wait, or not.
    pub fn hold(&self, domain: &str, holding: Holding) {
        let mut holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        holds.insert(domain.into(), holding);
    }

    /// Has no room for what comes now, whatever it said before; or has it again.
    pub fn fill(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    /// What waits, the oldest first, with its octets.
    fn waits(&self) -> Vec<(WaitingMail, Arc<Message>)> {
        let fates = self.fates.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut all, mut number) = (Vec::new(), 0_u32);
        for queued in self.book.all() {
            let mut domains: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for (to, _) in &queued.recipients {
                if let Some(address) = to.mailbox() {
                    let named = domains.entry(address.domain().key()).or_default();
                    named.push(address.to_string());
                }
            }
            for (domain, recipients) in domains {
                number += 1;
                let id = WaitingId(format!("{number:06}").into());
                let fate = fates.get(&id).copied().unwrap_or_default();
                if fate.gone {
                    continue;
                }
                let until = queued.at + HOLD + fate.more;
                let mut mail = WaitingMail::new(id, domain, queued.at.millis(), until.millis());
                mail.transaction.clone_from(&queued.transaction);
                mail.route = Some(queued.route.clone());
                mail.next = (!fate.held).then_some(queued.at.millis());
                mail.from = queued.from.mailbox().map(ToString::to_string).unwrap_or_default();
                (mail.recipients, mail.size, mail.held) = (recipients, queued.message.len(), fate.held);
                all.push((mail, Arc::new(queued.message.to_message())));
            }
        }
        all
    }

    fn meant(&self, which: &Waiting) -> Vec<(WaitingMail, Arc<Message>)> {
        let mut all = self.waits();
        all.retain(|(mail, _)| is_meant(which, mail));
        all
    }
}

/// Whether every part that is given holds.
fn is_meant(which: &Waiting, mail: &WaitingMail) -> bool {
    let key = |text: &str| Address::parse(text, true).map(|address| address.key());
    let same = |wanted: &str, is: &str| key(wanted).is_ok_and(|wanted| key(is).is_ok_and(|is| wanted == is));
    let domain = |wanted: &String| Domain::parse(wanted, true).is_ok_and(|wanted| wanted.key() == mail.domain);
    let named = |wanted: &String| **wanted == *mail.id.0 || *wanted == mail.transaction;
    which.id.as_ref().is_none_or(named)
        && which.domain.as_ref().is_none_or(domain)
        && which
            .recipient
            .as_ref()
            .is_none_or(|wanted| mail.recipients.iter().any(|to| same(wanted, to)))
        && which
            .sender
            .as_ref()
            .is_none_or(|wanted| (wanted.is_empty() && mail.from.is_empty()) || same(wanted, &mail.from))
        && (!which.damaged || mail.damaged)
}

#[async_trait]
impl Queue for MemoryQueue {
    fn holds(&self, domain: &str) -> Holding {
        let holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        holds.get(domain).copied().unwrap_or(Holding::Never)
    }

    async fn accept(&self, mails: Vec<Queued>) -> Result<(), NotTaken> {
        self.book.check().map_err(NotTaken::Fault)?;
        if self.full.load(Ordering::Relaxed) {
            return Err(NotTaken::Full("the test filled it".into()));
        }
        for mail in mails {
            self.book.enter(mail).map_err(NotTaken::Fault)?;
        }
        Ok(())
    }

    fn domains(&self) -> Vec<String> {
        let mut domains: Vec<String> = self.waits().into_iter().map(|(mail, _)| mail.domain).collect();
        domains.sort_unstable();
        domains.dedup();
        domains
    }

    async fn depth(&self, domain: Option<&str>) -> Result<Depth, Fault> {
        self.book.check()?;
        let mut which = Waiting::default();
        which.domain = domain.map(Into::into);
        let mut depth = Depth::default();
        for (mail, _) in self.meant(&which) {
            depth.mails += 1;
            depth.octets += mail.size;
            depth.oldest = depth.oldest.or(Some(mail.at));
        }
        Ok(depth)
    }

    async fn list(&self, which: &Waiting) -> Result<Vec<WaitingMail>, Fault> {
        self.book.check()?;
        let found = self.meant(which).into_iter().map(|(mail, _)| mail);
        let behind = |mail: &WaitingMail| which.after.as_ref().is_none_or(|after| *mail.id.0 > **after);
        let limit = which.limit.unwrap_or(usize::MAX);
        Ok(found.filter(behind).take(limit).collect())
    }

    async fn show(&self, id: &WaitingId) -> Result<Option<(WaitingMail, Arc<Message>)>, Fault> {
        self.book.check()?;
        Ok(self.waits().into_iter().find(|(mail, _)| mail.id == *id))
    }

    async fn order(&self, which: &Waiting, order: WaitingOrder) -> Result<u64, Fault> {
        self.book.check()?;
        let mut meant = self.meant(which);
        // What a person holds is not tried.
        meant.retain(|(mail, _)| order != WaitingOrder::Flush || !mail.held);
        let mut fates = self.fates.lock().unwrap_or_else(PoisonError::into_inner);
        for (mail, _) in &meant {
            let fate = fates.entry(mail.id.clone()).or_default();
            match &order {
                WaitingOrder::Hold(held) => fate.held = *held,
                WaitingOrder::Extend(by) => fate.more += *by,
                WaitingOrder::Delete | WaitingOrder::Bounce => fate.gone = true,
                _ => {}
            }
        }
        self.orders.enter((which.clone(), order))?;
        Ok(meant.len() as u64)
    }
}
