//! The lines of a body, wherever it lies, in one pass and with a bounded window.

use std::ops::ControlFlow;

use crate::content::Content;

/// Octets that are read at once where the body lies in a file.
const WINDOW: usize = 65_536;

/// Gives each line with its end to `each`, long ones in pieces; the second argument says whether a line begins.
pub(super) fn each_line(
    content: &dyn Content,
    max: u64,
    each: &mut dyn FnMut(&[u8], bool) -> ControlFlow<()>,
) -> std::io::Result<()> {
    if let Some(whole) = content.whole() {
        let whole = usize::try_from(max)
            .ok()
            .and_then(|max| whole.get(..max))
            .unwrap_or(whole);
        let mut rest = whole;
        while !rest.is_empty() {
            let len = memchr::memchr(b'\n', rest).map_or(rest.len(), |lf| lf + 1);
            let (line, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
            if each(line, true).is_break() {
                break;
            }
            rest = after;
        }
        return Ok(());
    }
    let mut window = vec![0; WINDOW];
    let (mut at, mut kept, mut fresh) = (0_u64, 0, true);
    loop {
        let wanted = max.saturating_sub(at).min((WINDOW - kept) as u64) as usize;
        let n = match window.get_mut(kept..kept + wanted) {
            Some(room) if !room.is_empty() => content.read_at(at, room)?,
            _ => 0,
        };
        at += n as u64;
        let filled = kept + n;
        let mut rest = window.get(..filled).unwrap_or_default();
        while let Some(lf) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at_checked(lf + 1).unwrap_or((rest, &[]));
            if each(line, fresh).is_break() {
                return Ok(());
            }
            (rest, fresh) = (after, true);
        }
        let last = n == 0;
        if !rest.is_empty() && (last || rest.len() == WINDOW) {
            if each(rest, fresh).is_break() {
                return Ok(());
            }
            (rest, fresh) = (&[], false);
        }
        if last {
            return if at < content.len().min(max) {
                Err(std::io::ErrorKind::UnexpectedEof.into())
            } else {
                Ok(())
            };
        }
        kept = rest.len();
        window.copy_within(filled - kept..filled, 0);
    }
}
