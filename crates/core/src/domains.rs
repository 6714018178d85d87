//! The domains of customers that the store keeps, as the desk speaks of them.
//!
//! What a domain says is the TOML text of its table in the configuration. **Absent on purpose:** what it may say and where
//! its mail goes, which is the configuration's; the core carries the text.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::desk::Receipt;
use crate::fault::Fault;

/// What is done with a customer's domain.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DomainAct {
    /// Put one into the store, and into service.
    Add {
        /// Its name.
        domain: String,
        /// What its table says.
        settings: Vec<Setting>,
    },
    /// Change single keys of one that the store has.
    Set {
        /// Its name.
        domain: String,
        /// The keys.
        settings: Vec<Setting>,
    },
    /// Take one out of the store, and out of service.
    Remove {
        /// Its name.
        domain: String,
    },
    /// List all, those of the files, too.
    List,
    /// Show one: what it says, where it is written, how its mail server is, and what the customer has to set up.
    Show {
        /// Its name.
        domain: String,
    },
}

/// One key of a domain's table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Setting {
    /// The key, dotted, as TOML writes it below the table: `server.tls`.
    pub key: String,
    /// Its value, as TOML writes it; a word that is no value of TOML is a text. None takes the key out.
    pub value: Option<String>,
}

impl Setting {
    /// A key that gets a value.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Setting {
        Setting {
            key: key.into(),
            value: Some(value.into()),
        }
    }

    /// A key that goes.
    pub fn without(key: impl Into<String>) -> Setting {
        Setting {
            key: key.into(),
            value: None,
        }
    }

    /// The first step of the key: the table or value of the domain that is changed.
    pub fn table(&self) -> &str {
        self.key.split('.').next().unwrap_or_default().trim()
    }
}

impl DomainAct {
    /// The most keys of one act.
    pub const SETTINGS_MAX: usize = 1_000;

    /// The domain that is meant; none where it is all of them.
    pub fn domain(&self) -> Option<&str> {
        match self {
            DomainAct::Add { domain, .. }
            | DomainAct::Set { domain, .. }
            | DomainAct::Remove { domain }
            | DomainAct::Show { domain } => Some(domain),
            DomainAct::List => None,
        }
    }
}

/// A domain, as it is listed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DomainRow {
    /// Its name; `.example.org` for all below that one.
    pub domain: String,
    /// Where its table is written.
    pub written: String,
    /// Whether the store has it.
    pub stored: bool,
    /// The name of its route.
    pub route: String,
    /// Where that leads.
    pub leads: String,
    /// Whether a mail server of it answers; not known where none does and one is still being asked, nor of one that is not in
    /// service, nor where no daemon runs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub up: Option<bool>,
    /// Its mail servers, each as it is; none where no daemon runs, nor of a folder.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub hosts: Vec<HostRow>,
    /// Why it is not in service.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub left_out: Option<String>,
}

/// One mail server, as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HostRow {
    /// `host:port`.
    pub host: String,
    /// Whether it answered the last time; not known of one that nobody has asked yet, or that has not answered yet.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub up: Option<bool>,
    /// For how many seconds it has been so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since: Option<u64>,
    /// What is wrong with it, where it is down, or was asked and has not answered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub why: Option<String>,
}

impl HostRow {
    /// What is said of one that is being asked.
    pub const NO_ANSWER: &str = "asked, no answer yet";

    /// Whether somebody should look at it: it is down, or was asked and has not answered.
    pub fn is_amiss(&self) -> bool {
        self.up == Some(false) || (self.up.is_none() && self.why.is_some())
    }

    /// In one line.
    pub fn told(&self) -> String {
        let since = humantime::format_duration(std::time::Duration::from_secs(self.since.unwrap_or_default()));
        match (self.up, &self.why) {
            (None, why) => format!("{}  {}", self.host, why.as_deref().unwrap_or("not asked yet")),
            (Some(true), _) => format!("{}  up for {since}", self.host),
            (Some(false), why) => format!("{}  DOWN for {since}: {}", self.host, why.as_deref().unwrap_or("?")),
        }
    }
}

/// Who keeps the domains, and puts them into service.
#[async_trait]
pub trait Domains: Send + Sync {
    /// Does it, durably; what is wrong with it is told whole, and nothing is changed then. The desk has checked rights.
    /// `own` are the domains of one who looks after no others: by their word copies of mail go nowhere else.
    async fn act(&self, act: &DomainAct, own: Option<&[String]>) -> Result<Receipt, Fault>;
}
