//! ARC (RFC 8617): whether the chain of those through whose hands a mail went holds, and what a trusted one vouches for.
//!
//! Nothing is sealed here, and a chain proves nothing by itself: only what a sealer says whom the operator trusts counts,
//! and of it only that DMARC passed. **Bounds:** a chain of more than [`SETS_MAX`] sets fails before anything is read.

use gatepost_core::message::Headers;
use gatepost_core::{ArcResult, Chain};

use crate::claim::{Claim, Kind, Made};
use crate::dkim::{Bodies, algorithm, has_odd_space, header_holds};
use crate::fields::Fields;
use crate::key::Key;
use crate::names;
use crate::tags;

/// The most sets of a chain.
pub const SETS_MAX: usize = 50;

/// What one of those through whose hands the mail went has added: the places of its three fields.
pub struct Set {
    results: usize,
    message: usize,
    seal: usize,
    /// What the seal says of itself.
    pub claim: Claim,
}

/// A chain that is well-formed.
pub struct Sets {
    sets: Vec<Set>,
    /// The signature of the last one over the message.
    pub message: Claim,
}

/// What there is of a chain.
pub enum Found {
    /// No chain.
    Nothing,
    /// One that fails for its form alone: how many sets, and why.
    Broken(usize, &'static str),
    /// One that can be verified.
    Sets(Box<Sets>),
}

/// The number of a set, where a field has one.
fn instance(value: &[u8]) -> Option<usize> {
    let (name, value) = tags::parts(value).next()?.ok()?;
    let value = std::str::from_utf8(value).ok()?;
    (name == b"i").then(|| value.parse().ok()).flatten()
}

/// The number of a signature or seal, whose tags come in any order.
fn instance_anywhere(value: &[u8]) -> Option<usize> {
    let tags = tags::parts(value).take(tags::TAGS_MAX).flatten();
    let value = tags.into_iter().find(|(name, _)| *name == b"i")?.1;
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// The places of fields, one for each number from 1 on.
fn in_order(numbered: &[(Option<usize>, usize)], count: usize) -> Option<Vec<usize>> {
    let mut places = vec![None; count];
    for (number, place) in numbered {
        let slot = places.get_mut(number.as_ref()?.checked_sub(1)?)?;
        if slot.replace(*place).is_some() {
            return None;
        }
    }
    places.into_iter().collect()
}

/// Finds the chain of a mail.
pub fn find(headers: &Headers) -> Found {
    let places = |name: &str, number: fn(&[u8]) -> Option<usize>| {
        let fields = headers.iter().filter(|header| header.is(name));
        let fields = fields.take(SETS_MAX + 1);
        fields
            .map(|header| (number(header.value()), header.index()))
            .collect::<Vec<_>>()
    };
    let seals = places("ARC-Seal", instance_anywhere);
    let messages = places("ARC-Message-Signature", instance_anywhere);
    let results = places("ARC-Authentication-Results", instance);
    let count = seals.len();
    if [count, messages.len(), results.len()] == [0; 3] {
        return Found::Nothing;
    }
    if [count, messages.len(), results.len()].iter().any(|&n| n > SETS_MAX) {
        return Found::Broken(SETS_MAX + 1, "more than 50 sets");
    }
    let broken = |why| Found::Broken(count, why);
    let (Some(seals), Some(messages), Some(results)) = (
        in_order(&seals, count),
        in_order(&messages, count),
        in_order(&results, count),
    ) else {
        return broken("its sets are not whole");
    };
    let read = |place: usize, kind| match headers.at(place) {
        Some(header) => Claim::parse(kind, header.value()),
        None => Err("its sets are not whole"),
    };
    let mut sets = Vec::with_capacity(count);
    for (n, ((seal, message), results)) in seals.into_iter().zip(messages).zip(results).enumerate() {
        let claim = match read(seal, Kind::ArcSeal) {
            Ok(claim) => claim,
            Err(why) => return broken(why),
        };
        let before = if n == 0 { "none" } else { "pass" };
        match claim.chain.as_deref() {
            Some(said) if said == before => {}
            Some("fail") => return broken("a sealer found it broken"),
            _ => return broken("a seal says the wrong thing of those before it"),
        }
        if claim.made == Made::Sha1 {
            return broken("a seal made with SHA-1");
        }
        sets.push(Set {
            results,
            message,
            seal,
            claim,
        });
    }
    let Some(last) = sets.last() else {
        return broken("its sets are not whole");
    };
    match read(last.message, Kind::ArcMessage) {
        Ok(message) if message.length.is_some() => broken("a signature over part of the body"),
        Ok(message) => Found::Sets(Box::new(Sets { sets, message })),
        Err(why) => broken(why),
    }
}

impl Sets {
    /// How many there are; never none.
    pub fn count(&self) -> usize {
        self.sets.len()
    }

    /// The domain of the last sealer.
    pub fn sealer(&self) -> &str {
        self.sets.last().map_or("", |set| &set.claim.domain)
    }

    /// The names of the keys that are needed, that of the message's signature first.
    pub fn key_names(&self) -> impl Iterator<Item = String> + '_ {
        let seals = self.sets.iter().map(|set| set.claim.key_name());
        std::iter::once(self.message.key_name()).chain(seals)
    }

    /// Verifies the chain (RFC 8617 §5.2) with keys in the order of [`Sets::key_names`].
    pub fn verify(&self, fields: &Fields<'_>, bodies: &Bodies, keys: &[Option<&Key>]) -> Result<(), &'static str> {
        const NO_KEY: &str = "a key is not there";
        let (message, seals) = keys.split_first().ok_or(NO_KEY)?;
        bodies.covered(&self.message)?;
        let place = self.sets.last().map_or(usize::MAX, |set| set.message);
        header_holds(fields, place, &self.message, (*message).ok_or(NO_KEY)?)
            .map_err(|_| "the last signature does not hold")?;
        for (n, (set, key)) in self.sets.iter().zip(seals).enumerate().rev() {
            let whole = self.sets.iter().take(n);
            let before = whole.flat_map(|set| [set.results, set.message, set.seal]);
            let mut signed: Vec<(&[u8], &[u8])> = before
                .chain([set.results, set.message])
                .filter_map(|place| fields.at(place))
                .collect();
            let (name, value) = fields.at(set.seal).ok_or("its sets are not whole")?;
            let value = value.strip_suffix(b"\r\n").unwrap_or(value);
            let bare = crate::canon::without_signature(value);
            signed.push((name, &bare));
            let key = (*key).ok_or(NO_KEY)?;
            if signed.iter().any(|(_, value)| has_odd_space(value)) {
                return Err("a seal over white space that is none");
            }
            let claim = &set.claim;
            key.verifies(signed.into_iter(), claim.header, &claim.signature, algorithm(claim)?)
                .map_err(|_| "a seal does not hold")?;
        }
        Ok(())
    }

    /// Whether a trusted sealer vouches that DMARC passed for this author: the last one, or one before whom all later
    /// ones are trusted, too.
    pub fn vouch(&self, headers: &Headers, trusted: &dyn Fn(&str) -> bool, author: &str) -> bool {
        let trusted = self.sets.iter().rev().take_while(|set| trusted(&set.claim.domain));
        let results = trusted.filter_map(|set| headers.at(set.results));
        results.into_iter().any(|field| dmarc_passed(&field.unfolded(), author))
    }

    /// What is told of it.
    pub fn told(&self, result: ArcResult, reason: &str) -> Chain {
        let mut chain = told(self.count(), result, reason);
        chain.sealer = self.sealer().into();
        chain
    }
}

/// What is told of a chain of so many sets.
pub fn told(sets: usize, result: ArcResult, reason: &str) -> Chain {
    let mut chain = Chain::default();
    (chain.result, chain.reason) = (result, reason.into());
    chain.sets = u8::try_from(sets).unwrap_or(u8::MAX);
    chain
}

/// Whether the results of a sealer say that DMARC passed for this author (RFC 8601 §2.2).
fn dmarc_passed(value: &[u8], author: &str) -> bool {
    let text = without_comments(value);
    text.split(';').any(|clause| {
        let mut words = clause.split_ascii_whitespace();
        let passed = words.next().is_some_and(|word| word.eq_ignore_ascii_case("dmarc=pass"));
        let mut authors = words
            .filter_map(|word| word.split_once('='))
            .filter(|(name, _)| name.eq_ignore_ascii_case("header.from"))
            .map(|(_, domain)| names::plain(domain.trim_matches('"')));
        // Of nobody named it passed for nobody.
        let first = authors.next().flatten();
        passed && first.as_deref() == Some(author) && authors.all(|other| other == first)
    })
}

/// A value without its comments, spaces around `=` taken out; what is quoted keeps no semicolon.
fn without_comments(value: &[u8]) -> String {
    let (mut out, mut depth, mut quoted, mut escaped) = (String::new(), 0_usize, false, false);
    for c in String::from_utf8_lossy(value).chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' if depth == 0 => {
                quoted = !quoted;
                out.push('"');
            }
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            ';' | ' ' | '\t' if quoted => out.push('_'),
            // Runs of spaces become one, so that the rest is quickly done.
            ' ' | '\t' if out.ends_with(' ') => {}
            '\t' => out.push(' '),
            c => out.push(c),
        }
    }
    out.replace(" =", "=").replace("= ", "=")
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_core::Message;

    fn found(mail: &str) -> Found {
        find(Message::from_bytes(mail.as_bytes().to_vec()).headers())
    }

    fn set(i: usize, cv: &str) -> String {
        format!(
            "ARC-Seal: i={i}; a=rsa-sha256; cv={cv}; d=f.example; s=k; b=YQ==\r\n\
             ARC-Message-Signature: i={i}; a=rsa-sha256; d=f.example; s=k; h=from; bh=YQ==; b=YQ==\r\n\
             ARC-Authentication-Results: i={i}; f.example; dmarc=pass header.from=b.example\r\n"
        )
    }

    fn why(mail: &str) -> &'static str {
        match found(mail) {
            Found::Nothing => "nothing",
            Found::Broken(_, why) => why,
            Found::Sets(_) => "a chain",
        }
    }

    #[test]
    fn a_chain_has_whole_sets_from_one_on() {
        assert_eq!(why("A: b\r\n"), "nothing");
        assert_eq!(why(&set(1, "none")), "a chain");
        assert_eq!(why(&(set(2, "pass") + &set(1, "none"))), "a chain");
        for (mail, reason) in [
            (set(2, "pass"), "its sets are not whole"),
            (set(1, "none") + &set(1, "none"), "its sets are not whole"),
            (set(1, "none") + "ARC-Seal: i=2; cv=pass\r\n", "its sets are not whole"),
            (
                "ARC-Authentication-Results: i=1; x\r\n".into(),
                "its sets are not whole",
            ),
            (set(1, "pass"), "a seal says the wrong thing of those before it"),
            (set(1, "none") + &set(2, "fail"), "a sealer found it broken"),
            (
                set(1, "none").replace("cv=none", "cv=none; h=from"),
                "a seal with a list of fields",
            ),
            (
                set(1, "none").replace("bh=", "l=3; bh="),
                "a signature over part of the body",
            ),
            (set(1, "none").replace("h=from", "h=to"), "From is not signed"),
            (
                set(1, "none").replace("rsa-sha256; cv", "rsa-sha1; cv"),
                "a seal made with SHA-1",
            ),
        ] {
            assert_eq!(why(&mail), reason, "{mail}");
        }
    }

    #[test]
    fn fifty_sets_are_a_chain_and_one_more_fails_unread() {
        let chain = |n| {
            (1..=n)
                .map(|i| set(i, if i == 1 { "none" } else { "pass" }))
                .collect::<String>()
        };
        assert_eq!(why(&chain(50)), "a chain");
        assert_eq!(why(&chain(51)), "more than 50 sets");
    }

    #[test]
    fn a_sealer_vouches_for_the_author_it_names() {
        for (value, vouches) in [
            ("i=1; f.example; dmarc=pass header.from=b.example", true),
            (
                "i=1; f.example; spf=fail; DMARC = pass (p=reject) header.from = B.Example",
                true,
            ),
            ("i=1; f.example; dmarc=pass", false),
            (
                "i=1; f.example; dmarc=pass header.from=b.example header.from=c.example",
                false,
            ),
            ("i=1; f.example; dmarc=pass; spf=pass header.from=b.example", false),
            ("i=1; f.example; dmarc=pass header.from=c.example", false),
            ("i=1; f.example; dmarc=fail header.from=b.example", false),
            ("i=1; f.example; spf=pass (; dmarc=pass)", false),
            ("i=1; f.example; spf=pass smtp.mailfrom=\"x; dmarc=pass\"", false),
            ("i=1; f.example; xdmarc=pass", false),
        ] {
            assert_eq!(dmarc_passed(value.as_bytes(), "b.example"), vouches, "{value}");
        }
    }
}
