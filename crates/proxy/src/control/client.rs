//! The command line's side of the control socket.

use std::io;
use std::path::Path;

use gatepost_core::{Receipt, Request};
use tokio::net::UnixStream;

use super::{read, write};

/// A connection to the daemon that runs.
pub struct Line(UnixStream);

impl Line {
    /// Connects; nothing where no daemon listens there.
    pub async fn connect(path: &Path) -> Result<Option<Line>, String> {
        match UnixStream::connect(path).await {
            Ok(stream) => Ok(Some(Line(stream))),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                Ok(None)
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(format!(
                "control socket {}: only root and the user that the daemon runs as may use it",
                path.display()
            )),
            Err(error) => Err(format!("control socket {}: {error}", path.display())),
        }
    }

    /// Submits a request.
    pub async fn submit(&mut self, request: &Request) -> Result<Receipt, String> {
        let gone = |error: io::Error| {
            format!("the daemon hung up before it answered ({error}): whether it was done is told by `gatepost audit`")
        };
        write(&mut self.0, request).await.map_err(gone)?;
        let receipt = read::<Receipt>(&mut self.0).await.map_err(gone)?;
        receipt.ok_or_else(|| gone(io::ErrorKind::UnexpectedEof.into()))
    }
}
