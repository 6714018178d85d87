//! Sheets of Excel in the binary form (MS-XLS): macro sheets, names that run by themselves, links, a password.

use super::field::{narrow, rest, slice, u16_at, wide};
use crate::{Mark, Visit};

/// Looks at the records of a workbook's globals and of its sheets.
pub(crate) fn read(stream: &[u8], visit: &mut dyn Visit) {
    let (mut at, mut sheet, mut auto, mut hidden) = (0usize, false, None, false);
    // Each record takes at least four octets.
    for turn in 0..=stream.len() / 4 {
        let (Some(id), Some(size)) = (u16_at(stream, at), u16_at(stream, at.saturating_add(2))) else {
            break;
        };
        let Some(data) = slice(stream, at.saturating_add(4), usize::from(size)) else {
            if id != 0 {
                visit.mark(Mark::Damaged, "sheet cut");
            }
            break;
        };
        match id {
            // BOF, of all versions: what begins is a macro sheet.
            0x0009 | 0x0209 | 0x0409 | 0x0809 if data.get(2..4) == Some(&[0x40, 0]) => sheet = true,
            // FILEPASS: what follows is scrambled.
            0x002f => {
                visit.mark(Mark::Encrypted, "workbook");
                return;
            }
            // BOUNDSHEET: where, how visible, of which sort.
            0x0085 if data.get(5) == Some(&1) => {
                sheet = true;
                hidden |= data.get(4).is_some_and(|state| state & 3 != 0);
            }
            // LBL: a built-in name is one octet, 1 for Auto_Open.
            0x0018 => auto = auto.or_else(|| runs_by_itself(data)),
            // SUPBOOK: a link whose path has a 3 in it goes to a program.
            0x01ae => {
                let path = rest(data, 5);
                let path = if data.get(4) == Some(&1) {
                    wide(path)
                } else {
                    narrow(path)
                };
                if let Some((program, topic)) = path.split_once('\u{3}') {
                    visit.mark(Mark::Fetches, &super::field::short(&format!("DDE {program} {topic}")));
                }
            }
            _ => {}
        }
        at = at.saturating_add(4 + usize::from(size));
        if turn % 1_024 == 1_023 && visit.is_over() {
            return;
        }
    }
    if sheet {
        visit.mark(
            Mark::Macro,
            if hidden {
                "hidden macro sheet of Excel 4"
            } else {
                "macro sheet of Excel 4"
            },
        );
        if let Some(name) = auto {
            visit.mark(Mark::AutoMacro, name);
        }
    }
}

/// The built-in name of a defined name that Excel runs by itself.
fn runs_by_itself(data: &[u8]) -> Option<&'static str> {
    let length = usize::from(*data.get(3)?);
    // BIFF8 has an octet of flags before the name.
    let name = rest(data, 14);
    if u16_at(data, 0)? & 0x20 != 0 {
        return match name.get(1).filter(|_| name.first() == Some(&0)).or(name.first())? {
            1 => Some("Auto_Open"),
            2 => Some("Auto_Close"),
            10 => Some("Auto_Activate"),
            11 => Some("Auto_Deactivate"),
            _ => None,
        };
    }
    let text = if name.first() == Some(&1) {
        wide(rest(name, 1))
    } else {
        narrow(slice(name, 1, length)?)
    };
    let lower = text.to_ascii_lowercase();
    ["auto_open", "auto_close", "auto_activate"]
        .iter()
        .zip(["Auto_Open", "Auto_Close", "Auto_Activate"])
        .find(|(one, _)| lower.starts_with(**one))
        .map(|(_, name)| name)
}
