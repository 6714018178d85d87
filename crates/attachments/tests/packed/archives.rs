//! Archives, as their formats are told by those who made them (APPNOTE, 7zFormat.txt, MS-CAB, ECMA-119), or found out about.

use super::written::{self, Member, tape};
use super::{Packed, packed, program};

const ZIP: &str = "application/zip";
const README: &[u8] = b"Nothing to see here.\r\n";

fn zip(members: &[Member]) -> Packed {
    packed("files.zip", ZIP, written::zip(members))
}

pub fn deflated(name: &str, content: &[u8]) -> Packed {
    zip(&[
        written::deflated("readme.txt", README),
        written::deflated(name, content),
    ])
}

pub fn stored(name: &str, content: &[u8]) -> Packed {
    zip(&[written::stored(name, content)])
}

pub fn zip_in_zip(name: &str, content: &[u8]) -> Packed {
    deflated("more.zip", &deflated(name, content).octets)
}

pub fn zip_in_three(name: &str, content: &[u8]) -> Packed {
    zip_in_zip("most.zip", &zip_in_zip(name, content).octets)
}

pub fn zip_behind(name: &str, content: &[u8]) -> Packed {
    let mut octets = b"A few words before it all begins.\r\n".repeat(40);
    octets.extend(deflated(name, content).octets);
    packed("files.zip", ZIP, octets)
}

pub fn only_locals(name: &str, content: &[u8]) -> Packed {
    let mut octets = Vec::new();
    written::local(&mut octets, &written::deflated(name, content));
    packed("files.zip", ZIP, octets)
}

pub fn unlisted(name: &str, content: &[u8]) -> Packed {
    zip(&[
        written::stored("readme.txt", README),
        Member {
            listed: false,
            ..written::deflated(name, content)
        },
    ])
}

pub fn other_name(name: &str, content: &[u8]) -> Packed {
    zip(&[Member {
        name: b"notes.txt".to_vec(),
        local_name: Some(name.as_bytes().to_vec()),
        ..written::deflated(name, content)
    }])
}

pub fn other_local_name(name: &str, content: &[u8]) -> Packed {
    zip(&[Member {
        local_name: Some(b"notes.txt".to_vec()),
        ..written::deflated(name, content)
    }])
}

pub fn gzip(name: &str, content: &[u8]) -> Packed {
    packed("file.gz", "application/gzip", written::gzip(Some(name), content))
}

pub fn gzip_without_name(name: &str, content: &[u8]) -> Packed {
    packed(format!("{name}.gz"), "application/gzip", written::gzip(None, content))
}

pub fn tar(name: &str, content: &[u8]) -> Packed {
    let mut octets = tape("readme.txt", b'0', README);
    octets.extend(tape(name, b'0', content));
    octets.resize(octets.len() + 1_024, 0);
    packed("files.tar", "application/x-tar", octets)
}

pub fn tar_gz(name: &str, content: &[u8]) -> Packed {
    let octets = written::gzip(None, &tar(name, content).octets);
    packed("files.tar.gz", "application/gzip", octets)
}

pub fn zip_in_tar_gz(name: &str, content: &[u8]) -> Packed {
    tar_gz("files.zip", &deflated(name, content).octets)
}

fn number(value: usize) -> Vec<u8> {
    let mut out = vec![0xf0];
    out.extend((value as u32).to_le_bytes());
    out
}

pub fn sevenz(name: &str, content: &[u8]) -> Packed {
    let size = number(content.len());
    let name: Vec<u8> = format!("{name}\0").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let header = [
        // The packed stream, and a folder of one coder that copies.
        &[1, 4, 6, 0, 1, 9][..],
        &size,
        &[0, 7, 11, 1, 0, 1, 1, 0, 12],
        &size,
        &[10, 1],
        &crc32fast::hash(content).to_le_bytes(),
        // One file and its name.
        &[0, 8, 0, 0, 5, 1, 17],
        &number(name.len() + 1),
        &[0],
        &name,
        &[0, 0],
    ]
    .concat();
    let mut start = (content.len() as u64).to_le_bytes().to_vec();
    start.extend((header.len() as u64).to_le_bytes());
    start.extend(crc32fast::hash(&header).to_le_bytes());
    let octets = [
        b"7z\xbc\xaf\x27\x1c\0\x04",
        &crc32fast::hash(&start).to_le_bytes()[..],
        &start,
        content,
        &header,
    ]
    .concat();
    packed("files.7z", "application/x-7z-compressed", octets)
}

fn block(kind: u8, flags: u16, body: &[u8]) -> Vec<u8> {
    let len = (body.len() + 7) as u16;
    let head = [&[kind][..], &flags.to_le_bytes(), &len.to_le_bytes(), body].concat();
    let sum = crc32fast::hash(&head) as u16;
    [&sum.to_le_bytes()[..], &head].concat()
}

pub fn rar4(name: &str, content: &[u8]) -> Packed {
    let len = (content.len() as u32).to_le_bytes();
    let body = [
        &len[..],
        &len,
        &[3],
        &crc32fast::hash(content).to_le_bytes(),
        &0x5c22_1883_u32.to_le_bytes(),
        &[20, 0x30],
        &(name.len() as u16).to_le_bytes(),
        &0o100_644_u32.to_le_bytes(),
        name.as_bytes(),
    ]
    .concat();
    let octets = [
        b"Rar!\x1a\x07\0".to_vec(),
        block(0x73, 0, &[0; 6]),
        block(0x74, 0x8000, &body),
        content.to_vec(),
        block(0x7b, 0x4000, b""),
    ];
    packed("files.rar", "application/vnd.rar", octets.concat())
}

/// A number in groups of seven bits.
fn groups(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while value > 127 {
        out.push(value as u8 | 128);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn header(body: &[u8]) -> Vec<u8> {
    let sized = [&groups(body.len()), body].concat();
    [&crc32fast::hash(&sized).to_le_bytes()[..], &sized].concat()
}

pub fn rar5(name: &str, content: &[u8]) -> Packed {
    let member = [
        &[2, 2][..],
        &groups(content.len()),
        &[4],
        &groups(content.len()),
        &groups(0o100_644),
        &crc32fast::hash(content).to_le_bytes(),
        &[0, 1],
        &groups(name.len()),
        name.as_bytes(),
    ]
    .concat();
    let octets = [
        b"Rar!\x1a\x07\x01\0".to_vec(),
        header(&[1, 0, 0]),
        header(&member),
        content.to_vec(),
        header(&[5, 0, 0]),
    ];
    packed("files.rar", "application/vnd.rar", octets.concat())
}

pub fn cab(name: &str, content: &[u8]) -> Packed {
    let (size, len) = (
        (content.len() as u32).to_le_bytes(),
        (content.len() as u16).to_le_bytes(),
    );
    let data_at = 36 + 8 + 16 + name.len() as u32 + 1;
    let total = data_at + 8 + content.len() as u32;
    let octets = [
        b"MSCF\0\0\0\0",
        &total.to_le_bytes()[..],
        &[0; 4],
        &44_u32.to_le_bytes(),
        &[0, 0, 0, 0, 3, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0],
        // The folder, whose one block is stored.
        &data_at.to_le_bytes(),
        &[1, 0, 0, 0],
        &size,
        &[0, 0, 0, 0, 0, 0, 0x21, 0x58, 0, 0, 0x20, 0],
        name.as_bytes(),
        b"\0",
        &[0; 4],
        &len,
        &len,
        content,
    ]
    .concat();
    packed("files.cab", "application/vnd.ms-cab-compressed", octets)
}

const SECTOR: usize = 2_048;

fn both_ends(number: u32) -> [u8; 8] {
    let mut out = [0; 8];
    out[..4].copy_from_slice(&number.to_le_bytes());
    out[4..].copy_from_slice(&number.to_be_bytes());
    out
}

fn record(at: u32, size: usize, flags: u8, name: &[u8]) -> Vec<u8> {
    let mut out = vec![0, 0];
    out.extend(both_ends(at));
    out.extend(both_ends(size as u32));
    out.extend([126, 1, 2, 3, 4, 5, 0, flags, 0, 0, 1, 0, 0, 1, name.len() as u8]);
    out.extend(name);
    if out.len() % 2 == 1 {
        out.push(0);
    }
    out[0] = out.len() as u8;
    out
}

pub fn iso(name: &str, content: &[u8]) -> Packed {
    let mut octets = vec![0; 16 * SECTOR];
    let mut volume = vec![0; SECTOR];
    let sectors = 19 + content.len().div_ceil(SECTOR) as u32;
    volume[..7].copy_from_slice(b"\x01CD001\x01");
    volume[80..88].copy_from_slice(&both_ends(sectors));
    volume[120..132].copy_from_slice(&[1, 0, 0, 1, 1, 0, 0, 1, 0, 8, 8, 0]);
    let root = record(18, SECTOR, 2, &[0]);
    volume[156..156 + root.len()].copy_from_slice(&root);
    volume[881] = 1;
    octets.extend(volume);
    let mut end = b"\xffCD001\x01".to_vec();
    end.resize(SECTOR, 0);
    octets.extend(end);
    let file = record(
        19,
        content.len(),
        0,
        format!("{};1", name.to_ascii_uppercase()).as_bytes(),
    );
    let mut folder = [root, record(18, SECTOR, 2, &[1]), file].concat();
    folder.resize(SECTOR, 0);
    octets.extend(folder);
    octets.extend(content);
    octets.resize(sectors as usize * SECTOR, 0);
    packed("files.iso", "application/x-iso9660-image", octets)
}

pub fn self_extractor(name: &str, content: &[u8]) -> Packed {
    let mut octets = program();
    octets.extend(deflated(name, content).octets);
    packed("setup.exe", "application/octet-stream", octets)
}
