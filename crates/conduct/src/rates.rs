//! Which limits concern a mail or a recipient, and what is said over them.

use std::net::IpAddr;

use gatepost_core::{Context, Direction, Enhanced, LoginBy, Path, Recipient, Reply};

use crate::network::{client, network};
use crate::options::Rates;
use crate::windows::Count;

/// A limit that concerns somebody.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limit {
    /// What is counted.
    pub what: Count,
    /// Of whom.
    pub who: String,
    /// How many there may be within the window.
    pub most: u32,
}

// RFC 5321 §3.8: who closes the connection says 421.
const MAILS: Reply = Reply::fixed(
    421,
    Enhanced(4, 7, 0),
    "Too many mails within a short time, try again later",
);
const LOGIN_RECIPIENTS: Reply = Reply::fixed(
    421,
    Enhanced(4, 7, 0),
    "Mails to too many recipients within a short time, try again later",
);
const RECIPIENTS: Reply = Reply::fixed(
    452,
    Enhanced(4, 5, 3),
    "Too many recipients within a short time, try again later",
);
const BOMBED: Reply = Reply::fixed(
    450,
    Enhanced(4, 2, 1),
    "This recipient gets too much mail at the moment, try again later",
);

impl Limit {
    fn some(what: Count, who: String, most: u32) -> Option<Limit> {
        (most > 0).then_some(Limit { what, who, most })
    }

    /// What is said over it.
    pub fn reply(&self) -> Reply {
        match self.what {
            Count::ClientRecipients | Count::Unknown | Count::Trapped => RECIPIENTS,
            Count::LoginRecipients => LOGIN_RECIPIENTS,
            Count::RecipientMails => BOMBED,
            Count::ClientMails | Count::NetworkMails | Count::SenderMails | Count::LoginMails => MAILS,
        }
    }

    /// Whether it is the recipient's affair, and the client may go on with others.
    pub fn is_of_recipient(&self) -> bool {
        !matches!(
            self.what,
            Count::ClientMails | Count::NetworkMails | Count::SenderMails | Count::LoginMails | Count::LoginRecipients
        )
    }

    /// What the log says.
    pub fn note(&self, count: u64) -> String {
        let of = match self.what {
            Count::ClientMails => "mails of client",
            Count::ClientRecipients => "recipients of client",
            Count::NetworkMails => "mails of network",
            Count::SenderMails => "mails of domain",
            Count::RecipientMails => "mails to",
            Count::LoginMails => "mails of login",
            Count::LoginRecipients => "recipients of login",
            Count::Unknown => "unknown recipients of client",
            Count::Trapped => "mails to traps of client",
        };
        format!("{count} {of} {} already, allowed are {}", self.who, self.most)
    }
}

/// Whose mail is counted on the way out: a login's, since a password that is used too much may be stolen, or a client's
/// whose login has no name that can be read. A trusted network is no person.
pub fn who_sends(cx: &Context<'_>) -> Option<String> {
    match cx.login() {
        Some(login) => (login.by == LoginBy::Auth).then(|| login.name.to_lowercase()),
        None => (cx.direction() == Direction::Outbound).then(|| client(cx.origin()).to_string()),
    }
}

/// The limits of a mail from outside.
pub fn at_mail(rates: &Rates, origin: IpAddr, from: &Path) -> Vec<Limit> {
    let domain = from.mailbox().map(|mailbox| mailbox.domain().key().to_string());
    [
        Limit::some(Count::ClientMails, client(origin).to_string(), rates.client_mails),
        Limit::some(Count::NetworkMails, network(origin).to_string(), rates.network_mails),
        domain.and_then(|domain| Limit::some(Count::SenderMails, domain, rates.sender_mails)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The limits of a recipient from outside.
pub fn at_rcpt(rates: &Rates, origin: IpAddr, to: &Recipient) -> Vec<Limit> {
    let address = to.path.mailbox().map(|mailbox| mailbox.key().to_string());
    [
        Limit::some(
            Count::ClientRecipients,
            client(origin).to_string(),
            rates.client_recipients,
        ),
        address.and_then(|address| Limit::some(Count::RecipientMails, address, rates.recipient_mails)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The limit of a mail of somebody who logged in.
pub fn login_at_mail(rates: &Rates, who: &str) -> Option<Limit> {
    Limit::some(Count::LoginMails, who.into(), rates.login_mails)
}

/// The limit of a recipient of somebody who logged in.
pub fn login_at_rcpt(rates: &Rates, who: &str) -> Option<Limit> {
    Limit::some(Count::LoginRecipients, who.into(), rates.login_recipients)
}
