//! Searching octets, many at once.

/// Octets that are looked at together.
const ABREAST: usize = 16;

/// The first octet from `from` on that is one of those. Without an early end within a block, so that the compiler takes its
/// octets abreast.
#[inline]
pub(super) fn position(octets: &[u8], from: usize, is: impl Fn(u8) -> bool) -> Option<usize> {
    let rest = octets.get(from..)?;
    let (blocks, _) = rest.as_chunks::<ABREAST>();
    let without = blocks
        .iter()
        .take_while(|block| block.iter().fold(0, |any, &octet| any | u8::from(is(octet))) == 0)
        .count();
    let seen = rest.get(ABREAST * without..)?;
    let at = seen.iter().position(|&octet| is(octet))?;
    Some(from + ABREAST * without + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_octet_is_found_wherever_it_stands() {
        for len in 0..120 {
            let mut octets = vec![b'a'; len];
            assert_eq!(position(&octets, 0, |b| b == b'b'), None);
            for at in 0..len {
                octets[at] = b'b';
                octets[len - 1] = b'b';
                for from in 0..=at {
                    assert_eq!(position(&octets, from, |b| b == b'b'), Some(at), "{len}, {from}");
                }
                octets.fill(b'a');
            }
            assert_eq!(position(&octets, len + 1, |_| true), None);
        }
    }
}
