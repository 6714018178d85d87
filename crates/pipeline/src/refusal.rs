//! The words of every refusal: honest about whose fault it is, with an id that the postmaster can look up.
//!
//! **Invariants:** what a filter or policy refuses is worded as 5xx or 4xx as it was meant, whatever code the filter
//! wrote; a fault of ours is never worded as 5xx; all text is printable ASCII (a [`Reply`] sees to it).

use gatepost_core::smtp::reply::Class;
use gatepost_core::{Enhanced, Reply};

macro_rules! says {
    ($($(#[$doc:meta])* $name:ident = $code:literal $class:literal $subject:literal $detail:literal $text:literal;)*) => {
        $($(#[$doc])* pub const $name: Reply = Reply::fixed($code, Enhanced($class, $subject, $detail), $text);)*
    };
}

says! {
    /// RESET and the like.
    OK = 250 2 0 0 "Ok";
    /// MAIL.
    SENDER_OK = 250 2 1 0 "Sender ok";
    /// A recipient whom no mail server was asked about.
    RECIPIENT_OK = 250 2 1 5 "Recipient ok";
    /// A recipient that is not ours (P-16).
    NOT_LOCAL = 550 5 7 1 "Relaying denied, no mail is taken for this recipient here";
    /// An address that asks some servers to relay (P-16).
    RELAY_TRICK = 550 5 7 1 "Relaying denied, this form of address is not taken here";
    /// A recipient that does not exist, by a list or by what the mail server said before: the same words for all (G-13).
    UNKNOWN = 550 5 1 1 "No such recipient here";
    /// A recipient of another mail server than the first one's (P-33).
    OTHER_ROUTE = 451 4 3 2 "This recipient takes a transaction of its own, send again to it alone";
    /// A recipient of another class than the first one's (P-30).
    OTHER_CLASS = 451 4 7 1 "This recipient takes a transaction of its own, send again to it alone";
    /// More recipients than a transaction may name.
    TOO_MANY_RECIPIENTS = 452 4 5 3 "Too many recipients, send to the others in another transaction";
    /// Outbound mail of a sender that is none of ours, or not the one who logged in (P-15).
    NOT_YOUR_ADDRESS = 553 5 7 1 "You may not send from this address";
    /// The same of the From header.
    NOT_YOUR_AUTHOR = 550 5 7 1 "The From header names an address that you may not send from";
    /// Too many hops (P-44).
    LOOP = 554 5 4 6 "Too many hops, this mail goes round in a loop";
    /// A filter failed, and the operator wants mail to wait then.
    UNCHECKED = 451 4 7 1 "The mail cannot be checked at the moment, try again later";
    /// Nothing durable could be made of mail that policy wants to keep.
    NOT_KEPT = 451 4 3 0 "The mail cannot be stored at the moment, try again later";
    /// The filter that took the recipient could not do what the mail asks.
    NOT_TAKEN = 451 4 3 0 "The mail cannot be handled at the moment, try again later";
    /// A fault of ours.
    LOCAL = 451 4 3 0 "Local error, try again later";
    /// The mail server gave no answer that fits.
    UPSTREAM_ODD = 451 4 3 0 "The mail server gave no valid answer, try again later";
    /// The recipient's route leads nowhere.
    NO_ROUTE = 451 4 3 5 "No way to the mail server, try again later";
    /// The mail server lost what it was told of this transaction.
    UPSTREAM_LOST = 451 4 4 2 "The mail server was lost within the transaction, send again";
    /// The client is gone; nobody hears it.
    CLIENT_GONE = 451 4 4 2 "The connection to the client was lost";
    /// After a refusal that closes.
    /// AUTH without a mail server to ask.
    NO_AUTH = 454 4 7 0 "Authentication is not possible at the moment";
    /// What judgement by points says.
    UNWANTED = 550 5 7 1 "This message looks like spam";
    /// Accepted and kept.
    KEPT = 250 2 0 0 "Accepted";
}

/// What a client reads when points refuse its mail: printable ASCII, one line, with `{reason}`, `{id}` and `{code}`.
#[derive(Clone, PartialEq, Eq, Debug, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Template(Box<str>);

impl Template {
    /// The most characters of a template.
    pub const MAX: usize = 300;
    const PLACES: [&str; 3] = ["{reason}", "{id}", "{code}"];

    /// The text as configuration holds it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A refusal for a reason. `{id}` and `{code}` stay for [`worded`].
    pub fn refuse(&self, reason: &Reply) -> Reply {
        Reply::new(
            reason.code(),
            reason.enhanced(),
            self.0.replace("{reason}", reason.text()),
        )
    }
}

impl Default for Template {
    fn default() -> Template {
        Template("{reason}. If it is not, tell the postmaster this number: {id}".into())
    }
}

impl TryFrom<String> for Template {
    type Error = String;
    fn try_from(text: String) -> Result<Template, String> {
        let bare = Template::PLACES
            .iter()
            .fold(text.clone(), |text, place| text.replace(place, ""));
        if text.len() > Template::MAX || !text.bytes().all(|b| matches!(b, b' '..=b'~')) {
            Err(format!(
                "one line of at most {} printable ASCII characters",
                Template::MAX
            ))
        } else if bare.contains(['{', '}']) {
            Err("a text in which braces stand only around reason, id or code, as in {id}".into())
        } else {
            Ok(Template(text.into()))
        }
    }
}

impl From<Template> for String {
    fn from(template: Template) -> String {
        template.0.into()
    }
}

impl schemars::JsonSchema for Template {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Template".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "maxLength": Template::MAX,
            "description": "Printable ASCII; {reason}, {id} and {code} are filled in."
        })
    }
}

/// A reply as 5xx: what was meant as a refusal and has another code becomes 550 5.7.1.
pub fn permanent(reply: &Reply) -> Reply {
    of_class(reply, Class::Permanent, 550, Enhanced(5, 7, 1))
}

/// A reply as 4xx: what was meant as a delay and has another code becomes 451 4.7.1. A 421 would close the session,
/// which [`Wish::Close`](gatepost_core::Wish::Close) is for.
pub fn transient(reply: &Reply) -> Reply {
    if reply.code() == 421 {
        return Reply::new(451, reply.enhanced(), reply.text());
    }
    of_class(reply, Class::Transient, 451, Enhanced(4, 7, 1))
}

fn of_class(reply: &Reply, class: Class, code: u16, enhanced: Enhanced) -> Reply {
    if reply.class() == class {
        reply.clone()
    } else {
        Reply::new(code, Some(enhanced), reply.text())
    }
}

/// What a mail server answered, as the client hears it: with an enhanced code, never a 421 (that would close the
/// client's session, which is ours to close), never a 3xx.
pub fn relayed(reply: Reply) -> Reply {
    match reply.class() {
        Class::GoOn => UPSTREAM_ODD,
        _ if reply.code() == 421 => Reply::new(451, reply.enhanced(), reply.text()).coded(),
        _ => reply.coded(),
    }
}

/// A temporary trouble that leaves open whether the recipient exists (G-13): 450, the mailbox is not available, in place
/// of 451. The enhanced code and the words still say what the trouble is.
pub fn unverified(reply: Reply) -> Reply {
    match reply.class() {
        Class::Transient => Reply::new(450, reply.enhanced(), reply.text()).coded(),
        _ => reply,
    }
}

/// Fills in the id; a text that has no place for it gets it at its end. There is no code yet: its place is left empty.
pub fn worded(reply: Reply, id: &str) -> Reply {
    let text = reply.text().replace("{code}", "");
    let text = if text.contains("{id}") {
        text.replace("{id}", id)
    } else {
        let (before, last) = text
            .rsplit_once('\n')
            .map_or(("", text.as_str()), |(before, last)| (before, last));
        let room = Reply::MAX_TEXT.saturating_sub(id.len() + 6);
        let last = last.get(..last.len().min(room)).unwrap_or_default();
        let gap = if last.is_empty() { "" } else { " " };
        let lines = if before.is_empty() {
            String::new()
        } else {
            format!("{before}\n")
        };
        format!("{lines}{last}{gap}(id {id})")
    };
    Reply::new(reply.code(), reply.enhanced(), text).coded()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_the_id_once() {
        let plain = worded(NOT_LOCAL, "abc").to_string();
        assert_eq!(
            plain,
            "550 5.7.1 Relaying denied, no mail is taken for this recipient here (id abc)"
        );
        let placed = worded(Template::default().refuse(&UNWANTED), "abc").to_string();
        assert_eq!(
            placed,
            "550 5.7.1 This message looks like spam. If it is not, tell the postmaster this number: abc"
        );
        let lines = worded(Reply::new(550, None, "one\ntwo"), "abc").to_string();
        assert_eq!(lines, "550 5.0.0 one / two (id abc)");
        assert!(
            worded(Reply::new(550, None, "x".repeat(480)), "abc")
                .text()
                .ends_with("x (id abc)")
        );
        assert_eq!(worded(Reply::new(550, None, ""), "abc").text(), "(id abc)");
    }

    #[test]
    fn a_wrong_code_becomes_what_was_meant() {
        assert_eq!(permanent(&Reply::plain(250, "no")).to_string(), "550 5.7.1 no");
        assert_eq!(permanent(&Reply::plain(521, "no")).code(), 521);
        assert_eq!(transient(&Reply::plain(550, "later")).to_string(), "451 4.7.1 later");
        assert_eq!(transient(&Reply::plain(421, "later")).code(), 451);
    }

    #[test]
    fn a_mail_server_cannot_close_our_session_nor_say_nonsense() {
        assert_eq!(relayed(Reply::plain(421, "bye")).to_string(), "451 4.0.0 bye");
        assert_eq!(relayed(Reply::plain(354, "go on")), UPSTREAM_ODD);
        assert_eq!(relayed(Reply::plain(550, "unknown")).to_string(), "550 5.0.0 unknown");
    }

    #[test]
    fn what_cannot_be_verified_is_450_and_says_why() {
        let away = Reply::fixed(451, Enhanced(4, 4, 1), "away");
        assert_eq!(unverified(away).to_string(), "450 4.4.1 away");
        assert_eq!(unverified(NOT_LOCAL), NOT_LOCAL);
    }

    #[test]
    fn a_template_knows_its_places_and_no_others() {
        let template = |text: &str| Template::try_from(text.to_owned());
        assert!(template("No: {reason} ({id}) {code}").is_ok());
        for bad in ["{ID}", "a{", "two\r\nlines", "caf\u{e9}", &"x".repeat(301)] {
            assert!(template(bad).is_err(), "{bad}");
        }
    }
}
