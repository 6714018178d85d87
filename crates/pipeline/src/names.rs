//! The names and identities of one session, and what became known of them: a [`Memo`] for filters, with a witness for
//! the record, which tells what somebody asked and asks nothing itself.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use gatepost_core::{Fault, Identify, Identity, Memo, Message, Reverse, Sender, Spf, async_trait};

/// Names as filters ask them.
pub struct Names {
    /// What contexts hold.
    pub memo: Memo,
    witness: Arc<Witness>,
}

struct Witness {
    identify: Arc<dyn Identify>,
    known: Mutex<Known>,
}

/// What became known.
#[derive(Clone, Default)]
pub struct Known {
    /// The reverse name of the address to judge.
    pub reverse: Option<Reverse>,
    /// What SPF said, and of whom.
    pub spf: Option<(Sender, Spf)>,
    /// Whom the message is proven to be from.
    pub identity: Option<(Sender, Identity)>,
}

impl Names {
    /// Nothing asked yet.
    pub fn new(identify: &Arc<dyn Identify>) -> Arc<Names> {
        let witness = Arc::new(Witness {
            identify: Arc::clone(identify),
            known: Mutex::default(),
        });
        Arc::new(Names {
            memo: Memo::new(Arc::clone(&witness) as Arc<dyn Identify>),
            witness,
        })
    }

    /// What became known so far.
    pub fn known(&self) -> Known {
        self.witness
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Witness {
    fn note<T>(&self, answer: Result<T, Fault>, note: impl FnOnce(&mut Known, &T)) -> Result<T, Fault> {
        if let Ok(answer) = &answer {
            note(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner), answer);
        }
        answer
    }
}

#[async_trait]
impl Identify for Witness {
    async fn reverse(&self, origin: IpAddr) -> Result<Reverse, Fault> {
        let answer = self.identify.reverse(origin).await;
        self.note(answer, |known, answer| known.reverse = Some(answer.clone()))
    }

    async fn spf(&self, sender: &Sender) -> Result<Spf, Fault> {
        let answer = self.identify.spf(sender).await;
        self.note(answer, |known, answer| {
            known.spf = Some((sender.clone(), answer.clone()))
        })
    }

    async fn identity(&self, sender: &Sender, spf: &Spf, message: &Arc<Message>) -> Result<Identity, Fault> {
        let answer = self.identify.identity(sender, spf, message).await;
        self.note(answer, |known, answer| {
            known.identity = Some((sender.clone(), answer.clone()))
        })
    }
}
