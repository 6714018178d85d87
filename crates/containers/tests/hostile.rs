//! Archives made to get past, to fill the memory or to take long.

mod seen;
mod written;

use std::cell::Cell;

use gatepost_containers::{Kind, Limits, Mark, examine};
use seen::{all, fixture, is_any, marks, named, whole, within};
use written::{gzip, stored, tape, zip};

/// A 7-Zip archive of these packed octets and this directory.
fn sevenz(packed: &[u8], directory: &[u8]) -> Vec<u8> {
    let mut head = (packed.len() as u64).to_le_bytes().to_vec();
    head.extend_from_slice(&(directory.len() as u64).to_le_bytes());
    head.extend_from_slice(&crc32fast::hash(directory).to_le_bytes());
    let mut out = b"7z\xbc\xaf\x27\x1c\0\x04".to_vec();
    out.extend_from_slice(&crc32fast::hash(&head).to_le_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(packed);
    out.extend_from_slice(directory);
    out
}

/// Streams of a directory: one folder for each packed size, stored, and what is said of its parts.
fn folders(sizes: &[u8], parts: &[u8]) -> Vec<u8> {
    let many = sizes.len() as u8;
    let mut out = vec![0x04, 0x06, 0, many, 0x09];
    out.extend_from_slice(sizes);
    out.extend_from_slice(&[0, 0x07, 0x0b, many, 0]);
    for _ in sizes {
        out.extend_from_slice(&[1, 1, 0]);
    }
    out.push(0x0c);
    out.extend_from_slice(sizes);
    out.push(0);
    out.extend_from_slice(parts);
    out.push(0);
    out
}

/// The list of one file named `a`, and more properties.
fn files(more: &[u8]) -> Vec<u8> {
    let mut out = vec![0x05, 1, 0x11, 5, 0, b'a', 0, 0, 0];
    out.extend_from_slice(more);
    out.push(0);
    out
}

#[test]
fn a_7z_of_plain_lists_is_read() {
    let directory = [&[1][..], &folders(&[3], &[]), &files(&[]), &[0]].concat();
    let seen = all("a.7z", &sevenz(b"one", &directory));
    assert_eq!(
        named(&seen, "a")[0].octets.as_deref(),
        Some(&b"one"[..]),
        "{:?}",
        marks(&seen)
    );
    assert!(!is_any(&seen, Mark::Damaged));
}

#[test]
fn a_list_that_a_7z_gives_twice_is_damage() {
    for directory in [
        // Files, which would add up without end.
        [&[1][..], &folders(&[3], &[]), &files(&[]), &files(&[]), &[0]].concat(),
        // Streams.
        [&[1][..], &folders(&[3], &[]), &folders(&[3], &[]), &files(&[]), &[0]].concat(),
        // Parts of folders, each of which costs as much as there are folders.
        [&[1][..], &folders(&[3], &[0x08, 0, 0x08, 0]), &files(&[]), &[0]].concat(),
        // Checksums of none.
        [
            &[1][..],
            &folders(&[3], &[0x08, 0x0a, 0, 0, 0x0a, 0, 0, 0]),
            &files(&[]),
            &[0],
        ]
        .concat(),
        // Properties of files.
        [&[1][..], &folders(&[3], &[]), &files(&[0x0f, 0, 0x0f, 0]), &[0]].concat(),
    ] {
        let seen = all("a.7z", &sevenz(b"one", &directory));
        assert!(whole(&seen).has(Mark::Damaged), "{:?}", marks(&seen));
    }
}

#[test]
fn a_7z_of_more_files_than_are_followed_says_so() {
    // A hundred thousand files of nothing: the bits that say so, and no names.
    let mut directory = vec![1, 0x05, 0xc1, 0xa0, 0x86];
    directory.extend_from_slice(&[0x0e, 0xb0, 0xd4]);
    directory.extend_from_slice(&[0xff; 12_500]);
    directory.extend_from_slice(&[0, 0]);
    let seen = all("a.7z", &sevenz(b"", &directory));
    assert!(whole(&seen).has(Mark::Files), "{:?}", marks(&seen));
    assert!(
        marks(&seen)[0].contains("more files than are followed"),
        "{:?}",
        marks(&seen)
    );
}

#[test]
fn a_step_of_a_7z_that_many_take_is_damage() {
    // Three steps: the first takes the second four times, the third is there for its outputs.
    let mut directory = vec![1, 0x04, 0x06, 0, 1, 0x09, 3, 0, 0x07, 0x0b, 1, 0, 3];
    directory.extend_from_slice(&[0x14, 3, 3, 1, 0x1b, 4, 1, 1, 0, 0x11, 0, 0, 3]);
    directory.extend_from_slice(&[0, 1, 1, 1, 2, 1, 3, 1]);
    directory.extend_from_slice(&[0x0c, 3, 3, 3, 3, 3, 0, 0]);
    directory.extend_from_slice(&files(&[]));
    directory.push(0);
    let seen = all("a.7z", &sevenz(b"one", &directory));
    assert!(whole(&seen).has(Mark::Damaged) && seen.len() == 1, "{:?}", marks(&seen));
}

#[test]
fn content_of_a_7z_without_a_name_is_looked_at() {
    let directory = [&[1][..], &folders(&[3, 5], &[]), &files(&[]), &[0]].concat();
    let seen = all("a.7z", &sevenz(b"oneMZtwo", &directory));
    assert!(
        seen.iter().any(|one| one.octets.as_deref() == Some(b"MZtwo")),
        "{:?}",
        marks(&seen)
    );
}

#[test]
fn names_of_any_length_keep_their_extension() {
    let name: Vec<u8> = "a/"
        .repeat(3_000)
        .bytes()
        .chain(*b"b.exe")
        .flat_map(|octet| [octet, 0])
        .collect();
    let len = (name.len() + 3) as u16;
    let mut list = vec![0x05, 1, 0x11, 0x80 | (len >> 8) as u8, len as u8, 0];
    list.extend_from_slice(&name);
    list.extend_from_slice(&[0, 0, 0]);
    let directory = [&[1][..], &folders(&[3], &[]), &list, &[0]].concat();
    let seen = all("a.7z", &sevenz(b"one", &directory));
    assert!(seen[0].path().ends_with("b.exe"), "{:?}", marks(&seen));
}

#[test]
fn a_directory_that_only_some_programs_find_is_read() {
    // One directory lies right before the end, another where the end says that one is.
    let mut octets = zip(&[stored("a.txt", b"one")]);
    let end = octets.len() - 22;
    let begin = octets
        .windows(4)
        .position(|four| four == b"PK\x01\x02")
        .expect("a directory");
    let directory = octets[begin..end].to_vec();
    let mut other = directory.clone();
    let at = other.windows(5).position(|name| name == b"a.txt").expect("a name");
    other[at..at + 5].copy_from_slice(b"a.jse");
    octets.splice(begin..begin, other);
    let seen = all("a.zip", &octets);
    for name in ["a.txt", "a.jse"] {
        assert!(!named(&seen, name).is_empty(), "{name}: {:?}", marks(&seen));
    }
    assert!(whole(&seen).has(Mark::Ambiguous));
}

#[test]
fn ends_that_are_none_do_not_hide_the_one_that_is() {
    let mut octets = b"%PDF-1.4\n".to_vec();
    octets.extend_from_slice(&zip(&[stored("a.exe", b"MZ")]));
    let at = octets.len() - 2;
    let comment = b"PK\x05\x06....".repeat(100);
    octets[at..].copy_from_slice(&(comment.len() as u16).to_le_bytes());
    octets.extend_from_slice(&comment);
    let seen = all("a.pdf", &octets);
    assert!(!named(&seen, "a.exe").is_empty(), "{:?}", marks(&seen));
}

#[test]
fn a_zip_behind_what_is_read_in_another_form_is_read() {
    let behind = zip(&[stored("a.exe", b"MZ")]);
    let lzma = fixture("same.txt.lzma");
    // The packed octets of compress are of nine bits and never wrong once the codes are all defined.
    let compress = [&b"\x1f\x9d\x09"[..], &[b'a', b'a' << 1, 0x84].repeat(120)].concat();
    let mut cab = fixture("stored.cab");
    cab[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    let arj = b"\x60\xea\xff\xff".to_vec();
    let mut forms = vec![("lzma", lzma), ("compress", compress), ("cab", cab), ("arj", arj)];
    forms.push(("iso", unpacked("plain.iso.xz")));
    for (form, begin) in forms {
        let seen = all("a.zip", &[&begin[..], &behind].concat());
        assert!(!named(&seen, "a.exe").is_empty(), "{form}: {:?}", marks(&seen));
        assert!(is_any(&seen, Mark::Polyglot), "{form}: {:?}", marks(&seen));
        assert_ne!(whole(&seen).item.kind, Kind::Zip, "{form}");
    }
}

/// What a fixture unpacks to.
fn unpacked(name: &str) -> Vec<u8> {
    let content = all(name, &fixture(name))
        .into_iter()
        .find(|one| one.item.path.len() == 2);
    content.and_then(|one| one.octets).expect("the content")
}

/// A header of pax for the next member, with these records.
fn pax(kind: u8, records: &[(&str, &str)]) -> Vec<u8> {
    let mut content = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let len = (1..)
            .find(|len: &usize| len.to_string().len() + rest == *len)
            .expect("a length");
        content.extend_from_slice(format!("{len} {key}={value}\n").as_bytes());
    }
    tape("pax", kind, &content)
}

#[test]
fn a_long_header_of_a_tape_hides_no_name() {
    let records = pax(b'x', &[("comment", &"c".repeat(100_000)), ("path", "a.exe")]);
    let seen = all("a.tar", &[records, tape("a.txt", b'0', b"one")].concat());
    assert!(!named(&seen, "a.exe").is_empty(), "{:?}", marks(&seen));
}

#[test]
fn what_readers_of_tapes_take_in_two_ways_is_ambiguous() {
    for records in [
        // A size of nothing: what follows is content to one and members to the other.
        pax(b'x', &[("size", "0")]),
        // A name for all members.
        pax(b'g', &[("path", "a.exe")]),
        // A map of holes before the content.
        pax(b'x', &[("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0")]),
    ] {
        let inner = tape("b.txt", b'0', b"two");
        let seen = all("a.tar", &[records, tape("a.txt", b'0', &inner)].concat());
        assert!(whole(&seen).has(Mark::Ambiguous), "{:?}", marks(&seen));
    }
    let records = pax(b'g', &[("comment", "of git")]);
    let seen = all(
        "a.tar",
        &[records, pax(b'x', &[("size", "3")]), tape("a.txt", b'0', b"one")].concat(),
    );
    assert!(seen.iter().all(|one| one.item.marks.is_empty()), "{:?}", marks(&seen));
}

#[test]
fn files_of_nothing_one_behind_another_are_read_over_no_further_than_is_quick() {
    let zstd = b"\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00";
    for (name, one) in [("a.gz", gzip(None, b"")), ("a.zst", zstd.to_vec())] {
        let seen = all(name, &one.repeat(3));
        assert!(!is_any(&seen, Mark::Damaged), "{name}: {:?}", marks(&seen));
        // Each costs ten thousand times its octets.
        let seen = all(name, &one.repeat(2_000));
        assert!(is_any(&seen, Mark::Damaged), "{name}: {:?}", marks(&seen));
    }
}

#[test]
fn in_a_packed_stream_that_holds_nothing_the_time_is_asked_for() {
    // Stored blocks without octets, none of them the last.
    let blocks = [0, 0, 0, 0xff, 0xff].repeat(200_000);
    let gzip = [b"\x1f\x8b\x08\0\0\0\0\0\0\0", &blocks[..]].concat();
    let mut member = stored("a", b"");
    (member.method, member.data) = (8, blocks);
    for (name, octets) in [("a.gz", gzip), ("a.zip", zip(&[member]))] {
        let (asked, mut marks) = (Cell::new(0), Vec::new());
        let spent = || {
            asked.set(asked.get() + 1);
            asked.get() > 8
        };
        examine(name, None, &octets, &Limits::default(), &spent, &mut |item, _| {
            marks.extend(item.marks.clone());
        });
        assert!(marks.iter().any(|(mark, _)| *mark == Mark::Time), "{name}: {marks:?}");
    }
}

#[test]
fn headers_that_stand_close_together_are_not_each_read_to_the_end() {
    // Each has a name of 60,000 octets and as many fields that ask for its checksum as there is room for; together they
    // are what would take minutes.
    let header = [
        &b"PK\x03\x04"[..],
        &[0xff; 22],
        &60_000_u16.to_le_bytes(),
        &63_000_u16.to_le_bytes(),
    ]
    .concat();
    let field = [0x75, 0x70, 5, 0, 1, 1, 2, 3, 4];
    let seen = all("a.zip", &[header.repeat(2_000), field.repeat(14_000)].concat());
    assert!(whole(&seen).has(Mark::Damaged) && seen.len() == 1, "{:?}", marks(&seen));
}

#[test]
fn what_an_unpacked_file_does_not_take_is_left_for_what_is_in_it() {
    let members: Vec<u8> = (0..3).flat_map(|_| tape("a", b'0', &[7; 160_000])).collect();
    let limits = Limits {
        memory: 700_000,
        ..Limits::default()
    };
    let seen = within("a.tar.gz", &gzip(None, &members), &limits);
    assert!(seen.len() == 5 && !is_any(&seen, Mark::Octets), "{:?}", marks(&seen));
}

#[test]
fn long_names_of_a_library_end_as_microsoft_ends_them() {
    let member = |name: &str, content: &[u8]| {
        let header = format!("{name:<48}{:<10}`\n", content.len());
        [header.as_bytes(), content].concat()
    };
    let library = [
        &b"!<arch>\n"[..],
        &member("//", b"one.dll\0two.dll\0"),
        &member("/8", b"MZ"),
    ]
    .concat();
    let seen = all("a.lib", &library);
    assert_eq!(seen[0].path(), "a.lib|two.dll");
    assert!(seen[0].item.marks.is_empty(), "{:?}", marks(&seen));
}

/// A disc of these descriptors and this one folder.
fn disc(descriptors: &[u8], folder: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 16 * 2_048];
    for kind in descriptors {
        let mut descriptor = vec![0; 2_048];
        descriptor[0] = *kind;
        descriptor[1..6].copy_from_slice(b"CD001");
        descriptor[128..130].copy_from_slice(&2_048_u16.to_le_bytes());
        descriptor[158..162].copy_from_slice(&(16 + descriptors.len() as u32).to_le_bytes());
        descriptor[166..170].copy_from_slice(&(folder.len() as u32).to_le_bytes());
        out.extend_from_slice(&descriptor);
    }
    out.extend_from_slice(folder);
    out
}

/// The record of a file without octets.
fn record(name: u8, flags: u8) -> Vec<u8> {
    let mut out = vec![0; 34];
    (out[0], out[25], out[32], out[33]) = (34, flags, 1, name);
    out
}

#[test]
fn a_disc_of_more_descriptors_than_are_looked_at_says_so() {
    let seen = all("a.iso", &disc(&[1, 255], &record(b'a', 0)));
    assert!(whole(&seen).item.marks.is_empty(), "{:?}", marks(&seen));
    let seen = all(
        "a.iso",
        &disc(&[[1].as_slice(), &[0; 40], &[2, 255]].concat(), &record(b'a', 0)),
    );
    assert!(whole(&seen).has(Mark::Unread), "{:?}", marks(&seen));
}

#[test]
fn pieces_of_a_file_on_a_disc_are_bounded() {
    let mut sector = record(b'a', 0x80).repeat(60);
    sector.resize(2_048, 0);
    let seen = all("a.iso", &disc(&[1, 255], &sector.repeat(1_200)));
    assert!(whole(&seen).has(Mark::Files), "{:?}", marks(&seen));
    // And so are those of many trees over the same octets.
    let seen = all(
        "a.iso",
        &disc(&[[1].repeat(30).as_slice(), &[255]].concat(), &sector.repeat(100)),
    );
    assert!(whole(&seen).has(Mark::Files), "{:?}", marks(&seen));
}

#[test]
fn a_file_on_a_disc_of_which_not_all_is_recorded_is_damaged() {
    let mut disc = unpacked("udf.iso.xz");
    // Without its trees of ISO 9660.
    disc[16 * 2_048..19 * 2_048].fill(0);
    let whole_one = all("a.img", &disc);
    assert!(!is_any(&whole_one, Mark::Damaged), "{:?}", marks(&whole_one));
    let mut entries = 0;
    for at in (0..disc.len()).step_by(2_048) {
        // The entry of a file, and in it how long that is.
        if disc[at..].starts_with(&[5, 1]) && disc[at + 27] == 5 {
            disc[at + 58] += 1;
            entries += 1;
        }
    }
    assert!(entries > 0);
    let seen = all("a.img", &disc);
    assert_eq!(
        seen.iter().filter(|one| one.has(Mark::Damaged)).count(),
        entries,
        "{:?}",
        marks(&seen)
    );
}
