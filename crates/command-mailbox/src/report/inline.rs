//! A mail that is forwarded within the text: what clients write above it, and the rest of the text.
//!
//! Its header section is lost, so what is made of it is another mail with its words. The first such mail of a text is
//! meant; what it forwards itself is part of it.

use super::labels::{self, Label};
use super::lines::{BEGIN_MAX, body, is_blank, less, unquoted};

/// Lines of one block of fields.
const BLOCK_MAX: usize = 60;
/// Lines over which one field goes on.
const FOLDED_MAX: usize = 12;
/// Lines above the fields in which the line that announces them is looked for.
const ABOVE: usize = 4;
/// Octets of a value.
const VALUE_MAX: usize = 2_000;

/// The fields of a forwarded mail, and where they end.
struct Block {
    fields: Vec<(Label, String)>,
    depth: usize,
    end: usize,
}

impl Block {
    fn has(&self, label: Label) -> bool {
        self.fields
            .iter()
            .any(|(one, value)| *one == label && !value.is_empty())
    }

    fn value(&self, label: Label) -> Option<&str> {
        let found = self.fields.iter().find(|(one, _)| *one == label);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Reads the fields that begin at a line.
    fn at(lines: &[&str], begin: usize) -> Option<Block> {
        let (first, depth) = unquoted(lines.get(begin)?);
        labels::read(first)?;
        let mut fields: Vec<(Label, String)> = Vec::new();
        let mut at = begin;
        while let Some(line) = lines.get(at).filter(|_| at - begin < BLOCK_MAX) {
            let line = less(line, depth);
            if let Some((label, value)) = labels::read(line) {
                fields.push((label, cut(value).to_owned()));
            } else if let Some((_, value)) = fields.last_mut() {
                let empty = value.is_empty() && !is_blank(line);
                if !empty && !goes_on(lines, at, depth) {
                    break;
                }
                if !is_blank(line) && value.len() < VALUE_MAX {
                    if !value.is_empty() {
                        value.push(' ');
                    }
                    value.push_str(cut(line.trim()));
                }
            }
            at += 1;
        }
        Some(Block { fields, depth, end: at })
    }
}

/// Whether a field follows among the next lines, before what is blank: then this line goes on with the field above.
fn goes_on(lines: &[&str], at: usize, depth: usize) -> bool {
    let next = lines.iter().skip(at).take(FOLDED_MAX).map(|line| less(line, depth));
    let mut next = next.take_while(|line| !is_blank(line));
    next.any(|line| labels::read(line).is_some())
}

fn cut(text: &str) -> &str {
    match text.char_indices().nth(VALUE_MAX / 4) {
        Some((end, _)) => text.get(..end).unwrap_or_default(),
        None => text,
    }
}

/// The mail that a text forwards, made into one, and the line at which its fields begin.
pub(super) fn find(text: &str) -> Option<(usize, Vec<u8>)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut marked = None;
    for (at, line) in lines.iter().enumerate().take(BEGIN_MAX) {
        if labels::is_mark(unquoted(line).0) {
            marked = Some(at);
            continue;
        }
        let Some(block) = Block::at(&lines, at) else { continue };
        let announced = marked.is_some_and(|mark| at - mark <= ABOVE);
        let (from, subject) = (block.has(Label::From), block.has(Label::Subject));
        let (date, to) = (block.has(Label::Date), block.has(Label::To));
        let is_one = match announced {
            true => from && (subject || date),
            false => from && subject && (date || to),
        };
        if is_one {
            return Some((at, made(&block, &lines)));
        }
    }
    None
}

/// An address as Outlook writes it, `Ann [mailto:a@b.example]`, in the usual form.
fn address(value: &str) -> String {
    match value.split_once("[mailto:") {
        Some((name, rest)) => {
            let address = rest.split(']').next().unwrap_or_default();
            format!("{} <{}>", name.trim(), address.trim())
        }
        None => value.replace("<mailto:", "<"),
    }
}

fn made(block: &Block, lines: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for (label, name) in [
        (Label::From, "From"),
        (Label::To, "To"),
        (Label::Cc, "Cc"),
        (Label::Subject, "Subject"),
        (Label::Date, "Date"),
    ] {
        let Some(value) = block.value(label) else { continue };
        let value = match label {
            Label::Subject | Label::Date => value.to_owned(),
            _ => address(value),
        };
        let value: String = value.chars().filter(|one| !one.is_control()).collect();
        out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    out.extend_from_slice(b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n");
    out.extend_from_slice(b"Content-Transfer-Encoding: 8bit\r\n\r\n");
    let rest = lines.get(block.end..).unwrap_or_default();
    body(rest.iter().map(|line| less(line, block.depth)), &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<String> {
        find(text).map(|(_, octets)| String::from_utf8(octets).expect("text"))
    }

    #[test]
    fn a_quoted_forward_loses_its_quotation_marks_and_keeps_those_within() {
        let text = "please look\n\nBegin forwarded message:\n\n> From: Ann <a@b.example>\n> Subject: x\n> Date: today\n\
                    > \n> hello\n> > older\n";
        let mail = found(text).expect("a mail");
        assert!(
            mail.starts_with("From: Ann <a@b.example>\r\nSubject: x\r\nDate: today\r\n"),
            "{mail}"
        );
        assert!(mail.ends_with("\r\n\r\nhello\r\n> older\r\n"), "{mail}");
    }

    #[test]
    fn a_long_list_of_recipients_goes_on_over_lines() {
        let text =
            "Von: Ann [mailto:a@b.example]\nGesendet: heute\nAn: b@d.example;\nc@d.example\nBetreff: x\n\nhallo\n";
        let mail = found(text).expect("a mail");
        assert!(
            mail.starts_with("From: Ann <a@b.example>\r\nTo: b@d.example; c@d.example\r\n"),
            "{mail}"
        );
    }

    #[test]
    fn a_text_without_a_forward_is_none() {
        for text in [
            "",
            "From: me\n",
            "To: do\nA: list\n",
            "I write to you\nFrom: a\nthe heart\n\nSubject: x\n",
            "De: Ann\n\nPara: Eva\n",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
