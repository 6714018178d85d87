//! Lists of SHA-256 of files that are known.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;

use gatepost_core::BuildError;

/// SHA-256 of files, sorted, each once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hashes(Vec<[u8; 32]>);

impl Hashes {
    /// The most hashes of one list, files included: 32 MB of memory.
    pub const MAX: usize = 1_000_000;
    /// The most octets of a line of a file: a hash, and a name behind it.
    const LINE: u64 = 1_024;

    /// Reads what is written in configuration under `key`, and files under `key_files`: a hash a line, as sha256sum writes
    /// them; empty lines, and what follows `#`, are nothing.
    pub fn read(key: &str, written: &[String], files: &[PathBuf]) -> Result<Hashes, BuildError> {
        let mut hashes = Vec::new();
        for (n, text) in written.iter().enumerate() {
            let hash = hash(text).ok_or_else(|| BuildError::at(format!("{key}[{n}]"), expected(text)))?;
            hashes.push(hash);
        }
        for (n, path) in files.iter().enumerate() {
            let wrong = |why: String| BuildError::at(format!("{key}_files[{n}]"), format!("{}{why}", path.display()));
            let mut file = BufReader::new(File::open(path).map_err(|error| wrong(format!(": {error}")))?);
            let mut line = String::new();
            for number in 1_usize.. {
                line.clear();
                let read = (&mut file).take(Hashes::LINE).read_line(&mut line);
                if read.map_err(|error| wrong(format!(":{number}: {error}")))? == 0 {
                    break;
                }
                let text = line.split('#').next().unwrap_or_default().trim();
                if text.is_empty() {
                    continue;
                }
                let word = text.split_whitespace().next().unwrap_or_default();
                let hash = hash(word).ok_or_else(|| wrong(format!(":{number}: {}", expected(word))))?;
                if hashes.len() >= Hashes::MAX {
                    return Err(wrong(format!(
                        ":{number}: expected at most {} hashes in all",
                        Hashes::MAX
                    )));
                }
                hashes.push(hash);
            }
        }
        hashes.sort_unstable();
        hashes.dedup();
        Ok(Hashes(hashes))
    }

    /// Whether a file is on the list.
    pub fn has(&self, hash: &[u8; 32]) -> bool {
        self.0.binary_search(hash).is_ok()
    }
}

fn expected(found: &str) -> String {
    let shown: String = found.chars().take(80).collect();
    format!("expected a SHA-256 of 64 hexadecimal digits, found {shown:?}")
}

fn hash(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 {
        return None;
    }
    let mut hash = [0; 32];
    let mut digits = text.chars().map(|c| c.to_digit(16));
    for octet in &mut hash {
        let (high, low) = (digits.next()??, digits.next()??);
        *octet = u8::try_from(high << 4 | low).ok()?;
    }
    Some(hash)
}

/// A hash in hexadecimal digits, as people compare them.
pub fn hex(hash: &[u8; 32]) -> String {
    hash.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(text.as_bytes()).expect("room");
        file
    }

    #[test]
    fn hashes_are_read_as_sha256sum_writes_them() {
        let (one, two) = ("aB".repeat(32), "01".repeat(32));
        let file = file(&format!("# of today\n\n{one}  setup.exe\n {two} # inline\n{one}\n"));
        let hashes = Hashes::read("known_bad", &["FF".repeat(32)], &[file.path().into()]).expect("a list");
        assert_eq!(hashes.0.len(), 3);
        assert!(hashes.has(&[0xab; 32]) && hashes.has(&[1; 32]) && hashes.has(&[255; 32]) && !hashes.has(&[2; 32]));
        assert_eq!(hex(&[0xab; 32]), one.to_lowercase());
    }

    #[test]
    fn a_mistake_is_told_with_file_and_line() {
        let file = file(&format!("{}\nzz\n", "00".repeat(32)));
        let error = Hashes::read("known_bad", &[], &[file.path().into()]).expect_err("a mistake");
        assert_eq!(error.key, "known_bad_files[0]");
        let shown = file.path().display();
        assert_eq!(
            error.message,
            format!("{shown}:2: expected a SHA-256 of 64 hexadecimal digits, found \"zz\"")
        );
        let error = Hashes::read("known_good", &["0".repeat(63)], &[]).expect_err("a mistake");
        assert_eq!(error.key, "known_good[0]");
        let error = Hashes::read("known_good", &[], &["/nowhere/at/all".into()]).expect_err("a mistake");
        assert!(error.message.starts_with("/nowhere/at/all: "), "{error}");
    }
}
