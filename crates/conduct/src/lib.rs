//! The filter of conduct: how a client behaves, whatever it sends.
//!
//! It looks at what only the session could see (who spoke too early, odd line ends, refused commands) and at what the
//! client calls itself. It asks no service and remembers nothing. Clients that logged in and outbound mail are not its
//! business: programs of our own people may be clumsy.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod manners;

use gatepost_core::envelope::Direction;
use gatepost_core::prelude::*;
use manners::Trait;

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
    /// Points for a HELO with the address literal of somebody else. A client behind NAT may mean no harm.
    pub helo_not_its_own_points: Score,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            early_talk: EarlyTalk::Score,
            early_talk_points: Score::points(4),
            unasked_pipelining_points: Score::points(2),
            bare_lf_points: Score::hundredths(50),
            long_line_points: Score::ZERO,
            near_miss_points: Score::points(5),
            errors_points: Score::points(1),
            errors_from: 5,
            helo_syntax_points: Score::points(2),
            helo_not_its_own_points: Score::points(1),
        }
    }
}

/// The filter of conduct.
pub struct Conduct {
    config: Config,
}

const TOO_EARLY: Reply = Reply::fixed(554, Enhanced(5, 5, 0), "You spoke before you were greeted");

impl Conduct {
    fn finding(&self, what: Trait, note: String) -> Finding {
        let c = &self.config;
        let (tag, points) = match what {
            Trait::EarlyTalk => ("conduct.early_talk", c.early_talk_points),
            Trait::UnaskedPipelining => ("conduct.unasked_pipelining", c.unasked_pipelining_points),
            Trait::BareLf => ("conduct.bare_lf", c.bare_lf_points),
            Trait::LongLine => ("conduct.long_line", c.long_line_points),
            Trait::NearMiss => ("conduct.near_miss", c.near_miss_points),
            Trait::Errors => ("conduct.errors", c.errors_points),
            Trait::HeloSyntax => ("conduct.helo_syntax", c.helo_syntax_points),
            Trait::HeloNotItsOwn => ("conduct.helo_not_its_own", c.helo_not_its_own_points),
        };
        Finding::new(Tag::new(tag), Evidence::Points(points), note)
    }
}

fn is_one_of_us(cx: &Context<'_>) -> bool {
    cx.direction() == Direction::Outbound || cx.login().is_some()
}

#[async_trait]
impl Filter for Conduct {
    async fn helo(&self, cx: &Context<'_>, helo: &Helo) -> Result<Opinion, Fault> {
        if is_one_of_us(cx) {
            return Ok(Opinion::none());
        }
        let mut opinion = Opinion::none();
        for what in manners::at_helo(cx.facts(), helo, cx.origin()) {
            let note = match what {
                Trait::HeloSyntax | Trait::HeloNotItsOwn => format!("{}: {}", what.note(), helo.name),
                _ => what.note().to_owned(),
            };
            opinion = opinion.with(self.finding(what, note));
            opinion = match (what, self.config.early_talk) {
                (Trait::EarlyTalk, EarlyTalk::Reject) => opinion.wish(Wish::Reject(TOO_EARLY)),
                (Trait::EarlyTalk, EarlyTalk::Close) => opinion.wish(Wish::Close(TOO_EARLY)),
                _ => opinion,
            };
        }
        Ok(opinion)
    }

    async fn message(&self, cx: &Context<'_>, _: &Arc<Message>) -> Result<Opinion, Fault> {
        if is_one_of_us(cx) {
            return Ok(Opinion::none());
        }
        let seen = manners::at_message(cx.facts(), self.config.errors_from.max(1));
        Ok(seen.fold(Opinion::none(), |opinion, what| {
            let note = match what {
                Trait::Errors => format!("{}: {}", what.note(), cx.facts().errors),
                _ => what.note().to_owned(),
            };
            opinion.with(self.finding(what, note))
        }))
    }
}

impl FilterKind for Conduct {
    const NAME: &'static str = "conduct";
    const ABOUT: &'static str = "Points for bad manners: speaking too early, odd line ends, a nonsensical HELO";
    const PHASES: Phases = Phases::HELO.and(Phases::MESSAGE);
    const MAY: Wishes = Wishes::REJECT.and(Wishes::CLOSE);
    type Config = Config;

    fn build(config: Config, _: &Services) -> Result<Conduct, BuildError> {
        Ok(Conduct { config })
    }
}

gatepost_core::inventory::submit! { Entry::of::<Conduct>() }
