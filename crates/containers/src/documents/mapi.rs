//! What mails of Outlook call a property, and the names of an attachment.

use super::field;
use super::give;
use crate::{Flow, Mark, Visit, claimed};

/// Identifiers of properties (MS-OXPROPS).
pub(crate) mod id {
    /// Header fields as they came.
    pub(crate) const HEADERS: u16 = 0x007d;
    /// Plain text.
    pub(crate) const BODY: u16 = 0x1000;
    /// Packed RTF.
    pub(crate) const RTF: u16 = 0x1009;
    /// HTML.
    pub(crate) const HTML: u16 = 0x1013;
    /// Display name.
    pub(crate) const DISPLAY: u16 = 0x3001;
    /// Content of an attachment, as octets or as an object.
    pub(crate) const DATA: u16 = 0x3701;
    /// Short name, 8.3.
    pub(crate) const SHORT: u16 = 0x3704;
    /// Long name.
    pub(crate) const LONG: u16 = 0x3707;
    /// Name on the way.
    pub(crate) const TRANSPORT: u16 = 0x370c;
    /// Where a linked attachment lies.
    pub(crate) const PATH: u16 = 0x370d;
    /// Media type.
    pub(crate) const TYPE: u16 = 0x370e;
}

/// Names that are kept of those that were told otherwise later.
const BEFORE_MAX: usize = 8;

/// An attachment: the names that are told, and its type.
#[derive(Default, Clone, Debug)]
pub(crate) struct Attachment {
    /// By identifier, in the order in which they are preferred.
    pub(crate) long: String,
    /// The name of TNEF's own attribute.
    pub(crate) title: String,
    /// Name on the way.
    pub(crate) transport: String,
    /// 8.3.
    pub(crate) short: String,
    /// What is shown.
    pub(crate) display: String,
    /// Media type.
    pub(crate) declared: Option<String>,
    /// Where it lies, if it is only a link.
    pub(crate) path: String,
    /// Names that were told and then told otherwise.
    pub(crate) before: Vec<String>,
}

/// The extension's first three letters: all that a name in 8.3 keeps.
fn ending(name: &str) -> String {
    let end = name
        .trim_end_matches(['.', ' '])
        .rsplit_once('.')
        .map_or("", |(_, end)| end);
    end.chars().take(3).collect::<String>().to_ascii_lowercase()
}

impl Attachment {
    /// Takes note of a property.
    pub(crate) fn note(&mut self, id: u16, text: String) {
        let name = match id {
            id::LONG => Some(&mut self.long),
            id::TRANSPORT => Some(&mut self.transport),
            id::SHORT => Some(&mut self.short),
            id::DISPLAY => Some(&mut self.display),
            _ => None,
        };
        if let Some(name) = name {
            // Which of two counts differs from reader to reader.
            let before = std::mem::replace(name, text);
            if !before.is_empty() && before != *name && self.before.len() < BEFORE_MAX {
                self.before.push(before);
            }
            return;
        }
        match id {
            id::TYPE => self.declared = Some(field::short(&text)),
            id::PATH => self.path = text,
            _ => {}
        }
    }

    /// The name that is preferred; `other` if there is none.
    pub(crate) fn name<'a>(&'a self, other: &'a str) -> &'a str {
        let mut names = [&self.long, &self.title, &self.transport, &self.short, &self.display].into_iter();
        names.find(|name| !name.is_empty()).map_or(other, |name| name)
    }

    /// Names under which another reader would know it as something else.
    fn others(&self) -> Vec<&str> {
        let first = self.name("");
        let mut found: Vec<&str> = Vec::new();
        let names = [&self.title, &self.transport, &self.short, &self.display];
        for name in names.into_iter().chain(&self.before) {
            let differs = !name.is_empty() && ending(name) != ending(first) && !found.contains(&name.as_str());
            // What is shown may be any text; what only it has an end for claims nothing.
            let claims = claimed(name).is_some() && claimed(name) != claimed(first);
            if differs && claims {
                found.push(name);
            }
        }
        found
    }

    /// Gives the content, under each name that makes something else of it.
    pub(crate) fn give(&self, prefix: &str, octets: &[u8], visit: &mut dyn Visit) -> Flow {
        if !self.path.is_empty() && super::ooxml::is_elsewhere(&self.path) {
            visit.mark(Mark::Fetches, &field::short(&format!("attachment {}", self.path)));
        }
        let first = self.name("attachment");
        if give(visit, &format!("{prefix}{first}"), self.declared.clone(), octets) == Flow::Stop {
            return Flow::Stop;
        }
        for other in self.others() {
            visit.mark(
                Mark::Ambiguous,
                &field::short(&format!("{first} is also named {other}")),
            );
            if give(visit, &format!("{prefix}{other}"), self.declared.clone(), octets) == Flow::Stop {
                return Flow::Stop;
            }
        }
        Flow::On
    }
}

/// Gives the packed RTF of a body, unpacked.
pub(crate) fn give_rtf(prefix: &str, packed: &[u8], visit: &mut dyn Visit) -> Flow {
    let Some((octets, whole)) = super::rtfcp::unpack(packed) else {
        visit.mark(Mark::Damaged, "packed RTF");
        return Flow::On;
    };
    if !whole {
        visit.mark(Mark::Damaged, "packed RTF");
    }
    give(visit, &format!("{prefix}body.rtf"), None, &octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_8_3_is_no_other_name() {
        let one = Attachment {
            long: "quarterly report.docx".into(),
            short: "QUARTE~1.DOC".into(),
            ..Attachment::default()
        };
        assert!(one.others().is_empty());
        let other = Attachment {
            short: "QUARTE~1.EXE".into(),
            ..one
        };
        assert_eq!(other.others(), ["QUARTE~1.EXE"]);
    }

    #[test]
    fn a_title_that_is_a_sentence_claims_nothing() {
        let one = Attachment {
            long: "a.pdf".into(),
            display: "Mr. Smith's report".into(),
            ..Attachment::default()
        };
        assert!(one.others().is_empty());
    }
}
