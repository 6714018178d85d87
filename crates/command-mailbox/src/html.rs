//! The text of a letter as HTML: paragraphs, and blocks whose lines are set in.
//!
//! **Invariant:** nothing of the text becomes a tag or a link.

use crate::words::shown::escaped;

/// A text as HTML.
pub fn of(text: &str) -> String {
    let mut out = String::from("<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body>\n");
    for block in text.split("\n\n") {
        let lines: Vec<&str> = block.lines().filter(|line| !line.trim().is_empty()).collect();
        if lines.is_empty() {
            continue;
        }
        let set_in = lines.iter().all(|line| line.starts_with("  "));
        let (open, gap, close) = match set_in {
            true => ("<pre>", "\n", "</pre>\n"),
            false => ("<p>", "<br>\n", "</p>\n"),
        };
        out.push_str(open);
        for (n, line) in lines.iter().enumerate() {
            if n > 0 {
                out.push_str(gap);
            }
            out.push_str(&escaped(line.trim_end()));
        }
        out.push_str(close);
    }
    out.push_str("</body></html>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_paragraphs_and_nothing_of_it_a_tag() {
        let html = of("One <b>\ntwo & three\n\n\n  a  1\n  b  2\n");
        assert!(
            html.contains("<p>One &lt;b&gt;<br>\ntwo &amp; three</p>\n<pre>  a  1\n  b  2</pre>\n</body>"),
            "{html}"
        );
    }
}
