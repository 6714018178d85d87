//! Command mailboxes: people steer Gatepost with nothing but their mail client.
//!
//! A mail that somebody of ours sends to one of the mailboxes is taken ([`Filter::take`]) and goes no further: what it asks
//! is submitted to the desk in their name, and a letter tells how it went.
//!
//! **Invariants:** only a login opens them, and to everybody else they do not exist; what a mail says is never a command,
//! only the mailbox that it was sent to is; all is done by the desk, in the name of the one who wrote; what the desk says is
//! done is done before the 250.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod addresses;
pub mod answer;
pub mod blocked;
pub mod entries;
pub mod errand;
pub mod explained;
pub mod html;
pub mod lists;
pub mod options;
pub mod person;
pub mod quoted;
pub mod report;
pub mod reports;
pub mod text;
pub mod told;
pub mod words;

use addresses::{Act, Addresses};
use errand::{Answer, Errand, Weight};
use gatepost_core::prelude::*;
use gatepost_core::{Acting, Change, Direction, Label, Letter, Request};
pub use options::Config;
use person::Person;
use report::Limits;
use words::Words;

/// To whoever wrote to a mailbox.
const TAKEN: Reply = Reply::fixed(250, Enhanced(2, 0, 0), "Done");
/// The same where a letter follows.
const ANSWERED: Reply = Reply::fixed(250, Enhanced(2, 0, 0), "Done, a mail tells you how it went");
/// The same where a machine or a stranger wrote what only people of ours may.
const IGNORED: Reply = Reply::fixed(
    250,
    Enhanced(2, 0, 0),
    "Ignored, since it was not written by a person here",
);

/// Octets of a subject that are read.
const SUBJECT_MAX: usize = 2_000;

/// The filter of command mailboxes.
pub struct CommandMailbox {
    addresses: Addresses,
    words: Words,
    limits: Limits,
    config: Config,
    services: Services,
}

impl CommandMailbox {
    fn act(&self, to: &Recipient) -> Option<Act> {
        self.addresses.act(to.path.mailbox()?, &self.services.site)
    }

    fn person(&self, cx: &Context<'_>) -> Result<Person, Reply> {
        let (Direction::Outbound, Some(envelope)) = (cx.direction(), cx.envelope()) else {
            return Err(person::UNKNOWN);
        };
        let (site, trust) = (&self.services.site, self.config.trust_networks);
        let person = Person::of(cx.login(), &envelope.from, site, trust)?;
        // A mailbox is nobody: its answers would go to another one.
        match self.addresses.act(&person.home, site) {
            Some(_) => Err(person::NOT_YOURS),
            None => Ok(person),
        }
    }

    /// Does what a mail to one mailbox asks, and tells whether it was answered.
    async fn obey(&self, errand: &Errand<'_>, act: Act) -> Result<bool, Fault> {
        let answer = match act {
            Act::Spam => reports::report(errand, Label::Spam).await?,
            Act::NotSpam => reports::report(errand, Label::Ham).await?,
            Act::Entries(change) => lists::change(errand, change).await?,
            Act::ShowPersBlack => lists::show(errand).await?,
            Act::Analyse => reports::analyse(errand).await?,
            Act::Help => self.help(errand),
            // What is delivered is its own answer.
            Act::Release => match reports::release(errand).await? {
                Some(answer) => answer,
                None => return Ok(false),
            },
            Act::BlockReport => {
                let letters = self.block_report(errand).await?;
                return answer::send_all(errand, act, letters).await;
            }
        };
        answer::send(errand, act, answer).await
    }

    /// With what block reports are made.
    fn house(&self) -> blocked::House<'_> {
        blocked::House {
            services: &self.services,
            words: &self.words,
            hour: self.config.daily_at,
            mailbox: self.addresses.name(Act::BlockReport).unwrap_or("gatepost"),
            release: self.addresses.name(Act::Release),
        }
    }

    async fn block_report(&self, errand: &Errand<'_>) -> Result<Vec<Letter>, Fault> {
        let held = Arc::clone(errand.message);
        let reading = self
            .services
            .compute
            .run(move |budget| text::own(&held, &|| budget.is_spent()));
        let text = reading.await?;
        let subject = errand.message.headers().get("Subject");
        let subject = subject.map(|field| field.decoded(SUBJECT_MAX)).unwrap_or_default();
        let asked = blocked::Asked {
            by: &errand.person.login,
            from: &errand.person.home,
            subject: &subject,
            text: &quoted::own_lines(&text).join("\n"),
            language: errand.language,
            now: self.services.clock.now(),
        };
        blocked::take(self.house(), &asked).await
    }

    fn help(&self, errand: &Errand<'_>) -> Answer {
        let domain = errand.person.home.domain().to_string();
        let about = |(act, name): (Act, &str)| {
            let about = match act {
                // It is what an empty mail to another mailbox does.
                Act::ShowPersBlack => return None,
                Act::Entries(change) => errand.say(&format!("help.{}", change.name()), &[]),
                act => errand.say(&format!("help.{}", act.name()), &[]),
            };
            Some(format!("{name}@{domain}\n  {about}\n"))
        };
        let addresses: Vec<String> = self.addresses.acts().filter_map(about).collect();
        let places = [("addresses", addresses.join("\n")), ("domain", domain.clone())];
        let places: Vec<(&str, &str)> = places.iter().map(|(name, value)| (*name, value.as_str())).collect();
        errand.letter("help", &places, Weight::Asked)
    }
}

#[async_trait]
impl Filter for CommandMailbox {
    async fn rcpt(&self, cx: &Context<'_>, to: &Recipient) -> Result<Opinion, Fault> {
        let Some(act) = self.act(to) else {
            return Ok(Opinion::none());
        };
        let only = Scope::Only(to.id);
        let found = |tag: String, note: &str| {
            let finding = Finding::new(Tag::owned(tag), Evidence::Points(Score::ZERO), note);
            Opinion::none().with(finding.only(to.id))
        };
        Ok(match self.person(cx) {
            Ok(person) => found(format!("{}.{}", CommandMailbox::NAME, act.name()), &person.login.name).wish_for(
                only,
                Standing::Any,
                Wish::Divert,
            ),
            Err(reply) => found(format!("{}.closed", CommandMailbox::NAME), act.name()).wish_for(
                only,
                Standing::Any,
                Wish::Deny(reply),
            ),
        })
    }

    async fn take(&self, cx: &Context<'_>, message: &Arc<Message>) -> Result<Reply, Fault> {
        let person = match self.person(cx) {
            Ok(person) => person,
            Err(reply) => return Ok(reply),
        };
        let recipients = cx
            .envelope()
            .map(|envelope| envelope.recipients.as_slice())
            .unwrap_or_default();
        let mut acts: Vec<Act> = Vec::new();
        for act in recipients.iter().filter_map(|to| self.act(to)) {
            if !acts.contains(&act) {
                acts.push(act);
            }
        }
        let headers = message.headers();
        let machine = answer::is_machines(headers);
        // The fields and the text of a mail that was sent on as it is are those of whoever wrote it.
        let resent = report::is_sent_on(headers);
        let language = match resent {
            true => &*self.config.language,
            false => self.words.language(headers, &self.config.language),
        };
        let errand = Errand {
            person: &person,
            message,
            language,
            words: &self.words,
            addresses: &self.addresses,
            config: &self.config,
            limits: self.limits,
            services: &self.services,
        };
        let (mut obeyed, mut answered) = (false, false);
        for act in acts {
            // What a machine writes of its own may quote our letters.
            if machine && !(resent && matches!(act, Act::Spam | Act::NotSpam)) {
                continue;
            }
            // What a stranger wrote asks for nothing.
            if resent && matches!(act, Act::BlockReport | Act::Release) {
                continue;
            }
            obeyed = true;
            answered |= self.obey(&errand, act).await?;
        }
        Ok(match (obeyed, answered) {
            (false, _) => IGNORED,
            (true, false) => TAKEN,
            (true, true) => ANSWERED,
        })
    }

    async fn handle(&self, by: &Acting<'_>, request: &Request) -> Result<Option<Change>, Fault> {
        blocked::handle(self.house(), by, request).await
    }
}

impl FilterKind for CommandMailbox {
    const NAME: &'static str = "command_mailbox";
    const ABOUT: &'static str = "Mailboxes by which people report mail, keep their lists and ask for what was refused";
    const PHASES: Phases = Phases::RCPT;
    const MAY: Wishes = Wishes::DIVERT.and(Wishes::DENY);
    type Config = Config;

    fn build(config: Config, services: &Services) -> Result<CommandMailbox, BuildError> {
        Ok(CommandMailbox {
            addresses: config.addresses()?,
            words: config.words()?,
            limits: config.limits()?,
            config,
            services: services.clone(),
        })
    }
}

gatepost_core::inventory::submit! { Entry::of::<CommandMailbox>() }
