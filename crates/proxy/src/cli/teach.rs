//! `gatepost spam`, `gatepost ham` and `gatepost unlearn`: what the classifiers learn from an operator.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use gatepost_core::desk::Mail;
use gatepost_core::{Domain, KeptId, Label, Octets, Request, Unlearn};

use super::kept::id;
use super::office::{Office, tell};
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

/// What is forgotten; one of these.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct Forgotten {
    /// The number of a sample, the id of a kept mail.
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// All that somebody taught.
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
        return Err(format!("{text}: there is no such file, and it is no id of a mail"));
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
    for text in &mails.mails {
        let told = match mail(office, text).await {
            Ok(mail) => {
                let domain = mails.domain.clone();
                let request = Request::Report { mail, label, domain };
                tell(&office.submit(request).await?)
            }
            Err(why) => super::failed(&why),
        };
        if told != ExitCode::SUCCESS {
            code = told;
        }
    }
    Ok(code)
}

/// Forgets.
pub async fn unlearn(office: &mut Office, what: &Forgotten) -> Result<ExitCode, String> {
    let unlearn = match what {
        Forgotten { by: Some(by), .. } => Unlearn::By(by.clone()),
        Forgotten { since: Some(since), .. } => Unlearn::Since(*since),
        Forgotten { id: Some(text), .. } => match sample(text) {
            Some(sample) => Unlearn::Sample(sample),
            None => Unlearn::Kept(id(office, text).await?),
        },
        Forgotten { .. } => Unlearn::Kept(KeptId("".into())),
    };
    Ok(tell(&office.submit(Request::Unlearn(unlearn)).await?))
}

fn sample(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = !text.is_empty() && text.len() <= SAMPLE_DIGITS && text.bytes().all(|octet| octet.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

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
