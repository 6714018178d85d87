//! What a site makes of the files of a mail: a pure function of what they are.
//!
//! **Invariant:** every rule is asked about every file, except about one that is known to be good, and what lies in it.
//! **Absent on purpose:** SMTP, and what becomes of several findings ([`opinion`](crate::opinion)).

use std::collections::BTreeSet;

use gatepost_containers::{Class, Kind, Mark};

use crate::hashes::Hashes;
use crate::kinds;
use crate::levels::{Level, Levels};
use crate::look::{Contents, File};
use crate::name::{Name, Trick};
use crate::pattern::Subject;
use crate::people::{People, Word};
use crate::rule::{Action, Rule, Rules, Side};

/// What the operator wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// The lists of the levels.
    pub levels: Levels,
    /// The level of mail from outside.
    pub external: Level,
    /// The level of mail from outside that is exempt.
    pub exempt: Level,
    /// The level of mail of our own people.
    pub outbound: Level,
    /// What is found, what happens, what it weighs.
    pub rules: Rules,
    /// Rules of people and domains.
    pub people: People,
    /// Files that are good whatever they are.
    pub good: Hashes,
    /// Files that are bad whatever they are, good ones included.
    pub bad: Hashes,
}

/// Something that was found.
#[derive(Clone, PartialEq, Debug)]
pub struct Hit<'a> {
    /// By which rule.
    pub rule: Rule,
    /// What is to happen; never [`Action::Off`].
    pub action: Action,
    /// The file; none where it is about the mail as a whole.
    pub file: Option<&'a File>,
    /// What exactly was seen.
    pub why: String,
}

impl Policy {
    fn level(&self, side: Side) -> Level {
        match side {
            Side::External => self.external,
            Side::Exempt => self.exempt,
            Side::Outbound => self.outbound,
        }
    }

    /// All that is found in a mail, for a side and for those whom these rules of [`People`] concern.
    pub fn judge<'a>(&self, contents: &'a Contents, side: Side, people: &[usize]) -> Vec<Hit<'a>> {
        let mut hits = Hits {
            policy: self,
            side,
            list: Vec::new(),
        };
        hits.mail(contents);
        let is_good = |file: &File| {
            file.sha256
                .is_some_and(|hash| self.good.has(&hash) && !self.bad.has(&hash))
        };
        let good: BTreeSet<_> = contents
            .files
            .iter()
            .filter(|file| !file.inside() && is_good(file))
            .map(|file| file.piece)
            .collect();
        for file in &contents.files {
            if !good.contains(&file.piece) && !is_good(file) {
                hits.file(file, people);
            }
        }
        hits.list
    }

    /// Why a file is blocked, by a rule of people or by the level.
    fn blocked(&self, file: &File, side: Side, people: &[usize], agrees: bool) -> Blocked {
        let subject = subject(file);
        let level = match self.level(side) {
            level if file.of_package => level.min(Level::Two),
            level => level,
        };
        match self.people.say(people, side != Side::Outbound, &subject, agrees) {
            Some(Word::Blocked(key, pattern)) => Blocked::Yes(format!("rule of {key}, {}", pattern.written())),
            // What a document is made of was not sent as a file; what runs in it is blocked by its kind.
            Some(Word::NotAmong(_)) if file.of_package => Blocked::No,
            Some(Word::NotAmong(key)) => Blocked::Yes(format!("rule of {key}, not among what is let through")),
            Some(Word::Allowed) => Blocked::Allowed,
            None => match self.levels.blocks(level, &subject, agrees) {
                Some(blocked) => Blocked::Yes(blocked.to_string()),
                None => Blocked::No,
            },
        }
    }

    /// Which name hides what, where something on the lists of the levels is hidden.
    fn disguise(&self, name: &Name) -> Option<String> {
        const SHOWS_OTHER: [Trick; 3] = [Trick::Direction, Trick::Spaces, Trick::Double];
        if name.tricks.is_empty() {
            return None;
        }
        let shows_other = name.tricks.iter().any(|trick| SHOWS_OTHER.contains(trick));
        let hidden = name.readings.iter().find(|reading| {
            let alone = Name {
                readings: vec![(*reading).clone()],
                ..Name::default()
            };
            let subject = Subject {
                names: &[alone],
                kind: Kind::Unknown,
                inside: false,
            };
            (shows_other || reading.extension != name.plain)
                && !reading.extension.is_empty()
                && self.levels.blocks(Level::Three, &subject, true).is_some()
        })?;
        let tricks: Vec<_> = name.tricks.iter().map(|trick| trick.name()).collect();
        Some(format!("{}, .{} in truth", tricks.join(", "), hidden.extension))
    }
}

enum Blocked {
    Yes(String),
    Allowed,
    No,
}

fn subject(file: &File) -> Subject<'_> {
    Subject {
        names: &file.names,
        kind: file.kind,
        inside: file.inside(),
    }
}

/// Hits under way.
struct Hits<'p, 'a> {
    policy: &'p Policy,
    side: Side,
    list: Vec<Hit<'a>>,
}

impl<'a> Hits<'_, 'a> {
    fn add(&mut self, rule: Rule, file: Option<&'a File>, why: impl Into<String>) {
        let action = self.policy.rules.of(rule).action(self.side);
        if action != Action::Off {
            self.list.push(Hit {
                rule,
                action,
                file,
                why: why.into(),
            });
        }
    }

    fn mail(&mut self, contents: &'a Contents) {
        let survey = &contents.survey;
        if !survey.ambiguous.is_empty() {
            self.add(Rule::Mime, None, survey.ambiguous.join(", "));
        }
        if !survey.excess.is_empty() {
            self.add(
                Rule::Bounds,
                None,
                format!("bounds of the mail: {}", survey.excess.join(", ")),
            );
        }
        if survey.partial {
            self.add(Rule::Partial, None, "message/partial");
        }
        if survey.external {
            self.add(Rule::ExternalBody, None, "message/external-body");
        }
    }

    fn file(&mut self, file: &'a File, people: &[usize]) {
        if file.sha256.is_some_and(|hash| self.policy.bad.has(&hash)) {
            self.add(Rule::KnownBad, Some(file), "on the list");
        }
        let kind = file.kind;
        // Text that a reader shows is no attachment, be it a script; what is no text at all is one.
        let is_text = !matches!(
            kind.class(),
            Class::Executable | Class::Image | Class::Archive | Class::Audio | Class::Video
        );
        if !(file.shown && is_text) {
            self.attached(file, people);
        }
        for (mark, note) in &file.marks {
            if let Some(rule) = rule_of(*mark) {
                self.add(rule, Some(file), format!("{}: {note}", mark.name()));
            }
        }
        if !file.whole {
            self.add(Rule::Bounds, Some(file), "longer than is looked at");
        }
    }

    fn attached(&mut self, file: &'a File, people: &[usize]) {
        let mismatch = kinds::disagreement(file.kind, &file.names, &file.declared);
        let disguise = file.names.iter().find_map(|name| self.policy.disguise(name));
        let agrees = mismatch.is_none() && disguise.is_none() && kinds::is_owned(file.kind, &file.names);
        let blocked = self.policy.blocked(file, self.side, people, agrees);
        if let Blocked::Yes(why) = &blocked {
            self.add(Rule::Blocked, Some(file), why.clone());
        }
        if let Some(why) = mismatch {
            self.add(Rule::Mismatch, Some(file), why);
        }
        if let Some(why) = disguise {
            self.add(Rule::DisguisedName, Some(file), why);
        }
        let class = match file.kind.class() {
            Class::Executable => Rule::Executable,
            Class::Script => Rule::Script,
            Class::Shortcut => Rule::Shortcut,
            Class::Image => Rule::DiskImage,
            Class::Audio => Rule::Audio,
            Class::Video => Rule::Video,
            _ => return,
        };
        if !matches!(blocked, Blocked::Allowed) {
            self.add(class, Some(file), "by its content");
        }
    }
}

/// Which rule a mark of a file is about.
pub fn rule_of(mark: Mark) -> Option<Rule> {
    Some(match mark {
        Mark::Encrypted => Rule::Encrypted,
        Mark::Damaged => Rule::Damaged,
        Mark::Unread => Rule::Unread,
        Mark::Ambiguous => Rule::Ambiguous,
        Mark::Depth | Mark::Files | Mark::Octets | Mark::Time => Rule::Bounds,
        Mark::Ratio => Rule::Bomb,
        Mark::Path => Rule::Path,
        Mark::Macro => Rule::Macro,
        Mark::AutoMacro => Rule::AutoMacro,
        Mark::Fetches => Rule::Fetches,
        Mark::Embedded => Rule::Embedded,
        Mark::Script => Rule::DocumentScript,
        Mark::Action => Rule::DocumentAction,
        Mark::Smuggling => Rule::Smuggling,
        Mark::Polyglot => Rule::Polyglot,
        // A mark of a later reader: what it means nobody said here, but that not all was seen is never passed over.
        other if other.is_blind() => Rule::Bounds,
        _ => return None,
    })
}
