//! Which files a path means, and what they are called.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use gatepost_core::Label;

use super::Bad;
use super::corpus::{FOLDERS, named};

/// The most folders within one another.
pub const DEPTH_MAX: usize = 32;
/// The most files of a run.
pub const FILES_MAX: usize = 10_000_000;

/// A file of a part.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Filed {
    /// When its mail came, as far as a file tells: seconds since the epoch.
    pub at: i64,
    /// Where it is.
    pub path: PathBuf,
    /// Its octets.
    pub size: u64,
    /// It is a single mail, as in a Maildir.
    pub whole: bool,
}

/// Files of one label, in the order in which they are read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// What their mails are.
    pub label: Label,
    /// Somebody corrected a filter with them.
    pub correction: bool,
    /// They lie in a folder of the original, whose own fields they may have.
    pub corpus: bool,
    /// The files.
    pub files: Vec<Filed>,
}

/// What is to be read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    /// The parts, read side by side.
    pub parts: Vec<Part>,
    /// What cannot be read already now.
    pub bad: Vec<Bad>,
    /// Folders that by their names hold no wanted mail, left out where all is called so.
    pub left_out: Vec<PathBuf>,
}

impl Plan {
    /// The octets of all files.
    pub fn octets(&self) -> u64 {
        self.files().map(|file| file.size).sum()
    }

    /// All files.
    pub fn files(&self) -> impl Iterator<Item = &Filed> {
        self.parts.iter().flat_map(|part| &part.files)
    }
}

/// Finds the files below `paths`. Where no label is given, the folders' names give it.
pub fn plan(paths: &[PathBuf], label: Option<Label>) -> Result<Plan, String> {
    let mut walk = Walk::default();
    for path in paths {
        let meta = fs::metadata(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => format!("{}: there is no such file or folder", path.display()),
            _ => format!("{}: {error}", path.display()),
        })?;
        match label {
            Some(label) => {
                contradicts(path, label)?;
                walk.part(path, &meta, label, false, false)?;
            }
            None => walk.by_names(path, &meta)?,
        }
    }
    Ok(walk.plan)
}

fn called(label: Label) -> &'static str {
    match label {
        Label::Spam => "--spam",
        Label::Ham => "--ham",
    }
}

/// Refuses to call a folder what its name says it is not: a wrong label for a whole collection costs too much.
fn contradicts(path: &Path, label: Label) -> Result<(), String> {
    let itself = named(path)
        .filter(|_| path.is_dir())
        .map(|(other, _)| (path.to_owned(), other));
    let below = FOLDERS.iter().map(|(name, other, _)| (path.join(name), *other));
    // A Maildir's folders are called as somebody likes.
    match itself
        .into_iter()
        .chain(below)
        .find(|(folder, other)| *other != label && folder.is_dir())
    {
        Some((folder, other)) => Err(format!(
            "{}. Leave that out, and labels come from the names of the folders; or name files and folders that hold only what it \
             says",
            contradiction(&folder, other, label)
        )),
        None => Ok(()),
    }
}

fn contradiction(folder: &Path, other: Label, label: Label) -> String {
    format!(
        "{}: by its name this folder holds what {} would say, and {} was given",
        folder.display(),
        called(other),
        called(label)
    )
}

#[derive(Default)]
struct Walk {
    plan: Plan,
    visited: HashSet<(u64, u64)>,
    files: usize,
}

impl Walk {
    fn by_names(&mut self, path: &Path, meta: &Metadata) -> Result<(), String> {
        if meta.is_dir()
            && let Some((label, correction)) = named(path)
        {
            return self.part(path, meta, label, correction, true);
        }
        let mut found = false;
        for (name, label, correction) in FOLDERS {
            let folder = path.join(name);
            if let Ok(meta) = fs::metadata(&folder)
                && meta.is_dir()
            {
                found = true;
                // `errors` may be what was named.
                let (label, correction) = named(&folder).unwrap_or((label, correction));
                self.part(&folder, &meta, label, correction, true)?;
            }
        }
        if found {
            return Ok(());
        }
        Err(format!(
            "{}: is it --spam or --ham? Without one of them the folders {} are looked for in it (or it is one of them), and \
             none is there",
            path.display(),
            FOLDERS.map(|(name, ..)| name).join(", ")
        ))
    }

    fn part(
        &mut self,
        path: &Path,
        meta: &Metadata,
        label: Label,
        correction: bool,
        corpus: bool,
    ) -> Result<(), String> {
        let mut files = Vec::new();
        if meta.is_dir() {
            self.folder(path, meta, label, &mut files)?;
        } else {
            files.push(filed(path.to_owned(), meta, false));
        }
        files.sort();
        self.files += files.len();
        self.plan.parts.push(Part {
            label,
            correction,
            corpus,
            files,
        });
        Ok(())
    }

    fn bad(&mut self, path: &Path, why: impl Into<String>) {
        self.plan.bad.push(Bad {
            place: path.display().to_string(),
            why: why.into(),
        });
    }

    /// All files of a folder and of those within it.
    fn folder(&mut self, path: &Path, meta: &Metadata, label: Label, files: &mut Vec<Filed>) -> Result<(), String> {
        let mut ahead = vec![(path.to_owned(), (meta.dev(), meta.ino()), 0, leaf_of_maildir(path))];
        while let Some((folder, id, depth, whole)) = ahead.pop() {
            if !self.visited.insert(id) {
                continue;
            }
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) => {
                    self.bad(&folder, error.to_string());
                    continue;
                }
            };
            let maildir = !whole && is_maildir(&folder);
            for entry in entries {
                let path = match entry {
                    Ok(entry) => entry.path(),
                    Err(error) => {
                        self.bad(&folder, error.to_string());
                        break;
                    }
                };
                let name = path.file_name().unwrap_or_default();
                let hidden = name.as_encoded_bytes().first() == Some(&b'.');
                let meta = match fs::metadata(&path) {
                    Ok(meta) => meta,
                    Err(_) if hidden => continue,
                    Err(error) => {
                        self.bad(&path, error.to_string());
                        continue;
                    }
                };
                if meta.is_dir() {
                    // Hidden folders are a Maildir's folders, or nobody's mail. What is in `tmp` is not delivered yet.
                    if (hidden && !(maildir && is_maildir(&path))) || (maildir && name == "tmp") {
                        continue;
                    }
                    // A Maildir's folders are called as somebody likes, and what others call Spam is told and left out.
                    if !maildir && let Some((other, _)) = named(&path).filter(|(other, _)| *other != label) {
                        return Err(format!(
                            "{}. Move it away, or name the files and folders beside it",
                            contradiction(&path, other, label)
                        ));
                    }
                    if label == Label::Ham && is_no_ham(name) {
                        self.plan.left_out.push(path);
                        continue;
                    }
                    if depth == DEPTH_MAX {
                        self.bad(&path, format!("it lies more than {DEPTH_MAX} folders deep"));
                        continue;
                    }
                    let leaf = maildir && (name == "cur" || name == "new");
                    ahead.push((path, (meta.dev(), meta.ino()), depth + 1, leaf));
                } else if !hidden && !maildir {
                    // Beside the folders of a Maildir lie its owner's settings and indices.
                    if self.files + files.len() >= FILES_MAX {
                        return Err(format!(
                            "{}: here is more than {FILES_MAX} files in all: train them in several runs",
                            folder.display()
                        ));
                    }
                    files.push(filed(path, &meta, whole));
                }
            }
        }
        Ok(())
    }
}

/// Whether a folder is where people and servers put what they do not want.
fn is_no_ham(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_lowercase();
    let last = name.rsplit('.').next().unwrap_or_default();
    ["junk", "spam", "bulk", "trash", "deleted"]
        .iter()
        .any(|no| last.starts_with(no))
}

fn is_maildir(folder: &Path) -> bool {
    let has = |name| folder.join(name).is_dir();
    has("cur") && (has("new") || has("tmp"))
}

/// Whether this is `cur` or `new` of a Maildir.
fn leaf_of_maildir(folder: &Path) -> bool {
    matches!(folder.file_name().and_then(OsStr::to_str), Some("cur" | "new")) && folder.parent().is_some_and(is_maildir)
}

fn filed(path: PathBuf, meta: &Metadata, whole: bool) -> Filed {
    let eml = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("eml"));
    // A Maildir's file is called after the second at which it was delivered; its own time is gone once it was copied.
    let seconds = path
        .file_name()
        .and_then(OsStr::to_str)
        .filter(|_| whole)
        .and_then(|name| name.split('.').next());
    let seconds = seconds
        .filter(|digits| (9..=10).contains(&digits.len()))
        .and_then(|digits| digits.parse().ok());
    Filed {
        at: seconds.unwrap_or(meta.mtime()),
        size: meta.len(),
        whole: whole || eml,
        path,
    }
}
