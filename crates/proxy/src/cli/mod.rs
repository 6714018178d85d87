//! The command line: what an operator can ask for without a browser.
//!
//! Exit codes: 0 it is done, 1 it failed, 2 the command or the configuration is wrong. What was asked for goes to standard
//! output, everything else to standard error.

mod attachments;
mod auth;
mod corpus;
mod dns_lists;
mod domain;
mod evaluate;
mod explain;
mod filters;
mod history;
mod jig;
mod kept;
mod lists;
mod model;
mod office;
mod queue;
mod replay;
mod reports;
mod resolver;
mod shadow;
mod spf;
mod store;
mod teach;
mod train;
mod urls;
mod when;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use gatepost_core::{Label, Request};

use crate::config::{self, Loaded, Mistake, Mistakes, Registry};
use crate::{run, selftest};

/// The exit code where the command or the configuration is wrong.
const WRONG: u8 = 2;
/// The exit code where all went well.
const DONE: ExitCode = ExitCode::SUCCESS;

/// An anti-spam proxy in front of your mail server.
#[derive(Parser, Debug)]
#[command(name = "gatepost", version, max_term_width = 100)]
struct Cli {
    /// The configuration; else GATEPOST_CONFIG, ./gatepost.toml, /etc/gatepost/gatepost.toml, or the embedded defaults.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Runs the proxy until SIGTERM; SIGHUP reads the configuration again.
    Run,
    /// Reports all mistakes of the configuration, each with file, line and key.
    Check,
    /// Lists the filters of this binary and the order in which they are asked.
    Filters,
    /// Asks each DNS list about its test entries and shows how it is; fails if one that is asked about mail is of no use.
    Lists(dns_lists::Ask),
    /// Prints what can be configured.
    Config {
        #[command(subcommand)]
        what: Print,
    },
    /// Runs the pipeline over a mail and tells what would become of it, and why. Nobody is told, nothing is changed.
    Replay(replay::Mail),
    /// Tells what SPF says of a client and a sender, and why: pass, fail, softfail, neutral, none, permerror or temperror.
    CheckSpf(spf::Asked),
    /// Tells what SPF, DKIM, ARC and DMARC say of a mail, and why.
    CheckAuth(auth::Mail),
    /// Lists the links of a mail: the link, its registrable domain or address, where it stood, how it was disguised.
    Urls(urls::Mail),
    /// Lists the files of a mail, those within others too: names, declared type, kind, SHA-256, marks, and what the policy says.
    Attachments(attachments::Mail),
    /// Probes the mail server for smuggling and the like, and prints what to write into its configuration.
    Selftest {
        /// A recipient that exists there; the postmaster of the first domain without it.
        #[arg(long, value_name = "ADDRESS")]
        to: Option<String>,
    },
    /// Who is welcome and who is not: shows and changes the lists of the site, a domain or a person.
    Whitelist {
        #[command(subcommand)]
        what: lists::Lists,
    },
    /// Kept mail: lists it, shows it, says what it is, delivers it, deletes it.
    #[command(visible_alias = "quarantine")]
    Kept {
        #[command(subcommand)]
        what: kept::Kept,
    },
    /// Mail that waits until its mail server takes it: how much, or what is done with it.
    Queue(queue::Queue),
    /// Teaches the classifiers that mails are spam.
    Spam(teach::Mails),
    /// Teaches the classifiers that mails are wanted.
    Ham(teach::Mails),
    /// Makes the classifiers forget: one mail, all that somebody taught, or all since a moment. They are then what they would
    /// be had they never seen it.
    Unlearn(teach::Unlearning),
    /// The versions of the classifiers' models: lists them, goes back to one, makes the models anew.
    Model {
        #[command(subcommand)]
        what: model::Model,
    },
    /// Tells why a mail is judged as it is: what the classifiers saw, what all filters found, and what would change it.
    Explain(explain::Asked),
    /// Tells what happened to mails, and why, in plain words: a line for each recipient, the newest first.
    Log(history::Asked),
    /// Lists what became of mails, the newest first.
    Records {
        #[command(flatten)]
        which: kept::Which,
        /// Prints an object of JSON a line, as the log has them.
        #[arg(long)]
        json: bool,
    },
    /// Tells what the policy would have done, and did: by fate, level, reason and sender. For a domain in a dry run, the
    /// report before it is put in force.
    Shadow(shadow::Asked),
    /// Daily block reports: lists who gets one, sends them, ends one.
    Reports {
        #[command(subcommand)]
        what: reports::Reports,
    },
    /// The domains of customers: lists and shows them, and keeps those in the store that no file has.
    Domain {
        #[command(subcommand)]
        what: domain::What,
    },
    /// What the mail server said about recipients.
    Recipients {
        #[command(subcommand)]
        what: Recipients,
    },
    /// All that is stored: checks it, compacts it, copies it, puts a copy back.
    Store {
        #[command(subcommand)]
        what: store::Store,
    },
    /// Teaches the classifiers collections of mail whose label is known.
    Train(train::Train),
    /// Lists what was done at the desk, by whom, the newest first.
    Audit {
        /// Before: 2026-11-25, 2026-11-25T10:00:00Z, or 2h ago as 2h.
        #[arg(long, value_name = "WHEN", value_parser = when::moment)]
        before: Option<u64>,
        /// At most so many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        /// Prints an object of JSON a line.
        #[arg(long)]
        json: bool,
    },
    /// Tells how well the classifiers do on a corpus: each message is scored, then learned, in the order of its index.
    Evaluate(evaluate::Asked),
    /// Obeys the commands of TREC's jig on standard input: initialize, classify FILE, train ham|spam FILE, finalize.
    Jig,
    /// Prints the version.
    Version,
}

#[derive(Subcommand, Debug)]
enum Recipients {
    /// Forgets it, so that the server is asked again: about one recipient, or about all.
    Forget {
        /// The recipient.
        #[arg(required_unless_present = "all")]
        address: Option<String>,
        /// All of them.
        #[arg(long, conflicts_with = "address")]
        all: bool,
    },
}

#[derive(Subcommand, Debug, Clone, Copy)]
enum Print {
    /// The JSON schema of the file, for editors.
    Schema,
    /// The manual of the file, in Markdown.
    Reference,
}

/// Does what the command line asks for, with the filters that are linked.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help is such an error, too. A closed pipe is nobody's business.
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(WRONG)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match gatepost_core::registry() {
        Ok(registry) => obey(cli, registry),
        Err(error) => failed(&error.to_string()),
    }
}

fn obey(cli: Cli, registry: Registry) -> ExitCode {
    let find = || Loaded::find(cli.config.as_deref(), &registry);
    let done = match cli.verb {
        Verb::Version => Ok(say(&format!("gatepost {}", env!("CARGO_PKG_VERSION")))),
        Verb::Config { what: Print::Schema } => Ok(say(&format!("{:#}", config::schema(&registry)))),
        Verb::Config { what: Print::Reference } => Ok(say(&config::reference(&registry))),
        Verb::Check => find().map(|loaded| say(&summary(&loaded))),
        Verb::Filters => find().map(|loaded| say(&filters::table(&loaded, &registry))),
        Verb::Lists(ask) => {
            find().map(|loaded| dns_lists::run(&loaded.config, &ask).unwrap_or_else(|why| failed(&why)))
        }
        Verb::Selftest { to } => {
            find().map(|loaded| selftest::run(&loaded.config, to.as_deref()).map_or_else(|why| failed(&why), |()| DONE))
        }
        Verb::Evaluate(asked) => {
            Ok(evaluate::run_it(&registry, &asked).map_or_else(|why| failed(&why), |text| say(&text)))
        }
        Verb::Jig => Ok(jig::run(&registry).unwrap_or_else(|why| failed(&why))),
        Verb::CheckSpf(asked) => spf::run(&asked, find),
        Verb::CheckAuth(mail) => auth::run(&mail, find),
        Verb::Replay(mail) => find().map(|loaded| {
            replay::run(&loaded.config, &registry, &mail).map_or_else(|why| failed(&why), |text| say(&text))
        }),
        Verb::Urls(mail) => Ok(urls::run(&mail).map_or_else(
            |why| failed(&why),
            |(lines, notes)| {
                complain(&notes);
                // Not even an empty line where there is no link.
                if lines.is_empty() { DONE } else { say(&lines) }
            },
        )),
        Verb::Attachments(mail) => find().map(|loaded| {
            attachments::run(&loaded.config, &mail).map_or_else(
                |why| failed(&why),
                |(lines, notes)| {
                    complain(&notes);
                    if lines.is_empty() { DONE } else { say(&lines) }
                },
            )
        }),
        Verb::Store {
            what: store::Store::Restore { folder },
        } => find().map(|loaded| store::restore(&loaded.config, &registry, &folder).unwrap_or_else(|why| failed(&why))),
        Verb::Whitelist { what } => find().map(|loaded| match what.imported() {
            Ok(imported) => desk(&loaded, &registry, async |office| {
                lists::run(office, &what, &imported).await
            }),
            Err(why) => failed(&why),
        }),
        Verb::Kept { what } => {
            find().map(|loaded| desk(&loaded, &registry, async |office| kept::run(office, &what).await))
        }
        Verb::Queue(asked) => {
            find().map(|loaded| desk(&loaded, &registry, async |office| queue::run(office, &asked).await))
        }
        Verb::Train(train) => {
            find().map(|loaded| train::run(&loaded, &registry, &train).unwrap_or_else(|why| failed(&why)))
        }
        Verb::Store { what } => {
            find().map(|loaded| desk(&loaded, &registry, async |office| store::run(office, &what).await))
        }
        Verb::Spam(mails) => find().map(|loaded| {
            desk(&loaded, &registry, async |office| {
                teach::report(office, &mails, Label::Spam).await
            })
        }),
        Verb::Ham(mails) => find().map(|loaded| {
            desk(&loaded, &registry, async |office| {
                teach::report(office, &mails, Label::Ham).await
            })
        }),
        Verb::Unlearn(what) => {
            find().map(|loaded| desk(&loaded, &registry, async |office| teach::unlearn(office, &what).await))
        }
        Verb::Model { what } => {
            find().map(|loaded| desk(&loaded, &registry, async |office| model::run(office, &what).await))
        }
        Verb::Explain(asked) => {
            find().map(|loaded| desk(&loaded, &registry, async |office| explain::run(office, &asked).await))
        }
        Verb::Log(asked) => {
            find().map(|loaded| desk(&loaded, &registry, async |office| history::run(office, &asked).await))
        }
        Verb::Records { which, json } => find().map(|loaded| {
            desk(&loaded, &registry, async |office| {
                kept::records(office, &which, json).await
            })
        }),
        Verb::Domain { what } => {
            find().map(|loaded| desk(&loaded, &registry, async |office| domain::run(office, &what).await))
        }
        Verb::Shadow(asked) => {
            find().map(|loaded| desk(&loaded, &registry, async |office| shadow::run(office, &asked).await))
        }
        Verb::Reports { what } => {
            find().map(|loaded| desk(&loaded, &registry, async |office| reports::run(office, &what).await))
        }
        Verb::Audit { before, limit, json } => find().map(|loaded| {
            desk(&loaded, &registry, async |office| {
                kept::audit(office, before, limit.into(), json).await
            })
        }),
        Verb::Recipients {
            what: Recipients::Forget { address, .. },
        } => find().map(|loaded| {
            desk(&loaded, &registry, async |office| {
                let request = Request::ForgetRecipients { recipient: address };
                Ok(office::tell(&office.submit(request).await?))
            })
        }),
        Verb::Run => find().map(|loaded| {
            complain(&format!(
                "gatepost {}: configuration from {}",
                env!("CARGO_PKG_VERSION"),
                loaded.origin()
            ));
            run::run(loaded, cli.config.clone(), registry.clone()).map_or_else(|why| failed(&why), |()| DONE)
        }),
    };
    done.unwrap_or_else(|mistakes| {
        complain(&told(&mistakes));
        ExitCode::from(WRONG)
    })
}

fn desk<F>(loaded: &Loaded, registry: &Registry, work: F) -> ExitCode
where
    F: AsyncFnOnce(&mut office::Office) -> Result<ExitCode, String>,
{
    office::at_the_desk(loaded, registry, work).unwrap_or_else(|why| failed(&why))
}

fn failed(why: &str) -> ExitCode {
    complain(&format!("gatepost: {why}"));
    ExitCode::FAILURE
}

fn told(mistakes: &Mistakes) -> String {
    format!("{mistakes}\n{}", count(mistakes.0.len(), "mistake"))
}

/// What `check` says of a configuration without mistakes.
fn summary(loaded: &Loaded) -> String {
    let config = &loaded.config;
    let warnings = match lines(&loaded.warnings) {
        none if none.is_empty() => none,
        some => some + "\n",
    };
    let listeners = count(config.listen.len(), "listener");
    let routes = count(config.route.len(), "route");
    format!(
        "{warnings}{}: no mistake, {}; {listeners}, {routes}",
        loaded.origin(),
        count(loaded.warnings.len(), "warning")
    )
}

fn lines(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(Mistake::to_string).collect::<Vec<_>>().join("\n")
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// To standard output. A reader that went away has read enough.
fn say(text: &str) -> ExitCode {
    let _ = writeln!(std::io::stdout().lock(), "{}", text.trim_end());
    DONE
}

/// To standard error.
fn complain(text: &str) {
    if !text.is_empty() {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::CommandFactory;

    use super::*;
    use crate::config::{Sources, load};

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_configuration_may_be_named_before_and_behind_the_verb() {
        for line in ["gatepost --config a.toml check", "gatepost check --config a.toml"] {
            assert_eq!(
                Cli::try_parse_from(line.split(' ')).expect(line).config.as_deref(),
                Some(Path::new("a.toml"))
            );
        }
        for line in ["gatepost", "gatepost guard", "gatepost config", "gatepost check a.toml"] {
            assert!(
                Cli::try_parse_from(line.split(' ')).is_err_and(|error| error.exit_code() == i32::from(WRONG)),
                "{line}"
            );
        }
    }

    #[test]
    fn mistakes_are_counted() {
        let wrong = load(
            &Sources {
                file: Some(("a.toml".into(), "local_domains = 5\n".into())),
                ..Sources::default()
            },
            &Registry::new(),
        );
        let text = told(&wrong.expect_err("mistakes"));
        assert!(
            text.starts_with("a.toml:1:1: listen: no listener") && text.ends_with("\n17 mistakes"),
            "{text}"
        );
    }
}
