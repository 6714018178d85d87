//! A way that ends here: mail is delivered to a Maildir, durably.
//!
//! For trying Gatepost out, for domains whose mail somebody fetches from files, and for mailboxes while a customer's
//! server is away. A message is one file for each Maildir, with a `Delivered-To` line for each recipient who has it: written
//! to `tmp`, synced, renamed into `new`, the directory synced. Only when all are there is it accepted; so what was answered
//! with 250 survives a power cut, and of what was not nothing stays, but where the power was cut.

mod folders;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use gatepost_core::smtp::relay::{Loss, What, Whose};
use gatepost_core::{
    Consignment, Delivery, Edited, Enhanced, MailParams, Path, RcptParams, Reply, Upstream, Visit, async_trait,
};

const GRANTED: Reply = Reply::fixed(250, Enhanced(2, 1, 5), "Recipient ok");
const STORED: Reply = Reply::fixed(250, Enhanced(2, 0, 0), "Delivered to the Maildir");
const NOT_STORED: Reply = Reply::fixed(451, Enhanced(4, 3, 1), "Local storage trouble, try again later");
const NO_AUTH: Reply = Reply::fixed(535, Enhanced(5, 7, 8), "No mail server to authenticate with");

pub use folders::Folders;

/// Maildirs as an upstream.
pub struct Maildir {
    folders: Arc<Folders>,
    name: String,
    recipients: Vec<Path>,
    /// The message of these recipients was delivered: the next one opens another transaction.
    delivered: bool,
}

impl Maildir {
    /// A way into Maildirs, which are made when they are not there.
    pub fn new(folders: Arc<Folders>) -> Maildir {
        let name = format!("maildir:{}", folders.pattern().display());
        Maildir {
            folders,
            name,
            recipients: Vec::new(),
            delivered: false,
        }
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

/// A message that is written and synced, and not in its Maildir yet.
struct Written {
    file: tempfile::NamedTempFile,
    new: PathBuf,
}

fn write(directory: &FilePath, head: &str, message: &Edited) -> io::Result<Written> {
    folders::prepare(directory)?;
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
    let new = directory.join("new");
    Ok(Written { file, new })
}

/// Stores a message in Maildirs, each behind a head of its own: in all of them or in none.
fn store(heads: &BTreeMap<PathBuf, String>, message: &Edited) -> io::Result<()> {
    let written = heads.iter().map(|(directory, head)| write(directory, head, message));
    let written = written.collect::<io::Result<Vec<Written>>>()?;
    let mut placed = Vec::with_capacity(written.len());
    let mut folders = Vec::with_capacity(written.len());
    let mut place = |Written { file, new }: Written| {
        let name = file.path().file_name().map(ToOwned::to_owned);
        let at = new.join(name.ok_or(io::ErrorKind::InvalidInput)?);
        file.persist_noclobber(&at).map_err(|error| error.error)?;
        placed.push(at);
        folders.push(new);
        Ok::<(), io::Error>(())
    };
    let done = written.into_iter().try_for_each(&mut place);
    let synced = |folders: &[PathBuf]| folders.iter().try_for_each(|new| File::open(new)?.sync_all());
    let done = done.and_then(|()| synced(&folders));
    if done.is_err() {
        // They may be there after a power cut or not; nobody was promised that they are.
        for at in placed {
            let _ = fs::remove_file(at);
        }
    }
    done
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
        let mut heads = BTreeMap::new();
        for path in consignment.to.iter().filter_map(|at| self.recipients.get(*at)) {
            let head: &mut String = heads
                .entry(self.folders.of(path))
                .or_insert_with(|| format!("Return-Path: <{}>\n", consignment.from));
            head.push_str(&format!("Delivered-To: {path}\n"));
        }
        if heads.is_empty() {
            return Err(Loss::new(Whose::Us, What::OutOfPlace));
        }
        self.delivered = true;
        if (consignment.gone)() {
            return Err(Loss::new(Whose::Client, What::Gone));
        }
        let message = consignment.message;
        let stored = tokio::task::spawn_blocking(move || store(&heads, &message)).await;
        let reply = match stored.unwrap_or_else(|panic| Err(io::Error::other(panic))) {
            Ok(()) => STORED,
            Err(error) => {
                tracing::error!(directory = %self.folders.pattern().display(), %error, "the Maildir takes no mail");
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
