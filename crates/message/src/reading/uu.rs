//! uuencode and yEnc: encodings from before MIME, which readers still decode wherever they stand in text (S-10).

use std::borrow::Cow;

/// Octets of a line that can be a beginning.
const LINE_MAX: usize = 512;

/// Digits of a mode at most.
const MODE_MAX: usize = 16;

/// The name on a line that begins a file in uuencode, `begin 644 name`, and whether the file is in base64. There are
/// readers that take any mode, and none as well.
fn begun(line: &[u8]) -> Option<(&[u8], bool)> {
    let rest = line.strip_prefix(b"begin")?;
    let (rest, base64) = rest.strip_prefix(b"-base64").map_or((rest, false), |rest| (rest, true));
    let is_blank = |b: &u8| matches!(b, b' ' | b'\t');
    let after = rest.split_first().filter(|(first, _)| is_blank(first))?.1;
    let spaced = after.trim_ascii_start();
    let digits = spaced.iter().take_while(|b| b.is_ascii_digit()).count();
    let name = match spaced.get(digits) {
        Some(next) if (1..=MODE_MAX).contains(&digits) && is_blank(next) => spaced.get(digits..)?,
        _ if after.first().is_some_and(is_blank) => spaced,
        _ => return None,
    };
    Some((name.trim_ascii(), base64))
}

fn begins(line: &[u8]) -> bool {
    begun(line).is_some()
}

/// A line of a file, decoded; `None` where it is none.
fn decoded(line: &[u8]) -> Option<Vec<u8>> {
    let line = line.trim_ascii_end();
    let value = |octet: u8| (b' '..=b'`').contains(&octet).then(|| u32::from(octet - b' ') & 63);
    let len = value(*line.first().unwrap_or(&b' '))? as usize;
    let digits = line.get(1..).unwrap_or_default();
    let wanted = len.div_ceil(3) * 4;
    // Blanks at the end are lost on the way, and some writers add a digit.
    if digits.len() > wanted + 2 || digits.iter().any(|b| value(*b).is_none()) {
        return None;
    }
    let mut out = Vec::with_capacity(wanted / 4 * 3);
    for quantum in digits.chunks(4) {
        let mut bits = 0;
        for at in 0..4 {
            bits = bits << 6 | quantum.get(at).copied().and_then(value).unwrap_or(0);
        }
        out.extend([(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]);
    }
    out.resize(len, 0);
    Some(out)
}

/// Decodes the files in text: what stands outside of them stays. `None` where there is none.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut within, mut any) = (false, false);
    for line in text.split_inclusive(|b| *b == b'\n') {
        let bare = line.trim_ascii_end();
        if within && bare == b"end" {
            within = false;
        } else if within && let Some(octets) = decoded(line) {
            out.extend(octets);
        } else if !within && begins(line.get(..LINE_MAX).unwrap_or(line)) {
            (within, any) = (true, true);
        } else {
            within = false;
            out.extend_from_slice(line);
        }
    }
    any.then_some(out)
}

/// Gives the files in text, each with the name that its first line has; so many octets of one are kept. A line within that
/// is none of a file does not end it: readers go on, and what they put there for it breaks no archive. A file has one line
/// at least that is as long as it says.
pub(super) fn files(text: &[u8], most: usize, each: &mut dyn FnMut(&[u8], Vec<u8>)) {
    let mut open: Option<Open<'_>> = None;
    for line in text.split_inclusive(|b| matches!(b, b'\n' | b'\r')) {
        let bare = line.trim_ascii_end();
        if bare == b"end" || (bare == b"====" && open.as_ref().is_some_and(|file| file.base64)) {
            give(open.take(), each);
        } else if let Some((name, base64)) = begun(line.get(..LINE_MAX).unwrap_or(line)) {
            give(open.take(), each);
            open = Some(Open {
                name,
                base64,
                full: base64,
                octets: Vec::new(),
            });
        } else if let Some(file) = &mut open {
            let more = if file.base64 {
                Cow::Borrowed(bare)
            } else {
                Cow::Owned(decoded(line).unwrap_or_default())
            };
            file.full |= !more.is_empty() && bare.len() > more.len().div_ceil(3) * 4;
            let kept = if file.base64 {
                file.octets.len() / 4 * 3
            } else {
                file.octets.len()
            };
            let room = most.saturating_sub(kept);
            file.octets.extend_from_slice(more.get(..room).unwrap_or(&more));
        }
    }
    give(open, each);
}

/// A file whose end is not there yet.
struct Open<'a> {
    name: &'a [u8],
    base64: bool,
    /// Whether a line was as long as it says.
    full: bool,
    octets: Vec<u8>,
}

fn give(open: Option<Open<'_>>, each: &mut dyn FnMut(&[u8], Vec<u8>)) {
    let Some(Open {
        name, octets, base64, ..
    }) = open.filter(|file| file.full)
    else {
        return;
    };
    let octets = match base64 {
        true => super::base64::base64(&octets, &mut super::Anomalies::default()),
        false => octets,
    };
    if !octets.is_empty() {
        each(name, octets);
    }
}

/// Whether there is a file in uuencode, and whether there is one in yEnc.
pub(super) fn inline(text: &[u8]) -> (bool, bool) {
    let starts = |at: usize| at == 0 || text.get(at - 1).is_some_and(|b| matches!(b, b'\n' | b'\r'));
    let uu = memchr::memmem::find_iter(text, b"begin")
        .filter(|&at| starts(at))
        .any(|at| {
            let rest = text.get(at..).unwrap_or_default();
            let rest = rest.get(..2 * LINE_MAX).unwrap_or(rest);
            let mut lines = rest.split(|b| *b == b'\n');
            lines.next().is_some_and(begins)
                && lines
                    .find(|line| !line.trim_ascii_end().is_empty())
                    .is_some_and(|line| rest.starts_with(b"begin-") || decoded(line).is_some())
        });
    let yenc = memchr::memmem::find_iter(text, b"=ybegin ").any(starts);
    (uu, yenc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_decoded_and_what_is_around_them_stays() {
        assert_eq!(
            decode(b"a\r\nbegin 644 x.txt\r\n#0V%T\r\n`\r\nend\r\nb").as_deref(),
            Some(b"a\r\nCatb".as_slice())
        );
        assert_eq!(decode(b"begin 644 x\n#0V\n").as_deref(), Some(b"C`\0".as_slice()));
        assert_eq!(decode(b"begin at once"), None);
    }

    #[test]
    fn files_are_given_with_their_names() {
        let mut found = Vec::new();
        let text =
            b"a\r\nbegin 644 x y.txt\r\n#0V%T\r\n`\r\nend\r\nbegin-base64 600 z\nQ2F0\n====\nb\nbegin 644 w\n#0V%T";
        files(text, 100, &mut |name, octets| found.push((name.to_vec(), octets)));
        let cat = |name: &[u8]| (name.to_vec(), b"Cat".to_vec());
        assert_eq!(found, [cat(b"x y.txt"), cat(b"z"), cat(b"w")]);
        for words in [
            "begin 644 steps\r\nfrom here\r\n",
            "begin  at once:\r\nGO\r\n",
            "begin at\r\n#0V%T\r\n",
        ] {
            files(words.as_bytes(), 100, &mut |_, _| panic!("no file"));
        }
        files(text, 2, &mut |_, octets| assert!(octets.len() <= 3));
    }

    #[test]
    fn files_in_text_are_told_from_words() {
        assert_eq!(inline(b"x\r\nbegin 644 x.txt\r\n#0V%T\r\n"), (true, false));
        assert_eq!(inline(b"begin 644 steps\r\nfrom here, if you like\r\n"), (false, false));
        assert_eq!(inline(b"we begin 644 x\n#0V%T\n"), (false, false));
        assert_eq!(inline(b"x\n=ybegin line=128 size=1 name=x\n"), (false, true));
    }
}
