//! What the policies say, each for itself and beside the others.
//!
//! What is said on a key that is locked above changes nothing, and is a warning: one customer's file, written before the
//! lock, must not keep the proxy from starting. So is what is a mistake only because of such a key.

use std::collections::BTreeMap;

use gatepost_pipeline::policy::{Layer, Locks, Policy, Rules};

use super::Check;
use crate::config::{Domain, NOT_OURS};

impl Check<'_> {
    /// Tells what cannot be meant in the policy for all, and in those of single domains and users.
    pub(super) fn policies(&mut self) {
        let config = self.config;
        let site = Rules::fold([&config.policy]);
        for (key, message) in &site.mistakes() {
            self.error(&["policy", key], message.as_str());
        }
        for (domain, own) in &config.domain {
            let path = ["domain", domain, "policy"];
            let rules = self.layer(&path, &site, &own.policy, "[policy]");
            if self.local.get(domain).is_none() && !self.wrong(&["local_domains"]) {
                self.warning(&["domain", domain], NOT_OURS);
            }
            self.users(domain, own, &site.locked, &rules);
        }
        self.codes();
    }

    /// Tells what cannot be meant in a layer below these rules; what both make.
    fn layer(&mut self, path: &[&str], above: &Rules, layer: &Layer, by: &str) -> Rules {
        let rules = above.clone().for_some(layer);
        let vain = layer.touching(&above.locked);
        for key in &vain {
            let steps: Vec<&str> = key.path().collect();
            let told = format!("locked by {by}: this changes nothing; take it out, or the lock");
            self.warning(&[path, &steps].concat(), told);
        }
        for key in layer.of_the_site() {
            self.error(
                &[path, &[key]].concat(),
                "holds for the whole site: it belongs in [policy]",
            );
        }
        let known = above.mistakes();
        for (key, message) in rules.mistakes().into_iter().filter(|mistake| !known.contains(mistake)) {
            let path = [path, &[key]].concat();
            match vain.is_empty() {
                true => self.error(&path, message),
                false => self.warning(&path, message),
            }
        }
        rules
    }

    /// Tells what cannot be meant in what is said of the users of a domain.
    fn users(&mut self, domain: &str, own: &Domain, site: &Locks, rules: &Rules) {
        let mut known = BTreeMap::new();
        for (user, layer) in &own.users {
            let path = ["domain", domain, "users", user];
            match Policy::user(domain, user) {
                Ok(mailbox) => {
                    if let Some(other) = known.insert(mailbox, user) {
                        self.error(
                            &path,
                            format!("the mailbox of `{other}`: expected one table for each mailbox"),
                        );
                    }
                }
                Err(bad) => self.error(&path, bad.to_string()),
            }
            let by_site = layer.touching(site).len() == layer.touching(&rules.locked).len();
            let by = match by_site {
                true => "[policy]".to_owned(),
                false => format!("[policy] or [domain.\"{domain}\".policy]"),
            };
            self.layer(&path, rules, layer, &by);
            if !layer.locked.is_empty() {
                self.warning(
                    &[&path[..], &["locked"]].concat(),
                    "below a user there is nobody against whom anything could be locked",
                );
            }
        }
    }

    /// Copies of refused mail stay with us: tells where one would go to somebody else.
    pub(super) fn copies(&mut self) {
        let config = self.config;
        if self.wrong(&["local_domains"]) {
            return;
        }
        let local = self.local.clone();
        let foreign = |rules: &Rules| {
            let mut domains = rules.spambox_domains();
            let found = domains.find(|domain| local.get(domain).is_none())?;
            Some(format!(
                "{found} is not in local_domains: copies go to addresses of ours only"
            ))
        };
        let site = Rules::fold([&config.policy]);
        if let Some(wrong) = foreign(&site) {
            self.error(&["policy", "spambox"], wrong);
            return;
        }
        for (name, own) in &config.domain {
            let rules = site.clone().for_some(&own.policy);
            if let Some(wrong) = foreign(&rules) {
                self.error(&["domain", name, "policy", "spambox"], wrong);
                continue;
            }
            for (user, layer) in &own.users {
                if let Some(wrong) = foreign(&rules.clone().for_some(layer)) {
                    self.error(&["domain", name, "users", user, "spambox"], wrong);
                }
            }
        }
    }
}
