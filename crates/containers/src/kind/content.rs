//! Forms that begin, or end, with a magic number.

use memchr::memmem;

use super::table::MAGIC;
use super::{Class, Kind, TAIL, office, packed, text};

/// How far from the front the header of a PDF may lie (ISO 32000-1, annex H.3, note 13).
const PDF_WITHIN: usize = 1_024;

/// The number at `at`, little endian.
fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    let four = octets.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

/// Whether `what` lies at `at`.
fn lies(octets: &[u8], at: usize, what: &[u8]) -> bool {
    octets.get(at..).is_some_and(|rest| rest.starts_with(what))
}

/// What the octets are by a magic number; `None` where there is none.
pub(super) fn of(octets: &[u8], extension: &str) -> Option<Kind> {
    // A name of a tar's first member, and what lies before an image's first sector, may be any magic number.
    if lies(octets, 257, b"ustar") && old_tar(octets) && !octets.starts_with(b"PK\x03\x04") {
        return Some(Kind::Tar);
    }
    let found = by_magic(octets);
    match found {
        Some(kind) if kind.class() == Class::Executable || kind.is_zip() || kind.is_compound() => found,
        _ => image(octets)
            .or(found)
            .or_else(|| by_der(octets))
            .or_else(|| by_place(octets, extension))
            .or_else(|| pdf_at_front(octets).then_some(Kind::Pdf)),
    }
}

fn by_magic(octets: &[u8]) -> Option<Kind> {
    let zip: [&[u8]; 4] = [b"PK\x03\x04", b"PK\x05\x06", b"PK00PK\x03\x04", b"PK\x07\x08PK\x03\x04"];
    if zip.iter().any(|one| octets.starts_with(one)) {
        return Some(packed::of(octets));
    }
    if octets.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return Some(office::of(octets));
    }
    let found = MAGIC
        .iter()
        .find(|one| lies(octets, one.0, one.1) && !is_a_word(octets, one))
        .map(|one| one.2);
    match found {
        Some(Kind::Dos) => program(octets),
        Some(Kind::Elf) if lies(octets, 8, b"AI\x01") || lies(octets, 8, b"AI\x02") => Some(Kind::AppImage),
        // The same number: so many processors, or a version of Java, which begin at 45.
        Some(Kind::JavaClass) => {
            let next = octets
                .get(4..8)
                .and_then(|four| Some(u32::from_be_bytes(four.try_into().ok()?)));
            Some(if next.is_some_and(|next| next < 40) {
                Kind::MachO
            } else {
                Kind::JavaClass
            })
        }
        Some(Kind::Ar) if lies(octets, 8, b"debian-binary") => Some(Kind::Deb),
        Some(Kind::Lzh) => (octets.get(6) == Some(&b'-')).then_some(Kind::Lzh),
        Some(Kind::Cpio) if octets.starts_with(b"07") => {
            let header = octets
                .get(6..76)
                .is_some_and(|header| header.iter().all(u8::is_ascii_hexdigit));
            header.then_some(Kind::Cpio)
        }
        Some(Kind::Aiff) => lies(octets, 8, b"AIF").then_some(Kind::Aiff),
        Some(Kind::Avi) => riff(octets),
        Some(Kind::Mp4) => brand(octets),
        Some(Kind::Bmp) => octets.get(6..10).filter(|zero| *zero == [0; 4]).and(found),
        Some(Kind::Bzip2) => octets.get(3).filter(|level| level.is_ascii_digit()).and(found),
        Some(Kind::Mp3) if octets.starts_with(b"ID3") => octets.get(3).filter(|v| **v < 10).and(found),
        Some(Kind::Lzma) => lzma(octets).then_some(Kind::Lzma),
        Some(Kind::Arj) => octets.get(2..4).filter(|size| *size != [0, 0]).and(found),
        // A sheet of Excel outside of any container: of cells, a chart, macros, a workbook.
        Some(Kind::Xls) => octets
            .get(6..8)
            .filter(|sort| {
                [[0x10, 0], [0x20, 0], [0x40, 0], [5, 0], [0, 1]]
                    .iter()
                    .any(|one| one == sort)
            })
            .and(found),
        Some(Kind::Emf) => lies(octets, 40, b" EMF").then_some(Kind::Emf),
        Some(Kind::Pyc) => pyc(octets).then_some(Kind::Pyc),
        Some(kind) => Some(kind),
        None => None,
    }
}

/// Whether a magic number of letters only begins what is plain text.
fn is_a_word(octets: &[u8], one: &(usize, &[u8], Kind)) -> bool {
    let letters = one.1.len() <= 6 && one.1.iter().all(|octet| octet.is_ascii_graphic());
    letters && !matches!(one.2, Kind::PostScript | Kind::Cpio) && text::front(octets).is_some()
}

/// What is left for octets that are neither of a known form nor text.
pub(super) fn last_resort(octets: &[u8], extension: &str) -> Kind {
    if mpeg_audio(octets) {
        return Kind::Mp3;
    }
    if let Some(kind) = text::broken(octets, extension) {
        return kind;
    }
    match extension {
        "com" => Kind::Com,
        "pgp" | "gpg" if octets.first().is_some_and(|first| first & 0x80 != 0) => Kind::Pgp,
        _ if ends_as_zip(octets) => packed::of(octets),
        _ => Kind::Unknown,
    }
}

/// A second form in octets that are `kind`: a PDF before all others, which are looked for by their readers too.
pub(super) fn also(kind: Kind, octets: &[u8]) -> Option<Kind> {
    let shown = matches!(
        kind.class(),
        Class::Picture | Class::Audio | Class::Video | Class::Script
    ) || matches!(kind, Kind::Html | Kind::Xhtml | Kind::Svg);
    if (shown || kind.class() == Class::Executable || kind == Kind::Zip) && pdf(octets) {
        return Some(Kind::Pdf);
    }
    // A program that unpacks itself is one form, and so are the packages that sign a ZIP.
    let own_zip = kind.is_zip() || matches!(kind, Kind::Pe | Kind::Elf | Kind::AppImage | Kind::Crx);
    // Archives that store, disk images, mails and texts hold whole files as they are.
    let holds = matches!(kind.class(), Class::Archive | Class::Image | Class::Mail);
    // Word and Excel keep the theme of a document as a ZIP in a stream, which may be the last one: but not to the octet.
    if !own_zip
        && !holds
        && if kind.is_compound() {
            ends_at(octets).is_some_and(|end| end == octets.len())
        } else {
            ends_as_zip(octets)
        }
    {
        return Some(Kind::Zip);
    }
    if kind.class() != Class::Image
        && let Some(image) = image(octets)
    {
        return Some(image);
    }
    shown.then(|| behind(octets)).flatten()
}

/// Whether a directory of a ZIP lies near the end, and a member where it says.
fn ends_as_zip(octets: &[u8]) -> bool {
    ends_at(octets).is_some()
}

/// Where such a ZIP ends, its comment included.
fn ends_at(octets: &[u8]) -> Option<usize> {
    let from = octets.len().saturating_sub(TAIL);
    let tail = octets.get(from..)?;
    // Forwards is the faster way to see that there is none, as in nearly every file.
    memmem::find(tail, b"PK\x05\x06")?;
    memmem::rfind_iter(tail, b"PK\x05\x06").take(8).find_map(|at| {
        let size = u32_at(tail, at.checked_add(12)?)?;
        let comment = tail.get(at.checked_add(20)?..at.checked_add(22)?)?;
        let end = at
            .checked_add(22)?
            .checked_add(usize::from(u16::from_le_bytes(comment.try_into().ok()?)))?;
        let directory = from.checked_add(at)?.checked_sub(size as usize)?;
        let whole = end <= tail.len() && size >= 46 && lies(octets, directory, b"PK\x01\x02");
        whole.then(|| from.saturating_add(end))
    })
}

/// MZ: by the newer header that it points to.
fn program(octets: &[u8]) -> Option<Kind> {
    let at = u32_at(octets, 60).unwrap_or(0) as usize;
    if lies(octets, at, b"PE\0\0") {
        return Some(Kind::Pe);
    }
    if at >= 64 && [b"NE", b"LE", b"LX"].iter().any(|one| lies(octets, at, *one)) {
        return Some(Kind::Ne);
    }
    // Two letters begin many a text.
    let front = octets.get(..octets.len().min(64)).unwrap_or_default();
    (front.len() >= 28 && front.contains(&0)).then_some(Kind::Dos)
}

fn riff(octets: &[u8]) -> Option<Kind> {
    match octets.get(8..12)? {
        b"WAVE" => Some(Kind::Wav),
        b"AVI " => Some(Kind::Avi),
        b"WEBP" => Some(Kind::Webp),
        b"ACON" => Some(Kind::Icon),
        b"RMID" => Some(Kind::Midi),
        _ => None,
    }
}

/// ISO 14496-12: the brand of the first box.
fn brand(octets: &[u8]) -> Option<Kind> {
    Some(match octets.get(8..12)? {
        b"avif" | b"avis" => Kind::Avif,
        b"heic" | b"heix" | b"hevc" | b"heim" | b"heis" | b"mif1" | b"msf1" => Kind::Heif,
        b"M4A " | b"M4B " | b"M4P " => Kind::M4a,
        b"qt  " => Kind::Mov,
        b"jp2 " => Kind::Jp2,
        _ => Kind::Mp4,
    })
}

/// The header of LZMA alone: 13 octets without a magic number, so each field must make sense.
fn lzma(octets: &[u8]) -> bool {
    let (Some(dictionary), Some(size)) = (u32_at(octets, 1), octets.get(5..13)) else {
        return false;
    };
    let size = u64::from_le_bytes(size.try_into().unwrap_or_default());
    let round = dictionary.is_power_of_two() || dictionary.is_multiple_of(3) && (dictionary / 3).is_power_of_two();
    round && dictionary >= 4_096 && (size == u64::MAX || size < 1 << 38) && lies(octets, 13, &[0])
}

/// The number of Python's version, then CR LF.
fn pyc(octets: &[u8]) -> bool {
    let number = octets.get(..2).map_or(0, |two| u16::from_le_bytes([two[0], two[1]]));
    octets.len() > 16 && (matches!(number, 3_000..=3_800) || matches!(number, 62_000..=62_300))
}

/// Two frames of MPEG audio, layer 3, in turn: the sync word alone is in any noise.
fn mpeg_audio(octets: &[u8]) -> bool {
    const BITS: [usize; 16] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0];
    const LOWER: [usize; 16] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0];
    let head = |at: usize| {
        let four = octets.get(at..at.checked_add(4)?)?;
        (four[0] == 0xff && four[1] & 0xe6 == 0xe2).then_some([four[1], four[2]])
    };
    let Some([first, second]) = head(0) else { return false };
    // Versions 1, 2 and 2.5, each with half the rates of the one before.
    let (bits, frame, rates) = match first >> 3 & 3 {
        3 => (BITS, 144, [44_100, 48_000, 32_000]),
        2 => (LOWER, 72, [22_050, 24_000, 16_000]),
        0 => (LOWER, 72, [11_025, 12_000, 8_000]),
        _ => return false,
    };
    let bits = bits.get(usize::from(second >> 4)).copied().unwrap_or(0);
    let Some(rate) = rates.get(usize::from(second >> 2 & 3)) else {
        return false;
    };
    let length = frame * bits * 1_000 / rate + usize::from(second >> 1 & 1);
    bits > 0 && head(length).is_some()
}

/// ASN.1 in DER: PKCS 7 by its object identifier, PKCS 12 and certificates by their first fields.
fn by_der(octets: &[u8]) -> Option<Kind> {
    if octets.first() != Some(&0x30) {
        return None;
    }
    let length = match octets.get(1)? {
        0x80 => 0,
        0x81 => 1,
        0x82 => 2,
        0x83 => 3,
        0x84 => 4,
        _ => return None,
    };
    let inner = octets.get(2 + length..)?;
    if inner.starts_with(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07") {
        return Some(Kind::Pkcs7);
    }
    if inner.starts_with(b"\x02\x01\x03\x30") {
        return Some(Kind::Key);
    }
    (length >= 2 && (inner.starts_with(b"\x30\x82") || inner.starts_with(b"\x30\x81"))).then_some(Kind::Certificate)
}

/// Disk images whose mark lies deep inside or at the end.
fn image(octets: &[u8]) -> Option<Kind> {
    let volume = |what: &[u8]| (16..32).any(|sector: usize| lies(octets, sector * 2_048 + 1, what));
    if volume(b"CD001") {
        return Some(Kind::Iso);
    }
    if volume(b"NSR02") || volume(b"NSR03") {
        return Some(Kind::Udf);
    }
    let tail = octets.len().saturating_sub(512);
    if lies(octets, tail, b"koly") {
        return Some(Kind::Dmg);
    }
    if lies(octets, tail, b"conectix") || lies(octets, tail.saturating_add(1), b"conectix") {
        return Some(Kind::Vhd);
    }
    None
}

/// Boot sectors, and archives without a magic number.
fn by_place(octets: &[u8], extension: &str) -> Option<Kind> {
    if lies(octets, 510, b"\x55\xaa") {
        let named = [
            (3, &b"NTFS    "[..]),
            (3, b"EXFAT   "),
            (54, b"FAT"),
            (82, b"FAT32"),
            (512, b"EFI PART"),
        ];
        let known = named.iter().any(|(at, what)| lies(octets, *at, what));
        if known || matches!(extension, "img" | "ima" | "vfd" | "flp" | "dsk") {
            return Some(Kind::Disk);
        }
    }
    old_tar(octets).then_some(Kind::Tar)
}

/// A tar without a magic number, by the sum of its first header.
fn old_tar(octets: &[u8]) -> bool {
    let Some(header) = octets.get(..512) else { return false };
    if header.first() == Some(&0) {
        return false;
    }
    let (mut said, mut digits) = (0u32, 0);
    for octet in header.get(148..156).unwrap_or_default() {
        match octet {
            b'0'..=b'7' => {
                said = said.saturating_mul(8).saturating_add(u32::from(octet - b'0'));
                digits += 1;
            }
            b' ' if digits == 0 => {}
            _ => break,
        }
    }
    let sum = |from: usize, to: usize| {
        header
            .get(from..to)
            .unwrap_or_default()
            .iter()
            .map(|o| u32::from(*o))
            .sum::<u32>()
    };
    digits >= 3 && said == sum(0, 148) + 8 * 32 + sum(156, 512)
}

/// A header of a PDF behind nothing but white space.
fn pdf_at_front(octets: &[u8]) -> bool {
    octets
        .get(..octets.len().min(PDF_WITHIN + 5))
        .unwrap_or_default()
        .trim_ascii_start()
        .starts_with(b"%PDF-")
}

/// A header of a PDF near the front, and an object somewhere.
pub(super) fn pdf(octets: &[u8]) -> bool {
    let front = octets.get(..octets.len().min(PDF_WITHIN + 5)).unwrap_or_default();
    pdf_at_front(octets)
        || memmem::find(front, b"%PDF-").is_some()
            && (memmem::find(octets, b"endobj").is_some() || memmem::find(octets, b"%%EOF").is_some())
}

/// Octets in which an archive of its own is looked for behind something else: those that open it look no further.
const BEHIND: usize = 4 << 20;

/// An archive behind something else, which its programs open all the same.
fn behind(octets: &[u8]) -> Option<Kind> {
    let front = octets.get(..octets.len().min(BEHIND)).unwrap_or_default();
    let has = |magic: &[u8]| memmem::find(front, magic).is_some();
    if has(b"Rar!\x1a\x07\0") || has(b"Rar!\x1a\x07\x01\0") {
        Some(Kind::Rar)
    } else {
        has(b"7z\xbc\xaf\x27\x1c").then_some(Kind::SevenZ)
    }
}

/// Whether a browser that is told by the name to show it finds a page in it.
pub(super) fn holds_page(octets: &[u8]) -> bool {
    memchr::memchr_iter(b'<', octets).any(|at| {
        let rest = octets.get(at + 1..).unwrap_or_default();
        [
            &b"script"[..],
            b"html",
            b"body",
            b"iframe",
            b"meta ",
            b"a href",
            b"form ",
            b"object ",
        ]
        .iter()
        .any(|name| {
            rest.get(..name.len())
                .is_some_and(|begin| begin.eq_ignore_ascii_case(name))
        })
    })
}
