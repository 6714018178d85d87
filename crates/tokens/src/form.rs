//! What is told of the form of a mail: its parts, its HTML, how its text is written, and what is broken in it.

use gatepost_message::{Message, Reading};

use crate::document::Field;
use crate::draft::Draft;

/// Parts that are told of.
pub const PARTS_MAX: usize = 20;
/// Octets of text by which is told how it is written.
const LOOKED_AT: usize = 4_000;

const BUCKETS: [&str; 24] = [
    "0", "1", "2", "4", "8", "16", "32", "64", "128", "256", "512", "1k", "2k", "4k", "8k", "16k", "32k", "64k",
    "128k", "256k", "512k", "1m", "2m", "4m",
];

/// A number by its power of two.
pub(crate) fn bucket(number: usize) -> &'static str {
    let at = (usize::BITS - number.leading_zeros()) as usize;
    BUCKETS[at.min(BUCKETS.len() - 1)]
}

/// A share in eighths.
fn share(part: usize, all: usize) -> &'static str {
    const EIGHTHS: [&str; 9] = ["0/8", "1/8", "2/8", "3/8", "4/8", "5/8", "6/8", "7/8", "8/8"];
    if all == 0 {
        return "none";
    }
    EIGHTHS[(part.min(all) * 8).div_ceil(all)]
}

/// Takes the form of a mail that has so many octets.
pub(crate) fn tokens(message: &Message, size: usize, subject: &str, text: &str, draft: &mut Draft) {
    let reading: &Reading = message.reading(&|| false);
    let mut put = |name: &str, text: &str| draft.push(Field::Form, name, text);
    for part in reading.parts().iter().take(PARTS_MAX) {
        put("part", &part.mime);
        let name = part.file_name.as_deref().or(part.name.as_deref());
        if let Some((_, extension)) = name.and_then(|name| name.rsplit_once('.')) {
            put("file", extension);
        }
        if part.attachment {
            put("attached", &part.mime);
        }
    }
    let count = |kind: &str| {
        reading
            .parts()
            .iter()
            .filter(|part| part.mime.starts_with(kind))
            .count()
    };
    put("parts", bucket(reading.parts().len()));
    let images = count("image/");
    let markup = reading.markup();
    if images > 0 {
        put("images", bucket(images));
    }
    if markup.tags > 0 {
        put("tags", bucket(markup.tags));
        put("anchors", bucket(markup.anchors));
        for (name, number) in [
            ("img", markup.images),
            ("remote-img", markup.remote_images),
            ("pixels", markup.pixels),
            ("forms", markup.forms),
            ("passwords", markup.passwords),
            ("scripts", markup.scripts),
            ("frames", markup.frames),
            ("comments", markup.comments),
        ] {
            if number > 0 {
                put(name, bucket(number));
            }
        }
        put("hidden", share(markup.hidden, markup.hidden + markup.visible));
        put("text-per-tag", bucket(markup.visible / markup.tags));
        if markup.refresh {
            put("html", "refresh");
        }
        if markup.base {
            put("html", "base");
        }
        if markup.visible < 64 && images + markup.images > 0 {
            put("html", "image-alone");
        }
        let plain = count("text/plain") > 0;
        put("html", if plain { "beside-text" } else { "alone" });
    }
    if let Some(alternatives) = reading.alternatives() {
        put("alternatives", share(alternatives.unseen, alternatives.words));
        if alternatives.reversed {
            put("alternatives", "reversed");
        }
    }
    put("size", bucket(size));
    put("text", bucket(text.len()));
    written(text, &mut put);
    let letters = subject.bytes().filter(u8::is_ascii_alphabetic).count();
    let upper = subject.bytes().filter(u8::is_ascii_uppercase).count();
    put("subject-upper", share(upper, letters));
    put("subject-length", bucket(subject.len()));
    for name in reading.anomalies().names() {
        put("broken", name);
    }
    for name in reading.excess().names() {
        put("beyond", name);
    }
    if message.unseparated() {
        put("broken", "separation");
    }
}

/// How many octets are of a kind. A sum that fits into an octet goes by many octets at once.
fn count(octets: &[u8], is: impl Fn(&u8) -> bool) -> usize {
    let pieces = octets.chunks(usize::from(u8::MAX));
    let each = pieces.map(|piece| piece.iter().map(|octet| u8::from(is(octet))).sum::<u8>());
    each.map(usize::from).sum()
}

/// How a text is written.
fn written(text: &str, put: &mut impl FnMut(&str, &str)) {
    let looked = crate::clean::head(text, LOOKED_AT);
    // One kind after the other: that goes by many octets at once, a count of all kinds by one.
    let octets = looked.as_bytes();
    let upper = count(octets, u8::is_ascii_uppercase);
    let lower = count(octets, u8::is_ascii_lowercase);
    let digits = count(octets, u8::is_ascii_digit);
    let wide = count(octets, |octet| !octet.is_ascii());
    let cries = count(octets, |octet| *octet == b'!');
    let money = count(octets, |octet| *octet == b'$');
    let lines = count(octets, |octet| *octet == b'\n');
    let quoted = looked.split('\n').filter(|line| line.starts_with('>')).count();
    put("upper", share(upper, upper + lower));
    put("digits", share(digits, upper + lower + digits));
    put("wide", share(wide, upper + lower + wide));
    put("cries", bucket(cries));
    put("money", bucket(money));
    put("quoted", share(quoted, lines));
    put("line", bucket(looked.len() / (lines + 1)));
}
