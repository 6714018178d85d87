//! What a filter may look at while it forms an opinion.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use gatepost_message::Message;
use gatepost_smtp::{Helo, Path, Time};

use crate::envelope::{Client, Direction, Envelope, Facts, Login};
use crate::fault::Fault;
use crate::identity::{Identify, Identity, Reverse, Sender, Spf, SpfResult};

/// An answer that several filters wait for and one of them drives. Knows no runtime: whoever polls it, drives it, and if
/// that one gives up (its patience is over) the next one goes on.
type Asked<T> = Shared<BoxFuture<'static, Result<T, Fault>>>;
/// The answer and what it was asked about.
type Remembered<K, T> = Mutex<Option<(K, Asked<T>)>>;

/// One message and no other, be it of the same octets. Held, so that its place in memory stays its own.
struct Same(Arc<Message>);

impl PartialEq for Same {
    fn eq(&self, other: &Same) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// The answers of [`Identify`] for one session, each asked at most once for the same question.
///
/// Reverse name by origin, SPF by origin, HELO and sender, identity by message: so the order of filters cannot matter
/// to them, and nobody pays for what nobody asks.
pub struct Memo {
    identify: Arc<dyn Identify>,
    reverse: Remembered<IpAddr, Reverse>,
    spf: Remembered<Sender, Spf>,
    identity: Remembered<(Sender, Same), Identity>,
}

fn recall<K: PartialEq, T: Clone + Send + 'static>(
    cell: &Remembered<K, T>,
    key: K,
    ask: impl FnOnce() -> BoxFuture<'static, Result<T, Fault>>,
) -> Asked<T> {
    let mut cell = cell.lock().unwrap_or_else(PoisonError::into_inner);
    match &*cell {
        Some((known, asked)) if *known == key => asked.clone(),
        _ => {
            let asked = ask().shared();
            *cell = Some((key, asked.clone()));
            asked
        }
    }
}

impl Memo {
    /// Nothing asked yet.
    pub fn new(identify: Arc<dyn Identify>) -> Memo {
        Memo {
            identify,
            reverse: Mutex::default(),
            spf: Mutex::default(),
            identity: Mutex::default(),
        }
    }

    /// The reverse name of `origin`.
    pub async fn reverse(&self, origin: IpAddr) -> Result<Reverse, Fault> {
        let identify = Arc::clone(&self.identify);
        recall(&self.reverse, origin, || {
            async move { identify.reverse(origin).await }.boxed()
        })
        .await
    }

    /// What SPF says about `sender`.
    pub async fn spf(&self, sender: Sender) -> Result<Spf, Fault> {
        self.ask_spf(sender).await
    }

    fn ask_spf(&self, sender: Sender) -> Asked<Spf> {
        let identify = Arc::clone(&self.identify);
        let asked = sender.clone();
        recall(&self.spf, sender, || {
            async move {
                match asked.known {
                    true => identify.spf(&asked).await,
                    // Of whom it should be asked nobody knows.
                    false => Ok(Spf::default()),
                }
            }
            .boxed()
        })
    }

    /// Whom `message` is proven to be from. SPF is part of that, and asked for once with it.
    pub async fn identity(&self, sender: Sender, message: &Arc<Message>) -> Result<Identity, Fault> {
        let identify = Arc::clone(&self.identify);
        let asked = sender.clone();
        let held = Arc::clone(message);
        let spf = self.ask_spf(sender.clone());
        let key = (sender, Same(Arc::clone(message)));
        recall(&self.identity, key, || {
            async move {
                let trouble = |_| Spf::new(SpfResult::TempError, None, None);
                let spf = spf.await.unwrap_or_else(trouble);
                identify.identity(&asked, &spf, &held).await
            }
            .boxed()
        })
        .await
    }

    /// Lets go of the message that the last identity was asked about.
    pub fn forget_message(&self) {
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Who stands between the origin of a mail and us.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Via {
    /// Nobody: the client is the origin.
    #[default]
    Nobody,
    /// A trusted relay, and the origin is not known: the message is not there yet, or its header does not tell. Filters
    /// are asked about the message only.
    Relay,
    /// A trusted relay, and its header told the origin. Filters are asked about every moment of the session then, as if
    /// the origin itself had called.
    Traced,
}

/// What stays the same from a session's first moment to its last, or changes only with TLS, HELO and AUTH.
#[derive(Clone)]
#[non_exhaustive]
pub struct Visit {
    /// Which way mail flows here.
    pub direction: Direction,
    /// The name of the listener.
    pub listener: Arc<str>,
    /// The peer.
    pub client: Client,
    /// The address to judge: the client's, or behind a trusted relay the one found in the headers.
    pub origin: IpAddr,
    /// Who stands between the origin and us.
    pub via: Via,
    /// What the origin called itself, as the trusted relay wrote it down.
    pub origin_helo: Option<Helo>,
    /// Who authenticated to us.
    pub login: Option<Login>,
    /// Who it says it is.
    pub helo: Option<Helo>,
    /// The forward-confirmed reverse name of the client's address, once it was looked up for the mail server and for
    /// `Received`. Filters ask [`Context::reverse`].
    pub reverse: Option<Box<str>>,
}

impl Visit {
    /// A visit that has just begun.
    pub fn new(direction: Direction, listener: Arc<str>, client: Client) -> Visit {
        let origin = client.address;
        Visit {
            direction,
            listener,
            client,
            origin,
            via: Via::Nobody,
            origin_helo: None,
            login: None,
            helo: None,
            reverse: None,
        }
    }

    /// The client is a trusted relay: whom it brings mail from is not known yet.
    pub fn relayed(&mut self) {
        (self.origin, self.via, self.origin_helo) = (self.client.address, Via::Relay, None);
    }

    /// The relay's header told where the mail comes from.
    pub fn traced(&mut self, origin: IpAddr, helo: Option<Helo>) {
        (self.origin, self.via, self.origin_helo) = (origin.to_canonical(), Via::Traced, helo);
    }

    /// What whoever is judged called itself.
    pub fn helo_to_judge(&self) -> Option<&Helo> {
        match self.via {
            Via::Traced => self.origin_helo.as_ref(),
            Via::Nobody | Via::Relay => self.helo.as_ref(),
        }
    }

    /// What SPF is asked about.
    pub fn sender(&self, from: &Path) -> Sender {
        let sender = Sender::new(self.origin, self.helo_to_judge().cloned(), from.clone());
        match self.via {
            Via::Relay => sender.unknown(),
            Via::Nobody | Via::Traced => sender,
        }
    }
}

/// What a filter may look at. Accessors only, so that it can grow.
pub struct Context<'a> {
    now: Time,
    visit: &'a Visit,
    envelope: Option<&'a Envelope>,
    facts: Facts,
    message: Option<&'a Arc<Message>>,
    memo: &'a Memo,
}

impl<'a> Context<'a> {
    /// A context for one moment. The pipeline makes them; so do a filter's tests.
    pub fn new(now: Time, visit: &'a Visit, memo: &'a Memo) -> Context<'a> {
        Context {
            now,
            visit,
            envelope: None,
            facts: Facts::default(),
            message: None,
            memo,
        }
    }

    /// The same with an envelope.
    #[must_use]
    pub fn with_envelope(mut self, envelope: &'a Envelope) -> Context<'a> {
        self.envelope = Some(envelope);
        self
    }

    /// The same with the session's facts.
    #[must_use]
    pub fn with_facts(mut self, facts: Facts) -> Context<'a> {
        self.facts = facts;
        self
    }

    /// The same with the message.
    #[must_use]
    pub fn with_message(mut self, message: &'a Arc<Message>) -> Context<'a> {
        self.message = Some(message);
        self
    }

    /// The time of this moment. A filter asks no other clock.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Which way mail flows here.
    pub fn direction(&self) -> Direction {
        self.visit.direction
    }

    /// The name of the listener.
    pub fn listener(&self) -> &str {
        &self.visit.listener
    }

    /// The peer of the session: its address, port and TLS.
    pub fn client(&self) -> &Client {
        &self.visit.client
    }

    /// The address to judge: the client's, or behind a trusted relay the one found in the headers.
    pub fn origin(&self) -> IpAddr {
        self.visit.origin
    }

    /// Who stands between the origin and us. While that is [`Via::Relay`], the origin is the relay's own address, and
    /// nothing must be counted for or against it.
    pub fn via(&self) -> Via {
        self.visit.via
    }

    /// Who authenticated to us, by AUTH or trusted network.
    pub fn login(&self) -> Option<&Login> {
        self.visit.login.as_ref()
    }

    /// What the client calls itself, or behind a trusted relay the origin; none before HELO, and where it is not known.
    pub fn helo(&self) -> Option<&Helo> {
        self.visit.helo_to_judge()
    }

    /// MAIL and the recipients granted so far; none before MAIL.
    pub fn envelope(&self) -> Option<&Envelope> {
        self.envelope
    }

    /// What only the session could see.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The reverse name of the origin; none where the origin is not known. Waits for DNS the first time.
    pub async fn reverse(&self) -> Result<Reverse, Fault> {
        if self.visit.via == Via::Relay {
            return Ok(Reverse::default());
        }
        self.memo.reverse(self.visit.origin).await
    }

    /// What SPF says about origin, HELO and sender; [`SpfResult::Unknown`](crate::SpfResult::Unknown) before MAIL
    /// and where the origin is not known.
    pub async fn spf(&self) -> Result<Spf, Fault> {
        match self.sender() {
            Some(sender) => self.memo.spf(sender).await,
            None => Ok(Spf::default()),
        }
    }

    /// Whom SPF, DKIM and DMARC prove the mail to be from; [`Identity::unknown`] before the message is there.
    pub async fn identity(&self) -> Result<Identity, Fault> {
        match (self.sender(), self.message) {
            (Some(sender), Some(message)) => self.memo.identity(sender, message).await,
            _ => Ok(Identity::unknown()),
        }
    }

    fn sender(&self) -> Option<Sender> {
        Some(self.visit.sender(&self.envelope?.from))
    }
}
