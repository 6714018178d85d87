//! What strangers write into senders is read as one address, once and for all: tags come off and are put on again, lists
//! and the greylist know a sender by names that stay as they are, and an entry of a list reads as itself.
#![no_main]

use gatepost_core::{Address, Author, Path, tagged};
use gatepost_greylist::sender::folded;
use gatepost_whitelist::entry::{Pattern, TEXT_MAX};
use gatepost_whitelist::sender::{Name, Who};

fn read(text: &str) -> Option<Address> {
    Address::parse(text, true).ok()
}

/// A tag that somebody puts on a sender, where the address has room for it.
fn tagged_with(tag: &str, address: &Address, domain: Option<&str>) -> Option<Address> {
    let written = address.to_string();
    let (local, own) = written.rsplit_once('@')?;
    // In quotes it is another kind of word.
    read(&format!("{tag}{local}@{}", domain.unwrap_or(own))).filter(|_| !local.starts_with('"'))
}

fn tags_come_off(address: &Address) {
    let original = tagged::original(address);
    assert_eq!(tagged::original(&original), original, "a tag is left");
    assert_eq!(read(&original.to_string()).as_ref(), Some(&original));
    assert!(original.local().len() <= address.local().len());
    let domain = original.domain();
    let forward = format!("SRS0=h4sh=tt={domain}=");
    for (tag, at) in [
        ("prvs=1234abcdef=", None),
        ("PRVS=0123456789=", None),
        ("msprvs1=17000xyz=", None),
        ("btv1==0123456789a==", None),
        (forward.as_str(), Some("fwd.example")),
        (
            &*format!("SRS1=h4sh=first.example==h4sh=tt={domain}="),
            Some("fwd.example"),
        ),
    ] {
        if let Some(tagged) = tagged_with(tag, &original, at) {
            assert_eq!(tagged::original(&tagged), original, "{tagged}");
        }
    }
    if let Some(stem) = tagged::stem(address) {
        assert!(!stem.local().is_empty() && stem.local().len() < address.local().len());
        assert!(address.local().starts_with(stem.local()), "{address} and {stem}");
        assert_eq!(stem.domain(), address.domain());
    }
}

fn names_stay(address: &Address) {
    let once = folded(&Path::Mailbox(address.clone()));
    if let Some(again) = read(&once) {
        assert_eq!(folded(&Path::Mailbox(again)), once);
    }
    let name = Name::of(address);
    assert_eq!(Name::of(&tagged::original(address)), name);
    for text in name.iter().flat_map(|name| &name.addresses) {
        assert!(
            text.len() <= TEXT_MAX && !text.chars().any(char::is_control),
            "{text:?}"
        );
        // What has grown past the limits in its form is no address any more.
        if let Some(again) = read(text).filter(|address| tagged::original(address) == *address) {
            let again = Name::of(&again).expect("a name has a name");
            assert_eq!(again.addresses.first(), Some(text));
        }
    }
    for (labels, parent) in name.iter().flat_map(Name::parents) {
        assert_eq!(parent.split('.').count(), labels);
    }
    // Nobody is anybody else on the strength of his own word.
    if let Some(who) = Who::of(address) {
        let own = Name::of(&tagged::original(address)).is_some_and(|name| name == who.name);
        assert!(own || who.claimed.is_some() || who.name.domain == Who::of(address).expect("again").name.domain);
        assert_eq!(
            Some(&*who.name.domain),
            gatepost_whitelist::entry::domain_key(address.domain()).as_deref()
        );
    }
}

/// A mailbox in From is the same beside names and comments.
fn mailboxes_are_read(text: &str) {
    let Some(address) = Author::read(text).one() else {
        return;
    };
    assert_eq!(Address::parse(&address.to_string(), true), Ok(address.clone()));
    for around in [
        format!("<{address}>"),
        format!("(a <b@c.example>, \\) (d)) {address}"),
        format!("\"x@y.example, \\\" Z\" <{address}>"),
        format!("Ann <{address}> (at work)"),
    ] {
        assert_eq!(Author::read(&around).one().as_ref(), Some(&address), "{around}");
    }
    for two in [
        format!("{address}, {address}"),
        format!("<{address}> <{address}>"),
        format!("{text}, {address}"),
    ] {
        assert_eq!(Author::read(&two).one(), None, "{two}");
    }
}

fn entries_read_as_themselves(text: &str) {
    let Ok(pattern) = Pattern::parse(text) else {
        return;
    };
    let form = pattern.to_string();
    assert_eq!(Pattern::parse(&form).as_ref(), Ok(&pattern), "{form:?}");
    assert!(form.len() <= TEXT_MAX && !form.chars().any(char::is_control));
    assert_eq!(form, form.to_lowercase());
    assert_eq!(Pattern::parse(&format!(" <{form}>\t")), Ok(pattern));
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Some(address) = read(text) {
        tags_come_off(&address);
        names_stay(&address);
    }
    mailboxes_are_read(text);
    entries_read_as_themselves(text);
});
