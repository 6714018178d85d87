//! A copy of all mail of the queue: hard links where the target is on the same filesystem, else copies. It blocks.
//!
//! Links are safe, because the content of a file is never changed where it lies.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use gatepost_folder::{Copied, begin_backup};

use super::name::{Mail, STATE, WHY};
use super::place::{Place, WHAT};
use super::start::{Found, domains, list};

#[derive(Default)]
struct Done {
    mails: u64,
    linked: u64,
    copied: u64,
}

/// Copies a file; whether it was there.
fn copy(from: &Path, to: &Path, done: &mut Done) -> io::Result<bool> {
    let copied = gatepost_folder::copy(from, to)?;
    done.linked += u64::from(copied == Copied::Linked);
    done.copied += u64::from(copied == Copied::Whole);
    Ok(copied != Copied::Gone)
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
    begin_backup(place.root(), to, WHAT)?;
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
