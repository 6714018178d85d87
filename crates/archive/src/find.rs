//! Kept mail found and read.

use bytes::Bytes;
use gatepost_core::{Fault, KeptId, KeptMail, Message, Query};

use crate::facet;
use crate::id;
use crate::index;
use crate::inner::{Inner, unread};
use crate::read::{self, ReadError};
use crate::search::{self, Walk};

/// Heads that are read in one go on a thread.
const BATCH: usize = 100;

/// Whether a mail is what is asked for.
fn fits(query: &Query, mail: &KeptMail) -> bool {
    query
        .reason
        .as_ref()
        .is_none_or(|wanted| facet::normal(wanted) == facet::normal(&mail.reason))
        && query
            .transaction
            .as_ref()
            .is_none_or(|wanted| facet::normal(wanted) == facet::normal(&mail.transaction))
        && query
            .label
            .is_none_or(|wanted| mail.label.as_ref().is_some_and(|(label, _)| *label == wanted))
        && search::fits(
            query,
            mail.at,
            Some(&mail.from),
            mail.recipients.iter().map(String::as_str),
        )
}

impl Inner {
    /// A mail and its octets; not one whose time has come.
    pub async fn get(&self, id: &KeptId) -> Result<Option<(KeptMail, Message)>, Fault> {
        if !id::valid(&id.0) {
            return Ok(None);
        }
        let wanted = id.clone();
        let loaded = self.on_files(move |place| read::load(place, &wanted)).await?;
        let loaded = loaded.map_err(|error| unread(&error, id))?;
        let now = self.now();
        Ok(loaded
            .filter(|(head, _)| head.mail.until.is_none_or(|until| until > now))
            .map(|(head, message)| (head.mail, message)))
    }

    /// Mails, the newest first.
    pub async fn list(&self, query: &Query) -> Result<Vec<KeptMail>, Fault> {
        let mut to = query.before.map_or_else(Vec::new, id::before_time);
        if let Some(after) = &query.after {
            if !id::valid(after) {
                return Ok(Vec::new());
            }
            to = search::lower_end(to, after.as_bytes().to_vec());
        }
        let from = query.since.map_or_else(Vec::new, id::from_time);
        let (limit, now) = (search::limit(query), self.now());
        let mut found: Vec<KeptMail> = Vec::new();
        let wanted = facet::wanted(&self.seed, query);
        let mut walk = Walk::begin(self.index.store(), index::ALL, wanted, from, to).await?;
        while found.len() < limit
            && let Some(orders) = walk.next().await?
        {
            let mut rest = orders.as_slice();
            while !rest.is_empty() && found.len() < limit {
                let (some, behind) = rest.split_at(rest.len().min(BATCH).min(limit - found.len()));
                rest = behind;
                for (id, read) in self.heads(some).await? {
                    match read {
                        Ok(Some(mail)) if fits(query, &mail) && mail.until.is_none_or(|until| until > now) => {
                            found.push(mail);
                        }
                        Ok(Some(_)) => {}
                        Ok(None) => self.forget(walk.part(), &id).await?,
                        Err(ReadError::Io(error)) => return Err(crate::inner::disk(&error, "listing kept mail")),
                        Err(error) => {
                            tracing::warn!(%id, %error, "a kept mail is not listed, because its file cannot be read");
                        }
                    }
                }
            }
        }
        Ok(found)
    }

    async fn heads(&self, orders: &[Bytes]) -> Result<Vec<(KeptId, Result<Option<KeptMail>, ReadError>)>, Fault> {
        let ids: Vec<KeptId> = orders
            .iter()
            .filter_map(|order| std::str::from_utf8(order).ok())
            .filter(|id| id::valid(id))
            .map(|id| KeptId(id.into()))
            .collect();
        self.on_files(move |place| {
            ids.into_iter()
                .map(|id| {
                    let opened = read::open(place, &id);
                    (id, opened.map(|opened| opened.map(|opened| opened.head.mail)))
                })
                .collect()
        })
        .await
    }

    /// Drops what the index says of a mail that has no file, unless somebody is just working on it.
    pub async fn forget(&self, part: &[u8], id: &KeptId) -> Result<(), Fault> {
        let Some(_hold) = self.busy.try_hold(id) else {
            return Ok(());
        };
        let wanted = id.clone();
        if self.on_files(move |place| place.is_there(&wanted)).await? {
            return Ok(());
        }
        if let Some(sheet) = self.index.sheet(id).await? {
            self.records.scrub(&sheet.record).await?;
            self.index.remove(id, &sheet).await?;
        }
        self.index.remove_row(part, id.0.as_bytes()).await
    }
}
