//! What all sessions of one listener share.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gatepost_core::{Phase, Phases, Services, Time};
use ipnet::IpNet;

use crate::current::CurrentFusion;
use crate::etrn::EtrnFrom;
use crate::followers::Followers;
use crate::fusion::Fusion;
use crate::offer;
use crate::policy::Policy;
use crate::recipients::Recipients;
use crate::routes::Routes;
use crate::slot::{Mode, Slot};
use crate::stamp::Ours;

/// Everything that one listener's sessions share. Rebuilt on reload; sessions that are running keep theirs.
pub struct Pipeline {
    name: Arc<str>,
    tiers: Vec<Vec<Slot>>,
    /// The phases at which anybody is asked.
    phases: Phases,
    policy: Policy,
    fusion: Arc<CurrentFusion>,
    routes: Routes,
    /// Who exists behind those routes, where that is looked up.
    recipients: Option<Arc<Recipients>>,
    ours: Ours,
    /// Hosts whose mail is judged by where they got it from.
    relays: Vec<IpNet>,
    /// Who may ask for mail that waits.
    etrn: EtrnFrom,
    services: Services,
    followers: Followers,
    /// How many transactions were given an id.
    count: AtomicU64,
}

impl Pipeline {
    /// A pipeline of filters in tiers.
    pub fn new(
        name: impl Into<Arc<str>>,
        tiers: Vec<Vec<Slot>>,
        policy: Policy,
        routes: Routes,
        ours: Ours,
        services: Services,
        followers: Followers,
    ) -> Pipeline {
        let phases = tiers
            .iter()
            .flatten()
            .fold(Phases::NONE, |all, slot| all.and(slot.phases));
        let (name, fusion, count) = (name.into(), Arc::default(), AtomicU64::new(0));
        let mut policy = policy;
        if tiers.iter().flatten().any(Slot::spares_before_rcpt) {
            policy.refuse_from_rcpt();
        }
        Pipeline {
            name,
            tiers,
            phases,
            policy,
            fusion,
            routes,
            recipients: None,
            ours,
            relays: Vec::new(),
            etrn: EtrnFrom::default(),
            services,
            followers,
            count,
        }
    }

    /// The same with a fusion that somebody else publishes, for all pipelines at once.
    #[must_use]
    pub fn with_fusion(mut self, fusion: Arc<CurrentFusion>) -> Pipeline {
        self.fusion = fusion;
        self
    }

    /// The same where recipients of our domains that do not exist are refused before anything else is asked about them
    /// (G-13). Outbound nothing changes: others' recipients are their servers' affair.
    #[must_use]
    pub fn with_recipients(mut self, recipients: Arc<Recipients>) -> Pipeline {
        self.recipients = self.routes.is_inbound().then_some(recipients);
        self
    }

    /// The same where these hosts are believed to say whom they got mail from: forwarders and secondary mail servers. Their
    /// mail is judged by that. Outbound nothing changes.
    #[must_use]
    pub fn with_relays(mut self, relays: Vec<IpNet>) -> Pipeline {
        self.relays = if self.routes.is_inbound() { relays } else { Vec::new() };
        self
    }

    /// The same where these may ask for mail that waits for them; nobody may where nothing is said.
    #[must_use]
    pub fn with_etrn(mut self, from: EtrnFrom) -> Pipeline {
        self.etrn = from;
        self
    }

    /// The same with other followers, refusals spoken at the end only.
    pub(crate) fn for_replay(self, followers: Followers) -> Pipeline {
        Pipeline {
            followers,
            policy: self.policy.silent_until_message(),
            ..self
        }
    }

    /// Its name: `inbound`, `outbound`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The filters, in order.
    pub fn tiers(&self) -> &[Vec<Slot>] {
        &self.tiers
    }

    /// The slot of a filter.
    pub fn slot(&self, name: &str) -> Option<&Slot> {
        self.tiers.iter().flatten().find(|slot| &*slot.name == name)
    }

    /// Whether mail from the world to a domain that comes again with a code is let in here.
    pub fn honours_codes(&self, domain: Option<&str>) -> bool {
        let slot = self.slot(offer::HONOURED_BY).filter(|_| self.routes.is_inbound());
        slot.is_some_and(|slot| slot.mode_for(domain) == Mode::Enforce)
    }

    /// Whether anybody is asked at a phase.
    pub fn asks_at(&self, phase: Phase) -> bool {
        self.phases.has(phase)
    }

    /// What the operator wants.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// How classifiers are weighed now. Take it once for all recipients of a mail.
    pub fn fusion(&self) -> Arc<Fusion> {
        self.fusion.get()
    }

    /// Who is ours.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// Who exists behind those routes, where that is looked up.
    pub fn recipients(&self) -> Option<&Recipients> {
        self.recipients.as_deref()
    }

    /// Who we are.
    pub fn ours(&self) -> &Ours {
        &self.ours
    }

    /// Whether a host is believed to say whom it got mail from.
    pub fn is_relay(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.relays.iter().any(|network| network.contains(&address))
    }

    /// Whether a client may ask for the mail that waits for a domain.
    pub fn may_etrn(&self, domain: &str, client: IpAddr) -> bool {
        self.etrn.may(domain, client)
    }

    /// Whether a client may have the mail sent that waits for domains below one, whichever these are.
    pub fn may_etrn_below(&self, domain: &str, client: IpAddr) -> bool {
        self.etrn.may_below(domain, client)
    }

    /// Whether a client may have the mail sent that waits for domains at or below one that no table names one by one.
    pub fn may_etrn_unnamed(&self, domain: &str, client: IpAddr) -> bool {
        self.etrn.may_unnamed(domain, client)
    }

    /// What filters and transactions use.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Who is told afterwards.
    pub fn followers(&self) -> &Followers {
        &self.followers
    }

    /// The id of a new transaction: nine characters that rise with time, then six that nobody outside can guess.
    pub fn new_id(&self, now: Time, client: IpAddr, port: u16) -> String {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let client = client.to_string();
        let parts: [&[u8]; 5] = [
            b"transaction",
            &now.millis().to_le_bytes(),
            client.as_bytes(),
            &port.to_le_bytes(),
            &count.to_le_bytes(),
        ];
        let hash = self.services.seed.hash(&parts);
        let mut id = String::with_capacity(15);
        for (number, digits) in [(now.millis(), 9), (hash, 6)] {
            id.extend((0..digits).rev().map(|n| digit(number >> (5 * n))));
        }
        id
    }
}

/// A digit of base 32 without letters that look alike.
fn digit(number: u64) -> char {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    char::from(DIGITS[(number % 32) as usize])
}
