//! What of a text its writer wrote, and what is only quoted.
//!
//! Mail programs mark a quotation with `>`, with a line that says who wrote it, with the fields of the forwarded mail, or with a
//! line of dashes, each in the user's language; below all but the first everything is the other's. A signature begins with
//! `-- `.

use crate::entries::LINES_MAX;

/// How a forwarded mail's first field is called.
const AUTHOR: [&str; 4] = ["from:", "von:", "de:", "de :"];
/// And what stands near it, so that it is one.
const NEAR: [&str; 22] = [
    "sent:",
    "date:",
    "to:",
    "subject:",
    "gesendet:",
    "datum:",
    "an:",
    "betreff:",
    "envoyé:",
    "envoyé :",
    "date :",
    "à:",
    "à :",
    "objet:",
    "objet :",
    "enviado:",
    "enviado el:",
    "fecha:",
    "para:",
    "asunto:",
    "cc:",
    "reply-to:",
];
/// Lines between the two at most.
const NEAR_LINES: usize = 5;
/// Lines that announce a forwarded mail.
const BEGINS: [&str; 5] = [
    "begin forwarded message",
    "anfang der weitergeleiteten nachricht",
    "début du message réexpédié",
    "début du message transféré",
    "inicio del mensaje reenviado",
];
/// How a line begins and ends that says who wrote what follows.
const WROTE: [(&str, &str); 4] = [("on ", "wrote:"), ("am ", ":"), ("le ", "a écrit"), ("el ", "escribió")];

fn plain(line: &str) -> String {
    let line = line.trim().trim_matches('*').replace('\u{a0}', " ");
    line.chars().filter(|c| *c != '*').collect::<String>().to_lowercase()
}

fn begins_with(line: &str, marks: &[&str]) -> bool {
    marks.iter().any(|mark| line.starts_with(mark))
}

/// Whether a mail that is not the writer's begins with this line.
fn is_divider(line: &str, following: &[&str]) -> bool {
    let dashes = line.chars().take_while(|c| *c == '-').count();
    let dashed = dashes >= 4 && line.ends_with('-') && line.chars().any(char::is_alphabetic);
    let ruled = line.len() >= 10 && line.bytes().all(|octet| octet == b'_');
    let near = || {
        let mut near = following.iter().map(|line| plain(line)).filter(|line| !line.is_empty());
        near.by_ref().take(NEAR_LINES).any(|line| begins_with(&line, &NEAR))
    };
    dashed || ruled || begins_with(line, &BEGINS) || (begins_with(line, &AUTHOR) && near())
}

/// How many lines say who wrote what follows, from this one on: none, one, or two where it was broken.
fn attribution(line: &str, following: &[&str]) -> usize {
    let Some((begins, ends)) = WROTE.iter().find(|(begins, _)| line.starts_with(begins)) else {
        return 0;
    };
    let over = |line: &str| {
        let said = if *begins == "am " {
            line.contains("schrieb")
        } else {
            line.contains(ends)
        };
        said && line.ends_with(':')
    };
    if over(line) {
        return 1;
    }
    let next = following.first().map(|line| plain(line)).unwrap_or_default();
    if over(&format!("{line} {next}")) { 2 } else { 0 }
}

/// The lines that the writer wrote.
pub fn own_lines(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().take(LINES_MAX).collect();
    let (mut own, mut at) = (Vec::new(), 0_usize);
    while let Some((line, following)) = lines.get(at..).and_then(<[&str]>::split_first) {
        at = at.saturating_add(1);
        if line.trim_start().starts_with('>') {
            continue;
        }
        if matches!(line.trim_end_matches('\r'), "-- " | "--" | "\u{2014}") {
            break;
        }
        let plain = plain(line);
        if is_divider(&plain, following) {
            break;
        }
        match attribution(&plain, following) {
            0 => own.push(*line),
            said => {
                at = at.saturating_add(said.saturating_sub(1));
                let behind = lines.get(at..).unwrap_or_default();
                let next = behind.iter().find(|line| !line.trim().is_empty());
                // Not marked line by line: all of it is the other's.
                if next.is_none_or(|next| !next.trim_start().starts_with('>')) {
                    break;
                }
            }
        }
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_left_out_whoever_quotes_it() {
        for (text, want) in [
            ("a\nb\n", "a b"),
            ("a\n> q\n >> q\nb", "a b"),
            ("a\n-- \nCarl", "a"),
            ("a\n--\nCarl", "a"),
            (
                "a\n\nOn Mon, 3 Feb 2025 at 10:00, Ann <ann@b.example> wrote:\n\n> q\nb",
                "a b",
            ),
            ("a\nOn Mon, 3 Feb 2025 at 10:00, Ann\n<ann@b.example> wrote:\nq", "a"),
            ("a\nAm 03.02.25 um 10:00 schrieb Ann:\nq", "a"),
            ("a\nLe lun. 3 févr. 2025 à 10:00, Ann a écrit\u{a0}:\nq", "a"),
            ("a\nEl lun, 3 feb 2025, Ann escribió:\n\n> q\nb", "a b"),
            ("a\n-----Original Message-----\nq", "a"),
            ("a\n-------- Weitergeleitete Nachricht --------\nq", "a"),
            ("a\n---------- Forwarded message ---------\nq", "a"),
            ("a\nBegin forwarded message:\n\nq", "a"),
            ("a\n________________________________\nq", "a"),
            ("a\nFrom: Ann <ann@b.example>\nSent: Monday\nq", "a"),
            ("a\n*Von:* Ann <ann@b.example>\n\n*Gesendet:* Montag\nq", "a"),
            ("a\nDe : Ann\nEnvoyé : lundi\nq", "a"),
            ("a\nDe: Ann\nEnviado el: lunes\nq", "a"),
            // Not the head of a mail.
            (
                "From: ann@b.example\nFrom: bob@b.example",
                "From: ann@b.example From: bob@b.example",
            ),
            (
                "On the list, please: ann@b.example",
                "On the list, please: ann@b.example",
            ),
            ("---\na", "--- a"),
        ] {
            let own = own_lines(text).into_iter().filter(|line| !line.is_empty());
            assert_eq!(own.collect::<Vec<_>>().join(" "), want, "{text:?}");
        }
    }
}
