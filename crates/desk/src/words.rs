//! A request and its receipt in words, for the audit: bounded, and never a mail's content.

use std::time::Duration;

use gatepost_core::desk::Mail;
use gatepost_core::{
    DomainAct, Label, List, Query, Reach, Receipt, Request, Setting, Taught, Unlearn, Waiting, WaitingOrder,
};

/// The most entries that are named.
const NAMED: usize = 5;
/// The most characters of one name.
const LONG: usize = 200;

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONG) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn reach(reach: &Reach) -> String {
    match reach {
        Reach::Site => "the site".into(),
        Reach::Domain(domain) => cut(domain),
        Reach::Person(person) => cut(person),
    }
}

fn list(list: List) -> &'static str {
    match list {
        List::Allow => "allow list",
        List::Deny => "deny list",
        List::Red => "red list",
        _ => "list",
    }
}

fn names<'a>(entries: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = entries.len().saturating_sub(NAMED);
    let named: Vec<String> = entries.take(NAMED).map(cut).collect();
    match more {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

fn mail(mail: &Mail) -> String {
    match mail {
        Mail::Kept(id) => format!("the kept mail {}", cut(&id.0)),
        Mail::Bytes(octets) => format!("a mail of {} octets", octets.0.len()),
        Mail::Brought(brought) => match &brought.reference {
            Some(reference) => format!("the mail {}", cut(reference)),
            None => format!("a mail of {} octets that they have", brought.octets.0.len()),
        },
        _ => "a mail".into(),
    }
}

fn samples(what: &Unlearn) -> String {
    match what {
        Unlearn::Sample(sample) => format!("the sample {sample}"),
        Unlearn::By(who) => format!("all that {} taught", cut(who)),
        Unlearn::Since(millis) => format!("all since {millis} ms"),
        Unlearn::Kept(id) => format!("the mail {}", cut(&id.0)),
        _ => "something".into(),
    }
}

fn query(query: &Query) -> String {
    let mut parts = Vec::new();
    for (name, value) in [
        ("to", &query.recipient),
        ("in", &query.domain),
        ("from", &query.sender),
        ("because", &query.reason),
    ] {
        parts.extend(value.as_ref().map(|value| format!("{name} {}", cut(value))));
    }
    match parts.is_empty() {
        true => "all".into(),
        false => parts.join(", "),
    }
}

fn domain(act: &DomainAct) -> String {
    let keys = |settings: &[Setting]| {
        let said = |setting: &Setting| match &setting.value {
            Some(value) => format!("{} = {value}", setting.key),
            None => format!("no {}", setting.key),
        };
        let said: Vec<String> = settings.iter().map(said).collect();
        names(said.iter().map(String::as_str))
    };
    match act {
        DomainAct::Add { domain, settings } => format!("add the domain {}: {}", cut(domain), keys(settings)),
        DomainAct::Set { domain, settings } => format!("change the domain {}: {}", cut(domain), keys(settings)),
        DomainAct::Remove { domain } => format!("remove the domain {}", cut(domain)),
        DomainAct::List => "list the domains".into(),
        DomainAct::Show { domain } => format!("show the domain {}", cut(domain)),
        _ => "something with a domain that is newer than this audit".into(),
    }
}

fn waiting(which: &Waiting) -> String {
    let mut parts = Vec::new();
    for (name, value) in [
        ("", &which.id),
        ("in ", &which.domain),
        ("to ", &which.recipient),
        ("from ", &which.sender),
    ] {
        parts.extend(value.as_ref().map(|value| format!("{name}{}", cut(value))));
    }
    parts.extend(which.damaged.then(|| "damaged".to_owned()));
    match parts.is_empty() {
        true => "all".into(),
        false => parts.join(", "),
    }
}

fn ordered(order: &WaitingOrder) -> String {
    match order {
        WaitingOrder::Flush => "try mail that waits now".into(),
        WaitingOrder::Hold(true) => "hold mail that waits".into(),
        WaitingOrder::Hold(false) => "let mail that waits go on".into(),
        WaitingOrder::Extend(by) => format!("give mail that waits {} more", span(*by)),
        WaitingOrder::Delete => "delete mail that waits".into(),
        WaitingOrder::Bounce => "give up mail that waits".into(),
        _ => "do something newer than this audit with mail that waits".into(),
    }
}

/// A span of time in the largest unit that tells it whole.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    for (unit, name) in [(86_400, "d"), (3_600, "h"), (60, "min")] {
        if seconds >= unit && seconds.is_multiple_of(unit) {
            return format!("{} {name}", seconds / unit);
        }
    }
    format!("{seconds} s")
}

/// What is asked for.
pub fn of(request: &Request) -> String {
    match request {
        Request::Add {
            list: of,
            reach: on,
            entries,
        } => {
            format!(
                "add to the {} of {}: {}",
                list(*of),
                reach(on),
                names(entries.iter().map(String::as_str))
            )
        }
        Request::Remove {
            list: of,
            reach: on,
            entries,
        } => {
            format!(
                "remove from the {} of {}: {}",
                list(*of),
                reach(on),
                names(entries.iter().map(String::as_str))
            )
        }
        Request::Show {
            list: of, reach: on, ..
        } => {
            format!(
                "show the {} of {}",
                list(*of),
                on.as_ref().map_or("everybody".into(), reach)
            )
        }
        Request::Import { entries } => {
            format!(
                "import {} entries: {}",
                entries.len(),
                names(entries.iter().map(|entry| entry.entry.as_str()))
            )
        }
        Request::Report {
            mail: it,
            label,
            domain,
        } => {
            let label = match label {
                Label::Spam => "spam",
                Label::Ham => "ham",
            };
            let of = domain
                .as_ref()
                .map_or(String::new(), |domain| format!(" of {}", cut(domain)));
            format!("call {}{of} {label}", mail(it))
        }
        Request::Release {
            id,
            recipient,
            again,
            welcome,
        } => {
            let to = recipient
                .as_ref()
                .map_or(String::new(), |to| format!(" to {}", cut(to)));
            format!(
                "deliver the kept mail {}{to}{}{}",
                cut(&id.0),
                if *again { " again" } else { "" },
                if *welcome { " and welcome its sender" } else { "" }
            )
        }
        Request::Train { mails, by, .. } => {
            let spam = mails.iter().filter(|mail| mail.label == Label::Spam).count();
            let ham = mails.len() - spam;
            format!(
                "learn {spam} of spam and {ham} of ham from a collection, by {}",
                cut(by)
            )
        }
        Request::Delete { id } => format!("delete the kept mail {}", cut(&id.0)),
        Request::Find { query: which } => format!("list kept mail: {}", query(which)),
        Request::Read { id, why } => {
            let why = why
                .as_ref()
                .map_or(String::new(), |why| format!(", because: {}", cut(why)));
            format!("read the kept mail {}{why}", cut(&id.0))
        }
        Request::Records { query: which } => format!("list records: {}", query(which)),
        Request::Audit { .. } => "read the audit".into(),
        Request::ForgetRecipients { recipient } => {
            format!(
                "forget the mail server's word on {}",
                recipient.as_ref().map_or("all recipients".into(), |to| cut(to))
            )
        }
        Request::Explain { mail: it, .. } => format!("explain {}", mail(it)),
        Request::Unlearn(what) => format!("unlearn {}", samples(what)),
        Request::CountSamples(what) => format!("count the samples of: {}", samples(what)),
        Request::Models => "list the versions of the models".into(),
        Request::Rollback { to: Some(to) } => format!("go back to version {to} of the models"),
        Request::Rollback { to: None } => "go back to the version of the models before".into(),
        Request::Rebuild => "rebuild the models".into(),
        Request::CountWaiting { domain } => format!(
            "count mail that waits: {}",
            domain
                .as_ref()
                .map_or("all".into(), |domain| format!("in {}", cut(domain)))
        ),
        Request::Waiting { which } => format!("list mail that waits: {}", waiting(which)),
        Request::ShowWaiting { id, why: None } => format!("look at the waiting mail {}", cut(&id.0)),
        Request::ShowWaiting { id, why: Some(why) } => {
            format!("read the waiting mail {}, because: {}", cut(&id.0), cut(why))
        }
        Request::OrderWaiting { which, order } => format!("{}: {}", ordered(order), waiting(which)),
        Request::Other { filter, words } => {
            format!("{}: {}", cut(filter), names(words.iter().map(String::as_str)))
        }
        Request::Domain(act) => domain(act),
        Request::CheckStore => "check the store".into(),
        Request::CompactStore => "compact the store".into(),
        Request::Backup { to } => format!("back up to {}", cut(to)),
        _ => "something newer than this audit".into(),
    }
}

/// How it went.
pub fn outcome(receipt: &Receipt) -> String {
    match receipt {
        Receipt::Done(change) if !change.listed.is_empty() => format!("found {}", change.listed.len()),
        Receipt::Done(change) if change.changed => "done".into(),
        Receipt::Done(_) => "unchanged".into(),
        Receipt::Found(mails) => format!("found {}", mails.len()),
        Receipt::Mail(..) => "read".into(),
        Receipt::Records(records) => format!("found {}", records.len()),
        Receipt::Audit(lines) => format!("found {}", lines.len()),
        Receipt::Trained(all) => {
            let learned = all.iter().filter(|one| matches!(one, Taught::Learned(_))).count();
            format!("learned {learned}")
        }
        Receipt::Explained(_) => "explained".into(),
        Receipt::Counted(count) => format!("found {count}"),
        Receipt::Domains(rows) => format!("found {}", rows.len()),
        Receipt::Models(versions, _) => format!("found {}", versions.len()),
        Receipt::Depth(depth) => format!("found {}", depth.mails),
        Receipt::Waiting(mails, _) => format!("found {}", mails.len()),
        Receipt::WaitingMail(_, None) => "found 1".into(),
        Receipt::WaitingMail(_, Some(_)) => "read".into(),
        Receipt::Refused(why) => format!("refused: {}", cut(why)),
        Receipt::Failed(why) => format!("failed: {}", cut(why)),
        _ => "done".into(),
    }
}

/// Whether it changes anything, so that it must not be done where the audit cannot be written.
pub fn changes(request: &Request) -> bool {
    !matches!(
        request,
        Request::Show { .. }
            | Request::Find { .. }
            | Request::Records { .. }
            | Request::Audit { .. }
            | Request::Explain { .. }
            | Request::Models
            | Request::CheckStore
            | Request::Domain(DomainAct::List | DomainAct::Show { .. })
            | Request::CountWaiting { .. }
            | Request::Waiting { .. }
            | Request::ShowWaiting { why: None, .. }
    )
}

#[cfg(test)]
mod tests {
    use gatepost_core::{KeptId, Octets};

    use super::*;

    #[test]
    fn words_are_bounded_and_hold_no_content() {
        let entries = (0..2_000).map(|n| format!("{}@b.example", "ü".repeat(n))).collect();
        let words = of(&Request::Add {
            list: List::Deny,
            reach: Reach::Site,
            entries,
        });
        assert!(
            words.starts_with("add to the deny list of the site: @b.example, ü@b.example")
                && words.ends_with("and 1995 more")
        );
        let long = of(&Request::Delete {
            id: KeptId("x".repeat(100_000).into()),
        });
        assert!(long.len() < 300, "{long}");
        let report = of(&Request::Report {
            mail: Mail::Bytes(Octets(b"Subject: secret\r\n\r\n".to_vec())),
            label: Label::Spam,
            domain: None,
        });
        assert_eq!(report, "call a mail of 19 octets spam");
        let by = of(&Request::Unlearn(Unlearn::By("x".repeat(10_000))));
        assert!(by.starts_with("unlearn all that xxx") && by.len() < 300, "{by}");
    }
}
