//! What passes between the machine and its driver.

use super::question::{Answer, Question};
use crate::time::Time;

/// What TLS was agreed on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tls {
    /// The protocol's version, such as `TLSv1.3`.
    pub version: Box<str>,
    /// The cipher suite by its IANA name.
    pub cipher: Box<str>,
    /// The server name that the client asked for, if it did.
    pub server_name: Option<Box<str>>,
}

/// What the driver may give.
pub enum Input<'a> {
    /// Bytes of the client, in plain text; no more than there is [`room`](super::Session::room) for.
    Bytes(&'a [u8]),
    /// The client's side of the connection, or its TLS, ended. Nothing that it said and that was not obeyed yet will
    /// be, but for a QUIT alone; a message without its end is dropped.
    Eof,
    /// The TLS handshake after [`Output::StartTls`] succeeded.
    Secured(Tls),
    /// The answer to the open question.
    Answer(Answer),
    /// Time has passed: it is as late as the last Wait said.
    Tick,
    /// The server is stopping: the open transaction may finish, then the client hears 421 4.3.2.
    Drain,
}

/// What the driver is to do.
#[derive(PartialEq, Eq, Debug)]
pub enum Output<'a> {
    /// Write this to the client, all of it, before the next poll.
    Write(&'a [u8]),
    /// Content of the message: canonical, without stuffed dots.
    Body(&'a [u8]),
    /// Find the answer and give it.
    Ask(Question),
    /// Give one thing; [`Input::Tick`] if nothing came by `until`. Read from the client only if `read`.
    Wait {
        /// When the machine's patience ends; [`Time::FAR`] while a question is open.
        until: Time,
        /// Whether bytes are wanted.
        read: bool,
    },
    /// Begin the TLS handshake with the next octet of the connection; then give Secured, or Eof if it failed. Bytes
    /// given in between close the session.
    StartTls,
    /// Close the connection. A transaction that was open is over, without a message. From now on it is all that is
    /// said.
    Close,
}
