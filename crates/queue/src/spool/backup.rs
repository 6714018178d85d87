//! A copy of all mail of the queue: hard links where the target is on the same filesystem, else copies. It blocks.
//!
//! Links are safe, because the content of a file is never changed where it lies.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::name::{Mail, STATE, WHY};
use super::place::Place;
use super::start::{Found, domains, list};

#[derive(Default)]
struct Done {
    mails: u64,
    linked: u64,
    copied: u64,
}

/// Copies a file; nothing where it is gone.
fn copy(from: &Path, to: &Path, done: &mut Done) -> io::Result<bool> {
    match std::fs::hard_link(from, to) {
        Ok(()) => {
            done.linked += 1;
            return Ok(true);
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        // Another filesystem, too many links, a filesystem without links, or a rule of the kernel against them.
        Err(_) => {}
    }
    let mut source = match File::open(from) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    io::copy(&mut source, &mut target)?;
    target.sync_all()?;
    done.copied += 1;
    Ok(true)
}

fn tree(place: &Place, from: &Path, to: &Path, done: &mut Done) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(to)?;
    for (folder, domain) in domains(from, &mut Found::default())? {
        let listed = list(&folder)?;
        if listed.mails.is_empty() {
            continue;
        }
        let into = place.folder_in(to, &domain)?;
        DirBuilder::new().mode(0o700).create(&into)?;
        for mail in listed.mails {
            // It may be delivered meanwhile, or get another name.
            let mut copy_mail = |mail: &Mail| {
                let name = mail.of(&domain).name();
                copy(&folder.join(&name), &into.join(&name), done)
            };
            let mut there = copy_mail(&mail)?;
            if !there {
                let mut now = list(&folder)?.mails.into_iter();
                if let Some(mail) = now.find(|other| other.id == mail.id) {
                    there = copy_mail(&mail)?;
                }
            }
            done.mails += u64::from(there);
            for end in [STATE, WHY].iter().filter(|_| there) {
                let name = format!("{}{end}", mail.id);
                copy(&folder.join(&name), &into.join(&name), done)?;
            }
        }
        place.sync_folder(&into)?;
    }
    place.sync_folder(to)
}

/// Backs up all mail into a new or empty folder.
pub fn backup(place: &Place, to: &Path) -> io::Result<Vec<String>> {
    let made = DirBuilder::new().mode(0o700).recursive(true).create(to);
    made.map_err(|error| io::Error::new(error.kind(), format!("it cannot be made: {error}")))?;
    let (root, target) = (place.root().canonicalize()?, to.canonicalize()?);
    if target.starts_with(root) {
        return Err(io::Error::other("it lies within the queue itself"));
    }
    if std::fs::read_dir(to)?.next().is_some() {
        return Err(io::Error::other("it is not empty; name a new folder"));
    }
    let mut done = Done::default();
    tree(place, &place.mails(), &to.join("mail"), &mut done)?;
    tree(place, &place.damaged(), &to.join("damaged"), &mut done)?;
    place.sync_folder(to)?;
    Ok(vec![
        format!(
            "{} mails of the queue ({} files linked, {} copied) to {}",
            done.mails,
            done.linked,
            done.copied,
            to.display()
        ),
        "Mail that is put back from this backup is delivered again, also where it has been delivered since.".into(),
    ])
}
