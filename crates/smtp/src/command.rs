//! Commands: one framed line in, one value out; and back again for the upstream.
//!
//! **Invariant:** nothing of a client's line goes further than the values here, and what is written from them is one
//! line that parses to the same values. **Absent on purpose:** the order of commands, which is the session's.

mod parse;
mod write;

use std::fmt;

use crate::address::{BadAddress, Path};
use crate::reply::{Enhanced, Reply};

pub use write::{mail_line, rcpt_line, xtext};

/// Who the client says it is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Helo {
    /// The argument as written: printable, no space, at most 255 octets. Whether it is a name, a literal or nonsense
    /// is for filters to judge; before it enters a header or a command it is validated again.
    pub name: Box<str>,
    /// EHLO rather than HELO.
    pub extended: bool,
}

/// BODY= of RFC 6152.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BodyType {
    /// 7BIT.
    SevenBit,
    /// 8BITMIME.
    EightBitMime,
}

/// RET= of RFC 3461.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ret {
    /// FULL.
    Full,
    /// HDRS.
    Headers,
}

/// NOTIFY= of RFC 3461. All false stands for NEVER.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Notify {
    /// SUCCESS.
    pub success: bool,
    /// FAILURE.
    pub failure: bool,
    /// DELAY.
    pub delay: bool,
}

/// The parameters of MAIL that Gatepost understands.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct MailParams {
    /// SIZE=, octets (RFC 1870).
    pub size: Option<u64>,
    /// BODY= (RFC 6152).
    pub body: Option<BodyType>,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// RET= (RFC 3461).
    pub ret: Option<Ret>,
    /// ENVID=, still in xtext, validated, at most 100 octets (RFC 3461 §4.4).
    pub envid: Option<Box<str>>,
    /// AUTH=, still in xtext, validated (RFC 4954 §5).
    pub auth: Option<Box<str>>,
    /// PRDR (draft-hall-prdr-00).
    pub prdr: bool,
}

/// The parameters of RCPT that Gatepost understands.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct RcptParams {
    /// NOTIFY= (RFC 3461).
    pub notify: Option<Notify>,
    /// ORCPT=, `type;xtext` as written, validated, at most 500 octets (RFC 3461 §4.2).
    pub orcpt: Option<Box<str>>,
}

/// Whose waiting mail is asked for with ETRN (RFC 1985).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Etrn {
    /// That of a domain, in lower case.
    Domain(Box<str>),
    /// `@`: that of a domain and of all below it.
    Below(Box<str>),
    /// `#`: that of a queue of this name, whatever it may mean to a server that has several.
    Queue(Box<str>),
}

/// One command of a client. Its `Debug` leaves out what AUTH carries.
#[derive(Clone, PartialEq, Eq)]
pub enum Command {
    /// HELO or EHLO.
    Helo(Helo),
    /// MAIL FROM.
    Mail(Path, MailParams),
    /// RCPT TO.
    Rcpt(Path, RcptParams),
    /// DATA.
    Data,
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// QUIT.
    Quit,
    /// VRFY.
    Vrfy,
    /// EXPN.
    Expn,
    /// HELP.
    Help,
    /// STARTTLS.
    StartTls,
    /// AUTH with its mechanism in upper case and perhaps an initial response, base64 as written (RFC 4954).
    Auth(Box<str>, Option<Box<str>>),
    /// ETRN.
    Etrn(Etrn),
    /// A verb of an extension that is not offered: BDAT, XCLIENT, XFORWARD, TURN, ATRN, BURL ...
    NotOffered,
}

/// Why a line is no command that can be obeyed; [`BadCommand::reply`] words it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadCommand {
    /// No verb of SMTP.
    Unknown,
    /// A verb of another protocol: GET, POST, CONNECT, or a header line. The session is closed.
    Foreign,
    /// The verb is known, its arguments do not follow its grammar.
    Syntax,
    /// The address does not follow RFC 5321 §4.1.2 or is too long.
    Address,
    /// The address is not ASCII and SMTPUTF8 was not asked for.
    NotAscii,
    /// A parameter of an extension that is not offered.
    Parameter,
    /// A known parameter with a value that it cannot have, or twice.
    ParameterValue,
    /// A control character, NUL or bare CR in the line.
    Control,
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Helo(helo) => f.debug_tuple("Helo").field(helo).finish(),
            Command::Mail(from, params) => f.debug_tuple("Mail").field(from).field(params).finish(),
            Command::Rcpt(to, params) => f.debug_tuple("Rcpt").field(to).field(params).finish(),
            Command::Auth(mechanism, initial) => {
                let initial = initial.as_ref().map(|_| "...");
                f.debug_tuple("Auth").field(mechanism).field(&initial).finish()
            }
            Command::Data => f.write_str("Data"),
            Command::Rset => f.write_str("Rset"),
            Command::Noop => f.write_str("Noop"),
            Command::Quit => f.write_str("Quit"),
            Command::Vrfy => f.write_str("Vrfy"),
            Command::Expn => f.write_str("Expn"),
            Command::Help => f.write_str("Help"),
            Command::StartTls => f.write_str("StartTls"),
            Command::Etrn(whose) => f.debug_tuple("Etrn").field(whose).finish(),
            Command::NotOffered => f.write_str("NotOffered"),
        }
    }
}

impl BadCommand {
    /// The answer to such a line.
    pub fn reply(self) -> Reply {
        match self {
            BadCommand::Unknown => Reply::fixed(500, Enhanced(5, 5, 1), "Command not recognized"),
            BadCommand::Foreign => Reply::fixed(421, Enhanced(4, 7, 0), "This is an SMTP server, closing"),
            BadCommand::Syntax => Reply::fixed(501, Enhanced(5, 5, 4), "Syntax error in the arguments"),
            BadCommand::Address => Reply::fixed(501, Enhanced(5, 1, 3), "Bad address syntax"),
            BadCommand::NotAscii => Reply::fixed(
                553,
                Enhanced(5, 6, 7),
                "Address is not ASCII and SMTPUTF8 was not asked for",
            ),
            BadCommand::Parameter => Reply::fixed(555, Enhanced(5, 5, 4), "Parameter not offered"),
            BadCommand::ParameterValue => Reply::fixed(501, Enhanced(5, 5, 4), "Bad parameter value"),
            BadCommand::Control => Reply::fixed(500, Enhanced(5, 5, 2), "Control character in the command"),
        }
    }
}

impl From<BadAddress> for BadCommand {
    fn from(bad: BadAddress) -> BadCommand {
        match bad {
            BadAddress::Syntax | BadAddress::TooLong => BadCommand::Address,
            BadAddress::NotAscii => BadCommand::NotAscii,
            BadAddress::Control => BadCommand::Control,
        }
    }
}
