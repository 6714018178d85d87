//! What only the session could see, for filters and the log.

/// What the session saw of its client's manners. Facts are not judged here; they outlive transactions and STARTTLS.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Facts {
    /// The client spoke before it was greeted.
    pub early_talk: bool,
    /// The client sent on without waiting for our reply where it was not offered PIPELINING, or after HELO or EHLO.
    pub unasked_pipelining: bool,
    /// Octets came after DATA, STARTTLS or AUTH before our reply to it. They were refused, and the session closed.
    pub early_data: bool,
    /// A line of another protocol came, such as HTTP.
    pub foreign: bool,
    /// A command line held a bare CR, NUL or other control character, or a bare LF where that is not tolerated.
    pub bad_line: bool,
    /// Refused commands.
    pub errors: u32,
    /// Commands that brought no mail, since the last accepted message.
    pub junk: u32,
    /// Transactions that were asked for.
    pub mails: u32,
    /// Messages that were accepted.
    pub accepted: u32,
    /// Authentications that failed.
    pub auth_failures: u32,
    /// Why the session ended, once it has.
    pub end: Option<End>,
}

/// Why a session ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The client said QUIT.
    Quit,
    /// The client closed the connection, or its TLS.
    Gone,
    /// The client was too slow: 421 4.4.2, or a silent end within the TLS handshake.
    Timeout,
    /// Too many errors, junk commands, transactions or failed authentications: 421 4.7.0.
    TooMany,
    /// The server is stopping: 421 4.3.2.
    Drained,
    /// Octets before our reply to DATA, STARTTLS or AUTH: 554 5.5.0, or silence once TLS was promised.
    EarlyData,
    /// The client speaks another protocol.
    Foreign,
    /// The end of a message did not come within the bound: 421 4.3.4.
    TooLarge,
    /// An answer of 421, or a refusal to greet.
    Refused,
    /// The driver aborted.
    Aborted,
    /// The driver gave more than [`Session::room`](super::Session::room): 421 4.3.0.
    Flooded,
}
