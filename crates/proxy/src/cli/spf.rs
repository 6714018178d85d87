//! `gatepost check-spf`: what SPF says of one client and one sender.

use std::ffi::OsString;
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use gatepost_core::{Clock, Dns, SpfResult};
use gatepost_spf_dkim_dmarc::spf::{Answer, Question, check, identity, word};

use super::resolver::{Asking, Server};
use crate::clock::SystemClock;
use crate::config::{Loaded, Mistakes};
use crate::log::harmless;

/// The longest that one may wait for a result; RFC 7208 section 4.6.4 allows it.
const PATIENCE_MAX: Duration = Duration::from_secs(20);

/// Of whom.
#[derive(Args, Debug)]
pub(super) struct Asked {
    /// The client's address.
    #[arg(long)]
    ip: IpAddr,
    /// What it calls itself.
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    helo: OsString,
    /// The sender as MAIL FROM has it; for an empty one, or <>, the name of --helo is checked.
    #[arg(long, value_name = "ADDRESS", allow_hyphen_values = true)]
    from: OsString,
    /// How long the whole may take before it is a temperror, at most 20s.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = patience)]
    timeout: Duration,
    #[command(flatten)]
    server: Server,
}

fn patience(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time > PATIENCE_MAX {
        return Err("at most 20s".into());
    }
    Ok(time)
}

/// Asks, and prints one line.
pub(super) fn run(asked: &Asked, find: impl FnOnce() -> Result<Loaded, Mistakes>) -> Result<ExitCode, Mistakes> {
    asked
        .server
        .ask(find, async |asking| super::say(&line(&answer(asked, &asking).await)))
}

async fn answer(asked: &Asked, Asking { dns, receiver, .. }: &Asking) -> Answer {
    within(asked, dns, receiver).await.unwrap_or_else(|_| Answer {
        result: SpfResult::TempError,
        authorised_by: None,
        reason: format!("no result within {}", humantime::format_duration(asked.timeout)),
        explanation: None,
    })
}

async fn within(asked: &Asked, dns: &dyn Dns, receiver: &str) -> Result<Answer, tokio::time::error::Elapsed> {
    // What is no UTF-8 is in no name of DNS that a record could mean.
    let (helo, from) = (asked.helo.to_string_lossy(), asked.from.to_string_lossy());
    let (local, domain) = identity(&from, &helo);
    let question = Question {
        client: asked.ip,
        helo: &helo,
        local,
        domain,
        receiver,
        now: SystemClock::new().now(),
    };
    tokio::time::timeout(asked.timeout, check(dns, &question)).await
}

/// The result, then the domain owner's words where there are some, else ours.
fn line(answer: &Answer) -> String {
    let why = answer.explanation.as_deref().unwrap_or(&answer.reason);
    format!("{} {}", word(answer.result), harmless(why))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use clap::Parser;
    use gatepost_testkit::Zone;

    use super::*;

    #[derive(Parser, Debug)]
    struct Line {
        #[command(flatten)]
        asked: Asked,
    }

    fn asked(words: &[&str]) -> Asked {
        let line = ["check-spf", "--ip", "192.0.2.1", "--dns", "127.0.0.1"];
        Line::try_parse_from(line.iter().chain(words))
            .unwrap_or_else(|error| panic!("{error}"))
            .asked
    }

    #[test]
    fn odd_names_are_taken_as_they_are() {
        for (helo, from) in [
            ("mail.example", ""),
            ("-x", "-all@example.org"),
            ("[192.0.2.1]", "<>"),
            ("JUMPIN' JUPITER", "Macro Error@Example.ORG"),
            ("%%%", "\"a b\"@c@example.org"),
        ] {
            let asked = asked(&["--helo", helo, "--from", from]);
            assert_eq!((asked.helo, asked.from), (helo.into(), from.into()));
        }
        assert!(Line::try_parse_from(["check-spf", "--helo", "a.example", "--from", ""]).is_err());
        assert!(patience("21s").is_err() && patience("20s").is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_server_that_does_not_answer_in_time_is_a_temperror() {
        let dns: Arc<dyn Dns> = Arc::new(Zone::parse("TIMEOUT slow.example").expect("a zone"));
        let asked = asked(&["--helo", "slow.example", "--from", "", "--timeout", "1s"]);
        assert!(within(&asked, &*dns, "unknown").await.is_err());
    }

    #[test]
    fn the_line_begins_with_the_result() {
        let mut answer = Answer {
            result: SpfResult::SoftFail,
            authorised_by: None,
            reason: "~all in the record of a.example matches".into(),
            explanation: None,
        };
        assert_eq!(line(&answer), "softfail ~all in the record of a.example matches");
        (answer.result, answer.explanation) = (SpfResult::Fail, Some("Not from here.".into()));
        assert_eq!(line(&answer), "fail Not from here.");
    }
}
