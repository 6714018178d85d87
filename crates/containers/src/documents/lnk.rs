//! Shortcuts: of the Windows shell (MS-SHLLINK), and those that are text.

use super::field::{self, narrow, rest, short, size_at, slice, u16_at, u32_at, wide};
use super::give;
use crate::{Kind, Mark, Visit};

/// Blocks behind the strings that are looked at.
const BLOCKS_MAX: usize = 64;
/// Octets of a target or of its arguments that are read.
const PATH_MAX: usize = 4_096;

/// Flags of the header (MS-SHLLINK 2.1.1).
mod flag {
    pub(super) const TARGET: u32 = 1;
    pub(super) const INFO: u32 = 1 << 1;
    pub(super) const NAME: u32 = 1 << 2;
    pub(super) const PATH: u32 = 1 << 3;
    pub(super) const FOLDER: u32 = 1 << 4;
    pub(super) const ARGUMENTS: u32 = 1 << 5;
    pub(super) const ICON: u32 = 1 << 6;
    pub(super) const WIDE: u32 = 1 << 7;
}

/// Says what a link starts, and gives what hangs behind it.
pub(crate) fn read(octets: &[u8], visit: &mut dyn Visit) {
    let flags = u32_at(octets, 20).unwrap_or(0);
    let (mut at, mut said) = (76usize, Vec::new());
    if flags & flag::TARGET != 0 {
        at = at
            .saturating_add(2)
            .saturating_add(usize::from(u16_at(octets, at).unwrap_or(0)));
    }
    if flags & flag::INFO != 0 {
        let size = size_at(octets, at).unwrap_or(0).max(4);
        let info = slice(octets, at, size).unwrap_or_default();
        // The path lies where the info says, if it says that there is one.
        if u32_at(info, 8).is_some_and(|flags| flags & 1 != 0)
            && let Some(from) = size_at(info, 16)
        {
            said.push(narrow(rest(info, from).get(..PATH_MAX).unwrap_or(rest(info, from))));
        }
        at = at.saturating_add(size);
    }
    let wide_letters = flags & flag::WIDE != 0;
    for one in [flag::NAME, flag::PATH, flag::FOLDER, flag::ARGUMENTS, flag::ICON] {
        if flags & one == 0 {
            continue;
        }
        let count = usize::from(u16_at(octets, at).unwrap_or(0)) * if wide_letters { 2 } else { 1 };
        let inner = rest(octets, at.saturating_add(2));
        let inner = inner.get(..count.min(PATH_MAX)).unwrap_or(inner);
        if one & (flag::PATH | flag::ARGUMENTS) != 0 {
            said.push(if wide_letters { wide(inner) } else { narrow(inner) });
        }
        at = at.saturating_add(2).saturating_add(count);
    }
    let mut ended = false;
    for _ in 0..BLOCKS_MAX {
        let Some(size) = size_at(octets, at) else { break };
        if size < 8 {
            // The end is a length below four; some writers say four.
            at = at.saturating_add(4);
            ended = true;
            break;
        }
        // A path with variables of the environment.
        if u32_at(octets, at.saturating_add(4)) == Some(0xa000_0001) {
            let path = rest(octets, at.saturating_add(8));
            said.push(narrow(path.get(..path.len().min(260)).unwrap_or_default()));
        }
        at = at.saturating_add(size);
    }
    said.retain(|text| !text.is_empty());
    visit.mark(Mark::Fetches, &short(&said.join(" ")));
    let behind = rest(octets, at);
    if ended && !behind.is_empty() {
        visit.mark(Mark::Embedded, "behind the link");
        let _ = give(visit, "behind", None, behind);
    } else if at > octets.len() {
        visit.mark(Mark::Damaged, "link cut");
    }
}

/// Whether [`text`] reads this kind.
pub(crate) const fn is_text(kind: Kind) -> bool {
    use Kind::*;
    matches!(
        kind,
        Url | Desktop | Scf | LibraryMs | SearchMs | SettingContent | Jnlp | Iqy | Slk | ClickOnce | Rdp | Webloc
    )
}

/// What stands before a target, in small letters.
const BEFORE: &[&str] = &[
    "url=",
    "iconfile=",
    "exec=",
    "full address:s:",
    "<url>",
    "<deeplink>",
    "codebase=\"",
    "<simplelocation>",
    "<string>",
    "workingdirectory=",
    "baseurl=",
];

/// Says where a shortcut leads that is text.
pub(crate) fn text(octets: &[u8], visit: &mut dyn Visit) {
    let lower = field::lower(octets);
    let lower = String::from_utf8_lossy(&lower);
    let mut said: Vec<&str> = Vec::new();
    for before in BEFORE {
        if let Some((_, after)) = lower.split_once(before) {
            let end = after.find(['\r', '\n', '<', '"']).unwrap_or(after.len());
            said.extend(after.get(..end).map(str::trim).filter(|target| !target.is_empty()));
        }
    }
    if lower.starts_with("web") {
        said.extend(lower.lines().nth(2));
    }
    // A sheet of symbolic links acts only by its cells.
    let sheet = lower.starts_with("id;");
    if sheet {
        let cell = |line: &&str| {
            line.starts_with("c;")
                && ["exec(", "|", "call(", "register("]
                    .iter()
                    .any(|one| line.contains(one))
        };
        let cells: Vec<&str> = lower.lines().filter(cell).take(3).collect();
        if lower.contains("auto_open") {
            visit.mark(Mark::AutoMacro, "auto_open");
        }
        if cells.is_empty() {
            return;
        }
        said.extend(cells);
    }
    visit.mark(Mark::Fetches, &short(&said.join(" ")));
}

#[cfg(test)]
mod tests {
    use super::super::heard::Heard;
    use super::*;

    /// A link with a relative path, arguments and something behind its end.
    fn link(path: &str, arguments: &str, behind: &[u8]) -> Vec<u8> {
        let mut octets = b"L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46".to_vec();
        octets.extend_from_slice(&(flag::PATH | flag::ARGUMENTS | flag::WIDE).to_le_bytes());
        octets.resize(76, 0);
        for text in [path, arguments] {
            let units: Vec<u16> = text.encode_utf16().collect();
            octets.extend_from_slice(&(units.len() as u16).to_le_bytes());
            octets.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        }
        octets.extend_from_slice(&[0; 4]);
        octets.extend_from_slice(behind);
        octets
    }

    #[test]
    fn a_link_says_what_it_starts() {
        let mut heard = Heard::default();
        read(&link("..\\cmd.exe", "/c calc", b""), &mut heard);
        assert_eq!(heard.notes, [(Mark::Fetches, "..\\cmd.exe /c calc".to_owned())]);
    }

    #[test]
    fn what_hangs_behind_a_link_is_given() {
        let mut heard = Heard::default();
        read(&link("a", "b", b"MZ"), &mut heard);
        assert_eq!(heard.file("behind"), Some(&b"MZ"[..]));
    }

    #[test]
    fn texts_say_where_they_lead() {
        for (octets, target) in [
            (
                &b"[InternetShortcut]\r\nURL=file://e.example/a.exe\r\n"[..],
                "file://e.example/a.exe",
            ),
            (b"WEB\r\n1\r\nhttp://e.example/q\r\n", "http://e.example/q"),
            (b"ID;P\r\nC;X1;Y1;E=cmd|'/c calc'!A0\r\n", "c;x1;y1;e=cmd|'/c calc'!a0"),
            (b"[Desktop Entry]\nExec=sh -c x\n", "sh -c x"),
        ] {
            let mut heard = Heard::default();
            text(octets, &mut heard);
            assert_eq!(heard.notes, [(Mark::Fetches, target.to_owned())]);
        }
        let mut heard = Heard::default();
        text(b"ID;PWXL\r\nC;Y1;X1;K\"sum\"\r\nE\r\n", &mut heard);
        assert_eq!(heard, Heard::default());
    }
}
