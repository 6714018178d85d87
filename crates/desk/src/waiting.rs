//! Mail that waits in the queue, for those who look after it.
//!
//! **Invariants:** an order goes to the queue narrowed to what is theirs; what a mail says is told only to whoever says why.

use std::time::Duration;

use gatepost_core::{Change, Fault, Queue, Receipt, Waiting, WaitingId, WaitingMail, WaitingOrder};

use crate::desk::{FOUND, FOUND_MAX, FrontDesk, done, no_such_mail, octets};
use crate::rights::Who;
use crate::words::span;

/// About the most octets of one page of a list.
const PAGE_MAX: usize = 8 << 20;
/// The most time that is given at once.
const EXTEND_MAX: Duration = Duration::from_hours(30 * 24);
/// The most mails that a line names.
const NAMED: usize = 10;
/// What is said of mail that was set aside.
const DAMAGED: &str =
    "it cannot be read and was set aside: it can be tried once more (`gatepost queue flush`) or deleted";

impl FrontDesk {
    fn queue(&self) -> Result<&dyn Queue, &'static str> {
        let queue = self.means.queue.as_deref();
        queue.ok_or("there is no queue here, so no mail waits")
    }

    /// The queue, and what of the mail that is meant is theirs.
    fn narrowed(&self, who: &Who<'_>, which: &Waiting) -> Result<(&dyn Queue, Waiting), &'static str> {
        Ok((self.queue()?, who.narrowed_waiting(which)?))
    }

    /// How much waits.
    pub(crate) async fn count_waiting(&self, who: &Who<'_>, domain: Option<&str>) -> Result<Receipt, Fault> {
        let mut which = Waiting::default();
        which.domain = domain.map(Into::into);
        Ok(match self.narrowed(who, &which) {
            Ok((queue, which)) => Receipt::Depth(queue.depth(which.domain.as_deref()).await?),
            Err(why) => Receipt::Refused(why.into()),
        })
    }

    /// A page of mails that wait.
    pub(crate) async fn waiting(&self, who: &Who<'_>, which: &Waiting) -> Result<Receipt, Fault> {
        let (queue, mut which) = match self.narrowed(who, which) {
            Ok(narrowed) => narrowed,
            Err(why) => return Ok(Receipt::Refused(why.into())),
        };
        let limit = which.limit.unwrap_or(FOUND).clamp(1, FOUND_MAX);
        // One more than is told says whether there are more.
        which.limit = Some(limit + 1);
        let found = queue.list(&which).await?;
        Ok(page(found.into_iter().filter(|mail| who.sees_waiting(mail)), limit))
    }

    /// What is known of a mail that waits, and the mail where somebody says why they read it.
    pub(crate) async fn show_waiting(
        &self,
        who: &Who<'_>,
        id: &WaitingId,
        why: Option<&str>,
    ) -> Result<Receipt, Fault> {
        let queue = match self.queue() {
            Ok(queue) => queue,
            Err(why) => return Ok(Receipt::Refused(why.into())),
        };
        let mut which = Waiting::default();
        (which.id, which.limit) = (Some(id.0.to_string()), Some(2));
        let mut found = queue.list(&which).await?;
        if found.is_empty() {
            which.damaged = true;
            found = queue.list(&which).await?;
        }
        found.retain(|mail| who.sees_waiting(mail));
        // A transaction's number means all its mails.
        let mail = match (found.pop(), found.is_empty()) {
            (Some(only), true) => only,
            (None, _) => return Ok(no_such_mail()),
            (Some(_), false) => {
                return Ok(Receipt::Refused(format!(
                    "several mails of the transaction {id} wait: name one by its own id, as the list has them"
                )));
            }
        };
        if why.is_none_or(|why| why.trim().is_empty()) {
            return Ok(Receipt::WaitingMail(Box::new(mail), None));
        }
        if mail.damaged {
            return Ok(Receipt::Refused(
                "it is damaged and was set aside: what is left of it is in the folder `damaged` of the queue".into(),
            ));
        }
        let Some((mail, message)) = queue.show(&mail.id).await? else {
            return Ok(no_such_mail());
        };
        Ok(match octets(&message)? {
            Ok(octets) => Receipt::WaitingMail(Box::new(mail), Some(octets)),
            Err(why) => Receipt::Refused(why),
        })
    }

    /// Has something done with mails that wait.
    pub(crate) async fn order_waiting(
        &self,
        who: &Who<'_>,
        which: &Waiting,
        order: &WaitingOrder,
    ) -> Result<Receipt, Fault> {
        if let WaitingOrder::Extend(by) = order
            && (by.is_zero() || *by > EXTEND_MAX)
        {
            let most = span(EXTEND_MAX);
            return Ok(Receipt::Refused(format!(
                "expected more than nothing and at most {most}"
            )));
        }
        let (queue, mut which) = match self.narrowed(who, which) {
            Ok(narrowed) => narrowed,
            Err(why) => return Ok(Receipt::Refused(why.into())),
        };
        if which.damaged && !matches!(order, WaitingOrder::Flush | WaitingOrder::Delete) {
            return Ok(Receipt::Refused(DAMAGED.into()));
        }
        (which.after, which.limit) = (None, None);
        let one = which.id.is_some();
        let held = match order {
            WaitingOrder::Flush if !which.damaged => held(queue, &which).await?,
            _ => Vec::new(),
        };
        let mut count = queue.order(&which, order.clone()).await?;
        // An id is that of one mail, whether or not it can be read.
        if count == 0 && one && !which.damaged {
            which.damaged = true;
            count = queue.order(&which, order.clone()).await?;
        }
        if count == 0 && one && held.is_empty() {
            which.damaged = true;
            if queue.list(&which).await?.iter().any(|mail| who.sees_waiting(mail)) {
                return Ok(Receipt::Refused(DAMAGED.into()));
            }
        }
        Ok(match count {
            0 if !held.is_empty() => Receipt::Refused(not_tried(&held)),
            0 if one => Receipt::Refused(
                "there is no such mail, or it is not yours, or it is being delivered at this moment".into(),
            ),
            0 => Receipt::Done(Change::shown(vec!["no such mail waits".into()])),
            count if held.is_empty() => done(vec![told(order, count)]),
            count => done(vec![told(order, count), not_tried(&held)]),
        })
    }
}

/// Of the mails that are meant, those that a person holds.
async fn held(queue: &dyn Queue, which: &Waiting) -> Result<Vec<WaitingId>, Fault> {
    let mut which = which.clone();
    which.limit = Some(FOUND_MAX);
    let found = queue.list(&which).await?;
    Ok(found.into_iter().filter(|mail| mail.held).map(|mail| mail.id).collect())
}

/// Of mail that is held, why it is not tried.
fn not_tried(held: &[WaitingId]) -> String {
    let ids: Vec<&str> = held.iter().take(NAMED).map(|id| &*id.0).collect();
    let more = match held.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "not tried, since held by hand (`gatepost queue hold --release`): {}{more}",
        ids.join(" ")
    )
}

/// What was done, in words.
fn told(order: &WaitingOrder, count: u64) -> String {
    let mails = match count {
        1 => "1 mail".into(),
        count => format!("{count} mails"),
    };
    match order {
        WaitingOrder::Flush if count == 1 => format!("tried now: {mails}"),
        WaitingOrder::Flush => format!(
            "tried now: {mails}, those of a domain one after the other; if its mail server is away, the first one finds that out \
             and the rest wait as before"
        ),
        WaitingOrder::Hold(true) => format!("held until somebody releases them: {mails}"),
        WaitingOrder::Hold(false) => format!("no longer held: {mails}"),
        WaitingOrder::Extend(by) => format!("given {} more: {mails}", span(*by)),
        WaitingOrder::Delete => format!("deleted, and nobody is told: {mails}"),
        WaitingOrder::Bounce => {
            format!("given up: {mails}; proven senders are told, what is left goes to the archive as undelivered")
        }
        _ => format!("done: {mails}"),
    }
}

/// As many of the mails as a page holds, and where it goes on.
fn page(found: impl Iterator<Item = WaitingMail>, limit: usize) -> Receipt {
    let (mut mails, mut octets) = (Vec::new(), 0);
    for mail in found {
        let recipients: usize = mail.recipients.iter().map(|to| to.len() + 3).sum();
        octets += recipients + mail.said.len() + mail.from.len() + 512;
        if mails.len() == limit || (octets > PAGE_MAX && !mails.is_empty()) {
            let next = mails.last().map(|last: &WaitingMail| last.id.0.to_string());
            return Receipt::Waiting(mails, next);
        }
        mails.push(mail);
    }
    Receipt::Waiting(mails, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(id: u32, recipients: usize) -> WaitingMail {
        let mut mail = WaitingMail::new(WaitingId(format!("{id:04}").into()), "d.example", 0, 0);
        mail.recipients = vec!["x".repeat(300); recipients];
        mail
    }

    fn ids(receipt: Receipt) -> (Vec<String>, Option<String>) {
        match receipt {
            Receipt::Waiting(mails, next) => (mails.iter().map(|mail| mail.id.to_string()).collect(), next),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_page_is_bounded_by_mails_and_by_octets_and_says_where_it_goes_on() {
        let all = |recipients| (1..=3).map(move |id| waits(id, recipients));
        assert_eq!(
            ids(page(all(1), 3)),
            (vec!["0001".into(), "0002".into(), "0003".into()], None)
        );
        assert_eq!(
            ids(page(all(1), 2)),
            (vec!["0001".into(), "0002".into()], Some("0002".into()))
        );
        // However large it is, one is told.
        assert_eq!(ids(page(all(50_000), 3)), (vec!["0001".into()], Some("0001".into())));
        assert_eq!(
            ids(page(all(10_000), 3)),
            (vec!["0001".into(), "0002".into()], Some("0002".into()))
        );
        assert_eq!(ids(page(std::iter::empty(), 3)), (Vec::new(), None));
    }
}
