//! What is kept and for how long, and who may do what at the desk.

use std::path::PathBuf;

use gatepost_archive::Settings;
use gatepost_desk::{Reports, Users, Welcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::values::Size;

/// Kept mail, and the records of all mail.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Archive {
    /// After how many days mail goes that was held or discarded; 0 keeps it for ever.
    pub days: u32,
    /// After how many days copies of refused mail go; 0 keeps them for ever.
    pub refused_days: u32,
    /// The most kept mails for one domain; the oldest go first. 0: no bound.
    pub mails_per_domain: u64,
    /// The most octets of kept mail for one domain; the oldest go first. 0: no bound.
    pub size_per_domain: Size,
    /// The most octets of all kept mail; the oldest go first. 0: no bound.
    pub size: Size,
    /// After how many days the records of transactions go; 0 keeps them until there are too many.
    pub records_days: u32,
    /// The most records; the oldest go first. 0 keeps none: they are in the log only.
    pub records_max: u64,
}

impl Default for Archive {
    fn default() -> Archive {
        let Settings {
            days,
            refused_days,
            per_domain,
            per_domain_bytes,
            total_bytes,
            records_days,
            records,
            ..
        } = Settings::default();
        Archive {
            days,
            refused_days,
            mails_per_domain: per_domain,
            size_per_domain: Size(per_domain_bytes),
            size: Size(total_bytes),
            records_days,
            records_max: records,
        }
    }
}

impl Archive {
    /// The same as the archive takes it.
    pub fn settings(&self) -> Settings {
        Settings {
            days: self.days,
            refused_days: self.refused_days,
            per_domain: self.mails_per_domain,
            per_domain_bytes: self.size_per_domain.0,
            total_bytes: self.size.0,
            records_days: self.records_days,
            records: self.records_max,
            ..Settings::default()
        }
    }
}

/// How far a user's word on who is welcome may reach.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UsersWelcome {
    /// To the user.
    Person,
    /// To the user's domain.
    Domain,
    /// To everybody here.
    Site,
}

/// The desk: who may do what by mail and by the command line.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Desk {
    /// Logins that may change the site's lists and see all kept mail. Those of one domain are `admins` in its own table.
    pub admins: Vec<String>,
    /// The most requests of one login within an hour. The operator at the control socket is not counted.
    pub requests_per_hour: u32,
    /// Whether every user may ask what the classifiers make of a mail that they send along, and why: the mailbox `analyse`.
    pub users_explain: bool,
    /// How far a user's word on who is welcome may reach: `person` (the user's own list), `domain`, or `site`, as in ASSP:
    /// then each user's word counts for everybody, and a stolen password, too. The filter of the command mailboxes has the
    /// option `white_reach` for what its mailbox asks for.
    pub users_welcome: UsersWelcome,
    /// Whoever has a mail released welcomes its sender: it goes onto the recipient's list of welcome ones, as if that had
    /// been asked for.
    pub release_welcomes: bool,
    /// The control socket, through which the command line reaches a running daemon; without this `control.sock` in
    /// `data_dir`. Only root and the daemon's own user may use it.
    pub socket: Option<PathBuf>,
    /// What a report of a person does beside teaching the classifiers.
    pub reports: Reports,
}

impl Default for Desk {
    fn default() -> Desk {
        Desk {
            admins: Vec::new(),
            requests_per_hour: 200,
            users_explain: true,
            users_welcome: UsersWelcome::Person,
            release_welcomes: false,
            socket: None,
            reports: Reports::default(),
        }
    }
}

impl Desk {
    /// What every user may do.
    pub fn users(&self) -> Users {
        Users {
            explain: self.users_explain,
            welcome: match self.users_welcome {
                UsersWelcome::Person => Welcome::Person,
                UsersWelcome::Domain => Welcome::Domain,
                UsersWelcome::Site => Welcome::Site,
            },
        }
    }
}
