//! What somebody reports: the mails that a report carries, in whatever form a mail client put them there (L-06).
//!
//! **Invariant:** pure, bounded and total: any octets give some originals, or say what could not be read, by name. What is
//! attached is meant; only where nothing is does the text count. A mail attached to a mail that is reported is part of it.
//!
//! **Absent on purpose:** whose mail it is, and what becomes of it: the desk knows that.

mod attached;
mod inline;
pub(crate) mod labels;
mod lines;
mod outlook;
mod parts;
mod pasted;

use gatepost_core::desk::Mail;
use gatepost_core::message::Headers;
use gatepost_core::{Brought, Message, Reference};

use attached::Found;
use parts::{Content, Parts};

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
    /// What it is called where it stood: a file's name, its subject. At most [`NAME_MAX`] characters, none a control.
    pub name: String,
    /// The value of the topmost X-Gatepost-Id that it has, as it stands there.
    pub reference: Option<String>,
    /// Its Message-ID, or the one that the report names as what it forwards.
    pub message_id: Option<String>,
    /// How it was found.
    pub form: Form,
}

impl Original {
    /// As the desk takes it: by what we may know it, and its octets in case we do not.
    pub fn mail(&self) -> Mail {
        let mut brought = Brought::new(self.octets.clone(), self.form == Form::Attached);
        brought.reference.clone_from(&self.reference);
        brought.message_id.clone_from(&self.message_id);
        Mail::Brought(brought)
    }
}

/// What a report carries.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reported {
    /// The mails, in order.
    pub originals: Vec<Original>,
    /// What looks as if it held a mail and could not be read: its name and why, in words. At most [`UNREADABLE_MAX`].
    pub unreadable: Vec<String>,
}

/// The most that is told of what could not be read.
pub const UNREADABLE_MAX: usize = 50;
/// The most characters of a name.
pub const NAME_MAX: usize = 80;
/// The most octets of a Message-ID.
const MESSAGE_ID_MAX: usize = 998;

/// How much of a report is read (L-04).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Mails.
    pub originals: usize,
    /// Octets, unpacked, in all.
    pub octets: usize,
}

impl Limits {
    /// The octets of a report's body that are read: what base64 makes of [`Limits::octets`], and some text.
    fn body(&self) -> u64 {
        (self.octets as u64).saturating_mul(3) / 2 + (1 << 20)
    }
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
    let mut found = Found::new(limits, in_time);
    let Some(body) = whole(message, limits.body()) else {
        found.unreadable("your mail", &format!("it is larger than {}", megabytes(limits.octets)));
        return found.reported;
    };
    // A mail that is sent on as it is, not forwarded, is the original itself.
    if is_sent_on(message.headers()) {
        let octets = [message.head(), &body].concat();
        found.mail(&octets, "", false);
        return found.reported;
    }
    let mut text = Text::default();
    for part in Parts::of(message, &body) {
        if found.is_over() {
            break;
        }
        match part.content() {
            Content::Text(html) => text.take(html, &part, limits.octets),
            Content::Mail => found.mail(&part.octets(), &part.name(), true),
            Content::Closed(why) => found.unreadable(&part.name(), why),
            Content::File => {
                let (name, octets) = part.file(limits.octets);
                found.file(name, octets);
            }
            Content::Ignored => {}
            Content::TooMany => found.unreadable("your mail", "it has more parts than we read"),
        }
    }
    if found.reported.originals.is_empty() {
        found.text(&text.plain, &text.html, &|| named(message));
    }
    found.reported
}

/// Whether a mail is another's, sent on as it is: its fields and its text are those of whoever wrote it (RFC 5322 section
/// 3.6.6).
pub fn is_sent_on(headers: &Headers) -> bool {
    ["Resent-From", "Resent-Sender", "Resent-To", "Resent-Date"]
        .iter()
        .any(|name| headers.get(name).is_some())
}

/// The text of a report itself.
#[derive(Default)]
struct Text {
    plain: String,
    html: String,
}

impl Text {
    fn take(&mut self, html: bool, part: &parts::Part<'_>, most: usize) {
        let all = if html { &mut self.html } else { &mut self.plain };
        if all.len() < most {
            if !all.is_empty() && !all.ends_with('\n') {
                all.push('\n');
            }
            all.push_str(&part.text());
        }
    }
}

/// The body, where it is no longer than that.
fn whole(message: &Message, most: u64) -> Option<Vec<u8>> {
    let content = message.body();
    let length = usize::try_from(content.len().min(most.saturating_add(1))).ok()?;
    if content.len() > most {
        return None;
    }
    let (mut body, mut at) = (vec![0; length], 0);
    while at < length {
        let n = content
            .read_at(at as u64, body.get_mut(at..)?)
            .ok()
            .filter(|n| *n > 0)?;
        at = at.saturating_add(n);
    }
    Some(body)
}

/// The Message-ID of what a report forwards, as it says itself.
fn named(message: &Message) -> Option<String> {
    ["X-Forwarded-Message-Id", "In-Reply-To", "References"]
        .iter()
        .find_map(|name| message_id(message, name))
}

/// The last Message-ID of a field.
fn message_id(message: &Message, field: &str) -> Option<String> {
    let value = message.headers().get(field)?.unfolded().into_owned();
    let value = String::from_utf8(value).ok()?;
    let id = value.split_ascii_whitespace().next_back()?;
    let is_one = id.starts_with('<') && id.ends_with('>') && id.contains('@');
    (is_one && id.len() <= MESSAGE_ID_MAX).then(|| id.to_owned())
}

/// The topmost number of ours that a mail has.
fn reference(message: &Message) -> Option<String> {
    let field = message.headers().get("X-Gatepost-Id")?;
    let value = String::from_utf8(field.unfolded().into_owned()).ok()?;
    let value = value.trim();
    (!value.is_empty() && value.len() <= Reference::MAX).then(|| value.to_owned())
}

/// A name as it may be shown: short, on one line.
fn shown(name: &str) -> String {
    let plain = name.chars().map(|one| if one.is_control() { ' ' } else { one });
    let short: String = plain.take(NAME_MAX).collect();
    short.trim().to_owned()
}

fn megabytes(octets: usize) -> String {
    match octets >> 20 {
        0 => format!("{octets} octets"),
        megabytes => format!("{megabytes} MB"),
    }
}
