//! Searching octets, many at once.

/// The first octet from `from` on that is one of those: the next few one by one, those behind by blocks.
#[inline]
pub(super) fn position(octets: &[u8], from: usize, is: impl Fn(u8) -> bool) -> Option<usize> {
    let rest = octets.get(from..)?;
    let (near, far) = rest.split_at_checked(16).unwrap_or((rest, &[]));
    if let Some(at) = near.iter().position(|&octet| is(octet)) {
        return Some(from + at);
    }
    let (blocks, _) = far.as_chunks::<32>();
    let without = blocks
        .iter()
        .take_while(|block| block.iter().fold(0, |any, &octet| any | u8::from(is(octet))) == 0)
        .count();
    let seen = far.get(32 * without..)?;
    let at = seen.iter().position(|&octet| is(octet))?;
    Some(from + near.len() + 32 * without + at)
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
