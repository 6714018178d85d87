//! From the greeting to the first order: EHLO, STARTTLS, XCLIENT.

use crate::offer::Offer;
use crate::reply::{Class, Reply};

use super::introduce::{Verb, tells_address};
use super::{ClientMode, FallBack, MARK, Outcome, Relay, State, TlsMode, What, Whose};

impl Relay {
    /// Takes one reply before the first order.
    pub(super) fn opening(&mut self, state: State, reply: Reply, offer: Option<Offer>) {
        let class = reply.class();
        let ends = reply.code() == 421;
        match state {
            State::Greeting => {
                if self.is_us(&reply) {
                    return self.lose(Whose::Us, What::Loop);
                }
                if reply.code() != 220 {
                    return self.lose(Whose::Upstream, What::Refused(reply));
                }
                self.greet(true);
            }
            state @ (State::Ehlo | State::Helo) => {
                let extended = matches!(state, State::Ehlo);
                match reply.code() {
                    _ if class == Class::Done => {
                        if self.is_us(&reply) {
                            return self.lose(Whose::Us, What::Loop);
                        }
                        self.offer = offer.unwrap_or_default();
                        self.open();
                    }
                    500 | 502 | 504 if extended => self.greet(false),
                    // It knows the client by now and speaks of it, not of us.
                    550 | 554 if self.as_client => self.lose(Whose::Client, What::Refused(reply)),
                    _ => self.lose(Whose::Upstream, What::Refused(reply)),
                }
            }
            State::StartTls => match reply.code() {
                220 if self.reader.pending() > 0 => self.lose(Whose::Upstream, What::Injected),
                220 => self.state = State::Handshake { asked: false },
                _ if ends || self.settings.tls != TlsMode::Opportunistic || class == Class::Done => {
                    self.lose(Whose::Upstream, What::Refused(reply));
                }
                _ => self.open(),
            },
            State::XClient => {
                if ends || (class != Class::Done && self.settings.fall_back == FallBack::Refuse) {
                    return self.lose(Whose::Upstream, What::Refused(reply));
                }
                if class != Class::Done {
                    self.missing = Some("XCLIENT");
                    self.forget_later();
                }
                if self.later_lines > 0 {
                    self.state = State::XClient;
                } else {
                    // Even after a refusal: an earlier part of it may have been accepted.
                    self.as_client = self.missing.is_none();
                    self.greet(true);
                }
            }
            _ => {}
        }
    }

    /// Says EHLO or HELO: as ourselves, or after XCLIENT as the client, for the server forgot what XCLIENT said of it.
    pub(super) fn greet(&mut self, extended: bool) {
        let name = self
            .client
            .helo_name()
            .filter(|_| self.as_client)
            .unwrap_or(&self.settings.hostname);
        self.out.extend_from_slice(if extended { b"EHLO " } else { b"HELO " });
        self.out.extend(name.bytes().filter(u8::is_ascii_graphic));
        self.ask(if extended { State::Ehlo } else { State::Helo }, &[]);
        self.out.extend_from_slice(b"\r\n");
    }

    /// The next step after an answer to EHLO.
    pub(super) fn open(&mut self) {
        let tls = self.settings.tls;
        if !self.secured && !self.tried_tls && tls != TlsMode::None {
            if self.offer.starttls {
                self.tried_tls = true;
                return self.ask(State::StartTls, &[b"STARTTLS"]);
            }
            if tls != TlsMode::Opportunistic {
                return self.lose(Whose::Upstream, What::Missing("STARTTLS"));
            }
        }
        match self.settings.client {
            ClientMode::None => {}
            ClientMode::XClient if self.tried_xclient => {}
            ClientMode::XClient => match self.offer.xclient.as_deref().filter(|offered| tells_address(offered)) {
                Some(offered) => {
                    self.tried_xclient = true;
                    self.later_lines = self.client.introduce(Verb::XClient, offered, &mut self.later).into();
                    self.state = State::XClient;
                    return;
                }
                None => self.missing = Some("XCLIENT"),
            },
            ClientMode::XForward if self.offer.xforward.as_deref().is_some_and(tells_address) => {}
            ClientMode::XForward => self.missing = Some("XFORWARD"),
        }
        match self.missing {
            Some(missing) if self.settings.fall_back == FallBack::Refuse => {
                self.lose(Whose::Upstream, What::Missing(missing));
            }
            _ => self.done(Outcome::Ready),
        }
    }

    /// Whether this reply is a greeting of our own (P-44).
    pub(super) fn is_us(&self, reply: &Reply) -> bool {
        let (name, rest) = reply.text().split_once([' ', '\n']).unwrap_or((reply.text(), ""));
        let mark = MARK.as_bytes();
        name.eq_ignore_ascii_case(&self.settings.own_name)
            && rest
                .as_bytes()
                .windows(mark.len())
                .any(|part| part.eq_ignore_ascii_case(mark))
    }
}
