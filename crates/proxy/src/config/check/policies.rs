//! What the policies say, each for itself and beside the others.

use gatepost_pipeline::policy::Rules;

use super::Check;

impl Check<'_> {
    /// Tells what cannot be meant in the policy for all, and in those of single domains.
    pub(super) fn policies(&mut self) {
        let config = self.config;
        let general = Rules::fold([&config.policy]).mistakes();
        for (key, message) in &general {
            self.error(&["policy", key], message.as_str());
        }
        for (domain, own) in &config.domain {
            let path = ["domain", domain, "policy"];
            for (key, message) in Rules::fold([&config.policy, &own.policy])
                .mistakes()
                .into_iter()
                .filter(|mistake| !general.contains(mistake))
            {
                self.error(&[&path[..], &[key]].concat(), message);
            }
            for key in own.policy.of_the_site() {
                self.error(
                    &[&path[..], &[key]].concat(),
                    "holds for the whole site: it belongs in [policy]",
                );
            }
            if self.local.get(domain).is_none() && !self.wrong(&["local_domains"]) {
                self.warning(&["domain", domain], "not in local_domains: no mail for it comes in");
            }
        }
        self.codes();
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
        if let Some(wrong) = foreign(&Rules::fold([&config.policy])) {
            self.error(&["policy", "spambox"], wrong);
            return;
        }
        for (name, own) in &config.domain {
            if let Some(wrong) = foreign(&Rules::fold([&config.policy, &own.policy])) {
                self.error(&["domain", name, "policy", "spambox"], wrong);
            }
        }
    }
}
