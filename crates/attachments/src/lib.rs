//! The filter of attachments: which files a mail may carry, by name, content and declared type, however they are packed.
//!
//! Everything that any reader of the mail would find in it is looked at: each reading of each part, each file within a
//! container, each name in each way in which some system reads it. What is found is judged by levels (the lists of what is
//! blocked), rules of people and domains, lists of known files, and rules for what cannot be seen, acts by itself or hides.
//! It is a filter of danger: exempt mail is looked at, too, by a level of its own, and so is mail of our own people.
//!
//! **Invariant:** the time, the memory and the number of files are bounded, and what lies beyond a bound is a finding.
//! **Absent on purpose:** running or fetching anything, signatures of viruses (`gatepost-clamav`), and parsers
//! (`gatepost-message`, `gatepost-containers`).
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod enclosed;
pub mod glob;
pub mod hashes;
pub mod kinds;
pub mod levels;
pub mod look;
pub mod name;
pub mod opinion;
pub mod options;
pub mod pattern;
pub mod people;
pub mod policy;
pub mod rule;
mod sight;
pub mod words;

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};

use gatepost_core::Direction;
use gatepost_core::prelude::*;
use look::{Contents, How};
use opinion::Audience;
pub use options::Config;
use policy::Policy;
use tokio::sync::oneshot;
use words::Words;

/// A mail of so many octets that has nothing but text in it is looked at where the session is; any other on a thread.
const SMALL: u64 = 16 * 1_024;

/// The filter of attachments.
pub struct Attachments {
    policy: Policy,
    words: Words,
    how: How,
    time: Duration,
    services: Services,
}

fn is_one_of_us(cx: &Context<'_>) -> bool {
    cx.direction() == Direction::Outbound || cx.login().is_some()
}

impl Attachments {
    /// Looks at a mail, for so long as one may be looked at once a thread has time for it. That none has is a fault in the end
    /// (the filter's patience), and no mail in which little was found.
    async fn look(&self, message: &Arc<Message>) -> Result<Contents, Fault> {
        if message.len() <= SMALL
            && let Some(contents) = look::glance(message, &self.how)
        {
            return Ok(contents);
        }
        let over = Arc::new(AtomicBool::new(false));
        let (held, how, late) = (Arc::clone(message), self.how, Arc::clone(&over));
        let (begins, begun) = oneshot::channel();
        let work = self.services.compute.run(move |budget| {
            // Nobody waits for it any more where this fails, and the budget is spent.
            let _ = begins.send(());
            look::look(&held, &how, &|| late.load(Ordering::Relaxed) || budget.is_spent())
        });
        let mut work = pin!(work);
        tokio::select! {
            biased;
            contents = &mut work => return contents,
            // The time begins with the look: who waits for a thread has not been looked at, and waits as long as may be.
            _ = begun => {}
        }
        match tokio::time::timeout(self.time, &mut work).await {
            Ok(contents) => contents,
            Err(_) => {
                // What was seen by now counts, and that there is more is a finding of its own.
                over.store(true, Ordering::Relaxed);
                work.await
            }
        }
    }

    /// Who fares how: one audience where nobody has rules.
    fn audiences(&self, cx: &Context<'_>, outbound: bool) -> Vec<Audience> {
        let people = &self.policy.people;
        let Some(envelope) = cx.envelope().filter(|_| !people.is_empty()) else {
            let (who, people) = (Vec::new(), Vec::new());
            return vec![Audience { who, people }];
        };
        let rules = |path: &Path| {
            path.mailbox()
                .map(|address| people.of(&address.to_string()))
                .unwrap_or_default()
        };
        if outbound {
            let (who, people) = (Vec::new(), rules(&envelope.from));
            return vec![Audience { who, people }];
        }
        let recipients = envelope.recipients.iter();
        opinion::audiences(recipients.map(|recipient| (recipient.id, rules(&recipient.path))))
    }
}

#[async_trait]
impl Filter for Attachments {
    async fn message(&self, cx: &Context<'_>, message: &Arc<Message>) -> Result<Opinion, Fault> {
        let outbound = is_one_of_us(cx);
        let contents = self.look(message).await?;
        let audiences = self.audiences(cx, outbound);
        Ok(opinion::of(&self.policy, &self.words, &contents, outbound, &audiences))
    }
}

impl FilterKind for Attachments {
    const NAME: &'static str = "attachments";
    const ABOUT: &'static str =
        "Which files a mail may carry, by name, content and declared type, however they are packed";
    const PHASES: Phases = Phases::MESSAGE;
    const CONCERN: Concern = Concern::Danger;
    const MAY: Wishes = Wishes::REJECT.and(Wishes::HOLD).and(Wishes::EDIT);
    type Config = Config;

    fn build(config: Config, services: &Services) -> Result<Attachments, BuildError> {
        Ok(Attachments {
            policy: config.policy()?,
            words: config.words()?,
            how: config.how()?,
            time: config.time.0,
            services: services.clone(),
        })
    }
}

gatepost_core::inventory::submit! { Entry::of::<Attachments>() }
