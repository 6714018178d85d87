//! From what lists say of a sender to what the filter says of a mail: pure functions.
//!
//! **Order:** within one owner's lists the narrowest entry speaks (the address, the domain, the nearest `@*.domain`), and
//! networks apart from names. Among owners, and between names and networks, a deny outweighs an allow.

use gatepost_core::prelude::*;
use gatepost_core::{DmarcResult, Identity, List, Source, SpfResult};

use crate::lists::{Found, Word};

const DENIED: Tag = Tag::new("whitelist.denied");
const DENIED_AUTHOR: Tag = Tag::new("whitelist.denied_author");
const ALLOWED: Tag = Tag::new("whitelist.allowed");
const NETWORK: Tag = Tag::new("whitelist.network");
const REFUTED: Tag = Tag::new("whitelist.refuted");
const PROVEN: Tag = Tag::new("whitelist.proven");
const UNPROVEN: Tag = Tag::new("whitelist.trusted_unproven");
const CONTACT: Tag = Tag::new("whitelist.contact");

/// What a person's refusal looks like to the sender: not like a person's list.
const UNAVAILABLE: Reply = Reply::fixed(550, Enhanced(5, 2, 1), "Mailbox unavailable");
const NOT_AT_THIS_DOMAIN: Reply = Reply::fixed(550, Enhanced(5, 7, 1), "This domain does not accept mail from you");
const NOT_AT_THIS_SITE: Reply = Reply::fixed(550, Enhanced(5, 7, 1), "This site does not accept mail from you");

/// What all lists together say of a sender, for one recipient.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Standpoint {
    /// Not welcome.
    pub denied: Option<Found>,
    /// Welcome from this network, whoever it says it is.
    pub network: Option<Found>,
    /// Welcome by name, if it is who it says it is.
    pub name: Option<Found>,
}

impl Standpoint {
    /// The standpoint that words make, the widest owner's first.
    pub fn of(words: &[Word]) -> Standpoint {
        let mut all = Standpoint::default();
        for (n, word) in words.iter().enumerate() {
            for found in [&word.name, &word.network].into_iter().flatten() {
                if found.list == List::Deny {
                    all.denied.get_or_insert_with(|| found.clone());
                }
            }
            let allows = |found: &&Found| found.list == List::Allow;
            if let Some(found) = word.network.as_ref().filter(allows) {
                all.network = Some(found.clone());
            }
            // What was learned for many does not hold for one who took it off.
            let taken_off = words.iter().skip(n).any(|narrower| narrower.removed);
            let holds = |found: &&Found| found.source != Source::Learned || !taken_off;
            if let Some(found) = word.name.as_ref().filter(allows).filter(holds) {
                all.name = Some(found.clone());
            }
        }
        if all.denied.is_some() {
            (all.network, all.name) = (None, None);
        }
        all
    }
}

fn note(who: &str, found: &Found) -> String {
    let list = if found.list == List::Deny { "deny" } else { "allow" };
    let learned = match found.source {
        Source::Learned => ", learned",
        _ => "",
    };
    format!(
        "{who}: {} on the {list} list of {}{learned}",
        found.pattern, found.owner
    )
}

fn remark(tag: Tag, scope: Scope, note: String) -> Finding {
    weighing(tag, Score::ZERO, scope, note)
}

fn weighing(tag: Tag, points: Score, scope: Scope, note: String) -> Finding {
    let finding = Finding::new(tag, Evidence::Points(points), note);
    match scope {
        Scope::Everyone => finding,
        Scope::Only(who) => finding.only(who),
    }
}

fn refusal(found: &Found) -> Wish {
    if found.owner.is_person() {
        Wish::Deny(UNAVAILABLE)
    } else if found.owner.is_site() {
        Wish::Reject(NOT_AT_THIS_SITE)
    } else {
        Wish::Reject(NOT_AT_THIS_DOMAIN)
    }
}

/// What is said at RCPT. `spf` is what SPF says, asked only where [`Standpoint::name`] is some; a fault of it is no
/// failure of the sender's.
pub fn at_rcpt(stand: &Standpoint, who: RecipientId, spf: SpfResult) -> Opinion {
    let scope = Scope::Only(who);
    let say = |tag, note: String, wish| {
        Opinion::none()
            .with(remark(tag, scope, note))
            .wish_for(scope, Standing::Any, wish)
    };
    if let Some(found) = &stand.denied {
        return say(DENIED, note("sender", found), refusal(found));
    }
    // The connection itself proves the address.
    if let Some(found) = &stand.network {
        return say(NETWORK, note("client", found), Wish::Exempt);
    }
    match &stand.name {
        None => Opinion::none(),
        Some(found) if spf == SpfResult::Fail => {
            Opinion::none().with(remark(REFUTED, scope, format!("{}; SPF fails", note("sender", found))))
        }
        Some(found) => say(ALLOWED, note("sender", found), Wish::Spare),
    }
}

/// How far the author is proven.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Proof {
    /// The author's domain is proven, aligned.
    Proven,
    /// SPF or DMARC say that it is forged.
    Refuted,
    /// Neither.
    Unproven,
    /// Nobody looks for proofs here.
    NobodyLooks,
}

impl Proof {
    /// The proof of a mail whose From header names `author`.
    pub fn of(identity: &Identity, spf: SpfResult, author: Option<&str>) -> Proof {
        let proven = identity.proven_author().and_then(crate::entry::address_key);
        if proven.is_some() && proven.as_deref() == author {
            Proof::Proven
        } else if spf == SpfResult::Fail || identity.dmarc == DmarcResult::Fail {
            Proof::Refuted
        } else if identity.dmarc == DmarcResult::Unknown && identity.proven.is_empty() {
            Proof::NobodyLooks
        } else {
            Proof::Unproven
        }
    }
}

/// What lists say about a whole mail, for one recipient.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// The recipient.
    pub who: RecipientId,
    /// Of the author in the From header.
    pub author: Standpoint,
    /// Of the envelope sender, where that is another.
    pub sender: Standpoint,
}

impl Row {
    /// An entry that may count if it is proven, and who it is about.
    pub fn welcome(&self) -> Option<(&'static str, &Found)> {
        if self.author.denied.is_some() || self.sender.denied.is_some() {
            return None;
        }
        let author = self.author.name.as_ref().map(|found| ("author", found));
        author.or_else(|| self.sender.name.as_ref().map(|found| ("sender", found)))
    }
}

/// What the operator made of it.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a> {
    /// Points for a contact who is not proven.
    pub contact: Score,
    /// Points for an author whom some recipients denied, for those.
    pub denied_author: Score,
    /// Whether a contact is exempt where nobody looks for proofs.
    pub trust_unproven: bool,
    /// Entries that count without a proof, as they are kept.
    pub unproven: &'a [String],
}

/// What is said when the message is there; `spf` is what SPF says of the envelope sender. What concerns all recipients
/// alike is said once.
pub fn at_message(rows: &[Row], proof: Proof, spf: SpfResult, weights: Weights<'_>) -> Opinion {
    let denied_by_all = !rows.is_empty() && rows.iter().all(|row| row.author.denied.is_some());
    let said: Vec<_> = rows
        .iter()
        .map(|row| (row.who, of_row(row, proof, spf, weights, denied_by_all)))
        .collect();
    let first = said.first().and_then(|(_, saying)| saying.clone());
    if first.is_some() && said.iter().all(|(_, saying)| *saying == first) {
        return first.map_or(Opinion::none(), |saying| {
            saying.add_to(Opinion::none(), Scope::Everyone)
        });
    }
    said.into_iter()
        .fold(Opinion::none(), |opinion, (who, saying)| match saying {
            Some(saying) => saying.add_to(opinion, Scope::Only(who)),
            None => opinion,
        })
}

/// One thing to say.
#[derive(Clone, PartialEq, Debug)]
struct Saying {
    tag: Tag,
    points: Score,
    note: String,
    wish: Option<Wish>,
}

impl Saying {
    fn add_to(self, opinion: Opinion, scope: Scope) -> Opinion {
        let opinion = opinion.with(weighing(self.tag, self.points, scope, self.note));
        match self.wish {
            Some(wish) => opinion.wish_for(scope, Standing::Any, wish),
            None => opinion,
        }
    }
}

fn of_row(row: &Row, proof: Proof, spf: SpfResult, weights: Weights<'_>, denied_by_all: bool) -> Option<Saying> {
    let saying = |tag, points, note, wish| {
        Some(Saying {
            tag,
            points,
            note,
            wish,
        })
    };
    if let Some(found) = &row.author.denied {
        // One reply goes to all recipients: refusing it for some would need a copy kept for them, and a site without an
        // archive could never accept the mail for the others.
        let note = note("author", found);
        return match denied_by_all {
            true => saying(DENIED, Score::ZERO, note, Some(refusal(found))),
            false => saying(DENIED_AUTHOR, weights.denied_author, note, None),
        };
    }
    if let Some(found) = row.author.network.as_ref().or(row.sender.network.as_ref()) {
        return saying(NETWORK, Score::ZERO, note("client", found), Some(Wish::Exempt));
    }
    let (who, found) = row.welcome()?;
    let note = note(who, found);
    // What proves the author proves nothing of a sender whose domain says that it is forged.
    if row.author.name.is_none() && spf == SpfResult::Fail {
        return saying(REFUTED, Score::ZERO, format!("{note}; SPF fails"), None);
    }
    match proof {
        Proof::Proven if row.author.name.is_some() => saying(PROVEN, Score::ZERO, note, Some(Wish::Exempt)),
        Proof::Refuted => saying(REFUTED, Score::ZERO, format!("{note}; SPF or DMARC fails"), None),
        _ if weights.unproven.contains(&found.pattern) => saying(UNPROVEN, Score::ZERO, note, Some(Wish::Exempt)),
        Proof::NobodyLooks if weights.trust_unproven => saying(UNPROVEN, Score::ZERO, note, Some(Wish::Exempt)),
        _ => saying(CONTACT, weights.contact, note, None),
    }
}
