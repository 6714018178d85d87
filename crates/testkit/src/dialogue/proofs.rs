//! `spf` and `identity`: what names and proofs say from now on.

use gatepost_core::{Address, Domain, Identity, Proof, Spf, SpfResult};

use super::script::{BadScript, bad, words};
use super::talk::{Talk, Trouble};

fn domain(text: Option<&&str>) -> Result<Option<Domain>, BadScript> {
    let read = |text: &&str| Domain::parse(text, true).map_err(|_| BadScript(format!("a domain, not `{text}`")));
    text.map(read).transpose()
}

fn spf(rest: &str) -> Result<Spf, BadScript> {
    let words = words(rest);
    let result = match words.first().copied().unwrap_or_default() {
        "unknown" => SpfResult::Unknown,
        "none" => SpfResult::None,
        "neutral" => SpfResult::Neutral,
        "pass" => SpfResult::Pass,
        "fail" => SpfResult::Fail,
        "softfail" => SpfResult::SoftFail,
        "temperror" => SpfResult::TempError,
        "permerror" => SpfResult::PermError,
        other => return bad(format!("a result of SPF, not `{other}`")),
    };
    Ok(Spf::new(result, domain(words.get(1))?, domain(words.get(2))?))
}

fn identity(rest: &str) -> Result<Identity, BadScript> {
    let words = words(rest);
    let author = || {
        let text = words.get(1).copied().unwrap_or_default();
        Address::parse(text, true).map_err(|_| BadScript(format!("an author, not `{text}`")))
    };
    let mut identity = Identity::unknown();
    match words.first().copied() {
        Some("unknown") => {}
        Some("unaligned") => identity.author = Some(author()?),
        Some("aligned") => {
            let author = author()?;
            identity.proven = vec![(author.domain().clone(), Proof::Dkim)];
            (identity.author, identity.aligned) = (Some(author), true);
        }
        _ => return bad("`identity aligned AUTHOR`, `identity unaligned AUTHOR` or `identity unknown`"),
    }
    Ok(identity)
}

impl Talk {
    /// What SPF says from now on.
    pub(super) fn spf(&self, rest: &str) -> Result<(), Trouble> {
        self.house.fakes.names.tell_spf(spf(rest)?);
        Ok(())
    }

    /// Whom mail is proven to be from, from now on.
    pub(super) fn identity(&self, rest: &str) -> Result<(), Trouble> {
        self.house.fakes.names.tell_identity(identity(rest)?);
        Ok(())
    }
}
