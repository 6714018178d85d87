//! A Postfix of our own: real, in a folder, on loopback. No mail leaves the machine.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::client::Client;
use super::{eventually, free_address};

/// The domain of whoever names none.
const DOMAIN: &str = "example.org";

/// Local mailboxes, all in its domain; whoever else is named there is refused with 550.
pub const MAILBOXES: [&str; 3] = ["alice", "bob", "postmaster"];

/// A delivered mail: to whom, and its file.
#[derive(Clone, Debug)]
pub struct Delivered {
    pub to: String,
    pub file: Vec<u8>,
}

/// A running Postfix. Dropping it stops it.
pub struct Postfix {
    pub address: SocketAddr,
    child: Option<Child>,
    undertaker: Child,
    folder: TempDir,
}

const MASTER: &str = "\
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
";

impl Postfix {
    /// One whose clients on loopback are in `mynetworks` and may say XCLIENT, as behind a proxy. Mail to strangers is
    /// discarded. `more` are further lines of main.cf.
    pub fn start(more: &str) -> Postfix {
        Postfix::of(DOMAIN, more)
    }

    /// The same for another domain than `example.org`.
    pub fn of(domain: &str, more: &str) -> Postfix {
        (0..3)
            .find_map(|_| Postfix::try_start(domain, more))
            .expect("a free port")
    }

    /// Nothing, where somebody else took the port meanwhile.
    fn try_start(domain: &str, more: &str) -> Option<Postfix> {
        assert!(
            Path::new("/usr/sbin/postfix").exists(),
            "this test needs a real Postfix in /usr/sbin: `make test` installs Debian's package before it runs the tests"
        );
        let folder = tempfile::Builder::new()
            .prefix("gatepost-postfix-")
            .tempdir()
            .expect("a folder");
        let at = folder.path();
        // Delivery runs as nobody, and must pass.
        fs::set_permissions(at, fs::Permissions::from_mode(0o755)).expect("rights");
        for part in ["config", "queue", "data", "mail"] {
            fs::create_dir(at.join(part)).expect("a folder");
        }
        chown("postfix", &at.join("data"));
        chown("nobody", &at.join("mail"));
        let address = free_address();
        let shown = at.display();
        let boxes: Vec<_> = MAILBOXES
            .iter()
            .map(|name| format!("{{ {name}@{domain} = {name}/ }}"))
            .collect();
        let main = format!(
            "compatibility_level = 3.6\nqueue_directory = {shown}/queue\ndata_directory = {shown}/data\n\
             maillog_file = {shown}/mail.log\nmaillog_file_prefixes = {shown}\n\
             inet_interfaces = 127.0.0.1\ninet_protocols = all\nmynetworks = 127.0.0.0/8\n\
             myhostname = backend.example.org\nmydestination =\nrelayhost =\n\
             default_transport = discard\nrelay_transport = discard\nlocal_transport = error\n\
             virtual_mailbox_domains = {domain}\nvirtual_mailbox_base = {shown}/mail\n\
             virtual_mailbox_maps = inline:{{ {} }}\nvirtual_uid_maps = static:65534\nvirtual_gid_maps = static:65534\n\
             alias_maps =\nlocal_header_rewrite_clients =\nsmtpd_authorized_xclient_hosts = 127.0.0.1\n\
             smtpd_authorized_xforward_hosts = 127.0.0.1\n\
             smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\nsmtpd_peername_lookup = no\n\
             smtpd_client_connection_count_limit = 0\nbiff = no\n{more}\n",
            boxes.join(", ")
        );
        fs::write(at.join("config/main.cf"), main).expect("main.cf");
        let master = format!("{address} inet n - n - - smtpd\n{MASTER}");
        fs::write(at.join("config/master.cf"), master).expect("master.cf");
        let undertaker = undertaker(at);
        let child = Some(run(at));
        let mut postfix = Postfix {
            address,
            child,
            undertaker,
            folder,
        };
        postfix.answers().then_some(postfix)
    }

    /// Waits until it answers; `false` where somebody else has the port.
    fn answers(&mut self) -> bool {
        let address = self.address;
        eventually("a Postfix that answers", || {
            let child = self.child.as_mut().expect("a Postfix that was started");
            if let Ok(Some(status)) = child.try_wait() {
                let log = self.log();
                let taken = log.contains("Address already in use");
                assert!(
                    taken,
                    "Postfix did not start ({status}); it must be root that starts it: {log}"
                );
                return Some(false);
            }
            let greeting = Client::try_connect(address).ok()?.try_reply()?;
            greeting.text().contains("backend.example.org").then_some(true)
        })
    }

    /// Goes away without a word: every process of it ends, and nobody listens any more.
    #[track_caller]
    pub fn leaves(&mut self) {
        let done = Command::new("/usr/sbin/postfix")
            .arg("-c")
            .arg(self.folder.path().join("config"))
            .arg("abort")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(done.is_ok_and(|done| done.success()), "it does not go: {}", self.log());
        if let Some(mut child) = self.child.take() {
            child.wait().expect("a child");
        }
        eventually("nobody at its port", || {
            Client::try_connect(self.address).is_err().then_some(())
        });
    }

    /// Is back at the same port, with the same mailboxes.
    #[track_caller]
    pub fn returns(&mut self) {
        self.child = Some(run(self.folder.path()));
        assert!(self.answers(), "its port is taken: {}", self.log());
    }

    /// The log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("mail.log")).unwrap_or_default()
    }

    /// Waits until a line of the log holds all of these.
    #[track_caller]
    pub fn logs(&self, words: &[&str]) -> String {
        eventually(&format!("{words:?} in Postfix's log"), || {
            let log = self.log();
            log.lines()
                .find(|line| words.iter().all(|word| line.contains(word)))
                .map(str::to_owned)
        })
    }

    /// Waits until nobody is connected and nothing is in the queue: what is delivered then is all there will be.
    #[track_caller]
    pub fn settled(&self) -> Vec<Delivered> {
        eventually("the end of Postfix's work", || {
            let log = self.log();
            let (came, went) = (
                log.matches(": connect from ").count(),
                log.matches(": disconnect from ").count(),
            );
            let queued = ["incoming", "active", "deferred", "hold", "maildrop"]
                .iter()
                .any(|queue| has_files(&self.folder.path().join("queue").join(queue)));
            (came > 0 && came == went && !queued).then_some(())
        });
        self.delivered()
    }

    /// What is in the mailboxes so far.
    pub fn delivered(&self) -> Vec<Delivered> {
        let mut delivered = Vec::new();
        for to in MAILBOXES {
            let folder = self.folder.path().join("mail").join(to).join("new");
            for file in fs::read_dir(folder).into_iter().flatten().flatten() {
                delivered.push(Delivered {
                    to: to.into(),
                    file: fs::read(file.path()).expect("a delivered mail"),
                });
            }
        }
        delivered
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        drop(self.undertaker.stdin.take());
        let _ = self.undertaker.wait();
        // What started it, and waits for it.
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn run(folder: &Path) -> Child {
    Command::new("/usr/sbin/postfix")
        .arg("-c")
        .arg(folder.join("config"))
        .arg("start-fg")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("postfix starts")
}

/// Ends the Postfix of a folder, and the folder, when its owner lets go of it, be it by dying: Postfix leaves the process
/// group of the test, so that nobody else would.
fn undertaker(folder: &Path) -> Child {
    let script = r#"
        read -r end
        if pid=$(cat "$0/queue/pid/master.pid") && kill -TERM $pid; then
            for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do kill -0 $pid || break; sleep 0.1; done
            kill -KILL -- -$((pid))
        fi
        rm -rf "$0""#;
    Command::new("/bin/sh")
        .args(["-c", script])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("a shell")
}

fn has_files(folder: &PathBuf) -> bool {
    fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() { has_files(&path) } else { true }
    })
}

fn chown(owner: &str, path: &Path) {
    let done = Command::new("chown").arg(owner).arg(path).status().expect("chown runs");
    assert!(
        done.success(),
        "Postfix needs folders of several owners: run this test as root"
    );
}

/// Sends a signal to a process of ours.
pub fn signal(name: &str, pid: u32) {
    let status = Command::new("/bin/sh")
        .arg("-c")
        .arg(format!("kill -{name} {pid}"))
        .stderr(Stdio::null())
        .status();
    assert!(status.is_ok(), "no shell to send a signal with");
}
