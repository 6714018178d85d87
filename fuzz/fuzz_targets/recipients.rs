//! A domain's list finds the recipients that its slow definition finds, however they are written, and nobody else.
//!
//! The input: the list, one entry a line; then, behind 0xFF, what a stranger writes behind RCPT TO.
#![no_main]

use gatepost_core::{Address, Domain, Path};
use gatepost_pipeline::recipients::{Known, List, Lists};

const DOMAIN: &str = "d.example";

/// The definition: mailboxes in lower case, without quotes.
fn slow(list: &[String], to: &Address) -> Option<Known> {
    let Domain::Name(domain) = to.domain() else {
        return None;
    };
    if !domain.eq_ignore_ascii_case(DOMAIN) {
        return None;
    }
    let local = to.local().to_lowercase();
    let mut meant = vec![local.clone()];
    if local.starts_with("prvs=") {
        let parts: Vec<&str> = local.splitn(3, '=').collect();
        if let [_, tag, name] = parts[..] {
            let plain = tag.chars().all(|c| c.is_ascii_alphanumeric());
            if plain && !tag.is_empty() && tag.len() <= 20 && !name.is_empty() {
                meant.push(name.to_owned());
            }
        }
    }
    let without_tag = |name: &String| name.chars().take_while(|c| *c != '+').collect::<String>();
    let cut: Vec<String> = meant
        .iter()
        .filter(|name| name.contains('+'))
        .map(without_tag)
        .collect();
    meant.extend(cut.into_iter().filter(|name| !name.is_empty()));
    if meant
        .iter()
        .any(|name| list.contains(name) || name == "postmaster" || name == "abuse")
    {
        return Some(Known::Yes);
    }
    let mut letters = local.chars();
    let srs = letters.by_ref().take(3).eq("srs".chars()) && matches!(letters.next(), Some('0' | '1'));
    match srs && matches!(letters.next(), Some('=' | '+' | '-')) && letters.next().is_some() {
        true => None,
        false => Some(Known::No),
    }
}

/// The mailbox that a line of the list means.
fn mailbox(line: &str) -> Option<String> {
    if line == "*" || line.starts_with('@') || line.starts_with("*@") {
        return None;
    }
    let whole = Address::parse(line, true)
        .or_else(|_| Address::parse(&format!("{line}@{DOMAIN}"), true))
        .ok()?;
    let ours = matches!(whole.domain(), Domain::Name(name) if name.eq_ignore_ascii_case(DOMAIN));
    ours.then(|| whole.local().to_lowercase())
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let cut = data.iter().position(|octet| *octet == 0xFF).unwrap_or(data.len());
    let list = String::from_utf8_lossy(&data[..cut]);
    let mut entries = Vec::new();
    let mut meant = Vec::new();
    for line in list.lines() {
        let entry = List::entry(DOMAIN, line).ok();
        assert_eq!(entry.as_deref(), mailbox(line).as_deref(), "{line:?}");
        meant.extend(entry.as_deref().map(str::to_owned));
        entries.extend(entry);
    }
    let mut lists = Lists::default();
    lists.insert("D.Example", List::new(entries));
    for name in &meant {
        let (escaped, domain) = (name.replace('\\', "\\\\").replace('"', "\\\""), "D.EXAMPLE");
        if let Ok(to) = Address::parse(&format!("\"{escaped}\"@{domain}"), true) {
            assert_eq!(lists.known(&to), Some(Known::Yes), "{to}");
        }
    }
    let said = String::from_utf8_lossy(data.get(cut + 1..).unwrap_or_default());
    for text in [said.to_string(), format!("{said}@{DOMAIN}")] {
        if let Ok(Path::Mailbox(to)) = Path::forward(&text, true) {
            assert_eq!(lists.known(&to), slow(&meant, &to), "{to}");
        }
    }
});
