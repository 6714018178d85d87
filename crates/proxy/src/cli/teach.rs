//! `gatepost spam`, `gatepost ham` and `gatepost unlearn`: what the classifiers learn from an operator.

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use gatepost_core::desk::Mail;
use gatepost_core::{Domain, KeptId, Label, Octets, Receipt, Request, Unlearn};
use gatepost_desk::rights::NO_SUCH_MAIL;

use super::kept::id;
use super::office::{Office, say, tell};
use super::replay::canonical;
use super::when::moment;

/// The largest file that is sent to the desk.
const FILE_MAX: u64 = 64 << 20;
/// A number with no more digits than this is a sample's; a transaction's has more.
const SAMPLE_DIGITS: usize = 14;

/// Mail, and whose it is.
#[derive(Args, Debug)]
pub struct Mails {
    /// Files with header and body (`-`: standard input), ids of kept mail, or the numbers of mails that were delivered in
    /// the last days.
    #[arg(required = true, value_name = "FILE|ID")]
    mails: Vec<String>,
    /// Whose mail it is: one of our domains. Without this as its recipients say, and of files nobody's in particular.
    #[arg(long, value_parser = domain)]
    domain: Option<String>,
}

/// What is forgotten, and whether that is asked about.
#[derive(Args, Debug)]
pub struct Unlearning {
    #[command(flatten)]
    what: Forgotten,
    /// Only counts the samples that would be forgotten.
    #[arg(long)]
    dry_run: bool,
    /// Does not ask before all that somebody taught, or all since a moment, is forgotten.
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
}

/// One of these.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct Forgotten {
    /// The number of a sample, the id of a kept mail, or the number of a mail that was delivered.
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// All that somebody taught; `operator` is whoever did so at this machine.
    #[arg(long, value_name = "WHO")]
    by: Option<String>,
    /// All since then: 2026-11-25, 2026-11-25T10:00:00Z, or 2h ago as 2h.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<u64>,
}

/// A domain as somebody types it.
pub(super) fn domain(text: &str) -> Result<String, &'static str> {
    let domain = Domain::parse(text.trim(), true).map_err(|_| "expected a domain such as example.org")?;
    Ok(domain.key())
}

/// The mail that is meant: a file where there is one of that name, else kept mail.
pub(super) async fn mail(office: &mut Office, text: &str) -> Result<Mail, String> {
    let wrong = |error: std::io::Error| format!("{text}: cannot be read: {error}");
    let mut octets = Vec::new();
    if text == "-" {
        std::io::stdin()
            .lock()
            .take(FILE_MAX + 1)
            .read_to_end(&mut octets)
            .map_err(wrong)?;
    } else if Path::new(text).exists() {
        let file = std::fs::File::open(text).map_err(wrong)?;
        file.take(FILE_MAX + 1).read_to_end(&mut octets).map_err(wrong)?;
    } else if text.contains(['/', '.']) {
        return Err(format!(
            "{text}: there is no such file, and this is no number of a mail"
        ));
    } else {
        return Ok(Mail::Kept(id(office, text).await?));
    }
    if octets.len() as u64 > FILE_MAX {
        return Err(format!("{text}: it has more than {FILE_MAX} octets"));
    }
    if octets.is_empty() {
        return Err(format!("{text}: it is empty"));
    }
    Ok(Mail::Bytes(Octets(canonical(&octets))))
}

/// Says of each mail what it is; of those that cannot be read, why not.
pub async fn report(office: &mut Office, mails: &Mails, label: Label) -> Result<ExitCode, String> {
    let mut code = ExitCode::SUCCESS;
    let several = mails.mails.len() > 1;
    for text in &mails.mails {
        let told = match mail(office, text).await {
            Ok(mail) => {
                let domain = mails.domain.clone();
                let request = Request::Report { mail, label, domain };
                tell(&about(text, several, office.submit(request).await?))
            }
            Err(why) => super::failed(&why),
        };
        if told != ExitCode::SUCCESS {
            code = told;
        }
    }
    Ok(code)
}

/// What is said of one mail: where there are several each line names its own.
fn about(text: &str, several: bool, receipt: Receipt) -> Receipt {
    let named = |line: String| match several {
        true => format!("{text}: {line}"),
        false => line,
    };
    match receipt {
        // Whoever sits here sees all mail: it is not there, neither as a file nor otherwise.
        Receipt::Refused(why) if why == NO_SUCH_MAIL => Receipt::Refused(format!(
            "{text}: no such file, and no kept or delivered mail of that number"
        )),
        Receipt::Refused(why) => Receipt::Refused(named(why)),
        Receipt::Failed(why) => Receipt::Failed(named(why)),
        Receipt::Done(mut change) => {
            // A line that says of itself that it was refused begins with that.
            let line = |line: String| match line.starts_with("refused") {
                true => line,
                false => named(line),
            };
            change.lines = change.lines.into_iter().map(line).collect();
            Receipt::Done(change)
        }
        other => other,
    }
}

/// Forgets. What may be many samples is counted first, and asked about.
pub async fn unlearn(office: &mut Office, asked: &Unlearning) -> Result<ExitCode, String> {
    let unlearn = match &asked.what {
        Forgotten { by: Some(by), .. } => Unlearn::By(by.clone()),
        Forgotten { since: Some(since), .. } => Unlearn::Since(*since),
        Forgotten { id: Some(text), .. } => match sample(text) {
            Some(sample) => Unlearn::Sample(sample),
            None => Unlearn::Kept(id(office, text).await?),
        },
        Forgotten { .. } => Unlearn::Kept(KeptId("".into())),
    };
    let many = matches!(unlearn, Unlearn::By(_) | Unlearn::Since(_));
    if asked.dry_run || (many && !asked.yes) {
        let count = match office.submit(Request::CountSamples(unlearn.clone())).await? {
            Receipt::Counted(count) => count,
            other => return Ok(tell(&other)),
        };
        let samples = if count == 1 {
            "1 sample".into()
        } else {
            format!("{count} samples")
        };
        if asked.dry_run {
            say(&format!("{samples} would be forgotten"));
            return Ok(ExitCode::SUCCESS);
        }
        if count > 0 && !agreed(&samples)? {
            return Err("nothing is forgotten".into());
        }
    }
    Ok(tell(&office.submit(Request::Unlearn(unlearn)).await?))
}

/// Whether whoever sits at the terminal says yes; where nobody does, `--yes` must have been said.
fn agreed(samples: &str) -> Result<bool, String> {
    if !std::io::stdin().is_terminal() {
        return Err(format!(
            "{samples} would be forgotten: say --yes if that is meant, or --dry-run to count only"
        ));
    }
    let _ = write!(std::io::stderr().lock(), "{samples} would be forgotten. Go on? [y/N] ");
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.map_err(|error| format!("the answer cannot be read: {error}"))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn sample(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = !text.is_empty() && text.len() <= SAMPLE_DIGITS && text.bytes().all(|octet| octet.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use gatepost_core::Change;

    use super::*;

    #[test]
    fn each_of_several_mails_is_named_and_what_is_not_there_always() {
        let done = || Receipt::Done(Change::shown(vec!["it is learned".into(), "refused: so".into()]));
        assert_eq!(about("a", false, done()), done());
        let Receipt::Done(change) = about("a", true, done()) else {
            panic!("it was done");
        };
        assert_eq!(change.lines, ["a: it is learned", "refused: so"]);
        assert_eq!(
            about("a", true, Receipt::Failed("busy".into())),
            Receipt::Failed("a: busy".into())
        );
        let none = Receipt::Refused("a: no such file, and no kept or delivered mail of that number".into());
        assert_eq!(about("a", false, Receipt::Refused(NO_SUCH_MAIL.into())), none);
    }

    #[test]
    fn a_short_number_is_a_samples_and_a_long_one_a_mails() {
        assert_eq!((sample("17"), sample(" 0 ")), (Some(17), Some(0)));
        for other in ["", "1x", "-1", "123456789012345", "00000abcd000001"] {
            assert_eq!(sample(other), None, "{other}");
        }
    }

    #[test]
    fn a_domain_is_read_in_any_letter_case() {
        assert_eq!(domain("Example.ORG"), Ok("example.org".into()));
        assert!(domain("not a domain").is_err());
    }
}
