//! The lines of a text that somebody wrote, as far as a mail is looked for in them.

/// Lines among which the begin of a mail is looked for.
pub(super) const BEGIN_MAX: usize = 2_000;

/// Quotation marks of a line that count: nobody quotes more often.
const DEPTH_MAX: usize = 50;

/// A line without its quotation marks, and how many they are.
pub(super) fn unquoted(line: &str) -> (&str, usize) {
    let (mut rest, mut depth) = (line, 0);
    while let Some(more) = rest.trim_start_matches([' ', '\t']).strip_prefix('>')
        && depth < DEPTH_MAX
    {
        rest = more.strip_prefix(' ').unwrap_or(more);
        depth += 1;
    }
    match depth {
        0 => (line, 0),
        depth => (rest, depth),
    }
}

/// A line without so many quotation marks.
pub(super) fn less(line: &str, depth: usize) -> &str {
    let mut rest = line;
    for _ in 0..depth {
        let Some(more) = rest.trim_start_matches([' ', '\t']).strip_prefix('>') else {
            break;
        };
        rest = more.strip_prefix(' ').unwrap_or(more);
    }
    rest
}

/// Whether nothing is seen on a line.
pub(super) fn is_blank(line: &str) -> bool {
    line.chars()
        .all(|one| one.is_whitespace() || one == '\u{feff}' || one == '\u{200b}')
}

/// The lines as the body of a mail, blank ones at its begin left out.
pub(super) fn body<'a>(lines: impl Iterator<Item = &'a str>, out: &mut Vec<u8>) {
    for line in lines.skip_while(|line| is_blank(line)) {
        out.extend_from_slice(line.trim_end_matches(['\r', '\n']).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotation_marks_are_taken_off_and_counted() {
        assert_eq!(unquoted("> > a"), ("a", 2));
        assert_eq!(unquoted(">>a"), ("a", 2));
        assert_eq!(unquoted("  indented"), ("  indented", 0));
        assert_eq!(unquoted(&">".repeat(1_000)).1, DEPTH_MAX);
        assert_eq!(less("> > a", 1), "> a");
        assert_eq!(less("a", 3), "a");
        assert!(is_blank(" \u{a0}\t") && !is_blank("."));
    }
}
