//! A mail of Outlook as a mail: fields, bodies, files and the mails attached to it, for whoever makes one of the Internet's
//! of it. Of what may be attached to a mail only that; all else that is in such a file is the affair of [`super::read`].
//!
//! **Bounds:** [`DEPTH_MAX`] mails within mails, [`MEMBERS_MAX`] files and mails in all, and as many octets as the compound
//! file, or the TNEF, gives (a few times its own).

use super::compound::Compound;
use super::field::{narrow, rest, wide};
use super::mapi::{Attachment, id};
use super::rtfcp;
use super::tnef;

/// Mails within mails that are read.
pub const DEPTH_MAX: usize = 4;
/// Files and mails that are read of one file, all depths counted.
pub const MEMBERS_MAX: usize = 200;
/// Octets of one property.
const PROPERTY_MAX: usize = 64 << 20;

/// Identifiers of properties (MS-OXPROPS) by which a mail tells of itself where it has no fields of its own.
mod of {
    pub(super) const SUBJECT: u16 = 0x0037;
    pub(super) const SENT_BY: u16 = 0x0042;
    pub(super) const SENT_BY_ADDRESS: u16 = 0x0065;
    pub(super) const SENDER: u16 = 0x0c1a;
    pub(super) const SENDER_ADDRESS: u16 = 0x0c1f;
    pub(super) const TO: u16 = 0x0e04;
    pub(super) const CC: u16 = 0x0e03;
    pub(super) const MESSAGE_ID: u16 = 0x1035;
    pub(super) const SENDER_SMTP: u16 = 0x5d01;
    pub(super) const SENT_BY_SMTP: u16 = 0x5d02;
}

/// A file that is attached.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OutlookFile {
    /// Its name, as it is shown.
    pub name: String,
    /// The media type that is declared for it.
    pub declared: Option<String>,
    /// Its octets.
    pub octets: Vec<u8>,
}

/// A mail of Outlook. What it does not tell is empty.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OutlookMail {
    /// Its fields as they came over the Internet.
    pub headers: String,
    /// Its subject.
    pub subject: String,
    /// The name of who sent it.
    pub sender: String,
    /// The address of who sent it; one of the Internet's where there is one.
    pub address: String,
    /// To whom, as it is shown.
    pub to: String,
    /// To whom else, as it is shown.
    pub cc: String,
    /// Its Message-ID.
    pub message_id: String,
    /// Plain text.
    pub plain: String,
    /// HTML, in the charset that it names itself.
    pub html: Vec<u8>,
    /// RTF, unpacked.
    pub rtf: Vec<u8>,
    /// The files attached to it.
    pub files: Vec<OutlookFile>,
    /// The mails attached to it, each with the name that it has there.
    pub mails: Vec<(String, OutlookMail)>,
    /// Not all of it could be read.
    pub damaged: bool,
}

impl OutlookMail {
    fn note(&mut self, number: u16, text: String) {
        let place = match number {
            id::HEADERS => &mut self.headers,
            id::BODY => &mut self.plain,
            of::SUBJECT => &mut self.subject,
            of::SENDER => &mut self.sender,
            of::SENT_BY if self.sender.is_empty() => &mut self.sender,
            of::TO => &mut self.to,
            of::CC => &mut self.cc,
            of::MESSAGE_ID => &mut self.message_id,
            of::SENDER_SMTP | of::SENT_BY_SMTP if text.contains('@') => &mut self.address,
            of::SENDER_ADDRESS | of::SENT_BY_ADDRESS if text.contains('@') && self.address.is_empty() => {
                &mut self.address
            }
            _ => return,
        };
        *place = text;
    }

    fn note_octets(&mut self, number: u16, octets: &[u8]) {
        match number {
            id::HTML => self.html = octets.to_vec(),
            id::RTF => match rtfcp::unpack(octets) {
                Some((unpacked, whole)) => {
                    self.rtf = unpacked;
                    self.damaged |= !whole;
                }
                None => self.damaged = true,
            },
            _ => {}
        }
    }

    /// Whether there is anything that makes it a mail.
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.subject.is_empty() && self.plain.is_empty() && self.html.is_empty()
    }
}

/// Who counts what is read.
struct Room<'a> {
    members: usize,
    over: &'a dyn Fn() -> bool,
}

impl Room<'_> {
    fn take(&mut self) -> bool {
        self.members = self.members.saturating_add(1);
        self.members <= MEMBERS_MAX && !(self.over)()
    }
}

/// Reads a mail of Outlook in a compound file (.msg, MS-OXMSG); nothing where it is none. `over` is asked now and then
/// whether the time is over.
pub fn msg(octets: &[u8], over: &dyn Fn() -> bool) -> Option<OutlookMail> {
    let mut file = Compound::open(octets)?;
    let mut room = Room { members: 0, over };
    let mut mail = storage(&mut file, 0, 0, &mut room);
    mail.damaged |= file.damaged;
    (!mail.is_empty()).then_some(mail)
}

/// What holds a property: its identifier and its type.
fn property(name: &str) -> Option<(u16, u16)> {
    let begin = name.get(..12)?;
    let number = name.get(12..20)?;
    if !begin.eq_ignore_ascii_case("__substg1.0_") {
        return None;
    }
    let number = u32::from_str_radix(number, 16).ok()?;
    Some(((number >> 16) as u16, number as u16))
}

/// Reads the mail of a storage; calls itself for the mails in it, at most [`DEPTH_MAX`] deep.
fn storage(file: &mut Compound<'_>, at: usize, depth: usize, room: &mut Room<'_>) -> OutlookMail {
    let mut mail = OutlookMail::default();
    let inside: Vec<usize> = file.within(at).collect();
    for at in inside {
        let Some(entry) = file.entries.get(at) else { continue };
        let (name, is_stream) = (entry.name.clone(), entry.is_stream);
        if is_stream {
            match property(&name) {
                Some((number, kind @ (0x001e | 0x001f))) if number == id::HTML => {
                    let text = text(&file.read(at, PROPERTY_MAX), kind);
                    mail.note_octets(number, text.as_bytes());
                }
                Some((number, kind @ (0x001e | 0x001f))) => {
                    let text = text(&file.read(at, PROPERTY_MAX), kind);
                    mail.note(number, text);
                }
                Some((number @ (id::HTML | id::RTF), 0x0102)) => {
                    let octets = file.read(at, PROPERTY_MAX);
                    mail.note_octets(number, &octets);
                }
                _ => {}
            }
        } else if name.to_ascii_lowercase().starts_with("__attach_version1.0_") {
            if !room.take() {
                mail.damaged = true;
                break;
            }
            attachment(file, at, depth, room, &mut mail);
        }
    }
    mail
}

fn text(octets: &[u8], kind: u16) -> String {
    if kind == 0x001f { wide(octets) } else { narrow(octets) }
}

fn attachment(file: &mut Compound<'_>, at: usize, depth: usize, room: &mut Room<'_>, mail: &mut OutlookMail) {
    let (mut names, mut data, mut inner) = (Attachment::default(), None, None);
    let inside: Vec<usize> = file.within(at).collect();
    for at in inside {
        let Some(entry) = file.entries.get(at) else { continue };
        let is_stream = entry.is_stream;
        match property(&entry.name) {
            Some((id::DATA, _)) if is_stream => data = Some(at),
            Some((id::DATA, _)) => inner = Some(at),
            Some((number, kind @ (0x001e | 0x001f))) if is_stream => {
                let text = text(&file.read(at, PROPERTY_MAX), kind);
                names.note(number, text);
            }
            _ => {}
        }
    }
    match (inner, data) {
        (Some(_), _) if depth >= DEPTH_MAX => mail.damaged = true,
        (Some(at), _) => {
            let within = storage(file, at, depth + 1, room);
            // An object of another program is no mail.
            if !within.is_empty() {
                mail.mails.push((called(&names), within));
            }
        }
        (None, data) => mail.files.push(OutlookFile {
            octets: data.map(|at| file.read(at, PROPERTY_MAX)).unwrap_or_default(),
            name: names.name("attachment").to_owned(),
            declared: names.declared,
        }),
    }
}

/// What a mail is called where it is attached: what is shown, since it has no name as a file.
fn called(names: &Attachment) -> String {
    match names.display.is_empty() {
        true => names.name("mail").to_owned(),
        false => names.display.clone(),
    }
}

/// Reads a winmail.dat (MS-OXTNEF); nothing where it is none. `over` is asked now and then whether the time is over.
pub fn winmail(octets: &[u8], over: &dyn Fn() -> bool) -> Option<OutlookMail> {
    let mut room = Room { members: 0, over };
    stream(octets, 0, &mut room)
}

/// An attachment of a TNEF as it is gathered.
#[derive(Default)]
struct Gathered<'a> {
    names: Attachment,
    content: &'a [u8],
    mail: Option<&'a [u8]>,
}

impl<'a> Gathered<'a> {
    fn take(&mut self, property: &tnef::Property<'a>) {
        match (property.id, property.kind) {
            (id::DATA, 0x0102) => self.content = property.value,
            // An object begins with the class of its interface.
            (id::DATA, 0x000d) => self.mail = Some(rest(property.value, 16)),
            (_, 0x001e | 0x001f) => self.names.note(property.id, property.text()),
            _ => {}
        }
    }
}

/// Reads one TNEF; calls itself for the mails in it, at most [`DEPTH_MAX`] deep.
fn stream(octets: &[u8], depth: usize, room: &mut Room<'_>) -> Option<OutlookMail> {
    if !octets.starts_with(&tnef::SIGNATURE) {
        return None;
    }
    let mut mail = OutlookMail::default();
    let mut attached: Vec<Gathered<'_>> = Vec::new();
    let mut over = false;
    let whole = tnef::attributes(octets, &mut |number, data| {
        match number & 0xffff {
            tnef::attribute::RENDERING => {
                over |= !room.take();
                attached.push(Gathered::default());
            }
            tnef::attribute::TITLE => last(&mut attached).names.title = narrow(data),
            tnef::attribute::TRANSPORT => last(&mut attached).names.transport = narrow(data),
            tnef::attribute::DATA => last(&mut attached).content = data,
            tnef::attribute::ATTACHMENT => {
                let one = last(&mut attached);
                let even = tnef::properties(data, &mut |property| one.take(property));
                mail.damaged |= !even;
            }
            tnef::attribute::SUBJECT if mail.subject.is_empty() => mail.subject = narrow(data),
            tnef::attribute::BODY if mail.plain.is_empty() => mail.plain = narrow(data),
            tnef::attribute::PROPERTIES => {
                let even = tnef::properties(data, &mut |property| match (property.id, property.kind) {
                    (id::HTML, 0x001e | 0x001f) => mail.note_octets(id::HTML, property.text().as_bytes()),
                    (number, 0x001e | 0x001f) => mail.note(number, property.text()),
                    (number, 0x0102) => mail.note_octets(number, property.value),
                    _ => {}
                });
                mail.damaged |= !even;
            }
            _ => {}
        }
        !over
    });
    mail.damaged |= !whole || over;
    for one in attached {
        let inner = one.mail.filter(|octets| octets.starts_with(&tnef::SIGNATURE));
        match inner {
            Some(_) if depth >= DEPTH_MAX => mail.damaged = true,
            Some(octets) => match stream(octets, depth + 1, room) {
                Some(within) => mail.mails.push((called(&one.names), within)),
                None => mail.damaged = true,
            },
            None => mail.files.push(OutlookFile {
                name: one.names.name("attachment").to_owned(),
                octets: one.content.to_vec(),
                declared: one.names.declared,
            }),
        }
    }
    Some(mail)
}

fn last<'g, 'a>(attached: &'g mut Vec<Gathered<'a>>) -> &'g mut Gathered<'a> {
    if attached.is_empty() {
        attached.push(Gathered::default());
    }
    let at = attached.len() - 1;
    &mut attached[at]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn fixture(name: &str) -> Vec<u8> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures")
            .join(name);
        let octets = std::fs::read(path).expect("a fixture");
        if !name.ends_with(".gz") {
            return octets;
        }
        let mut out = Vec::new();
        flate2::read::GzDecoder::new(&octets[..])
            .read_to_end(&mut out)
            .expect("gzip");
        out
    }

    #[test]
    fn a_mail_of_outlook_has_its_fields_its_bodies_and_what_is_attached() {
        let mail = msg(&fixture("mail.msg.gz"), &|| false).expect("a mail");
        assert_eq!((&*mail.subject, &*mail.plain), ("a subject", "the body"));
        assert!(mail.headers.starts_with("From: a@example.org\r\n"));
        assert!(mail.html.starts_with(b"<html>") && mail.rtf.starts_with(b"{\\rtf1"));
        assert_eq!(mail.files.len(), 1);
        assert_eq!(mail.files[0].name, "picture of us.jpg");
        assert_eq!(mail.files[0].declared.as_deref(), Some("image/jpeg"));
        let [(name, inner)] = &mail.mails[..] else {
            panic!("{:?}", mail.mails.len())
        };
        assert_eq!(
            (&**name, &*inner.plain, &*inner.files[0].name),
            ("inner", "the inner body", "inner.js")
        );
        assert!(!mail.damaged);
    }

    #[test]
    fn a_winmail_dat_has_the_same() {
        let mail = winmail(&fixture("winmail.dat"), &|| false).expect("a mail");
        assert_eq!(mail.subject, "a subject");
        assert!(mail.headers.starts_with("From: a@example.org"));
        assert_eq!(mail.files[0].name, "program long.exe");
        let [(name, inner)] = &mail.mails[..] else {
            panic!("{:?}", mail.mails.len())
        };
        assert_eq!(
            (&**name, &*inner.plain, &*inner.files[0].name),
            ("inner", "the inner body", "inner.js")
        );
        assert!(!mail.damaged);
    }

    #[test]
    fn what_is_cut_is_told_to_be_damaged_or_is_no_mail() {
        let octets = fixture("mail.msg.gz");
        let whole = msg(&octets, &|| false);
        for end in (0..octets.len()).step_by(61) {
            let part = msg(&octets[..end], &|| false);
            assert!(
                part.as_ref().is_none_or(|mail| mail.damaged) || part == whole,
                "cut at {end}"
            );
        }
        let octets = fixture("winmail.dat");
        for end in 0..octets.len() {
            let part = winmail(&octets[..end], &|| false);
            // Between two attributes nothing shows that more came.
            let even = tnef::attributes(&octets[..end], &mut |_, _| true);
            assert!(part.is_none_or(|mail| mail.damaged) || even, "cut at {end}");
        }
    }

    #[test]
    fn no_more_members_are_read_than_the_bound_and_none_when_the_time_is_over() {
        let mut octets = fixture("winmail.dat");
        octets.truncate(6);
        for _ in 0..3 * MEMBERS_MAX {
            octets.extend_from_slice(b"\x02\x02\x90\x06\x00\x00\x00\x00\x00\x00\x00");
        }
        let many = winmail(&octets, &|| false).expect("a mail");
        assert!(many.files.len() <= MEMBERS_MAX + 1 && many.damaged);
        let late = winmail(&octets, &|| true).expect("a mail");
        assert!(late.files.len() <= 1 && late.damaged);
    }
}
