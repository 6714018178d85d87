//! The options of the filter, and what is built of them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gatepost_containers::Limits;
use gatepost_core::prelude::*;
use gatepost_core::written::Span;
use gatepost_core::{schemars, serde};

use crate::hashes::Hashes;
use crate::levels::{self, Level, Levels};
use crate::look::How;
use crate::people::{People, PersonOptions};
use crate::policy::Policy;
use crate::rule::{Action, Rule, RuleOptions, Rules};
use crate::words::Words;

/// Octets in a megabyte, as sizes are written here.
const MEGABYTE: u64 = 1_024 * 1_024;

/// The options of the filter.
///
/// A list of files has patterns: `exe` (an extension, in any reading of any name), `name:setup*` (a whole name), `kind:pe` and
/// `class:executable` (what a file is by its content, whatever its name); `*` and `?` stand for other characters. All hold
/// within containers, too; with `zip:` before it a pattern holds there only.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "serde", default, deny_unknown_fields)]
#[schemars(crate = "schemars")]
pub struct Config {
    /// The level of mail from outside: 0 blocks nothing by name or kind, 1 to 3 block their list and those below, 4 lets
    /// through only what is `allowed`.
    pub external: u8,
    /// The level of mail from outside that is exempt, as that of contacts on the white list.
    pub exempt: u8,
    /// The level of mail of our own people.
    pub outbound: u8,
    /// What is blocked from level 1 on.
    pub level_1: Vec<String>,
    /// What is blocked from level 2 on besides.
    pub level_2: Vec<String>,
    /// What is blocked at level 3 besides.
    pub level_3: Vec<String>,
    /// What alone is let through at level 4. A file is covered by its kind, unless a name has it opened as something that acts,
    /// or by all readings of its names where its content agrees with them.
    pub allowed: Vec<String>,
    /// What happens to mail with a finding, and what it weighs, by the name of the finding: `findings.encrypted = { action =
    /// "hold" }`. `blocked` is what the levels and `people` block.
    pub findings: BTreeMap<Rule, RuleOptions>,
    /// Rules of people and domains, by address or by patterns such as `*@d.example`: of recipients for what comes in, of the
    /// envelope sender for what goes out. The narrowest that says something about a file holds, whatever the level says.
    /// `ann+tag` is `ann`, too.
    pub people: BTreeMap<String, PersonOptions>,
    /// SHA-256 of files that are let through. What lies in a part of a mail that is one of them is not looked at.
    pub known_good: Vec<String>,
    /// Files with such hashes, one a line, as sha256sum writes them.
    pub known_good_files: Vec<PathBuf>,
    /// SHA-256 of files that are bad wherever they lie, and on whatever other list they are.
    pub known_bad: Vec<String>,
    /// Files with such hashes.
    pub known_bad_files: Vec<PathBuf>,
    /// What a refused sender reads: printable ASCII, with `{name}` (the way to the file), `{why}` and `{contact}`.
    pub refusal: String,
    /// Whom people may ask about a file; `{contact}` in `refusal`, and in the note in the place of a file.
    pub contact: String,
    /// Containers within containers that are opened, 1 to 16; what lies deeper is a finding.
    pub depth: u8,
    /// Files of a mail that are looked at, those within others counted.
    pub files: u32,
    /// Megabytes that are unpacked for one mail.
    pub unpacked_megabytes: u32,
    /// Megabytes of one mail that are in memory at once while it is looked at.
    pub memory_megabytes: u32,
    /// Megabytes of one part of a mail, as it is encoded, that are looked at.
    pub part_megabytes: u32,
    /// How many times larger than packed a file may be, once it is larger than a megabyte.
    pub ratio: u32,
    /// How long one mail is looked at; less than the filter's `patience`, so that what was seen by then counts. Before
    /// that it may wait for a thread; if it is not looked at within `patience`, that is a fault (`on_fault`).
    pub time: Span,
}

impl Default for Config {
    fn default() -> Config {
        let all = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Config {
            external: 2,
            exempt: 1,
            outbound: 1,
            level_1: all(levels::ONE),
            level_2: all(levels::TWO),
            level_3: all(levels::THREE),
            allowed: all(levels::ALLOWED),
            findings: BTreeMap::new(),
            people: BTreeMap::new(),
            known_good: Vec::new(),
            known_good_files: Vec::new(),
            known_bad: Vec::new(),
            known_bad_files: Vec::new(),
            refusal: "Attachment \"{name}\" refused: {why}".into(),
            contact: "the postmaster".into(),
            depth: 5,
            files: 1_000,
            unpacked_megabytes: 100,
            memory_megabytes: 64,
            part_megabytes: 25,
            ratio: 100,
            time: Span::secs(5),
        }
    }
}

impl Config {
    /// The policy that it describes; reads the files of hashes.
    pub fn policy(&self) -> Result<Policy, BuildError> {
        let level = |key: &str, number: u8| {
            let wrong = || BuildError::at(key, format!("expected a level of 0 to 4, found {number}"));
            Level::of(number).ok_or_else(wrong)
        };
        Ok(Policy {
            levels: Levels::new(&self.level_1, &self.level_2, &self.level_3, &self.allowed)?,
            external: level("external", self.external)?,
            exempt: level("exempt", self.exempt)?,
            outbound: level("outbound", self.outbound)?,
            rules: Rules::new(&self.findings),
            people: People::new(&self.people)?,
            good: Hashes::read("known_good", &self.known_good, &self.known_good_files)?,
            bad: Hashes::read("known_bad", &self.known_bad, &self.known_bad_files)?,
        })
    }

    /// The words that it has.
    pub fn words(&self) -> Result<Words, BuildError> {
        Words::new(&self.refusal, &self.contact)
    }

    /// Whether anybody reads the hash of a file: a list of known ones, or the note in the place of a file.
    fn wants_hashes(&self) -> bool {
        let lists = [&self.known_good, &self.known_bad];
        let files = [&self.known_good_files, &self.known_bad_files];
        let notes = |rule: &RuleOptions| [rule.action, rule.exempt, rule.outbound].contains(&Some(Action::Replace));
        lists.iter().any(|list| !list.is_empty())
            || files.iter().any(|list| !list.is_empty())
            || self.findings.values().any(notes)
    }

    /// How far is looked.
    pub fn how(&self) -> Result<How, BuildError> {
        let within = |key: &str, number: u32, most: u32| match (1..=most).contains(&number) {
            true => Ok(number),
            false => Err(BuildError::at(key, format!("expected 1 to {most}, found {number}"))),
        };
        let megabytes = |key: &str, number: u32, most: u32| {
            let octets = u64::from(within(key, number, most)?).saturating_mul(MEGABYTE);
            Ok(usize::try_from(octets).unwrap_or(usize::MAX))
        };
        let deepest = u32::try_from(Limits::DEPTH_MAX).unwrap_or(u32::MAX);
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let unpacked = within("unpacked_megabytes", self.unpacked_megabytes, 10_000)?;
        if self.time.0.is_zero() {
            return Err(BuildError::at("time", "expected more than no time"));
        }
        Ok(How {
            part: megabytes("part_megabytes", self.part_megabytes, 1_000)?,
            limits: Limits {
                depth: count(within("depth", self.depth.into(), deepest)?),
                files: count(within("files", self.files, 100_000)?),
                octets: u64::from(unpacked).saturating_mul(MEGABYTE),
                memory: megabytes("memory_megabytes", self.memory_megabytes, 1_000)?,
                ratio: within("ratio", self.ratio, 1_000_000)?.into(),
                hashes: self.wants_hashes(),
            },
        })
    }
}
