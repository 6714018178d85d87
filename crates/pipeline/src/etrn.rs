//! ETRN (RFC 1985): a customer's mail server that is back asks for the mail that waits for it.
//!
//! **Invariant:** who may not ask for a domain's mail makes us send none of it, and does not learn whether any waits.
//! **Absent on purpose:** named queues (`#name`): mail waits by domain.

use std::net::IpAddr;
use std::time::Duration;

use gatepost_core::smtp::Etrn;
use gatepost_core::{Enhanced, Fault, Queue, Reply, Waiting, WaitingOrder};

use crate::pipeline::Pipeline;
use crate::refusal;
use crate::run::guarded;

/// Whether a client may ask for the mail of a domain, in lower case.
pub type MayAsk = dyn Fn(&str, IpAddr) -> bool + Send + Sync;

/// The most domains that one `@domain` means.
const DOMAINS_MAX: usize = 1_000;
/// How long the queue may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers ETRN.
pub async fn answer(pipeline: &Pipeline, client: IpAddr, whose: &Etrn) -> Reply {
    let may = |domain: &&str| pipeline.may_etrn(domain, client);
    let (name, domains): (&str, Vec<&str>) = match whose {
        Etrn::Queue(_) => return refusal::NO_QUEUE,
        Etrn::Domain(name) => (name, [&**name].into_iter().filter(may).collect()),
        Etrn::Below(name) => {
            let all = pipeline.routes().at_or_below(name).filter(may);
            (name, all.take(DOMAINS_MAX).collect())
        }
    };
    if domains.is_empty() {
        return refusal::NOT_YOUR_MAIL;
    }
    let Some(queue) = &pipeline.services().queue else {
        return refusal::NO_QUEUE;
    };
    match guarded(PATIENCE, start(&**queue, &domains)).await {
        Ok((0, _)) => told(251, format!("No mail waits for {name}")),
        Ok((_, 0)) => told(250, format!("Mail for {name} is on its way, or held")),
        Ok((_, count)) => {
            tracing::info!(%client, domain = name, count, "a mail server asks for the mail that waits for it");
            told(253, format!("{count} waiting mails for {name} are tried now"))
        }
        Err(fault) => {
            tracing::error!(%client, domain = name, %fault, "the queue could not be told that a mail server asks for its mail");
            refusal::QUEUE_AWAY
        }
    }
}

fn told(code: u16, text: String) -> Reply {
    Reply::new(code, Some(Enhanced(2, 0, 0)), text)
}

/// Tries the mail of domains: how much waits, and how much of it is tried now.
async fn start(queue: &dyn Queue, domains: &[&str]) -> Result<(u64, u64), Fault> {
    let (mut waits, mut tried) = (0, 0);
    for domain in domains {
        let depth = queue.depth(Some(domain)).await?;
        if depth.mails > 0 {
            waits += depth.mails;
            let mut which = Waiting::default();
            which.domain = Some((*domain).into());
            tried += queue.order(&which, WaitingOrder::Flush).await?;
        }
    }
    Ok((waits, tried))
}
