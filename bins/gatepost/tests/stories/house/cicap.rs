//! A c-icap of our own: real, in a folder, with its service `echo`, which gives back what it gets.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{eventually, free_address};

/// A running c-icap. Dropping it kills it; its workers end when it does.
pub struct Cicap {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Cicap {
    /// Starts it and waits until it listens.
    pub fn start() -> Cicap {
        let modules = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
        let modules = modules.map(|entry| entry.path().join("c_icap"));
        let modules = modules.chain([Path::new("/usr/lib/c_icap").into()]);
        let modules = modules.into_iter().find(|path| path.join("srv_echo.so").exists());
        let modules = modules
            .expect("this test needs a real c-icap: `make test` installs Debian's package before it runs the tests");
        let folder = tempfile::Builder::new()
            .prefix("gatepost-cicap-")
            .tempdir()
            .expect("a folder");
        let (at, address, modules) = (folder.path().display(), free_address(), modules.display());
        let text = format!(
            "PidFile {at}/pid\nCommandsSocket {at}/ctl\nTmpDir {at}\nServerLog {at}/server.log\nAccessLog {at}/access.log\n\
             StartServers 1\nMaxServers 2\nThreadsPerChild 10\nPort {address}\nModulesDir {modules}\nServicesDir {modules}\n\
             LoadMagicFile /etc/c-icap/c-icap.magic\nService echo srv_echo.so\n"
        );
        fs::write(folder.path().join("c-icap.conf"), text).expect("c-icap.conf");
        let cicap = Cicap {
            child: Cicap::spawn(&folder),
            address,
            folder,
        };
        cicap.answers();
        cicap
    }

    fn spawn(folder: &TempDir) -> Child {
        Command::new("c-icap")
            .arg("-N")
            .arg("-f")
            .arg(folder.path().join("c-icap.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("c-icap starts")
    }

    #[track_caller]
    fn answers(&self) {
        eventually("a c-icap that listens", || TcpStream::connect(self.address).ok());
    }

    /// Where its service is; `name` may be one that it does not have.
    pub fn service(&self, name: &str) -> String {
        format!("icap://{}/{name}", self.address)
    }

    /// Kills it, and waits until nobody listens any more.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child");
        self.child.wait().expect("a child");
        eventually("workers that end", || TcpStream::connect(self.address).err());
    }

    /// Starts it again after that.
    pub fn again(&mut self) {
        let _ = fs::remove_file(self.folder.path().join("ctl"));
        self.child = Cicap::spawn(&self.folder);
        self.answers();
    }
}

impl Drop for Cicap {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
