//! From orders to command lines, and from command lines to writes.

use std::hint::black_box;
use std::mem;

use memchr::memmem;

use crate::address::Path;
use crate::command::{MailParams, RcptParams, mail_line, rcpt_line};
use crate::offer::Offer;
use crate::reply::{Enhanced, Reply};

use super::introduce::{Verb, tells_address};
use super::{ClientMode, Envelope, KEPT, MAX_AUTH_LINE, MAX_PIPELINED, Mail, Order, Relay, State};

pub(super) const NO_UTF8: Reply = Reply::fixed(
    451,
    Enhanced(4, 6, 7),
    "The mail server reads no UTF-8 addresses now, try again later",
);

pub(super) fn is_base64(text: &str) -> bool {
    // The longest command is AUTH, a mechanism and the text.
    text.len() <= MAX_AUTH_LINE - b"AUTH  \r\n".len() - Offer::MAX_WORD
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
}

impl Relay {
    /// Whether an order can be obeyed in the open transaction, or without one.
    pub(super) fn fits(&self, order: &Order<'_>) -> bool {
        match order {
            Order::Envelope { to, .. } => !self.in_transaction && !to.is_null(),
            Order::Rcpt { to, .. } => self.in_transaction && !to.is_null(),
            Order::Replay { to, .. } => !to.is_empty() && !to.iter().any(|(to, _)| to.is_null()),
            Order::Data => self.granted > 0,
            Order::Auth { .. } => !self.in_transaction && !self.used,
            Order::AuthLine(_) | Order::AuthCancel => matches!(self.state, State::Challenged),
            Order::Reset | Order::Quit | Order::Noop => true,
        }
    }

    /// Whether the mail speaks of what this server cannot read: the offer that the client saw was another's.
    pub(super) fn cannot_tell<'p>(&self, asked: bool, paths: impl IntoIterator<Item = &'p Path>) -> bool {
        let utf8 = |path: &Path| path.mailbox().is_some_and(|mailbox| mailbox.needs_utf8());
        !self.offer.smtputf8 && (asked || paths.into_iter().any(utf8))
    }

    /// Writes the commands of a transaction, to leave in as few writes as the server allows.
    pub(super) fn envelope<'p>(
        &mut self,
        reset: bool,
        from: &Path,
        params: &MailParams,
        to: impl ExactSizeIterator<Item = (&'p Path, &'p RcptParams)>,
        replies: Option<Vec<Reply>>,
    ) {
        let left = to.len();
        self.prdr = params.prdr && self.offer.prdr;
        if reset {
            self.later.extend_from_slice(b"RSET\r\n");
        }
        let forward = match (self.settings.client, self.offer.xforward.as_deref()) {
            (ClientMode::XForward, Some(offered)) if tells_address(offered) => {
                self.client.introduce(Verb::XForward, offered, &mut self.later)
            }
            _ => 0,
        };
        mail_line(from, params, &self.offer, &mut self.later);
        for (to, params) in to {
            rcpt_line(to, params, &self.offer, &mut self.later);
        }
        self.later_lines = usize::from(reset) + usize::from(forward) + 1 + left;
        self.disarm();
        self.state = State::Envelope(Envelope {
            reset,
            forward,
            mail: Mail::Asked,
            left,
            replies,
        });
    }

    /// Moves commands of a group into `out`: as many at once as may be, and none while a reply is awaited.
    pub(super) fn refill(&mut self) {
        if self.later_lines == 0 || self.sent > 0 {
            return;
        }
        let pipelined = matches!(self.state, State::Envelope(_)) && self.offer.pipelining;
        self.sent = if pipelined {
            self.later_lines.min(MAX_PIPELINED)
        } else {
            1
        };
        if self.sent == self.later_lines && self.next == 0 && self.out.is_empty() {
            mem::swap(&mut self.out, &mut self.later);
            self.later_lines = 0;
            return;
        }
        let rest = self.later.get(self.next..).unwrap_or_default();
        let length = memmem::find_iter(rest, b"\r\n")
            .nth(self.sent - 1)
            .map_or(rest.len(), |end| end + 2);
        self.out.extend_from_slice(rest.get(..length).unwrap_or_default());
        self.next += length;
        self.later_lines -= self.sent;
        if self.later_lines == 0 {
            self.forget_later();
        }
    }

    /// Drops the commands that were not handed out, and says how many they were.
    pub(super) fn forget_later(&mut self) -> usize {
        self.later = Vec::new();
        self.next = 0;
        mem::take(&mut self.later_lines)
    }

    /// Writes one command of these parts (none: it is written already) and awaits its reply.
    pub(super) fn ask(&mut self, state: State, parts: &[&[u8]]) {
        for part in parts {
            self.out.extend_from_slice(part);
        }
        if !parts.is_empty() {
            self.out.extend_from_slice(b"\r\n");
        }
        self.state = state;
        self.sent = 1;
        self.disarm();
    }

    /// The same for credentials: their buffer never grows, so it leaves no copy behind, and is wiped.
    pub(super) fn tell(&mut self, parts: &[&[u8]]) {
        self.secret = true;
        self.out = Vec::with_capacity(parts.iter().map(|part| part.len()).sum::<usize>() + 2);
        self.ask(State::Auth, parts);
    }

    /// The driver wrote what it was told to.
    pub(super) fn written(&mut self) {
        if mem::take(&mut self.writing) {
            self.empty();
            if !matches!(self.state, State::Body(_)) && self.out.capacity() > KEPT {
                self.out = Vec::new();
            }
        }
    }

    pub(super) fn empty(&mut self) {
        if mem::take(&mut self.secret) {
            self.out.fill(0);
            black_box(&mut self.out);
        }
        self.out.clear();
    }
}
