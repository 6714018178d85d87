//! Releasing kept mail: one delivery to one recipient, however often it is asked for, and a welcome for its sender where
//! that is wanted.
//!
//! **Invariant:** what was perhaps delivered is not delivered again unless somebody says so; what was found dangerous was
//! not delivered, and may be asked for again.

use gatepost_core::{
    Address, Change, Fault, KeptId, KeptMail, List, Login, Path, Query, Reach, Receipt, RecipientRecord, Released,
    Request, Time,
};

use crate::claim::{self, Claimed};
use crate::desk::{FrontDesk, done, no_such_mail};
use crate::rights::{Who, address};

/// The most recipients that are named to choose from.
const NAMED: usize = 20;

/// What somebody wants released.
pub(crate) struct Wanted<'a> {
    /// The mail.
    pub id: &'a KeptId,
    /// To whom; whoever asks where nobody is named.
    pub to: Option<&'a str>,
    /// Even if it was delivered before, or perhaps was.
    pub again: bool,
    /// And put its sender on the recipient's list of welcome ones.
    pub welcome: bool,
}

impl FrontDesk {
    /// Has a kept mail delivered.
    pub(crate) async fn release(
        &self,
        who: &Who<'_>,
        by: &Login,
        wanted: Wanted<'_>,
        now: Time,
    ) -> Result<Receipt, Fault> {
        let Wanted { id, to, again, welcome } = wanted;
        let Some((mail, _)) = self.theirs(who, id).await? else {
            return Ok(no_such_mail());
        };
        let recipient = match recipient(who, &mail, to) {
            Ok(recipient) => recipient,
            Err(why) => return Ok(Receipt::Refused(why)),
        };
        let hash = self
            .means
            .seed
            .hash(&[b"release", id.0.as_bytes(), recipient.key().as_bytes()]);
        let key = [b"release".as_slice(), &hash.to_be_bytes()].concat();
        match claim::claim(&self.means.store, &key, again, now).await? {
            Claimed::Done => {
                let mut lines = vec![format!(
                    "it was delivered to {recipient} within the last day; where it is wanted once more, say so: \
                     `--again` on the command line"
                )];
                if !welcome {
                    return Ok(Receipt::Done(Change::shown(lines)));
                }
                lines.extend(self.welcome(who, by, &mail, &recipient, now).await);
                return Ok(done(lines));
            }
            Claimed::Begun => {
                return Ok(Receipt::Failed(
                    "it is being delivered; ask again in some minutes".into(),
                ));
            }
            Claimed::Perhaps => {
                return Ok(Receipt::Refused(format!(
                    "the mail server was lost when it had the mail, so {recipient} may have it: look there, and ask for it \
                     to be delivered again where it is missing"
                )));
            }
            Claimed::Ours => {}
        }
        match self.means.post.release(id, &recipient, by).await {
            Ok(Released::Delivered) => {
                claim::done(&self.means.store, &key, now).await?;
                self.note_release(&mail, &recipient, now).await;
                let mut lines = vec![format!("delivered to {recipient}")];
                if welcome || self.terms().release_welcomes {
                    lines.extend(self.welcome(who, by, &mail, &recipient, now).await);
                }
                Ok(done(lines))
            }
            Ok(Released::Dangerous(why)) => {
                claim::give_back(&self.means.store, &key, now).await?;
                Ok(Receipt::Refused(why))
            }
            Err(fault @ Fault::Unsure(_)) => {
                claim::perhaps(&self.means.store, &key, now).await?;
                Err(fault)
            }
            Err(fault) => {
                claim::give_back(&self.means.store, &key, now).await?;
                Err(fault)
            }
        }
    }

    /// Writes into the record of a mail that it was delivered now, so that nobody is told that it was blocked. It is there, in
    /// any case.
    async fn note_release(&self, mail: &KeptMail, to: &Address, now: Time) {
        let mut query = Query::default();
        (query.transaction, query.limit) = (Some(mail.transaction.clone()), Some(1));
        let noted = async {
            let found = self.means.kept.records(&query).await?;
            let Some(mut record) = found.into_iter().find(|record| record.id == mail.transaction) else {
                return Ok(());
            };
            let is = |row: &&mut RecipientRecord| address(&row.to).is_some_and(|own| own.key() == to.key());
            match record.recipients.iter_mut().find(is) {
                Some(row) => row.released = Some(now.millis()),
                None => return Ok(()),
            }
            self.means.kept.record(&record).await
        };
        let noted: Result<(), Fault> = noted.await;
        if let Err(fault) = noted {
            tracing::warn!(id = mail.transaction, %fault, "that a mail was released is not in its record");
        }
    }

    /// Puts the sender of a mail that was delivered on its recipient's list, and says how that went: the mail is there, in
    /// any case.
    async fn welcome(&self, who: &Who<'_>, by: &Login, mail: &KeptMail, to: &Address, now: Time) -> Vec<String> {
        let sender = Path::reverse(&mail.from, true).ok();
        let Some(sender) = sender.as_ref().and_then(Path::mailbox) else {
            return vec!["it has no sender that could be welcomed".into()];
        };
        let add = Request::Add {
            list: List::Allow,
            reach: Reach::Person(to.to_string()),
            entries: vec![sender.to_string()],
        };
        if let Err(why) = who.may(&add) {
            return vec![format!("its sender is not welcomed: {why}")];
        }
        // A line of its own in the audit, as of whoever asks for this alone.
        let receipt = self.written_down(by, &add, now, self.offer(by, &add, now)).await;
        match receipt {
            Ok(Some(Receipt::Done(Change { lines, .. }))) => lines,
            Ok(_) => vec!["its sender is not welcomed: no filter here keeps lists".into()],
            Err(fault) => vec![format!("its sender is not welcomed: {fault}")],
        }
    }
}

/// The recipient to deliver to: the one that is named, or the only one that is theirs.
fn recipient(who: &Who<'_>, mail: &KeptMail, named: Option<&str>) -> Result<Address, String> {
    let kept_for: Vec<Address> = mail.recipients.iter().filter_map(|to| address(to)).collect();
    let theirs = |to: &&Address| who.sees(&to.to_string());
    match named {
        Some(named) => {
            let wanted = address(named).ok_or_else(|| format!("`{named}` is no address"))?;
            let found = kept_for.iter().filter(theirs).find(|to| to.key() == wanted.key());
            found.cloned().ok_or_else(|| format!("it was not sent to {wanted}"))
        }
        None => {
            let own: Vec<&Address> = kept_for.iter().filter(|to| who.is(to)).collect();
            let all: Vec<&Address> = kept_for.iter().filter(theirs).collect();
            match (own.as_slice(), all.as_slice()) {
                ([only], _) | ([], [only]) => Ok((*only).clone()),
                (_, []) => Err("none of its recipients can be delivered to".into()),
                (_, all) => {
                    let names: Vec<String> = all.iter().take(NAMED).map(ToString::to_string).collect();
                    Err(format!(
                        "it has several recipients, name one of them: {}",
                        names.join(", ")
                    ))
                }
            }
        }
    }
}
