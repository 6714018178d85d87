//! Archives that other programs made, which `fixtures/make.sh` keeps, are read as these programs read them.

mod seen;

use gatepost_containers::{Item, Mark};
use seen::{Seen, all, fixture, is_any, marks, named, whole};

const HELLO: &str = "Hello, gate.\n";

fn same() -> String {
    "The same line again and again.\n".repeat(40)
}

/// The texts by name, wherever they lie.
fn holds(archive: &str, seen: &[Seen], name: &str, text: &str) {
    let found: Vec<_> = seen
        .iter()
        .filter(|one| {
            one.item
                .path
                .last()
                .is_some_and(|last| last.trim_start_matches("./") == name)
        })
        .collect();
    assert!(!found.is_empty(), "{archive}: no {name} in {:?}", marks(seen));
    for one in found {
        assert_eq!(
            one.octets.as_deref().map(String::from_utf8_lossy).as_deref(),
            Some(text),
            "{archive}: {name}"
        );
        assert_eq!(one.item.octets, text.len() as u64);
        assert!(
            one.item.sha256.is_some() && one.item.marks.is_empty(),
            "{archive}: {:?}",
            one.item
        );
    }
}

fn clean(archive: &str, seen: &[Seen]) {
    assert!(
        seen.iter().all(|one: &Seen| one.item.marks.is_empty()),
        "{archive}: {:?}",
        marks(seen)
    );
}

#[test]
fn archives_of_other_programs_hold_what_was_packed() {
    for archive in [
        "plain.7z",
        "bzip2.7z",
        "deflate.7z",
        "copy.7z",
        "bcj2.7z",
        "copy.zip",
        "deflate.zip",
        "deflate64.zip",
        "bzip2.zip",
        "lzma.zip",
        "info.zip",
        "gnu.tar.gz",
        "pax.tar.gz",
        "v7.tar.gz",
        "newc.cpio",
        "odc.cpio",
        "bin.cpio",
        "crc.cpio",
        "plain.a",
        "mszip.cab",
        "stored.cab",
        "both.iso.xz",
        "udf.iso.xz",
    ] {
        let seen = all(archive, &fixture(archive));
        holds(archive, &seen, "hello.txt", HELLO);
        holds(archive, &seen, "same.txt", &same());
        clean(archive, &seen);
    }
}

#[test]
fn long_names_in_folders_come_whole() {
    let name = "a rather long name, ünd so on.txt";
    for archive in [
        "plain.7z",
        "info.zip",
        "gnu.tar.gz",
        "pax.tar.gz",
        "plain.a",
        "both.iso.xz",
        "udf.iso.xz",
    ] {
        let seen = all(archive, &fixture(archive));
        assert!(
            seen.iter().any(|one| one.path().ends_with(name)),
            "{archive}: {:?}",
            marks(&seen)
        );
    }
}

#[test]
fn forms_that_pack_one_file_give_it_under_its_own_name() {
    for archive in [
        "same.txt.gz",
        "same.txt.xz",
        "same.txt.lzma",
        "same.txt.bz2",
        "same.txt.zst",
        "same.txt.Z",
    ] {
        let seen = all(archive, &fixture(archive));
        holds(archive, &seen, "same.txt", &same());
        clean(archive, &seen);
        assert_eq!(seen.len(), 2);
    }
}

#[test]
fn a_disc_with_plain_names_only_is_read() {
    let seen = all("plain.iso.xz", &fixture("plain.iso.xz"));
    holds("plain.iso.xz", &seen, "HELLO.TXT", HELLO);
    holds("plain.iso.xz", &seen, "SAME.TXT", &same());
    clean("plain.iso.xz", &seen);
}

#[test]
fn stored_members_of_rar_come_with_their_names_in_unicode() {
    for archive in ["stored4.rar", "stored5.rar"] {
        let seen = all(archive, &fixture(archive));
        holds(archive, &seen, "hello.txt", HELLO);
        holds(archive, &seen, "ü.txt", "wide\n");
        clean(archive, &seen);
    }
}

#[test]
fn old_forms_give_what_is_stored() {
    for archive in ["stored.arj", "stored.lzh", "stored.ace"] {
        let seen = all(archive, &fixture(archive));
        holds(archive, &seen, "hello.txt", HELLO);
        clean(archive, &seen);
    }
}

fn closed(archive: &str, name: &str, mark: Mark) -> Item {
    let seen = all(archive, &fixture(archive));
    let found = named(&seen, name);
    assert!(
        found.len() == 1 && found[0].has(mark) && found[0].octets.is_none(),
        "{archive}: {:?}",
        marks(&seen)
    );
    whole(&seen).item.clone()
}

#[test]
fn what_is_packed_in_a_way_that_we_do_not_read_is_named_and_unread() {
    closed("packed4.rar", "virus.exe", Mark::Unread);
    closed("packed5.rar", "virus.exe", Mark::Unread);
    closed("packed.arj", "same.txt", Mark::Unread);
    closed("ppmd.7z", "hello.txt", Mark::Unread);
    closed("ppmd.zip", "same.txt", Mark::Unread);
}

#[test]
fn what_wants_a_password_is_named_and_encrypted_and_so_is_its_archive() {
    for (archive, name) in [
        ("encrypted.zip", "hello.txt"),
        ("aes.zip", "hello.txt"),
        ("encrypted.7z", "hello.txt"),
        ("encrypted4.rar", "virus.exe"),
        ("encrypted5.rar", "virus.exe"),
        ("encrypted.arj", "hello.txt"),
    ] {
        assert!(closed(archive, name, Mark::Encrypted).has(Mark::Encrypted), "{archive}");
    }
}

#[test]
fn where_the_names_want_a_password_too_the_archive_is_encrypted() {
    for archive in ["encrypted-names.7z", "encrypted-names4.rar", "encrypted-names5.rar"] {
        let seen = all(archive, &fixture(archive));
        assert!(
            seen.len() == 1 && whole(&seen).has(Mark::Encrypted),
            "{archive}: {:?}",
            marks(&seen)
        );
    }
}

#[test]
fn a_zip_whose_sizes_have_64_bits_is_read() {
    let seen = all("zip64.zip", &fixture("zip64.zip"));
    holds("zip64.zip", &seen, "hello.txt", HELLO);
    clean("zip64.zip", &seen);
}

#[test]
fn a_member_of_which_only_its_end_tells_the_size_is_read() {
    let seen = all("streamed.zip", &fixture("streamed.zip"));
    holds("streamed.zip", &seen, "-", "streamed\n");
    assert!(!is_any(&seen, Mark::Ambiguous), "{:?}", marks(&seen));
}
