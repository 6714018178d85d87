//! Mails that somebody reports, asks about, or wants to have.

use std::sync::Arc;

use gatepost_core::{Fault, Label, Message, Receipt, Request};

use crate::blocked::link::{self, Order};
use crate::errand::{Answer, Errand, Weight};
use crate::explained;
use crate::html;
use crate::lists::failed;
use crate::report::{self, Reported};
use crate::told::effect;
use crate::words::shown::{address, harmless};

/// The most characters of a subject that are told.
pub const SUBJECT_MAX: usize = 60;
/// The most names of what could not be read that are told.
const UNREADABLE_MAX: usize = 50;
/// The most characters of one.
const NAME_MAX: usize = 120;
/// What the desk says of a mail that is not there.
const NO_SUCH_MAIL: &str = "there is no such mail";

/// Reads a report.
async fn read(errand: &Errand<'_>) -> Result<Reported, Fault> {
    let (held, limits) = (Arc::clone(errand.message), errand.limits);
    let reading = errand
        .services
        .compute
        .run(move |budget| report::read(&held, limits, &mut || !budget.is_spent()));
    reading.await
}

/// The subject of a mail, as it may be told.
fn subject(errand: &Errand<'_>, octets: &[u8]) -> String {
    let head = octets.get(..gatepost_core::message::split(octets)).unwrap_or_default();
    let message = Message::from_bytes(head.to_vec());
    let subject = message.headers().get("Subject").map(|field| field.decoded(1_000));
    match harmless(&subject.unwrap_or_default(), SUBJECT_MAX) {
        subject if subject.is_empty() => errand.say("no-subject", &[]),
        subject => subject,
    }
}

/// What could not be read, a line each.
fn unreadable(reported: &Reported) -> String {
    let names = reported.unreadable.iter().take(UNREADABLE_MAX);
    let lines: Vec<String> = names.map(|name| format!("  {}", harmless(name, NAME_MAX))).collect();
    lines.join("\n")
}

/// Learns what the mails of a report are.
pub async fn report(errand: &Errand<'_>, label: Label) -> Result<Answer, Fault> {
    let mut reported = read(errand).await?;
    let (name, phrase) = match label {
        Label::Spam => ("spam", "reported.spam"),
        Label::Ham => ("notspam", "reported.notspam"),
    };
    let (mut lines, mut wrong) = (Vec::new(), reported.originals.is_empty());
    for original in std::mem::take(&mut reported.originals) {
        let subject = subject(errand, &original.octets);
        let request = Request::Report {
            mail: original.mail(),
            label,
            domain: None,
        };
        match errand.submit(request).await? {
            Receipt::Done(done) => {
                let said = if done.changed { phrase } else { "reported.same" };
                lines.push(errand.say(said, &[("subject", &subject)]));
                for (phrase, entry) in done.lines.iter().filter_map(|line| effect(line)) {
                    lines.push(format!(
                        "  {}",
                        errand.say(phrase, &[("entry", &address(entry, NAME_MAX))])
                    ));
                }
            }
            Receipt::Refused(why) => {
                wrong = true;
                let why = errand.why(&why);
                lines.push(errand.say("reported.refused", &[("subject", &subject), ("why", &why)]));
            }
            _ => wrong = true,
        }
    }
    wrong |= !reported.unreadable.is_empty();
    let places = [("mails", lines.join("\n")), ("unreadable", unreadable(&reported))];
    let places: Vec<(&str, &str)> = places.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Ok(errand.letter(name, &places, if wrong { Weight::Wrong } else { Weight::Done }))
}

/// Tells what the filters make of the mails in a mail.
pub async fn analyse(errand: &Errand<'_>) -> Result<Answer, Fault> {
    let mut reported = read(errand).await?;
    let mut told = Vec::new();
    for original in std::mem::take(&mut reported.originals) {
        let subject = subject(errand, &original.octets);
        // One that we have tells what was found when it came; another one is looked at as it is there.
        let request = Request::Explain {
            mail: original.mail(),
            came: None,
            domain: None,
        };
        let receipt = errand.submit(request).await?;
        told.push(match receipt {
            Receipt::Explained(explanation) => explained::tell(errand.words, errand.language, &subject, &explanation),
            Receipt::Refused(why) => {
                let why = errand.why(&why);
                errand.say("reported.refused", &[("subject", &subject), ("why", &why)])
            }
            _ => continue,
        });
    }
    let places = [("mails", told.join("\n\n\n")), ("unreadable", unreadable(&reported))];
    let places: Vec<(&str, &str)> = places.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut answer = errand.letter("analyse", &places, Weight::Asked);
    answer.html = Some(html::of(&answer.text));
    Ok(answer)
}

/// Does with a kept mail what the subject says. What is delivered is its own answer.
pub async fn release(errand: &Errand<'_>) -> Result<Option<Answer>, Fault> {
    let headers = errand.message.headers();
    let subject = headers
        .get("Subject")
        .map(|field| field.decoded(1_000))
        .unwrap_or_default();
    let Some(Order { act, id, recipient }) = Order::read(&subject) else {
        return Ok(Some(failed(errand, NO_SUCH_MAIL)));
    };
    let request = match act {
        link::Act::Delete => Request::Delete { id },
        act => Request::Release {
            id,
            recipient: recipient.map(|to| to.to_string()),
            again: false,
            welcome: act == link::Act::ReleaseAndWelcome,
        },
    };
    // Trouble with the mail server is told: the mail may be on its way, and must not be asked for again by itself.
    Ok(
        match errand.services.desk.submit(&errand.person.login, request).await? {
            Receipt::Done(done) if done.changed => None,
            // It was delivered before, and is not again.
            Receipt::Done(done) => done.lines.first().map(|why| failed(errand, why)),
            Receipt::Refused(why) | Receipt::Failed(why) => Some(failed(errand, &why)),
            _ => Some(failed(errand, NO_SUCH_MAIL)),
        },
    )
}
