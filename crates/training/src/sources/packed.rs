//! What is packed with gzip or zstd, unpacked while it is read.
//!
//! **Bounds:** unpacking goes on as long as somebody reads, and what grows more than [`RATIO`]-fold is not read on: so a
//! small file that would never end does end. A window of zstd has
//! [`WINDOW_MAX`].

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

/// So much may come out of anything.
pub const GRACE: u64 = 64 << 20;
/// Beyond that, at most so many octets for each that went in. Mail packs about tenfold, much of the same a hundredfold.
pub const RATIO: u64 = 500;
/// The largest window, as a power of two: 128 MiB, what `zstd --ultra -22` uses.
pub const WINDOW_MAX: u32 = 27;
/// What is held of unpacked octets at once.
const BUFFER: usize = 64 << 10;

/// How something is packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packing {
    /// With gzip.
    Gzip,
    /// With zstd.
    Zstd,
}

/// How what begins with these octets is packed; nothing where it is not.
pub fn packing(head: &[u8]) -> Option<Packing> {
    match head {
        [0x1f, 0x8b, 8, ..] => Some(Packing::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Packing::Zstd),
        _ => None,
    }
}

/// Unpacks what `source` gives.
pub fn unpack(packing: Packing, source: impl BufRead + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let taken = Arc::new(AtomicU64::new(0));
    let source = Counted::new(source, Arc::clone(&taken));
    let (taken, given) = (taken, 0);
    Ok(match packing {
        Packing::Gzip => buffered(Within {
            inner: MultiGzDecoder::new(source),
            taken,
            given,
        }),
        Packing::Zstd => {
            let mut inner = zstd::Decoder::with_buffer(source)?;
            inner.window_log_max(WINDOW_MAX)?;
            buffered(Within { inner, taken, given })
        }
    })
}

fn buffered(inner: impl Read + Send + 'static) -> Box<dyn BufRead + Send> {
    Box::new(io::BufReader::with_capacity(BUFFER, inner))
}

/// Counts what is read.
pub struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R> Counted<R> {
    /// Adds to `count` what is read of `inner`.
    pub fn new(inner: R, count: Arc<AtomicU64>) -> Counted<R> {
        Counted { inner, count }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let some = self.inner.read(out)?;
        self.count.fetch_add(some as u64, Ordering::Relaxed);
        Ok(some)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, octets: usize) {
        self.count.fetch_add(octets as u64, Ordering::Relaxed);
        self.inner.consume(octets);
    }
}

/// Ends what grows too much.
struct Within<R> {
    inner: R,
    taken: Arc<AtomicU64>,
    given: u64,
}

impl<R: Read> Read for Within<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.given > GRACE && self.given / RATIO > self.taken.load(Ordering::Relaxed) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("it unpacks to more than {RATIO} times its size, as no mail does: the rest is not read"),
            ));
        }
        let some = self.inner.read(out)?;
        self.given += some as u64;
        Ok(some)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn unpacked(octets: Vec<u8>) -> io::Result<Vec<u8>> {
        let packing = packing(&octets).ok_or(io::ErrorKind::Unsupported)?;
        let mut out = Vec::new();
        unpack(packing, io::Cursor::new(octets))?.read_to_end(&mut out)?;
        Ok(out)
    }

    fn zst(octets: &[u8]) -> Vec<u8> {
        let mut to = zstd::Encoder::new(Vec::new(), 1).expect("memory takes all");
        to.include_checksum(true).expect("it can");
        to.write_all(octets).expect("memory takes all");
        to.finish().expect("memory takes all")
    }

    fn gz(octets: &[u8]) -> Vec<u8> {
        let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        to.write_all(octets).expect("memory takes all");
        to.finish().expect("memory takes all")
    }

    #[test]
    fn frames_behind_one_another_and_frames_of_others_are_read_as_one() {
        let other = [&[0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let packed = [zst(b"one "), other.clone(), zst(b""), zst(b"two")].concat();
        assert_eq!(unpacked(packed).unwrap(), b"one two");
        assert_eq!(unpacked([other, zst(b"one")].concat()).unwrap(), b"one");
        assert_eq!(unpacked([gz(b"one "), gz(b"two")].concat()).unwrap(), b"one two");
    }

    #[test]
    fn what_is_cut_off_or_damaged_is_told() {
        let text: Vec<u8> = (0..20_000_u32).flat_map(|n| (n * n).to_le_bytes()).collect();
        for whole in [zst(&text), gz(&text)] {
            assert_eq!(unpacked(whole.clone()).unwrap(), text);
            assert!(unpacked(whole[..whole.len() / 2].to_vec()).is_err());
            assert!(unpacked(whole[..5].to_vec()).is_err());
            let mut bad = whole;
            let end = bad.len() - 2;
            bad[end] ^= 1;
            assert!(unpacked(bad).is_err(), "the checksum");
        }
        assert!(unpacked([zst(b"one"), b"rubbish".to_vec()].concat()).is_err());
        assert!(
            unpacked(vec![0x53, 0x2a, 0x4d, 0x18, 9, 0, 0, 0, 1]).is_err(),
            "a foreign frame"
        );
    }

    #[test]
    fn what_would_never_end_is_ended() {
        // Frames of a block that says: this octet, 128 KiB times.
        let block = ((128_u32 << 10) << 3) | 0b10;
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58];
        for last in [0, 0, 0, 0, 0, 0, 0, 1] {
            frame.extend_from_slice(&(block | last).to_le_bytes()[..3]);
            frame.push(b'x');
        }
        let mut read = 0;
        let mut from = unpack(Packing::Zstd, io::Cursor::new(frame.repeat(4_000))).unwrap();
        let error = loop {
            match from.fill_buf() {
                Ok([]) => panic!("it was read to its end"),
                Ok(some) => {
                    let some = some.len();
                    read += some as u64;
                    from.consume(some);
                }
                Err(error) => break error,
            }
        };
        assert!(error.to_string().contains("times its size"), "{error}");
        assert!((GRACE..GRACE + (1 << 20)).contains(&read), "{read}");
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_back(octets in prop::collection::vec(any::<u8>(), 0..5_000)) {
            prop_assert_eq!(unpacked(zst(&octets)).unwrap(), octets.clone());
            prop_assert_eq!(unpacked(gz(&octets)).unwrap(), octets);
        }

        #[test]
        fn any_octets_are_unpacked_or_refused(
            octets in prop::collection::vec(any::<u8>(), 0..300),
            at in any::<prop::sample::Index>(),
            octet in any::<u8>(),
        ) {
            for packed in [zst(&octets), gz(&octets)] {
                let mut bad = packed;
                let at = at.index(bad.len());
                bad[at] = octet;
                let _ = unpacked(bad);
            }
            let _ = unpacked([&[0x28, 0xb5, 0x2f, 0xfd][..], &octets].concat());
        }
    }
}
