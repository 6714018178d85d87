//! What a mail or a record can be found by, as keyed hashes, and how these stand in the index.
//!
//! **Invariant:** no address, reason or name stands in the index, only hashes keyed by the installation's seed: when the
//! file is gone, nothing that a person could read is left. A hash may say "perhaps" of two different texts; the head of
//! the file decides. It never says "no" wrongly.

use gatepost_core::{Label, Query, Seed};

/// What a facet is of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Kind {
    /// An address that the mail is for.
    Recipient = b'r',
    /// A domain that it is for.
    Domain = b'd',
    /// The envelope sender.
    Sender = b's',
    /// Why it is kept; of records, a recipient's fate.
    Reason = b'y',
    /// What somebody says it is.
    Label = b'l',
    /// The transaction that a mail came in. A record is found by it without a facet.
    Transaction = b't',
}

/// One thing that a mail can be found by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Facet {
    /// What it is of.
    pub kind: u8,
    /// The keyed hash.
    pub hash: u64,
}

/// The form of a row that a partition of a facet holds.
const ROW: u8 = 1;
/// Facets that a row names; of a mail with more, the file is asked.
const ROW_MAX: usize = 16;

/// How addresses, domains and reasons are compared: letter case makes no difference.
pub fn normal(text: &str) -> String {
    text.to_lowercase()
}

/// The domain of an address.
pub fn domain(address: &str) -> Option<&str> {
    address.rsplit_once('@').map(|(_, domain)| domain)
}

/// The name of a label.
pub const fn label_name(label: Label) -> &'static str {
    match label {
        Label::Spam => "spam",
        Label::Ham => "ham",
    }
}

impl Facet {
    /// The facet of a text.
    pub fn new(seed: &Seed, kind: Kind, text: &str) -> Facet {
        let kind = kind as u8;
        Facet {
            kind,
            hash: seed.hash(&[b"facet", &[kind], normal(text).as_bytes()]),
        }
    }

    /// The partition of everything that has it.
    pub fn part(self) -> Vec<u8> {
        let mut part = vec![b'f', self.kind];
        part.extend_from_slice(&self.hash.to_be_bytes());
        part
    }

    fn short(self) -> u32 {
        self.hash as u32
    }
}

/// All facets, each once; recipients last, because they may be many.
pub fn all<'a>(
    seed: &Seed,
    sender: Option<&str>,
    reasons: impl Iterator<Item = &'a str>,
    label: Option<Label>,
    recipients: impl Iterator<Item = &'a str> + Clone,
) -> Vec<Facet> {
    let mut facets: Vec<Facet> = reasons.map(|reason| Facet::new(seed, Kind::Reason, reason)).collect();
    facets.extend(sender.map(|sender| Facet::new(seed, Kind::Sender, sender)));
    facets.extend(label.map(|label| Facet::new(seed, Kind::Label, label_name(label))));
    let mut domains: Vec<Facet> = recipients
        .clone()
        .filter_map(domain)
        .map(|domain| Facet::new(seed, Kind::Domain, domain))
        .collect();
    let mut people: Vec<Facet> = recipients.map(|to| Facet::new(seed, Kind::Recipient, to)).collect();
    for list in [&mut facets, &mut domains, &mut people] {
        list.sort_unstable();
        list.dedup();
    }
    facets.append(&mut domains);
    facets.append(&mut people);
    facets
}

/// The facets that a query asks for.
pub fn wanted(seed: &Seed, query: &Query) -> Vec<Facet> {
    let texts = [
        (Kind::Transaction, query.transaction.as_deref()),
        (Kind::Recipient, query.recipient.as_deref()),
        (Kind::Sender, query.sender.as_deref()),
        (Kind::Label, query.label.map(label_name)),
        (Kind::Domain, query.domain.as_deref()),
        (Kind::Reason, query.reason.as_deref()),
    ];
    let given = texts
        .into_iter()
        .filter_map(|(kind, text)| text.map(|text| (kind, text)));
    given.map(|(kind, text)| Facet::new(seed, kind, text)).collect()
}

/// A row of an index: short forms of the facets, so that most of what does not fit is passed over without its file.
pub fn row(facets: &[Facet]) -> Vec<u8> {
    let mut row = Vec::with_capacity(2 + 5 * facets.len().min(ROW_MAX));
    row.extend_from_slice(&[ROW, u8::from(facets.len() > ROW_MAX)]);
    for facet in facets.iter().take(ROW_MAX) {
        row.push(facet.kind);
        row.extend_from_slice(&facet.short().to_be_bytes());
    }
    row
}

/// Whether what a row stands for may have all these facets. A row that is not understood may.
pub fn may_have(row: &[u8], wanted: &[Facet]) -> bool {
    let Some((&[ROW, 0], facets)) = row.split_first_chunk::<2>() else {
        return true;
    };
    let (entries, _) = facets.as_chunks::<5>();
    wanted.iter().all(|wanted| {
        let [a, b, c, d] = wanted.short().to_be_bytes();
        entries.contains(&[wanted.kind, a, b, c, d])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: Seed = Seed::new([3; 16]);

    #[test]
    fn a_row_says_no_only_where_a_facet_is_missing() {
        let facets = all(
            &SEED,
            Some("a@b"),
            ["held"].into_iter(),
            None,
            ["C@D.example", "e@d.example"].into_iter(),
        );
        assert_eq!(facets.len(), 5, "one domain, two people, a sender and a reason");
        let row = row(&facets);
        let mut query = Query::default();
        assert!(may_have(&row, &wanted(&SEED, &query)));
        query.domain = Some("D.EXAMPLE".into());
        query.recipient = Some("c@d.example".into());
        query.sender = Some("A@b".into());
        assert!(may_have(&row, &wanted(&SEED, &query)));
        query.label = Some(Label::Ham);
        assert!(!may_have(&row, &wanted(&SEED, &query)));
    }

    #[test]
    fn the_row_of_a_mail_with_many_recipients_leaves_it_to_the_file() {
        let people: Vec<String> = (0..40).map(|n| format!("p{n}@d.example")).collect();
        let facets = all(&SEED, None, [].into_iter(), None, people.iter().map(String::as_str));
        let row = row(&facets);
        assert!(row.len() < 100);
        let mut query = Query::default();
        query.recipient = Some("p39@d.example".into());
        assert!(may_have(&row, &wanted(&SEED, &query)));
        assert!(may_have(b"", &wanted(&SEED, &query)) && may_have(&[9, 9, 9], &wanted(&SEED, &query)));
    }

    #[test]
    fn nothing_readable_stands_in_a_partition_or_a_row() {
        let facets = all(
            &SEED,
            Some("ann@b.example"),
            ["held"].into_iter(),
            None,
            ["carl@d.example"].into_iter(),
        );
        let mut all = row(&facets);
        facets.iter().for_each(|facet| all.extend(facet.part()));
        for text in ["ann", "carl", "held", "example"] {
            assert!(!all.windows(text.len()).any(|window| window == text.as_bytes()));
        }
    }
}
