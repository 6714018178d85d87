//! What is remembered: for whom a code was made, who has used it, and how often somebody guessed.
//!
//! **Invariant:** no address is kept, only keyed hashes of them; whatever is kept goes by itself. A code is claimed by one
//! [`swap`](Store::swap) for one recipient and one mail, so of two mails that come at once with one code only one gets in.

use std::net::IpAddr;
use std::time::Duration;

use gatepost_core::message::{Headers, Message};
use gatepost_core::{Address, Author, Code, Fault, Path, Seed, Store, Swap, Time, network, tagged};

/// The most recipients of one refused mail whose right to a resend is kept.
pub const RECIPIENTS_MAX: usize = 1_000;
/// How much of a body tells one mail from another, beside its length.
const BODY_MAX: usize = 64 * 1024;
/// How long guesses are counted from the first one on.
pub const GUESSING: Duration = Duration::from_secs(3_600);
/// The networks whose guesses are counted together.
const NETWORKS: (u8, u8) = (24, 64);

/// The hash of an address, of a mail, of a network.
type Hash = [u8; 8];

/// For whom a code was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offered {
    sender: Hash,
    author: Hash,
    recipients: Vec<Hash>,
}

impl Offered {
    /// An offer to the sender and the author of a mail, for these of its recipients.
    pub fn new(sender: Hash, author: Hash, recipients: Vec<Hash>) -> Offered {
        Offered {
            sender,
            author,
            recipients,
        }
    }

    /// Whether it was made for this sender, in this author's name: else whoever was told a code for a mail of their own
    /// could bring with it one in the name of anybody.
    pub fn is_for(&self, sender: Hash, author: Hash) -> bool {
        (self.sender, self.author) == (sender, author)
    }

    /// Whether it lets a mail in to these recipients, all of them.
    pub fn names(&self, recipients: &[Hash]) -> bool {
        recipients.iter().all(|recipient| self.recipients.contains(recipient))
    }

    fn encode(&self) -> Vec<u8> {
        let all = [&self.sender, &self.author].into_iter().chain(&self.recipients);
        all.flatten().copied().collect()
    }

    fn decode(octets: &[u8]) -> Option<Offered> {
        let (hashes, rest) = octets.as_chunks::<8>();
        let (&[sender, author], recipients) = hashes.split_first_chunk()?;
        rest.is_empty()
            .then(|| Offered::new(sender, author, recipients.to_vec()))
    }
}

/// How a claim went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Claim {
    /// The mail is let in, for the first time or once more.
    Granted,
    /// Another mail was let in with the code before.
    Used,
}

/// The memory of the filter.
pub struct Memory {
    store: Store,
    seed: Seed,
}

impl Memory {
    /// A memory in a store.
    pub fn new(store: Store, seed: Seed) -> Memory {
        Memory { store, seed }
    }

    /// A sender, without what was made for one mail alone (BATV, SRS). Who stands behind SRS is the word of the domain that
    /// wrote it, and so is another one at each.
    pub fn sender(&self, sender: &Address) -> Hash {
        let (behind, domain) = (tagged::original(sender).key(), sender.domain().key());
        self.hash(&[b"sender", behind.as_bytes(), domain.as_bytes()])
    }

    /// In whose name a mail is written: its one author, or else whatever its From fields say.
    pub fn author(&self, headers: &Headers) -> Hash {
        match Author::of(headers) {
            Author::One(address) => self.hash(&[b"author", address.key().as_bytes()]),
            Author::Nobody => self.nobody(),
            Author::Ambiguous(_) => {
                let fields: Vec<_> = headers.all("From").map(|field| field.unfolded()).collect();
                let parts: Vec<&[u8]> = std::iter::once(&b"authors"[..])
                    .chain(fields.iter().map(|field| &**field))
                    .collect();
                self.hash(&parts)
            }
        }
    }

    /// The author of a mail that names none.
    pub fn nobody(&self) -> Hash {
        self.hash(&[b"nobody"])
    }

    /// A recipient, in any letter case.
    pub fn recipient(&self, to: &Path) -> Hash {
        let key = to.mailbox().map_or_else(|| "postmaster".into(), Address::key);
        self.hash(&[b"recipient", key.as_bytes()])
    }

    /// A mail by what stays the same when it is tried again: its body, its subject, its author.
    pub fn mail(&self, message: &Message) -> Result<Hash, Fault> {
        let body = message.body();
        let mut begin = vec![0; BODY_MAX.min(usize::try_from(body.len()).unwrap_or(BODY_MAX))];
        let mut read = 0;
        while let Some(room) = begin.get_mut(read..).filter(|room| !room.is_empty()) {
            match body.read_at(read as u64, room) {
                Ok(0) => break,
                Ok(n) => read += n,
                Err(_) => return Err(Fault::Unavailable("a message that could not be read")),
            }
        }
        let field = |name: &str| {
            let field = message.headers().get(name);
            field.map(|field| field.unfolded().into_owned()).unwrap_or_default()
        };
        Ok(self.hash(&[
            b"mail",
            &body.len().to_be_bytes(),
            begin.get(..read).unwrap_or_default(),
            &field("Subject"),
            &field("From"),
        ]))
    }

    fn hash(&self, parts: &[&[u8]]) -> Hash {
        self.seed.hash(parts).to_be_bytes()
    }

    /// Remembers for whom a code was made, until it is worth nothing any more.
    pub async fn offer(&self, code: &Code, offered: &Offered, until: Time) -> Result<(), Fault> {
        let key = [b"code", code.as_str().as_bytes()].concat();
        self.store.put(&key, &offered.encode(), Some(until)).await
    }

    /// For whom a code was made; none where there is no such code any more.
    pub async fn offered(&self, code: &Code, now: Time) -> Result<Option<Offered>, Fault> {
        let key = [b"code", code.as_str().as_bytes()].concat();
        let kept = self.store.get(&key, now).await?;
        Ok(kept.and_then(|octets| Offered::decode(&octets)))
    }

    /// Whether a code has let no other mail in to any of these.
    pub async fn is_free(&self, code: &Code, recipients: &[Hash], mail: Hash, now: Time) -> Result<bool, Fault> {
        for recipient in recipients {
            let used = self.store.get(&used(code, *recipient), now).await?;
            if used.is_some_and(|before| *before != mail) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Uses a code up for one recipient and one mail.
    pub async fn claim(
        &self,
        code: &Code,
        recipient: Hash,
        mail: Hash,
        until: Time,
        now: Time,
    ) -> Result<Claim, Fault> {
        let key = used(code, recipient);
        Ok(
            match self.store.swap(&key, None, Some(&mail), Some(until), now).await? {
                Swap::Done => Claim::Granted,
                // The same mail, which was told to come again after it had been let in here.
                Swap::Was(Some(before)) if *before == mail => Claim::Granted,
                Swap::Was(_) => Claim::Used,
            },
        )
    }

    /// Whose guesses are counted together: those of a network, of one sender there, of a sender wherever it comes from.
    pub fn guesser(&self, origin: Option<IpAddr>, sender: Option<Hash>) -> Hash {
        let network = origin.map(|origin| network::masked(origin, NETWORKS.0, NETWORKS.1).to_string());
        let network = network.unwrap_or_default();
        self.hash(&[b"guesser", network.as_bytes(), &sender.unwrap_or_default()])
    }

    /// Counts guesses, and tells how many there were within the hour.
    pub async fn guessed(&self, guesser: Hash, guesses: i64, now: Time) -> Result<i64, Fault> {
        let key = [b"guess", &guesser[..]].concat();
        self.store.add(&key, guesses, now + GUESSING, now).await
    }
}

/// Where it is kept which mail a code has let in to a recipient.
fn used(code: &Code, recipient: Hash) -> Vec<u8> {
    [b"used", code.as_str().as_bytes(), &recipient].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_an_offer_is_read_again_and_nothing_else_is() {
        let offered = Offered::new([1; 8], [4; 8], vec![[2; 8], [3; 8]]);
        assert_eq!(Offered::decode(&offered.encode()), Some(offered));
        for broken in [&[][..], &[0; 7], &[0; 8], &[0; 23]] {
            assert_eq!(Offered::decode(broken), None);
        }
    }
}
