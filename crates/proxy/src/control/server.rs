//! The daemon's side of the control socket.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gatepost_core::{Desk, Login, LoginBy, Receipt, Request};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{is_socket, read, write};

/// The most connections at once.
const CONNECTIONS: usize = 32;
/// How long a peer may say nothing between two requests.
const IDLE: Duration = Duration::from_secs(60);

/// The socket, open. Taken off the disk when it is dropped.
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

/// Which file a path leads to.
fn inode(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path).ok().map(|meta| meta.ino())
}

impl Control {
    /// Opens the socket. What an earlier process left there goes; it cannot be in use, for its user would have the store.
    pub fn open(path: &Path) -> Result<Control, String> {
        let wrong = |error: io::Error| format!("control socket {}: {error}", path.display());
        if is_socket(path) {
            // One that answers is another installation's, which has a data folder of its own.
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(format!(
                    "control socket {}: another gatepost answers there; give this one a desk.socket of its own",
                    path.display()
                ));
            }
            std::fs::remove_file(path).map_err(wrong)?;
        }
        // Made under another name in a folder that only we may enter, so that nobody reaches it before it is 0600.
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let nursery = tempfile::Builder::new()
            .prefix(".gp")
            .rand_bytes(4)
            .tempdir_in(parent)
            .map_err(wrong)?;
        let born = nursery.path().join("s");
        let listener = UnixListener::bind(&born).map_err(wrong)?;
        std::fs::set_permissions(&born, std::os::unix::fs::PermissionsExt::from_mode(0o600)).map_err(wrong)?;
        std::fs::rename(&born, path).map_err(wrong)?;
        let inode = inode(path).ok_or_else(|| format!("control socket {}: it is gone again", path.display()))?;
        Ok(Control {
            listener,
            path: path.into(),
            inode,
        })
    }

    /// Serves until `end`; what is under way is finished first.
    pub async fn serve(self, desk: Arc<dyn Desk>, end: CancellationToken) {
        let (places, tasks) = (Arc::new(Semaphore::new(CONNECTIONS)), TaskTracker::new());
        loop {
            let accepted = tokio::select! {
                () = end.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "the control socket cannot accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                tracing::warn!("too many connections to the control socket: one is turned away");
                tasks.spawn(async move {
                    let mut stream = stream;
                    let busy = Receipt::Refused("the desk is busy; try again".into());
                    let _ = tokio::time::timeout(Duration::from_secs(1), write(&mut stream, &busy)).await;
                });
                continue;
            };
            let (desk, end) = (Arc::clone(&desk), end.clone());
            tasks.spawn(async move {
                if let Err(error) = attend(stream, desk, end).await {
                    tracing::debug!(%error, "a connection to the control socket ended");
                }
                drop(place);
            });
        }
        tasks.close();
        tasks.wait().await;
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Not one that somebody else has put there since.
        if inode(&self.path) == Some(self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Who is there: root, or the user that we run as.
fn login(stream: &UnixStream) -> Result<Login, String> {
    let uid = stream.peer_cred().map_err(|error| error.to_string())?.uid();
    // The kernel made the peer's credentials; our own are those of what we just made.
    let own = own_uid().map_err(|error| error.to_string())?;
    if uid == 0 || uid == own {
        Ok(Login::new(format!("operator (uid {uid})"), LoginBy::Operator))
    } else {
        Err(format!("uid {uid} is neither root nor the user that gatepost runs as"))
    }
}

fn own_uid() -> io::Result<u32> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").map(|meta| meta.uid())
}

async fn attend(mut stream: UnixStream, desk: Arc<dyn Desk>, end: CancellationToken) -> io::Result<()> {
    let login = match login(&stream) {
        Ok(login) => login,
        Err(why) => {
            tracing::warn!(why, "somebody is turned away from the control socket");
            return write(&mut stream, &Receipt::Refused(why)).await;
        }
    };
    loop {
        let request = tokio::select! {
            () = end.cancelled() => return Ok(()),
            request = tokio::time::timeout(IDLE, read::<Request>(&mut stream)) => request,
        };
        let receipt = match request {
            Err(_) | Ok(Ok(None)) => return Ok(()),
            Ok(Ok(Some(request))) => desk
                .submit(&login, request)
                .await
                .unwrap_or_else(|fault| Receipt::Failed(fault.to_string())),
            // Another version's command line, most likely: tell it, and trust the stream no further.
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                let why = format!("the request cannot be read: {error}; is the command of the daemon's version?");
                return write(&mut stream, &Receipt::Refused(why)).await;
            }
            Ok(Err(error)) => return Err(error),
        };
        write(&mut stream, &receipt).await?;
    }
}
