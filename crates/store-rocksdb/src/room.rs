//! Whether there is room on the store's disk.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

/// Whether a directory takes a file of so many octets, found out by making one: RocksDB would name the first file that it
/// failed at, and after a failed write it takes no more. Space is asked for, not written, where the file system can do that.
pub fn take(path: &Path, octets: u64) -> io::Result<()> {
    let probe = path.join(".room");
    let file = File::options().write(true).create(true).truncate(true).open(&probe)?;
    let taken = match fallocate(&file, FallocateFlags::empty(), 0, octets) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => written(&file, octets),
        taken => taken.map_err(io::Error::from),
    };
    drop(file);
    taken.and(std::fs::remove_file(&probe).or_else(gone))
}

fn written(mut file: &File, octets: u64) -> io::Result<()> {
    io::copy(&mut io::Read::take(io::repeat(b'?'), octets), &mut file)?;
    file.sync_data()
}

fn gone(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    }
}

/// How much the database may write as it is opened anew: what its logs hold, and a file of each part.
pub fn needed(path: &Path, write_buffer: usize) -> u64 {
    let files = std::fs::read_dir(path).into_iter().flatten().flatten();
    let logs = files.filter(|file| Path::new(&file.file_name()).extension().is_some_and(|end| end == "log"));
    let octets: u64 = logs.filter_map(|log| log.metadata().ok()).map(|log| log.len()).sum();
    octets + 2 * write_buffer as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_that_is_not_there_is_told_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        take(dir.path(), 1 << 16).unwrap();
        take(dir.path(), i64::MAX as u64).unwrap_err();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        std::fs::write(dir.path().join("000004.log"), [0; 100]).unwrap();
        std::fs::write(dir.path().join("000005.sst"), [0; 1000]).unwrap();
        assert_eq!(needed(dir.path(), 10), 120);
    }

    #[test]
    fn room_is_written_where_it_cannot_be_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create(dir.path().join("f")).unwrap();
        written(&file, 100_000).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 100_000);
    }
}
