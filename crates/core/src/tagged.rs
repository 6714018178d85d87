//! The address behind the tags that mail systems put on a sender.
//!
//! BATV (`prvs=tag=ann@`, draft-levine-smtp-batv), Momentum's and Barracuda's kind of it, and SRS (`SRS0=..`, `SRS1=..`)
//! stand for the very same mailbox. VERP (`list-bounce+carl=d.example@`, `bounce-17-4711@`) makes a sender anew for each
//! mail; such a sender has a stem (`list-bounce@`, `bounce@`).
//!
//! **Invariant:** pure, total, and an address comes out of an address. **Absent on purpose:** proof. Anybody can write
//! `SRS0=x=y=b.example=ann@elsewhere.example`: what is taken out of a tag is a claim.

use gatepost_smtp::{Address, Domain};

/// How many tags are taken off one address. Each has five octets or more and a local part 64, so none is left.
const TAGS_MAX: usize = 16;
/// Words by which the sender of bounces is known; what follows them with digits in it is VERP.
const BOUNCES: [&str; 8] = ["bounce", "bounces", "return", "returns", "rts", "errors", "bnc", "verp"];

/// The address behind the tags of BATV and SRS.
pub fn original(address: &Address) -> Address {
    let mut address = address.clone();
    for _ in 0..TAGS_MAX {
        match untagged(address.local(), address.domain()).filter(|behind| *behind != address) {
            Some(behind) => address = behind,
            None => break,
        }
    }
    address
}

fn untagged(local: &str, domain: &Domain) -> Option<Address> {
    if let Some(rest) = after(local, "prvs=") {
        let (first, second) = rest.split_once('=')?;
        if is_batv(first) {
            return address(second, domain);
        }
        // Old systems wrote the tag last.
        let (first, last) = rest.rsplit_once('=')?;
        return is_batv(last).then(|| address(first, domain))?;
    }
    if let Some(rest) = after(local, "msprvs1=") {
        return address(rest.split_once('=')?.1, domain);
    }
    if let Some(rest) = after(local, "btv1==") {
        return address(rest.split_once("==")?.1, domain);
    }
    if let Some(rest) = after(local, "srs0").and_then(separated) {
        return srs0(rest);
    }
    if let Some(rest) = after(local, "srs1").and_then(separated) {
        // hash = first forwarder = separator, and what stood behind SRS0 there.
        let mut parts = rest.splitn(3, '=');
        let (_, _, inner) = (parts.next()?, parts.next()?, parts.next()?);
        return srs0(separated(inner)?);
    }
    None
}

/// What follows a prefix, whatever the case of its letters.
fn after<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn separated(text: &str) -> Option<&str> {
    text.strip_prefix(['=', '+', '-'])
}

/// `hash=tt=domain=local`.
fn srs0(rest: &str) -> Option<Address> {
    let mut parts = rest.splitn(4, '=');
    let (_, _, domain, local) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    address(local, &Domain::parse(domain, true).ok()?)
}

/// A tag of draft-levine-smtp-batv: key number, day, six hexadecimal digits.
fn is_batv(tag: &str) -> bool {
    tag.len() == 10
        && tag
            .bytes()
            .enumerate()
            .all(|(n, b)| b.is_ascii_digit() || (n >= 4 && b.is_ascii_hexdigit()))
}

/// The address of a local part as it is, without the quotes and backslashes that it is written with.
fn address(local: &str, domain: &Domain) -> Option<Address> {
    let written = match local.contains(['"', '\\']) {
        true => format!("\"{}\"@{domain}", local.replace('\\', "\\\\").replace('"', "\\\"")),
        false => format!("{local}@{domain}"),
    };
    Address::parse(&written, true).ok()
}

/// The address that stays the same where VERP made this one for a single mail: what stands before the recipient or the
/// numbers; none where it is no VERP.
pub fn stem(address: &Address) -> Option<Address> {
    let local = address.local();
    let without = recipient_within(local);
    let rest = without.unwrap_or(local);
    let kept = numbers_behind(rest).or(without)?;
    self::address(kept, address.domain())
}

/// `list-bounce` of `list-bounce+carl=d.example`.
fn recipient_within(local: &str) -> Option<&str> {
    let (head, domain) = local.rsplit_once('=')?;
    let is_domain = domain.contains('.') && Domain::parse(domain, true).is_ok();
    let cut = head.rfind(['+', '-']).filter(|cut| is_domain && *cut > 0)?;
    head.get(..cut)
}

/// `news-bounce` of `news-bounce-17-4711`.
fn numbers_behind(local: &str) -> Option<&str> {
    let mut at = 0;
    for word in local.split_inclusive(['-', '+', '_', '.', '=']) {
        let end = at + word.len();
        let bare = word.trim_end_matches(['-', '+', '_', '.', '=']);
        if BOUNCES.iter().any(|bounce| bare.eq_ignore_ascii_case(bounce)) && bare.len() < word.len() {
            let rest = local.get(end..)?;
            let kept = local.get(..at + bare.len())?;
            return rest.bytes().any(|b| b.is_ascii_digit()).then_some(kept);
        }
        at = end;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_come_off_and_stems_are_found() {
        let read = |text: &str| Address::parse(text, true).expect(text);
        let tagged = "SRS0=h=tt=b.example=prvs=1234abcdef=ann@fwd.example";
        assert_eq!(original(&read(tagged)), read("ann@b.example"));
        assert_eq!(original(&read("ann+tag@b.example")), read("ann+tag@b.example"));
        assert_eq!(
            stem(&read("list-bounce+carl=d.example@b.example")),
            Some(read("list-bounce@b.example"))
        );
        assert_eq!(stem(&read("ann@b.example")), None);
    }

    #[test]
    fn quotes_within_a_local_part_are_a_part_of_it() {
        let read = |text: &str| Address::parse(text, true).expect(text);
        let tagged = r#""prvs=1234abcdef=\"ann\""@b.example"#;
        assert_eq!(original(&read(tagged)), read(r#""\"ann\""@b.example"#));
        let verp = r#""\"\"+carl=d.example"@b.example"#;
        assert_eq!(stem(&read(verp)), Some(read(r#""\"\""@b.example"#)));
    }
}
