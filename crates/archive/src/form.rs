//! The form of a kept mail's file, without any file.
//!
//! ```text
//! gatepost-kept 1 000001a4 9f3c..16 hex..\n     form, octets of what follows, its checksum
//! {"mail":{..},"durable":true}\n               what is known of the mail
//! the message, exactly as it came
//! \n..16 hex..\n                               the checksum of the message
//! ```
//!
//! **Invariant:** the octets of the message stand in the file as they came. A file that is cut, changed or newer is told
//! for what it is and never taken for something else. Checksums are SipHash-2-4 with a fixed key: they find damage, not
//! forgers, who could as well write a file of their own.

use std::fmt;

use gatepost_core::{KeptMail, Label};
use gatepost_folder::{Sum, hex};
use serde::{Deserialize, Serialize};

/// Octets of the first line.
pub const PREFIX: usize = 42;
/// The most octets of what is known of a mail: some thousands of recipients.
pub const HEAD_MAX: usize = 4 << 20;
/// The form that is written; it and no other is read.
const FORM: &str = "1";
const NAME: &str = "gatepost-kept";

/// What is known of a mail, as it stands in its file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Head {
    /// What everybody may ask for.
    pub mail: KeptMail,
    /// Whether mail was accepted on its strength: then it is no mere copy.
    pub durable: bool,
}

/// Why a file is not read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unreadable {
    /// There is not one octet in it: a copy that a power cut tore.
    Empty,
    /// It is shorter than it says. A copy that was not durable may be torn by a power cut.
    Short {
        /// Whether it said that mail was accepted on its strength.
        durable: bool,
    },
    /// A newer Gatepost wrote it.
    Newer(String),
    /// Something else is wrong with it.
    Damaged(&'static str),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::Empty => f.write_str("is empty"),
            Unreadable::Short { .. } => f.write_str("is shorter than its head says: it was torn or cut"),
            Unreadable::Newer(form) => write!(
                f,
                "has form {form}, and this gatepost knows form {FORM} only; a newer one wrote it and can read it"
            ),
            Unreadable::Damaged(what) => write!(f, "is damaged: {what}"),
        }
    }
}

/// The checksum of nothing yet.
pub fn new_sum() -> Sum {
    Sum::new(b"gatepost archive")
}

/// The JSON of a head.
pub fn json(head: &Head) -> Result<Vec<u8>, String> {
    serde_json::to_vec(head).map_err(|error| error.to_string())
}

/// Everything that stands before the message. `json` comes from [`json`] or [`labelled`].
pub fn before(mut json: Vec<u8>) -> Result<Vec<u8>, String> {
    json.push(b'\n');
    if json.len() > HEAD_MAX {
        return Err(format!(
            "what is known of the mail takes {} octets, and {HEAD_MAX} are allowed: it has too many recipients",
            json.len()
        ));
    }
    let mut all = format!("{NAME} {FORM} {:08x} {:016x}\n", json.len(), new_sum().of(&json)).into_bytes();
    all.append(&mut json);
    Ok(all)
}

/// How many octets the head has, and its checksum, from the first line.
pub fn read_prefix(line: &[u8]) -> Result<(usize, u64), Unreadable> {
    let text = line.split(|octet| *octet == b'\n').next().unwrap_or_default();
    let mut words = text.split(|octet| *octet == b' ');
    if words.next() != Some(NAME.as_bytes()) {
        return Err(Unreadable::Damaged("its first line is not one of ours"));
    }
    let form = words.next().unwrap_or_default();
    if form != FORM.as_bytes() {
        let number = !form.is_empty() && form.len() < 9 && form.iter().all(u8::is_ascii_digit) && form != b"0";
        return Err(if number {
            Unreadable::Newer(String::from_utf8_lossy(form).into_owned())
        } else {
            Unreadable::Damaged("its first line tells no form")
        });
    }
    let (len, sum) = (words.next(), words.next());
    let len = len
        .and_then(|len| hex(len, 8))
        .and_then(|len| usize::try_from(len).ok());
    let sum = sum.and_then(|sum| hex(sum, 16));
    match (len, sum, words.next()) {
        (Some(len), Some(sum), None) if len <= HEAD_MAX && text.len() + 1 == PREFIX => Ok((len, sum)),
        _ => Err(Unreadable::Damaged("its first line is not one of ours")),
    }
}

/// The head from the octets behind the first line, for the mail whose id is the file's name.
pub fn read_head(octets: &[u8], wanted: u64, id: &str) -> Result<Head, Unreadable> {
    if new_sum().of(octets) != wanted {
        return Err(Unreadable::Damaged("the checksum of its head does not fit"));
    }
    let head: Head =
        serde_json::from_slice(octets).map_err(|_| Unreadable::Damaged("its head is not what this form has"))?;
    if &*head.mail.id.0 != id {
        return Err(Unreadable::Damaged("its head names another id than the file does"));
    }
    Ok(head)
}

/// The JSON of a head with another label; what else stands in it stays, known here or not.
pub fn labelled(json: &[u8], label: Label, by: &str) -> Result<Vec<u8>, String> {
    let mut value: serde_json::Value = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let label = serde_json::to_value((label, by)).map_err(|error| error.to_string())?;
    let mail = value.get_mut("mail").and_then(serde_json::Value::as_object_mut);
    mail.ok_or("there is no `mail` in the head")?
        .insert("label".into(), label);
    serde_json::to_vec(&value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_folder::{behind, read_behind};
    use proptest::prelude::*;

    fn head() -> Vec<u8> {
        let mail = serde_json::json!({
            "id": "i", "transaction": "t", "at": 1, "until": null, "reason": "held", "from": "", "recipients": ["a@b"],
            "subject": "s", "size": 3, "label": null, "later": [1, 2],
        });
        serde_json::to_vec(&serde_json::json!({"mail": mail, "durable": true, "newer": "kept"})).unwrap()
    }

    fn read(file: &[u8]) -> Result<Head, Unreadable> {
        let (len, sum) = read_prefix(file.get(..PREFIX).unwrap_or(file))?;
        read_head(file.get(PREFIX..PREFIX + len).unwrap_or_default(), sum, "i")
    }

    #[test]
    fn a_head_reads_back_and_a_label_changes_nothing_else() {
        let file = before(head()).unwrap();
        let read_back = read(&file).unwrap();
        assert!(read_back.durable && read_back.mail.label.is_none());
        let json = labelled(&head(), Label::Ham, "ann").unwrap();
        let again = read(&before(json.clone()).unwrap()).unwrap();
        assert_eq!(again.mail.label, Some((Label::Ham, "ann".into())));
        let text = String::from_utf8(json).unwrap();
        assert!(
            text.contains("\"later\":[1,2]") && text.contains("\"newer\":\"kept\""),
            "{text}"
        );
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told() {
        let file = before(head()).unwrap();
        let newer = String::from_utf8(file.clone()).unwrap().replacen(" 1 ", " 2 ", 1);
        assert_eq!(read(newer.as_bytes()), Err(Unreadable::Newer("2".into())));
        assert!(read(b"From: a@b\r\n").is_err_and(|why| matches!(why, Unreadable::Damaged(_))));
        assert!(read(b"").is_err());
        let (len, sum) = read_prefix(&file[..PREFIX]).unwrap();
        assert!(
            read_head(&file[PREFIX..PREFIX + len], sum, "other").is_err(),
            "an id of its own"
        );
        assert_eq!(read_behind(&behind(7)), Some(7));
        assert_eq!(read_behind(b"\n000000000000000G\n"), None);
    }

    proptest! {
        #[test]
        fn no_changed_octet_goes_unseen(at in 0..400usize, to in any::<u8>()) {
            let mut file = before(head()).unwrap();
            let at = at % file.len();
            prop_assume!(file[at] != to);
            file[at] = to;
            prop_assert!(read(&file).is_err());
        }

        #[test]
        fn any_octets_are_read_without_panic(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&octets);
            let _ = read_behind(&octets);
            let _ = labelled(&octets, Label::Spam, "x");
        }
    }
}
