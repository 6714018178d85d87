//! What this filter asks of `gatepost-containers` about kinds, in one place: what a file is, what names and media types
//! claim, and whether they agree.

use gatepost_containers::{Claim, Class, Kind, claimed, declared};

use crate::name::Name;

/// The classes and their names in configuration.
const CLASSES: [(Class, &str); 13] = [
    (Class::Executable, "executable"),
    (Class::Script, "script"),
    (Class::Shortcut, "shortcut"),
    (Class::Image, "image"),
    (Class::Archive, "archive"),
    (Class::Document, "document"),
    (Class::Mail, "mail"),
    (Class::Picture, "picture"),
    (Class::Audio, "audio"),
    (Class::Video, "video"),
    (Class::Data, "data"),
    (Class::Text, "text"),
    (Class::Unknown, "unknown"),
];

/// The class of a name in configuration.
pub fn class_named(name: &str) -> Option<Class> {
    CLASSES
        .iter()
        .find(|(_, known)| *known == name)
        .map(|(class, _)| *class)
}

/// The names of all classes.
pub fn class_names() -> Vec<&'static str> {
    CLASSES.iter().map(|(_, name)| *name).collect()
}

/// The name of a class.
pub fn class_name(class: Class) -> &'static str {
    CLASSES
        .iter()
        .find(|(known, _)| *known == class)
        .map_or("unknown", |(_, name)| name)
}

/// What octets are, if they have this name.
pub fn of(octets: &[u8], name: &str) -> Kind {
    Kind::of(octets, name)
}

/// Whether what is dangerous by its content is called so by all names that it has: a program named `x.dat` is not. What is not
/// dangerous needs no name.
pub fn is_owned(kind: Kind, names: &[Name]) -> bool {
    if !matches!(
        kind.class(),
        Class::Executable | Class::Script | Class::Shortcut | Class::Image
    ) {
        return true;
    }
    let mut readings = names.iter().flat_map(|name| &name.readings);
    readings
        .all(|reading| reading.extension.is_empty() || claimed(&reading.name).is_some_and(|claim| kind.agrees(claim)))
}

/// Whether no name of a file has it opened as something that acts, whatever it is by its content: a picture that is named
/// x.hta is run as a page, with the script that stands behind its pixels.
pub fn is_called_so(kind: Kind, names: &[Name]) -> bool {
    let acts = |claim: Claim| {
        let by_class = [Class::Executable, Class::Script, Class::Shortcut, Class::Image].contains(&claim.class());
        let pages = [Kind::Html, Kind::Xhtml, Kind::Mhtml, Kind::Svg];
        by_class || pages.iter().any(|page| claim == Claim::Kind(*page))
    };
    let is_so = |claim: Claim| claim.class() == kind.class() || (kind.agrees(claim) && !acts(claim));
    let mut readings = names.iter().flat_map(|name| &name.readings);
    readings.all(|reading| claimed(&reading.name).is_none_or(is_so))
}

/// Whether there is a kind of a name that this says yes to.
pub fn any_kind(is: impl Fn(&str) -> bool) -> bool {
    Kind::ALL.iter().any(|kind| is(kind.name()))
}

/// Where the content is something else than a name or a declared type says, in a way that matters: what it is and what was
/// said.
pub fn disagreement(kind: Kind, names: &[Name], types: &[Box<str>]) -> Option<String> {
    let readings = names.iter().flat_map(|name| &name.readings);
    let by_name = readings.filter_map(|reading| Some((claimed(&reading.name)?, "named")));
    let by_type = types.iter().filter_map(|mime| Some((declared(mime)?, "declared")));
    by_name
        .chain(by_type)
        .find(|(claim, _)| !kind.agrees(*claim))
        .map(|(claim, how)| format!("is {}, {how} as {}", kind.name(), claim.name()))
}
