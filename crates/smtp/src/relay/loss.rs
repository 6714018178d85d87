//! How an upstream connection was lost, and what the client hears of it.
//!
//! **Invariant:** no loss is worded as 2xx, and none as 5xx unless the fault is the client's own.

use crate::reply::{Class, Enhanced, Reply};

/// Whose fault it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Whose {
    /// The client's: it went away, sent what cannot be passed on, or the upstream, told who it is, wants none of it.
    Client,
    /// The mail server's.
    Upstream,
    /// Ours: the configuration's or the driver's.
    Us,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// No connection could be made; the driver says so, never the machine.
    Unreachable,
    /// The connection ended.
    Gone,
    /// A deadline of [`Timeouts`](super::Timeouts) passed.
    Silent,
    /// What came is no reply, or none that fits the command, or came before the command was sent.
    Malformed,
    /// Octets behind the 220 to STARTTLS, before the handshake: somebody injects, or the server is broken.
    Injected,
    /// The TLS handshake failed, or the certificate was not accepted.
    Handshake,
    /// The server did not accept us: its greeting, its answer to EHLO, STARTTLS, XCLIENT, XFORWARD or RSET.
    Refused(Reply),
    /// The server does not offer what the configuration demands: `STARTTLS`, `XCLIENT` or `XFORWARD`.
    Missing(&'static str),
    /// The server is this Gatepost itself.
    Loop,
    /// All connections that we may have to it are taken; the driver says so.
    Busy,
    /// The driver ordered what cannot be done now: RCPT without MAIL, a second order before the first is answered.
    OutOfPlace,
    /// An answer to a challenge that cannot stand in a line of base64 (RFC 4954 §4).
    BadText,
}

/// An upstream connection that is of no more use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loss {
    /// Whose fault it is.
    pub whose: Whose,
    /// The dot line may have reached the server: it may have taken the message all the same, and a client that is told
    /// to come again may cause a second copy.
    pub after_dot: bool,
    /// What happened.
    pub what: What,
}

impl Loss {
    /// A loss before the dot.
    pub fn new(whose: Whose, what: What) -> Loss {
        Loss {
            whose,
            after_dot: false,
            what,
        }
    }

    /// What the client is told in place of the upstream's answer. Who went away itself is not there to hear it; the
    /// 421 is for the log.
    pub fn reply(&self) -> Reply {
        if self.whose == Whose::Client {
            return match &self.what {
                What::Refused(said) if matches!(said.class(), Class::Permanent | Class::Transient) => {
                    said.clone().coded()
                }
                What::BadText => const { Reply::fixed(501, Enhanced(5, 5, 2), "That is not base64") },
                _ => const { Reply::fixed(421, Enhanced(4, 4, 2), "Connection to the client was lost") },
            };
        }
        match self.what {
            What::Unreachable => {
                const {
                    Reply::fixed(
                        451,
                        Enhanced(4, 4, 1),
                        "The mail server does not answer, try again later",
                    )
                }
            }
            What::Gone | What::Silent => {
                const {
                    Reply::fixed(
                        451,
                        Enhanced(4, 4, 2),
                        "The mail server stopped answering, try again later",
                    )
                }
            }
            What::Malformed | What::Injected => {
                const {
                    Reply::fixed(
                        451,
                        Enhanced(4, 3, 0),
                        "The mail server gave no valid answer, try again later",
                    )
                }
            }
            What::Handshake => {
                const {
                    Reply::fixed(
                        451,
                        Enhanced(4, 7, 5),
                        "No secure way to the mail server, try again later",
                    )
                }
            }
            What::Refused(_) => {
                const {
                    Reply::fixed(
                        451,
                        Enhanced(4, 3, 2),
                        "The mail server takes no mail at the moment, try again later",
                    )
                }
            }
            What::Busy => {
                const {
                    Reply::fixed(
                        451,
                        Enhanced(4, 3, 2),
                        "All connections to the mail server are taken, try again later",
                    )
                }
            }
            What::Loop => const { Reply::fixed(451, Enhanced(4, 4, 6), "Mail loops here, try again later") },
            What::Missing(_) | What::OutOfPlace | What::BadText => {
                const { Reply::fixed(451, Enhanced(4, 3, 5), "Local error, try again later") }
            }
        }
    }

    /// What the server said, where that was the reason; for the log.
    pub fn said(&self) -> Option<&Reply> {
        match &self.what {
            What::Refused(reply) => Some(reply),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everything() -> Vec<What> {
        vec![
            What::Unreachable,
            What::Gone,
            What::Silent,
            What::Malformed,
            What::Injected,
            What::Handshake,
            What::Refused(Reply::plain(554, "go away")),
            What::Refused(Reply::plain(250, "come in")),
            What::Missing("XCLIENT"),
            What::Loop,
            What::Busy,
            What::OutOfPlace,
            What::BadText,
        ]
    }

    #[test]
    fn no_fault_of_the_upstream_or_ours_is_worded_as_anything_but_4xx_with_its_enhanced_code() {
        for whose in [Whose::Upstream, Whose::Us] {
            for what in everything() {
                for after_dot in [false, true] {
                    let reply = Loss {
                        whose,
                        after_dot,
                        what: what.clone(),
                    }
                    .reply();
                    assert!(reply.is_transient() && reply.enhanced().is_some(), "{what:?}: {reply}");
                }
            }
        }
    }

    #[test]
    fn no_loss_whatever_is_worded_as_2xx_or_3xx() {
        for what in everything() {
            let reply = Loss::new(Whose::Client, what).reply();
            assert!(reply.is_transient() || reply.is_permanent(), "{reply}");
        }
    }

    #[test]
    fn a_client_that_the_upstream_refuses_hears_the_upstreams_word() {
        let refused = |reply| Loss::new(Whose::Client, What::Refused(reply)).reply().to_string();
        assert_eq!(refused(Reply::plain(554, "client refused")), "554 5.0.0 client refused");
    }

    #[test]
    fn the_codes_tell_the_kinds_apart() {
        let code = |what| Loss::new(Whose::Upstream, what).reply().enhanced();
        assert_eq!(code(What::Unreachable), Some(Enhanced(4, 4, 1)));
        assert_eq!(code(What::Gone), Some(Enhanced(4, 4, 2)));
        assert_eq!(code(What::Silent), Some(Enhanced(4, 4, 2)));
        assert_eq!(code(What::Malformed), Some(Enhanced(4, 3, 0)));
        assert_eq!(code(What::Loop), Some(Enhanced(4, 4, 6)));
    }
}
