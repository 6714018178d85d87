//! The domains of the store, and what becomes of one that cannot be used any more.
//!
//! **Invariant:** whatever the store has, the file serves, and so does every domain of the store that can: one that has
//! become wrong, since a route is gone or the file says otherwise now, is left out and told, and no other with it. Its mail
//! is to come again (451): what an operator gets wrong sends nobody's mail back.

use super::load::load;
use super::mistake::Gravity;
use super::node::dotted;
use super::schema::{NO_FILTER, schema};
use super::text::tree;
use super::walk::{UNKNOWN, walk};
use super::{Loaded, Mistake, Mistakes, Place, Registry, Sources};

/// A domain of the store that is not in service, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeftOut {
    /// The domain.
    pub domain: String,
    /// What is wrong with it.
    pub why: Mistakes,
}

/// Domains of the store: names and TOML texts.
type Stored = Vec<(String, String)>;

/// Reads and checks the configuration with these domains of the store; mistakes are those of the file.
pub fn load_with(sources: &Sources, stored: Stored, registry: &Registry) -> Result<(Loaded, Vec<LeftOut>), Mistakes> {
    let with = |stored: &[(String, String)]| {
        let sources = Sources {
            stored: stored.to_vec(),
            ..sources.clone()
        };
        load(&sources, registry)
    };
    let (mut serving, mut left_out) = (stored, Vec::new());
    loop {
        let wrong = match with(&serving) {
            Ok(mut loaded) => {
                if !serving.is_empty() {
                    with(&[]).map_err(leans)?;
                }
                let out = left_out.iter().map(|out: &LeftOut| out.domain.clone());
                loaded.config.out_of_service = out.collect();
                return Ok((loaded, left_out));
            }
            Err(wrong) => wrong,
        };
        let before = serving.len();
        serving.retain(|(domain, _)| {
            // What is wrong in a list that it names is written elsewhere, and told with the domain's key.
            let key = dotted("domain", domain);
            let own = |mistake: &&Mistake| mistake.place.stored() == Some(domain) || mistake.inside(&key);
            let why: Vec<Mistake> = wrong.0.iter().filter(own).cloned().collect();
            let sound = why.is_empty();
            if !sound {
                left_out.push(LeftOut {
                    domain: domain.clone(),
                    why: Mistakes(why),
                });
            }
            sound
        });
        if serving.len() < before {
            continue;
        }
        // No place tells whose mistakes these are: the file's own, or those of domains in whose way it stands.
        with(&[])?;
        let mut sound = Vec::new();
        sift(&with, &mut sound, serving, &mut left_out);
        serving = sound;
    }
}

/// What is said where the file is sound only by what the store has: at the next start it is read first, and alone.
fn leans(mut wrong: Mistakes) -> Mistakes {
    for mistake in &mut wrong.0 {
        mistake.message += " (the file must stand without the domains of the store)";
    }
    wrong
}

/// Adds those to `sound` that can be used together with what is there, by halves.
fn sift(
    with: &impl Fn(&[(String, String)]) -> Result<Loaded, Mistakes>,
    sound: &mut Stored,
    mut more: Stored,
    left_out: &mut Vec<LeftOut>,
) {
    let mut both = sound.clone();
    both.extend(more.iter().cloned());
    match (with(&both), more.len()) {
        (_, 0) => {}
        (Ok(_), _) => *sound = both,
        (Err(why), 1) => left_out.extend(more.pop().map(|(domain, _)| LeftOut { domain, why })),
        (Err(_), count) => {
            let rest = more.split_off(count / 2);
            sift(with, sound, more, left_out);
            sift(with, sound, rest, left_out);
        }
    }
}

/// What is said of a key in the text of this domain that no domain has.
pub fn unknown_key(registry: &Registry, domain: &str, text: &str) -> Option<String> {
    let tree = tree(&format!("{}{domain}", Place::STORE), text).ok()?;
    let mut out = Vec::new();
    walk(&schema(registry), tree, &mut out);
    // Other mistakes are those of a value that nobody gave.
    let unknown = |mistake: &&Mistake| mistake.message.starts_with(UNKNOWN) || mistake.message.starts_with(NO_FILTER);
    out.iter().find(unknown).map(Mistake::to_string)
}

impl LeftOut {
    /// In one line for each mistake.
    pub fn told(&self) -> String {
        let errors = self.why.0.iter().filter(|mistake| mistake.gravity == Gravity::Error);
        errors.map(Mistake::to_string).collect::<Vec<_>>().join("\n")
    }
}
