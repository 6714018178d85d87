//! One attempt to hand a message over on a connection.
//!
//! **Invariant:** the dot is written only after the last look, in one write with the end of the message.

use std::io::Read;

use gatepost_core::smtp::Class;
use gatepost_core::smtp::relay::{Loss, Order, Outcome, What, Whose};
use gatepost_core::{Consignment, Delivery, Enhanced, Path, RcptParams, Reply};

use crate::line::Line;

/// So many octets of content are encoded before they are written.
const BLOCK: usize = 64 * 1024;

pub(super) const CHANGED_ITS_MIND: Reply = Reply::fixed(
    451,
    Enhanced(4, 3, 0),
    "The mail server no longer takes some recipient, try again later",
);

/// Who gets the message, of those that the server accepted.
pub(super) struct Named<'a> {
    /// Whom the server accepted in this transaction, or another host of its route did.
    pub accepted: &'a [(Path, RcptParams)],
    /// It was another host, so that this one answers for the first time.
    pub elsewhere: bool,
}

/// A server that leaves before the dot has taken nothing.
fn left(reply: Reply) -> Outcome {
    Outcome::Lost(Loss::new(Whose::Upstream, What::Refused(reply)))
}

/// Names them again where that must be, sends the message, and says what the server answered at the end.
pub(super) async fn transmit(
    line: &mut Line,
    named: Named<'_>,
    consignment: &Consignment<'_>,
) -> Result<Delivery, Outcome> {
    let answered = |reply| Delivery {
        reply,
        refused: Vec::new(),
    };
    // A part of the recipients, a second batch of the same mail, or another host: they are named again (P-32).
    if consignment.to.len() != named.accepted.len() || !line.relay.in_transaction() {
        let some: Vec<_> = consignment
            .to
            .iter()
            .map_while(|at| named.accepted.get(*at).cloned())
            .collect();
        // Whoever is to get the mail must be known here; a list that disagrees decides nothing.
        if some.is_empty() || some.len() != consignment.to.len() {
            return Err(Outcome::Lost(Loss::new(Whose::Us, What::OutOfPlace)));
        }
        let replay = Order::Replay {
            from: consignment.from,
            params: consignment.params,
            to: &some,
        };
        match line.order(replay).await {
            Outcome::Recipients(replies) => {
                let refused = || replies.iter().filter(|reply| reply.class() != Class::Done);
                if let Some(reply) = refused().find(|reply| reply.code() == 421) {
                    return Err(left(reply.clone()));
                }
                // All refused: that is the answer, of a server that was asked before. Some: nobody gets it now, and the
                // client, coming again, hears the truth about each at RCPT.
                if let Some(reply) = refused().next() {
                    let all = refused().count() == some.len() && !named.elsewhere;
                    return Ok(answered(if all { reply.clone() } else { CHANGED_ITS_MIND }));
                }
            }
            other => return Err(other),
        }
    }
    match line.order(Order::Data).await {
        Outcome::Replied(reply) if reply.class() == Class::GoOn => {}
        Outcome::Replied(reply) if reply.code() == 421 => return Err(left(reply)),
        Outcome::Replied(reply) => return Ok(answered(reply)),
        other => return Err(other),
    }
    let gone = || Outcome::Lost(Loss::new(Whose::Client, What::Gone));
    let mut content = consignment.message.read();
    let mut block = vec![0; BLOCK.min(usize::try_from(consignment.message.len()).unwrap_or(BLOCK).max(1))];
    loop {
        match content.read(&mut block) {
            Ok(0) => break,
            Ok(count) => line.relay.body(block.get(..count).unwrap_or_default()),
            Err(error) => {
                tracing::error!(%error, "the spooled message cannot be read again");
                line.relay.abort();
                return Err(Outcome::Lost(Loss::new(Whose::Us, What::Gone)));
            }
        }
        if line.relay.buffered() >= BLOCK {
            if (consignment.gone)() {
                line.relay.abort();
                return Err(gone());
            }
            match line.flush().await {
                Ok(()) => {}
                Err(outcome) => {
                    line.relay.abort();
                    return match outcome {
                        Outcome::Replied(reply) if reply.code() == 421 => Err(left(reply)),
                        Outcome::Replied(reply) if reply.is_permanent() || reply.is_transient() => Ok(answered(reply)),
                        outcome => Err(outcome),
                    };
                }
            }
        }
    }
    // The last look: nobody may be delivered to twice because a client gave up while the filters worked.
    if (consignment.gone)() {
        line.relay.abort();
        return Err(gone());
    }
    line.relay.end();
    match line.run().await {
        Outcome::Replied(reply) => {
            line.content &= reply.is_done();
            Ok(answered(reply))
        }
        Outcome::Each(each, last) => {
            let delivery = told_apart(consignment.to, each, last);
            line.content &= delivery.reply.is_done() && delivery.refused.is_empty();
            Ok(delivery)
        }
        other => Err(other),
    }
}

/// What a server said of each recipient of a message, and then of the message.
fn told_apart(to: &[usize], each: Vec<Reply>, last: Reply) -> Delivery {
    let said = to.iter().copied().zip(each);
    let refused: Vec<(usize, Reply)> = said.filter(|(_, reply)| !reply.is_done()).collect();
    let reply = match refused.len() == to.len() && last.is_done() {
        // Whatever it says of the message, nobody has it.
        true => {
            let later = refused.iter().find(|(_, reply)| reply.is_transient());
            later.or(refused.first()).map_or(last, |(_, reply)| reply.clone())
        }
        false => last,
    };
    Delivery { reply, refused }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_of_each_goes_with_the_place_of_each() {
        for (codes, last, reply, refused) in [
            (&[250, 250][..], 250, 250, &[][..]),
            (&[250, 550], 250, 250, &[4]),
            (&[450, 250], 250, 250, &[2]),
            (&[250, 550], 451, 451, &[4]),
            (&[550, 550], 550, 550, &[2, 4]),
            (&[550, 451], 250, 451, &[2, 4]),
        ] {
            let each = codes.iter().map(|code| Reply::plain(*code, "word")).collect();
            let delivery = told_apart(&[2, 4], each, Reply::plain(last, "last"));
            assert_eq!(delivery.reply.code(), reply, "{codes:?} {last}");
            let places: Vec<usize> = delivery.refused.iter().map(|(place, _)| *place).collect();
            assert_eq!(places, refused, "{codes:?} {last}");
        }
    }
}
