//! The mail server behind us, as a transaction sees it.

use async_trait::async_trait;
use gatepost_message::Edited;
use gatepost_smtp::relay::Loss;
use gatepost_smtp::{MailParams, Path, RcptParams, Reply};

use crate::context::Visit;

/// A message on its way to the mail server.
pub struct Consignment<'a> {
    /// The envelope sender.
    pub from: &'a Path,
    /// Its parameters.
    pub params: &'a MailParams,
    /// Those recipients, by their place among the ones that the server accepted in this transaction, who get it. The
    /// places hold for every batch of one mail, until the next transaction's first recipient.
    pub to: &'a [usize],
    /// The message with its marks.
    pub message: Edited,
    /// The last look before the final dot: whether the client is gone, so that the mail must not be delivered.
    pub gone: &'a (dyn Fn() -> bool + Send + Sync),
}

/// How a delivery went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// The server's reply to the final dot, or what it said instead.
    pub reply: Reply,
    /// Recipients (by the same places) whom it accepted first and refused then: when a part of them was named again, or where
    /// MAIL asked for a reply about each (PRDR), when it had the message. They have nothing.
    pub refused: Vec<(usize, Reply)>,
}

/// One client's way to the mail server. A connection is opened by the first RCPT, and serves all transactions of the
/// client's session.
#[async_trait]
pub trait Upstream: Send + Sync {
    /// Names a recipient. The first one of a transaction opens it there; a refusal of MAIL answers it.
    async fn rcpt(
        &mut self,
        visit: &Visit,
        from: &Path,
        params: &MailParams,
        to: &Path,
        rcpt: &RcptParams,
    ) -> Result<Reply, Loss>;
    /// Whether the last reply of [`rcpt`](Upstream::rcpt) was to RCPT itself. A refusal of MAIL answers the first
    /// recipient, too, and says nothing of it; so does every reply where the two cannot be told apart.
    fn answered_rcpt(&self) -> bool {
        false
    }
    /// Sends the message. After an error, nothing was delivered unless [`Loss`] says that the dot was sent.
    async fn deliver(&mut self, consignment: Consignment<'_>) -> Result<Delivery, Loss>;
    /// Ends the transaction there without a message. Trouble closes the connection.
    async fn reset(&mut self);
    /// Passes AUTH on: the mechanism and initial response first, lines after. A reply of 334 asks for more.
    async fn auth(&mut self, visit: &Visit, mechanism: &str, initial: Option<&str>) -> Result<Reply, Loss>;
    /// The next line of AUTH; `*` cancels.
    async fn auth_line(&mut self, line: &str) -> Result<Reply, Loss>;
    /// Says goodbye.
    async fn close(&mut self);
    /// Where it leads, `host:port`, for the record.
    fn name(&self) -> &str;
    /// Whether it tells the server the client's reverse name, so that somebody must look it up before
    /// [`rcpt`](Upstream::rcpt) and write it into [`Visit::reverse`].
    fn wants_name(&self) -> bool {
        false
    }
    /// What is missing there that configuration asks for, in words for the record.
    fn missing(&self) -> Option<&str> {
        None
    }
    /// Whether a connection is told who its client is, so that it serves no other one ([`Visit`]). Whoever has mail of
    /// several clients to deliver takes a way of its own for each then.
    fn introduces(&self) -> bool {
        false
    }
}

/// Where the ways to mail servers come from.
pub trait Upstreams: Send + Sync {
    /// A way by a route's name. Nothing is connected yet.
    fn upstream(&self, route: &str) -> Option<Box<dyn Upstream>>;
    /// Whether a mail server of the route is believed to answer: mail that waits is tried as soon as it is. A route that
    /// nobody knows is not up. Blocks for nothing.
    fn is_up(&self, route: &str) -> bool {
        let _ = route;
        true
    }
    /// What is wrong where no mail server of the route is there, in words that name one; none where nobody knows. Blocks for
    /// nothing.
    fn wrong(&self, route: &str) -> Option<String> {
        let _ = route;
        None
    }
    /// Whether all mail servers of the route are believed to be away, so that a client's mail may wait without anybody being
    /// asked. One that nobody has asked yet, after a start, is neither up nor away. Blocks for nothing.
    fn is_away(&self, route: &str) -> bool {
        !self.is_up(route)
    }
}
