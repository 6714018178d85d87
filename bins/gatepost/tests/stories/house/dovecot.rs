//! A Dovecot of our own: real, in a folder, on loopback. It takes mail by LMTP, sorts it by our Sieve rule and shows it
//! by IMAP.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{PATIENCE, eventually, free_address};

/// Whose mailboxes there are, all `@example.org`; `name+folder@example.org` goes into that folder of theirs.
pub const PEOPLE: [&str; 4] = ["alice", "bob", "postmaster", "spambox"];

/// The password of all of them.
pub const PASSWORD: &str = "secret";

/// The folder of what is junk.
pub const JUNK: &str = "Junk";

/// A running Dovecot. Dropping it stops it.
pub struct Dovecot {
    lmtp: SocketAddr,
    imap: SocketAddr,
    child: Child,
    undertaker: Child,
    folder: TempDir,
}

impl Dovecot {
    /// Starts it and waits until it answers at both ports.
    pub fn start() -> Dovecot {
        (0..3).find_map(|_| Dovecot::try_start()).expect("free ports")
    }

    /// Nothing, where somebody else took a port meanwhile.
    fn try_start() -> Option<Dovecot> {
        let known = Command::new("/usr/sbin/dovecot").arg("--version").output();
        let version = known.map(|out| String::from_utf8_lossy(&out.stdout).into_owned());
        assert!(
            version.as_ref().is_ok_and(|version| version.starts_with("2.3.")),
            "this test needs a real Dovecot 2.3 in /usr/sbin ({version:?}): `make test` installs Debian's packages before \
             it runs the tests"
        );
        let folder = tempfile::Builder::new()
            .prefix("gatepost-dovecot-")
            .tempdir()
            .expect("a folder");
        let at = folder.path();
        // Mailboxes belong to nobody, whose processes must pass.
        fs::set_permissions(at, fs::Permissions::from_mode(0o755)).expect("rights");
        for part in ["base", "state", "home"] {
            fs::create_dir(at.join(part)).expect("a folder");
        }
        let owned = Command::new("chown").arg("nobody").arg(at.join("home")).status();
        assert!(
            owned.is_ok_and(|done| done.success()),
            "Dovecot must be started by root"
        );
        let rule = concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging/sieve/gatepost.sieve");
        fs::copy(rule, at.join("gatepost.sieve")).expect("the rule");
        let compiled = Command::new("sievec").arg(at.join("gatepost.sieve")).output();
        let compiled = compiled.expect("sievec is there");
        assert!(
            compiled.status.success(),
            "{}",
            String::from_utf8_lossy(&compiled.stderr)
        );
        let users: String = PEOPLE
            .iter()
            .map(|name| format!("{name}@example.org:{PASSWORD}::::::\n"))
            .collect();
        fs::write(at.join("users"), users).expect("users");
        let (lmtp, imap) = (free_address(), free_address());
        fs::write(at.join("dovecot.conf"), configuration(at, lmtp, imap)).expect("dovecot.conf");
        let undertaker = undertaker(at);
        let child = Command::new("/usr/sbin/dovecot")
            .arg("-F")
            .arg("-c")
            .arg(at.join("dovecot.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("dovecot starts");
        let mut dovecot = Dovecot {
            lmtp,
            imap,
            child,
            undertaker,
            folder,
        };
        let ours = eventually("a Dovecot that answers", || {
            if let Ok(Some(status)) = dovecot.child.try_wait() {
                let log = dovecot.log();
                assert!(
                    log.contains("Address already in use"),
                    "Dovecot did not start ({status}): {log}"
                );
                return Some(false);
            }
            let greets = |address: SocketAddr| {
                let stream = TcpStream::connect(address).ok()?;
                stream.set_read_timeout(Some(PATIENCE)).ok()?;
                let mut line = String::new();
                BufReader::new(stream).read_line(&mut line).ok()?;
                line.contains("ready").then_some(())
            };
            greets(lmtp)?;
            greets(imap)?;
            Some(true)
        });
        ours.then_some(dovecot)
    }

    /// The lines of main.cf by which Postfix delivers here, to all [`PEOPLE`] and their folders.
    pub fn behind(&self) -> String {
        let boxes: Vec<_> = PEOPLE
            .iter()
            .map(|name| format!("{{ {name}@example.org = {name}/ }}"))
            .collect();
        format!(
            "virtual_transport = lmtp:inet:{}\nrecipient_delimiter = +\nvirtual_mailbox_maps = inline:{{ {} }}\n\
             lmtp_destination_recipient_limit = 1",
            self.lmtp,
            boxes.join(", ")
        )
    }

    /// The folder with a home for each of them, named by their whole address; their mail is in `Maildir` there.
    pub fn homes(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// The log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("dovecot.log")).unwrap_or_default()
    }

    /// A session of somebody.
    #[track_caller]
    pub fn imap(&self, who: &str) -> Imap {
        let stream = TcpStream::connect(self.imap).expect("IMAP");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let mut imap = Imap {
            stream: BufReader::new(stream),
            count: 0,
        };
        imap.line();
        imap.says(&format!("LOGIN {who}@example.org {PASSWORD}"));
        imap
    }

    /// All mail in a folder of somebody's, the oldest first; none where there is no such folder.
    #[track_caller]
    pub fn mails(&self, who: &str, folder: &str) -> Vec<Vec<u8>> {
        self.imap(who).mails(folder)
    }

    /// Waits until a folder of somebody's holds a mail in which all of these words stand.
    #[track_caller]
    pub fn holds(&self, who: &str, folder: &str, words: &[&str]) -> Vec<u8> {
        eventually(&format!("{words:?} in {folder} of {who}"), || {
            let fits = |mail: &Vec<u8>| words.iter().all(|word| super::holds(mail, word.as_bytes()));
            self.mails(who, folder).into_iter().find(fits)
        })
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        drop(self.undertaker.stdin.take());
        let _ = self.undertaker.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A session at the IMAP port, logged in.
pub struct Imap {
    stream: BufReader<TcpStream>,
    count: u32,
}

impl Imap {
    fn line(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).expect("an answer");
        assert!(line.ends_with(b"\n"), "the session ended");
        line
    }

    /// Says a command and returns the literals of the answer and its last line.
    fn ask(&mut self, command: &str) -> (Vec<Vec<u8>>, String) {
        self.count += 1;
        let tag = format!("a{} ", self.count);
        write!(self.stream.get_mut(), "{tag}{command}\r\n").expect("a socket");
        let mut literals = Vec::new();
        loop {
            let line = self.line();
            if line.starts_with(tag.as_bytes()) {
                return (literals, String::from_utf8_lossy(&line[tag.len()..]).into_owned());
            }
            let text = String::from_utf8_lossy(&line);
            let size = text
                .trim_end()
                .strip_suffix('}')
                .and_then(|text| text.rsplit_once('{')?.1.parse().ok());
            if let Some(size) = size {
                let mut literal = vec![0; size];
                self.stream.read_exact(&mut literal).expect("a literal");
                literals.push(literal);
            }
        }
    }

    /// Says a command that must succeed.
    #[track_caller]
    pub fn says(&mut self, command: &str) -> Vec<Vec<u8>> {
        let (literals, end) = self.ask(command);
        assert!(end.starts_with("OK"), "{command}: {end}");
        literals
    }

    /// All mail in a folder, the oldest first; none where there is no such folder.
    pub fn mails(&mut self, folder: &str) -> Vec<Vec<u8>> {
        let (_, end) = self.ask(&format!("SELECT \"{folder}\""));
        if !end.starts_with("OK") {
            return Vec::new();
        }
        // Of an empty folder the numbers are refused.
        self.ask("FETCH 1:* BODY.PEEK[]").0
    }
}

fn configuration(at: &Path, lmtp: SocketAddr, imap: SocketAddr) -> String {
    let at = at.display();
    let port = |address: SocketAddr| format!("address = {}\nport = {}", address.ip(), address.port());
    format!(
        "base_dir = {at}/base\nstate_dir = {at}/state\nlog_path = {at}/dovecot.log\nprotocols = imap lmtp\n\
         listen = {ip}\nssl = no\ndisable_plaintext_auth = no\nmail_location = maildir:~/Maildir\nfirst_valid_uid = 1\n\
         recipient_delimiter = +\nlmtp_save_to_detail_mailbox = yes\nlda_mailbox_autocreate = yes\n\
         passdb {{\ndriver = passwd-file\nargs = scheme=PLAIN username_format=%u {at}/users\n}}\n\
         userdb {{\ndriver = passwd-file\nargs = username_format=%u {at}/users\n\
         default_fields = uid=nobody gid=nogroup home={at}/home/%u\n}}\n\
         service imap-login {{\ninet_listener imap {{\n{imap}\n}}\ninet_listener imaps {{\nport = 0\n}}\n}}\n\
         service lmtp {{\ninet_listener lmtp {{\n{lmtp}\n}}\n}}\n\
         protocol lmtp {{\nmail_plugins = sieve\npostmaster_address = postmaster@example.org\n}}\n\
         plugin {{\nsieve_before = {at}/gatepost.sieve\n}}\n",
        ip = lmtp.ip(),
        imap = port(imap),
        lmtp = port(lmtp),
    )
}

/// Ends the Dovecot of a folder, and the folder, when its owner lets go of it, be it by dying: its processes leave the
/// process group of the test, so that nobody else would.
fn undertaker(folder: &Path) -> Child {
    let script = r#"
        read -r end
        if pid=$(cat "$0/base/master.pid") && kill -TERM $pid; then
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
