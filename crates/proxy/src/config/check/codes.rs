//! Refusals that offer a code which nobody would take, or where none was to be offered.

use gatepost_core::Direction;
use gatepost_pipeline::Mode;
use gatepost_pipeline::offer::HONOURED_BY;
use gatepost_pipeline::policy::Layer;

use super::Check;
use crate::config::FilterException;
use crate::config::mistake::nearest;

impl Check<'_> {
    /// Tells where the text of a refusal has the place of a code, and the filter that takes codes is not asked, is not obeyed,
    /// or does not take those of the day.
    pub(super) fn codes(&mut self) {
        let config = self.config;
        self.offered(&["policy"], &config.policy, None);
        self.forbidden(&["policy"], &config.policy);
        for (name, domain) in &config.domain {
            let at = ["domain", name, "policy"];
            self.offered(&at, &domain.policy, domain.filters.get(HONOURED_BY));
            self.forbidden(&at, &domain.policy);
        }
    }

    /// Tells of findings of filters that are not there, with which a code would be offered after all.
    fn forbidden(&mut self, at: &[&str], policy: &Layer) {
        for (n, pattern) in policy.no_code_for.iter().flatten().enumerate() {
            let text = String::from(pattern.clone());
            let filter = text.trim_start_matches('!').split('.').next().unwrap_or_default();
            if self.registry.contains_key(filter) {
                continue;
            }
            let near = nearest(filter, self.registry.keys().copied())
                .map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            let why = format!("no finding is called so: there is no filter `{filter}` in this binary{near}");
            self.warning(&[at, &["no_code_for", &n.to_string()]].concat(), why);
        }
    }

    fn offered(&mut self, at: &[&str], policy: &Layer, own: Option<&FilterException>) {
        let config = self.config;
        let Some(template) = policy.refusal_with_code.as_ref().filter(|text| text.offers()) else {
            return;
        };
        let from_the_world = config
            .listen
            .iter()
            .filter(|listen| listen.direction == Direction::Inbound);
        let mut tiers = from_the_world.flat_map(|listen| config.tiers(listen.pipeline()).iter().flatten());
        let asked = tiers.any(|filter| filter == HONOURED_BY);
        let filter = config.filter(HONOURED_BY);
        let mode = own.and_then(|own| own.mode).unwrap_or(filter.mode);
        let options = own.and_then(|own| own.options.as_ref()).unwrap_or(&filter.options);
        let daily = options.get("daily").is_some_and(|daily| daily.as_bool() == Some(true));
        let why = match () {
            () if !asked => {
                format!(
                    "never said: the filter `{HONOURED_BY}`, which takes codes, is in no tier of a pipeline for mail from the world"
                )
            }
            () if mode != Mode::Enforce => {
                format!("never said: codes are offered where the filter `{HONOURED_BY}` has mode = \"enforce\"")
            }
            () if template.offers_day_code() && !daily => {
                format!("nobody takes {{day_code}}: it needs daily = true in [filters.{HONOURED_BY}.options]")
            }
            () => return,
        };
        self.warning(&[at, &["refusal_with_code"]].concat(), why);
    }
}
