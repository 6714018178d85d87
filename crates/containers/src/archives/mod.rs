//! Readers of archives and disk images, and which of them reads what.
//!
//! **Invariant:** a reader gives every member that any usual program would find, and marks where programs would differ.
//! It looks behind the end of its archive too ([`behind`]).

mod ace;
mod ar;
mod arj;
mod behind;
mod bunzip;
mod cab;
mod cpio;
mod iso;
mod lha;
mod magic;
mod octets;
mod rar;
mod rar4;
mod rar5;
mod sevenz;
mod single;
mod tar;
mod udf;
mod unlzw;
mod zip;

use crate::{Class, Kind, Visit, documents, names};

/// A way to read a file.
pub(crate) struct Reader {
    read: Read,
    /// What there is to say where it is not what the file seems to be.
    pub(crate) note: &'static str,
}

/// Who reads.
enum Read {
    /// A reader of archives.
    Archive(fn(&[u8], &mut dyn Visit)),
    /// The reader of documents of this kind.
    Document(Kind),
}

impl Reader {
    /// Gives the members.
    pub(crate) fn read(&self, octets: &[u8], visit: &mut dyn Visit) {
        match self.read {
            Read::Archive(read) => read(octets, visit),
            Read::Document(kind) => {
                documents::read(kind, octets, visit);
            }
        }
    }
}

/// The kind of a file.
pub(crate) fn kind_of(octets: &[u8], name: &str) -> Kind {
    match Kind::of(octets, name) {
        Kind::Unknown => magic::of(octets, name),
        kind => kind,
    }
}

/// All readers that have something to say of a file, first the one of its kind.
pub(crate) fn readers(kind: Kind, octets: &[u8], name: &str) -> impl Iterator<Item = Reader> {
    let own: Option<fn(&[u8], &mut dyn Visit)> = match kind {
        Kind::Zip => Some(zip::read),
        Kind::Gzip => Some(single::gzip),
        Kind::Bzip2 => Some(single::bzip2),
        Kind::Xz => Some(single::xz),
        Kind::Lzma => Some(single::lzma),
        Kind::Zstd => Some(single::zstd),
        Kind::Compress => Some(single::compress),
        Kind::Tar => Some(tar::read),
        Kind::SevenZ => Some(sevenz::read),
        Kind::Rar => Some(rar::read),
        Kind::Cab => Some(cab::read),
        Kind::Iso => Some(iso::read),
        Kind::Udf => Some(udf::read),
        Kind::Arj => Some(arj::read),
        Kind::Ace => Some(ace::read),
        Kind::Lzh => Some(lha::read),
        Kind::Ar => Some(ar::read),
        Kind::Cpio => Some(cpio::read),
        _ => None,
    };
    let archive = own.is_some() && matches!(kind.class(), Class::Archive | Class::Image);
    // Who opens it by its name goes by what is at its end, not by what it begins with.
    let claimed = archive && kind != Kind::Zip && is_named_zip(name);
    let zip = own.is_none() && magic::is_zip(octets);
    let raw = magic::holds_files_raw(octets);
    let appended = (!archive || claimed) && !zip && zip::is_appended(octets, raw);
    let within = !archive && !zip && !appended && !raw && behind::holds(octets, is_named(name));
    let disc = !matches!(kind, Kind::Iso | Kind::Udf) && magic::is_disc(octets);
    let behind = match kind == Kind::Zip && !magic::is_zip(octets) {
        true => "a zip archive behind something else",
        false => "",
    };
    let also = kind.also(octets).filter(|also| documents::is_read(*also));
    let reader = |read, note| Reader {
        read: Read::Archive(read),
        note,
    };
    let document = |kind, note| Reader {
        read: Read::Document(kind),
        note,
    };
    [
        own.map(|read| reader(read, behind)),
        documents::is_read(kind).then(|| document(kind, "")),
        also.map(|also| document(also, "a document too")),
        // Documents and programs that are zip archives by design.
        zip.then(|| reader(zip::read, "")),
        appended.then(|| reader(zip::read, "a zip archive at its end")),
        within.then(|| reader(behind::within, "an archive within")),
        (disc && magic::is_iso(octets)).then(|| reader(iso::read, "an ISO 9660 image too")),
        (disc && !magic::is_iso(octets)).then(|| reader(udf::read, "a UDF image too")),
    ]
    .into_iter()
    .flatten()
}

/// Whether programs that read zip archives open a file of this name.
fn is_named_zip(name: &str) -> bool {
    const EXTENSIONS: [&str; 22] = [
        "zip", "zipx", "jar", "war", "ear", "apk", "xpi", "docx", "docm", "dotx", "dotm", "xlsx", "xlsm", "xlsb",
        "xltm", "xlam", "pptx", "pptm", "ppsm", "odt", "ods", "vsdm",
    ];
    names::extension(name).is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

/// Whether a name says that the file is of a form that we read and that no text is. Word and Excel open text under their
/// older names: those say nothing here.
pub(crate) fn is_named_otherwise(name: &str) -> bool {
    const EXTENSIONS: [&str; 34] = [
        "docx", "docm", "dotx", "dotm", "xlsx", "xlsm", "xltx", "xltm", "xlsb", "xlam", "pptx", "pptm", "potx", "potm",
        "ppsx", "ppsm", "ppam", "vsdx", "vsdm", "odt", "ott", "ods", "ots", "odp", "otp", "odg", "pdf", "one", "msg",
        "msi", "xps", "epub", "apk", "xpi",
    ];
    is_named(name) || names::extension(name).is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

/// Whether a name says that the file is an archive or an image of a disc.
pub(crate) fn is_named(name: &str) -> bool {
    const EXTENSIONS: [&str; 36] = [
        "zip", "zipx", "gz", "tgz", "bz2", "tbz", "tbz2", "xz", "txz", "lzma", "tlz", "zst", "tzst", "z", "taz", "tar",
        "7z", "rar", "r00", "r01", "cab", "iso", "udf", "img", "arj", "ace", "lzh", "lha", "deb", "cpio", "jar", "war",
        "lz", "zoo", "001", "daa",
    ];
    names::extension(name).is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}
