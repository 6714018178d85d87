//! `desk`: somebody does something to a list, as the desk would pass it on, or reports a mail.

use gatepost_core::desk::Mail;
use gatepost_core::{Acting, Change, Fault, Label, List, Listed, Login, LoginBy, Octets, Reach, Receipt, Request};

use super::script::{BadScript, bad, words};
use super::talk::{Talk, Trouble, differs};

fn list(text: &str) -> Result<List, BadScript> {
    Ok(match text {
        "allow" => List::Allow,
        "deny" => List::Deny,
        "red" => List::Red,
        _ => return bad(format!("a list, `allow`, `deny` or `red`, not `{text}`")),
    })
}

fn reach(text: &str) -> Result<Reach, BadScript> {
    Ok(match text.split_once(':') {
        None if text == "site" => Reach::Site,
        Some(("domain", domain)) => Reach::Domain(domain.into()),
        Some(("person", person)) => Reach::Person(person.into()),
        _ => return bad(format!("`site`, `domain:NAME` or `person:ADDRESS`, not `{text}`")),
    })
}

impl Talk {
    /// Offers the act to each filter; it fails where nobody is concerned or somebody refuses.
    pub(super) async fn desk(&mut self, rest: &str, block: Option<&str>) -> Result<(), Trouble> {
        let words = words(rest);
        if let [name, "reports", label, more @ ..] = words.as_slice() {
            return self.report(name, label, more, block).await;
        }
        let [name, verb, on, whose, entries @ ..] = words.as_slice() else {
            return Ok(bad("`desk NAME add|remove|import LIST REACH ENTRY ..`")?);
        };
        let (list, reach, now) = (list(on)?, reach(whose)?, self.house.now());
        let owned = || entries.iter().map(|entry| (*entry).to_owned()).collect();
        let request = match *verb {
            "add" => Request::Add {
                list,
                reach,
                entries: owned(),
            },
            "remove" => Request::Remove {
                list,
                reach,
                entries: owned(),
            },
            "import" => Request::Import {
                entries: entries
                    .iter()
                    .map(|entry| Listed::new(list, reach.clone(), *entry, now, *name))
                    .collect(),
            },
            _ => return Ok(bad(format!("`add`, `remove` or `import`, not `{verb}`"))?),
        };
        self.house.open()?;
        let login = Login::new(*name, LoginBy::Operator);
        let acting = Acting::new(&login, now);
        let mut done: Option<Change> = None;
        for (filter, it) in self.house.handlers() {
            match it.handle(&acting, &request).await {
                Ok(None) => {}
                Ok(Some(change)) => done.get_or_insert_default().lines.extend(change.lines),
                Err(fault) => return differs("an act that is done", told(&filter, &fault)),
            }
        }
        match done {
            None => differs("a filter that keeps lists", "none does"),
            Some(change) => match change.lines.iter().find(|line| line.starts_with("refused")) {
                Some(line) => differs("an act that is done", line.clone()),
                None => Ok(()),
            },
        }
    }
}

impl Talk {
    /// Hands a mail in at the desk that the test brought.
    async fn report(&mut self, name: &str, label: &str, more: &[&str], block: Option<&str>) -> Result<(), Trouble> {
        let label = match label {
            "spam" => Label::Spam,
            "ham" => Label::Ham,
            _ => return Ok(bad(format!("`spam` or `ham`, not `{label}`"))?),
        };
        let domain = more
            .iter()
            .find_map(|word| word.strip_prefix("domain:"))
            .map(str::to_owned);
        let octets = match (block, self.house.upstream.delivered().last()) {
            (Some(block), _) => block.replace('\n', "\r\n").into_bytes(),
            (None, Some(last)) if more.contains(&"last") => last.bytes.to_vec(),
            _ => return Ok(bad("`last`, after a delivery, or a mail up to a line `EOF`")?),
        };
        self.house.open()?;
        let Some(desk) = self.house.desk() else {
            return Ok(bad("a test that brings a desk: `run_all_at`")?);
        };
        let mail = Mail::Bytes(Octets(octets));
        let request = Request::Report { mail, label, domain };
        // Whoever teaches has a thread of its own, on which no script's clock stands still.
        tokio::time::resume();
        let receipt = desk.submit(&Login::new(name, LoginBy::Operator), request).await;
        tokio::time::pause();
        match receipt {
            Ok(Receipt::Done(change)) if change.changed => Ok(()),
            other => differs("a report that teaches", format!("{other:?}")),
        }
    }
}

fn told(filter: &str, fault: &Fault) -> String {
    format!("{filter}: {fault}")
}
