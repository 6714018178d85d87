//! The rows of a report: what is known of each mail that did not reach somebody, from its record and from what is kept.
//!
//! **Invariant:** pure. One row for each mail and recipient; the newest first; only recipients who were asked about.

use std::collections::{BTreeMap, BTreeSet};

use gatepost_core::{Address, Code, KeptId, KeptMail, Message, Record, Score, Seed, Tag};

use super::wanted::Whose;
use super::why::Why;

/// The most findings that a row names.
const TAGS_MAX: usize = 5;
/// What the filter of codes finds on mail that it lets in; its note is the code.
const CODE: &str = "resend.code";
/// The most octets of an address or a subject in a row.
const TEXT_MAX: usize = 500;

/// A mail that did not reach one recipient.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// When it came, in milliseconds since the epoch.
    pub at: u64,
    /// The number of its transaction.
    pub transaction: String,
    /// Whose mail it is.
    pub to: String,
    /// The envelope sender; empty for the null sender.
    pub from: String,
    /// Its subject, decoded; none where nobody saw it, or where subjects are not written down.
    pub subject: Option<String>,
    /// Why.
    pub why: Why,
    /// What was found, the weightiest first.
    pub tags: Vec<Tag>,
    /// The points that it had, where they are known.
    pub score: Option<Score>,
    /// The copy that is kept and that the one who asks may have.
    pub kept: Option<KeptId>,
    /// It is kept because of danger, and so for administrators only.
    pub dangerous: bool,
}

/// What became of a mail that a report tells of, as records spell it.
pub const FATES: [&str; 3] = ["refuse", "hold", "discard"];

fn cut(text: &str) -> String {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

/// A subject as people read it (RFC 2047), from one as the header has it.
fn decoded(raw: &str) -> String {
    if !raw.contains("=?") {
        return raw.to_owned();
    }
    let field = format!("Subject: {}\r\n\r\n", raw.replace(['\r', '\n'], " "));
    let message = Message::from_bytes(field.into_bytes());
    let subject = message.headers().get("Subject");
    subject.map_or_else(String::new, |subject| subject.decoded(2 * TEXT_MAX))
}

/// Whether somebody is among those who are asked about.
fn is_asked(whose: &Whose, to: &str) -> bool {
    match whose {
        Whose::Person(person) => person.key() == to.to_lowercase(),
        Whose::Domain(domain) => to
            .rsplit_once('@')
            .is_some_and(|(_, of)| domain.key() == of.to_lowercase()),
    }
}

/// The mails that came in after all, in the words of those who ask: with the code of a refusal, by code and recipient in lower
/// case.
pub type CameIn = BTreeSet<(String, String)>;

/// Of records of delivered mail, those that came in with the code of a refusal.
pub fn came_in(records: &[Record]) -> CameIn {
    let mut came_in = CameIn::new();
    for record in records {
        let codes = record
            .findings
            .iter()
            .filter(|found| found.tag.as_str() == CODE && found.counts);
        for code in codes {
            let got = record.recipients.iter().filter(|to| to.fate == "deliver");
            came_in.extend(got.map(|to| (code.note.clone(), to.to.to_lowercase())));
        }
    }
    came_in
}

/// The rows of some records and kept mails; what is in both is one row. What reached its reader since, released or let in with
/// a code, is none.
pub fn rows(whose: &Whose, records: &[Record], kept: &[KeptMail], came_in: &CameIn, seed: &Seed) -> Vec<Row> {
    let mut rows: BTreeMap<(String, String), Row> = BTreeMap::new();
    let mut there: BTreeSet<(String, String)> = BTreeSet::new();
    for record in records {
        let released = record.recipients.iter().filter(|to| to.released.is_some());
        there.extend(released.map(|to| (record.id.clone(), to.to.to_lowercase())));
        if !came_in.is_empty() {
            let code = Code::of_mail(seed, &record.id).to_string();
            let people = record.recipients.iter().map(|to| to.to.to_lowercase());
            let let_in = people.filter(|to| came_in.contains(&(code.clone(), to.clone())));
            there.extend(let_in.map(|to| (record.id.clone(), to)));
        }
        let blocked = |fate: &str| FATES.contains(&fate);
        for to in record
            .recipients
            .iter()
            .filter(|to| blocked(&to.fate) && is_asked(whose, &to.to))
        {
            let row = Row {
                at: record.began,
                transaction: record.id.clone(),
                to: cut(&to.to),
                from: cut(record.from.as_deref().unwrap_or_default()),
                subject: record.subject.as_deref().map(|raw| cut(&decoded(raw))),
                why: Why::of(&to.because, None),
                tags: to.because.iter().take(TAGS_MAX).cloned().collect(),
                // Where no message came, nothing was counted together.
                score: (record.size > 0).then_some(to.score),
                kept: None,
                dangerous: false,
            };
            rows.insert((record.id.clone(), to.to.to_lowercase()), row);
        }
    }
    for mail in kept {
        for to in mail.recipients.iter().filter(|to| is_asked(whose, to)) {
            let row = rows
                .entry((mail.transaction.clone(), to.to_lowercase()))
                .or_insert_with(|| Row {
                    at: mail.at,
                    transaction: mail.transaction.clone(),
                    to: cut(to),
                    from: cut(&mail.from),
                    subject: None,
                    why: Why::Content,
                    tags: Vec::new(),
                    score: None,
                    kept: None,
                    dangerous: false,
                });
            row.why = Why::of(&row.tags, Some(&mail.reason));
            row.subject = Some(cut(&mail.subject));
            (row.kept, row.dangerous) = (Some(mail.id.clone()), mail.is_dangerous());
        }
    }
    rows.retain(|place, _| !there.contains(place));
    let mut rows: Vec<Row> = rows.into_values().collect();
    // The last word on order is the number, so that equal times stand alike in every report.
    rows.sort_by(|one, other| (other.at, &other.transaction, &other.to).cmp(&(one.at, &one.transaction, &one.to)));
    rows
}

impl Row {
    /// The recipient, as an address.
    pub fn recipient(&self) -> Option<Address> {
        Address::parse(&self.to, true).ok()
    }
}

#[cfg(test)]
mod tests {
    use gatepost_core::{Direction, Evidence, Finding, FindingRecord, Phase, RecipientId, RecipientRecord};

    use super::*;

    fn record(id: &str, at: u64, people: &[(&str, &str, &'static str)]) -> Record {
        let client = [192, 0, 2, 1].into();
        let mut record = Record::new(id.into(), at, Direction::Inbound, "mx".into(), client, 25);
        (record.from, record.subject, record.size) = (Some("x@y.example".into()), Some("of the record".into()), 100);
        for (n, (to, fate, tag)) in people.iter().enumerate() {
            let mut row = RecipientRecord::new(RecipientId(n as u16), (*to).into());
            (row.fate, row.because, row.score) = ((*fate).into(), vec![Tag::new(tag)], Score::points(7));
            record.recipients.push(row);
        }
        record
    }

    fn kept(id: &str, transaction: &str, at: u64, reason: &str, recipients: &[&str]) -> KeptMail {
        serde_json::from_value(serde_json::json!({
            "id": KeptId(id.into()), "transaction": transaction, "at": at, "until": null, "reason": reason,
            "from": "x@y.example", "recipients": recipients, "subject": "of the mail", "size": 1, "label": null,
        }))
        .expect("a kept mail")
    }

    const SEED: Seed = Seed::new([7; 16]);

    #[test]
    fn what_reached_its_reader_since_is_no_row() {
        let both = [("carl@d.example", "hold", "a.b"), ("eva@d.example", "hold", "a.b")];
        let (mut released, refused) = (record("t1", 5, &both), record("t2", 6, &both));
        let mails = [
            kept("k1", "t1", 5, "held", &["carl@d.example", "eva@d.example"]),
            kept("k2", "t2", 6, "refused", &["carl@d.example", "eva@d.example"]),
        ];
        let domain = Whose::read("*@d.example").expect("a domain");
        let left = |records: &[Record], came_in: &CameIn| {
            let all = rows(&domain, records, &mails, came_in, &SEED);
            all.iter()
                .map(|row| format!("{} {}", row.transaction, row.to))
                .collect::<Vec<_>>()
        };
        assert_eq!(left(&[released.clone(), refused.clone()], &CameIn::new()).len(), 4);
        released.recipients[0].released = Some(9);
        // The same sender came again with the code, to Carl.
        let mut again = record("t3", 7, &[("Carl@D.example", "deliver", "resend.code")]);
        let code = Code::of_mail(&SEED, "t2").to_string();
        let finding = Finding::new(Tag::new(CODE), Evidence::Points(Score::ZERO), code);
        let found = |counts| FindingRecord::new("resend", Phase::Message, &finding, counts);
        again.findings.push(found(true));
        let came_in = came_in(&[again]);
        assert_eq!(
            left(&[released, refused], &came_in),
            ["t2 eva@d.example", "t1 eva@d.example"]
        );
        let mut monitored = record("t3", 7, &[("carl@d.example", "deliver", "a.b")]);
        monitored.findings.push(found(false));
        assert!(super::came_in(&[monitored]).is_empty());
    }

    fn carl() -> Whose {
        Whose::read("carl@d.example").expect("an address")
    }

    #[test]
    fn a_mail_with_a_record_and_a_copy_is_one_row() {
        let records = [record("t1", 5, &[("Carl@d.example", "refuse", "bayes.odds")])];
        let all = rows(
            &carl(),
            &records,
            &[kept("k1", "t1", 9, "refused", &["carl@d.example"])],
            &CameIn::new(),
            &SEED,
        );
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].at, all[0].subject.as_deref()), (5, Some("of the mail")));
        assert_eq!((all[0].why, all[0].score), (Why::Content, Some(Score::points(7))));
        assert_eq!(all[0].kept, Some(KeptId("k1".into())));
    }

    #[test]
    fn what_was_delivered_deferred_or_somebody_elses_is_no_row() {
        let records = [
            record(
                "t1",
                5,
                &[("carl@d.example", "deliver", "a.b"), ("eva@d.example", "refuse", "a.b")],
            ),
            record("t2", 6, &[("carl@d.example", "defer", "a.b")]),
            record(
                "t3",
                7,
                &[
                    ("carl@d.example", "hold", "dnsbl.x"),
                    ("eva@d.example", "refuse", "a.b"),
                ],
            ),
        ];
        let others = [kept("k2", "t9", 8, "held", &["eva@d.example"])];
        let all = rows(&carl(), &records, &others, &CameIn::new(), &SEED);
        assert_eq!(
            all.iter().map(|row| row.transaction.as_str()).collect::<Vec<_>>(),
            ["t3"]
        );
        let domain = Whose::read("*@D.example").expect("a domain");
        let all = rows(&domain, &records, &[], &CameIn::new(), &SEED);
        let whose: Vec<_> = all
            .iter()
            .map(|row| (row.transaction.as_str(), row.to.as_str()))
            .collect();
        assert_eq!(
            whose,
            [
                ("t3", "eva@d.example"),
                ("t3", "carl@d.example"),
                ("t1", "eva@d.example")
            ]
        );
    }

    #[test]
    fn the_newest_is_first_and_a_copy_without_a_record_is_told_as_well() {
        let records = [record("t1", 5, &[("carl@d.example", "discard", "clamav.found")])];
        let mails = [
            kept("k1", "t1", 5, "dangerous", &["carl@d.example"]),
            kept("k2", "t2", 6, "held", &["carl@d.example"]),
        ];
        let all = rows(&carl(), &records, &mails, &CameIn::new(), &SEED);
        assert_eq!(
            all.iter().map(|row| row.transaction.as_str()).collect::<Vec<_>>(),
            ["t2", "t1"]
        );
        assert_eq!((all[0].why, all[0].score), (Why::Content, None));
        assert_eq!(all[1].why, Why::Danger);
    }

    #[test]
    fn the_subject_of_a_record_is_decoded_and_may_be_missing() {
        let mut record = record("t1", 5, &[("carl@d.example", "refuse", "a.b")]);
        record.subject = Some("=?utf-8?q?Gr=C3=BC=C3=9Fe?= an alle".into());
        let of = |record: &Record| rows(&carl(), std::slice::from_ref(record), &[], &CameIn::new(), &SEED);
        let subject = |record: &Record| of(record).remove(0).subject;
        assert_eq!(subject(&record).as_deref(), Some("Gr\u{fc}\u{df}e an alle"));
        record.subject = None;
        assert_eq!(subject(&record), None);
    }
}
