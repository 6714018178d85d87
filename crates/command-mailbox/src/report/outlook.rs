//! A mail of Outlook made into one of the Internet's: its fields as they came where it has them, else as few as it tells,
//! and its bodies and files as parts.

use gatepost_containers::documents::outlook::OutlookMail;
use gatepost_core::message::Headers;

/// Fields that speak of the form of the body, which is another one now.
const FORM: [&str; 4] = [
    "Content-Type",
    "Content-Transfer-Encoding",
    "MIME-Version",
    "Content-Disposition",
];

/// The mail; nothing where it would be larger than `most` octets.
pub(super) fn rebuilt(mail: &OutlookMail, most: usize) -> Option<Vec<u8>> {
    let mut maker = Maker {
        out: Vec::new(),
        most,
        boundaries: 0,
    };
    maker.mail(mail)?;
    Some(maker.out)
}

struct Maker {
    out: Vec<u8>,
    most: usize,
    boundaries: usize,
}

impl Maker {
    fn put(&mut self, octets: &[u8]) -> Option<()> {
        if self.out.len().saturating_add(octets.len()) > self.most {
            return None;
        }
        self.out.extend_from_slice(octets);
        Some(())
    }

    fn field(&mut self, name: &str, value: &str) -> Option<()> {
        let plain: String = value
            .chars()
            .map(|one| if one.is_control() { ' ' } else { one })
            .collect();
        match plain.trim() {
            "" => Some(()),
            plain => self.put(format!("{name}: {plain}\r\n").as_bytes()),
        }
    }

    /// Writes a mail; calls itself for those in it, which are nested as deep as their reader follows them.
    fn mail(&mut self, mail: &OutlookMail) -> Option<()> {
        if mail.headers.contains(':') {
            self.fields(&mail.headers)?;
        } else {
            let from = match (&*mail.sender, &*mail.address) {
                (sender, "") => sender.to_owned(),
                ("", address) => address.to_owned(),
                (sender, address) => format!("\"{}\" <{address}>", sender.replace(['"', '\\'], "")),
            };
            self.field("From", &from)?;
            self.field("To", &mail.to)?;
            self.field("Cc", &mail.cc)?;
            self.field("Subject", &mail.subject)?;
            self.field("Message-ID", &mail.message_id)?;
        }
        self.put(b"MIME-Version: 1.0\r\n")?;
        let attached = mail.files.len().saturating_add(mail.mails.len());
        if attached == 0 {
            return self.bodies(mail);
        }
        let boundary = self.multipart("mixed")?;
        self.begin(&boundary)?;
        self.bodies(mail)?;
        for file in &mail.files {
            self.begin(&boundary)?;
            let declared = file.declared.as_deref().filter(|declared| declared.contains('/'));
            self.field("Content-Type", declared.unwrap_or("application/octet-stream"))?;
            self.field(
                "Content-Disposition",
                &format!("attachment; filename=\"{}\"", file.name.replace(['"', '\\'], "")),
            )?;
            self.put(b"Content-Transfer-Encoding: binary\r\n\r\n")?;
            self.put(&file.octets)?;
        }
        for (_, within) in &mail.mails {
            self.begin(&boundary)?;
            self.put(b"Content-Type: message/rfc822\r\n\r\n")?;
            self.mail(within)?;
        }
        self.put(format!("\r\n--{boundary}--\r\n").as_bytes())
    }

    /// The fields as they came, those of the form left out.
    fn fields(&mut self, headers: &str) -> Option<()> {
        let mut text = String::with_capacity(headers.len());
        for line in headers.lines().filter(|line| !line.trim().is_empty()) {
            text.push_str(line);
            text.push_str("\r\n");
        }
        for field in Headers::parse(text.into_bytes().into()).iter() {
            if !FORM.iter().any(|name| field.is(name)) {
                self.put(field.raw())?;
            }
        }
        Some(())
    }

    fn multipart(&mut self, kind: &str) -> Option<String> {
        self.boundaries += 1;
        let boundary = format!("=_outlook_{}_{}", self.boundaries, self.out.len());
        self.field("Content-Type", &format!("multipart/{kind}; boundary=\"{boundary}\""))?;
        self.put(b"\r\n")?;
        Some(boundary)
    }

    fn begin(&mut self, boundary: &str) -> Option<()> {
        self.put(format!("\r\n--{boundary}\r\n").as_bytes())
    }

    fn bodies(&mut self, mail: &OutlookMail) -> Option<()> {
        match (mail.plain.is_empty(), mail.html.is_empty()) {
            (false, false) => {
                let boundary = self.multipart("alternative")?;
                self.begin(&boundary)?;
                self.plain(mail)?;
                self.begin(&boundary)?;
                self.html(mail)?;
                self.put(format!("\r\n--{boundary}--\r\n").as_bytes())
            }
            (true, false) => self.html(mail),
            (true, true) if !mail.rtf.is_empty() => {
                self.put(b"Content-Type: text/rtf\r\n\r\n")?;
                self.put(&mail.rtf)
            }
            _ => self.plain(mail),
        }
    }

    fn plain(&mut self, mail: &OutlookMail) -> Option<()> {
        self.put(b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")?;
        self.lines(mail.plain.as_bytes())
    }

    fn html(&mut self, mail: &OutlookMail) -> Option<()> {
        // It may name its charset itself.
        let charset = match std::str::from_utf8(&mail.html).is_ok() {
            true => "; charset=utf-8",
            false => "",
        };
        self.put(format!("Content-Type: text/html{charset}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n").as_bytes())?;
        self.lines(&mail.html)
    }

    fn lines(&mut self, text: &[u8]) -> Option<()> {
        for line in text.split_inclusive(|octet| *octet == b'\n') {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            self.put(line.strip_suffix(b"\r").unwrap_or(line))?;
            self.put(b"\r\n")?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_containers::documents::outlook::OutlookFile;
    use gatepost_core::Message;

    fn mail() -> OutlookMail {
        OutlookMail {
            headers: "Received: from a\n\tby b\nFrom: a@b.example\nContent-Type: multipart/mixed;\n boundary=x\n\
                      Subject: s\n\n"
                .into(),
            plain: "hello\nyou".into(),
            ..OutlookMail::default()
        }
    }

    #[test]
    fn the_fields_are_those_that_came_and_the_form_is_ours() {
        let out = String::from_utf8(rebuilt(&mail(), 10_000).expect("small")).expect("text");
        assert!(
            out.starts_with("Received: from a\r\n\tby b\r\nFrom: a@b.example\r\nSubject: s\r\nMIME"),
            "{out}"
        );
        assert!(
            out.ends_with("\r\n\r\nhello\r\nyou\r\n") && !out.contains("multipart"),
            "{out}"
        );
    }

    #[test]
    fn bodies_files_and_mails_are_parts() {
        let mut outer = mail();
        outer.html = b"<p>hello".to_vec();
        outer.files.push(OutlookFile {
            name: "a \"b\".bin".into(),
            octets: vec![0, 1, 2],
            declared: None,
        });
        outer.mails.push(("inner".into(), mail()));
        let message = Message::from_bytes(rebuilt(&outer, 10_000).expect("small"));
        let parts = message.reading(&|| false).parts();
        let mimes: Vec<&str> = parts.iter().map(|part| &*part.mime).collect();
        assert_eq!(
            mimes,
            [
                "text/plain",
                "text/html",
                "application/octet-stream",
                "message/rfc822",
                "text/plain"
            ]
        );
        assert_eq!(parts[2].file_name.as_deref(), Some("a b.bin"));
        assert_eq!(rebuilt(&outer, 100), None);
    }

    #[test]
    fn a_mail_that_never_left_the_house_has_the_fields_that_it_tells() {
        let mail = OutlookMail {
            sender: "Ann \"A\"".into(),
            address: "a@b.example".into(),
            subject: "s\r\nX: y".into(),
            ..OutlookMail::default()
        };
        let out = String::from_utf8(rebuilt(&mail, 10_000).expect("small")).expect("text");
        assert!(
            out.starts_with("From: \"Ann A\" <a@b.example>\r\nSubject: s  X: y\r\n"),
            "{out}"
        );
    }
}
