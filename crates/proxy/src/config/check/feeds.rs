//! What the tables of domains say about the way of their mail, and about what is asked of it.

use std::collections::BTreeMap;

use gatepost_core::{Concern, Direction};
use gatepost_message::reading::registrable;
use gatepost_pipeline::recipients::List;

use super::Check;
use crate::config::{Domain, DomainName};

impl Check<'_> {
    pub(super) fn feeds(&mut self) {
        let config = self.config;
        let greylists = self.asked_of_the_world("greylist");
        for (name, domain) in &config.domain {
            self.whole_top(name, domain);
            self.addresses(name, domain);
            self.spared(name, domain);
            if domain.greylist == Some(true) && !greylists {
                self.warning(
                    &["domain", name, "greylist"],
                    "nobody waits: the filter `greylist` is in no tier of a pipeline for mail from the world",
                );
            }
            for (n, network) in domain.etrn_from.iter().flatten().enumerate() {
                if network.is_everyone() {
                    self.error(
                        &["domain", name, "etrn_from", &n.to_string()],
                        format!("{network} is the whole Internet: anybody could have its mail sent again and again"),
                    );
                }
            }
        }
    }

    /// Below a top-level domain are the domains of strangers: who takes mail for all of them relays for everybody.
    fn whole_top(&mut self, name: &DomainName, domain: &Domain) {
        let above = name.trim_start_matches('.');
        if !domain.is_feed() || !name.is_below() || registrable(above).is_some() {
            return;
        }
        let path = ["domain", name];
        match above.contains('.') {
            false => self.error(
                &path,
                "this is all of a top-level domain, so mail to anybody there would be relayed: name the customer's domain",
            ),
            true => self.warning(
                &path,
                "strangers have their domains below it (it is in the list of public suffixes): mail to all of them would be \
                 relayed",
            ),
        }
    }

    /// Whether a filter is asked about mail from the world.
    fn asked_of_the_world(&self, filter: &str) -> bool {
        let config = self.config;
        let mut inbound = config
            .listen
            .iter()
            .filter(|listen| listen.direction == Direction::Inbound);
        inbound.any(|listen| {
            config
                .tiers(listen.pipeline())
                .iter()
                .flatten()
                .any(|asked| asked == filter)
        })
    }

    fn is_danger(&self, filter: &str) -> bool {
        self.registry
            .get(filter)
            .is_some_and(|entry| entry.concern == Concern::Danger)
    }

    fn addresses(&mut self, name: &DomainName, domain: &Domain) {
        let mut known = BTreeMap::new();
        for (local, route) in &domain.addresses {
            let path = ["domain", name, "addresses", local];
            match List::entry(&name.example(), local) {
                Err(bad) => self.error(&path, bad.to_string()),
                Ok(mailbox) => {
                    if let Some(other) = known.insert(mailbox, local) {
                        self.error(
                            &path,
                            format!("the mailbox of `{other}`: expected one route for each mailbox"),
                        );
                    }
                }
            }
            self.reference(&path, "route", route);
        }
    }

    /// What looks for danger is asked about a feed's mail, and obeyed, as it is about all mail: whoever writes the customer's
    /// table cannot do without it. Nor is it theirs how it looks and what becomes of mail that it could not look at: nobody
    /// can tell whether other options look less closely.
    fn spared(&mut self, name: &DomainName, domain: &Domain) {
        for (filter, own) in &domain.filters {
            if !(domain.beside && self.is_danger(filter)) {
                continue;
            }
            let said = [
                ("mode", own.mode.is_some()),
                ("on_fault", own.on_fault.is_some()),
                ("options", own.options.is_some()),
            ];
            for (key, _) in said.into_iter().filter(|(_, said)| *said) {
                self.error(
                    &["domain", name, "filters", filter, key],
                    "how mail is looked at for danger is the main file's word: leave it out, or write the whole table there",
                );
            }
        }
        if domain.beside {
            return;
        }
        // A single domain below a feed goes where that goes.
        let above = name
            .match_indices('.')
            .filter_map(|(at, _)| self.config.domain.get(name.get(at..)?));
        if !domain.is_feed() && !above.into_iter().any(Domain::is_feed) {
            return;
        }
        for (filter, own) in &domain.filters {
            let general = self.config.filter(filter).mode;
            if self.is_danger(filter) && own.mode.is_some_and(|mode| mode < general) {
                self.error(
                    &["domain", name, "filters", filter, "mode"],
                    "what looks for danger is asked about the mail of every domain with a mail server of its own, as it is \
                     about all mail: leave the mode out",
                );
            }
        }
    }
}
