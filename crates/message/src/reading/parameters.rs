//! The parameters of a structured field as octets, each of those that are there twice (S-10).
//!
//! mailparse gives text and of two parameters of one name the last. Readers differ in which one they take, and a boundary
//! is octets, so what depends on either is read here.

use super::{Anomalies, decode, url};

/// Parameters of a field that are looked at (S-08).
pub const PARAMETERS_MAX: usize = 100;
/// Octets of a name that are kept.
const KEY_MAX: usize = 64;

/// The parameters of a field in their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters<'a> {
    all: Vec<(Vec<u8>, &'a [u8])>,
    /// Octets of the field up to its last parameter that is looked at.
    pub(super) len: usize,
}

impl<'a> Parameters<'a> {
    pub(super) fn of(field: &'a [u8]) -> Parameters<'a> {
        let mut found = Parameters {
            all: Vec::new(),
            len: field.len(),
        };
        let (mut from, mut count) = (None, 0);
        let (mut quoted, mut escaped) = (false, false);
        for (at, octet) in field.iter().enumerate() {
            // Those who do not know quotes see a parameter there all the same.
            if *octet == b';' {
                count += 1;
                if count > PARAMETERS_MAX {
                    found.len = at;
                    break;
                }
            }
            match octet {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b';' if !quoted => {
                    found.take(from.and_then(|from| field.get(from..at)));
                    from = Some(at + 1);
                }
                _ => {}
            }
        }
        found.take(from.and_then(|from| field.get(from..found.len)));
        found
    }

    fn take(&mut self, parameter: Option<&'a [u8]>) {
        let Some((name, value)) = parameter.and_then(|parameter| {
            let equals = memchr::memchr(b'=', parameter)?;
            Some((parameter.get(..equals)?, parameter.get(equals + 1..)?))
        }) else {
            return;
        };
        let name = url::head_octets(name.trim_ascii(), KEY_MAX).to_ascii_lowercase();
        self.all.push((name, value.trim_ascii()));
    }

    /// Whether a name is there twice.
    pub(super) fn has_doubles(&self) -> bool {
        let mut names: Vec<_> = self.all.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        names.windows(2).any(|two| matches!(two, [one, other] if one == other))
    }

    /// The values of a name as readers take them, each once: what stands between quotes, and
    /// with its backslashes; without quotes all of it, and up to the first space; and decoded where the name ends in `*` (RFC 2231).
    pub(super) fn values(&self, name: &str) -> Vec<Vec<u8>> {
        let mut values: Vec<Vec<u8>> = Vec::new();
        let mut add = |value: Vec<u8>| {
            if !value.is_empty() && !values.contains(&value) {
                values.push(value);
            }
        };
        for (written, value) in &self.all {
            match written.strip_prefix(name.as_bytes()) {
                Some(b"") => plain(value).into_iter().for_each(&mut add),
                Some(b"*") => {
                    let value = value.strip_prefix(b"\"").map_or(value.to_vec(), unquoted);
                    add(extended(&value));
                }
                _ => {}
            }
        }
        values
    }

    /// Whether a name is there plainly and in the form of RFC 2231 (`filename` and `filename*`), and the text differs.
    pub(super) fn differ(&self, name: &str) -> bool {
        let text =
            |octets: &[u8], charset: &str| decode::text(octets, Some(charset), &mut Anomalies::default()).into_owned();
        let (mut plain, mut other, mut continued) = (Vec::new(), Vec::new(), false);
        for (written, value) in &self.all {
            match written.strip_prefix(name.as_bytes()) {
                Some(b"") => {
                    let value = value.strip_prefix(b"\"").map_or(value.to_vec(), unquoted);
                    plain.push(decode::words(&value, Some("utf-8"), &mut Anomalies::default()));
                }
                Some(b"*") => {
                    let value = value.strip_prefix(b"\"").map_or(value.to_vec(), unquoted);
                    let charset = value.split(|b| *b == b'\'').next().unwrap_or_default();
                    other.push(text(&extended(&value), &String::from_utf8_lossy(charset)));
                }
                // Pieces beside the whole are what nobody writes.
                Some([b'*', ..]) => continued = true,
                _ => {}
            }
        }
        !plain.is_empty() && (continued || other.iter().any(|text| !plain.contains(text)))
    }
}

impl Parameters<'_> {
    /// The text of a name as readers take it, those that most take first: in the form of RFC 2231, whole and joined of
    /// its pieces, and plainly as [`Parameters::values`] tells, up to a NUL as well. Encoded words stay what they are.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let mut texts: Vec<String> = Vec::new();
        let mut add = |octets: &[u8], charset: &str| {
            for octets in [octets, octets.split(|b| *b == 0).next().unwrap_or_default()] {
                let text = decode::text(octets, Some(charset), &mut Anomalies::default()).into_owned();
                if !text.is_empty() && !texts.contains(&text) {
                    texts.push(text);
                }
            }
        };
        for (written, value) in &self.all {
            if written.strip_prefix(name.as_bytes()) == Some(b"*") {
                let value = value.strip_prefix(b"\"").map_or(value.to_vec(), unquoted);
                add(&extended(&value), &charset_of(&value));
            }
        }
        for (octets, charset) in self.joined(name) {
            add(&octets, &charset);
        }
        for (written, value) in &self.all {
            if written.as_slice() == name.as_bytes() {
                for value in plain(value) {
                    add(&value, "");
                }
            }
        }
        texts
    }

    /// The octets of a value that stands there in pieces (RFC 2231 section 3), in the order of their numbers, and its
    /// charset. Readers differ where a number is there twice and where one is missing: all pieces joined, and the first
    /// and the last of each number up to the one that is missing.
    pub(super) fn joined(&self, name: &str) -> Vec<(Vec<u8>, String)> {
        let mut pieces: Vec<(u32, bool, &[u8])> = Vec::new();
        for (written, value) in &self.all {
            let Some(number) = written
                .strip_prefix(name.as_bytes())
                .and_then(|rest| rest.strip_prefix(b"*"))
            else {
                continue;
            };
            let (number, encoded) = number
                .strip_suffix(b"*")
                .map_or((number, false), |number| (number, true));
            let number = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
            pieces.extend(number.map(|number| (number, encoded, *value)));
        }
        pieces.sort_by_key(|(number, ..)| *number);
        let mut first = pieces.clone();
        first.dedup_by_key(|(number, ..)| *number);
        let mut last = pieces.clone();
        last.reverse();
        last.dedup_by_key(|(number, ..)| *number);
        last.reverse();
        for some in [&mut first, &mut last] {
            let start = some.first().map_or(0, |(number, ..)| *number);
            let follow = some.iter().zip(start..).take_while(|((number, ..), at)| number == at);
            let count = follow.count();
            some.truncate(count);
        }
        let mut found = Vec::new();
        for pieces in [pieces, first, last] {
            let one = join(&pieces);
            if !one.0.is_empty() && !found.contains(&one) {
                found.push(one);
            }
        }
        found
    }
}

/// The octets of pieces, which are a number, whether it is encoded, and what is written.
fn join(pieces: &[(u32, bool, &[u8])]) -> (Vec<u8>, String) {
    let (mut out, mut charset) = (Vec::new(), String::new());
    for (at, (_, encoded, value)) in pieces.iter().enumerate() {
        let value = value.strip_prefix(b"\"").map_or(value.to_vec(), unquoted);
        match encoded {
            true if at == 0 => {
                charset = charset_of(&value);
                out.extend(extended(&value));
            }
            true => out.extend(percent_decoded(&value)),
            false => out.extend(value),
        }
    }
    (out, charset)
}

/// A plain value as readers take it: what stands between quotes, and with its backslashes, of which not all know; without
/// quotes all of it, and up to the first space.
fn plain(value: &[u8]) -> Vec<Vec<u8>> {
    if let Some(value) = value.strip_prefix(b"\"") {
        let written = value.split(|b| *b == b'"').next().unwrap_or_default();
        let mut found = vec![unquoted(value)];
        if written.contains(&b'\\') {
            found.push(written.to_vec());
        }
        return found;
    }
    let end = value.iter().position(|b| matches!(b, b' ' | b'\t' | b'('));
    let short = value.get(..end.unwrap_or(value.len())).unwrap_or_default();
    vec![value.to_vec(), short.to_vec()]
}

/// The charset before a value in the form of RFC 2231.
fn charset_of(value: &[u8]) -> String {
    let mut pieces = value.splitn(3, |b| *b == b'\'');
    let charset = pieces.next().unwrap_or_default();
    // Without both quotes there is none.
    match pieces.nth(1) {
        Some(_) => String::from_utf8_lossy(url::head_octets(charset, KEY_MAX)).into_owned(),
        None => String::new(),
    }
}

/// The octets of a value with charset and language before it.
fn extended(value: &[u8]) -> Vec<u8> {
    percent_decoded(value.splitn(3, |b| *b == b'\'').nth(2).unwrap_or(value))
}

fn unquoted(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut octets = value.iter();
    while let Some(octet) = octets.next() {
        match octet {
            b'"' => break,
            b'\\' => out.extend(octets.next()),
            _ => out.push(*octet),
        }
    }
    out
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = match tail {
            [high, low, after @ ..]
                if *first == b'%'
                    && let (Some(high), Some(low)) = (super::host::hex(*high), super::host::hex(*low)) =>
            {
                out.push(high << 4 | low);
                after
            }
            _ => {
                out.push(*first);
                tail
            }
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(field: &str, name: &str) -> Vec<String> {
        let values = Parameters::of(field.as_bytes()).values(name);
        values
            .iter()
            .map(|value| String::from_utf8_lossy(value).into())
            .collect()
    }

    #[test]
    fn each_value_of_a_name_counts() {
        assert_eq!(values("a/b; x=1; X=\"2;\\\"\"; y=3", "x"), ["1", "2;\"", "2;\\"]);
        assert_eq!(values("a/b; x=1 (2)", "x"), ["1 (2)", "1"]);
        assert_eq!(values("a/b; x*=utf-8''%41b; x=Ab", "x"), ["Ab"]);
        assert_eq!(values("x=1; y; =; x=\"open", "x"), ["open"]);
    }

    #[test]
    fn a_text_is_read_in_each_form_it_is_there_in() {
        let texts = |field: &str| Parameters::of(field.as_bytes()).texts("x");
        assert_eq!(texts("a; x=1; x*=iso-8859-1''%fc"), ["\u{fc}", "1"]);
        assert_eq!(texts("a; x*1=xe; x*0*=utf-8'en'a%2ee; x=b"), ["a.exe", "b"]);
        assert_eq!(texts("a; x=\"a.exe\0.txt\""), ["a.exe\0.txt", "a.exe"]);
        assert_eq!(texts("a; x=a b"), ["a b", "a"]);
        assert_eq!(texts("a; x*=it's"), ["it's"]);
        assert_eq!(texts("a; x*y=1; x*0="), [""; 0]);
    }

    #[test]
    fn doubles_and_what_differs_are_told() {
        let of = |field: &str| {
            let parameters = Parameters::of(field.as_bytes());
            (parameters.has_doubles(), parameters.differ("x"))
        };
        assert_eq!(of("a; x=1; y=2"), (false, false));
        assert_eq!(of("a; x=1; X=1"), (true, false));
        assert_eq!(of("a; x=1; x*=utf-8''1"), (false, false));
        assert_eq!(of("a; x=1; x*=utf-8''2"), (false, true));
        assert_eq!(of("a; x=1 2; x*=utf-8''1%202"), (false, false));
        assert_eq!(of("a; x=\"=?utf-8?q?=C3=BC?=\"; x*=iso-8859-1''%fc"), (false, false));
        assert_eq!(of("a; x=1; x*0=1"), (false, true));
        assert_eq!(of("a; x*0=1; x*1=2"), (false, false));
    }

    #[test]
    fn what_lies_behind_the_bound_is_cut_off() {
        let field = |n: usize| format!("a/b{}", "; x=1".repeat(n));
        assert_eq!(
            Parameters::of(field(PARAMETERS_MAX).as_bytes()).len,
            field(PARAMETERS_MAX).len()
        );
        let more = field(PARAMETERS_MAX + 1);
        assert_eq!(Parameters::of(more.as_bytes()).len, field(PARAMETERS_MAX).len());
    }
}
