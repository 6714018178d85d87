//! Containers of ours, each with one file in it, for the tests of this crate and of the program.
#![allow(dead_code, reason = "each test uses its part")]

mod archives;
mod documents;
pub mod encoded;
#[path = "../../../containers/tests/written/mod.rs"]
pub mod written;

/// A file with another one in it.
#[derive(Clone)]
pub struct Packed {
    pub name: String,
    pub mime: &'static str,
    pub octets: Vec<u8>,
}

/// What is made of a file.
pub fn packed(name: impl Into<String>, mime: &'static str, octets: Vec<u8>) -> Packed {
    let name = name.into();
    Packed { name, mime, octets }
}

/// A form in which a file may travel.
pub struct Container {
    pub what: &'static str,
    /// The name of the file within stands in it, and our readers tell it.
    pub names: bool,
    /// It is refused whatever is in it.
    pub refused: bool,
    /// It is read in two ways, or acts by itself, so that it is a finding whatever is in it.
    pub doubtful: bool,
    pub pack: fn(&str, &[u8]) -> Packed,
}

const fn plain(what: &'static str, pack: fn(&str, &[u8]) -> Packed) -> Container {
    Container {
        what,
        names: true,
        refused: false,
        doubtful: false,
        pack,
    }
}

const fn doubtful(what: &'static str, pack: fn(&str, &[u8]) -> Packed) -> Container {
    Container {
        doubtful: true,
        ..plain(what, pack)
    }
}

const fn refused(what: &'static str, pack: fn(&str, &[u8]) -> Packed) -> Container {
    Container {
        refused: true,
        ..doubtful(what, pack)
    }
}

const fn nameless(what: &'static str, pack: fn(&str, &[u8]) -> Packed) -> Container {
    Container {
        names: false,
        ..plain(what, pack)
    }
}

/// All of them.
pub const CONTAINERS: &[Container] = &[
    plain("nothing", |name, content| {
        packed(name, "application/octet-stream", content.to_vec())
    }),
    plain("zip, deflated", archives::deflated),
    plain("zip, stored", archives::stored),
    plain("zip in zip", archives::zip_in_zip),
    plain("zip in three zips", archives::zip_in_three),
    doubtful("zip behind other octets", archives::zip_behind),
    doubtful("zip without a directory", archives::only_locals),
    doubtful("zip whose directory leaves it out", archives::unlisted),
    doubtful("zip whose directory calls it otherwise", archives::other_name),
    doubtful("zip whose own header calls it otherwise", archives::other_local_name),
    plain("gzip", archives::gzip),
    nameless("gzip by its own name only", archives::gzip_without_name),
    plain("tar", archives::tar),
    plain("tar.gz", archives::tar_gz),
    plain("zip in tar.gz", archives::zip_in_tar_gz),
    plain("7z", archives::sevenz),
    plain("rar 4, stored", archives::rar4),
    plain("rar 5, stored", archives::rar5),
    plain("cab", archives::cab),
    refused("iso", archives::iso),
    refused("self-extractor", archives::self_extractor),
    doubtful("pdf and zip at once", documents::pdf_and_zip),
    plain("package in a document of Word", documents::package),
    plain("docx", documents::docx),
    plain("package in docx", documents::package_in_docx),
    plain("pdf", documents::pdf),
    plain("rtf", documents::rtf),
    nameless("OneNote", documents::onenote),
    Container {
        doubtful: true,
        ..nameless("web page with a script", documents::smuggling)
    },
    Container {
        doubtful: true,
        ..nameless("web page with a link of data", documents::data_link)
    },
    plain("msg", documents::msg),
    plain("tnef", documents::tnef),
    plain("zip in tnef", documents::zip_in_tnef),
    plain("eml", documents::eml),
    plain("eml in zip", documents::eml_in_zip),
    plain("eml in eml", documents::eml_in_eml),
];

/// The smallest that is taken for a program of Windows.
pub fn program() -> Vec<u8> {
    let mut octets = vec![0; 0x40];
    octets[..2].copy_from_slice(b"MZ");
    octets[0x3c] = 0x40;
    octets.extend_from_slice(b"PE\0\0\x4c\x01\x01\0");
    octets.resize(0x200, 0x90);
    octets
}

/// The test file of the makers of scanners, which is not to stand here as a whole.
pub fn eicar() -> Vec<u8> {
    let halves = [
        "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STAND",
        "ARD-ANTIVIRUS-TEST-FILE!$H+H*",
    ];
    halves.concat().into_bytes()
}
