//! The options.

use std::net::IpAddr;

use gatepost_core::prelude::*;

use crate::traits::Trait;
use gatepost_core::written::{Network, Span};

/// What happens to a client that spoke before it was greeted. `reject` and `close` count in mode `enforce` only.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", rename_all = "snake_case")]
#[schemars(crate = "gatepost_core::schemars")]
pub enum EarlyTalk {
    /// Points, and nothing else.
    Score,
    /// Its mail is refused.
    Reject,
    /// Its mail is refused and the connection closed.
    Close,
}

/// The options of the filter.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", default, deny_unknown_fields)]
#[schemars(crate = "gatepost_core::schemars")]
pub struct Config {
    /// What happens to a client that spoke before it was greeted: `score`, `reject` or `close`.
    pub early_talk: EarlyTalk,
    /// Points for a client that spoke before it was greeted.
    pub early_talk_points: Score,
    /// Points for commands that were sent at once where PIPELINING was not offered.
    pub unasked_pipelining_points: Score,
    /// Points for message lines that end in LF alone. Honest but careless programs send them, too.
    pub bare_lf_points: Score,
    /// Points for a message line over 998 octets. Many newsletters have one.
    pub long_line_points: Score,
    /// Points for a message with a line that nearly is its end, with a NUL or with a bare CR, on a listener that lets
    /// such a message pass at all.
    pub near_miss_points: Score,
    /// Points for a client many of whose commands were refused.
    pub errors_points: Score,
    /// How many refused commands are many, within a session.
    pub errors_from: u32,
    /// Points for a HELO that is neither a name nor an address literal.
    pub helo_syntax_points: Score,
    /// Points for a HELO without a dot, such as the name that a computer has at home.
    pub helo_unqualified_points: Score,
    /// Points for a HELO with the address literal of somebody else. A client behind NAT may mean no harm.
    pub helo_not_its_own_points: Score,
    /// Points for a HELO with our host name, a local domain or an address of ours, unless DNS says that it is the client's,
    /// or has nothing but addresses of the other kind for the domain.
    pub helo_ours_points: Score,
    /// Points for a HELO whose name DNS has with other addresses than the client's. Many honest servers have one.
    pub helo_elsewhere_points: Score,
    /// Points for a HELO whose name DNS does not have.
    pub helo_unknown_points: Score,
    /// Points for a client whose address has no reverse name.
    pub no_reverse_points: Score,
    /// Points for a reverse name that does not lead back to the client's address.
    pub reverse_unconfirmed_points: Score,
    /// Points for a reverse name as providers give it to lines of customers: the address in it, or `dyn`, `dsl`, `pool`.
    pub reverse_generic_points: Score,
    /// Points for a sender whose domain has neither MX nor address: nobody could answer.
    pub sender_domain_points: Score,
    /// Points for a sender whose domain says that it has no mail (RFC 7505).
    pub null_mx_points: Score,
    /// Points for an envelope sender of a local domain from outside, unless SPF passes or has trouble.
    pub forged_sender_points: Score,
    /// Points for a From header of a local domain from outside without proof. What our people write to mailing lists may
    /// come back so.
    pub forged_author_points: Score,
    /// Points for a message without From.
    pub no_author_points: Score,
    /// Points for a message with several From fields, or one that can be read in two ways.
    pub several_authors_points: Score,
    /// Points for a message without Message-ID.
    pub no_message_id_points: Score,
    /// Points for a message without Date.
    pub no_date_points: Score,
    /// Points for a message without To and Cc.
    pub no_to_points: Score,
    /// Points for a mail that names one recipient twice.
    pub twice_points: Score,
    /// How long DNS may take for one of the answers that are asked for at MAIL; what comes later counts as trouble.
    pub dns_patience: Span,
    /// Clients in these networks are not looked at, limited or remembered: our own hosts, secondary MX, forwarders.
    pub exempt_networks: Vec<Network>,
    /// Addresses by which the world knows this host besides those that it listens at, behind NAT, say.
    pub our_addresses: Vec<IpAddr>,
    /// How much mail may come in a time.
    pub rates: Rates,
    /// Who looks for addresses, and what becomes of it.
    pub traps: Traps,
    /// What earlier mail of a client and its network means for its next.
    pub reputation: Reputation,
    /// Who waits for replies. Counts in mode `enforce` only.
    pub waiting: Waiting,
}

/// How much mail may come within the window; 0: as much as there is. Over a limit, mail is told to come again where the
/// filter is enforced, and not counted, so that whoever comes again has his turn. Sessions are limited by `[limits]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", default, deny_unknown_fields)]
#[schemars(crate = "gatepost_core::schemars")]
pub struct Rates {
    /// The window. It slides: what came in the one before counts in part.
    pub window: Span,
    /// Points for mail over a limit.
    pub points: Score,
    /// Mails of one client, an IPv4 address or an IPv6 /64.
    pub client_mails: u32,
    /// Recipients that one client names. Those beyond get 452, the others their mail. This limit and `recipient_mails` are
    /// deferrals: mail whose score lies outside of `policy.defer_between`, or that somebody spares, passes them.
    pub client_recipients: u32,
    /// Mails of one network, an IPv4 /24 or an IPv6 /48.
    pub network_mails: u32,
    /// Mails from senders of one domain, claimed or not.
    pub sender_mails: u32,
    /// Mails to one recipient. Whoever is welcome to it (`whitelist`) may write all the same.
    pub recipient_mails: u32,
    /// Mails of somebody who logged in with a password, or of its address where no name can be read. Over it the log has an error: the password may be stolen. Needs
    /// this filter in a tier of `[pipeline.outbound]`.
    pub login_mails: u32,
    /// Recipients of somebody who logged in with a password. All of a mail that has begun may be named; the next one is
    /// told to come again.
    pub login_recipients: u32,
}

/// Who looks for addresses. Good clients, those that a trusted relay passes on, private networks and big providers
/// (`pools`) are never banned, and bounces, which go to whom somebody else named, are never a search.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", default, deny_unknown_fields)]
#[schemars(crate = "gatepost_core::schemars")]
pub struct Traps {
    /// Addresses that nobody honest writes to: never used, or dead for a year.
    pub addresses: Vec<String>,
    /// Points for a mail to one of them.
    pub points: Score,
    /// So many mails of one client to them within the window, and it is turned away; 0: never.
    pub mails: u32,
    /// So many recipients that do not exist, named by one client within the window, are a search; 0: never.
    pub unknown_recipients: u32,
    /// The window of that.
    pub window: Span,
    /// Domains whose servers many strangers share. A client whose reverse name lies below one of them, and leads back to
    /// it, or that an SPF record of one authorises, is not turned away for what one of those strangers does.
    pub pools: Vec<String>,
    /// For so long a client that wrote to traps or searched is turned away (421), where the filter is enforced.
    pub ban: Span,
    /// Points for a mail of such a client.
    pub ban_points: Score,
}

/// What earlier mail of a client (an IPv4 address, an IPv6 /64) and its network (/24, /48) means for its next. Of private
/// networks nothing is remembered.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", default, deny_unknown_fields)]
#[schemars(crate = "gatepost_core::schemars")]
pub struct Reputation {
    /// After this time half of it is forgotten. `0s`: nothing is remembered.
    pub half_life: Span,
    /// The part of the remembered points that the next mail gets; of those of its network a quarter of this.
    pub weight: Score,
    /// The most points for a bad one.
    pub most: Score,
    /// The least points, zero or below, for a good one.
    pub least: Score,
}

/// Who waits for replies, in all at most 30 seconds a session. Nobody who is welcome, logged in or exempt does.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", default, deny_unknown_fields)]
#[schemars(crate = "gatepost_core::schemars")]
pub struct Waiting {
    /// How long a client of whom no good mail is remembered waits for the greeting: many programs that send spam do not.
    pub greet_delay: Span,
    /// How long a client waits for each reply before its message, for each point that this filter has found.
    pub tarpit: Span,
    /// How long it waits for one reply at most.
    pub tarpit_most: Span,
}

impl Default for Config {
    fn default() -> Config {
        let half = Score::hundredths(50);
        Config {
            early_talk: EarlyTalk::Score,
            early_talk_points: Score::points(4),
            unasked_pipelining_points: Score::points(2),
            bare_lf_points: half,
            long_line_points: Score::ZERO,
            near_miss_points: Score::points(5),
            errors_points: Score::points(1),
            errors_from: 5,
            helo_syntax_points: Score::points(2),
            helo_unqualified_points: Score::points(1),
            helo_not_its_own_points: Score::points(1),
            helo_ours_points: Score::points(5),
            helo_elsewhere_points: Score::hundredths(20),
            helo_unknown_points: half,
            no_reverse_points: Score::points(1),
            reverse_unconfirmed_points: half,
            reverse_generic_points: Score::points(1),
            sender_domain_points: Score::points(3),
            null_mx_points: Score::points(4),
            forged_sender_points: Score::points(2),
            forged_author_points: Score::hundredths(150),
            no_author_points: Score::points(2),
            several_authors_points: Score::points(3),
            no_message_id_points: half,
            no_date_points: half,
            no_to_points: Score::ZERO,
            twice_points: half,
            dns_patience: Span::secs(2),
            exempt_networks: Vec::new(),
            our_addresses: Vec::new(),
            rates: Rates::default(),
            traps: Traps::default(),
            reputation: Reputation::default(),
            waiting: Waiting::default(),
        }
    }
}

impl Default for Rates {
    fn default() -> Rates {
        Rates {
            window: Span::secs(3_600),
            points: Score::ZERO,
            client_mails: 0,
            client_recipients: 0,
            network_mails: 0,
            sender_mails: 0,
            recipient_mails: 0,
            login_mails: 300,
            login_recipients: 1_000,
        }
    }
}

impl Default for Traps {
    fn default() -> Traps {
        Traps {
            addresses: Vec::new(),
            points: Score::points(8),
            mails: 2,
            unknown_recipients: 30,
            window: Span::secs(3_600),
            pools: [
                "outlook.com",
                "google.com",
                "amazonses.com",
                "yahoo.com",
                "mail.icloud.com",
                "sendgrid.net",
            ]
            .map(Into::into)
            .into(),
            ban: Span::secs(3_600),
            ban_points: Score::points(3),
        }
    }
}

impl Default for Reputation {
    fn default() -> Reputation {
        Reputation {
            half_life: Span::secs(86_400),
            weight: Score::hundredths(10),
            most: Score::points(3),
            least: Score::points(-1),
        }
    }
}

impl Default for Waiting {
    fn default() -> Waiting {
        Waiting {
            greet_delay: Span::ZERO,
            tarpit: Span::ZERO,
            tarpit_most: Span::secs(5),
        }
    }
}

impl Config {
    /// What a trait weighs.
    pub fn points(&self, what: Trait) -> Score {
        match what {
            Trait::EarlyTalk => self.early_talk_points,
            Trait::UnaskedPipelining => self.unasked_pipelining_points,
            Trait::BareLf => self.bare_lf_points,
            Trait::LongLine => self.long_line_points,
            Trait::NearMiss => self.near_miss_points,
            Trait::Errors => self.errors_points,
            Trait::HeloSyntax => self.helo_syntax_points,
            Trait::HeloUnqualified => self.helo_unqualified_points,
            Trait::HeloNotItsOwn => self.helo_not_its_own_points,
            Trait::HeloOurs => self.helo_ours_points,
            Trait::HeloElsewhere => self.helo_elsewhere_points,
            Trait::HeloUnknown => self.helo_unknown_points,
            Trait::NoReverse => self.no_reverse_points,
            Trait::ReverseUnconfirmed => self.reverse_unconfirmed_points,
            Trait::ReverseGeneric => self.reverse_generic_points,
            Trait::SenderDomain => self.sender_domain_points,
            Trait::NullMx => self.null_mx_points,
            Trait::ForgedSender => self.forged_sender_points,
            Trait::ForgedAuthor => self.forged_author_points,
            Trait::NoAuthor => self.no_author_points,
            Trait::SeveralAuthors => self.several_authors_points,
            Trait::NoMessageId => self.no_message_id_points,
            Trait::NoDate => self.no_date_points,
            Trait::NoTo => self.no_to_points,
            Trait::Twice => self.twice_points,
            Trait::Trap => self.traps.points,
            Trait::Banned => self.traps.ban_points,
            Trait::Rate => self.rates.points,
        }
    }

    /// What cannot be meant, by its key.
    pub fn check(&self) -> Result<(), BuildError> {
        let wrong = |key: &str, why: String| Err(BuildError::at(key, why));
        for (key, window) in [("rates.window", self.rates.window), ("traps.window", self.traps.window)] {
            if window.0 < Duration::from_secs(10) || window.0 > Duration::from_hours(24) {
                return wrong(key, "expected ten seconds to a day".into());
            }
        }
        for (n, address) in self.traps.addresses.iter().enumerate() {
            if Address::parse(address, true).is_err() {
                let why = format!("expected an address such as \"trap@example.org\", found {address:?}");
                return wrong(&format!("traps.addresses[{n}]"), why);
            }
        }
        for (n, pool) in self.traps.pools.iter().enumerate() {
            if !pool.contains('.') || Domain::parse(pool, false).is_err() {
                let why = format!("expected a domain such as \"example.com\", found {pool:?}");
                return wrong(&format!("traps.pools[{n}]"), why);
            }
        }
        let reputation = &self.reputation;
        if reputation.weight < Score::ZERO || reputation.weight > Score::points(1) {
            return wrong("reputation.weight", "expected 0 to 1".into());
        }
        if reputation.most < Score::ZERO {
            return wrong("reputation.most", "expected zero or more".into());
        }
        if reputation.least > Score::ZERO {
            return wrong("reputation.least", "expected zero or less".into());
        }
        let half_life = reputation.half_life.0;
        if !half_life.is_zero() && half_life < Duration::from_secs(60) {
            return wrong("reputation.half_life", "expected no time, or a minute or more".into());
        }
        Ok(())
    }
}
