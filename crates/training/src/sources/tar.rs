//! A tar archive, entry by entry: ustar, the older form, and what GNU tar and pax add for long names and large files.
//!
//! Written here because of its bounds: other readers take a long name into memory however long an archive says it is.
//! Entries are read in place; nothing is unpacked to disk, and links, folders and devices are passed over.
//!
//! **Bounds:** names and pax headers of [`HEADER_MAX`] octets, [`HEADERS_MAX`] of them before one entry.

use std::io::{self, BufRead, Read};

const BLOCK: usize = 512;
/// The most octets of a long name or a pax header.
pub const HEADER_MAX: u64 = 1 << 20;
/// The most such headers before one entry.
pub const HEADERS_MAX: usize = 16;
/// The most octets of a name that are kept.
const NAME_MAX: usize = 4_096;

/// A file within an archive.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Entry {
    /// Its name, as octets.
    pub name: Vec<u8>,
    /// Its octets.
    pub size: u64,
    /// It is stored with its holes left out, which is not read here.
    pub sparse: bool,
}

/// Reads an archive. Between two entries it is the reader of the first one's content.
#[derive(Debug)]
pub struct Tar<R> {
    inner: R,
    left: u64,
    pad: u64,
    done: bool,
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the tar archive is damaged: {what}"),
    )
}

fn cut_off() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the tar archive ends in the middle of an entry",
    )
}

impl<R: BufRead> Tar<R> {
    /// An archive from its first octet.
    pub fn new(inner: R) -> Tar<R> {
        Tar {
            inner,
            left: 0,
            pad: 0,
            done: false,
        }
    }

    /// Goes to the next file, over what was not read of the one before; nothing at the end.
    pub fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        let (mut more, mut headers) = (More::default(), 0);
        while let Some(block) = self.header()? {
            let size = number(&block[124..136]).ok_or_else(|| damaged("an entry has no size"))?;
            headers += 1;
            if headers > HEADERS_MAX {
                return Err(damaged("too many headers before one entry"));
            }
            match block[156] {
                b'x' => more.pax(&self.extra(size)?)?,
                b'L' => more.long_name(self.extra(size)?),
                kind @ (b'0' | 0 | b'7' | b'S') => {
                    let entry = std::mem::take(&mut more).entry(&block, size);
                    let mut holes = kind == b'S' && block[482] != 0;
                    while holes {
                        holes = self.block()?.ok_or_else(cut_off)?[504] != 0;
                    }
                    self.open(entry.size);
                    // The form that had no kind for folders marks them so.
                    if !entry.name.ends_with(b"/") {
                        return Ok(Some(entry));
                    }
                    headers = 0;
                }
                // Links, devices and folders have no content, whatever they say.
                b'1'..=b'6' => (more, headers) = (More::default(), 0),
                // A header for all that follows, the long name of a link, a label, and what nobody knows.
                _ => self.open(size),
            }
        }
        self.done = true;
        Ok(None)
    }

    fn open(&mut self, size: u64) {
        self.left = size;
        self.pad = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
    }

    /// The next header, behind the content of the entry before; nothing at the end, marked or not.
    fn header(&mut self) -> io::Result<Option<[u8; BLOCK]>> {
        if self.done {
            return Ok(None);
        }
        let (left, pad) = (std::mem::take(&mut self.left), std::mem::take(&mut self.pad));
        self.skip(left)?;
        self.skip(pad)?;
        let Some(block) = self.block()? else {
            return Ok(None);
        };
        if block.iter().all(|octet| *octet == 0) {
            return Ok(None);
        }
        if is_header(&block) {
            Ok(Some(block))
        } else {
            Err(damaged("the checksum of a header is wrong"))
        }
    }

    fn skip(&mut self, mut octets: u64) -> io::Result<()> {
        while octets > 0 {
            let some = self.inner.fill_buf()?.len();
            if some == 0 {
                return Err(cut_off());
            }
            let some = some.min(usize::try_from(octets).unwrap_or(usize::MAX));
            self.inner.consume(some);
            octets -= some as u64;
        }
        Ok(())
    }

    /// A block; nothing where the archive ends before it.
    fn block(&mut self) -> io::Result<Option<[u8; BLOCK]>> {
        if self.inner.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut block = [0; BLOCK];
        self.inner.read_exact(&mut block).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => cut_off(),
            _ => error,
        })?;
        Ok(Some(block))
    }

    /// The content of a header that takes blocks of its own.
    fn extra(&mut self, size: u64) -> io::Result<Vec<u8>> {
        if size > HEADER_MAX {
            return Err(damaged("a name or an additional header is longer than 1 MiB"));
        }
        self.open(size);
        let mut octets = Vec::new();
        self.read_to_end(&mut octets)?;
        Ok(octets)
    }
}

impl<R: BufRead> Read for Tar<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let some = self.fill_buf()?.read(out)?;
        self.consume(some);
        Ok(some)
    }
}

impl<R: BufRead> BufRead for Tar<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Ok(&[]);
        }
        let some = self.inner.fill_buf()?;
        if some.is_empty() {
            return Err(cut_off());
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(some.len());
        Ok(&some[..most])
    }

    fn consume(&mut self, octets: usize) {
        self.inner.consume(octets);
        self.left = self.left.saturating_sub(octets as u64);
    }
}

/// What stands before an entry's own header.
#[derive(Default)]
struct More {
    name: Option<Vec<u8>>,
    path: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
}

impl More {
    fn long_name(&mut self, mut name: Vec<u8>) {
        name.truncate(name.iter().position(|octet| *octet == 0).unwrap_or(name.len()));
        self.name = Some(name);
    }

    /// Records of the form `LENGTH KEY=VALUE` and a line end, the length counting all of it.
    fn pax(&mut self, mut records: &[u8]) -> io::Result<()> {
        let wrong = || damaged("an additional header cannot be read");
        while !records.is_empty() {
            let digits = records.iter().take_while(|octet| octet.is_ascii_digit()).count();
            let length = records.get(..digits).and_then(|text| std::str::from_utf8(text).ok());
            let length: usize = length.and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
            let record = records.get(digits..length).ok_or_else(wrong)?;
            let record = record.strip_prefix(b" ").and_then(|record| record.strip_suffix(b"\n"));
            let record = record.ok_or_else(wrong)?;
            let equals = record.iter().position(|octet| *octet == b'=').ok_or_else(wrong)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            match key {
                b"path" => self.path = Some(value.to_vec()),
                b"size" => {
                    let text = std::str::from_utf8(value).ok();
                    self.size = Some(text.and_then(|text| text.parse().ok()).ok_or_else(wrong)?);
                }
                _ => self.sparse |= key.starts_with(b"GNU.sparse."),
            }
            records = records.get(length..).unwrap_or_default();
        }
        Ok(())
    }

    fn entry(self, block: &[u8; BLOCK], size: u64) -> Entry {
        let mut name = self.path.or(self.name).unwrap_or_else(|| short_name(block));
        name.truncate(NAME_MAX);
        Entry {
            name,
            size: self.size.unwrap_or(size),
            sparse: self.sparse || block[156] == b'S',
        }
    }
}

fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|octet| *octet == 0);
    &field[..end.unwrap_or(field.len())]
}

fn short_name(block: &[u8; BLOCK]) -> Vec<u8> {
    let (name, prefix) = (text(&block[..100]), text(&block[345..500]));
    // GNU tar has other things where ustar has the prefix.
    if &block[257..263] == b"ustar\0" && !prefix.is_empty() {
        [prefix, name].join(&b'/')
    } else {
        name.to_vec()
    }
}

/// A number in octal, or in binary where its first bit is set.
fn number(field: &[u8]) -> Option<u64> {
    let (first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        let start = u64::from(first & 0x7f);
        return rest.iter().try_fold(start, |number, octet| {
            number.checked_mul(256)?.checked_add(u64::from(*octet))
        });
    }
    let digits = field.iter().skip_while(|octet| **octet == b' ');
    let digits = digits.take_while(|octet| !matches!(octet, b' ' | 0));
    digits.copied().try_fold(0_u64, |number, octet| match octet {
        b'0'..=b'7' => number.checked_mul(8)?.checked_add(u64::from(octet - b'0')),
        _ => None,
    })
}

/// Whether these octets begin with a header: its checksum tells.
pub fn is_header(octets: &[u8]) -> bool {
    let Some(block) = octets.first_chunk::<BLOCK>() else {
        return false;
    };
    let Some(told) = number(&block[148..156]) else {
        return false;
    };
    let octets = || {
        block
            .iter()
            .enumerate()
            .map(|(at, octet)| if (148..156).contains(&at) { b' ' } else { *octet })
    };
    // Some writers took octets for signed.
    let unsigned: u64 = octets().map(u64::from).sum();
    let signed: i64 = octets().map(|octet| i64::from(octet.cast_signed())).sum();
    block[0] != 0 && (told == unsigned || i64::try_from(told) == Ok(signed))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A header of ustar.
    fn header(name: &str, kind: u8, size: usize) -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        block[156] = kind;
        block[257..265].copy_from_slice(b"ustar\x0000");
        sealed(block)
    }

    fn sealed(mut block: Vec<u8>) -> Vec<u8> {
        block[148..156].fill(b' ');
        let sum: u64 = block.iter().copied().map(u64::from).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }

    fn entry(name: &str, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut out = header(name, kind, content.len());
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
        out
    }

    fn all(archive: &[u8]) -> io::Result<Vec<(String, Vec<u8>)>> {
        let (mut tar, mut out) = (Tar::new(archive), Vec::new());
        while let Some(entry) = tar.next_entry()? {
            let mut content = Vec::new();
            tar.read_to_end(&mut content)?;
            assert_eq!(content.len() as u64, entry.size);
            out.push((String::from_utf8_lossy(&entry.name).into_owned(), content));
        }
        Ok(out)
    }

    #[test]
    fn files_are_read_and_folders_links_and_labels_passed_over() {
        let archive = [
            entry("folder/", b'5', b""),
            entry("old/", 0, b""),
            header("link", b'1', 1_000_000),
            entry("label", b'V', b"text"),
            entry("folder/a", b'0', &[b'a'; 600]),
            entry("b", 0, b""),
            vec![0; 1024],
            b"rubbish behind the end".to_vec(),
        ];
        let read = all(&archive.concat()).unwrap();
        assert_eq!(read, [("folder/a".into(), vec![b'a'; 600]), ("b".into(), Vec::new())]);
    }

    #[test]
    fn long_names_and_sizes_come_from_headers_before_the_entry() {
        let long = "x".repeat(300);
        let pax = "21 path=p/\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\n14 size=00003\n";
        let archive = [
            entry("././@LongLink", b'L', format!("{long}\0").as_bytes()),
            entry("short", b'0', b"1"),
            entry("x", b'x', pax.as_bytes()),
            entry("short", b'0', b"abc"),
            entry("plain", b'0', b"2"),
        ];
        let names: Vec<String> = all(&archive.concat())
            .unwrap()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, [long, "p/\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}".into(), "plain".into()]);
    }

    #[test]
    fn what_is_cut_off_or_damaged_is_told_and_what_stands_before_it_is_read() {
        let whole = [entry("a", b'0', b"one"), entry("b", b'0', b"two")].concat();
        let mut tar = Tar::new(&whole[..BLOCK * 3 + 2]);
        assert_eq!(tar.next_entry().unwrap().map(|entry| entry.name), Some(b"a".to_vec()));
        assert!(tar.next_entry().is_ok());
        let mut content = Vec::new();
        assert!(
            tar.read_to_end(&mut content)
                .unwrap_err()
                .to_string()
                .contains("middle of an entry")
        );
        let mut bad = whole;
        bad[BLOCK * 2] ^= 1;
        assert!(all(&bad).unwrap_err().to_string().contains("checksum"));
        let lying = entry("././@LongLink", b'L', b"");
        let mut huge = lying[..BLOCK].to_vec();
        huge[124..135].copy_from_slice(b"77777777777");
        assert!(all(&sealed(huge)).unwrap_err().to_string().contains("1 MiB"));
        let endless: Vec<u8> = (0..20).flat_map(|_| lying.clone()).collect();
        assert!(all(&endless).unwrap_err().to_string().contains("too many headers"));
        for pax in [
            "9 path=",
            "0 a=b\n",
            "99999999999999999999 a=b\n",
            "x",
            "6 abc\n",
            "9 size=x\n",
        ] {
            assert!(all(&entry("x", b'x', pax.as_bytes())).is_err(), "{pax}");
        }
    }

    #[test]
    fn a_sparse_file_is_told_apart() {
        let mut tar = Tar::new(io::Cursor::new(
            [entry("a", b'S', b"data"), entry("b", b'0', b"two")].concat(),
        ));
        assert!(tar.next_entry().unwrap().is_some_and(|entry| entry.sparse));
        assert!(tar.next_entry().unwrap().is_some_and(|entry| entry.name == b"b"));
    }

    #[test]
    fn numbers_may_be_binary() {
        assert_eq!(number(b"\x80\0\0\0\0\0\0\0\0\x01\0\0"), Some(1 << 16));
        assert_eq!(number(b" 17 \0"), Some(15));
        assert_eq!(number(&[0xff; 12]), None);
        assert_eq!(number(b"9"), None);
    }

    proptest! {
        #[test]
        fn any_octets_are_read_to_an_end(mut octets in prop::collection::vec(any::<u8>(), 0..2_000), sizes in any::<[u8; 3]>()) {
            let _ = all(&octets);
            // And with headers that hold.
            for (at, size) in sizes.iter().enumerate() {
                let kind = *b"0xLSVg5".get(usize::from(*size) % 7).unwrap_or(&0);
                let place = octets.len().min(at * BLOCK * 2);
                octets.splice(place..place, header("n", kind, usize::from(*size) * 3));
            }
            let _ = all(&octets);
        }

        #[test]
        fn every_file_of_a_written_archive_comes_back(files in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..1_200), 0..5)) {
            let archive: Vec<u8> = files.iter().flat_map(|file| entry("n", b'0', file)).collect();
            let read: Vec<Vec<u8>> = all(&archive).unwrap().into_iter().map(|(_, content)| content).collect();
            prop_assert_eq!(read, files);
        }
    }
}
