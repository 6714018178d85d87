//! What the operator wants, as written and as it applies to one domain or user.
//!
//! **Invariant:** [`Rules`] are a fold of [`Layer`]s from the general to the particular: site, domain, user; a layer that
//! says nothing changes nothing, and neither does what it says on a key that is locked above it. **Absent on purpose:** where layers come from (a file, later a store), and what follows from them
//! ([`judge`](crate::judge)).

mod levels;
mod locks;
mod table;

use std::borrow::Cow;
use std::time::Duration;

use gatepost_core::message::NamePattern;
use gatepost_core::{Level, Phase, Score};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::offer::{self, TagPattern};
use crate::risk::Risk;
use crate::spambox::{Days, Spambox};
use crate::template::{Contact, Template};

pub use levels::{Action, Bar, Grade, Step, Tag};
pub use locks::{Key, Locks};
pub use table::Policy;

/// The moment from which on refusals are spoken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpeakFrom {
    /// At once.
    Connect,
    /// At RCPT, so that the log knows sender and recipient.
    Rcpt,
    /// At the end of the message.
    Message,
}

impl SpeakFrom {
    /// The first phase at which a refusal is spoken.
    pub const fn phase(self) -> Phase {
        match self {
            SpeakFrom::Connect => Phase::Connect,
            SpeakFrom::Rcpt => Phase::Rcpt,
            SpeakFrom::Message => Phase::Message,
        }
    }
}

/// What happens when recipients of one mail should get different marks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DifferingMarks {
    /// All get the weaker ones.
    Weaker,
    /// Each gets its own, in a delivery of its own; needs a queue, or a sender that hears about each recipient (PRDR), and is
    /// `weaker` without.
    Separate,
}

/// From which addresses outbound mail may be sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SenderMatch {
    /// From any.
    Off,
    /// From those of the local domains.
    LocalDomain,
    /// From the address of the login: its name, or its name at a local domain.
    Login,
}

/// Scores from one on and below another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "[Score; 2]")]
#[schemars(with = "[Score; 2]")]
pub struct Between {
    /// The lowest score in it.
    pub from: Score,
    /// The lowest score above it.
    pub below: Score,
}

impl Between {
    /// All scores.
    pub const ALL: Between = Between {
        from: Score::hundredths(i32::MIN),
        below: Score::MAX,
    };

    /// What is neither clearly wanted nor clearly unwanted, as the levels are by default.
    pub const DOUBTFUL: Between = Between {
        from: Score::points(-3),
        below: Score::points(10),
    };

    /// Whether a score is in it.
    pub fn contains(self, score: Score) -> bool {
        self.from <= score && (score < self.below || self.below == Score::MAX)
    }
}

impl TryFrom<[Score; 2]> for Between {
    type Error = String;
    fn try_from([from, below]: [Score; 2]) -> Result<Between, String> {
        if from < below {
            Ok(Between { from, below })
        } else {
            Err(format!("the lower score first, not [{from}, {below}]"))
        }
    }
}

/// A setting that is written as a text and read with care.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident($inner:ty), $read:expr, $about:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub struct $name(pub $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<$name, D::Error> {
                let text = Cow::<'de, str>::deserialize(from)?;
                $read(&text).map($name).map_err(D::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": $about })
            }
        }
    };
}

text! {
    /// A time span, written `20s` or `1m 30s`.
    Span(Duration), humantime::parse_duration, "A time span, 20s or 1m 30s."
}
text! {
    /// The name of a header field, or of all that begin alike.
    Pattern(NamePattern), NamePattern::new, "A header name, perhaps with * at its end."
}

macro_rules! layered {
    (
        domain { $($(#[doc = $doc:literal])+ $field:ident: $type:ty = $default:expr;)* }
        site { $($(#[doc = $site_doc:literal])+ $site_field:ident: $site_type:ty = $site_default:expr;)* }
    ) => {
        /// The policy as it is written at one place: what is absent is inherited.
        #[derive(Clone, PartialEq, Debug, Default, Deserialize, JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        pub struct Layer {
            /// Mail below every threshold. Its action is `none` by default.
            pub none: Step,
            /// Slightly suspicious mail: from 3 points on, `header`, by default.
            pub low: Step,
            /// Probably unwanted mail: from 6 points on, `subject`, by default.
            pub medium: Step,
            /// Certainly unwanted mail: from 10 points on, `reject`, by default.
            pub high: Step,
            /// Keys that are locked against the layers below, `["high", "medium.action", "dry_run"]`: of the site against
            /// domains and users, of a domain against its users. What they say on them changes nothing.
            pub locked: Locks,
            $($(#[doc = $doc])+ pub $field: Option<$type>,)*
            $($(#[doc = $site_doc])+ pub $site_field: Option<$site_type>,)*
        }

        /// What applies to mail for one domain, or for all.
        #[derive(Clone, PartialEq, Debug)]
        pub struct Rules {
            /// The four levels, rising.
            pub levels: [Grade; 4],
            /// What no layer below changes.
            pub locked: Locks,
            /// The dry run is not the site's, but a domain's or a user's: danger is obeyed in it, and who exists.
            pub dry_for_spam: bool,
            /// The operator's levels, where a customer may have others: points about danger keep mail from its reader by
            /// either. None where the levels are the operator's.
            pub operators: Option<[Bar; 4]>,
            $($(#[doc = $doc])+ pub $field: $type,)*
            $($(#[doc = $site_doc])+ pub $site_field: $site_type,)*
        }

        impl Default for Rules {
            fn default() -> Rules {
                Rules { levels: levels::defaults(), locked: Locks::default(), dry_for_spam: false, operators: None, $($field: $default,)* $($site_field: $site_default,)* }
            }
        }

        impl Rules {
            /// These rules under one more layer.
            #[must_use]
            pub fn under(mut self, layer: &Layer) -> Rules {
                let layer = &*layer.below(&self.locked);
                for (grade, step) in self.levels.iter_mut().zip(layer.steps()) {
                    grade.threshold = step.threshold.unwrap_or(grade.threshold);
                    grade.action = step.action.unwrap_or(grade.action);
                    grade.tag = step.tag.as_ref().map(|tag| tag.0.clone()).or(grade.tag.take());
                    grade.keep = step.keep.or(grade.keep);
                    grade.spambox = step.spambox.clone().or(grade.spambox.take());
                }
                $(if let Some(value) = &layer.$field { self.$field = value.clone(); })*
                $(if let Some(value) = &layer.$site_field { self.$site_field = value.clone(); })*
                self.locked = self.locked.and(&layer.locked);
                self
            }
        }

        impl Layer {
            /// The keys about which a domain or a user may say something, beside those of the levels.
            pub const KEYS: &[&str] = &[$(stringify!($field)),*];
            /// The keys that hold for the whole site.
            pub const SITE_KEYS: &[&str] = &[$(stringify!($site_field)),*];

            /// The keys about which it says something for one domain or user.
            pub fn keys(&self) -> Vec<Key> {
                let mut keys = self.level_keys();
                $(if self.$field.is_some() { keys.push(Key { level: None, name: stringify!($field) }); })*
                keys
            }

            /// Takes out what it says on a key.
            fn forget(&mut self, key: Key) {
                match key.level {
                    Some(level) => self.step(level).forget(key.name),
                    None => match key.name {
                        $(stringify!($field) => self.$field = None,)*
                        _ => {}
                    },
                }
            }

            /// The keys in it that say something about the whole site, and so nothing in the layer of one domain.
            pub fn of_the_site(&self) -> Vec<&'static str> {
                let mut keys = Vec::new();
                $(if self.$site_field.is_some() { keys.push(stringify!($site_field)); })*
                keys
            }
        }
    };
}

layered! {
    domain {
        /// Say in the log and in a header what would have happened, and deliver all the same (`gatepost shadow`). Of the
        /// site this means everything, viruses included. Of one domain or user it means what is about spam: danger is
        /// refused and taken out all the same, and so are recipients that do not exist; and what is to be said or waited
        /// before RCPT waits for RCPT, for all. `false` by default.
        dry_run: bool = false;
        /// From when on refusals are spoken: `connect`, `rcpt` (the default) or `message`. For one domain it can only be
        /// later than for all. Nobody is refused before RCPT where some domain has a filter off that may speak before.
        speak_from: SpeakFrom = SpeakFrom::Rcpt;
        /// Mail is delivered with the marks of its level, whatever speaks for spam: no refusal, no greylisting, no holding
        /// and no discarding. Danger and a person's own refusal are obeyed. `false` by default.
        spam_lover: bool = false;
        /// Mail is deferred (greylisted) only when its score so far lies between these two: neither what is clearly
        /// wanted nor what is clearly unwanted waits. [-3, 10] by default.
        defer_between: Between = Between::DOUBTFUL;
        /// Recipients to whom another policy applies than to the first one are told to come in another transaction.
        /// `false` by default.
        strict_split: bool = false;
        /// What happens when recipients of one mail should get different marks: `weaker` (the default) or `separate`.
        differing_marks: DifferingMarks = DifferingMarks::Weaker;
        /// Mail to postmaster and abuse passes the spam checks (RFC 5321 §4.5.1). `true` by default.
        role_accounts: bool = true;
        /// Keep a copy of what is refused for its content, so that its recipient can have it all the same. `true` by
        /// default; a level may say otherwise with `keep`.
        keep_refused: bool = true;
        /// After how many days kept mail goes, for its recipients in one domain or in all; as `[archive]` has it by
        /// default.
        keep_days: Days = Days(None);
        /// Where a marked copy goes of what is refused for its content and kept: an address of ours, in which `{user}` and
        /// `{domain}` are the recipient's, `"spambox@{domain}"` or `"{user}+spam@{domain}"`. Never of what is dangerous or
        /// of what its recipient denied. None by default, and where it is empty.
        spambox: Spambox = Spambox::default();
        /// How much wanted mail the classifiers alone may take for spam: "1 in 1000" (the default), or 0.001. From what they
        /// learned follows how sure they must be for that. As long as too little wanted mail is confirmed to vouch for it
        /// (three times 1000 here), they must be surer still, and `gatepost model list`, the log and `/metrics` say so.
        ham_risk: Risk = Risk::default();
        /// The points that all classifiers together give where they are so sure of spam that `ham_risk` allows it; fewer
        /// where they are less sure, never more; for wanted mail two fifths of it the other way. 10 by default: with less
        /// than `high.threshold` they refuse nobody on their own.
        classifiers: Score = Score::points(10);
        /// What a client reads when its mail is refused for its points and no code is offered: one line with {reason},
        /// {id} and {contact}. It may begin with its code, as 554 5.7.1; without one it is 550 5.7.1.
        refusal: Template = Template::plain();
        /// What it reads where it may send the mail once more with a code, which needs the filter `resend`: the same, with
        /// {code} for the code of this mail or {day_code} for that of the day.
        refusal_with_code: Template = Template::with_code();
        /// Findings with which mail is offered no code: names such as `clamav.found`, `dnsbl.*` for all that begin so, and
        /// with a `!` before it those that are offered one after all; the last that fits decides. By default what says that
        /// the sender is forged or listed, and danger.
        no_code_for: Vec<TagPattern> = offer::no_code_for();
        /// Whom a refusal names for those who think that it is wrong: an address or a page. {domain} is the domain of the
        /// recipient, or the name of this host where there is none. "postmaster@{domain}" by default.
        contact: Contact = Contact::default();
    }
    site {
        /// Header fields that are taken off external mail because readers believe them to be ours, `X-Spam-*` for all
        /// that begin so. `X-Gatepost-*` always is. By default `X-Spam-*` and `X-Assp-*`.
        strip_headers: Vec<Pattern> = ["X-Spam-*", "X-Assp-*"].iter().flat_map(|p| NamePattern::new(p)).map(Pattern).collect();
        /// Write subjects to the log. `false` by default.
        log_subject: bool = false;
        /// From which addresses outbound mail may be sent, in the envelope and in the From header: `off` (the
        /// default), `local_domain` or `login`.
        sender_must_match: SenderMatch = SenderMatch::Off;
        /// Mail with more Received fields than this is in a loop. 100 by default.
        hops: u32 = 100;
        /// Mail that passed this server more often than this is in a loop. 3 by default.
        own_hops: u32 = 3;
        /// After this long at the end of a message no further spam filter is begun. 20s by default.
        soft_deadline: Span = Span(Duration::from_secs(20));
        /// After this long at the end of a message every filter that has not answered counts as failed. 45s by default.
        deadline: Span = Span(Duration::from_secs(45));
    }
}

impl Layer {
    fn steps(&self) -> [&Step; 4] {
        [&self.none, &self.low, &self.medium, &self.high]
    }

    fn step(&mut self, level: Level) -> &mut Step {
        match level {
            Level::None => &mut self.none,
            Level::Low => &mut self.low,
            Level::Medium => &mut self.medium,
            Level::High => &mut self.high,
        }
    }

    fn level_keys(&self) -> Vec<Key> {
        let steps = self.steps().into_iter().zip(Level::ALL);
        let keys = steps.flat_map(|(step, level)| {
            let level = Some(level);
            step.keys().map(move |name| Key { level, name })
        });
        keys.collect()
    }
}

impl Rules {
    /// The rules that layers make, from the general to the particular.
    pub fn fold<'a>(layers: impl IntoIterator<Item = &'a Layer>) -> Rules {
        layers.into_iter().fold(Rules::default(), Rules::under)
    }

    /// These rules under the layer of a domain or a user. Its dry run is about spam alone, unless that of the site is on.
    #[must_use]
    pub fn for_some(self, layer: &Layer) -> Rules {
        let all_is_dry = self.is_dry_for_danger();
        let mut rules = self.under(layer);
        rules.dry_for_spam = rules.dry_run && !all_is_dry;
        rules
    }

    /// The same where a customer wrote the layer: what these rules do with danger is the least that is done.
    #[must_use]
    pub fn for_customer(self, layer: &Layer) -> Rules {
        let operators = self.bars();
        let mut rules = self.for_some(layer);
        rules.operators = Some(operators);
        rules
    }

    /// The operator's levels.
    fn bars(&self) -> [Bar; 4] {
        self.operators.unwrap_or_else(|| self.levels.each_ref().map(Bar::of))
    }

    /// The level of points about danger as the operator has it and what is done with it, where a customer may have other
    /// levels.
    pub fn by_operator(&self, peril: Score) -> Option<(Level, Action)> {
        let mut bars = self.operators.as_ref()?.iter().zip(Level::ALL);
        let (none, _) = bars.next()?;
        let reached = bars.rfind(|(bar, _)| peril >= bar.threshold);
        Some(reached.map_or((Level::None, none.action), |(bar, level)| (level, bar.action)))
    }

    /// Whether nothing is enforced at all: what is dangerous is delivered as it came, and the mail server asked about
    /// recipients that do not exist.
    pub fn is_dry_for_danger(&self) -> bool {
        self.dry_run && !self.dry_for_spam
    }

    /// The level of a score.
    pub fn level(&self, score: Score) -> Level {
        let reached = self
            .levels
            .iter()
            .zip(Level::ALL)
            .skip(1)
            .filter(|(grade, _)| score >= grade.threshold);
        reached.map(|(_, level)| level).next_back().unwrap_or(Level::None)
    }

    /// What applies to a level.
    pub fn grade(&self, level: Level) -> &Grade {
        let [none, low, medium, high] = &self.levels;
        match level {
            Level::None => none,
            Level::Low => low,
            Level::Medium => medium,
            Level::High => high,
        }
    }

    /// Whether a copy is kept of mail of a level that is refused for its content.
    pub fn keeps(&self, level: Level) -> bool {
        self.grade(level).keep.unwrap_or(self.keep_refused)
    }

    /// Where marked copies of mail of a level go that was refused, or held by the level's action.
    pub fn spambox(&self, level: Level, held: bool) -> Option<&Spambox> {
        let own = self.grade(level).spambox.as_ref();
        let spambox = if held { own? } else { own.unwrap_or(&self.spambox) };
        spambox.is_set().then_some(spambox)
    }

    /// All domains but the recipients' own to which copies go.
    pub fn spambox_domains(&self) -> impl Iterator<Item = &str> {
        let levels = self.levels.iter().filter_map(|grade| grade.spambox.as_ref());
        levels.chain([&self.spambox]).filter_map(Spambox::domain)
    }

    /// What cannot be meant, as key and words.
    pub fn mistakes(&self) -> Vec<(&'static str, String)> {
        let mut mistakes = Vec::new();
        for pair in [(Level::Low, Level::Medium), (Level::Medium, Level::High)] {
            let (lower, higher) = (self.grade(pair.0).threshold, self.grade(pair.1).threshold);
            if lower > higher {
                mistakes.push((
                    pair.1.name(),
                    format!(
                        "threshold {higher} is below {lower}, that of level {}; it must not be",
                        pair.0
                    ),
                ));
            }
        }
        if self.spambox.is_set() && Level::ALL.iter().all(|level| !self.keeps(*level)) {
            mistakes.push((
                "spambox",
                "copies are made from what is kept: `keep_refused` must not be false for all levels".into(),
            ));
        }
        for level in Level::ALL {
            let grade = self.grade(level);
            let has_spambox = grade.spambox.as_ref().is_some_and(Spambox::is_set);
            if has_spambox && !self.keeps(level) && grade.action != Action::Hold {
                mistakes.push((
                    level.name(),
                    "copies are made from what is kept: no `spambox` without `keep`".into(),
                ));
            }
        }
        if self.soft_deadline.0 > self.deadline.0 {
            mistakes.push(("soft_deadline", "it must not be later than `deadline`".into()));
        }
        if self.deadline.0.is_zero() || self.deadline.0 > Duration::from_secs(240) {
            mistakes.push(("deadline", "between 1s and 4m: clients do not wait longer".into()));
        }
        if self.refusal.offers() {
            mistakes.push((
                "refusal",
                "no code is offered where this is said: {code} and {day_code} belong in `refusal_with_code`".into(),
            ));
        }
        mistakes
    }
}

#[cfg(test)]
mod tests;
