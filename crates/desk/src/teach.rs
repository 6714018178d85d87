//! What the desk does about the classifiers: reports, forgetting, versions of the models, and why a mail is judged as it is.

use std::sync::Arc;

use gatepost_core::desk::Mail;
use gatepost_core::{
    About, Came, Change, Fault, Ground, Label, Lesson, Login, Message, Octets, Query, Receipt, Record, Request, Taught,
    Time, Unlearn,
};

use crate::brought::Known;
use crate::collection::{NO_MAIL, is_mail};
use crate::desk::{FrontDesk, done, no_such_mail};
use crate::rights::Who;

/// What somebody says of a mail.
pub struct Told<'a> {
    /// The mail.
    pub mail: &'a Mail,
    /// What it is.
    pub label: Label,
    /// Whose mail it is, where they say.
    pub domain: Option<&'a str>,
}

impl Told<'_> {
    fn called(&self) -> &'static str {
        match self.label {
            Label::Spam => "spam",
            Label::Ham => "wanted mail",
        }
    }
}

/// The mail that these octets are.
fn message(octets: &Octets) -> Arc<Message> {
    Arc::new(Message::from_bytes(octets.0.clone()))
}

/// A lesson of a mail that was sent along. Where it may be another than the one that came, it counts less.
fn lesson(message: &Arc<Message>, told: &Told<'_>, who: &Who<'_>, by: &str, now: Time, weight: Option<u32>) -> Lesson {
    let mut lesson = Lesson::new(Arc::clone(message), told.label, by, now);
    lesson.domain = who.teaches(None, told.domain);
    lesson.weight = weight;
    lesson
}

fn unknown_kind() -> Receipt {
    Receipt::Refused("a mail of a kind that this version does not know".into())
}

impl FrontDesk {
    /// Says what a mail is: labels it where it is kept, teaches, and lets filters that care take note.
    pub(crate) async fn report(
        &self,
        who: &Who<'_>,
        by: &Login,
        told: Told<'_>,
        request: &Request,
        now: Time,
    ) -> Result<Receipt, Fault> {
        let (known, message) = match told.mail {
            Mail::Kept(id) => match self.of_number(who, &id.0).await? {
                Known::Unknown => return Ok(no_such_mail()),
                known => (known, None),
            },
            Mail::Bytes(octets) => (Known::Unknown, Some(message(octets))),
            Mail::Brought(brought) => {
                let message = message(&brought.octets);
                (self.brought(who, brought, &message, now).await?, Some(message))
            }
            _ => return Ok(unknown_kind()),
        };
        if matches!(known, Known::Foreign) {
            return Ok(no_such_mail());
        }
        let (mut change, mut labelled) = (Change::default(), false);
        let learned = match &known {
            Known::Kept(mail, message) => {
                let before = mail.label.as_ref().map(|(label, _)| *label);
                labelled = before == Some(told.label);
                if labelled {
                    change.lines.push(format!("it was called {} already", told.called()));
                } else {
                    self.means.kept.label(&mail.id, told.label, by).await?;
                    change.changed = true;
                    change.lines.push(format!("it is called {}", told.called()));
                }
                let mut lesson = Lesson::new(Arc::clone(message), told.label, by.name.to_lowercase(), now);
                lesson.domain = who.teaches(Some(mail), told.domain);
                lesson.kept = Some(mail.id.clone());
                lesson.ground = ground(before.is_some() && !labelled);
                // What is labelled need not be learned: the models may have been busy, or have forgotten it.
                self.teach(lesson).await
            }
            // One that was delivered is not kept: what it looked like is remembered for some days.
            Known::Delivered(_) if told.domain.is_some() => {
                return Ok(Receipt::Refused(
                    "it was delivered: it is learned as mail of the domain that it came to; name no other".into(),
                ));
            }
            Known::Delivered(record) => {
                let (learning, by) = (&self.means.learning, by.name.to_lowercase());
                let taught = learning.label_by_reference(&record.id, told.label, Ground::Person, &by, now);
                match (taught.await, &message) {
                    (Err(Fault::Unavailable(_)), Some(message)) => {
                        let own = record.hash.is_some() && record.hash == Record::hash_of(message);
                        let weight = (!own).then(|| self.reports().brought_weight);
                        self.teach(lesson(message, &told, who, &by, now, weight)).await
                    }
                    (taught, _) => taught,
                }
            }
            _ => {
                let Some(message) = &message else {
                    return Ok(unknown_kind());
                };
                if !is_mail(message) {
                    return Ok(Receipt::Refused(NO_MAIL.into()));
                }
                let weight = matches!(told.mail, Mail::Brought(_)).then(|| self.reports().brought_weight);
                let by = by.name.to_lowercase();
                self.teach(lesson(message, &told, who, &by, now, weight)).await
            }
        };
        let listed = self.list(who, by, told.label, &known, message.as_deref(), now).await;
        let done = change.changed || labelled || listed.changed;
        match learned {
            Ok(Taught::Known(_)) if labelled => {}
            Ok(Taught::Known(sequence)) => {
                change
                    .lines
                    .push(format!("it was learned already, as sample {sequence}"));
            }
            Ok(Taught::Learned(sequence)) => {
                change.changed = true;
                change.lines.push(format!("it is learned, as sample {sequence}"));
                if who.is_operator() {
                    change.lines.push(format!("taken back by: gatepost unlearn {sequence}"));
                }
            }
            // A label is worth having without a trainer: it is learned from when there is one. So is an entry of a list.
            Ok(Taught::Refused(why)) if done => change.lines.push(format!("it is not learned from: {why}")),
            Err(Fault::Unavailable(why)) if done => change.lines.push(format!("it is not learned from: {why}")),
            Ok(Taught::Refused(why)) => return Ok(Receipt::Failed(format!("it is not learned from: {why}"))),
            Ok(_) => return Ok(Receipt::Failed("whether it is learned is not known".into())),
            Err(fault) if done => change.lines.push(format!("nothing is learned from it: {fault}")),
            Err(fault) => return Err(fault),
        }
        change.changed |= listed.changed;
        change.lines.extend(listed.lines);
        if let Some(Receipt::Done(more)) = self.offer(by, request, now).await? {
            change.changed |= more.changed;
            change.lines.extend(more.lines);
        }
        Ok(Receipt::Done(change))
    }

    /// Teaches one lesson, and tells whether it was known already.
    async fn teach(&self, lesson: Lesson) -> Result<Taught, Fault> {
        let taught = self.means.learning.label_all(vec![lesson]).await?;
        let first = taught.into_iter().next();
        first.ok_or_else(|| Fault::Broken("learning: no answer".into()))
    }

    /// The record of a transaction, as far as it is theirs.
    async fn came_to(&self, who: &Who<'_>, transaction: &str) -> Result<Option<Record>, Fault> {
        let mut query = Query::default();
        query.transaction = Some(transaction.to_owned());
        query.limit = Some(1);
        let found = self.means.kept.records(&query).await?;
        Ok(found.into_iter().next().and_then(|record| who.view_record(record)))
    }

    pub(crate) async fn explain(
        &self,
        who: &Who<'_>,
        mail: &Mail,
        came: Option<&Came>,
        domain: Option<&str>,
        now: Time,
    ) -> Result<Receipt, Fault> {
        let mut about = About::default();
        let known = match mail {
            Mail::Kept(id) => match self.theirs(who, id).await? {
                Some((mail, message)) => (Known::Kept(Box::new(mail), message), None),
                None => (Known::Foreign, None),
            },
            Mail::Bytes(octets) => (Known::Unknown, Some(message(octets))),
            Mail::Brought(brought) => {
                let message = message(&brought.octets);
                (self.brought(who, brought, &message, now).await?, Some(message))
            }
            _ => return Ok(unknown_kind()),
        };
        let message = match known {
            (Known::Kept(mail, message), _) => {
                about.record = self.came_to(who, &mail.transaction).await?;
                about.domain = who.teaches(Some(&mail), domain);
                about.listener = Some(mail.listener).filter(|listener| !listener.is_empty());
                message
            }
            // What is sent along is the mail that came, or one that they may ask about in any case.
            (Known::Delivered(record), Some(message))
                if who.is_admin() || (record.hash.is_some() && record.hash == Record::hash_of(&message)) =>
            {
                about.domain = who.teaches(None, domain);
                about.listener = Some(record.listener.clone()).filter(|listener| !listener.is_empty());
                about.record = Some(*record);
                message
            }
            (Known::Unknown | Known::Delivered(_), Some(message)) if who.may_explain(domain, came) => {
                about.came = came.cloned();
                about.domain = who.teaches(None, domain);
                message
            }
            _ => return Ok(no_such_mail()),
        };
        let told = self.means.explain.explain(&message, about).await?;
        Ok(Receipt::Explained(Box::new(told)))
    }

    pub(crate) async fn unlearn(&self, what: &Unlearn) -> Result<Receipt, Fault> {
        let gone = self.means.learning.unlearn(what).await?;
        Ok(match gone {
            0 => Receipt::Done(Change::shown(vec!["nothing was learned from that".into()])),
            1 => done(vec!["1 sample is forgotten: the models never saw it".into()]),
            gone => done(vec![format!("{gone} samples are forgotten: the models never saw them")]),
        })
    }

    pub(crate) async fn models(&self) -> Result<Receipt, Fault> {
        let versions = self.means.learning.versions().await?;
        Ok(Receipt::Models(versions, self.means.explain.unvouched()))
    }

    pub(crate) async fn rollback(&self, to: Option<u64>) -> Result<Receipt, Fault> {
        let version = match self.means.learning.rollback(to).await {
            Ok(version) => version,
            // It says why, and nothing need be broken: there may be no such version.
            Err(Fault::Broken(why)) => return Ok(Receipt::Failed(why)),
            Err(fault) => return Err(fault),
        };
        Ok(done(vec![
            format!(
                "the models are {}: that is version {} from now on, with {} wanted mails and {} of spam",
                version.why, version.number, version.ham, version.spam
            ),
            "what was learned later is in the log, and in the models again only after `gatepost model rebuild`".into(),
        ]))
    }

    pub(crate) async fn rebuild(&self) -> Result<Receipt, Fault> {
        let rebuilt = self.means.learning.rebuild().await?;
        let tried = match rebuilt.held_out {
            0 => "not tried: no confirmed wanted mail could be held out".into(),
            held_out => format!(
                "of {held_out} wanted mails that it had not learned, the rebuilt models call {} spam; those before called {}",
                rebuilt.after, rebuilt.before
            ),
        };
        let version = &rebuilt.version;
        Ok(if rebuilt.taken {
            done(vec![
                format!("the models are made anew: version {} is in use", version.number),
                tried,
            ])
        } else {
            Receipt::Done(Change::shown(vec![
                format!("nothing is changed: version {} stays in use", version.number),
                tried,
            ]))
        })
    }
}

fn ground(corrects: bool) -> Ground {
    match corrects {
        true => Ground::Correction,
        false => Ground::Person,
    }
}
