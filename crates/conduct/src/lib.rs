//! The filter of conduct: who calls, how they behave, how much they send, and what became of their earlier mail.
//!
//! | moment | what is looked at |
//! |---|---|
//! | connect | a ban; the standing of client and network; who waits for the greeting |
//! | HELO | talk before the greeting; a HELO that is no name, not its own, or our address |
//! | MAIL | by DNS: reverse name, HELO, the sender's domain; a forged sender of ours; how many mails there are |
//! | RCPT | traps; how many recipients there are, how much mail one gets |
//! | message | line ends, errors, pipelining; From, Date, Message-ID; a forged author of ours |
//! | afterwards | traps and unknown recipients, which may mean a ban; the mail's points, which fade with time |
//!
//! Clients that logged in and outbound mail are not judged: programs of our own people may be clumsy. How much somebody
//! sends with a password is counted. **Invariants:** trouble of DNS counts against nobody; checks only count
//! (`add`, `swap` from nothing), and what is over a limit is not counted; who is exempt, or behind a trusted relay, is never
//! banned, and neither is a server of a big provider, which many strangers share, or an address of a private network, behind
//! which may be the whole world and of which nothing is remembered. Passwords that are tried and sessions that are opened too
//! often are not this filter's affair: the proxy turns them away at the door.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod bans;
pub mod caller;
pub mod header;
pub mod helo;
pub mod hostname;
pub mod mailable;
pub mod manners;
pub mod network;
pub mod options;
pub mod pools;
pub mod rates;
pub mod search;
pub mod standing;
pub mod traits;
pub mod windows;

use std::collections::BTreeSet;
use std::net::IpAddr;

use bans::{Bans, Offence};
use caller::Inquiry;
use gatepost_core::envelope::Direction;
use gatepost_core::network::is_public;
use gatepost_core::prelude::*;
use gatepost_core::{Author, Dns, Site, Via};
pub use options::{Config, EarlyTalk};
use pools::Pools;
use rates::Limit;
use search::Traps;
use standing::{Standings, Whose};
pub use traits::Trait;
use windows::{Count, Windows};

/// The filter of conduct.
pub struct Conduct {
    config: Config,
    traps: Traps,
    pools: Pools,
    bans: Bans,
    windows: Windows,
    standings: Standings,
    dns: Arc<dyn Dns>,
    site: Arc<Site>,
}

const TOO_EARLY: Reply = Reply::fixed(554, Enhanced(5, 5, 0), "You spoke before you were greeted");
const BANNED: Reply = Reply::fixed(
    421,
    Enhanced(4, 7, 0),
    "Unwanted mail came from your address, try again later",
);
const REPUTATION: Tag = Tag::new("conduct.reputation");
/// A client of so good a standing is not banned: it passes on others' mail.
const GOOD: i64 = -500;
/// What a trap costs a standing, in hundredths of a point, and each recipient that does not exist.
const TRAP_WORTH: i64 = 1_000;
const UNKNOWN_WORTH: i64 = 50;
/// Of one mail so many of them count.
const UNKNOWN_MOST: u32 = 20;

fn is_one_of_us(cx: &Context<'_>) -> bool {
    cx.direction() == Direction::Outbound || cx.login().is_some()
}

impl Conduct {
    fn finding(&self, what: Trait, note: impl Into<String>) -> Finding {
        let note = match note.into() {
            note if note.is_empty() => what.note().to_owned(),
            note => format!("{}: {note}", what.note()),
        };
        Finding::new(Tag::new(what.tag()), Evidence::Points(self.config.points(what)), note)
    }

    fn inquiry(&self) -> Inquiry<'_> {
        Inquiry {
            dns: &*self.dns,
            site: &self.site,
            patience: self.config.dns_patience.0,
        }
    }

    fn is_ours(&self, cx: &Context<'_>, address: IpAddr) -> bool {
        let called = cx.client().local.map(|local| local.ip().to_canonical());
        called == Some(address.to_canonical())
            || self.config.our_addresses.contains(&address)
            || self.site.is_our_address(address)
    }

    /// Whether nobody of this kind is looked at.
    fn exempt(&self, cx: &Context<'_>) -> bool {
        let origin = cx.origin();
        // Behind a relay that does not tell the origin there is nobody to look at.
        is_one_of_us(cx)
            || cx.via() == Via::Relay
            || self.config.exempt_networks.iter().any(|net| net.0.contains(&origin))
    }

    async fn standing(&self, cx: &Context<'_>) -> Result<(Option<i64>, i64), Fault> {
        let (origin, now) = (cx.origin(), cx.now());
        let client = self.standings.of(Whose::Client, network::client(origin), now).await?;
        let network = self.standings.of(Whose::Network, network::network(origin), now).await?;
        Ok((client, network.unwrap_or(0)))
    }

    fn charge(&self, client: Option<i64>, network: i64) -> Score {
        let options = &self.config.reputation;
        standing::charge(
            client.unwrap_or(0),
            network,
            options.weight,
            options.least,
            options.most,
        )
    }

    fn at_helo(&self, cx: &Context<'_>, helo: &Helo) -> Vec<(Trait, String)> {
        let early = manners::at_helo(cx.facts()).map(|what| (what, String::new()));
        let alone = helo::alone(&helo.name, cx.origin(), |address| self.is_ours(cx, address));
        early
            .into_iter()
            .chain(alone.map(|what| (what, helo.name.to_string())))
            .collect()
    }

    /// The opinion, and the wish that the client waits the longer the more was found.
    async fn slowly(&self, cx: &Context<'_>, opinion: Opinion) -> Opinion {
        let waiting = &self.config.waiting;
        if waiting.tarpit.0.is_zero() {
            return opinion;
        }
        // What was found earlier is found again: between two moments the filter remembers nothing.
        let (client, network) = self.standing(cx).await.unwrap_or_default();
        let helo = cx.helo().map(|helo| self.at_helo(cx, helo)).unwrap_or_default();
        let earlier = helo.iter().map(|(what, _)| self.config.points(*what));
        let tag = |what: &Trait| {
            opinion
                .findings()
                .iter()
                .any(|finding| finding.tag.as_str() == what.tag())
        };
        let earlier = earlier
            .zip(&helo)
            .filter(|(_, (what, _))| !tag(what))
            .map(|(points, _)| points);
        let here = opinion.findings().iter().map(|finding| match finding.evidence {
            Evidence::Points(points) => points,
            _ => Score::ZERO,
        });
        let points: Score = earlier.chain(here).sum::<Score>() + self.charge(client, network);
        let hundredths = u32::try_from(points.as_hundredths()).unwrap_or(0);
        let delay = waiting.tarpit.0.saturating_mul(hundredths) / 100;
        match delay.min(waiting.tarpit_most.0) {
            delay if delay.is_zero() => opinion,
            delay => opinion.wish(Wish::Delay(delay)),
        }
    }

    /// The first limit that is reached, if one is.
    async fn reached(&self, cx: &Context<'_>, limits: &[Limit]) -> Result<Option<(Limit, u64)>, Fault> {
        let window = self.config.rates.window.0;
        for limit in limits {
            let count = self.windows.count(limit.what, &limit.who, 0, window, cx.now()).await?;
            if count >= u64::from(limit.most) {
                return Ok(Some((limit.clone(), count)));
            }
        }
        Ok(None)
    }

    /// Counts what limits concern.
    async fn count(&self, cx: &Context<'_>, limits: &[Limit]) -> Result<(), Fault> {
        for limit in limits {
            let window = self.config.rates.window.0;
            self.windows.count(limit.what, &limit.who, 1, window, cx.now()).await?;
        }
        Ok(())
    }

    /// The first limit that is reached; where none is, all are counted. What is over a limit is not: whoever is told to
    /// come again would hold himself over it for ever by coming.
    async fn grant(&self, cx: &Context<'_>, limits: &[Limit]) -> Result<Option<(Limit, u64)>, Fault> {
        let reached = self.reached(cx, limits).await?;
        if reached.is_none() {
            self.count(cx, limits).await?;
        }
        Ok(reached)
    }

    /// What is said about limits that are passed. Counting is not worth losing the rest of an opinion for.
    async fn limited(
        &self,
        cx: &Context<'_>,
        limits: Vec<Limit>,
        to: Option<RecipientId>,
        opinion: Opinion,
    ) -> Opinion {
        let over = match self.grant(cx, &limits).await {
            Ok(over) => over,
            Err(fault) => {
                tracing::debug!(%fault, "mail could not be counted");
                return opinion;
            }
        };
        let mut opinion = opinion;
        if let Some((limit, count)) = over {
            let finding = self.finding(Trait::Rate, limit.note(count));
            opinion = match to.filter(|_| limit.is_of_recipient()) {
                Some(to) => {
                    let defer = Wish::Defer(limit.reply());
                    opinion
                        .with(finding.only(to))
                        .wish_for(Scope::Only(to), Standing::NotExempt, defer)
                }
                // Unlike a deferral of single recipients this is not for policy to weigh by what the mail is.
                None => opinion.with(finding).wish(Wish::Close(limit.reply())),
            };
        }
        opinion
    }

    /// The limits of somebody who logged in, with an alarm the first time. Recipients are counted as they are named, and
    /// judged when the next mail begins: who is in the midst of an envelope shall not lose what was granted.
    async fn logged_in(&self, cx: &Context<'_>, who: &str) -> Result<Opinion, Fault> {
        let rates = &self.config.rates;
        let recipients: Vec<Limit> = rates::login_at_rcpt(rates, who).into_iter().collect();
        let mails: Vec<Limit> = rates::login_at_mail(rates, who).into_iter().collect();
        let over = match self.reached(cx, &recipients).await? {
            None => self.grant(cx, &mails).await?,
            over => over,
        };
        let Some((limit, count)) = over else {
            return Ok(Opinion::none());
        };
        let (window, now) = (self.config.rates.window.0, cx.now());
        if self.windows.first(limit.what, &limit.who, window, now).await? {
            let client = cx.client().address;
            tracing::error!(login = limit.who, %client, what = limit.note(count), "much mail with one password: it may be stolen");
        }
        let finding = self.finding(Trait::Rate, limit.note(count));
        Ok(Opinion::none().with(finding).wish(Wish::Close(limit.reply())))
    }

    /// Counts what a client did with a mail, and tells whether it is too much. Where domains have filters of their own, the
    /// first that is told of the mail counts it.
    async fn offences(&self, cx: &Context<'_>, id: &str, what: Count, times: u32, most: u32) -> Result<bool, Fault> {
        let (window, now) = (self.config.traps.window.0, cx.now());
        if times == 0 || most == 0 || !self.windows.first(what, id, window, now).await? {
            return Ok(false);
        }
        let who = network::client(cx.origin()).to_string();
        let count = self.windows.count(what, &who, times, window, now).await?;
        Ok(count >= u64::from(most))
    }

    /// Remembers what became of a mail.
    async fn learn(&self, cx: &Context<'_>, record: &Record) -> Result<(), Fault> {
        let (origin, now) = (cx.origin(), cx.now());
        let client = network::client(origin);
        let (trapped, unknown) = (self.traps.in_record(record), search::unknown(record));
        let traps = &self.config.traps;
        let hits = self.offences(cx, &record.id, Count::Trapped, u32::from(trapped), traps.mails);
        let searched = self.offences(cx, &record.id, Count::Unknown, unknown, traps.unknown_recipients);
        let why = match (hits.await?, searched.await?) {
            (true, _) => Some(Offence::Trap),
            (false, true) => Some(Offence::Search),
            (false, false) => None,
        };
        // Of a trusted relay's mail the relay is not to blame, and the address behind it does not call here.
        if let (Some(why), Via::Nobody) = (why, cx.via()) {
            let standing = self.standings.of(Whose::Client, client, now).await?;
            if standing.is_none_or(|standing| standing > GOOD) && !self.inquiry().may_be_pooled(cx, &self.pools).await {
                tracing::warn!(id = record.id, %client, why = why.note(), "a client is turned away for a while");
                self.bans.ban(client, why, traps.ban.0, now).await?;
            }
        }
        let mut worth = standing::worth(record) + i64::from(unknown.min(UNKNOWN_MOST)) * UNKNOWN_WORTH;
        if trapped {
            worth += TRAP_WORTH;
        }
        self.standings.remember(Whose::Client, client, worth, now).await?;
        self.standings
            .remember(Whose::Network, network::network(origin), worth, now)
            .await
    }
}

#[async_trait]
impl Filter for Conduct {
    async fn connect(&self, cx: &Context<'_>) -> Result<Opinion, Fault> {
        if self.exempt(cx) || !is_public(cx.origin()) {
            return Ok(Opinion::none());
        }
        let mut opinion = Opinion::none();
        if let Some(why) = self.bans.of(network::client(cx.origin()), cx.now()).await? {
            opinion = opinion
                .with(self.finding(Trait::Banned, why.note()))
                .wish(Wish::Close(BANNED));
        }
        let (client, network) = self.standing(cx).await?;
        let charge = self.charge(client, network);
        if charge != Score::ZERO {
            let shown = |points: i64| Score::hundredths(i32::try_from(points).unwrap_or(0));
            let client = shown(client.unwrap_or(0));
            let note = format!("of earlier mail, client {client}, network {}", shown(network));
            opinion = opinion.with(Finding::new(REPUTATION, Evidence::Points(charge), note));
        }
        let greet = self.config.waiting.greet_delay.0;
        // Good mail is remembered as a standing below zero.
        if !greet.is_zero() && client.is_none_or(|client| client >= 0) {
            opinion = opinion.wish(Wish::Delay(greet));
        }
        Ok(opinion)
    }

    async fn helo(&self, cx: &Context<'_>, helo: &Helo) -> Result<Opinion, Fault> {
        if self.exempt(cx) {
            return Ok(Opinion::none());
        }
        let mut opinion = Opinion::none();
        for (what, note) in self.at_helo(cx, helo) {
            opinion = opinion.with(self.finding(what, note));
            opinion = match (what, self.config.early_talk) {
                (Trait::EarlyTalk, EarlyTalk::Reject) => opinion.wish(Wish::Reject(TOO_EARLY)),
                (Trait::EarlyTalk, EarlyTalk::Close) => opinion.wish(Wish::Close(TOO_EARLY)),
                _ => opinion,
            };
        }
        Ok(self.slowly(cx, opinion).await)
    }

    async fn mail(&self, cx: &Context<'_>, from: &Path) -> Result<Opinion, Fault> {
        if let Some(who) = rates::who_sends(cx) {
            return self.logged_in(cx, &who).await;
        }
        if self.exempt(cx) {
            return Ok(Opinion::none());
        }
        let mut opinion = Opinion::none();
        for (what, note) in self.inquiry().at_mail(cx, from).await {
            opinion = opinion.with(self.finding(what, note));
        }
        let limits = rates::at_mail(&self.config.rates, cx.origin(), from);
        let opinion = self.limited(cx, limits, None, opinion).await;
        Ok(self.slowly(cx, opinion).await)
    }

    async fn rcpt(&self, cx: &Context<'_>, to: &Recipient) -> Result<Opinion, Fault> {
        if let Some(who) = rates::who_sends(cx) {
            let limits: Vec<Limit> = rates::login_at_rcpt(&self.config.rates, &who).into_iter().collect();
            self.count(cx, &limits).await?;
            return Ok(Opinion::none());
        }
        if self.exempt(cx) {
            return Ok(Opinion::none());
        }
        let mut opinion = Opinion::none();
        if self.traps.has(&to.path) {
            opinion = opinion.with(self.finding(Trait::Trap, to.path.to_string()));
        }
        let limits = rates::at_rcpt(&self.config.rates, cx.origin(), to);
        let opinion = self.limited(cx, limits, Some(to.id), opinion).await;
        Ok(self.slowly(cx, opinion).await)
    }

    async fn message(&self, cx: &Context<'_>, message: &Arc<Message>) -> Result<Opinion, Fault> {
        if self.exempt(cx) {
            return Ok(Opinion::none());
        }
        let mut opinion = Opinion::none();
        for what in manners::at_message(cx.facts(), self.config.errors_from.max(1)) {
            let note = match what {
                Trait::Errors => cx.facts().errors.to_string(),
                _ => String::new(),
            };
            opinion = opinion.with(self.finding(what, note));
        }
        let headers = message.headers();
        let author = Author::of(headers);
        for what in header::faults(headers, &author) {
            opinion = opinion.with(self.finding(what, ""));
        }
        if let Author::One(author) = &author
            && self.inquiry().is_forged(cx, author).await
        {
            opinion = opinion.with(self.finding(Trait::ForgedAuthor, author.to_string()));
        }
        if let Some(twice) = cx.envelope().and_then(twice) {
            opinion = opinion.with(self.finding(Trait::Twice, twice));
        }
        Ok(opinion)
    }

    async fn observe(&self, cx: &Context<'_>, record: &Record, _: Option<&Arc<Message>>) {
        if self.exempt(cx) || !is_public(cx.origin()) {
            return;
        }
        if let Err(fault) = self.learn(cx, record).await {
            tracing::warn!(id = record.id, %fault, "what became of a mail could not be remembered of its client");
        }
    }
}

/// A recipient that is named twice.
fn twice(envelope: &gatepost_core::Envelope) -> Option<String> {
    let mut seen = BTreeSet::new();
    let mut keys = envelope.recipients.iter().filter_map(|to| to.path.mailbox());
    keys.find(|mailbox| !seen.insert(mailbox.key().to_string()))
        .map(ToString::to_string)
}

impl FilterKind for Conduct {
    const NAME: &'static str = "conduct";
    const ABOUT: &'static str =
        "Points for who calls and how they behave; limits, bans and delays for those who send too much";
    const PHASES: Phases = Phases::CONNECT
        .and(Phases::HELO)
        .and(Phases::MAIL)
        .and(Phases::RCPT)
        .and(Phases::MESSAGE);
    const MAY: Wishes = Wishes::REJECT.and(Wishes::CLOSE).and(Wishes::DEFER).and(Wishes::DELAY);
    type Config = Config;

    fn build(config: Config, services: &Services) -> Result<Conduct, BuildError> {
        config.check()?;
        let store = || services.store.clone();
        Ok(Conduct {
            traps: Traps::new(config.traps.addresses.iter().map(String::as_str)),
            pools: Pools::new(config.traps.pools.iter().map(String::as_str)),
            bans: Bans::new(store()),
            windows: Windows::new(store(), services.seed),
            standings: Standings::new(store(), services.seed, config.reputation.half_life.0),
            dns: Arc::clone(&services.dns),
            site: Arc::clone(&services.site),
            config,
        })
    }
}

gatepost_core::inventory::submit! { Entry::of::<Conduct>() }
