//! Where the octets of a body lie. Memory is known here; a spool file is wrapped by whoever may open files.

use std::fmt::Debug;
use std::io;

use bytes::Bytes;

/// Where the octets of a message body lie: memory, or a spool file that the proxy wraps.
///
/// The octets never change while the value lives.
pub trait Content: Send + Sync + Debug {
    /// How many octets there are.
    fn len(&self) -> u64;

    /// Copies octets from `at` on into `out` and says how many; 0 only at the end or when `out` is empty. An error is
    /// the medium's, never the content's.
    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<usize>;

    /// All octets at once, where they lie in memory anyway.
    fn whole(&self) -> Option<&[u8]> {
        None
    }

    /// Whether there is no octet at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Content for Bytes {
    fn len(&self) -> u64 {
        self.as_ref().len() as u64
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(at)
            .ok()
            .and_then(|at| self.get(at..))
            .unwrap_or_default();
        let n = rest.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..n), rest.get(..n)) {
            to.copy_from_slice(from);
        }
        Ok(n)
    }

    fn whole(&self) -> Option<&[u8]> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_any_place_and_never_past_its_end() {
        let content = Bytes::from_static(b"0123456789");
        let mut out = [0; 4];
        assert_eq!(content.read_at(8, &mut out).unwrap(), 2);
        assert_eq!(&out[..2], b"89");
        assert_eq!(content.read_at(10, &mut out).unwrap(), 0);
        assert_eq!(content.read_at(u64::MAX, &mut out).unwrap(), 0);
        assert_eq!(content.whole(), Some(&b"0123456789"[..]));
        assert_eq!((Content::len(&content), Content::is_empty(&content)), (10, false));
    }
}
