//! Where the command line's requests go: to the desk of the daemon that runs, through its control socket; or, where none
//! runs, to a desk that is set up here over the same store.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use gatepost_core::{Clock, Desk, Login, LoginBy, Receipt, Request};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::SystemClock;
use crate::config::{Config, Loaded, Registry};
use crate::control;
use crate::control::client::Line;
use crate::customers::{self, Serving};
use crate::services::{self, Opened};
use crate::upkeep;
use crate::ways::Ways;
use crate::wiring;

/// How long another command that has the store is waited for.
const OTHERS: Duration = Duration::from_secs(5);

/// A desk to submit to.
pub enum Office {
    /// The daemon's.
    Daemon(Line),
    /// One of this process.
    Here(Box<Opened>, Login, Option<Writing>),
}

/// What becomes of mail that waits, being written into its records, and how to end that.
pub struct Writing {
    task: JoinHandle<()>,
    end: CancellationToken,
}

impl Office {
    /// Finds the daemon, or opens the store.
    pub async fn open(loaded: &Loaded, registry: &Registry) -> Result<Office, String> {
        let config = &loaded.config;
        let socket = control::path(config)?;
        if let Some(line) = Line::connect(&socket).await? {
            return Ok(Office::Daemon(line));
        }
        own(&config.data_dir)?;
        let store = config.data_dir.join(upkeep::STORE);
        if !store.is_dir() {
            let whole = std::path::absolute(&store).unwrap_or(store);
            return Err(format!(
                "no daemon answers at {}, and there is no store at {}: start gatepost once; a data_dir that does not begin \
                 with / is looked for from the folder in which you stand",
                socket.display(),
                whole.display()
            ));
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let mut opened = services::open(config, registry, clock, OTHERS)
            .await
            .map_err(|error| format!("no daemon answers at {}, and so: {error}", socket.display()))?;
        if opened.archive.needs_mending() {
            opened
                .archive
                .mend()
                .await
                .map_err(|fault| format!("the archive: {fault}"))?;
        }
        let (loaded, left_out) = opened.register.complete(loaded.clone()).await?;
        customers::tell(&*opened.services.alarms, &[], &left_out);
        let config = Arc::new(loaded.config);
        let has_records = config.archive.records_max > 0;
        let handlers = wiring::handlers(&config, registry, &opened.services)?;
        let ways = Arc::new(Ways::new(&config, None).map_err(|error| error.to_string())?);
        opened.publish(&config, registry, handlers, &ways).await;
        opened.register.publish(Serving {
            config,
            ways,
            sources: loaded.sources,
            left_out,
            asks: false,
        });
        let chronicle = opened.chronicle.take().filter(|_| has_records);
        let writing = chronicle.map(|chronicle| {
            let end = CancellationToken::new();
            let task = tokio::spawn(chronicle.keep(end.clone()));
            Writing { task, end }
        });
        Ok(Office::Here(Box::new(opened), operator(), writing))
    }

    /// Submits a request.
    pub async fn submit(&mut self, request: Request) -> Result<Receipt, String> {
        match self {
            Office::Daemon(line) => line.submit(&request).await,
            Office::Here(opened, login, _) => opened
                .desk
                .submit(login, request)
                .await
                .map_err(|fault| fault.to_string()),
        }
    }

    /// Writes into the audit of a store that nobody has open what was done to it without a desk.
    pub fn note(config: &Config, registry: &Registry, what: String) -> Result<(), String> {
        let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
        runtime.block_on(async {
            let opened = services::open(config, registry, Arc::new(SystemClock::new()), OTHERS).await?;
            let noted = opened.desk.note(&operator(), what).await;
            noted.map_err(|fault| format!("the audit: {fault}"))
        })
    }

    /// Refuses what only the daemon can do, and says what comes of that.
    pub fn runs(&self, so: &str) -> Result<(), String> {
        match self {
            Office::Daemon(_) => Ok(()),
            Office::Here(..) => Err(format!("no daemon runs: start gatepost; {so}")),
        }
    }

    /// Closes what was opened.
    pub async fn close(self) {
        if let Office::Here(opened, _, writing) = self {
            opened.learned().await;
            let _ = opened.queue.close().await;
            if let Some(Writing { task, end }) = writing {
                end.cancel();
                let _ = task.await;
            }
            opened.archive.close().await;
        }
    }
}

/// Whoever runs this, as the audit names them.
fn operator() -> Login {
    let own = std::fs::metadata("/proc/self");
    let name = own.map_or("operator".into(), |own| format!("operator (uid {})", own.uid()));
    Login::new(name, LoginBy::Operator)
}

/// Refuses to write into the folder of somebody else: what root makes there, the daemon's user could not open.
pub fn own(data: &Path) -> Result<(), String> {
    let (Ok(theirs), Ok(ours)) = (std::fs::metadata(data), std::fs::metadata("/proc/self")) else {
        return Ok(());
    };
    if theirs.uid() == ours.uid() {
        return Ok(());
    }
    Err(format!(
        "no daemon of yours answers, and {} belongs to the user with the id {}: run this as that user",
        data.display(),
        theirs.uid()
    ))
}

/// Runs `work` with a desk at hand and tells how it went. What it returns goes to standard output.
pub fn at_the_desk<F>(loaded: &Loaded, registry: &Registry, work: F) -> Result<ExitCode, String>
where
    F: AsyncFnOnce(&mut Office) -> Result<ExitCode, String>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| format!("the runtime cannot be started: {error}"))?;
    runtime.block_on(async {
        let mut office = Office::open(loaded, registry).await?;
        let done = work(&mut office).await;
        office.close().await;
        done
    })
}

/// Tells what a receipt says: lines on standard output, refusals on standard error.
pub fn tell(receipt: &Receipt) -> ExitCode {
    match receipt {
        Receipt::Done(change) => {
            // Of several entries some may be wrong: the others are done, and these are told as what went wrong.
            let (refused, done): (Vec<&String>, Vec<&String>) =
                change.lines.iter().partition(|line| line.starts_with("refused"));
            for line in done {
                say(&crate::log::harmless(line));
            }
            for line in &refused {
                let _ = writeln!(std::io::stderr().lock(), "{}", crate::log::harmless(line));
            }
            if refused.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Receipt::Refused(why) => complain("refused", why),
        Receipt::Failed(why) => complain("failed", why),
        other => complain("unexpected", &format!("{other:?}")),
    }
}

/// One line of standard output; a reader that went away has read enough.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn complain(kind: &str, why: &str) -> ExitCode {
    let lines: Vec<String> = why.lines().map(crate::log::harmless).collect();
    let _ = writeln!(std::io::stderr().lock(), "{kind}: {}", lines.join("\n"));
    ExitCode::FAILURE
}
