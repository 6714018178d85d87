//! Telling the mail server who the client is: XCLIENT and XFORWARD.
//!
//! **Invariant:** whatever a client, a DNS answer or a caller put into a [`Client`], each command is one line of at most
//! [`MAX_COMMAND`] octets, every value is xtext (RFC 3461 §4) of at most [`MAX_VALUE`], and a name that is no name is
//! `[UNAVAILABLE]`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::command::{Helo, xtext};

/// The longest command, CR LF included, octets (RFC 5321 §4.5.3.1.4).
pub const MAX_COMMAND: usize = 512;
/// The longest value as it is sent, octets; Postfix refuses longer ones.
pub const MAX_VALUE: usize = 255;

const UNAVAILABLE: &[u8] = b"[UNAVAILABLE]";

/// The client, as the mail server is to see it.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its address.
    pub ip: IpAddr,
    /// Its port.
    pub port: u16,
    /// The name of its address, where it leads back to the address.
    pub name: Option<Box<str>>,
    /// Who it said it is.
    pub helo: Option<Helo>,
    /// Whether it speaks TLS with us.
    pub tls: bool,
    /// As whom it authenticated.
    pub login: Option<Box<str>>,
}

/// Which of the two commands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verb {
    /// Once a connection; the server then acts as if it saw the client itself.
    XClient,
    /// Before each MAIL; only for the server's log.
    XForward,
}

impl Client {
    /// What stands behind HELO: the name or literal that the client gave, where it is one.
    pub(super) fn helo_name(&self) -> Option<&str> {
        self.helo
            .as_ref()
            .map(|helo| helo.name.as_ref())
            .filter(|name| is_host_name(name) || is_literal(name))
    }

    /// Appends the commands that introduce the client, with the attributes that are `offered`, and says how many they are.
    ///
    /// Where they do not fit in one, the last holds ADDR, since it may end the right to send more, and LOGIN and PROTO,
    /// since Postfix forgets them at the next command; HELO goes first, the EHLO that follows tells it again.
    pub(super) fn introduce(&self, verb: Verb, offered: &[Box<str>], out: &mut Vec<u8>) -> u8 {
        let (word, attributes): (&[u8], [&str; 6]) = match verb {
            Verb::XClient => (b"XCLIENT", ["HELO", "NAME", "PORT", "PROTO", "LOGIN", "ADDR"]),
            Verb::XForward => (b"XFORWARD", ["SOURCE", "HELO", "PROTO", "NAME", "PORT", "ADDR"]),
        };
        let mut pieces = Vec::with_capacity(MAX_COMMAND);
        let mut ends = [0; 7];
        for (attribute, n) in attributes.iter().zip(1..) {
            if offered.iter().any(|word| **word == **attribute) {
                pieces.push(b' ');
                pieces.extend_from_slice(attribute.as_bytes());
                pieces.push(b'=');
                self.value(verb, attribute, &mut pieces);
            }
            ends[n] = pieces.len();
        }
        // Filled from the back: each command takes as many as fit.
        let mut cuts = [0; 7];
        let mut commands = 0;
        let mut until = pieces.len();
        while until > 0 {
            let room = MAX_COMMAND - word.len() - 2;
            // One piece is at most 1 + 6 + 1 + 255 octets, so there is always one that fits.
            let from = ends
                .iter()
                .copied()
                .find(|end| until - end <= room)
                .filter(|from| *from < until)
                .unwrap_or(0);
            cuts[commands] = from;
            commands += 1;
            until = from;
        }
        for n in (0..commands).rev() {
            let until = if n == 0 { pieces.len() } else { cuts[n - 1] };
            out.extend_from_slice(word);
            out.extend_from_slice(pieces.get(cuts[n]..until).unwrap_or_default());
            out.extend_from_slice(b"\r\n");
        }
        commands as u8
    }

    fn value(&self, verb: Verb, attribute: &str, out: &mut Vec<u8>) {
        let extended = self.helo.as_ref().is_some_and(|helo| helo.extended);
        let value: Option<&str> = match attribute {
            "NAME" => self.name.as_deref().filter(|name| is_host_name(name)),
            "HELO" => self.helo_name(),
            "LOGIN" => self
                .login
                .as_deref()
                .filter(|login| !login.is_empty() && !login.contains(char::is_control)),
            "SOURCE" => Some("REMOTE"),
            "PROTO" => Some(match (verb, extended, self.tls, self.login.is_some()) {
                (_, false, _, _) => "SMTP",
                (Verb::XForward, true, true, true) => "ESMTPSA",
                (Verb::XForward, true, true, false) => "ESMTPS",
                (Verb::XForward, true, false, true) => "ESMTPA",
                _ => "ESMTP",
            }),
            "ADDR" => {
                let text = match self.ip.to_canonical() {
                    IpAddr::V4(ip) => ip.to_string(),
                    IpAddr::V6(ip) => format!("IPv6:{ip}"),
                };
                return append(Some(&text), out);
            }
            "PORT" => {
                return append(
                    Some(&self.port.to_string())
                        .filter(|_| self.port != 0)
                        .map(|p| p.as_str()),
                    out,
                );
            }
            _ => None,
        };
        append(value, out);
    }
}

/// Whether a command with these attributes says who the client is.
pub(super) fn tells_address(offered: &[Box<str>]) -> bool {
    offered.iter().any(|word| **word == *"ADDR")
}

/// Appends the value in xtext; `[UNAVAILABLE]` where there is none or it is too long.
fn append(value: Option<&str>, out: &mut Vec<u8>) {
    match value
        .filter(|text| text.len() <= MAX_VALUE)
        .map(xtext)
        .filter(|text| text.len() <= MAX_VALUE)
    {
        Some(text) => out.extend_from_slice(text.as_bytes()),
        None => out.extend_from_slice(UNAVAILABLE),
    }
}

/// Labels of letters, digits, hyphen and underscore, not a mere number, at most 255 octets, no trailing dot.
fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 255 && text.split('.').all(is_label) && !text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
fn is_literal(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) else {
        return false;
    };
    match inner.split_at_checked(5) {
        Some((tag, ip)) if tag.eq_ignore_ascii_case("IPv6:") => ip.parse::<Ipv6Addr>().is_ok(),
        _ => inner.parse::<Ipv4Addr>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        Client {
            ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
            port: 4711,
            name: Some("mail.client.example".into()),
            helo: Some(Helo {
                name: "helo.client.example".into(),
                extended: true,
            }),
            tls: true,
            login: None,
        }
    }

    fn all() -> Vec<Box<str>> {
        ["NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "SOURCE", "DESTADDR"]
            .map(Box::from)
            .to_vec()
    }

    fn lines(client: &Client, verb: Verb, offered: &[Box<str>]) -> Vec<String> {
        let mut out = Vec::new();
        let count = client.introduce(verb, offered, &mut out);
        let text = String::from_utf8(out).expect("ASCII");
        let lines: Vec<String> = text.split_terminator("\r\n").map(str::to_owned).collect();
        assert_eq!(lines.len(), usize::from(count));
        assert!(
            lines
                .iter()
                .all(|line| line.len() + 2 <= MAX_COMMAND && !line.contains(['\r', '\n'])),
            "{lines:?}"
        );
        lines
    }

    #[test]
    fn xclient_tells_everything_in_one_command_with_the_address_last() {
        assert_eq!(
            lines(&client(), Verb::XClient, &all()),
            [
                "XCLIENT HELO=helo.client.example NAME=mail.client.example PORT=4711 PROTO=ESMTP LOGIN=[UNAVAILABLE] ADDR=192.0.2.7"
            ]
        );
    }

    #[test]
    fn xforward_tells_the_protocol_with_its_security() {
        assert_eq!(
            lines(&client(), Verb::XForward, &all()),
            [
                "XFORWARD SOURCE=REMOTE HELO=helo.client.example PROTO=ESMTPS NAME=mail.client.example PORT=4711 ADDR=192.0.2.7"
            ]
        );
    }

    #[test]
    fn only_what_is_offered_is_told() {
        assert_eq!(
            lines(&client(), Verb::XClient, &["ADDR".into()]),
            ["XCLIENT ADDR=192.0.2.7"]
        );
        assert!(lines(&client(), Verb::XClient, &[]).is_empty());
        assert!(lines(&client(), Verb::XClient, &["COLOUR".into()]).is_empty());
    }

    #[test]
    fn an_ipv6_address_is_tagged_and_a_mapped_one_is_ipv4() {
        let told = |ip: &str| {
            lines(
                &Client {
                    ip: ip.parse().expect("address"),
                    ..client()
                },
                Verb::XClient,
                &["ADDR".into()],
            )
        };
        assert_eq!(told("2001:db8::1"), ["XCLIENT ADDR=IPv6:2001:db8::1"]);
        assert_eq!(told("::ffff:192.0.2.1"), ["XCLIENT ADDR=192.0.2.1"]);
    }

    #[test]
    fn names_that_are_none_are_unavailable() {
        let long = "a".repeat(64);
        let longer = "a.".repeat(127) + "aa";
        for bad in [
            "",
            ".",
            "a..b",
            "a.",
            "-a.example",
            "a-.example",
            "a b",
            "a\r\nQUIT",
            "a\0",
            "caf\u{e9}.example",
            "192.0.2.1",
            "[UNAVAILABLE]",
            "a=b",
            "a+b",
            "[1.2.3.4] ADDR=10.0.0.1",
            "[IPv6:zz]",
            "[\u{e9}\u{e9}\u{e9}]",
            &long,
            &longer,
        ] {
            let odd = Client {
                name: Some(bad.into()),
                helo: Some(Helo {
                    name: bad.into(),
                    extended: false,
                }),
                ..client()
            };
            assert_eq!(
                lines(&odd, Verb::XClient, &["NAME".into(), "HELO".into(), "PROTO".into()]),
                ["XCLIENT HELO=[UNAVAILABLE] NAME=[UNAVAILABLE] PROTO=SMTP"],
                "{bad:?}"
            );
        }
    }

    #[test]
    fn literals_and_underscores_stand_as_helo() {
        for good in [
            "[192.0.2.1]",
            "[IPv6:2001:db8::1]",
            "my_pc.example",
            "localhost",
            "x--y.example",
        ] {
            let odd = Client {
                helo: Some(Helo {
                    name: good.into(),
                    extended: true,
                }),
                ..client()
            };
            assert_eq!(odd.helo_name(), Some(good));
        }
    }

    #[test]
    fn a_login_is_xtext_and_never_a_second_attribute() {
        let told = |login: &str| {
            lines(
                &Client {
                    login: Some(login.into()),
                    ..client()
                },
                Verb::XClient,
                &["LOGIN".into()],
            )
        };
        assert_eq!(told("a+b=c d"), ["XCLIENT LOGIN=a+2Bb+3Dc+20d"]);
        assert_eq!(told("jos\u{e9}"), ["XCLIENT LOGIN=jos+C3+A9"]);
        assert_eq!(told("a\r\nb"), ["XCLIENT LOGIN=[UNAVAILABLE]"]);
        assert_eq!(told(&"=".repeat(86)), ["XCLIENT LOGIN=[UNAVAILABLE]"]);
    }

    #[test]
    fn what_does_not_fit_in_one_command_goes_in_several_with_address_login_and_protocol_in_the_last() {
        let name: String = ["a"; 120].join(".") + ".example";
        let big = Client {
            name: Some(name.clone().into()),
            helo: Some(Helo {
                name: name.clone().into(),
                extended: true,
            }),
            login: Some("l".repeat(255).into()),
            ..client()
        };
        let lines = lines(&big, Verb::XClient, &all());
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0].starts_with("XCLIENT HELO=a.a"), "{lines:?}");
        assert!(lines[1].starts_with("XCLIENT NAME=a.a"), "{lines:?}");
        assert!(
            lines[2].contains(" PROTO=ESMTP LOGIN=l") && lines[2].ends_with(" ADDR=192.0.2.7"),
            "{lines:?}"
        );
    }
}
