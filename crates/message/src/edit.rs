//! The editor: prepend fields, remove whole ones, rename them, tag the Subject, take a word out of it, replace parts by a
//! note (see [`Replacement`]). Nothing else can be asked.
//!
//! **Invariant:** what was not asked for stays octet for octet and in its order. When nothing
//! that came with the message is touched, its octets are shared and the edited message ends with them. Nothing is ever
//! refolded, re-encoded or put in another order (P-53); but a field whose new name or tag would make its first line pass
//! 998 octets gets a fold before its value.
//!
//! Two kinds of message need care when something is prepended:
//! - An mbox line stays the first line, for that is where a mail server tolerates one; our fields follow it.
//! - A message that does not begin with a field or a blank line gets a blank line after our fields. Else a first line
//!   that begins with a space would become part of our last field.
//!
//! A head that must be rewritten and has no blank line before the body gets one; so what is left of it cannot be read
//! otherwise than what came (see [`header`](crate::split)'s rule).

use std::borrow::Cow;

use bytes::Bytes;

use crate::edited::Edited;
use crate::field::{BadName, Field, LINE_MAX, Name};
use crate::header::{Header, Line, ends_blank, is_wsp, mbox_len};
use crate::message::Message;
use crate::own::NamePattern;
use crate::replace::{self, Replacement};
use crate::subject::{self, SubjectTag};
use crate::word::{self, SubjectWord};

/// Which of the fields of one name.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// All of them.
    All,
    /// The one at this place among *all* fields, counted from 0 ([`Header::index`]); none if that has another name.
    At(usize),
}

/// One change to a message. It speaks of what came with the message, never of prepended fields.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Edit {
    /// Puts a field on top. Of several the first in the list stands topmost.
    Prepend(Field),
    /// Takes whole fields out.
    Remove {
        /// Their name.
        name: Name,
        /// Which of that name.
        which: Which,
    },
    /// Gives fields another name; all else of them stays.
    Rename {
        /// Their name.
        name: Name,
        /// Which of that name.
        which: Which,
        /// Their new name.
        to: Name,
    },
    /// Gives fields of these names another one where they lie beyond what is looked at, see [`crate::beyond`].
    Beyond(Vec<NamePattern>),
    /// Puts a tag before the value of the first Subject, or adds a Subject; keeps the value in `X-Original-Subject`.
    Subject(SubjectTag),
    /// Takes a word out of the value of the first Subject: the last that stands there as such, outside encoded words.
    SubjectWithout(SubjectWord),
    /// Puts a blank line between head and body where there is none, so that every reader agrees where the body begins
    /// ([`Message::unseparated`]).
    Separate,
    /// Replaces parts by a note.
    Replace(Replacement),
}

impl Edit {
    /// Prepends a field of free text, see [`Field::text`].
    pub fn prepend(name: impl Into<Cow<'static, str>>, value: &str) -> Result<Edit, BadName> {
        Ok(Edit::Prepend(Field::text(&Name::new(name)?, value)))
    }

    /// Removes all fields of a name.
    pub fn remove(name: impl Into<Cow<'static, str>>) -> Result<Edit, BadName> {
        Ok(Edit::Remove {
            name: Name::new(name)?,
            which: Which::All,
        })
    }

    /// Removes exactly this field.
    pub fn remove_this(header: &Header<'_>) -> Edit {
        Edit::Remove {
            name: Name::of(header),
            which: Which::At(header.index()),
        }
    }

    /// Renames all fields of a name.
    pub fn rename(name: impl Into<Cow<'static, str>>, to: impl Into<Cow<'static, str>>) -> Result<Edit, BadName> {
        Ok(Edit::Rename {
            name: Name::new(name)?,
            which: Which::All,
            to: Name::new(to)?,
        })
    }
}

/// An ordered list of changes. Where two concern one field, removing it wins, then the first that renames it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Edits(Vec<Edit>);

impl Edits {
    /// No change.
    pub fn new() -> Edits {
        Edits::default()
    }

    /// Adds a change at the end.
    pub fn push(&mut self, edit: Edit) {
        self.0.push(edit);
    }

    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many changes are asked.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The changes in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Edit> {
        self.0.iter()
    }

    /// The message with these changes; head and body are shared wherever nobody touches them.
    ///
    /// Fields behind the bounds of S-08 ([`Message::excess`]) were not looked at and stay.
    pub fn apply(&self, message: &Message) -> Edited {
        let head = message.head_bytes();
        let mbox = mbox_len(head);
        let replaced = replace::replaced(&self.0, message);
        let body = replaced
            .as_ref()
            .map_or(message.body(), |replaced| &replaced.body)
            .clone();
        let fields = replaced.as_ref().and_then(|replaced| replaced.fields.as_deref());
        let (prefix, changed) = self.plan(message, fields);
        let touched = changed.is_some() || replaced.is_some();
        let rewritten = changed.is_some();
        let mut rest = match changed {
            Some(changed) => Bytes::from(changed),
            None => head.slice(mbox..),
        };
        let separate = rewritten || self.0.contains(&Edit::Separate);
        if prefix.is_empty() && !separate {
            return Edited {
                prefix,
                head: head.clone(),
                body,
                touched,
            };
        }

        let mut lead = Vec::with_capacity(mbox + prefix.len() + 4);
        lead.extend_from_slice(head.get(..mbox).unwrap_or_default());
        if !lead.is_empty() && !lead.ends_with(b"\n") && !prefix.is_empty() {
            lead.extend_from_slice(b"\r\n");
        }
        lead.extend_from_slice(&prefix);
        let clean = match rest.split_inclusive(|&b| b == b'\n').next() {
            Some(line) => matches!(Line::of(line, false, false), Line::Field { .. } | Line::Blank),
            None => message.body().is_empty(),
        };
        if !clean {
            lead.extend_from_slice(b"\r\n");
        } else if ((separate && message.unseparated() && !message.excess().head) || fields.is_some())
            && !ends_blank(&rest)
        {
            let mut ended = Vec::with_capacity(rest.len() + 2);
            ended.extend_from_slice(&rest);
            ended.extend_from_slice(b"\r\n");
            rest = Bytes::from(ended);
        }
        Edited {
            prefix: lead.into(),
            head: rest,
            body,
            touched,
        }
    }

    /// What goes on top, and the head below the mbox line, if any field of it is touched. `content` are the fields that
    /// come for those named `Content-*`.
    fn plan(&self, message: &Message, content: Option<&[u8]>) -> (Bytes, Option<Vec<u8>>) {
        let mut prefix = Vec::new();
        let leaves = |edit: &Edit| matches!(edit, Edit::Prepend(_) | Edit::Separate | Edit::Replace(_));
        if content.is_none() && self.0.iter().all(leaves) {
            for edit in &self.0 {
                if let Edit::Prepend(field) = edit {
                    prefix.extend_from_slice(field.as_bytes());
                }
            }
            return (prefix.into(), None);
        }

        let headers = message.headers();
        let mut fates = vec![Fate::Keep; headers.len()];
        if content.is_some() {
            for (fate, header) in fates.iter_mut().zip(headers.iter()) {
                // A lone CR is a line end to some, and what follows it a field.
                if NamePattern::CONTENT.means(header.name()) || has_lone_cr(header.raw()) {
                    *fate = Fate::Remove;
                }
            }
        }
        for edit in &self.0 {
            let (name, which, fate) = match edit {
                Edit::Remove { name, which } => (name, which, Fate::Remove),
                Edit::Rename { name, which, to } => (name, which, Fate::Rename(to)),
                _ => continue,
            };
            let mut settle = |header: Header<'_>| {
                let Some(now) = fates.get_mut(header.index()) else {
                    return;
                };
                let wins = matches!(fate, Fate::Remove) || matches!(now, Fate::Keep);
                if wins && header.is(name.as_str()) {
                    *now = fate;
                }
            };
            match which {
                Which::All => headers.iter().for_each(settle),
                Which::At(index) => headers.at(*index).into_iter().for_each(&mut settle),
            }
        }

        let subject = headers
            .iter()
            .zip(&fates)
            .find_map(|(header, fate)| (matches!(fate, Fate::Keep) && header.is("Subject")).then_some(header));
        let tags = self.0.iter().filter_map(|edit| match edit {
            Edit::Subject(tag) => Some(tag),
            _ => None,
        });
        let mut tagged = subject::tagged(subject, tags);
        for edit in &self.0 {
            match edit {
                Edit::Prepend(field) => prefix.extend_from_slice(field.as_bytes()),
                Edit::Subject(_) => {
                    if let Some(tagged) = &mut tagged {
                        prefix.append(&mut tagged.prepend);
                    }
                }
                _ => {}
            }
        }
        let tagged = tagged.and_then(|tagged| tagged.replace);
        let words = self.0.iter().filter_map(|edit| match edit {
            Edit::SubjectWithout(word) => Some(word),
            _ => None,
        });
        let shorter = subject.and_then(|subject| word::without(&subject, tagged.as_deref(), words));
        let replace = shorter.or(tagged).zip(subject);
        let head = message.head();
        let read = mbox_len(head) + headers.iter().map(|header| header.raw().len()).sum::<usize>();
        let patterns = self.0.iter().filter_map(|edit| match edit {
            Edit::Beyond(patterns) => Some(patterns),
            _ => None,
        });
        let mut patterns: Vec<_> = patterns.flatten().collect();
        let described = NamePattern::CONTENT;
        patterns.extend(content.map(|_| &described));
        let rest = head.get(read..).unwrap_or_default();
        let renamed = crate::beyond::renamed(rest, &patterns);
        if content.is_none()
            && replace.is_none()
            && renamed.is_none()
            && fates.iter().all(|fate| matches!(fate, Fate::Keep))
        {
            return (prefix.into(), None);
        }

        let mut out = Vec::with_capacity(head.len() + 128);
        for (header, fate) in headers.iter().zip(&fates) {
            match (fate, &replace) {
                (Fate::Remove, _) => {}
                (Fate::Rename(to), _) => lengthen(&mut out, to.as_str().as_bytes(), b":", header.tail()),
                (Fate::Keep, Some((new, subject))) if subject.index() == header.index() => {
                    out.extend_from_slice(new);
                }
                (Fate::Keep, _) => out.extend_from_slice(header.raw()),
            }
        }
        if let Some(content) = content {
            if !out.is_empty() && !out.ends_with(b"\n") {
                out.extend_from_slice(b"\r\n");
            }
            out.extend_from_slice(content);
        }
        out.extend_from_slice(renamed.as_deref().unwrap_or(rest));
        (prefix.into(), Some(out))
    }
}

impl From<Vec<Edit>> for Edits {
    fn from(edits: Vec<Edit>) -> Edits {
        Edits(edits)
    }
}

impl FromIterator<Edit> for Edits {
    fn from_iter<I: IntoIterator<Item = Edit>>(edits: I) -> Edits {
        Edits(edits.into_iter().collect())
    }
}

impl Extend<Edit> for Edits {
    fn extend<I: IntoIterator<Item = Edit>>(&mut self, edits: I) {
        self.0.extend(edits);
    }
}

fn has_lone_cr(field: &[u8]) -> bool {
    memchr::memchr_iter(b'\r', field).any(|at| field.get(at + 1) != Some(&b'\n'))
}

/// What becomes of a field.
#[derive(Clone, Copy)]
enum Fate<'a> {
    Keep,
    Remove,
    Rename(&'a Name),
}

/// Writes a field whose first line became longer: `start`, `colon`, and the value with its line ends as it was. If the
/// first line would pass [`LINE_MAX`], the value begins on a line of its own, which unfolds to the same.
pub(crate) fn lengthen(out: &mut Vec<u8>, start: &[u8], colon: &[u8], tail: &[u8]) {
    out.extend_from_slice(start);
    out.extend_from_slice(colon);
    let value = tail.strip_prefix(b":").unwrap_or(tail);
    let first = value.split(|&b| b == b'\n').next().unwrap_or_default().trim_ascii_end();
    if !first.is_empty() && start.len() + colon.len() + first.len() > LINE_MAX {
        out.extend_from_slice(if first.first().is_some_and(|&b| is_wsp(b)) {
            b"\r\n"
        } else {
            b"\r\n "
        });
    }
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::Arc;

    use super::*;

    fn apply(edits: Vec<Edit>, mail: &[u8]) -> (Edited, String) {
        let edited = Edits::from(edits).apply(&Message::from_bytes(mail.to_vec()));
        let mut out = Vec::new();
        edited.read().read_to_end(&mut out).unwrap();
        assert_eq!(edited.len(), out.len() as u64);
        let mut again = Vec::new();
        edited.to_message().read().read_to_end(&mut again).unwrap();
        assert_eq!(again, out);
        (edited, String::from_utf8_lossy(&out).into_owned())
    }

    fn text(edits: Vec<Edit>, mail: &str) -> String {
        apply(edits, mail.as_bytes()).1
    }

    fn add() -> Edit {
        Edit::prepend("X-Us", "1").unwrap()
    }

    #[test]
    fn prepending_leaves_the_original_octets_at_the_end_and_shares_them() {
        let mail =
            b"DKIM-Signature: v=1;\r\n h=From ;b=\r\n\tabc\r\nfrom :  a@b \r\nSubject:\t\xe4\r\n\r\nbody \r\n\r\n";
        let message = Message::from_bytes(&mail[..]);
        let edited = Edits::from(vec![add(), Edit::prepend("X-Two", "2").unwrap()]).apply(&message);
        let mut out = Vec::new();
        edited.read().read_to_end(&mut out).unwrap();
        assert_eq!(out, [b"X-Us: 1\r\nX-Two: 2\r\n".as_slice(), mail].concat());
        assert_eq!(edited.head().as_ptr(), message.head().as_ptr());
        assert!(Arc::ptr_eq(edited.body(), message.body()));
        assert!(!edited.touched());
    }

    #[test]
    fn no_edit_changes_no_octet() {
        for mail in ["", "\r\n", " x\r\n", "From a\r\nA: b\r\nc", "A: b\r\n\r\n.\r\n"] {
            assert_eq!(text(vec![], mail), mail);
            assert_eq!(text(vec![Edit::remove("Not-There").unwrap()], mail), mail);
        }
    }

    #[test]
    fn messages_of_every_odd_beginning_take_a_prepended_field() {
        let us = |mail| text(vec![add()], mail);
        assert_eq!(us(""), "X-Us: 1\r\n");
        assert_eq!(
            us("no header\r\n\r\nat all\r\n"),
            "X-Us: 1\r\n\r\nno header\r\n\r\nat all\r\n"
        );
        assert_eq!(us("A: no blank line\r\n"), "X-Us: 1\r\nA: no blank line\r\n");
        assert_eq!(us("\r\nA: b\r\n"), "X-Us: 1\r\n\r\nA: b\r\n");
        assert_eq!(us(".\r\nA: b\r\n"), "X-Us: 1\r\n\r\n.\r\nA: b\r\n");
        assert_eq!(us("A: b\r\ngarbage\r\n"), "X-Us: 1\r\nA: b\r\ngarbage\r\n");
    }

    #[test]
    fn a_first_line_that_begins_with_a_space_does_not_become_part_of_our_field() {
        let out = text(vec![add()], " and score=0\r\nA: b\r\n\r\n");
        assert_eq!(out, "X-Us: 1\r\n\r\n and score=0\r\nA: b\r\n\r\n");
    }

    #[test]
    fn an_mbox_line_stays_first() {
        let us = |mail| text(vec![add()], mail);
        assert_eq!(
            us("From a@b Thu\r\nA: b\r\n\r\nc"),
            "From a@b Thu\r\nX-Us: 1\r\nA: b\r\n\r\nc"
        );
        assert_eq!(us("From a@b"), "From a@b\r\nX-Us: 1\r\n");
        assert_eq!(us("From a@b\r\n x\r\n"), "From a@b\r\nX-Us: 1\r\n\r\n x\r\n");
        assert_eq!(
            text(vec![Edit::remove("A").unwrap()], "From a\r\nA: b\r\n\r\nc"),
            "From a\r\n\r\nc"
        );
    }

    #[test]
    fn whole_fields_are_removed_with_their_folds() {
        let mail = "A: 1\r\nX: 1\r\n 2\r\n\t3\r\nB : 2\r\nx :4\r\n\r\nX: body\r\n";
        let (edited, out) = apply(vec![Edit::remove("X").unwrap()], mail.as_bytes());
        assert_eq!(out, "A: 1\r\nB : 2\r\n\r\nX: body\r\n");
        assert!(edited.touched());
    }

    #[test]
    fn one_field_is_removed_by_its_place_and_only_under_its_name() {
        let mail = "X: 1\r\nY: 2\r\nX: 3\r\n\r\n";
        let at = |at| Edit::Remove {
            name: Name::known("X"),
            which: Which::At(at),
        };
        assert_eq!(text(vec![at(2)], mail), "X: 1\r\nY: 2\r\n\r\n");
        assert_eq!(text(vec![at(1), at(3), at(usize::MAX)], mail), mail);
    }

    #[test]
    fn a_renamed_field_keeps_everything_but_its_name() {
        let edit = Edit::rename("Authentication-Results", "X-Was-Results").unwrap();
        let mail = "A: 1\r\nauthentication-results :  x;\r\n\ty\r\n\r\n";
        assert_eq!(text(vec![edit], mail), "A: 1\r\nX-Was-Results:  x;\r\n\ty\r\n\r\n");
    }

    #[test]
    fn a_renamed_field_never_passes_998() {
        let edit = Edit::rename("X", "X-Longer").unwrap();
        let value = "y".repeat(990);
        let out = text(vec![edit], &format!("X: {value}\r\n\r\n"));
        assert_eq!(out, format!("X-Longer:\r\n {value}\r\n\r\n"));
    }

    #[test]
    fn removing_wins_over_renaming_and_over_the_tag() {
        let tag = SubjectTag::new("[SPAM]").unwrap();
        let edits = vec![
            Edit::rename("Subject", "X-Subject").unwrap(),
            Edit::remove("Subject").unwrap(),
            Edit::Subject(tag),
        ];
        assert_eq!(text(edits, "Subject: a\r\n\r\n"), "Subject: [SPAM]\r\n\r\n");
    }

    #[test]
    fn prepended_fields_are_not_edited_by_the_same_list() {
        assert_eq!(
            text(vec![add(), Edit::remove("X-Us").unwrap()], "X-Us: 2\r\n\r\n"),
            "X-Us: 1\r\n\r\n"
        );
    }

    #[test]
    fn what_a_removal_leaves_is_not_read_as_something_else() {
        let x = || vec![Edit::remove("X").unwrap()];
        assert_eq!(
            text(x(), "X: 1\r\nFrom a@b\r\nSubject: y\r\n"),
            "\r\nFrom a@b\r\nSubject: y\r\n"
        );
        assert_eq!(text(x(), "A: b\r\nX: 1\r\ntext\r\n"), "A: b\r\n\r\ntext\r\n");
        assert_eq!(text(x(), "X: 1\r\n"), "");
        assert_eq!(text(x(), "X: 1\r\n\r\ntext"), "\r\ntext");
    }

    #[test]
    fn a_blank_line_is_written_on_request_where_there_is_none() {
        let sep = || vec![Edit::Separate];
        assert_eq!(
            text(sep(), "A: b\r\nno field\r\nX: y\r\n"),
            "A: b\r\n\r\nno field\r\nX: y\r\n"
        );
        assert_eq!(text(sep(), "no field\r\n"), "\r\nno field\r\n");
        for whole in ["A: b\r\n\r\ntext", "A: b\r\n", "", "From x\r\nA: b\r\n\r\nc"] {
            assert_eq!(text(sep(), whole), whole);
        }
    }

    #[test]
    fn fields_behind_the_bound_stay() {
        let mut mail = "A: b\r\n".repeat(crate::LINES_MAX);
        mail.push_str("X: 1\r\n\r\n");
        assert!(text(vec![Edit::remove("X").unwrap()], &mail).ends_with("X: 1\r\n\r\n"));
        let mut edits = vec![Edit::remove("A").unwrap()];
        assert_eq!(text(edits.clone(), &mail), "X: 1\r\n\r\n");
        edits.push(add());
        assert_eq!(text(edits, &mail), "X-Us: 1\r\nX: 1\r\n\r\n");
    }
}
