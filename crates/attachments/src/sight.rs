//! A look under way: each file of each reading of a mail, what lies in it, and the mails that lie in files.
//!
//! **Invariant:** files and octets are counted for the mail as a whole, and mails within files are opened [`MAILS`] deep: what
//! lies behind is said in the survey or as a mark.

use gatepost_containers::{Class, Item, Kind, Limits, Mark, examine};
use gatepost_core::Message;

use crate::enclosed::{Enclosed, Place, Survey, walk};
use crate::kinds;
use crate::look::{Contents, File, How};
use crate::name::Name;

/// The most names of one file that are looked at.
const NAMES: usize = 16;
/// Mails within files within mails that are opened, one in the other.
const MAILS: usize = 4;
/// Mails of one mailbox file that are opened.
const BOX: usize = 100;

/// A look under way.
pub(crate) struct Sight {
    how: How,
    files: Vec<File>,
    pieces: usize,
    octets: u64,
    /// What is known of the mails within files.
    inner: Survey,
    /// There were more files, or octets, than there may be.
    more: bool,
}

/// Where in the mail a file is.
#[derive(Clone, Copy)]
struct At<'a> {
    piece: usize,
    part: usize,
    place: Place,
    above: &'a [Box<str>],
    mails: usize,
}

impl Sight {
    /// Nothing seen yet.
    pub(crate) fn new(how: How) -> Sight {
        Sight {
            how,
            files: Vec::new(),
            pieces: 0,
            octets: 0,
            inner: Survey::default(),
            more: false,
        }
    }

    /// What was seen, and what is known of the mail.
    pub(crate) fn done(self, mut survey: Survey) -> Contents {
        survey.join(self.inner);
        if self.more {
            survey.excess.push("files");
        }
        Contents {
            files: self.files,
            survey,
        }
    }

    /// Looks at one reading of a part.
    pub(crate) fn piece(&mut self, one: &Enclosed<'_>, spent: &dyn Fn() -> bool) {
        let at = At {
            piece: self.pieces,
            part: one.part,
            place: one.stretch,
            above: &[],
            mails: 0,
        };
        self.pieces += 1;
        self.file(one, at, spent);
    }

    fn file(&mut self, one: &Enclosed<'_>, at: At<'_>, spent: &dyn Fn() -> bool) {
        let first = one.names.first().map_or("", String::as_str);
        let mut file = File {
            piece: at.piece,
            part: at.part,
            path: at.above.iter().cloned().chain([first.into()]).collect(),
            names: one.names.iter().take(NAMES).map(|name| Name::read(name)).collect(),
            declared: one.mimes.iter().map(|mime| mime.as_str().into()).collect(),
            kind: Kind::Empty,
            octets: one.octets.len() as u64,
            sha256: None,
            marks: Vec::new(),
            shown: one.shown,
            whole: one.whole,
            of_package: false,
            place: Some(at.place),
        };
        if one.message && one.octets.is_empty() {
            // Its parts are given by themselves.
            file.kind = Kind::Eml;
            return self.keep(file);
        }
        if one.shown {
            file.kind = kinds::of(one.octets, "");
            if file.kind.class() == Class::Text {
                return self.keep(file);
            }
        }
        let left = Limits {
            files: self.how.limits.files.saturating_sub(self.files.len()),
            octets: self.how.limits.octets.saturating_sub(self.octets),
            ..self.how.limits
        };
        if left.files == 0 || left.octets == 0 {
            // Nobody looks into it any more; what it is and is called counts all the same.
            file.kind = kinds::of(one.octets, first);
            self.more = true;
            return self.keep(file);
        }
        self.open(one, file, &left, at, spent);
    }

    fn open(&mut self, one: &Enclosed<'_>, outer: File, left: &Limits, at: At<'_>, spent: &dyn Fn() -> bool) {
        let begun = self.files.len();
        let first = one.names.first().map_or("", String::as_str);
        let declared = one.mimes.first().map(String::as_str);
        let mut outer = Some(outer);
        let (mut mails, mut held) = (Vec::new(), 0_usize);
        examine(first, declared, one.octets, left, spent, &mut |item, octets| {
            self.octets = self.octets.saturating_add(item.octets);
            let is_outer = item.path.len() == 1;
            let Some(mut file) = (match is_outer {
                true => outer.take().map(|file| read(file, item)),
                false => Some(inner(at, item)),
            }) else {
                return;
            };
            let given_already = is_outer && (one.message || one.shown);
            if is_mail(item.kind) && !given_already {
                let room = self.how.limits.memory.saturating_sub(held);
                match octets.filter(|octets| at.mails < MAILS && octets.len() <= room) {
                    Some(octets) => {
                        held = held.saturating_add(octets.len());
                        mails.push((file.path.clone(), octets.to_vec()));
                    }
                    None => file.marks.push((Mark::Depth, "a mail that was not opened".into())),
                }
            }
            if item.kind.is_opc() || item.kind.is_opendocument() {
                self.pack(begun, &file.path);
            }
            self.keep(file);
        });
        self.aliases(one, at, begun);
        for (path, octets) in mails {
            let within = At {
                above: &path,
                mails: at.mails + 1,
                ..at
            };
            self.mails(octets, within, spent);
        }
    }

    /// Opens a mail that is a file, or the mails of a mailbox.
    fn mails(&mut self, octets: Vec<u8>, at: At<'_>, spent: &dyn Fn() -> bool) {
        let is_box = octets.starts_with(b"From ");
        let mut each = if is_box { apart(&octets) } else { vec![octets] };
        if each.len() > BOX {
            each.truncate(BOX);
            self.more = true;
        }
        for octets in each {
            let message = Message::from_bytes(with_line_ends(octets));
            let survey = walk(&message, self.how.part, spent, &mut |one| self.file(one, at, spent));
            self.inner.join(survey);
        }
    }

    /// What the file is under its other names, where that is something else: a script has no other mark than its name.
    fn aliases(&mut self, one: &Enclosed<'_>, at: At<'_>, begun: usize) {
        let own = |file: &&File| file.path.len() == at.above.len() + 1;
        let here = self.files.get(begun..).unwrap_or_default();
        let Some(known) = here.iter().rev().find(own).cloned() else {
            return;
        };
        let mut kinds_seen = vec![known.kind];
        for name in one.names.iter().skip(1).take(NAMES) {
            let kind = kinds::of(one.octets, name);
            if !kinds_seen.contains(&kind) {
                kinds_seen.push(kind);
                let path = at.above.iter().cloned().chain([String::as_str(name).into()]).collect();
                self.keep(File {
                    kind,
                    path,
                    ..known.clone()
                });
            }
        }
    }

    /// Says of the members of a package that they are.
    fn pack(&mut self, begun: usize, package: &[Box<str>]) {
        for file in self.files.get_mut(begun..).unwrap_or_default() {
            file.of_package |= file.path.len() == package.len() + 1 && file.path.starts_with(package);
        }
    }

    /// Of files beyond the bound only those that are parts of the mail are kept, whose number the mail itself bounds.
    fn keep(&mut self, file: File) {
        if file.inside() && self.files.len() >= self.how.limits.files {
            self.more = true;
        } else {
            self.files.push(file);
        }
    }
}

fn is_mail(kind: Kind) -> bool {
    matches!(kind, Kind::Eml | Kind::Mhtml)
}

/// The mails of a mailbox: each begins with a line `From `.
fn apart(octets: &[u8]) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        // One more than are opened shows that there are more.
        let begins = line.starts_with(b"From ") && all.len() <= BOX;
        match all.last_mut() {
            Some(last) if !begins => last.extend_from_slice(line),
            _ => all.push(line.to_vec()),
        }
    }
    all
}

/// A mail that lies in a file often has its lines end in LF alone; as a mail they end in CR LF.
fn with_line_ends(octets: Vec<u8>) -> Vec<u8> {
    if octets.windows(2).any(|pair| pair == b"\r\n") {
        return octets;
    }
    let mut out = Vec::with_capacity(octets.len() + octets.len() / 32);
    for octet in octets {
        if octet == b'\n' {
            out.push(b'\r');
        }
        out.push(octet);
    }
    out
}

fn read(mut file: File, item: &Item) -> File {
    (file.kind, file.octets, file.marks) = (item.kind, item.octets, item.marks.clone());
    file.sha256 = item.sha256.filter(|_| file.whole);
    file
}

fn inner(at: At<'_>, item: &Item) -> File {
    let name = item.path.last().map_or("", |name| name);
    File {
        piece: at.piece,
        part: at.part,
        names: if name.is_empty() {
            Vec::new()
        } else {
            vec![Name::read(name)]
        },
        path: at.above.iter().chain(&item.path).cloned().collect(),
        declared: item.declared.iter().cloned().collect(),
        kind: item.kind,
        octets: item.octets,
        sha256: item.sha256,
        marks: item.marks.clone(),
        shown: false,
        whole: true,
        of_package: false,
        place: Some(at.place),
    }
}
