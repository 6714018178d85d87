//! A filter that says what a test tells it to say.
//!
//! It is in no registry, so no binary shows it; the dialogue runner knows it as `told`, and as `told_danger` where it
//! shall speak of danger.

use std::sync::Arc;
use std::time::Duration;

use gatepost_core::message::Edit;
use gatepost_core::prelude::*;

/// When the filter speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", rename_all = "snake_case")]
#[schemars(crate = "gatepost_core::schemars")]
pub enum At {
    /// At connect.
    Connect,
    /// At HELO or EHLO.
    Helo,
    /// At MAIL.
    Mail,
    /// At RCPT.
    #[default]
    Rcpt,
    /// At the end of the message.
    Message,
}

/// What the filter is told.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", default, deny_unknown_fields)]
#[schemars(crate = "gatepost_core::schemars")]
pub struct Config {
    /// When it speaks.
    pub at: At,
    /// Only about this recipient.
    pub to: Option<String>,
    /// Only about mail from this sender; `<>` is the null sender.
    pub from: Option<String>,
    /// Only about a client that calls itself so.
    pub helo: Option<String>,
    /// Only about a message with this field, `Name: text within its value`. Implies `at = "message"`.
    pub header: Option<String>,
    /// The points that it finds.
    pub points: Option<Score>,
    /// The log-odds that it finds.
    pub log_odds: Option<f32>,
    /// What stands behind the log-odds.
    pub support: u32,
    /// The finding's tag; `told.said` where none is given.
    pub tag: Option<String>,
    /// The wish: `exempt`, `spare`, `delay`, `defer`, `deny`, `reject`, `close`, `hold`, `discard`, `divert`, `edit`.
    pub wish: Option<String>,
    /// The reply that goes with the wish, `451 4.7.1 Come again`.
    pub reply: Option<String>,
    /// The seconds of a `delay`.
    pub seconds: u64,
    /// The field that an `edit` prepends, `Name: value`.
    pub field: Option<String>,
    /// Who the wish is for: `any`, `exempt`, `not_exempt`.
    pub standing: Option<String>,
    /// Instead of speaking it fails: `unavailable`, `broken`, `panic`.
    pub fault: Option<String>,
    /// How many seconds it thinks before it speaks.
    pub thinks: u64,
    /// What it answers for mail that was diverted to it; 250 where nothing is said.
    pub take: Option<String>,
}

/// A filter that says what it is told.
pub struct Told<const DANGER: bool> {
    config: Config,
    wish: Option<Wish>,
    standing: Standing,
    take: Reply,
}

/// Reads a reply as logs and scripts write it: `451 4.7.1 Come again`.
pub fn reply(text: &str) -> Option<Reply> {
    let (code, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    let code: u16 = code.parse().ok().filter(|code| (200..=599).contains(code))?;
    let (first, after) = rest.split_once(' ').unwrap_or((rest, ""));
    Some(match Enhanced::parse(first) {
        Some(enhanced) => Reply::new(code, Some(enhanced), after),
        None => Reply::new(code, None, rest),
    })
}

fn wish(config: &Config) -> Result<Option<Wish>, BuildError> {
    let Some(name) = config.wish.as_deref() else {
        return Ok(None);
    };
    let said = |usual: &str| {
        reply(config.reply.as_deref().unwrap_or(usual))
            .ok_or_else(|| BuildError::at("reply", "a reply such as `451 4.7.1 Come again`"))
    };
    Ok(Some(match name {
        "exempt" => Wish::Exempt,
        "spare" => Wish::Spare,
        "delay" => Wish::Delay(Duration::from_secs(config.seconds)),
        "defer" => Wish::Defer(said("451 4.7.1 Told to defer")?),
        "deny" => Wish::Deny(said("550 5.7.1 Told to deny")?),
        "reject" => Wish::Reject(said("550 5.7.1 Told to reject")?),
        "close" => Wish::Close(said("554 5.7.1 Told to close")?),
        "hold" => Wish::Hold,
        "discard" => Wish::Discard,
        "divert" => Wish::Divert,
        "edit" => {
            let (name, value) = config
                .field
                .as_deref()
                .and_then(|field| field.split_once(':'))
                .ok_or_else(|| BuildError::at("field", "`Name: value`"))?;
            Wish::Edit(
                Edit::prepend(name.to_owned(), value.trim()).map_err(|_| BuildError::at("field", "a legal name"))?,
            )
        }
        _ => return Err(BuildError::at("wish", "the name of a wish")),
    }))
}

fn is(wanted: Option<&String>, is: impl FnOnce() -> Option<String>) -> bool {
    wanted.is_none_or(|wanted| is().is_some_and(|is| is.eq_ignore_ascii_case(wanted)))
}

impl<const DANGER: bool> Told<DANGER> {
    async fn say(&self, at: At, cx: &Context<'_>, scope: Scope) -> Result<Opinion, Fault> {
        let from = || {
            cx.envelope().map(|envelope| {
                if envelope.from.is_null() {
                    "<>".into()
                } else {
                    envelope.from.to_string()
                }
            })
        };
        let helo = || cx.helo().map(|helo| helo.name.to_string());
        if at != self.config.at || !is(self.config.from.as_ref(), from) || !is(self.config.helo.as_ref(), helo) {
            return Ok(Opinion::none());
        }
        if self.config.thinks > 0 {
            tokio::time::sleep(Duration::from_secs(self.config.thinks)).await;
        }
        match self.config.fault.as_deref() {
            Some("unavailable") => return Err(Fault::Unavailable("told to be")),
            Some("broken") => return Err(Fault::Broken("told to be".into())),
            Some(_) => panic!("told to panic"),
            None => {}
        }
        let mut opinion = Opinion::none();
        let tag = || self.config.tag.clone().map_or(Tag::new("told.said"), Tag::owned);
        let evidence = [
            self.config.points.map(Evidence::Points),
            self.config.log_odds.map(|value| Evidence::LogOdds {
                value,
                support: self.config.support,
            }),
        ];
        for evidence in evidence.into_iter().flatten() {
            let mut finding = Finding::new(tag(), evidence, "told to find");
            finding.scope = scope;
            opinion = opinion.with(finding);
        }
        if let Some(wish) = self.wish.clone() {
            opinion = opinion.wish_for(scope, self.standing, wish);
        }
        Ok(opinion)
    }

    /// Whom it speaks of; `None` where this recipient is not concerned.
    fn scope(&self, to: &Recipient) -> Option<Scope> {
        match &self.config.to {
            None => Some(Scope::Everyone),
            Some(wanted) => to
                .path
                .to_string()
                .eq_ignore_ascii_case(wanted)
                .then_some(Scope::Only(to.id)),
        }
    }
}

#[async_trait]
impl<const DANGER: bool> Filter for Told<DANGER> {
    async fn connect(&self, cx: &Context<'_>) -> Result<Opinion, Fault> {
        self.say(At::Connect, cx, Scope::Everyone).await
    }

    async fn helo(&self, cx: &Context<'_>, _: &Helo) -> Result<Opinion, Fault> {
        self.say(At::Helo, cx, Scope::Everyone).await
    }

    async fn mail(&self, cx: &Context<'_>, _: &Path) -> Result<Opinion, Fault> {
        self.say(At::Mail, cx, Scope::Everyone).await
    }

    async fn rcpt(&self, cx: &Context<'_>, to: &Recipient) -> Result<Opinion, Fault> {
        match self.scope(to) {
            // What is told at RCPT is told of that recipient, so that another's RCPT does not tell it again.
            Some(_) => self.say(At::Rcpt, cx, Scope::Only(to.id)).await,
            None => Ok(Opinion::none()),
        }
    }

    async fn message(&self, cx: &Context<'_>, message: &Arc<Message>) -> Result<Opinion, Fault> {
        if let Some((name, text)) = self.config.header.as_deref().and_then(|header| header.split_once(':')) {
            let text = text.trim();
            if !message
                .headers()
                .all(name)
                .any(|field| String::from_utf8_lossy(&field.unfolded()).contains(text))
            {
                return Ok(Opinion::none());
            }
        }
        let scope = match (&self.config.to, cx.envelope()) {
            (None, _) => Some(Scope::Everyone),
            (Some(_), Some(envelope)) => envelope.recipients.iter().find_map(|to| self.scope(to)),
            (Some(_), None) => None,
        };
        match scope {
            Some(scope) => self.say(At::Message, cx, scope).await,
            None => Ok(Opinion::none()),
        }
    }

    async fn take(&self, _: &Context<'_>, _: &Arc<Message>) -> Result<Reply, Fault> {
        Ok(self.take.clone())
    }
}

fn build<const DANGER: bool>(mut config: Config) -> Result<Told<DANGER>, BuildError> {
    if config.header.is_some() {
        config.at = At::Message;
    }
    let take = config.take.as_deref().unwrap_or("250 2.0.0 Taken by the filter");
    let take = reply(take).ok_or_else(|| BuildError::at("take", "a reply such as `250 2.0.0 Taken`"))?;
    let standing = match config.standing.as_deref() {
        None | Some("any") => Standing::Any,
        Some("exempt") => Standing::Exempt,
        Some("not_exempt") => Standing::NotExempt,
        Some(_) => return Err(BuildError::at("standing", "`any`, `exempt` or `not_exempt`")),
    };
    Ok(Told {
        wish: wish(&config)?,
        standing,
        take,
        config,
    })
}

const ALL_PHASES: Phases = Phases::CONNECT
    .and(Phases::HELO)
    .and(Phases::MAIL)
    .and(Phases::RCPT)
    .and(Phases::MESSAGE);
const ALL_WISHES: Wishes = Wishes::EXEMPT
    .and(Wishes::SPARE)
    .and(Wishes::DELAY)
    .and(Wishes::DEFER)
    .and(Wishes::DENY)
    .and(Wishes::REJECT)
    .and(Wishes::CLOSE)
    .and(Wishes::HOLD)
    .and(Wishes::DISCARD)
    .and(Wishes::EDIT)
    .and(Wishes::DIVERT);

macro_rules! kind {
    ($danger:literal, $name:literal, $concern:ident) => {
        impl FilterKind for Told<$danger> {
            const NAME: &'static str = $name;
            const ABOUT: &'static str = "Says what a test tells it to say";
            const PHASES: Phases = ALL_PHASES;
            const CONCERN: Concern = Concern::$concern;
            const MAY: Wishes = ALL_WISHES;
            type Config = Config;
            fn build(config: Config, _: &Services) -> Result<Self, BuildError> {
                build(config)
            }
        }
    };
}

kind!(false, "told", Spam);
kind!(true, "told_danger", Danger);

/// The kinds of this module by name, as a registry would hold them.
pub fn entry(name: &str) -> Option<&'static Entry> {
    static SPAM: Entry = Entry::of::<Told<false>>();
    static DANGER: Entry = Entry::of::<Told<true>>();
    [&SPAM, &DANGER].into_iter().find(|entry| entry.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_reads_with_and_without_enhanced_code() {
        assert_eq!(
            reply("451 4.7.1 Come again").unwrap().to_string(),
            "451 4.7.1 Come again"
        );
        assert_eq!(reply("550 no such user").unwrap().to_string(), "550 no such user");
        assert_eq!(reply("250").unwrap().to_string(), "250");
        assert_eq!(reply("no reply"), None);
    }
}
