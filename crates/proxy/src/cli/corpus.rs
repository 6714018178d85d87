//! Where the mails of an evaluation lie: an index, or two folders.

use std::io::Read;
use std::path::{Path, PathBuf};

use gatepost_training::evaluate::Index;

/// The most octets of a file that are taken for a mail.
const MAIL_MAX: u64 = 64 * 1024 * 1024;
/// The most octets of an index.
const INDEX_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// An index, and the folder to which its files are relative.
pub(super) struct Corpus {
    pub(super) index: Index,
    folder: PathBuf,
}

impl Corpus {
    /// The corpus at a path: an index; a folder with an `index.tsv`, a `full/index` or an `index`; or one with the folders
    /// `ham` and `spam`.
    pub(super) fn open(path: &Path) -> Result<Corpus, String> {
        if !path.is_dir() {
            return Corpus::of_index(path);
        }
        let inside = ["index.tsv", "full/index", "index"].map(|name| path.join(name));
        if let Some(index) = inside.iter().find(|index| index.is_file()) {
            return Corpus::of_index(index);
        }
        let names = |class: &str| -> Result<Vec<String>, String> {
            let folder = path.join(class);
            let told = |error: std::io::Error| {
                format!(
                    "{}: cannot be read: {error}; expected an index, a folder with an index.tsv, a full/index or an index, \
                     or one with the folders ham and spam",
                    folder.display()
                )
            };
            let mut names = Vec::new();
            for entry in std::fs::read_dir(&folder).map_err(told)? {
                let entry = entry.map_err(told)?;
                if entry.file_type().map_err(told)?.is_dir() {
                    continue;
                }
                let name = entry.file_name().into_string();
                let name = name.map_err(|name| format!("{}: its name is not UTF-8", folder.join(name).display()))?;
                names.push(format!("{class}/{name}"));
            }
            Ok(names)
        };
        Ok(Corpus {
            index: Index::of_folders(names("ham")?, names("spam")?),
            folder: path.to_owned(),
        })
    }

    fn of_index(path: &Path) -> Result<Corpus, String> {
        let text = octets(path, INDEX_MAX)?;
        // Names that are not UTF-8 are told apart nowhere else either.
        let text = String::from_utf8(text).map_err(|_| format!("{}: the index is not UTF-8", path.display()))?;
        Ok(Corpus {
            index: Index::read(&text).map_err(|why| format!("{}: {why}", path.display()))?,
            folder: path.parent().unwrap_or(Path::new("")).to_owned(),
        })
    }

    /// The octets of a file that the index names.
    pub(super) fn read(&self, file: &str) -> Result<Vec<u8>, String> {
        mail(&self.folder.join(file))
    }
}

/// The octets of a mail in a file. An index may name what it likes: a pipe would have us wait for ever, and a device acts
/// when it is opened, so neither is.
pub(super) fn mail(path: &Path) -> Result<Vec<u8>, String> {
    match std::fs::metadata(path) {
        Ok(meta) if !meta.is_file() => Err(format!("{}: cannot be read: it is no file", path.display())),
        Ok(_) => octets(path, MAIL_MAX),
        Err(error) => Err(format!("{}: cannot be read: {error}", path.display())),
    }
}

fn octets(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let told = |error: std::io::Error| format!("{}: cannot be read: {error}", path.display());
    let file = std::fs::File::open(path).map_err(told)?;
    let size = file.metadata().map_err(told)?.len();
    let mut octets = Vec::with_capacity(size.min(most) as usize);
    file.take(most + 1).read_to_end(&mut octets).map_err(told)?;
    if octets.len() as u64 > most {
        return Err(format!("{}: is larger than {} MiB", path.display(), most >> 20));
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    fn files(corpus: &Corpus) -> Vec<&str> {
        corpus.index.entries.iter().map(|entry| entry.file.as_str()).collect()
    }

    #[test]
    fn files_are_relative_to_the_index_wherever_it_lies() {
        let trec = folder(&[
            ("full/index", "spam ../data/inmail.1\n"),
            ("data/inmail.1", "A: b\n\nc\n"),
        ]);
        for path in [trec.path().to_owned(), trec.path().join("full/index")] {
            let corpus = Corpus::open(&path).unwrap();
            assert_eq!(files(&corpus), ["../data/inmail.1"]);
            assert_eq!(corpus.read("../data/inmail.1").unwrap(), b"A: b\n\nc\n");
        }
        let table = folder(&[
            ("index.tsv", "label\tfile\nham\tham/1.eml\n"),
            ("full/index", "spam x\n"),
        ]);
        assert_eq!(files(&Corpus::open(table.path()).unwrap()), ["ham/1.eml"]);
    }

    #[test]
    fn pipes_and_devices_that_an_index_names_are_not_opened() {
        let both = folder(&[("ham/a", "A: b\n"), ("spam/x", "")]);
        let pipe = both.path().join("spam/pipe");
        assert!(
            std::process::Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
        let corpus = Corpus::open(both.path()).unwrap();
        assert_eq!(corpus.index.entries.len(), 3);
        for odd in ["spam/pipe", "spam", "/dev/zero"] {
            assert!(corpus.read(odd).unwrap_err().contains("no file"), "{odd}");
        }
    }

    #[test]
    fn two_folders_are_a_corpus_and_others_are_refused_with_what_was_expected() {
        let both = folder(&[("ham/b", ""), ("ham/a", ""), ("spam/x", ""), ("spam/deeper/y", "")]);
        assert_eq!(files(&Corpus::open(both.path()).unwrap()), ["ham/a", "spam/x", "ham/b"]);
        let neither = folder(&[("mail/a", "")]);
        let why = Corpus::open(neither.path()).err().unwrap();
        assert!(why.contains("expected an index"), "{why}");
        let why = Corpus::open(&neither.path().join("none")).err().unwrap();
        assert!(why.contains("cannot be read"), "{why}");
    }
}
