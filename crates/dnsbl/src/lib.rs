//! The filter of DNS lists: of addresses, of domains in mail, of name servers; good ones and bad ones.
//!
//! The client is looked for when it connects, the envelope sender at MAIL, authors and links when the mail is there. A list
//! that does not answer, that does not serve our resolver or that answers for everything makes nothing of any mail: it is
//! out until it is well, and an alarm and the record say so. **Absent on purpose:** anything that is fetched from where a
//! link leads, and questions about networks that are nobody else's business.
//!
//! Questions of one mail: at most `questions`, those by which lists are checked, at most four a list in ten minutes, and
//! one each to a list that is about to refuse: whether it has something that nobody has.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod answer;
pub mod health;
pub mod list;
pub mod memory;
pub mod name;
pub mod opinion;
pub mod options;
pub mod pick;
pub mod round;
pub mod shipped;
pub mod subjects;

use std::net::IpAddr;

use futures_util::FutureExt;
use gatepost_core::Dns;
use gatepost_core::context::Via;
use gatepost_core::envelope::Direction;
use gatepost_core::message::Reading;
use gatepost_core::network::is_public;
use gatepost_core::prelude::*;
use health::Part;
use list::List;
use memory::Memory;
use opinion::Refusal;
pub use options::Config;
use options::{Kind, Of};
use round::{Chain, Query, Round};

/// A mail of more octets is read on a thread of its own.
const LARGE: u64 = 32 * 1024;
/// How many name servers of a domain, and how many of their addresses, are looked for.
const SERVERS: usize = 2;

/// So many addresses of links are asked about before its domains, the others after them.
const BEFORE: usize = 2;

const TOO_MANY_LINKS: Tag = Tag::new("dnsbl.too_many_links");
const UNREAD: Tag = Tag::new("dnsbl.unread");
const BROKEN: Tag = Tag::new("dnsbl.broken");
const DISGUISED: Tag = Tag::new("dnsbl.disguised_link");
const OTHER_SHOWN: Tag = Tag::new("dnsbl.other_shown");
const SHORTENER: Tag = Tag::new("dnsbl.shortener");

/// The filter of DNS lists.
pub struct Dnsbl {
    config: Config,
    lists: Vec<List>,
    refusal: Refusal,
    memory: Memory,
    services: Services,
}

fn is_one_of_us(cx: &Context<'_>) -> bool {
    cx.direction() == Direction::Outbound || cx.login().is_some()
}

fn points(tag: Tag, points: Score, note: String) -> Finding {
    Finding::new(tag, Evidence::Points(points), note)
}

/// Questions that are going to be asked, each once, and no more than there may be.
struct Plan<'a> {
    queries: Vec<Query<'a>>,
    left: usize,
    /// How many found no room.
    full: usize,
}

impl<'a> Plan<'a> {
    fn of(most: usize) -> Plan<'a> {
        Plan {
            queries: Vec::new(),
            left: most,
            full: 0,
        }
    }

    fn add(&mut self, list: &'a List, part: Part, name: Option<String>, subject: &Arc<str>, connecting: bool) {
        let Some(name) = name else { return };
        if self.queries.iter().any(|known| known.name == name) {
            return;
        }
        if self.left == 0 {
            self.full += 1;
            return;
        }
        self.left -= 1;
        self.queries.push(Query {
            list,
            part,
            name,
            subject: Arc::clone(subject),
            connecting,
        });
    }
}

impl Dnsbl {
    fn with(&self, kind: Kind) -> impl Iterator<Item = &List> {
        self.lists.iter().filter(move |list| list.has(kind))
    }

    fn wanting(&self, of: Of) -> impl Iterator<Item = &List> {
        self.lists.iter().filter(move |list| list.wants(of))
    }

    fn asks_about(&self, address: IpAddr) -> bool {
        let ignored = self.config.ignore_networks.iter().any(|net| net.0.contains(&address));
        is_public(address) && !ignored
    }

    fn ignores(&self, host: &str) -> bool {
        self.config
            .ignore_domains
            .iter()
            .any(|domain| name::is_within(host, domain))
    }

    fn client<'a>(&'a self, plan: &mut Plan<'a>, address: IpAddr, connecting: bool) {
        let address = address.to_canonical();
        if self.asks_about(address) {
            let subject = address.to_string().into();
            for list in self.with(Kind::Address) {
                plan.add(list, Part::of(address), list.of_address(address), &subject, connecting);
            }
        }
    }

    fn domain<'a>(&'a self, plan: &mut Plan<'a>, of: Of, domain: &str, but: impl Fn(&List) -> bool) {
        if self.ignores(domain) {
            return;
        }
        let subject = domain.into();
        for list in self.wanting(of).filter(|list| !but(list)) {
            plan.add(list, Part::Domains, list.of_domain(domain), &subject, true);
        }
    }

    fn addresses<'a>(&'a self, plan: &mut Plan<'a>, addresses: &[IpAddr]) {
        for address in addresses {
            let subject = address.to_string().into();
            for list in self.with(Kind::LinkAddress) {
                plan.add(list, Part::Domains, list.of_address(*address), &subject, true);
            }
        }
    }

    async fn begin<'a>(&'a self, cx: &'a Context<'a>) -> Round<'a> {
        Round::begin(&*self.services.dns, &self.memory, cx, self.config.deadline.0).await
    }

    /// How many questions there may be about a message, when those at connect and MAIL have been asked.
    fn left(&self) -> usize {
        let early = self.with(Kind::Address).count()
            + [Of::Helo, Of::Reverse, Of::Sender]
                .map(|of| self.wanting(of).count())
                .iter()
                .sum::<usize>();
        usize::from(self.config.questions).saturating_sub(early)
    }

    /// The name of the client, where it leads back to it, for those lists that want it.
    fn reverse<'a>(&'a self, cx: &'a Context<'a>) -> Chain<'a> {
        async move {
            let confirmed = cx.reverse().await.ok().filter(|reverse| reverse.confirmed);
            let host = confirmed.and_then(|reverse| name::host(&reverse.name?));
            let mut plan = Plan::of(usize::from(self.config.questions));
            if let Some(host) = host {
                self.domain(&mut plan, Of::Reverse, name::registrable(&host), |_| false);
            }
            plan.queries
        }
        .boxed()
    }

    /// The addresses of a domain's name servers.
    fn servers<'a>(&'a self, domain: &'a str) -> Chain<'a> {
        async move {
            let dns: &dyn Dns = &*self.services.dns;
            let mut hosts: Vec<_> = match dns.ns(domain).await {
                Ok(found) => found.records().iter().filter_map(|host| name::host(host)).collect(),
                Err(_) => Vec::new(),
            };
            hosts.sort_unstable();
            hosts.dedup();
            let mut addresses = Vec::new();
            for host in hosts.iter().take(SERVERS) {
                if let Ok(found) = dns.a(host).await {
                    addresses.extend(found.into_records());
                }
            }
            addresses.sort_unstable();
            addresses.dedup();
            addresses.retain(|address| is_public((*address).into()));
            let mut plan = Plan::of(usize::from(self.config.questions));
            for address in addresses.into_iter().take(SERVERS) {
                let subject = format!("{domain}'s name server {address}").into();
                for list in self.with(Kind::NameServer) {
                    plan.add(list, Part::V4, list.of_address(address.into()), &subject, true);
                }
            }
            plan.queries
        }
        .boxed()
    }

    /// Reads the mail as a person would.
    async fn read<'a>(&self, message: &'a Arc<Message>) -> Result<&'a Reading, Fault> {
        if message.len() > LARGE {
            let held = Arc::clone(message);
            let work = move |budget: &gatepost_core::Budget| {
                held.reading(&|| budget.is_spent());
            };
            self.services.compute.run(work).await?;
        }
        Ok(message.reading(&|| false))
    }

    /// Whether a host is ours, or one of the mail's recipients', or of those that nobody asks about.
    fn is_left_out(&self, host: &str, own: &[String]) -> bool {
        let local = |name: &str| Domain::parse(name, false).is_ok_and(|domain| self.services.site.is_local(&domain));
        self.ignores(host)
            || own.iter().any(|own| name::is_within(host, own))
            || local(host)
            || local(name::registrable(host))
    }
}

#[async_trait]
impl Filter for Dnsbl {
    async fn connect(&self, cx: &Context<'_>) -> Result<Opinion, Fault> {
        // Behind a trusted relay this is asked again when the origin is known.
        if is_one_of_us(cx) || cx.via() == Via::Relay {
            return Ok(Opinion::none());
        }
        let mut plan = Plan::of(usize::from(self.config.questions));
        self.client(&mut plan, cx.origin(), cx.via() == Via::Nobody);
        let shown = self.begin(cx).await.first().ask(plan.queries, Vec::new(), &[]).await;
        Ok(opinion::of(&shown, &self.refusal))
    }

    async fn mail(&self, cx: &Context<'_>, from: &Path) -> Result<Opinion, Fault> {
        let ours = is_one_of_us(cx) || !self.asks_about(cx.origin());
        if ours || cx.via() == Via::Relay {
            return Ok(Opinion::none());
        }
        let mut plan = Plan::of(usize::from(self.config.questions));
        if let Some(sender) = from.mailbox().and_then(subjects::of_address) {
            self.domain(&mut plan, Of::Sender, &sender, |_| false);
        }
        if let Some(helo) = cx.helo().and_then(|helo| name::host(&helo.name)) {
            self.domain(&mut plan, Of::Helo, name::registrable(&helo), |_| false);
        }
        let ahead: Vec<_> = self.wanting(Of::Reverse).map(|list| (list, Part::Domains)).collect();
        let chains = if ahead.is_empty() {
            Vec::new()
        } else {
            vec![self.reverse(cx)]
        };
        let shown = self.begin(cx).await.ask(plan.queries, chains, &ahead).await;
        Ok(opinion::of(&shown, &self.refusal))
    }

    async fn message(&self, cx: &Context<'_>, message: &Arc<Message>) -> Result<Opinion, Fault> {
        let (Some(envelope), us) = (cx.envelope(), is_one_of_us(cx)) else {
            return Ok(Opinion::none());
        };
        if us && !self.config.outbound_links {
            return Ok(Opinion::none());
        }
        let reading = self.read(message).await?;
        let mut own = subjects::recipients(envelope);
        if us {
            own.extend(envelope.from.mailbox().and_then(subjects::of_address));
        }
        let is_ignored = |host: &str| self.is_left_out(host, &own);
        let shortens = |host: &str| {
            self.config
                .shorteners
                .iter()
                .any(|domain| name::is_within(host, domain))
        };
        let linked = subjects::linked(reading.links().iter(), is_ignored, shortens);
        let most = usize::from(self.config.domains);
        let picked = pick::pick(linked.domains.iter().copied(), most, self.services.seed, message.head());

        let mut plan = Plan::of(self.left());
        if !us {
            let sender = envelope.from.mailbox().and_then(subjects::of_address);
            for author in subjects::authors(message.headers())
                .iter()
                .filter(|author| !is_ignored(author))
            {
                // What was asked at MAIL is not counted twice.
                let asked = |list: &List| list.wants(Of::Sender) && sender.as_ref() == Some(author);
                self.domain(&mut plan, Of::Author, author, asked);
            }
        }
        // Neither many addresses leave domains no room, nor many domains an address that a reader follows.
        let (before, after) = linked.addresses.split_at(linked.addresses.len().min(BEFORE));
        self.addresses(&mut plan, before);
        let sender = envelope.from.mailbox().filter(|_| !us).and_then(subjects::of_address);
        for domain in &picked.domains {
            let asked = |list: &List| list.wants(Of::Sender) && sender.as_deref() == Some(*domain);
            self.domain(&mut plan, Of::Link, domain, asked);
        }
        self.addresses(&mut plan, after);
        let ahead: Vec<_> = self.with(Kind::NameServer).map(|list| (list, Part::V4)).collect();
        // Names, their addresses, and the lists about those.
        let each = 1 + SERVERS + SERVERS * ahead.len();
        let room = usize::from(self.config.name_server_domains).min(plan.left / each);
        let room = if ahead.is_empty() { 0 } else { room };
        let chains: Vec<_> = picked
            .domains
            .iter()
            .take(room)
            .map(|domain| self.servers(domain))
            .collect();
        let ahead = if chains.is_empty() { Vec::new() } else { ahead };

        let full = plan.full;
        let shown = self.begin(cx).await.ask(plan.queries, chains, &ahead).await;
        let mut opinion = opinion::of(&shown, &self.refusal);
        if picked.is_cut() || full > 0 || linked.more_addresses {
            let mut note = format!("{} of {} domains were looked for", picked.domains.len(), picked.of);
            if linked.more_addresses {
                let most = linked.addresses.len();
                note.push_str(&format!(", and of more addresses {most}"));
            }
            if full > 0 {
                note.push_str(&format!("; for {full} more questions there was no room"));
            }
            opinion = opinion.with(points(TOO_MANY_LINKS, self.config.too_many_links_points, note));
        }
        if reading.excess().any() {
            let names: Vec<_> = reading.excess().names().collect();
            let note = format!("bounds that the mail passes: {}", names.join(", "));
            opinion = opinion.with(points(UNREAD, self.config.unread_points, note));
        }
        if reading.anomalies().any() {
            let names: Vec<_> = reading.anomalies().names().collect();
            let note = format!("what is broken in the mail: {}", names.join(", "));
            opinion = opinion.with(points(BROKEN, self.config.broken_points, note));
        }
        if let Some((url, trick)) = linked.disguised {
            let note = format!("{}: {url}", trick.as_str());
            opinion = opinion.with(points(DISGUISED, self.config.disguised_link_points, note));
        }
        if let Some(url) = linked.other_shown {
            opinion = opinion.with(points(OTHER_SHOWN, self.config.other_shown_points, url.to_owned()));
        }
        if let Some(host) = linked.shortener {
            opinion = opinion.with(points(SHORTENER, self.config.shortener_points, host.to_owned()));
        }
        Ok(opinion)
    }
}

impl FilterKind for Dnsbl {
    const NAME: &'static str = "dnsbl";
    const ABOUT: &'static str = "Asks DNS lists about the client, the sender and the links of a mail";
    const PHASES: Phases = Phases::CONNECT.and(Phases::MAIL).and(Phases::MESSAGE);
    const MAY: Wishes = Wishes::REJECT;
    type Config = Config;

    fn build(mut config: Config, services: &Services) -> Result<Dnsbl, BuildError> {
        let lists = list::all(&config)?;
        let refusal = Refusal::new(&config)?;
        for (key, domains) in [
            ("ignore_domains", &mut config.ignore_domains),
            ("shorteners", &mut config.shorteners),
        ] {
            for (n, domain) in domains.iter_mut().enumerate() {
                *domain = name::host(domain).ok_or_else(|| {
                    let why = format!("expected a domain such as \"example.com\", found {domain:?}");
                    BuildError::at(format!("{key}[{n}]"), why)
                })?;
            }
        }
        Ok(Dnsbl {
            config,
            lists,
            refusal,
            memory: Memory::new(services),
            services: services.clone(),
        })
    }
}

gatepost_core::inventory::submit! { Entry::of::<Dnsbl>() }
