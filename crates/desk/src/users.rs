//! What an operator lets every user do beyond their own mail and lists.

use gatepost_core::Reach;
use gatepost_pipeline::Routes;

use crate::rights::{address, domain_of};

/// How far a user's word on who is welcome may reach.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Welcome {
    /// To the user.
    #[default]
    Person,
    /// To the user's domain.
    Domain,
    /// To everybody here.
    Site,
}

/// What users may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Users {
    /// Ask what the classifiers make of a mail that they send along.
    pub explain: bool,
    /// Put senders on the allow list, and take them off it.
    pub welcome: Welcome,
}

impl Users {
    /// Whether a user of this name may change the allow list of a reach beyond their own.
    pub(crate) fn may_welcome(&self, name: &str, local: &Routes, reach: &Reach) -> bool {
        let home = address(name).filter(|home| local.is_local(home.domain()));
        match (reach, self.welcome) {
            (Reach::Site, Welcome::Site) => true,
            (Reach::Domain(domain), Welcome::Domain | Welcome::Site) => {
                home.is_some_and(|home| domain_of(domain) == Some(home.domain().key()))
            }
            _ => false,
        }
    }
}
