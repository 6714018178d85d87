//! `gatepost train`: collections of mail whose label is known, taught to the classifiers.
//!
//! The files are read here, in a thread of their own, and the mails go to the desk in batches, the daemon's or our own. The
//! desk knows what it has learned, by the mail itself: a run that was interrupted is simply run again, and what was learned
//! by then is recognised, which costs reading and hashing it. No mark of how far a run came is kept: it would not know what
//! was unlearned since.

mod batches;
mod progress;
mod tally;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use gatepost_core::{Label, Receipt, Request};
use gatepost_training::sources::{self, Mix, Plan};
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::batches::Batches;
use self::progress::Progress;
use self::tally::Tally;
use super::office::{self, Office, say};
use crate::clock::ticks;
use crate::config::{Config, Loaded, Registry};
use crate::log::harmless;

/// The largest mail that is read: more than a mail of this size does not fit through the control socket in the worst case.
const MAIL_MAX: u64 = 40 << 20;

/// What is taught, and how.
#[derive(Args, Debug)]
#[command(after_long_help = MORE)]
pub struct Train {
    /// Maildirs (with the folders in them), mboxes, folders of mails, tar archives or single mails, each as it is or packed
    /// with gzip or zstd; or a folder that holds spam, notspam (or ham), errors/spam or errors/notspam, as the original's
    /// corpus does, or is one of them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// All of it is spam.
    #[arg(long, conflicts_with = "ham")]
    spam: bool,
    /// All of it is wanted mail.
    #[arg(long)]
    ham: bool,
    /// Under which name it is learned: `gatepost unlearn --by NAME` takes all of it back.
    #[arg(long, value_name = "NAME", default_value = "train")]
    by: String,
    /// Whose mail it is: a domain of yours. Everybody's without this.
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// How much each mail counts, in hundredths, instead of what `[learning]` says of collections and corrections.
    #[arg(long, value_name = "HUNDREDTHS", value_parser = clap::value_parser!(u32).range(1..=1000))]
    weight: Option<u32>,
    /// Only reads and counts. Nothing is learned, and neither daemon nor store is needed.
    #[arg(long)]
    dry_run: bool,
}

const MORE: &str = "\
Labels: one of --spam and --ham for all that is named; or neither, and the names of the folders give them. Prefer one run
over folders of both classes to a run for each: the classes are then learned mixed, each folder at the pace of its size,
in the order of time within it, which is what models that learn mail after mail do best with.

The original's folders: mails in errors/ count as corrections; those of spam and notspam whose body begins like that of a
correction are left out; the X-Assp- fields that the original wrote into its files are left out of them.

What is passed over: in a Maildir what is in tmp; for --ham, folders called Junk, Spam, Bulk, Trash or Deleted; hidden
files; links that lead in circles. What cannot be read as a mail is named on standard error and skipped.

Interrupted by Ctrl-C or kill, it finishes the batch that it is at and tells how far it came. Run the same again: mails
that were learned are recognised and not learned twice.";

impl Train {
    fn label(&self) -> Option<Label> {
        match (self.spam, self.ham) {
            (true, _) => Some(Label::Spam),
            (_, true) => Some(Label::Ham),
            _ => None,
        }
    }
}

/// Does it.
pub fn run(loaded: &Loaded, registry: &Registry, train: &Train) -> Result<ExitCode, String> {
    let config = &loaded.config;
    let plan = sources::plan(&train.paths, train.label()).map_err(|why| harmless(&why))?;
    if train.dry_run {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("the runtime cannot be started: {error}"))?;
        return runtime.block_on(teach(config, train, plan, async |_| Ok(Vec::new())));
    }
    office::at_the_desk(loaded, registry, async |office| {
        teach(config, train, plan, async |request| {
            trained(submit(office, loaded, registry, request).await?)
        })
        .await
    })
}

/// Submits a request, once more where the daemon was lost meanwhile: what was learned of it already is known the second time.
async fn submit(
    office: &mut Office,
    loaded: &Loaded,
    registry: &Registry,
    request: Request,
) -> Result<Receipt, String> {
    if matches!(office, Office::Here(..)) {
        return office.submit(request).await;
    }
    match office.submit(request.clone()).await {
        Ok(receipt) => Ok(receipt),
        Err(_) => {
            *office = Office::open(loaded, registry).await?;
            office.submit(request).await
        }
    }
}

fn trained(receipt: Receipt) -> Result<Vec<gatepost_core::Taught>, String> {
    match receipt {
        Receipt::Trained(all) => Ok(all),
        Receipt::Refused(why) => Err(format!("refused: {}", harmless(&why))),
        Receipt::Failed(why) => Err(format!("failed: {}", harmless(&why))),
        other => Err(format!("unexpected: {}", harmless(&format!("{other:?}")))),
    }
}

/// What ends a run early.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn new() -> Result<Stop, String> {
        let of = |kind| signal(kind).map_err(|error| format!("signals cannot be received: {error}"));
        Ok(Stop {
            interrupt: of(SignalKind::interrupt())?,
            terminate: of(SignalKind::terminate())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Reads the plan and hands batch after batch to `learn`; tells how it went.
async fn teach<F>(config: &Config, train: &Train, plan: Plan, mut learn: F) -> Result<ExitCode, String>
where
    F: AsyncFnMut(Request) -> Result<Vec<gatepost_core::Taught>, String>,
{
    let began = ticks();
    let mut stop = Stop::new()?;
    let mut tally = Tally::new(plan.files().count());
    let mut progress = Progress::new(plan.octets(), began);
    for folder in &plan.left_out {
        let line = format!(
            "left out, since by its name it holds no wanted mail: {}",
            folder.display()
        );
        progress.line(&harmless(&line));
    }
    let largest = config.listen.iter().map(|listen| listen.limits.message_size.0).max();
    let max = usize::try_from(largest.unwrap_or(MAIL_MAX).min(MAIL_MAX)).unwrap_or(usize::MAX);
    let mut batches = Batches::of(move || Mix::new(plan, max), train.weights(config))?;
    let mut ended = Ok(());
    loop {
        let batch = tokio::select! {
            biased;
            () = stop.wait() => {
                ended = Err("interrupted".to_owned());
                break;
            }
            batch = batches.next() => batch,
        };
        let Some(mut batch) = batch else { break };
        for bad in tally.read(&batch) {
            progress.line(&bad);
        }
        let mails = std::mem::take(&mut batch.mails);
        if !mails.is_empty() && !train.dry_run {
            let request = Request::Train {
                mails,
                by: train.by.clone(),
                domain: train.domain.clone(),
            };
            match learn(request).await {
                Ok(all) => tally.taught(&all),
                Err(why) => {
                    ended = Err(why);
                    break;
                }
            }
        }
        progress.at(batch.read, tally.mails(), ticks());
    }
    progress.end();
    if ended.is_ok() {
        ended = batches.end();
    }
    for line in tally.table(train.dry_run, &train.by, ticks().since(began)) {
        say(&line);
    }
    match ended {
        Ok(()) if tally.mails() == 0 => Err("no mail was found".into()),
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(why) => Err(format!(
            "{why}; run the same again to go on: what is learned is recognised"
        )),
    }
}

impl Train {
    /// How much a mail counts, and a correction; as the desk says where nothing is said.
    fn weights(&self, config: &Config) -> [Option<u32>; 2] {
        [self.weight, self.weight.or(Some(config.learning.correction_weight))]
    }
}
