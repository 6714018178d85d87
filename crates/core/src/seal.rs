//! What we write down for others to bring back: numbers that only we can have made.
//!
//! **Invariant:** a seal is a keyed hash of what it stands for and of its purpose, so that one made for one purpose serves no
//! other. Without the installation's seed nobody makes one, and whoever guesses has 40 bits before them at the least.

use crate::clock::Seed;

/// Base 32 without letters that look alike (Crockford's, in lower case).
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

fn digits(number: u64, count: u32) -> String {
    let places = (0..count).rev().map(|n| (number >> (5 * n).min(63)) & 31);
    places
        .filter_map(|digit| DIGITS.get(digit as usize).copied().map(char::from))
        .collect()
}

/// The number of a mail as its header holds it: `ID.SEAL`, by which a report finds the mail that it speaks of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reference {
    /// We wrote it.
    Ours(String),
    /// It has no seal, or not ours: somebody made it up, or it is of before there were seals.
    Unsealed(String),
}

impl Reference {
    /// The most characters that are read.
    pub const MAX: usize = 100;

    /// The number of a transaction with its seal.
    pub fn write(seed: &Seed, id: &str) -> String {
        format!("{id}.{}", Reference::seal(seed, id))
    }

    /// Reads what somebody brings; nothing where it cannot be a number at all.
    pub fn read(seed: &Seed, text: &str) -> Option<Reference> {
        let text = text.trim();
        let may_be =
            |id: &str| !id.is_empty() && id.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
        if text.len() > Reference::MAX {
            return None;
        }
        let (id, seal) = text.split_once('.').unwrap_or((text, ""));
        match may_be(id) {
            true if seal == Reference::seal(seed, id) => Some(Reference::Ours(id.into())),
            true => Some(Reference::Unsealed(id.into())),
            false => None,
        }
    }

    fn seal(seed: &Seed, id: &str) -> String {
        digits(seed.hash(&[b"reference", id.as_bytes()]), 13)
    }
}

/// What a refused sender may write behind the subject to be let in: eight characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Code(Box<str>);

impl Code {
    /// The characters of a code.
    pub const LEN: usize = 8;

    /// The code of one refused mail, by the number of its transaction.
    pub fn of_mail(seed: &Seed, id: &str) -> Code {
        Code::made(seed.hash(&[b"resend code", id.as_bytes()]))
    }

    /// The code of the whole site for one day, counted from the epoch.
    pub fn of_day(seed: &Seed, day: u64) -> Code {
        Code::made(seed.hash(&[b"resend code of the day", &day.to_be_bytes()]))
    }

    fn made(hash: u64) -> Code {
        Code(digits(hash, Code::LEN as u32).into())
    }

    /// Reads a word that may be a code, in any letter case; `o`, `i` and `l` are taken for the digits they look like.
    pub fn read(word: &str) -> Option<Code> {
        if word.len() != Code::LEN {
            return None;
        }
        let as_written = |letter: char| match letter.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            letter => letter,
        };
        let word: String = word.chars().map(as_written).collect();
        word.bytes()
            .all(|octet| DIGITS.contains(&octet))
            .then(|| Code(word.into()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_ours_with_its_seal_only() {
        let (seed, other) = (Seed::new([1; 16]), Seed::new([2; 16]));
        let text = Reference::write(&seed, "4XyZ-01");
        assert_eq!(
            Reference::read(&seed, &format!(" {text} ")),
            Some(Reference::Ours("4XyZ-01".into()))
        );
        let unsealed = Some(Reference::Unsealed("4XyZ-01".into()));
        for forged in [
            "4XyZ-01",
            "4XyZ-01.",
            "4XyZ-01.0000000000000",
            &Reference::write(&other, "4XyZ-01"),
        ] {
            assert_eq!(Reference::read(&seed, forged), unsealed, "{forged}");
        }
        for nonsense in ["", ".", "a b", "a\u{e9}", "../x", &"a".repeat(101)] {
            assert_eq!(Reference::read(&seed, nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_code_is_read_as_people_copy_it() {
        let seed = Seed::new([1; 16]);
        let code = Code::of_mail(&seed, "4XyZ-01");
        assert_eq!(code.as_str().len(), Code::LEN);
        assert_eq!(Code::read(&code.as_str().to_uppercase()), Some(code.clone()));
        assert_eq!(Code::read("oil0O1l1"), Code::read("01100111"));
        assert_ne!(code, Code::of_mail(&seed, "4XyZ-02"));
        assert_ne!(Code::of_day(&seed, 1), Code::of_day(&seed, 2));
        for nonsense in ["", "short", "too-long-a", "abcdefg!", "uuuuuuuu"] {
            assert_eq!(Code::read(nonsense), None, "{nonsense}");
        }
    }
}
