//! Documents that other programs wrote or read (`fixtures/make-documents.sh`), whole and broken.
#![allow(unused_imports, reason = "the oracle takes the names from here")]

use std::io::{Cursor, Read, Write};

use compound::compound;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::ZlibEncoder;
use gatepost_containers::{File, Flow, Kind, Mark, Visit, documents};
use oracle::heard::Heard;
use oracle::read;
use proptest::prelude::*;

#[path = "oracle/compound.rs"]
mod compound;
#[path = "oracle/documents.rs"]
mod oracle;

const PROGRAM: &[u8] = b"MZ is what a program begins with";

fn unpack(packed: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut octets).unwrap();
    octets
}

fn winmail() -> Vec<u8> {
    include_bytes!("../fixtures/winmail.dat").to_vec()
}

fn mail() -> Vec<u8> {
    unpack(include_bytes!("../fixtures/mail.msg.gz"))
}

fn macro_doc() -> Vec<u8> {
    unpack(include_bytes!("../fixtures/macro.doc.gz"))
}

fn all() -> Vec<(Kind, Vec<u8>)> {
    vec![
        (Kind::Tnef, winmail()),
        (Kind::Msg, mail()),
        (Kind::Doc, macro_doc()),
        (Kind::Xls, unpack(include_bytes!("../fixtures/macro4.xls.gz"))),
        (Kind::Doc, unpack(include_bytes!("../fixtures/package.doc.gz"))),
        (Kind::Rtf, include_bytes!("../fixtures/package.rtf").to_vec()),
        (Kind::Pdf, include_bytes!("../fixtures/script.pdf").to_vec()),
        (Kind::Pdf, include_bytes!("../fixtures/empty-password-4.pdf").to_vec()),
        (Kind::Lnk, include_bytes!("../fixtures/command.lnk").to_vec()),
    ]
}

#[test]
fn each_document_is_of_its_kind() {
    for (kind, octets) in all() {
        assert_eq!(Kind::of(&octets, ""), kind);
    }
    assert_eq!(Kind::of(include_bytes!("../fixtures/plain.pdf"), "a.jpg"), Kind::Pdf);
}

#[test]
fn plain_documents_have_no_marks() {
    let plain = unpack(include_bytes!("../fixtures/plain.xls.gz"));
    assert_eq!(
        (Kind::of(&plain, ""), read(Kind::Xls, &plain)),
        (Kind::Xls, Heard::default())
    );
    assert_eq!(
        read(Kind::Pdf, include_bytes!("../fixtures/plain.pdf")),
        Heard::default()
    );
}

#[test]
fn attachments_of_tnef_are_given_by_their_names() {
    let heard = read(Kind::Tnef, &winmail());
    let names: Vec<&str> = heard.files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["body.rtf", "headers.txt", "program long.exe", "untitled"]);
    assert_eq!(heard.file("program long.exe"), Some(PROGRAM));
    assert_eq!(
        heard.file("body.rtf"),
        Some(&b"{\\rtf1\\ansi hello world, hello again and again}\r\n"[..])
    );
    assert_eq!(heard.marks(), []);
    // The mail within is a TNEF of its own.
    let inner = heard.file("untitled").unwrap();
    assert_eq!(Kind::of(inner, ""), Kind::Tnef);
    assert_eq!(read(Kind::Tnef, inner).file("inner.js"), Some(&b"WScript.Echo(1)"[..]));
}

#[test]
fn a_wrong_sum_hides_nothing() {
    let mut octets = winmail();
    let at = octets
        .windows(PROGRAM.len())
        .position(|window| window == PROGRAM)
        .unwrap();
    octets[at + PROGRAM.len()] ^= 0xff;
    assert_eq!(read(Kind::Tnef, &octets).file("program long.exe"), Some(PROGRAM));
}

#[test]
fn a_cut_tnef_gives_what_there_is_and_says_so() {
    let octets = winmail();
    let at = octets
        .windows(PROGRAM.len())
        .position(|window| window == PROGRAM)
        .unwrap();
    let heard = read(Kind::Tnef, &octets[..at + 10]);
    assert_eq!(heard.file("PROGRA~1.EXE"), Some(&PROGRAM[..10]));
    assert_eq!(heard.marks(), [Mark::Damaged]);
}

#[test]
fn a_mail_of_outlook_is_given_with_the_mails_in_it() {
    let heard = read(Kind::Msg, &mail());
    assert_eq!(heard.file("body.txt"), Some(&b"the body"[..]));
    assert_eq!(
        heard.file("body.html"),
        Some(&b"<html><body>the body</body></html>"[..])
    );
    assert_eq!(
        heard.file("headers.txt"),
        Some(&b"From: a@example.org\r\nSubject: a subject\r\n"[..])
    );
    assert_eq!(heard.file("inner/body.txt"), Some(&b"the inner body"[..]));
    assert_eq!(heard.file("inner/inner.js"), Some(&b"WScript.Echo(1)"[..]));
    assert!(heard.file("body.rtf").is_some_and(|rtf| rtf.starts_with(b"{\\rtf1")));
}

#[test]
fn an_attachment_of_two_names_is_given_under_both() {
    let heard = read(Kind::Msg, &mail());
    assert_eq!(heard.file("picture of us.jpg"), Some(PROGRAM));
    assert_eq!(heard.file("PICTUR~1.EXE"), Some(PROGRAM));
    assert_eq!(heard.marks(), [Mark::Ambiguous]);
}

#[test]
fn a_macro_that_runs_when_a_document_is_opened_is_told() {
    let heard = read(Kind::Doc, &macro_doc());
    assert_eq!(heard.marks(), [Mark::Macro, Mark::AutoMacro]);
    assert!(heard.notes.iter().any(|(_, note)| note == "document_open"));
}

#[test]
fn a_macro_without_its_source_is_not_passed_in_silence() {
    let mut octets = macro_doc();
    let at = octets.windows(9).position(|window| window == b"\0Attribut").unwrap();
    octets[at - 3..at + 40].fill(0);
    assert_eq!(read(Kind::Doc, &octets).marks(), [Mark::Unread, Mark::Macro]);
}

#[test]
fn a_hidden_macro_sheet_is_told() {
    let heard = read(Kind::Xls, &unpack(include_bytes!("../fixtures/macro4.xls.gz")));
    assert_eq!(heard.notes, [(Mark::Macro, "hidden macro sheet of Excel 4".to_owned())]);
}

#[test]
fn a_packaged_file_is_given_by_word_and_by_rtf() {
    for (kind, octets) in [
        (Kind::Doc, unpack(include_bytes!("../fixtures/package.doc.gz"))),
        (Kind::Rtf, include_bytes!("../fixtures/package.rtf").to_vec()),
    ] {
        let heard = read(kind, &octets);
        assert_eq!(
            (heard.file("program.exe"), heard.marks()),
            (Some(PROGRAM), vec![Mark::Embedded])
        );
    }
}

#[test]
fn what_a_pdf_hides_in_packed_objects_is_found() {
    let heard = read(Kind::Pdf, include_bytes!("../fixtures/script.pdf"));
    assert_eq!(heard.file("program.exe"), Some(PROGRAM));
    assert_eq!(heard.marks(), [Mark::Embedded, Mark::Script, Mark::Action]);
}

#[test]
fn an_empty_password_hides_nothing() {
    for octets in [
        &include_bytes!("../fixtures/empty-password-2.pdf")[..],
        include_bytes!("../fixtures/empty-password-3.pdf"),
        include_bytes!("../fixtures/empty-password-4.pdf"),
        include_bytes!("../fixtures/empty-password-5.pdf"),
        include_bytes!("../fixtures/empty-password-6.pdf"),
    ] {
        let heard = read(Kind::Pdf, octets);
        assert_eq!(heard.file("program.exe"), Some(PROGRAM));
        assert_eq!(heard.marks(), [Mark::Embedded, Mark::Script, Mark::Action]);
    }
}

#[test]
fn a_password_that_has_to_be_known_closes_a_pdf() {
    let heard = read(Kind::Pdf, include_bytes!("../fixtures/password.pdf"));
    assert!(heard.marks().contains(&Mark::Encrypted));
}

#[test]
fn a_shortcut_says_what_it_starts() {
    let heard = read(Kind::Lnk, include_bytes!("../fixtures/command.lnk"));
    assert_eq!(
        heard.notes,
        [(Mark::Fetches, "..\\windows\\system32\\cmd.exe /c calc".to_owned())]
    );
}

#[test]
fn a_circle_of_sectors_ends() {
    let mut octets = mail();
    let table = (u32::from_le_bytes(octets[76..80].try_into().unwrap()) as usize + 1) * 512;
    for (at, word) in octets[table..table + 512].chunks_exact_mut(4).enumerate() {
        word.copy_from_slice(&(at as u32).to_le_bytes());
    }
    assert!(read(Kind::Msg, &octets).marks().contains(&Mark::Damaged));
}

#[test]
fn streams_that_share_their_sectors_do_not_multiply() {
    // A thousand streams that all say they are the same long one.
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    for number in 0..1_000 {
        let name = format!("/__attach_version1.0_#{number:08x}");
        file.create_storage(&name).unwrap();
        file.create_stream(format!("{name}/__substg1.0_37010102"))
            .unwrap()
            .write_all(&[])
            .unwrap();
    }
    file.create_stream("/long")
        .unwrap()
        .write_all(&[b'x'; 100_000])
        .unwrap();
    file.flush().unwrap();
    let mut octets = file.into_inner().into_inner();
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let find = |octets: &[u8], name: &[u8]| octets.chunks(128).position(|chunk| chunk.starts_with(name)).unwrap() * 128;
    let at = find(&octets, &wide("long\0"));
    let place = octets[at + 116..at + 128].to_vec();
    let name = wide("__substg1.0_37010102");
    for chunk in octets.chunks_mut(128).filter(|chunk| chunk.starts_with(&name)) {
        chunk[116..128].copy_from_slice(&place);
    }
    // The oracle bounds what is given; that not all was given is told.
    assert!(read(Kind::Msg, &octets).marks().contains(&Mark::Damaged));
}

#[test]
fn tables_that_are_named_again_and_again_take_no_memory() {
    // Each of 400 sectors is a list of tables, and each list names one sector 127 times.
    let mut octets = vec![0u8; 512];
    octets[..8].copy_from_slice(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1");
    octets[30] = 9;
    octets[68..72].copy_from_slice(&0u32.to_le_bytes());
    octets[76..512].fill(0);
    for number in 1..=400u32 {
        for _ in 0..127 {
            octets.extend_from_slice(&0u32.to_le_bytes());
        }
        octets.extend_from_slice(&number.to_le_bytes());
    }
    read(Kind::Doc, &octets);
}

#[test]
fn mails_within_mails_end() {
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    let mut path = String::new();
    for _ in 0..20 {
        path += "/__attach_version1.0_#00000000";
        file.create_storage(&path).unwrap();
        path += "/__substg1.0_3701000D";
        file.create_storage(&path).unwrap();
        file.create_stream(format!("{path}/__substg1.0_1000001F")).unwrap();
    }
    file.flush().unwrap();
    let octets = file.into_inner().into_inner();
    assert!(read(Kind::Msg, &octets).marks().contains(&Mark::Depth));
}

#[test]
fn word_tells_of_fields_that_ask_and_of_templates_elsewhere() {
    let mut text = vec![0u8; 0x800];
    assert_eq!(read(Kind::Doc, &compound(&[("/WordDocument", &text)])).marks(), []);
    let field: Vec<u8> = "\u{13} DDEAUTO c:\\\\cmd"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    text[0x700..0x700 + field.len()].copy_from_slice(&field);
    assert_eq!(
        read(Kind::Doc, &compound(&[("/WordDocument", &text)])).marks(),
        [Mark::Fetches]
    );
    // The table of associated texts: the second is the template.
    let template = |name: &str| {
        let units: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut table = b"\xff\xff\x02\0\0\0\x01\0x\0".to_vec();
        table.extend((name.len() as u16).to_le_bytes());
        table.extend(units);
        let mut text = vec![0u8; 0x800];
        text[11] = 2;
        text[0x19e..0x1a2].copy_from_slice(&(table.len() as u32).to_le_bytes());
        read(Kind::Doc, &compound(&[("/WordDocument", &text), ("/1Table", &table)])).marks()
    };
    assert_eq!(template("http://e.example/a.dot"), [Mark::Fetches]);
    assert_eq!(template("C:\\templates\\a.dot"), []);
}

#[test]
fn passwords_of_office_are_told() {
    let package = compound(&[("/EncryptedPackage", &[1; 5_000]), ("/EncryptionInfo", b"x")]);
    assert_eq!(
        (Kind::of(&package, "a.docx"), read(Kind::Encrypted, &package).marks()),
        (Kind::Encrypted, vec![Mark::Encrypted])
    );
    let mut text = vec![0u8; 0x800];
    text[11] = 1;
    assert_eq!(
        read(Kind::Doc, &compound(&[("/WordDocument", &text)])).marks(),
        [Mark::Encrypted]
    );
    let book = [b"\x09\x08\x04\0\0\x06\x05\0".as_slice(), b"\x2f\0\x02\0\0\0"].concat();
    assert_eq!(
        read(Kind::Xls, &compound(&[("/Workbook", &book)])).marks(),
        [Mark::Encrypted]
    );
}

#[test]
fn a_sheet_that_runs_by_itself_is_told() {
    let record = |id: u16, data: &[u8]| [&id.to_le_bytes()[..], &(data.len() as u16).to_le_bytes(), data].concat();
    let sheet = record(0x85, b"\0\0\0\0\0\x01\x01\0a");
    let name = record(0x18, b"\x20\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x01");
    let link = record(0x1ae, b"\0\0\x06\0\0cmd\x03/c calc");
    let book = compound(&[("/Workbook", &[sheet, name, link].concat())]);
    let heard = read(Kind::Xls, &book);
    assert_eq!(heard.marks(), [Mark::Macro, Mark::AutoMacro, Mark::Fetches]);
    assert!(heard.notes.contains(&(Mark::Fetches, "DDE cmd /c calc".to_owned())));
}

#[test]
fn what_slides_pack_is_given() {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&macro_doc()).unwrap();
    let packed = packed.finish().unwrap();
    let size = (macro_doc().len() as u32).to_le_bytes();
    let object = [
        b"\x10\0\x11\x10",
        &(packed.len() as u32 + 4).to_le_bytes()[..],
        &size,
        &packed,
    ]
    .concat();
    // In a container, which is stepped into.
    let slides = [b"\x0f\0\xe8\x03", &(object.len() as u32).to_le_bytes()[..], &object].concat();
    let heard = read(Kind::Ppt, &compound(&[("/PowerPoint Document", &slides)]));
    assert_eq!((heard.file("object"), heard.marks()), (Some(&macro_doc()[..]), vec![]));
    assert_eq!(
        read(Kind::Ole, heard.file("object").unwrap()).marks(),
        [Mark::Macro, Mark::AutoMacro]
    );
    let mut mime = b"ActiveMime".to_vec();
    mime.resize(50, 0);
    mime.extend(packed);
    let heard = read(Kind::ActiveMime, &mime);
    assert_eq!(
        (heard.file("editdata"), heard.marks()),
        (Some(&macro_doc()[..]), vec![Mark::Macro])
    );
}

#[test]
fn a_package_that_is_a_command_is_told() {
    let package = b"\x02\0run\0C:\\icon.dll\0\0\0\x01\0\x01\0cmd.exe\0";
    let stream = [&(package.len() as u32).to_le_bytes()[..], package].concat();
    let heard = read(Kind::Doc, &compound(&[("/ObjectPool/_1/\u{1}Ole10Native", &stream)]));
    assert!(
        heard.notes.contains(&(Mark::Fetches, "package cmd.exe".to_owned())),
        "{heard:?}"
    );
}

#[test]
fn a_cell_that_asks_a_program_is_told() {
    let text = b"<?xml version='1.0'?><Workbook><Cell ss:Formula=\"=cmd|'/c calc.exe'!A1\"/></Workbook>";
    assert_eq!(read(Kind::OfficeXml, text).marks(), [Mark::Fetches]);
    let mut heard = Heard::default();
    documents::member(
        "xl/externalLinks/externalLink1.bin",
        b"\xe8\x02\x10\x01\0\x03\0\0\0c\0m\0d\0",
        &mut heard,
    );
    assert_eq!(heard.marks(), [Mark::Fetches]);
}

#[test]
fn an_equation_and_objects_are_told() {
    let octets = compound(&[("/WordDocument", &[0; 64]), ("/ObjectPool/_1/Equation Native", b"x")]);
    let heard = read(Kind::Doc, &octets);
    assert_eq!(heard.marks(), [Mark::Embedded]);
    assert!(heard.notes.iter().any(|(_, note)| note == "equation"));
}

#[test]
fn an_office_document_in_one_file_of_xml_is_opened() {
    // Two octets of a program in base64.
    let text = "<?xml version=\"1.0\"?><?mso-application progid=\"Word.Document\"?><w:wordDocument w:macrosPresent=\"yes\">\
                <w:binData w:name=\"editdata.mso\">TVo=</w:binData></w:wordDocument>";
    assert_eq!(Kind::of(text.as_bytes(), "a.doc"), Kind::OfficeXml);
    let heard = read(Kind::OfficeXml, text.as_bytes());
    assert_eq!(
        (heard.file("binary"), heard.marks()),
        (Some(&b"MZ"[..]), vec![Mark::Macro])
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_octets_are_stood(octets in prop::collection::vec(any::<u8>(), 0..600)) {
        oracle::holds(&octets);
    }

    #[test]
    fn any_document_is_stood_cut_and_flipped(
        which in 0usize..9,
        cut in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
    ) {
        let (kind, mut octets) = all().swap_remove(which);
        for (at, value) in flips {
            let at = at.index(octets.len());
            octets[at] = value;
        }
        read(kind, &octets);
        let cut = cut.index(octets.len());
        read(kind, &octets[..cut]);
        oracle::holds(&octets[..cut]);
    }

    #[test]
    fn any_words_of_rtf_are_stood(words in prop::collection::vec(0usize..12, 0..300)) {
        const WORDS: [&str; 12] = ["{", "}", "\\objdata ", "\\*", "0105", "\\bin9 ", "\\'41", "a", "\\fldinst ", "\\objclass ", "\n", "\\template "];
        let text: String = words.iter().map(|word| WORDS[*word]).collect();
        read(Kind::Rtf, text.as_bytes());
    }

    #[test]
    fn any_words_of_pdf_are_stood(words in prop::collection::vec(0usize..16, 0..300)) {
        const WORDS: [&str; 16] = [
            "1 0 obj ", "<<", ">>", "[", "]", "/OpenAction ", "/AA ", "/EF ", "/F ", "2 0 R ", "stream\n", "endstream ", "endobj ",
            "(a)", "/Type /ObjStm ", "/Length 3 ",
        ];
        let text: String = words.iter().map(|word| WORDS[*word]).collect();
        read(Kind::Pdf, text.as_bytes());
    }
}
