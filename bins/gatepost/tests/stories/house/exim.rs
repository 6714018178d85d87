//! An Exim of our own: real, in a folder, on loopback. No mail leaves the machine.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::client::Client;
use super::{eventually, free_address};

/// The program: it cannot be installed beside a Postfix, so that `tools/exim.sh` unpacks Debian's package and says where.
fn program() -> PathBuf {
    let named = std::env::var_os("EXIM_FOR_TESTS").map(PathBuf::from);
    let installed = ["/usr/sbin/exim4", "/usr/sbin/exim"].map(PathBuf::from);
    let found = named.into_iter().chain(installed).find(|path| path.exists());
    found.expect(
        "this test needs a real Exim: `make test` unpacks one, and `eval \"$(tools/exim.sh)\"` names it for other runs",
    )
}

/// An Exim with a folder and a configuration; one that serves ends when it is dropped.
pub struct Exim {
    /// Where it serves, if it does.
    pub address: SocketAddr,
    child: Option<Child>,
    folder: TempDir,
}

impl Exim {
    /// A sender: what it is given goes to this mail server, but for mail to `there.example`, which has a mailbox here.
    pub fn before(server: SocketAddr) -> Exim {
        let (host, port) = (server.ip(), server.port());
        let out = format!(
            "out:\n driver = manualroute\n route_list = * {host}::{port}\n self = send\n transport = out\n no_more\n"
        );
        Exim::with("there.example", free_address(), &out)
    }

    /// A mail server for `example.org` that takes everybody, and has mailboxes for them; under PRDR, whoever is called
    /// `full` is refused when the message is there.
    pub fn start() -> Exim {
        (0..3).find_map(|_| Exim::try_start()).expect("a free port")
    }

    fn try_start() -> Option<Exim> {
        let mut exim = Exim::with("example.org", free_address(), "");
        let mut child = exim.command(&["-bdf"]).spawn().expect("exim starts");
        let answers = eventually("an Exim that answers", || {
            if child.try_wait().expect("a child").is_some() {
                let log = exim.log();
                assert!(log.contains("Address already in use"), "Exim did not start: {log}");
                return Some(false);
            }
            let greeting = Client::try_connect(exim.address).ok()?.try_reply()?;
            greeting.text().contains("exim.example.org").then_some(true)
        });
        exim.child = Some(child);
        answers.then_some(exim)
    }

    fn with(domain: &str, address: SocketAddr, routers: &str) -> Exim {
        let folder = tempfile::Builder::new()
            .prefix("gatepost-exim-")
            .tempdir()
            .expect("a folder");
        let at = folder.path();
        fs::set_permissions(at, fs::Permissions::from_mode(0o755)).expect("rights");
        // It delivers as itself, and never as root.
        let id = |of: &str| {
            let said = Command::new("id").arg(of).output().expect("id runs");
            let id: u32 = String::from_utf8_lossy(&said.stdout).trim().parse().expect("a number");
            if id == 0 { 65_534 } else { id }
        };
        let (user, group) = (id("-u"), id("-g"));
        for part in ["spool", "log", "box"] {
            fs::create_dir(at.join(part)).expect("a folder");
            chown(at.join(part), Some(user), Some(group)).expect("a folder of its own");
        }
        // It starts itself anew as that one, who may not look into everybody's folders.
        fs::copy(program(), at.join("exim")).expect("a copy");
        fs::set_permissions(at.join("exim"), fs::Permissions::from_mode(0o755)).expect("rights");
        let shown = at.display();
        let (host, port) = (address.ip(), address.port());
        let text = format!(
            "exim_path = {shown}/exim\nexim_user = {user}\nexim_group = {group}\nnever_users =\n\
             primary_hostname = exim.{domain}\nqualify_domain = {domain}\nspool_directory = {shown}/spool\n\
             log_file_path = {shown}/log/%s\npid_file_path = {shown}/spool/exim.pid\nkeep_environment =\n\
             local_interfaces = {host}\ndaemon_smtp_ports = {port}\ndisable_ipv6 = true\ntls_advertise_hosts =\n\
             host_lookup =\nrfc1413_hosts =\nprdr_enable = true\nacl_smtp_rcpt = accept\nacl_smtp_data_prdr = each\n\
             begin acl\neach:\n deny local_parts = full\n message = this mailbox is full\n accept\n\
             begin routers\nhome:\n driver = accept\n domains = {domain}\n transport = box\n{routers}\
             begin transports\nout:\n driver = smtp\n hosts_try_prdr = *\n hosts_avoid_tls = *\n hosts_try_dane =\n\
             hosts_try_chunking =\nbox:\n driver = appendfile\n directory = {shown}/box\n\
            maildir_format\n user = {user}\n group = {group}\n envelope_to_add\nbegin retry\n* * F,1d,1h\n"
        );
        fs::write(at.join("exim.conf"), text).expect("exim.conf");
        Exim {
            address,
            child: None,
            folder,
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let at = self.folder.path();
        let told = fs::OpenOptions::new().create(true).append(true).open(at.join("told"));
        let mut command = Command::new(at.join("exim"));
        command.arg("-C").arg(at.join("exim.conf")).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(told.expect("a file"));
        command
    }

    /// Takes a mail from `a@there.example`, and tries at once to be rid of it.
    #[track_caller]
    pub fn sends(&self, to: &[&str], content: &[u8]) {
        use std::io::Write;
        let mut command = self.command(&["-odf", "-oi", "-f", "a@there.example"]);
        let mut child = command.args(to).stdin(Stdio::piped()).spawn().expect("exim runs");
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(content).expect("it reads");
        drop(input);
        assert!(
            child.wait().expect("it ends").success(),
            "it took no mail: {}",
            self.log()
        );
    }

    /// Waits until its log has as many lines with all of these.
    #[track_caller]
    pub fn logs(&self, count: usize, words: &[&str]) -> Vec<String> {
        eventually(&format!("{count} lines with {words:?} in Exim's log"), || {
            let log = self.log();
            let found = log.lines().filter(|line| words.iter().all(|word| line.contains(word)));
            let found: Vec<String> = found.map(str::to_owned).collect();
            (found.len() == count).then_some(found)
        })
    }

    /// What it wrote into its log, and, where it may not, told.
    pub fn log(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        read("log/main") + &read("log/panic") + &read("told")
    }

    /// How many mails it still means to deliver.
    pub fn waiting(&self) -> usize {
        let heads = |name: &Path| name.to_string_lossy().ends_with("-H");
        files(&self.folder.path().join("spool/input"))
            .iter()
            .filter(|name| heads(name))
            .count()
    }

    /// Waits until it has done with all that it took.
    #[track_caller]
    pub fn settled(&self) {
        eventually("the end of Exim's work", || (self.waiting() == 0).then_some(()));
    }

    /// What was delivered here to somebody of its domain.
    pub fn mailbox(&self, name: &str) -> Vec<String> {
        let read = |file: &PathBuf| String::from_utf8_lossy(&fs::read(file).expect("a mail")).into_owned();
        let envelope = format!("Envelope-to: {name}@");
        let all = files(&self.folder.path().join("box/new"));
        all.iter().map(read).filter(|mail| mail.contains(&envelope)).collect()
    }
}

impl Drop for Exim {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect()
}
