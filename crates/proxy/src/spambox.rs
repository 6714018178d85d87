//! Copies of what was refused, for the mailboxes that gather it.
//!
//! **Invariants:** a copy goes out only after a 5xx for content that the archive has kept (or after a 250 for what is held,
//! where its level says so), never for a 4xx or for an answer that nobody was there to hear, since such mail comes again;
//! never of what is dangerous or denied; and nothing here holds up an answer or another observer. At most [`BOUND`] copies wait, [`AT_ONCE`] are delivered at a time, each with a time limit. One that
//! cannot be sent is told by an alarm and stays in the archive.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use gatepost_core::{
    Address, Alarms, Direction, End, Fault, Kept, KeptId, Message, Observer, Post, RecipientRecord, Record, async_trait,
};
use gatepost_pipeline::Policy;
use gatepost_pipeline::run::guarded;
use metrics::counter;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

/// The most copies that wait or are under way; what is refused beyond that is in the archive only.
const BOUND: usize = 1_000;
/// How many are delivered at a time.
const AT_ONCE: usize = 4;
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The kind of the alarm where copies cannot be sent.
const ALARM: &str = "spambox";

/// Sends the copies that the policy asks for.
pub struct Gatherer {
    means: Arc<Means>,
    policy: ArcSwap<Policy>,
    places: Arc<Semaphore>,
    hands: Arc<Semaphore>,
    under_way: TaskTracker,
}

struct Means {
    kept: Arc<dyn Kept>,
    post: Arc<dyn Post>,
    alarms: Arc<dyn Alarms>,
}

/// A copy that may be wanted.
#[derive(Clone, PartialEq, Debug)]
struct Errand {
    id: KeptId,
    meant_for: Address,
    /// Where it goes if the mail was refused.
    refused: Option<Address>,
    /// Where it goes if it is held.
    held: Option<Address>,
}

impl Gatherer {
    /// One that sends nothing until it knows a policy.
    pub fn new(kept: Arc<dyn Kept>, post: Arc<dyn Post>, alarms: Arc<dyn Alarms>) -> Gatherer {
        Gatherer {
            means: Arc::new(Means { kept, post, alarms }),
            policy: ArcSwap::default(),
            places: Arc::new(Semaphore::new(BOUND)),
            hands: Arc::new(Semaphore::new(AT_ONCE)),
            under_way: TaskTracker::new(),
        }
    }

    /// From now on by this policy.
    pub fn publish(&self, policy: Policy) {
        self.policy.store(Arc::new(policy));
    }

    /// Waits until all copies so far are sent, or have failed.
    pub async fn drained(&self) {
        self.under_way.close();
        self.under_way.wait().await;
        self.under_way.reopen();
    }

    fn begin(&self, errand: Errand) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            counter!("gatepost_spambox_copies_total", "result" => "dropped").increment(1);
            let why = format!(
                "more than {BOUND} copies wait for the mail server; what is refused now is in the archive only"
            );
            self.means.alarms.raise(ALARM, "copies", &why);
            return;
        };
        let (means, hands) = (Arc::clone(&self.means), Arc::clone(&self.hands));
        self.under_way.spawn(async move {
            let _place = place;
            // The semaphore is never closed.
            let Ok(_hand) = hands.acquire().await else { return };
            let result = match guarded(PATIENCE, means.send(&errand)).await {
                Ok(false) => return,
                Ok(true) => {
                    means.alarms.over(ALARM, "copies");
                    "sent"
                }
                Err(fault) => {
                    tracing::warn!(kept = %errand.id, meant_for = %errand.meant_for, %fault, "a copy could not be sent");
                    let why = format!("copies of refused mail cannot be sent, and are in the archive only: {fault}");
                    means.alarms.raise(ALARM, "copies", &why);
                    "failed"
                }
            };
            counter!("gatepost_spambox_copies_total", "result" => result).increment(1);
        });
    }
}

impl Means {
    /// Sends it, if it was kept for a reason for which copies are sent; whether it was.
    async fn send(&self, errand: &Errand) -> Result<bool, Fault> {
        let Some((mail, _)) = self.kept.get(&errand.id).await? else {
            // Somebody deleted it meanwhile.
            return Ok(false);
        };
        let to = match mail.reason.as_str() {
            "refused" => &errand.refused,
            "held" => &errand.held,
            _ => &None,
        };
        match to {
            Some(to) => self.post.copy(&errand.id, &errand.meant_for, to).await.map(|()| true),
            None => Ok(false),
        }
    }
}

/// The copy of a recipient's mail that may be wanted.
fn errand(policy: &Policy, row: &RecipientRecord) -> Option<Errand> {
    if !matches!(row.fate.as_str(), "refuse" | "hold") {
        return None;
    }
    let id = KeptId(row.went.as_deref()?.strip_prefix("kept:")?.into());
    let meant_for = Address::parse(&row.to, true).ok()?;
    let rules = policy.of(&meant_for);
    let address = |held| rules.spambox(row.level, held)?.address(&meant_for);
    // What others got as well is kept in any case; who wants no copies kept wants none sent.
    let (refused, held) = (address(false).filter(|_| rules.keeps(row.level)), address(true));
    (refused.is_some() || held.is_some()).then_some(Errand {
        id,
        meant_for,
        refused,
        held,
    })
}

#[async_trait]
impl Observer for Gatherer {
    async fn observe(&self, record: &Record, _: Option<&Arc<Message>>) {
        if record.direction != Direction::Inbound || record.end == End::Lost {
            return;
        }
        let policy = self.policy.load();
        // Several recipients may share a mailbox for such mail: one copy of the same mail is enough there.
        let mut seen = BTreeSet::new();
        for errand in record.recipients.iter().filter_map(|row| errand(&policy, row)) {
            let to = |address: &Option<Address>| address.as_ref().map(Address::key);
            if seen.insert((errand.id.clone(), to(&errand.refused), to(&errand.held))) {
                self.begin(errand);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use gatepost_core::{Clock, Keeping, Path, RecipientId, Terms, null};
    use gatepost_pipeline::Layer;
    use gatepost_testkit::Fakes;

    use super::*;

    fn policy(json: &str) -> Policy {
        Policy::new(&serde_json::from_str::<Layer>(json).expect("a layer"), [])
    }

    async fn record(fakes: &Fakes, fate: &str, terms: Terms) -> Record {
        let to = Path::forward("bob@example.org", true).expect("a path");
        let message = Arc::new(Message::from_bytes("Subject: s\r\n\r\n".as_bytes()));
        let keeping = Keeping::new("t1", fakes.clock.now(), &Path::Null, vec![&to], &message, &terms);
        let id = fakes.kept.keep(keeping).await.expect("kept");
        let client = "192.0.2.1".parse().expect("an address");
        let mut record = Record::new("t1".into(), 0, Direction::Inbound, "mx".into(), client, 1);
        let mut row = RecipientRecord::new(RecipientId(0), to.to_string());
        (row.fate, row.went) = (fate.into(), Some(format!("kept:{id}")));
        row.level = gatepost_core::Level::High;
        record.recipients.push(row);
        record
    }

    /// To whom a copy goes of a mail with this fate that was kept on these terms.
    async fn copied(json: &str, fate: &str, terms: Terms) -> Vec<String> {
        let fakes = Fakes::new();
        let gatherer = Gatherer::new(fakes.kept.clone(), fakes.post.clone(), Arc::new(null::NoAlarms));
        gatherer.publish(policy(json));
        gatherer.observe(&record(&fakes, fate, terms).await, None).await;
        gatherer.drained().await;
        fakes
            .post
            .copied
            .take()
            .into_iter()
            .map(|(_, _, to)| to.to_string())
            .collect()
    }

    #[tokio::test]
    async fn copies_go_out_of_what_was_refused_for_its_content_and_of_nothing_else() {
        let all = r#"{"spambox": "spambox@{domain}"}"#;
        let level = r#"{"high": {"spambox": "{user}+spam@{domain}"}}"#;
        let (refused, held) = (|| Terms::copy("refused"), || Terms::durable("held"));
        for (setting, fate, terms, want) in [
            (all, "refuse", refused(), vec!["spambox@example.org"]),
            (level, "refuse", refused(), vec!["bob+spam@example.org"]),
            // One of several recipients, of whom others got it.
            (all, "hold", Terms::durable("refused"), vec!["spambox@example.org"]),
            (all, "hold", Terms::durable("denied"), vec![]),
            (all, "hold", held(), vec![]),
            (level, "hold", held(), vec!["bob+spam@example.org"]),
            (all, "refuse", Terms::copy(Terms::DANGEROUS), vec![]),
            (all, "defer", refused(), vec![]),
            (all, "deliver", refused(), vec![]),
            ("{}", "refuse", refused(), vec![]),
            (
                r#"{"spambox": "spambox@{domain}", "high": {"keep": false}}"#,
                "hold",
                Terms::durable("refused"),
                vec![],
            ),
        ] {
            assert_eq!(
                copied(setting, fate, terms.clone()).await,
                want,
                "{setting} {fate} {terms:?}"
            );
        }
    }

    #[tokio::test]
    async fn no_copy_goes_out_where_the_client_did_not_hear_the_answer() {
        let fakes = Fakes::new();
        let gatherer = Gatherer::new(fakes.kept.clone(), fakes.post.clone(), Arc::new(null::NoAlarms));
        gatherer.publish(policy(r#"{"spambox": "spambox@{domain}"}"#));
        let mut record = record(&fakes, "refuse", Terms::copy("refused")).await;
        for (end, copies) in [(End::Lost, 0), (End::Answered, 1)] {
            record.end = end;
            gatherer.observe(&record, None).await;
            gatherer.drained().await;
            assert_eq!(fakes.post.copied.len(), copies, "{end:?}");
        }
    }

    #[tokio::test]
    async fn recipients_who_share_a_mailbox_for_such_mail_share_a_copy() {
        for (setting, copies) in [("spambox@{domain}", 1), ("{user}+spam@{domain}", 2)] {
            let fakes = Fakes::new();
            let gatherer = Gatherer::new(fakes.kept.clone(), fakes.post.clone(), Arc::new(null::NoAlarms));
            gatherer.publish(policy(&format!("{{\"spambox\": \"{setting}\"}}")));
            let mut record = record(&fakes, "refuse", Terms::copy("refused")).await;
            let mut other = record.recipients[0].clone();
            other.to = "carl@example.org".into();
            record.recipients.push(other);
            gatherer.observe(&record, None).await;
            gatherer.drained().await;
            assert_eq!(fakes.post.copied.len(), copies, "{setting}");
        }
    }

    #[tokio::test]
    async fn a_copy_that_fails_rings_and_the_next_one_goes() {
        let fakes = Fakes::new();
        let gatherer = Gatherer::new(fakes.kept.clone(), fakes.post.clone(), Arc::new(null::NoAlarms));
        gatherer.publish(policy(r#"{"spambox": "spambox@{domain}"}"#));
        let record = record(&fakes, "refuse", Terms::copy("refused")).await;
        fakes.post.copied.fail(Some(Fault::Unavailable("the mail server")));
        gatherer.observe(&record, None).await;
        gatherer.drained().await;
        fakes.post.copied.fail(None);
        gatherer.observe(&record, None).await;
        gatherer.drained().await;
        assert_eq!(fakes.post.copied.len(), 1);
    }
}
