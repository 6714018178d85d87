//! Whoever was refused for the content of a mail may come once more, with the code from the refusal in the subject.
//!
//! The code names the sender, the author and the recipients of the refused mail. With it one mail of theirs is let in to each
//! of them, whatever the checks for spam say of it; the same mail that is told to come again is let in again. A mail to others as
//! well is not: it is refused, and gets a code of its own. What is dangerous stays refused: no wish of this filter silences
//! that.
//!
//! **Invariants:** a check writes only first uses and counts of guesses; what was offered is put down when the refusal has been
//! said. Mail of our own people is never looked at. **Absent on purpose:** who is offered a code, and in which words; that is
//! policy's.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod memory;
mod words;

use gatepost_core::envelope::Direction;
use gatepost_core::message::{SignedNames, SubjectWord};
use gatepost_core::prelude::*;
use gatepost_core::{Code, Desk, Edit, Envelope, List, Login, LoginBy, Reach, Receipt, Request, Seed, Via};
use memory::{Claim, Memory, Offered, RECIPIENTS_MAX};
use words::Written;

const CODE: Tag = Tag::new("resend.code");
const DAY_CODE: Tag = Tag::new("resend.day_code");
const USED: Tag = Tag::new("resend.used");
const OTHER: Tag = Tag::new("resend.for_others");
const GUESSING: Tag = Tag::new("resend.guessing");

const DAY: Duration = Duration::from_secs(86_400);
/// For how many days the code of a day is taken, that day counted.
const DAY_CODES: u64 = 8;
/// The most recipients of one mail to whom its sender is made welcome.
const WELCOME_MAX: usize = 100;

/// The options of the filter.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", default, deny_unknown_fields)]
#[schemars(crate = "gatepost_core::schemars")]
pub struct Config {
    /// For how many days a code is worth something, 1 to 30.
    pub days: u32,
    /// Whether a sender who came in with a code is put on the allow list of the recipient.
    pub welcome: bool,
    /// Whether the code of the day is taken as well, `{day_code}` in `refusal_with_code`: one for everybody and any mail, for
    /// eight days. Spammers read it too; for sites whose senders know it from before.
    pub daily: bool,
    /// After so many words within an hour that may be codes and are none, no code of the same sender and network is taken
    /// until the hour is over; of anybody in that network, no code of the day.
    pub guesses: u32,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            days: 2,
            welcome: false,
            daily: false,
            guesses: 20,
        }
    }
}

/// The filter of codes.
pub struct Resend {
    config: Config,
    memory: Memory,
    seed: Seed,
    desk: Arc<dyn Desk>,
}

/// What a word of the subject turned out to be.
enum Found {
    /// The code of a refused mail.
    Mail(Offered),
    /// The code of a day.
    Day,
    /// None.
    Unknown,
}

fn is_one_of_us(cx: &Context<'_>) -> bool {
    cx.direction() == Direction::Outbound || cx.login().is_some()
}

fn remark(tag: Tag, note: impl Into<String>) -> Finding {
    Finding::new(tag, Evidence::Points(Score::ZERO), note)
}

impl Resend {
    fn life(&self) -> Duration {
        DAY.saturating_mul(self.config.days)
    }

    async fn look_up(&self, code: &Code, now: Time) -> Result<Found, Fault> {
        if self.config.daily {
            let today = now.secs() / DAY.as_secs();
            let days = (0..DAY_CODES).filter_map(|back| today.checked_sub(back));
            if days.into_iter().any(|day| Code::of_day(&self.seed, day) == *code) {
                return Ok(Found::Day);
            }
        }
        Ok(match self.memory.offered(code, now).await? {
            Some(offered) => Found::Mail(offered),
            None => Found::Unknown,
        })
    }

    /// How many guesses speak against a word, itself counted where it is no code: those of its sender in its network. The
    /// code of a day serves any sender, so there a network guesses as a whole, unless the word is such as ordinary mail has.
    /// Behind a relay only the sender is known.
    async fn guesses(
        &self,
        cx: &Context<'_>,
        written: &Written<'_>,
        sender: &Address,
        found: &Found,
    ) -> Result<i64, Fault> {
        let origin = (cx.via() != Via::Relay).then(|| cx.origin());
        let own = self.memory.guesser(origin, Some(self.memory.sender(sender)));
        let of_all = origin.filter(|_| self.config.daily && written.mixed);
        let of_all = of_all.map(|origin| self.memory.guesser(Some(origin), None));
        match (found, of_all) {
            (Found::Day, Some(of_all)) => self.memory.guessed(of_all, 0, cx.now()).await,
            (Found::Day | Found::Mail(_), _) => self.memory.guessed(own, 0, cx.now()).await,
            (Found::Unknown, of_all) => {
                if let Some(of_all) = of_all {
                    self.memory.guessed(of_all, 1, cx.now()).await?;
                }
                self.memory.guessed(own, 1, cx.now()).await
            }
        }
    }

    async fn judge(&self, cx: &Context<'_>, envelope: &Envelope, message: &Message) -> Result<Opinion, Fault> {
        let Some(sender) = envelope.from.mailbox() else {
            return Ok(Opinion::none());
        };
        let Some(subject) = message.headers().get("Subject") else {
            return Ok(Opinion::none());
        };
        let subject = subject.decoded(words::SUBJECT_MAX);
        let author = self.memory.author(message.headers());
        for written in words::codes(&subject) {
            let found = self.look_up(&written.code, cx.now()).await?;
            let guesses = self.guesses(cx, &written, sender, &found).await?;
            if guesses >= i64::from(self.config.guesses) {
                let note = format!("{guesses} words that may be codes and are none came from there within an hour");
                return Ok(Opinion::none().with(remark(GUESSING, note)));
            }
            match found {
                Found::Unknown => {}
                Found::Day => return Ok(let_in(DAY_CODE, &written, message)),
                Found::Mail(offered) if !offered.is_for(self.memory.sender(sender), author) => {
                    let note = format!("{}: another sender's, or in another author's name", written.code);
                    return Ok(Opinion::none().with(remark(OTHER, note)));
                }
                Found::Mail(offered) => return self.claim(cx, envelope, message, &written, &offered).await,
            }
        }
        Ok(Opinion::none())
    }

    /// Lets the mail in if the code names all of its recipients and none of them has let in another with it. A mail that
    /// only some of them got would be accepted, and its sender would never learn of the others.
    async fn claim(
        &self,
        cx: &Context<'_>,
        envelope: &Envelope,
        message: &Message,
        written: &Written<'_>,
        offered: &Offered,
    ) -> Result<Opinion, Fault> {
        let code = &written.code;
        let recipients: Vec<_> = envelope
            .recipients
            .iter()
            .map(|to| self.memory.recipient(&to.path))
            .collect();
        if !offered.names(&recipients) {
            let note = format!("{code}: not for all of its recipients");
            return Ok(Opinion::none().with(remark(OTHER, note)));
        }
        let mail = self.memory.mail(message)?;
        let until = cx.now() + self.life();
        let used = || {
            let note = format!("{code}: another mail came in with it before");
            Ok(Opinion::none().with(remark(USED, note)))
        };
        // A mail that one of them must not get uses the code up for none of the others.
        if !self.memory.is_free(code, &recipients, mail, cx.now()).await? {
            return used();
        }
        // Nor does one of two that come in the same moment get in, though both may have used up a part of it.
        for recipient in recipients {
            let claim = self.memory.claim(code, recipient, mail, until, cx.now()).await?;
            if claim == Claim::Used {
                return used();
            }
        }
        Ok(let_in(CODE, written, message))
    }

    /// Puts down for whom the code was that the sender has just been told.
    async fn offer(&self, cx: &Context<'_>, record: &Record, message: Option<&Message>) -> Result<(), Fault> {
        let Some(envelope) = cx.envelope() else { return Ok(()) };
        let Some(sender) = envelope.from.mailbox() else {
            return Ok(());
        };
        let code = Code::of_mail(&self.seed, &record.id);
        let told = |reply: &str| {
            let mut words = reply.split(|c: char| !c.is_ascii_alphanumeric());
            words.any(|word| word == code.as_str())
        };
        let refused = record
            .recipients
            .iter()
            .filter(|row| row.fate == "refuse" && told(&row.reply));
        let recipients: Vec<_> = refused
            .filter_map(|row| Some(self.memory.recipient(&envelope.recipient(row.id)?.path)))
            .take(RECIPIENTS_MAX)
            .collect();
        if recipients.is_empty() {
            return Ok(());
        }
        let author = message.map_or_else(|| self.memory.nobody(), |message| self.memory.author(message.headers()));
        let offered = Offered::new(self.memory.sender(sender), author, recipients);
        self.memory.offer(&code, &offered, cx.now() + self.life()).await
    }

    /// Makes the sender of a mail that came in with a code welcome to those who got it.
    async fn welcome(&self, cx: &Context<'_>, record: &Record) -> Result<(), Fault> {
        let Some(envelope) = cx.envelope().filter(|_| record.reply.starts_with('2')) else {
            return Ok(());
        };
        let Some(sender) = envelope.from.mailbox() else {
            return Ok(());
        };
        // Who stands behind SRS is the word of whoever wrote it, and welcomes nobody.
        let behind = gatepost_core::tagged::original(sender);
        if behind.domain().key() != sender.domain().key() {
            return Ok(());
        }
        // Only where the code let it in, and not where it was found on mail that came in anyway.
        let let_in = |row: &&gatepost_core::RecipientRecord| row.fate == "deliver" && row.because.contains(&CODE);
        let got = record.recipients.iter().filter(let_in);
        for row in got.take(WELCOME_MAX) {
            let Some(to) = envelope.recipient(row.id).and_then(|to| to.path.mailbox()) else {
                continue;
            };
            let request = Request::Add {
                list: List::Allow,
                reach: Reach::Person(to.key()),
                entries: vec![behind.key()],
            };
            let ourselves = Login::new(Resend::NAME, LoginBy::Ourselves);
            match self.desk.submit(&ourselves, request).await? {
                Receipt::Done(_) => {}
                Receipt::Refused(why) | Receipt::Failed(why) => {
                    tracing::warn!(
                        id = record.id,
                        why,
                        "resend: a sender could not be put on an allow list"
                    );
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The opinion on a mail with a good code.
fn let_in(tag: Tag, written: &Written<'_>, message: &Message) -> Opinion {
    let opinion = Opinion::none().with(remark(tag, written.code.to_string()));
    let opinion = opinion.wish(Wish::Exempt);
    match without(written, message) {
        Some(edit) => opinion.wish(Wish::Edit(edit)),
        None => opinion,
    }
}

/// The edit that takes the code out of the subject; none where a signature covers that, or nobody can tell.
fn without(written: &Written<'_>, message: &Message) -> Option<Edit> {
    let signed = SignedNames::of(message.headers());
    if signed.cut() || signed.contains("subject") {
        return None;
    }
    SubjectWord::new(written.word).ok().map(Edit::SubjectWithout)
}

#[async_trait]
impl Filter for Resend {
    async fn message(&self, cx: &Context<'_>, message: &Arc<Message>) -> Result<Opinion, Fault> {
        match cx.envelope() {
            Some(envelope) if !is_one_of_us(cx) => self.judge(cx, envelope, message).await,
            _ => Ok(Opinion::none()),
        }
    }

    async fn observe(&self, cx: &Context<'_>, record: &Record, message: Option<&Arc<Message>>) {
        if is_one_of_us(cx) {
            return;
        }
        if let Err(fault) = self.offer(cx, record, message.map(|message| &**message)).await {
            tracing::warn!(id = record.id, %fault, "resend: a code was told to a sender and could not be remembered");
        }
        if self.config.welcome
            && let Err(fault) = self.welcome(cx, record).await
        {
            tracing::warn!(id = record.id, %fault, "resend: a sender could not be put on an allow list");
        }
    }
}

impl FilterKind for Resend {
    const NAME: &'static str = "resend";
    const ABOUT: &'static str =
        "Lets mail in once that was refused for its content and comes again with the code from the refusal";
    const PHASES: Phases = Phases::MESSAGE;
    const MAY: Wishes = Wishes::EXEMPT.and(Wishes::EDIT);
    type Config = Config;

    fn build(config: Config, services: &Services) -> Result<Resend, BuildError> {
        if !(1..=30).contains(&config.days) {
            return Err(BuildError::at("days", "expected 1 to 30 days"));
        }
        if config.guesses == 0 {
            return Err(BuildError::at(
                "guesses",
                "expected 1 or more; with none no code would be taken",
            ));
        }
        Ok(Resend {
            memory: Memory::new(services.store.clone(), services.seed),
            seed: services.seed,
            desk: Arc::clone(&services.desk),
            config,
        })
    }
}

gatepost_core::inventory::submit! { Entry::of::<Resend>() }
