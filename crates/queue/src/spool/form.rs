//! The form of a waiting mail's file and of the file that tells which of its recipients are done, without any file.
//!
//! ```text
//! gatepost-mail 1 000001a4 9f3c..16 hex..\n     form, octets of what follows, its checksum
//! {"id":..,"mail":"MAIL FROM:<..>",..}\n        what is known of the mail
//! the message, as it goes to the mail server
//! \n..16 hex..\n                               the checksum of the message
//! ```
//!
//! The second begins with `gatepost-done` and ends behind its JSON.
//!
//! **Invariant:** the octets of the message stand in the file as they go on. A file that is cut, changed or newer is told
//! for what it is and never taken for something else. Checksums are SipHash-2-4 with a fixed key: they find damage, not
//! forgers, who could as well write a file of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use gatepost_folder::{Sum, hex};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::head::{Head, Written};
use super::name::Entry;

/// Octets of the first line.
pub const PREFIX: usize = 42;
/// The most octets of what is known of a mail: some thousands of recipients.
pub const HEAD_MAX: usize = 4 << 20;
/// The form that is written; it and no other is read.
const FORM: &str = "1";
const MAIL: &str = "gatepost-mail";
const DONE: &str = "gatepost-done";

/// Which recipients of a mail are done, by their places in [`Head::recipients`].
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Those that are done: a mail server has their copy, or whoever must be told was told.
    pub done: BTreeSet<u32>,
    /// Those whom a mail server refused for good, with what it said; what follows from that is still to be done.
    pub failed: BTreeMap<u32, String>,
    /// Since when the mail is being given up for those of `failed` that are not done, in milliseconds since the epoch: with
    /// that time it lies in the archive, so that whoever does it again after a crash finds it there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_up: Option<u64>,
}

/// Why a file is not read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unreadable {
    /// It is shorter than it says.
    Short,
    /// A newer Gatepost wrote it.
    Newer(String),
    /// Something else is wrong with it.
    Damaged(&'static str),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::Short => f.write_str(
                "is shorter than its name says: it was cut, or the power failed before anybody was told that we have it",
            ),
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
    Sum::new(b"gatepost's queue")
}

fn lines(name: &str, what: &impl Serialize) -> Result<Vec<u8>, String> {
    // The first line is as long as any, so that the JSON need not be moved.
    let mut all = vec![0; PREFIX];
    serde_json::to_writer(&mut all, what).map_err(|error| error.to_string())?;
    all.push(b'\n');
    let json = all.get(PREFIX..).unwrap_or_default();
    if json.len() > HEAD_MAX {
        return Err(format!(
            "what is known of the mail takes {} octets, and {HEAD_MAX} are allowed: it has too many recipients",
            json.len()
        ));
    }
    let first = format!("{name} {FORM} {:08x} {:016x}\n", json.len(), new_sum().of(json));
    match all.get_mut(..PREFIX) {
        Some(place) if first.len() == PREFIX => place.copy_from_slice(first.as_bytes()),
        _ => return Err("the first line of a file of the queue has another length".into()),
    }
    Ok(all)
}

/// Everything that stands before the message of a mail.
pub fn before(head: &Head, entry: &Entry) -> Result<Vec<u8>, String> {
    lines(MAIL, &Written::of(head, entry.id.to_string(), entry.size)?)
}

fn read_first(name: &str, line: &[u8]) -> Result<(usize, u64), Unreadable> {
    let strange = Unreadable::Damaged("its first line is not one of ours");
    let text = line.split(|octet| *octet == b'\n').next().unwrap_or_default();
    let mut words = text.split(|octet| *octet == b' ');
    if words.next() != Some(name.as_bytes()) {
        return Err(strange);
    }
    let form = words.next().unwrap_or_default();
    if form != FORM.as_bytes() {
        let number = !form.is_empty() && form.len() < 9 && form.iter().all(u8::is_ascii_digit) && form != b"0";
        return Err(if number {
            Unreadable::Newer(String::from_utf8_lossy(form).into_owned())
        } else {
            strange
        });
    }
    let len = words.next().and_then(|len| hex(len, 8));
    let len = len.and_then(|len| usize::try_from(len).ok());
    let sum = words.next().and_then(|sum| hex(sum, 16));
    match (len, sum, words.next()) {
        (Some(len), Some(sum), None)
            if len <= HEAD_MAX && text.len() + 1 == PREFIX && line.get(PREFIX - 1) == Some(&b'\n') =>
        {
            Ok((len, sum))
        }
        _ => Err(strange),
    }
}

/// How many octets the head of a mail has, and its checksum, from the first line.
pub fn read_prefix(line: &[u8]) -> Result<(usize, u64), Unreadable> {
    read_first(MAIL, line)
}

fn read_json<T: DeserializeOwned>(octets: &[u8], wanted: u64) -> Result<T, Unreadable> {
    if new_sum().of(octets) != wanted {
        return Err(Unreadable::Damaged("the checksum of its head does not fit"));
    }
    serde_json::from_slice(octets).map_err(|_| Unreadable::Damaged("its head is not what this form has"))
}

/// The head from the octets behind the first line, of the mail that the file's name tells.
pub fn read_head(octets: &[u8], wanted: u64, entry: &Entry) -> Result<Head, Unreadable> {
    let written: Written = read_json(octets, wanted)?;
    let named = written.id == entry.id.to_string() && written.size == entry.size;
    let head = written.head();
    let head = head.ok_or(Unreadable::Damaged("its head has an envelope that SMTP does not know"))?;
    if !named || head.domain != *entry.domain || head.at != entry.at {
        return Err(Unreadable::Damaged("its head tells of another mail than its name does"));
    }
    Ok(head)
}

/// The file that tells which recipients are done.
pub fn progress(progress: &Progress) -> Result<Vec<u8>, String> {
    lines(DONE, progress)
}

/// Which recipients are done, from the file that tells it.
pub fn read_progress(file: &[u8]) -> Result<Progress, Unreadable> {
    let (len, sum) = read_first(DONE, file.get(..PREFIX).unwrap_or(file))?;
    let octets = file.get(PREFIX..).unwrap_or_default();
    if octets.len() != len {
        return Err(Unreadable::Damaged("it does not end where it says"));
    }
    read_json(octets, sum)
}

#[cfg(test)]
mod tests;
