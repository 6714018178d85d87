//! A start tag as it is read: its name, and of its attributes those that matter.

use super::element::Name;
use super::html::ATTRIBUTES_MAX;

/// Octets of the longest name that is looked at, at least.
const NAME_MAX: usize = 16;

/// The attributes that are looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Key {
    Style,
    Class,
    Id,
    Hidden,
    /// Of a dialog.
    Open,
    Color,
    Text,
    Bgcolor,
    Background,
    Type,
    Width,
    Height,
    HttpEquiv,
    Content,
    Href,
    /// `href` of SVG.
    XlinkHref,
    /// Where a form is sent.
    Action,
    Src,
    /// Others from which something is loaded.
    Loaded,
    /// Several to choose from.
    Srcset,
    Other,
}

impl Key {
    /// Reads a name in whatever case.
    pub(super) fn of_any_case(name: &[u8]) -> Key {
        let mut lower = [0; NAME_MAX];
        match lower.get_mut(..name.len()) {
            Some(lower) => {
                lower.copy_from_slice(name);
                lower.make_ascii_lowercase();
                Key::of(lower)
            }
            None => Key::Other,
        }
    }

    /// Reads a name in lower case.
    pub(super) fn of(name: &[u8]) -> Key {
        match name {
            b"style" => Key::Style,
            b"class" => Key::Class,
            b"id" => Key::Id,
            b"hidden" => Key::Hidden,
            b"open" => Key::Open,
            b"color" => Key::Color,
            b"text" => Key::Text,
            b"bgcolor" => Key::Bgcolor,
            b"background" => Key::Background,
            b"type" => Key::Type,
            b"width" => Key::Width,
            b"height" => Key::Height,
            b"http-equiv" => Key::HttpEquiv,
            b"content" => Key::Content,
            b"href" => Key::Href,
            b"xlink:href" => Key::XlinkHref,
            b"action" | b"formaction" => Key::Action,
            b"src" => Key::Src,
            b"poster" | b"data" | b"lowsrc" | b"dynsrc" | b"ping" => Key::Loaded,
            b"srcset" | b"imagesrcset" => Key::Srcset,
            _ => Key::Other,
        }
    }
}

/// An attribute; its value lies in the tag.
#[derive(Clone, Copy)]
struct Attribute {
    key: Key,
    from: usize,
    to: usize,
    referenced: bool,
}

/// A start tag.
#[derive(Default)]
pub(super) struct Tag {
    pub(super) name: Name,
    attributes: Vec<Attribute>,
    values: String,
    skipping: bool,
}

impl Tag {
    /// Begins another tag.
    pub(super) fn begin(&mut self, name: Name) {
        self.name = name;
        self.attributes.clear();
        self.values.clear();
        self.skipping = false;
    }

    /// Begins an attribute; false where there are too many.
    pub(super) fn attribute(&mut self, key: Key) -> bool {
        self.skipping = self.attributes.len() >= ATTRIBUTES_MAX;
        if !self.skipping {
            let at = self.values.len();
            self.attributes.push(Attribute {
                key,
                from: at,
                to: at,
                referenced: false,
            });
        }
        !self.skipping
    }

    /// The value of the attribute that was begun last. `written` is how it stands in the source.
    pub(super) fn value(&mut self, value: &str, written: &[u8]) {
        if let Some(attribute) = self.attributes.last_mut().filter(|_| !self.skipping) {
            // Of the others it does not matter.
            if attribute.key == Key::Other {
                return;
            }
            attribute.from = self.values.len();
            self.values.push_str(value);
            attribute.to = self.values.len();
            attribute.referenced = has_reference_in_host(written);
        }
    }

    /// The value of the first attribute of this name.
    pub(super) fn get(&self, wanted: Key) -> Option<&str> {
        let found = self.attributes.iter().find(|attribute| attribute.key == wanted)?;
        self.values.get(found.from..found.to)
    }

    /// The attributes with their values, and whether these have character references before their path.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, &str, bool)> {
        self.attributes.iter().filter_map(|attribute| {
            let value = self.values.get(attribute.from..attribute.to)?;
            Some((attribute.key, value, attribute.referenced))
        })
    }
}

/// Whether a link as it is written has numeric character references before its path.
fn has_reference_in_host(written: &[u8]) -> bool {
    let mut slashes = 0;
    let mut rest = written;
    if memchr::memchr(b'&', written).is_none() {
        return false;
    }
    while let [first, after @ ..] = rest {
        match first {
            b'/' | b'\\' => slashes += 1,
            b'?' => return false,
            b'&' if after.first() == Some(&b'#') => return slashes <= 2,
            _ => {}
        }
        if slashes > 2 {
            return false;
        }
        rest = after;
    }
    false
}
