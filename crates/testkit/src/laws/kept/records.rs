//! The laws of an archive that concern the records of all mail.

use gatepost_core::{Direction, Kept, Label, Query, RecipientId, RecipientRecord, Record};

use super::{at, query};

fn record(id: &str, second: u64, from: Option<&str>, people: &[(&str, &str)]) -> Record {
    let mut record = Record::new(
        id.into(),
        at(second).millis(),
        Direction::Inbound,
        "mx".into(),
        [192, 0, 2, 1].into(),
        25,
    );
    record.from = from.map(Into::into);
    record.subject = Some("a secret".into());
    for (n, (to, fate)) in people.iter().enumerate() {
        let mut row = RecipientRecord::new(RecipientId(n as u16), (*to).into());
        row.fate = (*fate).into();
        record.recipients.push(row);
    }
    record
}

pub(super) async fn are_found_as_mail_is(kept: &dyn Kept) {
    let none = record("t0", 1, None, &[]);
    let one = record("t1", 2, Some("a@b.example"), &[("c@d.example", "deliver")]);
    let two = record("t2", 3, Some(""), &[("C@d.example", "hold"), ("e@f.example", "refuse")]);
    let three = record("t3", 4, Some("a@b.example"), &[("e@f.example", "refuse")]);
    // The order in which transactions end is not the order in which they began.
    for record in [&two, &none, &three, &one] {
        kept.record(record).await.unwrap();
    }
    let text = |text: &str| Some(text.to_owned());
    let cases: [(&str, Query, Vec<&Record>); 13] = [
        ("all", Query::default(), vec![&three, &two, &one, &none]),
        (
            "recipient",
            query(|q| q.recipient = text("c@D.example")),
            vec![&two, &one],
        ),
        ("domain", query(|q| q.domain = text("f.example")), vec![&three, &two]),
        ("sender", query(|q| q.sender = text("a@b.example")), vec![&three, &one]),
        (
            "the null sender is not nobody",
            query(|q| q.sender = text("")),
            vec![&two],
        ),
        ("fate", query(|q| q.reason = text("refuse")), vec![&three, &two]),
        ("since", query(|q| q.since = Some(at(3).millis())), vec![&three, &two]),
        ("before", query(|q| q.before = Some(at(3).millis())), vec![&one, &none]),
        (
            "fate and domain",
            query(|q| (q.reason, q.domain) = (text("hold"), text("f.example"))),
            vec![&two],
        ),
        ("limit", query(|q| q.limit = Some(2)), vec![&three, &two]),
        (
            "after",
            query(|q| (q.limit, q.after) = (Some(1), text("t3"))),
            vec![&two],
        ),
        ("after nobody", query(|q| q.after = text("t9")), vec![]),
        ("records have no label", query(|q| q.label = Some(Label::Ham)), vec![]),
    ];
    for (name, query, expected) in cases {
        let found = kept.records(&query).await.unwrap();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{name}");
    }
}
