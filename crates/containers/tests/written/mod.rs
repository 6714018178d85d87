//! A writer of zip archives that can lie, and small ones of gzip and tar.
#![allow(dead_code, reason = "each test uses its part")]

use std::io::Write;

/// A member as the two places of an archive describe it.
#[derive(Clone)]
pub struct Member {
    pub name: Vec<u8>,
    /// In its own header, where that is another.
    pub local_name: Option<Vec<u8>>,
    pub data: Vec<u8>,
    pub method: u16,
    pub flags: u16,
    pub crc: u32,
    pub unpacked: u32,
    /// Octets packed by its own header, where these are others.
    pub local_packed: Option<u32>,
    pub extra: Vec<u8>,
    pub attributes: u32,
    pub listed: bool,
}

/// A member that is packed as it should be.
pub fn deflated(name: &str, content: &[u8]) -> Member {
    let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(content).expect("to memory");
    Member {
        method: 8,
        data: packer.finish().expect("to memory"),
        ..stored(name, content)
    }
}

/// A member that is stored.
pub fn stored(name: &str, content: &[u8]) -> Member {
    Member {
        name: name.as_bytes().to_vec(),
        local_name: None,
        data: content.to_vec(),
        method: 0,
        flags: 0,
        crc: crc32fast::hash(content),
        unpacked: content.len() as u32,
        local_packed: None,
        extra: Vec::new(),
        attributes: 0,
        listed: true,
    }
}

fn put(out: &mut Vec<u8>, numbers: &[(u64, usize)]) {
    for (number, width) in numbers {
        out.extend_from_slice(&number.to_le_bytes()[..*width]);
    }
}

/// A zip archive of these members.
pub fn zip(members: &[Member]) -> Vec<u8> {
    let mut out = Vec::new();
    let places: Vec<usize> = members
        .iter()
        .map(|member| {
            let at = out.len();
            local(&mut out, member);
            at
        })
        .collect();
    let listed: Vec<_> = members.iter().zip(places).filter(|(member, _)| member.listed).collect();
    directory(&mut out, &listed);
    out
}

/// Members all of which the directory looks for in the first one's place.
pub fn overlapping(name: &str, member: &Member, count: usize) -> Vec<u8> {
    let mut out = Vec::new();
    local(&mut out, member);
    let members: Vec<Member> = (0..count)
        .map(|number| Member {
            name: format!("{name}{number}").into_bytes(),
            ..member.clone()
        })
        .collect();
    directory(&mut out, &members.iter().map(|member| (member, 0)).collect::<Vec<_>>());
    out
}

pub fn local(out: &mut Vec<u8>, member: &Member) {
    let name = member.local_name.as_ref().unwrap_or(&member.name);
    let packed = member.local_packed.unwrap_or(member.data.len() as u32);
    out.extend_from_slice(b"PK\x03\x04");
    put(
        out,
        &[
            (20, 2),
            (member.flags.into(), 2),
            (member.method.into(), 2),
            (0, 4),
            (member.crc.into(), 4),
            (packed.into(), 4),
        ],
    );
    put(out, &[(member.unpacked.into(), 4), (name.len() as u64, 2), (0, 2)]);
    out.extend_from_slice(name);
    out.extend_from_slice(&member.data);
}

pub fn directory(out: &mut Vec<u8>, members: &[(&Member, usize)]) {
    let begin = out.len();
    for (member, at) in members {
        out.extend_from_slice(b"PK\x01\x02");
        put(
            out,
            &[
                (0x0314, 2),
                (20, 2),
                (member.flags.into(), 2),
                (member.method.into(), 2),
                (0, 4),
                (member.crc.into(), 4),
            ],
        );
        put(
            out,
            &[
                (member.data.len() as u64, 4),
                (member.unpacked.into(), 4),
                (member.name.len() as u64, 2),
            ],
        );
        put(
            out,
            &[
                (member.extra.len() as u64, 2),
                (0, 2),
                (0, 2),
                (0, 2),
                (member.attributes.into(), 4),
                (*at as u64, 4),
            ],
        );
        out.extend_from_slice(&member.name);
        out.extend_from_slice(&member.extra);
    }
    let len = out.len() - begin;
    out.extend_from_slice(b"PK\x05\x06");
    let count = members.len() as u64 & 0xffff;
    put(
        out,
        &[
            (0, 4),
            (count, 2),
            (count, 2),
            (len as u64, 4),
            (begin as u64, 4),
            (0, 2),
        ],
    );
}

/// A gzip file, with or without a name in it.
pub fn gzip(name: Option<&str>, content: &[u8]) -> Vec<u8> {
    let mut builder = flate2::GzBuilder::new();
    if let Some(name) = name {
        builder = builder.filename(name);
    }
    let mut packer = builder.write(Vec::new(), flate2::Compression::best());
    packer.write_all(content).expect("to memory");
    packer.finish().expect("to memory")
}

/// The header of a member of a tape archive, and its content.
pub fn tape(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    header[156] = kind;
    header[257..263].copy_from_slice(b"ustar\0");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|octet| u32::from(*octet)).sum();
    header[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
    header[154] = 0;
    let mut out = header.to_vec();
    out.extend_from_slice(content);
    out.resize(out.len().next_multiple_of(512), 0);
    out
}
