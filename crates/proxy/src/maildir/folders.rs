//! Where the Maildir of a recipient is.
//!
//! **Invariants:** whatever a stranger writes as an address becomes one name of a folder, at most [`NAME_MAX`] octets, that
//! begins with no dot and holds no slash; two mailboxes that differ in more than letter case and `+tag` have different ones.
//! A folder that was made is there after a power cut.

use std::fmt::Write;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path as FilePath, PathBuf};

use gatepost_core::Path;

/// The longest name that file systems take, less what the rest of a name may need.
const NAME_MAX: usize = 250;
/// How much of a longer one stays, before its hash.
const NAME_KEPT: usize = 180;

/// One Maildir for all, or one for each mailbox.
pub struct Folders {
    pattern: PathBuf,
    /// Whose postmaster is meant where no domain is named.
    home: Box<str>,
}

impl Folders {
    /// Those that a path means in which `{domain}` and `{user}` may stand.
    pub fn new(pattern: PathBuf, home: Box<str>) -> Folders {
        Folders { pattern, home }
    }

    /// The path as it is written.
    pub fn pattern(&self) -> &FilePath {
        &self.pattern
    }

    /// Whose postmaster is meant where no domain is named.
    pub fn home(&self) -> &str {
        &self.home
    }

    /// The Maildir of a recipient.
    pub fn of(&self, to: &Path) -> PathBuf {
        let Some(pattern) = self.pattern.to_str().filter(|pattern| pattern.contains('{')) else {
            return self.pattern.clone();
        };
        let (user, domain) = match to.mailbox() {
            Some(address) => (address.local(), address.domain().to_string()),
            None => ("postmaster", self.home.to_string()),
        };
        let user = match user.find('+') {
            None | Some(0) => user,
            Some(tag) => user.get(..tag).unwrap_or(user),
        };
        // Each place is filled by itself: what stands in a name is never a place.
        let (user, domain) = (spelt(user), spelt(&domain));
        let mut path = String::with_capacity(pattern.len() + user.len() + domain.len());
        let mut rest = pattern;
        while let Some((before, behind)) = rest.split_once('{') {
            path.push_str(before);
            let Some((place, after)) = behind.split_once('}') else {
                rest = behind;
                break;
            };
            path.push_str(if place == "domain" { &domain } else { &user });
            rest = after;
        }
        path.push_str(rest);
        path.into()
    }

    /// Makes what is the same for all, so that trouble is found at start.
    pub fn prepare(&self) -> io::Result<()> {
        match self.pattern.to_str().and_then(|pattern| pattern.split_once('{')) {
            None => prepare(&self.pattern),
            Some((before, _)) => match before.rsplit_once('/') {
                None => Ok(()),
                Some(("", _)) => Ok(()),
                Some((above, _)) => make(FilePath::new(above)),
            },
        }
    }
}

/// Makes a Maildir where there is none.
pub fn prepare(directory: &FilePath) -> io::Result<()> {
    ["tmp", "new", "cur"]
        .iter()
        .try_for_each(|part| make(&directory.join(part)))
}

/// Makes a folder with those above it, each of which is on the disk before the next.
fn make(directory: &FilePath) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let above = match directory.parent() {
        Some(above) if above.as_os_str().is_empty() => FilePath::new("."),
        Some(above) => above,
        None => FilePath::new("/"),
    };
    make(above)?;
    match fs::DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => {}
        made => made?,
    }
    File::open(above)?.sync_all()
}

/// A name in lower case, octets other than letters, digits, `_`, `-` and dots within it as `%41`.
fn spelt(name: &str) -> String {
    let mut spelt = String::with_capacity(name.len());
    for (at, octet) in name.to_lowercase().bytes().enumerate() {
        let plain = octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-') || octet == b'.' && at > 0;
        if plain {
            spelt.push(char::from(octet));
        } else {
            // Writing into a text cannot fail.
            let _ = write!(spelt, "%{octet:02X}");
        }
    }
    if spelt.is_empty() {
        return "%".into();
    }
    if spelt.len() > NAME_MAX {
        // FNV-1a: the same for ever, and nobody gains by a collision of his own addresses.
        let fold = |hash: u64, octet: u8| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
        let hash = spelt.bytes().fold(0xcbf2_9ce4_8422_2325, fold);
        spelt.truncate(NAME_KEPT);
        let _ = write!(spelt, "%%{hash:016x}");
    }
    spelt
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folder(pattern: &str, to: &str) -> String {
        let folders = Folders::new(pattern.into(), "example.org".into());
        let to = Path::forward(to, true).expect("a path");
        folders.of(&to).display().to_string()
    }

    #[test]
    fn each_mailbox_has_a_folder_of_its_own() {
        let each = "/var/mail/{domain}/{user}/Maildir";
        for (to, expected) in [
            ("ann@example.org", "/var/mail/example.org/ann/Maildir"),
            ("Ann.Lee+shop@Example.ORG", "/var/mail/example.org/ann.lee/Maildir"),
            ("+ann@example.org", "/var/mail/example.org/%2Bann/Maildir"),
            ("postmaster", "/var/mail/example.org/postmaster/Maildir"),
            ("\"../x\"@example.org", "/var/mail/example.org/%2E.%2Fx/Maildir"),
            ("\"..\"@example.org", "/var/mail/example.org/%2E./Maildir"),
            ("\"\"@example.org", "/var/mail/example.org/%/Maildir"),
            ("\"{domain}\"@example.org", "/var/mail/example.org/%7Bdomain%7D/Maildir"),
            ("a%2Fb@example.org", "/var/mail/example.org/a%252fb/Maildir"),
            ("ann@[192.0.2.1]", "/var/mail/%5B192.0.2.1%5D/ann/Maildir"),
        ] {
            assert_eq!(folder(each, to), expected, "{to}");
        }
        assert_eq!(folder("/var/mail", "ann@example.org"), "/var/mail");
    }

    #[test]
    fn what_is_made_is_what_all_have_in_common() {
        let folder = tempfile::tempdir().expect("a folder");
        let folders = |pattern: &str| Folders::new(folder.path().join(pattern), "example.org".into());
        folders("a/b/{domain}/{user}").prepare().expect("a folder");
        assert!(folder.path().join("a/b").is_dir());
        folders("plain").prepare().expect("a Maildir");
        assert!(folder.path().join("plain/new").is_dir());
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_one_safe_name(name in any::<String>()) {
            let spelt = spelt(&name);
            prop_assert!(!spelt.is_empty() && spelt.len() <= NAME_MAX);
            prop_assert!(!spelt.starts_with('.') && spelt.is_ascii());
            let safe = !spelt.contains(['/', '\0', '{']);
            prop_assert!(safe);
        }

        #[test]
        fn other_names_are_spelt_otherwise(one in ".{0,40}", other in ".{0,40}") {
            prop_assert_eq!(one.to_lowercase() == other.to_lowercase(), spelt(&one) == spelt(&other));
        }
    }
}
