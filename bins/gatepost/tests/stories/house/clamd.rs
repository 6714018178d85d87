//! A clamd of our own: real, in a folder, at a Unix socket, with the signatures of `fixtures/clamd` and no others.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::postfix::signal;
use super::{PATIENCE, eventually};

/// A running clamd. Dropping it kills it.
pub struct Clamd {
    child: Child,
    folder: TempDir,
}

impl Clamd {
    /// Starts it, with further lines of clamd.conf, and waits until it answers.
    pub fn start(more: &str) -> Clamd {
        assert!(
            Path::new("/usr/sbin/clamd").exists(),
            "this test needs a real clamd in /usr/sbin: `make test` installs Debian's package before it runs the tests"
        );
        let folder = tempfile::Builder::new()
            .prefix("gatepost-clamd-")
            .tempdir()
            .expect("a folder");
        let at = folder.path().display();
        let database = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/clamd");
        let text = format!(
            "Foreground yes\nLocalSocket {at}/clamd.ctl\nLogFile {at}/clamd.log\nTemporaryDirectory {at}\n\
             DatabaseDirectory {database}\nAlertExceedsMax yes\nMaxThreads 10\n{more}\n"
        );
        fs::write(folder.path().join("clamd.conf"), text).expect("clamd.conf");
        let clamd = Clamd {
            child: Clamd::spawn(&folder),
            folder,
        };
        clamd.answers();
        clamd
    }

    fn spawn(folder: &TempDir) -> Child {
        Command::new("/usr/sbin/clamd")
            .arg("-c")
            .arg(folder.path().join("clamd.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("clamd starts")
    }

    #[track_caller]
    fn answers(&self) {
        eventually("a clamd that answers", || {
            let mut stream = UnixStream::connect(self.socket()).ok()?;
            stream.set_read_timeout(Some(PATIENCE)).ok()?;
            stream.write_all(b"zPING\0").ok()?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).ok()?;
            (answer == b"PONG\0").then_some(())
        });
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("clamd.ctl")
    }

    /// It stands still, and takes connections in no more.
    pub fn freeze(&self) {
        signal("STOP", self.child.id());
    }

    /// How many connections there are to it, those included that it has not taken in.
    pub fn connections(&self) -> usize {
        let all = fs::read_to_string("/proc/net/unix").expect("Linux");
        let socket = self.socket().display().to_string();
        let lines = all.lines().filter(|line| line.ends_with(&socket)).count();
        lines.saturating_sub(1)
    }

    /// Kills it, without a word to whoever waits.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child");
        self.child.wait().expect("a child");
    }

    /// Starts it again after that.
    pub fn again(&mut self) {
        self.child = Clamd::spawn(&self.folder);
        self.answers();
    }
}

impl Drop for Clamd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
