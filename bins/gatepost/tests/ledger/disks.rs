//! Small disks of the proxy's own, which can be filled and emptied.
//!
//! They are mounted within a space of names that only the proxy is in, and are reached through its entry in `/proc`.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::house::Gatepost;
use crate::house::gatepost::BINARY;

/// One of the disks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disk {
    /// Of the store and of kept mail.
    Data,
    /// Of messages that are under way.
    Spool,
}

/// Whether this user may mount.
pub fn may_mount() -> bool {
    let spaces = Command::new("unshare").args(["-rm", "true"]).status();
    spaces.is_ok_and(|spaces| spaces.success())
}

/// Mounts the disks in this folder and becomes the binary.
pub fn command(folder: &Path) -> Command {
    let data = folder.join("data");
    let script = "mkdir -p \"$0\" && mount -t tmpfs -o size=160m,mode=700 tmpfs \"$0\" && mkdir -m 700 \"$0/spool\" \
                  && mount -t tmpfs -o size=24m,mode=700 tmpfs \"$0/spool\" && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", script]).arg(data).arg(BINARY);
    command
}

/// A folder of a disk, as it is seen from here.
fn folder(gatepost: &Gatepost, disk: Disk) -> PathBuf {
    let data = gatepost.file("data");
    let within = data.strip_prefix("/").expect("a full path");
    let data = PathBuf::from(format!("/proc/{}/root", gatepost.id())).join(within);
    match disk {
        Disk::Data => data,
        Disk::Spool => data.join("spool"),
    }
}

/// Fills a disk to its last octet; said again, with what was given back meanwhile.
pub fn fill(gatepost: &Gatepost, disk: Disk) {
    let path = folder(gatepost, disk).join("ballast");
    let mut ballast = File::options().create(true).append(true).open(path).expect("a file");
    for size in [1 << 16, 1 << 10, 1] {
        let piece = vec![0; size];
        let error = loop {
            match ballast.write_all(&piece) {
                Ok(()) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{error}");
    }
}

/// Makes room again.
pub fn empty(gatepost: &Gatepost, disk: Disk) {
    fs::remove_file(folder(gatepost, disk).join("ballast")).expect("the ballast");
}

/// The kept mails, file by file, those that were given back not.
pub fn kept(gatepost: &Gatepost) -> Vec<Vec<u8>> {
    let root = folder(gatepost, Disk::Data).join("kept");
    let shards = fs::read_dir(root).expect("a folder").flatten();
    let shards = shards.filter(|shard| shard.path().is_dir() && shard.file_name() != "tmp");
    let files = shards.flat_map(|shard| fs::read_dir(shard.path()).expect("a folder").flatten());
    files.map(|file| fs::read(file.path()).expect("a file")).collect()
}
