//! Lists of an archive with more mail than one page of the index, against a plain look at every mail.

mod house;

use std::sync::Arc;
use std::time::Duration;

use gatepost_archive::Settings;
use gatepost_core::{Clock, Keeping, Kept, KeptId, KeptMail, Label, Login, LoginBy, Message, Path, Query, Terms};
use house::{House, query};

/// More than a look at the newest entries and a page after it.
const MAILS: u64 = 1_500;

/// The mail of a number: every key has its own rhythm, and some pairs of keys never meet.
async fn keep(house: &House, n: u64) -> KeptId {
    let at = house.clock.now();
    let from = Path::reverse(&format!("s{}@b.example", n % 3), false).unwrap();
    let to = Path::forward(&format!("p{}@d{}.example", n % 50, n % 2), false).unwrap();
    let terms = Terms::copy(if n % 6 == 3 { "held" } else { "refused" });
    let message = Arc::new(Message::from_bytes(&b"x"[..]));
    let transaction = format!("t{n}");
    let keeping = Keeping::new(&transaction, at, &from, vec![&to], &message, &terms);
    house.archive().keep(keeping).await.unwrap()
}

/// What a list must be, by looking at every mail.
fn plainly<'a>(all: &'a [KeptMail], query: &Query) -> Vec<&'a KeptId> {
    let right = |mail: &&KeptMail| {
        let to = &mail.recipients[0];
        query.recipient.as_ref().is_none_or(|wanted| wanted == to)
            && query
                .domain
                .as_ref()
                .is_none_or(|wanted| to.ends_with(&format!("@{wanted}")))
            && query.sender.as_ref().is_none_or(|wanted| *wanted == mail.from)
            && query.reason.as_ref().is_none_or(|wanted| *wanted == mail.reason)
            && query.since.is_none_or(|since| mail.at >= since)
            && query.before.is_none_or(|before| mail.at < before)
            && query
                .label
                .is_none_or(|label| mail.label.as_ref().is_some_and(|(is, _)| *is == label))
    };
    all.iter().rev().filter(right).map(|mail| &mail.id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_combination_of_conditions_finds_what_a_look_at_every_mail_finds() {
    let house = House::new(Settings::default());
    let start = house.clock.now().millis();
    let by = Login::new("carl", LoginBy::Auth);
    let mut all = Vec::new();
    for n in 0..MAILS {
        let id = keep(&house, n).await;
        if n % 70 == 0 {
            house.archive().label(&id, Label::Spam, &by).await.unwrap();
        }
        all.push(house.archive().get(&id).await.unwrap().unwrap().0);
        house.clock.forward(Duration::from_secs(1));
    }
    let text = |text: &str| Some(text.to_owned());
    let mut found_some = 0;
    for case in 0..96u32 {
        let mut wanted = query(|q| q.limit = Some(100));
        if case & 1 != 0 {
            wanted.domain = text("d0.example");
        }
        if case & 2 != 0 {
            wanted.sender = text("s1@b.example");
        }
        if case & 4 != 0 {
            wanted.reason = text(if case & 8 != 0 { "held" } else { "refused" });
        } else if case & 8 != 0 {
            wanted.recipient = text("p4@d0.example");
        }
        if case & 16 != 0 {
            (wanted.since, wanted.before) = (Some(start + 100_000), Some(start + 1_400_000));
        }
        match case / 32 {
            0 => {}
            1 => wanted.label = Some(Label::Spam),
            _ => wanted.label = Some(Label::Ham),
        }
        let expected = plainly(&all, &wanted);
        let mut found = Vec::new();
        loop {
            let page = house.ids(&wanted).await;
            let Some(last) = page.last() else { break };
            assert!(page.len() <= 100);
            wanted.after = Some(last.0.to_string());
            found.extend(page);
        }
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{wanted:?}");
        found_some += usize::from(!expected.is_empty());
    }
    assert!(found_some > 20, "most conditions together find something: {found_some}");
    // Half of all mail is for the one, a sixth is held, and none is both: the whole of an index is walked for nothing.
    let none = query(|q| (q.domain, q.reason) = (text("d0.example"), text("held")));
    assert!(plainly(&all, &none).is_empty());
    assert_eq!(
        house.ids(&query(|q| q.limit = Some(usize::MAX))).await.len(),
        1_000,
        "a list is bounded"
    );
    assert_eq!(house.ids(&Query::default()).await.len(), 50);
}
