//! The form of a script: lines, blocks, repeats, words, values.

use std::time::Duration;

use serde_json::{Map, Value};

/// The most times that one `many` repeats.
const MANY_MAX: usize = 1_000_000;

/// A line that is no statement, with what was expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadScript(pub String);

pub(super) fn bad<T>(expected: impl Into<String>) -> Result<T, BadScript> {
    Err(BadScript(expected.into()))
}

/// One statement: the line as written, how often, and what it does; a block, if it opened one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Line {
    pub number: usize,
    pub text: String,
    pub times: usize,
    /// Word and rest of each part.
    pub parts: Vec<(String, String)>,
    pub block: Option<String>,
}

/// The first word of a text and what follows the one space behind it.
pub(super) fn word(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

/// The lines of a script, without comments and empty ones.
pub(super) fn lines(text: &str) -> Result<Vec<Line>, (usize, String, BadScript)> {
    let mut all = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((n, line)) = lines.next() {
        let text = line.trim_start();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let fail = |expected: &str| (n + 1, text.to_owned(), BadScript(expected.into()));
        let (times, rest) = match text.strip_prefix("many ") {
            None => (1, text),
            Some(rest) => {
                let (times, rest) = word(rest);
                let times = times.parse().ok().filter(|times| *times <= MANY_MAX);
                (
                    times.ok_or_else(|| fail("`many`, a number up to a million, and what to do"))?,
                    rest,
                )
            }
        };
        let mut block = None;
        if let Some((_, mark)) = text.rsplit_once(" <<") {
            let mut gathered = String::new();
            loop {
                match lines.next() {
                    None => return Err(fail(&format!("a line `{mark}` that ends the block"))),
                    Some((_, line)) if line.trim() == mark => break,
                    Some((_, line)) => {
                        gathered.push_str(line);
                        gathered.push('\n');
                    }
                }
            }
            block = Some(gathered);
        }
        let parts = if times > 1 {
            rest.split(" -> ").collect()
        } else {
            vec![rest]
        };
        let parts = parts
            .into_iter()
            .map(word)
            .map(|(word, rest)| (word.to_owned(), rest.to_owned()))
            .collect();
        all.push(Line {
            number: n + 1,
            text: text.to_owned(),
            times,
            parts,
            block,
        });
    }
    Ok(all)
}

/// The words of a text; spaces within quotes and brackets do not part them.
pub(super) fn words(text: &str) -> Vec<&str> {
    let (mut all, mut from, mut quoted, mut depth) = (Vec::new(), None, false, 0i32);
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        let gap = c.is_whitespace() && !quoted && depth <= 0;
        match from {
            Some(start) if gap => {
                all.push(&text[start..at]);
                from = None;
            }
            None if !gap => from = Some(at),
            _ => {}
        }
    }
    all.extend(from.map(|start| &text[start..]));
    all
}

/// `key=value` words as a table; dots in a key make tables within. A value that is JSON is that, any other is text.
pub(super) fn table<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Map<String, Value>, BadScript> {
    let mut table = Map::new();
    for word in words {
        let Some((key, text)) = word.split_once('=') else {
            return bad(format!("key=value, not `{word}`"));
        };
        let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.into()));
        let mut keys: Vec<&str> = key.split('.').collect();
        let last = keys.pop().unwrap_or_default();
        let mut within = &mut table;
        for key in keys {
            let inner = within.entry(key).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(inner) = inner else {
                return bad(format!("`{key}` is a value and no table"));
            };
            within = inner;
        }
        within.insert(last.into(), value);
    }
    Ok(table)
}

/// A time span: `250ms`, `20s`, `5m`, `4h`, `2d`.
pub(super) fn span(text: &str) -> Result<Duration, BadScript> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return bad("a time span such as 250ms, 20s, 5m, 4h or 2d"),
    };
    match number.parse::<u64>().ok().and_then(|number| number.checked_mul(millis)) {
        Some(millis) => Ok(Duration::from_millis(millis)),
        None => bad("a time span such as 20s"),
    }
}

/// The bytes of a quoted text: `\r`, `\n`, `\t`, `\0`, `\\`, `\"` and `\xNN`.
pub(super) fn unquote(text: &str) -> Result<Vec<u8>, BadScript> {
    let inner = text.trim().strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let Some(inner) = inner else {
        return bad("bytes in double quotes");
    };
    let mut bytes = Vec::new();
    let mut rest = inner.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next() {
            Some(b'r') => b'\r',
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'0') => 0,
            Some(other @ (b'\\' | b'"')) => other,
            Some(b'x') => {
                let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
                match (digit(), digit()) {
                    (Some(high), Some(low)) => (high * 16 + low) as u8,
                    _ => return bad("two hexadecimal digits after \\x"),
                }
            }
            _ => return bad("one of \\r \\n \\t \\0 \\\\ \\\" \\xNN"),
        });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_empty_lines_are_no_statements_and_blocks_are_one() {
        let all = lines("# a\n\nzone <<EOF\n# in it\nx A 1.2.3.4\nEOF\n  C EHLO  a\nmany 3 C NOOP -> S 250\n").unwrap();
        assert_eq!(all.iter().map(|line| line.number).collect::<Vec<_>>(), [3, 7, 8]);
        assert_eq!(all[0].block.as_deref(), Some("# in it\nx A 1.2.3.4\n"));
        assert_eq!(all[1].parts, [("C".to_owned(), "EHLO  a".to_owned())]);
        assert_eq!((all[2].times, all[2].parts.len()), (3, 2));
        assert!(lines("zone <<EOF\nno end").is_err());
        assert!(lines("many x C NOOP").is_err());
    }

    #[test]
    fn values_are_json_or_text_and_dots_make_tables() {
        let all = words(r#"high.threshold=5 high.action=hold reply="451 4.7.1 come again" between=[1, 5]"#);
        let table = table(all).unwrap();
        let expected = r#"{"high":{"threshold":5,"action":"hold"},"reply":"451 4.7.1 come again","between":[1,5]}"#;
        assert_eq!(Value::Object(table), serde_json::from_str::<Value>(expected).unwrap());
        assert!(super::table(["key"]).is_err());
        assert!(super::table(["a=1", "a.b=2"]).is_err());
    }

    #[test]
    fn bytes_are_unquoted() {
        assert_eq!(unquote(r#""a\r\n\0\x80\\\"""#).unwrap(), b"a\r\n\0\x80\\\"");
        for text in ["a", r#""\q""#, r#""\x8""#] {
            assert!(unquote(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_span_has_a_unit() {
        assert_eq!(span("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(span("250ms"), Ok(Duration::from_millis(250)));
        assert!(span("5").is_err() && span("m").is_err() && span("99999999999999999999d").is_err());
    }
}
