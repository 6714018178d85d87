//! The file of a model: what every classifier's saved model begins with and ends in.
//!
//! **Invariant:** what [`File::read`] returns is what [`File::write`] was given, or there is a refusal in words: another
//! classifier's model, another version, a file that was cut or changed.

use xxhash_rust::xxh3::xxh3_64;

use crate::key::Key;

const MAGIC: &[u8; 8] = b"GPMODEL1";

/// A saved model, taken apart.
#[derive(Clone, PartialEq, Debug)]
pub struct File<'a> {
    /// The classifier.
    pub name: &'a str,
    /// The version of its form and of the extractor of its features.
    pub version: u32,
    /// The key of its hashes.
    pub key: Key,
    /// Its tables, as the classifier wrote them.
    pub sections: Vec<&'a [u8]>,
}

impl<'a> File<'a> {
    /// Sections of a file.
    pub const SECTIONS_MAX: usize = 16;

    /// The file as octets.
    pub fn write(&self) -> Vec<u8> {
        let length: usize = self.sections.iter().map(|section| section.len() + 8).sum();
        let mut out = Vec::with_capacity(length + self.name.len() + 64);
        out.extend_from_slice(MAGIC);
        out.push(self.name.len() as u8);
        out.extend_from_slice(self.name.as_bytes());
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(self.key.bytes());
        out.push(self.sections.len() as u8);
        for section in &self.sections {
            out.extend_from_slice(&(section.len() as u64).to_le_bytes());
            out.extend_from_slice(section);
        }
        let check = xxh3_64(&out);
        out.extend_from_slice(&check.to_le_bytes());
        out
    }

    /// The file that some octets are, if they are one of this classifier and version.
    pub fn read(bytes: &'a [u8], name: &str, version: u32) -> Result<File<'a>, String> {
        let (content, check) = bytes
            .split_last_chunk::<8>()
            .filter(|(content, _)| content.starts_with(MAGIC))
            .ok_or("this is no model file")?;
        if xxh3_64(content) != u64::from_le_bytes(*check) {
            return Err("the model file is damaged: its checksum differs".into());
        }
        let mut rest = &content[MAGIC.len()..];
        let cut = || String::from("the model file ends too early");
        let mut take = |n: usize| -> Result<&'a [u8], String> {
            let (taken, left) = rest.split_at_checked(n).ok_or_else(cut)?;
            rest = left;
            Ok(taken)
        };
        let length = take(1)?[0];
        let found = std::str::from_utf8(take(length.into())?).map_err(|_| "the model file names no classifier")?;
        if found != name {
            return Err(format!("this is a model of `{found}`, not of `{name}`"));
        }
        let number = |taken: &[u8]| taken.iter().rev().fold(0u64, |all, octet| all << 8 | u64::from(*octet));
        let form = number(take(4)?) as u32;
        if form != version {
            return Err(format!(
                "this model has form {form}, and this version of Gatepost reads form {version}"
            ));
        }
        let mut key = [0; 16];
        key.copy_from_slice(take(16)?);
        let count = usize::from(take(1)?[0]);
        if count > File::SECTIONS_MAX {
            return Err(format!(
                "the model file has {count} sections, at most {} were expected",
                File::SECTIONS_MAX
            ));
        }
        let mut sections = Vec::with_capacity(count);
        for _ in 0..count {
            let length = usize::try_from(number(take(8)?)).map_err(|_| cut())?;
            sections.push(take(length)?);
        }
        if !rest.is_empty() {
            return Err("the model file goes on behind its end".into());
        }
        Ok(File {
            name: found,
            version,
            key: Key::new(key),
            sections,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Vec<u8> {
        File {
            name: "bayes",
            version: 3,
            key: Key::new([7; 16]),
            sections: vec![b"one", b"", b"three"],
        }
        .write()
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = file();
        let read = File::read(&bytes, "bayes", 3).unwrap();
        assert_eq!(read.sections, [&b"one"[..], b"", b"three"]);
        assert_eq!(read.key, Key::new([7; 16]));
        assert!(File::read(&bytes, "hmm", 3).unwrap_err().contains("bayes"));
        assert!(File::read(&bytes, "bayes", 4).unwrap_err().contains("form 3"));
    }

    #[test]
    fn a_file_that_was_cut_or_changed_is_refused() {
        let bytes = file();
        for end in 0..bytes.len() {
            assert!(File::read(&bytes[..end], "bayes", 3).is_err(), "{end}");
        }
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert!(File::read(&other, "bayes", 3).is_err(), "{at}");
        }
    }
}
