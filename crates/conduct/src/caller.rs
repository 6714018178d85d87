//! Who is calling, as far as DNS and proofs tell: reverse name, HELO, the sender's domain, a sender of ours.
//!
//! **Invariant:** trouble of DNS, or of whoever proves, is nobody's fault: nothing is found then. All is asked at once.

use gatepost_core::{Context, Dns, Domain, Fault, Path, Reverse, Site, SpfResult};

use crate::mailable::{self, Mailable};
use crate::network::is_public;
use crate::traits::Trait;
use crate::{helo, hostname};

/// A trait, and what exactly was seen.
pub type Seen = (Trait, String);

/// What there is to notice when the sender is named.
pub async fn at_mail(cx: &Context<'_>, from: &Path, dns: &dyn Dns, site: &Site) -> Vec<Seen> {
    let (line, sender) = futures_util::future::join(line(cx, dns, site), sender(cx, from, dns, site)).await;
    line.into_iter().chain(sender).collect()
}

/// What the reverse name says, and then what the client calls itself. Addresses that are in nobody's DNS say nothing.
async fn line(cx: &Context<'_>, dns: &dyn Dns, site: &Site) -> Vec<Seen> {
    let origin = cx.origin();
    if !is_public(origin) {
        return Vec::new();
    }
    let reverse = cx.reverse().await;
    let mut seen: Vec<Seen> = reverse
        .as_ref()
        .ok()
        .into_iter()
        .flat_map(|reverse| of_reverse(reverse, cx))
        .collect();
    let confirmed = reverse.as_ref().ok().filter(|reverse| reverse.confirmed);
    let confirmed = confirmed.and_then(|reverse| reverse.name.as_deref());
    if let Some(name) = cx.helo().and_then(|helo| helo::asked(&helo.name))
        && let Some(what) = helo::by_dns(dns, name, origin, confirmed, site).await
    {
        // Whose reverse name could not be asked for may be what it says.
        if reverse.is_ok() {
            seen.push((what, name.to_owned()));
        }
    }
    seen
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

async fn sender(cx: &Context<'_>, from: &Path, dns: &dyn Dns, site: &Site) -> Option<Seen> {
    let mailbox = from.mailbox()?;
    if site.is_local(mailbox.domain()) {
        return (!may_be_ours(cx.spf().await.map(|spf| spf.result)))
            .then(|| (Trait::ForgedSender, mailbox.to_string()));
    }
    let Domain::Name(_) = mailbox.domain() else { return None };
    let domain = mailbox.domain().key();
    match mailable::ask(dns, &domain).await {
        Mailable::Never => Some((Trait::NullMx, domain.to_string())),
        Mailable::Nowhere => Some((Trait::SenderDomain, domain.to_string())),
        Mailable::Yes | Mailable::Unknown => None,
    }
}

/// Whether SPF says, or might say, that it is our own mail.
fn may_be_ours(spf: Result<SpfResult, Fault>) -> bool {
    matches!(spf, Ok(SpfResult::Pass | SpfResult::TempError) | Err(_))
}

/// Whether an author of ours is nobody who proves to be: no aligned identity, and no SPF pass for the author's domain.
pub async fn is_forged_author(cx: &Context<'_>, author: &gatepost_core::Address, site: &Site) -> bool {
    use gatepost_core::DmarcResult;
    if !site.is_local(author.domain()) {
        return false;
    }
    let Ok(identity) = cx.identity().await else {
        return false;
    };
    if identity.aligned || identity.dmarc == DmarcResult::TempError {
        return false;
    }
    let same = cx
        .envelope()
        .and_then(|envelope| envelope.from.mailbox())
        .is_some_and(|sender| sender.domain().key() == author.domain().key());
    !(same && may_be_ours(cx.spf().await.map(|spf| spf.result)))
}
