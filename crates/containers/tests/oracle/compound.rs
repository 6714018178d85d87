//! Compound files for tests.

use std::io::{Cursor, Write};

/// A compound file of these streams, by a writer that is not ours.
pub fn compound(streams: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    for (path, octets) in streams {
        let (folder, _) = path.rsplit_once('/').unwrap();
        file.create_storage_all(format!("/{}", folder.trim_start_matches('/')))
            .unwrap();
        file.create_stream(path).unwrap().write_all(octets).unwrap();
    }
    file.flush().unwrap();
    file.into_inner().into_inner()
}
