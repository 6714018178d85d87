//! An input's first octets say how the rest is cut.

/// The lengths of the pieces, each 1 to 16 or up to 2048, none for an uncut input; and the rest.
pub fn cuts(data: &[u8]) -> (Vec<usize>, &[u8]) {
    let Some((count, rest)) = data.split_first() else {
        return (Vec::new(), data);
    };
    let (lengths, rest) = rest.split_at(usize::from(count % 8).min(rest.len()));
    let length = |n: &u8| match n {
        0..=127 => usize::from(n % 16) + 1,
        128..=255 => usize::from(n - 127) * 16,
    };
    (lengths.iter().map(length).collect(), rest)
}
