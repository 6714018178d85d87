//! The binary, with a configuration of its own.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::client::Client;
use super::postfix::signal;
use super::setup::{Places, Setup};
use super::{PATIENCE, eventually, free_address};

/// The binary.
pub const BINARY: &str = env!("CARGO_BIN_EXE_gatepost");

/// What the binary says when it is ready.
const READY: &str = "gatepost takes mail";
/// What it says when a port was taken by somebody else after we had found it free.
const TAKEN: &str = "another program listens there";

/// A folder with the configuration, and the ports that it names.
fn prepare(setup: &Setup, listeners: BTreeMap<String, SocketAddr>) -> (TempDir, Places) {
    let folder = tempfile::Builder::new()
        .prefix("gatepost-story-")
        .tempdir()
        .expect("a folder");
    let mut places = Places {
        listeners,
        admin: free_address(),
    };
    places.add(setup);
    let text = setup.render(&places, folder.path());
    fs::write(folder.path().join("gatepost.toml"), text).expect("a file");
    (folder, places)
}

type Lines = Arc<Mutex<Vec<String>>>;

/// The running binary. Dropping it kills it.
pub struct Gatepost {
    child: Child,
    folder: TempDir,
    places: Places,
    lines: Lines,
}

impl Gatepost {
    /// Starts it, and waits until it takes mail.
    pub fn start(setup: &Setup) -> Gatepost {
        Gatepost::start_by(setup, |_| Command::new(BINARY))
    }

    /// The same by another command, to which the arguments of the binary are added.
    pub fn start_by(setup: &Setup, command: impl Fn(&Path) -> Command) -> Gatepost {
        for _ in 0..5 {
            let mut gatepost = Gatepost::begin_by(setup, &command);
            let ready = eventually("a Gatepost that takes mail", || {
                let ended = gatepost.child.try_wait().expect("a child");
                let log = gatepost.log();
                match ended {
                    Some(_) if log.contains(TAKEN) => Some(false),
                    Some(status) => panic!("Gatepost did not start ({status}):\n{log}"),
                    None => log.contains(READY).then_some(true),
                }
            });
            if ready {
                return gatepost;
            }
        }
        panic!("no free ports");
    }

    /// Starts it, and waits for nothing.
    pub fn begin(setup: &Setup) -> Gatepost {
        Gatepost::begin_by(setup, |_| Command::new(BINARY))
    }

    fn begin_by(setup: &Setup, command: impl Fn(&Path) -> Command) -> Gatepost {
        let (folder, places) = prepare(setup, BTreeMap::new());
        let mut command = command(folder.path());
        command
            .args(["run", "--config"])
            .arg(folder.path().join("gatepost.toml"))
            .stdin(Stdio::null());
        Gatepost::run(command, folder, places)
    }

    /// Starts it as systemd does: with the open socket of the listener `mx`, and with a socket of its own at which it
    /// tells how it is.
    pub fn begin_activated(setup: &Setup, mx: TcpListener, told: &Path) -> Gatepost {
        let address = mx.local_addr().expect("an address");
        let (folder, places) = prepare(setup, BTreeMap::from([("mx".into(), address)]));
        let mut command = Command::new("/bin/sh");
        let script = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" run --config \"$1\"";
        command
            .args(["-c", script, BINARY])
            .arg(folder.path().join("gatepost.toml"))
            .env("NOTIFY_SOCKET", told)
            .stdin(OwnedFd::from(mx));
        Gatepost::run(command, folder, places)
    }

    /// What the command line says to a question about this configuration, and whether it was content.
    pub fn asked(verb: &[&str], setup: &Setup) -> (String, bool) {
        let (folder, _) = prepare(setup, BTreeMap::new());
        let output = Command::new(BINARY)
            .args(verb)
            .arg("--config")
            .arg(folder.path().join("gatepost.toml"))
            .stdin(Stdio::null())
            .output()
            .expect("the binary runs");
        let said = [output.stdout, output.stderr].concat();
        (String::from_utf8_lossy(&said).into_owned(), output.status.success())
    }

    /// Runs another command of the binary on this configuration: what it printed, what it complained of, and whether it was
    /// content.
    pub fn command(&self, verb: &[&str]) -> (String, String, bool) {
        let output = Command::new(BINARY)
            .arg("--config")
            .arg(self.folder.path().join("gatepost.toml"))
            .args(verb)
            .env_remove("GATEPOST_CONFIG")
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .expect("the binary runs");
        let text = |octets: Vec<u8>| String::from_utf8_lossy(&octets).into_owned();
        (text(output.stdout), text(output.stderr), output.status.success())
    }

    /// What a command prints that must succeed; it may complain that there is nothing.
    #[track_caller]
    pub fn tells(&self, verb: &[&str]) -> String {
        let (out, complaint, content) = self.command(verb);
        let complains = !matches!(&*complaint, "" | "nothing found\n");
        assert!(content && !complains, "{verb:?}: {out}{complaint}");
        out
    }

    /// Kills it as a power cut would, without a word.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child");
        self.child.wait().expect("a child");
    }

    /// Starts it again on the same folder and ports, after it has ended.
    #[track_caller]
    pub fn again(&mut self) {
        let seen = self.lines.lock().expect("a lock").len();
        let mut child = Command::new(BINARY)
            .args(["run", "--config"])
            .arg(self.folder.path().join("gatepost.toml"))
            .env_remove("GATEPOST_CONFIG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        collect(child.stdout.take().expect("a pipe"), &self.lines);
        collect(child.stderr.take().expect("a pipe"), &self.lines);
        self.child = child;
        eventually("a Gatepost that takes mail again", || {
            let lines = self.lines.lock().expect("a lock");
            lines[seen..].iter().any(|line| line.contains(READY)).then_some(())
        });
    }

    /// Starts it as a newcomer does: without a configuration, in an empty folder. The ports are those of the defaults
    /// unless `environment` says otherwise.
    pub fn begin_without_configuration(environment: &[(&str, String)], mx: SocketAddr, admin: SocketAddr) -> Gatepost {
        let folder = tempfile::Builder::new()
            .prefix("gatepost-story-")
            .tempdir()
            .expect("a folder");
        let mut command = Command::new(BINARY);
        command
            .arg("run")
            .stdin(Stdio::null())
            .current_dir(folder.path())
            .envs(environment.iter().map(|(key, value)| (key, value)));
        let places = Places {
            listeners: BTreeMap::from([("mx".into(), mx)]),
            admin,
        };
        Gatepost::run(command, folder, places)
    }

    fn run(mut command: Command, folder: TempDir, places: Places) -> Gatepost {
        let mut child = command
            .env_remove("GATEPOST_CONFIG")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let lines = Lines::default();
        let (out, errors) = (
            child.stdout.take().expect("a pipe"),
            child.stderr.take().expect("a pipe"),
        );
        collect(out, &lines);
        collect(errors, &lines);
        Gatepost {
            child,
            folder,
            places,
            lines,
        }
    }

    /// Where a listener listens.
    pub fn address(&self, listener: &str) -> SocketAddr {
        self.places.listeners[listener]
    }

    /// A client at the listener `mx` that was greeted and has said EHLO.
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::introduced(self.address("mx"))
    }

    /// All that it has said so far.
    pub fn log(&self) -> String {
        self.lines.lock().expect("a lock").join("\n")
    }

    /// Waits until a line of its log holds all of these.
    #[track_caller]
    pub fn logs(&self, words: &[&str]) -> String {
        eventually(&format!("{words:?} in the log"), || {
            let lines = self.lines.lock().expect("a lock");
            lines
                .iter()
                .find(|line| words.iter().all(|word| line.contains(word)))
                .cloned()
        })
    }

    fn count(&self, words: &str) -> usize {
        self.lines
            .lock()
            .expect("a lock")
            .iter()
            .filter(|line| line.contains(words))
            .count()
    }

    /// The lines about mails, each of which must be JSON.
    pub fn records(&self) -> Vec<Value> {
        let lines = self.lines.lock().expect("a lock").clone();
        let lines = lines.iter().filter(|line| line.contains("\"kind\":\"mail\""));
        lines
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }

    /// Waits for the line about a mail of which this holds.
    #[track_caller]
    pub fn record(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        eventually(&format!("a line about a mail: {what}"), || {
            self.records().into_iter().find(|record| is(record))
        })
    }

    /// Asks the admin port: the status and the body.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect_timeout(&self.places.admin, PATIENCE).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n"
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// The value of a metric, all its labels added up.
    pub fn metric(&self, name: &str) -> f64 {
        let (_, body) = self.get("/metrics").expect("metrics");
        let values = body.lines().filter(|line| line.split([' ', '{']).next() == Some(name));
        values
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Writes a new configuration and has it read. `true` where it was taken.
    #[track_caller]
    pub fn reload(&mut self, setup: &Setup) -> bool {
        self.places.add(setup);
        let text = setup.render(&self.places, self.folder.path());
        self.reload_text(&text)
    }

    /// The same with any text.
    #[track_caller]
    pub fn reload_text(&mut self, text: &str) -> bool {
        let counts = |gatepost: &Gatepost| {
            (
                gatepost.count("configuration is reloaded"),
                gatepost.count("the old one stays in service"),
            )
        };
        let (good, bad) = counts(self);
        fs::write(self.folder.path().join("gatepost.toml"), text).expect("a file");
        self.signal("HUP");
        eventually("the end of the reload", || match counts(self) {
            (g, _) if g > good => Some(true),
            (_, b) if b > bad => Some(false),
            _ => None,
        })
    }

    pub fn signal(&self, name: &str) {
        signal(name, self.id());
    }

    /// Waits for its end.
    #[track_caller]
    pub fn ends_within(&mut self, time: Duration) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(began.elapsed() < time, "it still runs after {time:?}:\n{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Tells it to stop and waits until it has, cleanly.
    #[track_caller]
    pub fn stop(&mut self) {
        self.signal("TERM");
        let status = self.ends_within(PATIENCE);
        assert!(status.success(), "{status}:\n{}", self.log());
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    #[track_caller]
    pub fn is_alive(&mut self) {
        let ended = self.child.try_wait().expect("a child");
        assert!(ended.is_none(), "{ended:?}:\n{}", self.log());
    }

    /// The most memory that it ever held at once, in KiB.
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("Linux");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .expect("a peak");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Gatepost {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let log = self.log();
            let skipped = log.lines().count().saturating_sub(40);
            let last = log
                .lines()
                .skip(skipped)
                .map(|line| format!("{}\n", line.get(..600).unwrap_or(line)));
            eprintln!("the last lines of Gatepost:\n{}", last.collect::<String>());
        }
    }
}

fn collect(from: impl Read + Send + 'static, lines: &Lines) {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            lines
                .lock()
                .expect("a lock")
                .push(String::from_utf8_lossy(&line).into_owned());
        }
    });
}
