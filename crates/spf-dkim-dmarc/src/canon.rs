//! What a signature covers, in the form that is hashed (RFC 6376 §3.4): a body piece by piece, a field without its `b=`.
//!
//! The body is our own work rather than mail-auth's: it comes in pieces from a spool file, and a body that ends in lines
//! of spaces is hashed as the RFC has it.

use mail_auth::common::crypto::{HashContext, HashImpl, Sha256};
use mail_auth::common::headers::Writer;
use mail_auth::dkim::Canonicalization;

type Hasher = <Sha256 as HashImpl>::Context;

/// A body on its way into a hash.
pub struct Body {
    form: Canonicalization,
    /// Octets that are hashed; more are counted, only.
    limit: u64,
    hasher: Hasher,
    /// Octets of the canonical form so far.
    len: u64,
    /// Line ends that are written only if something follows them.
    breaks: u64,
    /// Spaces that are written, as one, only if something follows them in the line.
    space: bool,
    /// A CR that may begin a line end.
    cr: bool,
}

impl Body {
    /// A body in one of the two forms, of which so many octets count (`l=`).
    pub fn new(form: Canonicalization, limit: Option<u64>) -> Body {
        Body {
            form,
            limit: limit.unwrap_or(u64::MAX),
            hasher: Sha256::hasher(),
            len: 0,
            breaks: 0,
            space: false,
            cr: false,
        }
    }

    fn put(&mut self, octets: &[u8]) {
        let left = self.limit.saturating_sub(self.len);
        let counted = usize::try_from(left).map_or(octets.len(), |left| left.min(octets.len()));
        if let Some(counted) = octets.get(..counted).filter(|counted| !counted.is_empty()) {
            self.hasher.write(counted);
        }
        self.len = self.len.saturating_add(octets.len() as u64);
    }

    /// Writes what was held back: something follows it.
    fn flush(&mut self) {
        while self.breaks > 0 {
            self.put(b"\r\n");
            self.breaks -= 1;
        }
        if std::mem::take(&mut self.space) {
            self.put(b" ");
        }
    }

    /// Takes the next octets.
    pub fn write(&mut self, piece: &[u8]) {
        let relaxed = self.form == Canonicalization::Relaxed;
        let mut rest = piece;
        while let Some((&first, tail)) = rest.split_first() {
            if std::mem::take(&mut self.cr) {
                if first == b'\n' {
                    self.breaks += 1;
                    self.space = false;
                    rest = tail;
                    continue;
                }
                self.flush();
                self.put(b"\r");
            }
            match first {
                b'\r' => {
                    self.cr = true;
                    rest = tail;
                }
                b' ' | b'\t' if relaxed => {
                    self.space = true;
                    rest = tail;
                }
                _ => {
                    let ends = |b: &u8| *b == b'\r' || (relaxed && matches!(*b, b' ' | b'\t'));
                    let run = rest.iter().position(ends).unwrap_or(rest.len());
                    let (run, after) = rest.split_at_checked(run).unwrap_or((rest, &[]));
                    self.flush();
                    self.put(run);
                    rest = after;
                }
            }
        }
    }

    /// The hash, and how many octets the canonical form has in all.
    pub fn finish(mut self) -> (Vec<u8>, u64) {
        if std::mem::take(&mut self.cr) {
            self.flush();
            self.put(b"\r");
        }
        // What is held back is the end, which does not count; a body that is empty still ends a line in the simple form.
        if self.len > 0 || self.form == Canonicalization::Simple {
            self.put(b"\r\n");
        }
        let hash = self.hasher.complete();
        (hash.as_ref().to_vec(), self.len)
    }
}

/// The value of a signature's field, folds and all, with the value of its `b=` taken out (RFC 6376 §3.7).
pub fn without_signature(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    for (n, part) in value.split(|&b| b == b';').enumerate() {
        if n > 0 {
            out.push(b';');
        }
        let eq = part.iter().position(|&b| b == b'=');
        let tag = eq.and_then(|eq| part.split_at_checked(eq + 1));
        match tag {
            Some((tag, _)) if tag.strip_suffix(b"=").is_some_and(|name| name.trim_ascii() == b"b") => {
                out.extend_from_slice(tag);
            }
            _ => out.extend_from_slice(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hash(octets: &[u8]) -> Vec<u8> {
        let mut hasher = Sha256::hasher();
        hasher.write(octets);
        hasher.complete().as_ref().to_vec()
    }

    /// The canonical form as RFC 6376 §3.4.3 and §3.4.4 say it, line by line.
    fn slow(form: Canonicalization, body: &str) -> String {
        let mut lines: Vec<String> = body.split("\r\n").map(str::to_owned).collect();
        if form == Canonicalization::Relaxed {
            for line in &mut lines {
                let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
                let indent = if line.starts_with([' ', '\t']) && !words.is_empty() {
                    " "
                } else {
                    ""
                };
                *line = format!("{indent}{}", words.join(" "));
            }
        }
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        let text: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        if text.is_empty() && form == Canonicalization::Simple {
            "\r\n".into()
        } else {
            text
        }
    }

    proptest! {
        #[test]
        fn a_body_is_hashed_as_the_rfc_says_wherever_it_is_cut(
            body in "([ab]|\r\n| |\t|\r){0,24}", cut in 0_usize..24, relaxed: bool
        ) {
            let form = if relaxed { Canonicalization::Relaxed } else { Canonicalization::Simple };
            let (head, tail) = body.as_bytes().split_at(cut.min(body.len()));
            let mut fast = Body::new(form, None);
            fast.write(head);
            fast.write(tail);
            let want = slow(form, &body);
            prop_assert_eq!(fast.finish(), (hash(want.as_bytes()), want.len() as u64));
        }
    }

    #[test]
    fn octets_past_the_limit_are_counted_and_not_hashed() {
        let mut body = Body::new(Canonicalization::Simple, Some(5));
        body.write(b"hello");
        body.write(b" world\r\n");
        assert_eq!(body.finish(), (hash(b"hello"), 13));
    }

    #[test]
    fn only_the_signature_itself_is_taken_out() {
        for (value, want) in [
            (" v=1; b=abc; bh=b=; d=x", " v=1; b=; bh=b=; d=x"),
            (" bh=x;\r\n b = a\r\n b", " bh=x;\r\n b ="),
            (" xb=1; B=2", " xb=1; B=2"),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8_lossy(&without_signature(value.as_bytes())), want);
        }
    }
}
