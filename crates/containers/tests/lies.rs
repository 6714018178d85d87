//! Archives that show different files to different programs, and files that are more than one thing.

mod seen;
mod written;

use gatepost_containers::{Kind, Limits, Mark};
use seen::{Seen, all, fixture, is_any, marks, named, whole, within};
use written::{Member, deflated, directory, gzip, local, stored, tape, zip};

/// What a member named so came with.
fn content<'s>(seen: &'s [Seen], name: &str) -> &'s [u8] {
    let found = named(seen, name);
    assert!(!found.is_empty(), "no {name} in {:?}", marks(seen));
    found[0].octets.as_deref().unwrap_or_default()
}

fn ambiguous(seen: &[Seen]) {
    assert!(whole(seen).has(Mark::Ambiguous), "{:?}", marks(seen));
}

#[test]
fn an_honest_zip_has_no_mark() {
    let seen = all(
        "a.zip",
        &zip(&[deflated("a.txt", b"one one one"), stored("folder/b.txt", b"two")]),
    );
    assert!(seen.iter().all(|one| one.item.marks.is_empty()), "{:?}", marks(&seen));
    assert_eq!(content(&seen, "a.txt"), b"one one one");
    assert_eq!(content(&seen, "folder/b.txt"), b"two");
    assert_eq!(whole(&seen).item.kind, Kind::Zip);
    assert_eq!(seen[0].path(), "a.zip|a.txt");
}

#[test]
fn a_zip_within_a_zip_is_no_lie() {
    let inner = zip(&[stored("a.txt", b"one")]);
    let seen = all("a.zip", &zip(&[stored("inner.zip", &inner)]));
    assert_eq!(named(&seen, "a.txt")[0].path(), "a.zip|inner.zip|a.txt");
    assert!(seen.iter().all(|one| one.item.marks.is_empty()), "{:?}", marks(&seen));
}

#[test]
fn a_member_that_only_its_own_header_names_is_found() {
    let seen = all(
        "a.zip",
        &zip(&[
            stored("a.txt", b"one"),
            Member {
                listed: false,
                ..deflated("b.exe", b"MZ two")
            },
        ]),
    );
    assert_eq!(content(&seen, "b.exe"), b"MZ two");
    ambiguous(&seen);
}

#[test]
fn a_member_with_two_names_is_judged_by_both() {
    let seen = all(
        "a.zip",
        &zip(&[Member {
            local_name: Some(b"a.exe".to_vec()),
            ..stored("a.txt", b"one")
        }]),
    );
    assert_eq!(content(&seen, "a.exe"), b"one");
    assert_eq!(content(&seen, "a.txt"), b"one");
    ambiguous(&seen);
}

#[test]
fn a_name_in_the_extra_field_is_judged_too() {
    let mut extra = vec![0x75, 0x70, 10, 0, 1];
    extra.extend_from_slice(&crc32fast::hash(b"a.txt").to_le_bytes());
    extra.extend_from_slice(b"b.exe");
    let seen = all(
        "a.zip",
        &zip(&[Member {
            extra,
            ..stored("a.txt", b"one")
        }]),
    );
    assert_eq!(content(&seen, "b.exe"), b"one");
    assert_eq!(content(&seen, "a.txt"), b"one");
    ambiguous(&seen);
}

#[test]
fn a_member_of_two_sizes_hides_nothing_behind_the_smaller() {
    let mut data = b"harmless".to_vec();
    local(&mut data, &stored("b.exe", b"MZ two"));
    let member = Member {
        local_packed: Some(8),
        ..stored("a.txt", &data)
    };
    let seen = all("a.zip", &zip(&[member]));
    assert_eq!(content(&seen, "b.exe"), b"MZ two");
    ambiguous(&seen);
}

#[test]
fn what_stands_behind_the_end_of_deflated_data_is_looked_at() {
    let mut member = deflated("a.txt", b"one");
    local(&mut member.data, &stored("b.exe", b"MZ two"));
    let seen = all("a.zip", &zip(&[member]));
    assert_eq!(content(&seen, "b.exe"), b"MZ two");
    ambiguous(&seen);
}

#[test]
fn two_directories_are_both_read() {
    let one = zip(&[stored("a.txt", b"one")]);
    let mut both = one.clone();
    let at = both.len();
    local(&mut both, &stored("b.exe", b"MZ two"));
    let other = stored("b.exe", b"MZ two");
    directory(&mut both, &[(&other, at)]);
    let seen = all("a.zip", &both);
    assert_eq!(content(&seen, "a.txt"), b"one");
    assert_eq!(content(&seen, "b.exe"), b"MZ two");
    ambiguous(&seen);
}

#[test]
fn a_zip_without_its_directory_is_read_and_damaged() {
    let mut cut = zip(&[deflated("a.txt", b"one one one"), stored("b.txt", b"two")]);
    let end = cut
        .windows(4)
        .position(|four| four == b"PK\x01\x02")
        .expect("a directory");
    cut.truncate(end);
    let seen = all("a.zip", &cut);
    assert_eq!(content(&seen, "a.txt"), b"one one one");
    assert_eq!(content(&seen, "b.txt"), b"two");
    assert!(whole(&seen).has(Mark::Damaged));
}

#[test]
fn a_wrong_checksum_is_damage_of_the_member_whose_octets_come_all_the_same() {
    let seen = all(
        "a.zip",
        &zip(&[Member {
            crc: 1,
            ..deflated("a.txt", b"one")
        }]),
    );
    assert_eq!(content(&seen, "a.txt"), b"one");
    assert!(named(&seen, "a.txt")[0].has(Mark::Damaged) && named(&seen, "a.txt")[0].item.sha256.is_none());
    assert!(!whole(&seen).has(Mark::Damaged));
}

#[test]
fn names_that_lead_out_and_links_are_marked() {
    let link = Member {
        attributes: 0o120_777 << 16,
        ..stored("link", b"/etc/passwd")
    };
    let seen = all(
        "a.zip",
        &zip(&[
            stored("../a", b"1"),
            stored("..\\b", b"2"),
            stored("C:\\c", b"3"),
            stored("/d", b"4"),
            link,
        ]),
    );
    for name in ["../a", "..\\b", "C:\\c", "/d", "link"] {
        assert!(named(&seen, name)[0].has(Mark::Path), "{name}");
    }
    let mut tar = tape("../a", b'0', b"1");
    tar.extend(tape("link", b'2', b""));
    let seen = all("a.tar", &tar);
    assert!(
        named(&seen, "../a")[0].has(Mark::Path) && named(&seen, "link")[0].has(Mark::Path),
        "{:?}",
        marks(&seen)
    );
}

#[test]
fn a_name_with_a_nul_is_read_up_to_it_and_beyond_it() {
    for (name, until, beyond) in [
        ("a.exe\0.txt", "a.exe", "a.exe\u{fffd}.txt"),
        ("a.jpg\0.js", "a.jpg", "a.jpg\u{fffd}.js"),
    ] {
        let seen = all("a.zip", &zip(&[stored(name, b"one")]));
        assert!(named(&seen, until)[0].has(Mark::Ambiguous), "{:?}", marks(&seen));
        assert_eq!(
            (content(&seen, until), content(&seen, beyond)),
            (&b"one"[..], &b"one"[..])
        );
    }
    let seen = all("a.zip", &zip(&[stored("a.jpg\0.js", b"one")]));
    assert_eq!(named(&seen, "a.jpg\u{fffd}.js")[0].item.kind, Kind::JScript);
    let closed = Member {
        flags: 1,
        ..stored("a.jpg\0.exe", b"one")
    };
    let seen = all("a.zip", &zip(&[closed]));
    assert!(
        named(&seen, "a.jpg\u{fffd}.exe")[0].has(Mark::Encrypted),
        "{:?}",
        marks(&seen)
    );
    // Padding is no name.
    let seen = all("a.zip", &zip(&[stored("a.txt\0\0", b"one")]));
    assert_eq!(seen.len(), 2, "{:?}", marks(&seen));
}

#[test]
fn files_of_two_names_within_one_another_are_bounded() {
    let mut archive = zip(&[stored("a\0.txt", b"one")]);
    for _ in 0..4 {
        archive = zip(&[stored("a\0.zip", &archive)]);
    }
    let limits = Limits {
        files: 20,
        ..Limits::default()
    };
    let seen = within("a.zip", &archive, &limits);
    assert!(seen.len() <= 21 && is_any(&seen, Mark::Files), "{:?}", marks(&seen));
}

#[test]
fn a_zip_behind_something_else_is_read() {
    let archive = zip(&[stored("a.exe", b"MZ one")]);
    for front in [
        &b"MZ a program that unpacks itself"[..],
        b"%PDF-1.4\n",
        b"\xff\xd8\xff\xe0 a picture",
        b"plain text\n",
    ] {
        let seen = all("a.bin", &[front, &archive].concat());
        assert_eq!(content(&seen, "a.exe"), b"MZ one");
        assert!(whole(&seen).has(Mark::Polyglot), "{:?}", marks(&seen));
    }
}

#[test]
fn archives_of_other_forms_behind_something_else_are_read() {
    for archive in ["plain.7z", "stored4.rar", "stored5.rar", "mszip.cab", "stored.ace"] {
        let seen = all(
            "a.exe",
            &[b"MZ a program that unpacks itself".as_slice(), &fixture(archive)].concat(),
        );
        assert!(
            seen.iter().any(|one| one.path().ends_with("hello.txt")),
            "{archive}: {:?}",
            marks(&seen)
        );
        assert!(whole(&seen).has(Mark::Polyglot), "{archive}");
    }
}

#[test]
fn what_stands_behind_an_archive_is_looked_at() {
    let hidden = zip(&[stored("b.exe", b"MZ two")]);
    for archive in [
        "same.txt.gz",
        "same.txt.bz2",
        "same.txt.xz",
        "same.txt.zst",
        "stored5.rar",
        "stored4.rar",
        "plain.7z",
        "mszip.cab",
        "stored.lzh",
        "plain.a",
        "newc.cpio",
    ] {
        let seen = all(archive, &[fixture(archive), hidden.clone()].concat());
        assert_eq!(content(&seen, "b.exe"), b"MZ two", "{archive}");
        let seen = all(
            archive,
            &[fixture(archive), vec![0; 100], b"MZ a program".to_vec()].concat(),
        );
        assert!(is_any(&seen, Mark::Polyglot), "{archive}: {:?}", marks(&seen));
    }
    let mut tar = tape("a.txt", b'0', b"one");
    tar.extend([0; 1_024]);
    let seen = all("a.tar", &[tar.clone(), hidden.clone()].concat());
    assert_eq!(content(&seen, "b.exe"), b"MZ two");
    let seen = all(
        "a.zip",
        &[zip(&[stored("a.txt", b"one")]), b"MZ a program".to_vec()].concat(),
    );
    assert!(whole(&seen).has(Mark::Polyglot), "{:?}", marks(&seen));
}

#[test]
fn padding_behind_an_archive_is_nothing() {
    for archive in [
        "same.txt.gz",
        "same.txt.bz2",
        "same.txt.xz",
        "stored5.rar",
        "plain.7z",
        "mszip.cab",
    ] {
        let seen = all(archive, &[fixture(archive), vec![0; 1_000]].concat());
        assert!(
            seen.iter().all(|one| one.item.marks.is_empty()),
            "{archive}: {:?}",
            marks(&seen)
        );
    }
}

#[test]
fn members_of_a_tape_behind_its_end_are_read() {
    let mut tar = tape("a.txt", b'0', b"one");
    tar.extend([0; 1_024]);
    tar.extend(tape("b.exe", b'0', b"MZ two"));
    let seen = all("a.tar", &tar);
    assert_eq!(content(&seen, "b.exe"), b"MZ two");
    ambiguous(&seen);
}

#[test]
fn a_tape_has_long_names_in_two_forms_and_two_that_differ_are_ambiguous() {
    let long = format!("{}/b.exe", "a".repeat(200));
    let gnu = tape("././@LongLink", b'L', format!("{long}\0").as_bytes());
    let record = format!(" path={long}\n");
    let record = format!("{}{record}", record.len() + 3);
    let pax = tape("pax", b'x', record.as_bytes());
    let file = tape("cut", b'0', b"MZ");
    for before in [vec![&gnu], vec![&pax], vec![&gnu, &pax]] {
        let tar = [before.into_iter().flatten().copied().collect(), file.clone()].concat();
        let seen = all("a.tar", &tar);
        assert_eq!(content(&seen, &long), b"MZ");
        assert!(!is_any(&seen, Mark::Ambiguous));
    }
    let other = tape("././@LongLink", b'L', b"other.txt\0");
    ambiguous(&all("a.tar", &[other, pax, file].concat()));
}

#[test]
fn what_lies_raw_in_a_document_is_not_taken_for_something_behind_it() {
    let archive = zip(&[stored("a.txt", b"one")]);
    for head in [&b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"[..], b"\x78\x9f\x3e\x22"] {
        let seen = all(
            "a.msg",
            &[head, &[0; 512], &archive, &fixture("stored5.rar"), &[0; 400]].concat(),
        );
        assert!(!is_any(&seen, Mark::Polyglot), "{:?}", marks(&seen));
        // But what ends with the file was put there.
        let seen = all("a.msg", &[head, &[0; 512], &archive].concat());
        assert!(is_any(&seen, Mark::Polyglot), "{:?}", marks(&seen));
    }
}

#[test]
fn a_disc_that_begins_as_a_program_is_read_as_a_disc() {
    let disc = all("both.iso.xz", &fixture("both.iso.xz"))
        .into_iter()
        .find(|one| one.item.kind == Kind::Iso);
    let mut disc = disc.and_then(|one| one.octets).expect("an image");
    disc[..2].copy_from_slice(b"MZ");
    let seen = all("a.exe", &disc);
    assert!(
        seen.iter().any(|one| one.path().ends_with("hello.txt")),
        "{:?}",
        marks(&seen)
    );
    // A file of another kind that is a disc too.
    disc[..4].copy_from_slice(b"Rar!");
    let seen = all("a.rar", &disc);
    assert!(
        seen.iter().any(|one| one.path().ends_with("hello.txt")),
        "{:?}",
        marks(&seen)
    );
}

#[test]
fn a_disc_whose_trees_differ_is_ambiguous() {
    let disc = all("both.iso.xz", &fixture("both.iso.xz"))
        .into_iter()
        .find(|one| one.item.kind == Kind::Iso);
    let mut disc = disc.and_then(|one| one.octets).expect("an image");
    let wide: Vec<u8> = "hello.txt".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let at = disc
        .windows(wide.len())
        .position(|name| name == wide)
        .expect("a name of Joliet");
    disc[at + wide.len() - 6..at + wide.len()].copy_from_slice(b"\0e\0x\0e");
    let seen = all("a.iso", &disc);
    assert!(
        !named(&seen, "hello.exe").is_empty() && !named(&seen, "hello.txt").is_empty(),
        "{:?}",
        marks(&seen)
    );
    ambiguous(&seen);
}

#[test]
fn a_gzip_that_is_named_in_two_ways_is_ambiguous() {
    let seen = all("a.txt.gz", &gzip(Some("a.exe"), b"MZ"));
    assert!(named(&seen, "a.exe")[0].has(Mark::Ambiguous));
    for (outer, inner) in [
        ("a.txt.gz", Some("b.txt")),
        ("a.tgz", Some("b.tar")),
        ("a.txt.gz", None),
        ("a.gz", Some("a.log")),
    ] {
        let seen = all(outer, &gzip(inner, b"text"));
        assert!(!is_any(&seen, Mark::Ambiguous), "{outer}: {:?}", marks(&seen));
    }
}

#[test]
fn a_gzip_is_read_under_its_own_name_and_under_that_of_its_packing() {
    // gunzip goes by the second, whatever the first is.
    for inner in ["a", "a.txt"] {
        let seen = all("a.js.gz", &gzip(Some(inner), b"text"));
        assert_eq!(named(&seen, "a.js")[0].item.kind, Kind::JScript, "{:?}", marks(&seen));
        assert_eq!(content(&seen, inner), b"text");
    }
    for name in ["a.js.gz.", "a.js.gz ", "a.js.GZ\t"] {
        let seen = all(name, &gzip(None, b"text"));
        assert_eq!(named(&seen, "a.js")[0].item.kind, Kind::JScript, "{:?}", marks(&seen));
    }
}

#[test]
fn gzip_files_one_behind_another_are_one() {
    let seen = all("a.txt.gz", &[gzip(None, b"one "), gzip(None, b"two")].concat());
    assert_eq!(content(&seen, "a.txt"), b"one two");
}

#[test]
fn what_is_named_an_archive_and_is_none_is_damaged() {
    for name in ["a.zip", "a.RAR", "a.7z", "a.iso"] {
        assert!(
            whole(&all(name, b"\x01\x02\x03 nothing that we know \xff\xfe")).has(Mark::Damaged),
            "{name}"
        );
    }
    // Text is none of these forms either.
    for name in [
        "a.zip", "a.RAR", "a.7z", "a.tar", "a.gz", "a.docx", "a.xlsm", "a.pdf", "a.one", "a.odt", "a.msg",
    ] {
        assert!(
            whole(&all(name, b"nothing that we know\n")).has(Mark::Damaged),
            "{name}"
        );
    }
    // Nothing can lie in so few words.
    assert!(!is_any(&all("a.pdf", b"blah blah blah"), Mark::Damaged));
    assert!(!is_any(&all("a.gz", b"blah blah blah"), Mark::Damaged));
    // What their programs open as text is no damage.
    for name in ["a.doc", "a.xls", "a.txt", "a.csv", "a"] {
        assert!(!is_any(&all(name, b"one\ttwo\n"), Mark::Damaged), "{name}");
    }
    let mut damaged = zip(&[stored("a.exe", b"MZ one")]);
    damaged.truncate(damaged.len() - 30);
    let seen = all("a.zip", &[b"\x01\x02\x03".as_slice(), &damaged].concat());
    assert_eq!(content(&seen, "a.exe"), b"MZ one");
    assert!(whole(&seen).has(Mark::Damaged));
}
