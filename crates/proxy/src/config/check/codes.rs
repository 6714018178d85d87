//! Refusals that offer a code which nobody would take.

use gatepost_pipeline::Mode;
use gatepost_pipeline::offer::HONOURED_BY;
use gatepost_pipeline::policy::Layer;

use super::Check;
use crate::config::FilterException;

impl Check<'_> {
    /// Tells where the text of a refusal has the place of a code, and the filter that takes codes is not asked, is not obeyed,
    /// or does not take those of the day.
    pub(super) fn codes(&mut self) {
        let config = self.config;
        self.offered(&["policy"], &config.policy, None);
        for (name, domain) in &config.domain {
            self.offered(&["domain", name, "policy"], &domain.policy, domain.filters.get(HONOURED_BY));
        }
    }

    fn offered(&mut self, at: &[&str], policy: &Layer, own: Option<&FilterException>) {
        let config = self.config;
        let Some(template) = policy.refusal_with_code.as_ref().filter(|text| text.offers()) else {
            return;
        };
        let mut tiers = config
            .pipeline
            .values()
            .flat_map(|pipeline| pipeline.tiers.iter().flatten());
        let asked = tiers.any(|filter| filter == HONOURED_BY);
        let filter = config.filter(HONOURED_BY);
        let mode = own.and_then(|own| own.mode).unwrap_or(filter.mode);
        let options = own.and_then(|own| own.options.as_ref()).unwrap_or(&filter.options);
        let daily = options.get("daily").is_some_and(|daily| daily.as_bool() == Some(true));
        let why = match () {
            () if !asked => {
                format!("never said: the filter `{HONOURED_BY}`, which takes codes, is in no tier of a pipeline")
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
