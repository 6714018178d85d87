//! Mails that are attached: as they are, in archives, or in the forms of Outlook.

use std::cell::RefCell;

use gatepost_containers::documents::outlook as forms;
use gatepost_containers::{Class, Kind, Mark, examine};
use gatepost_core::Message;

use super::{Form, Limits, Original, Reported, UNREADABLE_MAX, inline, outlook, pasted, shown};

/// Archives within archives: a mail in a tar in a gzip in a zip is found.
const LEVELS_MAX: usize = 3;
/// Octets of blanks before a mail that are passed over.
const BLANKS_MAX: usize = 64;
/// Fields that mails have, by which one is told from another text.
const FIELDS: [&str; 16] = [
    "From",
    "To",
    "Subject",
    "Date",
    "Received",
    "Message-ID",
    "MIME-Version",
    "Return-Path",
    "Content-Type",
    "X-Gatepost-Id",
    "Delivered-To",
    "Sender",
    "Reply-To",
    "Cc",
    "DKIM-Signature",
    "Authentication-Results",
];

/// Whether a file is named as a mail, by its name in lower case.
pub(super) fn is_named_mail(name: &str) -> bool {
    [".eml", ".mht", ".mhtml", ".msg", ".emlx"]
        .iter()
        .any(|end| name.ends_with(end))
        || name == "winmail.dat"
}

/// What is found in a report so far.
pub(super) struct Found<'a> {
    pub(super) reported: Reported,
    limits: Limits,
    /// Octets that may still be taken.
    left: usize,
    in_time: RefCell<&'a mut dyn FnMut() -> bool>,
    over: bool,
}

impl<'a> Found<'a> {
    pub(super) fn new(limits: Limits, in_time: &'a mut dyn FnMut() -> bool) -> Found<'a> {
        Found {
            reported: Reported::default(),
            left: limits.octets,
            limits,
            in_time: RefCell::new(in_time),
            over: false,
        }
    }

    /// Whether no more is read, and says why where it is the first time.
    pub(super) fn is_over(&mut self) -> bool {
        if !self.over && self.spent() {
            self.over = true;
            self.unreadable("the rest", "there was no time left for it");
        }
        self.over
    }

    fn spent(&self) -> bool {
        let mut in_time = self.in_time.borrow_mut();
        !in_time()
    }

    /// Notes what could not be read.
    pub(super) fn unreadable(&mut self, name: &str, why: &str) {
        let name = shown(name);
        let name = if name.is_empty() { "a mail" } else { &name };
        if self.reported.unreadable.len() < UNREADABLE_MAX {
            self.reported.unreadable.push(format!("{name}: {why}"));
        }
    }

    /// Takes octets from what may be taken.
    fn pay(&mut self, octets: usize, name: &str) -> bool {
        match self.left.checked_sub(octets) {
            Some(left) => {
                self.left = left;
                true
            }
            None => {
                let most = super::megabytes(self.limits.octets);
                self.unreadable(name, &format!("it is more than the {most} that are read at a time"));
                false
            }
        }
    }

    fn add(&mut self, original: Original) {
        if self.over {
            return;
        }
        if self.reported.originals.len() >= self.limits.originals {
            self.over = true;
            let why = format!("at most {} mails are read at a time", self.limits.originals);
            self.unreadable("the rest", &why);
        } else if self.pay(original.octets.len(), &original.name) {
            self.reported.originals.push(original);
        }
    }

    /// Takes what is said to be a mail. `said` by its type, and so with less to show for it.
    pub(super) fn mail(&mut self, octets: &[u8], name: &str, said: bool) {
        match of(octets, name, said) {
            Some(original) => self.add(original),
            None if octets.trim_ascii().is_empty() => self.unreadable(name, "it is empty"),
            None => self.unreadable(name, "it is not a mail that we can read"),
        }
    }

    /// Takes a file, and what is in it; without its octets where they are too many.
    pub(super) fn file(&mut self, name: String, octets: Option<Vec<u8>>) {
        let Some(octets) = octets else {
            if is_named_mail(&name.to_lowercase()) || name.to_lowercase().ends_with(".zip") {
                self.pay(usize::MAX, &name);
            }
            return;
        };
        let mut open = vec![(name, octets, 0)];
        while let Some((name, octets, level)) = open.pop() {
            if self.is_over() {
                return;
            }
            let lower = name.to_lowercase();
            let kind = Kind::of(&octets, &name);
            if kind == Kind::Msg || (lower.ends_with(".msg") && kind.is_compound()) {
                self.msg(&name, &octets);
            } else if kind == Kind::Tnef {
                self.winmail(&name, &octets, &mut open, level);
            } else if kind.class() == Class::Archive {
                self.archive(&name, &octets, &mut open, level);
            } else if is_named_mail(&lower) {
                let octets = if lower.ends_with(".emlx") {
                    emlx(&octets)
                } else {
                    &octets
                };
                self.mail(octets, &name, true);
            } else if let Some(original) = of(&octets, &name, false) {
                self.add(original);
            }
        }
    }

    fn msg(&mut self, name: &str, octets: &[u8]) {
        match forms::msg(octets, &|| self.spent()) {
            Some(mail) => self.outlook(name, &mail),
            None => self.unreadable(name, "the mail of Outlook cannot be opened"),
        }
    }

    /// A mail of Outlook; of a damaged one what there is would be another mail than the one that came.
    fn outlook(&mut self, name: &str, mail: &forms::OutlookMail) {
        if mail.damaged {
            return self.unreadable(name, "the mail of Outlook is damaged");
        }
        match outlook::rebuilt(mail, self.limits.octets).and_then(|octets| original(octets, name, Form::Outlook)) {
            Some(original) => self.add(original),
            None => self.unreadable(name, "it is too large or not a mail"),
        }
    }

    /// What Exchange makes of a report: the mails in it are those that are reported.
    fn winmail(&mut self, name: &str, octets: &[u8], open: &mut Vec<(String, Vec<u8>, usize)>, level: usize) {
        let Some(report) = forms::winmail(octets, &|| self.spent()) else {
            return self.unreadable(name, "it cannot be opened");
        };
        if report.damaged {
            self.unreadable(name, "it is damaged, and not all of it could be opened");
        }
        for (name, mail) in &report.mails {
            self.outlook(name, mail);
        }
        if level < LEVELS_MAX {
            let files = report.files.into_iter().rev();
            open.extend(files.map(|file| (file.name, file.octets, level + 1)));
        }
    }

    fn archive(&mut self, name: &str, octets: &[u8], open: &mut Vec<(String, Vec<u8>, usize)>, level: usize) {
        if level >= LEVELS_MAX {
            return self.unreadable(name, "there are too many archives within one another");
        }
        let limits = gatepost_containers::Limits {
            // What is in it is looked at here.
            depth: 1,
            octets: self.left as u64,
            memory: self.left,
            hashes: false,
            ..gatepost_containers::Limits::default()
        };
        let (mut members, mut closed) = (Vec::new(), Vec::new());
        examine(name, None, octets, &limits, &|| self.spent(), &mut |item, octets| {
            let own = item.path.last().map_or("", |name| name);
            let blind = item
                .marks
                .iter()
                .map(|(mark, _)| *mark)
                .find(|mark| mark.is_blind() && *mark != Mark::Depth && *mark != Mark::Unread);
            match (item.path.len(), octets, blind) {
                (2, Some(octets), None) => members.push((own.to_owned(), octets.to_vec(), level + 1)),
                (_, _, Some(mark)) if closed.len() < UNREADABLE_MAX => closed.push((own.to_owned(), why(mark))),
                _ => {}
            }
        });
        // What is told of a member need not be told of the archive.
        if closed.len() > 1 {
            closed.pop_if(|(one, _)| one == name);
        }
        for (name, why) in closed {
            self.unreadable(&name, why);
        }
        let unpacked = members.iter().map(|(_, octets, _)| octets.len()).sum();
        if self.pay(unpacked, name) {
            // What is taken of it is paid for once more, so give it back first.
            self.left = self.left.saturating_add(unpacked);
            members.reverse();
            open.append(&mut members);
        }
    }

    /// What the text of a report holds, where nothing is attached: a mail with its header section, or with the few fields
    /// of a forward; whichever begins first, since what stands below is that mail's own text.
    pub(super) fn text(&mut self, plain: &str, html: &str, named: &dyn Fn() -> Option<String>) {
        let found = [plain, html].iter().find_map(|text| {
            let (pasted, inline) = (pasted::find(text), inline::find(text));
            match (pasted, inline) {
                (Some((at, _)), Some((before, octets))) if before < at => Some((octets, Form::Inline)),
                (Some((_, octets)), _) => Some((octets, Form::Pasted)),
                (None, Some((_, octets))) => Some((octets, Form::Inline)),
                (None, None) => None,
            }
        });
        let found = found.and_then(|(octets, form)| original(octets, "", form));
        if let Some(mut found) = found {
            found.message_id = found.message_id.or_else(named);
            self.add(found);
        }
    }
}

/// Why something cannot be looked into.
fn why(mark: Mark) -> &'static str {
    match mark {
        Mark::Encrypted => "it is locked with a password",
        Mark::Files | Mark::Octets | Mark::Ratio => "there is too much in it",
        Mark::Time => "there was no time left for it",
        _ => "it is damaged",
    }
}

/// The mail in a file of Apple Mail: its length in octets stands before it, and a list of its properties behind it.
fn emlx(octets: &[u8]) -> &[u8] {
    let end = octets.iter().take(20).position(|octet| *octet == b'\n');
    let Some(end) = end else { return octets };
    let length = std::str::from_utf8(octets.get(..end).unwrap_or_default());
    let length = length.ok().and_then(|length| length.trim().parse::<usize>().ok());
    let rest = octets.get(end + 1..).unwrap_or_default();
    match length {
        Some(length) => rest.get(..length).unwrap_or(rest),
        None => octets,
    }
}

/// The mail that these octets are, if they are one: with the line ends that mail has on its way.
pub(super) fn of(octets: &[u8], name: &str, said: bool) -> Option<Original> {
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    let blanks = octets
        .iter()
        .take(BLANKS_MAX)
        .take_while(|octet| octet.is_ascii_whitespace());
    let octets = octets.get(blanks.count()..).unwrap_or_default();
    let head = octets.get(..gatepost_core::message::split(octets)).unwrap_or_default();
    let headers = gatepost_core::message::Headers::parse(gatepost_core::Bytes::copy_from_slice(head));
    let has = |name: &str| headers.get(name).is_some();
    let known = FIELDS.iter().filter(|name| has(name)).count();
    let tells = has("From") || has("Received") || has("Return-Path");
    let enough = match said {
        true => known >= 2 || (known == 1 && tells),
        false => known >= 3 && tells,
    };
    if !enough {
        return None;
    }
    let mbox = headers.mbox_line().map_or(0, <[u8]>::len);
    original(canonical(octets.get(mbox..).unwrap_or_default()), name, Form::Attached)
}

/// Each line with CR LF, the last one, too: a file may have lost them, mail on its way never has.
fn canonical(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() + octets.len() / 32 + 2);
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        out.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// An original of these octets, which are a mail.
fn original(octets: Vec<u8>, name: &str, form: Form) -> Option<Original> {
    let message = Message::from_bytes(octets.clone());
    let subject = message
        .headers()
        .get("Subject")
        .map(|subject| subject.decoded(super::NAME_MAX * 4));
    let name = match name.trim().is_empty() {
        true => subject.unwrap_or_default(),
        false => name.to_owned(),
    };
    (!octets.is_empty()).then(|| Original {
        name: shown(&name),
        reference: super::reference(&message),
        message_id: super::message_id(&message, "Message-ID"),
        octets,
        form,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_told_from_other_texts() {
        let mail: &[u8] = b"From: a@b.example\nSubject: x\nDate: today\n\nbody";
        let found = of(mail, "", false).expect("a mail");
        assert_eq!(
            found.octets,
            b"From: a@b.example\r\nSubject: x\r\nDate: today\r\n\r\nbody\r\n"
        );
        assert_eq!((&*found.name, found.form), ("x", Form::Attached));
        for (text, said) in [
            (&b"Dear all,\r\n\r\nhello"[..], true),
            (b"To: do\r\n\r\nbuy milk", false),
            (b"Subject: x\r\nFrom: a@b.example\r\n\r\nx", false),
            (b"", true),
            (b"Date: today\r\n\r\n", true),
        ] {
            assert_eq!(of(text, "", said), None, "{}", String::from_utf8_lossy(text));
        }
        assert!(of(b"From: a@b.example\r\n\r\nx", "", true).is_some());
        assert!(
            of(
                b"\xef\xbb\xbf\r\n\r\nFrom: a@b.example\r\nSubject: x\r\n\r\nx",
                "",
                true
            )
            .is_some()
        );
    }

    #[test]
    fn a_header_section_within_a_forwarded_mail_is_its_text_and_no_other_mail() {
        let head = "Received: from b.example\nMessage-ID: <1@b.example>\nFrom: ann@b.example\nSubject: lunch\n\nhi\n";
        let forwarded = format!(
            "look!\n\n-------- Forwarded Message --------\nSubject: Win\nDate: today\nFrom: eve@x.example\nTo: \
             carl@d.example\n\nbuy\n\n{head}"
        );
        for (text, form, start) in [
            (forwarded.as_str(), Form::Inline, "From: eve@x.example\r\n"),
            (head, Form::Pasted, "Received: from b.example\r\n"),
        ] {
            let mut in_time = || true;
            let mut found = Found::new(Limits::default(), &mut in_time);
            found.text(text, "", &|| None);
            let [one] = found.reported.originals.as_slice() else {
                panic!("{:?}", found.reported)
            };
            assert_eq!(one.form, form);
            assert!(
                one.octets.starts_with(start.as_bytes()),
                "{}",
                String::from_utf8_lossy(&one.octets)
            );
        }
    }

    #[test]
    fn the_line_of_an_mbox_is_no_part_of_the_mail() {
        let mail = b"From a@b.example Thu Nov 26 10:00:00 2026\nFrom: a@b.example\nSubject: x\n\nbody\n";
        let found = of(mail, "x.eml", true).expect("a mail");
        assert!(found.octets.starts_with(b"From: a@b.example\r\n"));
    }

    #[test]
    fn a_file_of_apple_mail_ends_where_its_length_says() {
        assert_eq!(emlx(b"5     \nA: b\n<plist/>"), b"A: b\n");
        assert_eq!(emlx(b"99\nA: b\n"), b"A: b\n");
        assert_eq!(emlx(b"A: b\n"), b"A: b\n");
    }
}
