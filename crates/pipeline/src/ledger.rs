//! Filling in a [`Record`]: what is known of the visit, the message, and what was said. Every list is cut at its bound.

use std::sync::Arc;

use gatepost_core::message::{Headers, Message};
use gatepost_core::{
    AuthRecord, DmarcPolicy, DmarcResult, Domain, Envelope, Finding, FindingRecord, Identity, Level, RecipientRecord,
    Record, Spf, SpfRecord, SpfResult, Time, Visit,
};

use crate::names::Known;
use crate::run::Run;
use crate::said::Said;
use crate::slot::Mode;

/// The most octets of a header value that a record keeps.
pub const VALUE_MAX: usize = 1_000;
/// The most notes that a record keeps.
pub const NOTES_MAX: usize = 100;

/// A record that begins now.
pub fn begin(id: String, now: Time, visit: &Visit) -> Record {
    let client = &visit.client;
    Record::new(
        id,
        now.millis(),
        visit.direction,
        visit.listener.to_string(),
        client.address,
        client.port,
    )
}

/// Adds the calls and notes of a run.
pub fn add_run(record: &mut Record, run: Run) {
    let room = Record::CALLS_MAX.saturating_sub(record.calls.len());
    record.calls.extend(run.calls.into_iter().take(room));
    let room = NOTES_MAX.saturating_sub(record.notes.len());
    record.notes.extend(run.notes.into_iter().take(room));
}

/// Adds what the message says of itself.
pub fn add_message(record: &mut Record, message: &Message, log_subject: bool) {
    let headers = message.headers();
    let value = |name: &str| {
        headers
            .get(name)
            .map(|field| cut(&String::from_utf8_lossy(&field.unfolded())))
    };
    record.size = message.len();
    record.message_id = value("Message-ID");
    record.subject = value("Subject").filter(|_| log_subject);
    record.author = value("From");
    record.auto_submitted = value("Auto-Submitted").is_some_and(|value| first_word(&value) != "no");
    record.bulk = is_precedence(headers, &["bulk", "junk"]);
    record.list = headers.get("List-Id").is_some() || is_precedence(headers, &["list"]);
}

/// Adds all that is known at the end: the visit, names and identities, and what was said.
pub fn close(
    record: &mut Record,
    now: Time,
    visit: &Visit,
    known: Known,
    envelope: Option<&Envelope>,
    said: &[Arc<Said>],
) {
    record.took = now.millis().saturating_sub(record.began);
    record.origin = (visit.origin != visit.client.address).then_some(visit.origin);
    record.origin_helo = visit.origin_helo.as_ref().map(|helo| helo.name.to_string());
    record.helo = visit.helo.as_ref().map(|helo| helo.name.to_string());
    record.tls = visit
        .client
        .tls
        .as_ref()
        .map(|tls| format!("{} {}", tls.version, tls.cipher));
    record.login = visit.login.clone();
    record.reverse = known.reverse.and_then(|reverse| reverse.name).map(Into::into);
    if let Some(envelope) = envelope {
        let sender = visit.sender(&envelope.from);
        let spf = known.spf.filter(|(of, _)| *of == sender).map(|(_, spf)| spf);
        let identity = known
            .identity
            .filter(|(of, _)| *of == sender)
            .map(|(_, identity)| identity);
        if let Some(spf) = &spf {
            record.spf = spf.result;
        }
        if let Some(identity) = &identity {
            record.dmarc = identity.dmarc;
            record.proven = identity.proven_author().map(|author| author.domain().key());
        }
        record.auth = auth(record, envelope, spf.as_ref(), identity);
    }
    for said in said {
        let mode = said.mode_for(None);
        let counts = |finding: &Finding| mode >= Mode::Score && !(finding.instead && mode == Mode::Enforce);
        let room = Record::FINDINGS_MAX.saturating_sub(record.findings.len());
        let findings = said.opinion.findings().iter().take(room);
        record
            .findings
            .extend(findings.map(|finding| FindingRecord::new(&said.filter, said.phase, finding, counts(finding))));
    }
}

/// What was proven, where somebody who knows was asked.
fn auth(
    record: &Record,
    envelope: &Envelope,
    spf: Option<&Spf>,
    identity: Option<Identity>,
) -> Option<Box<AuthRecord>> {
    let spf = spf.filter(|spf| spf.result != SpfResult::Unknown);
    let identity = identity.filter(|identity| identity.dmarc != DmarcResult::Unknown);
    if spf.is_none() && identity.is_none() {
        return None;
    }
    let mut auth = AuthRecord::default();
    auth.envelope_from = envelope.from.mailbox().map(|sender| sender.domain().key());
    auth.spf = spf.map(|spf| {
        let mut row = SpfRecord::default();
        row.domain = spf.domain.as_ref().map(Domain::key).unwrap_or_default();
        (row.scope, row.result, row.reason) = (spf.scope, spf.result, cut(&spf.reason));
        row
    });
    if let Some(identity) = identity {
        auth.header_from = identity.author.as_ref().map(|author| author.domain().key());
        if let Some(spf) = &mut auth.spf {
            spf.aligned = identity.spf_aligned;
        }
        (auth.dkim, auth.dkim_left) = (identity.signatures, identity.signatures_left);
        auth.arc = Some(identity.chain).filter(|chain| chain.sets > 0);
        (auth.dmarc, auth.reason) = (identity.dmarc, identity.reason.into());
        (auth.published, auth.policy) = (identity.published, identity.policy);
        if auth.dmarc == DmarcResult::Fail {
            auth.disposition = disposition(record);
        }
    }
    Some(Box::new(auth))
}

/// What was done to a mail, in the words of DMARC: the mildest that any recipient saw.
fn disposition(record: &Record) -> DmarcPolicy {
    let of_row = |row: &RecipientRecord| match &*row.fate {
        "refuse" => DmarcPolicy::Reject,
        "hold" | "discard" => DmarcPolicy::Quarantine,
        "deliver" if row.level > Level::None && row.would.is_none() => DmarcPolicy::Quarantine,
        _ => DmarcPolicy::None,
    };
    record.recipients.iter().map(of_row).min().unwrap_or_default()
}

fn is_precedence(headers: &Headers, words: &[&str]) -> bool {
    headers.get("Precedence").is_some_and(|field| {
        let value = field.unfolded();
        words.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()))
    })
}

fn first_word(value: &str) -> String {
    let end = value
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .unwrap_or(value.len());
    value.get(..end).unwrap_or_default().to_ascii_lowercase()
}

fn cut(value: &str) -> String {
    let end = (0..=value.len().min(VALUE_MAX))
        .rev()
        .find(|end| value.is_char_boundary(*end))
        .unwrap_or(0);
    value.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_core::{Client, Direction};

    fn record(mail: &str, log_subject: bool) -> Record {
        let client = Client::new("192.0.2.1".parse().expect("an address"), 1);
        let mut record = begin(
            "id".into(),
            Time::ZERO,
            &Visit::new(Direction::Inbound, "mx".into(), client),
        );
        add_message(&mut record, &Message::from_bytes(mail.as_bytes().to_vec()), log_subject);
        record
    }

    #[test]
    fn a_message_tells_what_it_is() {
        let mail = "Message-ID: <1@x>\r\nFrom: a@b\r\nSubject: hi\r\nAuto-Submitted: auto-replied; x\r\n\
                    Precedence: Bulk\r\nList-Id: <l.x>\r\n\r\nbody\r\n";
        let told = record(mail, true);
        assert_eq!(
            (told.message_id.as_deref(), told.author.as_deref()),
            (Some("<1@x>"), Some("a@b"))
        );
        assert_eq!(told.subject.as_deref(), Some("hi"));
        assert!(told.auto_submitted && told.bulk && told.list);
        assert_eq!(record(mail, false).subject, None);
    }

    #[test]
    fn an_ordinary_message_is_nothing_special() {
        let told = record(
            "From: a@b\r\nAuto-Submitted: No\r\nPrecedence: first-class\r\n\r\n",
            true,
        );
        assert!(!told.auto_submitted && !told.bulk && !told.list && told.subject.is_none());
        let list = record("Precedence: list\r\n\r\n", true);
        assert!(list.list && !list.bulk);
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let told = record(&format!("Message-ID: a{}\r\n\r\n", "\u{e4}".repeat(2_000)), false);
        assert_eq!(told.message_id.expect("there is one").len(), 999);
    }
}
