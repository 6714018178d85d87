//! Mail that waits here while its mail server is away.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::values::{Size, Timespan};

/// The queue: mail for domains with `hold` waits in it while all their mail servers are away, and so does what is left of a
/// mail that was delivered in part.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Queue {
    /// The most octets of all mail that waits. With more, mail is answered 452 and the sender's own queue has it.
    pub size: Size,
    /// The most mails that wait.
    pub mails: u64,
    /// The most octets that wait for one domain; `queue_size` in a domain's table is its own.
    pub domain_size: Size,
    /// How much of the disk stays free.
    pub disk_reserve: Size,
    /// How long after each failed try the next one comes; the last holds for all further ones. When a mail server is back it
    /// is tried at once, whatever is written here.
    pub retries: Vec<Timespan>,
    /// After how long a sender is told that mail still waits, if it may be told at all (`notices`).
    pub warn_after: Timespan,
    /// How long mail waits for a domain that does not say (`hold`), as the rest of a mail that was delivered in part.
    pub hold: Timespan,
    /// How many mails of one domain may be delivered at once. With 1 they arrive in the order in which they came.
    pub at_once: u16,
    /// How many mails may be delivered at once in all.
    pub connections: u16,
    /// The route to the world by which senders are told that their mail is late, or could not be delivered. Only those are
    /// told of whom SPF or DKIM prove that the mail is theirs. Without it nobody is told, and mail that nobody took lies in
    /// the archive (`gatepost quarantine list --reason undelivered`), as that of all other senders does.
    pub notices: Option<String>,
}

impl Default for Queue {
    fn default() -> Queue {
        let gatepost_queue::Settings {
            pace,
            connections,
            hold,
            spool,
            ..
        } = gatepost_queue::Settings::default();
        let secs = |time: std::time::Duration| Timespan::secs(time.as_secs());
        Queue {
            size: Size(spool.octets),
            mails: spool.mails,
            domain_size: Size(4 << 30),
            disk_reserve: Size(spool.reserve),
            retries: pace.retries.iter().copied().map(secs).collect(),
            warn_after: Timespan::secs(4 * 60 * 60),
            hold: secs(hold),
            at_once: 1,
            connections: u16::try_from(connections).unwrap_or(u16::MAX),
            notices: None,
        }
    }
}

impl Queue {
    /// The same as the queue takes it.
    pub fn settings(&self) -> gatepost_queue::Settings {
        let mut settings = gatepost_queue::Settings::default();
        settings.pace.retries = self.retries.iter().map(|time| **time).collect();
        settings.pace.at_once = self.at_once.max(1).into();
        settings.pace.warn_after = Some(*self.warn_after).filter(|time| !time.is_zero());
        settings.connections = self.connections.max(1).into();
        settings.hold = *self.hold;
        settings.spool.octets = self.size.0;
        settings.spool.mails = self.mails;
        settings.spool.reserve = self.disk_reserve.0;
        settings
    }
}
