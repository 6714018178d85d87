//! Our own name and password at a mail server.
//!
//! **Invariants:** they are said under TLS only; nothing that prints a [`Login`] prints them; a file is read to a bound.
//! **Absent on purpose:** the logins of clients, which the mail server sees as the client said them.

use std::fmt;
use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use gatepost_core::smtp::relay::{Loss, Order, Outcome, What, Whose};

use crate::config::RouteLogin;
use crate::line::Line;

/// The most octets of a name or a password.
const MOST: usize = 1_024;

/// A name and a password.
#[derive(PartialEq, Eq)]
pub struct Login {
    user: Box<str>,
    password: Box<str>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(..)")
    }
}

/// Octets that are overwritten when they are dropped.
struct Secret(Vec<u8>);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        black_box(&mut self.0);
    }
}

/// Why there is no login: the key that is wrong, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoLogin {
    /// `user`, `user_file` or `password_file`.
    pub key: &'static str,
    /// In words, without what the file holds.
    pub why: String,
}

impl Login {
    /// Reads the files. Nothing where nothing is said.
    pub fn read(login: &RouteLogin) -> Result<Option<Login>, NoLogin> {
        if !login.is_there() {
            return Ok(None);
        }
        let wrong = |key, why: String| NoLogin { key, why };
        let (key, user) = match (&login.user, &login.user_file) {
            (Some(_), Some(_)) => return Err(wrong("user_file", "`user` is said already".into())),
            (None, None) => return Err(wrong("user", "expected a user name, or `user_file`".into())),
            (Some(user), None) => ("user", user.clone()),
            (None, Some(file)) => ("user_file", line(file).map_err(|why| wrong("user_file", why))?),
        };
        let fits = |text: &str| (1..=MOST).contains(&text.len()) && !text.contains(['\0', '\r', '\n']);
        if !fits(&user) {
            return Err(wrong(key, format!("expected one line of 1 to {MOST} octets")));
        }
        let Some(file) = &login.password_file else {
            return Err(wrong("password_file", "expected a file with the password".into()));
        };
        let password = line(file).map_err(|why| wrong("password_file", why))?;
        if !fits(&password) {
            let why = format!("{}: expected one line of 1 to {MOST} octets", file.display());
            return Err(wrong("password_file", why));
        }
        Ok(Some(Login {
            user: user.into(),
            password: password.into(),
        }))
    }

    /// The file with the password and its mode, where others than we may read it.
    pub fn exposed(login: &RouteLogin) -> Option<(&Path, u32)> {
        let file = login.password_file.as_deref()?;
        let mode = file.metadata().ok()?.permissions().mode() & 0o777;
        (mode & 0o077 != 0).then_some((file, mode))
    }

    /// Logs in on a connection that is ready.
    pub async fn say(&self, line: &mut Line) -> Result<(), Loss> {
        let lacks = |what| Loss::new(Whose::Upstream, What::Missing(what));
        if !line.relay.is_secured() || line.fallen_back {
            return Err(lacks("STARTTLS"));
        }
        let offer = line.relay.offer();
        let (plain, login) = (offer.has_auth("PLAIN"), offer.has_auth("LOGIN"));
        let outcome = if plain {
            let words = Secret([b"\0", self.user.as_bytes(), b"\0", self.password.as_bytes()].concat());
            let told = encoded(&words.0);
            let initial = Some(text(&told));
            line.order(Order::Auth {
                mechanism: "PLAIN",
                initial,
            })
            .await
        } else if login {
            let begun = Order::Auth {
                mechanism: "LOGIN",
                initial: None,
            };
            let mut outcome = line.order(begun).await;
            for word in [&self.user, &self.password] {
                if !matches!(outcome, Outcome::Challenge(_)) {
                    break;
                }
                let told = encoded(word.as_bytes());
                outcome = line.order(Order::AuthLine(text(&told))).await;
            }
            outcome
        } else {
            return Err(lacks("AUTH PLAIN or LOGIN"));
        };
        match outcome {
            Outcome::Replied(reply) if reply.code() == 235 => {
                line.relay.own_login();
                // Its questions refused nothing.
                line.content = true;
                Ok(())
            }
            Outcome::Replied(reply) => Err(Loss::new(Whose::Upstream, What::Refused(reply))),
            Outcome::Lost(loss) => Err(loss),
            // One question more than there are answers.
            _ => Err(Loss::new(Whose::Upstream, What::Malformed)),
        }
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        drop(Secret(std::mem::take(&mut self.password).into_boxed_bytes().into_vec()));
    }
}

fn encoded(octets: &[u8]) -> Secret {
    Secret(BASE64_STANDARD.encode(octets).into_bytes())
}

fn text(secret: &Secret) -> &str {
    std::str::from_utf8(&secret.0).unwrap_or_default()
}

/// The one line of a file, or why there is none.
fn line(file: &Path) -> Result<String, String> {
    let unreadable = |error| format!("{}: cannot be read: {error}", file.display());
    // Opening what is no file may block, and reading it may never end.
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(format!("{}: expected a file", file.display()));
    }
    let mut octets = Vec::with_capacity(MOST + 3);
    let bounded = File::open(file).map_err(unreadable)?.take(MOST as u64 + 3);
    { bounded }.read_to_end(&mut octets).map_err(unreadable)?;
    let mut text = String::from_utf8(octets).map_err(|_| format!("{}: expected UTF-8", file.display()))?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn said(user: Option<&str>, user_file: Option<&Path>, password_file: Option<&Path>) -> RouteLogin {
        RouteLogin {
            user: user.map(Into::into),
            user_file: user_file.map(Into::into),
            password_file: password_file.map(Into::into),
        }
    }

    #[test]
    fn a_login_is_a_name_and_a_file_with_one_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let (name, word) = (folder.path().join("name"), folder.path().join("word"));
        fs::write(&name, "gate\n").expect("a file");
        fs::write(&word, "s3cret word\r\n").expect("a file");
        for login in [
            said(Some("gate"), None, Some(&word)),
            said(None, Some(&name), Some(&word)),
        ] {
            let login = Login::read(&login).expect("files").expect("a login");
            assert_eq!((&*login.user, &*login.password), ("gate", "s3cret word"));
            assert_eq!(format!("{login:?}"), "Login(..)");
        }
        assert_eq!(Login::read(&RouteLogin::default()), Ok(None));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_key_and_without_the_password() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, text: &str| {
            let file = folder.path().join(name);
            fs::write(&file, text).expect("a file");
            file
        };
        let (good, empty) = (file("good", "word"), file("empty", "\n"));
        let (two, long) = (file("two", "secret\nlines"), file("long", &"secret".repeat(1_000)));
        for (login, key) in [
            (said(None, None, Some(&good)), "user"),
            (said(Some("a"), Some(&good), Some(&good)), "user_file"),
            (said(Some(""), None, Some(&good)), "user"),
            (said(None, Some(&empty), Some(&good)), "user_file"),
            (said(Some("a"), None, None), "password_file"),
            (said(Some("a"), None, Some(&empty)), "password_file"),
            (said(Some("a"), None, Some(&two)), "password_file"),
            (said(Some("a"), None, Some(&long)), "password_file"),
            (said(Some("a"), None, Some(folder.path())), "password_file"),
            (
                said(Some("a"), None, Some(&folder.path().join("none"))),
                "password_file",
            ),
        ] {
            let wrong = Login::read(&login).expect_err("a mistake");
            assert_eq!(wrong.key, key, "{login:?}");
            assert!(!wrong.why.contains("secret"), "{wrong:?}");
        }
    }
}
