//! A way that ends here: mail is delivered to a Maildir, durably.
//!
//! For trying Gatepost out, and for domains whose mail somebody fetches from files. A message is one file, with a
//! `Delivered-To` line for each recipient: written to `tmp`, synced, renamed into `new`, the directory synced. Only then
//! is it accepted; so what was answered with 250 survives a power cut.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path as FilePath, PathBuf};

use gatepost_core::smtp::relay::{Loss, What, Whose};
use gatepost_core::{
    Consignment, Delivery, Edited, Enhanced, MailParams, Path, RcptParams, Reply, Upstream, Visit, async_trait,
};

const GRANTED: Reply = Reply::fixed(250, Enhanced(2, 1, 5), "Recipient ok");
const STORED: Reply = Reply::fixed(250, Enhanced(2, 0, 0), "Delivered to the Maildir");
const NOT_STORED: Reply = Reply::fixed(451, Enhanced(4, 3, 1), "Local storage trouble, try again later");
const NO_AUTH: Reply = Reply::fixed(535, Enhanced(5, 7, 8), "No mail server to authenticate with");

/// A Maildir as an upstream.
pub struct Maildir {
    directory: PathBuf,
    name: String,
    recipients: Vec<Path>,
    /// The message of these recipients was delivered: the next one opens another transaction.
    delivered: bool,
}

impl Maildir {
    /// A way into a Maildir, which is made when it is not there.
    pub fn new(directory: PathBuf) -> Maildir {
        let name = format!("maildir:{}", directory.display());
        Maildir {
            directory,
            name,
            recipients: Vec::new(),
            delivered: false,
        }
    }

    /// Makes the Maildir, so that trouble is found at start.
    pub fn prepare(directory: &FilePath) -> io::Result<()> {
        for part in ["tmp", "new", "cur"] {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory.join(part))?;
        }
        Ok(())
    }
}

/// Writes content with the line ends of files.
fn unix_lines(mut content: impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut kept_cr = false;
    loop {
        let read = content.read(&mut buffer)?;
        if read == 0 {
            return if kept_cr { to.write_all(b"\r") } else { Ok(()) };
        }
        let mut rest = &buffer[..read];
        if kept_cr && rest[0] != b'\n' {
            to.write_all(b"\r")?;
        }
        kept_cr = rest.last() == Some(&b'\r');
        if kept_cr {
            rest = &rest[..rest.len() - 1];
        }
        while let Some(at) = rest.windows(2).position(|two| two == b"\r\n") {
            to.write_all(&rest[..at])?;
            rest = &rest[at + 1..];
        }
        to.write_all(rest)?;
    }
}

fn store(directory: &FilePath, head: &str, message: &Edited) -> io::Result<()> {
    Maildir::prepare(directory)?;
    // A name that nobody else has, whatever host or process writes here: random, and never one that is there.
    let mut file = tempfile::Builder::new()
        .prefix("gatepost.")
        .rand_bytes(16)
        .permissions(fs::Permissions::from_mode(0o600))
        .tempfile_in(directory.join("tmp"))?;
    {
        let mut out = io::BufWriter::with_capacity(64 * 1024, &mut file);
        out.write_all(head.as_bytes())?;
        unix_lines(message.read(), &mut out)?;
        out.flush()?;
    }
    file.as_file().sync_all()?;
    let name = file
        .path()
        .file_name()
        .map(ToOwned::to_owned)
        .ok_or(io::ErrorKind::InvalidInput)?;
    let new = directory.join("new");
    file.persist_noclobber(new.join(&name)).map_err(|error| error.error)?;
    let synced = File::open(&new).and_then(|folder| folder.sync_all());
    if synced.is_err() {
        // It may be there after a power cut or not; nobody was promised that it is.
        let _ = fs::remove_file(new.join(&name));
    }
    synced
}

#[async_trait]
impl Upstream for Maildir {
    async fn rcpt(&mut self, _: &Visit, _: &Path, _: &MailParams, to: &Path, _: &RcptParams) -> Result<Reply, Loss> {
        if std::mem::take(&mut self.delivered) {
            self.recipients.clear();
        }
        self.recipients.push(to.clone());
        Ok(GRANTED)
    }

    async fn deliver(&mut self, consignment: Consignment<'_>) -> Result<Delivery, Loss> {
        let mut head = format!("Return-Path: <{}>\n", consignment.from);
        for at in consignment.to {
            if let Some(path) = self.recipients.get(*at) {
                head.push_str(&format!("Delivered-To: {path}\n"));
            }
        }
        self.delivered = true;
        if (consignment.gone)() {
            return Err(Loss::new(Whose::Client, What::Gone));
        }
        let (directory, message) = (self.directory.clone(), consignment.message);
        let stored = tokio::task::spawn_blocking(move || store(&directory, &head, &message)).await;
        let reply = match stored.unwrap_or_else(|panic| Err(io::Error::other(panic))) {
            Ok(()) => STORED,
            Err(error) => {
                tracing::error!(directory = %self.directory.display(), %error, "the Maildir takes no mail");
                NOT_STORED
            }
        };
        Ok(Delivery {
            reply,
            refused: Vec::new(),
        })
    }

    async fn reset(&mut self) {
        self.recipients.clear();
    }

    async fn auth(&mut self, _: &Visit, _: &str, _: Option<&str>) -> Result<Reply, Loss> {
        Ok(NO_AUTH)
    }

    async fn auth_line(&mut self, _: &str) -> Result<Reply, Loss> {
        Ok(NO_AUTH)
    }

    async fn close(&mut self) {}

    fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_become_those_of_files_wherever_the_content_is_cut() {
        struct Pieces<'a>(&'a [u8], usize);
        impl Read for Pieces<'_> {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                let n = self.1.min(self.0.len()).min(out.len());
                out[..n].copy_from_slice(&self.0[..n]);
                self.0 = &self.0[n..];
                Ok(n)
            }
        }
        for step in 1..9 {
            let mut out = Vec::new();
            unix_lines(Pieces(b"a\r\nb\r\r\n\r\nc\r", step), &mut out).unwrap();
            assert_eq!(out, b"a\nb\r\n\nc\r", "{step}");
        }
    }
}
