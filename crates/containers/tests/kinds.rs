//! Kinds by content, and what names and media types claim.

use gatepost_containers::{Claim, Class, Kind, claimed, declared};
use proptest::prelude::*;

/// A ZIP of stored members, with its directory.
fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut octets, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let size = (content.len() as u32).to_le_bytes();
        let sizes = [&[0; 4][..], &size, &size, &(name.len() as u16).to_le_bytes(), &[0; 2]].concat();
        let at = (octets.len() as u32).to_le_bytes();
        octets.extend(
            [
                b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0",
                &sizes[..],
                name.as_bytes(),
                content,
            ]
            .concat(),
        );
        directory.extend(
            [
                b"PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0",
                &sizes[..],
                &[0; 10],
                &at,
                name.as_bytes(),
            ]
            .concat(),
        );
    }
    let end = [
        (directory.len() as u32).to_le_bytes(),
        (octets.len() as u32).to_le_bytes(),
    ]
    .concat();
    let count = (members.len() as u16).to_le_bytes();
    octets.extend(directory);
    octets.extend([b"PK\x05\x06\0\0\0\0", &count[..], &count, &end, &[0; 2]].concat());
    octets
}

fn pe() -> Vec<u8> {
    let mut octets = vec![0; 200];
    octets[..2].copy_from_slice(b"MZ");
    octets[60] = 128;
    octets[128..132].copy_from_slice(b"PE\0\0");
    octets
}

fn at(size: usize, place: usize, what: &[u8]) -> Vec<u8> {
    let mut octets = vec![0; size];
    octets[place..place + what.len()].copy_from_slice(what);
    octets
}

#[test]
fn each_name_is_one_kinds_own() {
    let mut names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Kind::ALL.len());
}

#[test]
fn magic_numbers_tell() {
    let lnk = [b"L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46", &[0; 60][..]].concat();
    let cases: Vec<(Vec<u8>, Kind)> = vec![
        (pe(), Kind::Pe),
        (at(64, 0, b"MZ\x90"), Kind::Dos),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0".to_vec(), Kind::Elf),
        (b"\x7fELF\x02\x01\x01\0AI\x02\0".to_vec(), Kind::AppImage),
        (b"\xca\xfe\xba\xbe\0\0\0\x02\0".to_vec(), Kind::MachO),
        (b"\xca\xfe\xba\xbe\0\0\0\x34\0".to_vec(), Kind::JavaClass),
        (b"\xcf\xfa\xed\xfe\x07\0\0\x01".to_vec(), Kind::MachO),
        (b"dex\n035\0".to_vec(), Kind::Dex),
        (b"\0asm\x01\0\0\0".to_vec(), Kind::Wasm),
        (b"\xcb\x0d\r\n\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec(), Kind::Pyc),
        (lnk, Kind::Lnk),
        (at(0x9000, 0x8001, b"CD001"), Kind::Iso),
        (at(0xa000, 0x8801, b"NSR02"), Kind::Udf),
        (at(4_096, 4_096 - 512, b"koly"), Kind::Dmg),
        (at(4_096, 4_096 - 512, b"conectix"), Kind::Vhd),
        ([at(510, 54, b"FAT12   "), b"\x55\xaa".to_vec()].concat(), Kind::Disk),
        (at(600, 257, b"ustar\0"), Kind::Tar),
        (b"\x1f\x8b\x08\0".to_vec(), Kind::Gzip),
        (b"7z\xbc\xaf\x27\x1c\0\x04".to_vec(), Kind::SevenZ),
        (b"Rar!\x1a\x07\x01\0".to_vec(), Kind::Rar),
        (b"MSCF\0\0\0\0".to_vec(), Kind::Cab),
        (b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0".to_vec(), Kind::Lzma),
        (b"!<arch>\ndebian-binary   ".to_vec(), Kind::Deb),
        (b"RIFF\0\0\0\0WEBPVP8 ".to_vec(), Kind::Webp),
        (b"\0\0\0\x18ftypheic".to_vec(), Kind::Heif),
        (
            b"\x30\x82\x05\x10\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02".to_vec(),
            Kind::Pkcs7,
        ),
        (
            [b"junk before it\n%PDF-1.4\n", &b"1 0 obj endobj"[..]].concat(),
            Kind::Pdf,
        ),
        (b"{\\rt1 x}".to_vec(), Kind::Rtf),
    ];
    for (octets, kind) in cases {
        assert_eq!(Kind::of(&octets, "a.txt"), kind, "{}", kind.name());
    }
}

#[test]
fn a_zip_is_what_is_in_it() {
    let types = |main: &str| format!("<Types><Override ContentType=\"application/vnd.{main}+xml\"/></Types>");
    let docx = types("openxmlformats-officedocument.wordprocessingml.document.main");
    let docm = types("ms-word.document.macroEnabled.main");
    let xlsb = types("ms-excel.sheet.binary.macroEnabled.main");
    for (members, kind) in [
        (vec![("a.txt", &b"hello"[..])], Kind::Zip),
        (vec![("[Content_Types].xml", docx.as_bytes())], Kind::Docx),
        (vec![("a", b"x"), ("[Content_Types].xml", docm.as_bytes())], Kind::Docm),
        (vec![("[Content_Types].xml", xlsb.as_bytes())], Kind::Xlsb),
        (
            vec![("mimetype", b"application/vnd.oasis.opendocument.text")],
            Kind::Odt,
        ),
        (vec![("mimetype", b"application/epub+zip")], Kind::Epub),
        (vec![("META-INF/MANIFEST.MF", b""), ("a/B.class", b"")], Kind::Jar),
        (vec![("AndroidManifest.xml", b""), ("classes.dex", b"")], Kind::Apk),
        (vec![("Payload/A.app/Info.plist", b"")], Kind::Ipa),
    ] {
        let octets = zip(&members);
        assert_eq!(Kind::of(&octets, ""), kind, "{}", kind.name());
        // Its directory cut off, and something before it.
        let cut = octets.len() - 30;
        assert_eq!(Kind::of(&octets[..cut], ""), kind, "{} without its end", kind.name());
        let before = [&[0xfe, 0, 1, 2, 3][..], &octets].concat();
        assert_eq!(Kind::of(&before, ""), kind, "{} behind something", kind.name());
    }
}

#[test]
fn text_is_told_by_its_words_and_then_by_its_name() {
    for (text, name, kind) in [
        ("hello", "a.txt", Kind::Text),
        ("hello", "a.js", Kind::JScript),
        ("del *.*", "A.BAT. ", Kind::Batch),
        ("<html><body>", "a.txt", Kind::Html),
        ("<!-- x --><!DOCTYPE html><p>", "a.pdf", Kind::Html),
        ("<html><script>", "a.hta", Kind::Hta),
        ("<?xml version='1.0'?><!-- a --><svg xmlns='x'>", "a.png", Kind::Svg),
        ("<?xml version='1.0'?><feed>", "a", Kind::Xml),
        (
            "<?xml version='1.0'?><?mso-application progid=\"Word.Document\"?><w:wordDocument>",
            "a.doc",
            Kind::OfficeXml,
        ),
        (
            "<html xmlns:w='x'><head><xml><w:WordDocument></xml>",
            "a.html",
            Kind::Html,
        ),
        ("<libraryDescription xmlns='x'>", "a", Kind::LibraryMs),
        ("#!/bin/sh\nrm x", "a.txt", Kind::Shell),
        ("#@~^AAAA==", "a.txt", Kind::JsEncoded),
        ("[InternetShortcut]\r\nURL=file://x", "a", Kind::Url),
        ("Windows Registry Editor Version 5.00\r\n", "a", Kind::Reg),
        ("-----BEGIN PGP MESSAGE-----\n", "a", Kind::Pgp),
        ("-----BEGIN CERTIFICATE-----\n", "a", Kind::Certificate),
        ("BEGIN:VCALENDAR\n", "a", Kind::Calendar),
        ("From: a@example.org\nSubject: x\n\nhello", "a", Kind::Eml),
        (
            "From: x\nMIME-Version: 1.0\nContent-Type: multipart/related; type=\"text/html\"\n\n",
            "a.mht",
            Kind::Mhtml,
        ),
        ("Dear all: this is\nnot: a header", "a.txt", Kind::Text),
        ("MZ is how some words begin", "a.txt", Kind::Text),
        ("BZh is one, Rar! another", "a.txt", Kind::Text),
        ("Grüße aus Köln", "a.txt", Kind::Text),
    ] {
        assert_eq!(Kind::of(text.as_bytes(), name), kind, "{text}");
        let wide: Vec<u8> = [0xfeffu16]
            .into_iter()
            .chain(text.encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(Kind::of(&wide, name), kind, "{text} in UTF-16");
    }
    assert_eq!(Kind::of(b"\xb4\x09\xcd\x21\0\x01", "a.com"), Kind::Com);
    assert_eq!(Kind::of(b"", "a.exe"), Kind::Empty);
    // Zeros do not keep a browser or an interpreter from it.
    assert_eq!(Kind::of(b"<ht\0ml>\x01\0<script>", "a.png"), Kind::Html);
    assert_eq!(Kind::of(b"\0\x01\x02 calc", "a.bat"), Kind::Batch);
    assert_eq!(Kind::of(b"{\\rtf1 x}\0", "a"), Kind::Rtf);
}

#[test]
fn what_stands_before_does_not_hide_what_is_run_or_shown() {
    for (octets, name, kind) in [
        // A browser shows a page whatever it finds before it, if the name says so.
        (
            &b"<html><!-- %PDF-1.4 endobj --><script>x</script>"[..],
            "a.html",
            Kind::Html,
        ),
        (b"<html><!-- %PDF-1.4 endobj --><script>x</script>", "a", Kind::Html),
        (b"/* %PDF-1.4 endobj */ x()", "a.js", Kind::JScript),
        (b"%PDF-1.4\n<script>x</script>", "a.htm", Kind::Html),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0<SCRIPT>x</script>", "a.html", Kind::Html),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0\r\ncalc\r\n", "a.bat", Kind::Batch),
        (b"BEGIN:VCARD; var VCARD = run()", "a.js", Kind::JScript),
        (b"-----BEGIN CERTIFICATE-----\r\ncalc", "a.cmd", Kind::Batch),
        (b"{\\rtf1}\r\ncalc", "a.bat", Kind::Batch),
        // And what is of its name stays so.
        (b"%PDF-1.4\n1 0 obj <<>> endobj", "a.html", Kind::Pdf),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0 <x:xmpmeta>", "a.html", Kind::Jpeg),
        (b"#!/bin/sh\nx", "a.py", Kind::Shell),
    ] {
        assert_eq!(
            Kind::of(octets, name),
            kind,
            "{name}: {}",
            String::from_utf8_lossy(octets)
        );
    }
    assert_eq!(
        Kind::Html.also(b"<html><!-- %PDF-1.4 endobj --><script>x</script>"),
        Some(Kind::Pdf)
    );
}

#[test]
fn an_image_and_a_tar_are_seen_behind_another_magic_number() {
    for begin in [
        &b"GIF89a"[..],
        b"\xff\xd8\xff\xe0",
        b"ID3\x03",
        b"BMabcd",
        b"\x1a\x45\xdf\xa3",
        b"OggS",
    ] {
        let mut disc = at(0x9000, 0x8001, b"CD001");
        disc[..begin.len()].copy_from_slice(begin);
        assert_eq!(Kind::of(&disc, "a.jpg"), Kind::Iso, "{begin:?}");
        for (mark, kind) in [(b"conectix", Kind::Vhd), (b"koly\0\0\0\x04", Kind::Dmg)] {
            let mut disc = at(4_096, 4_096 - 512, mark);
            disc[..begin.len()].copy_from_slice(begin);
            assert_eq!(Kind::of(&disc, "a.jpg"), kind, "{begin:?}");
        }
        let mut tar = at(1_024, 257, b"ustar\x0000");
        tar[..begin.len()].copy_from_slice(begin);
        tar[148..156].fill(b' ');
        let sum: u32 = tar[..512].iter().map(|octet| u32::from(*octet)).sum();
        tar[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        assert_eq!(Kind::of(&tar, "a.tar"), Kind::Tar, "{begin:?}");
    }
    // A program stays one, and what is behind it is told.
    let mut disc = at(0x9000, 0x8001, b"CD001");
    disc[..200].copy_from_slice(&pe());
    assert_eq!((Kind::of(&disc, ""), Kind::Pe.also(&disc)), (Kind::Pe, Some(Kind::Iso)));
}

#[test]
fn archives_behind_a_picture_are_a_second_form() {
    for (magic, kind) in [
        (&b"Rar!\x1a\x07\x01\0"[..], Kind::Rar),
        (b"7z\xbc\xaf\x27\x1c\0\x04", Kind::SevenZ),
    ] {
        let octets = [b"\xff\xd8\xff\xe0\0\x10JFIF\0", &[7; 90][..], magic, &[9; 40]].concat();
        assert_eq!(
            (Kind::of(&octets, "a.rar"), Kind::Jpeg.also(&octets)),
            (Kind::Jpeg, Some(kind))
        );
    }
}

#[test]
fn a_second_form_is_seen() {
    let archive = zip(&[("run.js", b"x")]);
    let picture = [b"\xff\xd8\xff\xe0\0\x10JFIF\0", &[7; 90][..], &archive].concat();
    assert_eq!(
        (Kind::of(&picture, ""), Kind::Jpeg.also(&picture)),
        (Kind::Jpeg, Some(Kind::Zip))
    );
    let pdf = [b"%PDF-1.4\n1 0 obj endobj\n", &archive[..]].concat();
    assert_eq!(Kind::Pdf.also(&pdf), Some(Kind::Zip));
    let both = [b"GIF89a \n%PDF-1.4\n1 0 obj", &b" endobj"[..]].concat();
    assert_eq!(Kind::Gif.also(&both), Some(Kind::Pdf));
    let three = [b"GIF89a \n%PDF-1.4\n1 0 obj endobj", &archive[..]].concat();
    assert_eq!(Kind::Gif.also(&three), Some(Kind::Pdf));
    // A theme within a document lies in a stream, which is filled up.
    let theme = [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", &[0; 504][..], &archive].concat();
    assert_eq!(Kind::Doc.also(&[&theme[..], &[0; 100]].concat()), None);
    assert_eq!(Kind::Doc.also(&theme), Some(Kind::Zip));
    // A program that unpacks itself, a tar that holds a ZIP, and a text about it are one thing each.
    let installer = [pe(), archive.clone()].concat();
    assert_eq!(Kind::Pe.also(&installer), None);
    assert_eq!(Kind::Tar.also(&[at(600, 257, b"ustar"), archive].concat()), None);
    assert_eq!(Kind::Text.also(b"a file begins with %PDF- and ends with %%EOF"), None);
}

#[test]
fn a_name_claims_by_its_last_extension() {
    for (name, class) in [
        ("a.pdf.exe", Class::Executable),
        ("C:\\x.y\\a.PS1", Class::Script),
        ("a.lnk ..", Class::Shortcut),
        ("a.iso", Class::Image),
        ("a.jpg", Class::Picture),
        // A stream of NTFS is the file itself.
        ("a.exe::$DATA", Class::Executable),
        ("C:a.js:x.txt", Class::Script),
        ("a.diagcab", Class::Executable),
        ("a.ws", Class::Script),
        ("a.appcontent-ms", Class::Shortcut),
    ] {
        assert_eq!(claimed(name).map(Claim::class), Some(class), "{name}");
    }
    for name in ["a", "a.bin", "a.dat", "", ".", "x.exe/z"] {
        assert_eq!(claimed(name), None, "{name}");
    }
    assert_eq!(declared("image/JPEG; name=a"), Some(Claim::Class(Class::Picture)));
    assert_eq!(
        (declared("application/octet-stream"), declared("rubbish"), declared("")),
        (None, None, None)
    );
}

#[test]
fn what_is_usual_agrees() {
    for (kind, name) in [
        (Kind::Rtf, "a.doc"),
        (Kind::Html, "a.xls"),
        (Kind::Html, "a.doc"),
        (Kind::OfficeXml, "a.doc"),
        (Kind::Text, "a.xls"),
        (Kind::Docx, "a.doc"),
        (Kind::Png, "a.jpg"),
        (Kind::Docx, "a.zip"),
        (Kind::Zip, "a.docx"),
        (Kind::Zip, "a.pages"),
        (Kind::Jar, "a.zip"),
        (Kind::Gzip, "a.tgz"),
        (Kind::Rar, "a.zip"),
        (Kind::Shell, "a.txt"),
        (Kind::JScript, "a.js"),
        (Kind::Xml, "a.svg"),
        (Kind::Html, "a.xml"),
        (Kind::Html, "a.eml"),
        (Kind::Unknown, "a.pdf"),
        (Kind::Empty, "a.exe"),
        (Kind::Pe, "a.scr"),
        (Kind::Pdf, "a.txt"),
        (Kind::Gzip, "a.svgz"),
        (Kind::Mp3, "a.mp4"),
    ] {
        assert!(kind.agrees(claimed(name).unwrap()), "{} as {name}", kind.name());
    }
    assert!(Kind::Svg.agrees(declared("image/svg+xml").unwrap()));
    assert!(Kind::Docx.agrees(declared("application/zip").unwrap()));
    assert!(Kind::Gzip.agrees(declared("application/zip").unwrap()));
    assert!(Kind::Zip.agrees(declared("application/vnd.ms-excel").unwrap()));
}

#[test]
fn what_deceives_does_not_agree() {
    for (kind, name) in [
        (Kind::Pe, "a.jpg"),
        (Kind::Pe, "a.docx"),
        (Kind::Elf, "a.txt"),
        (Kind::Msi, "a.doc"),
        (Kind::Lnk, "a.pdf"),
        (Kind::Lnk, "a.url"),
        (Kind::Iso, "a.pdf"),
        (Kind::Vhd, "a.zip"),
        (Kind::Rar, "a.pdf"),
        (Kind::Zip, "a.jpg"),
        (Kind::Rar, "a.docx"),
        (Kind::Html, "a.pdf"),
        (Kind::Html, "a.jpg"),
        (Kind::Svg, "a.png"),
        (Kind::Hta, "a.doc"),
        (Kind::Docm, "a.docx"),
        (Kind::Xlsm, "a.xlsx"),
        (Kind::OneNote, "a.docx"),
        (Kind::Jar, "a.pdf"),
        (Kind::Chm, "a.txt"),
    ] {
        // A shortcut of any sort opens as a shortcut.
        let agrees = kind.agrees(claimed(name).unwrap());
        assert_eq!(
            agrees,
            (kind, name) == (Kind::Lnk, "a.url"),
            "{} as {name}",
            kind.name()
        );
    }
    assert!(!Kind::Pe.agrees(declared("image/jpeg").unwrap()));
    assert!(!Kind::Pe.agrees(declared("text/plain").unwrap()));
}

proptest! {
    #[test]
    fn a_kind_agrees_with_what_it_is(at in 0..Kind::ALL.len()) {
        let kind = Kind::ALL[at];
        prop_assert!(kind.agrees(Claim::Kind(kind)) && kind.agrees(Claim::Class(kind.class())));
    }

    #[test]
    fn any_octets_have_a_kind(octets in prop::collection::vec(any::<u8>(), 0..2_000), name in ".{0,40}") {
        let kind = Kind::of(&octets, &name);
        let _ = (kind.also(&octets), claimed(&name), declared(&name));
        prop_assert_eq!(kind, Kind::of(&octets, &name));
    }

    #[test]
    fn a_zip_is_stood_cut_and_flipped(place in any::<prop::sample::Index>(), value in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut octets = zip(&[("[Content_Types].xml", b"<Types/>"), ("a", b"b")]);
        let place = place.index(octets.len());
        octets[place] = value;
        let _ = Kind::of(&octets, "");
        let cut = cut.index(octets.len());
        let _ = Kind::of(&octets[..cut], "");
        let _ = Kind::Pdf.also(&octets[..cut]);
    }
}
