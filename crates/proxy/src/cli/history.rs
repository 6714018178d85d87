//! `gatepost log`: what happened to this mail? Records read back, a line a recipient, with the reason in plain words.

use std::process::ExitCode;

use clap::Args;
use gatepost_core::{Receipt, RecipientRecord, Record, Request};

use super::kept::{self, Which};
use super::office::{Office, say, tell};
use super::when::shown;
use crate::backlog::{DELETED, RETURNED, SET_ASIDE};
use crate::log::harmless;

/// Where mail is that waits.
const QUEUE: &str = "queue";
/// The most records that are read at a time.
const PAGE: usize = 1_000;
/// The most that are looked through for what a filter found.
const LOOKED_MAX: usize = 200_000;
/// The most characters of one finding.
const NOTE: usize = 160;
/// The most findings that are told as the reason.
const REASONS: usize = 3;

/// Which records are read back.
#[derive(Args, Debug)]
pub struct Asked {
    #[command(flatten)]
    which: Which,
    /// Only mails in which this filter found something.
    #[arg(long, value_name = "NAME")]
    filter: Option<String>,
}

/// Reads them back, the newest first.
pub async fn run(office: &mut Office, asked: &Asked) -> Result<ExitCode, String> {
    let (mut query, most) = (asked.which.query(None), asked.which.limit());
    if asked.filter.is_some() {
        query.limit = Some(PAGE);
    }
    let (mut told, mut looked) = (0, 0);
    loop {
        let found = match office.submit(Request::Records { query: query.clone() }).await? {
            Receipt::Records(found) => found,
            other => return Ok(tell(&other)),
        };
        let wanted = |record: &&Record| {
            let by = |name: &String| record.findings.iter().any(|finding| finding.filter == *name);
            asked.filter.as_ref().is_none_or(by)
        };
        for record in found.iter().filter(wanted).take(most - told) {
            told += 1;
            for line in lines(record, |row| asked.which.concerns(row)) {
                say(&line);
            }
        }
        looked += found.len();
        let is_all = asked.filter.is_none() || told >= most || found.len() < PAGE;
        match found.last() {
            Some(last) if !is_all && looked < LOOKED_MAX => query.after = Some(last.id.clone()),
            Some(last) if !is_all => {
                kept::remark(&format!(
                    "{looked} records were looked through; the next page is --after {}",
                    last.id
                ));
                break;
            }
            _ => break,
        }
    }
    kept::nothing(told == 0);
    Ok(ExitCode::SUCCESS)
}

/// A line for each recipient that is asked about; one where there was none.
fn lines(record: &Record, concerns: impl Fn(&RecipientRecord) -> bool) -> Vec<String> {
    let head = format!("{}  {}", shown(record.began), record.id);
    let from = match record.from.as_deref() {
        None => format!("from {}", record.client),
        Some(from) => format!("from <{from}> at {}", record.client),
    };
    let rows: Vec<&RecipientRecord> = record.recipients.iter().filter(|row| concerns(row)).collect();
    if rows.is_empty() {
        return vec![harmless(&format!(
            "{head}  {from}  \"{}\"  {}",
            record.reply,
            why(record, None)
        ))];
    }
    let line = |row: &&RecipientRecord| {
        let became = match (row.fate.as_str(), row.went.as_deref()) {
            ("deliver", Some(went)) => accepted(went),
            ("deliver", None) => "not delivered".into(),
            ("none", _) => "no message came".into(),
            (fate, Some(went)) => format!("{}, {}", past(fate), went.replacen("kept:", "kept as ", 1)),
            (fate, None) => past(fate).into(),
        };
        let became = match row.released {
            Some(at) => format!("{became}, released {}", shown(at)),
            None => became,
        };
        let would = row
            .would
            .as_deref()
            .map_or(String::new(), |fate| format!(" (would be {})", past(fate)));
        let (score, level) = (row.score, row.level);
        harmless(&format!(
            "{head}  {from} to <{}>  {became}{would}  level {level}, {score} points  {}",
            row.to,
            why(record, Some(row))
        ))
    };
    rows.iter().map(line).collect()
}

/// Where mail is that we said yes to.
fn accepted(went: &str) -> String {
    match went {
        QUEUE => "accepted, waits in the queue".into(),
        DELETED => "accepted, not delivered: deleted while it waited".into(),
        RETURNED => "accepted, not delivered: its sender was told".into(),
        SET_ASIDE => "accepted, not delivered: set aside, see gatepost queue list --damaged".into(),
        _ => match went.strip_prefix("kept:") {
            Some(id) => format!("accepted, not delivered: kept as {id}"),
            None => format!("delivered at {went}"),
        },
    }
}

/// The last that the queue noted about a recipient, where it has something to say about why the mail is not there.
fn noted<'a>(record: &'a Record, row: &RecipientRecord) -> Option<&'a str> {
    let went = row.went.as_deref()?;
    let is_ours = matches!(went, QUEUE | DELETED | RETURNED | SET_ASIDE) || went.starts_with("kept:");
    let to = format!("<{}>", row.to);
    let notes = record
        .notes
        .iter()
        .rev()
        .filter_map(|note| note.strip_prefix("queue: "));
    let mut notes = notes.filter(|note| note.contains(&to));
    notes.next().filter(|_| row.fate == "deliver" && is_ours)
}

fn past(fate: &str) -> &str {
    match fate {
        "deliver" => "delivered",
        "hold" => "held",
        "defer" => "told to come again",
        "refuse" => "refused",
        "discard" => "discarded",
        "divert" => "handled here",
        other => other,
    }
}

/// Why: what was found by those that decided, in their words; else what the client was told.
fn why(record: &Record, row: Option<&RecipientRecord>) -> String {
    if let Some(note) = row.and_then(|row| noted(record, row)) {
        return note.chars().take(NOTE).collect();
    }
    let because = row.map_or(&[][..], |row| &row.because);
    let concerns = |finding: &&gatepost_core::FindingRecord| {
        because.contains(&finding.tag) && row.is_none_or(|row| finding.scope.covers(row.id))
    };
    let mut words: Vec<String> = Vec::new();
    for finding in record.findings.iter().filter(concerns) {
        let note: String = finding.note.chars().take(NOTE).collect();
        let word = match note.as_str() {
            "" => finding.tag.to_string(),
            note => format!("{}: {note}", finding.filter),
        };
        if words.len() < REASONS && !words.contains(&word) {
            words.push(word);
        }
    }
    if words.is_empty() {
        words.extend(because.iter().take(REASONS).map(ToString::to_string));
    }
    match (words.is_empty(), row) {
        (false, Some(row)) if row.fate == "deliver" => format!("found: {}", words.join("; ")),
        (false, _) => format!("because {}", words.join("; ")),
        (true, Some(row)) if row.fate != "deliver" && !row.reply.is_empty() => format!("\"{}\"", row.reply),
        _ => "nothing spoke against it".into(),
    }
}

#[cfg(test)]
mod tests {
    use gatepost_core::{Direction, Evidence, Finding, FindingRecord, Level, Phase, RecipientId, Score, Tag};

    use super::*;

    fn record() -> Record {
        let client = "192.0.2.1".parse().expect("an address");
        let mut record = Record::new("000000000abcdef".into(), 0, Direction::Inbound, "mx".into(), client, 1);
        record.from = Some("ann@there.example".into());
        for (n, fate, because) in [(0, "refuse", "dnsbl.listed"), (1, "deliver", "")] {
            let mut row = RecipientRecord::new(RecipientId(n), format!("r{n}@d.example"));
            row.fate = fate.into();
            row.level = Level::High;
            row.score = Score::points(12);
            row.because = (!because.is_empty())
                .then(|| Tag::new("dnsbl.listed"))
                .into_iter()
                .collect();
            record.recipients.push(row);
        }
        record.recipients[0].went = Some("kept:1234".into());
        record.recipients[1].went = Some("127.0.0.1:25".into());
        let points = Evidence::Points(Score::points(12));
        let listed = Finding::new(Tag::new("dnsbl.listed"), points, "listed \u{1b}[31m");
        let others = Finding::new(Tag::new("dnsbl.listed"), points, "listed twice").only(RecipientId(1));
        for finding in [listed, others] {
            record
                .findings
                .push(FindingRecord::new("dnsbl", Phase::Rcpt, &finding, true));
        }
        record
    }

    #[test]
    fn a_line_says_who_what_and_why() {
        let all = lines(&record(), |_| true);
        assert_eq!(all.len(), 2);
        assert!(
            all[0].ends_with(
                "000000000abcdef  from <ann@there.example> at 192.0.2.1 to <r0@d.example>  refused, kept as 1234  level high, \
                 12 points  because dnsbl: listed \\u001b[31m"
            ),
            "{}",
            all[0]
        );
        assert!(
            all[1].contains("delivered at 127.0.0.1:25") && all[1].ends_with("nothing spoke against it"),
            "{}",
            all[1]
        );
        assert_eq!(lines(&record(), |row| row.id == RecipientId(1)).len(), 1);
    }

    #[test]
    fn what_waited_is_delivered_only_where_a_mail_server_took_it() {
        let mut record = record();
        record.notes = [
            "deferred <r1@d.example> h:25 after 1 s: 450 later",
            "archived <r1@d.example> kept:9 after 2 s: 550 no",
        ]
        .map(|note| format!("queue: {note}"))
        .to_vec();
        let mut line = |went: &str| {
            record.recipients[1].went = Some(went.into());
            lines(&record, |row| row.id == RecipientId(1)).concat()
        };
        let kept = line("kept:9");
        assert!(
            kept.contains("accepted, not delivered: kept as 9") && kept.ends_with(": 550 no"),
            "{kept}"
        );
        assert!(line("queue").contains("accepted, waits in the queue"));
        assert!(line("deleted").contains("not delivered: deleted"));
        assert!(line("returned").contains("not delivered: its sender was told"));
        let there = line("h:25");
        assert!(
            there.contains("delivered at h:25") && there.ends_with("nothing spoke against it"),
            "{there}"
        );
    }

    #[test]
    fn a_session_without_recipients_has_its_line_too() {
        let mut record = record();
        record.recipients.clear();
        record.reply = "554 5.7.1 no".into();
        assert!(lines(&record, |_| true)[0].contains("\"554 5.7.1 no\""));
    }
}
