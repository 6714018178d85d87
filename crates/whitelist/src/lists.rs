//! What lies in the store, and how it is looked up.
//!
//! ```text
//! e OWNER 0 PATTERN    an entry of allow or deny; r for red      the truth, with its expiry
//! h SHELF OWNER        which kinds of entries an owner may have
//! [i LIST OWNER]       PATTERN -> class, until                   the index, by which lists are shown
//! [w SHELF OWNER]      family address prefix                     networks, by which they are found
//! [o LIST]             OWNER                                     who has entries
//! n CLASS OWNER, t     how many rows there are                   so that nobody fills the disk
//! c OWNER              how far the index has been tidied
//! ```
//!
//! **Invariant:** an entry in force is listed. What leads to it (owner, hints, network, row) is written before it and
//! taken away after it, so a kill between two writes leaves rows behind which nothing is; they are skipped, and tidied
//! by [`show`](Lists::show) and by learning.
//!
//! **Reads at RCPT**, for each of site, domain and person: one for the hints; then, only for the kinds that are hinted at,
//! one for the address (two where VERP made it), one for the domain, one for each number of labels (at most eight) that
//! an entry `@*.domain` has, and one search for the network with a read behind it. Where a site has learned contacts and
//! nothing else that is four reads, three of which find nothing. A search goes on from one network to the one around it
//! only where the nearest does not hold the address: at most once for each prefix length, 25 for IPv4, 113 for IPv6.

use std::net::IpAddr;

use gatepost_core::{Bytes, Fault, List, Source, Store, Time};
use ipnet::IpNet;

use crate::entry::{Pattern, WIDEST_V4, WIDEST_V6};
use crate::form::{Class, Kept, Shelf, Slot, letter, network_at, network_order};
use crate::hints::Hints;
use crate::owner::Owner;
use crate::sender::Name;

/// How many entries there may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Set at the site.
    pub site: u64,
    /// Set for one domain.
    pub domain: u64,
    /// Set for, and learned for, one person.
    pub person: u64,
    /// Learned for one domain.
    pub learned: u64,
}

impl Limits {
    /// Learned in all: whoever may send from any domain must not fill the disk by inventing domains.
    pub const LEARNED_IN_ALL: u64 = 10_000_000;

    /// The most entries of a class that an owner may have.
    pub fn of(&self, owner: &Owner, class: Class) -> u64 {
        match (class, owner.is_site(), owner.is_person()) {
            (_, _, true) => self.person,
            (Class::Learned, ..) => self.learned,
            (Class::Set, true, _) => self.site,
            (Class::Set, ..) => self.domain,
        }
    }
}

/// The lists.
#[derive(Clone)]
pub struct Lists {
    pub(crate) store: Store,
    pub(crate) limits: Limits,
}

/// An entry that names somebody.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Whose.
    pub owner: Owner,
    /// As it is written.
    pub pattern: String,
    /// On which list.
    pub list: List,
    /// How it came there.
    pub source: Source,
}

/// What one owner's lists say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Word {
    /// About the sender's name: the narrowest entry that names it.
    pub name: Option<Found>,
    /// About the client's address: the narrowest network around it.
    pub network: Option<Found>,
    /// The address was taken off the list, so what wider lists learned of it does not hold here.
    pub removed: bool,
}

/// The key of an entry.
pub(crate) fn slot_key(shelf: Shelf, owner: &Owner, pattern: &str) -> Vec<u8> {
    [&[shelf.octet()], owner.key().as_bytes(), &[0], pattern.as_bytes()].concat()
}

pub(crate) fn hints_key(shelf: Shelf, owner: &Owner) -> Vec<u8> {
    [&[b'h', shelf.octet()], owner.key().as_bytes()].concat()
}

pub(crate) fn index_part(list: List, owner: &Owner) -> Vec<u8> {
    [&[b'i', letter(list)], owner.key().as_bytes()].concat()
}

pub(crate) fn networks_part(shelf: Shelf, owner: &Owner) -> Vec<u8> {
    [&[b'w', shelf.octet()], owner.key().as_bytes()].concat()
}

pub(crate) fn owners_part(list: List) -> Vec<u8> {
    vec![b'o', letter(list)]
}

pub(crate) fn count_key(class: Class, owner: &Owner) -> Vec<u8> {
    [&[b'n', class.octet()], owner.key().as_bytes()].concat()
}

/// What is in the store and cannot be read.
pub(crate) fn damaged(what: &str, key: &[u8]) -> Fault {
    Fault::Broken(format!(
        "{what} at `{}` in the part `whitelist` of the store is damaged, or was written by a newer version; restore a \
         backup, or run the version that wrote it",
        key.escape_ascii()
    ))
}

impl Lists {
    /// The lists in a filter's part of the store.
    pub fn new(store: Store, limits: Limits) -> Lists {
        Lists { store, limits }
    }

    /// What stands at a key, as it is and as it reads.
    pub(crate) async fn kept(&self, key: &[u8], now: Time) -> Result<Option<(Bytes, Kept)>, Fault> {
        let Some(octets) = self.store.get(key, now).await? else {
            return Ok(None);
        };
        let kept = Kept::decode(&octets).ok_or_else(|| damaged("the entry", key))?;
        Ok(Some((octets, kept)))
    }

    /// The entry of an owner, marks included.
    pub async fn slot(&self, shelf: Shelf, owner: &Owner, pattern: &str, now: Time) -> Result<Option<Slot>, Fault> {
        let kept = self.kept(&slot_key(shelf, owner, pattern), now).await?;
        Ok(kept.and_then(|(_, kept)| kept.slot))
    }

    pub(crate) async fn hints(&self, shelf: Shelf, owner: &Owner, now: Time) -> Result<Option<(Bytes, Hints)>, Fault> {
        let key = hints_key(shelf, owner);
        let Some(octets) = self.store.get(&key, now).await? else {
            return Ok(None);
        };
        let hints = Hints::decode(&octets).ok_or_else(|| damaged("the note of kinds", &key))?;
        Ok(Some((octets, hints)))
    }

    /// What an owner's lists say about a name, and about the address of a client.
    pub async fn ask(
        &self,
        shelf: Shelf,
        owner: &Owner,
        name: Option<&Name>,
        client: Option<IpAddr>,
        now: Time,
    ) -> Result<Word, Fault> {
        let Some((_, hints)) = self.hints(shelf, owner, now).await? else {
            return Ok(Word::default());
        };
        let mut word = Word::default();
        if let Some(name) = name {
            (word.name, word.removed) = self.ask_name(shelf, owner, name, hints, now).await?;
        }
        if let (Some(client), true) = (client, hints.networks()) {
            word.network = self.ask_network(shelf, owner, client, now).await?;
        }
        Ok(word)
    }

    /// The narrowest entry in force: the address, the domain, the nearest domain above.
    async fn ask_name(
        &self,
        shelf: Shelf,
        owner: &Owner,
        name: &Name,
        hints: Hints,
        now: Time,
    ) -> Result<(Option<Found>, bool), Fault> {
        let mut removed = false;
        let found = |pattern: &str, slot: Slot| {
            slot.holds().then(|| Found {
                owner: owner.clone(),
                pattern: pattern.to_owned(),
                list: slot.list,
                source: slot.source,
            })
        };
        for address in name.addresses.iter().filter(|_| hints.addresses()) {
            if let Some(slot) = self.slot(shelf, owner, address, now).await? {
                removed |= !slot.holds();
                if let Some(found) = found(address, slot) {
                    return Ok((Some(found), removed));
                }
            }
        }
        let own = hints.domains().then(|| format!("@{}", name.domain));
        let above = name.parents().filter(|(labels, _)| hints.below(*labels));
        for pattern in own.into_iter().chain(above.map(|(_, parent)| format!("@*.{parent}"))) {
            if let Some(slot) = self.slot(shelf, owner, &pattern, now).await?
                && let Some(found) = found(&pattern, slot)
            {
                return Ok((Some(found), removed));
            }
        }
        Ok((None, removed))
    }

    /// The narrowest network in force around an address.
    ///
    /// Of the networks that begin at or before the address, the last one holds it, or is a narrower one before it. Then
    /// whichever holds the address holds that one, too, and is at most as narrow as what the two have in common.
    async fn ask_network(
        &self,
        shelf: Shelf,
        owner: &Owner,
        client: IpAddr,
        now: Time,
    ) -> Result<Option<Found>, Fault> {
        let client = client.to_canonical();
        let part = networks_part(shelf, owner);
        let (family, widest) = match client {
            IpAddr::V4(_) => (4_u8, WIDEST_V4),
            IpAddr::V6(_) => (6, WIDEST_V6),
        };
        let mut around = IpNet::from(client);
        loop {
            let mut end = network_order(around);
            end.push(0);
            let page = self.store.range(&part, &[family]..&end, true, 1).await?;
            let Some((order, _)) = page.entries.first() else {
                return Ok(None);
            };
            let network = network_at(order).ok_or_else(|| damaged("the network", order))?;
            if network.contains(&client) {
                let pattern = Pattern::Network(network).to_string();
                if let Some(slot) = self.slot(shelf, owner, &pattern, now).await?.filter(Slot::holds) {
                    return Ok(Some(Found {
                        owner: owner.clone(),
                        pattern,
                        list: slot.list,
                        source: slot.source,
                    }));
                }
            }
            let common = common_bits(client, network.addr()).min(network.prefix_len().saturating_sub(1));
            // Each step is to a wider network, so there is an end to it whatever is in the store.
            if common < widest || common >= around.prefix_len() {
                return Ok(None);
            }
            match IpNet::new(client, common) {
                Ok(wider) => around = wider.trunc(),
                Err(_) => return Ok(None),
            }
        }
    }
}

/// How many bits two addresses have in common at their beginning; none where they are of different families.
fn common_bits(one: IpAddr, other: IpAddr) -> u8 {
    let bits = match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        _ => 0,
    };
    u8::try_from(bits).unwrap_or(0)
}
