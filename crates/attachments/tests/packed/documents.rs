//! Documents and mails with a file in them.

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::encoded::base64;
use super::written::{deflated, zip};
use super::{Packed, archives, packed};

fn sized(text: &str) -> Vec<u8> {
    [&(text.len() as u32 + 1).to_le_bytes()[..], text.as_bytes(), b"\0"].concat()
}

/// A stream of the packager (MS-OLEDS 2.3.6), without its size.
fn packaged(name: &str, content: &[u8]) -> Vec<u8> {
    let path = format!("C:\\Temp\\{name}");
    [
        b"\x02\0",
        name.as_bytes(),
        b"\0",
        path.as_bytes(),
        b"\0\0\0\x03\0",
        &sized(&path),
        &(content.len() as u32).to_le_bytes()[..],
        content,
        &[0; 2],
    ]
    .concat()
}

/// A compound file by a writer that is not ours.
fn compound(streams: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).expect("to memory");
    for (path, octets) in streams {
        let (folder, _) = path.rsplit_once('/').expect("a path");
        file.create_storage_all(format!("/{}", folder.trim_start_matches('/')))
            .expect("to memory");
        let mut stream = file.create_stream(path).expect("to memory");
        stream.write_all(octets).expect("to memory");
    }
    file.flush().expect("to memory");
    file.into_inner().into_inner()
}

fn object(name: &str, content: &[u8]) -> Vec<u8> {
    let inner = packaged(name, content);
    [&(inner.len() as u32).to_le_bytes()[..], &inner].concat()
}

pub fn package(name: &str, content: &[u8]) -> Packed {
    let stream = object(name, content);
    let octets = compound(&[
        ("/WordDocument", &[0; 2_048]),
        ("/ObjectPool/_1/\u{1}Ole10Native", &stream),
    ]);
    packed("report.doc", "application/msword", octets)
}

fn word(member: &str, content: &[u8]) -> Packed {
    let types = "<?xml version=\"1.0\"?><Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
                 <Default Extension=\"xml\" ContentType=\"application/xml\"/><Override PartName=\"/word/document.xml\" \
                 ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml\"/></Types>";
    let rels = "<?xml version=\"1.0\"?><Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
                <Relationship Id=\"rId1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\" \
                Target=\"word/document.xml\"/></Relationships>";
    let text = "<?xml version=\"1.0\"?><w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\">\
                <w:body><w:p><w:r><w:t>Hello</w:t></w:r></w:p></w:body></w:document>";
    let octets = zip(&[
        deflated("[Content_Types].xml", types.as_bytes()),
        deflated("_rels/.rels", rels.as_bytes()),
        deflated("word/document.xml", text.as_bytes()),
        deflated(&format!("word/embeddings/{member}"), content),
    ]);
    let mime = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
    packed("report.docx", mime, octets)
}

pub fn docx(name: &str, content: &[u8]) -> Packed {
    word(name, content)
}

pub fn package_in_docx(name: &str, content: &[u8]) -> Packed {
    let stream = object(name, content);
    word("oleObject1.bin", &compound(&[("/\u{1}Ole10Native", &stream)]))
}

pub fn rtf(name: &str, content: &[u8]) -> Packed {
    let inner = packaged(name, content);
    let object = [
        &0x0501_u32.to_le_bytes()[..],
        &2_u32.to_le_bytes(),
        &sized("Package"),
        &[0; 8],
        &(inner.len() as u32).to_le_bytes(),
        &inner,
    ]
    .concat();
    let hex: String = object.iter().map(|octet| format!("{octet:02x}")).collect();
    let lines: Vec<String> = hex
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    let text = format!(
        "{{\\rtf1\\ansi Hello {{\\object\\objemb{{\\*\\objclass Package}}{{\\*\\objdata \r\n{}}}}}}}\r\n",
        lines.join("\r\n")
    );
    packed("report.rtf", "application/rtf", text.into_bytes())
}

/// A file of PDF (ISO 32000-1) with these objects, numbered from one, the first the catalog.
fn objects(list: &[Vec<u8>]) -> Vec<u8> {
    let (mut out, mut places) = (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec(), Vec::new());
    for (at, object) in list.iter().enumerate() {
        places.push(out.len());
        out.extend(format!("{} 0 obj\n", at + 1).bytes());
        out.extend(object);
        out.extend(b"\nendobj\n");
    }
    let at = out.len();
    out.extend(format!("xref\n0 {}\n0000000000 65535 f \n", list.len() + 1).bytes());
    for place in places {
        out.extend(format!("{place:010} 00000 n \n").bytes());
    }
    let end = format!(
        "trailer\n<</Size {}/Root 1 0 R>>\nstartxref\n{at}\n%%EOF\n",
        list.len() + 1
    );
    out.extend(end.bytes());
    out
}

const PAGES: &[u8] = b"<</Type/Pages/Kids[3 0 R]/Count 1>>";
const PAGE: &[u8] = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>";

pub fn pdf(name: &str, content: &[u8]) -> Packed {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::best());
    packer.write_all(content).expect("to memory");
    let stream = packer.finish().expect("to memory");
    let catalog = format!("<</Type/Catalog/Pages 2 0 R/Names<</EmbeddedFiles<</Names[({name}) 4 0 R]>>>>>>");
    let file = format!("<</Type/Filespec/F({name})/UF({name})/EF<</F 5 0 R>>>>");
    let head = format!(
        "<</Type/EmbeddedFile/Filter/FlateDecode/Length {}>>stream\n",
        stream.len()
    );
    let octets = objects(&[
        catalog.into_bytes(),
        PAGES.to_vec(),
        PAGE.to_vec(),
        file.into_bytes(),
        [head.as_bytes(), &stream, b"\nendstream"].concat(),
    ]);
    packed("report.pdf", "application/pdf", octets)
}

pub fn pdf_and_zip(name: &str, content: &[u8]) -> Packed {
    let mut octets = objects(&[b"<</Type/Catalog/Pages 2 0 R>>".to_vec(), PAGES.to_vec(), PAGE.to_vec()]);
    octets.extend(archives::deflated(name, content).octets);
    packed("report.pdf", "application/pdf", octets)
}

pub fn onenote(_: &str, content: &[u8]) -> Packed {
    let mut octets = b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3".to_vec();
    octets.resize(1_024, 0);
    // MS-ONESTORE 2.6.13, and its end.
    octets.extend(b"\xe7\x16\xe3\xbd\x65\x26\x11\x45\xa4\xc4\x8d\x4d\x0b\x7a\x9e\xac");
    octets.extend((content.len() as u64).to_le_bytes());
    octets.extend([0; 12]);
    octets.extend(content);
    octets.extend(b"\x22\xa7\xfb\x71\x79\x0f\x0b\x4a\xbb\x13\x89\x92\x56\x42\x6b\x24");
    packed("notes.one", "application/onenote", octets)
}

pub fn smuggling(name: &str, content: &[u8]) -> Packed {
    let text = format!(
        "<!DOCTYPE html><html><body><p>Your file is on its way.</p><script>\r\nvar d=\"{}\";\r\n\
         var b=new Blob([Uint8Array.from(atob(d),c=>c.charCodeAt(0))],{{type:'octet/stream'}});\r\n\
         var a=document.createElement('a');a.href=URL.createObjectURL(b);a.download='{name}';a.click();\r\n\
         </script></body></html>\r\n",
        base64(content).replace("\r\n", "")
    );
    packed("view.html", "text/html", text.into_bytes())
}

pub fn data_link(name: &str, content: &[u8]) -> Packed {
    let text = format!(
        "<!DOCTYPE html><html><body><a download=\"{name}\" href=\"data:application/octet-stream;base64,{}\">your file</a>\
         </body></html>\r\n",
        base64(content).replace("\r\n", "")
    );
    packed("view.html", "text/html", text.into_bytes())
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

pub fn msg(name: &str, content: &[u8]) -> Packed {
    let within = "/__attach_version1.0_#00000000";
    let octets = compound(&[
        ("/__properties_version1.0", &[0; 32]),
        ("/__substg1.0_001A001F", &wide("IPM.Note")),
        ("/__substg1.0_1000001F", &wide("Hello")),
        ("/__nameid_version1.0/__substg1.0_00020102", b""),
        (&format!("{within}/__properties_version1.0"), &[0; 8]),
        (&format!("{within}/__substg1.0_3707001F"), &wide(name)),
        (&format!("{within}/__substg1.0_37010102"), content),
    ]);
    packed("mail.msg", "application/vnd.ms-outlook", octets)
}

fn attribute(level: u8, id: u32, data: &[u8]) -> Vec<u8> {
    let sum = data.iter().fold(0_u16, |sum, octet| sum.wrapping_add((*octet).into()));
    [
        &[level][..],
        &id.to_le_bytes(),
        &(data.len() as u32).to_le_bytes(),
        data,
        &sum.to_le_bytes(),
    ]
    .concat()
}

pub fn tnef(name: &str, content: &[u8]) -> Packed {
    let octets = [
        b"\x78\x9f\x3e\x22\x01\0".to_vec(),
        attribute(1, 0x0008_9006, &0x0001_0000_u32.to_le_bytes()),
        attribute(2, 0x0006_9002, &[1, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]),
        attribute(2, 0x0001_8010, format!("{name}\0").as_bytes()),
        attribute(2, 0x0006_800f, content),
    ];
    packed("winmail.dat", "application/ms-tnef", octets.concat())
}

pub fn zip_in_tnef(name: &str, content: &[u8]) -> Packed {
    tnef("files.zip", &archives::deflated(name, content).octets)
}

pub fn eml(name: &str, content: &[u8]) -> Packed {
    let text = format!(
        "From: a@b.example\r\nTo: c@d.example\r\nSubject: Enclosed\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=inner\r\n\r\n--inner\r\nContent-Type: text/plain\r\n\r\nHello\r\n\
         --inner\r\nContent-Type: application/octet-stream; name=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=\"{name}\"\r\n\r\n{}--inner--\r\n",
        base64(content)
    );
    packed("mail.eml", "message/rfc822", text.into_bytes())
}

pub fn eml_in_zip(name: &str, content: &[u8]) -> Packed {
    archives::deflated("mail.eml", &eml(name, content).octets)
}

pub fn eml_in_eml(name: &str, content: &[u8]) -> Packed {
    eml("mail.eml", &eml(name, content).octets)
}
