//! Why a mail is judged as it is: asks the classifiers in use, and where it is known how the mail came, all filters.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use gatepost_core::{
    About, Address, Came, Clue, Domain, Explain, Explanation, Fault, Learner, Message, Path, Score, Services, Witness,
    async_trait,
};
use gatepost_pipeline::policy::Rules;
use gatepost_pipeline::{Action, CurrentFusion, Mode, testimony};

use crate::config::{Config, Listen, Registry};
use crate::rehearsal::{Rehearsal, listener, rehearse};
use crate::wiring;

/// The most clues that are told of one classifier, each way.
const CLUES: usize = 20;
/// The most characters of a clue.
const CLUE: usize = 200;

/// Explains by a configuration, once there is one.
pub struct Explainer {
    services: Services,
    fusion: Arc<CurrentFusion>,
    by: ArcSwapOption<(Arc<Config>, Registry)>,
}

impl Explainer {
    /// One over these services, which need no desk, and the fusion in use.
    pub fn new(services: Services, fusion: Arc<CurrentFusion>) -> Explainer {
        Explainer {
            services,
            fusion,
            by: ArcSwapOption::empty(),
        }
    }

    /// From now on by this configuration.
    pub fn publish(&self, config: Arc<Config>, registry: Registry) {
        self.by.store(Some(Arc::new((config, registry))));
    }

    /// The classifiers of a listener's pipeline, with whether they count for mail to a domain.
    fn classifiers(
        &self,
        (config, registry): (&Config, &Registry),
        listen: &Listen,
        domain: Option<&str>,
    ) -> Vec<(&'static str, bool, Arc<dyn Learner>)> {
        let own = domain.and_then(|domain| config.own(domain));
        let mode = |name: &str| {
            let here = own.and_then(|(_, own)| own.mode(registry.get(name)?));
            here.unwrap_or(config.filter(name).mode)
        };
        let named = |name: &str| config.tiers(listen.pipeline()).iter().flatten().any(|own| own == name);
        let slots = self.services.models.all().into_iter();
        slots
            .filter(|(name, _)| named(name) && mode(name) != Mode::Off)
            .map(|(name, slot)| (name, mode(name) >= Mode::Score, slot.live()))
            .collect()
    }
}

/// The weightiest clues each way, cut to a length that fits a screen.
fn told(mut clues: Vec<Clue>) -> Vec<Clue> {
    clues.retain(|clue| clue.value.is_finite());
    let (mut spam, mut ham) = (0, 0);
    clues.retain(|clue| {
        let seen = if clue.value > 0.0 { &mut spam } else { &mut ham };
        *seen += 1;
        *seen <= CLUES
    });
    for clue in &mut clues {
        if let Some((end, _)) = clue.what.char_indices().nth(CLUE) {
            clue.what.truncate(end);
            clue.what.push_str("...");
        }
    }
    clues
}

/// The points from which on mail is kept from its recipient.
fn stopped_from(rules: &Rules) -> Option<Score> {
    let stops = |action| matches!(action, Action::Hold | Action::Reject | Action::Discard);
    rules
        .levels
        .iter()
        .find(|grade| stops(grade.action))
        .map(|grade| grade.threshold)
}

fn rehearsal(came: &Came, message: &Arc<Message>) -> Result<Rehearsal, Fault> {
    let wrong = |address: &str| Fault::Broken(format!("`{address}` is no address"));
    let forward = |to: &String| Path::forward(to, true).map_err(|_| wrong(to));
    Ok(Rehearsal {
        message: Arc::clone(message),
        from: Path::reverse(&came.from, true).map_err(|_| wrong(&came.from))?,
        to: came.to.iter().map(forward).collect::<Result<_, _>>()?,
        ip: came.ip,
        helo: came.helo.clone(),
        login: came.login.clone(),
    })
}

#[async_trait]
impl Explain for Explainer {
    async fn explain(&self, message: &Arc<Message>, about: About) -> Result<Explanation, Fault> {
        let by = self.by.load_full();
        let (config, registry) = by
            .as_deref()
            .ok_or(Fault::Unavailable("no configuration is in service yet"))?;
        let known = about
            .listener
            .as_deref()
            .and_then(|name| listener(config, Some(name)).ok());
        let listen = match known {
            Some(listen) => listen,
            // A listener that is gone, or was never named.
            None => listener(config, None).map_err(Fault::Broken)?,
        };
        let to = about.came.iter().flat_map(|came| &came.to);
        let to = to.filter_map(|to| Address::parse(to, true).ok()).next();
        let domain = about.domain.clone().or_else(|| to.as_ref().map(|to| to.domain().key()));
        let policy = wiring::policy(config);
        // For one recipient by its own rules, unless somebody asks for a whole domain.
        let rules = match (&about.domain, &to) {
            (None, Some(to)) => policy.of(to),
            (domain, _) => policy.rules(domain.as_deref(), None),
        };
        let fusion = self.fusion.get();

        let asked = self.classifiers((config, registry), listen, domain.as_deref());
        let (mail, whose) = (Arc::clone(message), domain.clone());
        let mut witnesses = self
            .services
            .compute
            .run(move |_| {
                let domain = whose.and_then(|domain| Domain::parse(&domain, true).ok());
                let witness = |(name, counts, learner): (&'static str, bool, Arc<dyn Learner>)| {
                    let odds = learner.score(&learner.features(&mail), domain.as_ref());
                    let mut witness = Witness::new(name, odds);
                    witness.counts = counts;
                    witness.clues = told(learner.explain(&mail, domain.as_ref()));
                    witness
                };
                asked.into_iter().map(witness).collect::<Vec<Witness>>()
            })
            .await?;

        let mut told = Explanation::new(rules.ham_risk.to_string());
        told.fused = testimony::weigh(rules, &fusion, &mut witnesses);
        told.vouched = fusion.as_ref().clone().with_risk(rules.ham_risk.share()).is_vouched();
        told.witnesses = witnesses;
        told.stopped_from = stopped_from(rules);
        told.domain = domain;
        told.recorded = about.record.is_some();
        told.record = match (about.record, &about.came) {
            (Some(record), _) => Some(record),
            (None, Some(came)) => {
                let rehearsal = rehearsal(came, message)?;
                let fusion = Arc::clone(&self.fusion);
                // Whom a mail is from is told as this configuration wants it, which may have changed.
                let mut services = self.services.clone();
                services.identify = crate::services::identify(config, &services);
                let record = rehearse(config, registry, &services, fusion, listen, rehearsal).await;
                Some(record.map_err(Fault::Broken)?)
            }
            (None, None) => None,
        };
        Ok(told)
    }

    fn unvouched(&self) -> Vec<String> {
        match self.by.load_full().as_deref() {
            Some((config, _)) if !self.services.models.all().is_empty() => unvouched(config, &self.fusion),
            _ => Vec::new(),
        }
    }
}

/// The risks of a configuration for which too little wanted mail is confirmed, in words.
pub fn unvouched(config: &Config, fusion: &CurrentFusion) -> Vec<String> {
    let policy = wiring::policy(config);
    let fusion = fusion.get();
    let own = config
        .domain
        .iter()
        .filter(|(_, domain)| domain.policy.ham_risk.is_some());
    let places = std::iter::once(None).chain(own.map(|(name, _)| Some(name.to_ascii_lowercase())));
    let doubtful = |place: Option<String>| {
        let risk = policy.rules(place.as_deref(), None).ham_risk;
        let fusion = fusion.as_ref().clone().with_risk(risk.share());
        if fusion.is_vouched() {
            return None;
        }
        let whose = place.map_or(String::new(), |domain| format!(" of {domain}"));
        Some(format!(
            "the ham_risk{whose}, {risk}: {} confirmed wanted mails could vouch for it, and there are {:.0}; until then \
             only mail that is more clearly spam gets all points",
            risk.ham_needed(),
            fusion.ham().count,
        ))
    };
    places.filter_map(doubtful).collect()
}

#[cfg(test)]
mod tests {
    use gatepost_pipeline::Fusion;
    use gatepost_pipeline::fusion::Ham;

    use super::*;

    #[test]
    fn clues_are_few_and_short() {
        let clue = |n: usize, value| Clue {
            what: "x".repeat(n),
            value,
            support: 1,
        };
        let mut clues: Vec<Clue> = (0..100)
            .map(|n| clue(n * 10, if n % 2 == 0 { 2.0 } else { -2.0 }))
            .collect();
        clues.push(clue(1, f32::NAN));
        let told = told(clues);
        assert_eq!(told.len(), 2 * CLUES);
        assert!(told.iter().all(|clue| clue.what.chars().count() <= CLUE + 3));
    }

    #[test]
    fn a_risk_is_doubtful_until_three_times_as_much_ham_is_confirmed() {
        let fusion = CurrentFusion::default();
        let config = Config::default();
        let told = unvouched(&config, &fusion);
        assert_eq!(told.len(), 1);
        assert!(
            told[0].starts_with("the ham_risk, 1 in 1000: 3000 confirmed wanted mails"),
            "{told:?}"
        );
        let ham = Ham {
            count: 3_001.0,
            ..Ham::default()
        };
        fusion.publish(Fusion::default().knowing(ham));
        assert_eq!(unvouched(&config, &fusion), Vec::<String>::new());
    }

    #[test]
    fn mail_is_stopped_from_the_first_level_that_does_not_deliver() {
        assert_eq!(stopped_from(&Rules::default()), Some(Score::points(10)));
        let mut rules = Rules::default();
        rules.levels[2].action = Action::Hold;
        assert_eq!(stopped_from(&rules), Some(Score::points(6)));
        rules.levels[2].action = Action::None;
        rules.levels[3].action = Action::Subject;
        assert_eq!(stopped_from(&rules), None);
    }
}
