//! Tape archives: the old form, ustar, those of GNU and pax (POSIX.1-2017, pax).

use super::behind;
use super::octets::piece;
use crate::{File, Flow, Mark, Role, Visit, names};

const BLOCK: usize = 512;
/// The largest size that eleven octal digits hold.
const SIZE_MAX: u64 = (1 << 33) - 1;

/// Whether a block is the header of a member: its checksum is right.
pub(super) fn is_header(octets: &[u8]) -> bool {
    let Some(header) = octets.get(..BLOCK) else {
        return false;
    };
    let Some(declared) = header.get(148..156).and_then(number) else {
        return false;
    };
    // The sum is made with blanks in its own place; old writers summed signed octets.
    let others = || {
        header
            .iter()
            .enumerate()
            .map(|(at, octet)| if (148..156).contains(&at) { b' ' } else { *octet })
    };
    let unsigned: u64 = others().map(u64::from).sum();
    let signed: i64 = others().map(|octet| i64::from(octet.cast_signed())).sum();
    header.first() != Some(&0) && (declared == unsigned || i64::try_from(declared) == Ok(signed))
}

/// A number: octal digits, or in base 256 where the first bit is set.
fn number(field: &[u8]) -> Option<u64> {
    let first = *field.first()?;
    if first & 0x80 != 0 {
        let mut value = u64::from(first & 0x3f);
        for octet in field.get(1..)? {
            value = value.checked_mul(256)?.checked_add(u64::from(*octet))?;
        }
        return Some(value);
    }
    let digits = field
        .iter()
        .copied()
        .skip_while(|octet| *octet == b' ')
        .take_while(|octet| !matches!(octet, b' ' | 0));
    let mut value = 0_u64;
    for digit in digits {
        value = value
            .checked_mul(8)?
            .checked_add(u64::from(digit.checked_sub(b'0').filter(|digit| *digit < 8)?))?;
    }
    Some(value)
}

/// Octets up to the first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|octet| *octet == 0).next().unwrap_or_default()
}

/// What stands before a member for it.
#[derive(Default)]
struct Before {
    gnu: Option<Vec<u8>>,
    pax: Option<Vec<u8>>,
    size: Option<u64>,
    /// The content begins with a map of its holes.
    sparse: bool,
}

impl Before {
    /// The records of pax: length, key and value of each. `false` if not all are such.
    fn records(&mut self, mut octets: &[u8]) -> bool {
        while let Some(space) = octets.iter().take(12).position(|octet| *octet == b' ') {
            let len = octets
                .get(..space)
                .and_then(|digits| std::str::from_utf8(digits).ok())
                .and_then(|text| text.parse().ok());
            let Some((record, rest)) = len
                .filter(|len: &usize| *len > space)
                .and_then(|len| octets.split_at_checked(len))
            else {
                return false;
            };
            octets = rest;
            let record = record.get(space + 1..).unwrap_or_default();
            let record = record.strip_suffix(b"\n").unwrap_or(record);
            let Some(equals) = record.iter().position(|octet| *octet == b'=') else {
                continue;
            };
            let (key, value) = (
                record.get(..equals).unwrap_or_default(),
                record.get(equals + 1..).unwrap_or_default(),
            );
            if key.starts_with(b"GNU.sparse.") {
                self.sparse = true;
            }
            match key {
                b"path" | b"GNU.sparse.name" => self.pax = Some(value.to_vec()),
                b"size" => self.size = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()),
                _ => {}
            }
        }
        octets.iter().all(|octet| *octet == 0)
    }
}

/// Gives the members of a tape archive.
pub(super) fn read(octets: &[u8], visit: &mut dyn Visit) {
    let (mut at, mut before) = (0, Before::default());
    loop {
        if visit.is_over() {
            return;
        }
        let Some(header) = piece(octets, at, BLOCK) else {
            if octets
                .get(at..)
                .is_some_and(|rest| rest.iter().any(|octet| *octet != 0))
            {
                visit.mark(Mark::Damaged, "it ends within a header");
            }
            return;
        };
        if !is_header(header) {
            if header.iter().any(|octet| *octet != 0) {
                visit.mark(Mark::Damaged, "no header where one should be");
            }
            // Some programs go on behind blocks of zeros, and behind damage.
            match next_header(octets, at) {
                Some(next) => {
                    visit.mark(Mark::Ambiguous, "members behind its end");
                    at = next;
                    continue;
                }
                None => return behind::rest(octets, at, visit),
            }
        }
        let kind = header.get(156).copied().unwrap_or_default();
        let declared = header.get(124..136).and_then(number);
        if declared.is_none() {
            visit.mark(Mark::Damaged, "a size that is no number");
        }
        let own = declared.unwrap_or_default();
        let size = before.size.unwrap_or(own);
        let special = matches!(kind, b'L' | b'K' | b'x' | b'X' | b'g');
        // Links and folders have no content, whatever their size says; a few writers think otherwise.
        let empty = matches!(kind, b'1'..=b'6');
        let len = usize::try_from(if special {
            own
        } else if empty {
            0
        } else {
            size
        })
        .unwrap_or(usize::MAX);
        let data = octets.get(at + BLOCK..).unwrap_or_default();
        let content = data.get(..len).unwrap_or(data);
        if special {
            let mut whole = true;
            match kind {
                b'L' => before.gnu = Some(text(content).to_vec()),
                b'x' | b'X' => whole = before.records(content),
                b'g' => {
                    let mut all = Before::default();
                    whole = all.records(content);
                    if all.pax.is_some() || all.size.is_some() {
                        visit.mark(Mark::Ambiguous, "a name or a size for all members");
                        before.pax = before.pax.or(all.pax);
                    }
                }
                _ => {}
            }
            if !whole {
                visit.mark(Mark::Damaged, "records of pax that are none");
            }
        } else {
            // Where a size has no room in the header, that says another; who does not know pax goes by it.
            if before.size.is_some_and(|size| size != own && size <= SIZE_MAX) {
                visit.mark(Mark::Ambiguous, "a member has two sizes");
            }
            let flow = member(
                header,
                kind,
                content,
                len > data.len(),
                std::mem::take(&mut before),
                visit,
            );
            if flow == Flow::Stop {
                return;
            }
        }
        let blocks = len.checked_next_multiple_of(BLOCK).unwrap_or(usize::MAX);
        at = at.saturating_add(BLOCK).saturating_add(blocks);
        if at >= octets.len() {
            return;
        }
    }
}

/// The next block that is a header.
fn next_header(octets: &[u8], at: usize) -> Option<usize> {
    (at..octets.len())
        .step_by(BLOCK)
        .skip(1)
        .find(|at| octets.get(*at..).is_some_and(is_header))
}

/// Gives one member.
fn member(header: &[u8], kind: u8, content: &[u8], short: bool, before: Before, visit: &mut dyn Visit) -> Flow {
    let mut own = text(header.get(..100).unwrap_or_default()).to_vec();
    // Ustar puts the begin of a long name elsewhere; GNU uses the place for other things.
    let prefix = text(header.get(345..500).unwrap_or_default());
    if header.get(257..263) == Some(b"ustar\0") && !prefix.is_empty() {
        own = [prefix, b"/", &own].concat();
    }
    if let (Some(gnu), Some(pax)) = (&before.gnu, &before.pax)
        && gnu != pax
    {
        visit.mark(Mark::Ambiguous, "a member has two names");
    }
    // Holes are left out, so what is here is all that can do harm; but it need not begin with what the file begins with.
    if kind == b'S' || before.sparse {
        visit.mark(Mark::Ambiguous, "a sparse member");
    }
    let name = before.pax.or(before.gnu).unwrap_or(own);
    let folder = kind == b'5' || content.is_empty() && !short && name.ends_with(b"/");
    let role = match kind {
        _ if folder => Role::Folder,
        b'1'..=b'4' | b'6' => Role::Link,
        _ => Role::File,
    };
    let file = File {
        name: names::text(&name),
        role,
        declared: None,
    };
    if short {
        visit.mark(Mark::Damaged, "it ends within a member");
    }
    visit.file(&file, &mut &*content)
}
