//! A copy of all kept mail: hard links where the target is on the same filesystem, else copies.
//!
//! Links are safe, because a file is never changed where it lies. The index is not in a backup: it is rebuilt from the
//! files at the first start.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use gatepost_core::{Fault, KeptId};

use crate::inner::{Inner, disk};
use crate::place::{Place, sync_folder};

#[derive(Default)]
struct Done {
    linked: u64,
    copied: u64,
}

fn copy(from: &Path, to: &Path) -> io::Result<bool> {
    let mut source = match File::open(from) {
        Ok(file) => file,
        // Deleted meanwhile.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    io::copy(&mut source, &mut target)?;
    target.sync_all()?;
    Ok(true)
}

/// Backs up the mails of one folder.
fn folder(place: &Place, shard: &str, to: &Path, done: &mut Done) -> io::Result<()> {
    let names = place.mails(shard)?.ours;
    if names.is_empty() {
        return Ok(());
    }
    let into = to.join(shard);
    DirBuilder::new().mode(0o700).create(&into)?;
    for name in names {
        let (from, to) = (place.file(&KeptId(name.as_str().into())), into.join(&name));
        match std::fs::hard_link(&from, &to) {
            Ok(()) => done.linked += 1,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            // Another filesystem, too many links, a filesystem without links, or a rule of the kernel against them.
            Err(_) => done.copied += u64::from(copy(&from, &to)?),
        }
    }
    sync_folder(&into)
}

fn begin(place: &Place, to: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).recursive(true).create(to) {
        Ok(()) => {}
        Err(error) => return Err(io::Error::new(error.kind(), format!("it cannot be made: {error}"))),
    }
    let (root, target) = (place.root().canonicalize()?, to.canonicalize()?);
    if target.starts_with(root) {
        return Err(io::Error::other("it lies within the archive itself"));
    }
    if std::fs::read_dir(to)?.next().is_some() {
        return Err(io::Error::other("it is not empty; name a new folder"));
    }
    Ok(())
}

impl Inner {
    /// Backs up all kept mail into a new or empty folder, and says in lines what was done.
    pub async fn backup(&self, to: &Path) -> Result<Vec<String>, Fault> {
        let target = to.to_path_buf();
        let begun = self.on_files(move |place| begin(place, &target)).await?;
        begun.map_err(|error| Fault::Broken(format!("no backup into {}: {error}", to.display())))?;
        let broken = |error| disk(&error, "backing up the archive");
        let mut done = Done::default();
        for shard in self.on_files(|place| place.shards()).await?.map_err(broken)?.ours {
            let target = to.to_path_buf();
            let folder = self.on_files(move |place| {
                let mut done = Done::default();
                folder(place, &shard, &target, &mut done).map(|()| done)
            });
            let one = folder.await?.map_err(broken)?;
            (done.linked, done.copied) = (done.linked + one.linked, done.copied + one.copied);
        }
        let target = to.to_path_buf();
        self.on_files(move |_| sync_folder(&target)).await?.map_err(broken)?;
        Ok(vec![
            format!(
                "{} kept mails linked, {} copied to {}",
                done.linked,
                done.copied,
                to.display()
            ),
            "Mail that is deleted or goes by age stays in this backup until you delete the backup.".into(),
        ])
    }
}
