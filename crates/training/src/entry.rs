//! The form of what stands in the sample log: frames with a checksum, each a sample or a mark.
//!
//! ```text
//! frame    "GPS1"  kind u8  0 u8  head u16  body u32  checksum u64  head  body      (little endian)
//! kind     1 sample: head is what is known of it, body its features
//!          2 forgotten: body is the sequences that must go
//!          3 aside: body is the spans of sequences that are not in the models
//!          4 remembered: like a sample, before anybody labelled it
//!          5 again: like a sample, and behind its head the sequence of the sample that it repeats, and of the one for
//!            whose sake it does
//! ```
//!
//! **Invariant:** what is read is what was written, or it is no frame. No text of a mail stands in it: features and sources
//! are keyed hashes; the teacher's name and the domain whose mail it was are kept as they are. Everything that is read has
//! a bound.

use gatepost_core::{Features, Ground, Label};
use xxhash_rust::xxh3::Xxh3Default;

use crate::octets::{cut, get, octets, put, take, take_one, take_text, take_u64, text};

/// Octets before the head.
const FIXED: usize = 20;
const MAGIC: &[u8; 4] = b"GPS1";
/// The longest name of a teacher; longer ones are cut.
pub const BY_MAX: usize = 320;
/// The longest domain.
const DOMAIN_MAX: usize = 255;
/// The most classifiers whose features a sample has.
pub const MEMBERS_MAX: usize = 16;
/// The longest name of a classifier.
const NAME_MAX: usize = 64;
/// The most sequences that one mark names.
pub const MARK_MAX: usize = 1_000_000;
/// The most octets of a body.
const BODY_MAX: usize = MEMBERS_MAX * (Features::MAX * 10 + 128);
/// The most ids that a remembered mail has.
pub const IDS_MAX: usize = 16;
/// How many parts a sketch has.
pub const SKETCH: usize = 8;

/// The features of one message, by the names of the classifiers.
pub type Named = Vec<(Box<str>, Features)>;

/// Where a mail came from, for caps: keyed hashes; 0 where it is not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sources {
    /// The domain of the sender, or the one who sent it where that is one of ours.
    pub sender: u64,
    /// The network of the client.
    pub network: u64,
}

/// What is known of a sample besides its features.
#[derive(Clone, PartialEq, Debug)]
pub struct Head {
    /// Its place in the log.
    pub sequence: u64,
    /// When it was labelled, in milliseconds since the epoch.
    pub at: u64,
    /// What it is.
    pub label: Label,
    /// On what that stands.
    pub ground: Ground,
    /// Who says so.
    pub by: Box<str>,
    /// Whose mail it was.
    pub domain: Option<Box<str>>,
    /// How much it counts, in hundredths.
    pub weight: u32,
    /// By which the same mail is known again: a keyed hash of its features.
    pub identity: u64,
    /// The kept mail that it is, as a keyed hash; 0 where it is none.
    pub kept: u64,
    /// Where it came from.
    pub sources: Sources,
    /// By which nearly the same mail is known again.
    pub sketch: [u32; SKETCH],
}

/// One frame.
#[derive(Clone, PartialEq, Debug)]
pub enum Line {
    /// A sample.
    Sample(Head),
    /// Samples that must go.
    Forgotten {
        /// Its place in the log.
        sequence: u64,
        /// Which samples.
        which: Vec<u64>,
    },
    /// Which samples are not in the models though they are in the log: those behind the first of a span, up to the second.
    /// It takes the place of any such mark before.
    Aside {
        /// Its place in the log.
        sequence: u64,
        /// The spans, in order.
        spans: Vec<(u64, u64)>,
    },
    /// A mail that was delivered; head and the ids by which it is asked for.
    Remembered(Head, Vec<u64>),
    /// A sample that is learned once more here; its head, the sequence of the one that it repeats, and of the one for whose
    /// sake it does. Where either is forgotten, so is this.
    Again(Head, u64, u64),
}

impl Line {
    /// Its place in the log.
    pub fn sequence(&self) -> u64 {
        match self {
            Line::Sample(head) | Line::Remembered(head, _) | Line::Again(head, ..) => head.sequence,
            Line::Forgotten { sequence, .. } | Line::Aside { sequence, .. } => *sequence,
        }
    }
}

/// A frame that was found.
#[derive(Clone, PartialEq, Debug)]
pub struct Framed<'a> {
    /// What it says.
    pub line: Line,
    /// Its body: the features, where it is a sample.
    pub body: &'a [u8],
    /// Its checksum, by which a sample is told from any other.
    pub check: u64,
    /// Octets of the whole frame.
    pub len: usize,
}

/// Features as the body of a frame. Of each classifier the shortest of three forms: eight octets a hash, as few octets as
/// the largest needs, or the differences of sorted ones.
pub fn write_features(features: &[(Box<str>, Features)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 + features.iter().map(|(_, one)| 32 + one.hashes.len() * 8).sum::<usize>());
    let members = features.len().min(MEMBERS_MAX);
    out.push(members as u8);
    for (name, features) in features.iter().take(members) {
        let name = cut(name, NAME_MAX);
        let hashes = features.hashes.get(..Features::MAX).unwrap_or(&features.hashes);
        out.push(name.len() as u8);
        out.extend_from_slice(name.as_bytes());
        put(&mut out, features.extractor.into());
        put(&mut out, hashes.len() as u64);
        let width = octets(hashes.iter().copied().max().unwrap_or(0));
        let differences = hashes.is_sorted().then(|| {
            let mut differences = Vec::with_capacity(hashes.len() * 8);
            hashes.iter().fold(0, |before, hash| {
                put(&mut differences, hash - before);
                *hash
            });
            differences
        });
        match differences {
            Some(differences) if differences.len() < hashes.len() * width => {
                out.push(0);
                out.extend_from_slice(&differences);
            }
            _ => {
                out.push(width as u8);
                for hash in hashes {
                    out.extend_from_slice(hash.to_le_bytes().get(..width).unwrap_or_default());
                }
            }
        }
    }
    out
}

/// The features that a body holds; nothing where it is none.
pub fn read_features(body: &[u8]) -> Option<Named> {
    let mut rest = body;
    let members = usize::from(take_one(&mut rest)?);
    if members > MEMBERS_MAX {
        return None;
    }
    let mut all = Vec::with_capacity(members);
    for _ in 0..members {
        let len = take_one(&mut rest)?.into();
        // No longer than one is written.
        if len > NAME_MAX {
            return None;
        }
        let name = std::str::from_utf8(take(&mut rest, len)?).ok()?;
        let extractor = u32::try_from(get(&mut rest)?).ok()?;
        let count = usize::try_from(get(&mut rest)?).ok()?;
        if count > Features::MAX {
            return None;
        }
        let width = usize::from(take_one(&mut rest)?);
        let mut hashes = Vec::with_capacity(count.min(rest.len()));
        match width {
            0 => {
                let mut last = 0_u64;
                for _ in 0..count {
                    last = last.checked_add(get(&mut rest)?)?;
                    hashes.push(last);
                }
            }
            1..=8 => {
                for hash in take(&mut rest, count * width)?.chunks_exact(width) {
                    hashes.push(hash.iter().rev().fold(0, |all, octet| all << 8 | u64::from(*octet)));
                }
            }
            _ => return None,
        }
        all.push((name.into(), Features { extractor, hashes }));
    }
    rest.is_empty().then_some(all)
}

/// The checksum of a frame.
fn checksum(lengths: &[u8], head: &[u8], body: &[u8]) -> u64 {
    let mut sum = Xxh3Default::new();
    sum.update(lengths);
    sum.update(head);
    sum.update(body);
    sum.digest()
}

/// Writes a frame and tells its checksum; `body` are the features of a sample.
pub fn write(out: &mut Vec<u8>, line: &Line, features: &[u8]) -> u64 {
    let mut head = Vec::with_capacity(128);
    put(&mut head, line.sequence());
    let mut list = Vec::new();
    let (kind, body) = match line {
        Line::Sample(sample) => {
            write_head(&mut head, sample);
            (1, features)
        }
        Line::Remembered(sample, ids) => {
            write_head(&mut head, sample);
            let ids = ids.get(..IDS_MAX).unwrap_or(ids);
            head.push(ids.len() as u8);
            ids.iter().for_each(|id| head.extend_from_slice(&id.to_le_bytes()));
            (4, features)
        }
        Line::Again(sample, of, beside) => {
            write_head(&mut head, sample);
            put(&mut head, *of);
            put(&mut head, *beside);
            (5, features)
        }
        Line::Forgotten { which, .. } => {
            let which = which.get(..MARK_MAX).unwrap_or(which);
            put(&mut list, which.len() as u64);
            which.iter().for_each(|sequence| put(&mut list, *sequence));
            (2, &*list)
        }
        Line::Aside { spans, .. } => {
            let spans = spans.get(..MARK_MAX).unwrap_or(spans);
            put(&mut list, spans.len() as u64);
            for (after, through) in spans {
                put(&mut list, *after);
                put(&mut list, *through);
            }
            (3, &*list)
        }
    };
    let mut lengths = [kind, 0, 0, 0, 0, 0, 0, 0];
    lengths[2..4].copy_from_slice(&(head.len() as u16).to_le_bytes());
    lengths[4..].copy_from_slice(&(body.len() as u32).to_le_bytes());
    let check = checksum(&lengths, &head, body);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&lengths);
    out.extend_from_slice(&check.to_le_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(body);
    check
}

/// The frame that some octets begin with; nothing where they begin with none, or with one that is torn or damaged.
pub fn read(bytes: &[u8]) -> Option<Framed<'_>> {
    let mut rest = bytes.strip_prefix(MAGIC)?;
    let lengths: [u8; 8] = take(&mut rest, 8)?.try_into().ok()?;
    let check = u64::from_le_bytes(take(&mut rest, 8)?.try_into().ok()?);
    let [kind, zero, h0, h1, b0, b1, b2, b3] = lengths;
    let head_len = usize::from(u16::from_le_bytes([h0, h1]));
    let body_len = usize::try_from(u32::from_le_bytes([b0, b1, b2, b3])).ok()?;
    if zero != 0 || body_len > BODY_MAX.max(MARK_MAX * 20 + 10) {
        return None;
    }
    let mut head = take(&mut rest, head_len)?;
    let body = take(&mut rest, body_len)?;
    if checksum(&lengths, head, body) != check {
        return None;
    }
    let sequence = get(&mut head)?;
    let line = match kind {
        1 => Line::Sample(read_head(sequence, &mut head)?),
        2 => {
            let mut list = body;
            let count = bounded(get(&mut list)?)?;
            let which: Option<Vec<u64>> = (0..count).map(|_| get(&mut list)).collect();
            Line::Forgotten {
                sequence,
                which: which.filter(|_| list.is_empty())?,
            }
        }
        3 => {
            let mut list = body;
            let count = bounded(get(&mut list)?)?;
            let spans: Option<Vec<(u64, u64)>> = (0..count).map(|_| Some((get(&mut list)?, get(&mut list)?))).collect();
            Line::Aside {
                sequence,
                spans: spans.filter(|_| list.is_empty())?,
            }
        }
        4 => {
            let sample = read_head(sequence, &mut head)?;
            let count = usize::from(take_one(&mut head)?);
            if count > IDS_MAX {
                return None;
            }
            let ids: Option<Vec<u64>> = (0..count).map(|_| take_u64(&mut head)).collect();
            Line::Remembered(sample, ids?)
        }
        5 => {
            let sample = read_head(sequence, &mut head)?;
            Line::Again(sample, get(&mut head)?, get(&mut head)?)
        }
        _ => return None,
    };
    head.is_empty().then_some(Framed {
        line,
        body,
        check,
        len: FIXED + head_len + body_len,
    })
}

/// Where the next frame may begin, behind the first octet.
pub fn next(bytes: &[u8]) -> Option<usize> {
    let rest = bytes.get(1..)?;
    let at = rest.windows(MAGIC.len()).position(|window| window == MAGIC)?;
    Some(at + 1)
}

const GROUNDS: [Ground; 7] = [
    Ground::Person,
    Ground::Correction,
    Ground::Corpus,
    Ground::Trap,
    Ground::Evidence,
    Ground::Outbound,
    Ground::Welcome,
];

fn write_head(out: &mut Vec<u8>, head: &Head) {
    put(out, head.at);
    out.push(u8::from(head.label == Label::Spam));
    let ground = GROUNDS.iter().position(|ground| *ground == head.ground);
    out.push(ground.unwrap_or_default() as u8);
    text(out, cut(&head.by, BY_MAX));
    // An empty domain is none.
    text(out, cut(head.domain.as_deref().unwrap_or_default(), DOMAIN_MAX));
    put(out, head.weight.into());
    for number in [head.identity, head.kept, head.sources.sender, head.sources.network] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    for part in head.sketch {
        out.extend_from_slice(&part.to_le_bytes());
    }
}

fn read_head(sequence: u64, rest: &mut &[u8]) -> Option<Head> {
    let at = get(rest)?;
    let label = match take_one(rest)? {
        0 => Label::Ham,
        1 => Label::Spam,
        _ => return None,
    };
    let ground = *GROUNDS.get(usize::from(take_one(rest)?))?;
    let by = take_text(rest, BY_MAX)?;
    let domain = take_text(rest, DOMAIN_MAX)?;
    let weight = u32::try_from(get(rest)?).ok()?;
    let (identity, kept, sender, network) = (take_u64(rest)?, take_u64(rest)?, take_u64(rest)?, take_u64(rest)?);
    let mut sketch = [0; SKETCH];
    for part in &mut sketch {
        *part = u32::from_le_bytes(take(rest, 4)?.try_into().ok()?);
    }
    Some(Head {
        sequence,
        at,
        label,
        ground,
        by,
        domain: (!domain.is_empty()).then_some(domain),
        weight,
        identity,
        kept,
        sources: Sources { sender, network },
        sketch,
    })
}

fn bounded(count: u64) -> Option<usize> {
    usize::try_from(count).ok().filter(|count| *count <= MARK_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn features() -> impl Strategy<Value = Features> {
        let hashes = prop_oneof![
            vec(any::<u64>(), 0..40),
            vec(0..1_u64 << 22, 0..40),
            vec(any::<u64>(), 0..40).prop_map(|mut all| {
                all.sort_unstable();
                all
            }),
        ];
        (any::<u32>(), hashes).prop_map(|(extractor, hashes)| Features { extractor, hashes })
    }

    fn head() -> impl Strategy<Value = Head> {
        let who = (".{0,20}", proptest::option::of("[a-z.]{1,20}"), 0..GROUNDS.len());
        let numbers = (any::<[u64; 6]>(), any::<bool>(), any::<u32>(), any::<[u32; SKETCH]>());
        (who, numbers).prop_map(|((by, domain, ground), (numbers, spam, weight, sketch))| Head {
            sequence: numbers[0],
            at: numbers[1],
            label: if spam { Label::Spam } else { Label::Ham },
            ground: GROUNDS[ground],
            by: by.into(),
            domain: domain.map(Into::into),
            weight,
            identity: numbers[2],
            kept: numbers[3],
            sources: Sources {
                sender: numbers[4],
                network: numbers[5],
            },
            sketch,
        })
    }

    fn line() -> impl Strategy<Value = Line> {
        prop_oneof![
            head().prop_map(Line::Sample),
            (head(), vec(any::<u64>(), 0..4)).prop_map(|(head, ids)| Line::Remembered(head, ids)),
            (head(), any::<[u64; 2]>()).prop_map(|(head, [of, beside])| Line::Again(head, of, beside)),
            (any::<u64>(), vec(any::<u64>(), 0..20)).prop_map(|(sequence, which)| Line::Forgotten { sequence, which }),
            (any::<u64>(), vec(any::<(u64, u64)>(), 0..9))
                .prop_map(|(sequence, spans)| Line::Aside { sequence, spans }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(line in line(), all in vec(("[a-z]{1,8}", features()), 0..4), behind in vec(any::<u8>(), 0..9)) {
            let named: Named = all.into_iter().map(|(name, features)| (name.into(), features)).collect();
            let body = write_features(&named);
            prop_assert_eq!(read_features(&body), Some(named));
            let mut out = Vec::new();
            let check = write(&mut out, &line, &body);
            let len = out.len();
            out.extend_from_slice(&behind);
            let framed = read(&out).unwrap();
            prop_assert_eq!(framed.len, len);
            prop_assert_eq!(framed.check, check);
            if let Line::Sample(_) | Line::Remembered(..) | Line::Again(..) = line {
                prop_assert_eq!(framed.body, &*body);
            }
            prop_assert_eq!(framed.line, line);
        }

        #[test]
        fn a_frame_that_was_cut_or_changed_is_none(line in line(), at in any::<prop::sample::Index>(), bit in 0..8) {
            let mut out = Vec::new();
            write(&mut out, &line, &write_features(&[("bayes".into(), Features { extractor: 1, hashes: vec![7, 9] })]));
            let at = at.index(out.len());
            prop_assert_eq!(read(&out[..at]), None);
            out[at] ^= 1_u8 << bit;
            prop_assert_eq!(read(&out), None);
        }
    }

    #[test]
    fn small_or_sorted_hashes_take_less_room() {
        let of = |hashes: Vec<u64>| write_features(&[("m".into(), Features { extractor: 1, hashes })]).len();
        let (few, many) = (16, 1_000);
        assert!(of((0..many).map(|n| n << 54).collect()) <= 8 * 1_000 + few);
        assert!(of((0..many).map(|n| (n * 7_919) % (1 << 22)).collect()) <= 3 * 1_000 + few);
        assert!(of((0..many).collect()) <= 1_000 + few);
    }
}
