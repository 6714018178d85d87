//! The rules: what can be found about a file or a mail, what then happens, and what it weighs.

use std::collections::BTreeMap;
use std::fmt;

use gatepost_core::prelude::*;
use gatepost_core::{schemars, serde};

/// What can be found. Its name is that of the finding, `attachments.NAME`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Deserialize, JsonSchema)]
#[serde(crate = "serde", rename_all = "snake_case")]
#[schemars(crate = "schemars")]
pub enum Rule {
    /// A file on a list of the known bad.
    KnownBad,
    /// A file that the level or a rule for its reader blocks.
    Blocked,
    /// A document with macros that run when it is opened.
    AutoMacro,
    /// A document with macros.
    Macro,
    /// A program, by its content.
    Executable,
    /// A script, by its content.
    Script,
    /// A shortcut, by its content.
    Shortcut,
    /// A disk image, by its content.
    DiskImage,
    /// Sound.
    Audio,
    /// Moving pictures.
    Video,
    /// The content is another than the name or the declared type says, in a way that matters.
    Mismatch,
    /// The name is written so that people take it for another, and what hides is on a list of the levels.
    DisguisedName,
    /// A web page that puts a file together by itself.
    Smuggling,
    /// Several forms at once.
    Polyglot,
    /// Readers of a container see different files in it.
    Ambiguous,
    /// Readers of the mail see different files in it.
    Mime,
    /// A fragment of a mail (message/partial): the whole is put together where nobody looks.
    Partial,
    /// A file that lies elsewhere (message/external-body).
    ExternalBody,
    /// Behind a password.
    Encrypted,
    /// Broken: not all of it could be read.
    Damaged,
    /// Of a form that we cannot look into.
    Unread,
    /// Beyond a bound of size, number, depth or time: not all was looked at.
    Bounds,
    /// Packed so tightly that unpacking it is an attack.
    Bomb,
    /// A member that is unpacked elsewhere than it should be, or a link.
    Path,
    /// A document that starts something or fetches from elsewhere when opened.
    Fetches,
    /// A document with a file in it as an object.
    Embedded,
    /// JavaScript in a document.
    DocumentScript,
    /// A document that acts when opened.
    DocumentAction,
}

/// What happens to a mail with a finding. Of several the strongest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Deserialize, JsonSchema)]
#[serde(crate = "serde", rename_all = "snake_case")]
#[schemars(crate = "schemars")]
pub enum Action {
    /// Nothing, and no finding.
    Off,
    /// It counts by its points.
    Score,
    /// And the mail says in its header what was not seen or found.
    Mark,
    /// And the part is taken out; a line says that one is missing.
    Strip,
    /// And the part is replaced by a note that says what it was.
    Replace,
    /// And the mail is kept and not delivered.
    Hold,
    /// And the mail is refused.
    Reject,
}

/// Whose mail it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Side {
    /// From outside.
    External,
    /// From outside, and exempt: whitelisted, say.
    Exempt,
    /// Of our own people.
    Outbound,
}

impl Side {
    /// All of them.
    pub const ALL: [Side; 3] = [Side::External, Side::Exempt, Side::Outbound];
}

/// What is said of a rule. What is not said stays as it is shipped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(crate = "serde", default, deny_unknown_fields)]
#[schemars(crate = "schemars")]
pub struct RuleOptions {
    /// What happens: `off`, `score`, `mark`, `strip`, `replace`, `hold`, `reject`. Said alone, it holds for exempt mail as well.
    pub action: Option<Action>,
    /// What happens to mail that is exempt.
    pub exempt: Option<Action>,
    /// What happens to mail of our own people.
    pub outbound: Option<Action>,
    /// What it weighs, once for a mail.
    pub points: Option<Score>,
}

/// What happens, and what it weighs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    external: Action,
    exempt: Action,
    outbound: Action,
    /// What it weighs, once for a mail.
    pub points: Score,
}

impl Terms {
    const fn new(external: Action, exempt: Action, outbound: Action, hundredths: i32) -> Terms {
        Terms {
            external,
            exempt,
            outbound,
            points: Score::hundredths(hundredths),
        }
    }

    /// What happens on a side.
    pub fn action(&self, side: Side) -> Action {
        match side {
            Side::External => self.external,
            Side::Exempt => self.exempt,
            Side::Outbound => self.outbound,
        }
    }

    fn with(mut self, said: RuleOptions) -> Terms {
        if let Some(action) = said.action {
            (self.external, self.exempt) = (action, action);
        }
        self.exempt = said.exempt.unwrap_or(self.exempt);
        self.outbound = said.outbound.unwrap_or(self.outbound);
        self.points = said.points.unwrap_or(self.points);
        self
    }
}

impl Rule {
    /// All of them, in order.
    pub const ALL: [Rule; 28] = [
        Rule::KnownBad,
        Rule::Blocked,
        Rule::AutoMacro,
        Rule::Macro,
        Rule::Executable,
        Rule::Script,
        Rule::Shortcut,
        Rule::DiskImage,
        Rule::Audio,
        Rule::Video,
        Rule::Mismatch,
        Rule::DisguisedName,
        Rule::Smuggling,
        Rule::Polyglot,
        Rule::Ambiguous,
        Rule::Mime,
        Rule::Partial,
        Rule::ExternalBody,
        Rule::Encrypted,
        Rule::Damaged,
        Rule::Unread,
        Rule::Bounds,
        Rule::Bomb,
        Rule::Path,
        Rule::Fetches,
        Rule::Embedded,
        Rule::DocumentScript,
        Rule::DocumentAction,
    ];

    /// The name of its finding.
    pub const fn tag(self) -> &'static str {
        match self {
            Rule::KnownBad => "attachments.known_bad",
            Rule::Blocked => "attachments.blocked",
            Rule::AutoMacro => "attachments.auto_macro",
            Rule::Macro => "attachments.macro",
            Rule::Executable => "attachments.executable",
            Rule::Script => "attachments.script",
            Rule::Shortcut => "attachments.shortcut",
            Rule::DiskImage => "attachments.disk_image",
            Rule::Audio => "attachments.audio",
            Rule::Video => "attachments.video",
            Rule::Mismatch => "attachments.mismatch",
            Rule::DisguisedName => "attachments.disguised_name",
            Rule::Smuggling => "attachments.smuggling",
            Rule::Polyglot => "attachments.polyglot",
            Rule::Ambiguous => "attachments.ambiguous",
            Rule::Mime => "attachments.mime",
            Rule::Partial => "attachments.partial",
            Rule::ExternalBody => "attachments.external_body",
            Rule::Encrypted => "attachments.encrypted",
            Rule::Damaged => "attachments.damaged",
            Rule::Unread => "attachments.unread",
            Rule::Bounds => "attachments.bounds",
            Rule::Bomb => "attachments.bomb",
            Rule::Path => "attachments.path",
            Rule::Fetches => "attachments.fetches",
            Rule::Embedded => "attachments.embedded",
            Rule::DocumentScript => "attachments.document_script",
            Rule::DocumentAction => "attachments.document_action",
        }
    }

    /// Its name in configuration.
    pub fn name(self) -> &'static str {
        self.tag().strip_prefix("attachments.").unwrap_or_default()
    }

    /// What a sender reads whose file it is.
    pub const fn about(self) -> &'static str {
        match self {
            Rule::KnownBad => "it is known to be harmful",
            Rule::Blocked => "files of its type are not accepted here",
            Rule::AutoMacro => "it has macros that run by themselves",
            Rule::Macro => "it has macros",
            Rule::Executable => "it is a program",
            Rule::Script => "it is a script",
            Rule::Shortcut => "it is a shortcut",
            Rule::DiskImage => "it is a disk image",
            Rule::Audio => "it is sound",
            Rule::Video => "it is a film",
            Rule::Mismatch => "it is not what its name says",
            Rule::DisguisedName => "its name is in disguise",
            Rule::Smuggling => "it is a web page that makes a file",
            Rule::Polyglot => "it has several types at once",
            Rule::Ambiguous => "it is read in different ways",
            Rule::Mime => "the mail is read in different ways",
            Rule::Partial => "fragments of mail are not accepted here",
            Rule::ExternalBody => "it lies elsewhere",
            Rule::Encrypted => "it cannot be looked into without a password",
            Rule::Damaged => "it is damaged",
            Rule::Unread => "it cannot be looked into",
            Rule::Bounds => "it is too large to be looked at",
            Rule::Bomb => "it is packed too tightly",
            Rule::Path => "it leads out of its folder",
            Rule::Fetches => "it fetches something from elsewhere",
            Rule::Embedded => "it has another file in it",
            Rule::DocumentScript => "it has scripts in it",
            Rule::DocumentAction => "it acts when it is opened",
        }
    }

    /// How it is shipped.
    pub const fn terms(self) -> Terms {
        use Action::{Mark, Off, Reject, Score};
        match self {
            Rule::KnownBad => Terms::new(Reject, Reject, Reject, 2_000),
            Rule::Blocked => Terms::new(Reject, Reject, Reject, 1_000),
            Rule::AutoMacro => Terms::new(Reject, Reject, Score, 500),
            Rule::Macro => Terms::new(Score, Score, Off, 200),
            Rule::Executable => Terms::new(Score, Score, Off, 500),
            Rule::Shortcut | Rule::DiskImage => Terms::new(Score, Score, Off, 400),
            Rule::Script => Terms::new(Score, Score, Off, 200),
            Rule::Audio | Rule::Video | Rule::Embedded => Terms::new(Off, Off, Off, 0),
            Rule::Mismatch | Rule::DisguisedName | Rule::Smuggling => Terms::new(Score, Score, Score, 400),
            Rule::Polyglot | Rule::Ambiguous | Rule::Mime => Terms::new(Score, Score, Score, 300),
            Rule::Partial => Terms::new(Mark, Mark, Off, 300),
            Rule::ExternalBody => Terms::new(Score, Score, Off, 100),
            Rule::Encrypted => Terms::new(Mark, Mark, Off, 150),
            Rule::Damaged | Rule::Unread => Terms::new(Mark, Mark, Off, 100),
            Rule::Bounds => Terms::new(Mark, Mark, Off, 200),
            Rule::Bomb => Terms::new(Mark, Mark, Score, 400),
            Rule::Path => Terms::new(Score, Score, Off, 200),
            Rule::Fetches => Terms::new(Score, Score, Off, 300),
            Rule::DocumentScript => Terms::new(Score, Score, Off, 200),
            Rule::DocumentAction => Terms::new(Score, Score, Off, 150),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// All rules as a configuration has them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rules(BTreeMap<Rule, Terms>);

impl Rules {
    /// What is shipped, with what is said over it.
    pub fn new(said: &BTreeMap<Rule, RuleOptions>) -> Rules {
        let terms = |rule: Rule| rule.terms().with(said.get(&rule).copied().unwrap_or_default());
        Rules(Rule::ALL.into_iter().map(|rule| (rule, terms(rule))).collect())
    }

    /// What holds for a rule.
    pub fn of(&self, rule: Rule) -> Terms {
        self.0.get(&rule).copied().unwrap_or_else(|| rule.terms())
    }
}
