//! Dialogues: whole SMTP sessions as text, run without a socket.
//!
//! ```text
//! # A comment. What stands before the first `client` sets up the house.
//! zone <<EOF                                DNS, as `Zone` reads it, at any time; or `zone FILE` beside the script
//! 192.0.2.1 PTR mail.b.example
//! EOF
//! local d.example e.example                 our domains; d.example where nothing is said
//! route e.example=other                     the mail server of a domain; all go to `default` otherwise
//! direction outbound                        our people write to the world; inbound where nothing is said
//! relays 192.0.2.10 198.51.100.0/24          hosts whose mail is judged by whom they got it from
//! login carl                                the client's network is trusted under this name
//! filter told enforce at=rcpt wish=defer    a filter in a mode with options; it may be called `name=kind`
//! filter told score tier=2 patience=2s      (`tier`, `patience` and `on_fault` are the slot's)
//! policy high.threshold=5 speak_from=message
//! domain d.example policy dry_run=true      what is different for mail to a domain
//! domain d.example user ann spam_lover=true  what is different for mail to one of its people
//! domain d.example filter told off
//! session errors=3 pipelining=false         limits and offers of the session
//! recipients d.example ann "odd one"        all mailboxes of a domain; without this the mail server is asked
//! remember known=7d unknown=2h              its answers are remembered, for so long
//! archive                                   there is an archive
//! queue                                     there is a queue
//! hold d.example [full]                     there is, and mail for the domain may wait; or it might, and there is no room
//! etrn d.example 192.0.2.9                   whose mail server may ask for its mail, which is offered then
//! proofs arc_sealers=["f.example"]          names and proofs are looked for in the zone, with these settings ([`run_all_with`])
//!
//! client 192.0.2.1 2525                     somebody connects, at the next line that needs it
//! early EHLO x                              sends this before it is greeted
//! C EHLO mail.b.example                     sends a line
//! S 250 words in any case                   expects a reply of this code with these words
//! D Subject: hello {code}                   sends a line of the message; `D` alone an empty one; `{code}` or `{CODE}`, here
//!                                           and elsewhere, is the last that a reply called `the code`
//! file signed.eml                           sends the lines of a file beside the script, dots stuffed
//! .                                         sends the dot
//! raw "odd\r\n\0bytes\x80"                  sends bytes
//! many 20 C NOOP -> S 250                   does all of it so often
//! tls                                       the handshake after 220 succeeds
//! later 5m                                  time passes
//! took 5s                                   the last thing sent was answered after this long
//! drain                                     the server is stopping
//! leaves before the dot | the reply         the client hangs up while its next message is judged, or answered
//! close                                     the client hangs up
//! closed                                    expects that we have hung up
//! new session                               the same client comes again
//!
//! upstream rcpt x@d.example 550 5.1.1 no    what the mail server answers
//! upstream mail|dot|auth 451 4.3.0 words    (`ok` for the usual answer)
//! upstream dies at rcpt | before the dot | at the dot | after the dot | never
//! upstream each x@d.example 550 5.7.1 no    what it says of him when it has a message whose sender asked for a word on each
//! upstream down | up | slow 30s
//! upstream away [ROUTE]                      that of a route, or `default`, is away and believed to be
//! queue full | fails | well                 it takes nothing from now on, or takes all again
//! forget x@d.example | all                  what was remembered of its answers
//! desk ann add|remove|import allow|deny|red site|domain:D|person:A ENTRY ..      ann does that to a list
//! desk ann reports spam|ham last [domain:D]                                      what the server took last, at a desk that a test brings
//! desk ann reports spam|ham [domain:D] <<EOF                                    or a mail, up to the line EOF ([`run_all_at`])
//! receipt refused|failed|done|unchanged WORDS   what the desk says to filters from now on (`done` has a line between bars)
//! submitted 1 | by carl auth | has|lacks TEXT   what filters submitted to it: how many, the last one in JSON (`any`: one of all)
//! letter 1 | to|from|subject|language|answers TEXT | has|lacks TEXT             letters of ours: how many, the last one
//! letter fails | leaves                     whether letters can be sent from now on
//! spf pass|fail|none .. [DOMAIN [AUTHORISED_BY]]                                what SPF says from now on
//! identity aligned|unaligned AUTHOR | unknown                                   whom mail is proven to be from
//! restart                                   all is dropped but what is remembered, and built anew
//! delivered 1                               how many messages the mail server has taken
//! delivered from <> | to a@d.example b@d.example | route other                 of the last one
//! delivered has text | lacks text | canonical                                   of the last one
//! kept reason dangerous                      why the one mail in the archive is there
//! kept 1 | withdrawn 1 | queued 1           what the archive holds, gave back, what the queue has
//! queued to|from|route TEXT | has|lacks TEXT | proven yes|no                    the last mail in the queue
//! asked 3 l.example                         how often DNS was asked for a name and what lies below it
//! alarm raised|over KIND ABOUT | lacks WORD what an operator was told
//! record fate|would|because|level|score|finding|end|note|has|lacks WORDS        of the last record
//! records 2                                 how many there are
//! ```
//!
//! The clock moves only when told, and as long as a filter makes the client wait; the session's patience is a day, so
//! that a script may let minutes pass. DNS is a zone, the store is memory, the mail server a script.

mod checks;
mod codes;
mod desk;
mod house;
mod letters;
mod proofs;
mod script;
mod talk;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatepost_core::{Desk, Identify, Services};
use gatepost_pipeline::CurrentFusion;
use serde_json::{Map, Value};

pub use script::BadScript;

/// Makes the service that tells whom a mail is from, over the fakes and with the settings of `proofs`. It is passed in by
/// the tests of the crate that has it, since this one stands below all filters.
pub type Proofs = fn(&Services, Map<String, Value>) -> Result<Arc<dyn Identify>, String>;

/// Makes a desk over the fakes, with whoever teaches the classifiers behind it; what follows from lessons is published as the
/// fusion. It is passed in by tests of whoever stands above both.
pub type Office = fn(&Services, &Arc<CurrentFusion>) -> Result<Arc<dyn Desk>, String>;

/// What a test brings that this crate cannot know.
#[derive(Clone, Copy, Default)]
pub(crate) struct Brought {
    pub(crate) proofs: Option<Proofs>,
    pub(crate) office: Option<Office>,
}

/// A dialogue that did not go as written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The script.
    pub file: String,
    /// The number of the line.
    pub line: usize,
    /// The line.
    pub text: String,
    /// What it expected.
    pub expected: String,
    /// What happened.
    pub got: String,
    /// All that was said so far.
    pub transcript: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure {
            file,
            line,
            text,
            expected,
            got,
            transcript,
        } = self;
        write!(
            f,
            "{file}:{line}: {text}\n  expected: {expected}\n  got:      {got}\n{transcript}"
        )
    }
}

impl std::error::Error for Failure {}

/// Runs a script. `folder` is where its zone files lie.
pub fn run(name: &str, text: &str, folder: &Path) -> Result<(), Box<Failure>> {
    play(name, text, folder, Brought::default())
}

fn play(name: &str, text: &str, folder: &Path, brought: Brought) -> Result<(), Box<Failure>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime can be built");
    runtime.block_on(talk::play(name, text, folder, brought))
}

/// Runs the script of a file.
pub fn run_file(path: &Path) -> Result<(), Box<Failure>> {
    play_file(path, Brought::default())
}

fn play_file(path: &Path, brought: Brought) -> Result<(), Box<Failure>> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => play(&name, &text, path.parent().unwrap_or(Path::new(".")), brought),
        Err(error) => Err(Box::new(Failure {
            file: name,
            line: 0,
            text: String::new(),
            expected: "a script".into(),
            got: error.to_string(),
            transcript: String::new(),
        })),
    }
}

/// Runs every `*.smtp` of a folder (not of folders within it) and tells all failures at once. The environment variable
/// `DIALOGUE` picks those whose name holds its text.
///
/// # Panics
/// If one fails, or if there is none.
pub fn run_all(folder: impl AsRef<Path>) {
    play_all(folder.as_ref(), Brought::default());
}

/// The same, and where a script says `proofs`, names and proofs are what this service finds in its zone.
///
/// # Panics
/// If one fails, or if there is none.
pub fn run_all_with(folder: impl AsRef<Path>, proofs: Proofs) {
    let proofs = Some(proofs);
    play_all(
        folder.as_ref(),
        Brought {
            proofs,
            ..Brought::default()
        },
    );
}

/// The same, and where a script says `desk NAME reports`, it is at this desk.
///
/// # Panics
/// If one fails, or if there is none.
pub fn run_all_at(folder: impl AsRef<Path>, office: Office) {
    let office = Some(office);
    play_all(
        folder.as_ref(),
        Brought {
            office,
            ..Brought::default()
        },
    );
}

fn play_all(folder: &Path, brought: Brought) {
    let wanted = std::env::var("DIALOGUE").unwrap_or_default();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "smtp"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{}: no dialogue there", folder.display());
    let mut failures = Vec::new();
    for file in files.iter().filter(|file| file.to_string_lossy().contains(&wanted)) {
        let outcome = play_file(file, brought);
        println!(
            "{} {}",
            if outcome.is_ok() { "ok    " } else { "FAILED" },
            file.file_name().unwrap_or_default().to_string_lossy()
        );
        failures.extend(outcome.err());
    }
    let all: Vec<String> = failures.iter().map(ToString::to_string).collect();
    assert!(
        failures.is_empty(),
        "{} of {} dialogues failed\n\n{}",
        failures.len(),
        files.len(),
        all.join("\n\n")
    );
}
