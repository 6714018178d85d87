//! How mail clients call the fields of a mail that they forward within the text, in the languages that there are.

/// A field of a mail.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Label {
    From,
    To,
    Cc,
    Date,
    Subject,
    /// One that says nothing of use.
    Other,
}

/// The names, in lower case: English, German, French, Spanish, Italian, Dutch and Portuguese. `de` and `da` are who it is
/// from in more than one of them.
const LABELS: [(&str, Label); 45] = [
    ("from", Label::From),
    ("von", Label::From),
    ("de", Label::From),
    ("da", Label::From),
    ("van", Label::From),
    ("to", Label::To),
    ("an", Label::To),
    ("à", Label::To),
    ("a", Label::To),
    ("para", Label::To),
    ("aan", Label::To),
    ("pour", Label::To),
    ("cc", Label::Cc),
    ("kopie", Label::Cc),
    ("kopie (cc)", Label::Cc),
    ("copie à", Label::Cc),
    ("copia", Label::Cc),
    ("date", Label::Date),
    ("sent", Label::Date),
    ("datum", Label::Date),
    ("gesendet", Label::Date),
    ("gesendet am", Label::Date),
    ("envoyé", Label::Date),
    ("envoyé le", Label::Date),
    ("fecha", Label::Date),
    ("enviado", Label::Date),
    ("enviado el", Label::Date),
    ("enviada", Label::Date),
    ("data", Label::Date),
    ("inviato", Label::Date),
    ("verzonden", Label::Date),
    ("subject", Label::Subject),
    ("betreff", Label::Subject),
    ("objet", Label::Subject),
    ("sujet", Label::Subject),
    ("asunto", Label::Subject),
    ("oggetto", Label::Subject),
    ("onderwerp", Label::Subject),
    ("assunto", Label::Subject),
    ("reply-to", Label::Other),
    ("antwort an", Label::Other),
    ("répondre à", Label::Other),
    ("responder a", Label::Other),
    ("importance", Label::Other),
    ("priorität", Label::Other),
];

/// The longest name, in octets, with what may stand around it.
const NAME_MAX: usize = 40;

/// Words in the line above a forwarded mail, in lower case.
const MARKS: [&str; 18] = [
    "forwarded message",
    "forwarded email",
    "original message",
    "weitergeleitete nachricht",
    "ursprüngliche nachricht",
    "originalnachricht",
    "anfang der weitergeleiteten",
    "message transféré",
    "message d'origine",
    "message d\u{2019}origine",
    "message original",
    "message réexpédié",
    "début du message",
    "mensaje reenviado",
    "mensaje original",
    "inicio del mensaje",
    "messaggio inoltrato",
    "doorgestuurd bericht",
];

/// The field that a line begins, without its quotation marks, and its value.
pub(crate) fn read(line: &str) -> Option<(Label, &str)> {
    let (name, value) = line.split_once(':')?;
    if name.len() > NAME_MAX {
        return None;
    }
    let around = |one: char| one.is_whitespace() || one == '*' || one == '_';
    let name = name.trim_matches(around).to_lowercase();
    let (_, label) = LABELS.iter().find(|(known, _)| *known == name)?;
    Some((*label, value.trim_matches(around)))
}

/// Whether a line stands above a forwarded mail and says so.
pub(crate) fn is_mark(line: &str) -> bool {
    // Such a line is short; what is long is a sentence about it.
    line.len() < 120 && {
        let line = line.to_lowercase();
        MARKS.iter().any(|mark| line.contains(mark)) && (line.contains("--") || line.trim_end().ends_with([':', '*']))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_known_as_clients_write_them() {
        for (line, found) in [
            ("From: Ann <a@b.example>", Some((Label::From, "Ann <a@b.example>"))),
            ("*From:* Ann <a@b.example>", Some((Label::From, "Ann <a@b.example>"))),
            ("Objet\u{a0}: bonjour", Some((Label::Subject, "bonjour"))),
            ("Envoyé : lundi", Some((Label::Date, "lundi"))),
            ("Subject: \tRe: x", Some((Label::Subject, "Re: x"))),
            ("To:", Some((Label::To, ""))),
            ("Dear Sir: hello", None),
            ("no field", None),
        ] {
            assert_eq!(read(line), found, "{line}");
        }
    }

    #[test]
    fn a_mark_is_a_short_line_of_its_own() {
        for line in [
            "-------- Forwarded Message --------",
            "---------- Forwarded message ---------",
            "Begin forwarded message:",
            "-----Ursprüngliche Nachricht-----",
            "Anfang der weitergeleiteten Nachricht:",
            "-------- Message d\u{2019}origine --------",
        ] {
            assert!(is_mark(line), "{line}");
        }
        assert!(!is_mark("I saw the forwarded message and did not like it"));
    }
}
