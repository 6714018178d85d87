//! Fields of a header section that lie beyond its bounds, where nobody here looks and others may.
//!
//! **Invariant:** what passes for ours there gets another name; all else of it stays, octet for octet. It takes one pass
//! over the head, however many lines it has.

use crate::edit::{Edit, lengthen};
use crate::header::{Headers, Line, lines};
use crate::own::NamePattern;

/// What the name of such a field begins with then.
const UNREAD: &[u8] = b"X-Unread-";

/// The edit that renames the fields of these names beyond the bounds; none where all was read.
pub fn rename(headers: &Headers, patterns: Vec<NamePattern>) -> Option<Edit> {
    let excess = headers.excess();
    (excess.head || excess.lines).then_some(Edit::Beyond(patterns))
}

/// The rest of a head, from the first line of a field on, with these renamed; none if there is none of them.
pub(crate) fn renamed(rest: &[u8], patterns: &[&NamePattern]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut copied, mut found) = (0, false);
    for (line, range) in lines(rest) {
        let Line::Field { name, colon } = line else { continue };
        let field = rest.get(range.clone()).unwrap_or_default();
        let name = field.get(..name).unwrap_or_default();
        if patterns.iter().any(|pattern| pattern.means(name)) {
            found = true;
            out.extend_from_slice(rest.get(copied..range.start).unwrap_or_default());
            lengthen(
                &mut out,
                &[UNREAD, name].concat(),
                b":",
                field.get(colon..).unwrap_or_default(),
            );
            copied = range.end;
        }
    }
    out.extend_from_slice(rest.get(copied..).unwrap_or_default());
    found.then_some(out)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::header::{HEAD_MAX, LINES_MAX};
    use crate::{Edits, Message};

    fn edited(mail: &str) -> String {
        let message = Message::from_bytes(mail.as_bytes().to_vec());
        let edits: Edits = rename(message.headers(), vec![NamePattern::RESULTS, NamePattern::OURS])
            .into_iter()
            .collect();
        let mut out = String::new();
        edits.apply(&message).read().read_to_string(&mut out).expect("text");
        out
    }

    #[test]
    fn what_passes_for_ours_beyond_the_bounds_gets_another_name() {
        let forged =
            "Authentication-Results: us;\r\n dmarc=pass\r\nA: b\r\nx-gatepost-id : 1\r\n\r\nX-Gatepost-Id: 2\r\n";
        let want = "X-Unread-Authentication-Results: us;\r\n dmarc=pass\r\nA: b\r\nX-Unread-x-gatepost-id: 1\r\n\r\n\
                    X-Gatepost-Id: 2\r\n";
        for above in [
            "X: y\r\n".repeat(LINES_MAX),
            format!("X: {}\r\n", "y".repeat(HEAD_MAX)),
            format!("X: y\r\n{}", " z\r\n".repeat(LINES_MAX)),
        ] {
            assert_eq!(edited(&format!("{above}{forged}")), format!("{above}{want}"));
        }
    }

    #[test]
    fn what_was_read_or_is_of_others_stays() {
        let long = "X: y\r\n".repeat(LINES_MAX + 5);
        for mail in [
            "Authentication-Results: us; dmarc=pass\r\n\r\n".to_owned(),
            format!("X-Gatepost-Id: 1\r\n{long}\r\nAuthentication-Results: us\r\n"),
        ] {
            assert_eq!(edited(&mail), mail);
        }
    }
}
