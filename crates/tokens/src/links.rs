//! The links of a mail as tokens.

use gatepost_message::{Host, Links};

use crate::document::Field;
use crate::draft::Draft;
use crate::words;

/// Links that are taken, those first that a reader follows.
pub const TAKEN_MAX: usize = 60;
/// Words of the path of a link that are taken.
pub const PATH_WORDS_MAX: usize = 8;

/// Takes the links of a mail.
pub(crate) fn tokens(links: &Links, draft: &mut Draft) {
    let mut before = "";
    for link in links.iter().take(TAKEN_MAX) {
        let domain = link.domain.as_deref().unwrap_or_default();
        match &link.host {
            Host::Name(name) => {
                if **name != *before {
                    draft.push(Field::Link, "", name);
                    if !domain.is_empty() && domain.len() != name.len() {
                        draft.push(Field::Link, "", domain);
                    }
                    if let Some((_, last)) = name.rsplit_once('.') {
                        draft.push(Field::Link, "tld", last);
                    }
                }
                before = name;
            }
            Host::V4(address) => {
                let [a, b, c, d] = address.octets();
                draft.push(Field::Link, "", &format!("{a}.{b}.{c}.{d}"));
                draft.push(Field::Link, "", &format!("{a}.{b}.{c}"));
                draft.push(Field::Form, "link", "address");
            }
            _ => draft.push(Field::Form, "link", "address"),
        }
        for trick in &link.tricks {
            draft.push(Field::Form, "link", trick.as_str());
        }
        let rest = link.url.split_once("://").map_or("", |(_, rest)| rest);
        let path = rest.split_once('/').map_or("", |(_, path)| path);
        let mut count = 0;
        words::each_while(path, |word| {
            draft.push(Field::Link, link.place.as_str(), word);
            count += 1;
            count < PATH_WORDS_MAX
        });
    }
    draft.push(Field::Form, "links", crate::form::bucket(links.iter().len()));
}
