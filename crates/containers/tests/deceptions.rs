//! Documents that say one thing to us and another to who opens them.
#![allow(unused_imports, reason = "the oracle takes the names from here")]

use std::io::Write;

use compound::compound;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use gatepost_containers::{File, Flow, Kind, Mark, Visit, documents};
use oracle::read;

#[path = "oracle/compound.rs"]
mod compound;
#[path = "oracle/documents.rs"]
mod oracle;

const PROGRAM: &[u8] = b"MZ is what a program begins with";

#[test]
fn values_that_take_no_room_are_not_counted_one_by_one() {
    // Properties of no octets, each of which says that it has thousands of values.
    let property = b"\x01\x10\x01\x00\x00\x10\x00\x00".repeat(4_096);
    let list = [&4_096u32.to_le_bytes()[..], &property].concat();
    let mut octets = b"\x78\x9f\x3e\x22\0\0".to_vec();
    for _ in 0..4 {
        octets.extend_from_slice(b"\x01\x03\x90\x06\0");
        octets.extend_from_slice(&(list.len() as u32).to_le_bytes());
        octets.extend_from_slice(&list);
        octets.extend_from_slice(&[0; 2]);
    }
    // A value of nothing is none that a mail has.
    assert_eq!(read(Kind::Tnef, &octets).marks(), [Mark::Damaged]);
}

#[test]
fn a_sheet_is_read_to_its_end() {
    let text = format!("ID;P\r\n{}C;X1;Y1;E=EXEC(\"calc\")\r\n", "C;X2;K1\r\n".repeat(40_000));
    assert_eq!(read(Kind::Slk, text.as_bytes()).marks(), [Mark::Fetches]);
}

#[test]
fn a_macro_behind_much_else_is_told_of() {
    // Chunks of 4096 equal octets each, then the name, in a document that is large by other things.
    let begin = b"\0Attribut\0e VB_Nam";
    let mut packed = vec![1u8];
    packed.extend_from_slice(&((begin.len() as u16 - 1) | 0xb000).to_le_bytes());
    packed.extend_from_slice(begin);
    let chunk = [&b"\x02'"[..], &0x0fffu16.to_le_bytes()].concat();
    let mut chunk_of = ((chunk.len() as u16 - 1) | 0xb000).to_le_bytes().to_vec();
    chunk_of.extend_from_slice(&chunk);
    for _ in 0..1_100 {
        packed.extend_from_slice(&chunk_of);
    }
    let name = b"\0\nSub Aut\0oOpen()\n";
    packed.extend_from_slice(&((name.len() as u16 - 1) | 0xb000).to_le_bytes());
    packed.extend_from_slice(name);
    let heard = read(
        Kind::Doc,
        &compound(&[("/Macros/VBA/One", &packed), ("/pictures", &[0; 400_000])]),
    );
    assert_eq!(heard.marks(), [Mark::Octets, Mark::Macro]);
}

#[test]
fn what_slides_pack_is_given_whatever_its_length_is_said_to_be() {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(PROGRAM).unwrap();
    let packed = [&2u32.to_le_bytes()[..], &packed.finish().unwrap()].concat();
    let object = [b"\x10\0\x11\x10", &(packed.len() as u32).to_le_bytes()[..], &packed].concat();
    let heard = read(Kind::Ppt, &compound(&[("/PowerPoint Document", &object)]));
    assert_eq!(
        (heard.file("object"), heard.marks()),
        (Some(PROGRAM), vec![Mark::Damaged])
    );
}

#[test]
fn a_package_is_given_under_its_wide_names_too() {
    let mut package = b"\x02\0a.txt\0C:\\a.txt\0\0\0\x03\0\x06\0\0\0a.txt\0".to_vec();
    package.extend_from_slice(&2u32.to_le_bytes());
    package.extend_from_slice(b"MZ");
    for name in ["C:\\t\\a.exe", "a.exe", "C:\\a.exe"] {
        package.extend_from_slice(&(name.len() as u32).to_le_bytes());
        package.extend(name.encode_utf16().flat_map(u16::to_le_bytes));
    }
    let stream = [&(package.len() as u32).to_le_bytes()[..], &package].concat();
    let heard = read(Kind::Doc, &compound(&[("/ObjectPool/_1/\u{1}Ole10Native", &stream)]));
    assert_eq!(
        (heard.file("a.txt"), heard.file("a.exe")),
        (Some(&b"MZ"[..]), Some(&b"MZ"[..]))
    );
    assert!(heard.marks().contains(&Mark::Ambiguous));
}

#[test]
fn an_attachment_that_is_named_twice_is_given_under_both() {
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let octets = compound(&[
        ("/__properties_version1.0", b"x"),
        ("/__attach_version1.0_#00000000/__substg1.0_37010102", b"MZ"),
        ("/__attach_version1.0_#00000000/__substg1.0_3707001E", b"a.exe"),
        ("/__attach_version1.0_#00000000/__substg1.0_3707001F", &wide("a.txt")),
    ]);
    let heard = read(Kind::Msg, &octets);
    assert_eq!(
        (heard.file("a.txt"), heard.file("a.exe")),
        (Some(&b"MZ"[..]), Some(&b"MZ"[..]))
    );
    assert_eq!(heard.marks(), [Mark::Ambiguous]);
}

#[test]
fn a_sheet_of_excel_outside_of_any_container_is_read() {
    // BIFF 8 and BIFF 5 as a bare stream, and the sheets of Excel 4 and older, which may be macros.
    let sheet = b"\x09\x08\x08\0\0\x05\x05\0\0\0\0\0\x85\0\x08\0\0\0\0\0\0\x01\x01a".to_vec();
    assert_eq!(Kind::of(&sheet, "a.xls"), Kind::Xls);
    assert_eq!(read(Kind::Xls, &sheet).marks(), [Mark::Macro]);
    for (version, size) in [(0x04u8, 6u8), (0x02, 6), (0x00, 4)] {
        let mut sheet = vec![0x09, version, size, 0, 0, 0, 0x40, 0];
        sheet.resize(4 + usize::from(size) + 8, 0);
        assert_eq!(Kind::of(&sheet, "a.xls"), Kind::Xls);
        assert_eq!(read(Kind::Xls, &sheet).marks(), [Mark::Macro]);
    }
}
