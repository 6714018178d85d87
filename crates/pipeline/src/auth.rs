//! The user name in an AUTH exchange that is passed on to the mail server.
//!
//! **Invariant:** nothing but the name is kept, and it counts only once the mail server says 235. What a line carries
//! beside it, a password first of all, is decoded into a buffer that ends with the call, and is in no `Debug`.

/// An AUTH exchange that is going on.
#[derive(Default)]
pub struct Exchange {
    mechanism: Mechanism,
    name: Option<Box<str>>,
    heard: bool,
}

/// How a mechanism tells the name.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Mechanism {
    /// `authzid NUL authcid NUL password` (RFC 4616).
    Plain,
    /// The name alone, in the first line.
    Login,
    /// `name SP digest` (RFC 2195).
    CramMd5,
    /// `user=name ^A auth=..`.
    XOAuth2,
    /// `n,a=name,^A..` (RFC 7628), `n,,n=name,r=..` (RFC 5802).
    Gs2,
    /// One whose lines we do not know: its login has no name.
    #[default]
    Unknown,
}

impl Exchange {
    /// The most octets of a name.
    pub const NAME_MAX: usize = 255;

    /// An exchange with a mechanism, in upper case.
    pub fn new(mechanism: &str) -> Exchange {
        let mechanism = match mechanism {
            "PLAIN" => Mechanism::Plain,
            "LOGIN" => Mechanism::Login,
            "CRAM-MD5" => Mechanism::CramMd5,
            "XOAUTH2" => Mechanism::XOAuth2,
            "OAUTHBEARER" | "SCRAM-SHA-1" | "SCRAM-SHA-256" | "SCRAM-SHA-512" => Mechanism::Gs2,
            _ => Mechanism::Unknown,
        };
        Exchange {
            mechanism,
            name: None,
            heard: false,
        }
    }

    /// Looks for the name in a line of the client, base64 as written; an initial response is the first line.
    pub fn hear(&mut self, line: &str) {
        if std::mem::replace(&mut self.heard, true) {
            return;
        }
        let Some(text) = decode(line) else { return };
        let name = match self.mechanism {
            Mechanism::Plain => text.split(|b| *b == 0).nth(1),
            Mechanism::Login => Some(&*text),
            Mechanism::CramMd5 => text.iter().rposition(|b| *b == b' ').and_then(|end| text.get(..end)),
            Mechanism::XOAuth2 => text.split(|b| *b == 1).find_map(|part| part.strip_prefix(b"user=")),
            // RFC 5802 §7: flag, as whom, who. The second is a wish that a server may ignore; only where nobody else is
            // named (RFC 7628 §3.1) is it the one who logs in, and as well proven as the server looks at it.
            Mechanism::Gs2 => {
                let mut parts = text.split(|b| matches!(b, b',' | 1)).skip(1);
                let (as_whom, who) = (parts.next(), parts.next().and_then(|part| part.strip_prefix(b"n=")));
                who.or_else(|| as_whom?.strip_prefix(b"a="))
            }
            Mechanism::Unknown => None,
        };
        self.name = name
            .and_then(|name| str::from_utf8(name).ok())
            .filter(|name| (1..=Exchange::NAME_MAX).contains(&name.len()) && !name.contains(char::is_control))
            .map(Into::into);
    }

    /// The name, now that the mail server has said 235.
    pub fn into_name(self) -> Option<Box<str>> {
        self.name
    }
}

/// Base64 (RFC 4648 §4), padding optional; `=` alone is nothing.
fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(mechanism: &str, lines: &[&str]) -> Option<String> {
        let mut exchange = Exchange::new(mechanism);
        lines.iter().for_each(|line| exchange.hear(line));
        exchange.into_name().map(Into::into)
    }

    #[test]
    fn each_mechanism_tells_its_name() {
        let user = Some("user".to_owned());
        assert_eq!(name("PLAIN", &["AHVzZXIAc2VjcmV0"]), user);
        assert_eq!(
            name("PLAIN", &["Ym9zcwB1c2VyAHNlY3JldA=="]),
            user,
            "who logs in, not as whom"
        );
        assert_eq!(name("LOGIN", &["dXNlcg==", "c2VjcmV0"]), user);
        assert_eq!(
            name("CRAM-MD5", &["dXNlciBiOTEzYTYwMmM3ZWRhN2E0OTViNGU2ZTczMzRkMzg5MA=="]),
            user
        );
        assert_eq!(name("XOAUTH2", &["dXNlcj11c2VyAWF1dGg9QmVhcmVyIHgBAQ=="]), user);
        assert_eq!(name("OAUTHBEARER", &["bixhPXVzZXIsAWF1dGg9QmVhcmVyIHgBAQ=="]), user);
        assert_eq!(name("SCRAM-SHA-256", &["biwsbj11c2VyLHI9eHl6"]), user);
        // n,a=boss,n=user,r=xyz
        let other = name("SCRAM-SHA-256", &["bixhPWJvc3Msbj11c2VyLHI9eHl6"]);
        assert_eq!(other, user, "who logs in, not as whom");
    }

    #[test]
    fn a_password_is_never_taken_for_a_name() {
        assert_eq!(name("LOGIN", &["=", "c2VjcmV0"]), None);
        assert_eq!(name("PLAIN", &["c2VjcmV0"]), None);
        assert_eq!(name("PLAIN", &["", "c2VjcmV0"]), None);
        assert_eq!(name("NTLM", &["dXNlcg=="]), None);
        assert_eq!(name("LOGIN", &["no base64!", "c2VjcmV0"]), None);
    }

    #[test]
    fn a_name_that_is_none_is_not_taken() {
        assert_eq!(name("LOGIN", &["YQ0KYg=="]), None, "control characters");
        assert_eq!(name("LOGIN", &["/w=="]), None, "no UTF-8");
        assert_eq!(name("LOGIN", &[&"QUFB".repeat(86)]), None, "258 octets");
    }
}
