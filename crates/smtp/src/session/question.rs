//! What the machine asks its driver, and what it may be answered.

use std::fmt;

use crate::address::Path;
use crate::body::Notes;
use crate::command::{Etrn, Helo, MailParams, RcptParams};
use crate::reply::Reply;

/// Something that only the driver can answer. Each is answered once; none is asked while another is open.
///
/// What the driver keeps of a transaction it begins at `Mail` answered 2xx. It is over when `Message` or `Spoilt` is
/// answered, when `Data` is refused, at `Reset`, and when the machine says [`Output::Close`](super::Output::Close).
/// `{:?}` shows no credentials.
#[derive(Clone, PartialEq, Eq)]
pub enum Question {
    /// Somebody connected. 220 is the greeting; 4xx or 5xx is said, then the session closes.
    Connect,
    /// HELO or EHLO. After 2xx the machine words the answer itself; anything else is said, and what held before
    /// holds still. A transaction that was open has ended already, with `Reset`.
    Helo(Helo),
    /// AUTH, under TLS, with a mechanism that is offered. [`Answer::Challenge`] goes on, 235 authenticates, any other
    /// reply is a failure and is counted.
    Auth {
        /// In upper case.
        mechanism: Box<str>,
        /// Base64 as written; `=` is an empty one.
        initial: Option<Box<str>>,
    },
    /// The client's answer to a challenge: base64, perhaps empty, at most
    /// [`Limits::auth_line`](super::Limits::auth_line) octets. Answered as `Auth` is.
    AuthLine(Box<str>),
    /// The client cancelled the exchange or broke it. The machine words the reply.
    AuthCancelled,
    /// MAIL. 2xx begins a transaction.
    Mail {
        /// The reverse path.
        from: Path,
        /// The parameters; each was offered.
        params: MailParams,
    },
    /// RCPT. 2xx grants the recipient.
    Rcpt {
        /// The forward path.
        to: Path,
        /// The parameters; each was offered.
        params: RcptParams,
    },
    /// DATA, with at least one recipient granted. 354 opens the message; 4xx or 5xx is said and ends the transaction.
    Data,
    /// The end of the message was seen, and its content has all been given out. The answer is said and ends the
    /// transaction. Before anything is done that cannot be undone: [`Session::gone`](super::Session::gone).
    Message {
        /// Octets of content.
        size: u64,
        /// What was not canonical in it.
        notes: Notes,
    },
    /// The end of the message was seen, and the machine refuses it; its content was not all given out. Whatever is
    /// answered, `reply` is said.
    Spoilt {
        /// What the client will hear.
        reply: Reply,
        /// Octets of content.
        size: u64,
        /// What was not canonical in it.
        notes: Notes,
    },
    /// ETRN, outside of a transaction (RFC 1985): whoever is there asks for mail that waits for him. 250 to 253, 458 or 459 is
    /// said; what is done is the driver's affair.
    Etrn(Etrn),
    /// The open transaction is over without a message. Whatever is answered, the machine goes on.
    Reset(Why),
}

/// Why a transaction ended without a message while the session goes on. STARTTLS and AUTH are refused within one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// RSET.
    Rset,
    /// HELO or EHLO (RFC 5321 §4.1.4).
    Helo,
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Question::Connect => f.write_str("Connect"),
            Question::Helo(helo) => f.debug_tuple("Helo").field(helo).finish(),
            Question::Auth { mechanism, initial } => f
                .debug_struct("Auth")
                .field("mechanism", mechanism)
                .field("initial", &initial.as_ref().map(|_| "..."))
                .finish(),
            Question::AuthLine(_) => f.write_str("AuthLine(...)"),
            Question::AuthCancelled => f.write_str("AuthCancelled"),
            Question::Mail { from, params } => f
                .debug_struct("Mail")
                .field("from", from)
                .field("params", params)
                .finish(),
            Question::Rcpt { to, params } => f.debug_struct("Rcpt").field("to", to).field("params", params).finish(),
            Question::Data => f.write_str("Data"),
            Question::Message { size, notes } => f
                .debug_struct("Message")
                .field("size", size)
                .field("notes", notes)
                .finish(),
            Question::Spoilt { reply, size, notes } => f
                .debug_struct("Spoilt")
                .field("reply", reply)
                .field("size", size)
                .field("notes", notes)
                .finish(),
            Question::Etrn(whose) => f.debug_tuple("Etrn").field(whose).finish(),
            Question::Reset(why) => f.debug_tuple("Reset").field(why).finish(),
        }
    }
}

/// The driver's word on a question.
///
/// An answer that does not fit its question (a challenge to MAIL, 2xx to DATA, 354 to anything else) is a fault of
/// ours: the client hears 451 4.3.0 and nothing is granted. A reply of 421 is said and closes the session.
#[derive(Clone, PartialEq, Eq)]
pub enum Answer {
    /// What the client will hear, unless the question says otherwise.
    Reply(Reply),
    /// More is wanted of an AUTH exchange: base64, perhaps empty, said after 334.
    Challenge(Box<str>),
    /// To `Message`: one reply of one line for each granted recipient, in the order of their RCPT, and the last word. If MAIL did
    /// not ask for PRDR, there is but one recipient, or the number is wrong, the client hears the last word only.
    Each(Vec<Reply>, Reply),
    /// Said, a 4xx or 5xx, and then the session closes; an open transaction is over without a message.
    Close(Reply),
    /// Close without another word.
    Abort,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Reply(reply) => f.debug_tuple("Reply").field(reply).finish(),
            Answer::Challenge(_) => f.write_str("Challenge(...)"),
            Answer::Each(each, last) => f.debug_tuple("Each").field(each).field(last).finish(),
            Answer::Close(reply) => f.debug_tuple("Close").field(reply).finish(),
            Answer::Abort => f.write_str("Abort"),
        }
    }
}
