//! Values into lines for the upstream.

use std::fmt;
use std::io::Write as _;

use super::{BodyType, MailParams, RcptParams, Ret};
use crate::address::{Path, is_unseen};
use crate::offer::Offer;

/// The most octets of ENVID= (RFC 3461 §4.4).
pub(super) const MAX_ENVID: usize = 100;
/// The most octets of ORCPT= (RFC 3461 §4.2) and of AUTH= (RFC 4954 §5).
pub(super) const MAX_XTEXT: usize = 500;

/// Writes `MAIL FROM`, line end included, with those parameters that the upstream offers.
pub fn mail_line(from: &Path, params: &MailParams, offer: &Offer, out: &mut Vec<u8>) {
    put(out, format_args!("MAIL FROM:<{from}>"));
    if let Some(size) = params.size.filter(|_| offer.size.is_some()) {
        put(out, format_args!(" SIZE={size}"));
    }
    if let Some(body) = params.body.filter(|_| offer.eight_bit_mime) {
        let body = match body {
            BodyType::SevenBit => "7BIT",
            BodyType::EightBitMime => "8BITMIME",
        };
        put(out, format_args!(" BODY={body}"));
    }
    if params.smtputf8 && offer.smtputf8 {
        out.extend_from_slice(b" SMTPUTF8");
    }
    if let Some(ret) = params.ret.filter(|_| offer.dsn) {
        let ret = match ret {
            Ret::Full => "FULL",
            Ret::Headers => "HDRS",
        };
        put(out, format_args!(" RET={ret}"));
    }
    if let Some(envid) = params.envid.as_ref().filter(|id| offer.dsn && is_xtext(id, MAX_ENVID)) {
        put(out, format_args!(" ENVID={envid}"));
    }
    if let Some(auth) = params
        .auth
        .as_ref()
        .filter(|auth| !offer.auth.is_empty() && is_xtext(auth, MAX_XTEXT))
    {
        put(out, format_args!(" AUTH={auth}"));
    }
    if params.prdr && offer.prdr {
        out.extend_from_slice(b" PRDR");
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes `RCPT TO`, line end included, with those parameters that the upstream offers.
pub fn rcpt_line(to: &Path, params: &RcptParams, offer: &Offer, out: &mut Vec<u8>) {
    put(out, format_args!("RCPT TO:<{to}>"));
    if let Some(notify) = params.notify.filter(|_| offer.dsn) {
        let mut words = [
            (notify.success, "SUCCESS"),
            (notify.failure, "FAILURE"),
            (notify.delay, "DELAY"),
        ]
        .into_iter()
        .filter_map(|(set, word)| set.then_some(word));
        put(out, format_args!(" NOTIFY={}", words.next().unwrap_or("NEVER")));
        words.for_each(|word| put(out, format_args!(",{word}")));
    }
    if let Some(orcpt) = params
        .orcpt
        .as_ref()
        .filter(|orcpt| offer.dsn && is_orcpt(orcpt, offer.smtputf8))
    {
        put(out, format_args!(" ORCPT={orcpt}"));
    }
    out.extend_from_slice(b"\r\n");
}

/// Encodes any text as xtext (RFC 3461 §4): printable, without space, `+` and `=`. For XCLIENT, XFORWARD and AUTH=.
pub fn xtext(text: &str) -> String {
    let hex = |nibble: u8| char::from(b"0123456789ABCDEF"[usize::from(nibble & 15)]);
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'!'..=b'~' if !matches!(byte, b'+' | b'=') => encoded.push(char::from(byte)),
            _ => encoded.extend(['+', hex(byte >> 4), hex(byte)]),
        }
    }
    encoded
}

/// Writing into a Vec cannot fail.
fn put(out: &mut Vec<u8>, what: fmt::Arguments<'_>) {
    let _ = out.write_fmt(what);
}

/// Whether it is xtext (RFC 3461 §4) of at least one octet that stands for printable ASCII only.
pub(super) fn is_xtext(text: &str, max: usize) -> bool {
    let hex = |b: Option<u8>| match b? {
        d @ b'0'..=b'9' => Some(d - b'0'),
        d @ b'A'..=b'F' => Some(d - b'A' + 10),
        _ => None,
    };
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let legal = match byte {
            b'=' => false,
            b'+' => match (hex(bytes.next()), hex(bytes.next())) {
                (Some(high), Some(low)) => matches!(high * 16 + low, b' '..=b'~'),
                _ => false,
            },
            other => matches!(other, b'!'..=b'~'),
        };
        if !legal {
            return false;
        }
    }
    (1..=max).contains(&text.len())
}

/// Whether it is `type;xtext` (RFC 3461 §4.2), or with `utf8` `utf-8;text` (RFC 6533 §3).
pub(super) fn is_orcpt(text: &str, utf8: bool) -> bool {
    let Some((kind, address)) = text.split_once(';') else {
        return false;
    };
    let atom = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*-/?^_`{|}~.".contains(&b);
    let plain = |c: char| !matches!(c, '+' | '=') && !is_unseen(c);
    !kind.is_empty()
        && kind.bytes().all(atom)
        && text.len() <= MAX_XTEXT
        && (is_xtext(address, MAX_XTEXT)
            || (utf8 && kind.eq_ignore_ascii_case("utf-8") && !address.is_empty() && address.chars().all(plain)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Notify;

    fn offer() -> Offer {
        Offer::parse(["SIZE 1000", "8BITMIME", "SMTPUTF8", "DSN", "AUTH PLAIN", "PRDR"])
    }

    fn mail(params: &MailParams, offer: &Offer) -> String {
        let mut out = Vec::new();
        mail_line(&Path::reverse("a@b", false).expect("legal"), params, offer, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    fn rcpt(params: &RcptParams, offer: &Offer) -> String {
        let mut out = Vec::new();
        rcpt_line(&Path::Postmaster, params, offer, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn the_upstream_gets_only_the_parameters_it_offers() {
        let params = MailParams {
            size: Some(5),
            body: Some(BodyType::SevenBit),
            smtputf8: true,
            ret: Some(Ret::Full),
            envid: Some("x".into()),
            auth: Some("<>".into()),
            prdr: true,
        };
        assert_eq!(mail(&params, &Offer::default()), "MAIL FROM:<a@b>\r\n");
        let all = "MAIL FROM:<a@b> SIZE=5 BODY=7BIT SMTPUTF8 RET=FULL ENVID=x AUTH=<> PRDR\r\n";
        assert_eq!(mail(&params, &offer()), all);
        let notify = Some(Notify {
            success: false,
            failure: true,
            delay: true,
        });
        let params = RcptParams {
            notify,
            orcpt: Some("rfc822;c@d".into()),
        };
        assert_eq!(rcpt(&params, &Offer::default()), "RCPT TO:<postmaster>\r\n");
        assert_eq!(
            rcpt(&params, &offer()),
            "RCPT TO:<postmaster> NOTIFY=FAILURE,DELAY ORCPT=rfc822;c@d\r\n"
        );
        let never = RcptParams {
            notify: Some(Notify::default()),
            orcpt: None,
        };
        assert_eq!(rcpt(&never, &offer()), "RCPT TO:<postmaster> NOTIFY=NEVER\r\n");
    }

    #[test]
    fn values_that_were_made_elsewhere_cannot_smuggle_a_line() {
        let params = MailParams {
            envid: Some("x\r\nRCPT TO:<e@f>".into()),
            auth: Some("\n".into()),
            ..MailParams::default()
        };
        assert_eq!(mail(&params, &offer()), "MAIL FROM:<a@b>\r\n");
        let params = RcptParams {
            notify: None,
            orcpt: Some("rfc822;a\r\n".into()),
        };
        assert_eq!(rcpt(&params, &offer()), "RCPT TO:<postmaster>\r\n");
    }

    #[test]
    fn xtext_is_printable_and_has_no_space_plus_or_equals() {
        assert_eq!(xtext("a b+c=d\r\nä~!"), "a+20b+2Bc+3Dd+0D+0A+C3+A4~!");
    }
}
