//! Looking for danger in a mail that has been lying here: by the filters that ask about danger, as they are now.
//!
//! **Invariants:** filters that ask about spam are not asked, so nothing that is only unwanted keeps a mail back; and a
//! filter that could not look is not taken for one that found nothing.

use std::sync::Arc;

use gatepost_core::message::Edit;
use gatepost_core::{
    Concern, Context, Envelope, Facts, Fate, Fault, Identify, Message, Phase, Reply, Tag, Time, Visit,
};

use crate::fusion::Fusion;
use crate::judge::{Openness, Whom, judge};
use crate::names::Names;
use crate::policy::{Action, Rules};
use crate::run::{Asked, Deadline, Runner};
use crate::said::Said;
use crate::slot::{Mode, Slot};

/// A mail, how it came, and by what it is looked at.
pub struct Look<'a> {
    /// The filters; only those that ask about danger are asked.
    pub tiers: &'a [Vec<Slot>],
    /// What the operator wants for mail to its recipient.
    pub rules: &'a Rules,
    /// Who tells whom it is from.
    pub identify: &'a Arc<dyn Identify>,
    /// Now.
    pub now: Time,
    /// The session in which it came.
    pub visit: &'a Visit,
    /// Its sender and the one recipient that it is looked at for.
    pub envelope: &'a Envelope,
    /// The mail.
    pub message: &'a Arc<Message>,
}

/// What was found.
#[derive(Clone, PartialEq, Debug)]
pub enum Found {
    /// Nothing that keeps it back. These edits take out what must not stay in it, and say so.
    Nothing(Vec<Edit>),
    /// It would not be delivered if it came now.
    Danger {
        /// Why, the weightiest first.
        because: Vec<Tag>,
        /// What a client would read, where it would be refused.
        reply: Option<Reply>,
    },
}

impl Look<'_> {
    /// Looks. A fault where somebody who was to look could not, whatever the operator wants of mail that comes then: whoever
    /// asks for a kept mail can ask again.
    pub async fn look(self) -> Result<Found, Fault> {
        let dangerous = |slot: &&Slot| slot.concern == Concern::Danger;
        let tiers: Vec<Vec<Slot>> = self
            .tiers
            .iter()
            .map(|tier| tier.iter().filter(dangerous).cloned().collect())
            .collect();
        let names = Names::new(self.identify);
        let cx = Context::new(self.now, self.visit, &names.memo)
            .with_facts(Facts::default())
            .with_envelope(self.envelope)
            .with_message(self.message);
        let recipient = self.envelope.recipients.first();
        let domain = recipient
            .and_then(|recipient| recipient.domain())
            .map(|domain| domain.key());
        let whom = Whom {
            id: recipient.map(|recipient| recipient.id),
            domain: domain.as_deref(),
            role: false,
        };
        let mut said: Vec<Arc<Said>> = Vec::new();
        let deadline = self.rules.deadline.0;
        Runner {
            tiers: &tiers,
            cx: &cx,
            asked: Asked::Message(self.message),
            domains: &[whom.domain],
            deadline: Some(Deadline::after(deadline, deadline)),
            deaf: |_| false,
        }
        .run(&mut said, |_| vec![Openness::Open])
        .await;
        let failed = |said: &&Arc<Said>| said.fault.is_some() && said.mode_for(whom.domain) >= Mode::Score;
        if let Some(said) = said.iter().find(failed) {
            tracing::warn!(
                filter = &*said.filter,
                why = said.fault.as_deref(),
                "a kept mail could not be looked at"
            );
            return Err(Fault::Unavailable("a filter that looks for danger does not answer"));
        }
        let verdict = judge(&in_earnest(self.rules), &Fusion::default(), &said, whom, Phase::Message).verdict;
        Ok(match verdict.fate {
            Fate::Deliver => Found::Nothing(verdict.marks.edits),
            Fate::Defer(_) => return Err(Fault::Unavailable("a filter that looks for danger wants more time")),
            Fate::Refuse(reply) => Found::Danger {
                because: verdict.because,
                reply: Some(reply),
            },
            _ => Found::Danger {
                because: verdict.because,
                reply: None,
            },
        })
    }
}

/// The same rules without the marks of levels, which are about spam, and without a dry run: that promises that nothing is
/// kept back which comes, and not that a virus may leave the archive.
fn in_earnest(rules: &Rules) -> Rules {
    let mut rules = rules.clone();
    rules.dry_run = false;
    for grade in &mut rules.levels {
        if matches!(grade.action, Action::Header | Action::Subject) {
            grade.action = Action::None;
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use gatepost_core::null::NoIdentify;
    use gatepost_core::{
        Client, Direction, Enhanced, Filter, MailParams, Opinion, Path, Phases, RcptParams, Recipient, RecipientId,
        Score, Wish, Wishes, async_trait,
    };

    use super::*;
    use crate::slot::OnFault;

    struct Says(Result<Opinion, Fault>);

    #[async_trait]
    impl Filter for Says {
        async fn message(&self, _: &Context<'_>, _: &Arc<Message>) -> Result<Opinion, Fault> {
            self.0.clone()
        }
    }

    fn slot(concern: Concern, mode: Mode, says: Result<Opinion, Fault>) -> Slot {
        Slot {
            name: "test".into(),
            mode,
            on_fault: OnFault::Ignore,
            patience: Slot::PATIENCE,
            phases: Phases::MESSAGE,
            concern,
            may: Wishes::REJECT.and(Wishes::HOLD).and(Wishes::EDIT).and(Wishes::DEFER),
            filter: Arc::new(Says(says)),
            domains: Arc::default(),
        }
    }

    async fn found(slots: Vec<Slot>, rules: &Rules) -> Result<Found, Fault> {
        let visit = Visit::new(
            Direction::Inbound,
            "mx".into(),
            Client::new("192.0.2.7".parse().expect("an address"), 1),
        );
        let mut envelope = Envelope::new(Path::Null, MailParams::default());
        let to = Path::forward("bob@d.example", false).expect("a path");
        envelope
            .recipients
            .push(Recipient::new(RecipientId(0), to, RcptParams::default()));
        let identify: Arc<dyn Identify> = Arc::new(NoIdentify);
        let look = Look {
            tiers: &[slots],
            rules,
            identify: &identify,
            now: Time::ZERO,
            visit: &visit,
            envelope: &envelope,
            message: &Arc::new(Message::from_bytes("A: b\r\n\r\n".as_bytes())),
        };
        look.look().await
    }

    fn reject() -> Opinion {
        Opinion::none().wish(Wish::Reject(Reply::fixed(550, Enhanced(5, 7, 1), "a virus")))
    }

    fn points(points: i32) -> Opinion {
        Opinion::points(Tag::new("test.points"), Score::points(points), "")
    }

    #[tokio::test]
    async fn only_danger_keeps_a_mail_back() {
        use Concern::{Danger, Spam};
        let rules = Rules::default();
        let clean = Ok(Found::Nothing(Vec::new()));
        for (slots, is_danger) in [
            (vec![], false),
            (vec![slot(Spam, Mode::Enforce, Ok(reject()))], false),
            (vec![slot(Spam, Mode::Enforce, Err(Fault::Unavailable("gone")))], false),
            (vec![slot(Danger, Mode::Enforce, Ok(points(7)))], false),
            (vec![slot(Danger, Mode::Enforce, Ok(points(20)))], true),
            (vec![slot(Danger, Mode::Enforce, Ok(reject()))], true),
            (
                vec![slot(Danger, Mode::Enforce, Ok(Opinion::none().wish(Wish::Hold)))],
                true,
            ),
            (vec![slot(Danger, Mode::Score, Ok(reject()))], false),
        ] {
            let found = found(slots, &rules).await;
            match is_danger {
                true => assert!(matches!(found, Ok(Found::Danger { .. })), "{found:?}"),
                false => assert_eq!(found, clean),
            }
        }
    }

    #[tokio::test]
    async fn a_dry_run_lets_no_danger_out() {
        let rules = Rules {
            dry_run: true,
            ..Rules::default()
        };
        let found = found(vec![slot(Concern::Danger, Mode::Enforce, Ok(reject()))], &rules).await;
        assert!(matches!(found, Ok(Found::Danger { .. })), "{found:?}");
    }

    #[tokio::test]
    async fn a_customers_levels_let_no_danger_out() {
        let layer = serde_json::from_str(r#"{"high": {"action": "header"}}"#).expect("a layer");
        let found = found(
            vec![slot(Concern::Danger, Mode::Score, Ok(points(20)))],
            &Rules::default().for_customer(&layer),
        )
        .await;
        assert!(matches!(found, Ok(Found::Danger { .. })), "{found:?}");
    }

    #[tokio::test]
    async fn whoever_could_not_look_has_not_found_nothing() {
        let gone = || Err(Fault::Unavailable("gone"));
        let found_by = async |mode| found(vec![slot(Concern::Danger, mode, gone())], &Rules::default()).await;
        assert!(matches!(found_by(Mode::Enforce).await, Err(Fault::Unavailable(_))));
        assert!(found_by(Mode::Monitor).await.is_ok(), "its word would not count");
        let later = Opinion::none().wish(Wish::Defer(Reply::plain(451, "later")));
        let found = found(vec![slot(Concern::Danger, Mode::Enforce, Ok(later))], &Rules::default()).await;
        assert!(matches!(found, Err(Fault::Unavailable(_))), "{found:?}");
    }

    #[tokio::test]
    async fn what_is_taken_out_is_taken_out_again() {
        let edit = Edit::prepend("X-Without", "one file").expect("a name");
        let opinion = Opinion::none().wish(Wish::Edit(edit.clone()));
        let slots = vec![slot(Concern::Danger, Mode::Enforce, Ok(opinion))];
        assert_eq!(found(slots, &Rules::default()).await, Ok(Found::Nothing(vec![edit])));
    }
}
