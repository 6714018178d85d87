//! One line of a client into a [`Command`].

use super::write::{MAX_ENVID, MAX_XTEXT, is_orcpt, is_xtext};
use super::{BadCommand, BodyType, Command, Etrn, Helo, MailParams, Notify, RcptParams, Ret};
use crate::address::{Domain, Path, is_unseen};
use crate::offer::Offer;

/// The most octets of an argument of HELO or EHLO: a domain's (RFC 5321 §4.5.3.1.2).
const MAX_HELO: usize = 255;
/// The most digits of SIZE= (RFC 1870 §4).
const MAX_SIZE_DIGITS: usize = 20;
/// The longest verb that is known.
const MAX_VERB: usize = 8;

impl Command {
    /// Reads one line without its end. Parameters are understood as far as `offer` says that the client was offered
    /// them, so after HELO it is `Offer::default()`. Whether an address beyond ASCII in RCPT was announced by MAIL is
    /// for the session to say ([`Address::needs_utf8`](crate::Address::needs_utf8)).
    pub fn parse(line: &[u8], offer: &Offer) -> Result<Command, BadCommand> {
        if line.iter().any(u8::is_ascii_control) {
            return Err(BadCommand::Control);
        }
        let line = line.trim_ascii_end();
        let end = line.iter().position(|b| *b == b' ').unwrap_or(line.len());
        let (verb, rest) = line.split_at_checked(end).unwrap_or((line, b""));
        let mut upper = [0; MAX_VERB];
        let Some(upper) = upper.get_mut(..verb.len()) else {
            return Err(no_command(verb, rest));
        };
        upper.copy_from_slice(verb);
        upper.make_ascii_uppercase();
        let argument = || {
            str::from_utf8(rest)
                .map(|text| text.trim_start_matches(' '))
                .map_err(|_| BadCommand::Syntax)
        };
        let alone = |command| {
            if rest.is_empty() {
                Ok(command)
            } else {
                Err(BadCommand::Syntax)
            }
        };
        match &*upper {
            b"EHLO" => helo(argument()?, true),
            b"HELO" => helo(argument()?, false),
            b"MAIL" => mail(argument()?, offer),
            b"RCPT" => rcpt(argument()?, offer),
            b"DATA" => alone(Command::Data),
            b"RSET" => alone(Command::Rset),
            b"QUIT" => alone(Command::Quit),
            b"STARTTLS" => alone(Command::StartTls),
            b"NOOP" => Ok(Command::Noop),
            b"VRFY" => Ok(Command::Vrfy),
            b"EXPN" => Ok(Command::Expn),
            b"HELP" => Ok(Command::Help),
            b"AUTH" => auth(argument()?),
            b"ETRN" if offer.etrn => etrn(argument()?),
            b"BDAT" | b"ETRN" | b"TURN" | b"ATRN" | b"BURL" | b"SEND" | b"SOML" | b"SAML" | b"XCLIENT"
            | b"XFORWARD" | b"XEXCH50" => Ok(Command::NotOffered),
            _ => Err(no_command(verb, rest)),
        }
    }
}

/// What kind of nonsense a line without a verb of SMTP is.
fn no_command(verb: &[u8], rest: &[u8]) -> BadCommand {
    const HTTP: [&[u8]; 8] = [
        b"GET", b"POST", b"CONNECT", b"HEAD", b"PUT", b"OPTIONS", b"DELETE", b"PRI",
    ];
    let http = HTTP.contains(&verb) && rest.windows(5).any(|w| w == b"HTTP/");
    // `Subject: x`: somebody's message, or the rest of an HTTP request.
    let name = verb.split(|b| *b == b':').next().unwrap_or_default();
    let header = name.len() < verb.len()
        && name.first().is_some_and(u8::is_ascii_alphabetic)
        && name
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if http || header {
        BadCommand::Foreign
    } else {
        BadCommand::Unknown
    }
}

fn helo(name: &str, extended: bool) -> Result<Command, BadCommand> {
    if name.is_empty() || name.len() > MAX_HELO || name.chars().any(is_unseen) {
        return Err(BadCommand::Syntax);
    }
    Ok(Command::Helo(Helo {
        name: name.into(),
        extended,
    }))
}

/// RFC 1985 §5.1: a domain; one with those below it behind `@`; the name of a queue behind `#`.
fn etrn(argument: &str) -> Result<Command, BadCommand> {
    let name = |text| match Domain::parse(text, false) {
        Ok(Domain::Name(name)) => Ok(name.to_ascii_lowercase().into()),
        _ => Err(BadCommand::Syntax),
    };
    let queue = |text: &str| (1..=MAX_HELO).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    Ok(Command::Etrn(match argument.split_at_checked(1) {
        Some(("@", domain)) => Etrn::Below(name(domain)?),
        Some(("#", text)) if queue(text) => Etrn::Queue(text.into()),
        _ => Etrn::Domain(name(argument)?),
    }))
}

fn auth(argument: &str) -> Result<Command, BadCommand> {
    let mut words = argument.split_ascii_whitespace();
    let mechanism = words.next().ok_or(BadCommand::Syntax)?;
    let legal = mechanism.len() <= Offer::MAX_WORD
        && mechanism
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let initial = words.next();
    let base64 = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
    };
    if !legal || !initial.is_none_or(base64) || words.next().is_some() {
        return Err(BadCommand::Syntax);
    }
    Ok(Command::Auth(
        mechanism.to_ascii_uppercase().into(),
        initial.map(Into::into),
    ))
}

fn mail(argument: &str, offer: &Offer) -> Result<Command, BadCommand> {
    let (path, rest) = path(argument, "FROM:")?;
    let from = Path::reverse(path, offer.smtputf8)?;
    let mut params = MailParams::default();
    for (keyword, value) in parameters(rest) {
        let size = || {
            let digits = value.filter(|v| (1..=MAX_SIZE_DIGITS).contains(&v.len()))?;
            // 20 digits may be more than u64 holds; then the message is too large for anybody.
            digits
                .bytes()
                .all(|b| b.is_ascii_digit())
                .then(|| digits.parse().unwrap_or(u64::MAX))
        };
        if keyword.eq_ignore_ascii_case("SIZE") && offer.size.is_some() {
            set(&mut params.size, size())?;
        } else if keyword.eq_ignore_ascii_case("BODY") && offer.eight_bit_mime {
            let body = match value.ok_or(BadCommand::ParameterValue)? {
                v if v.eq_ignore_ascii_case("7BIT") => Some(BodyType::SevenBit),
                v if v.eq_ignore_ascii_case("8BITMIME") => Some(BodyType::EightBitMime),
                // A value of another extension, which is not offered (RFC 3030).
                v if v.eq_ignore_ascii_case("BINARYMIME") => return Err(BadCommand::Parameter),
                _ => None,
            };
            set(&mut params.body, body)?;
        } else if keyword.eq_ignore_ascii_case("SMTPUTF8") && offer.smtputf8 {
            flag(&mut params.smtputf8, value)?;
        } else if keyword.eq_ignore_ascii_case("RET") && offer.dsn {
            let ret = match value {
                Some(v) if v.eq_ignore_ascii_case("FULL") => Some(Ret::Full),
                Some(v) if v.eq_ignore_ascii_case("HDRS") => Some(Ret::Headers),
                _ => None,
            };
            set(&mut params.ret, ret)?;
        } else if keyword.eq_ignore_ascii_case("ENVID") && offer.dsn {
            set(
                &mut params.envid,
                value.filter(|v| is_xtext(v, MAX_ENVID)).map(Into::into),
            )?;
        } else if keyword.eq_ignore_ascii_case("AUTH") && !offer.auth.is_empty() {
            set(
                &mut params.auth,
                value.filter(|v| is_xtext(v, MAX_XTEXT)).map(Into::into),
            )?;
        } else if keyword.eq_ignore_ascii_case("PRDR") && offer.prdr {
            flag(&mut params.prdr, value)?;
        } else {
            return Err(BadCommand::Parameter);
        }
    }
    if !params.smtputf8 && from.mailbox().is_some_and(|address| address.needs_utf8()) {
        return Err(BadCommand::NotAscii);
    }
    Ok(Command::Mail(from, params))
}

fn rcpt(argument: &str, offer: &Offer) -> Result<Command, BadCommand> {
    let (path, rest) = path(argument, "TO:")?;
    let to = Path::forward(path, offer.smtputf8)?;
    let mut params = RcptParams::default();
    for (keyword, value) in parameters(rest) {
        if keyword.eq_ignore_ascii_case("NOTIFY") && offer.dsn {
            set(&mut params.notify, value.and_then(notify))?;
        } else if keyword.eq_ignore_ascii_case("ORCPT") && offer.dsn {
            set(
                &mut params.orcpt,
                value.filter(|v| is_orcpt(v, offer.smtputf8)).map(Into::into),
            )?;
        } else {
            return Err(BadCommand::Parameter);
        }
    }
    Ok(Command::Rcpt(to, params))
}

/// Splits `FROM:<path> parameters` into what stands in the brackets and what follows them.
fn path<'a>(argument: &'a str, keyword: &str) -> Result<(&'a str, &'a str), BadCommand> {
    let (word, rest) = argument.split_at_checked(keyword.len()).ok_or(BadCommand::Syntax)?;
    if !word.eq_ignore_ascii_case(keyword) {
        return Err(BadCommand::Syntax);
    }
    // Real mailers write a space behind the colon, and some no brackets.
    let rest = rest.trim_start_matches(' ');
    let (inner, bracketed) = rest.strip_prefix('<').map_or((rest, false), |inner| (inner, true));
    let (mut quoted, mut escaped) = (false, false);
    let end = inner.bytes().position(|b| {
        let ends = !quoted && b == if bracketed { b'>' } else { b' ' };
        quoted ^= b == b'"' && !escaped;
        escaped = quoted && b == b'\\' && !escaped;
        ends
    });
    match (end.and_then(|end| inner.split_at_checked(end)), bracketed) {
        (Some((path, rest)), true) => {
            let rest = rest.strip_prefix('>').unwrap_or(rest);
            if rest.is_empty() || rest.starts_with(' ') {
                Ok((path, rest))
            } else {
                Err(BadCommand::Syntax)
            }
        }
        (None, true) => Err(BadCommand::Syntax),
        (split, false) => match split.unwrap_or((inner, "")) {
            // Without brackets nothing is <>, and no source route.
            (path, _) if path.is_empty() || path.starts_with('@') => Err(BadCommand::Syntax),
            whole => Ok(whole),
        },
    }
}

fn parameters(rest: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    rest.split(' ')
        .filter(|word| !word.is_empty())
        .map(|word| match word.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (word, None),
        })
}

/// Sets what is not set yet; a bad value is `None`.
fn set<T>(slot: &mut Option<T>, value: Option<T>) -> Result<(), BadCommand> {
    match (&slot, value) {
        (None, Some(value)) => {
            *slot = Some(value);
            Ok(())
        }
        _ => Err(BadCommand::ParameterValue),
    }
}

fn flag(slot: &mut bool, value: Option<&str>) -> Result<(), BadCommand> {
    if *slot || value.is_some() {
        return Err(BadCommand::ParameterValue);
    }
    *slot = true;
    Ok(())
}

fn notify(value: &str) -> Option<Notify> {
    let mut notify = Notify::default();
    if value.eq_ignore_ascii_case("NEVER") {
        return Some(notify);
    }
    for word in value.split(',') {
        let slot = match word {
            w if w.eq_ignore_ascii_case("SUCCESS") => &mut notify.success,
            w if w.eq_ignore_ascii_case("FAILURE") => &mut notify.failure,
            w if w.eq_ignore_ascii_case("DELAY") => &mut notify.delay,
            _ => return None,
        };
        if std::mem::replace(slot, true) {
            return None;
        }
    }
    Some(notify)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;

    fn offer() -> Offer {
        Offer::parse(["SIZE 1000", "8BITMIME", "SMTPUTF8", "DSN", "AUTH PLAIN", "PRDR"])
    }

    fn parse(line: &str) -> Result<Command, BadCommand> {
        Command::parse(line.as_bytes(), &offer())
    }

    fn bad(line: &str) -> BadCommand {
        parse(line).expect_err(line)
    }

    fn mailbox(text: &str) -> Path {
        Path::Mailbox(Address::parse(text, true).expect("legal"))
    }

    fn mail(line: &str) -> (Path, MailParams) {
        match parse(line) {
            Ok(Command::Mail(from, params)) => (from, params),
            other => panic!("{line}: {other:?}"),
        }
    }

    fn rcpt(line: &str) -> (Path, RcptParams) {
        match parse(line) {
            Ok(Command::Rcpt(to, params)) => (to, params),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn a_verb_is_known_in_any_letter_case() {
        for (line, command) in [
            ("data", Command::Data),
            ("RSET  ", Command::Rset),
            ("Quit", Command::Quit),
            ("noop whatever", Command::Noop),
            ("HELP me", Command::Help),
            ("VRFY root", Command::Vrfy),
            ("expn list", Command::Expn),
            ("StartTls", Command::StartTls),
            ("BDAT 10 LAST", Command::NotOffered),
            ("XCLIENT ADDR=192.0.2.1", Command::NotOffered),
        ] {
            assert_eq!(parse(line), Ok(command), "{line}");
        }
    }

    #[test]
    fn whose_mail_is_asked_for_is_a_domain_or_more_where_etrn_is_offered() {
        let with = Offer::parse(["ETRN"]);
        let read = |line: &str| Command::parse(line.as_bytes(), &with);
        for (line, whose) in [
            ("ETRN Example.ORG", Etrn::Domain("example.org".into())),
            ("etrn @example.org", Etrn::Below("example.org".into())),
            ("ETRN #uucp", Etrn::Queue("uucp".into())),
        ] {
            assert_eq!(read(line), Ok(Command::Etrn(whose)), "{line}");
        }
        for line in [
            "ETRN",
            "ETRN @",
            "ETRN #",
            "ETRN a b",
            "ETRN [192.0.2.1]",
            "ETRN a@b.example",
            "ETRN ##\u{e4}",
        ] {
            assert_eq!(read(line), Err(BadCommand::Syntax), "{line}");
        }
        assert_eq!(parse("ETRN example.org"), Ok(Command::NotOffered));
    }

    #[test]
    fn arguments_where_none_belong_are_refused() {
        for line in ["DATA x", "RSET 1", "QUIT now", "STARTTLS please"] {
            assert_eq!(bad(line), BadCommand::Syntax, "{line}");
        }
    }

    #[test]
    fn helo_has_one_printable_argument() {
        let helo = |name: &str, extended| {
            Ok(Command::Helo(Helo {
                name: name.into(),
                extended,
            }))
        };
        assert_eq!(parse("EHLO mail.example"), helo("mail.example", true));
        assert_eq!(parse("helo [192.0.2.1]"), helo("[192.0.2.1]", false));
        assert_eq!(parse("EHLO bücher.example"), helo("bücher.example", true));
        for line in ["EHLO", "EHLO  ", "HELO a b", "EHLO a\u{a0}b", "EHLO a\u{202e}b"] {
            assert_eq!(bad(line), BadCommand::Syntax, "{line}");
        }
        assert_eq!(bad(&format!("EHLO {}", "a".repeat(256))), BadCommand::Syntax);
        assert_eq!(Command::parse(b"EHLO \xff", &offer()), Err(BadCommand::Syntax));
        assert_eq!(bad("EHLO a\rb"), BadCommand::Control);
    }

    #[test]
    fn a_path_stands_in_brackets_but_real_mailers_are_read_too() {
        for line in [
            "MAIL FROM:<a@b>",
            "mail from: <a@b>",
            "MAIL   FROM:a@b",
            "MAIL FROM: a@b",
            "MAIL FROM:<@x,@y:a@b>",
        ] {
            assert_eq!(mail(line).0, mailbox("a@b"), "{line}");
        }
        assert_eq!(mail("MAIL FROM:<>").0, Path::Null);
        assert_eq!(mail(r#"MAIL FROM:<"a> b\">"@c> SIZE=1"#).0, mailbox(r#""a> b\">"@c"#));
        assert_eq!(rcpt("RCPT TO:<POSTMASTER>").0, Path::Postmaster);
        assert_eq!(rcpt("RCPT TO:<User@x>").0.to_string(), "User@x");
        for line in [
            "MAIL",
            "MAIL FROM",
            "MAIL FROM:",
            "MAIL FROM: ",
            "MAIL FROM :<a@b>",
            "MAIL TO:<a@b>",
            "MAIL FROM:<a@b",
            "MAIL FROM:<a@b>SIZE=1",
            "MAIL FROM:@x:a@b",
            "RCPT FROM:<a@b>",
            "RCPT TO:<\"a@b>",
        ] {
            assert_eq!(bad(line), BadCommand::Syntax, "{line}");
        }
        for line in [
            "MAIL FROM:<a>",
            "RCPT TO:<>",
            "MAIL FROM:a@b>",
            "MAIL FROM:<<a@b>>",
            "MAIL FROM:< a@b >",
            "MAIL FROM:<postmaster>",
        ] {
            assert!(matches!(bad(line), BadCommand::Address | BadCommand::Syntax), "{line}");
        }
    }

    #[test]
    fn a_control_character_is_refused_before_anything_is_read() {
        for line in ["RCPT TO:<\"a\rQUIT\"@c>", "MAIL FROM:<a\0b@c>", "NOOP\t", "QUIT\n"] {
            assert_eq!(bad(line), BadCommand::Control, "{line:?}");
        }
        assert_eq!(bad("MAIL FROM:<a\u{85}@c> SMTPUTF8"), BadCommand::Control);
    }

    #[test]
    fn parameters_of_what_is_offered_are_understood() {
        let (_, params) = mail("MAIL FROM:<a@b> size=1000 Body=8bitmime SMTPUTF8 RET=hdrs ENVID=QQ+2B1 AUTH=<> PRDR");
        assert_eq!(
            params,
            MailParams {
                size: Some(1000),
                body: Some(BodyType::EightBitMime),
                smtputf8: true,
                ret: Some(Ret::Headers),
                envid: Some("QQ+2B1".into()),
                auth: Some("<>".into()),
                prdr: true,
            }
        );
        let (_, params) = rcpt("RCPT TO:<a@b> NOTIFY=success,DELAY ORCPT=rfc822;a+2Bc@b");
        assert_eq!(
            params.notify,
            Some(Notify {
                success: true,
                failure: false,
                delay: true
            })
        );
        assert_eq!(params.orcpt.as_deref(), Some("rfc822;a+2Bc@b"));
        assert_eq!(rcpt("RCPT TO:<a@b> NOTIFY=NEVER").1.notify, Some(Notify::default()));
        assert_eq!(mail("MAIL FROM:<a@b> SIZE=99999999999999999999").1.size, Some(u64::MAX));
    }

    #[test]
    fn what_is_not_offered_is_no_parameter() {
        for line in [
            "MAIL FROM:<a@b> HOLDFOR=3600",
            "MAIL FROM:<a@b> BODY=BINARYMIME",
            "MAIL FROM:<a@b> x",
            "MAIL FROM:<a@b> =",
            "MAIL FROM:<a@b> NOTIFY=NEVER",
            "RCPT TO:<a@b> SIZE=1",
            "RCPT TO:<a@b> RET=FULL",
            "MAIL FROM:<a@b> REQUIRETLS",
        ] {
            assert_eq!(bad(line), BadCommand::Parameter, "{line}");
        }
        for line in [
            "SIZE=1",
            "BODY=7BIT",
            "SMTPUTF8",
            "RET=FULL",
            "ENVID=x",
            "AUTH=<>",
            "PRDR",
        ] {
            let line = format!("MAIL FROM:<a@b> {line}");
            assert_eq!(
                Command::parse(line.as_bytes(), &Offer::default()),
                Err(BadCommand::Parameter),
                "{line}"
            );
        }
    }

    #[test]
    fn a_bad_or_repeated_value_is_refused() {
        for line in [
            "SIZE",
            "SIZE=",
            "SIZE=-1",
            "SIZE=100000000000000000000",
            "SIZE=1 SIZE=1",
            "BODY",
            "BODY=9BIT",
            "SMTPUTF8=1",
            "SMTPUTF8 SMTPUTF8",
            "RET=",
            "RET=ALL",
            "ENVID=",
            "ENVID=a=b",
            "ENVID=a+0D+0Ab",
            "ENVID=+2b",
            "ENVID=a+",
            "AUTH",
            "PRDR=1",
        ] {
            assert_eq!(
                bad(&format!("MAIL FROM:<a@b> {line}")),
                BadCommand::ParameterValue,
                "{line}"
            );
        }
        assert_eq!(
            bad(&format!("MAIL FROM:<a@b> ENVID={}", "x".repeat(101))),
            BadCommand::ParameterValue
        );
        for line in [
            "NOTIFY=",
            "NOTIFY=NEVER,DELAY",
            "NOTIFY=DELAY,DELAY",
            "NOTIFY=SOMETIMES",
            "ORCPT=a@b",
            "ORCPT=;a",
            "ORCPT=rfc822;",
            "ORCPT=rfc822;ä@b",
            "ORCPT=rfc822;a ORCPT=rfc822;a",
        ] {
            assert_eq!(
                bad(&format!("RCPT TO:<a@b> {line}")),
                BadCommand::ParameterValue,
                "{line}"
            );
        }
        assert!(parse("RCPT TO:<ä@b> ORCPT=utf-8;ä@b").is_ok());
    }

    #[test]
    fn an_address_beyond_ascii_needs_smtputf8() {
        assert_eq!(mail("MAIL FROM:<ä@b> SMTPUTF8").0, mailbox("ä@b"));
        assert_eq!(bad("MAIL FROM:<ä@b>"), BadCommand::NotAscii);
        assert_eq!(
            Command::parse("RCPT TO:<ä@b>".as_bytes(), &Offer::default()),
            Err(BadCommand::NotAscii)
        );
        assert_eq!(Command::parse(b"RCPT TO:<\xe4@b>", &offer()), Err(BadCommand::Syntax));
    }

    #[test]
    fn other_protocols_are_told_from_typing_errors() {
        for line in [
            "GET / HTTP/1.1",
            "CONNECT mx.example:25 HTTP/1.0",
            "POST /x HTTP/1.1",
            "Subject: hello",
            "Received: from x",
            "From:a@b",
            "Host: mx.example",
            "User-Agent: x",
        ] {
            assert_eq!(bad(line), BadCommand::Foreign, "{line}");
        }
        for line in [
            "",
            " MAIL FROM:<a@b>",
            "GET",
            "HELLO x",
            ":",
            "FOO",
            "EHLOmail",
            "<a@b>",
        ] {
            assert_eq!(bad(line), BadCommand::Unknown, "{line}");
        }
    }

    #[test]
    fn auth_keeps_its_secret_out_of_debug_output() {
        assert_eq!(
            parse("auth plain AGEAYg=="),
            Ok(Command::Auth("PLAIN".into(), Some("AGEAYg==".into())))
        );
        assert_eq!(parse("AUTH LOGIN"), Ok(Command::Auth("LOGIN".into(), None)));
        assert_eq!(
            format!("{:?}", parse("AUTH PLAIN AGEAYg==")),
            r#"Ok(Auth("PLAIN", Some("...")))"#
        );
        for line in [
            "AUTH",
            "AUTH PLAIN a b",
            "AUTH PLAIN a*b",
            "AUTH ABCDEFGHIJKLMNOPQRSTU",
            "AUTH PL;IN",
        ] {
            assert_eq!(bad(line), BadCommand::Syntax, "{line}");
        }
    }
}
