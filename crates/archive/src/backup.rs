//! A copy of all kept mail: hard links where the target is on the same filesystem, else copies.
//!
//! Links are safe, because a file is never changed where it lies. The index is not in a backup: it is rebuilt from the
//! files at the first start.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use gatepost_core::{Fault, KeptId};
use gatepost_folder::{Copied, begin_backup, copy, sync_folder};

use crate::inner::{Inner, disk};
use crate::place::Place;

#[derive(Default)]
struct Done {
    linked: u64,
    copied: u64,
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
        match copy(&from, &to)? {
            Copied::Linked => done.linked += 1,
            Copied::Whole => done.copied += 1,
            Copied::Gone => {}
        }
    }
    sync_folder(&into)
}

impl Inner {
    /// Backs up all kept mail into a new or empty folder, and says in lines what was done.
    pub async fn backup(&self, to: &Path) -> Result<Vec<String>, Fault> {
        let target = to.to_path_buf();
        let begun = self
            .on_files(move |place| begin_backup(place.root(), &target, "archive"))
            .await?;
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
