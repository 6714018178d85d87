//! What the machine says on its own account.

use crate::reply::{Enhanced, Reply};

macro_rules! says {
    ($($name:ident = $code:literal $class:literal $subject:literal $detail:literal $text:literal;)*) => {
        $(pub const $name: Reply = Reply::fixed($code, Enhanced($class, $subject, $detail), $text);)*
    };
}

says! {
    OK = 250 2 0 0 "Ok";
    BYE = 221 2 0 0 "Goodbye";
    HELP = 214 2 0 0 "See RFC 5321";
    VRFY = 252 2 1 5 "Send some mail, I will try my best";
    READY_FOR_TLS = 220 2 0 0 "Ready to start TLS";

    DRAINED = 421 4 3 2 "The server is stopping, come again soon";
    TIMEOUT = 421 4 4 2 "Timeout, closing the connection";
    TOO_MANY = 421 4 7 0 "Too many errors or idle commands, closing the connection";
    FLOODED = 421 4 3 0 "Too much input, closing the connection";
    ENDLESS = 421 4 3 4 "The message is far too large, closing the connection";
    LOCAL = 451 4 3 0 "Local error, try again later";
    TOO_MANY_RECIPIENTS = 452 4 5 3 "Too many recipients, send the others in another transaction";

    LINE_TOO_LONG = 500 5 5 2 "Line too long";
    BAD_LINE_END = 500 5 5 2 "Lines must end in CR LF";
    CONTROL = 500 5 5 2 "Control character in command";
    BAD_BASE64 = 501 5 5 2 "Not base64";
    AUTH_LINE_TOO_LONG = 500 5 5 6 "Authentication line too long";
    AUTH_CANCELLED = 501 5 7 0 "Authentication cancelled";
    NOT_OFFERED = 502 5 5 1 "Command not implemented";
    HELO_FIRST = 503 5 5 1 "Send HELO or EHLO first";
    EHLO_FIRST = 503 5 5 1 "Send EHLO first";
    NESTED_MAIL = 503 5 5 1 "Sender already given";
    MAIL_FIRST = 503 5 5 1 "Send MAIL first";
    IN_TRANSACTION = 503 5 5 1 "Not within a transaction";
    TLS_ACTIVE = 503 5 5 1 "TLS is active already";
    AUTHENTICATED = 503 5 5 1 "Authenticated already";
    UNKNOWN_MECHANISM = 504 5 5 4 "Mechanism not offered";
    TLS_FIRST = 530 5 7 0 "Send STARTTLS first";
    AUTH_FIRST = 530 5 7 0 "Authentication required";
    AUTH_WANTS_TLS = 538 5 7 11 "Authentication needs encryption, send STARTTLS first";
    EARLY_DATA = 554 5 5 0 "You must wait for the reply before you go on";
    NO_RECIPIENTS = 554 5 5 1 "No valid recipients";
    NEEDS_SMTPUTF8 = 553 5 6 7 "The address needs SMTPUTF8, which MAIL did not ask for";
    TOO_LARGE = 552 5 3 4 "The message is too large";
    BARE_CR = 550 5 6 0 "The message has a CR without LF";
    BARE_LF = 550 5 6 0 "The message has an LF without CR";
    NUL = 550 5 6 0 "The message has a NUL";
    NEAR_MISS = 550 5 6 0 "The message has a dot line that does not end in CR LF";
}

/// Goes before the replies for each recipient (draft-hall-prdr-00).
pub const EACH: Reply = Reply::plain(353, "One reply for each recipient follows");
