//! The contract of a filter: the running half and the static half.

use std::sync::Arc;

use async_trait::async_trait;
use gatepost_message::Message;
use gatepost_smtp::{Helo, Path, Reply};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::context::Context;
use crate::desk::{Acting, Change, Request};
use crate::envelope::Recipient;
use crate::fault::Fault;
use crate::learner::ModelSlot;
use crate::opinion::{Opinion, Wishes};
use crate::phase::Phases;
use crate::record::Record;
use crate::registry::BuildError;
use crate::services::Services;

/// A check. Each method is one moment in the life of a session; override the ones you need, and declare them in
/// [`FilterKind::PHASES`].
///
/// A filter never speaks SMTP and never decides: it returns an [`Opinion`]. Between two moments it may be dropped and
/// built anew, which must lose nothing: what it remembers lies in [`Services::store`]. The five checking methods may
/// write only first-seen values (`swap` from nothing) and counters (`add`); everything else is changed by
/// [`take`](Filter::take), [`handle`](Filter::handle) and [`observe`](Filter::observe). Work of more than a millisecond
/// of CPU goes through [`Services::compute`].
#[async_trait]
pub trait Filter: Send + Sync {
    /// A client has connected; nothing is said yet.
    async fn connect(&self, cx: &Context<'_>) -> Result<Opinion, Fault> {
        let _ = cx;
        Ok(Opinion::none())
    }

    /// It said who it is.
    async fn helo(&self, cx: &Context<'_>, helo: &Helo) -> Result<Opinion, Fault> {
        let _ = (cx, helo);
        Ok(Opinion::none())
    }

    /// It named the sender.
    async fn mail(&self, cx: &Context<'_>, from: &Path) -> Result<Opinion, Fault> {
        let _ = (cx, from);
        Ok(Opinion::none())
    }

    /// It named a recipient. Asked once for each.
    async fn rcpt(&self, cx: &Context<'_>, to: &Recipient) -> Result<Opinion, Fault> {
        let _ = (cx, to);
        Ok(Opinion::none())
    }

    /// The whole message is there.
    async fn message(&self, cx: &Context<'_>, message: &Arc<Message>) -> Result<Opinion, Fault> {
        let _ = (cx, message);
        Ok(Opinion::none())
    }

    /// Asked only of the filter whose [`Wish::Divert`](crate::Wish::Divert) was granted: do what the mail asks, durably,
    /// and say how it went. The reply is the answer to the sender.
    async fn take(&self, cx: &Context<'_>, message: &Arc<Message>) -> Result<Reply, Fault> {
        let _ = (cx, message);
        Err(Fault::Broken("this filter takes no mail".into()))
    }

    /// A human act that may concern this filter's own keys. The desk has checked rights and limits. `None` where it does
    /// not concern this filter.
    async fn handle(&self, by: &Acting<'_>, request: &Request) -> Result<Option<Change>, Fault> {
        let _ = (by, request);
        Ok(None)
    }

    /// Told after the fate of a mail is settled and answered. Cannot change it.
    async fn observe(&self, cx: &Context<'_>, record: &Record, message: Option<&Arc<Message>>) {
        let _ = (cx, record, message);
    }

    /// The model behind a classifier; it lives in [`Services::models`], not in the filter.
    fn learner(&self) -> Option<Arc<dyn ModelSlot>> {
        None
    }
}

/// Which mail a filter is asked about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Concern {
    /// Unwanted mail. Not asked, or not heeded, where the mail is exempt.
    Spam,
    /// Harm. Asked and heeded even when the mail is exempt.
    Danger,
}

/// The static half of a filter: its name, its powers, its options, and how it is built.
///
/// ```
/// use gatepost_core::prelude::*;
///
/// /// Points for a HELO without a dot.
/// pub struct HeloDots { points: Score }
///
/// #[derive(Deserialize, JsonSchema)]
/// #[serde(crate = "gatepost_core::serde", default, deny_unknown_fields)]
/// #[schemars(crate = "gatepost_core::schemars")]
/// pub struct Config {
///     /// Points for a HELO name without a dot.
///     points: Score,
/// }
///
/// impl Default for Config {
///     fn default() -> Config {
///         Config { points: Score::points(1) }
///     }
/// }
///
/// #[async_trait]
/// impl Filter for HeloDots {
///     async fn helo(&self, _: &Context<'_>, helo: &Helo) -> Result<Opinion, Fault> {
///         if helo.name.contains('.') {
///             return Ok(Opinion::none());
///         }
///         Ok(Opinion::points(Tag::new("helo_dots.none"), self.points, &*helo.name))
///     }
/// }
///
/// impl FilterKind for HeloDots {
///     const NAME: &'static str = "helo_dots";
///     const ABOUT: &'static str = "Points for a HELO name without a dot";
///     const PHASES: Phases = Phases::HELO;
///     const MAY: Wishes = Wishes::NONE;
///     type Config = Config;
///     fn build(config: Config, _: &Services) -> Result<HeloDots, BuildError> {
///         Ok(HeloDots { points: config.points })
///     }
/// }
///
/// gatepost_core::inventory::submit! { Entry::of::<HeloDots>() }
/// ```
pub trait FilterKind: Filter + Sized + 'static {
    /// Its name in configuration and tags: `[a-z0-9_]`, so that an environment variable can name it.
    const NAME: &'static str;
    /// What it does, in one sentence for `gatepost filters`.
    const ABOUT: &'static str;
    /// When it is asked.
    const PHASES: Phases;
    /// Which mail it is asked about.
    const CONCERN: Concern = Concern::Spam;
    /// Which wishes it may voice. Others are dropped, and the record says so.
    const MAY: Wishes;
    /// Its options. `#[serde(default, deny_unknown_fields)]`, a doc comment a field: they become the manual.
    type Config: DeserializeOwned + JsonSchema;

    /// Builds it. Called at start and at each reload; must not block and must not write.
    fn build(config: Self::Config, services: &Services) -> Result<Self, BuildError>;
}
