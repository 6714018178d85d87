//! Whether a mail is answered, and the letter (L-07).
//!
//! **Invariant:** nobody is answered but a person of ours; no machine, no list and no letter of ours is; one mail has one
//! answer, and one person so many within an hour.

use std::time::Duration;

use gatepost_core::message::Headers;
use gatepost_core::{Fault, Letter, Swap, human};

use crate::addresses::Act;
use crate::errand::{Answer, Errand, Weight};
use crate::options::Answers;

/// How long it is remembered that a mail was answered.
const REMEMBERED: Duration = Duration::from_hours(48);
/// The window in which answers are counted.
const WINDOW: Duration = Duration::from_hours(1);
/// The longest Message-ID that an answer names.
const ID_MAX: usize = 250;

/// Whether a machine or a list sent a mail with these fields, so that nobody waits for an answer.
pub fn is_machines(headers: &Headers) -> bool {
    // Each of a field that stands there more than once: one that says "no" hides none that says more.
    let any = |name: &str, is: &dyn Fn(&str) -> bool| {
        let value = |octets: &[u8]| String::from_utf8_lossy(octets).trim().to_ascii_lowercase();
        headers.all(name).any(|field| is(&value(&field.unfolded())))
    };
    let auto = any("Auto-Submitted", &|value| {
        value.split([';', ' ', '(']).next() != Some("no")
    });
    let bulk = any("Precedence", &|value| matches!(value, "bulk" | "list" | "junk"));
    let marked = ["X-Gatepost-Report", "X-Assp-Report", "List-Id", "List-Unsubscribe"];
    auto || bulk || marked.iter().any(|name| headers.get(name).is_some()) || human::is_machines(headers)
}

/// The Message-ID with its angle brackets, where it is one that may be repeated.
fn message_id(headers: &Headers) -> Option<String> {
    let field = headers.get("Message-ID")?;
    let value = String::from_utf8_lossy(&field.unfolded()).trim().to_owned();
    let inner = value.strip_prefix('<').and_then(|value| value.strip_suffix('>'))?;
    let fits = !inner.is_empty()
        && inner
            .bytes()
            .all(|octet| octet.is_ascii_graphic() && !b"<>".contains(&octet));
    (fits && value.len() <= ID_MAX).then_some(value)
}

/// Whether an answer is wanted at all.
fn is_wanted(reply: Answers, weight: Weight) -> bool {
    match reply {
        Answers::Always => true,
        Answers::Errors => weight >= Weight::Wrong,
        Answers::Never => weight >= Weight::Asked,
    }
}

/// Where it stands that a mail to a mailbox was answered.
fn answered(errand: &Errand<'_>, act: Act, id: &str) -> Vec<u8> {
    let home = errand.person.home.key();
    let parts: [&[u8]; 4] = [b"answered", home.as_bytes(), act.name().as_bytes(), id.as_bytes()];
    let hash = errand.services.seed.hash(&parts);
    [b"answered".as_slice(), &hash.to_be_bytes()].concat()
}

/// Whether this is the first answer to the mail, and not one too many to the person. Counts it.
async fn is_due(errand: &Errand<'_>, act: Act, id: Option<&str>) -> Result<bool, Fault> {
    let (store, seed, now) = (
        &errand.services.store,
        &errand.services.seed,
        errand.services.clock.now(),
    );
    if let Some(id) = id {
        let key = answered(errand, act, id);
        match store.swap(&key, None, Some(b"1"), Some(now + REMEMBERED), now).await? {
            Swap::Done => {}
            Swap::Was(_) => return Ok(false),
        }
    }
    let home = errand.person.home.key();
    let hour = now.millis() / WINDOW.as_millis().try_into().unwrap_or(1).max(1);
    let hash = seed.hash(&[b"answers", home.as_bytes(), &hour.to_be_bytes()]);
    let key = [b"answers".as_slice(), &hash.to_be_bytes()].concat();
    let count = store.add(&key, 1, now + WINDOW, now).await?;
    Ok((1..=i64::from(errand.config.replies_per_hour)).contains(&count))
}

/// Whether the mail is answered, with something of this weight; counts it.
async fn may_answer(errand: &Errand<'_>, act: Act, weight: Weight) -> bool {
    let headers = errand.message.headers();
    if is_machines(headers) || !is_wanted(errand.config.reply, weight) {
        return false;
    }
    match is_due(errand, act, message_id(headers).as_deref()).await {
        Ok(due) => due,
        // Whether it was answered is not known; better not at all than twice.
        Err(fault) => {
            tracing::warn!(to = %errand.person.home, %fault, "command_mailbox: no answer, since the store does not answer");
            false
        }
    }
}

async fn post(errand: &Errand<'_>, letter: Letter) -> Result<(), Fault> {
    let to = letter.to.clone();
    let sent = errand.services.post.send(letter).await;
    if let Err(fault) = &sent {
        tracing::warn!(%to, %fault, "command_mailbox: an answer could not be sent");
    }
    sent
}

/// What becomes of a mail whose answer could not be sent. Where the answer is all that was asked for, it comes again and is
/// answered then; unless the answer may be there.
async fn unsent(errand: &Errand<'_>, act: Act, weight: Weight, fault: Fault) -> Result<bool, Fault> {
    if weight < Weight::Asked || matches!(fault, Fault::Unsure(_)) {
        return Ok(false);
    }
    if let Some(id) = message_id(errand.message.headers()) {
        let (store, now) = (&errand.services.store, errand.services.clock.now());
        store
            .swap(&answered(errand, act, &id), Some(b"1"), None, None, now)
            .await?;
    }
    Err(fault)
}

/// Sends an answer where one is due, and tells whether it was sent. What was asked is done by then: no trouble with the
/// answer undoes it. Where the answer is all that was asked for, trouble is a fault.
pub async fn send(errand: &Errand<'_>, act: Act, answer: Answer) -> Result<bool, Fault> {
    if !may_answer(errand, act, answer.weight).await {
        return Ok(false);
    }
    let mut letter = Letter::new(errand.person.home.clone(), answer.subject, answer.text);
    letter.from = errand.addresses.name(act).unwrap_or("gatepost").into();
    letter.html = answer.html;
    letter.in_reply_to = message_id(errand.message.headers());
    letter.language = Some(errand.language.into());
    match post(errand, letter).await {
        Ok(()) => Ok(true),
        Err(fault) => unsent(errand, act, answer.weight, fault).await,
    }
}

/// Sends letters that somebody asked for, as one answer, and tells whether one was sent; a fault where none could be.
pub async fn send_all(errand: &Errand<'_>, act: Act, letters: Vec<Letter>) -> Result<bool, Fault> {
    if letters.is_empty() || !may_answer(errand, act, Weight::Asked).await {
        return Ok(false);
    }
    let id = message_id(errand.message.headers());
    let (mut sent, mut wrong) = (false, None);
    for mut letter in letters {
        if letter.to.key() == errand.person.home.key() {
            letter.in_reply_to.clone_from(&id);
        }
        match post(errand, letter).await {
            Ok(()) => sent = true,
            // One that may be there is not sent again for the others' sake.
            Err(fault @ Fault::Unsure(_)) => wrong = Some(fault),
            Err(fault) => drop(wrong.get_or_insert(fault)),
        }
    }
    match wrong {
        Some(fault) if !sent => unsent(errand, act, Weight::Asked, fault).await,
        _ => Ok(sent),
    }
}

#[cfg(test)]
mod tests {
    use gatepost_core::Message;

    use super::*;

    #[test]
    fn machines_and_lists_are_known_by_their_fields() {
        for (head, machine) in [
            ("From: carl@d.example", false),
            ("Auto-Submitted: no", false),
            ("Auto-Submitted: No (a person)", false),
            ("Auto-Submitted: auto-replied", true),
            ("Auto-Submitted: auto-generated; x=y", true),
            ("Auto-Submitted:", true),
            ("Auto-Submitted: no\r\nAuto-Submitted: auto-replied", true),
            ("Precedence: Bulk", true),
            ("Precedence: first-class", false),
            ("Precedence: auto_reply", true),
            ("List-Id: <x.d.example>", true),
            ("X-Gatepost-Report: yes", true),
            ("X-Autoreply: yes", true),
        ] {
            let message = Message::from_bytes(format!("{head}\r\n\r\n").into_bytes());
            assert_eq!(is_machines(message.headers()), machine, "{head}");
        }
    }

    #[test]
    fn only_a_message_id_that_is_one_is_repeated() {
        for (value, want) in [
            ("<a@b.example>", Some("<a@b.example>")),
            (" <a@b.example>\r\n ", Some("<a@b.example>")),
            ("a@b.example", None),
            ("<a b@c>", None),
            ("<>", None),
            ("<a\u{e9}@b>", None),
            (&format!("<{}>", "x".repeat(300)), None),
        ] {
            let message = Message::from_bytes(format!("Message-ID: {value}\r\n\r\n").into_bytes());
            assert_eq!(message_id(message.headers()).as_deref(), want, "{value:?}");
        }
    }

    #[test]
    fn what_was_asked_for_is_sent_whatever_is_set() {
        for (reply, done, wrong, asked) in [
            (Answers::Always, true, true, true),
            (Answers::Errors, false, true, true),
            (Answers::Never, false, false, true),
        ] {
            let wanted = [Weight::Done, Weight::Wrong, Weight::Asked].map(|weight| is_wanted(reply, weight));
            assert_eq!(wanted, [done, wrong, asked]);
        }
    }
}
