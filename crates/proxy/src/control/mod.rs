//! The control socket: how the command line reaches the desk of the daemon that runs.
//!
//! A Unix socket in the data folder, 0600, and only for root and the daemon's own user. A request and its receipt are each
//! four octets of length (big-endian) and so much JSON; a connection may carry several, one after another.
//! **Absent on purpose:** rights, words and deeds, which are the desk's.

pub mod client;
pub mod server;

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::config::Config;

/// The most octets of a request or receipt: a mail of 64 MiB in JSON, and room.
const FRAME_MAX: u32 = 256 << 20;
/// What a frame's first read sets aside; the rest grows as it comes.
const FRAME_START: usize = 64 << 10;

/// Where the socket of a configuration is.
pub fn path(config: &Config) -> Result<PathBuf, String> {
    config.socket()
}

/// Writes a value as a frame.
async fn write<T: Serialize>(to: &mut (impl AsyncWrite + Unpin), value: &T) -> io::Result<()> {
    let json = serde_json::to_vec(value)?;
    let length = u32::try_from(json.len()).ok().filter(|length| *length <= FRAME_MAX);
    let length =
        length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is too large for the control socket"))?;
    to.write_all(&length.to_be_bytes()).await?;
    to.write_all(&json).await?;
    to.flush().await
}

/// Reads a frame; nothing where the other side hung up between two.
async fn read<T: DeserializeOwned>(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match from.read(&mut length).await? {
        0 => return Ok(None),
        n => from.read_exact(&mut length[n..]).await?,
    };
    let length = u32::from_be_bytes(length);
    if length > FRAME_MAX {
        let why = format!("a frame of {length} octets, and at most {FRAME_MAX} are taken");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    // What is set aside follows what came, not what was announced.
    let mut json = Vec::with_capacity(FRAME_START.min(length as usize));
    from.take(u64::from(length)).read_to_end(&mut json).await?;
    if json.len() < length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let value = serde_json::from_slice(&json).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(Some(value))
}

/// Whether a file is a socket.
fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_come_through_and_nonsense_does_not() {
        let mut wire = Vec::new();
        write(&mut wire, &"one").await.unwrap();
        write(&mut wire, &vec![1, 2]).await.unwrap();
        let mut from = wire.as_slice();
        assert_eq!(read::<String>(&mut from).await.unwrap().as_deref(), Some("one"));
        assert_eq!(read::<Vec<u8>>(&mut from).await.unwrap(), Some(vec![1, 2]));
        assert_eq!(read::<String>(&mut from).await.unwrap(), None);
        for bad in [&b"\0\0\0"[..], b"\0\0\0\x05abc", b"\xff\xff\xff\xffx", b"\0\0\0\x02{}"] {
            assert!(read::<String>(&mut &*bad).await.is_err(), "{bad:?}");
        }
    }
}
