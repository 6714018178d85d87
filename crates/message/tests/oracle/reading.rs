//! What holds for the reading of any message.

use std::collections::HashSet;

use gatepost_message::reading::{LINKS_MAX, PARTS_MAX, Reading, URL_MAX, registrable};
use gatepost_message::{Host, Message};

pub fn read(octets: &[u8]) -> Reading {
    Message::from_bytes(octets.to_vec()).reading(&|| false).clone()
}

/// It is bounded, in its order, without doubles, and the same a second time.
pub fn reading_holds(octets: &[u8]) {
    let (once, again) = (read(octets), read(octets));
    assert!(once.links().iter().eq(again.links().iter()));
    assert_eq!(
        (once.text(), once.hidden(), once.subject()),
        (again.text(), again.hidden(), again.subject())
    );
    assert_eq!((once.parts(), once.markup()), (again.parts(), again.markup()));
    assert_eq!((once.excess(), once.anomalies()), (again.excess(), again.anomalies()));

    assert!(once.links().iter().len() <= LINKS_MAX && once.parts().len() <= PARTS_MAX);
    assert_eq!(once.links().is_cut(), once.excess().links);
    // An octet of windows-1252 may take three in UTF-8; what stands in <noscript> is read twice.
    assert!(once.text().len() + once.hidden().len() <= 6 * octets.len());
    assert!(once.links().iter().map(|link| link.place).is_sorted());
    let urls: HashSet<_> = once.links().iter().map(|link| &link.url).collect();
    assert_eq!(urls.len(), once.links().iter().len());
    once.links()
        .iter()
        .for_each(|link| link_holds(&link.url, &link.host, link.domain.as_deref()));
}

/// It stands in one line, its host is one that DNS can have, and leads to the same when it is read again.
fn link_holds(url: &str, host: &Host, domain: Option<&str>) {
    assert!(
        url.len() <= URL_MAX && !url.contains(|c: char| c <= ' ' || c == '\x7f'),
        "{url:?}"
    );
    match host {
        Host::Name(name) => {
            let is_good = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
            assert!(name.len() <= 253 && name.bytes().all(is_good), "{name}");
            assert!(name.split('.').all(|label| (1..=63).contains(&label.len())), "{name}");
            assert_eq!(registrable(name), domain);
        }
        Host::V4(_) | Host::V6(_) => assert_eq!(domain, None),
    }
    let mail = format!("Content-Type: text/html; charset=utf-8\r\n\r\n<a href=\"http://{host}/\">");
    let again = read(mail.as_bytes());
    assert!(
        again.links().iter().map(|link| &link.host).eq([host]),
        "{host}: {:?}",
        again.links()
    );
}
