//! What an operator sets.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gatepost_core::prelude::*;

use crate::addresses::Addresses;
use crate::blocked::Hour;
use crate::report::Limits;
use crate::words::Words;

/// How far a user's word on who is welcome reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", rename_all = "snake_case")]
#[schemars(crate = "gatepost_core::schemars")]
pub enum WhiteReach {
    /// To the user.
    Person,
    /// To the user's domain.
    Domain,
    /// To everybody here.
    Site,
}

/// When a mail is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", rename_all = "snake_case")]
#[schemars(crate = "gatepost_core::schemars")]
pub enum Answers {
    /// Each time.
    Always,
    /// Where something could not be done or read, and where something was asked for.
    Errors,
    /// Only where something was asked for: help, a list, an analysis.
    Never,
}

/// The options of the filter.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", default, deny_unknown_fields)]
#[schemars(crate = "gatepost_core::schemars")]
pub struct Config {
    /// Names of the mailboxes: what stands before the @, the first one is what letters say. A mailbox that is not named here
    /// has the names of ASSP 2 and of ASSP 1; an empty list takes one away. There are spam, notspam, white, notwhite,
    /// persblack, notpersblack, showpersblack, black, notblack, red, notred, analyse, blockreport, release, help.
    pub addresses: BTreeMap<String, Vec<String>>,
    /// Whether `spam@` and `notspam@` are mailboxes, too. Not where somebody has such an address.
    pub short_names: bool,
    /// Domains at which the mailboxes are known beside all local ones. Nobody's real domain.
    pub domains: Vec<String>,
    /// Whether a mail from a trusted network is its envelope sender's word, where that is an address here. Such a person acts
    /// for themselves, never as an administrator. Without it only people who log in may write to the mailboxes.
    pub trust_networks: bool,
    /// For whom a sender is welcome whom a user writes to the mailbox `white`: `person` (the user), `domain`, or `site`, as in
    /// ASSP. For more than `person` the desk must let users do it: `[desk] users_welcome`.
    pub white_reach: WhiteReach,
    /// When a mail is answered: `always`, `errors` (where something could not be done) or `never`. What somebody asks for
    /// (help, a list, an analysis) is sent in any case.
    pub reply: Answers,
    /// The most answers to one person within an hour; more mail is still obeyed.
    pub replies_per_hour: u32,
    /// The language of letters to people whose mail names none that there is: en, de, fr, es, or one of `templates`.
    pub language: String,
    /// A folder with templates of yours, in folders by language: `de/spam.txt`, `de/phrases.txt`. What is not there is as
    /// shipped.
    pub templates: Option<PathBuf>,
    /// When daily block reports are sent, `06:00` (UTC) or `06:00+02:00`; with the distance from UTC in which they tell times.
    pub daily_at: Hour,
    /// The most mails of one report that are looked at.
    pub report_mails: u32,
    /// The most octets of a report, as it came and unpacked.
    pub report_size: u32,
}

impl Default for Config {
    fn default() -> Config {
        let Limits { originals, octets } = Limits::default();
        Config {
            addresses: BTreeMap::new(),
            short_names: false,
            domains: vec!["assp.local".into()],
            trust_networks: true,
            white_reach: WhiteReach::Person,
            reply: Answers::Always,
            replies_per_hour: 30,
            language: "en".into(),
            templates: None,
            daily_at: Hour::default(),
            report_mails: u32::try_from(originals).unwrap_or(u32::MAX),
            report_size: u32::try_from(octets).unwrap_or(u32::MAX),
        }
    }
}

impl Config {
    /// The most mails of one report that an operator may allow.
    pub const MAILS_MAX: u32 = 500;
    /// The most octets of a report that an operator may allow.
    pub const SIZE_MAX: u32 = 100 << 20;

    /// The names of the mailboxes.
    pub fn addresses(&self) -> Result<Addresses, BuildError> {
        Addresses::new(&self.addresses, self.short_names, &self.domains)
    }

    /// The words of letters.
    pub fn words(&self) -> Result<Words, BuildError> {
        let words = Words::shipped().map_err(|why| BuildError::at("", why))?;
        let words = match &self.templates {
            Some(folder) => words
                .with_folder(folder)
                .map_err(|why| BuildError::at("templates", why))?,
            None => words,
        };
        match words.has(&self.language) {
            true => Ok(words),
            false => {
                let there: Vec<&str> = words.languages().collect();
                Err(BuildError::at(
                    "language",
                    format!(
                        "no templates in the language {:?}; there are {}",
                        self.language,
                        there.join(", ")
                    ),
                ))
            }
        }
    }

    /// How much of a report is looked at.
    pub fn limits(&self) -> Result<Limits, BuildError> {
        if !(1..=Config::MAILS_MAX).contains(&self.report_mails) {
            return Err(BuildError::at(
                "report_mails",
                format!("expected 1 to {}", Config::MAILS_MAX),
            ));
        }
        if !(1_024..=Config::SIZE_MAX).contains(&self.report_size) {
            return Err(BuildError::at(
                "report_size",
                format!("expected 1024 to {} octets", Config::SIZE_MAX),
            ));
        }
        Ok(Limits {
            originals: self.report_mails as usize,
            octets: self.report_size as usize,
        })
    }
}
