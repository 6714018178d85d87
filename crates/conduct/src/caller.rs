//! Who is calling, as far as DNS and proofs tell: reverse name, HELO, the sender's domain, a sender of ours.
//!
//! **Invariants:** trouble of DNS, or of whoever proves, is nobody's fault: nothing is found then. All is asked at once,
//! and what is not answered within the patience is as good as trouble: who answers slowly for a name of his own loses
//! nobody what else was found.

use std::time::Duration;

use gatepost_core::network::is_public;
use gatepost_core::{Address, Context, DmarcResult, Dns, Domain, Fault, Path, Reverse, Site, SpfResult};

use crate::helo::{self, Answer};
use crate::hostname;
use crate::mailable::{self, Mailable};
use crate::pools::Pools;
use crate::traits::Trait;

/// A trait, and what exactly was seen.
pub type Seen = (Trait, String);

/// What is asked, and for how long.
pub struct Inquiry<'a> {
    /// DNS.
    pub dns: &'a dyn Dns,
    /// What is ours.
    pub site: &'a Site,
    /// How long an answer may take.
    pub patience: Duration,
}

const SLOW: Fault = Fault::Unavailable("no answer in time");

impl Inquiry<'_> {
    async fn within<T>(&self, asked: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        tokio::time::timeout(self.patience, asked).await.unwrap_or(Err(SLOW))
    }

    /// What there is to notice when the sender is named.
    pub async fn at_mail(&self, cx: &Context<'_>, from: &Path) -> Vec<Seen> {
        let (line, sender) = futures_util::future::join(self.line(cx), self.sender(cx, from)).await;
        line.into_iter().chain(sender).collect()
    }

    /// What the reverse name says, and what the client calls itself. Addresses that are in nobody's DNS say nothing.
    async fn line(&self, cx: &Context<'_>) -> Vec<Seen> {
        let origin = cx.origin();
        if !is_public(origin) {
            return Vec::new();
        }
        let name = cx.helo().and_then(|helo| helo::asked(&helo.name));
        let answer = async {
            let asked = helo::ask(self.dns, name?, origin, self.site);
            let answer: Option<Answer> = self.within(async { Ok(asked.await) }).await.ok()?;
            answer
        };
        let (reverse, answer) = futures_util::future::join(self.within(cx.reverse()), answer).await;
        // Whose reverse name could not be asked for may be what it says.
        let Ok(reverse) = reverse else { return Vec::new() };
        let confirmed = reverse.name.as_deref().filter(|_| reverse.confirmed);
        let helo = name.zip(answer).and_then(|(name, answer)| {
            let what = helo::by_dns(name, answer, confirmed, self.site)?;
            Some((what, name.to_owned()))
        });
        of_reverse(&reverse, cx).into_iter().chain(helo).collect()
    }

    async fn sender(&self, cx: &Context<'_>, from: &Path) -> Option<Seen> {
        let mailbox = from.mailbox()?;
        if self.site.is_local(mailbox.domain()) {
            return (!self.spf_may_pass(cx).await).then(|| (Trait::ForgedSender, mailbox.to_string()));
        }
        let Domain::Name(_) = mailbox.domain() else { return None };
        let domain = mailbox.domain().key();
        let asked = async { Ok(mailable::ask(self.dns, &domain).await) };
        match self.within(asked).await.ok()? {
            Mailable::Never => Some((Trait::NullMx, domain.to_string())),
            Mailable::Nowhere => Some((Trait::SenderDomain, domain.to_string())),
            Mailable::Yes | Mailable::Unknown => None,
        }
    }

    /// Whether SPF says, or might say, that the envelope sender is no forgery.
    async fn spf_may_pass(&self, cx: &Context<'_>) -> bool {
        let spf = self.within(cx.spf()).await.map(|spf| spf.result);
        matches!(spf, Ok(SpfResult::Pass | SpfResult::TempError) | Err(_))
    }

    /// Whether the client is of a pool, or might be: its reverse name leads back, or an SPF record authorises it, and that
    /// name is of one. Where DNS has trouble it may be.
    pub async fn may_be_pooled(&self, cx: &Context<'_>, pools: &Pools) -> bool {
        if pools.is_empty() {
            return false;
        }
        let (reverse, spf) = futures_util::future::join(self.within(cx.reverse()), self.within(cx.spf())).await;
        let (Ok(reverse), Ok(spf)) = (reverse, spf) else {
            return true;
        };
        let confirmed = reverse.name.filter(|_| reverse.confirmed);
        let authority = spf.authorised_by.filter(|_| spf.result == SpfResult::Pass);
        spf.result == SpfResult::TempError
            || confirmed.is_some_and(|name| pools.has(&name))
            || authority.is_some_and(|domain| pools.has(&domain.key()))
    }

    /// Whether an author of ours is nobody who proves to be: no aligned identity, and no SPF pass for the author's domain.
    pub async fn is_forged(&self, cx: &Context<'_>, author: &Address) -> bool {
        if !self.site.is_local(author.domain()) {
            return false;
        }
        let Ok(identity) = self.within(cx.identity()).await else {
            return false;
        };
        if identity.aligned || identity.dmarc == DmarcResult::TempError {
            return false;
        }
        let sender = cx.envelope().and_then(|envelope| envelope.from.mailbox());
        let same = sender.is_some_and(|sender| sender.domain().key() == author.domain().key());
        !(same && self.spf_may_pass(cx).await)
    }
}

fn of_reverse(reverse: &Reverse, cx: &Context<'_>) -> Vec<Seen> {
    let Some(name) = &reverse.name else {
        return vec![(Trait::NoReverse, cx.origin().to_string())];
    };
    let unconfirmed = (!reverse.confirmed).then_some(Trait::ReverseUnconfirmed);
    let generic = hostname::is_generic(name, cx.origin()).then_some(Trait::ReverseGeneric);
    unconfirmed
        .into_iter()
        .chain(generic)
        .map(|what| (what, name.to_string()))
        .collect()
}
