//! The words of every refusal: honest about whose fault it is, with an id that can be looked up and whom to write to.
//!
//! **Invariants:** what a filter or policy refuses is worded as 5xx or 4xx as it was meant, whatever code the filter
//! wrote; a fault of ours is never worded as 5xx; every 5xx of ours has an id and a contact; all text is printable ASCII
//! (a [`Reply`] sees to it). What the mail server said is left as it said it.

use std::borrow::Cow;

use gatepost_core::smtp::reply::Class;
use gatepost_core::{Enhanced, Reply};

use crate::offer::Codes;
use crate::template::fill;

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
    /// The mail server is away, and there is no room for mail that waits for it (P-41).
    NO_ROOM = 452 4 3 1 "No room for mail that waits, try again later";
    /// Taken, to be delivered when the mail server is back.
    QUEUED = 250 2 0 0 "Ok: queued as {id}";
    /// The last word where some recipients get the mail and some do not (P-31).
    FOR_SOME = 250 2 0 0 "Accepted for some recipients";
    /// ETRN: there is no queue of that name, or none at all.
    NO_QUEUE = 458 4 3 0 "No mail waits here by that name";
    /// ETRN: the queue cannot tell.
    QUEUE_AWAY = 458 4 3 0 "The queue does not answer at the moment, try again later";
    /// ETRN for mail that is not the client's.
    NOT_YOUR_MAIL = 459 4 7 1 "You may not ask for this mail";
    /// The client is gone; nobody hears it.
    CLIENT_GONE = 451 4 4 2 "The connection to the client was lost";
    /// After a refusal that closes.
    /// AUTH without a mail server to ask.
    NO_AUTH = 454 4 7 0 "Authentication is not possible at the moment";
    /// What judgement by points says, until it is worded by the operator's template.
    UNWANTED = 550 5 7 1 "It looks like spam";
    /// Accepted and kept.
    KEPT = 250 2 0 0 "Accepted";
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

/// What is filled in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Places<'a> {
    /// The number of the transaction.
    pub id: &'a str,
    /// Whom to write to; needed where the reply is a refusal.
    pub contact: &'a str,
    /// The codes, where the refusal offers one. Without them their places are left empty.
    pub codes: Option<&'a Codes>,
}

impl<'a> Places<'a> {
    /// An id alone: for what is no refusal.
    pub fn id(id: &'a str) -> Places<'a> {
        Places {
            id,
            ..Places::default()
        }
    }
}

/// Fills in id, contact and codes. A text that has no place for the id gets it at its end, and a refusal the contact as
/// well.
pub fn worded(reply: Reply, places: Places<'_>) -> Reply {
    let Places { id, contact, codes } = places;
    let text = fill(reply.text(), |place| match place {
        "id" => Some(Cow::Borrowed(id)),
        "contact" => Some(Cow::Borrowed(contact)),
        "code" => Some(codes.map_or(Cow::Borrowed(""), |codes| codes.mail.to_string().into())),
        "day_code" => Some(codes.map_or(Cow::Borrowed(""), |codes| codes.day.to_string().into())),
        _ => None,
    });
    let lacks = |place: &str, value: &str| !value.is_empty() && !reply.text().contains(place);
    let mut missing = Vec::new();
    if lacks("{id}", id) {
        missing.push(format!("id {id}"));
    }
    if reply.is_permanent() && lacks("{contact}", contact) {
        missing.push(format!("contact {contact}"));
    }
    let text = match missing.is_empty() {
        true => text,
        false => ended(&text, &format!("({})", missing.join(", "))),
    };
    Reply::new(reply.code(), reply.enhanced(), text).coded()
}

/// A text with something behind it, its last line cut where there would be no room.
fn ended(text: &str, end: &str) -> String {
    let (before, last) = text.rsplit_once('\n').unwrap_or(("", text));
    let room = Reply::MAX_TEXT.saturating_sub(end.len() + 1);
    let cut = (0..=last.len().min(room)).rev().find(|at| last.is_char_boundary(*at));
    let last = last.get(..cut.unwrap_or(0)).unwrap_or_default();
    let gap = if last.is_empty() { "" } else { " " };
    let line = if before.is_empty() { "" } else { "\n" };
    format!("{before}{line}{last}{gap}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Template;
    use gatepost_core::{Seed, Time};

    const PLACES: Places<'static> = Places {
        id: "abc",
        contact: "postmaster@d.example",
        codes: None,
    };

    #[test]
    fn every_refusal_has_the_id_and_the_contact_once() {
        let plain = worded(NOT_LOCAL, PLACES).to_string();
        assert_eq!(
            plain,
            "550 5.7.1 Relaying denied, no mail is taken for this recipient here (id abc, contact postmaster@d.example)"
        );
        let placed = worded(Template::plain().refuse("It looks like spam"), PLACES).to_string();
        assert_eq!(
            placed,
            "550 5.7.1 Mail (abc) appears to be unsolicited. It looks like spam. If that is wrong, write to \
             postmaster@d.example"
        );
        let own = worded(Reply::new(550, None, "ask {contact}"), PLACES).to_string();
        assert_eq!(own, "550 5.0.0 ask postmaster@d.example (id abc)");
        let lines = worded(Reply::new(550, None, "one\ntwo"), PLACES).to_string();
        assert_eq!(lines, "550 5.0.0 one / two (id abc, contact postmaster@d.example)");
        let long = worded(Reply::new(550, None, "x".repeat(480)), PLACES);
        assert!(long.text().ends_with("x (id abc, contact postmaster@d.example)"));
        assert_eq!(long.text().len(), Reply::MAX_TEXT);
        assert_eq!(worded(Reply::new(550, None, ""), Places::id("abc")).text(), "(id abc)");
    }

    #[test]
    fn what_is_no_refusal_has_the_id_alone() {
        assert_eq!(worded(LOCAL, PLACES).text(), "Local error, try again later (id abc)");
        assert_eq!(worded(KEPT, PLACES).text(), "Accepted (id abc)");
    }

    #[test]
    fn a_code_is_offered_in_the_words_of_the_operator() {
        let codes = Codes::new(&Seed::new([1; 16]), "abc", Time::ZERO);
        let offer = worded(
            Template::with_code().refuse("It looks like spam"),
            Places {
                codes: Some(&codes),
                ..PLACES
            },
        );
        let want = format!(
            "554 5.7.1 Mail (abc) appears to be unsolicited - resend with the code {} appended to subject and ask to have \
             your email whitelisted. It looks like spam. Contact: postmaster@d.example",
            codes.mail
        );
        assert_eq!(offer.to_string(), want);
        let none = worded(Reply::new(550, None, "a {code}{day_code} {id} {contact}"), PLACES);
        assert_eq!(none.text(), "a  abc postmaster@d.example");
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
}
