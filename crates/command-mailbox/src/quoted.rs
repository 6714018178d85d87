//! What of a text its writer wrote, and what is only quoted.
//!
//! Mail programs mark a quotation with `>`, with a line that says who wrote it, with the fields of the forwarded mail, or with a
//! line of dashes, each in the user's language; below all but the first everything is the other's. A signature begins with
//! `-- `.

use crate::entries::LINES_MAX;
use crate::report::labels::{Label, read};

/// Lines between the two at most.
const NEAR_LINES: usize = 5;
/// Octets of the name of a field.
const FIELD_MAX: usize = 30;
/// Lines that announce a forwarded mail.
const BEGINS: [&str; 8] = [
    "begin forwarded message",
    "anfang der weitergeleiteten nachricht",
    "début du message réexpédié",
    "début du message transféré",
    "inicio del mensaje reenviado",
    "inizio messaggio inoltrato",
    "begin doorgestuurd bericht",
    "início da mensagem reencaminhada",
];
/// What mail programs write before the subject of a mail that is answered or forwarded, in lower case.
const AGAIN: [&str; 21] = [
    "re", "fwd", "fw", "aw", "wg", "antw", "antwort", "tr", "rép", "rep", "réf", "rv", "rm", "res", "enc", "r", "i",
    "rif", "sv", "vs", "doorst",
];
/// How a line begins and ends that says who wrote what follows.
const WROTE: [(&str, &str); 9] = [
    ("on ", "wrote:"),
    ("am ", "schrieb"),
    ("le ", "a écrit"),
    ("el ", "escribió"),
    ("il ", "ha scritto"),
    ("op ", "schreef"),
    ("op ", "geschreven"),
    ("em ", "escreveu"),
    ("a ", "escreveu"),
];

fn plain(line: &str) -> String {
    let line = line.trim().trim_matches('*').replace('\u{a0}', " ");
    line.chars().filter(|c| *c != '*').collect::<String>().to_lowercase()
}

/// Whether a subject is that of a mail that is answered or forwarded, and so its writer's.
pub fn is_anothers(subject: &str) -> bool {
    let Some((word, _)) = subject.split_once(':') else {
        return false;
    };
    // `Re[2]:`, `Re (2):`
    let word = word.split(['[', '(']).next().unwrap_or_default().trim().to_lowercase();
    AGAIN.contains(&word.as_str())
}

/// Whether a line is a name of one word or a few, a colon, and more.
fn is_field(line: &str) -> bool {
    line.split_once(':').is_some_and(|(name, value)| {
        let is_name = name.chars().all(|c| c.is_alphabetic() || matches!(c, ' ' | '-'));
        (1..=FIELD_MAX).contains(&name.len()) && is_name && !value.trim().is_empty()
    })
}

/// Whether a mail that is not the writer's begins with this line.
fn is_divider(line: &str, following: &[&str]) -> bool {
    let dashes = line.chars().take_while(|c| *c == '-').count();
    let dashed = dashes >= 4 && line.ends_with('-') && line.chars().any(char::is_alphabetic);
    let ruled = line.len() >= 10 && line.bytes().all(|octet| octet == b'_');
    // In a language that is not known here: who, and soon below when.
    let unknown = is_field(line) && line.contains('@');
    let from = matches!(read(line), Some((Label::From, _)));
    let near = || {
        let mut near = following.iter().map(|line| plain(line)).filter(|line| !line.is_empty());
        let is_next = |line: String| match from {
            true => read(&line).is_some_and(|(label, _)| label != Label::From),
            false => is_field(&line) && has_time(&line),
        };
        near.by_ref().take(NEAR_LINES).any(is_next)
    };
    let begins = BEGINS.iter().any(|mark| line.starts_with(mark));
    dashed || ruled || begins || ((from || unknown) && near())
}

/// Whether a time of day stands in a line: `10:00`.
fn has_time(line: &str) -> bool {
    let digit = |octet: Option<&u8>| octet.is_some_and(u8::is_ascii_digit);
    let octets = line.as_bytes();
    let mut colons = octets.iter().enumerate().filter(|(_, octet)| **octet == b':');
    colons.any(|(at, _)| {
        digit(at.checked_sub(1).and_then(|before| octets.get(before)))
            && digit(octets.get(at.saturating_add(1)))
            && digit(octets.get(at.saturating_add(2)))
    })
}

/// How many lines say who wrote what follows, from this one on: none, one, or two where it was broken. In a language that is
/// not known here such a line has a time, an address, and a colon at its end.
fn attribution(line: &str, following: &[&str]) -> usize {
    let said = |line: &str| {
        let known = |(begins, says): &(&str, &str)| line.starts_with(begins) && line.contains(says);
        line.ends_with(':') && (WROTE.iter().any(known) || (line.contains('@') && has_time(line)))
    };
    if said(line) {
        return 1;
    }
    if !has_time(line) && !WROTE.iter().any(|(begins, _)| line.starts_with(begins)) {
        return 0;
    }
    let next = following.first().map(|line| plain(line)).unwrap_or_default();
    if said(&format!("{line} {next}")) { 2 } else { 0 }
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
    fn the_subject_of_a_mail_that_is_answered_or_forwarded_is_anothers() {
        for subject in [
            "Re: x",
            "FWD: x",
            "WG:x",
            "AW : x",
            "Re[2]: x",
            "Rv: Re: x",
            "Réf: x",
            "I: x",
        ] {
            assert!(is_anothers(subject), "{subject}");
        }
        for subject in [
            "",
            "x",
            "ann@b.example",
            "please: ann@b.example",
            "mailto:ann@b.example",
            ": x",
        ] {
            assert!(!is_anothers(subject), "{subject}");
        }
    }

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
            ("a\nDa: Ann\nInviato: lunedì\nq", "a"),
            ("a\nVan: Ann\nVerzonden: maandag\nq", "a"),
            (
                "a\nIl giorno lun 3 feb 2025 alle 10:00 Ann <ann@b.example> ha scritto:\n\nq",
                "a",
            ),
            ("a\nOp ma 3 feb 2025 om 10:00 schreef Ann\n<ann@b.example>:\nq", "a"),
            ("a\nEm seg., 3 de fev. de 2025, Ann escreveu:\nq", "a"),
            ("a\npon., 3 lut 2025 o 10:00 Ann <ann@b.example> napisał(a):\n\nq", "a"),
            (
                "a\nDne 3. 2. 2025 v 10:00\nAnn <ann@b.example> napsal(a):\n\n> q\nb",
                "a b",
            ),
            (
                "a\nOd: Ann <ann@b.example>\nWysłano: poniedziałek, 3 lutego 2025 10:00\nDo: x\nq",
                "a",
            ),
            ("a\nInizio messaggio inoltrato:\n\nq", "a"),
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
            ("from 10:00 on:\nann@b.example", "from 10:00 on: ann@b.example"),
            (
                "Ann: ann@b.example\nBob: bob@c.example",
                "Ann: ann@b.example Bob: bob@c.example",
            ),
            ("add these:\nann@b.example", "add these: ann@b.example"),
        ] {
            let own = own_lines(text).into_iter().filter(|line| !line.is_empty());
            assert_eq!(own.collect::<Vec<_>>().join(" "), want, "{text:?}");
        }
    }
}
