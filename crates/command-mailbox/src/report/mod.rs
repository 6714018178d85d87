//! What somebody reports: the mails that a report carries, in whatever form a mail client put them there (L-06).
//!
//! **Invariant:** pure, bounded and total: any octets give some originals, or say what could not be read, by name.

use gatepost_core::Message;

/// How a mail was found in a report.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Form {
    /// Attached as a mail: `message/rfc822`, or a file that is one.
    Attached,
    /// A mail of Outlook's, made into one of the Internet's: not octet for octet what it was.
    Outlook,
    /// Pasted into the text with its header section.
    Pasted,
    /// Forwarded within the text, with the few fields that clients write there.
    Inline,
}

/// A mail that somebody reports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Original {
    /// Its octets, as near to the original as the form allows.
    pub octets: Vec<u8>,
    /// What it is called where it stood: a file's name, its subject.
    pub name: String,
    /// The value of the topmost X-Gatepost-Id that it has, as it stands there.
    pub reference: Option<String>,
    /// How it was found.
    pub form: Form,
}

/// What a report carries.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reported {
    /// The mails, in order.
    pub originals: Vec<Original>,
    /// What looks as if it held a mail and could not be read: its name and why, in words.
    pub unreadable: Vec<String>,
}

/// How much of a report is read (L-04).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Mails.
    pub originals: usize,
    /// Octets, unpacked, in all.
    pub octets: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            originals: 50,
            octets: 10 << 20,
        }
    }
}

/// Reads a report. `in_time` is asked now and then whether to go on.
pub fn read(message: &Message, limits: Limits, in_time: &mut dyn FnMut() -> bool) -> Reported {
    let _ = (message, limits, in_time);
    Reported::default()
}
