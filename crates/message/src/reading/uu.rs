//! uuencode and yEnc: encodings from before MIME, which readers still decode wherever they stand in text (S-10).

/// Octets of a line that can be a beginning.
const LINE_MAX: usize = 512;

/// Whether a line begins a file in uuencode, `begin 644 name`.
fn begins(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"begin ").or(line.strip_prefix(b"begin-base64 ")) else {
        return false;
    };
    let digits = rest.iter().take_while(|b| matches!(b, b'0'..=b'7')).count();
    (3..=4).contains(&digits) && rest.get(digits) == Some(&b' ')
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

/// Gives the files in text, each with the name that its first line has; so many octets of one are kept.
pub(super) fn files(text: &[u8], most: usize, each: &mut dyn FnMut(&[u8], Vec<u8>)) {
    // The name of the file that is open, whether it is in base64, and its octets.
    let mut open: Option<(&[u8], bool, Vec<u8>)> = None;
    for line in text.split_inclusive(|b| matches!(b, b'\n' | b'\r')) {
        let bare = line.trim_ascii_end();
        if let Some((_, base64, octets)) = &mut open {
            if *base64 && bare != b"====" && bare != b"end" {
                let room = most.saturating_sub(octets.len() / 4 * 3);
                octets.extend_from_slice(bare.get(..room).unwrap_or(bare));
                continue;
            } else if !*base64 && bare.is_empty() {
                continue;
            } else if !*base64
                && bare != b"end"
                && let Some(more) = decoded(line)
            {
                octets.extend_from_slice(more.get(..most.saturating_sub(octets.len())).unwrap_or(&more));
                continue;
            }
            give(open.take(), each);
        }
        let start = line.get(..LINE_MAX).unwrap_or(line);
        if begins(start) {
            let name = start.splitn(3, |b| *b == b' ').nth(2).unwrap_or_default();
            open = Some((name.trim_ascii(), start.starts_with(b"begin-"), Vec::new()));
        }
    }
    give(open, each);
}

fn give(open: Option<(&[u8], bool, Vec<u8>)>, each: &mut dyn FnMut(&[u8], Vec<u8>)) {
    let Some((name, base64, octets)) = open else { return };
    let octets = match base64 {
        true => super::decode::base64(&octets, &mut super::Anomalies::default()),
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
                && lines.next().is_some_and(|line| {
                    !line.trim_ascii_end().is_empty() && (rest.starts_with(b"begin-") || decoded(line).is_some())
                })
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
        files(b"begin 644 steps\r\nfrom here\r\n", 100, &mut |_, _| panic!("no file"));
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
