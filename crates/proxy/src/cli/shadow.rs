//! `gatepost shadow`: what the policy would have done, and did, with mail of some days, counted from the records.

use std::process::ExitCode;

use clap::Args;
use gatepost_core::{Address, Query, Receipt, RecipientRecord, Record, Request};
use gatepost_pipeline::shadow::{Counted, Report, Tally};

use super::office::{Office, say, tell};
use super::when::{moment, shown};
use crate::log::harmless;

/// The most records that are read at a time.
const PAGE: usize = 1_000;

/// Which mail is counted.
#[derive(Args, Debug)]
pub struct Asked {
    /// To recipients in this domain; without it, to all.
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// Not before: 2026-11-25, 2026-11-25T10:00:00Z, or 7 days ago as 7d.
    #[arg(long, value_name = "WHEN", value_parser = moment, default_value = "7d")]
    since: u64,
    /// Prints an object of JSON.
    #[arg(long)]
    json: bool,
}

/// Counts, and prints the report.
pub async fn run(office: &mut Office, asked: &Asked) -> Result<ExitCode, String> {
    let mut query = Query::default();
    query.domain.clone_from(&asked.domain);
    query.since = Some(asked.since);
    let mut refused = None;
    let report = gather(query, async |query| {
        match office.submit(Request::Records { query }).await? {
            Receipt::Records(found) => Ok(found),
            other => {
                refused = Some(other);
                Ok(Vec::new())
            }
        }
    })
    .await?;
    if let Some(receipt) = refused {
        return Ok(tell(&receipt));
    }
    if asked.json {
        say(&serde_json::to_string(&report).map_err(|error| error.to_string())?);
    } else {
        let whose = asked.domain.as_deref().unwrap_or("all domains");
        for line in lines(&report, whose, asked.since) {
            say(&harmless(&line));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Counts page after page; no more than one is held at a time.
async fn gather(
    mut query: Query,
    mut page: impl AsyncFnMut(Query) -> Result<Vec<Record>, String>,
) -> Result<Report, String> {
    query.limit = Some(PAGE);
    let domain = query.domain.clone();
    let concerns = |row: &RecipientRecord| {
        domain.as_ref().is_none_or(|domain| {
            let of = Address::parse(&row.to, true).ok();
            of.is_some_and(|of| of.domain().key().eq_ignore_ascii_case(domain))
        })
    };
    let mut tally = Tally::default();
    loop {
        let found = page(query.clone()).await?;
        for record in &found {
            tally.add(record, concerns);
        }
        match found.last() {
            Some(last) if found.len() >= PAGE => query.after = Some(last.id.clone()),
            _ => return Ok(tally.report()),
        }
    }
}

/// A fate in words.
fn words(fate: &str) -> &str {
    match fate {
        "deliver" => "delivered",
        "defer" => "told to come again",
        "hold" => "held",
        "refuse" => "refused",
        "discard" => "discarded",
        "divert" => "handled here",
        "refused_by_server" => "refused by the mail server",
        other => other,
    }
}

/// The report for people.
fn lines(report: &Report, whose: &str, since: u64) -> Vec<String> {
    let mut out = vec![format!(
        "Mail to {whose} since {}: {} mails, {} recipients; a dry run overruled the policy for {}",
        shown(since),
        report.mails,
        report.recipients,
        report.overruled
    )];
    if report.recipients == 0 {
        return out;
    }
    out.push("With the policy in force:".into());
    for (fate, count) in &report.fates {
        let note = match fate.as_str() {
            "defer" => "  (what is honest comes again)",
            _ => "",
        };
        out.push(format!("{count:>10}  {}{note}", words(fate)));
    }
    out.push("By level, whatever became of it:".into());
    for level in ["none", "low", "medium", "high"] {
        if let Some(fates) = report.levels.get(level) {
            let fates: Vec<String> = fates
                .iter()
                .map(|(fate, count)| format!("{count} {}", words(fate)))
                .collect();
            out.push(format!("{level:>10}  {}", fates.join(", ")));
        }
    }
    let table = |out: &mut Vec<String>, title: &str, rows: &[Counted]| {
        if !rows.is_empty() {
            out.push(title.into());
            let row = |row: &Counted| format!("{:>10}  {}", row.recipients, row.what);
            out.extend(rows.iter().map(row));
        }
    };
    table(&mut out, "Why mail is not delivered:", &report.reasons);
    table(&mut out, "From whom that is:", &report.senders);
    if report.senders_forgotten {
        out.push("            (very many senders: rare ones are left out, and counts may be too low)".into());
    }
    if !report.examples.is_empty() {
        out.push("The newest of each (gatepost log --id NUMBER tells more):".into());
    }
    for example in &report.examples {
        let became = match example.became == example.fate {
            true => String::new(),
            false => format!(", and was {}", words(&example.became)),
        };
        out.push(format!(
            "  {}  {}  {}{became}  <{}> to <{}>  {} points  {}",
            example.id,
            shown(example.at),
            words(&example.fate),
            example.from,
            example.to,
            example.score,
            example.why
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use gatepost_core::{Direction, Level, RecipientId, Score, Tag};

    use super::*;

    fn record(n: usize) -> Record {
        let client = "192.0.2.1".parse().expect("an address");
        let mut record = Record::new(format!("{n:015}"), 0, Direction::Inbound, "mx".into(), client, 1);
        record.from = Some("ann@there.example".into());
        for (id, to) in [(0, "bob@d.example"), (1, "carl@E.example")] {
            let mut row = RecipientRecord::new(RecipientId(id), to.into());
            row.fate = "deliver".into();
            if n.is_multiple_of(5) {
                (row.would, row.level, row.score) = (Some("refuse".into()), Level::High, Score::points(12));
                row.because = vec![Tag::new("bayes.odds"), Tag::new("policy.high")];
            }
            record.recipients.push(row);
        }
        record
    }

    async fn gathered(domain: Option<&str>, count: usize) -> (Report, Vec<Option<String>>) {
        let mut query = Query::default();
        query.domain = domain.map(Into::into);
        let (mut asked, mut next) = (Vec::new(), 0);
        let report = gather(query, async |query: Query| {
            asked.push(query.after);
            let from = next;
            next = (next + query.limit.unwrap_or(usize::MAX)).min(count);
            Ok((from..next).map(record).collect())
        })
        .await
        .expect("no fault");
        (report, asked)
    }

    #[tokio::test]
    async fn all_pages_are_counted_and_each_begins_where_the_last_ended() {
        let (report, asked) = gathered(None, 2_500).await;
        assert_eq!(
            (report.mails, report.recipients, report.overruled),
            (2_500, 5_000, 1_000)
        );
        assert_eq!(
            asked,
            [None, Some(format!("{:015}", 999)), Some(format!("{:015}", 1_999))]
        );
        let (report, asked) = gathered(Some("e.EXAMPLE"), 1_000).await;
        assert_eq!(
            (report.mails, report.recipients, report.fates["refuse"]),
            (1_000, 1_000, 200)
        );
        assert_eq!(asked.len(), 2, "the last page may be full");
    }

    #[tokio::test]
    async fn the_report_says_what_would_have_been_and_why() {
        let (report, _) = gathered(Some("d.example"), 10).await;
        let told = lines(&report, "d.example", 0).join("\n");
        for want in [
            "Mail to d.example since 1970-01-01T00:00:00Z: 10 mails, 10 recipients; a dry run overruled the policy for 2",
            "         8  delivered\n         2  refused",
            "      high  2 refused",
            "         2  Its content looks like spam",
            "         2  there.example",
            "refused, and was delivered  <ann@there.example> to <bob@d.example>  12 points  Its content looks like spam",
        ] {
            assert!(told.contains(want), "{want}\n{told}");
        }
        let (report, _) = gathered(None, 0).await;
        assert_eq!(lines(&report, "all domains", 0).len(), 1);
    }
}
