//! An archive in memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use gatepost_core::{Fault, Keeping, Kept, KeptId, KeptMail, Label, Login, Message, Query, Record, Time};

use crate::book::Book;

#[derive(Default)]
struct State {
    next: u64,
    mails: Vec<(KeptMail, Arc<Message>)>,
    once: BTreeMap<(u64, String), KeptId>,
    records: Vec<Record>,
}

/// An archive in memory. Ids are numbers in order, so that tests can name them.
#[derive(Default)]
pub struct MemoryKept {
    state: Mutex<State>,
    /// What was withdrawn. A fault set here is every call's.
    pub withdrawn: Book<KeptId>,
    /// The octets of the largest mail that is kept; 0 for any.
    most: AtomicU64,
}

impl MemoryKept {
    /// An empty archive.
    pub fn new() -> Arc<MemoryKept> {
        Arc::default()
    }

    /// Keeps nothing larger from now on.
    pub fn at_most(&self, octets: u64) {
        self.most.store(octets, Ordering::Relaxed);
    }

    fn state(&self) -> Result<MutexGuard<'_, State>, Fault> {
        self.withdrawn.check()?;
        Ok(self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn same(wanted: &str, is: &str) -> bool {
    wanted.to_lowercase() == is.to_lowercase()
}

fn in_domain(wanted: &str, address: &str) -> bool {
    address.rsplit_once('@').is_some_and(|(_, domain)| same(wanted, domain))
}

/// Whether the parts of a query that mails and records share hold.
fn matches<'a>(query: &Query, at: u64, from: Option<&str>, recipients: impl Iterator<Item = &'a str> + Clone) -> bool {
    query
        .sender
        .as_ref()
        .is_none_or(|wanted| from.is_some_and(|from| same(wanted, from)))
        && query.since.is_none_or(|since| at >= since)
        && query.before.is_none_or(|before| at < before)
        && query
            .recipient
            .as_ref()
            .is_none_or(|wanted| recipients.clone().any(|to| same(wanted, to)))
        && query
            .domain
            .as_ref()
            .is_none_or(|wanted| recipients.clone().any(|to| in_domain(wanted, to)))
}

fn describe(id: &KeptId, keeping: &Keeping<'_>) -> KeptMail {
    let subject = keeping
        .message
        .headers()
        .get("Subject")
        .map(|subject| String::from_utf8_lossy(&subject.unfolded()).trim().to_owned());
    let at = keeping.at.millis();
    let until = keeping
        .terms
        .days
        .map(|days| at.saturating_add(u64::from(days).saturating_mul(86_400_000)));
    KeptMail::new(
        id.clone(),
        keeping,
        until.map(Time::from_millis),
        subject.unwrap_or_default(),
    )
}

#[async_trait]
impl Kept for MemoryKept {
    fn could_keep(&self, octets: u64) -> bool {
        let most = self.most.load(Ordering::Relaxed);
        most == 0 || octets <= most
    }

    async fn keep(&self, keeping: Keeping<'_>) -> Result<KeptId, Fault> {
        if !self.could_keep(keeping.message.len()) {
            return Err(Fault::Broken("larger than all that may be held".into()));
        }
        let mut state = self.state()?;
        let key = keeping.once.clone().map(|key| (keeping.at.millis(), key));
        if let Some(id) = key.as_ref().and_then(|key| state.once.get(key)) {
            return Ok(id.clone());
        }
        state.next += 1;
        let id = KeptId(state.next.to_string().into());
        if let Some(key) = key {
            state.once.insert(key, id.clone());
        }
        state.mails.push((describe(&id, &keeping), Arc::clone(keeping.message)));
        Ok(id)
    }

    async fn withdraw(&self, id: &KeptId) -> Result<(), Fault> {
        self.withdrawn.enter(id.clone())?;
        let mut state = self.state()?;
        state.mails.retain(|(mail, _)| mail.id != *id);
        state.once.retain(|_, kept| kept != id);
        Ok(())
    }

    async fn get(&self, id: &KeptId) -> Result<Option<(KeptMail, Arc<Message>)>, Fault> {
        Ok(self.state()?.mails.iter().find(|(mail, _)| mail.id == *id).cloned())
    }

    async fn label(&self, id: &KeptId, label: Label, by: &Login) -> Result<(), Fault> {
        match self.state()?.mails.iter_mut().find(|(mail, _)| mail.id == *id) {
            Some((mail, _)) => mail.label = Some((label, by.name.to_string())),
            None => {
                return Err(Fault::Broken(format!(
                    "there is no kept mail {id}: nothing was labelled"
                )));
            }
        }
        Ok(())
    }

    async fn list(&self, query: &Query) -> Result<Vec<KeptMail>, Fault> {
        let state = self.state()?;
        let number = |id: &KeptId| id.0.parse::<u64>().unwrap_or_default();
        let mut all: Vec<&KeptMail> = state.mails.iter().map(|(mail, _)| mail).collect();
        all.sort_by_key(|mail| std::cmp::Reverse((mail.at, number(&mail.id))));
        if let Some(after) = &query.after {
            // Numbers rise with time, so a page goes on even where its last mail is gone.
            let Ok(after) = after.parse::<u64>() else {
                return Ok(Vec::new());
            };
            match all.iter().position(|mail| number(&mail.id) == after) {
                Some(at) => drop(all.drain(..=at)),
                None => all.retain(|mail| number(&mail.id) < after),
            }
        }
        let found = all.into_iter().filter(|mail| {
            query.reason.as_ref().is_none_or(|wanted| same(wanted, &mail.reason))
                && query
                    .transaction
                    .as_ref()
                    .is_none_or(|wanted| same(wanted, &mail.transaction))
                && query
                    .label
                    .is_none_or(|wanted| mail.label.as_ref().is_some_and(|(label, _)| *label == wanted))
                && matches(
                    query,
                    mail.at,
                    Some(&mail.from),
                    mail.recipients.iter().map(String::as_str),
                )
        });
        Ok(found.take(query.limit.unwrap_or(usize::MAX)).cloned().collect())
    }

    async fn delete(&self, id: &KeptId) -> Result<bool, Fault> {
        let mut state = self.state()?;
        let before = state.mails.len();
        state.mails.retain(|(mail, _)| mail.id != *id);
        state.once.retain(|_, kept| kept != id);
        Ok(state.mails.len() < before)
    }

    async fn record(&self, record: &Record) -> Result<(), Fault> {
        self.state()?.records.push(record.clone());
        Ok(())
    }

    async fn records(&self, query: &Query) -> Result<Vec<Record>, Fault> {
        if query.label.is_some() {
            return Ok(Vec::new());
        }
        let state = self.state()?;
        let mut all: Vec<&Record> = state.records.iter().rev().collect();
        all.sort_by_key(|record| std::cmp::Reverse(record.began));
        if let Some(after) = &query.after {
            match all.iter().position(|record| record.id == *after) {
                Some(at) => drop(all.drain(..=at)),
                None => all.clear(),
            }
        }
        let found = all.into_iter().filter(|record| {
            let fate = query
                .reason
                .as_ref()
                .is_none_or(|wanted| record.recipients.iter().any(|to| same(wanted, &to.fate)));
            let transaction = query.transaction.as_ref().is_none_or(|wanted| same(wanted, &record.id));
            fate && transaction
                && matches(
                    query,
                    record.began,
                    record.from.as_deref(),
                    record.recipients.iter().map(|to| to.to.as_str()),
                )
        });
        Ok(found.take(query.limit.unwrap_or(usize::MAX)).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FakeClock;
    use gatepost_core::{LoginBy, Path, Terms};

    fn path(text: &str) -> Path {
        Path::forward(text, false).unwrap()
    }

    async fn keep(kept: &MemoryKept, to: &str, subject: &str) -> KeptId {
        let message = Arc::new(Message::from_bytes(format!("Subject: {subject}\r\n\r\nhello\r\n")));
        let terms = Terms::durable("held");
        kept.keep(Keeping::new(
            "t1",
            FakeClock::START,
            &path("a@b.example"),
            vec![&path(to)],
            &message,
            &terms,
        ))
        .await
        .unwrap()
    }

    #[tokio::test]
    async fn kept_mail_is_found_labelled_withdrawn_and_deleted() {
        let kept = MemoryKept::new();
        let (one, two) = (
            keep(&kept, "c@d.example", "one").await,
            keep(&kept, "e@f.example", "two").await,
        );
        let all = kept.list(&Query::default()).await.unwrap();
        assert_eq!(
            all.iter().map(|mail| mail.subject.as_str()).collect::<Vec<_>>(),
            ["two", "one"]
        );
        let mut query = Query::default();
        query.domain = Some("D.example".into());
        assert_eq!(kept.list(&query).await.unwrap()[0].id, one);
        kept.label(&one, Label::Spam, &Login::new("c", LoginBy::Auth))
            .await
            .unwrap();
        assert_eq!(
            kept.get(&one).await.unwrap().unwrap().0.label,
            Some((Label::Spam, "c".into()))
        );
        kept.withdraw(&two).await.unwrap();
        assert_eq!(kept.withdrawn.all(), [two]);
        assert!(kept.delete(&one).await.unwrap() && !kept.delete(&one).await.unwrap());
        kept.withdrawn.fail(Some(Fault::Unavailable("full")));
        assert!(kept.list(&Query::default()).await.is_err());
    }
}
